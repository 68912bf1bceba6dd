"""An empty syringe: near the end of what was ordered it is the end, before that it is not."""

from dataclasses import replace

from core_bed import Bed, bed_setup, depression_40
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
