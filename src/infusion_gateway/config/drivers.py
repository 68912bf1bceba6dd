"""Every driver that a configuration can name: the built-in ones, and Modbus profiles of a clinic's own."""

from collections.abc import Mapping
from pathlib import Path

from infusion_gateway.devices import catalogue
from infusion_gateway.devices.driver import Driver, Traits
from infusion_gateway.devices.registers import Profile, load_profiles


class Drivers:
    """What can be named, and how it is built."""

    def __init__(self, extra: Path | None) -> None:
        """Read the profiles; extra: a directory of them. ConfigError with every problem of theirs."""
        self.traits: dict[str, Traits] = {t.name: t for t in catalogue.entries()}
        self._extra: dict[str, Profile] = {}
        if extra is not None:
            self._extra = {n: p for n, p in load_profiles(extra).items() if n not in self.traits}
            self.traits |= {n: p.traits for n, p in self._extra.items()}

    def build(self, name: str, address: int, options: Mapping[str, str]) -> Driver:
        """Make a driver; KeyError for an unknown name, ValueError for an address or an option that can't be."""
        if name not in self._extra:
            return catalogue.build(name, address, options)
        if options:
            raise ValueError(f"a profile has no options: {', '.join(options)}")
        return self._extra[name].build(address)
