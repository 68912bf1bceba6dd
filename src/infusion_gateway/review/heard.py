"""Rows of a journal as far as they can be made of what was published: for an audit where the journal itself isn't.

An event on the wire lacks what no topic has (subject, weights, doses of an order, the readings), times are the wall
clock's, to the millisecond. So alarms, answers, stops and phases can be counted by it, and no dose.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.review.report.case import report_of
from infusion_gateway.review.report.day import Days, between, parts_of, uses_of
from infusion_gateway.review.report.index import index, own_rows
from infusion_gateway.review.report.page import mode_words
from infusion_gateway.review.report.sheet import day_sheet
from infusion_gateway.review.report.shown import Basis, audit_json
from infusion_gateway.wire.happenings import LENGTHS, POINTS, EventMessage
from infusion_gateway.wire.records import PUBLISHED, Record, Unreadable, decode

KINDS = (
    "alarm-tested", "assessed", "bed-quarantined", "case-confirmed", "case-moved", "case-ordered",
    "condition-acknowledged", "condition-cleared", "condition-raised", "gate-overridden", "gateway-started",
    "hold-off-granted", "infusion-started", "instruction-accepted", "phase-changed", "stop-asked", "stop-confirmed",
    "supervision-changed",
)  # fmt: skip
"""Types of events that an audit rests on."""
assert set(KINDS) <= PUBLISHED
DOSELESS = (
    "Counted from what the gateway published, by the wall clock: no doses, hours up to a case's last event or the "
    "asking, and what came after a case moved to another bed is told as of no case."
)
SAME: Nanos = SECOND // 10
"""An alarm's beginning is written anew with each change of it; so much is the rounding of times, and no other alarm."""
UNKNOWN: dict[str, dict[str, Any]] = {
    "case-ordered": {"subject": ""},
    "gateway-started": {"same_boot": True},
}
ORDER = {"weight_kg": 1.0, "concentration_mg_ml": 1.0, "dose_mg": 0.0}
"""What stands in an order for what is not said; no figure is made of it."""


def heard(messages: Iterable[tuple[str, EventMessage]]) -> tuple[list[Record], int]:
    """Make rows of one gateway's events, each with its bed; give how many could not be made into any, too."""
    rows: list[Record] = []
    boots: dict[str, int] = {}
    began: dict[tuple[str, str], Nanos] = {}
    lost = 0
    for bed, message in sorted(messages, key=lambda one: _place(one[1])):
        at = utc_ns(message.recorded)
        boots[bed] = boots.get(bed, 0) + (message.type == "gateway-started")
        body = _body(message)
        since = body.get("since")
        if message.type == "condition-raised" and isinstance(since, int):
            key = bed, str(body.get("code"))
            known = began.get(key)
            began[key] = body["since"] = known if known is not None and abs(since - known) <= SAME else since
        event = decode(message.type, body)
        if isinstance(event, Unreadable):
            lost += 1
            continue
        boot = f"{bed} {boots[bed]}"
        rows.append(Record(_place(message)[1], bed, message.sequence, message.id, boot, at, at, event))
    return rows, lost


def audited(
    messages: Iterable[tuple[str, EventMessage]], days: Days, basis: Basis, mode: GenerationMode | None,
    whole: Mapping[str, Nanos],
) -> tuple[str, str]:  # fmt: skip
    """Audit these days by what one gateway published: JSON and CSV. basis, mode: as far as known beforehand.

    whole: the beds whose events are all here, and until when, nanoseconds of UTC.
    """
    rows, lost = heard(messages)
    found = index(rows)
    found.ends = {bed: found.timeline.until(utc) for bed, utc in whole.items()}
    by_bed: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        by_bed[row.bed].append(row)
    reports = []
    for use in uses_of(found, days):
        own = [own_rows(span, [r for r in by_bed[span.bed] if r.sequence >= span.ordered]) for span in use]
        reports.append(report_of(use, own, found, sampled=False))
        reports[-1].measured = False
    idle = between(found, days)
    notes = (*basis.notes, DOSELESS)
    if lost:
        notes += (f"{lost} events could not be read and are left out.",)
    said = Basis(basis.source, basis.complete and not lost, tuple(mode_words(mode, reports)), notes, basis.made)
    return audit_json(days, parts_of(days, reports, idle), said), day_sheet(days, reports, idle)


def utc_ns(text: str) -> Nanos:
    """Read a time of the wire; 0 where it is none."""
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000) * (SECOND // 1000)
    except (ValueError, OverflowError):
        return 0


def _place(message: EventMessage) -> tuple[str, int]:
    """Give an event's place among all of its gateway's: the journal's name, and the row there."""
    journal, _, row = message.id.rpartition("-")
    return journal, int(row[:18]) if row.isascii() and row.isdigit() else message.sequence


def _body(message: EventMessage) -> dict[str, Any]:
    body = _plain(message.data) | UNKNOWN.get(message.type, {})
    order = body.get("order")
    return body | {"order": ORDER | order} if isinstance(order, dict) else body


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Take points and lengths of time back to nanoseconds, at any depth."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        bare = key.removesuffix("_s")
        if key in POINTS and isinstance(value, str):
            found[key] = utc_ns(value)
        elif key.endswith("_s") and bare in LENGTHS:
            found[bare] = round(value * SECOND) if isinstance(value, int | float) else None
        elif isinstance(value, dict):
            found[key] = _plain(value)
        elif isinstance(value, list):
            found[key] = [_plain(one) if isinstance(one, dict) else one for one in value]
        else:
            found[key] = value
    return found
