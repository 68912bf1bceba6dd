"""What a simulated device is: bytes in, bytes out, `now` in, next deadline out. No clock, no IO, no asyncio."""

from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

Nanos: TypeAlias = int
"""A point on, or a length of, a monotone timeline, in nanoseconds. Who calls decides which clock it is."""

SECOND: Nanos = 1_000_000_000

Value: TypeAlias = float | int | str | bool | None
"""A key's value, as in the keys of `infusion-sim list`."""


class Dialect(Protocol):
    """One simulated device behind its wire protocol.

    Time only moves by `advance`; `now` never goes back. Whoever serves it calls advance before each of the others,
    sends what `take` gives, and calls advance again at `next_deadline` at the latest.
    """

    def receive(self, data: bytes, now: Nanos) -> None:
        """Take bytes from the host, split anywhere; never raises; holds a bounded buffer."""

    def advance(self, now: Nanos) -> None:
        """Let the device live until now: mechanics, dead man, streams."""

    def take(self, now: Nanos) -> bytes:
        """Give the bytes that the device sends now, b"" for none; each byte once."""

    def next_deadline(self) -> Nanos | None:
        """Say when the device next does something by itself."""

    def state(self) -> dict[str, Value]:
        """Give the truth: every key and its value."""

    def set(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key; ValueError names the key, what is wrong, and what would do."""

    def press(self, key: str, now: Nanos) -> None:
        """Press the device's own keypad: start, pause, stop, rate=…, syringe=…; ValueError where it has no such key."""

    def power_cycle(self, now: Nanos) -> None:
        """Lose power and come back, as the real device would."""


class Obedience(StrEnum):
    """How a device takes commands from the wire: as it should, answered but not done, or (a stop) said to be done."""

    OBEYS = "obeys"
    REFUSES = "refuses"
    LIES = "lies"


@runtime_checkable
class Commanded(Protocol):
    """A dialect that takes commands, and can therefore be told to cheat its host: the faults `refuse` and `lie`."""

    def obey(self, how: Obedience, now: Nanos) -> None:
        """Take the host's commands so from now on; a hand on the keypad is obeyed always."""
