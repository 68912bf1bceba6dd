"""The session's time and volume: T0, purges, the end and its grace, pauses, wall time, recovery, a crash."""

import itertools
from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, Pump, bed_setup, depression_40
from infusion_gateway.model.events import (
    CounterRestarted,
    EndApproaching,
    InfusionStarted,
    InstructionRefused,
    PhaseChanged,
    Sampled,
    StopAsked,
)
from infusion_gateway.model.inputs import LinkLost, LinkOpened, Observed
from infusion_gateway.model.instructions import Close, PermitResume, Prime, Stop
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Delivery, DeliveryReported
from infusion_gateway.model.session import Phase


def phases(bed: Bed) -> list[Phase]:
    """Give the phases the bed has gone through."""
    return [event.phase for _, event in bed.events(PhaseChanged)]


@pytest.mark.rule("E16", "leaves alone")
@pytest.mark.rule("E3", "E5", "E11", "E15", "leaves alone")
def test_a_good_session_is_left_alone() -> None:
    """Pins 40 minutes without an alarm or a stop, ended by hand at the ordered time: completed, then closed."""
    bed = Bed()
    bed.monitor.cuff_every = 5 * MINUTE
    bed.infuse()
    bed.run(40 * 60 - 2)
    assert not bed.alarms
    assert not bed.stops()
    bed.pump.running = False
    bed.run(5)
    assert phases(bed)[-2:] == [Phase.COMPLETED, Phase.RECOVERY]
    assert bed.alarms["infusion-complete"].priority is LOW
    assert bed.session.dose_mg == pytest.approx(35.0, abs=0.1)
    bed.run(60 * 60)
    bed.ask(Close(""))
    assert bed.phase is Phase.CLOSED
    assert not bed.alarms
    bed.check()


def test_t0_is_the_first_of_two_consecutive_readings() -> None:
    """Pins T0 at the first reading that shows delivery, and the volume counted from the last reading at rest."""
    bed = Bed(pump=Pump(counter=7.0))
    bed.arm()
    bed.run(1)
    bed.pump.running = True
    bed.run(1)
    first = bed.now
    assert bed.phase is Phase.ARMED
    bed.run(1)
    [(_, started)] = bed.events(InfusionStarted)
    assert started.t0 == first
    assert started.ends_at == first + 40 * MINUTE
    assert started.volume_ml == pytest.approx(7.0)
    assert bed.session.volume_ml == pytest.approx(52.5 * 2 / 3600, abs=0.001)


def test_one_reading_of_delivery_is_no_start() -> None:
    """Pins that a single reading, or one either side of a still one, or of unknown delivery, isn't T0."""
    bed = Bed()
    bed.arm()
    on, off, unknown = Delivery.INFUSING, Delivery.STOPPED, Delivery.UNKNOWN
    for delivery in (on, off, on, unknown, unknown, on, off, on):
        bed.now += SECOND
        bed.give(Observed("pump", (DeliveryReported(delivery),)))
    bed.give(LinkLost("pump", "unplugged"))
    bed.give(LinkOpened("pump"))
    bed.give(Observed("pump", (DeliveryReported(on),)))
    assert bed.phase is Phase.ARMED
    assert bed.session.t0 is None
    bed.give(Observed("pump", (DeliveryReported(on),)))
    assert bed.phase is Phase.INFUSING


def test_still_readings_must_be_consecutive_too() -> None:
    """Pins that still, unknown, still is no pause, and that two still ones in a row are."""
    bed = Bed()
    bed.infuse()
    for delivery in (Delivery.STOPPED, Delivery.UNKNOWN, Delivery.STOPPED):
        bed.now += SECOND
        bed.give(Observed("pump", (DeliveryReported(delivery),)))
        assert bed.phase is Phase.INFUSING
    bed.give(Observed("pump", (DeliveryReported(Delivery.STOPPED),)))
    assert bed.phase is Phase.PAUSED


