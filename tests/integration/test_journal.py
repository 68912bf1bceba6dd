"""The journal on a real disk: killed, full, damaged, newer, opened twice."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import (
    CaseOrdered,
    ConditionAcknowledged,
    Event,
    PhaseChanged,
    ResumePermitted,
    Sampled,
)
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import Delivery
from infusion_gateway.model.session import Order, Phase
from infusion_gateway.runtime.journal import OUTBOX, Journal, JournalHeld
from infusion_gateway.runtime.journal_store import FILE, Damaged, Reader, Store
from infusion_gateway.wire.sealing import unsigned
from integration.waiting import until

UTC = 1_790_000_000 * SECOND
SAMPLE = Sampled(values=(), delivery=Delivery.INFUSING, volume_ml=1.5, epoch=0, dose_mg=0.75)

WRITER = """
import asyncio, sys
from pathlib import Path
from infusion_gateway.model.events import ResumePermitted
from infusion_gateway.runtime.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]), boot_id="boot", on_change=lambda kept, why: None)
    await journal.open()
    sys.stdout.write(f"ready {journal.head.sequence}\\n")
    sys.stdout.flush()
    number = 0
    while True:
        number += 1
        done = [journal.append(bed, (ResumePermitted(by="n", reason=str(number)),), number, number) for bed in "ab"]
        for future in done:
            record = (await future)[0]
            sys.stdout.write(f"{record.sequence} {record.id} {record.bed} {record.bed_sequence} {number}\\n")
        sys.stdout.flush()

asyncio.run(main())
"""


class Told:
    """What on_change said."""

    def __init__(self) -> None:
        self.all: list[tuple[bool, str]] = []

    def __call__(self, kept: bool, why: str) -> None:
        self.all.append((kept, why))


@contextlib.asynccontextmanager
async def opened(directory: Path, boot_id: str = "boot-1"):
    """Give an open journal and what it told; closed in the end."""
    told = Told()
    journal = Journal(directory, boot_id=boot_id, on_change=told)
    found = await journal.open()
    try:
        yield journal, told, found
    finally:
        await journal.close()


def permitted(number: int) -> Event:
    """Give a small published event."""
    return ResumePermitted(by="nurse-7", reason=f"number {number}")


@pytest.mark.requirement("S27")
async def test_what_is_acknowledged_is_there_after_reopening(tmp_path: Path) -> None:
    """Pins sequence, bed sequence, id, order, readings beside events, cursor and head over a restart."""
    async with opened(tmp_path) as (journal, _, found):
        assert found.kept
        first = await journal.append("bed-1", (permitted(1), SAMPLE, permitted(2)), 10, UTC)
        second = await journal.append("bed-2", (permitted(3),), 11, UTC + 1)
        assert [r.sequence for r in (*first, *second)] == [1, 2, 3, 4]
        assert [r.bed_sequence for r in (*first, *second)] == [1, None, 2, 1]
        assert second[0].id == f"{journal.uuid}-4"
        journal.set_cursor(OUTBOX, 3)
        head, name = journal.head, journal.uuid
    async with opened(tmp_path, "boot-2") as (journal, _, found):
        assert (journal.head, journal.uuid, journal.cursor(OUTBOX)) == (head, name, 3)
        assert list(journal.records("bed-1")) == list(first)
        assert [r.boot_id for r in journal.records("bed-2")] == ["boot-1"]
        assert await journal.after(1, 10) == [first[2], second[0]]
        assert await journal.after(1, 1) == [first[2]]
        assert await journal.first_beyond({"bed-1": 1}, 0, 9) == 3
        third = await journal.append("bed-1", (permitted(4),), 12, UTC)
        assert (third[0].sequence, third[0].bed_sequence) == (5, 3)
        assert Reader(tmp_path).verify() == journal.head


async def test_append_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """Pins that append only queues: a thousand go in before the first is durable, and share a few commits."""
    async with opened(tmp_path) as (journal, _, _found):
        futures = [journal.append("bed-1", (permitted(n),), n, UTC) for n in range(1000)]
        assert not any(f.done() for f in futures)
        records = [records[0] for records in await asyncio.gather(*futures)]
        assert [r.sequence for r in records] == list(range(1, 1001))


async def test_too_many_waiting_are_refused_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the bound of the queue: what doesn't fit is refused at once, told, and counted."""
    monkeypatch.setattr("infusion_gateway.runtime.journal.WAITING", 10)
    async with opened(tmp_path) as (journal, told, _):
        futures = [journal.append("bed-1", (permitted(n),), n, UTC) for n in range(12)]
        with pytest.raises(JournalError, match="behind"):
            await futures[11]
        assert (await futures[9])[0].sequence == 10
        assert told.all[-1] == (False, "the disk is 10 events behind; 2 events are lost")


