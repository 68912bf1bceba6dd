"""What the pump does, at the number or moment that decides it: volume set, volume still, drift, dose, rest, the end."""

from dataclasses import dataclass, replace

import pytest

from core_bed import HIGH, HOUR, MEDIUM, Bed, Pump, bed_setup, depression_40
from infusion_gateway.core import dose
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.events import (
    ConditionRaised,
    EndApproaching,
    InfusionStarted,
    StopAsked,
    StopConfirmed,
)
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.instructions import Hold, Stop, Syringe
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, DeliveryReported, Observation, Reading, Validity
from infusion_gateway.model.session import DoseLimits, Phase, WindowLimit

ONE_MINUTE = {"dose_mg": 0.875, "volume_ml": 0.9, "duration": MINUTE}
"""A minute at 52.5 mL/h of 1 mg/mL."""


@dataclass
class Odd(Pump):
    """A pump that tells more of its volume than others do, tells no rate, or whose counter sticks while it runs."""

    vtbi: float | None = None
    remain: float | None = None
    tells_rate: bool = True
    stuck: bool = False

    def flow(self, span: Nanos) -> None:
        """Deliver for a while; nothing where it sticks."""
        if not self.stuck:
            super().flow(span)

    def report(self, now: Nanos) -> tuple[Observation, ...]:
        """Say what the pump says at this moment, with what is set on it."""
        said = [
            item
            for item in super().report(now)
            if self.tells_rate or not (isinstance(item, Reading) and item.metric is Metric.RATE)
        ]
        for metric, value in ((Metric.VTBI, self.vtbi), (Metric.VTBI_REMAIN, self.remain)):
            if value is not None:
                said.append(Reading(metric, value, Validity.VALID, now))
        return tuple(said)


def infusing(pump: Pump | None = None, seconds: float = 10, **order: object) -> Bed:
    """Give a bed that has been infusing for some seconds."""
    bed = Bed(pump=pump)
    bed.infuse(**order)
    bed.run(seconds)
    return bed


# --- the volume that is set, and the end of it


@pytest.mark.parametrize(
    ("volume_ml", "remain", "high"),
    [(50.0, 51.1, False), (50.0, 51.2, True), (0.9, 1.018, False), (0.9, 1.05, True)],
)
def test_a_pump_may_be_set_to_a_little_more_than_is_ordered(volume_ml: float, remain: float, high: bool) -> None:
    """Pins two percent and a tenth of a millilitre over what the syringe of the order holds, much or little."""
    pump = Odd(remain=remain)
    bed = Bed(pump=pump)
    bed.arm(dose_mg=0.875, volume_ml=volume_ml, duration=MINUTE)
    bed.run(2)
    assert ("vtbi-high" in bed.alarms) is high


def test_what_is_left_is_of_the_syringe_that_is_in_the_pump() -> None:
    """Pins that what earlier syringes gave is not taken from the one that is in the pump now."""
    pump = Odd()
    bed = infusing(pump, seconds=30)
    pump.running = False
    bed.run(3)
    bed.ask(Syringe(1.0, 1.0, "empty"))
    pump.running, pump.remain = True, 1.0
    bed.run(3)
    assert bed.phase is Phase.INFUSING
    assert "vtbi-high" not in bed.alarms
    pump.remain = 1.1
    bed.run(3)
    assert "vtbi-high" in bed.alarms


def test_what_is_left_of_the_order_is_told_in_microlitres() -> None:
    """Pins that what a person compares the pump's setting with is no longer number than a pump shows."""
    bed = Bed(pump=Odd(remain=5.0))
    bed.arm(dose_mg=0.875, volume_ml=0.87654, duration=MINUTE)
    bed.run(2)
    [limit] = [e.limit for _, e in bed.events(ConditionRaised) if e.code == "vtbi-high"]
    assert limit == 0.877


@pytest.mark.parametrize(
    ("vtbi", "remain", "told"), [(10.0, 0.0, True), (10.0, 1.0, False), (0.0, 0.0, False), (None, 0.0, False)]
)
def test_a_pump_that_paused_at_the_end_of_too_small_a_volume_is_told_of(
    vtbi: float | None, remain: float, told: bool
) -> None:
    """Pins that a pause at the end of the volume set, with much of the order left, is told as that, and no other."""
    pump = Odd(vtbi=vtbi, remain=remain)
    bed = infusing(pump)
    pump.running = False
    bed.run(3)
    assert bed.phase is Phase.PAUSED
    assert ("volume-ended-early" in bed.alarms) is told


