"""A person's instruction over MQTT, and the gateway's answer to it. The one file of this side that imports aiomqtt."""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count, repeat
from typing import Any

from aiomqtt import Client, Message, MqttCodeError, MqttError, ProtocolVersion, Will
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import ValidationError

from infusion_gateway.config.broker import (
    AGREED_S,
    ANSWER_S,
    HALF_OPEN,
    KEEP_ALIVE_S,
    NOT_SUPPORTED,
    plain,
    tls_context,
    way_out,
    where,
)
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.errors import BrokerError
from infusion_gateway.mqtt_client import MqttClient
from infusion_gateway.station.binding import Binding
from infusion_gateway.ward.seen import Telling, availability
from infusion_gateway.wire.asking import Answer
from infusion_gateway.wire.topics import ROOT, Topics

CONNECT_S = 5.0
PING_S = 1.0
EXPIRES_S = 5
"""An instruction that has not reached the gateway by then must not surprise anybody later."""
LONGEST_ANSWER = 16 * 1024
BACKLOG = 64
"""Answers that may wait; a station gets one for each thing that it asks."""
HEARD = 20_000
"""Messages that may wait for a listening station, which only looks at them."""
WAITING = 256
"""Questions and instructions that may wait to be sent: far more than people and beds can ask at once."""
AGAIN_S = 0.3
HEARTBEAT_WITHIN_S = 12.0
"""Two heartbeats and a little: then the gateway is taken for silent."""
STOP_WAITS_S = 1.0
"""As long as a stop is held for the bed's retained session, to name the case; it goes out without."""
STOP_AGAIN_S, STOP_GROWS, STOP_AT_LEAST_EVERY_S = 0.05, 1.1, 0.2
"""A stop that nobody has answered is sent again: a flooded broker may have dropped it."""
ASK_AGAIN_S, SENT_AT_MOST = 1.0, 4
"""So is everything else, under one id, which a gateway takes up once: its ear may just have been connecting anew."""
SEEN_EVERY_S = 2.0
FIRST_WORD = 2**52
"""Words of a start begin anywhere below: no heartbeat of another start names them. JSON has whole numbers to 2**53."""
_SILENT = logging.getLogger("infusion_gateway.station.mqtt")
_SILENT.setLevel(logging.CRITICAL)  # what paho says of a socket is told by us, in words
REFUSED = 0x80
"""Reason codes from here on are failures (MQTT 5, 2.4)."""


async def ask(
    broker: BrokerSettings,
    topics: Topics,
    *,
    station: str,
    bed: str,
    name: str,
    identity: str,
    payload: bytes | Binding,
    patience_s: float,
) -> Answer | None:
    """Send one instruction, as `wire.asking.write_instruction` wrote it or to be signed, and wait for its answer.

    None: nobody answered in time, or the broker was lost meanwhile: what became of it is not known. BrokerError: the
    broker can't be reached, or refused, or the gateway did not say what to sign for; then nothing was asked.
    """
    answers = topics.answers(station)
    sent = False
    answer: Answer | None = None
    try:
        async with _connected(broker, station) as client:
            await _subscribe(client, station, answers)
            if isinstance(payload, Binding):
                await _gather(client, station, topics, payload)
            sent = True
            answer = await _asked_for(
                client,
                topics.do(bed, name),
                payload,
                identity=identity,
                answers=answers,
                waits=pauses(name),
                patience_s=patience_s,
            )
    except MqttError as error:
        if not sent:
            raise BrokerError(f"{unreachable(broker, error)}. Nothing was asked") from error
    return answer


async def _gather(client: Client, station: str, topics: Topics, binding: Binding) -> None:
    """Wait for what the gateway has to say first; a stop goes out soon, whatever is missing."""
    if not binding.missing:
        return
    await _subscribe(client, station, *binding.filters)
    try:
        async with asyncio.timeout(STOP_WAITS_S if binding.stops else HEARTBEAT_WITHIN_S):
            async for message in client.messages:
                binding.take(str(message.topic), bytes(message.payload), retained=message.retain)
                if not binding.missing:
                    return
    except TimeoutError:
        if binding.stops:
            return
        heard = f"; {binding.unverified} messages were not signed by it" if binding.unverified else ""
        where = f"{topics.site}/{topics.gateway}"
        raise BrokerError(f"{where} said no {binding.missing} to sign for{heard}. Nothing was asked") from None


