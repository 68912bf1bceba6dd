"""The journal's rows: written by exactly one connection, read by others that can't write.

No second index exists that could disagree with the rows: everything is read in the order of the sequence, and every
row read at the start is held against its chain. SQLite before 3.51.3 can corrupt a WAL that two connections write or
checkpoint at once, so readers open the file read-only and in short chunks.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import CaseOrdered, Event, PhaseChanged
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.session import Phase
from infusion_gateway.runtime import journal_anchor
from infusion_gateway.runtime.journal_file import (
    COLUMNS,
    FILE,
    Damaged,
    Head,
    Newer,
    Row,
    anchor_of,
    check_chain,
    is_full,
    link,
    make_or_check,
    meta,
    of_the_disk,
    place_of,
    read_through,
    refuse_foreign,
    set_meta,
    set_pragmas,
    sync_directory,
)
from infusion_gateway.wire.records import PUBLISHED, Record, Unreadable, decode, encode, type_name
from infusion_gateway.wire.sealing import Keyring, Seal

__all__ = [
    "CHUNK",
    "FILE",
    "SEEN",
    "BedEnd",
    "Damaged",
    "Draft",
    "Head",
    "Newer",
    "Reader",
    "Standing",
    "Store",
    "is_full",
    "read_through",
    "sync_directory",
]

VERIFY_AT_OPEN = 250_000
"""Newest rows held against the chain at each start (0.9 s); `verify` takes them all."""
SEEN = "seen/"
"""Cursors named so count a bed's published events; all others the journal's sequence."""
CHUNK = 512
"""Rows a reader takes at once: a long read transaction keeps the WAL from being reset."""


@dataclass(frozen=True, slots=True)
class BedEnd:
    """How far a bed's record goes: its newest published event, and the rows that last began and ended a case (0: none).

    What a replay needs of a bed comes after `closed`.
    """

    bed_sequence: int = 0
    ordered: int = 0
    closed: int = 0

    def after(self, event: Event | Unreadable, sequence: int) -> "BedEnd":
        """Give the end once this event is published too."""
        ordered = sequence if isinstance(event, CaseOrdered) else self.ordered
        # a case given up once the pump was to run still has a stop that is watched, until it is closed
        ends = isinstance(event, PhaseChanged) and (
            event.phase in (Phase.CLOSED, Phase.IDLE)
            or (event.phase is Phase.ABORTED and event.before is Phase.ORDERED)
        )
        return BedEnd(self.bed_sequence + 1, ordered, sequence if ends else self.closed)

    @property
    def needed_after(self) -> int | None:
        """The row after which everything is still needed for an open case; None where no case is open."""
        return self.closed if self.ordered > self.closed else None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a store holds, as of its last commit: safe to look at from another thread."""

    uuid: str = ""
    head: Head = field(default=Head(0, b""))
    beds: Mapping[str, BedEnd] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event on its way to the disk, already in its written form, so that what can't be written fails at once."""

    bed: str
    event: Event | Unreadable
    at: Nanos
    utc_ns: int
    type: str
    body: str

    @classmethod
    def of(cls, bed: str, event: Event, at: Nanos, utc_ns: int) -> Self:
        """Write the event down; raises TypeError where it has no written form."""
        body = json.dumps(encode(event), allow_nan=False, separators=(",", ":"))
        return cls(bed, event, at, utc_ns, type_name(event), body)


