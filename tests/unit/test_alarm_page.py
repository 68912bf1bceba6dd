"""docs/alarms.md is what the tables say, and the list of codes is what the core can raise."""

import ast
from pathlib import Path

import pytest

from infusion_gateway.config.alarm_page import page
from infusion_gateway.core.codes import BY_CODE, CODES
from infusion_gateway.core.pump_alarms import ROWS
from infusion_gateway.core.technical import SENSES

ROOT = Path(__file__).parents[2]
CORE = ROOT / "src" / "infusion_gateway" / "core"
MADE = {"{}-missing", "{}-disagree", "{}-refused", "{}-overdue", "pump-{}"}
"""Codes that are put together; each way is tried by a test of its own."""


def claimed() -> set[str]:
    """Give every code that a claim in the core names, as written; what is put in shows as {}."""
    found: set[str] = set()
    for path in CORE.glob("*.py"):
        tree = ast.parse(path.read_text())
        names = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            if node.func.id not in {"technical", "of_the_drug", "_Cause"}:
                continue
            match node.args[0]:
                case ast.Constant(value=str(code)):
                    found.add(code)
                case ast.Name(id=name) if name in names:
                    found.add(names[name])
                case ast.JoinedStr(values=values):
                    found.add("".join(v.value if isinstance(v, ast.Constant) else "{}" for v in values))
                case _:
                    pass
    return found - {""}


def test_the_page_is_fresh() -> None:
    """Pins that docs/alarms.md is what the tables say today: `make docs` writes it."""
    assert (ROOT / "docs" / "alarms.md").read_text() == page()


def test_every_code_that_is_claimed_is_listed() -> None:
    """Pins that no rule raises a code that the page doesn't explain."""
    assert claimed() - MADE - set(BY_CODE) == set()
    assert claimed() & {"apnoea", "stop-not-confirmed", "dose-limit"}, "the search finds nothing"
    assert {code for code, *_ in SENSES.values()} <= set(BY_CODE)
    assert {f"pump-{alarm}" for alarm in ROWS} <= set(BY_CODE)


def test_no_code_is_listed_that_nothing_raises() -> None:
    """Pins that each listed code is written somewhere in the core, whole or as one that is put together."""
    text = "\n".join(path.read_text() for path in CORE.glob("*.py") if path.name != "codes.py")
    ends = ("-missing", "-disagree", "-refused", "-overdue")
    for code in BY_CODE:
        assert f'"{code}"' in text or code.endswith(ends) or code.startswith("pump-"), code


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.code)
def test_every_code_says_what_to_do_and_where_it_comes_from(code: object) -> None:
    """Pins that no cell of the page is empty, and each source is a row of the reference, or says that it has none."""
    for name in ("when", "response", "phases", "do", "source"):
        assert getattr(code, name).strip(), name
    assert getattr(code, "source").startswith(("rules: ", "clinical reference ", "the house", "unsourced"))  # noqa: B009 -- of an object
    assert len(CODES) == len(BY_CODE)
