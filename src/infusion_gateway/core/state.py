"""State of one bed: the durable part is the fold of its journal, the live part is what the devices last said."""

from dataclasses import dataclass

from infusion_gateway.core.durable import Durable
from infusion_gateway.core.evolve import evolve, fold
from infusion_gateway.core.live import Live, Newest, PumpNow, Values
from infusion_gateway.core.sources import BY_HAND, Sources, sources_of
from infusion_gateway.errors import Broken
from infusion_gateway.model.observation import Reading, Validity
from infusion_gateway.model.session import BedSetup, Phase

__all__ = ["State", "evolve", "fold", "initial", "restored"]

UNFINISHED = frozenset(Phase) - {Phase.IDLE, Phase.CLOSED, Phase.ABORTED}


@dataclass(frozen=True, slots=True)
class State:
    """Everything that deciding needs. setup, and sources drawn from it, never change while the process lives."""

    setup: BedSetup
    sources: Sources
    durable: Durable
    live: Live


def initial(setup: BedSetup) -> State:
    """Give the state of a bed whose journal is empty."""
    return State(setup, sources_of(setup), Durable(), Live())


def restored(setup: BedSetup, durable: Durable) -> State:
    """Give the state after a start: the journal's fold, and nothing known of any device.

    Raises Broken where a case is under way whose protocol is no longer configured.
    """
    case = durable.case
    if case is not None and durable.phase in UNFINISHED and all(p.name != case.order.protocol for p in setup.protocols):
        raise Broken(f"bed {setup.bed}: case {case.id} is under way, but its protocol {case.order.protocol} is gone")
    values = Values()
    for known in case.by_hand if case is not None else ():
        reading = Reading(known.metric, known.value, Validity.VALID, known.measured_at)
        values[known.metric, BY_HAND] = Newest(reading, known.measured_at, known.measured_at)
    pump = PumpNow(rest_ml=durable.account.counter_ml if durable.phase is Phase.ARMED else None)
    inherited = frozenset(code for code, raised in durable.conditions.items() if raised.present)
    live = Live(account=durable.account, pump=pump, values=values, inherited=inherited)
    return State(setup, sources_of(setup), durable, live)
