"""Moving: a case goes from bed to bed while nothing flows; on record there before it is gone here, crash or not."""

from dataclasses import replace

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.moving import ASK_EVERY, carried
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import (
    ArrivalRefused,
    BedQuarantined,
    CaseMoved,
    CaseReceived,
    InstructionAccepted,
    InstructionRefused,
    MoveAsked,
    MoveFailed,
)
from infusion_gateway.model.inputs import CaseArrived, Input, Instructed, JournalChanged, MoveAnswered
from infusion_gateway.model.instructions import Assess, Close, End, Hold, Limits, Move, PermitResume, Score, Stop
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import DeviceSetup, Phase
from infusion_gateway.runtime.moves import carry, no_room


def refusal(done: Step) -> str:
    """Give the reason of a refusal, "" where the instruction was taken."""
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


def taken(done: Step) -> str:
    """Give the words of what was taken, "" where it was refused."""
    return next((event.reason for event in done.events if isinstance(event, InstructionAccepted)), "")


class House:
    """Two beds and a recovery bed without a pump; what the process does between them is its own code."""

    def __init__(self) -> None:
        setup = bed_setup(depression_40())
        quiet = replace(setup, bed="recovery-1", devices=(DeviceSetup("monitor", False, False, None),))
        self.beds = {
            "chair-1": Bed(setup),
            "chair-2": Bed(replace(setup, bed="chair-2")),
            "recovery-1": Bed(quiet),
        }
        self.beds["recovery-1"].pump.mute = True
        self.waiting: list[tuple[str, Input]] = []
        self.told = dict.fromkeys(self.beds, 0)
        self.deciding = frozenset(self.beds)

    def run(self, seconds: float) -> None:
        """Let time pass at every bed."""
        for bed in self.beds.values():
            bed.run(seconds)

    def durable(self) -> None:
        """Put to the other bed what is on record at this one, once."""
        for name, bed in self.beds.items():
            new, self.told[name] = bed.journal[self.told[name] :], len(bed.journal)
            for _, event in new:
                if isinstance(event, MoveAsked | CaseReceived | ArrivalRefused):
                    states = {one: other.state for one, other in self.beds.items()}
                    carry(name, event, states, self.deciding, lambda to, what: self.waiting.append((to, what)))

    def deliver(self) -> None:
        """Give every bed what waits for it."""
        waiting, self.waiting = self.waiting, []
        for name, given in waiting:
            self.beds[name].give(given)

    def settle(self) -> None:
        """Let everything between the beds take its course."""
        for _ in range(4):
            self.durable()
            self.deliver()

    def where(self, case: str = "case-1") -> list[str]:
        """Name the beds that have the case."""
        return [n for n, b in self.beds.items() if b.state.durable.case and b.state.durable.case.id == case]


def recovering(house: House, minutes: int = 5) -> Bed:
    """Give the first bed in recovery after an ended session."""
    bed = house.beds["chair-1"]
    house.run(3)
    bed.infuse()
    bed.run(minutes * 60)
    bed.ask(End("enough"))
    bed.run(15)
    assert bed.phase is Phase.RECOVERY
    house.run(1)
    for other in house.beds.values():
        other.run((bed.now - other.now) / SECOND)
    return bed


def held(house: House) -> Bed:
    """Give the first bed paused by a hold, confirmed for good."""
    bed = house.beds["chair-1"]
    house.run(3)
    bed.infuse()
    bed.run(300)
    bed.ask(Assess(((Score.MOAA_S, 5.0),), ((Metric.NIBP_SYS, 121.0), (Metric.NIBP_DIA, 71.0)), 0))
    bed.ask(Limits("hr-low", 42.0, "athlete"), by="doctor-1")
    bed.ask(Hold("the chair is broken"))
    bed.run(30)
    assert bed.phase is Phase.PAUSED
    for other in house.beds.values():
        other.run((bed.now - other.now) / SECOND)
    return bed


def test_a_case_moves_to_recovery_in_another_chair() -> None:
    """Pins the whole way to a bed without a pump: phase, dose and recovery's beginning go along, the first is free."""
    house = House()
    bed, there = recovering(house), house.beds["recovery-1"]
    before, since = bed.session, bed.state.durable.phase_since
    assert "recovery-1" in taken(bed.ask(Move("recovery-1", "chair needed")))
    assert bed.session.moving_to == "recovery-1"
    house.settle()
    assert house.where() == ["recovery-1"]
    assert (bed.phase, bed.session.case, bed.session.volume_ml) == (Phase.IDLE, None, None)
    assert there.phase is Phase.RECOVERY
    assert there.session.dose_mg == before.dose_mg
    assert there.state.durable.phase_since == since
    assert bed.state.durable.case is None
    house.run(60 * 60)
    assert taken(there.ask(Close("")))
    for one in (bed, there):
        one.check()


