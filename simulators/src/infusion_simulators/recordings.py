"""Recordings as real input: numerics in a CSV file, row by row, and raw bytes as they were captured from a port.

A CSV of numerics has a header and a row for each moment: the first column is the time in seconds (`Time [s]`), the
others are named as in the BIDMC data set (HR, PULSE, RESP, SpO2) or by a monitor's own keys. An empty field or NaN is a
value that the monitor didn't have. Reading is strict: what isn't understood is refused, with the line.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infusion_simulators.device import SECOND, Nanos
from infusion_simulators.patient import VITALS

MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 1_000_000
MAX_FIELD = 64
TIME_COLUMNS = ("Time [s]", "time_s")
COLUMNS: Mapping[str, str] = {
    "HR": "hr",
    "PULSE": "pulse",
    "RESP": "rr",
    "SpO2": "spo2",
    **{key: key for key in VITALS},
}
"""Column -> key."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the monitor showed at a moment, `at` after the recording's beginning: key -> value, None for missing."""

    at: Nanos
    values: Mapping[str, float | None]


def load(path: Path) -> tuple[Row, ...]:
    """Read a CSV of numerics, at least one row; ValueError names file, line and what is wrong; OSError as it comes."""
    try:
        rows = tuple(_rows(path, _bounded(path).decode("utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8: {error}") from error
    if not rows:
        raise ValueError(f"{path}: no row of values")
    return rows


def load_raw(path: Path) -> bytes:
    """Read bytes as they were captured, at least one; ValueError where there are none or too many."""
    data = _bounded(path)
    if not data:
        raise ValueError(f"{path}: empty")
    return data


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path}: longer than {MAX_BYTES} bytes")
    return data


def _rows(path: Path, lines: Iterable[str]) -> Iterator[Row]:
    """Give the rows, times counted from the first one."""
    reader = csv.reader(lines, strict=True)
    header = [name.strip() for name in next(reader, [])]
    keys = _keys(path, header)
    begin = last = None
    for count, fields in enumerate(reader):
        where = f"{path}:{reader.line_num}"
        if count >= MAX_ROWS:
            raise ValueError(f"{where}: more than {MAX_ROWS} rows")
        if len(fields) != len(header):
            raise ValueError(f"{where}: {len(fields)} fields under {len(header)} columns")
        at = _number(where, header[0], fields[0])
        if at is None or (last is not None and at <= last):
            raise ValueError(f"{where}: time {fields[0]!r} doesn't come after the one before")
        begin, last = (at if begin is None else begin), at
        values = {key: _number(where, key, text, VITALS[key].high) for key, text in zip(keys, fields[1:], strict=True)}
        yield Row(round((at - begin) * SECOND), values)


def _keys(path: Path, header: list[str]) -> list[str]:
    """Give the keys of the columns after the time."""
    if len(header) < 2 or header[0] not in TIME_COLUMNS:  # noqa: PLR2004 - a time and a value
        raise ValueError(f"{path}:1: the first column must be {' or '.join(TIME_COLUMNS)}, and others must follow")
    for name in header[1:]:
        if name not in COLUMNS:
            raise ValueError(f"{path}:1: column {name!r} is not known; there are {', '.join(COLUMNS)}")
    keys = [COLUMNS[name] for name in header[1:]]
    if len(set(keys)) != len(keys):
        raise ValueError(f"{path}:1: a column is there twice")
    return keys


def _number(where: str, name: str, text: str, high: float = math.inf) -> float | None:
    """Read a finite number up to `high`, None for an empty field or NaN."""
    stripped = text.strip()
    if stripped in ("", "NaN", "nan"):
        return None
    try:
        read = float(stripped) if len(stripped) <= MAX_FIELD else math.inf
    except ValueError:
        raise ValueError(f"{where}: {name} {stripped[:MAX_FIELD]!r} is not a number") from None
    if not math.isfinite(read) or read > high or (read < 0 and high < math.inf):
        raise ValueError(f"{where}: {name} {stripped[:MAX_FIELD]!r} is out of range")
    return read
