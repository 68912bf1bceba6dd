"""Rare turns: what seldom meets, such as a counter that is reset while armed, or a rate told as doubtful alone."""

from dataclasses import replace

import pytest

from core_bed import HELD, HIGH, Bed, Pump, bed_setup, depression_40
from infusion_gateway.core.sources import choose
from infusion_gateway.model.alarm import Response
from infusion_gateway.model.commands import SetDeadMan
from infusion_gateway.model.events import ConditionRaised, InfusionStarted, InstructionAccepted, StopAsked
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.instructions import Acknowledge, Assess, Disarm, End
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.observation import Reading, SensorState, Validity
from infusion_gateway.model.session import Phase


def infusing(bed: Bed | None = None) -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = bed if bed is not None else Bed()
    bed.infuse()
    bed.run(58)
    return bed


def test_a_counter_that_is_reset_while_armed_counts_from_there() -> None:
    """Pins that a new syringe's counter, lower than at arming, is where the volume of the session begins."""
    bed = Bed()
    bed.pump.counter = 5.0
    bed.arm()
    bed.pump.counter = 1.0
    bed.run(3)
    bed.pump.running = True
    bed.run(30)
    [(_, event)] = bed.events(InfusionStarted)
    assert event.volume_ml == 1.0
    assert bed.session.volume_ml == pytest.approx(bed.pump.counter - 1.0, abs=0.002)


def test_a_rate_that_the_pump_does_not_know_is_not_zero() -> None:
    """Pins that an invalid rate leaves the last one known, and that nothing is decided by it."""
    bed = infusing()
    done = bed.give(Observed("pump", (Reading(Metric.RATE, None, Validity.INVALID, bed.now),)))
    assert not done.events
    assert bed.state.live.pump.rate_ml_h == 52.5


def test_a_doubtful_rate_of_breathing_is_neither_breath_nor_none() -> None:
    """Pins that a questionable respiratory rate other than zero ends no apnoea and begins none."""
    bed = Bed()
    bed.monitor.values[Metric.ETCO2] = 38.0
    infusing(bed)
    bed.monitor.values.update({Metric.ETCO2: None, Metric.RR: 14.0})
    bed.monitor.validity[Metric.RR] = Validity.QUESTIONABLE
    bed.run(60)
    assert not bed.raised("apnoea")
    bed.monitor.values[Metric.RR] = 0.0
    bed.monitor.validity.clear()
    bed.run(21)
    assert bed.raised("apnoea")
    bed.monitor.values[Metric.RR] = 14.0
    bed.monitor.validity[Metric.RR] = Validity.QUESTIONABLE
    bed.run(15)
    assert bed.alarms["apnoea"].present


def test_of_two_values_by_hand_the_first_metric_counts() -> None:
    """Pins that where a condition takes either of two metrics, both by hand, the preferred one is judged."""
    bed = infusing()
    bed.monitor.mute = True
    bed.run(20)
    bed.ask(Assess((), ((Metric.PULSE, 61.0), (Metric.HR, 62.0)), 0))
    found = choose(bed.state.sources, bed.state.live, (Metric.HR, Metric.PULSE), bed.now)
    assert found is not None
    assert (found[0], found[1].value) == ((Metric.HR, "by-hand"), 62.0)


def test_a_pump_without_a_counter_that_delivers_after_the_end() -> None:
    """Pins that a pump that tells no volume is stopped again by its word alone, in words that say so."""
    bed = infusing(Bed(pump=Pump(counted=False)))
    bed.ask(End("enough"))
    bed.run(20)
    assert bed.phase is Phase.COMPLETED  # without a counter, zero flow is not confirmed for good
    bed.pump.running = True
    bed.run(3)
    event = bed.events(StopAsked)[-1][1]
    assert event.reason == "Delivering after the stop: the pump delivers again after the session's end"
    assert "delivering-after-stop" in bed.alarms


