"""A bed's course over two hours, in slots of five seconds: what nothing is known of stays empty, and is shown as a gap.

Times are the gateway's, seconds since the epoch; live values and those of its history fill the same slots.
"""

from array import array
from bisect import insort
from collections.abc import Iterable, Mapping
from math import isnan, nan

from infusion_gateway.model.metric import FACTS
from infusion_gateway.ward.shown import ShownPressure

SLOT_S = 5
SLOTS = 1440
"""Two hours: a session of an hour, and its recovery."""
OLDEST_S = 10.0
"""A continuous value measured longer before is not one of its slot."""
PRESSURES = 240
SAME_S = 10.0
"""Two words of the cuff about moments closer than this are about one measurement: none takes less."""
RATE, DOSE = "rate", "dose"
CONTINUOUS = tuple(
    facts.word
    for facts in FACTS.values()
    if not facts.intermittent and facts.word not in ("volume", "vtbi", "vtbi-remain")
)
CUFF = {"nibp-sys": 0, "nibp-dia": 1, "nibp-mean": 2}
_Pressure = tuple[float, float | None, float | None, float | None]
Measured = tuple[str, float | None, str, float]
"""A metric's word, its value, validity, and age in seconds."""


class Trend:
    """A bed's course. newest: the newest moment that anything is known of; None: none. complete: its past is in.

    begins: what was before is another patient's, and not shown.
    """

    def __init__(self) -> None:
        self.newest: float | None = None
        self.complete = False
        self.begins = 0.0
        self._held = array("q", [-1]) * SLOTS
        self._series = {name: array("d", [nan]) * SLOTS for name in (*CONTINUOUS, DOSE)}
        self._pressures: list[_Pressure] = []

    def put(self, at: float, values: Iterable[Measured], dose_mg: float | None) -> None:
        """Take what was known at a moment; of one slot the last that was put counts."""
        slot = int(at // SLOT_S)
        index = slot % SLOTS
        if at <= 0 or slot < self._held[index]:
            return
        if slot > self._held[index]:
            self._held[index] = slot
            for series in self._series.values():
                series[index] = nan
        self.newest = at if self.newest is None else max(self.newest, at)
        cuff: dict[str, tuple[float, float]] = {}
        for word, value, validity, age_s in values:
            if value is None or validity == "invalid":
                continue
            if word in CUFF:
                cuff[word] = (at - age_s, value)
            elif word in self._series and age_s < OLDEST_S:
                self._series[word][index] = value
        if dose_mg is not None:
            self._series[DOSE][index] = dose_mg
        if cuff:
            self._measured(cuff)

    def step_back(self, at: float) -> None:
        """Take note that it is no later than this at the gateway: what is ahead is of before its clock was set back."""
        if self.newest is None or self.newest <= at + OLDEST_S:
            return
        for index, slot in enumerate(self._held):
            if slot >= at // SLOT_S:
                self._held[index] = -1
                for series in self._series.values():
                    series[index] = nan
        self._pressures = [one for one in self._pressures if one[0] <= at]
        self.newest = at

    def _measured(self, cuff: Mapping[str, tuple[float, float]]) -> None:
        """Take a measurement of the cuff, once."""
        at = max(when for when, _ in cuff.values())
        if any(abs(at - known[0]) < SAME_S for known in self._pressures[-PRESSURES:]):
            return
        parts = [cuff.get(word) for word in CUFF]
        found = [part[1] if part is not None and at - part[0] < SAME_S else None for part in parts]
        insort(self._pressures, (at, found[0], found[1], found[2]), key=lambda one: one[0])
        del self._pressures[:-PRESSURES]

    def times(self, until: float, minutes: float) -> range:
        """Give the slots' beginnings over so many minutes up to a moment."""
        last = int(until // SLOT_S)
        slots = min(max(int(minutes * 60 / SLOT_S), 1), SLOTS)
        return range((last - slots + 1) * SLOT_S, (last + 1) * SLOT_S, SLOT_S)

    def series(self, name: str, times: range) -> list[float | None]:
        """Give a metric's value in each slot; None where nothing is known."""
        values = self._series[name]
        return [None if isnan(value) else value for value in (self._at(values, time) for time in times)]

    def names(self, times: range) -> list[str]:
        """Give the metrics that have a value in these slots."""
        return [name for name in CONTINUOUS if name != RATE and any(v is not None for v in self.series(name, times))]

    def pressures(self, times: range) -> list[ShownPressure]:
        """Give the measurements of the cuff in these slots."""
        return [
            ShownPressure(t=round(at, 1), sys=high, dia=low, mean=mean)
            for at, high, low, mean in self._pressures
            if max(times.start, self.begins) <= at < times.stop
        ]

    def _at(self, values: "array[float]", time: int) -> float:
        slot = time // SLOT_S
        index = slot % SLOTS
        return values[index] if self._held[index] == slot and time + SLOT_S > self.begins else nan