def test_the_bed_that_it_left_takes_the_next_patient() -> None:
    """Pins that nothing of the case is left at the first bed, where a new session runs as ever."""
    house = House()
    bed = recovering(house)
    bed.ask(Move("recovery-1"))
    house.settle()
    bed.run(5)
    bed.pump.counter = 0.0
    bed.infuse(case="case-2", subject="subject-2")
    bed.run(60)
    assert bed.session.volume_ml == pytest.approx(52.5 / 60, abs=0.05)
    assert not [a for a in bed.alarms if a.startswith(("delivering", "stop", "infusion"))]
    assert house.where("case-1") == ["recovery-1"]


def test_a_paused_case_goes_on_at_another_pump() -> None:
    """Pins that dose, limits, entries and the need of a release go along, and that the volume is counted on."""
    house = House()
    bed, there = held(house), house.beds["chair-2"]
    given = bed.session.volume_ml
    there.pump.rate, there.pump.counter = 52.5, 7.0
    house.run(2)
    bed.ask(Move("chair-2", "broken"))
    house.settle()
    assert house.where() == ["chair-2"]
    assert there.session.limits[0].code == "hr-low"
    assert {score.score for score in there.state.durable.case.scores} == {Score.MOAA_S}
    assert there.state.durable.stop is not None
    there.run(3)
    assert taken(there.ask(PermitResume("goes on here")))
    there.pump.running = True
    there.run(60)
    assert there.phase is Phase.INFUSING
    assert there.session.volume_ml == pytest.approx(given + 52.5 / 60, abs=0.05)
    assert not there.stops()
    there.check()


def test_restarted_at_the_new_bed_without_a_release_is_told() -> None:
    """Pins that our stop still wants a release after the move: thirty seconds, then the new pump is stopped."""
    house = House()
    bed, there = held(house), house.beds["chair-2"]
    bed.ask(Move("chair-2", "broken"))
    house.settle()
    there.pump.rate, there.pump.running = 52.5, True
    there.run(5)
    assert "restarted-without-release" in there.alarms
    there.run(30)
    assert there.stops()


@pytest.mark.parametrize("phase", ["idle", "infusing", "provisional", "delivering"])
def test_only_a_case_with_confirmed_zero_flow_moves(phase: str) -> None:
    """Pins the refusals: no case, infusing, a stop only provisionally confirmed, a pump that delivers."""
    house = House()
    bed = house.beds["chair-1"]
    house.run(3)
    if phase != "idle":
        bed.pump.resolution = 0.1
        bed.infuse()
        bed.run(60)
    if phase in ("provisional", "delivering"):
        bed.ask(Hold("x"))
        bed.run(3)
        assert bed.state.durable.stop.provisional
    if phase == "delivering":
        bed.run(30)
        bed.pump.running = True
        bed.run(1)
    before = bed.state.durable.case
    assert refusal(bed.ask(Move("chair-2")))
    assert bed.state.durable.case == before
    assert not bed.events(MoveAsked)


def test_it_moves_to_another_bed() -> None:
    """Pins that no bed, this bed, and a bed that doesn't exist are answered in words, and the case stays."""
    house = House()
    bed = recovering(house)
    for to in ("", "  ", "chair-1"):
        assert "another one than this" in refusal(bed.ask(Move(to)))
    assert taken(bed.ask(Move("chair-9")))
    house.settle()
    [(_, event)] = bed.events(MoveFailed)
    assert "there is no bed chair-9" in event.reason
    assert "chair-2, recovery-1" in event.reason
    assert house.where() == ["chair-1"]
    assert bed.session.moving_to is None


