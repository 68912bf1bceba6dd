"""The station's page and what it asks: the routes, who may use each, and the answers. Records nothing.

What is seen is seen by this machine's own browser, by an enrolled screen, and by who has signed in; who asks for
something must be a person whose role allows it. A stop alone is taken from any screen that stands where the beds are.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from infusion_gateway.model.instructions import NAMES
from infusion_gateway.station import guard
from infusion_gateway.station.calling import Bedside, CallButton
from infusion_gateway.station.courses import Courses
from infusion_gateway.station.duty import Duty
from infusion_gateway.station.looking_back import LookingBack, Past
from infusion_gateway.station.notifying import Notifying
from infusion_gateway.station.openid import OpenId
from infusion_gateway.station.people import Person
from infusion_gateway.station.printing import Beside
from infusion_gateway.station.screens import CALL, LOCAL, Screens, called
from infusion_gateway.station.shelf import Shelf
from infusion_gateway.station.signin import BY_PIN, DEMAND, Denied, Place, SignIn, may
from infusion_gateway.station.stream import EventStream, Feed
from infusion_gateway.station.visitor import CLINICIANS, Visitor
from infusion_gateway.ward.shown import Outcome, ShownTrend

log = structlog.get_logger(__name__)

PAGES = Path(__file__).parent / "pages"
SESSION, SCREEN = "igw", "igw-screen"
ENROLLED_S = 400 * 24 * 3600
"""Browsers keep no cookie for longer; a screen's is given anew at each look."""
STREAMS, EACH, KEPT = 256, 64, 96
"""Pages that are open at once: all; of one person, screen or address; and what is kept of all for who watches beds:
enrolled screens, this machine, clinicians."""
HERE = called(LOCAL)
"""Who stops on the record where nobody is signed in at this machine's own browser."""
STOP_S, ANSWER_S = 2.0, 8.0
TREND_MIN = 120


class Ward(Past, Bedside, Protocol):
    """What the page needs of a station's hub."""

    clients: int

    def trend(self, gateway: str, bed: str, minutes: float = 60) -> ShownTrend | None:
        """Give a bed's course; None: there is no such bed."""

    def alive(self, screen: str) -> None:
        """Take note that a nurses' station's screen shows and sounds."""


