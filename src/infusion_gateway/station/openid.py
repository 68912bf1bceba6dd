"""Signing in by the clinic's identity provider: OpenID Connect's code flow with PKCE, beside the station's own people.

The page stays open while somebody signs in: the provider is visited in a window of its own, which comes back to
`/openid/return`. That is a link from another site, so that the sign-in's own cookie is SameSite=Lax, short-lived and
worth nothing else; the session's stays Strict. State, nonce and verifier stay here and hold for one try.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import urlencode, urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from infusion_gateway.config.settings import OpenIdSettings
from infusion_gateway.station import guard
from infusion_gateway.station.claims import person
from infusion_gateway.station.looking_back import NO_STORE, Asked
from infusion_gateway.station.screens import digest
from infusion_gateway.station.signin import LONGEST_DELAY_S, Delays, Denied, Session, SignIn
from infusion_gateway.station.visitor import Visitor

log = structlog.get_logger(__name__)

FLOW = "igw-openid"
HOLDS_S = 300
"""So long somebody may take at the provider."""
FLOWS, ASKING = 1024, 8
"""Sign-ins begun and not ended; questions to the provider at once."""
LONGEST_CODE = LONGEST_HINT = 4096
"""Characters of a code, and of a token that stands in an address when somebody signs out."""
Cookie: TypeAlias = Callable[[str], Mapping[str, Any]]
"""What Response.set_cookie wants of a session's."""
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ERROR = re.compile("[a-z_]{1,40}")


class Away(Exception):
    """The provider can't be asked: in words why. Caught where the request is answered."""


class Refused(Exception):
    """The provider said no, or is not believed: in words why. Caught where the request is answered."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Where the provider signs people in and out ("": it doesn't). names_itself: it says who answers (RFC 9207)."""

    begin: str
    end: str
    names_itself: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What the provider says of somebody, believed, and the token that said it."""

    claims: Mapping[str, Any]
    token: str


class Provider(Protocol):
    """What this needs of the provider."""

    async def offer(self) -> Offer:
        """Give what it offers. Away: it can't be asked."""

    async def known(self, code: str, *, verifier: str, redirect: str, nonce: str, begun_s: float | None) -> Known:
        """Turn a code into what it says of its person. Away, Refused: why not.

        begun_s: since when, on the station's clock, they must have proven who they are; None: any time.
        """


