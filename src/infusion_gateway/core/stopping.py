"""Stopping: asked, asked again, confirmed by observation or said not to be; watched until the case closes.

A pump says nothing by acknowledging a write. A stop is confirmed by two readings that show no delivery and no step of
the volume counter, for good once a step would have shown at the old rate.
"""

from infusion_gateway.core.claims import technical
from infusion_gateway.core.dose import HOUR, lasts, seconds, short_enough
from infusion_gateway.core.durable import StopWanted
from infusion_gateway.core.pumping import ASSUMED_RESOLUTION_ML
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.commands import StopInfusion
from infusion_gateway.model.events import PhaseChanged, StopAsked, StopConfirmed
from infusion_gateway.model.metric import MINUTE, SECOND, Nanos
from infusion_gateway.model.observation import Delivery
from infusion_gateway.model.session import Phase

LONGEST_PROVISIONAL: Nanos = 10 * MINUTE
UNCOUNTED_PROVISIONAL: Nanos = MINUTE
"""How long a stop stays provisional where the pump reports no volume at all."""
RANK = {Phase.PAUSED: 1, Phase.COMPLETED: 2, Phase.STOPPED: 3, Phase.ABORTED: 4}
ENDS = {"dose-limit": Phase.STOPPED, "wall-time-over": Phase.STOPPED, "duration-over": Phase.STOPPED}
"""Spent limits end the session; every other stop of ours pauses it."""
LAPSED = "confirmation-lapsed"
"""Delivery under an order whose confirmation stands no more: told at once, not only when the stop fails."""
RETRY_EVERY: Nanos = 2 * SECOND
"""How often to ask where no protocol says so: a stop that a person asks for without a case."""
CONFIRM_WITHIN: Nanos = 10 * SECOND
LEADS_TO = {
    Phase.PAUSED: "the case is paused, and a restart wants permit-resume",
    Phase.COMPLETED: "the session is complete, and recovery begins",
    Phase.STOPPED: "the session is over for good, and recovery begins",
    Phase.ABORTED: "the case is given up",
}
"""What follows once the pump is seen at rest."""
OVER = frozenset({Phase.COMPLETED, Phase.STOPPED, Phase.ABORTED, Phase.RECOVERY})
LEADING_ON = frozenset(Phase) - {Phase.IDLE, Phase.RECOVERY, Phase.CLOSED}
CRASH_SLACK: Nanos = 2 * SECOND
"""The counter on record may be this much older than what the last process had seen."""


def ask(turn: Turn, then: Phase, codes: tuple[str, ...], by: str, reason: str, *, doubted: bool = False) -> None:
    """Ask the pump to stop, and begin the ladder; asking for less than is already asked changes nothing."""
    pump, known = turn.pump_setup, turn.durable.stop
    if pump is None:
        return
    if known is not None and known.confirmed_at is None:
        if not by and RANK.get(then, 0) <= RANK.get(known.then, 0):
            return
        doubted = doubted or known.doubted
    then = _leads_to(turn, then)
    rate = turn.live.pump.rate_ml_h or turn.durable.rate_ml_h
    turn.emit(StopAsked(pump.device, then, codes, by, reason, rate_ml_h=rate, doubted=doubted))
    now = turn.live.pump
    now.stills, now.settled, now.settled_ml = 0, 0, None  # what counts is seen after the asking
    turn.live.watched_ml = None
    _command(turn, reason)


def _leads_to(turn: Turn, then: Phase) -> Phase:
    """Give the phase that a stop leads to: of two that are under way, the one that ends more."""
    known = turn.durable.stop
    if known is None or known.confirmed_at is not None:
        return then
    return max(then, known.then, key=lambda phase: RANK.get(phase, 0))


def promise(turn: Turn, then: Phase) -> str:
    """Say to who asks for a stop what is done, when its outcome is told, and what follows."""
    stoppable = turn.pump_setup is not None and turn.pump_setup.stoppable
    done = "the pump is asked to stop" if stoppable else "stop the pump by hand, it can't be stopped from here"
    follows = LEADS_TO.get(_leads_to(turn, then), "")
    going = turn.durable.moving_to
    return "; ".join(
        part
        for part in (
            done,
            f"whether it has stopped is told within {seconds(_confirm_within(turn))}",
            follows and f"once it is seen at rest {follows}",
            going and f"{going} may have the case already, and is to stop it too: look there",
        )
        if part
    )


