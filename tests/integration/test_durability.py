"""Nothing lost, and told means that somebody has it: outages, amnesia, hangs and half-open lines on real brokers."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from brokers import Mosquitto, free_port, mosquitto
from clinic import Clinic
from desks import Desk, desk
from faults.proxy import Proxy
from hindrance import Hindrance
from infusion_gateway.config.broker import HALF_OPEN
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.errors import LinkError
from infusion_gateway.runtime import telling
from infusion_gateway.runtime.embedded import start
from infusion_gateway.runtime.journal import OUTBOX
from infusion_gateway.runtime.streams import open_tcp
from infusion_gateway.station.attend import Attending
from infusion_gateway.ward.genuine import SILENT_S
from infusion_gateway.wire.outbox import WINDOW
from integration.test_broker import SAMPLE, TOPICS, Side, gateway, permitted, settings, until
from payloads import vitals

__all__ = ["mosquitto"]

NOTICED_S = 5.0
"""Within so long a connection that hangs, or has no other end any more, is noticed."""
BACK_S = 2.0
"""Within so long of the broker's return the first live value arrives."""


async def record(side: Side, numbers: range, every_s: float) -> None:
    """Let events happen, one after another."""
    for number in numbers:
        await side.happens(permitted(number))
        await asyncio.sleep(every_s)


async def speak(side: Side) -> None:
    """Say values as a gateway does, but more often."""
    while True:
        side.publisher.say(TOPICS.vitals("bed-1"), vitals(), 10)
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def speaking(side: Side) -> AsyncIterator[None]:
    """Say values meanwhile."""
    task = asyncio.create_task(speak(side))
    try:
        yield
    finally:
        task.cancel()


async def first_live(got: Desk, since: float) -> float:
    """Give how long after this moment a station gets the first value that is said just now."""
    await until(lambda: bool(got.live) and got.live[-1] > since)
    return next(at for at in got.live if at > since) - since


def whole(got: Desk, last: int) -> None:
    """Fail unless a station has every event, takes none for new twice, and has none under two ids."""
    assert sorted(got.new) == list(range(1, last + 1))
    assert len({identity for _, identity in got.raw}) == last


@pytest.fixture(params=["kept", "wiped"])
def clinic(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Clinic, bool]]:
    """Give deploy/'s broker (TLS, roles, persistence), and whether it is to lose its store."""
    broker = Clinic(tmp_path / "clinic")
    broker.start()
    try:
        yield broker, request.param == "wiped"
    finally:
        broker.kill()


@pytest.mark.slow
@pytest.mark.requirement("S18")
async def test_a_broker_killed_under_load_costs_no_station_an_event(
    tmp_path: Path, clinic: tuple[Clinic, bool]
) -> None:
    """Pins three deaths in a row, with its store and with nothing: each station has every event, and values at once."""
    broker, wiped = clinic
    async with (
        gateway(tmp_path / "j", broker.settings("gateway-1")) as side,
        desk(broker.settings("station-1"), TOPICS, "station-1") as one,
        desk(broker.settings("station-2"), TOPICS, "station-2") as two,
        speaking(side),
    ):
        await until(lambda: side.connected and one.linked and two.linked)
        load = asyncio.create_task(record(side, range(1, 301), 0.02))
        back, busy = [], Hindrance()
        for _ in range(3):
            await asyncio.sleep(1)
            broker.kill()
            if wiped:
                (broker.directory / "mosquitto.db").unlink(missing_ok=True)
            await asyncio.sleep(0.5)
            broker.start()
            returned = time.monotonic()
            back.append(await first_live(one, returned))
        await load
        await until(lambda: len(one.new) >= 300 and len(two.new) >= 300)
        assert max(back) < BACK_S + busy.s, back
    whole(one, 300)
    whole(two, 300)


@pytest.mark.slow
@pytest.mark.alone
async def test_an_outage_of_twenty_seconds_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """Pins the promise: 0 lost, 0 repeated, and the first live value at most 2 s after the broker's return."""
    broker = Clinic(tmp_path / "clinic")
    broker.start()
    try:
        async with (
            gateway(tmp_path / "j", broker.settings("gateway-1")) as side,
            desk(broker.settings("station-1"), TOPICS, "station-1") as got,
            speaking(side),
        ):
            await until(lambda: side.connected and got.linked)
            await record(side, range(1, 21), 0.01)
            await until(lambda: len(got.new) == 20)
            await asyncio.sleep(2.5)  # it has said what it has seen
            broker.kill()  # it keeps that we are online, and no last will of ours
            await record(side, range(21, 221), 0.1)
            busy = Hindrance()
            broker.start()
            returned = time.monotonic()
            assert await first_live(got, returned) < BACK_S + busy.s
            await until(lambda: len(got.new) == 220)
        whole(got, 220)
        assert len(got.raw) <= 220 + WINDOW, "but for what was on its way, not even the line saw one twice"
    finally:
        broker.kill()


