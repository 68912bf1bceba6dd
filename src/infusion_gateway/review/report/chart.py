"""The chart of a case: trends with the limits drawn, pressures, rate, dose, events, alarms, gaps; in black and white.

What can be told apart is told by form: a high alarm is filled, a medium one hatched, a low one open; pressures by hand
are open marks. Its numbers are in the tables beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from infusion_gateway.core.rows import for_case, limits_of
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import MINUTE, Metric
from infusion_gateway.model.session import LimitCondition, Phase, SessionProtocol
from infusion_gateway.review.report.case import Report
from infusion_gateway.review.report.gaps import BLIND
from infusion_gateway.review.report.markup import el
from infusion_gateway.review.report.scale import LEFT, RIGHT, WIDTH, Axis, Span, fitting, line, rule, text
from infusion_gateway.review.report.times import Moment
from infusion_gateway.review.report.vitals import Pressure

MARKS = {Priority.LOW: "!", Priority.MEDIUM: "!!", Priority.HIGH: "!!!"}
TRENDS: tuple[tuple[tuple[Metric, ...], str, tuple[float, float], float], ...] = (
    ((Metric.SPO2,), "SpO2 %", (84, 100), 84),
    ((Metric.HR, Metric.PULSE), "HR /min", (40, 120), 84),
    ((Metric.RR,), "RR /min", (0, 30), 64),
    ((Metric.ETCO2,), "EtCO2 mmHg", (0, 60), 64),
)
"""Metrics (the first that was measured is drawn), name, the least range, height."""
PRESSED = (50.0, 180.0)
SPACE = 14.0
LANE = 15.0
MOST_LANES = 20
LABELS_APART = 11.0
BLINDNESS = 3
"""Rows of event labels, so that two that are near each other can both be read."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it held from one moment to another; None: from, or to, the chart's end."""

    value: float
    priority: Priority
    begins: Moment | None
    ends: Moment | None


def chart(report: Report, protocol: SessionProtocol | None) -> Element:
    """Draw a case. protocol: what it was held against, None where its file is not at hand: then no limits are drawn."""
    span = _span(report)
    drawing = _Drawing(report, protocol, span)
    for metrics, name, least, height in TRENDS:
        drawing.trend(metrics, name, least, height)
    drawing.pressures()
    drawing.rate()
    drawing.dose()
    drawing.events()
    drawing.alarms()
    return drawing.finished()


def limits_of_case(report: Report, protocol: SessionProtocol, metric: Metric) -> Iterator[Limit]:
    """Give the limits of a metric while infusing, with those that were set for this case from when they were."""
    for condition in protocol.conditions:
        if metric not in condition.metrics or Phase.INFUSING not in condition.phases:
            continue
        held: list[tuple[Moment | None, LimitCondition]] = [(None, condition)]
        held += [(at, for_case(condition, set_.limit)) for at, set_ in report.limits if set_.code == condition.code]
        for n, (begins, now) in enumerate(held):
            ends = held[n + 1][0] if n + 1 < len(held) else None
            for row, value in zip(now.rows, limits_of(now, dict(report.baseline)), strict=True):
                if value is not None:
                    yield Limit(value, row.priority, begins, ends)


def _span(report: Report) -> Span:
    """Show from the first reading on, or from where the case came, to the record's end; at least a minute."""
    begins = report.vitals.levels[0].at.elapsed if report.vitals.levels else report.begins.elapsed
    begins = min([begins, *(p.at.elapsed for p in report.vitals.pressures if p.at.elapsed > report.begins.elapsed)])
    ends = max(report.until.elapsed, begins + MINUTE)
    return Span(begins, ends, report.origin.elapsed)


