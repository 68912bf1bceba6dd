"""Screens that a supervisor has enrolled: a browser that may look, stop, and take a PIN, with nobody signed in.

Each holds a random id in a cookie; the file keeps its hash, name, profile and bed, so that a screen stays one over a
restart. To take one away, take its table out of the file, or enrol another one by its name.
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
        if not _sound(made):
            known = ", ".join((*PROFILES, CALL))
            name_of = f"a name as chair-1, but not {LOCAL}"
            raise ValueError(f"a screen has {name_of}, a profile of {known}, and perhaps a bed; {CALL} has one")
        with self._enrolling:  # each in a thread of its own: none may take another out again
            self._keep(self.path, made)
        return cookie, made

    def _keep(self, path: Path, made: Screen) -> None:
        self._renew()
        kept = {one.id: one for one in self._screens.values() if one.name != made.name} | {made.id: made}
        if len(kept) > MOST:
            raise ValueError(f"there are {MOST} screens already: take one out of {path}")
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
            if screen is None or not _sound(screen):
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


def _sound(screen: Screen) -> bool:
    bed = screen.bed
    of_a_bed = not bed or (len(bed) <= LONGEST_BED and all(is_name(part) for part in bed.split("/", 1)))
    known = screen.profile in PROFILES or (screen.profile == CALL and "/" in bed)
    return is_name(screen.name) and screen.name != LOCAL and known and of_a_bed
