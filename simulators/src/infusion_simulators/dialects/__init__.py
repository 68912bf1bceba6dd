"""One file a device: its wire protocol, sans-IO, written by hand from the public facts; the file name registers it.

A file `dialects/<name>.py` has two public names:

    DESCRIPTION: Description
    def create(settings: Settings, seed: int) -> Dialect

Nothing else is needed to be listed, served, faulted and played. `seed` is for whatever the device does by chance.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, cast

from infusion_simulators.device import Dialect, Nanos


class Kind(StrEnum):
    """What a device is."""

    PUMP = "pump"
    MONITOR = "monitor"


class Wire(StrEnum):
    """What the bytes travel on: a serial line or pty (RTU), or TCP (Modbus TCP; a serial dialect as it is)."""

    SERIAL = "serial"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Description:
    """What `infusion-sim list` says of a dialect. `keys` and `presses`: name -> what it is, range and unit."""

    summary: str
    kind: Kind
    baud: int
    framing: str
    """Data bits, parity, stop bits, as in 8N1 or 8E1."""
    source: str
    """Where the facts of the wire are from."""
    keys: Mapping[str, str]
    presses: Mapping[str, str]
    shares_line: bool = False
    """Whether several units may be on one line, each answering its own address: Modbus."""

    def bits_per_byte(self) -> int:
        """Give the bits that a byte takes on the line, start bit included."""
        return 1 + int(self.framing[0]) + (self.framing[1] != "N") + int(self.framing[2])


@dataclass(frozen=True, slots=True)
class Settings:
    """What a dialect must know at its making; everything else is a key, given by `set`."""

    wire: Wire
    unit: int
    """The Modbus unit, 1-247; a dialect without units has no use for it."""
    now: Nanos
    """When it is switched on."""


class _Module(Protocol):
    DESCRIPTION: Description

    def create(self, settings: Settings, seed: int) -> Dialect: ...


def names() -> tuple[str, ...]:
    """Give the names of all dialects, sorted."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")))


def describe(name: str) -> Description:
    """Give a dialect's description; KeyError for an unknown name."""
    return _module(name).DESCRIPTION


def create(name: str, settings: Settings, seed: int) -> Dialect:
    """Make a device; KeyError for an unknown name."""
    return _module(name).create(settings, seed)


def _module(name: str) -> _Module:
    if name not in names():
        raise KeyError(name)
    return cast("_Module", importlib.import_module(f"{__name__}.{name}"))
