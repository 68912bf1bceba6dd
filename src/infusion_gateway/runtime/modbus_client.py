"""The one file that knows pymodbus: requests to frames, and frames to the answer of the request in flight alone.

pymodbus's own clients take a late RTU reply as the answer to the next request, and its framers hunt through garbage and
drop what follows a frame in silence; so only its PDU classes, frame sizes, CRC and header layout are used here. What
is no answer to the request in flight is a Fault. Over RTU, once such a thing was seen, nothing that follows is taken as
the answer either: from there on nobody can tell one from a stale one, and the request runs into its time-out, after
which the line is drained. Over TCP a stale frame is told by its transaction id, and the right one may still come.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU, ReadCoilsRequest, ReadHoldingRegistersRequest
from pymodbus.pdu.bit_message import ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import (
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from infusion_gateway.devices.driver import (
    Identification,
    ReadIdentification,
    ReadRegisters,
    Refused,
    Table,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.observation import Fault, FaultKind

# pymodbus logs every odd frame with its last twenty; what went wrong is a Fault here, and bytes are the wire log's.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)

RTU_MAX = 256  # Modbus over Serial Line V1.02, 2.3: the longest frame, CRC included
TCP_MAX = 260  # Modbus Messaging on TCP/IP V1.0b, 4.1
HEADER = 7  # of TCP: transaction, protocol, length, unit
MORE_FOLLOWS = 0xFF

ModbusRequest: TypeAlias = ReadRegisters | WriteRegisters | ReadIdentification
Answer: TypeAlias = Words | Written | Identification | Refused

_DECODER = DecodePDU(is_server=False)
_RTU, _TCP = FramerRTU(_DECODER), FramerSocket(_DECODER)
_READS: dict[Table, Callable[..., ModbusPDU]] = {
    Table.COIL: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.INPUT: ReadInputRegistersRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
}


@dataclass(frozen=True, slots=True)
class _InFlight:
    request: ModbusRequest
    unit: int
    transaction: int
    sent_at: Nanos
    pdu: ModbusPDU


class ModbusClient:
    """One request at a time on one line, RTU or TCP. Pure: no IO, no clock."""

    def __init__(self, *, tcp: bool) -> None:
        self._tcp = tcp
        self._transaction = 0
        self._in_flight: _InFlight | None = None
        self._spoiled = False
        self._stale_told = False
        self._buffer = bytearray()

    def ask(self, request: ModbusRequest, unit: int, now: Nanos) -> bytes:
        """Give the frame to write at once; the request is in flight from now on, any before it is given up.

        Raises ValueError for what can't be said in Modbus (a write to an input, a count out of range): a driver's bug.
        """
        self._transaction = self._transaction % 0xFFFF + 1
        pdu = _pdu(request)
        pdu.dev_id, pdu.transaction_id = unit, self._transaction
        frame = (_TCP if self._tcp else _RTU).buildFrame(pdu)
        self.forget()
        self._in_flight = _InFlight(request, unit, self._transaction, now, pdu)
        return frame

    def forget(self) -> None:
        """Give up the request in flight, and whatever part of an answer is there."""
        self._in_flight = None
        self._spoiled = self._stale_told = False
        self._buffer.clear()

    def feed(self, data: bytes) -> tuple[Answer | Fault, ...]:
        """Take bytes as they came, split anywhere: the answer once it is whole, and a Fault for what is none.

        Never raises. Holds no more than one frame, and nothing once the request is answered or spoiled. However many
        stale frames come, they are told once a request.
        """
        if not self.waiting:
            return ()  # already told, or nothing was asked: the line treats such bytes as noise
        found: list[Answer | Fault] = []
        self._buffer += data
        while self._buffer and self.waiting:
            size = self._size()
            if isinstance(size, Fault):
                found.append(self._spoil(size))
            elif size is None or len(self._buffer) < size:
                return tuple(found)
            else:
                frame = bytes(self._buffer[:size])
                del self._buffer[:size]
                judged = self._take(frame)
                found += () if judged is None else (judged,)
        if self._buffer:  # a spoiled one has none
            found.append(_fault(FaultKind.UNEXPECTED, f"{len(self._buffer)} bytes after the answer"))
            self._buffer.clear()
        return tuple(found)

    @property
    def waiting(self) -> bool:
        """Whether the request in flight can still be answered."""
        return self._in_flight is not None and not self._spoiled

    def _spoil(self, fault: Fault) -> Fault:
        self._spoiled = True
        self._buffer.clear()
        return fault

    def _size(self) -> int | Fault | None:
        """Say how long the frame at the head of the buffer is; None: not to be known yet."""
        head = bytes(self._buffer[: TCP_MAX if self._tcp else RTU_MAX])
        if self._tcp:
            if len(head) < HEADER:
                return None
            length = int.from_bytes(head[4:6], "big")
            if head[2:4] != b"\0\0" or not 3 <= length <= TCP_MAX - 6:  # noqa: PLR2004 (unit, function, one byte)
                return _fault(FaultKind.FRAMING, f"no Modbus TCP header: {head[:HEADER].hex()}")
            return length + 6
        if len(head) < FramerRTU.MIN_SIZE:
            return None
        pdu_class = _DECODER.lookupPduClass(head)
        if pdu_class is None:
            return _fault(FaultKind.FRAMING, f"no Modbus frame begins with {head[:4].hex()}")
        size = pdu_class.calculateRtuFrameSize(head)
        if pdu_class is ReadDeviceInformationResponse and size in (998, 999):
            return None if len(head) < RTU_MAX else _fault(FaultKind.OVERFLOW, "an identification without an end")
        if size > RTU_MAX:
            return _fault(FaultKind.OVERFLOW, f"a frame of {size} bytes begins with {head[:4].hex()}")
        return size or None

    def _take(self, frame: bytes) -> Answer | Fault | None:
        """Judge one whole frame; None: stale, as was told before."""
        asked = self._in_flight
        assert asked is not None  # `feed` asks only while something is in flight
        if self._tcp:
            transaction = int.from_bytes(frame[:2], "big")
            if transaction != asked.transaction:
                told, self._stale_told = self._stale_told, True
                why = f"transaction {transaction} answered, {asked.transaction} was asked"
                return None if told else _fault(FaultKind.STALE_REPLY, why)
            unit, body = frame[6], frame[7:]
        else:
            if not FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")):
                return self._spoil(_fault(FaultKind.CHECKSUM, f"CRC of {frame.hex()}"))
            unit, body = frame[0], frame[1:-2]
        if unit != asked.unit:
            return self._spoil(_fault(FaultKind.UNEXPECTED, f"unit {unit} answered, {asked.unit} was asked"))
        answer = _answer(body, asked)
        if isinstance(answer, Fault):
            return self._spoil(answer)
        self._in_flight = None
        return answer


def _pdu(request: ModbusRequest) -> ModbusPDU:
    """Give pymodbus's request. One register is written by function 06, several by 16, a coil by 05."""
    match request:
        case ReadRegisters(table=table, address=address, count=count):
            return _READS[table](address=address, count=count)
        case WriteRegisters(table=Table.COIL, address=address, values=(0 | 1 as value,)):
            return WriteSingleCoilRequest(address=address, bits=[bool(value)])
        case WriteRegisters(table=Table.HOLDING, address=address, values=(value,)):
            return WriteSingleRegisterRequest(address=address, registers=[value])
        case WriteRegisters(table=Table.HOLDING, address=address, values=(_, *_) as values) if len(values) <= 123:  # noqa: PLR2004 (Modbus Application Protocol V1.1b3, 6.12)
            return WriteMultipleRegistersRequest(address=address, registers=list(values))
        case WriteRegisters():
            raise ValueError(f"can't be written in one request: {request}")
        case ReadIdentification():
            return ReadDeviceInformationRequest(read_code=1, object_id=0)
        case _:
            assert_never(request)


