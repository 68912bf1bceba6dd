"""How long a stop takes to the wire: on an idle line, and on a busy RTU line with dead neighbours at its real speed."""

import asyncio
import contextlib
import random
import statistics

import pytest

from infusion_gateway.devices import registers
from infusion_gateway.devices.bus import Bus, Transmit, Unit
from infusion_gateway.devices.driver import WriteRegisters, Written
from infusion_gateway.model.inputs import Observed
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.links import Line, LineSpec
from simulated import running, simulated

MS = 1_000_000
AGAIN_S = 5.0
SPEC = {"baud": 19200, "framing": "8E1", "modbus": True}


class Watch:
    """The real bus, with the times of what it is asked, of what goes out and of what comes back."""

    def __init__(self, units, clock):
        self._bus, self._clock = Bus(units, reopen_after_timeout=False), clock
        self._devices = [unit.device for unit in units]
        self.asked_at = 0
        self.to_the_wire, self.to_the_echo = [], []
        self.sent = asyncio.Event()
        self.on_neighbour = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._bus, name)

    async def stopped(self, line):
        """Ask for a stop until it is answered: a bus sends it once; whoever wants one asks again, as the core does."""
        self.sent.clear()
        while not self.sent.is_set():
            self.asked_at = self._clock.now()
            self._bus.stop("pump", self.asked_at)
            line.wake()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self.sent.wait()

    def next(self, now):
        for device in self._devices:
            self._bus.decided(device, now)  # every bed's mind is young
        action = self._bus.next(now)
        if isinstance(action, Transmit) and isinstance(action.request, WriteRegisters):
            self.to_the_wire.append((self._clock.now() - self.asked_at) / MS)
        elif isinstance(action, Transmit) and action.device != "pump":
            self.on_neighbour.set()
        return action

    def replied(self, reply, now):
        inputs = self._bus.replied(reply, now)
        if isinstance(reply, Written):
            self.to_the_echo.append((now - self.asked_at) / MS)
            self.sent.set()
        return inputs


def told(what, figures):
    ordered = sorted(figures)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(  # noqa: T201 (the figures are what the test is for)
        f"\n{what}: n={len(ordered)} p50 {statistics.median(ordered):.1f} p99 {p99:.1f} max {ordered[-1]:.1f} ms"
    )
    return p99


def harness(endpoint, units, profile):
    """Give line, watch, and the event that the pump has been heard."""
    clock, heard = Clock(), asyncio.Event()
    units = tuple(Unit(name, profile.build(address), address, ()) for name, address in units.items())
    watch = Watch(units, clock)

    def deliver(inputs):
        if any(isinstance(item, Observed) and item.device == "pump" for item in inputs):
            heard.set()

    return Line(LineSpec("line", endpoint, **SPEC), watch, deliver, clock, None), watch, heard


@pytest.mark.slow
async def test_a_stop_on_an_idle_line(tmp_path):
    """Pins that a stop on an idle line waits for nothing: half of them within a millisecond; p99 is printed.

    The tail is the scheduler's where other tests run beside this one: `make bench` measures it beside a floor.
    """
    profile = registers.load_profiles()["modbus_pump"]
    async with simulated("modbus_pump@1", "--pty", str(tmp_path / "line")) as pumps:
        line, watch, heard = harness(pumps.endpoint, {"pump": 1}, profile)
        async with running(line), asyncio.timeout(60):
            await heard.wait()
            for _ in range(200):
                await asyncio.sleep(0.02)
                await watch.stopped(line)
    assert told("stop to the wire, idle RTU line", watch.to_the_wire) < 250
    assert statistics.median(watch.to_the_wire) < 1


@pytest.mark.slow(30)
async def test_a_stop_on_a_busy_line_with_dead_neighbours(tmp_path):
    """Pins the bound where the line is as slow as the real one and seven of its eight units are dead.

    It is the transaction in flight with its time-out, and the silence after it, whenever the stop is asked.
    """
    profile = registers.load_profiles()["modbus_pump"]
    traits = profile.traits
    dead = [f"modbus_pump@{address}" for address in range(2, 9)]
    silent = [part for address in range(2, 9) for part in ("--fault", f"{address}.silent")]
    chance, units = random.Random(5), {"pump": 1} | {f"dead-{address}": address for address in range(2, 9)}
    arguments = ("modbus_pump@1", *dead, *silent, "--baud-timing", "--pty", str(tmp_path / "line"))
    async with simulated(*arguments) as pumps:
        line, watch, heard = harness(pumps.endpoint, units, profile)
        async with running(line), asyncio.timeout(100):
            await heard.wait()
            for _ in range(40):
                watch.on_neighbour.clear()
                await watch.on_neighbour.wait()
                await asyncio.sleep(chance.uniform(0, 0.3))  # while a dead unit keeps the line
                await watch.stopped(line)
    bound = (traits.timeout + traits.silence) / MS
    told(f"stop to the wire, busy RTU line at 19200 baud, 7 dead neighbours, bound {bound:g} ms", watch.to_the_wire)
    told("stop to its echo, likewise", watch.to_the_echo)
    assert statistics.quantiles(watch.to_the_wire, n=20)[-1] <= bound + 40  # the scheduler of a busy machine
    assert max(watch.to_the_wire) <= bound + 250
    assert statistics.median(watch.to_the_wire) > 50  # it did have to wait
