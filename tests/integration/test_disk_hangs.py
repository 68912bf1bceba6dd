"""A disk that neither fails nor answers: a person who stops, holds or acknowledges is answered all the same."""

import asyncio
import contextlib
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core_bed import bed_setup, depression_40
from infusion_gateway.core.state import initial
from infusion_gateway.model.events import InstructionAccepted, InstructionRefused
from infusion_gateway.model.inputs import Instructed
from infusion_gateway.model.instructions import Instruction, PlaceOrder, TestAlarm
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.bed import UNRECORDED_AFTER_S, Bed, Reach
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.runtime.journal_store import Store
from integration.test_journal import Told

ORDER = PlaceOrder("c-1", "s-1", "depression-40", 70.0, 1.0, 52.5, 35.0, 2400 * SECOND, 35.0)


class Face:
    """Stands for what is shown: the answers, and when each was given."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, bool]] = []
        self.given = asyncio.Event()

    def answer(self, event: InstructionAccepted | InstructionRefused, *, kept: bool) -> None:
        self.answers.append((event.id, kept))
        self.given.set()

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_more: None


async def asked_while_it_hangs(directory: Path, instruction: Instruction, hang: threading.Event) -> Face:
    """Put an instruction to a bed; give what was answered once two patiences have passed."""
    clock, face = Clock(), Face()
    journal = Journal(directory, boot_id="boot", on_change=Told())
    await journal.open()
    reach = Reach(stop=lambda _d: None, set_dead_man=lambda _d, _s: None, decided=lambda _d, _n: None)
    quiet: Any = SimpleNamespace(recorded=lambda: None, moving=lambda _bed, _event: None)
    bed = Bed(
        initial(bed_setup(depression_40())),
        version="test",
        reach=reach,
        journal=journal,
        show=face,
        recorded=quiet.recorded,
        clock=clock,
        broken=None,
        moving=quiet.moving,
    )
    running = asyncio.create_task(bed.run(same_boot=True))
    bed.inbox.put(Instructed(instruction, "nurse-1", "i-1", ""))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(face.given.wait(), 2 * UNRECORDED_AFTER_S)
    hang.set()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(face.given.wait(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await journal.close()
    return face


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Give a disk whose writes return once this is set, and no sooner."""
    free, write = threading.Event(), Store.write

    def slow(self: Store, *given: Any) -> Any:
        free.wait(20)
        return write(self, *given)

    monkeypatch.setattr(Store, "write", slow)
    return free


async def test_what_needs_no_record_is_answered_though_the_disk_hangs(tmp_path: Path, hang: threading.Event) -> None:
    """Pins the answer in bounded time, said not to be recorded, while the disk says nothing at all."""
    face = await asked_while_it_hangs(tmp_path, TestAlarm(), hang)
    assert face.answers[0] == ("i-1", False)


async def test_what_must_not_be_lost_waits_for_the_disk(tmp_path: Path, hang: threading.Event) -> None:
    """Pins that an order is answered only once it is on record, however long that takes."""
    face = await asked_while_it_hangs(tmp_path, ORDER, hang)
    assert face.answers == [("i-1", True)]


async def test_on_a_disk_that_answers_it_is_recorded(tmp_path: Path, hang: threading.Event) -> None:
    """Pins that nothing changes where the disk answers: one answer, and recorded."""
    hang.set()
    face = await asked_while_it_hangs(tmp_path, TestAlarm(), hang)
    assert face.answers == [("i-1", True)]
