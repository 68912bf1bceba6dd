"""`infusion-gateway demo`: plays a scenario on real wires, shows it or judges it."""

import asyncio
import importlib.util
import json
import signal
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from rich.console import Console

from infusion_gateway.config import quantities
from infusion_gateway.config.load import load
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.demo.judge import Judge, Outcome
from infusion_gateway.demo.scenario import Scenario, read
from infusion_gateway.demo.script import Script, sightings
from infusion_gateway.demo.stage import Stage, simulator_command
from infusion_gateway.errors import BrokerError, LinkError
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime import logs
from infusion_gateway.runtime.orphans import temporary
from infusion_gateway.runtime.watch import show
from infusion_gateway.station import client
from infusion_gateway.ward.seen import Seen
from infusion_gateway.ward.seen import read as read_message
from infusion_gateway.wire.topics import Topics

DEFAULT = "normal"
ONLINE_S = 60.0
"""How long the gateway may take until it is online and every device has said who it is."""
PATIENCE_S = 5.0
ASK_EVERY_S = 0.2
JUDGE = "demo-judge"
"""The station as which the demo listens."""
NEEDS_SIMULATORS = "the demo needs the simulators: pip install ./simulators (infusion-simulators), then try again"
RECORDINGS = "the BIDMC PPG and Respiration Dataset can be downloaded from PhysioNet (its bidmc_csv folder)"
HINTS = {
    "ne1000": "press stop",
    "modbus_pump": "press stop",
    "nonin_oem3": "set spo2=83",
    "modbus_monitor": "set hr=140",
}
"""Something to try at each device."""
QUANTITIES = {
    "weight": ("weight_kg", quantities.WEIGHT),
    "concentration": ("concentration_mg_ml", quantities.CONCENTRATION),
    "rate": ("rate_ml_h", quantities.RATE),
    "volume": ("volume_ml", quantities.VOLUME),
    "duration": ("duration_s", quantities.DURATION),
    "dose": ("dose_mg", quantities.MASS),
}
"""An order's quantities, as people write them, and the arguments they become."""


def scenario_files() -> dict[str, Path]:
    """Find the scenario files of the installed simulators, by name, without importing them."""
    found = importlib.util.find_spec("infusion_simulators")
    if found is None or not found.submodule_search_locations:
        return {}
    folder = Path(next(iter(found.submodule_search_locations))) / "scenarios"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def run(
    *,
    scenario: str | None,
    listed: bool,
    check: bool,
    port: int,
    seed: int,
    out: Path | None,
    junit: Path | None,
    recordings: Path | None,
    wire_log: Path | None,
) -> int:
    """Play a scenario. Exit code: 0 all held or ended as told, 1 something did not hold, 2 it can't be played."""
    files = scenario_files()
    if simulator_command() is None or not files:
        return _say(NEEDS_SIMULATORS)
    if listed:
        for each, file in files.items():
            known = read(file)
            if not known.recordings or recordings:
                sys.stdout.write(f"{each:24} {known.title}\n")
        return 0
    name = scenario or DEFAULT
    path = Path(name) if name.endswith(".toml") else files.get(name)
    if path is None:
        return _say(f"no scenario {name!r}; there are {', '.join(files)}, or a path that ends in .toml")
    known = read(path)
    if known.recordings and recordings is None:
        return _say(
            f"{name} plays {', '.join(known.recordings)}: say where they are with --recordings DIR; {RECORDINGS}"
        )
    if recordings and (missing := [r for r in known.recordings if not (recordings / r).is_file()]):
        return _say(f"{recordings} has no {', '.join(missing)}; {RECORDINGS}")
    with temporary("igw-demo-") as given:
        directory = (out or given).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        logs.configure(level="warning", json_file=directory / "demo.log.json")
        log = wire_log.absolute() if wire_log else None
        stage = Stage(known, directory, seed=seed, wire_log=log, announced=not check, page=None if check else port)
        play = Play(known, stage, recordings)
        outcomes = asyncio.run(play.run(check=check))
        for problem in play.refused:
            sys.stderr.write(f"instruction not accepted: {problem}\n")
        if not check:
            return 0 if play.showed else _say(play.ended_early, 1)
        return _report(known, seed, outcomes, ended_early=play.ended_early, out=directory if out else None, junit=junit)


