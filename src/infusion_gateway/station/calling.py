"""A patient's call button: an enrolled screen of one bed, with nobody signed in, that raises `distress` there.

`assess` with a distress of 10 is the instruction for it: a button can't say how much. What is told to the patient is
what is seen to stand at the bed: an answer alone, or a call from a bed at which no alarm came of it, is told as not
sent. While somebody has the call, another press is a new one: the earlier is ended first, for what stands
acknowledged would not sound again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from infusion_gateway.core.assessing import ASSESSED
from infusion_gateway.station import guard
from infusion_gateway.station.looking_back import NO_STORE, Asked
from infusion_gateway.station.screens import CALL, Screen
from infusion_gateway.station.signin import Denied
from infusion_gateway.station.visitor import Visitor
from infusion_gateway.ward.shown import Outcome, Shown, ShownAlarm, ShownBed
from infusion_gateway.wire.stamps import words

log = structlog.get_logger(__name__)

CODE = "distress"
MOST = 10.0
"""The most of the score: whoever is in need presses, and a nurse says how much it is."""
APART_S = 10.0
"""Of a screen's calls; whoever presses more often is told how the last one stands."""
ANSWER_S, SEEN_S, LOOK_S = 4.0, 2.0, 0.05
ALIVE_S = 12.0
"""A button asks every 2 s; one that hasn't for so long is not there."""
NO_CASE = "no infusion is under way at this bed"


class ShownCall(Shown):
    """How a call stands. ready: nobody is called; told: it rings; taken: somebody has it.

    unable: it can't call from here now; failed: it was tried, and nobody was told: "NOT SENT: call out".
    """

    bed: str
    state: Literal["ready", "told", "taken", "unable", "failed"]
    since: str | None
    by: str
    """Who has it, as the people's file names them; empty: nobody yet."""
    why: str
    """Of unable and failed."""


class ShownButton(Shown):
    """A call button, for the staff. alive: it has just asked how its call stands; age_s: since it did, null: never."""

    screen: str
    key: str
    """gateway/bed."""
    alive: bool
    age_s: float | None


class Bedside(Protocol):
    """What this needs of a station's hub. not_connected: why it hears no broker; "": it does."""

    not_connected: str

    def bed(self, gateway: str, bed: str) -> ShownBed | None:
        """Give a bed as it is now."""

    async def instruct(
        self, gateway: str, bed: str, name: str, by: str, arguments: Mapping[str, Any], *, case: str | None = None
    ) -> Outcome:
        """Ask something of a bed and wait for its answer."""


