"""The gateway's process in virtual time: what runtime/bed.py does around the core, in the order that is safe."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from infusion_gateway.core import views
from infusion_gateway.core.durable import FLOOD
from infusion_gateway.core.state import State
from infusion_gateway.core.step import next_deadline, step
from infusion_gateway.model.alarm import AlarmStatus
from infusion_gateway.model.commands import Command, SetDeadMan, StopInfusion
from infusion_gateway.model.events import Event, InstructionAccepted, InstructionRefused
from infusion_gateway.model.inputs import (
    BrokerChanged,
    DeadlineReached,
    GateChanged,
    Input,
    Instructed,
    JournalChanged,
    Restarted,
)
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.wire.messages import Alarms, Session
from infusion_gateway.wire.records import Record
from simulation.cable import Cable
from simulation.disk import Disk
from simulation.post import ALARMS, SESSION, Broker, Teller

EPOCH: Nanos = 1_800_000_000 * SECOND
INBOX = 4096


class Process:
    """One life of the gateway. base: the world's time at this boot's zero. shown: what the bed itself shows."""

    def __init__(
        self,
        state: State,
        cables: dict[str, Cable],
        disk: Disk,
        broker: Broker,
        chance: Random,
        *,
        now: Nanos,
        base: Nanos,
        boot_id: str,
        same_boot: bool,
    ) -> None:
        self.state, self.cables, self.disk = state, cables, disk
        self.now, self.base, self.boot_id = now, base, boot_id
        self.mindful = True
        self.events: list[tuple[Nanos, Event]] = []
        self.commands: list[tuple[Nanos, Command]] = []
        self.durables: list[tuple[int, object]] = []
        self.answers: list[InstructionAccepted | InstructionRefused] = []
        self.shown: list[dict[str, Any]] = []
        self.session: dict[str, Any] = {}
        self.on_shown: Callable[[], None] | None = None
        self._shape: tuple[AlarmStatus, ...] | None = None
        self._shaped_by: object = None
        self._session_of: object = None
        self._pump = state.setup.pump
        self._revision = 0
        self._inbox: deque[Input] = deque(maxlen=INBOX)
        disk.changed = self._journal_changed
        self.teller = Teller(broker, disk, chance, self._broker_changed, self._stamp)
        self.give(Restarted(same_boot=same_boot, version="simulated"))
        if state.setup.annunciator:  # a process of its own, which no fault here touches
            self.give(GateChanged("bedside-alarm", open=True, why=""))

    @property
    def at(self) -> Nanos:
        """The gateway's own time."""
        return self.now - self.base

    @property
    def utc_ns(self) -> int:
        """The wall clock."""
        return EPOCH + self.now

    def _stamp(self) -> tuple[Nanos, int, str]:
        return self.at, EPOCH + self.now, self.boot_id

    def due(self) -> Nanos:
        """Say when it next has something to do by itself, in the world's time."""
        at = self.teller.due(self.now)
        if self.mindful:
            deadline = next_deadline(self.state)
            if deadline is not None and deadline + self.base < at:
                return deadline + self.base
        return at

    def live(self, now: Nanos) -> None:
        """Do what is due."""
        self.now = now
        self.teller.live(now)
        deadline = next_deadline(self.state)
        if self.mindful and deadline is not None and deadline <= self.at:
            self.give(DeadlineReached())

    def give(self, given: Input) -> None:
        """Put an input into the inbox; it is stepped at once while the core is mindful."""
        self._inbox.append(given)
        self.wake()

    def wake(self) -> None:
        """Take up what waited while the core was blocked."""
        while self.mindful and self._inbox:
            self._step(self._inbox.popleft())

    def _broker_changed(self, connected: bool, listeners: bool | None) -> None:
        self.give(BrokerChanged(connected, listeners))

    def _journal_changed(self, kept: bool, why: str) -> None:
        self.give(JournalChanged(kept, why))

    def _step(self, given: Input) -> None:
        now = self.at
        done = step(self.state, given, now)
        for command in done.commands:
            self.commands.append((self.now, command))
            self._carry_out(command)
        self.state = done.state
        if self._pump is not None:
            self.cables[self._pump.device].decided(self._pump.device, self.now)
        by_person = isinstance(given, Instructed)
        if not by_person:
            self._show_alarms()
        if done.events:
            self._record(done.events, show_after=by_person)

    def _carry_out(self, command: Command) -> None:
        cable = self.cables[command.device]
        match command:
            case StopInfusion(device=device):
                cable.bus.stop(device, self.at)
            case SetDeadMan(device=device, seconds=seconds):
                cable.bus.set_dead_man(device, seconds, self.at)
        cable.wake()

    def _record(self, events: tuple[Event, ...], *, show_after: bool) -> None:
        self.events += [(self.at, event) for event in events]
        durable = self.state.durable

        def done(records: tuple[Record, ...] | None) -> None:
            if records is not None:
                self.durables.append((records[-1].sequence, durable))
            self.answers += [e for e in events if isinstance(e, InstructionAccepted | InstructionRefused)]
            if show_after:
                self._show_alarms()
            self.show_session()
            self.teller.recorded()

        self.disk.append(events, self.at, EPOCH + self.now, self.boot_id, done=done, now=self.now)

    def _show_alarms(self) -> None:
        durable = self.state.durable
        if durable.conditions is self._shaped_by and len(durable.raised_at) < FLOOD:
            return  # only what is on record makes the shape, and with a flood the time
        self._shaped_by = durable.conditions
        found = views.alarms(self.state, self.at)
        if not found and not self._shape:
            return
        shape = tuple(replace(alarm, value=None, text="") for alarm in found)
        if shape == self._shape:
            return
        self._shape = shape
        self._revision += 1
        mode = self.state.setup.generation_mode
        payload = Alarms.of(found, self._revision, mode, EPOCH + self.base, self.at).to_bytes()
        self.shown = json.loads(payload)["alarms"]
        self.teller.set_state(ALARMS, payload, self.now)
        if self.on_shown is not None:
            self.on_shown()

    def show_session(self) -> None:
        """Publish the session where it changed: what makes it another one is all on record."""
        if self.state.durable is self._session_of:
            return
        self._session_of = self.state.durable
        status = views.session(self.state, self.at)
        known = (status.case, status.phase, status.stopping, status.t0, status.ends_at, status.supervision)
        if self.session.get("known") == known:
            return
        payload = Session.of(status, self.state.setup.generation_mode, EPOCH + self.base, self.at).to_bytes()
        self.session = {**json.loads(payload), "known": known}
        self.teller.set_state(SESSION, payload, self.now)
