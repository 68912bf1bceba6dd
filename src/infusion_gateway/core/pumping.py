"""What the pump does, held against the order: rate, volume, dose, time, delivery nobody ordered."""

from functools import lru_cache
from math import isclose

from infusion_gateway.core.claims import of_the_drug, technical
from infusion_gateway.core.dose import HOUR, ROUNDING_ML, given_mg, hard_dose_mg, lasts, seconds, short_enough
from infusion_gateway.core.durable import Case
from infusion_gateway.core.observing import CREEPS
from infusion_gateway.core.turn import Turn
from infusion_gateway.core.windows import ROUNDING_MG, given_within, limit_mg
from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Validity
from infusion_gateway.model.session import LimitCondition, Order, Phase, Row, Side, WindowLimit

GROSS, GREAT, SOME = 2.0, 1.5, 1.2
"""Multiples of the ordered rate (rules; clinical reference E4 and the latency budget of 2.4)."""
GREAT_FOR: Nanos = 10 * SECOND
SOME_FOR: Nanos = 60 * SECOND
DRIFT_PART, DRIFT_ML, DRIFT_STEPS = 0.1, 2.0, 3
DRIFT_AFTER: Nanos = 60 * SECOND
UNDER_LOW: Nanos = 2 * MINUTE
UNDER_MEDIUM: Nanos = 5 * MINUTE
UNORDERED_MEDIUM: Nanos = MINUTE
PAUSED_LOW: Nanos = 5 * MINUTE
PAUSED_MEDIUM: Nanos = 15 * MINUTE
UNATTENDED_SHOWN: Nanos = 2 * MINUTE
VTBI_PART, VTBI_ML = 0.02, 0.1
"""A volume to be infused may be above what is ordered by so much: the entries' tolerance, and a keypad's step."""
RELEASE_WITHIN: Nanos = 30 * SECOND
WANTS_BASELINE = frozenset({"timeline-lost", "confirmation-lapsed"})
"""What stopped the pump because nobody knows for how long no one looked."""
KVO_HIGH: Nanos = 5 * MINUTE
KVO_HIGH_MG = 0.5
WINDOW_ENDS: Nanos = 2 * SECOND
STILL_FOR: Nanos = 10 * SECOND
STILL_STEPS = 3
"""A counter that delivers moves within so many of its steps' time (unsourced; steps may come late, never so late)."""
RUNNING = 2  # reports of delivery, before anything is made of them
ASSUMED_RESOLUTION_ML = 0.1
"""The volume counter's step where the device doesn't state it: as coarse as displays of syringe pumps are."""
UNORDERED = frozenset({Phase.IDLE, Phase.ORDERED, Phase.CLOSED})
BEGUN = frozenset({Phase.INFUSING, Phase.PAUSED})
READY = frozenset({Phase.ARMED, Phase.INFUSING})
UNDER_CASE = frozenset({Phase.ARMED, Phase.INFUSING, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED})


@lru_cache(maxsize=32)
def rate_condition(ordered_ml_h: float) -> LimitCondition:
    """Give the rows of the pump's rate against the ordered one, as a limit condition like any other."""

    def row(times: float, delay: Nanos, readings: int = 1, *, inclusive: bool = False) -> Row:
        limit = times * ordered_ml_h
        return Row(limit, Priority.HIGH, delay, Response.STOP, readings=readings, inclusive=inclusive)

    return LimitCondition(
        code="rate-high",
        metrics=(Metric.RATE,),
        side=Side.HIGH,
        inclusive=False,
        rows=(row(SOME, SOME_FOR), row(GREAT, GREAT_FOR), row(GROSS, 0, 2, inclusive=True)),
        clear_by=0.0,
        clear_after=0,
        latching=True,
        phases=frozenset({Phase.INFUSING}),
        advice="The pump is stopped. Look at the rate on the pump and at the patient",
        kind=AlarmKind.PHYSIOLOGICAL,
    )