def expires_s(gone_s: float) -> int:
    """Give for how long a broker may still hand on what was asked for the first time so many seconds ago."""
    return max(EXPIRES_S - math.floor(gone_s), 1)


def pauses(name: str) -> Iterator[float]:
    """Give how many seconds to wait for an answer after each sending of this instruction; the last is endless."""
    pause = STOP_AGAIN_S
    while name == "stop":
        yield pause
        pause = min(pause * STOP_GROWS, STOP_AT_LEAST_EVERY_S)
    yield from repeat(ASK_AGAIN_S, SENT_AT_MOST - 1)
    yield math.inf


async def _asked_for(
    client: Client,
    topic: str,
    payload: bytes | Binding,
    *,
    identity: str,
    answers: str,
    waits: Iterator[float],
    patience_s: float,
) -> Answer | None:
    """Send it and wait for the answer, again and again until there is one; once, however short the patience."""
    write, genuine = (payload.write, payload.genuine) if isinstance(payload, Binding) else (lambda: payload, _whatever)
    began, gone = time.monotonic(), 0.0
    for pause in waits:
        await client.publish(topic, write(), qos=1, properties=_asked(answers, identity, expires_s(gone)))
        answer = await _answer(client.messages, identity, min(max(patience_s - gone, 0.0), pause), genuine)
        gone = time.monotonic() - began
        if answer is not None or gone >= patience_s:
            return answer
    return None


def unreachable(broker: BrokerSettings, error: MqttError) -> str:
    """Say why there is no connection to the broker, and the way out; without a full stop at the end."""
    if isinstance(error, MqttCodeError):
        return f"the broker at {where(broker)} refuses: {error}"
    return f"the broker at {where(broker)} can't be reached: {plain(error)}. {way_out(broker)}"


async def _subscribe(client: Client, station: str, *topics: str) -> None:
    """Subscribe with quality 1 where the broker speaks MQTT 5, else 0: what is missed is told again, by what was seen.

    A cluster that speaks 3.1.1 alone (NATS) makes a replicated queue of each subscription of quality 1, which after a
    node's death took it up to 27 s; one of quality 0 is there at once.
    """
    qos = int(int(client._client.protocol) == ProtocolVersion.V5)  # noqa: SLF001 - aiomqtt doesn't say
    for topic in topics:
        codes = await client.subscribe(topic, qos=qos, timeout=AGREED_S)
        if any(getattr(code, "value", code) >= REFUSED for code in codes):
            raise BrokerError(f"the broker does not let {station} listen on {topic}")


@asynccontextmanager
async def _connected(
    broker: BrokerSettings,
    station: str,
    *,
    will: Will | None = None,
    backlog: int = BACKLOG,
    keepalive: int = 60,
    answer_s: float = CONNECT_S,
) -> AsyncIterator[Client]:
    """Connect to the first of the broker's addresses that answers; MqttError, the last one's, where none does."""
    make = partial(_client, station=station, will=will, backlog=backlog, keepalive=keepalive, answer_s=answer_s)
    *before, last = broker.addresses
    async with AsyncExitStack() as stack:
        for address in before:
            try:
                client = await _entered(stack, partial(make, address))
                break
            except MqttError:
                continue
        else:
            client = await _entered(stack, partial(make, last))
        yield client


async def _entered(stack: AsyncExitStack, make: Callable[..., Client]) -> Client:
    """Connect with MQTT 5, or with 3.1.1 where the broker says that it speaks no other; paho leaves out what is 5's."""
    try:
        return await stack.enter_async_context(make(version=ProtocolVersion.V5))
    except MqttCodeError as error:
        if getattr(error.rc, "value", error.rc) not in NOT_SUPPORTED:
            raise
    return await stack.enter_async_context(make(version=ProtocolVersion.V311))


