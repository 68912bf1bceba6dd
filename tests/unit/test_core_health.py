"""The gateway's own health: what is wrong by what it measured, and how people are told of it; time is passed in."""

from dataclasses import replace

import pytest

from core_bed import LOW, MEDIUM, Bed, bed_setup, depression_40
from infusion_gateway.core.health import AGAIN_FOR, DAY, MEMORY_FINE, MEMORY_HIGH, SHOWN_FOR, Judged, ending, judge
from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.events import ConditionCleared, ConditionRaised
from infusion_gateway.model.health import Certificate, Health, Part, Queue, Trouble
from infusion_gateway.model.inputs import GateChanged, HealthChanged
from infusion_gateway.model.instructions import Acknowledge
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import GenerationMode, Supervision

WELL = Health(
    held_up=0,
    parts=(Part("line pump", 2 * SECOND, 15 * SECOND), Part("publisher", 0, 90 * SECOND)),
    queues=(Queue("inbox of chair-1", 3, 256), Queue("journal", 0, 10_000)),
    memory_bytes=60 * 2**20,
)
NOW = 1000 * SECOND


def wrong(health: Health, before: Judged | None = None, now: int = NOW) -> dict[str, str]:
    """Give what is found wrong, by code."""
    return {trouble.code: trouble.text for trouble in judge(health, before or Judged(), now).troubles}


def parts(*silent: int | None) -> Health:
    """Give a gateway whose parts have been silent for so long, with a patience of ten seconds each."""
    return replace(WELL, parts=tuple(Part(f"part {n}", s, 10 * SECOND) for n, s in enumerate(silent)))


def queue(waiting: int) -> Health:
    return replace(WELL, queues=(Queue("inbox of chair-1", waiting, 100),))


def test_a_gateway_that_is_well_finds_nothing() -> None:
    """Pins that nothing is told of figures inside every limit, however often they are looked at."""
    judged = Judged()
    for second in range(60):
        judged = judge(WELL, judged, NOW + second * SECOND)
        assert judged == Judged()


