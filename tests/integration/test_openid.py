"""Signing in by a real identity provider over HTTP: the provider's client held to its bounds, and the whole station."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from clinic import certificates
from identity_provider import CLIENT, IdentityProvider, key
from infusion_gateway.config.settings import OpenIdSettings
from infusion_gateway.station.openid import Away, Known, Refused
from infusion_gateway.station.provider import APART_S, FRESH_S, KEYS_APART_S, LARGEST, Provider
from openid_station import ANNA, PASSWORD, station

BACK = "http://127.0.0.1:8420/openid/return"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
"""RFC 7636, appendix B."""


@pytest.fixture(params=[None, "s3cret/ with=signs:%"], ids=["public", "confidential"])
def provider(request: pytest.FixtureRequest) -> Iterator[IdentityProvider]:
    """Give a provider, of a public client and of one with a secret."""
    made = IdentityProvider(secret=request.param)
    made.people, made.redirects = {"anna": ANNA}, {BACK}
    yield made
    made.close()


@pytest.fixture
async def public() -> AsyncIterator[IdentityProvider]:
    """Give a provider of a public client."""
    made = IdentityProvider()
    made.people, made.redirects = {"anna": ANNA}, {BACK}
    yield made
    await asyncio.to_thread(made.close)


def settings(provider: IdentityProvider, **change: Any) -> OpenIdSettings:
    """Give the configuration of its station."""
    made = OpenIdSettings(
        provider.issuer, CLIENT, provider.secret, None, {"nurses": "clinician"}, "groups", "preferred_username", ()
    )
    return replace(made, **change)


class Clock:
    """A clock that is put on."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Give its time."""
        return self.now_s


def client(provider: IdentityProvider, clock: Clock | None = None, **change: Any) -> Provider:
    """Give what asks it."""
    return Provider(settings(provider, **change), clock or Clock(), time.time)


async def code(provider: IdentityProvider, nonce: str = "n" * 32) -> str:
    """Sign anna in there by hand, and give the code that comes back."""
    asked = {
        "response_type": "code", "client_id": CLIENT, "redirect_uri": BACK, "scope": "openid", "state": "s" * 32,
        "nonce": nonce, "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    async with httpx2.AsyncClient(trust_env=False) as browser:
        form = asked | {"account": "anna", "password": "password of anna"}
        answer = await browser.post(f"{provider.issuer}/login", data=form)
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]


async def known(asks: Provider, code: str, **change: Any) -> Known:
    """Redeem a code."""
    given: dict[str, Any] = {"verifier": VERIFIER, "redirect": BACK, "nonce": "n" * 32, "begun_s": None}
    return await asks.known(code, **given | change)


async def test_a_code_becomes_claims_once(provider: IdentityProvider) -> None:
    """Pins the exchange with and without a secret: PKCE, the same way back, one nonce, one use."""
    asks = client(provider)
    found = await known(asks, await code(provider), begun_s=970.0)
    assert {k: found.claims[k] for k in ANNA} == ANNA
    for change in ({"verifier": VERIFIER[::-1]}, {"redirect": BACK + "x"}):
        with pytest.raises(Refused, match="invalid_grant"):
            await known(asks, await code(provider), **change)
    with pytest.raises(Refused, match="nonce"):
        await known(asks, await code(provider), nonce="m" * 32)
    once = await code(provider)
    await known(asks, once)
    with pytest.raises(Refused, match="invalid_grant"):
        await known(asks, once)
    assert provider.log.count(".well-known/openid-configuration") == 1
    assert provider.log.count("keys") == 1


async def test_a_wrong_secret_is_told_as_such(provider: IdentityProvider) -> None:
    """Pins that the station's own fault is told in the provider's word, and the secret in none."""
    with pytest.raises(Refused, match="invalid_client") as caught:
        await known(client(provider, secret="wrong-secret" if provider.secret else "any"), await code(provider))
    assert "secret" not in str(caught.value)


async def test_new_keys_are_fetched_and_not_too_often(public: IdentityProvider) -> None:
    """Pins rotation: a key that isn't known is looked for, once a minute at most; one that was taken back is no key."""
    clock = Clock()
    asks = client(public, clock)
    await known(asks, await code(public))
    public.sign = key("second")
    public.published = [public.sign]
    clock.now_s += KEYS_APART_S
    await known(asks, await code(public))
    assert public.log.count("keys") == 2
    public.sign = key("nobody's")
    for _ in range(3):
        with pytest.raises(Refused, match="no key that the provider publishes"):
            await known(asks, await code(public))
    assert public.log.count("keys") == 2
    clock.now_s += 3600
    public.published = []
    with pytest.raises(Refused, match="no key"):
        await known(asks, await code(public))


