"""The publisher against a real Mosquitto: what subscribers get, whatever happens to the broker."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from brokers import Mosquitto, mosquitto
from hindrance import Hindrance
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.errors import NameHeld
from infusion_gateway.model.events import Event, ResumePermitted, Sampled
from infusion_gateway.model.observation import Delivery
from infusion_gateway.runtime import retained
from infusion_gateway.runtime.broker import Publisher, ReplyTo
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.embedded import start
from infusion_gateway.runtime.journal import OUTBOX, Journal
from infusion_gateway.wire.messages import Heartbeat, JournalHead
from infusion_gateway.wire.stamps import rfc3339
from infusion_gateway.wire.topics import Topics
from integration.waiting import until
from payloads import alarms, answer, descriptor, session, vitals

__all__ = ["mosquitto"]

TOPICS = Topics("clinic-a", "gateway-1")
SAMPLE = Sampled(values=(), delivery=Delivery.INFUSING, volume_ml=1.5, epoch=0, dose_mg=0.75)


def settings(port: int) -> BrokerSettings:
    return BrokerSettings("127.0.0.1", port, False, False, None, None, None, None, None)


def permitted(number: int, padding: str = "") -> Event:
    return ResumePermitted(by="nurse-7", reason=f"number {number}{padding}")


@dataclass
class Seen:
    """What a subscriber got, in order."""

    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def bodies(self, part: str = "/event/") -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload, _ in self.messages if part in topic and payload]

    def sequences(self) -> list[int]:
        return [body["sequence"] for body in self.bodies()]

    def on(self, topic: str) -> list[bytes]:
        return [payload for t, payload, _ in self.messages if t == topic]


@dataclass
class Side:
    """A gateway's side: journal and publisher, and what they said."""

    journal: Journal
    publisher: Publisher
    changes: list[tuple[bool, bool | None, str, bool]]
    asked: list[tuple[str, str, bytes, ReplyTo]]
    task: "asyncio.Task[None]"

    async def happens(self, *events: Event, bed: str = "bed-1") -> None:
        """Record events and let the publisher know."""
        clock = Clock()
        await self.journal.append(bed, events, clock.now(), clock.utc_ns())
        self.publisher.recorded()

    @property
    def connected(self) -> bool:
        return bool(self.changes) and self.changes[-1][0]

    @property
    def told(self) -> bool:
        """Whether the broker has acknowledged everything that was recorded."""
        return self.journal.cursor(OUTBOX) >= self.journal.head.sequence


@contextlib.asynccontextmanager
async def gateway(
    directory: Path, at: int | BrokerSettings, *, in_session: bool = False, beats: bool = False, runs: bool = True
) -> AsyncIterator[Side]:
    """Run a gateway's publisher on a journal of its own, and its heartbeat where it beats. at: a port, or all of it."""
    clock = Clock()
    changes: list[tuple[bool, bool | None, str, bool]] = []
    asked: list[tuple[str, str, bytes, ReplyTo]] = []
    journal = Journal(directory, boot_id=clock.boot_id(), on_change=lambda *_: None)
    await journal.open()
    publisher = Publisher(
        settings(at) if isinstance(at, int) else at,
        TOPICS,
        journal,
        lambda *a: asked.append(a),
        lambda *c: changes.append(c),
        clock,
        lambda: in_session,
    )
    task = asyncio.create_task(publisher.run() if runs else asyncio.sleep(0))
    beating = asyncio.create_task(beat(publisher, journal, clock) if beats else asyncio.sleep(0))
    try:
        yield Side(journal, publisher, changes, asked, task)
    finally:
        task.cancel()
        beating.cancel()
        await asyncio.gather(task, beating, return_exceptions=True)
        await journal.close()


