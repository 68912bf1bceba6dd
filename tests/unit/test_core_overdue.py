"""What people are to do every so often: the protocol's schedule, overdue at its deadlines, satisfied by an entry."""

from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, MEDIUM, STOP, Bed, bed_setup, depression_40
from infusion_gateway.model.alarm import Response
from infusion_gateway.model.events import ConditionRaised
from infusion_gateway.model.instructions import Assess, End, Hold, Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Sensor
from infusion_gateway.model.session import Phase, Scheduled
from infusion_gateway.model.session import Step as Stage

RUNNING = frozenset({Phase.INFUSING, Phase.PAUSED})
RECOVERING = frozenset({Phase.RECOVERY})
SEDATION = Scheduled(Score.MOAA_S, 15 * MINUTE, RUNNING, (Stage(15 * MINUTE, LOW),))
RATE = Scheduled(Metric.RR, 15 * MINUTE, RUNNING, (Stage(20 * MINUTE, LOW),))
PRESSURE_AFTER = Scheduled(Metric.NIBP_SYS, 15 * MINUTE, RECOVERING, (Stage(22 * MINUTE, LOW),))


def infusing(*schedule: Scheduled) -> Bed:
    """Give a bed with this schedule that has just begun, a cuff measuring every five minutes."""
    bed = Bed(bed_setup(replace(depression_40(), schedule=schedule)))
    bed.monitor.cuff_every = 5 * MINUTE
    bed.infuse()
    return bed


def codes(bed: Bed) -> list[str]:
    """Give every code that was raised, in order."""
    return [event.code for _, event in bed.events(ConditionRaised)]


@pytest.mark.rule("E15", "acts")
def test_sedation_is_overdue_a_quarter_of_an_hour_after_t0_and_after_each_entry() -> None:
    """Pins E15 for MOAA/S: low at exactly 15 minutes, not before; an entry ends it and begins it anew."""
    bed = infusing(SEDATION)
    t0 = bed.session.t0
    assert t0 is not None
    bed.run((t0 + 15 * MINUTE - bed.now) / SECOND - 0.001)
    assert not bed.alarms
    bed.run(0.001)
    assert bed.raised("moaa-s-overdue") == [((t0 + 15 * MINUTE) / SECOND, LOW)]
    bed.ask(Assess(((Score.MOAA_S, 5.0),), (), 60 * SECOND))
    entered = bed.now
    assert not bed.alarms
    bed.run(14 * 60)
    assert bed.raised("moaa-s-overdue")[-1] == ((entered + 14 * MINUTE) / SECOND, LOW)
    bed.check()


@pytest.mark.rule("E15", "leaves alone")
def test_an_entry_in_time_leaves_a_good_session_alone() -> None:
    """Pins that MOAA/S every nine minutes raises nothing, and that other scores don't stand for it."""
    bed = infusing(SEDATION)
    for _ in range(2):
        bed.run(9 * 60)
        bed.ask(Assess(((Score.MOAA_S, 5.0),), (), 0))
    assert not codes(bed)
    bed.run(10 * 60)
    bed.ask(Assess(((Score.PAIN, 0.0),), (), 0))
    bed.run(5 * 60)
    assert "moaa-s-overdue" in codes(bed)


def test_a_rate_by_hand_is_due_where_no_device_gives_one() -> None:
    """Pins that a device that reports the rate satisfies it, and that without one a person's entry does."""
    bed = infusing(RATE)
    bed.run(30 * 60)
    assert not codes(bed)
    alone = infusing(RATE)
    alone.monitor.values.pop(Metric.RR)
    alone.run(20 * 60)
    assert "rr-overdue" in codes(alone)
    alone.ask(Assess((), ((Metric.RR, 14.0),), 0))
    assert "rr-overdue" not in alone.alarms


def test_a_bed_where_nobody_ever_measured_a_pressure_is_overdue_too() -> None:
    """Pins that no pressure at all counts from T0: low at 7.5 minutes, medium at 10, and one by hand ends it."""
    bed = Bed()
    bed.infuse()
    t0 = bed.session.t0
    assert t0 is not None
    bed.run(11 * 60)
    assert bed.raised("nibp-overdue") == [((t0 + 450 * SECOND) / SECOND, LOW), ((t0 + 600 * SECOND) / SECOND, MEDIUM)]
    bed.ask(Assess((), ((Metric.NIBP_SYS, 121.0), (Metric.NIBP_DIA, 79.0)), 0))
    assert not bed.alarms


def test_a_schedule_belongs_to_its_phases() -> None:
    """Pins the pressure in recovery: its time runs from recovery's beginning, and the infusion's schedule is over."""
    bed = infusing(SEDATION, PRESSURE_AFTER)
    bed.run(60)
    bed.ask(End("enough"))
    bed.run(10)
    assert bed.phase is Phase.RECOVERY
    bed.monitor.cuff_every = None
    bed.run(21 * 60)
    assert set(bed.alarms) == {"infusion-complete"} or not bed.alarms
    bed.run(70)
    assert "nibp-overdue" in bed.alarms
    assert "moaa-s-overdue" not in codes(bed)


def test_paused_keeps_what_is_due() -> None:
    """Pins that a schedule that names both phases runs on through a pause."""
    bed = infusing(SEDATION)
    bed.run(10 * 60)
    bed.ask(Hold("toilet"))
    bed.run(5 * 60)
    assert "moaa-s-overdue" in bed.alarms


@pytest.mark.parametrize("response", [Response.TELL, Response.STOP])
def test_the_total_loss_of_spo2_is_as_the_protocol_says(response: Response) -> None:
    """Pins that a probe off is told and no more by default, and that a protocol may ask for a stop, at 60 s exactly."""
    bed = Bed(bed_setup(replace(depression_40(), spo2_lost=response)))
    bed.infuse()
    bed.run(30)
    bed.monitor.off.add(Sensor.PROBE)
    bed.monitor.values[Metric.SPO2] = bed.monitor.values[Metric.PULSE] = None
    last_valid = bed.now / SECOND
    bed.run(59)
    assert not bed.stops()
    bed.run(240)
    assert bed.stops() == ([last_valid + 60] if response is STOP else [])
    assert (bed.raised("spo2-lost") == [(last_valid + 60, HIGH)]) is (response is STOP)
    assert not any(event.latching for _, event in bed.events(ConditionRaised))
