"""A protocol's numbers as the referees read them: from the file itself, by nobody else's code."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PROTOCOLS = Path(__file__).parents[2] / "config" / "protocols"
PRIORITIES = {"low": 1, "medium": 2, "high": 3}
SCALES = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Limit:
    """One row: past `limit` for delay_s it is of this priority. inclusive: the limit itself counts."""

    limit: float
    inclusive: bool
    delay_s: float
    priority: int
    response: str


@dataclass(frozen=True, slots=True)
class Watch:
    """One condition of continuous vital signs, its absolute rows only; keys: of the simulators, preferred first."""

    code: str
    keys: tuple[str, ...]
    low: bool
    rows: tuple[Limit, ...]
    clear_by: float
    clear_after_s: float
    phases: frozenset[str]

    def past(self, row: Limit, value: float) -> bool:
        """Whether a value is past the row's limit."""
        if value == row.limit:
            return row.inclusive
        return value < row.limit if self.low else value > row.limit

    def inside(self, value: float) -> bool:
        """Whether a value is inside every row's limit, by as much as clearing asks for."""
        by = self.clear_by if self.low else -self.clear_by
        edges = [row.limit + by for row in self.rows]
        return all(value >= edge if self.low else value <= edge for edge in edges)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the referees hold a session against; seconds, mg, mg/kg."""

    grace_s: float
    confirm_s: float
    countdown_s: float
    hold_off_s: float
    dead_man_s: float
    wall_s: float
    armed_s: float
    longest_away_s: float
    hard_mg_per_kg: float
    hard_mg: float
    watches: tuple[Watch, ...]
    pressures: tuple[Watch, ...]
    monitor_ages: dict[str, tuple[tuple[float, int], ...]]
    pump_ages: tuple[tuple[float, int], ...]
    outer: dict[str, float]


@cache
def terms(name: str) -> Terms:
    """Read a shipped protocol."""
    file = tomllib.loads((PROTOCOLS / f"{name}.toml").read_text())
    watches = [_watch(table) for table in file["condition"]]
    return Terms(
        grace_s=_seconds(file["time"]["grace"]),
        confirm_s=_seconds(file["stop"]["confirm_within"]),
        countdown_s=_seconds(file["stop"]["countdown"]),
        hold_off_s=_seconds(file["stop"]["hold_off"]),
        dead_man_s=_seconds(file["stop"]["dead_man"]),
        wall_s=_seconds(file["time"]["wall"]),
        armed_s=_seconds(file["time"]["armed_for"]),
        longest_away_s=_seconds(file["time"]["longest_away"]),
        hard_mg_per_kg=_number(file["dose"]["hard"]),
        hard_mg=_number(file["dose"]["hard_absolute"]),
        watches=tuple(w for w in watches if not w.keys[0].startswith("nibp")),
        pressures=tuple(w for w in watches if w.keys[0].startswith("nibp")),
        monitor_ages={phase: _steps(table["steps"]) for table in file["monitor_age"] for phase in table["phases"]},
        pump_ages=_steps(file["pump_age"]),
        outer={code: _number(limit) for code, limit in file["outer_limits"].items()},
    )


def _watch(table: dict[str, Any]) -> Watch:
    low = table["rows"][0]["when"].startswith("<")
    keys = tuple(metric.replace("-", "_") for metric in table["metrics"])
    rows = [row for row in table["rows"] if "baseline" not in row["when"]]
    return Watch(
        code=f"{table['metrics'][0]}-{'low' if low else 'high'}",
        keys=keys,
        low=low,
        rows=tuple(
            Limit(
                _number(row["when"].lstrip("<>= ")),
                "=" in row["when"],
                _seconds(row["delay"]),
                PRIORITIES[row["priority"]],
                row["response"],
            )
            for row in rows
        ),
        clear_by=_number(table["clear_by"]),
        clear_after_s=_seconds(table["clear_after"]),
        phases=frozenset(table["phases"]),
    )


def _steps(steps: list[dict[str, str]]) -> tuple[tuple[float, int], ...]:
    return tuple((_seconds(step["after"]), PRIORITIES[step["priority"]]) for step in steps)


def _number(text: str) -> float:
    found = re.match(r"-?[0-9.]+", text)
    assert found is not None, text
    return float(found[0])


def _seconds(text: str) -> float:
    number, _, unit = text.partition(" ")
    return float(number) * SCALES[unit]
