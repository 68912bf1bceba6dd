"""Parting: what the pump is taken to do where a replayed course asks for a stop that isn't on record, or lacks one.

The recorded pump obeyed the recorded course. Where another course stops it, it is taken to be still from there, its
counter too; where another course doesn't, it is taken to go on at its last rate. What the patient's values would then
have been nobody knows: they stay as recorded.
"""

from dataclasses import replace
from enum import Enum

from infusion_gateway.model.events import StopAsked
from infusion_gateway.model.inputs import Input, Observed
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, DeliveryReported, Observation, Reading, Validity
from infusion_gateway.review.evidence import Evidence, StopOnRecord

SAME_STOP: Nanos = 2 * SECOND
"""A stop asked within this time of one on record is that stop; a parting that is over within it is none."""
OF_ITSELF = ("infusion-complete",)
"""Asked of a pump that has stopped by itself."""


class _Pump(Enum):
    AS_RECORDED = 0
    STILL = 1
    GOES_ON = 2


class Parting:
    """What the pump is seen to do in one replayed course. at, how: where the courses first parted, for people."""

    def __init__(self, pump: str | None, found: Evidence) -> None:
        self.at: Nanos | None = None
        self.how = ""
        self._device = pump
        opened = (i for i in found.items if isinstance(i.what, StopOnRecord) and i.what.open)
        self._stops = tuple(item.at + item.shift for item in opened)
        self._mode = _Pump.AS_RECORDED
        self._on_record = False
        self._asked_here = False
        self._delivery = Delivery.UNKNOWN
        self._delivering = Delivery.INFUSING
        self._rate = 0.0
        self._counter: float | None = None
        self._fed: float | None = None
        self._offset = 0.0
        self._apart = False
        self._fed_at: Nanos = 0
        self._last: Observed | None = None
        self._since: Nanos = 0
        self._why = ""

    def recorded(self, *, is_open: bool) -> None:
        """Take up that on record a stop of ours was asked, or that the pump was let go on after it."""
        self._on_record = is_open
        if not is_open:
            self._asked_here = False

    def asked(self, stop: StopAsked, at: Nanos) -> Observed | None:
        """Take up that this course asks for a stop by itself; give what is seen of a pump that has stopped already."""
        if stop.codes == OF_ITSELF:
            return None
        self._asked_here = True
        if self._mode is _Pump.GOES_ON:
            self._mode = _Pump.AS_RECORDED
            return self._last
        if not self._on_record and self._delivery.delivering and not self._near(at):
            self._part(_Pump.STILL, at, f"the pump is taken to obey a stop that isn't on record ({_named(stop)})")
        return None

    def seen(self, given: Input, at: Nanos, shown: Nanos) -> Input:
        """Give what the pump is seen to do in this course; everything else as it is."""
        if not isinstance(given, Observed) or given.device != self._device:
            return given
        delivery = next((o.delivery for o in given.observations if isinstance(o, DeliveryReported)), self._delivery)
        self._follow(delivery, shown)
        self._delivery, self._last = delivery, given
        said = tuple(self._as_taken(item, at) for item in given.observations)
        self._fed_at = at
        if self._mode is not _Pump.AS_RECORDED and self.at is None and shown > self._since + SAME_STOP:
            self.at, self.how = self._since, self._why
        return replace(given, observations=said)

    def _follow(self, delivery: Delivery, shown: Nanos) -> None:
        stopped, stops_now = delivery is Delivery.STOPPED, self._delivery is not Delivery.STOPPED
        agrees = {_Pump.STILL: stopped, _Pump.GOES_ON: not stopped}
        if agrees.get(self._mode, False):
            self._mode = _Pump.AS_RECORDED
        elif self._mode is _Pump.AS_RECORDED and stopped and stops_now and self._on_record and not self._asked_here:
            self._delivering = self._delivery
            self._part(_Pump.GOES_ON, shown, "the pump is taken to go on where a recorded stop isn't asked")

    def _as_taken(self, item: Observation, at: Nanos) -> Observation:
        match item, self._mode:
            case DeliveryReported(), _Pump.STILL:
                return DeliveryReported(Delivery.STOPPED)
            case DeliveryReported(), _Pump.GOES_ON:
                return DeliveryReported(self._delivering)
            case Reading(metric=Metric.RATE), _:
                return self._rated(item)
            case Reading(metric=Metric.VOLUME, value=float()), _:
                return self._counted(item, at)
            case _:
                return item

    def _rated(self, item: Reading) -> Reading:
        if self._mode is _Pump.AS_RECORDED:
            if item.value and item.validity is Validity.VALID:
                self._rate = item.value
            return item
        return replace(item, value=0.0 if self._mode is _Pump.STILL else self._rate)

    def _counted(self, item: Reading, at: Nanos) -> Reading:
        """Keep this course's own count beside the recorded one; a recorded counter that began anew begins both anew.

        The first count after the courses met again is still this course's own: what came in between was the other's.
        """
        value = item.value or 0.0
        if self._counter is not None and value < self._counter - item.resolution:
            self._offset = 0.0
        self._counter = value
        if self._fed is not None and (self._apart or self._mode is not _Pump.AS_RECORDED):
            ran = self._rate * (at - self._fed_at) / (60 * MINUTE) if self._mode is _Pump.GOES_ON else 0.0
            self._offset = self._fed + ran - value
        self._apart = self._mode is not _Pump.AS_RECORDED
        self._fed = max(0.0, value + self._offset)
        return replace(item, value=self._fed)

    def _near(self, at: Nanos) -> bool:
        return any(abs(at - stop) <= SAME_STOP for stop in self._stops)

    def _part(self, mode: _Pump, at: Nanos, how: str) -> None:
        self._mode, self._since, self._why = mode, at, how


def _named(stop: StopAsked) -> str:
    return ", ".join(stop.codes)
