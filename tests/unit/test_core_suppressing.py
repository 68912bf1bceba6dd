"""The cuff on the SpO2 arm: not judged for a minute at most, never twice running, visibly; and values by hand."""

from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, bed_setup, depression_40
from infusion_gateway.core.views import vitals
from infusion_gateway.model.events import ConditionRaised, SignalSuppressed
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.instructions import Assess, Away
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Reading, Sensor, SensorReported, SensorState, Validity
from infusion_gateway.model.session import DeviceSetup
from infusion_gateway.model.status import VitalStatus


def infusing(*, same_arm: bool = True) -> Bed:
    """Give a bed whose cuff is on the arm of the probe, and reports its state; infusing for a minute."""
    bed = Bed(replace(bed_setup(depression_40()), cuff_on_spo2_arm=same_arm))
    bed.monitor.cuff_is = SensorState.ON
    bed.monitor.cuff_every = 5 * MINUTE
    bed.infuse()
    bed.run(60)
    return bed


def inflate(bed: Bed, seconds: float, spo2: float | None = None) -> float:
    """Inflate the cuff from the next second on, with what the probe gives meanwhile; say when, in seconds."""
    bed.monitor.cuff_is = SensorState.MEASURING
    bed.monitor.values[Metric.SPO2] = bed.monitor.values[Metric.PULSE] = spo2
    at = bed.now / SECOND + 1
    bed.run(seconds)
    bed.monitor.cuff_is = SensorState.ON
    return at


def shown(bed: Bed, metric: Metric) -> VitalStatus:
    """Give a vital sign as people see it."""
    return next(vital for vital in vitals(bed.state, bed.now) if vital.metric is metric)


def codes(bed: Bed) -> set[str]:
    """Give every code that was raised."""
    return {event.code for _, event in bed.events(ConditionRaised)}


def test_a_cuff_every_five_minutes_is_nothing_and_is_shown() -> None:
    """Pins no alarm for 55 s without a signal, the fact on record, and the note beside the value."""
    bed = infusing()
    for _ in range(3):
        inflate(bed, 55)
        assert "cuff inflates" in shown(bed, Metric.SPO2).note
        assert "cuff inflates" in shown(bed, Metric.PULSE).note
        bed.monitor.values |= {Metric.SPO2: 97, Metric.PULSE: 70}
        bed.run(245)
        assert not shown(bed, Metric.SPO2).note
    assert not codes(bed)
    assert len(bed.events(SignalSuppressed)) == 3
    bed.check()


def test_it_ends_after_sixty_seconds_whatever_the_cuff_says() -> None:
    """Pins that a cuff that never ends hides nothing longer: missing counts from the sixtieth second on."""
    bed = infusing()
    at = inflate(bed, 200)
    assert bed.raised("spo2-missing") == [(at + 70, LOW), (at + 90, MEDIUM), (at + 120, HIGH)]
    assert not bed.stops()


def test_never_twice_running() -> None:
    """Pins that a second inflation without a value in between hides nothing, and one after a value does again."""
    bed = infusing()
    at = inflate(bed, 30)
    bed.run(2)
    inflate(bed, 30)
    assert bed.raised("spo2-missing") == [(at + 40, LOW), (at + 60, MEDIUM)]
    bed.monitor.values |= {Metric.SPO2: 97, Metric.PULSE: 70}
    bed.run(30)
    assert not bed.alarms
    inflate(bed, 50)
    assert not bed.alarms
    assert len(bed.events(SignalSuppressed)) == 2


def test_without_the_word_of_the_bed_or_of_the_device_nothing_is_suppressed() -> None:
    """Pins that it needs `cuff_on_spo2_arm` and a device that reports its cuff."""
    bed = infusing(same_arm=False)
    at = inflate(bed, 15)
    assert bed.raised("spo2-missing") == [(at + 9, LOW)]
    unsaid = infusing()
    unsaid.monitor.cuff_is = None
    unsaid.monitor.values[Metric.SPO2] = None
    unsaid.run(15)
    assert "spo2-missing" in unsaid.alarms


def test_values_under_the_cuff_are_not_judged_and_run_no_delay() -> None:
    """Pins that a low number under the cuff raises nothing, and that it counts from the end of the cuff on."""
    bed = infusing()
    at = inflate(bed, 50, spo2=84)
    assert not codes(bed)
    bed.run(7)
    assert bed.raised("spo2-low") == [(at + 50 + 5, HIGH)]


def test_a_delay_that_runs_is_paused_by_the_cuff() -> None:
    """Pins that ten seconds below before it and five after it are fifteen."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(8)  # 7 s since the first reading, and that counts for one more
    inflate(bed, 40)
    assert not codes(bed)
    bed.monitor.values |= {Metric.SPO2: 93, Metric.PULSE: 70}
    bed.run(10)
    assert [priority for _, priority in bed.raised("spo2-low")] == [MEDIUM]


def test_a_signal_that_the_cuff_takes_away_is_not_lost() -> None:
    """Pins that 89 for two seconds and then the cuff is high thirty seconds after the cuff's end, not before."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 89
    bed.run(3)
    at = inflate(bed, 45)
    bed.run(40)
    assert bed.raised("spo2-low") == [(at + 45 + 30, HIGH)]


def test_a_probe_that_says_off_under_the_cuff_is_off_only_after_it() -> None:
    """Pins the probe's own state: low ten seconds after the cuff's end."""
    bed = infusing()
    bed.monitor.off.add(Sensor.PROBE)
    at = inflate(bed, 40)
    assert not codes(bed)
    bed.run(12)
    assert bed.raised("probe-off") == [(at + 50, LOW)]


