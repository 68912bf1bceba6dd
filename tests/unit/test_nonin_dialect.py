"""The simulated Nonin oximeter: its stream in time, what its keys do to it, and the host's commands."""

from itertools import pairwise

import pytest

from infusion_simulators.device import SECOND
from infusion_simulators.dialects import Settings, Wire, create, describe
from infusion_simulators.dialects.nonin_oem3 import CATCH_UP, MAX_PENDING, START_UP, NoninOem3

PACKET = SECOND // 3 + 1
FIRST = START_UP + PACKET
"""When frame 0 of the second packet is out."""
GET_SERIAL, TO_DF7 = "02 74 02 02 02 03", "02 70 04 02 07 01 7e 03"


def oximeter(now: int = 0, **keys: object) -> NoninOem3:
    """Switch on an oximeter and set its keys."""
    device = create("nonin_oem3", Settings(Wire.SERIAL, 1, now), 3)
    assert isinstance(device, NoninOem3)
    for key, value in keys.items():
        device.set(key, value, now)
    return device


def stream(device: NoninOem3, until: int) -> bytes:
    """Live frame by frame until `until`, as whoever serves it does; give all that was sent."""
    out = device.take(0)
    while (due := device.next_deadline()) is not None and due <= until:
        device.advance(due)
        out += device.take(due)
    return out


def frames(data: bytes) -> list[bytes]:
    """Cut a stream without answers into its frames."""
    assert len(data) % 5 == 0
    return [data[at : at + 5] for at in range(0, len(data), 5)]


def packet(device: NoninOem3) -> list[bytes]:
    """Give the first whole packet of a device just switched on."""
    return frames(stream(device, FIRST))[:25]


