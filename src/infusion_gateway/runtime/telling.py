"""Telling what happened: the published events, strictly in sequence, from the journal to the broker and to stations.

The outbox is a cursor on the journal, so it is on disk and as long as REACH; it goes back for a station that lacks what
the broker took (runtime.followers).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from infusion_gateway.errors import JournalError
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.followers import Followers
from infusion_gateway.runtime.journal import OUTBOX, SEEN, Journal
from infusion_gateway.runtime.mqtt import GONE, Connection
from infusion_gateway.runtime.retained import FAILED
from infusion_gateway.wire.happenings import CONTENT_TYPE, event_payload
from infusion_gateway.wire.outbox import Outbox, Outgoing
from infusion_gateway.wire.topics import Topics

log = structlog.get_logger(__name__)

REACH = 500_000
"""Rows of the journal that the outbox holds, and goes back, at most: sixteen beds in sessions fill it in 8 hours.

What lies before is given up here, a gap that every receiver sees, and is asked for as history.
"""
NOTED_EVERY = 1_000
"""Rows without an event after which the cursor is noted all the same: so much is looked through again at most."""
REFUSED_AGAIN_S = 5.0
QUOTA = 0x97


@dataclass(slots=True)
class Counts:
    """What became of events since the process began. again: times the outbox went back; given_up: rows, for room."""

    acknowledged: int = 0
    withheld: int = 0
    again: int = 0
    given_up: int = 0


class Telling:
    """One gateway's outbox at work.

    acknowledged: told the broker's reason code of each event it took; complain: told why it takes one not; wake: asked
    to call `send` soon.
    """

    def __init__(
        self,
        topics: Topics,
        journal: Journal,
        clock: Clock,
        absent_after: Nanos,
        *,
        acknowledged: Callable[[int], None],
        complain: Callable[[str], None],
        wake: Callable[[], None],
    ) -> None:
        self._topics = topics
        self._journal = journal
        self._clock = clock
        self._acknowledged = acknowledged
        self._complain = complain
        self._wake = wake
        self._outbox = Outbox(0)
        self._outbox_of = ""
        self._more = True
        self._scanned = 0
        self._refused_at: Nanos = 0
        self._behind: set[str] = set()
        self.followers = Followers(journal, SEEN, absent_after, clock.now())
        self.counts = Counts()

    @property
    def waiting(self) -> int:
        """Rows of the journal from the first event that the broker has not acknowledged on; 0: it has all."""
        if self._outbox_of != self._journal.uuid:
            return 0
        behind = self._journal.head.sequence - self._outbox.cursor
        return 0 if self._outbox.empty and not self._more and self._scanned >= self._journal.head.sequence else behind

    @property
    def filled(self) -> float:
        """How much of the outbox's room is taken, 0 to 1; at 1 the oldest events are given up."""
        return min(self.waiting / REACH, 1.0)

    def recorded(self) -> None:
        """Look into the journal: there are new events to tell."""
        self._more = True
        through = self._journal.head.sequence - REACH
        if self._outbox_of == self._journal.uuid and through > self._outbox.cursor:
            log.error("events given up: the outbox is full", through=through, known="by the gap; history holds them")
            self.counts.given_up += through - self._outbox.cursor
            self._outbox.advance(through)
            self._journal.set_cursor(OUTBOX, self._outbox.cursor)

    def seen(self, station: str, seen: dict[str, int]) -> None:
        """Take a station's word of how far it has each bed."""
        newest = self._journal.newest()
        if self.followers.said(station, seen, newest, self._outbox.told, self._clock.now()):
            self._behind.add(station)
            self._wake()

    async def settle(self, *, remembered: bool) -> None:
        """Begin where the broker got to; further back, where it forgot and a station had not seen it yet."""
        self._same_journal()
        if not remembered:
            await self._go_back(None)
        self._more = True

    async def send(self, connection: Connection) -> None:
        """Send what may go now."""
        self._same_journal()
        while self._behind:
            await self._go_back(self._behind.pop())
        while True:
            if self._more and self._outbox.room:
                await self._fetch()
            outgoing = self._outbox.take()
            if outgoing is None:
                return
            self._send_event(connection, outgoing)

    def look(self) -> None:
        """Look now and then whether something waits that nobody told of."""
        if self._outbox.refused and self._clock.now() - self._refused_at > REFUSED_AGAIN_S * SECOND:
            self._outbox.retry()
            self._wake()
        self._more = self._more or self._journal.head.sequence > max(self._outbox.after, self._scanned)
        if self._more and self._outbox.room:
            self._wake()

    def disconnected(self, *, cut: bool) -> None:
        """Take back what was on its way. cut: the broker ended the connection, and perhaps over one of these."""
        self._outbox.disconnected(cut=cut)
        self._behind.clear()
        self.followers.forget()

    async def _go_back(self, station: str | None) -> None:
        """Go back to the first event that a station lacks. None: whichever."""
        seen = self.followers.wanted(station, self._journal.newest(), self._clock.now())
        cursor = self._outbox.cursor
        try:
            first = await self._journal.first_beyond(seen, cursor - REACH, cursor) if seen else None
        except JournalError as error:
            log.warning("journal not readable", error=str(error))
            return
        if first is not None:
            log.warning("told again", station=station or "all", again_from=first, told_up_to=cursor)
            self.counts.again += 1
            self._outbox.rewind(first - 1)
            self._scanned, self._more = 0, True

    def _same_journal(self) -> None:
        """Begin a new outbox where a new journal began."""
        if self._outbox_of != self._journal.uuid:
            self._outbox, self._outbox_of = Outbox(self._journal.cursor(OUTBOX)), self._journal.uuid
            self._scanned = 0

    async def _fetch(self) -> None:
        """Fill the outbox from the journal; what was looked through on the disk is not looked through again."""
        self._more = False
        after, room, head = max(self._outbox.after, self._scanned), self._outbox.room, self._journal.head.sequence
        records = self._journal.recent(after, room)
        if records is not None:
            head = self._journal.recent_through
        else:
            try:
                records = await self._journal.after(after, room)
            except JournalError as error:
                log.warning("journal not readable", error=str(error))
                return
        if len(records) < room:
            self._scanned = max(self._scanned, head)
        self._outbox.offer(records)
        self._more = self._more or len(records) == room
        if self._outbox.empty and not self._more:  # nothing up to there is published
            self._outbox.advance(self._scanned)
            if self._outbox.cursor - self._journal.cursor(OUTBOX) > NOTED_EVERY:
                self._journal.set_cursor(OUTBOX, self._outbox.cursor)

    def _send_event(self, connection: Connection, outgoing: Outgoing) -> None:
        record = outgoing.record
        try:
            name, payload = self._event(outgoing, outgoing.withheld)
        except (ValueError, TypeError) as error:  # what can't be written must not stand in the way of what can
            log.exception("event can't be written", sequence=record.sequence)
            name, payload = self._event(outgoing, f"it can't be written: {error}")
        self.counts.withheld += bool(outgoing.withheld)
        topic = self._topics.event(record.bed, name)
        sent = connection.send(topic, payload, retain=False, content_type=CONTENT_TYPE)
        sent.add_done_callback(lambda done: self._answered(record.sequence, done))

    def _event(self, outgoing: Outgoing, withheld: str) -> tuple[str, bytes]:
        return event_payload(
            outgoing.record,
            f"{self._topics.root}/{outgoing.record.bed}",
            now=self._clock.now(),
            utc_ns=self._clock.utc_ns(),
            boot_id=self._clock.boot_id(),
            withheld=withheld,
        )

    def _answered(self, sequence: int, answered: "asyncio.Future[int]") -> None:
        code = answered.result()
        if code == GONE:
            return
        if code == QUOTA:
            self._outbox.refused = "the broker is full"
            self._refused_at = self._clock.now()
            self._outbox.disconnected(cut=False)
        elif code >= FAILED:
            self._outbox.refuse(sequence, f"the broker refuses it (reason {code:#x})")
            self._refused_at = self._clock.now()
            self._complain(f"the broker refuses event {sequence} (reason {code:#x})")
        else:
            self.counts.acknowledged += 1
            self._acknowledged(code)
            if self._outbox.acknowledged(sequence):
                self._journal.set_cursor(OUTBOX, self._outbox.cursor)
        self._wake()
