"""The payloads that a gateway publishes of its own and of a bed's state, and how each is made from our words.

Every model is the contract for one topic (docs/mqtt.md) and the source of its JSON Schema. `offset` is always UTC minus
the monotone timeline, in nanoseconds, at the moment of writing.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infusion_gateway.model.alarm import AlarmStatus
from infusion_gateway.model.metric import FACTS, Metric, Nanos
from infusion_gateway.model.session import (
    BedSetup,
    GenerationMode,
    Order,
    Phase,
    Scheduled,
    SessionProtocol,
    SessionStatus,
)
from infusion_gateway.model.status import DeviceStatus, VitalStatus
from infusion_gateway.wire.stamps import age, finite, point, rfc3339, seconds, words

ALARMS = 48
"""Conditions in one alarms payload, the most urgent first; a bed has about thirty in all."""

Time = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$")]
"""RFC 3339, UTC, milliseconds."""
Seconds = Annotated[float, Field(ge=0)]
PriorityName = Literal["low", "medium", "high"]
ValidityName = Literal["valid", "questionable", "invalid"]


_SAID = ConfigDict(
    frozen=True,
    allow_inf_nan=False,
    use_attribute_docstrings=True,
    json_schema_serialization_defaults_required=True,  # every key is written
)


class Payload(BaseModel):
    """A JSON object with the time it was written at."""

    model_config = _SAID

    time: Time

    def to_bytes(self) -> bytes:
        """Give it as UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()


class Part(BaseModel):
    """A JSON object inside a payload."""

    model_config = _SAID


class Availability(Payload):
    """`…/availability`, retained. A last will's time is that of connecting, not of dying."""

    status: Literal["online", "offline"]
    why: str
    keep_alive_s: int

    @classmethod
    def of(cls, status: Literal["online", "offline"], why: str, keep_alive_s: int, utc_ns: int) -> Self:
        """Say whether the gateway is there, and why."""
        return cls(time=rfc3339(utc_ns), status=status, why=words(why), keep_alive_s=keep_alive_s)


def own_word(payload: bytes) -> Availability | None:
    """Read an availability that came back on our own topic; None where it is none."""
    try:
        return Availability.model_validate_json(payload[:4096])
    except ValidationError:
        return None


class JournalHead(Part):
    """The journal's newest row, so that those who hear it are witnesses of the chain."""

    sequence: int
    hash: str


class Heartbeat(Payload):
    """`…/heartbeat`, every 5 s: judged by the receiver's own clock; two missing ones are a lost gateway."""

    sequence: int
    """Up by one each time, from 1 at the start of the process."""
    boot_id: str
    """The machine's boot; another one: the monotone timeline began anew."""
    journal: str = ""
    """The journal's own name: whose heartbeat this is, where two have taken one name."""
    head: JournalHead
    challenge: str
    """A fresh random word, for instructions to repeat."""
    alarm_revisions: dict[str, int]
    """Each bed's revision of its alarms: a receiver with another one has missed something."""
    event_sequences: dict[str, int] = {}
    """Each bed's newest event on record, by its sequence: what has not come by the next heartbeat is missing."""
    stations: dict[str, int] = {}
    """The newest word of each station heard lately, by the `sequence` of its availability: this was said after that."""


def beat(payload: bytes) -> Heartbeat | None:
    """Read a heartbeat under our own name; None where it is none. Its text is a stranger's: bounded."""
    try:
        return Heartbeat.model_validate_json(payload[:16_384])
    except ValidationError:
        return None


class Value(Part):
    """One value and how far it can be relied on."""

    value: float | None
    unit: str
    """UCUM."""
    validity: ValidityName
    age_s: Seconds
    """From the measurement."""
    age_at_least: bool
    """The device has neither counter nor time: the value may be older than its age."""
    source: str
    """The device, or by-hand."""
    mdc: str
    """IEEE 11073-10101 reference identifier."""
    note: str = ""
    """Why it isn't judged now; empty: it is."""