async def test_an_id_token_that_is_twisted_is_not_believed(public: IdentityProvider) -> None:
    """Pins, over the wire, that audience, expiry, algorithm and when somebody proved themselves are all held."""
    asks = client(public)
    for twist, why in (
        ({"aud": "another"}, "aud"), ({"iss": "http://localhost/x"}, "iss"), ({"exp": 1}, "expired"),
        ({"auth_time": 1}, "auth_time"),
    ):  # fmt: skip
        public.twist = lambda claims, twist=twist: claims | twist  # type: ignore[misc]  # bound now
        with pytest.raises(Refused, match=why):
            await known(asks, await code(public), begun_s=990.0)
    public.twist = lambda claims: claims
    public.token = lambda token: "eyJhbGciOiJub25lIn0." + token.split(".")[1] + "."
    with pytest.raises(Refused, match="not signed as it must be"):
        await known(asks, await code(public))


async def test_what_the_token_lacks_is_asked_for_of_the_same_person(public: IdentityProvider) -> None:
    """Pins UserInfo: asked only for what is missing, never over the token's word, and never of somebody else."""
    asks = client(public)
    await known(asks, await code(public))
    assert "userinfo" not in public.log
    public.withheld = ("groups", "preferred_username")
    found = await known(asks, await code(public))
    assert (found.claims["groups"], found.claims["preferred_username"]) == (["nurses"], "a.anders")
    public.twist = lambda claims: claims | {"sub": "somebody else"}
    with pytest.raises(Refused, match="two people"):
        await known(asks, await code(public))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"issuer": "http://localhost/other"}, "calls itself"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"token_endpoint": "http://login.clinic.example/token"}, "https"),
        ({"jwks_uri": "file:///etc/passwd"}, "https"), ({"jwks_uri": 7}, "https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "https"),
        ({"authorization_endpoint": "https://user@login.clinic.example/"}, "https"),
        ({"authorization_endpoint": "https://login.clinic.example/\r\nX: y"}, "https"),
        ({"token_endpoint": "https://login.clinic.example/" + "x" * 3000}, "https"),
        ({"token_endpoint": "https://[::1"}, "https"),
    ],
    ids=repr,
)  # fmt: skip
async def test_a_provider_that_can_not_be_used_is_refused(
    public: IdentityProvider, change: dict[str, Any], why: str
) -> None:
    """Pins what metadata must be: its own issuer, PKCE by S256, and addresses that nobody reads along."""
    public.offer = lambda offer: offer | change
    with pytest.raises(Away, match=why):
        await client(public).offer()


async def test_one_that_is_away_is_not_asked_all_the_time(public: IdentityProvider) -> None:
    """Pins how often: a minute for what it offers, ten seconds after a failure, however many ask."""
    clock = Clock()
    asks = client(public, clock)
    public.away = 503
    for _ in range(5):
        with pytest.raises(Away, match="status 503"):
            await asks.offer()
    assert len(public.log) == 1
    clock.now_s += APART_S
    public.away = None
    offers = await asyncio.gather(*(asks.offer() for _ in range(5)))
    assert {one.end for one in offers} == {f"{public.issuer}/logout"}
    assert len(public.log) == 2
    clock.now_s += FRESH_S
    await asks.offer()
    assert len(public.log) == 3


