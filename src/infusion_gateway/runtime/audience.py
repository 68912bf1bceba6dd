"""Who listens, as far as the broker shows it; and how fast people may ask. Pure: times in, answers out."""

from dataclasses import dataclass, field

from infusion_gateway.model.metric import SECOND, Nanos

ALIVE_FOR: Nanos = 15 * SECOND
"""A station speaks every few seconds; one that was silent for so long is not there."""
SETTLED_AFTER: Nanos = 3 * SECOND
"""A broker that comes back has nobody at first: as long as stations may take to come back too."""
STATIONS = 64


class Audience:
    """Stations that were heard lately, and what the broker says of its subscribers."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[Nanos, int | None]] = {}
        self._nobody = False
        self._settled_at: Nanos = 0

    def begin(self, now: Nanos) -> None:
        """Note that we are connected from now on."""
        self._settled_at = now + SETTLED_AFTER

    def heard(self, station: str, now: Nanos, *, online: bool, word: int | None = None) -> None:
        """Note that a station spoke just now (a retained message is of unknown age and says nothing).

        word: the sequence of its availability, where it was that.
        """
        if not online:
            self._heard.pop(station, None)
        elif station in self._heard or len(self._heard) < STATIONS:
            before = self._heard.get(station, (now, None))[1]
            self._heard[station] = now, before if word is None else word

    def words(self) -> dict[str, int]:
        """Give the newest word of each station that was heard lately, for it to know how old what it hears may be."""
        return {station: word for station, (_, word) in self._heard.items() if word is not None}

    def acknowledged(self, *, nobody: bool) -> None:
        """Note whether the broker had a subscriber for what it acknowledged (MQTT 5: reason 0x10 says no)."""
        self._nobody = nobody

    def forget(self) -> None:
        """Know nothing any more: the connection is another one."""
        self._heard.clear()
        self._nobody = False

    def listeners(self, now: Nanos) -> bool | None:
        """Say whether somebody supervising is there: a live station, yes; none and no subscriber, no; else None."""
        self._heard = {station: said for station, said in self._heard.items() if now - said[0] <= ALIVE_FOR}
        if self._heard:
            return True
        return False if self._nobody and now >= self._settled_at else None


@dataclass(slots=True)
class Allowance:
    """So many a second, with a reserve: a flood of instructions is bounded before it costs anything."""

    per_s: int
    reserve: int
    _left: float = field(default=0.0)
    _at: Nanos | None = field(default=None)

    def take(self, now: Nanos) -> bool:
        """Take one where there is one left."""
        gained = float(self.reserve) if self._at is None else (now - self._at) / SECOND * self.per_s
        self._left = min(self._left + max(gained, 0.0), float(self.reserve))
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
