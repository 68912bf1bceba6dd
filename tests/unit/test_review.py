"""Looking back: cases, what a person had asked, what the pump is taken to do, and courses side by side. All pure."""

from dataclasses import replace

import pytest

from core_bed import Bed
from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.events import (
    Assessed,
    AudioPaused,
    CaseLimitSet,
    CaseMoved,
    CaseOrdered,
    ChangeProposed,
    ConcentrationCorrected,
    ConditionAcknowledged,
    ConditionRaised,
    DeliveryChanged,
    HoldOffGranted,
    InstructionAccepted,
    MoveAsked,
    OrderAmended,
    PatientAway,
    PhaseChanged,
    PrimeAnnounced,
    ResumePermitted,
    Sampled,
    SampledValue,
    StopAsked,
    SyringeChanged,
)
from infusion_gateway.model.inputs import Instructed
from infusion_gateway.model.instructions import (
    Abort,
    Acknowledge,
    Amend,
    Assess,
    Away,
    Close,
    Correct,
    Disarm,
    End,
    Extend,
    Hold,
    HoldOff,
    Limits,
    Move,
    PauseAudio,
    PermitResume,
    Prime,
    Score,
    Stop,
    Syringe,
    TestAlarm,
)
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Delivery, Validity
from infusion_gateway.model.session import Order, Phase
from infusion_gateway.review.asked import SoFar, instruction_of
from infusion_gateway.review.cases import order_of, setup_of, spans
from infusion_gateway.review.compare import pair
from infusion_gateway.review.counting import counter_step, found_risen
from infusion_gateway.review.evidence import Given, evidence
from infusion_gateway.review.words import clock, line, plain
from infusion_gateway.wire.records import Unreadable
from reviewing import apart, bed_rows, courses_of, rows_named, rows_of, with_rows

ORDER = Order("depression-40", 70.0, 1.0, 52.5, 50.0, 40 * MINUTE, 35.0)
SLOWER = replace(ORDER, rate_ml_h=40.0, dose_mg=30.0)
LONGER = replace(ORDER, duration=50 * MINUTE, dose_mg=43.75)
NOW = 100 * SECOND


def ordered(case: str) -> CaseOrdered:
    return CaseOrdered(case, "subject-1", ORDER, "nurse-1", "the first entry")


def phase(to: Phase, before: Phase = Phase.RECOVERY) -> PhaseChanged:
    return PhaseChanged(to, before, "so it is")


def test_a_case_goes_from_its_order_until_it_is_closed_given_up_for_another_or_moved() -> None:
    """Pins where a case begins and ends, and that a case takes along what stood since the one before ended."""
    events = [
        DeliveryChanged("pump", Delivery.STOPPED, "seen"),
        ordered("one"),
        phase(Phase.CLOSED),
        DeliveryChanged("pump", Delivery.INFUSING, "seen"),
        ordered("two"),
        phase(Phase.ABORTED),
        DeliveryChanged("pump", Delivery.STOPPED, "seen"),
        ordered("three"),
        CaseMoved("three", "chair-2", "there"),
        ordered("four"),
    ]
    found = spans(rows_of((NOW, event) for event in events))
    assert [(span.case, span.after, span.ordered, span.last) for span in found] == [
        ("one", 0, 2, 3),
        ("two", 3, 5, 7),
        ("three", 6, 8, 9),
        ("four", 9, 10, None),
    ]


def test_beds_are_kept_apart() -> None:
    """Pins that one bed's closing ends no other bed's case."""
    rows = rows_of([(NOW, ordered("here")), (NOW, phase(Phase.CLOSED))])
    rows[1] = replace(rows[1], bed="chair-2")
    assert [(span.case, span.last) for span in spans(rows)] == [("here", None)]


def test_only_an_order_or_an_arrival_brings_a_case() -> None:
    """Pins that a row that orders nothing is refused, and an order is given as it is."""
    rows = rows_of([(NOW, ordered("here")), (NOW, phase(Phase.CLOSED))])
    assert order_of(rows[0]) is rows[0].event
    with pytest.raises(ValueError, match="row 2 orders nothing"):
        order_of(rows[1])


