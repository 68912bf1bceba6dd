"""Where answers to people go: kept from the asking until the record is durable, bounded."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, TypeAlias

from infusion_gateway.model.events import InstructionAccepted, InstructionRefused
from infusion_gateway.runtime.broker import Publisher
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.wire.asking import Answer
from infusion_gateway.wire.sealing import Seal

OWED = 256
"""Answers owed at once, and answers remembered; above this the oldest asker gets none (it has long given up)."""


_Outcome: TypeAlias = Literal["accepted", "refused", "not-recorded"]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who waits for an answer: the topic for it, and what it was tagged with."""

    bed: str
    topic: str | None
    correlation: bytes | None


class Answers:
    """The answers owed. Each is given once, sealed as the gateway does."""

    def __init__(self, publisher: Publisher, seal: Seal, clock: Clock) -> None:
        self._publisher = publisher
        self._seal = seal
        self._clock = clock
        self._owed: OrderedDict[tuple[str, str], Asker] = OrderedDict()
        self._given: OrderedDict[tuple[str, str, str], tuple[_Outcome, str]] = OrderedDict()

    def owe(self, identity: str, asker: Asker) -> None:
        """Remember who asked."""
        self._owed[asker.bed, identity] = asker
        while len(self._owed) > OWED:
            self._owed.popitem(last=False)

    def had(self, asker: Asker, name: str, identity: str) -> bool:
        """Say whether this came before: while that is owed its answer it is answered once, then again as before."""
        return (bool(identity) and (asker.bed, identity) in self._owed) or self.repeat(asker, name, identity)

    def repeat(self, asker: Asker, name: str, identity: str) -> bool:
        """Answer as before what was answered before: a message that came twice is one instruction. False: it wasn't."""
        known = self._given.get((asker.bed, name, identity)) if identity else None
        if known is None:
            return False
        self._publish(asker, name, identity, known)
        return True

    def give(self, bed: str, event: InstructionAccepted | InstructionRefused, *, kept: bool) -> None:
        """Answer what became of an instruction. kept: it is on record."""
        asker = self._owed.pop((bed, event.id), None)
        if asker is None:
            return
        outcome: _Outcome
        match event:
            case InstructionRefused():
                outcome = "refused"
            case InstructionAccepted(recorded=recorded):
                outcome = "accepted" if kept and recorded else "not-recorded"
        self._keep(asker.bed, event.instruction, event.id, (outcome, event.reason))
        self._publish(asker, event.instruction, event.id, (outcome, event.reason))

    def refuse(self, asker: Asker, name: str, identity: str, reason: str, *, for_good: bool = False) -> None:
        """Answer at once what could not even be put to the bed; who else asked under this id still gets an answer.

        for_good: whatever comes under this id has this answer from now on.
        """
        if for_good:
            self._keep(asker.bed, name, identity, ("refused", reason))
        if self._owed.get((asker.bed, identity)) is asker:
            del self._owed[asker.bed, identity]
        self._publish(asker, name, identity, ("refused", reason))

    def _keep(self, bed: str, name: str, identity: str, answer: tuple[_Outcome, str]) -> None:
        self._given[bed, name, identity] = answer
        while len(self._given) > OWED:
            self._given.popitem(last=False)

    def _publish(self, asker: Asker, name: str, identity: str, answer: tuple[_Outcome, str]) -> None:
        if asker.topic is not None:
            payload = Answer.of((asker.bed, name, identity), *answer, self._clock.utc_ns()).to_bytes()
            self._publisher.answer(asker.topic, self._seal(asker.topic, payload), asker.correlation)
