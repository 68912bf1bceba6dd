"""The pump's mechanics: exact volumes, everything that stops it, who may cheat."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_simulators.device import SECOND, Obedience
from infusion_simulators.mechanics import HOUR, Alarm, Delivery, Origin, Pump, StoppedBy

REMOTE, KEYPAD = Origin.REMOTE, Origin.KEYPAD


def running(rate_ml_h: float = 60.0, reservoir_ml: float = 50.0, **more: float) -> Pump:
    """Give a pump that has been started at the keypad at time 0."""
    pump = Pump(0, rate_ml_h=rate_ml_h, reservoir_ml=reservoir_ml, **more)
    assert pump.start(KEYPAD)
    return pump


@given(st.lists(st.integers(0, 10 * HOUR), min_size=1, max_size=40), st.integers(1, 5_000_000))
def test_many_steps_are_one_step(times: list[int], rate_nl_h: int) -> None:
    """Pins that the volume doesn't depend on how often the pump is looked at, to the last nanolitre."""
    rate = rate_nl_h / 1_000_000
    many, one = running(rate, 1000.0), running(rate, 1000.0)
    for now in sorted(times):
        many.advance(now)
    one.advance(max(times))
    assert (many.volume_ml, many.reservoir_ml, many.infused_ml) == (one.volume_ml, one.reservoir_ml, one.infused_ml)
    assert many.volume_nl == rate_nl_h * max(times) // HOUR


@given(
    st.lists(
        st.tuples(
            st.integers(0, HOUR),
            st.sampled_from(["start", "stop", "rate", "bolus", "vtbi", "occlude", "open", "load", "reverse", "cycle"]),
        ),
        max_size=30,
    )
)
def test_nothing_is_lost_or_made(moves: list[tuple[int, str]]) -> None:
    """Pins that what left the reservoir is in the patient or in the line, whatever is done; time never stands still."""
    pump = Pump(0, rate_ml_h=10.0, reservoir_ml=20.0, kvo_ml_h=1.0)
    loaded, before, now = 20.0, [0], 0
    for step, move in moves:
        now += step
        pump.advance(now)
        deadline = pump.next_deadline()
        assert deadline is None or deadline > now
        match move:
            case "start":
                pump.reverse = False
                pump.start(KEYPAD)
            case "stop":
                pump.stop(KEYPAD)
            case "rate":
                pump.set_rate(35.5, REMOTE)
            case "bolus":
                pump.bolus(0.5, 600.0, KEYPAD)
            case "vtbi":
                pump.set_vtbi(1.25, KEYPAD)
            case "occlude":
                pump.occlude(occluded=True)
            case "open":
                pump.occlude(occluded=False)
            case "load" if pump.delivery is Delivery.STOPPED:
                loaded += 20.0 - pump.reservoir_ml
                pump.load(20.0)
            case "cycle":
                pump.power_cycle(now, keep_dead_man=False)
        before.append(round(pump.infused_ml * 1e9))
    pump.occlude(occluded=False)
    assert pump.infused_ml + pump.reservoir_ml == pytest.approx(loaded, abs=1e-9)
    assert all(a <= b for a, b in pairwise(before))


