"""How long a stop takes to the wire.

Idle line: the gateway as a process of its own, sessions that run, and simulated devices that note the moment of the
answer which first shows the crossing and the moment at which the stop arrives. What is counted is what comes on top of
the protocol's delay. The floor reads the same register and writes the same stop after a bare sleep. Each bed has a
pump's line and a monitor's, and the beds cross one after the other.

Busy line: `Line` and `Bus` in this process, on a pty whose far end is as slow as 19200 baud, with a live monitor and
six dead units. The stop is asked while a dead unit keeps the line, at any moment of its time-out.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.figures import Figure, percentile, spread
from bench.inside import NAME, SITE, Beds, Measured, Placed, floor, gateway
from bench.outside import in_phase
from infusion_gateway.devices.bus import Bus, Transmit, Unit
from infusion_gateway.devices.catalogue import build
from infusion_gateway.devices.driver import WriteRegisters
from infusion_gateway.model.instructions import Confirm, Instruction, PlaceOrder
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.links import Line, LineSpec
from infusion_gateway.wire.asking import write_instruction
from infusion_gateway.wire.stamps import rfc3339
from infusion_gateway.wire.stations import StationAvailability
from infusion_gateway.wire.topics import Topics
from infusion_simulators.dialects import Wire as SimWire
from infusion_simulators.line import build as build_simulated
from infusion_simulators.serve import Wire
from infusion_simulators.serve.ports import Heard, Tcp
from simulated import running, simulated

DELAY_S = 5.0
"""Of test-short's row that stops below 85 %."""
MOST_MS = 10.0
HEALTHY, CROSSED = 97, 82
VITALS_ANSWER, SPO2_AT = 33, 17
"""Bytes of the answer with a modbus_monitor's vitals over TCP, and where its SpO2 is in them."""
STOP = bytes((5, 0, 3, 0xFF, 0))
"""Write one coil, 0x0003, on: a modbus_pump's stop."""
APART_S = 0.2
BAUD, FRAMING, BITS, REQUEST_BYTES = 19200, "8E1", 11, 8
DEAD = 6


class Tapped(Tcp):
    """A simulated device's TCP port that notes when something that is looked for went through, ns; 0: not yet."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0)
        self.crossed_at = 0
        self.stopped_at = 0

    async def open(self, heard: Heard) -> None:
        """Listen, and look at what comes for a stop."""

        def look(data: bytes) -> None:
            if STOP in data and not self.stopped_at:
                self.stopped_at = time.monotonic_ns()
            heard(data)

        await super().open(look)

    def unplug(self) -> None:
        """Break the connection; who wants may connect again."""
        self._drop()

    def write(self, data: bytes) -> None:
        """Send, and look whether it is the first answer with the crossing."""
        if len(data) == VITALS_ANSWER and data[SPO2_AT] == 0 and data[SPO2_AT + 1] == CROSSED and not self.crossed_at:
            self.crossed_at = time.monotonic_ns()
        super().write(data)


class Bedside:
    """A bed's pump and monitor, simulated in this process."""

    def __init__(self, name: str) -> None:
        now = Wire.now()
        self.name = name
        self.ports = {"pump": Tapped(), "monitor": Tapped()}
        lines = {device: build_simulated((f"modbus_{device}",), SimWire.TCP, 1, now) for device in self.ports}
        self.wires = {device: Wire(line, self.ports[device], paced=False, log=None) for device, line in lines.items()}
        lines["pump"].set("rate_ml_h", 30.0, now)
        for key, value in (("spo2", HEALTHY), ("pulse", 72), ("hr", 72), ("rr", 14)):
            lines["monitor"].set(key, value, now)

    async def open(self) -> tuple[Placed, ...]:
        """Listen; gives what to configure."""
        for wire in self.wires.values():
            await wire.open()
        return tuple(Placed(device, f"modbus_{device}", port.port) for device, port in self.ports.items())

    def press_start(self) -> None:
        """Start the pump at its own keypad."""
        self.wires["pump"].line.press("start", Wire.now())
        self.wires["pump"].touched()

    def cross(self) -> None:
        """Let the oxygen saturation fall below every limit."""
        self.wires["monitor"].line.set("spo2", CROSSED, Wire.now())

    def unplug(self) -> None:
        """Break both connections: the gateway opens them again at once, and polls in a rhythm of its own from then."""
        for port in self.ports.values():
            port.unplug()

    @property
    def over_delay_ms(self) -> float | None:
        """Say how long after the end of the delay the stop arrived; None: it never did, or nothing crossed."""
        crossed, stopped = self.ports["monitor"].crossed_at, self.ports["pump"].stopped_at
        return (stopped - crossed) / 1e6 - DELAY_S * 1000 if crossed and stopped else None


