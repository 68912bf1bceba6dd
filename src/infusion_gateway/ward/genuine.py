"""Whether what came is the gateway's own word, and its newest: for a terminal that attends and for a ward's picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.wire.sealing import Keyring

SILENT_S = 12.0
"""Without a heartbeat for so long, two are missing (one every 5 s, and the line's own delay)."""
SIGNED = frozenset({"heartbeat", "descriptor", "session", "alarms", "device"})
"""What a gateway with a key signs, by the topic's part that names it."""
MOST_FORGED = 100


@dataclass(slots=True)
class Genuine:
    """What one receiver believes of one gateway. keys: its public ones; None: not known, and everything is believed.

    doubted: topics on which the last that came is not its word; a genuine one there undoes it.
    """

    keys: Keyring | None = None
    doubted: set[str] = field(default_factory=set)
    behind: frozenset[str] = frozenset()
    """Beds whose alarms here are not their newest."""
    _beat: tuple[int, str] = (0, "")
    _word: int = 0
    """Of the receiver's own words the newest that a heartbeat has named; 0: none has."""
    _differed: frozenset[str] = frozenset()

    def holds(self, topic: str, what: str, payload: bytes) -> bool:
        """Say whether it is the gateway's word. what: the topic's part that names it."""
        if self.keys is None or what not in SIGNED:
            return True
        return isinstance(self.keys.verify(topic, payload), EnrolledKey)

    def doubt(self, topic: str) -> bool:
        """Note that what came there is not its word; false where that was known, or too much is doubted already."""
        if topic in self.doubted or len(self.doubted) >= MOST_FORGED:
            return False
        self.doubted.add(topic)
        return True

    def believe(self, topic: str) -> bool:
        """Note that what came there is its word; true where it was in doubt."""
        known = topic in self.doubted
        self.doubted.discard(topic)
        return known

    def beats(self, number: int, said: str, word: int = 0) -> bool:
        """Say whether a heartbeat is newer than the last: else it is somebody's repetition and shows no life.

        word: of the receiver's own words the one that it names: one that names a newer one is newer, whatever its
        number and time, which begin anew; 0: it names none.
        """
        newer = number > self._beat[0] or said > self._beat[1]
        if self.keys is not None and (word < self._word or (word == self._word and not newer)):
            return False
        self._beat, self._word = (number, said), word
        return True

    def owes_a_word(self, *, says: bool) -> bool:
        """Say whether a heartbeat that names no word of the receiver's is no life: one that did, or could, name one."""
        return self.keys is not None and (says or self._word > 0)

    def compare(self, said: object, held: Mapping[str, int]) -> frozenset[str]:
        """Give the beds whose alarms are now known not to be the newest here, by a heartbeat's revisions.

        Only at two heartbeats running: one may have overtaken the alarms.
        """
        revisions = said if isinstance(said, dict) else {}
        differ = frozenset(bed for bed, revision in revisions.items() if bed in held and held[bed] != revision)
        self.behind, self._differed = differ & self._differed, differ
        return self.behind
