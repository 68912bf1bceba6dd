"""A bed on virtual time for the core: pump and monitor report once a second, and every deadline is stepped at."""

from dataclasses import dataclass, field, replace

from infusion_gateway.core.state import State, fold, initial, restored
from infusion_gateway.core.step import Step, next_deadline, step
from infusion_gateway.core.views import alarms, session
from infusion_gateway.model.alarm import AlarmStatus, Priority, Response
from infusion_gateway.model.commands import Command, SetDeadMan, StopInfusion
from infusion_gateway.model.events import ConditionRaised, Event
from infusion_gateway.model.inputs import (
    BrokerChanged,
    DeadlineReached,
    GateChanged,
    Input,
    Instructed,
    JournalChanged,
    LinkOpened,
    Observed,
    Restarted,
)
from infusion_gateway.model.instructions import Confirm, Instruction, PlaceOrder
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Identified,
    Observation,
    PumpAlarm,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)
from infusion_gateway.model.session import (
    Apnoea,
    BedSetup,
    DeviceSetup,
    DoseLimits,
    GenerationMode,
    LimitCondition,
    Phase,
    Row,
    SessionProtocol,
    SessionStatus,
    Side,
    Stages,
)
from infusion_gateway.model.session import Step as Stage

HOUR = 60 * MINUTE
WATCHED = frozenset({Phase.ARMED, Phase.INFUSING, Phase.PAUSED})
LOW, MEDIUM, HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH
TELL, HELD, STOP = Response.TELL, Response.STOP_UNLESS_HELD, Response.STOP


def limit(
    code: str,
    metrics: tuple[Metric, ...],
    side: Side,
    *rows: Row,
    clear_by: float = 0.0,
    clear_after: Nanos = 0,
    inclusive: bool = False,
) -> LimitCondition:
    """Give a limit condition that is watched while armed, infusing and paused."""
    return LimitCondition(
        code, metrics, side, inclusive, rows, clear_by, clear_after, latching=False, phases=WATCHED, advice="Look."
    )


def row(value: float, priority: Priority, delay_s: float, response: Response, **more: object) -> Row:
    """Give a row with its delay in seconds."""
    return replace(Row(value, priority, int(delay_s * SECOND), response), **more)


def depression_40() -> SessionProtocol:
    """Give the conditions and numbers of the rules for 40 minutes."""
    lasting = {"clear_after": 10 * SECOND}
    conditions = (
        limit(
            "spo2-low",
            (Metric.SPO2,),
            Side.LOW,
            row(94, MEDIUM, 15, TELL),
            row(90, HIGH, 15, HELD),
            row(85, HIGH, 5, STOP),
            clear_by=1,
            **lasting,
        ),
        limit(
            "hr-low",
            (Metric.HR, Metric.PULSE),
            Side.LOW,
            row(50, MEDIUM, 15, TELL),
            row(40, HIGH, 10, HELD),
            clear_by=3,
            **lasting,
        ),
        limit(
            "hr-high",
            (Metric.HR, Metric.PULSE),
            Side.HIGH,
            row(110, MEDIUM, 15, TELL),
            row(130, HIGH, 10, TELL),
            clear_by=3,
            **lasting,
        ),
        limit(
            "rr-low", (Metric.RR,), Side.LOW, row(10, MEDIUM, 30, TELL), row(8, HIGH, 15, HELD), clear_by=2, **lasting
        ),
        limit(
            "nibp-sys-high",
            (Metric.NIBP_SYS,),
            Side.HIGH,
            row(160, MEDIUM, 0, TELL),
            row(30, MEDIUM, 0, TELL, over_baseline=True),
            row(180, HIGH, 0, HELD, confirm_within=3 * MINUTE),
            inclusive=True,
        ),
    )
    steps = (Stage(10 * SECOND, LOW), Stage(30 * SECOND, MEDIUM), Stage(60 * SECOND, HIGH))
    return SessionProtocol(
        name="depression-40",
        title="Depression, 0.5 mg/kg over 40 minutes",
        drug="ketamine",
        test_only=False,
        signed=False,
        digest="0" * 64,
        concentrations=(1.0, 5.0),
        dose=DoseLimits(0.5, 1.0, 60, 100),
        max_rate_ml_h=150,
        max_duration=60 * MINUTE,
        grace=2 * MINUTE,
        wall=90 * MINUTE,
        armed_for=15 * MINUTE,
        second_entry_after=2 * MINUTE,
        retry_every=2 * SECOND,
        confirm_within=10 * SECOND,
        countdown=20 * SECOND,
        hold_off=2 * MINUTE,
        dead_man_s=20,
        recovery=60 * MINUTE,
        conditions=conditions,
        vital_stages=(
            Stages(steps, frozenset({Phase.ARMED, Phase.INFUSING})),
            Stages(steps[:2], frozenset({Phase.PAUSED})),
        ),
        apnoea=Apnoea(
            warn=20 * SECOND,
            sure=20 * SECOND,
            alone=40 * SECOND,
            spo2_well=94,
            spo2_low=92,
            spo2_drop=3,
            absent_mmhg=5,
            clear_after=10 * SECOND,
            phases=WATCHED,
            advice="Check patient and cannula.",
        ),
    )


