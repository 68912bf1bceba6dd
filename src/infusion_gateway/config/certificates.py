"""When the certificates end that every connection to the broker rests on: ours, its authority's, the broker's own."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.model.health import Certificate
from infusion_gateway.model.metric import SECOND

if TYPE_CHECKING:
    from cryptography import x509

OWN, AUTHORITY, BROKER = "the gateway's", "the authority's", "the broker's"
LARGEST = 1024 * 1024
"""Bytes read of a file: a whole system's bundle of authorities is a quarter of that."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Signed:
    """What counts of one: of whom it is, who signed it (their names, DER), and its last moment."""

    subject: bytes
    issuer: bytes
    ends: datetime


def certificates(broker: BrokerSettings, seen: bytes | None, utc_ns: int) -> tuple[Certificate, ...]:
    """Look at each certificate; () without TLS. seen: the broker's, DER, as it showed it last; None: not connected yet.

    Of our file the first to end counts, since a chain holds as long as all of it. Of the authorities' file only those
    that signed ours or the broker's, and of one name the last to end: an old one may stand beside its successor.
    """
    if not broker.tls:
        return ()
    own, theirs = _of_file(broker.certificate), _of_broker(seen)
    found = []
    if broker.certificate is not None:
        found.append(_judged(OWN, own, utc_ns))
    if broker.ca is not None:
        found.append(_judged(AUTHORITY, _signers(_of_file(broker.ca), (*own, *theirs)), utc_ns))
    if seen is not None:
        found.append(_judged(BROKER, theirs, utc_ns))
    return tuple(found)


def _signers(authorities: tuple[_Signed, ...], signed: tuple[_Signed, ...]) -> tuple[_Signed, ...]:
    """Give of each authority that signed one of these the last to end; of all of them where none is known to have."""
    named = {one.issuer for one in signed} & {one.subject for one in authorities}
    groups = [[one for one in authorities if one.subject == name] for name in named] or [list(authorities)]
    return tuple(max(group, key=lambda one: one.ends) for group in groups if group)


def _judged(name: str, found: tuple[_Signed, ...], utc_ns: int) -> Certificate:
    if not found:
        return Certificate(name, None, "")
    ends = min(one.ends for one in found)
    return Certificate(name, (ends - _EPOCH) // timedelta(seconds=1) * SECOND - utc_ns, f"{ends:%Y-%m-%d}")


def _of_file(path: Path | None) -> tuple[_Signed, ...]:
    """Give what is in a PEM file; () where there is none, or it can't be read."""
    from cryptography.x509 import load_pem_x509_certificates  # without TLS it takes no memory

    if path is None:
        return ()
    try:
        with path.open("rb") as file:
            return _taken(load_pem_x509_certificates(file.read(LARGEST)))
    except (OSError, ValueError):
        return ()


def _of_broker(seen: bytes | None) -> tuple[_Signed, ...]:
    from cryptography.x509 import load_der_x509_certificate

    try:
        return () if seen is None else _taken((load_der_x509_certificate(seen),))
    except ValueError:
        return ()


def _taken(found: Iterable["x509.Certificate"]) -> tuple[_Signed, ...]:
    return tuple(
        _Signed(one.subject.public_bytes(), one.issuer.public_bytes(), one.not_valid_after_utc) for one in found
    )
