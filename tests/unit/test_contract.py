"""The MQTT contract: its page, documents and schemas are those of the models, and what is published stays."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import contract_judge
from infusion_gateway.cli_config import contract_breaks, contract_files, schema
from infusion_gateway.config import broker
from infusion_gateway.model.events import CaseOrdered, ChangeProposed, Event
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime import mqtt
from infusion_gateway.wire import asyncapi, contract
from infusion_gateway.wire.compatibility import breaks
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.records import PUBLISHED, TYPES, Record, Unreadable
from infusion_gateway.wire.topics import Topics
from words import anything

DOCS = Path(__file__).parents[2] / "docs"
TOPICS = Topics("s", "g")
BUILT = {
    "availability": TOPICS.availability,
    "heartbeat": TOPICS.heartbeat,
    "descriptor": TOPICS.descriptor("b"),
    "session": TOPICS.session("b"),
    "alarms": TOPICS.alarms("b"),
    "device": TOPICS.device("b", "d"),
    "vitals": TOPICS.vitals("b"),
    "telemetry": TOPICS.telemetry("b", "d"),
    "event": TOPICS.event("b", "stop-asked"),
    "answers": TOPICS.answers("st"),
    "home-assistant": TOPICS.discovery("homeassistant", "b"),
    "do": TOPICS.do("b", "stop"),
    "history": TOPICS.history,
    "station-availability": TOPICS.station_availability("st"),
    "station-seen": TOPICS.seen("st"),
}
NAMES = {"site": "s", "gateway": "g", "bed": "b", "device": "d", "station": "st", "prefix": "homeassistant"}
FEW = settings(max_examples=25)


def test_the_server_of_the_document_is_as_the_gateway_connects() -> None:
    """Pins keep-alive, packet and last will of the AsyncAPI document to what the connection really asks for."""
    binding = asyncapi.document()["servers"]["broker"]["bindings"]["mqtt"]
    assert (binding["keepAlive"], binding["maximumPacketSize"]) == (broker.KEEP_ALIVE_S, mqtt.LONGEST_PACKET)
    will = next(channel for channel in contract.CHANNELS if channel.will and channel.sent)
    assert (binding["lastWill"]["topic"], binding["lastWill"]["qos"]) == (will.address, will.qos)


def test_what_is_published_is_fresh() -> None:
    """Pins that page, AsyncAPI and schemas are what the models say today (`make docs`), and nothing is over."""
    files = contract_files()
    stale = [name for name, text in files.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != text]
    assert stale == []
    assert {f"schemas/{path.name}" for path in (DOCS / "schemas").iterdir()} == {n for n in files if n.count("/")}


@pytest.mark.parametrize("channel", contract.CHANNELS, ids=lambda channel: channel.name)
def test_a_topic_of_the_contract_is_the_one_that_is_built(channel: contract.Channel) -> None:
    """Pins that each address is that of the code that publishes and listens, and is found again from the topic."""
    built = BUILT[channel.name]
    assert channel.address.format(**NAMES, type="stop-asked", instruction="stop") == built
    found = contract.payload_on(built)
    assert found is not None
    assert found[0] is channel
    assert set(found[1]) <= set(channel.payloads)
    assert found[1]


def test_every_topic_that_is_built_is_in_the_contract() -> None:
    """Pins that no channel is without a topic, none is there twice, and a stranger's topic is none of ours."""
    assert set(BUILT) == {channel.name for channel in contract.CHANNELS}
    assert len({channel.address for channel in contract.CHANNELS}) == len(contract.CHANNELS)
    assert contract.payload_on("igw/v1/s/g/b/secrets") is None
    assert contract.payload_on("igw/v1/s/g/b/event/never-heard-of") == (contract.CHANNELS[8], ())


@pytest.mark.parametrize("name", sorted(contract.schemas()))
def test_a_schema_is_a_schema(name: str) -> None:
    """Pins that each is valid JSON Schema 2020-12 under a name of its own, and open where a gateway sends."""
    found = contract.schemas()[name]
    jsonschema.Draft202012Validator.check_schema(found)
    assert (found["$schema"], found["$id"]) == (
        jsonschema.Draft202012Validator.META_SCHEMA["$id"],
        f"urn:igw:v1:{name}",
    )
    channel = next(one for one in contract.CHANNELS if name in one.payloads)
    assert not (channel.sent and '"additionalProperties": false' in json.dumps(found))
    assert "title" in found or name.startswith("event-")


