"""The demo's scenario files in virtual time, with the order of the file and at the length of a patient's."""

import os

import pytest

from simulation import staged
from simulation.planted import planted
from simulation.staged import ORDERED_END, Staged, long, scenario

LENGTHS = pytest.mark.parametrize("length", ["short", "long"])
PLAYED = [
    pytest.param(name, length, marks=[pytest.mark.slow] if length == "long" and name in ORDERED_END else [])
    for name in staged.names(recorded=False)
    for length in ("short", "long")
]


def played(name: str, length: str, seed: int = 0) -> list[str]:
    """Play a scenario and give what did not hold."""
    made = Staged(long(scenario(name)) if length == "long" else scenario(name), seed=seed)
    return [finding.what for finding in made.play().findings]


@pytest.mark.parametrize(("name", "length"), PLAYED)
def test_a_scenario_file_holds_in_virtual_time(name: str, length: str) -> None:
    """Pins every expectation of every scenario file, to its end, at both lengths."""
    assert not played(name, length)


@LENGTHS
@pytest.mark.parametrize("name", staged.names(recorded=True))
def test_a_recorded_patient_holds_in_virtual_time(name: str, length: str) -> None:
    """Pins the same with recorded patients."""
    if not staged.RECORDINGS.is_dir():
        assert os.environ.get("REQUIRE_RECORDINGS") != "1", f"there is no {staged.RECORDINGS}"
        pytest.skip(f"no recordings at {staged.RECORDINGS}; docs/scenarios.md says where they can be had")
    assert not played(name, length)


@pytest.mark.parametrize(
    ("bug", "name"),
    [
        ("duration-never-over", "overrun"),
        ("staleness-is-never-raised", "silent-monitor"),
        ("priority-never-rises", "desaturation"),
        ("dead-man-is-not-armed", "gateway-killed"),
        ("outbox-skips-an-event", "broker-outage"),
    ],
)
def test_a_scenario_that_does_not_hold_is_said(bug: str, name: str) -> None:
    """Pins that the judge can say no in virtual time too: each bug breaks a scenario that it is about."""
    with planted(bug):
        assert played(name, "short")


def test_longer_is_a_patients_order_and_a_later_end() -> None:
    """Pins what becomes of a file at a patient's length: order, pump and the end's times; nothing else."""
    short, made = scenario("overrun"), long(scenario("overrun"))
    assert made.order[0].duration == "40 min"
    assert [device.set.get("rate_ml_h") for device in made.device] == [52.5, None]
    assert made.end.at == short.end.at + 2400 - 24 + 112
    assert [act.t for act in made.at] == [act.t for act in short.at]
    desaturation = long(scenario("desaturation"))
    assert desaturation.expect == scenario("desaturation").expect
