"""A line for the bus's tests: a driver that does as it is told, and hands that move time."""

from infusion_gateway.devices.bus import Bus, Drain, Transmit, Unit
from infusion_gateway.devices.driver import (
    Bytes,
    Identification,
    Kind,
    NoAnswer,
    ReadIdentification,
    ReadRegisters,
    Table,
    Traits,
    Use,
    Wire,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.model.inputs import Faulted, Observed
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind, Identified, Reading, Validity

MS = SECOND // 1000
TIMEOUT = 300 * MS
SILENCE = 50 * MS
STOP = WriteRegisters(Table.COIL, 3, (1,), TIMEOUT)
WHO = ReadRegisters(Table.INPUT, 0, 4, TIMEOUT)
POLL = ReadRegisters(Table.INPUT, 0, 18, TIMEOUT)


class Scripted:
    """A Modbus unit: a word of 1000 + n is its serial number n, any other a value. Keeps all that it was given."""

    awaiting = False

    def __init__(self, *, pump=True, every=SECOND, silence=SILENCE, dead_man=(5, 60), blocks=1) -> None:
        self.traits = Traits(
            name="scripted",
            vendor="",
            model="",
            kind=Kind.PUMP if pump else Kind.MONITOR,
            wire=Wire.MODBUS,
            use=Use.BENCH,
            stoppable=pump,
            dead_man=dead_man if pump else None,
            dead_man_stored_for_ever=False,
            baud=19200,
            framing="8E1",
            silence=silence,
            source="",
            timeout=TIMEOUT,
        )
        self.every = every
        self.due_at = 0
        self.reads = [ReadRegisters(Table.INPUT, 100 * n, 18, TIMEOUT) for n in range(blocks)]
        self.received = []
        self.faults: list[Fault] = []

    def opened(self, now) -> None:
        self.due_at = now

    def identify(self):
        return (ReadIdentification(TIMEOUT), WHO)

    def due(self, now):
        if now < self.due_at:
            return ()
        self.due_at = now + self.every
        return tuple(self.reads)

    def next_due(self):
        return self.due_at

    def receive(self, reply, now):
        self.received.append(reply)
        if isinstance(reply, NoAnswer):
            return (Fault(FaultKind.NO_ANSWER, "silent"),)
        if not isinstance(reply, Words):
            return ()
        said = [Identified((("serial-number", str(w - 1000)),)) for w in reply.words if w > 1000]
        values = [Reading(Metric.RATE, float(w), Validity.VALID, now) for w in reply.words if 0 < w < 1000]
        return (*said, *values, *self.faults)

    def stop(self):
        return (STOP,) if self.traits.stoppable else ()

    def dead_man(self, seconds):
        return (WriteRegisters(Table.HOLDING, 0x20, (seconds,), TIMEOUT),)


class Hands:
    """The shell: moves time, does what the bus says, answers as told, keeps what was sent and what came of it."""

    def __init__(self, *units: Unit, tcp: bool = False) -> None:
        self.bus = Bus(units, tcp)
        self.units = {u.device: u for u in units}
        self.now = 100 * SECOND
        self.sent: list[tuple[int, Transmit]] = []
        self.actions: list[tuple[int, object]] = []
        self.inputs: list[object] = []
        self.silent: set[str] = set()
        self.serials = {u.device: int(dict(u.pin).get("serial-number", "7")) for u in units}
        self.mind = True

    def open(self):
        self.inputs += self.bus.opened(self.now)
        return self

    def step(self):
        """Do one thing: decide, act, or let time pass until the next deadline. Gives what was done."""
        if self.mind:
            for device in self.units:
                self.bus.decided(device, self.now)
        action = self.bus.next(self.now)
        if action is not None:
            self.actions.append((self.now, action))
        if isinstance(action, Transmit):
            self.sent.append((self.now, action))
            self.answer(action)
        elif action is None:
            deadline = self.bus.next_deadline()
            self.now = max(self.now + MS, deadline) if deadline is not None else self.now + 100 * MS
        return action

    def answer(self, sent: Transmit):
        """Answer as the unit would; a silent one lets the time-out pass."""
        request, serial = sent.request, self.serials[sent.device]
        if sent.device in self.silent:
            self.now += request.timeout
            return self.reply(NoAnswer(request))
        asked_at, self.now = self.now, self.now + 20 * MS
        match request:
            case ReadRegisters(count=count):
                words = (1000 + serial, 5, *(0,) * (count - 2)) if count == 18 else (1000 + serial, 0, 0, 0)
                return self.reply(Words(request, words, asked_at))
            case WriteRegisters():
                return self.reply(Written(request))
            case ReadIdentification():
                return self.reply(Identification(()))
        return self.reply(Bytes(b""))

    def reply(self, reply):
        self.bus.heard(self.now)
        found = self.bus.replied(reply, self.now)
        self.inputs += found
        return found

    def run(self, seconds):
        """Go on for so long; gives what was sent meanwhile."""
        before, until = len(self.sent), self.now + round(seconds * SECOND)
        while self.now < until:
            self.step()
        return [action for _, action in self.sent[before:]]

    def values(self, device):
        return [
            o
            for i in self.inputs
            if isinstance(i, Observed) and i.device == device
            for o in i.observations
            if isinstance(o, Reading)
        ]

    def faults(self, device):
        return [i.fault.kind for i in self.inputs if isinstance(i, Faulted) and i.device == device]


def unit(device="pump", address=1, serial="7", **traits) -> Unit:
    return Unit(device, Scripted(**traits), address, (("serial-number", serial),) if serial else ())


def until_sent(hands: Hands, device, request, most=50):
    """Step until this was sent; gives what was sent before it."""
    before = len(hands.sent)
    for _ in range(most):
        action = hands.step()
        if isinstance(action, Transmit) and (action.device, action.request) == (device, request):
            return [a for _, a in hands.sent[before:-1]]
    raise AssertionError(f"never sent: {request}")


__all__ = ["MS", "POLL", "SILENCE", "STOP", "TIMEOUT", "WHO", "Drain", "Hands", "Scripted", "unit", "until_sent"]
