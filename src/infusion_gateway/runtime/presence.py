"""This gateway's word of itself on the broker; what its coming back tells: a memory, or another under the name."""

import asyncio
from collections import deque
from typing import Literal

from infusion_gateway.config.broker import KEEP_ALIVE_S
from infusion_gateway.runtime.audience import Allowance
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.mqtt import Arrived
from infusion_gateway.wire.messages import Availability, own_word
from infusion_gateway.wire.stamps import rfc3339

GAVE_WAY = "another gateway has this name, and this one gives way"


class Presence:
    """What we said on our availability topic, and what was there before.

    Subscribed before it is published, the topic first gives what the broker had kept, marked retained, and then our
    own word, live: once that echo is here, the broker either remembered or it didn't.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: deque[bytes] = deque(maxlen=16)
        self._wills: deque[bytes] = deque(maxlen=16)  # one of each try to connect: they must not crowd out our words
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
        will = self._word("offline", "the gateway is not heard any more")
        self._wills.append(will)
        return will

    def online(self) -> bytes:
        """Give the word that we are here."""
        self.contradicted = False
        self._online_at = rfc3339(self._clock.utc_ns())
        return self._say("online", "connected")

    def stopped(self) -> bytes:
        """Give the word that we end by intention."""
        return self._say("offline", "the gateway was stopped")

    def gave_way(self) -> bytes:
        """Give the word that leaves the name to another; that other does not take it for a third's."""
        return self._say("offline", GAVE_WAY)

    def ours(self, payload: bytes) -> bool:
        """Say whether this process said it."""
        return payload in self._said or payload in self._wills

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

    def _say(self, status: Literal["online", "offline"], why: str) -> bytes:
        self._said.append(said := self._word(status, why))
        return said

    def _word(self, status: Literal["online", "offline"], why: str) -> bytes:
        return Availability.of(status, why, KEEP_ALIVE_S, self._clock.utc_ns()).to_bytes()
