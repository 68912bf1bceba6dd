"""A bed in virtual time: production core, drivers, bus schedule, framing, records and outbox; everything but await.

The world owns the clock. Whatever is due next is done next: a device that speaks, a request that times out, a deadline
of the core, a write that becomes durable, an acknowledgement of the broker, an act of a person. The process can crash
and come back, in the same boot or another; the disk, the broker, the station and the devices live on.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from random import Random

from infusion_gateway.core.state import State, fold, initial, restored
from infusion_gateway.model.commands import Command
from infusion_gateway.model.events import Event
from infusion_gateway.model.inputs import Input, Observed
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import BedSetup
from infusion_gateway.wire.records import Unreadable
from infusion_simulators.device import Value
from simulation.cable import Cable
from simulation.disk import Disk
from simulation.post import Broker, Station
from simulation.process import Process

MAX_STILL = 10_000
"""Things done at one instant before the world says that it stands still."""
NOTHING: frozenset[str] = frozenset()
NEW_BOOT_AT: Nanos = 20 * SECOND
"""The gateway's own time when it begins after a reboot of the machine."""


class World:
    """A bed, its lines, its disk, its broker and a station, and the clock. ticks: called once a virtual second."""

    def __init__(self, setup: BedSetup, cables: dict[str, Cable], now: Nanos, *, seed: int = 0) -> None:
        self.now = now
        self.setup = setup
        self.cables = cables
        self.chance = Random(f"world/{seed}")
        self.disk = Disk(Random(f"disk/{seed}"))
        self.station = Station()
        self.broker = Broker(self.station)
        self.lines = list({id(c): c for c in cables.values()}.values())
        self.past: list[Process] = []
        self.observed: list[tuple[Nanos, Observed]] = []
        self.ticks: list[Callable[[], None]] = []
        self.on_shown: Callable[[], None] | None = None
        self._acts: list[tuple[Nanos, int, Callable[[], None]]] = []
        self._counts = count()
        self._tick_at = now + SECOND
        self.process: Process | None = None
        self.boots = 1
        self.base: Nanos = 0
        self._begin(initial(setup), same_boot=True)

    # --- the process

    def _begin(self, state: State, *, same_boot: bool) -> None:
        self.process = Process(
            state,
            self.cables,
            self.disk,
            self.broker,
            self.chance,
            now=self.now,
            base=self.base,
            boot_id=f"boot-{self.boots}",
            same_boot=same_boot,
        )
        self.process.on_shown = self.on_shown
        for line in self.lines:
            if not line.unplugged:
                self._take(line.open(self.now))

    def crash(self) -> None:
        """Kill the process: what was not durable is lost, and whatever was on its way."""
        if self.process is not None:
            self.past.append(self.process)
            self.process = None
            self.disk.crash()

    def restart(self, *, same_boot: bool = True) -> None:
        """Start the process again: the journal's fold, nothing else. Another boot: its timeline begins anew."""
        if self.process is not None:
            return
        if not same_boot:
            self.boots += 1
            self.base = self.now - NEW_BOOT_AT
        for line in self.lines:
            line.restart(self.base)
        rows = self.disk.rows
        assert not any(isinstance(row.event, Unreadable) for row in rows)
        same = not rows or rows[-1].boot_id == f"boot-{self.boots}"
        durable = fold((row.at, row.event) for row in rows if not isinstance(row.event, Unreadable))
        self._begin(restored(self.setup, durable), same_boot=same)

    @property
    def alive(self) -> bool:
        """Whether the gateway's process lives. Set to false: it dies now."""
        return self.process is not None

    @alive.setter
    def alive(self, alive: bool) -> None:
        if alive:
            self.restart()
        else:
            self.crash()

    @property
    def mindful(self) -> bool:
        """Whether the core steps; else inputs wait, while the lines go on."""
        return self.process is not None and self.process.mindful

    @mindful.setter
    def mindful(self, mindful: bool) -> None:
        if self.process is not None:
            self.process.mindful = mindful

    @property
    def processes(self) -> list[Process]:
        """Every life of the gateway, the present one last."""
        return [*self.past, *([self.process] if self.process is not None else [])]

    @property
    def last(self) -> Process:
        """The present process, or the one that died last."""
        return self.processes[-1]

    @property
    def state(self) -> State:
        """The state of the bed."""
        return self.last.state

    @property
    def events(self) -> list[tuple[Nanos, Event]]:
        """Every event, on the gateway's own timelines, durable or not."""
        return [pair for process in self.processes for pair in process.events]

    @property
    def commands(self) -> list[tuple[Nanos, Command]]:
        """Every command, in the world's time."""
        return [pair for process in self.processes for pair in process.commands]

    def told(self, kind: type[Event]) -> list[Event]:
        """Give the events of one type, in order."""
        return [event for _, event in self.events if isinstance(event, kind)]

    def give(self, given: Input) -> None:
        """Put an input into the bed's inbox."""
        if self.process is not None:
            self.process.now = self.now
            self.process.give(given)

    def _take(self, inputs: Iterable[Input]) -> None:
        for one in inputs:
            if isinstance(one, Observed):
                self.observed.append((self.now, one))
            self.give(one)

    # --- hands

    def _of(self, device: str, key: str) -> tuple[Cable, str]:
        line = self.cables[device]
        line.touched()
        return line, f"{line.devices[device][1]}.{key}" if len(line.devices) > 1 else key

    def set(self, device: str, key: str, value: Value) -> None:
        """Change a key of a simulator; ValueError where it can't be."""
        line, name = self._of(device, key)
        line.far.set(name, value, self.now)

    def press(self, device: str, key: str) -> bool:
        """Press a simulator's keypad; say whether it was taken."""
        line, name = self._of(device, key)
        try:
            line.far.press(name, self.now)
        except ValueError:
            return False
        return True

    def fault(self, device: str, text: str) -> None:
        """Begin a fault of a simulator."""
        line, name = self._of(device, text)
        line.far.fault(name, self.now)

    def clear(self, device: str, name: str | None = None) -> None:
        """End one fault of a simulator, or all of its line."""
        line, full = self._of(device, name or "")
        line.far.clear(full if name else None, self.now)

    def truth(self, device: str) -> dict[str, Value]:
        """Give a simulator's own truth."""
        line = self.cables[device]
        line.far.advance(self.now)
        found = line.far.state()
        inner = found[str(line.devices[device][1])] if len(line.devices) > 1 else found
        assert isinstance(inner, dict)
        return inner

    def faults(self, device: str) -> frozenset[str]:
        """Give the simulator's faults at work on a device."""
        line = self.cables[device]
        line.far.advance(self.now)
        at_work = line.far.at_work(line.devices[device][1])
        return frozenset(at_work) if at_work else NOTHING

    def unplug(self, device: str) -> None:
        """Pull a line's port out of the gateway's machine."""
        line = self.cables[device]
        if line.unplugged:
            return
        if self.process is not None:
            self._take(line.unplug(self.now))
        line.unplugged = True

    def plug(self, device: str) -> None:
        """Put it back."""
        self.cables[device].plug(self.now)

    # --- time

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something so long from now."""
        heappush(self._acts, (self.now + round(seconds * SECOND), next(self._counts), act))

    def _next(self, end: Nanos) -> Nanos:
        dues = [end, self._tick_at, self.disk.due()]
        if self._acts:
            dues.append(self._acts[0][0])
        if self.process is not None:
            dues += [line.due() for line in self.lines]
            dues.append(self.process.due())
        else:
            dues += [line.far_due for line in self.lines if line.far_due is not None]
        return max(min(dues), self.now)

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.now + round(seconds * SECOND)
        still = 0
        for line in self.lines:
            line.touched()
        while self.now < end:
            before, self.now = self.now, self._next(end)
            still = still + 1 if self.now == before else 0
            assert still < MAX_STILL, f"time stands still at {self.now}"
            while self._acts and self._acts[0][0] <= self.now:
                heappop(self._acts)[2]()
                for line in self.lines:
                    line.touched()
            self._live()
            if self.now >= self._tick_at:
                self._tick_at = self.now + SECOND
                for tick in self.ticks:
                    tick()

    def _live(self) -> None:
        """Do what is due."""
        now = self.now
        for line in self.lines:
            if self.process is None:
                line.dead(now)
            elif line.due() <= now:
                self._take(line.live(now))
        process = self.process
        if process is None:
            return
        process.now = now
        self.disk.live(now)
        if process.due() <= now:
            process.live(now)
