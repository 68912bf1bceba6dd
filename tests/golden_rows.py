"""Golden rows for tests: read from their files, and what a driver said put in the rows' own words."""

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, assert_never

from infusion_gateway.model.metric import Metric
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    DeliveryReported,
    Fault,
    Identified,
    Observation,
    Reading,
    SensorReported,
    Validity,
)

Row = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"


def rows(device: str, **having: object) -> list[Row]:
    """Give the rows of a device that have all these values."""
    return [row for row in _read(device) if all(row.get(key) == value for key, value in having.items())]


@cache
def _read(device: str) -> list[Row]:
    found: list[Row] = tomllib.loads((GOLDEN / f"{device}.toml").read_text())["row"]
    return found


def row_of(device: str, name: str) -> Row:
    """Give the one row of this id."""
    (row,) = rows(device, id=name)
    return row


def frame(device: str, name: str) -> bytes:
    """Give the bytes of the one row of this id."""
    return bytes.fromhex(row_of(device, name)["hex"])


def told(said: Iterable[Observation | Fault]) -> Row:
    """Put what a driver said as a row's `reads`: whatever it said, and nothing twice."""
    reads: Row = {}
    for one in said:
        for key, value in _words(one):
            assert key not in reads, f"{key} was said twice"
            reads[key] = value
    return reads


def _words(one: Observation | Fault) -> list[tuple[str, Any]]:
    match one:
        case Reading():
            return _reading(one)
        case DeliveryReported():
            return [("delivery", one.delivery.value)]
        case AlarmsReported():
            return [("alarms", sorted(alarm.value for alarm in one.alarms))]
        case SensorReported():
            return [(one.sensor.value, one.state.value)]
        case Identified():
            return [("identity", dict(one.identity))]
        case DeadManReported():
            return [("dead_man_s", one.seconds)]
        case Fault():
            return [("fault", one.kind.value)]
        case _:
            assert_never(one)


def _reading(one: Reading) -> list[tuple[str, Any]]:
    match one.metric:
        case Metric.VOLUME:
            return [("volume_ml", one.value), ("volume_step_ml", one.resolution)]
        case Metric.RATE if one.validity is Validity.VALID:
            return [("rate_ml_h", one.value), ("rate_step_ml_h", one.resolution)]
        case Metric.RATE:
            return [("rate_ml_h", None)]
        case Metric.SPO2 | Metric.PULSE:
            word = "spo2" if one.metric is Metric.SPO2 else "pulse"
            return [(word, [*([] if one.value is None else [one.value]), one.validity.value])]
        case _:
            raise AssertionError(f"no word for {one.metric}")
