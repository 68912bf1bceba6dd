"""Other stations that tell people too: what each has in hand, so that people are told once, or twice rather than never.

A station leaves an alarm to one whose name comes before its own for as long as that one says that it has it: it says so
in its availability every two seconds, and is not believed for longer than ten. Only stations that the configuration
names count, for the broker's access list says who may speak on whose topic.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from infusion_gateway.ward.kept import HELD_S
from infusion_gateway.wire.stations import Nonsense, StationTelling, parse_telling

HEARD_S = 10.0
LISTED_S = 5.0
"""So long a station waits for one that comes before it to say that it has a new alarm; and when it has just begun."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What other stations do now. heard: one is. before: one whose name comes first, and that can tell, is.

    told: alarms that such a one has in hand. held: until when somebody has an alarm, and who, by the last word of any.
    """

    heard: bool = False
    before: bool = False
    told: frozenset[str] = frozenset()
    held: dict[str, tuple[float, str]] = field(default_factory=dict)


class Peers:
    """What was heard of the other stations. own: this station's name; others: those that count; begun_s: since when."""

    def __init__(self, own: str, others: Collection[str], begun_s: float) -> None:
        self._own, self._others, self._begun_s = own, frozenset(others) - {own}, begun_s
        self._heard: dict[str, tuple[float, StationTelling]] = {}

    def take(self, station: str, payload: bytes, now_s: float, *, kept: bool) -> None:
        """Take a station's availability; what the broker had kept says nothing of now."""
        if station not in self._others or kept:
            return
        said = parse_telling(payload)
        if isinstance(said, Nonsense) or said.status != "online":
            self._heard.pop(station, None)
        else:
            self._heard[station] = (now_s, said)

    def now(self, now_s: float) -> Elsewhere:
        """Say what they do now."""
        heard = {name: one for name, one in self._heard.items() if now_s - one[0] < HEARD_S}
        early = now_s - self._begun_s < LISTED_S and any(name < self._own for name in self._others)
        before = [said for name, (_, said) in heard.items() if name < self._own and said.notifies]
        held: dict[str, tuple[float, str]] = {}
        for at_s, said in self._heard.values():
            for one in said.telling:
                until_s = at_s + min(one.held_s, HELD_S)
                if one.held_s > 0 and until_s > held.get(one.alarm, (now_s, ""))[0]:
                    held[one.alarm] = (until_s, one.by)
        told = frozenset(one.alarm for said in before for one in said.telling)
        return Elsewhere(bool(heard), early or bool(before), told, held)
