"""Courses: what happened, and what `step` makes of the same evidence under a protocol."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from infusion_gateway.core.evolve import evolve
from infusion_gateway.core.state import State, initial, restored
from infusion_gateway.core.step import next_deadline, step
from infusion_gateway.errors import Broken
from infusion_gateway.model.events import (
    AlarmEscalated,
    BedQuarantined,
    CaseOrdered,
    ConditionCleared,
    ConditionRaised,
    Event,
    HoldOffGranted,
    InfusionStarted,
    InstructionRefused,
    PhaseChanged,
    ResumePermitted,
    StopAsked,
    StopConfirmed,
)
from infusion_gateway.model.inputs import BrokerChanged, DeadlineReached, Input, Instructed, JournalChanged, Restarted
from infusion_gateway.model.instructions import PlaceOrder
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import BedSetup, GenerationMode, Phase, SessionProtocol
from infusion_gateway.review.evidence import AsMade, Began, Evidence, Given, StopOnRecord, Timed, carried
from infusion_gateway.review.parting import Parting
from infusion_gateway.wire.records import Record, Unreadable

MOST_DEADLINES = 100_000
"""Deadlines between two readings before a replay says that time stands still."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that was decided. at: on one timeline over every boot. what: the same words for the same thing."""

    at: Nanos
    what: str
    reason: str
    carried: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """What happened, or would have, in order. refusal: why the order would not have been taken, "" where it would.

    parted_at: since when the recorded pump answers to another course, and how it is taken to go on from there.
    """

    happenings: tuple[Happening, ...]
    refusal: str = ""
    parted_at: Nanos | None = None
    parted: str = ""


@dataclass(slots=True)
class Diary:
    """Turns events into happenings. decided_only: leaves out what isn't judged again."""

    decided_only: bool
    kept: list[Happening] = field(default_factory=list)
    _counting: set[str] = field(default_factory=set)
    _confirmed: bool = False

    def take(self, event: Event, at: Nanos, shift: Nanos) -> None:
        """Note an event, where it is one of the things that are compared; T0 when it was, not when it was known."""
        at = shift + (event.t0 if isinstance(event, InfusionStarted) else at)
        code = getattr(event, "code", "")
        if self.decided_only and carried(code):
            return
        for what in self._words(event):
            said = Happening(at, what, getattr(event, "reason", ""), carried(code) or _as_made(event))
            if not self.kept or (self.kept[-1].at, self.kept[-1].what) != (at, what):
                self.kept.append(said)

    def _words(self, event: Event) -> list[str]:
        match event:
            case ConditionRaised(code=code, priority=priority):
                words = [f"{code} {priority.name.lower()}"]
                if event.countdown_ends is None:
                    self._counting.discard(code)
                elif code not in self._counting:
                    self._counting.add(code)
                    words.append(f"{code} counts down to a stop")
                return words
            case ConditionCleared(code=code):
                self._counting.discard(code)
                return [f"{code} over"]
            case StopAsked(codes=codes, by=by):
                self._confirmed = False
                return [f"stop asked: {', '.join(codes) or 'by a person' if by else ', '.join(codes)}"]
            case StopConfirmed(provisional=provisional):
                words = ["stop confirmed"] * (not self._confirmed) + ["stop confirmed for good"] * (not provisional)
                self._confirmed = True
                return words
            case PhaseChanged(phase=phase):
                return [f"phase {phase}"]
            case InfusionStarted():
                return ["T0"]
            case HoldOffGranted(code=code):
                return [f"{code} held off"]
            case ResumePermitted():
                return ["resume permitted"]
            case InstructionRefused(instruction=name):
                return [f"{name} refused"]
            case AlarmEscalated(code=code, level=level):
                return [f"{code} escalated, level {level}"]
            case BedQuarantined():
                return ["bed quarantined"]
            case _:
                return []


def _as_made(event: Event) -> bool:
    """Say whether people made it so, by order and confirmation."""
    if not isinstance(event, PhaseChanged):
        return False
    return event.phase is Phase.ARMED or (event.phase is Phase.ORDERED and event.before is not Phase.ARMED)


