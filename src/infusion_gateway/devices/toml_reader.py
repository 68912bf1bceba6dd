"""Read a TOML table key by key: what is wrong is collected with its place and the way out, what nobody asks for is too.

A wrong or missing value gives a harmless stand-in, so that one pass finds every problem of a file.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeVar

from infusion_gateway.errors import Problem
from infusion_gateway.model.metric import SECOND, Nanos

Choice = TypeVar("Choice", bound=StrEnum)
Value = TypeVar("Value")

MAX_TABLES = 200
MAX_TEXT = 200
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|min)")
LENGTHS = {"ms": SECOND // 1000, "s": SECOND, "min": 60 * SECOND}


@dataclass(slots=True)
class Findings:
    """Every problem of one file."""

    path: str
    text: str = ""
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, key: str, problem: str, remedy: str) -> None:
        """Note a problem; line 0: not known."""
        self.problems.append(Problem(self.path, line, key, problem, remedy))


class Reader:
    """One table of a file. at: its key, "" for the whole file; line: where it begins, 0 where not known."""

    def __init__(self, raw: Mapping[str, Any], findings: Findings, at: str, line: int) -> None:
        self._raw = raw
        self._findings = findings
        self._at = at
        self._line = line
        self._asked: set[str] = set()

    def refuse(self, key: str, problem: str, remedy: str) -> None:
        """Note a problem with a key of this table, or with the table itself where key is ""."""
        self._findings.add(self._line_of(key) if key else self._line, self._path(key), problem, remedy)

    def has(self, key: str) -> bool:
        """Say whether the key is there."""
        self._asked.add(key)
        return key in self._raw

    def any(self, key: str, wanted: str = "a value") -> Any:
        """Give the value as it is; None where it is missing, which is a problem."""
        if not self.has(key):
            self.refuse(key, "this key is missing", f"Add {wanted}")
        return self._raw.get(key)

    def text(self, key: str) -> str:
        """Give a text: printable, not empty, at most 200 characters."""
        value = self.any(key, "a text")
        if isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= MAX_TEXT:
            return value
        return self._not(key, f"a printable text of 1 to {MAX_TEXT} characters", "")

    def page(self) -> str:
        """Give where the device's manual says it: a page's number, or a heading."""
        if isinstance(self._raw.get("page"), int):
            return f"p. {self.integer('page', 1, 100_000)}"
        return self.text("page")

    def integer(self, key: str, low: int, high: int) -> int:
        """Give a whole number within bounds."""
        value = self.any(key, f"a whole number from {low} to {high}")
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        return self._not(key, f"a whole number from {low} to {high}", low)

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        """Give a whole number within bounds; None where it isn't there."""
        return self.integer(key, low, high) if self.has(key) else None

    def boolean(self, key: str) -> bool:
        """Give true or false."""
        value = self.any(key, "true or false")
        return value if isinstance(value, bool) else self._not(key, "true or false", False)

    def fraction(self, key: str, default: Fraction) -> Fraction:
        """Give a number above 0, exactly as written."""
        value = self._raw.get(key, default) if self.has(key) else default
        if isinstance(value, int | Fraction) and not isinstance(value, bool) and value > 0:
            return Fraction(value)
        return self._not(key, "a number above 0", default)

    def pair(self, key: str) -> tuple[Fraction, Fraction]:
        """Give two numbers, the lower one first."""
        value = self.any(key, "the lowest and the highest value that can be right, like `[0, 1200]`")
        match value:
            case [int() | Fraction() as low, int() | Fraction() as high] if low < high:
                return Fraction(low), Fraction(high)
        return self._not(key, "two numbers, the lower one first", (Fraction(0), Fraction(1)))

    def duration(self, key: str, low: Nanos, high: Nanos) -> Nanos:
        """Give a length of time such as "500 ms" or "1 s", within bounds, in nanoseconds."""
        said = self.any(key, 'a length of time like "1 s"')
        found = DURATION.fullmatch(said) if isinstance(said, str) else None
        length = int(Fraction(found[1]) * LENGTHS[found[2]]) if found else -1
        if low <= length <= high:
            return length
        bounds = f"{low / SECOND:g} s to {high / SECOND:g} s"
        return self._not(key, f'a length of time like "500 ms" or "1 s", {bounds}', low)

    def one_of(self, key: str, options: Iterable[str]) -> str:
        """Give one of these words."""
        words = list(options)
        value = self.any(key, "one of " + ", ".join(words[:20]))
        if isinstance(value, str) and value in words:
            return value
        near = difflib.get_close_matches(str(value), words, n=1)
        wanted = f"`{near[0]}`?" if near else ", ".join(words[:20])
        return self._not(key, f"one of: {wanted}" if not near else f"known; did you mean {wanted}", words[0])

    def choice(self, key: str, options: type[Choice]) -> Choice:
        """Give a member of an enumeration, named by its value."""
        return options(self.one_of(key, [o.value for o in options]))

    def words(self, key: str, known: Iterable[str], *, many: bool) -> dict[int, tuple[str, ...]]:
        """Give numbers and what each means: one known word, or, where many are allowed, a list of them."""
        value = self.any(key, 'numbers and their meanings, like `{ 0 = "stopped" }`')
        if not isinstance(value, dict) or not value:
            return self._not(key, 'a table like `{ 0 = "stopped" }`', {})
        found: dict[int, tuple[str, ...]] = {}
        options = sorted(known)
        for number, said in value.items():
            listed = said if isinstance(said, list) and many else [said]
            if not re.fullmatch(r"\d{1,10}", number):
                self.refuse(key, f"`{number}` is no number", "Write the register's value, or the bit's number")
            elif listed and all(isinstance(s, str) and s in options for s in listed):
                found[int(number)] = tuple(listed)
            else:
                self.refuse(key, f"`{said}` is not known", f"Known here: {', '.join(options)}")
        return found

    def table(self, key: str) -> "Reader":
        """Give a table within this one."""
        value = self.any(key, f"a table `[{key}]`")
        if not isinstance(value, dict):
            value = self._not(key, "a table", {})
        return Reader(value, self._findings, self._path(key), self._line_of(key))

    def tables(self, key: str) -> list["Reader"]:
        """Give a list of tables, at least one."""
        value = self.any(key, f"at least one `{key}`")
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value) or not value:
            value = self._not(key, "a list of at least one table", [])
        if len(value) > MAX_TABLES:
            self.refuse(key, f"more than {MAX_TABLES}", "Make several files of it")
        lines = self._lines_of(key)
        at = [(f"{self._path(key)}[{n}]", lines[n] if n < len(lines) else 0) for n in range(len(value))]
        return [Reader(v, self._findings, *a) for v, a in zip(value[:MAX_TABLES], at, strict=False)]

    def done(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._raw.keys() - self._asked:
            near = difflib.get_close_matches(key, self._asked, n=1)
            remedy = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(self._asked))}"
            self.refuse(key, "unknown key", remedy)

    def _not(self, key: str, wanted: str, instead: Value) -> Value:
        if key in self._raw:
            self.refuse(key, f"`{str(self._raw[key])[:60]}` is not {wanted}", "Correct it")
        return instead

    def _path(self, key: str) -> str:
        return f"{self._at}.{key}" if self._at and key else self._at or key

    def _span(self) -> tuple[int, list[str]]:
        """Give this table's lines: from where it begins to the next header (a whole file: all)."""
        lines = self._findings.text.splitlines()
        if not self._at:
            return 0, lines
        start = max(self._line - 1, 0)
        if not self._line or not lines:
            return 0, []
        if "=" in lines[start] and not lines[start].lstrip().startswith("["):
            return start, lines[start : start + 1]  # an inline table
        end = next((n for n in range(start + 1, len(lines)) if lines[n].startswith("[")), len(lines))
        return start, lines[start:end]

    def _lines_of(self, key: str) -> list[int]:
        """Find where the tables of a list begin: at `[[key]]`, or, written inline, wherever a `{` opens a line."""
        start, lines = self._span()
        headers = [start + n + 1 for n, line in enumerate(lines) if re.match(rf"\[\[{re.escape(key)}\]\]", line)]
        return headers or [start + n + 1 for n, line in enumerate(lines) if re.match(r"[^#]*\{", line)]

    def _line_of(self, key: str) -> int:
        start, lines = self._span()
        pattern = re.compile(rf"(^\[+{re.escape(key)}\]+)|(^|[\s{{,]){re.escape(key)}\s*=")
        return next((start + n + 1 for n, line in enumerate(lines) if pattern.search(line)), self._line)
