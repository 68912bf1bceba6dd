"""What the pump does against the order: rate, volume, its own alarms, unordered delivery, the dead man."""

from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, Pump, bed_setup, depression_40
from infusion_gateway.core.views import vitals
from infusion_gateway.model.alarm import Signal
from infusion_gateway.model.commands import SetDeadMan, StopInfusion
from infusion_gateway.model.events import DeadManSet, PumpAlarmed, RateChanged, StopAsked
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.instructions import Abort, Acknowledge, Disarm, PermitResume, Prime, Stop
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Delivery, DeliveryReported, PumpAlarm, Reading, Validity
from infusion_gateway.model.session import Phase


def infusing(pump: Pump | None = None) -> Bed:
    """Give a bed that has been infusing at 52.5 mL/h for a minute."""
    bed = Bed(pump=pump)
    bed.infuse()
    bed.run(60)
    return bed


@pytest.mark.requirement("S01", "S07")
@pytest.mark.rule("E4", "acts")
@pytest.mark.parametrize(
    ("times", "seconds", "stopped"),
    [
        (2.0, 1, False),
        (2.0, 2, True),
        (1.999, 10, False),
        (1.999, 11, True),
        (1.5, 60, False),
        (1.5, 61, True),
        (1.501, 10, False),
        (1.501, 11, True),
        (1.2, 120, False),
        (1.201, 60, False),
        (1.201, 61, True),
    ],
)
def test_the_rate_rows_at_their_limits(times: float, seconds: int, stopped: bool) -> None:
    """Pins twice in two readings, more than 1.5 for 10 s, more than 1.2 for 60 s, each exactly and one step aside."""
    bed = infusing()
    bed.pump.rate = 52.5 * times
    bed.run(seconds)
    assert bool(bed.stops()) is stopped
    if stopped:
        assert bed.events(StopAsked)[0][1].codes == ("rate-high",)
        assert bed.raised("rate-high")[0][1] is HIGH


@pytest.mark.rule("E4", "leaves alone")
def test_one_reading_of_a_gross_rate_is_not_enough() -> None:
    """Pins that a single reading of ten times the rate between two good ones stops nothing."""
    bed = infusing()
    bed.pump.rate = 525.0
    bed.run(1)
    bed.pump.rate = 52.5
    bed.run(20)
    assert not bed.stops()
    assert not bed.alarms


@pytest.mark.requirement("S07", "S52", "S53")
def test_a_tenfold_rate_is_stopped_within_the_budget() -> None:
    """Pins that ten times the rate is stopped on its second reading and adds less than 1.5 mg (budget: 10 s)."""
    bed = infusing()
    before = bed.session.dose_mg
    bed.pump.rate = 525.0
    bed.run(10)
    assert bed.phase is Phase.PAUSED
    assert before is not None
    assert bed.session.dose_mg is not None
    assert bed.session.dose_mg - before < 1.5
    assert bed.alarms["rate-high"].signal is Signal.LATCHED


@pytest.mark.requirement("S01", "S53")
def test_the_rate_holds_from_t0() -> None:
    """Pins that a pump started by hand at the wrong rate is stopped at once."""
    bed = Bed()
    bed.arm()
    bed.pump.running, bed.pump.rate = True, 525.0
    bed.run(3)
    assert bed.stops()


@pytest.mark.requirement("S25")
def test_a_programmed_rate_of_a_stopped_pump_is_no_rate() -> None:
    """Pins that a paused pump set to another rate is not a rate condition, nor recorded as a rate."""
    bed = infusing()
    bed.pump.running = False
    bed.run(3)
    for _ in range(5):
        bed.now += SECOND
        readings = (DeliveryReported(Delivery.STOPPED), Reading(Metric.RATE, 800.0, Validity.VALID, bed.now))
        bed.give(Observed("pump", readings))
    assert "rate-high" not in bed.alarms
    assert [vital.value for vital in vitals(bed.state, bed.now) if vital.metric is Metric.RATE] == [0.0]
    assert all(event.rate_ml_h < 800 for _, event in bed.events(RateChanged))


@pytest.mark.requirement("S02", "S07")
@pytest.mark.rule("E7", "acts")
def test_more_than_the_order_would_have_given_is_stopped() -> None:
    """Pins the stop at more than 2 mL above the integral of the ordered rate, though the rate reported is right."""
    bed = infusing()
    bed.pump.counter += 1.9
    bed.run(30)
    assert not bed.stops()
    bed.pump.counter += 0.2
    bed.run(2)
    assert bed.alarms["over-delivery"].priority is HIGH
    assert bed.stops()
    bed.run(5)
    bed.ask(Acknowledge("over-delivery"))
    bed.ask(PermitResume("seen"))
    bed.pump.running = True
    bed.run(60)
    assert bed.phase is Phase.INFUSING
    assert "over-delivery" not in bed.alarms


