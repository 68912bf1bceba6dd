"""The metrics a device can report, named by IEEE 11073-10101 reference identifiers, with UCUM units."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Nanos: TypeAlias = int
"""A point on, or a length of, the one monotone timeline (CLOCK_BOOTTIME), in nanoseconds."""

SECOND: Nanos = 1_000_000_000
MINUTE: Nanos = 60 * SECOND


class Unit(StrEnum):
    """Units, as UCUM writes them."""

    PERCENT = "%"
    BEATS_PER_MIN = "{beats}/min"
    BREATHS_PER_MIN = "{breaths}/min"
    MMHG = "mm[Hg]"
    CELSIUS = "Cel"
    ML_PER_H = "mL/h"
    ML = "mL"
    SECOND = "s"


class Metric(StrEnum):
    """What is measured; the value is the IEEE 11073-10101 reference identifier."""

    SPO2 = "MDC_PULS_OXIM_SAT_O2"
    PULSE = "MDC_PULS_OXIM_PULS_RATE"
    HR = "MDC_ECG_HEART_RATE"
    RR = "MDC_RESP_RATE"
    ETCO2 = "MDC_AWAY_CO2_ET"
    NIBP_SYS = "MDC_PRESS_CUFF_SYS"
    NIBP_DIA = "MDC_PRESS_CUFF_DIA"
    NIBP_MEAN = "MDC_PRESS_CUFF_MEAN"
    TEMP = "MDC_TEMP_BODY"
    RATE = "MDC_FLOW_FLUID_PUMP"
    VOLUME = "MDC_VOL_FLUID_DELIV"
    VTBI = "MDC_VOL_FLUID_TBI"
    VTBI_REMAIN = "MDC_VOL_FLUID_TBI_REMAIN"


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """What is fixed about a metric: a short word for people and keys, its unit, and the physical range.

    A value outside [low, high] can't be one of a living patient or a real pump: it is invalid, whoever says it.
    """

    word: str
    unit: Unit
    low: float
    high: float
    intermittent: bool = False


FACTS: dict[Metric, MetricFacts] = {
    Metric.SPO2: MetricFacts("spo2", Unit.PERCENT, 1, 100),
    Metric.PULSE: MetricFacts("pulse", Unit.BEATS_PER_MIN, 10, 350),
    Metric.HR: MetricFacts("hr", Unit.BEATS_PER_MIN, 10, 350),
    Metric.RR: MetricFacts("rr", Unit.BREATHS_PER_MIN, 0, 150),
    Metric.ETCO2: MetricFacts("etco2", Unit.MMHG, 0, 150),
    Metric.NIBP_SYS: MetricFacts("nibp-sys", Unit.MMHG, 20, 320, intermittent=True),
    Metric.NIBP_DIA: MetricFacts("nibp-dia", Unit.MMHG, 10, 250, intermittent=True),
    Metric.NIBP_MEAN: MetricFacts("nibp-mean", Unit.MMHG, 10, 280, intermittent=True),
    Metric.TEMP: MetricFacts("temp", Unit.CELSIUS, 15, 45),
    Metric.RATE: MetricFacts("rate", Unit.ML_PER_H, 0, 1800),
    Metric.VOLUME: MetricFacts("volume", Unit.ML, 0, 100_000),
    Metric.VTBI: MetricFacts("vtbi", Unit.ML, 0, 100_000),
    Metric.VTBI_REMAIN: MetricFacts("vtbi-remain", Unit.ML, 0, 100_000),
}
