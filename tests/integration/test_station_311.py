"""A station and a gateway on a broker that refuses MQTT 5: they speak 3.1.1, and nothing was configured."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from brokers import Mosquitto, mosquitto
from infusion_gateway.model.instructions import Stop
from infusion_gateway.runtime.incoming import ReplyTo
from infusion_gateway.station import client
from infusion_gateway.wire.asking import parse_instruction, write_instruction
from integration.test_broker import TOPICS, gateway, settings, until
from payloads import answer

__all__ = ["mosquitto"]

REFUSAL = b"\x20\x03\x00\x84\x00"
"""CONNACK of MQTT 5: unsupported protocol version, no properties; as NATS 2.9 answers."""
UTC = 1_795_331_700_000_000_000


@contextlib.asynccontextmanager
async def of_311(port: int) -> AsyncIterator[tuple[int, list[int]]]:
    """Stand before a broker and refuse MQTT 5; give our port, and the versions that were tried."""
    tried: list[int] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(4096)
        tried.append(hello[hello.index(b"MQTT") + 4] if b"MQTT" in hello else 0)
        if tried[-1] != 4:
            writer.write(REFUSAL)
            writer.close()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        ours.write(hello)
        await asyncio.gather(pipe(reader, ours), pipe(theirs, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], tried
    finally:
        server.close()


async def test_a_station_asks_and_listens_in_3_1_1(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins instruction, answer, listening and being heard where the broker says that it has no MQTT 5."""
    heard: list[str] = []
    async with of_311(mosquitto.port) as (port, tried), gateway(tmp_path / "j", port) as side:
        await until(lambda: side.connected)
        listening = asyncio.create_task(
            client.listen(
                settings(port),
                TOPICS,
                station="ward",
                utc_ns=time.time_ns,
                take=lambda topic, _: heard.append(topic),
                seen=lambda: b'{"time": "", "seen": []}',
            )
        )
        await until(lambda: side.connected and side.changes[-1][1] is True)
        payload = write_instruction(Stop(reason=""), by="nurse-7", identity="i-1", case="", station="desk", utc_ns=UTC)
        asking = asyncio.create_task(
            client.ask(
                settings(port),
                TOPICS,
                station="desk",
                bed="bed-1",
                name="stop",
                identity="i-1",
                payload=payload,
                patience_s=5,
            )
        )
        await until(lambda: side.asked)
        bed, name, got, reply_to = side.asked[0]
        assert (bed, name, got, reply_to) == ("bed-1", "stop", payload, ReplyTo(None, None))
        assert getattr(parse_instruction(name, got), "station", None) == "desk", "where to answer"
        side.publisher.answer(TOPICS.answers("desk"), answer("i-1"), None)
        answered = await asking
        assert answered is not None
        assert (answered.id, answered.outcome) == ("i-1", "accepted")
        await until(lambda: TOPICS.availability in heard)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert {4, 5} <= set(tried)
