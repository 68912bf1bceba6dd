"""Clients of others read everything: paho and mosquitto_sub, with nothing of ours but what docs/ publishes."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as paho
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = json.loads((DOCS / "asyncapi.json").read_text())
CHANNELS, OPERATIONS = DOCUMENT["channels"], DOCUMENT["operations"]
ANSWERS = "igw/v1/demo/stations/referee/answers"
RUNS_S = 28.0
"""The scenario has its alarm after some twenty seconds."""
WANTED = {
    "availability", "heartbeat", "descriptor", "session", "alarms", "device", "vitals", "telemetry", "event",
}  # fmt: skip


def until(true: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        threading.Event().wait(0.05)


def channel_of(topic: str) -> str:
    """Find a topic's channel by the addresses of the AsyncAPI document."""
    for name, channel in CHANNELS.items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(channel["address"]))
        if re.fullmatch(pattern, topic):
            return str(name)
    pytest.fail(f"{topic} is in no channel of the document")


def validate(topic: str, payload: bytes) -> str:
    """Hold a message against the published schemas of its channel; give the channel."""
    channel = channel_of(topic)
    names = list(CHANNELS[channel]["messages"])
    if channel in ("event", "do"):
        names = [f"{channel}-{topic.rpartition('/')[2]}"]
    body = json.loads(payload)
    errors = []
    for name in names:
        schema = json.loads((DOCS / "schemas" / f"{name}.json").read_text())
        found = list(jsonschema.Draft202012Validator(schema).iter_errors(body))
        if not found:
            return channel
        errors += found
    pytest.fail(f"{topic}: {errors[0].message[:300]}")


class Receiver:
    """A paho client that keeps what it gets."""

    def __init__(self, port: int, *, v5: bool) -> None:
        self.messages: list[paho.MQTTMessage] = []
        protocol = paho.MQTTv5 if v5 else paho.MQTTv311
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, f"referee-{v5}", protocol=protocol)
        self.client.on_connect = lambda client, *_: client.subscribe("igw/#", 1)
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def on(self, topic: str) -> list[paho.MQTTMessage]:
        return [message for message in list(self.messages) if message.topic == topic]

    def by_channel(self) -> dict[str, list[paho.MQTTMessage]]:
        found: dict[str, list[paho.MQTTMessage]] = defaultdict(list)
        for message in list(self.messages):
            found[channel_of(message.topic)].append(message)
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run the demo, processes and all; give its broker's port."""
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "infusion_gateway", "demo", "--scenario", "desaturation", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        port = next(
            int(found[1]) for line in process.stdout if (found := re.search(r"mqtt://127\.0\.0\.1:(\d+)", line))
        )
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="module")
def heard(demo: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Receiver, Receiver, list[str]]]:
    """Listen with paho in MQTT 5 and in 3.1.1, and with mosquitto_sub, until an alarm was told."""
    lines = tmp_path_factory.mktemp("sub") / "lines"
    new, old = Receiver(demo, v5=True), Receiver(demo, v5=False)
    program = shutil.which("mosquitto_sub")
    assert program, "mosquitto_sub is not installed: apt-get install mosquitto-clients"
    with lines.open("w") as out:
        command = [program, "-h", "127.0.0.1", "-p", str(demo), "-t", "igw/#", "-q", "1", "-F", "%t %p"]
        sub = subprocess.Popen(command, stdout=out)
    try:
        until(lambda: any(m.topic.endswith("/event/condition-raised") for m in list(new.messages)), RUNS_S + 20)
        until(lambda: set(new.by_channel()) >= WANTED)
        time.sleep(6)  # one heartbeat more
        yield new, old, lines.read_text().splitlines()
    finally:
        sub.terminate()
        sub.wait(20)
        new.end()
        old.end()


def test_every_message_fits_the_published_schemas(heard: tuple[Receiver, Receiver, list[str]]) -> None:
    """Pins that all that goes over the broker of a whole demo is in the AsyncAPI document and fits its schema."""
    for receiver in heard[:2]:
        messages = list(receiver.messages)
        assert all(message.payload for message in messages), "nothing of a bed that is there is cleared"
        channels = {validate(message.topic, message.payload) for message in messages}
        assert channels >= WANTED
    lines = [line.partition(" ") for line in heard[2]]
    assert {validate(topic, payload.encode()) for topic, _, payload in lines if payload} >= WANTED