def _answer(body: bytes, asked: _InFlight) -> Answer | Fault:
    """Hold a reply's PDU against the request: function, length, byte count, echo."""
    pdu = _DECODER.decode(body)
    if pdu is None:
        return _fault(FaultKind.FRAMING, f"no Modbus reply: {body.hex()}")
    function = asked.pdu.function_code
    if pdu.function_code & 0x7F != function:
        return _fault(FaultKind.UNEXPECTED, f"function {pdu.function_code} answered, {function} was asked")
    if isinstance(pdu, ExceptionResponse):
        if len(body) != 2:  # noqa: PLR2004 (function and code: Modbus Application Protocol V1.1b3, 7)
            return _fault(FaultKind.FRAMING, f"no Modbus exception: {body.hex()}")
        return Refused(asked.request, pdu.exception_code)
    request = asked.request
    match request:
        case ReadRegisters(table=Table.INPUT | Table.HOLDING):
            if (body[1], len(body)) != (2 * request.count, 2 + 2 * request.count):
                return _fault(FaultKind.UNEXPECTED, f"{len(body) - 2} bytes came, {2 * request.count} were asked")
            return Words(request, tuple(pdu.registers), asked.sent_at)
        case ReadRegisters():
            wanted = (request.count + 7) // 8
            if (body[1], len(body)) != (wanted, 2 + wanted):
                return _fault(FaultKind.UNEXPECTED, f"{len(body) - 2} bytes came, {wanted} were asked")
            return Words(request, tuple(int(bit) for bit in pdu.bits[: request.count]), asked.sent_at)
        case WriteRegisters():
            # What a write is answered with is its own first five bytes: function, address, value or count.
            echo = bytes([function]) + asked.pdu.encode()[:4]
            return Written(request) if body == echo else _fault(FaultKind.UNEXPECTED, f"no echo: {body.hex()}")
        case ReadIdentification():
            return _identification(pdu, body)
        case _:
            assert_never(request)


def _identification(pdu: ModbusPDU, body: bytes) -> Identification | Fault:
    """Read function 43/14's objects (Modbus Application Protocol V1.1b3, 6.21); text that isn't ASCII is replaced."""
    if not isinstance(pdu, ReadDeviceInformationResponse):
        return _fault(FaultKind.UNEXPECTED, f"another function of 43: {body.hex()}")
    objects = {number: value for number, value in pdu.information.items() if isinstance(value, bytes)}
    end = (
        7  # of the header; an object is its number, its length and its bytes, which pymodbus takes even where they lack
    )
    while end < len(body) - 1:
        end += 2 + body[end + 1]
    if pdu.number_of_objects != len(objects) or end != len(body):
        return _fault(FaultKind.FRAMING, f"identification's objects don't fit: {body.hex()}")
    if pdu.more_follows == MORE_FOLLOWS:
        return _fault(FaultKind.UNEXPECTED, "identification goes on in another reply, which is never asked for")
    return Identification(tuple((number, _text(value)) for number, value in sorted(objects.items())))


def _text(value: bytes) -> str:
    return "".join(c if c.isprintable() else "?" for c in value.decode("ascii", errors="replace").rstrip("\0 "))


def _fault(kind: FaultKind, detail: str) -> Fault:
    return Fault(kind, detail[:200])
