"""Signed instructions in the core: bound to their case, on record with key and bytes; what the border turned away."""

import pytest

from core_bed import Bed
from infusion_gateway.core.state import fold
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import InstructionAccepted, InstructionRefused, InstructionSigned
from infusion_gateway.model.inputs import Instructed, TurnedAway
from infusion_gateway.model.instructions import Hold, HoldOff, Instruction, Stop
from infusion_gateway.model.keys import Signed
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.session import Phase

SIGNED = Signed("station-1", "igw/v1/s/g/chair-1/do/hold", '{"id":"i-1","kid":"station-1","sig":"…"}')


def ask(bed: Bed, asked: Instruction, case: str, ident: str = "i-1") -> Step:
    return bed.give(Instructed(asked, "nurse-1", ident, case, SIGNED))


def outcome(step: Step) -> InstructionAccepted | InstructionRefused:
    (found,) = (e for e in step.events if isinstance(e, InstructionAccepted | InstructionRefused))
    return found


@pytest.mark.requirement("S42", "S43")
@pytest.mark.parametrize("asked", [Stop(""), Hold("")], ids=["stop", "hold"])
def test_what_is_signed_is_for_one_case(asked: Instruction) -> None:
    """Pins that a signed stop or hold for another case, or for none, does nothing while this one runs."""
    bed = Bed()
    bed.infuse()
    case = bed.session.case
    assert case
    for other, why in (("case-before", "another case"), ("", "name it")):
        refused = outcome(ask(bed, asked, other, f"i-{other}"))
        assert isinstance(refused, InstructionRefused)
        assert why in refused.reason
        assert not bed.stops()
    assert isinstance(outcome(ask(bed, asked, case, "i-2")), InstructionAccepted)
    assert len(bed.stops()) == 1, "the pump was asked"


def test_key_and_bytes_are_on_record_before_what_came_of_them() -> None:
    """Pins the order on record: the message as it came, then the answer, which names the key; a refusal likewise."""
    bed = Bed()
    for case, kind in (("", InstructionRefused), ("nowhere", InstructionRefused)):
        step = ask(bed, Hold(""), case, f"i-{case}")
        kinds = [type(e) for e in step.events if isinstance(e, InstructionSigned | InstructionAccepted | kind)]
        assert kinds == [InstructionSigned, kind]
        assert next(e for e in step.events if isinstance(e, InstructionSigned)).signed == SIGNED
        assert outcome(step).key == "station-1"
    unsigned = bed.give(Instructed(Hold(""), "nurse-1", "i-9", ""))
    assert not [e for e in unsigned.events if isinstance(e, InstructionSigned)]
    assert outcome(unsigned).key == ""


def test_what_was_turned_away_is_on_record_and_changes_nothing() -> None:
    """Pins the event: no id, whom it named, the count of others; and that it is not remembered as an instruction."""
    bed = Bed()
    bed.infuse()
    before = bed.state.durable
    for number in range(500):
        step = bed.give(TurnedAway("stop", "it is not signed", "", number))
        refused = outcome(step)
        assert isinstance(refused, InstructionRefused)
        assert (refused.by, refused.id, refused.instruction) == ("", "", "stop")
        assert ("more like it" in refused.reason) is (number > 0)
    named = outcome(bed.give(TurnedAway("teleport", "it is no instruction", by="nurse-1" * 100)))
    assert named.by == ("nurse-1" * 100)[:200], "whom it named as asking, bounded"
    assert bed.phase is Phase.INFUSING
    assert bed.state.durable.instructions == before.instructions, "no flood of these makes a stop's id forgotten"
    assert fold(bed.journal) == bed.state.durable


def test_a_hold_off_is_for_one_occurrence() -> None:
    """Pins that a hold-off which names another occurrence of the alarm than the one counted down is refused."""
    bed = Bed()
    bed.infuse()
    bed.monitor.values[Metric.SPO2] = 88.0
    bed.run(20)
    standing = bed.alarms["spo2-low"]
    assert standing.countdown_ends is not None
    case = bed.session.case or ""
    refused = outcome(ask(bed, HoldOff("spo2-low", "moving", standing.since - 1), case, "i-1"))
    assert isinstance(refused, InstructionRefused)
    assert "look again" in refused.reason
    assert isinstance(
        outcome(ask(bed, HoldOff("spo2-low", "moving", standing.since), case, "i-2")), InstructionAccepted
    )
