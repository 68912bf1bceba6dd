"""A gateway's process that stands still: a station tells by its own clock, whatever the broker believes."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from bench.inside import Beds, Placed
from bench.outside import Registers
from bench.signed_gateway import GATEWAY, TOPICS, signed_gateway
from desks import desk
from hindrance import Hindrance
from infusion_gateway.station.attend import Attending
from infusion_gateway.ward.genuine import SILENT_S
from integration.test_broker import until

pytestmark = [pytest.mark.slow(25), pytest.mark.timeout(120)]


async def test_a_gateway_that_is_stopped_is_told_of_by_the_age_of_its_word(tmp_path: Path) -> None:
    """Pins SIGSTOP of a real gateway: NO WORD at a station within two heartbeats and a little; heard again after."""
    monitor = Registers(7)
    beds: Beds = {"bed-1": (Placed("monitor", "bench_monitor", await monitor.listen()),)}
    attending = Attending(TOPICS, GATEWAY)
    said: list[tuple[float, str]] = []

    def take(topic: str, payload: bytes) -> None:
        now = time.monotonic()
        said.extend((now, line) for line in attending.take(topic, payload, now))

    async def look() -> None:
        while True:
            now = time.monotonic()
            said.extend((now, line) for line in attending.late(now))
            await asyncio.sleep(0.1)

    async with signed_gateway(tmp_path, beds) as running, desk(running.broker, TOPICS, "ward-2") as got:
        got.hears = take
        looking = asyncio.create_task(look())
        try:
            await until(lambda: attending.heard_s is not None, 40)
            busy = Hindrance()
            running.process.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            await until(lambda: attending.silent, 2 * SILENT_S)
            told = next(at for at, line in said if "NO WORD" in line)
            assert told - stopped <= SILENT_S + 0.5 + busy.s
            assert got.linked, "the station's own line is fine"
        finally:
            running.process.send_signal(signal.SIGCONT)
            looking.cancel()
        await until(lambda: not attending.silent, 30)
        assert any("heard again" in line for _, line in said)
