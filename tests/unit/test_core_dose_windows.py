"""Limits of dose within an hour and a day, held against what a running infusion is observed to give."""

from dataclasses import replace

import pytest

from core_bed import HIGH, HOUR, Bed, bed_setup, depression_40
from infusion_gateway.core import windows
from infusion_gateway.core.durable import Durable, Given
from infusion_gateway.core.evolve import evolve
from infusion_gateway.model.case import Case, Mark
from infusion_gateway.model.events import GatewayStarted, InstructionRefused, StopAsked, SubjectsRemembered
from infusion_gateway.model.instructions import Correct, PermitResume
from infusion_gateway.model.metric import MINUTE, SECOND
from infusion_gateway.model.session import DoseLimits, Order, Phase, WindowLimit

DAY = 24 * HOUR
HOURS = replace(
    depression_40(),
    dose=DoseLimits(4.0, 4.0, 300, 300),
    max_duration=4 * HOUR,
    wall=5 * HOUR,
    nibp_every=5 * HOUR,
    window_limits=(WindowLimit(HOUR, 1.0, 60.0), WindowLimit(DAY, 2.0, 100.0)),
)
ORDER = {"rate_ml_h": 60.0, "dose_mg": 90.0, "volume_ml": 90.0, "duration": 90 * MINUTE, "reason": "as asked for"}


def infusing(**changes: object) -> Bed:
    """Give a bed that infuses 60 mg an hour for an hour and a half: exactly what an hour may have."""
    bed = Bed(bed_setup(HOURS))
    bed.infuse(**{**ORDER, **changes})
    return bed


def ended(bed: Bed) -> tuple[float, str]:
    """Give the minutes from T0 to our stop, and what it was for."""
    (at, asked), *_ = bed.events(StopAsked)
    assert isinstance(asked, StopAsked)
    assert bed.session.t0 is not None
    return (at - bed.session.t0) / MINUTE, ", ".join(asked.codes)


@pytest.mark.requirement("S06")
@pytest.mark.rule("E3", "leaves alone")
def test_an_order_at_the_limit_of_an_hour_runs_through() -> None:
    """Pins that exactly the limit in every hour of an infusion stops nothing, by a counter that moves in steps."""
    bed = infusing()
    bed.run(90 * 60 - 5)
    assert bed.phase is Phase.INFUSING
    assert not bed.stops()
    assert "dose-limit" not in bed.alarms


@pytest.mark.requirement("S06")
@pytest.mark.rule("E3", "acts")
@pytest.mark.parametrize("crashes", [0, 3])
def test_more_than_an_hour_may_have_ends_the_session(crashes: int) -> None:
    """Pins the stop where a pump five percent fast has given the hour's limit before the hour is over; crash or not."""
    bed = infusing()
    bed.pump.rate = 63.0
    for _ in range(crashes):
        bed.run(10 * 60)
        bed.crash()
    bed.run(58 * 60 - crashes * 600)
    minutes, codes = ended(bed)
    assert codes == "dose-limit"
    assert minutes == pytest.approx(60 * 60 / 63, abs=0.1)
    assert bed.raised("dose-limit")[0][1] is HIGH
    assert "within 60 min have passed the hard limit of 60 mg" in bed.alarms["dose-limit"].text
    assert bed.phase is Phase.RECOVERY
    bed.ask(PermitResume("go on"))
    assert bed.events(InstructionRefused)
    bed.check()


@pytest.mark.requirement("S06")
@pytest.mark.parametrize(("fast_after", "ends"), [(20, 20 + 40 / 1.1), (70, 70.4)])
def test_an_hour_is_any_hour(fast_after: int, ends: float) -> None:
    """Pins that the hour slides: at 1.1 times the rate it ends when the last sixty minutes hold more than the limit.

    Fast from minute 20: 20 mg, then 1.1 a minute. From minute 70: a tenth of a milligram more in each minute's hour.
    """
    bed = infusing()
    bed.run(fast_after * 60)
    bed.pump.rate = 66.0
    bed.run(60 * 60)
    minutes, codes = ended(bed)
    assert codes == "dose-limit"
    assert minutes == pytest.approx(ends, abs=0.1)


