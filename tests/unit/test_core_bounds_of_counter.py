"""A pump's counter, to the last digit of a step; and what a start, a purge, a rest and a case given up are told by."""

from dataclasses import replace

import pytest

from core_bed import Bed, Pump
from infusion_gateway.core import dose
from infusion_gateway.core.closing import forget
from infusion_gateway.core.durable import Account, Durable
from infusion_gateway.core.evolve import evolve
from infusion_gateway.core.session import REBASELINE
from infusion_gateway.core.step import Step
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.events import (
    BaselineTaken,
    ConditionCleared,
    ConditionRaised,
    InfusionStarted,
    InstructionAccepted,
    InstructionRefused,
    PrimeAnnounced,
)
from infusion_gateway.model.instructions import Abort, Confirm, Hold, Prime
from infusion_gateway.model.metric import MINUTE, SECOND, Nanos
from infusion_gateway.model.session import Phase

STEP = 0.25 + dose.ROUNDING_ML
"""What a counter in quarters of a millilitre may be aside."""


def words(done: Step) -> str:
    """Give the words in which an instruction was taken or refused."""
    [answer] = [e.reason for e in done.events if isinstance(e, InstructionAccepted | InstructionRefused)]
    return answer


def turn(ago: Nanos = dose.SOON + 1, rate: float | None = None, recorded: float = 0.0) -> Turn:
    """Give a turn at a bed without a case, whose counter, in quarters of a millilitre, stood at nothing so long ago."""
    made = Turn(Bed().state, 100 * SECOND)
    pump = made.live.pump
    pump.resolution, pump.volume_ml, pump.volume_at, pump.rate_ml_h = 0.25, 0.0, made.now - ago, rate
    made.durable = replace(made.durable, rate_ml_h=recorded)
    return made


# --- the counter


@pytest.mark.parametrize(("ml", "believed"), [(STEP, True), (-STEP, True), (STEP + 1e-9, False), (-STEP - 1e-9, False)])
def test_a_counter_that_stands_is_believed_a_step_aside(ml: float, believed: bool) -> None:
    """Pins one step either way, and what two numbers round, as a counter that stands; of a doubted reading too."""
    assert dose.follows(turn(), ml) is believed
    doubting = turn()
    doubting.live.pump.doubted_ml, doubting.live.pump.doubted_at = 0.0, doubting.now
    assert dose.agrees(doubting, ml) is believed


@pytest.mark.parametrize(
    ("ago", "rate", "recorded", "believed"),
    [
        (dose.SOON, 3600.0, 0.0, True),
        (dose.SOON, None, 3600.0, True),
        (dose.SOON, None, 0.0, False),
        (dose.SOON + 1, 3600.0, 0.0, False),
    ],
)
def test_what_can_have_flowed_is_believed(ago: Nanos, rate: float | None, recorded: float, believed: bool) -> None:
    """Pins twice the greatest rate known, reported or on record, for as long as the pump was heard soon before."""
    assert dose.follows(turn(ago, rate, recorded), STEP + 6.0) is believed
    assert dose.follows(turn(ago, rate, recorded), STEP + 0.0005) is believed


def test_only_what_is_more_than_a_step_lower_began_anew() -> None:
    """Pins that a counter a step back, or a step under where it stood before a reading too high, began nothing anew."""
    low = turn()
    low.live.pump.before_ml = None
    assert not dose.began_anew(low, -STEP)
    assert dose.began_anew(low, -STEP - 1e-9)
    low.live.pump.before_ml = -1.0
    assert not dose.began_anew(low, -1.0 - STEP)
    assert dose.began_anew(low, -1.0 - STEP - 1e-9)


@pytest.mark.parametrize(("said", "anew"), [(5, True), (4, False), (None, False)])
def test_the_pumps_own_count_of_beginnings_is_held_against_the_last(said: int | None, anew: bool) -> None:
    """Pins that another count than the last one says so, of this process or on record; no count doesn't."""
    here = turn()
    here.live.pump.epoch = 4
    assert dose.says_anew(here, said) is anew
    after_a_crash = turn()
    after_a_crash.live.pump.epoch = None
    after_a_crash.live.account = Account(pump_epoch=4)
    assert dose.says_anew(after_a_crash, said) is anew


# --- starts and purges


def test_volume_counts_from_where_it_was_at_arming() -> None:
    """Pins that what flows before the first report after arming is of the dose."""
    bed = Bed()
    bed.pump.counter = 3.0
    bed.infuse()
    [(_, started)] = bed.events(InfusionStarted)
    assert started.volume_ml == 3.0


@pytest.mark.parametrize(("early_ns", "ended"), [(0, False), (1, True)])
def test_a_purge_that_is_over_is_not_ended_by_arming(early_ns: int, ended: bool) -> None:
    """Pins that arming ends a purge which is still announced, to its last nanosecond, and none that is over."""
    bed = Bed()
    bed.run(3)
    bed.order()
    bed.ask(Prime(5 * SECOND))
    until = bed.now + 5 * SECOND
    bed.run(4)
    bed.now = until - early_ns
    assert words(bed.ask(Confirm(70.0, 1.0), by="nurse-2")).startswith("confirmed and armed")
    assert len(bed.events(PrimeAnnounced)) == 1 + ended