@pytest.mark.requirement("S02")
@pytest.mark.rule("E7", "leaves alone")
def test_ten_percent_is_the_margin_of_a_long_session() -> None:
    """Pins that after half an hour (26 mL) 2.5 mL too much are within ten percent, and 2.8 mL are not."""
    bed = infusing()
    bed.run(29 * 60)
    bed.pump.counter += 2.5
    bed.run(5)
    assert not bed.stops()
    bed.pump.counter += 0.3
    bed.run(5)
    assert bed.stops()


@pytest.mark.requirement("S02", "S08")
def test_less_than_ordered_is_told_late_and_stops_nothing() -> None:
    """Pins low two minutes after the shortfall passed its margin, and medium three minutes later."""
    bed = infusing()
    bed.run(600)
    bed.pump.rate = 1.0
    bed.run(240)
    shortfall = bed.state.live.since.get("under-delivery")
    assert shortfall is not None
    bed.run((shortfall + 6 * MINUTE - bed.now) / SECOND)
    assert bed.raised("under-delivery") == [(shortfall / SECOND + 120, LOW), (shortfall / SECOND + 300, MEDIUM)]
    assert not bed.stops()


@pytest.mark.requirement("S10", "S12", "S35", "S39")
@pytest.mark.parametrize(
    ("alarm", "priority"),
    [
        (PumpAlarm.OCCLUSION, HIGH),
        (PumpAlarm.AIR, HIGH),
        (PumpAlarm.DOOR, HIGH),
        (PumpAlarm.DEAD_MAN, HIGH),
        (PumpAlarm.OTHER, HIGH),
        (PumpAlarm.RESET, MEDIUM),
        (PumpAlarm.NEAR_EMPTY, LOW),
        (PumpAlarm.BATTERY, LOW),
    ],
)
def test_the_pumps_alarms_are_told(alarm: PumpAlarm, priority: object) -> None:
    """Pins each cause's priority, that it is recorded, and that one cleared by being read stays till acknowledged."""
    bed = infusing()
    bed.pump.alarms = frozenset({alarm})
    bed.run(1)
    code = f"pump-{alarm}"
    assert bed.alarms[code].priority is priority
    assert bed.events(PumpAlarmed)[-1][1].alarms == (alarm,)
    bed.pump.alarms = frozenset()
    bed.run(1)
    assert bed.events(PumpAlarmed)[-1][1].alarms == ()
    assert (code in bed.alarms) is (priority is not LOW)
    bed.ask(Acknowledge(code))
    assert code not in bed.alarms


@pytest.mark.requirement("S54")
def test_delivering_without_an_order_is_told_and_never_stopped() -> None:
    """Pins low on the second reading, medium a minute later, quiet while a purge is announced, and no stop."""
    bed = Bed()
    bed.run(3)
    bed.pump.running = True
    bed.run(2)
    at = bed.now / SECOND
    bed.run(120)
    assert bed.raised("delivering-without-order") == [(at, LOW), (at + 60, MEDIUM)]
    assert not bed.stops()
    bed.ask(Prime(30 * SECOND))
    assert not bed.alarms
    bed.run(29.5)
    assert not bed.alarms
    bed.run(1)
    assert "delivering-without-order" in bed.alarms
    bed.pump.running = False
    bed.run(1)
    assert not bed.alarms


def dead_men(bed: Bed) -> list[int]:
    """Give every time-out the pump was asked to keep."""
    return [command.seconds for _, command in bed.commands if isinstance(command, SetDeadMan)]


def test_the_dead_man_is_armed_at_t0_and_taken_off_at_the_end() -> None:
    """Pins arming in the very step of T0, the read-back as an event, and disarming once the stop is confirmed."""
    bed = Bed()
    bed.arm()
    assert not dead_men(bed)
    bed.pump.running = True
    bed.run(2)
    assert dead_men(bed) == [20]
    bed.run(60)
    bed.ask(Stop("enough"))
    bed.run(1)
    assert dead_men(bed) == [20]
    bed.run(3)
    assert dead_men(bed) == [20, 0]
    assert [(event.seconds, event.found) for _, event in bed.events(DeadManSet)] == [(20.0, False), (0.0, False)]