def test_a_pause_gives_room_again() -> None:
    """Pins that what lies more than an hour back counts no more: after half an hour's pause the order runs on."""
    bed = infusing()
    bed.run(40 * 60)
    bed.pump.running = False
    bed.run(30 * 60)
    bed.pump.running, bed.pump.rate = True, 70.0
    bed.run(40 * 60)
    assert bed.phase is Phase.INFUSING
    assert not bed.stops()


@pytest.mark.requirement("S06")
@pytest.mark.parametrize(("subject", "stopped"), [("subject-1", True), ("somebody-else", False)])
def test_a_day_counts_what_the_same_subject_was_given_before(subject: str, stopped: bool) -> None:
    """Pins 60 mg hours ago and 40 ordered: a pump five percent fast ends at the day's 100 mg; nobody else's count."""
    bed = Bed(bed_setup(HOURS))
    given = (Given("case-0", subject, 60.0, bed.now),)
    bed.journal.append((bed.now, SubjectsRemembered(given, (), "remembered")))
    bed.crash()
    bed.now += 3 * HOUR
    bed.moved = bed.now
    bed.infuse(**{**ORDER, "dose_mg": 40.0, "volume_ml": 50.0, "duration": 40 * MINUTE})
    bed.pump.rate = 63.0
    bed.run(40 * 60)
    assert bool(bed.stops()) is stopped
    if stopped:
        minutes, codes = ended(bed)
        assert codes == "dose-limit"
        assert minutes == pytest.approx(40 * 60 / 63, abs=0.1)


@pytest.mark.requirement("S06")
@pytest.mark.parametrize(("more_ml", "stopped"), [(0.035, False), (0.036, True)])
def test_the_limit_of_a_window_to_a_step_of_the_counter(more_ml: float, stopped: bool) -> None:
    """Pins the limit and what the window's ends may add: two seconds' flow (0.0333 mg), two steps of the counter."""
    bed = infusing()
    bed.run(59 * 60)
    bed.pump.running = False
    mg = bed.session.dose_mg
    assert mg is not None
    bed.pump.counter += round(60.0 - mg + more_ml, 3)
    bed.run(2)
    assert ("dose-limit" in bed.alarms) is stopped


def test_marks_follow_a_corrected_concentration_and_another_timeline() -> None:
    """Pins that what a syringe gave is what it is found to hold, and that a reboot makes no dose older."""
    bed = infusing()
    bed.run(30 * 60)
    case = bed.state.durable.case
    assert case is not None
    assert len(case.marks) in (30, 31)
    assert case.marks[-1].mg == pytest.approx((case.marks[-1].at - case.marks[0].at) / MINUTE, abs=0.1)
    bed.ask(Correct("concentration-was-wrong", 5.0, "the label was misread"))
    after = bed.state.durable.case
    assert after is not None
    assert [m.mg for m in after.marks] == pytest.approx([5 * m.mg for m in case.marks])
    moved = evolve(bed.state.durable, GatewayStarted("1", same_boot=False, blind_for=None, reason="boot"), MINUTE)
    assert moved.case is not None
    assert moved.at - moved.case.marks[0].at == bed.state.durable.at - after.marks[0].at


def test_what_is_not_known_counts_as_recent() -> None:
    """Pins where no mark tells: before the first nothing was given, in a gap the lower of both; they are bounded."""
    order = Order("p", 70.0, 1.0, 60.0, 90.0, 90 * MINUTE, 90.0)
    case = Case(
        "c", "s", order, "n", 0, t0=0, marks=(Mark(MINUTE, 1.0), Mark(2 * MINUTE, 2.0), Mark(60 * MINUTE, 50.0))
    )

    def within(minutes: float, mg: float = 60.0) -> float:
        return windows.given_within(Durable(), case, mg, HOUR, HOUR + int(minutes * MINUTE))

    assert within(0.5) == 60.0
    assert within(1.5) == 58.5
    assert within(30) == 58.0
    assert within(61) == 10.0
    grown = case
    for second in range(61, 1000 * 60):
        grown = windows.marked(grown, float(second), second * SECOND) or grown
    assert len(grown.marks) == windows.MOST_MARKS
    assert grown.marks[-1].at - grown.marks[-2].at == MINUTE
    assert windows.marked(replace(case, t0=None, marks=()), 1.0, 0).marks == ()  # type: ignore[union-attr]
