"""Signatures of session protocols: detached, Ed25519 (RFC 8032), by a key that the gateway's configuration names.

What is signed is a statement: a line that says what this is, then each file with the sha256 of its bytes, as
`sha256sum` prints them. So a signature is of the exact bytes of a protocol and of what it extends, under their names,
and can't be mistaken for one of anything else. It stands beside the protocol, as NAME.toml.sig, a line for each signer.
"""

import base64
import binascii
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infusion_gateway.config.extending import Source, listing
from infusion_gateway.config.secrets import exposed
from infusion_gateway.model.keys import SIGNATURE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ABOUT = "infusion-gateway session protocol, signed as a whole\n"
SUFFIX = ".sig"
MOST_SIGNATURES = 8
LARGEST = 8 * 1024
"""Bytes that a key or a signature file may have."""
RAW_KEY = 32
RAW_SIGNATURE = 64
_PUBLIC = re.compile(r"ed25519:([A-Za-z0-9+/]{43}=)")
_LINE = re.compile(rf"ed25519 ([0-9a-f]{{16}}) ({SIGNATURE})")


class SigningError(ValueError):
    """A key or a signature that can't be used: what is wrong, and the way out."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whom signatures are by. raw: the key's 32 bytes."""

    raw: bytes

    @property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the sha256 of its bytes: what people compare."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def __str__(self) -> str:
        return f"ed25519:{base64.b64encode(self.raw).decode()}"


NOBODY = "nobody has signed it"
"""Why a protocol without a signature is unsigned: a template. Any other reason is told beside it."""


def is_inline(text: str) -> bool:
    """Say whether this is meant to be a key itself, not a file that holds one."""
    return text.startswith("ed25519:")


def public_key(text: str) -> PublicKey:
    """Read a key as written; SigningError where it is none."""
    found = _PUBLIC.fullmatch(text.strip())
    if found is None and "PRIVATE KEY" in text:
        raise SigningError("this is a private key", "Give the public one that stands beside it: the file in .pub")
    if found is None:
        remedy = 'Write "ed25519:" and the 44 characters that `infusion-gateway keys new` printed'
        raise SigningError("this is no public key", remedy)
    return PublicKey(base64.b64decode(found[1]))


def read_public(path: Path) -> PublicKey:
    """Read a public key's file; SigningError where it can't be read or holds none."""
    return public_key(_text(path, "a public key"))


def statement(sources: tuple[Source, ...]) -> bytes:
    """Give what is signed of a protocol."""
    return (ABOUT + listing(sources)).encode()


def generate(path: Path) -> PublicKey:
    """Make a key: the private one in `path`, for this user alone, the public one beside it. Overwrites nothing."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = PublicKey(private.public_key().public_bytes_raw())
    beside = path.with_name(path.name + ".pub")
    taken = next((p for p in (path, beside) if p.exists() or p.is_symlink()), None)
    if taken is not None:
        raise SigningError(f"{taken} is there already", "Choose another name: a key is never overwritten")
    _write_new(path, pem, 0o600)
    _write_new(beside, f"{public}\n".encode(), 0o644)
    return public


def read_private(path: Path) -> "Ed25519PrivateKey":
    """Read a private key's file; SigningError where it can't be read, others may read it too, or it holds none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = _text(path, "a private key")
    if is_inline(text):
        raise SigningError(f"{path} is a public key", "Give the private one: the file of that name without .pub")
    if exposed(path):
        raise SigningError(f"others may read {path}", f"Make a new key: this one may be known. Then chmod 600 {path}")
    try:
        private = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningError(f"{path} holds no Ed25519 private key", "Make one: infusion-gateway keys new FILE")
    return private


def sign(key: Path, sources: tuple[Source, ...]) -> tuple[PublicKey, str]:
    """Sign a protocol with the private key in a file; give the public key and the line for the signature's file."""
    private = read_private(key)
    public = PublicKey(private.public_key().public_bytes_raw())
    signature = base64.b64encode(private.sign(statement(sources))).decode()
    return public, f"ed25519 {public.fingerprint} {signature}"


def verified(sources: tuple[Source, ...], line: str, key: PublicKey) -> bool:
    """Say whether this line is a signature of these bytes by this key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = _LINE.fullmatch(line)
    if found is None or found[1] != key.fingerprint:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(base64.b64decode(found[2]), statement(sources))
    except (InvalidSignature, binascii.Error):
        return False
    return True


def beside(protocol: Path) -> Path:
    """Give where the signatures of a protocol's file stand."""
    return protocol.with_name(protocol.name + SUFFIX)


def lines(protocol: Path) -> tuple[str, ...]:
    """Give the signatures that stand beside a protocol; () where there are none. SigningError: not such a file."""
    path = beside(protocol)
    if not path.exists() and not path.is_symlink():
        return ()
    found = tuple(line for line in _text(path, "signatures").splitlines() if line.strip())
    wrong = next((n for n, line in enumerate(found, 1) if not _LINE.fullmatch(line)), 0)
    if wrong or len(found) > MOST_SIGNATURES:
        what = f"line {wrong} is no signature" if wrong else f"more than {MOST_SIGNATURES} signatures"
        raise SigningError(f"{path}: {what}", f"Sign again: infusion-gateway protocol sign {protocol} --key KEY")
    return found


def why_unsigned(protocol: Path, sources: tuple[Source, ...], keys: tuple[PublicKey, ...]) -> str:
    """Say why no configured key stands for a protocol's bytes, in words; "" where one does: the protocol is signed."""
    try:
        found = lines(protocol)
    except SigningError as error:
        return error.problem
    if not found:
        return NOBODY
    if not keys:
        return "it has a signature, and no key is configured to verify it by"
    if any(verified(sources, line, key) for line in found for key in keys):
        return ""
    known = {key.fingerprint for key in keys}
    if any(line.split(" ")[1] in known for line in found):
        names = " or ".join(source.name for source in sources)
        return f"the signature is not of these bytes: {names} was changed after it was signed"
    return "it is signed by nobody whose key is configured"


def _text(path: Path, what: str) -> str:
    """Read a small file of text; SigningError where it is none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SigningError(f"{path} is no ordinary file", f"Give the path of {what}")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise SigningError(f"{path} is larger than {what}", f"Give the path of {what}")
        return data.decode("ascii")
    except OSError as error:
        raise SigningError(f"{path} can't be read: {error.strerror}", f"Give the path of {what}") from None
    except UnicodeDecodeError:
        raise SigningError(f"{path} is not {what}", f"Give the path of {what}") from None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except OSError as error:
        raise SigningError(f"{path} can't be written: {error.strerror}", "Choose a directory of your own") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
