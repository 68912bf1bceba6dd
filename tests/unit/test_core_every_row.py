"""Every row of every shipped protocol: exactly at its limit, one step either side, exactly at its delay, 1 ms before.

Driven by the files: each different row is judged alone, so that nothing else of its condition answers for it.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from core_bed import HIGH, LOW, MEDIUM, Bed, bed_setup, depression_40
from infusion_gateway.config import protocols
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.events import ConditionRaised
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric
from infusion_gateway.model.session import LimitCondition, Phase, Row, SessionProtocol, Side, Step

STEPS = {Metric.ETCO2: 0.1, Metric.TEMP: 0.1}
"""A device's smallest step; 1 for all others."""
WELL = {Metric.SPO2: 97, Metric.PULSE: 70, Metric.HR: 71, Metric.RR: 14, Metric.ETCO2: 38, Metric.TEMP: 36.6}
BASELINE = 110
MS = 0.001


@cache
def shipped() -> dict[str, SessionProtocol]:
    """Load every protocol that is shipped."""
    files = sorted(Path(protocols.shipped()).glob("*.toml"))
    return {path.stem: protocols.load(path) for path in files}


def alone() -> dict[str, LimitCondition]:
    """Give each different row as a condition of its own, by what it is and the protocols that have it."""
    found: dict[LimitCondition, list[str]] = {}
    for name, protocol in shipped().items():
        for condition in protocol.conditions:
            for row in condition.rows:
                one = replace(condition, rows=(row,), advice="Look.", phases=frozenset({Phase.INFUSING}))
                found.setdefault(one, []).append(name)
    return {f"{c.code}-{_words(c.rows[0])}-{names[0]}": c for c, names in found.items()}


def _words(row: Row) -> str:
    over = "over-baseline-" if row.over_baseline else ""
    return f"{over}{row.limit:g}-{row.priority.name.lower()}-{row.delay // SECOND}s"


ROWS = alone()
WAITING = {name: c for name, c in ROWS.items() if c.rows[0].delay or c.rows[0].confirm_within}
EVERY = pytest.mark.parametrize("condition", ROWS.values(), ids=ROWS.keys())


def infusing(condition: LimitCondition) -> Bed:
    """Give a bed that is held against this alone, with a baseline, infusing."""
    bed = Bed(bed_setup(replace(depression_40(), conditions=(condition,), apnoea=None)))
    bed.monitor.values = {metric: value for metric, value in WELL.items() if metric in FACTS}
    bed.run(2)
    bed.monitor.cuff(bed.now, BASELINE, BASELINE - 40)
    bed.infuse()
    bed.run(5)
    return bed


def feed(bed: Bed, condition: LimitCondition, value: float) -> None:
    """Let the next reading, a second from now, be this."""
    metric = condition.metrics[0]
    if FACTS[metric].intermittent:
        systolic = value if metric is Metric.NIBP_SYS else BASELINE + 20
        bed.monitor.cuff(bed.now, systolic, value if metric is Metric.NIBP_DIA else 70)
    else:
        bed.monitor.values[metric] = value


def edges(condition: LimitCondition) -> tuple[float, float, float]:
    """Give the limit, the last value that is inside, the first that is past it."""
    row, metric = condition.rows[0], condition.metrics[0]
    limit = row.limit + (BASELINE if row.over_baseline else 0)
    step = STEPS.get(metric, 1) * (-1 if condition.side is Side.LOW else 1)
    inclusive = condition.inclusive if row.inclusive is None else row.inclusive
    return (limit, limit - step, limit) if inclusive else (limit, limit, limit + step)


def of(bed: Bed, code: str) -> list[tuple[float, Priority]]:
    """Give when it was raised, and how urgently."""
    return [(at / SECOND, e.priority) for at, e in bed.events(ConditionRaised) if e.code == code]  # type: ignore[attr-defined]


@EVERY
def test_the_last_value_inside_raises_nothing(condition: LimitCondition) -> None:
    """Pins that a value exactly at the limit, or one step inside where the limit itself counts, is left alone."""
    bed = infusing(condition)
    _, inside, _ = edges(condition)
    feed(bed, condition, inside)
    bed.run(condition.rows[0].delay / SECOND + condition.rows[0].confirm_within / SECOND + 10)
    assert not of(bed, condition.code)
    assert not bed.stops()


@EVERY
def test_the_first_value_past_it_is_told_at_its_delay_and_not_before(condition: LimitCondition) -> None:
    """Pins the row's own priority, limit and response in the very instant in which its delay ends; a stop with it."""
    bed, row = infusing(condition), condition.rows[0]
    limit, _, past = edges(condition)
    feed(bed, condition, past)
    begun = bed.now if FACTS[condition.metrics[0]].intermittent else bed.now + SECOND
    wait = row.delay + row.confirm_within
    bed.run((begun + wait - bed.now) / SECOND - MS)
    asked = [MEDIUM] if row.confirm_within else []  # "repeat the cuff now", until it is confirmed
    assert [priority for _, priority in of(bed, condition.code)] == asked
    assert not bed.stops()
    bed.run(MS if wait else 1 + MS)
    raised = bed.alarms[condition.code]
    assert (raised.priority, raised.response, raised.limit) == (row.priority, row.response, limit)
    assert bool(bed.stops()) is (row.response.value == "stop")


