"""`annunciator`: sound and light at the bed, as a process of its own."""

import sys
from importlib import import_module
from pathlib import Path

import click

from infusion_gateway.cli_config import config_option
from infusion_gateway.config.load import load


@click.command()
@config_option
def annunciator(file: Path) -> None:
    """Sound and light at the beds of FILE that have [bed.annunciator], until SIGTERM.

    Hears the gateway over a socket on this machine: no broker is needed. Sounds by itself when nothing has come from
    the gateway for 5 s. Prints a line whenever what a bed sounds or shows changes.
    """
    sys.exit(import_module("infusion_gateway.runtime.annunciator.main").run(load(file)))
