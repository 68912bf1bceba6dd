"""Moves: carries a case between two beds of this gateway, each step only once the one before it is on record.

What a crash interrupts begins anew: a bed that has asked asks again, and the other takes a case once.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

from infusion_gateway.core import moving
from infusion_gateway.core.moving import carried, is_over
from infusion_gateway.core.state import State
from infusion_gateway.core.windows import same_code
from infusion_gateway.model.events import ArrivalRefused, CaseReceived, MoveAsked
from infusion_gateway.model.inputs import CaseArrived, Input, MoveAnswered

Moving: TypeAlias = MoveAsked | CaseReceived | ArrivalRefused
"""Events that another bed waits for."""


def no_room(bed: str, to: str, beds: Mapping[str, State], open_beds: frozenset[str]) -> str:
    """Say why the case of a bed can't go to another as both are now; "" where it may, or the bed itself knows why not.

    What is true by the time it arrives is the other bed's to say; this is only told sooner.
    """
    case, phase = beds[bed].durable.case, beds[bed].durable.phase
    if case is None or phase not in moving.MOVABLE or to == bed:
        return ""
    why = moving.no_room(beds[to], case.order.protocol, phase) if to in open_beds else _unknown(bed, to, open_beds)
    return why and f"{why}: the case stays here"


def has_another(bed: str, case: str, beds: Mapping[str, State]) -> str:
    """Say which other bed has a case of this code under way, "" where none has."""
    for name, there in beds.items():
        known, phase = there.durable.case, there.durable.phase
        if name != bed and known is not None and phase not in moving.FREE and same_code(known.id, case):
            return f"{known.id[:60]} is under way at {name} (phase {phase}): move it here, or give another case code"
    return ""


def _unknown(bed: str, to: str, open_beds: frozenset[str]) -> str:
    known = ", ".join(sorted(open_beds - {bed})) or "none"
    return f"there is no bed {to} that could; there are: {known}"


def carry(
    bed: str, event: Moving, beds: Mapping[str, State], open_beds: frozenset[str], put: Callable[[str, Input], object]
) -> None:
    """Tell the other bed of an event that is on record. beds: what each believes; open_beds: those that decide."""
    match event:
        case MoveAsked(case=case, to=to):
            coming = carried(beds[bed].durable)
            if coming is None:
                return  # answered in the meantime
            if to in open_beds:
                put(to, CaseArrived(bed, coming))
            else:
                put(bed, MoveAnswered(case, to, taken=False, why=_unknown(bed, to, open_beds)))
        case CaseReceived(origin=origin, carried=coming):
            if origin in open_beds:
                put(
                    origin,
                    MoveAnswered(coming.case.id, bed, taken=True, why="", over=is_over(coming.phase, coming.stop)),
                )
        case ArrivalRefused(origin=origin, case=case, reason=reason):
            if origin in open_beds:
                put(origin, MoveAnswered(case, bed, taken=False, why=reason))
        case _:
            assert_never(event)
