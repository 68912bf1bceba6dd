"""Alarm words (IEC 60601-1-8, IEEE 11073-10207): priority, kind, response, and the status of one alarm condition."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from infusion_gateway.model.metric import Nanos


class Priority(IntEnum):
    """Alarm priority; greater is more urgent. On the wire: its name in lower case."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class AlarmKind(StrEnum):
    """Of the patient and the drug, or of the equipment."""

    PHYSIOLOGICAL = "physiological"
    TECHNICAL = "technical"


class Response(StrEnum):
    """What the gateway does once a condition's delay is over; stated per condition, never inferred from priority."""

    TELL = "tell"
    STOP_UNLESS_HELD = "stop-unless-held"
    STOP = "stop"


class Signal(StrEnum):
    """The alarm signal of a condition: sounding, quieted by an acknowledgement, or latched after its end."""

    ON = "on"
    ACKNOWLEDGED = "acknowledged"
    LATCHED = "latched"


@dataclass(frozen=True, slots=True)
class AlarmStatus:
    """One alarm condition that is present or latched, as people see it.

    since: when the condition was raised. value, limit: in `unit`, None where the condition has none. countdown_ends:
    when a stop that can still be held off will be asked;
    held_until: until when a named person held it off. text says what, the value, the limit and what to do.
    """

    code: str
    priority: Priority
    kind: AlarmKind
    response: Response
    signal: Signal
    present: bool
    since: Nanos
    value: float | None
    limit: float | None
    unit: str
    text: str
    countdown_ends: Nanos | None
    acknowledged_by: str | None
    held_until: Nanos | None = None
