"""What a broker keeps: all of it again on every connection, and nothing of beds and devices that are gone."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from brokers import Mosquitto, mosquitto
from infusion_gateway.config.load import load
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.embedded import start
from infusion_gateway.runtime.gateway import Gateway
from infusion_gateway.wire.topics import Topics
from integration.test_broker import TOPICS, Seen, gateway, permitted, say, subscriber, until
from payloads import alarms, descriptor, session

__all__ = ["mosquitto"]

CONFIG = Path(__file__).parents[2] / "config" / "bedside.toml"
HERE = frozenset({TOPICS.descriptor("bed-1"), TOPICS.session("bed-1"), TOPICS.alarms("bed-1"), TOPICS.vitals("bed-1")})
GONE = (TOPICS.alarms("bed-9"), TOPICS.session("bed-9"), TOPICS.device("bed-9", "pump"), TOPICS.device("bed-1", "old"))
PREFIX = "homeassistant"
STRANGERS = (
    Topics("clinic-a", "gateway-2").alarms("bed-9"),
    TOPICS.station_availability("desk"),
    f"{PREFIX}/device/igw-clinic-a-gateway-2/bed-9/config",
    f"{PREFIX}/sensor/kettle/config",
)


async def leave(port: int, topic: str, *, v5: bool) -> None:
    """Leave something on a topic, for the broker to keep."""
    version = aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client("127.0.0.1", port, protocol=version) as client:
        await client.publish(topic, b"1", qos=1, retain=True)


def left(seen: Seen) -> dict[str, bytes]:
    """Give what the last message left on each topic."""
    return {topic: payload for topic, payload, _ in seen.messages}


async def test_what_is_left_of_beds_and_devices_that_are_gone_is_cleared(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that a bed, a device and a discovery that are no more are cleared at the next start, and nothing else is."""
    old = TOPICS.discovery(PREFIX, "bed-9")
    for topic in (*GONE, *STRANGERS, old, TOPICS.alarms("bed-1")):
        await say(mosquitto.port, topic, b'{"left": "behind"}', retain=True)
    async with subscriber(mosquitto.port, "#") as seen, gateway(tmp_path / "j", mosquitto.port, runs=False) as side:
        await until(lambda: len(seen.messages) >= len(GONE) + len(STRANGERS) + 2)
        side.publisher.keep_only(HERE, PREFIX)
        side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(1))
        task = asyncio.create_task(side.publisher.run())
        try:
            await until(lambda: side.connected)
            await until(lambda: all(left(seen)[topic] == b"" for topic in (*GONE, old)))
            assert left(seen)[TOPICS.alarms("bed-1")] == alarms(1)
            assert all(left(seen)[topic] == b'{"left": "behind"}' for topic in STRANGERS)
            assert b"" not in seen.on(TOPICS.alarms("bed-1")), "what stands is never blanked"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    async with subscriber(mosquitto.port, "#") as fresh:
        await until(lambda: fresh.on(TOPICS.availability))
        await asyncio.sleep(0.2)
        assert {*GONE, old}.isdisjoint(left(fresh)), "the broker keeps nothing there any more"
        assert set(STRANGERS) <= set(left(fresh))


