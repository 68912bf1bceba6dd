"""The nuisance budget's own honesty: what is drawn is what the reference says, and what is counted is what it names."""

from pathlib import Path
from random import Random
from statistics import mean, stdev

import pytest

from infusion_gateway.model.events import StopAsked
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import Phase
from simulation import nuisance
from simulation.laying import BOOT
from simulation.nuisance import Session
from simulation.plan import Act, Plan
from simulation.story import Story

DRAWN = [nuisance.plan(seed, "") for seed in range(4000)]
AT_40_MIN = list(nuisance.COURSE).index(40)


def own(plan: Plan) -> list[tuple[float, float]]:
    """Give a patient's own pressures, by time."""
    return [(act[1], act[2]) for _, act in plan.acts if act[0] == "pressure"]


@pytest.mark.parametrize(("side", "rise", "spread"), [(0, 16.0, 11.2), (1, 11.0, 8.45)])
def test_a_pressure_rises_as_was_published(side: int, rise: float, spread: float) -> None:
    """Pins fact 7: the rise as it is found, with a beat's noise before and at the end, is of its mean and spread."""
    r, found = Random(1), []
    for plan in DRAWN:
        assert plan.pressure is not None
        found.append(own(plan)[AT_40_MIN][side] + r.gauss(0, nuisance.BEAT_NOISE) - plan.pressure[side])
    assert mean(found) == pytest.approx(rise, abs=0.7)
    assert stdev(found) == pytest.approx(spread, abs=0.4)


def test_a_severe_pressure_is_as_rare_as_was_published() -> None:
    """Pins fact 7: about one infusion in a hundred comes to a severe pressure of the patient's own, no fewer."""
    severe = sum(any(high >= 180 or low >= 110 for high, low in own(plan)) for plan in DRAWN)
    assert 0.0098 <= severe / len(DRAWN) <= 0.02


def test_nobody_begins_whom_the_gate_holds() -> None:
    """Pins that a baseline is found that may be armed with, and that some of them need a named person to pass."""
    found = [plan.pressure for plan in DRAWN if plan.pressure is not None]
    assert all(90 <= high < 160 and low < 100 for high, low in found)
    assert any(high >= 140 for high, _ in found)


def test_no_movement_takes_the_mark_from_another() -> None:
    """Pins that what a monitor doubts it doubts for the whole of a movement, whatever else is drawn."""
    for plan in DRAWN:
        doubted, until = False, 0.0
        for at, act in sorted(plan.acts, key=lambda one: one[0]):
            if act[0] == "set":
                doubted = act[3] == "spo2"
            elif act[0] == "artefact":
                assert at > until, f"{plan.seed}: two movements at once"
                assert doubted or act[1] >= 88, f"{plan.seed}: {act} is not doubted"
                until = at + act[2]


def judged(pressures: list[Act], asked: StopAsked, at: float, found: list[tuple[float, float]]) -> Session:
    """Give what is made of a stop at `at`, in a session of these own pressures, and of these diastolic ones found."""
    made = nuisance.plan(1, "")
    made.acts = pressures
    story = Story(made)
    story.case.started = 0.0
    story.patient.found += [(BOOT + round(when) * SECOND, {"nibp_sys": 140, "nibp_dia": low}) for when, low in found]
    came = Session(1, "")
    nuisance._judge(came, asked, at, story, {})
    return came


@pytest.mark.parametrize(
    ("diastolic", "at", "false"),
    [
        (110, 900.0, []),  # measured at 600 s, and no other reading since
        (109, 900.0, ["nibp-dia-high"]),
        (110, 599.0, ["nibp-dia-high"]),  # the patient's own pressure was not that yet
        (110, 1160.0 + nuisance.MEASURED_WITHIN_S, ["nibp-dia-high"]),  # nor was it any more
        (110, 1159.0 + nuisance.MEASURED_WITHIN_S, []),
    ],
)
def test_a_stop_is_true_where_the_patients_own_pressure_was(diastolic: int, at: float, false: list[str]) -> None:
    """Pins that the patient's own pressure while it was measured decides, not what the cuff made of it."""
    acts: list[Act] = [
        (0.2, ("pressure", 130, 80)),
        (600.0, ("pressure", 150, diastolic)),
        (1160.0, ("pressure", 140, 90)),
    ]
    asked = StopAsked("pump", Phase.PAUSED, ("nibp-dia-high",), by="", reason="")
    came = judged(acts, asked, at, [])
    assert (came.stops, came.false_stops, came.borderline) == (1, false, [])