@pytest.mark.slow
async def test_the_embedded_broker_restarted_costs_no_event(tmp_path: Path) -> None:
    """Pins the same on the embedded broker, which keeps nothing at all."""
    broker = await start(tmp_path / "b", 0, kind="iotcore")
    port = int(broker.url.rpartition(":")[2])
    try:
        async with (
            gateway(tmp_path / "j", port) as side,
            desk(settings(port), TOPICS, "desk") as got,
            speaking(side),
        ):
            await until(lambda: side.connected and got.linked)
            load = asyncio.create_task(record(side, range(1, 151), 0.02))
            await asyncio.sleep(1)
            await broker.stop()
            await asyncio.sleep(0.5)
            busy = Hindrance()
            broker = await start(tmp_path / "b", port, kind="iotcore")
            returned = time.monotonic()
            assert await first_live(got, returned) < BACK_S + busy.s
            await load
            await until(lambda: len(got.new) == 150)
        whole(got, 150)
    finally:
        await broker.stop()


@pytest.mark.slow
async def test_a_station_that_stays_behind_is_told_again(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins a loss that no connection's end shows, as of a broker's full queue: after 5 s it is told again, unasked."""
    async with gateway(tmp_path / "j", mosquitto.port) as side, desk(settings(mosquitto.port), TOPICS, "desk") as got:
        await until(lambda: side.connected and got.linked)
        await side.happens(permitted(1))
        await until(lambda: side.journal.cursors("seen/") == {"seen/desk/bed-1": 1})
        lost = {2, 3}

        def deaf(topic: str, payload: bytes) -> None:
            number = int(payload.split(b"number ")[1][:1]) if b"number " in payload else 0
            if number in lost:
                lost.remove(number)
            else:
                got.take(topic, payload)

        got.hears = deaf
        await side.happens(permitted(2), permitted(3))
        await until(lambda: got.new == [1, 2, 3])
        assert side.publisher.telling.counts.again >= 1


async def test_a_full_outbox_gives_up_the_oldest_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the bound: without a broker it fills, the journal goes on, and who comes then sees the gap by sequence."""
    monkeypatch.setattr(telling, "REACH", 10)
    broker = Mosquitto(tmp_path / "m")
    broker.start()
    try:
        async with gateway(tmp_path / "j", broker.port) as side:
            await side.happens(permitted(1))
            await until(lambda: side.told)
            told = side.publisher.telling
            assert (told.waiting, told.filled) == (0, 0.0)
            broker.kill()
            await until(lambda: not side.connected)
            for number in range(2, 7):
                await side.happens(permitted(number))
            assert told.filled == 0.5
            for number in range(7, 32):
                await side.happens(permitted(number))
            assert (told.filled, told.counts.given_up) == (1.0, 20)
            async with desk(settings(broker.port), TOPICS, "desk") as got:
                broker.start()
                await until(lambda: side.told and got.raw)
                assert min(sequence for sequence, _ in got.raw) >= 22
                assert [r.bed_sequence for r in side.journal.records("bed-1")] == list(range(1, 32))
    finally:
        broker.kill()


async def test_readings_that_are_not_published_leave_the_outbox_empty(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that hours of readings without an event neither fill the outbox nor are looked through again at a start."""
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        await side.happens(permitted(1))
        await until(lambda: side.told)
        for _ in range(3):
            await side.happens(*[SAMPLE] * 600)
        await until(lambda: side.publisher.telling.waiting == 0)
        assert side.journal.head.sequence == 1801
        assert side.journal.cursor(OUTBOX) > telling.NOTED_EVERY
        await side.happens(permitted(2))
        await until(lambda: side.told)
        assert side.publisher.telling.counts.acknowledged == 2


@pytest.mark.slow
async def test_a_connection_that_hangs_is_noticed_on_both_sides(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins a line that carries nothing any more, with nothing to say: gateway and station know within 5 s."""
    async with (
        Proxy.to(mosquitto.port) as proxy,
        gateway(tmp_path / "j", proxy.port) as side,
        desk(settings(proxy.port), TOPICS, "desk") as got,
    ):
        await until(lambda: side.connected and got.linked)
        busy = Hindrance()
        proxy.bad.up_stalled = proxy.bad.down_stalled = True
        assert await until(lambda: not side.connected and not got.linked) < NOTICED_S + busy.s
        proxy.bad.up_stalled = proxy.bad.down_stalled = False
        await until(lambda: side.connected and got.linked)


@contextlib.contextmanager
def far_side() -> Iterator[tuple[str, str]]:
    """Give a network namespace on the far side of a cable (name, address); the near end is called as it is."""
    name = f"igw{os.getpid() % 10_000}"
    net = f"10.{200 + os.getpid() % 50}.{os.getpid() % 250}"
    commands = (
        f"netns add {name}",
        f"link add {name} type veth peer name far netns {name}",
        f"addr add {net}.1/24 dev {name}",
        f"link set {name} up",
        f"-n {name} addr add {net}.2/24 dev far",
        f"-n {name} link set far up",
    )
    try:
        for command in commands:
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        yield name, f"{net}.2"
    finally:
        subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.slow
@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and ip(8) for a cable to pull")
async def test_a_pulled_cable_is_noticed_on_every_connection(tmp_path: Path) -> None:
    """Pins half-open connections, no reset and no end: MQTT on both sides and Modbus TCP are given up within 5 s."""
    with far_side() as (name, address):
        broker = Mosquitto(tmp_path / "m")
        conf = broker.directory / "mosquitto.conf"
        conf.write_text(conf.read_text().replace("127.0.0.1", address))
        command = ["ip", "netns", "exec", name, "mosquitto", "-c", str(conf)]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"},
        )
        try:
            there = replace(settings(broker.port), host=address)
            async with gateway(tmp_path / "j", there) as side, desk(there, TOPICS, "desk") as got:
                await until(lambda: side.connected and got.linked)
                line = open_tcp(
                    "pump", f"tcp://{address}:{broker.port}", 2
                )  # whoever it is: it is the socket that counts
                gone: list[float] = []
                line.attach(lambda: gone.append(time.monotonic()))
                pulled = await asyncio.create_subprocess_exec("ip", "link", "set", name, "down")
                busy = Hindrance()
                assert await pulled.wait() == 0
                assert await until(lambda: not side.connected and not got.linked and gone) < NOTICED_S + busy.s
                with pytest.raises(LinkError):
                    line.take()
                line.close()
        finally:
            process.kill()
            await process.wait()


async def test_every_socket_has_the_options_that_notice(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that the kernel was really told: TCP_USER_TIMEOUT and keep-alive on the gateway's MQTT and Modbus TCP."""
    wanted = {option: value for _, option, value in HALF_OPEN}
    assert wanted[socket.TCP_USER_TIMEOUT] == 3000
    line = open_tcp("pump", f"tcp://127.0.0.1:{mosquitto.port}", 2)
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        await until(lambda: side.connected)
        assert side.publisher._connection is not None
        mine = side.publisher._connection._client.beneath.socket()
        assert isinstance(mine, socket.socket)
        for one in (mine, socket.socket(fileno=os.dup(line.fd))):
            for level, option, value in HALF_OPEN:
                assert int(one.getsockopt(level, option) > 0) == int(value > 0)
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3000
    line.close()


async def test_a_hung_gateway_is_noticed_by_the_age_of_what_it_says(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Pins a gateway whose connection lives and that says nothing: the receiver's own clock tells, within two beats."""
    attending = Attending(TOPICS)
    said: list[str] = []
    async with (
        gateway(tmp_path / "j", mosquitto.port, beats=True) as side,
        desk(settings(mosquitto.port), TOPICS, "desk") as got,
    ):
        got.hears = lambda topic, payload: said.extend(attending.take(topic, payload, time.monotonic()))
        await until(lambda: attending.heard_s is not None)
        await until(lambda: side.connected)
        hung = attending.heard_s or 0.0
    assert attending.late(hung + SILENT_S - 0.1) == []
    assert "NO WORD" in attending.late(hung + SILENT_S)[0]
    assert not any("NO WORD" in line for line in said)


async def test_the_addresses_of_one_broker_are_tried_in_turn(tmp_path: Path) -> None:
    """Pins that gateway, border and station go on at another address when theirs is gone, and where none is say all."""
    nodes = [Mosquitto(tmp_path / f"m{n}") for n in range(2)]
    there: BrokerSettings = replace(settings(free_port()), others=tuple(("127.0.0.1", node.port) for node in nodes))
    async with gateway(tmp_path / "j", there) as side, desk(there, TOPICS, "desk") as got:
        await until(lambda: side.changes and got.links)
        for node in nodes:
            assert str(node.port) in side.changes[-1][2]
            assert str(node.port) in got.links[-1][1]
        for here, other in (nodes, nodes[::-1]):
            here.start()
            await until(lambda: side.connected and got.linked)
            await side.happens(permitted(1))
            await until(lambda: side.told)
            here.kill()
            await until(lambda: not side.connected)
            assert other.process is None
    assert got.new == [1, 2]


async def test_a_frozen_process_keeps_its_kernel_talking(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins why age is judged and not the line: a stopped broker's kernel acknowledges, and it is noticed."""
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        await until(lambda: side.connected)
        busy = Hindrance()
        mosquitto.signal(signal.SIGSTOP)
        assert await until(lambda: not side.connected) < NOTICED_S + busy.s
        mosquitto.signal(signal.SIGCONT)
        await until(lambda: side.connected)
