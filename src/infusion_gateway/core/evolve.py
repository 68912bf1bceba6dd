"""evolve: the one way durable state changes. Old journals replay the same under newer code, so it changes by adding."""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from infusion_gateway.core import alarming, changes, windows
from infusion_gateway.core.durable import (
    REMEMBERED_IDS,
    Account,
    ByHand,
    Case,
    Durable,
    Scored,
    StopWanted,
)
from infusion_gateway.model.events import (
    AlarmEscalated,
    AlarmsRemembered,
    Assessed,
    AudioPaused,
    BaselineTaken,
    BedQuarantined,
    CaseConfirmed,
    CaseOrdered,
    ConditionAcknowledged,
    ConditionCleared,
    ConditionRaised,
    CounterRestarted,
    DeadManSet,
    DeliveryChanged,
    DeviceIdentified,
    EndApproaching,
    Event,
    GatewayStarted,
    HoldOffGranted,
    InfusionStarted,
    InstructionAccepted,
    InstructionRefused,
    InstructionSigned,
    PhaseChanged,
    PrimeAnnounced,
    PumpAlarmed,
    RateChanged,
    ResumePermitted,
    Sampled,
    SignalSuppressed,
    StopAsked,
    StopConfirmed,
    SupervisionChanged,
)
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.session import Phase

CASELESS = frozenset({Phase.IDLE, Phase.ORDERED, Phase.CLOSED})
UNDER_WAY = frozenset({Phase.ORDERED, Phase.ARMED, Phase.INFUSING, Phase.PAUSED})


def in_session(durable: Durable) -> bool:
    """Say whether a session is under way, or a stop is still watched: then nobody takes the gateway away."""
    return durable.stop is not None or durable.phase not in CASELESS | {Phase.ABORTED}


def fold(records: Iterable[tuple[Nanos, Event]]) -> Durable:
    """Rebuild a bed's durable state from its journal: every event with its time, in order."""
    durable = Durable()
    for at, event in records:
        durable = evolve(durable, event, at)
    return durable


def evolve(durable: Durable, event: Event, at: Nanos) -> Durable:
    """Give the durable state after an event. Never raises on an event that `step` made; reads nothing else."""
    match event:
        case Sampled() | CounterRestarted() | InfusionStarted() | DeliveryChanged() | RateChanged() | PumpAlarmed():
            return _of_delivery(durable, event, at)
        case ConditionRaised() | ConditionCleared() | ConditionAcknowledged() | HoldOffGranted() | AlarmsRemembered():
            return alarming.of_alarms(durable, event, at)
        case AudioPaused() | AlarmEscalated() | SignalSuppressed():
            return alarming.of_signals(durable, event, at)
        case StopAsked() | StopConfirmed() | ResumePermitted():
            return _of_stopping(durable, event, at)
        case CaseOrdered() | CaseConfirmed() | PhaseChanged() | EndApproaching() | Assessed() | BaselineTaken():
            return _of_case(durable, event, at)
        case InstructionAccepted() | InstructionRefused():
            return _of_instructions(durable, event, at)
        case InstructionSigned():
            return replace(durable, at=at)
        case GatewayStarted(same_boot=same_boot):
            return replace(durable, at=at) if same_boot else _on_another_timeline(durable, at)
        case PrimeAnnounced(until=until):
            was = max(durable.prime_until or at, at)  # a purge that ends early, or is announced anew, counts once
            case = durable.case and replace(durable.case, purged=max(0, durable.case.purged + until - was))
            return replace(durable, at=at, case=case, prime_until=until)
        case DeadManSet(seconds=seconds, found=found):
            ours = seconds > 0 and (not found or durable.dead_man_ours)
            return replace(durable, at=at, dead_man_s=seconds, dead_man_ours=ours)
        case DeviceIdentified(device=device, identity=identity):
            return replace(durable, at=at, identities={**durable.identities, device: identity})
        case SupervisionChanged(supervision=supervision):
            return replace(durable, at=at, supervision=supervision)
        case BedQuarantined(reason=reason):
            return replace(durable, at=at, quarantined=reason)
        case _:  # what is left are changes: the type checker holds that nothing else is
            return changes.of_change(durable, event, at)