def _say(problem: str, code: int = 2) -> int:
    sys.stderr.write(f"{problem}\n")
    return code


class Play:
    """One playing of a scenario: the stage, a station that listens, the script, the judge."""

    def __init__(self, scenario: Scenario, stage: Stage, recordings: Path | None) -> None:
        self._scenario = scenario
        self._stage = stage
        end_s = scenario.end.at
        self.judge = Judge(tuple(e.expectation(end_s) for e in scenario.expect))
        self._script = Script(stage, self.judge, self._instruct, recordings)
        self._seen = Seen()
        self._topics: Topics | None = None
        self._broker: BrokerSettings | None = None
        self._identified: set[tuple[str, str]] = set()
        self._ready = asyncio.Event()
        self._mouth = client.Mouth()
        self._answered = asyncio.Event()
        self._playing = False
        self.refused: list[str] = []
        self.ended_early = ""
        self.showed = False

    async def run(self, *, check: bool) -> tuple[Outcome, ...]:
        """Play to the end; without `check` the bed is shown meanwhile, and afterwards until Ctrl-C."""
        task = asyncio.current_task()
        assert task is not None
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # of these the last where a terminal closes
            if which != signal.SIGHUP or signal.getsignal(which) != signal.SIG_IGN:  # nohup(1) means it to go on
                asyncio.get_running_loop().add_signal_handler(which, task.cancel)
        tasks: list[asyncio.Task[Any]] = []
        try:
            await self._stage.open()
            settings = load(self._stage.config)
            self._topics = Topics(settings.gateway.site, settings.gateway.name)
            self._broker = settings.broker
            tasks.append(asyncio.create_task(self._listen()))
            async with asyncio.timeout(ONLINE_S):
                await self._ready.wait()
                await self._heard()
            if not check:
                introduction = self._introduction()
                sys.stdout.write(introduction)
                sys.stdout.flush()
                tasks.append(asyncio.create_task(show(settings.gateway.socket, Console(), introduction)))
            self._playing = self.showed = True
            await self._script.run()
            if not check:
                await asyncio.Event().wait()  # it goes on being shown until Ctrl-C
        except TimeoutError:
            silent = "the gateway heard nobody" if self._ready.is_set() else "not every device was heard"
            self.ended_early = f"{silent} within {ONLINE_S:g} s; see {self._stage.directory}"
        except asyncio.CancelledError:
            self.ended_early = f"{self._script.elapsed():.0f} s after its zero" if self._playing else "before its zero"
        except LinkError as error:
            self.ended_early = str(error)
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stage.close()
        return self.judge.outcomes()

    def _introduction(self) -> str:
        broker = self._stage.broker
        lines = [
            f"Scenario {self._scenario.name}: {self._scenario.title}. Ctrl-C ends everything.",
            *self._page(),
            f"Broker (MQTT 5) {broker.url if broker else '-'}  topics {self._topics.root if self._topics else ''}/#",
            f"Configuration {self._stage.config}",
            "Processes " + ", ".join(f"{name} {pid}" for name, pid in self._stage.pids()),
        ]
        if self._stage.annunciator is not None:
            lines.append(f"The bed's own alarm, in words: tail -f {self._stage.annunciator.log}")
        for line, process in self._stage.lines.items():
            hint = HINTS[self._stage.on_line(line)[0].dialect]
            lines.append(f"A hand on {line}: infusion-sim ctl {process.said.get('control', '-')} {hint}")
        return "\n".join(lines) + "\n"

    def _page(self) -> list[str]:
        """Say where the clinicians' page is, and how to sign in: told here once, and kept nowhere."""
        station = self._stage.station
        if station is None:
            return []
        signs = (f"  {one.code:8} {one.role:11} password {one.password}  PIN {one.pin}" for one in self._stage.people)
        told = "to ask for anything but a stop, sign in; made up for this run:"
        return [f"Page {station.said.get('ready', '-')}  to look takes no sign-in; {told}", *signs]

    async def _listen(self) -> None:
        assert self._broker is not None
        assert self._topics is not None
        await client.listen(
            self._broker,
            self._topics,
            station=JUDGE,
            utc_ns=time.time_ns,
            take=self._take,
            seen=lambda: self._seen.payload(time.time_ns()),
            mouth=self._mouth,
        )

    async def _heard(self) -> None:
        """Wait until what is asked is heard: a gateway that has just come online hears people a little later.

        Asked for is a page of history, which the same connection hears, and which no bed keeps on record.
        """
        assert self._topics is not None
        question = {"id": "demo", "station": JUDGE, "bed": self._scenario.device[0].bed, "to": 1}
        while not self._answered.is_set():
            self._mouth.ask(self._topics.history, json.dumps(question).encode(), "demo", qos=0)
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_EVERY_S):
                    await self._answered.wait()

    def _take(self, topic: str, payload: bytes) -> None:
        assert self._topics is not None
        if topic == self._topics.answers(JUDGE):
            self._answered.set()
            return
        parts = topic.removeprefix(f"{self._topics.root}/").split("/")
        message = read_message(payload)
        if message is None or not topic.startswith(self._topics.root) or len(parts) < 2:  # noqa: PLR2004 - bed and kind
            return
        bed, kind = parts[0], "/".join(parts[1:])
        if kind.startswith("event/"):
            self._seen.take(self._topics.gateway, bed, _number(message.get("sequence")), str(message.get("id")))
        if kind.startswith("device/") and message.get("link") == "up":
            self._identified.add((bed, kind.removeprefix("device/")))
            if self._identified >= {(d.bed, d.id) for d in self._scenario.device}:
                self._ready.set()
        at_s = self._script.elapsed() if self._playing else -1.0
        self.judge.saw(sightings(bed, kind, message, at_s))

    async def _instruct(self, bed: str, name: str, by: str, arguments: Mapping[str, Any]) -> None:
        """Ask as a person at a station does. A refusal is told, and judged by what comes of it."""
        assert self._broker is not None
        assert self._topics is not None
        identity = uuid.uuid4().hex
        written = {"case": "demo", "subject": "demo"} if name == "order" else {}
        written |= dict(_argument(key, value) for key, value in arguments.items())
        body = {"id": identity, "by": by, "station": "demo-nurse", "arguments": written}
        try:
            answer = await client.ask(
                self._broker,
                self._topics,
                station="demo-nurse",
                bed=bed,
                name=name,
                identity=identity,
                payload=json.dumps(body).encode(),
                patience_s=PATIENCE_S,
            )
        except BrokerError as error:
            self.refused.append(f"{name}: {error}")
        else:
            if answer is None or answer.outcome != "accepted":
                self.refused.append(f"{name}: {answer.reason if answer else 'no answer'}")


