"""Session: how a case goes from phase to phase by what is observed and by time. A person starts the pump."""

from infusion_gateway.core import dose, stopping
from infusion_gateway.core.sources import BASELINE_FOR, preferred
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import (
    BaselineTaken,
    EndApproaching,
    GatewayStarted,
    InfusionStarted,
    PhaseChanged,
    PrimeAnnounced,
)
from infusion_gateway.model.inputs import Restarted
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Validity
from infusion_gateway.model.session import Phase

REBASELINE: Nanos = 15 * MINUTE
"""After so long a pause what was measured before it is no baseline any more (clinical reference E18)."""
TWO = 2  # consecutive readings, before anything is made of them
VITAL_SIGNS = (Metric.SPO2, Metric.PULSE, Metric.HR, Metric.RR, Metric.ETCO2, Metric.NIBP_SYS, Metric.NIBP_DIA)


def progress(turn: Turn) -> None:
    """Take the case on by what the pump is seen to do, and by time."""
    _purge(turn)
    lapsed = _lapsed(turn)
    if turn.phase is not Phase.ARMED and not lapsed:
        turn.live.pump.rest_ml, turn.live.pump.risen = None, 0
    match turn.phase:
        case Phase.ARMED:
            _armed(turn)
        case Phase.ORDERED if lapsed:
            _unconfirmed(turn)
        case Phase.INFUSING:
            _infusing(turn)
        case Phase.PAUSED:
            if turn.live.pump.runs >= TWO:
                long = turn.now >= turn.durable.phase_since + REBASELINE
                turn.emit(PhaseChanged(Phase.INFUSING, Phase.PAUSED, "the pump delivers again"))
                if long:
                    take_baseline(turn)
        case _:
            pass


def _primed(turn: Turn) -> bool:
    until = turn.durable.prime_until
    return until is not None and not turn.has_come(until)


def _purge(turn: Turn) -> None:
    """End an announced purge once it was seen to run and to stop, so that T0 isn't missed in the rest of its time."""
    pump = turn.live.pump
    if not _primed(turn):
        turn.live.purged = False
        return
    if pump.runs:
        turn.live.purged = True
    if turn.live.purged and pump.stills >= TWO:
        turn.live.purged = False
        turn.emit(PrimeAnnounced(turn.now, "", "the purge is over: the pump ran and stopped"))


def _lapsed(turn: Turn) -> bool:
    """Say whether what two people confirmed stands no more: the machine was restarted while the case was armed."""
    case = turn.durable.case
    return turn.phase is Phase.ORDERED and case is not None and case.lapsed


def _armed(turn: Turn) -> None:
    protocol, pump = turn.protocol, turn.live.pump
    if protocol is None:
        return
    begun = _begun(turn)
    if begun is not None:
        _start(turn, *begun)
        take_baseline(turn)
    elif not _primed(turn) and not pump.runs and turn.has_come(turn.durable.phase_since + protocol.armed_for):
        reason = f"armed for {dose.seconds(protocol.armed_for)} and not started: confirm again"
        turn.emit(PhaseChanged(Phase.ORDERED, Phase.ARMED, reason))


def _unconfirmed(turn: Turn) -> None:
    """Stop a pump that delivers under an order whose confirmation lapsed: it is a case's drug, and nobody's leave.

    To go on wants a person's leave and a new baseline.
    """
    begun = _begun(turn)
    if begun is not None:
        _start(turn, *begun)
        why = "The pump delivers under an order whose confirmation stands no more. A new baseline is needed"
        stopping.ask(turn, Phase.PAUSED, (stopping.LAPSED,), "", why)


def _begun(turn: Turn) -> tuple[Nanos, str] | None:
    """Say when delivery began, and what shows it; None while nothing does, or it is an announced purge."""
    pump = turn.live.pump
    if _primed(turn):
        pump.runs, pump.risen, pump.rest_ml = 0, 0, pump.volume_ml
        return None
    if pump.volume_ml is not None and (pump.rest_ml is None or pump.volume_ml < pump.rest_ml):
        pump.rest_ml = pump.volume_ml
    if pump.runs >= TWO:
        return pump.runs_since, "two consecutive readings show delivery: the infusion runs since the first"
    if pump.risen >= TWO:
        return pump.risen_at, "the volume rises, whatever the pump says that it does: that is delivery"
    return None


