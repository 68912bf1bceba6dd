"""What a person had asked for, from the events that came of it: the record keeps the effect, not the words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from infusion_gateway.model.events import (
    Assessed,
    AudioPaused,
    CaseLimitSet,
    ChangeProposed,
    ConcentrationCorrected,
    ConditionAcknowledged,
    Event,
    HoldOffGranted,
    InstructionAccepted,
    MoveAsked,
    OrderAmended,
    PatientAway,
    PhaseChanged,
    PrimeAnnounced,
    ResumePermitted,
    StopAsked,
    SyringeChanged,
)
from infusion_gateway.model.instructions import (
    Abort,
    Acknowledge,
    Amend,
    Assess,
    Away,
    Close,
    Correct,
    Disarm,
    End,
    Extend,
    Hold,
    HoldOff,
    Instruction,
    Limits,
    Move,
    PauseAudio,
    PermitResume,
    Prime,
    Stop,
    Syringe,
    TestAlarm,
)
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import Order

E = TypeVar("E")
STOPS: dict[str, Callable[[str], Instruction]] = {"hold": Hold, "stop": Stop, "end": End, "abort": Abort}
CORRECTED = "concentration-was-wrong"


@dataclass(frozen=True, slots=True)
class SoFar:
    """What was enforced when a person asked, and the change that waited for a second person."""

    order: Order
    proposed: ChangeProposed | None = None


def instruction_of(
    accepted: InstructionAccepted, effects: tuple[Event, ...], at: Nanos, so_far: SoFar
) -> Instruction | None:
    """Give the instruction that was accepted at this time and had these effects.

    None: it is taken as made (order, confirm, override), or can't be told from what came of it.
    """
    name, reason = accepted.instruction, accepted.reason
    if name in STOPS:
        said = _first(effects, StopAsked) or _first(effects, PhaseChanged)
        return STOPS[name]((said.reason if said else reason).removesuffix(f" ({accepted.by})"))
    if name == "disarm":
        return Disarm(reason)
    if name == "test-alarm":
        return TestAlarm()
    if name == "close":
        closed = _first(effects, PhaseChanged)
        return Close(closed.reason) if closed else None
    if name in ("amend", "extend", "correct"):
        return _change(name, effects, so_far)
    return next((asked for event in effects if (asked := _by_effect(event, at))), None)


def _by_effect(event: Event, at: Nanos) -> Instruction | None:
    """Give the instruction that has just this effect."""
    match event:
        case PrimeAnnounced(until=until):
            return Prime(max(0, until - at))
        case AudioPaused(until=until):
            return PauseAudio(max(0, until - at))
        case PatientAway(until=until):
            return Away(max(0, until - at))
        case Assessed():
            return Assess(event.scores, event.vitals, max(0, at - event.measured_at))
        case ConditionAcknowledged(code=code):
            return Acknowledge(code)
        case HoldOffGranted(code=code, reason=reason):
            return HoldOff(code, reason)
        case ResumePermitted(reason=reason):
            return PermitResume(reason)
        case SyringeChanged():
            return Syringe(event.volume_ml, event.concentration_mg_ml, event.reason)
        case CaseLimitSet():
            return Limits(event.code, event.limit, event.reason)
        case MoveAsked(to=to, reason=reason):
            return Move(to, reason)
        case _:
            return None


def _change(name: str, effects: tuple[Event, ...], so_far: SoFar) -> Instruction | None:
    """Give the change of an order: as it was entered where two people had to, or as far as the order differs since."""
    proposed = _first(effects, ChangeProposed)
    amended, corrected = _first(effects, OrderAmended), _first(effects, ConcentrationCorrected)
    seconded = (amended is not None and amended.seconded_by) or (corrected is not None and corrected.seconded_by)
    if proposed is None and seconded:
        proposed = so_far.proposed
    if proposed is not None:
        return _entered(name, dict(proposed.entered), proposed.reason)
    if corrected is not None:
        return Correct(CORRECTED, corrected.order.concentration_mg_ml, corrected.reason)
    if amended is None:
        return None
    new, old, reason = amended.order, so_far.order, amended.reason
    if name == "extend":
        return Extend(new.duration - old.duration, reason)
    same_time = abs(new.duration - old.duration) < SECOND
    rate = new.rate_ml_h if new.rate_ml_h != old.rate_ml_h else 0.0
    return Amend(reason, rate, 0.0 if rate and same_time else new.dose_mg)


def _entered(name: str, numbers: dict[str, float], reason: str) -> Instruction:
    if name == "amend":
        return Amend(reason, numbers.get("rate_ml_h", 0.0), numbers.get("dose_mg", 0.0))
    if name == "extend":
        return Extend(round(numbers.get("more_s", 0.0) * SECOND), reason)
    return Correct(CORRECTED, numbers.get("concentration_mg_ml", 0.0), reason)


def _first(effects: tuple[Event, ...], kind: type[E]) -> E | None:
    return next((event for event in effects if isinstance(event, kind)), None)
