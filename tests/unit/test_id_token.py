"""What an ID token must hold before a word of it is believed, each by a token that lacks just that."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey

from identity_provider import CLIENT, key
from infusion_gateway.station.claims import claim
from infusion_gateway.station.id_token import LONGEST, UnknownKey, Untrue, believed, keys_of

NOW = 1_800_000_000
ISSUER = "https://login.clinic.example/realms/clinic"
NONCE = "a nonce of this sign-in alone"
OURS = key("ours")
KEYS = keys_of({"keys": [OURS.as_dict(private=False)]})
CLAIMS = {
    "iss": ISSUER, "aud": CLIENT, "sub": "0b7c", "nonce": NONCE, "iat": NOW - 1, "exp": NOW + 300, "auth_time": NOW - 5,
}  # fmt: skip


def token(claims: dict[str, Any], sign: Any = OURS, **header: Any) -> str:
    """Sign claims."""
    made = {"alg": "ES256", "kid": sign.kid} | header
    return jwt.encode(made, {k: v for k, v in claims.items() if v is not ...}, sign, algorithms=[made["alg"]])


def held(token: str, keys: KeySet = KEYS, since_s: float | None = None) -> Any:
    """Hold a token against all that it must be."""
    return believed(token, keys, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, utc_s=NOW + 0.5, since_s=since_s)


def plain(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Put a token together by hand."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_a_token_that_holds_gives_its_claims() -> None:
    """Pins that a sound token is believed: one audience or several with azp, EC and RSA, and unknown header members."""
    assert held(token(CLAIMS))["sub"] == "0b7c"
    assert held(token(CLAIMS | {"aud": [CLIENT], "x": 1}))["x"] == 1
    assert held(token(CLAIMS | {"aud": [CLIENT, "another"], "azp": CLIENT}))["azp"] == CLIENT
    rsa = key("rsa", "RSA")
    both = keys_of({"keys": [OURS.as_dict(private=False), rsa.as_dict(private=False)]})
    for algorithm in ("RS256", "PS384"):
        assert held(token(CLAIMS, rsa, alg=algorithm), both)["sub"] == "0b7c"
    strange = plain({"alg": "ES256", "kid": "ours", "pi.atm": "x"}, CLAIMS)
    with pytest.raises(Untrue, match="signature"):
        held(strange)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"iss": ISSUER + "/"}, "iss"), ({"iss": "https://login.evil.example"}, "iss"), ({"iss": ...}, "iss"),
        ({"iss": [ISSUER]}, "iss"), ({"aud": "another"}, "aud"), ({"aud": ["another"]}, "aud"), ({"aud": ...}, "aud"),
        ({"aud": {CLIENT: 1}}, "aud"), ({"aud": [CLIENT, "another"]}, "azp"),
        ({"azp": "another"}, "azp"), ({"aud": [CLIENT, "another"], "azp": "another"}, "azp"),
        ({"nonce": "of another sign-in"}, "nonce"), ({"nonce": ...}, "nonce"), ({"nonce": [NONCE]}, "nonce"),
        ({"nonce": None}, "nonce"), ({"exp": NOW - 60}, "expired"), ({"exp": ...}, "exp"), ({"exp": "2099"}, "exp"),
        ({"exp": True}, "exp"), ({"iat": NOW + 120}, "iat"), ({"iat": ...}, "iat"), ({"iat": NOW - 3600}, "long ago"),
        ({"iat": -(10**400)}, "long ago"), ({"nbf": NOW + 120}, "nbf"),
        ({"sub": ...}, "sub"), ({"sub": ""}, "sub"), ({"sub": "x" * 256}, "sub"), ({"sub": "ann\u0430"}, "sub"),
        ({"sub": "a\nb"}, "sub"), ({"sub": 7}, "sub"),
    ],
    ids=repr,
)  # fmt: skip
def test_each_claim_is_held(change: dict[str, Any], why: str) -> None:
    """Pins, one by one: issuer, audience, authorised party, nonce, times, subject; and that it is said which it was."""
    with pytest.raises(Untrue, match=why):
        held(token(CLAIMS | change))


def test_no_token_without_a_signature_of_the_providers_is_believed() -> None:
    """Pins that `none`, an HMAC by the published key, a changed payload and a stranger's key are refused."""
    for header in ({"alg": "none"}, {"alg": "None", "kid": "ours"}, {"alg": "none", "kid": "ours"}, {"kid": "ours"}):
        with pytest.raises(Untrue):
            held(plain(header, CLAIMS))
    public = OURS.as_pem(private=False)
    head = plain({"alg": "HS256", "kid": "ours"}, CLAIMS).rpartition(".")[0]
    mac = base64.urlsafe_b64encode(hmac.digest(public, head.encode(), hashlib.sha256)).rstrip(b"=").decode()
    with pytest.raises(Untrue, match="not signed as it must be"):
        held(f"{head}.{mac}")
    first, second = token(CLAIMS), token(CLAIMS | {"sub": "somebody else"})
    mixed = ".".join((first.split(".")[0], second.split(".")[1], first.split(".")[2]))
    with pytest.raises(Untrue, match="signature"):
        held(mixed)
    with pytest.raises(UnknownKey):
        held(token(CLAIMS, key("theirs")))
    with pytest.raises(Untrue, match="signature"):
        held(token(CLAIMS, key("ours")))


