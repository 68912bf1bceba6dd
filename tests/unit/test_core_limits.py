"""Limit conditions: at the limit and one step either side, delays, gaps, hysteresis, countdowns, validity, sources."""

from dataclasses import replace

import pytest

from core_bed import HELD, HIGH, LOW, MEDIUM, STOP, TELL, Bed, bed_setup, depression_40, limit, row
from infusion_gateway.model.alarm import Priority, Signal
from infusion_gateway.model.events import ConditionCleared, ConditionRaised, InstructionRefused, StopAsked
from infusion_gateway.model.inputs import DeadlineReached, Observed
from infusion_gateway.model.instructions import Acknowledge, Assess, Hold, HoldOff, Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Reading, Sensor, Validity
from infusion_gateway.model.session import DeviceSetup, LimitCondition, Phase, Side


def infusing(*conditions: LimitCondition) -> Bed:
    """Give a bed that has been infusing for a minute, held against these conditions alone where there are any."""
    protocol = depression_40()
    bed = Bed(bed_setup(replace(protocol, conditions=conditions or protocol.conditions)))
    bed.infuse()
    bed.run(60)
    return bed


def desaturated(value: float, seconds: float) -> Bed:
    """Give a bed whose SpO2 has read this for so long."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = value
    bed.run(seconds)
    return bed


@pytest.mark.requirement("S51")
@pytest.mark.parametrize(
    ("value", "seconds", "priority"),
    [
        (94, 60, None),
        (93, 15, None),  # read at 1 s: the delay is over at 16 s
        (93, 16, MEDIUM),
        (90, 60, MEDIUM),
        (89, 15, None),
        (89, 16, HIGH),
        (85, 16, HIGH),
        (84, 5, None),
        (84, 6, HIGH),
    ],
)
def test_spo2_at_its_limits_and_delays(value: float, seconds: float, priority: Priority | None) -> None:
    """Pins each row of SpO2 exactly at the limit, one below, and exactly at the end of its delay."""
    alarm = desaturated(value, seconds).alarms.get("spo2-low")
    assert (alarm.priority if alarm else None) is priority


@pytest.mark.requirement("S03")
@pytest.mark.rule("E10", "acts")
def test_the_response_is_the_rows_own() -> None:
    """Pins tell below 94, a countdown below 90, and a stop at once below 85."""
    assert desaturated(93, 120).alarms["spo2-low"].response is TELL
    assert not desaturated(93, 120).stops()
    held = desaturated(89, 35)
    assert held.alarms["spo2-low"].response is HELD
    assert not held.stops()
    held.run(1)
    assert len(held.stops()) == 1
    stopped = desaturated(84, 6)
    assert stopped.alarms["spo2-low"].response is STOP
    assert len(stopped.stops()) == 1
    stopped.run(3)
    assert stopped.phase is Phase.PAUSED
    assert stopped.events(StopAsked)[0][1].codes == ("spo2-low",)


def test_the_worst_row_stands_and_a_rise_breaks_through_an_acknowledgement() -> None:
    """Pins that medium rises to high as one condition, that the rise sounds anew, and a fall keeps quiet."""
    bed = desaturated(93, 20)
    bed.ask(Acknowledge("spo2-low"))
    assert bed.alarms["spo2-low"].signal is Signal.ACKNOWLEDGED
    since = bed.alarms["spo2-low"].since
    bed.monitor.values[Metric.SPO2] = 89
    bed.run(16)
    assert bed.alarms["spo2-low"].signal is Signal.ON
    assert bed.alarms["spo2-low"].since > since
    bed.ask(Acknowledge("spo2-low", since))
    assert bed.events(InstructionRefused)
    bed.ask(Acknowledge("spo2-low"))
    bed.monitor.values[Metric.SPO2] = 92
    bed.run(12)
    alarm = bed.alarms["spo2-low"]
    assert (alarm.priority, alarm.signal) == (MEDIUM, Signal.ACKNOWLEDGED)
    assert [p for _, p in bed.raised("spo2-low")] == [MEDIUM, HIGH, MEDIUM]


def test_it_clears_one_point_inside_after_ten_seconds_and_not_before() -> None:
    """Pins the hysteresis: at 94 it stays for ever, at 95 it clears after exactly ten seconds."""
    bed = desaturated(93, 20)
    bed.monitor.values[Metric.SPO2] = 94
    bed.run(120)
    assert bed.alarms["spo2-low"].present
    bed.monitor.values[Metric.SPO2] = 95
    bed.run(10.999)
    assert bed.alarms["spo2-low"].present
    bed.run(0.001)
    assert "spo2-low" not in bed.alarms
    assert not bed.events(ConditionCleared)[-1][1].latched
    bed.check()


def test_a_valid_value_inside_resets_the_delay() -> None:
    """Pins that fourteen seconds below, one reading at the limit, and fifteen less a moment below raise nothing."""
    bed = desaturated(93, 14)
    bed.monitor.values[Metric.SPO2] = 94
    bed.run(1)
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(15.999)
    assert "spo2-low" not in bed.alarms
    bed.run(0.001)
    assert "spo2-low" in bed.alarms


def test_a_gap_pauses_the_delay_and_does_not_reset_it() -> None:
    """Pins that the delay goes on after a probe-off of ten seconds where it stood."""
    bed = desaturated(93, 10)  # 9 s since the first reading below
    bed.monitor.values[Metric.SPO2] = None
    bed.run(10)
    assert "spo2-low" not in bed.alarms
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(1)
    assert "spo2-low" not in bed.alarms
    bed.run(6)
    assert bed.alarms["spo2-low"].priority is MEDIUM


def test_a_value_counts_for_five_seconds_though_nothing_comes() -> None:
    """Pins that a delay is over on time without data, by deadlines alone, as long as the last value is of use."""
    bed = desaturated(93, 12)  # 11 s gone at the last reading
    bed.monitor.mute = True
    bed.run(5)
    at, priority = bed.raised("spo2-low")[-1]
    assert priority is MEDIUM
    assert at == bed.now / SECOND - 1
    late = desaturated(93, 10)  # 9 s gone: the value ages before the delay is over
    late.monitor.mute = True
    late.run(20)
    assert "spo2-low" not in late.alarms


def test_a_signal_lost_while_outside_a_high_limit_is_that_limit() -> None:
    """Pins that SpO2 at 89 for two seconds and then no signal for thirty is high, counted down as that limit."""
    bed = desaturated(89, 3)
    bed.monitor.values[Metric.SPO2] = None
    bed.run(29)
    assert "spo2-low" not in bed.alarms
    bed.run(1)
    alarm = bed.alarms["spo2-low"]
    assert (alarm.priority, alarm.response) == (HIGH, HELD)
    assert "no usable signal" in alarm.text
    mild = desaturated(93, 3)
    mild.monitor.values[Metric.SPO2] = None
    mild.run(55)
    assert "spo2-low" not in mild.alarms


def test_questionable_values_come_to_medium_at_most_and_clear_nothing() -> None:
    """Pins that a questionable 80 percent is medium and never stops, and that a questionable 98 clears nothing."""
    bed = infusing()
    bed.monitor.validity[Metric.SPO2] = Validity.QUESTIONABLE
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(120)
    alarm = bed.alarms["spo2-low"]
    assert (alarm.priority, alarm.response) == (MEDIUM, TELL)
    assert not bed.stops()
    bed.monitor.values[Metric.SPO2] = 98
    bed.run(120)
    assert bed.alarms["spo2-low"].present
    bed.monitor.validity.clear()
    bed.run(12)
    assert "spo2-low" not in bed.alarms


def test_a_gap_begins_with_the_first_reading_that_is_no_value() -> None:
    """Pins 4 valid seconds at 84 and then invalid readings: the last value runs on no delay, though it is young."""
    bed = desaturated(84, 4)
    bed.monitor.values[Metric.SPO2] = None
    bed.run(10)
    assert not bed.stops()
    bed.monitor.values[Metric.SPO2] = 84
    bed.run(1)
    assert not bed.stops()
    bed.run(1)
    assert len(bed.stops()) == 1


@pytest.mark.parametrize("validity", [Validity.VALID, Validity.QUESTIONABLE])
def test_a_value_that_is_back_at_the_deadline_raises_nothing(validity: Validity) -> None:
    """Pins that a reading inside, in the very instant in which a delay ends, comes before what that would raise."""
    bed = desaturated(93, 15)
    bed.now += SECOND
    bed.give(Observed("monitor", (Reading(Metric.SPO2, 97, validity, bed.now),)))
    assert not bed.alarms
    bed.give(Observed("monitor", (Reading(Metric.SPO2, 93, Validity.VALID, bed.now),)))
    assert ("spo2-low" in bed.alarms) is (validity is Validity.QUESTIONABLE)  # doubted, it reset nothing


def test_questionable_values_wait_as_long_as_medium_does() -> None:
    """Pins that a doubted 80 percent is told after the 15 s of SpO2 below 94, not the 5 s of a stop below 85."""
    bed = infusing()
    bed.monitor.validity[Metric.SPO2] = Validity.QUESTIONABLE
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(15.999)
    assert not bed.alarms
    bed.run(0.001)
    assert (bed.alarms["spo2-low"].priority, bed.alarms["spo2-low"].limit) == (MEDIUM, 94)


def test_seconds_that_were_doubted_do_not_hasten_what_valid_ones_raise() -> None:
    """Pins 10 s at a doubted 80, then valid ones: the stop below 85 comes by its own 5 valid seconds."""
    bed = infusing()
    bed.monitor.validity[Metric.SPO2] = Validity.QUESTIONABLE
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(10)
    bed.monitor.validity.clear()
    bed.run(5.999)
    assert not bed.stops()
    bed.run(0.001)
    assert len(bed.stops()) == 1


def test_questionable_values_without_a_medium_row_wait_as_the_high_one() -> None:
    """Pins a condition of one high row of 5 s: a doubted value past it is medium after those 5 s."""
    protocol = depression_40()
    only = limit("spo2-low", (Metric.SPO2,), Side.LOW, row(85, HIGH, 5, STOP))
    bed = Bed(bed_setup(replace(protocol, conditions=(only,))))
    bed.infuse()
    bed.monitor.validity[Metric.SPO2] = Validity.QUESTIONABLE
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(5.999)
    assert not bed.alarms
    bed.run(0.001)
    assert bed.alarms["spo2-low"].priority is MEDIUM
    assert not bed.stops()


def test_questionable_values_do_not_run_the_delay_of_a_stop() -> None:
    """Pins that valid seconds alone are counted towards the stop below 85."""
    bed = desaturated(84, 3)
    bed.monitor.validity[Metric.SPO2] = Validity.QUESTIONABLE
    bed.run(10)
    assert not bed.stops()
    bed.monitor.validity.clear()
    bed.run(2)
    assert not bed.stops()
    bed.run(2)
    assert len(bed.stops()) == 1


def test_a_questionable_value_inside_does_not_reset_a_delay() -> None:
    """Pins that five questionable seconds at 97 in between leave the delay of valid ones where it stood."""
    bed = desaturated(93, 10)
    bed.monitor.values[Metric.SPO2], bed.monitor.validity[Metric.SPO2] = 97, Validity.QUESTIONABLE
    bed.run(5)
    bed.monitor.values[Metric.SPO2] = 93
    bed.monitor.validity.clear()
    bed.run(7)
    assert bed.alarms["spo2-low"].priority is MEDIUM


def test_an_impossible_value_is_no_value() -> None:
    """Pins that SpO2 of 0 or 127, or not a number, is neither in nor out of any limit."""
    for value in (0.0, 127.0, float("nan")):
        bed = desaturated(value, 9)
        assert not bed.alarms
        assert not bed.stops()


@pytest.mark.requirement("S51")
def test_a_stop_is_held_off_once_for_two_minutes() -> None:
    """Pins the countdown of twenty seconds, one hold-off of two minutes, the refusal of a second, and the stop."""
    bed = desaturated(89, 20)
    ends = bed.alarms["spo2-low"].countdown_ends
    assert ends is not None
    assert ends == int(bed.raised("spo2-low")[-1][0] * SECOND) + 20 * SECOND
    bed.ask(HoldOff("spo2-low", "I am with the patient"))
    held = bed.now
    bed.ask(HoldOff("spo2-low", "again"))
    assert "once" in bed.events(InstructionRefused)[-1][1].reason
    bed.run(119.999)
    assert not bed.stops()
    bed.run(0.001)
    assert bed.stops() == [(held + 2 * MINUTE) / SECOND]


def test_a_pause_by_hand_earns_no_second_hold_off() -> None:
    """Pins that who pauses and restarts the pump finds the countdown begun anew, and can't hold it off again."""
    bed = desaturated(89, 20)
    bed.ask(HoldOff("spo2-low", "I am with the patient"))
    bed.pump.running = False
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    bed.run(2 * 60)
    assert not bed.stops()
    bed.pump.running = True
    bed.run(3)
    assert bed.phase is Phase.INFUSING
    assert bed.alarms["spo2-low"].countdown_ends is not None
    bed.ask(HoldOff("spo2-low", "again"))
    assert "once" in bed.events(InstructionRefused)[-1][1].reason
    bed.run(20)
    assert bed.stops()
    bed.check()


