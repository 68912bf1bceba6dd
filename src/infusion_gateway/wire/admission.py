"""Whether an instruction is a person's, here and now: signed by an enrolled key, allowed to it, fresh, and once.

An instruction repeats the challenge of one of the gateway's last two heartbeats: no two clocks need agree, and nothing
has to be remembered over a restart. A stop needs none: fail towards stopping. It is bound to bed and case all the same,
and counts once. Where nobody is enrolled (mode test or demo) nothing is signed, and nothing of this is asked.
"""

import hashlib
from collections import OrderedDict, deque

from infusion_gateway.model.instructions import Acknowledge, HoldOff, Stop
from infusion_gateway.model.keys import EnrolledKey, Signed
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.wire.asking import LONGEST, Parsed, Refusal, parse_instruction
from infusion_gateway.wire.sealing import Keyring, Unsealed
from infusion_gateway.wire.stamps import words

CHALLENGES = 2
CHALLENGE_FOR: Nanos = 12 * SECOND
"""Two heartbeats and what a busy machine may add."""
TAKEN_FOR: Nanos = 60 * SECOND
"""How long an instruction is known to have been taken: longer than its challenge holds."""
TAKEN = 4096
LATE = "it repeats no challenge of the last two heartbeats: it is late, or of another time. Ask anew"
STOPS = 1024
"""Stops that are known to have been taken, whenever that was; the record knows the latest of a bed too."""


class Admission:
    """Judges what comes in, one gateway's. Pure: times and challenges are passed in."""

    def __init__(self, keys: Keyring) -> None:
        self.keys = keys
        self._challenges: deque[tuple[str, Nanos]] = deque(maxlen=CHALLENGES)
        self._taken: OrderedDict[bytes, Nanos] = OrderedDict()
        self._stops: OrderedDict[bytes, None] = OrderedDict()

    def renew(self, challenge: str, now: Nanos) -> None:
        """Take note of the challenge that goes out with a heartbeat; the one before holds for one heartbeat more."""
        self._challenges.append((challenge, now))

    def admit(self, topic: str, name: str, payload: bytes, now: Nanos) -> Parsed | Refusal:
        """Read the instruction of this name that came on this topic, or say in words why it is turned away."""
        if not self.keys:
            return parse_instruction(name, payload)
        if len(payload) > LONGEST:  # before it is hashed
            return Refusal(f"The message has {len(payload)} bytes. At most {LONGEST} are read")
        key = self.keys.verify(topic, payload)
        if isinstance(key, Unsealed):
            return Refusal(f"{key.why}. Sign it with a key that this gateway's configuration enrols")
        parsed = parse_instruction(name, payload)
        if name not in key.instructions:
            why = f"{key.kid} may not ask for {words(name, 32)}: the roles of its key don't allow it"
            return Refusal(why, parsed.id, parsed.station, key.kid, parsed.by)
        if isinstance(parsed, Refusal):
            return Refusal(parsed.reason, parsed.id, parsed.station, key.kid, parsed.by)
        why = self._stale(parsed, payload, now)
        if why:
            return Refusal(why, parsed.id, parsed.station, key.kid, parsed.by, late=why == LATE)
        return _signed(parsed, key, topic, payload)

    def _stale(self, parsed: Parsed, payload: bytes, now: Nanos) -> str:
        """Say why a genuine instruction is not one of here and now, "" where it is; it then counts as taken."""
        while self._taken and now - next(iter(self._taken.values())) > TAKEN_FOR:
            self._taken.popitem(last=False)
        this = hashlib.sha256(payload).digest()
        if this in self._taken or this in self._stops:
            return "these very bytes were taken before: this is a replay, and changes nothing"
        asked = parsed.instruction
        if isinstance(asked, Stop):
            self._stops[this] = None
            if len(self._stops) > STOPS:
                self._stops.popitem(last=False)
            return ""
        if not any(parsed.challenge == known and now - at <= CHALLENGE_FOR for known, at in self._challenges):
            return LATE
        if isinstance(asked, Acknowledge | HoldOff) and asked.since is None:
            return "it doesn't say which occurrence it means. Name the alarm's `instance`"
        if len(self._taken) >= TAKEN:
            return "too many instructions within a minute. Ask again"
        self._taken[this] = now
        return ""


def _signed(parsed: Parsed, key: EnrolledKey, topic: str, payload: bytes) -> Parsed:
    return Parsed(
        parsed.instruction,
        parsed.by,
        parsed.id,
        parsed.case,
        parsed.station,
        parsed.challenge,
        Signed(key.kid, topic, payload.decode()),
    )
