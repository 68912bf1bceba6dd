"""The volume counter where nothing protects its digits: what is believed at once, what waits for a second reading."""

from dataclasses import dataclass, field, replace

import pytest

from core_bed import HIGH, MEDIUM, Bed, Pump
from infusion_gateway.model.events import CounterRestarted, InfusionStarted, Sampled, StopConfirmed
from infusion_gateway.model.inputs import LinkLost, LinkOpened
from infusion_gateway.model.instructions import Hold
from infusion_gateway.model.metric import SECOND, Metric, Nanos
from infusion_gateway.model.observation import Observation, Reading, Validity
from infusion_gateway.model.session import Phase


@dataclass
class Misread(Pump):
    """A pump on a line without a checksum: its next volumes are read as these numbers, then as they are.

    wraps_ml: where its counter begins again. epoch: its own count of that, where it tells.
    """

    wrong: list[float] = field(default_factory=list)
    wraps_ml: float = 1e9
    epoch: int | None = None

    def flow(self, span: Nanos) -> None:
        """Deliver for a while."""
        super().flow(span)
        self.counter %= self.wraps_ml

    def report(self, now: Nanos) -> tuple[Observation, ...]:
        """Say what arrives of what the pump says."""
        read = self.wrong.pop(0) if self.wrong else None
        return tuple(
            replace(item, value=item.value if read is None else read, epoch=self.epoch)
            if isinstance(item, Reading) and item.metric is Metric.VOLUME
            else item
            for item in super().report(now)
        )


def infusing(counter: float = 3.0) -> tuple[Bed, Misread]:
    """Give a bed that has been infusing at 52.5 mL/h for a minute, on a counter that stood at `counter` before."""
    pump = Misread(counter=counter)
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(60)
    return bed, pump


def booked(bed: Bed) -> float:
    """Give the volume on record, mL."""
    volume = bed.session.volume_ml
    assert volume is not None
    return volume


@pytest.mark.requirement("S01", "S02")
@pytest.mark.parametrize("read", [0.0, 0.5, 2.9, 3.4, 9.6, 83.6, 9999.0])
def test_one_misread_number_changes_no_dose(read: float) -> None:
    """Pins that one wrong reading, lower or higher, is neither a restart of the counter nor volume, nor an alarm."""
    bed, pump = infusing()
    pump.wrong = [read]
    bed.run(1)
    assert abs(booked(bed) - pump.given) < 0.02
    bed.run(30)
    assert abs(booked(bed) - pump.given) <= 0.002
    assert not bed.events(CounterRestarted)
    assert not bed.stops()
    assert not bed.alarms


def test_a_doubted_number_is_shown_and_recorded_as_questionable() -> None:
    """Pins that people and the record see the doubted number as questionable; the counter on record is the believed."""
    bed, pump = infusing()
    pump.wrong = [83.6]
    bed.run(1)
    newest = bed.state.live.values[Metric.VOLUME, "pump"].reading
    assert (newest.value, newest.validity) == (83.6, Validity.QUESTIONABLE)
    sample = bed.events(Sampled)[-1][1]
    assert [v.validity for v in sample.values if v.metric is Metric.VOLUME] == [Validity.QUESTIONABLE]
    assert sample.volume_ml is not None
    assert sample.volume_ml < 4
    bed.run(1)
    assert bed.state.live.values[Metric.VOLUME, "pump"].reading.validity is Validity.VALID


@pytest.mark.requirement("S02", "S07")
@pytest.mark.rule("E7", "acts")
def test_a_rise_that_two_readings_show_is_booked_whole() -> None:
    """Pins that no volume is swallowed: a jump waits for one more poll, and acts then as over-delivery."""
    bed, pump = infusing()
    before = booked(bed)
    pump.counter += 5
    bed.run(1)
    assert booked(bed) == pytest.approx(before)
    assert not bed.stops()
    bed.run(1)
    assert booked(bed) == pytest.approx(before + 5 + 2 * 52.5 / 3600, abs=0.002)
    assert bed.alarms["over-delivery"].priority is HIGH
    assert bed.stops()


@pytest.mark.requirement("S02")
@pytest.mark.parametrize(("much", "at_once"), [(0.030, True), (0.031, False)])
def test_what_the_pump_can_have_given_is_believed_at_once(much: float, at_once: bool) -> None:
    """Pins the bound: twice the greatest rate known for the time since, and a step of the counter (0.0301 mL here)."""
    bed, pump = infusing()
    before = bed.state.live.pump.volume_ml
    assert before is not None
    pump.wrong = [before + much]
    bed.run(1)
    assert (bed.state.live.pump.volume_ml == before + much) is at_once
    bed.run(10)
    assert not bed.events(CounterRestarted)
    assert abs(booked(bed) - pump.given) <= 0.002


