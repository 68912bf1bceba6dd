"""Evolve: what a recorded fact does to durable state, one at a time; what has nothing to act on changes nothing."""

from dataclasses import replace

import pytest

from core_bed import Bed
from infusion_gateway.core.changes import MOST_KNOWN, MOST_PRESSURES, MOST_STOPS, PRESSURES_APART
from infusion_gateway.core.durable import FLOOD, REMEMBERED_IDS, Case, Durable
from infusion_gateway.core.evolve import evolve, fold
from infusion_gateway.model.alarm import AlarmKind, Priority, Raised, Response
from infusion_gateway.model.events import (
    AlarmEscalated,
    ArrivalRefused,
    Assessed,
    AudioPaused,
    BaselineTaken,
    CaseConfirmed,
    CaseLimitSet,
    CaseMoved,
    CaseOrdered,
    ChangeProposed,
    ConcentrationCorrected,
    ConditionAcknowledged,
    ConditionCleared,
    ConditionRaised,
    DeadManSet,
    EndApproaching,
    Event,
    GateOverridden,
    GatewayStarted,
    HoldOffGranted,
    InfusionStarted,
    InstructionAccepted,
    MoveAsked,
    MoveFailed,
    OrderAmended,
    PatientAway,
    PhaseChanged,
    PrimeAnnounced,
    ResumePermitted,
    Sampled,
    SignalSuppressed,
    StopAsked,
    StopConfirmed,
    SyringeChanged,
)
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Delivery
from infusion_gateway.model.session import Order, Phase

ORDER = Order("p", 70.0, 5.0, 42.0, 10.0, 10 * MINUTE, 35.0)
ORDERED = CaseOrdered("case-1", "subject-1", ORDER, "nurse-1", "x")
AT = 50 * SECOND


def raised(code: str = "spo2-low", since: int = 0, **changes: object) -> ConditionRaised:
    """Give a condition that was raised."""
    event = ConditionRaised(
        code, Priority.HIGH, AlarmKind.PHYSIOLOGICAL, Response.STOP_UNLESS_HELD, True, since, 89.0, 90.0, "%", "words"
    )
    return replace(event, **changes)


def stop(*codes: str, by: str = "", then: Phase = Phase.PAUSED) -> StopAsked:
    """Give a stop that was asked."""
    return StopAsked("pump", then, codes, by, "why", 42.0)


def case_of(durable: Durable) -> Case:
    """Give the case, which is there."""
    assert durable.case is not None
    return durable.case


