"""`log --verify`: the hash chain from beginning to end, a head that somebody heard, and who signed what is gone."""

import json
from pathlib import Path

import click

from infusion_gateway.config import signing
from infusion_gateway.config.settings import Settings
from infusion_gateway.config.signing import PublicKey, SigningError
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.runtime.journal_store import FILE, Damaged, Reader
from infusion_gateway.wire.sealing import Keyring

HASH = 64
"""Hex digits of a row's hash."""
WAY_OUT = f"""
What to do:
 1. Copy the journal's directory whole, now and before anything is started anew: the copy is the evidence.
 2. Rely on nothing from the break on. What is sound before it: infusion-gateway log COPY. What came after it: hold it
    against what stations have kept, and against paper; --verify --head HASH with heads that they heard narrows it down.
 3. A gateway that runs goes on supervising. Once no session is under way (infusion-gateway idle -c FILE) end it, take
    {FILE} and the files beside it of that name out of the directory, and start it: it begins a new journal.
 4. Find out who or what wrote there: the disk (its SMART data, the kernel's log), or a person (docs/security.md)."""


class HashOfRow(click.ParamType[bytes]):
    """A row's hash in hex, as the heartbeat gives it."""

    name = "HASH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Read it; anything but 64 hex digits is refused."""
        try:
            found = bytes.fromhex(str(value))
        except ValueError:
            found = b""
        if len(found) * 2 != HASH:
            self.fail(f"{str(value)[:80]!r} is not a heartbeat's head.hash: {HASH} hex digits", param, ctx)
        return found


def verify_journal(reader: Reader, settings: Settings | None, key: str | None, heard: bytes | None) -> None:
    """Say that the journal is whole; a ClickException, exit 1, that says what to do where it is not.

    JournalError: there is none, or it can't be opened.
    """
    try:
        head = reader.verify()
    except Damaged as error:
        raise click.ClickException(f"{error}{WAY_OUT}") from error
    click.echo(f"the chain holds: the last row is {head.sequence}, its hash {head.hash.hex()}")
    _say_forgotten(reader, _own(settings, key, reader))
    if heard is not None:
        at = reader.holds(heard)
        if at is None:
            raise click.ClickException(
                f"no row has the hash {heard.hex()}: what was heard is not in this journal. The newest rows were "
                f"cut off or written anew, or it is of another journal, or from before retention{WAY_OUT}"
            )
        click.echo(f"the head that was heard is row {at}: {head.sequence - at} rows came after it")


def _say_forgotten(reader: Reader, keys: Keyring) -> None:
    through, why = reader.forgotten(keys)
    if not through:
        click.echo("nothing was forgotten: the chain begins with the journal")
    elif not why:
        click.echo(f"rows up to {through} were forgotten by retention, as the gateway's key has signed")
    elif keys:
        said = f"that rows up to {through} were forgotten by retention can't be relied on: {why}"
        raise click.ClickException(f"{said}{WAY_OUT}")
    else:
        click.echo(f"rows up to {through} were forgotten; give -c FILE or --key KEY to verify who signed that")


def _own(settings: Settings | None, key: str | None, reader: Reader) -> Keyring:
    """Give the gateway's own public key: the one given, or the configuration's; an empty ring where neither is."""
    try:
        if key is not None:
            public = signing.public_key(key) if signing.is_inline(key) else signing.read_public(Path(key))
        elif settings is not None and settings.gateway.key_file is not None:
            private = signing.read_private(settings.gateway.key_file)
            public = PublicKey(private.public_key().public_bytes_raw())
        else:
            return Keyring(())
    except SigningError as error:
        raise click.UsageError(f"--key: {error}") from None
    return Keyring((EnrolledKey.of(_called(reader), public.raw, ()),))


def _called(reader: Reader) -> str:
    """Give what the anchor says its key is called; the key itself decides whether that is so."""
    try:
        return str(json.loads(reader.anchor() or "{}").get("kid", ""))
    except (ValueError, AttributeError):
        return ""
