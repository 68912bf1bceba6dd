"""The Nonin oximeter's stream: in and out of step, frozen, paused, and who it is."""

import pytest

from golden_rows import frame, row_of, told
from infusion_gateway.devices.checksum import sum8
from infusion_gateway.devices.driver import Bytes, NoAnswer, SendBytes, Table, WriteRegisters, Written
from infusion_gateway.devices.serial.nonin_oem3 import NoninOem3, build
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import Fault, FaultKind, Observation, Reading, Validity

PACKET = SECOND // 3
Said = tuple[Observation | Fault, ...]


def df2(pleth: int = 0, rate: int = 72, spo2: int = 97, bits: dict[int, int] | None = None) -> bytes:
    """Make a packet of format 2 by hand: pleth of frame 0 alone varies; bits: status bits by frame."""
    data = [0] * 25
    data[0], data[1], data[2] = rate >> 7, rate & 0x7F, spo2
    out = bytearray()
    for n in range(25):
        status = 0x80 | (n == 0) | (bits or {}).get(n, 0)
        beat = pleth if n == 0 else 1
        out += bytes((1, status, beat, data[n], (1 + status + beat + data[n]) & 0xFF))
    return bytes(out)


def df7(timer: int, rate: int = 72, spo2: int = 97, pleth: int = 0) -> bytes:
    """Make a packet of format 7 by hand."""
    data = [0] * 25
    data[0], data[1], data[2], data[5], data[6] = rate >> 7, rate & 0x7F, spo2, timer >> 7, timer & 0x7F
    out = bytearray()
    for n in range(25):
        status = 0x80 | (n == 0)
        body = bytes((status, pleth >> 8, pleth & 0xFF, data[n]))
        out += body + bytes((sum(body) & 0xFF,))
    return bytes(out)


NEXT = {df2: df2()[:5], df7: df7(0)[:5]}
"""The first frame of the packet after: only its SYNC shows that the packet before is whole."""


def hear(driver: NoninOem3, *packets: bytes) -> list[Said]:
    """Let the driver hear packets, a third of a second each; give what it said of each, once the next had begun."""
    after = [packet[:5] for packet in packets[1:]] + [NEXT[df2 if packets[-1][0] == 1 else df7]]
    rest = [packets[0], *(packet[5:] for packet in packets[1:])]
    return [driver.receive(Bytes(a + b), n * PACKET) for n, (a, b) in enumerate(zip(rest, after, strict=True))]


def values(said: Said) -> dict[Metric, tuple[float | None, Validity]]:
    """Give the readings among what was said."""
    return {one.metric: (one.value, one.validity) for one in said if isinstance(one, Reading)}


def kinds(said: Said) -> list[FaultKind]:
    """Give the faults among what was said."""
    return [one.kind for one in said if isinstance(one, Fault)]


def test_readings_are_of_the_moment_their_packet_was_whole() -> None:
    """Pins measured_at: the packet's last byte, not the next one's first frame; the resolution is one count."""
    driver = build(0, {})
    packet = df2()
    assert driver.receive(Bytes(packet[:100]), SECOND) == ()
    assert driver.receive(Bytes(packet[100:]), SECOND + 80_000_000) == ()
    readings = [one for one in driver.receive(Bytes(NEXT[df2]), SECOND + 93_000_000) if isinstance(one, Reading)]
    assert [one.metric for one in readings] == [Metric.SPO2, Metric.PULSE]
    assert {one.measured_at for one in readings} == {SECOND + 80_000_000}
    assert {one.resolution for one in readings} == {1}


@pytest.mark.parametrize("cut", [1, 3, 5, 62, 124])
@pytest.mark.parametrize("make", [df2, df7])
def test_joining_in_the_middle_waits_for_the_next_packet(cut: int, make) -> None:
    """Pins that what is left of a packet joined midway is no value, and the next whole one is, in either format."""
    said = build(0, {}).receive(Bytes(make(1)[cut:] + make(2) + NEXT[make]), SECOND)
    assert values(said) == {Metric.SPO2: (97, Validity.VALID), Metric.PULSE: (72, Validity.VALID)}


