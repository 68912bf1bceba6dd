"""The journal's file taken away or replaced under a running gateway: told, and the case under way stays on record."""

import asyncio
import shutil
from pathlib import Path

import pytest

from infusion_gateway.core.state import fold
from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import (
    BedQuarantined,
    CaseConfirmed,
    CaseOrdered,
    Event,
    InfusionStarted,
    PhaseChanged,
    Sampled,
)
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import Delivery
from infusion_gateway.model.session import Order, Phase
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.runtime.journal_store import FILE, Reader
from infusion_gateway.wire.records import Unreadable
from integration.test_journal import Told, opened

CASE: tuple[Event, ...] = (
    CaseOrdered("c-1", "s-1", Order("test-short", 70.0, 1.0, 30.0, 0.5, 60 * SECOND, 0.5), "nurse-1", ""),
    CaseConfirmed("nurse-2", ""),
    PhaseChanged(Phase.ARMED, Phase.ORDERED, ""),
    InfusionStarted(5 * SECOND, 65 * SECOND, 0.0, ""),
    PhaseChanged(Phase.INFUSING, Phase.ARMED, ""),
    Sampled((), Delivery.INFUSING, 1.5, 0, 0.75, delivered_ml=1.5, expected_ml=1.5),
)


async def kept_again(journal: Journal, told: Told) -> None:
    """Write until the disk has it again."""
    for _ in range(40):
        await asyncio.sleep(0.1)
        try:
            await journal.append("b", (CASE[-1],), 9 * SECOND, 9)
        except JournalError:
            continue
        if told.all and told.all[-1][0]:
            return
    pytest.fail("never written again")


def replayed(directory: Path) -> tuple[str, Phase, str]:
    """Give what a new process would believe of the bed: case, phase, quarantine."""
    records = list(Reader(directory).records("b"))
    durable = fold((r.at, r.event) for r in records if not isinstance(r.event, Unreadable))
    return durable.case.id if durable.case else "", durable.phase, durable.quarantined


@pytest.mark.parametrize("how", ["directory removed", "file removed", "file replaced", "write-ahead log removed"])
async def test_a_file_that_is_gone_keeps_nothing_and_the_case_is_written_anew(tmp_path: Path, how: str) -> None:
    """Pins that what goes to an unlinked file is never said to be kept, and that a new file replays the open case."""
    directory = tmp_path / "j"
    async with opened(directory) as (journal, told, _):
        await journal.append("a", (CASE[0],), SECOND, 1)
        for event in CASE:
            await journal.append("b", (event,), 6 * SECOND, 1)
        before = journal.uuid
        match how:
            case "directory removed":
                shutil.rmtree(directory)
            case "file removed":
                (directory / FILE).unlink()
            case "file replaced":
                (directory / FILE).rename(directory / "elsewhere")
                (directory / FILE).touch()
            case _:
                (directory / f"{FILE}-wal").unlink()
        with pytest.raises(JournalError, match="removed or replaced"):
            await journal.append("b", (CASE[-1],), 7 * SECOND, 7)
        await kept_again(journal, told)
        assert told.all[0][0] is False
        assert (journal.uuid == before) is (how == "write-ahead log removed"), "which SQLite folds in from its handle"
        assert replayed(directory) == ("c-1", Phase.INFUSING, "")
        assert [r.at for r in Reader(directory).records("b")][:6] == [6 * SECOND] * 6, "at the times they happened"
        assert [r.at for r in Reader(directory).records("b")].count(7 * SECOND) == 1, "the one in doubt once"
        assert next(iter(Reader(directory).records("a"))).event == CASE[0], "every bed's case is there"


async def test_a_file_that_is_gone_is_noticed_though_nothing_is_written(tmp_path: Path) -> None:
    """Pins that an idle gateway tells within seconds that nothing is kept where it should be."""
    async with opened(tmp_path / "j") as (journal, told, _):
        await journal.append("b", CASE, 6 * SECOND, 1)
        shutil.rmtree(tmp_path / "j")
        future = journal._loop.create_future()
        journal._on_change = lambda kept, why: future.set_result((kept, why)) if not future.done() else None
        kept, why = await future
        assert not kept
        assert "removed or replaced" in why
        assert not told.all


async def test_a_case_whose_rows_cannot_be_read_any_more_begins_quarantined(tmp_path: Path) -> None:
    """Pins that a new journal begun in mid-case without that case says so in its first row: never an idle bed."""
    directory = tmp_path / "j"
    async with opened(directory) as (journal, told, _):
        await journal.append("b", CASE, 6 * SECOND, 1)
        await journal.append("idle", (PhaseChanged(Phase.CLOSED, Phase.IDLE, ""),), 6 * SECOND, 1)
        writer = journal._writer
        assert writer._store is not None
        writer._store.check_place = lambda: (_ for _ in ()).throw(OSError("planted"))  # type: ignore[method-assign]
        writer._store.open_cases = lambda _through: None  # type: ignore[method-assign,return-value,assignment]
        for part in directory.glob(f"{FILE}*"):
            part.write_bytes(b"no journal any more" * 1000)
        with pytest.raises(JournalError):
            await journal.append("b", (CASE[-1],), 7 * SECOND, 7)
        await kept_again(journal, told)
        first = next(iter(Reader(directory).records("b")))
        assert isinstance(first.event, BedQuarantined)
        assert "lost" in replayed(directory)[2]
        assert not list(Reader(directory).records("idle")), "a bed without a case has lost none"