def test_a_syringe_that_holds_less_than_the_dose_is_complete_when_it_is_empty() -> None:
    """Pins that what is left is told by the first syringe's volume, where that ends before the dose does."""
    bed = infusing(seconds=0, dose_mg=0.875, volume_ml=0.86, duration=MINUTE)
    bed.run(57)
    bed.pump.running = False
    bed.run(2)
    stopped = bed.events(StopAsked)[0][1]
    assert stopped.codes == ("infusion-complete",)
    left = 0.86 - bed.state.live.account.delivered_ml
    assert stopped.reason == f"The pump has stopped with {left:.3g} mL left of what was ordered: complete"


@pytest.mark.parametrize(("short_ml", "complete"), [(0.25, False), (0.249, True)])
def test_so_little_is_missing_that_it_is_complete(short_ml: float, complete: bool) -> None:
    """Pins what may be missing of the volume, exactly: at the protocol's number it is paused, under it done."""
    bed = Bed(bed_setup(replace(depression_40(), end_short_ml=0.25, end_short_part=0.5)))
    bed.infuse(**{**ONE_MINUTE, "volume_ml": 0.875})
    bed.run(30)
    bed.pump.counter, bed.pump.running = 0.875 - short_ml, False
    bed.run(6)
    assert bed.phase is (Phase.RECOVERY if complete else Phase.PAUSED)


@pytest.mark.parametrize(("seconds", "priority"), [(295, MEDIUM), (303, HIGH)])
def test_a_vein_kept_open_at_no_known_rate_is_urgent_after_five_minutes(seconds: float, priority: Priority) -> None:
    """Pins that a pump which tells no rate is taken for none at all: five minutes, however strong the drug is."""
    pump = Odd(tells_rate=False)
    bed = Bed(bed_setup(replace(depression_40(), concentrations=(10.0,)), stoppable=False), pump=pump)
    bed.infuse(concentration_mg_ml=10.0, rate_ml_h=5.25, dose_mg=0.875, volume_ml=0.0875, duration=MINUTE)
    bed.run(58)
    pump.says, pump.stuck = Delivery.KVO, True
    bed.run(seconds)
    assert bed.alarms["kvo-running"].priority is priority


def test_an_end_that_has_come_does_not_approach() -> None:
    """Pins that where nobody could look, people aren't told at the end that a minute is left."""
    bed = Bed()
    bed.infuse(dose_mg=1.75, duration=2 * MINUTE)
    case = bed.state.durable.case
    assert case is not None
    assert case.ends_at is not None
    bed.now = case.ends_at
    bed.tick()
    assert not bed.events(EndApproaching)


def test_what_ran_before_is_on_record_with_the_start() -> None:
    """Pins that volume which ran unannounced under an order that nobody had confirmed is in the dose and the record."""
    bed = Bed()
    bed.run(3)
    bed.order()
    bed.pump.rate, bed.pump.running = 52.5, True
    bed.run(30)
    bed.pump.running = False
    bed.run(3)
    before = bed.state.live.account.delivered_ml
    assert before > 0.3
    bed.infuse()
    [(_, started)] = bed.events(InfusionStarted)
    assert started.before_ml == before
    assert bed.session.dose_mg is not None
    assert bed.session.dose_mg >= before


# --- a volume that stands still, or drifts


@pytest.mark.parametrize(("rate", "told"), [(0.9, True), (1.0, True), (0.0, False)])
def test_a_slow_pump_whose_volume_stands_is_told_of(rate: float, told: bool) -> None:
    """Pins that a pump which says that it delivers slowly is believed no more than a fast one; none at all waits."""
    pump = Odd()
    bed = infusing(pump, seconds=3)
    pump.stuck, pump.rate = True, rate
    bed.run(25)
    assert ("volume-stands-still" in bed.alarms) is told


def test_a_pump_that_tells_no_rate_is_not_told_to_stand_still() -> None:
    """Pins that without a rate nobody knows when a step of the counter is due."""
    pump = Odd(tells_rate=False, stuck=True)
    bed = infusing(pump, seconds=40)
    assert "volume-stands-still" not in bed.alarms


def test_a_tenth_of_what_is_expected_may_be_too_much_of_a_long_one() -> None:
    """Pins the margin of a long infusion: a tenth of 25 mL may be ahead, which is more than 2 mL, and no more."""
    bed = infusing(seconds=600, rate_ml_h=150.0, dose_mg=35.0, duration=14 * MINUTE)
    bed.pump.counter += 0.1 * bed.state.live.account.expected_ml - 0.06
    bed.run(3)
    assert not bed.stops()
    bed.pump.counter += 0.1
    bed.run(3)
    assert "over-delivery" in bed.alarms


