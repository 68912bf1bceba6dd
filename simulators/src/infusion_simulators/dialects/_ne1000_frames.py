"""The NE-1000's two framings: basic (text up to CR), safe (STX, length, text, CRC-16, ETX). Manual #1200-01 p. 33."""

import binascii
from dataclasses import dataclass
from enum import StrEnum

from infusion_simulators.device import SECOND, Nanos

STX, ETX, CR = 0x02, 0x03, 0x0D
GAP: Nanos = SECOND // 2
"""A packet whose next byte is later than this is thrown away."""
OVERHEAD = 4
"""What the length counts beside the text: itself, two CRC bytes, ETX."""
TEXT_MAX = 120
BUFFER_MAX = 1024


class Framing(StrEnum):
    """How text is wrapped."""

    BASIC = "basic"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Packet:
    """Text from the host: upper case, no spaces, no control characters. Not intact: its CRC or ETX was wrong."""

    text: str
    intact: bool


def crc(data: bytes) -> bytes:
    """CRC-16/XMODEM, high byte first."""
    return binascii.crc_hqx(data, 0).to_bytes(2, "big")


def frame(text: str, framing: Framing) -> bytes:
    """Wrap a reply."""
    data = text.encode("ascii")
    if framing is Framing.BASIC:
        return bytes([STX, *data, ETX])
    return bytes([STX, len(data) + OVERHEAD, *data, *crc(data), ETX])


class Receiver:
    """The host's bytes, cut into packets. Holds at most BUFFER_MAX bytes; what is beyond is lost, as in the device."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._heard: Nanos = 0

    def feed(self, data: bytes, now: Nanos) -> None:
        """Take bytes; an unfinished packet that has waited longer than GAP is dropped first."""
        if self._buffer[:1] == bytes([STX]) and now - self._heard > GAP:
            self._buffer.clear()
        self._heard = now
        self._buffer += data[: BUFFER_MAX - len(self._buffer)]

    def next(self, framing: Framing) -> Packet | None:
        """Give the next packet, None for none yet. `framing` is the pump's mode now, which each packet may change."""
        while self._buffer:
            if self._buffer[0] == STX:
                length = self._buffer[1] if len(self._buffer) > 1 else OVERHEAD
                if not OVERHEAD <= length <= TEXT_MAX + OVERHEAD:
                    del self._buffer[0]
                elif len(self._buffer) < 1 + length or len(self._buffer) == 1:
                    return None
                else:
                    return self._packet(length)
            elif framing is Framing.SAFE:
                self._skip_to(STX)
            elif (line := self._line()) is not None:
                return line
            elif STX in self._buffer:
                self._skip_to(STX)
            else:
                return None
        return None

    def clear(self) -> None:
        """Forget everything, as a loss of power does."""
        self._buffer.clear()

    def _packet(self, length: int) -> Packet:
        data, self._buffer = bytes(self._buffer[2 : 1 + length]), self._buffer[1 + length :]
        text = data[:-3]
        return Packet(_plain(text), data[-1] == ETX and data[-3:-1] == crc(text))

    def _line(self) -> Packet | None:
        """Give a line of basic mode; an STX before its end begins a packet instead."""
        end = self._buffer.find(CR)
        start = self._buffer.find(STX)
        if end < 0 or 0 <= start < end:
            if start < 0 and len(self._buffer) > TEXT_MAX:
                self._buffer.clear()
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return Packet(_plain(line), intact=True)

    def _skip_to(self, byte: int) -> None:
        at = self._buffer.find(byte)
        del self._buffer[: at if at >= 0 else len(self._buffer)]


def _plain(data: bytes) -> str:
    """Strip spaces and control characters and what is no ASCII; make it upper case."""
    return "".join(c for c in data.decode("ascii", "ignore") if c.isprintable() and c != " ").upper()
