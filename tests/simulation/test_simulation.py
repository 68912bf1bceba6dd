"""Whole worlds from seeds: no rule broken; what once broke one stays mended; and the simulation sees planted bugs."""

import pytest

from simulation import corpus, nuisance
from simulation.plan import SCENARIOS, draw
from simulation.planted import BUGS, planted
from simulation.run import line, many, play

SEEDS = range(100)
CHUNK = 5


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, CHUNK))
def test_no_rule_is_broken(first: int) -> None:
    """Pins S1-S8, L1 and the rest over five seeds each: whatever the seed draws."""
    broken = [line(verdict) for seed in range(first, first + CHUNK) if (verdict := play(seed)).findings]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("kept", corpus.read().kept, ids=lambda kept: f"{kept.seed}-{kept.rule}")
def test_what_once_broke_stays_mended(kept: corpus.Kept) -> None:
    """Pins every seed that once broke a rule."""
    verdict = play(kept.seed, kept.scenario or None)
    assert not verdict.findings, line(verdict)


@pytest.mark.parametrize("name", list(BUGS))
def test_a_planted_bug_is_noticed(name: str) -> None:
    """Pins that the referees see: one seed each that is known to notice the bug, by the rule that it breaks."""
    seed, rule = corpus.read().planted[name]
    with planted(name):
        verdict = play(seed)
    assert rule in {finding.rule for finding in verdict.findings}


def test_a_seed_is_the_same_world_each_time() -> None:
    """Pins determinism: the same seed gives the same events at the same times."""
    first, second = play(3), play(3)
    assert first.told == second.told
    assert first.virtual_s == second.virtual_s


def test_a_true_event_in_an_ordinary_session_is_told() -> None:
    """Pins the other side of the nuisance budget: quiet is worth nothing where a true event is missed."""
    came = nuisance.session((1, "desaturation"))
    assert came.told
    assert not came.technical_stops


def test_seeds_draw_everything_that_there_is() -> None:
    """Pins the reach of two thousand seeds: each scenario, a second monitor, a second bed, and each thing people do."""
    plans = [draw(seed) for seed in range(2000)]
    assert {plan.scenario for plan in plans} == set(SCENARIOS)
    assert sum(len(plan.monitors) > 1 for plan in plans) > 200
    done = {act[0] for plan in plans for _, act in plan.acts}
    assert done >= {"amend", "extend", "correct", "limits", "syringe", "toilet", "move", "say", "crash", "fault"}


def test_what_the_seeds_came_to_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Pins the report: sessions, virtual hours, stops, alarms, and the faults that were injected, by kind."""
    assert many(range(2, 4)) == 0
    said = capsys.readouterr().out
    for word in ("sessions 2", "virtual hours", "stops asked", "alarms raised", "faults injected: ", "lie 1"):
        assert word in said