def test_three_steps_of_a_coarse_counter_may_be_too_much() -> None:
    """Pins that a counter in millilitres may be three of them ahead."""
    bed = infusing(Pump(resolution=1.0), seconds=65)
    bed.pump.counter += 2.5
    bed.run(3)
    assert bed.state.live.account.delivered_ml == 3.0
    assert not bed.stops()
    bed.pump.counter += 2.0
    bed.run(3)
    assert "over-delivery" in bed.alarms


def test_a_pump_that_says_nothing_of_what_it_does_is_not_told_to_stand_still() -> None:
    """Pins that a volume which stands contradicts nobody while the pump doesn't say that it infuses."""
    pump = Odd()
    bed = infusing(pump, seconds=3)
    pump.stuck, pump.says = True, Delivery.UNKNOWN
    bed.run(15)
    assert "volume-stands-still" not in bed.alarms


def test_a_volume_that_stands_is_told_at_the_second_report_of_delivery() -> None:
    """Pins that two reports of delivery, far enough apart, are enough to say that the volume stands."""
    pump = Odd()
    bed = infusing(pump, seconds=3)
    pump.running = False
    bed.run(1)
    pump.running = pump.stuck = True
    bed.run(1)
    pump.mute = True
    bed.run(12)
    pump.mute = False
    assert "volume-stands-still" not in bed.alarms
    bed.run(1)
    assert "volume-stands-still" in bed.alarms


def test_a_pump_at_no_rate_may_stand_for_an_hour() -> None:
    """Pins that of a pump which says that it delivers nothing an hour no volume is expected, ever."""
    pump = Odd()
    bed = infusing(pump, seconds=3, rate_ml_h=35.0, duration=60 * MINUTE)
    pump.stuck, pump.rate = True, 0.0
    bed.run(2)
    bed.now += HOUR
    bed.tick()
    assert "volume-stands-still" not in bed.alarms


@pytest.mark.parametrize(("excess", "stopped"), [(2.0, False), (2.001, True)])
def test_two_millilitres_may_be_too_much_of_a_short_one(excess: float, stopped: bool) -> None:
    """Pins 2 mL above what would have been given, exactly: the first second's volume lies before T0 by the clock."""
    bed = infusing(seconds=62, rate_ml_h=36.0, dose_mg=24.0)
    bed.pump.counter += excess - 0.01
    bed.run(3)
    account = bed.state.live.account
    assert account.delivered_ml - account.expected_ml == pytest.approx(excess)
    assert bool(bed.stops()) is stopped


@pytest.mark.parametrize(("missing_s", "told"), [(201, False), (202, True)])
def test_two_millilitres_may_be_missing(missing_s: int, told: bool) -> None:
    """Pins 2 mL under what would have been given, exactly, for two minutes; a second's volume is ahead by the clock."""
    pump = Odd()
    bed = infusing(pump, seconds=10, rate_ml_h=36.0, dose_mg=24.0)
    pump.stuck = True
    bed.run(missing_s)
    pump.stuck = False
    bed.run(1)
    account = bed.state.live.account
    assert account.expected_ml - account.delivered_ml == pytest.approx(missing_s / 100 - 0.01)
    bed.run(121)
    assert ("under-delivery" in bed.alarms) is told


# --- the dose


def test_the_dose_that_is_never_passed_is_not_reached_either() -> None:
    """Pins that the pump is stopped at the hard limit itself, not at the first step past it."""
    protocol = replace(depression_40(), dose=DoseLimits(0.5, 1.0, 60, 1.0))
    bed = Bed(bed_setup(protocol), pump=Pump(resolution=0.25))
    bed.infuse(**ONE_MINUTE)
    while bed.state.live.account.delivered_ml < 1.0:
        bed.run(1)
    assert bed.session.dose_mg == 1.0
    assert bed.alarms["dose-limit"].priority is HIGH
    assert bed.stops()


@pytest.mark.parametrize(("steps", "stopped"), [(4, False), (5, True)])
def test_two_polls_and_two_steps_of_the_counter_are_no_dose_in_an_hour(steps: int, stopped: bool) -> None:
    """Pins what a window's ends may make: two seconds at the rate ordered and two steps of the counter, and no more."""
    step_ml, rate = 1 / 64, 56.25  # two seconds are two steps
    protocol = replace(depression_40(), window_limits=(WindowLimit(HOUR, 100.0, 1.0),))
    bed = Bed(bed_setup(protocol), pump=Pump(resolution=step_ml))
    bed.infuse(rate_ml_h=rate, dose_mg=0.9375, volume_ml=1.0, duration=MINUTE)
    bed.run(30)
    bed.pump.rate = rate
    bed.pump.counter = 1.0 + steps * step_ml
    bed.pump.running = False
    bed.run(1)
    bed.run(1)
    assert bed.state.live.account.delivered_ml == 1.0 + steps * step_ml
    assert ("dose-limit" in bed.alarms) is stopped


