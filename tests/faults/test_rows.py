"""Rows of the fault catalogue that no other test does: clocks, files, readers, a disk that can only be read."""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import cuts
from faults.live import Live
from faults.script import BED, UTC, script, standing
from infusion_gateway.errors import JournalError
from infusion_gateway.runtime import ballast, journal_writer
from infusion_gateway.runtime.journal import OUTBOX, Journal
from infusion_gateway.runtime.journal_store import FILE, Reader, Store
from integration.test_journal import SAMPLE, Told, opened, permitted, until

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
ROOMY = 512
"""MB of a disk with room enough for a session to be allowed."""
FILLED = 96
"""MB of a disk that has room for the reserve, and is filled."""
CLOCKS = """
import sys
from infusion_gateway.runtime.clock import Clock
clock = Clock()
print("ready", flush=True)
for _ in sys.stdin:
    print(clock.jumped(), clock.now(), flush=True)
"""


async def written(directory: Path) -> tuple[str, int]:
    """Write the scripted session and a cursor; give the journal's name and its last sequence."""
    async with opened(directory, "boot") as (journal, _, _found):
        for moment in script():
            records = await journal.append(BED, moment.events, moment.at, UTC)
        journal.set_cursor(OUTBOX, records[-1].sequence)
        return journal.uuid, records[-1].sequence


async def test_a_read_that_failed_sets_no_journal_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins a second look before a journal is set aside: SQLite calls malformed what a failing disk could not read."""
    name, last = await written(tmp_path)
    open_store, tries = Store.open, []

    def fails_once(directory: Path) -> Store:
        tries.append(directory)
        if len(tries) == 1:
            raise journal_writer.Damaged("database disk image is malformed")
        return open_store(directory)

    monkeypatch.setattr(Store, "open", fails_once)
    async with opened(tmp_path) as (journal, _, found):
        assert (found.moved_to, journal.uuid, journal.head.sequence) == (None, name, last)
        assert len(tries) == 2


async def test_a_disk_that_can_t_be_read_sets_no_journal_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a disk that fails at every read is the disk's trouble, told as such, and tried again."""
    name, _ = await written(tmp_path)

    def malformed(_directory: Path) -> Store:
        raise journal_writer.Damaged("database disk image is malformed")

    def unreadable(_directory: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "open", malformed)
        broken.setattr(journal_writer, "read_through", unreadable)
        async with opened(tmp_path) as (journal, _, found):
            assert (found.kept, found.moved_to) == (False, None)
            assert "Input/output error" in found.why
            assert journal.uuid == name, "what is on it was known all the same"
    async with opened(tmp_path) as (journal, _, found):
        assert (found.kept, journal.uuid) == (True, name)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed: apt-get install libfaketime")
def test_a_wall_clock_that_is_set_moves_no_deadline(tmp_path: Path) -> None:
    """Pins an hour's step of a process's wall clock: told once, as an hour, and the timeline goes on untouched."""
    shift = tmp_path / "shift"
    shift.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", CLOCKS], env=os.environ | faked, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def look() -> tuple[str, int]:
            process.stdin.write("\n")
            process.stdin.flush()
            jumped, now = process.stdout.readline().split()
            return jumped, int(now)

        before = look()
        shift.write_text("-3600\n")
        stepped, settled = look(), look()
        process.stdin.close()
    assert before[0] == settled[0] == "None"
    assert float(stepped[0]) == pytest.approx(-3600, abs=1)
    assert 0 < stepped[1] - before[1] < 30 * 10**9
    assert stepped[1] <= settled[1]


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """Let nothing more be opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for handle in taken:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_a_file_to_open_the_record_is_kept_and_reading_says_why(tmp_path: Path) -> None:
    """Pins that a process with no handle left goes on recording, and that what can't be read is a JournalError."""
    async with opened(tmp_path) as (journal, told, _):
        await journal.append("bed-1", (permitted(1),), 1, UTC)
        with no_more_files():
            with pytest.raises(OSError, match="Too many open files"):
                os.open("/dev/null", os.O_RDONLY)
            records = await journal.append("bed-1", (permitted(2),), 2, UTC)
            with pytest.raises(JournalError):
                await journal.after(0, 10)
        assert records[0].sequence == 2
        assert told.all == []
        assert len(await journal.after(0, 10)) == 2


async def test_a_long_reader_keeps_the_log_from_growing_no_more_than_it_must(tmp_path: Path) -> None:
    """Pins that who reads slowly holds no transaction: the write-ahead log is folded in while they wait."""
    async with opened(tmp_path) as (journal, _, _found):
        await asyncio.gather(*(journal.append("bed-1", (permitted(n), SAMPLE), n, UTC) for n in range(400)))
        reading = Reader(tmp_path).records()
        first = next(reading)
        for burst in range(60):
            await asyncio.gather(*(journal.append("bed-1", (SAMPLE,) * 4, n, UTC) for n in range(25)))
            assert burst < 60
        log = (tmp_path / f"{FILE}-wal").stat().st_size
        assert first.sequence == 1
        assert (tmp_path / FILE).stat().st_size + log > 2 << 20, "much was written"
        assert log < 4 << 20
        assert len(list(reading)) == journal.head.sequence - 1


