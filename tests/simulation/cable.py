"""One line in virtual time: our bus and framing at one end, the simulated devices at the other, bytes that take time.

It does what runtime/links.py does, without a port and without await. `now` is the world's; the gateway's own timeline
begins anew with another boot, so the bus is told `now - base`.
"""

from dataclasses import dataclass, field

from infusion_gateway.devices.bus import Bus, Drain, Reopen, Transmit, Unit
from infusion_gateway.devices.catalogue import build
from infusion_gateway.devices.driver import Bytes, NoAnswer, SendBytes
from infusion_gateway.model.inputs import Faulted, Input
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Fault
from infusion_gateway.runtime.modbus_client import ModbusClient
from infusion_simulators.dialects import Wire as SimWire
from infusion_simulators.line import Line as SimLine
from infusion_simulators.line import build as build_sim

Devices = dict[str, tuple[str, int]]
"""Name of a device to its dialect, which is the driver's name too, and its address."""
BYTE: Nanos = SECOND * 10 // 19200
"""Time of one byte at 19200 baud."""
GAP: Nanos = 2_000_000
"""Quiet time between Modbus frames on a serial line."""
PACKET: Nanos = 3 * SECOND // 10
"""A streaming device is listened to so often: its frames come in bunches, as a USB adapter hands them over."""
TURN: Nanos = SECOND // 1000
"""The shortest wait of a line that has nothing to do."""
REOPENED_AFTER: Nanos = SECOND // 10
MAX_ACTIONS = 10_000
"""Things done at one instant before the line is said to stand still."""
Pins = dict[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Cable:
    """One line. tap: every frame that went out, with its time, for who judges them. unplugged: no port on our side.

    When it is next due follows from nothing but what is done to it here, so it is worked out again only after that.
    """

    devices: Devices
    bus: Bus
    far: SimLine
    modbus: ModbusClient | None
    tcp: bool
    pins: Pins
    base: Nanos = 0
    asked: Transmit | None = None
    answer_due: Nanos = 0
    quiet_until: Nanos = 0
    arriving: list[tuple[Nanos, bytes]] = field(default_factory=list)
    tap: list[tuple[Nanos, bytes]] = field(default_factory=list)
    connected: bool = True
    unplugged: bool = False
    opens_at: Nanos | None = None
    far_due: Nanos | None = 0
    streams: bool = False
    lived_at: Nanos = -1
    _due: Nanos | None = None

    def due(self) -> Nanos:
        """Say when something next happens on it by itself."""
        if self._due is None:
            self._due = self._work_out_due()
        return self._due

    def _work_out_due(self) -> Nanos:
        at = self.far_due if self.far_due is not None else 1 << 62
        if self.opens_at is not None and self.opens_at < at:
            at = self.opens_at
        if self.arriving and self.arriving[0][0] < at:
            at = self.arriving[0][0]
        if self.asked is not None and self.answer_due < at:
            at = self.answer_due
        bus = self.bus.next_deadline()
        if bus is not None and bus + self.base < at:
            # A deadline that is over with nothing to do (a poll that waits for a step) is looked at a little later.
            at = min(at, max(bus + self.base, self.quiet_until, self.lived_at + TURN))
        return at

    def wake(self) -> None:
        """Look at the bus at once: somebody has asked it for something."""
        self.lived_at, self._due = -TURN, None

    def decided(self, device: str, now: Nanos) -> None:
        """Take note that the bed's step ran."""
        self.bus.decided(device, now - self.base)
        self._due = None

    def touched(self) -> None:
        """Look at the devices again: a hand was on them."""
        self.far_due, self._due = 0, None

    def live(self, now: Nanos) -> tuple[Input, ...]:
        """Let both ends live until now; give what the bus makes of it."""
        heard: tuple[Input, ...] = ()
        self.lived_at, self._due = now, None
        if self.far_due is not None and self.far_due <= now:
            self._fetch(now)
        if self.opens_at is not None and self.opens_at <= now and not self.unplugged:
            heard += self.open(now)
        while self.arriving and self.arriving[0][0] <= now:
            heard += self._hear(self.arriving.pop(0)[1], now)
        if self.asked is not None and now >= self.answer_due:
            request, self.asked = self.asked.request, None
            if self.modbus:
                self.modbus.forget()
            heard += self.bus.replied(NoAnswer(request), now - self.base)
        for _ in range(MAX_ACTIONS):
            if now < self.quiet_until or not self._act(now):
                return heard
        raise AssertionError("the bus does not come to rest")

    def dead(self, now: Nanos) -> None:
        """Let the devices live while no process listens."""
        if self.far_due is not None and self.far_due <= now:
            self._fetch(now)
        self.arriving.clear()
        self._due = None

    def open(self, now: Nanos) -> tuple[Input, ...]:
        """Open the line anew."""
        self.opens_at, self.asked, self._due = None, None, None
        self.arriving.clear()
        self.quiet_until = now + self._gap
        if self.modbus:
            self.modbus.forget()
        return self.bus.opened(now - self.base)

    def unplug(self, now: Nanos) -> tuple[Input, ...]:
        """Pull the port out of our machine: the line is lost until `plug`."""
        self.unplugged, self.opens_at, self.asked, self._due = True, None, None, None
        self.arriving.clear()
        return self.bus.closed("the port is gone", now - self.base)

    def plug(self, now: Nanos) -> None:
        """Put the port back; it is opened within a second."""
        self.unplugged, self.opens_at, self._due = False, now + SECOND // 2, None

    def restart(self, base: Nanos) -> None:
        """Begin with a new process's bus and drivers; the devices know nothing of it."""
        self.base, self.asked, self.opens_at, self.quiet_until, self._due = base, None, None, 0, None
        self.arriving.clear()
        self.bus, self.modbus = _near(self.devices, self.pins, tcp=self.tcp)

    @property
    def _gap(self) -> Nanos:
        return GAP if self.modbus is not None and not self.tcp else 0

    def _fetch(self, now: Nanos) -> None:
        said = self.far.take(now)
        if said and self.connected and self.far.connected and not self.unplugged:
            self.arriving.append((now + len(said) * BYTE, said))
        if self.streams:
            self.far_due = now + PACKET
        else:
            self.far_due = self.far.next_deadline()

    def _hear(self, data: bytes, now: Nanos) -> tuple[Input, ...]:
        at = now - self.base
        self.quiet_until = now + self._gap
        self.bus.heard(at)
        if self.modbus is None:
            inputs = self.bus.replied(Bytes(data), at)
        else:
            inputs = ()
            asked = self.asked
            for answer in self.modbus.feed(data):
                if not isinstance(answer, Fault):
                    inputs += self.bus.replied(answer, at)
                elif asked is not None:
                    inputs += (Faulted(asked.device, answer),)
                    self.bus.heard(at)
        if self.bus.in_flight is None:
            self.asked = None
        return inputs

    def _act(self, now: Nanos) -> bool:
        action = self.bus.next(now - self.base)
        match action:
            case Transmit(request=request):
                if isinstance(request, SendBytes) or self.modbus is None:
                    data = request.data  # type: ignore[union-attr]  # a serial driver asks for bytes
                else:
                    data = self.modbus.ask(request, action.address, now - self.base)
                if self.bus.in_flight is not None:
                    self.asked, self.answer_due = action, now + request.timeout
                self.tap.append((now, data))
                if self.connected and not self.unplugged:
                    self.far.receive(data, now)
                    self._fetch(now)
            case Drain():
                self.arriving.clear()
                if self.modbus:
                    self.modbus.forget()
            case Reopen(why=why):
                self.bus.closed(why, now - self.base)
                self.asked, self.opens_at = None, now + REOPENED_AFTER
                self.arriving.clear()
            case None:
                return False
        return True


def _near(devices: Devices, pins: Pins, *, tcp: bool) -> tuple[Bus, ModbusClient | None]:
    modbus = any(name.startswith("modbus") for name, _ in devices.values())
    units = tuple(Unit(d, build(name, address, {}), address, pins.get(d, ())) for d, (name, address) in devices.items())
    return Bus(units, reopen_after_timeout=tcp), ModbusClient(tcp=tcp) if modbus else None


def cable(devices: Devices, now: Nanos, *, seed: int = 1, tcp: bool = False, pins: Pins | None = None) -> Cable:
    """Lay one line. tcp: Modbus TCP. pins: what a device must say of itself."""
    modbus = any(name.startswith("modbus") for name, _ in devices.values())
    specs = tuple(f"{name}@{address}" if modbus else name for name, address in devices.values())
    far = build_sim(specs, SimWire.TCP if tcp else SimWire.SERIAL, seed, now, diary=False)
    for name, address in devices.values():
        if name == "ne1000":
            far.set("address", address, now)
    bus, client = _near(devices, pins or {}, tcp=tcp)
    streams = any(name.startswith("nonin") for name, _ in devices.values())
    return Cable(dict(devices), bus, far, client, tcp, pins or {}, streams=streams)
