"""A station's page to try by hand-made requests: no socket, no clock; a ward that notes what it is asked."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from infusion_gateway.config.settings import OpenIdSettings
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.station.notifying import Notifying
from infusion_gateway.station.openid import OpenId, Provider
from infusion_gateway.station.people import People, Person, save
from infusion_gateway.station.printing import Beside
from infusion_gateway.station.screens import Screens
from infusion_gateway.station.signin import SignIn
from infusion_gateway.station.stream import Feed
from infusion_gateway.station.web import Web
from infusion_gateway.ward.handing_over import ShownHandover, ShownHandovers
from infusion_gateway.ward.shown import Outcome, ShownBed, ShownLog, ShownTrend
from infusion_gateway.wire.happenings import EventMessage

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ORIGIN = "http://127.0.0.1:8420"
STAFF = {"viewer-1": "viewer", "nurse-1": "clinician", "doctor-1": "supervisor"}
PIN = {"viewer-1": "1111", "nurse-1": "2468", "doctor-1": "97531"}


def secret(code: str) -> str:
    """Give a person's password."""
    return f"long enough, {code.lower()}"


def staff(path: Path) -> Path:
    """Write a file of three people: a viewer, a clinician, a supervisor, each with a PIN."""
    save(path, [Person(c, c.title(), r, CHEAP.hash(secret(c)), CHEAP.hash(PIN[c])) for c, r in STAFF.items()])
    return path


class Answer:
    """What was answered: status, headers (lower case), and the body, as JSON where it is."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.raw, self.bytes = status, headers, body
        self.headers = dict(headers)

    @property
    def body(self) -> Any:
        """Give the body as JSON."""
        return json.loads(self.bytes)


class FakeWard:
    """A hub that answers as it is told to and notes who asked for what."""

    def __init__(self) -> None:
        self.clients = 0
        self.not_connected = ""
        self.asked: list[tuple[str, str, str, str, dict[str, Any]]] = []
        self.cases: list[str | None] = []
        """Of each, the case that it was for alone."""
        self.awake: list[str] = []
        self.hangs = False
        self.looked_up: list[tuple[str, str, int | None, tuple[str, ...]]] = []
        self.shown: dict[str, ShownBed] = {}
        self.published: list[EventMessage] = []
        self.lacks = ""
        self.past = ShownLog(happenings=[], before=None, refused="")
        self.outcome = Outcome(outcome="accepted", reason="done", id="1")

    def trend(self, gateway: str, bed: str, minutes: float = 60) -> ShownTrend | None:
        """Know no course of any bed."""
        del gateway, bed, minutes

    def bed(self, gateway: str, bed: str) -> ShownBed | None:
        """Give what is there of it."""
        return self.shown.get(f"{gateway}/{bed}")

    async def log(self, gateway: str, bed: str, *, before: int | None = None, kinds: Sequence[str] = ()) -> ShownLog:
        """Note it, and give what there is, or never."""
        self.looked_up.append((gateway, bed, before, tuple(kinds)))
        if self.hangs:
            await asyncio.Event().wait()
        return self.past

    def beds(self, gateway: str) -> dict[str, GenerationMode | None]:
        """Give west's only bed."""
        return {"chair-1": GenerationMode.TEST} if gateway == "west" else {}

    async def events(
        self, gateway: str, bed: str, edges: tuple[str, str], kinds: Sequence[str], came: Callable[[int], None]
    ) -> tuple[list[EventMessage], str]:
        """Give what was published, or never."""
        del gateway, bed, edges, kinds
        came(len(self.published))
        if self.hangs:
            await asyncio.Event().wait()
        return self.published, self.lacks

    def handover(self, gateway: str = "", bed: str = "") -> ShownHandovers:
        """Give nothing of any bed, but chair-1 where that is asked for."""
        asked = [("west", "chair-1")] if (gateway, bed) == ("west", "chair-1") else []
        shown = [
            ShownHandover(gateway=g, bed=b, key=f"{g}/{b}", complete=True, why="", due=[], answers=[], hour=[], more=0)
            for g, b in asked
        ]
        return ShownHandovers(station="station-1", time="", beds=shown)

    def alive(self, screen: str) -> None:
        """Note it."""
        self.awake.append(screen)

    async def instruct(
        self, gateway: str, bed: str, name: str, by: str, arguments: Mapping[str, Any], *, case: str | None = None
    ) -> Outcome:
        """Note it, and answer, or never."""
        self.cases.append(case)
        self.asked.append((gateway, bed, name, by, dict(arguments)))
        if self.hangs:
            await asyncio.Event().wait()
        return self.outcome


