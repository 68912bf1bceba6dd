"""Acknowledged pressures: when they sound again (10 mmHg worse, the next priority, 15 minutes), and when they don't."""

from dataclasses import replace

import pytest

from core_bed import HELD, HIGH, MEDIUM, Bed, bed_setup, depression_40
from infusion_gateway.config import protocols
from infusion_gateway.core.signals import annunciation
from infusion_gateway.model.alarm import Signal
from infusion_gateway.model.events import ConditionRaised
from infusion_gateway.model.instructions import Acknowledge, Assess, Away, Close, PauseAudio, Score, Stop
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.model.session import Phase

SHIPPED = protocols.load(protocols.shipped() / "depression-40.toml")
SYS, DIA = "nibp-sys-high", "nibp-dia-high"


def infusing() -> Bed:
    """Give a bed with the shipped conditions, a baseline of 135/80, infusing."""
    bed = Bed(bed_setup(replace(depression_40(), conditions=SHIPPED.conditions)))
    bed.run(2)
    bed.monitor.cuff(bed.now, 135, 80)
    bed.infuse()
    bed.run(10)
    return bed


def measure(bed: Bed, systolic: float, diastolic: float = 80) -> None:
    """Complete a measurement, and see it read."""
    bed.monitor.cuff(bed.now, systolic, diastolic)
    bed.run(2)


def acknowledged(systolic: float = 165) -> Bed:
    """Give a bed whose systolic pressure was told, acknowledged two seconds later, and is over."""
    bed = infusing()
    measure(bed, systolic)
    bed.ask(Acknowledge(SYS))
    bed.run(60)
    measure(bed, 150)
    assert not bed.alarms
    return bed


def sounds(bed: Bed) -> bool:
    """Say whether anything is heard at the bed."""
    return annunciation(bed.state, bed.now).sounding is not None


def test_a_pressure_that_returns_is_the_alarm_that_was_acknowledged() -> None:
    """Pins 165, acknowledged, 150, 174: seen again, as acknowledged by whom it was, and since when it was; quiet."""
    bed = acknowledged()
    since = bed.events(ConditionRaised)[0][1].since
    bed.ask(PauseAudio(2 * MINUTE))
    measure(bed, 174)
    alarm = bed.alarms[SYS]
    assert (alarm.signal, alarm.acknowledged_by, alarm.since, alarm.value) == (
        Signal.ACKNOWLEDGED,
        "nurse-1",
        since,
        174,
    )
    assert not sounds(bed)
    assert bed.session.audio_paused_until is not None  # it is no new alarm that would break through
    bed.check()


def test_one_that_returns_ten_worse_is_new() -> None:
    """Pins 175 after an acknowledged 165: exactly 10 mmHg worse is heard."""
    bed = acknowledged()
    measure(bed, 175)
    assert bed.alarms[SYS].signal is Signal.ON
    assert sounds(bed)


@pytest.mark.parametrize(("after", "signal"), [(899, Signal.ACKNOWLEDGED), (900, Signal.ON)])
def test_one_that_returns_after_fifteen_minutes_is_new(after: int, signal: Signal) -> None:
    """Pins that a return 899 s after the acknowledgement is quiet, and that one after 900 s is heard."""
    bed = acknowledged()
    bed.run(after - 63)  # 62 s since the acknowledgement
    bed.monitor.cuff(bed.now, 165)
    bed.run(1)
    assert bed.alarms[SYS].signal is signal


def test_one_that_returned_quietly_sounds_when_its_fifteen_minutes_are_over() -> None:
    """Pins that the time runs from the acknowledgement, whatever came and went in between."""
    bed = infusing()
    measure(bed, 165)
    bed.ask(Acknowledge(SYS))
    at = bed.now
    bed.run(60)
    measure(bed, 150)
    bed.run(600)
    measure(bed, 166)
    bed.run((at - bed.now) / SECOND + 900 - 0.001)
    assert not sounds(bed)
    bed.run(0.001)
    assert sounds(bed)


def test_one_that_nobody_acknowledged_is_new_when_it_returns() -> None:
    """Pins that only an acknowledgement quiets a return."""
    bed = infusing()
    measure(bed, 165)
    measure(bed, 150)
    measure(bed, 165)
    assert bed.alarms[SYS].signal is Signal.ON