async def beat(publisher: Publisher, journal: Journal, clock: Clock) -> None:
    """Say the heartbeat, more often than a gateway does."""
    for sequence in count(1):
        said = Heartbeat(
            time=rfc3339(clock.utc_ns()),
            sequence=sequence,
            boot_id=clock.boot_id(),
            journal=journal.uuid,
            head=JournalHead(sequence=0, hash=""),
            challenge="",
            alarm_revisions={},
        )
        publisher.say(TOPICS.heartbeat, said.to_bytes(), 10)
        await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def subscriber(port: int, *filters: str, identifier: str | None = None, v5: bool = True) -> AsyncIterator[Seen]:
    """Subscribe with a session that lasts where it has a name, reconnecting for ever."""
    seen = Seen()
    ready = asyncio.Event()
    version = aiomqtt.ProtocolVersion.V5 if v5 else aiomqtt.ProtocolVersion.V311

    async def listen() -> None:
        while True:
            options: dict[str, Any] = (
                {"clean_start": identifier is None} if v5 else {"clean_session": identifier is None}
            )
            if v5 and identifier:
                options["properties"] = Properties(PacketTypes.CONNECT)
                options["properties"].SessionExpiryInterval = 3600
            try:
                async with aiomqtt.Client(
                    "127.0.0.1", port, identifier=identifier, protocol=version, timeout=2, **options
                ) as client:
                    for name in filters or ("igw/v1/clinic-a/gateway-1/#",):
                        await client.subscribe(name, 1)
                    ready.set()
                    async for message in client.messages:
                        seen.messages.append((str(message.topic), bytes(message.payload), message.retain))
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    task = asyncio.create_task(listen())
    await asyncio.wait_for(ready.wait(), 30)
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def say(
    port: int,
    topic: str,
    payload: bytes,
    protocol: aiomqtt.ProtocolVersion = aiomqtt.ProtocolVersion.V5,
    **options: Any,
) -> None:
    """Publish one message as a stranger."""
    async with aiomqtt.Client("127.0.0.1", port, protocol=protocol) as client:
        await client.publish(topic, payload, qos=1, **options)


async def heard(side: Side, port: int, topic: str, payload: bytes, **options: Any) -> None:
    """Publish it, and again where nobody heard it: the gateway's ear may just be connecting anew."""
    while not side.asked:
        await say(port, topic, payload, **options)
        with contextlib.suppress(AssertionError):
            await until(lambda: side.asked, seconds=2)


async def test_retained_state_goes_first_with_the_alarms_before_the_rest(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins the order on connecting: availability, alarms of every bed, other state, then events in sequence."""
    async with subscriber(mosquitto.port) as seen, gateway(tmp_path / "j", mosquitto.port) as side:
        for bed in ("bed-1", "bed-2", "bed-3"):
            side.publisher.set_state(TOPICS.session(bed), session("case-1"))
            side.publisher.set_state(TOPICS.descriptor(bed), descriptor("1"))
            side.publisher.set_state(TOPICS.alarms(bed), alarms(1))
        for number in range(40):
            await side.happens(SAMPLE, permitted(number))
        await until(lambda: side.connected and side.told and len(seen.bodies()) == 40)
    topics = [topic for topic, _, _ in seen.messages]
    assert topics[0] == TOPICS.availability
    assert {t.rpartition("/")[2] for t in topics[1:4]} == {"alarms"}
    assert {t.rpartition("/")[2] for t in topics[4:10]} == {"session", "descriptor"}
    assert seen.sequences() == list(range(1, 41))
    assert all("/event/resume-permitted" in t for t in topics[10:50])
    assert json.loads(seen.on(TOPICS.availability)[0])["status"] == "online"
    assert json.loads(seen.on(TOPICS.availability)[-1])["why"] == "the gateway was stopped"


async def test_a_change_of_state_goes_out_at_once_and_only_the_newest(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that set_state publishes changes, collapses what is overtaken, and leaves the newest retained."""
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        await until(lambda: side.connected)
        for number in range(200):
            side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(number))
        async with subscriber(mosquitto.port) as seen:
            await until(lambda: seen.on(TOPICS.alarms("bed-1"))[-1:] == [alarms(199)])
            assert len(seen.on(TOPICS.alarms("bed-1"))) < 20
        async with subscriber(mosquitto.port) as seen:
            await until(lambda: seen.on(TOPICS.alarms("bed-1")) == [alarms(199)])
        side.publisher.set_state(TOPICS.alarms("bed-1"), b"")
        await asyncio.sleep(0.2)
        async with subscriber(mosquitto.port) as seen:
            await until(lambda: seen.on(TOPICS.availability))
            assert not seen.on(TOPICS.alarms("bed-1"))


