"""The simulated NE-1000's behaviour behind its bytes: modes, alarms, dead man, numbers, what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_simulators.device import SECOND, Obedience
from infusion_simulators.dialects import Settings, Wire, describe
from infusion_simulators.dialects._ne1000_frames import BUFFER_MAX, Framing, Receiver, crc, frame
from infusion_simulators.dialects._ne1000_numbers import Quantity, counter, digits, held, parse, rate_limits_ml_h
from infusion_simulators.dialects.ne1000 import OUT_MAX, Ne1000, create


class Host:
    """A host's end of the line, with a clock of its own."""

    def __init__(self, *, safe_s: int = 0, acknowledge: bool = True) -> None:
        self.pump: Ne1000 = create(Settings(Wire.SERIAL, 1, 0), 0)
        self.now = 0
        self.safe = False
        if acknowledge:
            assert self.ask("0") == "00A?R"
        if safe_s:
            self.safe = True
            assert self.ask(f"0SAF{safe_s}") == "00S"

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)
        self.pump.advance(self.now)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, give the bytes that come."""
        self.pump.receive(data, self.now)
        return self.pump.take(self.now)

    def ask(self, command: str) -> str:
        """Send a command in the present mode; give the reply's text, "" for none."""
        data = command.encode()
        return self.text(self.raw(packet(data) if self.safe else data + b"\r"))

    def text(self, reply: bytes) -> str:
        """Take a reply out of the framing of the present mode."""
        if not reply:
            return ""
        data = reply[2:-3] if self.safe else reply[1:-1]
        assert reply == frame(data.decode(), Framing.SAFE if self.safe else Framing.BASIC)
        return data.decode()


def packet(data: bytes) -> bytes:
    """Wrap a command for safe mode."""
    return bytes([2, len(data) + 4, *data, *crc(data), 3])


def test_the_session_of_a_host() -> None:
    """Pins the run of an infusion: program, run, poll, pause, stop, and what is told at each."""
    host = Host()
    assert host.ask("0DIA 26.59") == "00S"
    assert host.ask("0RAT 45 MH") == "00S"
    assert host.ask("0RAT") == "00S45.00MH"
    assert host.ask("0RUN") == "00I"
    host.pass_time(80)
    assert host.ask("0DIS") == "00II1.000W0.000ML"
    assert host.ask("0STP") == "00P"
    assert host.ask("0") == "00P"
    assert host.ask("0STP") == "00S"
    assert host.ask("0STP") == "00S?NA"
    state = host.pump.state()
    assert (state["delivery"], state["stopped_by"], state["volume_ml"]) == ("stopped", "remote", 1.0)


def test_a_paused_program_goes_on_and_a_stopped_one_begins_anew() -> None:
    """Pins that RUN after one STP goes on with the volume, after two STP has the whole volume ahead."""
    host = Host()
    for command in ("0RAT60MH", "0VOL1.000", "0RUN"):
        host.ask(command)
    host.pass_time(30)
    host.ask("0STP")
    host.ask("0RUN")
    host.pass_time(31)
    assert host.ask("0") == "00S"
    assert host.pump.state()["volume_ml"] == 1.0
    host.ask("0RUN")
    host.pass_time(30)
    host.ask("0STP")
    host.ask("0STP")
    host.ask("0RUN")
    host.pass_time(45)
    assert host.ask("0") == "00I"
    host.pass_time(16)
    assert host.pump.state()["stopped_by"] == "vtbi"


def test_an_alarm_takes_the_place_of_the_first_answer_and_of_its_action() -> None:
    """Pins that the reply to the first valid command is the alarm, that the command isn't done, and the next one is."""
    host = Host(acknowledge=False)
    assert host.ask("0XYZ") == "00S?"
    assert host.ask("0RUN") == "00A?R"
    assert host.pump.state()["delivery"] == "stopped"
    assert host.ask("0RUN") == "00I"


def test_saf_is_answered_in_the_framing_of_its_mode() -> None:
    """Pins that SAF n is answered safe, SAF 0 basic, also where the answer is an alarm and the mode stays."""
    host = Host(acknowledge=False)
    assert host.raw(packet(b"0SAF5")) == frame("00A?R", Framing.SAFE)
    assert host.pump.state()["dead_man_s"] == 0
    assert host.raw(packet(b"0SAF5")) == frame("00S", Framing.SAFE)
    assert host.pump.state()["dead_man_s"] == 5
    assert host.raw(packet(b"SAF0")) == frame("00S", Framing.BASIC)
    assert host.raw(b"0\r") == frame("00S", Framing.BASIC)
    assert host.raw(b"0SAF256\r") == frame("00S?OOR", Framing.BASIC)


