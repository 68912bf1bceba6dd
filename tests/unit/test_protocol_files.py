"""Session protocol files: what the shipped ones say, and every slip that is refused."""

import hashlib
import re
from pathlib import Path

import pytest

from infusion_gateway.config import protocols
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import Phase, Row, SessionProtocol, Side, Step

SHIPPED = protocols.shipped()
GOOD = (SHIPPED / "depression-40.toml").read_text()


def load(directory: Path, text: str, name: str = "depression-40") -> SessionProtocol:
    """Read a protocol of this text."""
    path = directory / f"{name}.toml"
    path.write_text(text)
    return protocols.load(path)


def with_row(old: str, new: str) -> str:
    """Give the good protocol with one thing changed; it must be there."""
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


def test_the_shipped_protocols_are_found() -> None:
    """Pins which protocols come with the gateway, and that each can be read."""
    assert protocols.names(SHIPPED) == (
        *("anxiety-40", "chronic-pain-4h", "depression-40", "depression-60", "ptsd-40", "test-short"),
    )
    for name in protocols.names(SHIPPED):
        protocol = protocols.load(SHIPPED / f"{name}.toml")
        assert protocol.name == name
        assert not protocol.signed
        assert protocol.test_only is (name == "test-short")
    for name in ("depression-40", "test-short"):
        digest = hashlib.sha256((SHIPPED / f"{name}.toml").read_bytes()).hexdigest()
        assert protocols.load(SHIPPED / f"{name}.toml").digest == digest


@pytest.mark.requirement("S36")
def test_depression_40_is_the_table_of_conditions() -> None:
    """Pins each number of the shipped protocol against the rules it comes from."""
    p = protocols.load(SHIPPED / "depression-40.toml")
    assert (p.dose.soft_mg_per_kg, p.dose.hard_mg_per_kg, p.dose.soft_mg, p.dose.hard_mg) == (0.5, 1.0, 60.0, 100.0)
    assert (p.max_duration, p.grace, p.wall) == (60 * MINUTE, 2 * MINUTE, 90 * MINUTE)
    assert (p.armed_for, p.second_entry_after, p.dead_man_s) == (15 * MINUTE, 2 * MINUTE, 20)
    assert (p.retry_every, p.confirm_within, p.countdown, p.hold_off) == (
        5 * SECOND,
        10 * SECOND,
        20 * SECOND,
        2 * MINUTE,
    )
    assert (p.end_short_ml, p.end_short_part, p.warn_before_end) == (2.0, 0.05, (5 * MINUTE, MINUTE))
    assert p.required_metrics == (Metric.SPO2,)
    assert not p.test_only
    conditions = {c.code: c for c in p.conditions}
    assert set(conditions) == {
        *("spo2-low", "hr-low", "hr-high", "rr-low", "rr-high", "etco2-high"),
        *("nibp-sys-high", "nibp-sys-low", "nibp-dia-high"),
    }
    spo2 = conditions["spo2-low"]
    assert (spo2.side, spo2.inclusive, spo2.clear_by, spo2.clear_after) == (Side.LOW, False, 1.0, 10 * SECOND)
    assert spo2.rows == (
        Row(94.0, Priority.MEDIUM, 15 * SECOND, Response.TELL),
        Row(90.0, Priority.HIGH, 15 * SECOND, Response.STOP_UNLESS_HELD),
        Row(85.0, Priority.HIGH, 5 * SECOND, Response.STOP),
    )
    systolic = conditions["nibp-sys-high"]
    assert systolic.inclusive
    assert systolic.rows[1] == Row(30.0, Priority.MEDIUM, 0, Response.TELL, over_baseline=True)
    assert systolic.rows[2] == Row(180.0, Priority.HIGH, 0, Response.STOP_UNLESS_HELD, confirm_within=3 * MINUTE)
    assert conditions["hr-low"].metrics == (Metric.HR, Metric.PULSE)
    assert [r.limit for r in conditions["rr-low"].rows] == [10.0, 8.0]
    infusing, paused = p.vital_stages
    assert infusing.steps[-1] == Step(60 * SECOND, Priority.HIGH)
    assert infusing.phases == {Phase.INFUSING}
    assert max(s.priority for s in paused.steps) is Priority.MEDIUM
    assert all(Phase.RECOVERY not in s.phases for s in p.vital_stages)
    assert p.pump_stages == (Step(3 * SECOND, Priority.MEDIUM), Step(10 * SECOND, Priority.HIGH))