def _client(
    broker: BrokerSettings,
    *,
    station: str,
    version: ProtocolVersion,
    will: Will | None,
    backlog: int,
    keepalive: int,
    answer_s: float,
) -> Client:
    try:
        tls = tls_context(broker)
    except (OSError, ValueError) as error:
        raise BrokerError(f"the certificates can't be used: {error}") from error
    client = MqttClient(
        broker.host,
        broker.port,
        identifier=station,
        protocol=version,
        username=broker.username,
        password=broker.password,
        logger=_SILENT,
        tls_context=tls,
        timeout=answer_s,
        socket_options=HALF_OPEN,
        max_queued_incoming_messages=backlog,
        will=will,
        keepalive=keepalive,
    )
    client._client.connect_timeout = answer_s  # noqa: SLF001 - aiomqtt leaves paho's 5 s
    ended = client._disconnected  # noqa: SLF001 - of a refused try nobody asks how it ended, and asyncio complains
    ended.add_done_callback(lambda done: done.cancelled() or done.exception())
    return client


def _asked(answers: str, identity: str, expires: int) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho types only its client
    properties.MessageExpiryInterval = expires
    properties.ResponseTopic = answers
    properties.CorrelationData = identity.encode()
    return properties


async def _answer(
    messages: AsyncIterable[Message],
    identity: str,
    patience_s: float,
    genuine: Callable[[str, bytes], bool],
) -> Answer | None:
    """Wait for the answer to this very instruction; others, and what is no genuine answer, are passed over."""
    try:
        async with asyncio.timeout(patience_s):
            async for message in messages:
                if len(message.payload) > LONGEST_ANSWER or not genuine(str(message.topic), bytes(message.payload)):
                    continue
                try:
                    answer = Answer.model_validate_json(message.payload)
                except ValidationError:
                    continue
                if answer.id == identity or (not answer.id and _tag(message) == identity.encode()):
                    return answer
    except TimeoutError:
        pass
    return None


def _whatever(_topic: str, _payload: bytes) -> bool:
    """Take an answer where nobody's key is known."""
    return True


def _tag(message: Message) -> bytes | None:
    """Give what an answer was tagged with: of what could not be read or believed the gateway knows no id."""
    return getattr(message.properties, "CorrelationData", None)


@dataclass(frozen=True, slots=True)
class _Asking:
    topic: str
    payload: bytes
    identity: str
    qos: int
    expires_s: int


