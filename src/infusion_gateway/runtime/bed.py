"""One bed's hands: takes what waits in the inbox, steps, and carries out what was decided, in the order that is safe.

Stop first: to the line, before a disk or a broker is asked. Then the alarm state, where a device or the time brought
it about. Then the record; and only when that is durable the answers to people, the effects of what they asked
(runtime.pending), and the events. A step that breaks an invariant quarantines this bed alone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from infusion_gateway.core.instructing import NEEDS_RECORD
from infusion_gateway.core.state import State
from infusion_gateway.core.step import next_deadline, step
from infusion_gateway.errors import JournalError
from infusion_gateway.model.commands import Command, SetDeadMan, StopInfusion
from infusion_gateway.model.events import BedQuarantined, Event, InstructionAccepted, InstructionRefused
from infusion_gateway.model.inputs import DeadlineReached, Input, Instructed, Observed, Restarted
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.inbox import Inbox
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.runtime.moves import Moving
from infusion_gateway.runtime.pending import Pending, Taken
from infusion_gateway.runtime.show import Show
from infusion_gateway.wire.records import Record

log = structlog.get_logger(__name__)

STOP_AGAIN: Nanos = 2 * SECOND
"""How often a quarantined bed, which can't decide any more, asks its pump to stop."""
UNRECORDED_AFTER_S = 1.0
"""A person who may act without a record (stop, hold, acknowledge) is not left waiting for a disk that hangs.

Nor is anything that was decided kept from being shown for longer.
"""
STEP_AGAIN: Nanos = 5 * SECOND // 4
"""A bed that nothing came for steps so long after its last step; one whose devices speak did so meanwhile."""
BATCH = 64
"""Inputs stepped before the loop is given back to the others."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How a bed's commands reach its devices. Each is called with the device's id; none blocks, none raises."""

    stop: Callable[[str], None]
    set_dead_man: Callable[[str, int], None]
    decided: Callable[[str, Nanos], None]


