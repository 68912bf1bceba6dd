"""What goes out as it happens: each published event as a CloudEvent, and a device's own words as telemetry."""

from typing import Annotated, Any, Literal, Self, assert_never

from pydantic import Field

from infusion_gateway.model.events import CaseOrdered, CaseReceived, ChangeProposed, Event
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.metric import FACTS, SECOND, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    DeliveryReported,
    Identified,
    Observation,
    Reading,
    SensorReported,
)
from infusion_gateway.wire.messages import Part, Payload, Seconds, Time, ValidityName
from infusion_gateway.wire.records import Record, Unreadable, plain, type_name
from infusion_gateway.wire.stamps import age, finite, rfc3339, seconds, words

LONGEST = 16 * 1024
"""Bytes of one event: a longer one is told of, not sent (a broker that cuts us off for it would do so for ever)."""
CONTENT_TYPE = "application/cloudevents+json"
"""An event in structured mode (CloudEvents' MQTT binding 1.0, 3.2); every other payload is application/json."""
LATE: Nanos = 3 * SECOND
"""An event that goes out so long after it happened is marked late."""
WITHHELD = "event-withheld"

POINTS = frozenset({"t0", "ends_at", "until", "since", "countdown_ends", "measured_at"})
"""Fields of events that are points of the monotone timeline: on the wire a time."""
LENGTHS = frozenset({"blind_for", "remaining", "after", "duration", "age"})
"""Fields of events that are lengths of time: on the wire in seconds, named `…_s`."""
UNSEEN = {"subject": None, "weight_kg": None, "concentration_mg_ml": None, "dose_mg": None}
"""Of an order that is not confirmed yet: the subject is never on a topic; the rest would prompt the second entry."""
WITHIN: dict[type[Event], str] = {CaseReceived: "carried", ChangeProposed: "entered"}
"""Fields that stay inside: a whole case with its subject, and an entry that a second person is to make too."""


class EventMessage(Payload):
    """`…/{bed}/event/{type}`: CloudEvents 1.0, structured mode. `id` and `sequence` show repeats and gaps."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    """The same for ever, however often it comes."""
    source: str
    """The bed, as the path its topics begin with."""
    type: str
    sequence: int
    """Up by one with each event of the bed, over restarts too; another first part of `id`: another count."""
    datacontenttype: Literal["application/json"] = "application/json"
    late: bool
    """It went out long after it happened: while the broker, or the gateway, was away."""
    published: Time
    """When it went out."""
    recorded: Time
    """When it was put on record; `time` is the same moment."""
    data: dict[str, Any]

    @classmethod
    def of(cls, record: Record, source: str, *, now: Nanos, utc_ns: int, boot_id: str, withheld: str = "") -> Self:
        """Write a published record. withheld: why its content must stay behind; "" for all of it."""
        name = type_name(record.event)
        late = record.boot_id != boot_id or now - record.at > LATE
        if isinstance(record.event, Unreadable):
            withheld = withheld or f"this gateway can't read the event: {record.event.why}"
        data = {"type": words(name, 64), "reason": words(withheld)} if withheld else event_data(record)
        return cls(
            time=rfc3339(record.utc_ns),
            id=record.id,
            source=source,
            type=WITHHELD if withheld else name,
            sequence=record.bed_sequence or 0,
            late=late,
            published=rfc3339(utc_ns),
            recorded=rfc3339(record.utc_ns),
            data=data,
        )

    @classmethod
    def bounded(cls, record: Record, source: str, *, now: Nanos, utc_ns: int, boot_id: str, withheld: str = "") -> Self:
        """Write a published record, or, where that would be too long, a small one that says so."""
        message = cls.of(record, source, now=now, utc_ns=utc_ns, boot_id=boot_id, withheld=withheld)
        size = len(message.to_bytes())
        if size <= LONGEST:
            return message
        why = f"it has {size} bytes, more than the {LONGEST} that may be sent; the journal holds it"
        return cls.of(record, source, now=now, utc_ns=utc_ns, boot_id=boot_id, withheld=why)


def event_payload(
    record: Record, source: str, *, now: Nanos, utc_ns: int, boot_id: str, withheld: str = ""
) -> tuple[str, bytes]:
    """Give the type that an event goes out under, and its payload; one that is too long goes out withheld."""
    message = EventMessage.bounded(record, source, now=now, utc_ns=utc_ns, boot_id=boot_id, withheld=withheld)
    return message.type, message.to_bytes()


def event_data(record: Record) -> dict[str, Any]:
    """Give an event's fields as people and stations read them: times as times, lengths in seconds, no subject.

    An event that can't be read has none: `EventMessage.of` withholds it. TypeError here.
    """
    event = record.event
    if isinstance(event, Unreadable):
        raise TypeError(f"what can't be read has no fields: {event.why}")
    body = plain(event, finite=True)
    if isinstance(event, CaseOrdered):
        body = {key: value for key, value in body.items() if key not in UNSEEN}
        body["order"] = {key: value for key, value in body["order"].items() if key not in UNSEEN}
    body.pop(WITHIN.get(type(event), ""), None)
    return _readable(body, record.utc_ns - record.at)


def _readable(body: dict[str, Any], offset: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in body.items():
        if key in POINTS and isinstance(value, int):
            found[key] = rfc3339(value + offset)
        elif key in LENGTHS:
            found[f"{key}_s"] = None if value is None else seconds(value)
        elif isinstance(value, dict):
            found[key] = _readable(value, offset)
        elif isinstance(value, list):
            found[key] = [_readable(one, offset) if isinstance(one, dict) else one for one in value]
        else:
            found[key] = value
    return found


class SaidReading(Part):
    """A value, as the device said it."""

    said: Literal["reading"] = "reading"
    mdc: str
    value: float | None
    unit: str
    validity: ValidityName
    age_s: Seconds
    age_at_least: bool
    sequence: int | None
    """The device's own count of measurements."""