def test_one_that_returns_more_urgent_is_new_and_no_stop_is_counted_down_unheard() -> None:
    """Pins a symptom entered: high and counted down is heard, though medium was acknowledged at a like value."""
    bed = acknowledged(178)
    measure(bed, 182)
    assert not sounds(bed)  # medium, as it was, and not 10 worse
    bed.ask(Assess(((Score.NAUSEA, 4.0),), (), 0))
    alarm = bed.alarms[SYS]
    assert (alarm.priority, alarm.response, alarm.signal) == (HIGH, HELD, Signal.ON)
    bed.ask(Acknowledge(SYS))
    measure(bed, 150)
    measure(bed, 181)
    assert bed.alarms[SYS].priority is MEDIUM
    assert not sounds(bed)
    bed.run(10)
    measure(bed, 183)
    assert (bed.alarms[SYS].priority, bed.alarms[SYS].signal) == (HIGH, Signal.ON)


def test_ten_worse_is_worse_than_what_was_acknowledged() -> None:
    """Pins 152 over a baseline of 120, acknowledged; 161 is the next row's words, and 162 then is heard."""
    bed = Bed(bed_setup(replace(depression_40(), conditions=SHIPPED.conditions)))
    bed.run(2)
    bed.monitor.cuff(bed.now, 120, 80)
    bed.infuse()
    bed.run(10)
    measure(bed, 152)
    bed.ask(Acknowledge(SYS))
    measure(bed, 161)
    assert not sounds(bed)
    measure(bed, 162)
    assert sounds(bed)


def test_systolic_and_diastolic_of_one_reading_are_one_occasion() -> None:
    """Pins one burst for both, and one again fifteen minutes after the later of the two acknowledgements."""
    bed = infusing()
    measure(bed, 165, 104)
    first = {alarm.since for alarm in bed.alarms.values()}
    assert len(first) == 1
    bed.ask(Acknowledge(SYS))
    bed.run(20)
    bed.ask(Acknowledge(DIA))
    at = bed.now
    bed.run(899.999)
    assert {bed.alarms[code].signal for code in (SYS, DIA)} == {Signal.ACKNOWLEDGED}
    bed.run(0.001)
    assert {bed.alarms[code].since for code in (SYS, DIA)} == {at + 15 * MINUTE}


def test_whoever_acknowledges_one_pressure_has_looked_at_all() -> None:
    """Pins that pressures that last are heard of again as one: 15 minutes after the last was acknowledged."""
    bed = infusing()
    measure(bed, 165)
    bed.ask(Acknowledge(SYS))
    bed.run(10 * 60)
    measure(bed, 165, 104)
    assert bed.alarms[DIA].signal is Signal.ON  # it is new, and heard
    bed.ask(Acknowledge(DIA))
    at = bed.now
    bed.run(899.999)
    assert {bed.alarms[code].signal for code in (SYS, DIA)} == {Signal.ACKNOWLEDGED}
    bed.run(0.001)
    assert {bed.alarms[code].since for code in (SYS, DIA)} == {at + 15 * MINUTE}


def test_one_that_is_over_again_was_looked_at_too() -> None:
    """Pins that a return within 15 minutes of another's acknowledgement is quiet, though its own is longer ago."""
    bed = acknowledged()
    bed.run(10 * 60)
    measure(bed, 150, 104)
    bed.ask(Acknowledge(DIA))
    at = bed.now
    bed.run(60)
    measure(bed, 150, 80)
    assert SYS not in bed.alarms
    assert DIA not in bed.alarms
    bed.run(10 * 60)
    measure(bed, 165)
    assert bed.alarms[SYS].signal is Signal.ACKNOWLEDGED
    bed.run((at - bed.now) / SECOND + 899.999)
    assert bed.alarms[SYS].signal is Signal.ACKNOWLEDGED
    bed.run(0.001)
    assert bed.alarms[SYS].signal is Signal.ON


