"""A receiver built on docs/mqtt.md alone proves gaps, repeats and lateness: the code on the page, run by paho."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from brokers import Mosquitto, mosquitto
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.history import History
from infusion_gateway.wire.messages import Heartbeat, JournalHead
from infusion_gateway.wire.stamps import rfc3339
from integration.test_broker import TOPICS, Side, gateway, permitted, until

__all__ = ["mosquitto"]

PAGE = Path(__file__).parents[2] / "docs" / "mqtt.md"
ROOT = "igw/v1/clinic-a/gateway-1"
ANSWERS = "igw/v1/clinic-a/stations/paho/answers"


def follower() -> Any:
    """Make a Follower from the page's own text."""
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block, "docs/mqtt.md shows no receiver"
    names: dict[str, Any] = {}
    exec(compile(block[1], str(PAGE), "exec"), names)
    return names["Follower"]("bed-1")


@dataclass
class Desk:
    """A paho client that follows one bed. lost: sequences that never reach it, as with a broker's full queue."""

    client: paho.Client
    seen: Any = field(default_factory=follower)
    verdicts: list[tuple[int, str]] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    held: dict[int, str] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    pages: int = 0
    listens: int = 0

    def message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        if message.topic == ANSWERS:
            assert body["refused"] == ""
            self.pages += 1
            for event in body["events"]:
                self.take(event)
        elif message.topic.endswith("/heartbeat"):
            self.ask(self.seen.missing(body))
        elif body["sequence"] in self.lost:
            self.lost.discard(body["sequence"])
        else:
            self.take(body)
            self.ask(self.seen.missing())

    def take(self, event: dict[str, Any]) -> None:
        self.verdicts.append((event["sequence"], self.seen.take(event)))
        self.held[event["sequence"]] = event["data"]["reason"]

    def ask(self, gap: tuple[int, int] | None) -> None:
        if gap is not None:
            self.gaps.append(gap)
            question = {"id": f"q-{len(self.gaps)}", "station": "paho", "bed": "bed-1", "from": gap[0], "to": gap[1]}
            self.client.publish(f"{ROOT}/do/history", json.dumps(question), 1)


@asynccontextmanager
async def desk(port: int) -> AsyncIterator[Desk]:
    """Follow bed-1 over MQTT 3.1.1, reconnecting."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "desk", clean_session=False)
    found = Desk(client)
    client.reconnect_delay_set(1, 1)
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    filters = [(f"{ROOT}/bed-1/event/+", 1), (f"{ROOT}/heartbeat", 1), (ANSWERS, 1)]
    client.on_connect = lambda client, *_: client.subscribe(filters)

    def subscribed(*_: object) -> None:
        found.listens += 1
        loop.call_soon_threadsafe(ready.set)

    client.on_subscribe = subscribed
    client.on_message = found.message
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        await asyncio.wait_for(ready.wait(), 30)
        yield found
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


def beat(side: Side, sequence: int, **newest: int) -> None:
    """Say a heartbeat, as the gateway does."""
    clock = Clock()
    said = Heartbeat(
        time=rfc3339(clock.utc_ns()),
        sequence=sequence,
        boot_id=clock.boot_id(),
        journal=side.journal.uuid,
        head=JournalHead(sequence=0, hash=""),
        challenge="",
        alarm_revisions={},
        event_sequences=newest or side.journal.newest(["bed-1"]),
    )
    side.publisher.say(TOPICS.heartbeat, said.to_bytes(), 10)


def again(side: Side, after: int) -> None:
    """Have the gateway send every event after this one once more, as after a broker's loss of memory."""
    side.publisher.telling._outbox.rewind(after)
    side.publisher.telling._scanned = 0
    side.publisher.recorded()


@asynccontextmanager
async def with_history(side: Side, directory: Path) -> AsyncIterator[None]:
    """Let the gateway answer questions for history."""
    clock = Clock()
    history = History(
        directory, topics=TOPICS, publisher=side.publisher, seal=lambda _, p: p, beds=("bed-1",), clock=clock
    )
    side.publisher.answer_history(history.asked)
    try:
        yield
    finally:
        await history.close()


