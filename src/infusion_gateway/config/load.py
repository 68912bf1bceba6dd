"""From a TOML file to Settings: every problem at once, each as FILE:line: key: problem. remedy.

Each table is read by itself, so that a slip in one does not hide what is wrong in another; what keys say of each other
is checked for all tables that could be read.
"""

import os
from pathlib import Path
from typing import Any

from infusion_gateway.config import keys, protocols, stations
from infusion_gateway.config.broker import loopback, resolve
from infusion_gateway.config.document import Document, Key, Report, absolute, read
from infusion_gateway.config.drivers import Drivers
from infusion_gateway.config.explain import part, unknown
from infusion_gateway.config.references import BedRead, Known, Read, beds, lines
from infusion_gateway.config.schema import (
    BedTable,
    BrokerTable,
    DeviceTable,
    File,
    GatewayTable,
    KeyTable,
    LineTable,
    StationTable,
)
from infusion_gateway.config.settings import GatewaySettings, Settings
from infusion_gateway.errors import ConfigError

JOURNAL = "journal.db"
"""The journal's file in the state directory (runtime/journal_file.py)."""
LONGEST_SOCKET = 107
"""Bytes that the path of a Unix socket may have (unix(7))."""


def load(path: Path) -> Settings:
    """Read a configuration; ConfigError with every problem found. Opens no device, no socket and no journal."""
    document = read(path)
    report = Report(document)
    for key in document.values:
        if key not in File.model_fields:
            report.add((key,), *unknown(key, File.model_fields))
    gateway_table = part(GatewayTable, _table(document, "gateway", report), ("gateway",), report)
    gateway = _gateway(gateway_table, report)
    key_tables = _many(document.values, KeyTable, ("key",), report) if "key" in document.values else []
    enrolled = keys.enrolled(key_tables, gateway_table, report)
    broker = resolve(part(BrokerTable, _table(document, "broker", report), ("broker",), report), report)
    station = None
    if "station" in document.values:
        station = stations.station(part(StationTable, document.values["station"], stations.AT, report), broker, report)
    line_tables = _many(document.values, LineTable, ("line",), report)
    known_lines = lines(line_tables, report)
    drivers = _drivers(gateway, report)
    called = {line.called: line.at for line in line_tables if line.called}
    found = beds(_beds(document, report), Known(called, known_lines, gateway, drivers), report)
    report.end()
    assert gateway is not None, "a gateway that could not be read is a problem"
    assert broker is not None, "a broker that could not be read is a problem"
    used = {p.name: p for bed in found for p in bed.setup.protocols}
    return Settings(
        path.absolute(), document.digest, gateway, broker, tuple(known_lines.values()), found, used, drivers, enrolled,
        station,
    )  # fmt: skip


def _table(document: Document, name: str, report: Report) -> Any:
    if name not in document.values:
        report.add((name,), "this table is missing", f"Add [{name}]")
        return {}
    return document.values[name]


def _many(values: dict[str, Any], model: type[Any], at: Key, report: Report) -> list[Read[Any]]:
    """Read every table of an array; those that can't be read stay, with what is written there."""
    name = str(at[-1])
    raw = values.get(name, [])
    if not isinstance(raw, list) or not raw:
        written = ".".join(str(p) for p in at if isinstance(p, str))
        report.add(at, "none is given", f"Add [[{written}]]")
        return []
    longest = 128
    if len(raw) > longest:
        report.add(at, f"there are {len(raw)}", f"At most {longest}")
        raw = raw[:longest]
    return [Read((*at, n), item, part(model, item, (*at, n), report)) for n, item in enumerate(raw)]


def _beds(document: Document, report: Report) -> list[BedRead]:
    """Read the beds, the devices of each by themselves."""
    raw = document.values.get("bed")
    bare = [{**b, "device": []} if isinstance(b, dict) else b for b in raw] if isinstance(raw, list) else raw
    read_beds: list[Read[BedTable]] = _many({"bed": bare}, BedTable, ("bed",), report)
    out = []
    for bed in read_beds:
        whole = raw[bed.at[-1]] if isinstance(raw, list) and isinstance(bed.at[-1], int) else {}
        devices: list[Read[DeviceTable]] = []
        if isinstance(whole, dict):
            devices = _many(whole, DeviceTable, (*bed.at, "device"), report)
        out.append(BedRead(bed, devices))
    return out


def _gateway(table: GatewayTable | None, report: Report) -> GatewaySettings | None:
    if table is None:
        return None
    state = absolute(report.document.path, table.state_directory)
    socket = absolute(report.document.path, table.socket) if table.socket else state / "watch.sock"
    directory = (
        absolute(report.document.path, table.protocol_directory) if table.protocol_directory else protocols.shipped()
    )
    extra = absolute(report.document.path, table.extra_profiles) if table.extra_profiles else None
    nearest = next(p for p in (state, *state.parents) if p.exists())
    if not nearest.is_dir() or not (os.access(nearest, os.W_OK | os.X_OK) or _went_read_only(state)):
        remedy = "Choose a directory that this user may write, or make it and give it to this user"
        report.add(("gateway", "state_directory"), f"nothing can be written in {nearest}", remedy)
    if max(len(os.fsencode(p)) for p in (socket, socket.with_name("annunciator.sock"))) > LONGEST_SOCKET:
        remedy = 'Set a shorter one, like socket = "/run/infusion-gateway/watch.sock"'
        report.add(("gateway", "socket"), f"a socket's path has at most {LONGEST_SOCKET} bytes", remedy)
    for key, place in (("protocol_directory", directory), ("extra_profiles", extra)):
        if place is not None and not place.is_dir():
            report.add(("gateway", key), f"there is no directory {place}", "Make it, or take this key out")
    signers, own = keys.protocol_keys(table, report), keys.own_key(table, report)
    figures = None if table.metrics is None else loopback(("gateway", "metrics"), table.metrics, report)
    return GatewaySettings(table.site, table.name, table.mode, state, socket, directory, extra, signers, own, figures)


def _went_read_only(state: Path) -> bool:
    """Say whether a journal lies on a disk that takes nothing any more: who starts again supervises, and tells it."""
    return (state / JOURNAL).is_file() and bool(os.statvfs(state).f_flag & os.ST_RDONLY)


def _drivers(gateway: GatewaySettings | None, report: Report) -> Drivers:
    """Give every driver; without the clinic's own profiles where these are broken, which is reported in their files."""
    extra = gateway.extra_profiles if gateway else None
    try:
        return Drivers(extra if extra is not None and extra.is_dir() else None)
    except ConfigError as error:
        report.problems.extend(error.problems)
        found = Drivers(None)
        found.unread = frozenset() if extra is None else frozenset(path.stem for path in extra.glob("*.toml"))
        return found
