"""The journal: the ordered facts, decisions and the readings they rest on, durable before anybody is told of them.

`append` queues and returns at once; the future resolves when the disk has it. What the disk refuses is held in memory
and written when it can again; until then the futures say JournalError, and `on_change` says that nothing is kept.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias, TypeVar

from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import Event
from infusion_gateway.model.metric import Nanos
from infusion_gateway.runtime.journal_store import SEEN, BedEnd, Draft, Head, Reader
from infusion_gateway.runtime.journal_writer import Opened, Work, Writer
from infusion_gateway.wire.records import Record
from infusion_gateway.wire.sealing import Seal, unsigned

__all__ = ["OUTBOX", "SEEN", "Head", "Journal", "JournalHeld", "Opened"]

T = TypeVar("T")
OUTBOX = "outbox"
"""The cursor up to which the broker has acknowledged."""
LOCK = "journal.lock"
WAITING = 10_000
"""Events that may wait for the disk; more are refused, and said to be."""
SLOW_S = 2.0
"""A disk that has not answered for so long is told of."""
UNWRITABLE = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What a disk says that is full, read only or broken; of what else it says, the configuration is the cause."""
TAIL = 256
"""Published records kept at hand, so that telling what has just happened needs no disk."""
OPEN_S = 30.0
"""How long opening waits for the disk: then it hangs, and what was under way can't be known."""
CLOSE_S = 10.0
"""How long closing waits for the disk."""

OnChange: TypeAlias = Callable[[bool, str], None]
"""Told in the event loop whether the record is kept, and why it is not or what became of it."""


