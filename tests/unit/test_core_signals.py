"""Signals: what was raised, against what is claimed now; the latch."""

from dataclasses import replace

from infusion_gateway.core.claims import Claim, of_the_drug
from infusion_gateway.core.closing import forget
from infusion_gateway.core.signals import reconcile
from infusion_gateway.core.state import State, initial
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.events import ConditionAcknowledged, ConditionCleared
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import BedSetup, GenerationMode


def high() -> Claim:
    return of_the_drug("duration-over", Priority.HIGH, "over", latching=True)


def low() -> Claim:
    return of_the_drug("duration-over", Priority.LOW, "over, and complete")


def after(state: State, second: int, *claims: Claim, acknowledge: bool = False) -> tuple[State, list[object]]:
    """Claim these at that second; give the state and the events."""
    turn = Turn(state, second * SECOND)
    if acknowledge:
        turn.emit(ConditionAcknowledged("duration-over", "nurse-1", "a named person has it"))
    for claim in claims:
        turn.claim(claim)
    reconcile(turn)
    return turn.done, list(turn.events)


def idle() -> State:
    return initial(BedSetup("chair-1", (), (), GenerationMode.TEST))


def test_a_fall_to_a_row_that_does_not_latch_undoes_no_latch() -> None:
    """Pins S4: what was told as high and latching stays until a person has it, whatever row it falls to on its way."""
    state, _ = after(idle(), 1, high())
    state, _ = after(state, 2, low())
    state, events = after(state, 3)
    cleared = events[0]
    assert isinstance(cleared, ConditionCleared)
    assert cleared.latched
    assert "duration-over" in state.durable.conditions


def test_a_return_as_a_row_that_does_not_latch_undoes_no_latch() -> None:
    """Pins that a latched alarm that comes back milder and goes again is still there to be acknowledged."""
    state, _ = after(idle(), 1, high())
    state, _ = after(state, 2)
    state, _ = after(state, 3, low())
    state, _ = after(state, 4)
    assert "duration-over" in state.durable.conditions


def test_an_acknowledged_alarm_that_falls_latches_no_more() -> None:
    """Pins that the latch ends with the acknowledgement, and with it what is shown after the end."""
    state, _ = after(idle(), 1, high())
    state, _ = after(state, 2, low(), acknowledge=True)
    state, events = after(state, 3)
    cleared = events[0]
    assert isinstance(cleared, ConditionCleared)
    assert not cleared.latched
    assert "duration-over" not in state.durable.conditions


def test_ordering_clears_what_an_earlier_case_left_latched_and_nothing_else() -> None:
    """Pins that a latched alarm from after a case had left, or without one, is there until it is acknowledged."""
    state, _ = after(idle(), 10, high())
    state, _ = after(state, 11)
    turn = Turn(state, 12 * SECOND)
    forget(turn)
    assert "duration-over" in turn.durable.conditions
    turn.durable = replace(turn.durable, left_at=9 * SECOND)
    forget(turn)
    assert "duration-over" in turn.durable.conditions
    turn.durable = replace(turn.durable, left_at=11 * SECOND)
    forget(turn)
    assert not turn.durable.conditions
    assert turn.events == [ConditionCleared("duration-over", latched=False, reason="it was of the case before")]
