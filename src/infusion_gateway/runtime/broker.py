"""The publisher: keeps people told through the MQTT broker, and never lets the broker hold anything up.

On each connection: availability, then all retained state with the alarms before the rest, then events strictly in
sequence. Telemetry is never queued. A broker's acknowledgement proves that a message was in its memory, no more: one
that came back without what it had kept is told again what no station has shown to have.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

import structlog

from infusion_gateway.config.broker import AGREED_S, ANSWER_S
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.core.backoff import RECONNECT
from infusion_gateway.errors import BrokerError
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.audience import Audience
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.hearing import Hearing
from infusion_gateway.runtime.incoming import Incoming, OnHistory, OnInstruction, ReplyTo
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.runtime.mqtt import GONE, Arrived, Connection
from infusion_gateway.runtime.naming import Name
from infusion_gateway.runtime.presence import Presence
from infusion_gateway.runtime.retained import FAILED, Retained
from infusion_gateway.runtime.telling import Telling
from infusion_gateway.wire.topics import Topics, sendable

__all__ = ["OnChange", "OnInstruction", "Publisher", "ReplyTo"]

log = structlog.get_logger(__name__)

UNSENT = 256
"""Messages of quality 0 that may wait for the socket; more are dropped."""
ANSWERS = 64
ANSWER_EXPIRES_S = 60
TICK_S = 0.25
PING_EVERY = 4
"""Ticks from one question whether the broker still answers to the next: a connection that hangs is seen within 4 s."""
ANOTHER_GATEWAY_S = 30.0
"""How long to leave the name to another gateway: two would push each other out for ever."""
SETTLED_S = 5.0
"""A connection that lasted so long was a good one: the next failure is a first failure."""

ECHO_S = 0.3
"""How long our own word may take to come back; without it the broker is taken for one that forgot."""
ANOTHER_GATEWAY = "another-gateway: another gateway has this gateway's name"

NOBODY = 0x10


OnChange: TypeAlias = Callable[[bool, bool | None, str, bool], None]
"""Told (connected, listeners, why, another) when one of them changes; why is words for people, empty while all is well.