def test_vtbi_stops_exactly() -> None:
    """Pins that the pump says when its VTBI is spent, and stops there with exactly that volume."""
    pump = Pump(0, rate_ml_h=7.0, reservoir_ml=50.0)
    pump.set_vtbi(1.0, KEYPAD)
    pump.start(KEYPAD)
    due = pump.next_deadline()
    assert due == -(-HOUR // 7)
    pump.advance(due - 1)
    assert pump.delivery is Delivery.INFUSING
    assert pump.vtbi_remaining_ml == pytest.approx(0, abs=1e-8)
    pump.advance(10 * HOUR)
    assert (pump.delivery, pump.stopped_by, pump.volume_ml) == (Delivery.STOPPED, StoppedBy.VTBI, 1.0)


def test_kvo_follows_the_vtbi() -> None:
    """Pins that a pump with KVO goes on at its KVO rate, never faster than the programmed one, and is delivering."""
    pump = Pump(0, rate_ml_h=60.0, reservoir_ml=50.0, kvo_ml_h=3.0)
    pump.set_vtbi(1.0, KEYPAD)
    pump.start(KEYPAD)
    pump.advance(HOUR // 60 + HOUR)
    assert (pump.delivery, pump.flow_ml_h, pump.delivering) == (Delivery.KVO, 3.0, True)
    assert pump.volume_ml == pytest.approx(1.0 + 3.0, abs=1e-9)
    pump.set_rate(1.0, KEYPAD)
    assert pump.flow_ml_h == 1.0


def test_a_new_start_has_a_new_vtbi_and_a_pause_keeps_it() -> None:
    """Pins that a pause in the middle counts on, and a start after completion begins anew."""
    pump = Pump(0, rate_ml_h=60.0, reservoir_ml=50.0)
    pump.set_vtbi(1.0, KEYPAD)
    pump.start(KEYPAD)
    pump.advance(30 * SECOND)
    pump.stop(KEYPAD)
    pump.advance(HOUR)
    pump.start(KEYPAD)
    assert pump.vtbi_remaining_ml == 0.5
    pump.advance(2 * HOUR)
    assert pump.stopped_by is StoppedBy.VTBI
    pump.start(KEYPAD)
    assert pump.vtbi_remaining_ml == 1.0


def test_an_empty_syringe_stops_it_until_there_is_another() -> None:
    """Pins near-empty, the empty alarm, that it can't be started empty, and that a new syringe helps."""
    pump = running(60.0, 3.0)
    pump.advance(SECOND * 90)
    assert pump.near_empty
    pump.advance(HOUR)
    assert (pump.alarm, pump.stopped_by, pump.reservoir_ml) == (Alarm.EMPTY, StoppedBy.ALARM, 0.0)
    assert not pump.start(KEYPAD)
    pump.load(10.0)
    assert pump.alarm is Alarm.NONE
    assert pump.start(KEYPAD)
    with pytest.raises(ValueError, match="stop the pump first"):
        pump.load(10.0)


def test_occlusion_builds_up_alarms_and_gives_back() -> None:
    """Pins that a clamped line takes the compliance at the pump's rate, alarms, and empties into the patient."""
    pump = running(60.0, compliance_ml=0.1)
    pump.advance(60 * SECOND)
    pump.occlude(occluded=True)
    assert pump.next_deadline() == 66 * SECOND
    pump.advance(64 * SECOND)
    assert (pump.alarm, pump.delivering, pump.infused_ml) == (Alarm.NONE, True, 1.0)
    pump.advance(HOUR)
    assert (pump.alarm, pump.delivering, pump.infused_ml) == (Alarm.OCCLUSION, False, 1.0)
    assert pump.volume_ml == pytest.approx(1.1)
    pump.occlude(occluded=False)
    assert pump.infused_ml == pytest.approx(1.1)
    assert pump.alarm is Alarm.NONE


def test_a_bolus_ends_where_it_came_from() -> None:
    """Pins that a bolus delivers exactly its volume and then goes on, or stops where the pump stood."""
    pump = running(6.0)
    pump.bolus(1.0, 600.0, KEYPAD)
    assert (pump.delivery, pump.next_deadline()) == (Delivery.BOLUS, 6 * SECOND)
    pump.advance(6 * SECOND)
    assert (pump.delivery, pump.volume_ml) == (Delivery.INFUSING, 1.0)
    still = Pump(0, rate_ml_h=6.0, reservoir_ml=50.0)
    still.bolus(None, 600.0, KEYPAD)
    still.advance(60 * SECOND)
    assert (still.delivery, still.volume_ml) == (Delivery.BOLUS, 10.0)
    still.stop(KEYPAD)
    assert still.delivery is Delivery.STOPPED


def test_the_dead_man_is_idle_until_fed() -> None:
    """Pins arming, feeding, tripping once, and that it says itself when it will."""
    pump = running()
    pump.dead_man.arm(20)
    assert pump.dead_man.deadline is None
    pump.dead_man.feed(0)
    pump.advance(15 * SECOND)
    pump.dead_man.feed(15 * SECOND)
    pump.advance(30 * SECOND)
    assert pump.delivering
    pump.advance(40 * SECOND)
    assert (pump.delivery, pump.stopped_by, pump.dead_man.tripped) == (Delivery.STOPPED, StoppedBy.DEAD_MAN, True)
    assert pump.volume_ml == pytest.approx(35 / 60)
    assert pump.dead_man.deadline is None
    pump.start(KEYPAD)
    assert not pump.dead_man.tripped
    with pytest.raises(ValueError, match="0-255"):
        pump.dead_man.arm(256)


def test_of_one_instant_the_dead_man_comes_first() -> None:
    """Pins the reason told where the dead man and the VTBI fall together: the dead man's."""
    pump = Pump(0, rate_ml_h=60.0, reservoir_ml=50.0)
    pump.set_vtbi(1.0, KEYPAD)
    pump.dead_man.arm(60)
    pump.dead_man.feed(0)
    pump.start(KEYPAD)
    pump.advance(60 * SECOND)
    assert pump.stopped_by is StoppedBy.DEAD_MAN
    assert pump.volume_ml == 1.0


def test_refusing_does_nothing_for_the_host_and_all_for_the_keypad() -> None:
    """Pins `refuse`: every remote command is taken and changes nothing; the keypad still stops the pump."""
    pump = running(60.0)
    pump.obedience = Obedience.REFUSES
    pump.stop(REMOTE)
    pump.set_rate(1.0, REMOTE)
    pump.set_vtbi(0.1, REMOTE)
    assert pump.start(REMOTE)
    pump.clear_volume(REMOTE)
    pump.advance(60 * SECOND)
    assert (pump.delivery, pump.rate_ml_h, pump.vtbi_ml, pump.volume_ml) == (Delivery.INFUSING, 60.0, None, 1.0)
    assert pump.reported().delivery is Delivery.INFUSING
    pump.stop(KEYPAD)
    assert pump.stopped_by is StoppedBy.KEYPAD


def test_lying_says_stopped_while_the_counter_runs() -> None:
    """Pins `lie`: the report says stopped by remote at no rate, the truth and the volume counter go on."""
    pump = running(1.0)
    pump.obedience = Obedience.LIES
    assert pump.reported().delivery is Delivery.INFUSING
    pump.stop(REMOTE)
    told = pump.reported()
    assert (told.delivery, told.rate_ml_h, told.stopped_by) == (Delivery.STOPPED, 0.0, StoppedBy.REMOTE)
    pump.advance(HOUR)
    assert (pump.delivery, pump.volume_ml, pump.infused_ml) == (Delivery.INFUSING, 1.0, 1.0)
    pump.stop(KEYPAD)
    assert (pump.delivery, pump.reported().stopped_by) == (Delivery.STOPPED, StoppedBy.KEYPAD)


@pytest.mark.parametrize("end", [Obedience.OBEYS, Obedience.REFUSES])
def test_a_lie_ends_with_the_fault(end: Obedience) -> None:
    """Pins that a pump that lies no more reports what it does, and that beginning to lie again revives no old lie."""
    pump = running(1.0)
    pump.obedience = Obedience.LIES
    pump.stop(REMOTE)
    pump.obedience = end
    told = pump.reported()
    assert (told.delivery, told.rate_ml_h, told.stopped_by) == (Delivery.INFUSING, 1.0, StoppedBy.NONE)
    pump.obedience = Obedience.LIES
    assert pump.reported().delivery is Delivery.INFUSING
    pump.obedience = Obedience.OBEYS
    pump.stop(REMOTE)
    assert (pump.delivery, pump.stopped_by) == (Delivery.STOPPED, StoppedBy.REMOTE)


@pytest.mark.parametrize("alarm", [a for a in Alarm if a is not Alarm.NONE])
def test_every_alarm_stops_and_keeps_it_stopped(alarm: Alarm) -> None:
    """Pins that each device alarm stops delivery and holds the pump until its cause is gone."""
    pump = running()
    pump.raise_alarm(alarm)
    assert (pump.delivery, pump.stopped_by) == (Delivery.STOPPED, StoppedBy.ALARM)
    assert not pump.start(KEYPAD)
    assert not pump.bolus(1.0, 100.0, KEYPAD)
    pump.raise_alarm(Alarm.NONE)
    assert pump.delivery is Delivery.STOPPED
    assert pump.start(KEYPAD)


def test_the_first_reason_stays() -> None:
    """Pins that stopping a stopped pump doesn't overwrite why it stopped."""
    pump = running()
    pump.raise_alarm(Alarm.AIR)
    pump.stop(REMOTE)
    pump.stop(KEYPAD)
    assert pump.stopped_by is StoppedBy.ALARM


def test_the_battery_runs_down_without_mains() -> None:
    """Pins the battery: full on mains, linear without, and at its end the pump stops; mains bring it back."""
    pump = running(1.0)
    pump.advance(HOUR)
    assert pump.battery_percent == 100.0
    pump.set_mains(connected=False)
    assert pump.next_deadline() == 9 * HOUR
    pump.advance(5 * HOUR)
    assert pump.battery_percent == 50.0
    pump.advance(20 * HOUR)
    assert (pump.alarm, pump.battery_percent, pump.volume_ml) == (Alarm.BATTERY, 0.0, 9.0)
    pump.set_mains(connected=True)
    assert pump.alarm is Alarm.NONE
    with pytest.raises(ValueError, match="battery_percent"):
        pump.set_battery(101)


@pytest.mark.parametrize("keep", [True, False])
def test_power_cycle(keep: bool) -> None:
    """Pins that power loss stops, clears counters, begins an epoch, and keeps the time-out only where stored, idle."""
    pump = running()
    pump.dead_man.arm(20)
    pump.dead_man.feed(0)
    pump.advance(10 * SECOND)
    pump.power_cycle(10 * SECOND, keep_dead_man=keep)
    assert (pump.delivery, pump.stopped_by, pump.volume_ml) == (Delivery.STOPPED, StoppedBy.NONE, 0.0)
    assert pump.infused_ml > 0
    assert (pump.dead_man.seconds, pump.dead_man.deadline) == (20 if keep else 0, None)
    assert (pump.volume_epoch, pump.power_interrupted) == (1, True)
    pump.advance(12 * SECOND)
    assert pump.uptime() == 2 * SECOND
    pump.start(KEYPAD)
    assert not pump.power_interrupted


def test_withdrawing_fills_the_syringe_and_counts_apart() -> None:
    """Pins the backward direction: its own counter, the same VTBI, nothing to the patient, not delivering."""
    pump = Pump(0, rate_ml_h=60.0, reservoir_ml=0.0)
    pump.reverse = True
    pump.set_vtbi(2.0, KEYPAD)
    assert pump.start(KEYPAD)
    assert (pump.delivery, pump.delivering) == (Delivery.WITHDRAWING, False)
    pump.advance(HOUR)
    assert (pump.withdrawn_ml, pump.volume_ml, pump.reservoir_ml, pump.infused_ml) == (2.0, 0.0, 2.0, 0.0)
    assert pump.stopped_by is StoppedBy.VTBI
    pump.clear_withdrawn(KEYPAD)
    assert pump.withdrawn_nl == 0


@pytest.mark.parametrize("rate", [-1.0, 1e6, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate: float) -> None:
    """Pins that no rate out of bounds is ever taken, NaN included."""
    pump = running()
    with pytest.raises(ValueError, match="rate_ml_h"):
        pump.set_rate(rate, KEYPAD)
    assert pump.rate_ml_h == 60.0


def test_rate_zero_does_not_run() -> None:
    """Pins that a rate of zero stops a running pump and can't be started."""
    pump = running()
    pump.set_rate(0.0, REMOTE)
    assert (pump.delivery, pump.stopped_by) == (Delivery.STOPPED, StoppedBy.REMOTE)
    assert not pump.start(KEYPAD)
