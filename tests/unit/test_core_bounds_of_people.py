"""What people ask for, at the moment or number that decides it: released, let off, limited, closed, entered."""

from dataclasses import replace

import pytest

from core_bed import HELD, HIGH, MEDIUM, STOP, TELL, Bed, bed_setup, depression_40, limit, row
from infusion_gateway.core.evolve import evolve
from infusion_gateway.core.step import Step
from infusion_gateway.model.alarm import AlarmKind
from infusion_gateway.model.events import (
    BaselineTaken,
    ChangeProposed,
    ConditionRaised,
    InstructionAccepted,
    InstructionRefused,
)
from infusion_gateway.model.instructions import (
    Acknowledge,
    Assess,
    Away,
    Close,
    Confirm,
    End,
    Hold,
    Limits,
    PermitResume,
    Score,
)
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric
from infusion_gateway.model.session import (
    BaselineGate,
    DeviceSetup,
    Discharge,
    Gate,
    GenerationMode,
    Phase,
    SessionProtocol,
    Side,
)

FREE = "a person may start the pump again"


def words(done: Step) -> str:
    """Give the words in which an instruction was taken or refused."""
    [answer] = [e.reason for e in done.events if isinstance(e, InstructionAccepted | InstructionRefused)]
    return answer


def on_hold(protocol: SessionProtocol | None = None) -> Bed:
    """Give a bed that somebody put on hold."""
    bed = Bed(bed_setup(protocol or depression_40()))
    bed.infuse()
    bed.run(10)
    bed.ask(Hold("talking"))
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    return bed


def see(bed: Bed, **values: float | None) -> None:
    """Let the monitor show other numbers, once."""
    bed.monitor.values.update({Metric[name.upper()]: value for name, value in values.items()})
    bed.run(1)


# --- the release


def test_every_limit_that_would_stop_it_again_is_named() -> None:
    """Pins that who asks for a release reads each vital sign that is past a limit, before its delay is over."""
    bed = on_hold()
    see(bed, hr=38, pulse=38, rr=7)
    see(bed)
    assert words(bed.ask(PermitResume("x"))) == (
        "hr 38 /min, below the limit of 40 /min, and rr 7 /min, below the limit of 8 /min, "
        "would stop it again: wait until it is back inside, or measure again"
    )


def test_every_vital_sign_that_is_missing_is_named() -> None:
    """Pins that who asks for a release reads each vital sign that the protocol wants and nobody sees."""
    bed = on_hold(replace(depression_40(), required_metrics=(Metric.SPO2, Metric.RR)))
    see(bed, spo2=None, rr=None)
    bed.run(5)
    said = words(bed.ask(PermitResume("x")))
    names = f"{FACTS[Metric.SPO2].word}, {FACTS[Metric.RR].word}"
    assert said == f"no valid {names} is seen: look at the sensor, or measure by hand"


def test_a_condition_of_other_phases_hides_none_of_those_that_stop() -> None:
    """Pins that a limit which isn't watched while infusing is passed over, and the next one is looked at."""
    given = depression_40()
    elsewhere = limit("etco2-high", (Metric.ETCO2,), Side.HIGH, row(60, MEDIUM, 15, TELL))
    elsewhere = replace(elsewhere, phases=frozenset({Phase.PAUSED}))
    bed = on_hold(replace(given, conditions=(elsewhere, *given.conditions)))
    see(bed, spo2=84)
    see(bed)
    assert "below the limit of 90" in words(bed.ask(PermitResume("x")))


def test_a_limit_of_this_case_decides_its_release() -> None:
    """Pins that where the first limit stops, it is the one that a clinician set for this case."""
    given = depression_40()
    stops = limit("hr-low", (Metric.HR, Metric.PULSE), Side.LOW, row(50, HIGH, 15, HELD), row(35, HIGH, 5, STOP))
    others = tuple(c for c in given.conditions if c.code != "hr-low")
    bed = on_hold(replace(given, conditions=(*others, stops)))
    bed.ask(Limits("hr-low", 42.0, "athlete"), by="doctor-1")
    see(bed, hr=41, pulse=41)
    see(bed)
    assert "below the limit of 42 /min" in words(bed.ask(PermitResume("x")))
    see(bed, hr=44, pulse=44)
    see(bed)
    assert words(bed.ask(PermitResume("x"))) == FREE