def test_a_bed_is_told_from_its_record() -> None:
    """Pins which device is the pump, which are monitors, that a person is none, and what can't be stopped."""
    sampled = Sampled(
        (
            SampledValue("oximeter", Metric.SPO2, 97.0, Validity.VALID, 0),
            SampledValue("syringe-pump", Metric.VOLUME, 1.0, Validity.VALID, 0),
            SampledValue("by-hand", Metric.NIBP_SYS, 120.0, Validity.VALID, 0),
        ),
        Delivery.INFUSING,
        1.0,
        0,
        0.0,
    )
    setup = setup_of("chair-1", rows_of([(NOW, sampled)]))
    assert [(d.device, d.is_pump, d.stoppable) for d in setup.devices] == [
        ("oximeter", False, False),
        ("syringe-pump", True, True),
    ]
    technical = (Priority.HIGH, AlarmKind.TECHNICAL, Response.TELL, False, NOW, None, None, "", "by hand")
    by_hand = ConditionRaised("stop-by-hand", *technical)
    assert [d.stoppable for d in setup_of("chair-1", rows_of([(NOW, sampled), (NOW, by_hand)])).devices] == [False] * 2


EFFECTS = [
    ("prime", PrimeAnnounced(NOW + MINUTE, "a", "x"), Prime(MINUTE)),
    ("pause-audio", AudioPaused(NOW + MINUTE, "a", "x"), PauseAudio(MINUTE)),
    ("away", PatientAway(NOW + MINUTE, "a", "x"), Away(MINUTE)),
    ("away", PatientAway(NOW, "a", "back"), Away(0)),
    ("hold", StopAsked("pump", Phase.PAUSED, (), "a", "tired (a)"), Hold("tired")),
    ("stop", StopAsked("pump", Phase.STOPPED, (), "a", "enough (a)"), Stop("enough")),
    ("end", StopAsked("pump", Phase.COMPLETED, (), "a", "done (a)"), End("done")),
    ("abort", PhaseChanged(Phase.ABORTED, Phase.ORDERED, "gone home (a)"), Abort("gone home")),
    ("permit-resume", ResumePermitted("a", "fine"), PermitResume("fine")),
    ("hold-off", HoldOffGranted("spo2-low", NOW, "a", "look"), HoldOff("spo2-low", "look")),
    ("acknowledge", ConditionAcknowledged("spo2-low", "a", "x"), Acknowledge("spo2-low")),
    (
        "assess",
        Assessed(((Score.PAIN, 3.0),), ((Metric.HR, 60.0),), NOW - MINUTE, "a", "x"),
        Assess(((Score.PAIN, 3.0),), ((Metric.HR, 60.0),), MINUTE),
    ),
    ("syringe", SyringeChanged(20.0, 1.0, 5.0, 5.0, "a", "empty"), Syringe(20.0, 1.0, "empty")),
    ("limits", CaseLimitSet("hr-low", 44.0, "a", "athlete"), Limits("hr-low", 44.0, "athlete")),
    ("move", MoveAsked("case-1", "chair-2", "a", "to rest"), Move("chair-2", "to rest")),
    ("close", phase(Phase.CLOSED), Close("so it is")),
    ("extend", ChangeProposed("extend", (("more_s", 600.0),), "a", "slow"), Extend(10 * MINUTE, "slow")),
    ("extend", OrderAmended("extend", LONGER, None, "a", "", "slow"), Extend(10 * MINUTE, "slow")),
    ("amend", OrderAmended("amend", SLOWER, None, "a", "", "dizzy"), Amend("dizzy", 40.0, 0.0)),
    (
        "amend",
        OrderAmended("amend", replace(ORDER, dose_mg=20.0, duration=20 * MINUTE), None, "a", "", "less"),
        Amend("less", 0.0, 20.0),
    ),
    (
        "amend",
        ChangeProposed("amend", (("rate_ml_h", 60.0), ("dose_mg", 0.0)), "a", "up"),
        Amend("up", 60.0, 0.0),
    ),
    (
        "correct",
        ConcentrationCorrected(replace(ORDER, concentration_mg_ml=5.0), 9.0, "a", "", "label"),
        Correct("concentration-was-wrong", 5.0, "label"),
    ),
    ("disarm", None, Disarm("accepted")),
    ("test-alarm", None, TestAlarm()),
    ("order", ordered("case-1"), None),
    ("amend", None, None),
]


