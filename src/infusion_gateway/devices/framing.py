"""Frames out of a byte stream: a bounded buffer that looks for the next good frame and says when it lost step."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeAlias, TypeVar

from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.observation import Fault, FaultKind

F = TypeVar("F")

Scan: TypeAlias = Callable[[bytes], tuple[int, F | Fault | None]]
"""Look at the beginning of a buffer: (bytes taken, what they are).

(n, frame): a good frame of n bytes. (1, fault): what begins here is broken; look again one byte on. (1, None): no frame
begins here. (0, None): too few bytes to tell.
"""

PATIENCE = 256
"""So many bytes without a good frame are told as an overflow, again and again while it lasts."""

SHOWN = 32


class Framer(Generic[F]):
    """Cuts a byte stream into frames. Says the same whatever way the bytes are split into chunks of one instant.

    limit: greatest length of a frame; at most twice that is ever held. max_gap: a frame begun is void once so long
    passed without a byte. A loss of step is told once, at its first byte; until the next good frame it is hunting.
    """

    def __init__(self, scan: Scan[F], limit: int, max_gap: Nanos) -> None:
        self._scan = scan
        self._limit = limit
        self._max_gap = max_gap
        self._buffer = bytearray()
        self._hunted = 0
        self._heard_at: Nanos | None = None

    def __len__(self) -> int:
        """Count the bytes held."""
        return len(self._buffer)

    @property
    def hunting(self) -> bool:
        """Whether step was lost and no good frame has come since."""
        return self._hunted > 0

    def clear(self) -> None:
        """Forget what is held, and that step was lost."""
        self._buffer.clear()
        self._hunted = 0
        self._heard_at = None

    def feed(self, data: bytes, now: Nanos) -> Iterator[F | Fault]:
        """Take bytes; give the frames and faults in them, in order, each before the bytes after it are looked at.

        What `scan` goes by may therefore change from frame to frame. To be iterated to its end.
        """
        if self._buffer and self._heard_at is not None and now - self._heard_at > self._max_gap:
            broken = shown(bytes(self._buffer))
            self.clear()
            yield Fault(FaultKind.FRAMING, f"a frame broke off: {broken}")
        self._heard_at = now if data else self._heard_at
        for start in range(0, len(data), self._limit):
            self._buffer += data[start : start + self._limit]
            yield from self._cut()

    def _cut(self) -> Iterator[F | Fault]:
        while self._buffer:
            taken, item = self._scan(bytes(self._buffer[: self._limit]))
            if taken == 0:
                if len(self._buffer) < self._limit:
                    return
                taken = 1
            del self._buffer[:taken]
            if item is None or isinstance(item, Fault):
                yield from self._lost(item)
            else:
                self._hunted = 0
                yield item

    def _lost(self, fault: Fault | None) -> Iterator[Fault]:
        self._hunted += 1
        if self._hunted == 1:
            yield fault or Fault(FaultKind.FRAMING, "bytes where no frame begins")
        elif self._hunted % PATIENCE == 0:
            yield Fault(FaultKind.OVERFLOW, f"{self._hunted} bytes without a good frame")


def shown(data: bytes) -> str:
    """Give bytes as hex for a fault's detail, at most 32 of them."""
    return data[:SHOWN].hex(" ") + (" ..." if len(data) > SHOWN else "")
