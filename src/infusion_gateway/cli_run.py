"""What supervises and what shows it: run, demo, watch, idle. Thin; the work is in runtime and demo."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import click

from infusion_gateway.cli_config import config_option
from infusion_gateway.config.load import load


@click.command()
@config_option
@click.option(
    "--wire-log",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Note every byte both ways: time, direction, hex and meaning.",
)
@click.option(
    "--station/--no-station",
    default=True,
    show_default=True,
    help="Serve the page of FILE's [station], too, where it has one: a process of its own.",
)
def run(file: Path, wire_log: Path | None, station: bool) -> None:  # noqa: FBT001 - click passes it by name
    """Supervise every bed in FILE until SIGTERM."""
    settings = load(file)
    with _without("rich"):  # structlog would load it for prettier tracebacks: 4 MB of a process that nobody looks at
        main = import_module("infusion_gateway.runtime.main")
    sys.exit(main.run(settings, wire_log=wire_log, station=station))


@contextmanager
def _without(library: str) -> Iterator[None]:
    """Let what is imported meanwhile find a library, that nobody has loaded yet, not installed."""
    if library in sys.modules:
        yield
        return
    sys.modules[library] = None  # type: ignore[assignment]  # how Python says that it can't be imported
    try:
        yield
    finally:
        del sys.modules[library]


@click.command()
@click.option("--scenario", metavar="NAME", help="The scenario to play; `--list` names them.")
@click.option("--list", "listed", is_flag=True, help="Name the scenarios, a line each.")
@click.option("--check", is_flag=True, help="Play it to its end without a page, and print one JSON line of what held.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Of the page; 0 chooses one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that happens by chance.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Keep every log there.")
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="What held, as JUnit XML."
)
@click.option(
    "--recordings",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Recorded patients, for the scenarios that play them.",
)
@click.option("--wire-log", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="As of `run`.")
def demo(**options: object) -> None:
    """Show the whole stack with simulated devices: a bed on real wires, a broker, the gateway, what people see."""
    sys.exit(import_module("infusion_gateway.demo.main").run(**options))


@click.command()
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(path_type=Path),
    default="config/bedside.toml",
    show_default=True,
    metavar="FILE",
    help="The configuration of the gateway to watch.",
)
def watch(file: Path) -> None:
    """Show the beds live in the terminal, over the gateway's local socket: no broker is needed."""
    sys.exit(import_module("infusion_gateway.runtime.watch").run(load(file)))


@click.command()
@config_option
def idle(file: Path) -> None:
    """Exit 0 only where no session is under way at any bed of FILE, 1 otherwise: for what takes the machine away.

    Asked of the journal and of what the running gateway says; what can't be read counts as a session.
    """
    found = import_module("infusion_gateway.runtime.under_way").under_way(load(file))
    for line in found:
        click.echo(line)
    if found:
        sys.exit(1)
    click.echo("no session is under way")
