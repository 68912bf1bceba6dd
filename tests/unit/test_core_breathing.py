"""Apnoea and absent CO2: one witness or two, the oxygen meanwhile, at each limit and each deadline."""

from dataclasses import replace

import pytest

from core_bed import HELD, HIGH, MEDIUM, STOP, TELL, Bed, bed_setup, depression_40
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.events import ConditionRaised
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.instructions import Assess
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import Reading, Sensor, SensorReported, SensorState, Validity
from infusion_gateway.model.session import DeviceSetup


def infusing(*others: str) -> Bed:
    """Give a bed with further monitors that has been infusing for a minute, CO2 by the first one."""
    setup = bed_setup(depression_40())
    bed = Bed(replace(setup, devices=(*setup.devices, *(DeviceSetup(name, False, False, None) for name in others))))
    bed.monitor.values[Metric.ETCO2] = 38
    bed.infuse()
    bed.run(60)
    return bed


def raised(bed: Bed) -> list[tuple[float, Priority, Response]]:
    """Give when apnoea was raised, in seconds after its first reading, with priority and response."""
    found = [(at, event) for at, event in bed.events(ConditionRaised) if event.code == "apnoea"]
    return [((at - bed.began) / SECOND, event.priority, event.response) for at, event in found]


def begin(bed: Bed, seconds: float, **values: float | None) -> Bed:
    """Let no breath be seen from the next second on, for so long."""
    bed.monitor.values |= {Metric.RR: 0, Metric.ETCO2: 0} | {Metric[name]: value for name, value in values.items()}
    bed.began = bed.now + SECOND
    bed.run(seconds + 1)
    return bed


def test_one_witness_and_a_well_patient_is_medium_then_counted_down() -> None:
    """Pins medium at exactly 20 s, high at exactly 40 s, and the stop twenty seconds after, not before."""
    bed = begin(infusing(), 59.999)
    assert raised(bed) == [(20, MEDIUM, TELL), (40, HIGH, HELD)]
    assert not bed.stops()
    bed.run(0.001)
    assert len(bed.stops()) == 1
    assert "Check patient and cannula" in bed.alarms["apnoea"].text


@pytest.mark.parametrize(
    ("spo2", "expected"),
    [
        (94, [(20, MEDIUM, TELL), (40, HIGH, HELD)]),
        (93, [(20, HIGH, HELD)]),  # not known to be well: no further twenty seconds of grace
        (92, [(20, HIGH, HELD)]),
        (91, [(20, HIGH, STOP)]),
    ],
)
def test_the_oxygen_decides_at_its_limits(spo2: float, expected: list[tuple[float, Priority, Response]]) -> None:
    """Pins 94 and 92 exactly and one step either side: well, in between, low."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = spo2
    bed.run(1)
    assert raised(begin(bed, 45)) == expected


@pytest.mark.parametrize(("after", "stops"), [(97, False), (96, True)])
def test_oxygen_that_falls_by_three_points_is_a_stop(after: float, stops: bool) -> None:
    """Pins three points below where it began, though still above 94; two are nothing."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 99
    bed.run(1)
    begin(bed, 5)
    bed.monitor.values[Metric.SPO2] = after
    bed.run(16)
    assert (bed.alarms["apnoea"].response is STOP) is stops
    assert bool(bed.stops()) is stops


def test_a_second_device_that_agrees_is_a_stop_at_twenty_seconds() -> None:
    """Pins two devices: a stop once both have said so for twenty seconds; one device is one witness by two metrics."""
    bed = infusing("second")
    bed.monitor.values |= {Metric.RR: 0, Metric.ETCO2: 0}
    bed.began = bed.now + SECOND
    for second in range(24):
        bed.run(1)
        rate = 0 if second >= 3 else 14
        bed.give(Observed("second", (Reading(Metric.RR, rate, Validity.VALID, bed.now),)))
    assert raised(bed) == [(20, MEDIUM, TELL), (23, HIGH, STOP)]
    assert "two devices" in bed.alarms["apnoea"].text
    assert len(bed.stops()) == 1


def test_a_second_device_that_sees_breaths_leaves_one_witness() -> None:
    """Pins that impedance that goes on breathing doesn't take back absent CO2: a closed throat looks like that."""
    bed = infusing("second")
    bed.monitor.values |= {Metric.RR: None, Metric.ETCO2: 0}
    bed.began = bed.now + SECOND
    for _ in range(42):
        bed.run(1)
        bed.give(Observed("second", (Reading(Metric.RR, 14, Validity.VALID, bed.now),)))
    assert raised(bed) == [(20, MEDIUM, TELL), (40, HIGH, HELD)]


@pytest.mark.parametrize("gone", [Metric.SPO2, Metric.PULSE])
def test_unknown_oxygen_is_no_well_patient(gone: Metric) -> None:
    """Pins that without a valid SpO2, or pulse, there is no further grace: high at 20 s, counted down."""
    bed = infusing()
    bed.monitor.values[gone] = None
    if gone is Metric.PULSE:
        bed.monitor.values[Metric.HR] = None
    bed.run(8)
    begin(bed, 21)
    assert raised(bed) == [(20, HIGH, HELD)]


