"""A story of facts: what each recorded fact does to what would outlive a crash, in each phase, one at a time."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace

from infusion_gateway.core.durable import Durable, Given, Known
from infusion_gateway.core.evolve import evolve
from infusion_gateway.model.alarm import AlarmKind, Priority, Raised, Response
from infusion_gateway.model.case import Carried
from infusion_gateway.model.events import (
    AlarmEscalated,
    AlarmsRemembered,
    AlarmTested,
    ArrivalRefused,
    Assessed,
    AudioPaused,
    BaselineTaken,
    BedQuarantined,
    CaseConfirmed,
    CaseLimitSet,
    CaseMoved,
    CaseOrdered,
    CaseReceived,
    ChangeProposed,
    ConcentrationCorrected,
    ConditionAcknowledged,
    ConditionCleared,
    ConditionRaised,
    CounterRestarted,
    DeadManSet,
    DeliveryChanged,
    DeviceIdentified,
    EndApproaching,
    Event,
    GateOverridden,
    GatewayStarted,
    HoldOffGranted,
    InfusionStarted,
    InstructionAccepted,
    InstructionRefused,
    MoveAsked,
    MoveFailed,
    OrderAmended,
    PatientAway,
    PhaseChanged,
    PrimeAnnounced,
    PumpAlarmed,
    RateChanged,
    ResumePermitted,
    Sampled,
    SampledValue,
    SignalSuppressed,
    StopAsked,
    StopConfirmed,
    SubjectsRemembered,
    SupervisionChanged,
    SyringeChanged,
)
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Delivery, PumpAlarm, Validity
from infusion_gateway.model.session import Order, Phase, Supervision
from sessions_told import Told, say, story

ORDER = Order("p", 70.0, 5.0, 42.0, 10.0, 10 * MINUTE, 35.0)
OTHER = replace(ORDER, rate_ml_h=36.0, dose_mg=30.0)
STRONG = replace(ORDER, concentration_mg_ml=10.0, rate_ml_h=21.0)
RAISED = ConditionRaised(
    "spo2-low",
    Priority.HIGH,
    AlarmKind.PHYSIOLOGICAL,
    Response.STOP_UNLESS_HELD,
    True,
    61 * SECOND,
    89.0,
    90.0,
    "%",
    "words",
    countdown_ends=81 * SECOND,
)
STOOD = Raised(
    "spo2-low", Priority.HIGH, AlarmKind.PHYSIOLOGICAL, Response.STOP, True, 61 * SECOND, 89.0, 90.0, "%", "words"
)
PRESSURE = replace(RAISED, code="nibp-sys-high", value=165.0, limit=160.0, latching=False, countdown_ends=None)


def sampled(ml: float, *, epoch: int = 0, systolic: float = 121.0) -> Sampled:
    """Give a sample with a pressure, of so much delivered."""
    values = (
        SampledValue("monitor", Metric.SPO2, 97.0, Validity.VALID, SECOND // 2),
        SampledValue("monitor", Metric.NIBP_SYS, systolic, Validity.VALID, 3 * SECOND, sequence=4),
        SampledValue("monitor", Metric.NIBP_DIA, 75.0, Validity.VALID, 3 * SECOND, sequence=4),
    )
    return Sampled(values, Delivery.INFUSING, ml + 0.5, epoch, ml * 5, "", ml, ml + 0.1, SECOND // 4, 7)


FACTS: tuple[Event, ...] = (
    GatewayStarted("1", True, 3 * SECOND, "x"),
    DeviceIdentified("pump", (("serial", "1"),), "x"),
    SupervisionChanged(Supervision.DEGRADED, "x"),
    DeliveryChanged("pump", Delivery.STOPPED, "x"),
    PrimeAnnounced(40 * SECOND, "nurse-1", "x"),
    PrimeAnnounced(1, "nurse-1", "x"),
    CaseOrdered("case-1", "subject-1", ORDER, "nurse-1", "x", "0" * 8),
    CaseOrdered("case-2", "Subject-1", OTHER, "nurse-2", "x"),
    GateOverridden("clock", "doctor-1", "x"),
    CaseLimitSet("hr-low", 42.0, "doctor-1", "x"),
    CaseLimitSet("hr-low", 41.0, "doctor-2", "x"),
    BaselineTaken(((Metric.SPO2, 97.0), (Metric.NIBP_SYS, 121.0)), "x"),
    CaseConfirmed("doctor-1", "x", ("disk",), ("clock",)),
    PhaseChanged(Phase.ORDERED, Phase.IDLE, "x"),
    PhaseChanged(Phase.ARMED, Phase.ORDERED, "x"),
    InfusionStarted(50 * SECOND, 650 * SECOND, 1.5, "x", 0.2),
    PhaseChanged(Phase.INFUSING, Phase.ARMED, "x"),
    DeadManSet("pump", 20.0, False, "x"),
    DeadManSet("pump", 0.5, False, "x"),
    DeadManSet("pump", 15.0, True, "x"),
    DeadManSet("pump", 0.0, False, "x"),
    DeliveryChanged("pump", Delivery.INFUSING, "x"),
    RateChanged("pump", 42.5, "x"),
    sampled(0.4),
    sampled(0.9, systolic=141.0),
    CounterRestarted("pump", 1, "x", 0.1, 1.0, 1.1),
    sampled(1.2, epoch=1),
    RAISED,
    replace(RAISED, since=70 * SECOND, value=84.0, priority=Priority.MEDIUM, latching=False, countdown_ends=None),
    replace(RAISED, code="probe-off", kind=AlarmKind.TECHNICAL, response=Response.TELL, value=None, limit=None),
    PRESSURE,
    ConditionAcknowledged("spo2-low", "nurse-1", "x"),
    ConditionAcknowledged("nibp-sys-high", "nurse-1", "x"),
    ConditionAcknowledged("nobody-knows", "nurse-1", "x"),
    AudioPaused(90 * SECOND, "nurse-1", "x"),
    AlarmEscalated("spo2-low", 2, "x"),
    AlarmTested(99 * SECOND, "nurse-1", "x"),
    ConditionAcknowledged("test-alarm", "nurse-1", "x"),
    HoldOffGranted("spo2-low", 120 * SECOND, "nurse-1", "x"),
    SignalSuppressed("monitor", (Metric.SPO2,), 95 * SECOND, "x"),
    Assessed(
        ((Score.PAIN, 1.0), (Score.MOAA_S, 4.0)), ((Metric.NIBP_SYS, 120.0), (Metric.NIBP_DIA, 80.0)), 62, "n", "x"
    ),
    Assessed(((Score.PAIN, 2.0),), ((Metric.RR, 12.0),), 63 * SECOND, "nurse-2", "x"),
    EndApproaching(5 * MINUTE, "x"),
    EndApproaching(MINUTE, "x"),
    ChangeProposed("amend", (("dose_mg", 36.0),), "nurse-1", "x"),
    OrderAmended("amend", OTHER, 700 * SECOND, "nurse-1", "doctor-1", "x"),
    OrderAmended("extend", OTHER, None, "nurse-1", "", "x"),
    SyringeChanged(8.0, 5.0, 1.1, 5.5, "nurse-1", "x"),
    ConcentrationCorrected(STRONG, 11.0, "nurse-1", "", "x"),
    PumpAlarmed("pump", (PumpAlarm.OCCLUSION,), "x"),
    InstructionAccepted("hold", "id-1", "nurse-1", "x"),
    InstructionAccepted("disarm", "id-2", "nurse-2", "x"),
    InstructionRefused("stop", "id-3", "nurse-3", "x"),
    StopAsked("pump", Phase.PAUSED, ("spo2-low",), "", "why", 42.0),
    StopAsked("pump", Phase.STOPPED, (), "nurse-1", "more", 41.0, doubted=True),
    StopConfirmed("pump", True, 2 * SECOND, "x"),
    StopConfirmed("pump", False, 9 * SECOND, "x"),
    ConditionCleared("spo2-low", True, "x"),
    ConditionCleared("spo2-low", False, "x"),
    ConditionCleared("nibp-sys-high", False, "x"),
    ConditionCleared("nobody-knows", False, "x"),
    replace(PRESSURE, since=75 * SECOND, value=168.0),
    ResumePermitted("nurse-1", "x"),
    PatientAway(130 * SECOND, "nurse-1", "x"),
    PatientAway(1, "nurse-1", "x"),
    MoveAsked("case-2", "chair-2", "nurse-1", "x"),
    MoveAsked("case-2", "chair-2", "", "again"),
    MoveFailed("case-2", "chair-2", "x"),
    MoveFailed("case-9", "chair-2", "x"),
    SubjectsRemembered((Given("case-0", "subject-1", 12.0, 44),), (Known("subject-1", 71.0, 30.0, 150.0),), "x"),
    AlarmsRemembered((STOOD, replace(STOOD, code="rate-high", present=False)), "x"),
    BedQuarantined("an invariant broke"),
    ArrivalRefused("chair-2", "case-7", "x"),
    GatewayStarted("1", False, None, "x"),
)


def differences(before: object, after: object, path: str = "") -> Iterable[str]:
    """Give what is otherwise, by its path."""
    if before == after:
        return
    if is_dataclass(before) and type(before) is type(after):
        for known in fields(before):
            yield from differences(getattr(before, known.name), getattr(after, known.name), f"{path}.{known.name}")
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from differences(before.get(key), after.get(key), f"{path}[{key}]")
    else:
        yield f"{path}: {say(after)}"


def tell(bed: Told, durable: Durable, event: Event, at: int) -> Durable:
    """Tell what one fact changes; give what is then."""
    after = evolve(durable, event, at)
    bed.line("fact", f"{type(event).__name__} at {say(at)}")
    for line in differences(durable, after):
        bed.line("  # ", line)
    return after


@story
def facts_one_by_one() -> Told:
    """Tell of every fact on a bed that has nothing, then in a row, then on a bed that has everything, in each phase."""
    bed, durable = Told(), Durable()
    for event in FACTS:
        tell(bed, Durable(), event, 77 * SECOND)
    for number, event in enumerate(FACTS[:-1]):
        durable = tell(bed, durable, event, (60 + number) * SECOND + number)
    assert durable.case is not None
    stop = replace(FACTS[53], codes=("timeline-lost",)) if isinstance(FACTS[53], StopAsked) else None
    assert stop is not None
    later = 150 * SECOND
    durable = evolve(evolve(evolve(durable, stop, later), PRESSURE, later), RAISED, later)
    durable = evolve(durable, HoldOffGranted("spo2-low", 120 * SECOND, "nurse-1", "x"), later)
    durable = evolve(durable, MoveAsked("case-2", "chair-2", "nurse-1", "x"), later)
    carried = (
        Carried(durable.case, Phase.PAUSED, 7, durable.account, durable.stop) if durable.case is not None else None
    )
    assert carried is not None
    moves: tuple[Event, ...] = (
        CaseMoved("case-2", "chair-2", "x"),
        CaseMoved("case-9", "chair-2", "x"),
        CaseReceived("chair-3", carried, "x"),
        CaseReceived("chair-3", replace(carried, case=replace(carried.case, id="case-8"), stop=None), "x"),
    )
    for phase in Phase:
        for released in (False, True):
            then = durable.stop and replace(durable.stop, released=released, confirmed_at=9 if released else None)
            base = replace(durable, phase=phase, phase_since=88 * SECOND, stop=then, unreleased_since=89 * SECOND)
            into = tuple(PhaseChanged(other, phase, "x") for other in Phase)
            for event in (*into, *moves) if released else (*FACTS, *into, *moves):
                tell(bed, base, event, 200 * SECOND)
    return bed
