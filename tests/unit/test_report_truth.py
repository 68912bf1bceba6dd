"""A report against what really happened: the simulated pumps' own volume, and a count of the events of its own."""

from functools import cache

import pytest

from infusion_gateway.model.events import ConditionAcknowledged, ConditionRaised, StopAsked
from infusion_gateway.model.instructions import Acknowledge, End, HoldOff, PermitResume
from infusion_gateway.review.report.audit import audit_of
from infusion_gateway.review.report.case import Report
from infusion_gateway.review.report.gaps import BLIND
from reporting import report
from simulation.beds import NE1000, NONIN, instruct, order, press, world
from simulation.world import World

LINES = {"ne1000": NE1000, "modbus": {"pump": ("modbus_pump", 1)}}
PUMPS = pytest.mark.parametrize("pump", list(LINES))
STEP_ML = 0.001
"""Of both pumps' counters: an NE-1000 shows three decimals below 10 mL."""


@cache
def played(pump: str, *, crash: bool) -> World:
    """Play a session with a low SpO2 that is held off, a lower one that stops the pump, a release, maybe a crash."""
    made = world(LINES[pump], NONIN)
    made.set("oximeter", "spo2", 97)
    made.set("oximeter", "pulse", 70)
    made.set("pump", "rate_ml_h", 30.0)
    made.run(10)
    order(made, minutes=30, protocol="depression-40")
    made.run(2)
    press(made, "pump", "start")
    made.run(30)
    made.set("oximeter", "spo2", 88)
    made.run(20)
    instruct(made, Acknowledge("spo2-low"), "nurse-1")
    instruct(made, HoldOff("spo2-low", "the probe sits badly"), "nurse-1")
    made.set("oximeter", "spo2", 97)
    made.run(30)
    if crash:
        made.crash()
        made.run(4)
        made.restart()
        made.run(20)
    made.set("oximeter", "spo2", 83)
    made.run(30)
    made.set("oximeter", "spo2", 97)
    made.run(30)
    instruct(made, PermitResume("fine again"), "nurse-1")
    made.run(3)
    press(made, "pump", "start")
    made.run(60)
    instruct(made, End("enough"), "nurse-1")
    made.run(30)
    return made


def given(made: World) -> float:
    """Give what the pump's own mechanics pushed out, mL: no reading of ours."""
    return float(made.truth("pump")["infused_ml"] or 0)


@PUMPS
@pytest.mark.parametrize("crash", [False, True], ids=["whole", "crashed"])
def test_the_dose_is_the_pumps_own_volume(pump: str, crash: bool) -> None:
    """Pins the volume and the dose of the report within one step of the pump's counter, over a stop and a crash."""
    made = played(pump, crash=crash)
    told = report(made.disk.rows)
    assert given(made) > 0.5
    assert told.delivered_ml == pytest.approx(given(made), abs=STEP_ML)
    assert told.dose_mg == pytest.approx(given(made) * 1.0, abs=STEP_ML)
    assert told.vitals.levels[-1].delivered_ml == told.delivered_ml
    assert [gap.what for gap in told.gaps].count(BLIND) == int(crash)


@PUMPS
def test_alarms_and_stops_are_those_that_people_were_told(pump: str) -> None:
    """Pins the report's alarms, answers and stops by a count of the events that is made without it."""
    made = played(pump, crash=False)
    told: Report = report(made.disk.rows)
    begun = min(at for at, event in made.events if type(event).__name__ == "CaseOrdered")
    events = [event for at, event in made.events if at >= begun]
    alarms = {(event.code, event.since, event.priority) for event in events if isinstance(event, ConditionRaised)}
    firsts = {(code, since) for code, since, _ in alarms}
    assert {(alarm.code, alarm.priority) for alarm in told.alarms} <= {(code, p) for code, _, p in alarms}
    assert len(told.alarms) == len(firsts)
    assert sum(a.answered is not None for a in told.alarms) == sum(isinstance(e, ConditionAcknowledged) for e in events)
    asked = [event for event in events if isinstance(event, StopAsked)]
    assert [(stop.codes, stop.by) for stop in told.stops] == [(event.codes, event.by) for event in asked]
    assert all(stop.confirmed is not None for stop in told.stops)
    audit = audit_of([told])
    assert audit.whole.total == len(told.alarms)
    assert audit.hold_offs == 1
    assert [line.code for line in audit.lines if line.acted.part] == ["spo2-low"]
