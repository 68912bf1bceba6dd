"""Who may sign in at a demo's page: made up at its start, told once, good for nothing afterwards."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from infusion_gateway.station import people
from infusion_gateway.station.hashing import PASSWORDS, PINS
from infusion_gateway.station.people import Person

STAFF = (("nurse-1", "Nurse 1", "clinician"), ("nurse-2", "Nurse 2", "clinician"), ("lead-1", "Lead", "supervisor"))
"""Two who order and confirm, as the scenarios' people, and one who sets limits and enrols screens."""
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""None that is taken for another when it is read off a terminal."""


@dataclass(frozen=True, slots=True)
class Pass:
    """How one of them signs in."""

    code: str
    role: str
    password: str = field(repr=False)
    pin: str = field(repr=False)


def passes() -> tuple[Pass, ...]:
    """Draw a password and a PIN for each, no PIN twice."""
    pins: list[str] = []
    while len(pins) < len(STAFF):
        pin = f"{secrets.randbelow(10_000):04}"
        if len(set(pin)) == len(pin) and pin not in pins:
            pins.append(pin)
    return tuple(
        Pass(code, role, "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3)), pin)
        for (code, _, role), pin in zip(STAFF, pins, strict=True)
    )


def keep(path: Path, given: tuple[Pass, ...]) -> None:
    """Write the file that a station reads; hashes alone are in it. Takes a moment: hashing is meant to."""
    titles = {code: title for code, title, _ in STAFF}
    people.save(
        path,
        (
            Person(one.code, titles[one.code], one.role, PASSWORDS.hash(one.password), PINS.hash(one.pin))
            for one in given
        ),
    )
