"""When a bed steps though nothing came: at a deadline, and where its last step is old; time is passed in."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from core_bed import bed_setup, depression_40
from infusion_gateway.core.state import initial
from infusion_gateway.core.step import next_deadline
from infusion_gateway.devices.standing import MIND_MAX
from infusion_gateway.model.inputs import BrokerChanged, DeadlineReached
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.bed import STEP_AGAIN, Bed, Reach
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.vigil import MINDFUL


class Face:
    """Stands for what is shown: when it was shown with the second."""

    def __init__(self) -> None:
        self.seconds: list[Nanos] = []

    def every_second(self, _state: object, now: Nanos, **_more: object) -> None:
        self.seconds.append(now)

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_more: None


class Rig:
    """A bed whose clock is the test's."""

    def __init__(self) -> None:
        self.now: Nanos = 1000 * SECOND
        self.face = Face()
        self.decided: list[Nanos] = []
        reach = Reach(
            stop=lambda _d: None, set_dead_man=lambda _d, _s: None, decided=lambda _d, at: self.decided.append(at)
        )
        kept: Any = SimpleNamespace(append=lambda *_: asyncio.get_running_loop().create_future())
        face: Any = self.face
        self.bed = Bed(
            initial(bed_setup(depression_40())),
            version="test",
            reach=reach,
            journal=kept,
            show=face,
            recorded=lambda: None,
            clock=Clock(boottime=lambda: self.now, utc=lambda: self.now),
            broken=None,
            moving=lambda _bed, _event: None,
        )

    def wake(self, seconds: float) -> bool:
        """Let time pass and wake the bed with nothing in its inbox, as its loop does; say whether it stepped."""
        self.now += int(seconds * SECOND)
        before = len(self.decided)
        if self.bed._due(self.now):
            self.bed._take(DeadlineReached(), self.now)
        else:
            self.bed._show_second(self.now)
        return len(self.decided) > before


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_a_bed_that_has_just_stepped_shows_its_second_without_another_step(rig: Rig) -> None:
    """Pins that the second is shown on time, and that what nothing new came for is not decided twice over."""
    rig.bed._take(BrokerChanged(True, True), rig.now)
    shown = len(rig.face.seconds)
    rig.now += SECOND * 7 // 10
    rig.bed._take(BrokerChanged(True, True), rig.now)
    assert not rig.wake(0.3)
    assert len(rig.face.seconds) == shown + 1
    assert rig.bed.alive_at == rig.now


async def test_a_bed_that_nothing_comes_for_steps_all_the_same(rig: Rig) -> None:
    """Pins that its step stays young, which is what feeds a dead man and the watchdog: exactly 1.25 s, woken for it."""
    rig.bed._take(BrokerChanged(True, True), rig.now)
    assert not rig.wake(1.15)
    assert rig.bed._patience(rig.now) == pytest.approx(0.1)
    assert not rig.wake(0.099)
    assert rig.wake(0.001)
    assert [rig.wake(1.25) for _ in range(5)] == [True] * 5
    assert rig.bed.stepped_at == rig.now
    assert STEP_AGAIN + SECOND // 2 < MIND_MAX < MINDFUL


async def test_a_deadline_is_stepped_at_however_young_the_last_step_is(rig: Rig) -> None:
    """Pins that a delay that is over is decided then and not with the second."""
    rig.bed._take(BrokerChanged(False, None), rig.now)
    due = next_deadline(rig.bed.state)
    assert due is not None
    while rig.now < due - SECOND // 2:
        rig.now = min(rig.now + SECOND, due - SECOND // 2)
        rig.bed._take(BrokerChanged(False, None), rig.now)
    assert rig.wake((due - rig.now) / SECOND)
    assert rig.now == due


async def test_a_bed_in_quarantine_goes_on_at_every_waking(rig: Rig) -> None:
    """Pins that it asks for its stop whenever it wakes: nothing is left to the age of a step that never comes."""
    rig.bed._take(BrokerChanged(True, True), rig.now)
    rig.bed.broken = "planted"
    assert rig.bed._due(rig.now)