async def test_what_is_at_hand_is_what_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that the records kept in memory are those of the disk, or none: also past the bound and after a failure."""
    monkeypatch.setattr("infusion_gateway.runtime.journal.TAIL", 5)
    async with opened(tmp_path) as (journal, told, _):
        assert journal.recent(0, 10) is None

        async def agrees() -> int:
            at_hand = 0
            for after in range(journal.head.sequence + 2):
                found = journal.recent(after, 3)
                assert found is None or found == await journal.after(after, 3)
                at_hand += found is not None
            return at_hand

        for number in range(12):
            await journal.append("bed-1", (permitted(number), SAMPLE), number, UTC)
        assert 3 < await agrees() < journal.head.sequence
        monkeypatch.setattr("infusion_gateway.runtime.journal_store.Store.write", _refuse)
        with pytest.raises(JournalError):
            await journal.append("bed-1", (permitted(12),), 12, UTC)
        monkeypatch.undo()
        await until(lambda: told.all[-1][0])
        assert journal.recent(journal.head.sequence - 1, 3) is None
        assert await journal.after(journal.head.sequence - 1, 3), "it is on the disk, though nobody was told"
        await journal.append("bed-1", (permitted(13),), 13, UTC)
        assert await agrees() > 0


@pytest.mark.requirement("S28")
@pytest.mark.slow
def test_nothing_acknowledged_is_lost_to_a_kill(tmp_path: Path) -> None:
    """Pins that ten kills of a writing process lose nothing it acknowledged, and that the chain holds each time."""
    acknowledged: dict[int, tuple[str, str, int, str]] = {}
    for kill in range(10):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        head = int(process.stdout.readline().split()[1])
        assert head >= max(acknowledged, default=0)
        lines = [process.stdout.readline() for _ in range(150 + 37 * kill)]
        process.send_signal(signal.SIGKILL)
        lines += [line for line in process.stdout if line.endswith("\n")]
        process.wait()
        process.stdout.close()
        for line in lines:
            sequence, name, bed, bed_sequence, number = line.split()
            assert int(sequence) not in acknowledged, "a sequence was given twice"
            acknowledged[int(sequence)] = (name, bed, int(bed_sequence), number)
        reader = Reader(tmp_path)
        assert reader.verify().sequence >= max(acknowledged)
    held = {r.sequence: (r.id, r.bed, r.bed_sequence, r.event.reason) for r in Reader(tmp_path).records()}
    assert len(acknowledged) > 2000
    assert {s: held.get(s) for s in acknowledged} == acknowledged


@pytest.mark.requirement("S28")
async def test_a_full_disk_is_told_and_what_waited_is_written_later(tmp_path: Path) -> None:
    """Pins a full disk: futures say JournalError, nothing blocks, and with room again every event is there in order."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with opened(tmp_path) as (journal, told, _):
        await journal.append("bed-1", (permitted(0),), 0, UTC)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
        try:
            results = [
                await asyncio.gather(journal.append("bed-1", (permitted(n),), n, UTC), return_exceptions=True)
                for n in range(1, 400)
            ]
            assert isinstance(results[-1][0], JournalError)
            assert [kept for kept, _ in told.all] == [False]
            assert Reader(tmp_path).verify().sequence >= 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        await until(lambda: told.all[-1][0])
        assert [kept for kept, _ in told.all] == [False, True]
        assert "events that waited are in it" in told.all[-1][1]
        last = await journal.append("bed-1", (permitted(400),), 400, UTC)
        assert last[0].sequence == 401
        assert [r.event.reason for r in journal.records("bed-1")] == [f"number {n}" for n in range(401)]
        assert Reader(tmp_path).verify() == journal.head


