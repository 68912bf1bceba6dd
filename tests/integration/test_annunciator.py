"""The bed's own alarm as a process: no broker, no station; pumps that refuse and lie; a gateway that hangs and ends."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hindrance import Hindrance
from infusion_gateway.config.load import load
from infusion_gateway.config.protocols import load as load_protocol
from infusion_gateway.config.protocols import shipped
from infusion_gateway.demo import stage as stage_module
from infusion_gateway.demo.scenario import Scenario
from infusion_gateway.demo.script import ask
from infusion_gateway.demo.stage import Stage
from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import ConditionCleared, ConditionRaised, StopAsked, StopConfirmed
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.journal_store import Reader
from infusion_gateway.station import client
from infusion_gateway.wire.topics import Topics

pytestmark = [pytest.mark.slow(20), pytest.mark.timeout(150)]

PLAYER = """#!/bin/sh
test -e {broken} && {{ echo "no such device" >&2; exit 3; }}
echo "$(date +%s.%N) $1 $(stat -c %s "$2")" >> {played}
exec sleep 0.2
"""
CONSOLE = re.compile(r"^(\S+Z) chair-1 (?:(quiet)|!+ (HIGH|MEDIUM|LOW) (\w+), (\S+) light: (.*))$", re.MULTILINE)
PATIENCE_S = 40.0
"""How long something may take until the test gives up; what is promised is held to its figure beside it."""


def figures(said: str) -> None:
    """Print what was measured."""
    sys.stdout.write(f"{said}\n")


def one_bed(rate: float) -> Scenario:
    """Give a bed with a pump and an oximeter, as the demo would play it."""
    pump = {"id": "pump", "dialect": "ne1000", "wire": "pty", "line": "pump", "address": 1, "set": {"rate_ml_h": rate}}
    oximeter = {"id": "oximeter", "dialect": "nonin_oem3", "wire": "pty", "line": "oximeter"}
    table = {"schema": 1, "name": "one-bed", "title": "One bed", "device": [pump, oximeter]}
    return Scenario.model_validate(table | {"expect": [{"name": "none", "complete": True}], "end": {"at": "60 s"}})


class Rig:
    """One bed on real wires, every process its own; what the annunciator said and played, read from its files."""

    def __init__(self, directory: Path, rate: float) -> None:
        self.rate = rate
        self.stage = Stage(one_bed(rate), directory, seed=1, wire_log=None, announced=True)
        self.played = directory / "played"
        self.broken = directory / "broken"
        self.player = directory / "player"
        self.player.write_text(PLAYER.format(broken=self.broken, played=self.played))
        self.player.chmod(0o755)

    @property
    def annunciator(self) -> stage_module.Process:
        assert self.stage.annunciator is not None
        return self.stage.annunciator

    def lines(self) -> list[tuple[float, str, str]]:
        """Give what the console said: when (UTC), the priority or "quiet", and the text."""
        found = CONSOLE.findall(self.annunciator.log.read_text())
        return [(datetime.fromisoformat(at).timestamp(), level or "quiet", text) for at, _, level, _, _, text in found]

    def bursts(self) -> list[tuple[float, str]]:
        """Give what was played: when (UTC), and which priority."""
        text = self.played.read_text() if self.played.exists() else ""
        return [(float(at), which) for at, which, _ in (line.split() for line in text.splitlines())]

    def records(self, kind: type[Any]) -> list[tuple[float, Any]]:
        """Give the events of a kind that are on record, with their times (UTC)."""
        try:
            found = list(Reader(self.stage.directory / "state").records("chair-1", 0))
        except JournalError:  # it is just being made
            return []
        return [(record.utc_ns / SECOND, record.event) for record in found if isinstance(record.event, kind)]

    async def until(self, holds: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> float:
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}; {self.lines()[-5:]}"
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def told(self, level: str, words: str, since: float) -> float:
        """Wait until the console says so; give when it did."""

        def found() -> list[float]:
            return [at for at, said, text in self.lines() if at >= since and said == level and words in text]

        await self.until(found, f"{level} {words}")
        return found()[0]

    async def heard(self, level: str, since: float) -> float:
        """Wait until a burst of this priority was played; give when."""

        def found() -> list[float]:
            return [at for at, which in self.bursts() if which == level and at >= since]

        await self.until(found, f"a {level} burst")
        return found()[0]

    async def pump(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        return await ask(self.stage.control(self.stage.scenario.device[0]), method, path, body or None)

    async def instruct(self, name: str, by: str, **arguments: Any) -> str:
        """Ask over MQTT as a station does; give the outcome."""
        settings = load(self.stage.config)
        identity = uuid.uuid4().hex
        body = {"id": identity, "by": by, "station": "desk", "arguments": arguments}
        answer = await client.ask(
            settings.broker,
            Topics(settings.gateway.site, settings.gateway.name),
            station="desk",
            bed="chair-1",
            name=name,
            identity=identity,
            payload=json.dumps(body).encode(),
            patience_s=5,
        )
        return f"{answer.outcome}: {answer.reason}" if answer is not None else "no answer"

    async def order(self) -> str:
        return await self.instruct(
            "order",
            "nurse-1",
            case="c-1",
            subject="s-1",
            protocol="test-short",
            weight_kg=70.0,
            concentration_mg_ml=1.0,
            rate_ml_h=self.rate,
            volume_ml=self.rate / 60,
            duration_s=60.0,
            dose_mg=self.rate / 60,
        )

    async def infuse(self) -> None:
        """Order, confirm and start. No station is there: the bedside alarm is the way to tell somebody."""
        said = ""
        for _ in range(30):
            said = await self.order()
            said += " | " + await self.instruct("confirm", "nurse-2", weight_kg=70.0, concentration_mg_ml=1.0)
            if "| accepted" in said:
                break
            await self.instruct("abort", "nurse-1", reason="once more")
            await asyncio.sleep(0.5)
        assert "| accepted" in said, said
        await self.pump("POST", "/press", key="start")
        await self.until(lambda: "infusing" in self.phases(), "infusing")

    def phases(self) -> list[str]:
        found = Reader(self.stage.directory / "state").records("chair-1", 0)
        return [str(getattr(record.event, "phase", "")) for record in found]


@contextlib.asynccontextmanager
async def rig(directory: Path, monkeypatch: pytest.MonkeyPatch, rate: float = 30.0) -> AsyncIterator[Rig]:
    made = Rig(directory, rate)
    plain = stage_module.configuration

    def with_sound(stage: Stage) -> str:
        command = json.dumps([str(made.player), "{priority}", "{file}"])
        return plain(stage).replace(
            "[bed.annunciator]", f"[bed.annunciator]\n[bed.annunciator.sound]\ncommand = {command}"
        )

    monkeypatch.setattr(stage_module, "configuration", with_sound)
    try:
        await made.stage.open()
        yield made
    finally:
        if made.stage.gateway.pid is not None:
            os.kill(made.stage.gateway.pid, signal.SIGCONT)
        await made.stage.close()


async def test_a_pump_that_refuses_with_nobody_else_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins high at the bed within `confirm_within` + 1 s of the first stop asked, broker and stations dead."""
    within_s = load_protocol(shipped() / "test-short.toml").confirm_within / SECOND
    async with rig(tmp_path, monkeypatch) as made:
        await made.infuse()
        await made.pump("POST", "/fault", fault="refuse")
        busy = Hindrance()
        assert "accepted" in await made.instruct("hold", "nurse-1", reason="test")
        await made.stage.kill("broker")
        since = made.records(StopAsked)[0][0]
        at = await made.told("HIGH", "lamp", since)
        assert not [line for line in made.lines() if since < line[0] < at and line[1] == "HIGH"]
        heard = await made.heard("high", since)
        figures(
            f"refusing pump: shown {at - since:.2f} s, heard {heard - since:.2f} s after the stop, of {within_s} + 1"
        )
        assert within_s - 0.5 <= at - since <= within_s + 1 + busy.s
        assert heard - since <= within_s + 1 + busy.s
        assert (await made.pump("GET", "/state"))["delivery"] == "infusing"


