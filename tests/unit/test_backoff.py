"""Tests of the reconnect policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.core.backoff import RECONNECT, Backoff
from infusion_gateway.model.metric import SECOND

draws = st.floats(0, 1)
policies = st.tuples(st.integers(1, SECOND), st.integers(0, 100 * SECOND)).map(lambda t: Backoff(t[0], t[0] + t[1]))


@given(policies, st.integers(1, 10**9), draws)
def test_every_delay_is_bounded(policy, failures, draw):
    """Pins that a delay is never more than `most`, and never less than half of `first`, however often it failed."""
    assert policy.first // 2 <= policy.delay(failures, draw) <= policy.most


@given(policies, st.integers(1, 100), draws)
def test_delays_grow(policy, failures, draw):
    """Pins that with the same luck one more failure never shortens the wait."""
    assert policy.delay(failures, draw) <= policy.delay(failures + 1, draw)


def test_the_delays_double_until_the_bound():
    """Pins the very delays towards lines and broker with no jitter drawn: 0.1, 0.2, 0.4, 0.8, 1, 1 s."""
    assert [RECONNECT.delay(n, 0.0) / SECOND for n in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_full_draw_halves():
    """Pins the jitter's other end, so that many who lost a broker at once don't come back at once."""
    assert [RECONNECT.delay(n, 1.0) / SECOND for n in (1, 4, 9)] == [0.05, 0.4, 0.5]


def test_no_failure_no_delay():
    """Pins that the first try waits for nothing."""
    assert RECONNECT.delay(0, 0.5) == 0


@pytest.mark.parametrize("draw", [-7.0, 99.0])
def test_a_draw_outside_its_range_does_no_harm(draw):
    """Pins that the bounds hold even for a broken generator."""
    assert SECOND // 2 <= RECONNECT.delay(9, draw) <= SECOND


@pytest.mark.parametrize(("first", "most"), [(0, 1), (-1, 5), (5, 4)])
def test_a_policy_without_sense_is_refused(first, most):
    """Pins that a zero first delay (a busy loop) or crossed bounds can't be built."""
    with pytest.raises(ValueError, match="first"):
        Backoff(first, most)