def test_test_short_differs_from_a_patients_protocol_in_times_alone() -> None:
    """Pins that the test protocol has a patient's limits, and that its times can be shown in 90 s."""
    short = protocols.load(SHIPPED / "test-short.toml")
    real = protocols.load(SHIPPED / "depression-40.toml")
    assert short.test_only
    assert (short.dose, short.concentrations, short.max_rate_ml_h) == (
        real.dose,
        real.concentrations,
        real.max_rate_ml_h,
    )
    for mine, theirs in zip(short.conditions, real.conditions, strict=True):
        assert mine.code == theirs.code
        assert [(r.limit, r.priority, r.response, r.over_baseline) for r in mine.rows] == [
            (r.limit, r.priority, r.response, r.over_baseline) for r in theirs.rows
        ]
        assert all(r.delay <= 5 * SECOND for r in mine.rows)
    assert short.max_duration + short.grace + short.confirm_within <= 90 * SECOND
    assert short.dead_man_s >= 10


@pytest.mark.parametrize(
    ("name", "at_least"),
    [("depression-40", 60), ("depression-60", 2), ("chronic-pain-4h", 14), ("anxiety-40", 0), ("ptsd-40", 0)],
)
def test_every_number_names_its_source(name: str, at_least: int) -> None:
    """Pins that no number of a patients' protocol stands without a word on where it is from, or "unsourced"."""
    text = (SHIPPED / f"{name}.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("title", "name", "extends"))]
    numbers = [line for line in lines if re.match(r'[^#]*"[<>=]* ?(baseline \+ )?[0-9][^"]*"', line)]
    assert len(numbers) >= at_least
    for line in numbers:
        _, _, source = line.partition("# ")
        known = (
            r"conditions: |thresholds: |phases: |timeline: |instructions: |escalation: |dead man: |end: "
            r"|[ES][0-9]|[Ff]acts? [0-9]|.*unsourced"
            r"|[.]{3} "
        )
        assert re.match(known, source), line


_WINDOW = '[[window]]\nlength = "{}"\nhard = "{}"\nhard_absolute = "{}"\n[[condition]]'
SLIPS = [
    ('name = "depression-40"', 'name = "other"', "name", "'other' and the file is depression-40.toml", "same name"),
    ('soft = "0.5 mg/kg"', 'soft = "1.5 mg/kg"', "dose.soft", "wrong way round", "Swap"),
    ('soft_absolute = "60 mg"', 'soft_absolute = "0 mg"', "dose.soft_absolute", "a limit of nothing", "more than 0"),
    ('hard_absolute = "100 mg"', 'hard_absolute = "50 mg"', "dose.soft_absolute", "above hard_absolute", "Swap"),
    ('hard = "1 mg/kg"', 'hard = "1 mg"', "dose.hard", "a unit of a dose, not of a dose for each", '"0.5 mg/kg"'),
    ('hard = "1 mg/kg"', "hard = 1.0", "dose.hard", "has no unit", '"0.5 mg/kg"'),
    ('concentrations = ["1 mg/mL"]', "concentrations = []", "concentrations", "at least 1 item", "Write"),
    ('concentrations = ["1 mg/mL"]', 'concentrations = ["1 mg/mL", "1 mg/ml"]', "concentrations", "twice", "once"),
    ('concentrations = ["1 mg/mL"]', 'concentrations = ["1 %"]', "concentrations[0]", "no unit", "10 mg/mL"),
    ('max_rate = "150 mL/h"', 'max_rate = "0 mL/h"', "max_rate", "nothing could be infused", "more than 0"),
    ('required = ["spo2"]', 'required = ["hr"]', "required", "SpO2 is missing", "no way past"),
    ('required = ["spo2"]', 'required = ["spo2", "temp"]', "required[1]", "nothing watches it", "[[condition]]"),
    ('required = ["spo2"]', 'required = ["spo2", "o2"]', "required[1]", "'o2' is no metric", "spo2, pulse"),
    ('grace = "2 min"', 'grace = "20 min"', "time.grace", "20 min is out of bounds", "30 s to 5 min"),
    ('grace = "2 min"', 'grace = "2"', "time.grace", "has no unit", "(ms, s, min, h, d)"),
    ('wall = "90 min"', 'wall = "61 min"', "time.wall", "ends before the longest session", "at least 62 min"),
    ('armed_for = "15 min"', 'armed_for = "2 h"', "time.armed_for", "2 h is out of bounds", "1 min to 30 min"),
    ('second_entry_after = "2 min"', "second_entry_after = false", "time.second_entry_after", "a bool", "unit"),
    ('["5 min", "1 min"]', '["1 min", "5 min"]', "time.warn_before_end", "not in order", "longest first"),
    ('["5 min", "1 min"]', '["60 min", "1 min"]', "time.warn_before_end[0]", "never reached", "less than max_duration"),
    ('recovery = "60 min"', 'recovery = "5 min"', "time.recovery", "out of bounds", "30 min to 4 h"),
    ('confirm_within = "10 s"', 'confirm_within = "5 s"', "stop.confirm_within", "before it is asked again", "longer"),
    ('dead_man = "20 s"', 'dead_man = "5 s"', "stop.dead_man", "5 s is out of bounds", "10 s to 30 s"),
    ('dead_man = "20 s"', 'dead_man = "40 s"', "stop.dead_man", "40 s is out of bounds", "10 s to 30 s"),
    ('dead_man = "20 s"', 'dead_man = "12.5 s"', "stop.dead_man", "whole seconds", '"20 s"'),
    ('countdown = "20 s"', 'countdown = "5 s"', "stop.countdown", "out of bounds", "10 s to 1 min"),
    ('short_part = "5 %"', 'short_part = "80 %"', "end.short_part", "out of bounds", "0 % to 50 %"),
    ('when = "< 94 %"', 'when = "94 %"', "condition[0].rows[0].when", "is no limit", '"< 90 %"'),
    ('when = "< 94 %"', 'when = "< 94"', "condition[0].rows[0].when", "'94' has no unit", '"94 %"'),
    ('when = "< 94 %"', 'when = "< 94 mmHg"', "condition[0].rows[0].when", "a unit of a pressure", '"94 %"'),
    ('when = "< 94 %"', 'when = "> 94 %"', "condition[0].rows[1].when", "another sign", "another condition"),
    ('when = "< 94 %"', 'when = "< 80 %"', "condition[0].rows[1].when", "not further out", "mildest limit first"),
    ('when = "< 94 %"', 'when = "< 100 %"', "condition[0].rows[0].when", "outside what spo2 can", "1 and 100"),
    ('when = "< 94 %"', 'when = "< 99.5 %"', "condition[0].rows[0].when", "could never clear", "smaller clear_by"),
    ('when = "< 94 %"', 'when = "< baseline + 3 %"', "condition[0].rows[0].when", "no limit over a baseline", "rise"),
    ('when = "< 50 /min"', 'when = "< 115 /min"', "condition[2]", "no value is inside both", "Keep hr-low below"),
    ('clear_by = "1 %"', 'clear_by = "1 mmHg"', "condition[0].clear_by", "a unit of a pressure", '"94 %"'),
    ('delay = "5 s", priority = "high", response = "stop"', 'delay = "30 s", priority = "high", response = "stop"',
     "condition[0].rows[2].delay", "slower than the row before", "At most 15 s"),
    ('delay = "5 s", priority = "high", response = "stop"', 'delay = "5 s", priority = "medium", response = "stop"',
     "condition[0].rows[2].response", "stop with a priority below high", 'priority = "high"'),
    ('delay = "5 s", priority = "high", response = "stop"', 'delay = "5 s", priority = "low", response = "tell"',
     "condition[0].rows[2]", "milder than the row before", "mildest row first"),
    ('delay = "15 s", priority = "high", response = "stop-unless-held"',
     'delay = "15 s", priority = "High", response = "stop-unless-held"',
     "condition[0].rows[1].priority", "'High' is no priority", '"low", "medium" or "high"'),
    ('response = "stop"', 'response = "pause"', "condition[0].rows[2].response", "should be 'tell'", "response = "),
    ('when = "< 90 %", delay = "15 s"', 'when = "< 90 %", delay = "2 min"',
     "condition[0].rows[1].delay", "2 min is too long before a stop", "At most 1 min"),
    ('metrics = ["spo2"]', 'metrics = ["rate"]', "condition[0].metrics[0]", "no vital sign", "built in"),
    ('metrics = ["hr", "pulse"]', 'metrics = ["hr", "spo2"]', "condition[1].metrics", "not of one kind", "same"),
    ('metrics = ["hr", "pulse"]', 'metrics = ["hr", "hr"]', "condition[1].metrics", "one twice", "once"),
    ('metrics = ["rr"]', 'metrics = ["hr"]', "condition[3].phases", "hr-low stands twice for", "one condition"),
    ('phases = ["infusing", "paused", "completed", "stopped", "recovery"]', 'phases = ["flying"]',
     "condition[0].phases[0]", "should be 'idle'", "phases = "),
    ('delay = "0 s", priority = "medium"', 'delay = "5 s", priority = "medium"',
     "condition[6].rows[0].delay", "measured now and then", '"0 s"'),
    ('response = "stop" }', 'response = "stop", confirm_within = "1 min" }',
     "condition[0].rows[2].confirm_within", "measured all the time", "longer delay"),
    ('phases = ["armed", "paused"]', 'phases = ["infusing"]', "monitor_age[1].phases", "in two groups", "once"),
    ('[[monitor_age]]\nphases = ["infusing"]', '[[monitor_age]]\nphases = ["recovery"]',
     "monitor_age", "nothing is said for infusing", 'phases = ["infusing"]'),
    ('{ after = "30 s", priority = "medium" }', '{ after = "5 s", priority = "medium" }',
     "monitor_age[0].steps[1]", "not above the step before", "rise"),
    ('3 s / 10 s\npriority = "high"', '\npriority = "low"', "pump_age", "never becomes high", "End"),
    ("latching = false", 'latching = "no"', "condition[0].latching", "should be a valid boolean", "latching = false"),
    ('drug = "ketamine"', 'drug = "ketamine"\ndrugs = 1', "drugs", "unknown key", "`drug`"),
    ('title = "Depression, 0.5 mg/kg over 40 minutes"', "", "title", "this key is missing", "Add `title = "),
    ("[end]", "[ending]", "end", "this key is missing", "Add"),
    ("[[condition]]", _WINDOW.format("25 h", "1 mg/kg", "90 mg"), "window[0].length", "25 h is out", "to 1 d"),
    ("[[condition]]", _WINDOW.format("1 h", "0 mg/kg", "90 mg"), "window[0].hard", "limit of nothing", "more"),
    ("[[condition]]", _WINDOW.format("1 h", "2 mg/kg", "90 mg"), "window[0].hard", "limits nothing", "At most"),
    ("[[condition]]", _WINDOW.format("1 h", "1 mg/kg", "101 mg"), "window[0].hard_absolute", "nothing", "most"),
    ("[[condition]]", _WINDOW.format("1 h", "1 mg", "90 mg"), "window[0].hard", "a unit of a dose", "mg/kg"),
    ("[[condition]]", _WINDOW.format("1 h", "1 mg/kg", "90 mg")[:-13]
     + _WINDOW.format("1 h", "1 mg/kg", "90 mg"),
     "window[1].hard", "shorter than the window before", "shortest first"),
    ("[[condition]]", _WINDOW.format("1 h", "1 mg/kg", "90 mg")[:-13]
     + _WINDOW.format("1 d", "1 mg/kg", "80 mg"),
     "window[1].hard_absolute", "or less", "never allows less"),
]  # fmt: skip


@pytest.mark.requirement("S36")
@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip[2]}-{slip[3]}")
def test_each_slip_is_refused_where_it_stands(tmp_path: Path, slip: tuple[str, str, str, str, str]) -> None:
    """Pins that every rule between a protocol's numbers is held, with the key, its real line, and the way out."""
    old, new, key, problem, remedy = slip
    text = with_row(old, new)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    found = [p for p in caught.value.problems if p.key == key]
    assert found, caught.value
    assert any(problem in p.problem and remedy in p.remedy for p in found), caught.value
    leaf = re.sub(r"\[\d+\]", "", key).split(".")[-1]
    line = text.splitlines()[found[0].line - 1]
    if "missing" not in problem and not key.endswith("]") and leaf not in ("condition", "monitor_age", "pump_age"):
        assert leaf in line, (line, found)


