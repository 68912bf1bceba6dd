"""Limits of dose within an hour and a day: of an order by itself, and with what the same subject was given before."""

from dataclasses import replace

import pytest

from core_bed import HIGH, HOUR, MEDIUM, TELL, Bed, bed_setup, depression_40
from infusion_gateway.core import windows
from infusion_gateway.core.durable import Case, Durable, Given
from infusion_gateway.core.evolve import evolve
from infusion_gateway.model.case import Mark
from infusion_gateway.model.events import CaseOrdered, GatewayStarted, InstructionAccepted, InstructionRefused
from infusion_gateway.model.instructions import Acknowledge, Close
from infusion_gateway.model.metric import MINUTE
from infusion_gateway.model.session import Order, Phase, WindowLimit

DAY = 24 * HOUR
WINDOWED = replace(depression_40(), window_limits=(WindowLimit(HOUR, 1.0, 60.0), WindowLimit(DAY, 2.0, 100.0)))


def order(mg_h: float, hours: float, weight: float = 70.0) -> Order:
    """Give an order at a steady rate, 1 mg/mL."""
    return Order("p", weight, 1.0, mg_h, mg_h * hours, round(hours * HOUR), mg_h * hours)


@pytest.mark.requirement("S06")
@pytest.mark.parametrize(
    ("ordered", "limits_passed"),
    [
        (order(60, 1), 0),
        (order(60.1, 1), 1),
        (order(60, 1.5), 0),  # 60 in any hour, 90 in the day
        (order(60, 5 / 3), 0),  # 100 in the day
        (order(60, 1.7), 1),  # 102 in the day
        (order(120, 0.5), 0),
        (order(120, 0.51), 1),  # the dose itself, though it lasts less than an hour
        (order(50, 1, weight=50), 0),
        (order(50.1, 1, weight=50), 1),  # 1 mg/kg
        (order(61, 2), 2),
    ],
)
def test_an_order_is_held_to_each_window(ordered: Order, limits_passed: int) -> None:
    """Pins the lesser of both limits, for the worst window that an order has, exactly at it and a step above."""
    assert len(windows.faults(Durable(), WINDOWED, ordered, "s", 0)) == limits_passed


@pytest.mark.parametrize(
    ("subject", "ago", "refused"),
    [("s-1", DAY - 1, True), ("s-1", DAY, False), ("s-2", 0, False), ("", 0, False)],
)
def test_what_was_given_before_counts_for_a_day(subject: str, ago: int, refused: bool) -> None:
    """Pins that earlier doses of the same subject count until exactly a day after their end, and nobody else's do."""
    known = Durable(given=(Given("c-0", "s-1", 60.0, 5 * DAY), Given("c-1", "s-1", 10.0, 5 * DAY)))
    said = windows.faults(known, WINDOWED, order(30, 1.1), subject, 5 * DAY + ago)
    assert bool(said) is refused
    if refused:
        assert said == ["33 mg within 24 h, and 70 mg were given before: the hard limit is 2 mg/kg, at most 100 mg"]


def test_nobody_known_is_not_everybody_unknown() -> None:
    """Pins that doses without a subject code are never put together, and that this is said where limits hang on it."""
    known = Durable(given=(Given("c-0", "", 90.0, 0),))
    assert not windows.faults(known, WINDOWED, order(30, 1), "", 1)
    assert "without a subject" in windows.unknown(WINDOWED, "")
    assert windows.unknown(WINDOWED, "s-1") == windows.unknown(depression_40(), "") == ""


def windowed_bed() -> Bed:
    """Give a bed held to windows, its devices seen."""
    bed = Bed(bed_setup(WINDOWED))
    bed.run(3)
    return bed


def answer(bed: Bed, kind: type[InstructionAccepted] | type[InstructionRefused]) -> str:
    """Give the words of the newest answer, which must be of this kind."""
    event = next(e for _, e in reversed(bed.journal) if isinstance(e, InstructionAccepted | InstructionRefused))
    assert isinstance(event, kind), event
    return event.reason


@pytest.mark.requirement("S06")
def test_a_second_session_within_the_window_is_refused() -> None:
    """Pins the whole way: a session is given and closed, and what the same subject's next order adds is too much."""
    bed = windowed_bed()
    bed.infuse(subject="s-1")
    bed.run(40 * 60 + 130)
    assert bed.phase is Phase.RECOVERY
    bed.ask(Close(reason="well"))
    assert bed.phase is Phase.CLOSED
    (given,) = bed.state.durable.given
    assert given.subject == "s-1"
    assert given.mg == pytest.approx(35.0, rel=0.1)
    bed.order(case="case-2", subject="s-1")
    assert "mg were given before: the hard limit is 1 mg/kg, at most 60 mg" in answer(bed, InstructionRefused)
    assert bed.phase is Phase.CLOSED
    bed.crash()
    bed.run(3)
    bed.order(case="case-2", subject="s-1")
    assert "given before" in answer(bed, InstructionRefused)
    bed.order(case="case-2", subject="s-2")
    assert "not counted" not in answer(bed, InstructionAccepted)
    assert "could be counted" not in answer(bed, InstructionAccepted)
    bed.order(case="case-3", subject="")
    assert "without a subject code" in answer(bed, InstructionAccepted)


