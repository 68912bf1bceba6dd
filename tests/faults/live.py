"""A whole bed as processes (broker, simulators, gateway), a witness beside it, and a nurse who always goes on."""

import asyncio
import contextlib
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from faults.witness import Witness
from infusion_gateway.config.load import load
from infusion_gateway.demo.scenario import read
from infusion_gateway.demo.script import ask as ask_simulator
from infusion_gateway.demo.stage import Stage
from infusion_gateway.errors import BrokerError, JournalError, LinkError
from infusion_gateway.model.events import (
    CaseConfirmed,
    CaseOrdered,
    ConditionCleared,
    InfusionStarted,
    InstructionAccepted,
)
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
from infusion_gateway.wire.records import Record, Unreadable
from infusion_gateway.wire.topics import Topics

BED = "chair-1"
SITE, GATEWAY = "demo", "gateway-1"
SCENARIO = Path(__file__).with_name("session.toml")
PATIENCE_S = 2.5
TURN_S = 0.4
LONGEST: Nanos = (60 + 8 + 15 + 3) * SECOND
"""From T0 a pump may run so long, whatever breaks: the ordered minute, test-short's grace, its dead man, and a look."""
LONGEST_START: Nanos = 5 * SECOND
"""A pump that is started runs so long before its T0 is found."""
FOR_EVER: Nanos = 1 << 62
TOLERANCE_S = 0.25
"""An end is told in UTC, from a wall clock that is read anew by each process."""