def test_the_other_oximeter_is_judged_meanwhile() -> None:
    """Pins that only the preferred probe is suppressed: one on the other hand counts, and the two don't disagree."""
    setup = replace(bed_setup(depression_40()), cuff_on_spo2_arm=True)
    setup = replace(
        setup,
        devices=(*setup.devices, DeviceSetup("second", False, False, None)),
        sources=((Metric.SPO2, ("monitor", "second")),),
    )
    bed = Bed(setup)
    bed.monitor.cuff_is = SensorState.ON
    bed.infuse()
    bed.monitor.cuff_is = SensorState.MEASURING
    bed.monitor.values[Metric.SPO2] = 80
    for _ in range(20):
        bed.run(1)
        bed.give(Observed("second", (Reading(Metric.SPO2, 93, Validity.VALID, bed.now),)))
    assert set(bed.alarms) == {"spo2-low"}
    assert bed.alarms["spo2-low"].priority is MEDIUM


def by_hand(bed: Bed, metric: Metric, value: float, ago: float = 0) -> None:
    """Enter a vital sign."""
    bed.ask(Assess((), ((metric, value),), int(ago * SECOND)))


@pytest.mark.parametrize(("rate", "priority"), [(10, None), (9, MEDIUM), (8, MEDIUM), (7, HIGH)])
def test_a_rate_by_hand_is_judged_at_once(rate: float, priority: object) -> None:
    """Pins that who counts breaths has taken the time: no delay, at the limits exactly and one below."""
    bed = infusing()
    bed.monitor.values.pop(Metric.RR)
    bed.run(6)
    by_hand(bed, Metric.RR, rate)
    found = bed.alarms.get("rr-low")
    assert (found.priority if found else None) is priority


def test_a_value_by_hand_counts_for_a_quarter_of_an_hour_and_leaves_nothing_missing() -> None:
    """Pins that a rate by hand is shown as by hand, raises no `rr-missing`, and is questionable after 15 minutes."""
    bed = Bed()
    bed.monitor.values.pop(Metric.RR)
    bed.infuse()
    by_hand(bed, Metric.RR, 14)
    bed.run(15 * 60 - 1)
    rate = shown(bed, Metric.RR)
    assert (rate.value, rate.device, rate.validity) == (14, "by-hand", Validity.VALID)
    assert "rr-missing" not in codes(bed)
    bed.run(1)
    assert shown(bed, Metric.RR).validity is Validity.QUESTIONABLE


def test_a_device_that_speaks_later_counts_before_the_hand() -> None:
    """Pins that a value by hand gives way to any later one of a device for good, and clears nothing that is later."""
    bed = infusing()
    by_hand(bed, Metric.SPO2, 98)
    bed.monitor.values[Metric.SPO2] = 89
    bed.run(20)
    assert bed.alarms["spo2-low"].priority is HIGH
    bed.monitor.values[Metric.SPO2] = None
    bed.run(15)
    assert bed.alarms["spo2-low"].present
    assert shown(bed, Metric.SPO2).device == "monitor"
    by_hand(bed, Metric.SPO2, 97)
    bed.run(11)
    assert "spo2-low" not in bed.alarms


def test_a_number_by_hand_is_no_watch() -> None:
    """Pins that SpO2 by hand neither arms a bed without an oximeter nor quiets that its signal is missing."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = None
    bed.run(35)
    by_hand(bed, Metric.SPO2, 97)
    bed.run(5)
    assert bed.alarms["spo2-missing"].priority is MEDIUM
    assert bed.now - bed.state.durable.at < MINUTE


def test_an_old_heart_rate_by_hand_does_not_hide_the_pulse() -> None:
    """Pins that the oximeter's pulse is judged though a heart rate was entered before."""
    bed = Bed()
    bed.monitor.values.pop(Metric.HR)
    bed.infuse()
    by_hand(bed, Metric.HR, 72)
    bed.monitor.values[Metric.PULSE] = 140
    bed.run(12)
    assert bed.alarms["hr-high"].priority is HIGH


def test_the_cuff_of_another_device_counts_too() -> None:
    """Pins that the device with the cuff needs not be the one with the probe."""
    setup = replace(bed_setup(depression_40()), cuff_on_spo2_arm=True)
    bed = Bed(replace(setup, devices=(*setup.devices, DeviceSetup("cuff", False, False, None))))
    bed.infuse()
    bed.monitor.values[Metric.SPO2] = None
    bed.give(Observed("cuff", (SensorReported(Sensor.CUFF, SensorState.MEASURING),)))
    for _ in range(40):
        bed.run(1)
        bed.give(Observed("cuff", (SensorReported(Sensor.CUFF, SensorState.MEASURING),)))
    assert not codes(bed)


def test_a_cuff_that_begins_while_the_patient_is_away_is_suppressed_on_the_return() -> None:
    """Pins that a cycle's cuff, begun just before the return, takes the signal for its minute though one was before."""
    bed = infusing()
    inflate(bed, 30)
    bed.pump.running = False
    bed.run(5)
    bed.ask(Away(10 * MINUTE))
    bed.run(200)
    inflate(bed, 5)
    bed.monitor.cuff_is = SensorState.MEASURING
    bed.ask(Away(0))
    bed.run(25)
    assert "not judged" in shown(bed, Metric.SPO2).note
    assert not [code for code in codes(bed) if "spo2" in code]
