"""The scenario's judge: what it calls held, and above all what it does not."""

from typing import Any

import pytest

from infusion_gateway.demo.judge import Expectation, Judge, Sighting, Subject


def wanted(subject: Subject, *, of: str = "", never: bool = False, **where: Any) -> Expectation:
    window = (5.0, 10.0)
    return Expectation("it", subject, "chair-1", of, tuple(where.items()), *window, never)


def event(at_s: float, of: str = "stop-asked", sequence: int = 1, identity: str = "a", **data: Any) -> Sighting:
    return Sighting(Subject.EVENT, "chair-1", of, {"sequence": sequence, "id": identity, **data}, at_s)


@pytest.mark.parametrize(("at_s", "held"), [(4.9, False), (5.0, True), (10.0, True), (10.1, False)])
def test_the_window_holds_at_its_edges(at_s: float, held: bool) -> None:
    """Pins that a sighting counts from `after` to `by`, both in, and `never` is its exact opposite."""
    judge = Judge((wanted(Subject.EVENT, of="stop-asked"), wanted(Subject.EVENT, of="stop-asked", never=True)))
    judge.saw([event(at_s)])
    assert [o.passed for o in judge.outcomes()] == [held, not held]


@pytest.mark.parametrize(
    ("where", "held"),
    [
        ({"code": "spo2-low"}, True),
        ({"code": "hr-high"}, False),
        ({"code": ["a", "spo2-low"]}, True),
        ({"no": 1}, False),
    ],
)
def test_every_pair_of_where_must_match(where: dict[str, Any], held: bool) -> None:
    """Pins that another value, or a key that is not there, is no match, and that a list is any of its members."""
    judge = Judge((wanted(Subject.EVENT, of="stop-asked", **where),))
    judge.saw([event(7, code="spo2-low", value=84.0)])
    assert judge.outcomes()[0].passed is held


def test_nothing_seen_is_nothing_held() -> None:
    """Pins that an empty run fails every expectation but `never`, completeness and the deadline too."""
    subjects = (Subject.EVENT, Subject.ALARM, Subject.COMPLETE, Subject.DEADLINE_KEPT, Subject.FRESH)
    outcomes = Judge(tuple(wanted(s) for s in subjects)).outcomes()
    assert not any(o.passed for o in outcomes)


@pytest.mark.parametrize(
    ("sequences", "held", "told"),
    [
        ([(1, "a"), (2, "b"), (2, "b"), (3, "c")], True, "3 events"),
        ([(1, "a"), (3, "c")], False, "2 is missing"),
        ([(1, "a"), (2, "b"), (2, "z")], False, "2 under two ids"),
    ],
)
def test_completeness_sees_gaps_and_second_ids(sequences: list[tuple[int, str]], held: bool, told: str) -> None:
    """Pins that repeats are fine, a gap is not, and one sequence under two ids is not."""
    judge = Judge((wanted(Subject.COMPLETE),))
    judge.saw(event(6, sequence=n, identity=i) for n, i in sequences)
    outcome = judge.outcomes()[0]
    assert outcome.passed is held
    assert told in outcome.observed


@pytest.mark.parametrize(("second", "held"), [("2026-11-22T07:15:00.200Z", True), ("2026-11-22T07:15:02.000Z", False)])
def test_a_deadline_that_moves_is_seen(second: str, held: bool) -> None:
    """Pins that ends_at may jitter by milliseconds between processes and not by seconds."""
    judge = Judge((wanted(Subject.DEADLINE_KEPT),))
    for ends in ("2026-11-22T07:15:00.000Z", second):
        judge.saw([Sighting(Subject.SESSION, "chair-1", "", {"case": "c-1", "ends_at": ends}, 6)])
    assert judge.outcomes()[0].passed is held


def test_another_bed_does_not_count() -> None:
    """Pins that what one bed shows proves nothing of the other."""
    judge = Judge((wanted(Subject.EVENT, of="stop-asked"),))
    judge.saw([Sighting(Subject.EVENT, "chair-2", "stop-asked", {"sequence": 1, "id": "x"}, 7)])
    assert not judge.outcomes()[0].passed
