"""A broker of three nodes, NATS JetStream with MQTT 3.1.1 as deploy/nats has it, and a node killed under load."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from clusters import NATS, NODES, Cluster
from desks import desk
from infusion_gateway.config.broker import tls_context
from integration.test_broker import TOPICS, gateway, until
from integration.test_durability import first_live, record, speaking, whole
from payloads import alarms

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(NATS is None, reason="no nats-server here: as root, apt-get install nats-server (make debian)"),
]
FORMED_S = 30.0
"""A cluster has chosen who leads, and made its streams, within so long of its start."""
FAILED_OVER_S = 40.0
"""Most of it, where it is that long, is the cluster choosing anew who leads (docs/scale.md has figures)."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Give a cluster that runs."""
    made = Cluster(tmp_path / "cluster")
    try:
        for node in range(NODES):
            made.start(node)
        yield made
    finally:
        made.close()


async def kept(cluster: Cluster, name: str, node: int, topic: str) -> dict[str, Any]:
    """Ask one node for what stands retained on a topic, by a wildcard and with a client that is not ours."""
    address = cluster.settings(name, node).addresses[0]
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "asks")
    context = tls_context(address)
    assert context is not None
    client.tls_set_context(context)
    found: list[bytes] = []
    client.on_message = lambda _c, _d, message: found.append(bytes(message.payload)) if message.retain else None
    await asyncio.to_thread(client.connect, address.host, address.port)
    client.loop_start()
    try:
        async with asyncio.timeout(FAILED_OVER_S):
            while not found:
                client.subscribe(topic.replace(TOPICS.gateway, "+"))  # again: a cluster that is choosing refuses
                await asyncio.sleep(1)
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
    return dict(json.loads(found[0]))


async def test_a_node_killed_under_load_costs_no_station_an_event(tmp_path: Path, cluster: Cluster) -> None:
    """Pins that with the gateway's and a station's node gone both go on at another, and nobody lacks an event."""
    async with (
        gateway(tmp_path / "j", cluster.settings("gateway-1", 0)) as side,
        desk(cluster.settings("station-1", 0), TOPICS, "station-1") as one,
        desk(cluster.settings("station-2", 1), TOPICS, "station-2") as two,
        speaking(side),
    ):
        side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(7))
        await until(lambda: side.connected and one.linked and two.linked, FORMED_S)
        load = asyncio.create_task(record(side, range(1, 201), 0.02))
        await until(lambda: one.new and two.new)
        cluster.kill(0)
        killed = time.monotonic()
        await until(lambda: not side.connected or side.publisher.telling.waiting > 0)
        await load
        await until(lambda: len(one.new) >= 200 and len(two.new) >= 200, FAILED_OVER_S)
        assert await first_live(one, killed) < FAILED_OVER_S
        assert side.publisher._connection is not None
        assert not side.publisher._connection.version_5
        whole(one, 200)
        whole(two, 200)
        assert (await kept(cluster, "wall-1", 2, TOPICS.alarms("bed-1")))["revision"] == 7


async def test_two_nodes_of_three_gone_hold_nothing_up_and_lose_nothing(tmp_path: Path, cluster: Cluster) -> None:
    """Pins a cluster without a majority: the gateway says so and keeps what happens; then all of it comes."""
    async with (
        gateway(tmp_path / "j", cluster.settings("gateway-1", 2)) as side,
        desk(cluster.settings("station-1", 2), TOPICS, "station-1") as got,
    ):
        await until(lambda: side.connected and got.linked, FORMED_S)
        await record(side, range(1, 11), 0.01)
        await until(lambda: len(got.new) == 10)
        for node in (0, 1):
            cluster.kill(node)
        await record(side, range(11, 21), 0.01)
        await until(lambda: not side.connected, 20)
        assert side.publisher.telling.waiting >= 10
        for node in (0, 1):
            cluster.start(node)
        await until(lambda: side.connected and side.told and len(got.new) == 20, FAILED_OVER_S)
        whole(got, 20)
