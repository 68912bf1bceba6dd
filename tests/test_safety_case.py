"""The safety case holds: every requirement is shown or says why not, and docs/hazards.md is what the tests say."""

import re
from typing import Any, get_args

import pytest

from infusion_gateway.config import protocols
from infusion_gateway.core.codes import CODES, Cause
from infusion_gateway.model.events import Event
from infusion_gateway.wire.records import kebab
from safety_case import (
    ACTS,
    HARMS,
    LEAVES,
    ONSETS,
    PAGE,
    ROOT,
    Mark,
    data,
    marks,
    marks_in,
    page,
    priority_problems,
    problems,
)

WRITTEN: dict[str, list[dict[str, Any]]] = {
    "hazard": [{"id": "H1", "title": "Harm", "harm": "Hurt"}],
    "requirement": [{"id": "S01", "source": "x", "hazards": ["H1"], "cause": "c", "text": "t"}],
    "rule": [{"id": "E1", "text": "t"}],
}
SHOWN = (
    Mark("S01", "", "tests/a.py", "test_a", may_skip=False),
    Mark("E1", ACTS, "tests/a.py", "test_b", may_skip=False),
    Mark("E1", LEAVES, "tests/a.py", "test_c", may_skip=False),
)


def changed(table: str, **values: object) -> dict[str, list[dict[str, Any]]]:
    """Give the small case with one row changed."""
    return {**WRITTEN, table: [{**WRITTEN[table][0], **values}]}


def test_every_requirement_and_rule_is_shown_or_says_why_not() -> None:
    """Pins the safety case: no requirement without a test that always runs or a reason, no marker without its row."""
    assert problems(data(), marks()) == []


def test_the_page_is_what_the_tests_say() -> None:
    """Pins that docs/hazards.md is fresh."""
    assert PAGE.read_text() == page(data(), marks()), "run: make hazards"


def test_every_row_of_the_tables_is_there() -> None:
    """Pins that the case covers S01 to S54 and E1 to E18, each once, in order."""
    assert [r["id"] for r in data()["requirement"]] == [f"S{n:02}" for n in range(1, 55)]
    assert [r["id"] for r in data()["rule"]] == [f"E{n}" for n in range(1, 19)]


def test_every_sign_is_an_event_or_a_condition() -> None:
    """Pins that what a requirement is said to show as can show: an event's name, or a code that the source has."""
    source = "\n".join(p.read_text() for p in sorted((ROOT / "src/infusion_gateway").rglob("*.py")))
    events = {kebab(kind.__name__) for kind in get_args(Event)}
    codes = {c.code for c in protocols.load(protocols.shipped() / "depression-40.toml").conditions}
    for row in data()["requirement"]:
        for sign in row.get("signs", ()):
            assert sign in events or sign in codes or f'"{sign}"' in source, f"{row['id']}: {sign}"


def raised() -> set[tuple[str, str]]:
    """Give each code of a patient's protocol, and of what the core watches of drug and breath, with its priorities."""
    found = set()
    for name in protocols.names(protocols.shipped()):
        for condition in protocols.load(protocols.shipped() / f"{name}.toml").conditions:
            found |= {(condition.code, row.priority.name.lower()) for row in condition.rows}
    ours = (Cause.BREATHING, Cause.MIND, Cause.DELIVERY, Cause.STOP)
    for code in CODES:
        if code.cause in ours:
            found |= {(code.code, word) for word in re.findall(r"\b(low|medium|high)\b", code.when)}
    return found


@pytest.mark.requirement("S11")
def test_priorities_follow_from_harm_and_onset() -> None:
    """Pins that every priority of a condition of patient, drug or stop is the one of its cell, and has a reason."""
    assert priority_problems(data()["priority"], raised()) == []


@pytest.mark.requirement("S11")
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("onset", ONSETS)
def test_each_cell_of_the_matrix_decides(harm: str, onset: str) -> None:
    """Pins all nine cells: the cell's own priority holds, each other one is told."""
    cells = {
        ("death", "immediate"): "high",
        ("death", "prompt"): "high",
        ("death", "delayed"): "medium",
        ("injury", "immediate"): "high",
        ("injury", "prompt"): "medium",
        ("injury", "delayed"): "low",
        ("discomfort", "immediate"): "medium",
        ("discomfort", "prompt"): "low",
        ("discomfort", "delayed"): "low",
    }
    for priority in ("low", "medium", "high"):
        row = {"code": "x", "priority": priority, "harm": harm, "onset": onset, "why": "y"}
        assert bool(priority_problems([row], {("x", priority)})) is (cells[harm, onset] != priority)
    good = {"code": "x", "priority": cells[harm, onset], "harm": harm, "onset": onset}
    assert priority_problems([good], {("x", good["priority"]), ("z", "low")}) == [
        "z can be low, and no reason is given"
    ]
    assert priority_problems([good], set()) == [f"x is never {good['priority']}"]


