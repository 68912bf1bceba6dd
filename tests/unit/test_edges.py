"""The gateway's edges from inside: what is answered, what is shown; time passed in."""

import json
from typing import Any, cast

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.config.settings import BedSettings
from infusion_gateway.model.events import InstructionAccepted, InstructionRefused
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.answers import OWED, Answers, Asker
from infusion_gateway.runtime.show import Show
from infusion_gateway.wire.sealing import unsigned
from infusion_gateway.wire.topics import Topics

TOPICS = Topics("s", "g")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at, self.utc = 1000 * SECOND, 1_790_000_000 * SECOND

    def now(self) -> int:
        """Give the monotone time."""
        return self.at

    def utc_ns(self) -> int:
        """Give the wall clock."""
        return self.utc

    def utc_at(self, moment: int) -> int:
        """Give a moment by both."""
        return moment + self.utc - self.at

    def boot_id(self) -> str:
        """Give the boot."""
        return "boot"

    def run(self, span: int, *, drift: int = 0) -> None:
        """Let time pass."""
        self.at += span
        self.utc += span + drift


class Broker:
    """Takes what is published."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.states: dict[str, list[dict[str, Any]]] = {}

    def answer(self, topic: str, payload: bytes, _correlation: bytes | None) -> None:
        """Take an answer."""
        self.answers.append((topic, json.loads(payload)))

    def set_state(self, topic: str, payload: bytes) -> None:
        """Take a retained state."""
        self.states.setdefault(topic, []).append(json.loads(payload))

    def say(self, *_: object, **__: object) -> None:
        """Take what is said once."""


def test_what_came_twice_is_answered_as_the_first_time() -> None:
    """Pins that a duplicate on the way gets the first answer again, not a refusal; a refusal likewise, bounded."""
    broker, asker = Broker(), Asker("b", TOPICS.answers("desk"), b"c")
    answers = Answers(cast("Any", broker), unsigned, cast("Any", Clock()))
    assert not answers.repeat(asker, "hold", "i-1")
    answers.owe("i-1", asker)
    answers.give("b", InstructionAccepted("hold", "i-1", "nurse-1", "asked"), kept=True)
    answers.owe("i-2", asker)
    answers.give("b", InstructionRefused("close", "i-2", "nurse-1", "not yet"), kept=True)
    assert answers.repeat(asker, "hold", "i-1")
    assert answers.repeat(asker, "close", "i-2")
    assert [said["outcome"] for _, said in broker.answers] == ["accepted", "refused"] * 2
    assert broker.answers[2][1]["reason"] == "asked"
    assert not answers.repeat(asker, "stop", "i-1"), "another instruction under that id is none that was answered"
    assert not answers.repeat(asker, "hold", ""), "without an id nothing is known as a repeat"
    for number in range(OWED):
        answers.owe(f"n-{number}", asker)
        answers.give("b", InstructionAccepted("hold", f"n-{number}", "nurse-1", ""), kept=True)
    assert not answers.repeat(asker, "hold", "i-1")


def test_what_happened_once_is_shown_at_one_time() -> None:
    """Pins T0 and the end as shown: the same while the wall clock drifts, others once it was set."""
    clock, broker = Clock(), Broker()
    setup = bed_setup(depression_40())
    show = Show(
        cast("BedSettings", type("Settings", (), {"setup": setup, "id": "chair-1"})),
        topics=TOPICS,
        publisher=cast("Any", broker),
        feed=cast("Any", Broker()),
        bedsides=cast("Any", None),
        answers=cast("Any", None),
        seal=unsigned,
        clock=cast("Any", clock),
        version="1",
    )
    bed = Bed(setup)
    bed.infuse()
    clock.at = bed.now
    for _ in range(50):
        bed.run(1)
        clock.run(SECOND, drift=500_000)  # 500 ppm
        show.session(bed.state, bed.now)
    said = broker.states[TOPICS.session("chair-1")]
    assert len(said) > 40, "the volume moves"
    assert len({one["t0"] for one in said}) == len({one["ends_at"] for one in said}) == 1
    clock.run(0, drift=3 * SECOND)
    bed.run(1)
    clock.run(SECOND)
    show.session(bed.state, bed.now)
    assert said[-1]["t0"] > said[-2]["t0"]
