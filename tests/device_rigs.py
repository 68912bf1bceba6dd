"""A healthy device for each driver, made of its golden rows alone: what the conformance suite talks to.

A driver without golden rows, or a serial one without a rig here, fails the suite: nothing is skipped.
"""
# ruff: noqa: ARG002 (each rig leaves out what its device has no use for)

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from golden_rows import Row, rows
from infusion_gateway.devices.checksum import crc16_xmodem, sum8
from infusion_gateway.devices.driver import (
    Bytes,
    Identification,
    NoAnswer,
    ReadIdentification,
    ReadRegisters,
    Reply,
    Request,
    SendBytes,
    Table,
    Traits,
    Wire,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.devices.profile import Means, RegisterMap
from infusion_gateway.devices.registers import load_profiles
from infusion_gateway.model.metric import SECOND, Nanos


class Rig(Protocol):
    """A device in health. It delivers, or measures, until it is asked to stop."""

    def reply(self, request: Request, now: Nanos) -> Reply | None:
        """Answer a request that went out at this moment; None: it never answers this one."""

    def stream(self, now: Nanos) -> bytes:
        """Give what the device says unasked at this moment; b"" for one that only answers."""


class Ne1000Rig:
    """Answers with the text of golden rows, in the framing in which it is spoken to."""

    def __init__(self) -> None:
        self._stopped = False
        self._seconds = 0

    def reply(self, request: Request, now: Nanos) -> Reply | None:
        """Answer VER, DIS, RAT, SAF and STP."""
        assert isinstance(request, SendBytes)
        text = self._heard(request.data)
        if text is None:
            return NoAnswer(request)
        found = re.fullmatch(r"\d{1,2}(VER|DIS|RAT|STP|SAF)(?:(?<=SAF)(\d{1,3}))?", text)
        if found is None:
            return Bytes(self._wrapped("00" + self._status() + "?"))
        command, argument = found[1], found[2]
        if command == "STP":
            self._stopped = True
        if argument:
            self._seconds = int(argument)
        return Bytes(self._wrapped("00" + self._status() + self._data(command, argument)))

    def _heard(self, data: bytes) -> str | None:
        """Give the text that a pump in this mode makes of the bytes: the packet in them, or all up to the first CR."""
        if self._seconds > 0:
            found = re.search(rb"\x02.(\d+[A-Z]{3}\d*)..\x03", data, re.DOTALL)
            return found[1].decode() if found else None
        return "".join(chr(b) for b in data.partition(b"\r")[0] if b > 0x20).upper() if b"\r" in data else None

    def _status(self) -> str:
        return "P" if self._stopped else "I"

    def _data(self, command: str, argument: str | None) -> str:
        if command == "SAF":
            return "" if argument else str(self._seconds)
        row = next((r for r in rows("ne1000", direction="device", mode="basic", answers=command)), None)
        assert row, f"no golden answer to {command}"
        return bytes.fromhex(row["hex"])[4:-1].decode()

    def _wrapped(self, text: str) -> bytes:
        data = text.encode()
        if self._seconds == 0:
            return b"\x02" + data + b"\x03"
        return bytes((2, len(data) + 4)) + data + crc16_xmodem(data).to_bytes(2, "big") + b"\x03"

    def stream(self, now: Nanos) -> bytes:
        """Give nothing."""
        return b""


class NoninRig:
    """Says the golden packet over and over, its first pleth moving as a live one does."""

    def __init__(self) -> None:
        (self._row,) = rows("nonin_oem3", id="df2-packet-72-97")

    def reply(self, request: Request, now: Nanos) -> Reply | None:
        """Give the golden serial number."""
        (row,) = rows("nonin_oem3", id="serial-number")
        return Bytes(bytes.fromhex(row["hex"]))

    def stream(self, now: Nanos) -> bytes:
        """Give one packet."""
        packet = bytearray.fromhex(self._row["hex"])
        packet[2] = now // (SECOND // 3) % 200
        packet[4] = sum8(bytes(packet[:4]))
        return bytes(packet)


@dataclass
class ModbusRig:
    """Holds the words of one golden row for each block; its uptime runs, and a stop or time-out shows in them."""

    map: RegisterMap
    words: dict[tuple[Table, int], list[int]]

    def reply(self, request: Request, now: Nanos) -> Reply | None:
        """Answer as a device whose registers are these."""
        match request:
            case ReadRegisters():
                return Words(request, self._read(request, now), now)
            case WriteRegisters():
                self._written(request)
                return Written(request)
            case ReadIdentification():
                named = {"vendor": 0, "model": 1, "version": 2}
                return Identification(tuple((named[k], v) for k, v in (self.map.identification or {}).items()))
            case SendBytes():
                raise AssertionError("bytes to a Modbus device")

    def _read(self, request: ReadRegisters, now: Nanos) -> tuple[int, ...]:
        block = next(b for b in self.map.blocks if (b.table, b.address) == (request.table, request.address))
        words = self.words[(block.table, block.address)]
        uptime = block.field(Means.UPTIME)
        if uptime:
            ticks = int(now / (float(uptime.scale) * SECOND))
            words[uptime.at : uptime.ends] = [ticks >> 16 & 0xFFFF, ticks & 0xFFFF]
        return tuple(words[: request.count])

    def _written(self, request: WriteRegisters) -> None:
        """Let a stop show as stopped, and a time-out as what was written."""
        means, value = Means.DEAD_MAN, request.values[0]
        if self.map.stop and (request.table, request.address) == (self.map.stop.table, self.map.stop.address):
            means = Means.DELIVERY
        for block in self.map.blocks:
            field = block.field(means)
            if field:
                stopped = next((v for v, words in (field.words or {}).items() if words == ("stopped",)), 0)
                self.words[(block.table, block.address)][field.at] = stopped if means is Means.DELIVERY else value

    def stream(self, now: Nanos) -> bytes:
        """Give nothing."""
        return b""


SERIAL: Mapping[str, Callable[[], Rig]] = {"ne1000": Ne1000Rig, "nonin_oem3": NoninRig}


def rig_of(traits: Traits) -> Rig:
    """Make a healthy device for a driver."""
    if traits.wire is Wire.SERIAL:
        return SERIAL[traits.name]()
    register_map = load_profiles()[traits.name].map
    golden = rows(traits.name)
    words = {(b.table, b.address): _words_of(golden, b.table, b.address) for b in register_map.blocks}
    return ModbusRig(register_map, words)


def _words_of(golden: list[Row], table: Table, address: int) -> list[int]:
    """Give the words of a block's most telling row: one that infuses, else the one that means most."""
    found = [row for row in golden if row["table"] == table.value and row["address"] == address]
    assert found, f"no golden row for the block {table.value} {address:#x}"
    telling = max(found, key=lambda row: (row["means"].get("delivery") == "infusing", len(row["means"].keys())))
    return list(telling["words"])
