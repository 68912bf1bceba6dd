"""A person's instruction from a page to a bed and its answer back, over the connection that the station listens on."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from infusion_gateway.model.instructions import PlaceOrder
from infusion_gateway.station.binding import Binding
from infusion_gateway.station.client import LONGEST_ANSWER, Mouth, expires_s, pauses
from infusion_gateway.station.history import genuine
from infusion_gateway.ward.beds import WardBed, WardGateway
from infusion_gateway.ward.picture import Picture
from infusion_gateway.ward.shown import Outcome
from infusion_gateway.wire.asking import Answer, Parsed, Refusal, parse_instruction, write_instruction
from infusion_gateway.wire.sealing import Signer
from infusion_gateway.wire.stamps import rfc3339, words

STOP_WITHIN_S = 2.0
"""A stop without an answer by then reads "NOT SENT: stop at the pump"."""
ANSWER_WITHIN_S = 6.0
"""An instruction expires after 5 s; what was not answered a little later never was."""
PENDING = 128


@dataclass(slots=True)
class _Pending:
    gateway: WardGateway
    bed: str
    name: str
    answer: "asyncio.Future[Answer]"


class Instructing:
    """Asks and waits. signer: the station's own key; None: nothing is signed."""

    def __init__(
        self, picture: Picture, mouth: Mouth, station: str, signer: Signer | None, utc_ns: Callable[[], int]
    ) -> None:
        self._picture, self._mouth, self._station = picture, mouth, station
        self._signer, self._utc_ns = signer, utc_ns
        self._pending: dict[str, _Pending] = {}

    async def instruct(
        self, gateway: str, bed: str, name: str, by: str, arguments: Mapping[str, Any], *, case: str | None
    ) -> Outcome:
        """Ask, and say what became of it; never raises but for being cancelled.

        case: the one that is meant, "" where there was none; None: whoever's there is.
        """
        identity = secrets.token_hex(16)
        found = self._picture.bed(gateway, bed)
        if found is None:
            return _said("refused", f"there is no bed {bed} of {gateway} here", identity)
        known = found.session.case if found.session is not None else None
        if case == "" and known and name != "order":  # a gateway that wants no signature would take it for anybody's
            return _said("refused", "this was begun when the bed had no case, and it has one now: begin anew", identity)
        parsed = self._parsed(name, by, arguments, case if case is not None else known, identity)
        if isinstance(parsed, Refusal):
            return _said("refused", parsed.reason, identity)
        if len(self._pending) >= PENDING:
            return _said("unanswered", f"{PENDING} instructions wait for their answers already", identity)
        whole = self._picture.gateways[gateway]
        write = self._writer(whole, found, name, parsed, case)
        if isinstance(write, str):
            return _said("unanswered", write, identity)
        pending = _Pending(whole, bed, name, asyncio.get_running_loop().create_future())
        self._pending[identity] = pending
        try:
            return await self._asked(whole.topics.do(bed, name), write, identity, pending, name)
        finally:
            del self._pending[identity]

    def answered(self, topic: str, payload: bytes) -> bool:
        """Take what came on the station's own topic; true where it is an answer to an instruction of ours."""
        if len(payload) > LONGEST_ANSWER:
            return False
        try:
            answer = Answer.model_validate_json(payload)
        except ValidationError:
            return False
        pending = self._pending.get(answer.id)
        if not answer.id and answer.outcome == "refused":  # of what can't be believed the gateway knows no id
            same = [p for p in self._pending.values() if (p.bed, p.name) == (answer.bed, answer.instruction)]
            pending = same[0] if len(same) == 1 else None
        if pending is None or not genuine(pending.gateway, topic, payload):
            return False
        if not pending.answer.done():
            pending.answer.set_result(answer)
        return True

    def _parsed(
        self, name: str, by: str, arguments: Mapping[str, Any], case: str | None, identity: str
    ) -> Parsed | Refusal:
        """Read it as the gateway will: what that would refuse for its form is refused here, in its words."""
        meant = arguments.get("case") if name == "order" else case
        body = {
            "id": identity,
            "by": by,
            "case": meant or "",
            "station": self._station,
            "time": rfc3339(self._utc_ns()),
            "arguments": dict(arguments),
        }
        try:
            return parse_instruction(name, json.dumps(body).encode())
        except (TypeError, ValueError) as error:
            return Refusal(f"the arguments are no JSON: {words(str(error), 100)}")

    def _writer(
        self, gateway: WardGateway, bed: WardBed, name: str, parsed: Parsed, case: str | None
    ) -> Callable[[], bytes] | str:
        """Give what writes it, signed where this station has a key; or why it can't be written."""
        if self._signer is None:
            payload = write_instruction(
                parsed.instruction,
                by=parsed.by,
                identity=parsed.id,
                case=parsed.case,
                station=self._station,
                utc_ns=self._utc_ns(),
            )
            return lambda: payload
        binding = Binding(
            gateway.topics,
            bed.bed,
            name,
            parsed.instruction,
            by=parsed.by,
            identity=parsed.id,
            case=parsed.case if case is not None or isinstance(parsed.instruction, PlaceOrder) else None,
            station=self._station,
            signer=self._signer,
            gateway=gateway.genuine.keys,
            utc_ns=self._utc_ns,
        )

        bound = False

        def write() -> bytes:
            nonlocal bound
            binding.take(gateway.topics.heartbeat, gateway.beat, retained=False)
            if not bound:
                binding.take(gateway.topics.session(bed.bed), bed.raw.get("session", b""), retained=False)
                binding.take(gateway.topics.alarms(bed.bed), bed.raw.get("alarms", b""), retained=False)
                # sent again it is for the same case and occurrence; but a stop is for whoever lies there
                bound = not binding.missing and not binding.stops
            return binding.write()

        write()
        if binding.missing and not binding.stops:
            return f"{gateway.topics.gateway} said no {binding.missing} to sign for. Nothing was asked"
        return write

    async def _asked(
        self, topic: str, write: Callable[[], bytes], identity: str, pending: _Pending, name: str
    ) -> Outcome:
        """Send it and wait, again and again until there is an answer: a flooded broker may have dropped it."""
        stops = name == "stop"
        began, within = time.monotonic(), STOP_WITHIN_S if stops else ANSWER_WITHIN_S
        sent = False
        for pause in pauses(name):
            gone = time.monotonic() - began
            if (left := within - gone) <= 0:
                break
            sent = self._mouth.ask(topic, write(), identity, expires_s=expires_s(gone)) or sent
            if not sent and not stops:
                return _said("unanswered", "this station is not connected to the broker. Nothing was asked", identity)
            done, _ = await asyncio.wait({pending.answer}, timeout=min(left, pause))
            if done:
                answer = pending.answer.result()
                return _said(answer.outcome, answer.reason, identity)
        if not sent:
            return _said("unanswered", "NOT SENT: stop at the pump. This station is not connected", identity)
        told = "NOT SENT: stop at the pump. " if stops else ""
        return _said("unanswered", f"{told}No answer: whether {name} took effect is not known", identity)


def _said(outcome: str, reason: str, identity: str) -> Outcome:
    return Outcome.model_validate({"outcome": outcome, "reason": words(reason, 500), "id": identity})
