"""The contract as one AsyncAPI 3 document, with the MQTT binding 0.2.0 (the separate one for MQTT 5 is deprecated).

AsyncAPI's own schema form is JSON Schema draft 7 with more words; what of ours is newer is written in its older way.
"""

import re
from typing import Any

from infusion_gateway.model.instructions import NAMES
from infusion_gateway.model.names import NAME
from infusion_gateway.wire.contract import CHANNELS, Channel, schemas
from infusion_gateway.wire.schemas import Schema, event_types

SPECIFICATION = "3.1.0"
BINDING = "0.2.0"
VERSION = "1.0.0"
"""The contract's own, for the root `igw/v1`: the first number is that of the root."""
KEEP_ALIVE_S = 5
LONGEST_PACKET = 64 * 1024
_DROPPED = frozenset({"$schema", "$id", "$defs", "discriminator"})
_PARAMETERS = {
    "site": "The clinic.",
    "gateway": "The gateway, unique at the site.",
    "bed": "The bed: a place with devices.",
    "device": "The device, unique at its bed.",
    "station": "The station.",
    "type": "The event's type, as in its `type`.",
    "instruction": "What is asked for.",
    "prefix": "Home Assistant's discovery prefix, as configured.",
}


def document() -> dict[str, Any]:
    """Give the whole document, self-contained."""
    parts: dict[str, Schema] = {}
    for name, schema in schemas().items():
        parts |= _components(name, schema)
    return {
        "asyncapi": SPECIFICATION,
        "info": {
            "title": "Infusion Gateway",
            "version": VERSION,
            "description": "Supervision of an IV infusion over MQTT. docs/mqtt.md says how to receive it safely.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {channel.name: _operation(channel) for channel in CHANNELS},
        "components": {"schemas": parts, "messages": _messages()},
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{host}:8883",
        "protocol": "secure-mqtt",
        "protocolVersion": "5",
        "description": "The site's broker. MQTT 5; 3.1.1 where it speaks no other, found out at each connection.",
        "variables": {"host": {"description": "The broker's name.", "default": "localhost"}},
        "bindings": {
            "mqtt": {
                "clientId": "igw-{site}-{gateway}",
                "cleanSession": True,
                "keepAlive": KEEP_ALIVE_S,
                "maximumPacketSize": LONGEST_PACKET,
                "lastWill": {
                    "topic": "igw/v1/{site}/{gateway}/availability",
                    "qos": 1,
                    "retain": True,
                    "message": '{"status": "offline", …}',
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", channel.address)
    return {
        "address": channel.address,
        "description": channel.says,
        "servers": [{"$ref": "#/servers/broker"}],
        "parameters": {name: _parameter(name) for name in names},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.payloads},
    }


def _parameter(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _PARAMETERS[name]}
    if name == "type":
        found["enum"] = list(event_types())
    elif name == "instruction":
        found["enum"] = list(NAMES)
    else:
        found["description"] += f" Of the form {NAME}." if name != "prefix" else ""
    return found


def _operation(channel: Channel) -> dict[str, Any]:
    binding: dict[str, Any] = {"qos": channel.qos, "retain": bool(channel.retain), "bindingVersion": BINDING}
    if channel.expires_s is not None:
        binding["messageExpiryInterval"] = channel.expires_s
    found: dict[str, Any] = {
        "action": "send" if channel.sent else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.says,
        "bindings": {"mqtt": binding},
    }
    if channel.name in ("do", "history"):
        answer = "history-page" if channel.name == "history" else "answer"
        found["reply"] = {
            "channel": {"$ref": "#/channels/answers"},
            "messages": [{"$ref": f"#/channels/answers/messages/{answer}"}],
        }
    return found


def _messages() -> dict[str, Any]:
    """Give every message; the correlation of an answer is what was asked, by `id`."""
    found: dict[str, Any] = {}
    for channel in CHANNELS:
        for name in channel.payloads:
            binding: dict[str, Any] = {"contentType": channel.content_type, "bindingVersion": BINDING}
            if channel.name in ("do", "history"):
                binding["responseTopic"] = "igw/v1/{site}/stations/{station}/answers"
            found[name] = {
                "name": name,
                "contentType": channel.content_type,
                "payload": {"$ref": f"#/components/schemas/{name}"},
                "bindings": {"mqtt": binding},
            }
            if channel.name in ("do", "history", "answers"):
                found[name]["correlationId"] = {"location": "$message.payload#/id"}
    return found


def _components(name: str, schema: Schema) -> dict[str, Schema]:
    """Give a schema and those it refers to, each under a name of its own."""
    inner = schema.get("$defs", {})
    return {name: _older(schema, name)} | {f"{name}-{key}": _older(part, name) for key, part in inner.items()}


def _older(part: Any, name: str) -> Any:
    """Write a schema as AsyncAPI reads it: references into this document, tuples as lists of items."""
    if isinstance(part, list):
        return [_older(one, name) for one in part]
    if not isinstance(part, dict):
        return part
    found = {key: _older(value, name) for key, value in part.items() if key not in _DROPPED}
    if isinstance(part.get("$ref"), str):
        found["$ref"] = f"#/components/schemas/{name}-{part['$ref'].rpartition('/')[2]}"
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")
    return found
