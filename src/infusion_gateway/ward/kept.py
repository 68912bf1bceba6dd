"""What escalation keeps over a restart of the station: who is on duty, whom it told, who has it. Plain and bounded.

Every time is seconds since the epoch on a clock that was set when the station began and goes evenly since then, so that
what is kept can be read by the next one; `read` holds each against what it could be at most.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from infusion_gateway.ward.picture import GATEWAYS
from infusion_gateway.ward.seen import BEDS
from infusion_gateway.ward.standing import Key, UnderWay, Urgent

LARGEST = 1024 * 1024
ENTRIES, LINKS, PEOPLE, LINES = 500, 1000, 64, 200
HELD_S = 120.0
LINK_S = 30 * 60.0
Kind: TypeAlias = Literal["told", "not-delivered", "taken", "ended", "test", "answered", "duty"]


@dataclass(slots=True)
class Entry:
    """One alarm as it is told of. number: of this occurrence. from_s: when its steps began to count.

    step: how many were told. gone_s: since when it isn't present; None: it is. awaited_s: kept from before, and not
    heard of since then; None: it is heard of. quiet: another station tells of it.
    held_here: by a link of this station. here: who said on the page that they have it, of what no bed can acknowledge.
    beds: that are not heard.
    """

    gateway: str
    bed: str
    code: str
    number: int
    priority: Urgent
    what: str
    mode: Literal["real", "test", "demo"]
    since_s: float
    seen_s: float
    from_s: float
    next_s: float
    step: int = 0
    held_until_s: float = 0.0
    held_by: str = ""
    held_here: bool = False
    gone_s: float | None = None
    awaited_s: float | None = None
    quiet: bool = False
    failed: bool = False
    here: str = ""
    beds: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.gateway, self.bed, self.code

    @property
    def name(self) -> str:
        """What other stations know it by."""
        return "/".join(self.key)


@dataclass(frozen=True, slots=True)
class Link:
    """What one link is for: one person, and one occurrence of an alarm, or (number 0) a test. Its token isn't kept."""

    person: str
    gateway: str
    bed: str
    code: str
    number: int
    until_s: float


@dataclass(slots=True)
class Person:
    """How somebody can be reached. why: the newest message did not get there, "" it did; seen_by: who knows of it.

    allowance: messages that may go at once. day: of the newest test; answered: who said that it came.
    """

    allowance: float = 0.0
    allowance_s: float = 0.0
    why: str = ""
    since_s: float = 0.0
    times: int = 0
    seen_by: str = ""
    day: str = ""
    tested_s: float = 0.0
    answered: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was done, for people to read."""

    at_s: float
    kind: Kind
    person: str
    text: str


def _by_gateway(found: object) -> object:
    return {"": {"beds": found}} if isinstance(found, list) else found


@dataclass(slots=True)
class Kept:
    """All of it. links: by the SHA-256 of their tokens. owed: by person, alarms that wait a moment, by number.

    under_way: beds in a session when the station knew last, by gateway ("": an older station's, which named none).
    """

    entries: list[Entry] = field(default_factory=list)
    links: dict[str, Link] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    duty: list[str] = field(default_factory=list)
    duty_by: str = ""
    number: int = 0
    owed: dict[str, set[int]] = field(default_factory=dict)
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=LINES))
    under_way: Annotated[dict[str, UnderWay], BeforeValidator(_by_gateway)] = field(default_factory=dict)


_KEPT = TypeAdapter(Kept)


def write(kept: Kept) -> bytes:
    """Give it as JSON."""
    return _KEPT.dump_json(kept)


def read(text: bytes, now_s: float) -> Kept:
    """Read it as it is to be believed now. ValueError: it is nothing that a station wrote."""
    if len(text) > LARGEST:
        raise ValueError(f"it is longer than {LARGEST} bytes")
    try:
        found = _KEPT.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc'])[:80]}: {first['msg'][:120]}") from None
    found.entries = found.entries[:ENTRIES]
    for entry in found.entries:  # it is told of again once its bed says that it still stands
        entry.awaited_s = now_s
        entry.quiet, entry.step = False, max(entry.step, 0)
        entry.held_until_s = min(entry.held_until_s, now_s + HELD_S)
        entry.seen_s, entry.from_s = min(entry.seen_s, now_s), min(entry.from_s, now_s + HELD_S)
        entry.next_s = min(entry.next_s, now_s + HELD_S)
        entry.gone_s = None if entry.gone_s is None else min(entry.gone_s, now_s)
    links = list(found.links.items())[-LINKS:]
    found.links = {key: one for key, one in links if now_s < one.until_s <= now_s + LINK_S}
    found.people = dict(list(found.people.items())[:PEOPLE])
    for person in found.people.values():
        person.allowance_s = min(person.allowance_s, now_s)
        person.tested_s = min(person.tested_s, now_s)
    found.duty = found.duty[:PEOPLE]
    ways = list(found.under_way.items())[:GATEWAYS]
    found.under_way = {name: replace(way, beds=way.beds[:BEDS]) for name, way in ways}
    found.owed = dict(list(found.owed.items())[:PEOPLE])
    found.lines = deque(list(found.lines)[-LINES:], LINES)
    return found
