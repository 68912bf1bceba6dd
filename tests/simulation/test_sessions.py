"""Whole sessions in virtual time: production core, drivers, bus and framing against the simulated devices."""

import pytest

from infusion_gateway.core import views
from infusion_gateway.core.state import fold
from infusion_gateway.model.commands import SetDeadMan, StopInfusion
from infusion_gateway.model.events import ConditionRaised, InfusionStarted, PhaseChanged, StopAsked, StopConfirmed
from infusion_gateway.model.instructions import Stop
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import Delivery, Reading, Validity
from infusion_gateway.model.session import Phase
from simulation.beds import NE1000, NONIN, instruct, order, press, world
from simulation.world import World

MODBUS = {"pump": ("modbus_pump", 1)}
SHARED = {"pump": ("modbus_pump", 1), "monitor": ("modbus_monitor", 2)}
PUMPS = pytest.mark.parametrize("pump", [NE1000, MODBUS], ids=["ne1000", "modbus"])


def healthy(made: World) -> None:
    made.cables["oximeter"].far.set("spo2", 97, made.now)
    made.cables["oximeter"].far.set("pulse", 72, made.now)


def infusing(pump: dict[str, tuple[str, int]], *, rate_ml_h: float = 30.0, minutes: float = 0.5) -> World:
    """Give a bed whose session began about two seconds ago."""
    made = world(pump, NONIN)
    healthy(made)
    made.cables["pump"].far.set("rate_ml_h", rate_ml_h, made.now)
    made.run(10)
    order(made, minutes=minutes, rate_ml_h=rate_ml_h)
    made.run(3)
    press(made, "pump", "start")
    made.run(3)
    assert made.told(InfusionStarted), "T0 was not seen"
    return made


def truth(made: World, key: str) -> object:
    return made.cables["pump"].far.state()[key]


def codes(made: World) -> set[str]:
    return {e.code for e in made.told(ConditionRaised)}  # type: ignore[union-attr]


@PUMPS
def test_the_ordered_duration_ends_with_a_confirmed_stop(pump: dict[str, tuple[str, int]]) -> None:
    """Pins that a pump that runs on is stopped when duration and grace are over, not before, and seen stopped."""
    made = infusing(pump)
    ends_at = views.session(made.state, made.now).ends_at
    grace = made.setup.protocols[0].grace
    assert ends_at is not None
    made.run(60)
    asked = [at for at, c in made.commands if isinstance(c, StopInfusion)]
    assert ends_at + grace <= asked[0] <= ends_at + grace + SECOND // 10
    assert truth(made, "stopped_by") == "remote"
    assert made.told(StopConfirmed)
    assert Phase.COMPLETED in [e.phase for e in made.told(PhaseChanged)]  # type: ignore[union-attr]


@PUMPS
@pytest.mark.parametrize("rate_ml_h", [30.0, 1.0])
def test_a_pump_that_lies_is_found_out_and_asked_again(pump: dict[str, tuple[str, int]], rate_ml_h: float) -> None:
    """Pins that one that says stopped and goes on is told of as high, even at 1 mL/h, while the asking goes on."""
    made = infusing(pump, rate_ml_h=rate_ml_h, minutes=1.0)
    made.cables["pump"].far.fault("lie", made.now)
    instruct(made, Stop("the patient asks for it"), "nurse-1")
    made.run(90)
    assert truth(made, "delivery") == "infusing"
    assert codes(made) & {"delivering-after-stop", "stop-not-confirmed"}
    asked = [at for at, c in made.commands if isinstance(c, StopInfusion)]
    assert len(asked) > 5
    assert made.now - asked[-1] < 10 * SECOND


@PUMPS
def test_a_pump_that_refuses_is_told_of_within_the_confirmation_time(pump: dict[str, tuple[str, int]]) -> None:
    """Pins stop-not-confirmed: high, on time, and gone only when the pump is seen to stop."""
    made = infusing(pump, minutes=1.0)
    made.cables["pump"].far.fault("refuse", made.now)
    instruct(made, Stop("the patient asks for it"), "nurse-1")
    asked_at = made.now
    confirm_within = made.setup.protocols[0].confirm_within
    made.run(confirm_within / SECOND + 1)
    raised = [at for at, e in made.events if isinstance(e, ConditionRaised) and e.code == "stop-not-confirmed"]
    assert raised
    assert abs(raised[0] - asked_at - confirm_within) <= SECOND // 10
    made.cables["pump"].far.clear(None, made.now)
    made.run(10)
    assert truth(made, "delivery") == "stopped"
    assert made.told(StopConfirmed)


