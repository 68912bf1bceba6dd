"""The golden rows of the Nonin oximeter from left to right: what the driver makes of each packet and reply."""

import pytest

from golden_rows import Row, frame, row_of, rows, told
from infusion_gateway.devices.driver import Bytes, SendBytes
from infusion_gateway.devices.serial.nonin_oem3 import Frame, NoninOem3, build
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import Fault, FaultKind

PACKETS = rows("nonin_oem3", kind="packet")
NEXT = {"df2": bytes.fromhex("01 81 01 00 83"), "df7": bytes.fromhex("81 40 10 00 d1")}
"""The first frame of the packet after: only its SYNC shows that the packet before is whole."""
FLAGS = {"disconnected": 0x40, "artifact": 0x20, "out_of_track": 0x10, "sensor_alarm": 0x08, "sync": 0x01}
COLOURS = {"none": 0, "green": 0x02, "red": 0x04, "yellow": 0x06}


@pytest.mark.parametrize("row", PACKETS, ids=lambda row: row["id"])
@pytest.mark.parametrize("wanted", ["auto", "own"])
def test_what_a_packet_says(row: Row, wanted: str) -> None:
    """Pins that each golden packet is read as the row says, with the format found or configured."""
    driver = build(0, {"format": row["format"] if wanted == "own" else "auto"})
    assert driver.receive(Bytes(bytes.fromhex(row["hex"])), SECOND) == ()
    assert told(driver.receive(Bytes(NEXT[row["format"]]), 2 * SECOND)) == row["reads"]


@pytest.mark.parametrize("row", PACKETS, ids=lambda row: row["id"])
def test_a_packet_of_the_other_format_is_not_read(row: Row) -> None:
    """Pins that a driver configured for the other format finds no packet in it."""
    other = "df7" if row["format"] == "df2" else "df2"
    said = build(0, {"format": other}).receive(Bytes(bytes.fromhex(row["hex"]) * 3), SECOND)
    assert said
    assert all(isinstance(one, Fault) for one in said)


@pytest.mark.parametrize("row", rows("nonin_oem3", kind="frame"), ids=lambda row: row["id"])
def test_what_a_frame_says(row: Row) -> None:
    """Pins the status bits, pleth and data byte of each golden frame."""
    means = row["means"]
    status = 0x80 | COLOURS[means["perfusion"]] | sum(bit for flag, bit in FLAGS.items() if means[flag])
    taken, found = NoninOem3(("df2", "df7"))._scan(bytes.fromhex(row["hex"]))
    assert (taken, found) == (5, Frame(row["format"], status, means["pleth"], means["data"]))


@pytest.mark.parametrize("row", PACKETS, ids=lambda row: row["id"])
def test_a_corrupt_packet_is_never_read(row: Row) -> None:
    """Pins that one wrong bit anywhere in a packet leaves nothing of it but a fault."""
    whole = bytes.fromhex(row["hex"])
    for at in range(len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 0x04
        said = build(0, {}).receive(Bytes(bytes(broken) + NEXT[row["format"]]), SECOND)
        assert said, f"byte {at}"
        assert all(isinstance(one, Fault) for one in said), f"byte {at}: {said}"


@pytest.mark.parametrize("row", rows("nonin_oem3", kind="reply"), ids=lambda row: row["id"])
def test_what_a_reply_says(row: Row) -> None:
    """Pins how an acknowledgement and the serial number are read, also between two frames of a packet."""
    reply = bytes.fromhex(row["hex"])
    packet = frame("nonin_oem3", "df2-packet-72-97")
    assert told(build(0, {}).receive(Bytes(reply), SECOND)) == row["reads"]
    said = build(0, {}).receive(Bytes(packet[:50] + reply + packet[50:] + NEXT["df2"]), SECOND)
    assert told(said) == row["reads"] | row_of("nonin_oem3", "df2-packet-72-97")["reads"]


def test_how_the_serial_number_is_asked() -> None:
    """Pins the bytes of the one command that is ever sent, as mdpnp sends it."""
    (sent,) = rows("nonin_oem3", direction="host", sent=True)
    (request,) = build(0, {}).due(0)
    assert isinstance(request, SendBytes)
    assert request.data.hex(" ") == sent["hex"]


def test_a_serial_number_with_a_wrong_checksum_is_not_believed() -> None:
    """Pins the cautious reading of the one frame whose form is only partly known."""
    reply = bytearray(frame("nonin_oem3", "serial-number"))
    reply[5] ^= 0x01
    (fault,) = build(0, {}).receive(Bytes(bytes(reply)), SECOND)
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.UNEXPECTED
