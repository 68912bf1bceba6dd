"""Beds' courses for many pages: written once, in turn, and so many for each visitor."""

import asyncio
from collections.abc import Generator
from itertools import pairwise

import pytest

from infusion_gateway.station.courses import KEPT, PER_S, RESERVE, VISITORS, Courses
from infusion_gateway.station.signin import Denied
from infusion_gateway.ward.picture import Picture
from infusion_gateway.ward.showing import shown_trend
from infusion_gateway.ward.shown import ShownTrend
from wards import EPOCH_S, SITE, Speaker


class Ward:
    """A ward of any beds but `none`, that notes what was written."""

    def __init__(self) -> None:
        self.gateway = Speaker(Picture(SITE))
        self.gateway.session("chair-1", 0.0)
        self.written: list[tuple[str, float]] = []

    def trend(self, gateway: str, bed: str, minutes: float = 60) -> ShownTrend | None:
        """Write chair-1's course for every bed."""
        self.written.append((bed, minutes))
        whole = self.gateway.picture.gateways["gateway-1"]
        found = shown_trend(whole, self.gateway.bed("chair-1"), 1, 0.0, EPOCH_S)
        return None if bed == "none" else found.model_copy(update={"complete": gateway == "east"})


class Turn:
    """One turn of the loop."""

    def __await__(self) -> Generator[None, None, None]:
        """Let everybody else have theirs."""
        yield


def courses() -> tuple[Courses, Ward, list[float]]:
    """Give courses of a ward, and a clock to set: [seconds]."""
    ward, clock = Ward(), [100.0]
    return Courses(ward, lambda: clock[0]), ward, clock


async def test_what_many_pages_ask_for_is_written_once() -> None:
    """Pins one writing of a bed, a gateway's, and a length in five seconds, for whoever asks; and what is no bed."""
    made, ward, clock = courses()
    answers = await asyncio.gather(*(made.of(f"page {n}", "west", "chair-1", 60) for n in range(80)))
    assert (len(set(answers)), ward.written) == (1, [("chair-1", 60.0)])
    clock[0] += 4.9
    await made.of("other", "west", "chair-1", 60)
    assert len(ward.written) == 1
    assert await made.of("other", "east", "chair-1", 60) != answers[0]
    await made.of("other", "west", "chair-1", 120)
    clock[0] += 0.2
    await made.of("other", "west", "chair-1", 60)
    assert len(ward.written) == 4
    assert await made.of("other", "west", "none", 60) is None


async def test_between_two_courses_whatever_else_there_is_gets_its_turn() -> None:
    """Pins that of many that wait one is written, or given, in each turn of the loop: nothing else waits for more."""
    made, ward, _ = courses()
    asked = [asyncio.create_task(made.of("page", "west", f"chair-{n % 20}", 60)) for n in range(40)]
    done: list[tuple[int, int]] = []
    for _ in range(300):
        await Turn()
        done.append((len(ward.written), sum(one.done() for one in asked)))
    await asyncio.gather(*asked)
    assert done[-1] == (20, 40)
    steps = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(done)]
    assert max(written for written, _ in steps) == 1
    assert max(given for _, given in steps) == 1


async def test_nobody_has_courses_written_without_end() -> None:
    """Pins how many one visitor has written at once and then a second, that others have theirs, and what is kept."""
    made, ward, clock = courses()
    for n in range(int(RESERVE)):
        await made.of("viewer", "west", f"chair-{n}", 60)
    with pytest.raises(Denied, match="too many courses") as denied:
        await made.of("viewer", "west", "chair-x", 60)
    assert (denied.value.status, len(ward.written), len(made._kept)) == (429, RESERVE, KEPT)
    assert await made.of("viewer", "west", f"chair-{RESERVE - 1:.0f}", 60), "what is written already is anybody's"
    assert await made.of("nurse", "west", "chair-x", 60)
    clock[0] += 1.0
    for n in range(int(PER_S)):
        await made.of("viewer", "west", f"chair-y{n}", 60)
    with pytest.raises(Denied):
        await made.of("viewer", "west", "chair-z", 60)
    for n in range(VISITORS + 5):
        clock[0] += 5.0
        await made.of(f"visitor {n}", "west", "chair-1", 60)
    assert len(made._left) == VISITORS