@pytest.mark.requirement("S02")
@pytest.mark.parametrize("back", [0.0, 0.2])
def test_a_power_cycle_loses_no_dose(back: float) -> None:
    """Pins that a counter that begins anew is believed at the second reading; what was booked stays, what came counts.

    0.2 mL: a pump that was started again, faster, before it was heard.
    """
    bed, pump = infusing()
    before = booked(bed)
    pump.counter = back
    bed.run(1)
    assert booked(bed) == pytest.approx(before)
    assert not bed.events(CounterRestarted)
    bed.run(1)
    (_, restarted), *more = bed.events(CounterRestarted)
    assert not more
    assert restarted.epoch == 1
    assert booked(bed) == pytest.approx(before + pump.counter, abs=0.002)
    bed.run(60)
    assert booked(bed) == pytest.approx(before + pump.counter, abs=0.002)


def test_a_counter_that_wraps_goes_on() -> None:
    """Pins that 9999.9 to 0.0 is a beginning like any other: what flowed between two polls is all that may be lost."""
    bed, pump = infusing(9998.5)
    pump.wraps_ml = 10_000.0
    bed.run(120)
    assert pump.counter < 2
    assert len(bed.events(CounterRestarted)) == 1
    assert booked(bed) == pytest.approx(pump.given, abs=52.5 / 3600)


@pytest.mark.requirement("S02")
def test_a_gap_swallows_nothing() -> None:
    """Pins that after half a minute's silence the volume of a pump that ran at thrice the rate counts, a poll later."""
    bed, pump = infusing()
    pump.mute, pump.rate = True, 157.5
    bed.give(LinkLost("pump", "unplugged"))
    bed.run(30)
    pump.mute, pump.rate = False, 52.5
    bed.give(LinkOpened("pump"))
    bed.run(2)
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)
    assert not bed.events(CounterRestarted)


@pytest.mark.parametrize("read", [0.3, 4.6, 30.0])
def test_a_misread_number_right_after_a_gap_is_no_dose(read: float) -> None:
    """Pins that after a silence every rise waits for a second reading, also one that can have flowed meanwhile."""
    bed, pump = infusing()
    pump.mute = True
    bed.run(60)
    pump.mute, pump.wrong = False, [read]
    bed.run(3)
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)
    assert not bed.events(CounterRestarted)


def test_a_misread_number_between_two_gaps_at_rest_is_no_dose() -> None:
    """Pins that a little too much, read once between two silences of a pump at rest, is neither dose nor a restart."""
    bed, pump = infusing()
    pump.running = False
    bed.run(5)
    for wrong in ([pump.counter + 0.04], [], []):
        pump.mute = True
        bed.run(6)
        pump.mute, pump.wrong = False, wrong
        bed.run(1)
    bed.run(5)
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)
    assert not bed.events(CounterRestarted)


def test_one_reading_between_two_gaps_is_held_against_the_next() -> None:
    """Pins that a doubted reading isn't forgotten in a gap: the reading after it agrees, and all of it counts."""
    bed, pump = infusing()
    for gap, rate in ((20, 525.0), (20, 52.5)):
        pump.mute, pump.rate = True, rate
        bed.run(gap)
        pump.mute = False
        bed.run(1)
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)


def test_a_flow_far_above_the_rate_counts_one_poll_late_at_most() -> None:
    """Pins that a bolus at twenty times the rate is never more than one poll ahead of the account."""
    bed, pump = infusing()
    pump.rate = 1050.0
    before = pump.given
    for _ in range(6):
        bed.run(1)
        assert booked(bed) >= pump.given - 1050.0 * 1.01 / 3600
        if bed.stops():
            break
    assert bed.stops()
    assert pump.given - before < 1


def test_numbers_that_never_agree_leave_the_pump_unseen() -> None:
    """Pins that a counter that can't be believed is no sight of the pump: medium and high by the age of the doubt."""
    bed, pump = infusing()
    at = bed.now / SECOND
    pump.wrong = [80.0, 5.5, 40.0, 0.2, 71.0, 3.0, 44.0, 9.9, 60.0, 1.0, 33.0, 2.0]
    bed.run(11)
    assert bed.raised("supervision-lost") == [(at + 5, MEDIUM), (at + 11, HIGH)]
    bed.run(4)
    assert "supervision-lost" not in bed.alarms
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)


@pytest.mark.parametrize("read", [[0.1], [7.0], [0.1, 7.0], [7.0, 0.1]])
def test_a_misread_number_starts_nothing_while_armed(read: list[float]) -> None:
    """Pins that one wrong counter reading is no start, and doesn't move what T0 counts from."""
    pump = Misread(counter=3.0)
    bed = Bed(pump=pump)
    bed.arm()
    pump.wrong = read
    bed.run(5)
    assert bed.phase is Phase.ARMED
    pump.running = True
    bed.run(10)
    assert bed.phase is Phase.INFUSING
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)


