"""What devices and lines say, taken up into live state. Nothing is decided here."""

from dataclasses import replace
from typing import assert_never

from infusion_gateway.core.live import DeviceNow, Newest, PumpNow
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.inputs import Faulted, LinkLost, LinkOpened, Observed
from infusion_gateway.model.metric import FACTS, Metric
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    FaultKind,
    Identified,
    Observation,
    Reading,
    SensorReported,
    SensorState,
    Validity,
)
from infusion_gateway.model.status import LinkState

LASTING = frozenset({FaultKind.FROZEN, FaultKind.WRONG_DEVICE, FaultKind.REFUSED})
"""Faults that mean more than a reading lost, which the age of the data shows anyway."""


def observed(turn: Turn, heard: Observed) -> None:
    """Take up what a device said. What a device that isn't this bed's says is nobody's."""
    setup = next((device for device in turn.setup.devices if device.device == heard.device), None)
    if setup is None or not heard.observations:
        return
    before = turn.device(heard.device)
    refused = before.fault is not None and before.fault.kind is FaultKind.REFUSED
    turn.set_device(
        heard.device,
        replace(
            before,
            link=LinkState.UP,
            link_since=before.link_since if before.link is LinkState.UP else turn.now,
            why="",
            seen_at=turn.now,
            fault=before.fault if refused else None,
        ),
    )
    statuses = [item for item in heard.observations if isinstance(item, DeliveryReported)]
    others = [item for item in heard.observations if not isinstance(item, DeliveryReported)]
    for item in (*statuses, *others):  # readings are judged by what the pump does at the same instant
        _take(turn, heard.device, item, is_pump=setup.is_pump)


def _take(turn: Turn, device: str, item: Observation, *, is_pump: bool) -> None:
    match item:
        case Reading():
            _reading(turn, device, item, is_pump=is_pump)
        case Identified(identity=identity):
            turn.set_device(device, replace(turn.device(device), identity=identity))
        case SensorReported(sensor=sensor, state=state):
            known = turn.device(device)
            off = {other: since for other, since in known.off.items() if other is not sensor}
            if state is SensorState.OFF:
                off[sensor] = known.off.get(sensor, turn.now)
            if off != known.off:
                turn.set_device(device, replace(known, off=off))
        case DeliveryReported(delivery=delivery):
            if is_pump:
                turn.set_pump(_delivery(turn, turn.live.pump, delivery))
        case AlarmsReported(alarms=alarms, text=text):
            pump = turn.live.pump
            if is_pump:
                since = pump.alarmed_at if alarms and pump.alarms else turn.now
                turn.set_pump(replace(pump, alarms=alarms, alarm_text=text[:200], alarmed_at=since))
        case DeadManReported(seconds=seconds):
            if is_pump:
                turn.set_pump(replace(turn.live.pump, dead_man_s=seconds))
        case _:
            assert_never(item)


def _delivery(turn: Turn, pump: PumpNow, delivery: Delivery) -> PumpNow:
    """Count consecutive reports; an unknown delivery proves neither flow nor stillness."""
    if delivery is Delivery.STOPPED:
        first = pump.stills == 0
        stills_since = turn.now if first else pump.stills_since
        settled = (None, 0) if first else (pump.settled_ml, pump.settled)
        return replace(
            pump,
            delivery=delivery,
            runs=0,
            stills=pump.stills + 1,
            stills_since=stills_since,
            settled_ml=settled[0],
            settled=settled[1],
        )
    if delivery is Delivery.UNKNOWN:
        return replace(pump, delivery=delivery, runs=0, stills=0)
    runs_since = turn.now if pump.runs == 0 else pump.runs_since
    return replace(pump, delivery=delivery, stills=0, runs=pump.runs + 1, runs_since=runs_since)


