"""What comes in from the broker: instructions and stations' words, bounded, and never raising into the connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from infusion_gateway.model.metric import Nanos
from infusion_gateway.runtime.audience import Allowance, Audience
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.runtime.mqtt import Arrived
from infusion_gateway.runtime.telling import Telling
from infusion_gateway.wire.stations import Nonsense, parse_availability, parse_seen
from infusion_gateway.wire.topics import AskedHistory, Do, OwnAvailability, StationSaw, StationState, Topics

log = structlog.get_logger(__name__)

LONGEST = 64 * 1024
"""Bytes of a message; a longer one is not even looked at."""


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where an instruction wants its answer (MQTT 5). topic: a station's answers topic, or None."""

    topic: str | None
    correlation: bytes | None


OnInstruction: TypeAlias = Callable[[str, str, bytes, ReplyTo], None]
"""Told (bed, instruction's name, payload, where to answer); must not block."""


OnHistory: TypeAlias = Callable[[bytes, ReplyTo], None]
"""Told (payload, where to answer) of a question for history; must not block nor raise."""


class Incoming:
    """Sorts what arrives. own: told of our own availability coming back; telling: of what stations have seen.

    on_kept: told of a topic that the broker had kept something on, and that nobody here reads.
    """

    def __init__(  # noqa: PLR0917 - who is told of what
        self,
        topics: Topics,
        journal: Journal,
        on_instruction: OnInstruction,
        own: Callable[[Arrived], None],
        telling: Telling,
        audience: Audience,
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._journal = journal
        self._on_instruction = on_instruction
        self._own = own
        self._telling = telling
        self._audience = audience
        self._clock = clock
        self._sayings = Allowance(1, 5)
        self.on_history: OnHistory | None = None
        self.on_kept: Callable[[str], None] = lambda _topic: None
        self.ignored = 0

    def take(self, message: Arrived) -> None:
        """Take a message from the broker: bounded, and nothing in it may raise."""
        found = self._topics.parse(message.topic)
        now = self._clock.now()
        match found:
            case Do(bed=bed, instruction=name):
                self._instructed(bed, name, message, now)
            case AskedHistory() if self.on_history is not None and not message.retained:
                self.on_history(message.payload, self._reply_to(message))
            case OwnAvailability():
                self._own(message)
            case StationState(station=station) if not message.retained:
                said = parse_availability(message.payload)
                if not isinstance(said, Nonsense):
                    self._audience.heard(station, now, online=said.status == "online", word=said.sequence)
                    if said.status == "offline":
                        self._telling.followers.left(station)
            case StationSaw(station=station) if not message.retained:
                self._seen(station, message.payload, now)
            case None if message.retained and message.payload:
                self.on_kept(message.topic)
            case _:
                self.ignored += 1

    def _instructed(self, bed: str, name: str, message: Arrived, now: Nanos) -> None:
        """Pass an instruction on, unless it is one that the broker kept (of unknown age), or endless."""
        if message.retained or len(message.payload) > LONGEST:
            self.ignored += 1
            if self._sayings.take(now):
                log.warning("instruction ignored", bed=bed, instruction=name, kept=message.retained, all=self.ignored)
            return
        try:
            self._on_instruction(bed, name, message.payload, self._reply_to(message))
        except Exception:  # the boundary to a stranger's message: the connection goes on whatever it led to
            log.exception("instruction failed", bed=bed, instruction=name)

    def _reply_to(self, message: Arrived) -> ReplyTo:
        """Say where the answer goes: to a station's answers topic, and nowhere else."""
        wanted = message.response_topic
        topic = wanted if wanted is not None and self._topics.is_answers(wanted) else None
        return ReplyTo(topic, message.correlation)

    def _seen(self, station: str, payload: bytes, now: Nanos) -> None:
        said = parse_seen(payload, self._topics.gateway, self._journal.uuid)
        if isinstance(said, Nonsense):
            self.ignored += 1
            return
        self._audience.heard(station, now, online=True)
        self._telling.seen(station, dict(said))