def test_a_worse_row_is_not_held_off() -> None:
    """Pins that below 85 the pump is stopped, held off or not."""
    bed = desaturated(89, 20)
    bed.ask(HoldOff("spo2-low", "I am with the patient"))
    bed.monitor.values[Metric.SPO2] = 84
    bed.run(7)
    assert len(bed.stops()) >= 1


@pytest.mark.rule("E10", "leaves alone")
def test_a_countdown_ends_with_its_condition() -> None:
    """Pins that a value back inside before the countdown is over stops nothing."""
    bed = desaturated(89, 17)
    bed.monitor.values[Metric.SPO2] = 96
    bed.run(60)
    assert not bed.stops()
    assert not bed.alarms


def test_hold_off_is_refused_where_nothing_is_counted_down() -> None:
    """Pins the refusal in words for a condition that isn't there, or doesn't count down."""
    bed = desaturated(93, 20)
    for code in ("spo2-low", "none-such"):
        bed.ask(HoldOff(code, ""))
        assert "counted down" in bed.events(InstructionRefused)[-1][1].reason


def test_a_first_pressure_asks_for_a_second_and_the_second_confirms() -> None:
    """Pins 180 once: medium; 180 twice: high with a countdown; the same reading polled for a minute is one reading."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 180)
    bed.run(60)
    assert bed.alarms["nibp-sys-high"].priority is MEDIUM
    bed.monitor.cuff(bed.now, 180)
    bed.run(1)
    alarm = bed.alarms["nibp-sys-high"]
    assert (alarm.priority, alarm.response) == (HIGH, HELD)


def test_a_pressure_that_nobody_repeats_is_confirmed_by_time() -> None:
    """Pins high at exactly three minutes after the measurement without a new one, though nothing else comes."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 185)
    at = bed.now / SECOND
    bed.run(1)
    bed.monitor.mute = True
    bed.run(179)
    assert bed.raised("nibp-sys-high")[-1] == (at + 180, HIGH)


