"""What need not survive a crash: newest values, links, delays that run. Rebuilt from the devices after a start.

Live, PumpNow and DeviceNow aren't frozen: a step works on its own copy (dataclasses.replace for every field took half
of its time) and nobody writes to them once the step is done. What is made anew for every reading is a named tuple: a
frozen dataclass takes four times as long to make.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from operator import attrgetter
from typing import NamedTuple

from infusion_gateway.core.claims import Claim
from infusion_gateway.core.durable import Account
from infusion_gateway.model.health import Trouble
from infusion_gateway.model.metric import FACTS, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Fault, PumpAlarm, Reading, Sensor, SensorState
from infusion_gateway.model.session import LimitCondition, Row
from infusion_gateway.model.status import LinkState

Source = tuple[Metric, str]
"""A metric, and the device that reports it ("by-hand" for a person)."""


@dataclass(slots=True)
class DeviceNow:
    """A device. seen_at: of its last observation, None since the start; link_since: link up, down or unknown since.

    why: of a lost link. fault: one that lasts until it is heard again, or for a while. off: sensors not on the
    patient, and since when. cuff: as last reported.
    """

    link: LinkState = LinkState.UNKNOWN
    link_since: Nanos = 0
    why: str = ""
    seen_at: Nanos | None = None
    fault: Fault | None = None
    fault_at: Nanos = 0
    identity: tuple[tuple[str, str], ...] = ()
    off: Mapping[Sensor, Nanos] = field(default_factory=dict)
    cuff: SensorState | None = None

    def copied(self) -> "DeviceNow":
        """Give a copy to write to."""
        return DeviceNow(*_DEVICE(self))


@dataclass(slots=True)
class PumpNow:
    """The pump, as observed since the start. Volumes in mL, rates in mL/h.

    runs, stills: consecutive reports that show delivery, or none, and the time of the first. rest_ml: the counter
    when it was last seen at rest, where T0 counts from. settled_ml, settled, settled_at: the counter since it is
    still, how many readings agreed, and when the first came. crept, crept_at: how often it has risen all the same, each
    time within CREEPS of the one before, and when last. resolution: the counter's step, 0 not known. told_at: of
    the last word on delivery. moved_at: when the counter last read another number. risen, risen_at: consecutive
    readings of it above rest_ml while armed, and when the first came. doubted_ml, doubted_at: a reading that waits for
    another to agree with it. before_ml: the believed one before volume_ml, None where that was long before.
    restarted_at: when the counter was last seen to have begun anew. epoch: the pump's own count of that, where it
    tells. kvo_mg: the dose when it began to keep the vein open after a complete volume.
    """

    delivery: Delivery | None = None
    runs: int = 0
    runs_since: Nanos = 0
    stills: int = 0
    stills_since: Nanos = 0
    told_at: Nanos | None = None
    volume_ml: float | None = None
    volume_at: Nanos = 0
    doubted_ml: float | None = None
    doubted_at: Nanos = 0
    before_ml: float | None = None
    restarted_at: Nanos | None = None
    epoch: int | None = None
    kvo_mg: float | None = None
    moved_at: Nanos = 0
    risen: int = 0
    risen_at: Nanos = 0
    resolution: float = 0.0
    rate_ml_h: float | None = None
    rest_ml: float | None = None
    settled_ml: float | None = None
    settled: int = 0
    settled_at: Nanos = 0
    crept: int = 0
    crept_at: Nanos = 0
    dead_man_s: float | None = None
    dead_man_asked_at: Nanos | None = None
    dead_man_wanted_at: Nanos | None = None
    alarms: frozenset[PumpAlarm] = frozenset()
    alarm_text: str = ""


class Newest(NamedTuple):
    """The newest reading of one metric from one device.

    valid_at: of its last valid one; usable_at: of its last that was not invalid; None: never.
    """

    reading: Reading
    heard_at: Nanos
    valid_at: Nanos | None
    usable_at: Nanos | None = None


class Values(dict[Source, Newest]):
    """The newest reading of each metric from each device; written to item by item.

    ranked: the devices that have told a metric in order of preference, as `sources.ranked` last found them, for as long
    as that can't change. last: what was taken last of a metric. heard: every source that ever was valid.
    """

    __slots__ = ("heard", "last", "ranked")

    def __init__(self, known: Mapping[Source, Newest] | Iterable[tuple[Source, Newest]] = ()) -> None:
        super().__init__(known)
        self.ranked: dict[Metric, tuple[str, ...]] = {}
        self.last: dict[Metric, tuple[str, Newest]] = {}
        self.heard = frozenset(source for source, newest in self.items() if newest.valid_at is not None)

    def __setitem__(self, source: Source, newest: Newest) -> None:
        """Take a reading."""
        metric, device = source
        known = self.get(source)
        if known is None or (known.reading.measured_at != newest.reading.measured_at and FACTS[metric].intermittent):
            self.ranked.pop(metric, None)
        super().__setitem__(source, newest)
        self.last[metric] = device, newest
        if newest.valid_at is not None and source not in self.heard:
            self.heard |= {source}

    def copied(self) -> "Values":
        """Give a copy to write to."""
        other = Values.__new__(Values)
        other.update(self)
        other.ranked, other.last, other.heard = self.ranked.copy(), self.last.copy(), self.heard
        return other


class Truth(IntEnum):
    """How far a row is true: by valid values, or only by questionable ones or an unconfirmed one (medium at most)."""

    NOT = 0
    PERHAPS = 1
    TRUE = 2


@dataclass(frozen=True, slots=True)
class RowTimer:
    """How long one row has been past its limit: ran by valid values, ran_any by questionable ones too.

    readings: consecutive ones past it, the first at first_at. active: once its delay is over,
    until it is over itself. inside: how long an active row's value has been far enough inside.
    """

    ran: Nanos = 0
    ran_any: Nanos = 0
    readings: int = 0
    first_at: Nanos = 0
    active: Truth = Truth.NOT
    inside: Nanos = 0


@dataclass(frozen=True, slots=True)
class LimitTimer:
    """One limit condition's delays, accounted up to `upto`, judged on `reading` from `source`, of use until `until`.

    index: of the condition in the protocol (its code may stand for other phases too). heard_at: when a usable value
    last came. wake: when to look again though nothing comes. claim: what is held to be true now. calm:
    no row is pending or active.
    """

    index: int
    rows: tuple[RowTimer, ...]
    upto: Nanos
    heard_at: Nanos
    source: Source | None = None
    reading: Reading | None = None
    until: Nanos = 0
    wake: Nanos | None = None
    claim: Claim | None = None
    calm: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Limit conditions that are judged on one reading, each with its index in the protocol.

    A value between low and high is past none of their absolute limits. over_baseline: the rows whose limits depend on
    the case.
    """

    metrics: tuple[Metric, ...]
    members: tuple[tuple[int, LimitCondition], ...]
    low: float
    high: float
    over_baseline: tuple[tuple[LimitCondition, Row], ...]


