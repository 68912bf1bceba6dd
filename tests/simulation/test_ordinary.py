"""What happens in every second session, in whole simulated ones: no stop, and what is told is what the table says."""

from infusion_gateway.model.events import (
    CaseLimitSet,
    ConditionRaised,
    InstructionRefused,
    SignalSuppressed,
    StopAsked,
)
from simulation import nuisance
from simulation.plan import Act, Plan
from simulation.story import Story


def plan(minutes: float, *acts: Act, acknowledges: float = 0.0) -> Plan:
    """Give an ordinary session of depression-40 with nothing in it but these, the cuff and the assessments on time."""
    made = nuisance.plan(1, "")
    assessed: list[Act] = [(at, ("say", "sedation")) for at in (120, 840, 1440, 2160)]
    made.acts = sorted([*acts, *assessed], key=lambda act: act[0])
    made.minutes, made.hurt_s, made.acknowledges = minutes, minutes * 60 - 30, acknowledges
    made.rate_ml_h, made.weight_kg = 45.0, 60.0
    made.pressure, made.beat_noise = (122.0, 76.0), 0.0
    return made


def played(made: Plan, *, athlete: bool = False) -> Story:
    """Play it; an athlete's rate is 44, and a clinician sets 40 for the case once it is ordered. Nothing is broken."""
    story = Story(made)
    if athlete:
        story.patient.vital("hr", 44)
        story.world.at(20, lambda: story.people.limits("hr-low", 40.0))
    assert not story.play().findings
    return story


def told(story: Story) -> list[tuple[str, str]]:
    """Give what was told while it ran, in order: code and priority."""
    until = (story.case.started or 0.0) + story.plan.hurt_s
    raised = [fact.event for fact in story.court.facts if isinstance(fact.event, ConditionRaised) and fact.now < until]
    return [(event.code, event.priority.name.lower()) for event in raised]


def stopped(story: Story) -> bool:
    """Say whether the gateway asked for a stop by itself while it ran."""
    until = (story.case.started or 0.0) + story.plan.hurt_s
    asked = [fact.event for fact in story.court.facts if isinstance(fact.event, StopAsked) and fact.now < until]
    return any(not event.by for event in asked)


def test_a_probe_falls_off() -> None:
    """Pins low after 10 s, medium after 30, high after 60, and nothing but that; it is told, and nothing is stopped."""
    story = played(plan(6, (60, ("sensor", "probe", "off")), (130, ("sensor", "probe", "on"))))
    assert told(story) == [("probe-off", "low"), ("probe-off", "medium"), ("probe-off", "high")]
    assert not stopped(story)


def test_the_cuff_on_the_spo2_arm() -> None:
    """Pins three cuffs of half a minute that take the signal away: on record, and nothing at all is told."""
    story = played(plan(17))
    suppressed = [fact for fact in story.court.facts if isinstance(fact.event, SignalSuppressed)]
    assert len(suppressed) >= 3
    assert told(story) == []
    assert not stopped(story)


def test_a_toilet_break() -> None:
    """Pins a pause at the pump with everything taken off and `away` said, and back: nothing is told of it."""
    story = played(plan(9, (60, ("toilet", 200.0))))
    assert story.case.paused_s > 150
    assert told(story) == []
    assert not stopped(story)


def test_a_resting_rate_of_44() -> None:
    """Pins that an athlete waits until a clinician has set the case's own limit, and that then nothing is told."""
    story = played(plan(12), athlete=True)
    events = [fact.event for fact in story.court.facts]
    refused = [event.reason for event in events if isinstance(event, InstructionRefused)]
    assert any("a clinician sets the limit for this case" in reason for reason in refused)
    assert [(event.code, event.limit) for event in events if isinstance(event, CaseLimitSet)] == [("hr-low", 40.0)]
    assert story.case.started is not None
    assert told(story) == []
    assert not stopped(story)


def test_165_over_95_at_minute_30() -> None:
    """Pins one medium alarm at the reading, quiet at the next ones once it is acknowledged, and no stop."""
    rises: list[Act] = [(m * 60.0 - 40, ("pressure", 122 + m, 76 + m // 2)) for m in (5, 10, 15, 20, 25)]
    story = played(plan(40, *rises, (1760, ("pressure", 165, 95)), acknowledges=1.0))
    assert told(story) == [("nibp-sys-high", "medium")]
    assert not stopped(story)


def test_a_severe_reading_that_its_repetition_does_not_find() -> None:
    """Pins 112 once: medium, the cuff is repeated as the alarm asks, and nothing is stopped."""
    story = played(plan(9, (260, ("pressure", 150, 112)), (314, ("pressure", 150, 95)), acknowledges=1.0))
    assert told(story) == [("nibp-dia-high", "medium")]
    assert [found["nibp_dia"] for _, found in story.court.pressures][-3:] == [95, 95, 76]
    assert not stopped(story)


def test_a_severe_reading_that_rises_under_an_acknowledgement() -> None:
    """Pins that whoever repeats the cuff sees what it finds: 105, 112, and 95 once it is started again; no stop."""
    rises: list[Act] = [(260, ("pressure", 150, 105)), (314, ("pressure", 150, 112)), (350, ("pressure", 150, 95))]
    story = played(plan(9, *rises, acknowledges=1.0))
    assert told(story)[:2] == [("nibp-dia-high", "medium"), ("nibp-dia-high", "medium")]
    assert not stopped(story)


def test_a_severe_pressure_that_stays() -> None:
    """Pins a stop for a pressure that is there, its release once that is over, and no start without."""
    severe: list[Act] = [(260, ("pressure", 160, 114)), (480, ("pressure", 140, 90))]
    story = played(plan(20, *severe, (800, ("toilet", 60.0)), acknowledges=1.0))
    assert stopped(story)
    assert "restarted-without-release" not in {code for code, _ in told(story)}
    assert story.case.released is not None
    assert story.case.delivering_s > 500
