"""A small OpenID Connect provider on a real socket: accounts, a login page, PKCE, keys, and what a test twists.

Written from the specifications (OpenID Connect Core, Discovery, RP-Initiated Logout 1.0; RFC 6749, 7636, 9207), apart
from the station, which is held against it. It is `localhost`, the station 127.0.0.1: two sites, as in a clinic.
"""

import base64
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

Claims = dict[str, Any]
CLIENT = "infusion-station"


def key(kid: str, kind: str = "EC") -> ECKey | RSAKey:
    """Make a private key that signs."""
    more: Any = {"kid": kid, "use": "sig"}
    return ECKey.generate_key("P-256", more) if kind == "EC" else RSAKey.generate_key(2048, more)


class IdentityProvider:
    """The provider. people: account -> claims; twist: what becomes of an ID token's claims before it is signed.

    tls: certificate and key; log: every path asked for; away: status of every answer, None as it should be.
    """

    def __init__(self, *, secret: str | None = None, tls: tuple[Path, Path] | None = None) -> None:
        self.secret = secret
        self.people: dict[str, Claims] = {}
        self.redirects: set[str] = set()
        self.sign = key("first")
        self.published: list[Any] = [self.sign]
        self.twist: Callable[[Claims], Claims] = lambda claims: claims
        self.offer: Callable[[Claims], Claims] = lambda offer: offer
        self.token: Callable[[str], str] = lambda token: token
        self.withheld: tuple[str, ...] = ()
        """Claims that only its UserInfo has."""
        self.away: int | None = None
        self.log: list[str] = []
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, tuple[str, dict[str, str], int]] = {}
        self._here: dict[str, tuple[str, int]] = {}
        self._access: dict[str, str] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.issuer = f"http{'s' if tls else ''}://localhost:{self.port}/clinic"
        routes = [
            Route("/clinic/.well-known/openid-configuration", self._offered),
            Route("/clinic/keys", self._keys),
            Route("/clinic/authorize", self._authorize),
            Route("/clinic/login", self._login, methods=["POST"]),
            Route("/clinic/token", self._token, methods=["POST"]),
            Route("/clinic/userinfo", self._userinfo),
            Route("/clinic/logout", self._logout),
        ]
        app = Starlette(routes=[Route(one.path, self._noted(one.endpoint), methods=one.methods) for one in routes])
        certificate, own = tls or (None, None)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                lifespan="off",
                ws="none",
                ssl_certfile=certificate,
                ssl_keyfile=None if own is None else str(own),
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def _noted(self, work: Any) -> Any:
        async def answer(asked: Request) -> Response:
            self.log.append(asked.url.path.removeprefix("/clinic/"))
            if self.away is not None:
                return JSONResponse({"error": "server_error"}, self.away)
            found: Response = await work(asked)
            return found

        return answer

    async def _offered(self, _asked: Request) -> Response:
        at = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "jwks_uri": "keys",
            "userinfo_endpoint": "userinfo",
            "end_session_endpoint": "logout",
        }
        more = {"code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": True}
        offer = {"issuer": self.issuer} | {name: f"{self.issuer}/{path}" for name, path in at.items()} | more
        return JSONResponse(self.offer(offer))

    async def _keys(self, _asked: Request) -> Response:
        return JSONResponse(KeySet(self.published).as_dict(private=False))

    async def _authorize(self, asked: Request) -> Response:
        given = dict(asked.query_params)
        self.asked.append(given)
        wrong = [
            name
            for name, sound in {
                "client_id": given.get("client_id") == CLIENT,
                "redirect_uri": given.get("redirect_uri") in self.redirects,
                "response_type": given.get("response_type") == "code",
                "scope": "openid" in given.get("scope", "").split(),
                "code_challenge": len(given.get("code_challenge", "")) == 43,
                "code_challenge_method": given.get("code_challenge_method") == "S256",
                "state": len(given.get("state", "")) >= 32,
                "nonce": len(given.get("nonce", "")) >= 32,
            }.items()
            if not sound
        ]
        if wrong:
            return HTMLResponse(f"<h1>refused: {', '.join(wrong)}</h1>", 400)
        account, at_s = self._here.get(asked.cookies.get("sso", ""), ("", 0))
        if account and given.get("prompt") != "login":
            return self._back(account, given, at_s)
        hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in given.items())
        fields = '<input name="account" aria-label="account"><input name="password" type="password"><button>Go</button>'
        return HTMLResponse(f'<h1>The clinic</h1><form method="post" action="login">{hidden}{fields}</form>')

    async def _login(self, asked: Request) -> Response:
        given = await _form(asked)
        account = given.get("account", "")
        if account not in self.people or given.get("password") != f"password of {account}":
            return HTMLResponse("<h1>wrong</h1>", 401)
        sso, now_s = secrets.token_urlsafe(16), int(time.time())
        self._here[sso] = (account, now_s)
        answer = self._back(account, given, now_s)
        answer.set_cookie("sso", sso, httponly=True, samesite="lax")
        return answer

    def _back(self, account: str, given: dict[str, str], at_s: int) -> Response:
        code = secrets.token_urlsafe(16)
        self._codes[code] = (account, given, at_s)
        said = {"code": code, "state": given["state"], "iss": self.issuer}
        return RedirectResponse(f"{given['redirect_uri']}?{urlencode(said)}", 302)

    async def _token(self, asked: Request) -> Response:
        given = await _form(asked)
        if not self._client(asked, given):
            return JSONResponse({"error": "invalid_client"}, 401)
        account, begun, at_s = self._codes.pop(given.get("code", ""), ("", {}, 0))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        sound = account and challenge.rstrip(b"=").decode() == begun.get("code_challenge")
        if not sound or given.get("redirect_uri") != begun["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now_s = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "exp": now_s + 300, "iat": now_s, "auth_time": at_s,
            "nonce": begun["nonce"], **self.people[account],
        }  # fmt: skip
        claims = self.twist({name: value for name, value in claims.items() if name not in self.withheld})
        token = jwt.encode({"alg": "ES256", "kid": self.sign.kid}, claims, self.sign, algorithms=["ES256"])
        access = secrets.token_urlsafe(16)
        self._access[access] = account
        return JSONResponse({"token_type": "Bearer", "access_token": access, "id_token": self.token(token)})

    def _client(self, asked: Request, given: dict[str, str]) -> bool:
        if self.secret is None:
            return given.get("client_id") == CLIENT and "authorization" not in asked.headers
        kind, _, said = asked.headers.get("authorization", "").partition(" ")
        name, _, secret = base64.b64decode(said or "").decode().partition(":")
        return (kind, unquote_plus(name), unquote_plus(secret)) == ("Basic", CLIENT, self.secret)

    async def _userinfo(self, asked: Request) -> Response:
        account = self._access.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        return JSONResponse(self.people[account] if account else {}, 200 if account else 401)

    async def _logout(self, asked: Request) -> Response:
        given = dict(asked.query_params)
        if given.get("client_id") != CLIENT or not given.get("id_token_hint"):
            return HTMLResponse("<h1>who?</h1>", 400)
        self._here.pop(asked.cookies.get("sso", ""), None)
        return RedirectResponse(given["post_logout_redirect_uri"], 302)


async def _form(asked: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs((await asked.body()).decode()).items()}
