"""Instructions: what people may ask is understood exactly; everything else is refused in words."""

import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infusion_gateway.model.instructions import (
    NAMES,
    Abort,
    Acknowledge,
    Assess,
    Confirm,
    Hold,
    Instruction,
    PlaceOrder,
    Score,
    Stop,
)
from infusion_gateway.model.metric import FACTS, SECOND, Metric
from infusion_gateway.model.names import CODE
from infusion_gateway.wire.asking import (
    DEEPEST,
    LONGEST,
    Answer,
    Parsed,
    Refusal,
    arguments_of,
    parse_instruction,
    write_instruction,
)
from infusion_gateway.wire.records import kebab
from infusion_gateway.wire.stations import Nonsense, StationAvailability, parse_availability, parse_seen

FRAME = {"id": "i-1", "by": "nurse-7", "case": "case-1", "time": "2026-11-22T07:15:00.000Z"}
ORDER = {
    "case": "case-1",
    "subject": "s-9",
    "protocol": "depression-40",
    "weight_kg": 70,
    "concentration_mg_ml": 1.0,
    "rate_ml_h": 52.5,
    "volume_ml": 35,
    "duration_s": 2400,
    "dose_mg": 35,
}


def asked(name: str, arguments: dict[str, Any] | None = None, **frame: Any) -> Parsed | Refusal:
    """Put an instruction as a station would."""
    return parse_instruction(name, json.dumps(FRAME | frame | {"arguments": arguments or {}}).encode())


def refusal(found: Parsed | Refusal) -> str:
    """Give the words of what must be a refusal."""
    assert isinstance(found, Refusal), found
    return found.reason


def test_an_order_is_understood() -> None:
    """Pins the order's arguments: their names carry their units, and a time is given in seconds."""
    found = asked("order", ORDER, station="desk")
    order = PlaceOrder("case-1", "s-9", "depression-40", 70.0, 1.0, 52.5, 35.0, 2400 * SECOND, 35.0)
    assert found == Parsed(order, "nurse-7", "i-1", "case-1", "desk")


def test_an_assessment_is_understood() -> None:
    """Pins scores and vital signs by their words, and how long ago they were taken."""
    found = asked("assess", {"scores": {"moaa-s": 4}, "vitals": {"nibp-sys": 122, "hr": 71.5}, "ago_s": 30})
    assert isinstance(found, Parsed)
    assert found.instruction == Assess(
        ((Score.MOAA_S, 4.0),), ((Metric.NIBP_SYS, 122.0), (Metric.HR, 71.5)), 30 * SECOND
    )


def test_an_acknowledgement_can_name_the_very_alarm() -> None:
    """Pins that an alarm's instance comes back to the nanosecond, so that an old one can't quiet a new alarm."""
    found = asked("acknowledge", {"code": "spo2-low", "instance": "123456789012345678"})
    assert isinstance(found, Parsed)
    assert found.instruction == Acknowledge("spo2-low", 123_456_789_012_345_678)
    found = asked("acknowledge", {"code": "spo2-low"})
    assert isinstance(found, Parsed)
    assert found.instruction == Acknowledge("spo2-low", None)


def test_a_stop_needs_no_reason_and_survives_bad_arguments() -> None:
    """Pins that a named person's stop is taken whatever is wrong with its arguments; an abort's are held strictly."""
    for arguments in ({}, {"reason": 7}, {"raeson": "typo"}, {"reason": "x" * 600}):
        found = asked("stop", arguments)
        assert isinstance(found, Parsed)
        assert isinstance(found.instruction, Stop)
    assert "raeson is not known to abort" in refusal(asked("abort", {"raeson": "typo"}))
    assert "by is missing" in refusal(parse_instruction("stop", b'{"id": "i-1"}'))


SENDER = '"id": "i-1", "station": "desk-1", "by": "nurse-7"'


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("teleport", f"{{{SENDER}}}"),
        ("Stop", f"{{{SENDER}}}"),
        ("hold", f"{{{SENDER}"),
        ("hold", f"{{{SENDER}, \xff"),
        ("hold", f"[{{{SENDER}}}]"),
        ("hold", f'{{{SENDER}, "id": "i-2"}}'),
        ("hold", f'{{{SENDER}, "arguments": {"[" * 50}{"]" * 50}}}'),
        ("hold", f"{{{SENDER}, {' ' * LONGEST}}}"),
        ("hold", f'{{{SENDER}, "arguments": {{"x": 1}}}}'),
    ],
)
def test_a_refusal_finds_who_asked(name: str, payload: str) -> None:
    """Pins that of an unknown instruction, and of one that can't be read, the sender is known where it can be seen."""
    found = parse_instruction(name, payload.encode("latin-1"))
    assert isinstance(found, Refusal)
    assert (found.id, found.station, found.by) == ("i-1", "desk-1", "nurse-7")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff" * 100,
        b'{"id": 7, "station": ["desk-1"], "by": {}}',
        b'{"id": "a b", "station": "+/#", "by": "nurse 7"',
        b'{"id": "' + b"i" * 65 + b'", "station": "DESK", "by": "\\u0430"',
        b" " * LONGEST + b'"id": "i-1", "station": "desk-1"',
    ],
)
def test_what_is_no_sender_is_taken_for_none(payload: bytes) -> None:
    """Pins that nothing without a sender's form, and nothing beyond what is read, becomes an address or a person."""
    found = parse_instruction("teleport", payload)
    assert isinstance(found, Refusal)
    assert (found.id, found.station, found.by) == ("", None, "")


