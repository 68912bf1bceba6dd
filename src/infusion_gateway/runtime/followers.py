"""How far each station really has each bed's events: what it says itself, kept as cursors of the journal.

A broker's acknowledgement proves memory, not delivery. So the outbox goes back for a station that is behind: at its
first word on a connection, when it stays behind, and when the broker has come back without what it had kept. One that
has been away for longer than configured holds nothing up any more; it is told again from where it says it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from infusion_gateway.core.backoff import Backoff
from infusion_gateway.model.metric import SECOND, Nanos

SEEN_CURSORS = 2_000
STATIONS = 64
"""Stations at once; a clinic has a handful."""
STAYS_BEHIND = Backoff(first=5 * SECOND, most=600 * SECOND)
"""How long what was told may be on its way to a station; then it is told again, and ever less often."""


class Cursors(Protocol):
    """What followers need of the journal."""

    def cursor(self, name: str) -> int:
        """Give a cursor's place; 0 where it was never set."""

    def set_cursor(self, name: str, sequence: int) -> None:
        """Move a cursor."""

    def cursors(self, prefix: str) -> dict[str, int]:
        """Give every cursor whose name begins so."""


@dataclass(slots=True)
class _Behind:
    """A station that has not got further with a bed. since: for how long; times: how often it was told again."""

    at: int
    since: Nanos
    times: int = 0


@dataclass(slots=True)
class _Station:
    """A station heard by this process. base: the newest event of each bed when it was first heard."""

    heard_at: Nanos
    base: Mapping[str, int]
    here: bool = False
    behind: dict[str, _Behind] = field(default_factory=dict)


class Followers:
    """Every station that follows this gateway. Times are passed in; `prefix` begins its cursors' names."""

    def __init__(self, cursors: Cursors, prefix: str, absent_after: Nanos, now: Nanos) -> None:
        self._cursors = cursors
        self._prefix = prefix
        self._absent_after = absent_after
        self._began = now
        self._stations: dict[str, _Station] = {}

    def forget(self) -> None:
        """Take note that the connection is gone: nobody is known to be here any more."""
        for one in self._stations.values():
            one.here = False
            one.behind.clear()

    def left(self, station: str) -> None:
        """Take note that a station is not there: its next word is a first one."""
        if station in self._stations:
            self._stations[station].here = False

    def said(
        self, station: str, seen: Mapping[str, int], newest: Mapping[str, int], told: Mapping[str, int], now: Nanos
    ) -> bool:
        """Note how far a station has the beds; say whether the outbox has to go back for it.

        newest: each bed's newest event on record; told: the newest that the broker has acknowledged.
        """
        known = self._stations.get(station)
        if known is None:
            self._drop_absent(now)
            if len(self._stations) >= STATIONS:
                return False
            known = self._stations[station] = _Station(now, dict(newest))
        known.heard_at = now
        for bed, sequence in seen.items():
            name = f"{self._prefix}{station}/{bed}"
            if self._cursors.cursor(name) or len(self._cursors.cursors(self._prefix)) < SEEN_CURSORS:
                self._cursors.set_cursor(name, sequence)
        if not known.here:
            known.here = True
            known.behind.clear()
            return True
        stuck = [bed for bed, sequence in seen.items() if self._stays_behind(known, bed, sequence, told, now)]
        return bool(stuck)

    def wanted(self, station: str | None, newest: Mapping[str, int], now: Nanos) -> dict[str, int]:
        """Give, for each bed of which somebody lacks events, the last event that all have. station: None for all."""
        found: dict[str, int] = {}
        whose = self._prefix if station is None else f"{self._prefix}{station}/"
        for name, sequence in self._cursors.cursors(whose).items():
            of, _, bed = name.removeprefix(self._prefix).rpartition("/")
            if not self._absent(of, now) and sequence < newest.get(bed, 0):
                found[bed] = min(found.get(bed, sequence), sequence)
        if station is None:
            self._never_seen(found, newest, now)
        return found

    def _never_seen(self, found: dict[str, int], newest: Mapping[str, int], now: Nanos) -> None:
        """Add the beds of which a station that is there has seen nothing at all: what came since it was first heard."""
        for station, one in self._stations.items():
            for bed, last in newest.items() if not self._absent(station, now) else ():
                base = one.base.get(bed, 0)
                if base < last and not self._cursors.cursor(f"{self._prefix}{station}/{bed}"):
                    found[bed] = min(found.get(bed, base), base)
            one.base = dict(newest)

    def _stays_behind(self, known: _Station, bed: str, sequence: int, told: Mapping[str, int], now: Nanos) -> bool:
        if sequence >= told.get(bed, 0):
            known.behind.pop(bed, None)
            return False
        before = known.behind.get(bed)
        if before is None or before.at != sequence:
            known.behind[bed] = _Behind(sequence, now)
            return False
        if now - before.since < STAYS_BEHIND.delay(before.times + 1, 0.0):
            return False
        before.since, before.times = now, before.times + 1
        return True

    def _absent(self, station: str, now: Nanos) -> bool:
        known = self._stations.get(station)
        return now - (self._began if known is None else known.heard_at) > self._absent_after

    def _drop_absent(self, now: Nanos) -> None:
        for station in [name for name in self._stations if self._absent(name, now)]:
            del self._stations[station]