async def test_what_was_cleared_once_is_not_told_again(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that clearing ends: the next connection sends what stands, and no empty message."""
    await say(mosquitto.port, GONE[0], b"1", retain=True)
    async with gateway(tmp_path / "j", mosquitto.port, runs=False) as side:
        side.publisher.keep_only(HERE, None)
        side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(1))
        task = asyncio.create_task(side.publisher.run())
        try:
            await until(lambda: side.connected)
            mosquitto.kill()
            await until(lambda: not side.connected)
            mosquitto.start()
            async with subscriber(mosquitto.port, "igw/#") as seen:
                await until(lambda: side.connected and TOPICS.alarms("bed-1") in left(seen))
                assert b"" not in [payload for _, payload, _ in seen.messages]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_all_state_comes_again_on_every_connection(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that a broker that forgot has everything again after each of its deaths, without anybody's doing."""
    wanted = {
        TOPICS.alarms("bed-1"): alarms(1),
        TOPICS.session("bed-1"): session("case-1"),
        TOPICS.descriptor("bed-1"): descriptor("1"),
    }
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        for topic, payload in wanted.items():
            side.publisher.set_state(topic, payload)
        for _ in range(2):
            await until(lambda: side.connected)
            async with subscriber(mosquitto.port, "igw/#") as seen:
                await until(lambda s=seen: wanted.items() <= left(s).items())
            mosquitto.kill()
            await until(lambda: not side.connected)
            mosquitto.start()


async def test_a_broker_that_hides_what_it_keeps_is_served_all_the_same(tmp_path: Path) -> None:
    """Pins that without the right to read its own topics a gateway connects and tells everything."""
    acl = tmp_path / "acl"
    acl.write_text("topic write igw/v1/clinic-a/gateway-1/#\ntopic read igw/v1/clinic-a/gateway-1/availability\n")
    broker = Mosquitto(tmp_path / "m", options=f"acl_file {acl}")
    broker.start()
    try:
        async with gateway(tmp_path / "j", broker.port, runs=False) as side:
            side.publisher.keep_only(HERE, PREFIX)
            task = asyncio.create_task(side.publisher.run())
            await side.happens(permitted(1))
            await until(lambda: side.connected and side.told)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        broker.kill()


@pytest.mark.parametrize("v5", [True, False])
async def test_the_embedded_broker_is_cleared_in_both_versions(tmp_path: Path, v5: bool) -> None:
    """Pins the same on the embedded broker, whose ports speak one version each: detected, not configured."""
    embedded = await start(tmp_path / "b", 0, kind="iotcore")
    try:
        port = int((embedded.url if v5 else embedded.url_311).rpartition(":")[2])
        await leave(port, GONE[0], v5=v5)
        async with gateway(tmp_path / "j", port, runs=False) as side, subscriber(port, "igw/#", v5=v5) as seen:
            await until(lambda: left(seen).get(GONE[0]) == b"1")
            side.publisher.keep_only(HERE, None)
            task = asyncio.create_task(side.publisher.run())
            await until(lambda: side.connected and left(seen)[GONE[0]] == b"")
            assert side.publisher._connection is not None
            assert side.publisher._connection.version_5 is v5
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await embedded.stop()


async def test_a_gateway_keeps_the_topics_of_its_configuration() -> None:
    """Pins what a gateway takes for its own: each bed's state and each of its devices; discovery is off."""
    gateway_ = Gateway(load(CONFIG), version="test", clock=Clock(), wire_log=None)
    kept = gateway_._kept_topics()
    settings = gateway_._settings
    topics = Topics(settings.gateway.site, settings.gateway.name)
    for bed in settings.beds:
        assert {topics.alarms(bed.id), topics.session(bed.id), topics.descriptor(bed.id), topics.vitals(bed.id)} <= kept
        assert {topics.device(bed.id, device.device) for device in bed.devices} <= kept
    assert not [topic for topic in kept if "homeassistant" in topic], "off by default"
    await gateway_._history.close()


async def test_home_assistant_is_told_where_it_is_asked_for(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins the option: with the key each bed's discovery is retained under its prefix, in the contract's form."""
    settings = load(CONFIG)
    broker = replace(settings.broker, port=mosquitto.port, home_assistant="ha/prefix")
    own = replace(settings.gateway, state_directory=tmp_path / "state")
    settings = replace(settings, broker=broker, gateway=own)
    gateway_ = Gateway(settings, version="test", clock=Clock(), wire_log=None)
    await gateway_.journal.open()
    gateway_._tell_home_assistant()
    topics = Topics(settings.gateway.site, settings.gateway.name)
    topic = topics.discovery("ha/prefix", settings.beds[0].id)
    assert topic in gateway_._kept_topics()
    async with subscriber(mosquitto.port, "ha/#") as seen:
        task = asyncio.create_task(gateway_._publisher.run())
        await until(lambda: topic in left(seen))
        assert json.loads(left(seen)[topic])["origin"]["name"] == "infusion-gateway"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await gateway_._history.close()
    await gateway_.journal.close()


async def test_a_broker_that_learns_mqtt_5_is_spoken_to_in_mqtt_5(tmp_path: Path) -> None:
    """Pins that the version is found out at each connection, on one address: nothing is configured or remembered."""
    old = await start(tmp_path / "old", 0, kind="iotcore")
    port = int(old.url_311.rpartition(":")[2])
    versions = []
    async with gateway(tmp_path / "j", port) as side:
        side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(1))
        for broker in (old, None):
            new = broker or await start(tmp_path / "new", port, kind="mosquitto")
            await until(lambda: side.connected)
            assert side.publisher._connection is not None
            versions.append(side.publisher._connection.version_5)
            await new.stop()
            await until(lambda: not side.connected)
    assert versions == [False, True]
