"""The nuisance side: what happens in every second session is told as the table says, and stops nothing."""

from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, bed_setup, depression_40
from infusion_gateway.config import protocols
from infusion_gateway.model.alarm import Priority, Signal
from infusion_gateway.model.events import ConditionRaised
from infusion_gateway.model.inputs import LinkLost, LinkOpened
from infusion_gateway.model.instructions import Acknowledge, Away, Hold, PermitResume
from infusion_gateway.model.metric import MINUTE, Metric
from infusion_gateway.model.observation import Sensor, SensorState
from infusion_gateway.model.session import Phase

SHIPPED = protocols.load(protocols.shipped() / "depression-40.toml")


def infusing(minutes: float = 0.5, systolic: float = 138, rate: float = 70) -> Bed:
    """Give a bed with the shipped conditions, the cuff on the SpO2 arm, infusing for so long."""
    protocol = replace(
        depression_40(), conditions=SHIPPED.conditions, apnoea=SHIPPED.apnoea, vital_stages=SHIPPED.vital_stages
    )
    bed = Bed(replace(bed_setup(protocol), cuff_on_spo2_arm=True))
    bed.monitor.cuff_is = SensorState.ON
    bed.monitor.values |= {Metric.HR: rate, Metric.PULSE: rate, Metric.ETCO2: 38}
    bed.run(2)
    bed.monitor.cuff(bed.now, systolic, 85)
    bed.infuse()
    bed.run(minutes * 60)
    return bed


def told(bed: Bed) -> list[tuple[str, Priority]]:
    """Give everything that was raised, in order."""
    return [(event.code, event.priority) for _, event in bed.events(ConditionRaised)]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(9, []), (20, [LOW]), (45, [LOW, MEDIUM]), (90, [LOW, MEDIUM, HIGH])],
)
def test_a_probe_that_falls_off(seconds: float, expected: list[Priority]) -> None:
    """Pins one condition that rises with its age and goes with it, and no stop, three times in a session."""
    bed = infusing()
    bed.monitor.cuff_every = 5 * MINUTE
    for _ in range(3):
        bed.monitor.off.add(Sensor.PROBE)
        bed.monitor.values |= {Metric.SPO2: None, Metric.PULSE: None}
        bed.run(seconds)
        bed.monitor.off.clear()
        bed.monitor.values |= {Metric.SPO2: 97, Metric.PULSE: 70}
        bed.run(60)
    assert told(bed) == [("probe-off", priority) for priority in expected] * 3
    assert not bed.alarms
    assert not bed.stops()


def test_the_cuff_on_the_spo2_arm_every_five_minutes() -> None:
    """Pins that eight measurements of 40 s without a signal, probe said to be off, are nothing at all."""
    bed = infusing()
    for _ in range(8):
        bed.monitor.cuff_is = SensorState.MEASURING
        bed.monitor.off.add(Sensor.PROBE)
        bed.monitor.values |= {Metric.SPO2: None, Metric.PULSE: None}
        bed.run(40)
        bed.monitor.off.clear()
        bed.monitor.cuff_is = SensorState.ON
        bed.monitor.cuff(bed.now, 140, 85)
        bed.monitor.values |= {Metric.SPO2: 97, Metric.PULSE: 70}
        bed.run(240)
    assert not told(bed)
    assert not bed.stops()


def test_a_toilet_break() -> None:
    """Pins hold, everything taken off for eight minutes with `away`, and back: nothing but the pause itself is told."""
    bed = infusing()
    bed.monitor.cuff_every = 5 * MINUTE
    bed.run(10 * 60)
    bed.ask(Hold("toilet"))
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    bed.ask(Away(10 * MINUTE))
    stops = len(bed.stops())
    bed.monitor.off |= {Sensor.PROBE, Sensor.LEADS}
    bed.monitor.values = dict.fromkeys(bed.monitor.values)
    bed.run(8 * 60)
    assert told(bed) == [("paused-long", LOW)]
    bed.monitor.off.clear()
    bed.monitor.values = {Metric.SPO2: 97, Metric.PULSE: 70, Metric.HR: 71, Metric.RR: 14, Metric.ETCO2: 38}
    bed.monitor.cuff(bed.now, 135, 80)
    bed.run(20)
    bed.ask(PermitResume("back in the chair"))
    bed.pump.running = True
    bed.run(120)
    assert bed.phase is Phase.INFUSING
    assert told(bed) == [("paused-long", LOW)]
    assert len(bed.stops()) == stops


def test_a_patient_with_a_resting_rate_of_44() -> None:
    """Pins one medium alarm, quiet once acknowledged, for the whole session, and no stop."""
    bed = infusing(1, rate=44)
    assert told(bed) == [("hr-low", MEDIUM)]
    bed.ask(Acknowledge("hr-low"))
    bed.monitor.cuff_every = 5 * MINUTE
    bed.run(38 * 60)
    assert told(bed) == [("hr-low", MEDIUM)]
    assert bed.alarms["hr-low"].signal is Signal.ACKNOWLEDGED
    assert not bed.stops()


def test_a_pressure_of_165_over_95_at_minute_30() -> None:
    """Pins one medium alarm that is told, quiet after its acknowledgement at the next readings too, and no stop."""
    bed = infusing()
    for minute, systolic, diastolic in ((5, 142, 86), (10, 147, 88), (15, 150, 90), (20, 154, 91), (25, 157, 93)):
        bed.run(minute * 60 - (bed.now - (bed.session.t0 or 0)) / 10**9)
        bed.monitor.cuff(bed.now, systolic, diastolic)
        bed.run(1)
    assert not told(bed)
    bed.run(5 * 60 - 1)
    bed.monitor.cuff(bed.now, 165, 95)
    bed.run(2)
    assert told(bed) == [("nibp-sys-high", MEDIUM)]
    bed.ask(Acknowledge("nibp-sys-high"))
    bed.run(5 * 60)
    bed.monitor.cuff(bed.now, 170, 96)
    bed.run(60)
    assert told(bed) == [("nibp-sys-high", MEDIUM)]
    assert not bed.stops()


def test_a_cable_nudged_for_three_seconds() -> None:
    """Pins that a monitor's line gone for three seconds is nothing."""
    bed = infusing()
    bed.give(LinkLost("monitor", "unplugged"))
    bed.monitor.mute = True
    bed.run(3)
    bed.give(LinkOpened("monitor"))
    bed.monitor.mute = False
    bed.run(60)
    assert not told(bed)


def test_movement() -> None:
    """Pins that ten seconds of a low SpO2 now and then, with good values in between, are nothing."""
    bed = infusing()
    for _ in range(10):
        bed.monitor.values[Metric.SPO2] = 91
        bed.run(10)
        bed.monitor.values[Metric.SPO2] = 97
        bed.run(20)
    assert not told(bed)


def test_a_cannula_taken_off() -> None:
    """Pins that a cannula off for two minutes rises as one condition, is no apnoea, and stops nothing."""
    bed = infusing()
    bed.monitor.values |= {Metric.RR: None, Metric.ETCO2: None}
    bed.run(35)
    codes = {code for code, _ in told(bed)}
    assert codes == {"rr-missing", "etco2-missing"}
    assert not bed.stops()
