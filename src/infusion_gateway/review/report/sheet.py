"""The same as CSV (RFC 4180, UTF-8): one fact a line under one documented header, for a spreadsheet or a program."""

import csv
import io
from collections.abc import Iterator, Sequence

from infusion_gateway.model.metric import FACTS, SECOND, Metric
from infusion_gateway.review.report.alarms import Alarm
from infusion_gateway.review.report.audit import Line, audit_of, heard
from infusion_gateway.review.report.case import Report
from infusion_gateway.review.report.day import Days
from infusion_gateway.review.report.page import COLUMNS, fives
from infusion_gateway.review.report.times import Moment
from infusion_gateway.wire.stamps import rfc3339, words

HEADER = ("kind", "case", "bed", "time", "from_t0_s", "name", "value", "unit", "priority", "by", "after_s", "text")
"""kind: of the line (docs/report.md). time: UTC. after_s: until acknowledged, or confirmed. Empty: does not apply."""
LONGEST = 600
Row = dict[str, str | float | None]


def case_sheet(reports: Sequence[Report]) -> str:
    """Write a case: order, dose, readings every five minutes, pressures, alarms, stops, gaps, events."""
    return _written(row for report in reports for row in _case(report))


def day_sheet(days: Days, reports: Sequence[Report], idle: Sequence[Alarm]) -> str:
    """Write a day, or several: figures of each case, the audit by priority and code, alarms at beds without a case."""
    return _written(_day(days, reports, idle))


def _written(rows: Iterator[Row]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in HEADER])
    return out.getvalue()


def _cell(value: str | float | None) -> str:
    """Write a cell. Words that a spreadsheet would take for a formula are marked as words."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = words(value, LONGEST)
        return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
    return f"{value:.10g}"


def _case(report: Report) -> Iterator[Row]:
    def row(kind: str, at: Moment | None, **more: str | float | None) -> Row:
        time = None if at is None else rfc3339(at.utc_ns)
        since = None if at is None else round((at.elapsed - report.origin.elapsed) / SECOND, 3)
        return {"kind": kind, "case": report.case, "time": time, "from_t0_s": since, **more}

    for name, value, unit in _figures(report):
        yield row("figure", None, bed=report.beds[-1], name=name, value=value, unit=unit)
    yield from (row("reading", at, **told) for at, told in _readings(report))
    for alarm in report.alarms:
        yield row("alarm", alarm.began, **_alarm(alarm))
    for stop in report.stops:
        after = None if stop.confirmed is None else (stop.confirmed.elapsed - stop.asked.elapsed) / SECOND
        name = " ".join(stop.codes) or "by a person"
        yield row("stop", stop.asked, bed=stop.bed, name=name, by=stop.by, after_s=after, text=stop.reason)
    for gap in report.gaps:
        lasted = ((gap.ends or report.until).elapsed - gap.begins.elapsed) / SECOND
        yield row("gap", gap.begins, bed=gap.bed, name=gap.what, value=lasted, unit="s", text=gap.text)
    for entry in report.course:
        yield row("event", entry.at, bed=entry.bed, name=entry.what, by=entry.by, text=entry.text)


def _figures(report: Report) -> Iterator[tuple[str, float | None, str]]:
    order = report.order
    infused = report.t0 is not None
    yield "delivered", report.delivered_ml if infused else None, "mL"
    yield "dose", report.dose_mg if infused else None, "mg"
    if order is not None:
        yield "dose ordered", order.dose_mg, "mg"
        yield "weight", order.weight_kg, "kg"
        yield "dose by weight", report.dose_mg / order.weight_kg if infused and order.weight_kg else None, "mg/kg"


def _readings(report: Report) -> Iterator[tuple[Moment, Row]]:
    for at in fives(report):
        for metrics in COLUMNS:
            found = next(((m, r) for m in metrics if (r := report.vitals.at(m, at)) is not None), None)
            if found is not None:
                yield at, _reading(found[0], found[1].value, found[1].device)
        level = report.vitals.level(at)
        if level is not None:
            yield at, {"bed": level.bed, "name": "dose", "value": level.dose_mg, "unit": "mg"}
            yield at, {"bed": level.bed, "name": "delivered", "value": level.delivered_ml, "unit": "mL"}
    for pressure in report.vitals.pressures:
        by = "by-hand" if pressure.by_hand else ""
        yield pressure.at, _reading(Metric.NIBP_SYS, pressure.systolic, by)
        yield pressure.at, _reading(Metric.NIBP_DIA, pressure.diastolic, by)
    for entered in report.assessments:
        for score, value in entered.scores:
            yield entered.at, {"name": score.value, "value": value, "by": entered.by}


def _reading(metric: Metric, value: float | None, device: str) -> Row:
    facts = FACTS[metric]
    return {"name": facts.word, "value": value, "unit": facts.unit.value, "by": device}


def _alarm(alarm: Alarm) -> Row:
    after = None if alarm.answer is None else alarm.answer / SECOND
    said = "not over after" if alarm.ended is None else "lasted"
    text = alarm.text if alarm.lasted is None else f"{alarm.text} ({said} {alarm.lasted / SECOND:.1f} s)"
    told: Row = {"bed": alarm.bed, "name": alarm.code, "value": alarm.value, "unit": alarm.unit, "text": text}
    return told | {"priority": alarm.priority.name.lower(), "by": alarm.answered_by, "after_s": after}


def _day(days: Days, reports: Sequence[Report], idle: Sequence[Alarm]) -> Iterator[Row]:
    for report in reports:
        base: Row = {"case": report.case, "bed": " > ".join(report.beds), "time": rfc3339(report.begins.utc_ns)}
        for name, value, unit in _figures(report) if report.measured else ():
            yield base | {"kind": "case", "name": name, "value": value, "unit": unit, "text": report.how}
        yield base | {"kind": "case", "name": "alarms audible", "value": heard(report.alarms)}
        yield base | {"kind": "case", "name": "stops asked", "value": len(report.stops)}
    audit = audit_of(reports)
    yield {"kind": "audit", "time": str(days), "name": "hours observed", "value": audit.observed / SECOND / 3600}
    for kind, line in [*(("priority", line) for _, line in audit.priorities), *(("code", one) for one in audit.lines)]:
        yield from _line(kind, line)
    for gate, count in audit.overrides:
        yield {"kind": "override", "name": gate, "value": count}
    for alarm in idle:
        yield _alarm(alarm) | {"kind": "alarm", "time": rfc3339(alarm.began.utc_ns)}


def _line(kind: str, line: Line) -> Iterator[Row]:
    for priority, count in line.counts:
        if count:
            yield {"kind": kind, "name": line.code, "priority": priority.name.lower(), "value": count, "unit": "alarms"}
    times = ("lasted together", line.lasted), ("acknowledged after, p50", line.p50)
    for what, nanos in (*times, ("acknowledged after, p95", line.p95)):
        if nanos is not None:
            yield {"kind": kind, "name": line.code, "text": what, "value": nanos / SECOND, "unit": "s"}
    yield {"kind": kind, "name": line.code, "text": "not over", "value": line.standing, "unit": "alarms"}
    yield {"kind": kind, "name": line.code, "text": "never acknowledged", "value": line.unanswered, "unit": "alarms"}
    yield {"kind": kind, "name": line.code, "text": "acted on", "value": line.acted.part, "unit": "alarms"}
