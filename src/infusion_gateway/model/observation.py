"""Observation: one decoded thing that a device said. Fault: what a device did wrong, as a value."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from infusion_gateway.model.metric import Metric, Nanos


class Validity(StrEnum):
    """How far a value may be relied on (IEEE 11073-10207 measurement validity, three of its words)."""

    VALID = "valid"
    QUESTIONABLE = "questionable"
    INVALID = "invalid"


class Delivery(StrEnum):
    """What the pump does. Bolus and KVO *are* delivering; unknown is never treated as stopped."""

    STOPPED = "stopped"
    INFUSING = "infusing"
    KVO = "kvo"
    BOLUS = "bolus"
    UNKNOWN = "unknown"

    @property
    def delivering(self) -> bool:
        """Whether fluid may be going into the patient; unknown counts."""
        return self is not Delivery.STOPPED


class PumpAlarm(StrEnum):
    """A pump's own alarms, by cause."""

    OCCLUSION = "occlusion"
    AIR = "air"
    EMPTY = "empty"
    NEAR_EMPTY = "near-empty"
    DOOR = "door"
    STALL = "stall"
    BATTERY = "battery"
    RESET = "reset"  # power interrupted
    DEAD_MAN = "dead-man"  # its communication time-out ran out and it stopped itself
    FREE_FLOW = "free-flow"  # fluid runs in that the pump doesn't drive
    OTHER = "other"


class Sensor(StrEnum):
    """A part of a monitor that touches the patient."""

    PROBE = "probe"
    LEADS = "leads"
    CANNULA = "cannula"
    CUFF = "cuff"


class SensorState(StrEnum):
    """State of a sensor; measuring and failed are a cuff's."""

    ON = "on"
    OFF = "off"
    MEASURING = "measuring"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a metric in the metric's own unit (metric.FACTS).

    value is None exactly where validity is INVALID and the device gave none. measured_at is when it was measured,
    not when it was polled; at_least: the true age may be greater (the device has neither counter nor time).
    resolution is the device's smallest step of this value, 0 where unknown. sequence is the device's own count of
    measurements (an NIBP reading counter), None where it has none. epoch is its own count of how often a counter that
    only rises (a pump's volume) began anew, None where it doesn't tell.
    """

    metric: Metric
    value: float | None
    validity: Validity
    measured_at: Nanos
    at_least: bool = False
    resolution: float = 0.0
    sequence: int | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class DeliveryReported:
    """The pump said what it is doing."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class AlarmsReported:
    """Every alarm the pump has at this moment; an empty set says: none. text holds the device's own words."""

    alarms: frozenset[PumpAlarm]
    text: str = ""


@dataclass(frozen=True, slots=True)
class SensorReported:
    """A monitor said how one of its sensors is."""

    sensor: Sensor
    state: SensorState


@dataclass(frozen=True, slots=True)
class Identified:
    """Who the device says it is: pairs of key and text (vendor, model, version, serial-number, address)."""

    identity: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DeadManReported:
    """The pump's communication time-out as read back, seconds; 0: disarmed."""

    seconds: float


Observation: TypeAlias = Reading | DeliveryReported | AlarmsReported | SensorReported | Identified | DeadManReported


class FaultKind(StrEnum):
    """What a device, or the line to it, did wrong."""

    CHECKSUM = "checksum"
    FRAMING = "framing"
    RANGE = "range"
    UNEXPECTED = "unexpected"  # well formed, but no answer to what was asked, or a value no table lists
    REFUSED = "refused"
    NO_ANSWER = "no-answer"
    STALE_REPLY = "stale-reply"  # an answer older than the question
    FROZEN = "frozen"  # the same moment told again and again
    OVERFLOW = "overflow"
    WRONG_DEVICE = "wrong-device"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that went wrong; detail is at most 200 characters, printable, for the record."""

    kind: FaultKind
    detail: str
