"""The gateway's side of its border: starts it, starts it again, and takes what it lets through (runtime.border)."""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.border import LONGEST_LINE, begin_of, heard
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.mqtt import Arrived
from infusion_gateway.wire.topics import Topics

log = structlog.get_logger(__name__)

AGAIN_S = 0.5
BEGINS_WITHIN: Nanos = 5 * SECOND
"""How long a border may take to start and to connect; until then no connection is told of, nor that there is none."""
DEAF_AFTER: Nanos = 2 * SECOND
"""As long as the broker's return may take; then people are told that nobody hears what they ask."""


class Hearing:
    """Hears instructions while it is wanted. take: told of each message, in the loop; it must not block nor raise."""

    def __init__(self, settings: BrokerSettings, topics: Topics, take: Callable[[Arrived], None], clock: Clock) -> None:
        self._begin = begin_of(settings, topics)
        self._take = take
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._keys: list[list[Any]] = []
        self._wanted = False
        self._open = False
        self._deaf_at: Nanos = 0
        self._why = "not connected yet"
        self._dropped: Counter[str] = Counter()

    def enrol(self, keys: tuple[EnrolledKey, ...]) -> None:
        """Let through what these keys have signed; with none, what anybody asks."""
        self._keys = [[key.kid, key.raw.hex(), sorted(key.instructions)] for key in keys]
        self._say({"keys": self._keys})

    def unheard(self, bed: str) -> int:
        """Give how many messages for a bed were not let through since it was last asked."""
        return self._dropped.pop(bed, 0)

    def begin(self) -> None:
        """Want to hear from now on; a border has a while to begin."""
        if not self._open:
            self._deaf_at = self._clock.now() + BEGINS_WITHIN
        self._want(True)

    def leave(self) -> None:
        """Leave what people ask to another."""
        self._want(False)

    def _want(self, wanted: bool) -> None:  # noqa: FBT001 - what is wanted
        self._wanted = wanted
        self._say({"wanted": wanted})

    @property
    def open(self) -> bool:
        """Whether what people ask is heard."""
        return self._open

    @property
    def deaf(self) -> str:
        """Why nobody hears what people ask, where that has lasted too long; "" else."""
        if self._open or not self._wanted or self._clock.now() < self._deaf_at:
            return ""
        return f"instructions are not heard: {self._why}"

    async def run(self) -> None:
        """Have a border for ever; ends, and it with it, by being cancelled."""
        while True:
            try:
                await self._serve()
                self._closed("the border has ended")
            except Exception as error:  # the boundary: whatever broke here, supervising and telling go on
                log.exception("hearing")
                self._closed(f"{type(error).__name__}: {error}")
            await asyncio.sleep(AGAIN_S)

    async def _serve(self) -> None:
        """Start a border and take what it says until it ends."""
        process = self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "infusion_gateway.runtime.border"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )
        try:
            for line in (self._begin, {"keys": self._keys}, {"wanted": self._wanted}):
                self._say(line)
            assert process.stdout is not None
            while said := await process.stdout.readline():
                self._told(json.loads(said))
        finally:
            self._process = None
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            assert process.stdout is not None
            await process.stdout.read()  # what it said last and nobody read: asyncio waits for a pipe's end, too
            await process.wait()

    def _told(self, line: dict[str, Any]) -> None:
        match line:
            case {"heard": message}:
                self._take(heard(message))
            case {"dropped": dropped}:
                self._dropped.update(dropped)
            case {"open": True}:
                self._open = True
            case {"open": False, "why": why}:
                self._closed(str(why))
            case _:
                raise ValueError(f"the border says {list(line)}")

    def _closed(self, why: str) -> None:
        self._why = why
        if self._open:
            self._open = False
            self._deaf_at = self._clock.now() + DEAF_AFTER
            log.warning("instructions not heard any more", why=why)

    def _say(self, line: dict[str, Any]) -> None:
        """Tell the border, where there is one; a new one is told everything."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(json.dumps(line).encode() + b"\n")
