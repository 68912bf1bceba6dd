"""What must survive a crash: the fold of a bed's journal. Changed by `evolve` alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import Metric, Nanos
from infusion_gateway.model.observation import Delivery, PumpAlarm
from infusion_gateway.model.session import Order, Phase, Supervision

REMEMBERED_IDS = 128  # instructions whose repeats are known as such
FLOOD = 11  # new alarms within ten minutes: more than 10 are a flood (clinical reference 4)


@dataclass(frozen=True, slots=True)
class Account:
    """Volume since T0 in mL. counter_ml: the pump's own count up to which it is booked, in this epoch.

    expected_ml: the ordered rate over the time of observed delivery, up to seen_at; delivering: at seen_at.
    """

    delivered_ml: float = 0.0
    expected_ml: float = 0.0
    counter_ml: float | None = None
    epoch: int = 0
    seen_at: Nanos | None = None
    delivering: bool = False


@dataclass(frozen=True, slots=True)
class StopWanted:
    """Our stop, from being asked until the case closes or a restart is permitted.

    then: the phase it leads to. confirmed_at: first observed still; provisional: not yet for as long as one volume
    step takes at rate_ml_h. doubted: the volume rose after a confirmation, so that only a lasting stillness counts.
    released: a named person permitted a restart by hand.
    """

    device: str
    then: Phase
    codes: tuple[str, ...]
    by: str
    reason: str
    asked_at: Nanos
    rate_ml_h: float
    confirmed_at: Nanos | None = None
    provisional: bool = True
    doubted: bool = False
    released: bool = False


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm condition that is present, or that is over and latched until acknowledged."""

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


@dataclass(frozen=True, slots=True)
class ByHand:
    """A vital sign that a person entered."""

    metric: Metric
    value: float
    measured_at: Nanos


@dataclass(frozen=True, slots=True)
class Scored:
    """The latest score of its kind that a person entered."""

    score: Score
    value: float
    measured_at: Nanos


@dataclass(frozen=True, slots=True)
class Case:
    """One session of one patient. warned: lengths of time before the end that were announced already."""

    id: str
    subject: str
    order: Order
    ordered_by: str
    ordered_at: Nanos
    confirmed_by: str = ""
    t0: Nanos | None = None
    ends_at: Nanos | None = None
    warned: tuple[Nanos, ...] = ()
    baseline: tuple[tuple[Metric, float], ...] = ()
    by_hand: tuple[ByHand, ...] = ()
    dead_man_off_by: str = ""
    scores: tuple[Scored, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What a case gave in all, mg, and until when."""

    case: str
    subject: str
    mg: float
    until: Nanos


@dataclass(frozen=True, slots=True)
class Durable:
    """A bed's durable state. at: of the last event; stop: under way, or confirmed and still watched.

    unreleased_since: delivering again after our stop, without anybody's leave. dead_man_s: as last read back;
    dead_man_ours: we armed it. instructions: ids of the latest ones. quarantined: why, "" while it is not.
    raised_at: when the latest new alarms began, as many as make a flood.
    given: the doses of the last day's cases.
    """

    at: Nanos = 0
    phase: Phase = Phase.IDLE
    phase_since: Nanos = 0
    case: Case | None = None
    account: Account = field(default_factory=Account)
    stop: StopWanted | None = None
    unreleased_since: Nanos | None = None
    conditions: Mapping[str, Raised] = field(default_factory=dict)
    delivery: Delivery = Delivery.UNKNOWN
    rate_ml_h: float = 0.0
    pump_alarms: tuple[PumpAlarm, ...] = ()
    identities: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    dead_man_s: float | None = None
    dead_man_ours: bool = False
    prime_until: Nanos | None = None
    audio_paused_until: Nanos | None = None
    supervision: Supervision = Supervision.LOST
    sampled_at: Nanos | None = None
    instructions: tuple[str, ...] = ()
    quarantined: str = ""
    raised_at: tuple[Nanos, ...] = ()
    given: tuple[Given, ...] = ()
