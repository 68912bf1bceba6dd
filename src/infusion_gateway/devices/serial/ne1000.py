"""New Era NE-1000 syringe pump (and NE-500, NE-1600, WPI AL-1000 with the same protocol): a bench pump.

Facts: manual, publication #1200-01 (8/1/14), pp. 33-35, and #1200-02 (NE-1600), pp. 39-40, which print NOT FOR CLINICAL
USE ON HUMANS. What they leave open is read cautiously:
* The turnaround is not stated: 250 ms on top of the time the bytes take on the line.
* T (pause phase) and U (waiting for its trigger) go on without a person, and W (withdrawing) moves fluid: none of them
  is stopped; delivery is unknown. A rate is known while infusing only; a purge runs at a speed of its own.
* In basic mode nothing protects the digits of a reply; safe mode (a SAF time-out above 0) has a CRC.

A reply's form says which question it answers (no two questions here have replies of one form). After any lost reply VER
is asked first: a pump answers in order, so once it has answered VER, no older reply to DIS or RAT can still come.
The mode is found by asking VER in one framing and then in the other, which changes nothing in the pump: a pump in safe
mode ignores what is no packet, and one in basic mode answers "?" once, for the bytes of a packet that it took for text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import assert_never

from infusion_gateway.devices.checksum import crc16_xmodem
from infusion_gateway.devices.driver import (
    Bytes,
    Kind,
    NoAnswer,
    Reply,
    Request,
    SendBytes,
    Traits,
    Use,
    Wire,
)
from infusion_gateway.devices.framing import Framer, shown
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    Observation,
    PumpAlarm,
    Reading,
    Validity,
)

TRAITS = Traits(
    name="ne1000",
    vendor="New Era",
    model="NE-1000",
    kind=Kind.PUMP,
    wire=Wire.SERIAL,
    use=Use.BENCH,
    stoppable=True,
    dead_man=(1, 255),
    dead_man_stored_for_ever=True,
    baud=19200,
    framing="8N1",
    silence=SECOND // 10,
    source="manual #1200-01 (8/1/14) pp. 33-35; #1200-02 pp. 39-40; nesp-lib 2.0.0",
)

POLL = SECOND
TURNAROUND = SECOND // 4
FORGOTTEN = 5 * SECOND
"""An answer that nobody reported lost within this time is lost."""
LAST_ADDRESS, LONGEST_TIMEOUT = 99, 255
MAX_GAP = SECOND // 2
"""Inter-byte time-out of the protocol, manual p. 34."""
MIN_FRAME, MAX_FRAME = 7, 0x2F
"""Shortest and longest length byte of a reply. None is longer, and below "0" it tells a safe frame from a basic one."""
WRITES = 3
"""So many times a dead man that isn't read back as written is written again: its memory wears."""
IMPATIENT = 3
"""So many alarms in a row are answered by asking again at once; then once a second."""
DETAIL = 200
STX, ETX = 0x02, 0x03

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
_VOLUME_UNIT = {"ML": Decimal(1), "UL": Decimal("0.001")}
_RATE_UNIT = {"MH": Decimal(1), "MM": Decimal(60), "UM": Decimal("0.06"), "UH": Decimal("0.001")}
_PRINTABLE = range(0x20, 0x7F)
_NUMBER = r"((?=[\d.]{1,5}(?!\d))\d{1,4}(?:\.\d{0,3})?|\.\d{1,3})"
_REPLY = re.compile(r"(\d\d)(?:A\?([RSTEO])|([IWSPTUX])(.*))", re.ASCII | re.DOTALL)
_DISPENSED = re.compile(rf"I{_NUMBER}W{_NUMBER}(ML|UL)", re.ASCII)
_RATE = re.compile(rf"{_NUMBER}(MM|MH|UM|UH)", re.ASCII)
_VERSION = re.compile(r"(NE\d{1,5}(?:X\d{0,2})?)V(\d{1,3}\.\d{1,3})", re.ASCII)
_SECONDS = re.compile(r"\d{1,3}", re.ASCII)


