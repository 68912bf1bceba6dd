"""The protocol of New Era syringe pumps: how frames are wrapped and what a reply says. No state: that is the driver's.

Facts: manual, publication #1200-01 (8/1/14), pp. 33-35, and #1200-02 (NE-1600), pp. 39-40. What they leave open is read
cautiously:
* T (pause phase) and U (waiting for its trigger) go on without a person, and W (withdrawing) moves fluid: none of them
  is stopped, delivery is unknown. A rate is known while infusing only; a purge runs at a speed of its own.
* What was withdrawn came out of the line by hand: it is never subtracted from what was infused.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from infusion_gateway.devices.checksum import crc16_xmodem
from infusion_gateway.devices.framing import shown
from infusion_gateway.model.metric import FACTS, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Fault, FaultKind, PumpAlarm, Reading, Validity

STX, ETX = 0x02, 0x03
MIN_LENGTH, MAX_LENGTH = 7, 0x2F
"""Bounds of a safe reply's length byte. None is longer, and below "0" it tells a safe frame from a basic one."""
MAX_FRAME = MAX_LENGTH + 1
MAX_COMMAND = 2 * len("99VER") + 6
"""Longest that is sent at once: a question in both framings."""
LAST_ADDRESS, LONGEST_TIMEOUT = 99, 255

_DELIVERY = {
    "I": Delivery.INFUSING,
    "S": Delivery.STOPPED,
    "P": Delivery.STOPPED,
    "X": Delivery.BOLUS,
    "W": Delivery.UNKNOWN,
    "T": Delivery.UNKNOWN,
    "U": Delivery.UNKNOWN,
}
_ALARM = {
    "R": PumpAlarm.RESET,
    "S": PumpAlarm.STALL,
    "T": PumpAlarm.DEAD_MAN,
    "E": PumpAlarm.OTHER,
    "O": PumpAlarm.OTHER,
}
_ML = {"ML": Decimal(1), "UL": Decimal("0.001")}
_ML_PER_H = {"MH": Decimal(1), "MM": Decimal(60), "UM": Decimal("0.06"), "UH": Decimal("0.001")}
_NUMBER = r"((?=[\d.]{1,5}(?![\d.]))(?:\d{1,4}(?:\.\d{0,3})?|\.\d{1,3}))"
_PRINTABLE = range(0x20, 0x7F)


class Mode(Enum):
    """How frames are wrapped."""

    BASIC = "basic"
    SAFE = "safe"


class Question(Enum):
    """What the gateway says to a pump. Stop and the time-out change something; nothing starts it or sets a rate."""

    VERSION = "version"
    DISPENSED = "dispensed volume"
    RATE = "rate"
    TIMEOUT = "time-out"
    SET_TIMEOUT = "new time-out"
    STOP = "stop"


