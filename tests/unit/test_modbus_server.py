"""The simulators' Modbus server side: frames on a serial line and over TCP, and what is answered to a request."""

from collections.abc import Sequence

import pytest
from pymodbus.framer.rtu import FramerRTU

from infusion_simulators.device import SECOND
from infusion_simulators.dialects import Settings, Wire
from infusion_simulators.modbus import Block, Code, Malformed, Table, answer, u32
from infusion_simulators.modbus_frames import (
    MAX_PENDING,
    READ_JITTER,
    Frame,
    RtuFraming,
    Server,
    TcpFraming,
    crc16,
    silence,
)

GAP = READ_JITTER


class Bench:
    """Registers to try a server on: coils 16-25 (every third set), holding 32-41 up to 999, input 0-3 and 4-7."""

    identification = (b"maker", b"bench", b"9")

    def __init__(self) -> None:
        self.holding = list(range(100, 110))
        self.written: list[tuple[Table, int, list[int]]] = []

    def blocks(self, table: Table) -> tuple[Block, ...]:
        """Give the table's blocks; the two of input registers are neighbours."""
        match table:
            case Table.COIL:
                return (Block(16, tuple(int(n % 3 == 0) for n in range(10))),)
            case Table.HOLDING:
                return (Block(32, tuple(self.holding)),)
            case Table.INPUT:
                return Block(0, (1, 2, 0xFFFF, 0x8000)), Block(4, (5, 6, 7, 8))

    def write(self, table: Table, address: int, values: Sequence[int]) -> Code | None:
        """Take values under 1000 inside the holding block, coils anywhere."""
        if table is Table.HOLDING and not 32 <= address <= 42 - len(values):
            return Code.ADDRESS
        if any(value >= 1000 for value in values):
            return Code.VALUE
        self.written.append((table, address, list(values)))
        return None


def said(text: str) -> bytes | Malformed:
    """Give the bench's answer to a request in hex."""
    return answer(bytes.fromhex(text), Bench())


def rtu(text: str) -> bytes:
    """Put the CRC behind a frame's hex, computed by pymodbus."""
    body = bytes.fromhex(text)
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def test_crc_is_the_standards() -> None:
    """Pins CRC-16/MODBUS to the example of the serial line specification (6.2.2) and to pymodbus on other data."""
    assert crc16(bytes((0x02, 0x07))) == 0x1241
    for size in (1, 8, 255):
        data = bytes(n * 37 & 0xFF for n in range(size))
        assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


def test_silence_is_three_and_a_half_characters() -> None:
    """Pins the frame's end: 3.5 characters of 11 bits up to 19200 baud, a fixed 1.75 ms above."""
    assert silence(9600) == pytest.approx(38.5 * SECOND / 9600, abs=1)
    assert silence(19_200) == pytest.approx(38.5 * SECOND / 19_200, abs=1)
    assert silence(115_200) == 1_750_000


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("04 00 00 00 04", "04 08 00 01 00 02 ff ff 80 00"),
        ("04 00 02 00 02", "04 04 ff ff 80 00"),
        ("04 00 07 00 01", "04 02 00 08"),
        ("03 00 20 00 02", "03 04 00 64 00 65"),
        ("01 00 10 00 0a", "01 02 49 02"),
        ("01 00 13 00 01", "01 01 01"),
        ("06 00 21 00 07", "06 00 21 00 07"),
        ("05 00 10 ff 00", "05 00 10 ff 00"),
        ("05 00 10 00 00", "05 00 10 00 00"),
        ("10 00 20 00 02 04 00 01 00 02", "10 00 20 00 02"),
        ("2b 0e 01 00", "2b 0e 01 01 00 00 03 00 05 6d 61 6b 65 72 01 05 62 65 6e 63 68 02 01 39"),
        ("2b 0e 03 02", "2b 0e 03 01 00 00 01 02 01 39"),
        ("2b 0e 02 07", "2b 0e 02 01 00 00 03 00 05 6d 61 6b 65 72 01 05 62 65 6e 63 68 02 01 39"),
    ],
)
def test_answers(asked: str, told: str) -> None:
    """Pins the answer to each function, byte by byte, counts and bit order included."""
    assert said(asked) == bytes.fromhex(told)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("02 00 00 00 01", Code.FUNCTION),
        ("0f 00 10 00 01 01 01", Code.FUNCTION),
        ("2b 0d 01 00", Code.FUNCTION),
        ("41", Code.FUNCTION),
        ("04 00 02 00 04", Code.ADDRESS),
        ("04 00 08 00 01", Code.ADDRESS),
        ("04 ff ff 00 7d", Code.ADDRESS),
        ("03 00 1f 00 01", Code.ADDRESS),
        ("06 00 2a 00 01", Code.ADDRESS),
        ("10 00 29 00 02 04 00 01 00 02", Code.ADDRESS),
        ("04 00 00 00 00", Code.VALUE),
        ("04 00 00 00 7e", Code.VALUE),
        ("01 00 10 07 d1", Code.VALUE),
        ("05 00 10 00 01", Code.VALUE),
        ("06 00 20 03 e8", Code.VALUE),
        ("10 00 20 00 00 00", Code.VALUE),
        ("10 00 20 00 02 02 00 01", Code.VALUE),
        ("2b 0e 04 00", Code.VALUE),
        ("2b 0e 00 00", Code.VALUE),
    ],
)
def test_refusals(asked: str, code: Code) -> None:
    """Pins each exception: function not listed, address outside a block or across two, value or count out of range."""
    told = said(asked)
    assert told == bytes((bytes.fromhex(asked)[0] | 0x80, code))