def test_how_long_an_amount_lasts_has_an_end() -> None:
    """Pins the greatest time, where little flows, where nothing does, and where nothing is left of nothing."""
    assert dose.lasts(1.0, 60.0, HOUR) == MINUTE
    assert dose.lasts(1.0, 1e-9, HOUR) == HOUR
    assert dose.lasts(1.0, 0.0, HOUR) == HOUR
    assert dose.lasts(0.0, 0.0, HOUR) == HOUR


def test_a_doubted_counter_is_borne_out_by_a_step_back() -> None:
    """Pins that a reading which jumped, and is next a step lower, is believed: a counter may round back by a step."""
    bed = infusing(seconds=60)
    before = bed.state.live.account.delivered_ml
    for ml in (1.5, -0.001):
        bed.pump.counter, bed.pump.rate = bed.pump.counter + ml, 0.0
        bed.run(1)
    assert bed.state.live.account.delivered_ml == pytest.approx(before + 1.499, abs=0.002)


# --- rest, and what is made of it


def test_a_pump_at_rest_without_a_rate_stays_provisional() -> None:
    """Pins that where no rate is known, no time is known either in which a step would have shown."""
    bed = Bed()
    bed.run(3)
    bed.ask(Stop("look"))
    bed.run(20)
    assert [event.provisional for _, event in bed.events(StopConfirmed)] == [True]


def test_what_stood_before_anything_was_said_of_it_is_not_at_rest_for_good() -> None:
    """Pins that after a crash a volume which was read before the first word of rest is no reading of a pump at rest."""
    bed = Bed(pump=Pump(resolution=0.01))
    bed.infuse(rate_ml_h=1.0, dose_mg=0.6667, volume_ml=5.0)
    bed.run(60)
    bed.ask(Stop("enough"))
    bed.run(3)
    assert bed.session.stopping == "provisional"
    bed.crash()
    volume = Reading(Metric.VOLUME, bed.pump.counter // 0.01 * 0.01, Validity.VALID, bed.now, resolution=0.01)
    bed.give(Observed("pump", (DeliveryReported(Delivery.UNKNOWN), volume)))
    bed.now += SECOND
    bed.give(Observed("pump", (DeliveryReported(Delivery.STOPPED),)))
    assert bed.session.stopping == "provisional"


@pytest.mark.parametrize(("seconds", "final"), [(9, False), (10, True)])
def test_rest_is_for_good_in_the_second_in_which_a_step_was_due(seconds: int, final: bool) -> None:
    """Pins that a stop is told as final by the very reading that is as late as a step of the counter would be."""
    bed = Bed(bed_setup(replace(depression_40(), dose=DoseLimits(0.5, 1.0, 60, 100))))
    bed.infuse(rate_ml_h=0.36, dose_mg=0.24, volume_ml=1.0)
    bed.run(30)
    bed.ask(Hold("talking"))
    bed.run(1)
    settled = bed.state.live.pump.settled_at
    bed.run((settled + seconds * SECOND - bed.now) / SECOND)
    assert any(not event.provisional for _, event in bed.events(StopConfirmed)) is final


# --- a restart that nobody permitted


def test_a_case_without_a_baseline_has_its_half_minute_too() -> None:
    """Pins that a restart after a hold is stopped at once only where nobody had looked, not where nothing was seen."""
    bed = Bed(bed_setup(replace(depression_40(), required_metrics=())))
    bed.monitor.values = {}
    bed.infuse()
    case = bed.state.durable.case
    assert case is not None
    assert not case.baseline
    bed.ask(Hold("talking"))
    bed.run(5)
    asked = len(bed.stops())
    bed.pump.running = True
    bed.run(10)
    assert "Release it, or it is stopped: " in bed.alarms["restarted-without-release"].text
    assert len(bed.stops()) == asked


def test_who_restarts_after_a_reboot_reads_that_it_is_stopped_again() -> None:
    """Pins the words where nobody knows for how long no one looked."""
    bed = infusing()
    bed.crash(same_boot=False)
    bed.run(5)
    bed.pump.running = True
    bed.run(2)
    text = bed.alarms["restarted-without-release"].text
    assert text.startswith("The pump was restarted without release. It is stopped again: The machine was restarted")