@pytest.mark.parametrize(("at", "kind"), [(60, FaultKind.FRAMING), (63, FaultKind.CHECKSUM)])
def test_a_lost_byte_costs_its_packet_alone(at: int, kind: FaultKind) -> None:
    """Pins that one byte lost on the way is told once, its packet is void, and the next is read."""
    first, second, third = df2(1), df2(2), df2(3)
    lost = build(0, {}).receive(Bytes(first + second[:at] + second[at + 1 :] + third + NEXT[df2]), SECOND)
    assert len([one for one in lost if isinstance(one, Reading)]) == 4
    assert kinds(lost) == [kind]


def test_a_lost_frame_costs_its_packet_alone() -> None:
    """Pins that a packet of 24 good frames is no packet."""
    said = build(0, {}).receive(Bytes(df2(1)[:-5] + df2(2) + NEXT[df2]), SECOND)
    assert kinds(said) == [FaultKind.FRAMING]
    assert len([one for one in said if isinstance(one, Reading)]) == 2


@pytest.mark.parametrize("name", ["df2-packet-72-97", "df2-packet-averages-differ", "df2-packet-two-byte-rate"])
def test_a_frame_doubled_and_one_lost_shift_no_value_far(name: str) -> None:
    """Pins that of a packet with any frame doubled and any other lost, so 25 again, nothing far off is ever valid."""
    whole = frame("nonin_oem3", name)
    right = row_of("nonin_oem3", name)["reads"]
    frames = [whole[at : at + 5] for at in range(0, 125, 5)]
    for doubled in range(25):
        for lost in range(1, 25):
            torn = [f for n, f in enumerate(frames) for _ in range((n != lost) + (n == doubled))]
            driver = build(0, {})
            driver.receive(Bytes(whole), 0)
            said = driver.receive(Bytes(b"".join(torn) + NEXT[df2]), PACKET)
            for one in said:
                if isinstance(one, Reading) and one.validity is Validity.VALID and one.value is not None:
                    far, word = (10, "spo2") if one.metric is Metric.SPO2 else (25, "pulse")
                    assert abs(one.value - right[word][0]) <= far, (doubled, lost)


def test_a_doubled_frame_costs_its_packet_alone() -> None:
    """Pins that 26 frames between two SYNCs are no packet, although the first 25 would make one."""
    doubled = df2(1)[:10] + df2(1)[5:]
    said = build(0, {}).receive(Bytes(doubled + df2(2) + NEXT[df2]), SECOND)
    assert kinds(said) == [FaultKind.FRAMING]
    assert values(said) == {Metric.SPO2: (97, Validity.VALID), Metric.PULSE: (72, Validity.VALID)}
    assert len([one for one in said if isinstance(one, Reading)]) == 2


def test_a_new_revision_is_believed_the_second_time() -> None:
    """Pins that a revision which differs from the last packet's is told, and taken where it stays."""
    packets = [frame("nonin_oem3", "df2-packet-72-97"), df2(1), df2(2)]
    said = hear(build(0, {}), *packets)
    assert kinds(said[1]) == [FaultKind.FRAMING]
    assert not values(said[1])
    assert values(said[2])


def test_a_value_far_from_the_displayed_one_is_questionable() -> None:
    """Pins that a value over 10 % or 20 /min from the same average as displayed isn't believed, if both are there."""
    row = bytearray(frame("nonin_oem3", "df2-packet-72-97"))
    for displayed, validity in ((97, Validity.VALID), (87, Validity.VALID), (86, Validity.QUESTIONABLE)):
        row[43], row[44] = displayed, sum8(bytes((*row[40:43], displayed)))
        assert values(hear(build(0, {}), bytes(row))[0])[Metric.SPO2] == (97, validity)
    row[103], row[104] = 93, sum8(bytes((*row[100:103], 93)))
    assert values(hear(build(0, {}), bytes(row))[0])[Metric.PULSE] == (72, Validity.QUESTIONABLE)
    row = bytearray(frame("nonin_oem3", "df2-packet-72-97"))
    row[43], row[44] = 127, sum8(bytes((*row[40:43], 127)))
    assert values(hear(build(0, {}), bytes(row))[0])[Metric.SPO2] == (97, Validity.VALID)


