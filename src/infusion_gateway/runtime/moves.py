"""Moves: carries a case between two beds of this gateway, each step only once the one before it is on record.

What a crash interrupts begins anew: a bed that has asked asks again, and the other takes a case once.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

from infusion_gateway.core.moving import carried, is_over
from infusion_gateway.core.state import State
from infusion_gateway.model.events import ArrivalRefused, CaseReceived, MoveAsked
from infusion_gateway.model.inputs import CaseArrived, Input, MoveAnswered

Moving: TypeAlias = MoveAsked | CaseReceived | ArrivalRefused
"""Events that another bed waits for."""


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
                known = ", ".join(sorted(open_beds - {bed})) or "none"
                put(
                    bed, MoveAnswered(case, to, taken=False, why=f"there is no bed {to} that could; there are: {known}")
                )
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
