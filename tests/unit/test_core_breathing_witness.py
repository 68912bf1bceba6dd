"""Which of two devices that see no breath is gone by, and named: the longest witness by valid values."""

from dataclasses import replace

from core_bed import HELD, HIGH, MEDIUM, STOP, TELL, Bed, bed_setup, depression_40
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.observation import Reading, Validity
from infusion_gateway.model.session import DeviceSetup

NAMES = ("a-monitor", "z-monitor")
CALM = {Metric.SPO2: 97, Metric.PULSE: 70, Metric.HR: 71}


def infusing() -> Bed:
    """Give a bed with two further monitors, whose numbers the test gives, that has been infusing for a minute."""
    setup = bed_setup(depression_40())
    others = tuple(DeviceSetup(name, False, False, None) for name in NAMES)
    bed = Bed(replace(setup, devices=(*setup.devices, *others)))
    bed.monitor.values = dict(CALM)
    bed.infuse()
    bed.run(60)
    return bed


def breathless(bed: Bed, seconds: int, **said: tuple[float, Validity]) -> None:
    """Let the monitors, by their first letter, tell such a respiratory rate each second."""
    for _ in range(seconds):
        bed.run(1)
        for name in NAMES:
            if name[0] in said:
                rate, validity = said[name[0]]
                bed.give(Observed(name, (Reading(Metric.RR, rate, validity, bed.now),)))


def test_the_device_that_has_seen_no_breath_for_longest_is_named() -> None:
    """Pins the witness in the words of the alarm, whichever its name: a nurse looks at that device first."""
    for first, second in (NAMES, NAMES[::-1]):
        bed = infusing()
        none = (0.0, Validity.VALID)
        breathless(bed, 5, **{first[0]: none})
        breathless(bed, 20, **{first[0]: none, second[0]: none})
        alarm = bed.alarms["apnoea"]
        assert f"({first}: no respiration)" in alarm.text
        assert (alarm.value, alarm.limit, alarm.unit) == (20.0, 20.0, "s")
        assert (alarm.priority, alarm.response) == (MEDIUM, TELL)


def test_a_longer_doubtful_witness_does_not_hide_a_shorter_sure_one() -> None:
    """Pins that a stop is counted down by the device whose values are valid, though another has seen none for longer.

    In the same second of a longer doubt alone it would be told at medium, and nobody's pump would be stopped.
    """
    for sure, doubtful in (NAMES, NAMES[::-1]):
        bed = infusing()
        bed.monitor.values[Metric.PULSE] = bed.monitor.values[Metric.HR] = None  # the oxygen alone makes nobody well
        breathless(bed, 10, **{doubtful[0]: (0.0, Validity.QUESTIONABLE)})
        alone = {doubtful[0]: (0.0, Validity.QUESTIONABLE), sure[0]: (0.0, Validity.VALID)}
        breathless(bed, 20, **alone)
        assert (bed.alarms["apnoea"].priority, bed.alarms["apnoea"].response) == (MEDIUM, TELL)
        breathless(bed, 2, **alone)
        alarm = bed.alarms["apnoea"]
        assert (alarm.priority, alarm.response) == (HIGH, HELD)
        assert f"({sure}: no respiration)" in alarm.text


def test_who_saw_no_breath_before_a_crash_is_said_to_be_from_before_it() -> None:
    """Pins the words while no device has said anything yet since: no device is named that may be off by now."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 90
    breathless(bed, 22, a=(0.0, Validity.VALID))
    assert (bed.alarms["apnoea"].priority, bed.alarms["apnoea"].response) == (HIGH, STOP)
    bed.monitor.mute = True
    bed.crash()
    bed.run(1)
    alarm = bed.alarms["apnoea"]
    assert (alarm.priority, alarm.response) == (HIGH, HELD)
    said = "No breath seen for more than 40 s (before the restart), SpO2 not known. Check patient and cannula."
    assert alarm.text == said
