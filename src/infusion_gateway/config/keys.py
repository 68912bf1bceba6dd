"""Whose instructions count, and the gateway's own key: `[[key]]` and `[gateway] key_file` resolved."""

from pathlib import Path

from infusion_gateway.config import signing
from infusion_gateway.config.document import Key, Report, absolute
from infusion_gateway.config.references import Read
from infusion_gateway.config.schema import GatewayTable, KeyTable
from infusion_gateway.config.secrets import place
from infusion_gateway.config.signing import PublicKey, SigningError
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.session import GenerationMode

MAKE = "infusion-gateway keys new FILE"


def protocol_keys(table: GatewayTable, report: Report) -> tuple[PublicKey, ...]:
    """Give the keys that may sign protocols, each once."""
    found: list[PublicKey] = []
    for index, written in enumerate(table.protocol_keys):
        at = ("gateway", "protocol_keys", index)
        key = _public(written, at, report)
        if key is not None and key in found:
            report.add(at, "this key stands twice", "Name each key once")
        if key is not None:
            found.append(key)
    return tuple(found)


def own_key(table: GatewayTable, report: Report) -> Path | None:
    """Give the file of the gateway's private key, which can be read and is one; None where there is none."""
    at = ("gateway", "key_file")
    if table.key_file is None:
        if table.mode is GenerationMode.REAL:
            why = "for patients what the gateway says is signed, so that no broker can say it in its place"
            report.add(at, why, f"Make a key, {MAKE}, and name its file here")
        return None
    try:
        path = place(report.document.path, table.key_file)
    except ValueError as error:
        report.add(at, str(error), "Correct it")
        return None
    try:
        signing.read_private(path)
    except SigningError as error:
        report.add(at, error.problem, error.remedy)
    return path


def enrolled(tables: list[Read[KeyTable]], table: GatewayTable | None, report: Report) -> tuple[EnrolledKey, ...]:
    """Give the keys whose instructions count. For patients there is one that may ask for something."""
    found: list[EnrolledKey] = []
    for read in tables:
        if read.table is None:
            continue
        if any(read.table.kid == key.kid for key in found):
            report.add((*read.at, "kid"), f"{read.table.kid!r} stands twice", "Give every key a name of its own")
        public = _public(read.table.public, (*read.at, "public"), report)
        if public is None:
            continue
        if other := next((key.kid for key in found if key.raw == public.raw), ""):
            remedy = "Make a key for each station: who asked must be known"
            report.add((*read.at, "public"), f"this is {other}'s key", remedy)
        found.append(EnrolledKey.of(read.table.kid, public.raw, tuple(read.table.roles)))
    real = table is not None and table.mode is GenerationMode.REAL
    if real and not any(key.instructions for key in found):
        why = "for patients only signed instructions are taken, and no key is enrolled that may ask for anything"
        report.add(("key",), why, f'Make one at each station, {MAKE}, and add [[key]] with roles = ["clinician"]')
    return tuple(found)


def _public(written: str, at: Key, report: Report) -> PublicKey | None:
    try:
        if signing.is_inline(written):
            return signing.public_key(written)
        return signing.read_public(absolute(report.document.path, written))
    except SigningError as error:
        report.add(at, error.problem, error.remedy)
        return None
