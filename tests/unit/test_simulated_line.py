"""One line and what is on it: units, keys, words for them, the log, and the pace of a UART."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_simulators import dialects
from infusion_simulators.device import SECOND
from infusion_simulators.dialects import Kind, Wire
from infusion_simulators.faults import Faulty
from infusion_simulators.line import ENTRIES_MAX, Line, build, parse_condition, parse_setting, parse_value
from infusion_simulators.pacing import HELD_MAX, STEP, Pacer

TWO = ("modbus_pump@1", "modbus_monitor@2")
READ_UPTIME = {1: bytes.fromhex("01 04 00 00 00 02 71 cb"), 2: bytes.fromhex("02 04 00 00 00 02 71 f8")}


def test_every_dialect_registers_by_its_file() -> None:
    """Pins the registration contract for whatever is found: described, made, alive, every key it tells is described."""
    assert {"ne1000", "nonin_oem3", "modbus_pump", "modbus_monitor"} <= set(dialects.names())
    for name in dialects.names():
        about = dialects.describe(name)
        line = build((name,), Wire.SERIAL, 7, 0)
        assert {*line.state()} == {*about.keys, "faults"}, name
        assert about.bits_per_byte() in range(9, 13)
        assert isinstance(about.kind, Kind)
        line.receive(bytes(range(256)) * 3, SECOND)
        line.advance(5 * SECOND)
        line.take(5 * SECOND)


def test_an_unknown_dialect_is_a_key_error() -> None:
    """Pins that neither a name nobody has nor a helper module's is a dialect."""
    for name in ("nothing", "_ne1000_frames", "../cli"):
        with pytest.raises(KeyError):
            dialects.describe(name)


