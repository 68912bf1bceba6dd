"""Permitting: a restart after many stops, a limit of one case, a patient off the monitors, a test of the alarm."""

from dataclasses import replace

import pytest

from core_bed import LOW, MEDIUM, Bed, bed_setup, depression_40
from infusion_gateway.core.step import Step
from infusion_gateway.model.events import InstructionAccepted, InstructionRefused, ResumePermitted
from infusion_gateway.model.inputs import JournalChanged
from infusion_gateway.model.instructions import Acknowledge, Away, End, Hold, Limits, PermitResume, TestAlarm
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Sensor
from infusion_gateway.model.session import Phase, Supervision


def refusal(done: Step) -> str:
    """Give the reason of a refusal, "" where the instruction was taken."""
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


def taken(done: Step) -> str:
    """Give the words of what was taken, "" where it was refused."""
    return next((event.reason for event in done.events if isinstance(event, InstructionAccepted)), "")


def infusing() -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    return bed


def desaturate(bed: Bed) -> None:
    """Let the patient desaturate until the pump is stopped, and come back."""
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(12)
    assert bed.phase is Phase.PAUSED
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(20)


def resume(bed: Bed, by: str = "nurse-1") -> Step:
    """Release a restart, and start the pump where it was released."""
    done = bed.ask(PermitResume("awake, airway clear"), by=by)
    if any(isinstance(event, ResumePermitted) for event in done.events):
        bed.pump.running = True
        bed.run(3)
        assert bed.phase is Phase.INFUSING
    return done


@pytest.mark.requirement("S23")
@pytest.mark.rule("E14", "acts")
def test_the_third_stop_for_one_cause_wants_a_second_person() -> None:
    """Pins E14: two releases by one person, the third within ten minutes by two."""
    bed = infusing()
    for _ in range(2):
        desaturate(bed)
        assert taken(resume(bed))
    desaturate(bed)
    assert "another person" in taken(resume(bed))
    assert bed.phase is Phase.PAUSED
    assert "spo2-low stopped it 3 times" in refusal(resume(bed))
    assert bed.session.waits_for_second == "permit-resume"
    assert "may start" in taken(resume(bed, by="doctor-1"))
    assert bed.phase is Phase.INFUSING
    assert bed.session.waits_for_second is None
    bed.check()


@pytest.mark.rule("E14", "leaves alone")
def test_stops_further_apart_lock_nothing() -> None:
    """Pins the window of E14: the third stop more than ten minutes after the first is released by one person."""
    bed = infusing()
    desaturate(bed)
    resume(bed)
    bed.run(9 * 60)
    desaturate(bed)
    resume(bed)
    bed.run(60)
    desaturate(bed)
    assert taken(resume(bed))
    assert bed.phase is Phase.INFUSING


@pytest.mark.rule("E14", "leaves alone")
def test_a_persons_own_holds_lock_nothing() -> None:
    """Pins that only the gateway's stops count: a hold is a person's, however often."""
    bed = infusing()
    for _ in range(4):
        bed.ask(Hold("wait"))
        bed.run(5)
        assert "may start" in taken(resume(bed))


@pytest.mark.requirement("S31")
@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        (Metric.SPO2, 84, "spo2 84 %, below the limit of 90 %, would stop it again: wait until it is back inside"),
        (Metric.SPO2, 90, ""),
        (Metric.HR, 35, "hr 35 /min, below the limit of 40 /min, would stop it again"),
        (Metric.HR, 135, ""),
    ],
)
def test_a_release_waits_for_a_value_whose_delay_only_runs(metric: Metric, value: float, words: str) -> None:
    """Pins that a value past a limit that stops refuses the release at once, one past a limit that tells doesn't."""
    bed = infusing()
    bed.ask(Hold("wait"))
    bed.run(5)
    bed.monitor.values[metric] = value
    bed.run(1)
    assert not bed.alarms
    done = resume(bed)
    assert words in refusal(done)
    assert bool(refusal(done)) is bool(words)