@pytest.mark.parametrize("type_", sorted(PUBLISHED))
def test_every_event_fits_the_schema_of_its_type(type_: str) -> None:
    """Pins that whatever an event's fields hold, it fits the one schema of its type, with no key beside it."""

    @FEW
    @given(anything(TYPES[type_], st.floats()))
    def fits(event: Event) -> None:
        record = Record(17, "bed-1", 9, "journal-17", "boot-1", 5 * SECOND, 2**60, event)
        message = EventMessage.of(record, "igw/v1/s/g/bed-1", now=6 * SECOND, utc_ns=2**60, boot_id="boot-1")
        assert contract_judge.judge(f"event-{type_}", message.to_bytes()) == ""

    fits()


def test_a_schema_shows_nothing_of_what_stays_inside() -> None:
    """Pins that the subject, the numbers a second person must enter, and proposals are in no schema of an event."""
    ordered = json.dumps(contract.schemas()["event-case-ordered"]["properties"]["data"])
    for hidden in ("subject", "weight_kg", "concentration_mg_ml", "dose_mg"):
        assert f'"{hidden}"' not in ordered
    assert '"rate_ml_h"' in ordered
    assert "entered" not in contract.schemas()["event-change-proposed"]["properties"]["data"]["properties"]
    assert {CaseOrdered, ChangeProposed} <= set(TYPES.values())


def test_the_judge_of_the_tests_can_say_no() -> None:
    """Pins that what holds every test's messages against the contract finds what is wrong, on any topic, by any key."""
    good = {"time": "2026-11-22T07:15:00.000Z", "status": "online", "why": "", "keep_alive_s": 5}
    cases = (
        (TOPICS.availability, good, ""),
        (TOPICS.availability, {**good, "extra": 1}, "extra"),
        (TOPICS.availability, {**good, "status": "perhaps"}, "perhaps"),
        (TOPICS.availability, {**good, "time": "now"}, "time"),
        (TOPICS.heartbeat, good, "sequence"),
        ("igw/v1/s/g/b/secrets", good, "no topic"),
        (TOPICS.event("b", "teleported"), good, "no topic"),
    )
    for topic, body, found in cases:
        verdict = contract_judge.judge_on(topic, json.dumps(body).encode())
        assert (found in verdict) if found else verdict == "", (topic, verdict)
    assert contract_judge.judge_on(TOPICS.alarms("b"), b"") == ""
    assert "nothing is retained" in contract_judge.judge_on(TOPICS.heartbeat, b"")
    assert "NaN" in contract_judge.judge("vitals", b'{"time": NaN}')


def test_an_event_that_cannot_be_read_goes_out_in_the_contract() -> None:
    """Pins that an unreadable event, whatever it is called, is an event-withheld that fits its schema."""
    broken: Any = Unreadable("stop-asked", "{}", "device is missing")
    record = Record(17, "bed-1", 9, "journal-17", "boot-1", 5 * SECOND, 2**60, broken)
    message = EventMessage.of(record, "s", now=6 * SECOND, utc_ns=2**60, boot_id="boot-1")
    assert contract_judge.judge("event-event-withheld", message.to_bytes()) == ""
    assert message.data["type"] == "stop-asked"


def test_what_is_published_stays() -> None:
    """Pins that no schema published in docs/schemas is gone or changed so that one who built on it would break."""
    assert contract_breaks(DOCS) == []


