"""Rows: on which side of a limit a value lies."""

import pytest

from core_bed import MEDIUM, TELL, limit, row
from infusion_gateway.core.rows import well_inside
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.session import Side


@pytest.mark.parametrize("side", [Side.LOW, Side.HIGH])
def test_where_there_is_no_limit_every_value_is_inside(side: Side) -> None:
    """Pins that a row over a baseline that was never taken holds nothing up: no value is past it, each is inside."""
    over = row(30, MEDIUM, 0, TELL, over_baseline=True)
    condition = limit("nibp-sys-high", (Metric.NIBP_SYS,), side, over, clear_by=10)
    assert well_inside(condition, over, None, 0.0)
    assert well_inside(condition, over, None, 300.0)
