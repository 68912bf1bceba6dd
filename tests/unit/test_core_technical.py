"""Technical conditions: one a cause, rising with age, told and never latched; what can't be told or recorded."""

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed
from infusion_gateway.model.alarm import AlarmKind, Response
from infusion_gateway.model.events import ConditionCleared, ConditionRaised, SupervisionChanged
from infusion_gateway.model.inputs import (
    BrokerChanged,
    ClockJumped,
    DeadlineReached,
    Faulted,
    JournalChanged,
    LinkLost,
    LinkOpened,
)
from infusion_gateway.model.instructions import Hold, Stop
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind, Sensor
from infusion_gateway.model.session import Phase, Supervision


def infusing() -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    return bed


def test_a_silent_monitor_is_one_condition_that_rises_with_its_age() -> None:
    """Pins low at 10 s, medium at 30, high at 60 since the last word, exactly; no flood of stale values; no stop."""
    bed = infusing()
    bed.monitor.mute = True
    at = bed.now / SECOND
    bed.run(300)
    assert bed.raised("monitor-silent") == [(at + 10, LOW), (at + 30, MEDIUM), (at + 60, HIGH)]
    assert set(bed.alarms) == {"monitor-silent"}
    assert bed.alarms["monitor-silent"].response is Response.TELL
    assert not bed.stops()
    bed.monitor.mute = False
    bed.run(2)
    assert not bed.alarms
    assert not bed.events(ConditionCleared)[-1][1].latched


def test_a_pause_shorter_than_ten_seconds_is_nothing() -> None:
    """Pins that a cable nudged for three seconds, with nine seconds of silence in all, raises nothing."""
    bed = infusing()
    bed.give(LinkLost("monitor", "unplugged"))
    bed.monitor.mute = True
    bed.run(3)
    bed.give(LinkOpened("monitor"))
    bed.run(5)
    bed.monitor.mute = False
    bed.run(10)
    assert not bed.events(ConditionRaised)


def test_a_lost_line_is_told_by_its_own_name() -> None:
    """Pins `monitor-link-lost` in place of silence, its age running from the last word."""
    bed = infusing()
    bed.monitor.mute = True
    at = bed.now / SECOND
    bed.run(4)
    bed.give(LinkLost("monitor", "unplugged"))
    bed.run(8)
    assert bed.raised("monitor-link-lost") == [(at + 10, LOW)]
    assert set(bed.alarms) == {"monitor-link-lost"}
    assert "unplugged" in bed.alarms["monitor-link-lost"].text


def test_a_probe_off_stands_for_what_it_measures_and_leads_for_theirs() -> None:
    """Pins one condition a sensor, and that the metrics of the other sensor are still judged."""
    bed = infusing()
    bed.monitor.off.add(Sensor.PROBE)
    bed.monitor.values[Metric.SPO2] = bed.monitor.values[Metric.PULSE] = None
    bed.run(30)
    assert set(bed.alarms) == {"probe-off"}
    bed.monitor.values[Metric.RR] = None
    bed.run(30)
    assert set(bed.alarms) == {"probe-off", "rr-missing"}


def test_a_missing_value_without_a_cause_is_told_by_its_metric() -> None:
    """Pins `spo2-missing` where the probe is said to be on, from the age of the last usable value."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = None
    at = bed.now / SECOND
    bed.run(31)
    assert bed.raised("spo2-missing") == [(at + 10, LOW), (at + 30, MEDIUM)]


def test_spo2_and_pulse_of_one_probe_are_one_condition() -> None:
    """Pins that both gone without a word of the probe is `spo2-missing` alone, and the pulse alone is its own."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = bed.monitor.values[Metric.PULSE] = None
    bed.run(61)
    assert {event.code for _, event in bed.events(ConditionRaised)} == {"spo2-missing"}
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(20)
    assert set(bed.alarms) == {"pulse-missing"}


def test_paused_it_comes_to_medium_at_most_and_in_recovery_to_nothing() -> None:
    """Pins the stages of each phase: the protocol's group for paused ends at medium, and recovery has none."""
    bed = infusing()
    bed.ask(Hold("toilet"))
    bed.run(5)
    bed.monitor.mute = True
    bed.run(200)
    assert bed.alarms["monitor-silent"].priority is MEDIUM
    bed.ask(Stop("enough"))
    bed.run(5)
    assert bed.phase is Phase.RECOVERY
    assert "monitor-silent" not in bed.alarms


def test_old_pump_data_is_supervision_lost() -> None:
    """Pins medium at exactly 3 s and high at exactly 10 s, that no stop follows, and that the next word clears it."""
    bed = infusing()
    bed.pump.mute = True
    at = bed.now / SECOND
    bed.run(60)
    assert bed.raised("supervision-lost") == [(at + 3, MEDIUM), (at + 10, HIGH)]
    assert bed.session.supervision is Supervision.LOST
    assert bed.events(SupervisionChanged)[-1][0] == int((at + 10) * SECOND)
    assert not bed.stops()
    bed.pump.mute = False
    bed.run(1)
    assert "supervision-lost" not in bed.alarms
    assert bed.session.supervision is Supervision.OK


def test_without_a_case_a_silent_bed_is_no_alarm() -> None:
    """Pins that devices switched off between sessions raise nothing, though supervision is said to be lost."""
    bed = Bed()
    bed.run(5)
    bed.pump.mute = bed.monitor.mute = True
    bed.run(600)
    assert not bed.alarms
    assert bed.session.supervision is Supervision.LOST


