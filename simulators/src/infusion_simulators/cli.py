"""infusion-sim: simulated pumps and monitors on real wires. Exit 0 fine, 1 failed, 2 unusable arguments."""

import asyncio
import http.client
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import click

from infusion_simulators import dialects, faults
from infusion_simulators.line import parse_condition, parse_setting
from infusion_simulators.serve import fleet as fleet_of
from infusion_simulators.serve.asked import Unavailable
from infusion_simulators.serve.run import Endpoint, Job, prepare, run

F = TypeVar("F", bound=Callable[..., Any])
LOOPBACK = "127.0.0.1"
PORT_MAX = 65_535
ANSWER_MAX = 4 * 1024 * 1024
PATIENCE_S = 5.0


class Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT, :PORT or PORT; without a host it is loopback."""

    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Read it; click says what is wrong."""
        host, _, port = str(value).rpartition(":")
        if not (port.isascii() and port.isdecimal() and int(port[:6]) <= PORT_MAX):
            self.fail(f"{value}: a port is 0-{PORT_MAX}, as in {LOOPBACK}:4001", param, ctx)
        return host.strip("[]") or LOOPBACK, int(port)


def endpoint_options(command: F) -> F:
    """Add what `serve` and `play` have in common."""
    options = [
        click.option("--pty", type=click.Path(path_type=Path), help="A pseudo-terminal; PATH becomes a link to it."),
        click.option("--tcp", type=Address(), help="Listen there; port 0 chooses one."),
        click.option("--serial", metavar="PORT", help="A real serial port."),
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key's value to begin with."),
        click.option("--fault", "fault", multiple=True, metavar="NAME[:k=v,…]", help="A fault to begin with."),
        click.option("--seed", type=int, default=0, show_default=True, help="Of everything that happens by chance."),
        click.option("--baud-timing", is_flag=True, help="As slow as the real line."),
        click.option("--wire-log", type=click.Path(path_type=Path), help="Note every byte, both ways, in this file."),
        click.option("--control", type=Address(), help="Where `ctl` reaches it; port 0 chooses one."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
@click.version_option(package_name="infusion-simulators")
def main() -> None:
    """Simulate infusion pumps and monitors that speak the real wire protocols, with faults and a keypad."""


@main.command("list")
def list_dialects() -> None:
    """Tell every dialect: name, kind, wire settings, what it can be set to, its keypad; and the faults."""
    for name in dialects.names():
        about = dialects.describe(name)
        shared = ", several units a line" if about.shares_line else ""
        click.echo(f"{name}: {about.kind}, {about.summary}\n  wire: {about.baud} {about.framing}{shared}")
        click.echo(f"  source: {about.source}")
        _table("keys", about.keys)
        _table("keypad", about.presses)
        click.echo()
    _table(
        "faults of every dialect (each also for_s=N)",
        {k: f"{v.summary}{_defaults(v)}" for k, v in faults.KINDS.items()},
    )


@main.command()
@click.argument("devices", nargs=-1, required=True, metavar="DIALECT[@UNIT]…")
@endpoint_options
def serve(devices: tuple[str, ...], **options: Any) -> None:
    """Be one device, or several Modbus units on one line, until SIGTERM."""
    _serve(_job(devices, options))


@main.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "device", required=True, metavar="DIALECT", help="The device that shows it.")
@click.option("--speed", type=click.FloatRange(0.01, 1000), default=1.0, show_default=True, help="Times real time.")
@endpoint_options
def play(recordings: tuple[Path, ...], device: str, speed: float, **options: Any) -> None:
    """Play recordings, one after the other: CSV numerics through a dialect, anything else as raw bytes."""
    _serve(_job((device,), options, recordings, speed))


@main.command()
@click.option("--beds", type=click.IntRange(1, fleet_of.BEDS), required=True, metavar="N", help="How many beds.")
@click.option("--broker", default="mqtt://127.0.0.1:1883", show_default=True, help="The broker that it names.")
@click.option("--config", "out", type=click.Path(path_type=Path), help="Write it there; else it is printed.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that happens by chance.")
def fleet(beds: int, broker: str, out: Path | None, seed: int) -> None:
    """Be N beds, each a Modbus pump and monitor over TCP, until SIGTERM; gives one gateway's configuration for them."""

    def tell(text: str) -> None:
        if out is None:
            click.echo(text)
        else:
            out.write_text(text, encoding="utf-8")

    try:
        asyncio.run(fleet_of.run(beds, broker, seed, tell))
    except OSError as error:
        raise click.ClickException(str(error)) from error


@main.command()
def scenarios() -> None:
    """Print the folder where the scenario files lie."""
    click.echo(str(resources.files("infusion_simulators") / "scenarios"))


@main.group()
@click.argument("address", type=Address(), metavar="HOST:PORT")
@click.pass_context
def ctl(ctx: click.Context, address: tuple[str, int]) -> None:
    """Look at, change, and put a hand on a running simulator; HOST:PORT is its --control."""
    ctx.obj = address


@ctl.command("state")
@click.pass_obj
def ctl_state(address: tuple[str, int]) -> None:
    """Print the truth: every key and its value."""
    _show(_ask(address, "GET", "/state"))


@ctl.command("log")
@click.option("--after", type=int, default=0, help="Only what came after this sequence number.")
@click.pass_obj
def ctl_log(address: tuple[str, int], after: int) -> None:
    """Print what has happened: faults, presses, changes of state."""
    for entry in _ask(address, "GET", f"/log?after={after}")["entries"]:
        click.echo(f"{entry['sequence']:5} {entry['at_s']:10.3f} s  {entry['kind']:6} {entry['what']}")


@ctl.command("set")
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE…")
@click.pass_obj
def ctl_set(address: tuple[str, int], settings: tuple[str, ...]) -> None:
    """Change keys."""
    _show(_ask(address, "POST", "/set", dict(_usable(parse_setting, text) for text in settings)))


@ctl.command("press")
@click.argument("key")
@click.pass_obj
def ctl_press(address: tuple[str, int], key: str) -> None:
    """Press the keypad: start, pause, stop, rate=N, syringe=N."""
    _show(_ask(address, "POST", "/press", {"key": key}))


@ctl.command("fault")
@click.argument("fault", metavar="NAME[:k=v,…]")
@click.pass_obj
def ctl_fault(address: tuple[str, int], fault: str) -> None:
    """Begin a fault."""
    _show(_ask(address, "POST", "/fault", {"fault": fault}))


@ctl.command("clear")
@click.argument("fault", required=False)
@click.pass_obj
def ctl_clear(address: tuple[str, int], fault: str | None) -> None:
    """End one fault, or all."""
    _show(_ask(address, "POST", "/clear", {"fault": fault} if fault else {}))


@ctl.command("wait")
@click.argument("condition", metavar="KEY=VALUE")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0, 3600), default=10.0, show_default=True, help="Seconds."
)
@click.pass_obj
def ctl_wait(address: tuple[str, int], condition: str, timeout_s: float) -> None:
    """Wait until a key has a value (KEY=VALUE, KEY>VALUE, KEY<VALUE); exit 1 where it doesn't in time."""
    _usable(parse_condition, condition)
    query = urlencode({"condition": condition, "timeout_s": timeout_s})
    _show(_ask(address, "GET", f"/wait?{query}", patience_s=timeout_s + PATIENCE_S))