async def test_held_readings_go_before_held_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the bound in memory: with the disk refusing, readings are dropped before events, and the loss is told."""
    monkeypatch.setattr("infusion_gateway.runtime.journal_writer.HELD", 20)
    async with opened(tmp_path) as (journal, told, _):
        await journal.append("bed-1", (permitted(0),), 0, UTC)
        monkeypatch.setattr("infusion_gateway.runtime.journal_store.Store.write", _refuse)
        for n in range(1, 16):
            futures = (journal.append("bed-1", (SAMPLE,), n, UTC), journal.append("bed-1", (permitted(n),), n, UTC))
            await asyncio.gather(*futures, return_exceptions=True)
        monkeypatch.undo()
        await until(lambda: told.all[-1][0])
        assert "lost" in told.all[-1][1]
        events = [r.event for r in journal.records("bed-1")]
        assert [e.reason for e in events if not isinstance(e, Sampled)] == [f"number {n}" for n in range(16)]
        assert 0 < sum(isinstance(e, Sampled) for e in events) < 15


def _refuse(*_: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")


async def test_a_write_in_doubt_is_neither_lost_nor_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a commit which reports failure, though the disk has it, is found on reopening and not written twice."""
    write = Store.write

    def commits_and_fails(self: Store, *arguments: object) -> None:
        monkeypatch.setattr(Store, "write", write)
        write(self, *arguments)
        raise sqlite3.OperationalError("disk I/O error")

    async with opened(tmp_path) as (journal, told, _):
        await journal.append("bed-1", (permitted(0),), 0, UTC)
        monkeypatch.setattr(Store, "write", commits_and_fails)
        with pytest.raises(JournalError):
            await journal.append("bed-1", (permitted(1), permitted(2)), 1, UTC)
        await until(lambda: told.all[-1][0])
        last = await journal.append("bed-1", (permitted(3),), 2, UTC)
        assert [r.event.reason for r in journal.records("bed-1")] == [f"number {n}" for n in range(4)]
        assert last[0].sequence == 4


async def test_the_first_event_that_somebody_lacks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins where telling begins again: the first event beyond what is had of any bed, within the stretch; else None."""
    monkeypatch.setattr("infusion_gateway.runtime.journal_store.CHUNK", 3)
    async with opened(tmp_path) as (journal, _, _found):
        for n in range(10):
            for bed in ("bed-1", "bed-2"):
                await journal.append(bed, (SAMPLE, permitted(n)), n, UTC)
        rows = {(r.bed, r.bed_sequence): r.sequence for r in await journal.after(0, 50)}
        for seen in ({"bed-1": 9}, {"bed-1": 3, "bed-2": 8}, {"bed-1": 7, "bed-2": 2}, {"bed-2": 0}):
            wanted = min(rows[bed, at + 1] for bed, at in seen.items())
            assert await journal.first_beyond(seen, 0, 40) == wanted
        assert await journal.first_beyond({"bed-1": 10, "bed-2": 10}, 0, 40) is None
        assert await journal.first_beyond({"bed-3": 0}, 0, 40) is None
        assert await journal.first_beyond({"bed-1": 0}, 20, 40) == rows["bed-1", 6]
        assert await journal.first_beyond({"bed-1": 3}, 0, rows["bed-1", 4] - 1) is None


async def test_acknowledged_rows_gone_begin_a_new_journal(tmp_path: Path) -> None:
    """Pins that a file which lost rows it had acknowledged (a disk that lies) is set aside: no id is given twice."""
    async with opened(tmp_path) as (journal, _, _found):
        for n in range(5):
            await journal.append("bed-1", (permitted(n),), n, UTC)
        journal.set_cursor(OUTBOX, 5)
        name = journal.uuid
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("DELETE FROM record WHERE sequence > 3")
        connection.execute("UPDATE bed SET bed_sequence = 3")
    async with opened(tmp_path) as (journal, _, found):
        assert found.kept
        assert "newest rows are missing" in found.why
        assert journal.uuid != name


async def test_rows_that_vanish_under_a_running_gateway_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that after a failed write the tail is held against what was acknowledged: a shorter file is set aside."""
    async with opened(tmp_path) as (journal, told, _):
        for n in range(5):
            await journal.append("bed-1", (permitted(n),), n, UTC)
        journal.set_cursor(OUTBOX, 2)
        name = journal.uuid
        with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
            connection.execute("DELETE FROM record WHERE sequence = 5")
            connection.execute("UPDATE bed SET bed_sequence = 4")
        monkeypatch.setattr("infusion_gateway.runtime.journal_store.Store.write", _refuse)
        with pytest.raises(JournalError):
            await journal.append("bed-1", (permitted(5),), 5, UTC)
        monkeypatch.undo()
        await until(lambda: told.all[-1][0])
        assert any("row 5 was acknowledged" in why for _, why in told.all)
        assert journal.uuid != name
        assert journal.cursor(OUTBOX) == 0
        assert [r.event.reason for r in journal.records("bed-1")] == ["number 5"], "what waited begins the new one"
    assert [path for path in tmp_path.iterdir() if ".corrupt-" in path.name]  # noqa: ASYNC240 - a look at the result