def test_an_acknowledged_pressure_still_breaks_through_when_it_is_worse() -> None:
    """Pins that another's acknowledgement puts off a reminder alone: ten worse, or the next priority, is heard."""
    bed = infusing()
    measure(bed, 165)
    bed.ask(Acknowledge(SYS))
    bed.run(10 * 60)
    measure(bed, 165, 104)
    bed.ask(Acknowledge(DIA))
    measure(bed, 174, 104)
    assert {bed.alarms[code].signal for code in (SYS, DIA)} == {Signal.ACKNOWLEDGED}
    measure(bed, 175, 104)
    assert bed.alarms[SYS].signal is Signal.ON


def test_the_less_urgent_puts_no_reminder_off() -> None:
    """Pins that a high pressure is heard of again in its own time, whatever milder one was acknowledged since."""
    bed = infusing()
    measure(bed, 185)
    measure(bed, 185)
    assert bed.alarms[SYS].priority is HIGH
    bed.ask(Acknowledge(SYS))
    at = bed.now
    bed.run(10 * 60)
    measure(bed, 185, 104)
    bed.ask(Acknowledge(DIA))
    assert bed.alarms[DIA].priority is MEDIUM
    bed.run((at - bed.now) / SECOND + 900)
    assert bed.alarms[SYS].signal is Signal.ON
    assert bed.alarms[DIA].signal is Signal.ACKNOWLEDGED


def test_a_reminder_begins_no_burst_while_another_pressure_sounds() -> None:
    """Pins that one that sounds reminds of the other too, which then waits for its acknowledgement."""
    bed = infusing()
    measure(bed, 165)
    bed.ask(Acknowledge(SYS))
    bed.run(14 * 60)
    measure(bed, 165, 104)
    bed.run(2 * 60)
    assert (bed.alarms[DIA].signal, bed.alarms[SYS].signal) == (Signal.ON, Signal.ACKNOWLEDGED)
    bed.ask(Acknowledge(DIA))
    bed.run(14 * 60)
    assert {bed.alarms[code].signal for code in (SYS, DIA)} == {Signal.ACKNOWLEDGED}


def test_an_acknowledgement_is_of_this_case_alone() -> None:
    """Pins that the next patient's pressure is a new alarm, whatever was acknowledged for the one before."""
    bed = acknowledged()
    assert SYS in bed.state.durable.quieted
    bed.ask(Stop("enough"))
    bed.run(10)
    assert bed.phase is Phase.RECOVERY
    bed.ask(Close("seen by the doctor"))
    assert bed.phase is Phase.CLOSED
    assert not bed.state.durable.quieted


@pytest.mark.parametrize("same_boot", [True, False])
def test_an_acknowledgement_outlives_a_crash_and_no_reboot(same_boot: bool) -> None:
    """Pins that the fold keeps what was acknowledged, and drops it where nobody knows how long nobody looked."""
    bed = acknowledged()
    bed.crash(same_boot=same_boot)
    assert (SYS in bed.state.durable.quieted) is same_boot
    bed.check()


def test_a_severe_first_reading_of_an_absence_waits_three_minutes_from_the_return() -> None:
    """Pins that nobody's pump is counted down for a reading whose repetition nobody could have asked for."""
    bed = infusing()
    bed.pump.running = False
    bed.run(5)
    bed.ask(Away(10 * MINUTE))
    bed.monitor.cuff(bed.now, 150, 112)
    bed.run(240)
    bed.pump.running = True
    bed.run(2)
    assert bed.phase is Phase.INFUSING
    assert bed.alarms[DIA].priority is MEDIUM
    assert "repeat the cuff now" in bed.alarms[DIA].text
    at = bed.events(ConditionRaised)[-1][0]
    bed.run((at - bed.now) / SECOND + 179.999)
    assert bed.alarms[DIA].priority is MEDIUM
    bed.run(0.001)
    assert bed.alarms[DIA].priority is HIGH


def test_a_pressure_inside_its_limit_does_not_sound_again_for_the_time_alone() -> None:
    """Pins 165, acknowledged, then 158, which doesn't clear it: quiet after 15 minutes, and heard with the next 160."""
    bed = infusing()
    measure(bed, 165)
    bed.ask(Acknowledge(SYS))
    measure(bed, 158)
    bed.run(16 * 60)
    assert bed.alarms[SYS].signal is Signal.ACKNOWLEDGED
    measure(bed, 160)
    assert bed.alarms[SYS].signal is Signal.ON
