"""A communication time-out kept by the device itself: it stops the pump when its host falls silent."""

from infusion_simulators.device import SECOND, Nanos

MAX_S = 255


class DeadMan:
    """A communication time-out: armed for so many seconds, fed by valid traffic, trips once when that ends.

    The timer is idle from arming (and after a trip) until the first `feed`, as the NE-1000's is; a device whose arming
    request counts as traffic feeds it right after.
    """

    __slots__ = ("_deadline", "_tripped", "seconds")

    def __init__(self) -> None:
        self.seconds = 0
        self._deadline: Nanos | None = None
        self._tripped = False

    def arm(self, seconds: int) -> None:
        """Set the time-out in whole seconds, 0 to disarm; the timer is idle until fed. ValueError outside 0-255."""
        if not 0 <= seconds <= MAX_S:
            raise ValueError(f"dead man: {seconds} s is not within 0-255")
        self.seconds, self._deadline = seconds, None

    def feed(self, now: Nanos) -> None:
        """Take note of valid traffic: the timer starts anew."""
        self._deadline = now + self.seconds * SECOND if self.seconds else None

    @property
    def deadline(self) -> Nanos | None:
        """Say when it trips, None while idle or disarmed."""
        return self._deadline

    @property
    def tripped(self) -> bool:
        """Say whether it has tripped since `clear`."""
        return self._tripped

    def trip(self) -> None:
        """Run out: idle until the next feed."""
        self._tripped, self._deadline = True, None

    def clear(self) -> None:
        """Forget the trip, as the device's own acknowledgement does."""
        self._tripped = False
