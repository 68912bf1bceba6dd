"""`[station.openid]` resolved: which identity provider, and what its groups may do.

The client's secret comes from a file that this user alone may read, or from systemd; no problem repeats it.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path

from infusion_gateway.config.document import Key, Report
from infusion_gateway.config.schema import OpenIdTable, StationTable
from infusion_gateway.config.secrets import exposed
from infusion_gateway.config.settings import OpenIdSettings

AT = ("station", "openid")
LONGEST_SECRET = 1024
Place = Callable[[str | None, Key, Report], Path | None]


def openid(table: StationTable, report: Report, *, place: Place) -> OpenIdSettings | None:
    """Resolve it; None where it isn't there, its problems in the report. place: finds a file that is there."""
    given = table.openid
    if given is None:
        return None
    secret, ca = None, None
    if given.client_secret_file is not None:
        secret = _secret(place(given.client_secret_file, (*AT, "client_secret_file"), report), report)
    if given.ca_file is not None:
        ca = _authority(place(given.ca_file, (*AT, "ca_file"), report), given, report)
    roles = _roles(given, report)
    if not roles and table.people_file is None:
        report.add((*AT, "roles"), "nobody could sign in", 'Add roles = { clinician = ["GROUP"] }, or people_file')
    return OpenIdSettings(
        given.issuer, given.client_id, secret, ca, roles, given.roles_claim, given.name_claim,
        tuple(scope for scope in given.scopes if scope != "openid"),
    )  # fmt: skip


def _roles(given: OpenIdTable, report: Report) -> dict[str, str]:
    roles: dict[str, str] = {}
    for role in ("viewer", "clinician", "supervisor"):
        for group in getattr(given.roles, role):
            if group in roles and roles[group] != role:
                report.add((*AT, "roles", role), f"{group[:80]!r} is {roles[group]}, too", "Give a group one role")
            roles[group] = role
    return roles


def _secret(path: Path | None, report: Report) -> str | None:
    at = (*AT, "client_secret_file")
    if path is None:
        return None
    if not (path.is_file() and os.access(path, os.R_OK)):
        report.add(at, f"{path} can't be read", "Give the path of a file that this user may read")
        return None
    if exposed(path):
        report.add(at, f"others may read {path}", f"Run: chmod 600 {path}")
    data = path.read_bytes()[: LONGEST_SECRET + 1]
    secret = data.decode(errors="replace").split("\n")[0].rstrip("\r")
    if not secret or len(data) > LONGEST_SECRET or not secret.isascii() or not secret.isprintable():
        remedy = f"Write the secret into its first line, at most {LONGEST_SECRET} bytes of ASCII"
        report.add(at, f"{path} holds no secret", remedy)
    return secret


def _authority(path: Path | None, given: OpenIdTable, report: Report) -> Path | None:
    at = (*AT, "ca_file")
    if given.issuer.startswith("http://"):
        report.add(at, "http:// is not encrypted", "Take this key out")
        return None
    if path is None:
        return None
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:
        report.add(at, f"{path} holds no certificates: {error}", "Give the authority's, as PEM")
    return path