def _of_delivery(
    durable: Durable,
    event: Sampled | CounterRestarted | InfusionStarted | DeliveryChanged | RateChanged | PumpAlarmed,
    at: Nanos,
) -> Durable:
    match event:
        case Sampled():
            account = Account(
                delivered_ml=event.delivered_ml,
                expected_ml=event.expected_ml,
                counter_ml=event.volume_ml,
                epoch=event.epoch,
                seen_at=at - event.pump_age,
                delivering=event.delivery.delivering,
                pump_epoch=event.pump_epoch,
            )
            case = windows.marked(changes.with_pressure(durable.case, event, at), event.dose_mg, at)
            return replace(durable, at=at, case=case, account=account, sampled_at=at)
        case CounterRestarted():
            account = replace(
                durable.account,
                delivered_ml=event.delivered_ml,
                expected_ml=event.expected_ml,
                counter_ml=event.volume_ml,
                epoch=event.epoch,
            )
            return replace(durable, at=at, account=account)
        case InfusionStarted(t0=t0, ends_at=ends_at, volume_ml=volume_ml, before_ml=before):
            case = durable.case and replace(durable.case, t0=t0, ends_at=ends_at, heard_at=durable.person_at)
            account = Account(before, before, volume_ml, durable.account.epoch, seen_at=t0, delivering=True)
            return replace(durable, at=at, case=case, account=account, prime_until=None)
        case DeliveryChanged(delivery=delivery):
            return replace(durable, at=at, delivery=delivery)
        case RateChanged(rate_ml_h=rate):
            return replace(durable, at=at, rate_ml_h=rate)
        case PumpAlarmed(alarms=alarms):
            return replace(durable, at=at, pump_alarms=alarms)
        case _:
            assert_never(event)


def _of_stopping(durable: Durable, event: StopAsked | StopConfirmed | ResumePermitted, at: Nanos) -> Durable:
    stop = durable.stop
    match event:
        case StopAsked():
            stop = StopWanted(
                device=event.device,
                then=event.then,
                codes=event.codes,
                by=event.by,
                reason=event.reason,
                asked_at=stop.asked_at if stop is not None and stop.confirmed_at is None else at,
                rate_ml_h=event.rate_ml_h,
                doubted=event.doubted,
            )
            case = changes.with_our_stop(durable.case, event, at)
            return replace(durable, at=at, case=case, stop=stop, unreleased_since=None)
        case StopConfirmed(provisional=provisional):
            if stop is not None and not provisional and durable.phase in CASELESS:
                return replace(durable, at=at, stop=None)
            confirmed = stop and replace(stop, confirmed_at=stop.confirmed_at or at, provisional=provisional)
            return replace(durable, at=at, stop=confirmed)
        case ResumePermitted():
            account = replace(durable.account, expected_ml=durable.account.delivered_ml)
            released = None if durable.phase is Phase.INFUSING else stop and replace(stop, released=True)
            case = durable.case and replace(durable.case, proposed=None)
            return replace(durable, at=at, case=case, stop=released, unreleased_since=None, account=account)
        case _:
            assert_never(event)


def _of_case(
    durable: Durable,
    event: CaseOrdered | CaseConfirmed | PhaseChanged | EndApproaching | Assessed | BaselineTaken,
    at: Nanos,
) -> Durable:
    case = durable.case
    match event:
        case CaseOrdered():
            since = changes.values_from(durable, event, at)
            new = Case(
                event.case,
                event.subject,
                event.order,
                event.by,
                ordered_at=at,
                values_from=since,
                protocol_digest=event.protocol_digest,
            )
            again = case is not None and durable.phase is Phase.ORDERED and case.id == event.case
            ran_ml = durable.account.delivered_ml if again else 0.0  # what ran before it was confirmed is its own still
            fresh = Account(ran_ml, epoch=durable.account.epoch)
            given = durable.given if again else windows.remembered(durable, at)
            return replace(durable, at=at, given=given, case=new, account=fresh, stop=None, unreleased_since=None)
        case CaseConfirmed(by=by):
            return replace(durable, at=at, case=case and replace(case, confirmed_by=by, lapsed=False))
        case PhaseChanged():
            return _phase_changed(durable, event, at)
        case EndApproaching(remaining=remaining):
            return replace(durable, at=at, case=case and replace(case, warned=(*case.warned, remaining)))
        case Assessed():
            case = changes.with_pressure(case, event, at)
            return replace(durable, at=at, case=case and _assessed(case, event))
        case BaselineTaken(values=values):
            return replace(durable, at=at, case=case and replace(case, baseline=values))
        case _:
            assert_never(event)


