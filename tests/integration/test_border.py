"""The border as a process: it comes back, is told of when it is deaf, ends with the gateway, and shows no secret."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from brokers import Mosquitto, mosquitto
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.model.instructions import Stop
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.hearing import Hearing
from infusion_gateway.runtime.mqtt import Arrived
from infusion_gateway.wire.asking import write_instruction
from infusion_gateway.wire.topics import Topics
from integration.test_broker import gateway, permitted, subscriber
from integration.waiting import until
from payloads import vitals
from signing_keys import enrolled, signer

__all__ = ["mosquitto"]

TOPICS = Topics("clinic-a", "gateway-1")
DO = TOPICS.do("chair-1", "stop")
STATION = signer("station-1")
SECRET = "correct horse battery"


@contextlib.asynccontextmanager
async def hearing(port: int) -> AsyncIterator[tuple[Hearing, list[Arrived]]]:
    """Run the gateway's side; give it and what it heard."""
    heard: list[Arrived] = []
    broker = BrokerSettings("127.0.0.1", port, False, False, None, None, None, "gateway-1", SECRET)
    side = Hearing(broker, TOPICS, heard.append, Clock())
    side.enrol((enrolled(STATION, "clinician"),))
    running = asyncio.create_task(side.run())
    try:
        yield side, heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def say(port: int, number: int) -> bytes:
    """Ask for a stop, signed."""
    payload = write_instruction(Stop(""), by="n", identity=f"i-{number}", case="c", station=None, utc_ns=0)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(DO, sealed := STATION.seal(DO, payload), qos=1)
    return sealed


async def test_a_border_that_dies_is_started_again_and_knows_the_keys(mosquitto: Mosquitto) -> None:
    """Pins that the gateway hears again within seconds of its border's end, and that nothing unsigned comes with it."""
    async with hearing(mosquitto.port) as (side, heard):
        side.begin()
        await until(lambda: side.open, "its connection")
        first = await say(mosquitto.port, 1)
        await until(lambda: heard, "the first")
        assert (heard[0].topic, heard[0].payload, heard[0].retained) == (DO, first, False)
        assert side._process is not None
        before = side._process.pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: side._process is not None and side._process.pid != before, "another")
        await until(lambda: side.open, "its connection")
        heard.clear()
        again = await say(mosquitto.port, 2)
        await until(lambda: heard, "the second")
        assert heard[-1].payload == again


async def test_it_is_told_when_nobody_hears(tmp_path: Path) -> None:
    """Pins that a broker gone for longer than a return may take leaves it deaf, which it says until that is over."""
    broker = Mosquitto(tmp_path / "m")
    broker.start()
    try:
        async with hearing(broker.port) as (side, _):
            assert side.deaf == "", "nobody wants to hear yet"
            side.begin()
            await until(lambda: side.open, "its connection")
            broker.kill()
            assert side.deaf == ""
            await until(lambda: side.deaf, "deaf", 5)
            assert "instructions are not heard" in side.deaf
            broker.start()
            await until(lambda: not side.deaf, "hearing again", 5)
            side.leave()
            broker.kill()
            await until(lambda: not side.open, "left", 5)
            assert side.deaf == "", "what is another's to hear is no fault"
    finally:
        broker.kill()


async def test_it_ends_with_the_gateway_and_shows_no_secret(mosquitto: Mosquitto) -> None:
    """Pins that the broker's password is in no argument or environment, and that no border outlives its gateway."""
    async with hearing(mosquitto.port) as (side, _):
        side.begin()
        await until(lambda: side.open, "its connection")
        assert side._process is not None
        pid = side._process.pid
        for what in ("cmdline", "environ"):
            assert SECRET.encode() not in Path(f"/proc/{pid}/{what}").read_bytes()  # noqa: ASYNC240 - no disk is behind it
        assert side._process.stdin is not None
        side._process.stdin.close()  # what a gateway that was killed leaves behind
        await until(lambda: side._process is None or side._process.pid != pid, "its end")
    await until(lambda: not Path(f"/proc/{pid}").exists(), "its end")


async def test_only_so_much_of_a_flood_comes_through_and_the_rest_is_counted(mosquitto: Mosquitto) -> None:
    """Pins that of thousands of unsigned ones a few come through, the rest is counted, and a stop is among the few."""
    async with hearing(mosquitto.port) as (side, heard):
        side.begin()
        await until(lambda: side.open, "its connection")
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            for number in range(3000):
                await client.publish(DO, b"%d" % number, qos=0)
        sealed = await say(mosquitto.port, 1)
        await until(lambda: any(one.payload == sealed for one in heard), "the genuine one")
        await until(lambda: sum(side._dropped.values()) + len(heard) > 2900, "the count")
        assert len(heard) < 100
        assert side.unheard("chair-1") > 2800
        assert side.unheard("chair-1") == 0


@pytest.mark.parametrize("line", [{"dance": 1}, {}])
async def test_what_the_border_must_not_say_is_no_silence(line: dict[str, int]) -> None:
    """Pins that a line nobody knows ends that border, which is then started anew, instead of being passed over."""
    side = Hearing(BrokerSettings("h", 1, False, False, None, None, None, None, None), TOPICS, lambda _: None, Clock())
    with pytest.raises(ValueError, match="the border says"):
        side._told(line)


async def test_values_and_events_do_not_wait_for_a_border_that_does_not_open(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that what is told goes out at once, that no connection is claimed meanwhile, and what is said instead."""
    monkeypatch.setattr(Hearing, "_serve", lambda _self: asyncio.Event().wait())
    async with subscriber(mosquitto.port) as seen, gateway(tmp_path / "j", mosquitto.port) as side:
        await side.happens(permitted(1))

        def told() -> bool:
            side.publisher.say(TOPICS.vitals("bed-1"), vitals(), 10)
            return bool(seen.on(TOPICS.vitals("bed-1")) and seen.sequences() == [1])

        await until(told, "a value and an event")
        assert side.changes == [], "not even the 5 s were waited for, after which it is deaf"
        await until(lambda: side.changes, "deaf")
        assert side.changes[0][2] == "instructions are not heard: not connected yet"
        assert not side.connected
        side.publisher.hearing._told({"open": True})
        await until(lambda: side.connected, "connected", 2)


async def test_a_border_whose_words_nobody_read_does_not_keep_the_gateway_from_ending(mosquitto: Mosquitto) -> None:
    """Pins that ending takes no longer for what waits in the pipe: more than the gateway holds, of a border alive."""
    async with hearing(mosquitto.port) as (side, _):
        side.begin()
        await until(lambda: side.open, "its connection")
        process = side._process
        assert process is not None
        assert process.stdout is not None
        process.stdout._transport.pause_reading()  # type: ignore[attr-defined]  # as a flood does that nobody reads
        process.stdout._paused = True  # type: ignore[attr-defined]  # likewise
        began = time.monotonic()
    assert time.monotonic() - began < 8