another: another gateway was met under our name within the last minute.
"""


class Publisher:
    """One gateway's side of the broker. Every method but `run` returns at once and never raises.

    certificate: the one that the broker showed last, DER; None: none was seen.
    """

    def __init__(  # noqa: PLR0917 - what a publisher joins: a broker, names, a record, two listeners, the time
        self,
        settings: BrokerSettings,
        topics: Topics,
        journal: Journal,
        on_instruction: OnInstruction,
        on_change: OnChange,
        clock: Clock,
        in_session: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._journal = journal
        self._on_change = on_change
        self._clock = clock
        self._connection: Connection | None = None
        self._told: tuple[bool, bool | None, str, bool] | None = None
        self._connected = False
        self._why = "not connected yet"
        self._wake = asyncio.Event()
        self._retained = Retained(self._state_answered)
        self._answering: set[asyncio.Future[int]] = set()
        self._presence = Presence(clock)
        self.name = Name(settings, topics, journal, clock, self._presence.ours, in_session)
        self._audience = Audience()
        self.telling = Telling(
            topics,
            journal,
            clock,
            settings.station_absent_after,
            acknowledged=lambda code: self._audience.acknowledged(nobody=code == NOBODY),
            complain=self._complain,
            wake=self._wake.set,
        )
        self._incoming = Incoming(topics, journal, on_instruction, self._came_back, self.telling, self._audience, clock)
        self.hearing = Hearing(settings, topics, self._incoming.take, clock)
        self._incoming.on_kept = self._retained.was_kept
        self.dropped = 0
        self.certificate: bytes | None = None
        self.alive_at = clock.now()

    def set_state(self, topic: str, payload: bytes) -> None:
        """Let this be the retained state of the topic; empty clears it. Only the newest is kept and sent."""
        if self._retained.put(topic, payload):
            self._wake.set()

    def keep_only(self, topics: frozenset[str], home_assistant: str | None) -> None:
        """Clear, on each connection, what the broker kept under our name on other topics: of beds that are gone.

        home_assistant: its discovery prefix, to look there too.
        """
        elsewhere = () if home_assistant is None else (self._topics.discoveries(home_assistant),)
        self._retained.expect(topics, (*self._topics.kept, *elsewhere))

    def say(self, topic: str, payload: bytes, expires_s: int, *, retain: bool = False) -> None:
        """Publish once, now or never. retain: only where the broker lets it expire (MQTT 5)."""
        connection = self._connection
        if connection is None or not self._connected or connection.unsent >= UNSENT or not sendable(topic):
            self.dropped += 1
            return
        connection.say(topic, payload, retain=retain and connection.version_5, expires_s=expires_s)

    def answer_history(self, asked: OnHistory) -> None:
        """Let questions for history go there; without this they are let go."""
        self._incoming.on_history = asked

    def recorded(self) -> None:
        """Look into the journal: there are new events to tell."""
        self.telling.recorded()
        self._wake.set()

    def answer(self, topic: str, payload: bytes, correlation: bytes | None) -> None:
        """Answer a station on its answers topic; anywhere else, or with nobody to hear it, the answer is dropped."""
        connection = self._connection
        if connection is None or not self._topics.is_answers(topic) or len(self._answering) >= ANSWERS:
            self.dropped += 1
            return
        answered = connection.send(topic, payload, retain=False, expires_s=ANSWER_EXPIRES_S, correlation=correlation)
        self._answering.add(answered)
        answered.add_done_callback(self._answering.discard)

    async def run(self) -> None:
        """Connect, serve, connect again, for ever. Cancelling says good-bye to the broker."""
        failures = 0
        hearing = asyncio.create_task(self.hearing.run())
        try:
            while True:
                began = self.alive_at = self._clock.now()
                try:
                    self._connection = await self._open()
                    await self._serve(self._connection)
                except BrokerError as error:
                    self._why = str(error)
                except Exception as error:  # the publisher's boundary: whatever broke here, supervision goes on
                    log.exception("publisher")
                    self._why = f"{type(error).__name__}: {error}"
                settled = self._clock.now() - began > SETTLED_S * SECOND
                pause_s = self._disconnected()
                failures = 1 if settled else failures + 1
                delay = RECONNECT.delay(failures, random.random()) / SECOND  # noqa: S311 - spreads retries, keeps no secret
                await asyncio.sleep(max(delay, pause_s))
        finally:
            hearing.cancel()
            await self._farewell()
            await asyncio.wait((hearing,))

    async def _open(self) -> Connection:
        """Connect under our name; raises BrokerError, also where it is another's."""
        if holder := await self.name.holder():
            raise BrokerError(f"{ANOTHER_GATEWAY} ({holder})")
        will = (self._topics.availability, self._presence.will())
        name = f"igw-{self._topics.site}-{self._topics.gateway}"
        return await Connection.open_any(self._settings, identifier=name, will=will, arrived=self._incoming.take)

    async def _serve(self, connection: Connection) -> None:
        """Tell everything over this connection until it ends; then BrokerError says why."""
        work = (
            asyncio.create_task(self._tell(connection)),
            asyncio.create_task(self._watch(connection)),
        )
        connection.lost.add_done_callback(lambda _: self._wake.set())
        try:
            done, _ = await asyncio.wait((*work, connection.lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for task in work:
            if task in done and (error := task.exception()) is not None:
                raise error
        lost = connection.lost.exception() if connection.lost.done() else None
        raise BrokerError(f"the connection ended: {lost or 'without a reason'}")

    async def _tell(self, connection: Connection) -> None:
        await connection.subscribe(self._topics.subscriptions, qos=0)  # what is said there is said again
        await self._retained.look(connection)
        await self._say_online(connection)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ECHO_S):
                await self._presence.echo.wait()
        await self._retained.looked(connection)
        if self._presence.another:
            self.name.met()
        if self._presence.another and not self.name.in_session():
            await self._ask(connection, self._topics.availability, self._presence.gave_way())
            await connection.leave()
            raise BrokerError(ANOTHER_GATEWAY)
        if not self.name.another:  # another gateway's, of our name, is left alone
            self._retained.clear_stale()
        self._retained.anew()
        while self._retained.underway:
            self._retained.send(connection)
            await self._woken()
        await self.telling.settle(remembered=self._presence.remembered)
        self.hearing.begin()
        self._connected = True
        self.certificate = connection.certificate
        self.name.given_way = False
        self._audience.begin(self._clock.now())
        self._why = ""
        log.info("broker connected", mqtt=5 if connection.version_5 else 3, remembered=self._presence.remembered)
        while True:
            self._say_change()
            if self._presence.contradicted:
                await self._say_online(connection)
            self._retained.send(connection)
            await self.telling.send(connection)
            await self._woken()

    async def _say_online(self, connection: Connection) -> None:
        """Say that we are here; it comes back to us, behind whatever the broker had kept."""
        await self._ask(connection, self._topics.availability, self._presence.online())

    def _came_back(self, message: Arrived) -> None:
        self._presence.came_back(message)
        self._wake.set()

    async def _woken(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    async def _watch(self, connection: Connection) -> None:
        """Look at the connection now and then; raises BrokerError once the broker owes an answer for too long."""
        for turn in count():
            await asyncio.sleep(TICK_S)
            self.alive_at = self._clock.now()
            owed_s = connection.behind_s() if turn % PING_EVERY == 0 else 0.0
            for waited_s, most_s in ((owed_s, ANSWER_S), (connection.waiting_s(), AGREED_S)):
                if waited_s > most_s:
                    raise BrokerError(f"the broker has not answered for {most_s:g} s")
            if self._connected:
                self.telling.look()
                self._say_change()

    def _state_answered(self, topic: str, code: int) -> None:
        if code >= FAILED:
            self._complain(f"the broker refuses {topic} (reason {code:#x})")
        elif code != GONE and topic.endswith("/alarms"):
            self._audience.acknowledged(nobody=code == NOBODY)
        self._wake.set()

    async def _ask(self, connection: Connection, topic: str, payload: bytes) -> None:
        """Publish and wait for the broker; BrokerError where it refuses or the connection ends."""
        code = await connection.send(topic, payload, retain=True)
        if code == GONE:
            raise BrokerError("the connection ended")
        if code >= FAILED:
            raise BrokerError(f"the broker refuses {topic} (reason {code:#x})")

    def _complain(self, why: str) -> None:
        if why != self._why:
            self._why = why
            log.error("broker", why=why)

    def words(self) -> dict[str, int]:
        """Give the newest word of each station that was heard lately, by its own count."""
        return self._audience.words()

    def _say_change(self) -> None:
        """Tell what changed. A connection is told once people are heard too; what goes out to them does not wait."""
        deaf = self.hearing.deaf if self._connected else ""
        before = self._told is not None and self._told[0]
        if self._connected and not (before or deaf or self.hearing.open):
            return
        listeners = self._audience.listeners(self._clock.now()) if self._connected else None
        new = (self._connected and not deaf, listeners, deaf or self._why, self.name.another)
        if new != self._told:
            self._told = new
            self._on_change(*new)

    def _disconnected(self) -> float:
        """Take back what was on its way; give how long to stay away (seconds) where another gateway has our name."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self.name.lost()
            if connection.taken_over:
                self.name.met()
                self._why = ANOTHER_GATEWAY
            cut = connection.ended_by_broker
            suspected = cut and self._retained.cut()
            self.telling.disconnected(cut=cut and not suspected)
            connection.cut()
            log.warning("broker lost", why=self._why)
        self._connected = False
        self._audience.forget()
        self._say_change()
        if not self._why.startswith(ANOTHER_GATEWAY) or self.name.in_session():
            return 0.0
        self.name.given_way = True
        self.hearing.leave()
        return ANOTHER_GATEWAY_S

    async def _farewell(self) -> None:
        """Say that the gateway ends by intention, so that nobody takes it for a failure."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._connected and not connection.lost.done():
            said = connection.send(self._topics.availability, self._presence.stopped(), retain=True)
            await asyncio.wait((said,), timeout=0.5)
        await connection.leave()