@pytest.mark.parametrize(("name", "effect", "asked"), EFFECTS, ids=[f"{e[0]}-{n}" for n, e in enumerate(EFFECTS)])
def test_what_was_asked_is_told_from_its_effect(name: str, effect: object, asked: object) -> None:
    """Pins, for each instruction, that it is put together again from what came of it, or not at all."""
    accepted = InstructionAccepted(name, "id-1", "a", "accepted")
    effects = () if effect is None else (effect,)
    assert instruction_of(accepted, effects, NOW, SoFar(ORDER)) == asked  # type: ignore[arg-type]


def test_the_second_of_two_people_asks_for_what_the_first_entered() -> None:
    """Pins that a seconded change is the proposal again, not what the order looks like since."""
    proposed = ChangeProposed("extend", (("more_s", 600.0),), "a", "slow")
    amended = OrderAmended("extend", replace(LONGER, duration=51 * MINUTE), None, "a", "b", "slow")
    accepted = InstructionAccepted("extend", "id-2", "b", "both agree")
    assert instruction_of(accepted, (amended,), NOW, SoFar(ORDER, proposed)) == Extend(10 * MINUTE, "slow")


def session() -> Bed:
    """Play a session with people, a desaturation that counts down, and a crash."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.monitor.values[Metric.SPO2] = 88
    bed.run(20)
    bed.ask(HoldOff("spo2-low", "the probe sits badly"))
    bed.run(10)
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(40)
    bed.ask(Assess(((Score.NAUSEA, 2.0),), (), 0))
    bed.crash()
    bed.run(30)
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(30)
    return bed


def test_the_same_protocol_comes_to_the_same_within_a_second() -> None:
    """Pins the replay itself: conditions, countdowns, stops and phases of a session again, over a crash."""
    bed = session()
    courses = courses_of(bed_rows(bed), again=bed.protocol)
    assert not apart(courses), [row.what for row in apart(courses)]
    assert {h.what for h in courses["again"].happenings} >= {
        "T0",
        "spo2-low counts down to a stop",
        "spo2-low held off",
        "stop asked: spo2-low",
        "stop confirmed",
        "phase paused",
    }
    assert courses["again"].parted_at is None
    assert courses["again"].refusal == ""


def test_people_are_put_through_again_as_they_asked() -> None:
    """Pins that what people asked after the arming is given to `step` in order, and order and confirmation are not."""
    rows = bed_rows(session())
    found = evidence(rows, setup_of("chair-1", rows))
    asked = [i.what.input for i in found.items if isinstance(i.what, Given) and isinstance(i.what.input, Instructed)]
    assert [type(one.instruction) for one in asked] == [HoldOff, Assess]
    assert asked[0].instruction == HoldOff("spo2-low", "the probe sits badly")
    assert found.seed.phase is Phase.ORDERED


def test_under_a_limit_that_stops_earlier_the_pump_is_taken_to_obey() -> None:
    """Pins the other course where it stops and the record doesn't: asked, confirmed, paused, and said to be assumed."""
    bed = session()
    strict = with_rows(bed.protocol, "spo2-low", limit=96.0, response=Response.STOP, delay=5 * SECOND)
    courses = courses_of(bed_rows(bed), again=strict)
    (stop,) = [row for row in rows_named(courses, "stop asked: spo2-low") if "recorded" not in row.at]
    (high,) = [row for row in rows_named(courses, "spo2-low high") if "recorded" in row.at][:1]
    assert stop.at["again"].at < high.at["recorded"].at
    paused = [row.at["again"].at for row in rows_named(courses, "phase paused") if "again" in row.at]
    assert 0 < paused[0] - stop.at["again"].at <= 3 * SECOND
    assert courses["again"].parted_at == stop.at["again"].at
    assert "taken to obey" in courses["again"].parted
    assert "delivering-after-stop high" not in {h.what for h in courses["again"].happenings}
    assert "stop-not-confirmed high" not in {h.what for h in courses["again"].happenings}


