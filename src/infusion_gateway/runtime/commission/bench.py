"""Every line of a configuration, open at once and polled as in a session, so that a hand laid on one device shows.

Only a stop and its dead man go to a pump. A search for a device that doesn't answer reads alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable

from infusion_gateway.commissioning.findings import Place
from infusion_gateway.commissioning.searching import candidates, found_there
from infusion_gateway.commissioning.seen import Seen
from infusion_gateway.config.settings import DeviceSettings, LineSettings, Settings
from infusion_gateway.devices.bus import Bus, Unit
from infusion_gateway.devices.driver import Driver, Kind
from infusion_gateway.model.inputs import Input
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.links import Line, LineSpec
from infusion_gateway.runtime.wirelog import WireLog

MIND_EVERY: Nanos = SECOND // 2
"""How often the pumps' polls, which feed their dead men, are allowed anew."""
TRY_FOR: Nanos = 2 * SECOND
"""How long a device is waited for at each place where it may be instead."""


class Bench:
    """The devices of a configuration. seen: what each said, by its place."""

    def __init__(self, settings: Settings, clock: Clock, wire_log: WireLog | None) -> None:
        self.settings = settings
        self.clock = clock
        self.devices = {Place(bed.id, d.device): d for bed in settings.beds for d in bed.devices}
        self.seen = {place: Seen() for place in self.devices}
        self._wire_log = wire_log
        self._news = asyncio.Event()
        self._starved: set[Place] = set()
        self._lines: dict[str, tuple[Bus, Line]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep every line open and served for the length of the block."""
        minding = asyncio.create_task(self._mind())
        for line in self.settings.lines:
            self._serve(line)
        try:
            yield
        finally:
            tasks = [minding, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, holds: Callable[[], bool], within: Nanos) -> bool:
        """Wait until something is so; say whether it came to be in time. Looked at whenever a device spoke."""
        deadline = self.clock.now() + within
        while not holds():
            self._news.clear()
            if self.clock.now() >= deadline:
                return False
            await self.clock.sleep_until(deadline, self._news)
        return True

    async def watch(self, length: Nanos) -> None:
        """Let so much time pass."""
        await self.until(lambda: False, length)

    def known(self, places: Iterable[Place]) -> bool:
        """Say whether all of these have said who they are, or something."""
        return all(self.seen[place].identity or self.seen[place].heard_at is not None for place in places)

    def stop(self, pump: Place) -> None:
        """Ask a pump to stop, before all else on its line."""
        bus, line = self._lines[self.devices[pump].line]
        bus.stop(pump.device, self.clock.now())
        line.wake()

    def arm(self, pump: Place, seconds: int) -> None:
        """Set a pump's dead man; 0 takes it off."""
        bus, line = self._lines[self.devices[pump].line]
        bus.set_dead_man(pump.device, seconds, self.clock.now())
        line.wake()

    def starve(self, pump: Place) -> None:
        """Say nothing more to a pump."""
        self._starved.add(pump)

    def feed(self, pump: Place) -> None:
        """Speak with it again."""
        self._starved.discard(pump)
        self._allow(self.clock.now())

    async def search(self, place: Place) -> str:
        """Look where a device that doesn't answer may be instead; say what it means, "" where it isn't found.

        Its line is given up meanwhile, and served again afterwards.
        """
        device = self.devices[place]
        line = next(one for one in self.settings.lines if one.name == device.line)
        task = self._tasks.pop(line.name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            for one in candidates(line, device, self.settings):
                driver = self._driver(device, one.address, one.line.baud)
                if driver is not None and await self._answers(one.line, Unit(device.device, driver, one.address, ())):
                    return found_there(one, line, device, self.settings)
        finally:
            self._serve(line)
        return ""

    def _driver(self, device: DeviceSettings, address: int, baud: int) -> Driver | None:
        """Make a driver for another place; None where that device can't be there."""
        drivers, options = self.settings.drivers, dict(device.options)
        for tried in ({**options, "baud": str(baud)}, options):
            with contextlib.suppress(ValueError):
                return drivers.build(device.driver, address, tried)
        return None

    async def _answers(self, line: LineSettings, unit: Unit) -> bool:
        seen = Seen()
        bus = Bus((unit,), line.endpoint.startswith("tcp://"))
        task = asyncio.create_task(self._line(line, bus, {unit.device: seen}).run())
        bus.decided(unit.device, self.clock.now())
        try:
            await self.until(lambda: bool(seen.identity) or seen.heard_at is not None or bool(seen.lost), TRY_FOR)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return bool(seen.identity) or seen.heard_at is not None

    def _serve(self, line: LineSettings) -> None:
        here = self.settings.on_line(line.name)
        bus = Bus(
            tuple(Unit(d.device, self.settings.build(d), d.address, d.pin) for _, d in here),
            line.endpoint.startswith("tcp://"),
        )
        served = self._line(line, bus, {d.device: self.seen[Place(bed.id, d.device)] for bed, d in here})
        self._lines[line.name] = (bus, served)
        self._tasks[line.name] = asyncio.create_task(served.run(), name=line.name)

    def _line(self, line: LineSettings, bus: Bus, seen: dict[str, Seen]) -> Line:
        def deliver(inputs: tuple[Input, ...]) -> None:
            now = self.clock.now()
            for one in inputs:
                seen[one.device].take(one, now)  # type: ignore[union-attr]  # a line speaks of devices
            self._news.set()

        spec = LineSpec(line.name, line.endpoint, line.baud, line.framing, line.modbus)
        return Line(spec, bus, deliver, self.clock, self._wire_log)

    async def _mind(self) -> None:
        while True:
            now = self.clock.now()
            self._allow(now)
            await self.clock.sleep_until(now + MIND_EVERY, asyncio.Event())

    def _allow(self, now: Nanos) -> None:
        for place, device in self.devices.items():
            if device.traits.kind is Kind.PUMP and place not in self._starved:
                bus, line = self._lines[device.line]
                bus.decided(place.device, now)
                line.wake()
