"""Health: what the gateway measures of itself, and what it finds wrong with itself by that."""

from dataclasses import dataclass

from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import Nanos


@dataclass(frozen=True, slots=True)
class Part:
    """Something that must go on by itself: a bed, a line, the publisher. silent: how long it has done nothing.

    patience: how long it may. None for silent: it has ended, and nobody asked it to.
    """

    name: str
    silent: Nanos | None
    patience: Nanos


@dataclass(frozen=True, slots=True)
class Queue:
    """Something that waits to be dealt with: how much waits, and the most that it takes, at least 1."""

    name: str
    waiting: int
    most: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """One that every connection to the broker rests on. name: whose, in words; ends: its last day, as people write it.

    left: how long it is good for, below 0 once it has ended; None: it can't be read.
    """

    name: str
    left: Nanos | None
    ends: str


@dataclass(frozen=True, slots=True)
class Health:
    """The gateway, measured. held_up: the longest that nothing was done at all since the last look.

    memory_bytes: resident. certificates: as they were when they were last looked at.
    """

    held_up: Nanos
    parts: tuple[Part, ...]
    queues: tuple[Queue, ...]
    memory_bytes: int
    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong with the gateway itself, by its alarm's code. text: what, and what to do.

    priority: None for medium under a case, and low without one.
    """

    code: str
    text: str
    priority: Priority | None = None