@given(st.binary(max_size=300), st.text(max_size=20))
def test_whatever_comes_is_refused_in_words(payload: bytes, name: str) -> None:
    """Pins that reading is total: bytes that nobody meant are refused, and raise nothing."""
    found = parse_instruction(name, payload)
    assert isinstance(found, Parsed) or found.reason


LOOKS_LIKE_A_CODE = (
    "nurse-\u0430",
    "ｎurse-1",
    "nursé-1",
    "nurse 1",
    " nurse-1",
    "nurse-1\n",
    "-",
    ".nurse",
    "\u3164",
    " ",
    "n/1",
)


@pytest.mark.requirement("S33")
@pytest.mark.parametrize("code", LOOKS_LIKE_A_CODE, ids=ascii)
def test_what_looks_like_a_code_is_none(code: str) -> None:
    """Pins that no second person, case or subject can be made of letters that look like the first's, or of nothing."""
    confirm = {"weight_kg": 70, "concentration_mg_ml": 1}
    for found in (
        asked("confirm", confirm, by=code),
        asked("confirm", confirm, case=code),
        asked("order", ORDER | {"case": code}),
        asked("order", ORDER | {"subject": code}),
    ):
        assert "a code has at most 64 ASCII letters" in refusal(found)
    with pytest.raises(ValidationError):
        write_instruction(Hold("x"), by=code, identity="i", case="", station="desk", utc_ns=0)


def test_a_letter_that_looks_like_another_is_shown_for_what_it_is() -> None:
    """Pins that the refusal of a look-alike names the letter, which nobody could see otherwise."""
    assert "by: " in refusal(asked("hold", by="nurse-\u0430"))
    assert r"'nurse-\u0430'" in refusal(asked("hold", by="nurse-\u0430"))


def test_a_stop_is_taken_from_whoever_is_named() -> None:
    """Pins that the form of a code is never in the way of a stop, on either side of the wire."""
    for code in ("Schwester Änne", "nurse-\u0430"):
        found = asked("stop", by=code, case=code)
        assert isinstance(found, Parsed)
        assert (found.by, found.case) == (code, code)
        written = write_instruction(Stop(""), by=code, identity="i", case=code, station="desk", utc_ns=0)
        assert isinstance(parse_instruction("stop", written), Parsed)


REASONED = (
    "permit-resume",
    "hold-off",
    "extend",
    "override",
    "limits",
    "disarm",
    "end",
    "abort",
    "close",
    "amend",
    "correct",
)


@pytest.mark.parametrize("name", REASONED)
@pytest.mark.parametrize("reason", ["", " ", "\n\t", "\u200b", "\u3164", "\u2800", "\u034f"], ids=ascii)
def test_a_reason_that_says_nothing_is_none(name: str, reason: str) -> None:
    """Pins that where a reason is demanded an empty one, or one that nobody can see, is refused in words."""
    given = {"code": "hr-low", "gate": "disk", "limit": 44.0, "more_s": 60, "what": "x", "concentration_mg_ml": 1.0}
    known = set(arguments_of(name).model_fields) - {"reason"}
    arguments = {key: value for key, value in given.items() if key in known}
    assert isinstance(asked(name, arguments | {"reason": "because"}), Parsed)
    found = refusal(asked(name, arguments | {"reason": reason}))
    assert "reason: one is needed, and this one says nothing. Write why" in found


def test_a_reason_is_demanded_but_of_a_stop_and_a_hold() -> None:
    """Pins which instructions take an empty reason: a stop and a hold, and those that can do without one."""
    without = [name for name in NAMES if "reason" in arguments_of(name).model_fields and name not in REASONED]
    assert without == ["order", "confirm", "syringe", "move", "hold", "stop"]
    for name in ("hold", "stop"):
        assert isinstance(asked(name, {"reason": ""}), Parsed)


