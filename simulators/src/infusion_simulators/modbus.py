"""What a Modbus device says to a request: the protocol data unit, server side, without frames, time or IO.

Source: MODBUS Application Protocol Specification V1.1b3. Functions 01, 03, 04, 05, 06, 16 and 43/14; a device shows its
registers as blocks, and a read may begin and end anywhere inside one (docs/modbus-maps.md). Order of the refusals as in
the specification's state diagrams: function, then value or count, then address.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

from infusion_simulators.device import Nanos

READ_COILS, READ_HOLDING, READ_INPUT = 0x01, 0x03, 0x04
WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS = 0x05, 0x06, 0x10
ENCAPSULATED, READ_IDENTIFICATION = 0x2B, 0x0E
COIL_ON, COIL_OFF = 0xFF00, 0x0000
MAX_COILS, MAX_READ, MAX_WRITTEN = 2000, 125, 123
U32_MAX = 0xFFFF_FFFF
TICK: Nanos = 10_000_000
"""What the uptime counters of docs/modbus-maps.md count: 10 ms."""
BASIC_CONFORMITY = 0x01
"""Basic identification, stream access only (6.21)."""
STREAM_CODES = (0x01, 0x02, 0x03)
"""Basic, regular, extended: a device answers a higher level at its own (6.21)."""


class Code(IntEnum):
    """Why a request is refused: the exception codes of section 7."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3


class Table(StrEnum):
    """Where a register lives."""

    COIL = "coil"
    HOLDING = "holding"
    INPUT = "input"


TABLES = {READ_COILS: Table.COIL, READ_HOLDING: Table.HOLDING, READ_INPUT: Table.INPUT}
"""By the function that reads it."""


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring registers (or coils, 0 or 1 each) as they are at this instant, from `start` on."""

    start: int
    words: tuple[int, ...]

    def cut(self, address: int, count: int) -> tuple[int, ...] | None:
        """Give `count` words from `address`, None where they aren't all inside this block."""
        begin = address - self.start
        return self.words[begin : begin + count] if 0 <= begin <= len(self.words) - count else None


class Registers(Protocol):
    """What a device is to its Modbus side."""

    identification: tuple[bytes, bytes, bytes]
    """Vendor, product code, revision: objects 0, 1 and 2 of 43/14."""

    def blocks(self, table: Table) -> Iterable[Block]:
        """Give every block of a table, each of one instant."""

    def write(self, table: Table, address: int, values: Sequence[int]) -> Code | None:
        """Write coils (0 or 1) or holding registers, all or none; a refusal where that can't be."""


def u32(value: int) -> tuple[int, int]:
    """Split an unsigned 32-bit value into its words, high word first; it wraps as a counter does."""
    return value >> 16 & 0xFFFF, value & 0xFFFF


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request whose structure is wrong: its length isn't what its function and counts imply. It is no traffic."""


def refusal(function: int, code: Code) -> bytes:
    """Make the answer that refuses: the function with its top bit set, and the code."""
    return bytes((function & 0x7F | 0x80, code))


def answer(pdu: bytes, device: Registers) -> bytes | Malformed:
    """Give the answer to a request, 1 to 253 bytes; the device is written to on the way where the request asks so."""
    if not pdu:
        return Malformed()
    match pdu[0]:
        case 0x01 | 0x03 | 0x04:
            done = _read(pdu, device)
        case 0x05 | 0x06:
            done = _write_one(pdu, device)
        case 0x10:
            done = _write_many(pdu, device)
        case 0x2B:
            done = _identify(pdu, device)
        case _:
            done = Code.FUNCTION
    return refusal(pdu[0], done) if isinstance(done, Code) else done


def _word(pdu: bytes, at: int) -> int:
    return int.from_bytes(pdu[at : at + 2])


def _packed(words: Sequence[int]) -> bytes:
    return struct.pack(f">{len(words)}H", *words)


def _read(pdu: bytes, device: Registers) -> bytes | Code | Malformed:
    if len(pdu) != 5:  # noqa: PLR2004 - function, address, count (6.1, 6.3, 6.4)
        return Malformed()
    table = TABLES[pdu[0]]
    address, count = _word(pdu, 1), _word(pdu, 3)
    if not 1 <= count <= (MAX_COILS if table is Table.COIL else MAX_READ):
        return Code.VALUE
    for block in device.blocks(table):
        if (words := block.cut(address, count)) is not None:
            data = _bits(words) if table is Table.COIL else _packed(words)
            return bytes((pdu[0], len(data))) + data
    return Code.ADDRESS


def _bits(coils: Sequence[int]) -> bytes:
    """Pack coils, the first in the lowest bit of the first byte, the rest of the last byte 0 (6.1)."""
    return sum(coil << n for n, coil in enumerate(coils)).to_bytes((len(coils) + 7) // 8, "little")


def _write_one(pdu: bytes, device: Registers) -> bytes | Code | Malformed:
    if len(pdu) != 5:  # noqa: PLR2004 - function, address, value (6.5, 6.6)
        return Malformed()
    address, value = _word(pdu, 1), _word(pdu, 3)
    if pdu[0] == WRITE_REGISTER:
        refused = device.write(Table.HOLDING, address, (value,))
    elif value in (COIL_ON, COIL_OFF):
        refused = device.write(Table.COIL, address, (int(value == COIL_ON),))
    else:
        refused = Code.VALUE
    return pdu if refused is None else refused


def _write_many(pdu: bytes, device: Registers) -> bytes | Code | Malformed:
    if len(pdu) < 6 or len(pdu) != 6 + pdu[5]:  # noqa: PLR2004 - function, address, count, byte count (6.12)
        return Malformed()
    address, count = _word(pdu, 1), _word(pdu, 3)
    if not 1 <= count <= MAX_WRITTEN or pdu[5] != 2 * count:
        return Code.VALUE
    refused = device.write(Table.HOLDING, address, [_word(pdu, at) for at in range(6, len(pdu), 2)])
    return pdu[:5] if refused is None else refused


def _identify(pdu: bytes, device: Registers) -> bytes | Code | Malformed:
    if len(pdu) < 2 or pdu[1] != READ_IDENTIFICATION:  # noqa: PLR2004 - function, kind (6.19)
        return Code.FUNCTION
    if len(pdu) != 4:  # noqa: PLR2004 - function, kind, code, first object (6.21)
        return Malformed()
    if pdu[2] not in STREAM_CODES:
        return Code.VALUE
    first = pdu[3] if pdu[3] < len(device.identification) else 0  # an unknown object means from the beginning (6.21)
    objects = list(enumerate(device.identification))[first:]
    head = bytes((ENCAPSULATED, READ_IDENTIFICATION, pdu[2], BASIC_CONFORMITY, 0, 0, len(objects)))
    return head + b"".join(bytes((number, len(text))) + text for number, text in objects)
