"""Amending: down by one person, up within the limits by two; another syringe; a concentration read wrongly."""

from dataclasses import replace

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.amending import PROPOSED_FOR
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import (
    ChangeProposed,
    ConcentrationCorrected,
    InstructionAccepted,
    InstructionRefused,
    OrderAmended,
    SyringeChanged,
)
from infusion_gateway.model.inputs import JournalChanged
from infusion_gateway.model.instructions import Amend, Correct, End, Extend, Hold, PermitResume, Prime, Syringe
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.model.session import Order, Phase

WRONG = "concentration-was-wrong"


def refusal(done: Step) -> str:
    """Give the reason of a refusal, "" where the instruction was taken."""
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


def taken(done: Step) -> str:
    """Give the words of what was taken, "" where it was refused."""
    return next((event.reason for event in done.events if isinstance(event, InstructionAccepted)), "")


def order_of(bed: Bed) -> Order:
    """Give the order in force."""
    assert bed.state.durable.case is not None
    return bed.state.durable.case.order


def infusing(minutes: float = 10) -> Bed:
    """Give a bed that has been infusing 52.5 mL/h of 1 mg/mL, of 40 minutes, for so long."""
    bed = Bed()
    bed.infuse()
    bed.run(minutes * 60 - 2)
    return bed


def two(bed: Bed, asked: object) -> Step:
    """Let two people ask for the same."""
    assert not refusal(bed.ask(asked, by="nurse-1"))
    return bed.ask(asked, by="doctor-1")


@pytest.mark.rule("E1", "acts")
def test_one_person_lowers_the_rate_and_the_dose_follows() -> None:
    """Pins that a lower rate is enforced at once: what is left to give follows from the time left (E1)."""
    bed = infusing(10)
    bed.pump.rate = 30.0
    bed.run(2)
    assert taken(bed.ask(Amend("dizzy", rate_ml_h=30.0)))
    order = order_of(bed)
    left = 40 * MINUTE - (bed.now - bed.state.durable.case.t0)
    given = bed.session.dose_mg
    assert order.rate_ml_h == 30.0
    assert order.duration == pytest.approx(40 * MINUTE, abs=SECOND)
    assert order.dose_mg == pytest.approx(given + 30.0 * left / (60 * MINUTE), rel=1e-6)
    bed.run(5 * 60)
    assert not bed.stops()
    bed.check()


@pytest.mark.parametrize(("rate", "stopped"), [(45.0, False), (46.0, True)])
def test_what_was_lowered_is_enforced(rate: float, stopped: bool) -> None:
    """Pins that the rate rows hold against the amended rate: 1.5 times it is left for ten seconds, above it isn't."""
    bed = infusing(10)
    bed.pump.rate = 30.0
    bed.run(2)
    bed.ask(Amend("dizzy", rate_ml_h=30.0))
    bed.pump.rate = rate
    bed.run(15)
    assert bool(bed.stops()) is stopped


def test_the_pump_goes_down_before_the_order_does() -> None:
    """Pins that a rate that the pump still runs far above is refused with the way out, instead of stopping it."""
    bed = infusing(10)
    before = bed.state.durable.case
    assert "set it to 26" in refusal(bed.ask(Amend("dizzy", rate_ml_h=26.25)))
    assert bed.state.durable.case == before
    bed.run(10)
    assert not bed.stops()
    assert taken(bed.ask(Amend("dizzy", rate_ml_h=52.5 / 1.2)))


def test_more_wants_two_people_who_enter_the_same() -> None:
    """Pins that a higher rate changes nothing until another person enters the same, within two percent."""
    bed = infusing(10)
    up = Amend("too little", rate_ml_h=60.0)
    assert "another person" in taken(bed.ask(up, by="nurse-1"))
    assert bed.events(ChangeProposed)
    assert order_of(bed).rate_ml_h == 52.5
    assert bed.session.waits_for_second == "amend"
    assert "differ" in refusal(bed.ask(Amend("too little", rate_ml_h=62.0), by="doctor-1"))
    assert order_of(bed).rate_ml_h == 52.5
    assert "another person" in refusal(bed.ask(up, by="Nurse 1"))
    assert "both entries agree" in taken(bed.ask(up, by="doctor-1"))
    assert order_of(bed).rate_ml_h == 60.0
    [(_, event)] = bed.events(OrderAmended)
    assert (event.by, event.seconded_by) == ("nurse-1", "doctor-1")
    assert bed.session.waits_for_second is None
    bed.pump.rate = 60.0
    bed.run(120)
    assert not bed.stops()
    bed.check()


