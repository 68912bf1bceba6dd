"""A bed under faults one after the other: `make chaos` in short."""

from pathlib import Path

import pytest

from faults import chaos


@pytest.mark.slow
async def test_a_short_chaos(tmp_path: Path) -> None:
    """Pins twenty seconds of kills, hangs, resets and failing devices: nothing lost, nothing invented, ends kept."""
    kinds = (
        chaos.gateway_starved,
        chaos.broker_killed,
        chaos.network_reset,
        chaos.oximeter_fails,
        chaos.gateway_killed,
    )
    found, on = await chaos.chaos(tmp_path, 20, seed=1, only=kinds)
    assert found.wrong == [], chaos.report(found, on)
    assert (found.lost, found.invented) == (0, 0)
    assert found.recorded > 10
    assert sum(on.done[kind.__name__.replace("_", " ")] for kind in kinds) >= 3
    assert len(on.live.truth) > 10
    assert "0 lost, 0 invented" in chaos.report(found, on)