class Vitals(Payload):
    """`…/{bed}/vitals`: the newest value of each metric, by the metric's word."""

    values: dict[str, Value]

    @classmethod
    def of(cls, vitals: tuple[VitalStatus, ...], utc_ns: int) -> Self:
        """Write the bed's newest values."""
        return cls(time=rfc3339(utc_ns), values={FACTS[v.metric].word: _value(v) for v in vitals})


class OrderPart(Part):
    """The order in force."""

    protocol: str
    weight_kg: float
    concentration_mg_ml: float
    rate_ml_h: float
    volume_ml: float
    duration_s: float
    dose_mg: float
    dose_mg_per_kg: float


class CaseLimitPart(Part):
    """The first limit of a condition, set for this case alone."""

    code: str
    limit: float | None
    by: str
    reason: str


class Session(Payload):
    """`…/{bed}/session`, retained."""

    case: str | None
    phase: Phase
    supervision: Literal["ok", "degraded", "lost"]
    generation_mode: Literal["real", "test", "demo"]
    order: OrderPart | None
    """Shown once both entries are in."""
    t0: Time | None
    ends_at: Time | None
    volume_ml: float | None
    """Delivered since T0."""
    dose_mg: float | None
    """Delivered since T0."""
    hard_dose_mg: float | None
    stopping: Literal["asked", "confirmed", "provisional", "not-confirmed"] | None
    paused_since: Time | None
    audio_paused_until: Time | None
    case_limits: list[CaseLimitPart] = []
    """Limits that a named clinician set for this case alone."""
    away_until: Time | None = None
    """Nothing flows and the patient is off the monitors."""
    moving_to: str | None = None
    """The bed that the case is on its way to."""
    waits_for_second: str | None = None
    """The instruction that another person must ask for too."""
    bedside_alarm: Literal["none", "working", "lost"] = "none"
    """Sound and light at the bed itself, that need no broker: none configured, seen to work, or not."""

    @classmethod
    def of(cls, status: SessionStatus, mode: GenerationMode, offset: int, now: Nanos) -> Self:
        """Write the bed's session."""
        return cls.model_validate(
            {
                "time": rfc3339(now + offset),
                "case": status.case,
                "phase": status.phase.value,
                "supervision": status.supervision.value,
                "generation_mode": mode.value,
                "order": _order(status.order),
                "t0": point(status.t0, offset),
                "ends_at": point(status.ends_at, offset),
                "volume_ml": finite(status.volume_ml),
                "dose_mg": finite(status.dose_mg),
                "hard_dose_mg": finite(status.hard_dose_mg),
                "stopping": status.stopping,
                "paused_since": point(status.paused_since, offset),
                "audio_paused_until": point(status.audio_paused_until, offset),
                "case_limits": [
                    CaseLimitPart(
                        code=own.code, limit=finite(own.limit), by=words(own.by, 200), reason=words(own.reason, 200)
                    )
                    for own in status.limits
                ],
                "away_until": point(status.away_until, offset),
                "moving_to": status.moving_to,
                "waits_for_second": status.waits_for_second,
                "bedside_alarm": status.bedside_alarm.value,
            }
        )


class Alarm(Part):
    """One alarm condition, present or latched."""

    code: str
    instance: str
    """Of this occurrence: an acknowledgement that names it can't quiet a later one."""
    priority: PriorityName
    kind: Literal["physiological", "technical"]
    response: Literal["tell", "stop-unless-held", "stop"]
    signal: Literal["on", "acknowledged", "latched"]
    present: bool
    since: Time
    value: float | None
    limit: float | None
    unit: str
    text: str
    countdown_ends: Time | None
    """When a stop that can still be held off will be asked."""
    held_until: Time | None
    """Until when a named person holds the stop off."""
    acknowledged_by: str | None
    escalation: int = 0
    """How often it was told further because nobody acknowledged it."""
    cause: str = ""
    """What it has in common with others, as one line or one sensor."""
    collapsed: bool = False
    """In a flood: another of the same cause stands for it."""
    others: int = 0
    """In a flood: it stands for so many of the same cause."""