class Journal:
    """One gateway's journal in a directory of its own. Belongs to one event loop.

    seal: by which what is said of forgotten rows is signed.
    """

    def __init__(self, directory: Path, *, boot_id: str, on_change: OnChange, seal: Seal = unsigned) -> None:
        self._directory = directory
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(directory, boot_id, self._tell_from_thread, seal)
        self._reading = ThreadPoolExecutor(1, "journal-reader")
        self._lock: int | None = None
        self._waiting = 0
        self._refused = 0
        self._late: asyncio.TimerHandle | None = None
        self._slow = False
        self._closed = False
        self._cursors: dict[str, int] = {}
        self._cursors_of = ""
        self._tail: deque[Record] = deque()
        self._tail_after: int | None = None
        self.recent_through = 0

    async def open(self) -> Opened:
        """Take the directory for this process and open the file in it, or begin a new one beside an unusable one.

        Raises JournalError where another gateway has it, where not even the directory can be had, and where the disk
        says nothing at all. One that can't be written is no error: Opened.kept is false, and it is tried again every
        second.
        """
        self._lock = _lock(self._directory)
        self._writer.start()
        try:
            async with asyncio.timeout(OPEN_S):
                # Shielded: one who gives up waiting must not take the thread's own future, and the thread with it.
                opened = await asyncio.shield(asyncio.wrap_future(self._writer.opened))
        except TimeoutError as error:  # the directory stays taken: what hangs there may yet write
            raise JournalError(f"{self._directory}: the disk has not answered for {OPEN_S:g} s") from error
        self._cursors, self._cursors_of = dict(opened.cursors), self.uuid
        return opened

    @property
    def head(self) -> Head:
        """The newest durable row."""
        return self._writer.standing.head

    @property
    def uuid(self) -> str:
        """The journal's own name, the first part of every record's id; empty while there is no journal."""
        return self._writer.standing.uuid

    @property
    def waiting(self) -> int:
        """Events that wait for the disk."""
        return self._waiting

    def append(self, bed: str, events: tuple[Event, ...], at: Nanos, utc_ns: int) -> asyncio.Future[tuple[Record, ...]]:
        """Queue these events of one moment; the future gives their records once they are durable, or JournalError.

        After a JournalError the events are still held in memory and written later, except where `on_change` says
        that they are lost.
        """
        future: asyncio.Future[tuple[Record, ...]] = self._loop.create_future()
        if self._closed or self._waiting + len(events) > WAITING:
            self._refused += len(events)
            _settle(future, JournalError(f"not recorded: the disk is behind, {self._refused} events lost"))
            self._on_change(False, f"the disk is {self._waiting} events behind; {self._refused} events are lost")
            return future
        self._waiting += len(events)
        self._watch()
        drafts = tuple(Draft.of(bed, event, at, utc_ns) for event in events)

        def done(result: list[Record] | JournalError) -> None:
            self._in_loop(self._settled, future, result, len(events))

        self._writer.queue.put(Work(done, drafts))
        return future

    def cursor(self, name: str) -> int:
        """Give a cursor's place in the present journal; 0 where it was never set."""
        if self._cursors_of != self.uuid:  # a new journal began: what was told of the old one says nothing of it
            self._cursors, self._cursors_of = {}, self.uuid
        return self._cursors.get(name, 0)

    def set_cursor(self, name: str, sequence: int) -> None:
        """Move a cursor; durable a little later (one that is lost makes for a repeat, which the id shows)."""
        if self.cursor(name) != sequence:
            self._cursors[name] = sequence
            self._writer.queue.put(Work(lambda _: None, cursors={name: sequence}))

    def records(self, bed: str, after: int = 0) -> Iterator[Record]:
        """Give a bed's records, readings too, in sequence; blocks, for a replay at the start."""
        return Reader(self._directory).records(bed, after)

    def closed(self, bed: str) -> int:
        """Give the sequence of the record that ended the bed's last case; 0: none. A replay needs what comes after."""
        return self._writer.standing.beds.get(bed, BedEnd()).closed

    def newest(self, beds: Iterable[str] | None = None) -> dict[str, int]:
        """Give each bed's newest durable published event, by the bed's sequence; 0: none. None: of all on record."""
        held = self._writer.standing.beds
        return {bed: held.get(bed, BedEnd()).bed_sequence for bed in (held if beds is None else beds)}

    def recent(self, sequence: int, limit: int) -> list[Record] | None:
        """Give at most `limit` published records after this sequence from memory; None where the disk must be asked.

        Memory knows all up to `recent_through`; the newest durable row may be a little further.
        """
        if self._tail_after is None or sequence < self._tail_after:
            return None
        return [record for record in self._tail if record.sequence > sequence][:limit]

    async def after(self, sequence: int, limit: int) -> list[Record]:
        """Give at most `limit` published records after this sequence; raises JournalError."""
        return await self._read(lambda reader: reader.published(sequence, limit))

    async def first_beyond(self, seen: Mapping[str, int], after: int, through: int) -> int | None:
        """Give the first row in a stretch with an event of a bed beyond the one seen, or None; JournalError."""
        return await self._read(lambda reader: reader.first_beyond(seen, after, through))

    def cursors(self, prefix: str) -> dict[str, int]:
        """Give every cursor whose name begins so."""
        self.cursor("")
        return {name: at for name, at in self._cursors.items() if name.startswith(prefix)}

    async def retain(self, since_utc_ns: int) -> int:
        """Forget rows older than this that no open case and no cursor needs; give up to which sequence."""
        needed = [end.needed_after for end in self._writer.standing.beds.values()]
        old = await self._read(lambda reader: reader.older_than(since_utc_ns))
        through = min([old, self.cursor(OUTBOX), *(row for row in needed if row is not None)])
        if through > 0:
            self._writer.queue.put(Work(lambda _: None, prune_through=through))
        return through

    async def close(self) -> None:
        """Write what waits, fold the WAL in, give the directory up."""
        if self._closed or self._lock is None:
            return
        self._closed = True
        ended: asyncio.Future[None] = self._loop.create_future()
        self._writer.queue.put(Work(lambda _: self._in_loop(_settle, ended, None), last=True))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended, CLOSE_S)
            await asyncio.to_thread(self._writer.join, CLOSE_S)
        if self._late is not None:
            self._late.cancel()
        self._reading.shutdown(wait=False, cancel_futures=True)
        os.close(self._lock)
        self._lock = None

    async def _read(self, ask: Callable[[Reader], T]) -> T:
        return await self._loop.run_in_executor(self._reading, lambda: ask(Reader(self._directory)))

    def _changed(self, kept: bool, why: str) -> None:  # noqa: FBT001 - the shape of OnChange
        self._tail_after = None  # what waited in memory gets on record with no word to us
        self._on_change(kept, why)

    def _tell_from_thread(self, kept: bool, why: str) -> None:  # noqa: FBT001 - the shape of OnChange
        self._in_loop(self._changed, kept, why)

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to be told
            self._loop.call_soon_threadsafe(call, *arguments)

    def _settled(
        self, future: asyncio.Future[tuple[Record, ...]], result: list[Record] | JournalError, count: int
    ) -> None:
        self._waiting -= count
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if self._slow:
            self._slow = False
            self._on_change(True, "the disk answers again")
        if self._waiting:
            self._watch()
        if not isinstance(result, JournalError):
            self._remember(result)
        _settle(future, result if isinstance(result, JournalError) else tuple(result))

    def _remember(self, records: list[Record]) -> None:
        for record in records:
            if self._tail_after is None:
                self._tail.clear()
                self._tail_after = record.sequence - 1
            self.recent_through = record.sequence
            if record.bed_sequence is not None:
                self._tail.append(record)
        while len(self._tail) > TAIL:
            self._tail_after = self._tail.popleft().sequence

    def _watch(self) -> None:
        """Say so when the disk doesn't answer in time."""
        if self._late is None and not self._slow:
            self._late = self._loop.call_later(SLOW_S, self._say_slow)

    def _say_slow(self) -> None:
        self._late = None
        self._slow = True
        self._on_change(False, f"the disk has not answered for {SLOW_S:g} s")


class JournalHeld(JournalError):
    """Another gateway has the journal; the text says which process."""


def _settle(future: asyncio.Future[T], result: T | JournalError) -> None:
    if future.done():
        return
    if isinstance(result, JournalError):
        future.set_exception(result)
        future.exception()  # looked at: on_change has told it, so one that nobody awaits is no accident
    else:
        future.set_result(result)


def _lock(directory: Path) -> int:
    """Take the directory for this process, until it ends; raises JournalHeld or JournalError."""
    path = directory / LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        handle = _unwritable(directory, error)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 100, 0).decode(errors="replace").strip() or "another process"
        os.close(handle)
        raise JournalHeld(f"{directory} is held by {holder}: one gateway a journal") from error
    with contextlib.suppress(OSError):  # a full disk, or one that is read only: the lock holds all the same
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}".encode(), 0)
    return handle


def _unwritable(directory: Path, why: OSError) -> int:
    """Open what can be locked though the disk takes nothing: a restart in mid-session must supervise all the same."""
    if why.errno in UNWRITABLE:
        for path in (directory / LOCK, directory):
            with contextlib.suppress(OSError):
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    raise JournalError(f"{directory}: {why.strerror}: the journal needs a directory that can be written") from why
