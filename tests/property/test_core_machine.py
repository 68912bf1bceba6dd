"""A state machine over the core: people, pump, monitor, broker, disk and crashes in any order; what must always hold.

Beside the simulation, which knows what is usual: this one knows nothing, and so comes to where nobody would. What it
draws is mostly sensible (a pump that reports, an order that holds), since noise alone never gets a session started.
"""

from dataclasses import fields, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core_bed import bed_setup, depression_40
from infusion_gateway.core.codes import BY_CODE
from infusion_gateway.core.durable import Durable
from infusion_gateway.core.state import State, evolve, fold, initial, restored
from infusion_gateway.core.step import next_deadline, step
from infusion_gateway.model.commands import SetDeadMan, StopInfusion
from infusion_gateway.model.events import (
    CaseMoved,
    CaseOrdered,
    CaseReceived,
    ConcentrationCorrected,
    ConditionAcknowledged,
    Event,
    InfusionStarted,
    InstructionAccepted,
    InstructionRefused,
    PhaseChanged,
    StopAsked,
)
from infusion_gateway.model.inputs import (
    BrokerChanged,
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
    Abort,
    Acknowledge,
    Amend,
    Assess,
    Away,
    Close,
    Confirm,
    Correct,
    Disarm,
    End,
    Extend,
    Hold,
    HoldOff,
    Instruction,
    Limits,
    Move,
    Override,
    PauseAudio,
    PermitResume,
    PlaceOrder,
    Prime,
    Score,
    Stop,
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

RATE_ML_H = 52.5
HOUR_S = 3600.0
SPANS = st.sampled_from([0, 1, SECOND // 2, SECOND, 2 * SECOND, 6 * SECOND, 21 * SECOND, 2 * MINUTE, 16 * MINUTE])
SAID = ("infusing", "infusing", "infusing", "stopped", "stopped", "kvo", "bolus", "unknown")
CHANGES = (
    Amend("x", rate_ml_h=40.0),
    Amend("x", rate_ml_h=60.0),
    Amend("x", dose_mg=30.0),
    Extend(5 * MINUTE, "x"),
    Syringe(30.0, 1.0),
    Correct("concentration-was-wrong", 5.0, "x"),
    Correct("concentration-was-wrong", 0.5, "x"),
    Away(MINUTE),
    Away(0),
    Move("chair-2"),
    Limits("spo2-low", 92.0, "x"),
    Limits("spo2-low", 80.0, "x"),
    Limits("hr-low", float("nan"), "x"),
    HoldOff("spo2-low", "x"),
    Disarm("x"),
)
ASKED: st.SearchStrategy[Instruction] = st.sampled_from(
    [
        PlaceOrder("c", "s", "depression-40", 70.0, 1.0, RATE_ML_H, 50.0, 40 * MINUTE, 35.0),
        PlaceOrder("d", "s", "depression-40", 500.0, 1.0, RATE_ML_H, 50.0, 40 * MINUTE, 35.0),
        Confirm(70.0, 1.0, "alone"),
        Confirm(75.0, 1.0),
        Prime(20 * SECOND),
        Hold("x"),
        Stop("x"),
        End("x"),
        Abort("x"),
        Close("x"),
        PermitResume("x"),
        Override("broker", "x"),
        PauseAudio(MINUTE),
        Assess(((Score.MOAA_S, 2.0),), ((Metric.NIBP_SYS, 185.0), (Metric.NIBP_DIA, 90.0)), 0),
        Assess(((Score.NAUSEA, 5.0),), (), -5),
        TestAlarm(),
    ]
)
BESIDE: st.SearchStrategy[Input] = st.one_of(
    st.sampled_from(
        [
            *(BrokerChanged(up, heard) for up in (True, False) for heard in (True, False, None)),
            *(JournalChanged(kept, "x") for kept in (True, False)),
            *(GateChanged(gate, is_open, "x") for gate in ("clock", "disk") for is_open in (True, False)),
            *(LinkOpened(device) for device in ("pump", "monitor", "stranger")),
            *(LinkLost(device, "x") for device in ("pump", "monitor", "stranger")),
            *(Faulted(device, Fault(kind, "x")) for device in ("pump", "monitor") for kind in FaultKind),
            *(MoveAnswered("c", "chair-2", taken, "x") for taken in (True, False)),
            DeadlineReached(),
        ]
    ),
    st.builds(ClockJumped, st.floats()),
)
ANSWERS = (InstructionAccepted, InstructionRefused)
NO_FACT = ("at", "sampled_at", "supervision", "instructions", "conditions", "person_at", "raised_at")
"""Of durable state, what a refusal may move: that somebody asked, and what time itself brings in the same step."""


class Core(RuleBasedStateMachine):
    """One bed: the truth of a pump that can be anything, what the core makes of it, and its journal."""

    def __init__(self) -> None:
        super().__init__()
        self.setup = bed_setup(depression_40())
        self.state: State = initial(self.setup)
        self.now: Nanos = 1000 * SECOND
        self.journal: list[tuple[Nanos, Event]] = []
        self.folded = Durable()
        self.volume_ml = 0.0
        self.spo2 = 97.0
        self.asked = 0
        self.dose: tuple[str, float] = ("", 0.0)

    # --- what happens

    @initialize(started=st.sampled_from([True, True, True, False]))
    def begins(self, started: bool) -> None:
        """Start as the gateway does, with devices that are heard and a pump at rest; mostly in a session."""
        self.give(Restarted(True, "x"))
        self.give(BrokerChanged(True, True))
        for _ in range(2):
            self.pump_reports("stopped", 0.0, SECOND)
            self.monitor_reports("valid", False, 0)
        if started:
            self.is_ordered_and_started()

    @rule(span=SPANS)
    def passes(self, span: Nanos) -> None:
        """Let time pass with nothing heard: only deadlines are served."""
        self.until(self.now + span)

    @rule(said=st.sampled_from(SAID), flow=st.sampled_from([0.0, 1.0, 1.0, 1.3, 2.5]), span=SPANS)
    def pump_reports(self, said: str, flow: float, span: Nanos) -> None:
        """Let the pump say something, and its counter move, whatever it says."""
        self.until(self.now + span)
        self.volume_ml += flow * RATE_ML_H * span / SECOND / HOUR_S
        self.give(
            Observed(
                "pump",
                (
                    DeliveryReported(Delivery(said)),
                    Identified((("serial-number", "1"),)),
                    Reading(Metric.RATE, flow * RATE_ML_H, Validity.VALID, self.now, resolution=0.01),
                    Reading(Metric.VOLUME, round(self.volume_ml, 3), Validity.VALID, self.now, resolution=0.001),
                ),
            )
        )

    @rule(seconds=st.integers(5, 40))
    def runs_for_a_while(self, seconds: int) -> None:
        """Let the pump run as ordered and the monitor be heard, once a second: how a session comes about."""
        for _ in range(seconds):
            self.pump_reports("infusing", 1.0, SECOND)
            self.monitor_reports("valid", False, 0)

    @rule()
    def counter_begins_anew(self) -> None:
        """Let the pump be switched off and on."""
        self.volume_ml = 0.0
        self.pump_reports("stopped", 0.0, SECOND)

    @rule(
        alarms=st.frozensets(st.sampled_from(list(PumpAlarm)), max_size=2), dead_man=st.sampled_from([0.0, 20.0, 60.0])
    )
    def pump_says_more(self, alarms: frozenset[PumpAlarm], dead_man: float) -> None:
        """Let the pump report alarms and its dead man."""
        self.give(Observed("pump", (AlarmsReported(alarms), DeadManReported(dead_man))))

    @rule(spo2=st.sampled_from([97.0, 97.0, 93.0, 88.0, 80.0]))
    def patient_changes(self, spo2: float) -> None:
        """Let the patient change."""
        self.spo2 = spo2

    @rule(validity=st.sampled_from(["valid", "valid", "questionable", "invalid"]), off=st.booleans(), late=SPANS)
    def monitor_reports(self, validity: str, off: bool, late: Nanos) -> None:
        """Let the monitor say something, perhaps of a moment ago."""
        probe = SensorReported(Sensor.PROBE, SensorState.OFF if off else SensorState.ON)
        values = ((Metric.SPO2, self.spo2), (Metric.PULSE, 70.0), (Metric.RR, 14.0))
        said = tuple(Reading(m, v, Validity(validity), self.now - late) for m, v in values)
        self.give(Observed("monitor", (probe, *said)))

    @rule(asked=ASKED, by=st.sampled_from(["ann", "bob", "Ann ", ""]), again=st.booleans())
    def person_asks(self, asked: Instruction, by: str, again: bool) -> None:
        """Let a person ask for something, perhaps twice under one id."""
        self.asked += not again
        self.give(Instructed(asked, by, f"id-{self.asked}", ""))

    @rule(asked=st.sampled_from(CHANGES), second=st.sampled_from(["", "", "ann", "bob"]))
    @precondition(lambda self: self.state.durable.case is not None)
    def people_change_a_case(self, asked: Instruction, second: str) -> None:
        """Let a person ask for a change, and perhaps a second one, or the same again."""
        for by in ("ann", second):
            if by:
                self.asked += 1
                self.give(Instructed(asked, by, f"id-{self.asked}", ""))

    @rule(data=st.data())
    @precondition(lambda self: self.state.durable.conditions)
    def person_acknowledges(self, data: st.DataObject) -> None:
        """Let a person acknowledge an alarm that is there."""
        code = data.draw(st.sampled_from(sorted(self.state.durable.conditions)))
        self.asked += 1
        self.give(Instructed(Acknowledge(code), "ann", f"id-{self.asked}", ""))

    @rule()
    @precondition(lambda self: self.state.durable.phase in (Phase.IDLE, Phase.CLOSED, Phase.ABORTED))
    def is_ordered_and_started(self) -> None:
        """Order, confirm and start, as two people do; any of it may be refused."""
        order = PlaceOrder("c", "s", "depression-40", 70.0, 1.0, RATE_ML_H, 50.0, 40 * MINUTE, 35.0)
        for asked, by in ((order, "ann"), (Confirm(70.0, 1.0), "bob")):
            self.pump_reports("stopped", 0.0, SECOND)
            self.monitor_reports("valid", False, 0)
            self.asked += 1
            self.give(Instructed(asked, by, f"id-{self.asked}", ""))
        self.runs_for_a_while(5)

    @rule(beside=BESIDE)
    def something_else_happens(self, beside: Input) -> None:
        """Let the lines, the broker, the disk, the clock or the other bed say something."""
        self.give(beside)

    @rule(same_boot=st.booleans(), dark=SPANS)
    def crashes(self, same_boot: bool, dark: Nanos) -> None:
        """Kill the process and start it again from its journal; another boot begins its time anew."""
        self.state = restored(self.setup, fold(self.journal))
        self.now = self.now + dark if same_boot else 20 * SECOND
        kept, case = self.state.durable.account, self.state.durable.case
        if case is not None and self.dose[0] == case.id:  # what was seen since the last sample is read again
            self.dose = (case.id, case.dose_mg(kept.delivered_ml))
        self.give(Restarted(same_boot, "x"))

    # --- giving it, and what must hold of each step

    def until(self, then: Nanos) -> None:
        """Serve every deadline up to a time."""
        for _ in range(4000):
            due = next_deadline(self.state)
            if due is None or due > then:
                break
            self.now = due
            self.give(DeadlineReached())
        else:
            raise AssertionError("the deadlines never end")
        self.now = then

    def give(self, taken: Input) -> None:
        """Step once, and hold what came of it against what must always hold."""
        before = self.state.durable
        done = step(self.state, taken, self.now)
        self.state = done.state
        self.journal += [(self.now, event) for event in done.events]
        for event in done.events:
            self.folded = evolve(self.folded, event, self.now)
        due = next_deadline(self.state)
        assert due is None or due > self.now, "a deadline in the past"
        for command in done.commands:
            assert isinstance(command, StopInfusion | SetDeadMan)
            if isinstance(command, StopInfusion):
                self._has_a_reason(command)
        self._latched(before, done.events)
        self._dose(done.events)
        if isinstance(taken, Instructed):
            answers = [event for event in done.events if isinstance(event, ANSWERS)]
            assert len(answers) == 1, answers
            if isinstance(answers[0], InstructionRefused):
                self._nothing_changed(before, done.state.durable)

    def _has_a_reason(self, command: StopInfusion) -> None:
        """Hold a stop against the record: one is wanted, with its reason."""
        wanted = self.state.durable.stop
        assert wanted is not None, "a stop that nobody wants"
        asked = [event for _, event in self.journal if isinstance(event, StopAsked)]
        assert asked, "a stop that is not on record"
        assert command.reason.strip()
        assert command.reason == wanted.reason == asked[-1].reason

    def _latched(self, before: Durable, events: tuple[Event, ...]) -> None:
        """See that what latches stays until somebody acknowledged it, or the next case begins."""
        freed = {event.code for event in events if isinstance(event, ConditionAcknowledged)}
        begun = any(isinstance(event, CaseOrdered | CaseReceived) for event in events)
        for code, raised in before.conditions.items():
            if raised.latching and raised.acknowledged_by is None and code not in freed and not begun:
                assert code in self.state.durable.conditions, f"{code} latches and is gone"

    def _dose(self, events: tuple[Event, ...]) -> None:
        """See that the dose of a case never falls, unless it is counted anew by another concentration."""
        case, account = self.state.durable.case, self.state.live.account
        anew = any(isinstance(e, InfusionStarted | ConcentrationCorrected | CaseMoved | CaseOrdered) for e in events)
        if case is None or case.t0 is None:
            self.dose = ("", 0.0)
            return
        dose = case.dose_mg(account.delivered_ml)
        started = any(isinstance(event, PhaseChanged) and event.phase is Phase.ORDERED for event in events)
        if self.dose[0] == case.id and not anew and not started:
            assert dose >= self.dose[1] - 1e-9, f"the dose fell from {self.dose[1]} to {dose}"
        self.dose = (case.id, dose)

    def _nothing_changed(self, before: Durable, after: Durable) -> None:
        """See that a refusal changes nothing of the case: not its phase, order, account, stop, limits or gates."""
        kept = {f.name: getattr(before, f.name) for f in fields(Durable) if f.name not in NO_FACT}
        assert replace(after, **kept) == after, {k: (v, getattr(after, k)) for k, v in kept.items()}

    # --- what must hold at every moment

    @invariant()
    def durable_state_is_the_fold(self) -> None:
        """Fold what was recorded, event by event."""
        assert self.folded == self.state.durable

    @invariant()
    def every_alarm_has_its_row(self) -> None:
        """Each condition is one of the list of codes, or a limit of the protocol."""
        limits = {condition.code for condition in self.setup.protocols[0].conditions}
        assert set(self.state.durable.conditions) <= set(BY_CODE) | limits

    def teardown(self) -> None:
        """Fold the whole journal anew, from its beginning."""
        assert fold(self.journal) == self.state.durable


TestCore = Core.TestCase
TestCore.settings = settings(max_examples=40, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow])