def _start(turn: Turn, t0: Nanos, reason: str) -> None:
    """Set T0: the first of two consecutive readings that show delivery. Volume counts from where it was at arming."""
    case, pump = turn.durable.case, turn.live.pump
    assert case is not None  # it was ordered
    base = pump.rest_ml
    if base is None or (pump.volume_ml is not None and base > pump.volume_ml):
        base = pump.volume_ml
    words, before_ml = f"{reason}{dose.before_words(turn)}", turn.live.account.delivered_ml
    turn.emit(InfusionStarted(t0, t0 + case.order.duration, base, words, before_ml))
    turn.emit(PhaseChanged(Phase.INFUSING, turn.phase, reason))
    dose.begin(turn)
    dose.book(turn)


def take_baseline(turn: Turn) -> None:
    """Take the newest valid vital signs as what limits over baseline refer to."""
    values = []
    for metric in VITAL_SIGNS:
        valid = (pair[1].reading for pair in preferred(turn.sources, turn.live, metric))
        found = next(
            (r for r in valid if r.validity is Validity.VALID and r.measured_at > turn.now - BASELINE_FOR), None
        )
        if found is not None and found.value is not None:
            values.append((metric, found.value))
    turn.emit(BaselineTaken(tuple(values), "the newest valid values, at most 15 minutes old"))


def _infusing(turn: Turn) -> None:
    stop, pump = turn.durable.stop, turn.live.pump
    _warn(turn)
    if stop is not None and stop.confirmed_at is None:
        return  # the ladder confirms it
    kvo_ends = (
        pump.delivery is Delivery.KVO and pump.runs >= TWO and turn.pump_setup is not None and turn.pump_setup.stoppable
    )
    if (pump.stills >= TWO or kvo_ends) and dose.short_enough(turn):
        words = "keeps the vein open" if kvo_ends else "has stopped"
        left = f"{max(0.0, dose.left_ml(turn)):.3g} mL left of what was ordered"
        stopping.ask(turn, Phase.COMPLETED, ("infusion-complete",), "", f"The pump {words} with {left}: complete")
    elif pump.stills >= TWO:
        alarms = ", ".join(sorted(pump.alarms))
        reason = f"the pump stopped by itself: {alarms}" if alarms else "paused at the pump"
        turn.emit(PhaseChanged(Phase.PAUSED, Phase.INFUSING, reason))


def _warn(turn: Turn) -> None:
    protocol, case = turn.protocol, turn.durable.case
    if protocol is None or case is None or case.ends_at is None:
        return
    for before in protocol.warn_before_end:
        if before >= case.order.duration or before in case.warned or turn.now >= case.ends_at:
            continue
        if turn.has_come(case.ends_at - before):
            turn.emit(EndApproaching(before, f"{dose.seconds(before)} until the ordered duration ends"))


def restarted(turn: Turn, start: Restarted) -> None:
    """Begin to supervise after a start. On another timeline nobody knows for how long no one looked: stop."""
    before = turn.durable
    blind = turn.now - before.at if start.same_boot and before.at else None
    reason = "the gateway began to supervise this bed"
    if blind is not None:
        reason += f"; nobody looked for at most {dose.seconds(blind // SECOND * SECOND + SECOND)}"
    turn.emit(GatewayStarted(start.version, start.same_boot, blind, reason, turn.setup.generation_mode))
    dose.begin(turn)
    stopping.quarantine(turn)
    if start.same_boot:
        return
    if before.phase is Phase.ARMED:
        turn.emit(PhaseChanged(Phase.ORDERED, Phase.ARMED, "the machine was restarted: confirm again"))
    elif before.phase in (Phase.INFUSING, Phase.PAUSED):
        why = "The machine was restarted during the session and nobody knows for how long. A new baseline is needed"
        stopping.ask(turn, Phase.PAUSED, ("timeline-lost",), "", why)