async def test_a_pump_that_lies_with_nobody_else_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins high at the bed within 2 s of the first volume step after the stop was believed, broker dead."""
    async with rig(tmp_path, monkeypatch, rate=1.0) as made:
        await made.infuse()
        await made.pump("POST", "/fault", fault="lie")
        assert "accepted" in await made.instruct("hold", "nurse-1", reason="test")
        await made.stage.kill("broker")
        since = made.records(StopAsked)[0][0]
        volumes: list[tuple[float, float]] = []
        busy = Hindrance()
        while not [line for line in made.lines() if line[0] > since and line[1] == "HIGH"]:
            assert time.time() - since < PATIENCE_S, made.lines()
            volumes.append((time.time(), float((await made.pump("GET", "/state"))["volume_ml"])))
            await asyncio.sleep(0.05)
        at = next(t for t, level, _ in made.lines() if t > since and level == "HIGH")
        confirmed = made.records(StopConfirmed)[0][0]
        last = max(v for t, v in volumes if t <= confirmed)
        step = next(t for t, v in volumes if t > confirmed and int(v * 1000) > int(last * 1000))
        figures(f"lying pump: believed {confirmed - since:.2f} s after the stop, told {at - step:.2f} s after a step")
        assert at - step <= 2 + busy.s
        assert [e for _, e in made.records(ConditionRaised) if e.code == "delivering-after-stop"]


@pytest.mark.requirement("S19")
async def test_a_gateway_that_hangs_that_dies_and_that_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that it sounds by itself 5 s after a SIGSTOP and after a SIGKILL, ends when it is back; low where ended."""
    async with rig(tmp_path, monkeypatch) as made:
        await made.until(lambda: made.lines()[-1:] and made.lines()[-1][1] == "quiet", "quiet")
        await asyncio.sleep(3)
        since, busy = time.time(), Hindrance()
        assert made.stage.gateway.pid is not None
        os.kill(made.stage.gateway.pid, signal.SIGSTOP)
        at = await made.told("HIGH", "Gateway silent", since)
        heard = await made.heard("high", since)
        figures(f"gateway stopped: shown {at - since:.2f} s, heard {heard - since:.2f} s after")
        assert 3.5 <= at - since <= 6 + busy.s
        assert heard - since <= 6.2 + busy.s
        os.kill(made.stage.gateway.pid, signal.SIGCONT)
        await made.told("quiet", "", at)

        since, busy = time.time(), Hindrance()
        await made.stage.kill("gateway")
        at = await made.told("HIGH", "watch the patient and the pump", since)
        assert at - since <= 6 + busy.s
        await made.stage.start("gateway")
        await made.told("quiet", "", at)

        await asyncio.sleep(4)  # until the pump was seen at rest
        since = time.time()
        await made.stage.gateway.end()
        at = await made.told("LOW", "The gateway was stopped", since)
        assert not [line for line in made.lines() if line[0] > at and line[1] == "HIGH"]


