"""Screens that a supervisor has enrolled: a browser that may look, stop, and take a PIN, with nobody signed in.

Each holds a random id in a cookie; the file keeps its hash, name, profile and bed, so that a screen stays one over a
restart. `infusion-gateway screens remove` takes one away, and so does another one of its name.
"""

import hashlib
import secrets
import threading
import tomllib
from dataclasses import dataclass
from pathlib import Path

import structlog

from infusion_gateway.config.secrets import exposed
from infusion_gateway.model.names import is_name
from infusion_gateway.station.files import quoted, stamp, write
from infusion_gateway.ward.sound import PROFILES

log = structlog.get_logger(__name__)

MOST = 256
LONGEST_BED = 130
CALL = "call"
"""The profile of a patient's call button: it calls, at the one bed that it stands at, and sees and stops nothing."""
LOCAL = "local"
"""No screen's name: so the record calls the station's own browser, where nobody is signed in."""
_KEYS = ("name", "profile", "bed", "id", "by")


@dataclass(frozen=True, slots=True)
class Screen:
    """One of them. bed: gateway/bed that it stands at, "" none. id: the SHA-256 of its cookie. by: who enrolled it."""

    name: str
    profile: str
    bed: str
    id: str
    by: str

    @property
    def person(self) -> str:
        """What it is called on the record where nobody is signed in."""
        return called(self.name)


class Screens:
    """The file as it is now; what is no screen in it is passed over, and the log says so."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._screens: dict[str, Screen] = {}
        self._enrolling = threading.Lock()
        self._renew()

    def of(self, cookie: str | None) -> Screen | None:
        """Give the screen that holds this cookie; None: it is none."""
        self._renew()
        return self._screens.get(digest(cookie)) if cookie else None

    def all(self) -> tuple[Screen, ...]:
        """Give every screen."""
        self._renew()
        return tuple(self._screens.values())

    def enrol(self, name: str, profile: str, bed: str, by: str) -> tuple[str, Screen]:
        """Make a screen, in the place of one of the same name, and give its cookie. OSError: it can't be kept.

        ValueError: in words why there is none to be made.
        """
        if self.path is None:
            raise ValueError("this station keeps no screens: set screens_file in [station]")
        cookie = secrets.token_urlsafe(32)
        made = Screen(name, profile, bed, digest(cookie), by)
        if why := fault(made):
            raise ValueError(why)
        with self._enrolling:  # each in a thread of its own: none may take another out again
            self._keep(self.path, made)
        return cookie, made

    def remove(self, name: str) -> bool:
        """Take a screen away; its browser is none any more at once. False: there is none of that name. OSError."""
        with self._enrolling:
            self._renew()
            kept = {one.id: one for one in self._screens.values() if one.name != name}
            if self.path is None or len(kept) == len(self._screens):
                return False
            self._write(self.path, kept)
        return True

    def _keep(self, path: Path, made: Screen) -> None:
        self._renew()
        kept = {one.id: one for one in self._screens.values() if one.name != made.name} | {made.id: made}
        if len(kept) > MOST:
            raise ValueError(f"there are {MOST} screens already: `infusion-gateway screens remove` takes one away")
        self._write(path, kept)

    def _write(self, path: Path, kept: dict[str, Screen]) -> None:
        out = ["# Written by the station: the screens that a supervisor has enrolled."]
        for screen in kept.values():
            out += ["", "[[screen]]", *(f"{key} = {quoted(getattr(screen, key))}" for key in _KEYS)]
        write(path, "\n".join(out) + "\n")
        self._screens, self._stamp = kept, stamp(path)

    def _renew(self) -> None:
        now = stamp(self.path)
        if now == self._stamp:
            return
        self._screens, self._stamp = self._read(now), now

    def _read(self, now: tuple[int, int, int] | None) -> dict[str, Screen]:
        """Read the file, as it is now; None: there is none."""
        if self.path is None or now is None:
            return {}
        try:
            why = f"others may read it: chmod 600 {self.path}" if exposed(self.path) else ""
            tables = [] if why else tomllib.loads(self.path.read_text(encoding="utf-8")).get("screen", [])
        except (OSError, ValueError) as error:
            why, tables = str(error), []
        if why:
            log.error("screens not read: none is enrolled", file=str(self.path), error=why)
        found: dict[str, Screen] = {}
        for table in tables[:MOST] if isinstance(tables, list) else ():
            given = [table.get(key) for key in _KEYS] if isinstance(table, dict) else [None]
            screen = Screen(*given) if all(isinstance(one, str) for one in given) else None
            if screen is None or fault(screen):
                log.error("a screen passed over: it is none", file=str(self.path))
            else:
                found[screen.id] = screen
        return found


def called(name: str) -> str:
    """Say what a screen is on the record where nobody is signed in."""
    return f"screen-{name}"


def digest(cookie: str) -> str:
    """Give what is kept of a cookie: who reads it is not the screen, nor the person, by that."""
    return hashlib.sha256(cookie.encode(errors="replace")).hexdigest()


def fault(screen: Screen) -> str:
    """Say in words what makes it no screen; "": it is one."""
    bed = screen.bed
    if not is_name(screen.name):
        return "the name: letters, digits, . _ and -, as chair-1"
    if screen.name == LOCAL:
        return f"the name: {LOCAL} is what the record calls the station's own browser"
    if screen.profile not in (*PROFILES, CALL):
        return f"the profile: one of {', '.join((*PROFILES, CALL))}"
    if bed and not (len(bed) <= LONGEST_BED and all(is_name(part) for part in bed.split("/", 1))):
        return "the bed: gateway/bed, as gateway-1/chair-1"
    return (
        "the bed: a call button stands at one, as gateway-1/chair-1"
        if screen.profile == CALL and "/" not in bed
        else ""
    )
