"""Tests of the Modbus client: frames out, and only the answer to the request in flight in."""

import logging
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.devices.driver import (
    Identification,
    ReadIdentification,
    ReadRegisters,
    Refused,
    Table,
    Words,
    WriteRegisters,
    Written,
)
from infusion_gateway.model.observation import Fault, FaultKind
from infusion_gateway.runtime.modbus_client import ModbusClient

GOLDEN = Path(__file__).parent.parent / "golden"
TIMEOUT = 300_000_000
STATUS = ReadRegisters(Table.INPUT, 0, 2, TIMEOUT)
WORDS = (0x1234, 0xABCD)


def crc(frame: bytes) -> bytes:
    """CRC-16 as in Modbus over Serial Line V1.02, 6.2.2: written here anew, so that it can judge."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def rtu(text: str, unit: int = 1) -> bytes:
    body = bytes([unit]) + bytes.fromhex(text)
    return body + crc(body)


def tcp(text: str, transaction: int, unit: int = 1) -> bytes:
    body = bytes([unit]) + bytes.fromhex(text)
    return transaction.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body


def asked(request=STATUS, *, over_tcp=False):
    client = ModbusClient(tcp=over_tcp)
    client.ask(request, 1, 5)
    return client


def kinds(found):
    return [item.kind for item in found]


# Each from the Modbus Application Protocol Specification V1.1b3: request, what it says, reply, what that means.
SPECIFIED = [
    (ReadRegisters(Table.COIL, 0x13, 0x13, 1), "01 0013 0013", "01 03 CD 6B 05", "1011001111010110101"),  # 6.1
    (ReadRegisters(Table.DISCRETE, 0xC4, 0x16, 1), "02 00C4 0016", "02 03 AC DB 35", "0011010111011011101011"),  # 6.2
    (ReadRegisters(Table.HOLDING, 0x6B, 3, 1), "03 006B 0003", "03 06 022B 0000 0064", (0x22B, 0, 0x64)),  # 6.3
    (ReadRegisters(Table.INPUT, 8, 1, 1), "04 0008 0001", "04 02 000A", (10,)),  # 6.4
    (WriteRegisters(Table.COIL, 0xAC, (1,), 1), "05 00AC FF00", "05 00AC FF00", None),  # 6.5
    (WriteRegisters(Table.HOLDING, 1, (3,), 1), "06 0001 0003", "06 0001 0003", None),  # 6.6
    (WriteRegisters(Table.HOLDING, 1, (10, 0x102), 1), "10 0001 0002 04 000A 0102", "10 0001 0002", None),  # 6.12
]


@pytest.mark.parametrize("over_tcp", [False, True], ids=["rtu", "tcp"])
@pytest.mark.parametrize(("request_", "says", "reply", "means"), SPECIFIED, ids=[row[1] for row in SPECIFIED])
def test_the_specifications_own_examples(request_, says, reply, means, over_tcp):
    """Pins requests and replies that the Modbus specification prints, over both framings."""
    client = ModbusClient(tcp=over_tcp)
    frame = client.ask(request_, 17, 5)
    assert frame == (tcp(says, 1, 17) if over_tcp else rtu(says, 17))
    expected = Written(request_) if means is None else Words(request_, tuple(int(m) for m in means), 5)
    assert client.feed(tcp(reply, 1, 17) if over_tcp else rtu(reply, 17)) == (expected,)
    assert not client.waiting


def test_identification_as_specified():
    """Pins function 43/14's example (6.21): its objects by number, its text as text."""
    names = [b"Company identification", b"Product code XX", b"V2.11"]
    reply = "2B0E01010000 03" + "".join(f"{n:02x}{len(t):02x}{t.hex()}" for n, t in enumerate(names))
    client = ModbusClient(tcp=False)
    assert client.ask(ReadIdentification(TIMEOUT), 1, 0) == rtu("2B 0E 01 00")
    (found,) = client.feed(rtu(reply))
    assert found == Identification(((0, "Company identification"), (1, "Product code XX"), (2, "V2.11")))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("2B0D 010000", FaultKind.UNEXPECTED),  # CANopen, not identification
        ("2B0E01010000 02 00 01 41 01 01", FaultKind.FRAMING),  # the last object has no bytes
        ("2B0E01010000 02 00 01 41 01", FaultKind.FRAMING),  # nor a length
        ("2B0E0101", FaultKind.FRAMING),
        ("2B0E01010000 03 00 01 41 01 01 42", FaultKind.FRAMING),  # three announced, two there
        ("2B0E01010000 01 00 01 41 01 01 42", FaultKind.FRAMING),  # one announced, two there
        ("2B0E01010000 02 00 01 41 00 01 42", FaultKind.FRAMING),  # the same object twice
        ("2B0E0101FF01 01 00 01 41", FaultKind.UNEXPECTED),  # goes on elsewhere: never half an identity
    ],
)
def test_an_identification_that_does_not_add_up(reply, kind):
    """Pins that an identity is taken whole or not at all."""
    client = asked(ReadIdentification(TIMEOUT), over_tcp=True)
    assert kinds(client.feed(tcp(reply, 1))) == [kind]
    assert not client.waiting


