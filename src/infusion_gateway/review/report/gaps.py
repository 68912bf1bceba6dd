"""Gaps: when nobody supervised, when less was seen than a session needs, and when no reading came to be recorded."""

from collections.abc import Sequence
from dataclasses import dataclass

from infusion_gateway.model.events import BedQuarantined, GatewayStarted, PhaseChanged, Sampled, SupervisionChanged
from infusion_gateway.model.session import Phase, Supervision
from infusion_gateway.review.report.times import Moment, Timeline
from infusion_gateway.review.report.vitals import APART
from infusion_gateway.wire.records import Record

WATCHED = (Phase.ARMED, Phase.INFUSING, Phase.PAUSED)
"""Phases in which readings are expected every second."""
BLIND = "nobody supervised"
"""The gateway's process was not there, or had given the bed up."""
SILENT = "no readings"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of less than whole supervision at a bed. ends: None, it went on to the end of the record."""

    bed: str
    begins: Moment
    ends: Moment | None
    what: str
    text: str


def gaps_of(rows: Sequence[Record], timeline: Timeline, *, sampled: bool) -> tuple[Gap, ...]:
    """Find the gaps in the rows of one bed. sampled: its readings are among them."""
    found: list[Gap] = []
    open_gap: dict[str, Gap] = {}

    def close(kind: str, at: Moment) -> None:
        gap = open_gap.pop(kind, None)
        if gap is not None:
            found.append(Gap(gap.bed, gap.begins, at, gap.what, gap.text))

    last: Moment | None = None
    read: Moment | None = None
    phase: Phase | None = None
    for record in rows:
        event, at = record.event, timeline.of(record)
        match event:
            case GatewayStarted(reason=reason, blind_for=blind):
                close("quarantine", at)
                close("supervision", last or at)
                if last is not None:
                    begins = last if sampled or blind is None else at.plus(-blind)
                    found.append(Gap(record.bed, begins, at, BLIND, reason))
                read = at
            case SupervisionChanged(supervision=supervision, reason=reason):
                close("supervision", at)
                if supervision is not Supervision.OK:
                    what = f"supervision {supervision.value}"
                    open_gap["supervision"] = Gap(record.bed, at, None, what, reason)
            case BedQuarantined(reason=reason):
                open_gap.setdefault(
                    "quarantine", Gap(record.bed, at, None, BLIND, f"the bed was quarantined: {reason}")
                )
            case PhaseChanged():
                phase, read = event.phase, at
            case Sampled():
                if sampled and phase in WATCHED and read is not None and at.elapsed - read.elapsed > APART:
                    found.append(Gap(record.bed, read, at, SILENT, "no reading came to be recorded"))
                read = at
            case _:
                pass
        last = at
    return tuple(sorted([*found, *open_gap.values()], key=lambda gap: gap.begins))
