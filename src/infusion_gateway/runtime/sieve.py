"""What of all that arrives as an instruction is worth the gateway's time: pure, cheap, and bounded by kind.

Every kind has an allowance of its own, so that neither a flood of nonsense, of forgeries, of repetitions nor of one
station's own stands in the way of anybody's stop. What is let through is judged again where it counts
(wire.admission); what isn't is counted, by bed.
"""

import hashlib
from collections import Counter, OrderedDict

from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.metric import Nanos
from infusion_gateway.runtime.audience import Allowance
from infusion_gateway.wire.asking import LONGEST, Refusal, parse_instruction
from infusion_gateway.wire.sealing import Keyring
from infusion_gateway.wire.topics import AskedHistory, Do, Topics

PER_S, RESERVE = 10, 20
"""Instructions of a kind that are let through: of a key, or of a bed where nobody signs."""
HISTORY_PER_S, HISTORY_RESERVE = 50, 100
"""Questions for what happened, of all stations together."""
BEDS = 64
"""Beds with allowances of their own; names beyond share one."""
KINDS = 3
REMEMBERED = 4096
"""Messages whose repetition is known as such."""
STOPPING = ("stop", "hold")
ELSEWHERE = ""
"""Stands for every bed beyond the first ones that anything was dropped for."""


class Sieve:
    """Lets through or counts. keys: whose signature counts; none, where nobody signs."""

    def __init__(self, topics: Topics) -> None:
        self.keys = Keyring(())
        self._topics = topics
        self._allowed: dict[tuple[str, str], Allowance] = {}
        self._passed: OrderedDict[bytes, None] = OrderedDict()
        self._dropped: Counter[str] = Counter()

    def passes(self, topic: str, payload: bytes, now: Nanos) -> bool:
        """Say whether this message is let through."""
        match self._topics.parse(topic):
            case Do(bed=bed, instruction=name):
                whose, kind = self._sorted(bed, name, topic, payload)
            case AskedHistory():
                bed, whose, kind = ELSEWHERE, ELSEWHERE, "history"
            case _:
                return False
        if len(payload) <= LONGEST and self._allow(whose, kind, now):
            return True
        self._dropped[bed if bed in self._dropped or len(self._dropped) < BEDS else ELSEWHERE] += 1
        return False

    def dropped(self) -> dict[str, int]:
        """Give how many were not let through since it was last asked, by bed."""
        found, self._dropped = dict(self._dropped), Counter()
        return found

    def _sorted(self, bed: str, name: str, topic: str, payload: bytes) -> tuple[str, str]:
        """Say on whose account a message is, and of which kind."""
        stopping = name in STOPPING
        if len(payload) > LONGEST:
            return bed, "nonsense"
        if not self.keys:
            nonsense = stopping and isinstance(parse_instruction(name, payload), Refusal)
            return bed, "nonsense" if nonsense else "stop" if stopping else "other"
        key = self.keys.verify(topic, payload)
        if not isinstance(key, EnrolledKey) or name not in key.instructions or self._repeated(payload):
            return bed, "nonsense"
        return f"key {key.kid}", "stop" if stopping else "other"

    def _repeated(self, payload: bytes) -> bool:
        digest = hashlib.sha256(payload).digest()
        known = digest in self._passed
        self._passed[digest] = None
        if len(self._passed) > REMEMBERED:
            self._passed.popitem(last=False)
        return known

    def _allow(self, whose: str, kind: str, now: Nanos) -> bool:
        key = (whose, kind)
        if key not in self._allowed and len(self._allowed) >= KINDS * BEDS:
            key = (ELSEWHERE, kind)  # strangers share what is left
        if key not in self._allowed:
            history = kind == "history"
            bounds = (HISTORY_PER_S, HISTORY_RESERVE) if history else (PER_S, RESERVE)
            self._allowed[key] = Allowance(*bounds)
        return self._allowed[key].take(now)
