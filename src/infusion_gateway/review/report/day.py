"""The page of a day: one line a case, and the alarm audit over all of them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from xml.etree.ElementTree import Element

from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.review.cases import Span
from infusion_gateway.review.report.alarms import Alarm
from infusion_gateway.review.report.audit import WORST, Audit, Line, audit_of, heard, percentile
from infusion_gateway.review.report.case import Facts, Report
from infusion_gateway.review.report.index import Index, of_case
from infusion_gateway.review.report.markup import Child, el, page, table
from infusion_gateway.review.report.page import NONE, Pen, alarm_table, banners, footer, section
from infusion_gateway.review.report.style import CSS
from infusion_gateway.review.report.times import length

COUNTED = (
    "An alarm is counted when it is raised, and again when it rises. Acknowledged after: from its beginning to the "
    "first acknowledgement; percentiles by nearest rank. Acted on: a stop, a hold-off, an assessment or a change of "
    "the session while it lasted or within a minute; whether an alarm was true nobody can tell from a record. "
    "Audible in a session: moments at which alarms of medium or high priority began. Hours observed: of cases, less "
    "what nobody supervised."
)


def bounds(day: date, zone: tzinfo) -> tuple[int, int]:
    """Give a day's beginning and end in a zone, nanoseconds of UTC; a day of 23 or 25 hours is one."""
    begins = datetime(day.year, day.month, day.day, tzinfo=zone)
    after = day + timedelta(days=1)
    ends = datetime(after.year, after.month, after.day, tzinfo=zone)
    return round(begins.timestamp()) * SECOND, round(ends.timestamp()) * SECOND


def uses_of(found: Index, day: date, zone: tzinfo) -> tuple[tuple[Span, ...], ...]:
    """Give the cases that were ordered on this day, each use of a code by itself: every case is of one day."""
    begins, ends = bounds(day, zone)
    codes = dict.fromkeys(span.case for span in found.spans)
    uses = [use for code in codes for use in of_case(found, code) if begins <= use[0].utc_ns < ends]
    return tuple(sorted(uses, key=lambda use: use[0].ordered))


def between(found: Index, day: date, zone: tzinfo) -> tuple[Alarm, ...]:
    """Give the day's alarms that are of no case: at beds without a patient."""
    begins, ends = bounds(day, zone)
    of_day = (a for a in found.book.alarms if begins <= a.began.utc_ns < ends and not a.is_test)
    return tuple(alarm for alarm in of_day if not any(found.holds(span, alarm) for span in found.spans))


def day_page(day: date, reports: Sequence[Report], idle: Sequence[Alarm], facts: Facts, zone: tzinfo) -> str:
    """Write the page of a day. idle: its alarms at beds without a case."""
    said = Pen(zone)
    title = f"Day {day.isoformat()}: cases and alarm audit"
    audit = audit_of(reports)
    whose = f"Cases ordered on {day.isoformat()} by the calendar of {zone}; times in that zone."
    return page(
        title,
        CSS,
        el("header", *banners(facts, reports), el("h1", title), el("p", whose)),
        el(
            "main",
            *section("Cases", _cases(reports, said)),
            *section("Alarm audit", *_audit(audit)),
            *section("Worst offenders", _worst(audit)),
            *section("Overrides", _overrides(audit)),
            *section("Alarms at beds without a case", alarm_table(idle, said, "Alarms that are of no case")),
        ),
        footer(facts, reports, said),
    )


HEADS = ("Case", "Bed", "T0", "Ended", "Dose mg", "Ordered mg", "Volume mL", "Alarms high, medium, low", "Audible",
         "Stops", "Gaps", "How it ended")  # fmt: skip


def _cases(reports: Sequence[Report], said: Pen) -> Element:
    rows = []
    for report in reports:
        counts = [sum(a.priority is p and not a.is_test for a in report.alarms) for p in sorted(Priority, reverse=True)]
        ordered = NONE if report.order is None else f"{report.order.dose_mg:.4g}"
        rows.append(
            (
                report.case,
                " → ".join(report.beds),
                said.short(report.t0),
                said.short(report.ended),
                f"{report.dose_mg:.3f}" if report.t0 else NONE,
                ordered,
                f"{report.delivered_ml:.3f}" if report.t0 else NONE,
                ", ".join(str(count) for count in counts),
                str(heard(report.alarms)),
                str(len(report.stops)),
                str(len(report.gaps)),
                report.how or f"under way: {report.phase.value}",
            )
        )
    return table(f"{len(reports)} cases", HEADS, rows)


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


def _audit(audit: Audit) -> tuple[Child, ...]:
    codes = [_row(line) for line in audit.lines]
    every = [*(_row(line) for _, line in audit.priorities), _row(audit.whole)]
    return (
        table("All alarms of these cases", ("Figure", "Value"), figures(audit), "facts"),
        table("By priority", LINES, every),
        table("By code", LINES, codes) if codes else el("p", "No alarm was raised."),
        el("p", COUNTED),
    )


LINES = ("What", "High", "Medium", "Low", "All", "Lasted together", "Acknowledged after, p50", "p95",
         "Never acknowledged", "Acted on")  # fmt: skip


def _row(line: Line) -> tuple[str, ...]:
    counts = [str(count) for _, count in line.counts]
    times = length(line.lasted), length(line.p50), length(line.p95)
    return (line.code, *counts, str(line.total), *times, str(line.unanswered), str(line.acted))


def _worst(audit: Audit) -> Element:
    """Name what rings most, and its share of all that rings."""
    loud = [(line, sum(count for p, count in line.counts if p > Priority.LOW)) for line in audit.lines]
    worst = sorted(((n, line) for line, n in loud if n), key=lambda pair: (-pair[0], pair[1].code))[:WORST]
    whole = sum(n for _, n in loud)
    if not worst:
        return el("p", "No alarm of medium or high priority was raised.")
    rows = [(line.code, str(n), f"{100 * n / whole:.0f} %", length(line.lasted)) for n, line in worst]
    heads = ("Code", "Times", "Of all", "Lasted together")
    return table(f"Alarms of medium and high priority, at most {WORST} codes", heads, rows)


def _overrides(audit: Audit) -> Element:
    if not audit.overrides:
        return el("p", "No gate was passed.")
    return table(
        "Gates of arming that were passed by name", ("Gate", "Times"), [(g, str(n)) for g, n in audit.overrides]
    )