def _confirm_within(turn: Turn) -> Nanos:
    return turn.protocol.confirm_within if turn.protocol is not None else CONFIRM_WITHIN


def _command(turn: Turn, reason: str) -> None:
    pump = turn.pump_setup
    turn.live.asked_at = turn.now
    if pump is not None and pump.stoppable:
        turn.command(StopInfusion(pump.device, reason))


def claim_stopping(turn: Turn) -> None:
    """Claim what people must know of a stop that is under way."""
    stop, pump = turn.durable.stop, turn.pump_setup
    if stop is None or stop.released or pump is None:
        return
    pending = stop.confirmed_at is None
    if stop.doubted and (pending or stop.provisional):
        text = "The pump went on delivering after it said that it had stopped. Clamp the line, then stop it by hand"
        turn.claim(technical("delivering-after-stop", Priority.HIGH, text, latching=True))
    if pending and LAPSED in stop.codes:
        turn.claim(technical(LAPSED, Priority.HIGH, f"{stop.reason}. Look at pump and patient", latching=True))
    still = turn.live.pump.delivery is Delivery.STOPPED and not stop.doubted
    if pending and not pump.stoppable and not still:
        text = f"Stop the pump by hand, it can't be stopped from here. {stop.reason}"
        turn.claim(technical("stop-by-hand", Priority.HIGH, text))
    within = _confirm_within(turn)
    if pending and turn.has_come(stop.asked_at + within):
        text = f"The pump was asked to stop and has not been seen to, for {seconds(within)}. Clamp the line"
        turn.claim(technical("stop-not-confirmed", Priority.HIGH, text, latching=True))


def decide(turn: Turn) -> None:
    """Ask for the stops that conditions call for: at once, or when their countdown ends and nobody holds them off."""
    if turn.phase not in (Phase.INFUSING, Phase.PAUSED):
        return
    due: list[str] = []
    for code, raised in turn.durable.conditions.items():
        if not raised.present:
            continue
        if raised.response is Response.STOP:
            due.append(code)
        elif raised.response is Response.STOP_UNLESS_HELD and turn.phase is Phase.INFUSING:
            ends = max(raised.countdown_ends or turn.now, raised.held_until or 0)
            if turn.has_come(ends):
                due.append(code)
    if turn.phase is Phase.PAUSED:  # already still; only a spent limit leads on from there
        due = [code for code in due if code in ENDS]
    if not due:
        return
    then = max((ENDS.get(code, Phase.PAUSED) for code in due), key=RANK.__getitem__)
    if then is Phase.STOPPED and due == ["duration-over"] and short_enough(turn):
        then = Phase.COMPLETED
    first = max(due, key=lambda code: turn.durable.conditions[code].priority)
    ask(turn, then, tuple(sorted(due)), "", turn.durable.conditions[first].text)


def quarantine(turn: Turn) -> None:
    """Ask a pump in quarantine to stop: nobody knows what it was to do. A person ends the quarantine."""
    if turn.durable.quarantined:
        then = Phase.PAUSED if turn.phase is Phase.INFUSING else turn.phase
        ask(turn, then, ("bed-quarantined",), "", turn.durable.quarantined)


def climb(turn: Turn) -> None:
    """Go on with the ladder: confirm, or ask again; and watch a stop that was confirmed."""
    if turn.durable.stop is None and turn.live.pump.runs:
        quarantine(turn)
    stop = turn.durable.stop
    if stop is None or stop.released:
        _watch_pause(turn)
        return
    if stop.confirmed_at is None:
        if _still(turn, stop):
            _confirm(turn, stop)
        else:
            _ask_again(turn, stop)
    elif turn.phase is Phase.INFUSING or (turn.phase is Phase.PAUSED and turn.live.pump.runs):
        turn.live.watched_ml = turn.live.pump.volume_ml  # restarted by hand, and told as that
    else:
        _watch(turn, stop)


def _ask_again(turn: Turn, stop: StopWanted) -> None:
    protocol = turn.protocol
    every = protocol.retry_every if protocol is not None else RETRY_EVERY
    asked_at = turn.live.asked_at
    if asked_at is None or asked_at + every <= turn.now:
        _command(turn, stop.reason)
        asked_at = turn.now
    turn.wake_at(asked_at + every)


