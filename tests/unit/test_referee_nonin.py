"""PyPI's nonin, a client of the real oximeter by another hand, reads the simulated one's stream and is its judge."""

import io
import sys
import warnings

import pytest

from infusion_simulators.device import SECOND
from infusion_simulators.dialects.nonin_oem3 import NoninOem3

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it compares with a literal by identity
    nonin = pytest.importorskip("nonin.device", reason="the referee nonin has no wheel on this platform")


class Port:
    """The simulated device's bytes behind as much of a serial port as the client uses."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read_until(self, expected: bytes) -> bytes:
        """Read up to and with the byte expected."""
        out = b""
        while not out.endswith(expected):
            byte = self._data.read(1)
            if not byte:
                raise EOFError
            out += byte
        return out


def lived(**keys: object) -> bytes:
    """Give ten seconds of a device with these keys set."""
    device = NoninOem3(0, seed=11)
    for key, value in keys.items():
        device.set(key, value, 0)
    return b"".join(device.take(at * SECOND // 5) for at in range(51))


def judged(data: bytes) -> list[dict[str, int]]:
    """Give what the client makes of each frame."""
    client = nonin.Nonin.__new__(nonin.Nonin)  # its constructor looks for the device's own USB adapter
    client.serial, client.packet_count, client.frame_count = Port(data), 0, 0
    read = []
    try:
        client.serial.read_until(b"\x01")  # as after its first frame, which it never sees whole
        while True:
            read.append(client.read())
    except EOFError:
        return read


def test_the_client_reads_every_frame() -> None:
    """Pins pleth and SYNC as the client reads them: every frame of ten seconds, a packet each 25."""
    data = lived()
    read = judged(data)
    assert len(read) == len(data) // 5 - 1 == 742  # it takes the next frame's first byte for the end of this one
    assert [frame["PPG"] for frame in read] == [data[at + 2] for at in range(0, 5 * len(read), 5)]
    assert [n for n, frame in enumerate(read) if frame["Frame Sync"]] == list(range(0, len(read), 25))


NORMAL = {"Sensor Alarm": 0, "Out Of Track": 0, "Artifact - short term": 0, "Sensor disconnect": 0}


@pytest.mark.parametrize(
    ("keys", "flags"),
    [
        ({}, {}),
        ({"probe": "off"}, {"Sensor disconnect": 1, "Out Of Track": 1}),
        ({"probe": "off-finger"}, {"Sensor Alarm": 1, "Out Of Track": 1}),
        ({"artifact": "on"}, {"Artifact - short term": 1}),
        ({"out_of_track": "on"}, {"Out Of Track": 1}),
    ],
)
def test_the_client_reads_the_flags(keys: dict[str, object], flags: dict[str, int]) -> None:
    """Pins each flag's bit by the client's own map, in every frame."""
    read = judged(lived(**keys))
    assert read
    assert all({name: frame[name] for name in NORMAL} == {**NORMAL, **flags} for frame in read)


@pytest.mark.parametrize(("perfusion", "score"), [("green", 3), ("yellow", 2), ("red", 1)])
def test_the_client_reads_the_perfusion(perfusion: str, score: int) -> None:
    """Pins the three colours by the client's score, shown during pulses alone."""
    assert {frame["Perfusion Amplitude"] for frame in judged(lived(perfusion=perfusion))} == {0, score}


def test_the_referee_is_somebody_elses() -> None:
    """Pins that the judge comes from its own distribution and knows nothing of the simulators."""
    source = sys.modules["nonin.device"].__file__
    assert source is not None
    assert "site-packages" in source
