"""The patient as a monitor's sensors find them: each vital sign's true value and its swing.

The values are set from outside (a key, a recording, a scenario); None means that there is nothing to measure. With
`variation` over 0 each value swings slowly about what was set, as a resting adult's does: smooth, seeded, a function of
time alone, so that it doesn't matter how often anybody looks.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from infusion_simulators.device import SECOND, Nanos, Value
from infusion_simulators.pump_keys import number


@dataclass(frozen=True, slots=True)
class Vital:
    """A vital sign: what it is to begin with, what can be set (hostile values too), and how far it swings by itself."""

    what: str
    healthy: float | None
    high: float
    swing: float


VITALS: Mapping[str, Vital] = {
    "spo2": Vital("oxygen saturation, %", 97, 126, 0.8),
    "pulse": Vital("pulse rate of the oximeter, /min", 72, 510, 2.0),
    "hr": Vital("heart rate of the ECG, /min", 72, 510, 2.0),
    "rr": Vital("respiratory rate, /min", 14, 250, 1.0),
    "etco2": Vital("end-tidal CO2, mmHg", 38, 999, 1.2),
    "nibp_sys": Vital("systolic pressure that the next measurement will find, mmHg", 122, 510, 4.0),
    "nibp_dia": Vital("diastolic pressure that the next measurement will find, mmHg", 78, 510, 3.0),
    "nibp_mean": Vital("mean pressure that the next measurement will find, mmHg", None, 510, 3.0),
    "temp_c": Vital("temperature, degrees C", 36.7, 99, 0.05),
}
PERIODS_S = (9.0, 23.0, 61.0)
"""Periods of the swing: breathing's neighbour, the Mayer wave's, and slower; they share no factor."""
VARIATION_MAX = 10.0
VARIATION = "how far values swing by themselves: 0 not at all, 1 as in a resting adult, up to 10"


class Patient:
    """A patient's vital signs. Two of one seed swing alike."""

    __slots__ = ("_phases", "_true", "variation")

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a patient's swing is no secret
        self.variation = 0.0
        self._true: dict[str, float | None] = {key: vital.healthy for key, vital in VITALS.items()}
        self._phases = {key: tuple(chance.uniform(0, math.tau) for _ in PERIODS_S) for key in VITALS}

    def true(self, key: str) -> float | None:
        """Give a vital sign as it was set, None for nothing there to be measured."""
        return self._true[key]

    def at(self, key: str, now: Nanos) -> float | None:
        """Give a vital sign as a sensor finds it at `now`: never below 0, never above what can be set."""
        true = self._true[key]
        if true is None or not self.variation:
            return true
        seconds = now / SECOND
        waves = zip(PERIODS_S, self._phases[key], strict=True)
        swing = sum(math.sin(math.tau * seconds / period + phase) for period, phase in waves) / len(PERIODS_S)
        return min(max(true + self.variation * VITALS[key].swing * swing, 0.0), VITALS[key].high)

    def put(self, key: str, value: Value) -> None:
        """Set a vital sign, None for missing, or `variation`; ValueError names the key and what would do."""
        if key == "variation":
            self.variation = bounded(key, value, 0, VARIATION_MAX)
        else:
            self._true[key] = None if value is None else bounded(key, value, 0, VITALS[key].high)

    def state(self) -> dict[str, Value]:
        """Give every vital sign as it was set, and the variation."""
        return {**self._true, "variation": self.variation}


def bounded(key: str, value: Value, low: float, high: float) -> float:
    """Read a number from low to high, both allowed; ValueError names the key and the range."""
    read = number(key, value)
    if not low <= read <= high:
        raise ValueError(f"{key}: {value} is not within {low:g}-{high:g}")
    return read
