"""One line and the devices on it: who speaks next. Pure: `now` in, the next deadline out; a thin shell moves the bytes.

The line has one owner. At most one transaction is in flight and none is given up half-way. After a time-out nobody
speaks before the line was drained and then silent for the worst turnaround of all devices on it (over TCP: was
reopened), since a late reply would be taken for the next request's. A stop overtakes everything that is queued. Who
doesn't answer backs off alone. No value passes before its device has proved who it is, and none after a gap before it
has again.

The shell: call `opened`, then do what `next` says, at once and again after each input, at `next_deadline` at the
latest, and after each call of `stop`, `set_dead_man` or `decided`. Every byte is told by `heard`, before `replied`. A
request is answered by `replied`; where nothing came within its time-out, by NoAnswer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from typing import TypeAlias

from infusion_gateway.devices.driver import (
    Bytes,
    Identification,
    NoAnswer,
    ReadIdentification,
    ReadRegisters,
    Reply,
    Request,
    SendBytes,
    Traits,
    Words,
)
from infusion_gateway.devices.standing import ASK_AGAIN, Identity, Standing, Unit
from infusion_gateway.errors import Broken
from infusion_gateway.model.inputs import Faulted, Input, LinkLost, LinkOpened, Observed
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import AlarmsReported, Fault, FaultKind, Identified, Observation, PumpAlarm

__all__ = ["Bus", "Drain", "Reopen", "Transmit", "Unit", "worst_stall"]

STREAM_GAP: Nanos = SECOND
"""A stream that paused for longer may be another device's."""
STOP_THROUGH: Nanos = SECOND
"""A line that is never silent is spoken into after this, to stop a pump."""
NEVER_SILENT: Nanos = 5 * SECOND
"""A line that is never silent is reopened after this."""
IDLE_DRIVER: Nanos = SECOND // 100
"""A driver that was due and had nothing to say is asked again after this."""
DOUBTS = frozenset({FaultKind.STALE_REPLY, FaultKind.FROZEN})


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send this request to that device. urgent: throw away what was written and hasn't gone out yet."""

    device: str
    address: int
    request: Request
    urgent: bool


@dataclass(frozen=True, slots=True)
class Drain:
    """Throw away what is under way in both directions; the line must now be silent."""


@dataclass(frozen=True, slots=True)
class Reopen:
    """Close the line and open it again."""

    why: str


Action: TypeAlias = Transmit | Drain | Reopen


class _Role(Enum):
    STOP = "stop"
    IDENTIFY = "identify"
    DEAD_MAN = "dead man"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class _Flight:
    standing: Standing
    request: Request
    role: _Role
    sent_at: Nanos


def worst_stall(devices: Iterable[Traits]) -> Nanos:
    """Give the longest time for which a line can keep one of these from its turn.

    That is: every device on it falls silent in its own turn, and once more when it is asked to stop. From then on each
    backs off alone. A dead man must be longer than three polls and this.
    """
    line = tuple(devices)
    silence = max((d.silence for d in line), default=0)
    return sum(2 * (d.timeout + silence) for d in line)