def test_one_person_alone_makes_both_entries_as_for_an_order() -> None:
    """Pins two minutes and a reason for one person on site; one nanosecond before it is too soon."""
    bed = infusing(10)
    up = Amend("nobody else is here", rate_ml_h=60.0)
    bed.ask(up, by="nurse-1")
    began = bed.now
    bed.run(119)
    assert "no sooner" in refusal(bed.ask(up, by="nurse-1"))
    bed.run(1)
    assert bed.now == began + 2 * MINUTE
    assert taken(bed.ask(up, by="nurse-1"))
    assert order_of(bed).rate_ml_h == 60.0


@pytest.mark.parametrize(("late", "agreed"), [(0, True), (1, False)])
def test_the_first_entry_waits_ten_minutes(late: int, agreed: bool) -> None:
    """Pins until when a second entry counts: at ten minutes still, a second later it is a first one."""
    bed = infusing(10)
    up = Amend("too little", rate_ml_h=60.0)
    bed.ask(up, by="nurse-1")
    bed.run(PROPOSED_FOR / SECOND + late)
    bed.ask(up, by="doctor-1")
    assert (order_of(bed).rate_ml_h == 60.0) is agreed


def test_the_dose_goes_down_and_the_end_comes_sooner() -> None:
    """Pins that a lower dose at the same rate ends the session sooner, and completes it there."""
    bed = infusing(10)
    assert taken(bed.ask(Amend("enough", dose_mg=17.5)))
    assert bed.session.ends_at == pytest.approx(bed.state.durable.case.t0 + 20 * MINUTE, abs=5 * SECOND)
    bed.run(13 * 60)
    assert bed.phase in (Phase.COMPLETED, Phase.RECOVERY)
    assert bed.session.dose_mg == pytest.approx(17.5, abs=2.0)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Amend("x"), "give the rate or the dose"),
        (Amend("x", rate_ml_h=float("nan")), "give the rate or the dose"),
        (Amend("x", rate_ml_h=-1.0), "give the rate or the dose"),
        (Amend("", rate_ml_h=50.0), "needs a reason"),
        (Amend("x", dose_mg=5.0), "given already"),
        (Amend("x", rate_ml_h=151.0), "above the protocol's 150"),
        (Amend("x", dose_mg=70.1), "hard limit"),
        (Amend("x", dose_mg=60.0), "duration"),
        (Extend(0, "x"), "how much more"),
        (Extend(20 * MINUTE + SECOND, "x"), "duration"),
        (Extend(10 * MINUTE, " "), "needs a reason"),
        (Syringe(20.0, 1.0), "pause the pump"),
        (Correct("weight", 5.0, "x"), "can't be corrected"),
        (Correct(WRONG, 1.0, "x"), "already"),
        (Correct(WRONG, 0.0, "x"), "above nothing"),
        (Correct(WRONG, float("inf"), "x"), "above nothing"),
        (Correct(WRONG, 100.1, "x"), "above nothing"),
        (Correct(WRONG, 5.0, " "), "needs a reason"),
    ],
)
def test_a_change_that_does_not_hold_is_refused_in_words(asked: object, words: str) -> None:
    """Pins each refusal, and that nothing changed: neither order nor what waits for a second person."""
    bed = infusing(10)
    before = bed.state.durable.case
    done = bed.ask(asked, by="doctor-1")
    assert words in refusal(done)
    assert len(done.events) == 1
    assert bed.state.durable.case == before


def test_without_a_case_nothing_is_changed() -> None:
    """Pins a refusal with a way out for each on an idle bed."""
    bed = Bed()
    bed.run(3)
    for asked in (Amend("x", rate_ml_h=1.0), Extend(MINUTE, "x"), Syringe(20.0, 1.0), Correct(WRONG, 5.0, "x")):
        assert refusal(bed.ask(asked))
    assert bed.state.durable.case is None


