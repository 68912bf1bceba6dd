"""Changes: how what people change in a case, and its coming and going between beds, changes durable state.

A part of `evolve`, and bound like it: old journals replay the same under newer code, so it changes by adding.
"""

from dataclasses import replace
from typing import TypeAlias, assert_never

from infusion_gateway.core import windows
from infusion_gateway.core.durable import Account, Case, CaseLimit, Durable, Known, OurStop, Pressure, Proposed
from infusion_gateway.model.events import (
    AlarmTested,
    ArrivalRefused,
    Assessed,
    CaseLimitSet,
    CaseMoved,
    CaseOrdered,
    CaseReceived,
    ChangeProposed,
    ConcentrationCorrected,
    GateOverridden,
    MoveAsked,
    MoveFailed,
    OrderAmended,
    PatientAway,
    Sampled,
    StopAsked,
    SubjectsRemembered,
    SyringeChanged,
)
from infusion_gateway.model.metric import MINUTE, Metric, Nanos
from infusion_gateway.model.observation import Validity
from infusion_gateway.model.session import Phase

Change: TypeAlias = (
    ChangeProposed
    | OrderAmended
    | ConcentrationCorrected
    | SyringeChanged
    | PatientAway
    | GateOverridden
    | CaseLimitSet
    | AlarmTested
    | MoveAsked
    | MoveFailed
    | CaseMoved
    | CaseReceived
    | ArrivalRefused
    | SubjectsRemembered
)
GONE = frozenset({Phase.CLOSED, Phase.IDLE, Phase.ABORTED})
"""Phases in which no case has the bed any more."""
TEST_ALARM = "test-alarm"
MOST_KNOWN = 64
MOST_STOPS = 8
MOST_PRESSURES = 16
PRESSURES_APART: Nanos = 4 * MINUTE
"""Of pressures closer together only the newest is kept, so that the few that are kept reach back far enough."""


def of_change(durable: Durable, event: Change, at: Nanos) -> Durable:
    """Give the durable state after what a person changed, or after a case came or went."""
    match event:
        case ChangeProposed() | OrderAmended() | ConcentrationCorrected() | SyringeChanged():
            return _of_order(durable, event, at)
        case PatientAway(until=until):
            since = durable.away_since if durable.away_until is not None and durable.away_until > at else at
            gone = until > at
            return replace(durable, at=at, away_until=until if gone else None, away_since=since if gone else None)
        case GateOverridden(gate=gate, by=by):
            case = durable.case
            return replace(
                durable, at=at, case=case and replace(case, overridden=(*case.overridden, (gate, by))[-MOST_KNOWN:])
            )
        case CaseLimitSet(code=code, limit=limit, by=by, reason=reason):
            case, new = durable.case, CaseLimit(code, limit, by, reason)
            others = tuple(known for known in case.limits if known.code != code) if case is not None else ()
            return replace(durable, at=at, case=case and replace(case, limits=(*others, new)))
        case AlarmTested(until=until, by=by):
            return replace(durable, at=at, test_alarm_until=until, test_alarm_by=by)
        case MoveAsked(to=to):
            return replace(durable, at=at, moving_to=to, moving_since=at)
        case MoveFailed():
            return replace(durable, at=at, moving_to="")
        case CaseMoved():
            fresh = Account(epoch=durable.account.epoch)
            return replace(left(durable, at), case=None, account=fresh, stop=None, unreleased_since=None, moving_to="")
        case CaseReceived():
            return _received(durable, event, at)
        case ArrivalRefused():
            return replace(durable, at=at)
        case SubjectsRemembered(given=given, known=known):
            return replace(durable, at=at, given=given, known=known, left_at=at)
        case _:
            assert_never(event)


def _of_order(
    durable: Durable, event: ChangeProposed | OrderAmended | ConcentrationCorrected | SyringeChanged, at: Nanos
) -> Durable:
    case, account = durable.case, durable.account
    if case is None:
        return replace(durable, at=at)
    match event:
        case ChangeProposed(instruction=instruction, entered=entered, by=by):
            return replace(durable, at=at, case=replace(case, proposed=Proposed(instruction, entered, by, at)))
        case OrderAmended(order=order, ends_at=ends_at):
            warned = tuple(w for w in case.warned if ends_at is not None and at >= ends_at - w)
            case = replace(case, order=order, ends_at=ends_at, warned=warned, proposed=None)
            return replace(durable, at=at, case=case)
        case ConcentrationCorrected(order=order):
            case = replace(case, order=order, proposed=None, marks=windows.corrected(case, order))
        case SyringeChanged(volume_ml=volume_ml, delivered_ml=delivered_ml, dose_mg=dose_mg):
            order = replace(case.order, volume_ml=volume_ml)
            case = replace(case, order=order, syringe_from_ml=delivered_ml, syringe_before_mg=dose_mg)
        case _:
            assert_never(event)
    return replace(durable, at=at, case=case, account=replace(account, expected_ml=account.delivered_ml))