class Mode(Enum):
    """How frames are wrapped."""

    BASIC = "basic"
    SAFE = "safe"


class Question(Enum):
    """What can be outstanding."""

    VERSION = "version"
    DISPENSED = "dispensed volume"
    RATE = "rate"
    TIMEOUT = "time-out"
    SET_TIMEOUT = "new time-out"
    STOP = "stop"


_COMMAND = {
    Question.VERSION: "VER",
    Question.DISPENSED: "DIS",
    Question.RATE: "RAT",
    Question.TIMEOUT: "SAF",
    Question.SET_TIMEOUT: "SAF",
    Question.STOP: "STP",
}
_FORMS = (
    (Question.DISPENSED, _DISPENSED),
    (Question.RATE, _RATE),
    (Question.VERSION, _VERSION),
    (Question.TIMEOUT, _SECONDS),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One reply as it came: its framing and its text."""

    mode: Mode
    text: str


def wrap(text: str, mode: Mode) -> bytes:
    """Give a command's frame, manual pp. 33-34."""
    data = text.encode("ascii")
    if mode is Mode.BASIC:
        return data + b"\r"
    return bytes((STX, len(data) + 4)) + data + crc16_xmodem(data).to_bytes(2, "big") + bytes((ETX,))


def build(address: int, options: Mapping[str, str]) -> "Ne1000":
    """Make the driver of the pump with this address (0-99). Option baud: of the line; ValueError says what won't do."""
    baud = options.get("baud", str(TRAITS.baud))
    if baud not in {"300", "1200", "2400", "9600", "19200"}:
        raise ValueError(f"baud {baud}: an NE-1000 has 300, 1200, 2400, 9600 or 19200")
    if unknown := set(options) - {"baud"}:
        raise ValueError(f"ne1000 has no option {', '.join(sorted(unknown))}; it has baud")
    return Ne1000(address, int(baud))


class Ne1000:
    """One NE-1000 on a line. Asks DIS and RAT every second; a step of its own comes after each answer."""

    traits = TRAITS

    def __init__(self, address: int, baud: int) -> None:
        if not 0 <= address <= LAST_ADDRESS:
            raise ValueError(f"address {address}: an NE-1000 has 0 to 99")
        self._address = address
        self._byte_time = 10 * SECOND // baud
        self._framer: Framer[Frame] = Framer(self._scan, MAX_FRAME + 1, MAX_GAP)
        self._now: Nanos = 0
        self._forget(0)
        self._guess = Mode.BASIC

    def _forget(self, now: Nanos) -> None:
        self._framer.clear()
        self._mode: Mode | None = None
        self._asked: dict[bytes, Question] = {}
        self._asked_at = now
        self._missed = 0
        self._ignored = 0
        self._status = ""
        self._todo = [Question.VERSION]
        self._wake = now
        self._next_poll = now
        self._wanted: int | None = None
        self._writes = 0

    @property
    def awaiting(self) -> bool:
        """Whether a question is without its complete answer."""
        return bool(self._asked)

    def opened(self, now: Nanos) -> None:
        """Start anew: who is there, in which mode and with which time-out, is all to be asked."""
        self._guess = self._mode or self._guess
        self._now = now
        self._forget(now)

    def identify(self) -> tuple[Request, ...]:
        """Ask VER; every reply carries the address as well."""
        self._todo = [q for q in self._todo if q is not Question.VERSION]
        return (self._ask(Question.VERSION),)

    def next_due(self) -> Nanos | None:
        """Say when there is something to ask."""
        if self._asked:
            return self._asked_at + FORGOTTEN
        return self._wake if self._todo else max(self._wake, self._next_poll)

    def due(self, now: Nanos) -> tuple[Request, ...]:
        """Give the next question, one at a time: the next follows its answer."""
        self._now = now
        if now < (self.next_due() or 0):
            return ()
        if self._asked:
            question = next(iter(self._asked.values()))
            self._asked.clear()
            self._give_up(question)
        if not self._todo:
            self._next_poll = self._next_poll + POLL if self._next_poll + POLL > now else now + POLL
            self._todo = [Question.DISPENSED, Question.RATE]
        return (self._ask(self._todo.pop(0)),)

    def stop(self) -> tuple[Request, ...]:
        """Ask STP: a running pump pauses, a paused one stops; neither delivers. Both framings while none is known."""
        modes = (self._mode,) if self._mode else (Mode.BASIC, Mode.SAFE)
        return tuple(self._ask(Question.STOP, mode) for mode in modes)

    def dead_man(self, seconds: int) -> tuple[Request, ...]:
        """Read SAF; written only where it differs, and read back. 0: no time-out, basic mode. () outside 0 to 255."""
        if not 0 <= seconds <= LONGEST_TIMEOUT:
            return ()
        self._wanted, self._writes = seconds, 0
        return (self._ask(Question.TIMEOUT),)

    def receive(self, reply: Reply, now: Nanos) -> tuple[Observation | Fault, ...]:
        """Take what came; never raises."""
        self._now = now
        match reply:
            case Bytes(data=data):
                said: list[Observation | Fault] = []
                for item in self._framer.feed(data, now):
                    said += (item,) if isinstance(item, Fault) else self._heard(item)
                return tuple(said)
            case NoAnswer(request=SendBytes(data=data)) if data in self._asked:
                question = self._asked.pop(data)
                self._give_up(question)
                return (Fault(FaultKind.NO_ANSWER, f"no answer to the question for {question.value}"),)
            case NoAnswer():
                return ()
            case _:
                return (Fault(FaultKind.UNEXPECTED, f"{type(reply).__name__} is no reply of a serial device"),)

    # --- asking

    def _ask(self, question: Question, mode: Mode | None = None) -> SendBytes:
        argument = str(self._wanted) if question is Question.SET_TIMEOUT else ""
        data = wrap(f"{self._address}{_COMMAND[question]}{argument}", mode or self._mode or self._guess)
        self._asked[data] = question
        self._asked_at = self._now
        return SendBytes(data, TURNAROUND + (len(data) + MAX_FRAME) * self._byte_time)

    def _give_up(self, question: Question) -> None:
        """Expect no answer to it any more: a lost or changed mode is found out by asking in the other framing."""
        self._framer.clear()
        if self._mode is None:
            self._guess = Mode.SAFE if self._guess is Mode.BASIC else Mode.BASIC
        elif self._missed > 0 or question in {Question.SET_TIMEOUT, Question.STOP}:
            self._guess, self._mode = self._mode, None
        self._unsure(question)

    def _unsure(self, question: Question) -> None:
        """Ask VER before all else: at once after a first loss, then every second time a second later.

        After a lost poll the next waits a second: even a reply that overtook another comes too late to be taken for it.
        """
        self._missed += 1
        self._wake = self._now if self._missed % 2 else self._now + POLL
        if question in {Question.DISPENSED, Question.RATE}:
            self._next_poll = max(self._next_poll, self._now + POLL)
        self._todo = [q for q in self._todo if q is Question.STOP] + [Question.VERSION]

    # --- hearing

    def _scan(self, buffer: bytes) -> tuple[int, Frame | Fault | None]:
        """Find a frame at the buffer's beginning, in the known mode; in either while none is known or it may change."""
        if buffer[0] != STX:
            return 1, None
        if len(buffer) == 1:
            return 0, None
        either = self._mode is None or Question.SET_TIMEOUT in self._asked.values()
        if buffer[1] in b"0123456789" and (either or self._mode is Mode.BASIC):
            return _scan_basic(buffer)
        if MIN_FRAME <= buffer[1] <= MAX_FRAME and (either or self._mode is Mode.SAFE):
            return _scan_safe(buffer)
        return 1, Fault(FaultKind.FRAMING, f"no frame of this mode: {shown(buffer)}")

    def _heard(self, frame: Frame) -> tuple[Observation | Fault, ...]:
        found = _REPLY.fullmatch(frame.text)
        if found is None:
            return (_unexpected(frame.text),)
        if int(found[1]) != self._address:
            return (Fault(FaultKind.WRONG_DEVICE, f"pump {found[1]} answered where {self._address:02} is expected"),)
        self._mode = frame.mode
        if found[2]:
            return self._alarm(found[2])
        status, data = found[3], found[4]
        delivery: tuple[Observation | Fault, ...] = (DeliveryReported(_DELIVERY[status]), *self._noted(status))
        if data.startswith("?"):
            return (*delivery, *self._refused(data))
        question = self._question(data)
        if question is None:
            return (_unexpected(data),)
        if question not in self._asked.values():
            self._todo = [Question.VERSION, *(q for q in self._todo if q is not Question.VERSION)]
            return (Fault(FaultKind.STALE_REPLY, f"not asked, or no longer: {frame.text}"),)
        self._settle(question)
        self._missed = self._ignored = 0
        self._wake = self._now
        return (*self._answer(question, data, status), *delivery)

    def _settle(self, question: Question) -> None:
        """Expect this answer no more, in whatever framing it was asked."""
        self._asked = {key: asked for key, asked in self._asked.items() if asked is not question}

    def _noted(self, status: str) -> tuple[Fault, ...]:
        """Note once that the pump began to withdraw: no order for an infusion ever says so."""
        before, self._status = self._status, status
        if status == "W" and before != "W":
            return (Fault(FaultKind.UNEXPECTED, "the pump is withdrawing"),)
        return ()

    def _question(self, data: str) -> Question | None:
        """Say which question a reply's data answers, by its form alone; None: none."""
        if not data:
            setting = (q for q in self._asked.values() if q in {Question.STOP, Question.SET_TIMEOUT})
            return next(setting, Question.STOP)
        return next((question for question, form in _FORMS if form.fullmatch(data)), None)

    def _answer(self, question: Question, data: str, status: str) -> tuple[Observation | Fault, ...]:
        match question:
            case Question.STOP:
                return ()
            case Question.SET_TIMEOUT:
                self._todo.insert(0, Question.TIMEOUT)
                return ()
            case Question.VERSION:
                self._todo = [Question.TIMEOUT, *(q for q in self._todo if q is not Question.TIMEOUT)]
                return (self._identity(data),)
            case Question.TIMEOUT:
                return self._dead_man_read(int(data))
            case Question.DISPENSED:
                return (*self._volume(data), AlarmsReported(frozenset()))
            case Question.RATE:
                return self._rate(data, status)
            case _:
                assert_never(question)

    def _alarm(self, letter: str) -> tuple[Observation | Fault, ...]:
        """Take an alarm. It came in place of an answer and that command was ignored, so it is asked again."""
        if self._asked:
            ignored = next(iter(self._asked.values()))
            self._settle(ignored)
            self._ask_again(Question.TIMEOUT if ignored is Question.SET_TIMEOUT else ignored)
        return (AlarmsReported(frozenset({_ALARM[letter]}), f"A?{letter}"),)

    def _ask_again(self, question: Question) -> None:
        """Put a question first that the pump didn't act on; after a few times in a row, not before a second is over."""
        self._ignored += 1
        self._wake = self._now if self._ignored < IMPATIENT else self._now + POLL
        self._todo = [question, *(q for q in self._todo if q is not question)]

    def _refused(self, data: str) -> tuple[Fault, ...]:
        """Take an error. STP is not applicable to a pump that is stopped: nothing is wrong with that."""
        if not self._asked:
            return (Fault(FaultKind.STALE_REPLY, f"an error that nothing was asked for: {data}"[:DETAIL]),)
        question = next(iter(self._asked.values()))
        self._settle(question)
        self._wake = self._now
        match question:
            case Question.STOP if data == "?NA":
                return ()
            case Question.STOP:
                self._ask_again(question)
            case Question.SET_TIMEOUT:
                self._wanted = None
            case Question.VERSION | Question.DISPENSED | Question.RATE:
                self._unsure(question)
            case Question.TIMEOUT:
                pass
            case _:
                assert_never(question)
        return (Fault(FaultKind.REFUSED, f"the question for {question.value} was refused: {data}"[:DETAIL]),)

    # --- meaning

    def _identity(self, data: str) -> Identified:
        model, _, version = data.rpartition("V")
        pairs = (("vendor", TRAITS.vendor), ("model", model), ("version", version))
        return Identified((*pairs, ("address", str(self._address))))

    def _dead_man_read(self, seconds: int) -> tuple[Observation | Fault, ...]:
        """Report the time-out; write it where another is wanted, for at most WRITES times."""
        self._todo = [q for q in self._todo if q is not Question.SET_TIMEOUT]
        said = DeadManReported(seconds)
        if self._wanted in {None, seconds}:
            self._wanted = None
            return (said,)
        if self._writes < WRITES:
            self._writes += 1
            self._todo.insert(0, Question.SET_TIMEOUT)
            return (said,)
        wanted, self._wanted = self._wanted, None
        return (said, Fault(FaultKind.REFUSED, f"the time-out stays at {seconds} s, {wanted} s was written"))

    def _volume(self, data: str) -> tuple[Observation | Fault, ...]:
        """Read the infused volume. What was withdrawn came out of the line by hand: it is never subtracted."""
        found = _DISPENSED.fullmatch(data)
        assert found
        return self._reading(Metric.VOLUME, found[1], _VOLUME_UNIT[found[3]])

    def _rate(self, data: str, status: str) -> tuple[Observation | Fault, ...]:
        """Read the rate in force: the programmed one while infusing, 0 while stopped, else not known."""
        found = _RATE.fullmatch(data)
        assert found
        match _DELIVERY[status]:
            case Delivery.INFUSING:
                return self._reading(Metric.RATE, found[1], _RATE_UNIT[found[2]])
            case Delivery.STOPPED:
                step = _step(found[1], _RATE_UNIT[found[2]])
                return (Reading(Metric.RATE, 0.0, Validity.VALID, self._now, resolution=step),)
            case _:
                return (Reading(Metric.RATE, None, Validity.INVALID, self._now),)

    def _reading(self, metric: Metric, digits: str, unit: Decimal) -> tuple[Observation | Fault, ...]:
        value = float(Decimal(digits) * unit)
        facts = FACTS[metric]
        if facts.low <= value <= facts.high:
            return (Reading(metric, value, Validity.VALID, self._now, resolution=_step(digits, unit)),)
        fault = Fault(FaultKind.RANGE, f"{facts.word} {value} {facts.unit}")
        return (Reading(metric, value, Validity.INVALID, self._now), fault)


def _step(digits: str, unit: Decimal) -> float:
    """Give the smallest step of a printed number, in the unit's own unit: "12.05" steps by 0.01."""
    return float(Decimal(1).scaleb(-len(digits.partition(".")[2])) * unit)


def _scan_basic(buffer: bytes) -> tuple[int, Frame | Fault | None]:
    """Find STX, printable text, ETX."""
    for end, byte in enumerate(buffer[1:], 1):
        if byte == ETX:
            return end + 1, Frame(Mode.BASIC, buffer[1:end].decode("ascii"))
        if byte not in _PRINTABLE or end >= MAX_FRAME:
            return 1, Fault(FaultKind.FRAMING, f"no text of a reply: {shown(buffer)}")
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


def _unexpected(text: str) -> Fault:
    return Fault(FaultKind.UNEXPECTED, f"no reply of this protocol: {text!r}"[:DETAIL])
