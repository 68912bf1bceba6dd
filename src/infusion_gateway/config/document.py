"""A TOML file as people wrote it: its values, its digest, and the line of every key.

The file is hostile: it is read up to a bound, must be an ordinary file, UTF-8 and valid TOML; every failure is a
ConfigError that names the line where there is one. tomllib gives the values; the locator below, which may rely on
text that tomllib accepted, gives the lines.
"""

import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from infusion_gateway.errors import ConfigError, Problem

LARGEST = 256 * 1024
"""Bytes that a file may have; a gateway with a hundred beds needs about 60 KiB."""
LONGEST_LINE = 2000
"""Characters that a line may have."""

DEEPEST = 32
"""Names and indices that a key may have; a real file needs six."""
MOST = 100
"""Problems that are told of one file; nobody reads more."""

Key: TypeAlias = tuple[str | int, ...]
"""Where a value is: table names, and indices of arrays, from the top down."""


@dataclass(frozen=True)
class Document:
    """A file's values (as tomllib gives them), sha256 digest of its bytes in hex, and each key's line from 1."""

    path: Path
    values: dict[str, Any]
    digest: str
    lines: dict[Key, int]

    def line(self, key: Key) -> int:
        """Give the line of a key; of the nearest table around it where the key itself is missing; at least 1."""
        for length in range(len(key), 0, -1):
            if found := self.lines.get(key[:length]):
                return found
        return 1


class Report:
    """The problems found so far in one file; `end` raises them all at once, in order of lines."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def add(self, key: Key, problem: str, remedy: str) -> None:
        """Add one; key is where it is or, for something missing, where it ought to be."""
        at = Problem(
            str(self.document.path), self.document.line(key), name(key), _printable(problem), _printable(remedy)
        )
        if len(self.problems) < MOST and at not in self.problems:
            self.problems.append(at)

    def end(self) -> None:
        """Raise ConfigError if anything was added."""
        if self.problems:
            raise ConfigError(tuple(sorted(self.problems, key=lambda p: p.line)))


def name(key: Key) -> str:
    """Write a key as people do: bed[1].device[0].driver, indices from 0; "file" for the whole."""
    out = ""
    for part in key:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            bare = part if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", part) else repr(part[:60])
            out += f".{bare}" if out else bare
    return out or "file"


def absolute(file: Path, written: str) -> Path:
    """Resolve a path as written in a file: a relative one starts at that file. Links are left as they are."""
    return Path(os.path.normpath(file.absolute().parent / written))


def read(path: Path) -> Document:
    """Read a TOML file; ConfigError where it can't be used."""
    data = _bytes(path)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _unusable(path, line, "this is not UTF-8 text", "Save the file as UTF-8") from None
    _bounded(path, text)
    try:
        values = tomllib.loads(text)
        lines = _Locator(text).lines()
    except RecursionError:
        raise _unusable(path, 0, "brackets inside brackets on hundreds of levels", "Four levels are enough") from None
    except ValueError as error:  # TOMLDecodeError is one
        raise _unusable(path, _line_in(str(error), text), f"not valid TOML: {_said(str(error))}", _HOW) from None
    return Document(path, values, hashlib.sha256(data).hexdigest(), lines)


_HOW = "Every line is `key = value`, `[table]` or `[[table]]`; text stands in double quotes; a key may stand once"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:400]


