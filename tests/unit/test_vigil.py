"""The gateway's look at itself: what is measured and told, and when the watchdog is fed; time is passed in."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infusion_gateway.core.health import DAY, HELD_UP
from infusion_gateway.errors import JournalError
from infusion_gateway.model.health import Certificate
from infusion_gateway.model.inputs import BrokerChanged, ClockJumped, GateChanged, HealthChanged, Input, JournalChanged
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.health import TICK, Aside, Going, HeldUp, resident_bytes
from infusion_gateway.runtime.inbox import CAPACITY
from infusion_gateway.runtime.vigil import ANSWERS_WITHIN, CERTIFICATES_EVERY, MEANS_EVERY, MINDFUL, RETAIN_EVERY, Vigil

FINE = GateChanged("disk", open=True, why="")


class Rig:
    """A vigil over two beds that are as they should be, with a clock and a disk of the test's own."""

    def __init__(self) -> None:
        self.now: Nanos = 10_000 * SECOND
        self.utc: Nanos = 0
        self.told: list[Input] = []
        self.fed = 0
        self.kept = 0
        self.pruned: list[int] = []
        self.certificates: tuple[Certificate, ...] = ()
        self.read_times = 0
        self.memory = 60 * 2**20
        self.disk: Callable[[], GateChanged] = lambda: FINE
        self.clock = Clock(boottime=lambda: self.now, utc=lambda: self.utc + self.now)
        self.beds = {name: self.bed() for name in ("chair-1", "chair-2")}
        self.journal = SimpleNamespace(waiting=0, head=SimpleNamespace(sequence=7), retain=self.retain)
        self.publisher = SimpleNamespace(telling=SimpleNamespace(waiting=0), dropped=3)
        vigil: Any = Vigil  # of a journal and a publisher the fakes have what is looked at
        self.vigil: Vigil = vigil(
            self.clock,
            beds=lambda: self.beds,
            journal=self.journal,
            publisher=self.publisher,
            tell=self.tell,
            alive=self.feed,
            disk=lambda: self.disk(),  # noqa: PLW0108 - a test puts another disk in later
            certificates=self.read,
            each_second=self.keep,
            memory=lambda: self.memory,
        )

    def bed(self) -> Any:
        durable = SimpleNamespace(conditions={"a": SimpleNamespace(present=True), "b": SimpleNamespace(present=False)})
        return SimpleNamespace(
            inbox=Waiting(), broken=None, stepped_at=self.now, state=SimpleNamespace(durable=durable), alive_at=self.now
        )

    def tell(self, what: Input) -> None:
        self.vigil.note(what)
        self.told.append(what)

    def read(self) -> tuple[Certificate, ...]:
        self.read_times += 1
        return self.certificates

    def feed(self) -> None:
        self.fed += 1

    def keep(self) -> None:
        self.kept += 1

    async def retain(self, since: int) -> int:
        self.pruned.append(since)
        return 0

    def pass_time(self, seconds: float, *, deciding: tuple[str, ...] = ("chair-1", "chair-2")) -> None:
        """Let time pass by seconds, the watch waking each second and the loop as often as it should."""
        for turn in range(int(seconds)):
            for _ in range(SECOND // TICK):
                self.now += TICK
                self.vigil._held_up.woke(self.now)
            for name in deciding:
                self.beds[name].stepped_at = self.beds[name].alive_at = self.now
            self.vigil.turn(turn + 1)

    def healths(self) -> list[set[str]]:
        return [{t.code for t in what.troubles} for what in self.told if isinstance(what, HealthChanged)]


class Waiting:
    """An inbox in which so much waits."""

    def __init__(self) -> None:
        self.waiting = 0
        self.coalesced = 5

    def __len__(self) -> int:
        return self.waiting


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def settle() -> None:
    """Let what is ready in the loop run."""
    for _ in range(5):
        turned = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(turned.set_result, None)
        await turned


async def test_while_all_is_well_nothing_is_told_and_the_watchdog_is_fed_each_second(rig: Rig) -> None:
    """Pins that a gateway that is well feeds the watchdog every second and tells its beds nothing."""
    rig.pass_time(MEANS_EVERY - 1)
    assert rig.fed == rig.kept == MEANS_EVERY - 1
    assert not rig.told


async def test_one_bed_that_does_not_decide_starves_the_watchdog_and_is_named(rig: Rig) -> None:
    """Pins that a loop that turns while a bed does not step is not alive, from exactly three seconds on."""
    async with asyncio.TaskGroup() as group:
        tasks = tuple(group.create_task(asyncio.Event().wait(), name=f"bed {name}") for name in rig.beds)
        alive = tuple((lambda bed=bed: bed.alive_at, MINDFUL) for bed in rig.beds.values())
        rig.vigil.over(tasks, alive)  # type: ignore[arg-type]  # a task that waits for ever gives nothing
        rig.pass_time(10)
        rig.pass_time(2, deciding=("chair-2",))
        assert rig.fed == 12
        rig.pass_time(6, deciding=("chair-2",))
        assert rig.fed == 12
        assert rig.healths() == [{"gateway-part-silent"}]
        rig.pass_time(1)
        assert rig.fed == 13
        assert rig.healths()[-1] == set()
        for task in tasks:
            task.cancel()


async def test_a_bed_in_quarantine_does_not_starve_the_others(rig: Rig) -> None:
    """Pins that one bed's failure is its own: it decides nothing by intention, and the process lives."""
    rig.beds["chair-1"].broken = "planted"
    rig.pass_time(30, deciding=("chair-2",))
    assert rig.fed == 30


async def test_a_loop_that_was_held_up_is_told_once_and_over_after_ten_seconds(rig: Rig) -> None:
    """Pins that half a second and more in which nothing ran is seen wherever it lies, told once, and counted."""
    rig.pass_time(3)
    rig.now += SECOND
    rig.vigil.turn(4)
    assert rig.healths() == [{"gateway-slow"}]
    rig.pass_time(9)
    assert len(rig.healths()) == 1
    rig.pass_time(2)
    assert rig.healths()[-1] == set()
    assert rig.vigil.seen().held_up_times == 1


async def test_a_task_that_has_ended_is_told_though_nobody_misses_it(rig: Rig) -> None:
    """Pins that a line whose task came to an end is named at the next look."""
    task: Any = asyncio.create_task(settle(), name="line pump-line")
    await task
    rig.vigil.over((task,), ((lambda: rig.now, 15 * SECOND),))
    rig.pass_time(1)
    assert rig.healths() == [{"gateway-part-silent"}]
    assert "line pump-line has ended" in rig.vigil.seen().troubles[0].text


@pytest.mark.parametrize("full", ["inbox of chair-2", "journal", "outbox"])
async def test_each_queue_that_is_nearly_full_is_named(rig: Rig, full: str) -> None:
    """Pins that inboxes, the journal's queue and the outbox are each looked at against their own bound."""
    if full == "journal":
        rig.journal.waiting = 9_000
    elif full == "outbox":
        rig.publisher.telling.waiting = 450_000
    else:
        rig.beds["chair-2"].inbox.waiting = CAPACITY * 9 // 10
    rig.pass_time(1)
    assert rig.healths() == [{"queue-nearly-full"}]
    assert full in rig.vigil.seen().troubles[0].text


async def test_memory_is_looked_at(rig: Rig) -> None:
    """Pins that what the process holds is judged each second."""
    rig.memory = 400 * 2**20
    rig.pass_time(2)
    assert rig.healths() == [{"memory-high"}]


async def test_a_clock_that_was_set_is_told_and_counted(rig: Rig) -> None:
    """Pins the jump as an input of every bed, by how much, once."""
    rig.pass_time(1)
    rig.utc += 3600 * SECOND
    rig.pass_time(3)
    assert [what for what in rig.told if isinstance(what, ClockJumped)] == [ClockJumped(3600.0)]
    assert rig.vigil.seen().clock_jumps == 1


async def test_a_disk_that_does_not_answer_holds_nothing_up_and_is_told(rig: Rig) -> None:
    """Pins that the watch goes on and feeds the watchdog while a look at the disk hangs; its answer counts."""
    answers = threading.Event()

    def disk() -> GateChanged:
        answers.wait(10)
        return FINE

    rig.disk = disk
    rig.pass_time(MEANS_EVERY)
    rig.pass_time(ANSWERS_WITHIN // SECOND)
    assert FINE.gate not in {what.gate for what in rig.told if isinstance(what, GateChanged)}
    rig.pass_time(2 * MEANS_EVERY)
    (told,) = [what for what in rig.told if isinstance(what, GateChanged) and what.gate == "disk"]
    assert not told.open
    assert "does not answer" in told.why
    assert rig.fed == 3 * MEANS_EVERY + ANSWERS_WITHIN // SECOND
    assert rig.vigil.seen().gates["disk"] is False
    answers.set()
    async with asyncio.timeout(5):
        while rig.told[-1] != FINE:
            await settle()
    assert rig.vigil.seen().gates["disk"] is True


async def test_forgetting_what_is_old_never_holds_the_watch_up(rig: Rig) -> None:
    """Pins that retention runs beside the watch: a disk that hangs leaves the watchdog fed, and isn't asked twice."""
    asked = 0

    async def hang(_since: int) -> int:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        return 0

    rig.journal.retain = hang
    rig.now += RETAIN_EVERY
    for _ in range(2):
        rig.pass_time(3)
        await settle()
        rig.now += RETAIN_EVERY
    assert asked == 1
    assert rig.fed == 6


async def test_a_journal_that_can_not_forget_is_no_reason_to_end(rig: Rig) -> None:
    """Pins that retention's failure is logged and tried again an hour later."""

    async def fail(since: int) -> int:
        rig.pruned.append(since)
        raise JournalError("full")

    rig.journal.retain = fail
    for _ in range(2):
        rig.pass_time(2)
        await settle()
        rig.now += RETAIN_EVERY + SECOND
    assert len(rig.pruned) == 2


async def test_what_is_seen_is_what_is_there(rig: Rig) -> None:
    """Pins each figure of a look: beds, gates, broker, journal, what was dropped."""
    rig.tell(BrokerChanged(connected=True, listeners=True))
    rig.tell(JournalChanged(kept=False, why="disk full"))
    rig.tell(GateChanged("clock", open=False, why="no"))
    rig.beds["chair-2"].broken = "planted"
    rig.pass_time(1)
    seen = rig.vigil.seen()
    assert (seen.broker_connected, seen.journal_kept, seen.journal_head, seen.dropped) == (True, False, 7, 3)
    assert seen.gates == {"clock": False}
    assert {name: (bed.quarantined, bed.conditions, bed.coalesced) for name, bed in seen.beds.items()} == {
        "chair-1": (False, 1, 5),
        "chair-2": (True, 1, 5),
    }
    assert seen.health.memory_bytes == rig.memory
    assert [queue.name for queue in seen.health.queues] == [
        "inbox of chair-1", "inbox of chair-2", "journal", "outbox",
    ]  # fmt: skip


async def test_the_watch_itself_looks_at_the_means_at_once(rig: Rig) -> None:
    """Pins that clock and disk are looked at before a second is over, and that starting is no standing still."""
    rig.now += 12 * SECOND  # a start that took long is no standing still
    task = asyncio.create_task(rig.vigil.run())
    async with asyncio.timeout(5):
        while len(rig.told) < 2:
            await settle()
    assert {what.gate for what in rig.told if isinstance(what, GateChanged)} == {"clock", "disk"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert rig.vigil.seen().held_up_times == 0


async def test_certificates_are_read_at_the_start_at_each_connection_and_every_hour(rig: Rig) -> None:
    """Pins when the files are read, that their end is told and in the figures, and that a renewed one is over."""

    async def read(times: int) -> None:
        async with asyncio.timeout(5):
            while rig.read_times < times or rig.vigil._reading.since is not None:
                await settle()

    rig.certificates = (Certificate("the gateway's", DAY, "2026-12-01"),)
    task = asyncio.create_task(rig.vigil.run())
    await read(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    rig.told.clear()
    rig.pass_time(2)
    assert rig.healths() == [{"certificate-ending"}]
    assert rig.vigil.seen().health.certificates == rig.certificates
    rig.certificates = ()
    rig.tell(BrokerChanged(connected=True, listeners=True))
    rig.tell(BrokerChanged(connected=True, listeners=False))
    rig.pass_time(1)
    await read(2)
    rig.pass_time(1)
    assert rig.healths() == [{"certificate-ending"}, set()]
    rig.tell(BrokerChanged(connected=False, listeners=None))
    rig.pass_time(2)
    assert rig.read_times == 2
    for turn in (CERTIFICATES_EVERY - 1, CERTIFICATES_EVERY):
        rig.vigil.turn(turn)
    await read(3)


async def test_a_connection_made_while_certificates_are_read_is_not_forgotten(rig: Rig) -> None:
    """Pins that the broker's certificate, shown while a slow disk still gives the others, is looked at after that."""
    rig.vigil._reading.since = rig.now
    rig.tell(BrokerChanged(connected=True, listeners=True))
    rig.pass_time(3)
    assert rig.read_times == 0
    rig.vigil._reading.since = None
    rig.pass_time(1)
    async with asyncio.timeout(5):
        while not rig.read_times:
            await settle()


def test_held_up_is_what_a_waking_is_late_by() -> None:
    """Pins the arithmetic: on time is nothing, late is how late, the longest counts until asked, and now counts too."""
    held = HeldUp(0)
    held.woke(TICK)
    held.woke(2 * TICK + 300_000_000)
    held.woke(3 * TICK + 300_000_000)
    assert held.take(3 * TICK + 300_000_000) == 300_000_000
    assert held.take(3 * TICK + 300_000_000) == 0
    assert held.take(4 * TICK + 300_000_000 + HELD_UP + 1) == HELD_UP + 1, "what goes on right now"
    assert held.times == 1
    held.woke(5 * TICK + 300_000_000 + HELD_UP + 1)
    assert held.times == 1, "and it is not counted twice"


async def test_a_part_is_silent_since_it_last_did_something() -> None:
    """Pins silence by the part's own word, never below nothing."""
    task: Any = asyncio.create_task(asyncio.Event().wait(), name="publisher")
    going = Going(task, lambda: 5 * SECOND, 90 * SECOND)
    assert going.part(8 * SECOND).silent == 3 * SECOND
    assert going.part(4 * SECOND).silent == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert going.part(8 * SECOND).silent is None


def test_memory_is_measured(tmp_path: Path) -> None:
    """Pins the real figure as one a Python process has; where it can't be read the most ever held stands for it."""
    here = resident_bytes()
    assert 10 * 2**20 < here < 4 * 2**30
    assert resident_bytes(tmp_path / "none") >= here * 0.9
    (tmp_path / "statm").write_text("nonsense\n")
    assert resident_bytes(tmp_path / "statm") >= here * 0.9
    (tmp_path / "statm").write_text("100 3 1 1 0 1 0\n")
    assert resident_bytes(tmp_path / "statm") in {3 * 4096, 3 * 16384, 3 * 65536}


async def test_a_look_that_has_not_come_back_is_not_begun_again() -> None:
    """Pins one thread at a time, and that the answer is handed over in the loop."""
    answers, begun, taken = threading.Event(), [], []

    def look() -> str:
        begun.append(threading.current_thread().name)
        answers.wait(10)
        return "seen"

    aside = Aside(look, lambda found: taken.append((found, threading.current_thread())))
    aside.begin(SECOND)
    aside.begin(2 * SECOND)
    assert aside.since == SECOND
    answers.set()
    async with asyncio.timeout(5):
        while not taken:
            await settle()
    assert begun == ["aside"]
    assert taken == [("seen", threading.main_thread())]
    assert aside.since is None