@pytest.mark.requirement("S31")
@pytest.mark.rule("E10", "acts")
def test_a_release_wants_the_patient_looked_at() -> None:
    """Pins E10: without a valid SpO2 nobody releases a restart."""
    bed = infusing()
    bed.ask(Hold("wait"))
    bed.run(5)
    bed.monitor.values[Metric.SPO2] = None
    bed.run(8)
    assert "no valid spo2" in refusal(resume(bed))
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(2)
    assert taken(resume(bed))


@pytest.mark.parametrize(
    ("code", "value", "words"),
    [
        ("spo2-low", 90.0, ""),
        ("spo2-low", 89.9, "no lower than 90"),
        ("spo2-low", 101.0, "no lower than 90"),
        ("hr-high", 130.0, ""),
        ("hr-high", 130.1, "no higher than 130"),
        ("hr-high", float("nan"), "no higher than 130"),
        ("rate-high", 100.0, "has no limit that could be set"),
        ("none-such", 1.0, "has no limit that could be set"),
    ],
)
def test_a_limit_stays_within_the_outer_bounds(code: str, value: float, words: str) -> None:
    """Pins the bound, which is the condition's next row where the protocol states none, and one step past it."""
    bed = infusing()
    before = bed.state.durable.case
    said = refusal(bed.ask(Limits(code, value, "chronic"), by="doctor-1"))
    assert (words in said) if words else not said
    assert (bed.state.durable.case == before) is bool(words)


def test_a_condition_of_one_row_is_not_set_without_a_bound() -> None:
    """Pins that without an outer bound and a next row there is no room."""
    one = depression_40().conditions[0]
    given = replace(depression_40(), conditions=(replace(one, rows=one.rows[:1]),))
    bed = Bed(bed_setup(given))
    bed.infuse()
    assert "no outer bound" in refusal(bed.ask(Limits("spo2-low", 92.0, "chronic"), by="doctor-1"))


def test_a_limit_needs_a_case_a_reason_and_a_record() -> None:
    """Pins each of the three, and that nothing changes without them."""
    assert "no case" in refusal(Bed().ask(Limits("spo2-low", 92.0, "chronic")))
    bed = infusing()
    assert "with a reason" in refusal(bed.ask(Limits("spo2-low", 92.0, " ")))
    bed.give(JournalChanged(False, "disk full"))
    assert "not-recorded" in refusal(bed.ask(Limits("spo2-low", 92.0, "chronic")))
    assert bed.session.limits == ()


def test_a_limit_of_one_case_acts_at_once_and_leaves_the_severe_rows() -> None:
    """Pins a chronic 92: told no more at 93, still stopped at 84; and gone with the next case."""
    bed = infusing()
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(20)
    assert "spo2-low" in bed.alarms
    bed.ask(Limits("spo2-low", 91.0, "chronic"), by="doctor-1")
    bed.run(15)
    assert "spo2-low" not in bed.alarms
    bed.monitor.values[Metric.SPO2] = 84
    bed.run(7)
    assert bed.stops()
    bed.check()


def off(bed: Bed) -> None:
    """Take the patient off the monitors."""
    bed.monitor.off = {Sensor.PROBE, Sensor.LEADS}
    bed.monitor.values = dict.fromkeys(bed.monitor.values)


def on_hold() -> Bed:
    """Give a bed on hold, the pump seen at rest."""
    bed = infusing()
    bed.ask(Hold("toilet"))
    bed.run(5)
    assert bed.phase is Phase.PAUSED
    return bed


def test_a_patient_who_is_away_raises_no_monitor_alarm() -> None:
    """Pins ten minutes without monitor alarms, and that they come by themselves when the time is over."""
    bed = on_hold()
    assert taken(bed.ask(Away(10 * MINUTE)))
    off(bed)
    began = bed.now
    bed.run(599)
    assert not [code for code in bed.alarms if "probe" in code or "leads" in code or "spo2" in code]
    assert bed.session.away_until == began + 10 * MINUTE
    bed.run(1)
    assert "probe-off" in bed.alarms
    assert bed.session.away_until is None
    bed.check()


def test_without_a_word_the_same_toilet_break_is_told() -> None:
    """Pins that it is the announcement that quiets the monitors, and nothing else."""
    bed = on_hold()
    off(bed)
    bed.run(60)
    assert "probe-off" in bed.alarms