def test_the_dead_man_stops_a_pump_whose_host_is_silent() -> None:
    """Pins SAF's time-out: fed by each valid packet, it stops the pump, tells once by itself, waits for a packet."""
    host = Host(safe_s=5)
    assert host.ask("0RUN") == "00I"
    for _ in range(4):
        host.pass_time(4.9)
        assert host.ask("0") == "00I"
    assert host.pump.next_deadline() == host.now + 5 * SECOND
    host.pass_time(5)
    assert host.text(host.pump.take(host.now)) == "00A?T"
    state = host.pump.state()
    assert (state["delivery"], state["stopped_by"], state["status"]) == ("stopped", "dead_man", "A?T")
    host.pass_time(100)
    assert host.pump.take(host.now) == b""
    assert host.ask("0DIS") == "00A?T"
    assert host.ask("0DIS").startswith("00SI0.068W")
    host.pass_time(5)
    assert host.text(host.pump.take(host.now)) == "00A?T"


@pytest.mark.parametrize(
    "traffic",
    [packet(b"7"), packet(b"0")[:-1], packet(b"0")[:-2] + b"\x00\x03", b"0\r", b"\xff" * 50, b"0STP\r"],
    ids=["another pump", "truncated", "wrong CRC", "basic framing", "noise", "basic stop"],
)
def test_only_its_own_valid_packets_feed_the_dead_man(traffic: bytes) -> None:
    """Pins that neighbours' packets, broken ones and basic-mode text don't keep a pump infusing."""
    host = Host(safe_s=5)
    host.ask("0RUN")
    for _ in range(3):
        host.pass_time(2)
        host.raw(traffic)
    assert host.pump.state()["stopped_by"] == "dead_man"


def test_power_loss() -> None:
    """Pins a power cycle: stopped, the rate set while pumping forgotten, SAF kept, A?R told, the timer idle."""
    host = Host()
    host.ask("0RAT100MH")
    host.safe = True
    host.ask("0SAF5")
    host.ask("0RUN")
    assert host.ask("0RAT200") == "00I"
    assert host.ask("0RAT") == "00I200.0MH"
    host.pump.power_cycle(host.now)
    assert host.text(host.pump.take(host.now)) == "00A?R"
    assert host.pump.next_deadline() is None
    host.pass_time(60)
    assert host.ask("0RAT") == "00A?R"
    assert host.pump.next_deadline() == host.now + 5 * SECOND
    assert host.ask("0RAT") == "00S100.0MH"
    assert host.ask("0SAF") == "00S5"


def test_a_rate_while_pumping_keeps_its_unit() -> None:
    """Pins that a new rate applies at once while pumping, that its unit can't change then, nor can the rest."""
    host = Host()
    host.ask("0RAT100MH")
    host.ask("0RUN")
    assert host.ask("0RAT 50 MH") == "00I"
    assert host.pump.state()["rate_ml_h"] == 50.0
    for command in ("0RAT500UM", "0VOL5", "0DIA20", "0DIRWDR", "0CLDINF", "0RUN", "0PUR"):
        assert host.ask(command) == "00I?NA", command
    assert host.pump.state()["rate_ml_h"] == 50.0


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("0RAT 12.345 MH", "?OOR"),
        ("0RAT 0.0001 MH", "?OOR"),
        ("0RAT 2000 MH", "?OOR"),
        ("0RAT 0 MH", "?OOR"),
        ("0RAT 10 XX", "?"),
        ("0RAT ten", "?"),
        ("0RAT 1.2.3", "?OOR"),
        ("0DIA 0.01", "?OOR"),
        ("0DIA 99", "?OOR"),
        ("0DIR UP", "?OOR"),
        ("0VOL 12345", "?OOR"),
        ("0SAF 999", "?OOR"),
        ("0SAF -1", "?OOR"),
        ("0PHN 2", "?OOR"),
        ("0RUN 2", "?OOR"),
        ("0CLD", "?OOR"),
        ("0BUZ1", "?"),
        ("0DIS1", "?NA"),
        ("0*", "?"),
    ],
)
def test_what_it_refuses(command: str, error: str) -> None:
    """Pins the error of each bad command, and that nothing changes by it."""
    host = Host()
    before = host.pump.state()
    assert host.ask(command) == f"00S{error}"
    assert host.pump.state() == before