@dataclass(frozen=True, slots=True)
class Flow:
    """A sign-in that was begun. again: of which session; before: which ends with it; fresh: a password is a must."""

    state: str
    nonce: str
    verifier: str
    redirect: str
    begun_s: float
    place: str
    again: str
    before: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one ended: told to the page once. reason: in words, of a refused one."""

    outcome: Literal["signed-in", "again", "refused"]
    reason: str
    at_s: float


class OpenId:
    """The sign-ins of one station by one provider. secure: the page is reached over TLS."""

    def __init__(
        self, settings: OpenIdSettings, provider: Provider, sign_in: SignIn, now_s: Callable[[], float], *, secure: bool
    ) -> None:
        self._settings, self._provider, self._sign_in, self._now_s = settings, provider, sign_in, now_s
        self._cookie = f"__Host-{FLOW}" if secure else FLOW
        self._secure = secure
        self._flows: dict[str, Flow] = {}
        self._ended: dict[str, Outcome] = {}
        self._delays = Delays(LONGEST_DELAY_S)
        self._asking = 0
        self._end = ""
        self.name = urlsplit(settings.issuer).hostname or ""
        """What people know the provider by: its host."""

    def asked(self, visitor: Callable[[Request], Visitor], page: Path, session: Cookie) -> list[Asked]:
        """Give what can be asked. page: what the provider's window comes back to; session: its cookie as set."""

        async def begin(asked: Request) -> Response:
            return await self._begin(asked, visitor(asked))

        async def back(asked: Request) -> Response:
            return await self._back(asked, visitor(asked), session)

        async def done(_asked: Request) -> Response:
            return FileResponse(page, media_type="text/html; charset=utf-8")

        return [
            ("POST", "/api/openid", begin),
            ("GET", "/api/openid", self._told),
            ("GET", "/openid/return", back),
            ("GET", "/openid/done", done),
        ]

    def leaving(self, asked: Request, session: Session | None) -> str | None:
        """Give where to sign out at the provider, too (RP-initiated logout); None: nowhere, or not signed in by it."""
        base = _base(asked)
        if session is None or not session.subject or not self._end or not base:
            return None
        given = {"client_id": self._settings.client_id, "post_logout_redirect_uri": f"{base}/openid/done"}
        return _with(self._end, given | ({"id_token_hint": session.token} if session.token else {}))

    # Begun

    async def _begin(self, asked: Request, who: Visitor) -> Response:
        guard.checked(asked, who.token)
        again = bool((await guard.body(asked, again=bool))["again"])
        if again and (who.person is None or who.session is None or not who.session.subject):
            raise Denied(401, "sign in first")
        self._patient(who)
        base = _base(asked)
        if not base:
            raise Denied(400, "this is no address of the station")
        try:
            offer = await self._provider.offer()
        except Away as error:
            log.warning("the identity provider can't be asked", provider=self.name, error=str(error))
            words = f"{self.name} can't be asked: {error}. Sign in with your code and password, or try again"
            raise Denied(503, words, "", 10.0) from None
        self._end = offer.end
        held = who.session.id if who.session is not None else ""
        flow = Flow(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), f"{base}/openid/return",
            self._now_s(),
            who.place.key, held if again else "", held, again or who.local or who.screen is not None,
        )  # fmt: skip
        cookie = secrets.token_urlsafe(32)
        self._keep(digest(cookie), flow)
        answer = JSONResponse({"to": self._address(offer, flow)}, headers=NO_STORE)
        answer.set_cookie(
            self._cookie, cookie, max_age=HOLDS_S, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
        return answer

    def _address(self, offer: Offer, flow: Flow) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        given = {
            "response_type": "code", "client_id": self._settings.client_id, "redirect_uri": flow.redirect,
            "scope": " ".join(("openid", *self._settings.scopes)), "state": flow.state, "nonce": flow.nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return _with(offer.begin, given | ({"prompt": "login", "max_age": "0"} if flow.fresh else {}))

    def _keep(self, key: str, flow: Flow) -> None:
        """Remember one; where there are too many, the oldest of whoever has most makes room."""
        now_s = self._now_s()
        self._flows = {at: one for at, one in self._flows.items() if now_s - one.begun_s < HOLDS_S}
        self._ended = {at: one for at, one in self._ended.items() if now_s - one.at_s < HOLDS_S}
        if len(self._flows) >= FLOWS:
            most = Counter(one.place for one in self._flows.values()).most_common(1)[0][0]
            del self._flows[next(at for at, one in self._flows.items() if one.place == most)]
        self._flows[key] = flow

    # Come back

    async def _back(self, asked: Request, who: Visitor, session: Cookie) -> Response:
        """Take what the provider's window brought: one try, whatever comes of it. The page is told by `_told`."""
        answer = RedirectResponse("/openid/done", 303, NO_STORE)
        key = digest(asked.cookies.get(self._cookie, ""))
        flow = self._flows.get(key)
        state = asked.query_params.get("state", "")
        if flow is None or not hmac.compare_digest(flow.state.encode(), state.encode(errors="replace")):
            return answer  # nobody began it here: nothing is ended by it, and nothing told
        del self._flows[key]
        try:
            cookie = await self._ended_as(asked, who, flow)
        except (Denied, Away, Refused) as error:
            words = error.words if isinstance(error, Denied) else str(error)
            if isinstance(error, Away):
                words = f"{self.name} can't be asked: {words}. Sign in with your code and password, or begin again"
            log.info("signing in by the identity provider refused", provider=self.name, kind=type(error).__name__)
            self._ended[key] = Outcome("refused", words, self._now_s())
            return answer
        self._ended[key] = Outcome("again" if flow.again else "signed-in", "", self._now_s())
        if cookie is not None:
            answer.set_cookie(**session(cookie))
        return answer

    async def _ended_as(self, asked: Request, who: Visitor, flow: Flow) -> str | None:
        """End one; give the new session's cookie, None where one goes on. Denied, Away, Refused: why not."""
        if self._now_s() - flow.begun_s >= HOLDS_S:
            raise Denied(403, f"it took longer than {HOLDS_S // 60} minutes: begin again")
        code, error, issuer = (asked.query_params.get(name, "") for name in ("code", "error", "iss"))
        self._patient(who)
        if (issuer or (await self._provider.offer()).names_itself) and issuer != self._settings.issuer:
            raise Refused("the answer is another provider's")
        if error or not code or len(code) > LONGEST_CODE:
            raise Refused(f"the provider refused: {error if _ERROR.fullmatch(error) else 'no code'}")
        if self._asking >= ASKING:
            raise Denied(503, "many sign in just now: begin again in a moment")
        self._asking += 1
        self._delays.begin((who.place.key,), self._now_s())
        try:
            known = await self._provider.known(
                code, verifier=flow.verifier, redirect=flow.redirect, nonce=flow.nonce,
                begun_s=flow.begun_s if flow.fresh else None,
            )  # fmt: skip
        finally:
            self._asking -= 1
        found = person(known.claims, self._settings, self._sign_in.people)
        subject = known.claims["sub"]
        if flow.again:
            self._sign_in.proven(flow.again, subject, found)
            cookie = None
        else:
            token = known.token if len(known.token) <= LONGEST_HINT else ""
            cookie = self._sign_in.known(found, subject, token, before=flow.before)
        self._delays.right("", who.place.key)
        return cookie

    async def _told(self, asked: Request) -> Response:
        """Say how the sign-in that this browser began has ended: once."""
        found = self._ended.pop(digest(asked.cookies.get(self._cookie, "")), None)
        return JSONResponse(
            {"outcome": found.outcome if found else None, "reason": found.reason if found else ""}, headers=NO_STORE
        )

    def _patient(self, who: Visitor) -> None:
        if (left_s := self._delays.left_s((who.place.key,), self._now_s())) > 0:
            raise Denied(429, f"too many sign-ins failed: wait {left_s:.0f} s, then try again", "", left_s)


def _base(asked: Request) -> str:
    """Give the page's own address as the browser has it and the guard let it through; "": none."""
    host = asked.headers.get("host", "")
    return f"{asked.url.scheme}://{host.lower()}" if _HOST.fullmatch(host) else ""


def _with(url: str, given: dict[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(given)}"
