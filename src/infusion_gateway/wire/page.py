"""docs/mqtt.md: the contract for people who build on it, with the tables written from the models themselves."""

from collections.abc import Iterator, Mapping
from typing import Any

from infusion_gateway.model.instructions import NAMES
from infusion_gateway.wire import asking
from infusion_gateway.wire.contract import CHANNELS, EVENT, Channel, schemas
from infusion_gateway.wire.history import LOOKED_AT, PAGE, PAGES_PER_S, RECORDS
from infusion_gateway.wire.schemas import Schema, event_types

_HEAD = ("| key | type | |", "|---|---|---|")
_INTRODUCTION = """# The MQTT contract

Written from the models by `make docs`; a test keeps it fresh. For programs: [asyncapi.json](asyncapi.json) (AsyncAPI
3, MQTT binding 0.2.0) and a JSON Schema (2020-12) of every payload in [schemas/](schemas/). JSON objects, UTF-8;
times are RFC 3339 in UTC with milliseconds; units are UCUM. Names in topics are small letters, digits and hyphens. No
patient's name anywhere.

Look at a bed with nothing but a Mosquitto client:

    mosquitto_sub -h BROKER -v -t 'igw/v1/SITE/GATEWAY/BED/#' -t 'igw/v1/SITE/GATEWAY/+'

## What to rely on

* **State is retained**, and published again on every connection of the gateway: what you get on subscribing is whole.
  It is of unknown age until that gateway's next live `heartbeat`. A bed or device that is taken out of the
  configuration has its retained topics cleared (an empty payload) at the gateway's next start.
* **A gateway is there** while its heartbeats come, one every 5 s, counted by your own clock: two missing ones are a
  lost gateway, whatever `availability` says. A last will alone misses a process that hangs.
* **Current alarms are `alarms`**, never the sum of the events: after an outage they come first. The heartbeat repeats
  each bed's `alarm_revisions`; another one than yours says that you missed a message.
* **A value is current** while its message is: judge `validity` and `age_s`, which runs from the measurement.
* **A broker's acknowledgement is no delivery.** Tell the gateway what you really have on `seen`, on connecting and
  every few seconds: each bed's newest event up to which you lack none, with its `id`. What you lack is told again: at
  your first word on a connection, when the broker came back without its memory, and when you stay behind for 5 s. It
  goes to everybody, so drop repeats. It reaches back over the newest 500000 rows of the journal (8 h of sixteen
  sessions, days of one); what lies before is history.
* **A signature** (`kid`, `sig`, the last two members) is there where the gateway has a key; docs/security.md says how
  to verify one. Pass over every key that you don't know: there will be more.

## MQTT 5 and 3.1.1

The gateway tries MQTT 5 at each connection and speaks 3.1.1 where the broker has nothing newer; nothing is
configured. Payloads are the same bytes in both. With MQTT 5 there are also: content type, message expiry (a broker
hands on no instruction that waited for 5 s), the answer's topic and correlation data as the asker gave them, and a
retained `vitals` that expires. With 3.1.1 an asker names itself in `station` and finds its answer by `id`.

A signed instruction is carried out for 12 s at most after the heartbeat that it repeats. A stop needs none: one that
comes to a gateway late, because that stood still meanwhile, is carried out, in the case that it was asked in and in no
other.

Events are CloudEvents 1.0 in structured mode (`application/cloudevents+json`) in both: the binary mode needs MQTT 5.
`sequence` is a whole number; `late`, `published` and `recorded` are extensions of ours. Every other payload is
`application/json`.

## Gaps, repeats, lateness

An event's `sequence` is dense over its bed: up by one with each event, over restarts of everything. What it counts
within is the first part of its `id`, the journal's name: another name is another count. An event that comes again is
the same, `id` and all. So a receiver can prove what it has, with this, for each bed:

```python
"""

