"""The clinic's identity provider over HTTPS: what it offers, its keys, and a code turned into believed claims.

Whatever it answers is bounded in time and size, redirects are not followed, and how often it is asked is bounded too:
what it offers once a minute, its keys once an hour, or a minute after the last time where one is new. No proxy and no
password of the environment is used.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx2
from joserfc.jwk import KeySet

from infusion_gateway.config.broker import is_loopback
from infusion_gateway.config.settings import OpenIdSettings
from infusion_gateway.station.claims import lacks
from infusion_gateway.station.id_token import UnknownKey, Untrue, believed, keys_of
from infusion_gateway.station.openid import Away, Known, Offer, Refused

WITHIN_S = 5.0
"""For each question: name, connection, TLS and the whole answer."""
LARGEST = 256 * 1024
LONGEST_URL = 2048
FRESH_S = 60.0
APART_S = 10.0
"""Between two tries where it was away; whoever asks in between is told the same."""
KEYS_FRESH_S, KEYS_APART_S = 3600.0, 60.0
_CODE = re.compile("[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class _Offered:
    """Its metadata, as far as it is used (OpenID Connect Discovery 1.0, 3)."""

    offer: Offer
    token: str
    keys: str
    userinfo: str
    in_body: bool


class Provider:
    """One provider. now_s: a clock that never jumps; utc_s: seconds since 1970."""

    def __init__(self, settings: OpenIdSettings, now_s: Callable[[], float], utc_s: Callable[[], float]) -> None:
        self._settings, self._now_s, self._utc_s = settings, now_s, utc_s
        self._tls = ssl.create_default_context(cafile=None if settings.ca is None else str(settings.ca))
        self._asking = asyncio.Lock()
        self._offered: tuple[float, _Offered] | None = None
        self._away: tuple[float, str] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def offer(self) -> Offer:
        """Give what it offers, asked within the last minute. Away: it can't be asked, or can't be used."""
        return (await self._found()).offer

    async def known(self, code: str, *, verifier: str, redirect: str, nonce: str, begun_s: float | None) -> Known:
        """Turn a code into what the provider says of its person. Away, Refused: in words why not.

        begun_s: since when, by `now_s`, they must have proven who they are; None: any time.
        """
        found = await self._found()
        said = await self._redeemed(found, code, verifier, redirect)
        since_s = None if begun_s is None else self._now_s() - begun_s
        token, access = said.get("id_token"), said.get("access_token")
        if not isinstance(token, str):
            raise Refused("the provider gave no ID token: is the scope openid allowed?")
        try:
            claims = await self._believed(found, token, nonce, since_s)
        except Untrue as error:
            raise Refused(f"the provider's ID token is not believed: {error}") from None
        wanted = (self._settings.name_claim, self._settings.roles_claim)
        if lacks(claims, wanted) and found.userinfo and isinstance(access, str):
            claims = await self._more(found.userinfo, access, claims) | dict(claims)
        return Known(claims, token)

    async def _found(self) -> _Offered:
        async with self._asking:
            now_s = self._now_s()
            if self._offered is not None and now_s - self._offered[0] < FRESH_S:
                return self._offered[1]
            if self._away is not None and now_s - self._away[0] < APART_S:
                raise Away(self._away[1])
            url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = _offered(await self._get(url), self._settings.issuer)
            except Away as error:
                self._away = (self._now_s(), str(error))
                raise
            self._offered, self._away = (now_s, found), None
            return found

    async def _redeemed(self, found: _Offered, code: str, verifier: str, redirect: str) -> Mapping[str, Any]:
        own, secret = self._settings.client_id, self._settings.secret
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        auth: httpx2.BasicAuth | None = None
        if secret is None:
            form["client_id"] = own
        elif found.in_body:
            form |= {"client_id": own, "client_secret": secret}
        else:  # encoded before it is joined: RFC 6749, 2.3.1
            auth = httpx2.BasicAuth(quote_plus(own), quote_plus(secret))
        status, said = await self._ask("POST", found.token, form=form, auth=auth)
        if status != HTTPStatus.OK:
            why = said.get("error")
            known = why if isinstance(why, str) and _CODE.fullmatch(why) else f"status {status}"
            raise Refused(f"the provider refused the sign-in: {known}")
        return said

    async def _believed(self, found: _Offered, token: str, nonce: str, since_s: float | None) -> Mapping[str, Any]:
        async def held(newer_s: float) -> Mapping[str, Any]:
            keys = await self._published(found.keys, newer_s)
            own = self._settings
            return believed(
                token, keys, issuer=own.issuer, client_id=own.client_id, nonce=nonce, utc_s=self._utc_s(),
                since_s=since_s,
            )  # fmt: skip

        try:
            return await held(KEYS_FRESH_S)
        except UnknownKey:
            return await held(KEYS_APART_S)

    async def _published(self, url: str, newer_s: float) -> KeySet:
        """Give the provider's keys, fetched at most so long ago."""
        async with self._asking:
            now_s = self._now_s()
            if self._keys is None or now_s - self._keys[0] >= newer_s:
                self._keys = (now_s, keys_of(await self._get(url)))
            return self._keys[1]

    async def _more(self, url: str, access: str, claims: Mapping[str, Any]) -> dict[str, Any]:
        """Give what its UserInfo says, which must be of the same person (OpenID Connect Core 1.0, 5.3)."""
        said = await self._get(url, access)
        if said.get("sub") != claims["sub"]:
            raise Refused("the provider's two answers are about two people")
        return dict(said)

    async def _get(self, url: str, access: str | None = None) -> Mapping[str, Any]:
        headers = None if access is None else {"authorization": f"Bearer {access}"}
        status, said = await self._ask("GET", url, headers=headers)
        if status != HTTPStatus.OK:
            raise Away(f"{urlsplit(url).path} answers with status {status}")
        return said

    async def _ask(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, auth: httpx2.BasicAuth | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, Any]]:  # fmt: skip
        """Put one question; give the status and the JSON object of the answer. Away: there is none."""
        given = {"accept": "application/json", "accept-encoding": "identity", **(headers or {})}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(WITHIN_S),
                httpx2.AsyncClient(
                    verify=self._tls, trust_env=False, follow_redirects=False, timeout=WITHIN_S
                ) as client,
                client.stream(method, url, data=form, headers=given, auth=auth) as answer,
            ):
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise Away("it compresses what must not be")
                async for part in answer.aiter_raw():
                    body += part
                    if len(body) > LARGEST:
                        raise Away(f"it answers with more than {LARGEST // 1024} KiB")
                status = answer.status_code
        except TimeoutError:
            raise Away(f"it did not answer within {WITHIN_S:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise Away(_failed(error)) from None
        return status, _object(bytes(body), status)


def _failed(error: Exception) -> str:
    """Say what went wrong on the way: of a certificate what the TLS library says, else the kind of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"[:200]
        cause = cause.__cause__ or cause.__context__
    return "no connection" if isinstance(error, httpx2.ConnectError) else f"no answer ({type(error).__name__})"


def _object(body: bytes, status: int) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict):
        return said
    if status == HTTPStatus.OK:
        raise Away("it answers with something else than JSON")
    return {}


def _offered(said: Mapping[str, Any], issuer: str) -> _Offered:
    """Read its metadata. Away: it is another's, or lacks what a sign-in needs."""
    if said.get("issuer") != issuer:
        raise Away("it calls itself something else than [station.openid] issuer")
    methods = said.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise Away("it knows no PKCE with S256")
    ways = said.get("token_endpoint_auth_methods_supported")
    in_body = isinstance(ways, list) and "client_secret_basic" not in ways and "client_secret_post" in ways
    begin, token, keys = (
        _endpoint(said, name, issuer) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    )
    if not (begin and token and keys):
        raise Away("it says not where to sign in, or not with https")
    end, userinfo = _endpoint(said, "end_session_endpoint", issuer), _endpoint(said, "userinfo_endpoint", issuer)
    names_itself = said.get("authorization_response_iss_parameter_supported") is True
    return _Offered(Offer(begin, end, names_itself=names_itself), token, keys, userinfo, in_body)


def _endpoint(said: Mapping[str, Any], name: str, issuer: str) -> str:
    """Give one of its addresses; "" where there is none to use: https, or http on the loopback as the issuer itself."""
    url = said.get(name)
    if not isinstance(url, str) or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return ""
    try:
        found = urlsplit(url)
        host, _ = found.hostname, found.port
    except ValueError:
        return ""
    plain = found.scheme == "http" and issuer.startswith("http://") and is_loopback(host or "")
    sound = bool(host) and found.username is None and not found.fragment and (plain or found.scheme == "https")
    return url if sound else ""