@pytest.mark.parametrize(("held_up", "told"), [(SECOND // 2, False), (SECOND // 2 + 1, True)])
def test_standing_still_for_more_than_half_a_second_is_told_for_ten(held_up: int, told: bool) -> None:
    """Pins the limit at 0.5 s exactly, and that it is over ten seconds after the last time."""
    judged = judge(replace(WELL, held_up=held_up), Judged(), NOW)
    assert ("gateway-slow" in wrong(replace(WELL, held_up=held_up))) is told
    assert bool(judge(WELL, judged, NOW + SHOWN_FOR - 1).troubles) is told
    assert not judge(WELL, judged, NOW + SHOWN_FOR).troubles


def test_each_time_it_stands_still_the_ten_seconds_begin_anew() -> None:
    """Pins that what comes again and again is one trouble with the same words, not many."""
    judged, said = Judged(), set()
    for second in range(0, 40, 8):
        judged = judge(replace(WELL, held_up=SECOND), judged, NOW + second * SECOND)
        said.add(judged.troubles)
        judged = judge(WELL, judged, NOW + (second + 7) * SECOND)
        said.add(judged.troubles)
    assert len(said) == 1
    assert judged.troubles[0].code == "gateway-slow"


@pytest.mark.parametrize(("silent", "told"), [(10 * SECOND, False), (10 * SECOND + 1, True), (None, True)])
def test_a_part_that_does_nothing_or_has_ended_is_named(silent: int | None, told: bool) -> None:
    """Pins each part's own patience, at it and a nanosecond past it, and that an ended one is never patient."""
    found = wrong(parts(0, silent))
    assert ("gateway-part-silent" in found) is told
    if told:
        assert "part 1" in found["gateway-part-silent"]
        assert "part 0" not in found["gateway-part-silent"]
        assert ("has ended" in found["gateway-part-silent"]) is (silent is None)


def test_many_parts_are_counted_not_listed() -> None:
    """Pins a bound on the words: three are named, the rest counted."""
    text = wrong(parts(*[None] * 9))["gateway-part-silent"]
    assert "part 2 has ended and 6 more." in text
    assert "part 3" not in text


def test_a_queue_is_told_near_its_end_and_over_when_there_is_room_again() -> None:
    """Pins 80 percent to begin and 50 to end, so that one that hangs about its mark is one alarm."""
    assert "queue-nearly-full" not in wrong(queue(80))
    judged = judge(queue(81), Judged(), NOW)
    assert "inbox of chair-1" in judged.troubles[0].text
    assert judge(queue(51), judged, NOW).troubles == judged.troubles
    assert not judge(queue(50), judged, NOW).troubles
    assert "queue-nearly-full" not in wrong(queue(51))


def test_memory_has_a_bound_below_what_ends_the_process() -> None:
    """Pins where it is told and where it is over, and that both lie below the service unit's 512 MiB."""
    high = replace(WELL, memory_bytes=MEMORY_HIGH + 1)
    between = replace(WELL, memory_bytes=MEMORY_FINE + 1)
    assert "memory-high" not in wrong(replace(WELL, memory_bytes=MEMORY_HIGH))
    judged = judge(high, Judged(), NOW)
    assert judge(between, judged, NOW).troubles == judged.troubles
    assert not wrong(between)
    assert not judge(replace(WELL, memory_bytes=MEMORY_FINE), judged, NOW).troubles
    assert 2 * MEMORY_FINE > MEMORY_HIGH < 512 * 2**20


def infusing() -> Bed:
    """Give a bed that has been infusing for a minute."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    return bed


@pytest.mark.parametrize("code", ["gateway-part-silent", "queue-nearly-full", "memory-high"])
def test_trouble_is_told_with_the_case_and_stops_nothing(code: str) -> None:
    """Pins medium and a degraded supervision under a case, low without one, at once, and over when it is over."""
    bed, idle = infusing(), Bed()
    for one in (bed, idle):
        one.give(HealthChanged((Trouble(code, "line pump has ended. Restart the gateway"),)))
        assert one.alarms[code].kind is AlarmKind.TECHNICAL
        assert one.alarms[code].response is Response.TELL
        assert "line pump" in one.alarms[code].text
    assert bed.alarms[code].priority is MEDIUM
    assert bed.session.supervision is Supervision.DEGRADED
    assert idle.alarms[code].priority is LOW
    bed.run(120)
    assert not bed.stops()
    for one in (bed, idle):
        one.give(HealthChanged(()))
        assert not one.alarms
        assert not one.events(ConditionCleared)[-1][1].latched
    assert bed.session.supervision is Supervision.OK


def test_a_gateway_that_is_slow_once_is_low_and_medium_where_it_stays() -> None:
    """Pins one hitch as a low alarm, and medium under a case from thirty seconds of it on; without one it stays low."""
    for bed, most in ((infusing(), MEDIUM), (Bed(), LOW)):
        at = bed.now
        bed.give(HealthChanged((Trouble("gateway-slow", "stood still"),)))
        bed.run(29)
        assert bed.alarms["gateway-slow"].priority is LOW
        bed.run(AGAIN_FOR // SECOND - 29)
        assert bed.alarms["gateway-slow"].priority is most
        bed.give(HealthChanged(()))
        assert "gateway-slow" not in bed.alarms
        bed.give(HealthChanged((Trouble("gateway-slow", "stood still"),)))
        assert bed.alarms["gateway-slow"].priority is LOW, "a new one begins as a new one"
        assert bed.now == at + AGAIN_FOR


def test_a_second_part_that_falls_silent_is_heard_though_the_first_was_acknowledged() -> None:
    """Pins that other words of the same trouble begin it anew, and that the same ones leave it acknowledged."""
    bed, first = infusing(), Trouble("gateway-part-silent", "line pump has ended. Restart the gateway")
    bed.give(HealthChanged((first,)))
    bed.ask(Acknowledge("gateway-part-silent"))
    bed.run(1)
    bed.give(HealthChanged((first, Trouble("memory-high", "holds much"))))
    assert bed.alarms["gateway-part-silent"].acknowledged_by == "nurse-1"
    bed.give(HealthChanged((replace(first, text="line pump has ended; publisher has ended. Restart the gateway"),)))
    assert bed.alarms["gateway-part-silent"].acknowledged_by is None
    assert "publisher" in bed.alarms["gateway-part-silent"].text


def certificate(left: int | None, name: str = "the gateway's") -> Certificate:
    return Certificate(name, left, "2026-12-01")


@pytest.mark.parametrize(
    ("left", "words", "priority"),
    [
        (30 * DAY + 1, None, None),
        (30 * DAY, "ends within 30 days (2026-12-01)", LOW),
        (7 * DAY + 1, "ends within 30 days (2026-12-01)", LOW),
        (7 * DAY, "ends within 7 days (2026-12-01)", LOW),
        (DAY + 1, "ends within 7 days (2026-12-01)", LOW),
        (DAY, "ends within a day (2026-12-01)", MEDIUM),
        (1, "ends within a day (2026-12-01)", MEDIUM),
        (0, "ended on 2026-12-01", MEDIUM),
        (-DAY, "ended on 2026-12-01", MEDIUM),
        (None, "can't be read", LOW),
    ],
)
@pytest.mark.requirement("S43")
def test_the_end_of_a_certificate_is_told_before_it_comes(
    left: int | None, words: str | None, priority: Priority | None
) -> None:
    """Pins 30, 7 and 1 days exactly and a nanosecond before each, the end itself, and what can't be read."""
    found = ending((certificate(left),))
    assert [trouble.priority for trouble in found] == ([] if priority is None else [priority])
    assert words is None or f"the gateway's {words}. Renew" in found[0].text
    assert judge(replace(WELL, certificates=(certificate(left),)), Judged(), NOW).troubles == found


def test_of_several_certificates_those_that_end_are_named_and_the_nearest_decides() -> None:
    """Pins that one trouble names each that is near its end, and no other, at the priority of the most urgent."""
    fine, soon = certificate(90 * DAY, "the authority's"), certificate(20 * DAY, "the gateway's")
    found = ending((soon, fine, certificate(0, "the broker's")))
    assert [(trouble.code, trouble.priority) for trouble in found] == [("certificate-ending", MEDIUM)]
    assert "the gateway's ends within 30 days (2026-12-01); the broker's ended" in found[0].text
    assert "authority" not in found[0].text
    most = ending((soon, certificate(DAY, "the authority's"), certificate(20 * DAY, "the broker's")))
    assert len(most[0].text) < 200, "as long as words on the wire may be"
    assert ending((fine,)) == ()


@pytest.mark.requirement("S43")
def test_a_certificate_near_its_end_is_heard_anew_at_each_step_and_over_once_it_is_renewed() -> None:
    """Pins low with and without a case, no medium before the last day; each step sounds though the last was quieted."""
    for bed in (infusing(), Bed()):
        for left, priority in ((30 * DAY, LOW), (7 * DAY, LOW), (DAY, MEDIUM)):
            bed.give(HealthChanged(ending((certificate(left),))))
            alarm = bed.alarms["certificate-ending"]
            assert (alarm.priority, alarm.acknowledged_by) == (priority, None)
            assert (alarm.kind, alarm.response) == (AlarmKind.TECHNICAL, Response.TELL)
            bed.ask(Acknowledge("certificate-ending"))
            bed.run(10)
            assert bed.alarms["certificate-ending"].acknowledged_by == "nurse-1"
        bed.give(HealthChanged(ending((certificate(365 * DAY),))))
        assert not bed.alarms
        assert not bed.stops()


def test_a_disk_without_room_is_told_and_not_only_a_gate() -> None:
    """Pins `disk-nearly-full` from the means that the process looks at, with what it found, until there is room."""
    bed = infusing()
    bed.give(GateChanged("disk", open=False, why="only 12 MiB are free: make room"))
    assert bed.alarms["disk-nearly-full"].priority is MEDIUM
    assert "12 MiB" in bed.alarms["disk-nearly-full"].text
    bed.give(GateChanged("disk", open=False, why="only 11 MiB are free: make room"))
    bed.run(30)
    assert len(bed.events(ConditionRaised)) == 1
    bed.give(GateChanged("disk", open=True, why=""))
    assert not bed.alarms


def test_a_restart_does_not_take_a_full_disk_for_mended() -> None:
    """Pins that what was told of the disk stands until it was looked at again, with a case and without."""
    full = GateChanged("disk", open=False, why="only 12 MiB are free: make room")
    for bed in (infusing(), Bed()):
        bed.give(full)
        bed.crash()
        bed.run(30)
        assert "disk-nearly-full" in bed.alarms
        bed.give(full)
        assert not bed.events(ConditionCleared)
        assert len(bed.events(ConditionRaised)) == 1
        bed.give(GateChanged("disk", open=True, why=""))
        assert "disk-nearly-full" not in bed.alarms


def test_a_clock_that_follows_nobody_is_told_where_patients_are() -> None:
    """Pins `clock-not-synchronised` low in mode real; on a bench, whose gate says it at arming, it is no alarm."""
    real = Bed(replace(bed_setup(depression_40()), generation_mode=GenerationMode.REAL))
    for bed, told in ((real, {"clock-not-synchronised"}), (Bed(), set())):
        bed.give(GateChanged("clock", open=False, why="the clock is not synchronised: start a time service"))
        assert set(bed.alarms) == told
    assert real.alarms["clock-not-synchronised"].priority is LOW
    real.give(GateChanged("clock", open=True, why=""))
    assert not real.alarms