class Store:
    """The writing connection. Every method blocks; used by one thread. sqlite3.Error comes out where the disk fails."""

    def __init__(self, connection: sqlite3.Connection, journal: str) -> None:
        self._connection = connection
        self.uuid = journal
        self.head = Head(0, b"")
        self.attempted = self.head
        self.anchor = 0
        self.beds: dict[str, BedEnd] = {}
        self.cursors: dict[str, int] = {}
        self._files: dict[Path, tuple[int, int]] = {}

    @classmethod
    def open(cls, directory: Path, verify: int = VERIFY_AT_OPEN) -> Self:
        """Open or make the journal in the directory and hold its newest rows against the chain.

        Raises Damaged, Newer, or sqlite3.Error and OSError where the disk itself fails.
        """
        path = directory / FILE
        connection = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=True)
        try:
            set_pragmas(connection)
            make_or_check(connection, path)
            store = cls(connection, meta(connection, "uuid"))
            store._load(verify)
            store._files = {file: place_of(file) for file in (path, directory / f"{FILE}-wal")}
        except sqlite3.Error as error:
            connection.close()
            if of_the_disk(error):
                raise
            raise Damaged(f"{path}: {error}") from error
        except BaseException:
            connection.close()
            raise
        return store

    def _load(self, verify: int) -> None:
        """Find the head, the beds' and the cursors' sequences, and check the chain's newest links."""
        self.head = check_chain(self._connection, self.uuid, verify)
        self.anchor = int(meta(self._connection, "anchor_sequence"))
        found = self._connection.execute("SELECT bed, bed_sequence, ordered, closed FROM bed").fetchall()
        self.beds = {bed: BedEnd(*end) for bed, *end in found}
        newest = (
            "SELECT bed, max(bed_sequence) FROM record WHERE sequence > ? AND bed_sequence IS NOT NULL GROUP BY bed"
        )
        for bed, last in self._connection.execute(newest, (self.head.sequence - verify,)):
            if self.beds.get(bed, BedEnd()).bed_sequence != last:
                raise Damaged(f"bed {bed}: its newest event is number {last}, but another number is noted")
        self.cursors = dict(self._connection.execute("SELECT name, sequence FROM cursor"))
        told = max((at for name, at in self.cursors.items() if not name.startswith(SEEN)), default=0)
        if told > self.head.sequence:
            raise Damaged(f"the newest rows are missing: told up to {told}, the last row is {self.head.sequence}")

    def write(self, drafts: list[Draft], boot_id: str, cursors: dict[str, int]) -> list[Record]:
        """Make these durable in one transaction; on any error nothing of ours has changed (the disk may differ)."""
        rows, beds = self._chain(drafts, boot_id)
        self.attempted = Head(rows[-1][0], rows[-1][8]) if rows else self.head
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO record VALUES (?,?,?,?,?,?,?,?,?)", rows)
            self._connection.executemany("INSERT OR REPLACE INTO cursor VALUES (?,?)", sorted(cursors.items()))
            self._connection.executemany(
                "INSERT OR REPLACE INTO bed VALUES (?,?,?,?)",
                [(bed, end.bed_sequence, end.ordered, end.closed) for bed, end in beds.items()],
            )
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self.head = self.attempted
        self.beds |= beds
        self.cursors |= cursors
        return [_record(row, self.uuid, draft.event) for row, draft in zip(rows, drafts, strict=True)]

    def check_place(self) -> None:
        """Raise OSError where the files are not those that were opened: what is written to them would be lost."""
        for file, place in self._files.items():
            if place_of(file) != place:
                raise OSError(f"{file} was removed or replaced while it was written")

    def open_cases(self, through: int) -> list[Draft]:
        """Give the rows up to this sequence that the cases under way are replayed from, in order, to write again."""
        found: list[Row] = []
        for bed, end in self.beds.items():
            if end.needed_after is not None:
                query = f"SELECT {COLUMNS} FROM record WHERE bed = ? AND sequence > ? AND sequence <= ?"  # noqa: S608 - our own words
                found += self._connection.execute(query, (bed, end.needed_after, through)).fetchall()
        return [Draft(row[1], _event(row), row[4], row[5], row[6], row[7]) for row in sorted(found)]

    def _chain(self, drafts: list[Draft], boot_id: str) -> tuple[list[Row], dict[str, BedEnd]]:
        """Give the drafts as rows, numbered and each linked to the one before, and the ends of their beds."""
        rows: list[Row] = []
        beds: dict[str, BedEnd] = {}
        before, sequence = self.head.hash, self.head.sequence
        for draft in drafts:
            sequence += 1
            end = beds.get(draft.bed) or self.beds.get(draft.bed) or BedEnd()
            of_bed: int | None = None
            if draft.type in PUBLISHED:
                beds[draft.bed] = end.after(draft.event, sequence)
                of_bed = beds[draft.bed].bed_sequence
            row = (sequence, draft.bed, of_bed, boot_id, draft.at, draft.utc_ns, draft.type, draft.body)
            before = link(before, *row)
            rows.append((*row, before))
        return rows, beds

    @property
    def standing(self) -> Standing:
        """What is held now."""
        return Standing(self.uuid, self.head, dict(self.beds))

    def prune(self, through: int, seal: Seal, utc_ns: int) -> int:
        """Forget the rows up to this sequence and leave an anchor, sealed, so that the rest verifies. Give how many."""
        anchor = self._connection.execute("SELECT hash FROM record WHERE sequence = ?", (through,)).fetchone()
        if anchor is None:
            return 0
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            set_meta(self._connection, "anchor_sequence", str(through))
            set_meta(self._connection, "anchor_hash", anchor[0].hex())
            said = journal_anchor.anchor(self.uuid, Head(through, anchor[0]), utc_ns, seal)
            set_meta(self._connection, "anchor", said)
            gone = self._connection.execute("DELETE FROM record WHERE sequence <= ?", (through,)).rowcount
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self.anchor = through
        return gone

    def close(self, *, checkpoint: bool = True) -> None:
        """Close; with a checkpoint the WAL is folded in first, so that the one file holds everything."""
        try:
            if checkpoint:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.close()


