"""The journal's own thread: commits what waits, together; holds what the disk refuses, and writes it when it can again.

After any failure the file handle is not trusted (a failed fsync may have thrown the pages away): the file is closed,
opened again and its tail held against what was acknowledged. Where acknowledged rows are gone the file is set aside,
and the new journal begins with the rows of the cases under way, or says of their beds that these are lost.
"""

import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeAlias

from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import BedQuarantined, Sampled
from infusion_gateway.runtime import ballast
from infusion_gateway.runtime.journal_store import (
    FILE,
    Damaged,
    Draft,
    Head,
    Newer,
    Reader,
    Standing,
    Store,
    is_full,
    read_through,
    sync_directory,
)
from infusion_gateway.wire.records import Record
from infusion_gateway.wire.sealing import Seal

BATCH = 256
"""Pieces of work that share one commit; 256 rows take about 1 ms on a fast disk."""
HELD = 20_000
"""Events held in memory while the disk refuses: more than half an hour of ten beds' readings."""
RETRY_S = 1.0
"""How often a refused write is tried again."""
LOOK_S = 1.0
"""How often it is looked, with nothing to write, whether the file is still where it was opened."""
LOST = "The record of the case that was under way is lost: stop the pump by hand"
CURSOR_S = 0.5
"""A cursor's move waits so long for an event to share a commit with."""
PRUNE_ROWS = 5_000
"""Rows forgotten in one transaction, so that an event never waits long behind a prune."""

Done: TypeAlias = Callable[[list[Record] | JournalError], None]


@dataclass(frozen=True, slots=True)
class Work:
    """Events to be kept, cursors to be moved, rows to be forgotten; `done` is told once, from the thread."""

    done: Done
    drafts: tuple[Draft, ...] = ()
    cursors: dict[str, int] = field(default_factory=dict)
    prune_through: int = 0
    last: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """How the journal was found. moved_to: the file set aside because it could not be used; why says why."""

    kept: bool
    moved_to: Path | None
    why: str
    cursors: dict[str, int]


