"""Keys for tests: a signer and what is enrolled of it, made from a name, so that a failure repeats."""

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infusion_gateway.config.signing import PublicKey
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.wire.sealing import Signer


def signer(kid: str, secret: str = "") -> Signer:
    """Give a private key under a name. secret: another one, for another key of the same name."""
    seed = hashlib.sha256(f"{kid}/{secret}".encode()).digest()
    return Signer(kid, Ed25519PrivateKey.from_private_bytes(seed))


def enrolled(of: Signer, *roles: str) -> EnrolledKey:
    """Enrol a signer's public key."""
    return EnrolledKey.of(of.kid, of.private.public_key().public_bytes_raw(), roles)


def public(of: Signer) -> PublicKey:
    """Give a signer's public key as a configuration names it."""
    return PublicKey(of.private.public_key().public_bytes_raw())


def key_file(of: Signer, path: Path) -> Path:
    """Write a signer's private key as `keys new` does."""
    path.write_bytes(of.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path
