"""step: the only place that decides. State, input and time in; new state, events and commands out."""

from dataclasses import dataclass
from typing import assert_never

from infusion_gateway.core import (
    assessing,
    breathing,
    closing,
    conditions,
    deadman,
    dose,
    health,
    instructing,
    moving,
    observing,
    pump_alarms,
    pumping,
    recording,
    session,
    signals,
    stopping,
    suppressing,
    telling,
)
from infusion_gateway.core import technical as equipment
from infusion_gateway.core.state import State
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.commands import Command
from infusion_gateway.model.events import Event
from infusion_gateway.model.inputs import (
    BrokerChanged,
    CaseArrived,
    ClockJumped,
    DeadlineReached,
    Faulted,
    GateChanged,
    HealthChanged,
    Input,
    Instructed,
    JournalChanged,
    LinkLost,
    LinkOpened,
    MoveAnswered,
    Observed,
    Restarted,
    TurnedAway,
)
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.session import Phase

PASSES = 4
"""A step settles in so many passes: each changes the phase or the stop, and neither goes round in one instant."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step came to. Commands go out first; events are recorded in this order."""

    state: State
    events: tuple[Event, ...]
    commands: tuple[Command, ...]


def next_deadline(state: State) -> Nanos | None:
    """Say when to step again though nothing comes; None: not before something does."""
    return state.live.deadline


def step(state: State, input: Input, now: Nanos) -> Step:  # noqa: A002 -- the word of the design
    """Decide. Pure, deterministic, never raises on what comes from outside."""
    turn = Turn(state, now)
    if turn.live.started_at is None:
        turn.live.started_at = now
    phase = turn.phase
    _take(turn, input)
    recording.record_devices(turn)
    dose.book(turn)
    for _ in range(PASSES):
        before = (turn.phase, turn.durable.stop)
        _decide(turn)
        if before == (turn.phase, turn.durable.stop):
            break
    deadman.record(turn)
    deadman.keep(turn)
    equipment.supervise(turn)
    signals.escalate(turn)
    moving.keep_asking(turn)
    closing.remember(turn, phase)
    if isinstance(input, Observed) or (turn.phase is Phase.ARMED and phase is Phase.ORDERED):
        recording.sample(turn)  # at arming too: T0 counts from what the counter said then, whatever happens next
    return Step(turn.done, tuple(turn.events), tuple(turn.commands))


def _decide(turn: Turn) -> None:
    """Go once through every rule: where the case is, what is true now, which stops follow."""
    turn.deadline = None
    turn.claims.clear()
    session.progress(turn)
    suppressing.keep(turn)
    equipment.dispute(turn)
    if not turn.away:
        conditions.claim_limits(turn)
        breathing.claim_breathing(turn)
    assessing.claim_assessments(turn)
    pump_alarms.claim_pump_alarms(turn)
    pumping.claim_pumping(turn)
    equipment.claim_technical(turn)
    telling.claim_telling(turn)
    health.claim_health(turn)
    deadman.claim_dead_man(turn)
    stopping.claim_stopping(turn)
    signals.reconcile(turn)
    stopping.decide(turn)
    stopping.climb(turn)


def _take(turn: Turn, taken: Input) -> None:
    match taken:
        case Observed():
            observing.observed(turn, taken)
        case Faulted():
            observing.faulted(turn, taken)
        case LinkOpened():
            observing.link_opened(turn, taken)
        case LinkLost():
            observing.link_lost(turn, taken)
        case Instructed():
            instructing.instructed(turn, taken)
        case TurnedAway():
            instructing.turned_away(turn, taken)
        case Restarted():
            session.restarted(turn, taken)
        case BrokerChanged(connected=connected, listeners=listeners, another=another):
            turn.live.another = another
            signals.broker_changed(turn, connected=connected, listeners=listeners)
        case JournalChanged(kept=kept, why=why):
            turn.live.journal_kept, turn.live.journal_why = kept, why[:200]
        case ClockJumped(seconds=seconds):
            turn.live.clock_jump = (turn.now, seconds)
        case GateChanged(gate=gate, open=is_open, why=why):
            turn.live.gates[gate[:60]] = (is_open, turn.now, why[:200])
        case HealthChanged(troubles=troubles):
            turn.live.troubles = troubles
        case CaseArrived():
            moving.arrived(turn, taken)
        case MoveAnswered():
            moving.answered(turn, taken)
        case DeadlineReached():
            pass
        case _:
            assert_never(taken)
