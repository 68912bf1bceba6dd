"""Who is on duty, set on the page; and where a message's link leads: a page that shows, and a press that takes.

A link needs no sign-in: its token can't be guessed, is for one person and one alarm, and ends with it or after half an
hour. Whatever opens links on the way to a person only looks (GET): taking it is a form that a person sends (POST).
"""

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from infusion_gateway.station import guard
from infusion_gateway.station.looking_back import NO_STORE, Asked
from infusion_gateway.station.notifying import Notifying, clock
from infusion_gateway.station.signin import Denied, Session
from infusion_gateway.station.visitor import Visitor
from infusion_gateway.ward.escalation import Linked
from infusion_gateway.ward.kept import HELD_S
from infusion_gateway.ward.telling import MODES

log = structlog.get_logger(__name__)

LONGEST_TOKEN = 64
PRESSED = b"have=yes"
STYLES = "".join(f'<link rel="stylesheet" href="/static/css/{name}.css">' for name in ("theme", "link"))


class Duty:
    """The routes. visitor: who asks; touch: they did something; title: what one is called; to: None: nobody is told."""

    def __init__(
        self, visitor: Callable[[Request], Visitor], touch: Callable[[Session], None], title: Callable[[str], str],
        to: Notifying | None,
    ) -> None:  # fmt: skip
        self._visitor, self._touch, self._title, self._to = visitor, touch, title, to

    @property
    def asked(self) -> list[Asked]:
        """Give what can be asked."""
        link = "/a/{token:str}"
        own: list[Asked] = [("GET", "/api/duty", self._shown), ("POST", "/api/duty", self._set)]
        return own if self._to is None else [*own, ("GET", link, self._look), ("POST", link, self._take)]

    # Who is on duty

    async def _shown(self, asked: Request) -> Response:
        if not self._visitor(asked).sees:
            raise Denied(401, "sign in first")
        return self._said()

    def _said(self) -> Response:
        if self._to is None:
            return JSONResponse({"configured": False}, headers=NO_STORE)
        machine = self._to.machine
        people = [{"code": code, "title": self._title(code)} for code in machine.contacts]
        lines = [line.model_dump() for line in self._to.lines()]
        duty, by = machine.duty, machine.kept.duty_by
        said = {"configured": True, "duty": duty, "by": by, "people": people, "told": lines}
        return JSONResponse(said, headers=NO_STORE)

    async def _set(self, asked: Request) -> Response:
        who = self._visitor(asked)
        guard.checked(asked, who.token)
        given = await guard.body(asked, duty=list, test=str, answered=str, have=str, seen=bool)
        person = who.clinician("set who is on duty")
        if who.session is not None:
            self._touch(who.session)
        if self._to is None:
            raise Denied(404, "nobody is told away from the page here: add [station.notify]")
        wanted = [name for name, value in given.items() if value is not None]
        if len(wanted) != 1:
            raise Denied(400, "ask for one thing: duty, test, answered, have or seen")
        await self._do(self._to, wanted[0], given[wanted[0]], person.code)
        log.info("duty", asked=wanted[0])
        return self._said()

    async def _do(self, to: Notifying, what: str, value: Any, by: str) -> None:
        if what in ("test", "answered") and value not in to.machine.duty:
            raise Denied(400, "this is nobody on duty", what)
        match what:
            case "duty":
                if not all(isinstance(code, str) for code in value):
                    raise Denied(400, "write people's codes, the first to be told first", "duty")
                try:
                    await to.set_duty(value, by)
                except ValueError as error:
                    raise Denied(400, str(error), "duty") from None
            case "test":
                await to.test(value)
            case "answered":
                await to.answered(value, by)
            case "have":
                if not await to.have(value, by):
                    raise Denied(400, "there is nothing of that name to have", "have")
            case _:
                await to.seen(by)

    # Where a link leads

    async def _look(self, asked: Request) -> Response:
        assert self._to is not None, "else there is no such route"
        found = self._to.look_at(asked.path_params["token"][:LONGEST_TOKEN])
        return self._linked(found)

    async def _take(self, asked: Request) -> Response:
        assert self._to is not None, "else there is no such route"
        await _pressed(asked)
        token = asked.path_params["token"][:LONGEST_TOKEN]
        found = await self._to.answer(token)
        log.info("a link was pressed", came_to=found.stand)
        if found.stand == "gone":
            return self._linked(found)
        return RedirectResponse(f"/a/{token}", 303, NO_STORE)

    def _linked(self, found: Linked) -> Response:
        assert self._to is not None, "else there is no such route"
        title, words, button = self._page(found)
        form = f'<form method="post"><button name="have" value="yes">{escape(button)}</button></form>' if button else ""
        lines = "".join(f"<p>{escape(line)}</p>" for line in (*words, self._call()) if line)
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">{STYLES}'
            f"<title>{escape(title)}</title></head><body><main><h1>{escape(title)}</h1>{form}{lines}</main></body></html>"
        )
        return HTMLResponse(page, 404 if found.stand == "gone" else 200, NO_STORE)

    def _call(self) -> str:
        return "" if self._to is None else f"In doubt call {self._to.settings.call}."

    def _page(self, found: Linked) -> tuple[str, Iterable[str], str]:
        """Give a title, sentences, and what a button says; "": there is none."""
        entry = found.entry
        match found.stand:
            case "gone":
                return "This link leads nowhere any more", ("Links end after half an hour. Look at the page.",), ""
            case "over":
                return "Over", ("This is over, or somebody has acknowledged it at the bed, or it is told anew.",), ""
            case "test":
                return "Test", ("Alarms will reach you like this while you are on duty.",), "It reached me"
            case "answered":
                return "Test answered", ("Thank you. Alarms will reach you like this.",), ""
            case _:
                assert entry is not None, "an alarm's link leads to it"
        where = " ".join(part for part in (entry.bed or entry.gateway, entry.what) if part)
        title = f"{MODES[entry.mode]}{entry.priority.upper()} {where}"
        since = f"Since {clock(entry.since_s)}" + (f", at {entry.gateway}." if entry.bed else ".")
        if found.stand == "open":
            hold = f"This holds off telling others for {HELD_S:.0f} s. The bed goes on sounding: go there."
            return title, (f"{since} Nobody has it.", hold), "I have it"
        until = f"Until {clock(found.until_s)}; if it is still there then, people are told again."
        return title, (f"{since} {self._title(found.by)} has it.", until if found.until_s else ""), ""


async def _pressed(asked: Request) -> None:
    """Read the form that a person sends. Denied: it is something else, such as what a scanner may send."""
    if guard.kind(asked) != "application/x-www-form-urlencoded" or await guard.received(asked) != PRESSED:
        raise Denied(400, "press the button on the page")
