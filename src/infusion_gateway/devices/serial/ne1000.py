"""New Era NE-1000 syringe pump (and NE-500, NE-1600, WPI AL-1000 with the same protocol): a bench pump.

The protocol and its sources: devices/new_era.py. The manuals print NOT FOR CLINICAL USE ON HUMANS. Left open there, and
read cautiously: the turnaround isn't stated, so it gets 250 ms on top of the time that the bytes take on the line. In
basic mode nothing protects a reply's digits: safe mode (a time-out above 0), which has a CRC, is to be preferred.

A late answer is never taken for another's. Its form says what it answers, and no two questions here have answers of
one form. After any lost answer VER is asked first: a pump answers in order, so that once it has answered VER, no older
answer can still come. For where that order doesn't hold (a network in between), what was lost isn't asked again before
its answer came late or 2.5 seconds are over; the other questions tell meanwhile what the pump does.

The mode is found by asking VER in both framings in one breath, which changes nothing in the pump: in safe mode it
ignores what is no packet; in basic mode it answers VER, or "?" where it took the packet for the text's beginning.

An alarm comes in place of the answer to a command that is then ignored, so that command is given again. What the pump
does is never concluded from an alarm: the next status says it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from infusion_gateway.devices import new_era
from infusion_gateway.devices.driver import Bytes, Kind, NoAnswer, Reply, Request, SendBytes, Traits, Use, Wire
from infusion_gateway.devices.framing import Framer
from infusion_gateway.devices.new_era import Alarm, Frame, Mode, Question, Status
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    Observation,
)

POLL = SECOND
TURNAROUND = SECOND // 4
MAX_GAP = SECOND // 2
"""Inter-byte time-out of the protocol, manual p. 34."""
LATEST = 5 * SECOND // 2
"""A lost answer may still come for so long."""
FORGOTTEN = 5 * SECOND
"""An answer that nobody reported lost within this time is lost."""
IMPATIENT = 3
"""So many times in a row an ignored command is given again at once; then once a second."""
WRITES = 3
"""So many times a time-out that isn't read back as written is written again: the pump's memory wears."""
DETAIL = 200
BAUDS = (300, 1200, 2400, 9600, 19200)


def _timeout(baud: int) -> Nanos:
    """Give the time for the longest command and the longest reply on a line, and what the pump takes to think."""
    return TURNAROUND + (new_era.MAX_COMMAND + new_era.MAX_FRAME) * 10 * SECOND // baud


TRAITS = Traits(
    name="ne1000",
    vendor="New Era",
    model="NE-1000",
    kind=Kind.PUMP,
    wire=Wire.SERIAL,
    use=Use.BENCH,
    stoppable=True,
    dead_man=(1, new_era.LONGEST_TIMEOUT),
    dead_man_stored_for_ever=True,
    baud=19200,
    framing="8N1",
    silence=SECOND // 10,
    source="manual #1200-01 (8/1/14) pp. 33-35; #1200-02 pp. 39-40; nesp-lib 2.0.0",
    timeout=_timeout(19200),
    addresses=(0, new_era.LAST_ADDRESS),
)


def build(address: int, options: Mapping[str, str]) -> "Ne1000":
    """Make the driver of the pump with this address (0-99). Option baud: of the line; ValueError says what won't do."""
    baud = options.get("baud", str(TRAITS.baud))
    if baud not in map(str, BAUDS):
        raise ValueError(f"baud {baud}: an NE-1000 has {', '.join(map(str, BAUDS))}")
    if unknown := set(options) - {"baud"}:
        raise ValueError(f"ne1000 has no option {', '.join(sorted(unknown))}; it has baud")
    return Ne1000(address, int(baud))