@pytest.mark.parametrize(
    ("to", "spoil", "words"),
    [
        ("chair-9", None, "there is no bed chair-9 that could; there are: chair-2, recovery-1: the case stays here"),
        ("chair-2", lambda there: there.infuse(case="case-7"), "bed chair-2 has another case (phase infusing)"),
        ("chair-2", lambda there: setattr(there.pump, "running", True), "the pump of bed chair-2 is not seen at rest"),
        ("chair-2", lambda there: there.give(JournalChanged(False, "full")), "bed chair-2 can't write its record"),
    ],
)
def test_what_is_known_of_the_other_bed_is_answered_at_once(to: str, spoil: object, words: str) -> None:
    """Pins that a move that can't be is refused by the answer itself, in the other bed's words; nothing is asked."""
    house = House()
    bed = recovering(house)
    if spoil is not None:
        spoil(house.beds[to])  # type: ignore[operator]
    house.run(3)
    elsewhere = no_room("chair-1", to, {name: one.state for name, one in house.beds.items()}, house.deciding)
    assert elsewhere.startswith(words)
    done = bed.give(Instructed(Move(to), "nurse-1", "m-1", "case-1", elsewhere=elsewhere))
    assert refusal(done) == elsewhere
    assert not bed.events(MoveAsked)
    assert bed.session.moving_to is None
    bed.check()


def test_of_a_bed_with_room_and_of_a_case_that_may_not_move_nothing_is_said_beforehand() -> None:
    """Pins that a bed with room is asked, in words that say so; and that no other refusal is hidden by this one."""
    house = House()
    states = {name: one.state for name, one in house.beds.items()}
    assert no_room("chair-1", "chair-9", states, house.deciding) == "", "it has no case: it says so itself"
    bed = recovering(house)
    states = {name: one.state for name, one in house.beds.items()}
    assert no_room("chair-1", "chair-1", states, house.deciding) == ""
    assert no_room("chair-1", "recovery-1", states, house.deciding) == ""
    assert "no bed recovery-1 that could" in no_room("chair-1", "recovery-1", states, frozenset({"chair-1"}))
    said = taken(bed.ask(Move("recovery-1")))
    assert said.startswith("recovery-1 is asked to take it; it stays here until it is on record there")


def test_a_bed_that_is_taken_refuses() -> None:
    """Pins that a second case never displaces the first, at the other bed; here nothing is lost."""
    house = House()
    bed, there = recovering(house), house.beds["chair-2"]
    there.infuse(case="case-7")
    bed.ask(Move("chair-2"))
    house.settle()
    assert "has another case" in bed.events(MoveFailed)[0][1].reason
    assert house.where("case-7") == ["chair-2"]
    assert house.where() == ["chair-1"]
    assert bed.phase is Phase.RECOVERY


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda there: setattr(there.pump, "running", True), "not seen at rest"),
        (lambda there: there.give(JournalChanged(False, "disk full")), "can't write its record"),
    ],
)
def test_a_bed_that_is_not_ready_refuses(spoil: object, words: str) -> None:
    """Pins that a pump that delivers there, and a record that can't be written there, are reasons to stay."""
    house = House()
    bed, there = recovering(house), house.beds["chair-2"]
    spoil(there)  # type: ignore[operator]
    there.run(3)
    bed.ask(Move("chair-2"))
    house.settle()
    assert words in bed.events(MoveFailed)[0][1].reason
    assert house.where() == ["chair-1"]


def test_a_paused_case_wants_a_pump_and_its_protocol() -> None:
    """Pins that a bed without a pump takes no case that is to go on, and none takes one without its protocol."""
    house = House()
    bed = held(house)
    bed.ask(Move("recovery-1"))
    house.settle()
    assert "no pump to resume with" in bed.events(MoveFailed)[0][1].reason
    bed.ask(Move("chair-2"))
    coming = carried(bed.state.durable)
    assert coming is not None
    other = replace(coming, case=replace(coming.case, order=replace(coming.case.order, protocol="other")))
    house.beds["chair-2"].give(CaseArrived("chair-1", other))
    assert "no protocol other" in house.beds["chair-2"].events(ArrivalRefused)[0][1].reason


@pytest.mark.parametrize("when", range(6))
def test_a_crash_anywhere_in_between_loses_no_case(when: int) -> None:
    """Pins that with every bed killed after any step of the move the case ends at the other bed, and nowhere twice."""
    house = House()
    bed, there = recovering(house), house.beds["recovery-1"]
    bed.ask(Move("recovery-1"))
    for at in range(6):
        if at == when:
            house.waiting = []
            for one in house.beds.values():
                one.crash()
        assert house.where()
        (house.durable if at % 2 == 0 else house.deliver)()
    house.run(ASK_EVERY / SECOND + 1)
    house.settle()
    house.settle()
    assert house.where() == ["recovery-1"]
    assert there.phase is Phase.RECOVERY
    for one in house.beds.values():
        one.check()


