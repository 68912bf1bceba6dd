"""Session words: phases, orders, the protocol that a session is held against, and what a bed is made of."""

from dataclasses import dataclass, field
from enum import StrEnum

from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.status import BedsideAlarm


class Phase(StrEnum):
    """Where a case is."""

    IDLE = "idle"
    ORDERED = "ordered"
    ARMED = "armed"
    INFUSING = "infusing"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    RECOVERY = "recovery"
    CLOSED = "closed"
    ABORTED = "aborted"


class Supervision(StrEnum):
    """Whether the gateway sees enough to supervise; lost: the pump can't be seen."""

    OK = "ok"
    DEGRADED = "degraded"
    LOST = "lost"


class GenerationMode(StrEnum):
    """Whether what is seen is a patient (IEEE 11073-10207); simulators always say test."""

    REAL = "real"
    TEST = "test"
    DEMO = "demo"


class Side(StrEnum):
    """Which side of a limit is out of it."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Row:
    """One limit of a condition: past it for `delay`, the condition has this priority and response.

    over_baseline: the limit is baseline plus this much (None: `limit` is absolute). confirm_within: above 0, one
    reading alone does not make this row true: the next reading past the limit does, or a symptom entered, or no new
    reading for this long. readings: so many consecutive ones must be past the limit. inclusive: instead of the
    condition's own.
    """

    limit: float
    priority: Priority
    delay: Nanos
    response: Response
    over_baseline: bool = False
    confirm_within: Nanos = 0
    readings: int = 1
    inclusive: bool | None = None


@dataclass(frozen=True, slots=True)
class LimitCondition:
    """All rows of one metric and side: one alarm condition with the worst row whose delay is over.

    inclusive: the limit itself is out of it (">="). clear_by, clear_after: the value must be this far inside, for
    this long, to clear. metrics: the first that has a current value counts (HR before PULSE).
    """

    code: str
    metrics: tuple[Metric, ...]
    side: Side
    inclusive: bool
    rows: tuple[Row, ...]
    clear_by: float
    clear_after: Nanos
    latching: bool
    phases: frozenset[Phase]
    advice: str
    kind: AlarmKind = AlarmKind.PHYSIOLOGICAL


@dataclass(frozen=True, slots=True)
class Step:
    """From `after` on, the condition has this priority."""

    after: Nanos
    priority: Priority


@dataclass(frozen=True, slots=True)
class Stages:
    """How the priority of a technical condition rises with its age, in one group of phases."""

    steps: tuple[Step, ...]
    phases: frozenset[Phase]


@dataclass(frozen=True, slots=True)
class Apnoea:
    """When no breath is seen: no respiration, or no CO2 with a breath (EtCO2 at or below absent_mmhg).

    Medium from `warn` on. High: after `sure` with low oxygen (below spo2_low, or spo2_drop below where it began) or a
    second device agreeing: stop. After `alone` with pulse and SpO2 valid and at least spo2_well, and after `sure`
    with oxygen that isn't known to be well: stop unless held. clear_after: so long breathing again ends it.
    """

    warn: Nanos
    sure: Nanos
    alone: Nanos
    spo2_well: float
    spo2_low: float
    spo2_drop: float
    absent_mmhg: float
    clear_after: Nanos
    phases: frozenset[Phase]
    advice: str


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What a person is to assess, or to measure, every so often in these phases. steps: by the age of the last one."""

    what: Score | Metric
    every: Nanos
    phases: frozenset[Phase]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class DoseLimits:
    """Soft limits want a named reason, hard ones are never passed. mg per kg, and mg whatever the weight."""

    soft_mg_per_kg: float
    hard_mg_per_kg: float
    soft_mg: float
    hard_mg: float


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """What may be given within any stretch of `length`: mg per kg, and mg whatever the weight; the lesser holds."""

    length: Nanos
    hard_mg_per_kg: float
    hard_mg: float


@dataclass(frozen=True, slots=True)
class BaselineGate:
    """A vital sign that must have been seen before arming, at most `max_age` old, from `low` to `high`.

    metrics: the first that is there counts. required: it must be there; else it is judged only where it is. soft_from:
    from here on a named person must override; hold_from: from here on it is shut. None: no such limit.
    """

    metrics: tuple[Metric, ...]
    required: bool
    low: float | None = None
    high: float | None = None
    soft_from: float | None = None
    hold_from: float | None = None
    max_age: Nanos = 15 * MINUTE


@dataclass(frozen=True, slots=True)
class Gate:
    """A means of the gateway that must be as it should be for arming; a named person may pass it with a reason.

    name: broker, monitor, alarm-heard, or what the process looks at by itself (clock, disk, bedside-alarm). required:
    False leaves it open where nothing is known of it. max_age: how long ago it may have been seen so; None: ever.
    """

    name: str
    required: bool
    max_age: Nanos | None = None


@dataclass(frozen=True, slots=True)
class Discharge:
    """What must be seen in recovery before a case is closed without a reason for closing early.

    Two pressures so far apart below `systolic_below` and `diastolic_below` and from `systolic_from` on; a MOAA/S of
    so much; the patient oriented; an escort there.
    """

    pressures_apart: Nanos
    systolic_from: float
    systolic_below: float
    diastolic_below: float
    moaa_s: int
    oriented: bool
    escort: bool


