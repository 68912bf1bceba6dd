"""What the border lets through: bounded by kind, so that no flood stands in the way of anybody's stop."""

from pathlib import Path

import pytest

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.model.instructions import Hold, Instruction, PauseAudio, Stop
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime import sieve
from infusion_gateway.runtime.border import Border, begin_of, heard, settings_of
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.sieve import BEDS, HISTORY_RESERVE, RESERVE, Sieve
from infusion_gateway.wire.asking import LONGEST, write_instruction
from infusion_gateway.wire.sealing import Keyring, Signer
from infusion_gateway.wire.topics import Topics
from signing_keys import enrolled, signer

TOPICS = Topics("clinic-a", "gateway-1")
STATION, LEAD, WALL = signer("station-1"), signer("lead-1"), signer("wall-1")
KEYS = Keyring([enrolled(STATION, "clinician"), enrolled(LEAD, "supervisor"), enrolled(WALL, "viewer")])
PAUSE = PauseAudio(60 * SECOND)


def made(keys: Keyring = KEYS) -> Sieve:
    found = Sieve(TOPICS)
    found.keys = keys
    return found


def write(asked: Instruction, number: int = 0) -> bytes:
    return write_instruction(asked, by="nurse-7", identity=f"i-{number}", case="c", station="desk-1", utc_ns=0)


def sealed(name: str, asked: Instruction, number: int = 0, by: Signer = STATION) -> bytes:
    return by.seal(TOPICS.do("chair-1", name), write(asked, number))


def passes(of: Sieve, name: str, payload: bytes, now: int = 0, bed: str = "chair-1") -> bool:
    return of.passes(TOPICS.do(bed, name), payload, now)


@pytest.mark.parametrize("keys", [KEYS, Keyring([])], ids=["signed", "unsigned"])
@pytest.mark.parametrize(("name", "asked"), [("stop", Stop("")), ("hold", Hold(""))])
def test_a_stop_gets_through_a_flood_of_nonsense_under_its_name(keys: Keyring, name: str, asked: Instruction) -> None:
    """Pins that ten thousand false stops cost the true one nothing, are bounded themselves, and counted."""
    border = made(keys)
    let_through = sum(passes(border, name, b"{" * (number % 50)) for number in range(10_000))
    assert let_through == RESERVE
    assert passes(border, name, sealed(name, asked))
    assert border.dropped() == {"chair-1": 10_000 - RESERVE}
    assert border.dropped() == {}


def test_forgeries_in_a_stations_name_leave_its_own_allowance_alone() -> None:
    """Pins that who only claims a key can't use up what that key may ask, nor can one key another's."""
    border = made()
    forged = sealed("pause-audio", PAUSE, by=signer("station-1", "another"))
    for _ in range(1000):
        passes(border, "pause-audio", forged)
    assert sum(passes(border, "pause-audio", sealed("pause-audio", PAUSE, n)) for n in range(50)) == RESERVE
    assert passes(border, "pause-audio", sealed("pause-audio", PAUSE, by=LEAD))
    assert passes(border, "stop", sealed("stop", Stop(""))), "a stop counts by itself"


def test_one_captured_message_played_again_and_again_is_nonsense() -> None:
    """Pins that repetitions of a genuine message are not on its key's account, and that others of it come through."""
    border, captured = made(), sealed("stop", Stop(""))
    assert passes(border, "stop", captured)
    assert sum(passes(border, "stop", captured) for _ in range(10_000)) == RESERVE
    assert sum(passes(border, "stop", sealed("stop", Stop(""), n)) for n in range(1, 50)) == RESERVE - 1


def test_a_viewers_and_what_is_not_allowed_is_nonsense() -> None:
    """Pins that a key without the role for it is on the strangers' account, whatever it signs."""
    border = made()
    assert sum(passes(border, "stop", sealed("stop", Stop(""), n, by=WALL)) for n in range(100)) == RESERVE
    assert not passes(border, "stop", b"nonsense"), "they share it"
    assert passes(border, "stop", sealed("stop", Stop("")))