async def measure(directory: Path, beds: int, busy_s: float, seed: int) -> list[Figure]:
    """Measure both lines; busy_s 0: the idle one alone."""
    places = [directory / name for name in ("floor", "gateway")]
    for place in places:
        place.mkdir()
    bare, idle = await _bare(places[0], beds), await _idle(places[1], beds)
    part = "Delay over to the stop's arrival, idle line (process, Modbus TCP)"
    figures = spread(part, f"of {beds} sessions", idle, bare, aims={99: MOST_MS})
    if len(idle) < beds or len(bare) < beds:
        raise RuntimeError(f"of {beds} beds the gateway stopped {len(idle)}, the floor {len(bare)}")
    if not busy_s:
        return figures
    waited, bound = await _busy(directory, busy_s, random.Random(seed))
    part = f"Stop asked to the wire, busy RTU line, {BAUD} baud, {DEAD} dead units (Line and Bus)"
    figures += spread(part, "asked while a dead unit keeps the line", waited)
    most = percentile(waited, 100)
    aim = f"at most {bound:.0f} ms: request + time-out + silence"
    return [*figures, Figure(part, "longest", most, "ms", len(waited), None, aim, most <= bound + MOST_MS)]


async def _bare(directory: Path, count: int) -> list[float]:
    """Let the floor stop the pumps of as many beds, without any session."""
    async with _bedsides(count) as (bedsides, _):
        ports = tuple((one.ports["monitor"].port, one.ports["pump"].port) for one in bedsides)
        async with floor(directory, {}, every_s=1.0, stops=ports):
            await asyncio.sleep(1.5)
            await _cross(bedsides)
    return _over_delay(bedsides)


async def _cross(bedsides: list[Bedside]) -> None:
    """Let one bed after the other cross, and wait for the last stop."""
    for one in bedsides:
        one.cross()
        await asyncio.sleep(APART_S)
    await asyncio.sleep(DELAY_S + 1.5)


def _over_delay(bedsides: list[Bedside]) -> list[float]:
    return [late for one in bedsides if (late := one.over_delay_ms) is not None]


@contextlib.asynccontextmanager
async def _bedsides(count: int) -> AsyncIterator[tuple[list[Bedside], Beds]]:
    """Have so many bedsides live; gives what to configure, too."""
    bedsides = [Bedside(f"bed-{n}") for n in range(count)]
    beds: Beds = {one.name: await one.open() for one in bedsides}
    async with asyncio.TaskGroup() as group:
        serving = [group.create_task(wire.run(iter(()))) for one in bedsides for wire in one.wires.values()]
        yield bedsides, beds
        for task in serving:
            task.cancel()
    for one in bedsides:
        for wire in one.wires.values():
            await wire.close()


async def _idle(directory: Path, count: int) -> list[float]:
    async with _bedsides(count) as (bedsides, beds), gateway(directory, beds, protocols='"test-short"') as measured:
        await measured.ready("/telemetry/", 2 * count)
        for one in bedsides:  # all were opened at one moment, and would be polled, and cross, at one
            one.unplug()
            await asyncio.sleep(1 / count)
        attending = asyncio.create_task(_attend(measured))  # a gateway that can tell nobody arms no bed
        await asyncio.sleep(2.5)
        for one in bedsides:
            _order(measured, one.name)
            await asyncio.sleep(0.02)
        await in_phase(measured.subscriber, "armed", count)
        for one in bedsides:
            one.press_start()
            await asyncio.sleep(0.02)
        await in_phase(measured.subscriber, "infusing", count)
        await _cross(bedsides)
        attending.cancel()
        measured.check()
    return _over_delay(bedsides)