@dataclass(frozen=True, slots=True)
class SessionProtocol:
    """What a session is held against: every number that the core decides by. All lengths of time in nanoseconds.

    concentrations: mg/mL, each allowed one by itself. end_short_ml, end_short_part: what may be missing of the
    ordered volume for the end to count as completed. pump_stages: priority by the age of the pump's data.
    vital_stages: priority by the age of a monitor's data. sedated_medium, sedated_high: a MOAA/S of so much or less.
    apnoea: None, it isn't judged beyond the limits of the respiratory rate. schedule: what people do every so often.
    spo2_lost: the response once SpO2 has been missing for as long as the last of the vital stages. escalate_after:
    when a high alarm that nobody acknowledged is told further.
    window_limits: the dose within any hour, any day, earlier cases of the same subject included where they are known.
    baseline, gates: of arming, beside the hard ones that always hold. outer_limits: by a condition's code, how far its
    first limit may be set for one case; a code that isn't there: as far as its next row. weight_change: the part by
    which a subject's weight may differ from the last one without a reason. lockout_stops, lockout_within: so many stops
    of ours for one condition within this long want a second person's release. start_within: so long after a person was
    last heard the infusion may start without a word.
    """

    name: str
    title: str
    drug: str
    test_only: bool
    signed: bool
    digest: str
    concentrations: tuple[float, ...]
    dose: DoseLimits
    max_rate_ml_h: float
    max_duration: Nanos
    grace: Nanos
    wall: Nanos
    armed_for: Nanos
    second_entry_after: Nanos | None  # one person on site may confirm after this long, with a reason; None: never
    retry_every: Nanos
    confirm_within: Nanos
    countdown: Nanos
    hold_off: Nanos
    dead_man_s: int
    recovery: Nanos
    conditions: tuple[LimitCondition, ...]
    vital_stages: tuple[Stages, ...]
    pump_stages: tuple[Step, ...] = (Step(3 * SECOND, Priority.MEDIUM), Step(10 * SECOND, Priority.HIGH))
    warn_before_end: tuple[Nanos, ...] = (5 * MINUTE, MINUTE)
    end_short_ml: float = 2.0
    end_short_part: float = 0.05
    required_metrics: tuple[Metric, ...] = (Metric.SPO2,)
    nibp_every: Nanos = 5 * MINUTE
    sedated_medium: int = 3
    sedated_high: int = 2
    apnoea: Apnoea | None = None
    schedule: tuple[Scheduled, ...] = ()
    spo2_lost: Response = Response.TELL
    escalate_after: tuple[Nanos, ...] = (15 * SECOND, 45 * SECOND, 90 * SECOND)
    window_limits: tuple[WindowLimit, ...] = ()
    baseline: tuple[BaselineGate, ...] = ()
    gates: tuple[Gate, ...] = ()
    discharge: Discharge | None = None
    outer_limits: tuple[tuple[str, float], ...] = ()
    weight_change: float = 0.1
    lockout_stops: int = 3
    lockout_within: Nanos = 10 * MINUTE
    start_within: Nanos | None = None
    longest_away: Nanos = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Order:
    """What was prescribed and is enforced. volume in mL, rate in mL/h, concentration in mg/mL, weight in kg."""

    protocol: str
    weight_kg: float
    concentration_mg_ml: float
    rate_ml_h: float
    volume_ml: float
    duration: Nanos
    dose_mg: float

    @property
    def dose_mg_per_kg(self) -> float:
        """Ordered dose per weight."""
        return self.dose_mg / self.weight_kg


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """A device of a bed, as far as deciding needs it. dead_man: shortest and longest time-out, seconds, or None."""

    device: str
    is_pump: bool
    stoppable: bool
    dead_man: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class BedSetup:
    """What a bed is made of; never changes while the process lives.

    sources: for a metric, the devices that may report it, preferred first; a metric not listed takes any device.
    annunciator: sound and light at the bed itself stand in for a broker. cuff_on_spo2_arm: the preferred SpO2 probe
    loses its signal while the cuff inflates.
    """

    bed: str
    devices: tuple[DeviceSetup, ...]
    protocols: tuple[SessionProtocol, ...]
    generation_mode: GenerationMode
    sources: tuple[tuple[Metric, tuple[str, ...]], ...] = field(default=())
    annunciator: bool = False
    cuff_on_spo2_arm: bool = False

    @property
    def pump(self) -> DeviceSetup | None:
        """The bed's pump, None on a recovery bed."""
        for device in self.devices:
            if device.is_pump:
                return device
        return None


@dataclass(frozen=True, slots=True)
class CaseLimit:
    """A physiological limit that a named clinician set for this case alone, by the condition's code."""

    code: str
    limit: float
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """A bed's session, as people see it. volume_ml, dose_mg: delivered since T0. None: not known or not applicable.

    limits: those set for this case alone. away_until: the patient is off the monitors. moving_to: the bed that the
    case is on its way to. waits_for_second: the change that another person must ask for too.
    """

    case: str | None
    phase: Phase
    supervision: Supervision
    order: Order | None
    t0: Nanos | None
    ends_at: Nanos | None
    volume_ml: float | None
    dose_mg: float | None
    hard_dose_mg: float | None
    stopping: str | None  # asked, confirmed, provisional, not-confirmed; None: no stop under way
    paused_since: Nanos | None
    audio_paused_until: Nanos | None = None
    limits: tuple[CaseLimit, ...] = ()
    away_until: Nanos | None = None
    moving_to: str | None = None
    waits_for_second: str | None = None
    bedside_alarm: BedsideAlarm = BedsideAlarm.NONE
