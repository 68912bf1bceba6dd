"""`infusion-gateway protocol`: list session protocols, make a key, sign a protocol, verify signatures."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from infusion_gateway.config import extending, protocols, signing
from infusion_gateway.config.load import load
from infusion_gateway.config.quantities import show
from infusion_gateway.config.signing import PublicKey, SigningError
from infusion_gateway.errors import ConfigError, Problem

T = TypeVar("T")

_file = click.Path(path_type=Path)
_keys = click.option(
    "--key", "key_texts", multiple=True, metavar="KEY", help="A public key: its file, or ed25519:… itself. Repeatable."
)
_config = click.option(
    "-c", "--config", type=_file, metavar="FILE", help="Take the keys from this configuration's protocol_keys."
)


@click.group()
def protocol() -> None:
    """Session protocols: what a session is held against, and who signed it."""


@protocol.command("list")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where they are; the configuration's, or the shipped ones, by default.",
)
@_keys
@_config
def list_protocols(directory: Path | None, key_texts: tuple[str, ...], config: Path | None) -> None:
    """List session protocols, each with its limits of time and dose, its digest and whether it is signed."""
    keys, configured = _who(key_texts, config)
    where = directory or configured or protocols.shipped()
    problems: list[Problem] = []
    for name in protocols.names(where):
        try:
            loaded = protocols.judged(where / f"{name}.toml", keys)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        p = loaded.protocol
        why = "" if loaded.why_unsigned == signing.NOBODY else f" ({loaded.why_unsigned})"
        state = "signed" if p.signed else f"unsigned{why}"
        marks = f"{state}, test mode only" if p.test_only else state
        click.echo(
            f"{p.name}: {p.title}; at most {show(p.max_duration)} and {p.dose.hard_mg_per_kg:g} mg/kg; "
            f"{marks}; sha256 {p.digest}"
        )
    if problems:
        raise ConfigError(tuple(problems))


@protocol.command()
@click.argument("file", type=_file)
def keygen(file: Path) -> None:
    """Make an Ed25519 key to sign with: FILE, for its owner alone, and FILE.pub for gateways' protocol_keys."""
    key = _or_exit_2(lambda: signing.generate(file))
    click.echo(f"{file}: the private key. Keep it off the gateway; whoever has it can sign")
    click.echo(f"{file}.pub: {key}, fingerprint {key.fingerprint}")


@protocol.command()
@click.argument("file", type=_file)
@click.option("--key", "key_file", required=True, type=_file, metavar="FILE", help="The signer's private key.")
def sign(file: Path, key_file: Path) -> None:
    """Sign a protocol: the exact bytes of FILE and of what it extends, into FILE.sig, beside other signatures of them.

    Refused, with every problem, where the protocol itself doesn't hold.
    """
    loaded = protocols.judged(file, ())
    key, line = _or_exit_2(lambda: signing.sign(key_file, loaded.sources))
    try:
        before = signing.lines(file)
    except SigningError:
        before = ()
    # whether the others are of these bytes only their public keys could tell, so they stay
    others = [old for old in before if old.split(" ")[1] != key.fingerprint][: signing.MOST_SIGNATURES - 1]
    place = signing.beside(file)
    place.write_text("".join(f"{one}\n" for one in (*others, line)))
    click.echo(f"{place}: signed by {key.fingerprint}; sha256 {loaded.protocol.digest}")
    click.echo(extending.listing(loaded.sources), nl=False)
    _tell_loosened(file, loaded)


@protocol.command()
@click.argument("files", nargs=-1, required=True, type=_file)
@_keys
@_config
def verify(files: tuple[Path, ...], key_texts: tuple[str, ...], config: Path | None) -> None:
    """Verify the signatures of protocols; exits 1 where one is not signed by any of the keys, and says why.

    Of one that extends another, says each hard limit that it loosens against that one.
    """
    keys, _ = _who(key_texts, config)
    if not keys:
        raise click.UsageError("no key is given: --key FILE, or -c FILE with protocol_keys")
    good = True
    for file in files:
        loaded = protocols.judged(file, keys)
        good = good and loaded.protocol.signed
        state = "signed" if loaded.protocol.signed else f"not signed: {loaded.why_unsigned}"
        click.echo(f"{file}: {state}; sha256 {loaded.protocol.digest}")
        _tell_loosened(file, loaded)
    sys.exit(0 if good else 1)


def _tell_loosened(file: Path, loaded: protocols.Loaded) -> None:
    for one in loaded.loosened:
        click.echo(f"{file}: looser than {loaded.sources[-1].name}: {one}")


def _who(texts: tuple[str, ...], config: Path | None) -> tuple[tuple[PublicKey, ...], Path | None]:
    """Give the keys to verify by, and the directory that a configuration names."""
    read = _or_exit_2(
        lambda: [signing.public_key(t) if signing.is_inline(t) else signing.read_public(Path(t)) for t in texts]
    )
    if config is None:
        return tuple(read), None
    gateway = load(config).gateway
    return (*read, *gateway.protocol_keys), gateway.protocol_directory


def _or_exit_2(act: Callable[[], T]) -> T:
    """Do something with keys; where that can't be done, say why and exit 2."""
    try:
        return act()
    except SigningError as error:
        raise click.UsageError(str(error)) from None
