"""The disk in virtual time: a journal that keeps a little later what it was given, and sometimes not at all.

It has runtime/journal.py's semantics: an append is durable after a while; what the disk refuses is held in memory,
in order, and written when it can again; a crash loses what is not durable, though a write that nobody was told of may
have come through; a torn one counts as not written. What is read back went through wire/records.py.
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from infusion_gateway.model.events import Event, Sampled
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.wire.records import PUBLISHED, Record, Unreadable, decode, encode, type_name

SLOW: Nanos = 2 * SECOND
RETRY: Nanos = SECOND
PRECISE = 16
"""Of the readings every so manyth goes through JSON and back; of all else, each."""
Done = Callable[[tuple[Record, ...] | None], None]


@dataclass(slots=True)
class Write:
    """Events of one moment on their way to the disk. done is told their records, or None where they are not kept."""

    due: Nanos
    events: tuple[Event, ...]
    at: Nanos
    utc_ns: int
    boot_id: str
    done: Done | None


@dataclass(slots=True)
class Disk:
    """The rows outlive every process; `waiting` and `held` are the process's own and die with it."""

    chance: Random
    latency: Nanos = 3_000_000
    refusing: bool = False
    stalled: bool = False
    rows: list[Record] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    waiting: deque[Write] = field(default_factory=deque)
    held: deque[Write] = field(default_factory=deque)
    changed: Callable[[bool, str], None] | None = None
    _kept: bool = True
    _slow: bool = False
    _published: int = 0

    def append(
        self, events: tuple[Event, ...], at: Nanos, utc_ns: int, boot_id: str, *, done: Done | None, now: Nanos
    ) -> None:
        """Take events of one moment; done comes later."""
        due = max(now + self.latency, self.waiting[-1].due if self.waiting else 0)
        self.waiting.append(Write(due, events, at, utc_ns, boot_id, done))

    def due(self) -> Nanos:
        """Say when it next has something to do."""
        at = 1 << 62
        if self.waiting:
            first = self.waiting[0].due
            at = first if not self.stalled else (1 << 62 if self._slow else first + SLOW)
        if self.held and not self.refusing and not self.waiting:
            at = min(at, self.held[0].due + RETRY)
        return at

    def live(self, now: Nanos) -> None:
        """Write what is due, or refuse it, or say that it takes too long."""
        if self.stalled:
            if self.waiting and now >= self.waiting[0].due + SLOW and not self._slow:
                self._slow = True
                self._say(False, "the disk has not answered for 2 s")
            return
        if self._slow:
            self._slow = False
            self._say(True, "the disk answers again")
        if not self.refusing and self.held and not self.waiting and now >= self.held[0].due + RETRY:
            self._recover()
        while self.waiting and self.waiting[0].due <= now:
            write = self.waiting.popleft()
            if self.refusing:
                self.held.append(write)
                if self._kept:
                    self._kept = False
                    self._say(False, "no space left on device")
                if write.done is not None:
                    write.done(None)
                continue
            if self.held:
                self._recover()
            records = self._write(write)
            if write.done is not None:
                write.done(records)

    def crash(self) -> None:
        """Lose what is not durable; of what was being written, a first part may have come through untold."""
        through = self.chance.randrange(len(self.waiting) + 1) if self.waiting and not self.held else 0
        if not self.refusing and not self.stalled:
            for write in list(self.waiting)[:through]:
                self._write(write)
        self.waiting.clear()
        self.held.clear()
        self._kept, self._slow, self.changed = True, False, None

    def published(self, after: int, limit: int) -> list[Record]:
        """Give the next published rows after a sequence."""
        found: list[Record] = []
        for row in self.rows[after:]:
            if row.bed_sequence is not None:
                found.append(row)
                if len(found) == limit:
                    break
        return found

    def _recover(self) -> None:
        while self.held:
            self._write(self.held.popleft())
        if not self._kept:
            self._kept = True
            self._say(True, "the journal is written again")

    def _say(self, kept: bool, why: str) -> None:
        if self.changed is not None:
            self.changed(kept, why)

    def _write(self, write: Write) -> tuple[Record, ...]:
        made = []
        for event in write.events:
            sequence = len(self.rows) + 1
            name = type_name(event)
            bed_sequence = None
            if name in PUBLISHED:
                self._published += 1
                bed_sequence = self._published
            kept = event if isinstance(event, Sampled) and sequence % PRECISE else read_back(event)
            made.append(
                Record(
                    sequence,
                    "chair-1",
                    bed_sequence,
                    f"journal-1-{sequence}",
                    write.boot_id,
                    write.at,
                    write.utc_ns,
                    kept,
                )
            )
            self.rows.append(made[-1])
        return tuple(made)


def read_back(event: Event) -> Event | Unreadable:
    """Give an event as it is read from the disk."""
    return decode(type_name(event), json.loads(json.dumps(encode(event))))
