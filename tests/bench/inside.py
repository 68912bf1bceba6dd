"""What is measured: the gateway as a process of its own, or the floor in its place, each with a fresh Mosquitto."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bench.outside import Subscriber
from brokers import Mosquitto

HERE = Path(__file__).parent
SITE, NAME = "bench", "gateway-1"
ROOT = f"igw/v1/{SITE}/{NAME}"
END_S = 10.0


@dataclass(frozen=True, slots=True)
class Placed:
    """One device of a bed. endpoint: a TCP port of the loopback (Modbus), or a pty's path and its framing."""

    device: str
    driver: str
    endpoint: int | Path
    framing: str = "8N1"

    def line(self, name: str) -> str:
        """Write its `[[line]]`."""
        if isinstance(self.endpoint, int):
            return f'[[line]]\nname = "{name}"\ntcp = "127.0.0.1:{self.endpoint}"\n'
        serial = f'port = "{self.endpoint}"\ncarries = "serial"\nbaud = 9600\nframing = "{self.framing}"\n'
        return f'[[line]]\nname = "{name}"\n{serial}'


Beds = dict[str, tuple[Placed, ...]]


class Measured:
    """A process that is looked at from outside."""

    def __init__(self, process: subprocess.Popen[bytes], subscriber: Subscriber, output: Path) -> None:
        self.process = process
        self.subscriber = subscriber
        self._output = output

    async def ready(self, part: str, count: int) -> None:
        """Wait until so many topics that contain this have spoken."""
        try:
            await self.subscriber.heard(part, count)
        except TimeoutError:
            raise self._failed(
                f"{len(self.subscriber.counts)} topics spoke, {count} with {part} were awaited"
            ) from None

    def cpu_ns(self) -> int:
        """Give the CPU time of all its threads so far: its own process clock (clock_getcpuclockid(3))."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def resident_mb(self) -> float:
        """Give what it holds in memory, from /proc/PID/status."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024

    def check(self) -> None:
        """Fail where it has ended by itself: nothing of it may then be reported."""
        if self.process.poll() is not None:
            raise self._failed(f"it ended with {self.process.returncode}")

    def _failed(self, why: str) -> RuntimeError:
        return RuntimeError(f"{why}; its last words: {self._output.read_text()[-2000:]}")


def configuration(directory: Path, broker: str, beds: Beds, *, period: str, protocols: str) -> Path:
    """Write a gateway's configuration and the profile of the bench's monitor."""
    profiles = directory / "profiles"
    profiles.mkdir()
    profile = (HERE / "bench_monitor.toml").read_text().replace("PERIOD", period)
    (profiles / "bench_monitor.toml").write_text(profile)
    text = f"""[gateway]
site = "{SITE}"
name = "{NAME}"
mode = "test"
state_directory = "{directory}/state"
extra_profiles = "{profiles}"
[broker]
url = "{broker}"
"""
    for bed, devices in beds.items():
        text += "".join(one.line(f"{bed}-{one.device}") for one in devices)
        text += f'[[bed]]\nid = "{bed}"\nprotocols = [{protocols}]\n'
        for one in devices:
            address = "address = 1\n" if isinstance(one.endpoint, int) else ""
            where = f'driver = "{one.driver}"\nline = "{bed}-{one.device}"\n{address}'
            text += f'[[bed.device]]\nid = "{one.device}"\n{where}'
    path = directory / "bench.toml"
    path.write_text(text)
    return path


@contextlib.asynccontextmanager
async def gateway(directory: Path, beds: Beds, *, period: str = "1 s", protocols: str = "") -> AsyncIterator[Measured]:
    """Run the gateway on these beds."""
    broker = Mosquitto(directory / "mosquitto")
    path = configuration(directory, broker.url, beds, period=period, protocols=protocols)
    command = [str(Path(sys.executable).parent / "infusion-gateway"), "run", "-c", str(path)]
    async with _measured(directory, broker, command) as found:
        yield found


@contextlib.asynccontextmanager
async def floor(
    directory: Path, beds: Beds, *, every_s: float, stops: tuple[tuple[int, int], ...] = ()
) -> AsyncIterator[Measured]:
    """Run the floor on these beds' devices. stops: ports of monitor and pump, for which it does nothing but stop."""
    broker = Mosquitto(directory / "mosquitto")
    placed = [(one.endpoint, f"{ROOT}/{bed}") for bed, devices in beds.items() for one in devices]
    settings = {
        "broker": broker.port,
        "tcp": [(where, topic) for where, topic in placed if isinstance(where, int)],
        "ptys": [(str(where), topic) for where, topic in placed if not isinstance(where, int)],
        "every_s": every_s,
        "stops": stops,
    }
    async with _measured(directory, broker, [sys.executable, str(HERE / "floor.py"), json.dumps(settings)]) as found:
        yield found


@contextlib.asynccontextmanager
async def _measured(directory: Path, broker: Mosquitto, command: list[str]) -> AsyncIterator[Measured]:
    broker.start()
    subscriber = None
    try:
        subscriber = Subscriber(broker.port)
        await subscriber.ready()
        output = directory / "output.log"
        with output.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - a fork, before anything is timed
        try:
            yield Measured(process, subscriber, output)
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        if subscriber is not None:
            subscriber.close()
        broker.kill()