class Ne1000:
    """One NE-1000 on a line. Asks DIS and RAT every second; a step of its own comes after each answer."""

    def __init__(self, address: int, baud: int) -> None:
        if not 0 <= address <= new_era.LAST_ADDRESS:
            raise ValueError(f"address {address}: an NE-1000 has 0 to 99")
        self._address = address
        self.traits = replace(TRAITS, baud=baud, timeout=_timeout(baud))
        self._framer: Framer[Frame] = Framer(self._scan, new_era.MAX_FRAME, MAX_GAP)
        self._now: Nanos = 0
        self._forget(0)

    def _forget(self, now: Nanos) -> None:
        self._framer.clear()
        self._mode: Mode | None = None
        self._asked: dict[bytes, Question] = {}
        self._asked_at = now
        self._missed = 0
        self._ignored = 0
        self._doubt = False
        self._twice: Question | None = None  # asked in both framings, so that a pump may answer it twice
        self._late: dict[Question, Nanos] = {}
        self._letter = ""
        self._last: Status | None = None
        self._todo = [Question.VERSION]
        self._wake = now
        self._next_poll = now
        self._unread = True  # the time-out: to be read as soon as that can be done
        self._wanted: int | None = None
        self._writes = 0

    @property
    def awaiting(self) -> bool:
        """Whether a question is without its complete answer."""
        return bool(self._asked)

    def opened(self, now: Nanos) -> None:
        """Start anew: who is there, in which mode and with which time-out, is all to be asked."""
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
            self._todo = self._polls()
        return (self._ask(self._todo.pop(0)),)

    def stop(self) -> tuple[Request, ...]:
        """Ask STP: a running pump pauses, a paused one stops; neither delivers. Both framings while none is known."""
        return (self._ask(Question.STOP),)

    def dead_man(self, seconds: int) -> tuple[Request, ...]:
        """Read SAF; written only where it differs, and read back. 0: no time-out, basic mode. () outside 0 to 255."""
        if not 0 <= seconds <= new_era.LONGEST_TIMEOUT:
            return ()
        self._wanted, self._writes, self._unread = seconds, 0, True
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

    def _ask(self, question: Question) -> SendBytes:
        argument = str(self._wanted) if question is Question.SET_TIMEOUT else ""
        text = f"{self._address}{new_era.COMMANDS[question]}{argument}"
        if self._mode is None:
            self._twice = question
        data = new_era.wrap(text, self._mode) if self._mode else _in_both(text, question)
        self._asked[data] = question
        self._asked_at = self._now
        return SendBytes(data, self.traits.timeout)

    def _polls(self) -> list[Question]:
        """Give what to ask this second: nothing whose earlier answer may still come; VER where that leaves nothing."""
        wanted = [Question.DISPENSED, Question.RATE] + [Question.TIMEOUT] * self._unread
        polls = [q for q in wanted if not self._may_be_late(q)]
        first = [Question.VERSION] if self._doubt or not polls else []
        self._doubt = False
        return first + polls

    def _give_up(self, question: Question) -> None:
        """Expect no answer to it any more. After a second loss, or that of a change, the mode is open again."""
        self._framer.clear()
        self._late[question] = self._now + LATEST
        if self._missed > 0 or question in {Question.SET_TIMEOUT, Question.STOP}:
            self._mode = None
        self._unsure()

    def _unsure(self) -> None:
        """Ask VER before all else: at once after a first loss, then every second time a second later."""
        self._missed += 1
        self._wake = self._now if self._missed % 2 else self._now + POLL
        self._todo = [q for q in self._todo if q is Question.STOP] + [Question.VERSION]

    def _may_be_late(self, question: Question) -> bool:
        """Whether an answer to it may be that of an earlier time it was asked."""
        return self._late.get(question, self._now) > self._now

    # --- hearing

    def _scan(self, buffer: bytes) -> tuple[int, Frame | Fault | None]:
        """Look for frames of the known mode; of either while none is known or it is being changed."""
        changing = self._mode is None or Question.SET_TIMEOUT in self._asked.values()
        return new_era.scan(buffer, frozenset(Mode) if changing or self._mode is None else frozenset({self._mode}))

    def _heard(self, frame: Frame) -> tuple[Observation | Fault, ...]:
        said = new_era.parse(frame.text)
        if said is None:
            return (_unexpected(frame.text),)
        if said.address != self._address:
            return (Fault(FaultKind.WRONG_DEVICE, f"pump {said.address} answered, {self._address} is expected"),)
        self._mode = frame.mode
        match said:
            case Alarm():
                return self._alarm(said)
            case Status():
                return self._status(said)
            case _:
                assert_never(said)

    def _status(self, said: Status) -> tuple[Observation | Fault, ...]:
        """Take a reply that is no alarm: an error or an answer, and what the pump does unless that may be old."""
        if said.data.startswith("?"):
            asked = next(iter(self._asked.values()), None)
            return (*self._does(said, asked), *self._refused(asked, said.data))
        question = self._question(said.data)
        if question is None:
            return (_unexpected(said.data),)
        if question not in self._asked.values():
            self._late.pop(question, None)
            if question is self._twice:
                self._twice = None
                return ()
            if said == self._last:
                return (Fault(FaultKind.UNEXPECTED, f"said twice: {said.data!r}"[:DETAIL]),)
            self._doubt = True
            return (Fault(FaultKind.STALE_REPLY, f"not asked, or no longer: {said.data!r}"[:DETAIL]),)
        self._settle(question)
        self._last = said
        self._missed = self._ignored = 0
        self._wake = self._now
        return (*self._answer(question, said), *self._does(said, question))

    def _settle(self, question: Question) -> None:
        """Expect this answer no more, in whatever framing it was asked."""
        self._asked = {key: asked for key, asked in self._asked.items() if asked is not question}

    def _does(self, said: Status, question: Question | None) -> tuple[Observation | Fault, ...]:
        """Say what the pump does; once that it began to withdraw, since no order for an infusion ever says so."""
        if question is None or self._may_be_late(question):
            return ()
        before, self._letter = self._letter, said.letter
        noted = (Fault(FaultKind.UNEXPECTED, "the pump is withdrawing"),) if said.letter == "W" != before else ()
        return (DeliveryReported(said.delivery), *noted)

    def _question(self, data: str) -> Question | None:
        """Say which question a reply's data answers: by its form, and where it has none, which change was asked."""
        if data:
            return new_era.form_of(data)
        return next((q for q in self._asked.values() if q in {Question.STOP, Question.SET_TIMEOUT}), Question.STOP)

    def _answer(self, question: Question, said: Status) -> tuple[Observation | Fault, ...]:
        match question:
            case Question.STOP:
                return ()
            case Question.SET_TIMEOUT:
                self._ask_next(Question.TIMEOUT)
                return ()
            case Question.VERSION:
                self._ask_next(Question.TIMEOUT)
                model, version = new_era.model_and_version(said.data)
                pairs = (("vendor", TRAITS.vendor), ("model", model), ("version", version))
                return (Identified((*pairs, ("address", str(self._address)))),)
            case Question.TIMEOUT:
                return self._timeout_read(int(said.data))
            case Question.DISPENSED:
                return (*new_era.infused(said.data, self._now), AlarmsReported(frozenset()))
            case Question.RATE:
                return new_era.rate_in_force(said.data, said.delivery, self._now)
            case _:
                assert_never(question)

    def _alarm(self, said: Alarm) -> tuple[Observation | Fault, ...]:
        """Take an alarm, and give the command again that it came in place of, if one was open."""
        if self._asked:
            ignored = next(iter(self._asked.values()))
            self._settle(ignored)
            self._ask_again(Question.TIMEOUT if ignored is Question.SET_TIMEOUT else ignored)
        return (AlarmsReported(frozenset({said.alarm}), f"A?{said.letter}"),)

    def _ask_again(self, question: Question) -> None:
        """Put a question first that the pump didn't act on; after a few times in a row, not before a second is over."""
        self._ignored += 1
        self._wake = self._now if self._ignored < IMPATIENT else self._now + POLL
        self._ask_next(question)

    def _ask_next(self, question: Question) -> None:
        """Put a question before all others, unless an earlier answer to it may still come."""
        self._unread = self._unread or question is Question.TIMEOUT
        first = [] if self._may_be_late(question) and question is not Question.STOP else [question]
        self._todo = first + [q for q in self._todo if q is not question]

    def _refused(self, question: Question | None, data: str) -> tuple[Fault, ...]:
        """Take an error. STP is not applicable to a pump that is stopped: nothing is wrong with that."""
        if question is None:
            return (Fault(FaultKind.STALE_REPLY, f"an error that nothing was asked for: {data!r}"[:DETAIL]),)
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
                self._unsure()
            case Question.TIMEOUT:
                pass
            case _:
                assert_never(question)
        return (Fault(FaultKind.REFUSED, f"the question for {question.value} was refused: {data!r}"[:DETAIL]),)

    def _timeout_read(self, seconds: int) -> tuple[Observation | Fault, ...]:
        """Report the time-out; write it where another is wanted, for at most WRITES times."""
        if self._may_be_late(Question.TIMEOUT):
            return ()
        self._unread = False
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


def _in_both(text: str, question: Question) -> bytes:
    """Wrap a command for a pump of unknown mode. A stop goes first as text, so that no packet spoils the text."""
    basic, safe = new_era.wrap(text, Mode.BASIC), new_era.wrap(text, Mode.SAFE)
    return basic + safe if question is Question.STOP else safe + basic


def _unexpected(text: str) -> Fault:
    return Fault(FaultKind.UNEXPECTED, f"no reply of this protocol: {text!r}"[:DETAIL])
