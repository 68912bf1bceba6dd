"""Instructions: taken or refused, each with a reason in words; nothing hostile gets through or stays."""

import pytest

from core_bed import Bed, Pump
from infusion_gateway.core.durable import REMEMBERED_IDS
from infusion_gateway.core.step import Step
from infusion_gateway.core.views import vitals
from infusion_gateway.model.alarm import Signal
from infusion_gateway.model.events import (
    Assessed,
    AudioPaused,
    ConditionAcknowledged,
    InstructionAccepted,
    InstructionRefused,
    InstructionSigned,
    PhaseChanged,
)
from infusion_gateway.model.inputs import Instructed, JournalChanged
from infusion_gateway.model.instructions import (
    Abort,
    Acknowledge,
    Assess,
    Close,
    Confirm,
    Disarm,
    End,
    Hold,
    HoldOff,
    Instruction,
    PauseAudio,
    PermitResume,
    Prime,
    Score,
    Stop,
)
from infusion_gateway.model.keys import Signed
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import Phase


def answer(done: Step) -> InstructionAccepted | InstructionRefused:
    """Give the one answer of a step."""
    [found] = [event for event in done.events if isinstance(event, InstructionAccepted | InstructionRefused)]
    return found


def infusing() -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    return bed


@pytest.mark.parametrize(
    "asked",
    [
        Confirm(70.0, 1.0),
        Hold(""),
        PermitResume(""),
        HoldOff("spo2-low", ""),
        End(""),
        Abort(""),
        Acknowledge("spo2-low"),
        Close(""),
        Assess((), (), 0),
        PauseAudio(-1),
        Prime(-1),
    ],
)
def test_what_makes_no_sense_on_an_idle_bed_is_refused_in_words(asked: Instruction) -> None:
    """Pins a refusal with a reason, and that nothing else happens, for each instruction that has nothing to act on."""
    bed = Bed()
    bed.run(3)
    before = bed.state.durable
    done = bed.ask(asked)
    refused = answer(done)
    assert isinstance(refused, InstructionRefused)
    assert refused.reason
    assert len(done.events) == 1
    assert not done.commands
    assert (bed.state.durable.phase, bed.state.durable.case) == (before.phase, before.case)


@pytest.mark.requirement("S33")
def test_the_case_named_must_be_this_one() -> None:
    """Pins that an instruction for another case is refused, and one that names this case, or none, is taken."""
    bed = infusing()
    assert "another case" in answer(bed.ask(Hold("x"), case="case-9")).reason
    assert not bed.stops()
    assert isinstance(answer(bed.ask(Hold("x"), case="case-1")), InstructionAccepted)
    assert isinstance(answer(bed.ask(Stop("x"), case="Case-1")), InstructionAccepted), "capitals make no other case"
    assert "has no case" in answer(Bed().ask(Stop("x"), case="case-1")).reason


def test_a_repeat_is_refused_and_the_memory_is_bounded() -> None:
    """Pins that a repeated id changes nothing, that refusals count as taken up, and that ids are forgotten in order."""
    bed = infusing()
    assert isinstance(answer(bed.ask(PauseAudio(MINUTE), ident="a")), InstructionAccepted)
    assert "already" in answer(bed.ask(PauseAudio(MINUTE), ident="a")).reason
    assert isinstance(answer(bed.ask(Close("x"), ident="b")), InstructionRefused)
    assert "already" in answer(bed.ask(Close("x"), ident="b")).reason
    for number in range(REMEMBERED_IDS):
        bed.ask(PauseAudio(0), ident=f"n-{number}")
    assert len(bed.state.durable.instructions) == REMEMBERED_IDS
    assert isinstance(answer(bed.ask(PauseAudio(MINUTE), ident="a")), InstructionAccepted)


@pytest.mark.requirement("S43")
def test_nobody_named_is_refused() -> None:
    """Pins that an instruction without a person does nothing."""
    bed = infusing()
    assert "nobody" in answer(bed.ask(Stop("x"), by="  ")).reason
    assert not bed.stops()


def test_endless_words_are_cut() -> None:
    """Pins a bound on every text that a person's side can send."""
    bed = infusing()
    done = bed.ask(Stop("x" * 100_000), by="y" * 100_000, ident="z" * 100_000)
    for event in done.events:
        assert len(repr(event)) < 3000
    assert len(bed.state.durable.instructions[-1]) == 200
    assert len(done.commands[0].reason) < 500


def test_without_a_record_stopping_and_acknowledging_still_work() -> None:
    """Pins that stop, hold, end, abort, acknowledge and assess are taken and answered `not-recorded`."""
    for asked in (
        Hold("x"),
        Stop("x"),
        End("x"),
        Abort("x"),
        Acknowledge("spo2-low"),
        Assess((), ((Metric.HR, 70.0),), 0),
    ):
        bed = infusing()
        bed.monitor.values[Metric.SPO2] = 93
        bed.run(20)
        bed.give(JournalChanged(False, "disk full"))
        taken = answer(bed.ask(asked))
        assert isinstance(taken, InstructionAccepted)
        assert not taken.recorded
        assert "not-recorded" in taken.reason
    bed = infusing()
    bed.ask(Hold("x"))
    bed.run(5)
    bed.give(JournalChanged(False, "disk full"))
    assert "not-recorded" in answer(bed.ask(PermitResume("x"))).reason


