"""What `make mutate` has found: how many mutants of each module of the core were caught; fails under 90 percent.

A mutant that the type checker refuses is not counted, on either side: no test had to catch it. That is the strict
score, which decides; beside it stands the score by mutmut's own way, where the type checker's are caught too.
"""

import json
import sys
from collections import Counter
from math import sqrt
from pathlib import Path

from mutmut.stats import status_by_exit_code

WANTED = 90.0
BOOKS = Path("mutants/src/infusion_gateway/core")
CAUGHT, MISSED, TYPED = (
    ("killed", "timeout", "segfault"),
    ("survived", "no tests", "suspicious"),
    "caught by type check",
)


def counted(book: Path) -> Counter[str]:
    """Count the mutants of a module by what became of them."""
    return Counter(status_by_exit_code[code] for code in json.loads(book.read_text())["exit_code_by_key"].values())


def line(name: str, found: Counter[str]) -> str:
    """Give a line of the table."""
    caught, missed = sum(found[word] for word in CAUGHT), sum(found[word] for word in MISSED)
    part = 100 * caught / max(caught + missed, 1)
    unjudged = f"  {found['not checked']} not judged" if found["not checked"] else ""
    return f"{name:14} {part:5.1f} %  {caught:5} caught {missed:4} survived {found[TYPED]:5} refused by types{unjudged}"


def scores(total: Counter[str]) -> str:
    """Give both scores; where some weren't judged, what those judged say of all if they were drawn by lot."""
    caught, missed = sum(total[word] for word in CAUGHT), sum(total[word] for word in MISSED)
    judged = max(caught + missed, 1)
    text = f"strict: {100 * caught / judged:.1f} % of {judged} that tests had to catch; this one decides\n"
    if total["not checked"]:
        low, high = interval(caught, judged)
        text += f"  not all are judged: by lot, those are 95 % sure to be between {low:.1f} and {high:.1f} %\n"
    left = judged + total["not checked"]  # of those not judged the same part is taken
    every, all_caught = left + total[TYPED], total[TYPED] + left * caught / judged
    return text + f"as mutmut counts: {100 * all_caught / every:.1f} % of {every}, refused by types is caught\n"


def interval(caught: int, judged: int) -> tuple[float, float]:
    """Give Wilson's interval of 95 percent for a part of a sample, in percent."""
    part, z = caught / judged, 1.96
    middle, wide = part + z * z / (2 * judged), z * sqrt(part * (1 - part) / judged + z * z / (4 * judged * judged))
    return 100 * (middle - wide) / (1 + z * z / judged), 100 * (middle + wide) / (1 + z * z / judged)


def main() -> int:
    """Print the table; 1 where too few were caught, or some not judged."""
    total: Counter[str] = Counter()
    for book in sorted(BOOKS.glob("*.meta")):
        found = counted(book)
        total += found
        if found:
            sys.stdout.write(line(book.name.removesuffix(".py.meta"), found) + "\n")
    sys.stdout.write(line("all", total) + "\n" + scores(total))
    caught, missed = sum(total[word] for word in CAUGHT), sum(total[word] for word in MISSED)
    return 0 if caught and not total["not checked"] and caught >= WANTED / 100 * (caught + missed) else 1


if __name__ == "__main__":
    sys.exit(main())