def test_hostile_text_in_an_identity_is_tamed():
    """Pins that control and non-ASCII bytes never reach a log or a page as such."""
    client = asked(ReadIdentification(TIMEOUT))
    text = b"\x1b[2J\xff\nok\0\0"
    (found,) = client.feed(rtu(f"2B0E01010000 01 00 {len(text):02x} {text.hex()}"))
    assert found.objects[0][1].isprintable()
    assert found.objects[0][1].endswith("ok")


def golden_frames():
    for path in sorted(GOLDEN.glob("modbus_*.toml")):
        rows = {row["id"]: row for row in tomllib.loads(path.read_text()).get("frame", [])}
        for row in rows.values():
            if "asks" in row:
                yield pytest.param(row, [r for r in rows.values() if r.get("answers") == row["id"]], id=row["id"])


def golden_request(asks):
    if asks.get("identification"):
        return ReadIdentification(TIMEOUT)
    table, address = Table(asks["table"]), asks["address"]
    if "values" in asks:
        return WriteRegisters(table, address, tuple(asks["values"]), TIMEOUT)
    return ReadRegisters(table, address, asks["count"], TIMEOUT)


@pytest.mark.parametrize(("row", "answers"), list(golden_frames()))
def test_golden_frames(row, answers):
    """Pins the frames of the two register maps, both ways, against the rows that the simulators are held to as well."""
    for framing in ("rtu", "tcp"):
        if framing not in row:
            continue
        client, frame = ModbusClient(tcp=framing == "tcp"), bytes.fromhex(row[framing])
        client._transaction = int.from_bytes(frame[:2], "big") - 1 if framing == "tcp" else 0
        unit = row.get("unit", 1)
        request = golden_request(row["asks"])
        assert client.ask(request, unit, 9) == frame
        for answer in answers:
            if framing not in answer or answer.get("direction") == "decode" or answer.get("unit", 1) != unit:
                continue
            client._transaction -= 1
            client.ask(request, unit, 9)
            (found,) = client.feed(bytes.fromhex(answer[framing]))
            assert not isinstance(found, Fault), found
            assert (found.code if isinstance(found, Refused) else None) == answer.get("refused")


@pytest.mark.parametrize("over_tcp", [False, True], ids=["rtu", "tcp"])
@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 11, 255])
def test_an_exception_is_a_refusal_of_this_request(over_tcp, code):
    """Pins that a Modbus exception ends the transaction with its code, and answers nothing."""
    client = asked(over_tcp=over_tcp)
    text = f"84 {code:02x}"
    assert client.feed(tcp(text, 1) if over_tcp else rtu(text)) == (Refused(STATUS, code),)
    assert not client.waiting


GOOD_RTU, GOOD_TCP = rtu("04 04 1234 ABCD"), tcp("04 04 1234 ABCD", 1)


