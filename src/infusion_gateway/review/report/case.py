"""A case as its rows tell it: order and who, times, dose, what was measured, alarms with their answers, stops, gaps."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from infusion_gateway.core.durable import Durable
from infusion_gateway.core.evolve import evolve
from infusion_gateway.model.events import (
    AlarmsRemembered,
    Assessed,
    BaselineTaken,
    CaseConfirmed,
    CaseLimitSet,
    CaseMoved,
    CaseOrdered,
    CaseReceived,
    ConcentrationCorrected,
    ConditionAcknowledged,
    ConditionCleared,
    ConditionRaised,
    Event,
    GateOverridden,
    HoldOffGranted,
    InfusionStarted,
    InstructionAccepted,
    InstructionSigned,
    OrderAmended,
    PhaseChanged,
    Sampled,
    StopAsked,
    StopConfirmed,
    SubjectsRemembered,
    SyringeChanged,
)
from infusion_gateway.model.instructions import Confirm, Score
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.session import GenerationMode, Order, Phase, SessionProtocol
from infusion_gateway.review import words
from infusion_gateway.review.cases import Span
from infusion_gateway.review.report.alarms import Alarm
from infusion_gateway.review.report.gaps import Gap, gaps_of
from infusion_gateway.review.report.index import Index, Start
from infusion_gateway.review.report.times import Moment, Timeline
from infusion_gateway.review.report.vitals import Vitals, vitals_of
from infusion_gateway.wire.asking import Parsed, parse_instruction
from infusion_gateway.wire.records import Record, Unreadable, type_name

ENDED = (Phase.COMPLETED, Phase.STOPPED, Phase.ABORTED, Phase.CLOSED)
TOLD_ELSEWHERE = (
    ConditionRaised,
    ConditionCleared,
    ConditionAcknowledged,
    Sampled,
    SubjectsRemembered,
    AlarmsRemembered,
    InstructionSigned,
)
"""Events that the course of a case leaves to its tables."""
SHOWN_BY_EFFECT = frozenset({"order", "confirm", "acknowledge", "assess", "override", "limits", "hold-off", "prime"})
"""Instructions whose effect is an event with the person's name."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report rests on besides the rows.

    mode: as the configuration has it now, for records of before it was kept; None: none was given. protocols: what is
    known of each protocol's file, by name: its content, and why it is not signed ("": it is).
    head, head_sequence: of the journal as it was verified; damaged: what is wrong with it, "" for nothing.
    """

    journal: str
    head: str
    head_sequence: int
    damaged: str
    mode: GenerationMode | None
    protocols: dict[str, tuple[SessionProtocol, str]]
    version: str
    made_utc_ns: int


@dataclass(frozen=True, slots=True)
class Stay:
    """A case's time at one bed. origin: the bed it came from; to: the one it went to."""

    bed: str
    came: Moment
    left: Moment
    origin: str
    to: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Something on record: when and where, what, by whom (""; nobody by name), and its words."""

    at: Moment
    bed: str
    what: str
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a person entered, measured at this time."""

    at: Moment
    by: str
    scores: tuple[tuple[Score, float], ...]
    vitals: tuple[tuple[Metric, float], ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop that was asked. confirmed: first seen at rest; for_good: for as long as one step of the volume takes."""

    asked: Moment
    bed: str
    then: Phase
    codes: tuple[str, ...]
    by: str
    reason: str
    confirmed: Moment | None = None
    for_good: Moment | None = None


@dataclass(slots=True)
class Report:
    """One use of a case's code, whole. order: as it is enforced last, first: as it was entered.

    hidden: the order waits for its second entry, and until then nobody is shown the first. second: the other person's
    own entry, where it is on record: it is since it is kept, and was before where it was signed. measured: the rows say
    how much was given; false: what is told of order and dose is not to be shown.
    """

    case: str
    stays: tuple[Stay, ...]
    rows: int
    begins: Moment
    until: Moment
    alarms: tuple[Alarm, ...]
    gaps: tuple[Gap, ...]
    vitals: Vitals
    versions: tuple[Start, ...]
    devices: tuple[tuple[str, str, str], ...]
    subject: str = ""
    digest: str = ""
    order: Order | None = None
    first: Order | None = None
    hidden: bool = False
    orders: list[Entry] = field(default_factory=list)
    confirmed: Entry | None = None
    waived: tuple[str, ...] = ()
    second: Confirm | None = None
    phase: Phase = Phase.IDLE
    t0: Moment | None = None
    planned: Moment | None = None
    ended: Moment | None = None
    how: str = ""
    before_ml: float = 0.0
    delivered_ml: float = 0.0
    dose_mg: float = 0.0
    baseline: tuple[tuple[Metric, float], ...] = ()
    amendments: list[Entry] = field(default_factory=list)
    overrides: list[Entry] = field(default_factory=list)
    hold_offs: list[Entry] = field(default_factory=list)
    limits: list[tuple[Moment, CaseLimitSet]] = field(default_factory=list)
    assessments: list[Assessment] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    course: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    measured: bool = True

    @property
    def beds(self) -> tuple[str, ...]:
        """Every bed it was at, in order."""
        return tuple(dict.fromkeys(stay.bed for stay in self.stays))

    @property
    def under_way(self) -> bool:
        """Whether the record ends while the case goes on."""
        return self.phase not in (Phase.CLOSED, Phase.ABORTED)

    @property
    def origin(self) -> Moment:
        """Where its clock begins: T0, or where the case came."""
        return self.t0 or self.begins


def report_of(use: Sequence[Span], parts: Sequence[Sequence[Record]], index: Index, *, sampled: bool = True) -> Report:
    """Tell one use of a case's code. parts: each span's own rows (own_rows). sampled: the readings are among them."""
    timeline = index.timeline
    rows = sorted((record for part in parts for record in part), key=lambda record: record.sequence)
    stays = _stays(use, parts, timeline)
    alarms = {alarm.sequence: alarm for span in use for alarm in index.alarms_of(span)}
    last = max(part[-1].sequence for part in parts)
    made = Report(
        case=use[0].case,
        stays=stays,
        rows=len(rows),
        begins=stays[0].came,
        until=max(stay.left for stay in stays),
        alarms=(),
        gaps=tuple(sorted((gap for p in _by_bed(parts) for gap in gaps_of(p, timeline, sampled=sampled)), key=_begins)),
        vitals=vitals_of(rows, timeline),
        versions=_versions(use, rows, index),
        devices=_devices(use, last, index),
    )
    teller = _Teller(made, timeline)
    for record in rows:
        teller.take(record)
    teller.end()
    if made.under_way and use[-1].last is None:
        _goes_on(made, index)
    made.alarms = tuple(_until(alarm, made.stays) for sequence, alarm in sorted(alarms.items()) if sequence <= last)
    if stays[-1].to:
        made.notes.append(f"it went on at bed {stays[-1].to}, which is not in this journal")
    return made


def _goes_on(made: Report, index: Index) -> None:
    """Let a case that is not over stay for as long as its bed's rows are known to be all here."""
    here = made.stays[-1]
    left = max(here.left, index.ends.get(here.bed, here.left))
    made.stays, made.until = (*made.stays[:-1], replace(here, left=left)), max(made.until, left)


def _until(alarm: Alarm, stays: Sequence[Stay]) -> Alarm:
    """Give an alarm as it was when the case left the bed: what came of it later is of no case, or of the next."""
    left = max(stay.left for stay in stays if stay.bed == alarm.bed)
    if alarm.ended is None or alarm.ended > left:
        alarm = replace(alarm, ended=None, seen=left, rose=None)
    if alarm.answered is not None and alarm.answered > left:
        alarm = replace(alarm, answered=None, answered_by="")
    return alarm


def _begins(gap: Gap) -> Moment:
    return gap.begins


def _by_bed(parts: Sequence[Sequence[Record]]) -> list[list[Record]]:
    """Join the rows of spans that follow one another at one bed: an order that was entered anew."""
    found: list[list[Record]] = []
    for part in parts:
        if found and found[-1][-1].bed == part[0].bed:
            found[-1] += part
        else:
            found.append(list(part))
    return found


def _stays(use: Sequence[Span], parts: Sequence[Sequence[Record]], timeline: Timeline) -> tuple[Stay, ...]:
    stays: list[Stay] = []
    for span, part in zip(use, parts, strict=True):
        to = next((r.event.to for r in part if isinstance(r.event, CaseMoved)), "")
        came, left = timeline.of(part[0]), timeline.of(part[-1])
        if stays and stays[-1].bed == span.bed:
            stays[-1] = Stay(span.bed, stays[-1].came, left, stays[-1].origin, to)
        else:
            stays.append(Stay(span.bed, came, left, span.origin, to))
    return tuple(stays)


def _versions(use: Sequence[Span], rows: Sequence[Record], index: Index) -> tuple[Start, ...]:
    """Give the processes that supervised it: the one at its first row, and each that began since."""
    found: dict[int, Start] = {}
    for span in use:
        first = index.version_at(span.bed, span.ordered)
        last = max((r.sequence for r in rows if r.bed == span.bed), default=span.ordered)
        among = [s for s in index.starts if s.bed == span.bed and span.ordered < s.sequence <= last]
        found |= {start.sequence: start for start in ([first] if first else []) + among}
    return tuple(start for _, start in sorted(found.items()))


def _devices(use: Sequence[Span], last: int, index: Index) -> tuple[tuple[str, str, str], ...]:
    """Give each device of its beds, and what it said it is, as last said before the case's end."""
    found: dict[tuple[str, str], str] = {}
    for bed in dict.fromkeys(span.bed for span in use):
        for sequence, device, identity in index.identities.get(bed, ()):
            if sequence <= last:
                found[bed, device] = ", ".join(f"{name} {value}" for name, value in identity)
    return tuple((bed, device, identity) for (bed, device), identity in found.items())


class _Teller:
    """Takes a case's rows in order and writes down in the report what they come to. Dose and order: by the fold."""

    def __init__(self, report: Report, timeline: Timeline) -> None:
        self._report = report
        self._timeline = timeline
        self._durable: dict[str, Durable] = {}
        self._bed = ""
        self._counts = True
        self._unread = 0
        self._signed: dict[str, Confirm] = {}
        self._confirmed = ""

    def take(self, record: Record) -> None:
        event = record.event
        if isinstance(event, Unreadable):
            self._unread += 1
            return
        durable = evolve(self._durable.get(record.bed, Durable()), event, record.at)
        self._durable[record.bed] = durable
        if isinstance(event, CaseOrdered | CaseReceived):
            self._bed = record.bed
        if record.bed == self._bed and durable.case is not None:
            self._state(durable, record)
        self._case(record, event)
        self._people(record, event)
        if not isinstance(event, TOLD_ELSEWHERE) and not (
            isinstance(event, InstructionAccepted) and event.instruction in SHOWN_BY_EFFECT
        ):
            self._report.course.append(self._entry(record, event))

    def end(self) -> None:
        report = self._report
        report.second = self._signed.get(self._confirmed) or report.second
        if report.phase is Phase.ORDERED or not self._counts:  # it waits for another, or may be entered anew
            report.order, report.first, report.second, report.hidden = None, None, None, True
        if self._unread:
            report.notes.append(f"{self._unread} rows can't be read by this version and are left out")

    def _state(self, durable: Durable, record: Record) -> None:
        report, case = self._report, durable.case
        assert case is not None
        report.phase, report.order, report.subject = durable.phase, case.order, case.subject
        self._counts = case.confirmed
        report.digest = case.protocol_digest
        report.baseline = case.baseline or report.baseline
        if case.t0 is not None:
            report.delivered_ml = durable.account.delivered_ml
            report.dose_mg = case.dose_mg(durable.account.delivered_ml)
            report.t0 = report.t0 or self._timeline.of(record, case.t0)
            report.planned = None if case.ends_at is None else self._timeline.of(record, case.ends_at)

    def _case(self, record: Record, event: Event) -> None:
        report = self._report
        match event:
            case CaseOrdered():
                report.first, report.confirmed, report.waived = event.order, None, ()
                report.orders.append(self._entry(record, event))
            case CaseReceived(carried=carried) if not report.orders:
                case = carried.case
                at = self._timeline.of(record, case.ordered_at)
                report.first = case.order
                report.orders.append(
                    Entry(at, event.origin, "case ordered", case.ordered_by, "at the bed it came from")
                )
                report.confirmed = Entry(at, event.origin, "case confirmed", case.confirmed_by, "there")
                report.notes.append(f"what was before at bed {event.origin} is not in this journal")
            case CaseConfirmed(weight_kg=weight, concentration_mg_ml=concentration):
                report.confirmed, report.waived = self._entry(record, event), event.waived
                if weight is not None and concentration is not None:
                    report.second = Confirm(weight, concentration)
            case InstructionSigned(instruction="confirm", id=identity, signed=signed):
                asked = parse_instruction("confirm", signed.message.encode(errors="replace"))
                if isinstance(asked, Parsed) and isinstance(asked.instruction, Confirm):
                    self._signed[identity] = asked.instruction
            case InstructionAccepted(instruction="confirm", id=identity):
                self._confirmed = identity
            case InfusionStarted(before_ml=before):
                report.before_ml = before
            case BaselineTaken(values=values):
                report.baseline = values
            case PhaseChanged(phase=phase) if phase in ENDED and report.ended is None:
                report.ended, report.how = self._timeline.of(record), f"{phase.value}: {event.reason}"
            case StopAsked():
                at = self._timeline.of(record)
                report.stops.append(Stop(at, record.bed, event.then, event.codes, event.by, event.reason))
            case StopConfirmed(provisional=provisional) if report.stops:
                stop, at = report.stops[-1], self._timeline.of(record)
                good = None if provisional else at
                report.stops[-1] = Stop(
                    stop.asked, stop.bed, stop.then, stop.codes, stop.by, stop.reason, stop.confirmed or at,
                    stop.for_good or good,
                )  # fmt: skip
            case _:
                pass

    def _people(self, record: Record, event: Event) -> None:
        report = self._report
        match event:
            case OrderAmended() | ConcentrationCorrected() | SyringeChanged():
                entry = self._entry(record, event)
                report.amendments.append(Entry(entry.at, entry.bed, entry.what, entry.by, _change(event)))
            case GateOverridden(gate=gate):
                report.overrides.append(Entry(self._timeline.of(record), record.bed, gate, event.by, event.reason))
            case HoldOffGranted(code=code):
                report.hold_offs.append(Entry(self._timeline.of(record), record.bed, code, event.by, event.reason))
            case CaseLimitSet():
                report.limits.append((self._timeline.of(record), event))
            case Assessed():
                at = self._timeline.of(record, event.measured_at)
                report.assessments.append(Assessment(at, event.by, event.scores, event.vitals))
            case _:
                pass

    def _entry(self, record: Record, event: Event) -> Entry:
        what = type_name(event).replace("-", " ")
        by = str(getattr(event, "by", ""))
        return Entry(self._timeline.of(record), record.bed, what, by, words.said(event, but="by"))


def _change(event: OrderAmended | ConcentrationCorrected | SyringeChanged) -> str:
    match event:
        case OrderAmended(order=order):
            seconded = f"; seconded by {event.seconded_by}" if event.seconded_by else ""
            return f"{event.instruction}: from here {said_order(order)}{seconded}: {event.reason}"
        case ConcentrationCorrected(order=order):
            seconded = f"; seconded by {event.seconded_by}" if event.seconded_by else ""
            counted = f"the dose counts anew as {event.dose_mg:.4g} mg"
            return f"the concentration was {order.concentration_mg_ml:g} mg/mL, {counted}{seconded}: {event.reason}"
        case _:
            syringe = f"another syringe, {event.volume_ml:g} mL of {event.concentration_mg_ml:g} mg/mL"
            return f"{syringe}, after {event.delivered_ml:.4g} mL ({event.dose_mg:.4g} mg): {event.reason}"


def said_order(order: Order) -> str:
    """Write an order on a line."""
    minutes = order.duration / 60_000_000_000
    return (
        f"{order.dose_mg:.4g} mg over {minutes:g} min at {order.rate_ml_h:g} mL/h, {order.volume_ml:g} mL of "
        f"{order.concentration_mg_ml:g} mg/mL for {order.weight_kg:g} kg"
    )