def test_without_a_record_nothing_is_raised() -> None:
    """Pins that amend and extend are refused while the journal can't be written, and a correction is taken."""
    bed = infusing(10)
    bed.give(JournalChanged(False, "disk full"))
    for asked in (Amend("x", rate_ml_h=50.0), Extend(MINUTE, "x")):
        assert "not-recorded" in refusal(bed.ask(asked))
    assert "not-recorded" in taken(bed.ask(Correct(WRONG, 5.0, "read again")))


def test_more_time_wants_two_people_and_moves_the_end() -> None:
    """Pins that twenty minutes more, up to the protocol's ceiling of sixty, move the end and the dose with it."""
    bed = Bed()
    bed.infuse(volume_ml=60.0)
    bed.run(600)
    end = bed.session.ends_at
    assert taken(two(bed, Extend(20 * MINUTE, "well borne")))
    assert bed.session.ends_at == end + 20 * MINUTE
    assert order_of(bed).dose_mg == pytest.approx(52.5, abs=0.05)
    assert order_of(bed).duration == 60 * MINUTE
    bed.run(33 * 60)
    assert bed.phase is Phase.INFUSING
    assert not bed.stops()
    bed.check()


@pytest.mark.rule("E6", "acts")
def test_the_syringe_bounds_what_may_be_added() -> None:
    """Pins that more than the syringe holds is refused until it is changed."""
    bed = Bed()
    bed.infuse(volume_ml=36.0)
    bed.run(600)
    assert "change it first" in refusal(bed.ask(Extend(20 * MINUTE, "well borne")))
    bed.ask(Hold("the syringe is changed"))
    bed.pump.running = False
    bed.run(10)
    assert taken(bed.ask(Syringe(50.0, 1.0)))
    assert "both entries" in taken(two(bed, Extend(20 * MINUTE, "well borne")))


def test_a_pause_takes_nothing_of_the_time_left() -> None:
    """Pins that an order amended during a pause counts the rest from the pause's beginning."""
    bed = infusing(10)
    bed.pump.running = False
    bed.run(120)
    assert bed.phase is Phase.PAUSED
    assert taken(bed.ask(Amend("dizzy", rate_ml_h=30.0)))
    assert order_of(bed).duration == pytest.approx(40 * MINUTE, abs=3 * SECOND)
    bed.pump.rate, bed.pump.running = 30.0, True
    bed.run(3)
    assert bed.session.ends_at - bed.now == pytest.approx(30 * MINUTE, abs=5 * SECOND)


def test_an_end_beyond_the_wall_time_is_refused() -> None:
    """Pins that a long pause leaves no room for more time: ninety minutes in all are the bound."""
    bed = infusing(10)
    bed.pump.running = False
    bed.run(45 * 60)
    assert "after the start" in refusal(bed.ask(Extend(10 * MINUTE, "well borne"), by="doctor-1"))


def test_nothing_is_amended_while_a_stop_is_under_way() -> None:
    """Pins that an order stays as it is until the pump is seen to have stopped."""
    bed = infusing(10)
    bed.pump.obeys = False
    bed.ask(End("enough"))
    assert "not yet seen" in refusal(bed.ask(Amend("x", rate_ml_h=50.0)))


def paused(bed: Bed) -> Bed:
    """Pause a bed at the pump."""
    bed.pump.running = False
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    return bed