@pytest.mark.parametrize(("after_ns", "locked"), [(0, True), (1, False)])
def test_a_stop_counts_towards_the_lock_for_exactly_its_time(after_ns: int, locked: bool) -> None:
    """Pins the end of the time within which stops for one cause want a second person, and what is kept of the first."""
    bed = Bed(bed_setup(replace(depression_40(), lockout_stops=2)))
    bed.infuse()
    for last in (False, True):
        see(bed, spo2=80)
        bed.run(11)
        assert bed.phase is Phase.PAUSED
        see(bed, spo2=97)
        bed.run(15)
        if not last:
            assert words(bed.ask(PermitResume("awake"))) == FREE
            bed.pump.running = True
            bed.run(3)
    case = bed.state.durable.case
    assert case is not None
    bed.run((case.our_stops[0].at + 10 * MINUTE - bed.now) / SECOND)
    bed.now = case.our_stops[0].at + 10 * MINUTE + after_ns
    said = words(bed.ask(PermitResume("")))
    assert said.startswith("entered; nothing has changed yet") is locked
    assert [event.reason for _, event in bed.events(ChangeProposed)] == ["the first of two entries"] * locked


# --- limits of one case, and patients off their monitors


@pytest.mark.parametrize(
    ("code", "bound", "value", "taken"),
    [
        ("hr-low", FACTS[Metric.HR].low, FACTS[Metric.HR].low, True),
        ("hr-low", 45.0, 44.9, False),
        ("hr-low", 45.0, 45.0, True),
        ("nibp-sys-high", FACTS[Metric.NIBP_SYS].high, FACTS[Metric.NIBP_SYS].high, True),
        ("nibp-sys-high", 170.0, 170.1, False),
    ],
)
def test_a_limit_may_be_set_as_far_as_the_protocol_says(code: str, bound: float, value: float, taken: bool) -> None:
    """Pins the protocol's outer bound, where it is tighter than the next row, and the ends of what can be measured."""
    bed = Bed(bed_setup(replace(depression_40(), outer_limits=((code, bound),))))
    bed.run(3)
    bed.order()
    assert words(bed.ask(Limits(code, value, "known"), by="doctor-1")).endswith("for this case") is taken


def test_a_protocol_that_lets_nobody_off_the_monitors_is_kept_to() -> None:
    """Pins that no time at all is a time that a protocol may give."""
    bed = on_hold(replace(depression_40(), longest_away=0))
    assert words(bed.ask(Away(MINUTE))).endswith("are over: the patient must be back on the monitors first")


@pytest.mark.parametrize(("before_ns", "said"), [(1, "back: the monitors are wat"), (0, "nobody is away: say for how")])
def test_who_comes_back_in_the_last_instant_was_away_until_then(before_ns: int, said: str) -> None:
    """Pins the very end of an absence: a nanosecond before it somebody can come back, and at it nobody is away."""
    bed = on_hold()
    bed.ask(Away(5 * MINUTE))
    until = bed.session.away_until
    assert until is not None
    bed.now = until - before_ns
    assert words(bed.ask(Away(0))).startswith(said)


# --- the gates


@pytest.mark.parametrize(("rate", "said"), [(44, "hr 44 /min is below 45: "), (45, "confirmed and armed")])
def test_a_limit_of_ones_own_still_shuts_the_gate(rate: float, said: str) -> None:
    """Pins that a gate which a clinician's limit opened is shut below that limit."""
    gate = BaselineGate((Metric.HR, Metric.PULSE), required=True, low=50, high=110)
    bed = Bed(bed_setup(replace(depression_40(), baseline=(gate,))))
    bed.run(3)
    bed.order()
    bed.ask(Limits("hr-low", 45.0, "athlete"), by="doctor-1")
    see(bed, hr=rate, pulse=rate)
    see(bed)
    assert words(bed.ask(Confirm(70.0, 1.0), by="nurse-2")).startswith(said)


def test_each_monitor_that_is_silent_is_named() -> None:
    """Pins that the gate of the monitors says which cables to look at."""
    setup = bed_setup(replace(depression_40(), gates=(Gate("monitor", required=True),)))
    bed = Bed(replace(setup, devices=(*setup.devices, DeviceSetup("capnograph", False, False, None))))
    bed.run(3)
    bed.order()
    bed.monitor.mute = True
    bed.run(12)
    said = words(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))
    assert "monitor, capnograph is not seen: look at the cable, or override monitor with a reason" in said