class Reader:
    """A read-only look at a journal, also while a gateway writes it. Reads in chunks; blocks."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self.uuid = ""

    def records(self, bed: str | None = None, after: int = 0) -> Iterator[Record]:
        """Give the records of a bed (None: of all) in sequence; raises JournalError where they can't be read."""
        yield from self._read("bed = ?" if bed is not None else "1", (bed,) if bed is not None else (), after)

    def published(self, after: int, limit: int) -> list[Record]:
        """Give at most `limit` published records after this sequence."""
        found = self._read("bed_sequence IS NOT NULL", (), after, limit)
        return [record for _, record in zip(range(limit), found, strict=False)]

    def newest(self, bed: str, kind: str, through: int) -> Record | None:
        """Give a bed's newest row of this type up to this sequence; None where there is none."""
        query = (
            f"SELECT {COLUMNS} FROM record"  # noqa: S608 - our own words
            " WHERE bed = ? AND type = ? AND sequence <= ? ORDER BY sequence DESC LIMIT 1"
        )
        with closing(self._connect()) as connection:
            try:
                row: Row | None = connection.execute(query, (bed, kind, through)).fetchone()
            except sqlite3.Error as error:
                raise JournalError(f"{self._path}: {error}") from error
        return None if row is None else _record(row, self.uuid, _event(row))

    def first_beyond(self, seen: Mapping[str, int], after: int, through: int) -> int | None:
        """Give the first row between these two sequences with an event of a bed beyond the one seen; None for none.

        Looked for from the newest on: how long it takes goes by how much has not been seen.
        """
        query = (
            "SELECT sequence, bed, bed_sequence FROM record"
            " WHERE sequence > ? AND sequence <= ? AND bed_sequence IS NOT NULL ORDER BY sequence DESC LIMIT ?"
        )
        found: int | None = None
        left = set(seen)
        with closing(self._connect()) as connection:
            while left:
                try:
                    rows = connection.execute(query, (after, through, CHUNK)).fetchall()
                except sqlite3.Error as error:
                    raise JournalError(f"{self._path}: {error}") from error
                for sequence, bed, bed_sequence in rows:
                    if bed in left and bed_sequence > seen[bed]:
                        found = sequence
                    else:
                        left.discard(bed)
                if len(rows) < CHUNK:
                    return found
                through = rows[-1][0] - 1
        return found

    def older_than(self, utc_ns: int) -> int:
        """Give the last sequence before the first row that is not older than this; 0: none is older."""
        with closing(self._connect()) as connection:
            query = "SELECT min(sequence), (SELECT max(sequence) FROM record) FROM record WHERE utc_ns >= ?"
            first_kept, last = connection.execute(query, (utc_ns,)).fetchone()
        return int(last or 0) if first_kept is None else int(first_kept) - 1

    def ends(self) -> dict[str, BedEnd]:
        """Give how far each bed's record goes; JournalError where it can't be read."""
        with closing(self._connect()) as connection:
            try:
                found = connection.execute("SELECT bed, bed_sequence, ordered, closed FROM bed").fetchall()
            except sqlite3.Error as error:
                raise JournalError(f"{self._path}: {error}") from error
        return {bed: BedEnd(*end) for bed, *end in found}

    def standing(self) -> tuple[Standing, dict[str, int]]:
        """Give what is held and the cursors, for a start on a disk that can only be read; raises JournalError."""
        with closing(self._connect()) as connection:
            try:
                found = connection.execute(
                    "SELECT sequence, hash FROM record ORDER BY sequence DESC LIMIT 1"
                ).fetchone()
                ends = connection.execute("SELECT bed, bed_sequence, ordered, closed FROM bed").fetchall()
                cursors = dict(connection.execute("SELECT name, sequence FROM cursor"))
            except sqlite3.Error as error:
                raise JournalError(f"{self._path}: {error}") from error
        beds = {bed: BedEnd(*end) for bed, *end in ends}
        return Standing(self.uuid, Head(*found) if found else Head(0, b""), beds), cursors

    def verify(self) -> Head:
        """Hold every row against the chain; raises Damaged saying where it breaks."""
        with closing(self._connect()) as connection:
            try:
                connection.execute("BEGIN")  # one look: retention may take rows and move the anchor meanwhile
                return check_chain(connection, self.uuid, None)
            except sqlite3.Error as error:
                raise Damaged(f"{self._path}: {error}") from error

    def holds(self, link_of_chain: bytes) -> int | None:
        """Give the sequence of the row with this hash, as a heartbeat told it; None where there is none (any more)."""
        with closing(self._connect()) as connection:
            found = connection.execute("SELECT sequence FROM record WHERE hash = ?", (link_of_chain,)).fetchone()
            anchor = anchor_of(connection)
        if found is None and anchor.hash == link_of_chain:
            return anchor.sequence
        return None if found is None else int(found[0])

    def anchor(self) -> str | None:
        """Give what the journal says of the rows that retention took, as it is signed; None: nothing."""
        with closing(self._connect()) as connection:
            said = connection.execute("SELECT value FROM meta WHERE key = 'anchor'").fetchone()
        return None if said is None else str(said[0])

    def forgotten(self, keys: Keyring) -> tuple[int, str]:
        """Give up to which row retention took what was there (0: none), and why not to believe that ("": do)."""
        said = self.anchor()
        with closing(self._connect()) as connection:
            anchor = anchor_of(connection)
        if not anchor.sequence:
            return 0, ""
        words = "it is not signed" if said is None else journal_anchor.why_not(said, self.uuid, anchor, keys)
        return anchor.sequence, words

    def _connect(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise JournalError(f"there is no journal in {self._path.parent}: no file {FILE}")
        directory, log = self._path.parent, self._path.with_name(f"{FILE}-wal")
        # A copy where nothing may be written: without files of its own beside it SQLite reads one that never changes.
        fixed = "" if log.exists() or os.access(directory, os.W_OK) else "&immutable=1"
        try:
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro{fixed}", uri=True, timeout=5.0)
            connection.execute("PRAGMA trusted_schema=OFF")
            if not self.uuid:
                refuse_foreign(connection, self._path)
                self.uuid = meta(connection, "uuid")
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from error
        return connection

    def _read(self, where: str, values: tuple[object, ...], after: int, chunk: int = CHUNK) -> Iterator[Record]:
        query = f"SELECT {COLUMNS} FROM record WHERE sequence > ? AND {where} ORDER BY sequence LIMIT ?"  # noqa: S608 - our own words
        with closing(self._connect()) as connection:
            while True:
                try:
                    rows: list[Row] = connection.execute(query, (after, *values, chunk)).fetchall()
                except sqlite3.Error as error:
                    raise JournalError(f"{self._path}: {error}") from error
                for row in rows:
                    yield _record(row, self.uuid, _event(row))
                if len(rows) < chunk:
                    return
                after = rows[-1][0]


def _event(row: Row) -> Event | Unreadable:
    try:
        return decode(row[6], json.loads(row[7]))
    except (ValueError, RecursionError) as why:
        return Unreadable(row[6], row[7][:2000], str(why)[:200])


def _record(row: Row, journal: str, event: Event | Unreadable) -> Record:
    return Record(row[0], row[1], row[2], f"{journal}-{row[0]}", row[3], row[4], row[5], event)
