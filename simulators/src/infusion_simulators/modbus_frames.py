"""Modbus frames, server side: RTU with its CRC and silences, TCP with its MBAP header; and the unit that answers.

Sources: MODBUS over Serial Line V1.02 (2.5.1 RTU framing, 6.2 CRC); MODBUS Messaging on TCP/IP V1.0b (3.1 MBAP);
MODBUS Application Protocol V1.1b3 for the length of each function's request and answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from infusion_simulators.device import SECOND, Nanos
from infusion_simulators.dialects import Settings, Wire
from infusion_simulators.modbus import Code, Malformed, Registers, answer, refusal

MIN_RTU, MAX_RTU = 4, 256
MAX_UNIT = 247
MAX_FUNCTION = 127
MAX_PENDING = 8192
"""Answers nobody takes are lost beyond this many bytes: a device has no memory for them."""
MILLISECOND: Nanos = 1_000_000
READ_JITTER: Nanos = 20 * MILLISECOND
"""Where bytes are stamped when a process gets to read them, a silence shorter than this may be the scheduler's own."""
TCP_PATIENCE: Nanos = 2 * SECOND
"""A TCP frame that stays incomplete this long belongs to a connection that is gone."""
MBAP = 7

REQUEST = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6}
REQUEST_COUNTED = {15: (6, 9), 16: (6, 9), 20: (2, 5), 21: (2, 5), 23: (10, 13)}
"""Function -> where its byte count stands, and the bytes around what is counted, unit and CRC included."""
ANSWER = {5: 8, 6: 8, 7: 5, 8: 8, 11: 8, 15: 8, 16: 8, 22: 10}
ANSWER_COUNTED = dict.fromkeys((1, 2, 3, 4, 12, 17, 20, 21, 23), (2, 5))
IDENTIFICATION = 43


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def crc16(data: bytes | bytearray) -> int:
    """Compute CRC-16/MODBUS (8005 reflected, begin FFFF); over a frame that ends with its own CRC it is 0."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def silence(baud: int) -> Nanos:
    """Give the 3.5 characters of 11 bits that end a frame; over 19200 baud a fixed 1.75 ms (Serial Line 2.5.1.1)."""
    return 1_750_000 if baud > 19_200 else 77 * SECOND // (2 * baud)  # noqa: PLR2004 - as printed there


@dataclass(frozen=True, slots=True)
class Frame:
    """One request: the unit it is for, its protocol data unit, and on TCP the transaction that its answer must name."""

    unit: int
    pdu: bytes
    transaction: int = 0


class Framing(Protocol):
    """How requests and answers are wrapped on a wire."""

    def feed(self, data: bytes, now: Nanos) -> list[Frame]:
        """Take bytes split anywhere; give the requests that are whole now. Never raises, keeps a bounded remainder."""

    def wrap(self, request: Frame, pdu: bytes) -> bytes:
        """Wrap the answer to a request."""


class RtuFraming:
    """RTU as one unit hears it: every request on the line, and the answers of other units between them.

    A frame ends where its function's length says and the CRC fits. A silence of `gap` throws away what is incomplete.
    What can't be a frame is passed over byte by byte, so that a whole frame after noise is found.
    """

    __slots__ = ("_buffer", "_gap", "_heard", "_unit")

    def __init__(self, unit: int, gap: Nanos) -> None:
        self._unit = unit
        self._gap = gap
        self._buffer = bytearray()
        self._heard: Nanos = 0

    def feed(self, data: bytes, now: Nanos) -> list[Frame]:
        """Take what came over the line at `now`."""
        if now - self._heard >= self._gap:
            self._buffer.clear()
        self._heard = now
        self._buffer += data
        frames: list[Frame] = []
        while self._buffer and (size := self._first()) is not None:
            if size:
                frames.append(Frame(self._buffer[0], bytes(self._buffer[1 : size - 2])))
            del self._buffer[: size or 1]
        return frames

    def wrap(self, request: Frame, pdu: bytes) -> bytes:
        """Put unit and CRC (low byte first) around an answer."""
        body = bytes((request.unit,)) + pdu
        return body + crc16(body).to_bytes(2, "little")

    def _first(self) -> int | None:
        """Give the length of the frame the buffer begins with, 0 where it begins with none, None for more to come."""
        buffer = self._buffer
        if buffer[0] > MAX_UNIT:
            return 0
        if len(buffer) < 2:  # noqa: PLR2004 - unit and function
            return None
        size = _request_size(buffer)
        if size is not None and 0 < size <= len(buffer) and not crc16(buffer[:size]):
            return size
        sizes = [size]
        if buffer[0] != self._unit:
            sizes.append(_answer_size(buffer))
        if sizes[0] is None and sizes[-1] is None:  # of no known length: all there is, if the CRC says so
            if not 1 <= buffer[1] <= MAX_FUNCTION:
                return 0
            return len(buffer) if MIN_RTU <= len(buffer) <= MAX_RTU and not crc16(buffer) else self._wait()
        for size in sizes[1:]:
            if size is not None and 0 < size <= len(buffer) and not crc16(buffer[:size]):
                return size
        undecided = any(size is not None and (not size or len(buffer) < size <= MAX_RTU) for size in sizes)
        return self._wait() if undecided else 0

    def _wait(self) -> int | None:
        """Give None, more to come; or 0 where a frame can't be longer."""
        return None if len(self._buffer) < MAX_RTU else 0


