"""A turn: what one step comes to."""

from dataclasses import replace

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.session import DeviceSetup


def test_of_two_monitors_that_fall_silent_together_the_first_is_named() -> None:
    """Pins that of two claims of one code that are alike the first stands, so that the words don't change about."""
    setup = bed_setup(depression_40())
    bed = Bed(replace(setup, devices=(*setup.devices, DeviceSetup("second", False, False, None))))
    bed.infuse()
    bed.give(Observed("second", bed.monitor.report(bed.now)))
    bed.monitor.mute = True
    bed.run(12)
    assert bed.alarms["monitor-silent"].text.startswith("monitor says nothing")