async def _attend(measured: Measured) -> None:
    """Be a station, as far as a gateway must hear of one."""
    for sequence in itertools.count(1):
        said = StationAvailability(time=rfc3339(time.time_ns()), status="online", sequence=sequence)
        measured.subscriber.publish(Topics(SITE, NAME).station_availability("bench"), said.model_dump_json().encode())
        await asyncio.sleep(3)


def _order(measured: Measured, bed: str) -> None:
    """Order and confirm, by two people."""
    order = PlaceOrder(
        case=f"case-{bed}",
        subject="subject-1",
        protocol="test-short",
        weight_kg=70.0,
        concentration_mg_ml=1.0,
        rate_ml_h=30.0,
        volume_ml=0.5,
        duration=60 * SECOND,
        dose_mg=0.5,
    )
    said: tuple[tuple[str, Instruction, str], ...] = (
        ("order", order, "nurse-1"),
        ("confirm", Confirm(70.0, 1.0), "nurse-2"),
    )
    for name, instruction, by in said:
        payload = write_instruction(
            instruction, by=by, identity=f"{bed}-{name}", case=f"case-{bed}", station="bench", utc_ns=time.time_ns()
        )
        measured.subscriber.publish(Topics(SITE, NAME).do(bed, name), payload)


class Tap:
    """Takes the wire log's place: notes when a stop went out, and when a dead unit was asked."""

    def __init__(self) -> None:
        self.stopped_at = 0
        self.stopped = asyncio.Event()
        self.dead_asked = asyncio.Event()

    def note(self, _utc_ns: int, _line: str, direction: str, _data: bytes, *meaning: object) -> None:
        """Look at one exchange, just after its bytes were handed to the kernel."""
        action = meaning[0] if meaning else None
        if direction != ">" or not isinstance(action, Transmit):
            return
        if isinstance(action.request, WriteRegisters):
            self.stopped_at = time.monotonic_ns()
            self.stopped.set()
        elif action.device.startswith("dead"):
            self.dead_asked.set()


async def _busy(directory: Path, seconds: float, chance: random.Random) -> tuple[list[float], float]:
    """Give how long each stop waited, ms, and the bound."""
    dead = range(3, 3 + DEAD)
    specs = ("modbus_pump@1", "modbus_monitor@2", *(f"modbus_monitor@{unit}" for unit in dead))
    silent = [part for unit in dead for part in ("--fault", f"{unit}.silent")]
    drivers = {"pump": build("modbus_pump", 1, {}), "monitor": build("modbus_monitor", 2, {})}
    drivers |= {f"dead-{unit}": build("modbus_monitor", unit, {}) for unit in dead}
    units = tuple(Unit(name, driver, at, ()) for at, (name, driver) in enumerate(drivers.items(), 1))
    bus, tap, clock = Bus(units, reopen_after_timeout=False), Tap(), Clock()
    waited: list[float] = []
    async with simulated(*specs, *silent, "--baud-timing", "--pty", str(directory / "rtu")) as far:
        line = Line(LineSpec("rtu", far.endpoint, BAUD, FRAMING, modbus=True), bus, lambda _: None, clock, tap)
        async with running(line):
            minding = asyncio.create_task(_mind(bus, clock))
            await asyncio.sleep(4)  # everybody was asked who it is; the dead have begun to back off
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                tap.dead_asked.clear()
                await asyncio.wait_for(tap.dead_asked.wait(), 15)
                await asyncio.sleep(chance.uniform(0, units[0].driver.traits.timeout / SECOND))
                tap.stopped.clear()
                asked_at = time.monotonic_ns()
                bus.stop("pump", clock.now())
                line.wake()
                await asyncio.wait_for(tap.stopped.wait(), 5)
                waited.append((tap.stopped_at - asked_at) / 1e6)
            minding.cancel()
    worst = max(units, key=lambda unit: unit.driver.traits.timeout).driver.traits
    sent_ms = REQUEST_BYTES * BITS / BAUD * 1000
    return waited, sent_ms + (worst.timeout + worst.silence) / SECOND * 1000


async def _mind(bus: Bus, clock: Clock) -> None:
    """Be the bed that decides: what feeds the pump's dead man goes out only then."""
    while True:
        bus.decided("pump", clock.now())
        await asyncio.sleep(0.5)