@pytest.mark.parametrize("name", NAMES)
def test_every_instruction_survives_the_wire(name: str) -> None:
    """Pins that what one side writes the other reads, for every instruction of the list."""
    spans = st.integers(0, 10**6).map(lambda ms: ms * 1_000_000)
    text = st.text(st.characters(min_codepoint=32, exclude_categories=("Cc", "Cs")), min_size=1, max_size=60)
    codes = st.from_regex(CODE, fullmatch=True)
    amounts = st.floats(0, 1e6)
    made: dict[str, st.SearchStrategy[Any]] = {
        "vitals": st.dictionaries(st.sampled_from(Metric), amounts).map(lambda d: tuple(d.items())),
        "scores": st.dictionaries(st.sampled_from(Score), amounts).map(lambda d: tuple(d.items())),
        "since": st.none() | st.integers(0, 2**62),
        "reason": text.map(lambda reason: f"{reason}."),
        "case": codes,
        "subject": codes | st.just(""),
    }
    by_type = {int: spans, float: amounts, str: text}
    hints = {f: made[f] if f in made else by_type[h] for f, h in get_type_hints(NAMES[name]).items()}

    @given(st.builds(NAMES[name], **hints))
    def survives(instruction: Instruction) -> None:
        payload = write_instruction(instruction, by="n", identity="i", case="", station="desk", utc_ns=0)
        assert parse_instruction(name, payload) == Parsed(instruction, "n", "i", "", "desk")

    survives()


def test_the_names_are_the_classes_in_kebab_case() -> None:
    """Pins the one list of names: each instruction's topic is its name there, and its arguments are known."""
    for name, cls in NAMES.items():
        assert name in {kebab(cls.__name__), "order"}
        assert arguments_of(name).model_fields or name == "test-alarm"


@pytest.mark.parametrize(
    ("name", "arguments", "frame", "words"),
    [
        ("teleport", {}, {}, "'teleport' is no instruction. Known: order,"),
        ("order", {k: v for k, v in ORDER.items() if k != "weight_kg"}, {}, "weight_kg is missing. Add it"),
        ("order", ORDER | {"weight": 70}, {}, "weight is not known to order. Leave it out"),
        ("order", ORDER | {"weight_kg": "70"}, {}, "weight_kg: input should be a valid number, not '70'"),
        ("order", ORDER | {"weight_kg": True}, {}, "weight_kg: input should be a valid number, not True"),
        ("order", ORDER | {"weight_kg": -1}, {}, "weight_kg: input should be greater than or equal to 0, not -1"),
        ("order", ORDER | {"rate_ml_h": 1e9}, {}, "rate_ml_h: input should be less than or equal to"),
        ("order", ORDER | {"duration_s": 10**9}, {}, "duration_s: input should be less than or equal to 604800"),
        ("order", ORDER | {"case": ""}, {}, "case: a code has at most 64 ASCII letters"),
        ("order", ORDER | {"subject": "Anna K."}, {}, "subject: a code has at most 64 ASCII letters"),
        ("order", ORDER | {"protocol": "a\x00b"}, {}, "protocol: string should match pattern"),
        ("confirm", {"weight_kg": None, "concentration_mg_ml": 1}, {}, "weight_kg: input should be a valid number"),
        ("confirm", {}, {}, "weight_kg is missing. Add it; concentration_mg_ml is missing"),
        ("abort", {"reason": "x" * 501}, {}, "reason: string should have at most 500 characters"),
        ("assess", {"scores": {"mood": 1}, "ago_s": 0}, {}, "scores.mood"),
        ("assess", {"vitals": {"MDC_X": 1}, "ago_s": 0}, {}, "vitals.MDC_X"),
        ("acknowledge", {"code": "x", "instance": "-1"}, {}, "instance"),
        ("hold", {}, {"by": ""}, "by: a code has at most 64 ASCII letters"),
        ("hold", {}, {"by": "n" * 65}, "by: a code has at most 64 ASCII letters"),
        ("hold", {}, {"case": "case 1"}, "case: a code has at most 64 ASCII letters, digits, '.', '_' and '-'"),
        ("hold", {}, {"id": "a b"}, "id: string should match pattern"),
        ("hold", {}, {"id": 7}, "id: input should be a valid string, not 7"),
        ("hold", {}, {"station": "+/x"}, "station: string should match pattern"),
        ("hold", {}, {"sudo": True}, "sudo is not known to hold. Leave it out"),
        ("hold", {}, {"a1": 1, "a2": 1, "a3": 1, "a4": 1}, "and 1 more"),
    ],
)
def test_refusals_name_the_field_what_is_wrong_and_the_way_out(
    name: str, arguments: dict[str, Any], frame: dict[str, Any], words: str
) -> None:
    """Pins that each refusal is words that a person can act on."""
    assert words in refusal(asked(name, arguments, **frame))


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "not the JSON"),
        (b"stop", "not the JSON"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"\xff\xfe", "no UTF-8"),
        (b"{" * 5000, "nested deeper"),
        (b"[" * (DEEPEST + 1), "nested deeper"),
        (b'{"id": ' + b"[" * 9 + b"]" * 9 + b"}", "nested deeper"),
        (b'{"by": "' + b"n" * LONGEST + b'"}', f"At most {LONGEST}"),
        (b'{"by": "a", "by": "b"}', "a key is there twice"),
        (b'{"id": NaN}', "NaN is no number"),
        (b'{"id": ' + b"9" * 6000 + b"}", "not the JSON"),
        (b'{"id": "\\ud800"}', "id"),
    ],
)
def test_rubbish_is_refused_in_words(payload: bytes, words: str) -> None:
    """Pins that bytes of any kind are refused within bounds, and never raise."""
    assert words in refusal(parse_instruction("hold", payload))


