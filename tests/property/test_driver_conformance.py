"""What every driver keeps to, over whatever the catalogue finds: a new one is held to all of it by being there."""

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_rigs import Rig, rig_of
from golden_rows import GOLDEN, rows
from infusion_gateway.devices import catalogue
from infusion_gateway.devices.driver import (
    Bytes,
    Driver,
    Identification,
    Kind,
    NoAnswer,
    ReadRegisters,
    Refused,
    Reply,
    Request,
    SendBytes,
    Table,
    Traits,
    Wire,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.model.metric import FACTS, SECOND, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    Identified,
    Observation,
    Reading,
    Validity,
)

ENTRIES = catalogue.entries()
SERIAL = [traits for traits in ENTRIES if traits.wire is Wire.SERIAL]
HELD_MAX = 2_000
"""Bytes and numbers that any driver may hold, its register map not counted."""
Said = tuple[Observation | Fault, ...]
every_driver = pytest.mark.parametrize("traits", ENTRIES, ids=lambda traits: traits.name)
every_serial_driver = pytest.mark.parametrize("traits", SERIAL, ids=lambda traits: traits.name)


def build(traits: Traits) -> Driver:
    """Make a driver with the least that it takes."""
    return catalogue.build(traits.name, 1 if traits.wire is Wire.MODBUS else 0, {})


def proper(said: Said, now: Nanos) -> None:
    """Hold what was said against the words' own rules."""
    for one in said:
        match one:
            case Fault():
                assert one.detail
                assert len(one.detail) <= 200
                assert one.detail.isprintable()
            case Reading():
                facts = FACTS[one.metric]
                assert one.measured_at <= now
                assert one.resolution >= 0
                if one.value is None:
                    assert one.validity is Validity.INVALID
                elif one.validity is not Validity.INVALID:
                    assert facts.low <= one.value <= facts.high
            case AlarmsReported():
                assert len(one.text) <= 200
            case Identified():
                assert all(isinstance(text, str) and len(text) <= 200 for pair in one.identity for text in pair)
            case _:
                pass


def pieces(traits: Traits) -> list[bytes]:
    """Give a serial driver's golden frames, to be mangled."""
    return [bytes.fromhex(row["hex"]) for row in rows(traits.name) if row["direction"] == "device"]


def hostile_bytes(traits: Traits) -> st.SearchStrategy[bytes]:
    """Make bytes that a line may carry: noise, true frames, and true frames cut or with a byte changed."""
    whole = st.sampled_from(pieces(traits))
    cut = st.builds(lambda frame, a, b: frame[min(a, b) : max(a, b)], whole, st.integers(0, 125), st.integers(0, 125))
    changed = st.builds(
        lambda frame, at, to: frame[: at % len(frame)] + bytes((to,)) + frame[at % len(frame) + 1 :],
        whole,
        st.integers(0, 124),
        st.integers(0, 255),
    )
    return st.lists(st.binary(max_size=12) | whole | cut | changed, max_size=6).map(b"".join)


WORDS = st.lists(st.integers(0, 0xFFFF), max_size=20).map(tuple)
TEXT = st.text(max_size=12)


def hostile_replies(traits: Traits, asked: list[Request]) -> st.SearchStrategy[Reply]:
    """Make replies, whole in form and wrong in everything else; some to what was really asked."""
    reads = [r for r in asked if isinstance(r, ReadRegisters)] or [ReadRegisters(Table.INPUT, 0, 4, SECOND)]
    writes = [r for r in asked if isinstance(r, WriteRegisters)] or [WriteRegisters(Table.COIL, 3, (1,), SECOND)]
    any_bytes = hostile_bytes(traits) if traits.wire is Wire.SERIAL else st.binary(max_size=40)
    exact = st.sampled_from(reads).flatmap(
        lambda r: st.tuples(*[st.integers(0, 0xFFFF)] * r.count).map(lambda words: Words(r, words, 0))
    )
    return st.one_of(
        any_bytes.map(Bytes),
        exact,
        st.builds(Words, st.sampled_from(reads), WORDS, st.just(0)),
        st.builds(Written, st.sampled_from(writes)),
        st.builds(Identification, st.lists(st.tuples(st.integers(0, 255), TEXT), max_size=4).map(tuple)),
        st.builds(Refused, st.sampled_from([*asked, *reads]), st.integers(0, 255)),
        st.builds(NoAnswer, st.sampled_from([*asked, *reads])),
    )