def claim_pumping(turn: Turn) -> None:
    """Claim what is true of the delivery."""
    _unordered(turn)
    case = turn.durable.case
    if case is None:
        return
    if case.t0 is not None and turn.phase in BEGUN:
        _spent(turn, case.order, case.t0)
        _strange_drug(turn, case.order)
        _unattended(turn, case.t0, case.heard_at)
    if turn.phase in READY:
        _set_too_high(turn, case)
    if turn.phase is Phase.INFUSING and case.t0 is not None:
        _duration(turn, case.ends_at)
        _drift(turn, case.order, case.t0)
        _stands_still(turn)
        _restarted(turn)
        _volume_end(turn, case.order)
    else:
        turn.holds_since("under-delivery", holds=False)
        turn.holds_since("kvo-running", holds=False)
    if turn.phase is Phase.PAUSED:
        _paused(turn)
    stop = turn.durable.stop
    if turn.phase is Phase.COMPLETED or (turn.phase is Phase.RECOVERY and stop and stop.then is Phase.COMPLETED):
        text = f"The infusion is complete: {turn.live.account.delivered_ml:.3g} mL. Watch the patient in recovery"
        turn.claim(of_the_drug("infusion-complete", Priority.LOW, text))


def _unordered(turn: Turn) -> None:
    prime = turn.durable.prime_until
    priming = prime is not None and not turn.has_come(prime)
    given_up = turn.phase is Phase.ABORTED and turn.durable.stop is None  # with one, the stop itself is watched
    pump = turn.live.pump
    creeping = pump.stills > 0 and pump.crept > 1 and not turn.has_come(pump.crept_at + CREEPS)
    delivering = (pump.runs > 1 or creeping) and (turn.phase in UNORDERED or given_up) and not priming
    since = turn.holds_since("delivering-without-order", delivering)
    if since is not None:
        priority = Priority.MEDIUM if turn.has_come(since + UNORDERED_MEDIUM) else Priority.LOW
        text = "The pump delivers and nobody has ordered it here. Order it, announce a purge, or stop the pump"
        if turn.phase is Phase.ORDERED:
            text = "The pump delivers, and the order on this bed is not confirmed: it counts as its dose. Stop the pump"
        elif creeping:
            text = "The pump's volume rises though it says that it stands, and nobody has ordered it. Clamp the line"
        turn.claim(of_the_drug("delivering-without-order", priority, text, by_words=True))


def _spent(turn: Turn, order: Order, t0: Nanos) -> None:
    protocol = turn.protocol
    if protocol is None:
        return
    hard = hard_dose_mg(protocol, order)
    dose = given_mg(turn)
    if dose >= hard:
        _dose_limit(turn, f"Dose {dose:.4g} mg has reached the hard limit of {hard:g} mg", dose, hard)
    for window in protocol.window_limits:
        _window(turn, window, order, dose)
    if turn.has_come(t0 + protocol.wall):
        text = f"{seconds(protocol.wall)} since the start, pauses included: the session is over"
        turn.claim(of_the_drug("wall-time-over", Priority.HIGH, text, response=Response.STOP, latching=True))


def _dose_limit(turn: Turn, words: str, mg: float, limit: float) -> None:
    turn.claim(
        of_the_drug(
            "dose-limit",
            Priority.HIGH,
            f"{words}. The session is over",
            response=Response.STOP,
            latching=True,
            value=round(mg, 6),
            limit=limit,
            unit="mg",
        )
    )


def _window(turn: Turn, window: WindowLimit, order: Order, dose: float) -> None:
    """Hold the dose observed against what may be given within any such time.

    What two polls at the ordered rate, and two steps of the counter, make of a window's ends doesn't count.
    """
    case = turn.durable.case
    limit = limit_mg(window, order)
    if case is None or dose + sum(g.mg for g in turn.durable.given) <= limit:
        return  # the quick way: not even all of it together
    mg = given_within(turn.durable, case, dose, window.length, turn.now)
    slack_ml = order.rate_ml_h * WINDOW_ENDS / HOUR + 2 * turn.live.pump.resolution
    if mg > limit + slack_ml * order.concentration_mg_ml + ROUNDING_MG:
        words = f"{mg:.4g} mg within {seconds(window.length)} have passed the hard limit of {limit:g} mg"
        _dose_limit(turn, words, mg, limit)


