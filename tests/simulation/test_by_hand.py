"""A whole session with an oximeter alone: pressures, rates and sedation entered by hand, in virtual time."""

import pytest

from infusion_gateway.core import views
from infusion_gateway.core.state import fold
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.commands import StopInfusion
from infusion_gateway.model.events import ConditionRaised, InfusionStarted, InstructionRefused, PhaseChanged, StopAsked
from infusion_gateway.model.instructions import Assess, Close, Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import Phase
from simulation.beds import NE1000, NONIN, instruct, order, press, world
from simulation.world import World

MINUTES = 40
RATE_ML_H = 52.5


def enter(made: World, systolic: float, diastolic: float = 80, *, rate: float | None = 14, moaa: float = 5) -> None:
    """Enter what a nurse with a free-standing cuff and a watch has: the pressure, the breaths counted, the sedation."""
    vitals = ((Metric.NIBP_SYS, systolic), (Metric.NIBP_DIA, diastolic), (Metric.HR, 72.0))
    counted = ((Metric.RR, rate),) if rate is not None else ()
    instruct(made, Assess(((Score.MOAA_S, moaa),), (*vitals, *counted), 20 * SECOND), "nurse-1")


def infusing() -> World:
    """Give a bed of a pump and an oximeter whose session at depression-40's length has just begun, armed by hand."""
    made = world(NE1000, NONIN)
    made.set("oximeter", "spo2", 97)
    made.set("oximeter", "pulse", 72)
    made.set("pump", "rate_ml_h", RATE_ML_H)
    made.run(10)
    enter(made, 124)
    order(made, minutes=MINUTES, rate_ml_h=RATE_ML_H, protocol="depression-40")
    enter(made, 125)
    order_confirmed(made)
    made.run(3)
    press(made, "pump", "start")
    made.run(5)
    assert made.told(InfusionStarted), [e.reason for e in made.told(InstructionRefused)]  # type: ignore[union-attr]
    return made


def order_confirmed(made: World) -> None:
    """See that both entries were taken."""
    assert made.state.durable.phase is Phase.ARMED, [e.reason for e in made.told(InstructionRefused)]  # type: ignore[union-attr]


def codes(made: World) -> list[str]:
    """Give what was raised since T0, in order."""
    t0 = made.told(InfusionStarted)[0].t0  # type: ignore[union-attr]
    return [e.code for at, e in made.events if isinstance(e, ConditionRaised) and at >= t0]


@pytest.mark.slow
def test_a_whole_session_with_an_oximeter_and_numbers_by_hand() -> None:
    """Pins gates passed by hand, 40 minutes with an entry every five, recovery, closed: told is that it is complete."""
    made = infusing()
    for minute in range(5, MINUTES, 5):
        made.run(5 * 60)
        enter(made, 124 + minute / 4, rate=14 if minute % 10 == 0 else None)
    made.run(5 * 60 - 10)
    assert not codes(made)
    shown = {v.metric: v for v in views.vitals(made.state, made.now)}
    assert shown[Metric.NIBP_SYS].device == "by-hand"
    assert shown[Metric.PULSE].device == "oximeter"
    press(made, "pump", "stop")
    made.run(30)
    phases = [e.phase for e in made.told(PhaseChanged)]  # type: ignore[union-attr]
    assert Phase.COMPLETED in phases, phases
    assert codes(made) == ["infusion-complete"]
    for _ in range(5):
        enter(made, 128)
        made.run(14 * 60)
    instruct(made, Close("with an adult, steady on the feet"), "nurse-1")
    assert made.state.durable.phase is Phase.CLOSED, [e.reason for e in made.told(InstructionRefused)]  # type: ignore[union-attr]
    assert set(codes(made)) == {"infusion-complete"}
    assert fold(made.events) == made.state.durable


def test_a_severe_pressure_by_hand_stops_the_pump_once_it_is_confirmed() -> None:
    """Pins that a pressure nobody's device measured is judged like any other: first asked again, then counted down."""
    made = infusing()
    made.run(4 * 60)
    enter(made, 186)
    assert not [c for _, c in made.commands if isinstance(c, StopInfusion)]
    made.run(60)
    enter(made, 184)
    raised = [e for e in made.told(ConditionRaised) if e.code == "nibp-sys-high"]  # type: ignore[union-attr]
    assert [(e.priority, e.response) for e in raised] == [  # type: ignore[union-attr]
        (Priority.MEDIUM, Response.TELL),
        (Priority.HIGH, Response.STOP_UNLESS_HELD),
    ]
    made.run(25)
    assert [e.codes for e in made.told(StopAsked)] == [("nibp-sys-high",)]  # type: ignore[union-attr]
    assert made.truth("pump")["delivery"] == "stopped"


@pytest.mark.slow
def test_a_patient_who_breathes_too_slowly_by_the_watch_is_acted_upon() -> None:
    """Pins that seven breaths a minute by a person are counted down at the entry, and that no entry is overdue."""
    made = infusing()
    made.run(60)
    enter(made, 126, rate=7)
    made.run(21)
    assert [e.codes for e in made.told(StopAsked)] == [("rr-low",)]  # type: ignore[union-attr]
    quiet = infusing()
    quiet.run(24 * MINUTE / SECOND)
    assert {"nibp-overdue", "moaa-s-overdue", "rr-overdue"} <= set(codes(quiet))
    assert not quiet.told(StopAsked)
