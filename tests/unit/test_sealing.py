"""Signatures on the wire: what they are of, and that nothing else passes for them."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infusion_gateway.model.keys import ROLES, EnrolledKey, Signed
from infusion_gateway.wire.sealing import Keyring, Unsealed, holds, is_sealed
from signing_keys import enrolled, signer

STATION = signer("station-1")
KEYS = Keyring([enrolled(STATION, "clinician"), enrolled(signer("wall-1"), "viewer")])
TOPIC = "igw/v1/clinic-a/gateway-1/chair-1/do/acknowledge"
PAYLOAD = b'{"id":"i-1","by":"nurse-7","arguments":{"code":"spo2-low"}}'
SEALED = STATION.seal(TOPIC, PAYLOAD)


def why(topic: str, payload: bytes, keys: Keyring = KEYS) -> str:
    found = keys.verify(topic, payload)
    assert isinstance(found, Unsealed), found
    return found.why


def test_a_sealed_message_is_still_its_own_object() -> None:
    """Pins the form: every member as before, `kid` and `sig` last, and the key is found by its name."""
    body = json.loads(SEALED)
    assert list(body) == ["id", "by", "arguments", "kid", "sig"]
    assert {key: body[key] for key in ("id", "by", "arguments")} == json.loads(PAYLOAD)
    assert body["kid"] == "station-1"
    assert KEYS.verify(TOPIC, SEALED) == enrolled(STATION, "clinician")
    assert is_sealed(SEALED)
    assert not is_sealed(PAYLOAD)


def test_the_signature_is_one_that_others_can_verify(tmp_path: Path) -> None:
    """Pins what is signed, by OpenSSL: the opening line, the topic, a zero byte, the bytes before the signature."""
    said, sig = SEALED.rsplit(b',"sig":"', 1)
    (tmp_path / "statement").write_bytes(b"infusion-gateway message v1\0" + TOPIC.encode() + b"\0" + said)
    (tmp_path / "sig").write_bytes(base64.b64decode(sig.removesuffix(b'"}')))
    raw = STATION.private.public_key().public_bytes_raw()
    (tmp_path / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + raw)  # RFC 8410, section 4
    verify = ("openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der", "-rawin")
    done = subprocess.run(
        [*verify, "-in", "statement", "-sigfile", "sig"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Verified Successfully" in done.stdout, done.stdout + done.stderr


@given(at=st.integers(0, len(SEALED) - 1), to=st.integers(0, 255))
@example(at=len(SEALED) - 5, to=ord("B"))  # the last letter of 64 bytes: "A", "Q", "g" or "w"
def test_any_byte_changed_is_noticed(at: int, to: int) -> None:
    """Pins that no byte of a sealed message can be another one, the signature's own included."""
    changed = SEALED[:at] + bytes((to,)) + SEALED[at + 1 :]
    assert isinstance(KEYS.verify(TOPIC, changed), EnrolledKey) == (changed == SEALED)


@pytest.mark.parametrize(
    "topic",
    [
        TOPIC.replace("chair-1", "chair-2"),
        TOPIC.replace("acknowledge", "pause-audio"),
        TOPIC.replace("gateway-1", "gateway-2"),
        "igw/v1/clinic-a/gateway-1/chair-1/alarms",
    ],
)
def test_a_signature_holds_on_its_own_topic_alone(topic: str) -> None:
    """Pins that what was signed for one bed, instruction or gateway is nothing for another."""
    assert "not one of these bytes on this topic" in why(topic, SEALED)


def test_what_is_not_signed_by_an_enrolled_key_is_said(subtests: pytest.Subtests) -> None:
    """Pins the words: no signature, an unknown key, another key under a known name, one that only looks signed."""
    stranger, impostor = signer("stranger"), signer("station-1", "another secret")
    cases = {
        "it is not signed": (PAYLOAD, SEALED[:-1], SEALED + b" ", SEALED[:-100], b"", b"}"),
        "no key called stranger is enrolled": (stranger.seal(TOPIC, PAYLOAD),),
        "not one of these bytes": (impostor.seal(TOPIC, PAYLOAD), SEALED.replace(b'"station-1"', b'"wall-1"')),
    }
    for words, payloads in cases.items():
        for payload in payloads:
            with subtests.test(words, payload=payload):
                assert words in why(TOPIC, payload)
    assert why(TOPIC, SEALED, Keyring([])) == "no key called station-1 is enrolled here"


def test_two_keys_of_one_name_while_they_are_changed() -> None:
    """Pins that a receiver may know an old and a new key under one name, and takes what either signed."""
    new = signer("station-1", "new")
    both = Keyring([enrolled(STATION, "clinician"), enrolled(new, "clinician")])
    for key in (STATION, new):
        found = both.verify(TOPIC, key.seal(TOPIC, PAYLOAD))
        assert isinstance(found, EnrolledKey)
        assert found.raw == key.private.public_key().public_bytes_raw()


def test_what_is_on_record_can_be_verified_years_later() -> None:
    """Pins that the recorded bytes and topic suffice, and that neither, nor the name, can be another."""
    record = Signed("station-1", TOPIC, SEALED.decode())
    assert holds(record, KEYS)
    assert not holds(Signed("wall-1", TOPIC, SEALED.decode()), KEYS)
    assert not holds(Signed("station-1", TOPIC, SEALED.decode().replace("nurse-7", "nurse-8")), KEYS)
    assert not holds(Signed("station-1", TOPIC.replace("chair-1", "chair-2"), SEALED.decode()), KEYS)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise(payload: bytes) -> None:
    """Pins that whatever comes is an answer in words, never an exception."""
    assert isinstance(KEYS.verify(TOPIC, payload), Unsealed)


def test_a_viewer_may_ask_for_nothing_and_only_a_supervisor_sets_limits() -> None:
    """Pins the roles: what each may ask for, and that roles add up."""
    assert ROLES["viewer"] == frozenset()
    assert ROLES["tester"] == {"test-alarm", "stop", "hold"}
    assert ROLES["supervisor"] - ROLES["clinician"] == {"limits"}
    assert enrolled(STATION, "viewer", "tester").instructions == ROLES["tester"]
    with pytest.raises(KeyError):
        enrolled(STATION, "administrator")