def test_volume_and_its_unit() -> None:
    """Pins VOL: its unit by the syringe or by command, its target held in it, and what DIS then counts in."""
    host = Host()
    assert host.ask("0VOL") == "00S0.000ML"
    assert host.ask("0DIA 10.00") == "00S"
    assert host.ask("0VOL 500") == "00S"
    assert host.ask("0VOL") == "00S500.0UL"
    assert host.pump.state()["vtbi_ml"] == 0.5
    assert host.ask("0VOL ML") == "00S"
    assert host.pump.state()["vtbi_ml"] == 500.0
    assert host.ask("0DIS") == "00SI0.000W0.000ML"
    host.ask("0VOL 0")
    assert host.pump.state()["vtbi_ml"] is None


def test_the_fifth_digit_is_refused_at_the_keypad_too() -> None:
    """Pins that a rate the syringe can't have is refused with its limits, and a finer one is rounded."""
    host = Host()
    with pytest.raises(ValueError, match="the limits of this syringe"):
        host.pump.press("rate=1800", 0)
    host.pump.press("rate=12.3456", 0)
    assert host.ask("0RAT") == "00S12.35MH"
    assert host.pump.state()["rate_ml_h"] == 12.35
    assert host.ask("*ADR 100") == "00S?OOR"
    assert host.ask("0PHN") == "00S01"


def test_addresses() -> None:
    """Pins that a pump answers its own address alone, with or without a leading zero, and the system prefix."""
    host = Host()
    assert host.ask("*ADR 7") == "07S"
    assert host.ask("0") == ""
    assert host.ask("VER") == ""
    assert host.ask("7") == host.ask("07") == host.ask("*") == "07S"
    assert host.ask("*ADR") == "07S07"
    assert host.ask("17") == ""


def test_typed_by_hand() -> None:
    """Pins basic mode's tolerance: lower case, spaces, control characters, slow typing."""
    host = Host()
    for letter in b"0 r a\tt 10\x08 0":
        host.pass_time(2)
        assert host.raw(bytes([letter])) == b""
    assert host.raw(b"mh\r") == frame("00S", Framing.BASIC)
    assert host.ask("0RAT") == "00S100.0MH"


def test_a_torn_packet_is_forgotten_after_half_a_second() -> None:
    """Pins the inter-byte time-out: a packet's rest that comes too late makes no packet, the next one is heard."""
    host = Host(safe_s=20)
    whole = packet(b"0VER")
    host.raw(whole[:5])
    host.pass_time(0.4)
    assert host.text(host.raw(whole[5:])) == "00SNE1000V3.928"
    host.raw(whole[:5])
    host.pass_time(0.6)
    assert host.raw(whole[5:]) == b""
    assert host.ask("0") == "00S"


def test_purge_is_a_bolus_until_stopped() -> None:
    """Pins PUR: status X at the syringe's fastest rate, delivered volume counted, one STP ends it."""
    host = Host()
    assert host.ask("0PUR") == "00X"
    host.pass_time(3.6)
    assert host.pump.state()["delivery"] == "bolus"
    assert host.ask("0DIS") == "00XI1.699W0.000ML"
    assert host.ask("0STP") == "00S"
    host.ask("0DIRWDR")
    assert host.ask("0PUR") == "00S?NA"


def test_withdrawing() -> None:
    """Pins the other direction: status W, its own counter, CLD clears one counter at a time."""
    host = Host()
    for command in ("0RAT100MH", "0DIRREV"):
        host.ask(command)
    assert host.ask("0DIR") == "00SWDR"
    assert host.ask("0RUN") == "00W"
    host.pass_time(36)
    host.ask("0STP")
    assert host.ask("0DIS") == "00PI0.000W1.000ML"
    host.ask("0CLDINF")
    assert host.ask("0DIS") == "00PI0.000W1.000ML"
    host.ask("0CLDWDR")
    assert host.ask("0DIS") == "00PI0.000W0.000ML"


def test_what_stalls_the_motor() -> None:
    """Pins that occlusion, an empty syringe and a stall are all A?S, that others don't exist, and what frees it."""
    host = Host()
    for cause, cure in (("occlusion", ("line", "open")), ("empty", ("reservoir_ml", 20)), ("stall", ("alarm", "none"))):
        host.ask("0RUN")
        host.pump.set("alarm", cause, host.now)
        assert host.ask("0DIS") == "00A?S", cause
        assert host.ask("0RUN") == "00S?NA", cause
        host.pump.set("line", "occluded", host.now)
        host.pump.set(*cure, host.now)
        host.pump.set("line", "open", host.now)
        assert host.ask("0RUN") == "00I", cause
        host.ask("0STP")
    with pytest.raises(ValueError, match="air"):
        host.pump.set("alarm", "air", host.now)


