"""A bed in virtual time: the production core, drivers, bus schedule and framing against the simulators; no await.

The world owns the clock. Whatever is due next is done next: a device that speaks, a request that times out, a deadline
of the core, an act of the test. An hour passes in well under a second.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from infusion_gateway.core.state import State, initial
from infusion_gateway.core.step import next_deadline, step
from infusion_gateway.devices.bus import Bus, Drain, Reopen, Transmit, Unit
from infusion_gateway.devices.catalogue import build
from infusion_gateway.devices.driver import Bytes, NoAnswer, SendBytes
from infusion_gateway.model.commands import Command, SetDeadMan, StopInfusion
from infusion_gateway.model.events import Event
from infusion_gateway.model.inputs import DeadlineReached, Faulted, Input, Observed, Restarted
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Fault
from infusion_gateway.model.session import BedSetup
from infusion_gateway.runtime.modbus_client import ModbusClient
from infusion_simulators.dialects import Wire as SimWire
from infusion_simulators.line import Line as SimLine
from infusion_simulators.line import build as build_sim

BYTE: Nanos = SECOND * 10 // 19200
"""Time of one byte at 19200 baud."""
MAX_ACTIONS = 10_000
"""Things done at one instant before the world says that it stands still."""


@dataclass(slots=True)
class Cable:
    """One line: our bus and framing at one end, the simulated devices at the other, bytes that take their time."""

    bus: Bus
    far: SimLine
    modbus: ModbusClient | None
    asked: Transmit | None = None
    answer_due: Nanos = 0
    quiet_until: Nanos = 0
    arriving: list[tuple[Nanos, bytes]] = field(default_factory=list)
    sent: list[tuple[Nanos, Transmit]] = field(default_factory=list)
    connected: bool = True

    def due(self) -> Iterable[Nanos]:
        """Say when something happens on it by itself."""
        if (at := self.far.next_deadline()) is not None:
            yield at
        if self.arriving:
            yield self.arriving[0][0]
        if self.asked is not None:
            yield self.answer_due
        if (at := self.bus.next_deadline()) is not None:
            yield max(at, self.quiet_until)

    def live(self, now: Nanos) -> tuple[Input, ...]:
        """Let both ends live until now; give what the bus makes of it."""
        heard: tuple[Input, ...] = ()
        self.far.advance(now)
        self._fetch(now)
        while self.arriving and self.arriving[0][0] <= now:
            heard += self._hear(self.arriving.pop(0)[1], now)
        if self.asked is not None and now >= self.answer_due:
            request, self.asked = self.asked.request, None
            if self.modbus:
                self.modbus.forget()
            heard += self.bus.replied(NoAnswer(request), now)
        for _ in range(MAX_ACTIONS):
            if now < self.quiet_until or not self._act(now):
                return heard
            self._fetch(now)
        raise AssertionError("the bus does not come to rest")

    def _fetch(self, now: Nanos) -> None:
        said = self.far.take(now)
        if said and self.connected and self.far.connected:
            self.arriving.append((now + len(said) * BYTE, said))

    def _hear(self, data: bytes, now: Nanos) -> tuple[Input, ...]:
        self.quiet_until = now + 2_000_000
        self.bus.heard(now)
        if self.modbus is None:
            inputs = self.bus.replied(Bytes(data), now)
            if self.asked is not None and self.bus.in_flight is None:
                self.asked = None
            return inputs
        inputs = ()
        for answer in self.modbus.feed(data):
            if not isinstance(answer, Fault):
                self.asked = None
                inputs += self.bus.replied(answer, now)
            elif self.asked is not None:
                inputs += (Faulted(self.asked.device, answer),)
        return inputs

    def _act(self, now: Nanos) -> bool:
        action = self.bus.next(now)
        match action:
            case Transmit(request=request):
                framed = isinstance(request, SendBytes) or self.modbus is None
                data = request.data if framed else self.modbus.ask(request, action.address, now)  # type: ignore[union-attr]
                self.asked, self.answer_due = action, now + request.timeout
                self.sent.append((now, action))
                if self.connected:
                    self.far.receive(data, now)
            case Drain():
                self.arriving.clear()
                if self.modbus:
                    self.modbus.forget()
            case Reopen(why=why):
                self.bus.closed(why, now)
                self.bus.opened(now)
            case None:
                return False
        return True


def cable(devices: dict[str, tuple[str, int]], now: Nanos, *, seed: int = 1) -> Cable:
    """Lay one line. devices: name to (dialect, which is the driver's name too, and address)."""
    modbus = any(name.startswith("modbus") for name, _ in devices.values())
    specs = tuple(f"{name}@{address}" if modbus else name for name, address in devices.values())
    far = build_sim(specs, SimWire.SERIAL, seed, now)
    units = tuple(Unit(d, build(name, address, {}), address, ()) for d, (name, address) in devices.items())
    if not modbus:
        for name, address in devices.values():
            if name == "ne1000":
                far.set("address", address, now)
    return Cable(Bus(units, reopen_after_timeout=False), far, ModbusClient(tcp=False) if modbus else None)


class World:
    """A bed, its lines, and the clock. mindful: the core steps. alive: the gateway's process lives."""

    def __init__(self, setup: BedSetup, cables: dict[str, Cable], now: Nanos) -> None:
        self.now = now
        self.setup = setup
        self.state: State = initial(setup)
        self.cables = cables
        self.events: list[tuple[Nanos, Event]] = []
        self.commands: list[tuple[Nanos, Command]] = []
        self.observed: list[tuple[Nanos, Observed]] = []
        self.mindful = True
        self.alive = True
        self._acts: list[tuple[Nanos, Callable[[], None]]] = []
        self._waiting: list[Input] = []
        self.give(Restarted(same_boot=True))
        for one in self._lines():
            self._take(one.bus.opened(now))

    def _lines(self) -> list[Cable]:
        return list({id(c): c for c in self.cables.values()}.values())

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something so long from now."""
        self._acts.append((self.now + round(seconds * SECOND), act))
        self._acts.sort(key=lambda one: one[0])

    def give(self, given: Input) -> None:
        """Put an input into the bed's inbox; it is stepped at once while the core is mindful."""
        self._waiting.append(given)
        while self.mindful and self._waiting:
            self._step(self._waiting.pop(0))

    def _step(self, given: Input) -> None:
        done = step(self.state, given, self.now)
        self.state = done.state
        self.events += [(self.now, event) for event in done.events]
        for command in done.commands:
            self.commands.append((self.now, command))
            bus = self.cables[command.device].bus
            match command:
                case StopInfusion(device=device):
                    bus.stop(device, self.now)
                case SetDeadMan(device=device, seconds=seconds):
                    bus.set_dead_man(device, seconds, self.now)
        pump = self.setup.pump
        if pump is not None:
            self.cables[pump.device].bus.decided(pump.device, self.now)

    def _take(self, inputs: Iterable[Input]) -> None:
        for one in inputs:
            if isinstance(one, Observed):
                self.observed.append((self.now, one))
            self.give(one)

    def _next(self, end: Nanos) -> Nanos:
        due = [end, self.now + SECOND]
        due += [at for at, _ in self._acts[:1]]
        for one in self._lines():
            due += one.due() if self.alive else [at for at in [one.far.next_deadline()] if at is not None]
        deadline = next_deadline(self.state)
        if self.alive and self.mindful and deadline is not None:
            due.append(deadline)
        return max(min(due), self.now)

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now + round(seconds * SECOND)
        still = 0
        while self.now < end:
            before, self.now = self.now, self._next(end)
            still = still + 1 if self.now == before else 0
            assert still < MAX_ACTIONS, f"time stands still at {self.now}"
            while self._acts and self._acts[0][0] <= self.now:
                self._acts.pop(0)[1]()
            for one in self._lines():
                if self.alive:
                    self._take(one.live(self.now))
                else:
                    one.far.advance(self.now)
                    one.far.take(self.now)
            deadline = next_deadline(self.state)
            if self.alive and self.mindful and deadline is not None and deadline <= self.now:
                self.give(DeadlineReached())

    def told(self, kind: type[Event]) -> list[Event]:
        """Give the events of one type, in order."""
        return [event for _, event in self.events if isinstance(event, kind)]