def test_the_wrong_device_is_told_at_once_and_forgotten_when_the_right_one_speaks() -> None:
    """Pins `wrong-device` high in any phase, in place of silence, and that an observation (identity holds) ends it."""
    bed = infusing()
    bed.monitor.mute = True
    bed.give(Faulted("monitor", Fault(FaultKind.WRONG_DEVICE, "serial number 77, not 42")))
    assert bed.alarms["wrong-device"].priority is HIGH
    bed.run(20)
    assert set(bed.alarms) == {"wrong-device"}
    bed.monitor.mute = False
    bed.run(1)
    assert not bed.alarms


def test_frozen_and_refusing_devices_are_told_and_bad_frames_are_not() -> None:
    """Pins that a frozen monitor and a refusing pump are told; a checksum error alone is left to the data's age."""
    bed = infusing()
    bed.give(Faulted("monitor", Fault(FaultKind.CHECKSUM, "bad frame")))
    bed.give(Faulted("stranger", Fault(FaultKind.FROZEN, "not of this bed")))
    assert not bed.alarms
    bed.give(Faulted("pump", Fault(FaultKind.REFUSED, "exception 4")))
    assert bed.alarms["pump-refused"].priority is MEDIUM
    bed.run(29)
    assert "pump-refused" in bed.alarms
    bed.run(1)
    assert not bed.alarms
    bed.monitor.mute = True
    bed.give(Faulted("monitor", Fault(FaultKind.FROZEN, "uptime stands still")))
    bed.run(15)
    assert set(bed.alarms) == {"monitor-frozen"}


@pytest.mark.requirement("S32")
def test_nobody_to_tell_is_told_at_the_bed() -> None:
    """Pins `broker-lost` after ten seconds, `nobody-supervising` then where it isn't known, else at once; medium."""
    bed = infusing()
    at = bed.now / SECOND
    bed.give(BrokerChanged(False, None))
    bed.run(9)
    bed.give(BrokerChanged(True, None))
    bed.run(9)
    bed.give(BrokerChanged(True, True))
    bed.run(21)
    assert not bed.events(ConditionRaised)
    bed.give(BrokerChanged(False, None))
    bed.run(10)
    assert bed.raised("broker-lost") == [(at + 49, MEDIUM)]
    bed.give(BrokerChanged(True, None))
    bed.run(10)
    assert bed.raised("nobody-supervising") == [(at + 59, MEDIUM)]
    bed.give(BrokerChanged(True, True))
    assert not bed.alarms
    at = bed.now / SECOND
    bed.give(BrokerChanged(True, False))
    assert bed.raised("nobody-supervising")[-1] == (at, MEDIUM), "the broker says so itself"
    idle = Bed()
    idle.give(BrokerChanged(True, False))
    idle.run(60)
    assert not idle.alarms


@pytest.mark.requirement("S28")
def test_a_record_that_cannot_be_kept_is_told_and_supervision_goes_on() -> None:
    """Pins `record-not-kept` at once, and that limits still stop the pump."""
    bed = infusing()
    bed.give(JournalChanged(False, "disk full"))
    assert "disk full" in bed.alarms["record-not-kept"].text
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(10)
    assert bed.stops()
    bed.give(JournalChanged(True, ""))
    assert "record-not-kept" not in bed.alarms


@pytest.mark.requirement("S27")
def test_a_clock_that_jumps_is_told_for_a_minute() -> None:
    """Pins `clock-jumped` low for sixty seconds, and that the end of the session doesn't move."""
    bed = infusing()
    ends = bed.session.ends_at
    bed.give(ClockJumped(3600.0))
    assert bed.alarms["clock-jumped"].priority is LOW
    bed.run(60)
    assert not bed.alarms
    assert bed.session.ends_at == ends


@pytest.mark.rule("E15", "acts")
def test_the_same_pressure_polled_for_ever_becomes_overdue() -> None:
    """Pins that age runs from the measurement: low at 1.5 intervals of five minutes, medium at 2, polled or not."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 120)
    at = bed.now / SECOND
    bed.run(601)
    assert bed.raised("nibp-overdue") == [(at + 450, LOW), (at + 600, MEDIUM)]
    bed.monitor.cuff(bed.now, 120)
    bed.run(1)
    assert "nibp-overdue" not in bed.alarms


def test_technical_conditions_are_technical_and_only_told() -> None:
    """Pins kind and response of everything that a dead bed raises, and that none of it latches."""
    bed = infusing()
    bed.monitor.mute = bed.pump.mute = True
    bed.give(LinkLost("pump", "unplugged"))
    bed.give(BrokerChanged(False, None))
    bed.run(120)
    for alarm in bed.alarms.values():
        assert (alarm.kind, alarm.response) == (AlarmKind.TECHNICAL, Response.TELL)
    assert not any(event.latching for _, event in bed.events(ConditionRaised))


@pytest.mark.parametrize("late_s", [0, 1, 7])
def test_a_gateway_that_steps_late_raises_at_the_next_step(late_s: int) -> None:
    """Pins that nothing is lost when a deadline is served late."""
    bed = infusing()
    bed.now += (3 + late_s) * SECOND
    bed.give(DeadlineReached())
    assert bed.alarms["supervision-lost"].priority is (HIGH if late_s == 7 else MEDIUM)


def test_degraded_while_equipment_alarms() -> None:
    """Pins supervision degraded from a medium technical condition on, and ok again after it."""
    bed = infusing()
    bed.monitor.mute = True
    bed.run(29)
    assert bed.session.supervision is Supervision.OK
    bed.run(1)
    assert bed.session.supervision is Supervision.DEGRADED
    bed.monitor.mute = False
    bed.run(1)
    assert bed.session.supervision is Supervision.OK
    assert bed.session.t0 is not None
    assert bed.now - bed.session.t0 < 2 * MINUTE
