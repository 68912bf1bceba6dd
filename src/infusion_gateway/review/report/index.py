"""Index: one look through all published rows, which finds the cases, what stood when they came, and every alarm."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from infusion_gateway.model.events import (
    CaseOrdered,
    CaseReceived,
    DeviceIdentified,
    Event,
    GatewayStarted,
    PhaseChanged,
    StopAsked,
    StopConfirmed,
)
from infusion_gateway.model.session import GenerationMode, Phase
from infusion_gateway.review.cases import Span, spans
from infusion_gateway.review.report.alarms import Alarm, AlarmBook
from infusion_gateway.review.report.times import Moment, Timeline
from infusion_gateway.wire.records import Record, Unreadable


@dataclass(frozen=True, slots=True)
class Start:
    """A process that began to supervise a bed: when, of which version, in which mode (None: not on record)."""

    bed: str
    sequence: int
    at: Moment
    version: str
    mode: GenerationMode | None


@dataclass(slots=True)
class Index:
    """What the published rows of a whole journal say. standing: the alarms that stood at a span's first row.

    identities: of a bed's devices, as last said before a row. ends: till when a bed's rows are all here, where that is
    known to be later than the last of them.
    """

    timeline: Timeline = field(default_factory=Timeline)
    spans: tuple[Span, ...] = ()
    starts: list[Start] = field(default_factory=list)
    standing: dict[int, tuple[int, ...]] = field(default_factory=dict)
    identities: dict[str, list[tuple[int, str, tuple[tuple[str, str], ...]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    book: AlarmBook = field(init=False)
    ends: dict[str, Moment] = field(default_factory=dict)
    last: Record | None = None

    def __post_init__(self) -> None:
        self.book = AlarmBook(self.timeline)

    def alarms_of(self, span: Span) -> list[Alarm]:
        """Give the alarms of a span: those that stood when it began, and those that began in it."""
        return [alarm for alarm in self.book.alarms if self.holds(span, alarm)]

    def holds(self, span: Span, alarm: Alarm) -> bool:
        """Say whether an alarm is of a span."""
        began = alarm.bed == span.bed and span.ordered <= alarm.sequence
        in_it = began and (span.last is None or alarm.sequence <= span.last)
        return in_it or alarm.sequence in self.standing.get(span.ordered, ())

    def version_at(self, bed: str, sequence: int) -> Start | None:
        """Give the process that supervised a bed at this row; None where the journal doesn't go back so far."""
        return next((s for s in reversed(self.starts) if s.bed == bed and s.sequence <= sequence), None)


def index(published: Iterable[Record]) -> Index:
    """Look through every published row, in order."""
    found = Index()
    found.spans = spans(_watched(published, found))
    return found


def of_case(found: Index, case: str) -> tuple[tuple[Span, ...], ...]:
    """Give the spans of a case, by each use of its code: ordered anew after it had infused and was over is another."""
    uses: list[list[Span]] = []
    for span in found.spans:
        if span.case == case:
            if not uses or (not span.origin and any(known.started for known in uses[-1])):
                uses.append([])
            uses[-1].append(span)
    return tuple(tuple(use) for use in uses)


def own_rows(span: Span, rows: Iterable[Record]) -> list[Record]:
    """Keep of a bed's rows from a span's first on those that are the case's.

    What the step that ended it said besides is its own too. Of a case that was given up, all until its stop is sure.
    """
    kept: list[Record] = []
    end: Record | None = None
    for record in rows:
        if span.last is not None and record.sequence > span.last:
            end = end or (kept[-1] if kept else None)
            if end is None or (record.at, record.boot_id) != (end.at, end.boot_id):
                break
        kept.append(record)
    over = next((n for n, r in enumerate(kept) if _gave_up(r.event)), None)
    if over is None:
        return kept
    asked = [n for n, r in enumerate(kept) if isinstance(r.event, StopAsked)]
    sure = [n for n, r in enumerate(kept) if isinstance(r.event, StopConfirmed) and not r.event.provisional]
    if asked and (not sure or sure[-1] < asked[-1]):
        return kept
    last = kept[max(over, *sure) if sure else over]
    return [r for r in kept if r.sequence <= last.sequence or (r.at, r.boot_id) == (last.at, last.boot_id)]


def _gave_up(event: Event | Unreadable) -> bool:
    return isinstance(event, PhaseChanged) and event.phase is Phase.ABORTED


def _watched(published: Iterable[Record], found: Index) -> Iterator[Record]:
    for record in published:
        event = record.event
        at = found.timeline.of(record)
        match event:
            case GatewayStarted(version=version, generation_mode=mode):
                found.starts.append(Start(record.bed, record.sequence, at, version, mode))
            case DeviceIdentified(device=device, identity=identity):
                found.identities[record.bed].append((record.sequence, device, identity))
            case CaseOrdered() | CaseReceived():
                found.standing[record.sequence] = tuple(a.sequence for a in found.book.standing(record.bed))
            case _:
                pass
        found.book.take(record)
        found.last = record
        yield record
