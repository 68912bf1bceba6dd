"""What the gateway can ask a pump. Nothing here starts, resumes or raises a rate: those types don't exist."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class StopInfusion:
    """Ask the pump to stop. Idempotent, so it may go out before it is recorded."""

    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class SetDeadMan:
    """Arm the pump's own communication time-out, in seconds; 0 disarms. Read back by the driver."""

    device: str
    seconds: int
    reason: str


Command: TypeAlias = StopInfusion | SetDeadMan