@pytest.mark.requirement("S46")
def test_acknowledging_quiets_that_alarm_and_clears_nothing() -> None:
    """Pins that the condition stays present, and another's signal stays on."""
    bed = infusing()
    bed.monitor.values.update({Metric.SPO2: 93, Metric.HR: 120})
    bed.run(20)
    bed.ask(Acknowledge("spo2-low"), by="nurse-2")
    assert bed.alarms["spo2-low"].acknowledged_by == "nurse-2"
    assert bed.alarms["spo2-low"].present
    assert bed.alarms["hr-high"].signal is Signal.ON
    assert bed.events(ConditionAcknowledged)[-1][1].by == "nurse-2"


@pytest.mark.requirement("S17")
def test_audio_is_paused_for_at_most_two_minutes() -> None:
    """Pins that a longer pause is cut, and that it shows until it ends."""
    bed = infusing()
    bed.ask(PauseAudio(60 * MINUTE))
    assert bed.session.audio_paused_until == bed.now + 2 * MINUTE
    bed.run(120)
    assert bed.session.audio_paused_until is None


@pytest.mark.requirement("S17")
def test_a_new_alarm_breaks_through_an_audio_pause() -> None:
    """Pins that a pause of the sound ends with the next alarm that is raised or rises, and not with one that clears."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(20)
    for value, seconds, paused in ((97, 20, True), (93, 17, False)):
        bed.ask(PauseAudio(2 * MINUTE))
        bed.monitor.values[Metric.SPO2] = value
        bed.run(seconds)
        assert (bed.session.audio_paused_until is not None) is paused


def test_a_case_whose_pump_is_gone_can_be_closed_with_a_reason() -> None:
    """Pins the way out of a stop that nobody will ever see confirmed: told first, then closed, with a reason."""
    bed = infusing()
    bed.pump.mute = True
    bed.ask(Stop("the pump is smoking"))
    assert isinstance(answer(bed.ask(Close("taken off"))), InstructionRefused)
    bed.run(12)
    assert "reason" in answer(bed.ask(Close(" "))).reason
    bed.ask(Close("the pump was taken off the patient"))
    assert bed.phase is Phase.CLOSED
    asked = len(bed.stops())
    bed.run(60)
    assert len(bed.stops()) == asked
    present = {alarm.code for alarm in bed.alarms.values() if alarm.present}
    assert present == {"delivering-without-order", "dead-man-not-taken-off"}  # as it was last seen


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (Assess(((Score.MOAA_S, 5.0),), (), 0), True),
        (Assess(((Score.MOAA_S, 5.1),), (), 0), False),
        (Assess(((Score.MOAA_S, float("nan")),), (), 0), False),
        (Assess(((Score.CADSS_6, 24.0),), (), 0), True),
        (Assess((), ((Metric.NIBP_SYS, 321.0),), 0), False),
        (Assess((), ((Metric.NIBP_SYS, 120.0), (Metric.NIBP_DIA, 80.0)), 60 * MINUTE), True),
        (Assess((), ((Metric.NIBP_SYS, 120.0),), 60 * MINUTE + 1), False),
        (Assess((), ((Metric.NIBP_SYS, 120.0),), -1), False),
        (Assess((), ((Metric.VOLUME, 1.0),), 0), False),
        (Assess((), ((Metric.HR, float("nan")),), 0), False),
        (Assess(((Score.PAIN, 1.0),) * 21, (), 0), False),
    ],
)
def test_what_people_enter_is_held_to_its_range(asked: Assess, taken: bool) -> None:
    """Pins the range of each entry, its age, and their number; what is refused is not on record as a value."""
    bed = infusing()
    assert isinstance(answer(bed.ask(asked)), InstructionAccepted) is taken
    assert bool(bed.events(Assessed)) is taken


@pytest.mark.requirement("S31")
def test_resuming_needs_a_confirmed_stop_of_ours_whose_cause_is_gone() -> None:
    """Pins the refusals of `permit-resume`: nothing paused, no need, not yet still, and the cause standing."""
    bed = infusing()
    assert "nothing is paused" in answer(bed.ask(PermitResume("x"))).reason
    bed.pump.running = False
    bed.run(5)
    assert "no release is needed" in answer(bed.ask(PermitResume("x"))).reason
    bed.pump.running = True
    bed.run(5)
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(15)
    assert bed.phase is Phase.PAUSED
    assert "spo2-low" in answer(bed.ask(PermitResume("x"))).reason
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(12)
    assert isinstance(answer(bed.ask(PermitResume("x"))), InstructionAccepted)


def test_giving_up_before_t0_touches_no_pump() -> None:
    """Pins that an ordered or armed case at rest is aborted at once, and one that runs by the ladder."""
    bed = Bed()
    bed.run(3)
    bed.order()
    bed.ask(Abort("wrong patient"))
    assert bed.phase is Phase.ABORTED
    bed.arm()
    bed.run(3)
    bed.ask(Abort("wrong patient"))
    assert bed.phase is Phase.ABORTED
    assert not bed.stops()
    bed.infuse()
    bed.ask(Abort("wrong patient"))
    assert bed.phase is Phase.INFUSING
    assert "stopped" in answer(bed.ask(Confirm(70.0, 1.0))).reason or bed.stops()
    bed.run(3)
    assert bed.phase is Phase.ABORTED
    bed.ask(Close("given up"))
    assert [event.phase for _, event in bed.events(PhaseChanged)][-1] is Phase.CLOSED


def test_a_new_case_begins_with_nothing_of_the_old() -> None:
    """Pins that dose, baseline, values by hand and stops of the case before don't reach the next."""
    bed = infusing()
    bed.ask(Assess((), ((Metric.NIBP_SYS, 150.0),), 0))
    bed.ask(Stop("enough"))
    bed.run(60)
    bed.ask(Close("well"))
    bed.order(case="case-2")
    assert bed.session.volume_ml is None
    assert bed.session.stopping is None
    assert bed.state.durable.case is not None
    assert bed.state.durable.case.by_hand == ()
    assert not [source for source in bed.state.live.values if source[1] == "by-hand"]
    bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    bed.pump.running = True
    bed.run(30)
    assert bed.phase is Phase.INFUSING
    assert bed.session.volume_ml == pytest.approx(52.5 * 30 / 3600, abs=0.02)


