"""From a TOML file to Settings: every problem at once, each as FILE:line: key: problem. remedy.

Each table is read by itself, so that a slip in one does not hide what is wrong in another; what keys say of each other
is checked for all tables that could be read.
"""

import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from infusion_gateway.config import protocols
from infusion_gateway.config.document import Document, Key, Report, read
from infusion_gateway.config.drivers import Drivers
from infusion_gateway.config.explain import part, unknown
from infusion_gateway.config.references import BedRead, Known, Read, beds, lines
from infusion_gateway.config.schema import RESERVED, BedTable, BrokerTable, DeviceTable, File, GatewayTable, LineTable
from infusion_gateway.config.settings import BrokerSettings, GatewaySettings, Settings
from infusion_gateway.errors import ConfigError

LONGEST_SOCKET = 107
"""Bytes that the path of a Unix socket may have (unix(7))."""
LONGEST_SECRET = 1024
PORTS = {"mqtt": 1883, "mqtts": 8883}
"""The ports that the Internet's authority assigned to MQTT."""


def load(path: Path) -> Settings:
    """Read a configuration; ConfigError with every problem found. Opens no device, no socket and no journal."""
    document = read(path)
    report = Report(document)
    for key in document.values:
        if key not in File.model_fields:
            report.add((key,), *unknown(key, File.model_fields))
    gateway = _gateway(part(GatewayTable, _table(document, "gateway", report), ("gateway",), report), report)
    broker = _broker(part(BrokerTable, _table(document, "broker", report), ("broker",), report), report)
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
        path.absolute(), document.digest, gateway, broker, tuple(known_lines.values()), found, used, drivers
    )


def _table(document: Document, name: str, report: Report) -> Any:
    if name not in document.values:
        report.add((name,), "this table is missing", f"Add [{name}]")
        return {}
    return document.values[name]


def _many(values: dict[str, Any], model: type[Any], at: Key, report: Report) -> list[Read[Any]]:
    """Read every table of an array; those that can't be read stay as None, with the name they were given."""
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
    return [Read((*at, n), _called(item), part(model, item, (*at, n), report)) for n, item in enumerate(raw)]


def _called(raw: Any) -> str:
    """Give the name that a table gave itself, whether or not it could be read; "" for none."""
    found = raw.get("name", raw.get("id")) if isinstance(raw, dict) else None
    return found if isinstance(found, str) else ""


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


def absolute(path: str, report: Report) -> Path:
    """Resolve a path as written: relative ones start at the file that names them. Links are left as they are."""
    return Path(os.path.normpath(report.document.path.absolute().parent / path))