def held(thing: object, depth: int = 5) -> int:
    """Count the bytes and numbers in whatever a driver holds that it has heard; what it was built of is left out."""
    match thing:
        case bytes() | bytearray() | str():
            return len(thing)
        case dict():
            return sum(held(part, depth - 1) for part in thing.values()) if depth else 0
        case list() | tuple() | set() | frozenset():
            return sum(held(part, depth - 1) for part in thing) if depth else 0
        case int() | float():
            return 1
        case _ if depth and is_dataclass(thing):
            return sum(held(getattr(thing, f.name), depth - 1) for f in fields(thing))
        case _ if depth and type(thing).__module__.startswith("infusion_gateway.devices"):
            inside = {name: part for name, part in vars(thing).items() if name not in {"_map", "traits"}}
            return held(inside, depth - 1)
        case _:
            return 0


@dataclass
class Bedside:
    """A driver beside its healthy device, both under one clock."""

    driver: Driver
    rig: Rig
    now: Nanos = 10 * SECOND
    said: list[Observation | Fault] = field(default_factory=list)

    def open(self) -> None:
        """Open the line and ask who it is until it is known."""
        self.driver.opened(self.now)
        for _ in range(4):
            if any(isinstance(one, Identified) for one in self.said):
                return
            for request in self.driver.identify():
                self.send(request)

    def send(self, request: Request) -> None:
        """Carry a request over and its answer back, 30 ms later, or the news that there is none."""
        reply = self.rig.reply(request, self.now)
        self.now += SECOND * 3 // 100
        if reply is not None:
            self.said += self.driver.receive(reply, self.now)
        if self.driver.awaiting:
            self.now += request.timeout
            self.said += self.driver.receive(NoAnswer(request), self.now)

    def live(self, seconds: float) -> list[Observation | Fault]:
        """Let both live for so long; give what was said meanwhile."""
        before, end = len(self.said), self.now + round(seconds * SECOND)
        while self.now < end:
            streamed = self.rig.stream(self.now)
            if streamed:
                self.said += self.driver.receive(Bytes(streamed), self.now)
            for request in self.driver.due(self.now):
                self.send(request)
            due = self.driver.next_due()
            tick = self.now + SECOND // 3 if streamed or due is None else max(due, self.now + 1)
            self.now = max(self.now, min(tick, end))
        return self.said[before:]


def bedside(traits: Traits) -> Bedside:
    """Put a driver beside its device, the line open and the device known."""
    side = Bedside(build(traits), rig_of(traits))
    side.open()
    return side


def faults(said: list[Observation | Fault]) -> list[Fault]:
    """Give the faults among what was said."""
    return [one for one in said if isinstance(one, Fault)]


