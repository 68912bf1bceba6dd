"""Judge a device's uptime counter: whether an answer was made after its question, by a device that ran all the while.

A Modbus RTU answer carries nothing that ties it to its question, so a late one looks like the next one's. The counter
tells them apart. The device was born (its counter was 0) at one instant of our timeline. Every answer was made before
it was heard, so each one bounds that birth from above, whether it is late or not: birth <= heard - uptime. An answer
whose uptime, counted from the latest possible birth, lies before the question was sent, is older than the question.

Allowed for: two ticks (both counts are truncated), and a device clock that is slow by DRIFT.
"""

from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Fault, FaultKind

DRIFT = 50  # one part in so many of the time between two answers: the worst oscillators in use (RC) keep within this


class Uptime:
    """One device's counter. tick: length of one count, nanoseconds. modulus: the counts after which it wraps."""

    def __init__(self, tick: Nanos, modulus: int) -> None:
        self._tick = tick
        self._modulus = modulus
        self.forget()

    def forget(self) -> None:
        """Void all that is known: the next answer is taken as it is."""
        self._count: int | None = None
        self._uptime: Nanos = 0  # of the last answer, wraps counted
        self._sent: Nanos = 0
        self._heard: Nanos = 0
        self._born: Nanos = 0  # the latest possible birth, as judged at `_heard`
        self._lost = False  # by a Fault; drift allowed for from an anchor long ago would let older and older ones in

    def anchor(self, count: int, sent_at: Nanos, now: Nanos) -> Fault | None:
        """Begin anew with an answer that can't be late; FROZEN where the count still is what it was."""
        if count == self._count and sent_at - self._heard > self._allowance(sent_at - self._heard):
            return self._frozen(count, sent_at)
        self._note(count, count * self._tick, now - count * self._tick, sent_at, now)
        return None

    def judge(self, count: int, sent_at: Nanos, now: Nanos) -> Fault | None:
        """Hold an answer against the timeline; a Fault (STALE_REPLY, FROZEN) where nothing of it may be taken.

        After a Fault nothing is taken until `anchor` begins the next timeline.
        """
        if self._count is None:
            return self.anchor(count, sent_at, now)
        fault = self._wrong(self._count, count, sent_at, now)
        self._lost = fault is not None
        return fault

    def _wrong(self, last: int, count: int, sent_at: Nanos, now: Nanos) -> Fault | None:
        if self._lost:
            return self._frozen(count, sent_at) if count == last else _stale("its timeline was lost")
        longest = now - self._sent
        if 2 * longest >= self._modulus * self._tick:
            return _stale(f"nothing heard for {longest / SECOND:.0f} s: longer than its counter can tell")
        ahead = (count - last) % self._modulus
        if 2 * ahead >= self._modulus:
            return self._fell(count, longest)
        uptime = self._uptime + ahead * self._tick
        if uptime - self._uptime > longest + self._allowance(longest):
            return _stale(
                f"uptime jumped ahead by {(uptime - self._uptime) / SECOND:.2f} s in {longest / SECOND:.2f} s"
            )
        age = sent_at - self._heard
        born = self._born + max(age, 0) // DRIFT
        late = sent_at - (born + uptime)
        if late > 2 * self._tick:
            if ahead == 0:
                return self._frozen(count, sent_at)
            return _stale(f"answer made {late / SECOND:.3f} s before the question")
        self._note(count, uptime, min(born, now - uptime), sent_at, now)
        return None

    def _allowance(self, elapsed: Nanos) -> Nanos:
        return 2 * self._tick + abs(elapsed) // DRIFT

    def _note(self, count: int, uptime: Nanos, born: Nanos, sent_at: Nanos, now: Nanos) -> None:
        self._count, self._uptime, self._born, self._sent, self._heard = count, uptime, born, sent_at, now
        self._lost = False

    def _fell(self, count: int, longest: Nanos) -> Fault:
        """Say what a counter that fell may mean: power was interrupted since, or the answer is old."""
        alive = count * self._tick
        cause = "an old answer"
        if alive <= longest + self._allowance(longest):
            cause = "power was interrupted, or an old answer"
        return _stale(f"uptime fell from {self._uptime / SECOND:.2f} s to {alive / SECOND:.2f} s: {cause}")

    def _frozen(self, count: int, sent_at: Nanos) -> Fault:
        stood = (sent_at - self._heard) / SECOND
        return Fault(FaultKind.FROZEN, f"uptime has stood at {count * self._tick / SECOND:.2f} s for {stood:.2f} s")


def _stale(why: str) -> Fault:
    return Fault(FaultKind.STALE_REPLY, why)
