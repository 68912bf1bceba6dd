"""A pump's own count of its counter's beginnings, kept on record: over crashes, silence, and a count not told."""

from dataclasses import dataclass, replace

import pytest

from core_bed import Bed, Pump
from infusion_gateway.model.events import CounterRestarted, Sampled
from infusion_gateway.model.metric import Metric, Nanos
from infusion_gateway.model.observation import Observation, Reading


@dataclass
class Counting(Pump):
    """A pump that tells how often its counter began, where `epoch` says so."""

    epoch: int | None = 7

    def report(self, now: Nanos) -> tuple[Observation, ...]:
        """Say what the pump says, its count with its volume."""
        return tuple(
            replace(item, epoch=self.epoch) if isinstance(item, Reading) and item.metric is Metric.VOLUME else item
            for item in super().report(now)
        )


def infusing() -> tuple[Bed, Counting]:
    """Give a bed that has been infusing for half a minute, from a counter that stood at 3 mL."""
    pump = Counting(counter=3.0)
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(30)
    return bed, pump


def counts(bed: Bed, last: int) -> list[int | None]:
    """Give the pump's count in so many of the newest samples."""
    return [event.pump_epoch for _, event in bed.events(Sampled)][-last:]


def test_each_sample_keeps_the_pumps_own_count() -> None:
    """Pins the count on record as told last; where the pump doesn't tell it any more, the one before a crash stays."""
    bed, pump = infusing()
    assert set(counts(bed, 25)) == {7}
    bed.crash()
    pump.epoch = None
    bed.run(5)
    assert counts(bed, 5) == [7] * 5
    pump.epoch = 8
    bed.run(2)
    assert counts(bed, 2) == [8, 8]
    bed.check()


@pytest.mark.requirement("S02")
def test_the_count_outlives_two_crashes_with_a_silent_pump_between() -> None:
    """Pins that a counter begun anew, and past its old number, is known by what the first of three processes heard."""
    bed, pump = infusing()
    given = pump.given
    pump.mute = True
    bed.crash()
    bed.run(5)
    assert bed.events(Sampled)[-1][0] == bed.now, "the record went on without the pump"
    pump.counter, pump.epoch = 0.0, 8
    bed.run(300)
    bed.crash()
    pump.mute = False
    bed.run(2)
    assert pump.counter > 3.6
    assert len(bed.events(CounterRestarted)) == 1
    assert bed.session.volume_ml == pytest.approx(given + 5 * 52.5 / 3600 + pump.counter, abs=0.1)
    bed.check()


@pytest.mark.requirement("S02")
@pytest.mark.parametrize("epoch", [None, 7])
def test_after_a_crash_a_count_that_is_not_told_or_is_the_same_begins_nothing(epoch: int | None) -> None:
    """Pins that no dose is counted twice where the pump says nothing new of its counter, as far as the record knows."""
    bed, pump = infusing()
    bed.crash()
    pump.epoch = epoch
    bed.run(10)
    assert not bed.events(CounterRestarted)
    assert bed.session.volume_ml == pytest.approx(pump.given, abs=0.03)
    pump.epoch, pump.counter = 8, 0.0
    bed.run(10)
    assert len(bed.events(CounterRestarted)) == 1
    assert bed.session.volume_ml == pytest.approx(pump.given, abs=0.03)
    bed.check()
