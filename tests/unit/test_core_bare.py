"""A bed whose record has a hole: no case where a phase wants one, or a case whose protocol is configured no more.

Neither comes about by what the gateway does (a start with such a record is refused); a step goes on all the same, and
asks for nothing but a stop.
"""

from dataclasses import replace

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core import dose, gates, ordering
from infusion_gateway.core import step as stepping
from infusion_gateway.core.durable import Case
from infusion_gateway.core.evolve import evolve, fold
from infusion_gateway.core.moving import carried
from infusion_gateway.core.state import State, initial
from infusion_gateway.core.step import step
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.commands import StopInfusion
from infusion_gateway.model.events import CaseOrdered, InstructionRefused, PhaseChanged, StopAsked
from infusion_gateway.model.inputs import DeadlineReached, Input, Instructed, Observed
from infusion_gateway.model.instructions import Close, Confirm, End, Instruction, PermitResume, Prime
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.model.session import Order, Phase

FOREIGN = fold(
    [(0, CaseOrdered("case-1", "subject-1", Order("gone", 70.0, 1.0, 52.5, 50.0, 40 * MINUTE, 35.0), "nurse-1", "x"))]
).case
assert FOREIGN is not None
STARTED = replace(FOREIGN, t0=900 * SECOND, ends_at=905 * SECOND)


def bare(phase: Phase, case: Case | None, *, stopping: bool) -> Bed:
    """Give a bed in this phase with this case, its pump running."""
    bed = Bed()
    bed.pump.running = True
    bed.run(2)
    durable = replace(bed.state.durable, phase=phase, case=case)
    if stopping:
        durable = evolve(durable, StopAsked("pump", Phase.STOPPED, (), "nurse-1", "x", 52.5), durable.at)
    bed.state = State(bed.setup, bed.state.sources, durable, bed.state.live)
    return bed


@pytest.mark.parametrize("stopping", [False, True])
@pytest.mark.parametrize("case", [None, FOREIGN, STARTED], ids=["no-case", "foreign", "foreign-started"])
@pytest.mark.parametrize("phase", list(Phase))
def test_a_step_goes_on_without_a_protocol(phase: Phase, case: Case | None, stopping: bool) -> None:
    """Pins that time, reports and a person's stop are taken in every phase; nothing but stops is asked of the pump."""
    bed = bare(phase, case, stopping=stopping)
    given: tuple[Input, ...] = (DeadlineReached(), Observed("pump", bed.pump.report(bed.now)))
    state = bed.state
    for seconds in range(15):
        now = bed.now + seconds * SECOND
        for taken in given:
            done = step(state, taken, now)
            state = done.state
            assert all(isinstance(command, StopInfusion) for command in done.commands)
    asks: tuple[Instruction, ...] = (End("x"), PermitResume("x"), Close("x"), Prime(MINUTE), Confirm(70.0, 1.0))
    for asked in asks:
        step(state, Instructed(asked, "nurse-1", "", ""), now)


def test_unknown_wants_of_recovery_are_not_none() -> None:
    """Pins that where nobody knows what recovery wants, a case is closed early, in one's own name, or not at all."""
    bed = bare(Phase.RECOVERY, STARTED, stopping=False)
    words = "what recovery wants is not known"
    [refused] = [event for event in bed.ask(Close(" ")).events if isinstance(event, InstructionRefused)]
    assert refused.reason == f"{words}: a reason is needed to close early"
    assert f"closed early: {words}" in [getattr(event, "reason", "") for event in bed.ask(Close("fetched")).events]


def test_what_is_asked_of_nothing_is_nothing() -> None:
    """Pins what the core's helpers give where there is no case: no dose, no time, nothing to confirm or to carry."""
    bed = Bed()
    turn = Turn(bed.state, bed.now)
    assert dose.left_ml(turn) == 0.0
    assert not dose.short_enough(turn)
    assert dose.given_mg(turn) == 0.0
    assert carried(turn.durable) is None
    assert gates.soft_or_seen(turn) == []
    assert ordering.faults_of_second_entry(turn, Confirm(70.0, 1.0), "nurse-1") == ["nothing is ordered"]


def test_a_step_ends_though_its_decisions_go_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the bound on the passes of one step: a rule that undid another for ever would not hang the bed."""
    passes: list[Phase] = []

    def undecided(turn: Turn) -> None:
        other = Phase.IDLE if turn.phase is Phase.CLOSED else Phase.CLOSED
        passes.append(other)
        turn.emit(PhaseChanged(other, turn.phase, "round and round"))

    monkeypatch.setattr(stepping, "_decide", undecided)
    done = step(initial(bed_setup(depression_40())), DeadlineReached(), 0)
    assert len(passes) == stepping.PASSES
    assert done.state.durable.phase is passes[-1]
