"""A whole bed as processes (broker, simulators, gateway), a witness beside it, and a nurse who always goes on."""

import asyncio
import contextlib
import time
import uuid
from pathlib import Path
from typing import Any

from faults.judging import Found, judged, published
from faults.witness import Witness
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.demo.scenario import read
from infusion_gateway.demo.script import ask as ask_simulator
from infusion_gateway.demo.stage import Stage
from infusion_gateway.errors import BrokerError, JournalError, LinkError
from infusion_gateway.model.instructions import (
    NAMES,
    Acknowledge,
    Assess,
    Close,
    Confirm,
    Instruction,
    PermitResume,
    PlaceOrder,
    Score,
)
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.journal_store import FILE, Reader
from infusion_gateway.station import client
from infusion_gateway.wire.asking import Answer, write_instruction
from infusion_gateway.wire.topics import Topics

BED = "chair-1"
SITE, GATEWAY = "demo", "gateway-1"
SCENARIO = Path(__file__).with_name("session.toml")
PATIENCE_S = 2.5
TURN_S = 0.4


class Live:
    """One bed in a directory. prepare: what is done to the state directory before the gateway first starts."""

    def __init__(self, directory: Path, *, seed: int) -> None:
        self.stage = Stage(read(SCENARIO), directory, seed=seed, wire_log=None)
        self.state = directory / "state"
        self.witness: Witness | None = None
        self.accepted: dict[str, str] = {}
        self.truth: list[tuple[Nanos, bool]] = []
        self.cases = 0
        self._topics = Topics(SITE, GATEWAY)
        self._devices = {d.id: d for d in self.stage.scenario.device}
        self.through = 0
        self.told_through: int | None = None
        self._broker: BrokerSettings

    async def open(self) -> None:
        """Start everything; the witness hears the gateway's first word. `through`: a proxy's port, for the broker's."""
        stage = self.stage
        if stage.broker is None:
            await stage.start("broker")
        assert stage.broker is not None
        self.witness = Witness(SITE, GATEWAY, stage.broker_port)
        self._broker = BrokerSettings("127.0.0.1", stage.broker_port, False, False, None, None, None, None, None)
        if self.through:
            stage.broker.url = f"mqtt://127.0.0.1:{self.through}"
        start, stage.start = stage.start, _started  # type: ignore[method-assign]  # the broker runs already
        try:
            await stage.open()
        finally:
            stage.start = start  # type: ignore[method-assign]

    async def phase(self, wanted: str, within_s: float) -> None:
        """Wait until the bed is in this phase; AssertionError where it isn't in time."""
        until = time.monotonic() + within_s
        while (is_now := self.witness.session.get("phase") if self.witness else None) != wanted:
            assert time.monotonic() < until, f"not {wanted} within {within_s:g} s, but {is_now}"
            await asyncio.sleep(TURN_S / 4)

    async def close(self) -> None:
        """End everything."""
        await self.stage.close()
        if self.witness is not None:
            self.witness.close()

    async def simulator(self, device: str, method: str, path: str, **body: object) -> dict[str, Any]:
        """Talk to a simulator's control; empty where it doesn't answer."""
        with contextlib.suppress(LinkError, KeyError):
            return await ask_simulator(self.stage.control(self._devices[device]), method, path, body or None)
        return {}

    async def ask(self, what: Instruction, by: str = "nurse-1", identity: str = "") -> Answer | None:
        """Ask once; None: nobody answered, or there is no broker. What was accepted and recorded is remembered."""
        identity = identity or uuid.uuid4().hex
        name = _name(what)
        payload = write_instruction(what, by=by, identity=identity, case="", station="desk-1", utc_ns=time.time_ns())
        answer = None
        with contextlib.suppress(BrokerError):
            answer = await client.ask(
                self._broker, self._topics, station="desk-1", bed=BED, name=name, identity=identity, payload=payload,
                patience_s=PATIENCE_S,
            )  # fmt: skip
        if answer is not None and answer.outcome == "accepted":
            self.accepted[identity] = name
        return answer

    async def surely(self, what: Instruction, by: str = "nurse-1", within_s: float = 20.0) -> bool:
        """Ask under one id until it is answered; false where it was refused, or nobody answered in time.

        Done without a record counts: it is answered so where the disk takes longer than a second.
        """
        identity, until = uuid.uuid4().hex, time.monotonic() + within_s
        while time.monotonic() < until:
            answer = await self.ask(what, by, identity)
            if answer is not None:
                return answer.outcome != "refused"
            await asyncio.sleep(TURN_S)
        return False

    async def nurse(self) -> None:
        """Keep sessions going for ever: order, confirm, start, acknowledge, permit, close."""
        while True:
            await asyncio.sleep(TURN_S)
            match (self.witness.session if self.witness else {}).get("phase"):
                case "idle" | "closed" | "aborted":
                    self.cases += 1
                    await self.ask(order(self.cases))
                case "ordered":
                    await self.ask(Confirm(70.0, 1.0), by="nurse-2")
                case "armed":
                    await self.simulator("pump", "POST", "/press", key="start")
                    await asyncio.sleep(2 * TURN_S)
                case "paused":
                    await self.ask(PermitResume("looked at"))
                    await self.simulator("pump", "POST", "/press", key="start")
                case "completed" | "stopped" | "recovery":
                    await self.ask(Close("the next one waits"))
                case "infusing":
                    await self._look_after()

    async def _look_after(self) -> None:
        """Acknowledge what sounds, else enter how the patient is."""
        shown = self.witness.alarms[-1][1]["alarms"] if self.witness and self.witness.alarms else []
        new = next((a["code"] for a in shown if a["signal"] != "acknowledged"), None)
        await self.ask(Acknowledge(new) if new is not None else Assess(((Score.NAUSEA, 1.0),), (), 0))

    async def watch_pump(self) -> None:
        """Look for ever at what the simulated pump really does."""
        while True:
            state = await self.simulator("pump", "GET", "/state")
            if state:
                self.truth.append((time.clock_gettime_ns(time.CLOCK_BOOTTIME), state["delivery"] != "stopped"))
            await asyncio.sleep(TURN_S)

    def journals(self) -> list[Path]:
        """Give every journal of this bed, the present one last: files set aside are read as they are."""
        aside = sorted(p for p in self.state.glob(f"{FILE}.*") if not p.name.endswith(("-wal", "-shm")))
        return [*aside, self.state / FILE]

    async def told(self, within_s: float) -> None:
        """Wait until the witness has all that is on record by then, or the time is over.

        What is recorded while the gateway ends afterwards goes out at its next start: it is not looked for.
        """
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            with contextlib.suppress(JournalError):
                records = list(Reader(self.state).records())
                if records and self.witness and not self.witness.missing(published(records)):
                    self.told_through = records[-1].sequence
                    return
            await asyncio.sleep(TURN_S)

    def judge(self, *, stepped: bool = False) -> Found:
        """Hold the record against what the witness heard, people were answered, and the pump did.

        stepped: the wall clock was set meanwhile, so that times of day say nothing of a deadline.
        """
        assert self.witness is not None
        return judged(self.state, self.witness, self.accepted, self.truth, through=self.told_through, stepped=stepped)


async def _started(_name: str) -> None:
    """Stand for a start of what runs."""


def order(number: int) -> PlaceOrder:
    """Give an order for a minute."""
    return PlaceOrder(f"case-{number}", f"s-{number}", "test-short", 70.0, 1.0, 30.0, 0.5, 60 * SECOND, 0.5)


def _name(what: Instruction) -> str:
    return next(word for word, cls in NAMES.items() if cls is type(what))