def test_the_command_writes_nothing_that_breaks_what_is_published(tmp_path: Path) -> None:
    """Pins that `schema --of mqtt` refuses where a receiver would break, says what, and leaves the files alone."""
    run = CliRunner()
    assert run.invoke(schema, ["--of", "mqtt", "--out", str(tmp_path)]).exit_code == 0
    path = tmp_path / "schemas" / "alarms.json"
    published = json.loads(path.read_text())
    published["properties"]["colour"] = {"type": "string"}
    path.write_text(json.dumps(published))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*")}
    refused = run.invoke(schema, ["--of", "mqtt", "--out", str(tmp_path)])
    assert (refused.exit_code, "alarms: colour: gone" in refused.output) == (1, True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.*")} == before
    (tmp_path / "schemas" / "never-again.json").write_text("{}")
    assert "never-again: it is gone" in run.invoke(schema, ["--of", "mqtt", "--out", str(tmp_path)]).output


def changed(name: str, *path: str | int, to: Any = None, drop: bool = False) -> dict[str, Any]:
    """Give a published schema with one thing in it changed or dropped."""
    found = deepcopy(contract.schemas()[name])
    at: Any = found
    for part in path[:-1]:
        at = at[part]
    if drop:
        at.remove(path[-1]) if isinstance(at, list) else at.pop(path[-1])
    elif isinstance(at, list):
        at.append(to)
    else:
        at[path[-1]] = to
    return found


VITALS = ("properties", "data", "properties", "vitals", "items")
STATUS = ("properties", "status", "enum")
SENT_BREAKS = [
    (changed("availability", "properties", "why", drop=True), "why: gone"),
    (changed("availability", "required", "why", drop=True), "why: not always there"),
    (changed("availability", *STATUS, "-", to="asleep"), "asleep"),
    (changed("availability", "properties", "keep_alive_s", "type", to="string"), "string where integer"),
    (changed("availability", "properties", "why", "type", to=["string", "null"]), "null where string"),
    (changed("availability", "properties", "time", "pattern", to="."), "another pattern"),
    (changed("availability", "properties", "status", to={"type": "string"}), "any string where only"),
    (changed("alarms", "properties", "alarms", "maxItems", to=99), "maxItems 99"),
    (changed("alarms", "$defs", "Alarm", "properties", "code", to={"type": "integer"}), "alarms[].code"),
    (changed("alarms", "$defs", "Alarm", "required", "present", drop=True), "alarms[].present"),
    (changed("vitals", "$defs", "Value", "properties", "age_s", "minimum", drop=True), "values.*.age_s"),
    (changed("event-stop-asked", "properties", "type", "const", to="stop"), "'stop'"),
    (changed("event-assessed", *VITALS, "prefixItems", to=[{"type": "string"}, {}]), "any string where only"),
    (changed("event-assessed", *VITALS, "maxItems", to=3), "maxItems 3"),
]
SENT_FITS = [
    changed("availability", "properties", "mood", to={"type": "string"}),
    changed("availability", "required", "-", to="mood"),
    changed("availability", *STATUS, "offline", drop=True),
    changed("availability", "properties", "keep_alive_s", to={"const": 5}),
    changed("availability", "properties", "why", "description", to="in other words"),
    changed("alarms", "properties", "alarms", "maxItems", to=9),
    changed("vitals", "$defs", "Value", "properties", "value", to={"type": "integer"}),
]
ASKED = ("$defs", "AcknowledgeArguments")
TAKEN_BREAKS = [
    (changed("do-acknowledge", "properties", "time", drop=True), "time: there where it is not known"),
    (changed("do-acknowledge", "required", "-", to="station"), "station: not always there"),
    (changed("do-acknowledge", *ASKED, "properties", "code", "maxLength", to=8), "maxLength 64"),
    (changed("do-acknowledge", *ASKED, "required", "-", to="instance"), "arguments.instance"),
    (changed("do-acknowledge", "properties", "station", to={"type": "string"}), "null where string"),
    (changed("station-availability", *STATUS, "offline", drop=True), "offline"),
    (changed("station-availability", "properties", "sequence", "minimum", to=1), "minimum 0"),
]
TAKEN_FITS = [
    changed("do-acknowledge", "properties", "mood", to={"type": "string"}),
    changed("do-acknowledge", *ASKED, "required", "code", drop=True),
    changed("do-acknowledge", *ASKED, "properties", "code", "maxLength", to=99),
    changed("station-availability", *STATUS, "-", to="asleep"),
    changed("station-availability", "properties", "mood", to={"type": "string"}),
]


def of(schema_: dict[str, Any]) -> str:
    return str(schema_["$id"]).rpartition(":")[2]


@pytest.mark.parametrize(("new", "says"), SENT_BREAKS, ids=[says for _, says in SENT_BREAKS])
def test_a_change_of_what_is_sent_that_breaks_receivers_is_found(new: dict[str, Any], says: str) -> None:
    """Pins each way to break a receiver: a key gone, not always there, wider in type, words, bounds or form."""
    found = breaks(contract.schemas()[of(new)], new, sent=True)
    assert found
    assert says in found[0]


@pytest.mark.parametrize("new", SENT_FITS, ids=range(len(SENT_FITS)))
def test_a_change_of_what_is_sent_that_breaks_nobody_is_let_through(new: dict[str, Any]) -> None:
    """Pins that keys may be added, and what is there become narrower."""
    assert breaks(contract.schemas()[of(new)], new, sent=True) == []


@pytest.mark.parametrize(("new", "says"), TAKEN_BREAKS, ids=[says for _, says in TAKEN_BREAKS])
def test_a_change_of_what_is_taken_that_breaks_senders_is_found(new: dict[str, Any], says: str) -> None:
    """Pins each way to break one who asks: a key not known any more, needed now, or taking less."""
    found = breaks(contract.schemas()[of(new)], new, sent=False)
    assert found
    assert says in " ".join(found)


@pytest.mark.parametrize("new", TAKEN_FITS, ids=range(len(TAKEN_FITS)))
def test_a_change_of_what_is_taken_that_breaks_nobody_is_let_through(new: dict[str, Any]) -> None:
    """Pins that keys may be added that need not be given, and what is taken become wider."""
    assert breaks(contract.schemas()[of(new)], new, sent=False) == []


TEXT = {"type": "string", "pattern": "^[a-z]+$", "maxLength": 4}
NUMBER = {"type": "number", "minimum": 0, "maximum": 9}
OPEN = {"type": "object", "properties": {"a": TEXT}}
CLOSED = {**OPEN, "additionalProperties": False}
NUMBERED = {"type": "object", "properties": {"a": TEXT}, "additionalProperties": {"type": "integer"}}


@pytest.mark.parametrize(
    ("inner", "outer", "says"),
    [
        ({"enum": ["ok", "fine"]}, TEXT, ""),
        ({"enum": ["OK"]}, TEXT, "'OK' is out of its form"),
        ({"enum": ["a"]}, {"pattern": "^a$"}, ""),
        ({"enum": ["endless"]}, TEXT, "'endless' is out"),
        ({"enum": [1, 9.0]}, NUMBER, ""),
        ({"const": 10}, NUMBER, "10 is out"),
        ({"const": None}, {"type": ["string", "null"]}, ""),
        ({"const": True}, {"type": "boolean"}, ""),
        ({"const": True}, NUMBER, "boolean where number"),
        ({"type": "integer", "minimum": 1, "maximum": 2}, NUMBER, ""),
        ({"type": "number"}, NUMBER, "minimum none"),
        ({}, NUMBER, "any where number"),
        (NUMBER, {}, ""),
        (OPEN, CLOSED, "any key where only named ones fit"),
        (CLOSED, OPEN, ""),
        (OPEN, NUMBERED, "*: any where integer"),
        (NUMBERED, NUMBERED, ""),
        (NUMBERED, {**NUMBERED, "additionalProperties": {"type": "string"}}, "*: integer where string"),
        ({**CLOSED, "properties": {"a": TEXT, "b": TEXT}}, NUMBERED, "b: string where integer"),
        ({**NUMBERED, "propertyNames": {"enum": ["a"]}}, {**NUMBERED, "propertyNames": {"enum": ["a", "b"]}}, ""),
        (NUMBERED, {**NUMBERED, "propertyNames": {"enum": ["a"]}}, "*: any string where only"),
        ({"type": "array", "items": NUMBER}, {"type": "array", "items": TEXT}, "[]: number where string"),
        ({"type": "array"}, {"type": "array", "items": TEXT}, "[]: any where string"),
        ({"type": "array", "prefixItems": [TEXT]}, {"type": "array", "prefixItems": [NUMBER]}, "[0]: string"),
        ({"anyOf": [TEXT, NUMBER]}, {"anyOf": [NUMBER, TEXT]}, ""),
        ({"anyOf": [TEXT, {"type": "null"}]}, {"anyOf": [NUMBER, TEXT]}, "null fits none of the 2 forms"),
    ],
)
def test_one_schema_in_anothers_place(inner: dict[str, Any], outer: dict[str, Any], says: str) -> None:
    """Pins keyword by keyword what may stand for what: listed values, bounds, other keys, arrays, choices."""
    found = breaks(outer, inner, sent=True)
    assert bool(found) is bool(says), found
    assert says in " ".join(found)


def test_a_keyword_that_cannot_be_judged_is_refused() -> None:
    """Pins that an unknown keyword, or a schema that holds itself, is never taken for compatible."""
    with pytest.raises(ValueError, match="exclusiveMinimum"):
        breaks({"type": "number"}, {"type": "number", "exclusiveMinimum": 0}, sent=True)
    loop = {"$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}, "$ref": "#/$defs/A"}
    with pytest.raises(ValueError, match="holds itself"):
        breaks(loop, loop, sent=True)


@pytest.mark.parametrize("name", sorted(contract.schemas()))
def test_a_schema_can_take_its_own_place(name: str) -> None:
    """Pins that no schema breaks itself, in either direction: every keyword in use is judged."""
    found = contract.schemas()[name]
    assert breaks(found, found, sent=True) == breaks(found, found, sent=False) == []