def _strange_drug(turn: Turn, order: Order) -> None:
    """Say that what is in the syringe, as it was corrected, is nothing that the protocol allows."""
    protocol, mg_ml = turn.protocol, order.concentration_mg_ml
    if protocol is None or mg_ml in protocol.concentrations:
        return
    if any(isclose(mg_ml, c, rel_tol=1e-6) for c in protocol.concentrations):
        return
    text = f"{mg_ml:g} mg/mL is no concentration of this protocol. End the session"
    turn.claim(of_the_drug("concentration-not-allowed", Priority.HIGH, text, response=Response.STOP, latching=True))


def _unattended(turn: Turn, t0: Nanos, heard: Nanos | None) -> None:
    """Say that the pump was started when nobody had been heard here for a while (clinical reference E17)."""
    protocol = turn.protocol
    if protocol is None or protocol.start_within is None or heard is None:
        return
    if t0 - heard > protocol.start_within and not turn.has_come(t0 + UNATTENDED_SHOWN):
        text = f"The pump was started {seconds((t0 - heard) // SECOND * SECOND)} after anybody was heard. Who did?"
        turn.claim(technical("started-unattended", Priority.LOW, text))


def _set_too_high(turn: Turn, case: Case) -> None:
    """Say that the pump is set to go on past what the syringe of the order holds (clinical reference E6)."""
    remain = _reported(turn, Metric.VTBI_REMAIN)
    if remain is None:
        return
    left = case.order.volume_ml - (turn.live.account.delivered_ml - case.syringe_from_ml)
    if remain > max(left, 0.0) * (1 + VTBI_PART) + VTBI_ML:
        text = f"The pump is set to give {remain:.4g} mL more, {max(left, 0.0):.4g} are ordered. Set its volume"
        turn.claim(of_the_drug("vtbi-high", Priority.LOW, text, value=remain, limit=round(left, 3), unit="mL"))


def _duration(turn: Turn, ends_at: Nanos | None) -> None:
    """Stop when duration and grace are over; where nearly all was delivered that is how a session ends."""
    protocol = turn.protocol
    if protocol is None or ends_at is None or not turn.has_come(ends_at + protocol.grace):
        return
    full = short_enough(turn)
    priority = Priority.LOW if full else Priority.HIGH
    rest = "" if full else ", and less than ordered was delivered"
    text = f"The ordered duration and {seconds(protocol.grace)} of grace are over{rest}"
    if _kept_open(turn):  # told already, with what to do: see _volume_end
        turn.claim(of_the_drug("duration-over", priority, f"{text}. Press stop on the pump"))
        return
    text += ". The pump is stopped"
    turn.claim(of_the_drug("duration-over", priority, text, response=Response.STOP, latching=not full))


def _stands_still(turn: Turn) -> None:
    """Say that the volume does not move while the pump says that it infuses: one of the two is not true.

    It stands as long as it is seen to: a pump that isn't heard is told by that name alone.
    """
    pump = turn.live.pump
    rate, resolution = pump.rate_ml_h or 0.0, pump.resolution or ASSUMED_RESOLUTION_ML
    if pump.runs < RUNNING or pump.volume_ml is None or rate <= 0:
        return
    wait = max(STILL_FOR, lasts(STILL_STEPS * resolution, rate, HOUR))
    stood = pump.volume_at - max(pump.moved_at, pump.runs_since)
    if stood >= wait:
        priority = Priority.HIGH if stood >= 2 * wait else Priority.MEDIUM
        text = (
            f"The pump says it infuses, its volume has stood still for {seconds(wait)}. Look at the pump and the line"
        )
        turn.claim(technical("volume-stands-still", priority, text))


def _drift(turn: Turn, order: Order, t0: Nanos) -> None:
    account, pump = turn.live.account, turn.live.pump
    margin = max(DRIFT_PART * account.expected_ml, DRIFT_ML, DRIFT_STEPS * pump.resolution)
    excess = account.delivered_ml - account.expected_ml
    counted = pump.volume_ml is not None and turn.has_come(t0 + DRIFT_AFTER)
    if counted and excess > margin + ROUNDING_ML:
        text = (
            f"{account.delivered_ml:.4g} mL delivered where {order.rate_ml_h:g} mL/h would have given "
            f"{account.expected_ml:.4g} mL. The pump is stopped"
        )
        turn.claim(of_the_drug("over-delivery", Priority.HIGH, text, response=Response.STOP, latching=True))
    since = turn.holds_since("under-delivery", counted and -excess > margin + ROUNDING_ML)
    if since is not None and turn.has_come(since + UNDER_LOW):
        priority = Priority.MEDIUM if turn.has_come(since + UNDER_MEDIUM) else Priority.LOW
        text = f"Only {account.delivered_ml:.4g} of {account.expected_ml:.4g} mL delivered so far. Look at the line"
        turn.claim(of_the_drug("under-delivery", priority, text))


