"""What a station lacks of the past, asked of each gateway as history: one question at a time, page after page.

A gateway answers five pages a second to everybody together and lets the rest go, so what stays unanswered is asked
again, later each time, and in the end after everything else that is wanted.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from infusion_gateway.wire.history import SAMPLED, HistoryPage

Kind: TypeAlias = Literal["events", "samples"]
AGAIN_S, LATEST_S = 2.0, 30.0
"""After so long without an answer it is asked again, twice as long each time, at most the other."""
TRIES = 4
"""After so many it is the next one's turn."""
PAGES = 2000
"""Pages of one question: twelve hours of samples have fewer."""
WANTED = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stretch of a bed's past. first, last: the bed's sequence or a time of the wire; last None: up to now.

    urgent: before others; a session is under way there. anew: it is the first that is known of the bed.
    """

    gateway: str
    bed: str
    kind: Kind
    first: int | str
    last: int | None = None
    urgent: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question to be sent now."""

    gateway: str
    identity: str
    payload: bytes


@dataclass(slots=True)
class _Asked:
    wanted: Wanted
    identity: str
    at_s: float
    """When it is (next) sent."""
    page: str | None = None
    pages: int = 0
    tries: int = 0


@dataclass(slots=True)
class CatchingUp:
    """All that is wanted, and what is asked just now. name: gives every question an id that nobody can guess.

    resolution_s: of samples.
    """

    station: str
    name: Callable[[], str]
    resolution_s: float
    _wanted: list[Wanted] = field(default_factory=list)
    _asked: dict[str, _Asked] = field(default_factory=dict)

    def want(self, wanted: Wanted) -> bool:
        """Take up a want; false where one of its kind is there for this bed already, or there are too many."""
        same = (wanted.gateway, wanted.bed, wanted.kind)
        if any((one.gateway, one.bed, one.kind) == same for one in self.all()) or len(self._wanted) >= WANTED:
            return False
        self._wanted.append(wanted)
        return True

    def all(self) -> list[Wanted]:
        """Give everything that is still wanted."""
        return [*(asked.wanted for asked in self._asked.values()), *self._wanted]

    def due(self, now_s: float, live: Collection[str]) -> list[Question]:
        """Give what is to be sent now; live: gateways that can be expected to answer. Ask a few times a second."""
        found: list[Question] = []
        for gateway in sorted({one.gateway for one in self.all()}):
            if gateway not in live:
                continue
            asked = self._asked.get(gateway) or self._next(gateway, now_s)
            if asked is not None and now_s >= asked.at_s and asked.tries >= TRIES:
                del self._asked[gateway]
                self._wanted.append(asked.wanted)
                asked = self._next(gateway, now_s)
            if asked is not None and now_s >= asked.at_s:
                asked.at_s = now_s + min(AGAIN_S * 2**asked.tries, LATEST_S)
                asked.tries += 1
                found.append(Question(gateway, asked.identity, self._payload(asked)))
        return found

    def take(self, page: HistoryPage, now_s: float) -> tuple[Wanted, bool] | None:
        """Take an answer: give what it was to, and whether that is all of it; None where nothing of ours was asked."""
        gateway = self.asks(page.id)
        if gateway is None or page.bed not in ("", self._asked[gateway].wanted.bed):
            return None
        asked = self._asked[gateway]
        asked.pages += 1
        if page.next is None or page.refused or page.next == asked.page or asked.pages >= PAGES:
            del self._asked[gateway]
            return asked.wanted, True
        self._asked[gateway] = _Asked(asked.wanted, self.name(), now_s, page.next, asked.pages)
        return asked.wanted, False

    @property
    def learning(self) -> bool:
        """Whether what happened before the station came is still asked for."""
        return any(one.anew and one.kind == "events" for one in self.all())

    def asks(self, identity: str) -> str | None:
        """Say which gateway this was asked of; None where nothing is."""
        return next((gateway for gateway, asked in self._asked.items() if asked.identity == identity), None)

    def _next(self, gateway: str, now_s: float) -> _Asked | None:
        """Begin with what is wanted most: events before samples, sessions under way before the rest."""
        mine = [one for one in self._wanted if one.gateway == gateway]
        if not mine:
            return None
        first = min(mine, key=lambda one: (one.kind == "samples", not one.urgent))
        self._wanted.remove(first)
        self._asked[gateway] = _Asked(first, self.name(), now_s)
        return self._asked[gateway]

    def _payload(self, asked: _Asked) -> bytes:
        wanted = asked.wanted
        body: dict[str, object] = {
            "id": asked.identity,
            "station": self.station,
            "bed": wanted.bed,
            "from": wanted.first,
        }
        if wanted.last is not None:
            body["to"] = wanted.last
        if wanted.kind == "samples":
            body |= {"kinds": [SAMPLED], "resolution_s": self.resolution_s}
        if asked.page is not None:
            body["page"] = asked.page
        return json.dumps(body).encode()