@pytest.mark.needs_root
@pytest.mark.slow
@pytest.mark.skipif(bool(cuts.why_not()), reason=cuts.why_not())
async def test_on_a_full_disk_the_reserve_keeps_the_record_going(tmp_path: Path) -> None:
    """Pins a disk filled to its last byte: the reserve is given up, and what happens goes on being recorded."""
    image, place = cuts.made(tmp_path, mb=FILLED)
    with cuts.mounted(image, place):
        async with opened(place / "state") as (journal, told, _):
            reserve = place / "state" / ballast.NAME
            assert reserve.stat().st_blocks * 512 >= ballast.BYTES, "it takes room, it doesn't only say so"
            cuts.fill(place / "filler")
            results = [
                await asyncio.gather(journal.append("bed-1", (permitted(n),), n, UTC), return_exceptions=True)
                for n in range(300)
            ]
            assert not reserve.exists()
            assert not isinstance(results[-1][0], Exception), "it is recorded though the disk is full"
            assert [kept for kept, _ in told.all] == [False, True]
            assert [r.event.reason for r in journal.records("bed-1")] == [f"number {n}" for n in range(300)]
            (place / "filler").unlink()
        async with opened(place / "state"):
            assert reserve.exists(), "with room again it is laid again"


def test_without_room_there_is_no_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that the reserve is laid once, only where there is room, and that having none to give up is said."""
    monkeypatch.setattr(ballast, "ROOMY", 1 << 60)
    ballast.lay(tmp_path)
    assert ballast.give_up(tmp_path) is False
    monkeypatch.undo()
    ballast.lay(tmp_path)
    ballast.lay(tmp_path)
    assert (tmp_path / ballast.NAME).stat().st_size == ballast.BYTES
    assert ballast.give_up(tmp_path) is True
    ballast.lay(tmp_path / "not-there")
    assert not (tmp_path / "not-there").exists()


@pytest.mark.needs_root
@pytest.mark.slow
@pytest.mark.skipif(bool(cuts.why_not()), reason=cuts.why_not())
async def test_a_journal_on_a_read_only_disk_is_read_and_says_so(tmp_path: Path) -> None:
    """Pins a start on a read-only mount: all on record known, cursors too, nothing kept."""
    image, place = cuts.made(tmp_path)
    with cuts.mounted(image, place):
        name, last = await written(place / "state")
    with cuts.mounted(image, place, "loop,ro"):
        journal = Journal(place / "state", boot_id="boot", on_change=Told())
        found = await journal.open()
        assert (found.kept, found.moved_to) == (False, None)
        assert "read" in found.why.lower()
        assert (journal.uuid, journal.head.sequence, journal.cursor(OUTBOX)) == (name, last, last)
        recorded = [(r.at, r.event) for r in journal.records(BED, journal.closed(BED))]
        assert standing(recorded) == standing([(m.at, e) for m in script() for e in m.events])
        with pytest.raises(JournalError):
            await journal.append(BED, (permitted(1),), 1, UTC)
        await journal.close()


@pytest.mark.needs_root
@pytest.mark.slow
@pytest.mark.skipif(bool(cuts.why_not()), reason=cuts.why_not())
async def test_on_a_read_only_disk_the_gateway_starts_and_knows_its_case(tmp_path: Path) -> None:
    """Pins a restart in mid-session on a disk gone read-only: the same case and end, told as not recorded."""
    live = Live(tmp_path / "bed", seed=3)
    image, _ = cuts.made(tmp_path, mb=ROOMY)
    live.state.mkdir(parents=True)
    with cuts.mounted(image, live.state):
        try:
            await live.open()
            nurse = asyncio.create_task(live.nurse())
            await live.phase("infusing", 25)
            await asyncio.sleep(3)
            nurse.cancel()
            assert live.witness is not None
            ends_at = live.witness.session["ends_at"]
            await live.stage.kill("gateway")
            cuts.read_only(live.state)
            before = len(live.witness.sessions)
            await live.stage.start("gateway")
            await until(lambda: told_of(live, "record-not-kept") and len(live.witness.sessions) > before, 25)
            assert live.witness.session["phase"] == "infusing"
            assert live.witness.session["ends_at"][:19] == ends_at[:19]
        finally:
            await live.close()


def told_of(live: Live, code: str) -> bool:
    """Say whether the bed's newest alarms have this one."""
    alarms = live.witness.alarms if live.witness else []
    return any(alarm["code"] == code for alarm in alarms[-1][1]["alarms"]) if alarms else False
