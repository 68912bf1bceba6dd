"""The broker, a station, and the gateway's side of both, in virtual time.

The Teller does what runtime/broker.py does, without await: retained state first, then events strictly in sequence out
of the production outbox; the cursor moves over what the broker acknowledged. A broker may lose what is under way, its
sessions and everything retained; it never invents.
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.audience import Audience
from infusion_gateway.runtime.journal import OUTBOX, SEEN
from infusion_gateway.wire.happenings import event_payload
from infusion_gateway.wire.outbox import Outbox
from simulation.disk import Disk

RETRY: Nanos = SECOND
SEEN_EVERY: Nanos = 3 * SECOND
ALARMS, SESSION, EVENT = "alarms", "session", "event"
HERE = "availability"


@dataclass(slots=True)
class Station:
    """Somebody's screen. alarms, session: as last got; events: every one that came, repeats too."""

    connected: bool = True
    alarms: list[dict[str, Any]] = field(default_factory=list)
    session: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    seen: int = 0
    live: bool = False

    def take(self, topic: str, payload: bytes) -> None:
        """Take what the broker hands over."""
        body = json.loads(payload)
        if topic == ALARMS:
            self.alarms = body["alarms"]
        elif topic == SESSION:
            self.session = body
        elif topic == EVENT:
            self.events.append(body)
            if body["sequence"] == self.seen + 1:
                self.seen += 1


