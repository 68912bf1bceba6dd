"""The MQTT contract as one table: each topic, which way it goes, how, and what is said on it.

docs/mqtt.md, docs/asyncapi.json and docs/schemas/ are written from it (`infusion-gateway schema --of mqtt`), and the
tests hold every message against it.
"""

import re
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel, Field, create_model

from infusion_gateway.model.instructions import NAMES
from infusion_gateway.wire import asking, discovery, happenings, history, messages, stations
from infusion_gateway.wire.compatibility import breaks
from infusion_gateway.wire.schemas import Schema, event_schema, event_types, schema_of

ROOT = "igw/v1/{site}/{gateway}"
STATION = "igw/v1/{site}/stations/{station}"
EVENT, DO = "event-", "do-"


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic. address: with {names} in braces. sent: by a gateway; else what it takes.

    payloads: names of `schemas()`. retain: kept by the broker ("5": where it speaks MQTT 5). expires_s: MQTT 5's, None:
    never. will: it is a last will too. sealed: signed, where the gateway has a key.
    """

    name: str
    address: str
    sent: bool
    payloads: tuple[str, ...]
    qos: int
    retain: bool | str = False
    expires_s: int | None = None
    will: bool = False
    sealed: bool = False
    content_type: str = "application/json"
    says: str = ""


CHANNELS: tuple[Channel, ...] = (
    Channel(
        "availability", f"{ROOT}/availability", True, ("availability",), 1, True, will=True,
        says="Whether this gateway is there. A last will's `time` is that of connecting, not of dying.",
    ),
    Channel(
        "heartbeat", f"{ROOT}/heartbeat", True, ("heartbeat",), 0, expires_s=10, sealed=True,
        says="Every 5 s. Judged by the receiver's own clock: two missing ones are a lost gateway.",
    ),
    Channel(
        "descriptor", f"{ROOT}/{{bed}}/descriptor", True, ("descriptor",), 1, True, sealed=True,
        says="What the bed is made of and held against.",
    ),
    Channel(
        "session", f"{ROOT}/{{bed}}/session", True, ("session",), 1, True, sealed=True,
        says="The case at the bed, and its order.",
    ),
    Channel(
        "alarms", f"{ROOT}/{{bed}}/alarms", True, ("alarms",), 1, True, sealed=True,
        says="Every condition present or latched, the most urgent first.",
    ),
    Channel(
        "device", f"{ROOT}/{{bed}}/device/{{device}}", True, ("device",), 1, True, sealed=True,
        says="One device: its link, and what it does.",
    ),
    Channel(
        "vitals", f"{ROOT}/{{bed}}/vitals", True, ("vitals",), 0, "5", expires_s=10,
        says="The newest value of each metric, by the metric's word; once a second, also with nothing new.",
    ),
    Channel(
        "telemetry", f"{ROOT}/{{bed}}/telemetry/{{device}}", True, ("telemetry",), 0, expires_s=10,
        says="One exchange with a device, as it said it, before anybody judged it.",
    ),
    Channel(
        "event", f"{ROOT}/{{bed}}/event/{{type}}", True, tuple(f"{EVENT}{one}" for one in event_types()), 1,
        content_type=happenings.CONTENT_TYPE,
        says="What happened, as CloudEvents 1.0 in structured mode, in the order of `sequence`.",
    ),
    Channel(
        "answers", f"{STATION}/answers", True, ("answer", "history-page"), 1, expires_s=60, sealed=True,
        says="What became of a station's instructions, and pages of history; by the `id` of what was asked.",
    ),
    Channel(
        "home-assistant", "{prefix}/device/igw-{site}-{gateway}/{bed}/config", True, ("home-assistant",), 1, True,
        says="Home Assistant's MQTT discovery; only where the configuration asks for it. Nothing in it can instruct.",
    ),
    Channel(
        "do", f"{ROOT}/{{bed}}/do/{{instruction}}", False, tuple(f"{DO}{name}" for name in NAMES), 1, expires_s=5,
        says="A person's instruction. A retained one is ignored; one that is unknown, or can't be read, is refused to "
        "the station that it names.",
    ),
    Channel(
        "history", f"{ROOT}/do/history", False, ("history-asked",), 1, expires_s=5,
        says="A station asks for events or readings of a bed; bounded, and answered page by page.",
    ),
    Channel(
        "station-availability", f"{STATION}/availability", False, ("station-availability",), 1, True, will=True,
        says="A station's own state and heartbeat, every few seconds.",
    ),
    Channel(
        "station-seen", f"{STATION}/seen", False, ("station-seen",), 1,
        says="The newest event of each bed that the station really has; on connecting and every few seconds.",
    ),
)  # fmt: skip
_MODELS: dict[str, type[BaseModel]] = {
    "availability": messages.Availability,
    "heartbeat": messages.Heartbeat,
    "descriptor": messages.Descriptor,
    "session": messages.Session,
    "alarms": messages.Alarms,
    "device": messages.Device,
    "vitals": messages.Vitals,
    "telemetry": happenings.Telemetry,
    "answer": asking.Answer,
    "history-page": history.HistoryPage,
    "home-assistant": discovery.Discovery,
    "history-asked": history.HistoryAsked,
    "station-availability": stations.StationTelling,
    "station-seen": stations.StationSeen,
}


@cache
def schemas() -> dict[str, Schema]:
    """Give the JSON Schema of every payload, by its name."""
    found: dict[str, Schema] = {}
    for channel in CHANNELS:
        for name in channel.payloads:
            found[name] = _schema(name, channel)
    return found


def _schema(name: str, channel: Channel) -> Schema:
    if channel.name == "event":
        return event_schema(name.removeprefix(EVENT))
    if channel.name == "do":
        return schema_of(name, _instruction(name.removeprefix(DO)), sent=False)
    return schema_of(name, _MODELS[name], sent=channel.sent, sealed=channel.sealed)


def _instruction(name: str) -> type[BaseModel]:
    """Give the frame of an instruction with its own arguments."""
    arguments = asking.arguments_of(name)
    needed = any(field.is_required() for field in arguments.model_fields.values())
    field = (arguments, ... if needed else Field(default_factory=arguments))
    title = "".join(part.capitalize() for part in name.split("-"))
    doc = " ".join((NAMES[name].__doc__ or "").split())
    return create_model(title, __base__=asking.frame_of(name), __doc__=doc, arguments=field)


def breaks_of(name: str, published: Schema) -> list[str]:
    """Say what would break those who rely on a published schema of this name; empty: nothing."""
    channel = next((one for one in CHANNELS if name in one.payloads), None)
    if channel is None:
        return ["it is gone"]
    return breaks(published, schemas()[name], sent=channel.sent)


@cache
def _addresses() -> tuple[tuple[Channel, "re.Pattern[str]"], ...]:
    patterns = (re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+?)", re.escape(channel.address)) for channel in CHANNELS)
    patterns = (pattern.replace("(?P<prefix>[^/]+?)", "(?P<prefix>.+?)") for pattern in patterns)  # may have levels
    return tuple((channel, re.compile(pattern)) for channel, pattern in zip(CHANNELS, patterns, strict=True))


def payload_on(topic: str) -> tuple[Channel, tuple[str, ...]] | None:
    """Find the channel of a topic and the names of the payloads that belong there; None: it is none of ours."""
    for channel, pattern in _addresses():
        found = pattern.fullmatch(topic)
        if found is None:
            continue
        if channel.name == "event":
            return channel, tuple(name for name in (f"{EVENT}{found['type']}",) if name in channel.payloads)
        if channel.name == "do":
            return channel, tuple(name for name in (f"{DO}{found['instruction']}",) if name in channel.payloads)
        return channel, channel.payloads
    return None
