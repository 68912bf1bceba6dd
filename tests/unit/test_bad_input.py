"""Bad input: a person's message as it comes over the wire, refused in words, on record, the bed as it was.

Each row is one way to be wrong that a tired person, a broken tablet or a hostile one finds. What is wrong in a file
is refused when it is loaded: tests/unit/test_protocol_files.py, test_config_load.py and test_signing.py.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.config import extending, protocols, signing
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import CaseOrdered, InstructionRefused
from infusion_gateway.model.inputs import Instructed, TurnedAway
from infusion_gateway.model.session import GenerationMode, Phase, SessionProtocol
from infusion_gateway.wire.asking import Parsed, parse_instruction

ORDER: dict[str, Any] = {
    "case": "case-1",
    "subject": "subject-1",
    "protocol": "depression-40",
    "weight_kg": 70,
    "concentration_mg_ml": 1,
    "rate_ml_h": 52.5,
    "volume_ml": 50,
    "duration_s": 2400,
    "dose_mg": 35,
}
CLOSED_LATER = "a case is closed after recovery or after it was given up, once the pump stands (phase infusing)"
FUTURE = "ago_s: input should be greater than or equal to 0, not -1. Correct it"


def say(bed: Bed, name: str, arguments: dict[str, Any], case: str = "", ident: str = "new") -> Step:
    """Give a bed a message, as the gateway does."""
    frame = {"id": ident, "by": "nurse-1", "case": case} if case else {"id": ident, "by": "nurse-1"}
    found = parse_instruction(name, json.dumps(frame | {"arguments": arguments}).encode())
    if isinstance(found, Parsed):
        return bed.give(Instructed(found.instruction, found.by, found.id, found.case))
    return bed.give(TurnedAway(name, found.reason))


def idle() -> Bed:
    """Give a bed at rest."""
    bed = Bed()
    bed.run(3)
    return bed


def infusing() -> Bed:
    """Give a bed that infuses case-1."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    return bed


def assert_refused(bed: Bed, *said: Any, **frame: str) -> str:
    """Say something that is refused; give the words. It is on record, and nothing else is or has changed."""
    before = bed.state
    done = say(bed, *said, **frame)
    [event] = done.events
    assert isinstance(event, InstructionRefused)
    assert event.instruction == said[0]
    assert not done.commands
    after = done.state.durable
    assert replace(after, at=before.durable.at, instructions=before.durable.instructions) == before.durable
    assert done.state.live.values == before.live.values
    bed.check()
    return event.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"dose_mg": 40, "reason": "as last time"},
            "rate, concentration and duration give 35 mg, the dose is 40 mg",
        ),
        ({"duration_s": 1200}, "rate, concentration and duration give 17.5 mg, the dose is 35 mg"),
        ({"volume_ml": 30}, "volume 30 mL is less than the 35 mL that the duration needs"),
        (
            {"volume_ml": 80},
            "the syringe would hold 80 mg, more than the hard limit of 1 mg/kg, at most 100 mg: draw up less",
        ),
        (
            {"concentration_mg_ml": 10, "dose_mg": 350},
            (
                "the concentration is none of 1, 5 mg/mL; the syringe would hold 500 mg, more than the hard limit "
                "of 1 mg/kg, at most 100 mg: draw up less; dose 350 mg is above the hard limit of 1 mg/kg, at most "
                "100 mg"
            ),
        ),
        (
            {"weight_kg": 5},
            (
                "the weight is outside 30 to 250 kg; the syringe would hold 50 mg, more than the hard limit of "
                "1 mg/kg, at most 100 mg: draw up less; dose 35 mg is above the hard limit of 1 mg/kg, at most 100 mg"
            ),
        ),
        ({"weight_kg": 500}, "the weight is outside 30 to 250 kg"),
        ({"weight_kg": 0}, "weight, concentration, rate, volume, duration and dose must each be greater than nothing"),
        ({"duration_s": 0}, "weight, concentration, rate, volume, duration and dose must each be greater than nothing"),
        ({"weight_kg": "70 kg"}, "weight_kg: input should be a valid number, not '70 kg'. Correct it"),
        ({"weight_kg": None}, "weight_kg: input should be a valid number, not None. Correct it"),
        ({"weight_lb": 154}, "weight_lb is not known to order. Leave it out"),
        ({"rate": 52.5}, "rate is not known to order. Leave it out"),
        ({"duration_min": 40}, "duration_min is not known to order. Leave it out"),
        ({"dose_mg": -35}, "dose_mg: input should be greater than or equal to 0, not -35. Correct it"),
        ({"protocol": "depression-4O"}, "there is no protocol depression-4O at this bed; there is depression-40"),
        (
            {"rate_ml_h": 151, "duration_s": 834},
            "rate 151 mL/h is above the protocol's 150 mL/h",
        ),
        (
            {"rate_ml_h": 30, "duration_s": 4200, "volume_ml": 36},
            "duration 70 min is above the protocol's 60 min",
        ),
    ],
    ids=lambda given: "-".join(f"{k}={v}" for k, v in given.items()) if isinstance(given, dict) else "",
)
def test_an_order_that_does_not_hold_is_refused(changes: dict[str, Any], words: str) -> None:
    """Pins that orders that contradict themselves, or lack a unit, or have another, never become a case."""
    bed = idle()
    assert assert_refused(bed, "order", {k: v for k, v in (ORDER | changes).items() if v != ""}) == words
    assert bed.phase is Phase.IDLE