@dataclass(frozen=True, slots=True)
class Watched:
    """The limit conditions of one phase of one case. key: what they were drawn from; codes: in the protocol's order."""

    key: tuple[object, ...] = ()
    codes: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()


class Kept(NamedTuple):
    """What a rule came to from all that it goes by: what it claims, and when to look again though that stays so."""

    key: tuple[object, ...]
    claims: tuple[Claim, ...]
    wake: Nanos | None


class Look(NamedTuple):
    """The reading by which a group of conditions was last seen to be calm, and when."""

    source: Source
    reading: Reading
    at: Nanos


@dataclass(frozen=True, slots=True)
class Breath:
    """What one device says of breathing, accounted up to `upto`: 0 nothing, 1 breathing, 2 no breath (breathing.Said).

    valid, until: of what it says. ran, ran_any: how long no breath was seen, by valid values, and by any. inside: how
    long breathing since. spo2: when it began. words: by what it says so.
    """

    said: int
    valid: bool = False
    until: Nanos = 0
    upto: Nanos = 0
    ran: Nanos = 0
    ran_any: Nanos = 0
    inside: Nanos = 0
    spo2: float | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Suppression:
    """SpO2 and pulse of `probe` aren't judged until then, while the cuff of `cuff` inflates on the same arm.

    until: at the latest, or when it ended. spo2: the last valid one before. over: its end was taken up. seen: a valid
    value came since.
    """

    probe: str
    cuff: str
    until: Nanos
    spo2: float | None
    over: bool = False
    seen: bool = False


@dataclass(slots=True)
class Live:
    """A bed's volatile state.

    started_at: of the process; inherited: conditions from before it, unconfirmed so far. limits: by condition code;
    calm: the metrics of groups with no row pending or active, whose timers are as of when that began, and the last look
    since. disputed: metrics whose sources disagree. breaths: of devices that see, or saw, no breath; None: not looked
    yet. broker, listeners, journal_kept: None, not known. since: when a cause began, by condition code. gates: means
    that the process looks at: open, when, why not. troubles: what is wrong with the gateway itself. asked_at: when the
    pump was last asked to stop. watched_ml: its counter when that was confirmed. apart: second entries that differed
    from the first. deadline: when to step again though nothing comes.
    """

    started_at: Nanos | None = None
    inherited: frozenset[str] = frozenset()
    devices: dict[str, DeviceNow] = field(default_factory=dict)
    pump: PumpNow = field(default_factory=PumpNow)
    account: Account = field(default_factory=Account)
    values: Values = field(default_factory=Values)
    watched: Watched = field(default_factory=Watched)
    limits: dict[str, LimitTimer] = field(default_factory=dict)
    calm: dict[tuple[Metric, ...], Look | None] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    since: dict[str, Nanos] = field(default_factory=dict)
    symptom_at: Nanos | None = None
    disputed: frozenset[Metric] = frozenset()
    breaths: Mapping[str, Breath] | None = None
    suppressed: Suppression | None = None
    broker: bool | None = None
    listeners: bool | None = None
    another: bool = False
    journal_kept: bool | None = None
    journal_why: str = ""
    clock_jump: tuple[Nanos, float] | None = None
    gates: dict[str, tuple[bool, Nanos, str]] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    purged: bool = False
    apart: int = 0
    asked_at: Nanos | None = None
    watched_ml: float | None = None
    deadline: Nanos | None = None

    def copied(self) -> "Live":
        """Give a copy for a step to write to; limit timers, values and devices in it are replaced, never changed."""
        other = Live(*_LIVE(self))
        other.pump = PumpNow(*_PUMP(self.pump))
        other.devices = self.devices.copy()
        other.values = self.values.copied()
        other.calm = self.calm.copy()
        other.kept = self.kept.copy()
        other.since = self.since.copy()
        other.gates = self.gates.copy()
        return other

    def forget_limits(self) -> None:
        """Begin every limit condition anew, and look for everything anew."""
        self.limits, self.calm, self.kept = {}, {}, {}


_LIVE = attrgetter(*(f.name for f in fields(Live)))
_PUMP = attrgetter(*(f.name for f in fields(PumpNow)))
_DEVICE = attrgetter(*(f.name for f in fields(DeviceNow)))
