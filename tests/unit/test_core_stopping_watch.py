"""After a stop: from which number on the volume is watched, over a crash, a restart by hand, a counter begun anew."""

import pytest

from core_bed import Bed, Pump
from infusion_gateway.model.events import PhaseChanged, StopAsked
from infusion_gateway.model.inputs import LinkLost
from infusion_gateway.model.instructions import Hold, Stop
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.session import Phase

DRIP_ML = 0.01  # ten steps of the counter; less than what may be missing from the record of a crash


def stopped(asked: Hold | Stop, pump: Pump | None = None) -> Bed:
    """Give a bed whose stop was confirmed in this very instant, after a minute at 52.5 mL/h."""
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(60)
    bed.ask(asked)
    bed.run(2)
    assert bed.session.stopping == "confirmed"
    return bed


def told(bed: Bed) -> bool:
    """Say whether delivery after the stop is told and stopped again."""
    again = bed.session.stopping == "asked"
    assert ("delivering-after-stop" in bed.alarms) is again
    return again


@pytest.mark.parametrize("asked", [Hold("toilet"), Stop("enough")])
def test_the_watch_begins_with_the_number_that_confirmed_the_stop(asked: Hold | Stop) -> None:
    """Pins that a drip in the second after the confirmation is told, in words that give how much."""
    bed = stopped(asked)
    bed.pump.counter += DRIP_ML
    bed.run(1)
    assert told(bed)
    reason = bed.events(StopAsked)[-1][1].reason
    assert reason == "Delivering after the stop: the volume rose by 0.01 mL after the stop was confirmed"


@pytest.mark.parametrize(("drip_ml", "tells"), [(0.0004, False), (0.001, True)])
def test_a_step_of_the_counter_is_enough(drip_ml: float, tells: bool) -> None:
    """Pins that the smallest number that the pump can show more is delivery, and less than that is none."""
    bed = stopped(Stop("enough"))
    bed.pump.counter = round(bed.pump.counter, 3) + drip_ml
    bed.run(1)
    assert told(bed) is tells


@pytest.mark.requirement("S31")
def test_a_pump_restarted_without_leave_is_watched_from_where_it_was_stopped_by_hand() -> None:
    """Pins that delivery by hand is told as that, and that a drip while the pump then says it stands is more."""
    bed = stopped(Hold("toilet"))
    bed.pump.running = True
    bed.run(5)
    assert bed.phase is Phase.INFUSING
    assert not told(bed)
    bed.pump.running = False
    bed.run(1)
    bed.pump.counter += DRIP_ML
    bed.run(1)
    assert told(bed)


@pytest.mark.requirement("S30")
@pytest.mark.parametrize(("rise_ml", "tells"), [(0.029, False), (0.031, True)])
def test_after_a_crash_the_watch_is_held_against_the_record(rise_ml: float, tells: bool) -> None:
    """Pins that the counter may stand two seconds of the old rate above its record, 0.0292 mL at 52.5 mL/h, no more."""
    bed = stopped(Stop("enough"))
    bed.run(5)
    bed.crash()
    bed.pump.counter += rise_ml
    bed.run(2)
    assert told(bed) is tells
    bed.check()


def test_once_seen_after_a_crash_the_counter_itself_is_watched() -> None:
    """Pins that what a crash may hide is granted once: the next drip is told, however small."""
    bed = stopped(Stop("enough"))
    bed.run(5)
    bed.crash()
    bed.pump.counter += DRIP_ML
    bed.run(3)
    assert not told(bed)
    bed.pump.counter += DRIP_ML
    bed.run(1)
    assert told(bed)


def test_a_counter_that_began_anew_is_watched_from_its_new_beginning() -> None:
    """Pins that a pump switched off and on after its stop is not thereby free to drip up to its old number."""
    bed = stopped(Stop("enough"))
    bed.pump.counter = 0.0
    bed.run(3)
    assert not told(bed)
    bed.pump.counter += DRIP_ML
    bed.run(1)
    assert told(bed)


