"""As slow as a real line: bytes come out at the time at which a UART would have them. Sans-IO."""

from infusion_simulators.device import SECOND, Nanos

HELD_MAX = 65_536
"""Bytes on their way at most; what is beyond is lost."""
STEP: Nanos = 5_000_000
"""A long run of bytes is given out in pieces of this length, not byte by byte."""


class Pacer:
    """One direction of a line: each byte takes its bits' time, one after the other."""

    def __init__(self, baud: int, bits_per_byte: int) -> None:
        self.byte_ns: Nanos = SECOND * bits_per_byte // baud
        self._held = bytearray()
        self._begun: Nanos = 0

    def put(self, data: bytes, now: Nanos) -> None:
        """Give bytes to the line; they wait for those that are under way."""
        if not self._held:
            self._begun = max(now, self._begun)
        self._held += data[: HELD_MAX - len(self._held)]

    def take(self, now: Nanos) -> bytes:
        """Take the bytes that have arrived whole by now."""
        count = min(max(now - self._begun, 0) // self.byte_ns, len(self._held))
        out = bytes(self._held[:count])
        del self._held[:count]
        self._begun += count * self.byte_ns
        return out

    def next_deadline(self) -> Nanos | None:
        """Say when to take again: at the last byte, or a step on."""
        if not self._held:
            return None
        return self._begun + min(len(self._held) * self.byte_ns, max(self.byte_ns, STEP))

    def clear(self) -> None:
        """Lose what is under way, as a pulled cable does."""
        self._held.clear()