class CallButton:
    """Every call button of a station. title: what a person is called; page: what it shows; screens: all enrolled."""

    def __init__(
        self, visitor: Callable[[Request], Visitor], ward: Bedside, title: Callable[[str], str], page: Path,
        screens: Callable[[], Iterable[Screen]] = tuple, *,
        now_s: Callable[[], float] = time.monotonic, wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._visitor, self._ward, self._title, self._page = visitor, ward, title, page
        self._screens, self._now_s, self._wait = screens, now_s, wait
        self._asked_s: dict[str, float] = {}
        self._called_s: dict[str, float] = {}
        self._calling: dict[str, asyncio.Task[ShownCall]] = {}

    @property
    def asked(self) -> list[Asked]:
        """Give what can be asked."""
        return [
            ("GET", "/call", self._shown),
            ("GET", "/api/call", self._state),
            ("POST", "/api/call", self._call),
            ("GET", "/api/calls", self._all),
        ]

    def buttons(self) -> list[ShownButton]:
        """Give every call button that is enrolled, and whether it is there."""
        now_s = self._now_s()
        found = []
        for screen in sorted((one for one in self._screens() if one.profile == CALL), key=lambda one: one.name):
            asked_s = self._asked_s.get(screen.name)
            age_s = None if asked_s is None else now_s - asked_s
            alive = age_s is not None and age_s < ALIVE_S
            found.append(ShownButton(screen=screen.name, key=screen.bed, alive=alive, age_s=age_s))
        return found

    def stands(self, gateway: str, bed: str) -> ShownCall:
        """Say how the call of a bed stands."""
        found = self._ward.bed(gateway, bed)
        alarm = None if found is None else _alarm(found)
        lost = self._ward.not_connected
        if lost or found is None or found.link != "live":
            why = f"{gateway}/{bed} is not heard here" if found is None else found.why
            why = "the nurses' station hears no bed just now" if lost else why
            return ShownCall(bed=bed, state="unable", since=None, by="", why=why)
        if alarm is None:
            on = found.session is not None and found.session.phase in ASSESSED
            why = "" if on else NO_CASE
            return ShownCall(bed=bed, state="ready" if on else "unable", since=None, by="", why=why)
        if alarm.signal != "acknowledged":
            return ShownCall(bed=bed, state="told", since=alarm.since, by="", why="")
        return ShownCall(bed=bed, state="taken", since=alarm.since, by=self._title(alarm.acknowledged_by or ""), why="")

    async def _shown(self, asked: Request) -> Response:
        return FileResponse(self._page) if self._visitor(asked).calls else RedirectResponse("/", 303)

    async def _state(self, asked: Request) -> Response:
        _, gateway, bed = self._button(asked)
        return _said(self.stands(gateway, bed))

    async def _all(self, asked: Request) -> Response:
        if not self._visitor(asked).sees:
            raise Denied(401, "sign in first")
        return JSONResponse([button.model_dump() for button in self.buttons()], headers=NO_STORE)

    async def _call(self, asked: Request) -> Response:
        screen, gateway, bed = self._button(asked)
        guard.checked(asked, None)  # a button that outlived the station still calls
        await guard.body(asked)
        task = self._calling.get(screen)
        if task is None:  # who presses twice waits for the same answer
            task = self._calling[screen] = asyncio.create_task(self._ring(screen, gateway, bed))
            task.add_done_callback(lambda _: self._calling.pop(screen, None))
        return _said(await asyncio.shield(task))

    def _button(self, asked: Request) -> tuple[str, str, str]:
        who = self._visitor(asked)
        if who.screen is None or not who.calls:
            raise Denied(403, "only a screen that is enrolled as a call button calls", "screen")
        self._asked_s[who.screen.name] = self._now_s()
        gateway, _, bed = who.screen.bed.partition("/")
        return who.screen.person, gateway, bed

    async def _ring(self, screen: str, gateway: str, bed: str) -> ShownCall:
        """Call, unless it rings, or this screen has only just called; say how it stands then."""
        now = self.stands(gateway, bed)
        just = self._now_s() - self._called_s.get(screen, -APART_S) < APART_S
        if now.state == "told" or (now.state == "taken" and just):
            return now
        why = NO_CASE if now.why == NO_CASE else await self._asked(screen, gateway, bed, anew=now.state == "taken")
        log.info("a patient called", bed=f"{gateway}/{bed}", sent=not why)
        if why:
            return ShownCall(bed=bed, state="failed", since=None, by="", why=words(why, 300))
        self._called_s[screen] = self._now_s()
        return self.stands(gateway, bed)

    async def _asked(self, screen: str, gateway: str, bed: str, *, anew: bool) -> str:
        """Put it to the gateway and wait until it is seen to ring; give why it doesn't, "" where it does."""
        before = self._instance(gateway, bed)
        try:
            async with asyncio.timeout(ANSWER_S):
                for value in (0.0, MOST) if anew else (MOST,):
                    arguments = {"scores": {CODE: value}, "vitals": {}, "ago_s": 0}
                    outcome = await self._ward.instruct(gateway, bed, "assess", screen, arguments)
                    if outcome.outcome not in ("accepted", "not-recorded"):
                        return outcome.reason
                for _ in range(round(SEEN_S / LOOK_S)):
                    if self._instance(gateway, bed) not in (None, before):  # taken already, perhaps
                        return ""
                    await self._wait(LOOK_S)
        except TimeoutError:
            return "no answer"
        return "no alarm came of it"

    def _instance(self, gateway: str, bed: str) -> str | None:
        """Give which call stands; None: none does."""
        found = self._ward.bed(gateway, bed)
        alarm = None if found is None else _alarm(found)
        return None if alarm is None else alarm.instance


def _alarm(bed: ShownBed) -> ShownAlarm | None:
    return next((alarm for alarm in bed.alarms if alarm.code == CODE and alarm.present), None)


def _said(call: ShownCall) -> Response:
    return Response(call.to_bytes(), media_type="application/json", headers=NO_STORE)
