"""Rows: what a limit is for this case, and on which side of it a value lies. Pure geometry; time is elsewhere."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from infusion_gateway.model.metric import Metric
from infusion_gateway.model.session import LimitCondition, Row, Side


@lru_cache(maxsize=64)
def for_case(condition: LimitCondition, limit: float) -> LimitCondition:
    """Give a condition with the first limit that a clinician set for one case; every other row stays."""
    first = next((at for at, row in enumerate(condition.rows) if not row.over_baseline), None)
    rows = (replace(row, limit=limit) if at == first else row for at, row in enumerate(condition.rows))
    return replace(condition, rows=tuple(rows))


def over_baseline(condition: LimitCondition, row: Row, baseline: Mapping[Metric, float]) -> float | None:
    """Give a limit over the baseline; None where that was never taken."""
    base = next((baseline[metric] for metric in condition.metrics if metric in baseline), None)
    return None if base is None else base + row.limit


def limits_of(condition: LimitCondition, baseline: Mapping[Metric, float]) -> tuple[float | None, ...]:
    """Give each row's limit."""
    return tuple(over_baseline(condition, row, baseline) if row.over_baseline else row.limit for row in condition.rows)


def past(condition: LimitCondition, row: Row, limit: float | None, value: float) -> bool:
    """Say whether a value is past a row's limit; where there is none, nothing is."""
    if limit is None:
        return False
    inclusive = condition.inclusive if row.inclusive is None else row.inclusive
    if value == limit:
        return inclusive
    return value < limit if condition.side is Side.LOW else value > limit


def well_inside(condition: LimitCondition, row: Row, limit: float | None, value: float) -> bool:
    """Say whether a value is inside a row's limit by as much as clearing asks for."""
    if limit is None:
        return True
    by = condition.clear_by if condition.side is Side.LOW else -condition.clear_by
    edge = limit + by
    if past(condition, row, limit, value):
        return False
    return value >= edge if condition.side is Side.LOW else value <= edge


def back_inside(condition: LimitCondition, limit: float, value: float | None) -> bool:
    """Say whether a value is inside the limit again, though not as far as clearing asks: nothing sounds anew."""
    return value is not None and (value > limit if condition.side is Side.LOW else value < limit)