@pytest.mark.parametrize(
    "asked", ["", "04", "04 00 00 00", "04 00 00 00 01 00", "06 00 20", "10 00 20 00 01 02 00", "2b 0e 01"]
)
def test_wrong_length_is_malformed(asked: str) -> None:
    """Pins that a request whose length isn't what it implies is told apart from one that is refused."""
    assert isinstance(said(asked), Malformed)


def test_a_refused_write_changes_nothing() -> None:
    """Pins that of a write in which one value is out of range none is carried out."""
    bench = Bench()
    answer(bytes.fromhex("10 00 20 00 02 04 00 01 ff ff"), bench)
    assert not bench.written
    answer(bytes.fromhex("10 00 20 00 02 04 00 01 00 02"), bench)
    assert bench.written == [(Table.HOLDING, 32, [1, 2])]


def test_u32_is_high_word_first_and_wraps() -> None:
    """Pins the word order of 32-bit values and that a counter wraps."""
    assert u32(0x0001_2345) == (1, 0x2345)
    assert u32(0x1_0000_0007) == (0, 7)


# -- RTU ---------------------------------------------------------------------------------------------------------

READ = "01 04 00 00 00 04"


def heard(data: bytes, unit: int = 1) -> list[tuple[int, bytes]]:
    """Give what a fresh RTU framing makes of bytes that come in one piece."""
    return [(frame.unit, frame.pdu) for frame in RtuFraming(unit, GAP).feed(data, 0)]


def test_rtu_request_in_any_pieces() -> None:
    """Pins that a request is found at its last byte, wherever its bytes were split."""
    whole = rtu(READ)
    for split in range(1, len(whole)):
        framing = RtuFraming(1, GAP)
        assert framing.feed(whole[:split], 0) == []
        assert framing.feed(whole[split:], GAP - 1) == [Frame(1, whole[1:-2])]


def test_rtu_silence_ends_what_is_incomplete() -> None:
    """Pins that half a request, a silence, and a whole request give just the whole one."""
    whole = rtu(READ)
    framing = RtuFraming(1, GAP)
    assert framing.feed(whole[:5], 0) == []
    assert framing.feed(whole, GAP) == [Frame(1, whole[1:-2])]


def test_rtu_torn_request_isnt_completed_after_a_silence() -> None:
    """Pins that the two halves of a request with a silence between them are no request."""
    whole = rtu(READ)
    framing = RtuFraming(1, GAP)
    assert framing.feed(whole[:5], 0) == []
    assert framing.feed(whole[5:], GAP) == []


