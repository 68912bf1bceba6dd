"""Answers to those who ask for a bed's history: read from the journal a page at a time, beside everything else.

On a thread of its own, so that a long look back holds up neither the telling of what happens nor the deciding.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection, Error
from typing import Protocol

import structlog

from infusion_gateway.errors import JournalError
from infusion_gateway.runtime.audience import Allowance
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.incoming import ReplyTo
from infusion_gateway.runtime.journal_store import Reader
from infusion_gateway.wire.history import (
    LOOKED_AT,
    PAGES_PER_S,
    RECORDS,
    RESERVE,
    SAMPLED,
    HistoryPage,
    PageWriter,
    Stretch,
    Wrong,
    parse_history,
)
from infusion_gateway.wire.records import Record
from infusion_gateway.wire.sealing import Seal
from infusion_gateway.wire.topics import Topics

log = structlog.get_logger(__name__)

WAITING = 8
"""Questions that may wait for the disk; more are let go, and asked again by who wants to know."""
_Light = tuple[int, int | None, int, str]  # sequence, bed_sequence, utc_ns, type


class Publishes(Protocol):
    """What answers go out by."""

    def answer(self, topic: str, payload: bytes, correlation: bytes | None) -> None:
        """Answer a station."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found. oldest: the bed's first event that is held. follows: the last row looked at; None: the end."""

    journal: str
    oldest: int | None
    follows: int | None


class Pages(Reader):
    """A journal read by stretches. Blocks; raises JournalError."""

    def look(self, stretch: Stretch, take: Callable[[Record], bool]) -> Looked | Wrong:
        """Offer what the stretch holds, in order, until it is not taken any more, or enough rows were looked at."""
        with closing(self._connect()) as connection:
            if stretch.after is not None and stretch.after[0] != self.uuid:
                return Wrong("page: it is of another journal, which is not read any more. Ask anew")
            try:
                return self._look(connection, stretch, take)
            except Error as error:
                raise JournalError(f"history: {error}") from error

    def _look(self, connection: Connection, stretch: Stretch, take: Callable[[Record], bool]) -> Looked:
        first, newest = connection.execute("SELECT min(sequence), max(sequence) FROM record").fetchone()
        if first is None:
            return Looked(self.uuid, None, None)
        after = max(first - 1, stretch.after[1] if stretch.after else self._start(connection, stretch, first, newest))
        through = min(after + LOOKED_AT, newest)
        query = (
            "SELECT sequence, bed_sequence, utc_ns, type FROM record WHERE sequence > ? AND sequence <= ? AND bed = ?"
        )
        rows: list[_Light] = connection.execute(f"{query} ORDER BY sequence", (after, through, stretch.bed)).fetchall()
        wanted = _chosen(stretch, rows, self._sampled_before(connection, stretch, after))
        follows: int | None = through if through < newest and not _past(stretch, rows) else None
        if len(wanted) > RECORDS:
            wanted = wanted[:RECORDS]
            follows = wanted[-1]
        taken = after
        marks = ",".join("?" * len(wanted))
        for record in self._read(f"sequence IN ({marks})", tuple(wanted), after):
            if not take(record):
                follows = taken
                break
            taken = record.sequence
        return Looked(self.uuid, self._oldest(connection, stretch.bed), follows)

    @staticmethod
    def _start(connection: Connection, stretch: Stretch, first: int, newest: int) -> int:
        """Give the row before the first that may lie within, by halving: rows stand in the order that they came in."""
        if stretch.sequences[0] > 1:
            query = "SELECT bed_sequence FROM record WHERE sequence >= ? AND bed = ? AND bed_sequence IS NOT NULL"
            edge, more = stretch.sequences[0], [stretch.bed]
        elif stretch.times[0] > 0:
            query = "SELECT utc_ns FROM record WHERE sequence >= ?"
            edge, more = stretch.times[0], []
        else:
            return 0
        low, high = first, newest + 1
        while low < high:
            middle = (low + high) // 2
            found = connection.execute(f"{query} ORDER BY sequence LIMIT 1", (middle, *more)).fetchone()
            low, high = (middle + 1, high) if found is not None and found[0] < edge else (low, middle)
        return low - 1

    @staticmethod
    def _sampled_before(connection: Connection, stretch: Stretch, after: int) -> int:
        """Give when the bed was last sampled up to this row, so that a page goes on in the step of the one before."""
        if not stretch.resolution or stretch.after is None:
            return -1
        query = "SELECT utc_ns FROM record WHERE sequence <= ? AND bed = ? AND type = ? ORDER BY sequence DESC LIMIT 1"
        found = connection.execute(query, (after, stretch.bed, SAMPLED)).fetchone()
        return -1 if found is None else int(found[0])

    @staticmethod
    def _oldest(connection: Connection, bed: str) -> int | None:
        query = "SELECT bed_sequence FROM record WHERE bed = ? AND bed_sequence IS NOT NULL ORDER BY sequence LIMIT 1"
        found = connection.execute(query, (bed,)).fetchone()
        return None if found is None else int(found[0])


