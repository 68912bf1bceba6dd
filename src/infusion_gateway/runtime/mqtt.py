"""One connection to the MQTT broker: the only file of this side that knows aiomqtt, and paho beneath it.

aiomqtt gives the asyncio shell. What it hides is added here: the broker's reason code of every publish (0x10: nobody
is subscribed, 0x80 and above: refused), why a connection ended, and that a socket is closed whatever happens.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from infusion_gateway.config.broker import AGREED_S, ANSWER_S, HALF_OPEN, KEEP_ALIVE_S, NOT_SUPPORTED, tls_context
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.errors import BrokerError
from infusion_gateway.mqtt_client import MqttClient

IN_FLIGHT = 16
LONGEST_PACKET = 64 * 1024
RECEIVED_AT_ONCE = 64 * 1024
PACKETS_AT_ONCE = 32
TAKEN_OVER = 0x8E
KEPT_ALIVE_TOO_LATE = 0x8D
JSON = "application/json"
GONE = -1
"""In place of a reason code: the connection ended before the broker answered."""

_SILENT = logging.getLogger("infusion_gateway.mqtt")
_SILENT.setLevel(logging.CRITICAL)  # what paho says of each packet is told by us, once and in words


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message from the broker. response_topic, correlation: where an answer is wanted (MQTT 5)."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None
    correlation: bytes | None


class NotSpoken(BrokerError):
    """The broker is there, but does not speak this version of MQTT (or ended the connection without a word)."""


class _Client(MqttClient):
    """aiomqtt's client with the reason codes let through."""

    def __init__(self, *arguments: Any, arrived: Callable[[Arrived], None], eager: bool, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._eager = eager
        self._received = memoryview(b"")
        if eager:
            self._recv = self._client._sock_recv  # noqa: SLF001 - paho asks the kernel for each byte of a header by itself
            self._client._sock_recv = self._next  # type: ignore[method-assign]  # noqa: SLF001 - likewise
        self._client.connect_timeout = ANSWER_S
        self._arrived = arrived
        self.unanswered: dict[int, tuple[asyncio.Future[int], float]] = {}
        self.unsent = 0
        self.reason: int | None = None
        self.silent = False

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        super()._on_socket_open(client, userdata, sock)
        if self._eager:
            self._loop.call_soon_threadsafe(self._loop.add_reader, sock.fileno(), self._readable)

    def _next(self, bufsize: int) -> bytes:
        """Give up to so many bytes of what has been received."""
        if not self._received:
            self._received = memoryview(self._recv(RECEIVED_AT_ONCE))
        found, self._received = self._received[:bufsize], self._received[bufsize:]
        return bytes(found)

    def _readable(self) -> None:
        """Read what is there, some packets at a time; what is left then waits behind the loop's other work."""
        try:
            for _ in range(PACKETS_AT_ONCE):
                self._client.loop_read()
                if self._client.socket() is None:
                    self._received = memoryview(b"")
                if not self._received:
                    return
        except Exception as error:  # noqa: BLE001 - as aiomqtt does: whatever broke, this connection is over
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
            return
        self._loop.call_soon(self._readable)

    @property
    def beneath(self) -> paho.Client:
        """The client beneath."""
        return self._client

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done once the connection has ended."""
        return self._disconnected

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        most = getattr(properties, "ReceiveMaximum", IN_FLIGHT) if properties is not None else IN_FLIGHT
        client._max_inflight_messages = max(min(int(most), IN_FLIGHT), 1)  # noqa: SLF001 - paho ignores what the broker asks for
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, _client: paho.Client, _userdata: Any, mid: int, reason_code: ReasonCode, _properties: Properties
    ) -> None:
        answered = self.unanswered.pop(mid, None)
        if answered is None:
            self.unsent = max(self.unsent - 1, 0)  # QoS 0: it has left for the socket
        elif not answered[0].done():
            answered[0].set_result(reason_code.value)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.reason = reason_code.value
        if not self._connected.done():  # aiomqtt would wait for the rest of the time-out
            self.silent = True
            self._connected.set_exception(aiomqtt.MqttCodeError(reason_code, "ended before it began"))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):  # a topic that is no UTF-8 is not one of ours
            properties = getattr(message, "properties", None)
            self._arrived(
                Arrived(
                    topic=message.topic,
                    payload=bytes(message.payload),
                    retained=message.retain,
                    response_topic=getattr(properties, "ResponseTopic", None),
                    correlation=getattr(properties, "CorrelationData", None),
                )
            )


class Connection:
    """One connection, from its opening to its end; never used again."""

    def __init__(self, client: _Client, *, version_5: bool) -> None:
        self._client = client
        self.version_5 = version_5
        self._ended = False

    @classmethod
    async def open(
        cls,
        settings: BrokerSettings,
        *,
        version_5: bool,
        identifier: str,
        will: tuple[str, bytes] | None,
        arrived: Callable[[Arrived], None],
        eager: bool = False,
    ) -> "Connection":
        """Connect, with a last will (topic, payload; retained). `arrived` is called in the loop; it must not raise.

        eager: whatever comes is read as fast as it can be, for a connection that may be flooded.
        Raises NotSpoken where the broker doesn't speak this version, BrokerError where it can't be reached at all.
        """
        try:
            tls = await asyncio.to_thread(tls_context, settings)
        except (OSError, ValueError) as error:
            raise BrokerError(f"the certificates can't be used: {error}") from error
        client = _client(
            settings, version_5=version_5, identifier=identifier, will=will, tls=tls, arrived=arrived, eager=eager
        )
        connection = cls(client, version_5=version_5)
        try:
            await client.__aenter__()
        except aiomqtt.MqttCodeError as error:
            connection.cut()
            code = error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
            kind = NotSpoken if client.silent or code in NOT_SUPPORTED else BrokerError
            raise kind(str(error)) from error
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            connection.cut()
            raise BrokerError(str(error)) from error
        except BaseException:
            connection.cut()
            raise
        return connection

    @classmethod
    async def open_any(
        cls,
        settings: BrokerSettings,
        *,
        identifier: str,
        will: tuple[str, bytes] | None,
        arrived: Callable[[Arrived], None],
        eager: bool = False,
    ) -> "Connection":
        """Connect to the first address that answers, with MQTT 5, or 3.1.1 where it doesn't speak that; BrokerError."""

        async def speak(address: BrokerSettings, *, version_5: bool = True) -> Connection:
            try:
                return await cls.open(
                    address, version_5=version_5, identifier=identifier, will=will, arrived=arrived, eager=eager
                )
            except NotSpoken:
                if not version_5:
                    raise
            return await speak(address, version_5=False)

        refused: dict[str, BrokerError] = {}
        for address in settings.addresses:
            try:
                return await speak(address)
            except BrokerError as error:
                refused[f"{address.host}:{address.port}"] = error
        if len(refused) == 1:
            raise refused.popitem()[1]
        raise BrokerError("; ".join(f"{where}: {why}" for where, why in refused.items()))

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done, perhaps with an exception, once the connection has ended."""
        return self._client.lost

    @property
    def ended_by_broker(self) -> bool:
        """Whether the other side ended it, rather than our own time-out or wish."""
        return self.lost.done() and not self._ended and self._client.reason != KEPT_ALIVE_TOO_LATE

    @property
    def taken_over(self) -> bool:
        """Whether somebody else connected under our name."""
        return self._client.reason == TAKEN_OVER

    @property
    def certificate(self) -> bytes | None:
        """The certificate that the broker showed, DER; None without TLS, or once the connection has ended."""
        socket = self._client.beneath.socket()
        return socket.getpeercert(binary_form=True) if isinstance(socket, ssl.SSLSocket) else None

    @property
    def unsent(self) -> int:
        """Messages of quality 0 that have not left for the socket yet."""
        return self._client.unsent

    def waiting_s(self) -> float:
        """Give how long the oldest unanswered message has been waiting; 0: none is."""
        oldest = next(iter(self._client.unanswered.values()), None)
        return 0.0 if oldest is None else time.monotonic() - oldest[1]

    def behind_s(self) -> float:
        """Give how long the broker has owed the answer to a ping, which comes behind all that it has for us; ping anew.

        0.0: it owes none.
        """
        asked = self._client.beneath._ping_t  # noqa: SLF001 - paho keeps it for its own keep-alive
        if self._ended or self.lost.done():
            return 0.0
        if not asked:
            self._client.beneath._send_pingreq()  # noqa: SLF001 - likewise
            return 0.0
        return time.monotonic() - asked

    async def subscribe(self, filters: tuple[str, ...], *, qos: int = 1) -> None:
        """Subscribe; raises BrokerError where the broker does not answer or refuses one."""
        try:
            granted = await self._client.subscribe([(name, qos) for name in filters], timeout=AGREED_S)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise BrokerError(f"subscribing: {error}") from error
        codes = [code.value if isinstance(code, ReasonCode) else int(code) for code in granted]
        refused = [name for name, code in zip(filters, codes, strict=False) if code >= 0x80]  # noqa: PLR2004 - MQTT: 0x80 and above are failures
        if refused:
            raise BrokerError(f"the broker refuses a subscription to {refused[0]}")

    async def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """Hear no more of these; raises BrokerError where the broker does not answer."""
        try:
            await self._client.unsubscribe(list(filters), timeout=AGREED_S)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise BrokerError(f"unsubscribing: {error}") from error

    def send(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool,
        expires_s: int | None = None,
        correlation: bytes | None = None,
        content_type: str = JSON,
    ) -> asyncio.Future[int]:
        """Send with quality 1; the future gives the broker's reason code, or GONE where the connection ends first."""
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        info = self._publish(
            topic,
            payload,
            qos=1,
            retain=retain,
            expires_s=expires_s,
            correlation=correlation,
            content_type=content_type,
        )
        if info is None:
            answered.set_result(GONE)
        else:
            self._client.unanswered[info.mid] = (answered, time.monotonic())
        return answered

    def say(self, topic: str, payload: bytes, *, retain: bool, expires_s: int) -> None:
        """Send with quality 0: it arrives or it doesn't."""
        if self._publish(topic, payload, qos=0, retain=retain, expires_s=expires_s) is not None:
            self._client.unsent += 1

    def _publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        expires_s: int | None = None,
        correlation: bytes | None = None,
        content_type: str = JSON,
    ) -> paho.MQTTMessageInfo | None:
        properties = None
        if self.version_5 and correlation is None:
            properties = _of_publish(content_type, expires_s)
        elif self.version_5:
            properties = _made_of_publish(content_type, expires_s)
            properties.CorrelationData = correlation
        if self._ended or self.lost.done():
            return None
        info = self._client.beneath.publish(topic, payload, qos, retain, properties)
        return info if info.rc == paho.MQTT_ERR_SUCCESS else None

    async def leave(self) -> None:
        """Say good-bye, so that the last will is not spoken; then end."""
        if not self._ended and not self.lost.done():
            self._client.beneath.disconnect()
            await asyncio.wait([self.lost], timeout=0.5)
        self.cut()

    def cut(self) -> None:
        """End it at once: the socket is closed, and nothing that was asked is waited for any more."""
        self._ended = True
        self._client.beneath._sock_close()  # noqa: SLF001 - paho has no public way that doesn't wait for the other side
        unanswered, self._client.unanswered = self._client.unanswered, {}
        for answered, _ in unanswered.values():
            if not answered.done():
                answered.set_result(GONE)
        self.lost.add_done_callback(lambda lost: lost.cancelled() or lost.exception())  # or asyncio complains of it


