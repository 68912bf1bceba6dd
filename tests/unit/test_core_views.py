"""Views: what people see of alarms, values and devices, and that nothing old is shown as current."""

import pytest

from core_bed import Bed
from infusion_gateway.core.sources import BY_HAND
from infusion_gateway.core.views import alarms, devices, session, vitals
from infusion_gateway.model.inputs import Faulted, LinkLost, Observed
from infusion_gateway.model.instructions import Assess
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Delivery, Fault, FaultKind, PumpAlarm, Reading, Validity
from infusion_gateway.model.session import Phase
from infusion_gateway.model.status import LinkState, VitalStatus


def infusing() -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    return bed


def seen(bed: Bed, metric: Metric) -> VitalStatus:
    """Give one metric as people see it."""
    [found] = [vital for vital in vitals(bed.state, bed.now) if vital.metric is metric]
    return found


def test_an_empty_bed_shows_nothing_it_does_not_know() -> None:
    """Pins the views of a bed of which nothing is known yet."""
    bed = Bed()
    assert alarms(bed.state, bed.now) == ()
    assert vitals(bed.state, bed.now) == ()
    status = session(bed.state, bed.now)
    assert (status.case, status.phase, status.volume_ml, status.stopping) == (None, Phase.IDLE, None, None)
    assert [(d.link, d.age, d.delivery) for d in devices(bed.state, bed.now)] == [(LinkState.UNKNOWN, None, None)] * 2


def test_values_carry_their_age_and_their_source() -> None:
    """Pins value, unit, validity, age and device of a fresh reading, and its age a moment later."""
    bed = infusing()
    spo2 = seen(bed, Metric.SPO2)
    assert (spo2.value, spo2.unit, spo2.validity, spo2.age) == (97, FACTS[Metric.SPO2].unit, Validity.VALID, 0)
    assert spo2.device == "monitor"
    bed.now += SECOND // 2
    assert seen(bed, Metric.SPO2).age == SECOND // 2


def test_an_old_value_is_never_shown_as_current() -> None:
    """Pins questionable from 5 s on and invalid from exactly 10 s, with its true age, for as long as it is silent."""
    bed = infusing()
    bed.monitor.mute = True
    shown = []
    for seconds in (4, 1, 4, 1, 3600):
        bed.run(seconds)
        shown.append(seen(bed, Metric.SPO2).validity)
    assert shown == [
        Validity.VALID,
        Validity.QUESTIONABLE,
        Validity.QUESTIONABLE,
        Validity.INVALID,
        Validity.INVALID,
    ]
    assert seen(bed, Metric.SPO2).age == 3610 * SECOND


def test_a_pressures_age_runs_from_its_measurement() -> None:
    """Pins that polling a reading again doesn't make it younger, and that after a quarter of an hour it is doubtful."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 121)
    bed.run(14 * 60)
    assert seen(bed, Metric.NIBP_SYS).age == 14 * MINUTE
    assert seen(bed, Metric.NIBP_SYS).validity is Validity.VALID
    bed.run(60)
    assert seen(bed, Metric.NIBP_SYS).validity is Validity.QUESTIONABLE


def test_at_least_is_passed_on_and_the_future_is_now() -> None:
    """Pins that an age known only as "at least" says so, and that a reading from the future has no negative age."""
    bed = infusing()
    reading = Reading(Metric.TEMP, 36.6, Validity.VALID, bed.now + MINUTE, at_least=True)
    bed.give(Observed("monitor", (reading,)))
    temp = seen(bed, Metric.TEMP)
    assert (temp.at_least, temp.age) == (True, 0)


def test_a_value_by_hand_is_shown_as_by_hand() -> None:
    """Pins the source and the age of what a person entered; the newer of two pressures is shown."""
    bed = infusing()
    bed.monitor.cuff(bed.now, 120)
    bed.run(100)
    bed.ask(Assess((), ((Metric.NIBP_SYS, 130.0),), 30 * SECOND))
    by_hand = seen(bed, Metric.NIBP_SYS)
    assert (by_hand.device, by_hand.value, by_hand.age) == (BY_HAND, 130.0, 30 * SECOND)
    bed.monitor.cuff(bed.now, 140)
    bed.run(1)
    assert seen(bed, Metric.NIBP_SYS).value == 140


def test_devices_show_link_age_delivery_identity_and_faults() -> None:
    """Pins each field of a device's status over a lost line and a wrong device."""
    bed = infusing()
    bed.pump.alarms = frozenset({PumpAlarm.NEAR_EMPTY, PumpAlarm.BATTERY})
    bed.run(1)
    pump, monitor = devices(bed.state, bed.now)
    assert (pump.link, pump.age, pump.delivery) == (LinkState.UP, 0, Delivery.INFUSING)
    assert pump.identity == (("serial-number", "1001"),)
    assert pump.alarms == (PumpAlarm.BATTERY, PumpAlarm.NEAR_EMPTY)
    assert pump.dead_man_s == 20.0
    assert (monitor.delivery, monitor.alarms, monitor.fault) == (None, (), "")
    bed.give(LinkLost("monitor", "unplugged"))
    bed.give(Faulted("pump", Fault(FaultKind.WRONG_DEVICE, "serial number 7")))
    bed.now += 2 * SECOND
    pump, monitor = devices(bed.state, bed.now)
    assert (monitor.link, monitor.age, monitor.fault) == (LinkState.DOWN, 2 * SECOND, "unplugged")
    assert "serial number 7" in pump.fault


def test_what_is_no_device_of_this_bed_is_nobodys() -> None:
    """Pins that an observation from a stranger changes no value and no device."""
    bed = infusing()
    before = (bed.state.durable, bed.state.live.values, bed.state.live.devices)
    bed.give(Observed("stranger", (Reading(Metric.SPO2, 50, Validity.VALID, bed.now),)))
    assert (bed.state.durable, bed.state.live.values, bed.state.live.devices) == before


@pytest.mark.requirement("S18")
def test_alarms_come_the_most_urgent_first_with_the_newest_value() -> None:
    """Pins the order of alarms, and that the value shown follows the patient while the alarm stands."""
    bed = infusing()
    bed.monitor.values.update({Metric.HR: 115, Metric.SPO2: 89})
    bed.run(18)
    bed.monitor.values[Metric.SPO2] = 88
    bed.run(1)
    found = alarms(bed.state, bed.now)
    assert [alarm.code for alarm in found] == ["spo2-low", "hr-high"]
    assert found[0].value == 88
    assert found[0].limit == 90
    assert found[0].countdown_ends is not None
    assert "SpO2" in found[0].text


def test_the_session_shows_its_dose_and_its_limit() -> None:
    """Pins volume, dose, hard limit and T0 of a running session, and since when it is paused."""
    bed = infusing()
    status = session(bed.state, bed.now)
    assert status.hard_dose_mg == 70.0
    assert status.volume_ml is not None
    assert status.dose_mg == status.volume_ml * 1.0
    bed.pump.running = False
    bed.run(3)
    assert session(bed.state, bed.now).paused_since == bed.now - SECOND