@pytest.mark.requirement("S34")
def test_the_protocols_digest_goes_on_record_with_the_case() -> None:
    """Pins that the record says by which bytes of the protocol a case was held."""
    bed = windowed_bed()
    bed.order()
    ((_, ordered),) = bed.events(CaseOrdered)
    assert isinstance(ordered, CaseOrdered)
    assert ordered.protocol_digest == WINDOWED.digest == "0" * 64


def test_another_timeline_makes_no_dose_older() -> None:
    """Pins that after a reboot, whose length nobody knows, doses count as long as before it."""
    before = Durable(at=10 * HOUR, given=(Given("c-0", "s-1", 60.0, 9 * HOUR),))
    after = evolve(before, GatewayStarted("1", same_boot=False, blind_for=None, reason="boot"), MINUTE)
    assert after.at - after.given[0].until == HOUR


def test_the_memory_is_bounded_and_an_amount_that_grew_is_recent() -> None:
    """Pins at most 32 cases, a day's length, and that volume found later moves the end of its delivery."""
    bed = windowed_bed()
    bed.order(subject="s")
    durable = bed.state.durable
    assert durable.case is not None
    durable = replace(durable, case=replace(durable.case, t0=0), account=replace(durable.account, delivered_ml=5.0))
    old = (Given("old", "s", 1.0, 0),)
    full = old + tuple(Given(f"c-{n}", "s", 1.0, DAY) for n in range(windows.MOST_GIVEN))
    kept = windows.remembered(replace(durable, given=full), DAY)
    assert len(kept) == windows.MOST_GIVEN
    assert kept[-1] == Given(durable.case.id, "s", 5.0, DAY)
    again = windows.remembered(replace(durable, given=kept), DAY + HOUR)
    assert again == kept
    more = replace(durable, given=kept, account=replace(durable.account, delivered_ml=6.0))
    assert windows.remembered(more, DAY + HOUR)[-1] == Given(durable.case.id, "s", 6.0, DAY + HOUR)


@pytest.mark.requirement("S34")
def test_a_protocol_changed_under_a_running_case_is_told() -> None:
    """Pins `protocol-changed` after a restart with other bytes: high until somebody has it by name, then medium."""
    bed = Bed(bed_setup(depression_40()))
    bed.infuse()
    bed.crash()
    bed.run(5)
    assert bed.raised("protocol-changed") == []
    bed.setup = bed_setup(replace(bed.protocol, digest="1" * 64))
    bed.crash()
    bed.run(5)
    alarm = bed.alarms["protocol-changed"]
    assert (alarm.priority, alarm.response) == (HIGH, TELL)
    assert bed.phase is Phase.INFUSING
    assert bed.stops() == []
    bed.ask(Acknowledge("protocol-changed"), by="doctor-1")
    bed.run(5)
    bed.crash()
    bed.run(5)
    alarm = bed.alarms["protocol-changed"]
    assert (alarm.priority, alarm.acknowledged_by) == (MEDIUM, "doctor-1")
    assert len(bed.raised("protocol-changed")) == 2
    bed.check()


def test_what_is_given_within_a_window_is_of_this_case_and_of_earlier_ones() -> None:
    """Pins the dose of the last hour: what this case grew by in it, and all of an earlier one that reached into it."""
    marks = (Mark(0, 0.0), Mark(MINUTE, 10.0), Mark(3 * MINUTE, 16.0), Mark(6 * MINUTE, 22.0))
    case = Case("c-2", "s-1", order(52.5, 1), "nurse-1", 0, t0=0, marks=marks)
    durable = Durable(given=(Given("c-1", "s-1", 7.0, 2 * MINUTE), Given("c-2", "s-1", 100.0, 9 * MINUTE)))
    for since, dose in (
        (-1, 0.0),
        (0, 0.0),
        (MINUTE // 2, 5.0),
        (MINUTE, 10.0),
        (2 * MINUTE, 13.0),
        (5 * MINUTE, 16.0),
    ):
        earlier = 7.0 if since < 2 * MINUTE else 0.0
        given = windows.given_within(durable, case, 30.0, HOUR, since + HOUR)
        assert given == pytest.approx(30.0 - dose + earlier), since
    assert windows.given_within(durable, case, 30.0, HOUR, 7 * MINUTE + HOUR) == pytest.approx(8.0)


def test_an_orders_most_is_by_its_concentration() -> None:
    """Pins the worst window of an order at 5 mg/mL, as long as the order and a moment shorter."""
    strong = Order("p", 70.0, 5.0, 12.0, 20.0, 60 * MINUTE, 61.0)
    assert windows.most_within(strong, 30 * MINUTE) == pytest.approx(30.0)
    assert windows.most_within(strong, 60 * MINUTE) == 61.0
    assert windows.most_within(strong, 60 * MINUTE - 1) == pytest.approx(60.0)
    assert windows.most_within(strong, 24 * HOUR) == 61.0