async def test_a_start_checks_the_newest_rows_and_a_reader_all(tmp_path: Path) -> None:
    """Pins that a start's check is bounded: damage further back doesn't delay it, and full verification finds it."""
    async with opened(tmp_path) as (journal, _, _found):
        for n in range(10):
            await journal.append("bed-1", (permitted(n),), n, UTC)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE record SET utc_ns = 0 WHERE sequence = 2")
    Store.open(tmp_path, verify=5).close()
    with pytest.raises(Damaged, match="breaks at row 2"):
        Store.open(tmp_path, verify=9)
    with pytest.raises(Damaged, match="breaks at row 2"):
        Reader(tmp_path).verify()


async def test_a_disk_that_is_not_there_is_no_reason_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that a start with an unusable disk says so, holds what happens, and writes it once the disk is there."""

    def unable(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("infusion_gateway.runtime.journal_writer._make_private", unable)
    async with opened(tmp_path) as (journal, told, found):
        assert found.kept is False
        assert "Input/output error" in found.why
        with pytest.raises(JournalError):
            await journal.append("bed-1", (permitted(1),), 1, UTC)
        monkeypatch.undo()
        await until(lambda: told.all[-1][0])
        assert [r.event.reason for r in journal.records("bed-1")] == ["number 1"]


async def test_a_start_that_fails_as_nobody_foresaw_is_told_and_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that opening never waits for a thread that broke: it is told why, and the record goes on after that."""

    def breaks(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(Store, "open", breaks)
    monkeypatch.setattr(Reader, "standing", breaks)
    async with asyncio.timeout(30), opened(tmp_path) as (journal, told, found):
        assert (found.kept, found.why) == (False, "RuntimeError: nobody foresaw this")
        waits = journal.append("bed-1", (permitted(1),), 1, UTC)
        with pytest.raises(JournalError, match="nobody foresaw this"):
            await waits
        monkeypatch.undo()
        await until(lambda: told.all[-1][0])
        assert [r.event.reason for r in journal.records("bed-1")] == ["number 1"]


async def test_a_disk_that_hangs_at_the_start_is_waited_for_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that opening gives up on a disk that says nothing, in words, and that its thread outlives that."""
    free, real = threading.Event(), Store.open

    def hangs(directory: Path) -> Store:
        assert free.wait(20)
        return real(directory)

    monkeypatch.setattr(Store, "open", hangs)
    monkeypatch.setattr("infusion_gateway.runtime.journal.OPEN_S", 0.1)
    journal = Journal(tmp_path, boot_id="boot-1", on_change=Told())
    try:
        with pytest.raises(JournalError, match=r"the disk has not answered for 0\.1 s"):
            await journal.open()
        with pytest.raises(JournalHeld):
            await Journal(tmp_path, boot_id="boot-2", on_change=Told()).open()
    finally:
        free.set()
        await journal.close()
    assert Reader(tmp_path).verify().sequence == 0, "what came late is whole"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE record SET body = replace(body, 'number 2', 'number 9') WHERE sequence = 3",
        "DELETE FROM record WHERE sequence = 3",
        "UPDATE record SET sequence = sequence + 1 WHERE sequence = 5",
        "UPDATE record SET at_ns = at_ns + 1 WHERE sequence = 1",
        "UPDATE record SET bed_sequence = NULL WHERE sequence = 4",
        "UPDATE record SET hash = zeroblob(32) WHERE sequence = 5",
        "UPDATE bed SET bed_sequence = 2",
        "DELETE FROM meta WHERE key = 'uuid'",
        "DROP TABLE cursor",
    ],
)
async def test_a_changed_row_is_found_and_the_file_set_aside(tmp_path: Path, damage: str) -> None:
    """Pins that any change of a row breaks the chain: the file is set aside whole, a new one begins, and it is said."""
    async with opened(tmp_path) as (journal, _, _found):
        for n in range(5):
            await journal.append("bed-1", (permitted(n),), n, UTC)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute(damage)
    async with opened(tmp_path) as (journal, _, found):
        assert found.kept
        assert found.moved_to is not None
        assert ".corrupt-" in found.moved_to.name
        assert found.moved_to.name in found.why
        record = (await journal.append("bed-1", (permitted(6),), 6, UTC))[0]
        assert record.sequence == 1
    with contextlib.closing(sqlite3.connect(found.moved_to)) as connection:
        assert connection.execute("SELECT count(*) FROM record").fetchone()[0] >= 4


async def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    """Pins that rubbish in the journal's place is set aside, not overwritten, and does not stop the gateway."""
    (tmp_path / FILE).write_bytes(os.urandom(8192))
    async with opened(tmp_path) as (journal, _, found):
        assert found.kept
        assert found.moved_to is not None
        assert found.moved_to.stat().st_size == 8192
        assert (await journal.append("bed-1", (permitted(1),), 1, UTC))[0].sequence == 1


@pytest.mark.parametrize("pragma", ["user_version=99", "application_id=7"])
async def test_a_newer_or_foreign_file_is_left_whole_beside_a_new_one(tmp_path: Path, pragma: str) -> None:
    """Pins that a newer gateway's journal, or another program's database, is neither read nor spoiled."""
    async with opened(tmp_path) as (journal, _, _found):
        await journal.append("bed-1", (permitted(1),), 1, UTC)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute(f"PRAGMA {pragma}")
    async with opened(tmp_path) as (journal, _, found):
        assert found.moved_to is not None
        assert ".newer-" in found.moved_to.name
        assert journal.head.sequence == 0
    with contextlib.closing(sqlite3.connect(found.moved_to)) as connection:
        assert connection.execute("SELECT count(*) FROM record").fetchone() == (1,)


async def test_a_second_gateway_is_told_who_has_the_journal(tmp_path: Path) -> None:
    """Pins that one directory has one gateway: a second opener learns the process that holds it, and harms nothing."""
    async with opened(tmp_path) as (journal, _, _found):
        second = Journal(tmp_path, boot_id="b", on_change=Told())
        with pytest.raises(JournalHeld, match=f"process {os.getpid()}"):
            await second.open()
        assert (await journal.append("bed-1", (permitted(1),), 1, UTC))[0].sequence == 1
    async with opened(tmp_path) as (journal, _, _found):
        assert journal.head.sequence == 1


@pytest.mark.requirement("S28")
async def test_old_closed_rows_are_forgotten_and_the_rest_still_verifies(tmp_path: Path) -> None:
    """Pins retention: only rows that are old, told, and of no open case go; numbering and chain go on."""
    order = Order("p", 70.0, 1.0, 35.0, 35.0, 40 * 60 * SECOND, 35.0)
    ordered = CaseOrdered("case-1", "s-1", order, "a", "ordered")
    closed = PhaseChanged(Phase.CLOSED, Phase.RECOVERY, "closed")
    async with opened(tmp_path) as (journal, _, _found):
        await journal.append("bed-1", (ordered, SAMPLE, closed), 1, UTC)
        await journal.append("bed-1", (ordered, permitted(1)), 2, UTC + 1)
        await journal.append("bed-2", (permitted(2), permitted(3)), 3, UTC + 2)
        await journal.append("bed-2", (permitted(4),), 4, UTC + 100)
        assert journal.closed("bed-1") == 3
        assert await journal.retain(UTC + 50) == 0, "nothing was told yet"
        journal.set_cursor(OUTBOX, 7)
        assert await journal.retain(UTC + 50) == 3, "the open case begins after row 3"
        await journal.append("bed-1", (closed,), 5, UTC + 100)
        await until(lambda: [r.sequence for r in journal.records("bed-1")] == [4, 5, 9])
        assert await journal.retain(UTC + 50) == 7
        await journal.append("bed-1", (permitted(5),), 6, UTC + 100)
        assert Reader(tmp_path).verify() == journal.head
    async with opened(tmp_path) as (journal, _, found):
        assert found.moved_to is None
        assert [(r.sequence, r.bed_sequence) for r in Reader(tmp_path).records()] == [(8, 3), (9, 5), (10, 6)]


async def test_a_verification_is_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that rows which retention takes while the chain is looked at are no damage."""
    from infusion_gateway.runtime import journal_file

    async with opened(tmp_path) as (journal, _, _found):
        await journal.append("bed-1", tuple(permitted(number) for number in range(8)), 1, UTC)
    store, anchor_of = Store.open(tmp_path), journal_file.anchor_of

    def and_then_some_go(connection: sqlite3.Connection) -> journal_file.Head:
        found = anchor_of(connection)
        store.prune(5, unsigned, UTC)
        return found

    monkeypatch.setattr(journal_file, "anchor_of", and_then_some_go)
    assert Reader(tmp_path).verify().sequence == 8
    assert [record.sequence for record in Reader(tmp_path).records()] == [6, 7, 8]
    store.close()


async def test_an_event_of_a_newer_version_does_not_stop_a_replay(tmp_path: Path) -> None:
    """Pins that a row whose event is not known is given as Unreadable among the others."""
    from infusion_gateway.runtime import journal_store

    async with opened(tmp_path) as (journal, _, _found):
        draft = journal_store.Draft.of
        try:
            journal_store.Draft.of = classmethod(
                lambda cls, bed, event, at, utc_ns: cls(
                    bed, event, at, utc_ns, "teleported", json.dumps({"to": "bed-9"})
                )
            )
            await journal.append("bed-1", (permitted(1),), 1, UTC)
        finally:
            journal_store.Draft.of = draft
        await journal.append("bed-1", (ConditionAcknowledged("spo2-low", "n", "seen"),), 2, UTC)
        records = list(journal.records("bed-1"))
    assert [type(r.event).__name__ for r in records] == ["Unreadable", "ConditionAcknowledged"]


async def test_reading_a_damaged_file_says_where(tmp_path: Path) -> None:
    """Pins that a reader's verification names the row at which the chain breaks."""
    async with opened(tmp_path) as (journal, _, _found):
        for n in range(5):
            await journal.append("bed-1", (permitted(n),), n, UTC)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE record SET utc_ns = 0 WHERE sequence = 3")
    with pytest.raises(Damaged, match="breaks at row 3"):
        Reader(tmp_path).verify()


async def test_a_directory_that_cannot_be_had_is_an_error_in_words(tmp_path: Path) -> None:
    """Pins that a journal whose directory is a file says so, before anything starts."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(JournalError, match="taken"):
        await Journal(tmp_path / "taken", boot_id="b", on_change=Told()).open()


async def test_a_case_given_up_while_it_ran_is_replayed_until_it_is_closed(tmp_path: Path) -> None:
    """Pins that an abort ends nothing that a restart must know: the stop behind it is watched until the case closes."""
    async with opened(tmp_path) as (journal, _, _found):
        for bed, before in (("bed-1", Phase.ORDERED), ("bed-2", Phase.INFUSING), ("bed-3", Phase.ARMED)):
            await journal.append(bed, (PhaseChanged(Phase.ABORTED, before, "given up"),), 1, UTC)
        assert [journal.closed(bed) for bed in ("bed-1", "bed-2", "bed-3")] == [1, 0, 0]
        await journal.append("bed-2", (PhaseChanged(Phase.CLOSED, Phase.ABORTED, "closed"),), 2, UTC)
        assert journal.closed("bed-2") == 4