class SaidDelivery(Part):
    """What a pump said that it does."""

    said: Literal["delivery"] = "delivery"
    delivery: str


class SaidAlarms(Part):
    """All that a pump alarms about; empty: nothing."""

    said: Literal["alarms"] = "alarms"
    alarms: list[str]
    text: str


class SaidSensor(Part):
    """How a monitor's sensor is."""

    said: Literal["sensor"] = "sensor"
    sensor: str
    state: str


class SaidIdentity(Part):
    """Who a device said that it is."""

    said: Literal["identity"] = "identity"
    identity: dict[str, str]


class SaidDeadMan(Part):
    """The pump's communication time-out as read back, seconds."""

    said: Literal["dead-man"] = "dead-man"
    seconds: float | None


Said = Annotated[
    SaidReading | SaidDelivery | SaidAlarms | SaidSensor | SaidIdentity | SaidDeadMan, Field(discriminator="said")
]


class Telemetry(Payload):
    """`…/{bed}/telemetry/{device}`: one exchange with a device, as it said it, before anybody judged it."""

    device: str
    observations: list[Said]

    @classmethod
    def of(cls, seen: Observed, utc_ns: int, now: Nanos) -> Self:
        """Write what a device said just now."""
        return cls(
            time=rfc3339(utc_ns), device=seen.device, observations=[_said(one, now) for one in seen.observations]
        )


def _said(
    observation: Observation, now: Nanos
) -> SaidReading | SaidDelivery | SaidAlarms | SaidSensor | SaidIdentity | SaidDeadMan:
    match observation:
        case Reading():
            return SaidReading(
                mdc=observation.metric.value,
                value=finite(observation.value),
                unit=FACTS[observation.metric].unit.value,
                validity=observation.validity.value,
                age_s=age(now - observation.measured_at) or 0.0,
                age_at_least=observation.at_least,
                sequence=observation.sequence,
            )
        case DeliveryReported(delivery=delivery):
            return SaidDelivery(delivery=delivery.value)
        case AlarmsReported(alarms=alarms, text=text):
            return SaidAlarms(alarms=sorted(alarm.value for alarm in alarms), text=words(text))
        case SensorReported(sensor=sensor, state=state):
            return SaidSensor(sensor=sensor.value, state=state.value)
        case Identified(identity=identity):
            return SaidIdentity(identity={words(key, 40): words(text, 80) for key, text in identity[:16]})
        case DeadManReported(seconds=held):
            return SaidDeadMan(seconds=finite(held))
        case _:
            assert_never(observation)