def test_a_purge_of_no_time_and_the_last_nanosecond_of_all_are_taken() -> None:
    """Pins that nothing is no fault to announce, and that purges of a case add up to exactly what it may have."""
    bed = Bed()
    bed.arm()
    assert words(bed.ask(Prime(0))) == "the purge is announced"
    assert words(bed.ask(Prime(10 * MINUTE - 1))) == "the purge is announced"
    bed.now += 10 * MINUTE - 1
    assert words(bed.ask(Prime(MINUTE))) == "the purge is announced"
    bed.now += 1
    assert words(bed.ask(Prime(MINUTE))) == "10 min of purges were announced for this case: that is all"


def test_an_announced_purge_is_no_delivery_without_an_order() -> None:
    """Pins that nobody is told of a purge that was announced, and everybody of what runs on after it."""
    bed = Bed()
    bed.run(3)
    bed.ask(Prime(10 * SECOND))
    bed.pump.running = True
    bed.run(9)
    assert "delivering-without-order" not in bed.alarms
    bed.run(3)
    assert "delivering-without-order" in bed.alarms


# --- pauses, stops and cases given up


def test_a_pump_started_under_a_case_that_was_given_up_is_told_of() -> None:
    """Pins that where nothing was asked of the pump because it stood, it is told once it delivers."""
    bed = Bed()
    bed.arm()
    bed.run(2)
    bed.ask(Abort("another day"))
    assert bed.phase is Phase.ABORTED
    bed.pump.running = True
    bed.run(3)
    assert "delivering-without-order" in bed.alarms


def test_nothing_is_ordered_while_it_is_not_sure_that_the_last_case_has_stopped() -> None:
    """Pins that after a case was given up under way an order waits until its stop stands for good."""
    bed = Bed()
    bed.arm(rate_ml_h=0.36, dose_mg=0.24, volume_ml=1.0)
    bed.pump.running = True
    bed.run(30)
    bed.ask(Abort("wrong patient"))
    bed.run(4)
    assert (bed.phase, bed.session.stopping) == (Phase.ABORTED, "provisional")
    assert words(bed.order(case="case-2")) == "the pump was asked to stop and is not yet seen to have"
    bed.run(20)
    assert words(bed.order(case="case-2")).startswith("ordered")


@pytest.mark.parametrize(("early_s", "baselines"), [(0, 2), (1, 1)])
def test_a_pause_of_fifteen_minutes_wants_a_new_baseline(early_s: int, baselines: int) -> None:
    """Pins that an infusion which goes on a quarter of an hour after its pause, exactly, has a new baseline."""
    bed = Bed()
    bed.infuse()
    bed.run(10)
    bed.pump.running = False
    bed.run(3)
    assert bed.phase is Phase.PAUSED
    since = bed.state.durable.phase_since
    bed.pump.running = True
    for before_s in (1, 0):
        bed.now = since + REBASELINE - (early_s + before_s) * SECOND
        bed.tick()
    assert bed.phase is Phase.INFUSING
    assert len(bed.events(BaselineTaken)) == baselines


def test_a_drip_after_a_stop_is_told_before_the_pump_is_asked_again_in_vain() -> None:
    """Pins that people hear at once of a pump that went on after it was seen at rest."""
    bed = Bed()
    bed.infuse()
    bed.run(10)
    bed.ask(Hold("talking"))
    bed.run(5)
    bed.pump.counter += 0.01
    bed.run(1)
    assert bed.alarms["delivering-after-stop"].present


def test_a_pump_that_tells_neither_volume_nor_rate_is_booked_at_the_rate_ordered() -> None:
    """Pins that of a slow pump no more is booked than was ordered, where nothing else is known."""

    class Silent(Pump):
        """A pump that tells whether it delivers, and nothing of how much."""

        def report(self, now: Nanos):
            """Leave the rate out."""
            return tuple(item for item in super().report(now) if getattr(item, "metric", None) is None)

    bed = Bed(pump=Silent(counted=False))
    bed.infuse(rate_ml_h=0.36, dose_mg=0.24, volume_ml=1.0)
    bed.run(60)
    account = bed.state.live.account
    assert account.expected_ml > 0.005
    assert account.delivered_ml == pytest.approx(account.expected_ml)


def test_another_case_is_named_by_no_more_than_a_line_holds() -> None:
    """Pins that a case's name, however long, is told in sixty characters."""
    bed = Bed()
    bed.run(3)
    bed.order(case="c" * 80)
    assert words(bed.ask(Hold("x"), case="case-9")) == f"this bed has another case: {'c' * 60}"


@pytest.mark.parametrize(("since", "left"), [(7, 0), (8, 1)])
def test_what_latched_in_the_instant_in_which_a_case_left_was_of_it(since: Nanos, left: int) -> None:
    """Pins that the next order clears what a case left latched up to its last instant, and nothing that came after."""
    raised = ConditionRaised(
        "spo2-low", Priority.HIGH, AlarmKind.PHYSIOLOGICAL, Response.STOP, True, since, 84.0, 85.0, "%", "Look"
    )
    durable = evolve(evolve(Durable(left_at=7), raised, since), ConditionCleared("spo2-low", True, "x"), 9)
    made = turn()
    made.durable = durable
    forget(made)
    assert len(made.durable.conditions) == left