def test_the_keypad() -> None:
    """Pins the keypad: acknowledges the alarm, starts, pauses, stops, sets rate and syringe, and knows no other key."""
    host = Host(acknowledge=False)
    host.pump.press("rate=45", 0)
    host.pump.press("start", 0)
    assert host.ask("0RAT") == "00I45.00MH"
    host.pump.press("pause", 0)
    assert host.ask("0") == "00P"
    host.pump.press("start", 0)
    host.pump.press("stop", 0)
    assert (host.ask("0"), host.pump.state()["stopped_by"]) == ("00S", "keypad")
    host.pump.press("syringe=20", 0)
    assert host.pump.state()["reservoir_ml"] == 20.0
    for key in ("eject", "rate=fast", "rate=1e9", "syringe=-1", "start=1", ""):
        with pytest.raises(ValueError, match=r"\w"):
            host.pump.press(key, 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [("address", 100), ("address", 1.5), ("diameter_mm", 0), ("rate_ml_h", 1e4), ("dead_man_s", -1), ("status", "I"),
     ("serial_number", 1), ("battery_percent", 50), ("delivery", "infusing"), ("volume_ml", 3), ("nonsense", 1),
     ("rate_ml_h", None), ("rate_ml_h", True), ("rate_ml_h", "nan"), ("line", "cut"), ("reservoir_ml", 10**400),
     ("reservoir_ml", -1), ("vtbi_ml", 1e5)],
)  # fmt: skip
def test_keys_that_cant_be_set(key: str, value: object) -> None:
    """Pins that each unusable value is refused with the key's name, and changes nothing."""
    host = Host()
    before = host.pump.state()
    with pytest.raises(ValueError, match=key):
        host.pump.set(key, value, 0)
    assert host.pump.state() == before


def test_every_key_is_described_and_has_a_value() -> None:
    """Pins that the state and the list of keys name the same keys."""
    assert Host().pump.state().keys() == describe("ne1000").keys.keys()


def test_a_liar_says_paused_then_stopped_and_its_counter_runs() -> None:
    """Pins `lie` on the wire: STP is answered P, then S, at rate and status stopped, while DIS goes on rising."""
    host = Host()
    host.ask("0RAT1.000MH")
    host.ask("0RUN")
    host.pump.obey(Obedience.LIES, host.now)
    assert [host.ask("0STP"), host.ask("0"), host.ask("0STP"), host.ask("0")] == ["00P", "00P", "00S", "00S"]
    host.pass_time(36)
    assert host.ask("0DIS") == "00SI0.010W0.000ML"
    assert host.pump.state()["delivery"] == "infusing"
    host.pump.press("stop", host.now)
    assert host.pump.state()["delivery"] == "stopped"


@pytest.mark.parametrize("stops", [1, 2])
def test_a_liar_cleared_is_an_honest_pump(stops: int) -> None:
    """Pins that after `lie` the prompt says what the motor does, STP stops it, and what ends by itself is no pause."""
    host = Host()
    host.ask("0VOL1")
    host.ask("0RUN")
    host.pump.obey(Obedience.LIES, host.now)
    for _ in range(stops):
        host.ask("0STP")
    host.pump.obey(Obedience.OBEYS, host.now)
    assert host.ask("0") == "00I"
    assert host.ask("0STP") == "00P"
    assert (host.pump.state()["delivery"], host.pump.state()["stopped_by"]) == ("stopped", "remote")
    host.ask("0RUN")
    host.pump.obey(Obedience.LIES, host.now)
    host.ask("0STP")
    host.pump.obey(Obedience.OBEYS, host.now)
    host.pass_time(360)  # 1 mL at 10 mL/h
    assert (host.ask("0"), host.pump.state()["stopped_by"]) == ("00S", "vtbi")


@pytest.mark.parametrize("fault", [Obedience.LIES, Obedience.REFUSES])
def test_a_paused_pump_stays_paused_through_both(fault: Obedience) -> None:
    """Pins that a cleared fault doesn't forget a pause that was one."""
    host = Host()
    host.ask("0RUN")
    host.ask("0STP")
    host.pump.obey(fault, host.now)
    host.pump.obey(Obedience.OBEYS, host.now)
    assert host.ask("0") == "00P"


