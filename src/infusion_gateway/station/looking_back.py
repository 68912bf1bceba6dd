"""What was before, for who may see it: a bed's log as its gateway tells it; the audit and reports, for clinicians."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Protocol, TypeAlias
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from infusion_gateway.model.names import is_code, is_name
from infusion_gateway.review.report.day import Days, day_of
from infusion_gateway.review.report.markup import el, page, policy_of
from infusion_gateway.review.report.style import CSS
from infusion_gateway.station.auditing import Audited, Auditing, Published
from infusion_gateway.station.printing import Beside, CanNot, Printing
from infusion_gateway.station.signin import Denied
from infusion_gateway.station.visitor import Visitor
from infusion_gateway.ward.handing_over import ShownHandovers
from infusion_gateway.ward.shown import ShownLog
from infusion_gateway.wire.records import PUBLISHED
from infusion_gateway.wire.stamps import words

Asked: TypeAlias = tuple[str, str, Callable[[Request], Awaitable[Response]]]
"""Method, path, and what answers."""
NO_STORE = {"cache-control": "no-store"}
AT_ONCE, EACH = 8, 2
"""Questions that wait for their answers, to gateways and to one; which answers five a second, to everybody together."""
LOG_WITHIN_S = 15.0
"""So long a stretch of a log is waited for: less than a page does, so that nobody's place is held for one that left."""
MOST_KINDS = 64
NEWEST = 2**53
MOST_DAYS = 31
LONGEST_ZONE = 64
RECORDS = "look into reports and audits"
REPORT = NO_STORE | {
    "content-security-policy": f"{policy_of(CSS)}; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
}
"""Of a report: no script at all, nothing loaded, its one style sheet by its hash."""


class Past(Published, Protocol):
    """What this needs of a station's hub."""

    async def log(self, gateway: str, bed: str, *, before: int | None = None, kinds: Sequence[str] = ()) -> ShownLog:
        """Ask a gateway for a stretch of a bed's events."""

    def handover(self, gateway: str = "", bed: str = "") -> ShownHandovers:
        """Give what is to be handed over of a bed, of a gateway's, or of all."""