@pytest.mark.requirement("S45")
@every_driver
@given(data=st.data())
@settings(max_examples=40)
def test_whatever_comes_is_taken(traits: Traits, data: st.DataObject) -> None:
    """Pins that no reply, in any order with any call, raises, breaks a word's rules or is held without bound."""
    driver = build(traits)
    bound = held(driver) + HELD_MAX
    now, asked = 0, []
    for _ in range(data.draw(st.integers(1, 12))):
        now += data.draw(st.sampled_from([0, 1, SECOND // 50, SECOND // 3, SECOND, 7 * SECOND]))
        match data.draw(st.sampled_from(["reply", "reply", "reply", "due", "stop", "dead man", "identify", "opened"])):
            case "reply":
                proper(driver.receive(data.draw(hostile_replies(traits, asked[-4:])), now), now)
            case "due":
                asked += driver.due(now)
            case "stop":
                asked += driver.stop()
            case "dead man":
                asked += driver.dead_man(data.draw(st.integers(-1, 300)))
            case "identify":
                asked += driver.identify()
            case _:
                driver.opened(now)
        assert held(driver) <= bound


@every_serial_driver
def test_noise_without_end_is_not_kept(traits: Traits) -> None:
    """Pins the bound of every buffer: one byte, or the beginning of a frame, over and over, stays nowhere."""
    for noise in (b"\x00", b"\x01", b"\x02", b"\x02\x2f", b"\x020", b"\x02\xf4\x10", b"\x81", b"\x01\x81", b"7"):
        driver = build(traits)
        bound = held(driver) + HELD_MAX
        for n in range(4):
            said = driver.receive(Bytes(noise * (8192 // len(noise))), n)
            assert held(driver) <= bound
            assert len(said) <= 8192 // 64
            assert faults(list(said))


@every_serial_driver
@given(data=st.data())
@settings(max_examples=40)
def test_how_bytes_are_split_changes_nothing(traits: Traits, data: st.DataObject) -> None:
    """Pins that bytes of one instant say the same in one chunk or in any other, faults included."""
    stream = data.draw(hostile_bytes(traits))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    whole, split = build(traits), build(traits)
    said: Said = ()
    for driver in (whole, split):
        driver.due(0)
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        said += split.receive(Bytes(stream[begin:end]), SECOND)
    assert said == whole.receive(Bytes(stream), SECOND)
    assert split.awaiting == whole.awaiting
    assert split.next_due() == whole.next_due()


@every_driver
@given(data=st.data())
@settings(max_examples=40)
def test_back_in_step_by_the_next_good_answer(traits: Traits, data: st.DataObject) -> None:
    """Pins that after any noise, and one time-out where an answer was owed, a healthy device is read again in time."""
    side = bedside(traits)
    side.live(2)
    request = next(iter(side.driver.due(side.now)), None)
    noise = data.draw(hostile_bytes(traits) if traits.wire is Wire.SERIAL else st.binary(max_size=40))
    proper(side.driver.receive(Bytes(noise), side.now), side.now)
    if request is not None and side.driver.awaiting:
        side.driver.receive(NoAnswer(request), side.now)
    side.now += SECOND // 10
    side.live(3.5)  # within which even what good frames in the noise said is over
    readings = [one for one in side.live(2) if isinstance(one, Reading)]
    assert {one.metric for one in readings} == {one.metric for one in side.said if isinstance(one, Reading)}
    assert any(one.validity is Validity.VALID for one in readings)


@every_driver
def test_a_healthy_device_is_read_without_a_fault(traits: Traits) -> None:
    """Pins that ten minutes of health are ten minutes of valid readings, often enough, and no fault."""
    side = bedside(traits)
    del side.said[:]
    side.live(2)  # in which the frame of mind after opening may still ask this and that
    said = side.live(600)
    assert faults(said) == []
    readings = [one for one in said if isinstance(one, Reading)]
    assert len({one.measured_at for one in readings}) >= 500
    assert all(one.validity is Validity.VALID for one in readings)
    proper(tuple(said), side.now)


@every_driver
@given(steps=st.lists(st.integers(0, 4 * SECOND), max_size=20), answered=st.booleans())
@settings(max_examples=40)
def test_due_and_next_due_agree(traits: Traits, steps: list[int], answered: bool) -> None:
    """Pins that something is due exactly where next_due says so, whether the device answers or not."""
    side = bedside(traits)
    for step in steps:
        side.now += step
        at = side.driver.next_due()
        requests = side.driver.due(side.now)
        assert bool(requests) == (at is not None and at <= side.now)
        assert side.driver.due(side.now) == ()  # each is given once
        for request in requests if answered else ():
            side.send(request)


@every_driver
def test_a_stop_can_be_asked_and_confirmed(traits: Traits) -> None:
    """Pins that a pump that can be stopped is seen delivering, is asked, and is then seen not delivering."""
    side = bedside(traits)
    seen = [one for one in side.live(3) if isinstance(one, DeliveryReported)]
    requests = side.driver.stop()
    assert bool(requests) == traits.stoppable
    assert bool(seen) == (traits.kind is Kind.PUMP)
    if not requests:
        return
    assert seen[-1].delivery is Delivery.INFUSING
    for request in requests:
        side.send(request)
    after = [one.delivery for one in side.live(3) if isinstance(one, DeliveryReported)]
    assert len(after) >= 2
    assert set(after) == {Delivery.STOPPED}


@every_driver
def test_a_dead_man_is_armed_and_read_back(traits: Traits) -> None:
    """Pins that a time-out within the device's bounds is reported as read back, 0 too, and one outside never asked."""
    side = bedside(traits)
    side.live(2)
    if traits.dead_man is None:
        assert side.driver.dead_man(10) == side.driver.dead_man(0) == ()
        return
    low, high = traits.dead_man
    for seconds in (low, high, 20, 0):
        for request in side.driver.dead_man(seconds):
            side.send(request)
        read = [one.seconds for one in side.live(6) if isinstance(one, DeadManReported)]
        assert read[-1] == seconds
    assert side.driver.dead_man(high + 1) == side.driver.dead_man(-1) == ()


@every_driver
def test_every_request_says_how_long_to_wait(traits: Traits) -> None:
    """Pins that no request is of the other wire, and none waits longer than the traits say."""
    side = bedside(traits)
    driver = side.driver
    requests = [*driver.identify(), *driver.stop(), *driver.dead_man(20)]
    driver.opened(side.now)
    requests += driver.due(side.now)
    assert requests
    for request in requests:
        assert isinstance(request, SendBytes) == (traits.wire is Wire.SERIAL)
        assert 0 < request.timeout <= driver.traits.timeout


@every_driver
def test_a_driver_says_what_it_is(traits: Traits) -> None:
    """Pins that the file's name, the traits and what is built agree, and that golden rows with sources back it."""
    assert build(traits).traits == traits
    assert all((traits.name, traits.vendor, traits.model, traits.source, traits.framing))
    assert 0 <= traits.silence < traits.timeout
    golden = rows(traits.name)
    assert golden
    assert all(row["source"] for row in golden)
    assert len({row["id"] for row in golden}) == len(golden)


@every_driver
def test_the_addresses_a_driver_says_are_those_it_takes(traits: Traits) -> None:
    """Pins the first and the last that can be built, and one beyond each; what only streams has none to be set."""
    if traits.addresses is None:
        assert traits.silence == 0
        return
    low, high = traits.addresses
    for address in (low, high):
        assert catalogue.build(traits.name, address, {}).traits.name == traits.name
    for address in (low - 1, high + 1):
        with pytest.raises(ValueError, match=str(address)):
            catalogue.build(traits.name, address, {})


def test_an_unknown_driver_is_a_key_error() -> None:
    """Pins how the catalogue refuses: a name it doesn't have, an address or an option that can't be."""
    with pytest.raises(KeyError):
        catalogue.build("ne9000", 0, {})
    for name, address, options in (("ne1000", 100, {}), ("modbus_pump", 0, {}), ("modbus_pump", 1, {"x": "y"})):
        with pytest.raises(ValueError, match=r"\d|x"):
            catalogue.build(name, address, options)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.toml")), ids=lambda path: path.stem)
def test_every_golden_file_is_of_a_driver_and_says_its_sources(path: Path) -> None:
    """Pins that no golden file is left over, and that a serial device rests on bytes from outside too."""
    traits = {entry.name: entry for entry in ENTRIES}[path.stem]
    outside = [row for row in rows(path.stem) if not row["source"].startswith("synthetic")]
    assert len(outside) >= (5 if traits.wire is Wire.SERIAL else 0)
