"""Sources at their edges: the nanosecond in which a value, a hand's number or a cuff's time is over."""

from core_bed import Bed
from infusion_gateway.core.live import Live, Newest, Suppression, Values
from infusion_gateway.core.sources import BY_HAND, choose, contradicted, steady_spo2, suppressed
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Reading, Validity

SOURCES = Bed().state.sources | {Metric.SPO2: ("monitor", "second", BY_HAND)}
RR, SPO2 = Metric.RR, Metric.SPO2
AT: Nanos = 1000 * SECOND


def live(*known: tuple[Metric, str, float | None, Nanos, Nanos | None], cuff: Suppression | None = None) -> Live:
    """Give what is known: metric, device, value, when it was measured, and when its device last gave a valid one."""
    values = Values()
    for metric, device, value, at, valid_at in known:
        validity = Validity.INVALID if value is None else Validity.VALID
        values[metric, device] = Newest(Reading(metric, value, validity, at), at, valid_at, valid_at)
    return Live(values=values, suppressed=cuff)


def test_a_rate_by_hand_counts_for_less_than_a_quarter_of_an_hour() -> None:
    """Pins the last nanosecond in which it counts."""
    known = live((RR, BY_HAND, 14.0, AT, AT))
    until = AT + 15 * MINUTE
    assert choose(SOURCES, known, (RR,), until - 1) is not None
    assert choose(SOURCES, known, (RR,), until) is None


def test_a_hand_counts_until_a_device_gives_a_value_as_late() -> None:
    """Pins that a device's value of the same instant takes the hand's place, one a nanosecond older doesn't."""
    for valid_at, counts in ((AT - 1, True), (AT, False)):
        known = live((RR, BY_HAND, 14.0, AT, AT), (RR, "monitor", None, AT + SECOND, valid_at))
        assert (choose(SOURCES, known, (RR,), AT + 2 * SECOND) is not None) is counts


def test_a_cuff_takes_the_signal_until_its_time_is_over_and_not_in_that_instant() -> None:
    """Pins both that the probe isn't judged, and that the SpO2 of before stands for it, up to the same nanosecond."""
    known = live(cuff=Suppression("monitor", "monitor", AT, 96.0))
    assert suppressed(known, SPO2, "monitor", AT - 1)
    assert not suppressed(known, SPO2, "monitor", AT)
    assert steady_spo2(SOURCES, known, AT - 1) == 96.0
    assert steady_spo2(SOURCES, known, AT) is None


def test_another_device_contradicts_by_more_than_two_good_ones_differ_and_while_its_value_is_young() -> None:
    """Pins SpO2: 4 points apart is nothing, 5 is told, and a value of exactly 5 s says nothing any more."""
    for value, now, words in (
        (93.0, AT, ""),
        (94.0, AT, "; second shows 94, look at both sensors"),
        (94.0, AT + 5 * SECOND - 1, "; second shows 94, look at both sensors"),
        (94.0, AT + 5 * SECOND, ""),
    ):
        known = live((SPO2, "monitor", 89.0, now, now), (SPO2, "second", value, AT, AT))
        assert contradicted(SOURCES, known, (SPO2, "monitor"), 89.0, now) == words