class LookingBack:
    """The routes. visitor: who asks; beside: the gateway whose journal is on this machine."""

    def __init__(self, visitor: Callable[[Request], Visitor], past: Past, beside: Beside | None) -> None:
        self._visitor, self._past = visitor, past
        self._printing = None if beside is None else Printing(beside)
        self._auditing = Auditing(past, self._printing)
        self._waiting: Counter[str] = Counter()

    @property
    def asked(self) -> list[Asked]:
        """Give what can be asked."""
        return [
            ("GET", "/api/beds/{gateway:str}/{bed:str}/log", self._log),
            ("GET", "/api/handover", self._handover),
            ("GET", "/api/audit", self._audit),
            ("GET", "/api/audit.csv", self._sheet),
            ("GET", "/report/{gateway:str}/{case:str}", self._report),
        ]

    async def _log(self, asked: Request) -> Response:
        if not self._visitor(asked).sees:
            raise Denied(401, "sign in first")
        before, kinds = sequence(asked.query_params.get("before", "")), kinds_of(asked.query_params.get("kinds", ""))
        gateway = asked.path_params["gateway"]
        if self._waiting.total() >= AT_ONCE or self._waiting[gateway] >= EACH:
            raise Denied(503, "many look back just now: ask again in a moment", "", 1.0)
        self._waiting[gateway] += 1
        try:
            async with asyncio.timeout(LOG_WITHIN_S):
                found = await self._past.log(gateway, asked.path_params["bed"], before=before, kinds=kinds)
        except TimeoutError:
            slow = f"{words(gateway, 40)} tells too slowly just now: ask again in a moment"
            raise Denied(503, slow, "", 1.0) from None
        finally:
            self._waiting[gateway] -= 1
            self._waiting = +self._waiting
        return Response(found.to_bytes(), media_type="application/json", headers=NO_STORE)

    async def _handover(self, asked: Request) -> Response:
        if not self._visitor(asked).sees:
            raise Denied(401, "sign in first")
        given = {name: asked.query_params.get(name, "") for name in ("gateway", "bed")}
        if wrong := [name for name, value in given.items() if value and not is_name(value)]:
            raise Denied(400, "this is no name", wrong[0])
        found = self._past.handover(**given)
        if given["bed"] and not found.beds:
            raise Denied(404, "there is no such bed here")
        return Response(found.to_bytes(), media_type="application/json", headers=NO_STORE)

    async def _audit(self, asked: Request) -> Response:
        made = await self._audited(asked)
        if isinstance(made, int):
            said = json.dumps({"working": True, "events": made})
            return Response(said, 202, NO_STORE, "application/json")
        return Response(made.shown, media_type="application/json", headers=NO_STORE)

    async def _sheet(self, asked: Request) -> Response:
        made = await self._audited(asked)
        if isinstance(made, int):
            raise Denied(503, "the audit is being made: ask again in a moment", "", 2.0)
        query = asked.query_params
        name = f"audit-{query['gateway']}-{query['from']}-to-{query['to']}.csv"
        headers = NO_STORE | {"content-disposition": f'attachment; filename="{name}"'}
        return Response(made.sheet, media_type="text/csv; charset=utf-8", headers=headers)

    async def _audited(self, asked: Request) -> Audited | int:
        self._visitor(asked).clinician(RECORDS)
        gateway, days = asked.query_params.get("gateway", ""), days_of(asked)
        if not is_name(gateway):
            raise Denied(400, "say which gateway", "gateway")
        try:
            return await self._auditing.of(gateway, days)
        except CanNot as error:
            raise Denied(503 if error.busy else 404, error.words, "", 2.0 if error.busy else 0.0) from None

    async def _report(self, asked: Request) -> Response:
        """Give the record of a case as it is printed, or words on where it can be."""
        gateway, case = asked.path_params["gateway"], asked.path_params["case"]
        try:
            self._visitor(asked).clinician(RECORDS)
        except Denied as error:
            return _words(error.status, f"{error.words}, then open this page again.")
        if not (is_name(gateway) and is_code(case)):
            return _words(400, "This is no case of a gateway.")
        if self._printing is None or self._printing.beside.gateway != gateway:
            command = f"infusion-gateway report {case} -c FILE"
            return _words(404, f"The journal of {gateway} is not beside this station. Run on its machine: {command}")
        try:
            made = await self._printing.case(case, _zone(asked.query_params.get("zone", "UTC")).key)
        except Denied as error:
            return _words(error.status, error.words)
        except CanNot as error:
            return _words(503 if error.busy else 404, f"The report can't be made: {error.words}")
        return Response(made, media_type="text/html; charset=utf-8", headers=REPORT)


def _words(status: int, text: str) -> Response:
    html = page("No report here", CSS, el("main", el("h1", "No report here"), el("p", text)))
    return Response(html, status, REPORT, "text/html; charset=utf-8")


def days_of(asked: Request) -> Days:
    """Read `from`, `to` and `zone` of a question. Denied: one of them is none."""
    zone = _zone(asked.query_params.get("zone", "UTC"))
    first, last = (_day(asked.query_params.get(name, ""), name) for name in ("from", "to"))
    if not 0 <= (last - first).days < MOST_DAYS:
        raise Denied(400, f"to is that day or a later one, and at most {MOST_DAYS} days are audited at once", "to")
    return Days(first, last, zone)


def _day(text: str, name: str) -> date:
    found = day_of(text)
    if found is None:
        raise Denied(400, f"{name} is a day, as 2026-11-22", name)
    return found


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text) if len(text) <= LONGEST_ZONE else ZoneInfo("")
    except (KeyError, ValueError, OSError):
        raise Denied(400, "zone is a time zone's name, as Europe/Berlin", "zone") from None


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
