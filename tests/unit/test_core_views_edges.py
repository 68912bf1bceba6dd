"""Views at their edges: an alarm whose signal is gone, until when a stop is held off, what ends in an instant."""

from dataclasses import replace

from core_bed import HELD, HIGH, MEDIUM, TELL, Bed, bed_setup, depression_40, limit, row
from infusion_gateway.core.technical import REFUSED_FOR
from infusion_gateway.core.views import alarms, devices, session, vitals
from infusion_gateway.model.inputs import Faulted, Observed
from infusion_gateway.model.instructions import Away, Hold, HoldOff
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind, Reading, Validity
from infusion_gateway.model.session import DeviceSetup, LimitCondition, Side

SPO2 = (Metric.SPO2,)
TOLD = limit("spo2-low", SPO2, Side.LOW, row(94, MEDIUM, 0, TELL))


def low(condition: LimitCondition = TOLD) -> Bed:
    """Give an infusing bed of this condition alone, which was raised by 93, and whose newest value is 91."""
    bed = Bed(bed_setup(replace(depression_40(), conditions=(condition,))))
    bed.infuse()
    for value in (93, 91):
        bed.monitor.values[Metric.SPO2] = value
        bed.run(1)
    return bed


def test_an_alarm_shows_the_newest_value_while_it_counts_and_then_the_one_that_raised_it() -> None:
    """Pins 91 for a nanosecond less than 5 s after it was measured, and 93 from then on: never no value at all."""
    bed = low()
    until = bed.now + 5 * SECOND
    [before], [after] = alarms(bed.state, until - 1), alarms(bed.state, until)
    assert (before.value, after.value) == (91, 93)


def test_who_held_a_stop_off_sees_until_when() -> None:
    """Pins that a stop counted down shows no hold-off before somebody asks for one, and then its end."""
    bed = low(limit("spo2-low", SPO2, Side.LOW, row(94, HIGH, 0, HELD)))
    assert bed.alarms["spo2-low"].held_until is None
    bed.ask(HoldOff("spo2-low", "sensor on a cold hand"))
    assert bed.alarms["spo2-low"].held_until == bed.now + bed.protocol.hold_off


def test_an_alarm_shows_how_far_it_was_told() -> None:
    """Pins that a high alarm that nobody acknowledges shows its steps: none, one after 15 s, two after 45 s."""
    bed = low(limit("spo2-low", SPO2, Side.LOW, row(94, HIGH, 0, TELL)))
    seen = []
    for seconds in (12, 3, 30):
        bed.run(seconds)
        seen.append(bed.alarms["spo2-low"].escalation)
    assert seen == [0, 1, 2]


def test_away_from_the_monitors_ends_in_its_instant() -> None:
    """Pins that a patient who may be away until then is not shown as away at that time."""
    bed = low()
    bed.ask(Hold("toilet"))
    bed.run(3)
    bed.ask(Away(5 * MINUTE))
    until = bed.state.durable.away_until
    assert until is not None
    assert session(bed.state, until - 1).away_until == until
    assert session(bed.state, until).away_until is None


def test_a_refusal_is_shown_for_its_half_minute_and_not_longer() -> None:
    """Pins the last nanosecond of a device's refusal in its status."""
    bed = low()
    bed.give(Faulted("monitor", Fault(FaultKind.REFUSED, "code 2")))
    shown = [devices(bed.state, bed.now + after)[1].fault for after in (REFUSED_FOR - 1, REFUSED_FOR)]
    assert shown == ["refused: code 2", ""]


def test_of_two_devices_the_one_whose_value_is_young_is_shown() -> None:
    """Pins that the preferred one's value gives way to the other's in the instant in which it is 5 s old."""
    setup = bed_setup(depression_40())
    bed = Bed(replace(setup, devices=(*setup.devices, DeviceSetup("second", False, False, None))))
    bed.run(3)
    at = bed.now
    bed.now += SECOND
    bed.give(Observed("second", (Reading(Metric.SPO2, 96, Validity.VALID, bed.now),)))
    for now, device in ((at + 5 * SECOND - 1, "monitor"), (at + 5 * SECOND, "second")):
        [shown] = [vital for vital in vitals(bed.state, now) if vital.metric is Metric.SPO2]
        assert shown.device == device
