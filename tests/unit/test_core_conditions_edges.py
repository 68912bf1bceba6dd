"""Limit conditions at their edges: the instant of a deadline, another phase, a hand beside the cuff, a low row."""

from dataclasses import replace

from core_bed import HELD, HIGH, LOW, MEDIUM, STOP, TELL, Bed, bed_setup, depression_40, limit, row
from infusion_gateway.core.conditions import timer_of
from infusion_gateway.model.alarm import Priority, Signal
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.instructions import Acknowledge, Assess, Hold, Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Reading, Validity
from infusion_gateway.model.session import LimitCondition, Phase, Side

SPO2, SYS = (Metric.SPO2,), (Metric.NIBP_SYS,)
PRESSURE = limit(
    "nibp-sys-high",
    SYS,
    Side.HIGH,
    row(160, MEDIUM, 0, TELL),
    row(180, HIGH, 0, HELD, confirm_within=3 * MINUTE),
    clear_by=10,
    inclusive=True,
)
LASTING = 10 * SECOND


def infusing(*conditions: LimitCondition) -> Bed:
    """Give a bed with these conditions alone that has just begun to infuse."""
    bed = Bed(bed_setup(replace(depression_40(), conditions=conditions)))
    bed.infuse()
    return bed


def measure(bed: Bed, systolic: float) -> None:
    """Complete a measurement, and see it read."""
    bed.monitor.cuff(bed.now, systolic)
    bed.run(1)


def told(bed: Bed, code: str = "nibp-sys-high") -> Priority | None:
    """Say how urgent a condition is, None where it isn't raised."""
    alarm = bed.alarms.get(code)
    return alarm.priority if alarm is not None else None


def test_a_reading_back_inside_comes_before_the_delay_that_ends_with_it() -> None:
    """Pins that 97 read in the very instant in which 3 s below 94 are over raises nothing; 93 then raises."""
    for value, raised in ((97, False), (93, True)):
        bed = infusing(limit("spo2-low", SPO2, Side.LOW, row(94, MEDIUM, 3, TELL), clear_after=LASTING))
        bed.monitor.values[Metric.SPO2] = 93
        bed.run(3)
        bed.now += SECOND
        bed.give(Observed("monitor", (Reading(Metric.SPO2, value, Validity.VALID, bed.now),)))
        assert ("spo2-low" in bed.alarms) is raised


def test_a_condition_of_the_same_name_in_another_phase_begins_its_delay_anew() -> None:
    """Pins that seconds under the limit of one phase are none under the other's, though code and rows are alike."""
    while_on = replace(limit("spo2-low", SPO2, Side.LOW, row(94, MEDIUM, 6, TELL)), phases=frozenset({Phase.INFUSING}))
    bed = infusing(while_on, replace(while_on, phases=frozenset({Phase.PAUSED})))
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(4)
    bed.ask(Hold("toilet"))
    bed.run(2)
    paused = bed.state.durable.phase_since
    bed.run(8)
    assert bed.phase is Phase.PAUSED
    assert bed.raised("spo2-low") == [(paused / SECOND + 6, MEDIUM)]


def test_a_low_row_is_told_and_only_after_its_delay() -> None:
    """Pins that a condition of one low row is nothing at first, and is raised as low when its delay is over."""
    bed = infusing(limit("spo2-low", SPO2, Side.LOW, row(94, LOW, 3, TELL), clear_after=LASTING))
    assert not bed.alarms
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(3)
    assert not bed.alarms
    bed.run(1)
    assert told(bed, "spo2-low") is LOW


def test_a_pressure_by_hand_takes_the_cuffs_first_one_back() -> None:
    """Pins that what a person measures while the cuff's 185 waits to be repeated is the next reading."""
    bed = infusing(PRESSURE)
    measure(bed, 185)
    assert told(bed) is MEDIUM
    bed.ask(Assess((), ((Metric.NIBP_SYS, 140.0),), 0))
    assert told(bed) is None


def test_a_symptom_in_the_instant_of_the_measurement_confirms_it() -> None:
    """Pins that dizziness noted as the cuff ends counts for that reading; of a second before it doesn't."""
    for before, priority in ((0, HIGH), (1, MEDIUM)):
        bed = infusing(PRESSURE)
        bed.ask(Assess(((Score.DIZZINESS, 3.0),), (), 0))
        bed.run(before)
        bed.monitor.cuff(bed.now, 185)
        bed.tick()
        assert told(bed) is priority


def test_an_unconfirmed_pressure_is_taken_back_by_any_reading_inside_and_a_confirmed_one_is_not() -> None:
    """Pins 185 then 178: medium by the row of 160 without a word of repeating; 185 twice stays high down to 171."""
    bed = infusing(PRESSURE)
    measure(bed, 185)
    assert "repeat the cuff" in bed.alarms["nibp-sys-high"].text
    measure(bed, 178)
    assert told(bed) is MEDIUM
    assert "repeat the cuff" not in bed.alarms["nibp-sys-high"].text
    bed = infusing(PRESSURE)
    for systolic, priority in ((185, MEDIUM), (185, HIGH), (171, HIGH), (170, MEDIUM), (150, None)):
        measure(bed, systolic)
        assert told(bed) is priority


def test_an_acknowledged_pressure_that_is_nearly_over_does_not_sound_again() -> None:
    """Pins that at 155, not yet 10 inside the limit of 160, a quarter of an hour passes without a sound."""
    bed = infusing(PRESSURE)
    measure(bed, 165)
    bed.ask(Acknowledge("nibp-sys-high"))
    bed.run(5)
    measure(bed, 155)
    bed.now += 15 * MINUTE
    bed.tick()
    alarm = bed.alarms["nibp-sys-high"]
    assert alarm.signal is Signal.ACKNOWLEDGED


def test_a_delay_that_ends_as_its_last_value_grows_old_is_over_in_that_instant() -> None:
    """Pins a stop at 4 s below 85 where the value was a second old when it came, and nothing came after it."""
    bed = infusing(limit("spo2-low", SPO2, Side.LOW, row(85, HIGH, 4, STOP)))
    bed.give(Observed("monitor", (Reading(Metric.SPO2, 80, Validity.VALID, bed.now - SECOND),)))
    at = bed.now
    bed.monitor.mute = True
    bed.run(10)
    assert bed.raised("spo2-low") == [(at / SECOND + 4, HIGH)]


def test_a_rate_by_hand_that_is_well_counts_for_a_quarter_of_an_hour() -> None:
    """Pins until when the last look at a group that is calm counts: by a hand longer than by a device."""
    condition = limit("rr-low", (Metric.RR,), Side.LOW, row(10, MEDIUM, 30, TELL))
    bed = Bed(bed_setup(replace(depression_40(), conditions=(condition,))))
    bed.monitor.values[Metric.RR] = None
    bed.infuse()
    for _ in range(2):
        bed.run(1)
        bed.ask(Assess((), ((Metric.RR, 14.0),), 0))
    timer = timer_of(bed.state.live, "rr-low")
    assert timer is not None
    assert timer.until == bed.now + 15 * MINUTE
