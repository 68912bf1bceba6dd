"""The instructions' own connection to the broker: whatever comes in on it, telling people and supervising go on.

Apart from it, so that a flood of instructions is this connection's backlog and not the publisher's, and a message that
ends it ends nothing else.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable

import structlog

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.core.backoff import RECONNECT
from infusion_gateway.errors import BrokerError
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.mqtt import ANSWER_S, Arrived, Connection
from infusion_gateway.wire.topics import Topics

log = structlog.get_logger(__name__)

TICK_S = 0.25
DEAF_AFTER: Nanos = 2 * SECOND
"""As long as the broker's return may take; then people are told that nobody hears what they ask."""


class Hearing:
    """Hears instructions while it is wanted. take: told of each message, in the loop; it must not block nor raise."""

    def __init__(self, settings: BrokerSettings, topics: Topics, take: Callable[[Arrived], None], clock: Clock) -> None:
        self._settings = settings
        self._topics = topics
        self._take = take
        self._clock = clock
        self._wanted = asyncio.Event()
        self._open = asyncio.Event()
        self._closed_at: Nanos = clock.now()
        self._why = "not connected yet"

    async def begin(self) -> None:
        """Want to hear from now on, and wait for it as long as a broker may take to answer."""
        if not self._wanted.is_set():
            self._closed_at = self._clock.now()
            self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await self._open.wait()

    def leave(self) -> None:
        """Leave what people ask to another."""
        self._wanted.clear()

    @property
    def deaf(self) -> str:
        """Why nobody hears what people ask, where that has lasted too long; "" else."""
        if self._open.is_set() or not self._wanted.is_set() or self._clock.now() - self._closed_at < DEAF_AFTER:
            return ""
        return f"instructions are not heard: {self._why}"

    async def run(self) -> None:
        """Hear, for ever; ends by being cancelled."""
        failures = 0
        while True:
            await self._wanted.wait()
            try:
                await self._hear()
                failures = 0
            except BrokerError as error:
                self._why = str(error)
                failures += 1
            except Exception as error:  # the boundary: whatever broke here, supervising and telling go on
                log.exception("hearing")
                self._why = f"{type(error).__name__}: {error}"
                failures += 1
            if self._open.is_set():
                self._open.clear()
                self._closed_at, failures = self._clock.now(), 1
                log.warning("instructions not heard any more", why=self._why)
            await asyncio.sleep(RECONNECT.delay(failures, random.random()) / SECOND)  # noqa: S311 - spreads retries, keeps no secret

    async def _hear(self) -> None:
        """Connect and hear until the connection ends (BrokerError says why) or nobody wants it any more."""
        name = f"igw-{self._topics.site}-{self._topics.gateway}-do"
        connection = await Connection.open_any(self._settings, identifier=name, will=None, arrived=self._take)
        try:
            await connection.subscribe(self._topics.asked)
            self._open.set()
            while not connection.lost.done():
                if not self._wanted.is_set():
                    return
                await asyncio.wait((connection.lost,), timeout=TICK_S)
            lost = connection.lost.exception()
            raise BrokerError(f"the connection ended: {lost or 'without a reason'}")
        finally:
            await connection.leave()
