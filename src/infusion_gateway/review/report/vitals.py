"""What was measured, as the record has it: each metric's readings at their own times, pressures, and what was given."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from infusion_gateway.model.events import Assessed, Sampled
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Validity
from infusion_gateway.review.cases import BY_HAND
from infusion_gateway.review.report.times import Moment, Timeline
from infusion_gateway.wire.records import Record
from infusion_gateway.wire.stamps import finite

CURRENT: Nanos = 30 * SECOND
"""A continuous value older than this is none."""
APART: Nanos = 10 * SECOND
"""Readings further apart than this have a gap between them."""
Parts: TypeAlias = dict[Metric, tuple[Moment, float | None, Validity]]
Cuffs: TypeAlias = dict[tuple[str, int], Parts]
"""What a device's cuff, or a person's, found at one time, mmHg, by metric."""
PRESSURES = (Metric.NIBP_SYS, Metric.NIBP_DIA, Metric.NIBP_MEAN)


@dataclass(frozen=True, slots=True)
class Measured:
    """One reading. value: None where the device said that it has none. device: `by-hand` where a person measured it."""

    at: Moment
    value: float | None
    validity: Validity
    device: str

    @property
    def by_hand(self) -> bool:
        """Whether a person measured it."""
        return self.device == BY_HAND


@dataclass(frozen=True, slots=True)
class Pressure:
    """A cuff's result, mmHg, when it was measured; None: not given."""

    at: Moment
    systolic: float | None
    diastolic: float | None
    mean: float | None
    validity: Validity
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Level:
    """What had been given, mL and mg, and what the pump did, by one sample. rate_ml_h: None where it told none."""

    at: Moment
    bed: str
    delivered_ml: float
    dose_mg: float
    rate_ml_h: float | None
    delivery: Delivery


@dataclass(slots=True)
class Vitals:
    """What was measured of one case. series: by metric and device, in the order of time; pressures are apart."""

    series: dict[tuple[Metric, str], list[Measured]] = field(default_factory=lambda: defaultdict(list))
    pressures: list[Pressure] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)

    def of(self, metric: Metric) -> list[tuple[str, list[Measured]]]:
        """Give the series of a metric by its devices, the one with most readings first, a person's last."""
        found = [(device, points) for (known, device), points in self.series.items() if known is metric]
        return sorted(found, key=lambda pair: (pair[0] == BY_HAND, -len(pair[1]), pair[0]))

    def at(self, metric: Metric, moment: Moment) -> Measured | None:
        """Give the newest usable reading of a metric that is current at this moment; a device's before a person's."""
        for _, points in self.of(metric):
            newest = _newest(points, moment)
            if newest is not None and moment.elapsed - newest.at.elapsed <= CURRENT and newest.value is not None:
                return newest
        return None

    def level(self, moment: Moment) -> Level | None:
        """Give what had been given at this moment; None where nobody saw it within half a minute before."""
        found = None
        for level in self.levels:
            if level.at > moment:
                break
            found = level
        return found if found is not None and moment.elapsed - found.at.elapsed <= CURRENT else None


def _newest(points: list[Measured], moment: Moment) -> Measured | None:
    found = None
    for point in points:
        if point.at.elapsed > moment.elapsed:
            break
        found = point
    return found


def vitals_of(rows: Iterable[Record], timeline: Timeline) -> Vitals:
    """Take from a case's rows what was measured. A value that a later sample repeats is one reading."""
    found = Vitals()
    cuffs: Cuffs = defaultdict(dict)
    seen: dict[tuple[Metric, str], Nanos] = {}
    for record in rows:
        event = record.event
        if isinstance(event, Sampled):
            _sample(found, cuffs, seen, record, timeline)
        elif isinstance(event, Assessed):
            at = timeline.of(record, event.measured_at)
            for metric, value in event.vitals:
                if metric in PRESSURES:
                    cuffs[BY_HAND, at.elapsed][metric] = at, value, Validity.VALID
                else:
                    found.series[metric, BY_HAND].append(Measured(at, value, Validity.VALID, BY_HAND))
    found.pressures = sorted((_pressure(device, parts) for (device, _), parts in cuffs.items()), key=lambda p: p.at)
    for points in found.series.values():
        points.sort(key=lambda point: point.at)
    return found


def _sample(
    found: Vitals,
    cuffs: Cuffs,
    seen: dict[tuple[Metric, str], Nanos],
    record: Record,
    timeline: Timeline,
) -> None:
    event = record.event
    assert isinstance(event, Sampled)
    rate = next((v.value for v in event.values if v.metric is Metric.RATE and v.validity is Validity.VALID), None)
    here = timeline.of(record)
    found.levels.append(Level(here, record.bed, event.delivered_ml, event.dose_mg, rate, event.delivery))
    for value in event.values:
        at = timeline.of(record, record.at - value.age)
        key = value.metric, value.device
        if value.device == BY_HAND or at.elapsed <= seen.get(key, -1):
            continue
        seen[key] = at.elapsed
        if value.metric in PRESSURES:
            cuffs[value.device, at.elapsed][value.metric] = at, value.value, value.validity
        elif not FACTS[value.metric].unit.startswith("mL"):
            shown = None if value.validity is Validity.INVALID else finite(value.value)
            found.series[key].append(Measured(at, shown, value.validity, value.device))


def _pressure(device: str, parts: Parts) -> Pressure:
    at = min(moment for moment, _, _ in parts.values())
    told = {
        metric: None if validity is Validity.INVALID else finite(value)
        for metric, (_, value, validity) in parts.items()
    }
    worst = next((v for v in (Validity.INVALID, Validity.QUESTIONABLE) if any(v is p[2] for p in parts.values())), None)
    systolic, diastolic, mean = (told.get(metric) for metric in PRESSURES)
    return Pressure(at, systolic, diastolic, mean, worst or Validity.VALID, device == BY_HAND)
