"""The clock: the one monotone timeline (CLOCK_BOOTTIME), UTC beside it, and sleeping that survives a suspend."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from infusion_gateway.model.metric import SECOND, Nanos

SLEEP_MAX: Nanos = SECOND
LOOKS = 3
TIGHT: Nanos = SECOND // 1000
"""Both clocks are read again, so many times, where more than this passed between them: somebody else had the CPU."""
JUMP: Nanos = SECOND // 2
"""A wall clock that moves by more than this between two looks was set; NTP slews by 0.5 ms a second at most."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIME_NAMESPACE = Path("/proc/self/timens_offsets")


def _boottime() -> Nanos:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Clock:
    """Reads the clocks. The sources are passed in by tests alone."""

    def __init__(
        self,
        boottime: Callable[[], Nanos] = _boottime,
        utc: Callable[[], int] = time.time_ns,
        boot_id_file: Path = BOOT_ID,
        namespace_file: Path = TIME_NAMESPACE,
    ) -> None:
        self._boottime = boottime
        self._utc = utc
        self._offset = self.utc_at(0)
        self._boot_id = _boot_id(boot_id_file, namespace_file)

    def now(self) -> Nanos:
        """Give nanoseconds since boot, suspend included; never goes back within a boot."""
        return self._boottime()

    def utc_ns(self) -> int:
        """Give nanoseconds since 1970, UTC, as the wall clock has it."""
        return self._utc()

    def utc_at(self, moment: Nanos) -> int:
        """Give a moment of the timeline in UTC, as both clocks stand now against each other."""
        looks = [self._look()]
        while looks[-1][0] > TIGHT and len(looks) < LOOKS:
            looks.append(self._look())
        return moment + min(looks)[1]

    def _look(self) -> tuple[Nanos, Nanos]:
        """Give how long it took to read both clocks, and UTC less the timeline."""
        before, utc, after = self._boottime(), self._utc(), self._boottime()
        return after - before, utc - before

    def boot_id(self) -> str:
        """Name the timeline that `now` is on: two equal names mean that times from both may be compared."""
        return self._boot_id

    def jumped(self) -> float | None:
        """Say by how many seconds the wall clock moved against the timeline since the last look; None: it didn't."""
        offset = self.utc_at(0)
        moved, self._offset = offset - self._offset, offset
        return moved / SECOND if abs(moved) > JUMP else None

    async def sleep_until(self, deadline: Nanos | None, event: asyncio.Event) -> bool:
        """Wait for the event (True) or the deadline (False), None: for the event alone.

        Wakes at least once a second to look at the timeline, since the loop's own clock stands still in a suspend.
        Gives the loop a turn even where there is nothing to wait for.
        """
        await asyncio.sleep(0)
        while not event.is_set():
            left = SLEEP_MAX if deadline is None else deadline - self.now()
            if left <= 0:
                return False
            try:
                async with asyncio.timeout(min(left, SLEEP_MAX) / SECOND):
                    await event.wait()
            except TimeoutError:
                continue  # from the timeout above: nothing else in there can raise it
        return True


def _boot_id(boot_id_file: Path, namespace_file: Path) -> str:
    """Give the kernel's boot id, marked with the time namespace's offset: inside one, `now` is another timeline.

    Where it can't be read the name is a new one: no earlier time is then taken as comparable.
    """
    try:
        boot_id = boot_id_file.read_text().strip()
    except OSError:
        return f"unknown-{uuid.uuid4()}"
    try:
        found = re.search(r"^boottime\s+(-?\d+)\s+(\d+)\s*$", namespace_file.read_text(), re.MULTILINE)
    except OSError:  # a kernel without time namespaces
        return boot_id
    if not found or (int(found[1]) == 0 and int(found[2]) == 0):
        return boot_id
    return f"{boot_id}@{found[1]}.{found[2]}"