@pytest.mark.parametrize(
    ("written", "shown", "words"),
    [
        (WRITTEN, SHOWN[1:], "S01 is shown by no test"),
        (WRITTEN, SHOWN[:2], "E1 (leaves alone) is shown by no test"),
        (WRITTEN, (SHOWN[0], SHOWN[2]), "E1 (acts) is shown by no test"),
        (WRITTEN, (Mark("S01", "", "t", "t", may_skip=True), *SHOWN[1:]), "S01 is shown by no test that always runs"),
        (WRITTEN, (*SHOWN, Mark("S99", "", "t", "test_x", may_skip=False)), "test_x names S99"),
        (WRITTEN, (*SHOWN, Mark("S01", ACTS, "t", "test_x", may_skip=False)), "test_x names S01"),
        (changed("requirement", cannot_apply="why"), SHOWN, "S01 is shown by test_a: take its reason away"),
        (changed("requirement", hazards=["H2"]), SHOWN, "names hazard H2"),
        (changed("requirement", cause=""), SHOWN, "S01 has no cause"),
        (changed("requirement", cannot_apply="a", not_yet="b"), SHOWN[1:], "S01 is both"),
        ({**WRITTEN, "hazard": [*WRITTEN["hazard"], {"id": "H2"}]}, SHOWN, "no requirement is about H2"),
        ({**WRITTEN, "rule": WRITTEN["rule"] * 2}, SHOWN, "E1 stands twice"),
    ],
)
def test_what_does_not_hold_is_told(
    written: dict[str, list[dict[str, Any]]], shown: tuple[Mark, ...], words: str
) -> None:
    """Pins that the case can fail: each way in which rows, reasons and markers may disagree."""
    assert problems(WRITTEN, SHOWN) == []
    assert any(words in line for line in problems(written, shown)), problems(written, shown)


def test_a_reason_stands_in_for_a_test_and_is_told_apart() -> None:
    """Pins that what can't apply and what comes later need no test, and read differently."""
    for key, words in (("cannot_apply", "**can't apply**: why"), ("not_yet", "**not yet**: why")):
        written = changed("requirement", **{key: "why"})
        assert problems(written, SHOWN[1:]) == []
        assert words in page(written, SHOWN[1:])
    assert "**open**: some" in page(changed("requirement", missing="some"), SHOWN)


def test_markers_are_read_from_the_source() -> None:
    """Pins which tests count as skippable, and that several names in one marker are several marks."""
    source = (
        '@pytest.mark.requirement("S01", "S02")\n@pytest.mark.rule("E1", "acts")\ndef test_a():\n    pass\n'
        '@pytest.mark.skipif(x, reason="y")\n@pytest.mark.requirement("S03")\nasync def test_b():\n    pass\n'
        '@pytest.mark.requirement("S04")\ndef test_c():\n    pytest.skip("no")\n'
    )
    found = [(m.id, m.side, m.test, m.may_skip) for m in marks_in("t.py", source)]
    assert found == [
        ("S01", "", "test_a", False),
        ("S02", "", "test_a", False),
        ("E1", ACTS, "test_a", False),
        ("S03", "", "test_b", True),
        ("S04", "", "test_c", True),
    ]
    whole = f"pytestmark = [pytest.mark.needs_root]\n{source}"
    assert all(m.may_skip for m in marks_in("t.py", whole))


@pytest.mark.parametrize(
    "decorator", ["requirement(S)", "requirement()", "requirement", 'rule("E1")', 'rule("E1", "works")', 'rule("acts")']
)
def test_a_marker_that_cannot_be_read_is_told(decorator: str) -> None:
    """Pins that a marker that says nothing is an error, not a requirement that quietly goes without."""
    with pytest.raises(ValueError, match="test_a"):
        list(marks_in("t.py", f"@pytest.mark.{decorator}\ndef test_a():\n    pass\n"))
    with pytest.raises(ValueError, match="helper is no test"):
        list(marks_in("t.py", '@pytest.mark.requirement("S01")\ndef helper():\n    pass\n'))