def test_each_unit_answers_its_own() -> None:
    """Pins that on a shared line a request is answered by its unit alone, once."""
    line = build(TWO, Wire.SERIAL, 0, 0)
    for unit, request in READ_UPTIME.items():
        now = unit * SECOND
        line.advance(now)
        line.receive(request, now)
        line.advance(now + SECOND // 20)
        answer = line.take(now + SECOND // 20)
        assert (answer[0], len(answer)) == (unit, 9)
    line.receive(bytes.fromhex("03 04 00 00 00 02 70 29"), 4 * SECOND)
    line.advance(5 * SECOND)
    assert line.take(5 * SECOND) == b""


def test_others_answers_are_heard_and_mean_nothing() -> None:
    """Pins that a unit hears its neighbour's answers, as on RS-485, and that they feed no dead man."""
    line = build(TWO, Wire.SERIAL, 0, 0)
    arm = bytes.fromhex("01 06 00 20 00 05 48 03")
    line.receive(arm, 0)
    line.press("1.start", 0)
    for tenth in range(1, 60):
        now = tenth * SECOND // 10
        line.receive(READ_UPTIME[2], now)
        line.advance(now + SECOND // 20)
        assert line.take(now + SECOND // 20) != b""
    state = line.state()["1"]
    assert isinstance(state, dict)
    assert (state["dead_man_s"], state["delivery"], state["stopped_by"]) == (5, "stopped", "dead_man")


def test_keys_of_several_units_name_the_unit() -> None:
    """Pins `2.key` for keys, presses and faults, and that one without a unit is refused with an example."""
    line = build(TWO, Wire.TCP, 0, 0)
    line.set("1.rate_ml_h", 45, 0)
    line.set("2.spo2", 88, 0)
    line.press("1.start", 0)
    line.fault("2.late:rate=0.5,by_s=0.4", 0)
    state = line.state()
    assert parse_condition("1.delivery=infusing").holds(state)
    assert parse_condition("2.faults=late").holds(state)
    assert parse_condition("2.spo2=88").holds(state)
    for key in ("rate_ml_h", "3.rate_ml_h", "x.rate_ml_h"):
        with pytest.raises(ValueError, match=r"name the unit, as in 1\."):
            line.set(key, 1, 0)
    line.clear("2.late", 0)
    assert parse_condition("2.faults=none").holds(line.state())


def test_disconnect_of_one_is_the_lines() -> None:
    """Pins that there is one cable for all units."""
    line = build(TWO, Wire.SERIAL, 0, 0)
    line.fault("2.disconnect:for_s=1", 0)
    assert not line.connected
    line.advance(SECOND)
    assert line.connected
    line.fault("1.disconnect", SECOND)
    line.clear(None, 2 * SECOND)
    assert line.connected


@pytest.mark.parametrize(
    ("specs", "why"),
    [
        (("nothing",), "there are"),
        (("ne1000@2",), "has no unit"),
        (("ne1000", "ne1000"), "each once"),
        (("modbus_pump@0",), "1-247"),
        (("modbus_pump@248",), "1-247"),
        (("modbus_pump@1", "modbus_monitor@1"), "each once"),
        (("ne1000", "modbus_pump@2"), "can share"),
        (("modbus_pump@x",), "no such dialect"),
        (("../etc/passwd",), "no such dialect"),
    ],
)
def test_unusable_lines_are_refused(specs: tuple[str, ...], why: str) -> None:
    """Pins that a line that can't be is refused with what would do."""
    with pytest.raises(ValueError, match=re.escape(why)):
        build(specs, Wire.SERIAL, 0, 0)


def test_the_log_tells_what_was_done_and_what_changed() -> None:
    """Pins the log: presses, sets, faults and each change of a word of the state, in order, bounded."""
    line = build(("ne1000",), Wire.SERIAL, 0, 0)
    start = line.log()[-1].sequence
    line.set("vtbi_ml", 1, SECOND)
    line.press("start", SECOND)
    line.advance(SECOND)
    line.advance(400 * SECOND)
    told = [(entry.at_s, entry.kind, entry.what) for entry in line.log(start)]
    assert told[:2] == [(1.0, "set", "vtbi_ml=1"), (1.0, "press", "start")]
    assert (1.0, "state", "delivery=infusing") in told
    assert (400.0, "state", "stopped_by=vtbi") in told
    for now in range(ENTRIES_MAX + 5):
        line.note("link", "up", 400 * SECOND + now)
    assert len(line.log()) == ENTRIES_MAX
    assert line.log(line.log()[-1].sequence) == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("45", 45), ("0.5", 0.5), ("on", "on"), ("none", "none"), ("-1", -1), ("1e2", 100.0)],
)
def test_values(text: str, value: object) -> None:
    """Pins how a value on the command line is read: empty is missing, numbers are numbers, words are words."""
    assert parse_value(text) == value
    assert parse_setting(f"key={text}") == ("key", value)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a=1", True),
        ("a=2", False),
        ("a>0.5", True),
        ("a<0.5", False),
        ("b=stopped", True),
        ("b>1", False),
        ("c=", True),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    """Pins what `wait` compares: numbers by value, words by word, empty with missing; words have no order."""
    assert parse_condition(text).holds({"a": 1.0, "b": "stopped", "c": None}) is holds


def test_bad_words() -> None:
    """Pins that what isn't a setting or a condition is refused, and that an unknown key is no condition."""
    for text in ("", "key", "=1"):
        with pytest.raises(ValueError, match="KEY=VALUE"):
            parse_setting(text)
        with pytest.raises(ValueError, match="KEY=VALUE"):
            parse_condition(text)
    for key in ("d=1", "2.a=1", "b.a=1"):
        with pytest.raises(ValueError, match="no such key"):
            parse_condition(key).holds({"a": 1.0, "b": "x"})


@given(st.lists(st.tuples(st.binary(max_size=200), st.integers(0, SECOND // 10)), max_size=20))
def test_a_line_has_its_pace(puts: list[tuple[bytes, int]]) -> None:
    """Pins that bytes keep their order, none is lost, and none comes before its bits have passed at 9600 baud."""
    pacer = Pacer(9600, 10)
    byte_ns = SECOND * 10 // 9600
    now, sent, got, free = 0, b"", b"", 0
    for data, step in puts:
        now += step
        got += pacer.take(now)
        if data:
            free = max(free, now) + len(data) * byte_ns
        pacer.put(data, now)
        sent += data
    while (due := pacer.next_deadline()) is not None:
        assert due - now <= max(STEP, byte_ns) or not got
        now = max(now, due)
        got += pacer.take(now)
        assert len(got) <= len(sent)
    assert got == sent
    assert not sent or now >= free


def test_a_message_takes_its_time() -> None:
    """Pins 960 bytes a second at 9600 8N1: 96 bytes are there after 100 ms, not before."""
    pacer = Pacer(9600, 10)
    pacer.put(bytes(96), 0)
    assert len(pacer.take(SECOND // 20)) == 48
    assert len(pacer.take(SECOND // 10)) == 48
    pacer.put(bytes(10), SECOND)
    pacer.clear()
    assert pacer.next_deadline() is None


def test_a_paced_line_is_bounded() -> None:
    """Pins that what nobody takes doesn't fill the memory."""
    pacer = Pacer(300, 10)
    for _ in range(10):
        pacer.put(bytes(HELD_MAX // 4), 0)
    assert len(pacer._held) == HELD_MAX


def test_a_line_of_one_needs_no_unit() -> None:
    """Pins that a single device's keys are its own words, whatever its unit."""
    line = build(("modbus_pump@9",), Wire.TCP, 0, 0)
    line.set("rate_ml_h", 12.5, 0)
    assert line.state()["rate_ml_h"] == 12.5
    lone = Line({1: Faulty(dialects.create("ne1000", dialects.Settings(Wire.TCP, 1, 0), 0), Random(0))},
                dialects.describe("ne1000"), overhears=True, now=0)  # fmt: skip
    assert lone.connected


def test_the_faults_at_work_on_a_unit_are_its_own() -> None:
    """Pins that faults are told by unit, in the order of their beginning, until they end."""
    line = build(TWO, Wire.SERIAL, 0, 0)
    line.fault("2.silent:for_s=1", 0)
    line.fault("2.drop", 0)
    assert (line.at_work(1), line.at_work(2)) == ((), ("silent", "drop"))
    line.advance(SECOND)
    assert line.at_work(2) == ("drop",)


def test_without_a_diary_states_are_not_noted() -> None:
    """Pins that what a hand did is noted all the same, and a change of state is not."""
    kept, bare = (build(("modbus_pump",), Wire.SERIAL, 0, 0, diary=diary) for diary in (True, False))
    for line in (kept, bare):
        line.press("start", SECOND)
        line.advance(2 * SECOND)
    assert any(entry.what == "delivery=infusing" for entry in kept.log())
    assert [entry.kind for entry in bare.log()] == ["press"]
