"""What sounds again and what stays quiet: acknowledged pressures, stops counted down, signals after a start."""

from dataclasses import replace

import pytest

from core_bed import HELD, HIGH, MEDIUM, TELL, Bed, bed_setup, depression_40, limit, row
from infusion_gateway.core.signals import annunciation
from infusion_gateway.core.state import fold, restored
from infusion_gateway.model.alarm import Signal
from infusion_gateway.model.inputs import BrokerChanged, Faulted, JournalChanged, Restarted
from infusion_gateway.model.instructions import Acknowledge, PauseAudio
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind
from infusion_gateway.model.session import LimitCondition, Phase, Side

SYS = (Metric.NIBP_SYS,)
HIGHER = limit(
    "nibp-sys-high",
    SYS,
    Side.HIGH,
    row(160, MEDIUM, 0, TELL),
    row(180, HIGH, 0, HELD, confirm_within=3 * MINUTE),
    inclusive=True,
)
AT_ONCE = limit("nibp-sys-high", SYS, Side.HIGH, row(180, HIGH, 0, HELD))
LOWER = limit("nibp-sys-low", SYS, Side.LOW, row(90, MEDIUM, 0, TELL))


def infusing(condition: LimitCondition) -> Bed:
    """Give a bed with this condition alone that has just begun to infuse."""
    bed = Bed(bed_setup(replace(depression_40(), conditions=(condition,))))
    bed.infuse()
    return bed


def measure(bed: Bed, systolic: float) -> None:
    """Complete a measurement, and see it read."""
    bed.monitor.cuff(bed.now, systolic)
    bed.run(1)


def acknowledged(condition: LimitCondition, *pressures: float) -> Bed:
    """Give a bed whose alarm of these pressures was just acknowledged."""
    bed = infusing(condition)
    for systolic in pressures:
        measure(bed, systolic)
    bed.ask(Acknowledge(condition.code))
    bed.run(1)
    return bed


@pytest.mark.parametrize(
    ("condition", "before", "then", "sounds"),
    [
        (HIGHER, 172, 160, False),
        (HIGHER, 172, 181.5, False),
        (LOWER, 85, 84, False),
        (LOWER, 85, 75.5, False),
        (LOWER, 85, 75, True),
    ],
)
def test_a_pressure_sounds_again_ten_further_out_and_not_ten_further_in(
    condition: LimitCondition, before: float, then: float, sounds: bool
) -> None:
    """Pins on which side of its limit worse lies, for a high and for a low one; back at the limit is no worse."""
    bed = acknowledged(condition, before)
    measure(bed, then)
    assert bed.alarms[condition.code].signal is (Signal.ON if sounds else Signal.ACKNOWLEDGED)


def test_how_much_worse_is_counted_from_what_was_acknowledged() -> None:
    """Pins 185 acknowledged, a fall to 170, and 181: no more than was seen, so nothing sounds; 195 does."""
    bed = acknowledged(HIGHER, 185, 185)
    for systolic, signal in ((170, Signal.ACKNOWLEDGED), (181, Signal.ACKNOWLEDGED), (195, Signal.ON)):
        measure(bed, systolic)
        assert bed.alarms["nibp-sys-high"].signal is signal


def test_a_countdown_goes_on_where_its_alarm_sounds_anew() -> None:
    """Pins that 15 mmHg more sounds again and puts no stop off: it is counted down to the moment that was told."""
    bed = acknowledged(HIGHER, 185, 185)
    ends = bed.alarms["nibp-sys-high"].countdown_ends
    assert ends is not None
    measure(bed, 200)
    alarm = bed.alarms["nibp-sys-high"]
    assert (alarm.signal, alarm.countdown_ends) == (Signal.ON, ends)


def test_no_stop_is_counted_down_unheard() -> None:
    """Pins that a pressure that was acknowledged, over, and is back counts down with a sound."""
    bed = acknowledged(AT_ONCE, 185)
    measure(bed, 150)
    assert not bed.alarms
    measure(bed, 185)
    alarm = bed.alarms["nibp-sys-high"]
    assert alarm.signal is Signal.ON
    assert alarm.countdown_ends == bed.now + bed.protocol.countdown


def test_what_is_measured_all_the_time_is_a_new_alarm_when_it_returns() -> None:
    """Pins that SpO2 that was acknowledged and is over sounds when it falls again: only pressures are remembered."""
    bed = infusing(limit("spo2-low", (Metric.SPO2,), Side.LOW, row(94, MEDIUM, 0, TELL)))
    bed.monitor.values[Metric.SPO2] = 92
    bed.run(1)
    bed.ask(Acknowledge("spo2-low"))
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(1)
    assert not bed.alarms
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(1)
    assert bed.alarms["spo2-low"].signal is Signal.ON


def test_without_a_case_nothing_is_held_up_over_a_start() -> None:
    """Pins that a wrong device told before a crash is over at once where no case is on the bed: nobody waits for it."""
    bed = Bed()
    bed.run(3)
    bed.give(Faulted("monitor", Fault(FaultKind.WRONG_DEVICE, "serial number 77, not 42")))
    assert "wrong-device" in bed.alarms
    bed.crash()
    assert bed.phase is Phase.IDLE
    assert "wrong-device" not in bed.alarms


@pytest.mark.parametrize("known", [BrokerChanged(True, True), JournalChanged(True, "")])
def test_after_a_start_what_nobody_has_looked_at_is_not_over(known: BrokerChanged | JournalChanged) -> None:
    """Pins that devices alone don't end what was told before: broker and journal are looked at, or ten seconds pass."""
    bed = infusing(HIGHER)
    bed.give(Faulted("monitor", Fault(FaultKind.REFUSED, "code 2")))
    assert "monitor-refused" in bed.alarms
    bed.state = restored(bed.setup, fold(bed.journal))
    bed.give(Restarted(True))
    bed.give(known)
    bed.run(9)
    assert "monitor-refused" in bed.alarms
    bed.run(1)
    assert "monitor-refused" not in bed.alarms


def test_a_pause_of_the_sound_is_over_in_the_moment_in_which_it_ends() -> None:
    """Pins that the sound is paused a nanosecond before that, and not at it."""
    bed = infusing(HIGHER)
    measure(bed, 165)
    bed.ask(PauseAudio(MINUTE))
    until = bed.state.durable.audio_paused_until
    assert until is not None
    assert annunciation(bed.state, until - 1).paused_until == until
    assert annunciation(bed.state, until).paused_until is None
    assert until > bed.now + 50 * SECOND