def _unusable(path: Path, line: int, problem: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(str(path), line, "file", _printable(problem), remedy),))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") if stat.S_ISREG(path.stat().st_mode) else _refuse(path) as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise _unusable(path, 0, "there is no such file", "Give the path of the configuration file") from None
    except PermissionError:
        raise _unusable(path, 0, "this user may not read it", "Give this user leave to read it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise _unusable(path, 0, f"it can't be read: {error}", "Give the path of the configuration file") from None
    if len(data) > LARGEST:
        raise _unusable(path, 0, f"it is larger than {LARGEST // 1024} KiB", "Give a configuration file")
    return data


def _refuse(path: Path) -> Any:
    what = "a directory" if path.is_dir() else "no ordinary file"
    raise _unusable(path, 0, f"it is {what}", "Give the path of the configuration file")


def _bounded(path: Path, text: str) -> None:
    """Refuse lines that no person writes: a key of thousands of parts costs the parser their square."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            raise _unusable(path, number, f"a line of more than {LONGEST_LINE} characters", "Write it on several lines")


def _line_in(said: str, text: str) -> int:
    found = re.search(r"at line (\d+)", said)
    if found:
        return int(found[1])
    return text.count("\n") + 1 if "end of document" in said else 0


def _said(said: str) -> str:
    return re.sub(r" \(at [^)]*\)", "", said)


_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[A-Za-z0-9_-]+')
_TEXT = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\]|\\.)*"|\'[^\']*\'', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


class _Locator:
    """Walks over text that is valid TOML and says in which line each key stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._arrays: dict[Key, int] = {}

    def lines(self) -> dict[Key, int]:
        """Give each key and the line where it begins, tables too. ValueError: a key of too many parts."""
        found: dict[Key, int] = {}
        table: Key = ()
        while self._skip(_GAP) and self._at < len(self._text):
            if self._text.startswith("[", self._at):
                line = self._here()
                table = self._header()
                self._note(found, (), table, line)
            else:
                for above, key, line in self._pair(table):
                    self._note(found, above, key, line)
        return found

    def _note(self, found: dict[Key, int], above: Key, key: Key, line: int) -> None:
        """Note a key, and what it implies between it and its table (a.b = 1 makes a too)."""
        if len(key) > DEEPEST:
            raise ValueError(f"a key of more than {DEEPEST} parts (at line {line})")
        for length in range(len(above) + 1, len(key) + 1):
            found.setdefault(key[:length], line)

    def _header(self) -> Key:
        many = self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        written = self._key()
        self._at += 2 if many else 1
        if many:
            place = self._resolved(written[:-1]) + written[-1:]
            self._arrays[place] = self._arrays.get(place, -1) + 1
        return self._resolved(written)

    def _resolved(self, written: Key) -> Key:
        """Put the newest index after each name that is an array of tables."""
        out: Key = ()
        for part in written:
            out += (part,)
            if out in self._arrays:
                out += (self._arrays[out],)
        return out

    def _key(self) -> Key:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            found = _PART.match(self._text, self._at)
            assert found is not None, "the text is valid TOML"
            self._at = found.end()
            self._skip(_SPACE)
            quoted = found[0][0] in "\"'"
            parts.append(next(iter(tomllib.loads(f"{found[0]}=0"))) if quoted else found[0])
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _pair(self, table: Key) -> Iterator[tuple[Key, Key, int]]:
        """Walk over `key = value`: give the table, the key and the line, then everything inside the value."""
        line = self._here()
        key = table + self._key()
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        yield table, key, line
        yield from self._value(key)

    def _value(self, key: Key) -> Iterator[tuple[Key, Key, int]]:
        opening = self._text[self._at]
        if opening == "[":
            yield from self._array(key)
        elif opening == "{":
            self._at += 1
            while self._skip(_GAP) and self._text[self._at] != "}":
                yield from self._pair(key)
                self._comma()
            self._at += 1
        else:
            self._skip(_TEXT if opening in "\"'" else _SCALAR)

    def _array(self, key: Key) -> Iterator[tuple[Key, Key, int]]:
        self._at += 1
        index = 0
        while self._skip(_GAP) and self._text[self._at] != "]":
            yield key, (*key, index), self._here()
            yield from self._value((*key, index))
            self._comma()
            index += 1
        self._at += 1

    def _comma(self) -> None:
        self._skip(_GAP)
        if self._text[self._at] == ",":
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self._at)
        assert found is not None, "the text is valid TOML"
        self._at = found.end()
        return True

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line
