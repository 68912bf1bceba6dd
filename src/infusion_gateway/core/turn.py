"""Turn: one step's working copy. Durable state changes only by emitting an event, so it is the journal's fold.

Live state is a copy of the turn's own, written to in place. protocol: what the case is held against, None without one.
"""

from collections.abc import Callable

from infusion_gateway.core.claims import Claim
from infusion_gateway.core.durable import Durable
from infusion_gateway.core.evolve import evolve
from infusion_gateway.core.live import DeviceNow, Kept, Live, Source
from infusion_gateway.core.sources import choose
from infusion_gateway.core.state import State
from infusion_gateway.model.commands import Command
from infusion_gateway.model.events import CaseMoved, CaseOrdered, CaseReceived, Event
from infusion_gateway.model.metric import Metric, Nanos
from infusion_gateway.model.observation import Reading
from infusion_gateway.model.session import BedSetup, Phase, SessionProtocol


class Turn:
    """What one step has come to so far. Lives no longer than the step. phase: as the case now is."""

    __slots__ = (
        "claims",
        "commands",
        "deadline",
        "durable",
        "events",
        "live",
        "now",
        "phase",
        "protocol",
        "pump_setup",
        "setup",
        "sources",
        "touched",
    )

    def __init__(self, state: State, now: Nanos) -> None:
        self.setup: BedSetup = state.setup
        self.sources = state.sources
        self.durable = state.durable
        self.phase: Phase = state.durable.phase
        self.live: Live = state.live.copied()
        self.protocol = _protocol(self.setup, self.durable)
        self.pump_setup = self.setup.pump
        self.now = now
        self.events: list[Event] = []
        self.commands: list[Command] = []
        self.claims: dict[str, Claim] = {}
        self.touched: set[Metric] = set()
        self.deadline: Nanos | None = None

    def emit(self, event: Event) -> None:
        """Record a fact; durable state takes it up at once."""
        self.durable = evolve(self.durable, event, self.now)
        self.phase = self.durable.phase
        self.events.append(event)
        if isinstance(event, CaseOrdered | CaseReceived | CaseMoved):
            self.protocol = _protocol(self.setup, self.durable)

    def command(self, command: Command) -> None:
        """Ask the pump for something."""
        self.commands.append(command)

    def claim(self, claim: Claim) -> None:
        """Hold a condition to be true now; of two claims of one code the more urgent stands."""
        other = self.claims.get(claim.code)
        if other is None or claim.priority > other.priority:
            self.claims[claim.code] = claim

    def wake_at(self, time: Nanos) -> None:
        """Ask for a step at this time though nothing comes; a time that has come asks for nothing."""
        if time > self.now and (self.deadline is None or time < self.deadline):
            self.deadline = time

    def has_come(self, time: Nanos) -> bool:
        """Say whether a time has come; if not, ask for a step then."""
        if time <= self.now:
            return True
        if self.deadline is None or time < self.deadline:
            self.deadline = time
        return False

    def chosen(self, metrics: tuple[Metric, ...]) -> tuple[Source, Reading] | None:
        """Choose the reading that counts now."""
        return choose(self.sources, self.live, metrics, self.now)

    def keep(self, name: str, key: tuple[object, ...], rule: Callable[[], None]) -> None:
        """Go through a rule where what it goes by has changed or its time has come; else claim what it came to.

        key: all that it goes by; time it sees by `has_come` alone.
        """
        known = self.live.kept.get(name)
        if known is None or known.key != key or (known.wake is not None and known.wake <= self.now):
            claims, deadline = self.claims, self.deadline
            self.claims, self.deadline = {}, None
            rule()
            known = self.live.kept[name] = Kept(key, tuple(self.claims.values()), self.deadline)
            self.claims, self.deadline = claims, deadline
        for claim in known.claims:
            self.claim(claim)
        if known.wake is not None:
            self.wake_at(known.wake)

    def device(self, name: str) -> DeviceNow:
        """Give what is known of a device."""
        return self.live.devices.get(name) or DeviceNow()

    def changing(self, name: str) -> DeviceNow:
        """Give a device to write to."""
        known = self.live.devices.get(name)
        device = known.copied() if known is not None else DeviceNow()
        self.live.devices[name] = device
        return device

    def holds_since(self, code: str, holds: bool) -> Nanos | None:  # noqa: FBT001 -- a fact to keep time of
        """Keep the time since which a cause holds without a break; None while it doesn't."""
        known = self.live.since.get(code)
        if holds and known is None:
            self.live.since[code] = self.now
            return self.now
        if not holds and known is not None:
            del self.live.since[code]
            return None
        return known

    @property
    def away(self) -> bool:
        """Whether the patient is off the monitors by a person's word: until then, and only while nothing flows."""
        until = self.durable.away_until
        return until is not None and not self.live.pump.runs and not self.has_come(until)

    @property
    def done(self) -> State:
        """The state that the step leaves behind."""
        self.live.deadline = self.deadline
        return State(self.setup, self.sources, self.durable, self.live)


def _protocol(setup: BedSetup, durable: Durable) -> SessionProtocol | None:
    case = durable.case
    if case is not None:
        for protocol in setup.protocols:
            if protocol.name == case.order.protocol:
                return protocol
    return None
