"""The gateway's own process from inside: one bed's failure is its own; what is on record is what it believes."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from infusion_gateway.config.load import load
from infusion_gateway.core import step as core_step
from infusion_gateway.core.state import fold
from infusion_gateway.demo.scenario import Scenario
from infusion_gateway.demo.script import ask
from infusion_gateway.demo.stage import Process, Stage, configuration
from infusion_gateway.model.events import BedQuarantined, CaseMoved, CaseReceived, MoveAsked
from infusion_gateway.model.inputs import Instructed
from infusion_gateway.model.instructions import Confirm, Hold, Move, PlaceOrder
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import Phase
from infusion_gateway.runtime import bed as bed_module
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.gateway import Gateway
from infusion_gateway.runtime.journal_store import Reader
from infusion_gateway.station import client
from infusion_gateway.wire.records import Unreadable
from infusion_gateway.wire.topics import Topics

pytestmark = [pytest.mark.slow(20), pytest.mark.timeout(120)]


def two_beds() -> Scenario:
    devices: list[dict[str, Any]] = []
    for n in (1, 2):
        bed = f"chair-{n}"
        pump = {"rate_ml_h": 30.0}
        devices += [
            {
                "id": "pump",
                "bed": bed,
                "dialect": "ne1000",
                "wire": "pty",
                "line": f"pump-{n}",
                "address": n,
                "set": pump,
            },
            {"id": "oximeter", "bed": bed, "dialect": "nonin_oem3", "wire": "pty", "line": f"oximeter-{n}"},
        ]
    table = {
        "schema": 1,
        "name": "two-beds",
        "title": "Two beds",
        "device": devices,
        "expect": [{"name": "none", "complete": True}],
        "end": {"at": "60 s"},
    }
    return Scenario.model_validate(table)


class Rig:
    """Two beds on real ptys with a real broker and a listening station; the gateway in this very process."""

    def __init__(self, directory: Path) -> None:
        self.stage = Stage(two_beds(), directory, seed=1, wire_log=None)
        self.stage.gateway = Process("gateway", ["true"], directory / "none.log", None)
        self.end = asyncio.Event()
        self.tasks: list[asyncio.Task[Any]] = []

    async def open(self) -> None:
        await self.stage.open()
        self.stage.config.write_text(configuration(self.stage))
        settings = load(self.stage.config)
        self.gateway = Gateway(settings, version="test", clock=Clock(), wire_log=None)
        self.tasks.append(asyncio.create_task(self.gateway.run(self.end)))
        topics = Topics(settings.gateway.site, settings.gateway.name)
        hear = client.listen(
            settings.broker,
            topics,
            station="test-station",
            utc_ns=time.time_ns,
            take=lambda _topic, _payload: None,
            seen=lambda: b'{"time": "", "seen": []}',
        )
        self.tasks.append(asyncio.create_task(hear))
        await self.until(lambda: len(self.gateway.beds) == 2, "the beds")

    async def close(self) -> None:
        self.end.set()
        for task in self.tasks[1:]:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.stage.close()

    async def until(self, holds: Callable[[], bool], what: str, seconds: float = 20, every: float = 0.01) -> float:
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
            await asyncio.sleep(every)
        return time.monotonic() - began

    async def truth(self, bed: str) -> dict[str, Any]:
        device = next(d for d in self.stage.scenario.device if d.bed == bed and d.id == "pump")
        return await ask(self.stage.control(device), "GET", "/state", None)

    async def infuse(self, bed: str) -> None:
        """Order, confirm, start, and wait until the session runs."""
        supervised = self.gateway.beds[bed]
        asked = [
            ("nurse-1", PlaceOrder(bed, "s-1", "test-short", 70.0, 1.0, 30.0, 0.5, 60 * SECOND, 0.5)),
            ("nurse-2", Confirm(70.0, 1.0)),
        ]

        def ready() -> bool:
            for by, instruction in asked:
                supervised.inbox.put(Instructed(instruction, by, f"{bed}-{by}-{time.monotonic()}", ""))
            return supervised.state.durable.phase is Phase.ARMED

        await self.until(ready, f"{bed} armed", every=0.3)
        device = next(d for d in self.stage.scenario.device if d.bed == bed and d.id == "pump")
        await ask(self.stage.control(device), "POST", "/press", {"key": "start"})
        await self.until(lambda: supervised.state.durable.phase is Phase.INFUSING, f"{bed} infusing")

    async def hold(self, bed: str) -> float:
        """Ask for a hold; give the seconds until the pump has truly stopped."""
        began = time.monotonic()
        self.gateway.beds[bed].inbox.put(Instructed(Hold("test"), "nurse-1", f"hold-{began}", ""))
        while (await self.truth(bed))["delivery"] != "stopped":
            assert time.monotonic() - began < 10, "not stopped"
        return time.monotonic() - began


@contextlib.asynccontextmanager
async def rig(directory: Path) -> AsyncIterator[Rig]:
    made = Rig(directory)
    try:
        await made.open()
        yield made
    finally:
        await made.close()


@pytest.mark.requirement("S41")
async def test_a_broken_bed_is_quarantined_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins quarantine: an invariant broken in one bed stops its pump, is on record, and leaves the other as quick."""
    planted = False

    def step(state: Any, given: Any, now: int) -> Any:
        assert not (planted and state.setup.bed == "chair-1"), "planted"
        return core_step.step(state, given, now)

    monkeypatch.setattr(bed_module, "step", step)
    async with rig(tmp_path) as made:
        await made.infuse("chair-1")
        await made.infuse("chair-2")
        planted = True
        await made.until(lambda: made.gateway.beds["chair-1"].broken is not None, "quarantine")
        began = time.monotonic()
        while (await made.truth("chair-1"))["delivery"] != "stopped":
            assert time.monotonic() - began < 5, "the broken bed's pump goes on"
        assert made.gateway.beds["chair-2"].broken is None
        assert (await made.truth("chair-2"))["delivery"] == "infusing"
        beside_broken = await made.hold("chair-2")
        assert beside_broken < 1.0
        assert not made.tasks[0].done(), "one bed took the process with it"
    records = list(made.gateway.journal.records("chair-1"))
    assert [r for r in records if isinstance(r.event, BedQuarantined)]
    sys.stdout.write(f"stop of the healthy bed beside a quarantined one: {beside_broken * 1000:.0f} ms\n")