def _received(durable: Durable, event: CaseReceived, at: Nanos) -> Durable:
    """Take a case from another bed. It is told again until that bed knows: what is here already stays as it is."""
    carried = event.carried
    if is_here(durable, carried.case, event.origin):
        return replace(durable, at=at)
    account = replace(
        carried.account,
        counter_ml=None,
        epoch=durable.account.epoch + 1,
        seen_at=None,
        delivering=False,
        pump_epoch=None,
    )
    return replace(
        durable,
        at=at,
        phase=carried.phase,
        phase_since=carried.phase_since,
        case=replace(carried.case, values_from=at, proposed=None, came_from=event.origin),
        account=account,
        stop=carried.stop,
        unreleased_since=None,
        prime_until=None,
        away_until=None,
    )


def is_here(durable: Durable, case: Case, origin: str) -> bool:
    """Say whether a case that comes from that bed is on record here already.

    Times are no part of it: a reboot moves them at each bed by another length.
    """
    here = durable.case
    if here is None or here.came_from != origin:
        return False
    return (here.id, here.subject, here.confirmed_by) == (case.id, case.subject, case.confirmed_by)


def values_from(durable: Durable, event: CaseOrdered, at: Nanos) -> Nanos:
    """Say since when what is measured at this bed is of the patient that is ordered for."""
    before = durable.case
    if before is None:
        return durable.left_at
    if before.id == event.case or (event.subject and before.subject == event.subject):
        return before.values_from
    return at if durable.phase is Phase.ORDERED else durable.left_at


def left(durable: Durable, at: Nanos) -> Durable:
    """Give the state once a case has left the bed: what is remembered of it is for comparing with the next."""
    case = durable.case
    if case is None:
        return replace(durable, at=at, left_at=at, left_subject="", quieted={})
    known = durable.known
    if case.subject and case.confirmed_by:
        peak = max((pressure.systolic for pressure in case.pressures), default=None)
        dose_mg = case.dose_mg(durable.account.delivered_ml)
        others = tuple(one for one in known if one.subject != case.subject)
        known = (*others, Known(case.subject, case.order.weight_kg, dose_mg, peak))[-MOST_KNOWN:]
    gone = replace(durable, at=at, left_at=at, left_subject=case.subject, away_until=None, quieted={})
    return replace(gone, known=known)


def with_our_stop(case: Case | None, event: StopAsked, at: Nanos) -> Case | None:
    """Note a stop that the gateway asked for by itself, because of a condition."""
    if case is None or event.by or not event.codes:
        return case
    return replace(case, our_stops=(*case.our_stops, OurStop(at, event.codes))[-MOST_STOPS:])


def with_pressure(case: Case | None, event: Sampled | Assessed, at: Nanos) -> Case | None:
    """Note the blood pressure that a sample, or a person's entry, holds."""
    if case is None:
        return None
    match event:
        case Sampled():
            found: dict[tuple[Metric, str], tuple[float | None, Nanos]] = {
                (one.metric, one.device): (one.value, at - one.age)
                for one in event.values
                if one.metric in (Metric.NIBP_SYS, Metric.NIBP_DIA) and one.validity is Validity.VALID
            }
        case Assessed():
            found = {(metric, ""): (value, event.measured_at) for metric, value in event.vitals}
        case _:
            assert_never(event)
    pressures = case.pressures
    for (metric, device), (systolic, measured_at) in found.items():
        diastolic, diastolic_at = found.get((Metric.NIBP_DIA, device), (None, 0))
        if metric is Metric.NIBP_SYS and systolic is not None and diastolic is not None:
            newest = Pressure(max(measured_at, diastolic_at), systolic, diastolic)
            pressures = _with(pressures, newest)
    return case if pressures is case.pressures else replace(case, pressures=pressures)


def _with(pressures: tuple[Pressure, ...], new: Pressure) -> tuple[Pressure, ...]:
    if pressures and new.measured_at <= pressures[-1].measured_at:
        return pressures
    close = len(pressures) > 1 and new.measured_at - pressures[-2].measured_at < PRESSURES_APART
    return (*(pressures[:-1] if close else pressures), new)[-MOST_PRESSURES:]


def moved_case(case: Case, by: Nanos) -> Case:
    """Give what is remembered in a case on another timeline; what a second person was to confirm is void."""
    return replace(
        case,
        proposed=None,
        our_stops=tuple(replace(stop, at=stop.at + by) for stop in case.our_stops),
        pressures=tuple(replace(one, measured_at=one.measured_at + by) for one in case.pressures),
        marks=tuple(replace(one, at=one.at + by) for one in case.marks),
        values_from=case.values_from + by,
        heard_at=None if case.heard_at is None else case.heard_at + by,
    )
