"""Faults around a dialect: what each does to the answers, that chance is repeatable, that they end."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_simulators.device import SECOND, Nanos, Obedience, Value
from infusion_simulators.faults import KINDS, QUEUE_MAX, Faulty, parse


class Echo:
    """A device that answers each question with its number and the question, and takes commands."""

    def __init__(self) -> None:
        self.count = 0
        self.out = bytearray()
        self.how = Obedience.OBEYS
        self.cycled: list[Nanos] = []
        self.now: Nanos = 0

    def receive(self, data: bytes, _now: Nanos) -> None:
        self.count += 1
        self.out += b"%d:%s;" % (self.count, data)

    def advance(self, now: Nanos) -> None:
        assert now >= self.now
        self.now = now

    def take(self, _now: Nanos) -> bytes:
        out = bytes(self.out)
        self.out.clear()
        return out

    def next_deadline(self) -> Nanos | None:
        return None

    def state(self) -> dict[str, Value]:
        return {"count": self.count}

    def set(self, _key: str, _value: Value, _now: Nanos) -> None:
        self.count = 0

    def press(self, _key: str, _now: Nanos) -> None:
        self.count += 100

    def power_cycle(self, now: Nanos) -> None:
        self.cycled.append(now)

    def obey(self, how: Obedience, _now: Nanos) -> None:
        self.how = how


class Deaf:
    """A device that takes no commands."""

    receive, advance, take, next_deadline = Echo.receive, Echo.advance, Echo.take, Echo.next_deadline
    state, set, press, power_cycle, __init__ = Echo.state, Echo.set, Echo.press, Echo.power_cycle, Echo.__init__


def device(fault: str | None = None, seed: int = 1) -> tuple[Faulty, Echo]:
    """Give a device with a fault from time 0, and what is inside."""
    inner = Echo()
    faulty = Faulty(inner, Random(seed))
    if fault:
        faulty.fault(*parse(fault), 0)
    return faulty, inner


def ask(faulty: Faulty, question: bytes, now: Nanos) -> bytes:
    """Ask at a time; give what comes at once."""
    faulty.receive(question, now)
    return faulty.take(now)


def test_without_faults_nothing_is_changed() -> None:
    """Pins that the wrapper is transparent."""
    faulty, _ = device()
    assert ask(faulty, b"a", 0) == b"1:a;"
    assert (faulty.faults(), faulty.connected, faulty.next_deadline()) == ((), True, None)
    assert faulty.state() == {"count": 1, "faults": "none"}


def test_silent_is_deaf_unless_told() -> None:
    """Pins `silent`: no answers; the question isn't heard either, except with hears=1."""
    faulty, inner = device("silent")
    assert ask(faulty, b"a", 0) == b""
    assert inner.count == 0
    faulty, inner = device("silent:hears=1")
    assert ask(faulty, b"a", 0) == b""
    assert inner.count == 1
    faulty.clear(SECOND)
    assert ask(faulty, b"b", SECOND) == b"2:b;"


