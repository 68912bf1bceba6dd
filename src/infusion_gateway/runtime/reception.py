"""Where instructions come in: judged, put to their bed, or turned away, answered and on record.

How much comes in is bounded at the border (runtime.sieve). What is turned away goes on record once a second at most,
with how many more there were, let through or not.
"""

from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from infusion_gateway.model.inputs import DeadlineReached, Instructed, TurnedAway
from infusion_gateway.model.instructions import Confirm, Instruction, Move, PlaceOrder
from infusion_gateway.model.metric import Nanos
from infusion_gateway.runtime.answers import Answers, Asker
from infusion_gateway.runtime.audience import Allowance
from infusion_gateway.runtime.bed import Bed
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.incoming import ReplyTo
from infusion_gateway.runtime.moves import has_another, no_room
from infusion_gateway.wire.admission import Admission
from infusion_gateway.wire.asking import Parsed, Refusal
from infusion_gateway.wire.topics import Topics

log = structlog.get_logger(__name__)

TAKEN_UP = "this instruction was already taken up: look at the bed"
RECORDS_PER_S, RECORDS_RESERVE = 1, 5
"""Refusals of a bed's that go on record."""


class Reception:
    """Takes every instruction that the border lets through.

    beds: gives the beds there are. unheard: gives how many for a bed were not let through since it was last asked.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        admission: Admission,
        answers: Answers,
        beds: Callable[[], Mapping[str, Bed]],
        unheard: Callable[[str], int],
        clock: Clock,
    ) -> None:
        self.admission = admission
        self._topics = topics
        self._answers = answers
        self._beds = beds
        self._unheard = unheard
        self._clock = clock
        self._recording: dict[str, Allowance] = {}
        self._unrecorded: Counter[str] = Counter()

    def take(self, bed: str, name: str, payload: bytes, reply_to: ReplyTo) -> None:
        """Take an instruction of this name for this bed."""
        now = self._clock.now()
        found = self.admission.admit(f"{self._topics.root}/{bed}/do/{name}", name, payload, now)
        topic = reply_to.topic or (self._topics.answers(found.station) if found.station else None)
        asker = Asker(bed, topic, reply_to.correlation)
        if isinstance(found, Refusal):
            self._turn_away(name, found, asker, now)
        else:
            self._put(name, found, asker)

    def _put(self, name: str, parsed: Parsed, asker: Asker) -> None:
        """Put a person's instruction to its bed, or answer at once why it can't be."""
        beds = self._beds()
        bed = beds.get(asker.bed)
        if bed is None:
            known = f"there is no bed {asker.bed!r}; there are {', '.join(beds)}"
            self._answers.refuse(asker, name, parsed.id, known)
        elif bed.broken is not None:
            bed.inbox.put(DeadlineReached())  # which asks the pump to stop
            self._answers.refuse(asker, name, parsed.id, "this bed is quarantined: stop the pump by hand")
        elif not self._answers.had(asker, name, parsed.id):
            self._answers.owe(parsed.id, asker)
            elsewhere = _elsewhere(asker.bed, parsed.instruction, beds)
            asked = Instructed(parsed.instruction, parsed.by, parsed.id, parsed.case, parsed.signed, elsewhere)
            if not bed.inbox.put(asked):
                self._answers.refuse(asker, name, parsed.id, "too many instructions wait at this bed; try again")

    def _turn_away(self, name: str, found: Refusal, asker: Asker, now: Nanos) -> None:
        """Answer what is no instruction of anybody's, and put on record that it came."""
        bed = self._beds().get(asker.bed)
        if found.late and found.id:
            self._answer_once(name, found, asker, bed)
        else:
            self._answers.refuse(asker, name, found.id, found.reason)
        if bed is None:
            return
        others = self._unrecorded.pop(asker.bed, 0) + self._unheard(asker.bed)
        records = self._recording.setdefault(asker.bed, Allowance(RECORDS_PER_S, RECORDS_RESERVE))
        if records.take(now) and bed.inbox.put(TurnedAway(name, found.reason, found.key, others, found.by)):
            log.warning("instruction turned away", bed=asker.bed, instruction=name, key=found.key, others=others)
        else:
            self._unrecorded[asker.bed] = others + 1

    def _answer_once(self, name: str, found: Refusal, asker: Asker, bed: Bed | None) -> None:
        """Refuse what came too late, unless a copy of it waits or was answered: what is sent again is signed anew.

        What is refused so stays refused, though another copy comes in time.
        """
        if self._answers.had(asker, name, found.id):
            return
        taken = bed is not None and found.id in bed.state.durable.instructions
        reason = TAKEN_UP if taken else found.reason
        self._answers.refuse(asker, name, found.id, reason, for_good=True)


def _elsewhere(bed: str, asked: Instruction, beds: Mapping[str, Bed]) -> str:
    """Say what at another bed stands against it: it can't take the case that moves, or has this one; "" nothing.

    Asked at the confirmation too, where two beds were given the same order at once.
    """
    states = {name: one.state for name, one in beds.items()}
    match asked:
        case Move(to=to):
            deciding = frozenset(name for name, one in beds.items() if one.broken is None)
            return no_room(bed, to.strip(), states, deciding)
        case PlaceOrder(case=code):
            return has_another(bed, code, states)
        case Confirm():
            here = states[bed].durable.case
            return has_another(bed, here.id, states) if here is not None else ""
        case _:
            return ""