def test_time_counts_as_delivery_only_between_two_reports_of_it() -> None:
    """Pins that three silent minutes after a still reading are not expected to have delivered anything."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.pump.running = False
    bed.run(1)
    expected = bed.state.live.account.expected_ml
    bed.pump.mute = True
    bed.run(180)
    bed.pump.mute, bed.pump.running = False, True
    bed.run(1)
    assert bed.state.live.account.expected_ml == expected


def test_an_announced_purge_is_neither_dose_nor_t0() -> None:
    """Pins that delivery under `prime` starts nothing, and that T0 comes with the first start after the purge."""
    bed = Bed()
    bed.arm()
    bed.ask(Prime(2 * MINUTE))
    bed.pump.running, bed.pump.rate = True, 200.0
    bed.run(20)
    assert bed.phase is Phase.ARMED
    bed.pump.running, bed.pump.rate = False, 52.5
    bed.run(10)
    bed.pump.running = True
    bed.run(60)
    assert bed.phase is Phase.INFUSING
    assert bed.session.volume_ml == pytest.approx(52.5 / 60, abs=0.02)
    assert not bed.stops()


def test_a_purge_that_outlasts_its_announcement_is_delivery() -> None:
    """Pins that delivery beyond the announced time is T0, and its rate is judged."""
    bed = Bed()
    bed.arm()
    bed.ask(Prime(10 * SECOND))
    bed.pump.running, bed.pump.rate = True, 200.0
    bed.run(9)
    assert bed.phase is Phase.ARMED
    bed.run(4)
    assert bed.alarms["rate-high"].priority is HIGH
    assert len(bed.stops()) >= 1


@pytest.mark.requirement("S35")
def test_the_end_approaches_twice_and_once_each() -> None:
    """Pins the announcements at five minutes and one minute before the end."""
    bed = Bed()
    bed.infuse()
    bed.run(40 * 60 - 3)
    found = [(at, event.remaining) for at, event in bed.events(EndApproaching)]
    ends = bed.session.ends_at
    assert ends is not None
    assert found == [(ends - 5 * MINUTE, 5 * MINUTE), (ends - MINUTE, MINUTE)]


@pytest.mark.requirement("S51")
@pytest.mark.rule("E5", "acts")
def test_the_overrun_is_stopped_at_the_end_of_the_grace_and_not_before() -> None:
    """Pins the hard stop at exactly the ordered duration plus two minutes: complete, low."""
    bed = Bed()
    bed.infuse()
    ends = bed.session.ends_at
    assert ends is not None
    bed.run((ends + 2 * MINUTE - bed.now - 1) / SECOND)
    assert not bed.stops()
    bed.run(1)
    assert bed.stops()[0] == (ends + 2 * MINUTE) / SECOND
    assert bed.raised("duration-over") == [((ends + 2 * MINUTE) / SECOND, LOW)]
    bed.run(2)
    assert phases(bed)[-2:] == [Phase.COMPLETED, Phase.RECOVERY]


@pytest.mark.parametrize(("rate", "phase", "priority"), [(45.0, Phase.STOPPED, HIGH), (52.0, Phase.COMPLETED, LOW)])
def test_how_much_is_missing_at_the_end_decides_its_name(rate: float, phase: Phase, priority: object) -> None:
    """Pins stopped and high where more than 2 mL or 5 percent is missing, completed and low where less is."""
    bed = Bed()
    bed.infuse()
    bed.pump.rate = rate
    bed.run(42 * 60 + 5)
    assert phases(bed)[-2] is phase
    assert bed.raised("duration-over")[0][1] is priority


@pytest.mark.requirement("S08")
def test_a_pump_that_ends_its_volume_is_complete_and_one_that_stops_early_is_paused() -> None:
    """Pins that 1.5 mL short counts as the end, and 2.5 mL short as a pause (35 mL ordered)."""
    for short, phase in ((1.5, Phase.RECOVERY), (2.5, Phase.PAUSED)):
        bed = Bed()
        bed.infuse()
        bed.run((35 - short) / 52.5 * 3600)
        bed.pump.running = False
        bed.run(5)
        assert bed.phase is phase


@pytest.mark.rule("E11", "acts")
def test_kvo_after_a_complete_volume_is_stopped_and_before_it_is_told() -> None:
    """Pins that keeping the vein open after the whole volume is stopped, low; an early one is high, and only told."""
    bed = Bed()
    bed.infuse()
    bed.run(40 * 60)
    bed.pump.says, bed.pump.rate = Delivery.KVO, 1.0
    bed.run(6)
    assert len(bed.stops()) >= 1
    assert phases(bed)[-2] is Phase.COMPLETED
    early = Bed()
    early.infuse()
    early.run(600)
    early.pump.says, early.pump.rate = Delivery.KVO, 1.0
    early.run(5)
    assert early.alarms["volume-ended-early"].priority is HIGH
    assert not early.stops()


@pytest.mark.requirement("S47")
@pytest.mark.rule("E18", "acts")
def test_wall_time_ends_a_session_that_is_paused_for_ever() -> None:
    """Pins the stop at 90 minutes after T0, pauses included, and that a long pause is told before."""
    bed = Bed()
    bed.infuse()
    t0 = bed.session.t0
    assert t0 is not None
    bed.run(600)
    bed.pump.running = False
    bed.run(302)
    assert bed.alarms["paused-long"].priority is LOW
    assert "Look at the patient; then" in bed.alarms["paused-long"].text  # before any word of starting again
    bed.run(600)
    assert bed.alarms["paused-long"].priority is MEDIUM
    bed.run((t0 + 90 * MINUTE - bed.now - 1) / SECOND)
    assert "wall-time-over" not in bed.alarms
    bed.run(5)
    assert bed.raised("wall-time-over") == [((t0 + 90 * MINUTE) / SECOND, HIGH)]
    assert phases(bed)[-2:] == [Phase.STOPPED, Phase.RECOVERY]


@pytest.mark.requirement("S07", "S21")
def test_the_dose_limit_stops_for_good() -> None:
    """Pins the stop once volume times concentration reaches 1 mg/kg, though rate and time are in order."""
    bed = Bed(bed_setup(replace(depression_40(), grace=60 * MINUTE, conditions=())))
    bed.infuse(dose_mg=60.0, rate_ml_h=90.0, volume_ml=60.0, reason="asked for")
    bed.run(46 * 60)
    assert not bed.stops()
    bed.run(60)
    assert bed.alarms["dose-limit"].priority is HIGH
    assert bed.session.dose_mg == pytest.approx(70.0, abs=0.06)
    assert phases(bed)[-2:] == [Phase.STOPPED, Phase.RECOVERY]
    bed.ask(PermitResume("go on"))
    assert bed.events(InstructionRefused)


def test_the_dose_outlives_a_counter_that_begins_anew() -> None:
    """Pins that a cleared counter opens a new epoch and takes nothing off the dose."""
    bed = Bed()
    bed.infuse()
    bed.run(1200)
    before = bed.session.volume_ml
    assert before is not None
    bed.pump.counter = 0.0
    bed.run(600)
    assert len(bed.events(CounterRestarted)) == 1
    assert bed.session.volume_ml == pytest.approx(before + 52.5 / 6, abs=0.02)
    assert bed.state.durable.account.epoch == 1
    bed.check()


def test_a_counter_that_rounds_back_by_a_step_has_not_begun_anew() -> None:
    """Pins that a fall of one step of the counter is no new epoch and adds nothing to the dose."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.pump.running = False
    bed.run(1)
    before = bed.session.volume_ml
    bed.pump.counter -= 0.001
    bed.run(3)
    assert bed.session.volume_ml == before
    assert not bed.events(CounterRestarted)