def test_delay_keeps_the_order() -> None:
    """Pins `delay`: nothing before its time, all of it then, in order whatever the jitter."""
    faulty, _ = device("delay:by_s=0.3,jitter_s=0.2")
    for step in range(20):
        assert b"1:" not in ask(faulty, b"q", step * SECOND // 100)
    got, now = b"", 0
    while (due := faulty.next_deadline()) is not None:
        assert due > now
        now = due
        got += faulty.take(now)
    assert got == b"".join(b"%d:q;" % n for n in range(1, 21))
    assert 0.3 * SECOND < now < 0.72 * SECOND


def test_late_is_overtaken() -> None:
    """Pins `late`: the answer comes after that of a later question, whole."""
    faulty, _ = device("late:rate=1,by_s=0.4")
    assert ask(faulty, b"old", 0) == b""
    faulty.clear(SECOND // 10)
    assert ask(faulty, b"new", SECOND // 10) == b"2:new;"
    assert faulty.next_deadline() == 4 * SECOND // 10
    assert faulty.take(4 * SECOND // 10) == b"1:old;"


def test_drop_duplicate_truncate() -> None:
    """Pins the certain cases of `drop`, `duplicate` and `truncate`."""
    assert ask(device("drop:rate=1")[0], b"a", 0) == b""
    assert ask(device("duplicate:rate=1")[0], b"a", 0) == b"1:a;1:a;"
    cut = ask(device("truncate:rate=1")[0], b"abcdef", 0)
    assert b"1:abcdef;".startswith(cut)
    assert len(cut) < 9


@pytest.mark.parametrize("bits", [1, 3])
def test_corrupt_turns_bits(bits: int) -> None:
    """Pins `corrupt`: the length stays, at most so many bits differ, an odd number of them."""
    faulty, _ = device(f"corrupt:rate=1,bits={bits}")
    for now in range(50):
        got = ask(faulty, b"abc", now)
        clean = b"%d:abc;" % (now + 1)
        assert len(got) == len(clean)
        differing = sum((a ^ b).bit_count() for a, b in zip(got, clean, strict=True))
        assert differing in range(1, bits + 1, 2)


def test_noise_comes_before_answers_and_by_itself() -> None:
    """Pins `noise`: bytes before an answer, and every so often without one; it says when."""
    faulty, _ = device("noise:rate=1,bytes=5,every_s=2")
    got = ask(faulty, b"a", 0)
    assert len(got) == 5 + 4
    assert got.endswith(b"1:a;")
    assert faulty.next_deadline() == 2 * SECOND
    assert len(faulty.take(2 * SECOND)) == 5
    assert faulty.next_deadline() == 4 * SECOND


def test_freeze_answers_as_it_did_first() -> None:
    """Pins `freeze`: the same question gets the same bytes for ever, another its own; overheard bytes don't matter."""
    faulty, _ = device("freeze")
    assert ask(faulty, b"a", 0) == b"1:a;"
    assert ask(faulty, b"b", SECOND) == b"2:b;"
    faulty.overhear(b"somebody else", 2 * SECOND)
    faulty.take(2 * SECOND)
    assert ask(faulty, b"a", 2 * SECOND) == b"1:a;"
    assert ask(faulty, b"b", 3 * SECOND) == b"2:b;"
    faulty.clear(4 * SECOND)
    assert ask(faulty, b"a", 4 * SECOND) == b"6:a;"


def test_a_frozen_answer_keeps_its_transaction() -> None:
    """Pins that where answers repeat the question's first bytes (Modbus TCP), the frozen ones repeat the new ones."""

    class Tagged(Echo):
        def receive(self, data: bytes, _now: Nanos) -> None:
            self.count += 1
            self.out += data[:2] + b"%d" % self.count

    faulty = Faulty(Tagged(), Random(1), echoed=2)
    faulty.fault("freeze", {}, 0)
    assert ask(faulty, b"\x00\x01read", 0) == b"\x00\x011"
    assert ask(faulty, b"\x00\x02read", SECOND) == b"\x00\x021"
    assert ask(faulty, b"\x00\x03other", 2 * SECOND) == b"\x00\x033"


def test_freeze_tells_a_torn_question_from_two() -> None:
    """Pins that a question to somebody else, unanswered here, doesn't become part of the next one."""

    class Choosy(Echo):
        def receive(self, data: bytes, now: Nanos) -> None:
            if data != b"other":
                super().receive(data, now)

    faulty = Faulty(Choosy(), Random(1))
    faulty.fault("freeze", {}, 0)
    first = ask(faulty, b"mine", 0)
    assert ask(faulty, b"other", SECOND) == b""
    assert ask(faulty, b"mine", 2 * SECOND) == first


def test_reset_is_a_loss_of_power() -> None:
    """Pins `reset`: what was on its way is lost, the device is off for a while, deaf, and its keypad dead."""
    faulty, inner = device("delay:by_s=1")
    ask(faulty, b"a", 0)
    faulty.fault("reset", {"off_s": 5.0}, SECOND // 2)
    assert inner.cycled == [SECOND // 2]
    assert ask(faulty, b"b", 2 * SECOND) == b""
    assert inner.count == 1
    with pytest.raises(ValueError, match="off"):
        faulty.press("start", 2 * SECOND)
    assert faulty.next_deadline() == SECOND // 2 + 5 * SECOND
    faulty.clear(6 * SECOND)
    assert inner.cycled == [SECOND // 2, SECOND // 2 + 5 * SECOND]
    assert ask(faulty, b"c", 6 * SECOND) == b"2:c;"
    faulty.power_cycle(7 * SECOND)
    assert inner.cycled[-1] == 7 * SECOND


def test_refuse_and_lie_need_a_device_that_takes_commands() -> None:
    """Pins that the two exclude each other, end with `clear`, and are refused by a device that is only read."""
    faulty, inner = device("refuse")
    assert inner.how is Obedience.REFUSES
    faulty.fault("lie", {}, 0)
    assert (inner.how, faulty.faults()) == (Obedience.LIES, ("lie",))
    faulty.clear(0)
    assert inner.how is Obedience.OBEYS
    with pytest.raises(ValueError, match="takes no commands"):
        Faulty(Deaf(), Random(1)).fault("lie", {}, 0)


def test_disconnect_is_seen_and_ends() -> None:
    """Pins `disconnect`: out of reach for its time, then back by itself, and it says when."""
    faulty, inner = device("disconnect:for_s=2")
    assert not faulty.connected
    assert ask(faulty, b"a", SECOND) == b""
    assert inner.count == 0
    assert faulty.next_deadline() == 2 * SECOND
    faulty.advance(2 * SECOND)
    assert faulty.connected
    assert ask(faulty, b"b", 2 * SECOND) == b"1:b;"


def test_a_fault_ends_by_itself_or_alone() -> None:
    """Pins for_s, and that one fault can be cleared without the others."""
    faulty, _ = device("drop:rate=1,for_s=1")
    faulty.fault("duplicate", {"rate": 1.0}, 0)
    assert faulty.faults() == ("drop", "duplicate")
    assert ask(faulty, b"a", SECOND - 1) == b""
    assert ask(faulty, b"b", SECOND) == b"2:b;2:b;"
    faulty.clear(SECOND, "duplicate")
    assert faulty.faults() == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("explode", "there are silent"),
        ("late:rate=2", "not within 0-1"),
        ("late:rate=-1", "not within 0-1"),
        ("late:by_s=nan", "not within"),
        ("late:by_s=1e9", "not within"),
        ("late:often=1", "no parameter often; there are rate, by_s, for_s"),
        ("late:rate", "not a number"),
        ("late:rate=much", "not a number"),
    ],
)
def test_bad_faults_are_refused(text: str, why: str) -> None:
    """Pins that an unusable fault is refused with what would do, and leaves nothing behind."""
    faulty, _ = device()
    with pytest.raises(ValueError, match=why):
        faulty.fault(*parse(text), 0)
    assert faulty.faults() == ()


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, SECOND), st.binary(min_size=1, max_size=8)),
        max_size=25,
    ),
    st.integers(0, 99),
)
def test_same_seed_same_faults(moves: list[tuple[str, Nanos, bytes]], seed: int) -> None:
    """Pins that everything random comes from the seed, in any mixture of faults, and that held answers stay bounded."""
    runs = []
    for _ in range(2):
        faulty, _inner = device(None, seed)
        now, said = 0, []
        for name, step, question in moves:
            now += step
            faulty.fault(name, {"for_s": 1.5}, now)
            said.append(ask(faulty, question, now))
            deadline = faulty.next_deadline()
            assert deadline is None or deadline > now
        runs.append(said)
    assert runs[0] == runs[1]


def test_held_answers_are_bounded() -> None:
    """Pins that answers delayed for a day don't fill the memory."""
    faulty, _ = device("delay:by_s=86400")
    for now in range(2 * QUEUE_MAX):
        faulty.receive(b"q", now)
    assert len(faulty._queue) == QUEUE_MAX


def test_keys_and_keypad_reach_the_device() -> None:
    """Pins that set and press go through."""
    faulty, inner = device()
    faulty.press("start", 0)
    assert inner.count == 100
    faulty.set("count", 0, 0)
    assert inner.count == 0