def test_a_case_that_is_told_twice_is_taken_once() -> None:
    """Pins that a repeat changes nothing of what has happened to the case since, and is answered again."""
    house = House()
    bed, there = recovering(house), house.beds["recovery-1"]
    bed.ask(Move("recovery-1"))
    coming = carried(bed.state.durable)
    there.give(CaseArrived("chair-1", coming))
    there.ask(Assess(((Score.PAIN, 2.0),), (), 0))
    case = there.state.durable.case
    done = there.give(CaseArrived("chair-1", coming))
    assert any(isinstance(event, CaseReceived) for event in done.events)
    assert there.state.durable.case == case
    there.check()


def test_nobody_changes_a_case_on_its_way() -> None:
    """Pins that between asking and answer only stopping and quieting are taken; asked anew after it failed."""
    house = House()
    bed = held(house)
    bed.ask(Move("chair-2"))
    for asked in (PermitResume("x"), Assess(((Score.PAIN, 2.0),), (), 0), Move("recovery-1"), Close("x")):
        assert "on its way to chair-2" in refusal(bed.ask(asked))
    assert taken(bed.ask(Stop("x")))
    bed.give(MoveAnswered("case-1", "chair-2", taken=False, why="no room"))
    assert taken(bed.ask(Assess(((Score.PAIN, 2.0),), (), 0)))


def test_an_answer_that_is_not_awaited_changes_nothing() -> None:
    """Pins that a stray answer, of another case or another bed, lets go of nothing."""
    house = House()
    bed = recovering(house)
    bed.give(MoveAnswered("case-1", "recovery-1", taken=True, why=""))
    bed.ask(Move("recovery-1"))
    bed.give(MoveAnswered("case-9", "recovery-1", taken=True, why=""))
    bed.give(MoveAnswered("case-1", "chair-2", taken=True, why=""))
    assert house.where() == ["chair-1"]
    assert not bed.events(CaseMoved)


def test_while_nobody_answers_it_is_asked_again() -> None:
    """Pins the repeat every five seconds, and that the case goes nowhere without an answer."""
    house = House()
    bed = recovering(house)
    house.deciding = frozenset({"chair-1"})
    bed.ask(Move("recovery-1"))
    bed.run(4)
    assert len(bed.events(MoveAsked)) == 1
    bed.run(1)
    assert len(bed.events(MoveAsked)) == 2
    bed.run(MINUTE / SECOND)
    assert len(bed.events(MoveAsked)) == 14
    assert house.where() == ["chair-1"]


def test_a_reboot_in_between_loses_no_case() -> None:
    """Pins that on another timeline, where every time is smaller, the case is asked for again and arrives once."""
    house = House()
    bed, there = recovering(house), house.beds["recovery-1"]
    bed.ask(Move("recovery-1"))
    house.durable()
    house.deliver()
    house.told = {name: len(one.journal) for name, one in house.beds.items()}
    for one in house.beds.values():
        one.now = one.moved = 20 * SECOND
        one.crash(same_boot=False)
    house.run(ASK_EVERY / SECOND + 1)
    house.settle()
    assert house.where() == ["recovery-1"]
    assert len(there.events(CaseReceived)) == 2
    for one in (bed, there):
        one.check()


def test_without_a_record_nothing_moves() -> None:
    """Pins that a move is refused while this bed's record can't be written."""
    house = House()
    bed = recovering(house)
    bed.give(JournalChanged(False, "disk full"))
    assert "not-recorded" in refusal(bed.ask(Move("recovery-1")))


def test_nothing_goes_along_where_nothing_is_to_move() -> None:
    """Pins that a bed without a case, or whose case stays, has nothing to hand on."""
    assert carried(Bed().state.durable) is None
    house = House()
    assert carried(held(house).state.durable) is None


def test_a_bed_in_quarantine_takes_no_case() -> None:
    """Pins the refusal of a bed that can't decide any more, in words."""
    house = House()
    bed, other = held(house), house.beds["chair-2"]
    other.journal.append((other.now, BedQuarantined("KeyError: x")))
    other.crash()
    other.run(2)
    bed.ask(Move("chair-2"))
    house.settle()
    assert house.where() == ["chair-1"]
    assert bed.events(MoveFailed)[-1][1].reason == "it stays here: bed chair-2 is in quarantine"