def test_a_symptom_confirms_a_first_pressure() -> None:
    """Pins that dizziness entered after the reading makes it high at once, and a score of nothing does not."""
    for score, priority in ((0.0, MEDIUM), (3.0, HIGH)):
        bed = infusing()
        bed.monitor.cuff(bed.now, 185)
        bed.run(5)
        bed.ask(Assess(((Score.DIZZINESS, score),), (), 0))
        assert bed.alarms["nibp-sys-high"].priority is priority


def test_the_next_pressure_inside_takes_it_back() -> None:
    """Pins that 185 followed by 140 clears, and 185, 140, 185 asks for another again."""
    bed = infusing()
    for systolic, priority in ((185, MEDIUM), (140, None), (185, MEDIUM)):
        bed.monitor.cuff(bed.now, systolic)
        bed.run(60)
        alarm = bed.alarms.get("nibp-sys-high")
        assert (alarm.priority if alarm else None) is priority


def test_a_limit_over_baseline_needs_a_baseline() -> None:
    """Pins baseline + 30, inclusive: 150 over 120 is medium, 149 is nothing, and without a baseline neither is."""
    for base, systolic, raised in ((120, 150, True), (120, 149, False), (None, 150, False)):
        bed = Bed()
        bed.run(2)
        if base is not None:
            bed.monitor.cuff(bed.now, base)
        bed.infuse()
        bed.monitor.cuff(bed.now, systolic)
        bed.run(2)
        assert ("nibp-sys-high" in bed.alarms) is raised


