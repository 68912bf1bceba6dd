"""What looks at configuration and drivers and opens nothing: check, devices, schema."""

import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from infusion_gateway.config import protocols, signing
from infusion_gateway.config import schema as file_schema
from infusion_gateway.config.certificates import certificates
from infusion_gateway.config.commissioned import digest
from infusion_gateway.config.drivers import Drivers
from infusion_gateway.config.load import load
from infusion_gateway.config.machine import findings
from infusion_gateway.config.protocol_schema import ProtocolFile
from infusion_gateway.config.settings import BrokerSettings, Settings, StationSettings
from infusion_gateway.config.stations import load_station, stations_own
from infusion_gateway.core.health import ending
from infusion_gateway.devices.driver import Traits, Wire
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.wire import asyncapi, contract, page

SQLITE_SOUND = (3, 51, 3)
"""Since this version a WAL reset can't corrupt a database that two connections use at once (SQLite release notes)."""
SCHEMAS: dict[str, tuple[type[BaseModel], str]] = {
    "bedside.schema.json": (file_schema.File, "Configuration of an Infusion Gateway"),
    "protocol.schema.json": (ProtocolFile, "Session protocol of an Infusion Gateway"),
}

config_option = click.option(
    "-c",
    "--config",
    "file",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The gateway's configuration, as config/bedside.toml.",
)


@click.command()
@config_option
@click.option("--box", is_flag=True, help="Look at the machine too (docs/install.md); in mode real it always is.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="With it, at the machine whose disk is mounted there.",
)
def check(file: Path, box: bool, root: Path | None) -> None:  # noqa: FBT001 - click passes it by name
    """Validate a configuration, its protocols and its station, or a station's own file; opens no device and no port.

    Prints every problem at once as FILE:line: key: problem. remedy, and exits 2. Exits 0 where there is none; what is
    not as it should be of the machine is a line each, with its remedy.
    """
    try:
        if stations_own(file):
            _check_station(load_station(file), file)
            return
        settings = load(file)
    except ConfigError as error:
        click.echo(str(error))
        sys.exit(2)
    for protocol in settings.protocols.values():
        loaded = protocols.judged(
            settings.gateway.protocol_directory / f"{protocol.name}.toml", settings.gateway.protocol_keys
        )
        if not protocol.signed:
            click.echo(f"protocol {protocol.name} is unsigned: {_unsigned(loaded)}")
        for one in loaded.loosened:
            click.echo(f"protocol {protocol.name} is looser than {loaded.sources[-1].name}: {one}")
    for line in (*_silent(settings, here=root is None), *_told(settings.station)):
        click.echo(line)
    _say_ending(settings.broker)
    if box or root is not None or settings.gateway.mode is GenerationMode.REAL:
        look = import_module("infusion_gateway.runtime.machine").look
        for finding in findings(look(root or Path("/"), settings), settings):
            click.echo(f"machine: {finding}")
    if settings.gateway.mode is GenerationMode.REAL:
        judge = import_module("infusion_gateway.runtime.means").commissioned
        beds = [bed.id for bed in settings.beds]
        for name, gate in judge(
            settings.gateway.state_directory, beds, digest(settings), version("infusion-gateway")
        ).items():
            if not gate.open:
                click.echo(f"bed {name} can't be armed: {gate.why}")
    sound = (
        "" if sqlite3.sqlite_version_info >= SQLITE_SOUND else ", before 3.51.3: copy the journal while it is closed"
    )
    click.echo(f"SQLite {sqlite3.sqlite_version}{sound}")
    devices = sum(len(bed.devices) for bed in settings.beds)
    click.echo(
        f"fine: {_count(len(settings.beds), 'bed')}, {_count(devices, 'device')}, "
        f"{_count(len(settings.lines), 'line')}, mode {settings.gateway.mode}"
    )


def _silent(settings: Settings, *, here: bool) -> Iterator[str]:
    """Say which beds can't be heard. here: it is this machine that they sound at."""
    for bed in settings.beds:
        sound = bed.annunciator.sound[:1] if bed.annunciator and here else ()
        if not bed.setup.annunciator:
            yield f"bed {bed.id}: no bedside alarm: where no station listens, nobody is told of anything"
        elif sound and shutil.which(sound[0]) is None:
            yield f"bed {bed.id}: it can't sound: this user finds no program {sound[0]}. Install it, or correct it"


def _check_station(station: StationSettings, file: Path) -> None:
    """Say what there is to say of a station's own file."""
    for line in _told(station):
        click.echo(line)
    _say_ending(station.broker)
    click.echo(f"fine: a station's own file, for `infusion-gateway station -c {file}`; no gateway is in it")