@pytest.mark.parametrize(("etco2", "rr", "absent"), [(5, 14, True), (6, 14, False), (38, 0, True), (38, 1, False)])
def test_what_counts_as_no_breath(etco2: float, rr: float, absent: bool) -> None:
    """Pins EtCO2 of 5 mmHg and a rate of nothing as none; 6 mmHg and one a minute aren't."""
    bed = infusing()
    bed.monitor.values |= {Metric.RR: rr, Metric.ETCO2: etco2}
    bed.run(25)
    assert ("apnoea" in bed.alarms) is absent


def test_a_rate_of_nothing_is_not_a_low_rate_too() -> None:
    """Pins that a rate of 0 is judged as apnoea alone, and one of 1 by the limits of the rate, high after 15 s."""
    bed = begin(infusing(), 19)
    assert not bed.alarms
    slow = infusing()
    slow.monitor.values[Metric.RR] = 1
    slow.run(16)
    assert slow.alarms["rr-low"].priority is HIGH
    assert "apnoea" not in slow.alarms


def test_one_breath_resets_what_is_pending_and_ten_seconds_clear_what_was_raised() -> None:
    """Pins that 18 s, a breath, 19 s more are nothing, and that a raised one clears after ten seconds, not before."""
    bed = begin(infusing(), 18)
    bed.monitor.values |= {Metric.RR: 12, Metric.ETCO2: 38}
    bed.run(1)
    begin(bed, 19)
    assert not raised(bed)
    bed.run(5)
    assert "apnoea" in bed.alarms
    bed.monitor.values |= {Metric.RR: 12, Metric.ETCO2: 38}
    bed.run(10.999)
    assert "apnoea" in bed.alarms
    bed.run(0.001)
    assert "apnoea" not in bed.alarms
    bed.run(120)
    assert not bed.alarms


def test_a_gap_pauses_and_resets_nothing() -> None:
    """Pins that thirty seconds of invalid values in between leave the delay where it stood."""
    bed = begin(infusing(), 10)
    bed.monitor.values |= {Metric.RR: None, Metric.ETCO2: None}
    bed.run(30)
    assert not raised(bed)
    bed.monitor.values |= {Metric.RR: 0, Metric.ETCO2: 0}
    bed.run(11)
    assert [priority for _, priority, _ in raised(bed)] == [MEDIUM]


def test_a_delay_is_over_on_time_though_nothing_comes() -> None:
    """Pins the deadline at 20 s without a reading then; at 21 s the last SpO2 is too old to call the patient well."""
    bed = begin(infusing(), 16)
    bed.monitor.mute = True
    bed.run(10)
    assert raised(bed) == [(20, MEDIUM, TELL), (21, HIGH, HELD)]


def test_questionable_values_are_medium_at_most() -> None:
    """Pins that two minutes of questionable silence, low oxygen or not, stop nothing."""
    bed = infusing()
    bed.monitor.validity |= {Metric.RR: Validity.QUESTIONABLE, Metric.ETCO2: Validity.QUESTIONABLE}
    begin(bed, 120, SPO2=91)
    assert raised(bed) == [(20, MEDIUM, TELL)]
    assert not bed.stops()


def test_a_cannula_that_is_off_is_no_apnoea() -> None:
    """Pins that a device that says its cannula is off is no witness, whatever numbers it goes on giving."""
    bed = infusing()
    off = SensorReported(Sensor.CANNULA, SensorState.OFF)
    for _ in range(300):
        bed.run(1)
        gone = (Reading(Metric.ETCO2, 0, Validity.VALID, bed.now), Reading(Metric.RR, 0, Validity.VALID, bed.now))
        bed.give(Observed("monitor", (off, *gone)))
        bed.monitor.values.pop(Metric.ETCO2, None)
        bed.monitor.values.pop(Metric.RR, None)
    assert "apnoea" not in bed.alarms
    assert "cannula-off" in bed.alarms
    assert not bed.stops()


def test_an_apnoea_from_before_a_crash_stays_until_breaths_are_seen() -> None:
    """Pins that a restart takes the alarm up where it stood, and ten seconds of breathing end it."""
    bed = begin(infusing(), 45)
    bed.crash()
    bed.run(3)
    assert bed.alarms["apnoea"].priority is HIGH
    bed.monitor.values |= {Metric.RR: 12, Metric.ETCO2: 38}
    bed.run(15)
    assert "apnoea" not in bed.alarms
    bed.check()


def test_a_person_who_counts_no_breath_means_it() -> None:
    """Pins that a rate of 0 entered by hand is a rate below 8, at once."""
    bed = infusing()
    bed.monitor.values |= {Metric.RR: None, Metric.ETCO2: None}
    bed.run(6)
    bed.ask(Assess((), ((Metric.RR, 0.0),), 0))
    assert (bed.alarms["rr-low"].priority, bed.alarms["rr-low"].response) == (HIGH, HELD)


def test_a_protocol_without_it_judges_the_rate_alone() -> None:
    """Pins that where the protocol has no apnoea, a rate of 0 is a rate below 8."""
    setup = bed_setup(replace(depression_40(), apnoea=None))
    bed = Bed(setup)
    bed.infuse()
    bed.monitor.values[Metric.RR] = 0
    bed.run(16)
    assert set(bed.alarms) == {"rr-low"}
