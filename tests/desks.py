"""A station as it is: the production client and its account of what it has, and what came to it, raw."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.station.client import listen
from infusion_gateway.ward.seen import Seen
from infusion_gateway.wire.topics import Topics


@dataclass
class Desk:
    """What one station has. new: what it takes for new; raw: every event as it came; links: why it was not connected.

    hears: who is told of what comes in its place.
    """

    topics: Topics
    seen: Seen = field(default_factory=Seen)
    new: list[int] = field(default_factory=list)
    raw: list[tuple[int, str]] = field(default_factory=list)
    links: list[tuple[float, str]] = field(default_factory=list)
    live: list[float] = field(default_factory=list)
    hears: Callable[[str, bytes], None] | None = None

    def hear(self, topic: str, payload: bytes) -> None:
        """Be told of a message by the client."""
        (self.hears or self.take)(topic, payload)

    def take(self, topic: str, payload: bytes) -> None:
        """Take a message, as a station's page would."""
        if topic.endswith("/vitals"):
            self.live.append(time.monotonic())
        if "/event/" not in topic:
            return
        body = json.loads(payload)
        self.raw.append((body["sequence"], body["id"]))
        if self.seen.take(self.topics.gateway, topic.split("/")[4], body["sequence"], body["id"]):
            self.new.append(body["sequence"])

    @property
    def linked(self) -> bool:
        """Whether it listens now."""
        return bool(self.links) and not self.links[-1][1]


@contextlib.asynccontextmanager
async def desk(settings: BrokerSettings, topics: Topics, station: str) -> AsyncIterator[Desk]:
    """Run a station meanwhile."""
    made = Desk(topics)
    task = asyncio.create_task(
        listen(
            settings,
            topics,
            station=station,
            utc_ns=time.time_ns,
            take=made.hear,
            seen=lambda: made.seen.payload(time.time_ns()),
            linked=lambda why: made.links.append((time.monotonic(), why)),
        )
    )
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
