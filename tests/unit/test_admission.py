"""Whether an instruction is a person's, here and now: unsigned, altered, replayed, late, unallowed ones are not."""

from typing import Any

import pytest

from infusion_gateway.model.instructions import Acknowledge, HoldOff, Instruction, Limits, PauseAudio, Stop
from infusion_gateway.model.instructions import TestAlarm as AlarmTest
from infusion_gateway.model.metric import SECOND
from infusion_gateway.wire import admission
from infusion_gateway.wire.admission import CHALLENGE_FOR, TAKEN_FOR, Admission
from infusion_gateway.wire.asking import LONGEST, Parsed, Refusal, write_instruction
from infusion_gateway.wire.sealing import Keyring, Signer
from signing_keys import enrolled, signer

STATION, LEAD, WALL, BENCH = signer("station-1"), signer("lead-1"), signer("wall-1"), signer("bench-1")
KEYS = Keyring(
    [
        enrolled(STATION, "clinician"),
        enrolled(LEAD, "supervisor"),
        enrolled(WALL, "viewer"),
        enrolled(BENCH, "tester"),
    ]
)
PAUSE = PauseAudio(60 * SECOND)


def topic(name: str, bed: str = "chair-1") -> str:
    return f"igw/v1/clinic-a/gateway-1/{bed}/do/{name}"


def write(asked: Instruction, challenge: str = "c-1", identity: str = "i-1", case: str = "case-1") -> bytes:
    return write_instruction(
        asked, by="nurse-7", identity=identity, case=case, station="desk-1", utc_ns=0, challenge=challenge
    )


def sealed(name: str, asked: Instruction, by: Signer = STATION, **frame: Any) -> bytes:
    return by.seal(topic(name), write(asked, **frame))


@pytest.fixture
def desk() -> Admission:
    """Give a gateway's judgement that has just sent its first heartbeat."""
    made = Admission(KEYS)
    made.renew("c-1", 0)
    return made


def refused(found: Parsed | Refusal) -> str:
    assert isinstance(found, Refusal), found
    return found.reason


def test_a_signed_instruction_comes_in_as_it_was_signed(desk: Admission) -> None:
    """Pins what is passed on: the instruction, who asks, and key, topic and bytes as they came."""
    payload = sealed("pause-audio", PAUSE)
    found = desk.admit(topic("pause-audio"), "pause-audio", payload, SECOND)
    assert isinstance(found, Parsed)
    assert (found.instruction, found.by, found.case, found.station) == (PAUSE, "nurse-7", "case-1", "desk-1")
    assert found.signed is not None
    assert (found.signed.kid, found.signed.topic) == ("station-1", topic("pause-audio"))
    assert found.signed.message.encode() == payload


def test_without_enrolled_keys_nothing_is_asked_and_nothing_claimed() -> None:
    """Pins the demo's way: unsigned is taken, and no key stands on the record, whatever the message says of one."""
    bare = Admission(Keyring([]))
    for payload in (write(PAUSE), sealed("pause-audio", PAUSE)):
        found = bare.admit(topic("pause-audio"), "pause-audio", payload, 0)
        assert isinstance(found, Parsed)
        assert found.signed is None


@pytest.mark.requirement("S42", "S43")
@pytest.mark.parametrize("name", ["stop", "pause-audio"])
def test_unsigned_altered_and_another_beds_are_turned_away(desk: Admission, name: str) -> None:
    """Pins that neither a stop nor anything else comes in without a signature of these bytes for this bed."""
    asked = Stop("") if name == "stop" else PAUSE
    good = sealed(name, asked)
    assert "not signed" in refused(desk.admit(topic(name), name, write(asked), 0))
    assert "not one of these bytes" in refused(desk.admit(topic(name), name, good.replace(b"nurse-7", b"nurse-8"), 0))
    assert "not one of these bytes" in refused(desk.admit(topic(name, "chair-2"), name, good, 0))
    stranger = sealed(name, asked, signer("stranger"))
    assert "no key called stranger" in refused(desk.admit(topic(name), name, stranger, 0))
    assert isinstance(desk.admit(topic(name), name, good, 0), Parsed), "none of it used the genuine one up"


def test_a_key_asks_for_what_its_role_allows(desk: Admission) -> None:
    """Pins that a viewer can't instruct at all, not even stop; a tester not silence; a clinician not set limits."""
    limits = Limits("spo2-low", 88.0, "chronic")
    cases: list[tuple[Signer, str, Instruction, bool]] = [
        (WALL, "stop", Stop(""), False),
        (WALL, "test-alarm", AlarmTest(), False),
        (BENCH, "test-alarm", AlarmTest(), True),
        (BENCH, "stop", Stop(""), True),
        (BENCH, "pause-audio", PAUSE, False),
        (STATION, "limits", limits, False),
        (LEAD, "limits", limits, True),
    ]
    for number, (key, name, asked, allowed) in enumerate(cases):
        found = desk.admit(topic(name), name, sealed(name, asked, key, identity=f"i-{number}"), 0)
        assert isinstance(found, Parsed) is allowed, (key.kid, name)
        if isinstance(found, Refusal):
            assert found.reason.startswith(f"{key.kid} may not ask for {name}")
            assert (found.key, found.id, found.station) == (key.kid, f"i-{number}", "desk-1"), "its asker is told"


