"""Amending, where a last digit decides: what needs two people, what the syringe holds, what counts as the same."""

import pytest

from core_bed import Bed
from infusion_gateway.core.amending import MOST_MG_ML, WRONG_CONCENTRATION
from infusion_gateway.core.ordering import ROUNDING, TOLERANCE
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import ConcentrationCorrected, InstructionAccepted, InstructionRefused
from infusion_gateway.model.instructions import Amend, Correct, Extend, Instruction, Syringe
from infusion_gateway.model.metric import MINUTE

ALONE = "enforced from now on: "
ENTERED = "entered; nothing has changed yet: another person must ask for the same"
SHORT_ORDER = {"dose_mg": 1.75, "duration": 2 * MINUTE}
"""Two minutes at 52.5 mL/h of 1 mg/mL."""


def words(done: Step) -> str:
    """Give the words in which an instruction was taken or refused."""
    [answer] = [e.reason for e in done.events if isinstance(e, InstructionAccepted | InstructionRefused)]
    return answer


def armed(**order: object) -> Bed:
    """Give a bed that is armed, by default with 35 mg at 52.5 mL/h over 40 minutes."""
    bed = Bed()
    bed.arm(**order)
    return bed


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Amend("x", rate_ml_h=60.0, dose_mg=35.0), ENTERED),  # faster alone
        (Amend("x", rate_ml_h=50.0, dose_mg=35.0), ENTERED),  # longer alone
        (Amend("x", rate_ml_h=52.5, dose_mg=34.0), ALONE),  # less alone
        (Amend("x", rate_ml_h=52.5 * (1 + ROUNDING), dose_mg=34.0), ALONE),  # no faster than rounding makes it
        (Amend("x", rate_ml_h=50.0, dose_mg=50.0 * 2401 / 3600), ALONE),
        (Amend("x", rate_ml_h=50.0, dose_mg=50.0 * 2401.001 / 3600), ENTERED),
        (Extend(1, "x"), ENTERED),
        (Extend(0, "x"), "say how much more time is to be given"),
    ],
)
def test_faster_or_longer_each_wants_two_people(asked: Instruction, said: str) -> None:
    """Pins that a greater rate wants two people though it ends sooner, and a longer time though it runs slower.

    One second of time is what rounding a rate makes, and no more is.
    """
    assert words(armed().ask(asked)).startswith(said)


@pytest.mark.parametrize(("over", "said"), [(ROUNDING, ENTERED), (2 * ROUNDING, "dose 70 mg is above the hard limit")])
def test_the_hard_limit_is_held_but_for_the_last_digit_of_a_sum(over: float, said: str) -> None:
    """Pins that a dose at its hard limit is not refused for what a sum of two numbers rounds, and beyond it is."""
    bed = armed(concentration_mg_ml=5.0, rate_ml_h=10.5, volume_ml=14.0)
    assert words(bed.ask(Amend("x", rate_ml_h=21.0, dose_mg=70.0 + over))).startswith(said)


@pytest.mark.parametrize(
    ("less_ml", "said"), [(0.0, ENTERED), (ROUNDING, ENTERED), (1e-6, "the syringe holds 39.2 mL and 40 mL are need")]
)
def test_more_is_held_to_what_the_syringe_holds(less_ml: float, said: str) -> None:
    """Pins the tolerance of a syringe's volume exactly: two percent less than the greater dose needs, and no more."""
    bed = armed(volume_ml=40.0 * (1 - TOLERANCE) - less_ml)
    assert words(bed.ask(Amend("x", rate_ml_h=60.0, dose_mg=40.0))).startswith(said)


@pytest.mark.parametrize(
    ("volume_ml", "said"),
    [
        (35.0 * (1 - TOLERANCE), "the syringe is entered"),
        (35.0 * (1 - TOLERANCE) - 1e-6, "the syringe is entered; 35 mL are still needed, it holds less"),
        (70.0 * (1 + ROUNDING), "the syringe is entered"),
        (70.0 * (1 + 2 * ROUNDING), "it holds 70 mg, more than the hard limit of 70 mg: draw up less"),
    ],
)
def test_another_syringe_holds_enough_and_not_too_much(volume_ml: float, said: str) -> None:
    """Pins when a person hears that the new syringe will not do, and how much one may hold, to the last digit."""
    assert words(armed().ask(Syringe(volume_ml, 1.0, "empty"))) == said


def test_a_dose_that_was_just_given_is_no_new_dose() -> None:
    """Pins that an order can't be lowered to what was given exactly: that is an end, and people are told so."""
    bed = armed()
    bed.pump.running = True
    bed.run(60)
    given = bed.session.dose_mg
    assert given
    assert words(bed.ask(Amend("x", dose_mg=given))) == f"{given:.4g} mg were given already: end the session instead"


@pytest.mark.parametrize(
    ("before_ns", "said"), [(1, ALONE), (0, "the time ordered is over: give more time, or end the session")]
)
def test_an_order_may_be_lowered_until_its_time_is_over(before_ns: int, said: str) -> None:
    """Pins the end of the time ordered, to the nanosecond, as when nothing is left that a rate could be set for."""
    bed = armed(**SHORT_ORDER)
    bed.pump.running = True
    bed.run(119)
    ends = bed.state.durable.case
    assert ends is not None
    assert ends.ends_at is not None
    bed.now = ends.ends_at - before_ns
    assert words(bed.ask(Amend("dizzy", rate_ml_h=45.0))).startswith(said)


@pytest.mark.parametrize(
    ("true", "said"),
    [
        (MOST_MG_ML, "counted anew: "),
        (MOST_MG_ML + 0.001, "a concentration is above nothing and at most 100 mg/mL: read the syringe"),
        (1.0 + 5e-7, "1 mg/mL is what is counted with already"),
        (1.0 + 5e-6, "counted anew: "),
    ],
)
def test_a_correction_is_of_a_syringe_that_there_is_and_changes_something(true: float, said: str) -> None:
    """Pins the strongest concentration that can be entered, and what is so near that it is the same."""
    bed = Bed()
    bed.infuse()
    assert words(bed.ask(Correct(WRONG_CONCENTRATION, true, "read again"))).startswith(said)


def test_what_people_write_of_a_correction_is_kept_to_two_hundred_characters() -> None:
    """Pins that a record's line has an end, however much somebody writes."""
    bed = Bed()
    bed.infuse()
    bed.ask(Correct(WRONG_CONCENTRATION, 5.0, "x" * 300))
    [(_, event)] = bed.events(ConcentrationCorrected)
    assert event.reason == "5 mg/mL instead of 1: " + "x" * 200