def test_the_dose_outlives_a_gap_and_a_crash() -> None:
    """Pins that what was delivered while nobody looked is counted when the pump is seen again."""
    bed = Bed()
    bed.infuse()
    bed.run(600)
    bed.pump.mute = True
    bed.run(8)
    bed.pump.mute = False
    bed.run(10)
    assert bed.session.volume_ml == pytest.approx(52.5 * 620 / 3600, abs=0.03)
    bed.now += 30 * SECOND
    bed.crash()
    bed.run(10)
    assert bed.session.volume_ml == pytest.approx(52.5 * 660 / 3600, abs=0.03)
    assert bed.phase is Phase.INFUSING
    assert not bed.stops()
    assert "over-delivery" not in bed.alarms
    bed.check()


@pytest.mark.rule("E16", "acts")
def test_recovery_cannot_be_closed_early_without_a_reason() -> None:
    """Pins that closing before the recovery's time wants a reason, and that nothing is closed while infusing."""
    bed = Bed()
    bed.infuse()
    bed.ask(Close("no"))
    assert bed.phase is Phase.INFUSING
    bed.ask(Stop("enough"))
    bed.run(5)
    bed.ask(Close(" "))
    assert bed.phase is Phase.RECOVERY
    bed.ask(Close("moved to the ward, seen by the doctor"))
    assert bed.phase is Phase.CLOSED


def test_samples_are_at_most_one_a_second_and_only_in_a_case() -> None:
    """Pins that readings are recorded once a second from arming on, with volume, epoch and dose."""
    bed = Bed()
    bed.run(10)
    assert not bed.events(Sampled)
    bed.infuse()
    bed.run(60)
    times = [at for at, _ in bed.events(Sampled)]
    assert len(times) >= 60
    assert all(later - earlier >= SECOND for earlier, later in itertools.pairwise(times))
    last = bed.events(Sampled)[-1][1]
    assert last.dose_mg == pytest.approx(bed.session.dose_mg)
    assert {value.metric for value in last.values} >= {Metric.SPO2, Metric.RATE, Metric.VOLUME}


@pytest.mark.rule("E4", "leaves alone")
def test_a_rate_changed_by_hand_within_limits_is_recorded_and_left_alone() -> None:
    """Pins that 1.2 times the ordered rate, exactly, is no condition, whatever its length."""
    bed = Bed()
    bed.infuse()
    bed.pump.rate = 63.0
    bed.run(300)
    assert not bed.alarms
    assert not bed.events(StopAsked)