COMMANDS = {
    Question.VERSION: "VER",
    Question.DISPENSED: "DIS",
    Question.RATE: "RAT",
    Question.TIMEOUT: "SAF",
    Question.SET_TIMEOUT: "SAF",
    Question.STOP: "STP",
}
_REPLY = re.compile(r"(\d\d)(?:A\?([RSTEO])|([IWSPTUX])(.*))", re.ASCII | re.DOTALL)
_FORMS = {
    Question.DISPENSED: re.compile(rf"I{_NUMBER}W{_NUMBER}(ML|UL)", re.ASCII),
    Question.RATE: re.compile(rf"{_NUMBER}(MM|MH|UM|UH)", re.ASCII),
    Question.VERSION: re.compile(r"(NE\d{1,5}(?:X\d{0,2})?)V(\d{1,3}\.\d{1,3})", re.ASCII),
    Question.TIMEOUT: re.compile(r"(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])", re.ASCII),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One reply as it came: its framing and its text."""

    mode: Mode
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """A reply that is no alarm. letter: the prompt; data: "", an error ("?..."), or what was asked."""

    address: int
    letter: str
    data: str

    @property
    def delivery(self) -> Delivery:
        """What the prompt says of delivery."""
        return _DELIVERY[self.letter]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A reply, or a message of its own accord, that is an alarm."""

    address: int
    letter: str

    @property
    def alarm(self) -> PumpAlarm:
        """Its cause."""
        return _ALARM[self.letter]


def wrap(text: str, mode: Mode) -> bytes:
    """Give a command's frame, manual pp. 33-34."""
    data = text.encode("ascii")
    if mode is Mode.BASIC:
        return data + b"\r"
    return bytes((STX, len(data) + 4)) + data + crc16_xmodem(data).to_bytes(2, "big") + bytes((ETX,))


def scan(buffer: bytes, modes: frozenset[Mode]) -> tuple[int, Frame | Fault | None]:
    """Find a frame of one of these modes at a buffer's beginning, as `framing.Scan` says."""
    if buffer[0] != STX:
        return 1, None
    if len(buffer) == 1:
        return 0, None
    if buffer[1] in b"0123456789" and Mode.BASIC in modes:
        return _scan_basic(buffer)
    if MIN_LENGTH <= buffer[1] <= MAX_LENGTH and Mode.SAFE in modes:
        return _scan_safe(buffer)
    return 1, Fault(FaultKind.FRAMING, f"no frame of this mode: {shown(buffer[:2])}")


def parse(text: str) -> Status | Alarm | None:
    """Read a reply's address and status; None: no reply of this protocol."""
    found = _REPLY.fullmatch(text)
    if found is None:
        return None
    address = int(found[1])
    return Alarm(address, found[2]) if found[2] else Status(address, found[3], found[4])


def form_of(data: str) -> Question | None:
    """Say which question these data answer; None: none. No two questions have answers of one form."""
    return next((question for question, form in _FORMS.items() if form.fullmatch(data)), None)


def model_and_version(data: str) -> tuple[str, str]:
    """Read the answer to VER."""
    model, version = _groups(Question.VERSION, data)
    return model, version


def infused(data: str, now: Nanos) -> tuple[Reading | Fault, ...]:
    """Read the answer to DIS: the volume infused."""
    number, _withdrawn, unit = _groups(Question.DISPENSED, data)
    return _reading(Metric.VOLUME, number, _ML[unit], now)


def rate_in_force(data: str, delivery: Delivery, now: Nanos) -> tuple[Reading | Fault, ...]:
    """Read the answer to RAT: the programmed rate holds while infusing; stopped it is 0, else not known."""
    number, unit = _groups(Question.RATE, data)
    if delivery is Delivery.INFUSING:
        return _reading(Metric.RATE, number, _ML_PER_H[unit], now)
    if delivery is Delivery.STOPPED:
        return (Reading(Metric.RATE, 0.0, Validity.VALID, now, resolution=_step(number, _ML_PER_H[unit])),)
    return (Reading(Metric.RATE, None, Validity.INVALID, now),)


def _groups(question: Question, data: str) -> tuple[str, ...]:
    found = _FORMS[question].fullmatch(data)
    assert found, f"{data!r} answers no {question.value}"
    return found.groups()


def _reading(metric: Metric, number: str, unit: Decimal, now: Nanos) -> tuple[Reading | Fault, ...]:
    value = float(Decimal(number) * unit)
    facts = FACTS[metric]
    if facts.low <= value <= facts.high:
        return (Reading(metric, value, Validity.VALID, now, resolution=_step(number, unit)),)
    fault = Fault(FaultKind.RANGE, f"{facts.word} {value} {facts.unit}")
    return (Reading(metric, value, Validity.INVALID, now, resolution=_step(number, unit)), fault)


def _step(number: str, unit: Decimal) -> float:
    """Give the smallest step of a printed number, in the unit's own unit: "12.05" steps by 0.01."""
    return float(Decimal(1).scaleb(-len(number.partition(".")[2])) * unit)


def _scan_basic(buffer: bytes) -> tuple[int, Frame | Fault | None]:
    """Find STX, printable text, ETX."""
    for end, byte in enumerate(buffer[1:], 1):
        if byte == ETX:
            return end + 1, Frame(Mode.BASIC, buffer[1:end].decode("ascii"))
        if byte not in _PRINTABLE or end >= MAX_LENGTH:
            return 1, Fault(FaultKind.FRAMING, f"no text of a reply: {shown(buffer[: end + 1])}")
    return 0, None


def _scan_safe(buffer: bytes) -> tuple[int, Frame | Fault | None]:
    """Find STX, length, text, CRC, ETX."""
    size = buffer[1] + 1
    if len(buffer) < size:
        return 0, None
    data, crc, end = buffer[2 : size - 3], int.from_bytes(buffer[size - 3 : size - 1], "big"), buffer[size - 1]
    if end != ETX or crc != crc16_xmodem(data):
        return 1, Fault(FaultKind.CHECKSUM, f"CRC or ETX is wrong: {shown(buffer[:size])}")
    return size, Frame(Mode.SAFE, data.decode("ascii", "backslashreplace"))
