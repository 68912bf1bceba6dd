"""Alarms as the record has them: each from its beginning to its end, who answered it, and after how long.

One alarm is one `since` of a condition: a rise begins a new one, which no earlier acknowledgement covers; a fall
doesn't.
"""

from dataclasses import dataclass, replace

from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.events import (
    AlarmEscalated,
    ConditionAcknowledged,
    ConditionCleared,
    ConditionRaised,
    HoldOffGranted,
)
from infusion_gateway.model.metric import Nanos
from infusion_gateway.review.report.times import Moment, Timeline
from infusion_gateway.wire.records import Record

TEST = "test-"
"""Codes that begin so are of a test that somebody asked for."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. sequence: of the row that raised it; risen: from a lower row of its condition.

    ended: over, or risen further (rose: to which). seen: of one that is not over, till when it is known to have stood.
    answered: acknowledged, by whom. held_by: who held its stop off.
    """

    bed: str
    code: str
    kind: AlarmKind
    priority: Priority
    response: Response
    began: Moment
    sequence: int
    value: float | None
    limit: float | None
    unit: str
    text: str
    risen: bool
    counts_down: bool
    ended: Moment | None = None
    seen: Moment | None = None
    rose: Priority | None = None
    latched: bool = False
    answered: Moment | None = None
    answered_by: str = ""
    held_by: str = ""
    escalation: int = 0

    @property
    def audible(self) -> bool:
        """Whether it sounds until somebody answers: medium and high. A low one sounds once, softly."""
        return self.priority > Priority.LOW

    @property
    def is_test(self) -> bool:
        """Whether somebody asked for it, to hear it."""
        return self.code.startswith(TEST)

    @property
    def answer(self) -> Nanos | None:
        """How long it took until somebody had it; None: nobody acknowledged it."""
        return None if self.answered is None else max(0, self.answered.elapsed - self.began.elapsed)

    @property
    def lasted(self) -> Nanos | None:
        """How long it was there, or has been there so far as is known; None: that isn't known."""
        until = self.ended or self.seen
        return None if until is None else max(0, until.elapsed - self.began.elapsed)


@dataclass(frozen=True, slots=True)
class _Open:
    index: int
    since: Nanos
    boot_id: str
    priority: Priority


class AlarmBook:
    """Every alarm of the rows that it was given, in the order in which they began."""

    def __init__(self, timeline: Timeline) -> None:
        self.alarms: list[Alarm] = []
        self._timeline = timeline
        self._open: dict[tuple[str, str], _Open] = {}

    def take(self, record: Record) -> None:
        """Take the next row up."""
        event, at = record.event, self._timeline.of(record)
        match event:
            case ConditionRaised():
                self._raised(record, event)
            case ConditionCleared(code=code, latched=latched):
                self._change(record.bed, code, ended=at, latched=latched)
                if not latched:
                    self._open.pop((record.bed, code), None)
            case ConditionAcknowledged(code=code, by=by):
                self._answered(record.bed, code, at, by)
            case HoldOffGranted(code=code, by=by):
                self._change(record.bed, code, held_by=by)
            case AlarmEscalated(code=code, level=level):
                self._change(record.bed, code, escalation=level)
            case _:
                pass

    def standing(self, bed: str) -> tuple[Alarm, ...]:
        """Give the alarms of a bed that are not over, or over and not answered though they latch."""
        return tuple(self.alarms[held.index] for (where, _), held in self._open.items() if where == bed)

    def _raised(self, record: Record, event: ConditionRaised) -> None:
        key = record.bed, event.code
        known = self._open.get(key)
        if known is not None and self.alarms[known.index].ended is None and not _begins(known, record, event):
            self._open[key] = replace(known, priority=event.priority)
            if event.countdown_ends is not None:
                self._change(*key, counts_down=True)
            return
        began = self._timeline.of(record, event.since)
        stands = known is not None and self.alarms[known.index].ended is None
        risen = known is not None and stands and event.priority > known.priority
        if stands:
            self._change(*key, ended=began, rose=event.priority if risen else None)
        self._open[key] = _Open(len(self.alarms), event.since, record.boot_id, event.priority)
        self.alarms.append(
            Alarm(
                bed=record.bed,
                code=event.code,
                kind=event.kind,
                priority=event.priority,
                response=event.response,
                began=began,
                sequence=record.sequence,
                value=event.value,
                limit=event.limit,
                unit=event.unit,
                text=event.reason,
                risen=risen,
                counts_down=event.countdown_ends is not None,
            )
        )

    def _answered(self, bed: str, code: str, at: Moment, by: str) -> None:
        """Note who answered first; a latched one that is over is done with."""
        held = self._open.get((bed, code))
        if held is None:
            return
        alarm = self.alarms[held.index]
        if alarm.answered is None:
            self._change(bed, code, answered=at, answered_by=by)
        if alarm.ended is not None:
            del self._open[bed, code]

    def _change(self, bed: str, code: str, **changes: object) -> None:
        held = self._open.get((bed, code))
        if held is not None:
            self.alarms[held.index] = replace(self.alarms[held.index], **changes)  # type: ignore[arg-type]  # fields by name


def _begins(known: _Open, record: Record, event: ConditionRaised) -> bool:
    """Say whether this is another alarm. Over a boot `since` is moved with the timeline: there only a rise is one."""
    if record.boot_id != known.boot_id:
        return event.priority > known.priority
    return event.since != known.since
