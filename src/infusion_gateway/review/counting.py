"""Counting: what a case's samples say of the pump's volume counter, and of when a reading of it was believed."""

from collections.abc import Sequence

from infusion_gateway.model.events import Sampled
from infusion_gateway.model.metric import Metric
from infusion_gateway.wire.records import Record

FINEST = 4
"""Decimals of a pump's counter that are believed; more is a float's rounding."""


def counter_step(records: Sequence[Record]) -> float:
    """Give the smallest step that the pump's volume counter shows on record, mL; 0: it shows none."""
    decimals = 0
    for record in records:
        if isinstance(record.event, Sampled):
            for value in record.event.values:
                if value.metric is Metric.VOLUME and value.value is not None:
                    text = f"{value.value:.{FINEST}f}".rstrip("0")
                    decimals = max(decimals, len(text) - text.index(".") - 1)
    return float(f"1e-{decimals}") if decimals else 0.0


def found_risen(booked_ml: float | None, sample: Sampled) -> bool:
    """Say whether a sample, the first with a count in its process, has booked one above what was booked before, mL.

    A count that rose while nobody looked is believed once a second reading bears it out: the first isn't on record.
    """
    return booked_ml is not None and sample.volume_ml is not None and sample.volume_ml > booked_ml
