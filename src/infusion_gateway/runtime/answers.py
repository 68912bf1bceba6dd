"""Where answers to people go: kept from the asking until the record is durable, bounded."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from infusion_gateway.model.events import InstructionAccepted, InstructionRefused
from infusion_gateway.runtime.broker import Publisher
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.wire.asking import Answer

OWED = 256
"""Answers owed at once; above this the oldest asker gets none (it has long given up)."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who waits for an answer: the topic for it, and what it was tagged with."""

    bed: str
    topic: str | None
    correlation: bytes | None


class Answers:
    """The answers owed. Each is given once."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._owed: OrderedDict[tuple[str, str], Asker] = OrderedDict()

    def owe(self, identity: str, asker: Asker) -> None:
        """Remember who asked."""
        self._owed[asker.bed, identity] = asker
        while len(self._owed) > OWED:
            self._owed.popitem(last=False)

    def give(self, bed: str, event: InstructionAccepted | InstructionRefused, *, kept: bool) -> None:
        """Answer what became of an instruction. kept: it is on record."""
        asker = self._owed.pop((bed, event.id), None)
        if asker is None:
            return
        outcome: Literal["accepted", "refused", "not-recorded"]
        match event:
            case InstructionRefused():
                outcome = "refused"
            case InstructionAccepted(recorded=recorded):
                outcome = "accepted" if kept and recorded else "not-recorded"
        self._send(asker, event.instruction, event.id, outcome, event.reason)

    def refuse(self, asker: Asker, name: str, identity: str, reason: str) -> None:
        """Answer at once what could not even be put to the bed."""
        self._send(asker, name, identity, "refused", reason)

    def _send(
        self, asker: Asker, name: str, identity: str, outcome: Literal["accepted", "refused", "not-recorded"], why: str
    ) -> None:
        if asker.topic is not None:
            payload = Answer.of((asker.bed, name, identity), outcome, why, self._clock.utc_ns()).to_bytes()
            self._publisher.answer(asker.topic, payload, asker.correlation)
