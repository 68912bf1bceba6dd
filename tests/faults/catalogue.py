"""docs/faults.md from docs/faults.toml: `make faults`. A row has tests that exist, or the reason why it has none."""

import ast
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/faults.md"
NEEDS_ROOT = "needs_root"
WORDS = frozenset({"n", "fault", "by", "must", "tests", "bench_only", "root", "open"})

Row: TypeAlias = dict[str, Any]

HEAD = """# Faults

What is done to a bed, what must come of it, and the tests that do it. Written by `make faults` from `docs/faults.toml`;
a test holds that every test named here exists. `make crash` kills the gateway, cuts its power and fails its disk many
times over; `make chaos` lets a whole bed run under random ones of these. Both print what was done and what was lost.

"""


def data() -> list[Row]:
    """Read the rows."""
    found: list[Row] = tomllib.loads((ROOT / "docs/faults.toml").read_text())["fault"]
    return found


@cache
def found_in(path: str) -> dict[str, bool]:
    """Give the tests of a file under tests/, and whether root alone can run each; none where there is no such file."""
    file = ROOT / "tests" / path
    if not file.is_file():
        return {}
    tree = ast.parse(file.read_text())
    everywhere = any(isinstance(node, ast.Assign) and NEEDS_ROOT in ast.dump(node) for node in tree.body)
    return {
        node.name: everywhere or any(NEEDS_ROOT in ast.dump(one) for one in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def problems(rows: list[Row]) -> list[str]:
    """Say what does not hold: numbers, words, tests that are not there, rows without a test or a reason."""
    wrong = [] if [r["n"] for r in rows] == list(range(1, len(rows) + 1)) else ["the rows are not numbered from 1"]
    for row in rows:
        name = f"row {row['n']}"
        wrong += [f"{name} has an unknown {word!r}" for word in row.keys() - WORDS]
        tests = row.get("tests", [])
        if bool(tests) is bool(row.get("bench_only")):
            wrong.append(f"{name} needs either tests or the reason why it is for the bench only")
        if tests and not row.get("must"):
            wrong.append(f"{name} does not say what must happen")
        for test in tests:
            path, _, function = test.partition("::")
            if function not in found_in(path):
                wrong.append(f"{name}: there is no {test}")
        for_root = [found_in(path).get(function, False) for path, _, function in (t.partition("::") for t in tests)]
        if bool(row.get("root")) is not (bool(tests) and all(for_root)):
            wrong.append(f"{name}: root is needed by {sum(for_root)} of {len(tests)} tests")
    return wrong


def page(rows: list[Row]) -> str:
    """Write the page."""
    tested = [row for row in rows if row.get("tests")]
    rooted = sum(bool(row.get("root")) for row in tested)
    lines = [
        (
            f"{len(rows)} faults: {len(tested)} done by tests ({rooted} of them by root alone), "
            f"{len(rows) - len(tested)} for the bench only, each with its reason.\n"
        )
    ]
    for row in rows:
        lines += [f"\n## {row['n']}. {row['fault']}\n", f"\nDone by: {row['by']}.\n"]
        if row.get("must"):
            lines.append(f"Must: {row['must']}.\n")
        if row.get("bench_only"):
            lines.append(f"**Bench only**: {row['bench_only']}.\n")
        if row.get("open"):
            lines.append(f"**Open**: {row['open']}.\n")
        lines += ["\n", *(f"* `{test}`\n" for test in row["tests"])] if row.get("tests") else []
    return HEAD + "".join(lines)


def main() -> int:
    """Write the page; print what does not hold, and give 1 where something doesn't."""
    rows = data()
    PAGE.write_text(page(rows))
    wrong = problems(rows)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