_AFTER = """```

* `take` says what an event is: `new`, `repeat` (drop it), or `late`: the gateway held it back (`late`), or the broker
  did: it was recorded before the heartbeat before last. Both times are the gateway's, so no clocks are compared.
* A gap in the middle shows with the next event, one at the end with the heartbeats: `event_sequences` of a heartbeat
  is what was on record by then, and at the next it must have come. `missing` then gives the first and last that are.
* Ask for them as history; what comes twice by that is a repeat.

## History

Publish a question on `do/history`, and its answers come on your answers topic, a page at a time:

    {"id": "q-1", "station": "desk", "bed": "chair-1", "from": 17, "to": 21}
    {"id": "q-2", "station": "desk", "bed": "chair-1", "from": "2026-11-22T07:00:00.000Z", "kinds": ["sampled"],
     "resolution_s": 10}

`from` and `to` are the bed's sequence or times, both inclusive. Without `kinds` it is every published event;
`sampled` are the readings that decisions rested on, at most one a second, by time only. A page has at most {records}
events and samples and about {page} KiB, and costs at most {looked} rows of the journal: so one that holds little may
still have a `next`. Send the same question with that as `page` for what follows. A gateway answers {per_s} pages a
second and lets the rest go: ask again after two seconds. `oldest` is the first event that the journal still holds:
one before it is gone. What can't be answered is `refused` in words.

## Versions

The root says the version: what is published under `igw/v1` stays. A test holds every schema against the published
ones in `schemas/`, and `make docs` writes none that breaks them:

* **What a gateway sends** only becomes narrower: keys are added, never taken away; one that is always there stays; no
  key gets another type, a new word in an enumeration, a wider bound. A new type of event is no break: pass over what
  you don't know.
* **What a gateway takes** only becomes wider: no key becomes needed, none is taken away, none takes less than before.

What can't be had so goes to `igw/v2`, beside `igw/v1` for as long as anybody listens there.

## Home Assistant

With `home_assistant = "homeassistant"` in `[broker]` the gateway publishes Home Assistant's device discovery for each
bed, retained, under that prefix: values (unknown where not valid, or 10 s old), phase, supervision, dose, alarms,
links. It is a look at the bed and no alarm: Home Assistant confirms nothing, and there is no command in it. Without
the key nothing is published. Beds that are gone are cleared; after taking the key out, delete the devices in Home
Assistant, which clears theirs.
"""

FOLLOWER = '''class Follower:
    """What one receiver has of one bed's events."""

    def __init__(self, bed):
        self.bed = bed
        self.count = None  # the journal that the sequence counts within
        self.through = 0  # every event up to this one has been here
        self.beyond = set()  # those that came past a gap
        self.due = 0  # what must have been here by the next heartbeat
        self.beats = ("", "")  # the gateway's times of the last two

    def _begin(self, count, through):
        if count != self.count:
            self.count, self.through, self.beyond, self.due = count, through, set(), 0

    def take(self, event):
        """An event: new, repeat or late."""
        sequence = event["sequence"]
        self._begin(event["id"].rpartition("-")[0], 0 if self.count else sequence - 1)
        if sequence <= self.through or sequence in self.beyond:
            return "repeat"
        self.beyond.add(sequence)
        while self.through + 1 in self.beyond:
            self.through += 1
            self.beyond.remove(self.through)
        return "late" if event["late"] or event["recorded"] < self.beats[0] else "new"

    def missing(self, heartbeat=None):
        """The first and last event of the first gap, or None; with each live heartbeat, also of one at the end."""
        if heartbeat is not None:
            newest = heartbeat["event_sequences"].get(self.bed, 0)
            self._begin(heartbeat["journal"], 0 if self.count else newest)
            self.beats = (self.beats[1], heartbeat["time"])
            due, self.due = self.due, newest
        else:
            due = 0
        if self.beyond:
            return self.through + 1, min(self.beyond) - 1
        return (self.through + 1, due) if due > self.through else None
'''


