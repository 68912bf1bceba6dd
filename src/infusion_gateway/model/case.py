"""Case: one session of one patient, with everything that goes along when it moves to another bed."""

from dataclasses import dataclass

from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import Metric, Nanos
from infusion_gateway.model.session import CaseLimit, Order, Phase


@dataclass(frozen=True, slots=True)
class Account:
    """Volume since T0 in mL. counter_ml: the pump's own count up to which it is booked, in this epoch.

    expected_ml: the ordered rate over the time of observed delivery, up to seen_at; delivering: at seen_at.
    pump_epoch: the pump's own count of its counter's beginnings, where it tells.
    """

    delivered_ml: float = 0.0
    expected_ml: float = 0.0
    counter_ml: float | None = None
    epoch: int = 0
    seen_at: Nanos | None = None
    delivering: bool = False
    pump_epoch: int | None = None


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
class Pressure:
    """A blood pressure of this case, mmHg, by a device or by hand."""

    measured_at: Nanos
    systolic: float
    diastolic: float


@dataclass(frozen=True, slots=True)
class Proposed:
    """A change that two people must ask for, as the first of them entered it. entered: its numbers, by name."""

    instruction: str
    entered: tuple[tuple[str, float], ...]
    by: str
    at: Nanos


@dataclass(frozen=True, slots=True)
class OurStop:
    """A stop that the gateway asked for by itself, and the conditions behind it."""

    at: Nanos
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """The dose of a case as it stood at one time, mg since T0."""

    at: Nanos
    mg: float


@dataclass(frozen=True, slots=True)
class Case:
    """One session of one patient. warned: lengths of time before the end that were announced already.

    syringe_from_ml, syringe_before_mg: volume delivered, and dose given, when the syringe in use came. proposed: waits
    for a second person. overridden: gates, and who passed them. values_from: what was measured at this bed before is
    not this patient's. came_from: the bed it moved here from. heard_at: when a person was last heard before T0.
    protocol_digest: of the protocol that it was ordered under; "" where that was not recorded. purged: how long purges
    were announced for it. lapsed: it was armed when the machine was restarted, and is not confirmed again. marks:
    how the dose grew, one a minute.
    """

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
    syringe_from_ml: float = 0.0
    syringe_before_mg: float = 0.0
    proposed: Proposed | None = None
    overridden: tuple[tuple[str, str], ...] = ()
    limits: tuple[CaseLimit, ...] = ()
    our_stops: tuple[OurStop, ...] = ()
    pressures: tuple[Pressure, ...] = ()
    values_from: Nanos = 0
    came_from: str = ""
    heard_at: Nanos | None = None
    protocol_digest: str = ""
    purged: Nanos = 0
    lapsed: bool = False
    marks: tuple[Mark, ...] = ()

    @property
    def confirmed(self) -> bool:
        """Whether both entries are in and count. Until then the first is shown to nobody, given up or not."""
        return self.t0 is not None or (bool(self.confirmed_by) and not self.lapsed)

    def dose_mg(self, delivered_ml: float) -> float:
        """Give the dose in so much volume: each syringe by the concentration that is known of it."""
        return self.syringe_before_mg + (delivered_ml - self.syringe_from_ml) * self.order.concentration_mg_ml


@dataclass(frozen=True, slots=True)
class Given:
    """What a case gave in all, mg, and until when."""

    case: str
    subject: str
    mg: float
    until: Nanos


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a subject's latest session at this bed. peak_systolic: mmHg, None where none was taken."""

    subject: str
    weight_kg: float
    dose_mg: float
    peak_systolic: float | None


@dataclass(frozen=True, slots=True)
class Carried:
    """A case on its way to another bed: all that the bed it comes to must know."""

    case: Case
    phase: Phase
    phase_since: Nanos
    account: Account
    stop: StopWanted | None
