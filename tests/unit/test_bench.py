"""The bench's own arithmetic: percentiles, and which message tells which step."""

import json
import math

from bench.figures import Figure, percentile, spread, table
from bench.outside import SPOKEN, Message, Step, latencies
from bench.viewing import Viewed, figures

MS = 1_000_000


def message(at_ms: float, pulse: float) -> Message:
    said = json.dumps({"observations": [{"mdc": "MDC_ECG_HEART_RATE", "value": 1}, {"mdc": SPOKEN, "value": pulse}]})
    return Message(round(at_ms * MS), "bed-0/telemetry/monitor", said.encode())


def test_a_percentile_is_a_sample_that_so_many_do_not_exceed():
    """Pins the nearest rank: no figure is told that wasn't measured, and p99 of a few is their longest."""
    samples = [float(n) for n in range(1, 101)]
    assert [percentile(samples, p) for p in (1, 50, 95, 99, 100)] == [1, 50, 95, 99, 100]
    assert percentile([3.0, 1.0, 2.0], 99) == 3.0
    assert percentile([7.0], 50) == 7.0
    assert math.isnan(percentile([], 50))


def test_a_step_is_told_by_the_first_message_after_it_was_said():
    """Pins that an old value with the same number, a repeat and a lost step lengthen nothing."""
    steps = [Step(10, 0), Step(11, 100 * MS, 150 * MS), Step(12, 300 * MS, 350 * MS), Step(13, 500 * MS, 550 * MS)]
    heard = [message(149, 11), message(151, 11), message(160, 11), message(552, 13), message(600, 13)]
    assert latencies(steps, heard) == ([51.0, 52.0], [1.0, 2.0])


def test_what_was_never_told_is_no_latency():
    """Pins that a value which comes back a second later, by another step, isn't taken for this one's."""
    assert latencies([Step(11, MS, 2 * MS)], [message(1500, 11)]) == ([], [])


def test_an_aim_that_is_missed_is_said_to_be():
    """Pins that the table and the JSON say so, and that a figure without samples is neither a number nor an aim met."""
    figures = spread("part", "what", [1.0, 30.0], [0.5], aims={50: 2.0, 99: 10.0})
    assert [one.met for one in figures] == [True, None, False]
    assert figures[0].ratio == 2.0
    assert "| NO  |" in table(figures)
    nothing = spread("part", "what", [], aims={99: 10.0})[2]
    assert nothing.met is False
    assert nothing.as_dict()["value"] is None
    assert Figure("part", "what", 1.0, "s", 1).as_dict()["ratio"] is None


def test_an_alarm_that_is_never_drawn_is_no_aim_met():
    """Pins that one lost alarm of ten is p95, and that a slow view, a busy station and a jerky page are told so."""
    good = Viewed(first=[400.0, 600.0], frames=[16.7] * 99, alarms=[40.0] * 10, streamed=[5.0], heard=[2.0], cpu=8.0)
    bad = Viewed(
        first=[400.0, 1200.0],
        frames=[16.7] * 9 + [50.0],
        alarms=[40.0] * 9 + [math.inf],
        streamed=[5.0],
        heard=[2.0],
        cpu=16.0,
    )
    assert {one.what for one in figures(good, good) if one.met} == {
        "longest",
        "published to drawn, p95",
        "CPU of the station",
        "between two frames, p95",
    }
    assert [one.met for one in figures(bad, good) if one.aim] == [False] * 4
