"""The embedded broker: a child on the loopback that is really there, and really gone afterwards."""

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.errors import BrokerError
from infusion_gateway.runtime import embedded
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.embedded import start
from infusion_gateway.runtime.mqtt import Arrived, Connection, NotSpoken
from infusion_gateway.runtime.naming import Name
from infusion_gateway.wire.topics import Topics

STARTS = """
import asyncio, sys
from pathlib import Path
from infusion_gateway.runtime.embedded import start

async def main():
    broker = await start(Path(sys.argv[1]), 0, kind=sys.argv[2])
    print(broker.url.rpartition(":")[2], flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def settings(url: str) -> BrokerSettings:
    return BrokerSettings("127.0.0.1", int(url.rpartition(":")[2]), False, True, None, None, None, None, None)


async def connected(url: str, *, version_5: bool, arrived: list[Arrived]) -> Connection:
    return await Connection.open(
        settings(url), version_5=version_5, identifier=f"t-{version_5}", will=("w", b"gone"), arrived=arrived.append
    )


@pytest.mark.parametrize("kind", ["mosquitto", "iotcore"])
async def test_it_is_there_speaks_both_versions_and_is_gone(tmp_path: Path, kind: str) -> None:
    """Pins that either broker starts on a free loopback port, serves MQTT 5 and 3.1.1, and leaves nothing behind."""
    broker = await start(tmp_path, 0, kind=kind)
    try:
        assert broker.kind == kind
        assert broker.running
        os.kill(broker.pid, 0)
        for url, version_5 in ((broker.url, True), (broker.url_311, False)):
            arrived: list[Arrived] = []
            connection = await connected(url, version_5=version_5, arrived=arrived)
            await connection.subscribe(("a/b",))
            assert await connection.send("a/b", b"x" * 50_000, retain=False) == 0
            async with asyncio.timeout(20):
                while not arrived:  # noqa: ASYNC110 - what is waited for is told by no event
                    await asyncio.sleep(0.01)
            assert len(arrived[0].payload) == 50_000
            await connection.leave()
    finally:
        await broker.stop()
    assert not broker.running
    with pytest.raises(ProcessLookupError):
        os.kill(broker.pid, 0)
    await broker.stop()


@pytest.mark.parametrize("kind", ["mosquitto", "iotcore"])
async def test_it_ends_with_who_started_it(tmp_path: Path, kind: str) -> None:
    """Pins that a gateway that was killed leaves no broker: the next one has its port."""
    command = (sys.executable, "-c", STARTS, str(tmp_path), kind)
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    port = int(await parent.stdout.readline())
    with pytest.raises(BrokerError, match="in use"):
        await start(tmp_path, port, kind=kind)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(BrokerError):
                broker = await start(tmp_path, port, kind=kind)
                break
            await asyncio.sleep(0.01)
    await broker.stop()


@pytest.mark.parametrize("kind", ["mosquitto", "iotcore"])
async def test_it_listens_on_the_loopback_alone(tmp_path: Path, kind: str) -> None:
    """Pins that no other interface is bound."""
    broker = await start(tmp_path, 0, kind=kind)
    try:
        ports = {int(url.rpartition(":")[2]) for url in (broker.url, broker.url_311)}
        listening = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:  # noqa: ASYNC240 - a file of the kernel's
                local, state = line.split()[1], line.split()[3]
                if state == "0A" and int(local.rpartition(":")[2], 16) in ports:
                    listening.add(local.rpartition(":")[0])
        assert listening == {"0100007F"}, "127.0.0.1, as the kernel writes it"
    finally:
        await broker.stop()


async def test_iotcores_other_port_refuses_mqtt_5_in_a_way_we_notice(tmp_path: Path) -> None:
    """Pins that a port which doesn't speak a version is told at once from a broker that isn't there."""
    broker = await start(tmp_path, 0, kind="iotcore")
    try:
        with pytest.raises(NotSpoken):
            await connected(broker.url_311, version_5=True, arrived=[])
    finally:
        await broker.stop()
    with pytest.raises(BrokerError) as gone:
        await connected(broker.url, version_5=True, arrived=[])
    assert not isinstance(gone.value, NotSpoken)


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """Pins that whoever else listens on the port is not taken for our broker, and both ways out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError) as refused:
            await start(tmp_path, port, kind="mosquitto")
    assert str(refused.value) == (
        f"port {port} of 127.0.0.1 is in use. Where that is a broker already, write "
        f'url = "mqtt://127.0.0.1:{port}" in place of embedded = true; else give another port'
    )


async def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    """Pins the words for a broker that we can't start."""
    with pytest.raises(BrokerError, match="mosquitto and iotcore are"):
        await start(tmp_path, 0, kind="rabbit")


async def test_a_broker_that_ends_at_once_is_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that the broker's own last words are told when it doesn't come up."""
    monkeypatch.setattr("infusion_gateway.runtime.embedded._MOSQUITTO", "no_such_option {port} {host} {packet}\n")
    with pytest.raises(BrokerError, match=r"ended at once: .*mosquitto\.conf:1"):
        await start(tmp_path, 0, kind="mosquitto")


async def test_a_broker_that_never_listens_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a start which runs out of time says so and leaves no process behind."""
    pids: list[int] = []
    run = embedded._run

    async def keeps(directory: Path, *command: str) -> asyncio.subprocess.Process:
        process = await run(directory, *command)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(embedded, "READY_S", 0.3)
    monkeypatch.setattr(embedded, "_run", keeps)
    monkeypatch.setattr(embedded, "_listens", _nobody)
    with pytest.raises(BrokerError, match="does not listen"):
        await start(tmp_path, 0, kind="mosquitto")
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


async def _nobody(_port: int) -> bool:
    return False


async def test_without_a_broker_the_way_out_is_said_once() -> None:
    """Pins what a gateway says that finds no broker: where it looked, why, what to do; once for one reason."""
    journal: Any = SimpleNamespace(uuid="j")
    nowhere = replace(settings("mqtt://127.0.0.1:9"), embedded=False)  # discard's port: nobody listens there
    name = Name(nowhere, Topics("s", "g"), journal, Clock(), lambda _: False, lambda: False)
    with capture_logs() as logs:
        for _ in range(3):
            assert await name.holder() == ""
    (line,) = logs
    assert (line["at"], line["why"]) == ("127.0.0.1:9", "Connection refused")
    assert "mosquitto -p 9" in line["remedy"]
