"""`station`: the clinicians' page as a process of its own; `people`, `screens`: who may use it, and from where."""

import secrets
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import click

from infusion_gateway.cli_config import config_option
from infusion_gateway.config.document import absolute, read
from infusion_gateway.config.stations import load_station
from infusion_gateway.model.names import is_name
from infusion_gateway.runtime import logs
from infusion_gateway.runtime.watchdog import Notifier
from infusion_gateway.station import people as known
from infusion_gateway.station.hashing import LONGEST, PASSWORDS, PINS, holds
from infusion_gateway.station.people import Person
from infusion_gateway.station.printing import Beside
from infusion_gateway.station.screens import Screens
from infusion_gateway.station.signin import LEAST_PIN, LONGEST_PIN

LEAST_PASSWORD = 10

_role = click.option("--role", type=click.Choice(known.ROLES), required=True, help="A viewer looks and asks nothing.")
_code = click.argument("code")


@click.command()
@config_option
@click.option("--until-eof", is_flag=True, hidden=True, help="End with who started it: when standard input ends.")
def station(file: Path, until_eof: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Serve the clinicians' page of FILE's [station] until SIGTERM: the beds of its site, live, in a browser.

    Prints `ready` and the page's address once it can be opened. Exit 2: its address or certificate can't be used.
    """
    settings = load_station(file)
    logs.configure(level="info", json_file=None)
    main = import_module("infusion_gateway.station.main")
    sys.exit(main.run(settings, Notifier(), until_eof=until_eof, beside=_beside(file)))


def _beside(file: Path) -> Beside | None:
    """Give the gateway of this file: its journal is where that says, on this machine."""
    gateway = read(file).values.get("gateway")
    name, state = (gateway.get(key) if isinstance(gateway, dict) else None for key in ("name", "state_directory"))
    if not (isinstance(name, str) and is_name(name) and isinstance(state, str)):
        return None
    return Beside(name, file.absolute(), absolute(file, state))


@click.group()
def people() -> None:
    """Who may sign in at the station's page; the file is [station] people_file."""


@people.command("list")
@config_option
def list_(file: Path) -> None:
    """Name everybody, a line each: code, role, whether there is a PIN, title."""
    for person in known.read(_place(file)):
        how = f" (openid {person.openid})" if person.openid else ""
        click.echo(f"{person.code:24} {person.role:12} {'PIN   ' if person.pin else 'no PIN'} {person.title}{how}")


@people.command()
@_code
@_role
@click.option("--title", help="How the page names them, as `Nurse 7`; the code by default.")
@click.option("--openid", metavar="SUBJECT", help="By the clinic's identity provider alone, which calls them so.")
@config_option
def add(code: str, role: str, title: str | None, openid: str | None, file: Path) -> None:
    """Let somebody sign in. CODE is an opaque code as on the record, as nurse-7. Asks for their password, twice."""
    path = _place(file)
    everybody = known.read(path)
    if why := known.fault(code, title or code, role):
        raise click.UsageError(why)
    if any(one.code == code.lower() for one in everybody):
        raise click.UsageError(f"{code} is there already: `people password`, or `people remove` first")
    if len(everybody) >= known.MOST:
        raise click.UsageError(f"there are {known.MOST} already")
    if openid is None:
        made = Person(code.lower(), title or code, role, PASSWORDS.hash(_secret("Password", _password)))
    else:
        made = Person(code.lower(), title or code, role, "", openid=_subject(openid, everybody))
    _keep(path, (*everybody, made))
    click.echo(f"{made.code} may sign in as {role}. For a PIN: infusion-gateway people pin {made.code} -c {file}")


@people.command()
@_code
@config_option
def remove(code: str, file: Path) -> None:
    """Let somebody sign in no more; who is signed in is signed out at once."""
    path = _place(file)
    person, others = _one(path, code)
    _keep(path, others)
    click.echo(f"{person.code} may not sign in any more")
    if person.code in known.absent(load_station(file)):
        click.echo(
            "They are off duty, and told of no alarm any more. Take their [[station.notify.person]] and their code in "
            f"[[station.escalation]] out of {file}, too; that counts once the station is begun anew"
        )


@people.command()
@_code
@config_option
def password(code: str, file: Path) -> None:
    """Give somebody another password; they are signed out everywhere."""
    path = _place(file)
    person, others = _one(path, code)
    _keep(path, (*others, replace(person, password=PASSWORDS.hash(_secret("Password", _password)))))
    click.echo(f"{person.code} has another password")


@people.command()
@_code
@click.option("--none", "taken", is_flag=True, help="Take it away instead.")
@config_option
def pin(code: str, file: Path, taken: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Give somebody a PIN, to acknowledge, pause audio and hold off at a screen by. One is one person's alone."""
    path = _place(file)
    person, others = _one(path, code)
    hashed = None
    if not taken:
        said = _secret("PIN", _pin)
        if any(one.pin and holds(one.pin, said) for one in others):
            raise click.UsageError("this one is taken: a PIN says whose it is")
        hashed = PINS.hash(said)
    _keep(path, (*others, replace(person, pin=hashed)))
    click.echo(f"{person.code} has {'no PIN any more' if taken else 'another PIN' if person.pin else 'a PIN'}")


@people.command()
@_code
@click.argument("subject", required=False)
@click.option("--none", "taken", is_flag=True, help="Take it away instead.")
@config_option
def openid(code: str, subject: str | None, file: Path, taken: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Say whom the clinic's identity provider calls SUBJECT: one person, however they sign in."""
    path = _place(file)
    person, others = _one(path, code)
    if taken == (subject is not None):
        raise click.UsageError("give SUBJECT, or --none")
    if taken and not person.password:
        raise click.UsageError(f"{person.code} has no password: `people password` first, or `people remove`")
    said = None if subject is None else _subject(subject, others)
    _keep(path, (*others, replace(person, openid=said)))
    click.echo(f"{person.code} {'signs in here alone' if said is None else f'is who the provider calls {said}'}")


@click.group()
def screens() -> None:
    """List and take away the browsers that a supervisor has enrolled; the file is [station] screens_file."""


@screens.command("list")
@config_option
def list_screens(file: Path) -> None:
    """Name every screen, a line each: name, profile, bed, who enrolled it."""
    for one in sorted(_screens(file).all(), key=lambda one: one.name):
        click.echo(f"{one.name:24} {one.profile:8} {one.bed or '-':32} by {one.by}")


@screens.command("remove")
@click.argument("name")
@config_option
def remove_screen(name: str, file: Path) -> None:
    """Let a browser be no screen any more, such as a call button: it shows the page within seconds."""
    try:
        found = _screens(file).remove(name)
    except OSError as error:
        raise click.UsageError(f"the screens' file can't be written: {error.strerror}") from None
    if not found:
        raise click.UsageError(f"no screen is called {name[:64]!r}: `infusion-gateway screens list` names them all")
    click.echo(f"{name} is no screen any more")


def _screens(file: Path) -> Screens:
    path = load_station(file).screens
    if path is None:
        raise click.UsageError(f'{file} keeps no screens: add screens_file = "screens.toml" to [station]')
    return Screens(path)


def _subject(said: str, others: Iterable[Person]) -> str:
    if not known.is_subject(said):
        raise click.UsageError("SUBJECT is the provider's `sub`: at most 255 printable ASCII letters")
    if any(one.openid == said for one in others):
        raise click.UsageError("somebody else is that one already: `people list`")
    return said


def _secret(what: str, fault: Callable[[str], str]) -> str:
    """Ask for it twice where a person types it; where a program does, its first line."""
    if sys.stdin.isatty():
        said = str(click.prompt(what, hide_input=True, confirmation_prompt=True))
    else:
        said = sys.stdin.readline().rstrip("\r\n")
    if why := fault(said):
        raise click.UsageError(why)
    return said


def _password(said: str) -> str:
    if not LEAST_PASSWORD <= len(said) <= LONGEST:
        return f"a password has {LEAST_PASSWORD} to {LONGEST} characters"
    return "" if said.isprintable() else "a password is printable"


def _pin(said: str) -> str:
    if not (said.isascii() and said.isdigit() and LEAST_PIN <= len(said) <= LONGEST_PIN):
        return f"a PIN has {LEAST_PIN} to {LONGEST_PIN} digits, as {secrets.randbelow(10**6):06}"
    return "this one is guessed at once" if len(set(said)) == 1 or said in "01234567890123456789" else ""


def _place(file: Path) -> Path:
    path = load_station(file).people
    if path is None:
        raise click.UsageError(f'{file} keeps no people: add people_file = "people.toml" to [station]')
    return path


def _one(path: Path, code: str) -> tuple[Person, list[Person]]:
    """Give the person of that code and everybody else."""
    everybody = known.read(path)
    found = next((one for one in everybody if one.code == code.lower()), None)
    if found is None:
        raise click.UsageError(f"nobody is called {code[:64]!r}: `infusion-gateway people list` names everybody")
    return found, [one for one in everybody if one is not found]


def _keep(path: Path, everybody: Iterable[Person]) -> None:
    try:
        known.save(path, everybody)
    except OSError as error:
        raise click.UsageError(f"{path} can't be written: {error.strerror}") from None
