"""Input: something happened to us. The only things that `step` is told."""

from dataclasses import dataclass
from typing import TypeAlias

from infusion_gateway.model.case import Carried
from infusion_gateway.model.health import Trouble
from infusion_gateway.model.instructions import Instruction
from infusion_gateway.model.keys import Signed
from infusion_gateway.model.observation import Fault, Observation


@dataclass(frozen=True, slots=True)
class Observed:
    """A device whose identity holds said these things, decoded from one exchange, so of one instant."""

    device: str
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Faulted:
    """A device, or its line, did something wrong."""

    device: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """The line to a device is open (which says nothing of the device)."""

    device: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The line to a device is gone; it is being reopened."""

    device: str
    why: str


@dataclass(frozen=True, slots=True)
class Instructed:
    """A person asks for something. id: unique, for dropping repeats; case: the case meant, "" for none named.

    signed: the message that it came in, where its signature was verified; None where signatures are not asked for.
    elsewhere: why another bed that it is about can't do its part, as far as the gateway knows; "": nothing known.
    """

    instruction: Instruction
    by: str
    id: str
    case: str
    signed: Signed | None = None
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Something came as an instruction and was turned away at the border. key: whose it was shown to be, "" nobody's.

    others: how many more were turned away, unrecorded, since the last that was put on record. by: whom it named as
    asking, "" where that is not to be read or not to be believed.
    """

    instruction: str
    reason: str
    key: str = ""
    others: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True)
class Restarted:
    """The process began. same_boot: the journal's last timeline is ours, so its times hold exactly. version: ours."""

    same_boot: bool
    version: str = ""


@dataclass(frozen=True, slots=True)
class BrokerChanged:
    """The MQTT broker was reached or lost; listeners: somebody supervising is known to be there (None: not known).

    another: another gateway was met under this one's name.
    """

    connected: bool
    listeners: bool | None
    another: bool = False


@dataclass(frozen=True, slots=True)
class JournalChanged:
    """The journal can, or can't, be written."""

    kept: bool
    why: str


@dataclass(frozen=True, slots=True)
class ClockJumped:
    """The wall clock moved against the monotone timeline by so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GateChanged:
    """One of the gateway's own means was looked at, by its gate's name (clock, disk). open: it is as it should be."""

    gate: str
    open: bool
    why: str


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """The gateway looked at itself: all that is wrong with it now."""

    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class CaseArrived:
    """A case comes from another bed of this gateway; it is there until this bed has it on record."""

    origin: str
    carried: Carried


@dataclass(frozen=True, slots=True)
class MoveAnswered:
    """The bed that a case was to move to has it on record, or won't take it. why: in words.

    over: it has it as one that is over, or is asked to be.
    """

    case: str
    to: str
    taken: bool
    why: str
    over: bool = False


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The deadline that `next_deadline` gave has come. Any other input works as one too."""


Input: TypeAlias = (
    Observed
    | Faulted
    | LinkOpened
    | LinkLost
    | Instructed
    | TurnedAway
    | Restarted
    | BrokerChanged
    | JournalChanged
    | ClockJumped
    | GateChanged
    | HealthChanged
    | CaseArrived
    | MoveAnswered
    | DeadlineReached
)
