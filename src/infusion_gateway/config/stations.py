"""The clinicians' page in a configuration: `[station]` resolved, in a gateway's file or in one of its own."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from infusion_gateway.config import signing
from infusion_gateway.config.broker import is_loopback, resolve
from infusion_gateway.config.document import Document, Key, Report, absolute, read
from infusion_gateway.config.explain import part, unknown
from infusion_gateway.config.notify import notify
from infusion_gateway.config.openid import openid
from infusion_gateway.config.schema import BrokerTable, File, StationTable
from infusion_gateway.config.secrets import exposed, place
from infusion_gateway.config.settings import BrokerSettings, StationSettings
from infusion_gateway.config.signing import SigningError
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.metric import MINUTE
from infusion_gateway.model.names import is_name
from infusion_gateway.model.session import GenerationMode

MAKE = "infusion-gateway keys new FILE"
AT = ("station",)


def stations_own(path: Path) -> bool:
    """Say whether a file is a station's alone: no gateway, no line and no bed in it. ConfigError: it can't be read."""
    found = read(path).values
    return "station" in found and not {"gateway", "line", "bed"} & set(found)


def load_station(path: Path) -> StationSettings:
    """Read what a station needs of a file; ConfigError with every problem of that.

    What is a gateway's alone stays unread: its keys and its journal may be another user's, and a bed that is wrong must
    not keep the page away.
    """
    document = read(path)
    report = Report(document)
    for key in document.values:
        if key not in File.model_fields:
            report.add((key,), *unknown(key, File.model_fields))
    if "station" not in document.values:
        report.add(AT, "this table is missing", 'Add [station] with name = "station-1"')
    table = part(StationTable, document.values.get("station", {"name": "none"}), AT, report)
    broker = None
    if table is not None and table.broker is None:
        found = document.values.get("broker")
        if found is None:
            report.add(("broker",), "this table is missing", "Add [broker]")
        broker = None if found is None else resolve(part(BrokerTable, found, ("broker",), report), report)
    settings = station(table, broker, report)
    report.end()
    assert settings is not None, "a station that could not be read is a problem"
    return settings


def station(table: StationTable | None, broker: BrokerSettings | None, report: Report) -> StationSettings | None:
    """Resolve `[station]`; None, and its problems in the report, where it can't be used. broker: the gateway's."""
    if table is None:
        return None
    gateway = _plain(report.document.values.get("gateway"))
    if table.broker is not None:
        broker = _own_broker(table.broker, report)
    site = table.site or gateway.get("site")
    if not isinstance(site, str) or not is_name(site):
        report.add((*AT, "site"), "it is not known at which site this station is", 'Add site = "clinic-a"')
        site = ""
    elif table.site is not None and gateway.get("site") not in (None, table.site):
        report.add((*AT, "site"), "[gateway] says another one", "Take this key out")
    certificate, key = _page(table, report)
    signing_key = _signing(table, report)
    keys = _gateways(table, gateway, report)
    people, screens = (_written(getattr(table, name), (*AT, name), report) for name in ("people_file", "screens_file"))
    told = notify(table, report, place=_place, written=_written)
    by = openid(table, report, place=_place)
    if broker is None:
        return None
    host, port = _split(table.listen)
    idle, longest = round(table.idle_min * MINUTE), round(table.signed_in_h * 60 * MINUTE)
    return StationSettings(
        table.name, site, broker, host, port, certificate, key, people, screens,
        signing_key, table.kid or table.name, keys, idle, longest, told, by,
    )  # fmt: skip


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _own_broker(table: BrokerTable, report: Report) -> BrokerSettings | None:
    """Resolve `[station.broker]`; its problems are told of where it stands."""
    document = report.document
    lines = {key[1:]: line for key, line in document.lines.items() if key[:1] == AT}
    inside = Report(Document(document.path, {}, "", lines))
    if table.embedded:
        inside.add(("broker", "embedded"), "a station runs no broker", "Write where it is: url")
        found = None
    else:
        found = resolve(table, inside)
    report.problems.extend(replace(problem, key=f"station.{problem.key}") for problem in inside.problems)
    return found


def _page(table: StationTable, report: Report) -> tuple[Path | None, Path | None]:
    """Give the page's certificate and key: both or neither, and beyond the loopback both."""
    if (table.certificate_file is None) != (table.key_file is None):
        report.add((*AT, "certificate_file"), "certificate_file and key_file go together", "Give both or neither")
    host, _ = _split(table.listen)
    if table.certificate_file is None and not is_loopback(host):
        why = f"{host} is not this machine's loopback: passwords and vital signs would go over a network in the clear"
        report.add((*AT, "listen"), why, 'Add certificate_file and key_file, or write listen = "127.0.0.1:8420"')
    certificate, key = (_readable(table, name, report) for name in ("certificate_file", "key_file"))
    if key is not None and exposed(key):
        report.add((*AT, "key_file"), f"others may read {key}", f"Run: chmod 600 {key}")
    return certificate, key


