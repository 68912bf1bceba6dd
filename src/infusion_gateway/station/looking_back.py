"""What was before, for who may see it: a bed's log, page after page, as its gateway tells it."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from infusion_gateway.station.signin import Denied
from infusion_gateway.station.visitor import Visitor
from infusion_gateway.ward.shown import ShownLog
from infusion_gateway.wire.records import PUBLISHED

Asked: TypeAlias = tuple[str, str, Callable[[Request], Awaitable[Response]]]
"""Method, path, and what answers."""
NO_STORE = {"cache-control": "no-store"}
AT_ONCE = 8
"""Questions to gateways that wait for their answers; a gateway answers five pages a second, to everybody together."""
MOST_KINDS = 64
NEWEST = 2**53


class Past(Protocol):
    """What this needs of a station's hub."""

    async def log(self, gateway: str, bed: str, *, before: int | None = None, kinds: Sequence[str] = ()) -> ShownLog:
        """Ask a gateway for a stretch of a bed's events."""


class LookingBack:
    """The routes. visitor: who asks."""

    def __init__(self, visitor: Callable[[Request], Visitor], past: Past) -> None:
        self._visitor, self._past = visitor, past
        self._waiting = 0

    @property
    def asked(self) -> list[Asked]:
        """Give what can be asked."""
        return [("GET", "/api/beds/{gateway:str}/{bed:str}/log", self._log)]

    async def _log(self, asked: Request) -> Response:
        if not self._visitor(asked).sees:
            raise Denied(401, "sign in first")
        before, kinds = sequence(asked.query_params.get("before", "")), kinds_of(asked.query_params.get("kinds", ""))
        if self._waiting >= AT_ONCE:
            raise Denied(503, "many look back just now: ask again in a moment", "", 1.0)
        self._waiting += 1
        try:
            found = await self._past.log(
                asked.path_params["gateway"], asked.path_params["bed"], before=before, kinds=kinds
            )
        finally:
            self._waiting -= 1
        return Response(found.to_bytes(), media_type="application/json", headers=NO_STORE)


def sequence(text: str) -> int | None:
    """Read a bed's sequence; None: none was given. Denied: it is none."""
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII) or not 1 <= int(text) <= NEWEST:
        raise Denied(400, "before is the sequence of an event: a whole number from 1 on", "before")
    return int(text)


def kinds_of(text: str) -> tuple[str, ...]:
    """Read types of events, set apart by commas; (): every one. Denied: one of them is none, or there are too many."""
    kinds = tuple(dict.fromkeys(text.split(","))) if text else ()
    if len(kinds) > MOST_KINDS:
        raise Denied(400, f"at most {MOST_KINDS} kinds are asked for at once", "kinds")
    if unknown := sorted(set(kinds) - PUBLISHED):
        raise Denied(400, f"{unknown[0][:40]!r} is no type of event: docs/mqtt.md lists them", "kinds")
    return kinds
