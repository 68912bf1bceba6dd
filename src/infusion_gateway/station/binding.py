"""What a signed instruction is bound to, gathered from what its gateway says: challenge, case, the alarm's occurrence.

Pure. Where the gateway's own key is known, only what it signed counts; else whatever stands on its topics does.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from infusion_gateway.model.instructions import Acknowledge, HoldOff, Instruction, PlaceOrder, Stop
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.wire.asking import LONGEST, write_instruction
from infusion_gateway.wire.sealing import Keyring, Signer
from infusion_gateway.wire.topics import Topics

LONGEST_STATE = 64 * 1024


class Binding:
    """One person's instruction on its way to being signed; of what the gateway says, the newest counts.

    case: the one meant, None to take the bed's as its gateway says it. gateway: its public keys, None where not known.
    """

    def __init__(
        self,
        topics: Topics,
        bed: str,
        name: str,
        instruction: Instruction,
        *,
        by: str,
        identity: str,
        case: str | None,
        station: str,
        signer: Signer,
        gateway: Keyring | None,
        utc_ns: Callable[[], int],
    ) -> None:
        self.topic = topics.do(bed, name)
        self.instruction = instruction
        self._heartbeat, self._session, self._alarms = topics.heartbeat, topics.session(bed), topics.alarms(bed)
        self.identity = identity
        self._by, self._station = by, station
        self._case, self._named = case, case is not None
        self._means = getattr(instruction, "since", None) is not None
        self._signer = signer
        self._gateway = gateway
        self._utc_ns = utc_ns
        self._challenge = ""
        self.unverified = 0

    @property
    def stops(self) -> bool:
        """Whether it is a stop, which waits for nothing that it doesn't need."""
        return isinstance(self.instruction, Stop)

    @property
    def filters(self) -> tuple[str, ...]:
        """Give the topics to listen on for what is missing."""
        return (self._heartbeat, self._session, self._alarms)

    @property
    def missing(self) -> str:
        """Say what the gateway has not said yet; "" where it can be written."""
        if not self._challenge and not self.stops:
            return "heartbeat"
        if self._case is None and not isinstance(self.instruction, PlaceOrder):
            return "session"
        if isinstance(self.instruction, Acknowledge | HoldOff) and self.instruction.since is None:
            return "alarms"
        return ""

    def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take a message; what is not what it should be is passed over. A challenge is never a kept one."""
        if topic not in self.filters or len(payload) > LONGEST_STATE:
            return
        if not self.genuine(topic, payload):
            self.unverified += 1
            return
        try:
            body = json.loads(payload)
        except (ValueError, RecursionError):
            return
        if not isinstance(body, dict):
            return
        if topic == self._heartbeat and not retained:
            challenge = body.get("challenge")
            self._challenge = challenge if isinstance(challenge, str) else ""
        elif topic == self._session and not self._named:
            case = body.get("case")
            self._case = case if isinstance(case, str) else ""
        elif topic == self._alarms:
            self._occurrence(body.get("alarms"))

    def genuine(self, topic: str, payload: bytes) -> bool:
        """Say whether a message is the gateway's, as far as that can be known here."""
        return self._gateway is None or isinstance(self._gateway.verify(topic, payload), EnrolledKey)

    def write(self) -> bytes:
        """Write and sign it as it can be now; once more, and it is the same instruction in other bytes."""
        payload = write_instruction(
            self.instruction,
            by=self._by,
            identity=self.identity,
            case=self._case or "",
            station=self._station,
            utc_ns=self._utc_ns(),
            challenge=self._challenge,
        )
        sealed = self._signer.seal(self.topic, payload)
        assert len(sealed) <= LONGEST, "what a person can enter fits"
        return sealed

    def _occurrence(self, alarms: object) -> None:
        """Take which occurrence of the alarm stands now; none: 0, and the gateway will say that there is none."""
        asked = self.instruction
        if not isinstance(asked, Acknowledge | HoldOff) or self._means or not isinstance(alarms, list):
            return
        standing = [one for one in alarms if isinstance(one, dict) and one.get("code") == asked.code]
        instance = str(standing[0].get("instance", "")) if standing else ""
        known = instance.isascii() and instance.isdigit()
        self.instruction = replace(asked, since=int(instance[:19]) if known else 0)
