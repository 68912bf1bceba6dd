"""Refusals: each instruction that can't be carried out, in each situation, in the very words that a person reads.

The words are pinned whole: what is wrong, the value, the limit and the way out are all that a person at the bed gets.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from core_bed import Bed, Pump, bed_setup, depression_40
from infusion_gateway.core.ordering import faults_of_order
from infusion_gateway.core.step import step
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.case import Known
from infusion_gateway.model.events import InstructionAccepted, InstructionRefused
from infusion_gateway.model.inputs import Instructed, JournalChanged
from infusion_gateway.model.instructions import (
    NAMES,
    Abort,
    Acknowledge,
    Amend,
    Assess,
    Away,
    Close,
    Confirm,
    Correct,
    Disarm,
    End,
    Extend,
    Hold,
    HoldOff,
    Instruction,
    Limits,
    Move,
    Override,
    PauseAudio,
    PermitResume,
    PlaceOrder,
    Prime,
    Score,
    Stop,
    Syringe,
    TestAlarm,
)
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import BaselineGate, DeviceSetup, Gate, WindowLimit

LIGHTER = "the weight is more than 10% from that of the last session here: weigh again, or give a reason"
WAIT = "wait and measure again, or a clinician sets the limit for this case"
TOO_MUCH = "dose 84.24 mg is above the hard limit of 70 mg"
WRONG = "concentration-was-wrong"
LONG = "x" * 300
ORDER = PlaceOrder("case-2", "subject-1", "depression-40", 70.0, 1.0, 52.5, 50.0, 40 * MINUTE, 35.0)


def idle() -> Bed:
    """Give a bed at rest without a case."""
    bed = Bed()
    bed.run(3)
    return bed


def without_a_pump() -> Bed:
    """Give a recovery bed."""
    setup = bed_setup(depression_40())
    bed = Bed(replace(setup, devices=(DeviceSetup("monitor", False, False, None),)))
    bed.pump.mute = True
    bed.run(3)
    return bed


def ordered() -> Bed:
    """Give a bed whose order waits for its second entry."""
    bed = idle()
    bed.order()
    return bed


def gated() -> Bed:
    """Give an ordered bed with one soft and one hard gate shut, whose protocol wants two people always."""
    gates = {
        "baseline": (BaselineGate((Metric.SPO2,), required=True, low=98),),
        "gates": (Gate("journal", required=True), Gate("clock", required=True)),
    }
    bed = Bed(bed_setup(replace(depression_40(), second_entry_after=None, **gates)))
    bed.run(3)
    bed.order()
    return bed


def armed() -> Bed:
    """Give an armed bed, its pump at rest."""
    bed = Bed()
    bed.arm()
    bed.run(3)
    return bed


def infusing() -> Bed:
    """Give a bed that has been infusing for ten minutes."""
    bed = Bed()
    bed.infuse()
    bed.run(600)
    return bed


def counting_down() -> Bed:
    """Give a bed where the stop for an SpO2 of 89 is counted down."""
    bed = Bed()
    bed.infuse()
    bed.run(20)
    bed.monitor.values[Metric.SPO2] = 89
    bed.run(16)
    return bed


def held_off() -> Bed:
    """Give a bed where that stop was held off."""
    bed = counting_down()
    bed.ask(HoldOff("spo2-low", "she talks"))
    return bed


def stopping() -> Bed:
    """Give a bed whose pump was asked to hold and does not listen."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.pump.obeys = False
    bed.ask(Hold("look"))
    return bed


def not_stopped() -> Bed:
    """Give the same bed once people were told that the pump does not stop."""
    bed = stopping()
    bed.run(15)
    return bed


def pausing() -> Bed:
    """Give a bed that was held three seconds ago: a tenth of a millilitre, its pump's step, takes seven."""
    bed = Bed(pump=Pump(resolution=0.1))
    bed.infuse()
    bed.run(300)
    bed.ask(Hold("look"))
    bed.run(3)
    return bed


def paused() -> Bed:
    """Give a bed that was held, zero flow confirmed for good."""
    bed = pausing()
    bed.run(57)
    return bed


def paused_unwell() -> Bed:
    """Give a paused bed where the SpO2 that stopped it is still low."""
    bed = counting_down()
    bed.run(60)
    return bed


def paused_unseen() -> Bed:
    """Give a paused bed whose probe is off."""
    bed = paused()
    bed.monitor.values[Metric.SPO2] = None
    bed.run(3)
    return bed