@pytest.mark.parametrize(("asked", "got"), [(11 * MINUTE, 10 * MINUTE), (5 * MINUTE, 5 * MINUTE)])
def test_away_is_bounded(asked: int, got: int) -> None:
    """Pins ten minutes as the longest, and that asking again doesn't make it longer than ten in all."""
    bed = on_hold()
    began = bed.now
    bed.ask(Away(asked))
    assert bed.session.away_until == began + got
    bed.run(240)
    bed.ask(Away(10 * MINUTE))
    assert bed.session.away_until == began + 10 * MINUTE


def test_coming_back_is_said_or_seen() -> None:
    """Pins that no time ends it, and that a pump that delivers ends it whatever was announced."""
    bed = on_hold()
    bed.ask(Away(10 * MINUTE))
    assert taken(bed.ask(Away(0)))
    assert bed.session.away_until is None
    assert "nobody is away" in refusal(bed.ask(Away(0)))
    bed.ask(PermitResume("back"))
    bed.ask(Away(10 * MINUTE))
    bed.monitor.values[Metric.SPO2] = 80
    bed.pump.running = True
    bed.run(12)
    assert bed.raised("spo2-low")
    assert bed.stops()


def test_nobody_is_away_while_anything_may_flow() -> None:
    """Pins the refusals: infusing, a stop that isn't confirmed, a pump that can't be seen at rest, no case."""
    bed = infusing()
    assert "hold the infusion" in refusal(bed.ask(Away(MINUTE)))
    bed.pump.obeys = False
    bed.ask(Hold("toilet"))
    assert refusal(bed.ask(Away(MINUTE)))
    assert refusal(Bed().ask(Away(MINUTE)))
    assert bed.session.away_until is None


def test_what_people_see_still_counts_while_the_patient_is_away() -> None:
    """Pins that only the monitors are quiet: a long pause is told as ever (E18)."""
    bed = on_hold()
    bed.run(4 * 60)
    bed.ask(Away(10 * MINUTE))
    bed.run(120)
    assert bed.alarms["paused-long"].priority is LOW


def test_the_alarm_is_tested() -> None:
    """Pins that a test sounds until it is acknowledged or its time is over, and degrades nothing."""
    bed = Bed()
    bed.run(3)
    assert taken(bed.ask(TestAlarm()))
    assert bed.alarms["test-alarm"].priority is MEDIUM
    assert "nurse-1" in bed.alarms["test-alarm"].text
    bed.run(29)
    assert "test-alarm" in bed.alarms
    bed.run(1)
    assert "test-alarm" not in bed.alarms
    bed.ask(TestAlarm())
    assert bed.session.supervision is Supervision.OK
    bed.ask(Acknowledge("test-alarm"), by="nurse-2")
    assert "test-alarm" not in bed.alarms
    assert bed.state.durable.alarm_heard_at == bed.now
    bed.check()


def test_no_alarm_is_tested_while_a_drug_runs() -> None:
    """Pins that a real alarm can't be taken for a test."""
    bed = infusing()
    assert "taken for a test" in refusal(bed.ask(TestAlarm()))
    assert "test-alarm" not in bed.alarms


@pytest.mark.requirement("S44")
@pytest.mark.rule("E17", "acts")
@pytest.mark.rule("E17", "leaves alone")
@pytest.mark.parametrize(("late", "told"), [(180, False), (182, True)])
def test_a_start_that_nobody_was_near_is_told(late: int, told: bool) -> None:
    """Pins E17: three minutes after a person was last heard the pump's start is told, low, and stops nothing."""
    bed = Bed(bed_setup(replace(depression_40(), start_within=3 * MINUTE)))
    bed.arm()
    bed.run(late - 1)
    bed.pump.running = True
    bed.run(3)
    assert bed.session.t0 is not None
    assert bool(bed.raised("started-unattended")) is told
    bed.run(130)
    assert "started-unattended" not in bed.alarms
    assert not bed.stops()