class Bed:
    """A bed while the process lives."""

    def __init__(
        self,
        state: State,
        *,
        version: str,
        reach: Reach,
        journal: Journal,
        show: Show,
        recorded: Callable[[], None],
        clock: Clock,
        broken: str | None,
        moving: Callable[[str, Moving], None],
    ) -> None:
        self.inbox = Inbox()
        self.name = state.setup.bed
        self.broken = broken
        self._state = state
        self._pending = Pending(state)
        self._reach = reach
        self._journal = journal
        self._show = show
        self._recorded = recorded
        self._clock = clock
        self.stepped_at: Nanos = 0
        self._version = version
        self._moving = moving
        self._shown_at: Nanos = 0
        self._stopped_at: Nanos = 0

    @property
    def state(self) -> State:
        """What the bed believes now."""
        return self._state

    @property
    def alive_at(self) -> Nanos:
        """When it last took something in hand; a bed in quarantine does so too."""
        return max(self.stepped_at, self._shown_at)

    async def run(self, *, same_boot: bool) -> None:
        """Supervise for ever. Only cancelling ends it."""
        self.inbox.put(Restarted(same_boot=same_boot, version=self._version))
        if self.broken is not None:
            self._quarantine(self.broken, self._clock.now())
        while True:
            await self.inbox.wait(self._patience(self._clock.now()))
            # Any input works as a deadline too; one that is over in spite of inputs comes by itself at the next turn.
            given = self.inbox.take()
            if given is None:
                now = self._clock.now()
                if not self._due(now):
                    self._show_second(now)
                    continue
                given = DeadlineReached()
            for _ in range(BATCH):
                self._take(given, self._clock.now())
                following = self.inbox.take()
                if following is None:
                    break
                given = following
            await asyncio.sleep(0)  # others' turn: a flood at one bed must not starve its neighbour

    def _patience(self, now: Nanos) -> float:
        due = self._shown_at + SECOND
        if self.broken is None:
            deadline = next_deadline(self._state)
            due = min(due, self.stepped_at + STEP_AGAIN)
            due = due if deadline is None else min(due, deadline)
        return max(due - now, 0) / SECOND

    def _due(self, now: Nanos) -> bool:
        """Say whether to step though nothing came: a deadline is over, or the last step is no longer young."""
        deadline = next_deadline(self._state)
        old = now - self.stepped_at >= STEP_AGAIN or self.broken is not None
        return old or (deadline is not None and deadline <= now)

    def _take(self, given: Input, now: Nanos) -> None:
        if self.broken is not None:
            self._keep_stopping(now)
        else:
            try:
                self._step(given, now)
            except Exception as error:  # one bed's failure is its own: whatever broke, the others go on
                log.exception("bed quarantined", bed=self.name)
                self._quarantine(f"{type(error).__name__}: {error}"[:200], now)
        if isinstance(given, Observed):
            self._show.telemetry(given)
        self._show_second(now)

    def _show_second(self, now: Nanos) -> None:
        if now - self._shown_at >= SECOND:
            self._shown_at = now
            shown = self._pending.visible if self.broken is None else self._state
            self._show.every_second(shown, now, quarantined=self.broken)

    def _step(self, given: Input, now: Nanos) -> None:
        done = step(self._state, given, now)
        self.stepped_at = now
        for command in done.commands:
            self._carry_out(command)
        self._state = done.state
        pump = self._state.setup.pump
        if pump is not None:
            self._reach.decided(pump.device, now)
        asked = given if isinstance(given, Instructed) and done.events else None
        taken = self._pending.take(given, now, self._state, waits=asked is not None)
        if asked is None:
            self._show.alarms(self._pending.visible, now, quarantined=None)
        if done.events:
            self._record(done.events, now, asked, taken)

    def _carry_out(self, command: Command) -> None:
        match command:
            case StopInfusion(device=device):
                self._reach.stop(device)
                log.warning(
                    "stop asked", bed=self.name, device=device
                )  # why is on record: a person's words are no log's
            case SetDeadMan(device=device, seconds=seconds):
                self._reach.set_dead_man(device, seconds)

    def _record(self, events: tuple[Event, ...], now: Nanos, asked: Instructed | None, taken: Taken) -> None:
        state = self._state
        future = self._journal.append(self.name, events, now, self._clock.utc_at(now))
        late = None if asked is None else self._without_record(events, asked, taken)

        def durable(done: "asyncio.Future[tuple[Record, ...]]") -> None:
            if late is not None:
                late.cancel()
            if done.cancelled():
                return
            kept = done.exception() is None
            if not kept and not isinstance(done.exception(), JournalError):
                log.error("journal", bed=self.name, error=repr(done.exception()))
            for record in done.result() if kept else ():
                if record.bed_sequence is not None:
                    self._show.happened(record)
            self._answer(events, kept=kept)
            for event in events:
                if kept and isinstance(event, Moving):
                    self._moving(self.name, event)
            if asked is not None:
                self._settle(taken)
            self._show.session(state, now)
            self._recorded()

        future.add_done_callback(durable)

    def _answer(self, events: tuple[Event, ...], *, kept: bool) -> None:
        for event in events:
            if isinstance(event, InstructionAccepted | InstructionRefused):
                self._show.answer(event, kept=kept)

    def _settle(self, taken: Taken) -> None:
        """Show the effect of what a person asked."""
        self._pending.settle(taken, self._state)
        shown = self._pending.visible if self.broken is None else self._state
        self._show.alarms(shown, self._clock.now(), quarantined=self.broken)

    def _without_record(self, events: tuple[Event, ...], asked: Instructed, taken: Taken) -> asyncio.TimerHandle:
        """Go on though the disk has said nothing yet: what needs no record is answered, and all that is decided shows.

        What was answered is answered once.
        """
        needed = isinstance(asked.instruction, NEEDS_RECORD)
        known = any(isinstance(event, InstructionAccepted) and not event.recorded for event in events)

        def go_on() -> None:
            if not needed:
                self._answer(events, kept=False)
            self._settle(taken)

        return asyncio.get_running_loop().call_later(0.0 if known and not needed else UNRECORDED_AFTER_S, go_on)

    def _quarantine(self, why: str, now: Nanos) -> None:
        self.broken = why
        reason = f"The gateway can no longer decide for this bed ({why}): stop the pump by hand, restart the gateway"
        self._keep_stopping(now)
        self._journal.append(
            self.name, (BedQuarantined(reason=reason),), now, self._clock.utc_at(now)
        ).add_done_callback(lambda done: None if done.cancelled() or done.exception() else self._recorded())
        self._show.alarms(self._state, now, quarantined=why)

    def _keep_stopping(self, now: Nanos) -> None:
        pump = self._state.setup.pump
        if pump is not None and now - self._stopped_at >= STOP_AGAIN:
            self._stopped_at = now
            self._reach.stop(pump.device)
