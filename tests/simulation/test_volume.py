"""The pump's volume on real wires: what it is set to give, where that ends too soon, and a counter that begins anew."""

import pytest

from infusion_gateway.core import views
from infusion_gateway.model.alarm import AlarmStatus, Priority
from infusion_gateway.model.events import CounterRestarted, InfusionStarted, StopConfirmed
from infusion_gateway.model.session import Phase
from simulation.beds import NE1000, NONIN, order, press, world
from simulation.cable import Devices
from simulation.world import World

MODBUS: Devices = {"pump": ("modbus_pump", 1)}


def bed(
    pump: dict[str, tuple[str, int]], *, rate_ml_h: float = 60.0, vtbi_ml: float = 0.0, minutes: float = 0.5
) -> World:
    """Give an armed bed of the short protocol, its pump set to give so much; 0: for ever."""
    made = world(pump, NONIN)
    for key, value in (("spo2", 97), ("pulse", 72)):
        made.set("oximeter", key, value)
    for key, value in (("rate_ml_h", rate_ml_h), ("reservoir_ml", 50.0), ("vtbi_ml", vtbi_ml)):
        if value:
            made.set("pump", key, value)
    made.run(10)
    order(made, minutes=minutes, rate_ml_h=rate_ml_h)
    made.run(3)
    return made


def start(made: World) -> None:
    """Start the pump by hand, and wait until that was seen."""
    press(made, "pump", "start")
    made.run(3)
    assert made.told(InfusionStarted), "T0 was not seen"


def shown(made: World) -> dict[str, AlarmStatus]:
    """Give the alarms as people see them, by code."""
    return {alarm.code: alarm for alarm in views.alarms(made.state, made.now)}


def volume(made: World) -> float:
    """Give the volume since T0 on record, mL."""
    found = views.session(made.state, made.now).volume_ml
    assert found is not None
    return found


@pytest.mark.parametrize(("vtbi_ml", "told"), [(0.61, False), (0.62, True), (50.0, True)])
def test_a_volume_set_too_high_is_told_as_read(vtbi_ml: float, told: bool) -> None:
    """Pins vtbi-high, low, by the pump's own registers: 0.5 mL ordered, a tenth and two percent are free."""
    made = bed(MODBUS, vtbi_ml=vtbi_ml)
    assert ("vtbi-high" in shown(made)) is told
    if told:
        assert shown(made)["vtbi-high"].priority is Priority.LOW
        made.set("pump", "vtbi_ml", 0.5)
        made.run(2)
        assert "vtbi-high" not in shown(made)


def test_a_volume_that_ends_too_soon_is_told_as_read() -> None:
    """Pins high where the pump's volume is over and keeps the vein open, and the order's is not; a pause is neither."""
    made = bed(MODBUS, rate_ml_h=140.0, vtbi_ml=0.5)
    start(made)
    made.run(20)
    assert made.truth("pump")["delivery"] == "kvo"
    assert shown(made)["volume-ended-early"].priority is Priority.HIGH
    other = bed(MODBUS, rate_ml_h=140.0, vtbi_ml=1.0)
    start(other)
    press(other, "pump", "pause")
    other.run(4)
    assert views.session(other.state, other.now).phase is Phase.PAUSED
    assert "volume-ended-early" not in shown(other)


@pytest.mark.requirement("S02")
def test_a_counter_cleared_in_the_dark_loses_no_dose() -> None:
    """Pins that a counter begun anew unseen, and past its old number, is told by the pump's own count of that."""
    made = bed(MODBUS, minutes=1.0)
    start(made)
    made.run(6)
    before = volume(made)
    made.fault("pump", "silent:for_s=12")
    made.run(1)
    made.set("pump", "volume_ml", 0)
    made.run(30)
    assert float(made.truth("pump")["volume_ml"] or 0) > before > 0.1
    assert len(made.told(CounterRestarted)) == 1
    unseen = 60.0 * 2.2 / 3600  # what went in between the last poll and the clearing, nobody can know
    assert volume(made) == pytest.approx(float(made.truth("pump")["infused_ml"] or 0), abs=unseen)


def test_digits_that_turn_over_are_no_dose() -> None:
    """Pins a minute of an NE-1000 whose every third answer has a bit turned over, before any checksum is agreed on."""
    made = bed(NE1000, rate_ml_h=140.0)
    press(made, "pump", "start")
    made.fault("pump", "corrupt:rate=0.3")
    made.run(60)
    made.clear("pump")
    made.run(30)
    assert made.told(StopConfirmed)
    assert not made.told(CounterRestarted)
    assert volume(made) == pytest.approx(float(made.truth("pump")["infused_ml"] or 0), abs=0.1)
