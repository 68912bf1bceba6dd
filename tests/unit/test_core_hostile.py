"""Hostile: numbers, codes and moments that are chosen to break the mind, by people and by devices."""

from dataclasses import replace

import pytest

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.step import Step
from infusion_gateway.core.views import alarms
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.events import DeadManSet, InstructionRefused
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.instructions import (
    Acknowledge,
    Amend,
    Away,
    Close,
    Confirm,
    End,
    Hold,
    Limits,
    PermitResume,
)
from infusion_gateway.model.metric import MINUTE, Metric
from infusion_gateway.model.observation import (
    DeadManReported,
    Delivery,
    DeliveryReported,
    Observation,
    PumpAlarm,
    Reading,
    Validity,
)
from infusion_gateway.model.session import Phase, WindowLimit

DAY = 24 * 60 * MINUTE


def answer(done: Step) -> str:
    """Give the reason of a refusal, "" where the instruction was taken."""
    return next((event.reason for event in done.events if isinstance(event, InstructionRefused)), "")


def session_of(bed: Bed, case: str, subject: str = "subject-1") -> str:
    """Run a session to its end and close it; give why its order was refused, "" where it was taken."""
    bed.run(3)
    refused = answer(bed.order(case=case, subject=subject))
    if refused:
        return refused
    bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    bed.pump.rate, bed.pump.running = 52.5, True
    bed.run(40 * 60)
    bed.ask(End("enough"))
    bed.run(10)
    bed.ask(Close("early, for the test"))
    assert bed.phase is Phase.CLOSED
    return ""


@pytest.mark.parametrize("rate", [5e-324, 1e-308, 1e-300, 1e-200])
def test_an_amendment_to_next_to_nothing_is_refused_in_words(rate: float) -> None:
    """Pins that a rate at which the dose would take longer than any number holds is refused like any other."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    assert "is above the protocol's 60 min" in answer(bed.ask(Amend(rate_ml_h=rate, dose_mg=34.0, reason="slower")))
    assert bed.phase is Phase.INFUSING


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-12])
def test_a_pump_that_says_next_to_nothing_for_a_rate_breaks_nothing(rate: float) -> None:
    """Pins that the time one step takes at such a rate is bounded, running and after a stop."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.pump.rate = rate
    bed.run(30)
    bed.ask(Hold("look"))
    bed.run(30)
    assert bed.phase is Phase.PAUSED


@pytest.mark.parametrize("resolution", [float("inf"), float("nan"), 0.0, -1.0, 1e300])
def test_a_counter_whose_step_is_no_length_is_counted_as_before(resolution: float) -> None:
    """Pins that a step that is no number, or none, is not taken up: a stop is confirmed by the counter all the same."""
    bed = Bed()
    bed.infuse()
    bed.run(30)
    bed.pump.mute = True

    def tell(delivery: Delivery, seconds: int) -> None:
        for _ in range(seconds):
            volume = Reading(Metric.VOLUME, bed.pump.counter, Validity.VALID, bed.now, resolution=resolution)
            rate = Reading(Metric.RATE, bed.pump.rate, Validity.VALID, bed.now)
            bed.give(Observed("pump", (DeliveryReported(delivery), rate, volume)))
            bed.run(1)

    tell(Delivery.INFUSING, 15)
    assert bed.state.live.pump.resolution == pytest.approx(0.001)
    bed.ask(Hold("look"))
    tell(Delivery.STOPPED, 5)
    assert bed.phase is Phase.PAUSED


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -5.0])
def test_a_dead_man_that_is_no_time_is_not_known(seconds: float) -> None:
    """Pins that it is neither recorded again at every reading, nor taken for one that is armed."""
    bed = Bed()
    bed.infuse()
    bed.run(30)
    bed.pump.keeps_dead_man = False
    bed.pump.dead_man = seconds
    before = len(bed.events(DeadManSet))
    bed.run(30)
    assert len(bed.events(DeadManSet)) <= before + 1
    assert "dead-man-not-armed" in bed.alarms
    bed.give(Observed("pump", (DeadManReported(20.0),)))
    assert "dead-man-not-armed" not in bed.alarms


