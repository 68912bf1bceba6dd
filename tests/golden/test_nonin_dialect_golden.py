"""The golden rows of the Nonin oximeter, from right to left: what the simulated device means, and what it sends."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from infusion_simulators.device import SECOND
from infusion_simulators.dialects._nonin_frames import (
    FRAMES,
    Flags,
    Format,
    Perfusion,
    Values,
    frame,
    packet_data,
    status,
)
from infusion_simulators.dialects.nonin_oem3 import START_UP, NoninOem3

Row = dict[str, Any]
ROWS = tomllib.loads((Path(__file__).parent / "nonin_oem3.toml").read_text())["row"]
FLAGS = ("disconnected", "artifact", "out_of_track", "sensor_alarm")
COLOURS = ("green", "yellow", "red")


def rows(kind: str) -> list[Any]:
    """Give the rows of a kind as parameters."""
    return [pytest.param(row, id=row["id"]) for row in ROWS if row["kind"] == kind]


@pytest.mark.parametrize("row", rows("frame"))
def test_frame(row: Row) -> None:
    """Pins each frame: status bits, pleth, data and checksum."""
    means = row["means"]
    flags = Flags(**{name: means[name] for name in FLAGS})
    byte = status(flags, Perfusion(means["perfusion"]), sync=means["sync"])
    assert frame(Format(row["format"]), byte, means["pleth"], means["data"]) == bytes.fromhex(row["hex"])


@pytest.mark.parametrize("row", rows("packet"))
def test_packet(row: Row) -> None:
    """Pins each packet: where every value stands among the 25 frames, two-byte rates, and the flags of each frame."""
    means = dict(row["means"])
    form, pleth = Format(row["format"]), means.pop("pleth")
    listed = {name: means.pop(name, []) for name in (*FLAGS, *COLOURS)}
    data = packet_data(Values(**means), form)
    sent = b""
    for n in range(FRAMES):
        flags = Flags(**{name: n in listed[name] for name in FLAGS})
        colour = next((Perfusion(name) for name in COLOURS if n in listed[name]), Perfusion.NONE)
        sent += frame(form, status(flags, colour, sync=n == 0), pleth, data[n])
    assert sent == bytes.fromhex(row["hex"])


def told(device: NoninOem3, command: str) -> bytes:
    """Give what the device says to a command before its next packet: the bytes ahead of the frame with SYNC."""
    device.take(START_UP)
    device.receive(bytes.fromhex(command), START_UP + 1)
    stream = device.take(START_UP + SECOND // 3 + 1)  # 24 frames to the packet's end, the answer, a frame
    return stream[24 * 5 : -5]


COMMANDS = {
    "get-serial-number": "serial-number",
    "set-format-2": "ack",
    "set-format-7": "ack",
    "set-format-7-short": "ack",
}


def test_every_golden_command_is_tried() -> None:
    """Pins that no command of the golden file is left out below."""
    assert {row["id"] for row in ROWS if row["kind"] == "command"} == set(COMMANDS)


@pytest.mark.parametrize(("asked", "answered"), COMMANDS.items())
def test_command(asked: str, answered: str) -> None:
    """Pins the answer to each command that the public client sends, and the format that streams after it."""
    by_id = {row["id"]: row for row in ROWS}
    device = NoninOem3(0, seed=1)
    device.set("serial_number", by_id["serial-number"]["means"]["serial_number"], 0)
    assert told(device, by_id[asked]["hex"]) == bytes.fromhex(by_id[answered]["hex"])
    assert device.state()["format"] == f"df{by_id[asked]['means'].get('format', 2)}"


@pytest.mark.parametrize(
    "command", ["02 70 04 02 07 01 7d 03", "02 70 04 02 08 01 7f 03", "02 70 02 02 03 03", "02 72 00 03"]
)
def test_refused_command(command: str) -> None:
    """Pins NAK for a wrong checksum, formats that aren't modelled, and every other opcode; the format stays."""
    device = NoninOem3(0, seed=1)
    nak = next(row["hex"] for row in ROWS if row["id"] == "nak")
    assert told(device, command) == bytes.fromhex(nak)
    assert device.state()["format"] == "df2"
