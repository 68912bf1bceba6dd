"""Sixty beds in session, as in a clinic: broker, `infusion-sim fleet` and gateway, a process each; and a bed by hand.

The bed by hand is the bench's own gateway of one bed: it publishes its alarms itself, so that their moment is known.
"""

import asyncio
import contextlib
import re
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bench.inside import Measured
from bench.outside import Subscriber, in_phase
from brokers import Mosquitto, free_port
from infusion_gateway.demo.script import ask
from infusion_gateway.model.instructions import Confirm, Instruction, Override, PlaceOrder
from infusion_gateway.model.metric import MINUTE
from infusion_gateway.ward.picture import Change, Picture
from infusion_gateway.wire.asking import write_instruction
from infusion_gateway.wire.topics import Topics
from processes import COMMAND
from simulated import SIM
from wards import EPOCH_S, SITE, Speaker, alarm, at

GATEWAY, OWN = "gateway-1", "bench"
READY_S = 60.0
BETWEEN_S = 0.02


@dataclass(frozen=True, slots=True)
class Ward:
    """What runs. config: the gateway's and the station's; ear: a bare subscriber of everything."""

    place: Path
    config: Path
    broker: int
    ear: Subscriber
    beds: int


@contextlib.asynccontextmanager
async def ward(place: Path, beds: int) -> AsyncIterator[Ward]:
    """Run so many beds and their gateway until the end of the block; idle until `infuse`."""
    broker = Mosquitto(place / "mosquitto")
    broker.start()
    async with contextlib.AsyncExitStack() as held:
        held.callback(broker.kill)
        ear = Subscriber(broker.port)
        held.callback(ear.close)
        await ear.ready()
        config = place / "fleet.toml"
        fleet = (str(SIM), "fleet", "--beds", str(beds), "--config", str(config), "--broker", broker.url)
        await held.enter_async_context(process(place, "fleet", fleet, ear))
        own_port = f'[station]\nlisten = "127.0.0.1:{free_port()}"\n'
        config.write_text(config.read_text().replace("[station]\n", own_port))
        gateway = (*COMMAND, "run", "--no-station", "-c", str(config))
        await held.enter_async_context(process(place, "gateway", gateway, ear, ready=False))
        await ear.heard("/vitals", beds, READY_S)
        yield Ward(place, config, broker.port, ear, beds)


@contextlib.asynccontextmanager
async def process(
    place: Path, name: str, command: tuple[str, ...], ear: Subscriber, *, ready: bool = True
) -> AsyncIterator[Measured]:
    """Run one until the end of the block. What it says is in NAME.log; ready: begins once it says so there."""
    output, complaints = place / f"{name}.log", place / f"{name}.err"
    with output.open("wb") as log, complaints.open("wb") as err:
        running = subprocess.Popen(command, stdout=log, stderr=err, cwd=place)  # noqa: ASYNC220 - a fork, before anything is timed
    try:
        async with asyncio.timeout(READY_S):
            while ready and "ready " not in output.read_text():
                if running.poll() is not None:
                    raise RuntimeError(f"{name} ended: {complaints.read_text()[-2000:]}")
                await asyncio.sleep(0.05)
        yield Measured(running, ear, complaints)
    finally:
        running.terminate()
        try:
            await asyncio.to_thread(running.wait, 20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def url(of: Measured, name: str, place: Path) -> str:
    """Give where a process says that it serves."""
    of.check()
    return (place / f"{name}.log").read_text().partition("ready ")[2].split()[0]


async def infuse(here: Ward) -> None:
    """Have every bed ordered, confirmed by another person, and started at its pump, once a station is heard."""
    await here.ear.heard("/stations/station-1/seen", 1)
    topics, names = Topics(SITE, GATEWAY), [f"bed-{n:02}" for n in range(1, here.beds + 1)]
    for bed in names:
        order = PlaceOrder(
            case=f"case-{bed}", subject=f"subject-{bed}", protocol="depression-40", weight_kg=70.0,
            concentration_mg_ml=1.0, rate_ml_h=30.0, volume_ml=20.0, duration=40 * MINUTE, dose_mg=20.0,
        )  # fmt: skip
        said: tuple[tuple[str, Instruction, str], ...] = (
            ("order", order, "nurse-1"),
            ("override", Override("clock", "a bench has no time service"), "lead-1"),
            ("confirm", Confirm(70.0, 1.0), "nurse-2"),
        )
        for name, instruction, by in said:
            payload = write_instruction(
                instruction, by=by, identity=f"{bed}-{name}", case=f"case-{bed}", station=OWN, utc_ns=time.time_ns()
            )
            here.ear.publish(topics.do(bed, name), payload)
            await asyncio.sleep(BETWEEN_S)
    await in_phase(here.ear, "armed", here.beds)
    keypads = re.findall(r'infusion-sim ctl (\S+) press …\nid = "pump"', here.config.read_text())
    assert len(keypads) == here.beds, "each bed has a pump"
    for keypad in keypads:
        await ask(keypad, "POST", "/press", {"key": "start"})
    await in_phase(here.ear, "infusing", here.beds)


class Voice:
    """The bench's own gateway: its one bed is in session, and in alarm when the bench says so."""

    def __init__(self, mouth: Subscriber) -> None:
        self._mouth = mouth
        self._speaker = Speaker(cast("Picture", self), OWN)
        self._speaking: asyncio.Task[None] | None = None

    def take(self, topic: str, payload: bytes, _now_s: float, **_: Any) -> list[Change]:
        """Publish it; the speaker's way out."""
        self._mouth.publish(topic, payload)
        return []

    def begin(self) -> None:
        """Come to life."""
        now_s = _now_s()
        self._speaker.descriptor("bed-1", now_s)
        self._speaker.session("bed-1", now_s)
        self._speaker.alarms("bed-1", now_s)
        self._speaking = asyncio.create_task(self._speak())

    async def end(self) -> None:
        """Fall silent."""
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)

    def alarm(self, number: int) -> None:
        """Raise an alarm of this number, as the only one."""
        now_s = _now_s()
        raised = alarm("spo2-low", instance=str(number), since=at(now_s), text=f"number {number} is so")
        self._speaker.alarms("bed-1", now_s, raised)

    def calm(self) -> None:
        """Have no alarm."""
        self._speaker.alarms("bed-1", _now_s())

    async def _speak(self) -> None:
        second = 0
        while True:
            if second % 5 == 0:
                self._speaker.beat(_now_s())
            self._speaker.vitals("bed-1", _now_s(), spo2=97.0, pulse=72.0 + second % 3, hr=72.0, rr=14.0)
            second += 1
            await asyncio.sleep(1)


def _now_s() -> float:
    return time.time() - EPOCH_S