def test_good_frames_that_make_no_packet_are_told() -> None:
    """Pins that one frame said for ever, with or without SYNC, gives faults and never a value."""
    for stuck in (df2()[:5], df2()[5:10]):
        said = build(0, {}).receive(Bytes(stuck * 200), SECOND)
        assert 4 <= len(said) <= 10
        assert set(kinds(said)) == {FaultKind.FRAMING}
        assert len(kinds(said)) == len(said)


def test_noise_without_end_is_told_now_and_then() -> None:
    """Pins that noise is a fault at its beginning and one per 256 bytes, and that the next packet is read."""
    driver = build(0, {})
    said = driver.receive(Bytes(b"\x55" * 5000), SECOND)
    assert kinds(said) == [FaultKind.FRAMING] + [FaultKind.OVERFLOW] * (5000 // 256)
    assert values(driver.receive(Bytes(df2() + NEXT[df2]), SECOND))


def test_a_frozen_format_2_is_told_after_three_seconds() -> None:
    """Pins that the same packet to the bit, a pulse in it, is believed for three seconds and no longer."""
    said = hear(build(0, {}), *[df2(5)] * 20)
    assert all(values(one) for one in said[:9])
    assert [kinds(one) for one in said[9:]] == [[FaultKind.FROZEN]] * 11
    assert not any(values(one) for one in said[9:])


def test_a_live_packet_ends_the_freeze() -> None:
    """Pins that values are believed again with the first packet that differs."""
    said = hear(build(0, {}), *[df2(5)] * 12, df2(6))
    assert not values(said[11])
    assert values(said[12])


def test_equal_packets_without_a_pulse_are_no_freeze() -> None:
    """Pins that an oximeter whose probe is off may say the same for ever: there is nothing that could move."""
    off = frame("nonin_oem3", "df2-packet-disconnected")
    assert all(told(one)["probe"] == "off" for one in hear(build(0, {}), *[off] * 30))


def test_a_frozen_format_7_shows_in_its_timer() -> None:
    """Pins that with format 7 a timer that stands still is a freeze, whatever the pleth does."""
    still = hear(build(0, {}), *[df7(7, pleth=n) for n in range(12)])
    assert kinds(still[8]) == []
    assert kinds(still[9]) == [FaultKind.FROZEN]
    assert not any(kinds(one) for one in hear(build(0, {}), *[df7(n // 3) for n in range(40)]))


def test_low_perfusion_lasts_until_a_better_pulse() -> None:
    """Pins that colours, set during a pulse only, hold over the packets between two pulses."""
    red, green, none = {3: 0x04}, {3: 0x02}, {}
    packets = [df2(1, bits=none), df2(2, bits=red), df2(3, bits=none), df2(4, bits=green), df2(5, bits=none)]
    said = [values(one)[Metric.SPO2][1].value for one in hear(build(0, {}), *packets)]
    assert said == ["valid", "questionable", "questionable", "valid", "valid"]


def test_low_perfusion_lasts_three_seconds_at_most() -> None:
    """Pins that an oximeter which shows no colour after a red one isn't doubted for ever: doubt weakens alarms."""
    packets = [df2(1, bits={3: 0x04}), *[df2(n) for n in range(2, 14)]]
    said = [values(one)[Metric.SPO2][1] for one in hear(build(0, {}), *packets)]
    assert said == [Validity.QUESTIONABLE] * 9 + [Validity.VALID] * 4


def test_low_perfusion_ends_with_the_probe() -> None:
    """Pins that a weak pulse of before is no remark on a probe put on anew."""
    packets = [df2(1, bits={3: 0x04}), df2(2, bits={3: 0x40}), df2(3)]
    assert values(hear(build(0, {}), *packets)[2])[Metric.SPO2][1] is Validity.VALID


@pytest.mark.parametrize(("rate", "spo2"), [(9, 97), (351, 97), (72, 0), (72, 101), (72, 126)])
def test_what_no_patient_has_is_invalid(rate: int, spo2: int) -> None:
    """Pins the range check: told as a fault, and the value never valid."""
    (said,) = hear(build(0, {}), df2(rate=rate, spo2=spo2))
    assert kinds(said) == [FaultKind.RANGE]
    wrong = Metric.SPO2 if rate == 72 else Metric.PULSE
    assert {metric for metric, (_, validity) in values(said).items() if validity is Validity.INVALID} == {wrong}


def test_a_change_of_format_is_followed() -> None:
    """Pins that an oximeter set to the other format is read again within three packets, the loss told."""
    driver = build(0, {})
    hear(driver, df2(1), df2(2))
    said = hear(driver, *[df7(n) for n in range(6)])
    assert FaultKind.FRAMING in {kind for one in said for kind in kinds(one)}
    assert not values(said[0])
    assert all(values(one) for one in said[3:])


def test_a_pause_voids_what_was_begun_and_asks_anew_who_it_is() -> None:
    """Pins that after more than a second without a byte a packet isn't carried on, and the serial number is asked."""
    driver = build(0, {})
    for n in range(4):
        assert len(driver.due(n * 2 * SECOND)) == 1
    assert driver.next_due() is None
    driver.receive(Bytes(df2(1) + df2(2)[:60]), 9 * SECOND)
    said = driver.receive(Bytes(df2(2)[60:] + NEXT[df2]), 10 * SECOND + 1)
    assert not values(said)
    assert driver.next_due() == 10 * SECOND + 1
    assert values(driver.receive(Bytes(df2(3)[5:] + NEXT[df2]), 10 * SECOND + PACKET))


def test_the_serial_number_is_asked_until_it_is_said() -> None:
    """Pins four questions two seconds apart, none after the answer, and that no answer is ever owed."""
    driver = build(0, {})
    (request,) = driver.due(0)
    assert isinstance(request, SendBytes)
    assert not driver.awaiting
    assert driver.due(SECOND) == ()
    assert driver.next_due() == 2 * SECOND
    said = driver.receive(Bytes(df2(1) + frame("nonin_oem3", "serial-number")), 2 * SECOND)
    assert told(said)["identity"] == {"vendor": "Nonin", "serial-number": "501234567"}
    assert driver.next_due() is None
    assert driver.due(9 * SECOND) == ()
    driver.opened(10 * SECOND)
    assert driver.next_due() == 10 * SECOND


def test_a_reply_begun_and_not_ended_holds_up_no_frame() -> None:
    """Pins that an STX which begins no reply costs its packet at most."""
    said = build(0, {}).receive(Bytes(b"\x02\xf4\x0b" + df2(1) + df2(2) + NEXT[df2]), SECOND)
    assert values(said)
    assert kinds(said)


def test_it_delivers_nothing_and_keeps_no_dead_man() -> None:
    """Pins that a monitor has nothing to stop, and that a lost question says nothing of it."""
    driver = build(0, {})
    assert driver.stop() == driver.dead_man(10) == ()
    (request,) = driver.identify()
    assert driver.receive(NoAnswer(request), SECOND) == ()
    odd = Written(WriteRegisters(Table.COIL, 3, (1,), SECOND))
    assert kinds(driver.receive(odd, SECOND)) == [FaultKind.UNEXPECTED]


@pytest.mark.parametrize("options", [{"format": "df8"}, {"formt": "df2"}])
def test_what_cannot_be_built_says_so(options: dict[str, str]) -> None:
    """Pins that a wrong option is a ValueError whose words name it."""
    with pytest.raises(ValueError, match=r"df8|formt"):
        build(0, options)
