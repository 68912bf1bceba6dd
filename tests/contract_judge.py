"""Holds whatever any test publishes against the contract: each payload made, and each message on its topic.

Installed for the whole suite by conftest. What is found wrong is remembered and fails the test at its end, since a
publisher catches whatever happens inside it. A key that no schema knows is wrong too: tests are stricter than a
receiver is.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import aiomqtt
from jsonschema import Draft202012Validator

from infusion_gateway.runtime import mqtt
from infusion_gateway.station import client
from infusion_gateway.wire import contract
from infusion_gateway.wire.asking import Answer
from infusion_gateway.wire.happenings import EventMessage, Telemetry
from infusion_gateway.wire.history import HistoryPage
from infusion_gateway.wire.messages import Alarms, Availability, Descriptor, Device, Heartbeat, Payload, Session, Vitals

NAMES: dict[type[Payload], str] = {
    Availability: "availability",
    Heartbeat: "heartbeat",
    Descriptor: "descriptor",
    Session: "session",
    Alarms: "alarms",
    Device: "device",
    Vitals: "vitals",
    Telemetry: "telemetry",
    Answer: "answer",
    HistoryPage: "history-page",
}
DIGITS = bytes.maketrans(b"123456789", b"000000000")
"""No schema tells one digit from another: what differs in nothing else has been judged (a thousandth of the time)."""
SHAPES = 50_000
_fitting: set[tuple[str, bytes]] = set()
wrong: list[str] = []
"""What was found wrong since the last look."""
judged = 0
"""Messages held against the contract in this process."""


def closed(schema: Any) -> Any:
    """Give a schema that knows no keys but its own."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


@cache
def validator(name: str) -> Draft202012Validator:
    """Give the validator of a payload, made once."""
    schema = closed(contract.schemas()[name])
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def judge(name: str, payload: bytes) -> str:
    """Say what is wrong with a payload; "" where nothing is."""
    global judged  # noqa: PLW0603 - a count for the whole process
    judged += 1
    shape = (name, payload.translate(DIGITS))
    if shape in _fitting:
        return ""
    try:
        body = json.loads(payload, parse_constant=_no_constant)
    except ValueError as error:
        return f"{name}: {error}"
    error = next(validator(name).iter_errors(body), None)
    if error is not None:
        return f"{name}: {error.json_path}: {error.message[:300]}"
    if len(_fitting) < SHAPES:
        _fitting.add(shape)
    return ""


def judge_on(topic: str, payload: bytes) -> str:
    """Say what is wrong with a message on its topic; an empty one clears what was retained."""
    found = contract.payload_on(topic)
    if found is None or not found[1]:
        return f"{topic}: no topic of the contract"
    if not payload:
        return "" if found[0].retain else f"{topic}: nothing is said where nothing is retained"
    verdicts = [judge(name, payload) for name in found[1]]
    return "" if "" in verdicts else f"{topic}: {'; '.join(verdicts)}"


def install() -> None:
    """Judge all that is made and sent in this process from now on."""
    made: Callable[[Payload], bytes] = Payload.to_bytes
    sent = mqtt.Connection._publish

    def to_bytes(self: Payload) -> bytes:
        payload = made(self)
        name = f"event-{self.type}" if isinstance(self, EventMessage) else NAMES.get(type(self), "")
        _note(judge(name, payload) if name in contract.schemas() else f"{type(self).__name__} {name}: in no contract")
        return payload

    def publish(self: mqtt.Connection, topic: str, payload: bytes, **how: Any) -> Any:
        if topic.startswith("igw/v1/") or topic.endswith("/config"):
            _note(judge_on(topic, payload))
        return sent(self, topic, payload, **how)

    class Judged(aiomqtt.Client):
        """A station's client, judged too."""

        async def publish(self, topic: str, payload: bytes = b"", **how: Any) -> None:
            _note(judge_on(topic, payload))
            await super().publish(topic, payload, **how)

    Payload.to_bytes = to_bytes  # type: ignore[method-assign]
    client.Client = Judged  # type: ignore[misc, assignment]
    mqtt.Connection._publish = publish  # type: ignore[method-assign, assignment]


def _note(verdict: str) -> None:
    if verdict and len(wrong) < 20:
        wrong.append(verdict)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
