"""Figures: what was measured, beside its floor and its aim, as a table for people and as JSON for machines."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. floor: of the barest loop in the same run; met: None where there is no aim. n: samples behind it."""

    part: str
    what: str
    value: float
    unit: str
    n: int
    floor: float | None = None
    aim: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Say how many times the floor it is."""
        return self.value / self.floor if self.floor else None

    def as_dict(self) -> dict[str, object]:
        """Give it for JSON; what is no number is null."""
        found = {**asdict(self), "ratio": self.ratio}
        return {key: None if isinstance(one, float) and not math.isfinite(one) else one for key, one in found.items()}


def percentile(samples: Sequence[float], percent: float) -> float:
    """Give the smallest sample that so many percent of all don't exceed; NaN where there are none."""
    if not samples:
        return float("nan")
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(len(ordered) * percent / 100) - 1))]


def spread(
    part: str, what: str, samples: Sequence[float], floor: Sequence[float] = (), *, aims: dict[int, float] | None = None
) -> list[Figure]:
    """Give p50, p95 and p99 of latencies (ms) beside the floor's. aims: percentile to the most it may be, ms."""
    made = []
    for percent in (50, 95, 99):
        value = percentile(samples, percent)
        most = (aims or {}).get(percent)
        made.append(
            Figure(
                part,
                f"{what}, p{percent}",
                value,
                "ms",
                len(samples),
                floor=percentile(floor, percent) if floor else None,
                aim="" if most is None else f"at most {most:.3g} ms",
                met=None if most is None else value <= most,
            )
        )
    return made


def table(figures: Sequence[Figure]) -> str:
    """Write figures as a table in Markdown, as docs/bench.md holds it."""
    rows = [("figure", "n", "measured", "floor", "ratio", "aim", "met")]
    part = ""
    for one in figures:
        if one.part != part:
            part = one.part
            rows.append((f"**{part}**", "", "", "", "", "", ""))
        floor = "" if one.floor is None else f"{one.floor:.3g}"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        met = {True: "yes", False: "NO", None: ""}[one.met]
        rows.append((one.what, str(one.n), f"{one.value:.3g} {one.unit}", floor, ratio, one.aim, met))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
