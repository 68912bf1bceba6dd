"""The border: a process of its own that hears what people ask over MQTT, and lets through what may be somebody's.

Whatever is sent, and as fast as it is sent, is read, and its signature verified, here: the process that supervises
stays one that sleeps until something happens, which is what the scheduler wakes first.

It speaks with the gateway over its standard input and output, a JSON object a line: `begin` with where the broker is,
`keys`, `wanted`; back come `open`, `heard` and `dropped`. It ends when the gateway does: its input does then.
"""

import asyncio
import base64
import contextlib
import json
import random
import signal
import sys
from pathlib import Path
from typing import Any

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.core.backoff import RECONNECT
from infusion_gateway.errors import BrokerError
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.mqtt import Arrived, Connection
from infusion_gateway.runtime.sieve import Sieve
from infusion_gateway.wire.sealing import Keyring
from infusion_gateway.wire.topics import Topics

TICK_S = 0.1
BEHIND_S = 0.3
"""A broker that has so much more for us than can be read is left, and connected to anew: it throws away what it kept.

What is asked now is then heard now, not behind what is old; and no broker's memory fills with a flood.
"""
LONGEST_LINE = 1 << 20


class Flooded(BrokerError):
    """More comes than can be read: begin anew."""


class Border:
    """One gateway's border."""

    def __init__(self, begin: dict[str, Any], clock: Clock) -> None:
        self._settings = settings_of(begin["broker"])
        self._topics = Topics(begin["site"], begin["gateway"])
        self._sieve = Sieve(self._topics)
        self._clock = clock
        self._wanted = asyncio.Event()

    def told(self, line: dict[str, Any]) -> None:
        """Do what the gateway says."""
        match line:
            case {"keys": keys}:
                found = (EnrolledKey(kid, bytes.fromhex(raw), frozenset(may)) for kid, raw, may in keys)
                self._sieve.keys = Keyring(found)
            case {"wanted": True}:
                self._wanted.set()
            case {"wanted": False}:
                self._wanted.clear()
            case _:
                raise ValueError(f"the gateway says {list(line)}")

    async def run(self) -> None:
        """Hear while it is wanted, for ever."""
        failures = 0
        while True:
            await self._wanted.wait()
            began = self._clock.now()
            try:
                await self._hear()
            except Flooded:
                continue
            except BrokerError as error:
                _say({"open": False, "why": str(error)[:400]})
            failures = 1 if self._clock.now() - began > 5 * SECOND else failures + 1
            await asyncio.sleep(RECONNECT.delay(failures, random.random()) / SECOND)  # noqa: S311 - spreads retries, keeps no secret

    async def _hear(self) -> None:
        """Connect and hear until the connection ends (BrokerError says why) or nobody wants it any more."""
        name = f"igw-{self._topics.site}-{self._topics.gateway}-do"
        connection = await Connection.open_any(
            self._settings, identifier=name, will=None, arrived=self._arrived, eager=True
        )
        try:
            await connection.subscribe(self._topics.asked, qos=0)  # no session outlives the connection: 1 gives no more
            _say({"open": True})
            while not connection.lost.done() and self._wanted.is_set():
                await asyncio.wait((connection.lost,), timeout=TICK_S)
                if connection.behind_s() > BEHIND_S:
                    connection.cut()
                    raise Flooded
                if dropped := self._sieve.dropped():
                    _say({"dropped": dropped})
            lost = connection.lost.exception() if connection.lost.done() else None
            raise BrokerError(f"the connection ended: {lost or 'it is not wanted any more'}")
        finally:
            await connection.leave()

    def _arrived(self, message: Arrived) -> None:
        if not message.retained and self._sieve.passes(message.topic, message.payload, self._clock.now()):
            correlation = None if message.correlation is None else base64.b64encode(message.correlation).decode()
            payload = base64.b64encode(message.payload).decode()
            _say({"heard": [message.topic, payload, message.response_topic, correlation]})


def begin_of(settings: BrokerSettings, topics: Topics) -> dict[str, Any]:
    """Write what a border begins with: the one line that holds a secret, which no argument or environment ever does."""
    broker = {name: getattr(settings, name) for name in BrokerSettings.__slots__}
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in broker.items()}
    return {"broker": plain, "site": topics.site, "gateway": topics.gateway}


def settings_of(plain: dict[str, Any]) -> BrokerSettings:
    """Read a broker's settings as `begin_of` wrote them."""
    paths = {name: Path(plain[name]) for name in ("ca", "certificate", "key") if plain[name] is not None}
    others = tuple((str(host), int(port)) for host, port in plain["others"])
    return BrokerSettings(**{**plain, **paths, "others": others})


def heard(line: list[Any]) -> Arrived:
    """Read a message as the border passed it on; ValueError where it is none."""
    topic, payload, response, correlation = line
    tag = None if correlation is None else base64.b64decode(correlation)
    return Arrived(str(topic), base64.b64decode(payload), False, response, tag)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Serve the gateway that started this process, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the gateway's; this ends with its input
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    border = Border(json.loads(await reader.readline()), Clock())
    running = asyncio.create_task(border.run())
    try:
        while line := await reader.readline():
            border.told(json.loads(line))
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


if __name__ == "__main__":
    asyncio.run(main())
