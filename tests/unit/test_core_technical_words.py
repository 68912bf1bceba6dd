"""Technical conditions to the word: lines, frozen monitors, two devices of one patient, values that stay away."""

from dataclasses import replace

from core_bed import LOW, MEDIUM, Bed, Stage, bed_setup, depression_40
from infusion_gateway.model.inputs import Faulted, LinkLost, LinkOpened, Observed
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind, Reading, Validity
from infusion_gateway.model.session import DeviceSetup, Phase, Stages


def infusing() -> Bed:
    """Give a bed that has just begun to infuse."""
    bed = Bed()
    bed.infuse()
    return bed


def two_monitors() -> Bed:
    """Give a bed with a second monitor."""
    setup = bed_setup(depression_40())
    return Bed(replace(setup, devices=(*setup.devices, DeviceSetup("second", False, False, None))))


def test_a_line_that_is_back_with_nothing_is_told_as_that() -> None:
    """Pins the words for a line that was lost, is open again, and brings nothing."""
    bed = infusing()
    bed.monitor.mute = True
    bed.give(LinkLost("monitor", "unplugged"))
    bed.run(2)
    bed.give(LinkOpened("monitor"))
    bed.run(9)
    text = bed.alarms["monitor-link-lost"].text
    assert text.startswith("monitor: the line is gone (it was, and nothing new came since). Look at the cable")


def test_a_frozen_monitor_is_told_by_what_it_does() -> None:
    """Pins the words for a monitor that sends one moment again and again."""
    bed = infusing()
    bed.monitor.mute = True
    bed.give(Faulted("monitor", Fault(FaultKind.FROZEN, "uptime stands still")))
    bed.run(11)
    text = bed.alarms["monitor-frozen"].text
    assert text == "monitor sends the same moment again and again. Look at it; watch the patient"


def test_a_pulse_of_another_probe_is_missing_by_itself() -> None:
    """Pins that where one device gave SpO2 and another the pulse, both gone are two causes, not one."""
    bed = two_monitors()
    del bed.monitor.values[Metric.PULSE]
    bed.infuse()

    def run(seconds: int, pulse: float | None) -> None:
        validity = Validity.INVALID if pulse is None else Validity.VALID
        for _ in range(seconds):
            bed.give(Observed("second", (Reading(Metric.PULSE, pulse, validity, bed.now),)))
            bed.run(1)

    run(5, 70)
    bed.monitor.values[Metric.SPO2] = None
    run(25, None)
    assert set(bed.alarms) == {"spo2-missing", "pulse-missing"}


def test_a_value_that_no_longer_comes_is_missing_by_the_protocols_first_step() -> None:
    """Pins low at 3 s where the protocol says 3 s, though a value of that age still counts for its limits."""
    stages = Stages((Stage(3 * SECOND, LOW), Stage(30 * SECOND, MEDIUM)), frozenset({Phase.ARMED, Phase.INFUSING}))
    bed = Bed(bed_setup(replace(depression_40(), vital_stages=(stages,))))
    bed.infuse()
    bed.run(15)
    assert not bed.alarms
    del bed.monitor.values[Metric.SPO2]
    at = bed.now / SECOND
    bed.run(6)
    assert bed.raised("spo2-missing") == [(at + 3, LOW)]