def bed_setup(
    protocol: SessionProtocol, *, stoppable: bool = True, dead_man: tuple[int, int] | None = (10, 60)
) -> BedSetup:
    """Give a bed with a pump and one monitor, in test mode."""
    devices = (DeviceSetup("pump", True, stoppable, dead_man), DeviceSetup("monitor", False, False, None))
    return BedSetup("chair-1", devices, (protocol,), GenerationMode.TEST)


@dataclass
class Pump:
    """A pump's mechanics, as far as the core can see them. lies: says stopped and goes on; obeys: takes a stop."""

    rate: float = 35.0
    running: bool = False
    says: Delivery = Delivery.INFUSING
    counter: float = 0.0
    resolution: float = 0.001
    lies: bool = False
    obeys: bool = True
    mute: bool = False
    counted: bool = True
    dead_man: float = 0.0
    keeps_dead_man: bool = True
    alarms: frozenset[PumpAlarm] = frozenset()
    said_stopped: bool = False
    given: float = 0.0  # the truth, which no reset of the counter changes

    def flow(self, span: Nanos) -> None:
        """Deliver for a while."""
        if self.running:
            self.counter += self.rate * span / HOUR
            self.given += self.rate * span / HOUR

    def take(self, command: Command) -> None:
        """Take what the gateway asks."""
        match command:
            case StopInfusion():
                self.said_stopped = self.lies
                if self.obeys and not self.lies:
                    self.running = False
            case SetDeadMan(seconds=seconds):
                self.dead_man = float(seconds) if self.keeps_dead_man else self.dead_man

    def report(self, now: Nanos) -> tuple[Observation, ...]:
        """Say what the pump says at this moment."""
        on = self.running and not self.said_stopped
        shown = int(self.counter / self.resolution + 1e-9) * self.resolution
        said: list[Observation] = [
            DeliveryReported(self.says if on else Delivery.STOPPED),
            Reading(Metric.RATE, self.rate if on else 0.0, Validity.VALID, now, resolution=0.01),
            AlarmsReported(self.alarms),
            Identified((("serial-number", "1001"),)),
            DeadManReported(self.dead_man),
        ]
        if self.counted:
            said.insert(1, Reading(Metric.VOLUME, round(shown, 6), Validity.VALID, now, resolution=self.resolution))
        return tuple(said)


@dataclass
class Monitor:
    """A monitor's numbers. A value of None is reported as invalid."""

    values: dict[Metric, float | None] = field(
        default_factory=lambda: {Metric.SPO2: 97, Metric.PULSE: 70, Metric.HR: 71, Metric.RR: 14}
    )
    validity: dict[Metric, Validity] = field(default_factory=dict)
    off: set[Sensor] = field(default_factory=set)
    cuff_is: SensorState | None = None
    mute: bool = False
    pressures: list[tuple[int, Nanos, float, float]] = field(default_factory=list)
    cuff_every: Nanos | None = None

    def cuff(self, now: Nanos, systolic: float, diastolic: float = 80) -> None:
        """Complete a measurement of the pressure now."""
        self.pressures.append((len(self.pressures) + 1, now, systolic, diastolic))

    def report(self, now: Nanos) -> tuple[Observation, ...]:
        """Say what the monitor says at this moment."""
        fitted = (Sensor.CANNULA,) if Metric.ETCO2 in self.values or Sensor.CANNULA in self.off else ()
        said: list[Observation] = [
            SensorReported(s, SensorState.OFF if s in self.off else SensorState.ON)
            for s in (Sensor.PROBE, Sensor.LEADS, *fitted)
        ]
        if self.cuff_is is not None:
            said.insert(0, SensorReported(Sensor.CUFF, self.cuff_is))
        for metric, value in self.values.items():
            validity = Validity.INVALID if value is None else self.validity.get(metric, Validity.VALID)
            said.append(Reading(metric, value, validity, now))
        every = self.cuff_every
        if every is not None and (not self.pressures or now >= self.pressures[-1][1] + every):
            self.cuff(now, 120)
        if self.pressures:
            number, at, systolic, diastolic = self.pressures[-1]
            said.append(Reading(Metric.NIBP_SYS, systolic, Validity.VALID, at, sequence=number))
            said.append(Reading(Metric.NIBP_DIA, diastolic, Validity.VALID, at, sequence=number))
        return tuple(said)