@pytest.fixture
def raw() -> Iterator[tuple[int, list[bytes]]]:
    """Give the port of something that answers each connection with the next of these bytes, and then nothing."""
    answers: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        held = []
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            held.append(one)
            if answers:
                one.recv(4096)
                try:
                    one.sendall(answers.pop(0))
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    yield int(listening.getsockname()[1]), answers
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def answer(body: bytes, *head: str) -> bytes:
    """Give an HTTP answer."""
    lines = ["HTTP/1.1 200 OK", f"content-length: {len(body)}", *head]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer(b"[" * 100_000), "JSON"), (answer(b"[]"), "JSON"), (answer(b"\xff\xfe"), "JSON"),
        (answer(b"x" * (LARGEST + 1)), "more than 256 KiB"), (answer(b"x", "content-encoding: gzip"), "compresses"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "status 302"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no answer"), (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, "no answer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_hostile_answers_are_bounded(raw: tuple[int, list[bytes]], said: bytes, why: str) -> None:
    """Pins that no answer, however long, deep, compressed or odd, is more than a reason why nobody signs in."""
    port, answers = raw
    answers.append(said)
    made = OpenIdSettings(f"http://127.0.0.1:{port}", CLIENT, None, None, {}, "groups", "preferred_username", ())
    with pytest.raises(Away, match=why):
        await Provider(made, Clock(), time.time).offer()


async def test_one_that_says_nothing_is_given_up(raw: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the time-out of the whole answer: who takes the connection and says nothing holds nobody up for long."""
    monkeypatch.setattr("infusion_gateway.station.provider.WITHIN_S", 0.3)
    made = OpenIdSettings(f"http://127.0.0.1:{raw[0]}", CLIENT, None, None, {}, "groups", "preferred_username", ())
    begun = time.monotonic()
    with pytest.raises(Away, match=r"did not answer within|no answer"):
        await Provider(made, Clock(), time.time).offer()
    assert time.monotonic() - begun < 5


async def test_a_certificate_that_nobody_knows_is_not_trusted(tmp_path: Path) -> None:
    """Pins TLS: an unknown authority's provider is refused and why is said; by `ca_file` it is believed."""
    certificates(tmp_path, {})
    provider = IdentityProvider(tls=(tmp_path / "broker.pem", tmp_path / "broker.key"))
    try:
        with pytest.raises(Away, match="its certificate is not trusted"):
            await client(provider).offer()
        offer = await client(provider, ca=tmp_path / "ca.pem").offer()
        assert offer.begin == f"{provider.issuer}/authorize"
        there = {"issuer": f"https://127.0.0.1:{provider.port}/clinic", "ca": tmp_path / "ca.pem"}
        with pytest.raises(Away, match="its certificate is not trusted"):
            await client(provider, **there).offer()
        provider.offer = lambda offer: offer | {"token_endpoint": f"http://localhost:{provider.port}/clinic/token"}
        with pytest.raises(Away, match="https"):
            await client(provider, ca=tmp_path / "ca.pem").offer()
    finally:
        await asyncio.to_thread(provider.close)


def test_the_whole_station(tmp_path: Path) -> None:
    """Pins the way through real processes: sign-in, the record's code, the entry that is the same, away, own people."""
    provider = IdentityProvider(secret="s3cret")
    try:
        with station(tmp_path, provider) as url, httpx2.Client(base_url=url, trust_env=False) as browser:
            head = {"origin": url}

            def me() -> Any:
                found = browser.get("/api/me").json()
                head["x-igw-csrf"] = found["csrf"]
                return found

            def sign_in(account: str, **body: Any) -> Any:
                me()
                to = browser.post("/api/openid", json=body, headers=head).json()["to"]
                form = dict(parse_qsl(urlsplit(to).query)) | {
                    "account": account, "password": f"password of {account}"
                }  # fmt: skip
                with httpx2.Client(trust_env=False) as there:
                    assert there.get(to).status_code == 200
                    back = there.post(f"{provider.issuer}/login", data=form).headers["location"]
                cross = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
                assert browser.get(back, headers=cross).headers["location"] == "/openid/done"
                return browser.get("/api/openid").json()

            assert sign_in("anna") == {"outcome": "signed-in", "reason": ""}
            assert me()["person"] == {"code": "a.anders", "title": "a.anders", "role": "clinician"}
            order = "/api/beds/gateway-1/chair-1/do/order"
            assert browser.post(order, json={"arguments": {}}, headers=head).json()["field"] == "again"
            assert sign_in("anna", again=True)["outcome"] == "again"
            assert browser.post(order, json={"arguments": {}}, headers=head).status_code == 200
            assert sign_in("dora")["outcome"] == "signed-in"
            assert (me()["person"]["code"], me()["again"]) == ("doctor-1", ["password", "openid"])
            provider.people["eve"] = {"sub": "e", "preferred_username": "nurse-1", "groups": ["nurses"]}
            assert "own people" in sign_in("eve")["reason"]
            left = browser.post("/api/sign-out", json={}, headers=head).json()["leave"]
            assert urlsplit(left).path == "/clinic/logout"
            provider.close()
            me()
            said = {"person": "nurse-1", "password": PASSWORD}
            assert browser.post("/api/sign-in", json=said, headers=head).json()["signed_in"] is True
            assert "Traceback" not in (tmp_path / "station.log").read_text()
    finally:
        provider.close()