@pytest.mark.parametrize("missing", sorted(ORDER))
def test_an_order_with_a_part_missing_is_refused(missing: str) -> None:
    """Pins that nothing in an order has a default: each part that is left out is named."""
    given = {key: value for key, value in ORDER.items() if key != missing}
    assert f"{missing} is missing. Add it" in assert_refused(idle(), "order", given)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("acknowledge", {"code": "spo2-loww"}, "there is no alarm spo2-loww"),
        ("hold-off", {"code": "spo2-loww", "reason": "x"}, "no stop is being counted down for spo2-loww"),
        (
            "limits",
            {"code": "spo2", "limit": 90, "reason": "x"},
            "spo2 has no limit that could be set; known: hr-high, hr-low, nibp-sys-high, rr-low, spo2-low",
        ),
        ("limits", {"code": "spo2-low", "limit": 89.9, "reason": "x"}, "spo2-low may be set no lower than 90 %"),
        ("limits", {"code": "hr-high", "limit": 131, "reason": "x"}, "hr-high may be set no higher than 130 /min"),
        (
            "limits",
            {"code": "nibp-sys-high", "limit": 190, "reason": "x"},
            "nibp-sys-high may be set no higher than 180 mmHg",
        ),
        (
            "correct",
            {"what": "weight-was-wrong", "concentration_mg_ml": 1, "reason": "x"},
            "weight-was-wrong can't be corrected; known is concentration-was-wrong",
        ),
        ("assess", {"scores": {"pain": 3}, "ago_s": -1}, FUTURE),
        ("assess", {"vitals": {"spo2": 97}, "ago_s": -1}, FUTURE),
        (
            "assess",
            {"scores": {"pain": 3}, "ago_s": 3601},
            "an entry can't be of the future, nor older than 60 min",
        ),
        ("assess", {"vitals": {"spo2": 970}, "ago_s": 0}, "spo2 can't be 970"),
        ("confirm", {"weight_kg": 70, "concentration_mg_ml": 1}, "nothing waits to be confirmed (phase infusing)"),
        ("close", {"reason": "done"}, CLOSED_LATER),
        ("permit-resume", {"reason": "x"}, "nothing is paused (phase infusing)"),
        ("order", ORDER, "a case is under way (phase infusing)"),
    ],
)  # fmt: skip
def test_what_a_running_bed_can_not_take_is_refused(name: str, arguments: dict[str, Any], words: str) -> None:
    """Pins unknown codes, limits the wrong way round, entries of the future, and instructions out of their order."""
    assert assert_refused(infusing(), name, arguments) == words


def test_an_unknown_instruction_is_refused() -> None:
    """Pins that what is no instruction is on record as such."""
    assert assert_refused(infusing(), "resume", {}).startswith("'resume' is no instruction. Known: order,")


def test_an_instruction_for_another_case_is_refused() -> None:
    """Pins that a tablet left open on the patient before stops, and changes, nothing here."""
    for name, arguments in (("stop", {"reason": "x"}), ("amend", {"reason": "x", "rate_ml_h": 30})):
        assert assert_refused(infusing(), name, arguments, case="case-0") == "this bed has another case: case-1"


def test_an_instruction_that_comes_twice_acts_once() -> None:
    """Pins that a message that is delivered again is told so, and neither changes nor asks for anything."""
    bed = infusing()
    amend = {"reason": "dizzy", "dose_mg": 30}
    say(bed, "amend", amend, ident="a-1")
    dose = bed.session.order
    again = assert_refused(bed, "amend", amend, ident="a-1")
    assert again == "this instruction was already taken up: repeats change nothing"
    assert bed.session.order == dose
    say(bed, "hold", {"reason": "look"}, ident="h-1")
    bed.run(30)
    asked = len(bed.stops())
    assert_refused(bed, "hold", {"reason": "look"}, ident="h-1")
    assert len(bed.stops()) == asked


def signed(directory: Path, change: bytes) -> SessionProtocol:
    """Sign the shipped protocol with a key of one's own, then add this to its bytes; give it as it is loaded."""
    path = directory / "depression-40.toml"
    path.write_bytes((protocols.shipped() / "depression-40.toml").read_bytes())
    key = signing.generate(directory / "lead.key")
    signing.beside(path).write_text(signing.sign(directory / "lead.key", extending.whole(path).sources)[1])
    path.write_bytes(path.read_bytes() + change)
    return protocols.load(path, (key,))


@pytest.mark.parametrize("change", [b"", b" "])
def test_an_order_by_a_protocol_that_was_altered_is_refused(tmp_path: Path, change: bytes) -> None:
    """Pins that one byte more than was signed, a blank at its end, is enough for no patient to get it."""
    setup = replace(bed_setup(signed(tmp_path, change)), generation_mode=GenerationMode.REAL)
    bed = Bed(setup)
    bed.run(3)
    if change:
        assert assert_refused(bed, "order", ORDER) == "protocol depression-40 is not signed"
    else:
        assert [e for e in say(bed, "order", ORDER).events if isinstance(e, CaseOrdered)]


def test_a_protocol_for_tests_is_for_no_patient() -> None:
    """Pins the refusal of a test protocol at a bed in use, beside that of an unsigned one."""
    protocol = replace(depression_40(), test_only=True)
    bed = Bed(replace(bed_setup(protocol), generation_mode=GenerationMode.REAL))
    bed.run(3)
    words = assert_refused(bed, "order", ORDER)
    assert words == "protocol depression-40 is for tests only; protocol depression-40 is not signed"
