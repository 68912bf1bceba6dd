"""The stage: every process of a scenario, each its own, named with its pid; started, killed and ended here."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infusion_gateway.demo.people import Pass, keep, passes
from infusion_gateway.demo.scenario import Device, Scenario
from infusion_gateway.errors import LinkError
from infusion_gateway.runtime.embedded import HOST, EmbeddedBroker
from infusion_gateway.runtime.embedded import start as start_broker
from infusion_gateway.runtime.orphans import tethered

READY_S = 60.0
"""How long a process may take until it says that it is ready; a cold start on a slow machine with other work."""
END_S = 5.0
"""How long a process may take to end before it is killed."""
LINE_BYTES = 1 << 16
PEOPLE = "people.toml"


def simulator_command() -> str | None:
    """Find the simulators' command beside this Python, or on PATH; None where it is not installed."""
    beside = Path(sys.executable).parent / "infusion-sim"
    return str(beside) if beside.exists() else shutil.which("infusion-sim")


@dataclass(slots=True)
class Process:
    """One child process: how to start it, and the one that runs now."""

    name: str
    command: Sequence[str]
    log: Path
    ready: str | None
    running: asyncio.subprocess.Process | None = None
    said: dict[str, str] = field(default_factory=dict)

    async def start(self) -> None:
        """Start it and wait until it has printed its ready line; LinkError where it ends or stays silent."""
        with self.log.open("ab") as log:
            self.running = await asyncio.create_subprocess_exec(
                *tethered(self.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self.ready else log,
                stderr=log,
                limit=LINE_BYTES,
                start_new_session=True,  # Ctrl-C is ours: we end them, in order; killed, they end by themselves
            )
        if self.ready:
            try:
                async with asyncio.timeout(READY_S):
                    await self._until_ready(self.ready)
            except TimeoutError as error:
                raise LinkError(self.name, f"not ready after {READY_S:g} s; its log: {self.log}") from error

    async def _until_ready(self, word: str) -> None:
        stdout = self.running.stdout if self.running else None
        while stdout is not None:
            line = (await stdout.readline()).decode(errors="replace").strip()
            if not line:
                raise LinkError(self.name, f"ended before it was ready; its log: {self.log}")
            key, _, value = line.partition(" ")
            self.said[key] = value
            if key == word:
                return

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self.running.pid if self.running and self.running.returncode is None else None

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        await self._signal(signal.SIGKILL)

    async def end(self) -> None:
        """SIGTERM, and SIGKILL where it does not end in time."""
        await self._signal(signal.SIGTERM)

    async def _signal(self, which: signal.Signals) -> None:
        process = self.running
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(which)
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Stage:
    """A scenario's processes and files, under one directory.

    announced: the beds have an annunciator, a process too. page: the port of the clinicians' page, 0 any that is free;
    None: there is none. people: who may sign in there.
    """

    def __init__(
        self, scenario: Scenario, directory: Path, *,
        seed: int, wire_log: Path | None, announced: bool = False, page: int | None = None,
    ) -> None:  # fmt: skip
        simulator = simulator_command()
        if simulator is None:
            raise LinkError("demo", "the simulators are not installed: pip install infusion-simulators (./simulators)")
        self.scenario = scenario
        self.directory = directory
        self.config = directory / "bedside.toml"
        self.broker: EmbeddedBroker | None = None
        self.broker_port = 0
        self.lines = {
            line: Process(line, self._serve(simulator, line, seed), directory / f"{line}.log", "ready")
            for line in dict.fromkeys(d.line for d in scenario.device)
        }
        extra = ["--wire-log", str(wire_log)] if wire_log else []
        self.gateway = Process(
            "gateway",
            [sys.executable, "-m", "infusion_gateway", "run", "--no-station", "-c", str(self.config), *extra],
            directory / "gateway.log",
            None,
        )
        self.annunciator: Process | None = None
        if announced:
            command = [sys.executable, "-m", "infusion_gateway", "annunciator", "-c", str(self.config)]
            self.annunciator = Process("annunciator", command, directory / "annunciator.log", None)
        self.page = page
        self.people: tuple[Pass, ...] = ()
        self.station: Process | None = None
        if page is not None:
            self.people = passes()
            command = [sys.executable, "-m", "infusion_gateway", "station", "-c", str(self.config)]
            self.station = Process("station", command, directory / "station.log", "ready")

    def on_line(self, line: str) -> list[Device]:
        """Give the devices of a line, in the file's order."""
        return [d for d in self.scenario.device if d.line == line]

    def tty(self, line: str) -> Path:
        """Give the serial port that the gateway opens for a line; the cable in it leads to a device."""
        return self.directory / f"{line}.tty"

    def _device_end(self, line: str) -> Path:
        return self.directory / f"{line}.device"

    def _serve(self, simulator: str, line: str, seed: int) -> list[str]:
        devices = self.on_line(line)
        named = [f"{d.dialect}@{d.address}" if WIRES[d.dialect][0] == "modbus" else d.dialect for d in devices]
        wire = ["--pty", str(self._device_end(line))] if devices[0].wire == "pty" else ["--tcp", "127.0.0.1:0"]
        sets = []
        for d in devices:
            prefix = f"{d.address}." if len(devices) > 1 else ""
            sets += [x for k, v in d.set.items() for x in ("--set", f"{prefix}{k}={v}")]
            if d.dialect == "ne1000":
                sets += ["--set", f"address={d.address}"]
        return [simulator, "serve", *named, *wire, *sets, "--seed", str(seed), "--control", "127.0.0.1:0"]

    async def open(self) -> None:
        """Start broker, simulators, gateway and page, in this order; whoever fails is named."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.page is not None:
            self.page = _free(self.page)
            await asyncio.to_thread(keep, self.directory / PEOPLE, self.people)
        for line in self.lines:
            self.tty(line).unlink(missing_ok=True)
            self.tty(line).symlink_to(self._device_end(line))
        await self.start("broker")
        await asyncio.gather(*(p.start() for p in self.lines.values()))
        self.config.write_text(configuration(self))
        await self.gateway.start()
        if self.annunciator is not None:
            await self.annunciator.start()
        if self.station is not None:
            await self.station.start()

    def control(self, device: Device) -> str:
        """Give the control address of the simulator that plays a device."""
        return self.lines[device.line].said["control"]

    async def start(self, name: str) -> None:
        """Start a process that does not run."""
        if name == "broker":
            self.broker = await start_broker(self.directory / "broker", self.broker_port)
            self.broker_port = int(self.broker.url.rpartition(":")[2])
        else:
            await self._process(name).start()

    async def kill(self, name: str) -> None:
        """SIGKILL a process by its name."""
        if name == "broker" and self.broker is not None:
            os.kill(self.broker.pid, signal.SIGKILL)
            await self.broker.stop()
        else:
            await self._process(name).kill()

    def _process(self, name: str) -> Process:
        ours = {p.name: p for p in (self.gateway, self.annunciator, self.station) if p is not None}
        return ours[name] if name in ours else self.lines[name]

    def swap(self, one: str, other: str) -> None:
        """Let two serial cables change places: the port names lead to each other's device."""
        first, second = self.tty(one), self.tty(other)
        ends = first.readlink(), second.readlink()
        for port, end in ((first, ends[1]), (second, ends[0])):
            beside = port.with_suffix(".new")
            beside.symlink_to(end)
            beside.replace(port)

    def pids(self) -> list[tuple[str, int | None]]:
        """Every process with its id."""
        broker = [(f"broker ({self.broker.kind})", self.broker.pid)] if self.broker else []
        ours = [p for p in (self.gateway, self.station, self.annunciator) if p is not None]
        return [*broker, *((p.name, p.pid) for p in (*ours, *self.lines.values()))]

    async def close(self) -> None:
        """End everything, the gateway first, so that nobody sees the others go."""
        await self.gateway.end()
        for process in (self.annunciator, self.station):
            if process is not None:
                await process.end()
        await asyncio.gather(*(p.end() for p in self.lines.values()))
        if self.broker is not None:
            await self.broker.stop()


def configuration(stage: Stage) -> str:
    """Write the gateway's configuration for a stage: what an engineer would write for these devices."""
    out = [
        "[gateway]", 'site = "demo"', 'name = "gateway-1"', 'mode = "test"',
        f"state_directory = {json.dumps(str(stage.directory / 'state'))}",
        "", "[broker]", f"url = {json.dumps(stage.broker.url if stage.broker else '')}",
    ]  # fmt: skip
    if stage.page is not None:
        out += ["", "[station]", 'name = "station-1"', f'listen = "{HOST}:{stage.page}"']
        out += [f'people_file = "{PEOPLE}"', 'screens_file = "screens.toml"']
    for line, process in stage.lines.items():
        devices = stage.on_line(line)
        out += ["", "[[line]]", f"name = {json.dumps(line)}"]
        if devices[0].wire == "tcp":
            out.append(f"tcp = {json.dumps(process.said['ready'].removeprefix('tcp://'))}")
        else:
            carries, baud, framing = WIRES[devices[0].dialect]
            out += [f"port = {json.dumps(str(stage.tty(line)))}", f'carries = "{carries}"', f"baud = {baud}"]
            out.append(f'framing = "{framing}"')
    for bed in stage.scenario.beds:
        out += ["", "[[bed]]", f"id = {json.dumps(bed)}", 'protocols = ["test-short"]']
        if stage.annunciator is not None:
            out += ["", "[bed.annunciator]"]
        for d in (d for d in stage.scenario.device if d.bed == bed):
            out += ["", "[[bed.device]]", f"id = {json.dumps(d.id)}", f'driver = "{d.dialect}"']
            out.append(f"line = {json.dumps(d.line)}")
            if d.dialect != "nonin_oem3":
                out.append(f"address = {d.address}")
    return "\n".join(out) + "\n"


def _free(port: int) -> int:
    """Give a port that nobody listens on: this one, or any where it is 0. LinkError: it can't be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            why = f"port {port} of {HOST} can't be had: {error.strerror}; give another with --port, or none"
            raise LinkError("station", why) from error
        return int(probe.getsockname()[1])


WIRES = {
    "ne1000": ("serial", 19200, "8N1"),
    "nonin_oem3": ("serial", 9600, "8N1"),
    "modbus_pump": ("modbus", 19200, "8E1"),
    "modbus_monitor": ("modbus", 19200, "8E1"),
}
"""What each dialect's line carries, and how it is set."""
