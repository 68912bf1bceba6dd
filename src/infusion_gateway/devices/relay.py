"""A relay box with a lamp on three coils: writes what ought to be lit, and believes only what it reads back.

A driver like any other, so that bus and line carry it; but nothing of it is measured, so it has nothing to say.
"""

from collections.abc import Mapping

from infusion_gateway.devices.driver import (
    Kind,
    NoAnswer,
    ReadRegisters,
    Refused,
    Reply,
    Request,
    Table,
    Traits,
    Use,
    Wire,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Fault, Observation

LOOK_EVERY: Nanos = SECOND
"""The coils are read, and written anew where they are not as they should be, so often."""
TIMEOUT: Nanos = SECOND // 2
SILENCE: Nanos = SECOND // 10
SEEN_WITHIN: Nanos = 3 * SECOND
STUCK_AFTER = 2
"""Somebody else may switch a coil once between our writing and our reading."""


class Relay:
    """A lamp's coils, by coil: on or off. Pure."""

    traits = Traits(
        name="relay",
        vendor="any",
        model="coils by function 05 and 01",
        kind=Kind.MONITOR,
        wire=Wire.MODBUS,
        use=Use.CLINICAL_INTERFACE,
        stoppable=False,
        dead_man=None,
        dead_man_stored_for_ever=False,
        baud=9600,
        framing="8N1",
        silence=SILENCE,
        source="Modbus Application Protocol V1.1b3, 6.1 and 6.5",
        timeout=TIMEOUT,
    )
    awaiting = False

    def __init__(self, levels: Mapping[int, bool]) -> None:
        self._wanted = dict(levels)
        self._seen: dict[int, bool | None] = dict.fromkeys(levels)
        self._seen_at: dict[int, Nanos] = {}
        self._written: dict[int, bool] = {}
        self._other: dict[int, int] = {}  # how often in a row a coil read as something else than was written
        self._look_at: Nanos = 0
        self._why = "it has not answered yet"

    def want(self, levels: Mapping[int, bool]) -> None:
        """Set what the coils ought to be."""
        self._wanted.update(levels)

    def why(self, now: Nanos) -> str:
        """Say why the lamp can't be relied on; "" where every coil was read of late and does what it is told."""
        if not all(now - self._seen_at.get(coil, -SEEN_WITHIN) < SEEN_WITHIN for coil in self._wanted):
            return self._why
        stuck = [coil for coil, times in self._other.items() if times >= STUCK_AFTER]
        return f"coil {stuck[0]} does not do what it is told" if stuck else ""

    def lost(self, why: str) -> None:
        """Take note that its line is gone, or that it was told to be wrong."""
        self._why = why

    def opened(self, now: Nanos) -> None:
        """Know nothing of the coils any more."""
        self._seen = dict.fromkeys(self._wanted)
        self._look_at = now

    def identify(self) -> tuple[Request, ...]:
        """Ask nothing: a relay box does not say who it is."""
        return ()

    def due(self, now: Nanos) -> tuple[Request, ...]:
        """Write what differs; read all of it back now and then, and after that."""
        asked: list[Request] = []
        for coil, lit in self._wanted.items():
            if self._seen[coil] is not lit:
                asked.append(WriteRegisters(Table.COIL, coil, (int(lit),), TIMEOUT))
                self._seen[coil] = lit  # as far as asking goes: what is read back says otherwise
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            asked += [ReadRegisters(Table.COIL, coil, 1, TIMEOUT) for coil in self._wanted]
        return tuple(asked)

    def next_due(self) -> Nanos | None:
        """Say when there is something to write or to read."""
        return 0 if any(self._seen[c] is not lit for c, lit in self._wanted.items()) else self._look_at

    def receive(self, reply: Reply, now: Nanos) -> tuple[Observation | Fault, ...]:
        """Take what a coil reads; one that is not as it was written is written again."""
        match reply:
            case Words(request=ReadRegisters(address=coil), words=(value,)) if coil in self._wanted:
                self._seen[coil] = bool(value)
                self._seen_at[coil] = now
                other = bool(value) is not self._written.get(coil, bool(value))
                self._other[coil] = self._other.get(coil, 0) + 1 if other else 0
            case Written(request=WriteRegisters(address=coil, values=(value,))):
                self._written[coil] = bool(value)
            case Refused(code=code):
                self._why = f"it refuses a coil (Modbus exception {code})"
            case NoAnswer():
                self._why = "it does not answer"
            case _:
                pass
        return ()

    def stop(self) -> tuple[Request, ...]:
        """Give nothing: it is no pump."""
        return ()

    def dead_man(self, seconds: int) -> tuple[Request, ...]:  # noqa: ARG002 - a driver's signature
        """Give nothing: it keeps none."""
        return ()
