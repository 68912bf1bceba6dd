"""Properties of a line whatever comes over it: late, wrong, strange and missing answers, in any order."""

from dataclasses import dataclass, field
from itertools import cycle

from hypothesis import given, settings
from hypothesis import strategies as st

from bus_hands import MS, POLL, SILENCE, STOP, TIMEOUT, WHO, Hands, unit
from infusion_gateway.devices.bus import Bus, Drain, Reopen, Transmit, Unit
from infusion_gateway.devices.driver import (
    Bytes,
    Identification,
    NoAnswer,
    ReadIdentification,
    ReadRegisters,
    Refused,
    Reply,
    Table,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.devices.registers import load_profiles
from infusion_gateway.model.inputs import Faulted, Observed
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind, Identified, Reading

PROFILES = load_profiles()
TOLD = 120 * MS
"""What an uptime in ticks of 10 ms, a drift of 2 percent and the time of an answer on the line can't tell apart."""


@dataclass
class Pump:
    """A Modbus pump whose volume counter tells when each answer was made, in milliseconds of our time."""

    serial: int
    drift: float
    born: int = 0

    def words(self, now: int) -> list[int]:
        ticks = round((now - self.born) * self.drift) // (10 * MS)
        words = [0] * 18
        words[0:2] = ticks >> 16 & 0xFFFF, ticks & 0xFFFF
        words[2:4] = self.serial >> 16, self.serial & 0xFFFF
        made = now // MS % 10_000_000
        words[8:10] = made >> 16, made & 0xFFFF
        return words


@dataclass
class LateLine:
    """An RTU line without transaction ids: the first frame of the right unit and shape is the answer, as on a real one.

    delays: how long each answer is held after it was made, in turn; None: it is lost.
    """

    pumps: list[Pump]
    delays: list[int | None]
    now: int = 1000 * SECOND
    frames: list[tuple[int, int, object]] = field(default_factory=list)  # arrival, unit, words or reply
    taken: list[tuple[int, int, int]] = field(default_factory=list)  # unit, sent, made
    faults: list[Fault] = field(default_factory=list)
    sent: list[tuple[int, Transmit]] = field(default_factory=list)

    def __post_init__(self) -> None:
        build = PROFILES["modbus_pump"].build
        units = (Unit(str(n), build(n), n, (("serial-number", str(p.serial)),)) for n, p in enumerate(self.pumps, 1))
        self.bus = Bus(tuple(units), reopen_after_timeout=False)
        self.flight: tuple[Transmit, int] | None = None
        self.spoiled = False
        self.delay = cycle(self.delays)
        self.inputs(self.bus.opened(self.now))

    def run(self, seconds: float) -> None:
        until = self.now + round(seconds * SECOND)
        while self.now < until:
            for n in range(1, len(self.pumps) + 1):
                self.bus.decided(str(n), self.now)
            action = self.bus.next(self.now)
            if isinstance(action, Transmit):
                assert self.flight is None, "two in flight"
                self.transmit(action)
            elif action is None:
                self.wait()
            assert not isinstance(action, Reopen) or "never silent" in action.why
            if isinstance(action, Reopen):
                self.inputs(self.bus.closed(action.why, self.now))
                self.inputs(self.bus.opened(self.now))

    def until_stopped(self, asked: int) -> int:
        """Go on until a stop is sent; gives how long that took."""
        before = len(self.sent)
        while self.now - asked < 60 * SECOND:
            found = [t for t, action in self.sent[before:] if action.request == STOP]
            if found:
                return found[0] - asked
            self.run(0.001)
        raise AssertionError("no stop in a minute")

    def transmit(self, action: Transmit) -> None:
        self.sent.append((self.now, action))
        self.flight, self.spoiled = (action, self.now), False
        held = next(self.delay)
        if held is None:
            return
        made = self.now + 5 * MS
        arrives, request = made + held * MS, action.request
        said: object = None
        match request:
            case ReadRegisters(count=count):
                said = tuple(self.pumps[action.address - 1].words(made)[:count])
            case ReadIdentification():
                said = ((0, "infusion-gateway"), (1, "modbus-pump"), (2, "1.0"))
            case _:
                said = request
        self.frames.append((arrives, action.address, said))

    def wait(self) -> None:
        self.frames.sort(key=lambda f: f[0])
        times = [t for t in (self.bus.next_deadline(), self.now + SECOND) if t is not None]
        if self.frames:
            times.append(self.frames[0][0])
        self.now = max(min(times), self.now + MS)
        while self.frames and self.frames[0][0] <= self.now:
            _, address, said = self.frames.pop(0)
            self.bus.heard(self.now)
            self.arrive(address, said)
        if self.flight and self.now >= self.flight[1] + TIMEOUT:
            request = self.flight[0].request
            self.flight = None
            self.inputs(self.bus.replied(NoAnswer(request), self.now))

    def arrive(self, address: int, said: object) -> None:
        if self.flight is None or self.spoiled:
            return
        action, sent = self.flight
        request, reply = action.request, None
        if address == action.address:
            match request, said:
                case ReadRegisters(count=count), (int(), *_) as words if len(words) == count:
                    reply = Words(request, tuple(words), sent)
                case ReadIdentification(), ((int(), str()), *_) as objects:
                    reply = Identification(tuple(objects))
                case WriteRegisters(), WriteRegisters() if said == request:
                    reply = Written(request)
        if reply is None:
            self.spoiled = True
            return
        self.flight = None
        found = self.bus.replied(reply, self.now)
        self.inputs(found)
        for one in found:
            for reading in one.observations if isinstance(one, Observed) else ():
                if isinstance(reading, Reading) and reading.metric is Metric.VOLUME:
                    assert one.device == str(action.address)
                    made = round(reading.value * 1000) * MS
                    self.taken.append((action.address, sent % (10_000_000 * MS), made))

    def inputs(self, found) -> None:
        self.faults += [i.fault for i in found if isinstance(i, Faulted)]


delays = st.lists(st.sampled_from([2, 2, 2, 20, 100, 280, 290, 310, 340, 360, 500, 900, 1500, 4000, None]), min_size=1)


@settings(max_examples=60)
@given(delays=delays, drift=st.floats(0.985, 1.015), seconds=st.integers(30, 120))
def test_no_late_answer_is_ever_taken(delays, drift, seconds) -> None:
    """Pins that whatever the delays on a line of two, no value older than its question passes as an answer."""
    line = LateLine([Pump(11, drift), Pump(12, 2 - drift)], delays)
    line.run(seconds)
    for address, sent, made in line.taken:
        assert made >= sent - TOLD, f"unit {address}: {(sent - made) / MS} ms older than its question"
    assert line.sent


def test_an_off_by_one_that_would_last_for_ever() -> None:
    """Pins that ten thousand reads on a line of two, every third answer 50 ms late, give no old value and many new."""
    line = LateLine([Pump(11, 1.0), Pump(12, 1.0)], [2, 345, 2, 20, 2])
    while len(line.sent) < 10_000:
        line.run(600)
    assert all(made >= sent - TOLD for _, sent, made in line.taken)
    assert len(line.taken) > 2_000
    assert {address for address, _, _ in line.taken} == {1, 2}


@settings(max_examples=40)
@given(delays=delays, at=st.floats(1, 20), off=st.floats(0.1, 5))
def test_a_power_cycle_never_locks_a_device_out(delays, at, off) -> None:
    """Pins that a device that lost power is heard again within the longest back-off once the line is well."""
    pump = Pump(11, 1.0)
    line = LateLine([pump], delays)
    line.run(at)
    pump.born = line.now + round(off * SECOND)  # it counts from then; until then nothing it says is right
    line.delay = cycle([None])
    line.run(off)
    line.delay = cycle([2])
    line.run(12)
    before = len(line.taken)
    line.run(3)
    assert len(line.taken) > before


@settings(max_examples=40)
@given(delays=delays, at=st.floats(1, 20))
def test_a_swapped_device_is_never_believed(delays, at) -> None:
    """Pins that after another device took its place, at any moment of the exchange, no value of it passes."""
    pump = Pump(11, 1.0)
    line = LateLine([pump], delays)
    line.run(at)
    swapped = line.now
    pump.serial = 99
    line.run(30)
    assert all(made <= swapped % (10_000_000 * MS) + 5 * MS for _, _, made in line.taken)


@settings(max_examples=60)
@given(delays=delays, at=st.floats(2, 30))
def test_a_stop_goes_out_within_bounds(delays, at) -> None:
    """Pins that a stop asked at any moment of a line that has been well is sent after at most the request in flight."""
    line = LateLine([Pump(11, 1.0), Pump(12, 1.0)], [2])
    line.run(3)
    line.delay = cycle(delays)
    line.run(at)
    before, asked = len(line.sent), line.now
    line.bus.stop("1", line.now)
    took = line.until_stopped(asked)
    assert took <= TIMEOUT + 6 * SECOND  # the line may be full of late answers, and so never silent
    assert len(line.sent) == before + 1
    assert line.sent[-1][1].urgent


REPLIES = st.sampled_from(
    [
        Words(POLL, (1007, *(5,) * 17), 0),
        Words(POLL, (1009, *(5,) * 17), 0),
        Words(WHO, (1007, 0, 0, 0), 0),
        Words(WHO, (1008, 0, 0, 0), 0),
        Words(POLL, (5,), 0),
        Words(ReadRegisters(Table.INPUT, 9, 1, TIMEOUT), (5,), 0),
        Written(STOP),
        Refused(POLL, 6),
        NoAnswer(POLL),
        NoAnswer(WHO),
        Identification(()),
        Bytes(b"\x00" * 40),
    ]
)
MOVES = st.one_of(
    REPLIES,
    st.sampled_from(["answer", "answer", "answer", "silence", "heard", "stop", "arm", "close", "open", "mindless"]),
    st.integers(1, 3000).map(lambda ms: ms * MS),
)


@settings(max_examples=150)
@given(moves=st.lists(MOVES, max_size=200))
def test_whatever_happens(moves) -> None:
    """Pins that under any input there is one request in flight, that only its answer is believed, and only with a name.

    The oracle knows the rules alone: who said what since the last gap.
    """
    hands = Hands(unit("a"), unit("b", 2, "8"))
    named: set[str] = set()
    now, flight = hands.now, None
    for move in moves:
        if not isinstance(move, int) or move < 2 * SECOND:
            for device in hands.units:
                hands.bus.decided(device, now)
        found: tuple = ()
        match move:
            case int():
                now += move
            case "open":
                found, flight = hands.bus.opened(now), None
                named.clear()
            case "close":
                found, flight = hands.bus.closed("x", now), None
            case "heard":
                hands.bus.heard(now)
            case "stop":
                hands.bus.stop("a", now)
            case "arm":
                hands.bus.set_dead_man("b", 20, now)
            case "mindless":
                pass
            case "answer" | "silence" if flight:
                reply = NoAnswer(flight.request) if move == "silence" else right(flight)
                found = hands.bus.replied(reply, now)
                check(found, flight, reply, named)
                flight = None
            case _ if not isinstance(move, str):
                found = hands.bus.replied(move, now)
                check(found, flight, move, named)
                flight = flight if hands.bus.in_flight else None
        for _ in range(4):
            action = hands.bus.next(now)
            if isinstance(action, Transmit):
                assert flight is None
                assert action.device in named or action.request in (ReadIdentification(TIMEOUT), WHO, STOP)
                flight = action
            elif not isinstance(action, Drain):
                break
        assert (hands.bus.in_flight is None) == (flight is None)


def right(flight: Transmit) -> Reply:
    """Give the answer of the right device."""
    serial = 1007 if flight.device == "a" else 1008
    match flight.request:
        case ReadRegisters(count=4):
            return Words(flight.request, (serial, 0, 0, 0), 0)
        case ReadRegisters():
            return Words(flight.request, (serial, *(5,) * 17), 0)
        case ReadIdentification():
            return Identification(())
        case WriteRegisters():
            return Written(flight.request)
        case _:
            raise AssertionError(flight)


def check(found, flight: Transmit | None, reply: Reply, named: set[str]) -> None:
    """Hold what passed against the rules."""
    answered = flight is not None and (
        getattr(reply, "request", None) == flight.request
        or (isinstance(reply, Identification) and isinstance(flight.request, ReadIdentification))
    )
    wanted = None if flight is None else str(7 if flight.device == "a" else 8)
    for one in found:
        if isinstance(one, Observed):
            assert answered
            assert flight is not None
            assert one.device == flight.device
            assert isinstance(reply, Words)
            for said in one.observations:
                if isinstance(said, Identified):
                    assert dict(said.identity) == {"serial-number": wanted}
                    named.add(one.device)
                else:
                    assert one.device in named
                    assert isinstance(said, Reading)
        elif isinstance(one, Faulted):
            gap = one.fault.kind in {FaultKind.NO_ANSWER, FaultKind.WRONG_DEVICE}
            if gap or (not answered and flight is not None):
                named.discard(one.device)


def test_silence_is_part_of_the_price() -> None:
    """Pins the figure for a busy line: from asking to the stop on the wire, a time-out and a silence at the most."""
    line = LateLine([Pump(11, 1.0), Pump(12, 1.0)], [2])
    line.run(3)
    line.delay = cycle([2, None, 2])
    worst = 0
    for n in range(200):
        line.run(0.37 + n / 1000)
        asked, before = line.now, len(line.faults)
        line.bus.stop("1", line.now)
        worst = max(worst, line.until_stopped(asked))
        assert len(line.faults) - before <= 1
    assert worst <= TIMEOUT + SILENCE + 10 * MS
