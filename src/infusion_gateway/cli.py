"""infusion-gateway: the commands. Exit 0 fine, 1 failed, 2 unusable configuration or arguments.

Each command's code is imported when it is called, so that `check` and `devices` start at once.
"""

import sys
from importlib import import_module
from typing import Any

import click

from infusion_gateway.errors import ConfigError, GatewayError

COMMANDS = {
    # name: the module that holds it
    "run": "infusion_gateway.cli_run",
    "check": "infusion_gateway.cli_config",
    "demo": "infusion_gateway.cli_run",
    "devices": "infusion_gateway.cli_config",
    "session": "infusion_gateway.cli_session",
    "watch": "infusion_gateway.cli_run",
    "idle": "infusion_gateway.cli_run",
    "log": "infusion_gateway.cli_review",
    "report": "infusion_gateway.cli_report",
    "replay": "infusion_gateway.cli_review",
    "protocol": "infusion_gateway.cli_protocol",
    "keys": "infusion_gateway.cli_keys",
    "annunciator": "infusion_gateway.cli_annunciator",
    "station": "infusion_gateway.cli_station",
    "people": "infusion_gateway.cli_station",
    "screens": "infusion_gateway.cli_station",
    "commission": "infusion_gateway.cli_commission",
    "schema": "infusion_gateway.cli_config",
}


class Commands(click.Group):
    """A group that imports a command when it is asked for, and turns our errors into exit codes without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands, in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        assert isinstance(found, click.Command), f"{cmd_name} is no command"
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an unusable configuration exits 2, whatever else the gateway knows as an error 1."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(str(error), err=True)
            sys.exit(2)
        except GatewayError as error:
            click.echo(f"{type(error).__name__}: {error}", err=True)
            sys.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="infusion-gateway", prog_name="infusion-gateway")
def cli() -> None:
    """Supervise an IV infusion session at the bedside.

    Reads pump and monitor, stops the pump at ordered limits, tells people over MQTT. Not a certified medical device.
    Exit status: 0 fine, 1 failed, 2 unusable configuration or arguments.
    """


def main() -> None:
    """Run the command line."""
    cli()
