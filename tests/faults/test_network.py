"""A bad network between gateway and broker: delay, pauses, resets, one way cut off, a narrow line. Nothing is lost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from faults.live import Live
from faults.proxy import Proxy
from integration.test_journal import until

pytestmark = pytest.mark.slow(20)
SETTLED_S = 20.0


@contextlib.asynccontextmanager
async def beyond(directory: Path) -> AsyncIterator[tuple[Live, Proxy]]:
    """Give a bed that infuses, with the broker beyond a proxy; the witness is at the broker itself."""
    live = Live(directory, seed=4)
    await live.stage.start("broker")
    async with Proxy.to(live.stage.broker_port) as proxy:
        live.through = proxy.port
        nurse = None
        try:
            await live.open()
            nurse = asyncio.create_task(live.nurse())
            await live.phase("infusing", 25)
            yield live, proxy
        finally:
            if nurse is not None:
                nurse.cancel()
                await asyncio.gather(nurse, return_exceptions=True)
            await live.close()


async def settled(live: Live, proxy: Proxy) -> None:
    """Let the network be good again, end the gateway, and hold what was heard against the record."""
    proxy.bad.delay_s, proxy.bad.bytes_s = 0.0, 0
    await live.told(SETTLED_S)
    await live.stage.gateway.end()
    found = live.judge()
    assert found.wrong == []
    assert (found.lost, found.invented) == (0, 0)
    assert found.recorded > 8


async def test_the_proxy_does_what_it_is_told(tmp_path: Path) -> None:
    """Pins the proxy itself: bytes pass whole, a stall holds them in one direction alone, a reset is seen as one."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy.to(server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        sent = bytes(range(256)) * 64
        proxy.bad.delay_s = 0.01
        writer.write(sent)
        assert await asyncio.wait_for(reader.readexactly(len(sent)), 5) == sent
        proxy.bad.delay_s, proxy.bad.down_stalled = 0.0, True
        writer.write(b"held")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(4), 0.3)
        proxy.bad.down_stalled = False
        assert await asyncio.wait_for(reader.read(4), 5) == b"held"
        proxy.bad.bytes_s = 2048
        begun = time.monotonic()
        writer.write(bytes(1024))
        await asyncio.wait_for(reader.readexactly(1024), 5)
        assert time.monotonic() - begun > 0.8, "half a second each way"
        assert proxy.reset() == 2
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 5)


async def test_a_line_that_stutters_loses_nothing(tmp_path: Path) -> None:
    """Pins delay, jitter and pauses up to 1.5 s both ways: every event comes, once each, and the session goes on."""
    async with beyond(tmp_path) as (live, proxy):
        proxy.bad.delay_s = 0.25
        for _ in range(3):
            proxy.bad.up_stalled = proxy.bad.down_stalled = True
            await asyncio.sleep(1.5)
            proxy.bad.up_stalled = proxy.bad.down_stalled = False
            await asyncio.sleep(0.7)
        await live.simulator("oximeter", "POST", "/set", spo2=92)
        await until(lambda: told(live, "spo2-low"), 20)
        await settled(live, proxy)


async def test_a_connection_that_is_reset_again_and_again_loses_nothing(tmp_path: Path) -> None:
    """Pins ten resets at once and a second apart: connected again each time, with patience, and nothing is lost."""
    async with beyond(tmp_path) as (live, proxy):
        before = proxy.connections
        resets = 0
        for turn in range(10):
            await asyncio.sleep(0.2 if turn < 5 else 1.0)
            resets += proxy.reset() > 0
            if turn == 4:
                await live.simulator("oximeter", "POST", "/set", spo2=92)
        assert resets >= 5
        assert proxy.connections - before < 40, "no frenzy"
        await until(lambda: told(live, "spo2-low"), 20)
        await settled(live, proxy)


async def test_a_broker_that_is_cut_off_one_way_is_noticed(tmp_path: Path) -> None:
    """Pins a broker whose answers don't come any more: given up and connected to anew within 10 s, nothing lost."""
    async with beyond(tmp_path) as (live, proxy):
        before = proxy.connections
        proxy.bad.down_stalled = True
        begun = time.monotonic()
        await until(lambda: proxy.connections > before, 15)
        assert time.monotonic() - begun < 10
        proxy.bad.down_stalled = False
        await live.simulator("oximeter", "POST", "/set", spo2=92)
        await until(lambda: told(live, "spo2-low"), 20)
        await settled(live, proxy)


async def test_over_a_narrow_line_an_alarm_is_not_behind_the_telemetry(tmp_path: Path) -> None:
    """Pins a line of two thirds of what a bed has to say: a new alarm is told within 15 s all the same."""
    async with beyond(tmp_path) as (live, proxy):
        carried = proxy.carried
        await asyncio.sleep(4)
        proxy.bad.bytes_s = (proxy.carried - carried) // 6
        assert proxy.bad.bytes_s > 200
        await asyncio.sleep(5)
        begun = time.monotonic()
        await live.simulator("oximeter", "POST", "/set", spo2=92)
        await until(lambda: told(live, "spo2-low"), 25)
        assert time.monotonic() - begun < 15, "five seconds of them are the condition's own delay"
        await settled(live, proxy)


def told(live: Live, code: str) -> bool:
    """Say whether the witness was ever told of this alarm."""
    alarms = live.witness.alarms if live.witness else []
    return any(alarm["code"] == code for _, message in alarms for alarm in message["alarms"])