class Bus:
    """The schedule of one line. units: one streaming device, or any number that are asked (one protocol a line)."""

    def __init__(self, units: tuple[Unit, ...], reopen_after_timeout: bool) -> None:  # noqa: FBT001 (one caller, by name)
        self._standings = {u.device: Standing(u) for u in units}
        self._silence = max(u.driver.traits.silence for u in units)
        self._reopen_after_timeout = reopen_after_timeout
        self._open = False
        self._asked_for = False  # the line's end
        self._reopening = False  # the line is closed because it was asked for
        self._now: Nanos = 0
        self._clear()
        self._turns = 0

    def _clear(self) -> None:
        self._flight: _Flight | None = None
        self._last: Standing | None = None
        self._why = ""  # to be reopened, and why
        self._drain = False
        self._noise = False
        self._told = False  # that there is noise
        self._quiet_until: Nanos = 0
        self._waiting_since: Nanos | None = None

    @property
    def in_flight(self) -> Request | None:
        """The request that is being answered; nothing else goes out meanwhile."""
        return self._flight.request if self._flight else None

    # --- the line

    def opened(self, now: Nanos) -> tuple[Input, ...]:
        """Take note that the line was opened: everybody is to be identified first."""
        self._now = now
        self._clear()
        said: list[Input] = []
        for device, standing in self._standings.items():
            standing.opened(now, anew=not self._reopening)
            said.append(LinkOpened(device))
            if standing.nameless:
                fault = Fault(FaultKind.WRONG_DEVICE, "its identity is pinned, but it never says who it is")
                said.append(Faulted(device, fault))
        self._open, self._reopening = True, False
        self._drain = self._silence > 0 and not self._reopen_after_timeout  # somebody's late answer may be under way
        return tuple(said)

    def closed(self, why: str, now: Nanos) -> tuple[Input, ...]:
        """Take note that the line is gone, with whatever was in flight."""
        self._now = now
        self._open = False
        self._reopening, self._asked_for = self._asked_for, False
        self._clear()
        for standing in self._standings.values():
            standing.stop_sent()
        return tuple(LinkLost(device, why[:200]) for device in self._standings)

    def heard(self, now: Nanos) -> None:
        """Take note that bytes arrived. Where nothing was asked, the silence begins anew."""
        self._now = now
        if not self._open or self._flight or self._silence == 0:
            return
        self._noise = True
        self._wait(now)

    def next(self, now: Nanos) -> Action | None:
        """Say what to do now; None: wait."""
        self._now = now
        if not self._open or self._flight:
            return None
        if self._why:
            action = Reopen(self._why)
            self._open, self._asked_for, self._why = False, True, ""
            return action
        if self._drain:
            self._drain = False
            self._wait(now)
            return Drain()
        if now < self._quiet_until:
            return self._impatient(now)
        self._waiting_since, self._told = None, False
        if self._noise:
            self._noise = False
            return Drain()
        return self._choose(now)

    def next_deadline(self) -> Nanos | None:
        """Say when `next` will have something, as far as it is known; a time that has passed means at once."""
        if not self._open:
            return None
        if self._flight:
            return self._flight.sent_at + self._flight.request.timeout
        if self._why or self._drain:
            return self._now
        due = [at for s in self._standings.values() if (at := s.due_at(self._now)) is not None]
        if not due:
            return self._quiet_until if self._noise else None
        return max(self._quiet_until, min(due))

    def _wait(self, now: Nanos) -> None:
        self._quiet_until = now + self._silence
        if self._waiting_since is None:
            self._waiting_since = now

    def _impatient(self, now: Nanos) -> Action | None:
        """Wait for silence, but not for ever: a stop is spoken into the noise, then the line is reopened."""
        waited = 0 if self._waiting_since is None else now - self._waiting_since
        if waited > NEVER_SILENT:
            self._why = "the line is never silent"
            return self.next(now)
        if waited > STOP_THROUGH and any(s.wants_stop(now) for s in self._standings.values()):
            return self._choose_stop(now)
        return None

    # --- what is wanted

    def stop(self, device: str, now: Nanos) -> None:
        """Ask the pump to stop, before all else; once while one is queued. KeyError: no such device."""
        self._now = now
        standing = self._standings[device]
        if not self._open or standing.identity is Identity.REFUTED:
            return
        if standing.identity is Identity.UNKNOWN:
            standing.retry_at = min(standing.retry_at, now)
        if not standing.stopping:
            standing.stop_asked = now

    def set_dead_man(self, device: str, seconds: int, now: Nanos) -> None:
        """Arm the pump's own time-out (0 disarms): before all but a stop, as soon as it is known who it is.

        The newest wish counts. Broken: outside what the device can keep, which the configuration refuses.
        """
        self._now = now
        standing = self._standings[device]
        bounds = standing.unit.driver.traits.dead_man
        if bounds is None or not (seconds == 0 or bounds[0] <= seconds <= bounds[1]):
            raise Broken(f"{device}: a dead man of {seconds} s, where {bounds} can be kept")
        standing.arming.clear()
        standing.dead_man = seconds

    def decided(self, device: str, at: Nanos) -> None:
        """Take note that the bed's step ran: what feeds this device's dead man may go out for a while."""
        self._standings[device].decided = at

    # --- who speaks

    def _choose(self, now: Nanos) -> Transmit | None:
        """Choose whose turn it is: stops, then dead men, then who has been due the longest."""
        return self._choose_stop(now) or self._choose_arm(now) or self._choose_due(now)

    def _choose_stop(self, now: Nanos) -> Transmit | None:
        wanted = [s for s in self._standings.values() if s.stop_asked is not None and s.wants_stop(now)]
        if not wanted:
            return None
        ordered = sorted(wanted, key=lambda s: (s.stop_asked or 0, s.served))
        return next((found for s in ordered if (found := self._stop(s, now))), None)

    def _choose_arm(self, now: Nanos) -> Transmit | None:
        wanted = [s for s in self._standings.values() if s.wants_arming and s.identity is Identity.HELD]
        if not wanted:
            return None
        ready = sorted((s for s in wanted if s.may_be_fed(now) and now >= s.retry_at), key=lambda s: s.served)
        return next((found for s in ready if (found := self._arm(s, now))), None)

    def _choose_due(self, now: Nanos) -> Transmit | None:
        due = [(at, s.served, s) for s in self._standings.values() if (at := s.due_at(now)) is not None and at <= now]
        due.sort(key=itemgetter(0, 1))
        for _, _, standing in due:
            ask = self._poll if standing.identity is Identity.HELD else self._identify
            found = ask(standing, now)
            if found:
                return found
        return None

    def _stop(self, standing: Standing, now: Nanos) -> Transmit | None:
        if standing.identity is Identity.UNKNOWN:
            return self._identify(standing, now, urgent=True) if now >= standing.retry_at else None
        if not standing.stopping:
            standing.stopping.extend(standing.unit.driver.stop())
        if not standing.stopping:  # it can't be stopped from here
            standing.stop_sent()
            return None
        request = standing.stopping.popleft()
        if not standing.stopping:
            standing.stop_sent()
        return self._transmit(standing, request, _Role.STOP, now, urgent=True)

    def _arm(self, standing: Standing, now: Nanos) -> Transmit | None:
        if not standing.arming and standing.dead_man is not None:
            standing.arming_for = standing.dead_man
            standing.arming.extend(standing.unit.driver.dead_man(standing.dead_man))
        if not standing.arming:
            standing.dead_man = None
            return None
        return self._transmit(standing, standing.arming.popleft(), _Role.DEAD_MAN, now)

    def _identify(self, standing: Standing, now: Nanos, *, urgent: bool = False) -> Transmit | None:
        if not standing.asking:
            standing.asking.extend(standing.unit.driver.identify())
        if not standing.asking:  # every frame says who it is, or nothing ever does
            if standing.unit.pin:
                standing.retry_at = now + SECOND
            else:
                standing.hold()
            return None
        return self._transmit(standing, standing.asking.popleft(), _Role.IDENTIFY, now, urgent=urgent)

    def _poll(self, standing: Standing, now: Nanos) -> Transmit | None:
        if not standing.polls:
            standing.polls_due = standing.unit.driver.next_due() or now
            standing.polls.extend(standing.unit.driver.due(now))
        if not standing.polls:
            standing.retry_at = now + IDLE_DRIVER
            return None
        return self._transmit(standing, standing.polls.popleft(), _Role.POLL, now)

    def _transmit(
        self, standing: Standing, request: Request, role: _Role, now: Nanos, *, urgent: bool = False
    ) -> Transmit:
        self._turns += 1
        standing.served = self._turns
        self._last = standing
        flight = _Flight(standing, request, role, now)
        if not isinstance(request, SendBytes) or standing.unit.driver.awaiting:
            self._flight = flight
        elif role is _Role.IDENTIFY:  # no answer is owed: what comes, comes in the stream
            standing.retry_at = now + ASK_AGAIN
        return Transmit(standing.unit.device, standing.unit.address, request, urgent)

    # --- what is said

    def replied(self, reply: Reply, now: Nanos) -> tuple[Input, ...]:
        """Take a reply; give what may be believed of it. One that belongs to no request in flight is none."""
        self._now = now
        if not self._open:
            return ()
        if isinstance(reply, Bytes):
            return self._bytes(reply, now)
        flight = self._flight
        if flight is None:
            return ()  # of a request that has been answered
        if isinstance(reply, NoAnswer):
            if reply.request != flight.request:
                return ()
            said = self._sift(flight.standing, reply, now)
            self._silent(flight, now)
            return said
        if not _answers(reply, flight.request):
            fault = Fault(FaultKind.UNEXPECTED, f"no answer to {flight.request}: {reply}"[:200])
            self._silent(flight, now)
            return (Faulted(flight.standing.unit.device, fault),)
        self._flight = None
        said = self._sift(flight.standing, reply, now)
        self._done(flight, now)
        return said

    def _bytes(self, reply: Bytes, now: Nanos) -> tuple[Input, ...]:
        flight = self._flight
        if flight is not None:
            said = self._sift(flight.standing, reply, now)
            if not flight.standing.unit.driver.awaiting:
                self._flight = None
                self._done(flight, now)
                if flight.role is _Role.STOP:
                    flight.standing.stop_answered(flight.sent_at)
            return said
        only = next(iter(self._standings.values()))
        if len(self._standings) > 1:
            told, self._told = self._told, True
            fault = Fault(FaultKind.UNEXPECTED, f"{len(reply.data)} bytes that nobody asked for")
            return () if told else (Faulted((self._last or only).unit.device, fault),)
        if only.streams:
            if only.heard_at is not None and now - only.heard_at > STREAM_GAP:
                only.doubt(now)
            only.heard_at = now
        return self._sift(only, reply, now)

    def _sift(self, standing: Standing, reply: Reply, now: Nanos) -> tuple[Input, ...]:
        """Let the driver read it, and pass what may be believed: who it is first, then what it says, then faults."""
        device = standing.unit.device
        said = standing.unit.driver.receive(reply, now)
        faults = [item for item in said if isinstance(item, Fault)]
        observations = [item for item in said if not isinstance(item, Fault)]
        if isinstance(reply, Identification) and any(f.kind is FaultKind.WRONG_DEVICE for f in faults):
            standing.refute(now)
        for item in observations:
            if isinstance(item, Identified):
                faults.extend(self._identified(standing, item, now))
        passed = self._passing(standing, observations, now)
        if faults and any(f.kind in DOUBTS for f in faults):
            standing.doubt(now)
            self._drain = self._drain or self._silence > 0
        observed = (Observed(device, passed),) if passed else ()
        return (*observed, *(Faulted(device, f) for f in faults))

    def _identified(self, standing: Standing, said: Identified, now: Nanos) -> Iterable[Fault]:
        wrong = standing.judge(said)
        if wrong:
            standing.refute(now)
            return (Fault(FaultKind.WRONG_DEVICE, wrong[:200]),)
        if standing.identity is not Identity.HELD:
            standing.hold()
            standing.retry_at = now
        return ()

    def _passing(self, standing: Standing, observations: list[Observation], now: Nanos) -> tuple[Observation, ...]:
        """Give what passes while identity holds; an alarm, which a device may tell only once, waits for that."""
        if standing.identity is not Identity.HELD:
            standing.kept.extend(o for o in observations if isinstance(o, AlarmsReported) and o.alarms)
            if standing.identity is Identity.REFUTED:
                standing.kept.clear()
            return ()
        who: list[Observation] = []
        rest: list[Observation] = []
        for item in observations:
            (who if isinstance(item, Identified) else rest).append(item)
            if isinstance(item, AlarmsReported):
                if PumpAlarm.RESET in item.alarms - (item.alarms if standing.alarms is None else standing.alarms):
                    standing.doubt(now)
                standing.alarms = item.alarms
        kept = tuple(standing.kept)
        standing.kept.clear()
        return (*who, *kept, *rest)

    def _done(self, flight: _Flight, now: Nanos) -> None:
        """Take note that a request needs no more of the line."""
        standing = flight.standing
        if flight.role is _Role.DEAD_MAN and not standing.arming and standing.dead_man == standing.arming_for:
            standing.dead_man = None  # unless something else was wished meanwhile
        if flight.role is not _Role.IDENTIFY:
            standing.failures = 0
        elif standing.asking:
            standing.retry_at = now
        elif standing.identity in {Identity.UNKNOWN, Identity.DOUBTFUL}:
            standing.failed(now)  # it answered, and did not say who it is

    def _silent(self, flight: _Flight, now: Nanos) -> None:
        """Take note that a request has no answer, so that the next bytes are nobody's."""
        self._flight = None
        standing = flight.standing
        standing.doubt(now)
        standing.failed(now)
        standing.arming.clear()  # it begins anew
        if self._reopen_after_timeout:
            self._why = f"{standing.unit.device} gave no answer in time"
        else:
            self._drain = True


def _answers(reply: Reply, request: Request) -> bool:
    """Whether a reply has the shape of an answer to this request."""
    if isinstance(reply, Identification):
        return isinstance(request, ReadIdentification)
    if isinstance(reply, Bytes) or reply.request != request:
        return False
    return not isinstance(reply, Words) or (isinstance(request, ReadRegisters) and len(reply.words) == request.count)
