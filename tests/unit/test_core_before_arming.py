"""Before arming: what runs while an order is not confirmed is dose; a purge ends with the arming."""

from dataclasses import replace

import pytest

from core_bed import LOW, Bed, Pump, depression_40
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import (
    CaseConfirmed,
    ConditionRaised,
    InfusionStarted,
    InstructionAccepted,
    InstructionRefused,
)
from infusion_gateway.model.instructions import Abort, Confirm, Prime
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.model.session import Phase, WindowLimit

A_MINUTE_ML = 52.5 / 60


def taken(done: Step) -> str:
    """Give the words of what was taken, "" where it was refused."""
    return next((event.reason for event in done.events if isinstance(event, InstructionAccepted)), "")


def ordered(pump: Pump | None = None) -> Bed:
    """Give a bed with an order that waits to be confirmed, beside a pump set to its rate."""
    bed = Bed(pump=pump if pump is not None else Pump(rate=52.5))
    bed.run(3)
    bed.order()
    bed.run(2)
    return bed


def ran(bed: Bed, seconds: float = 60) -> None:
    """Let the pump run for a while, and stand for a while."""
    bed.pump.running = True
    bed.run(seconds)
    bed.pump.running = False
    bed.run(4)


@pytest.mark.requirement("S54")
@pytest.mark.parametrize("crash", [False, True])
def test_what_runs_before_the_order_is_confirmed_counts_from_the_start(crash: bool) -> None:
    """Pins that it is told as it runs, named in the answer to `confirm` and at T0, part of the dose; crash or not."""
    bed = ordered()
    ran(bed)
    [(_, raised), *_] = [
        (at, e)
        for at, e in bed.events(ConditionRaised)
        if e.code == "delivering-without-order"  # type: ignore[union-attr]
    ]
    assert "the order on this bed is not confirmed" in raised.reason  # type: ignore[union-attr]
    if crash:
        bed.crash()
        bed.run(3)
    words = taken(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    assert "0.875 mL (0.875 mg) ran before and count" in words
    bed.pump.running = True
    bed.run(60)
    [(_, started)] = bed.events(InfusionStarted)
    assert isinstance(started, InfusionStarted)
    assert started.before_ml == pytest.approx(A_MINUTE_ML, abs=0.001)
    assert "ran before" in started.reason
    assert bed.session.volume_ml == pytest.approx(bed.pump.given, abs=0.03)
    assert bed.session.volume_ml == pytest.approx(2 * A_MINUTE_ML, abs=0.03)
    assert not bed.stops()
    bed.check()


def test_an_announced_purge_before_arming_is_no_dose() -> None:
    """Pins that nothing of a purge under `prime` counts, and that the answer to `confirm` says nothing of it."""
    bed = ordered()
    bed.ask(Prime(2 * MINUTE))
    ran(bed)
    assert "ran before" not in taken(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    bed.pump.running = True
    bed.run(60)
    assert bed.session.volume_ml == pytest.approx(A_MINUTE_ML, abs=0.02)
    bed.check()


def test_a_counter_that_is_cleared_before_arming_is_no_dose() -> None:
    """Pins that setting a pump up, its counter set to nothing or to less, adds nothing."""
    bed = Bed(pump=Pump(rate=52.5, counter=12.0))
    bed.run(3)
    bed.order()
    bed.run(2)
    for counter in (3.0, 0.0):
        bed.pump.counter = counter
        bed.run(4)
    assert "ran before" not in taken(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    assert bed.state.live.account.delivered_ml == 0


def test_a_pump_without_a_counter_is_booked_by_its_rate() -> None:
    """Pins that what runs before arming counts where the pump tells no volume, and a purge of it doesn't."""
    bed = ordered(Pump(rate=52.5, counted=False))
    bed.ask(Prime(20 * SECOND))
    ran(bed, 10)
    assert bed.state.live.account.delivered_ml == 0
    bed.run(20)
    ran(bed)
    assert bed.state.live.account.delivered_ml == pytest.approx(A_MINUTE_ML, abs=0.03)


def test_what_ran_stays_with_the_case_that_is_ordered_again() -> None:
    """Pins that an order entered anew keeps it, one for another case begins at nothing, and it counts as given then."""
    bed = ordered()
    ran(bed)
    bed.order(duration=39 * MINUTE, rate_ml_h=53.8)
    bed.run(2)
    assert bed.state.live.account.delivered_ml == pytest.approx(A_MINUTE_ML, abs=0.001)
    assert not bed.state.durable.given
    bed.order(case="case-2", subject="subject-2")
    bed.run(2)
    assert bed.state.live.account.delivered_ml == 0
    [given] = bed.state.durable.given
    assert (given.case, given.subject) == ("case-1", "subject-1")
    assert given.mg == pytest.approx(A_MINUTE_ML, abs=0.001)
    bed.check()


def test_what_ran_before_a_case_was_given_up_counts_in_the_windows() -> None:
    """Pins that the next order for the same subject is held against it."""
    hour = WindowLimit(60 * MINUTE, 0.51, 100)
    bed = ordered()
    ran(bed)
    bed.ask(Abort("x"))
    assert bed.phase is Phase.ABORTED
    bed.setup = replace(bed.setup, protocols=(replace(depression_40(), window_limits=(hour,)),))
    bed.crash()
    bed.run(3)
    done = bed.order(case="case-2")
    assert "were given before" in next(e.reason for e in done.events if isinstance(e, InstructionRefused))


def test_the_words_follow_what_is_true() -> None:
    """Pins that a pump told of without an order is told of anew, in true words, once one is entered, and stays low."""
    bed = Bed(pump=Pump(rate=52.5))
    bed.run(3)
    bed.pump.running = True
    bed.run(5)
    assert "nobody has ordered it here" in bed.alarms["delivering-without-order"].text
    bed.order()
    bed.run(2)
    alarm = bed.alarms["delivering-without-order"]
    assert "the order on this bed is not confirmed" in alarm.text
    assert alarm.priority is LOW
    bed.run(8)
    bed.pump.running = False
    bed.run(4)
    assert bed.state.live.account.delivered_ml == pytest.approx(52.5 * 10 / 3600, abs=0.03)
    assert not bed.stops()


@pytest.mark.parametrize("before_order", [True, False])
def test_a_purge_ends_with_the_arming(before_order: bool) -> None:
    """Pins that a purge announced before the case is armed hides no start: T0 is seen, and costs the case no time."""
    bed = Bed(pump=Pump(rate=52.5))
    bed.run(3)
    if before_order:
        bed.ask(Prime(10 * MINUTE))
        bed.order()
    else:
        bed.order()
        bed.ask(Prime(10 * MINUTE))
    assert taken(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    assert bed.events(CaseConfirmed)
    case = bed.state.durable.case
    assert case is not None
    assert case.purged == 0
    bed.pump.running = True
    bed.run(3)
    assert bed.phase is Phase.INFUSING
    bed.check()
