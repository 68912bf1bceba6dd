"""When certificates end: of real ones, written as deploy/certificates.py and openssl write them; time is passed in."""

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from infusion_gateway import cli, cli_config
from infusion_gateway.config.certificates import AUTHORITY, BROKER, LARGEST, OWN, certificates
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.core.health import DAY
from infusion_gateway.model.health import Certificate
from infusion_gateway.model.metric import SECOND

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UTC_NS = int(NOW.timestamp()) * SECOND
KEY = ec.generate_private_key(ec.SECP256R1())


def made(subject: str, issuer: str, days: float) -> x509.Certificate:
    """Make a certificate that is good for so many days from NOW on."""
    by, of = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (issuer, subject))
    builder = x509.CertificateBuilder(by, of, KEY.public_key(), x509.random_serial_number())
    begins, ends = NOW - timedelta(days=1000), NOW + timedelta(days=days)
    return builder.not_valid_before(begins).not_valid_after(ends).sign(KEY, hashes.SHA256())


def pem(path: Path, *found: x509.Certificate) -> Path:
    path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in found))
    return path


def settings(ca: Path | None, own: Path | None, *, tls: bool = True) -> BrokerSettings:
    return BrokerSettings("broker", 8883, tls, False, ca, own, own, None, None)


def left(found: tuple[Certificate, ...]) -> dict[str, float | None]:
    """Give how many days each is good for."""
    return {one.name: None if one.left is None else one.left / DAY for one in found}


def test_all_three_are_looked_at_and_the_brokers_only_once_it_was_seen(tmp_path: Path) -> None:
    """Pins each one's name, what is left of it to the second, its last day in UTC, nothing without TLS."""
    ca, own = pem(tmp_path / "ca.pem", made("ca", "ca", 300)), pem(tmp_path / "own.pem", made("gateway-1", "ca", 20.5))
    theirs = made("broker", "ca", 6).public_bytes(Encoding.DER)
    found = certificates(settings(ca, own), theirs, UTC_NS)
    assert left(found) == {OWN: 20.5, AUTHORITY: 300, BROKER: 6}
    assert {one.name: one.ends for one in found}[OWN] == "2026-12-13"
    assert left(certificates(settings(ca, own), None, UTC_NS)) == {OWN: 20.5, AUTHORITY: 300}
    assert left(certificates(settings(ca, None), None, UTC_NS + 400 * DAY)) == {AUTHORITY: -100}
    assert certificates(settings(None, None, tls=False), None, UTC_NS) == ()


def test_a_chain_holds_as_long_as_all_of_it(tmp_path: Path) -> None:
    """Pins that of our own file the first to end counts, wherever it stands."""
    ca = pem(tmp_path / "ca.pem", made("ca", "ca", 300))
    own = pem(tmp_path / "own.pem", made("gateway-1", "between", 90), made("between", "ca", 5))
    assert left(certificates(settings(ca, own), None, UTC_NS)) == {OWN: 5, AUTHORITY: 300}


def test_of_many_authorities_those_count_that_signed(tmp_path: Path) -> None:
    """Pins that an old one beside its successor is no alarm, nor a stranger's; and each that is leant on counts."""
    own = pem(tmp_path / "own.pem", made("gateway-1", "ours", 90))
    ca = pem(
        tmp_path / "ca.pem", made("stranger", "stranger", -3), made("ours", "ours", 2), made("ours", "ours", 700),
        made("theirs", "theirs", 9),
    )  # fmt: skip
    assert left(certificates(settings(ca, own), None, UTC_NS))[AUTHORITY] == 700
    theirs = made("broker", "theirs", 50).public_bytes(Encoding.DER)
    assert left(certificates(settings(ca, own), theirs, UTC_NS))[AUTHORITY] == 9
    unknown = made("broker", "between", 50).public_bytes(Encoding.DER)
    assert left(certificates(settings(ca, None), unknown, UTC_NS))[AUTHORITY] == 700, "who signed is not known"


@pytest.mark.parametrize("what", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_can_not_be_read_is_said_and_never_raised(tmp_path: Path, what: bytes) -> None:
    """Pins that an empty, a foreign, a missing and an endless file are each "can't be read", not fine."""
    broken = tmp_path / "broken.pem"
    broken.write_bytes(what)
    nothing = {OWN: None, AUTHORITY: None}
    assert left(certificates(settings(broken, broken), None, UTC_NS)) == nothing
    gone = tmp_path / "gone.pem"
    assert left(certificates(settings(gone, tmp_path), b"\x30\x00", UTC_NS)) == nothing | {BROKER: None}
    whole = made("ca", "ca", 9).public_bytes(Encoding.PEM)
    broken.write_bytes(os.linesep.encode() * LARGEST + whole)
    assert left(certificates(settings(broken, None), None, UTC_NS)) == {AUTHORITY: None}, "behind what is read"


def test_check_tells_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins a line with what ends and what to do, exit 0, and no line while all are good for longer."""
    own = pem(tmp_path / "own.pem", made("gateway-1", "ca", 6))
    pem(tmp_path / "ca.pem", made("ca", "ca", 300))
    shutil.copy(own, tmp_path / "own.key")
    (tmp_path / "own.key").chmod(0o600)
    keys = 'ca_file = "ca.pem"\ncertificate_file = "own.pem"\nkey_file = "own.key"\n'
    shipped = (Path(__file__).parents[2] / "config" / "bedside.toml").read_text()
    file = tmp_path / "bedside.toml"
    file.write_text(re.sub(r"^url = .*$", f'url = "mqtts://broker:8883"\n{keys}', shipped, flags=re.MULTILINE))
    for days, words in ((0, "the gateway's ends within 7 days (2026-11-28)."), (-30, "")):
        monkeypatch.setattr(cli_config.time, "time_ns", lambda days=days: UTC_NS + days * DAY)
        result = CliRunner().invoke(cli.cli, ["check", "-c", str(file)])
        assert result.exit_code == 0, result.output
        assert ("Certificates: " in result.output) is bool(words)
        assert words in result.output
