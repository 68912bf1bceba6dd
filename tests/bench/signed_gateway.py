"""A gateway as a process of its own that takes signed instructions alone, beside a Mosquitto; and one who signs."""

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt

from bench.inside import NAME, SITE, Beds, configuration
from brokers import Mosquitto
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.model.instructions import NAMES, Instruction
from infusion_gateway.station.binding import Binding
from infusion_gateway.station.client import ask
from infusion_gateway.ward.seen import availability
from infusion_gateway.wire.asking import Answer
from infusion_gateway.wire.sealing import Keyring, Signer
from infusion_gateway.wire.topics import Topics
from signing_keys import enrolled, key_file, public, signer

TOPICS = Topics(SITE, NAME)
OWN = signer(NAME)
GATEWAY = Keyring([enrolled(OWN)])
STATION, LEAD, WALL = signer("station-1"), signer("lead-1"), signer("wall-1")
ROLES = {STATION: "clinician", LEAD: "supervisor", WALL: "viewer"}


@dataclass
class Running:
    """The gateway, its broker, and everything that a station has heard."""

    process: subprocess.Popen[bytes]
    port: int
    directory: Path
    heard: list[tuple[str, dict[str, Any]]]

    @property
    def broker(self) -> BrokerSettings:
        """Where the broker is."""
        return BrokerSettings("127.0.0.1", self.port, False, False, None, None, None, None, None)

    def cpu_s(self) -> float:
        """Give the CPU time of the process that supervises, without its border's."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2) / 1e9

    def binding(self, bed: str, asked: Instruction, by: str, key: Signer, case: str | None = None) -> Binding:
        """Make an instruction that waits for what it is signed for."""
        name = next(word for word, cls in NAMES.items() if cls is type(asked))
        return Binding(
            TOPICS, bed, name, asked,
            by=by, identity=secrets.token_hex(8), case=case, station="desk-1", signer=key, gateway=GATEWAY,
            utc_ns=time.time_ns,
        )  # fmt: skip

    async def asks(
        self, bed: str, asked: Instruction, by: str = "nurse-1", key: Signer = STATION, case: str | None = None
    ) -> Answer | None:
        """Ask as a station does, signed; give the gateway's answer, verified."""
        binding = self.binding(bed, asked, by, key, case)
        name = binding.topic.rpartition("/")[2]
        return await ask(
            self.broker, TOPICS, station="desk-1", bed=bed, name=name, identity=binding.identity, payload=binding,
            patience_s=10,
        )  # fmt: skip

    def newest(self, topic: str) -> dict[str, Any]:
        """Give what was said there last; empty: nothing yet."""
        return next((body for at, body in reversed(self.heard) if at == topic), {})

    def refusals(self) -> list[dict[str, Any]]:
        """Give the refusals on record that were published."""
        return [body["data"] for at, body in self.heard if at.endswith("/event/instruction-refused")]


async def _listen(running: Running) -> None:
    """Be a station as its access list lets it: hear what the gateway says, and nothing that people ask."""
    async with aiomqtt.Client("127.0.0.1", running.port) as client:
        for part in ("heartbeat", "+/session", "+/alarms", "+/device/+", "+/event/+"):
            await client.subscribe(f"{TOPICS.root}/{part}", qos=1)
        speaking = asyncio.create_task(_speak(client))
        try:
            async for message in client.messages:
                if message.payload:
                    running.heard.append((str(message.topic), json.loads(bytes(message.payload))))
        finally:
            speaking.cancel()


async def _speak(client: aiomqtt.Client) -> None:
    while True:
        await client.publish(TOPICS.station_availability("ward-1"), availability("online", time.time_ns(), 1), qos=1)
        await asyncio.sleep(2)


@contextlib.asynccontextmanager
async def signed_gateway(directory: Path, beds: Beds, *, period: str = "1 s") -> AsyncIterator[Running]:
    """Run it on these beds, with a station that listens."""
    broker = Mosquitto(directory / "mosquitto")
    path = configuration(directory, broker.url, beds, period=period, protocols='"test-short"')
    own = key_file(OWN, directory / "own.key")
    text = path.read_text().replace('mode = "test"\n', f'mode = "test"\nkey_file = "{own}"\n')
    for key, role in ROLES.items():
        text += f'[[key]]\nkid = "{key.kid}"\npublic = "{public(key)}"\nroles = ["{role}"]\n'
    path.write_text(text)
    broker.start()
    with (directory / "output.log").open("ab") as log:
        command = [str(Path(sys.executable).parent / "infusion-gateway"), "run", "-c", str(path)]
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    running = Running(process, broker.port, directory, [])  # type: ignore[arg-type]  # its pid is what is needed
    listening = asyncio.create_task(_listen(running))
    try:
        yield running
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)
        broker.kill()