def _gateway(table: GatewayTable | None, report: Report) -> GatewaySettings | None:
    if table is None:
        return None
    state = absolute(table.state_directory, report)
    socket = absolute(table.socket, report) if table.socket else state / "watch.sock"
    directory = absolute(table.protocol_directory, report) if table.protocol_directory else protocols.shipped()
    extra = absolute(table.extra_profiles, report) if table.extra_profiles else None
    if table.name in RESERVED or table.site in RESERVED:
        report.add(("gateway", "name"), "a name that topics need for themselves", "Choose another")
    nearest = next(p for p in (state, *state.parents) if p.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        remedy = "Choose a directory that this user may write, or make it and give it to this user"
        report.add(("gateway", "state_directory"), f"nothing can be written in {nearest}", remedy)
    if len(os.fsencode(socket)) > LONGEST_SOCKET:
        remedy = 'Set a shorter one, like socket = "/run/infusion-gateway/watch.sock"'
        report.add(("gateway", "socket"), f"a socket's path has at most {LONGEST_SOCKET} bytes", remedy)
    for key, place in (("protocol_directory", directory), ("extra_profiles", extra)):
        if place is not None and not place.is_dir():
            report.add(("gateway", key), f"there is no directory {place}", "Make it, or take this key out")
    return GatewaySettings(table.site, table.name, table.mode, state, socket, directory, extra)


def _drivers(gateway: GatewaySettings | None, report: Report) -> Drivers:
    """Give every driver; without the clinic's own profiles where these are broken, which is reported in their files."""
    extra = gateway.extra_profiles if gateway else None
    try:
        return Drivers(extra if extra is not None and extra.is_dir() else None)
    except ConfigError as error:
        report.problems.extend(error.problems)
        return Drivers(None)


def _broker(table: BrokerTable | None, report: Report) -> BrokerSettings | None:
    if table is None:
        return None
    if table.embedded == (table.url is not None):
        remedy = 'Write either url = "mqtts://HOST:PORT", or embedded = true and port = 1883'
        report.add(("broker",), "it must be clear where the broker is: `url`, or `embedded`, and not both", remedy)
        return None
    if table.embedded != (table.port is not None):
        where = "embedded = true needs a port" if table.embedded else "the port stands in the url"
        report.add(("broker", "port"), where, "Write port = 1883" if table.embedded else "Take this key out")
        return None
    username, password = _login(table, report)
    if table.embedded:
        _unused(table, ("ca_file", "certificate_file", "key_file"), "the embedded broker is on the loopback", report)
        return BrokerSettings(
            "127.0.0.1", table.port or 0, tls=False, embedded=True, ca=None, certificate=None, key=None,
            username=username, password=password,
        )  # fmt: skip
    assert table.url is not None
    url, port = _url(table.url, report)
    if url is None:
        return None
    tls = url.scheme == "mqtts"
    if not tls:
        _unused(table, ("ca_file", "certificate_file", "key_file"), "mqtt:// is not encrypted", report)
    elif table.ca_file is None:
        remedy = 'Add ca_file = "ca.pem", the certificate of the authority that signed the broker\'s'
        report.add(("broker", "ca_file"), "mqtts:// needs to know whom to trust", remedy)
    if (table.certificate_file is None) != (table.key_file is None):
        report.add(("broker", "certificate_file"), "certificate_file and key_file go together", "Give both or neither")
    ca, certificate, key = (_file(table, k, report) for k in ("ca_file", "certificate_file", "key_file"))
    return BrokerSettings(
        url.hostname or "", port, tls=tls, embedded=False, ca=ca, certificate=certificate, key=key,
        username=username, password=password,
    )  # fmt: skip


def _url(text: str, report: Report) -> tuple[SplitResult | None, int]:
    at = ("broker", "url")
    form = "Write mqtts://HOST:PORT, or mqtt://127.0.0.1:PORT"
    try:
        url = urlsplit(text)
        port = url.port if url.port is not None else PORTS.get(url.scheme, 0)
    except ValueError as error:
        report.add(at, f"no address of a broker: {error}", form)
        return None, 0
    if url.scheme not in PORTS or not url.hostname or not port or any(c.isspace() for c in text):
        report.add(at, f"{text[:80]!r} is no address of a broker", form)
        return None, 0
    if url.username is not None or url.path not in ("", "/") or url.query or url.fragment:
        report.add(at, "only a host and a port belong here", f"{form}; names and passwords have keys of their own")
        return None, 0
    if url.scheme == "mqtt" and not _loopback(url.hostname):
        remedy = "Use mqtts:// with ca_file; mqtt:// is for a broker on this machine's loopback only"
        report.add(at, f"{url.hostname} would be spoken to without encryption", remedy)
    return url, port


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unused(table: BrokerTable, keys: tuple[str, ...], why: str, report: Report) -> None:
    for key in keys:
        if getattr(table, key) is not None:
            report.add(("broker", key), f"not used: {why}", "Take this key out, or use mqtts://")


def _file(table: BrokerTable, key: str, report: Report) -> Path | None:
    """Give the path of a file that can be read; a key or a password must be this user's alone."""
    text: str | None = getattr(table, key)
    if text is None:
        return None
    path = absolute(text, report)
    if not path.is_file() or not os.access(path, os.R_OK):
        report.add(("broker", key), f"{path} can't be read", "Give the path of a file that this user may read")
    elif key in ("key_file", "password_file") and path.stat().st_mode & 0o077:
        report.add(("broker", key), f"others may read {path}", f"Run: chmod 600 {path}")
    else:
        return path
    return None


def _login(table: BrokerTable, report: Report) -> tuple[str | None, str | None]:
    if (table.username is None) != (table.password_file is None):
        report.add(("broker", "username"), "username and password_file go together", "Give both or neither")
    path = _file(table, "password_file", report)
    if path is None:
        return table.username, None
    data = path.read_bytes()[: LONGEST_SECRET + 1]
    try:
        password = data.decode().split("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        password = ""
    if not password or len(data) > LONGEST_SECRET:
        remedy = f"Write the password into its first line, at most {LONGEST_SECRET} bytes of UTF-8"
        report.add(("broker", "password_file"), f"{path} holds no password", remedy)
    return table.username, password