def test_a_key_that_the_token_brings_is_no_key() -> None:
    """Pins that `jwk`, `jku` and `x5u` in a header are nothing: only what the provider publishes signs."""
    theirs = key("ours")
    more = {"jwk": theirs.as_dict(private=False), "jku": "https://evil.example/keys", "x5u": "https://evil.example/x"}
    with pytest.raises(Untrue, match="signature"):
        held(token(CLAIMS, theirs, **more))


def test_what_is_published_and_can_not_sign_is_passed_over() -> None:
    """Pins that keys to encrypt with, secrets, private, short, unknown and broken ones are none; the rest counts."""
    good = OURS.as_dict(private=False)
    modulus = base64.urlsafe_b64encode(b"\xc1" * 128).rstrip(b"=").decode()
    short = {"kty": "RSA", "kid": "short", "n": modulus, "e": "AQAB"}
    other = OKPKey.generate_key("Ed25519", {"kid": "ed"}).as_dict(private=False)
    published = [
        good | {"kid": "enc", "use": "enc"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}, OURS.as_dict(private=True),
        short, other, {"kty": "ML-DSA", "kid": "new"}, good | {"x": "AAAA", "kid": "off the curve"}, {"kty": "EC"},
        {"kty": ["EC"]}, 7, None, good | {"kid": 7}, good,
    ]  # fmt: skip
    found = keys_of({"keys": published})
    assert [one.kid for one in found] == ["ours"]
    assert held(token(CLAIMS), found)["sub"] == "0b7c"
    for nothing in ({}, {"keys": {}}, [], None, {"keys": [7] * 100_000}):
        assert list(keys_of(nothing)) == []
    assert len(list(keys_of({"keys": [good] * 1000}))) <= 64
    with pytest.raises(UnknownKey):
        held(token(CLAIMS), keys_of({}))


@pytest.mark.parametrize(
    ("at_s", "since_s", "sound"),
    [
        (NOW - 5, 10.0, True), (NOW - 12, 10.0, True), (NOW - 12.5, 10.0, False), (NOW - 5, 2.5, False),
        (..., 10.0, False), (True, 10.0, False), ("now", 10.0, False), (10**400, 10.0, False),
        (NOW - 3600, None, True), (..., None, True),
    ],
    ids=repr,
)  # fmt: skip
def test_who_was_to_be_asked_anew_was(at_s: Any, since_s: float | None, sound: bool) -> None:
    """Pins auth_time: by the provider's own clock not before the question, and demanded wherever one was asked anew."""
    made = token(CLAIMS | {"auth_time": at_s})
    if sound:
        assert held(made, since_s=since_s)["sub"]
        return
    with pytest.raises(Untrue, match=r"auth_time|it can't be read"):
        held(made, since_s=since_s)


def test_a_token_made_late_of_an_old_proof_is_refused_by_this_machine_s_clock() -> None:
    """Pins the second clock: a provider that antedates `iat` to its proof doesn't make it a new one."""
    with pytest.raises(Untrue, match="auth_time"):
        held(token(CLAIMS | {"iat": NOW - 300, "auth_time": NOW - 300}), since_s=30.0)


@given(
    st.one_of(st.text(max_size=300), st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
)
def test_no_text_at_all_breaks_it(text: str) -> None:
    """Pins that whatever comes is refused as such, in words that repeat none of it."""
    for made in (text, f"{text}.{text}.{text}", f"{token(CLAIMS).rpartition('.')[0]}.{text}"):
        with pytest.raises(Untrue):
            held(made)


@pytest.mark.parametrize(
    "body",
    [b"[]", b"7", b"{", b'"x"', b'{"exp": NaN, "iss": 1}', b"[" * 100_000, b"\xff", b'{"iat": 1e999}', b"{}"],
)
def test_signed_nonsense_is_nonsense(body: bytes) -> None:
    """Pins that what a provider signs and is no set of claims is refused, however deep or odd."""
    from joserfc import jws

    with pytest.raises(Untrue):
        held(jws.serialize_compact({"alg": "ES256", "kid": "ours"}, body[:20_000], OURS, algorithms=["ES256"]))


def test_a_token_has_a_length() -> None:
    """Pins the bound: what is longer is not even read."""
    with pytest.raises(Untrue, match="longer"):
        held("x" * (LONGEST + 1))
    assert isinstance(OURS, ECKey)


def test_a_claim_is_found_by_its_name_before_its_path() -> None:
    """Pins how a claim is named: whole first, as with an address for a name, else by the path that its points make."""
    claims = {"a.b": 1, "a": {"b": 2, "c": {"d": 3}}, "https://clinic.example/roles": ["x"]}
    assert (claim(claims, "a.b"), claim(claims, "a.c.d"), claim(claims, "a.x"), claim(claims, "z")) == (
        1,
        3,
        None,
        None,
    )
    assert claim(claims, "https://clinic.example/roles") == ["x"]
    assert claim({"a": "text"}, "a.b") is None
