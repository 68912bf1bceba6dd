"""What is no instruction, sent to a gateway as it runs: answered to who asked, and said where people attend."""

import asyncio
import json
import sys
from pathlib import Path

import aiomqtt
import pytest

from bench.inside import Placed, configuration
from bench.outside import Registers
from brokers import Mosquitto, mosquitto
from infusion_gateway.wire.topics import Topics

__all__ = ["mosquitto"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SENDER = '"id": "x-1", "station": "desk-1", "by": "nurse-7"'


async def test_an_unknown_and_a_torn_instruction_are_answered_in_3_1_1_and_attended(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Pins the whole way without MQTT 5's response topic: the answer by id, and the line of who attends."""
    monitor, topics = Registers(7), Topics("bench", "gateway-1")
    beds = {"bed-1": (Placed("monitor", "bench_monitor", await monitor.listen()),)}
    path = configuration(tmp_path, mosquitto.url, beds, period="1 s", protocols='"test-short"')

    async def started(*arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "infusion_gateway", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def until(process: asyncio.subprocess.Process, words: str) -> str:
        assert process.stdout is not None
        async with asyncio.timeout(40):
            while words not in (line := (await process.stdout.readline()).decode()):
                assert line, "it has ended"
        return line

    attending = await started("session", "attend", "-c", str(path))
    gateway = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infusion_gateway", "run", "-c", str(path)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(attending, "connected")
        await until(attending, "gateway-started")
        async with aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V311) as client:
            await client.subscribe(topics.answers("desk-1"), qos=1)
            for name, payload in (("teleport", f"{{{SENDER}}}"), ("hold", f"{{{SENDER}, ")):
                answer = None
                while answer is None:  # the gateway may not hear yet: asked again
                    await client.publish(f"{topics.root}/bed-1/do/{name}", payload, qos=1)
                    try:
                        answer = await asyncio.wait_for(anext(client.messages), 2)
                    except TimeoutError:
                        continue
                said = json.loads(answer.payload)
                assert (said["id"], said["instruction"], said["outcome"]) == ("x-1", name, "refused")
                line = await until(attending, f"instruction-refused {name}")
                assert "by nurse-7: " in line
                assert said["reason"][:100] in line
    finally:
        for process in (attending, gateway):
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)
