"""Who may do what at a clinic's broker: deploy/'s configuration, access list and certificates on a real Mosquitto."""

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import contract_judge
from clinic import NAMES, SITE, Clinic, certificates
from infusion_gateway.config.settings import BrokerSettings
from infusion_gateway.errors import BrokerError
from infusion_gateway.runtime.mqtt import Arrived, Connection
from infusion_gateway.wire.topics import Topics

OWN, OTHER = Topics(SITE, "gateway-1"), Topics(SITE, "gateway-2")
BED = "chair-1"
NOT_AUTHORIZED = 0x87
STATE = (
    OWN.availability,
    OWN.heartbeat,
    OWN.descriptor(BED),
    OWN.session(BED),
    OWN.alarms(BED),
    OWN.device(BED, "pump"),
    OWN.vitals(BED),
    OWN.telemetry(BED, "pump"),
    OWN.event(BED, "stop-asked"),
)
DO = tuple(OWN.do(BED, name) for name in ("stop", "hold", "test-alarm", "acknowledge", "order", "limits"))
MINE = (OWN.station_availability("station-1"), OWN.seen("station-1"))
THEIRS = (OWN.station_availability("station-2"), OWN.seen("station-2"))
WRITES: dict[str, tuple[str, ...]] = {
    "gateway-1": (*STATE, *(OWN.answers(name) for name in ("station-1", "station-2", "bench-1"))),
    "station-1": (*DO, OWN.history, *MINE),
    "wall-1": (),
    "bench-1": (*DO[:3], OWN.station_availability("bench-1"), OWN.seen("bench-1")),
}
"""What each may write, of everything that there is."""
READS: dict[str, tuple[str, ...]] = {
    "gateway-1": (
        *STATE[:7],
        *DO,
        OWN.history,
        *MINE,
        *THEIRS,
        OWN.station_availability("bench-1"),
        OWN.seen("bench-1"),
    ),
    "station-1": (*STATE, MINE[0], OWN.answers("station-1")),
    "wall-1": STATE,
    "bench-1": (*STATE, OWN.station_availability("bench-1"), OWN.answers("bench-1")),
}
EVERYTHING = sorted(
    {
        *STATE,
        *DO,
        *MINE,
        *THEIRS,
        OWN.history,
        *(OWN.answers(name) for name in ("station-1", "station-2", "bench-1")),
        OWN.station_availability("bench-1"),
        OWN.seen("bench-1"),
        OTHER.availability,
        OTHER.alarms(BED),
        OTHER.do(BED, "dance"),
        "igw/v1/clinic-b/gateway-1/availability",
        "$SYS/broker/version",
        "anything/else",
    }
)
WRITER = {"do": "station-1", "stations": "station-1"}


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """Give a clinic's broker that runs."""
    made = Clinic(tmp_path_factory.mktemp("clinic"))
    made.start()
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture(autouse=True)
def what_is_written_here_is_no_message() -> Iterator[None]:
    """Let payloads be anything: what is looked at is who may write."""
    yield
    contract_judge.wrong.clear()


@dataclass
class Client:
    """Somebody with a certificate."""

    connection: Connection
    heard: list[str] = field(default_factory=list)

    async def write(self, topic: str) -> int:
        """Publish; give the broker's reason code."""
        return await asyncio.wait_for(self.connection.send(topic, b"{}", retain=False), 30)


@contextlib.asynccontextmanager
async def connected(settings: BrokerSettings, identifier: str) -> AsyncIterator[Client]:
    heard: list[str] = []

    def arrived(message: Arrived) -> None:
        heard.append(message.topic)

    connection = await Connection.open(settings, version_5=True, identifier=identifier, will=None, arrived=arrived)
    try:
        yield Client(connection, heard)
    finally:
        await connection.leave()


@pytest.mark.requirement("S42", "S43")
@pytest.mark.parametrize("name", WRITES)
async def test_each_writes_what_its_role_says_and_nothing_else(clinic: Clinic, name: str) -> None:
    """Pins, for each role and every topic there is, whether the broker takes a message: a viewer's never."""
    taken = []
    async with connected(clinic.settings(name), f"{name}-w") as client:
        for topic in EVERYTHING:
            code = await client.write(topic)
            assert code in {0, 0x10, NOT_AUTHORIZED}, (topic, code)
            if code != NOT_AUTHORIZED:
                taken.append(topic)
    beyond = {"station-1": [OTHER.do(BED, "dance")]}.get(name, [])  # another gateway's beds are for it to judge
    assert taken == sorted([*WRITES[name], *beyond])


