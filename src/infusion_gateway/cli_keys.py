"""`infusion-gateway keys`: make a key for a station or a gateway, show it, and verify what is on record as signed."""

import sys
from pathlib import Path

import click

from infusion_gateway.config import signing
from infusion_gateway.config.load import load
from infusion_gateway.config.signing import PublicKey, SigningError
from infusion_gateway.model.events import InstructionSigned
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.runtime.journal_store import Reader
from infusion_gateway.wire.sealing import Keyring, holds

_file = click.Path(path_type=Path)


@click.group()
def keys() -> None:
    """Keys that sign what people ask and what a gateway says (docs/security.md)."""


@keys.command()
@click.argument("file", type=_file)
def new(file: Path) -> None:
    """Make an Ed25519 key: FILE, for its owner alone, and FILE.pub. Nothing is ever overwritten."""
    try:
        key = signing.generate(file)
    except SigningError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{file}: the private key. It stays on this machine")
    _say(file.stem, key)


@keys.command()
@click.argument("file", type=_file)
def show(file: Path) -> None:
    """Show the public key of a private key's FILE; refused where others may read it."""
    try:
        private = signing.read_private(file)
    except SigningError as error:
        raise click.UsageError(str(error)) from None
    _say(file.stem, PublicKey(private.public_key().public_bytes_raw()))


@keys.command()
@click.option("-c", "--config", type=_file, required=True, metavar="FILE", help="The gateway's.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Where the journal is; the configuration's state directory by default.",
)
@click.option("--also", multiple=True, metavar="KID=KEY", help="A public key that is not enrolled any more.")
def verify(config: Path, journal: Path | None, also: tuple[str, ...]) -> None:
    """Verify every instruction on record by the keys in the configuration; exits 1 where one doesn't hold."""
    settings = load(config)
    known = Keyring((*settings.keys, *(_former(one) for one in also)))
    good = bad = 0
    reader = Reader(journal or settings.gateway.state_directory)
    for record in reader.records():
        event = record.event
        if not isinstance(event, InstructionSigned):
            continue
        if holds(event.signed, known):
            good += 1
        else:
            bad += 1
            click.echo(f"{record.sequence} {record.bed} {event.instruction} {event.id}: not by {event.signed.kid}")
    click.echo(f"{good} signed instructions hold, {bad} do not")
    sys.exit(1 if bad else 0)


def _former(written: str) -> EnrolledKey:
    kid, _, text = written.partition("=")
    try:
        key = signing.public_key(text) if signing.is_inline(text) else signing.read_public(Path(text))
    except SigningError as error:
        raise click.UsageError(f"--also: {error}") from None
    return EnrolledKey.of(kid, key.raw, ())


def _say(kid: str, key: PublicKey) -> None:
    click.echo(f"fingerprint {key.fingerprint}; where it is enrolled:")
    click.echo(f'[[key]]\nkid = "{kid}"\npublic = "{key}"\nroles = ["clinician"]')