def page() -> str:
    """Give docs/mqtt.md."""
    filled = {"records": RECORDS, "page": PAGE // 1024, "looked": LOOKED_AT, "per_s": PAGES_PER_S}
    after = _AFTER
    for key, value in filled.items():
        after = after.replace(f"{{{key}}}", str(value))
    out = [_INTRODUCTION + FOLLOWER + after, "## What a gateway publishes"]
    for channel in CHANNELS:
        if channel.sent:
            out += _section(channel)
    out += ["", "## What a gateway takes"]
    for channel in CHANNELS:
        if not channel.sent:
            out += _section(channel)
    return "\n".join(out) + "\n"


def _section(channel: Channel) -> Iterator[str]:
    yield from ("", f"### `{channel.address}`", "", f"{_how(channel)}. {channel.says}")
    match channel.name:
        case "event":
            yield from _event_frame()
        case "do":
            yield from _instructions()
        case _:
            for name in channel.payloads:
                schema = schemas()[name]
                if len(channel.payloads) > 1:
                    yield from ("", f"`{name}`:")
                yield from ("", *_HEAD, *_rows(schema, schema.get("$defs", {}), ""))


def _how(channel: Channel) -> str:
    kept = {True: "Retained, ", "5": "Retained where the broker speaks MQTT 5, "}.get(channel.retain, "")
    expires = "" if channel.expires_s is None else f", expires in {channel.expires_s} s"
    will = ", a last will too" if channel.will else ""
    sealed = "; signed, where the gateway has a key" if channel.sealed else ""
    return f"{kept}QoS {channel.qos}{expires}{will}{sealed}"


def _event_frame() -> Iterator[str]:
    """Show the frame once, then what each type's `data` holds."""
    frame = schemas()[f"{EVENT}{event_types()[0]}"]
    keys = {key: field for key, field in frame["properties"].items() if key not in ("data", "type")}
    keys["type"] = {"type": "string", "description": "What happened: the last part of the topic."}
    yield from ("", *_HEAD, *_rows({"properties": keys}, {}, ""))
    yield from ("", "| type | `data` | |", "|---|---|---|")
    for name in event_types():
        schema = schemas()[f"{EVENT}{name}"]
        held = ", ".join(f"`{key}`" for key in schema["properties"]["data"]["properties"])
        yield f"| `{name}` | {held} | {schema['description']} |"


def _instructions() -> Iterator[str]:
    schema = schemas()[f"do-{next(iter(NAMES))}"]
    frame = {key: field for key, field in schema["properties"].items() if key != "arguments"}
    yield from ("", *_HEAD, *_rows({"properties": frame}, {}, ""))
    yield "| `arguments` | object | What the instruction needs: |"
    yield from ("", "| instruction | arguments |", "|---|---|")
    for name in NAMES:
        fields = asking.arguments_of(name).model_fields
        words = [f"`{key}`" if field.is_required() else f"`{key}` (optional)" for key, field in fields.items()]
        yield f"| `{name}` | {', '.join(words)} |"


def _rows(part: Mapping[str, Any], defs: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, field in part.get("properties", {}).items():
        yield f"| `{prefix}{key}` | {_type(field)} | {field.get('description', '')} |".replace("\n", " ")
        inner = _inner(field, defs)
        if inner is not None and inner.get("properties"):
            yield from _rows(inner, defs, f"{prefix}{key}{'[]' if field.get('type') == 'array' else ''}.")


def _inner(field: Mapping[str, Any], defs: Mapping[str, Any]) -> Schema | None:
    """Find the object that a field holds, one of it or many."""
    for one in (field, field.get("items", {}), field.get("additionalProperties", {}), *field.get("anyOf", ())):
        if isinstance(one, Mapping) and "$ref" in one:
            found = defs[one["$ref"].rpartition("/")[2]]
            return found if isinstance(found, dict) else None
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
    kind = field.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
