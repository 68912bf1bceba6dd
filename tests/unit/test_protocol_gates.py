"""A protocol's gates, schedules, breathing and recovery: what the shipped ones say, and every slip that is refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from infusion_gateway.config import protocols
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import BaselineGate, Discharge, Gate, Phase, Scheduled, Step

SHIPPED = protocols.shipped()
GOOD = (SHIPPED / "depression-40.toml").read_text()
LATE = (Step(round(22.5 * MINUTE), Priority.LOW),)


def load_with(directory: Path, old: str, new: str) -> ConfigError:
    """Read the good protocol with one thing changed, which must be there; give how it is refused."""
    assert old in GOOD, old
    path = directory / "depression-40.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        protocols.load(path)
    return caught.value


def test_what_is_seen_before_arming() -> None:
    """Pins the baseline's limits and the soft gates against the rules that they are from."""
    p = protocols.load(SHIPPED / "depression-40.toml")
    assert p.baseline == (
        BaselineGate((Metric.NIBP_SYS,), required=True, low=90, soft_from=140, hold_from=160),
        BaselineGate((Metric.NIBP_DIA,), required=True, soft_from=90, hold_from=100),
        BaselineGate((Metric.HR, Metric.PULSE), required=True, low=50, high=110),
        BaselineGate((Metric.SPO2,), required=True, low=94),
        BaselineGate((Metric.RR,), required=True, low=10, high=25),
    )
    assert p.gates == (
        *(Gate(name, required=True) for name in ("broker", "monitor", "clock", "disk", "bedside-alarm")),
        Gate("alarm-heard", required=False, max_age=24 * 60 * MINUTE),
    )
    assert dict(p.outer_limits) == {"hr-low": 40, "spo2-low": 90, "nibp-sys-high": 180, "nibp-dia-high": 110}
    assert (p.weight_change, p.lockout_stops, p.lockout_within) == (0.1, 3, 10 * MINUTE)
    assert (p.start_within, p.longest_away) == (3 * MINUTE, 10 * MINUTE)
    assert p.escalate_after == (15 * SECOND, 45 * SECOND, 90 * SECOND)
    assert (p.sedated_medium, p.sedated_high, p.spo2_lost) == (3, 2, Response.TELL)


def test_what_people_do_and_what_recovery_wants() -> None:
    """Pins the schedule of assessments, the limits of breathing, and what a case is closed by."""
    p = protocols.load(SHIPPED / "depression-40.toml")
    assert p.schedule == (
        Scheduled(
            Score.MOAA_S,
            15 * MINUTE,
            frozenset({Phase.INFUSING, Phase.PAUSED}),
            (Step(15 * MINUTE, Priority.LOW),),
        ),
        Scheduled(Metric.RR, 15 * MINUTE, frozenset({Phase.INFUSING}), LATE),
        Scheduled(Metric.NIBP_SYS, 15 * MINUTE, frozenset({Phase.RECOVERY}), LATE),
    )
    pain = protocols.load(SHIPPED / "chronic-pain-4h.toml").schedule
    assert pain[:3] == p.schedule
    assert pain[3].what is Score.PAIN
    assert p.apnoea is not None
    assert (p.apnoea.warn, p.apnoea.sure, p.apnoea.alone) == (20 * SECOND, 20 * SECOND, 40 * SECOND)
    assert (p.apnoea.spo2_well, p.apnoea.spo2_low, p.apnoea.spo2_drop, p.apnoea.absent_mmhg) == (94, 92, 3, 5)
    assert p.discharge == Discharge(15 * MINUTE, 90, 160, 100, 5, oriented=True, escort=True)


def test_a_test_protocol_has_a_patients_gates_and_no_discharge() -> None:
    """Pins that only times differ, and that a minute at a simulated bed needs no time service and no discharge."""
    short, real = (protocols.load(SHIPPED / f"{n}.toml") for n in ("test-short", "depression-40"))
    for name in ("baseline", "outer_limits", "weight_change", "lockout_stops", "spo2_lost"):
        assert getattr(short, name) == getattr(real, name), name
    assert short.gates == tuple(gate for gate in real.gates if gate.name != "clock")
    assert short.apnoea is not None
    assert real.apnoea is not None
    times = {"warn": real.apnoea.warn, "sure": real.apnoea.sure, "alone": real.apnoea.alone}
    assert replace(short.apnoea, **times, clear_after=real.apnoea.clear_after) == real.apnoea
    assert (short.discharge, short.schedule) == (None, ())


