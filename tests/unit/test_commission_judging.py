"""What a try shows, at each limit and one step either side."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.commissioning import judging
from infusion_gateway.commissioning.findings import Place, Verdict
from infusion_gateway.commissioning.seen import MOST, MOST_FAULTS, Seen
from infusion_gateway.model.inputs import Faulted, LinkLost, LinkOpened, Observed
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    PumpAlarm,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)

PUMP, OTHER = Place("chair-1", "pump"), Place("chair-2", "pump")
RUNS, RESTS = Delivery.INFUSING, Delivery.STOPPED
WHO = Identified((("model", "NE1000"), ("address", "1")))


def pump(*reports: tuple[float, Delivery | None, float | None], rate: float = 36.0, step: float = 0.001) -> Seen:
    """Give a pump that said these things: at (seconds), what it does, its volume (mL)."""
    seen = Seen()
    for at, delivery, volume in reports:
        said = [] if delivery is None else [DeliveryReported(delivery)]
        now = int(at * SECOND)
        readings = [Reading(Metric.RATE, rate, Validity.VALID, now)]
        if volume is not None:
            readings.append(Reading(Metric.VOLUME, volume, Validity.VALID, now, resolution=step))
        seen.take(Observed("pump", (*said, *readings)), now)
    return seen


# --- who is there


def test_who_answers_is_told_from_who_does_not() -> None:
    """Pins the verdict and the words of each way in which a device can fail to be the configured one."""
    pins = {"4711": PUMP, "4712": OTHER}

    def said(*given: object, found: str = "") -> tuple[bool, str]:
        seen = Seen()
        for one in given:
            seen.take(one, SECOND)  # type: ignore[arg-type]  # inputs of a line
        finding = judging.identified(PUMP, seen, pins, found)
        return finding.verdict is Verdict.PASSED, finding.words

    wrong = Faulted("pump", Fault(FaultKind.WRONG_DEVICE, "serial-number is '4712', not '4711'"))
    strange = Faulted("pump", Fault(FaultKind.WRONG_DEVICE, "serial-number is '9', not '4711'"))
    noise = Faulted("pump", Fault(FaultKind.FRAMING, "no frame"))
    opened = LinkOpened("pump")
    assert said(opened, Observed("pump", (WHO,))) == (True, "model NE1000, address 1. It shows no value")
    assert said(opened, Observed("pump", (DeliveryReported(RESTS),)))[0]  # it streams, and never says who it is
    assert "that is chair-2/pump: the two are swapped" in said(opened, wrong)[1]
    assert "it is another one, or the pin is wrong" in said(opened, strange)[1]
    assert said(opened, wrong, Observed("pump", (WHO,)))[0]  # it was asked again, and is the one
    assert said(LinkLost("pump", "no such port"))[1] == "its line can't be opened: no such port"
    assert said()[1] == "its line can't be opened: it does not open"
    assert said(opened)[1] == "nobody answers: look at power, cable and address"
    assert "wrong baud or framing?" in said(opened, noise)[1]
    assert said(opened, noise, found="wrong address: 7")[1] == "wrong address: 7"


def test_what_is_told_of_a_device_is_what_it_said_last() -> None:
    """Pins the sentence that a person holds against the screen, doubtful values as none."""
    seen = pump((1, RUNS, 0.5))
    more = (
        WHO,
        AlarmsReported(frozenset({PumpAlarm.STALL})),
        SensorReported(Sensor.PROBE, SensorState.OFF),
        Reading(Metric.SPO2, 97.0, Validity.QUESTIONABLE, SECOND),
        DeadManReported(20),
    )
    seen.take(Observed("pump", more), 2 * SECOND)
    assert seen.told() == (
        "model NE1000, address 1. infusing, rate 36 mL/h, volume 0.5 mL, spo2 no valid value, probe off, alarm stall"
    )
    assert seen.dead_man == (2 * SECOND, 20)
    assert len(pump(*((n, RUNS, n) for n in range(MOST + 5))).volumes) == MOST
    for n in range(MOST_FAULTS + 1):
        seen.take(Faulted("pump", Fault(FaultKind.CHECKSUM, str(n))), SECOND)
    assert len(seen.faults) == MOST_FAULTS


def test_one_report_of_delivery_is_no_run() -> None:
    """Pins that a pump runs from the second report on, that KVO and a bolus are delivery, and unknown is not."""
    assert not pump((1, RUNS, 0)).runs
    assert pump((1, RUNS, 0), (2, Delivery.KVO, 0)).runs
    assert pump((1, Delivery.BOLUS, 0), (2, RUNS, 0)).runs
    assert not pump((1, RUNS, 0), (2, RESTS, 0)).runs
    assert not pump((1, RUNS, 0), (2, Delivery.UNKNOWN, 0)).runs


# --- the rate


@pytest.mark.parametrize(
    ("read", "words"), [(57.0, ""), (63.0, ""), (56.9, "56.9 mL/h is read"), (63.1, "63.1 mL/h is read")]
)
def test_a_rate_is_held_against_what_was_set(read: float, words: str) -> None:
    """Pins five percent of 60 mL/h, at it and beside it."""
    per_s = read / 3600
    seen = pump(*((n, RUNS, n * per_s) for n in range(10)), rate=read)
    found = judging.ran(PUMP, 60.0, seen, 0)
    assert (found.verdict is Verdict.FAILED) is bool(words)
    assert words in found.words


@pytest.mark.parametrize(("part", "fails"), [(1.0, False), (1.17, False), (1.2, True), (0.8, True), (0.0, True)])
def test_a_counter_goes_with_the_rate(part: float, fails: bool) -> None:
    """Pins that a counter that gains a fifth too much or too little, or stands still, does not pass."""
    seen = pump(*((n, RUNS, n * 0.01 * part) for n in range(11)))  # 36 mL/h are 0.01 mL a second
    found = judging.ran(PUMP, 36.0, seen, 0)
    assert (found.verdict is Verdict.FAILED) is fails
    assert dict(found.figures)["watched_s"] == 10


def test_a_pump_that_tells_no_rate_or_no_volume_has_not_passed() -> None:
    """Pins that unknown is not fine, and that a volume of before doesn't count."""
    silent = Seen()
    silent.take(Observed("pump", (DeliveryReported(RUNS), DeliveryReported(RUNS))), SECOND)
    assert judging.ran(PUMP, 36.0, silent, 0).words == "it runs and says no rate"
    old = pump((1, RUNS, 0.0), (2, RUNS, 0.01), (3, RUNS, None))
    assert judging.ran(PUMP, 36.0, old, 3 * SECOND).words == "its volume counter says nothing"


