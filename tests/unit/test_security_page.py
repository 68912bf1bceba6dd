"""docs/security.md: each threat has its mitigation and a test that exists, or says what it waits for."""

import ast
import re
from pathlib import Path

import pytest

from infusion_gateway.model.keys import ROLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
THREATS = (
    *("S1", "S2", "S3", "T1", "T2", "T3", "T4", "R1", "I1", "I2", "I3", "D1", "D2", "D3", "E1"),
    *("W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "C1", "C2", "P1"),
)
WAITS = ("with the station's page", "with the box's installation", "on the bench")
ROWS = {row[0]: row for row in re.findall(r"^\| ([A-Z]\d) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)}


def named_in(path: Path) -> set[str]:
    """Name the tests of a file."""
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_")}


def test_every_threat_has_its_row() -> None:
    """Pins that no threat is left out and none is there twice."""
    assert tuple(ROWS) == THREATS
    assert len(re.findall(r"^\| [A-Z]\d \|", PAGE, re.MULTILINE)) == len(THREATS)


@pytest.mark.parametrize("threat", THREATS)
def test_each_is_shown_by_tests_that_exist(threat: str) -> None:
    """Pins that what shows a threat's mitigation is there, or that the row says what it waits for."""
    shown = re.findall(r"`(tests/[^:`]+)::(test_\w+)`", ROWS[threat][3])
    if not shown:
        assert ROWS[threat][3].startswith(WAITS), ROWS[threat][3]
    for file, name in shown:
        assert name in named_in(ROOT / file), f"{file}::{name}"


def test_the_roles_are_those_of_the_code() -> None:
    """Pins the table of roles."""
    rows = dict(re.findall(r"^\| `(viewer|tester|clinician|supervisor)` \| (.+?) \|$", PAGE, re.MULTILINE))
    assert set(rows) == set(ROLES)
    assert rows["viewer"] == "nothing"
    assert set(re.findall(r"`([a-z-]+)`", rows["tester"])) == ROLES["tester"]
    assert set(re.findall(r"`([a-z-]+)`", rows["clinician"])) == ROLES["supervisor"] - ROLES["clinician"]
    assert rows["supervisor"] == "everything"
