"""Who may sign in at a station: one TOML file for its owner alone, with Argon2id hashes and never a password.

`infusion-gateway people` writes it; a running station reads it anew when it has changed. Codes are opaque, as in the
record: `nurse-7`, to which capitals make no difference.
"""

import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from infusion_gateway.config.secrets import exposed
from infusion_gateway.config.settings import StationSettings
from infusion_gateway.errors import ConfigError, Problem
from infusion_gateway.model.names import is_code
from infusion_gateway.station.files import quoted, stamp, write

log = structlog.get_logger(__name__)

ROLES = ("viewer", "clinician", "supervisor")
"""From the least to the most; what each may ask for stands in model.keys."""
MOST = 256
LONGEST_TITLE = 64
LONGEST_SUBJECT = 255
LONGEST_FILE = 512 * 1024


@dataclass(frozen=True, slots=True)
class Person:
    """One of them. password, pin: Argon2id hashes; pin None: may not act by a PIN on a shared screen.

    openid: what the clinic's identity provider calls them (`sub`), None: they don't sign in by it. password "": by it
    alone.
    """

    code: str
    title: str
    role: str
    password: str = field(repr=False)
    pin: str | None = field(default=None, repr=False)
    openid: str | None = None


class People:
    """The file as it is now. What can't be read when it has changed leaves those of before, and the log says so."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._stamp = stamp(path)
        self._people = {person.code: person for person in read(path)} if path is not None else {}

    def all(self) -> tuple[Person, ...]:
        """Give everybody, in the order of their codes."""
        self._renew()
        return tuple(self._people[code] for code in sorted(self._people))

    def get(self, code: str) -> Person | None:
        """Give one person; None: there is none of that code."""
        self._renew()
        return self._people.get(code.lower())

    def of(self, subject: str) -> Person | None:
        """Give whom the identity provider calls so; None: nobody here is said to be that."""
        self._renew()
        return next((one for one in self._people.values() if one.openid == subject), None)

    def _renew(self) -> None:
        now = stamp(self.path)
        if self.path is None or now == self._stamp:
            return
        self._stamp = now
        try:
            self._people = {person.code: person for person in read(self.path)}
        except ConfigError as error:
            log.error("people not read anew: those of before hold", error=str(error))  # noqa: TRY400 - a sentence


def absent(settings: StationSettings) -> tuple[str, ...]:
    """Give whom the station is to tell away from the page and has no entry for; () where it keeps no people."""
    if settings.notify is None or settings.people is None:
        return ()
    there = {person.code for person in read(settings.people)}
    return tuple(code for code in settings.notify.people if code not in there)


def read(path: Path) -> tuple[Person, ...]:
    """Read the file; () where there is none yet. ConfigError with the first thing that is wrong in it."""
    if not path.exists():
        return ()
    if exposed(path):
        raise _wrong(path, "people", "others may read it", f"Run: chmod 600 {path}")
    try:
        with path.open("rb") as file:
            tables = tomllib.loads(file.read(LONGEST_FILE + 1).decode()).get("person", [])
    except (OSError, ValueError) as error:
        raise _wrong(path, "people", f"it can't be read: {error}", "Correct it, or make it with `people add`") from None
    if not isinstance(tables, list) or len(tables) > MOST:
        raise _wrong(path, "person", f"[[person]] tables are expected, at most {MOST}", "Correct it")
    people: dict[str, Person] = {}
    for n, table in enumerate(tables, 1):
        person = _person(path, n, table)
        if person.code in people:
            raise _wrong(path, f"person {n}", f"{person.code} is there twice", "Keep one")
        if person.openid is not None and any(one.openid == person.openid for one in people.values()):
            raise _wrong(path, f"person {n}", "another one has the same openid", "One of the provider's is one person")
        people[person.code] = person
    return tuple(people.values())


def _person(path: Path, number: int, table: Any) -> Person:
    known = {"code", "title", "role", "password", "pin", "openid"}
    if not isinstance(table, dict) or not set(table) <= known or not all(isinstance(v, str) for v in table.values()):
        remedy = f"Give {', '.join(sorted(known))}, each in quotes"
        raise _wrong(path, f"person {number}", "it has something else than a person has", remedy)
    code, title, role = (table.get(key, "") for key in ("code", "title", "role"))
    if why := fault(code, title or code, role):
        raise _wrong(path, f"person {number}", why, "Correct it")
    hashes = [table[key] for key in ("password", "pin") if key in table]
    if not table.keys() & {"password", "openid"} or not all(one.startswith("$argon2id$") for one in hashes):
        remedy = f"Run: infusion-gateway people password {code} -c FILE"
        raise _wrong(path, f"person {number}", f"{code} has no password as this file keeps them", remedy)
    if "openid" in table and not is_subject(table["openid"]):
        remedy = f"Run: infusion-gateway people openid {code} SUBJECT -c FILE"
        raise _wrong(path, f"person {number}", f"{code} has no openid as a provider gives one", remedy)
    return Person(code.lower(), title or code, role, table.get("password", ""), table.get("pin"), table.get("openid"))


def is_subject(text: str) -> bool:
    """Say whether an identity provider may call somebody so: at most 255 ASCII letters (OpenID Connect Core, 2)."""
    return 0 < len(text) <= LONGEST_SUBJECT and text.isascii() and text.isprintable()


def fault(code: str, title: str, role: str) -> str:
    """Say what is wrong with a person's code, title or role; "" where nothing is."""
    if not is_code(code):
        return f"{code[:40]!r} is no code: at most 64 ASCII letters, digits, '.', '_' and '-', a letter or digit first"
    if code.lower().startswith("screen-"):
        return "screen-… is what a screen without a person is called on the record"
    if not title.isprintable() or not title.strip() or len(title) > LONGEST_TITLE:
        return f"a title is at most {LONGEST_TITLE} printable letters"
    if role not in ROLES:
        return f"{role[:40]!r} is no role: {', '.join(ROLES)}"
    return ""


def save(path: Path, people: Iterable[Person]) -> None:
    """Write the file whole, for its owner alone; a reader sees the old one or the new one. OSError: it can't be."""
    out = ["# Written by `infusion-gateway people`: who may sign in at the station."]
    for person in sorted(people, key=lambda one: one.code):
        out += ["", "[[person]]"]
        for key in ("code", "title", "role", "password", "pin", "openid"):
            value = getattr(person, key)
            out += [f"{key} = {quoted(value)}"] if value else []
    write(path, "\n".join(out) + "\n")


def _wrong(path: Path, key: str, problem: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(os.fspath(path), 0, key, problem, remedy),))