def _still(turn: Turn, stop: StopWanted) -> bool:
    """Say whether two readings showed no delivery and no volume step; of a doubted pump, for good."""
    pump = turn.live.pump
    two = 2
    if pump.stills < two or (pump.volume_ml is not None and pump.settled < two):
        return False
    return not stop.doubted or _for_good(turn, stop)


def _for_good(turn: Turn, stop: StopWanted) -> bool:
    """Say whether the pump has been still for so long that a step would have shown, and was read since."""
    pump = turn.live.pump
    if not pump.stills:
        return False
    if pump.volume_ml is None:
        return turn.now >= pump.stills_since + UNCOUNTED_PROVISIONAL
    return pump.settled > 0 and pump.volume_at >= pump.settled_at + step_time(turn, stop)


def step_time(turn: Turn, stop: StopWanted) -> Nanos:
    """Say how long one step of the volume counter takes at the rate before the stop."""
    case = turn.durable.case
    rate = stop.rate_ml_h or (case.order.rate_ml_h if case is not None else 0.0)
    resolution = turn.live.pump.resolution or ASSUMED_RESOLUTION_ML
    return lasts(resolution, rate, LONGEST_PROVISIONAL)


def _confirm(turn: Turn, stop: StopWanted) -> None:
    final = _for_good(turn, stop)
    after = turn.now - stop.asked_at
    so_far = "" if final else ", so far"
    reason = f"the pump is seen not delivering, {seconds(after // SECOND * SECOND)} after it was asked to stop{so_far}"
    turn.emit(StopConfirmed(stop.device, provisional=not final, after=after, reason=reason))
    turn.live.watched_ml = turn.live.pump.volume_ml
    if turn.phase is not stop.then and turn.phase in LEADING_ON:
        turn.emit(PhaseChanged(stop.then, turn.phase, stop.reason))
    if final:
        _recover(turn)


def _recover(turn: Turn) -> None:
    if turn.phase in (Phase.COMPLETED, Phase.STOPPED):
        turn.emit(PhaseChanged(Phase.RECOVERY, turn.phase, "zero flow is confirmed: recovery begins"))


def _watch(turn: Turn, stop: StopWanted) -> None:
    """Hold a confirmed stop against what the pump does since."""
    pump = turn.live.pump
    base = turn.live.watched_ml
    slack = pump.resolution / 2 + 1e-9
    if base is None and turn.durable.account.counter_ml is not None:
        base = turn.durable.account.counter_ml + stop.rate_ml_h * CRASH_SLACK / HOUR
    volume = pump.volume_ml if pump.volume_at == turn.now else None
    if volume is not None and base is not None and volume > base + slack:
        _again(turn, stop, f"the volume rose by {volume - base:g} mL after the stop was confirmed")
    elif pump.runs and turn.phase in OVER:
        _again(turn, stop, "the pump delivers again after the session's end")
    else:
        watched = turn.live.watched_ml
        if volume is not None and (watched is None or volume < watched):
            turn.live.watched_ml = volume
        if stop.provisional and _for_good(turn, stop):
            reason = "no volume step where one would have shown at the old rate: the pump has stopped"
            turn.emit(StopConfirmed(stop.device, provisional=False, after=turn.now - stop.asked_at, reason=reason))
            _recover(turn)


def _watch_pause(turn: Turn) -> None:
    """Hold a pause at the pump against its volume: a counter that rises while the pump says that it stands is flow."""
    pump = turn.live.pump
    if turn.phase is not Phase.PAUSED or pump.runs:
        turn.live.watched_ml = None
        return
    if pump.volume_ml is None or pump.volume_at != turn.now:
        return
    base = turn.live.watched_ml
    if base is None or pump.volume_ml < base:
        turn.live.watched_ml = pump.volume_ml
    elif pump.volume_ml > base + pump.resolution / 2 + 1e-9:
        why = f"Delivering while paused: the volume rose by {pump.volume_ml - base:g} mL"
        ask(turn, Phase.PAUSED, (), "", why, doubted=True)


def _again(turn: Turn, stop: StopWanted, why: str) -> None:
    ask(turn, turn.phase, stop.codes, "", f"Delivering after the stop: {why}", doubted=True)