def _reading(turn: Turn, device: str, reading: Reading, *, is_pump: bool) -> None:
    facts = FACTS[reading.metric]
    value = reading.value
    if value is not None and not facts.low <= value <= facts.high:  # not of a living patient or a real pump; NaN too
        reading = replace(reading, value=None, validity=Validity.INVALID)
    if value is None and reading.validity is not Validity.INVALID:
        reading = replace(reading, validity=Validity.INVALID)
    if reading.measured_at > turn.now:
        reading = replace(reading, measured_at=turn.now)
    if is_pump:
        reading = _of_the_pump(turn, reading)
    source = (reading.metric, device)
    before = turn.live.values.get(source)
    valid_at = before.valid_at if before is not None else None
    if reading.validity is Validity.VALID:
        valid_at = reading.measured_at
    newest = Newest(reading, turn.now, valid_at)
    turn.live = replace(turn.live, values={**turn.live.values, source: newest})
    turn.touched.add(reading.metric)


def _of_the_pump(turn: Turn, reading: Reading) -> Reading:
    """Keep the pump's numbers; a pump that says it is stopped has no rate, whatever is programmed."""
    pump = turn.live.pump
    if reading.metric is Metric.RATE and pump.delivery is Delivery.STOPPED and reading.value is not None:
        reading = replace(reading, value=0.0)
    if reading.value is None or reading.validity is not Validity.VALID:
        return reading
    if reading.metric is Metric.RATE:
        turn.set_pump(replace(pump, rate_ml_h=reading.value, rate_at=turn.now))
    elif reading.metric is Metric.VTBI_REMAIN:
        turn.set_pump(replace(pump, vtbi_left_ml=reading.value))
    elif reading.metric is Metric.VOLUME:
        turn.set_pump(_volume(turn, pump, reading, reading.value))
    return reading


def _volume(turn: Turn, pump: PumpNow, reading: Reading, value: float) -> PumpNow:
    settled_ml, settled, settled_at = pump.settled_ml, pump.settled, pump.settled_at
    if pump.stills:
        same = settled_ml is not None and abs(value - settled_ml) < max(pump.resolution, reading.resolution) / 2 + 1e-9
        settled_ml, settled, settled_at = (settled_ml, settled + 1, settled_at) if same else (value, 1, turn.now)
    return replace(
        pump,
        volume_ml=value,
        volume_at=turn.now,
        count=reading.sequence,
        resolution=reading.resolution or pump.resolution,
        settled_ml=settled_ml,
        settled=settled,
        settled_at=settled_at,
    )


def faulted(turn: Turn, heard: Faulted) -> None:
    """Take up what a device did wrong; only what says more than that a reading was lost is kept."""
    if heard.fault.kind in LASTING and any(device.device == heard.device for device in turn.setup.devices):
        turn.set_device(heard.device, replace(turn.device(heard.device), fault=heard.fault, fault_at=turn.now))


def link_opened(turn: Turn, opened: LinkOpened) -> None:
    """Take up that the line is open, which says nothing of the device."""
    before = turn.device(opened.device)
    turn.set_device(opened.device, replace(before, link=LinkState.UNKNOWN, link_since=turn.now, why=""))
    _forget_runs(turn, opened.device)


def link_lost(turn: Turn, lost: LinkLost) -> None:
    """Take up that the line is gone; what was measured keeps its age."""
    before = turn.device(lost.device)
    since = before.link_since if before.link is LinkState.DOWN else turn.now
    turn.set_device(lost.device, replace(before, link=LinkState.DOWN, link_since=since, why=lost.why[:200]))
    _forget_runs(turn, lost.device)


def _forget_runs(turn: Turn, device: str) -> None:
    """Two readings with a break of the line between them aren't consecutive."""
    pump = turn.setup.pump
    if pump is not None and pump.device == device:
        now = turn.live.pump
        turn.set_pump(replace(now, runs=0, stills=0, settled=0, settled_ml=None))


def device_now(turn: Turn) -> DeviceNow | None:
    """Give what is known of the bed's pump, None on a bed without one."""
    return turn.device(turn.setup.pump.device) if turn.setup.pump is not None else None