@dataclass(slots=True)
class Broker:
    """received: the (id, bed sequence, type) of every event it got, in order. queue: for a station that is away.

    cut: it falls over the next event, which it may have taken ("taken") or not ("lost"), and acknowledges nothing.
    """

    station: Station
    up: bool = True
    slowest_ms: int = 20
    cut: str = ""
    retained: dict[str, bytes] = field(default_factory=dict)
    received: list[tuple[str, int, str]] = field(default_factory=list)
    queue: deque[tuple[str, bytes]] | None = None

    def take(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Take a publication and hand it on."""
        if topic == EVENT and self.cut:
            lost, self.cut = self.cut == "lost", ""
            self.down()
            if lost:
                return
        if topic == EVENT:
            body = json.loads(payload)
            self.received.append((body["id"], body["sequence"], body["type"]))
        if retain:
            self.retained[topic] = payload
        if self.station.connected:
            self.station.take(topic, payload)
        elif self.queue is not None and len(self.queue) < 1000:
            self.queue.append((topic, payload))

    def down(self) -> None:
        """Fall over; the station is cut off too."""
        self.up = False
        self.leave()

    def rise(self, *, forget: bool) -> None:
        """Come back; forget: without sessions and retained state."""
        self.up = True
        if forget:
            self.retained.clear()
            self.queue = None
        self.join()

    def leave(self) -> None:
        """Let the station go; what comes for it is kept."""
        if self.station.connected:
            self.station.connected = False
            self.queue = deque() if self.up or self.queue is None else self.queue

    def join(self) -> None:
        """Let the station come back: what is retained, and what was kept for it."""
        if not self.up:
            return
        self.station.connected = True
        for topic, payload in self.retained.items():
            if topic != HERE:
                self.station.take(topic, payload)
        for topic, payload in self.queue or ():
            self.station.take(topic, payload)
        self.queue = None


@dataclass(slots=True)
class Flight:
    """A publication on its way there, or its acknowledgement on its way back."""

    due: Nanos
    topic: str
    payload: bytes
    sequence: int | None
    back: bool = False


class Teller:
    """The gateway's side, for as long as its process lives. changed(connected, listeners): as the broker shows it."""

    def __init__(
        self,
        broker: Broker,
        disk: Disk,
        chance: Random,
        changed: Callable[[bool, bool | None], None],
        stamp: Callable[[], tuple[Nanos, int, str]],
    ) -> None:
        self._broker, self._disk, self._chance = broker, disk, chance
        self._changed, self._stamp = changed, stamp
        self.outbox = Outbox(disk.cursors.get(OUTBOX, 0))
        self._audience = Audience()
        self._states: dict[str, bytes] = {}
        self._flights: deque[Flight] = deque()
        self.connected = False
        self._retry_at: Nanos = 0
        self._heard_at: Nanos = 0
        self._told: tuple[bool, bool | None] | None = None
        self._awake = True

    def set_state(self, topic: str, payload: bytes, now: Nanos) -> None:
        """Publish retained state, now or on connecting."""
        self._states[topic] = payload
        if self.connected:
            self._send(topic, payload, None, now)

    def recorded(self) -> None:
        """Look into the journal: there is more to tell."""
        self._awake = True

    def told_all(self, before: Nanos) -> bool:
        """Say whether the broker has acknowledged all that was recorded before that time of the wall clock."""
        rows = self._disk.rows[self.outbox.cursor :]
        return all(row.bed_sequence is None or row.utc_ns > before for row in rows)

    def due(self, now: Nanos) -> Nanos:
        """Say when it next has something to do."""
        if self.connected != self._broker.up:
            return max(self._retry_at, now) if self._broker.up else now
        if not self.connected:
            return 1 << 62
        if self._awake:
            return now
        return min(self._flights[0].due if self._flights else 1 << 62, self._heard_at + SEEN_EVERY)

    def live(self, now: Nanos) -> None:
        """Connect, notice that the broker is gone, send and be answered."""
        if self.connected and not self._broker.up:
            self._lost(now)
        elif not self.connected and self._broker.up and now >= self._retry_at:
            self._connect(now)
        if not self.connected:
            return
        while self._broker.up and self._flights and self._flights[0].due <= now:
            self._arrive(self._flights.popleft(), now)
        if not self._broker.up:
            return
        if now >= self._heard_at + SEEN_EVERY:
            self._heard_at = now
            if self._broker.station.connected:
                self._audience.heard("station", now, online=True)
                self._disk.cursors[f"{SEEN}/station/chair-1"] = self._broker.station.seen
            self._say()
        if self._awake:
            self._awake = False
            self._send_events(now)

    def _connect(self, now: Nanos) -> None:
        self.connected, self._heard_at = True, now - SEEN_EVERY + SECOND // 5
        remembered = HERE in self._broker.retained
        self._broker.take(HERE, b"{}", retain=True)
        for topic in sorted(self._states, key=lambda t: t != ALARMS):
            self._send(topic, self._states[topic], None, now)
        if not remembered:
            self._rewind()
        self._awake = True
        self._say()

    def _rewind(self) -> None:
        wanted = self.outbox.cursor + 1
        for name, seen in self._disk.cursors.items():
            if name.startswith(SEEN):
                missing = next((r.sequence for r in self._disk.rows if r.bed_sequence == seen + 1), None)
                wanted = wanted if missing is None else min(wanted, missing)
        if wanted - 1 < self.outbox.cursor:
            self.outbox.rewind(wanted - 1)

    def _lost(self, now: Nanos) -> None:
        self._flights.clear()
        self.connected, self._retry_at = False, now + RETRY
        self.outbox.disconnected(cut=False)
        self._audience.forget()
        self._say()

    def _send(self, topic: str, payload: bytes, sequence: int | None, now: Nanos) -> None:
        due = now + self._chance.randrange(1, self._broker.slowest_ms) * 1_000_000
        if self._flights:
            due = max(due, self._flights[-1].due)
        self._flights.append(Flight(due, topic, payload, sequence))

    def _arrive(self, flight: Flight, now: Nanos) -> None:
        if not flight.back:
            self._broker.take(flight.topic, flight.payload, retain=flight.topic != EVENT)
            if flight.sequence is not None and self._broker.up:
                flight.back = True
                flight.due = max(now + 2_000_000, self._flights[-1].due if self._flights else 0)
                self._flights.append(flight)
            return
        if self.outbox.acknowledged(flight.sequence or 0):
            self._disk.cursors[OUTBOX] = self.outbox.cursor
        self._awake = True

    def _send_events(self, now: Nanos) -> None:
        if self.outbox.room:
            self.outbox.offer(self._disk.published(self.outbox.after, self.outbox.room))
        at, utc_ns, boot_id = self._stamp()
        while (outgoing := self.outbox.take()) is not None:
            _, payload = event_payload(
                outgoing.record, "bed", now=at, utc_ns=utc_ns, boot_id=boot_id, withheld=outgoing.withheld
            )
            self._send(EVENT, payload, outgoing.record.sequence, now)

    def _say(self) -> None:
        listeners = self._audience.listeners(self._heard_at) if self.connected else None
        if self._told != (self.connected, listeners):
            self._told = (self.connected, listeners)
            self._changed(self.connected, listeners)