@pytest.mark.requirement("S42", "S43")
@pytest.mark.parametrize("name", ["stop", "pause-audio"])
def test_the_same_bytes_again_are_a_replay(desk: Admission, name: str) -> None:
    """Pins that what was taken is not taken again, a stop however late, and that the refusal names the key."""
    payload = sealed(name, Stop("") if name == "stop" else PAUSE)
    assert isinstance(desk.admit(topic(name), name, payload, 0), Parsed)
    again = desk.admit(topic(name), name, payload, SECOND)
    assert "replay" in refused(again)
    assert isinstance(again, Refusal)
    assert (again.key, again.id, again.station) == ("station-1", "i-1", "desk-1")
    late = refused(desk.admit(topic(name), name, payload, 2 * TAKEN_FOR))
    assert "replay" in late if name == "stop" else "no challenge" in late


def test_a_challenge_holds_for_two_heartbeats_and_not_over_a_restart() -> None:
    """Pins the window: this heartbeat's and the one before, no longer than their time, none of another process."""
    desk = Admission(KEYS)

    def takes(challenge: str, now: int) -> bool:
        payload = sealed("pause-audio", PAUSE, challenge=challenge, identity=f"i-{challenge}-{now}")
        return isinstance(desk.admit(topic("pause-audio"), "pause-audio", payload, now), Parsed)

    assert not takes("", 0), "before the first heartbeat nothing is fresh"
    desk.renew("c-1", 0)
    desk.renew("c-2", 5 * SECOND)
    assert takes("c-1", 6 * SECOND)
    assert takes("c-2", 6 * SECOND)
    desk.renew("c-3", 10 * SECOND)
    assert not takes("c-1", 10 * SECOND)
    assert takes("c-2", 10 * SECOND)
    assert takes("c-3", 10 * SECOND + CHALLENGE_FOR), "a stalled heartbeat leaves the last one its time"
    assert not takes("c-3", 10 * SECOND + CHALLENGE_FOR + 1)
    restarted = Admission(KEYS)
    restarted.renew("c-9", 0)
    old = sealed("pause-audio", PAUSE, challenge="c-3", identity="i-new")
    assert "no challenge" in refused(restarted.admit(topic("pause-audio"), "pause-audio", old, 0))


def test_a_stop_needs_no_challenge(desk: Admission) -> None:
    """Pins that a stop is taken whatever challenge it has: in time or not, it stops."""
    for number, challenge in enumerate(("", "of yesterday", "c-1")):
        payload = sealed("stop", Stop(""), challenge=challenge, identity=f"i-{number}")
        assert isinstance(desk.admit(topic("stop"), "stop", payload, 3600 * SECOND), Parsed)


def test_silence_names_the_occurrence_it_is_for(desk: Admission) -> None:
    """Pins that a signed acknowledgement or hold-off says which occurrence is meant."""
    for name, bare, bound in (
        ("acknowledge", Acknowledge("spo2-low"), Acknowledge("spo2-low", 17)),
        ("hold-off", HoldOff("spo2-low", "moving"), HoldOff("spo2-low", "moving", 17)),
    ):
        assert "which occurrence" in refused(desk.admit(topic(name), name, sealed(name, bare), 0))
        found = desk.admit(topic(name), name, sealed(name, bound, identity="i-2"), 0)
        assert isinstance(found, Parsed)
        assert found.instruction == bound


def test_what_is_remembered_is_bounded(desk: Admission, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a key can't make the gateway remember without end: more is refused, but a stop never for that."""
    monkeypatch.setattr(admission, "TAKEN", 3)
    monkeypatch.setattr(admission, "STOPS", 3)
    found = [
        desk.admit(topic("pause-audio"), "pause-audio", sealed("pause-audio", PAUSE, identity=f"i-{n}"), n)
        for n in range(5)
    ]
    assert [isinstance(one, Parsed) for one in found] == [True] * 3 + [False] * 2
    assert "too many" in refused(found[4])
    for n in range(5):
        stop = sealed("stop", Stop(""), identity=f"s-{n}")
        assert isinstance(desk.admit(topic("stop"), "stop", stop, 0), Parsed)
    later = sealed("pause-audio", PAUSE, identity="i-later", challenge="c-2")
    desk.renew("c-2", TAKEN_FOR)
    assert isinstance(desk.admit(topic("pause-audio"), "pause-audio", later, TAKEN_FOR + 4), Parsed)


def test_what_can_not_be_read_is_refused_before_and_after_its_signature(desk: Admission) -> None:
    """Pins that an overlong message is not even looked at, and that signed nonsense is named with its signer."""
    assert "At most" in refused(desk.admit(topic("stop"), "stop", b"x" * (LONGEST + 1), 0))
    odd = STATION.seal(
        topic("pause-audio"), b'{"id":"i-9","by":"n","challenge":"c-1","arguments":{"for_at_most_s":"long"}}'
    )
    found = desk.admit(topic("pause-audio"), "pause-audio", odd, 0)
    assert isinstance(found, Refusal)
    assert (found.key, found.id) == ("station-1", "i-9")
    assert "for_at_most_s" in found.reason
    dance = STATION.seal(topic("dance"), write(PAUSE))
    assert "may not ask for dance" in refused(desk.admit(topic("dance"), "dance", dance, 0))