def _chosen(stretch: Stretch, rows: list[_Light], sampled_at: int) -> list[int]:
    """Give the sequences of the rows that were asked for, samples thinned to one in each step of the resolution."""
    found: list[int] = []
    last = sampled_at // stretch.resolution if stretch.resolution and sampled_at >= stretch.times[0] else -1
    for sequence, bed_sequence, utc_ns, type_ in rows:
        if type_ not in stretch.kinds or not stretch.holds(bed_sequence, utc_ns):
            continue
        if type_ == SAMPLED and stretch.resolution:
            if utc_ns // stretch.resolution == last:
                continue
            last = utc_ns // stretch.resolution
        found.append(sequence)
    return found


def _past(stretch: Stretch, rows: list[_Light]) -> bool:
    """Say whether these rows reach the end of the stretch."""
    last = stretch.sequences[1]
    return bool(rows) and (
        rows[-1][2] > stretch.times[1] or any(one is not None and one >= last for _, one, _, _ in rows)
    )


class History:
    """Answers questions, so many a second, one after the other. beds: those there are."""

    def __init__(
        self,
        directory: Path,
        *,
        topics: Topics,
        publisher: Publishes,
        seal: Seal,
        beds: tuple[str, ...],
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._topics = topics
        self._publisher = publisher
        self._seal = seal
        self._beds = beds
        self._clock = clock
        self._allowed = Allowance(PAGES_PER_S, RESERVE)
        self._thread = ThreadPoolExecutor(1, "history")
        self._tasks: set[asyncio.Task[None]] = set()
        self.ignored = 0

    def asked(self, payload: bytes, reply_to: ReplyTo) -> None:
        """Take a question; the answer follows. Returns at once and never raises."""
        found = parse_history(payload, self._beds)
        station = found.station if isinstance(found, Wrong) else found[0].station
        topic = reply_to.topic or (self._topics.answers(station) if station else None)
        if topic is None or len(self._tasks) >= WAITING or not self._allowed.take(self._clock.now()):
            self.ignored += 1
            return
        if isinstance(found, Wrong):
            self._publish(topic, HistoryPage.refusing(found, "", self._clock.utc_ns()).to_bytes(), reply_to)
            return
        task = asyncio.create_task(self._answer(found[0].id, found[1], topic, reply_to), name="history")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is still looked for."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, identity: str, stretch: Stretch, topic: str, reply_to: ReplyTo) -> None:
        bed, now, utc_ns = stretch.bed, self._clock.now(), self._clock.utc_ns()
        source = f"{self._topics.root}/{bed}"
        writer = PageWriter(source, now=now, utc_ns=utc_ns, boot_id=self._clock.boot_id())
        look = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: Pages(self._directory).look(stretch, writer.add)
        )
        try:
            looked = await look
        except JournalError as error:
            log.warning("history not readable", error=str(error))
            looked = Wrong(f"the journal can't be read: {error}. Ask again later")
        if isinstance(looked, Wrong):
            wrong = Wrong(looked.reason, identity)
            payload = HistoryPage.refusing(wrong, bed, utc_ns).to_bytes()
        else:
            payload = writer.page(identity, bed, looked.journal, looked.oldest, looked.follows)
        self._publish(topic, payload, reply_to)

    def _publish(self, topic: str, payload: bytes, reply_to: ReplyTo) -> None:
        self._publisher.answer(topic, self._seal(topic, payload), reply_to.correlation)
