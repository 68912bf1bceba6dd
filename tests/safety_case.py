"""The safety case: docs/hazards.toml joined with the markers on the tests, written as docs/hazards.md.

`@pytest.mark.requirement("S30")` on a test says that it shows the requirement; `@pytest.mark.rule("E5", "acts")` and
`@pytest.mark.rule("E5", "leaves alone")` that it shows the rule acting, or leaving a good session alone. Markers are
read from the source, not from a run, so only a test that no run may skip counts: it passes, or the suite does not.
"""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "hazards.toml"
PAGE = ROOT / "docs" / "hazards.md"
ACTS, LEAVES = "acts", "leaves alone"
SIDES = (ACTS, LEAVES)
MAY_SKIP = frozenset({"skip", "skipif", "xfail", "needs_root"})
HARMS = ("death", "injury", "discomfort")
ONSETS = ("immediate", "prompt", "delayed")
MATRIX = {
    "death": ("high", "high", "medium"),
    "injury": ("high", "medium", "low"),
    "discomfort": ("medium", "low", "low"),
}
"""Priority by harm if nobody came, and by how soon, in the order of ONSETS; as alarm standards commonly have it."""
OPEN = ("cannot_apply", "not_yet")
"""Why something is not shown: it is no matter of a gateway, or it is, and comes with later work."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One marker on one test. side: of a rule, which side it shows; "" of a requirement."""

    id: str
    side: str
    path: str
    test: str
    may_skip: bool