@dataclass
class Found:
    """What came of it; `wrong` empty: nothing lost, nothing invented, every deadline kept."""

    recorded: int = 0
    heard: int = 0
    repeats: int = 0
    lost: int = 0
    invented: int = 0
    accepted: int = 0
    sessions: int = 0
    wrong: list[str] = field(default_factory=list)


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
        self._broker: Any = None

    async def open(self) -> None:
        """Start everything; the witness hears the gateway's first word."""
        await self.stage.start("broker")
        self.witness = Witness(SITE, GATEWAY, self.stage.broker_port)
        await self._rest()
        self._broker = load(self.stage.config).broker

    async def _rest(self) -> None:
        stage = self.stage
        start = stage.start

        async def once(name: str) -> None:
            if name != "broker":
                await start(name)

        stage.start = once  # type: ignore[method-assign]  # the broker runs already
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
        """Ask under one id until it is answered; false where it was refused, or nobody answered in time."""
        identity, until = uuid.uuid4().hex, time.monotonic() + within_s
        while time.monotonic() < until:
            answer = await self.ask(what, by, identity)
            if answer is not None:
                return answer.outcome == "accepted"
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
        """Wait until the witness has all that is on record, or the time is over."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            with contextlib.suppress(JournalError):
                records = list(Reader(self.state).records())
                if records and self.witness and not self.witness.missing(_published(records)):
                    return
            await asyncio.sleep(TURN_S)

    def judge(self) -> Found:
        """Hold the record against what the witness heard and what people were answered."""
        assert self.witness is not None
        found, witness = Found(), self.witness
        reader = Reader(self.state)
        try:
            reader.verify()
        except JournalError as error:
            found.wrong.append(str(error))
        found.wrong += [f"set aside: {p.name}" for p in self.journals()[:-1]]
        records = list(reader.records())
        published = _published(records)
        lost = witness.missing(published)
        invented = set(witness.events) - set(published)
        found.recorded, found.heard, found.repeats = len(published), len(witness.events), witness.repeats
        found.lost, found.invented, found.accepted = len(lost), len(invented), len(self.accepted)
        found.wrong += [f"never heard: {one}" for one in lost[:5]]
        found.wrong += [f"not on record: {one}" for one in sorted(invented)[:5]]
        found.wrong += witness.wrong[:5]
        found.wrong += self._answers(records) + self._once(records) + self._deadlines(records) + self._alarms(records)
        found.sessions = sum(isinstance(r.event, InfusionStarted) for r in records)
        return found

    def _answers(self, records: list[Record]) -> list[str]:
        """Hold what was answered as accepted against the record: each is there, each once."""
        there = Counter(r.event.id for r in records if isinstance(r.event, InstructionAccepted))
        wrong = [f"{name} was answered and is not on record" for one, name in self.accepted.items() if not there[one]]
        return wrong + [f"instruction {one} is on record {n} times" for one, n in there.items() if n > 1]

    @staticmethod
    def _once(records: list[Record]) -> list[str]:
        """Say which things that can happen once in a case are on record twice."""
        wrong, case = [], ""
        happened: Counter[tuple[str, type]] = Counter()
        for record in records:
            if isinstance(record.event, Unreadable):
                wrong.append(f"row {record.sequence} can't be read")
            if isinstance(record.event, CaseOrdered):
                case = record.event.case
            if isinstance(record.event, CaseOrdered | CaseConfirmed | InfusionStarted):
                happened[case, type(record.event)] += 1
        return wrong + [f"{kind.__name__} twice in case {of}" for (of, kind), n in happened.items() if n > 1]

    def _deadlines(self, records: list[Record]) -> list[str]:
        """Say where a case's end, as everybody was told it, is another than the one on record at T0."""
        assert self.witness is not None
        told: dict[str, set[str]] = {}
        for _, session in self.witness.sessions:
            if session["ends_at"] is not None:
                told.setdefault(session["case"], set()).add(session["ends_at"])
        wrong, case = [], ""
        started = [r.event.t0 for r in records if isinstance(r.event, InfusionStarted)]
        for t0, following in zip(started, [*started[1:], FOR_EVER], strict=False):
            late = [at for at, runs in self.truth if runs and t0 + LONGEST < at < following - LONGEST_START]
            wrong += [f"the pump ran {(max(late) - t0) / SECOND:.1f} s after T0"] if late else []
        for record in records:
            if isinstance(record.event, CaseOrdered):
                case = record.event.case
            if isinstance(record.event, InfusionStarted):
                length = (record.event.ends_at - record.event.t0) / SECOND
                spread = _spread(told.get(case, set()))
                if length != order(1).duration / SECOND or spread > TOLERANCE_S:
                    wrong.append(f"case {case}: {length:g} s from T0 to its end, which was told {spread:.3f} s apart")
        return wrong

    def _alarms(self, records: list[Record]) -> list[str]:
        """Say which alarm lost its acknowledgement, or was gone without having ended."""
        assert self.witness is not None
        wrong: list[str] = []
        cleared = Counter(r.event.code for r in records if isinstance(r.event, ConditionCleared))
        gone: Counter[str] = Counter()
        before: dict[str, dict[str, Any]] = {}
        for _, message in self.witness.alarms:
            now = {a["instance"]: a for a in message["alarms"] if a["kind"] == "physiological"}
            for instance, alarm in before.items():
                again = now.get(instance)
                gone[alarm["code"]] += again is None
                if again and alarm["acknowledged_by"] and again["priority"] == alarm["priority"]:
                    wrong += [] if again["acknowledged_by"] else [f"{alarm['code']} lost its acknowledgement"]
            before = now
        return wrong + [f"{code} was gone {n} times" for code, n in gone.items() if n > cleared[code]]


def order(number: int) -> PlaceOrder:
    """Give an order for a minute."""
    return PlaceOrder(f"case-{number}", f"s-{number}", "test-short", 70.0, 1.0, 30.0, 0.5, 60 * SECOND, 0.5)


def _name(what: Instruction) -> str:
    return next(word for word, cls in NAMES.items() if cls is type(what))


def _published(records: list[Record]) -> list[str]:
    return [record.id for record in records if record.bed_sequence is not None]


def _spread(stamps: set[str]) -> float:
    times = [datetime.fromisoformat(one).timestamp() for one in stamps]
    return max(times) - min(times) if times else 0.0
