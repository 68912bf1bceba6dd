"""Whose name it is: two gateways under one name would overwrite each other's state and feed each other's dead man.

A newcomer looks before it says anything under its name or opens a line. A gateway with a case under way does not look
and leaves its name to nobody: whoever supervises is back at once, and tells that another was met.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable

import structlog

from infusion_gateway.config.broker import plain, way_out, where
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.errors import BrokerError, NameHeld
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.runtime.mqtt import Arrived, Connection
from infusion_gateway.wire.messages import Heartbeat, beat, own_word
from infusion_gateway.wire.stamps import rfc3339
from infusion_gateway.wire.topics import Topics

log = structlog.get_logger(__name__)

HEARTBEAT_S = 5.0
BEAT_WITHIN_S = HEARTBEAT_S + 1.0
"""A gateway that lives is heard within so long."""
RETAINED_WITHIN_S = 0.3
"""How long what the broker has kept may take to come."""
LOOK_S = 12.0
"""How long looking may take in all, whatever the broker does."""
TOLD_FOR: Nanos = 60 * SECOND
"""How long another gateway is told of after it was met."""


class Name:
    """This gateway's name on the broker. said: whether an availability is this process's own word."""

    def __init__(  # noqa: PLR0917 - a name is looked up with all of these
        self,
        settings: BrokerSettings,
        topics: Topics,
        journal: Journal,
        clock: Clock,
        said: Callable[[bytes], bool],
        in_session: Callable[[], bool],
    ) -> None:
        self.in_session = in_session
        self._settings = settings
        self._topics = topics
        self._journal = journal
        self._clock = clock
        self._said = said
        self._looked = False
        self._unasked = ""
        self._met_at: Nanos | None = None
        self.given_way = False

    async def claim(self) -> None:
        """Look whether the name is free, before anything is said under it; raises NameHeld where another lives."""
        if holder := await self.holder():
            raise NameHeld(f"{holder}: it lives, and two gateways can't have one name. Give one of them another")

    async def holder(self) -> str:
        """Say who has the name; "" for nobody, where it was looked before, and where that can't be found out."""
        if self._looked or self.in_session():
            return ""
        try:
            async with asyncio.timeout(LOOK_S):
                holder = await Look(self._topics, self._journal.uuid, self._clock, self._said).at(self._settings)
        except (BrokerError, TimeoutError) as error:  # it is looked again before the next connection
            self._say_unasked(plain(error) or f"no answer within {LOOK_S:g} s")
            return ""
        self._unasked = ""
        self._looked = not holder
        if holder:
            self.met()
        return holder

    def _say_unasked(self, why: str) -> None:
        """Log why the broker can't be asked, and what to do: once, until it is another reason."""
        if why == self._unasked:
            return
        self._unasked = why
        ended = "the gateway's own broker has ended: begin the gateway anew"
        remedy = ended if self._settings.embedded else way_out(self._settings)
        log.warning(
            "the broker can't be asked whether another gateway has this name: nobody hears of the beds over it",
            at=where(self._settings), why=why, remedy=remedy,
        )  # fmt: skip

    def met(self) -> None:
        """Note that another was met under the name."""
        self._met_at = self._clock.now()

    def lost(self) -> None:
        """Note that the connection ended: meanwhile the name may be another's."""
        self._looked = False

    @property
    def left(self) -> bool:
        """Whether the name was left to another, and has not been had since; with a case under way it is never left."""
        return self.given_way and not self.in_session()

    @property
    def another(self) -> bool:
        """Whether another was met of late."""
        return self._met_at is not None and self._clock.now() - self._met_at < TOLD_FOR


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
        nobody = f"igw-look-{secrets.token_hex(6)}"  # under our own we would push the other out
        connection = await Connection.open_any(settings, identifier=nobody, will=None, arrived=self.take)
        try:
            await connection.subscribe((self._topics.availability, self._topics.heartbeat), qos=0)
            await self._heard(RETAINED_WITHIN_S, lambda: self._online)
            if self._online:
                await self._heard(BEAT_WITHIN_S, lambda: not self._online)
        finally:
            await connection.leave()
        return self.holder

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