def _assessed(case: Case, event: Assessed) -> Case:
    """Keep the latest of each score and each vital sign by hand."""
    vitals = {known.metric: known for known in case.by_hand}
    vitals |= {metric: ByHand(metric, value, event.measured_at) for metric, value in event.vitals}
    scores = {known.score: known for known in case.scores}
    scores |= {score: Scored(score, value, event.measured_at) for score, value in event.scores}
    return replace(case, by_hand=tuple(vitals.values()), scores=tuple(scores.values()))


def _phase_changed(durable: Durable, event: PhaseChanged, at: Nanos) -> Durable:
    """Resuming moves the end by as long as it was paused: the duration is of delivery, the wall time is not.

    What counts down a stop ends where nothing is infused any more; that it was held off is remembered, for it is once.
    """
    case, stop, unreleased, conditions = durable.case, durable.stop, None, durable.conditions
    if event.before is Phase.INFUSING:
        conditions = {code: replace(raised, countdown_ends=None) for code, raised in conditions.items()}
    if event.phase is Phase.INFUSING and event.before is Phase.PAUSED:
        if case is not None and case.ends_at is not None:
            case = replace(case, ends_at=case.ends_at + at - durable.phase_since)
        if stop is not None and stop.released:
            stop = None
        unreleased = at if stop is not None else None
    if event.phase is Phase.CLOSED:
        stop = None
    if event.phase in changes.GONE:
        durable = changes.left(durable, at)
    return replace(
        durable,
        at=at,
        given=durable.given if event.phase in UNDER_WAY else windows.remembered(durable, at),
        phase=event.phase,
        phase_since=at,
        case=case and replace(case, proposed=None),
        stop=stop,
        conditions=conditions,
        unreleased_since=unreleased,
        away_until=None if event.phase is Phase.INFUSING else durable.away_until,
        quarantined="" if event.phase is Phase.CLOSED else durable.quarantined,
        prime_until=None if event.phase in (Phase.CLOSED, Phase.ABORTED) else durable.prime_until,
    )


def _of_instructions(durable: Durable, event: InstructionAccepted | InstructionRefused, at: Nanos) -> Durable:
    known = durable.instructions
    if event.id and event.id not in known:
        known = (*known, event.id)[-REMEMBERED_IDS:]
    case = durable.case
    if isinstance(event, InstructionAccepted) and event.instruction == "disarm" and case is not None:
        case = replace(case, dead_man_off_by=event.by)
    person_at = at if isinstance(event, InstructionAccepted) else durable.person_at
    return replace(durable, at=at, instructions=known, case=case, person_at=person_at)


def _on_another_timeline(durable: Durable, at: Nanos) -> Durable:
    """Move every time so that lengths up to the last event stay as they were; the blind time counts as none of them.

    Nobody knows what happened in between, so the baseline is void and announced purges and audio pauses are over.
    """
    by = at - durable.at

    def moved(time: Nanos | None) -> Nanos | None:
        return None if time is None else time + by

    case = durable.case and replace(
        changes.moved_case(durable.case, by),
        ordered_at=durable.case.ordered_at + by,
        t0=moved(durable.case.t0),
        ends_at=moved(durable.case.ends_at),
        baseline=(),
        lapsed=durable.case.lapsed or durable.phase is Phase.ARMED,
        by_hand=(),
        scores=tuple(replace(known, measured_at=known.measured_at + by) for known in durable.case.scores),
    )
    stop = durable.stop and replace(
        durable.stop, asked_at=durable.stop.asked_at + by, confirmed_at=moved(durable.stop.confirmed_at)
    )
    conditions = {
        code: replace(
            raised,
            since=raised.since + by,
            countdown_ends=moved(raised.countdown_ends),
            held_until=moved(raised.held_until),
            acknowledged_at=moved(raised.acknowledged_at),
        )
        for code, raised in durable.conditions.items()
    }
    return replace(
        durable,
        at=at,
        phase_since=durable.phase_since + by,
        case=case,
        account=replace(durable.account, seen_at=None),
        stop=stop,
        unreleased_since=moved(durable.unreleased_since),
        conditions=conditions,
        quieted={},
        given=windows.moved(durable.given, by),
        left_at=durable.left_at + by,
        moving_since=durable.moving_since + by,
        person_at=moved(durable.person_at),
        away_until=None,
        test_alarm_until=None,
        alarm_heard_at=None,
        prime_until=None,
        audio_paused_until=None,
        sampled_at=None,
        raised_at=(),
    )