def test_an_acknowledged_pressure_sounds_again_when_worse_or_late() -> None:
    """Pins that 9 mmHg more stays quiet, 10 sounds, and so does a quarter of an hour."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 165)
    bed.run(5)
    bed.ask(Acknowledge("nibp-sys-high"))
    for systolic, signal in ((174, Signal.ACKNOWLEDGED), (175, Signal.ON)):
        bed.monitor.cuff(bed.now, systolic)
        bed.run(5)
        assert bed.alarms["nibp-sys-high"].signal is signal
    bed.ask(Acknowledge("nibp-sys-high"))
    bed.run(15 * 60 - 1)
    assert bed.alarms["nibp-sys-high"].signal is Signal.ACKNOWLEDGED
    bed.run(1)
    assert bed.alarms["nibp-sys-high"].signal is Signal.ON


def test_a_value_by_hand_counts_like_any_other() -> None:
    """Pins that a pressure entered by a person raises the condition, and its age runs from the measurement."""
    bed = infusing()
    bed.ask(Assess((), ((Metric.NIBP_SYS, 185.0),), 30 * SECOND))
    assert bed.alarms["nibp-sys-high"].priority is MEDIUM
    bed.ask(Assess((), ((Metric.NIBP_SYS, 186.0),), 0))
    assert bed.alarms["nibp-sys-high"].priority is HIGH


def test_the_first_metric_with_a_current_value_counts() -> None:
    """Pins heart rate before pulse: the pulse is judged once the leads give nothing."""
    bed = infusing()
    bed.monitor.values[Metric.PULSE] = 140
    bed.run(30)
    assert "hr-high" not in bed.alarms
    bed.monitor.values[Metric.HR] = None
    bed.run(18)
    assert bed.alarms["hr-high"].priority is HIGH


def two_oximeters() -> Bed:
    """Give an infusing bed with a second oximeter, the first preferred."""
    setup = bed_setup(depression_40())
    devices = (*setup.devices, DeviceSetup("second", False, False, None))
    return Bed(replace(setup, devices=devices, sources=((Metric.SPO2, ("second", "monitor")),)))


def test_the_preferred_source_counts_and_the_other_stands_in() -> None:
    """Pins the bed's order of preference, and that the next source is used when the first is silent."""
    bed = two_oximeters()
    bed.infuse()
    bed.monitor.values[Metric.SPO2] = 91
    for _ in range(30):
        bed.give(Observed("second", (Reading(Metric.SPO2, 98, Validity.VALID, bed.now),)))
        bed.run(1)
    assert "spo2-low" not in bed.alarms
    bed.run(25)
    assert bed.alarms["spo2-low"].priority is MEDIUM


