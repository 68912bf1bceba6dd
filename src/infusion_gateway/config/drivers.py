"""Every driver that a configuration can name: the built-in ones, and Modbus profiles of a clinic's own."""

from collections.abc import Mapping
from pathlib import Path

from infusion_gateway.devices import catalogue
from infusion_gateway.devices.driver import Driver, Traits, Wire
from infusion_gateway.devices.registers import Profile, load_profiles
from infusion_gateway.model.metric import SECOND, Nanos

ASKED_EVERY: Nanos = SECOND
"""How often a serial driver asks its device."""


class Drivers:
    """What can be named, and how it is built."""

    def __init__(self, extra: Path | None) -> None:
        """Read the profiles; extra: a directory of them. ConfigError with every problem of theirs."""
        self.traits: dict[str, Traits] = {t.name: t for t in catalogue.entries()}
        self._profiles: dict[str, Profile] = dict(load_profiles(extra))
        self.unread: frozenset[str] = frozenset()
        """Drivers of the clinic's own whose directory has a problem: nothing is said of them but that."""
        self._built_in = frozenset(self.traits)
        self.traits |= {n: p.traits for n, p in self._profiles.items()}

    def build(self, name: str, address: int, options: Mapping[str, str]) -> Driver:
        """Make a driver; KeyError for an unknown name, ValueError for an address or an option that can't be."""
        if name in self._built_in:
            return catalogue.build(name, address, options)
        if options:
            raise ValueError(f"{name} has no option {', '.join(sorted(options))}; a Modbus profile has none")
        return self._profiles[name].build(address)

    def asked_every(self, name: str) -> Nanos:
        """Give how often a driver asks its device: of a profile's blocks, the one that is read most often."""
        if self.traits[name].wire is Wire.SERIAL:
            return ASKED_EVERY
        return min(block.every for block in self._profiles[name].map.blocks)


def streams(traits: Traits) -> bool:
    """Say whether a device speaks unasked all the time: nothing ever has to be silent before it."""
    return traits.wire is Wire.SERIAL and traits.silence == 0
