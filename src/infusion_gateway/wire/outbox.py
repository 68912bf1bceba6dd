"""The outbox: which published events are on their way to the broker. A cursor on the journal and nothing more.

The cursor moves over the acknowledged prefix only. Nothing is skipped: an event that can't go out as it is goes out as
a small `event-withheld` under its own sequence and id; where even that is refused, the outbox stands still and says so.
"""

from collections import deque
from dataclasses import dataclass, replace

from infusion_gateway.wire.records import Record

WINDOW = 16
"""Events unacknowledged at once; below the 20 that Mosquitto takes by default."""
CUTS = 2
"""After so many connections cut while an event was alone on its way, the event is the likely cause."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way. withheld: why it goes out without its content; "" in full. cuts: connections it cost."""

    record: Record
    withheld: str = ""
    cuts: int = 0


class Outbox:
    """Pure: records and acknowledgements in, what to send out. Sequences are the journal's.

    told: of each bed, the newest of its events that the broker has acknowledged since the outbox last went back.
    """

    def __init__(self, cursor: int) -> None:
        self.cursor = cursor
        self.told: dict[str, int] = {}
        self.refused = ""
        self._waiting: deque[Outgoing] = deque()
        self._flying: deque[Outgoing] = deque()
        self._acknowledged: set[int] = set()
        self._alone = False

    @property
    def after(self) -> int:
        """The journal's sequence after which the next records are wanted."""
        if self._waiting:
            return self._waiting[-1].record.sequence
        return self._flying[-1].record.sequence if self._flying else self.cursor

    @property
    def empty(self) -> bool:
        """Whether it holds nothing; the journal may hold more."""
        return not self._waiting and not self._flying

    @property
    def room(self) -> int:
        """How many more records are wanted."""
        return WINDOW - len(self._waiting) - len(self._flying)

    def offer(self, records: list[Record]) -> None:
        """Take the next published records after `after`, in sequence; ones that are known already are passed over."""
        for record in records:
            if record.sequence > self.after:
                self._waiting.append(Outgoing(record))

    def take(self) -> Outgoing | None:
        """Give the next event to send, None where it must wait: alone after a cut, or refused for good."""
        if not self._waiting or self.refused or (self._alone and self._flying):
            return None
        outgoing = self._waiting.popleft()
        self._flying.append(outgoing)
        return outgoing

    def acknowledged(self, sequence: int) -> bool:
        """Note that the broker has an event; true where the cursor moved. One that isn't on its way is no matter."""
        if not any(outgoing.record.sequence == sequence for outgoing in self._flying):
            return False
        self._acknowledged.add(sequence)
        self._alone = False
        before = self.cursor
        while self._flying and self._flying[0].record.sequence in self._acknowledged:
            record = self._flying.popleft().record
            self.cursor = record.sequence
            self.told[record.bed] = record.bed_sequence or 0
            self._acknowledged.discard(self.cursor)
        return self.cursor != before

    def advance(self, through: int) -> None:
        """Go on behind this sequence: nothing up to it is published, or what is has to be given up for room."""
        if through > self.cursor:
            self.cursor = through
            self._waiting = deque(o for o in self._waiting if o.record.sequence > through)
            self._flying = deque(o for o in self._flying if o.record.sequence > through)
            self._acknowledged = {sequence for sequence in self._acknowledged if sequence > through}

    def withhold(self, sequence: int, why: str) -> None:
        """Send an event that is on its way again, and those after it, this one without its content."""
        self._take_back(
            [
                replace(outgoing, withheld=why) if outgoing.record.sequence == sequence else outgoing
                for outgoing in self._flying
            ]
        )

    def refuse(self, sequence: int, why: str) -> None:
        """Note that the broker refused an event: its content is withheld; refused like this too, all waits."""
        refused = next((o for o in self._flying if o.record.sequence == sequence), None)
        if refused is None:
            return
        if refused.withheld:
            self.refused = why
            self._take_back(list(self._flying))
        else:
            self.withhold(sequence, why)

    def retry(self) -> None:
        """Try a refused event once more, without its content."""
        self.refused = ""

    def disconnected(self, *, cut: bool) -> None:
        """Send everything unacknowledged again on the next connection. cut: the broker ended this one.

        The first event without an acknowledgement goes alone then; one that costs CUTS connections is withheld.
        """
        flying = list(self._flying)
        if cut and flying:
            first = replace(flying[0], cuts=flying[0].cuts + 1)
            if first.cuts >= CUTS and not first.withheld:
                first = replace(first, withheld=f"the broker ended {first.cuts} connections while this was on its way")
            flying[0] = first
            self._alone = True
        self._take_back(flying)
        self.refused = ""

    def rewind(self, sequence: int) -> None:
        """Begin again after this sequence: the broker forgot what it had, and somebody had not seen it yet."""
        if sequence < self.cursor:
            self.cursor = sequence
            self._waiting.clear()
            self._flying.clear()
            self._acknowledged.clear()
            self.told.clear()

    def _take_back(self, flying: list[Outgoing]) -> None:
        self._waiting.extendleft(reversed(flying))
        self._flying.clear()
        self._acknowledged.clear()
