"""A replay of what the virtual-time world recorded: production drivers, bus, core and records against simulators."""

import pytest

from infusion_gateway.model.alarm import Response
from infusion_gateway.model.instructions import HoldOff, PermitResume
from infusion_gateway.model.metric import SECOND
from infusion_gateway.review.cases import setup_of
from infusion_gateway.review.evidence import evidence
from reviewing import apart, courses_of, rows_named, with_rows
from simulation.beds import NE1000, NONIN, instruct, order, press, world
from simulation.world import World

MODBUS = {"pump": ("modbus_pump", 1)}
PUMPS = pytest.mark.parametrize("pump", [NE1000, MODBUS], ids=["ne1000", "modbus"])


def infusing(pump: dict[str, tuple[str, int]]) -> World:
    """Give a bed whose session has begun."""
    made = world(pump, NONIN)
    made.set("oximeter", "spo2", 97)
    made.set("oximeter", "pulse", 70)
    made.set("pump", "rate_ml_h", 30.0)
    made.run(10)
    order(made, minutes=30, protocol="depression-40")
    made.run(2)
    press(made, "pump", "start")
    made.run(10)
    return made


def protocol(made: World) -> object:
    return next(p for p in made.setup.protocols if p.name == "depression-40")


@PUMPS
def test_a_whole_session_comes_again_within_a_second(pump: dict[str, tuple[str, int]]) -> None:
    """Pins the replay of a held-off countdown, a stop, a resume, a probe off, a silence, a crash and an over-rate."""
    made = infusing(pump)
    made.set("oximeter", "spo2", 88)
    made.run(25)
    instruct(made, HoldOff("spo2-low", "the probe sits badly"), "nurse-1")
    made.run(20)
    made.set("oximeter", "spo2", 97)
    made.run(30)
    made.set("oximeter", "probe", "off")
    made.run(40)
    made.set("oximeter", "probe", "on")
    made.run(30)
    made.set("oximeter", "spo2", 83)
    made.run(30)
    made.set("oximeter", "spo2", 97)
    made.run(30)
    instruct(made, PermitResume("fine again"), "nurse-1")
    made.run(3)
    press(made, "pump", "start")
    made.run(30)
    made.fault("oximeter", "silent")
    made.run(40)
    made.clear("oximeter")
    made.run(20)
    made.crash()
    made.run(4)
    made.restart()
    made.run(10)
    press(made, "pump", "rate=80")
    made.run(30)
    courses = courses_of(made.disk.rows, again=protocol(made))
    differ = [(row.what, {name: h.at for name, h in row.at.items()}) for row in apart(courses)]
    assert not differ
    assert {h.what for h in courses["again"].happenings} >= {
        "spo2-low counts down to a stop",
        "spo2-low held off",
        "probe-off low",
        "probe-off medium",
        "stop asked: spo2-low",
        "resume permitted",
        "monitor-silent medium",
        "stop asked: rate-high",
        "stop confirmed for good",
    }
    assert courses["again"].parted_at is None


@PUMPS
def test_a_reboot_in_mid_session_is_on_one_timeline(pump: dict[str, tuple[str, int]]) -> None:
    """Pins that another boot's times go on where the last one's ended, in the record and in the replay."""
    made = infusing(pump)
    made.run(30)
    made.crash()
    made.run(40)
    made.restart(same_boot=False)
    made.run(30)
    courses = courses_of(made.disk.rows, again=protocol(made))
    assert not [row.what for row in apart(courses)]
    stop = rows_named(courses, "stop asked: timeline-lost")[0]
    (start,) = rows_named(courses, "T0")
    assert 30 * SECOND <= stop.first - start.first <= 45 * SECOND


def test_a_pump_that_lies_comes_again() -> None:
    """Pins that a stop which isn't one is told again: confirmed, then found out, and never confirmed for good."""
    made = infusing(NE1000)
    made.fault("pump", "lie")
    made.set("oximeter", "spo2", 80)
    made.run(40)
    courses = courses_of(made.disk.rows, again=protocol(made))
    told = {h.what for h in courses["recorded"].happenings}
    assert told & {"delivering-after-stop high", "stop-not-confirmed high"}
    for what in told & {"delivering-after-stop high", "stop-not-confirmed high"}:
        (row,) = rows_named(courses, what)
        assert row.same("recorded", "again"), row.at


def test_other_limits_come_to_another_end() -> None:
    """Pins the question that a replay is for: under a limit of 92 with a stop it would have been stopped, and when."""
    made = infusing(NE1000)
    made.set("oximeter", "spo2", 91)
    made.run(60)
    made.set("oximeter", "spo2", 97)
    made.run(60)
    strict = with_rows(protocol(made), "spo2-low", limit=92.0, delay=10 * SECOND, response=Response.STOP)
    courses = courses_of(made.disk.rows, again=protocol(made), other=strict)
    assert not apart({name: courses[name] for name in ("recorded", "again")})
    (stop,) = rows_named(courses, "stop asked: spo2-low")
    assert list(stop.at) == ["other"]
    (start,) = rows_named(courses, "T0")
    assert stop.at["other"].at - start.first == pytest.approx(20 * SECOND, abs=3 * SECOND)
    assert courses["other"].parted_at == stop.at["other"].at
    assert courses["again"].parted_at is None


def test_evidence_is_in_the_order_of_time_and_of_known_devices() -> None:
    """Pins that nothing goes back in time within a life of the process, and nothing is heard of a device unknown."""
    made = infusing(NE1000)
    made.run(20)
    rows = made.disk.rows
    found = evidence(rows, setup_of("chair-1", rows))
    times = [item.at for item in found.items]
    assert times == sorted(times)
    assert len(times) > 40
    heard = {
        item.what.input.device for item in found.items if hasattr(getattr(item.what, "input", None), "observations")
    }
    assert heard == {"pump", "oximeter"}
