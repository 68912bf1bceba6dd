"""Settings: a configuration whose every reference is resolved, as the runtime builds from it."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from infusion_gateway.config.drivers import Drivers
from infusion_gateway.config.signing import PublicKey
from infusion_gateway.devices.driver import Driver, Traits
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.metric import MINUTE, SECOND, Nanos
from infusion_gateway.model.session import BedSetup, GenerationMode, SessionProtocol


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Who this gateway is. Paths are absolute; state_directory may not exist yet. protocol_keys: who may sign.

    key_file: of the key that signs what the gateway says; None: it signs nothing, which mode real does not allow.
    metrics: loopback host and port where its own figures can be read; None: nowhere.
    """

    site: str
    name: str
    mode: GenerationMode
    state_directory: Path
    socket: Path
    protocol_directory: Path
    extra_profiles: Path | None
    protocol_keys: tuple[PublicKey, ...] = ()
    key_file: Path | None = None
    metrics: tuple[str, int] | None = None

    @property
    def annunciator_socket(self) -> Path:
        """Where the annunciator is fed: beside the socket that `watch` reads."""
        return self.socket.with_name("annunciator.sock")

    @property
    def session_mark(self) -> Path:
        """The file that is there while a session is under way: beside the socket that `watch` reads."""
        return self.socket.with_name("session-under-way")


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where the broker is. embedded: it is ours to run, on host and port. Without tls, host is a loopback address.

    ca, certificate, key: PEM files; certificate and key together or not at all. username and password likewise.
    home_assistant: its discovery prefix; None: it is told nothing. others: further hosts and ports of the same broker.
    station_absent_after: the outbox is not held for a station that has been away for longer.
    """

    host: str
    port: int
    tls: bool
    embedded: bool
    ca: Path | None
    certificate: Path | None
    key: Path | None
    username: str | None
    password: str | None = field(repr=False)
    home_assistant: str | None = None
    others: tuple[tuple[str, int], ...] = ()
    station_absent_after: Nanos = 24 * 3600 * SECOND

    @property
    def addresses(self) -> tuple["BrokerSettings", ...]:
        """Give the settings of each address alone, in the order to try them in."""
        first = replace(self, others=())
        return (first, *(replace(first, host=host, port=port) for host, port in self.others))


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """One step. to: people's codes, `duty-N` for whoever is Nth on duty, or `duty` for all of those."""

    after: Nanos
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Telling people away from the page. file: may not exist yet. link: the page's address, "" none.

    day_starts: minutes after midnight, local. people: codes, each with the URLs that reach them, which nothing shows.
    steps: one at least, the first after 0, ascending.
    """

    file: Path
    call: str
    link: str
    repeat: Nanos
    day_starts: int
    others: tuple[str, ...]
    people: dict[str, tuple[str, ...]] = field(repr=False)
    steps: tuple[EscalationStep, ...]


@dataclass(frozen=True, slots=True)
class OpenIdSettings:
    """The clinic's identity provider. secret: None for a public client. ca: None: whom this machine trusts.

    roles: what each group may do; roles_claim, name_claim: where groups and code stand in what it says.
    """

    issuer: str
    client_id: str
    secret: str | None = field(repr=False)
    ca: Path | None
    roles: dict[str, str]
    roles_claim: str
    name_claim: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StationSettings:
    """The clinicians' page. host, port: where it is served; beyond the loopback certificate and key are there.

    people, screens: files that may not exist yet; None: nobody signs in, no screen is enrolled. signing_key: a file;
    None: nothing is signed. kid: what it is called. gateways: public keys, each called as its gateway; (): nothing is
    verified. idle, signed_in_for: until a person who touches nothing, or anybody, is signed out. notify: None: nobody
    is told away from the page. openid: None: nobody signs in by another's word.
    """

    name: str
    site: str
    broker: BrokerSettings
    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    people: Path | None = None
    screens: Path | None = None
    signing_key: Path | None = None
    kid: str = ""
    gateways: tuple[EnrolledKey, ...] = ()
    idle: Nanos = 15 * MINUTE
    signed_in_for: Nanos = 720 * MINUTE
    notify: NotifySettings | None = None
    openid: OpenIdSettings | None = None


@dataclass(frozen=True, slots=True)
class LineSettings:
    """One line. endpoint: a device path, socket://…, rfc2217://… or tcp://host:port (Modbus TCP).

    baud and framing ("8E1") are 0 and "" for tcp://. modbus: it carries Modbus, RTU but on tcp://.
    """

    name: str
    endpoint: str
    baud: int
    framing: str
    modbus: bool


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """One device: its name, the line it is on, and what `devices.catalogue.build` takes.

    address: 0 for a device that only streams. pin: identity pairs that must match, sorted.
    """

    device: str
    driver: str
    line: str
    address: int
    options: tuple[tuple[str, str], ...]
    pin: tuple[tuple[str, str], ...]
    traits: Traits


@dataclass(frozen=True, slots=True)
class LightSettings:
    """A lamp. line: of the relay box, None where it is on the GPIO chip. address: the relay box's Modbus unit.

    colours: the coil or GPIO line that each priority lights.
    """

    line: LineSettings | None
    gpio: Path | None
    address: int
    colours: tuple[tuple[Priority, int], ...]
    active_low: bool
    flashes_itself: bool


@dataclass(frozen=True, slots=True)
class AnnunciatorSettings:
    """A bed's own alarm. sound: the command that plays a file, () none. With neither it is a console line alone."""

    sound: tuple[str, ...]
    light: LightSettings | None

    @property
    def outputs(self) -> frozenset[str]:
        """What must be seen to work for this to be a bedside alarm."""
        return frozenset(name for name in ("sound", "light") if getattr(self, name)) or frozenset({"console"})


@dataclass(frozen=True, slots=True)
class BedSettings:
    """One bed: what deciding needs of it (setup), and its devices in the order of the file."""

    setup: BedSetup
    devices: tuple[DeviceSettings, ...]
    annunciator: AnnunciatorSettings | None = None

    @property
    def id(self) -> str:
        """The bed's name."""
        return self.setup.bed


@dataclass(frozen=True, slots=True)
class Settings:
    """A gateway's whole configuration. path: the file, absolute. protocols: each one that a bed names, by name.

    keys: whose instructions count; (): nobody signs, which mode real does not allow. station: the page of this file;
    None: there is none.
    """

    path: Path
    digest: str
    gateway: GatewaySettings
    broker: BrokerSettings
    lines: tuple[LineSettings, ...]
    beds: tuple[BedSettings, ...]
    protocols: dict[str, SessionProtocol]
    drivers: Drivers
    keys: tuple[EnrolledKey, ...] = ()
    station: StationSettings | None = None

    def on_line(self, line: str) -> tuple[tuple[BedSettings, DeviceSettings], ...]:
        """Give the devices of a line, each with its bed."""
        return tuple((bed, device) for bed in self.beds for device in bed.devices if device.line == line)

    def build(self, device: DeviceSettings) -> Driver:
        """Make a device's driver."""
        return self.drivers.build(device.driver, device.address, dict(device.options))