def _say_ending(broker: BrokerSettings) -> None:
    for trouble in ending(certificates(broker, None, time.time_ns())):
        click.echo(trouble.text)


def _told(station: StationSettings | None) -> Iterator[str]:
    """Say who is to be told away from the page and is in nobody's entry of the people's file: they are not told."""
    if station is None:
        return
    try:
        for code in import_module("infusion_gateway.station.people").absent(station):
            yield (
                f"{code} is not in {station.people}, so nobody tells them of an alarm: `infusion-gateway people add "
                f"{code}`, or take their [[station.notify.person]] out"
            )
    except ConfigError as error:
        yield str(error)


def _unsigned(loaded: protocols.Loaded) -> str:
    """Say why a protocol is unsigned: a template as it was shipped is another thing than a changed signed one."""
    why = loaded.why_unsigned
    return "a template, until a clinic's lead has signed it" if why == signing.NOBODY else why


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
@click.option(
    "--extra-profiles",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A directory of Modbus profiles of one's own, to list as well.",
)
def devices(as_json: bool, extra_profiles: Path | None) -> None:  # noqa: FBT001 - click passes it by name
    """List every driver: what it is for, whether it can be stopped, its dead man, and where its facts are from."""
    found = [traits for _, traits in sorted(Drivers(extra_profiles).traits.items())]
    if as_json:
        click.echo(json.dumps([_plain(t) for t in found], indent=2, ensure_ascii=False))
        return
    from rich.console import Console  # what only people look at takes no memory of a gateway
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "device", "kind", "wire", "use", "stop", "dead man", "source"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for traits in found:
        table.add_row(
            traits.name,
            f"{traits.vendor} {traits.model}",
            str(traits.kind),
            _wire(traits),
            str(traits.use),
            "yes" if traits.stoppable else "no",
            f"{traits.dead_man[0]} to {traits.dead_man[1]} s" if traits.dead_man else "none",
            traits.source,
        )
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(table)


def _wire(traits: Traits) -> str:
    return f"{traits.wire}{'' if traits.wire is Wire.SERIAL else ' RTU/TCP'} {traits.baud} {traits.framing}"


def _plain(traits: Traits) -> dict[str, Any]:
    plain = asdict(traits)
    for key in ("silence", "timeout"):
        plain[f"{key}_s"] = plain.pop(key) / SECOND
    return plain


@click.command()
@click.option(
    "--of",
    "what",
    type=click.Choice(["all", "config", "mqtt"]),
    default="all",
    show_default=True,
    help="config: of the configuration and of session protocols. mqtt: of all that goes over MQTT, and its page.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write one file each into this directory instead of printing.",
)
def schema(what: str, out: Path | None) -> None:
    """Write JSON Schemas and the AsyncAPI document, for editors and other programs, and the page of the MQTT contract.

    Printed are the schemas of the files that people write, and the AsyncAPI document. Published schemas in the
    directory are held against the new ones: where a receiver built on them would break, nothing is written, and each
    break is said (exit 1).
    """
    texts = (schemas() if what != "mqtt" else {}) | (contract_files() if what != "config" else {})
    if out is None:
        for name, text in texts.items():
            if "/" not in name and name.endswith(".json"):
                click.echo(text, nl=False)
        return
    if broken := contract_breaks(out) if what != "config" else []:
        click.echo("\n".join(broken))
        click.echo(
            "Nothing was written. Keep what is published, or give what replaces it a root of its own (igw/v2). A file "
            "that was in no release may be removed first"
        )
        sys.exit(1)
    for name, text in texts.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        click.echo(str(path))


def schemas() -> dict[str, str]:
    """Give every schema file's name and text."""
    return {name: _json(file_schema.json_schema(model, title)) for name, (model, title) in SCHEMAS.items()}


def contract_files() -> dict[str, str]:
    """Give the files of the MQTT contract: the page, the AsyncAPI document, the schema of each payload."""
    texts = {"mqtt.md": page.page(), "asyncapi.json": _json(asyncapi.document())}
    return texts | {f"schemas/{name}.json": _json(one) for name, one in contract.schemas().items()}


def contract_breaks(published: Path) -> list[str]:
    """Say what in the schemas published in this directory the present ones would break, one line each."""
    found = []
    for path in sorted((published / "schemas").glob("*.json")):
        before = json.loads(path.read_text())
        found += [f"{path.stem}: {one}" for one in contract.breaks_of(path.stem, before)]
    return found


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