@pytest.mark.parametrize("at", range(8))
def test_rtu_any_bit_error_is_no_request(at: int) -> None:
    """Pins that a request with a bit flipped anywhere isn't taken, and the next one after a silence is."""
    good = rtu(READ)
    bad = bytearray(good)
    bad[at] ^= 0x10
    framing = RtuFraming(1, GAP)
    assert framing.feed(bytes(bad), 0) == []
    assert framing.feed(good, GAP) == [Frame(1, good[1:-2])]


NEIGHBOURS = [
    ("02 04 00 00 00 0c", "02 04 18" + "00 01" * 12),
    ("02 03 00 20 00 01", "02 03 02 00 14"),
    ("02 01 00 03 00 01", "02 01 01 00"),
    ("02 05 00 03 ff 00", "02 05 00 03 ff 00"),
    ("02 06 00 20 00 14", "02 06 00 20 00 14"),
    ("02 10 00 20 00 01 02 00 14", "02 10 00 20 00 01"),
    ("02 04 00 00 00 7e", "02 84 03"),
    ("02 2b 0e 01 00", "02 2b 0e 01 01 00 00 03 00 01 61 01 01 62 02 01 63"),
    ("02 17 00 00 00 01 00 00 00 01 02 00 07", "02 17 02 00 07"),
    ("02 41 01 02 03", "02 c1 01"),
]


@pytest.mark.parametrize(("asked", "told"), NEIGHBOURS)
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_rtu_neighbours_traffic_doesnt_confuse(asked: str, told: str, size: int) -> None:
    """Pins that a request to another unit, its answer, and a request to this one are told apart without any silence."""
    framing = RtuFraming(1, GAP)
    heard_here = []
    for line in (rtu(asked), rtu(told), rtu(READ)):
        for begin in range(0, len(line), size):
            heard_here += framing.feed(line[begin : begin + size], 0)
    assert [frame for frame in heard_here if frame.unit == 1] == [Frame(1, bytes.fromhex(READ)[1:])]


def test_rtu_request_inside_a_neighbours_frame_isnt_ours() -> None:
    """Pins that bytes within another unit's write that look like a request to this one are not taken for one."""
    ours = rtu("01 05 00 03 ff 00")
    assert heard(rtu("02 10 00 20 00 04 08" + ours.hex())) == [(2, bytes.fromhex("10 00 20 00 04 08") + ours)]


def test_rtu_request_found_after_noise() -> None:
    """Pins that a whole request right behind noise, without a silence, is still found."""
    assert heard(b"\xff\xff\x00\xc0" + rtu(READ))[-1:] == [(1, bytes.fromhex(READ)[1:])]


def test_rtu_function_of_no_known_length() -> None:
    """Pins that a user-defined function is taken where its CRC fits all that came, and waits for a silence at most."""
    assert heard(rtu("01 41 01 02 03")) == [(1, bytes.fromhex("41 01 02 03"))]
    framing = RtuFraming(1, GAP)
    assert framing.feed(bytes.fromhex("01 41 01 02 03 04"), 0) == []
    assert framing.feed(rtu(READ), GAP) == [Frame(1, bytes.fromhex(READ)[1:])]


def test_rtu_buffer_is_bounded() -> None:
    """Pins that endless bytes without a frame leave no more behind than one frame's length."""
    framing = RtuFraming(1, GAP)
    for pattern in (b"\x01\x41", b"\x01\x10\x00\x00\x00\x7b\xf6", b"\x00", b"\x02\x2b\x0e\x01\x01\x00\x00\xff\x00\xff"):
        for _ in range(200):
            framing.feed(pattern * 50, 0)
            assert len(framing._buffer) <= 256


# -- TCP ---------------------------------------------------------------------------------------------------------

ASK = bytes.fromhex("ab cd 00 00 00 06 01 04 00 00 00 04")