def test_both_versions_of_mqtt_get_the_same(heard: tuple[Receiver, Receiver, list[str]]) -> None:
    """Pins that events are the same bytes in 3.1.1 and 5, for paho and for mosquitto_sub."""
    new, old = ([m.payload for m in r.by_channel()["event"]] for r in heard[:2])
    shorter = min(len(new), len(old))
    assert shorter > 10
    assert new[-shorter:] == old[-shorter:] or set(old) <= set(new) or set(new) <= set(old)
    assert {line.partition(" ")[2].encode() for line in heard[2] if "/event/" in line} <= {*new, *old}


def test_mqtt_5_has_its_properties(heard: tuple[Receiver, Receiver, list[str]]) -> None:
    """Pins content type and expiry where the broker speaks MQTT 5: structured CloudEvents, JSON, nothing stale."""
    seen = set()
    for channel, messages in heard[0].by_channel().items():
        if OPERATIONS[channel]["action"] != "send" or channel == "availability":
            continue  # not the gateway's; or perhaps its last will, which has none
        lasts = OPERATIONS[channel]["bindings"]["mqtt"].get("messageExpiryInterval")
        for message in messages:
            wanted = "application/cloudevents+json" if channel == "event" else "application/json"
            assert message.properties.ContentType == wanted, channel
            expires = getattr(message.properties, "MessageExpiryInterval", None)
            assert expires == lasts or 0 < expires <= lasts, channel
        seen.add(channel)
    assert seen >= WANTED - {"availability"}


def test_an_event_is_read_by_cloudevents_own_sdk(heard: tuple[Receiver, Receiver, list[str]]) -> None:
    """Pins that the CNCF's SDK takes each event in structured mode, with the attributes that it must have."""
    messages = heard[0].by_channel()["event"]
    for message in messages:
        event = JSONFormat().read(CloudEvent, message.payload)
        assert event.get_type() == message.topic.rpartition("/")[2]
        assert event.get_source() == message.topic.partition("/event/")[0]
        assert isinstance(event.get_attributes()["sequence"], int)
    assert len({JSONFormat().read(CloudEvent, m.payload).get_id() for m in messages}) == len(messages)


def test_history_is_given_to_both_versions(heard: tuple[Receiver, Receiver, list[str]]) -> None:
    """Pins a stranger's question for history: by response topic in MQTT 5, by its name in 3.1.1; the same events."""
    new, old = heard[:2]
    gateway = "igw/v1/demo/gateway-1"
    events = [json.loads(m.payload) for m in new.by_channel()["event"]]
    last = max(event["sequence"] for event in events)
    question = {"id": "q-5", "bed": "chair-1", "from": 1, "to": last}
    wanted = Properties(PacketTypes.PUBLISH)
    wanted.ResponseTopic, wanted.CorrelationData = ANSWERS, b"c-5"
    new.client.publish(f"{gateway}/do/history", json.dumps(question), 1, properties=wanted)
    old.client.publish(f"{gateway}/do/history", json.dumps({**question, "id": "q-3", "station": "referee"}), 1)
    until(lambda: len(new.on(ANSWERS)) >= 2)
    pages = {page["id"]: page for page in (json.loads(m.payload) for m in new.on(ANSWERS))}
    assert {id_: page["refused"] for id_, page in pages.items()} == {"q-5": "", "q-3": ""}
    assert pages["q-5"]["events"][0]["sequence"] == 1
    told = {event["id"]: event["data"] for event in events}
    for page in pages.values():
        held = {event["id"]: event["data"] for event in page["events"]}
        assert {id_: held[id_] for id_ in told.keys() & held.keys()} == {
            id_: told[id_] for id_ in told.keys() & held.keys()
        }
        assert [event["sequence"] for event in page["events"]] == list(range(1, len(held) + 1))
    correlated = [getattr(m.properties, "CorrelationData", None) for m in new.on(ANSWERS)]
    assert b"c-5" in correlated


def question_of(what: str) -> dict[str, Any]:
    """Give the questions that docs/mqtt.md shows."""
    text = (DOCS / "mqtt.md").read_text()
    blocks = re.findall(r'^    (\{"id": "q-\d+".*?\})$', text, re.MULTILINE | re.DOTALL)
    return next(json.loads(block) for block in blocks if what in block)


@pytest.mark.parametrize("what", ["q-1", "q-2"])
def test_the_questions_on_the_page_are_questions(what: str) -> None:
    """Pins that the examples of docs/mqtt.md fit the schema of a question."""
    schema = json.loads((DOCS / "schemas" / "history-asked.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(question_of(what))
