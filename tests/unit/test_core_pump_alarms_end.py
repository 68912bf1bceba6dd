"""A pump that alarms: an empty syringe near the end of what was ordered, and a pump that goes on though it alarms."""

from dataclasses import replace

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import PumpAlarm


def test_an_empty_syringe_near_the_end_is_told_as_the_end() -> None:
    """Pins the words of an empty syringe where what is left may be missing, and where it may not."""
    for part, do in ((1.0, "The volume ordered is nearly in"), (0.05, "Look at the syringe and the volume ordered")):
        bed = Bed(bed_setup(replace(depression_40(), end_short_ml=34.9, end_short_part=part)))
        bed.infuse()
        bed.run(20)
        bed.pump.alarms = frozenset({PumpAlarm.EMPTY, PumpAlarm.BATTERY})
        bed.run(1)
        assert bed.alarms["pump-empty"].text == f"The pump reports empty. {do}"
        assert bed.alarms["pump-battery"].text == "The pump reports battery. Put the pump on mains power"


def occluded(bed: Bed, seconds: int) -> None:
    """Let a pump that goes on report an occlusion for a while."""
    bed.pump.alarms = frozenset({PumpAlarm.OCCLUSION})
    bed.run(seconds)


def test_a_pump_that_goes_on_has_its_five_seconds_anew_when_its_alarm_returns() -> None:
    """Pins that an occlusion of 3 s, over for 10 s, and back is stopped 5 s after its return, not at once."""
    bed = Bed()
    bed.infuse()
    occluded(bed, 3)
    bed.pump.alarms = frozenset()
    bed.run(10)
    at = bed.now / SECOND + 1
    occluded(bed, 8)
    assert bed.stops()[0] == at + 5


def test_one_report_of_delivery_is_not_yet_going_on() -> None:
    """Pins that the 5 s run from the second report that shows it: one may be of the moment before it stopped."""
    bed = Bed()
    bed.infuse()
    bed.run(5)
    bed.pump.running = False
    bed.run(1)
    bed.pump.running = True
    at = bed.now / SECOND + 1
    occluded(bed, 8)
    assert bed.stops()[0] == at + 1 + 5
