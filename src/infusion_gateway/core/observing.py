"""What devices and lines say, taken up into live state. Nothing is decided here."""

from dataclasses import replace
from math import inf
from typing import TypeAlias, assert_never

from infusion_gateway.core import dose, suppressing
from infusion_gateway.core.live import DeviceNow, Newest, PumpNow
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.inputs import Faulted, LinkLost, LinkOpened, Observed
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    FaultKind,
    Identified,
    PumpAlarm,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)
from infusion_gateway.model.session import DeviceSetup
from infusion_gateway.model.status import LinkState

LASTING = frozenset({FaultKind.FROZEN, FaultKind.WRONG_DEVICE, FaultKind.REFUSED})
"""Faults that mean more than a reading lost, which the age of the data shows anyway."""


COARSEST_ML = 10.0
"""A counter's step greater than this, or none, or no number, is a mistake of who says it (unsourced)."""
IN_TURN: Nanos = 3 * SECOND
"""A pump tells its numbers in turn, and an answer may come late: up to so far apart they are of one time."""
CREEPS: Nanos = MINUTE
"""A counter that rises again within this long while its pump says that it stands delivers (unsourced)."""


_Word: TypeAlias = DeliveryReported | AlarmsReported | SensorReported | Identified | DeadManReported
"""What a device says beside its readings."""


def observed(turn: Turn, heard: Observed) -> None:
    """Take up what a device said. What a device that isn't this bed's says is nobody's."""
    setup, said = _setup(turn, heard.device), heard.observations
    if setup is None or not said:
        return
    device = turn.changing(heard.device)
    if device.link is not LinkState.UP:
        device.link, device.link_since, device.why = LinkState.UP, turn.now, ""
    says_more = not all(isinstance(item, Identified) for item in reversed(said))
    if says_more and device.fault is not None and device.fault.kind is not FaultKind.REFUSED:
        device.fault = None
    if setup.is_pump:  # its readings are judged by what it does at the same instant
        said = tuple(sorted(said, key=lambda item: not isinstance(item, DeliveryReported)))
    for item in said:
        if isinstance(item, Reading):  # what comes most
            _reading(turn, heard.device, item, is_pump=setup.is_pump)
        else:
            _take(turn, heard.device, device, item, is_pump=setup.is_pump)
    if says_more:  # its name alone says nothing of what it does: a frozen device tells it for ever
        device.seen_at = _pump_seen(turn, heard.device) if setup.is_pump else turn.now


def _setup(turn: Turn, device: str) -> DeviceSetup | None:
    for setup in turn.setup.devices:
        if setup.device == device:
            return setup
    return None


def _pump_seen(turn: Turn, name: str) -> Nanos:
    """Say when all that a pump tells was last heard: one that answers in part is only seen as of the oldest part."""
    pump, values = turn.live.pump, turn.live.values
    told = [pump.told_at, *(values[m, name].heard_at for m in (Metric.RATE, Metric.VOLUME) if (m, name) in values)]
    oldest = min((at for at in told if at is not None), default=turn.now)
    if turn.durable.account.counter_ml is not None and (Metric.VOLUME, name) not in values:
        oldest = min(oldest, turn.live.started_at or turn.now)  # it counted before
    return turn.now if turn.now - oldest <= IN_TURN else oldest


def _take(turn: Turn, name: str, device: DeviceNow, item: _Word, *, is_pump: bool) -> None:
    pump = turn.live.pump
    match item:
        case Identified(identity=identity):
            device.identity = identity
        case SensorReported(sensor=Sensor.CUFF, state=state):
            suppressing.cuff(turn, name, device.cuff, state)
            device.cuff = state
        case SensorReported(sensor=sensor, state=state):
            if (state is SensorState.OFF) != (sensor in device.off):
                others = {other: since for other, since in device.off.items() if other is not sensor}
                device.off = {**others, sensor: turn.now} if state is SensorState.OFF else others
        case DeliveryReported(delivery=delivery):
            if is_pump:
                _delivery(turn, pump, delivery)
        case AlarmsReported(alarms=alarms, text=text):
            if is_pump:
                if PumpAlarm.DEAD_MAN in alarms and PumpAlarm.DEAD_MAN not in pump.alarms:
                    pump.dead_man_s = None  # it tripped: that it is armed counts no more, until it is read again
                pump.alarms, pump.alarm_text = alarms, text[:200]
        case DeadManReported(seconds=seconds):
            if is_pump:
                pump.dead_man_s = seconds if 0 <= seconds < inf else None  # what is no time tells nothing
        case _:
            assert_never(item)


def _delivery(turn: Turn, pump: PumpNow, delivery: Delivery) -> None:
    """Count consecutive reports; an unknown delivery proves neither flow nor stillness."""
    pump.delivery, pump.told_at = delivery, turn.now
    if delivery is Delivery.STOPPED:
        if pump.stills == 0:
            pump.stills_since, pump.settled_ml, pump.settled = turn.now, None, 0
        pump.runs, pump.stills = 0, pump.stills + 1
    elif delivery is Delivery.UNKNOWN:
        pump.runs = pump.stills = 0
    else:
        if pump.runs == 0:
            pump.runs_since = turn.now
        pump.runs, pump.stills = pump.runs + 1, 0