def _client(
    settings: BrokerSettings,
    *,
    version_5: bool,
    identifier: str,
    will: tuple[str, bytes] | None,
    tls: ssl.SSLContext | None,
    arrived: Callable[[Arrived], None],
    eager: bool,
) -> _Client:
    """Make the client of one connection: nothing of it is kept by the broker but what is retained."""
    properties = None
    if version_5:
        properties = _properties(PacketTypes.CONNECT)
        properties.MaximumPacketSize = LONGEST_PACKET
    return _Client(
        settings.host,
        settings.port,
        arrived=arrived,
        eager=eager,
        username=settings.username,
        password=settings.password,
        logger=_SILENT,
        identifier=identifier,
        protocol=aiomqtt.ProtocolVersion.V5 if version_5 else aiomqtt.ProtocolVersion.V311,
        will=None if will is None else aiomqtt.Will(will[0], will[1], qos=1, retain=True),
        clean_session=None if version_5 else True,
        clean_start=True if version_5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
        timeout=ANSWER_S,
        keepalive=KEEP_ALIVE_S,
        max_inflight_messages=IN_FLIGHT,
        properties=properties,
        tls_context=tls,
        socket_options=HALF_OPEN,
    )


def _made_of_publish(content_type: str, expires_s: int | None) -> Properties:
    properties = _properties(PacketTypes.PUBLISH)
    properties.ContentType = content_type
    if expires_s is not None:
        properties.MessageExpiryInterval = expires_s
    return properties


@lru_cache(maxsize=64)
def _of_publish(content_type: str, expires_s: int | None) -> Properties:
    """Give the same for thousands of publishes, packed once: paho only reads them, and packs them anew for each."""
    properties = _made_of_publish(content_type, expires_s)
    packed = properties.pack()  # type: ignore[no-untyped-call]  # paho leaves it untyped
    vars(properties)["pack"] = lambda: packed
    return properties


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped
