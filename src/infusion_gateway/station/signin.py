"""Who asks: people signed in at a browser, their re-authentication, their PINs, and the delay after wrong ones.

A session is a random 256-bit id in a cookie; here stands its hash. It can act for as long as its person touches
something now and then, and look until its last hour: a page that falls blind by itself would hide an alarm. Time is
passed in, on a clock that goes on in suspend.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from infusion_gateway.model.keys import ROLES
from infusion_gateway.station.hashing import LONGEST, PASSWORDS, Busy, Checks
from infusion_gateway.station.people import People, Person
from infusion_gateway.station.screens import digest

AGAIN_S = 60.0
"""So long a password that was given, to sign in or again, counts for what demands one."""
DEMAND = frozenset({"order", "confirm", "amend", "extend", "override", "limits", "disarm", "end"})
"""Instructions that demand one."""
BY_PIN = frozenset({"acknowledge", "pause-audio", "hold-off"})
"""Instructions that a PIN suffices for, at a screen that stands where the beds are."""
FREE = 5
"""Wrong ones without a delay."""
LONGEST_DELAY_S, LONGEST_PIN_DELAY_S = 60.0, 5.0
"""A PIN's delay stays short: nobody is kept from acknowledging."""
FORGOTTEN_S = 900.0
SESSIONS, EACH = 256, 16
"""Sessions of all, and of one person: who signs in again and again signs out nobody else."""
ADDRESSES = 4096
LEAST_PIN, LONGEST_PIN = 4, 12
Found = TypeVar("Found")
_NOBODY = PASSWORDS.hash(secrets.token_hex(16))
"""What the password of somebody unknown is held against, so that it takes as long."""


class Denied(Exception):
    """Not let do this: caught where the request is answered. status: HTTP's; field: what was missing or wrong."""

    def __init__(self, status: int, words: str, field: str = "", after_s: float = 0.0) -> None:
        super().__init__(words)
        self.status, self.words, self.field, self.after_s = status, words, field, after_s


@dataclass(frozen=True, slots=True)
class Session:
    """One person at one browser. Seconds on the server's clock. proof: of the password it was begun with.

    subject: whom the clinic's identity provider says it is, "" it was not asked; person: where the people's file has no
    entry for them; token: what the provider wants to see again when they sign out.
    """

    id: str
    code: str
    proof: str
    begun_s: float
    touched_s: float
    again_s: float | None = None
    subject: str = ""
    person: Person | None = None
    token: str = field(default="", repr=False)


class Delays:
    """Wrong tries by whom and from where; a growing delay after the first five, never longer than `longest_s`."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._wrong: dict[str, tuple[int, float]] = {}

    def left_s(self, keys: tuple[str, ...], now_s: float) -> float:
        """Give how long none of these may try."""
        return max((self._until(key) - now_s for key in keys), default=0.0)

    def begin(self, keys: tuple[str, ...], now_s: float) -> None:
        """Take a try for wrong until it is known better: of many at once none is free."""
        for key in keys:
            count, at_s = self._wrong.pop(key, (0, now_s))
            self._wrong[key] = (1 if now_s - at_s > FORGOTTEN_S else count + 1, now_s)
        while len(self._wrong) > ADDRESSES:
            del self._wrong[next(iter(self._wrong))]

    def right(self, person: str, address: str) -> None:
        """Take it back: the person's tries are forgotten, the address has one fewer."""
        self._wrong.pop(person, None)
        count, at_s = self._wrong.get(address, (0, 0.0))
        if count > 1:
            self._wrong[address] = (count - 1, at_s)
        else:
            self._wrong.pop(address, None)

    def _until(self, key: str) -> float:
        count, at_s = self._wrong.get(key, (0, 0.0))
        return 0.0 if count < FREE else at_s + min(self._longest_s, 2.0 ** min(count - FREE, 16))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request comes from. known: an enrolled screen, or this machine: strangers' tries don't count there.

    screen: the enrolled one's name; "": it is none.
    """

    address: str
    known: bool
    screen: str = ""

    @property
    def key(self) -> str:
        """Give the address as tries are counted: of IPv6 the network that one subscriber has."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return f"from {self.address[:64]}"
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        if address.is_loopback:  # a machine has millions of them
            return "from this machine"
        if isinstance(address, ipaddress.IPv6Address):
            return f"from {ipaddress.ip_network((address, 64), strict=False)}"
        return f"from {address}"

    @property
    def spot(self) -> str:
        """Give the screen as its wrong PINs are counted, whatever address it shares; else the address."""
        return f"screen {self.screen}" if self.screen else self.key

    def of(self, person: str) -> str:
        """Name a person as tried from here."""
        return f"{'here' if self.known else 'elsewhere'} as {person}"


class SignIn:
    """The sessions of one station. idle_s, longest_s: until who touches nothing, and anybody, is signed out."""

    def __init__(self, people: People, now_s: Callable[[], float], *, idle_s: float, longest_s: float) -> None:
        self.people = people
        self._now_s, self._idle_s, self._longest_s = now_s, idle_s, longest_s
        self._sessions: dict[str, Session] = {}
        self._codes: dict[str, tuple[str, float]] = {}
        self._passwords, self._pins = Checks("password", 8), Checks("pin", 32)
        self._delays, self._pin_delays = Delays(LONGEST_DELAY_S), Delays(LONGEST_PIN_DELAY_S)
        self._secret = secrets.token_bytes(32)
        self._known_pins: dict[bytes, tuple[str, str]] = {}

    def close(self) -> None:
        """Let go of the threads."""
        self._passwords.close()
        self._pins.close()

    # Sessions

    async def sign_in(self, code: str, password: str, place: Place, before: str | None) -> str:
        """Begin a session and give its cookie, always a new one; `before`, which the browser held, ends."""
        person = self.people.get(code)
        await self._proven(person, password, place)
        assert person is not None, "nobody unknown has proven a password"
        self.sign_out(before)
        now_s = self._now_s()
        return self._begun(  # whoever has just given their password need not give it again
            lambda made: Session(made, person.code, digest(person.password), now_s, now_s, now_s)
        )

    def known(self, person: Person, subject: str, token: str, *, before: str) -> str:
        """Begin a session of who the identity provider says it is, and give its cookie; the one called `before` ends.

        Denied: a code that was another's, or another code than before, within the hours that a session may last: the
        record could not tell people apart, and one would pass for the two that an order takes.
        """
        now_s = self._now_s()
        entry = self.people.get(person.code)
        if entry is None:
            self._one_code(person.code, subject, now_s)
        self._sessions.pop(before, None)
        told = person if entry is None else None
        return self._begun(lambda made: Session(made, person.code, "", now_s, now_s, None, subject, told, token))

    def _one_code(self, code: str, subject: str, now_s: float) -> None:
        self._codes = {one: had for one, had in self._codes.items() if now_s - had[1] < self._longest_s}
        if any((one == subject) != (had == code) for one, (had, _) in self._codes.items()):
            raise Denied(403, f"the provider gave {code} to somebody else today, or another code to you")
        self._codes.pop(subject, None)
        self._codes[subject] = (code, now_s)
        while len(self._codes) > ADDRESSES:
            del self._codes[next(iter(self._codes))]

    def _begun(self, make: Callable[[str], Session]) -> str:
        now_s = self._now_s()
        self._sessions = {key: one for key, one in self._sessions.items() if self._looks(one, now_s)}
        cookie = secrets.token_urlsafe(32)
        made = make(digest(cookie))
        self._room(made.code, EACH)
        self._room("", SESSIONS)
        self._sessions[made.id] = made
        return cookie

    def _room(self, code: str, most: int) -> None:
        """End the longest untouched sessions of a person, "" of everybody, so that with one more there are so many."""
        mine = sorted((one for one in self._sessions.values() if code in ("", one.code)), key=lambda one: one.touched_s)
        for one in mine[: max(len(mine) - most + 1, 0)]:
            del self._sessions[one.id]

    def sign_out(self, cookie: str | None) -> None:
        """End a session: what it held is worth nothing any more."""
        if cookie:
            self._sessions.pop(digest(cookie), None)

    def looking(self, cookie: str | None) -> Session | None:
        """Give the session that holds this cookie, as far as looking goes; None: there is none, or it has ended."""
        session = self._sessions.get(digest(cookie)) if cookie else None
        if session is not None and not self._looks(session, self._now_s()):
            del self._sessions[session.id]
            return None
        return session

    def acting(self, session: Session | None) -> Person | None:
        """Give the person that a session acts for now; None: nobody, or too long untouched."""
        if session is None or self._now_s() - session.touched_s >= self._idle_s:
            return None
        return self.whose(session)

    def touch(self, session: Session) -> None:
        """Take note that its person has just done something."""
        if session.id in self._sessions:
            self._sessions[session.id] = replace(self._sessions[session.id], touched_s=self._now_s())

    async def again(self, session: Session, password: str, place: Place) -> None:
        """Take the password again: what demands one is let through for a minute. Denied: it is another one."""
        if "password" not in self.ways(session):
            raise Denied(403, "you have no password here: sign in at the clinic's provider again", "again")
        await self._proven(self.people.get(session.code), password, place)
        self._again(session.id)

    def proven(self, session: str, subject: str, person: Person) -> None:
        """Take it that the identity provider has asked again who it is. Denied: it was another, or it has ended.

        person: as it says now: whose groups have changed acts by what they may now.
        """
        found = self._sessions.get(session)
        if found is None or not self._looks(found, self._now_s()):
            raise Denied(401, "you were signed out meanwhile: sign in again")
        if not found.subject or found.subject != subject or found.code != person.code:
            raise Denied(403, "somebody else signed in at the provider than is signed in here")
        if found.person is not None:
            self._sessions[session] = replace(found, person=person)
        self._again(session)

    def ways(self, session: Session | None) -> tuple[str, ...]:
        """Give how a session's person can be asked again who they are: password, openid."""
        if session is None:
            return ()
        entry = self.people.get(session.code)
        return ("password",) * (entry is not None and bool(entry.password)) + ("openid",) * bool(session.subject)

    def _again(self, session: str) -> None:
        if session in self._sessions:
            now_s = self._now_s()
            self._sessions[session] = replace(self._sessions[session], again_s=now_s, touched_s=now_s)

    def lately(self, session: Session) -> bool:
        """Say whether its person has shown again in the last minute who they are."""
        return session.again_s is not None and self._now_s() - session.again_s < AGAIN_S

    def _looks(self, session: Session, now_s: float) -> bool:
        return self.whose(session) is not None and now_s - session.begun_s < self._longest_s

    def whose(self, session: Session) -> Person | None:
        """Give whose session it is, as the people's file is now; None: they are nobody there any more, or another."""
        entry = self.people.get(session.code)
        if not session.subject:
            return entry if entry is not None and digest(entry.password) == session.proof else None
        linked = self.people.of(session.subject)
        if linked is not None:
            return linked if linked.code == session.code else None
        return session.person if entry is None else None

    async def _proven(self, person: Person | None, password: str, place: Place) -> None:
        """Hold a password against a person's; whoever is unknown takes as long and is told the same."""
        keys = (place.of(person.code if person is not None else ""), place.key)
        self._patient(self._delays, keys)
        hashed = person.password if person is not None and person.password else _NOBODY
        matches = await _judged(self._passwords.matches(hashed, password[:LONGEST]))
        if not matches or person is None:
            raise Denied(401, "this person and this password don't belong together", "password")
        self._delays.right(*keys)

    # PINs

    async def by_pin(self, pin: str, place: Place) -> Person:
        """Give whose PIN this is. Denied: nobody's, or too many wrong ones a moment ago."""
        if not (LEAST_PIN <= len(pin) <= LONGEST_PIN and pin.isascii() and pin.isdigit()):
            raise Denied(401, f"a PIN has {LEAST_PIN} to {LONGEST_PIN} digits", "pin")
        self._patient(
            self._pin_delays, (place.spot,)
        )  # each screen by itself: one that is played with holds up no other
        person = self._remembered(pin)
        if person is None:
            people = tuple(one for one in self.people.all() if one.pin is not None)
            found = await _judged(self._pins.first(tuple(one.pin or "" for one in people), pin))
            if found is None:
                raise Denied(401, "nobody has this PIN", "pin")
            person = people[found]
            self._known_pins[self._tag(pin)] = (person.code, person.pin or "")
        self._pin_delays.right("", place.spot)
        return person

    def _remembered(self, pin: str) -> Person | None:
        """Give whose PIN it was before, where it still is: then nobody waits for the hash again."""
        code, hashed = self._known_pins.get(self._tag(pin), ("", ""))
        person = self.people.get(code)
        if person is not None and person.pin == hashed:
            return person
        self._known_pins.pop(self._tag(pin), None)
        return None

    def _tag(self, pin: str) -> bytes:
        return hmac.digest(self._secret, pin.encode(), hashlib.sha256)

    def _patient(self, delays: Delays, keys: tuple[str, ...]) -> None:
        now_s = self._now_s()
        if (left_s := delays.left_s(keys, now_s)) > 0:
            raise Denied(429, f"too many wrong ones: wait {left_s:.0f} s, then try again", "", left_s)
        delays.begin(keys, now_s)


def may(person: Person, instruction: str) -> bool:
    """Say whether a person's role lets them ask for this."""
    return instruction in ROLES[person.role]


async def _judged(check: Awaitable[Found]) -> Found:
    try:
        return await check
    except Busy:
        raise Denied(503, "too many sign in at once: try again in a moment", "", 1.0) from None