def _counted(buffer: bytearray, counted: dict[int, tuple[int, int]]) -> int | None:
    """Give the length that a frame's byte count implies: None for a function without one, 0 while it isn't here."""
    if buffer[1] not in counted:
        return None
    at, around = counted[buffer[1]]
    return around + buffer[at] if len(buffer) > at else 0


def _request_size(buffer: bytearray) -> int | None:
    """Give a request's length by its function: None for one without a known length, 0 for not to be told yet."""
    if buffer[1] == IDENTIFICATION:
        return 7
    return REQUEST.get(buffer[1]) or _counted(buffer, REQUEST_COUNTED)


def _answer_size(buffer: bytearray) -> int | None:
    """Give an answer's length by its function, likewise."""
    if buffer[1] & 0x80:
        return 5
    if buffer[1] == IDENTIFICATION:
        return _identification_size(buffer)
    return ANSWER.get(buffer[1]) or _counted(buffer, ANSWER_COUNTED)


def _identification_size(buffer: bytearray) -> int:
    """Give the length of an answer to 43/14: eight bytes, then so many objects with a length each; 0 for not yet."""
    at = 8
    for _ in range(buffer[7] if len(buffer) > 7 else 0):  # noqa: PLR2004 - the number of objects (6.21)
        if len(buffer) < at + 2:
            return 0
        at += 2 + buffer[at + 1]
    return at + 2 if len(buffer) > 7 else 0  # noqa: PLR2004


class TcpFraming:
    """Modbus TCP as the server hears it. A header that can't be one means out of step: all that is buffered goes."""

    __slots__ = ("_buffer", "_heard")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._heard: Nanos = 0

    def feed(self, data: bytes, now: Nanos) -> list[Frame]:
        """Take what the connection gave at `now`."""
        if now - self._heard >= TCP_PATIENCE:
            self._buffer.clear()
        self._heard = now
        self._buffer += data
        frames: list[Frame] = []
        while len(self._buffer) >= MBAP:
            transaction, protocol, length = (int.from_bytes(self._buffer[at : at + 2]) for at in (0, 2, 4))
            if protocol or not 2 <= length <= 254:  # noqa: PLR2004 - unit, and a PDU of 1 to 253 bytes (MBAP, 3.1.3)
                self._buffer.clear()
                break
            if len(self._buffer) < 6 + length:
                break
            frames.append(Frame(self._buffer[6], bytes(self._buffer[MBAP : 6 + length]), transaction))
            del self._buffer[: 6 + length]
        return frames

    def wrap(self, request: Frame, pdu: bytes) -> bytes:
        """Put the MBAP header of the request's transaction before an answer."""
        head = b"".join(part.to_bytes(2) for part in (request.transaction, 0, 1 + len(pdu)))
        return head + bytes((request.unit,)) + pdu


class Server:
    """One unit on a wire: takes bytes, answers what is for it, keeps silent to everything else, broadcasts included."""

    __slots__ = ("_device", "_framing", "_out", "_spoken_to", "_unit")

    def __init__(self, settings: Settings, baud: int, device: Registers, spoken_to: Callable[[], None]) -> None:
        """Answer as the unit of `settings` for `device`; `baud` is the line's, for the silence that ends an RTU frame.

        `spoken_to` is called after each well-formed request to this unit, refused or not.
        """
        self._unit = settings.unit
        self._framing: Framing = (
            TcpFraming() if settings.wire is Wire.TCP else RtuFraming(settings.unit, max(silence(baud), READ_JITTER))
        )
        self._device = device
        self._spoken_to = spoken_to
        self._out = bytearray()

    def receive(self, data: bytes, now: Nanos) -> None:
        """Take bytes from the wire and carry out what they ask of this unit."""
        for request in self._framing.feed(data, now):
            if request.unit != self._unit:
                continue
            reply = answer(request.pdu, self._device)
            if isinstance(reply, Malformed):
                reply = refusal(request.pdu[0], Code.VALUE)
            else:
                self._spoken_to()
            wrapped = self._framing.wrap(request, reply)
            if len(self._out) + len(wrapped) <= MAX_PENDING:
                self._out += wrapped

    def take(self) -> bytes:
        """Give the answers that wait."""
        if not self._out:
            return b""
        out = bytes(self._out)
        self._out.clear()
        return out
