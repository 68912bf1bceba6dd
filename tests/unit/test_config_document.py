"""Reading TOML: where each key stands, and every file that is none."""

import contextlib
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infusion_gateway.config import document
from infusion_gateway.config.document import Key, Report, name, read
from infusion_gateway.errors import ConfigError

WRITTEN = '''# a comment with [brackets] and "quotes"
title = """
[not.a.table]
x = 1 """ # after
"quoted \\u0041".'lit eral' = [ # an array
  { a = 1, b = [2,
    3] }, # inline, over lines
  { c = "}]#" },
]

[[bed]]
id = "one"
pin.serial-number = 'x'
[[bed.device]]
id = "pump" # text
when = 2020-01-01 00:00:00
[[bed.device]]
id = "monitor"
[bed.sources]
spo2 = ["a", "b"]
[[bed]]
id = "two"
[[bed.device]]
rate = 1.5e3\r
[ gateway . deep ]
on = true
'''


def write(directory: Path, data: str | bytes) -> Path:
    """Put a file there."""
    path = directory / "file.toml"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_every_key_has_its_line(tmp_path: Path) -> None:
    """Pins the locator: tables, arrays of tables, dotted and quoted keys, arrays and inline tables over lines."""
    lines = {name(key): line for key, line in read(write(tmp_path, WRITTEN)).lines.items()}
    assert lines["title"] == 2
    assert lines["'quoted A'.'lit eral'"] == 5
    assert lines["'quoted A'.'lit eral'[0].b[1]"] == 7
    assert lines["'quoted A'.'lit eral'[1].c"] == 8
    assert lines["bed[0]"] == 11
    assert lines["bed[0].pin"] == lines["bed[0].pin.serial-number"] == 13
    assert lines["bed[0].device[0].when"] == 16
    assert lines["bed[0].device[1].id"] == 18
    assert lines["bed[0].sources.spo2[1]"] == 20
    assert lines["bed[1].id"] == 22
    assert lines["bed[1].device[0].rate"] == 24
    assert lines["gateway.deep.on"] == 26


def keys(value: Any, at: Key = ()) -> set[Key]:
    """Give every key of parsed TOML."""
    out = {at} if at else set()
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return out.union(*(keys(v, (*at, k)) for k, v in inner))


def test_every_parsed_key_is_located(tmp_path: Path) -> None:
    """Pins that no key of a file is without a line of its own."""
    found = read(write(tmp_path, WRITTEN))
    assert keys(tomllib.loads(WRITTEN)) == set(found.lines)


def test_a_missing_key_is_where_its_table_is(tmp_path: Path) -> None:
    """Pins that what is missing points at the nearest table around it, and at line 1 for the whole file."""
    found = read(write(tmp_path, WRITTEN))
    assert found.line(("bed", 1, "device", 0, "id")) == 23
    assert found.line(("bed", 1, "protocols")) == 21
    assert found.line(("broker", "url")) == 1


bare = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
scalar = st.sampled_from(
    ["1", "1.5", "true", '"a]b"', "'c#d'", '"""e\n[f]"""', "1979-05-27T07:32:00Z", "[]", "{}", "[1,\n2]"]
)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(bare, scalar), max_size=12, unique_by=lambda pair: pair[0]),
    st.sampled_from(["\n", "\r\n", "\n# [c]\n\n"]),
)
def test_the_locator_agrees_with_the_parser(pairs: list[tuple[str, str]], end: str) -> None:
    """Pins that on any valid text the locator finds the parser's keys, each in the line where it was written."""
    text = "".join(f"{key} = {value}{end}" for key, value in pairs)
    values = tomllib.loads(text)
    lines = document._Locator(text).lines()
    assert keys(values) == set(lines)
    for key in values:
        assert text.split("\n")[lines[key,] - 1].startswith(f"{key} =")