# --- the stop


def test_a_stop_is_confirmed_by_the_second_report_in_a_row() -> None:
    """Pins that one report is none, that delivery in between begins anew, and that what was before doesn't count."""

    def at(*said: tuple[int, Delivery]) -> int | None:
        return judging.confirmed_at([(when * SECOND, what) for when, what in said], 10 * SECOND)

    assert at((11, RESTS)) is None
    assert at((11, RESTS), (12, RESTS)) == 12 * SECOND
    assert at((10, RESTS), (12, RESTS)) is None  # the first is no later than the question
    assert at((11, RESTS), (12, RUNS), (13, RESTS)) is None
    assert at((11, RESTS), (12, Delivery.KVO), (13, RESTS), (14, RESTS)) == 14 * SECOND


@pytest.mark.parametrize(("second_s", "words"), [(18.0, "at rest 8.00 s"), (18.1, "it stops only after 8.1 s")])
def test_a_stop_has_its_time(second_s: float, words: str) -> None:
    """Pins the protocol's limit, at it and just past it."""
    seen = pump((9, RUNS, 1.0), (17, RESTS, 1.02), (second_s, RESTS, 1.02), (25, RESTS, 1.02))
    found = judging.stopped(PUMP, seen, 10 * SECOND, 8 * SECOND)
    assert words in found.words
    assert (found.verdict is Verdict.PASSED) is (second_s == 18.0)


def test_the_figures_of_a_stop() -> None:
    """Pins first word, confirmation, what ran on meanwhile, and for how long the volume was watched."""
    seen = pump((9, RUNS, 1.0), (10.5, RESTS, 1.005), (11.5, RESTS, 1.005), (17.5, RESTS, 1.005))
    found = judging.stopped(PUMP, seen, 10 * SECOND, 8 * SECOND)
    assert dict(found.figures) == pytest.approx(
        {"first_s": 0.5, "confirmed_s": 1.5, "run_on_ml": 0.005, "watched_s": 6.0, "gained_ml": 0.0}
    )


@pytest.mark.parametrize("last", [1.005, 1.006])
def test_one_step_of_the_volume_after_a_stop_is_a_lie(last: float) -> None:
    """Pins that the smallest step that the counter has is enough."""
    seen = pump((9, RUNS, 1.0), (11, RESTS, 1.005), (12, RESTS, 1.005), (20, RESTS, last))
    found = judging.stopped(PUMP, seen, 10 * SECOND, 8 * SECOND)
    assert found.words.startswith("it lies") is (last > 1.005)