@pytest.mark.requirement("S32")
@PUMPS
def test_the_dead_gateway_leaves_a_pump_that_stops_itself(pump: dict[str, tuple[str, int]]) -> None:
    """Pins the second stop: armed at T0 and read back, it stops the pump when the process is gone."""
    made = infusing(pump, minutes=1.0)
    made.run(3)
    armed = [c for _, c in made.commands if isinstance(c, SetDeadMan)]
    assert armed[0].seconds > 0
    made.alive = False
    made.run(armed[0].seconds - 3)
    assert truth(made, "delivery") == "infusing"
    made.run(6)
    assert (truth(made, "delivery"), truth(made, "stopped_by")) == ("stopped", "dead_man")


@pytest.mark.requirement("S37")
@PUMPS
def test_a_core_that_is_blocked_does_not_feed_the_dead_man(pump: dict[str, tuple[str, int]]) -> None:
    """Pins that the poller alone keeps no pump running: the mind blocked, the bus alive, the pump stops itself."""
    made = infusing(pump, minutes=1.0)
    made.run(3)
    seconds = next(c.seconds for _, c in made.commands if isinstance(c, SetDeadMan))
    made.mindful = False
    made.run(seconds + 5)
    assert (truth(made, "delivery"), truth(made, "stopped_by")) == ("stopped", "dead_man")


@pytest.mark.parametrize("fault", ["silent", "delay:by_s=0.2"])
def test_a_slow_or_dead_neighbour_trips_no_dead_man_in_ten_minutes(fault: str) -> None:
    """Pins that a dead or slow unit on the same line costs the pump neither its dead man nor its supervision."""
    made = world(SHARED, NONIN)
    healthy(made)
    line = made.cables["pump"].far
    line.set("1.rate_ml_h", 30.0, made.now)
    made.run(10)
    order(made, minutes=40, rate_ml_h=30.0, protocol="depression-40")
    made.run(3)
    line.press("1.start", made.now)
    made.run(10)
    assert made.told(InfusionStarted)
    line.fault(f"2.{fault}", made.now)
    made.run(600)
    assert line.state()["1"]["delivery"] == "infusing"  # type: ignore[index]
    assert "supervision-lost" not in codes(made)
    assert not made.told(StopAsked)


def test_the_same_pressure_polled_for_ten_minutes_becomes_overdue() -> None:
    """Pins that an intermittent measurement's age runs from the measurement, however often it is polled."""
    made = world(SHARED, NONIN)
    healthy(made)
    line = made.cables["pump"].far
    for key, value in (("nibp_sys", 122), ("nibp_dia", 78), ("nibp_mean", 93), ("nibp_sequence", 1)):
        line.set(f"2.{key}", value, made.now)
    line.set("1.rate_ml_h", 30.0, made.now)
    made.run(10)
    order(made, minutes=40, rate_ml_h=30.0, protocol="depression-40")
    made.run(3)
    line.press("1.start", made.now)
    made.run(700)
    polled = [
        o
        for _, seen in made.observed
        for o in seen.observations
        if isinstance(o, Reading) and o.metric is Metric.NIBP_SYS
    ]
    assert len(polled) >= 300
    vital = next(v for v in views.vitals(made.state, made.now) if v.metric is Metric.NIBP_SYS)
    assert vital.age > 600 * SECOND
    assert any("nibp" in code for code in codes(made)), codes(made)


def test_a_silent_monitor_is_told_and_shown_as_fresh_no_more() -> None:
    """Pins that silence with the line open is a condition in time, and the last value no current one."""
    made = infusing(NE1000, minutes=1.0)
    made.cables["oximeter"].far.fault("silent", made.now)
    silent_at = made.now
    made.run(14)
    raised = [at for at, e in made.events if isinstance(e, ConditionRaised) and at > silent_at]
    assert raised
    assert raised[0] - silent_at <= 12 * SECOND
    vital = next(v for v in views.vitals(made.state, made.now) if v.metric is Metric.SPO2)
    assert vital.validity is Validity.INVALID
    assert not made.told(StopAsked)


def test_durable_state_is_the_fold_of_what_was_recorded() -> None:
    """Pins S5 over a whole session: replaying the events gives the same durable state."""
    made = infusing(NE1000)
    made.run(60)
    assert fold(made.events) == made.state.durable


def test_delivery_is_never_reported_stopped_while_it_runs() -> None:
    """Pins that what was observed follows the pump's truth over a session."""
    made = infusing(NE1000)
    made.run(30)
    assert made.state.live.pump is not None
    assert (made.state.live.pump.delivery is Delivery.STOPPED) == (truth(made, "delivery") == "stopped")