@pytest.mark.parametrize("ours", [False, True])
def test_a_pump_started_while_its_case_leaves_is_stopped(ours: bool) -> None:
    """Pins that no drug of a case runs on at the bed it has left: stop asked, until it is seen to stand."""
    house = House()
    if ours:
        bed = held(house)
    else:
        bed = house.beds["chair-1"]
        house.run(3)
        bed.infuse()
        bed.run(300)
        bed.pump.running = False
        bed.run(30)
        for other in house.beds.values():
            other.run((bed.now - other.now) / SECOND)
    assert taken(bed.ask(Move("chair-2", "broken")))
    house.durable()
    house.deliver()
    bed.pump.running = True
    bed.run(3)
    house.settle()
    assert house.where() == ["chair-2"]
    assert bed.phase is Phase.IDLE
    bed.run(10)
    assert not bed.pump.running
    assert bed.stops()
    assert bed.state.durable.stop is None
    bed.check()


def test_a_pump_that_stands_when_its_case_leaves_is_left_alone() -> None:
    """Pins that an ordinary move asks no pump for anything."""
    house = House()
    bed = recovering(house)
    before = len(bed.stops())
    bed.ask(Move("chair-2"))
    house.settle()
    bed.run(30)
    assert len(bed.stops()) == before


def test_who_stops_a_case_on_its_way_is_told_where_to_look() -> None:
    """Pins that a stop is taken during a move, and that its answer says that the other bed may have the case."""
    house = House()
    bed = held(house)
    bed.ask(Move("chair-2", "broken"))
    assert "chair-2" in taken(bed.ask(Stop("no more")))
    assert bed.stops()


@pytest.mark.requirement("S30")
@pytest.mark.parametrize("when", range(5))
@pytest.mark.parametrize("crash", [False, True])
def test_a_stop_during_a_move_holds_wherever_the_case_ends_up(when: int, crash: bool) -> None:
    """Pins that a stop asked for at any step of a move ends the case at the other bed, and that none goes on here."""
    house = House()
    bed, there = held(house), house.beds["chair-2"]
    bed.ask(Move("chair-2", "broken"))
    for at in range(4):
        if at == when:
            bed.ask(Stop("no more"))
            if crash:
                house.waiting = []
                for one in house.beds.values():
                    one.crash()
        (house.durable if at % 2 == 0 else house.deliver)()
    if when == 4:  # it has left: who stops it is told so, and stops it there
        assert "no case" in refusal(bed.ask(Stop("no more"), case="case-1"))
        there.ask(Stop("no more"))
    for _ in range(3):
        house.run(ASK_EVERY / SECOND + 1)
        house.settle()
    [name] = house.where()
    ended = house.beds[name]
    assert name == "chair-2" or (crash and when == 0)  # started anew, it has not yet seen its pump at rest
    assert ended.phase in (Phase.STOPPED, Phase.RECOVERY)
    assert ended.state.durable.stop.then is Phase.STOPPED
    assert not taken(ended.ask(PermitResume("goes on here")))
    for one in (bed, there):
        one.check()


def test_a_case_resumed_at_the_other_bed_is_stopped_by_a_stop_asked_here() -> None:
    """Pins that the pump of the other bed is stopped where the case runs there before the stop is known."""
    house = House()
    bed, there = held(house), house.beds["chair-2"]
    bed.ask(Move("chair-2", "broken"))
    house.durable()
    house.deliver()
    bed.ask(Stop("no more"), by="doctor-2")
    there.run(3)
    assert taken(there.ask(PermitResume("goes on here")))
    there.pump.rate, there.pump.running = 52.5, True
    there.run(5)
    assert there.phase is Phase.INFUSING
    house.settle()
    house.settle()
    assert not there.pump.running
    there.run(5)
    assert there.phase in (Phase.STOPPED, Phase.RECOVERY)
    assert there.state.durable.stop.by == "doctor-2"
    assert "asked at chair-1" in there.state.durable.stop.reason
    assert house.where() == ["chair-2"]
    for one in (bed, there):
        one.check()


def test_a_stop_holds_here_where_the_other_bed_refuses() -> None:
    """Pins that a case which nobody takes is stopped where it stays."""
    house = House()
    bed, there = held(house), house.beds["chair-2"]
    there.infuse(case="case-7")
    bed.ask(Move("chair-2", "broken"))
    bed.ask(Stop("no more"))
    house.settle()
    bed.run(10)
    assert house.where() == ["chair-1"]
    assert bed.phase is Phase.RECOVERY
