"""What a person asked shows once it is on record: the state as it would be without what the disk does not have yet.

Nothing else is kept back by that: meanwhile what devices and the time bring is stepped twice, with and without what was
asked, so that an alarm shows at once whatever waits for the disk.
"""

from dataclasses import dataclass

import structlog

from infusion_gateway.core.state import State
from infusion_gateway.core.step import step
from infusion_gateway.model.inputs import Input
from infusion_gateway.model.metric import Nanos

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Taken:
    """An input and when it was stepped. waits: for the disk."""

    given: Input
    at: Nanos
    waits: bool


class Pending:
    """What of one bed's inputs waits for the disk. visible: the state that may be shown."""

    def __init__(self, state: State) -> None:
        self.visible = state
        self._base = state
        self._since: list[Taken] = []

    def take(self, given: Input, at: Nanos, decided: State, *, waits: bool) -> Taken:
        """Take an input that was just stepped, which led to `decided`; give it back, to be settled where it waits."""
        taken = Taken(given, at, waits)
        if waits or self._since:
            self._since.append(taken)
            self._show(decided, [] if waits else [taken])
        else:
            self.visible = self._base = decided
        return taken

    def settle(self, taken: Taken, decided: State) -> None:
        """Let what was taken show, once: it is on record, or was waited for long enough. decided: the state now."""
        if not taken.waits:
            return
        taken.waits = False
        first = next((at for at, one in enumerate(self._since) if one.waits), None)
        if first is None:
            self.visible = self._base = decided
            self._since.clear()
            return
        self.visible = self._base
        self._show(decided, self._since[:first])
        self._base, self._since = self.visible, self._since[first:]
        self._show(decided, [one for one in self._since if not one.waits])

    def _show(self, decided: State, inputs: list[Taken]) -> None:
        try:
            for one in inputs:
                self.visible = step(self.visible, one.given, one.at).state
        except Exception:  # of what is only shown: the bed itself decides, and that is shown then
            log.exception("stepped without what was asked")
            self.visible = decided