def test_a_source_is_not_switched_during_a_pending_delay() -> None:
    """Pins that the other oximeter's 98 doesn't reset what the preferred one began, until that is lost for good."""
    bed = two_oximeters()
    bed.infuse()
    for _ in range(10):
        bed.give(Observed("second", (Reading(Metric.SPO2, 89, Validity.VALID, bed.now),)))
        bed.run(1)
    bed.run(28)
    assert "spo2-low" not in bed.alarms
    bed.run(2)
    assert bed.alarms["spo2-low"].priority is HIGH
    assert "was below the limit of 90" in bed.alarms["spo2-low"].text
    bed.run(12)
    assert "spo2-low" not in bed.alarms
    assert not bed.stops()


def test_a_condition_is_watched_only_in_its_phases() -> None:
    """Pins that one for infusing alone is dropped when paused and begins anew when infusing again."""
    only = replace(
        limit("hr-high", (Metric.HR,), Side.HIGH, row(110, MEDIUM, 15, TELL)), phases=frozenset({Phase.INFUSING})
    )
    bed = infusing(only)
    bed.monitor.values[Metric.HR] = 120
    bed.run(20)
    assert "hr-high" in bed.alarms
    bed.ask(Hold("toilet"))
    bed.run(5)
    assert "hr-high" not in bed.alarms


