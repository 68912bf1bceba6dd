"""What the gateway says to the bed's own alarm, and when: at once on a change, each second, before anybody else."""

from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

from core_bed import HIGH, Bed, bed_setup, depression_40
from infusion_gateway.config.settings import BedSettings
from infusion_gateway.core.bedside import Word
from infusion_gateway.model.inputs import GateChanged
from infusion_gateway.model.metric import SECOND, Metric, Nanos
from infusion_gateway.runtime.show import Show
from infusion_gateway.wire.topics import Topics


class Rig:
    """A bed, and its public face with what it said to whom, in order."""

    def __init__(self, *, annunciator: bool = True) -> None:
        setup = replace(bed_setup(depression_40()), annunciator=annunciator)
        self.bed = Bed(setup)
        self.said: list[tuple[str, Any]] = []
        self.show = Show(
            BedSettings(setup, ()),
            topics=Topics("clinic-a", "gateway-1"),
            publisher=cast("Any", self),
            feed=cast("Any", self),
            bedsides=cast("Any", self),
            answers=cast("Any", None),
            seal=lambda _topic, payload: payload,
            clock=cast("Any", self),
            version="1",
        )
        self.said.clear()

    def now(self) -> Nanos:
        return self.bed.now

    def utc_ns(self) -> int:
        return self.bed.now

    def utc_at(self, moment: Nanos) -> int:
        return moment

    def set_state(self, topic: str, _payload: bytes) -> None:
        self.said.append(("mqtt", topic))

    def say(self, where: str, what: Any, *_: Any, **__: Any) -> None:
        """Take a word to the bed, or a message of the feed's or of the publisher's."""
        self.said.append(("bed", what) if isinstance(what, Word) else ("feed", where))

    def words(self) -> list[Word]:
        found = [what for who, what in self.said if who == "bed"]
        self.said.clear()
        return found


def test_a_change_is_said_at_once_and_before_the_broker_is_asked() -> None:
    """Pins one word for one change, however many steps follow, and that it goes out ahead of MQTT and feed."""
    rig = Rig()
    rig.bed.give(GateChanged("bedside-alarm", open=True, why=""))
    rig.bed.infuse()
    rig.bed.run(60)
    rig.show.alarms(rig.bed.state, rig.bed.now, quarantined=None)
    rig.words()
    rig.bed.monitor.values[Metric.HR] = 140
    rig.bed.run(11)
    for _ in range(5):
        rig.show.alarms(rig.bed.state, rig.bed.now, quarantined=None)
    assert rig.said[0][0] == "bed"
    assert ("mqtt", "igw/v1/clinic-a/gateway-1/chair-1/alarms") in rig.said
    (word,) = rig.words()
    assert word.shown.sounding is HIGH
    assert word.attended


def test_each_second_it_is_said_anew() -> None:
    """Pins the word of every second though nothing changed, with the time at which it was said."""
    rig = Rig()
    for _ in range(3):
        rig.bed.run(1)
        rig.show.every_second(rig.bed.state, rig.bed.now, quarantined=None)
    at = [word.at for word in rig.words()]
    assert [b - a for a, b in pairwise(at)] == [SECOND, SECOND]


def test_a_quarantined_bed_sounds_high_and_a_gateway_that_ends_says_so() -> None:
    """Pins both last words: what can't decide any more is high at the bed, and a leave is told as one."""
    rig = Rig()
    rig.show.alarms(rig.bed.state, rig.bed.now, quarantined="KeyError: x")
    (word,) = rig.words()
    assert (word.shown.sounding, word.leaving) == (HIGH, False)
    rig.show.leave(rig.bed.state, rig.bed.now, quarantined=None)
    (word,) = rig.words()
    assert word.leaving


def test_a_bed_without_one_is_told_nothing() -> None:
    """Pins that no word is made where nobody would hear it."""
    rig = Rig(annunciator=False)
    rig.show.every_second(rig.bed.state, rig.bed.now, quarantined=None)
    rig.show.leave(rig.bed.state, rig.bed.now, quarantined=None)
    assert rig.words() == []
