"""Moving, at the moment itself: a pump is at rest at its second report of it, and what drips from then on is told."""

from dataclasses import replace

import pytest

from core_bed import LOW, Bed, bed_setup, depression_40
from infusion_gateway.core.moving import carried, no_room
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import CaseReceived, InstructionAccepted, InstructionRefused, MoveAsked, StopAsked
from infusion_gateway.model.inputs import CaseArrived, LinkLost, LinkOpened, MoveAnswered
from infusion_gateway.model.instructions import Abort, Assess, Hold, Move
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import Phase, Scheduled, SessionProtocol
from infusion_gateway.model.session import Step as Stage

NOT_AT_REST = "zero flow is not seen: wait until the pump is seen at rest"


def words(done: Step) -> str:
    """Give the words in which an instruction was taken or refused."""
    [answer] = [e.reason for e in done.events if isinstance(e, InstructionAccepted | InstructionRefused)]
    return answer


def line_breaks(bed: Bed) -> None:
    """Lose the pump's line for no time: what was counted on it before is not consecutive with what comes."""
    bed.give(LinkLost("pump", "unplugged"))
    bed.give(LinkOpened("pump"))


def paused(protocol: SessionProtocol | None = None) -> Bed:
    """Give a bed whose pump was paused by hand, and is seen at rest, after two minutes at 52.5 mL/h."""
    bed = Bed(bed_setup(protocol or depression_40()))
    bed.infuse()
    bed.run(120)
    bed.pump.running = False
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    assert bed.state.durable.stop is None
    return bed


def arrived(bed: Bed) -> Bed:
    """Give another bed, whose pump stands at 7 mL, that took this one's case half a second after its last report."""
    there = Bed(bed.setup)
    there.pump.rate, there.pump.counter = 52.5, 7.0
    there.run((bed.now - there.now) / SECOND + 0.5)
    bed.ask(Move("chair-2", "the chair is broken"))
    there.give(CaseArrived("chair-2", carried(bed.state.durable)))
    assert there.events(CaseReceived)
    assert there.phase is Phase.PAUSED
    return there


def test_a_pump_has_room_from_its_second_report_of_rest_on() -> None:
    """Pins that a bed takes a case that is to go on once its pump was seen at rest twice: not once, not thrice."""
    there = Bed()
    full = "the pump of bed chair-1 is not seen at rest"
    assert no_room(there.state, "depression-40", Phase.PAUSED) == full
    there.run(1)
    assert no_room(there.state, "depression-40", Phase.PAUSED) == full
    there.run(1)
    assert no_room(there.state, "depression-40", Phase.PAUSED) == ""
    there.pump.running = True
    there.run(1)
    assert no_room(there.state, "depression-40", Phase.RECOVERY) == full


def test_a_case_leaves_from_the_second_report_of_rest_on() -> None:
    """Pins that after a break of the pump's line one report of rest is none, and two let the case go."""
    bed = paused()
    line_breaks(bed)
    assert words(bed.ask(Move("chair-2"))) == NOT_AT_REST
    bed.run(1)
    assert words(bed.ask(Move("chair-2"))) == NOT_AT_REST
    bed.run(1)
    assert words(bed.ask(Move("chair-2"))).startswith("chair-2 is asked to take it")
    assert len(bed.events(MoveAsked)) == 1


@pytest.mark.parametrize(("reports", "asked"), [(0, True), (1, True), (2, False)])
def test_who_gives_an_armed_case_up_leaves_alone_a_pump_that_was_seen_at_rest_twice(reports: int, asked: bool) -> None:
    """Pins that a pump seen at rest only once, which may have been started since, is asked to stop."""
    bed = Bed()
    bed.arm()
    line_breaks(bed)
    bed.run(reports)
    said = words(bed.ask(Abort("another day")))
    assert bool(bed.stops()) is asked
    assert bool(bed.events(StopAsked)) is asked
    assert (said == "the case is given up; the pump is asked for nothing") is not asked
    bed.run(3)
    assert bed.phase is Phase.ABORTED


def test_a_drip_in_the_very_second_of_an_arrival_is_told() -> None:
    """Pins that the other pump's volume is watched from where it stood when the case came, stopped by us or by hand."""
    by_hand = arrived(paused())
    by_hand.pump.counter += 0.01
    by_hand.run(1)
    assert "Delivering while paused" in by_hand.events(StopAsked)[-1][1].reason
    bed = Bed()
    bed.infuse()
    bed.run(120)
    bed.ask(Hold("the chair is broken"))
    bed.run(5)
    ours = arrived(bed)
    ours.pump.counter += 0.01
    ours.run(1)
    assert ours.alarms["delivering-after-stop"].present


def test_what_was_measured_by_hand_before_the_move_is_not_overdue_after_it() -> None:
    """Pins that the other bed counts from when a pressure was taken at the first, and asks for the next one on time."""
    every = Scheduled(Metric.NIBP_SYS, MINUTE, frozenset({Phase.PAUSED}), (Stage(2 * MINUTE, LOW),))
    bed = paused(replace(depression_40(), schedule=(every,)))
    bed.run(60)
    bed.ask(Assess((), ((Metric.NIBP_SYS, 121.0), (Metric.NIBP_DIA, 71.0)), 0))
    taken_at = bed.now
    there = arrived(bed)
    there.run((taken_at + 2 * MINUTE - there.now) / SECOND - 0.001)
    assert not there.raised("nibp-overdue")
    there.run(0.001)
    assert there.raised("nibp-overdue") == [((taken_at + 2 * MINUTE) / SECOND, LOW)]


def test_nobody_is_named_for_a_stop_of_our_own_when_a_case_leaves() -> None:
    """Pins that a pump which runs when its case is gone is stopped in nobody's name, and for no phase of a case."""
    bed = paused()
    bed.ask(Move("chair-2"))
    bed.pump.running = True
    bed.run(2)
    bed.give(MoveAnswered("case-1", "chair-2", taken=True, why=""))
    [(_, event)] = bed.events(StopAsked)
    assert (event.then, event.codes, event.by) == (Phase.IDLE, (), "")
    assert event.reason == "The pump was started while its case went to chair-2"


def test_an_arrival_alone_is_no_delivery() -> None:
    """Pins that a counter which stands where it stood, at another number than the first pump's, stops nothing."""
    there = arrived(paused())
    there.run(60)
    assert not there.stops()
    assert there.phase is Phase.PAUSED
    there.check()
