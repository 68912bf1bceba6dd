"""What shows of a person's instruction before the disk has it: nothing; of anything else meanwhile: all of it."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from core_bed import bed_setup, depression_40
from infusion_gateway.core import views
from infusion_gateway.core.state import State, initial
from infusion_gateway.core.step import step
from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import Event, InstructionAccepted
from infusion_gateway.model.inputs import BrokerChanged, ClockJumped, Input, Instructed
from infusion_gateway.model.instructions import Acknowledge, PlaceOrder, TestAlarm
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime import bed as bed_module
from infusion_gateway.runtime import pending as pending_module
from infusion_gateway.runtime.bed import Bed, Reach
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.wire.records import Record

ORDER = PlaceOrder("c-1", "s-1", "depression-40", 70.0, 1.0, 52.5, 35.0, 2400 * SECOND, 35.0)
TEST_ALARM, JUMPED, AWAY = "test-alarm", ClockJumped(100.0), BrokerChanged(False, None)


@dataclass
class Face:
    """Stands for what is shown: the codes of the alarms, the phases, the answers, in order."""

    now: Nanos = 1000 * SECOND
    alarmed: list[frozenset[str]] = field(default_factory=list)
    acknowledged: list[frozenset[str]] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    answers: list[tuple[str, bool]] = field(default_factory=list)

    def alarms(self, state: State, now: Nanos, **_more: object) -> None:
        shown = views.alarms(state, now)
        self.alarmed.append(frozenset(alarm.code for alarm in shown))
        self.acknowledged.append(frozenset(alarm.code for alarm in shown if alarm.acknowledged_by is not None))

    def session(self, state: State, _now: Nanos) -> None:
        self.phases.append(state.durable.phase)

    def every_second(self, state: State, now: Nanos, **_more: object) -> None:
        self.alarms(state, now)
        self.session(state, now)

    def answer(self, event: InstructionAccepted, *, kept: bool) -> None:
        self.answers.append((event.id, kept))

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_more: None


class Rig:
    """A bed whose clock, disk and timers are the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.face = Face()
        self.writes: list[tuple[tuple[Event, ...], asyncio.Future[tuple[Record, ...]]]] = []
        self.timers: list[Any] = []
        face: Any = self.face
        journal: Any = SimpleNamespace(append=self._append)
        self.bed = Bed(
            initial(bed_setup(depression_40())),
            version="test",
            reach=Reach(stop=lambda _d: None, set_dead_man=lambda _d, _s: None, decided=lambda _d, _at: None),
            journal=journal,
            show=face,
            recorded=lambda: None,
            clock=Clock(boottime=lambda: face.now, utc=lambda: face.now),
            broken=None,
            moving=lambda _bed, _event: None,
        )
        loop = SimpleNamespace(call_later=self._later)
        monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)

    def _append(self, _bed: str, events: tuple[Event, ...], *_when: int) -> asyncio.Future[tuple[Record, ...]]:
        future: asyncio.Future[tuple[Record, ...]] = asyncio.Future()
        self.writes.append((events, future))
        return future

    def _later(self, seconds: float, call: Any) -> Any:
        timer = SimpleNamespace(seconds=seconds, call=call, cancel=lambda: self.timers.remove(timer))
        self.timers.append(timer)
        return timer

    def give(self, given: Input, seconds: float = 0.001) -> None:
        """Let a moment pass, then the bed step."""
        self.face.now += int(seconds * SECOND)
        self.bed._take(given, self.face.now)

    def ask(self, what: Any, identity: str) -> None:
        self.give(Instructed(what, "nurse-1", identity, ""))

    async def keep(self, how_many: int = 99, *, refused: bool = False) -> None:
        """Have the disk take the oldest writes, or refuse them."""
        now, self.writes = self.writes[:how_many], self.writes[how_many:]
        for _, future in now:
            if refused:
                future.set_exception(JournalError("not recorded"))
            else:
                future.set_result(())
        await asyncio.gather(*(future for _, future in now), return_exceptions=True)  # whoever waited has been told

    @property
    def alarms(self) -> frozenset[str]:
        return self.face.alarmed[-1]


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    made = Rig(monkeypatch)
    made.give(BrokerChanged(True, True))
    await made.keep()
    return made


