"""Scales and strokes of a chart: where a value is drawn, round steps, and lines that stay small and keep every peak."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from xml.etree.ElementTree import Element

from infusion_gateway.model.metric import MINUTE, Nanos
from infusion_gateway.review.report.markup import el
from infusion_gateway.review.report.times import Moment
from infusion_gateway.review.report.vitals import APART

LEFT, RIGHT, WIDTH = 112.0, 62.0, 1000.0
"""Of the drawing, in its own units: room for names, room for the limits' labels, the whole."""
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 240)
"""Minutes between two marks of time."""
MOST_TICKS = 14


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a chart shows. zero: where its minutes are counted from."""

    begins: Nanos
    ends: Nanos
    zero: Nanos

    def x(self, at: Moment) -> float:
        """Give where a moment is drawn; what is outside is put at the edge."""
        within = min(max(at.elapsed, self.begins), self.ends) - self.begins
        return round(LEFT + (WIDTH - LEFT - RIGHT) * within / max(self.ends - self.begins, 1), 1)

    def ticks(self) -> list[int]:
        """Give the minutes from zero that are marked."""
        minutes = (self.ends - self.begins) / MINUTE
        step = next((s for s in TICKS if minutes / s <= MOST_TICKS), TICKS[-1] * (1 + int(minutes // 3000)))
        first = -((self.zero - self.begins) // (step * MINUTE))
        return [n * step for n in range(first, (self.ends - self.zero) // (step * MINUTE) + 1)]


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from low to high, drawn from the bottom of a panel to its top."""

    low: float
    high: float
    top: float
    height: float

    def y(self, value: float) -> float:
        """Give where a value is drawn; what is outside is put at the edge."""
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.top + self.height * (1 - part), 1)

    def ticks(self) -> list[float]:
        """Give three or four round values."""
        step = (self.high - self.low) / 3
        power = 10 ** floor(log10(step))
        step = next((n * power for n in (1, 2, 5, 10) if n * power >= step), step)
        first = int(-(-self.low // step))
        return [n * step for n in range(first, int(self.high // step) + 1)]


def fitting(values: Iterable[float], least: tuple[float, float], top: float, height: float) -> Axis:
    """Give an axis that holds all values, and at least this range."""
    told = [value for value in values if isfinite(value)]
    low, high = min([least[0], *told]), max([least[1], *told])
    return Axis(low, high if high > low else low + 1, top, height)


def line(points: Sequence[tuple[Moment, float | None]], span: Span, axis: Axis, *, steps: bool = False) -> Element:
    """Draw points as a line that breaks where no value is, or none came for a while: a gap is shown as a gap."""
    parts: list[list[tuple[float, float]]] = [[]]
    before: Moment | None = None
    for at, value in points:
        apart = before is not None and at.elapsed - before.elapsed > APART
        if (value is None or apart) and parts[-1]:
            parts.append([])
        if value is not None and isfinite(value):
            here = span.x(at), axis.y(value)
            if steps and parts[-1] and parts[-1][-1][1] != here[1]:
                parts[-1].append((here[0], parts[-1][-1][1]))
            parts[-1].append(here)
        before = at
    drawn = " ".join(_path(thinned(part)) for part in parts if part)
    return el("path", d=drawn or "M0 0", class_="trend", fill="none", stroke="black", stroke_width=1.4)


def thinned(part: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep of the points at one place the first, the least, the greatest and the last: no peak is lost."""
    kept: list[tuple[float, float]] = []
    here: list[tuple[float, float]] = []
    for point in part:
        if here and point[0] != here[0][0]:
            kept += _ends(here)
            here = []
        here.append(point)
    return kept + _ends(here)


def _ends(here: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if not here:
        return []
    wanted = [here[0], min(here, key=lambda p: p[1]), max(here, key=lambda p: p[1]), here[-1]]
    return [point for n, point in enumerate(wanted) if n == 0 or point != wanted[n - 1]]


def _path(part: list[tuple[float, float]]) -> str:
    if len(part) == 1:  # one reading between two gaps is seen too
        return f"M{part[0][0]:g} {part[0][1]:g}h1.5"
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in part)


def text(x: float, y: float, said: str, *, anchor: str = "start", size: float = 11, weight: str = "normal") -> Element:
    """Write words into a chart."""
    return el("text", said, x=x, y=y, text_anchor=anchor, font_size=size, font_weight=weight)


def rule(
    x1: float, y1: float, x2: float, y2: float, *, stroke: str = "#999", width: float = 0.5, dash: str = ""
) -> Element:
    """Draw a straight line."""
    made = el("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width)
    if dash:
        made.set("stroke-dasharray", dash)
    return made
