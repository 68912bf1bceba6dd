"""What is known right after a start, before any device has spoken: all that the journal has."""

from core_bed import Bed
from infusion_gateway.core.sources import BY_HAND
from infusion_gateway.core.state import fold, restored
from infusion_gateway.core.views import session
from infusion_gateway.model.instructions import Assess
from infusion_gateway.model.metric import SECOND, Metric


def test_what_was_given_is_known_before_the_pump_speaks() -> None:
    """Pins that volume and dose are shown from the first instant of a new process as they were recorded."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    recorded = bed.state.durable.account.delivered_ml
    assert recorded > 0.5
    shown = session(restored(bed.setup, fold(bed.journal)), bed.now)
    assert shown.volume_ml == recorded
    assert shown.dose_mg == recorded * 1.0


def test_a_pressure_by_hand_is_the_last_one_done_over_a_start_too() -> None:
    """Pins that what a person measured is known as valid since it was measured, so that nothing is overdue for it."""
    bed = Bed()
    bed.infuse()
    bed.ask(Assess((), ((Metric.NIBP_SYS, 121.0),), 30 * SECOND))
    known = restored(bed.setup, fold(bed.journal)).live.values
    newest = known[Metric.NIBP_SYS, BY_HAND]
    assert newest.reading.value == 121.0
    assert newest.valid_at == newest.reading.measured_at == bed.now - 30 * SECOND
    assert (Metric.NIBP_SYS, BY_HAND) in known.heard