def test_the_dead_man_keeps_within_what_the_device_can() -> None:
    """Pins that the protocol's time-out is brought into the device's range."""
    for span, seconds in (((5, 15), 15), ((30, 60), 30), ((10, 60), 20)):
        bed = Bed(bed_setup(depression_40(), dead_man=span))
        bed.infuse()
        assert dead_men(bed) == [seconds]


def test_a_dead_man_that_is_not_read_back_is_told_and_asked_for_again() -> None:
    """Pins asking every 5 s and `dead-man-not-armed` after exactly 10 s; read back at last, it clears."""
    bed = Bed(pump=Pump(keeps_dead_man=False))
    bed.infuse()
    at = bed.now / SECOND
    bed.run(30)
    assert bed.raised("dead-man-not-armed") == [(at + 10, MEDIUM)]
    assert len(dead_men(bed)) == 7
    bed.pump.dead_man = 20.0
    bed.run(1)
    assert "dead-man-not-armed" not in bed.alarms


def test_a_dead_man_lost_in_a_power_cycle_is_armed_again() -> None:
    """Pins that a read-back of nothing during the session has it set again."""
    bed = infusing()
    bed.pump.dead_man = 0.0
    bed.run(2)
    assert dead_men(bed) == [20, 20]
    assert bed.pump.dead_man == 20.0


def test_a_person_may_take_it_off_and_that_stays_told() -> None:
    """Pins `disarm`: off, not armed again behind that person's back, and low while infusing."""
    bed = infusing()
    bed.ask(Disarm("it tripped twice"))
    bed.run(30)
    assert bed.pump.dead_man == 0.0
    assert dead_men(bed) == [20, 0], "asked for once, as long as the pump does it"
    assert "nurse-1" in bed.alarms["dead-man-off"].text


def test_a_dead_man_that_stays_armed_is_asked_off_again() -> None:
    """Pins that a pump which keeps it is asked every five seconds, not twice at once, and told of after ten."""
    bed = infusing()
    bed.pump.keeps_dead_man = False
    bed.ask(Disarm("it tripped twice"))
    assert dead_men(bed) == [20, 0]
    bed.run(5)
    assert dead_men(bed) == [20, 0, 0]
    bed.run(5)
    assert "dead-man-not-taken-off" in bed.alarms


def test_a_dead_man_found_armed_is_said_and_not_touched() -> None:
    """Pins that one from elsewhere is told, low, at start-up, and that T0 and the end make it ours and take it off."""
    bed = Bed(pump=Pump(dead_man=20.0))
    bed.run(3)
    assert bed.alarms["dead-man-found-armed"].priority is LOW
    assert bed.events(DeadManSet)[0][1].found
    assert not dead_men(bed)
    bed.infuse()
    bed.run(10)
    assert "dead-man-found-armed" not in bed.alarms
    bed.ask(Abort("wrong patient"))
    bed.run(5)
    assert bed.pump.dead_man == 0.0


def test_a_pump_without_a_dead_man_is_never_asked_for_one() -> None:
    """Pins that nothing is commanded, and disarming is refused, where the device has none."""
    bed = Bed(bed_setup(depression_40(), dead_man=None))
    bed.infuse()
    bed.run(10)
    bed.ask(Disarm("off"))
    assert not dead_men(bed)


@pytest.mark.requirement("S51")
def test_every_command_is_safe_and_says_why() -> None:
    """Pins that a session with a stop sends nothing but stops and dead men, each to the pump, with a reason."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(30)
    assert bed.commands
    for _, command in bed.commands:
        assert isinstance(command, StopInfusion | SetDeadMan)
        assert command.device == "pump"
        assert command.reason


def test_a_bolus_is_delivery() -> None:
    """Pins that a bolus in an armed bed is T0, and in one without an order is told."""
    bed = Bed(pump=Pump(says=Delivery.BOLUS))
    bed.infuse()
    assert bed.session.t0 is not None
    other = Bed(bed_setup(replace(depression_40())), pump=Pump(says=Delivery.BOLUS, running=True))
    other.run(5)
    assert "delivering-without-order" in other.alarms


def test_the_dead_man_stays_until_a_stop_stands_for_good() -> None:
    """Pins that a stop which is confirmed so far, of a counter with coarse steps, leaves it armed."""
    bed = Bed(pump=Pump(resolution=0.1))
    bed.infuse()
    bed.run(60)
    bed.ask(Stop("enough"))
    bed.run(4)
    stop = bed.state.durable.stop
    assert stop is not None
    assert (stop.confirmed_at is not None, stop.provisional) == (True, True)
    assert dead_men(bed) == [20]
    bed.run(12)
    assert bed.phase is Phase.RECOVERY
    assert dead_men(bed) == [20, 0]