@pytest.mark.parametrize("condition", WAITING.values(), ids=WAITING.keys())
def test_a_value_that_is_back_one_step_before_the_delay_raises_nothing(condition: LimitCondition) -> None:
    """Pins that a reading inside, one second before the delay ends, ends it: what the row says is never told."""
    row = condition.rows[0]
    bed = infusing(condition)
    begins = bed.now if FACTS[condition.metrics[0]].intermittent else bed.now + SECOND
    _, inside, past = edges(condition)
    feed(bed, condition, past)
    bed.run((begins + row.delay + row.confirm_within - bed.now) / SECOND - 2)  # what is fed now is read in a second
    feed(bed, condition, inside)
    bed.run((row.delay + row.confirm_within) / SECOND + 30)
    told = [priority for _, priority in of(bed, condition.code)]
    assert told == ([MEDIUM] if row.confirm_within else [])
    assert not bed.stops()


def groups(which: str) -> dict[str, tuple[Step, ...]]:
    """Give each different ladder of ages of the shipped protocols, by what has it."""
    found: dict[tuple[Step, ...], str] = {}
    for name, protocol in shipped().items():
        if which == "pump":
            found.setdefault(protocol.pump_stages, name)
        for stages in protocol.vital_stages if which == "monitor" else ():
            if Phase.INFUSING in stages.phases:
                found.setdefault(stages.steps, name)
    return {name: steps for steps, name in found.items()}


@pytest.mark.parametrize(
    ("device", "code", "protocol"),
    [("monitor", "monitor-silent", name) for name in groups("monitor")]
    + [("pump", "supervision-lost", name) for name in groups("pump")],
)
def test_every_age_is_told_at_its_instant_and_not_before(device: str, code: str, protocol: str) -> None:
    """Pins every step of every ladder of ages: what is silent rises exactly then; one that speaks is left alone."""
    steps = groups(device)[protocol]
    made = replace(
        depression_40(),
        conditions=(),
        apnoea=None,
        pump_stages=shipped()[protocol].pump_stages,
        vital_stages=shipped()[protocol].vital_stages,
    )
    bed = Bed(bed_setup(made))
    bed.infuse()
    bed.run(60)
    assert not bed.events(ConditionRaised)
    (bed.pump if device == "pump" else bed.monitor).mute = True
    at = bed.now
    for count, step in enumerate(steps):
        bed.run((at + step.after - bed.now) / SECOND - MS)
        assert len(of(bed, code)) == count
        bed.run(MS)
        assert of(bed, code)[-1] == ((at + step.after) / SECOND, step.priority)
    assert not bed.stops()


def test_the_rules_own_numbers_are_in_every_protocol_of_theirs() -> None:
    """Pins that the rows above aren't of empty files: each protocol for patients has the rows of the table."""
    table = {
        ("spo2-low", 94, MEDIUM, 15),
        ("spo2-low", 90, HIGH, 15),
        ("spo2-low", 85, HIGH, 5),
        ("hr-low", 50, MEDIUM, 15),
        ("hr-low", 40, HIGH, 10),
        ("hr-high", 110, MEDIUM, 15),
        ("hr-high", 130, HIGH, 10),
        ("rr-low", 10, MEDIUM, 30),
        ("rr-low", 8, HIGH, 15),
        ("rr-high", 25, MEDIUM, 30),
        ("rr-high", 30, HIGH, 15),
        ("etco2-high", 50, MEDIUM, 30),
        ("etco2-high", 60, HIGH, 15),
        ("nibp-sys-high", 160, MEDIUM, 0),
        ("nibp-sys-high", 30, MEDIUM, 0),
        ("nibp-sys-high", 180, HIGH, 0),
        ("nibp-sys-low", 90, MEDIUM, 0),
        ("nibp-sys-low", 90, HIGH, 0),
        ("nibp-dia-high", 100, MEDIUM, 0),
        ("nibp-dia-high", 110, HIGH, 0),
    }
    for name, protocol in shipped().items():
        rows = {(c.code, r.limit, r.priority, r.delay // SECOND) for c in protocol.conditions for r in c.rows}
        ages = [(step.after // SECOND, step.priority) for step in protocol.pump_stages]
        assert ages == [(3, MEDIUM), (10, HIGH)]
        if not protocol.test_only:
            assert table <= rows, name
            infusing_steps = next(s.steps for s in protocol.vital_stages if Phase.INFUSING in s.phases)
            assert [(s.after // SECOND, s.priority) for s in infusing_steps] == [(10, LOW), (30, MEDIUM), (60, HIGH)]
            confirmed = {r.confirm_within for c in protocol.conditions for r in c.rows if c.code.startswith("nibp")}
            assert confirmed == {0, 3 * MINUTE}
