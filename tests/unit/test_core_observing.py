"""Observing: what a device says is taken as far as it can be true, and of what it is the device of."""

from dataclasses import replace
from math import nan

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.sources import SHOWN_FOR, current, disagree
from infusion_gateway.core.views import vitals
from infusion_gateway.model.inputs import Faulted, LinkLost, LinkOpened, Observed
from infusion_gateway.model.instructions import Assess
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    PumpAlarm,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)
from infusion_gateway.model.session import DeviceSetup
from infusion_gateway.model.status import LinkState, VitalStatus


def infusing() -> Bed:
    """Give a bed that has been infusing for ten seconds."""
    bed = Bed()
    bed.infuse()
    bed.run(8)
    return bed


def shown(bed: Bed, metric: Metric) -> VitalStatus:
    """Give what is shown of a metric."""
    return next(status for status in vitals(bed.state, bed.now) if status.metric is metric)


def test_a_monitor_has_no_word_on_the_pump() -> None:
    """Pins that delivery, alarms and dead man are the pump's to tell: what another device says of them is nothing."""
    bed = infusing()
    said = (DeliveryReported(Delivery.STOPPED), AlarmsReported(frozenset({PumpAlarm.AIR})), DeadManReported(99))
    done = bed.give(Observed("monitor", said))
    assert not done.events
    assert done.state.live.pump == bed.state.live.pump
    pump = bed.state.live.pump
    assert (pump.delivery, pump.alarms, pump.dead_man_s) == (Delivery.INFUSING, frozenset(), 20)


@pytest.mark.parametrize(
    ("value", "validity"),
    [(130.0, Validity.VALID), (-1.0, Validity.VALID), (nan, Validity.VALID), (None, Validity.VALID)],
)
def test_what_no_patient_has_is_no_value(value: float | None, validity: Validity) -> None:
    """Pins that a number out of a metric's range, none at all, or no number, is invalid whatever the device says."""
    bed = infusing()
    bed.give(Observed("monitor", (Reading(Metric.SPO2, value, validity, bed.now),)))
    status = shown(bed, Metric.SPO2)
    assert (status.value, status.validity) == (None, Validity.INVALID)


@pytest.mark.parametrize("value", [1.0, 100.0])
def test_the_ends_of_a_range_are_in_it(value: float) -> None:
    """Pins that the least and the greatest that a metric can be are values."""
    bed = infusing()
    bed.give(Observed("monitor", (Reading(Metric.SPO2, value, Validity.VALID, bed.now),)))
    assert shown(bed, Metric.SPO2).value == value


def test_what_was_measured_in_the_future_was_measured_now() -> None:
    """Pins that no device's clock makes a value younger than it can be."""
    bed = infusing()
    bed.give(Observed("monitor", (Reading(Metric.SPO2, 95.0, Validity.VALID, bed.now + 60 * SECOND),)))
    bed.now += SECOND
    assert shown(bed, Metric.SPO2).age == SECOND


def test_a_line_is_lost_since_it_was_first_lost() -> None:
    """Pins that being told again keeps the time and takes the new reason, and that reopening begins anew."""
    bed = infusing()
    bed.give(LinkLost("monitor", "cable out"))
    began = bed.now
    bed.now += 5 * SECOND
    bed.give(LinkLost("monitor", "no such port"))
    known = bed.state.live.devices["monitor"]
    assert (known.link, known.link_since, known.why) == (LinkState.DOWN, began, "no such port")
    bed.give(LinkOpened("monitor"))
    known = bed.state.live.devices["monitor"]
    assert known.link is not LinkState.DOWN
    assert known.link_since == bed.now


def test_a_pump_that_no_longer_counts_is_not_seen_whole() -> None:
    """Pins that after a restart a pump that counted before, and does not any more, is supervision lost."""
    bed = infusing()
    bed.crash()
    bed.pump.counted = False
    bed.run(11)
    assert "supervision-lost" in bed.alarms


def test_only_what_two_sources_can_agree_on_is_compared() -> None:
    """Pins that a metric without a tolerance is never said to be in dispute."""
    bed = infusing()
    assert not disagree(bed.state.sources, bed.state.live, Metric.TEMP, bed.now)


