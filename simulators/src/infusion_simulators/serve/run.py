"""A whole `serve` or `play` from its arguments to its end."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from infusion_simulators.device import SECOND, Value
from infusion_simulators.dialects import Description
from infusion_simulators.dialects import Wire as WireKind
from infusion_simulators.line import Line, build
from infusion_simulators.recordings import load, load_raw
from infusion_simulators.serve import Step, Wire
from infusion_simulators.serve.asked import asked, owning
from infusion_simulators.serve.control import Control
from infusion_simulators.serve.ports import Port, Pty, Serial, Tcp

PIECE_S = 0.01
"""Raw bytes go out in pieces of this length."""
MUTE = "silent:hears=1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the line ends: exactly one of the three, and whether it is as slow as a real line."""

    pty: Path | None
    tcp: tuple[str, int] | None
    serial: str | None
    baud_timing: bool

    def kind(self) -> WireKind:
        """Give what a Modbus dialect must know."""
        return WireKind.SERIAL if self.tcp is None else WireKind.TCP

    def port(self, description: Description) -> Port:
        """Make the port, not yet open."""
        if self.pty is not None:
            return Pty(self.pty)
        if self.tcp is not None:
            return Tcp(*self.tcp)
        return Serial(str(self.serial), description.baud, description.framing)

    def asked(self) -> tuple[str, str]:
        """Give the option that names it, and what it names."""
        if self.pty is not None:
            return "--pty", str(self.pty)
        return ("--tcp", _address(self.tcp)) if self.tcp is not None else ("--serial", str(self.serial))


@dataclass(frozen=True, slots=True)
class Job:
    """What to serve, where, and how it begins."""

    devices: tuple[str, ...]
    endpoint: Endpoint
    settings: tuple[tuple[str, Value], ...]
    faults: tuple[str, ...]
    seed: int
    wire_log: Path | None
    control: tuple[str, int] | None
    recordings: tuple[Path, ...] = ()
    speed: float = 1.0


def prepare(job: Job) -> tuple[Line, Iterator[Step]]:
    """Make the line and read the recordings; ValueError or OSError says what is wrong, before anything is open."""
    now = Wire.now()
    line = build(job.devices, job.endpoint.kind(), job.seed, now)
    for key, value in job.settings:
        line.set(key, value, now)
    for fault in job.faults:
        line.fault(fault, now)
    steps = played(job.recordings, line.description, job.speed)
    if any(step.raw for step in steps[:1]):
        line.fault(MUTE, now)  # only the recording is heard
    return line, iter(steps)


def played(paths: tuple[Path, ...], description: Description, speed: float) -> list[Step]:
    """Read recordings one after the other, as steps; ValueError where one has nothing that the device can show."""
    raw = [path for path in paths if path.suffix.lower() != ".csv"]
    if raw and len(raw) != len(paths):
        raise ValueError("raw bytes and numerics can't be played in one go")
    return _raw(raw, description, speed) if raw else _numerics(paths, description, speed)


def _raw(paths: list[Path], description: Description, speed: float) -> list[Step]:
    data = b"".join(load_raw(path) for path in paths)
    byte_s = description.bits_per_byte() / description.baud / speed
    piece = max(1, round(PIECE_S / byte_s))
    return [Step(at * byte_s, {}, data[at : at + piece]) for at in range(0, len(data), piece)]


def _numerics(paths: tuple[Path, ...], description: Description, speed: float) -> list[Step]:
    steps: list[Step] = []
    begin = 0.0
    for path in paths:
        rows = load(path)
        if not any(key in description.keys for key in rows[0].values):
            raise ValueError(f"{path}: has none of {', '.join(description.keys)}")
        for row in rows:
            keys: dict[str, Value] = {key: value for key, value in row.values.items() if key in description.keys}
            steps.append(Step(begin + row.at / SECOND / speed, keys))
        last = (rows[-1].at - rows[-2].at) / SECOND if len(rows) > 1 else 1.0
        begin = steps[-1].at_s + last / speed
    return [*steps, Step(begin, {})] if steps else []


def _address(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


async def run(job: Job, line: Line, steps: Iterator[Step]) -> None:
    """Serve until SIGTERM, SIGINT or the recording's end; Unavailable where an address, port or file can't be had."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    with ExitStack() as held:
        if job.endpoint.pty is not None:
            held.enter_context(owning(job.endpoint.pty))
        log = None
        if job.wire_log is not None:
            with asked("--wire-log", str(job.wire_log)):
                log = held.enter_context(job.wire_log.open("a", buffering=1))
        wire = Wire(line, job.endpoint.port(line.description), paced=job.endpoint.baud_timing, log=log)
        control = Control(wire)
        try:
            with asked(*job.endpoint.asked()):
                await wire.open()
            if job.control is not None:
                with asked("--control", _address(job.control)):
                    click.echo(f"control {await control.open(*job.control)}")
            click.echo(f"ready {wire.port.endpoint}")
            serving = asyncio.create_task(wire.run(steps))
            ending = asyncio.create_task(ended.wait())
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            if serving.done():
                serving.result()
            serving.cancel()
        finally:
            await control.close()
            await wire.close()
