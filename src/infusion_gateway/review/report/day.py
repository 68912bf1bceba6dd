"""The page of a day, or of several: one line a case, and the alarm audit over all of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from xml.etree.ElementTree import Element

from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.review.cases import Span
from infusion_gateway.review.report.alarms import Alarm
from infusion_gateway.review.report.audit import WORST, Audit, Line, audit_of, heard, percentile
from infusion_gateway.review.report.case import Facts, Report
from infusion_gateway.review.report.index import Index, of_case
from infusion_gateway.review.report.markup import el, page, table
from infusion_gateway.review.report.page import ALARM_HEADS, NONE, Pen, alarm_rows, banners, footer
from infusion_gateway.review.report.style import CSS
from infusion_gateway.review.report.times import length

COUNTED = (
    "An alarm is counted when it is raised, and again when it rises. Acknowledged after: from its beginning to the "
    "first acknowledgement; percentiles by nearest rank. Acted on: a stop, a hold-off, an assessment or a change of "
    "the session while it lasted or within a minute; whether an alarm was true nobody can tell from a record. "
    "One that is not over lasted until its case left the bed, or as far as is known. "
    "Audible in a session: moments at which alarms of medium or high priority began. Hours observed: of cases, less "
    "what nobody supervised."
)


NO_CASE = 3
"""How `report --day` ends where no case was ordered then: there is nothing to tell, and nothing is wrong."""
EARLIEST, LATEST = date(1970, 1, 2), date(9999, 1, 1)
"""From the one, up to before the other: a day's bounds are times in every zone."""


def day_of(text: str) -> date | None:
    """Read a day of the calendar, as 2026-11-22 and no other way; None: it is none that can be told of."""
    try:
        found = date.fromisoformat(text) if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None
    return found if found is not None and EARLIEST <= found < LATEST else None


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the calendar of a zone, from the first to the last."""

    first: date
    last: date
    zone: tzinfo

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def bounds(self) -> tuple[int, int]:
        """Give beginning and end, nanoseconds of UTC; a day of 23 or 25 hours is one."""
        after = self.last + timedelta(days=1)
        ends = (datetime(d.year, d.month, d.day, tzinfo=self.zone) for d in (self.first, after))
        begins, end = (round(one.timestamp()) * SECOND for one in ends)
        return begins, end


@dataclass(frozen=True, slots=True)
class Told:
    """A part of the audit, in words: a table, or what is said where there is nothing for it; notes below it."""

    title: str
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = ""
    notes: tuple[str, ...] = ()
    class_: str = ""


def uses_of(found: Index, days: Days) -> tuple[tuple[Span, ...], ...]:
    """Give the cases that were ordered on these days, each use of a code by itself: every case is of one day."""
    begins, ends = days.bounds
    codes = dict.fromkeys(span.case for span in found.spans)
    uses = [use for code in codes for use in of_case(found, code) if begins <= use[0].utc_ns < ends]
    return tuple(sorted(uses, key=lambda use: use[0].ordered))


def between(found: Index, days: Days) -> tuple[Alarm, ...]:
    """Give the days' alarms that are of no case: at beds without a patient."""
    begins, ends = days.bounds
    of_day = (a for a in found.book.alarms if begins <= a.began.utc_ns < ends and not a.is_test)
    idle = (alarm for alarm in of_day if not any(found.holds(span, alarm) for span in found.spans))
    return tuple(replace(alarm, seen=found.ends.get(alarm.bed)) for alarm in idle)


def day_page(days: Days, reports: Sequence[Report], idle: Sequence[Alarm], facts: Facts) -> str:
    """Write the page of a day, or of several. idle: their alarms at beds without a case."""
    said = Pen(days.zone)
    title = f"{'Day' if days.first == days.last else 'Days'} {days}: cases and alarm audit"
    whose = f"Cases ordered on {days} by the calendar of {days.zone}; times in that zone."
    parts = (_section(part) for part in parts_of(days, reports, idle))
    return page(
        title,
        CSS,
        el("header", *banners(facts, reports), el("h1", title), el("p", whose)),
        el("main", *parts),
        footer(facts, reports, said),
    )


def _section(part: Told) -> Element:
    shown = table(part.caption, part.heads, part.rows, part.class_) if part.rows else el("p", part.empty)
    return el("section", el("h2", part.title), shown, *(el("p", note) for note in part.notes))


