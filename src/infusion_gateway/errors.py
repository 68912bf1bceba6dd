"""What can go wrong, as exceptions. What a device does wrong is a value (model.observation.Fault), not one of these."""

from dataclasses import dataclass


class GatewayError(Exception):
    """The family's root; never raised itself."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: where (path, line; 0 unknown), the key, what is wrong, and the way out."""

    path: str
    line: int
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.key}: {self.problem}. {self.remedy}"


class ConfigError(GatewayError):
    """A configuration that can't be used: exit 2, before anything opens. Carries every problem found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


class LinkError(GatewayError):
    """A line to a device failed: caught in links.py, where it becomes link down, back-off and another try."""

    def __init__(self, device: str, doing: str) -> None:
        super().__init__(f"{device}: {doing}")
        self.device = device
        self.doing = doing


class BrokerError(GatewayError):
    """The broker can't be reached or refused: the outbox waits."""


class NameHeld(GatewayError):
    """Another gateway lives under our name on the broker: exit 2, before a line is opened; says who."""


class JournalError(GatewayError):
    """The journal can't be written or read: supervision goes on, `record-not-kept` is raised."""


class Broken(GatewayError):
    """An invariant does not hold. In a bed's step it quarantines that bed; gateway-wide it ends the process."""