def test_a_case_code_that_had_an_infusion_is_not_given_again() -> None:
    """Pins that two sessions under one code can't be counted as one: the day's limit would be passed unseen."""
    bed = Bed(bed_setup(replace(depression_40(), window_limits=(WindowLimit(DAY, 1.2, 1000.0),))))
    assert session_of(bed, "case-1") == ""
    assert "case-1 had an infusion here" in session_of(bed, "case-1")
    assert "CASE-1 had an infusion here" in session_of(bed, "CASE-1"), "capitals make no other case"
    assert session_of(bed, "case-2") == ""
    assert "the hard limit is 1.2 mg/kg, at most 1000 mg" in session_of(bed, "case-3")


@pytest.mark.parametrize("subject", ["Subject-1", " subject-1 ", "ｓｕｂｊｅｃｔ-1"])
def test_a_subject_typed_otherwise_is_the_same_subject(subject: str) -> None:
    """Pins that blanks and capitals make no other patient, for whom nothing was given today."""
    bed = Bed(bed_setup(replace(depression_40(), window_limits=(WindowLimit(DAY, 0.6, 1000.0),))))
    assert session_of(bed, "case-1") == ""
    assert "35 mg were given before" in session_of(bed, "case-2", subject)
    assert session_of(bed, "case-3", "subject-11") == ""


def test_nobody_away_hides_what_would_stop_the_pump_again() -> None:
    """Pins that the monitors are looked at before a restart is let, though nothing is judged while somebody is away."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.monitor.values[Metric.SPO2] = 80
    bed.run(30)
    assert bed.phase is Phase.PAUSED
    assert not answer(bed.ask(Limits("spo2-low", 91.0, "chronic"), by="doctor-1"))
    assert not answer(bed.ask(Away(5 * MINUTE)))
    bed.run(2)
    assert "spo2 80 %, below the limit of 90 %, would stop it again" in answer(bed.ask(PermitResume("better")))
    bed.ask(Away(0))
    bed.run(20)
    assert "spo2-low" in answer(bed.ask(PermitResume("better")))
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(20)
    assert not answer(bed.ask(PermitResume("better")))


def test_in_a_flood_what_sounds_is_not_put_behind_what_was_acknowledged() -> None:
    """Pins that a new alarm of the same cause stays in the open where the older one has been acknowledged."""
    bed = Bed()
    bed.infuse()
    bed.run(5)
    for _ in range(12):
        bed.pump.alarms = frozenset({PumpAlarm.OTHER})
        bed.run(2)
        bed.ask(Acknowledge("pump-other"))
        bed.pump.alarms = frozenset()
        bed.run(2)
    bed.pump.alarms = frozenset({PumpAlarm.OTHER})
    bed.run(2)
    bed.ask(Acknowledge("pump-other"))
    bed.pump.alarms = frozenset({PumpAlarm.OTHER, PumpAlarm.DEAD_MAN})
    bed.run(2)
    shown = {alarm.code: alarm for alarm in alarms(bed.state, bed.now)}
    assert shown["pump-other"].acknowledged_by == "nurse-1"
    assert not shown["pump-dead-man"].collapsed
    bed.ask(Acknowledge("pump-dead-man"))
    listed = alarms(bed.state, bed.now)
    assert [alarm.code for alarm in listed if alarm.collapsed] == ["pump-dead-man"]


@pytest.mark.parametrize("phase", [Phase.ARMED, Phase.INFUSING, Phase.PAUSED])
def test_a_pump_that_does_not_say_what_it_does_is_told(phase: Phase) -> None:
    """Pins that a state which nobody can read is never fine: medium after ten seconds, gone once it is told again."""
    bed = Bed()
    if phase is Phase.ARMED:
        bed.arm()
    else:
        bed.infuse()
    if phase is Phase.PAUSED:
        bed.pump.running = False
    bed.run(5)
    assert bed.phase is phase
    assert "delivery-unknown" not in bed.alarms
    known = bed.pump.report

    def unclear(now: int) -> tuple[Observation, ...]:
        return tuple(
            DeliveryReported(Delivery.UNKNOWN) if isinstance(one, DeliveryReported) else one for one in known(now)
        )

    bed.pump.report = unclear  # type: ignore[method-assign]  # the same pump, only its word is another
    bed.run(10)
    assert "delivery-unknown" not in bed.alarms
    bed.run(1)
    assert bed.alarms["delivery-unknown"].priority is Priority.MEDIUM
    assert bed.phase is phase
    bed.pump.report = known  # type: ignore[method-assign]  # and now its own again
    bed.run(1)
    assert "delivery-unknown" not in bed.alarms
