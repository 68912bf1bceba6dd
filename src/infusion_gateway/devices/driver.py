"""What a driver is: a sans-IO translator between one device's wire and observations, that knows when it is due.

A driver never raises on what comes from outside, never reads a clock, and holds a bounded buffer. The bus schedule
calls it; links move the bytes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Fault, Observation


class Kind(StrEnum):
    """What the device is."""

    PUMP = "pump"
    MONITOR = "monitor"


class Wire(StrEnum):
    """What carries it: a serial line with the device's own bytes, or Modbus (RTU on a line, or TCP)."""

    SERIAL = "serial"
    MODBUS = "modbus"


class Use(StrEnum):
    """What the device, or its interface, is made for."""

    BENCH = "bench"
    CLINICAL_INTERFACE = "clinical-interface"


class Table(StrEnum):
    """The four Modbus tables."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"


@dataclass(frozen=True, slots=True)
class SendBytes:
    """Send these bytes to the device; the driver's `awaiting` says whether an answer is still owed."""

    data: bytes
    timeout: Nanos


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """Read one block in one request. table is input or holding (words) or coil or discrete (0 and 1)."""

    table: Table
    address: int
    count: int
    timeout: Nanos


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """Write registers (holding), or one coil (values (0,) or (1,)), in one request."""

    table: Table
    address: int
    values: tuple[int, ...]
    timeout: Nanos


@dataclass(frozen=True, slots=True)
class ReadIdentification:
    """Modbus device identification (function 43/14, basic stream)."""

    timeout: Nanos


Request: TypeAlias = SendBytes | ReadRegisters | WriteRegisters | ReadIdentification


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes from the device, split anywhere."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Words:
    """The answer to a read: one value a register (0..65535) or bit (0, 1). sent_at: when the request went out."""

    request: ReadRegisters
    words: tuple[int, ...]
    sent_at: Nanos


@dataclass(frozen=True, slots=True)
class Written:
    """The device acknowledged a write. It proves nothing about what the device does."""

    request: WriteRegisters


@dataclass(frozen=True, slots=True)
class Identification:
    """The answer to ReadIdentification: object number to text (0 vendor, 1 product code, 2 revision)."""

    objects: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The device answered with a Modbus exception."""

    request: Request
    code: int


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came within the request's time-out."""

    request: Request


Reply: TypeAlias = Bytes | Words | Written | Identification | Refused | NoAnswer


@dataclass(frozen=True, slots=True)
class Traits:
    """What is fixed about a driver, as `infusion-gateway devices` prints it.

    dead_man: shortest and longest communication time-out the device itself can keep, seconds; None where it has none.
    baud, framing: a serial line's usual setting ("8N1"); ignored over TCP. silence: how long a line must be quiet
    after a time-out before anybody may speak again (the device's worst turnaround). source: where the facts are from.
    timeout: the longest that any of its requests waits for an answer. addresses: the first and last that it can be set
    to; None where it has none, since it only streams.
    """

    name: str
    vendor: str
    model: str
    kind: Kind
    wire: Wire
    use: Use
    stoppable: bool
    dead_man: tuple[int, int] | None
    dead_man_stored_for_ever: bool
    baud: int
    framing: str
    silence: Nanos
    source: str
    timeout: Nanos = SECOND
    addresses: tuple[int, int] | None = None


class Driver(Protocol):
    """One device. Pure: bytes or words in, observations out; `now` in, the next due time out."""

    @property
    def traits(self) -> Traits:
        """Facts that never change."""

    @property
    def awaiting(self) -> bool:
        """Whether a SendBytes request is still without its complete answer (False for streams and Modbus)."""

    def opened(self, now: Nanos) -> None:
        """Take note that the line was opened anew: partial input is void, nothing is known of the device any more."""

    def identify(self) -> tuple[Request, ...]:
        """Give the requests whose answers lead to Identified; () where every frame carries the identity anyway."""

    def due(self, now: Nanos) -> tuple[Request, ...]:
        """Give what to send now; each request is given once."""

    def next_due(self) -> Nanos | None:
        """Say when `due` will next have something; None for a device that only streams."""

    def receive(self, reply: Reply, now: Nanos) -> tuple[Observation | Fault, ...]:
        """Take what came; never raises."""

    def stop(self) -> tuple[Request, ...]:
        """Give the requests that ask the pump to stop; () where it can't be stopped from here."""

    def dead_man(self, seconds: int) -> tuple[Request, ...]:
        """Give the requests that arm the pump's own communication time-out (0 disarms), read back; () without one."""
