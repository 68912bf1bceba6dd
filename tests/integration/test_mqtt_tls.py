"""TLS towards a real Mosquitto: version 1.3, the broker's name and authority checked, our own certificate shown."""

import asyncio
import shutil
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from brokers import Mosquitto
from infusion_gateway.config.certificates import AUTHORITY, BROKER, OWN, certificates
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.core.health import DAY
from infusion_gateway.errors import BrokerError
from infusion_gateway.runtime.mqtt import Connection

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates: not found")


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def authority(directory: Path, name: str) -> None:
    """Make a certificate authority."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")
    openssl(directory, "req", "-x509", *key, "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")


def certificate(directory: Path, name: str, signed_by: str) -> None:
    """Make a certificate for a host or client."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")
    openssl(directory, "req", *key, "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (directory / "ext").write_text(f"subjectAltName=DNS:{name}\n")
    signer = ("-CA", f"{signed_by}.pem", "-CAkey", f"{signed_by}.key", "-CAcreateserial")
    openssl(
        directory, "x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.pem", "-days", "2", "-extfile", "ext"
    )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with two authorities, a host's and a client's certificate."""
    directory = tmp_path_factory.mktemp("keys")
    authority(directory, "ca")
    authority(directory, "other")
    certificate(directory, "localhost", "ca")
    certificate(directory, "gateway-1", "ca")
    return directory


def broker(directory: Path, keys: Path, version: str) -> Mosquitto:
    files = f"cafile {keys}/ca.pem\ncertfile {keys}/localhost.pem\nkeyfile {keys}/localhost.key\n"
    made = Mosquitto(directory, options=f"{files}tls_version {version}\nrequire_certificate true")
    made.start()
    return made


async def send(port: int, keys: Path, *, host: str = "localhost", ca: str = "ca", own: bool = True) -> int:
    """Connect and publish once; give the broker's reason code."""
    certificate_file, key = (keys / "gateway-1.pem", keys / "gateway-1.key") if own else (None, None)
    settings = BrokerSettings(host, port, True, False, keys / f"{ca}.pem", certificate_file, key, None, None)
    connection = await Connection.open(
        settings, version_5=True, identifier="t", will=("w", b""), arrived=lambda _: None
    )
    try:
        return await asyncio.wait_for(connection.send("a", b"b", retain=False), 20)
    finally:
        await connection.leave()


async def test_the_right_broker_is_spoken_to_over_tls_1_3(tmp_path: Path, keys: Path) -> None:
    """Pins that with authority, name, version and our certificate right, a message gets through."""
    mosquitto = broker(tmp_path, keys, "tlsv1.3")
    try:
        assert await send(mosquitto.port, keys) in {0, 0x10}
    finally:
        mosquitto.kill()


async def test_the_brokers_certificate_is_seen_at_connecting(tmp_path: Path, keys: Path) -> None:
    """Pins that the one a real broker shows is at hand while connected, and no longer, and that its end can be told."""
    mosquitto = broker(tmp_path, keys, "tlsv1.3")
    own = BrokerSettings(
        "localhost", mosquitto.port, True, False, keys / "ca.pem", keys / "gateway-1.pem", keys / "gateway-1.key",
        None, None,
    )  # fmt: skip
    try:
        connection = await Connection.open(own, version_5=True, identifier="t", will=None, arrived=lambda _: None)
        seen = connection.certificate
        await connection.leave()
        assert connection.certificate is None
    finally:
        mosquitto.kill()
    found = {one.name: one.left for one in certificates(own, seen, time.time_ns())}
    assert set(found) == {OWN, AUTHORITY, BROKER}
    assert all(left is not None and DAY < left <= 2 * DAY for left in found.values()), "two days, as they were made"


async def test_anything_wrong_with_the_certificates_is_refused(tmp_path: Path, keys: Path) -> None:
    """Pins that another name, another authority, no certificate of ours or a missing file end in a BrokerError."""
    mosquitto = broker(tmp_path, keys, "tlsv1.3")
    try:
        with pytest.raises(BrokerError, match="127\\.0\\.0\\.1"):
            await send(mosquitto.port, keys, host="127.0.0.1")
        with pytest.raises(BrokerError, match="certificate"):
            await send(mosquitto.port, keys, ca="other")
        with pytest.raises(BrokerError):
            await send(mosquitto.port, keys, own=False)
        with pytest.raises(BrokerError, match="certificates can't be used"):
            await send(mosquitto.port, keys, ca="missing")
    finally:
        mosquitto.kill()


@pytest.mark.parametrize(("most", "spoken_to"), [(ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_3, True)])
async def test_an_older_tls_is_refused(keys: Path, most: ssl.TLSVersion, spoken_to: bool) -> None:
    """Pins that a server which speaks TLS 1.2 at most gets no word from us; one of 1.3, all else the same, does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = most
    context.load_cert_chain(keys / "localhost.pem", keys / "localhost.key")
    reached: list[bool] = []

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(True)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        with pytest.raises(BrokerError):
            await send(server.sockets[0].getsockname()[1], keys)
        assert bool(reached) is spoken_to
    finally:
        server.close()
        await server.wait_closed()