class _Drawing:
    """Panels from the top down, on one axis of time."""

    def __init__(self, report: Report, protocol: SessionProtocol | None, span: Span) -> None:
        self._report, self._protocol, self._span = report, protocol, span
        self._parts: list[Element] = []
        self._top = 22.0
        self._shown: list[str] = []

    def trend(self, metrics: Sequence[Metric], name: str, least: tuple[float, float], height: float) -> None:
        """Draw the first of these metrics that was measured, one line for each device."""
        for metric in metrics:
            series = self._report.vitals.of(metric)
            if not series:
                continue
            values = [p.value for _, points in series for p in points if p.value is not None]
            axis = self._panel("Pulse /min" if metric is Metric.PULSE else name, values, least, height)
            self._limits(metric, axis)
            for _, points in series:
                if points[0].by_hand:
                    self._parts += [_open(self._span.x(p.at), axis.y(p.value)) for p in points if p.value is not None]
                else:
                    self._parts.append(line([(p.at, p.value) for p in points], self._span, axis))
            return

    def pressures(self) -> None:
        """Draw each cuff as a pair of arrows that point at each other, at its own time."""
        found = self._report.vitals.pressures
        values = [v for p in found for v in (p.systolic, p.diastolic) if v is not None]
        if not values:
            return
        axis = self._panel("NIBP mmHg", values, PRESSED, 130)
        self._limits(Metric.NIBP_SYS, axis, "S")
        self._limits(Metric.NIBP_DIA, axis, "D")
        for pressure in found:
            self._parts += self._cuff(pressure, axis)

    def _cuff(self, pressure: Pressure, axis: Axis) -> list[Element]:
        x, fill = self._span.x(pressure.at), "white" if pressure.by_hand else "black"
        told = [axis.y(v) for v in (pressure.systolic, pressure.diastolic) if v is not None]
        parts = [rule(x, min(told), x, max(told), stroke="black", width=0.8)] if len(told) > 1 else []
        for value, way in ((pressure.systolic, -6.0), (pressure.diastolic, 6.0)):
            if value is not None:
                y = axis.y(value)
                d = f"M{x:g} {y:g}l-3.5 {way:g}h7z"
                parts.append(el("path", d=d, fill=fill, stroke="black", stroke_width=0.8))
        return parts

    def rate(self) -> None:
        """Draw what the pump said it delivers, in steps; nothing where it said nothing."""
        levels = self._report.vitals.levels
        points = [(v.at, (v.rate_ml_h or 0.0) if v.delivery.delivering else 0.0) for v in levels]
        if not any(value for _, value in points):
            return
        ordered = self._report.first.rate_ml_h if self._report.first is not None else 0.0
        axis = self._panel("Rate mL/h", [value for _, value in points], (0, ordered * 1.1), 64)
        self._parts.append(line(points, self._span, axis, steps=True))

    def dose(self) -> None:
        """Draw what was given, against what was ordered and the hard limit."""
        report = self._report
        points = [(level.at, level.dose_mg) for level in report.vitals.levels]
        if report.order is None or report.t0 is None or not points:
            return
        marks = [("ordered", report.order.dose_mg)]
        if self._protocol is not None:
            doses = self._protocol.dose
            marks.append(("hard", min(doses.hard_mg, doses.hard_mg_per_kg * report.order.weight_kg)))
        axis = self._panel("Dose mg", [*(v for _, v in points), *(v for _, v in marks)], (0, 1), 84)
        for said, value in marks:
            y = axis.y(value)
            self._parts += [rule(LEFT, y, WIDTH - RIGHT, y, stroke="black", width=0.8, dash="6 3")]
            self._parts += [text(WIDTH - RIGHT + 3, y + 4, f"{said} {value:.3g}", size=9)]
        self._parts.append(line(points, self._span, axis))

    def events(self) -> None:
        """Mark what happened, by the number that the course has it under."""
        self._name("Events")
        shown = [(n, entry) for n, entry in enumerate(self._report.course, 1) if marked(entry.what)]
        last = [LEFT - 20.0] * BLINDNESS
        for n, entry in shown:
            x = self._span.x(entry.at)
            row = next((at for at in range(BLINDNESS) if x - last[at] > 8 + 6 * len(str(n))), None)
            self._parts.append(rule(x, self._top, x, self._top + 6, stroke="black", width=0.8))
            if row is not None:
                last[row] = x
                self._parts.append(text(x, self._top + 16 + 11 * row, str(n), anchor="middle", size=9))
        self._shown.append(f"{len(shown)} events")
        self._top += 10 + 11 * BLINDNESS + SPACE

    def alarms(self) -> None:
        """Draw a bar for each alarm, a lane for each code, and one for the gaps in supervision."""
        codes = list(dict.fromkeys(alarm.code for alarm in self._report.alarms))
        for code in codes[:MOST_LANES]:
            self._name(code)
            for alarm in self._report.alarms:
                if alarm.code == code:
                    self._bar(alarm.began, alarm.ended, FILLS[alarm.priority])
            self._top += LANE
        if len(codes) > MOST_LANES:
            self._name(f"and {len(codes) - MOST_LANES} more")
            self._top += LANE
        if self._report.gaps:
            self._name("Gaps")
            for gap in self._report.gaps:
                self._bar(gap.begins, gap.ends, "black" if gap.what == BLIND else "url(#gap)")
            self._top += LANE

    def finished(self) -> Element:
        """Give the drawing, with marks of time and T0 through all of it."""
        back: list[Element] = []
        for minute in self._span.ticks():
            x = self._span.x(Moment(self._span.zero + minute * MINUTE, 0))
            back += [
                rule(x, 18, x, self._top, stroke="#bbb", width=0.4),
                text(x, 12, f"{minute:g}", anchor="middle", size=10),
            ]
        zero = self._span.x(self._report.origin)
        if self._report.t0 is not None:
            back.append(rule(zero, 18, zero, self._top, stroke="black", width=1.2))
        title = f"Case {self._report.case}: course over {_minutes(self._span)} min"
        what = ", ".join(self._shown)
        said = f"Minutes from {'T0' if self._report.t0 else 'the case coming'} at the top. Shown: {what}. "
        return el(
            "svg",
            el("title", title),
            el("desc", said + "Every number is in the tables of this page."),
            _patterns(),
            *back,
            *self._parts,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {WIDTH:g} {self._top + 4:g}",
            role="img",
            font_family="sans-serif",
            class_="chart",
        )

    def _panel(self, name: str, values: Sequence[float], least: tuple[float, float], height: float) -> Axis:
        axis = fitting(values, least, self._top, height)
        self._name(name)
        for value in axis.ticks():
            y = axis.y(value)
            self._parts += [
                rule(LEFT, y, WIDTH - RIGHT, y, stroke="#ddd"),
                text(LEFT - 4, y + 4, f"{value:g}", anchor="end", size=9),
            ]
        self._parts.append(
            el("rect", x=LEFT, y=axis.top, width=WIDTH - LEFT - RIGHT, height=height, fill="none", stroke="#999")
        )
        self._gaps(axis)
        self._top += height + SPACE
        return axis

    def _gaps(self, axis: Axis) -> None:
        """Hatch what nobody supervised, in the panel itself."""
        for gap in self._report.gaps:
            if gap.what == BLIND:
                begins, ends = self._span.x(gap.begins), self._span.x(gap.ends or self._report.until)
                wide = max(ends - begins, 1.0)
                self._parts.append(
                    el("rect", x=begins, y=axis.top, width=wide, height=axis.height, fill="url(#gap)", class_="gap")
                )

    def _limits(self, metric: Metric, axis: Axis, of: str = "") -> None:
        """Draw a metric's limits. of: what tells them from those of another metric in the same panel."""
        labels: list[float] = []
        if self._protocol is None:
            return
        for limit in limits_of_case(self._report, self._protocol, metric):
            if not axis.low <= limit.value <= axis.high:
                continue
            y = axis.y(limit.value)
            left = LEFT if limit.begins is None else self._span.x(limit.begins)
            right = WIDTH - RIGHT if limit.ends is None else self._span.x(limit.ends)
            made = rule(
                left, y, right, y, stroke="black", width=0.9, dash="2 3" if limit.priority < Priority.HIGH else "7 3"
            )
            made.set("class", "limit")
            self._parts.append(made)
            if limit.ends is None and all(abs(y - other) >= LABELS_APART for other in labels):
                labels.append(y)
                self._parts.append(
                    text(WIDTH - RIGHT + 3, y + 4, f"{MARKS[limit.priority]} {of}{limit.value:g}", size=9)
                )

    def _name(self, name: str) -> None:
        self._shown.append(name)
        self._parts.append(text(4, self._top + 11, name, weight="bold", size=10.5))

    def _bar(self, begins: Moment, ends: Moment | None, fill: str) -> None:
        x, y = self._span.x(begins), self._top + 3
        wide = max(self._span.x(ends or self._report.until) - x, 2.0)
        self._parts.append(el("rect", x=x, y=y, width=wide, height=9, fill=fill, stroke="black", stroke_width=0.7))


FILLS = {Priority.LOW: "white", Priority.MEDIUM: "url(#medium)", Priority.HIGH: "black"}
UNMARKED = ("instruction", "device", "dead man", "signal", "end approaching", "baseline", "pump", "supervision")
"""What the course has and the chart leaves out."""


def marked(what: str) -> bool:
    """Say whether the chart marks this of the course."""
    return not what.startswith(UNMARKED)


def _minutes(span: Span) -> str:
    return f"{(span.ends - span.begins) / MINUTE:.0f}"


def _open(x: float, y: float) -> Element:
    return el("circle", cx=x, cy=y, r=3, fill="white", stroke="black")


def _patterns() -> Element:
    """Hatches: rising for a medium alarm, falling for a gap."""

    def hatch(name: str, d: str) -> Element:
        stroke = el("path", d=d, stroke="black", stroke_width=0.9)
        return el("pattern", stroke, id=name, width=5, height=5, patternUnits="userSpaceOnUse")

    return el("defs", hatch("medium", "M0 5L5 0"), hatch("gap", "M0 0L5 5"))
