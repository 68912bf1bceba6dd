"""What is known of a gateway and of each of its beds, and how far it can be relied on at a moment."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from infusion_gateway.model.session import Phase
from infusion_gateway.ward.genuine import SILENT_S, Genuine
from infusion_gateway.ward.log import Log
from infusion_gateway.ward.shown import Link
from infusion_gateway.ward.trend import Trend
from infusion_gateway.wire.messages import Alarms, Availability, Descriptor, Device, Heartbeat, Session, Vitals
from infusion_gateway.wire.topics import Topics

IN_SESSION = frozenset({Phase.ARMED, Phase.INFUSING, Phase.PAUSED})
SILENT_IN_SESSION_S = 5.0
"""Values come once a second; so long without any while a case is armed, infusing or paused is silence."""
LATE_S = 6.0
"""A gateway answers a station's word within its next heartbeat; what may be older than this on its way is no news."""
CLOCKS = 4
"""Heartbeats, of which the one that was under way for the shortest says the gateway's time."""


@dataclass(slots=True)
class WardBed:
    """What is known of a bed. vitals_s: when its newest values came, live; None: only kept ones, or none."""

    gateway: str
    bed: str
    descriptor: Descriptor | None = None
    session: Session | None = None
    alarms: Alarms | None = None
    vitals: Vitals | None = None
    vitals_s: float | None = None
    devices: dict[str, Device] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    trend: Trend = field(default_factory=Trend)
    asked: bool = False
    """Its past was asked for."""
    journal: str = ""
    base: int = 0
    """Of the journal's count: events up to here are not missed."""
    due: int = 0
    """The newest event by the last heartbeat: by the next it must be here."""
    missing: int = 0
    """Events that are known to lack here."""
    raw: dict[str, bytes] = field(default_factory=dict)
    """Session and alarms as they came, for instructions that are bound to them."""
    cleared: bool = False
    """Its descriptor was taken back: it is gone once its gateway's heartbeat doesn't name it either."""
    shown: tuple[object, ...] = ()

    @property
    def case(self) -> str | None:
        """The case that stands there, as far as is known."""
        return None if self.session is None else self.session.case

    @property
    def in_session(self) -> bool:
        """Whether a case is armed, infusing or paused, as far as is known."""
        return self.session is not None and self.session.phase in IN_SESSION


@dataclass(slots=True)
class WardGateway:
    """What is known of a gateway. beat_s: when its last heartbeat came; since_s: from when one could have come."""

    topics: Topics
    genuine: Genuine
    known: bool
    """Its key is here, or nobody's is."""
    since_s: float
    beds: dict[str, WardBed] = field(default_factory=dict)
    availability: Availability | None = None
    offline: bool = False
    unheard_s: float | None = None
    """When its last heartbeat came that named no word of this station: whenever that was said, it is no life."""
    heartbeat: Heartbeat | None = None
    beat: bytes = b""
    beat_s: float | None = None
    late_s: float = 0.0
    """So old what comes from it may be, at most, by the station's own clock; 0: not known."""
    clocks: deque[float] = field(default_factory=lambda: deque(maxlen=CLOCKS))
    """Its time minus the receiver's, as its last heartbeats came."""
    shown: tuple[object, ...] = ()

    def beats(self, beat: Heartbeat, now_s: float) -> None:
        """Take a live heartbeat. One that was set back, or began anew, has its time believed at once."""
        last = self.heartbeat
        if last is not None and (last.boot_id != beat.boot_id or beat.time <= last.time):
            self.clocks.clear()
        self.clocks.append(epoch(beat.time) - now_s)
        self.heartbeat, self.beat_s, self.offline = beat, now_s, False

    def utc_s(self, now_s: float) -> float | None:
        """Give the gateway's own time, seconds since the epoch; None where it was never heard."""
        return now_s + max(self.clocks) if self.clocks else None

    def ahead_s(self, now_s: float, utc_s: float) -> float:
        """Give by how much its clock is ahead of the station's, utc_s; 0 where it was never heard."""
        own_s = self.utc_s(now_s)
        return 0.0 if own_s is None else own_s - utc_s

    def link(self, now_s: float, bed: WardBed | None = None) -> tuple[Link, str]:
        """Say how far a gateway, or one of its beds, can be relied on, and why not."""
        name = self.topics.gateway
        if not self.known:
            return "unverified", f"no key of {name} is known here: go to the bed"
        if doubted := self._doubted(bed):
            return "unverified", f"{doubted} is not what {name} says: go to the bed"
        if bed is not None and bed.bed in self.genuine.behind:
            return "unverified", f"the alarms of {bed.bed} are not the newest here: go to the bed"
        if self.offline:
            why = self.availability.why if self.availability is not None else ""
            return "offline", f"{name} is offline: {why}"[:200]
        if self.beat_s is None:
            waited = now_s - self.since_s
            if waited >= SILENT_S:
                return "silent", self._unheard(now_s) or f"no word from {name} since this station listens"
            return "unknown", f"no live word from {name} yet"
        if (age := now_s - self.beat_s) >= SILENT_S:
            return "silent", self._unheard(now_s) or f"no word from {name} for {age:.0f} s: go to the bed"
        if self.late_s >= LATE_S:
            return "silent", f"what comes from {name} may be {self.late_s:.0f} s old: go to the bed"
        if bed is not None and bed.in_session:
            came = bed.vitals_s if bed.vitals_s is not None else self.since_s
            if (age := now_s - came) >= SILENT_IN_SESSION_S:
                return "silent", f"no values from {bed.bed} for {age:.0f} s: go to the bed"
        return "live", ""

    def _unheard(self, now_s: float) -> str:
        if self.unheard_s is None or now_s - self.unheard_s >= SILENT_S:
            return ""
        return f"{self.topics.gateway} has not heard this station: what comes from it may be old"

    def _doubted(self, bed: WardBed | None) -> str:
        """Give the first of the topics in doubt that concern this; all of a gateway's own concern its beds too."""
        root, own = f"{self.topics.root}/", "" if bed is None else f"{bed.bed}/"
        for topic in self.genuine.doubted:
            rest = topic.removeprefix(root)
            if "/" not in rest or (own and rest.startswith(own)):
                return rest
        return ""


def epoch(text: str) -> float:
    """Give a time of the wire in seconds since the epoch; 0 where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
