"""What a person had asked for, from the events that came of it: the record keeps the effect, not the words."""

from collections.abc import Callable
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
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.session import Order

E = TypeVar("E")
STOPS: dict[str, Callable[[str], Instruction]] = {"hold": Hold, "stop": Stop, "end": End, "abort": Abort}
CORRECTED = "concentration-was-wrong"


def instruction_of(
    accepted: InstructionAccepted, effects: tuple[Event, ...], at: Nanos, order: Order
) -> Instruction | None:
    """Give the instruction that was accepted at this time under this order and had these effects.

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
        return _change(name, effects, order)
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


def _change(name: str, effects: tuple[Event, ...], order: Order) -> Instruction | None:
    """Give the change of an order: as the first of two people entered it, or as far as the order differs since."""
    proposed, amended = _first(effects, ChangeProposed), _first(effects, OrderAmended)
    corrected = _first(effects, ConcentrationCorrected)
    if proposed is not None:
        entered = dict(proposed.entered)
        if name == "amend":
            return Amend(proposed.reason, entered.get("rate_ml_h", 0.0), entered.get("dose_mg", 0.0))
        if name == "extend":
            return Extend(int(entered.get("more", 0)), proposed.reason)
        return Correct(CORRECTED, entered.get("concentration_mg_ml", 0.0), proposed.reason)
    if corrected is not None:
        return Correct(CORRECTED, corrected.order.concentration_mg_ml, corrected.reason)
    if amended is None:
        return None
    if name == "extend":
        return Extend(amended.order.duration - order.duration, amended.reason)
    rate = amended.order.rate_ml_h if amended.order.rate_ml_h != order.rate_ml_h else 0.0
    dose = amended.order.dose_mg if amended.order.dose_mg != order.dose_mg and not rate else 0.0
    return Amend(amended.reason, rate, dose)


def _first(effects: tuple[Event, ...], kind: type[E]) -> E | None:
    return next((event for event in effects if isinstance(event, kind)), None)
