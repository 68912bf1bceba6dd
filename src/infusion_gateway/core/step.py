"""step: the only place that decides. State, input and time in; new state, events and commands out."""

from dataclasses import dataclass
from typing import assert_never

from infusion_gateway.core import dose, observing
from infusion_gateway.core.state import State
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.commands import Command
from infusion_gateway.model.events import Event, GatewayStarted
from infusion_gateway.model.inputs import (
    BrokerChanged,
    ClockJumped,
    DeadlineReached,
    Faulted,
    Input,
    Instructed,
    JournalChanged,
    LinkLost,
    LinkOpened,
    Observed,
    Restarted,
)
from infusion_gateway.model.metric import Nanos


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
    _take(turn, input)
    dose.book(turn)
    return Step(turn.done, tuple(turn.events), tuple(turn.commands))


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
        case Restarted(same_boot=same_boot, version=version):
            turn.emit(GatewayStarted(version, same_boot, None, "the gateway began to supervise this bed"))
        case Instructed() | BrokerChanged() | JournalChanged() | ClockJumped() | DeadlineReached():
            pass
        case _:
            assert_never(taken)
