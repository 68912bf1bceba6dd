"""Amending, at each bound: the wall, the pump that still runs, the protocol's greatest; and at the second entry too."""

from dataclasses import replace

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import InstructionAccepted, InstructionRefused, OrderAmended
from infusion_gateway.model.inputs import LinkLost, LinkOpened
from infusion_gateway.model.instructions import Amend, Extend, Instruction
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.model.session import Phase

WALL = "it would end more than 50 min after the start, pauses included"
ENTERED = "entered; nothing has changed yet: another person must ask for the same"


def words(done: Step) -> str:
    """Give the words in which an instruction was taken or refused."""
    [answer] = [e.reason for e in done.events if isinstance(e, InstructionAccepted | InstructionRefused)]
    return answer


def infusing(**order: object) -> Bed:
    """Give a bed a minute into its order, by default of 40, whose protocol ends a session after 50."""
    bed = Bed(bed_setup(replace(depression_40(), wall=50 * MINUTE)))
    bed.infuse(**order)
    bed.run(60)
    return bed


def paused() -> Bed:
    """Give such a bed whose pump was paused by hand."""
    bed = infusing()
    bed.pump.running = False
    bed.run(3)
    assert bed.phase is Phase.PAUSED
    return bed


@pytest.mark.parametrize(("more", "said"), [(10 * MINUTE, ENTERED), (10 * MINUTE + 1, WALL)])
def test_more_time_ends_with_the_wall_at_the_latest(more: int, said: str) -> None:
    """Pins that an infusion may be given time to the wall exactly, and not a nanosecond more."""
    assert words(infusing().ask(Extend(more, "slowly"))) == said


@pytest.mark.parametrize("late", [0, 1])
def test_what_was_entered_in_time_is_held_to_the_wall_again_at_the_second_entry(late: int) -> None:
    """Pins that in a pause, while the end moves, two entries that agree don't carry an infusion over the wall."""
    bed = paused()
    began = bed.now
    since = bed.state.durable.phase_since
    room = 10 * MINUTE - (began - since)
    assert words(bed.ask(Extend(room - 30 * SECOND, "slowly"), by="nurse-1")) == ENTERED
    assert bed.now - since < room
    bed.run(30 + late)
    said = words(bed.ask(Extend(room - 30 * SECOND, "slowly"), by="doctor-1"))
    assert (said == WALL) is bool(late)
    assert len(bed.events(OrderAmended)) == 1 - late


@pytest.mark.parametrize(("down_to", "said"), [(50.0, "enforced from now on: 50 mL/h"), (49.9, "the pump runs at 60")])
def test_an_order_goes_below_the_pump_by_no_more_than_would_stop_it(down_to: float, said: str) -> None:
    """Pins 1.2 times the new rate exactly as what a pump that runs may still be set to."""
    bed = infusing(rate_ml_h=60.0, dose_mg=35.0, duration=35 * MINUTE)
    assert words(bed.ask(Amend("dizzy", rate_ml_h=down_to))).startswith(said)
    bed.run(70)
    assert not bed.stops()


def test_one_report_of_delivery_is_a_pump_that_runs() -> None:
    """Pins that in a pause an order isn't lowered under a pump that was just started, and is under one that stands."""
    bed = paused()
    bed.pump.running = True
    bed.run(1)
    assert bed.phase is Phase.PAUSED
    said = "the pump runs at 52.5 mL/h: set it to 40 first, or hold it"
    assert words(bed.ask(Amend("dizzy", rate_ml_h=40.0))) == said
    bed.pump.running = False
    bed.run(1)
    assert words(bed.ask(Amend("dizzy", rate_ml_h=40.0))).startswith("enforced from now on: 40 mL/h")


def test_a_pump_set_up_again_between_two_entries_is_noticed_at_the_second() -> None:
    """Pins that both entries are held against what the pump does: a lower rate for a greater dose."""
    bed = infusing()
    bed.pump.rate = 45.0
    bed.run(2)
    asked = Amend("slower, and more", rate_ml_h=46.0, dose_mg=36.0)
    assert words(bed.ask(asked, by="nurse-1")) == ENTERED
    bed.pump.rate = 56.0
    bed.run(2)
    assert words(bed.ask(asked, by="doctor-1")) == "the pump runs at 56 mL/h: set it to 46 first, or hold it"
    assert not bed.events(OrderAmended)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Amend("x", rate_ml_h=150.0, dose_mg=40.0), ENTERED),
        (Amend("x", rate_ml_h=150.1, dose_mg=40.0), "rate 150.1 mL/h is above the protocol's 150 mL/h"),
        (Amend("x", rate_ml_h=21.0, dose_mg=70.0), ENTERED),
        (Amend("x", rate_ml_h=21.0, dose_mg=70.01), "dose 70.01 mg is above the hard limit of 70 mg"),
        (Extend(20 * MINUTE, "x"), ENTERED),
        (Extend(20 * MINUTE + SECOND, "x"), "duration 60 min 1 s is above the protocol's 60 min"),
    ],
)
def test_each_of_the_protocols_greatest_is_allowed_and_no_more(asked: Instruction, said: str) -> None:
    """Pins the greatest rate, dose and duration exactly, of an order that was confirmed and didn't run yet."""
    bed = Bed()
    bed.arm(concentration_mg_ml=5.0, rate_ml_h=10.5, volume_ml=14.0)
    assert words(bed.ask(asked)) == said


def test_an_order_is_lowered_though_nobody_hears_the_pump() -> None:
    """Pins that a line that is gone keeps nobody from a lower rate: the pump is held to it as soon as it is heard."""
    bed = infusing()
    bed.pump.mute = True
    bed.give(LinkLost("pump", "unplugged"))
    assert words(bed.ask(Amend("dizzy", rate_ml_h=26.0))).startswith("enforced from now on: 26 mL/h")
    bed.pump.mute = False
    bed.give(LinkOpened("pump"))
    bed.run(3)
    assert bed.stops()