class Writer(Thread):
    """The one thread with the writing connection. `tell(kept, why)` is called from it at each change."""

    def __init__(self, directory: Path, boot_id: str, tell: Callable[[bool, str], None], seal: Seal) -> None:
        super().__init__(name="journal", daemon=True)  # daemon: a hung disk must not keep the process from ending
        self.queue: SimpleQueue[Work] = SimpleQueue()
        self.opened: Future[Opened] = Future()
        self.standing = Standing()
        self._store: Store | None = None
        self._directory = directory
        self._boot_id = boot_id
        self._tell = tell
        self._seal = seal
        self._acknowledged: Head | None = None
        self._doubt: list[Draft] = []
        self._doubt_head = Head(0, b"")
        self._held: deque[Draft] = deque()
        self._saved: list[Draft] | None = None
        self._began_anew = False
        self._cursors: dict[str, int] = {}
        self._lost = 0
        self._kept = True
        self._moved_to: Path | None = None
        self._why = ""
        self._retry_at = 0.0

    def run(self) -> None:
        """Serve until the last work; a failure that nobody foresaw is told, and the work at hand refused."""
        cursors: dict[str, int] = {}
        try:
            cursors = self._begin()
        except Exception as error:  # noqa: BLE001 - the thread's boundary: whoever opens must not wait for ever
            self._fail(f"{type(error).__name__}: {error}")
        self.opened.set_result(Opened(self._kept, self._moved_to, self._why, cursors))
        last = False
        while not last:
            batch = self._next_batch()
            last = any(work.last for work in batch)
            try:
                self._serve(batch, last=last)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: callers must not wait for ever
                self._fail(f"{type(error).__name__}: {error}")
                self._refuse(batch, self._why)
        self._close()

    def _begin(self) -> dict[str, int]:
        """Open the file for the first time; give the cursors in it."""
        if self._make_ready() and self._store is not None:
            return dict(self._store.cursors)
        with contextlib.suppress(JournalError):  # a disk that takes nothing may still give what is on it
            self.standing, cursors = Reader(self._directory).standing()
            return cursors
        return {}

    def _next_batch(self) -> list[Work]:
        """Wait for work (while something is due: at most until then) and take all that waits with it."""
        patience = CURSOR_S if self._cursors else LOOK_S
        if not self._kept:
            patience = max(self._retry_at - time.monotonic(), 0.0)
        try:
            batch = [self.queue.get(timeout=patience)]
        except Empty:
            return []
        while len(batch) < BATCH and not batch[-1].last:
            try:
                batch.append(self.queue.get_nowait())
            except Empty:
                break
        return batch

    def _serve(self, batch: list[Work], *, last: bool) -> None:
        drafts = [draft for work in batch for draft in work.drafts]
        for work in batch:
            self._cursors |= work.cursors
        too_early = not self._kept and time.monotonic() < self._retry_at and not last
        if too_early or (self._store is None and not self._make_ready()):
            self._hold(drafts)
            self._refuse(batch, self._why)
        else:
            self._keep(batch, drafts, at_once=last)

    def _keep(self, batch: list[Work], drafts: list[Draft], *, at_once: bool) -> None:
        """Write what is held and what is new in one transaction, and tell each piece of work how it went."""
        assert self._store is not None
        waited = len(self._held)
        records: list[Record] = []
        writes = waited or drafts or (self._cursors and (at_once or not batch))
        if writes:
            self._doubt = [*self._held, *drafts]  # until the commit returns nobody knows whether the disk has them
            self._held.clear()
        try:
            if writes:
                records = self._store.write(self._doubt, self._boot_id, self._cursors)
            self._store.check_place()
        except (sqlite3.Error, OSError) as error:
            self._doubt_head = self._store.attempted
            if isinstance(error, OSError):  # the file is sound, only no longer where it is looked for
                self._save()
            self._fail(str(error))
            if is_full(error) and ballast.give_up(self._directory):
                self._retry_at = time.monotonic()
            self._refuse(batch, self._why)
            return
        if writes:
            self._doubt, self._cursors = [], {}
            self._acknowledged, self.standing = self._store.head, self._store.standing
        self._recover(waited)
        self._acknowledge(batch, records[waited:])
        self._prune(max((work.prune_through for work in batch), default=0))

    def _acknowledge(self, batch: list[Work], records: list[Record]) -> None:
        at = 0
        for work in batch:
            work.done(records[at : at + len(work.drafts)])
            at += len(work.drafts)

    def _refuse(self, batch: list[Work], why: str) -> None:
        for work in batch:
            work.done(JournalError(f"not recorded: {why}"))

    def _hold(self, drafts: list[Draft]) -> None:
        """Keep these in memory; where that is full readings go first, then the newest events, and both are counted."""
        self._held.extend(drafts)
        if len(self._held) + len(self._doubt) <= HELD:
            return
        before = len(self._held)
        self._held = deque(draft for draft in self._held if not isinstance(draft.event, Sampled))
        while len(self._held) + len(self._doubt) > HELD:
            self._held.pop()
        self._lost += before - len(self._held)

    def _save(self) -> None:
        """Keep the rows of the cases under way, while the file can still be read: it may be gone from its place."""
        if self._store is not None and self._acknowledged is not None:
            with contextlib.suppress(sqlite3.Error):  # then what is lost is said at the beginning of the new journal
                self._saved = self._store.open_cases(self._acknowledged.sequence)

    def _begin_again(self, store: Store) -> None:
        """Begin the new journal with the cases under way; raises sqlite3.Error where it can't be written yet."""
        saved = self._saved
        if saved is None:
            under_way = [bed for bed, end in self.standing.beds.items() if end.needed_after is not None]
            saved = [Draft.of(bed, BedQuarantined(LOST), 0, time.time_ns()) for bed in under_way]
        store.write(saved, self._boot_id, {})

    def _fail(self, why: str) -> None:
        """Give the file up until the next try, and say that nothing is kept for now."""
        if self._store is not None:
            store, self._store = self._store, None
            with contextlib.suppress(sqlite3.Error):  # its failure adds nothing: the file is opened anew and checked
                store.close(checkpoint=False)
        self._retry_at = time.monotonic() + RETRY_S
        self._why = why
        if self._kept:
            self._kept = False
            self._tell(False, why)

    def _recover(self, written: int) -> None:
        if self._kept:
            return
        self._kept = True
        lost = f", {self._lost} had no room in memory and are lost" if self._lost else ""
        self._lost = 0
        self._tell(True, f"the journal is written again: {written} events that waited are in it{lost}")

    def _make_ready(self) -> bool:
        """Open the file, or set an unusable one aside and begin a new one; False where the disk lets us do neither."""
        try:
            _make_private(self._directory)
            try:
                store = self._open()
            except (Damaged, Newer) as error:
                self._moved_to = set_aside(self._directory, "corrupt" if isinstance(error, Damaged) else "newer")
                self._why = f"set aside as {self._moved_to.name}, a new journal begins: {error}"
                self._acknowledged, self._cursors = None, {}
                self._began_anew = True
                if self.opened.done():
                    self._tell(False, self._why)
                store = self._open()
            self._store = store
            if self._began_anew and self.opened.done():
                self._begin_again(store)
            self._began_anew, self._saved = False, None
            sync_directory(self._directory)
        except (sqlite3.Error, OSError, JournalError) as error:
            self._fail(str(error))
            return False
        self._acknowledged, self.standing = store.head, store.standing
        ballast.lay(self._directory)
        return True

    def _open(self) -> Store:
        try:
            store = Store.open(self._directory)
        except Damaged:  # SQLite says so of a disk that failed at one read, too: look again before it is set aside
            read_through(self._directory)
            store = Store.open(self._directory)
        try:
            self._settle(store)
        except Damaged:
            store.close(checkpoint=False)
            raise
        return store

    def _settle(self, store: Store) -> None:
        """Find out whether the write in doubt is there, and whether all that was acknowledged is."""
        doubt, self._doubt = self._doubt, []
        if doubt and store.head == self._doubt_head != self._acknowledged:
            return
        self._held.extendleft(reversed(doubt))
        if self._acknowledged is not None and store.head != self._acknowledged:
            at, told = store.head.sequence, self._acknowledged.sequence
            raise Damaged(f"the file ends at row {at}, but row {told} was acknowledged")

    def _prune(self, through: int) -> None:
        if self._store is None or through <= self._store.anchor:
            return
        ballast.lay(self._directory)
        step = min(through, self._store.anchor + PRUNE_ROWS)
        try:
            self._store.prune(step, self._seal, time.time_ns())
        except sqlite3.Error as error:
            self._fail(str(error))
            return
        if step < through:
            self.queue.put(Work(done=lambda _: None, prune_through=through))

    def _close(self) -> None:
        if self._store is not None:
            store, self._store = self._store, None
            with contextlib.suppress(sqlite3.Error):  # everything is durable already; only the WAL is not folded in
                store.close()


def set_aside(directory: Path, word: str) -> Path:
    """Rename the journal's files to `.{word}-{utc}`, so that a new one can begin; nothing is ever deleted."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = directory / f"{FILE}.{word}-{stamp}"
    number = 1
    while target.exists():
        number += 1
        target = directory / f"{FILE}.{word}-{stamp}-{number}"
    for suffix in ("-wal", "-shm", ""):
        part = directory / f"{FILE}{suffix}"
        if part.exists():
            part.rename(f"{target}{suffix}")
    sync_directory(directory)
    return target


def _make_private(directory: Path) -> None:
    """Make the directory and the file its owner's alone: a subject's code is in it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / FILE).touch(mode=0o600)
