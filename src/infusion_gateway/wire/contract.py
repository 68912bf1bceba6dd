"""The MQTT contract as a page for people, written from the models themselves (docs/mqtt.md)."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from infusion_gateway.model.instructions import NAMES
from infusion_gateway.wire import asking, happenings, messages, stations
from infusion_gateway.wire.records import PUBLISHED

Row = tuple[str, str, type[BaseModel]]
ROOT = "igw/v1/{site}/{gateway}"
STATION = "igw/v1/{site}/stations/{station}"
PUBLISHED_BY_GATEWAY: tuple[Row, ...] = (
    (f"{ROOT}/availability", "Retained, QoS 1, the last will", messages.Availability),
    (f"{ROOT}/heartbeat", "QoS 0, every 5 s", messages.Heartbeat),
    (f"{ROOT}/{{bed}}/descriptor", "Retained, QoS 1", messages.Descriptor),
    (f"{ROOT}/{{bed}}/session", "Retained, QoS 1", messages.Session),
    (f"{ROOT}/{{bed}}/alarms", "Retained, QoS 1", messages.Alarms),
    (f"{ROOT}/{{bed}}/device/{{device}}", "Retained, QoS 1", messages.Device),
    (f"{ROOT}/{{bed}}/vitals", "QoS 0, expires in 10 s, retained where the broker speaks MQTT 5", messages.Vitals),
    (f"{ROOT}/{{bed}}/telemetry/{{device}}", "QoS 0, expires in 10 s", happenings.Telemetry),
    (f"{ROOT}/{{bed}}/event/{{type}}", "QoS 1", happenings.EventMessage),
    (f"{STATION}/answers", "QoS 1", asking.Answer),
)
"""What a gateway says: topic, how, and the model of what is said."""
SENT_TO_GATEWAY: tuple[Row, ...] = (
    (f"{ROOT}/{{bed}}/do/{{instruction}}", "QoS 1, expires in 5 s; a retained one is ignored", asking.Asked),
    (f"{STATION}/availability", "Retained, QoS 1, the station's last will", stations.StationAvailability),
    (f"{STATION}/seen", "QoS 1, every few seconds", stations.StationSeen),
)
"""What a gateway takes."""

INTRODUCTION = """# The MQTT contract

Written from the models by `make docs`; a test keeps it fresh. JSON objects, UTF-8; times are RFC 3339 in UTC with
milliseconds; units are UCUM. Names in topics are small letters, digits and hyphens. No patient's name anywhere.

A retained message got on subscribing is of unknown age until that gateway's next live heartbeat. A broker's
acknowledgement proves that a message was in its memory, no more: stations say what they really have (`seen`), and a
broker that comes back without its sessions is told again from there. An event's `id` is the same for ever; its
`sequence` is dense over a bed, so that a receiver can drop repeats and see gaps.
"""


def page() -> str:
    """Give docs/mqtt.md."""
    out = [INTRODUCTION, "## What a gateway publishes"]
    for topic, how, model in PUBLISHED_BY_GATEWAY:
        out += _section(topic, how, model)
    out += [
        "",
        "### Events",
        "",
        f"`{'`, `'.join(sorted(PUBLISHED))}`; and `event-withheld` for one that can't go out as it is.",
    ]
    out += ["", "## What a gateway takes"]
    for topic, how, model in SENT_TO_GATEWAY:
        out += _section(topic, how, model)
    out += ["", "### Instructions and their arguments", "", "| instruction | arguments |", "|---|---|"]
    for name in NAMES:
        fields = asking.arguments_of(name).model_fields
        words = [f"`{key}`" if field.is_required() else f"`{key}` (optional)" for key, field in fields.items()]
        out.append(f"| `{name}` | {', '.join(words)} |")
    return "\n".join(out) + "\n"


def _section(topic: str, how: str, model: type[BaseModel]) -> list[str]:
    schema = model.model_json_schema(mode="serialization")
    said = str(schema.get("description", "")).partition(": ")[2].replace("\n", " ")
    out = ["", f"### `{topic}`", "", f"{how}. {said[:1].upper()}{said[1:]}".rstrip(), ""]
    out += ["| key | type | |", "|---|---|---|", *_rows(schema, schema.get("$defs", {}), "")]
    return out


def _rows(part: Mapping[str, Any], defs: Mapping[str, Any], prefix: str) -> list[str]:
    out = []
    for key, field in part.get("properties", {}).items():
        inner = _inner(field, defs)
        out.append(f"| `{prefix}{key}` | {_type(field)} | {field.get('description', '')} |".replace("\n", " "))
        if inner is not None and inner.get("properties"):
            out += _rows(inner, defs, f"{prefix}{key}{'[]' if field.get('type') == 'array' else ''}.")
    return out


def _inner(field: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the object that a field holds, one of it or many."""
    for one in (field, field.get("items", {}), field.get("additionalProperties", {}), *field.get("anyOf", ())):
        if isinstance(one, Mapping) and "$ref" in one:
            found = defs[one["$ref"].rpartition("/")[2]]
            return found if isinstance(found, Mapping) else None
    return None


def _type(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(one) for one in field["anyOf"]))
    if "$ref" in field:
        return "object"
    return str(field.get("type", "any"))
