"""Where a device that doesn't answer may be instead: what to try, reading only, and what it means to find it there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from infusion_gateway.config.settings import DeviceSettings, LineSettings, Settings
from infusion_gateway.devices.driver import Wire

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
FRAMINGS = ("8N1", "8E1")
ADDRESSES = range(11)
"""Addresses that people set: the first ten."""


@dataclass(frozen=True, slots=True)
class Try:
    """Where to ask: the line as it would be set, and the address."""

    line: LineSettings
    address: int


def candidates(line: LineSettings, device: DeviceSettings, settings: Settings) -> Iterator[Try]:
    """Give what to try, the likely first: other speeds at its own address, then other addresses."""
    if not line.endpoint.startswith(("tcp://", "socket://")):
        framings = FRAMINGS if line.modbus else (line.framing,)
        for baud in BAUDS:
            for framing in framings:
                if (baud, framing) != (line.baud, line.framing):
                    yield Try(replace(line, baud=baud, framing=framing), device.address)
    if device.traits.wire is Wire.SERIAL and device.traits.silence == 0:
        return  # it only streams, and has no address
    configured = [d.address for bed in settings.beds for d in bed.devices if d.driver == device.driver]
    for address in dict.fromkeys((*configured, *ADDRESSES)):
        if address != device.address:
            yield Try(line, address)


def found_there(found: Try, line: LineSettings, device: DeviceSettings, settings: Settings) -> str:
    """Say what it means that a device of this sort answers there."""
    if found.address == device.address:
        said = f"wrong baud or framing: it answers at {found.line.baud} baud {found.line.framing}"
        return f"{said}, the file says {line.baud} {line.framing}"
    said = f"wrong address: nobody answers at {device.address}, and a {device.driver} answers at {found.address}"
    owners = [
        f"{bed.id}/{d.device}"
        for bed in settings.beds
        for d in bed.devices
        if (d.driver, d.address) == (device.driver, found.address) and d.line != device.line
    ]
    return f"{said}; that is the address of {', '.join(owners)}: are the two swapped?" if owners else said