class Alarms(Payload):
    """`…/{bed}/alarms`, retained: every condition present or latched, the most urgent first."""

    revision: int
    """Up by one at each change; the same revision is the same alarms."""
    generation_mode: Literal["real", "test", "demo"]
    alarms: Annotated[list[Alarm], Field(max_length=ALARMS)]
    more: int
    """Conditions that found no room here; 0 but for a broken bed."""

    @classmethod
    def of(cls, alarms: tuple[AlarmStatus, ...], revision: int, mode: GenerationMode, offset: int, now: Nanos) -> Self:
        """Write the bed's alarm conditions, in the order they come."""
        return cls(
            time=rfc3339(now + offset),
            revision=revision,
            generation_mode=mode.value,
            alarms=[_alarm(alarm, offset) for alarm in alarms[:ALARMS]],
            more=max(len(alarms) - ALARMS, 0),
        )


class Device(Payload):
    """`…/{bed}/device/{device}`, retained."""

    device: str
    link: Literal["up", "down", "unknown"]
    age_s: Seconds | None
    """Since it last said anything; null: not since the gateway started."""
    delivery: Literal["stopped", "infusing", "kvo", "bolus", "unknown"] | None
    """A pump's."""
    identity: dict[str, str]
    alarms: list[str]
    """The pump's own."""
    dead_man_s: float | None
    """The pump's own communication time-out as read back; 0: disarmed."""
    fault: str
    """What it does wrong now; empty: nothing."""

    @classmethod
    def of(cls, status: DeviceStatus, utc_ns: int) -> Self:
        """Write the device's state."""
        return cls(
            time=rfc3339(utc_ns),
            device=status.device,
            link=status.link.value,
            age_s=age(status.age),
            delivery=None if status.delivery is None else status.delivery.value,
            identity={words(key, 40): words(text, 80) for key, text in status.identity[:16]},
            alarms=[alarm.value for alarm in status.alarms],
            dead_man_s=finite(status.dead_man_s),
            fault=words(status.fault),
        )


class DescribedDevice(Part):
    """A device of the bed. dead_man_s: the shortest and longest communication time-out it can keep."""

    device: str
    kind: Literal["pump", "monitor"]
    stoppable: bool
    dead_man_s: tuple[int, int] | None


class DescribedMetric(Part):
    """A metric that can be published of this bed."""

    mdc: str
    unit: str
    sources: list[str]
    """Preferred first; empty: any device."""


class DescribedCondition(Part):
    """One limit of a protocol."""

    code: str
    priority: PriorityName
    response: Literal["tell", "stop-unless-held", "stop"]
    limit: float
    over_baseline: bool
    delay_s: float


class DescribedSchedule(Part):
    """What a person is to assess, or to measure, every so often in these phases."""

    what: str
    """The score, as moaa-s, or the vital sign, as nibp-sys."""
    every_s: float
    phases: list[Phase]


class DescribedProtocol(Part):
    """A session protocol that can be ordered on this bed."""

    name: str
    title: str
    drug: str
    test_only: bool
    signed: bool
    digest: str
    conditions: list[DescribedCondition]
    schedule: list[DescribedSchedule] = []
    """What people do every so often."""