@pytest.mark.slow
async def test_a_broker_killed_and_back_without_a_memory(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins an outage: nothing blocks, retained state first, every event in order and late, live within 2 s of it."""
    async with gateway(tmp_path / "j", mosquitto.port) as side, subscriber(mosquitto.port) as seen:
        side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(1))
        await side.happens(permitted(1))
        await until(lambda: side.connected and side.told and seen.bodies())
        mosquitto.kill()
        await until(lambda: not side.connected)
        side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(2))
        loop, busy = asyncio.get_running_loop(), Hindrance()
        before = loop.time()
        for number in range(2, 60):
            await side.happens(permitted(number))
            side.publisher.say(TOPICS.vitals("bed-1"), vitals(), 10)
        assert loop.time() - before < 2 + busy.s
        assert side.publisher.dropped == 58
        await asyncio.sleep(4)
        seen.messages.clear()
        busy = Hindrance()
        mosquitto.start()
        assert await until(lambda: side.connected) < 2 + busy.s
        side.publisher.say(TOPICS.vitals("bed-1"), vitals(), 10)
        await until(lambda: side.told)
        async with subscriber(mosquitto.port) as fresh:
            await until(lambda: fresh.on(TOPICS.alarms("bed-1")) == [alarms(2)])
        assert seen.sequences() == sorted(set(seen.sequences())), "in order, no repeat"
        got = seen.bodies()
        assert all(body["late"] for body in got if body["data"]["reason"] != "number 1")


@pytest.mark.slow
async def test_a_lasting_session_gets_every_event_over_a_restart(tmp_path: Path) -> None:
    """Pins that with a broker that remembers, a subscriber with a session misses nothing, in order, no id twice."""
    broker = Mosquitto(tmp_path / "m", persistent=True, options="autosave_interval 1\nautosave_on_changes true")
    broker.start()
    try:
        async with gateway(tmp_path / "j", broker.port) as side, subscriber(broker.port, identifier="desk") as seen:
            for number in range(1, 11):
                await side.happens(permitted(number))
            await until(lambda: len(seen.bodies()) == 10)
            broker.stop()
            await until(lambda: not side.connected)
            for number in range(11, 21):
                await side.happens(permitted(number))
            broker.start()
            await until(lambda: side.told and set(seen.sequences()) == set(range(1, 21)))
            firsts = list(dict.fromkeys(seen.sequences()))
            assert firsts == list(range(1, 21))
            ids = {(body["sequence"], body["id"]) for body in seen.bodies()}
            assert len(ids) == 20, "no sequence under two ids"
    finally:
        broker.kill()


@pytest.mark.slow
async def test_a_broker_that_forgot_is_told_again_what_a_station_has_not_seen(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Pins the rewind: events acknowledged by a broker that lost its memory go out again from what a station has."""
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        for number in range(1, 11):
            await side.happens(SAMPLE, permitted(number))
        await until(lambda: side.connected and side.told)
        records = await side.journal.after(0, 100)
        seen_until = records[5]
        seen = [{"gateway": "gateway-1", "bed": "bed-1", "sequence": seen_until.bed_sequence, "id": seen_until.id}]
        payload = json.dumps({"time": "2026-11-22T07:15:00.000Z", "seen": seen}).encode()
        await say(mosquitto.port, TOPICS.seen("desk"), payload)
        await until(lambda: side.journal.cursors("seen/") == {"seen/desk/bed-1": 6})
        await until(lambda: side.changes[-1][1] is True)  # a station that speaks is somebody who listens
        mosquitto.kill()
        await until(lambda: not side.connected)
        mosquitto.start()
        async with subscriber(mosquitto.port) as got:
            await until(lambda: side.connected and side.told)
            await until(lambda: got.sequences()[-1:] == [10])
            assert got.sequences() == list(range(max(got.sequences()[0], 7), 11))
    assert side.journal.cursor(OUTBOX) == 20


async def test_a_gateway_that_comes_back_repeats_no_event_under_a_new_id(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins the cursor over a restart of the gateway: it goes on behind what was acknowledged, ids the same."""
    async with subscriber(mosquitto.port) as seen:
        async with gateway(tmp_path / "j", mosquitto.port) as side:
            for number in range(1, 6):
                await side.happens(permitted(number))
            await until(lambda: side.told)
        async with gateway(tmp_path / "j", mosquitto.port) as side:
            for number in range(6, 11):
                await side.happens(permitted(number))
            await until(lambda: side.told and len(seen.bodies()) >= 10)
    assert seen.sequences() == list(range(1, 11))
    assert len({body["id"] for body in seen.bodies()}) == 10


KILLED = """
import asyncio, sys
from pathlib import Path
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.runtime.broker import Publisher
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.wire.topics import Topics

async def main():
    journal = Journal(Path(sys.argv[1]), boot_id="b", on_change=lambda *_: None)
    await journal.open()
    settings = BrokerSettings("127.0.0.1", int(sys.argv[2]), False, False, None, None, None, None, None)
    topics = Topics("clinic-a", "gateway-1")
    await Publisher(settings, topics, journal, lambda *_: None, lambda *_: None, Clock(), bool).run()

asyncio.run(main())
"""


async def test_the_last_will_speaks_when_the_gateway_is_killed(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that a killed gateway is offline, retained, within a second."""
    async with subscriber(mosquitto.port) as seen:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, str(tmp_path / "j"), str(mosquitto.port), stdout=subprocess.DEVNULL
        )
        await until(lambda: seen.on(TOPICS.availability))
        process.send_signal(signal.SIGKILL)
        busy = Hindrance()
        await process.wait()
        assert await until(lambda: len(seen.on(TOPICS.availability)) == 2) < 1 + busy.s
    last = json.loads(seen.on(TOPICS.availability)[-1])
    assert (last["status"], last["keep_alive_s"]) == ("offline", 5)


async def test_nobody_listening_is_noticed(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that a broker without a subscriber says so (MQTT 5), and that a live station turns it round."""
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(1))
        await until(lambda: side.connected and side.changes[-1][1] is False)
        station = {"time": "2026-11-22T07:15:00.000Z", "status": "online", "sequence": 1}
        await say(mosquitto.port, TOPICS.station_availability("desk"), json.dumps(station).encode())
        await until(lambda: side.changes[-1][1] is True)
        gone = station | {"status": "offline"}
        await say(mosquitto.port, TOPICS.station_availability("desk"), json.dumps(gone).encode())
        await until(lambda: side.changes[-1][1] is False)
        async with subscriber(mosquitto.port):
            await side.happens(permitted(1))
            await until(lambda: side.changes[-1][1] is None)


async def test_a_retained_station_says_nothing_of_now(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that a station's retained word, of unknown age, doesn't count as somebody listening."""
    station = {"time": "2026-11-22T07:15:00.000Z", "status": "online", "sequence": 1}
    await say(mosquitto.port, TOPICS.station_availability("desk"), json.dumps(station).encode(), retain=True)
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        await side.happens(permitted(1))
        await until(lambda: side.connected and side.told)
        await until(lambda: side.changes[-1][1] is False)
        assert all(listeners is not True for _, listeners, _, _ in side.changes)


async def test_an_event_that_is_too_long_goes_out_withheld_and_the_rest_goes_on(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Pins that an event over 16 KiB jams nothing: a small event-withheld stands in its place."""
    async with subscriber(mosquitto.port) as seen, gateway(tmp_path / "j", mosquitto.port) as side:
        await side.happens(permitted(1), permitted(2, "x" * 20_000), permitted(3))
        await until(lambda: len(seen.bodies()) == 3)
    assert [body["type"] for body in seen.bodies()] == ["resume-permitted", "event-withheld", "resume-permitted"]
    assert seen.sequences() == [1, 2, 3]


@pytest.mark.slow
async def test_an_event_that_the_broker_cuts_us_off_for_is_withheld(tmp_path: Path) -> None:
    """Pins the trap: a broker that ends the connection over a payload can't hold the outbox up for ever."""
    broker = Mosquitto(tmp_path / "m", options="message_size_limit 4000")
    broker.start()
    try:
        async with gateway(tmp_path / "j", broker.port) as side, subscriber(broker.port) as seen:
            await side.happens(permitted(1), permitted(2, "x" * 5_000), permitted(3))
            await until(lambda: side.told)
            await until(lambda: len(set(seen.sequences())) == 3)
        types = {body["sequence"]: body["type"] for body in seen.bodies()}
        assert types == {1: "resume-permitted", 2: "event-withheld", 3: "resume-permitted"}
        withheld = next(body for body in seen.bodies() if body["sequence"] == 2)
        assert "connections" in withheld["data"]["reason"] or "refuses" in withheld["data"]["reason"]
    finally:
        broker.kill()


@pytest.mark.slow
async def test_a_state_that_the_broker_cuts_us_off_for_blocks_no_other(tmp_path: Path) -> None:
    """Pins that one retained topic too long for the broker is given up until it changes, and the alarms go out."""
    broker = Mosquitto(tmp_path / "m", options="message_size_limit 4000")
    broker.start()
    try:
        async with gateway(tmp_path / "j", broker.port) as side, subscriber(broker.port) as seen:
            side.publisher.set_state(TOPICS.descriptor("bed-1"), descriptor("x" * 5_000))
            side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(1))
            side.publisher.set_state(TOPICS.session("bed-1"), session("case-1"))
            await side.happens(permitted(1))
            await until(lambda: side.connected and side.told)
            await until(lambda: seen.on(TOPICS.alarms("bed-1")) and seen.on(TOPICS.session("bed-1")) and seen.bodies())
            assert seen.bodies()[-1]["type"] == "resume-permitted"
            side.publisher.set_state(TOPICS.descriptor("bed-1"), descriptor("short"))
            await until(lambda: seen.on(TOPICS.descriptor("bed-1")) == [descriptor("short")])
    finally:
        broker.kill()


async def test_a_refused_topic_is_told_and_skipped_by_nobody(tmp_path: Path) -> None:
    """Pins that an event the broker has no permission for is never passed over: everything waits and it is said."""
    acl = tmp_path / "acl"
    acl.write_text(
        "topic readwrite igw/v1/clinic-a/gateway-1/availability\ntopic write igw/v1/clinic-a/gateway-1/bed-1/alarms\n"
    )
    broker = Mosquitto(tmp_path / "m", options=f"acl_file {acl}")
    broker.start()
    try:
        async with gateway(tmp_path / "j", broker.port) as side:
            await side.happens(permitted(1), permitted(2))
            await until(lambda: side.connected and "refuses event" in side.changes[-1][2])
            await asyncio.sleep(0.3)
            assert side.journal.cursor(OUTBOX) == 0
            assert side.connected, "the connection is fine; state still goes out"
    finally:
        broker.kill()


async def test_instructions_come_in_and_answers_go_out(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins the way of an instruction: bed, name, payload, and where the answer is wanted; then the answer itself."""
    async with (
        gateway(tmp_path / "j", mosquitto.port) as side,
        subscriber(mosquitto.port, TOPICS.answers("desk")) as seen,
    ):
        await until(lambda: side.connected)
        wanted = Properties(PacketTypes.PUBLISH)
        wanted.ResponseTopic = TOPICS.answers("desk")
        wanted.CorrelationData = b"c-1"
        await heard(side, mosquitto.port, TOPICS.do("bed-1", "stop"), b'{"id": "i-1", "by": "n"}', properties=wanted)
        reply = ReplyTo(TOPICS.answers("desk"), b"c-1")
        assert side.asked == [("bed-1", "stop", b'{"id": "i-1", "by": "n"}', reply)]
        side.publisher.answer(str(reply.topic), answer("i-1"), reply.correlation)
        side.publisher.answer(TOPICS.do("bed-1", "stop"), b"{}", None)
        await until(lambda: seen.messages)
        assert seen.on(TOPICS.answers("desk")) == [answer("i-1")]
        assert side.publisher.dropped == 1, "an answer goes to an answers topic or nowhere"
        assert len(side.asked) == 1


async def test_a_retained_instruction_is_ignored(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that what the broker kept on a do topic does nothing, at the first connection and at each later one."""
    await say(mosquitto.port, TOPICS.do("bed-1", "acknowledge"), b'{"id": "old"}', retain=True)
    for _ in range(2):
        async with gateway(tmp_path / "j", mosquitto.port) as side:
            await until(lambda: side.connected)
            await heard(side, mosquitto.port, TOPICS.do("bed-1", "hold"), b'{"id": "new"}')
            assert [name for _, name, _, _ in side.asked] == ["hold"]


async def test_a_newcomer_that_hears_another_live_one_says_nothing_and_ends(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Pins that the name is looked at before anything is said under it, and that the one who has it isn't touched."""
    async with gateway(tmp_path / "a", mosquitto.port, in_session=True, beats=True) as first:
        await until(lambda: first.connected)
        async with subscriber(mosquitto.port, TOPICS.availability) as seen:
            async with gateway(tmp_path / "b", mosquitto.port, runs=False) as second:
                with pytest.raises(NameHeld, match=first.journal.uuid):
                    await second.publisher.name.claim()
            assert len(first.changes) == 1, "the one with the name noticed nothing"
            assert len(seen.messages) == 1, "nothing was said under its name"


async def test_a_name_that_nobody_has_is_had_at_once(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins the start after a kill: the last will says offline, so nobody is waited for."""
    async with gateway(tmp_path / "a", mosquitto.port) as first:
        await until(lambda: first.connected)
        assert first.publisher._connection is not None
        first.task.cancel()
        first.publisher._connection.cut()
    loop = asyncio.get_running_loop()
    async with gateway(tmp_path / "a", mosquitto.port, runs=False) as again:
        began, busy = loop.time(), Hindrance()
        await again.publisher.name.claim()
        assert loop.time() - began < 1.5 + busy.s


async def test_who_is_idle_gives_way_to_the_one_in_a_session(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins two running under one name: the one in a session takes it back and tells, the idle one stays away."""
    async with gateway(tmp_path / "a", mosquitto.port) as idle:
        await until(lambda: idle.connected)
        async with gateway(tmp_path / "b", mosquitto.port, in_session=True, beats=True) as busy:
            await until(lambda: busy.connected and not idle.connected)
            await until(lambda: idle.changes[-1][3])
            await asyncio.sleep(1.5)
            assert busy.connected
            assert len(busy.changes) == 1
            assert "another-gateway" in idle.changes[-1][2]
            async with gateway(tmp_path / "c", mosquitto.port, in_session=True):  # one who gives way to nobody either
                await until(lambda: busy.changes[-1][3])
            await until(lambda: busy.connected)
            assert busy.changes[-1][3], "it has its name back, and has told"


@pytest.mark.slow
async def test_a_hung_broker_is_noticed_and_nothing_is_lost(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins a broker that is there and doesn't answer: told within 4 s, and every event arrives once it does again."""
    async with gateway(tmp_path / "j", mosquitto.port) as side, subscriber(mosquitto.port) as seen:
        await until(lambda: side.connected)
        busy = Hindrance()
        mosquitto.signal(signal.SIGSTOP)
        await side.happens(permitted(1), permitted(2))
        assert await until(lambda: not side.connected) < 4 + busy.s
        assert "not answered" in side.changes[-1][2]
        mosquitto.signal(signal.SIGCONT)
        await until(lambda: side.told and len(seen.bodies()) >= 2)
    assert list(dict.fromkeys(seen.sequences())) == [1, 2]
    assert {body["type"] for body in seen.bodies()} == {"resume-permitted"}


async def test_a_broker_of_3_1_1_alone_is_spoken_to_in_3_1_1(tmp_path: Path) -> None:
    """Pins the fallback: against a port that refuses MQTT 5, everything but its extras works."""
    embedded = await start(tmp_path / "b", 0, kind="iotcore")
    try:
        port = int(embedded.url_311.rpartition(":")[2])
        async with subscriber(port, v5=False) as seen, gateway(tmp_path / "j", port) as side:
            side.publisher.set_state(TOPICS.alarms("bed-1"), alarms(1))
            for number in range(1, 21):
                await side.happens(permitted(number))
            await until(lambda: side.connected and side.told and len(seen.bodies()) >= 20)
            await heard(side, port, TOPICS.do("bed-1", "stop"), b"{}", protocol=aiomqtt.ProtocolVersion.V311)
            assert side.asked[0][3] == ReplyTo(None, None)
        assert list(dict.fromkeys(seen.sequences())) == list(range(1, 21))
    finally:
        await embedded.stop()
    assert not embedded.running


async def test_no_broker_at_all_holds_nothing_up(tmp_path: Path) -> None:
    """Pins that without a broker every call returns at once, bounded, and the reason is told."""
    async with gateway(tmp_path / "j", 1) as side:
        await until(lambda: side.changes)
        assert side.changes[-1][0] is False
        assert "refused" in side.changes[-1][2].lower()
        for number in range(retained.STATES + 5):
            side.publisher.set_state(f"t/{number}", b"1")
        side.publisher.answer(TOPICS.answers("desk"), b"{}", None)
        side.publisher.say("t", b"", 1)
        assert side.publisher.dropped == 2
        await side.happens(permitted(1))
        assert not side.told