def test_spo2_gone_for_good_may_want_more_than_telling() -> None:
    """Pins a protocol that counts a stop down when no device has given SpO2 for a minute; by hand is no watch."""
    bed = infusing(Bed(bed_setup(replace(depression_40(), spo2_lost=HELD))))
    bed.monitor.values[Metric.SPO2] = None
    bed.run(30)
    bed.ask(Assess((), ((Metric.SPO2, 97.0),), 0))
    lost = bed.now - 30 * 10**9
    bed.run(40)
    [(at, event)] = [(at, e) for at, e in bed.events(ConditionRaised) if e.code == "spo2-lost"]
    assert (event.priority, event.response) == (HIGH, Response.STOP_UNLESS_HELD)
    assert event.reason == "No SpO2 from any device for 1 min. Put a probe on; watch the patient"
    assert at - lost == pytest.approx(64 * 10**9, abs=6 * 10**9)
    bed.monitor.values[Metric.SPO2] = 97.0
    bed.run(2)
    assert not bed.alarms.get("spo2-lost") or not bed.alarms["spo2-lost"].present


def test_a_counted_down_stop_is_not_begun_anew_by_a_worse_value() -> None:
    """Pins that a pressure that sounds again after its acknowledgement keeps the end of its countdown."""
    bed = infusing()
    for systolic in (185, 186):
        bed.monitor.cuff(bed.now, systolic)
        bed.run(2)
    ends = bed.alarms["nibp-sys-high"].countdown_ends
    assert ends is not None
    bed.ask(Acknowledge("nibp-sys-high"))
    bed.monitor.cuff(bed.now, 199)
    bed.run(2)
    alarm = bed.alarms["nibp-sys-high"]
    assert (alarm.acknowledged_by, alarm.countdown_ends) == (None, ends)


def test_an_alarm_recorded_without_its_value_sounds_anew_by_time_alone() -> None:
    """Pins that where an old record holds no value, nothing is worse than it: fifteen minutes alone renew it."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 165)
    bed.run(2)
    bed.ask(Acknowledge("nibp-sys-high"))
    known = bed.state.durable.conditions["nibp-sys-high"]
    bare = replace(known, value=None, acknowledged_value=None)
    bed.state = replace(bed.state, durable=replace(bed.state.durable, conditions={"nibp-sys-high": bare}))
    bed.monitor.cuff(bed.now, 178)
    bed.run(2)
    assert bed.alarms["nibp-sys-high"].acknowledged_by == "nurse-1"


def test_a_pending_delay_waits_while_its_probe_is_suppressed() -> None:
    """Pins that a delay that runs on one probe neither ends nor moves to another source while the cuff inflates."""
    bed = Bed(replace(bed_setup(depression_40()), cuff_on_spo2_arm=True))
    bed.monitor.cuff_is = SensorState.ON
    infusing(bed)
    bed.monitor.values[Metric.SPO2] = 93.0
    bed.run(10)
    bed.monitor.cuff_is = SensorState.MEASURING
    bed.run(30)
    assert not bed.raised("spo2-low")
    bed.monitor.cuff_is = SensorState.ON
    bed.run(8)
    assert bed.raised("spo2-low")


def test_a_pump_started_after_the_machine_was_is_stopped() -> None:
    """Pins that a restart of the machine ends a confirmation, and what is said of a pump that then runs."""
    bed = Bed()
    bed.arm()
    bed.now += 600 * 10**9
    bed.moved = bed.now
    bed.crash(same_boot=False)
    bed.pump.running = True
    bed.run(4)
    event = bed.events(StopAsked)[0][1]
    said = "The pump delivers under an order whose confirmation stands no more. A new baseline is needed"
    assert event.reason == said
    assert (event.by, event.codes, event.then) == ("", ("confirmation-lapsed",), Phase.PAUSED)
    assert bed.alarms["confirmation-lapsed"].text == f"{said}. Look at pump and patient"


def test_a_dead_man_is_taken_off_without_a_word_of_why() -> None:
    """Pins the answer, and what the pump is asked, where a person gives no reason."""
    bed = infusing()
    done = bed.ask(Disarm(""))
    [taken] = [event for event in done.events if isinstance(event, InstructionAccepted)]
    assert taken.reason == "the dead man is taken off"
    assert SetDeadMan("pump", 0, "taken off by nurse-1") in done.commands
