"""One cause, one condition: what a single thing gone wrong raises, and what is over only when it is seen to be."""

from collections.abc import Callable

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed
from infusion_gateway.model.events import ConditionCleared, ConditionRaised
from infusion_gateway.model.inputs import BrokerChanged, Faulted, LinkLost, LinkOpened
from infusion_gateway.model.instructions import Away, Hold
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind, Sensor, Validity
from infusion_gateway.model.session import Phase

OF_PROBE, OF_LEADS, OF_CANNULA = (Metric.SPO2, Metric.PULSE), (Metric.HR, Metric.RR), (Metric.ETCO2, Metric.RR)
WELL = {Metric.SPO2: 97, Metric.PULSE: 70, Metric.HR: 71, Metric.RR: 14, Metric.ETCO2: 38}


def infusing() -> Bed:
    """Give a bed that measures CO2 too, and has been infusing for a minute."""
    bed = Bed()
    bed.monitor.values[Metric.ETCO2] = 38
    bed.infuse()
    bed.run(60)
    return bed


def off(bed: Bed, sensor: Sensor, *metrics: Metric) -> None:
    """Take a sensor off, and with it what it measures."""
    bed.monitor.off.add(sensor)
    bed.monitor.values |= dict.fromkeys(metrics)


def on(bed: Bed, *metrics: Metric) -> None:
    """Put everything on; these metrics are still looked for."""
    bed.monitor.off.clear()
    bed.monitor.values |= WELL | dict.fromkeys(metrics)


def mute(bed: Bed, device: str) -> None:
    """Let a device fall silent."""
    (bed.pump if device == "pump" else bed.monitor).mute = True


def cut(bed: Bed, device: str) -> None:
    """Take a device's line away."""
    mute(bed, device)
    bed.give(LinkLost(device, "unplugged"))


def freeze(bed: Bed) -> None:
    """Let the monitor send one moment again and again."""
    mute(bed, "monitor")
    bed.give(Faulted("monitor", Fault(FaultKind.FROZEN, "uptime stands still")))


CAUSES: dict[str, tuple[Callable[[Bed], None], str]] = {
    "probe": (lambda bed: off(bed, Sensor.PROBE, *OF_PROBE), "probe-off"),
    "leads": (lambda bed: off(bed, Sensor.LEADS, *OF_LEADS), "leads-off"),
    "cannula": (lambda bed: off(bed, Sensor.CANNULA, *OF_CANNULA), "cannula-off"),
    "probe without a word of it": (lambda bed: off(bed, Sensor.CUFF, *OF_PROBE), "spo2-missing"),
    "monitor silent": (lambda bed: mute(bed, "monitor"), "monitor-silent"),
    "monitor's line": (lambda bed: cut(bed, "monitor"), "monitor-link-lost"),
    "monitor frozen": (freeze, "monitor-frozen"),
    "pump silent": (lambda bed: mute(bed, "pump"), "supervision-lost"),
    "pump's line": (lambda bed: cut(bed, "pump"), "supervision-lost"),
    "broker": (lambda bed: bed.give(BrokerChanged(False, None)), "broker-lost"),
    "no station": (lambda bed: bed.give(BrokerChanged(True, False)), "nobody-supervising"),
}


def codes(bed: Bed) -> set[str]:
    """Give every code that was raised."""
    return {event.code for _, event in bed.events(ConditionRaised)}


@pytest.mark.parametrize("cause", list(CAUSES))
def test_one_cause_is_one_condition(cause: str) -> None:
    """Pins that each thing gone wrong raises its one condition and nothing else, for two minutes, and stops nothing."""
    happens, code = CAUSES[cause]
    bed = infusing()
    happens(bed)
    bed.run(120)
    assert codes(bed) == {code}
    assert not bed.stops()


@pytest.mark.parametrize("cause", list(CAUSES))
def test_what_was_one_cause_leaves_nothing_behind(cause: str) -> None:
    """Pins that all of it is over when it is mended, nothing else being raised on the way back."""
    happens, code = CAUSES[cause]
    bed = infusing()
    happens(bed)
    bed.run(45)
    bed.monitor.mute = bed.pump.mute = False
    on(bed)
    bed.give(BrokerChanged(True, True))
    bed.run(30)
    assert codes(bed) == {code}
    assert not bed.alarms


def test_a_sensor_that_was_off_when_the_monitor_fell_silent_is_off() -> None:
    """Pins that silence clears nothing: the probe's age goes on, and the monitor's own begins with its last word."""
    bed = infusing()
    at = bed.now / SECOND + 1
    off(bed, Sensor.PROBE, *OF_PROBE)
    bed.run(12)
    bed.monitor.mute = True
    bed.run(60)
    assert bed.raised("probe-off") == [(at + 10, LOW), (at + 30, MEDIUM), (at + 60, HIGH)]
    assert bed.raised("monitor-silent") == [(at + 21, LOW), (at + 41, MEDIUM), (at + 71, HIGH)]
    assert not [event for _, event in bed.events(ConditionCleared) if event.code == "probe-off"]
    bed.monitor.mute = False
    on(bed)
    bed.run(2)
    assert not bed.alarms


