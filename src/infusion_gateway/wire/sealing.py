"""Signatures on the wire: the last two members of a message's JSON object, over the very bytes before the last.

    {"time":"…", … ,"kid":"station-1","sig":"<base64 of 64 bytes>"}

What is signed (Ed25519, RFC 8032) is a line that says what this is, the topic, a zero byte, and the message as it is
sent, up to and without the comma before `"sig"`. So a signature holds for one topic, bed and instruction alone, no
canonical form of JSON is needed, and a message stays what its schema says, with two members more: over MQTT 5, 3.1.1, a
bridge, or read from the record years later.
"""

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from infusion_gateway.model.keys import SIGNATURE, EnrolledKey, Signed
from infusion_gateway.model.names import NAME

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ABOUT = b"infusion-gateway message v1\0"
_SEAL = re.compile(rb',"kid":"(' + NAME.encode() + rb')"(,"sig":"(' + SIGNATURE.encode() + rb')"\})')
LONGEST_SEAL = 160
"""Bytes that both members may have together."""


Seal: TypeAlias = Callable[[str, bytes], bytes]
"""Makes of a topic and a JSON object what is sent there."""


def unsigned(_topic: str, payload: bytes) -> bytes:
    """Leave a message as it is: how a gateway without a key seals."""
    return payload


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and what it is called."""

    kid: str
    private: "Ed25519PrivateKey"

    def seal(self, topic: str, payload: bytes) -> bytes:
        """Sign a JSON object that has members, for this topic."""
        assert payload.startswith(b"{") and payload.endswith(b"}") and len(payload) > 2, "only an object is sealed"  # noqa: PLR2004, PT018 - one statement
        said = payload[:-1] + f',"kid":"{self.kid}"'.encode()
        return said + f',"sig":"{base64.b64encode(self.private.sign(_statement(topic, said))).decode()}"}}'.encode()


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Why a message can't be relied on, in words. kid: whose it claims to be, "" for nobody's."""

    why: str
    kid: str = ""


class Keyring:
    """Public keys by what they are called; while keys are changed, several may have one name."""

    def __init__(self, keys: Iterable[EnrolledKey]) -> None:
        self.keys = tuple(keys)
        self._by_kid = _by_kid(self.keys) if self.keys else {}

    def __bool__(self) -> bool:
        return bool(self.keys)

    def verify(self, topic: str, payload: bytes) -> EnrolledKey | Unsealed:
        """Say which key signed these bytes for this topic, or why none did. Nothing is parsed for it."""
        found = _SEAL.search(payload, max(len(payload) - LONGEST_SEAL, 0))
        if found is None or found.end() != len(payload):
            return Unsealed("it is not signed")
        kid = found[1].decode()
        known = self._by_kid.get(kid)
        if known is None:
            return Unsealed(f"no key called {kid} is enrolled here", kid)
        from cryptography.exceptions import InvalidSignature

        signature, statement = base64.b64decode(found[3]), _statement(topic, payload[: found.start(2)])
        for key, public in known:
            try:
                public.verify(signature, statement)
            except InvalidSignature:
                continue
            return key
        return Unsealed(f"the signature is not one of these bytes on this topic by {kid}", kid)


def _by_kid(keys: Iterable[EnrolledKey]) -> "dict[str, list[tuple[EnrolledKey, Ed25519PublicKey]]]":
    """Make keys ready: what 7 MB are loaded for where somebody signs alone, and then not as the first stop comes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found: dict[str, list[tuple[EnrolledKey, Ed25519PublicKey]]] = {}
    for key in keys:
        found.setdefault(key.kid, []).append((key, Ed25519PublicKey.from_public_bytes(key.raw)))
    return found


def is_sealed(payload: bytes) -> bool:
    """Say whether a message has a signature, whether or not it holds."""
    found = _SEAL.search(payload, max(len(payload) - LONGEST_SEAL, 0))
    return found is not None and found.end() == len(payload)


def holds(signed: Signed, keys: Keyring) -> bool:
    """Say whether what is on record as signed was signed by the key that it names."""
    found = keys.verify(signed.topic, signed.message.encode())
    return isinstance(found, EnrolledKey) and found.kid == signed.kid


def _statement(topic: str, said: bytes) -> bytes:
    return ABOUT + topic.encode() + b"\0" + said
