"""Every driver on every wire it can have: line, bus and driver against the simulated device's process."""

import asyncio
import json

import pytest

from infusion_gateway.devices import catalogue
from infusion_gateway.devices.bus import Bus, Unit
from infusion_gateway.model.inputs import LinkLost, LinkOpened, Observed
from infusion_gateway.model.observation import Delivery, DeliveryReported, Identified, Reading
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.links import Line, LineSpec
from simulated import running, simulated

WIRES = [
    ("ne1000", "pty", "19200 8N1", 0),
    ("ne1000", "socket", "19200 8N1", 0),
    ("nonin_oem3", "pty", "9600 8N1", 0),
    ("nonin_oem3", "socket", "9600 8N1", 0),
    ("modbus_pump", "pty", "19200 8E1", 1),
    ("modbus_pump", "tcp", "19200 8E1", 1),
    ("modbus_monitor", "pty", "19200 8E1", 1),
    ("modbus_monitor", "tcp", "19200 8E1", 1),
]


class Bedside:
    """One device on one line, and all that it said."""

    def __init__(self, name, endpoint, setting, address):
        baud, framing = setting.split()
        unit = Unit("device", catalogue.build(name, address, {}), address, ())
        self.clock = Clock()
        self.traits = unit.driver.traits
        modbus = name.startswith("modbus_")
        self.bus = Bus((unit,), reopen_after_timeout=endpoint.startswith("tcp://"))
        self.line = Line(
            LineSpec("line", endpoint, int(baud), framing, modbus), self.bus, self.deliver, self.clock, None
        )
        self.inputs, self._more = [], asyncio.Event()

    def deliver(self, inputs):
        self.inputs += inputs
        self._more.set()
        self.bus.decided("device", self.clock.now())

    def said(self, kind):
        return [
            item for i in self.inputs if isinstance(i, Observed) for item in i.observations if isinstance(item, kind)
        ]

    async def until(self, condition, seconds=10):
        async with asyncio.timeout(seconds):
            while not condition():
                self._more.clear()
                await self._more.wait()


def where(wire, tmp_path):
    return ("--pty", str(tmp_path / "line")) if wire == "pty" else ("--tcp", "127.0.0.1:0")


def url(wire, endpoint):
    return endpoint if wire == "pty" else f"{wire}://{endpoint}"


@pytest.mark.parametrize(("name", "wire", "setting", "address"), WIRES, ids=[f"{w[0]}-{w[1]}" for w in WIRES])
async def test_a_device_is_read_identified_and_stopped(tmp_path, name, wire, setting, address):
    """Pins the path from wire to observation: who it is, its values, and a stop that is seen in its delivery."""
    async with simulated(name, *where(wire, tmp_path)) as device:
        bedside = Bedside(name, url(wire, device.endpoint), setting, address)
        async with running(bedside.line):
            await bedside.until(lambda: len(bedside.said(Reading)) >= 4)
            assert bedside.inputs[0] == LinkOpened("device")
            if bedside.traits.stoppable:
                assert bedside.said(Identified)
                await device.ctl("press", "rate=100")
                await device.ctl("press", "start")
                await bedside.until(lambda: bedside.said(DeliveryReported)[-1].delivery is Delivery.INFUSING)
                bedside.bus.stop("device", bedside.clock.now())
                bedside.line.wake()
                await bedside.until(lambda: bedside.said(DeliveryReported)[-1].delivery is Delivery.STOPPED)
                assert json.loads(await device.ctl("state"))["delivery"] == "stopped"
    assert not [i for i in bedside.inputs if isinstance(i, LinkLost)]


@pytest.mark.parametrize("wire", ["pty", "tcp"])
async def test_a_device_that_went_away_is_found_again(tmp_path, wire):
    """Pins that a device whose process ends is told as lost, and is read, and identified, again when it is back."""
    async with simulated("modbus_pump", *where(wire, tmp_path)) as device:
        bedside = Bedside("modbus_pump", url(wire, device.endpoint), "19200 8E1", 1)
        begun = running(bedside.line)
        await begun.__aenter__()
        await bedside.until(lambda: bedside.said(Reading))
    try:
        await bedside.until(lambda: any(isinstance(i, LinkLost) for i in bedside.inputs))
        there = ("--pty", str(tmp_path / "line")) if wire == "pty" else ("--tcp", device.endpoint)
        bedside.inputs.clear()
        async with simulated("modbus_pump", *there):
            await bedside.until(lambda: bedside.said(Reading))
            kinds = [type(i) for i in bedside.inputs if isinstance(i, LinkOpened | Observed)]
            assert kinds[0] is LinkOpened
            assert isinstance(bedside.said(object)[0], Identified)
    finally:
        await begun.__aexit__(None, None, None)