@given(st.booleans(), st.data())
def test_any_split_gives_the_same_answer(over_tcp, data):
    """Pins that bytes may come in pieces of any size: nothing before the last one, then the one answer."""
    frame = GOOD_TCP if over_tcp else GOOD_RTU
    cuts = sorted(data.draw(st.sets(st.integers(1, len(frame) - 1))))
    client = asked(over_tcp=over_tcp)
    found = [client.feed(frame[a:b]) for a, b in zip([0, *cuts], [*cuts, len(frame)], strict=True)]
    assert found == [()] * len(cuts) + [(Words(STATUS, WORDS, 5),)]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (rtu("04 04 1234 ABCD", unit=2), FaultKind.UNEXPECTED),  # another unit's late answer
        (rtu("03 04 1234 ABCD"), FaultKind.UNEXPECTED),  # another table's
        (rtu("84 02", unit=2), FaultKind.UNEXPECTED),
        (rtu("83 02"), FaultKind.UNEXPECTED),  # an exception to another function
        (rtu("04 02 1234"), FaultKind.UNEXPECTED),  # a shorter block's
        (rtu("04 06 1234 ABCD 0000"), FaultKind.UNEXPECTED),  # a longer one's
        (rtu("05 0003 FF00"), FaultKind.UNEXPECTED),  # a write's
        (GOOD_RTU[:-1] + bytes([GOOD_RTU[-1] ^ 1]), FaultKind.CHECKSUM),
        (GOOD_RTU[:4] + b"\0" + GOOD_RTU[5:], FaultKind.CHECKSUM),
        (b"\x01\x55\x00\x00\x00", FaultKind.FRAMING),  # a function that there isn't
        (b"\x01\x04\xff\x00\x00", FaultKind.OVERFLOW),  # announces more than a frame can hold
        (b"\x00" + GOOD_RTU, FaultKind.CHECKSUM),  # noise before a good frame
    ],
)
def test_over_rtu_what_is_no_answer_spoils_the_transaction(frame, kind):
    """Pins that a stale, foreign or broken frame is a Fault, and that even a right answer behind it is not believed.

    Nothing in an RTU frame says which request it answers: two frames for one request are one too many.
    """
    client = asked()
    assert kinds(client.feed(frame)) == [kind]
    assert client.feed(GOOD_RTU) == ()
    assert not client.waiting


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (WriteRegisters(Table.COIL, 3, (1,), 1), "05 0003 0000"),  # the other value
        (WriteRegisters(Table.COIL, 3, (1,), 1), "05 0004 FF00"),  # another coil
        (WriteRegisters(Table.COIL, 3, (0,), 1), "05 0003 FF00"),
        (WriteRegisters(Table.HOLDING, 0x20, (20,), 1), "06 0020 0015"),
        (WriteRegisters(Table.HOLDING, 0x20, (20,), 1), "06 0021 0014"),
        (WriteRegisters(Table.HOLDING, 0x20, (20, 1), 1), "10 0020 0003"),
        (ReadRegisters(Table.COIL, 0, 9, 1), "01 01 FF"),  # bits short by one byte
    ],
)
@pytest.mark.parametrize("over_tcp", [False, True], ids=["rtu", "tcp"])
def test_an_echo_of_something_else_is_no_answer(request_, reply, over_tcp):
    """Pins that a write counts as answered only by its own address and value (or count)."""
    client = asked(request_, over_tcp=over_tcp)
    assert kinds(client.feed(tcp(reply, 1) if over_tcp else rtu(reply))) == [FaultKind.UNEXPECTED]