async def test_a_stranger_proves_gaps_and_fills_them(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that a loss in the middle shows with the next event, one at the end with heartbeats; history fills both."""
    async with gateway(tmp_path / "j", mosquitto.port) as side, with_history(side, tmp_path / "j"):
        await until(lambda: side.connected)
        async with desk(mosquitto.port) as got:
            got.lost = {3, 4, 9}
            for number in range(1, 10):
                await side.happens(permitted(number))
            await until(lambda: got.seen.through == 8)
            assert (3, 4) in got.gaps
            assert [s for s, verdict in got.verdicts if verdict == "repeat" and s not in (3, 4)] == []
            assert got.seen.missing() is None, "nothing shows yet that the last one is missing"
            beat(side, 1)
            await until(lambda: got.seen.due == 9)
            assert (9, 9) not in got.gaps, "it may still be on its way"
            beat(side, 2)
            await until(lambda: got.seen.through == 9)
            assert (9, 9) in got.gaps
            assert got.held == {n: f"number {n}" for n in range(1, 10)}
            assert got.pages >= 2


async def test_a_stranger_proves_repeats_and_lateness(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins an outage seen from outside: what came again is a repeat, what the gateway held back is late, no gap."""
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        await until(lambda: side.connected)
        async with desk(mosquitto.port) as got:
            await side.happens(permitted(1), permitted(2))
            await until(lambda: got.seen.through == 2)
            mosquitto.kill()
            await until(lambda: not side.connected)
            await side.happens(permitted(3))
            await asyncio.sleep(3.5)
            await side.happens(permitted(4))
            mosquitto.start()
            await until(lambda: side.told and got.listens == 2)
            again(side, 0)  # a broker without a memory had nobody to give it to, where the gateway was back first
            await until(lambda: got.seen.through == 4)
            again(side, 0)
            await until(lambda: {s for s, v in got.verdicts if v == "repeat"} >= {3, 4})
    assert [v for s, v in got.verdicts if s <= 2 and v != "repeat"] == ["new", "new"]
    assert (3, "late") in got.verdicts
    assert got.gaps == []


async def test_a_stranger_proves_that_the_broker_was_late(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins lateness without comparing clocks: an event older than the heartbeat before last was held up on the way."""
    async with gateway(tmp_path / "j", mosquitto.port) as side:
        await until(lambda: side.connected)
        async with desk(mosquitto.port) as got:
            await side.happens(permitted(1))
            await until(lambda: got.seen.through == 1)
            got.lost = {2}
            await side.happens(permitted(2))
            await until(lambda: not got.lost)
            record = (await side.journal.after(1, 1))[0]
            for sequence in (1, 2):
                await asyncio.sleep(0.02)
                beat(side, sequence, **{"bed-1": 1})
                await until(lambda n=sequence: sum(bool(one) for one in got.seen.beats) == n)
            again(side, record.sequence - 1)  # the broker lets it go only now
            await until(lambda: got.seen.through == 2)
    assert got.verdicts[-1] == (2, "late")


async def test_another_journal_is_another_count(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that a gateway with a new journal is no flood of repeats: the count begins anew, from its first event."""
    async with desk(mosquitto.port) as got:
        for directory in ("j1", "j2"):
            async with gateway(tmp_path / directory, mosquitto.port) as side, with_history(side, tmp_path / directory):
                await until(lambda s=side: s.connected)
                got.lost = {1} if directory == "j2" else set()
                for number in range(1, 4):
                    await side.happens(permitted(number))
                await until(lambda s=side: s.told and got.seen.through == 3 and got.seen.count == s.journal.uuid)
    assert [s for s, v in got.verdicts if v != "repeat"] in ([1, 2, 3, 2, 3, 1], [1, 2, 3, 2, 1, 3])
    assert (1, 1) in got.gaps


async def test_a_broker_that_hangs_is_no_gap(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Pins that after a broker stopped and went on the receiver has every event, and any more of them are repeats."""
    async with gateway(tmp_path / "j", mosquitto.port) as side, desk(mosquitto.port) as got:
        await side.happens(permitted(1))
        await until(lambda: got.seen.through == 1)
        mosquitto.signal(signal.SIGSTOP)
        await side.happens(permitted(2), permitted(3))
        await until(lambda: not side.connected)
        mosquitto.signal(signal.SIGCONT)
        await until(lambda: got.seen.through == 3)
    assert [s for s, v in got.verdicts if v != "repeat"] == [1, 2, 3]
    assert got.gaps == []