def marks_in(path: str, source: str) -> Iterator[Mark]:
    """Find every marker of a file; ValueError where one can't be read."""
    tree = ast.parse(source)
    everywhere = [d for node in tree.body for d in _module_marks(node)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = [*node.decorator_list, *everywhere]
        names = {_mark_name(d) for d in decorators}
        skippable = bool(names & MAY_SKIP) or any(
            isinstance(inner, ast.Attribute) and inner.attr in ("skip", "importorskip", "xfail")
            for inner in ast.walk(node)
        )
        for decorator in decorators:
            name = _mark_name(decorator)
            if name not in ("requirement", "rule"):
                continue
            if not node.name.startswith("test_"):
                raise ValueError(f"{path}: {node.name} is no test")
            yield from _read(decorator, name, (path, node.name, skippable))


def _read(decorator: ast.expr, name: str, where: tuple[str, str, bool]) -> Iterator[Mark]:
    path, test, skippable = where
    values = [a.value for a in decorator.args if isinstance(a, ast.Constant)] if isinstance(decorator, ast.Call) else []
    words = [v for v in values if isinstance(v, str)]
    if not words or not isinstance(decorator, ast.Call) or len(words) < len(decorator.args) or decorator.keywords:
        raise ValueError(f"{path}: {test}: write plain words in @pytest.mark.{name}(...)")
    if name == "requirement":
        yield from (Mark(word, "", path, test, skippable) for word in words)
        return
    *ids, side = words
    if side not in SIDES or not ids:
        raise ValueError(f'{path}: {test}: end @pytest.mark.rule(...) with "{ACTS}" or "{LEAVES}"')
    yield from (Mark(word, side, path, test, skippable) for word in ids)


def _module_marks(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
        return list(node.value.elts) if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    return []


def _mark_name(decorator: ast.expr) -> str:
    """Give NAME of pytest.mark.NAME or pytest.mark.NAME(...); "" of anything else."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    inner = target.value if isinstance(target, ast.Attribute) else None
    is_mark = isinstance(inner, ast.Attribute) and inner.attr == "mark"
    return target.attr if is_mark and isinstance(target, ast.Attribute) else ""


def marks() -> tuple[Mark, ...]:
    """Give every marker of the suite, in order of files and of tests."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return tuple(m for f in files for m in marks_in(str(f.relative_to(ROOT)), f.read_text()))


def data() -> dict[str, list[dict[str, Any]]]:
    """Give hazards, requirements and rules as written."""
    return tomllib.loads(DATA.read_text())


def problems(written: dict[str, list[dict[str, Any]]], found: tuple[Mark, ...]) -> list[str]:
    """Give everything that does not hold between what is written and what is shown; nothing: the case stands."""
    wrong = _problems_written(written)
    shown: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    for mark in found:
        shown[mark.id, mark.side].append(mark)
    requirements = {r["id"]: r for r in written["requirement"]}
    rules = {r["id"]: r for r in written["rule"]}
    for mark in found:
        if mark.id not in (rules if mark.side else requirements):
            wrong.append(f"{mark.path}: {mark.test} names {mark.id}, which does not exist")
    for ids, sides in ((requirements, ("",)), (rules, SIDES)):
        for name, row in ids.items():
            for side in sides:
                firm = [m for m in shown[name, side] if not m.may_skip]
                open_ = any(key in row for key in OPEN)
                what = f"{name} ({side})" if side else name
                if not firm and not open_:
                    wrong.append(f"{what} is shown by no test that always runs, and no reason is given")
                if shown[name, side] and open_:
                    wrong.append(f"{what} is shown by {shown[name, side][0].test}: take its reason away")
    return wrong


def _problems_written(written: dict[str, list[dict[str, Any]]]) -> list[str]:
    wrong: list[str] = []
    known = {h["id"] for h in written["hazard"]}
    for row in written["requirement"]:
        missing = [key for key in ("source", "cause", "text", "hazards") if not row.get(key)]
        wrong += [f"{row['id']} has no {key}" for key in missing]
        wrong += [f"{row['id']} names hazard {h}, which does not exist" for h in set(row["hazards"]) - known]
    for rows in (written["hazard"], written["requirement"], written["rule"]):
        ids = [row["id"] for row in rows]
        wrong += [f"{i} stands twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
        wrong += [f"{row['id']} is both" for row in rows if all(key in row for key in OPEN)]
    met = {h for row in written["requirement"] for h in row["hazards"]}
    return wrong + [f"no requirement is about {h}" for h in sorted(known - met)]


def priority_problems(rows: list[dict[str, Any]], raised: set[tuple[str, str]]) -> list[str]:
    """Give every priority that does not follow from harm and onset; raised: each code with each that it can have."""
    wrong = []
    for row in rows:
        cell = MATRIX[row["harm"]][ONSETS.index(row["onset"])]
        if row["priority"] != cell:
            wrong.append(f"{row['code']} {row['priority']}: {row['harm']}, {row['onset']} is {cell}")
    reasoned = {(row["code"], row["priority"]) for row in rows}
    wrong += [f"{code} can be {priority}, and no reason is given" for code, priority in sorted(raised - reasoned)]
    return wrong + [f"{code} is never {priority}" for code, priority in sorted(reasoned - raised)]


def page(written: dict[str, list[dict[str, Any]]], found: tuple[Mark, ...]) -> str:
    """Write docs/hazards.md."""
    shown: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    for mark in found:
        shown[mark.id, mark.side].append(mark)
    requirements = written["requirement"]
    count = {key: sum(key in r for r in requirements) for key in OPEN}
    never, tested = count["cannot_apply"], len(requirements) - sum(count.values())
    out = [
        "# Hazards, requirements, and what shows them",
        "",
        "Generated from `docs/hazards.toml` and the markers on the tests (`make hazards`); the suite fails where this",
        "page is not what they say, where a requirement has neither a test nor a reason, and where a marker names one",
        "that does not exist. Not a claim of conformity with any standard. Sources are paraphrased: Open PCA Pump",
        "System Requirements 1.0.0 (Kansas State University), FDA Infusion Pumps Total Product Life Cycle (2014), GPCA",
        "hazard analysis 0.9, ISMP smart pump guidelines (2020).",
        "",
        f"{len(requirements)} requirements: {tested} shown by tests, {count['not_yet']} not yet, {never} never.",
        "Never: it can't apply to a gateway, and the reason is given.",
        "",
    ]
    for hazard in written["hazard"]:
        ids = [r["id"] for r in requirements if hazard["id"] in r["hazards"]]
        out += [f"## {hazard['id']} {hazard['title']}", f"{hazard['harm']}. Requirements: {', '.join(ids)}.", ""]
    out += [
        "## Requirements",
        "| | hazards | cause | requirement | source | shows as | tests |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in requirements:
        signs = ", ".join(f"`{sign}`" for sign in row.get("signs", ()))
        cells = (row["id"], ", ".join(row["hazards"]), row["cause"], row["text"], row["source"], signs)
        out.append(f"| {' | '.join(cells)} | {_tests(row, shown[row['id'], ''])} |")
    out += ["", "## Rules", "| | rule | acts | leaves a good session alone |", "|---|---|---|---|"]
    for row in written["rule"]:
        both = (_tests(row, shown[row["id"], side]) for side in SIDES)
        out.append(f"| {row['id']} | {row['text']} | {' | '.join(both)} |")
    out += ["", "## Priorities", "What would become of it if nobody came, how soon, and so the priority.", ""]
    out += ["| | immediate | prompt | delayed |", "|---|---|---|---|"]
    out += [f"| {harm} | {' | '.join(MATRIX[harm])} |" for harm in HARMS]
    out += ["", "| condition | harm | onset | priority | why |", "|---|---|---|---|---|"]
    for row in written.get("priority", ()):
        out.append(f"| `{row['code']}` | {row['harm']} | {row['onset']} | {row['priority']} | {row['why']} |")
    return "\n".join(out) + "\n"


def _tests(row: dict[str, Any], shown: list[Mark]) -> str:
    if "cannot_apply" in row:
        return f"**can't apply**: {row['cannot_apply']}"
    if "not_yet" in row:
        return f"**not yet**: {row['not_yet']}"
    places = [f"[{_words(m.test)}](../{m.path}){' (may be skipped)' if m.may_skip else ''}" for m in shown]
    missing = f"<br>**open**: {row['missing']}" if "missing" in row else ""
    return "<br>".join(places) + missing


def _words(test: str) -> str:
    return re.sub("_", " ", test.removeprefix("test_"))


def main() -> None:
    """Write the page; print what does not hold, and exit 1 where something doesn't."""
    written, found = data(), marks()
    PAGE.write_text(page(written, found))
    wrong = problems(written, found)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
