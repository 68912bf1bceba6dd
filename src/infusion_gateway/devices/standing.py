"""How one unit stands on its line: who it has proved to be, how long it has been silent, and what is wanted of it."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from infusion_gateway.devices.driver import Driver, Request, Wire
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import AlarmsReported, Identified, PumpAlarm

MIND_MAX: Nanos = 2 * SECOND
"""A request that feeds a dead man goes out only while the bed's last step is at most this old."""
ASK_AGAIN: Nanos = 5 * SECOND
"""A unit that is the wrong one, or doesn't say all that is pinned, is asked again after this."""
BACKOFF_FIRST: Nanos = SECOND
BACKOFF_MOST: Nanos = 10 * SECOND
STOP_LASTS: Nanos = 10 * SECOND
"""A stop that couldn't be sent is no longer wanted after this; whoever wants it asks again and again."""
MOST_HELD = 8


class Identity(Enum):
    """What is known of who a unit is."""

    UNKNOWN = "unknown"  # nothing since the line was opened: no values, no commands, a stop waits for it
    DOUBTFUL = "doubtful"  # it held, and then there was a gap: no values, but a stop goes out
    HELD = "held"
    REFUTED = "refuted"  # another device: no values, no commands, no stop


@dataclass(frozen=True, slots=True)
class Unit:
    """A device on a line. address: NE-1000 0-99, Modbus unit 1-247. pin: pairs of its identity that must match."""

    device: str
    driver: Driver
    address: int
    pin: tuple[tuple[str, str], ...]


@dataclass(slots=True, eq=False)
class Standing:
    """A unit, and all that the bus keeps of it. Bounded: one set of requests of each sort at a time."""

    unit: Unit
    identity: Identity = Identity.UNKNOWN
    asking: deque[Request] = field(default_factory=deque)  # what is left of identify()
    polls: deque[Request] = field(default_factory=deque)  # what is left of due()
    stopping: deque[Request] = field(default_factory=deque)  # what is left of stop()
    arming: deque[Request] = field(default_factory=deque)  # what is left of dead_man()
    stop_asked: Nanos | None = None
    dead_man: int | None = None  # wanted, seconds
    arming_for: int | None = None  # what `arming` writes
    decided: Nanos | None = None  # the bed's last step
    failures: int = 0
    retry_at: Nanos = 0
    polls_due: Nanos = 0
    served: int = 0  # the line's count of transactions at its last turn
    alarms: frozenset[PumpAlarm] | None = None
    kept: deque[AlarmsReported] = field(default_factory=lambda: deque(maxlen=MOST_HELD))
    heard_at: Nanos | None = None
    nameless: bool = False  # pinned, and there is no way to ask

    def __post_init__(self) -> None:
        """Find out whether it can be identified at all."""
        self.nameless = bool(self.unit.pin) and not self.unit.driver.identify()

    @property
    def wants_arming(self) -> bool:
        """Whether a dead man is still to be armed or disarmed."""
        return bool(self.arming) or self.dead_man is not None

    @property
    def streams(self) -> bool:
        """Whether it speaks unasked, all the time: a line of its own, where silence means nothing."""
        traits = self.unit.driver.traits
        return traits.wire is Wire.SERIAL and traits.silence == 0

    def opened(self, now: Nanos, *, anew: bool) -> None:
        """Forget what the line's opening voids. anew: not our own reopening, so silence before it counts no more."""
        self.unit.driver.opened(now)
        for queue in (self.asking, self.polls, self.stopping, self.arming):
            queue.clear()
        self.kept.clear()
        self.alarms = self.heard_at = None
        self.identity = Identity.UNKNOWN
        if not self.unit.pin and self.streams:
            self.identity = Identity.HELD
        if anew:
            self.failures, self.retry_at = 0, now

    def stop_sent(self) -> None:
        """Take note that a stop is out, or void: whoever wants one asks again. A dead man stays wanted."""
        self.stop_asked = None
        self.stopping.clear()

    def stop_answered(self, sent_at: Nanos) -> None:
        """Take note that one of a stop's requests was answered: the others were other ways to say the same."""
        self.stopping.clear()
        if self.stop_asked is not None and self.stop_asked <= sent_at:
            self.stop_asked = None

    def doubt(self, now: Nanos) -> None:
        """Ask who it is before anything more is believed."""
        if self.identity is Identity.HELD and not (self.streams and not self.unit.pin):
            self.identity = Identity.DOUBTFUL
            self.retry_at = now
        self.asking.clear()

    def failed(self, now: Nanos) -> None:
        """Back off: the first try soon, then after 1 s, doubling to 10 s."""
        self.failures += 1
        doublings = min(max(self.failures - 2, 0), 8)
        wait = 0 if self.failures == 1 else min(BACKOFF_FIRST << doublings, BACKOFF_MOST)
        self.retry_at = now + max(wait, ASK_AGAIN if self.identity is Identity.REFUTED else 0)
        self.asking.clear()

    def refute(self, now: Nanos) -> None:
        """Another device: nothing that was wanted of ours may go to it."""
        self.identity = Identity.REFUTED
        self.stop_sent()
        for queue in (self.asking, self.polls, self.arming):
            queue.clear()
        self.kept.clear()
        self.retry_at = now + ASK_AGAIN

    def hold(self) -> None:
        """Take note that it is the one."""
        self.identity = Identity.HELD
        self.failures = 0

    def judge(self, said: Identified) -> str:
        """Hold what it says against the pin: "" where all of it is there and equal, else what is wrong."""
        identity = dict(said.identity)
        for key, wanted in self.unit.pin:
            if key in identity and identity[key] != wanted:
                return f"{key} is {identity[key]!r}, not {wanted!r}"
        missing = [key for key, _ in self.unit.pin if key not in identity]
        if missing and self.identity is not Identity.HELD:
            return f"does not say its {', '.join(missing)}"
        return ""

    def may_be_fed(self, at: Nanos) -> bool:
        """Whether a request may go out at that time without keeping a dead man alive for a mind that isn't."""
        if self.unit.driver.traits.dead_man is None:
            return True
        return self.decided is not None and at - self.decided <= MIND_MAX

    def wants_stop(self, now: Nanos) -> bool:
        """Whether a stop is still to be sent; one that is too old is forgotten."""
        if self.stop_asked is not None and now - self.stop_asked > STOP_LASTS:
            self.stop_sent()
        return self.stop_asked is not None

    def due_at(self, now: Nanos) -> Nanos | None:
        """Say when its next request may go out; None: not before something happens."""
        if self.stop_asked is not None and self.identity is not Identity.REFUTED:
            return self.retry_at if self.identity is Identity.UNKNOWN else self.stop_asked
        at = self._wants_at(now)
        return at if at is not None and self.may_be_fed(max(at, now)) else None

    def _wants_at(self, now: Nanos) -> Nanos | None:
        if self.identity is not Identity.HELD:
            return self.retry_at
        if self.wants_arming:
            return max(now, self.retry_at)
        at = self.polls_due if self.polls else self.unit.driver.next_due()
        return None if at is None else max(at, self.retry_at)