def test_a_number_by_hand_is_no_watch_over_oxygen() -> None:
    """Pins that SpO2 by hand is shown, and is no source that watches; a rate by hand is one."""
    bed = infusing()
    bed.monitor.mute = True
    bed.run(20)
    bed.ask(Assess((), ((Metric.SPO2, 96.0), (Metric.RR, 13.0)), 0))
    assert shown(bed, Metric.SPO2).device == "by-hand"
    assert current(bed.state.sources, bed.state.live, Metric.SPO2, bed.now) is None
    rate = current(bed.state.sources, bed.state.live, Metric.RR, bed.now)
    assert rate is not None
    assert rate.value == 13.0


def test_a_cuff_suppresses_no_probe_that_is_not_there() -> None:
    """Pins that where no SpO2 was ever reported a cuff takes nothing away, and nothing is said of it."""
    bed = Bed(replace(bed_setup(depression_40()), cuff_on_spo2_arm=True))
    bed.monitor.values = {Metric.HR: 70.0}
    bed.run(2)
    done = bed.give(Observed("monitor", (SensorReported(Sensor.CUFF, SensorState.MEASURING),)))
    assert not done.events
    assert bed.state.live.suppressed is None


def test_a_fault_is_kept_of_a_device_of_the_bed_where_it_says_more_than_a_lost_reading() -> None:
    """Pins that a checksum is no lasting fault, a refusal is, and that nobody else's device is taken up."""
    bed = infusing()
    bed.give(Faulted("monitor", Fault(FaultKind.CHECKSUM, "crc")))
    assert bed.state.live.devices["monitor"].fault is None
    bed.give(Faulted("stranger", Fault(FaultKind.REFUSED, "busy")))
    assert "stranger" not in bed.state.live.devices
    refused = Fault(FaultKind.REFUSED, "busy")
    bed.give(Faulted("monitor", refused))
    known = bed.state.live.devices["monitor"]
    assert (known.fault, known.fault_at) == (refused, bed.now)
    bed.give(Faulted("pump", refused))
    assert bed.state.live.devices["pump"].fault == refused


def test_a_value_is_shown_as_valid_until_it_is_old() -> None:
    """Pins that a continuous value is shown as questionable, and then as invalid, from the very instant of its age."""
    bed = infusing()
    measured = bed.now
    bed.now = measured + SHOWN_FOR - 1
    assert shown(bed, Metric.SPO2).validity is Validity.QUESTIONABLE
    bed.now = measured + SHOWN_FOR
    assert shown(bed, Metric.SPO2).validity is Validity.INVALID


@pytest.mark.parametrize(
    ("values", "dispute"),
    [
        ({"monitor": 97.0, "oximeter": 93.0}, False),
        ({"monitor": 97.0, "oximeter": 92.0}, True),
        ({"monitor": None, "oximeter": 97.0, "third": 92.0}, True),
        ({"monitor": 97.0, "oximeter": None}, False),
    ],
)
def test_two_valid_values_far_apart_are_a_dispute(values: dict[str, float | None], dispute: bool) -> None:
    """Pins how far two devices may be apart, exactly, and that an invalid value is no party to it, first or last."""
    devices = tuple(DeviceSetup(name, False, False, None) for name in ("monitor", "oximeter", "third"))
    bed = Bed(replace(bed_setup(depression_40()), devices=devices))
    bed.monitor.mute = bed.pump.mute = True
    for name, value in values.items():
        validity = Validity.INVALID if value is None else Validity.VALID
        bed.give(Observed(name, (Reading(Metric.SPO2, value, validity, bed.now),)))
    assert disagree(bed.state.sources, bed.state.live, Metric.SPO2, bed.now) is dispute


@pytest.mark.parametrize("validity", [Validity.QUESTIONABLE, Validity.VALID])
def test_neither_doubt_nor_a_persons_number_makes_a_dispute(validity: Validity) -> None:
    """Pins that a questionable value, and one by hand, are not held against a device's valid one."""
    devices = tuple(DeviceSetup(name, False, False, None) for name in ("monitor", "oximeter"))
    bed = Bed(replace(bed_setup(depression_40()), devices=devices))
    bed.monitor.mute = bed.pump.mute = True
    bed.give(Observed("monitor", (Reading(Metric.SPO2, 97.0, Validity.VALID, bed.now),)))
    if validity is Validity.QUESTIONABLE:
        bed.give(Observed("oximeter", (Reading(Metric.SPO2, 80.0, validity, bed.now),)))
    else:
        bed.ask(Assess((), ((Metric.SPO2, 80.0),), 0))
    assert not disagree(bed.state.sources, bed.state.live, Metric.SPO2, bed.now)
