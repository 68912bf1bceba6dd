"""A simulated line on a real wire until SIGTERM: the only place with a clock, asyncio and files."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from infusion_simulators.device import SECOND, Nanos, Value
from infusion_simulators.line import Condition, Line
from infusion_simulators.pacing import Pacer
from infusion_simulators.serve.ports import Port

LONGEST_SLEEP_S = 1.0
LINGER_S = 0.2
"""After a recording's end: what is under way still arrives."""
IDLE_S = 0.02
"""How often a key that flows (a volume) is looked at for those who wait for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a recording: when it is due from the beginning, then keys to set, or bytes to send as they are."""

    at_s: float
    keys: dict[str, Value]
    raw: bytes = b""


class Wire:
    """Moves bytes between a line and its port, at the real line's pace where asked, and notes them."""

    def __init__(self, line: Line, port: Port, *, paced: bool, log: TextIO | None) -> None:
        self.line = line
        self.port = port
        self.changed = asyncio.Event()
        self._log = log
        self._up = False
        self._heard = asyncio.Event()
        baud, bits = line.description.baud, line.description.bits_per_byte()
        self._inward = Pacer(baud, bits) if paced else None
        self._outward = Pacer(baud, bits) if paced else None

    @staticmethod
    def now() -> Nanos:
        """Read the clock."""
        return time.monotonic_ns()

    async def open(self) -> None:
        """Open the port for the first time; OSError where it can't be."""
        await self._plug()

    async def run(self, steps: Iterator[Step]) -> None:
        """Serve for ever; the recording's rows are set when they are due. Ends with it where there is one."""
        began, step = self.now(), next(steps, None)
        playing = step is not None
        while step is not None or not playing:
            now = self.now()
            while step is not None and began + round(step.at_s * SECOND) <= now:
                self._play(step, now)
                step = next(steps, None)
            self._move(now)
            with contextlib.suppress(OSError):  # a port that is taken meanwhile: tried again at the next turn
                await self._plug()
            due = None if step is None else began + round(step.at_s * SECOND)
            await self._sleep(due)
        await asyncio.sleep(LINGER_S)

    def touched(self) -> None:
        """Look again at once: somebody has changed something."""
        self._heard.set()

    async def wait(self, condition: Condition, timeout_s: float) -> bool:
        """Wait until a condition holds of the truth; say whether it did in time. ValueError for an unknown key."""
        end = self.now() + round(timeout_s * SECOND)
        while not condition.holds(self.line.state()):
            left = (end - self.now()) / SECOND
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), min(left, IDLE_S))
            self.line.advance(self.now())
        return True

    async def close(self) -> None:
        """Close the port."""
        await self.port.close()

    async def _plug(self) -> None:
        """Have the port open where the cable is in, and closed where it is out or the port has gone."""
        if self._up and (self.port.lost or not self.line.connected):
            await self.port.close()
            for pacer in filter(None, (self._inward, self._outward)):
                pacer.clear()
            self._up = False
            self.line.note("link", "down", self.now())
        if self.line.connected and not self._up:
            await self.port.open(self._receive)
            self._up = True
            self.line.note("link", "up", self.now())

    def _receive(self, data: bytes) -> None:
        now = self.now()
        self._write_log("host>device", data)
        if self._inward is not None:
            self._inward.put(data, now)
        else:
            self.line.advance(now)
            self.line.receive(data, now)
        self._heard.set()

    def _move(self, now: Nanos) -> None:
        """Let the devices live, and bytes come and go."""
        if self._inward is not None and (arrived := self._inward.take(now)):
            self.line.advance(now)
            self.line.receive(arrived, now)
        self.line.advance(now)
        out = self.line.take(now)
        if self._outward is not None:
            self._outward.put(out, now)
            out = self._outward.take(now)
        self._send(out)
        self.changed.set()
        self.changed.clear()

    def _send(self, data: bytes) -> None:
        if data and self._up:
            self._write_log("device>host", data)
            self.port.write(data)

    def _play(self, step: Step, now: Nanos) -> None:
        for key, value in step.keys.items():
            self.line.set(key, value, now)
        self._send(step.raw)

    async def _sleep(self, due: Nanos | None) -> None:
        times = [self.line.next_deadline(), due]
        times += [pacer.next_deadline() for pacer in (self._inward, self._outward) if pacer is not None]
        until = min((at for at in times if at is not None), default=None)
        left = LONGEST_SLEEP_S if until is None else (until - self.now()) / SECOND
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), min(max(left, 0), LONGEST_SLEEP_S))
        self._heard.clear()

    def _write_log(self, way: str, data: bytes) -> None:
        if self._log is not None:
            at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            text = "".join(chr(b) if chr(b).isascii() and chr(b).isprintable() else "." for b in data)
            self._log.write(f"{at} {way} {data.hex(' ')}  {text}\n")