def test_seventy_five_frames_a_second_without_drift() -> None:
    """Pins the rate: frame n goes out n/75 s after the first, to the nanosecond, for an hour, from any beginning."""
    device = oximeter(now=17)
    begin = 17 + START_UP
    assert device.next_deadline() == begin
    sent = 0
    for second in (1, 2, 3):
        while (due := device.next_deadline()) is not None and due < begin + second * SECOND:
            sent += len(device.take(due)) // 5
        assert sent == 75 * second
    for at in range(begin + 3 * SECOND, begin + 3600 * SECOND, SECOND // 4):
        sent += len(device.take(at)) // 5
    assert sent == 3600 * 75 - 18  # the last quarter of a second is still to come
    sent += len(device.take(begin + 3600 * SECOND)) // 5
    assert sent == 3600 * 75 + 1
    assert device.next_deadline() == begin + -(-(3600 * 75 + 1) * SECOND // 75)


def test_how_often_it_is_asked_doesnt_matter() -> None:
    """Pins that the same bytes come whether the device is advanced frame by frame or packet by packet."""
    one, other = oximeter(), oximeter()
    coarse = b"".join(other.take(at * SECOND // 5) for at in range(51))
    assert stream(one, 10 * SECOND) == coarse


def test_the_past_isnt_sent() -> None:
    """Pins that a device asked an hour late sends one packet's worth at most, and goes on in step."""
    device = oximeter()
    device.take(START_UP)
    late = device.take(START_UP + 3600 * SECOND)
    assert len(late) == CATCH_UP * 5
    assert late[-4] & 1  # frame 270,000 begins a packet
    assert device.next_deadline() == START_UP + 3600 * SECOND + -(-SECOND // 75)


def test_a_line_nobody_reads_is_bounded() -> None:
    """Pins that frames nobody takes are lost beyond a bound, and that the stream goes on afterwards."""
    device = oximeter()
    for at in range(0, 600 * SECOND, SECOND // 3):
        device.advance(at)
    assert len(device.take(600 * SECOND)) <= MAX_PENDING
    assert len(device.take(601 * SECOND)) == CATCH_UP * 5


def test_sync_begins_every_packet() -> None:
    """Pins SYNC in frame 0 of each 25 and nowhere else, bit 7 always set, and every checksum."""
    for n, sent in enumerate(frames(stream(oximeter(), 3 * SECOND))):
        assert sent[0] == 1
        assert sent[1] & 0x81 == (0x81 if n % 25 == 0 else 0x80)
        assert sent[4] == sum(sent[:4]) & 0xFF


def test_values_stand_in_their_frames() -> None:
    """Pins where rate and saturation of a patient are told, the rate in two bytes of seven bits."""
    data = [sent[3] for sent in packet(oximeter(spo2=95, pulse=200))]
    rate = [200 >> 7, 200 & 0x7F]
    assert data[0:4] == [*rate, 95, 48]
    assert data[8:11] == [95, 95, 95]
    assert data[13:17] == [*rate, 95, 95]
    assert data[19:23] == [*rate, *rate]


def test_a_change_waits_for_the_next_packet() -> None:
    """Pins that a rate never tears: what is set in mid-packet is told from the next one on."""
    device = oximeter(pulse=100)
    begun = stream(device, START_UP)
    device.set("pulse", 300, START_UP + 1)
    sent = frames(begun + stream(device, FIRST + PACKET))
    assert [sent[n][3] for n in (0, 1, 13, 14, 21, 22)] == [0, 100] * 3
    assert [sent[25 + n][3] for n in (0, 1, 13, 14, 21, 22)] == [300 >> 7, 300 & 0x7F] * 3


@pytest.mark.parametrize(
    ("keys", "bits"),
    [
        ({"probe": "off"}, 0x50),
        ({"probe": "off-finger"}, 0x18),
        ({"artifact": "on"}, 0x20),
        ({"out_of_track": "on"}, 0x10),
        ({"spo2": None, "pulse": None}, 0x10),
        ({"spo2": None}, 0),
        ({}, 0),
    ],
)
def test_status_bits(keys: dict[str, object], bits: int) -> None:
    """Pins SNSD, SNSA, ARTF and OOT in every frame for what is wrong with the sensor, perfusion and sync aside."""
    assert {sent[1] & 0x78 for sent in packet(oximeter(**keys))} == {bits}


@pytest.mark.parametrize("probe", ["off", "off-finger"])
def test_no_values_without_a_finger(probe: str) -> None:
    """Pins 127 and 511 in every place, no pulse colour and a flat pleth while the probe is off."""
    sent = packet(oximeter(probe=probe))
    assert [sent[n][3] for n in (0, 1, 13, 14, 19, 20, 21, 22)] == [3, 0x7F] * 4
    assert {sent[n][3] for n in (2, 8, 9, 10, 15, 16)} == {127}
    assert {frame[1] & 0x06 for frame in sent} == {0}
    assert {frame[2] for frame in sent} == {0}


def test_missing_spo2_alone() -> None:
    """Pins that the rate stays when the saturation is missing."""
    sent = packet(oximeter(spo2=None, pulse=66))
    assert [sent[n][3] for n in (0, 1, 2)] == [0, 66, 127]


@pytest.mark.parametrize("rate", [30, 72, 180, 300])
def test_the_waveform_follows_the_pulse(rate: int) -> None:
    """Pins one upstroke and one colour of about 12 frames for each beat, over a minute."""
    sent = frames(stream(oximeter(pulse=rate), 60 * SECOND))
    coloured = [bool(frame[1] & 0x02) for frame in sent]
    beats = sum(now and not before for before, now in pairwise(coloured))
    assert abs(beats - rate) <= 1
    if rate == 72:
        assert sum(coloured) == pytest.approx(12 * rate, rel=0.1)
    low, high = (sorted(frame[2] for frame in sent)[at] for at in (50, -50))
    assert 60 <= low < 130
    assert 200 <= high <= 255


@pytest.mark.parametrize("rate", [0, 1e-300, 0.4])
def test_no_pulse_to_speak_of(rate: float) -> None:
    """Pins that a pulse of less than one a minute makes no beat: a rate of 0 is told, without a colour."""
    sent = packet(oximeter(pulse=rate))
    assert {frame[1] & 0x06 for frame in sent} == {0}
    assert sent[1][3] == 0


@pytest.mark.parametrize("rate", [180, 90, 72, 360])
def test_a_live_device_never_repeats_itself(rate: int) -> None:
    """Pins that no ten packets in a row are equal, also where a packet holds whole beats."""
    sent = stream(oximeter(pulse=rate), 30 * SECOND)
    packets = [sent[at : at + 125] for at in range(0, len(sent) - 124, 125)]
    assert all(len(set(packets[at : at + 10])) > 1 for at in range(len(packets) - 9))


@pytest.mark.parametrize(("perfusion", "bits"), [("green", 2), ("red", 4), ("yellow", 6), ("none", 0)])
def test_perfusion(perfusion: str, bits: int) -> None:
    """Pins the colour's bits, and that a weak pulse is a small one."""
    sent = frames(stream(oximeter(perfusion=perfusion), 5 * SECOND))
    assert {frame[1] & 0x06 for frame in sent} == {0, bits}
    swing = max(frame[2] for frame in sent) - min(frame[2] for frame in sent)
    assert (swing > 100) == (perfusion == "green")


def test_format_7() -> None:
    """Pins DF7: sixteen bits of pleth, the sum of four bytes, a timer of packets, low battery and SmartPoint."""
    sent = frames(stream(oximeter(format="df7", battery="low"), FIRST + 3 * PACKET))
    assert all(frame[4] == sum(frame[:4]) & 0xFF for frame in sent)
    assert max(frame[1] << 8 | frame[2] for frame in sent) > 0xC000
    assert [sent[n][3] for n in (5, 6, 7, 30, 31, 32)] == [0, 0, 0x21, 0, 1, 0x21]
    doubtful = frames(stream(oximeter(format="df7", artifact="on"), FIRST))
    assert doubtful[7][3] == 0


def test_format_2_has_no_timer() -> None:
    """Pins that the bytes of timer and STAT2 stay 0 in format 2."""
    sent = frames(stream(oximeter(battery="low"), FIRST + PACKET))
    assert {sent[n][3] for n in (5, 6, 7, 30, 31, 32)} == {0}


def test_the_host_changes_the_format() -> None:
    """Pins that ACK comes between two packets and that everything after it is of the new format."""
    device = oximeter()
    begun = stream(device, START_UP)
    device.receive(bytes.fromhex(TO_DF7), START_UP + 1)
    sent = begun + stream(device, FIRST + SECOND // 75)
    assert sent[: 25 * 5 : 5] == b"\x01" * 25
    assert sent[125:127] == b"\x06\x81"
    assert (sent[126] + sent[127] + sent[128] + sent[129]) & 0xFF == sent[130]


@pytest.mark.parametrize("split", range(1, 6))
def test_a_command_in_any_pieces(split: int) -> None:
    """Pins that a command is understood wherever it was split, with noise ahead of it."""
    device = oximeter(serial_number="A23456789")
    command = b"\x00\xff" + bytes.fromhex(GET_SERIAL)
    device.receive(command[: split + 2], 0)
    device.receive(command[split + 2 :], 1000)
    assert b"A23456789" in stream(device, FIRST)


def test_a_serial_number_given_as_a_number() -> None:
    """Pins that the zeros a number can't begin with are put back: the number is nine digits long."""
    assert oximeter(serial_number=12_345_678).state()["serial_number"] == "012345678"


def test_half_a_command_is_forgotten() -> None:
    """Pins that what follows half a command after half a second is a command of its own."""
    device = oximeter()
    device.receive(bytes.fromhex("02 70 04"), 0)
    device.receive(bytes.fromhex(GET_SERIAL), SECOND // 2)
    assert b"501234567" in stream(device, SECOND)


def test_a_command_without_its_end_is_passed_over() -> None:
    """Pins that a frame whose last byte isn't ETX is no command, and one that begins inside it is found."""
    device = oximeter()
    device.receive(bytes.fromhex("02 70 02") + bytes.fromhex(GET_SERIAL), 0)
    assert b"501234567" in stream(device, FIRST)


def test_endless_commands_are_bounded() -> None:
    """Pins that a host that never stops asking fills neither the answers nor the buffer."""
    device = oximeter()
    device.receive(bytes.fromhex(GET_SERIAL) * 5000, 0)
    device.receive(b"\x02\x70\x3c" * 5000, 0)
    assert len(stream(device, FIRST)) < 600
    assert len(device._commands._buffer) <= 64


def test_power_cycle() -> None:
    """Pins that the stream begins anew with frame 0, at once, and that half a command is lost."""
    device = oximeter(spo2=88)
    stream(device, SECOND // 2)
    device.receive(bytes.fromhex(GET_SERIAL)[:4], SECOND // 2)
    device.power_cycle(SECOND)
    sent = stream(device, SECOND + FIRST)
    assert sent[1] & 1
    assert sent[2 * 5 + 3] == 88
    assert b"501234567" not in sent


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spo2", 127),
        ("spo2", -1),
        ("pulse", 511),
        ("pulse", "fast"),
        ("probe", "loose"),
        ("perfusion", None),
        ("format", "df8"),
        ("serial_number", "12345678"),
        ("serial_number", 1234567890),
        ("serial_number", None),
        ("serial_number", "12345678ü"),
        ("hr", 70),
        ("variation", 11),
    ],
)
def test_a_wrong_key_is_refused_by_name(key: str, value: object) -> None:
    """Pins that what isn't known or doesn't fit is refused, naming the key, and changes nothing."""
    device = oximeter()
    before = device.state()
    with pytest.raises(ValueError, match=key):
        device.set(key, value, 0)
    assert device.state() == before


def test_state_has_every_key_and_there_is_no_keypad() -> None:
    """Pins that `state` tells what `list` describes, and that nothing can be pressed."""
    device = oximeter()
    assert set(device.state()) == set(describe("nonin_oem3").keys)
    with pytest.raises(ValueError, match="no keypad"):
        device.press("start", 0)


def test_variation_is_of_the_seed() -> None:
    """Pins that values swing when asked to, within a resting adult's, and alike for the same seed."""

    def lived(seed: int) -> list[int]:
        device = NoninOem3(0, seed)
        device.set("variation", 1, 0)
        return [sent[3] for sent in frames(stream(device, 60 * SECOND))[1::25]]

    assert lived(5) == lived(5)
    assert lived(5) != lived(6)
    assert 70 <= min(lived(5)) < max(lived(5)) <= 74