SLIPS = [
    ('sure = "20 s"', 'sure = "10 s"', "apnoea", "not in order", "rise from 5 s"),
    ('alone = "40 s"', 'alone = "61 s"', "apnoea", "not in order", "at most 1 min"),
    ('spo2_low = "92 %"', 'spo2_low = "95 %"', "apnoea.spo2_low", "not in order", "at most spo2_well"),
    ('spo2_drop = "3 %"', 'spo2_drop = "0 %"', "apnoea.spo2_low", "not in order", "above 0"),
    ('absent = "5 mmHg"', 'absent = "5 %"', "apnoea.absent", "a unit of a percentage", "160 mmHg"),
    ('what = "moaa-s"', 'what = "mood"', "schedule[0].what", "'mood' is no score", "moaa-s"),
    ('what = "moaa-s"', 'what = "rate"', "schedule[0].what", "no vital sign", "Name a score"),
    ('what = "moaa-s"\nevery = "15 min"', 'what = "moaa-s"\nevery = "20 min"',
     "schedule[0].steps[0]", "overdue before it is due", "20 min"),
    ('what = "moaa-s"\nevery = "15 min"', 'what = "moaa-s"\nevery = "30 s"', "schedule[0].every", "too often", "1 min"),
    ('what = "nibp-sys"\nevery = "15 min"               # timeline: recovery, every 15 minutes\nphases = ["recovery"]',
     'what = "rr"\nevery = "15 min"\nphases = ["infusing"]', "schedule[2].what", "rr stands twice", "into one"),
    ('low = "90 mmHg" ', 'low = "150 mmHg" ', "baseline[0]", "wrong way round", "rise in this order"),
    ('low = "90 mmHg" ', 'low = "90 %" ', "baseline[0].low", "a unit of a percentage", "160 mmHg"),
    ('low = "90 mmHg" ', 'low = "9 mmHg" ', "baseline[0].low", "outside what nibp-sys can be", "20 to 320"),
    ('soft_from = "140 mmHg"', 'high = "120 mmHg"\nsoft_from = "140 mmHg"', "baseline[0].high", "say", "the other two"),
    ('max_age = "15 min"', 'max_age = "2 h"', "baseline[0].max_age", "out of bounds", "1 min to 1 h"),
    ('metrics = ["nibp-dia"]\nrequired', 'metrics = ["nibp-sys"]\nrequired', "baseline[1].metrics", "twice", "one"),
    ('metrics = ["hr", "pulse"]\nrequired', 'metrics = ["hr", "rr"]\nrequired', "baseline[2].metrics", "kind", "same"),
    ('name = "broker"\nrequired = true', 'name = "coffee"\nrequired = true', "gate[0].name", "should be", "broker"),
    ('name = "clock"', 'name = "disk"', "gate[3].name", "disk stands twice", "into one"),
    ('systolic_from = "90 mmHg"', 'systolic_from = "160 mmHg"', "discharge.systolic_from", "no pressure", "below"),
    ('pressures_apart = "15 min"', 'pressures_apart = "2 h"', "discharge.pressures_apart", "after the rec", "1 h"),
    ("moaa_s = 5", "moaa_s = 6", "discharge.moaa_s", "less than or equal to 5", "moaa_s = 5"),
    ("hr-low =", "hr-lower =", "outer_limits.hr-lower", "no condition has this code", "hr-low"),
    ('hr-low = "40 /min"', 'hr-low = "39 /min"', "outer_limits.hr-low", "not between", "between them"),
    ('hr-low = "40 /min"', 'hr-low = "51 /min"', "outer_limits.hr-low", "not between", "between them"),
    ('hr-low = "40 /min"', 'hr-low = "40"', "outer_limits.hr-low", "has no unit", "/min"),
    ('weight_change = "10 %"', 'weight_change = "0 %"', "weight_change", "out of bounds", "at most 50 %"),
    ("sedated_high = 2", "sedated_high = 4", "sedated_high", "wrong way round", "sedated_medium"),
    ("lockout_stops = 3", "lockout_stops = 1", "stop.lockout_stops", "greater than or equal to 2", "3"),
    ('lockout_within = "10 min"', 'lockout_within = "2 h"', "stop.lockout_within", "out of bounds", "1 h"),
    ('longest_away = "10 min"', 'longest_away = "1 h"', "time.longest_away", "out of bounds", "30 min"),
    ('start_within = "3 min"', 'start_within = "0 s"', "time.start_within", "out of bounds", "1 s"),
    ('["15 s", "45 s", "90 s"]', '["45 s", "15 s"]', "time.escalate_after", "not in order", "earliest first"),
    ('["15 s", "45 s", "90 s"]', '["15 s", "15 min"]', "time.escalate_after", "too late", "10 min"),
]  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip[2]}-{slip[3]}"[:60])
def test_each_slip_is_refused_where_it_stands(tmp_path: Path, slip: tuple[str, str, str, str, str]) -> None:
    """Pins that each is told with its key, what is wrong, and the way out."""
    old, new, key, problem, remedy = slip
    said = load_with(tmp_path, old, new)
    found = [p for p in said.problems if p.key == key]
    assert any(problem in p.problem and remedy in p.remedy for p in found), said


@pytest.mark.parametrize("table", ["apnoea", "discharge"])
def test_only_a_test_protocol_goes_without_breathing_or_discharge(tmp_path: Path, table: str) -> None:
    """Pins that for patients neither table is forgotten in silence."""
    found = re.search(rf"^\[{table}\]\n(?:[^\n\[#][^\n]*\n)+", GOOD, re.MULTILINE)
    assert found is not None
    said = load_with(tmp_path, found[0], "")
    assert any(p.key == table and "only a test protocol" in p.remedy for p in said.problems), said


def test_never_stands_for_a_start_that_is_not_told(tmp_path: Path) -> None:
    """Pins that `start_within` can be switched off in words, and not by leaving it out."""
    path = tmp_path / "depression-40.toml"
    path.write_text(GOOD.replace('start_within = "3 min"', 'start_within = "never"'))
    assert protocols.load(path).start_within is None
    said = load_with(tmp_path, 'start_within = "3 min"', "")
    assert any(p.key == "time.start_within" and "missing" in p.problem for p in said.problems)