def _job(
    devices: tuple[str, ...], options: dict[str, Any], recordings: tuple[Path, ...] = (), speed: float = 1.0
) -> Job:
    """Make the job of a command's options; exactly one endpoint."""
    if sum(options[name] is not None for name in ("pty", "tcp", "serial")) != 1:
        raise click.UsageError("exactly one of --pty, --tcp and --serial is wanted")
    return Job(
        devices=devices,
        endpoint=Endpoint(options["pty"], options["tcp"], options["serial"], options["baud_timing"]),
        settings=tuple(_usable(parse_setting, text) for text in options["settings"]),
        faults=options["fault"],
        seed=options["seed"],
        wire_log=options["wire_log"],
        control=options["control"],
        recordings=recordings,
        speed=speed,
    )


def _serve(job: Job) -> None:
    """Do a job; exit 2 where it can't be done as asked, a port or path that can't be had included."""
    try:
        line, steps = prepare(job)
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    try:
        asyncio.run(run(job, line, steps))
    except Unavailable as error:
        raise click.BadParameter(error.why, param_hint=error.option) from error
    except OSError as error:
        raise click.ClickException(str(error)) from error


T = TypeVar("T")


def _usable(read: Callable[[str], T], text: str) -> T:
    """Read an argument; exit 2 where it is unusable."""
    try:
        return read(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _ask(
    address: tuple[str, int], method: str, path: str, body: object = None, patience_s: float = PATIENCE_S
) -> dict[str, Any]:
    """Ask a running simulator; exit 1 with its sentence where it says no, or isn't there."""
    where = f"{address[0]}:{address[1]}"
    connection = http.client.HTTPConnection(*address, timeout=patience_s)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"content-type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read(ANSWER_MAX))
    except (http.client.HTTPException, ValueError, TimeoutError) as error:
        raise click.ClickException(f"{where} is no control address of a simulator: `serve` prints it") from error
    except OSError as error:
        raise click.ClickException(f"no simulator answers at {where}; is it running?") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise click.ClickException(str(answer["error"]))
    return dict(answer)


def _show(state: dict[str, Any]) -> None:
    click.echo(json.dumps(state, indent=2))


def _table(title: str, rows: Any) -> None:
    click.echo(f"  {title}:")
    for name, what in rows.items():
        click.echo(f"    {name:16} {what}")


def _defaults(kind: faults.FaultKind) -> str:
    given = ", ".join(f"{key}={value:g}" for key, value in kind.parameters.items())
    return f" ({given})" if given else ""