class Station:
    """One station's page over a fake ward; `now` is its clock."""

    def __init__(
        self, directory: Path, *, secure: bool = False, hosts: tuple[str, ...] = ("127.0.0.1", "::1"),
        ward: FakeWard | None = None, beside: Beside | None = None, notifying: Notifying | None = None,
        openid: tuple[OpenIdSettings, Provider] | None = None,
    ) -> None:  # fmt: skip
        self.now = 1000.0
        self.ward = ward or FakeWard()
        self.feed = Feed(lambda: b'{"beds":[]}')
        self.people = staff(directory / "people.toml")
        self.sign_in = SignIn(People(self.people), lambda: self.now, idle_s=900, longest_s=43_200)
        pages = directory / "pages"
        pages.mkdir(exist_ok=True)
        (pages / "index.html").write_text("<!doctype html><title>page</title>")
        (pages / "call.html").write_text("<!doctype html><title>call</title>")
        (pages / "openid.html").write_text("<!doctype html><title>back</title>")
        (directory / "secret.txt").write_text("not for anybody")
        screens = Screens(directory / "screens.toml")
        by = None if openid is None else OpenId(*openid, self.sign_in, lambda: self.now, secure=secure)
        self.web = Web(
            "station-1", self.ward, self.feed, self.sign_in, screens, openid=by,
            hosts=frozenset(hosts), secure=secure, pages=pages, beside=beside, notifying=notifying,
        )  # fmt: skip
        self.scheme = "https" if secure else "http"


class Browser:
    """A browser at an address. jar: its cookies; csrf: what /api/me gave it last."""

    def __init__(self, station: Station, address: str = "127.0.0.1", host: str = "127.0.0.1:8420") -> None:
        self.station, self.address, self.host = station, address, host
        self.jar: dict[str, str] = {}
        self.csrf = ""

    async def get(self, path: str, **headers: str) -> Answer:
        """Ask for something."""
        return await self.ask("GET", path, headers)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Ask for a change, as the station's own page does."""
        own = {
            "origin": f"{self.station.scheme}://{self.host}",
            "x-igw-csrf": self.csrf,
            "content-type": "application/json",
        }
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.ask("POST", path, own | given, json.dumps(body).encode())

    async def me(self) -> Any:
        """Learn who one is, and the token to send."""
        found = (await self.get("/api/me")).body
        self.csrf = found["csrf"]
        return found

    async def sign_in(self, code: str) -> Answer:
        """Sign in as one of the staff."""
        await self.me()
        answer = await self.post("/api/sign-in", {"person": code, "password": secret(code)})
        self.csrf = answer.body.get("csrf", self.csrf)
        return answer

    async def enrol(self, code: str, name: str, profile: str, bed: str | None = None) -> Answer:
        """Make this browser a screen, as a person of the staff who has signed in and given the password again."""
        await self.sign_in(code)
        await self.post("/api/again", {"password": secret(code)})
        return await self.post("/api/enrol", {"name": name, "profile": profile, "bed": bed})

    async def do(self, name: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> Answer:
        """Instruct the bed."""
        return await self.post(f"/api/beds/gateway-1/chair-1/do/{name}", {"arguments": arguments or {}} | more)

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Put any request at all; headers that are "" are left out."""
        pairs = {"host": self.host} | {k.replace("_", "-").lower(): v for k, v in headers.items()}
        if self.jar:
            pairs.setdefault("cookie", "; ".join(f"{k}={v}" for k, v in self.jar.items()))
        raw, _, query = path.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": self.station.scheme, "path": raw,
            "raw_path": raw.encode(), "query_string": query.encode(), "root_path": "", "asgi": {"version": "3.0"},
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in pairs.items() if v],
            "client": (self.address, 40000), "server": ("127.0.0.1", 8420),
        }  # fmt: skip
        said: list[Any] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            said.append(message)

        await self.station.web.app(scope, receive, send)  # type: ignore[arg-type]  # Starlette's are mutable mappings
        start = next(m for m in said if m["type"] == "http.response.start")
        found = [(k.decode().lower(), v.decode()) for k, v in start["headers"]]
        for name, value in found:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.jar[key] = rest.partition(";")[0].strip('"')
        return Answer(start["status"], found, b"".join(m.get("body", b"") for m in said if m is not start))
