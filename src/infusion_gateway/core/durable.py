"""What must survive a crash: the fold of a bed's journal. Changed by `evolve` alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infusion_gateway.model.alarm import Raised
from infusion_gateway.model.case import (
    Account,
    ByHand,
    Carried,
    Case,
    Given,
    Known,
    OurStop,
    Pressure,
    Proposed,
    Scored,
    StopWanted,
)
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.observation import Delivery, PumpAlarm
from infusion_gateway.model.session import CaseLimit, Phase, Supervision

__all__ = [
    "Account",
    "ByHand",
    "Carried",
    "Case",
    "CaseLimit",
    "Durable",
    "Given",
    "Known",
    "OurStop",
    "Pressure",
    "Proposed",
    "Raised",
    "Scored",
    "StopWanted",
]

REMEMBERED_IDS = 128  # instructions whose repeats are known as such
FLOOD = 11  # new alarms within ten minutes: more than 10 are a flood (clinical reference 4)


@dataclass(frozen=True, slots=True)
class Durable:
    """A bed's durable state. at: of the last event; stop: under way, or confirmed and still watched.

    quieted: acknowledged conditions that are over, by code: one that returns may be the same alarm still.
    unreleased_since: delivering again after our stop, without anybody's leave. dead_man_s: as last read back;
    dead_man_ours: we armed it. instructions: ids of the latest ones. quarantined: why, "" while it is not.
    raised_at: when the latest new alarms began, as many as make a flood.
    given: the doses of the last day's cases. known: subjects of earlier sessions here. left_at: when the last case
    left the bed; left_subject: whose it was. person_at: when a person last did something here. moving_to: the bed that
    the case is on its way to, "" while it stays. alarm_heard_at: when somebody last heard the test alarm.
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
    known: tuple[Known, ...] = ()
    left_at: Nanos = 0
    left_subject: str = ""
    person_at: Nanos | None = None
    away_until: Nanos | None = None
    away_since: Nanos | None = None
    test_alarm_until: Nanos | None = None
    test_alarm_by: str = ""
    alarm_heard_at: Nanos | None = None
    moving_to: str = ""
    moving_since: Nanos = 0
    quieted: Mapping[str, Raised] = field(default_factory=dict)
