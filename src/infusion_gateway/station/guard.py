"""What every request must hold and every answer says: whose host, whose page, how long; nothing of it may be framed.

The figures and the content-security policy are those of the security reference: no inline script, Trusted Types.
"""

import asyncio
import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infusion_gateway.station.signin import Denied

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; media-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
HOST = re.compile(r"(?:([a-z0-9._-]+)|\[([0-9a-f:.]+)\])(?::[0-9]{1,5})?")
"""A name or an address, and a port: nothing else is a Host."""
LONGEST_BODY = LONGEST_HEAD = 16 * 1024
BODY_WITHIN_S = 5.0
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Who sends one of these stands between: where the request really comes from is not known."""
CSRF = "x-igw-csrf"


class Guard:
    """Around the application: a foreign Host and a question that another site's page put are refused; headers set."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        extra = dict(HEADERS) | (dict([TRANSPORT]) if scope["scheme"] == "https" else {})

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", [])}
                added = {b"cache-control": b"no-cache"} | extra
                message["headers"] = [
                    *message.get("headers", []),
                    *((k, v) for k, v in added.items() if k not in given),
                ]
            await send(message)

        asked = Request(scope)
        if not self._ours(asked.headers.get("host", "")):
            await _refuse(with_headers, 400, "this station has another name: see hosts in its certificate")
        elif sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEAD:
            await _refuse(with_headers, 431, f"at most {LONGEST_HEAD} bytes of headers are read")
        elif scope["method"] not in ("GET", "HEAD", "POST"):
            await _refuse(with_headers, 405, "only GET and POST are answered")
        elif _from_elsewhere(asked):
            await _refuse(with_headers, 403, "another site's page asks for this")
        else:
            await self._app(scope, receive, with_headers)

    def _ours(self, host: str) -> bool:
        found = HOST.fullmatch(host.lower())
        name = "" if found is None else found[1] or found[2]
        return bool(name) and self._named(name)

    def _named(self, name: str) -> bool:
        return name in self._hosts or any(
            one.startswith("*.") and name.partition(".")[2] == one[2:] for one in self._hosts
        )


def _from_elsewhere(asked: Request) -> bool:
    """Say whether a browser says that another site's page asks; one may still lead here by a link."""
    site = asked.headers.get("sec-fetch-site", "none")
    page = asked.method == "GET" and asked.headers.get("sec-fetch-mode") == "navigate"
    return site not in ("same-origin", "none") and not page


async def _refuse(send: Send, status: int, words: str) -> None:
    body = json.dumps({"error": words}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def token(session: str | None, screen: str | None) -> str:
    """Give what a page must repeat with every change: of its cookies, which no other site's page can read.

    It needs no memory, so that a page goes on over the station's restart.
    """
    return hashlib.sha256(
        f"infusion-gateway csrf\0{session or ''}\0{screen or ''}".encode(errors="replace")
    ).hexdigest()


def checked(asked: Request, wanted: str | None) -> None:
    """Hold a change against its Origin and its token; wanted None: any token will do. Denied: it isn't our page's."""
    origin = f"{asked.url.scheme}://{asked.headers.get('host', '')}"
    if asked.headers.get("origin", "") != origin:
        raise Denied(403, "this did not come from the station's own page", "origin")
    given = asked.headers.get(CSRF, "")
    if not given or (wanted is not None and given != wanted):
        raise Denied(403, "the page is older than its sign-in: load it again", "csrf")


def kind(asked: Request) -> str:
    """Say what a request's body says that it is, without parameters, in small letters."""
    return asked.headers.get("content-type", "").partition(";")[0].strip().lower()


async def received(asked: Request) -> bytes:
    """Read a request's whole body. Denied: it is too long, or takes too long."""
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in asked.stream():
                read += part
                if len(read) > LONGEST_BODY:
                    raise Denied(413, f"at most {LONGEST_BODY} bytes are read")
    except (TimeoutError, ClientDisconnect):
        raise Denied(408, f"the whole request must come within {BODY_WITHIN_S:g} s") from None
    return bytes(read)


async def body(asked: Request, **fields: type) -> dict[str, Any]:
    """Read a JSON object: these fields and no others, None where one is missing. Denied: it is something else."""
    if kind(asked) != "application/json":
        raise Denied(415, "send JSON: Content-Type: application/json")
    read = await received(asked)
    try:
        found = json.loads(read.decode(), parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()  # half a character, and what nests too deep, go no further
    except (ValueError, RecursionError):
        raise Denied(400, "this is no JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise Denied(400, "send one JSON object")
    if unknown := sorted(set(found) - set(fields)):
        raise Denied(400, "this field is not known here", str(unknown[0])[:40])
    for name, wanted in fields.items():
        if found.get(name) is not None and not isinstance(found[name], wanted):
            raise Denied(400, f"this field is no {wanted.__name__}", name)
    return {name: found.get(name) for name in fields}


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def is_local(asked: Request) -> bool:
    """Say whether this comes from this very machine, as far as nobody stands between."""
    if asked.client is None or any(name in asked.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(asked.client.host).is_loopback
    except ValueError:
        return False


def cookie(name: str, value: str, *, secure: bool, max_age_s: int | None) -> Mapping[str, Any]:
    """Give what Response.set_cookie wants: for this host alone, unread by scripts, never sent along from elsewhere."""
    return {
        "key": f"__Host-{name}" if secure else name,
        "value": value,
        "max_age": max_age_s,
        "path": "/",
        "secure": secure,
        "httponly": True,
        "samesite": "strict",
    }