def test_unsigned_ones_are_bounded_by_bed_and_come_back_with_time() -> None:
    """Pins the bounds where nobody signs: a bed's stops, its other instructions; another bed has its own."""
    border = made(Keyring([]))
    assert sum(passes(border, "stop", write(Stop(""), n)) for n in range(1000)) == RESERVE
    assert sum(passes(border, "acknowledge", b"whatever it is") for _ in range(1000)) == RESERVE
    assert passes(border, "stop", write(Stop("")), bed="chair-2")
    assert not passes(border, "stop", write(Stop("")))
    assert passes(border, "stop", write(Stop("")), SECOND)


def test_what_is_no_instruction_takes_nothing_from_what_is_one() -> None:
    """Pins that a flood of unknown names, where nobody signs, is on the strangers' account; some are let through."""
    border = made(Keyring([]))
    assert sum(passes(border, "stop", b"nonsense") for _ in range(5)) == 5
    assert sum(border.passes(f"{TOPICS.root}/chair-1/do/TELEPORT", b"{}", 0) for _ in range(1000)) == RESERVE - 5
    assert passes(border, "pause-audio", write(PAUSE))
    assert passes(border, "stop", write(Stop("")))


def test_what_is_endless_or_elsewhere_is_not_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that overlong messages and other topics are dropped, and that memory has its bounds."""
    border = made()
    assert not passes(border, "stop", b"x" * (LONGEST + 1))
    for topic in (TOPICS.availability, TOPICS.seen("desk-1"), "igw/v1/clinic-a/gateway-2/chair-1/do/stop", "x", ""):
        assert not border.passes(topic, sealed("stop", Stop("")), 0)
    assert border.dropped() == {"chair-1": 1}
    for number in range(10_000):
        passes(border, "stop", b"{}", bed=f"b-{number}")
    assert len(border._allowed) <= sieve.KINDS * BEDS + sieve.KINDS
    assert len(border.dropped()) <= BEDS + 1
    monkeypatch.setattr(sieve, "REMEMBERED", 10)
    border = made()
    for number in range(50):
        passes(border, "stop", b"%d" % number)
        passes(border, "stop", sealed("stop", Stop(""), number))
    assert len(border._passed) == len(border._forged) == 10


def test_questions_for_what_happened_have_a_bound_of_their_own() -> None:
    """Pins that a flood of them is bounded and takes nothing from instructions."""
    border = made()
    assert sum(border.passes(TOPICS.history, b"{}", 0) for _ in range(10_000)) == HISTORY_RESERVE
    assert passes(border, "stop", sealed("stop", Stop("")))


def test_what_goes_between_gateway_and_border_comes_out_as_it_went_in(capsys: pytest.CaptureFixture[str]) -> None:
    """Pins the lines both ways: settings with their paths and secret, keys, messages with where to answer."""
    import json

    from infusion_gateway.runtime.mqtt import Arrived

    ca, secret = Path("ca.pem"), "correct horse"
    settings = BrokerSettings("h", 8883, True, False, ca, Path("c.pem"), Path("c.key"), "gateway-1", secret)
    begin = json.loads(json.dumps(begin_of(settings, TOPICS)))
    assert settings_of(begin["broker"]) == settings
    border = Border(begin, Clock())
    border.told({"keys": [[k.kid, k.raw.hex(), sorted(k.instructions)] for k in KEYS.keys]})
    arrived = Arrived(TOPICS.do("chair-1", "stop"), sealed("stop", Stop("")), False, TOPICS.answers("desk-1"), b"\x00c")
    border._arrived(arrived)
    border._arrived(Arrived(arrived.topic, sealed("stop", Stop(""), 1), True, None, None))
    (line,) = capsys.readouterr().out.splitlines()
    assert heard(json.loads(line)["heard"]) == arrived
    with pytest.raises(ValueError, match="dance"):
        border.told({"dance": True})