class Web:
    """One station's page. hosts: the names that it answers to; secure: it is reached over TLS."""

    def __init__(
        self, station: str, ward: Ward, feed: Feed, sign_in: SignIn, screens: Screens, *, beside: Beside | None = None,
        hosts: frozenset[str], secure: bool, pages: Path = PAGES, notifying: Notifying | None = None,
        openid: OpenId | None = None,
    ) -> None:  # fmt: skip
        self._station, self._ward, self._feed = station, ward, feed
        self._sign_in, self._screens = sign_in, screens
        self._secure, self._openid = secure, openid
        self._open: Counter[str] = Counter()
        self._courses = Courses(ward, time.monotonic)
        self._shelf = Shelf(pages)
        bed = "/api/beds/{gateway:str}/{bed:str}"
        asked = [
            ("GET", "/static/{path:path}", self._shelf.answer), ("GET", "/api/me", self._me),
            ("GET", "/api/people", self._people), ("GET", f"{bed}/trend", self._trend),
            ("POST", "/api/sign-in", self._begin), ("POST", "/api/sign-out", self._end),
            ("POST", "/api/again", self._again), ("POST", "/api/enrol", self._enrol),
            ("POST", "/api/alive", self._alive), ("POST", f"{bed}/do/{{name:str}}", self._instruct),
            *LookingBack(self.visitor, ward, beside).asked,
            *Duty(self.visitor, sign_in.touch, self._title, notifying).asked,
            *CallButton(self.visitor, ward, self._title, pages / "call.html", screens.all).asked,
            *([] if openid is None else openid.asked(self.visitor, pages / "openid.html", self._session)),
        ]  # fmt: skip
        routes = [Route(path, _answering(work), methods=[method]) for method, path, work in asked]
        app = Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/events", _Events(self), methods=["GET"]),
                *routes,
            ],
            exception_handlers={Denied: _denied, HTTPException: _no_such, Exception: _broken},
        )
        self.app: ASGIApp = guard.Guard(app, hosts)

    def visitor(self, asked: Request) -> Visitor:
        """Find out who asks."""
        prefix = "__Host-" if self._secure else ""
        given, enrolled = asked.cookies.get(prefix + SESSION), asked.cookies.get(prefix + SCREEN)
        screen, session = self._screens.of(enrolled), self._sign_in.looking(given)
        local = guard.is_local(asked)
        known = local if screen is None else screen.profile != CALL
        address = asked.client.host if asked.client is not None else ""
        place = Place(address, known, "" if screen is None else screen.name)
        person = self._sign_in.acting(session)
        return Visitor(place, local, screen, session, person, given, guard.token(given, enrolled))

    def _title(self, code: str) -> str:
        """Say what a person is called; who isn't in the people's file any more by their code."""
        person = self._sign_in.people.get(code)
        return code if person is None else person.title

    async def _page(self, asked: Request) -> Response:
        who = self.visitor(asked)
        if who.calls and who.session is None:
            return RedirectResponse("/call", 303)
        return self._shelf.page("index.html", asked)

    async def _me(self, asked: Request) -> Response:
        return _json(self._whoami(self.visitor(asked)))

    def _whoami(self, who: Visitor) -> dict[str, Any]:
        screen = who.screen
        return {
            "signed_in": who.person is not None,
            "person": None if who.person is None else _shown(who.person),
            "screen": None
            if screen is None
            else {"name": screen.name, "profile": screen.profile, "bed": screen.bed or None},
            "sees": who.sees,
            "station": self._station,
            "version": version("infusion-gateway"),
            "csrf": who.token,
            "openid": None if self._openid is None else self._openid.name,
            "again": self._sign_in.ways(who.session) if who.person is not None else (),
        }

    async def _people(self, asked: Request) -> Response:
        who = self.visitor(asked)
        if who.person is None and (who.screen is None or who.calls):
            raise Denied(401, "sign in first")
        return _json([_shown(person) for person in self._sign_in.people.all()])

    async def _begin(self, asked: Request) -> Response:
        who = self.visitor(asked)
        guard.checked(asked, who.token)
        given = await guard.body(asked, person=str, password=str)
        cookie = await self._sign_in.sign_in(given["person"] or "", given["password"] or "", who.place, who.cookie)
        return self._with_cookie(asked, SESSION, cookie, None)

    async def _end(self, asked: Request) -> Response:
        who = self.visitor(asked)
        guard.checked(asked, who.token)
        leave = None if self._openid is None else self._openid.leaving(asked, who.session)
        self._sign_in.sign_out(who.cookie)
        return self._with_cookie(asked, SESSION, "", 0, leave=leave)

    async def _again(self, asked: Request) -> Response:
        who = self.visitor(asked)
        guard.checked(asked, who.token)
        given = await guard.body(asked, password=str)
        if who.person is None or who.session is None:
            raise Denied(401, "sign in first")
        await self._sign_in.again(who.session, given["password"] or "", who.place)
        return _json({"again": True})

    async def _enrol(self, asked: Request) -> Response:
        who = self.visitor(asked)
        guard.checked(asked, who.token)
        given = await guard.body(asked, name=str, profile=str, bed=str)
        if who.person is None or who.session is None:
            raise Denied(401, "sign in first")
        if who.person.role != "supervisor":
            raise Denied(403, "a supervisor enrols screens")
        self._asked_again(who, "enrolling a screen")
        self._sign_in.touch(who.session)
        bed = given["bed"] or ""
        gateway, _, name = bed.partition("/")
        if name and self._ward.bed(gateway, name) is None:
            raise Denied(400, f"the bed: this station knows no {bed} now; its beds are on the page", "bed")
        try:
            cookie, screen = await asyncio.to_thread(
                self._screens.enrol, given["name"] or "", given["profile"] or "", bed, who.person.code
            )
        except ValueError as error:
            raise Denied(400, str(error)) from None
        except OSError as error:
            raise Denied(500, f"the screen can't be kept: {error.strerror}") from None
        if screen.profile == CALL:  # it stands before a patient: nobody stays signed in
            self._sign_in.sign_out(who.cookie)
        return self._with_cookie(asked, SCREEN, cookie, ENROLLED_S)

    async def _alive(self, asked: Request) -> Response:
        who = self.visitor(asked)
        guard.checked(asked, who.token)
        await guard.body(asked)
        if who.screen is None or who.screen.profile != "nurses":
            raise Denied(403, "only an enrolled screen of the profile nurses answers for others")
        self._ward.alive(who.screen.name)
        return _json({"alive": True})

    def _session(self, cookie: str) -> Mapping[str, Any]:
        return guard.cookie(SESSION, cookie, secure=self._secure, max_age_s=None)

    def _with_cookie(self, asked: Request, name: str, value: str, max_age_s: int | None, **more: Any) -> Response:
        """Answer with a new cookie, and with who one is by it."""
        cookies = dict(asked.cookies)
        given = guard.cookie(name, value, secure=self._secure, max_age_s=max_age_s)
        cookies[given["key"]] = value
        scope = dict(asked.scope)
        scope["headers"] = [pair for pair in asked.scope["headers"] if pair[0] != b"cookie"]
        scope["headers"].append((b"cookie", "; ".join(f"{k}={v}" for k, v in cookies.items() if v).encode()))
        answer = _json(self._whoami(self.visitor(Request(scope))) | more)
        answer.set_cookie(**given)
        return answer

    async def _trend(self, asked: Request) -> Response:
        who = self.visitor(asked)
        if not who.sees:
            raise Denied(401, "sign in first")
        minutes = asked.query_params.get("minutes", "60")
        if not (re.fullmatch("[0-9]{1,3}", minutes) and 1 <= int(minutes) <= TREND_MIN):
            raise Denied(400, f"minutes are 1 to {TREND_MIN}", "minutes")
        bed = asked.path_params["gateway"], asked.path_params["bed"]
        found = await self._courses.of(who.name, *bed, int(minutes))
        if found is None:
            raise Denied(404, "there is no such bed here")
        return Response(found, media_type="application/json", headers={"cache-control": "no-store"})

    async def _instruct(self, asked: Request) -> Response:
        who = self.visitor(asked)
        gateway, bed, name = (asked.path_params[key] for key in ("gateway", "bed", "name"))
        guard.checked(asked, None if name == "stop" else who.token)  # a page that outlived its sign-in still stops
        if name not in NAMES:
            raise Denied(404, "this is no instruction")
        given = await guard.body(asked, arguments=dict, pin=str, case=str)
        by = await self._by(who, name, given["pin"])
        if who.session is not None and who.person is not None and by == who.person.code:
            self._sign_in.touch(who.session)  # another's PIN, or a stop in nobody's name, wakes nobody who walked off
        patience = STOP_S if name == "stop" else ANSWER_S
        meant = None if name == "stop" else given["case"]  # whoever lies there is stopped
        try:
            async with asyncio.timeout(patience + 0.1):  # the ward keeps to its own; this is for when it does not
                outcome = await self._ward.instruct(gateway, bed, name, by, given["arguments"] or {}, case=meant)
        except TimeoutError:
            said = (
                "NOT SENT: stop at the pump"
                if name == "stop"
                else f"no answer: whether {name} took effect is not known"
            )
            outcome = Outcome(outcome="unanswered", reason=said, id="")
        log.info("asked", instruction=name, bed=f"{gateway}/{bed}", outcome=outcome.outcome)
        return Response(outcome.to_bytes(), media_type="application/json", headers={"cache-control": "no-store"})

    async def _by(self, who: Visitor, name: str, pin: str | None) -> str:
        """Say in whose name this is asked. Denied: nobody's, or one who may not."""
        if pin is not None and name in BY_PIN:
            if not who.stands_there:
                raise Denied(403, "a PIN is taken at an enrolled screen alone: sign in", "pin")
            person = await self._sign_in.by_pin(pin, who.place)
        elif who.person is not None:
            person = who.person
        elif name == "stop" and who.stands_there:
            return who.screen.person if who.screen is not None else HERE
        else:
            raise Denied(401, "sign in first" + (", or give a PIN" if name in BY_PIN and who.stands_there else ""))
        if not may(person, name):
            if name == "stop" and who.stands_there:
                return who.screen.person if who.screen is not None else HERE
            raise Denied(403, f"a {person.role} may not ask for {name}", "role")
        if name in DEMAND:
            self._asked_again(who, name)
        return person.code

    def _asked_again(self, who: Visitor, what: str) -> None:
        if who.session is None or not self._sign_in.lately(who.session):
            raise Denied(403, f"{what} wants your password again", "again")

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell one page everything for as long as it may look."""
        asked = Request(scope)
        who = self.visitor(asked)
        if not who.sees:
            raise Denied(401, "sign in first")
        places = self._places(who)
        if self._ward.clients >= STREAMS or any(self._open[name] >= most for name, most in places.items()):
            raise Denied(503, f"{STREAMS} pages are open already, or {EACH} of yours: close one")
        self._ward.clients += 1
        self._open.update(places.keys())
        try:
            stream = EventStream(self._feed, asked.headers.get("last-event-id", ""), lambda: self.visitor(asked).sees)
            await stream(scope, receive, send)
        finally:
            self._ward.clients -= 1
            self._open.subtract(places.keys())
            self._open = +self._open

    def _places(self, who: Visitor) -> dict[str, int]:
        """Give what a page of this visitor is counted for, and how many each may have: who watches has places kept."""
        person = None if who.session is None else self._sign_in.whose(who.session)
        if (who.screen is not None and not who.calls) or (person is not None and person.role in CLINICIANS):
            return {who.name: EACH}
        return {who.name: EACH, who.place.key: EACH} | ({} if who.local else {"others": STREAMS - KEPT})


class _Events:
    """GET /events as an application of its own: it answers for as long as the page is there."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._web.events(scope, receive, send)


def _answering(work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Give a function that Starlette takes for one that answers a request."""

    async def answer(asked: Request) -> Response:
        return await work(asked)

    return answer


def _shown(person: Person) -> dict[str, str]:
    return {"code": person.code, "title": person.title, "role": person.role}


def _json(what: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(what, status, {"cache-control": "no-store", **(headers or {})})


async def _denied(_asked: Request, error: Exception) -> Response:
    assert isinstance(error, Denied), "registered for it"
    said = {"error": error.words} | ({"field": error.field} if error.field else {})
    headers = {"retry-after": str(int(error.after_s) + 1)} if error.after_s else {}
    if error.status in (408, 413):  # what is still to come is not read
        headers["connection"] = "close"
    return _json(said, error.status, headers)


async def _no_such(_asked: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for it"
    return _json({"error": str(error.detail)}, error.status_code, error.headers)


async def _broken(_asked: Request, error: Exception) -> Response:
    log.error("a request could not be answered", error=type(error).__name__)
    return _json({"error": "the station could not answer this: see its log"}, 500)