def test_a_new_syringe_starts_the_volume_rules_anew() -> None:
    """Pins that a changed syringe keeps dose and counter of what was given, and that drift is counted from there."""
    bed = paused(infusing(10))
    given = bed.session.dose_mg
    bed.pump.counter = 0.0
    assert taken(bed.ask(Syringe(30.0, 1.0)))
    [(_, event)] = bed.events(SyringeChanged)
    assert event.dose_mg == given
    account = bed.state.live.account
    assert account.expected_ml == account.delivered_ml
    bed.pump.running = True
    bed.run(60)
    assert bed.session.dose_mg == pytest.approx(given + 52.5 / 60, abs=0.05)
    assert not bed.stops()
    bed.check()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Syringe(30.0, 5.0), "the order is for 1 mg/mL"),
        (Syringe(30.0, 1.021), "the order is for 1 mg/mL"),
        (Syringe(70.1, 1.0), "hard limit"),
        (Syringe(0.0, 1.0), "greater than nothing"),
        (Syringe(float("nan"), 1.0), "greater than nothing"),
        (Syringe(70.0, 1.02), ""),
        (Syringe(20.0, 1.0), ""),
    ],
)
def test_a_syringe_is_held_against_the_order(asked: Syringe, words: str) -> None:
    """Pins the boundary of volume and concentration; a strange one is refused with the way out."""
    bed = paused(infusing(10))
    said = refusal(bed.ask(asked))
    assert (words in said) if words else not said


def test_a_syringe_that_holds_too_little_is_told() -> None:
    """Pins that a small syringe is taken, and that the answer says what is still needed."""
    bed = paused(infusing(10))
    assert "still needed" in taken(bed.ask(Syringe(10.0, 1.0)))
    assert "needed" not in taken(bed.ask(Syringe(30.0, 1.0)))


@pytest.mark.requirement("S33")
def test_a_stronger_syringe_than_entered_is_counted_at_once() -> None:
    """Pins that one person's correction upwards counts the whole syringe anew, and that the limits hold at once."""
    bed = infusing(15)
    assert bed.session.dose_mg == pytest.approx(13.1, abs=0.1)
    assert taken(bed.ask(Correct(WRONG, 5.0, "the label was read again")))
    assert bed.session.dose_mg == pytest.approx(65.6, abs=0.5)
    assert order_of(bed).rate_ml_h == 10.5
    bed.run(5)
    assert bed.stops()
    assert bed.phase in (Phase.PAUSED, Phase.STOPPED)
    bed.check()


@pytest.mark.requirement("S21")
def test_a_correction_past_the_hard_limit_ends_the_session() -> None:
    """Pins that a dose that turns out to be above the hard limit stops the pump in the same step."""
    bed = infusing(20)
    done = bed.ask(Correct(WRONG, 5.0, "the label was read again"))
    assert done.commands
    bed.run(10)
    assert bed.phase in (Phase.STOPPED, Phase.RECOVERY)
    assert "dose-limit" in bed.alarms


def test_only_what_came_since_the_last_syringe_is_counted_anew() -> None:
    """Pins that an earlier syringe keeps its concentration in the dose."""
    bed = paused(infusing(10))
    first = bed.session.dose_mg
    bed.ask(Syringe(40.0, 1.0))
    bed.pump.running = True
    bed.run(60)
    second = bed.session.volume_ml - first
    bed.ask(Correct(WRONG, 5.0, "the label was read again"))
    assert bed.session.dose_mg == pytest.approx(first + 5 * second, abs=1e-6)
    bed.crash()
    bed.run(2)
    assert bed.session.dose_mg == pytest.approx(first + 5 * (bed.session.volume_ml - first), abs=1e-6)


def test_a_weaker_syringe_wants_two_people() -> None:
    """Pins that a correction that makes room for more changes nothing until another person enters the same."""
    bed = Bed()
    bed.infuse(concentration_mg_ml=5.0, rate_ml_h=10.5, volume_ml=10.0)
    bed.run(600)
    before = bed.session.dose_mg
    asked = Correct(WRONG, 1.0, "the label was read again")
    assert "another person" in taken(bed.ask(asked, by="nurse-1"))
    assert bed.session.dose_mg == before
    assert "counted anew" in taken(bed.ask(asked, by="doctor-1"))
    assert bed.session.dose_mg == pytest.approx(before / 5)
    [(_, event)] = bed.events(ConcentrationCorrected)
    assert (event.by, event.seconded_by) == ("nurse-1", "doctor-1")