def test_brackets_in_text_are_no_nesting() -> None:
    """Pins that a reason full of brackets is a reason."""
    found = asked("abort", {"reason": '[[[[[[[[[[ {{{{{{{{{{ \\" ['})
    assert isinstance(found, Parsed)
    assert found.instruction == Abort('[[[[[[[[[[ {{{{{{{{{{ \\" [')


def test_a_refusal_finds_its_asker() -> None:
    """Pins that id and station are told with a refusal wherever they could be read."""
    found = asked("confirm", {}, station="desk")
    assert isinstance(found, Refusal)
    assert (found.id, found.station) == ("i-1", "desk")
    found = parse_instruction("confirm", b'{"id": ["i"], "station": 3}')
    assert isinstance(found, Refusal)
    assert (found.id, found.station) == ("", None)


@given(st.sampled_from(sorted(NAMES)), st.binary(max_size=200))
def test_no_bytes_make_it_raise(name: str, payload: bytes) -> None:
    """Pins that parsing is total over bytes."""
    assert isinstance(parse_instruction(name, payload), Parsed | Refusal)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(NAMES)), st.dictionaries(st.sampled_from(["id", "by", "arguments", "case"]), JSON))
def test_no_json_makes_it_raise(name: str, body: dict[str, Any]) -> None:
    """Pins that parsing is total over JSON objects that look nearly right."""
    assert isinstance(parse_instruction(name, json.dumps(body).encode()), Parsed | Refusal)


def test_an_answer_says_what_became_of_it() -> None:
    """Pins the answer's form."""
    answer = Answer.of(("bed-1", "confirm", "i-1"), "refused", "weights differ\nby 3 %", 0)
    assert json.loads(answer.to_bytes()) == {
        "time": "1970-01-01T00:00:00.000Z",
        "id": "i-1",
        "instruction": "confirm",
        "bed": "bed-1",
        "outcome": "refused",
        "reason": "weights differ by 3 %",
    }


def test_a_confirmation_is_understood() -> None:
    """Pins that a field with a default may stay away."""
    found = asked("confirm", {"weight_kg": 70, "concentration_mg_ml": 1})
    assert isinstance(found, Parsed)
    assert found.instruction == Confirm(70.0, 1.0, "")


def test_a_station_says_that_it_is_there() -> None:
    """Pins a station's availability, a newer one's unknown keys passed over."""
    found = parse_availability(b'{"time": "t", "status": "online", "sequence": 4, "mood": "good"}')
    assert found == StationAvailability(time="t", status="online", sequence=4)
    for rubbish in (b"", b"{}", b'{"time": "t", "status": "maybe"}', b"[" * 20_000, b" " * 20_000):
        assert isinstance(parse_availability(rubbish), Nonsense)


def test_what_a_station_has_seen_counts_for_this_journal_alone() -> None:
    """Pins that another gateway's sequences, and those of an earlier journal, are not taken for ours."""
    seen = [
        {"gateway": "g", "bed": "bed-1", "sequence": 9, "id": "j-17"},
        {"gateway": "g", "bed": "bed-2", "sequence": 3, "id": "old-4"},
        {"gateway": "h", "bed": "bed-1", "sequence": 8, "id": "j-17"},
    ]
    assert parse_seen(json.dumps({"time": "t", "seen": seen}).encode(), "g", "j") == (("bed-1", 9),)
    for rubbish in (b"", b"{}", b'{"time": "t", "seen": [{}]}', b" " * 20_000):
        assert isinstance(parse_seen(rubbish, "g", "j"), Nonsense)


def test_every_metric_has_its_own_word() -> None:
    """Pins that no two metrics share a word: a value by hand can't land at another metric."""
    assert len({facts.word for facts in FACTS.values()}) == len(Metric)
