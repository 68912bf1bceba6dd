"""The alarm-delay study's own arithmetic: planted truth, what is found, what is false, and the text made of it."""

import math
import os
from itertools import pairwise
from pathlib import Path

import pytest

from infusion_gateway.model.observation import Validity
from study.__main__ import RECORDINGS, main
from study.judging import DELAYS_S, LIMITS, SETTINGS, Raised, Tally, alarms, count, judge
from study.patients import LENGTH_S, Event, Reading, events, patient
from study.recorded import judge_all, judge_recording, readings
from study.report import NO_RECORDINGS, document


def saying(*parts: tuple[float, int]) -> list[Reading]:
    """Give readings: so many seconds of each value."""
    return [Reading(value) for value, seconds in parts for _ in range(seconds)]


def test_the_same_seed_gives_the_same_patient() -> None:
    """Pins that a session is its seed, and another seed is another session."""
    assert patient(3) == patient(3)
    assert patient(3) != patient(4)
    assert len(patient(3).truth) == len(patient(3).readings) == LENGTH_S


def test_a_patient_holds_what_is_said_of_it() -> None:
    """Pins truth that falls below 94 again and again, and readings that are marked, absent and none."""
    made = patient(1)
    assert 3 <= len(events(made.truth, 94)) <= 20
    assert min(made.truth) < 93
    assert {r.validity for r in made.readings} >= {Validity.VALID, Validity.INVALID}
    assert any(r.absent for r in made.readings)
    assert all(r.value is None or r.value == round(r.value) for r in made.readings)


@pytest.mark.parametrize(
    ("truth", "found"),
    [
        ((95.0, 95.0), []),
        ((95.0, 93.9, 93.0, 94.0), [Event(1, 3)]),
        ((90.0, 90.0), [Event(0, 2)]),
        ((93.0, 94.0, 93.0), [Event(0, 1), Event(2, 3)]),
    ],
)
def test_events_are_the_truth_below_the_limit(truth: tuple[float, ...], found: list[Event]) -> None:
    """Pins onset and end, at the limit itself, at the edges, and one after the other."""
    assert list(events(truth, 94)) == found


def test_an_alarm_comes_after_its_delay_and_not_below_its_limit() -> None:
    """Pins the production evaluation at work: 89 percent for 30 s alarms below 94 and 90, each after its delay."""
    raised = alarms(saying((98, 20), (89, 30), (98, 30)))
    for percent, delay in SETTINGS:
        times = [alarm.at for alarm in raised[percent, delay]]
        assert times == ([] if percent == 88 else [pytest.approx(20 + delay, abs=0.01)])


def test_a_short_dip_alarms_with_a_short_delay_alone() -> None:
    """Pins that seven seconds below the limit are told with delays of 0 and 5 s, and not with 10 or 15."""
    raised = alarms(saying((98, 20), (80, 7), (98, 30)))
    assert [delay for percent, delay in SETTINGS if percent == 94 and raised[percent, delay]] == [0, 5]


def test_an_alarm_that_lasts_is_one_and_a_second_dip_is_another() -> None:
    """Pins that what rises or lasts is counted once, and what comes back after clearing again."""
    raised = alarms(saying((98, 5), (80, 60), (98, 30), (80, 30), (98, 20)))
    assert [len(raised[setting]) for setting in SETTINGS] == [2] * len(SETTINGS)
    first = raised[90, 0][0]
    assert 60 < first.over - first.at < 80
    assert not first.lost


def test_a_signal_that_is_lost_below_a_high_limit_is_told_as_such() -> None:
    """Pins that the rule of the lost signal is told apart, and holds below the high limits alone."""
    gone = [Reading(None, Validity.INVALID) for _ in range(50)]
    raised = alarms([*saying((98, 10), (80, 3)), *gone])
    assert [alarm.lost for alarm in raised[90, 15]] == [True]
    assert raised[94, 15] == []


def test_counting_what_was_found_and_what_was_false() -> None:
    """Pins every kind of alarm: in an event, soon after it, there before it, and nobody's; an event missed."""
    tally = Tally()
    planted = [Event(100, 120), Event(200, 205), Event(300, 330), Event(500, 540)]
    raised = [Raised(104, False, 140), Raised(214, False, 230), Raised(290, False, 310), Raised(700, True, 710)]
    count(tally, planted, raised)
    assert (tally.events, tally.found, tally.lasting, tally.lasting_found) == (4, 3, 3, 2)
    assert (tally.false, tally.lost) == (1, 1)
    assert tally.delays_s == [4, 14]
    assert (tally.median_s, tally.p90_s) == (9, 14)