def test_under_a_limit_that_does_not_stop_the_pump_is_taken_to_go_on() -> None:
    """Pins the other course where the record stops and it doesn't: it stays infusing, and counts on to its own end."""
    bed = Bed()
    bed.infuse()
    bed.run(30)
    bed.monitor.values[Metric.SPO2] = 83
    bed.run(45 * 60)
    lax = with_rows(bed.protocol, "spo2-low", limit=50.0)
    courses = courses_of(bed_rows(bed), again=lax)
    told = {h.what: h for h in courses["again"].happenings}
    assert "phase paused" not in told
    assert "stop asked: spo2-low" not in told
    assert "taken to go on" in courses["again"].parted
    stop = told["stop asked: duration-over"]
    assert stop.at - told["T0"].at == pytest.approx(42 * MINUTE, abs=2 * SECOND)
    assert "under-delivery low" not in told


def test_an_order_that_another_protocol_would_not_take_is_said() -> None:
    """Pins the refusal in words; the replay goes on all the same."""
    bed = session()
    other = replace(bed.protocol, max_rate_ml_h=10.0)
    course = courses_of(bed_rows(bed), again=other)["again"]
    assert "rate 52.5 mL/h is above the protocol's 10 mL/h" in course.refusal
    assert course.happenings


def test_another_protocols_name_does_not_matter() -> None:
    """Pins that the order is held against the other protocol though it names the one it was made under."""
    bed = session()
    assert courses_of(bed_rows(bed), again=replace(bed.protocol, name="other"))["again"].refusal == ""


def test_a_bed_that_was_never_armed_gives_no_evidence() -> None:
    """Pins that nothing is put through `step` where nothing was held against limits."""
    rows = rows_of([(NOW, ordered("one")), (NOW, phase(Phase.ORDERED, Phase.IDLE))])
    assert evidence(rows, setup_of("chair-1", rows)).items == ()


def test_what_can_not_be_read_is_counted_and_left_out() -> None:
    """Pins that a row of a newer gateway doesn't break a replay."""
    bed = session()
    rows = bed_rows(bed)
    rows[200:200] = [replace(rows[200], event=Unreadable("from-later", "{}", "no event of this name"))]
    found = evidence(rows, setup_of("chair-1", rows))
    assert found.unread == 1
    assert not apart(courses_of(rows, again=bed.protocol))


@pytest.mark.parametrize(("values", "step"), [((0.0, 0.5, 1.25), 0.01), ((1.0, 2.0), 0.0), ((0.001, 3.0), 0.001)])
def test_the_counters_step_is_told_from_what_it_shows(values: tuple[float, ...], step: float) -> None:
    """Pins the smallest step on record, and that whole numbers tell none."""
    samples = (
        Sampled((SampledValue("pump", Metric.VOLUME, v, Validity.VALID, 0),), Delivery.STOPPED, v, 0, 0) for v in values
    )
    assert counter_step(rows_of((NOW, one) for one in samples)) == step


def test_a_count_that_rose_while_nobody_looked_was_read_twice() -> None:
    """Pins what says so: it is booked above what was booked before, and a sample without a count says nothing."""

    def sample(booked: float | None) -> Sampled:
        return Sampled((), Delivery.STOPPED, booked, 0, 0)

    assert found_risen(0.3, sample(0.4))
    assert not found_risen(0.3, sample(0.3))
    assert not found_risen(None, sample(0.4))
    assert not found_risen(0.3, sample(None))


def test_another_protocol_is_no_protocol_that_changed() -> None:
    """Pins that a replay under other limits tells of no changed file, and one that did change is shown as it was."""
    bed = session()
    rows = bed_rows(bed)
    other = replace(bed.protocol, digest="1" * 64)
    courses = courses_of(rows, again=bed.protocol, other=other)
    assert not rows_named(courses, "protocol-changed high")
    bed.setup = replace(bed.setup, protocols=(other,))
    bed.crash()
    bed.run(5)
    courses = courses_of(bed_rows(bed), again=other)
    assert [row.carried for row in rows_named(courses, "protocol-changed high")] == [True]