def test_a_stop_whose_volume_is_not_seen_afterwards_has_not_passed() -> None:
    """Pins that a status alone proves nothing, and that a pump that says nothing refuses."""
    seen = pump((9, RUNS, 1.0), (11, RESTS, None), (12, RESTS, None))
    assert "whether it stopped is not known" in judging.stopped(PUMP, seen, 10 * SECOND, 8 * SECOND).words
    assert judging.stopped(PUMP, Seen(), 10 * SECOND, 8 * SECOND).words.endswith("it says nothing after 8 s")


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20))
def test_a_rise_is_what_came_after(volumes: list[float]) -> None:
    """Pins that only reports from that moment on count, whatever was before."""
    reports = deque((n * SECOND, ml) for n, ml in enumerate(volumes))
    assert judging.rise(reports, 0) == volumes[-1] - volumes[0]
    assert judging.rise(reports, (len(volumes) - 1) * SECOND) == 0
    assert judging.rise(reports, len(volumes) * SECOND) == 0


# --- the dead man


def pulled(ran_s: float, *, rests: bool = True, step: float = 0.001) -> tuple[Verdict, str]:
    """Pull a dead man of 20 s at 100 s, asked again at 130 s; it ran on for so long."""
    seen = pump((100, RUNS, 1.0), (130, RESTS if rests else RUNS, 1.0 + 0.01 * ran_s), step=step)
    found = judging.dead_man(PUMP, 20, seen, fed_at=100 * SECOND, heard_again_at=130 * SECOND, rate_ml_h=36.0)
    return found.verdict, found.words


@pytest.mark.parametrize(
    ("ran_s", "passes"), [(20, True), (26.2, True), (26.4, False), (13.8, True), (13.6, False), (0, False)]
)
def test_a_dead_man_has_its_time(ran_s: float, passes: bool) -> None:
    """Pins the slack of a fifth, two seconds and three steps, at it and beside it, on both sides."""
    assert (pulled(ran_s)[0] is Verdict.PASSED) is passes


def test_a_coarse_counter_gets_the_time_of_its_steps() -> None:
    """Pins that three steps of 0.1 mL at 36 mL/h are half a minute in which nothing can be told."""
    assert pulled(0, step=0.1)[0] is Verdict.PASSED


def test_a_dead_man_that_did_not_act_or_can_t_be_told() -> None:
    """Pins that a pump that still delivers, that is not heard, and whose volume is not known, has not passed."""
    assert pulled(30, rests=False)[1] == "its dead man of 20 s does not act: after 30 s of silence it is infusing"
    unheard = pump((100, RUNS, 1.0))
    blind = pump((100, RUNS, None), (130, RESTS, None))
    for seen, words in ((unheard, "is not heard again"), (blind, "does not tell when it stopped")):
        found = judging.dead_man(PUMP, 20, seen, fed_at=100 * SECOND, heard_again_at=130 * SECOND, rate_ml_h=36.0)
        assert found.verdict is Verdict.FAILED
        assert words in found.words


# --- the disk


@pytest.mark.parametrize(("worst", "passes"), [(1.0, True), (1.01, False)])
def test_a_disk_has_a_second_for_a_record(worst: float, passes: bool) -> None:
    """Pins the limit, and the figures."""
    found = judging.synced(Place(), [0.001, worst, 0.002], "")
    assert (found.verdict is Verdict.PASSED) is passes
    assert found.figures == (("sync_p50_s", 0.002), ("sync_max_s", worst))
    assert judging.synced(Place(), [], "").words == "nothing could be written"


# --- hands


def test_where_a_hand_shows() -> None:
    """Pins that the device in question comes first, and that others than it are named."""
    before: dict[Place, object] = {PUMP: False, OTHER: False}
    assert judging.reaction(OTHER, before, {PUMP: True, OTHER: True}) == (OTHER, PUMP)
    assert judging.reaction(PUMP, before, before) == ()
    assert judging.hand(PUMP, "start", "its start", (PUMP, OTHER)).verdict is Verdict.PASSED
    assert "is seen at chair-2/pump instead" in judging.hand(PUMP, "start", "its start", (OTHER,)).words
    assert "was not seen at any device" in judging.hand(PUMP, "start", "its start", ()).words
