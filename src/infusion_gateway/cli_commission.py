"""`commission`: a person tries a gateway's beds one by one, before anybody is treated there."""

import asyncio
import sys
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infusion_gateway.cli_config import config_option
from infusion_gateway.config.load import load
from infusion_gateway.config.settings import Settings

if TYPE_CHECKING:
    from infusion_gateway.runtime.commission.engineer import Engineer
    from infusion_gateway.wire.commissioning import Commissioned

LARGEST = 64 * 1024
"""Bytes that a file of answers may have."""
MOST_NAMES, LONGEST_NAME = 4, 70


@click.command()
@config_option
@click.option(
    "--by", multiple=True, required=True, metavar="NAME", help="Who carries it out; a second time: who checks."
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Answers to the questions, as TOML: for tests. Such a record opens no gate in mode real.",
)
@click.option(
    "--page", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the page to sign there too."
)
@click.option(
    "--wire-log",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Note every byte both ways: time, direction, hex and meaning.",
)
def commission(file: Path, by: tuple[str, ...], answers: Path | None, page: Path | None, wire_log: Path | None) -> None:
    """Try every bed of FILE with a person in front of it, and write a page to sign (docs/commissioning.md).

    No patient may be connected and no gateway may run meanwhile. Says what to do, asks what only a person can see,
    stops a pump that runs saline, pulls its dead man, tries the bed's alarm, the messages, the clock and the disk.
    Exits 0 where all of it passed, 1 where something failed, 2 where it could not be carried out.
    """
    if len(by) > MOST_NAMES or any(not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable() for name in by):
        raise click.UsageError(f"--by: at most {MOST_NAMES} names of at most {LONGEST_NAME} characters")
    settings = load(file)
    written = None if answers is None else _answers(answers)
    record = _carried_out(settings, by, written, wire_log)
    kept = _kept(record, settings.gateway.state_directory, page)
    failed = [one for one in record.findings if one.verdict == "failed"]
    for one in failed:
        click.echo(f"FAILED {one.place} {one.test}: {one.words}")
    click.echo("passed" if kept and not failed else "failed")
    sys.exit(0 if kept and not failed else 1)


def _kept(record: "Commissioned", directory: Path, page: Path | None) -> bool:
    """Keep the record and the page, and say where; a page that can't be kept is printed, so that nothing is lost."""
    text = import_module("infusion_gateway.commissioning.page").page(record)
    try:
        click.echo(
            f"\nThe page to sign: {import_module('infusion_gateway.runtime.commission.main').keep(record, directory)}"
        )
        if page is not None:
            page.write_text(text)
    except OSError as error:
        click.echo(f"\n{text}\n{error.filename} can't be written: {error.strerror}", err=True)
        return False
    return True


def _carried_out(
    settings: Settings, by: tuple[str, ...], written: dict[str, bool] | None, wire_log: Path | None
) -> "Commissioned":
    """Carry it out; ends the command with 2 where that can't be, or nobody answers."""
    from infusion_gateway.errors import JournalError
    from infusion_gateway.runtime import logs
    from infusion_gateway.runtime.clock import Clock
    from infusion_gateway.runtime.commission import engineer, main
    from infusion_gateway.runtime.wirelog import WireLog

    async def begin() -> "Commissioned":
        person: Engineer = engineer.AtTerminal() if written is None else engineer.FromFile(written)
        log = WireLog(wire_log) if wire_log else None
        named = {"by": by, "version": version("infusion-gateway"), "clock": Clock(), "wire_log": log}
        return await main.commission(settings, person, **named)  # type: ignore[arg-type]  # named as they are there

    logs.configure(level="error", json_file=None)
    try:
        return asyncio.run(begin())
    except (JournalError, engineer.NobodyAnswers) as error:
        click.echo(f"{error}. Nothing is commissioned", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        click.echo("\nended by hand: nothing is commissioned. Look whether a pump still runs", err=True)
        sys.exit(2)


def _answers(path: Path) -> dict[str, bool]:
    """Read a file of answers: each key a question's name, each value true or false."""
    try:
        with path.open("rb") as file:
            read = tomllib.loads(file.read(LARGEST).decode())
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--answers: {path}: {error}") from None
    wrong = [key for key, value in read.items() if not isinstance(value, bool)]
    if wrong:
        raise click.UsageError(f"--answers: {path}: {wrong[0]!r} must be true or false, as in screen = true")
    return read
