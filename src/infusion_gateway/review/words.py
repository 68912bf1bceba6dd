"""What was recorded, for people on a line and for programs as an object: UTC first, then bed, event and words."""

from typing import Any

from infusion_gateway.model.events import Event
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.wire.records import Record, Unreadable, encode, type_name
from infusion_gateway.wire.stamps import rfc3339, words

LONGEST = 300
_NAMED = ("instruction", "code", "priority", "phase", "delivery", "supervision", "device", "by")
"""Fields that people look for first, in this order; the reason says the rest."""


def line(record: Record) -> str:
    """Write a record on one line, every character printable."""
    head = f"{rfc3339(record.utc_ns)}  {words(record.bed, 40)}  {words(type_name(record.event), 40)}"
    return f"{head}  {said(record.event)}"


def said(event: Event | Unreadable, but: str = "") -> str:
    """Write what an event says besides its type. but: a field that is said elsewhere."""
    if isinstance(event, Unreadable):
        return f"can't be read by this version: {words(event.why, LONGEST)}"
    found = (_shown(getattr(event, name, None)) for name in _NAMED if name != but)
    named = ", ".join(word for word in found if word)
    reason = words(event.reason, LONGEST)
    return f"{named}: {reason}" if named and reason else named or reason


def _shown(value: object) -> str:
    name = getattr(value, "name", None)
    text = name.lower() if isinstance(value, int) and isinstance(name, str) else value
    return words(str(text), 80) if text else ""


def plain(record: Record) -> dict[str, Any]:
    """Give a record as an object: where and when, its type, and its fields as they are in the journal."""
    event = record.event
    body = {"unreadable": event.why, "body": event.body} if isinstance(event, Unreadable) else encode(event)
    return {
        "sequence": record.sequence,
        "time": rfc3339(record.utc_ns),
        "bed": record.bed,
        "bed_sequence": record.bed_sequence,
        "type": type_name(event),
        "boot_id": record.boot_id,
        "at_ns": record.at,
        "event": body,
    }


def clock(length: Nanos) -> str:
    """Write a time from T0, as +03:12.4."""
    tenths = round(abs(length) * 10 / SECOND)
    minutes, rest = divmod(tenths, 600)
    return f"{'-' if length < 0 and tenths else '+'}{minutes:02d}:{rest // 10:02d}.{rest % 10}"
