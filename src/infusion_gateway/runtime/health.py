"""Health: what the gateway is measured with: how long nothing was done, which tasks go on, memory, looks at a disk.

What is wrong with that is the core's to say (`core/health.py`).
"""

import asyncio
import contextlib
import resource
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from infusion_gateway.core.health import HELD_UP
from infusion_gateway.model.health import Part
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock

Found = TypeVar("Found")

TICK: Nanos = SECOND // 10
"""From one waking to the next: by no more than this is the loop held up for longer than is seen."""
STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Going:
    """A task that must go on by itself. alive: when it last did something; patience: how long it may do nothing."""

    task: asyncio.Task[None]
    alive: Callable[[], Nanos]
    patience: Nanos

    def part(self, now: Nanos) -> Part:
        """Look at it."""
        return Part(self.task.get_name(), None if self.task.done() else max(now - self.alive(), 0), self.patience)


class HeldUp:
    """How long nothing was done: whoever is to wake every TICK, and does so late, was held up meanwhile."""

    def __init__(self, now: Nanos) -> None:
        self._woke = now
        self._longest: Nanos = 0
        self.times = 0

    def woke(self, now: Nanos) -> None:
        """Note a waking."""
        late = max(now - self._woke - TICK, 0)
        self._woke = now
        self._longest = max(self._longest, late)
        self.times += late > HELD_UP

    def take(self, now: Nanos) -> Nanos:
        """Give the longest since this was last asked, with what goes on right now."""
        if now - self._woke > TICK:
            self.woke(now)
        longest, self._longest = self._longest, 0
        return longest


def resident_bytes(statm: Path = STATM) -> int:
    """Give the memory that this process holds (proc(5)); where that can't be read, the most that it ever held."""
    try:
        return int(statm.read_bytes().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Ticking:
    """Wakes in the loop every TICK, and notes when it really did."""

    def __init__(self, held_up: HeldUp, clock: Clock) -> None:
        self._held_up = held_up
        self._clock = clock
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin, in the running loop."""
        self._held_up.woke(self._clock.now())
        self._next = asyncio.get_running_loop().call_later(TICK / SECOND, self.begin)

    def end(self) -> None:
        """Wake no more."""
        if self._next is not None:
            self._next.cancel()


class Aside(Generic[Found]):
    """Looks at what a disk may keep waiting for ever, in a thread of its own; one look at a time.

    look: called in the thread. take: called in the loop with what it found. since: when a look began that is still out.
    """

    def __init__(self, look: Callable[[], Found], take: Callable[[Found], None]) -> None:
        self._look = look
        self._take = take
        self.since: Nanos | None = None

    def begin(self, now: Nanos) -> None:
        """Look, unless the last look has not come back yet; one that breaks never does."""
        if self.since is None:
            self.since = now
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._run, args=(loop,), name="aside", daemon=True).start()  # no end waits for it

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        found = self._look()
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to be told
            loop.call_soon_threadsafe(self._back, found)

    def _back(self, found: Found) -> None:
        self.since = None
        self._take(found)
