"""Time and values as the wire writes them: RFC 3339 in UTC with milliseconds, ages in seconds, finite numbers."""

import math
from datetime import UTC, datetime, timedelta

from infusion_gateway.model.metric import SECOND, Nanos

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999 * 1_000_000  # the last millisecond of the year 9999, in nanoseconds


def rfc3339(utc_ns: int) -> str:
    """Write a wall time, as 2026-11-22T07:15:00.000Z. What is out of the calendar is put at its edge."""
    at = _EPOCH + timedelta(milliseconds=min(max(utc_ns, 0), _LAST) // 1_000_000)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def point(at: Nanos | None, offset: int) -> str | None:
    """Write a point of the monotone timeline; offset: UTC minus timeline, nanoseconds."""
    return None if at is None else rfc3339(at + offset)


def seconds(length: Nanos) -> float:
    """Write a length of time, in seconds to the millisecond."""
    return round(length / SECOND, 3)


def age(length: Nanos | None) -> float | None:
    """Write an age, never a negative one."""
    return None if length is None else max(seconds(length), 0.0)


def finite(number: float | None) -> float | None:
    """Give the number where JSON has a form for it; what is no number is no value."""
    return number if number is not None and math.isfinite(number) else None


def words(text: str, most: int = 200) -> str:
    """Give text for people, bounded, on one line, every character printable."""
    line = text[: most + 1]
    if not line.isprintable():
        line = "".join(c if c.isprintable() else " " for c in line)
    return line if len(line) <= most else line[: most - 1] + "…"
