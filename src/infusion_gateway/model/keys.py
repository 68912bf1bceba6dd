"""Who may ask: enrolled keys, and what the role of each lets it ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from infusion_gateway.model.instructions import NAMES

SIGNATURE = "[A-Za-z0-9+/]{85}[AQgw]=="
"""64 bytes in base64. Four bits of the last letter say nothing (RFC 4648, 3.5): not zero, other text would do."""
_EVERY = frozenset(NAMES)

ROLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "viewer": frozenset(),
        "tester": frozenset({"test-alarm", "stop", "hold"}),
        "clinician": _EVERY - {"limits"},
        "supervisor": _EVERY,
    }
)
"""What each role may ask for. A viewer only looks; a case's own limits are a supervising clinician's to set."""


@dataclass(frozen=True, slots=True)
class EnrolledKey:
    """A key whose signature counts. kid: what it is called, on the wire too; raw: the 32 bytes of an Ed25519 key."""

    kid: str
    raw: bytes
    instructions: frozenset[str]

    @classmethod
    def of(cls, kid: str, raw: bytes, roles: tuple[str, ...]) -> "EnrolledKey":
        """Give a key what its roles allow, together; KeyError for a role that is none."""
        return cls(kid, raw, frozenset[str]().union(*(ROLES[role] for role in roles)))


@dataclass(frozen=True, slots=True)
class Signed:
    """A message whose signature was verified: by which key, on which topic, and the very bytes, as text."""

    kid: str
    topic: str
    message: str
