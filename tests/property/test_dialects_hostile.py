"""Any simulated device under any bytes, times and keys: it never raises, holds little, answers the next request."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infusion_simulators.device import SECOND, Dialect
from infusion_simulators.dialects import Settings, Wire, create, describe, names

DIALECTS = [(name, wire) for name in names() for wire in Wire]
CHUNKS = st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 3 * SECOND)), max_size=20)
MODBUS = [
    b"\x01\x04\x00\x00",
    b"\x00\x12",
    b"\x70\x07",
    b"\x01\x10\x00\x20",
    b"\x00\x01\x00\x00\x00\x06",
    b"\x01\x2b\x0e",
]
SERIAL = [b"\x02", b"\x03", b"\x70\x04", b"\x74\x02", b"\x55", b"\r", b"0SAF0", b"RUN", b"*"]
LIKELY = st.lists(st.sampled_from(MODBUS + SERIAL) | st.binary(max_size=4), max_size=40).map(b"".join)
"""Bytes with pieces of true requests in them, so that framers are led astray further than by noise."""
HELD_MAX = 20_000
"""Bytes that any device may hold altogether, answers that nobody has taken included."""


def held(thing: object, depth: int = 4) -> int:
    """Count the bytes in every buffer that a device holds, whatever it is made of."""
    if isinstance(thing, bytes | bytearray | str):
        return len(thing)
    if depth == 0:
        return 0
    if isinstance(thing, Mapping):
        return sum(held(part, depth - 1) for part in thing.values())
    if isinstance(thing, list | tuple):
        return sum(held(part, depth - 1) for part in thing)
    inside: dict[str, Any] = dict(getattr(thing, "__dict__", {}))
    for cls in type(thing).__mro__:
        inside |= {name: getattr(thing, name, None) for name in getattr(cls, "__slots__", ())}
    return sum(held(part, depth - 1) for part in inside.values())


def switched_on(name: str, wire: Wire) -> Dialect:
    """Switch on a device as unit 1 at time 0."""
    return create(name, Settings(wire, 1, 0), 1)


@pytest.mark.parametrize(("name", "wire"), DIALECTS)
@given(chunks=CHUNKS, likely=LIKELY)
@settings(max_examples=60)
def test_any_bytes_never_raise_and_are_bounded(
    name: str, wire: Wire, chunks: list[tuple[bytes, int]], likely: bytes
) -> None:
    """Pins that arbitrary bytes at arbitrary times never raise, and leave a bounded amount behind, taken or not."""
    device, now = switched_on(name, wire), 0
    for data, later in [*chunks, (likely, 0), (likely * 50, 1)]:
        now += later
        device.receive(data, now)
        assert held(device) < HELD_MAX
    assert len(device.take(now)) < HELD_MAX
    due = device.next_deadline()
    assert due is None or due > now


@pytest.mark.parametrize(("name", "wire"), [(name, wire) for name, wire in DIALECTS if name.startswith("modbus")])
@given(noise=st.binary(max_size=600) | LIKELY)
@settings(max_examples=100)
def test_modbus_is_in_step_after_noise_and_silence(name: str, wire: Wire, noise: bytes) -> None:
    """Pins that after any noise and two seconds of silence the next good request gets exactly its answer."""
    if wire is Wire.SERIAL:
        asked, told = "01 04 00 00 00 01 31 ca", "01 04 02 00 00 b9 30"
    else:
        asked, told = "00 07 00 00 00 06 01 04 00 00 00 01", "00 07 00 00 00 05 01 04 02 00 00"
    device = switched_on(name, wire)
    device.receive(noise, 0)
    device.take(0)
    device.receive(bytes.fromhex(asked), 2 * SECOND)
    assert device.take(2 * SECOND) == bytes.fromhex(told)


@pytest.mark.parametrize("wire", Wire)
@pytest.mark.parametrize("name", ["modbus_pump", "modbus_monitor", "nonin_oem3"])
@given(data=LIKELY, cuts=st.lists(st.integers(0, 400), max_size=8))
@settings(max_examples=100)
def test_any_split_gives_the_same_answers(name: str, wire: Wire, data: bytes, cuts: list[int]) -> None:
    """Pins that it doesn't matter how the bytes were split on their way, as long as no silence falls between them."""
    whole, split = switched_on(name, wire), switched_on(name, wire)
    whole.receive(data, 0)
    ends = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for begin, end in pairwise(ends):
        split.receive(data[begin:end], 0)
    assert whole.take(SECOND) == split.take(SECOND)
    assert whole.state() == split.state()


def refused_in_words(do: Callable[[], None]) -> str | None:
    """Do it; give the words it was refused with, None where it was taken."""
    try:
        do()
    except ValueError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("name", names())
@given(
    key=st.text(max_size=20),
    value=st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    choice=st.integers(0, 100),
)
@example(key="", value=1.797693134862316e305, choice=13)
@example(key="rate_ml_h", value=-1e308, choice=0)
@settings(max_examples=60)
def test_any_key_is_taken_or_refused_in_words(name: str, key: str, value: object, choice: int) -> None:
    """Pins that any value for any key, known or not, is taken or refused with ValueError, and the device lives on."""
    device = switched_on(name, Wire.SERIAL)
    known = sorted(describe(name).keys)
    for asked in (key, known[choice % len(known)]):
        pressed = f"{asked}={value}" if choice % 2 else asked
        assert refused_in_words(lambda asked=asked: device.set(asked, value, 0)) != ""
        assert refused_in_words(lambda pressed=pressed: device.press(pressed, 0)) != ""
    device.advance(SECOND)
    assert set(device.state()) == set(known)