def _restarted(turn: Turn) -> None:
    """Say that the pump was restarted after our stop without leave; half a minute to release it, then stop again.

    A stop because the machine was restarted has its cause until there is a new baseline: it is stopped again at once.
    """
    since, stop, case = turn.durable.unreleased_since, turn.durable.stop, turn.durable.case
    if since is None or stop is None or stop.confirmed_at is None or case is None:
        return
    if any(claim.response is Response.STOP for claim in turn.claims.values()):
        return  # the cause stands: it is stopped at once, by that name
    late = turn.has_come(since + RELEASE_WITHIN)
    unseen = not case.baseline and not WANTS_BASELINE.isdisjoint(stop.codes)
    ways = "It is stopped again" if unseen else "Release it, or it is stopped"
    text = f"The pump was restarted without release. {ways}: {stop.reason}"
    response = Response.STOP if late or unseen else Response.TELL
    turn.claim(of_the_drug("restarted-without-release", Priority.HIGH, text, response=response, latching=True))


def _kept_open(turn: Turn) -> bool:
    """Say whether a pump that can't be stopped from here keeps the vein open after a complete volume."""
    pump, setup = turn.live.pump, turn.pump_setup
    kvo = pump.delivery is Delivery.KVO and pump.runs >= RUNNING
    return kvo and setup is not None and not setup.stoppable and short_enough(turn)


def _volume_end(turn: Turn, order: Order) -> None:
    """Judge a pump that keeps the vein open: the end of the volume, or a volume that ended early."""
    pump = turn.live.pump
    since = turn.holds_since("kvo-running", _kept_open(turn))
    if since is not None:
        raised = turn.durable.conditions.get("kvo-running")
        known = raised if raised is not None and raised.present else None
        since = min(since, known.since if known is not None else since)  # it is no younger after a crash
        if pump.kvo_mg is None:
            pump.kvo_mg = given_mg(turn)
        rate = (pump.rate_ml_h or 0.0) * order.concentration_mg_ml
        time = lasts(KVO_HIGH_MG, rate, KVO_HIGH)
        much = given_mg(turn) - pump.kvo_mg >= KVO_HIGH_MG - ROUNDING_MG
        long = much or turn.has_come(since + time) or (known is not None and known.priority is Priority.HIGH)
        text = "The volume is complete, the pump keeps the vein open: press stop"
        turn.claim(of_the_drug("kvo-running", Priority.HIGH if long else Priority.MEDIUM, text))
    else:
        pump.kvo_mg = None
    if pump.delivery is Delivery.KVO and pump.runs >= RUNNING and not short_enough(turn):
        _ended_early(turn)


def _ended_early(turn: Turn) -> None:
    text = "The pump's volume ended early: less than ordered was delivered. Look at its settings"
    turn.claim(of_the_drug("volume-ended-early", Priority.HIGH, text, latching=True))


def _reported(turn: Turn, metric: Metric) -> float | None:
    """Give the newest valid number of this sort that the pump told; None for none."""
    setup = turn.pump_setup
    newest = turn.live.values.get((metric, setup.device)) if setup is not None else None
    return newest.reading.value if newest is not None and newest.reading.validity is Validity.VALID else None


def _paused(turn: Turn) -> None:
    over = bool(_reported(turn, Metric.VTBI)) and _reported(turn, Metric.VTBI_REMAIN) == 0
    if over and turn.durable.stop is None and not short_enough(turn):
        _ended_early(turn)
    since = turn.durable.phase_since
    if turn.has_come(since + PAUSED_LOW):
        long = turn.has_come(since + PAUSED_MEDIUM)
        passed = seconds(PAUSED_MEDIUM if long else PAUSED_LOW)
        text = f"Paused for more than {passed}. Look at the patient; then allow restarting, or end the session"
        turn.claim(technical("paused-long", Priority.MEDIUM if long else Priority.LOW, text))