def test_tcp_requests_in_any_pieces() -> None:
    """Pins that requests are found wherever the stream was split, several in a row too, with their transactions."""
    two = ASK + b"\x00\x02" + ASK[2:]
    for split in range(len(two) + 1):
        framing = TcpFraming()
        found = framing.feed(two[:split], 0) + framing.feed(two[split:], 0)
        assert [(frame.transaction, frame.unit, frame.pdu) for frame in found] == [
            (0xABCD, 1, ASK[7:]),
            (2, 1, ASK[7:]),
        ]


@pytest.mark.parametrize("head", ["00 01 00 01 00 06", "00 01 00 00 00 01", "00 01 00 00 00 ff", "00 01 00 00 ff ff"])
def test_tcp_impossible_header_is_dropped(head: str) -> None:
    """Pins that a wrong protocol id or an impossible length is answered by nothing, and the next chunk is read anew."""
    framing = TcpFraming()
    assert framing.feed(bytes.fromhex(head) + ASK[6:] + ASK, 0) == []
    assert [frame.transaction for frame in framing.feed(ASK, 0)] == [0xABCD]


def test_tcp_half_a_request_of_a_lost_connection() -> None:
    """Pins that an incomplete request is forgotten when the next bytes come seconds later."""
    framing = TcpFraming()
    assert framing.feed(ASK[:9], 0) == []
    assert [frame.transaction for frame in framing.feed(ASK, 2 * SECOND)] == [0xABCD]


# -- the server ------------------------------------------------------------------------------------------------------


class Line:
    """A server for the bench on a wire, counting how often it was spoken to."""

    def __init__(self, wire: Wire, unit: int = 1) -> None:
        self.spoken_to = 0
        self.server = Server(Settings(wire, unit, 0), 19_200, Bench(), self._count)

    def _count(self) -> None:
        self.spoken_to += 1

    def ask(self, data: bytes, now: int = 0) -> bytes:
        """Send bytes and give what comes back."""
        self.server.receive(data, now)
        return self.server.take()


def test_server_answers_on_rtu() -> None:
    """Pins the whole answer frame on a serial line, its CRC judged by pymodbus."""
    assert Line(Wire.SERIAL).ask(rtu("01 04 00 00 00 02")) == rtu("01 04 04 00 01 00 02")


def test_server_echoes_the_transaction() -> None:
    """Pins the whole answer frame over TCP: the request's transaction, protocol 0, length, unit."""
    assert Line(Wire.TCP, unit=9).ask(bytes.fromhex("ab cd 00 00 00 06 09 04 00 00 00 01")) == bytes.fromhex(
        "ab cd 00 00 00 05 09 04 02 00 01"
    )


@pytest.mark.parametrize("unit", ["00", "02", "f7"])
def test_server_keeps_silent_to_others_and_broadcasts(unit: str) -> None:
    """Pins that broadcasts and requests to other units are neither answered nor carried out nor counted as traffic."""
    line, tcp = Line(Wire.SERIAL), Line(Wire.TCP)
    assert line.ask(rtu(f"{unit} 06 00 20 00 01")) == b""
    assert tcp.ask(bytes.fromhex(f"00 01 00 00 00 06 {unit} 06 00 20 00 01")) == b""
    assert line.spoken_to == tcp.spoken_to == 0


def test_server_counts_traffic() -> None:
    """Pins what restarts a dead man: a well-formed request, refused or not; not one whose length is wrong."""
    line = Line(Wire.TCP)
    assert line.ask(ASK)[7:8] == b"\x04"
    assert line.spoken_to == 1
    assert line.ask(bytes.fromhex("00 01 00 00 00 06 01 04 00 00 00 00"))[7:] == b"\x84\x03"
    assert line.spoken_to == 2
    assert line.ask(bytes.fromhex("00 01 00 00 00 04 01 04 00 00"))[7:] == b"\x84\x03"
    assert line.spoken_to == 2


def test_server_answers_that_nobody_takes_are_bounded() -> None:
    """Pins that a host that never reads can't make the device's memory grow."""
    line = Line(Wire.TCP)
    for _ in range(10_000):
        line.server.receive(ASK, 0)
    assert len(line.server.take()) <= MAX_PENDING
    assert line.ask(ASK) != b""
