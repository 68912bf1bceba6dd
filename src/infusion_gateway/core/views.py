"""Views: what people see, derived from state at one moment."""

from dataclasses import replace

from infusion_gateway.core.amending import proposed_counts
from infusion_gateway.core.codes import cause_of
from infusion_gateway.core.conditions import timer_of
from infusion_gateway.core.dose import hard_dose_mg
from infusion_gateway.core.durable import FLOOD
from infusion_gateway.core.gates import bedside_alarm
from infusion_gateway.core.sources import BY_HAND, SHOWN_FOR, preferred, suppressed, usable_until
from infusion_gateway.core.state import State
from infusion_gateway.core.technical import REFUSED_FOR
from infusion_gateway.model.alarm import AlarmKind, AlarmStatus, Priority, Signal
from infusion_gateway.model.metric import FACTS, MINUTE, Metric, Nanos
from infusion_gateway.model.observation import FaultKind, PumpAlarm, Reading, Validity
from infusion_gateway.model.session import Phase, SessionStatus
from infusion_gateway.model.status import DeviceStatus, LinkState, VitalStatus

FLOOD_WITHIN: Nanos = 10 * MINUTE
"""More than ten new alarms within this long are a flood (clinical reference 4)."""
UNSEEN_ORDER = frozenset({Phase.IDLE, Phase.ORDERED})
"""Until the second entry is in, the first is shown to nobody (a second entry that copies it proves nothing)."""


def alarms(state: State, now: Nanos) -> tuple[AlarmStatus, ...]:
    """Give every alarm condition present or latched, the most urgent first, then the oldest."""
    found = []
    for raised in state.durable.conditions.values():
        timer = timer_of(state.live, raised.code)
        value = raised.value
        if raised.present and timer is not None and timer.reading is not None and now < timer.until:
            value = timer.reading.value
        signal = Signal.ACKNOWLEDGED if raised.acknowledged_by is not None else Signal.ON
        found.append(
            AlarmStatus(
                code=raised.code,
                priority=raised.priority,
                kind=raised.kind,
                response=raised.response,
                signal=signal if raised.present else Signal.LATCHED,
                present=raised.present,
                since=raised.since,
                value=value,
                limit=raised.limit,
                unit=raised.unit,
                text=raised.text,
                countdown_ends=raised.countdown_ends,
                acknowledged_by=raised.acknowledged_by,
                held_until=raised.held_until if raised.countdown_ends is not None else None,
                escalation=raised.escalation,
                cause=cause_of(raised.code),
            )
        )
    ordered = sorted(found, key=lambda alarm: (-alarm.priority, not alarm.present, alarm.since))
    return _collapsed(ordered) if _flood(state, now) else tuple(ordered)


def _flood(state: State, now: Nanos) -> bool:
    latest = state.durable.raised_at
    return len(latest) >= FLOOD and latest[0] > now - FLOOD_WITHIN


def _collapsed(alarms_now: list[AlarmStatus]) -> tuple[AlarmStatus, ...]:
    """Let the first of each cause stand for the rest; never for a high one of the patient, or a stop counted down.

    What was acknowledged stands for no other: a new alarm would be put behind what somebody has seen.
    """
    first: dict[tuple[str, bool], int] = {}
    shown: list[AlarmStatus] = []
    for alarm in alarms_now:
        own = alarm.priority is Priority.HIGH and alarm.kind is AlarmKind.PHYSIOLOGICAL
        kind = alarm.cause, alarm.signal is Signal.ACKNOWLEDGED
        if own or alarm.countdown_ends is not None or kind not in first:
            first.setdefault(kind, len(shown))
            shown.append(alarm)
        else:
            at = first[kind]
            shown[at] = replace(shown[at], others=shown[at].others + 1)
            shown.append(replace(alarm, collapsed=True))
    return tuple(shown)


def _stopping(state: State) -> str | None:
    stop = state.durable.stop
    if stop is None or stop.released:
        return None
    if stop.confirmed_at is not None:
        return "provisional" if stop.provisional else "confirmed"
    raised = state.durable.conditions.get("stop-not-confirmed")
    return "not-confirmed" if raised is not None and raised.present else "asked"