class Bed:
    """The core at work: `run` lets time pass, `ask` gives a person's instruction."""

    def __init__(self, setup: BedSetup | None = None, pump: Pump | None = None) -> None:
        self.protocol = setup.protocols[0] if setup is not None else depression_40()
        self.setup = setup if setup is not None else bed_setup(self.protocol)
        self.pump = pump if pump is not None else Pump()
        self.monitor = Monitor()
        self.now: Nanos = 1000 * SECOND
        self.moved: Nanos = self.now
        self.state: State = initial(self.setup)
        self.journal: list[tuple[Nanos, Event]] = []
        self.commands: list[tuple[Nanos, Command]] = []
        self.asked = 0
        for taken in (Restarted(True), BrokerChanged(True, True), JournalChanged(True, "")):
            self.give(taken)
        if self.setup.generation_mode is GenerationMode.REAL:
            self.give(GateChanged("commissioning", open=True, why=""))
        for device in self.setup.devices:
            self.give(LinkOpened(device.device))

    def give(self, taken: Input) -> Step:
        """Step once, now."""
        self.pump.flow(self.now - self.moved)
        self.moved = self.now
        done = step(self.state, taken, self.now)
        self.state = done.state
        self.journal += [(self.now, event) for event in done.events]
        for command in done.commands:
            self.commands.append((self.now, command))
            self.pump.take(command)
        due = next_deadline(self.state)
        assert due is None or due > self.now
        return done

    def ask(self, instruction: Instruction, by: str = "nurse-1", ident: str = "", case: str = "") -> Step:
        """Give a person's instruction."""
        self.asked += 1
        return self.give(Instructed(instruction, by, ident or f"id-{self.asked}", case))

    def tick(self) -> None:
        """Let the devices report, as they do once a second."""
        if not self.pump.mute:
            self.pump.flow(self.now - self.moved)
            self.moved = self.now
            self.give(Observed("pump", self.pump.report(self.now)))
        if not self.monitor.mute:
            self.give(Observed("monitor", self.monitor.report(self.now)))

    def run(self, seconds: float) -> None:
        """Let time pass: reports on every whole second, and a step at every deadline in between."""
        end = self.now + int(seconds * SECOND)
        while self.now < end:
            tick = (self.now // SECOND + 1) * SECOND
            due = next_deadline(self.state)
            self.now = min(tick, end) if due is None else min(tick, end, due)
            if due is not None and self.now == due:
                self.give(DeadlineReached())
            if self.now % SECOND == 0:
                self.tick()

    def order(self, **changes: object) -> Step:
        """Give the first entry: 35 mg for 70 kg over 40 minutes at 1 mg/mL."""
        asked = PlaceOrder("case-1", "subject-1", self.protocol.name, 70.0, 1.0, 52.5, 50.0, 40 * MINUTE, 35.0)
        return self.ask(replace(asked, **changes), by="nurse-1")

    def arm(self, **changes: object) -> None:
        """Order and confirm by two people."""
        self.pump.rate = float(changes.get("rate_ml_h", 52.5))  # type: ignore[arg-type]
        self.run(3)
        self.order(**changes)
        concentration = float(changes.get("concentration_mg_ml", 1.0))  # type: ignore[arg-type]
        self.ask(Confirm(70.0, concentration), by="nurse-2")
        assert self.phase is Phase.ARMED, self.journal[-1]

    def infuse(self, **changes: object) -> None:
        """Order, confirm, and start the pump by hand; two seconds later the session is infusing."""
        self.arm(**changes)
        self.pump.running = True
        self.run(2)
        assert self.phase is Phase.INFUSING

    def crash(self, *, same_boot: bool = True) -> None:
        """Kill the process and start it again: only the journal is left."""
        self.state = restored(self.setup, fold(self.journal))
        self.give(Restarted(same_boot))
        self.give(BrokerChanged(True, True))
        self.give(JournalChanged(True, ""))

    @property
    def phase(self) -> Phase:
        """The case's phase."""
        return self.state.durable.phase

    @property
    def alarms(self) -> dict[str, AlarmStatus]:
        """Every alarm, by code."""
        return {alarm.code: alarm for alarm in alarms(self.state, self.now)}

    @property
    def session(self) -> SessionStatus:
        """The session as people see it."""
        return session(self.state, self.now)

    def events(self, kind: type) -> list[tuple[Nanos, Event]]:
        """Give the recorded events of a kind, with their times."""
        return [(at, event) for at, event in self.journal if isinstance(event, kind)]

    def raised(self, code: str) -> list[tuple[float, Priority]]:
        """Give when a condition was raised, in seconds of the bed's time, and with which priority."""
        found = self.events(ConditionRaised)
        return [(at / SECOND, event.priority) for at, event in found if event.code == code]

    def stops(self) -> list[float]:
        """Give when the pump was asked to stop, in seconds of the bed's time."""
        return [at / SECOND for at, command in self.commands if isinstance(command, StopInfusion)]

    def check(self) -> None:
        """Hold the durable state against the journal's fold."""
        assert fold(self.journal) == self.state.durable
