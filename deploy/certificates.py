#!/usr/bin/env python3
"""Make a site's certificates and its broker's access list: a private authority, and one certificate for each name.

    certificates.py --out DIR --site clinic-a --broker broker.clinic.example \
      --gateway gateway-1 --station station-1 --viewer wall-1 --tester bench-1

Each of --broker, --gateway, --station, --viewer and --tester may be given several times; for --broker these are the
names and addresses that one broker is reached by. DIR then holds ca.pem, and NAME.pem with NAME.key for each, broker
included, keys for their owner alone; and `access`, Mosquitto's list of who may do what, from mosquitto/roles.

Run it again with the same names, and nothing changes but what ends within thirty days; with other names, those are
added, and who is left out has no rights any more once the broker has read `access` again (SIGHUP). EC P-256; good for a
year, the authority for ten. Keep ca.key off the broker and off the bedside. Needs the Python of the gateway.
"""

import argparse
import ipaddress
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROLES = Path(__file__).parent / "mosquitto/roles"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
YEAR = timedelta(days=365)
RENEW_WITHIN = timedelta(days=30)
AUTHORITY, BROKER = "ca", "broker"


def main() -> int:
    """Make what is missing; 2 for unusable arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--site", required=True, metavar="NAME")
    parser.add_argument("--broker", action="append", required=True, metavar="HOST")
    for role in ("gateway", "station", "viewer", "tester"):
        parser.add_argument(f"--{role}", action="append", default=[], metavar="NAME")
    given = parser.parse_args()
    named = [(role, name) for role in ("gateway", "station", "viewer", "tester") for name in getattr(given, role)]
    names = [given.site, *(name for _, name in named)]
    for name in names:
        if not NAME.fullmatch(name) or name in (AUTHORITY, BROKER, "stations"):
            parser.error(
                f"{name!r} can't be a name: at most 32 small letters, digits and hyphens; not ca, broker, stations"
            )
    if len({name for _, name in named}) < len(named):
        parser.error("a name stands twice: each certificate is one role's")
    given.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _authority(given.out)
    _certificate(given.out, BROKER, authority, hosts=tuple(given.broker))
    for _, name in named:
        _certificate(given.out, name, authority, hosts=())
    _write(given.out / "access", _access(given.site, named).encode(), 0o644)
    return 0


Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _access(site: str, named: list[tuple[str, str]]) -> str:
    """Give Mosquitto's access list: what isn't in it is denied."""
    parts = [(ROLES / f"{role}.acl").read_text().format(site=site, name=name) for role, name in named]
    return "# Written by certificates.py; what is not listed is denied.\n\n" + "\n".join(parts)


def _authority(out: Path) -> Authority:
    key = _key(out / f"{AUTHORITY}.key")
    path = out / f"{AUTHORITY}.pem"
    if path.exists():
        found = x509.load_pem_x509_certificate(path.read_bytes())
        if found.public_key() == key.public_key():
            return found, key
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Infusion Gateway site authority")])
    made = _builder(name, name, key, 10 * YEAR).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # certificates and CRLs alone
    certificate = made.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    _write(path, certificate.public_bytes(Encoding.PEM), 0o644)
    return certificate, key


def _certificate(out: Path, name: str, authority: Authority, *, hosts: tuple[str, ...]) -> None:
    """Make a name's certificate, where there is none that will do for another thirty days. The key stays."""
    key, path = _key(out / f"{name}.key"), out / f"{name}.pem"
    if path.exists() and _still_good(x509.load_pem_x509_certificate(path.read_bytes()), key, authority[0], hosts):
        return
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    made = _builder(subject, authority[0].subject, key, YEAR)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    made = made.add_extension(x509.SubjectAlternativeName(_names(hosts or (name,))), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority[1].public_key())
    certificate = made.add_extension(issuer, critical=False).sign(authority[1], hashes.SHA256())
    _write(path, certificate.public_bytes(Encoding.PEM), 0o644)
    sys.stdout.write(f"{path}: until {certificate.not_valid_after_utc:%Y-%m-%d}\n")


def _still_good(
    found: x509.Certificate, key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, hosts: tuple[str, ...]
) -> bool:
    try:
        found.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    same = not hosts or list(named) == _names(hosts)
    lasts = found.not_valid_after_utc - datetime.now(UTC) > RENEW_WITHIN
    return same and lasts and found.public_key() == key.public_key()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, span: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks that are a little behind
        .not_valid_after(now + span)
        .add_extension(identifier, critical=False)
    )


def _names(hosts: tuple[str, ...]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for host in hosts:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            found.append(x509.DNSName(host))
    return found


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    if path.exists():
        found = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(found, ec.EllipticCurvePrivateKey):
            sys.exit(f"{path} holds no EC key")
        return found
    made = ec.generate_private_key(ec.SECP256R1())
    _write(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    return made


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all, with its mode from the first byte on."""
    if path.exists() and path.read_bytes() == data:
        return
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
    new.replace(path)


if __name__ == "__main__":
    sys.exit(main())
