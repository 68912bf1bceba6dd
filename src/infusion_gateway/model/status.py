"""What people see of values and devices: derived from state, never stored, never decided upon."""

from dataclasses import dataclass
from enum import StrEnum

from infusion_gateway.model.metric import Metric, Nanos, Unit
from infusion_gateway.model.observation import Delivery, PumpAlarm, Validity


class LinkState(StrEnum):
    """Whether a device is heard. unknown: its line is open, but nothing has come from it since."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class BedsideAlarm(StrEnum):
    """The bed's own sound and light, that need no broker. lost: configured, and not seen to work."""

    NONE = "none"
    WORKING = "working"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class VitalStatus:
    """The newest value of a metric, in the metric's unit. age: from measurement; at_least: it may be older.

    A continuous value older than core.sources.SHOWN_FOR is invalid, whatever it was: never shown as current.
    device: what reported it, "by-hand" where a person entered it. note: why it isn't judged now, "" while it is.
    """

    metric: Metric
    value: float | None
    unit: Unit
    validity: Validity
    age: Nanos
    device: str
    at_least: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device as the gateway sees it. age: since it last said anything, None: not since the gateway started.

    delivery, alarms, dead_man_s: a pump's, None or empty where not known. fault: what it does wrong now, in words.
    """

    device: str
    link: LinkState
    age: Nanos | None
    delivery: Delivery | None
    identity: tuple[tuple[str, str], ...]
    alarms: tuple[PumpAlarm, ...]
    dead_man_s: float | None
    fault: str
