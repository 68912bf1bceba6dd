"""Properties of the core over arbitrary inputs: the fold, the deadlines, the commands, and that nothing is raised."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core_bed import bed_setup, depression_40
from infusion_gateway.core.durable import Account, Carried, Case, StopWanted
from infusion_gateway.core.ordering import order_of
from infusion_gateway.core.state import State, fold, initial, restored
from infusion_gateway.core.step import next_deadline, step
from infusion_gateway.core.views import alarms, devices, session, vitals
from infusion_gateway.model.commands import SetDeadMan, StopInfusion
from infusion_gateway.model.events import (
    AlarmTested,
    Assessed,
    AudioPaused,
    CaseConfirmed,
    CaseLimitSet,
    CaseOrdered,
    ChangeProposed,
    ConcentrationCorrected,
    ConditionAcknowledged,
    ConditionCleared,
    ConditionRaised,
    Event,
    GateOverridden,
    HoldOffGranted,
    InstructionAccepted,
    InstructionRefused,
    OrderAmended,
    PatientAway,
    ResumePermitted,
    Sampled,
    SyringeChanged,
)
from infusion_gateway.model.inputs import (
    BrokerChanged,
    CaseArrived,
    ClockJumped,
    DeadlineReached,
    Faulted,
    GateChanged,
    Input,
    Instructed,
    JournalChanged,
    LinkLost,
    LinkOpened,
    MoveAnswered,
    Observed,
    Restarted,
)
from infusion_gateway.model.instructions import (
    NAMES,
    Amend,
    Away,
    Confirm,
    Correct,
    Extend,
    Limits,
    Move,
    PlaceOrder,
    Syringe,
    TestAlarm,
)
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    PumpAlarm,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)
from infusion_gateway.model.session import Phase

SETUP = bed_setup(depression_40())
NAMED = st.sampled_from(["pump", "monitor", "stranger"])
VALUES = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 35.0, 52.5, 84.0, 89.0, 93.0, 97.0, 105.0, 185.0]))
SPANS = st.sampled_from([0, 1, SECOND // 3, SECOND, 2 * SECOND, 5 * SECOND, 11 * SECOND, 31 * SECOND, 3 * MINUTE])
GOOD_ORDER = PlaceOrder("c", "s", "depression-40", 70.0, 1.0, 52.5, 50.0, 40 * MINUTE, 35.0)

GOOD_CHANGES = (
    Amend("x", rate_ml_h=40.0),
    Amend("x", rate_ml_h=60.0),
    Amend("x", dose_mg=30.0),
    Extend(5 * MINUTE, "x"),
    Syringe(30.0, 1.0),
    Correct("concentration-was-wrong", 5.0, "x"),
    Correct("concentration-was-wrong", 0.5, "x"),
    Away(MINUTE),
    Move("chair-2"),
    Limits("spo2-low", 92.0, "x"),
    TestAlarm(),
)

readings = st.builds(
    Reading,
    metric=st.sampled_from(list(Metric)),
    value=VALUES,
    validity=st.sampled_from(list(Validity)),
    measured_at=st.integers(0, 3 * 60 * MINUTE),
    resolution=st.sampled_from([0.0, 0.001, 0.1]),
    sequence=st.one_of(st.none(), st.integers(0, 3)),
)
others = st.one_of(
    st.builds(DeliveryReported, st.sampled_from(list(Delivery))),
    st.builds(AlarmsReported, st.frozensets(st.sampled_from(list(PumpAlarm)), max_size=2), st.text(max_size=5)),
    st.builds(SensorReported, st.sampled_from(list(Sensor)), st.sampled_from(list(SensorState))),
    st.builds(Identified, st.just((("serial-number", "1"),))),
    st.builds(DeadManReported, st.sampled_from([0.0, 20.0, 60.0])),
)
observed = st.builds(Observed, NAMED, st.lists(st.one_of(readings, others), max_size=4).map(tuple))
running = st.sampled_from(["infusing", "stopped", "kvo"]).map(
    lambda said: Observed("pump", (DeliveryReported(Delivery(said)), Identified((("serial-number", "1"),))))
)
instructions = st.one_of(
    st.just(GOOD_ORDER),
    st.just(Confirm(70.0, 1.0, "alone")),
    st.sampled_from(GOOD_CHANGES),
    *(st.from_type(kind) for kind in NAMES.values()),
)
stop = StopWanted("pump", Phase.PAUSED, (), "a", "hold", asked_at=MINUTE, rate_ml_h=52.5, confirmed_at=2 * MINUTE)
coming = st.builds(
    Carried,
    st.builds(
        Case,
        st.sampled_from(["c", "m"]),
        st.just("s"),
        st.just(order_of(GOOD_ORDER)),
        st.just("a"),
        st.just(0),
        t0=st.just(MINUTE),
        ends_at=st.just(41 * MINUTE),
    ),
    st.sampled_from([Phase.PAUSED, Phase.RECOVERY]),
    st.just(2 * MINUTE),
    st.just(Account(delivered_ml=1.0, expected_ml=1.0)),
    st.sampled_from([None, stop]),
)
inputs: st.SearchStrategy[Input] = st.one_of(
    observed,
    running,
    st.builds(
        Instructed,
        instructions,
        st.sampled_from(["a", "b", ""]),
        st.sampled_from(["", "1", "2", "3", "4"]),
        st.sampled_from(["", "c", "other"]),
    ),
    st.builds(Faulted, NAMED, st.builds(Fault, st.sampled_from(list(FaultKind)), st.text(max_size=5))),
    st.builds(LinkOpened, NAMED),
    st.builds(LinkLost, NAMED, st.text(max_size=5)),
    st.builds(BrokerChanged, st.booleans(), st.sampled_from([None, True, False])),
    st.builds(JournalChanged, st.booleans(), st.text(max_size=5)),
    st.builds(ClockJumped, st.floats()),
    st.builds(GateChanged, st.sampled_from(["clock", "disk", "bedside-alarm"]), st.booleans(), st.text(max_size=5)),
    st.builds(CaseArrived, st.sampled_from(["chair-1", "chair-2"]), coming),
    st.builds(
        MoveAnswered, st.sampled_from(["c", "m"]), st.sampled_from(["chair-2", "chair-3"]), st.booleans(), st.just("x")
    ),
    st.just(DeadlineReached()),
)
ONLY_BY_A_PERSON = (
    AlarmTested,
    Assessed,
    AudioPaused,
    CaseConfirmed,
    CaseLimitSet,
    CaseOrdered,
    ChangeProposed,
    ConcentrationCorrected,
    ConditionAcknowledged,
    GateOverridden,
    HoldOffGranted,
    OrderAmended,
    PatientAway,
    ResumePermitted,
    SyringeChanged,
)
"""Events that nothing but an accepted instruction brings about."""
story = st.lists(st.tuples(SPANS, inputs), max_size=40)
thorough = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


class Run:
    """A bed driven through a story, every invariant looked at after each step."""

    def __init__(self, state: State, now: Nanos = 1000 * SECOND) -> None:
        self.state, self.now = state, now
        self.journal: list[tuple[Nanos, Event]] = []

    def give(self, taken: Input) -> None:
        """Step, and hold what came out against what must always hold."""
        kept = (self.state.durable, self.state.live.copied())
        done = step(self.state, taken, self.now)
        assert (self.state.durable, self.state.live) == kept
        assert step(self.state, taken, self.now) == done
        self.state = done.state
        self.journal += [(self.now, event) for event in done.events]
        for command in done.commands:
            assert isinstance(command, StopInfusion | SetDeadMan)
            assert command.device == "pump"
            assert command.reason
        for event in done.events:
            assert isinstance(event, Sampled) or event.reason
        due = next_deadline(self.state)
        assert due is None or due > self.now
        self.look(taken, done.events)

    def look(self, taken: Input, events: tuple[Event, ...]) -> None:
        """Look at the views, and at what one input may lead to."""
        for view in (alarms, devices, session, vitals):
            view(self.state, self.now)
        answers = [event for event in events if isinstance(event, InstructionAccepted | InstructionRefused)]
        assert len(answers) == isinstance(taken, Instructed)
        if answers and isinstance(answers[0], InstructionRefused):
            assert not [event for event in events if isinstance(event, ONLY_BY_A_PERSON)]
        account = self.state.live.account
        assert account.delivered_ml >= 0
        assert len(self.state.durable.instructions) <= 128
        assert len(self.state.live.values) <= 3 * len(Metric)

    def until(self, then: Nanos) -> None:
        """Serve every deadline up to a time; there are never so many that the clock stands still."""
        for _ in range(2000):
            due = next_deadline(self.state)
            if due is None or due > then:
                break
            self.now = due
            self.give(DeadlineReached())
        else:
            raise AssertionError("the deadlines never end")
        self.now = then


def played(run: Run, told: list[tuple[Nanos, Input]]) -> Run:
    """Drive a bed through a story."""
    for span, taken in told:
        run.until(run.now + span)
        run.give(taken)
    return run


@given(story)
@example([(0, GateChanged("disk", open=False, why=""))])
@thorough
def test_durable_state_is_the_fold_of_what_was_recorded(told: list[tuple[Nanos, Input]]) -> None:
    """Pins that fold(journal) is the durable state after any story, that a step is pure, and that nothing is raised."""
    run = Run(initial(SETUP))
    run.give(Restarted(True))
    played(run, told)
    assert fold(run.journal) == run.state.durable


def armed() -> Run:
    """Give a bed that is armed, with the pump at rest."""
    run = Run(initial(SETUP))
    still = (DeliveryReported(Delivery.STOPPED), Identified((("serial-number", "1"),)))
    for taken in (
        Restarted(True),
        BrokerChanged(True, True),
        Observed("pump", (*still, Reading(Metric.VOLUME, 0.0, Validity.VALID, run.now))),
        Observed("monitor", (Reading(Metric.SPO2, 97, Validity.VALID, run.now),)),
        Instructed(GOOD_ORDER, "a", "", ""),
        Instructed(Confirm(70.0, 1.0), "b", "", ""),
    ):
        run.give(taken)
    assert run.state.durable.phase is Phase.ARMED
    return run


@given(story, story, st.booleans())
@thorough
def test_a_crash_anywhere_leaves_a_bed_that_goes_on(
    before: list[tuple[Nanos, Input]], after: list[tuple[Nanos, Input]], same_boot: bool
) -> None:
    """Pins that from an armed bed, any story, a crash at its end, and any story after it keep every invariant."""
    run = armed()
    going = Observed("pump", (DeliveryReported(Delivery.INFUSING),))
    for _ in range(2):
        run.until(run.now + SECOND)
        run.give(going)
    played(run, before)
    again = Run(restored(SETUP, fold(run.journal)), run.now if same_boot else 7 * SECOND)
    again.journal = list(run.journal)
    again.give(Restarted(same_boot))
    played(again, after)
    assert fold(again.journal) == again.state.durable


@pytest.mark.requirement("S46")
@given(story)
@thorough
def test_conditions_are_raised_once_and_cleared_once(told: list[tuple[Nanos, Input]]) -> None:
    """Pins that clearing follows raising, that no alarm is raised twice alike, and that the record is right."""
    run = played(armed(), told)
    present: dict[str, ConditionRaised] = {}
    for _, event in run.journal:
        if isinstance(event, ConditionRaised):
            twin = present.get(event.code)
            changed = twin is None or (twin.priority, twin.response, twin.since) != (
                event.priority,
                event.response,
                event.since,
            )
            assert changed, event
            present[event.code] = event
        elif isinstance(event, ConditionCleared):
            assert present.pop(event.code).latching or not event.latched
        elif isinstance(event, ConditionAcknowledged):
            assert event.by
    assert {code for code, raised in run.state.durable.conditions.items() if raised.present} == set(present)


@pytest.mark.requirement("S46")
@given(st.lists(st.tuples(SPANS, VALUES), max_size=30))
@thorough
def test_silence_is_told_on_time(values: list[tuple[Nanos, float | None]]) -> None:
    """Pins that whatever SpO2 said before, a pump and a monitor that fall silent are told at 3 and at 10 seconds."""
    run = armed()
    for span, value in values:
        run.until(run.now + min(span, SECOND))
        volume = Reading(Metric.VOLUME, 0.0, Validity.VALID, run.now)
        run.give(Observed("pump", (DeliveryReported(Delivery.STOPPED), volume)))
        run.give(Observed("monitor", (Reading(Metric.SPO2, value, Validity.VALID, run.now),)))
    if not values:
        return
    at = run.now
    run.until(at + 11 * SECOND)
    raised = {event.code: when for when, event in run.journal if isinstance(event, ConditionRaised) and when > at}
    assert raised["supervision-lost"] == at + 10 * SECOND
    first = next(
        when for when, event in run.journal if isinstance(event, ConditionRaised) and event.code == "supervision-lost"
    )
    assert first == at + 3 * SECOND
    assert raised["monitor-silent"] == at + 10 * SECOND
