"""What is on record, and what a bed's own alarm makes of a word, at the moment that decides it."""

from dataclasses import replace

import pytest

from core_bed import HIGH, LOW, Bed
from infusion_gateway.core.bedside import AHEAD, PROBE_AGAIN, QUIET, SILENT_AFTER, Bedside, Burst, Word, alone
from infusion_gateway.core.durable import Carried, Durable
from infusion_gateway.core.evolve import evolve
from infusion_gateway.model.alarm import Sound
from infusion_gateway.model.events import (
    CaseMoved,
    CaseReceived,
    ChangeProposed,
    PatientAway,
    PhaseChanged,
    PrimeAnnounced,
    Sampled,
    SampledValue,
)
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Validity
from infusion_gateway.model.session import Phase


def received() -> CaseReceived:
    """Give a case that comes from another bed, where the first of two entries waits for the second."""
    bed = Bed()
    bed.infuse()
    proposed = ChangeProposed("extend", (("more_s", 60.0),), "nurse-1", "slowly")
    there = evolve(bed.state.durable, proposed, bed.now)
    assert there.case is not None
    return CaseReceived("chair-2", Carried(there.case, Phase.PAUSED, bed.now, there.account, None), "it comes")


def test_a_case_that_comes_finds_a_bed_of_its_own() -> None:
    """Pins that no purge, no absence and no half of a change, here or there, is any of the case that has come."""
    durable = evolve(Durable(), PrimeAnnounced(5 * MINUTE, "nurse-1", "x"), 1)
    durable = evolve(durable, PatientAway(5 * MINUTE, "nurse-1", "x"), 2)
    assert (durable.prime_until, durable.away_until) == (5 * MINUTE, 5 * MINUTE)
    event = received()
    assert event.carried.case.proposed is not None
    there = evolve(durable, event, 3)
    assert (there.prime_until, there.away_until) == (None, None)
    assert there.case is not None
    assert there.case.proposed is None
    assert there.case.came_from == "chair-2"


def test_a_case_that_is_here_already_moves_nothing_but_the_time() -> None:
    """Pins that an arrival which is told once more is on record with its time, and changes nothing else."""
    event = received()
    here = evolve(Durable(), event, 3)
    assert evolve(here, event, 9) == replace(here, at=9)


def test_a_bed_without_a_case_is_left_at_a_time_too() -> None:
    """Pins since when what is measured at a bed is of the next patient, also where no case was on record."""
    left = evolve(Durable(phase=Phase.ABORTED), PhaseChanged(Phase.CLOSED, Phase.ABORTED, "x"), 7)
    assert (left.at, left.left_at, left.left_subject) == (7, 7, "")
    moved = evolve(Durable(), CaseMoved("case-1", "chair-2", "x"), 7)
    assert (moved.at, moved.left_at) == (7, 7)


@pytest.mark.parametrize("validity", [Validity.INVALID, Validity.QUESTIONABLE, Validity.VALID])
def test_only_a_valid_pressure_is_one_that_recovery_has_seen(validity: Validity) -> None:
    """Pins that a pressure the monitor doubts doesn't count towards a case's pressures, whatever else is valid."""
    bed = Bed()
    bed.infuse()
    values = (
        SampledValue("monitor", Metric.SPO2, 97.0, Validity.VALID, 0),
        SampledValue("monitor", Metric.NIBP_SYS, 121.0, validity, 0),
        SampledValue("monitor", Metric.NIBP_DIA, 71.0, validity, 0),
    )
    durable = evolve(bed.state.durable, Sampled(values, Delivery.INFUSING, 0.1, 0, 0.1), bed.now)
    assert durable.case is not None
    seen = [(one.systolic, one.diastolic) for one in durable.case.pressures]
    assert seen == [(121.0, 71.0)] * (validity is Validity.VALID)


# --- the bed's own alarm


@pytest.mark.parametrize(
    ("said_at", "now", "good"),
    [
        (10 * SECOND, 10 * SECOND + SILENT_AFTER, True),
        (10 * SECOND, 10 * SECOND + SILENT_AFTER + 1, False),
        (10 * SECOND + AHEAD, 10 * SECOND, True),
        (10 * SECOND + AHEAD + 1, 10 * SECOND, False),
    ],
)
def test_how_old_and_how_young_a_good_word_is(said_at: Nanos, now: Nanos, good: bool) -> None:
    """Pins the oldest word that is still one, and how far ahead of our own clock one may be stamped."""
    alarm = Bedside(0)
    alarm.hear(Word(QUIET, said_at, attended=True, leaving=False), now)
    assert alarm.heard_at == (said_at if good else None)


def test_the_player_is_tried_when_that_is_due_and_not_at_the_next_look() -> None:
    """Pins that whoever asks what is due is told to come back for the next try, between two looks."""
    alarm = Bedside(0)
    alarm.hear(Word(QUIET, 0, attended=True, leaving=False), 0)
    alarm.played(SECOND // 2, heard=False)
    at = SECOND // 2 + PROBE_AGAIN
    alarm.hear(Word(QUIET, at - SECOND // 4, attended=True, leaving=False), at - SECOND // 4)
    assert alarm.due(at - SECOND // 4).next == at
    assert alarm.due(at).burst == Burst(None, reminder=False)


def test_a_reminder_after_quiet_is_heard_at_once() -> None:
    """Pins that a paused alarm which comes out of silence is heard when it comes, however lately another sounded."""
    alarm = Bedside(0)
    reminder = replace(alone("Look", LOW), sound=Sound.REMINDER, pulses=1, repeat=30 * SECOND)
    for at, shown in enumerate((alone("Look", HIGH), QUIET)):
        alarm.hear(Word(shown, at * SECOND, attended=True, leaving=False), at * SECOND)
        alarm.due(at * SECOND)
    alarm.hear(Word(reminder, 2 * SECOND, attended=True, leaving=False), 2 * SECOND)
    assert alarm.due(2 * SECOND).burst == Burst(LOW, reminder=True)