@pytest.mark.parametrize(
    ("data", "line", "problem"),
    [
        (b"a = 1\na = 2\n", 2, "not valid TOML: Cannot overwrite a value"),
        (b"a = 1\n\nb = \n", 3, "not valid TOML: Invalid value"),
        (b"[a]\nx=1\n[a]\n", 3, "not valid TOML: Cannot declare"),
        (b'a = "x', 1, "not valid TOML"),
        (b"a = 12 34\n", 1, "not valid TOML"),
        (b"\n\na = \xff\xfe\n", 3, "not UTF-8"),
        (b"\x7fELF\x00\x01\x02\x03", 1, "not valid TOML"),
        (b"a = 1\n\x00", 2, "not valid TOML"),
        (b"a = 99999-99-99\n", 1, "not valid TOML"),
        (b"a = 2020-13-45\n", 1, "not valid TOML"),
        (b"a." * 40 + b"b = 1", 1, "a key of more than 32 parts"),
        (b"a = " + b"[\n" * 40 + b"]" * 40, 33, "a key of more than 32 parts"),
        (b"x = 1\ny = " + b"a" * 5000, 2, "a line of more than 2000 characters"),
        (b"a." * 1500 + b"b = 1", 1, "a line of more than 2000 characters"),
        (b"a = " + b"[\n" * 60_000, 0, "hundreds of levels"),
        (b"# " + b"x\n# " * 80_000, 0, "larger than 256 KiB"),
        (b"a" * 10_000_000, 0, "larger than 256 KiB"),
    ],
)
def test_hostile_files_are_refused(tmp_path: Path, data: bytes, line: int, problem: str) -> None:
    """Pins that duplicate keys, torn, binary, huge and deeply nested files each give an error that names the line."""
    with pytest.raises(ConfigError) as caught:
        read(write(tmp_path, data))
    (found,) = caught.value.problems
    assert found.line == line
    assert problem in found.problem
    assert found.remedy
    assert str(found).isprintable()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Pins that a missing path, a directory, a pipe and a device each give a ConfigError and are never waited for."""
    os.mkfifo(tmp_path / "pipe")
    for path, problem in (
        (tmp_path / "none.toml", "no such file"),
        (tmp_path, "a directory"),
        (tmp_path / "pipe", "no ordinary file"),
        (Path("/dev/zero"), "no ordinary file"),
        (Path("with\0nul"), "can't be read"),
        (Path("x" * 5000), "can't be read"),
        (tmp_path / "file.toml" / "below", "can't be read"),
    ):
        write(tmp_path, "a = 1")
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert problem in str(caught.value), path


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins what a file that this user may not read gives (simulated: root may read everything)."""
    path = write(tmp_path, "a = 1")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match="this user may not read it"):
        read(path)


@settings(max_examples=300)
@given(st.binary(max_size=300) | st.text(alphabet="[]{}=.\"'#\n\\ab1, ", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Pins that no content raises anything but ConfigError, the locator included."""
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(data)
        file.flush()
        lines: dict[Key, int] = {}
        with contextlib.suppress(ConfigError):
            lines = read(Path(file.name)).lines
    assert all(line >= 1 for line in lines.values())


def test_a_report_raises_everything_in_order(tmp_path: Path) -> None:
    """Pins that problems come all at once, by line, repeats dropped, unprintable text made harmless."""
    report = Report(read(write(tmp_path, WRITTEN)))
    report.end()
    report.add(("bed", 1, "id"), "second", "b")
    report.add(("title",), "first\x1b[31m", "a")
    report.add(("bed", 1, "id"), "second", "b")
    with pytest.raises(ConfigError) as caught:
        report.end()
    assert [(p.line, p.key, p.problem) for p in caught.value.problems] == [
        (2, "title", "first?[31m"),
        (22, "bed[1].id", "second"),
    ]
    assert str(caught.value).splitlines()[1] == f"{tmp_path / 'file.toml'}:22: bed[1].id: second. b"