def test_a_purge_can_only_be_announced_before_t0() -> None:
    """Pins that `prime` is refused while infusing, and bounded to ten minutes before."""
    bed = Bed()
    bed.arm()
    bed.ask(Prime(60 * MINUTE))
    assert bed.state.durable.prime_until == bed.now + 10 * MINUTE
    running = infusing()
    assert isinstance(answer(running.ask(Prime(10 * SECOND))), InstructionRefused)


def test_the_dead_man_of_a_pump_without_one_cannot_be_taken_off() -> None:
    """Pins the refusal on a bed without a pump's dead man."""
    bed = infusing()
    assert isinstance(answer(bed.ask(Disarm("tripped"))), InstructionAccepted)
    assert bed.state.durable.case is not None
    assert bed.state.durable.case.dead_man_off_by == "nurse-1"


def signed(asked: Instruction, case: str = "") -> Instructed:
    """Give an instruction that came signed by the desk's key."""
    return Instructed(asked, "nurse-1", "s-1", case, Signed("desk", "igw/v1/c/g/chair-1/do/x", "{}"))


def test_what_is_signed_is_on_record_with_its_key() -> None:
    """Pins that the signed message itself is recorded before what came of it, and that the answer names the key."""
    bed = infusing()
    done = bed.give(signed(Hold("look"), case="case-1"))
    first, second = done.events[:2]
    assert isinstance(first, InstructionSigned)
    assert (first.instruction, first.id, first.signed.kid, first.reason) == ("hold", "s-1", "desk", "signed by desk")
    assert isinstance(second, InstructionAccepted)
    assert second.key == "desk"
    bed.check()


def test_what_is_signed_names_the_case_that_it_is_for() -> None:
    """Pins that a signed message that could be replayed for the next patient is refused at a bed with a case."""
    bed = infusing()
    refused = bed.give(signed(Hold("look"))).events[-1]
    assert isinstance(refused, InstructionRefused)
    assert refused.reason == "this bed has a case, and what is signed is for one case: name it"
    assert refused.key == "desk"
    assert not bed.stops()
    assert isinstance(Bed().give(signed(PauseAudio(MINUTE))).events[-1], AudioPaused)


def test_no_order_while_a_stop_is_provisional() -> None:
    """Pins that a bed given up takes the next order once its pump has stopped for good, as far as its counter tells."""
    bed = Bed(pump=Pump(resolution=0.1))
    bed.infuse()
    bed.run(60)
    bed.ask(Abort("wrong patient"))
    bed.run(3)
    assert bed.phase is Phase.ABORTED
    assert answer(bed.order(case="case-2")).reason == "the pump was asked to stop and is not yet seen to have"
    bed.run(10)
    assert isinstance(answer(bed.order(case="case-2")), InstructionAccepted)


def test_what_was_entered_by_hand_outlives_a_crash() -> None:
    """Pins that a pressure by hand is shown after a restart, as old as it is, and as by hand."""
    bed = infusing()
    bed.ask(Assess((), ((Metric.NIBP_SYS, 122.0), (Metric.NIBP_DIA, 72.0)), 30 * SECOND))
    bed.crash()
    found = {status.metric: status for status in vitals(bed.state, bed.now)}
    assert (found[Metric.NIBP_SYS].value, found[Metric.NIBP_SYS].device) == (122.0, "by-hand")
    assert found[Metric.NIBP_SYS].age == 30 * SECOND
