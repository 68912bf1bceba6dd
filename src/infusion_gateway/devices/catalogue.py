"""Every driver there is. A file's name is its registration: serial/<name>.py, modbus/<name>.toml; no list is kept."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from infusion_gateway.devices import serial
from infusion_gateway.devices.driver import Driver, Traits
from infusion_gateway.devices.registers import load_profiles

Build = Callable[[int, Mapping[str, str]], Driver]


def entries() -> tuple[Traits, ...]:
    """Give what is fixed about each driver, by name."""
    return tuple(traits for traits, _ in _found().values())


def build(name: str, address: int, options: Mapping[str, str]) -> Driver:
    """Make a driver. address: NE-1000 0-99, Modbus unit 1-247, else 0. options: as the driver's own docstring says.

    KeyError: no driver of this name. ValueError: says in words which address or option won't do, and what would.
    """
    return _found()[name][1](address, options)


@cache
def _found() -> Mapping[str, tuple[Traits, Build]]:
    """Find every driver once; names are unique over both kinds."""
    found: dict[str, tuple[Traits, Build]] = {}
    for module in iter_modules(serial.__path__):
        driver = import_module(f"{serial.__name__}.{module.name}")
        found[module.name] = (driver.TRAITS, driver.build)
    for name, profile in load_profiles().items():
        assert name not in found, f"two drivers are called {name}"
        found[name] = (profile.traits, _of_profile(name, profile.build))
    return MappingProxyType(dict(sorted(found.items())))


def _of_profile(name: str, build_unit: Callable[[int], Driver]) -> Build:
    """Give a Modbus profile's build the common form: it takes no options."""

    def build_with(address: int, options: Mapping[str, str]) -> Driver:
        if options:
            raise ValueError(f"{name} has no option {', '.join(sorted(options))}; a Modbus profile has none")
        return build_unit(address)

    return build_with
