"""A person's instruction over MQTT, and the gateway's answer to it. The one file of this side that imports aiomqtt."""

import asyncio
import ssl
from collections.abc import AsyncIterable

from aiomqtt import Client, Message, MqttError, ProtocolVersion, TLSParameters
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import ValidationError

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.errors import BrokerError
from infusion_gateway.wire.asking import Answer
from infusion_gateway.wire.topics import Topics

CONNECT_S = 5.0
EXPIRES_S = 5
"""An instruction that has not reached the gateway by then must not surprise anybody later."""
LONGEST_ANSWER = 16 * 1024
BACKLOG = 64
"""Answers that may wait; a station gets one for each thing that it asks."""
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
    payload: bytes,
    patience_s: float,
) -> Answer | None:
    """Send one instruction, as `wire.asking.write_instruction` wrote it, and wait for its answer.

    None: nobody answered in time, and what became of it is not known. BrokerError: the broker can't be reached, or
    refused; then nothing was asked.
    """
    answers = topics.answers(station)
    async with asyncio.timeout(patience_s + 2 * CONNECT_S):
        try:
            async with _client(broker, station) as client:
                codes = await client.subscribe(answers, qos=1)
                if any(getattr(code, "value", code) >= REFUSED for code in codes):
                    raise BrokerError(f"the broker does not let {station} listen on {answers}")
                await client.publish(topics.do(bed, name), payload, qos=1, properties=_asked(answers, identity))
                return await _answer(client.messages, identity, patience_s)
        except MqttError as error:
            raise BrokerError(f"{broker.host}:{broker.port}: {error}") from error


def _client(broker: BrokerSettings, station: str) -> Client:
    tls = TLSParameters(
        ca_certs=str(broker.ca) if broker.ca else None,
        certfile=str(broker.certificate) if broker.certificate else None,
        keyfile=str(broker.key) if broker.key else None,
        cert_reqs=ssl.CERT_REQUIRED,
    )
    return Client(
        broker.host,
        broker.port,
        identifier=station,
        protocol=ProtocolVersion.V5,
        username=broker.username,
        password=broker.password,
        tls_params=tls if broker.tls else None,
        timeout=CONNECT_S,
        max_queued_incoming_messages=BACKLOG,
    )


def _asked(answers: str, identity: str) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho types only its client
    properties.MessageExpiryInterval = EXPIRES_S
    properties.ResponseTopic = answers
    properties.CorrelationData = identity.encode()
    return properties


async def _answer(messages: AsyncIterable[Message], identity: str, patience_s: float) -> Answer | None:
    """Wait for the answer to this very instruction; others, and what is no answer, are passed over."""
    try:
        async with asyncio.timeout(patience_s):
            async for message in messages:
                if len(message.payload) > LONGEST_ANSWER:
                    continue
                try:
                    answer = Answer.model_validate_json(message.payload)
                except ValidationError:
                    continue
                if answer.id == identity:
                    return answer
    except TimeoutError:
        pass
    return None