def session(state: State, now: Nanos) -> SessionStatus:
    """Give the bed's session. The order shows once both entries are in; volume and dose once there is a T0."""
    durable, case = state.durable, state.durable.case
    given = case is not None and case.t0 is not None
    delivered = state.live.account.delivered_ml if given else None
    order = case.order if case is not None and case.confirmed and durable.phase not in UNSEEN_ORDER else None
    protocol = next((p for p in state.setup.protocols if order is not None and p.name == order.protocol), None)
    audio, away = durable.audio_paused_until, durable.away_until
    proposed = case.proposed if case is not None else None
    return SessionStatus(
        case=case.id if case is not None and durable.phase is not Phase.IDLE else None,
        phase=durable.phase,
        supervision=durable.supervision,
        order=order,
        t0=case.t0 if case is not None else None,
        ends_at=case.ends_at if case is not None else None,
        volume_ml=delivered,
        dose_mg=case.dose_mg(delivered) if case is not None and delivered is not None else None,
        hard_dose_mg=hard_dose_mg(protocol, order) if protocol is not None and order is not None else None,
        stopping=_stopping(state),
        paused_since=durable.phase_since if durable.phase is Phase.PAUSED else None,
        audio_paused_until=audio if audio is not None and audio > now else None,
        limits=case.limits if case is not None else (),
        away_until=away if away is not None and away > now else None,
        moving_to=durable.moving_to or None,
        waits_for_second=proposed.instruction if proposed is not None and proposed_counts(proposed, now) else None,
        bedside_alarm=bedside_alarm(state.setup, state.live),
    )


def vitals(state: State, now: Nanos) -> tuple[VitalStatus, ...]:
    """Give the newest value of each metric, of the source that is preferred among those that are of use."""
    found = []
    for metric in Metric:
        sources = preferred(state.sources, state.live, metric)
        if not sources:
            continue
        shown = next((pair for pair in sources if _of_use(pair[0], pair[1].reading, now)), sources[0])
        if shown[0] == BY_HAND and not FACTS[metric].intermittent:  # a device's later one, however old, comes first
            shown = max(sources, key=lambda pair: pair[1].valid_at or 0)
        device, newest = shown
        reading, facts = newest.reading, FACTS[metric]
        age = max(0, now - reading.measured_at)
        validity = reading.validity
        if age >= SHOWN_FOR and not facts.intermittent and device != BY_HAND:
            validity = Validity.INVALID
        elif validity is Validity.VALID and (usable_until(reading, device) <= now or metric in state.live.disputed):
            validity = Validity.QUESTIONABLE
        note = "not judged: the cuff inflates on the same arm" if suppressed(state.live, metric, device, now) else ""
        found.append(VitalStatus(metric, reading.value, facts.unit, validity, age, device, reading.at_least, note))
    return tuple(found)


def _of_use(device: str, reading: Reading, now: Nanos) -> bool:
    return reading.validity is Validity.VALID and usable_until(reading, device) > now


def devices(state: State, now: Nanos) -> tuple[DeviceStatus, ...]:
    """Give every device of the bed as the gateway sees it."""
    found = []
    for setup in state.setup.devices:
        known = state.live.devices.get(setup.device)
        pump = state.live.pump if setup.is_pump else None
        seen_at = known.seen_at if known is not None else None
        found.append(
            DeviceStatus(
                device=setup.device,
                link=known.link if known is not None else LinkState.UNKNOWN,
                age=None if seen_at is None else max(0, now - seen_at),
                delivery=pump.delivery if pump is not None else None,
                identity=known.identity if known is not None else (),
                alarms=_sorted(pump.alarms) if pump is not None else (),
                dead_man_s=pump.dead_man_s if pump is not None else None,
                fault=_fault(state, setup.device, now),
            )
        )
    return tuple(found)


def _sorted(alarms_now: frozenset[PumpAlarm]) -> tuple[PumpAlarm, ...]:
    return tuple(sorted(alarms_now))


def _fault(state: State, device: str, now: Nanos) -> str:
    known = state.live.devices.get(device)
    if known is None:
        return ""
    over = known.fault is not None and known.fault.kind is FaultKind.REFUSED and now >= known.fault_at + REFUSED_FOR
    if known.fault is not None and not over:
        return f"{known.fault.kind}: {known.fault.detail}"
    return known.why