@pytest.mark.parametrize(
    "event",
    [
        AlarmEscalated("spo2-low", 1, "x"),
        Assessed(((Score.PAIN, 1.0),), ((Metric.NIBP_SYS, 120.0), (Metric.NIBP_DIA, 80.0)), 0, "n", "x"),
        ArrivalRefused("chair-2", "case-1", "x"),
        BaselineTaken(((Metric.SPO2, 97.0),), "x"),
        CaseConfirmed("n", "x"),
        CaseLimitSet("spo2-low", 92.0, "n", "x"),
        ChangeProposed("amend", (("dose_mg", 30.0),), "n", "x"),
        ConcentrationCorrected(ORDER, 1.0, "n", "", "x"),
        ConditionAcknowledged("spo2-low", "n", "x"),
        ConditionCleared("spo2-low", True, "x"),
        EndApproaching(MINUTE, "x"),
        GateOverridden("clock", "n", "x"),
        HoldOffGranted("spo2-low", MINUTE, "n", "x"),
        MoveFailed("case-1", "chair-2", "x"),
        OrderAmended("amend", ORDER, None, "n", "", "x"),
        ResumePermitted("n", "x"),
        SignalSuppressed("monitor", (Metric.SPO2,), 0, "x"),
        StopConfirmed("pump", False, 0, "x"),
        SyringeChanged(10.0, 5.0, 0.0, 0.0, "n", "x"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_has_nothing_to_act_on_changes_nothing(event: Event) -> None:
    """Pins that a journal with a piece missing still folds: nothing but the time of the last event moves."""
    assert evolve(Durable(), event, AT) == replace(Durable(), at=AT)


def test_ids_are_remembered_once_and_not_for_ever() -> None:
    """Pins the bound on the ids of instructions, that none stands twice, and that nobody's has none."""
    durable = fold((AT, InstructionAccepted("hold", f"id-{n}", "n", "x")) for n in range(REMEMBERED_IDS + 1))
    assert durable.instructions == tuple(f"id-{n}" for n in range(1, REMEMBERED_IDS + 1))
    assert evolve(durable, InstructionAccepted("hold", "id-5", "n", "x"), AT).instructions == durable.instructions
    assert evolve(durable, InstructionAccepted("hold", "", "n", "x"), AT).instructions == durable.instructions


def test_a_disarmed_dead_man_is_that_of_the_case() -> None:
    """Pins that who took the dead man off is noted in the case, and by no other instruction."""
    durable = fold([(0, ORDERED), (AT, InstructionAccepted("hold", "a", "nurse-2", "x"))])
    assert case_of(durable).dead_man_off_by == ""
    durable = evolve(durable, InstructionAccepted("disarm", "b", "nurse-2", "x"), AT)
    assert case_of(durable).dead_man_off_by == "nurse-2"
    assert durable.person_at == AT
    assert evolve(Durable(), InstructionAccepted("disarm", "b", "n", "x"), AT).case is None


def test_purges_add_up_as_far_as_they_lasted() -> None:
    """Pins that a purge counts from when it is announced, once where it is announced anew, less where it ends early."""
    durable = fold([(0, ORDERED), (AT, PrimeAnnounced(AT + 60 * SECOND, "n", "x"))])
    assert case_of(durable).purged == 60 * SECOND
    longer = evolve(durable, PrimeAnnounced(AT + 90 * SECOND, "n", "x"), AT + 10 * SECOND)
    assert case_of(longer).purged == 90 * SECOND
    ended = evolve(durable, PrimeAnnounced(AT + 20 * SECOND, "", "over"), AT + 20 * SECOND)
    assert case_of(ended).purged == 20 * SECOND
    again = evolve(ended, PrimeAnnounced(AT + 45 * SECOND, "n", "x"), AT + 40 * SECOND)
    assert case_of(again).purged == 25 * SECOND
    assert again.prime_until == AT + 45 * SECOND


@pytest.mark.parametrize(
    ("before", "event", "ours"),
    [
        (False, DeadManSet("pump", 20, found=False, reason="x"), True),
        (False, DeadManSet("pump", 20, found=True, reason="x"), False),
        (True, DeadManSet("pump", 20, found=True, reason="x"), True),
        (True, DeadManSet("pump", 0, found=False, reason="x"), False),
        (True, DeadManSet("pump", 0, found=True, reason="x"), False),
    ],
)
def test_whose_the_dead_man_is(before: bool, event: DeadManSet, ours: bool) -> None:
    """Pins that one that was found isn't ours, that ours stays ours, and that none is nobody's."""
    durable = evolve(Durable(dead_man_ours=before), event, AT)
    assert (durable.dead_man_s, durable.dead_man_ours, durable.at) == (event.seconds, ours, AT)


def test_a_rise_begins_a_new_alarm() -> None:
    """Pins what the same alarm keeps (acknowledgement, hold-off, escalation), and what a rise, or a return, does."""
    known = Raised(
        "spo2-low",
        Priority.MEDIUM,
        AlarmKind.PHYSIOLOGICAL,
        Response.TELL,
        False,
        0,
        92.0,
        94.0,
        "%",
        "old words",
        acknowledged_by="nurse-1",
        held_until=9,
        acknowledged_at=5,
        escalation=2,
        acknowledged_value=92.0,
    )
    before = Durable(conditions={"spo2-low": known}, audio_paused_until=99)
    new = replace(
        known,
        priority=Priority.HIGH,
        response=Response.STOP_UNLESS_HELD,
        latching=True,
        value=89.0,
        limit=90.0,
        text="words",
        countdown_ends=77,
    )
    same = evolve(before, raised(since=0, countdown_ends=77), AT)
    assert same == replace(before, at=AT, conditions={"spo2-low": new})
    nobodys = {"acknowledged_by": None, "acknowledged_at": None, "acknowledged_value": None, "escalation": 0}
    risen = evolve(before, raised(since=7, countdown_ends=77), AT)
    fresh = replace(new, since=7, **nobodys)
    assert risen == replace(before, at=AT, conditions={"spo2-low": fresh}, audio_paused_until=None, raised_at=(AT,))
    unknown = replace(known, present=False, **nobodys)
    back = evolve(replace(before, conditions={"spo2-low": unknown}), raised(since=0, countdown_ends=77), AT)
    anew = replace(new, held_until=None, **nobodys)
    assert back == replace(before, at=AT, conditions={"spo2-low": anew}, audio_paused_until=None, raised_at=(AT,))


def test_an_acknowledged_alarm_that_comes_back_may_be_the_same() -> None:
    """Pins that one that cleared after it was acknowledged is kept apart, and is taken up with what was known of it."""
    durable = fold([(0, raised()), (AT, ConditionAcknowledged("spo2-low", "n", "x"))])
    known = durable.conditions["spo2-low"]
    assert known.acknowledged_value == 89.0
    held = evolve(durable, HoldOffGranted("spo2-low", 70, "n", "x"), AT)
    over = evolve(held, ConditionCleared("spo2-low", False, "x"), AT)
    assert (over.conditions, over.quieted) == ({}, {"spo2-low": replace(known, present=False)})
    back = evolve(over, raised(since=0), AT)
    assert (back.conditions, back.quieted) == ({"spo2-low": known}, {})
    assert back.raised_at == durable.raised_at
    other = evolve(over, raised(since=3), AT)
    assert other.conditions["spo2-low"].acknowledged_by is None
    assert other.raised_at == (*durable.raised_at, AT)


def test_new_alarms_are_counted_as_far_as_a_flood() -> None:
    """Pins that as many moments are kept as make a flood, the latest."""
    durable = fold((n, raised(f"c-{n}", since=n)) for n in range(FLOOD + 3))
    assert durable.raised_at == tuple(range(3, FLOOD + 3))


def test_what_clears_is_gone_unless_it_is_latched() -> None:
    """Pins clearing, latching and acknowledging: present and latched, each way."""
    durable = fold([(0, raised(countdown_ends=9)), (AT, ConditionAcknowledged("spo2-low", "n", "x"))])
    known = durable.conditions["spo2-low"]
    assert (known.acknowledged_by, known.acknowledged_at, known.countdown_ends) == ("n", AT, 9)
    latched = evolve(durable, ConditionCleared("spo2-low", True, "x"), AT)
    assert latched.conditions == {"spo2-low": replace(known, present=False, countdown_ends=None)}
    assert evolve(latched, ConditionAcknowledged("spo2-low", "n", "x"), AT).conditions == {}
    held = evolve(durable, HoldOffGranted("spo2-low", 70, "n", "x"), AT).conditions["spo2-low"]
    assert held == replace(known, held_until=70)
    told = evolve(durable, AlarmEscalated("spo2-low", 2, "x"), AT).conditions["spo2-low"]
    assert told == replace(known, escalation=2)
    assert evolve(durable, AudioPaused(88, "n", "x"), AT) == replace(durable, at=AT, audio_paused_until=88)


def test_the_test_alarm_is_heard_when_it_is_acknowledged() -> None:
    """Pins that only the test alarm's acknowledgement says that somebody hears alarms here."""
    before = Durable(test_alarm_until=99)
    heard = evolve(before, ConditionAcknowledged("test-alarm", "n", "x"), AT)
    assert (heard.test_alarm_until, heard.alarm_heard_at) == (None, AT)
    assert evolve(before, ConditionAcknowledged("spo2-low", "n", "x"), AT) == replace(before, at=AT)


def test_a_stop_that_is_asked_again_is_as_old_as_the_first() -> None:
    """Pins since when a stop is wanted: of the first, until it was confirmed; a further one then begins anew."""
    durable = fold([(1, stop("a")), (5, stop("b", then=Phase.STOPPED))])
    assert durable.stop is not None
    assert (durable.stop.asked_at, durable.stop.codes, durable.stop.then) == (1, ("b",), Phase.STOPPED)
    confirmed = evolve(durable, StopConfirmed("pump", True, 4, "x"), 9)
    assert confirmed.stop == replace(durable.stop, confirmed_at=9, provisional=True)
    again = evolve(replace(confirmed, phase=Phase.PAUSED), StopConfirmed("pump", False, 6, "x"), 12)
    assert again.stop == replace(durable.stop, confirmed_at=9, provisional=False)
    anew = evolve(again, stop("c"), 20)
    assert anew.stop is not None
    assert anew.stop.asked_at == 20
    closed = replace(confirmed, phase=Phase.CLOSED)
    assert evolve(closed, StopConfirmed("pump", True, 6, "x"), 12).stop is not None
    assert evolve(closed, StopConfirmed("pump", False, 6, "x"), 12).stop is None


def test_stops_of_ours_are_remembered_and_a_persons_are_not() -> None:
    """Pins what locks a release: the latest stops for a condition, none that a person asked for, none for no cause."""
    durable = fold([(0, ORDERED), (1, stop("a")), (2, stop("b", by="nurse-1")), (3, stop())])
    assert [(one.at, one.codes) for one in case_of(durable).our_stops] == [(1, ("a",))]
    many = fold([(0, ORDERED), *((n, stop(f"c-{n}")) for n in range(MOST_STOPS + 2))])
    assert [one.at for one in case_of(many).our_stops] == list(range(2, MOST_STOPS + 2))


def test_a_release_before_and_after_the_restart() -> None:
    """Pins that a release of a paused case waits for the start, and that one of a running case ends the matter."""
    asked = fold([(0, ORDERED), (1, stop("a")), (2, StopConfirmed("pump", True, 1, "x"))])
    assert asked.stop is not None
    paused = replace(asked, phase=Phase.PAUSED, account=replace(asked.account, delivered_ml=3.0, expected_ml=2.0))
    released = evolve(paused, ResumePermitted("n", "x"), AT)
    assert released.stop == replace(asked.stop, released=True)
    assert released.account.expected_ml == 3.0
    running = replace(paused, phase=Phase.INFUSING, unreleased_since=7)
    left = evolve(running, ResumePermitted("n", "x"), AT)
    assert (left.stop, left.unreleased_since) == (None, None)


def test_resuming_moves_the_end_by_the_pause() -> None:
    """Pins the end after a pause, and whether the restart is one without a release."""
    case = replace(case_of(fold([(0, ORDERED)])), t0=0, ends_at=600)
    paused = Durable(phase=Phase.PAUSED, phase_since=100, case=case)
    on = evolve(paused, PhaseChanged(Phase.INFUSING, Phase.PAUSED, "x"), 130)
    assert case_of(on).ends_at == 630
    assert (on.unreleased_since, on.phase_since) == (None, 130)
    ours = evolve(paused, stop("a"), 101)
    assert evolve(ours, PhaseChanged(Phase.INFUSING, Phase.PAUSED, "x"), 130).unreleased_since == 130
    released = evolve(ours, ResumePermitted("n", "x"), 102)
    on = evolve(released, PhaseChanged(Phase.INFUSING, Phase.PAUSED, "x"), 130)
    assert (on.stop, on.unreleased_since) == (None, None)
    empty = evolve(Durable(phase=Phase.PAUSED), PhaseChanged(Phase.INFUSING, Phase.PAUSED, "x"), 130)
    assert empty == replace(Durable(), phase=Phase.INFUSING, at=130, phase_since=130)


def test_what_is_entered_last_of_each_is_kept() -> None:
    """Pins that scores and vital signs by hand are kept one of each kind, the latest, in order of their first entry."""
    durable = fold(
        [
            (0, ORDERED),
            (1, Assessed(((Score.PAIN, 3.0), (Score.NAUSEA, 1.0)), ((Metric.HR, 70.0),), 1, "n", "x")),
            (2, Assessed(((Score.PAIN, 4.0),), ((Metric.HR, 72.0), (Metric.SPO2, 96.0)), 2, "n", "x")),
        ]
    )
    case = case_of(durable)
    assert [(k.score, k.value, k.measured_at) for k in case.scores] == [(Score.PAIN, 4.0, 2), (Score.NAUSEA, 1.0, 1)]
    assert [(k.metric, k.value, k.measured_at) for k in case.by_hand] == [(Metric.HR, 72.0, 2), (Metric.SPO2, 96.0, 2)]


@pytest.mark.parametrize(
    ("before", "now", "until", "since"),
    [
        (None, AT, AT + MINUTE, AT),
        (AT + 1, AT, AT + MINUTE, 7),  # away since 7, and still
        (AT, AT, AT + MINUTE, AT),  # the time before is over
        (AT + 1, AT, AT, None),  # back
    ],
)
def test_away_since_the_first_word_of_it(before: int | None, now: int, until: int, since: int | None) -> None:
    """Pins since when a patient is away where the time is given anew: what bounds it."""
    durable = evolve(Durable(away_until=before, away_since=7), PatientAway(until, "n", "x"), now)
    assert durable.away_since == since
    assert durable.away_until == (until if since is not None else None)


def test_one_limit_of_a_kind_and_a_bound_on_passed_gates() -> None:
    """Pins that a limit set again replaces the one before, others stay, and gates passed have a bound."""
    durable = fold(
        [
            (0, ORDERED),
            (1, CaseLimitSet("hr-low", 45.0, "n", "x")),
            (2, CaseLimitSet("spo2-low", 92.0, "n", "y")),
            (3, CaseLimitSet("hr-low", 42.0, "m", "z")),
            *((4, GateOverridden(f"g-{n}", "n", "x")) for n in range(MOST_KNOWN + 1)),
        ]
    )
    case = case_of(durable)
    assert [(k.code, k.limit, k.by, k.reason) for k in case.limits] == [
        ("spo2-low", 92.0, "n", "y"),
        ("hr-low", 42.0, "m", "z"),
    ]
    assert len(case.overridden) == MOST_KNOWN
    assert case.overridden[-1] == (f"g-{MOST_KNOWN}", "n")


def test_warnings_of_the_end_that_are_still_true_stay_given() -> None:
    """Pins that after an amendment those warnings are given again whose time comes again."""
    case = replace(case_of(fold([(0, ORDERED)])), t0=0, ends_at=600, warned=(300, 60))
    durable = Durable(case=case)
    for ends_at, warned in ((850, (300,)), (851, ()), (610, (300, 60)), (611, (300,)), (None, ())):
        event = OrderAmended("amend", ORDER, ends_at, "n", "", "x")
        assert case_of(evolve(durable, event, 550)).warned == warned, ends_at


def test_pressures_are_thinned_so_that_they_reach_back() -> None:
    """Pins which of many pressures stay: one old enough before the last, never one older than the newest known."""
    apart = PRESSURES_APART

    def taken(*times: int) -> list[int]:
        entered = ((Metric.NIBP_SYS, 120.0), (Metric.NIBP_DIA, 80.0))
        durable = fold([(0, ORDERED), *((at, Assessed((), entered, at, "n", "x")) for at in times)])
        return [one.measured_at for one in case_of(durable).pressures]

    assert taken(1, 2) == [1, 2]
    assert taken(1, 2, 3) == [1, 3]
    assert taken(1, 2, apart) == [1, apart]
    assert taken(1, 2, apart + 1) == [1, 2, apart + 1]
    assert taken(5, 5, 4) == [5]
    assert len(taken(*range(0, apart * (MOST_PRESSURES + 4), apart))) == MOST_PRESSURES


def test_half_a_pressure_is_none() -> None:
    """Pins that a systolic without its diastolic, or the other way round, is not kept as a pressure."""
    for entered in (((Metric.NIBP_SYS, 120.0),), ((Metric.NIBP_DIA, 80.0),)):
        durable = fold([(0, ORDERED), (1, Assessed((), entered, 1, "n", "x"))])
        assert case_of(durable).pressures == ()


def test_a_case_that_moved_leaves_the_bed_to_the_next() -> None:
    """Pins what stays at a bed whose case went elsewhere: the counter's epoch, and whom to compare with."""
    durable = fold([(0, ORDERED), (1, CaseConfirmed("n", "x")), (2, MoveAsked("case-1", "chair-2", "n", "x"))])
    assert (durable.moving_to, durable.moving_since) == ("chair-2", 2)
    assert evolve(durable, MoveFailed("case-1", "chair-2", "x"), 3).moving_to == ""
    durable = replace(durable, account=replace(durable.account, delivered_ml=2.0, epoch=3), unreleased_since=1)
    left = evolve(evolve(durable, stop("a"), 3), CaseMoved("case-1", "chair-2", "x"), 4)
    assert (left.case, left.stop, left.unreleased_since, left.moving_to) == (None, None, None, "")
    assert (left.account.epoch, left.account.delivered_ml) == (3, 0.0)
    assert (left.left_at, left.left_subject) == (4, "subject-1")
    assert [(k.subject, k.weight_kg, k.dose_mg, k.peak_systolic) for k in left.known] == [
        ("subject-1", 70.0, 10.0, None)
    ]


def test_another_timeline_moves_every_time_by_the_same() -> None:
    """Pins that after a reboot lengths up to the last event are as they were, and what is void is void."""
    bed = Bed()
    bed.infuse()
    bed.run(30)
    before = replace(
        bed.state.durable,
        conditions={
            "spo2-low": replace(
                fold([(0, raised())]).conditions["spo2-low"],
                since=10,
                countdown_ends=20,
                held_until=30,
                acknowledged_at=40,
            )
        },
        person_at=50,
        prime_until=60,
        away_until=70,
        audio_paused_until=80,
        left_at=90,
        moving_since=95,
        unreleased_since=99,
    )
    before = evolve(before, stop("a"), before.at)
    before = replace(evolve(before, StopConfirmed("pump", True, 0, "x"), before.at), unreleased_since=99)
    by = 7 * SECOND
    after = evolve(before, GatewayStarted("1", False, None, "x"), before.at + by)
    was, case = case_of(before), case_of(after)
    assert (case.t0, case.ends_at, case.ordered_at) == (was.t0 + by, was.ends_at + by, was.ordered_at + by)
    assert (case.baseline, case.by_hand) == ((), ())
    known = after.conditions["spo2-low"]
    assert (known.since, known.countdown_ends, known.held_until, known.acknowledged_at) == (
        10 + by,
        20 + by,
        30 + by,
        40 + by,
    )
    assert after.stop is not None
    assert (after.stop.asked_at, after.stop.confirmed_at) == (before.at + by, before.at + by)
    assert after.phase_since == before.phase_since + by
    assert (after.person_at, after.left_at, after.moving_since, after.unreleased_since) == (
        50 + by,
        90 + by,
        95 + by,
        99 + by,
    )
    assert (after.prime_until, after.away_until, after.audio_paused_until, after.sampled_at) == (None,) * 4
    assert after.account == replace(before.account, seen_at=None)
    assert evolve(before, GatewayStarted("1", True, 0, "x"), AT) == replace(before, at=AT)


def test_what_a_case_remembers_moves_with_the_timeline() -> None:
    """Pins that after a reboot stops, pressures, dose marks, scores and since when values count are as long ago.

    What a second person was to confirm is void, and so is what people measured by hand.
    """
    entered = (((Score.PAIN, 3.0),), ((Metric.NIBP_SYS, 120.0), (Metric.NIBP_DIA, 80.0)))
    before = fold(
        [
            (1, ORDERED),
            (2, InstructionAccepted("confirm", "a", "nurse-2", "x")),
            (3, InfusionStarted(3, 900, 0.0, "x")),
            (4, Assessed(*entered, 4, "n", "x")),
            (5, stop("spo2-low")),
            (6, ChangeProposed("amend", (("dose_mg", 30.0),), "n", "x")),
            (7, Sampled((), Delivery.INFUSING, 1.0, 0, 5.0, 1.0, 1.0, 0)),
        ]
    )
    by = 40
    was, case = case_of(before), case_of(evolve(before, GatewayStarted("1", False, None, "x"), 7 + by))
    assert was.proposed is not None
    assert (case.proposed, case.by_hand) == (None, ())
    assert [(one.at, one.codes) for one in case.our_stops] == [(5 + by, ("spo2-low",))]
    assert [(one.measured_at, one.systolic) for one in case.pressures] == [(4 + by, 120.0)]
    assert [(one.at, one.mg) for one in case.marks] == [(7 + by, 5.0)]
    assert [(one.score, one.measured_at) for one in case.scores] == [(Score.PAIN, 4 + by)]
    assert (was.heard_at, case.heard_at) == (2, 2 + by)
    assert case.values_from == was.values_from + by
    unheard = fold([(1, ORDERED), (2, GatewayStarted("1", False, None, "x"))])
    assert case_of(unheard).heard_at is None


def test_who_is_away_is_back_when_the_pump_runs() -> None:
    """Pins that a time off the monitors ends with the infusion's going on, and with no other change of phase."""
    away = Durable(phase=Phase.PAUSED, away_until=99)
    assert evolve(away, PhaseChanged(Phase.INFUSING, Phase.PAUSED, "x"), 5).away_until is None
    assert evolve(away, PhaseChanged(Phase.RECOVERY, Phase.PAUSED, "x"), 5).away_until == 99


def test_no_acknowledged_alarm_of_before_is_kept_for_the_next() -> None:
    """Pins that a bed whose case has gone, or never had one, takes up no alarm that somebody had then."""
    durable = fold([(0, raised()), (1, ConditionAcknowledged("spo2-low", "n", "x"))])
    quieted = evolve(durable, ConditionCleared("spo2-low", False, "x"), 2)
    assert quieted.quieted
    for before in (quieted, evolve(quieted, ORDERED, 3)):
        assert not evolve(before, CaseMoved("case-1", "chair-2", "x"), 4).quieted