def test_an_alarm_that_is_over_before_or_comes_too_late_belongs_to_no_event() -> None:
    """Pins the edges: cleared before the onset, and raised later than ten seconds after the end."""
    assert not Raised(50, False, 99.9).belongs_to(Event(100, 120))
    assert Raised(50, False, 100).belongs_to(Event(100, 120))
    assert Raised(130, False).belongs_to(Event(100, 120))
    assert not Raised(130.1, False).belongs_to(Event(100, 120))


def test_nothing_found_has_no_delay() -> None:
    """Pins that an empty tally gives no number where there is none."""
    assert math.isnan(Tally().median_s)
    assert math.isnan(Tally().p90_s)


def test_a_longer_delay_never_finds_more_of_the_seeded_events() -> None:
    """Pins the study's sense over two sessions: with more delay fewer are found, fewer are false, and all are later."""
    tallies = judge([patient(1), patient(2)])
    for percent in LIMITS:
        of_limit = [tallies[percent, delay] for delay in DELAYS_S]
        assert of_limit[0].events > 5
        for shorter, longer in pairwise(of_limit):
            assert longer.found <= shorter.found
            assert longer.false <= shorter.false
            assert longer.median_s > shorter.median_s


def test_a_recording_is_counted() -> None:
    """Pins what is said of a recording: length, missing values, lowest, seconds below each limit."""
    said = [*saying((97, 20), (89, 20)), Reading(None, Validity.INVALID)]
    found = judge_recording("32", said)
    assert (found.seconds, found.missing, found.lowest, found.below) == (41, 1, 89, (20, 20, 0))
    assert [alarm.at for alarm in found.raised[94, 5]] == [pytest.approx(25, abs=0.01)]


def test_a_recording_is_read_with_its_gaps(tmp_path: Path) -> None:
    """Pins that a missing value is an invalid one, and a folder without recordings is none."""
    file = tmp_path / "bidmc_99_Numerics.csv"
    file.write_text("Time [s], HR, PULSE, RESP, SpO2\n0,80,80,15,97\n1,80,80,15,NaN\n")
    assert readings(file) == [Reading(97.0), Reading(None, Validity.INVALID)]
    assert [one.name for one in judge_all(tmp_path) or []] == ["99"]
    assert judge_all(tmp_path / "nowhere") is None


def test_the_text_is_made_of_the_numbers() -> None:
    """Pins that the document states its sessions, its numbers, the data's source, and that few events are in it."""
    tallies = judge([patient(1)])
    one = judge_recording("32", saying((97, 20), (84, 20)))
    text = document(tallies, 1, [one])
    tally = tallies[90, 15]
    assert "from 1 seeded sessions" in text
    assert f"| < 90 % | 15 s | {tally.events} | {tally.found} (" in text
    words = " ".join(text.split())
    assert f"raises {tally.false} false alarms" in words
    assert "**Few events**: 1 of them (32)" in words
    assert "Pimentel et al. 2016" in text
    assert "PhysioNet" in text
    assert NO_RECORDINGS in document(tallies, 1, None)
    assert "{" not in text


def test_the_command_writes_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pins the command: where it writes, that missing recordings are said, and that none can't be asked for."""
    out = tmp_path / "study.md"
    assert main(["--sessions", "1", "--recordings", str(tmp_path / "none"), "--out", str(out)]) == 0
    assert NO_RECORDINGS in out.read_text()
    assert "no recordings in" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--sessions", "0"])


def test_the_recorded_patients_alarm_as_they_must() -> None:
    """Pins real input: 32 is below every limit from its first second and told once; only 32 and 52 are below 94."""
    if not RECORDINGS.is_dir():
        if os.environ.get("REQUIRE_RECORDINGS") == "1":
            pytest.fail(f"REQUIRE_RECORDINGS is set, and there is no {RECORDINGS}")
        pytest.skip(f"no recordings at {RECORDINGS}; docs/scenarios.md says where they can be had")
    found = {one.name: one for one in judge_all(RECORDINGS) or []}
    assert len(found) == 11
    assert [one.name for one in found.values() if any(one.below)] == ["32", "52"]
    for setting in SETTINGS:
        assert [round(alarm.at) for alarm in found["32"].raised[setting]] == [setting[1]]
    assert not any(found["01"].raised.values())
