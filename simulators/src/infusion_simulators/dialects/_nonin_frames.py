"""The Nonin oximeter's bytes: frames and packets of data formats 2 and 7, the host's commands and their answers.

Sources as in nonin_oem3.py. Frame: DF2 01 STATUS PLETH DATA CHK, DF7 STATUS PLETH_MSB PLETH_LSB DATA CHK; the checksum
is the sum of the four bytes before it. Command: 02 OPCODE LENGTH DATA... 03.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from infusion_simulators.device import SECOND, Nanos

FRAMES_PER_SECOND, FRAMES = 75, 25
MISSING_SPO2, MISSING_HR = 127, 511
REVISION = 48
TIMER_MODULUS = 1 << 14
STX, ETX, ACK, NAK = 0x02, 0x03, b"\x06", b"\x15"
SET_FORMAT, GET_SERIAL, SERIAL_ANSWER, COMMAND_ID = 0x70, 0x74, 0xF4, 0x02
SERIAL_LENGTH = 9
COMMAND_MAX = 64
PATIENCE: Nanos = SECOND // 2
"""A command whose next byte is later than this is thrown away."""


class Format(StrEnum):
    """The data formats that are modelled."""

    DF2 = "df2"
    DF7 = "df7"


class Perfusion(StrEnum):
    """The colour shown during a pulse; its two bits in the status byte."""

    NONE = "none"
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


PERFUSION_BITS = {Perfusion.NONE: 0, Perfusion.GREEN: 2, Perfusion.RED: 4, Perfusion.YELLOW: 6}


@dataclass(frozen=True, slots=True)
class Flags:
    """What a frame's status byte says beside sync and perfusion."""

    disconnected: bool = False
    artifact: bool = False
    out_of_track: bool = False
    sensor_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Values:
    """What a packet says, in the device's own numbers: 127 and 511 are missing. All of one instant."""

    hr: int
    spo2: int
    spo2_d: int
    spo2_fast: int
    spo2_bb: int
    e_hr: int
    e_spo2: int
    e_spo2_d: int
    hr_d: int
    e_hr_d: int
    timer: int = 0
    smart_point: bool = False
    low_battery: bool = False
    rev: int = REVISION


def status(flags: Flags, perfusion: Perfusion, *, sync: bool) -> int:
    """Give a frame's status byte."""
    bits = (sync, False, False, flags.sensor_alarm, flags.out_of_track, flags.artifact, flags.disconnected, True)
    return sum(bit << n for n, bit in enumerate(bits)) | PERFUSION_BITS[perfusion]


def frame(form: Format, status_byte: int, pleth: int, data: int) -> bytes:
    """Give a frame: pleth 0-255 in DF2, 0-65535 in DF7."""
    a, b, c = (1, status_byte, pleth) if form is Format.DF2 else (status_byte, pleth >> 8, pleth & 0xFF)
    return bytes((a, b, c, data, (a + b + c + data) & 0xFF))


def packet_data(values: Values, form: Format) -> tuple[int, ...]:
    """Give the data bytes of a packet's 25 frames."""
    data = [0] * FRAMES
    for at, rate in ((0, values.hr), (13, values.e_hr), (19, values.hr_d), (21, values.e_hr_d)):
        data[at : at + 2] = rate >> 7 & 0x03, rate & 0x7F
    data[2:4] = values.spo2, values.rev
    data[8:11] = values.spo2_d, values.spo2_fast, values.spo2_bb
    data[15:17] = values.e_spo2, values.e_spo2_d
    if form is Format.DF7:
        data[5:7] = values.timer >> 7 & 0x7F, values.timer & 0x7F
        data[7] = values.smart_point << 5 | values.low_battery
    return tuple(data)


def serial_answer(serial_number: str) -> bytes:
    """Give the answer to opcode 74: F4, length, the id 02, nine characters, the sum of these; between STX and ETX."""
    body = bytes((SERIAL_ANSWER, 2 + SERIAL_LENGTH, COMMAND_ID)) + serial_number.encode("ascii")
    return bytes((STX, *body, sum(body) & 0xFF, ETX))


class Commands:
    """The host's commands out of a stream of bytes: what can't be one is passed over byte by byte."""

    __slots__ = ("_buffer", "_heard")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._heard: Nanos = 0

    def feed(self, data: bytes, now: Nanos) -> list[tuple[int, bytes]]:
        """Take bytes split anywhere; give the commands that are whole now, as opcode and data. Never raises."""
        if now - self._heard >= PATIENCE:
            self._buffer.clear()
        self._heard = now
        self._buffer += data
        return list(self._whole())

    def _whole(self) -> Iterator[tuple[int, bytes]]:
        buffer = self._buffer
        while (start := buffer.find(STX)) >= 0:
            del buffer[:start]
            size = 4 + buffer[2] if len(buffer) > 2 else 0  # noqa: PLR2004 - STX, opcode, length
            if not size or len(buffer) < size <= COMMAND_MAX:
                return
            if size > COMMAND_MAX or buffer[size - 1] != ETX:
                del buffer[0]
                continue
            yield buffer[1], bytes(buffer[3 : size - 1])
            del buffer[:size]
        buffer.clear()