@pytest.mark.parametrize("name", READS)
async def test_each_reads_what_its_role_says_and_nothing_else(clinic: Clinic, name: str) -> None:
    """Pins, for each role, what reaches it of all that is rightly written, whatever it subscribes to."""
    async with contextlib.AsyncExitStack() as stack:
        writers = {
            writer: await stack.enter_async_context(connected(clinic.settings(writer), f"{writer}-by"))
            for writer in ("gateway-1", "station-1", "station-2", "bench-1")
        }
        reader = await stack.enter_async_context(connected(clinic.settings(name), f"{name}-r"))
        await reader.connection.subscribe(("#", "$SYS/#"))
        for writer, client in writers.items():
            for topic in WRITES.get(writer, THEIRS):
                assert await client.write(topic) == 0 or topic not in READS[name]
        last = READS[name][0]
        by = next(writer for writer, topics in WRITES.items() if last in topics)
        await writers[by].write(last)
        async with asyncio.timeout(30):
            while reader.heard.count(last) < 2:  # noqa: ASYNC110 - looked at from outside
                await asyncio.sleep(0.01)
    assert set(reader.heard) == set(READS[name])


async def test_nobody_comes_in_without_a_certificate_of_ours(clinic: Clinic, tmp_path: Path) -> None:
    """Pins that no certificate, and one of another authority with the right name, are refused."""
    bare = clinic.settings("station-1")
    nobody = BrokerSettings(bare.host, bare.port, True, False, bare.ca, None, None, None, None)
    certificates(tmp_path / "other", {"station": ("station-1",)})
    theirs = (tmp_path / "other/station-1.pem", tmp_path / "other/station-1.key")
    impostor = BrokerSettings(bare.host, bare.port, True, False, bare.ca, *theirs, None, None)
    for settings in (nobody, impostor):
        with pytest.raises(BrokerError):
            async with connected(settings, "x") as client:
                await client.write(OWN.do(BED, "stop"))


async def test_a_name_that_was_left_out_has_no_rights_any_more(tmp_path: Path) -> None:
    """Pins how a certificate is revoked: the script without the name, and SIGHUP; it may still connect, and no more."""
    clinic = Clinic(tmp_path)
    clinic.start()
    try:
        async with connected(clinic.settings("station-1"), "s") as client:
            assert await client.write(OWN.do(BED, "stop")) != NOT_AUTHORIZED
            certificates(clinic.tls, {"gateway": NAMES["gateway"], "station": ("station-2",)})
            clinic.signal(1)
            async with asyncio.timeout(30):
                while await client.write(OWN.do(BED, "stop")) != NOT_AUTHORIZED:  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(0.05)
        async with connected(clinic.settings("station-2"), "t") as client:
            assert await client.write(OWN.do(BED, "stop")) != NOT_AUTHORIZED
    finally:
        clinic.kill()


def test_the_script_makes_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    """Pins what it makes, that keys are their owner's alone, and that run again it changes nothing."""
    names = {"gateway": ("gateway-1",), "station": ("station-1",)}
    first = certificates(tmp_path, names)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    wanted = {"access", *(f"{n}.{e}" for n in ("ca", "broker", "gateway-1", "station-1") for e in ("key", "pem"))}
    assert {path.name for path in before} == wanted
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in before if path.suffix == ".key")
    assert first.count("until") == 3
    assert certificates(tmp_path, names) == ""
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    more = certificates(tmp_path, {**names, "viewer": ("wall-1",)})
    assert more.count("until") == 1
    assert all(path.read_bytes() == data for path, data in before.items() if path.name != "access")


def test_a_certificate_is_for_a_year_and_one_purpose(tmp_path: Path) -> None:
    """Pins EC P-256, the year, who may be a server, and that the broker's has the names that it is reached by."""
    certificates(tmp_path, {"gateway": ("gateway-1",)})
    for name, purpose in (("broker", "serverAuth"), ("gateway-1", "clientAuth")):
        found = x509.load_pem_x509_certificate((tmp_path / f"{name}.pem").read_bytes())
        key = found.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        left = found.not_valid_after_utc - datetime.now(UTC)
        assert timedelta(days=364) < left <= timedelta(days=365)
        usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [one._name for one in usage] == [purpose]
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gateway-1"]


def test_what_is_shipped_has_no_password_and_no_broker_that_dawdles() -> None:
    """Pins that deploy/ and config/ hold no password, let nobody in beyond the loopback, and brokers send at once."""
    root = Path(__file__).parents[2]
    for path in [*(root / "deploy").rglob("*"), *(root / "config").rglob("*.toml")]:
        if not path.is_file() or path.suffix == ".pyc":
            continue
        lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
        assert not [line for line in lines if line.startswith(("password", "remote_password", "psk"))], path
        if path.suffix == ".conf" and "mosquitto" in path.parts:
            assert "set_tcp_nodelay true" in lines, "an alarm waits for nothing that was sent before it"
        if "allow_anonymous true" in lines:
            assert [line for line in lines if line.startswith("listener")] == ["listener 1883 127.0.0.1"], path