def _number(found: object) -> int:
    return found if isinstance(found, int) else 0


def _argument(key: str, value: Any) -> tuple[str, Any]:
    if key not in QUANTITIES:
        return key, value
    name, kind = QUANTITIES[key]
    number = quantities.parse(str(value), kind)
    return name, number / SECOND if name == "duration_s" else number


def _report(
    scenario: Scenario,
    seed: int,
    outcomes: tuple[Outcome, ...],
    *,
    ended_early: str,
    out: Path | None,
    junit: Path | None,
) -> int:
    if ended_early:  # what did not come by then might have come, and what never must might still have
        whole = "the scenario is played to its end"
        outcomes = (*outcomes, Outcome(whole, passed=False, expected="its end", observed=ended_early, at_s=None))
    passed = all(o.passed for o in outcomes)
    result = {
        "scenario": scenario.name,
        "seed": seed,
        "version": version("infusion-gateway"),
        "passed": passed,
        "expectations": [asdict(o) for o in outcomes],
        "log": str(out) if out else None,
    }
    if junit:
        junit.write_text(_junit(scenario.name, outcomes))
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if passed else 1


def _junit(name: str, outcomes: tuple[Outcome, ...]) -> str:
    cases = []
    for o in outcomes:
        failure = "" if o.passed else f"<failure message={quoteattr(f'expected {o.expected}; observed {o.observed}')}/>"
        cases.append(f"<testcase classname={quoteattr(name)} name={quoteattr(o.name)}>{failure}</testcase>")
    failed = sum(not o.passed for o in outcomes)
    head = f'<testsuite name={quoteattr(name)} tests="{len(outcomes)}" failures="{failed}">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{"".join(cases)}</testsuite>\n'