@pytest.mark.parametrize(
    ("found", "true"),
    [
        ([(600, 112), (640, 110)], True),
        ([(600, 112)], False),
        ([(600, 112), (640, 109), (660, 112)], False),  # not in succession
        ([(400, 112), (640, 112)], False),  # the first is too long ago to be what stopped it
        ([(600, 112), (710, 112)], False),  # the second came after the stop
    ],
)
def test_a_stop_is_true_where_two_cuffs_found_it(found: list[tuple[float, float]], true: bool) -> None:
    """Pins that one noisy reading is no true cause, that two in succession are, and that those are counted apart."""
    asked = StopAsked("pump", Phase.PAUSED, ("nibp-dia-high",), by="", reason="")
    came = judged([(0.2, ("pressure", 140, 107))], asked, 700.0, found)
    assert came.borderline == (["nibp-dia-high"] if true else [])
    assert came.false_stops == ([] if true else ["nibp-dia-high"])


def test_sessions_that_are_kept_are_not_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a long count goes on where it was cut off, with the same figures."""
    monkeypatch.setattr(nuisance, "session", _counted)
    kept = tmp_path / "sessions.jsonl"
    drawn = [(seed, "") for seed in range(6)]
    first = list(nuisance.played(drawn[:4], kept))
    assert sorted(one.seed for one in first) == [0, 1, 2, 3]
    assert len(kept.read_text().splitlines()) == 4
    monkeypatch.setattr(nuisance, "session", _refused)
    assert sorted(one.seed for one in nuisance.played(drawn[:4], kept)) == [0, 1, 2, 3]
    again = next(iter(nuisance.played(drawn[2:3], kept)))
    assert (again.heard, again.codes) == (2, {"probe-off medium": 2})


def _counted(drawn: tuple[int, str]) -> Session:
    return Session(*drawn, heard=drawn[0], codes={"probe-off medium": drawn[0]})


def _refused(drawn: tuple[int, str]) -> Session:
    raise AssertionError(f"{drawn} is played again")


@pytest.mark.parametrize(
    ("come", "over", "said"),
    [
        ("_counted", 0, "p50 2 (at most 2), p95 3.8 (at most 5)"),
        ("_too_loud", 1, "p50 3 (at most 2), p95 4.8 (at most 5)"),
        ("_stopped", 1, "stops without a true cause: 5 (0 allowed)"),
        ("_unheard", 1, "true events missed: 4 of 4 (0 allowed)"),
        ("_broken", 1, "broken: 0 : S1: flow"),
    ],
)
def test_a_budget_that_is_overdrawn_fails(
    come: str, over: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pins that each line of the budget can fail it, and that sessions within all of them pass."""
    monkeypatch.setattr(nuisance, "session", globals()[come])
    assert nuisance.report(5) == over
    assert said in capsys.readouterr().out


def _too_loud(drawn: tuple[int, str]) -> Session:
    return Session(*drawn, heard=drawn[0] + 1)


def _stopped(drawn: tuple[int, str]) -> Session:
    return Session(*drawn, stops=1, false_stops=["spo2-low"])


def _unheard(drawn: tuple[int, str]) -> Session:
    return Session(*drawn, told=not drawn[1])


def _broken(drawn: tuple[int, str]) -> Session:
    return Session(*drawn, broken="S1: flow")


def test_movement_never_makes_a_low_value_look_better() -> None:
    """Pins that a true desaturation shows through a movement, which lasts while what it disturbs changes."""
    story = Story(nuisance.plan(1, ""))
    shown = []
    story.patient.moves(92)
    for value in (97, 84, 97):
        story.patient.vital("spo2", value)
        shown.append((story.world.truth("monitor")["spo2"], story.patient.measured()["spo2"]))
    story.patient.still()
    shown.append((story.world.truth("monitor")["spo2"], story.patient.measured()["spo2"]))
    assert shown == [(92, 92), (84, 84), (92, 92), (97, 97)]


def looked_on(event: str, acts: list[Act], seconds: int, *, started: bool = True, healed: bool = False) -> bool:
    """Say whether an event took effect, where nothing is done but these acts, and the gateway is not asked."""
    made = nuisance.plan(1, event)
    made.acts = acts
    story = Story(made)
    witness = nuisance.Witness(story, event)
    story.world.ticks[:] = [witness.tick]
    story.case.started = story.now if started else None
    story.world.press("pump", f"rate={made.rate_ml_h:g}")
    for at, act in acts:
        story.world.at(at, lambda act=act: story._do(act))
    story.healed = healed
    story.world.run(seconds)
    return witness.took_effect