def _reading(turn: Turn, device: str, reading: Reading, *, is_pump: bool) -> None:
    facts, value = FACTS[reading.metric], reading.value
    if value is None:
        if reading.validity is not Validity.INVALID:
            reading = replace(reading, validity=Validity.INVALID)
    elif not facts.low <= value <= facts.high:  # not of a living patient or a real pump; NaN too
        reading = replace(reading, value=None, validity=Validity.INVALID)
    if reading.measured_at > turn.now:
        reading = replace(reading, measured_at=turn.now)
    if facts.intermittent:
        case = turn.durable.case
        if case is not None and reading.measured_at < case.values_from:
            return  # the device still shows the patient's before
    doubting = is_pump and turn.live.pump.doubted_ml is not None
    if is_pump:
        reading = _of_the_pump(turn, reading)
    values, source, at = turn.live.values, (reading.metric, device), reading.measured_at
    if reading.validity is Validity.VALID:
        values[source] = Newest(reading, turn.now, at, at)
    else:
        doubted = doubting and reading.metric is Metric.VOLUME and reading.validity is Validity.QUESTIONABLE
        values[source] = _unsure(values.get(source), reading, turn.now, doubted=doubted)
    turn.touched.add(reading.metric)


def _unsure(before: Newest | None, reading: Reading, now: Nanos, *, doubted: bool) -> Newest:
    """Keep when the last valid one was, and the last of use; a doubt that lasts is no hearing."""
    valid_at, usable_at, heard_at = None, None, now
    if before is not None:
        valid_at, usable_at, heard_at = before.valid_at, before.usable_at, before.heard_at if doubted else now
    if reading.validity is not Validity.INVALID:
        usable_at = reading.measured_at
    return Newest(reading, heard_at, valid_at, usable_at)


def _of_the_pump(turn: Turn, reading: Reading) -> Reading:
    """Keep the pump's numbers; a pump that says it is stopped has no rate, whatever is programmed."""
    pump = turn.live.pump
    if reading.metric is Metric.RATE and pump.delivery is Delivery.STOPPED and reading.value is not None:
        reading = replace(reading, value=0.0)
    if reading.value is None or reading.validity is not Validity.VALID:
        return reading
    if reading.metric is Metric.RATE:
        pump.rate_ml_h = reading.value
    elif reading.metric is Metric.VOLUME:
        step = reading.resolution
        pump.resolution = step if 0 < step <= COARSEST_ML else pump.resolution
        if not _believed_volume(turn, pump, reading.value, reading.epoch):
            return replace(reading, validity=Validity.QUESTIONABLE)
    return reading


def _believed_volume(turn: Turn, pump: PumpNow, value: float, epoch: int | None) -> bool:
    """Take up a counter reading that follows from the last, or that bears out the doubted one; else doubt it.

    A pump that says itself that the counter began anew is believed at once.
    """
    said = dose.says_anew(turn, epoch)
    pump.epoch = epoch
    if said or dose.follows(turn, value):
        pump.doubted_ml = None
    elif not dose.agrees(turn, value):
        pump.doubted_ml, pump.doubted_at = value, turn.now
        return False
    if said or dose.began_anew(turn, value):
        pump.restarted_at = turn.now
    _volume(turn, pump, value)
    pump.doubted_ml = None
    return True


def _volume(turn: Turn, pump: PumpNow, value: float) -> None:
    if pump.stills:
        same = pump.settled_ml is not None and abs(value - pump.settled_ml) < pump.resolution / 2 + 1e-9
        if same:
            pump.settled += 1
        else:
            if pump.settled_ml is not None and value > pump.settled_ml:
                pump.crept = pump.crept + 1 if turn.now <= pump.crept_at + CREEPS else 1
                pump.crept_at = turn.now
            pump.settled_ml, pump.settled, pump.settled_at = value, 1, turn.now
    if value != pump.volume_ml:
        pump.moved_at = turn.now
    risen = pump.rest_ml is not None and value > pump.rest_ml + pump.resolution / 2 + 1e-9
    if risen and not pump.risen:
        first = pump.doubted_ml is not None  # of the two that agree it was the first
        pump.risen, pump.risen_at = (1, pump.doubted_at) if first else (0, turn.now)
    pump.risen = pump.risen + 1 if risen else 0
    if pump.volume_ml is None or value >= pump.volume_ml:
        pump.before_ml = pump.volume_ml if turn.now - pump.volume_at <= dose.SOON else None
    pump.volume_ml, pump.volume_at = value, turn.now


def faulted(turn: Turn, heard: Faulted) -> None:
    """Take up what a device did wrong; only what says more than that a reading was lost is kept."""
    if heard.fault.kind in LASTING and any(device.device == heard.device for device in turn.setup.devices):
        device = turn.changing(heard.device)
        device.fault, device.fault_at = heard.fault, turn.now


def link_opened(turn: Turn, opened: LinkOpened) -> None:
    """Take up that the line is open, which says nothing of the device."""
    device = turn.changing(opened.device)
    device.link, device.link_since, device.why = LinkState.UNKNOWN, turn.now, ""
    _forget_runs(turn, opened.device)


def link_lost(turn: Turn, lost: LinkLost) -> None:
    """Take up that the line is gone; what was measured keeps its age."""
    device = turn.changing(lost.device)
    if device.link is not LinkState.DOWN:
        device.link, device.link_since = LinkState.DOWN, turn.now
    device.why = lost.why[:200]
    _forget_runs(turn, lost.device)


def _forget_runs(turn: Turn, device: str) -> None:
    """Two readings with a break of the line between them aren't consecutive."""
    pump = turn.live.pump
    if turn.pump_setup is not None and turn.pump_setup.device == device:
        pump.runs = pump.stills = pump.settled = 0
        pump.settled_ml = None