def test_a_line_that_is_back_and_brings_nothing_is_no_new_cause() -> None:
    """Pins that a line that comes and goes, and no word between, stays the one condition that it was."""
    bed = infusing()
    at = bed.now / SECOND
    cut(bed, "monitor")
    for _ in range(6):
        bed.run(6)
        bed.give(LinkOpened("monitor"))
        bed.run(6)
        bed.give(LinkLost("monitor", "closed"))
    assert bed.raised("monitor-link-lost") == [(at + 10, LOW), (at + 30, MEDIUM), (at + 60, HIGH)]
    assert codes(bed) == {"monitor-link-lost"}
    bed.give(LinkOpened("monitor"))
    bed.monitor.mute = False
    bed.run(2)
    assert not bed.alarms
    bed.monitor.mute = True
    bed.run(12)
    assert set(bed.alarms) == {"monitor-silent"}


@pytest.mark.parametrize(("seconds", "found"), [(9, set()), (11, {"spo2-missing"})])
def test_a_probe_that_was_put_back_has_ten_seconds_to_find_a_pulse(seconds: float, found: set[str]) -> None:
    """Pins nothing new while it looks for one, and by its whole age what it then has not found."""
    bed = infusing()
    off(bed, Sensor.PROBE, *OF_PROBE)
    bed.run(35)
    on(bed, *OF_PROBE)
    bed.run(seconds)
    assert set(bed.alarms) == found
    assert all(alarm.priority is MEDIUM for alarm in bed.alarms.values())


def test_a_probe_that_comes_off_again_before_it_found_anything_is_off_since_it_last_did() -> None:
    """Pins that a probe off and on, and never a value, is told as if it had been off since the last value's end."""
    bed = infusing()
    last = bed.now / SECOND
    for _ in range(4):
        off(bed, Sensor.PROBE, *OF_PROBE)
        bed.run(8)
        on(bed, *OF_PROBE)
        bed.run(2)
    assert bed.raised("probe-off")[0] == (last + 15, LOW)


def test_a_sensor_that_nobody_uses_is_not_off() -> None:
    """Pins that a cannula that never gave anything is no condition, and a probe that the protocol wants is one."""
    bed = Bed()
    bed.monitor.off.add(Sensor.CANNULA)
    bed.infuse()
    bed.run(60)
    assert not bed.alarms
    blind = Bed()
    blind.monitor.values = {Metric.SPO2: 97, Metric.HR: 71}
    blind.infuse()
    blind.crash()
    off(blind, Sensor.PROBE, Metric.SPO2)
    blind.run(11)
    assert "probe-off" in blind.alarms


@pytest.mark.parametrize("cause", ["leads", "probe without a word of it", "monitor silent", "monitor's line"])
def test_a_cause_from_before_a_crash_is_neither_over_nor_young_again(cause: str) -> None:
    """Pins that a new process, which never saw a value, clears nothing and tells nothing twice of what is on record."""
    happens, code = CAUSES[cause]
    bed = infusing()
    happens(bed)
    bed.run(35)
    before = len(bed.events(ConditionRaised))
    assert bed.alarms[code].priority is MEDIUM
    bed.crash()
    if cause == "monitor's line":
        bed.give(LinkLost("monitor", "unplugged"))
    bed.run(50)
    assert not bed.events(ConditionCleared)
    assert len(bed.events(ConditionRaised)) == before
    bed.run(20)
    assert bed.alarms[code].priority is HIGH


def test_after_a_return_ages_begin_anew_and_after_time_ran_out_they_do_not() -> None:
    """Pins 10 s to low from the return; and that ten minutes that ran out are told by what has been missing."""
    bed = infusing()
    bed.ask(Hold("toilet"))
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    bed.ask(Away(10 * MINUTE))
    off(bed, Sensor.PROBE, *OF_PROBE)
    bed.run(200)
    bed.ask(Away(0))
    bed.run(9.999)
    assert not bed.alarms
    bed.run(0.001)
    assert bed.raised("probe-off") == [(bed.now / SECOND, LOW)]
    late = infusing()
    late.ask(Hold("toilet"))
    late.run(5)
    late.ask(Away(MINUTE))
    off(late, Sensor.PROBE, *OF_PROBE)
    late.run(59)
    assert not late.alarms
    late.run(1)
    assert late.alarms["probe-off"].priority is MEDIUM


def test_a_doubted_value_that_goes_is_missing_since_it_went() -> None:
    """Pins that minutes of questionable values are no absence: its age runs from the last usable one."""
    bed = infusing()
    bed.monitor.validity[Metric.SPO2] = Validity.QUESTIONABLE
    bed.run(120)
    at = bed.now / SECOND
    bed.monitor.values |= {Metric.SPO2: None, Metric.PULSE: None}
    bed.run(35)
    assert bed.raised("spo2-missing") == [(at + 10, LOW), (at + 30, MEDIUM)]