def test_a_pause_by_hand_is_watched_from_the_first_number_after_it() -> None:
    """Pins that a drip under a pause that nobody asked us for is stopped, and a counter begun anew is no drip."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.pump.running = False
    bed.run(3)
    assert bed.phase is Phase.PAUSED
    bed.pump.counter = 0.0
    bed.run(3)
    assert not bed.stops()
    bed.pump.counter += DRIP_ML
    bed.run(1)
    [(_, event)] = bed.events(StopAsked)
    assert event.reason == "Delivering while paused: the volume rose by 0.01 mL"
    assert event.doubted
    assert (event.then, event.codes, event.by) == (Phase.PAUSED, (), "")


def test_of_two_causes_due_in_one_instant_the_one_that_stood_first_is_named() -> None:
    """Pins which cause a stop is told by: the more urgent, and of two alike the earlier; both are on its record."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.monitor.values |= {Metric.HR: 39, Metric.PULSE: 39}
    bed.run(25)
    began = bed.now
    bed.monitor.values[Metric.SPO2] = 84
    bed.run(5)
    while not bed.stops():
        bed.run(1)
    [(at, event), *_] = bed.events(StopAsked)
    assert at - began <= 8 * SECOND
    assert event.codes == ("hr-low", "spo2-low")
    assert event.reason == bed.alarms["hr-low"].text


def test_recovery_begins_once_and_only_with_zero_flow_for_good() -> None:
    """Pins that a stop confirmed so far leads to stopped, and only one confirmed for good to recovery."""
    bed = Bed(pump=Pump(resolution=0.1))
    bed.infuse()
    bed.run(60)
    bed.ask(Stop("enough"))
    bed.run(3)
    assert [e.phase for _, e in bed.events(PhaseChanged)][-1] is Phase.STOPPED
    bed.run(30)
    assert [e.phase for _, e in bed.events(PhaseChanged)][-2:] == [Phase.STOPPED, Phase.RECOVERY]


@pytest.mark.parametrize("counted", [False, True])
def test_a_pump_that_says_it_delivers_after_the_end_is_stopped_before_any_volume_shows(counted: bool) -> None:
    """Pins that its own word is enough, where a step of the counter takes 36 seconds or no volume is told at all."""
    bed = Bed(pump=Pump(resolution=0.01, counted=counted))
    bed.infuse(rate_ml_h=1.0, dose_mg=0.6667, volume_ml=5.0)
    bed.run(120)
    bed.ask(Stop("enough"))
    bed.run(70)
    assert bed.phase is Phase.RECOVERY
    bed.pump.running = True
    bed.run(1)
    assert told(bed)
    reason = bed.events(StopAsked)[-1][1].reason
    assert reason == "Delivering after the stop: the pump delivers again after the session's end"


def test_a_stop_confirmed_so_far_is_not_for_good_because_the_line_went() -> None:
    """Pins that without a reading nothing is known of the pump: silence is no proof that it stands."""
    bed = Bed(pump=Pump(resolution=0.01))
    bed.infuse(rate_ml_h=1.0, dose_mg=0.6667, volume_ml=5.0)
    bed.run(120)
    bed.ask(Stop("enough"))
    bed.run(2)
    assert bed.session.stopping == "provisional"
    bed.pump.mute = True
    bed.give(LinkLost("pump", "unplugged"))
    bed.run(60)
    assert bed.session.stopping == "provisional"
    assert bed.phase is Phase.STOPPED


def test_a_pump_without_a_counter_stands_for_good_after_a_minute_exactly() -> None:
    """Pins the minute from its first report of rest on: the report of that very second confirms the stop."""
    bed = Bed(pump=Pump(counted=False))
    bed.infuse()
    bed.run(60)
    bed.ask(Stop("enough"))
    bed.run(60)
    assert bed.session.stopping == "provisional"
    bed.run(1)
    assert bed.session.stopping == "confirmed"