def test_a_refusing_pump_answers_and_does_nothing() -> None:
    """Pins `refuse` on the wire: STP and RAT are answered as if done, the status says infusing, SAF still works."""
    host = Host()
    host.ask("0RUN")
    host.pump.obey(Obedience.REFUSES, host.now)
    assert host.ask("0STP") == "00I"
    assert host.ask("0RAT1MH") == "00I"
    assert host.ask("0RAT") == "00I10.00MH"
    host.safe = True
    assert host.ask("0SAF5") == "00I"
    host.pump.obey(Obedience.OBEYS, host.now)
    assert host.ask("0STP") == "00P"


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, SECOND)), max_size=30), st.booleans())
def test_no_bytes_break_it(chunks: list[tuple[bytes, int]], safe: bool) -> None:
    """Pins that arbitrary bytes never raise, memory stays bounded, and a good packet after silence is answered."""
    host = Host(safe_s=255 if safe else 0)
    for data, step in chunks:
        host.now += step
        host.pump.receive(data, host.now)
        assert len(host.pump._receiver._buffer) <= BUFFER_MAX
        assert len(host.pump._out) <= OUT_MAX
    host.pass_time(1)
    host.pump.take(host.now)
    safe_now = host.pump.state()["dead_man_s"] != 0
    host.raw(b"\r")
    address = host.pump.state()["address"]
    host.pump.take(host.now)
    probe = f"{address}".encode()
    assert host.raw(packet(probe) if safe_now else probe + b"\r") != b""


@given(st.data())
def test_any_split_of_a_conversation_is_the_same(data: st.DataObject) -> None:
    """Pins that the replies don't depend on how the requests are cut into pieces."""
    said = packet(b"0SAF0") + b"0VER\r0RAT45MH\r" + packet(b"0SAF20") + packet(b"0RUN") + packet(b"0DIS")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=10)))
    whole, pieces = Host(), Host()
    expected = whole.raw(said)
    got = b"".join(pieces.raw(said[a:b]) for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True))
    assert got == expected
    assert whole.pump.state() == pieces.pump.state()


def test_receiver_drops_what_cant_be_a_packet() -> None:
    """Pins that a length no packet has is passed over, and an endless line is forgotten."""
    receiver = Receiver()
    receiver.feed(b"\x02\xff0VER\r", 0)
    packet_ = receiver.next(Framing.BASIC)
    assert packet_ is not None
    assert packet_.text == "0VER"
    receiver.feed(b"A" * 500, 0)
    assert receiver.next(Framing.BASIC) is None
    receiver.feed(b"0\r", 0)
    following = receiver.next(Framing.BASIC)
    assert following is not None
    assert following.text == "0"


@pytest.mark.parametrize(
    ("text", "milli"),
    [("1200.", 1_200_000), ("120.5", 120_500), ("12.05", 12_050), ("1.205", 1205), (".5", 500), ("7", 7000),
     ("0.0001", None), ("12.345", None), ("", None), (".", None), ("-1", None), ("1e3", None), ("٣", None)],
)  # fmt: skip
def test_the_four_digit_rule(text: str, milli: int | None) -> None:
    """Pins which numbers the pump can read (manual p. 33), and that what it reads it prints in four digits."""
    assert parse(text) == milli
    if milli is not None:
        assert parse(digits(milli)) == milli


@given(st.floats(0, 9999))
def test_what_is_held_is_near_and_prints_exactly(value: float) -> None:
    """Pins that rounding to four digits is at most half a digit off, and that printing it loses nothing."""
    quantity = held("rate_ml_h", value, "MH")
    assert abs(quantity.milli / 1000 - value) <= max(0.0005, value * 0.0005) + 1e-9
    assert parse(digits(quantity.milli)) == quantity.milli


def test_counters_cut_off_and_begin_anew() -> None:
    """Pins that a counter never shows more than has been moved, coarser as it grows, and anew after 9999."""
    assert [counter(n, "ML") for n in (999, 1000, 9_999_999, 12_059_999, 9_999_999_999, 10_000_000_000)] == [
        "0.000", "0.001", "9.999", "12.05", "9999.", "0.000",
    ]  # fmt: skip
    assert counter(1_200_999, "UL") == "1200."


def test_the_syringe_bounds_the_rate() -> None:
    """Pins the published limits: 1699 mL/h of a 60 mL syringe (26.59 mm), 0.73 microlitres/h of a 1 mL one."""
    assert rate_limits_ml_h(26.59)[1] == pytest.approx(1699, abs=1)
    assert rate_limits_ml_h(4.70)[0] == pytest.approx(0.00073, abs=1e-5)
    assert Quantity(500_000, "UM").rate_ml_h() == 30.0
