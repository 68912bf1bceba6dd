"""Index: one look through all published rows, which finds the cases, what stood when they came, and every alarm."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from infusion_gateway.model.events import CaseOrdered, CaseReceived, DeviceIdentified, GatewayStarted
from infusion_gateway.review.cases import Span, spans
from infusion_gateway.review.report.alarms import Alarm, AlarmBook
from infusion_gateway.review.report.times import Moment, Timeline
from infusion_gateway.wire.records import Record


@dataclass(frozen=True, slots=True)
class Start:
    """A process that began to supervise a bed: when, of which version."""

    bed: str
    sequence: int
    at: Moment
    version: str


@dataclass(slots=True)
class Index:
    """What the published rows of a whole journal say. standing: the alarms that stood at a span's first row.

    identities: of a bed's devices, as last said before a row.
    """

    timeline: Timeline = field(default_factory=Timeline)
    spans: tuple[Span, ...] = ()
    starts: list[Start] = field(default_factory=list)
    standing: dict[int, tuple[int, ...]] = field(default_factory=dict)
    identities: dict[str, list[tuple[int, str, tuple[tuple[str, str], ...]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    book: AlarmBook = field(init=False)
    last: Record | None = None

    def __post_init__(self) -> None:
        self.book = AlarmBook(self.timeline)

    def alarms_of(self, span: Span) -> list[Alarm]:
        """Give the alarms of a span: those that stood when it began, and those that began in it."""
        stood = self.standing.get(span.ordered, ())
        last = span.last
        return [
            alarm
            for alarm in self.book.alarms
            if alarm.sequence in stood
            or (alarm.bed == span.bed and span.ordered <= alarm.sequence and (last is None or alarm.sequence <= last))
        ]

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


def _watched(published: Iterable[Record], found: Index) -> Iterator[Record]:
    for record in published:
        event = record.event
        at = found.timeline.of(record)
        match event:
            case GatewayStarted(version=version):
                found.starts.append(Start(record.bed, record.sequence, at, version))
            case DeviceIdentified(device=device, identity=identity):
                found.identities[record.bed].append((record.sequence, device, identity))
            case CaseOrdered() | CaseReceived():
                found.standing[record.sequence] = tuple(a.sequence for a in found.book.standing(record.bed))
            case _:
                pass
        found.book.take(record)
        found.last = record
        yield record