def test_every_problem_at_once(tmp_path: Path) -> None:
    """Pins that slips in different tables are told together, in the order of the file."""
    text = GOOD.replace('grace = "2 min"', 'grace = "20 min"').replace('soft = "0.5 mg/kg"', 'soft = "1.5 mg/kg"')
    text = text.replace('when = "< 94 %"', 'when = "< 94 mmHg"')
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    keys = [p.key for p in caught.value.problems]
    assert keys == ["dose.soft", "time.grace", "condition[0].rows[0].when"]


def test_a_test_protocol_may_be_short_and_a_patients_may_not(tmp_path: Path) -> None:
    """Pins that the shortest times hang on `test_only` alone."""
    text = (SHIPPED / "test-short.toml").read_text()
    load(tmp_path, text, "test-short")
    with pytest.raises(ConfigError, match=r"time\.recovery: 10 s is out of bounds"):
        load(tmp_path, text.replace("test_only = true", "test_only = false"), "test-short")


def test_an_edited_byte_is_another_digest(tmp_path: Path) -> None:
    """Pins that the digest is of the file's bytes, comments included: what was signed is what is used."""
    assert load(tmp_path, GOOD).digest != load(tmp_path, GOOD + "#\n").digest


def test_one_person_alone_can_be_ruled_out(tmp_path: Path) -> None:
    """Pins that "never" stands for: two persons always."""
    assert (
        load(tmp_path, with_row('second_entry_after = "2 min"', 'second_entry_after = "never"')).second_entry_after
        is None
    )
