"""Backoff: how long to wait before the next try to reach a line or a broker. Pure: counts and a draw in, delay out."""

from dataclasses import dataclass

from infusion_gateway.model.metric import SECOND, Nanos


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling delays between `first` and `most`, each shortened by up to half by a draw: many don't try at once.

    first, most: nanoseconds, 0 < first <= most; else ValueError.
    """

    first: Nanos
    most: Nanos

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.most:
            raise ValueError(f"0 < first ({self.first}) <= most ({self.most}) does not hold")

    def delay(self, failures: int, draw: float) -> Nanos:
        """Give the wait after so many failures in a row: 0 for none. draw: 0 to 1, from the caller's generator.

        Never more than `most`, never less than half of `first`.
        """
        if failures <= 0:
            return 0
        doublings = min(failures - 1, 62)  # bounded: a week of failures must not build a huge number
        whole = min(self.first << doublings, self.most)
        return whole - int(whole * min(max(draw, 0.0), 1.0)) // 2


RECONNECT = Backoff(first=SECOND // 10, most=SECOND)
"""Towards a line and towards the broker: what comes back is found within a second."""
