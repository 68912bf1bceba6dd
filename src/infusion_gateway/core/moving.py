"""Moving: a case goes to another bed while nothing flows. It is on record there before it is gone from here.

The bed it leaves asks, again and again while it isn't answered; the bed it comes to has it on record, or says why not;
only then does the first let go of it. A crash in between leaves the case where it was, and the asking begins anew.
A stop that is asked for in between goes along: the first lets go only once the other has the case as one that is over.
"""

from collections.abc import Callable
from dataclasses import replace

from infusion_gateway.core import changes, dose, stopping
from infusion_gateway.core.durable import Carried, Durable, StopWanted
from infusion_gateway.core.live import Newest, Values
from infusion_gateway.core.sources import BY_HAND
from infusion_gateway.core.state import State
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import (
    ArrivalRefused,
    CaseMoved,
    CaseReceived,
    MoveAsked,
    MoveFailed,
    PhaseChanged,
)
from infusion_gateway.model.inputs import CaseArrived, MoveAnswered
from infusion_gateway.model.instructions import Move
from infusion_gateway.model.metric import SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Reading, Validity
from infusion_gateway.model.session import Phase

MOVABLE = frozenset({Phase.PAUSED, Phase.RECOVERY})
FREE = frozenset({Phase.IDLE, Phase.CLOSED, Phase.ABORTED})
ASK_EVERY: Nanos = 5 * SECOND
TWO = 2
Done = Callable[[str], None]


def move(turn: Turn, asked: Move, by: str, accept: Done) -> str:
    """Ask another bed to take the case; give why not, "" where it was asked."""
    case, stop, pump = turn.durable.case, turn.durable.stop, turn.live.pump
    to = asked.to.strip()[:64]
    if case is None or turn.phase not in MOVABLE:
        return f"a case moves while it is paused or in recovery (phase {turn.phase}): hold it first"
    if not to or to == turn.setup.bed:
        return "name the bed that it moves to: another one than this"
    if stop is not None and (stop.confirmed_at is None or stop.provisional):
        return "zero flow is not confirmed for good yet: wait for it"
    if turn.pump_setup is not None and (pump.stills < TWO or pump.delivery is not Delivery.STOPPED):
        return "zero flow is not seen: wait until the pump is seen at rest"
    accept(f"{to} is asked to take it; it stays here until it is on record there, or altogether if {to} says no")
    turn.emit(MoveAsked(case.id, to, by, asked.reason.strip()[:200] or f"moves to {to}"))
    return ""


def keep_asking(turn: Turn) -> None:
    """Ask again while nobody has answered: the other bed takes a case once, however often it is told."""
    durable = turn.durable
    if not durable.moving_to or durable.case is None:
        return
    if turn.has_come(durable.moving_since + ASK_EVERY):
        turn.emit(MoveAsked(durable.case.id, durable.moving_to, "", f"{durable.moving_to} has not answered yet"))
        turn.wake_at(turn.now + ASK_EVERY)


def carried(durable: Durable) -> Carried | None:
    """Give the case as it goes along; None where none is to move."""
    if not durable.moving_to or durable.case is None:
        return None
    return Carried(durable.case, durable.phase, durable.phase_since, durable.account, durable.stop)


def is_over(phase: Phase, stop: StopWanted | None) -> bool:
    """Say whether a case is over, or is asked to be: it goes on at no bed."""
    return phase in stopping.OVER or (stop is not None and stop.then in stopping.OVER)


def answered(turn: Turn, answer: MoveAnswered) -> None:
    """Let go of a case that is on record elsewhere, or keep one that nobody takes."""
    durable = turn.durable
    case = durable.case
    if case is None or case.id != answer.case or durable.moving_to != answer.to:
        return
    if not answer.taken:
        turn.emit(MoveFailed(case.id, answer.to, f"it stays here: {answer.why[:200]}"))
        return
    if is_over(durable.phase, durable.stop) and not answer.over:
        turn.emit(MoveAsked(case.id, answer.to, "", f"it was ended here since: {answer.to} is to stop it too"))
        return
    before = turn.phase
    turn.emit(CaseMoved(case.id, answer.to, f"it is on record at {answer.to}"))
    turn.emit(PhaseChanged(Phase.IDLE, before, f"moved to {answer.to}"))
    turn.live.account = turn.durable.account
    if turn.live.pump.runs:  # started since it was asked to move: there is nobody's order for it here
        stopping.ask(turn, Phase.IDLE, (), "", f"The pump was started while its case went to {answer.to}")


def arrived(turn: Turn, arrival: CaseArrived) -> None:
    """Take a case that comes from another bed, or say why not."""
    given = arrival.carried
    if changes.is_here(turn.durable, given.case, arrival.origin):
        turn.emit(CaseReceived(arrival.origin, given, "it is on record here already"))
        _ended_there(turn, given, arrival.origin)
        return
    why = no_room(turn, given.case.order.protocol, given.phase)
    if why:
        turn.emit(ArrivalRefused(arrival.origin, given.case.id, why))
        return
    pump = turn.pump_setup
    stop = given.stop and replace(given.stop, device=pump.device if pump is not None else "", rate_ml_h=0.0)
    coming = replace(given, stop=stop)
    turn.emit(CaseReceived(arrival.origin, coming, f"{given.case.id} came from {arrival.origin}, in {given.phase}"))
    turn.live.values = Values()
    for known in given.case.by_hand:
        reading = Reading(known.metric, known.value, Validity.VALID, known.measured_at)
        turn.live.values[known.metric, BY_HAND] = Newest(reading, turn.now, known.measured_at)
    turn.live.forget_limits()
    turn.live.watched_ml = turn.live.pump.volume_ml
    dose.begin(turn)
    turn.touched.update(Metric)


def _ended_there(turn: Turn, given: Carried, origin: str) -> None:
    """Stop a case that was stopped at the bed it comes from when it was on record here already."""
    stop = given.stop
    if stop is not None and stop.then in stopping.OVER and turn.phase in (Phase.PAUSED, Phase.INFUSING):
        stopping.ask(turn, stop.then, stop.codes, stop.by, f"{stop.reason}; asked at {origin} while it moved")


def no_room(there: State | Turn, protocol: str, phase: Phase) -> str:
    """Say why a bed can't take a case of this protocol in this phase now, "" where it can."""
    durable, pump, bed = there.durable, there.live.pump, there.setup.bed
    if durable.quarantined:
        return f"bed {bed} is in quarantine"
    if durable.phase not in FREE or durable.stop is not None:
        return f"bed {bed} has another case (phase {durable.phase})"
    if there.live.journal_kept is False:
        return f"bed {bed} can't write its record"
    if all(known.name != protocol for known in there.setup.protocols):
        return f"bed {bed} has no protocol {protocol}"
    if there.setup.pump is None:
        return "" if phase is Phase.RECOVERY else f"bed {bed} has no pump to resume with"
    if pump.delivery is not Delivery.STOPPED or pump.stills < TWO:
        return f"the pump of bed {bed} is not seen at rest"
    return ""
