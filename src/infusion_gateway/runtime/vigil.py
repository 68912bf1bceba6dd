"""Vigil: the gateway's look at itself, once a second; and what feeds the process's watchdog.

The service manager is told that we live only while every bed decides: a loop that turns and decides nothing is dead.
Nothing here waits for a disk or a broker, since whoever waits can't watch.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

import structlog

from infusion_gateway.core.health import Judged, judge
from infusion_gateway.errors import JournalError
from infusion_gateway.model.health import Certificate, Health, Queue, Trouble
from infusion_gateway.model.inputs import (
    BrokerChanged,
    ClockJumped,
    GateChanged,
    HealthChanged,
    Input,
    JournalChanged,
)
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime import means
from infusion_gateway.runtime.bed import Bed
from infusion_gateway.runtime.broker import Publisher
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.health import Aside, Going, HeldUp, Ticking, resident_bytes
from infusion_gateway.runtime.inbox import CAPACITY
from infusion_gateway.runtime.journal import WAITING, Journal
from infusion_gateway.runtime.telling import REACH

log = structlog.get_logger(__name__)

WATCH_S = 1.0
MEANS_EVERY = 20
"""Turns of the watch from one look at clock and disk to the next."""
CERTIFICATES_EVERY = 3600
"""Turns from one look at the certificates to the next: one that is renewed in its place is soon told no more."""
ANSWERS_WITHIN: Nanos = 5 * SECOND
"""A disk that lets a look at it wait for so long does not answer."""
MINDFUL: Nanos = 3 * SECOND
"""A bed that has not stepped for so long does not decide any more; the process's watchdog is then not fed."""
RETAIN_FOR: Nanos = 90 * 24 * 3600 * SECOND
RETAIN_EVERY: Nanos = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class BedSeen:
    """A bed. stepped_ago: since it last decided; conditions: present; coalesced: readings put together in a rush."""

    stepped_ago: Nanos
    quarantined: bool
    conditions: int
    coalesced: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The gateway at one moment. held_up_times, dropped, clock_jumps: since the process began.

    dropped: messages of quality 0 that nobody took; journal_head: the newest durable row; gates: means by name, whether
    they are as they should be.
    """

    health: Health
    troubles: tuple[Trouble, ...]
    held_up_times: int
    clock_jumps: int
    beds: Mapping[str, BedSeen]
    gates: Mapping[str, bool]
    broker_connected: bool
    dropped: int
    journal_kept: bool
    journal_head: int


class Vigil:
    """The watch. beds: by name; tell: every bed; alive: the service manager.

    disk, certificates: look at the disk, and at files of certificates, in a thread. each_second: what else is to be
    done then.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        beds: Callable[[], Mapping[str, Bed]],
        journal: Journal,
        publisher: Publisher,
        tell: Callable[[Input], None],
        alive: Callable[[], None],
        disk: Callable[[], GateChanged],
        certificates: Callable[[], tuple[Certificate, ...]],
        each_second: Callable[[], None],
        memory: Callable[[], int] = resident_bytes,
    ) -> None:
        self._clock = clock
        self._beds = beds
        self._journal = journal
        self._publisher = publisher
        self._tell = tell
        self._alive = alive
        self._memory = memory
        self._each_second = each_second
        self._aside = Aside(disk, self._looked)
        self._reading = Aside(certificates, self._read)
        self._to_read = False
        self._certificates: tuple[Certificate, ...] = ()
        self._unanswered = False
        self._going: tuple[Going, ...] = ()
        self._held_up = HeldUp(clock.now())
        self._health = Health(0, (), (), 0)
        self._judged = Judged()
        self._gates: dict[str, bool] = {}
        self._connected = False
        self._kept = True
        self._jumps = 0
        self._pruned_at: Nanos = 0
        self._pruning: asyncio.Task[None] | None = None

    def over(self, tasks: tuple[asyncio.Task[None], ...], alive: tuple[tuple[Callable[[], Nanos], Nanos], ...]) -> None:
        """Watch over these tasks. alive: of each, when it last did something, and how long it may do nothing."""
        self._going = tuple(Going(task, *how) for task, how in zip(tasks, alive, strict=True))

    def note(self, told: Input) -> None:
        """Take note of what the beds are told of the gateway's means."""
        match told:
            case BrokerChanged(connected=connected):
                self._to_read |= connected and not self._connected  # the broker has shown its certificate
                self._connected = connected
            case JournalChanged(kept=kept):
                self._kept = kept
            case GateChanged(gate=gate, open=is_open):
                self._gates[gate] = is_open
            case ClockJumped():
                self._jumps += 1
            case _:
                pass

    async def run(self) -> None:
        """Watch for ever; ends by being cancelled."""
        self._tell(means.clock())
        self._aside.begin(self._clock.now())
        self._reading.begin(self._clock.now())
        self._held_up = HeldUp(self._clock.now())  # starting is no standing still
        ticking = Ticking(self._held_up, self._clock)
        ticking.begin()
        try:
            for turn in count(1):
                await asyncio.sleep(WATCH_S)
                self.turn(turn)
        finally:
            ticking.end()
            if self._pruning is not None:
                self._pruning.cancel()

    def turn(self, turn: int) -> None:
        """Look at everything once, and feed the watchdog while all decide."""
        now = self._clock.now()
        jumped = self._clock.jumped()
        if jumped is not None:
            self._tell(ClockJumped(jumped))
        self._each_second()
        if turn % MEANS_EVERY == 0:
            self._tell(means.clock())
            self._aside.begin(now)
        self._to_read |= turn % CERTIFICATES_EVERY == 0
        if self._to_read and self._reading.since is None:
            self._to_read = False
            self._reading.begin(now)
        since = self._aside.since
        if since is not None and now - since > ANSWERS_WITHIN and not self._unanswered:
            self._unanswered = True
            self._tell(GateChanged("disk", open=False, why="the disk does not answer: look at it, make a copy"))
        self._examine(now)
        if all(bed.broken is not None or now - bed.stepped_at < MINDFUL for bed in self._beds().values()):
            self._alive()
        if now - self._pruned_at > RETAIN_EVERY and (self._pruning is None or self._pruning.done()):
            self._pruned_at = now
            self._pruning = asyncio.get_running_loop().create_task(self._retain(), name="retention")

    def _looked(self, disk: GateChanged) -> None:
        self._unanswered = False
        self._tell(disk)

    def _read(self, certificates: tuple[Certificate, ...]) -> None:
        self._certificates = certificates

    def _examine(self, now: Nanos) -> None:
        """Measure, judge, and tell what is wrong where that has changed."""
        parts = tuple(going.part(now) for going in self._going)
        self._health = Health(self._held_up.take(now), parts, tuple(self._queues()), self._memory(), self._certificates)
        before, self._judged = self._judged.troubles, judge(self._health, self._judged, now)
        if self._judged.troubles != before:
            log.warning("health", wrong="; ".join(f"{t.code}: {t.text}" for t in self._judged.troubles) or "nothing")
            self._tell(HealthChanged(self._judged.troubles))

    def _queues(self) -> list[Queue]:
        inboxes = [Queue(f"inbox of {name}", len(bed.inbox), CAPACITY) for name, bed in self._beds().items()]
        journal = Queue("journal", self._journal.waiting, WAITING)
        return [*inboxes, journal, Queue("outbox", self._publisher.telling.waiting, REACH)]

    async def _retain(self) -> None:
        try:
            await self._journal.retain(self._clock.utc_ns() - RETAIN_FOR)
        except JournalError as error:
            log.warning("retention", error=str(error))

    def seen(self) -> Seen:
        """Give what was seen at the last look, and what is counted now."""
        now = self._clock.now()
        return Seen(
            health=self._health,
            troubles=self._judged.troubles,
            held_up_times=self._held_up.times,
            clock_jumps=self._jumps,
            beds={name: _bed(bed, now) for name, bed in self._beds().items()},
            gates=self._gates,
            broker_connected=self._connected,
            dropped=self._publisher.dropped,
            journal_kept=self._kept,
            journal_head=self._journal.head.sequence,
        )


def _bed(bed: Bed, now: Nanos) -> BedSeen:
    present = sum(raised.present for raised in bed.state.durable.conditions.values())
    return BedSeen(now - bed.stepped_at, bed.broken is not None, present, bed.inbox.coalesced)
