"""Several beds of one gateway, a world each, on one clock; cases move between them as the production code carries them.

The worlds take turns, a slice of time each, so that what one bed tells another comes a slice later at most.
"""

from collections.abc import Callable, Mapping

from infusion_gateway.model.events import ArrivalRefused, CaseReceived, MoveAsked
from infusion_gateway.model.inputs import Input
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.moves import carry
from simulation.world import World

SLICE_S = 0.25
MOVING = (MoveAsked, CaseReceived, ArrivalRefused)


class Ward:
    """worlds: by bed. looks: called after each slice."""

    def __init__(self, worlds: Mapping[str, World]) -> None:
        self.worlds = dict(worlds)
        self.looks: list[Callable[[], None]] = []
        self._told = dict.fromkeys(worlds, 0)

    @property
    def now(self) -> int:
        """The clock that they share."""
        return next(iter(self.worlds.values())).now

    def run(self, seconds: float) -> None:
        """Let so much time pass at every bed."""
        end = self.now + round(seconds * SECOND)
        while self.now < end:
            left = min(SLICE_S, (end - self.now) / SECOND)
            for world in self.worlds.values():
                world.run(left)
            self._carry()
            for look in self.looks:
                look()

    def crash(self) -> None:
        """Kill the one process that looks after all the beds."""
        for world in self.worlds.values():
            world.crash()

    def restart(self, *, same_boot: bool = True) -> None:
        """Start it again."""
        for bed, world in self.worlds.items():
            world.restart(same_boot=same_boot)
            self._told[bed] = len(world.disk.rows)

    def _carry(self) -> None:
        """Take what beds have on record of a case on its way to the bed that it concerns."""
        for bed, world in self.worlds.items():
            rows = world.disk.rows[self._told[bed] :]
            self._told[bed] += len(rows)
            for row in rows if world.alive else ():
                if isinstance(row.event, MOVING):
                    states = {name: other.state for name, other in self.worlds.items()}
                    carry(bed, row.event, states, frozenset(self.worlds), self._put)

    def _put(self, bed: str, given: Input) -> None:
        self.worlds[bed].give(given)