def paused_by_hand() -> Bed:
    """Give a bed whose pump was paused at its own key."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.pump.running = False
    bed.run(5)
    return bed


def moving() -> Bed:
    """Give a bed whose case is on its way to another."""
    bed = paused()
    bed.ask(Move("chair-2"))
    return bed


def without_a_record() -> Bed:
    """Give a paused bed whose journal can't be written."""
    bed = paused()
    bed.give(JournalChanged(False, "disk full"))
    return bed


def recovering() -> Bed:
    """Give a bed in recovery, thirty seconds in."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.ask(End("enough"))
    bed.run(30)
    return bed


def purged() -> Bed:
    """Give an armed bed whose purges are used up."""
    bed = armed()
    bed.ask(Prime(10 * MINUTE))
    bed.run(600)
    return bed


def windowed() -> Bed:
    """Give a bed whose protocol allows 30 mg an hour."""
    protocol = replace(depression_40(), window_limits=(WindowLimit(60 * MINUTE, hard_mg=30.0, hard_mg_per_kg=1.0),))
    bed = Bed(bed_setup(protocol))
    bed.run(3)
    return bed


@cache
def at(situation: Callable[[], Bed]) -> Bed:
    """Give a situation, made once: nobody writes to a state that a step has left."""
    return situation()


def refused(situation: Callable[[], Bed], asked: Instruction, by: str, case: str = "", ident: str = "new") -> str:
    """Ask for something that is refused; give the words. Nothing else happens, and nothing else changes."""
    bed = at(situation)
    done = step(bed.state, Instructed(asked, by, ident, case), bed.now)
    [event] = done.events
    assert isinstance(event, InstructionRefused)
    assert (NAMES[event.instruction], event.id, event.by) == (type(asked), ident, by)
    assert not done.commands
    before, after = bed.state.durable, done.state.durable
    assert after.instructions[-1] == ident
    assert replace(after, at=before.at, instructions=before.instructions) == before
    assert done.state.live.values == bed.state.live.values
    return event.reason


ROWS: list[tuple[Callable[[], Bed], Instruction, str]] = [
    (idle, Confirm(70.0, 1.0), "nothing waits to be confirmed (phase idle)"),
    (idle, Hold("x"), "nothing is being infused (phase idle)"),
    (idle, End("x"), "nothing is being infused (phase idle)"),
    (idle, Abort("x"), "there is no case to give up (phase idle)"),
    (idle, PermitResume("x"), "nothing is paused (phase idle)"),
    (idle, HoldOff("spo2-low", "x"), "no stop is being counted down for spo2-low"),
    (idle, HoldOff(LONG, "x"), "no stop is being counted down for " + "x" * 60),
    (idle, Acknowledge("spo2-low"), "there is no alarm spo2-low"),
    (idle, Acknowledge(LONG), "there is no alarm " + "x" * 60),
    (counting_down, Acknowledge("spo2-loww"), "there is no alarm spo2-loww; there is spo2-low"),
    (
        idle,
        Close("x"),
        "a case is closed after recovery or after it was given up, once the pump stands (phase idle)",
    ),
    (idle, PauseAudio(-1), "a pause of the sound can't be of less than no time"),
    (idle, Prime(-1), "a purge can't be of less than no time"),
    (idle, Amend("x", rate_ml_h=1.0), "there is no order that could be amended now (phase idle): order it anew"),
    (
        idle,
        Extend(MINUTE, "x"),
        "there is no infusion that could be given more time (phase idle): order it anew",
    ),
    (
        idle,
        Correct(WRONG, 2.0, "x"),
        "nothing has been given (phase idle): give the case up and order it anew",
    ),
    (idle, Syringe(50.0, 1.0), "a syringe is entered while armed or paused (phase idle): pause the pump first"),
    (idle, Move("chair-2"), "a case moves while it is paused or in recovery (phase idle): hold it first"),
    (idle, Override("clock", "x"), "gates are passed between order and confirmation (phase idle)"),
    (idle, Limits("hr-low", 45, "x"), "there is no case whose limits could be set (phase idle)"),
    (idle, Away(0), "nobody is away: say for how long"),
    (idle, Away(MINUTE), "the patient stays on the monitors (phase idle): hold the infusion first"),
    (without_a_pump, Stop("x"), "this bed has no pump"),
    (without_a_pump, Disarm("x"), "the pump has no dead man"),
    (ordered, Amend("x", rate_ml_h=1.0), "there is no order that could be amended now (phase ordered): order it anew"),
    (ordered, Move("chair-2"), "a case moves while it is paused or in recovery (phase ordered): hold it first"),
    (
        ordered,
        Override("clock", "x"),
        "clock is no gate that is shut and could be passed; shut and soft: none",
    ),
    (gated, Override("journal", " "), "a gate is passed with a reason"),
    (
        gated,
        Override(LONG, "x"),
        "x" * 60 + " is no gate that is shut and could be passed; shut and soft: clock, journal",
    ),
    (
        gated,
        Override("baseline-spo2", "x"),
        f"baseline-spo2 has no way past: spo2 97 % is below 98: {WAIT}",
    ),
    (armed, ORDER, "a case is under way (phase armed)"),
    (armed, Hold("x"), "nothing is being infused (phase armed)"),
    (armed, Syringe(0.0, 1.0), "volume and concentration must each be greater than nothing: read the syringe"),
    (
        armed,
        Syringe(50.0, 1.021),
        "the order is for 1 mg/mL, this syringe says 1.021: take another syringe, or end the case and order anew",
    ),
    (armed, Syringe(70.1, 1.0), "it holds 70.1 mg, more than the hard limit of 70 mg: draw up less"),
    (purged, Prime(MINUTE), "10 min of purges were announced for this case: that is all"),
    (infusing, ORDER, "a case is under way (phase infusing)"),
    (infusing, Confirm(70.0, 1.0), "nothing waits to be confirmed (phase infusing)"),
    (infusing, Prime(MINUTE), "a purge can't be announced in phase infusing"),
    (infusing, TestAlarm(), "a drug is being infused: a real alarm must not be taken for a test"),
    (infusing, PermitResume("x"), "nothing is paused (phase infusing)"),
    (infusing, Move("chair-2"), "a case moves while it is paused or in recovery (phase infusing): hold it first"),
    (
        infusing,
        Close("x"),
        "a case is closed after recovery or after it was given up, once the pump stands (phase infusing)",
    ),
    (infusing, Amend("x"), "give the rate or the dose that is to hold from now on"),
    (infusing, Amend("x", rate_ml_h=-1.0), "give the rate or the dose that is to hold from now on"),
    (infusing, Amend("x", dose_mg=float("nan")), "give the rate or the dose that is to hold from now on"),
    (infusing, Amend("x", dose_mg=8.0), "8.779 mg were given already: end the session instead"),
    (infusing, Amend(" ", dose_mg=30.0), "a change of what is enforced needs a reason"),
    (
        infusing,
        Amend("x", rate_ml_h=151.0),
        (
            f"rate 151 mL/h is above the protocol's 150 mL/h; {TOO_MUCH}; "
            "the syringe holds 41.22 mL and 75.46 mL are needed: change it first"
        ),
    ),
    (infusing, Extend(0, "x"), "say how much more time is to be given"),
    (
        infusing,
        Extend(21 * MINUTE, "x"),
        (
            "duration 61 min is above the protocol's 60 min; "
            "the syringe holds 41.22 mL and 44.61 mL are needed: change it first"
        ),
    ),
    (infusing, Correct("weight-was-wrong", 1.0, "x"), f"weight-was-wrong can't be corrected; known is {WRONG}"),
    (infusing, Correct(LONG, 1.0, "x"), "x" * 60 + f" can't be corrected; known is {WRONG}"),
    (
        infusing,
        Correct(WRONG, 100.1, "x"),
        "a concentration is above nothing and at most 100 mg/mL: read the syringe",
    ),
    (infusing, Correct(WRONG, 0.0, "x"), "a concentration is above nothing and at most 100 mg/mL: read the syringe"),
    (
        infusing,
        Correct(WRONG, float("nan"), "x"),
        "a concentration is above nothing and at most 100 mg/mL: read the syringe",
    ),
    (infusing, Correct(WRONG, 1.0, "x"), "1 mg/mL is what is counted with already"),
    (infusing, Correct(WRONG, 2.0, " "), "a correction needs a reason"),
    (infusing, Limits("hr-low", 45, " "), "a limit is set with a reason"),
    (
        infusing,
        Limits(LONG, 45, "x"),
        "x" * 60 + " has no limit that could be set; known: hr-high, hr-low, nibp-sys-high, rr-low, spo2-low",
    ),
    (infusing, Limits("hr-low", 39.9, "x"), "hr-low may be set no lower than 40 /min"),
    (infusing, Limits("hr-high", 130.1, "x"), "hr-high may be set no higher than 130 /min"),
    (infusing, Limits("hr-low", float("nan"), "x"), "hr-low may be set no lower than 40 /min"),
    (infusing, Limits("hr-low", 400.0, "x"), "hr-low may be set no lower than 40 /min"),
    (infusing, Assess((), (), 0), "between one and 20 entries are taken at a time"),
    (infusing, Assess(((Score.PAIN, 1.0),) * 21, (), 0), "between one and 20 entries are taken at a time"),
    (
        infusing,
        Assess(((Score.PAIN, 1.0),), (), -1),
        "an entry can't be of the future, nor older than 60 min",
    ),
    (
        infusing,
        Assess(((Score.PAIN, 1.0),), (), 60 * MINUTE + 1),
        "an entry can't be of the future, nor older than 60 min",
    ),
    (infusing, Assess(((Score.MOAA_S, 5.1),), (), 0), "moaa-s is from 0 to 5"),
    (infusing, Assess(((Score.CADSS_6, 24.1),), (), 0), "cadss-6 is from 0 to 24"),
    (infusing, Assess(((Score.ORIENTED, 2.0),), (), 0), "oriented is from 0 to 1"),
    (infusing, Assess(((Score.ESCORT, -1.0),), (), 0), "escort is from 0 to 1"),
    (infusing, Assess(((Score.PAIN, 10.1),), (), 0), "pain is from 0 to 10"),
    (infusing, Assess(((Score.NAUSEA, float("nan")),), (), 0), "nausea is from 0 to 10"),
    (infusing, Assess((), ((Metric.SPO2, 101.0),), 0), "spo2 can't be 101"),
    (infusing, Assess((), ((Metric.VOLUME, 1.0),), 0), "volume can't be 1"),
    (counting_down, HoldOff("spo2-low", "x", 0), "spo2-low has risen, or come anew, since: look again"),
    (counting_down, Acknowledge("spo2-low", 0), "spo2-low has risen, or come anew, since: look again"),
    (held_off, HoldOff("spo2-low", "x"), "it was held off once: that is all"),
    (stopping, PermitResume("x"), "nothing is paused (phase infusing)"),
    (
        stopping,
        Amend("x", rate_ml_h=30.0),
        "the pump was asked to stop and is not yet seen to have: wait for it",
    ),
    (
        stopping,
        Close("x"),
        "a case is closed after recovery or after it was given up, once the pump stands (phase infusing)",
    ),
    (
        not_stopped,
        Close(" "),
        "the stop is not confirmed: a reason is needed, such as that the pump was taken off the patient",
    ),
    (pausing, Move("chair-2"), "zero flow is not confirmed for good yet: wait for it"),
    (paused, Move("chair-1"), "name the bed that it moves to: another one than this"),
    (paused, Move("  "), "name the bed that it moves to: another one than this"),
    (paused, ORDER, "a case is under way (phase paused)"),
    (
        paused_unwell,
        PermitResume("x"),
        "what would stop it again still stands: spo2-low",
    ),
    (paused_unseen, PermitResume("x"), "no valid spo2 is seen: look at the sensor, or measure by hand"),
    (paused_by_hand, PermitResume("x"), "no release is needed: a person may start the pump"),
    (moving, PermitResume("x"), "the case is on its way to chair-2: ask there once it has come"),
    (moving, End("x"), "the case is on its way to chair-2: ask there once it has come"),
    *(
        (without_a_record, asked, "not-recorded: the record can't be written")
        for asked in (
            ORDER,
            Confirm(70.0, 1.0),
            PermitResume("x"),
            Amend("x", rate_ml_h=30.0),
            Extend(MINUTE, "x"),
            Move("chair-2"),
            Limits("hr-low", 45, "x"),
            Override("clock", "x"),
        )
    ),
    (recovering, Close(""), "recovery is not over, 59 min 32 s are left: a reason is needed to close early"),
    (recovering, Abort("x"), "there is no case to give up (phase recovery)"),
    (recovering, ORDER, "a case is under way (phase recovery)"),
    (
        windowed,
        ORDER,
        "35 mg within 1 h: the hard limit is 1 mg/kg, at most 30 mg",
    ),
]


@pytest.mark.parametrize(
    ("situation", "asked", "words"),
    ROWS,
    ids=[f"{n}-{row[0].__name__}-{type(row[1]).__name__}" for n, row in enumerate(ROWS)],
)
def test_what_can_not_be_done_is_refused_in_these_words(
    situation: Callable[[], Bed], asked: Instruction, words: str
) -> None:
    """Pins what a person reads when an instruction is refused, and that the bed stays as it was."""
    assert refused(situation, asked, "nurse-9") == words


def test_nobody_is_no_person() -> None:
    """Pins the words for an instruction that names nobody, and that a pause of no time is one."""
    assert refused(infusing, Stop("x"), "  ") == "nobody is named as asking"
    bed = idle()
    [accepted, paused] = bed.ask(PauseAudio(0)).events
    assert (accepted.reason, paused.until) == ("the sound is paused for 0 s", bed.now)


def test_an_instruction_for_a_case_says_whose_bed_it_is() -> None:
    """Pins that who names a case that is not here reads which one is, or that there is none."""
    assert refused(idle, Stop("x"), "nurse-9", case="case-0") == "this bed has no case"
    assert refused(infusing, Stop("x"), "nurse-9", case="case-0") == "this bed has another case: case-1"


def test_one_person_alone_is_told_both_ways_out() -> None:
    """Pins the words for a second entry by who made the first, once that is possible and no reason is given."""
    bed = ordered()
    case = bed.state.durable.case
    assert case is not None
    bed.run(125)
    [refusal] = bed.ask(Confirm(case.order.weight_kg, case.order.concentration_mg_ml), case.ordered_by).events
    assert isinstance(refusal, InstructionRefused)
    assert refusal.reason == "the same person entered the order: another one confirms, or this one alone with a reason"


def test_an_order_says_whose_it_takes_the_place_of() -> None:
    """Pins that who orders another case over one that waits for its second entry is told so; the same case is not."""
    bed = ordered()
    again = bed.ask(replace(ORDER, case="case-1")).events[0]
    assert isinstance(again, InstructionAccepted)
    assert again.reason.startswith("ordered: another person")
    other = bed.ask(ORDER).events[0]
    assert isinstance(other, InstructionAccepted)
    assert other.reason.startswith("ordered in the place of case-1: another person")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate_ml_h": 150.0, "duration": 840 * SECOND}, ""),
        ({"duration": 60 * MINUTE, "rate_ml_h": 35.0}, ""),
        ({"weight_kg": 30.0, "dose_mg": 15.0, "rate_ml_h": 22.5, "volume_ml": 30.0}, ""),
        ({"weight_kg": 250.0}, ""),
        ({"weight_kg": 29.9, "dose_mg": 14.0, "rate_ml_h": 21.0, "volume_ml": 29.0}, "the weight is outside"),
        ({"weight_kg": 250.1}, "the weight is outside 30 to 250 kg"),
        ({"subject": "known", "weight_kg": 77.0}, ""),
        ({"subject": "known", "weight_kg": 63.0, "dose_mg": 30.0, "rate_ml_h": 45.0}, ""),
        ({"subject": "known", "weight_kg": 77.1}, LIGHTER),
        ({"subject": "known", "weight_kg": 62.9, "dose_mg": 30.0, "rate_ml_h": 45.0}, LIGHTER),
        ({"subject": "known", "weight_kg": 90.0, "reason": "weighed twice"}, ""),
        (
            {"dose_mg": 35.1, "rate_ml_h": 52.65},
            "dose 35.1 mg is above the soft limit of 0.5 mg/kg, at most 60 mg: a reason is needed",
        ),
        ({"dose_mg": 35.1, "rate_ml_h": 52.65, "reason": "as last time"}, ""),
    ],
)
def test_an_order_at_each_limit(changes: dict[str, object], words: str) -> None:
    """Pins each limit of an order exactly, and a step beyond it, with the words."""
    bed = at(idle)
    known = Known("known", 70.0, 35.0, None)
    turn = Turn(replace(bed.state, durable=replace(bed.state.durable, known=(known,))), bed.now)
    said = "; ".join(faults_of_order(turn, replace(ORDER, **changes)))
    assert said.startswith(words) if words else not said
