"""A station's cursor: what it has of each bed's events, so that it can say so, ask for the rest, and drop repeats."""

import json
from dataclasses import dataclass, field

from infusion_gateway.wire.asking import LONGEST
from infusion_gateway.wire.stamps import rfc3339
from infusion_gateway.wire.stations import TELLING, SeenBed, StationSeen, StationTelling, TellingOf

BEDS = 256
"""Beds that one station follows."""
BEYOND = 10_000
"""Events past a gap that are kept of one bed: more than a gateway tells again before the gap is filled."""


@dataclass(slots=True)
class Seen:
    """How far a station has each bed's events, counted without a gap: what it says back to the gateways."""

    _through: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    _beyond: dict[tuple[str, str], dict[int, str]] = field(default_factory=dict)

    def take(self, gateway: str, bed: str, sequence: int, identity: str) -> bool:
        """Note an event; false where it was there before. Another journal's count (the id's first part) begins anew."""
        key = (gateway, bed)
        through, last = self._through.get(key, (sequence - 1, identity))
        if last.rpartition("-")[0] != identity.rpartition("-")[0]:
            through = sequence - 1
            self._beyond.pop(key, None)
        if sequence <= through or (key not in self._through and len(self._through) >= BEDS):
            return False
        waiting = self._beyond.setdefault(key, {})
        if sequence in waiting:
            return False
        if len(waiting) >= BEYOND:
            return True  # not noted: it lacks here until it is told again
        waiting[sequence] = identity
        while through + 1 in waiting:
            through += 1
            self._through[key] = (through, waiting.pop(through))
        return True

    def through(self, gateway: str, bed: str, journal: str) -> int | None:
        """Give the newest event up to which none lacks; None where none was here of this journal's count."""
        found = self._through.get((gateway, bed))
        return None if found is None or found[1].rpartition("-")[0] != journal else found[0]

    def payload(self, utc_ns: int) -> bytes:
        """Write it for the station's `seen` topic."""
        seen = [
            SeenBed(gateway=gateway, bed=bed, sequence=sequence, id=identity)
            for (gateway, bed), (sequence, identity) in self._through.items()
        ]
        return StationSeen(time=rfc3339(utc_ns), seen=seen).model_dump_json().encode()


@dataclass(frozen=True, slots=True)
class Telling:
    """What a station says of whom it tells. notifies: it can; of: the alarms that it has in hand."""

    notifies: bool = False
    of: tuple[TellingOf, ...] = ()


def availability(status: str, utc_ns: int, sequence: int, telling: Telling = Telling()) -> bytes:
    """Write a station's availability."""
    said = {"time": rfc3339(utc_ns), "status": status, "sequence": sequence, "notifies": telling.notifies}
    return StationTelling.model_validate(said | {"telling": list(telling.of[:TELLING])}).model_dump_json().encode()


def read(payload: bytes) -> dict[str, object] | None:
    """Read a gateway's message; None where it is no JSON object, or longer than a gateway sends."""
    if len(payload) > 4 * LONGEST:
        return None
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
