"""How a session ends: by its volume, by its duration, by a pump that keeps the vein open, or too soon."""

from dataclasses import dataclass

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, Pump, bed_setup, depression_40
from infusion_gateway.model.alarm import Signal
from infusion_gateway.model.events import ConditionRaised, PhaseChanged, StopAsked
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Observation, Reading, Validity
from infusion_gateway.model.session import Phase


@dataclass
class Programmed(Pump):
    """A pump that reports its volume to be infused, and what is left of it."""

    vtbi: float = 0.0
    remain: float = 0.0

    def report(self, now: Nanos) -> tuple[Observation, ...]:
        """Say what the pump says, the volume to be infused too."""
        both = ((Metric.VTBI, self.vtbi), (Metric.VTBI_REMAIN, self.remain))
        return (*super().report(now), *(Reading(metric, value, Validity.VALID, now) for metric, value in both))


def read_only(pump: Pump | None = None, *, seconds: float = 40 * 60 - 2) -> Bed:
    """Give a bed whose pump can't be stopped from here, after so many seconds of its 40 minutes at 52.5 mL/h."""
    bed = Bed(bed_setup(depression_40(), stoppable=False), pump=pump)
    bed.monitor.cuff_every = 5 * MINUTE
    bed.infuse()
    bed.run(seconds)
    return bed


def loudest(bed: Bed) -> list[tuple[str, object]]:
    """Give every alarm that was ever raised above low."""
    return [(event.code, event.priority) for _, event in bed.events(ConditionRaised) if event.priority > LOW]


def phases(bed: Bed) -> list[Phase]:
    """Give the phases the bed has gone through."""
    return [event.phase for _, event in bed.events(PhaseChanged)]


@pytest.mark.rule("E13", "leaves alone")
@pytest.mark.requirement("S08")
def test_a_read_only_pump_that_ends_by_itself_calls_nobody_to_stop_it() -> None:
    """Pins the normal end of a pump that only can be read: completed, low, and nobody is told to stop a still pump."""
    bed = read_only()
    bed.pump.running = False
    bed.run(5)
    assert phases(bed)[-2:] == [Phase.COMPLETED, Phase.RECOVERY]
    assert bed.alarms["infusion-complete"].priority is LOW
    assert loudest(bed) == []


@pytest.mark.rule("E13", "acts")
def test_a_read_only_pump_that_starts_again_is_to_be_stopped_by_hand() -> None:
    """Pins that "by hand" is said as soon as what was still is seen delivering before the stop is confirmed."""
    bed = read_only()
    bed.pump.running = False
    bed.run(2)
    assert "stop-by-hand" not in bed.alarms
    bed.pump.running = True
    bed.run(1)
    assert bed.alarms["stop-by-hand"].priority is HIGH


@pytest.mark.rule("E5", "E13", "acts")
def test_a_read_only_pump_that_goes_on_past_the_grace_is_to_be_stopped_by_hand() -> None:
    """Pins high, by hand, at exactly duration and grace where it still infuses at its rate, and not a second before."""
    bed = read_only()
    ends = bed.session.ends_at
    assert ends is not None
    bed.run((ends + 2 * MINUTE - bed.now) / SECOND - 1)
    assert not bed.alarms
    bed.run(1)
    assert bed.raised("stop-by-hand") == [((ends + 2 * MINUTE) / SECOND, HIGH)]
    assert bed.raised("duration-over") == [((ends + 2 * MINUTE) / SECOND, LOW)]


def kvo(bed: Bed, rate: float = 1.0) -> float:
    """Let the pump keep the vein open from now; give when that is first seen, in the bed's seconds."""
    bed.pump.says, bed.pump.rate = Delivery.KVO, rate
    bed.run(1)
    return bed.now / SECOND


@pytest.mark.rule("E11", "acts")
@pytest.mark.parametrize(("rate", "seconds"), [(1.0, 300), (5.9, 300), (10.0, 180), (30.0, 60)])
def test_kvo_of_a_read_only_pump_is_medium_then_high(rate: float, seconds: int) -> None:
    """Pins "press stop" at medium at once, high at five minutes or half a milligram exactly, whichever is first.

    The end of the grace falls into it and changes nothing: it is the same thing to do, told already.
    """
    bed = read_only()
    at = kvo(bed, rate)
    assert bed.raised("kvo-running") == [(at, MEDIUM)]
    assert "press stop" in bed.alarms["kvo-running"].text
    bed.run(seconds - 1)
    assert bed.alarms["kvo-running"].priority is MEDIUM
    bed.run(1)
    assert bed.raised("kvo-running") == [(at, MEDIUM), (at + seconds, HIGH)]
    assert {code for code, _ in loudest(bed)} == {"kvo-running"}
    assert not bed.events(StopAsked)
    bed.pump.running = False
    bed.run(10)
    assert phases(bed)[-2:] == [Phase.COMPLETED, Phase.RECOVERY]