def recorded(records: Iterable[Record]) -> Course:
    """Give what happened, as it was recorded."""
    diary = Diary(decided_only=False)
    shift = last = 0
    boot = ""
    for record in records:
        if boot and record.boot_id != boot:
            shift, last = shift + last - record.at, record.at
        boot, last = record.boot_id, max(last, record.at)
        if not isinstance(record.event, Unreadable | InstructionRefused):
            diary.take(record.event, record.at, shift)
    return Course(tuple(diary.kept))


def replayed(found: Evidence, setup: BedSetup, protocol: SessionProtocol, ordered: CaseOrdered) -> Course:
    """Put the evidence of a case through `step` under a protocol. Raises Broken where an invariant breaks in it."""
    named = replace(protocol, name=ordered.order.protocol)
    bed = replace(setup, protocols=(named,), generation_mode=GenerationMode.TEST)  # who signed it is no question here
    replay = _Replay(bed, found)
    replay.run(found.items, found.until)
    parting = replay.parting
    return Course(tuple(replay.diary.kept), refusal(bed, ordered), parting.at, parting.how)


def refusal(setup: BedSetup, ordered: CaseOrdered) -> str:
    """Say why the order would have been refused under the bed's protocol, "" where it would have been taken."""
    order = ordered.order
    asked = PlaceOrder(
        case=ordered.case,
        subject=ordered.subject,
        protocol=order.protocol,
        weight_kg=order.weight_kg,
        concentration_mg_ml=order.concentration_mg_ml,
        rate_ml_h=order.rate_ml_h,
        volume_ml=order.volume_ml,
        duration=order.duration,
        dose_mg=order.dose_mg,
        reason=ordered.reason,
    )
    done = step(initial(setup), Instructed(asked, ordered.by or "somebody", "replay", ""), SECOND)
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


class _Replay:
    """One course on its way through the evidence."""

    def __init__(self, setup: BedSetup, found: Evidence) -> None:
        self.diary = Diary(decided_only=True)
        self.parting = Parting(setup.pump.device if setup.pump is not None else None, found)
        self._setup = setup
        self._durable = found.seed
        self._state: State | None = None
        self._shift: Nanos = 0

    def run(self, items: Sequence[Timed], until: Nanos) -> None:
        """Take everything in order; in between, and until the record ends, step at every deadline."""
        for item in items:
            self._until(item.what.last if isinstance(item.what, Began) else item.at - 1)
            self._shift = item.shift
            match item.what:
                case AsMade(events=events):
                    self._arm(events, item.at)
                case Began(same_boot=same_boot, version=version):
                    self._begin(Restarted(same_boot=same_boot, version=version), item.at)
                case StopOnRecord(open=is_open):
                    self.parting.recorded(is_open=is_open)
                case Given(input=given):
                    self._give(self.parting.seen(given, item.at, item.at + item.shift), item.at)
                case _:
                    assert_never(item.what)
        self._until(until)

    def _arm(self, events: tuple[Event, ...], at: Nanos) -> None:
        """Take people's arming as it was made."""
        durable = self._durable if self._state is None else self._state.durable
        for event in events:
            durable = evolve(durable, event, at)
            self.diary.take(event, at, self._shift)
        if self._state is None:
            self._state = restored(self._setup, durable)
            self._told(at)
        else:
            self._state = replace(self._state, durable=durable)

    def _begin(self, start: Restarted, at: Nanos) -> None:
        if self._state is None:
            return
        self._state = restored(self._setup, self._state.durable)
        self._give(start, at)
        self._told(at)

    def _told(self, at: Nanos) -> None:
        """Say that people can be told and the record is kept: whether they could isn't judged again."""
        self._give(BrokerChanged(connected=True, listeners=True), at)
        self._give(JournalChanged(kept=True, why=""), at)

    def _until(self, at: Nanos) -> None:
        for _ in range(MOST_DEADLINES):
            due = None if self._state is None else next_deadline(self._state)
            if due is None or due > at:
                return
            self._give(DeadlineReached(), due)
        raise Broken("time stands still in the replay")

    def _give(self, given: Input, at: Nanos) -> None:
        if self._state is None:
            return
        done = step(self._state, given, at)
        self._state = done.state
        for event in done.events:
            self.diary.take(event, at, self._shift)
            if isinstance(event, StopAsked) and not event.by:
                again = self.parting.asked(event, at + self._shift)
                if again is not None:
                    self._give(self.parting.seen(again, at, at + self._shift), at)
