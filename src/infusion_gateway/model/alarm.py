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
class Raised:
    """An alarm condition that is present, or that is over and latched until acknowledged.

    acknowledged_value: what it read when it was acknowledged.
    """

    code: str
    priority: Priority
    kind: AlarmKind
    response: Response
    latching: bool
    since: Nanos
    value: float | None
    limit: float | None
    unit: str
    text: str
    present: bool = True
    acknowledged_by: str | None = None
    countdown_ends: Nanos | None = None
    held_until: Nanos | None = None
    acknowledged_at: Nanos | None = None
    escalation: int = 0
    acknowledged_value: float | None = None


@dataclass(frozen=True, slots=True)
class AlarmStatus:
    """One alarm condition that is present or latched, as people see it.

    since: when the condition was raised. value, limit: in `unit`, None where the condition has none. countdown_ends:
    when a stop that can still be held off will be asked;
    held_until: until when a named person held it off. text says what, the value, the limit and what to do.
    escalation: how often it was told further because nobody acknowledged it. cause: what it has in common with
    others. collapsed: in a flood another of the same cause stands for it; others: for so many this one stands.
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
    escalation: int = 0
    cause: str = ""
    collapsed: bool = False
    others: int = 0


class Sound(StrEnum):
    """What is heard at the bed: the bursts of a priority, a single reminder now and then, or nothing."""

    BURSTS = "bursts"
    REMINDER = "reminder"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Annunciation:
    """What an annunciator at the bed shows and sounds from this moment on.

    sounding: the priority whose signal is heard; None: sound is NONE. pulses: of one burst; repeat: from burst to
    burst, None: once. renewed_at: when the alarm that is heard began, or rose: a new burst is due then. light: of
    what flashes, else the highest present or latched; flash_hz: 0 for steady light. text: of what is heard, else of the
    most urgent; more: conditions besides it. paused_until: the sound is paused until then.
    """

    sounding: Priority | None
    sound: Sound
    pulses: int
    repeat: Nanos | None
    renewed_at: Nanos | None
    light: Priority | None
    flash_hz: float
    text: str
    more: int
    paused_until: Nanos | None