async def test_what_is_on_record_is_what_the_bed_believes(tmp_path: Path) -> None:
    """Pins that the journal's fold is the durable state, and that the machine is told of a session, also after us."""
    async with rig(tmp_path) as made:
        mark = made.gateway._settings.gateway.session_mark
        assert not mark.exists()
        await made.infuse("chair-1")
        await made.until(lambda: mark.exists() and mark.read_text() == "bed chair-1: infusing\n", "the mark", seconds=3)
        await made.hold("chair-1")
        bed = made.gateway.beds["chair-1"]
        await made.until(lambda: bed.state.durable.phase is Phase.PAUSED, "paused")

        def same() -> bool:
            durable = bed.state.durable
            records = list(made.gateway.journal.records("chair-1"))
            return fold((r.at, r.event) for r in records if not isinstance(r.event, Unreadable)) == durable

        await made.until(same, "the fold is the durable state", seconds=5)
    assert mark.read_text().startswith("bed chair-1: "), "a session outlives the gateway"


async def test_a_case_moves_to_another_bed(tmp_path: Path) -> None:
    """Pins the move in the running process: on record at the second bed before it is gone from the first."""
    async with rig(tmp_path) as made:
        await made.infuse("chair-1")
        one, other = (made.gateway.beds[name] for name in ("chair-1", "chair-2"))
        await made.until(lambda: one.state.durable.account.delivered_ml > 0, "something is given")
        await made.hold("chair-1")

        def still() -> bool:
            stop = one.state.durable.stop
            return one.state.durable.phase is Phase.PAUSED and stop is not None and not stop.provisional

        await made.until(still, "zero flow confirmed for good")
        case = one.state.durable.case
        assert case is not None
        one.inbox.put(Instructed(Move("chair-2", "test"), "nurse-1", "move-1", ""))
        await made.until(lambda: one.state.durable.phase is Phase.IDLE, "the first bed is free")
        arrived = other.state.durable.case
        assert arrived is not None
        assert (arrived.id, arrived.came_from, other.state.durable.phase) == (case.id, "chair-1", Phase.PAUSED)

        def kept(bed: str, kind: type) -> list[int]:
            return [r.sequence for r in made.gateway.journal.records(bed) if isinstance(r.event, kind)]

        await made.until(lambda: bool(kept("chair-1", CaseMoved)), "the move on record")
        assert kept("chair-1", MoveAsked)[0] < kept("chair-2", CaseReceived)[0] < kept("chair-1", CaseMoved)[0]
        durable = other.state.durable
        assert durable.account.delivered_ml > 0


@pytest.mark.requirement("S37", "S41")
async def test_a_mind_that_is_stuck_lets_the_pump_stop_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the dead man's feeding on real wires: the bed's task stuck, lines alive, the pump stops by its own."""
    async with rig(tmp_path) as made:
        await made.infuse("chair-1")
        bed = made.gateway.beds["chair-1"]
        await made.until(lambda: bool(bed.state.live.pump and bed.state.live.pump.dead_man_s), "dead man read back")
        stuck = asyncio.Event()
        monkeypatch.setattr(bed.inbox, "wait", lambda _seconds: stuck.wait())
        began = time.monotonic()
        while (state := await made.truth("chair-1"))["delivery"] != "stopped":
            assert time.monotonic() - began < 40, "a stuck mind kept the pump running"
            await asyncio.sleep(0.2)
        assert state["stopped_by"] == "dead_man"


async def test_a_damaged_record_is_never_taken_for_an_idle_bed(tmp_path: Path) -> None:
    """Pins that a gateway whose journal can't be read any more stops what runs, and does not take it for nobody's."""
    async with rig(tmp_path) as made:
        await made.infuse("chair-1")
        made.end.set()
        await made.tasks[0]
        settings = load(made.stage.config)
        [file] = settings.gateway.state_directory.glob("journal.db")
        file.write_bytes(b"no journal any more" * 1000)
        assert (await made.truth("chair-1"))["delivery"] == "infusing"
        made.gateway = Gateway(settings, version="test", clock=Clock(), wire_log=None)
        made.end.clear()
        made.tasks[0] = asyncio.create_task(made.gateway.run(made.end))
        began = time.monotonic()
        while (await made.truth("chair-1"))["delivery"] != "stopped":
            assert time.monotonic() - began < 10, "a session that is not on record any more goes on"
        assert "lost" in (made.gateway.beds["chair-1"].broken or "")
        [aside] = settings.gateway.state_directory.glob("journal.db.corrupt-*")
        assert aside.read_bytes().startswith(b"no journal any more"), "the old one is kept as it was"
        first = next(Reader(settings.gateway.state_directory).records())
        assert isinstance(first.event, BedQuarantined)
        assert aside.name in first.event.reason, "the new one begins with where the old one is"