class Descriptor(Payload):
    """`…/{bed}/descriptor`, retained: what the bed is made of and held against."""

    version: str
    generation_mode: Literal["real", "test", "demo"]
    devices: list[DescribedDevice]
    metrics: dict[str, DescribedMetric]
    protocols: list[DescribedProtocol]
    bedside_alarm: bool = False
    """Whether the bed has a sound or a light of its own; false is shown as "no bedside alarm"."""

    @classmethod
    def of(cls, setup: BedSetup, version: str, utc_ns: int) -> Self:
        """Describe a bed."""
        sources: Mapping[Metric, tuple[str, ...]] = dict(setup.sources)
        return cls(
            time=rfc3339(utc_ns),
            version=version,
            generation_mode=setup.generation_mode.value,
            devices=[
                DescribedDevice(
                    device=device.device,
                    kind="pump" if device.is_pump else "monitor",
                    stoppable=device.stoppable,
                    dead_man_s=device.dead_man,
                )
                for device in setup.devices
            ],
            metrics={
                facts.word: DescribedMetric(
                    mdc=metric.value, unit=facts.unit.value, sources=list(sources.get(metric, ()))
                )
                for metric, facts in FACTS.items()
            },
            protocols=[_protocol(protocol) for protocol in setup.protocols],
            bedside_alarm=setup.annunciator,
        )


def _value(vital: VitalStatus) -> Value:
    return Value(
        value=finite(vital.value),
        unit=vital.unit.value,
        validity=vital.validity.value,
        age_s=age(vital.age) or 0.0,
        age_at_least=vital.at_least,
        source=vital.device,
        mdc=vital.metric.value,
        note=words(vital.note),
    )


def _order(order: Order | None) -> OrderPart | None:
    if order is None:
        return None
    return OrderPart(
        protocol=order.protocol,
        weight_kg=order.weight_kg,
        concentration_mg_ml=order.concentration_mg_ml,
        rate_ml_h=order.rate_ml_h,
        volume_ml=order.volume_ml,
        duration_s=seconds(order.duration),
        dose_mg=order.dose_mg,
        dose_mg_per_kg=round(order.dose_mg_per_kg, 4),
    )


def _alarm(alarm: AlarmStatus, offset: int) -> Alarm:
    return Alarm.model_validate(
        {
            "code": alarm.code,
            "instance": str(alarm.since),
            "priority": alarm.priority.name.lower(),
            "kind": alarm.kind.value,
            "response": alarm.response.value,
            "signal": alarm.signal.value,
            "present": alarm.present,
            "since": point(alarm.since, offset),
            "value": finite(alarm.value),
            "limit": finite(alarm.limit),
            "unit": alarm.unit,
            "text": words(alarm.text),
            "countdown_ends": point(alarm.countdown_ends, offset),
            "held_until": point(alarm.held_until, offset),
            "acknowledged_by": None if alarm.acknowledged_by is None else words(alarm.acknowledged_by, 64),
            "escalation": alarm.escalation,
            "cause": alarm.cause,
            "collapsed": alarm.collapsed,
            "others": alarm.others,
        }
    )


def _protocol(protocol: SessionProtocol) -> DescribedProtocol:
    return DescribedProtocol(
        name=protocol.name,
        title=words(protocol.title),
        drug=words(protocol.drug),
        test_only=protocol.test_only,
        signed=protocol.signed,
        digest=protocol.digest,
        conditions=[
            DescribedCondition.model_validate(
                {
                    "code": condition.code,
                    "priority": row.priority.name.lower(),
                    "response": row.response.value,
                    "limit": row.limit,
                    "over_baseline": row.over_baseline,
                    "delay_s": seconds(row.delay),
                }
            )
            for condition in protocol.conditions
            for row in condition.rows
        ],
        schedule=[_scheduled(one) for one in scheduled(protocol)],
    )


def _scheduled(one: Scheduled) -> DescribedSchedule:
    what = FACTS[one.what].word if isinstance(one.what, Metric) else one.what.value
    return DescribedSchedule(what=what, every_s=seconds(one.every), phases=sorted(one.phases))


def scheduled(protocol: SessionProtocol) -> tuple[Scheduled, ...]:
    """Give what people do every so often: where no pressure is scheduled while it infuses, one is all the same."""
    infusing = frozenset({Phase.INFUSING})
    if any(one.what is Metric.NIBP_SYS and Phase.INFUSING in one.phases for one in protocol.schedule):
        return protocol.schedule
    return (*protocol.schedule, Scheduled(Metric.NIBP_SYS, protocol.nibp_every, infusing, ()))
