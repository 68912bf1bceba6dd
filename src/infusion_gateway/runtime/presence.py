"""This gateway's word of itself on the broker; what its coming back tells: a memory, or another under the name."""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable
from typing import Literal

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.runtime.audience import Allowance
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.mqtt import KEEP_ALIVE_S, Arrived, Connection, NotSpoken
from infusion_gateway.wire.messages import Availability, Heartbeat, beat, own_word
from infusion_gateway.wire.stamps import rfc3339
from infusion_gateway.wire.topics import Topics

GAVE_WAY = "another gateway has this name, and this one gives way"
HEARTBEAT_S = 5.0
BEAT_WITHIN_S = HEARTBEAT_S + 1.0
"""A gateway that lives is heard within so long."""
RETAINED_WITHIN_S = 0.3
"""How long what the broker has kept may take to come."""


class Presence:
    """What we said on our availability topic, and what was there before.

    Subscribed before it is published, the topic first gives what the broker had kept, marked retained, and then our
    own word, live: once that echo is here, the broker either remembered or it didn't.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: deque[bytes] = deque(maxlen=16)
        self._online_at: str | None = None
        self._since: str | None = None
        self._again = Allowance(1, 3)
        self.echo = asyncio.Event()
        self.remembered = False
        self.another = False
        self.contradicted = False

    def will(self) -> bytes:
        """Give the last will of a connection about to be made."""
        self.remembered = self.another = self.contradicted = False
        self._since = self._online_at
        self.echo.clear()
        return self._word("offline", "the gateway is not heard any more")

    def online(self) -> bytes:
        """Give the word that we are here."""
        self.contradicted = False
        self._online_at = rfc3339(self._clock.utc_ns())
        return self._word("online", "connected")

    def stopped(self) -> bytes:
        """Give the word that we end by intention."""
        return self._word("offline", "the gateway was stopped")

    def gave_way(self) -> bytes:
        """Give the word that leaves the name to another; that other does not take it for a third's."""
        return self._word("offline", GAVE_WAY)

    def ours(self, payload: bytes) -> bool:
        """Say whether this process said it."""
        return payload in self._said

    def came_back(self, message: Arrived) -> None:
        """Take what arrived on our availability topic."""
        word = own_word(message.payload)
        if message.retained:
            self.remembered = True
            theirs = word is not None and not self.ours(message.payload) and word.why != GAVE_WAY
            if theirs and word is not None and self._since is not None and word.time > self._since:
                self.another = True  # said, or left as a last will, after we had been here
            return
        self.echo.set()
        if word is not None and word.status == "offline" and self._again.take(self._clock.now()):
            self.contradicted = True  # an older connection's last will came in after our word

    def _word(self, status: Literal["online", "offline"], why: str) -> bytes:
        payload = Availability.of(status, why, KEEP_ALIVE_S, self._clock.utc_ns()).to_bytes()
        self._said.append(payload)
        return payload


class Look:
    """What is heard under our name by one who says nothing there now: whether another gateway lives.

    said: whether an availability is this process's own word.
    """

    def __init__(self, topics: Topics, journal: str, clock: Clock, said: Callable[[bytes], bool]) -> None:
        self._topics = topics
        self._said = said
        self._ours = (journal, clock.boot_id())
        self._began = rfc3339(clock.utc_ns())
        self._arrived = asyncio.Event()
        self._online = False
        self.holder = ""

    async def at(self, settings: BrokerSettings) -> str:
        """Say who lives under our name, "" for nobody; raises BrokerError where the broker can't be asked.

        Quick where the broker keeps no word of anybody online: a gateway that was killed has left its last will.
        """
        connection = await self._open(settings)
        try:
            await connection.subscribe((self._topics.availability, self._topics.heartbeat))
            await self._heard(RETAINED_WITHIN_S, lambda: self._online)
            if self._online:
                await self._heard(BEAT_WITHIN_S, lambda: not self._online)
        finally:
            await connection.leave()
        return self.holder

    async def _open(self, settings: BrokerSettings) -> Connection:
        """Connect under a name that is nobody's, so that nobody is pushed out."""
        name = f"igw-look-{secrets.token_hex(6)}"
        try:
            return await Connection.open(settings, version_5=True, identifier=name, will=None, arrived=self.take)
        except NotSpoken:
            return await Connection.open(settings, version_5=False, identifier=name, will=None, arrived=self.take)

    async def _heard(self, seconds: float, enough: Callable[[], bool]) -> None:
        """Wait until a heartbeat of another was heard, or enough is known, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.holder and not enough():
                    self._arrived.clear()
                    await self._arrived.wait()

    def take(self, message: Arrived) -> None:
        """Take what arrived: a word of availability, or a heartbeat that is not an old one of our own."""
        if message.topic == self._topics.availability:
            word = own_word(message.payload)
            self._online = word is not None and word.status == "online" and not self._said(message.payload)
        elif message.topic == self._topics.heartbeat and not message.retained:
            said = beat(message.payload)
            if said is not None and ((said.journal, said.boot_id) != self._ours or said.time > self._began):
                self.holder = f"{self._topics.site}/{self._topics.gateway} is {_named(said)}"
        self._arrived.set()


def _named(said: Heartbeat) -> str:
    return f"the gateway with journal {said.journal[:40] or '?'} on the machine with boot {said.boot_id[:40]}"