@pytest.mark.parametrize(
    ("ones", "others", "pairs"),
    [
        ([10], [11], [(0, 0)]),
        ([10, 40], [41], [(1, 0)]),
        ([10, 12], [11], [(0, 0)]),
        ([10], [71], []),
        ([10], [70], [(0, 0)]),
        ([], [5], []),
        ([5], [], []),
    ],
)
def test_happenings_of_one_name_are_paired_with_the_nearest(
    ones: list[int], others: list[int], pairs: list[tuple[int, int]]
) -> None:
    """Pins that each goes with the nearest, once, and none with what is more than a minute away."""
    assert pair([n * SECOND for n in ones], [n * SECOND for n in others]) == pairs


@pytest.mark.parametrize(
    ("length", "written"),
    [
        (0, "+00:00.0"),
        (192_449_000_000, "+03:12.4"),
        (-SECOND, "-00:01.0"),
        (-1, "+00:00.0"),
        (4000 * SECOND, "+66:40.0"),
    ],
)
def test_a_time_from_t0(length: int, written: str) -> None:
    """Pins how times are written, before T0 and after an hour too."""
    assert clock(length) == written


def test_a_line_for_people_is_one_line_whatever_is_recorded() -> None:
    """Pins that the words of a person can't break a line or colour a terminal; what is looked for leads."""
    accepted = InstructionAccepted("hold", "id-1", "nurse\x1b[31m-1", "a\nb")
    (row,) = rows_of([(NOW, accepted)])
    text = line(row)
    assert "\n" not in text
    assert "\x1b" not in text
    assert text.endswith("chair-1  instruction-accepted  hold, nurse [31m-1: a b")
    assert text.startswith("2027-01-15T08:01:40.000Z")


def test_what_can_not_be_read_is_said_on_its_line_and_kept_in_the_object() -> None:
    """Pins both forms of an unreadable row."""
    (row,) = rows_of([(NOW, ordered("one"))])
    row = replace(row, event=Unreadable("from-later", '{"x":1}', "no event of this name"))
    assert line(row).endswith("from-later  can't be read by this version: no event of this name")
    assert plain(row)["event"] == {"unreadable": "no event of this name", "body": '{"x":1}'}
    assert plain(row)["type"] == "from-later"


def test_what_people_change_in_mid_session_comes_again() -> None:
    """Pins changes of order, limits, syringe and concentration, an absence, a test alarm, and assessed pressures."""
    bed = Bed()
    bed.monitor.cuff(bed.now, 120)
    bed.infuse()
    bed.run(60)
    asked = [bed.ask(Extend(5 * MINUTE, "slow"), by) for by in ("nurse-1", "nurse-2")]
    asked.append(bed.ask(Limits("hr-low", 45.0, "athlete")))
    bed.monitor.values[Metric.HR] = 46
    bed.run(30)
    for systolic in (185, 186):
        bed.monitor.cuff(bed.now, systolic)
        bed.run(60)
    bed.monitor.cuff(bed.now, 130)
    bed.run(20)
    assert bed.phase is Phase.PAUSED
    asked.append(bed.ask(Away(3 * MINUTE)))
    bed.monitor.mute = True
    bed.run(90)
    bed.monitor.mute = False
    bed.run(5)
    asked.append(bed.ask(Away(0)))
    asked.append(bed.ask(Syringe(40.0, 1.0, "empty")))
    bed.pump.counter = 0
    bed.run(5)
    asked.append(bed.ask(TestAlarm()))
    bed.run(10)
    asked.append(bed.ask(Correct("concentration-was-wrong", 1.5, "the label")))
    bed.run(5)
    asked.append(bed.ask(Stop("enough")))
    bed.run(20)
    assert [type(done.events[0]) for done in asked] == [InstructionAccepted] * len(asked)
    courses = courses_of(bed_rows(bed), again=bed.protocol)
    assert not [(row.what, row.at) for row in apart(courses)]
    assert {h.what for h in courses["again"].happenings} >= {
        "nibp-sys-high counts down to a stop",
        "stop asked: nibp-sys-high",
        "concentration-not-allowed high",
        "stop asked: by a person",
        "phase recovery",
    }
    assert not [h.what for h in courses["again"].happenings if h.what.endswith("refused")]