@pytest.mark.rule("E18", "acts")
@pytest.mark.parametrize(("minutes", "anew"), [(14, False), (16, True)])
def test_a_long_pause_wants_a_new_baseline(minutes: int, anew: bool) -> None:
    """Pins E18: after fifteen minutes of pause the vital signs at the restart are the new baseline."""
    bed = infusing()
    bed.pump.running = False
    bed.run(5)
    bed.monitor.values[Metric.HR] = 85
    bed.run(minutes * 60)
    bed.pump.running = True
    bed.run(3)
    assert (dict(bed.state.durable.case.baseline)[Metric.HR] == 85) is anew


def test_seconds_of_a_pause_are_no_bound() -> None:
    """Pins that asking to be away for a nanosecond is taken and over at once."""
    bed = on_hold()
    bed.ask(Away(1))
    bed.run(1)
    assert bed.session.away_until is None
    assert bed.now % SECOND == 0


def test_one_person_alone_releases_after_two_minutes_with_a_reason() -> None:
    """Pins the way past a lock for one person on site: asked twice, two minutes apart, with a reason (E14)."""
    bed = infusing()
    for number in range(3):
        desaturate(bed)
        if number < 2:
            resume(bed)
    bed.ask(PermitResume("nobody else is here"))
    bed.run(120)
    locked = "spo2-low stopped it 3 times within 10 min: "
    assert refusal(bed.ask(PermitResume(" "))) == locked + "one person alone must give a reason"
    assert taken(bed.ask(PermitResume("nobody else is here")))


def test_nothing_is_permitted_while_a_stop_is_under_way() -> None:
    """Pins that a second hold of a paused pump is seen through before it is released."""
    bed = on_hold()
    bed.ask(Hold("once more"))
    assert refusal(bed.ask(PermitResume("x"))) == "the pump is not yet seen to have stopped: wait for it"
    bed.run(5)
    assert taken(bed.ask(PermitResume("x")))


def test_nobody_leaves_while_a_pump_lies() -> None:
    """Pins that in recovery too a pump that says stopped while its volume rises keeps the patient on the monitors."""
    bed = infusing()
    bed.ask(End("enough"))
    bed.run(15)
    assert bed.phase is Phase.RECOVERY
    bed.pump.lies = bed.pump.said_stopped = bed.pump.running = True
    bed.run(5)
    words = "the pump was asked to stop and is not yet seen to have: wait for it"
    assert refusal(bed.ask(Away(MINUTE))) == words


def test_after_a_restart_rest_is_seen_anew() -> None:
    """Pins that nobody leaves the monitors on the word of what was seen before the process began."""
    bed = on_hold()
    bed.crash()
    assert refusal(bed.ask(Away(MINUTE))) == "zero flow is not seen: wait until the pump is seen at rest"
    bed.run(2)
    assert taken(bed.ask(Away(MINUTE)))


def test_a_shorter_time_away_holds_for_who_is_away() -> None:
    """Pins that under a protocol that now allows two minutes, who is away for five must come back first."""
    bed = on_hold()
    bed.ask(Away(10 * MINUTE))
    bed.run(300)
    bed.setup = bed_setup(replace(depression_40(), longest_away=2 * MINUTE))
    bed.crash()
    bed.run(2)
    words = "2 min are over: the patient must be back on the monitors first"
    assert refusal(bed.ask(Away(MINUTE))) == words


@pytest.mark.parametrize(("phases", "released"), [({Phase.PAUSED}, True), ({Phase.PAUSED, Phase.INFUSING}, False)])
def test_a_release_looks_at_what_would_be_judged_while_infusing(phases: set[Phase], released: bool) -> None:
    """Pins that a limit which is not watched while infusing holds nobody back, and that one which is does."""
    given = depression_40()
    watched = tuple(
        replace(condition, phases=frozenset(phases)) if condition.code == "spo2-low" else condition
        for condition in given.conditions
    )
    bed = Bed(bed_setup(replace(given, conditions=watched)))
    bed.infuse()
    bed.run(10)
    bed.ask(Hold("toilet"))
    bed.run(10)
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(1)
    done = bed.ask(PermitResume("back"))
    assert any(isinstance(event, ResumePermitted) for event in done.events) is released