async def test_another_input_shows_nothing_of_what_waits_for_the_disk(rig: Rig) -> None:
    """Pins that an instruction's effect isn't shown before its record though other inputs come in between."""
    rig.ask(TestAlarm(), "i-1")
    assert TEST_ALARM not in rig.alarms
    for seconds in (0.001, 0.5, 1.1):  # the last is shown with the second
        rig.give(BrokerChanged(True, True), seconds)
        assert TEST_ALARM not in rig.alarms
    assert TEST_ALARM in {alarm.code for alarm in views.alarms(rig.bed.state, rig.face.now)}, "it is decided"
    await rig.keep()
    assert TEST_ALARM in rig.alarms
    assert rig.face.answers == [("i-1", True)]


async def test_an_alarm_is_never_kept_back_by_what_waits(rig: Rig) -> None:
    """Pins that what a device or the time brings shows at once, while what a person asked waits for the disk."""
    rig.ask(TestAlarm(), "i-1")
    rig.give(JUMPED)
    assert "clock-jumped" in rig.alarms
    assert TEST_ALARM not in rig.alarms
    await rig.keep()
    assert {"clock-jumped", TEST_ALARM} <= rig.alarms


async def test_an_acknowledgement_quiets_nothing_before_it_is_on_record(rig: Rig) -> None:
    """Pins the order that matters most: no alarm reads as somebody's before the record says so."""
    rig.give(JUMPED)
    await rig.keep()
    rig.ask(Acknowledge("clock-jumped"), "i-1")
    rig.give(BrokerChanged(True, True), 1.1)
    assert rig.face.acknowledged[-1] == frozenset()
    await rig.keep()
    assert rig.face.acknowledged[-1] == {"clock-jumped"}


async def test_the_session_shown_each_second_waits_too_and_never_goes_back(rig: Rig) -> None:
    """Pins that the phase follows the record, also where a second instruction waits behind the first."""
    rig.ask(ORDER, "i-1")
    rig.give(BrokerChanged(True, True), 1.1)
    assert rig.face.phases[-1] == "idle"
    rig.ask(TestAlarm(), "i-2")
    await rig.keep(1 + len(rig.writes) - 2)
    assert rig.face.answers == [("i-1", True)]
    rig.give(BrokerChanged(True, True), 1.1)
    assert rig.face.phases[-1] == "ordered"
    assert TEST_ALARM not in rig.alarms, "the second is not on record yet"
    await rig.keep()
    assert TEST_ALARM in rig.alarms
    assert rig.face.phases == sorted(rig.face.phases, key=["idle", "ordered"].index), "it never went back"


async def test_a_disk_that_hangs_hides_nothing_for_longer_than_a_second(rig: Rig) -> None:
    """Pins the bound: what is decided shows then, an order too; its answer alone still waits for the disk."""
    rig.ask(ORDER, "i-1")
    [timer] = rig.timers
    assert timer.seconds == bed_module.UNRECORDED_AFTER_S
    timer.call()
    rig.give(BrokerChanged(True, True), 1.1)
    assert rig.face.phases[-1] == "ordered"
    assert rig.face.answers == []
    await rig.keep()
    assert rig.face.answers == [("i-1", True)]


async def test_what_the_disk_refuses_shows_when_that_is_known(rig: Rig) -> None:
    """Pins that a failed write ends the waiting: it is answered as not recorded, and shown."""
    rig.ask(TestAlarm(), "i-1")
    await rig.keep(refused=True)
    assert rig.face.answers == [("i-1", False)]
    assert TEST_ALARM in rig.alarms
    assert rig.timers == []


async def test_what_is_shown_in_the_end_is_what_was_decided(rig: Rig) -> None:
    """Pins that nothing is left of the waiting: the state shown is then the bed's own, not one like it."""
    for number in range(3):
        rig.ask(TestAlarm(), f"i-{number}")
        rig.give(AWAY if number % 2 else JUMPED)
    while rig.writes:
        assert rig.bed._pending.visible is not rig.bed.state
        await rig.keep(1)
        if not any(isinstance(e, InstructionAccepted) for events, _ in rig.writes for e in events):
            break
    assert rig.bed._pending.visible is rig.bed.state
    assert rig.bed._pending._since == []


async def test_a_showing_that_breaks_shows_what_was_decided(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that the second step is of what is shown alone: where it breaks, no bed is quarantined for it."""

    def breaks(*_: object) -> Any:
        raise AssertionError("planted")

    monkeypatch.setattr(pending_module, "step", breaks)
    rig.ask(TestAlarm(), "i-1")
    rig.give(JUMPED)
    assert rig.bed.broken is None
    assert {"clock-jumped", TEST_ALARM} <= rig.alarms
    monkeypatch.setattr(pending_module, "step", step)
    await rig.keep()
    assert rig.bed._pending.visible is rig.bed.state