@pytest.mark.rule("E11", "acts")
@pytest.mark.parametrize(("more_ml", "priority"), [(0.49, MEDIUM), (0.5, HIGH)])
def test_half_a_milligram_counts_as_observed(more_ml: float, priority: object) -> None:
    """Pins that what the volume counter shows of a KVO counts, whatever rate the pump reports for it."""
    bed = read_only()
    kvo(bed, 0.0)
    bed.pump.counter += more_ml
    bed.run(2)
    assert bed.alarms["kvo-running"].priority is priority


@pytest.mark.requirement("S32")
def test_a_kvo_is_no_younger_after_a_crash() -> None:
    """Pins that the five minutes run on over a crash, and that what was high stays high."""
    bed = read_only()
    at = kvo(bed)
    bed.run(200)
    bed.crash()
    bed.run(99)
    assert bed.alarms["kvo-running"].priority is MEDIUM
    bed.run(1)
    assert bed.raised("kvo-running") == [(at, MEDIUM), (at + 300, HIGH)]
    bed.crash()
    bed.run(3)
    assert bed.alarms["kvo-running"].priority is HIGH


def test_the_end_of_the_grace_finds_a_kvo_that_is_told_already() -> None:
    """Pins that duration and grace of a complete volume, the vein kept open, add a low word and no stop to ask for."""
    bed = read_only(seconds=40 * 60 + 100)
    kvo(bed)
    bed.run(60)
    assert bed.alarms["duration-over"].priority is LOW
    assert loudest(bed) == [("kvo-running", MEDIUM)]
    assert not bed.events(StopAsked)


@pytest.mark.rule("E11", "acts")
def test_kvo_of_a_pump_that_can_be_stopped_is_stopped_low() -> None:
    """Pins that nothing above low is told of a KVO that we can end ourselves, at its first reading."""
    bed = Bed()
    bed.monitor.cuff_every = 5 * MINUTE
    bed.infuse()
    bed.run(40 * 60 - 2)
    at = kvo(bed)
    assert bed.stops() == [at]
    bed.run(10)
    assert phases(bed)[-2:] == [Phase.COMPLETED, Phase.RECOVERY]
    assert loudest(bed) == []


@pytest.mark.requirement("S08")
@pytest.mark.parametrize(
    ("ordered", "left", "complete"),
    [(35.0, 1.75, False), (35.0, 1.749, True), (50.0, 2.0, False), (50.0, 1.999, True)],
)
def test_what_may_be_missing_at_the_end(ordered: float, left: float, complete: bool) -> None:
    """Pins under 2 mL and under 5 percent left, each exactly and one step of the counter aside."""
    bed = Bed()
    bed.infuse(rate_ml_h=ordered * 1.5, dose_mg=ordered, volume_ml=ordered, reason="as asked for")
    bed.run(37 * 60)
    bed.pump.running = False
    bed.pump.counter = round(ordered - left, 3)
    bed.run(6)
    assert bed.phase is (Phase.RECOVERY if complete else Phase.PAUSED)


@pytest.mark.requirement("S08")
@pytest.mark.parametrize(
    ("vtbi", "remain", "left", "told"),
    [(20.0, 0.0, 15.0, True), (20.0, 0.001, 15.0, False), (0.0, 0.0, 15.0, False), (34.0, 0.0, 1.0, False)],
)
def test_a_volume_that_ended_early_is_told(vtbi: float, remain: float, left: float, told: bool) -> None:
    """Pins high where the pump's own volume is over and the order's isn't; not a pause, nothing programmed, the end."""
    pump = Programmed(vtbi=vtbi, remain=vtbi)
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run((35 - left) / 52.5 * 3600)
    pump.running, pump.remain = False, remain
    bed.run(3)
    assert (bed.raised("volume-ended-early") != []) is told
    if told:
        assert bed.phase is Phase.PAUSED
        assert bed.alarms["volume-ended-early"].priority is HIGH
        pump.vtbi, pump.remain = 35.0, 15.0
        bed.run(2)
        assert bed.alarms["volume-ended-early"].signal is Signal.LATCHED