def test_over_tcp_stale_frames_are_passed_over():
    """Pins that frames under other ids are told, once however many, and the right one is still found behind them."""
    client = asked(over_tcp=True)
    for _ in range(2):
        client.ask(STATUS, 1, 7)
    stale = tcp("04 04 0000 0000", 1) + tcp("84 02", 2)
    found = client.feed(stale + tcp("04 04 1234 ABCD", 3))
    assert kinds(found[:1]) == [FaultKind.STALE_REPLY]
    assert found[1:] == (Words(STATUS, WORDS, 7),)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (tcp("04 04 1234 ABCD", 1, unit=2), FaultKind.UNEXPECTED),
        (tcp("03 04 1234 ABCD", 1), FaultKind.UNEXPECTED),
        (tcp("04 04 1234", 1), FaultKind.FRAMING),  # the byte count is not what is there
        (tcp("04 04 1234 ABCD 00", 1), FaultKind.UNEXPECTED),
        (b"\0\1\0\1\0\7" + GOOD_TCP[6:], FaultKind.FRAMING),  # not Modbus's protocol number
        (b"\0\1\0\0\0\2" + GOOD_TCP[6:], FaultKind.FRAMING),  # shorter than any reply
        (b"\0\1\0\0\xff\xff" + GOOD_TCP[6:], FaultKind.FRAMING),  # longer than any reply
        (tcp("80 01", 1), FaultKind.FRAMING),
        (tcp("84 02 00", 1), FaultKind.FRAMING),
    ],
)
def test_over_tcp_a_wrong_frame_under_the_right_id_spoils(frame, kind):
    """Pins that a frame that claims to be the answer and isn't, or isn't Modbus at all, ends all hope of one."""
    client = asked(over_tcp=True)
    assert kinds(client.feed(frame)) == [kind]
    assert client.feed(GOOD_TCP) == ()


@pytest.mark.parametrize("over_tcp", [False, True], ids=["rtu", "tcp"])
def test_a_doubled_answer_is_an_answer_and_a_fault(over_tcp):
    """Pins that the first copy counts and the second is told, not kept for the next request."""
    client, frame = asked(over_tcp=over_tcp), GOOD_TCP if over_tcp else GOOD_RTU
    answer, fault = client.feed(frame + frame)
    assert answer == Words(STATUS, WORDS, 5)
    assert fault.kind is FaultKind.UNEXPECTED
    client.ask(STATUS, 1, 6)
    assert client.feed(b"") == ()
    assert client.waiting


@pytest.mark.parametrize("over_tcp", [False, True], ids=["rtu", "tcp"])
def test_nothing_asked_nothing_taken(over_tcp):
    """Pins that bytes before a request, after its answer, or after it was given up are no answer and are not kept."""
    frame = GOOD_TCP if over_tcp else GOOD_RTU
    client = ModbusClient(tcp=over_tcp)
    assert client.feed(frame) == ()
    client.ask(STATUS, 1, 5)
    client.feed(frame[:4])
    client.forget()
    assert client.feed(frame[4:]) == ()
    client.ask(STATUS, 1, 5)
    assert client.feed(frame[4:]) == () or not client.waiting


def test_half_an_old_frame_never_begins_a_new_answer():
    """Pins that a new request begins with an empty buffer: a stale head gets no fresh tail."""
    client = asked()
    assert client.feed(GOOD_RTU[:5]) == ()
    client.ask(STATUS, 1, 6)
    assert client.feed(GOOD_RTU) == (Words(STATUS, WORDS, 6),)


def test_transaction_ids_differ_from_request_to_request():
    """Pins 65,535 ids in turn, never 0 (which pymodbus takes for any), and none repeated within them."""
    client = ModbusClient(tcp=True)
    seen = [int.from_bytes(client.ask(STATUS, 1, 0)[:2], "big") for _ in range(65_536)]
    assert len(set(seen[:-1])) == 65_535
    assert 0 not in seen
    assert seen[-1] == seen[0]