def test_a_jump_while_armed_is_a_start_at_its_second_reading() -> None:
    """Pins that the doubted reading counts as the first of the two, so that doubting delays no T0."""
    pump = Misread(counter=3.0, lies=True, said_stopped=True)
    bed = Bed(pump=pump)
    bed.arm()
    bed.run(2)
    at = bed.now
    pump.running, pump.counter = True, 4.0
    bed.run(2)
    (_, started), *_ = bed.events(InfusionStarted)
    assert started.t0 == at + SECOND
    assert started.volume_ml == 3.0


@pytest.mark.requirement("S30")
def test_a_misread_number_after_a_stop_is_no_delivery() -> None:
    """Pins that a stop is confirmed by believed readings, and one wrong number later is no `delivering-after-stop`."""
    bed, pump = infusing()
    bed.ask(Hold("wait"))
    pump.wrong = [pump.counter + 40]
    bed.run(2)
    assert not bed.events(StopConfirmed)
    bed.run(1)
    assert bed.events(StopConfirmed)
    for read in (pump.counter + 6, 0.1):
        pump.wrong = [read]
        bed.run(5)
    assert "delivering-after-stop" not in bed.alarms
    assert not bed.events(CounterRestarted)


@pytest.mark.requirement("S30")
def test_the_first_step_of_a_pump_that_lies_is_told_at_once() -> None:
    """Pins that a step at the old rate after a confirmed stop is believed, and told, in the reading that shows it."""
    bed, pump = infusing()
    pump.counter = round(pump.counter, 3)
    bed.ask(Hold("wait"))
    bed.run(5)
    pump.counter += 0.012
    bed.run(1)
    assert bed.alarms["delivering-after-stop"].priority is HIGH


@pytest.mark.parametrize("read", [0.1, 3.92, 83.6])
def test_the_first_reading_of_a_process_is_held_against_the_record(read: float) -> None:
    """Pins that a misread number right after a crash neither restarts the counter nor adds volume."""
    bed, pump = infusing()
    bed.crash()
    pump.wrong = [read]
    bed.run(3)
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)
    assert not bed.events(CounterRestarted)
    bed.check()


def test_a_number_read_a_little_too_high_costs_nothing_in_the_end() -> None:
    """Pins that a fall back to what stood before a believed misreading is no restart, though it shows twice."""
    bed, pump = infusing()
    before = booked(bed)
    pump.wrong = [pump.counter + 0.028]
    pump.running = False
    bed.run(10)
    assert not bed.events(CounterRestarted)
    assert booked(bed) <= before + 0.03
    pump.running = True
    bed.run(10)
    assert abs(booked(bed) - pump.given) <= 0.002


def telling(seconds: float = 60) -> tuple[Bed, Misread]:
    """Give a bed that has been infusing with a pump that counts its counter's beginnings itself."""
    pump = Misread(counter=3.0, epoch=7)
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(seconds)
    return bed, pump


@pytest.mark.requirement("S02")
def test_a_pump_that_says_that_its_counter_began_anew_is_believed_at_once() -> None:
    """Pins that its own count of beginnings needs no second reading, and none of the volume is lost."""
    bed, pump = telling()
    pump.counter, pump.epoch = 0.0, 8
    bed.run(1)
    assert len(bed.events(CounterRestarted)) == 1
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)
    bed.run(30)
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)


@pytest.mark.requirement("S02")
@pytest.mark.parametrize("crash", [False, True])
def test_a_counter_that_began_anew_and_passed_its_old_number_unseen(crash: bool) -> None:
    """Pins that a beginning in a gap, or between two lives of the gateway, is known by the pump's count alone."""
    bed, pump = telling(30)
    given = pump.given
    assert booked(bed) == pytest.approx(given, abs=0.002)
    pump.mute = True
    bed.run(5)
    pump.counter, pump.epoch = 0.0, 8
    bed.run(300)
    if crash:
        bed.crash()
    pump.mute = False
    bed.run(2)
    assert pump.counter > 3.6
    assert booked(bed) == pytest.approx(given + pump.counter, abs=0.002)
    assert len(bed.events(CounterRestarted)) == 1
    bed.check()


def test_the_first_count_of_beginnings_is_nothing_new() -> None:
    """Pins that a pump whose count is first heard, or stays, has begun nothing anew."""
    bed, pump = telling()
    pump.epoch = None
    bed.run(3)
    pump.epoch = 7
    bed.run(3)
    assert not bed.events(CounterRestarted)
    assert booked(bed) == pytest.approx(pump.given, abs=0.002)