class Mouth:
    """What a station asks by the connection that it listens on. Nothing waits for a connection that is not there."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[_Asking] = asyncio.Queue(WAITING)
        self._open = False

    def ask(self, topic: str, payload: bytes, identity: str, *, qos: int = 1, expires_s: int = EXPIRES_S) -> bool:
        """Send it as soon as may be, its answer to come on the station's own topic; false: nothing was sent.

        qos: 0 for what is asked again anyway, so that nothing waits for a broker's word on it. expires_s: for how long
        a broker may hand it on.
        """
        if not self._open or self._waiting.full():
            return False
        self._waiting.put_nowait(_Asking(topic, payload, identity, qos, expires_s))
        return True

    async def speak(self, client: Client, answers: str) -> None:
        """Send what is asked for as long as the connection lasts; what then still waits is forgotten."""
        self._open = True
        try:
            while True:
                one = await self._waiting.get()
                told = _asked(answers, one.identity, one.expires_s)
                await client.publish(one.topic, one.payload, qos=one.qos, properties=told, timeout=AGREED_S)
        finally:
            self._open = False
            self._waiting = asyncio.Queue(WAITING)


async def listen(
    broker: BrokerSettings,
    topics: Topics,
    *,
    station: str,
    utc_ns: Callable[[], int],
    take: Callable[[str, bytes], None],
    seen: Callable[[], bytes],
    linked: Callable[[str], None] = lambda _why: None,
    kept: Callable[[str, bytes], None] | None = None,
    mouth: Mouth | None = None,
    telling: Callable[[], Telling] = Telling,
    spoke: Callable[[int], None] = lambda _word: None,
) -> None:
    """Be a station for ever: hear everything of the site, say that one is there, and how far one really has it.

    Connects again within a second when the broker is away; ends by being cancelled. `take` must not block. `linked` is
    told "" whenever the station listens, and after each try that failed or ended why it does not. kept: takes, where
    given, what the broker had kept; mouth: what is asked by the same connection; telling: whom it tells, as it says;
    spoke: told the sequence of each word of its availability, just before that goes out.
    """
    mouth, words = mouth or Mouth(), count(1 + secrets.randbelow(FIRST_WORD))
    while True:
        try:
            async with _station(broker, topics, station, utc_ns) as client:
                await _subscribe(client, station, f"{ROOT}/{topics.site}/#")
                linked("")
                try:
                    await _either(
                        _hear(client, take, kept or take),
                        _say(client, topics, station, utc_ns, seen, telling=telling, words=words, spoke=spoke),
                        _ping(client),
                        mouth.speak(client, topics.answers(station)),
                    )
                except asyncio.CancelledError:  # a clean end sends no last will: say good-bye, but don't wait long
                    gone = availability("offline", utc_ns(), 0)
                    with suppress(MqttError):  # one that can't be said must not have us connect again
                        await client.publish(topics.station_availability(station), gone, 1, retain=True, timeout=0.5)
                    raise
                except MqttError as error:  # told at once: leaving a broker that hangs takes its time
                    linked(unreachable(broker, error))
                    raise
        except MqttError as error:  # away, or not there yet: that is what the loop is for
            _end_if_told()
            linked(unreachable(broker, error))
        except BrokerError as error:
            linked(str(error))
        await asyncio.sleep(AGAIN_S)


def _end_if_told() -> None:
    """Raise a cancellation again that was lost under the error of leaving a broker which then did not answer."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _station(
    broker: BrokerSettings, topics: Topics, station: str, utc_ns: Callable[[], int]
) -> AbstractAsyncContextManager[Client]:
    will = Will(topics.station_availability(station), availability("offline", utc_ns(), 0), qos=1, retain=True)
    return _connected(broker, station, will=will, backlog=HEARD, keepalive=KEEP_ALIVE_S, answer_s=ANSWER_S)


async def _either(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of these until one ends or fails; then none goes on."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ping(client: Client) -> None:
    """Ask again and again whether the broker is there; MqttError once it doesn't answer."""
    beneath = client._client  # noqa: SLF001 - aiomqtt has no ping, and paho's own comes after 5 s and waits for 5
    while True:
        asked = beneath._ping_t  # noqa: SLF001 - when it was sent; 0 once it was answered
        if not asked:
            beneath._send_pingreq()  # noqa: SLF001 - likewise
        elif time.monotonic() - asked > ANSWER_S:
            raise MqttError(f"the broker has not answered for {ANSWER_S:g} s")
        await asyncio.sleep(PING_S)


async def _hear(client: Client, take: Callable[[str, bytes], None], kept: Callable[[str, bytes], None]) -> None:
    async for message in client.messages:
        (kept if message.retain else take)(str(message.topic), bytes(message.payload))


async def _say(
    client: Client,
    topics: Topics,
    station: str,
    utc_ns: Callable[[], int],
    seen: Callable[[], bytes],
    *,
    telling: Callable[[], Telling],
    words: Iterator[int],
    spoke: Callable[[int], None],
) -> None:
    for sequence in words:
        spoke(sequence)
        said = availability("online", utc_ns(), sequence, telling())
        await client.publish(topics.station_availability(station), said, qos=1, retain=True, timeout=AGREED_S)
        await client.publish(topics.seen(station), seen(), qos=1, timeout=AGREED_S)
        await asyncio.sleep(SEEN_EVERY_S)
