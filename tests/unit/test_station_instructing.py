"""An instruction from a page to a bed, without a broker: for whose case it is, and what is not sent at all."""

import json
from typing import Any, cast

import pytest

from infusion_gateway.station.client import Mouth
from infusion_gateway.station.instructing import Instructing
from infusion_gateway.ward.picture import Picture
from infusion_gateway.ward.shown import Outcome
from wards import SITE, Speaker, at

PAUSE = {"for_at_most_s": 0}


class Asked:
    """A station that signs nothing, beside a gateway that accepts whatever it hears."""

    def __init__(self, phase: str) -> None:
        self.picture = Picture(SITE, {})
        self.gateway = Speaker(self.picture)
        self.gateway.session("chair-1", 0.0, phase)
        self.gateway.beat(0.0)
        self.sent: list[dict[str, Any]] = []
        self.instructing = Instructing(self.picture, cast("Mouth", self), "station-1", None, lambda: 10**18)

    def ask(self, topic: str, payload: bytes, identity: str, *, expires_s: int) -> bool:  # noqa: ARG002 - as a mouth
        """Take an instruction, and accept it at once."""
        self.sent.append(json.loads(payload))
        bed, name = topic.rsplit("/", 3)[1::2]
        said = {"time": at(0), "id": identity, "bed": bed, "instruction": name, "outcome": "accepted", "reason": ""}
        assert self.instructing.answered(self.gateway.topics.answers("station-1"), json.dumps(said).encode())
        return True

    async def of(self, name: str, case: str | None, arguments: dict[str, Any]) -> Outcome:
        """Ask chair-1."""
        return await self.instructing.instruct("gateway-1", "chair-1", name, "nurse-1", arguments, case=case)


@pytest.mark.parametrize(
    ("phase", "meant", "outcome", "sent"),
    [
        ("idle", "", "accepted", [""]),
        ("infusing", "", "refused", []),
        ("infusing", None, "accepted", ["case-1"]),
        ("infusing", "case-0", "accepted", ["case-0"]),
    ],
)
async def test_what_was_begun_for_no_case_reaches_nobody_who_came_meanwhile(
    phase: str, meant: str | None, outcome: str, sent: list[str]
) -> None:
    """Pins that "" means that no case was there: it is sent so where none is, and not at all where one is."""
    side = Asked(phase)
    answer = await side.of("pause-audio", meant, PAUSE)
    assert (answer.outcome, [one["case"] for one in side.sent]) == (outcome, sent)
    assert bool(answer.reason) == (outcome == "refused")


async def test_an_order_says_its_own_case() -> None:
    """Pins that an order for a bed that has a case is the gateway's to refuse, whatever else came with it."""
    side = Asked("infusing")
    order = {
        "case": "case-2", "subject": "s-1", "protocol": "p", "weight_kg": 70.0, "concentration_mg_ml": 1.0,
        "rate_ml_h": 30.0, "volume_ml": 0.5, "duration_s": 60.0, "dose_mg": 0.5,
    }  # fmt: skip
    assert (await side.of("order", "", order)).outcome == "accepted"
    assert [one["arguments"]["case"] for one in side.sent] == ["case-2"]
