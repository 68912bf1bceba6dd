"""What of all that arrives as an instruction is worth the gateway's time: pure, cheap, and bounded by kind.

Every kind has an allowance of its own, so that neither a flood of nonsense, of forgeries, of repetitions nor of one
station's own stands in the way of anybody's stop. What is let through is judged again where it counts
(wire.admission); what isn't is counted, by bed.
"""

import hashlib
from collections import Counter, OrderedDict

from infusion_gateway.model.instructions import NAMES
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


class Remembered:
    """What was seen of late, bounded."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, digest: bytes) -> None:
        """Remember; the oldest is forgotten for it."""
        self._seen[digest] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


class Sieve:
    """Lets through or counts."""

    def __init__(self, topics: Topics) -> None:
        self._keys = Keyring(())
        self._topics = topics
        self._allowed: dict[tuple[str, str], Allowance] = {}
        self._passed = Remembered()
        self._forged = Remembered()
        self._dropped: Counter[str] = Counter()

    @property
    def keys(self) -> Keyring:
        """Whose signature counts; none: nobody signs."""
        return self._keys

    @keys.setter
    def keys(self, keys: Keyring) -> None:
        self._keys, self._forged = keys, Remembered()

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
            nonsense = name not in NAMES or (stopping and isinstance(parse_instruction(name, payload), Refusal))
            return bed, "nonsense" if nonsense else "stop" if stopping else "other"
        this = _digest(topic, payload)
        if this in self._forged:  # far cheaper than verifying it again
            return bed, "nonsense"
        key = self.keys.verify(topic, payload)
        if not isinstance(key, EnrolledKey) or name not in key.instructions:
            self._forged.add(this)
            return bed, "nonsense"
        if this in self._passed:
            return bed, "nonsense"
        self._passed.add(this)
        return f"key {key.kid}", "stop" if stopping else "other"

    def _allow(self, whose: str, kind: str, now: Nanos) -> bool:
        key = (whose, kind)
        if key not in self._allowed and len(self._allowed) >= KINDS * BEDS:
            key = (ELSEWHERE, kind)  # strangers share what is left
        if key not in self._allowed:
            history = kind == "history"
            bounds = (HISTORY_PER_S, HISTORY_RESERVE) if history else (PER_S, RESERVE)
            self._allowed[key] = Allowance(*bounds)
        return self._allowed[key].take(now)


def _digest(topic: str, payload: bytes) -> bytes:
    return hashlib.sha256(topic.encode() + b"\0" + payload).digest()