@pytest.mark.parametrize(
    "request_",
    [
        WriteRegisters(Table.INPUT, 0, (1,), 1),
        WriteRegisters(Table.DISCRETE, 0, (1,), 1),
        WriteRegisters(Table.COIL, 0, (2,), 1),
        WriteRegisters(Table.COIL, 0, (1, 1), 1),
        WriteRegisters(Table.HOLDING, 0, (), 1),
        WriteRegisters(Table.HOLDING, 0, tuple(range(124)), 1),
        ReadRegisters(Table.INPUT, 0, 126, 1),
        ReadRegisters(Table.INPUT, 0, 0, 1),
        ReadRegisters(Table.COIL, 70_000, 1, 1),
    ],
)
def test_what_modbus_has_no_words_for_is_refused(request_):
    """Pins that a driver's impossible request never becomes a frame, and leaves nothing in flight."""
    client = ModbusClient(tcp=False)
    with pytest.raises(ValueError):  # noqa: PT011 (pymodbus's own words for the ranges)
        client.ask(request_, 1, 0)
    assert not client.waiting


REQUESTS = st.sampled_from([*(row[0] for row in SPECIFIED), STATUS, ReadIdentification(1)])
BODIES, FEW = st.binary(max_size=260), st.integers(0, 3)
PIECES = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.builds(lambda body, unit: rtu(body.hex(), unit), BODIES, FEW),
        st.builds(lambda body, transaction, unit: tcp(body.hex(), transaction, unit), BODIES, FEW, FEW),
    ),
    max_size=6,
)


@given(REQUESTS, PIECES, st.booleans())
def test_arbitrary_bytes_never_raise(request_, pieces, over_tcp):
    """Pins that no bytes at all, framed well or not, raise or pile up beyond one frame, and one answer at most."""
    client = asked(request_, over_tcp=over_tcp)
    answers = []
    for piece in pieces:
        for found in client.feed(piece):
            if isinstance(found, Fault):
                assert len(found.detail) <= 200
            else:
                answers.append(found)
        assert len(client._buffer) <= 260
    assert len(answers) <= 1
    assert all(isinstance(found, Identification) or found.request == request_ for found in answers)


@given(st.integers(0, 255), st.binary(max_size=80), st.booleans())
def test_no_function_code_surprises(function, tail, over_tcp):
    """Pins that every function code, known to pymodbus or not, ends as a Fault, a refusal or a wait: never a raise."""
    body = bytes([function]) + tail
    client = asked(ReadIdentification(1), over_tcp=over_tcp)
    for found in client.feed(tcp(body.hex(), 1) if over_tcp else rtu(body.hex())):
        assert isinstance(found, Fault | Identification | Refused)


def test_an_identification_without_an_end_is_cut_off():
    """Pins the bound where a frame's length is only known object by object: 256 bytes, then a Fault."""
    client = asked(ReadIdentification(1))
    head = bytes.fromhex("012B0E01010000FF")
    assert client.feed(head + b"\0\xff" + b"a" * 200) == ()
    assert kinds(client.feed(b"a" * 100)) == [FaultKind.OVERFLOW]
    assert client._buffer == b""


@given(st.binary(min_size=1, max_size=40).filter(lambda noise: noise != GOOD_RTU))
def test_noise_is_never_believed(noise):
    """Pins that random bytes, even cut as the answer's length, give no words unless CRC, unit and length all fit."""
    client = asked()
    for found in client.feed(noise):
        assert isinstance(found, Fault | Refused) or noise[: len(GOOD_RTU)][-2:] == crc(noise[: len(GOOD_RTU) - 2])


@given(st.integers(0, len(GOOD_RTU) * 8 - 1))
def test_every_flipped_bit_is_seen(bit):
    """Pins that an answer with any one bit wrong is not taken."""
    frame = bytearray(GOOD_RTU)
    frame[bit // 8] ^= 1 << bit % 8
    assert not [found for found in asked().feed(bytes(frame)) if not isinstance(found, Fault)]


def test_pymodbus_says_nothing(caplog):
    """Pins that the library's own log stays empty: it would write the last twenty frames at each fault."""
    caplog.set_level(logging.DEBUG)
    for frame in (GOOD_RTU[:-1] + b"\0", b"\1\x55\0\0\0", rtu("04 02 1234", 2)):
        asked().feed(frame)
    asked(over_tcp=True).feed(tcp("80 01", 1))
    assert caplog.records == []