def test_a_bed_that_forgot_whether_it_was_commissioned_says_so() -> None:
    """Pins what a person reads after a restart, before the gate of commissioning was looked at again."""
    bed = Bed(replace(bed_setup(replace(depression_40(), signed=True)), generation_mode=GenerationMode.REAL))
    bed.run(3)
    bed.order()
    bed.crash()
    bed.run(3)
    said = words(bed.ask(Confirm(70.0, 1.0), by="nurse-2")).split("; ")
    assert "whether it was commissioned is not known" in said


# --- what is entered by hand


@pytest.mark.parametrize(("older_ns", "taken"), [(1, True), (0, False)])
def test_a_baseline_is_younger_than_fifteen_minutes(older_ns: int, taken: bool) -> None:
    """Pins that what was measured fifteen minutes before the start, to the nanosecond, is no baseline."""
    bed = Bed()
    bed.arm()
    ago = 15 * MINUTE - 2 * SECOND - older_ns
    bed.ask(Assess((), ((Metric.NIBP_SYS, 121.0), (Metric.NIBP_DIA, 71.0)), ago))
    bed.pump.running = True
    bed.run(2)
    [(_, event)] = bed.events(BaselineTaken)
    assert (Metric.NIBP_SYS in dict(event.values)) is taken


@pytest.mark.parametrize("value", [0.5, 1.0])
def test_the_least_symptom_is_one(value: float) -> None:
    """Pins that a slight symptom has every condition looked at with it, as a severe one has; none at all has not."""
    bed = Bed()
    bed.infuse()
    bed.ask(Assess(((Score.NAUSEA, 0.0),), (), 0))
    assert bed.state.live.symptom_at is None
    bed.ask(Assess(((Score.NAUSEA, value),), (), 0))
    assert bed.state.live.symptom_at == bed.now


def recovering(discharge: Discharge) -> Bed:
    """Give a bed whose recovery has just begun, and would be over at once but for what people must see."""
    bed = Bed(bed_setup(replace(depression_40(), recovery=0, discharge=discharge)))
    bed.infuse()
    bed.run(5)
    bed.ask(End("enough"))
    while bed.phase is not Phase.RECOVERY:
        bed.run(0.5)
    return bed


@pytest.mark.parametrize(("before_ns", "counts"), [(0, True), (1, False)])
def test_what_is_entered_counts_from_the_first_instant_of_recovery(before_ns: int, counts: bool) -> None:
    """Pins that a score of the very moment in which recovery began is one of recovery, and an older one is not."""
    bed = recovering(Discharge(0, 90, 160, 100, moaa_s=5, oriented=False, escort=False))
    since = bed.state.durable.phase_since
    bed.run(30)
    bed.ask(Assess(((Score.MOAA_S, 5.0),), (), bed.now - since + before_ns))
    assert ("MOAA/S" in words(bed.ask(Close("")))) is not counts


def test_a_score_that_nobody_entered_is_less_than_the_least() -> None:
    """Pins that a protocol which is content with a deep sedation still wants somebody to have looked."""
    bed = recovering(Discharge(0, 90, 160, 100, moaa_s=1, oriented=False, escort=False))
    assert "no MOAA/S of 1 was entered in recovery" in words(bed.ask(Close("")))


# --- how much is said


@pytest.mark.parametrize(("mode", "most"), [(GenerationMode.TEST, 400), (GenerationMode.REAL, 1000)])
def test_an_answer_has_an_end(mode: GenerationMode, most: int) -> None:
    """Pins how long the words are, at most, in which an instruction is taken, and in which it is refused."""
    gates = tuple(Gate(f"one-of-many-means-{n:03}", required=True) for n in range(60))
    bed = Bed(replace(bed_setup(replace(depression_40(), signed=True, gates=gates)), generation_mode=mode))
    bed.run(3)
    bed.order()
    assert len(words(bed.ask(Confirm(70.0, 1.0), by="nurse-2"))) == most


def test_who_acknowledges_what_is_not_there_reads_ten_that_are() -> None:
    """Pins that the alarms at a bed are named to who mistook one, and no more than ten of them."""
    bed = Bed()
    durable = bed.state.durable
    for n in range(11):
        raised = ConditionRaised(
            f"x{n:02}-missing", MEDIUM, AlarmKind.TECHNICAL, TELL, False, bed.now, None, None, "", "Look"
        )
        durable = evolve(durable, raised, bed.now)
    bed.state = replace(bed.state, durable=durable)
    there = ", ".join(f"x{n:02}-missing" for n in range(10))
    assert words(bed.ask(Acknowledge("y"))) == f"there is no alarm y; there is {there}"
