"""The retained state of each topic, and what of it the broker still has to get: the newest alone, alarms first.

The broker is the memory of what was published before: what it kept under our name, and nobody publishes any more, is
cleared.
"""

from collections.abc import Callable

import structlog

from infusion_gateway.errors import BrokerError
from infusion_gateway.runtime.mqtt import GONE, Connection
from infusion_gateway.wire.outbox import CUTS
from infusion_gateway.wire.topics import sendable

log = structlog.get_logger(__name__)

STATES = 2_000
"""Retained topics; sixteen beds of ten devices have some two hundred."""
STATES_IN_FLIGHT = 8
FAILED = 0x80
"""Reason codes from here on are failures (MQTT 5, 2.4)."""
LONGEST_STATE = 60 * 1024
"""Bytes; below the packet that our embedded broker takes."""


class Retained:
    """What is to stand on each topic. told: called with a topic and the broker's reason code, or GONE."""

    def __init__(self, told: Callable[[str, int], None]) -> None:
        self._told = told
        self._states: dict[str, bytes] = {}
        self._dirty: dict[str, None] = {}
        self._flying: dict[str, None] = {}
        self._first: set[str] = set()
        self._cuts: dict[str, int] = {}
        self._expected: frozenset[str] = frozenset()
        self._filters: tuple[str, ...] = ()
        self._stale: set[str] = set()
        self._looking = False

    @property
    def underway(self) -> bool:
        """Whether the broker has not acknowledged something of every topic yet since `anew`.

        What changes meanwhile is not waited for: with many beds and a slow network something always does.
        """
        return bool(self._first)

    def put(self, topic: str, payload: bytes) -> bool:
        """Let this stand on the topic; empty clears it. False: it does already, or it can't, which is logged."""
        if self._states.get(topic) == payload:
            return False
        full = topic not in self._states and len(self._states) >= STATES
        if full or not sendable(topic) or len(payload) > LONGEST_STATE:
            log.error("retained state not sent", topic=topic, size=len(payload), topics=len(self._states))
            return False
        self._cuts.pop(topic, None)
        self._states[topic] = payload
        self._dirty[topic] = None
        return True

    def expect(self, topics: frozenset[str], filters: tuple[str, ...]) -> None:
        """Take only these for topics that something may stand on, of all that these filters (ending in +) hold."""
        self._expected, self._filters = topics, filters

    async def look(self, connection: Connection) -> None:
        """Ask for what the broker kept; it is here before what we say next comes back to us."""
        self._stale.clear()
        self._looking = False
        if not self._filters:
            return
        try:
            await connection.subscribe(self._filters, qos=0)
            self._looking = True
        except BrokerError as error:
            log.warning("what the broker keeps of beds that are gone can't be looked for", error=str(error))

    async def looked(self, connection: Connection) -> None:
        """Hear no more of it: from here on it is our own words."""
        if self._looking:
            await connection.unsubscribe(self._filters)

    def was_kept(self, topic: str) -> None:
        """Take note of a topic that the broker kept something on."""
        ours = any(topic.startswith(one.partition("+")[0]) for one in self._filters)
        if ours and topic not in self._expected and len(self._stale) < STATES:
            self._stale.add(topic)

    def clear_stale(self) -> None:
        """Clear what was left of beds and devices that are gone."""
        cleared = [topic for topic in sorted(self._stale) if topic not in self._states and self.put(topic, b"")]
        if cleared:
            log.info("retained state of what is gone cleared", topics=cleared[:20], number=len(cleared))

    def anew(self) -> None:
        """Send everything again, but what the broker ended connections over: that waits until it changes."""
        self._flying.clear()
        bad = [topic for topic, cuts in self._cuts.items() if cuts >= CUTS]
        for topic in bad:
            log.error("retained state not sent: the broker ends the connection over it", topic=topic)
        self._dirty = dict.fromkeys(topic for topic in self._states if topic not in bad)
        self._first = set(self._dirty)

    def send(self, connection: Connection) -> None:
        """Send what waits, as far as there is room on the way: alarms first, a place kept for what was never told."""
        for topic in sorted(self._dirty, key=_alarms_first):
            if len(self._flying) >= STATES_IN_FLIGHT:
                return
            kept_free = bool(self._first) and topic not in self._first
            if topic not in self._flying and len(self._flying) < STATES_IN_FLIGHT - kept_free:
                del self._dirty[topic]
                self._flying[topic] = None
                sent = connection.send(topic, self._states[topic], retain=True)
                sent.add_done_callback(lambda done, topic=topic: self._answered(topic, done.result()))  # type: ignore[misc]  # mypy can't see the default

    def cut(self) -> bool:
        """Note that the broker ended the connection; say whether it was likely over one of these, on its way."""
        suspect = next(iter(self._flying), None)  # acknowledgements come in order: the first without one
        if suspect is not None:
            self._cuts[suspect] = self._cuts.get(suspect, 0) + 1
        return suspect is not None

    def _answered(self, topic: str, code: int) -> None:
        self._flying.pop(topic, None)
        self._first.discard(topic)
        if code != GONE:
            self._cuts.pop(topic, None)
        if GONE < code < FAILED and self._states.get(topic) == b"":
            del self._states[topic]  # cleared for good
            self._dirty.pop(topic, None)
        self._told(topic, code)


def _alarms_first(topic: str) -> bool:
    return not topic.endswith("/alarms")