def test_a_latching_condition_stays_until_acknowledged() -> None:
    """Pins that its signal is latched after its end, that it returns as a new alarm, and goes with acknowledging."""
    latching = replace(limit("hr-high", (Metric.HR,), Side.HIGH, row(110, MEDIUM, 5, TELL)), latching=True)
    bed = infusing(latching)
    for _ in range(2):
        bed.monitor.values[Metric.HR] = 120
        bed.run(8)
        assert bed.alarms["hr-high"].signal is Signal.ON
        bed.monitor.values[Metric.HR] = 80
        bed.run(8)
        assert bed.alarms["hr-high"].signal is Signal.LATCHED
        bed.run(100)
        assert not bed.alarms["hr-high"].present
    bed.ask(Acknowledge("hr-high"))
    assert not bed.alarms
    assert len(bed.raised("hr-high")) == 2


def test_a_late_step_still_raises_what_had_become_true() -> None:
    """Pins that a step that comes late counts the time of the old value before it looks at the new one."""
    bed = desaturated(93, 15)
    bed.now += 2 * SECOND
    bed.give(Observed("monitor", (Reading(Metric.SPO2, 98, Validity.VALID, bed.now),)))
    assert [priority for _, priority in bed.raised("spo2-low")] == [MEDIUM]


def test_stepping_at_a_deadline_twice_changes_nothing() -> None:
    """Pins that a second step at the same instant decides nothing new, and that a step leaves its old state alone."""
    bed = desaturated(93, 16)
    before = bed.state
    copy = (before.durable, before.live.copied())
    assert not bed.give(DeadlineReached()).events
    bed.now += SECOND
    bed.tick()
    assert (before.durable, before.live) == copy


def test_a_source_lost_and_a_probe_off_cause_no_stop() -> None:
    """Pins that a probe that comes off a well patient is told and stops nothing, however long."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = bed.monitor.values[Metric.PULSE] = None
    bed.monitor.off.add(Sensor.PROBE)
    bed.run(300)
    assert not bed.stops()
    assert [p for _, p in bed.raised("probe-off")] == [LOW, MEDIUM, HIGH]
    assert {event.code for _, event in bed.events(ConditionRaised)} == {"probe-off"}


def test_two_sources_that_disagree_are_both_questionable() -> None:
    """Pins that 5 points apart for ten seconds is low and stops nothing more, and that 4 points are agreement."""
    for apart, disputed in ((4, False), (5, True)):
        bed = two_oximeters()
        bed.infuse()
        for _ in range(40):
            bed.give(Observed("second", (Reading(Metric.SPO2, 89, Validity.VALID, bed.now),)))
            bed.monitor.values[Metric.SPO2] = 89 + apart
            bed.run(1)
        assert ("spo2-disagree" in bed.alarms) is disputed
        assert bed.alarms["spo2-low"].priority is (MEDIUM if disputed else HIGH)
        assert bool(bed.stops()) is not disputed
    bed.monitor.mute = True
    bed.run(6)
    assert "spo2-disagree" not in bed.alarms


@pytest.mark.parametrize(("other", "said"), [(97, "; monitor shows 97, look at both sensors"), (87, "")])
def test_a_stop_stands_where_another_source_says_otherwise_and_says_so(other: float, said: str) -> None:
    """Pins that the preferred source stops the pump before it is doubted, and its alarm names what else is seen."""
    bed = two_oximeters()
    bed.infuse()
    bed.monitor.values[Metric.SPO2] = other
    for _ in range(7):
        bed.give(Observed("second", (Reading(Metric.SPO2, 84, Validity.VALID, bed.now),)))
        bed.run(1)
    assert bed.stops()
    text = bed.alarms["spo2-low"].text
    assert f"SpO2 84 %, below the limit of 85 %{said}. Look." in text


def test_a_countdown_is_of_an_infusion() -> None:
    """Pins that what would be counted down isn't while paused by hand, and is from the start by hand on."""
    bed = infusing()
    bed.pump.running = False
    bed.run(3)
    bed.monitor.values[Metric.SPO2] = 89
    bed.run(30)
    assert bed.alarms["spo2-low"].response is HELD
    assert bed.alarms["spo2-low"].countdown_ends is None
    bed.pump.running = True
    bed.run(2)
    assert bed.alarms["spo2-low"].countdown_ends == bed.now + 20 * SECOND
    bed.run(19)
    assert not bed.stops()
    bed.run(1)
    assert len(bed.stops()) == 1