def parts_of(days: Days, reports: Sequence[Report], idle: Sequence[Alarm]) -> tuple[Told, ...]:
    """Give the audit of these cases part by part, as it is shown anywhere."""
    said, audit = Pen(days.zone), audit_of(reports)
    every = (*(_row(line) for _, line in audit.priorities), _row(audit.whole))
    codes = tuple(_row(line) for line in audit.lines)
    gates = tuple((gate, str(count)) for gate, count in audit.overrides)
    strangers = tuple(alarm_rows(idle, said))
    return (
        Told("Cases", f"{len(reports)} cases", HEADS, _cases(reports, said), "No case was ordered."),
        Told("Alarm audit", "All alarms of these cases", ("Figure", "Value"), tuple(figures(audit)), class_="facts"),
        Told("Alarms by priority", "By priority", LINES, every),
        Told("Alarms by code", "By code", LINES, codes, "No alarm was raised.", (COUNTED,)),
        Told("Worst offenders", WORST_CAPTION, WORST_HEADS, _worst(audit),
             "No alarm of medium or high priority was raised."),
        Told("Overrides", "Gates of arming that were passed by name", ("Gate", "Times"), gates, "No gate was passed."),
        Told("Alarms at beds without a case", "Alarms that are of no case", ALARM_HEADS, strangers, "None."),
    )  # fmt: skip


HEADS = ("Case", "Bed", "T0", "Ended", "Dose mg", "Ordered mg", "Volume mL", "Alarms high, medium, low", "Audible",
         "Stops", "Gaps", "How it ended")  # fmt: skip


def _cases(reports: Sequence[Report], said: Pen) -> tuple[tuple[str, ...], ...]:
    rows = []
    for report in reports:
        counts = [sum(a.priority is p and not a.is_test for a in report.alarms) for p in sorted(Priority, reverse=True)]
        ordered = NONE if report.order is None or not report.measured else f"{report.order.dose_mg:.4g}"
        known = report.t0 is not None and report.measured
        rows.append(
            (
                report.case,
                " → ".join(report.beds),
                said.short(report.t0),
                said.short(report.ended),
                f"{report.dose_mg:.3f}" if known else NONE,
                ordered,
                f"{report.delivered_ml:.3f}" if known else NONE,
                ", ".join(str(count) for count in counts),
                str(heard(report.alarms)),
                str(len(report.stops)),
                str(len(report.gaps)),
                report.how or f"under way: {report.phase.value}",
            )
        )
    return tuple(rows)


def figures(audit: Audit) -> list[tuple[str, str]]:
    """Give the audit's figures, each with what it is."""
    per_hour = NONE if audit.per_hour is None else f"{audit.per_hour:.2f}"
    return [
        ("hours observed", f"{audit.observed / (60 * MINUTE):.2f}"),
        ("cases that infused", str(audit.sessions)),
        ("alarms", str(audit.whole.total)),
        ("alarms of medium and high priority in an hour", per_hour),
        ("audible in a session, half of them at most", _count(percentile(audit.audible, 0.5))),
        ("audible in a session, 95 % of them at most", _count(percentile(audit.audible, 0.95))),
        ("acknowledged after, p50", length(audit.whole.p50)),
        ("acknowledged after, p95", length(audit.whole.p95)),
        ("never acknowledged", str(audit.whole.unanswered)),
        ("acted on", str(audit.whole.acted)),
        ("stops held off", str(audit.hold_offs)),
        ("gates passed", str(sum(count for _, count in audit.overrides))),
        ("tests of the alarm, not counted above", str(audit.tests)),
    ]


def _count(found: int | None) -> str:
    return NONE if found is None else str(found)


LINES = ("What", "High", "Medium", "Low", "All", "Lasted together", "Acknowledged after, p50", "p95",
         "Never acknowledged", "Acted on")  # fmt: skip


def _row(line: Line) -> tuple[str, ...]:
    counts = [str(count) for _, count in line.counts]
    times = _lasted(line), length(line.p50), length(line.p95)
    return (line.code, *counts, str(line.total), *times, str(line.unanswered), str(line.acted))


def _lasted(line: Line) -> str:
    return length(line.lasted) + (f", {line.standing} not over" if line.standing else "")


WORST_CAPTION = f"Alarms of medium and high priority, at most {WORST} codes"
WORST_HEADS = ("Code", "Times", "Of all", "Lasted together")


def _worst(audit: Audit) -> tuple[tuple[str, ...], ...]:
    """Name what rings most, and its share of all that rings."""
    loud = [(line, sum(count for p, count in line.counts if p > Priority.LOW)) for line in audit.lines]
    worst = sorted(((n, line) for line, n in loud if n), key=lambda pair: (-pair[0], pair[1].code))[:WORST]
    whole = sum(n for _, n in loud)
    return tuple((line.code, str(n), f"{100 * n / whole:.0f} %", _lasted(line)) for n, line in worst)
