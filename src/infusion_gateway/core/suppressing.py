"""Suppressing: a cuff that inflates on the SpO2 arm takes the probe's signal away, for a minute at most, visibly.

And a person's word that the patient is away, which takes everything: what is missing counts from the return.
"""

from dataclasses import replace

from infusion_gateway.core.live import Suppression
from infusion_gateway.core.sources import BY_HAND, HERE, SUPPRESSED, steady_spo2
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import SignalSuppressed
from infusion_gateway.model.metric import SECOND, Metric, Nanos
from infusion_gateway.model.observation import SensorState

LONGEST: Nanos = 60 * SECOND
"""Rules, "Values": at most 60 s, never twice running."""


def cuff(turn: Turn, device: str, before: SensorState | None, state: SensorState) -> None:
    """Take up what a device says of its cuff."""
    known = turn.live.suppressed
    if state is SensorState.MEASURING:
        again = known is None or known.seen or turn.away  # who is away has no signal for the cuff to take
        if before is not SensorState.MEASURING and turn.setup.cuff_on_spo2_arm and again:
            _begin(turn, device)
    elif known is not None and known.cuff == device and turn.now < known.until:
        turn.live.suppressed = replace(known, until=turn.now)


def _begin(turn: Turn, device: str) -> None:
    probe = next(
        (name for name in turn.sources[Metric.SPO2] if name != BY_HAND and (Metric.SPO2, name) in turn.live.values),
        None,
    )
    if probe is None:
        return
    until = turn.now + LONGEST
    turn.live.suppressed = Suppression(probe, device, until, steady_spo2(turn.sources, turn.live, turn.now))
    turn.touched.update(SUPPRESSED)
    reason = "the cuff inflates on the arm of the SpO2 probe: its SpO2 and pulse aren't judged until it is done"
    turn.emit(SignalSuppressed(probe, tuple(sorted(SUPPRESSED)), until, reason))


def keep(turn: Turn) -> None:
    """Have everything looked at again when it ends; note the first value after it, which allows another."""
    _present(turn)
    known = turn.live.suppressed
    if known is None or known.seen or not turn.has_come(known.until):
        return
    if not known.over:
        known = replace(known, over=True)
        turn.touched.update(SUPPRESSED)
    newest = turn.live.values.get((Metric.SPO2, known.probe))
    seen = newest is not None and newest.valid_at is not None and newest.valid_at >= known.until
    turn.live.suppressed = replace(known, seen=seen)


def _present(turn: Turn) -> None:
    """Keep since when the patient is back on the monitors. Time that ran out is no return: missing since they left."""
    known, durable = turn.live.since.get(HERE), turn.durable
    until, left_at = durable.away_until, durable.away_since
    turn.holds_since(HERE, not turn.away)
    if known is None and HERE in turn.live.since:
        if turn.live.started_at == turn.now:
            turn.live.since[HERE] = 0  # nobody came back: we began to look
        elif until is not None and left_at is not None and until <= turn.now:
            turn.live.since[HERE] = left_at
