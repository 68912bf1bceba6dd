"""Many beds in one process, each a Modbus pump and monitor over TCP, and a gateway's configuration for them."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import click

from infusion_simulators.device import Value
from infusion_simulators.dialects import Wire as WireKind
from infusion_simulators.line import build
from infusion_simulators.serve import Wire
from infusion_simulators.serve.control import Control
from infusion_simulators.serve.ports import Tcp

LOOPBACK = "127.0.0.1"
BEDS = 64
"""Beds that one gateway takes (its configuration's schema)."""
DEVICES: tuple[tuple[str, str, dict[str, Value]], ...] = (
    ("pump", "modbus_pump", {"rate_ml_h": 30.0}),
    ("monitor", "modbus_monitor", {"variation": 1.0, "nibp_every_s": 300.0}),
)
"""Of each bed: what it is called, its dialect, and how it begins."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running device. endpoint, control: HOST:PORT of its wire and of its keypad."""

    bed: str
    device: str
    dialect: str
    endpoint: str
    control: str
    wire: Wire


async def run(beds: int, broker: str, seed: int, tell: Callable[[str], None]) -> None:
    """Serve so many beds until SIGTERM or SIGINT; OSError where a port can't be had.

    tell: takes the gateway's configuration once every device can be talked to; then `ready` is printed.
    """
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with AsyncExitStack() as held:
        served: list[Served] = []
        for place in range(beds * len(DEVICES)):
            wire = _wire(*DEVICES[place % len(DEVICES)][1:], seed + place)
            control = Control(wire)
            held.push_async_callback(wire.close)
            held.push_async_callback(control.close)
            await wire.open()
            at = await control.open(LOOPBACK, 0)
            device, dialect, _ = DEVICES[place % len(DEVICES)]
            served.append(Served(f"bed-{place // len(DEVICES) + 1:02}", device, dialect, wire.port.endpoint, at, wire))
        tell(configuration(served, broker))
        click.echo(f"ready {beds} beds")
        serving = [asyncio.create_task(one.wire.run(iter(()))) for one in served]
        ending = asyncio.create_task(ended.wait())
        await asyncio.wait({*serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*serving, ending):
            task.cancel()
        await asyncio.gather(*serving, ending, return_exceptions=True)


def _wire(dialect: str, settings: dict[str, Value], seed: int) -> Wire:
    now = Wire.now()
    line = build((dialect,), WireKind.TCP, seed, now)
    for key, value in settings.items():
        line.set(key, value, now)
    return Wire(line, Tcp(LOOPBACK, 0), paced=False, log=None)


def configuration(served: list[Served], broker: str) -> str:
    """Write a gateway's configuration for these devices, and a station's."""
    return "".join(_parts(served, broker))


def _parts(served: list[Served], broker: str) -> Iterator[str]:
    yield (
        "# Written by `infusion-sim fleet` for the devices that it serves; it holds for as long as that runs.\n"
        '[gateway]\nsite = "clinic-a"\nname = "gateway-1"\nmode = "test"\nstate_directory = "fleet-state"\n'
        f'\n[broker]\nurl = "{broker}"\n'
        '\n[station]\nname = "station-1"\npeople_file = "fleet-people.toml"\n'
    )
    for one in served:
        yield f'\n[[line]]\nname = "{one.bed}-{one.device}"\ntcp = "{one.endpoint}"\n'
    bed = ""
    for one in served:
        if one.bed != bed:
            bed = one.bed
            yield f'\n[[bed]]\nid = "{bed}"\nprotocols = ["depression-40", "test-short"]\n'
        yield (
            f"\n[[bed.device]]  # its keypad: infusion-sim ctl {one.control} press …\n"
            f'id = "{one.device}"\ndriver = "{one.dialect}"\nline = "{one.bed}-{one.device}"\naddress = 1\n'
        )