def test_what_the_protocol_does_not_allow_is_not_resumed() -> None:
    """Pins that a syringe of a concentration that is none of the protocol's stops the pump and stays stopped."""
    bed = infusing(2)
    bed.ask(Correct(WRONG, 1.1, "the label was read again"))
    bed.run(10)
    assert bed.phase is Phase.PAUSED
    assert "concentration-not-allowed" in bed.alarms
    assert "concentration-not-allowed" in refusal(bed.ask(PermitResume("go on")))


def test_an_armed_order_is_amended_before_anything_ran() -> None:
    """Pins that before T0 all of the ordered time is left, and that the end is counted once the infusion runs."""
    bed = Bed()
    bed.arm()
    assert taken(bed.ask(Amend("smaller vein", rate_ml_h=42.0))) == (
        "enforced from now on: 42 mL/h, 28 mg, 40 min in all"
    )
    assert bed.session.ends_at is None
    order = order_of(bed)
    assert (order.rate_ml_h, order.dose_mg, order.duration) == (42.0, 28.0, 40 * MINUTE)
    bed.pump.rate, bed.pump.running = 42.0, True
    bed.run(2)
    assert bed.session.ends_at == bed.state.durable.case.t0 + 40 * MINUTE


def test_what_is_over_is_not_amended() -> None:
    """Pins that in the grace after the ordered time another rate is refused: there is nothing left to give it to."""
    bed = Bed()
    bed.infuse(duration=10 * MINUTE, dose_mg=8.75, volume_ml=12.0)
    bed.run(598)
    assert taken(bed.ask(Amend("dizzy", rate_ml_h=50.0)))
    bed.run(1)
    words = "the time ordered is over: give more time, or end the session"
    assert refusal(bed.ask(Amend("dizzy", rate_ml_h=48.0))) == words


def test_two_people_always_where_the_protocol_wants_them() -> None:
    """Pins that without `second_entry_after` no wait makes one person enough for a change either."""
    bed = Bed(bed_setup(replace(depression_40(), second_entry_after=None)))
    bed.infuse()
    bed.ask(Amend("more", rate_ml_h=60.0), by="nurse-1")
    bed.run(300)
    assert refusal(bed.ask(Amend("more", rate_ml_h=60.0), by="nurse-1")) == "another person must ask for the same"


def test_no_syringe_is_entered_while_the_pump_runs() -> None:
    """Pins that during a purge, armed but delivering, a syringe is refused; a second at rest is not yet rest."""
    bed = Bed()
    bed.arm()
    bed.ask(Prime(MINUTE))
    bed.pump.running = True
    bed.run(3)
    words = "the pump is not seen at rest: pause it first"
    assert refusal(bed.ask(Syringe(50.0, 1.0))) == words
    bed.pump.running = False
    bed.run(1)
    assert refusal(bed.ask(Syringe(50.0, 1.0))) == words
    bed.run(1)
    assert taken(bed.ask(Syringe(50.0, 1.0)))


def test_a_strong_syringe_is_held_to_the_hard_limit_by_what_it_holds() -> None:
    """Pins the drug in a syringe of 5 mg/mL, not its volume, against the hard limit; exactly the limit is taken."""
    bed = Bed()
    bed.arm(concentration_mg_ml=5.0, rate_ml_h=10.5, volume_ml=10.0)
    said = "it holds 70.05 mg, more than the hard limit of 70 mg: draw up less"
    assert refusal(bed.ask(Syringe(14.01, 5.0))) == said
    assert taken(bed.ask(Syringe(14.0, 5.0))) == "the syringe is entered"
    assert taken(bed.ask(Syringe(6.0, 5.0))) == "the syringe is entered; 7 mL are still needed, it holds less"


@pytest.mark.parametrize(("true", "allowed"), [(5.000001, True), (5.1, False)])
def test_an_allowed_concentration_is_read_with_a_roundings_width(true: float, allowed: bool) -> None:
    """Pins that a correction to what the protocol allows, but for rounding, is no drug that it does not know."""
    bed = Bed()
    bed.infuse()
    bed.run(5)
    bed.ask(Correct("concentration-was-wrong", true, "read again"))
    bed.run(1)
    assert bed.state.durable.case is not None
    assert bed.state.durable.case.order.concentration_mg_ml == true
    assert ("concentration-not-allowed" in bed.alarms) is not allowed