async def test_an_annunciator_that_dies_is_a_condition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins `bedside-alarm-lost` after a kill, with its reason, and its end when the process is back; no false one."""
    async with rig(tmp_path, monkeypatch) as made:
        await made.until(made.bursts, "the player was tried")
        await asyncio.sleep(3)
        since, busy = time.time(), Hindrance()
        await made.annunciator.kill()

        def raised() -> list[tuple[float, Any]]:
            return [(t, e) for t, e in made.records(ConditionRaised) if e.code == "bedside-alarm-lost"]

        await made.until(raised, "bedside-alarm-lost")
        ((at, event),) = raised()
        figures(f"annunciator killed: told after {at - since:.1f} s")
        assert 10 <= at - since <= 16 + busy.s
        assert "nothing is heard of the annunciator" in event.reason
        await made.annunciator.start()
        await made.until(
            lambda: [e for _, e in made.records(ConditionCleared) if e.code == "bedside-alarm-lost"], "its end"
        )


async def test_a_player_that_fails_is_a_condition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a sound command that exits is told by its own words, shuts the gate, and is tried until it plays."""
    (tmp_path / "broken").write_text("")
    async with rig(tmp_path, monkeypatch) as made:

        def raised() -> list[str]:
            return [e.reason for _, e in made.records(ConditionRaised) if e.code == "bedside-alarm-lost"]

        await made.until(raised, "bedside-alarm-lost")
        assert "sound: player ended with 3: no such device" in raised()[-1] or "does not take in" in raised()[-1]
        assert "accepted" in await made.order()
        said = await made.instruct("confirm", "nurse-2", weight_kg=70.0, concentration_mg_ml=1.0)
        assert "player ended with 3" in said
        assert "no way to tell somebody" in said
        made.broken.unlink()
        await made.until(
            lambda: [e for _, e in made.records(ConditionCleared) if e.code == "bedside-alarm-lost"], "its end"
        )
        assert "accepted" in await made.instruct("test-alarm", "nurse-1")
        since = time.time()
        await made.told("MEDIUM", "A test of the alarm", since - 2)
        await made.heard("medium", since - 2)
        assert "accepted" in await made.instruct("acknowledge", "nurse-1", code="test-alarm")
        await made.told("quiet", "", since)
