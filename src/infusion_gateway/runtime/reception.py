"""Where instructions come in: judged at the border, put to their bed, or turned away, answered and on record.

What is cheap to tell comes first, and every kind has an allowance of its own: neither a flood of nonsense, of forgeries
or of one station's own stands in the way of anybody's stop. What is turned away goes on record once a second at most,
with how many more there were.
"""

from collections.abc import Callable, Mapping

import structlog

from infusion_gateway.model.inputs import DeadlineReached, Instructed, TurnedAway
from infusion_gateway.model.metric import Nanos
from infusion_gateway.runtime.answers import Answers, Asker
from infusion_gateway.runtime.audience import Allowance
from infusion_gateway.runtime.bed import Bed
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.incoming import ReplyTo
from infusion_gateway.wire.admission import Admission
from infusion_gateway.wire.asking import Parsed, Refusal
from infusion_gateway.wire.topics import Topics

log = structlog.get_logger(__name__)

PER_S, RESERVE = 10, 20
"""Instructions of a kind that are taken: of a key, or of a bed where nobody signs."""
RECORDS_RESERVE = 5
"""Refusals that go on record at once; after them one a second."""
BEDS = 64
"""Beds with an allowance of their own; names beyond share one."""
KINDS = 4
STOPPING = ("stop", "hold")


class Reception:
    """Takes every instruction that arrives. beds: gives the beds there are."""

    def __init__(
        self,
        topics: Topics,
        admission: Admission,
        answers: Answers,
        beds: Callable[[], Mapping[str, Bed]],
        clock: Clock,
    ) -> None:
        self.admission = admission
        self._topics = topics
        self._answers = answers
        self._beds = beds
        self._clock = clock
        self._allowed: dict[tuple[str, str], Allowance] = {}
        self._sayings = Allowance(1, 5)
        self._unrecorded: dict[str, int] = {}
        self.ignored = 0

    def take(self, bed: str, name: str, payload: bytes, reply_to: ReplyTo) -> None:
        """Take an instruction of this name for this bed."""
        now = self._clock.now()
        stopping, anybody = name in STOPPING, not self.admission.keys
        if anybody and not stopping and not self._allow(bed, "other", now):
            self._ignore(bed, name, now)
            return
        found = self.admission.admit(f"{self._topics.root}/{bed}/do/{name}", name, payload, now)
        topic = reply_to.topic or (self._topics.answers(found.station) if found.station else None)
        asker = Asker(bed, topic, reply_to.correlation)
        if isinstance(found, Refusal):
            self._turn_away(name, found, asker, now)
            return
        whose = f"key {found.signed.kid}" if found.signed is not None else bed
        if (stopping or not anybody) and not self._allow(whose, "stop" if stopping else "other", now):
            self._ignore(bed, name, now)
            return
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
        elif not self._answers.repeat(asker, name, parsed.id):
            self._answers.owe(parsed.id, asker)
            asked = Instructed(parsed.instruction, parsed.by, parsed.id, parsed.case, parsed.signed)
            if not bed.inbox.put(asked):
                self._answers.refuse(asker, name, parsed.id, "too many instructions wait at this bed; try again")

    def _turn_away(self, name: str, found: Refusal, asker: Asker, now: Nanos) -> None:
        """Answer, within reason, what is no instruction of anybody's, and put on record that it came."""
        bed = self._beds().get(asker.bed)
        answered = self._allow(asker.bed, "nonsense", now)
        if answered:
            self._answers.refuse(asker, name, found.id, found.reason)
        if bed is None:
            self._ignore(asker.bed, name, now)
            return
        others = self._unrecorded.get(asker.bed, 0)
        turned = TurnedAway(name, found.reason, found.key, others)
        if self._allow(asker.bed, "record", now) and bed.inbox.put(turned):
            self._unrecorded[asker.bed] = 0
            log.warning("instruction turned away", bed=asker.bed, instruction=name, key=found.key, others=others)
        else:
            self._unrecorded[asker.bed] = others + 1

    def _allow(self, whose: str, kind: str, now: Nanos) -> bool:
        key = (whose, kind)
        if key not in self._allowed and len(self._allowed) >= KINDS * BEDS:
            key = ("", kind)  # strangers share what is left
        if key not in self._allowed:
            self._allowed[key] = Allowance(1, RECORDS_RESERVE) if kind == "record" else Allowance(PER_S, RESERVE)
        return self._allowed[key].take(now)

    def _ignore(self, bed: str, name: str, now: Nanos) -> None:
        self.ignored += 1
        if self._sayings.take(now):
            log.warning("instruction ignored", bed=bed, instruction=name, all=self.ignored)