def _readable(table: StationTable, name: str, report: Report) -> Path | None:
    path = _place(getattr(table, name), (*AT, name), report)
    if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
        report.add((*AT, name), f"{path} can't be read", "Give the path of a file that this user may read")
        return None
    return path


def _place(written: str | None, at: Key, report: Report) -> Path | None:
    try:
        return None if written is None else place(report.document.path, written)
    except ValueError as error:
        report.add(at, str(error), "Correct it")
        return None


def _written(written: str | None, at: Key, report: Report) -> Path | None:
    """Give the place of a file that is made later; one that is there must be this user's alone."""
    path = _place(written, at, report)
    if path is None:
        return None
    if not path.parent.is_dir():
        report.add(at, f"there is no directory {path.parent}", "Make it, or name another one")
    elif path.exists() and not path.is_file():
        report.add(at, f"{path} is no file", "Name a file")
    elif path.exists() and exposed(path):
        report.add(at, f"others may read {path}", f"Run: chmod 600 {path}")
    return path


def _signing(table: StationTable, report: Report) -> Path | None:
    """Give the file of the key that signs instructions; needed where the gateway of this file enrols keys."""
    at = (*AT, "signing_key_file")
    values = report.document.values
    real = _plain(values.get("gateway")).get("mode") == GenerationMode.REAL.value
    if table.signing_key_file is None:
        if "key" in values or real:
            why = "the gateway takes signed instructions alone, and this station would sign nothing"
            report.add(at, why, f"Make a key, {MAKE}, name its file here and its .pub in a [[key]]")
        return None
    path = _place(table.signing_key_file, at, report)
    if path is None:
        return None
    try:
        signing.read_private(path)
    except SigningError as error:
        report.add(at, error.problem, error.remedy)
        return path
    kid = table.kid or table.name
    enrolled = [_plain(one).get("kid") for one in values.get("key", []) if isinstance(values.get("key"), list)]
    if "gateway" in values and kid not in enrolled:
        remedy = f'Add [[key]] with kid = "{kid}" and public = "{table.signing_key_file}.pub"'
        report.add(at, f"no key called {kid!r} is enrolled: the gateway would not believe what it signs", remedy)
    return path


def _gateways(table: StationTable, gateway: Mapping[str, Any], report: Report) -> tuple[EnrolledKey, ...]:
    """Give the gateways' public keys. The gateway of this file is known by the key beside its own private one."""
    written = {name: list(keys) for name, keys in table.gateways.items()}
    name, own = gateway.get("name"), gateway.get("key_file")
    if isinstance(name, str) and isinstance(own, str) and name not in written:
        beside = f"{own}.pub"
        if ":" not in own and absolute(report.document.path, beside).is_file():
            written[name] = [beside]
        elif gateway.get("mode") == GenerationMode.REAL.value:
            why = f"{name} signs what it says, and there is nothing here to verify it by"
            report.add((*AT, "gateways"), why, f'Add gateways = {{ {name} = ["FILE.pub"] }}')
    found = []
    for called, keys in written.items():
        for index, key in enumerate(keys):
            at = (*AT, "gateways", called, index)
            try:
                path = absolute(report.document.path, key)
                public = signing.public_key(key) if signing.is_inline(key) else signing.read_public(path)
            except SigningError as error:
                report.add(at, error.problem, error.remedy)
                continue
            found.append(EnrolledKey.of(called, public.raw, ()))
    return tuple(found)


def _plain(table: Any) -> dict[str, Any]:
    """Give a table of a file that nobody has checked yet; {} where it is none."""
    return table if isinstance(table, dict) else {}