TWICE: Act = (1.5, ("press", f"rate={2 * nuisance.plan(1, 'double-rate').rate_ml_h:g}"))
HALF_MORE: Act = (1.5, ("press", f"rate={1.5 * nuisance.plan(1, 'double-rate').rate_ml_h:g}"))
START: Act = (0.5, ("press", "start"))


@pytest.mark.parametrize(
    ("event", "acts", "seconds", "effect"),
    [
        ("double-rate", [START, TWICE], 4, True),
        ("double-rate", [START, TWICE], 3, False),  # less than two readings take
        ("double-rate", [TWICE], 60, False),  # it stands, as seed 75's did
        ("double-rate", [TWICE, (30.5, ("press", "start"))], 33, True),  # but whoever starts it then gives it
        ("double-rate", [START, HALF_MORE], 60, False),
        ("double-rate", [START, TWICE, (3.5, ("press", "pause"))], 60, False),
        ("desaturation", [(0.5, ("vital", "spo2", 84))], 6, True),
        ("desaturation", [(0.5, ("vital", "spo2", 84))], 5, False),
        ("desaturation", [(0.5, ("vital", "spo2", 85))], 60, False),
        ("desaturation", [(0.5, ("vital", "spo2", 84)), (0.6, ("sensor", "probe", "off"))], 6, True),  # still theirs
        ("bradycardia", [(0.5, ("vital", "hr", 36))], 11, True),
        ("bradycardia", [(0.5, ("vital", "hr", 36)), (9.5, ("vital", "hr", 70))], 60, False),
        ("pressure", [(0.5, ("cuff", 188, 112)), (60.5, ("cuff", 188, 112))], 62, True),
        ("pressure", [(0.5, ("cuff", 188, 112))], 62, False),
        ("pressure", [(0.5, ("pressure", 199, 119)), (60.5, ("cuff", 188, 112))], 62, False),  # one was not planted
    ],
)
def test_an_event_took_effect_where_it_truly_happened(event: str, acts: list[Act], seconds: int, effect: bool) -> None:
    """Pins that the simulators' truth decides whether an event happened, and for how long it must have."""
    assert looked_on(event, acts, seconds) is effect


def test_nothing_takes_effect_before_an_infusion_or_after_the_healing() -> None:
    """Pins that what is judged lies within the session that is counted."""
    assert looked_on("double-rate", [START, TWICE], 9)
    assert not looked_on("double-rate", [START, TWICE], 9, started=False)
    assert not looked_on("double-rate", [START, TWICE], 9, healed=True)


@pytest.mark.parametrize(("seed", "effect"), [(75, False), (3, True)])
def test_a_rate_that_is_pressed_on_a_pump_that_was_stopped_has_no_effect(seed: int, effect: bool) -> None:
    """Pins the case that was found: stopped for an own pressure before, and never run again; and one that is told."""
    came = nuisance.session((seed, "double-rate"))
    assert (came.took_effect, came.told) == (effect, effect)
    assert ("rate-high high" in came.codes) is effect


@pytest.mark.parametrize(
    ("come", "over", "said"),
    [
        (
            "_idle_once",
            0,
            ["4 with a true event (4 wanted)", "missed: 0 of 4", "had no effect: 1", "['3 double-rate']"],
        ),
        ("_idle_then_unheard", 1, ["missed: 1 of 4 (0 allowed) ['7 double-rate']", "had no effect: 1"]),
        ("_idle", 1, ["3 with a true event (4 wanted)", "missed: 0 of 3", "had no effect: 6"]),
    ],
)
def test_what_had_no_effect_is_told_and_made_up_for(
    come: str, over: int, said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pins that such a session is neither passed nor missed: the next seed counts, and too few of them fail."""
    monkeypatch.setattr(nuisance, "session", globals()[come])
    assert nuisance.report(5) == over
    told = capsys.readouterr().out
    assert [words for words in said if words not in told] == []


def _idle_once(drawn: tuple[int, str]) -> Session:
    return Session(*drawn, took_effect=drawn != (3, "double-rate"), told=drawn != (3, "double-rate"))


def _idle_then_unheard(drawn: tuple[int, str]) -> Session:
    return Session(*drawn, took_effect=drawn != (3, "double-rate"), told=drawn[1] != "double-rate")


def _idle(drawn: tuple[int, str]) -> Session:
    return Session(*drawn, took_effect=drawn[1] != "double-rate", told=drawn[1] != "double-rate")
