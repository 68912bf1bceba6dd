"""The configuration file's shape, as pydantic models: what each key is, its unit, an example. Strict, closed, frozen.

What one key alone can get wrong is refused here; what keys say of each other is resolved in `load`.
"""

import ipaddress
import re
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from infusion_gateway.model.keys import ROLES
from infusion_gateway.model.metric import FACTS
from infusion_gateway.model.names import NAME, RESERVED, is_code, is_name
from infusion_gateway.model.session import GenerationMode

LAST_PORT = 65535
LAST_COIL = 65535
LONGEST_PATH = 1024
LONGEST_HOST = 253
LABEL = re.compile("[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
DUTY = re.compile("duty(-[1-8])?")
"""Whoever is on duty, or has that place among those who are."""
METRICS = {facts.word: metric for metric, facts in FACTS.items()}
"""Every metric by its word, as people name it."""


def wrong(problem: str, remedy: str) -> PydanticCustomError:
    """Make the error that a validator raises: what is wrong, and the way out."""
    return PydanticCustomError("wrong", "{problem}", {"problem": problem, "remedy": remedy})


def _name(text: str) -> str:
    if not is_name(text):
        raise wrong(
            f"{text[:40]!r} is no name",
            "Use at most 32 small letters, digits and hyphens, a hyphen neither first nor last",
        )
    if text in RESERVED:
        raise wrong(
            f"{text!r} is a word that the MQTT topics need for themselves",
            f"Any name but {', '.join(sorted(RESERVED))}",
        )
    return text


def _metric(text: str) -> str:
    if text not in METRICS:
        raise wrong(f"{text[:40]!r} is no metric", f"Known are {', '.join(METRICS)}")
    return text


def _framing(text: str) -> str:
    if not re.fullmatch("[78][NEO][12]", text):
        raise wrong(
            f"{text[:20]!r} is no framing", 'Data bits, parity, stop bits: "8N1", "8E1", "7E1" … as the device is set'
        )
    return text


def is_host(text: str) -> bool:
    """Say whether this is an IP address, or a host's name that a resolver can be asked for (RFC 1123, 2.1)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return len(text) <= LONGEST_HOST and all(LABEL.fullmatch(label) for label in text.removesuffix(".").split("."))
    return True


def _host_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not is_host(bare) or (":" in bare and bare == host) or not _port(port):
        raise wrong(f"{text[:80]!r} is no address", 'Write "HOST:PORT", like "10.0.0.7:502"; an IPv6 host in brackets')
    return text


def _port(text: str) -> bool:
    return bool(re.fullmatch("[0-9]{1,5}", text, re.ASCII)) and 1 <= int(text) <= LAST_PORT


def _serial(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    if not mark:
        return text
    if scheme not in ("socket", "rfc2217"):
        raise wrong(
            f"{scheme[:20]!r} is no way to a serial line",
            'A device path, "socket://HOST:PORT" or "rfc2217://HOST:PORT"',
        )
    _host_port(rest)
    return text


def _issuer(text: str) -> str:
    form = 'Write "https://HOST/PATH", as the provider calls itself; http on the loopback alone'
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise wrong(f"{text[:80]!r} is no address", form) from None
    ours = host in ("127.0.0.1", "::1", "localhost")
    sound = is_host(host) and text.isascii() and text.isprintable() and " " not in text
    if not sound or url.username is not None or url.query or url.fragment or url.scheme not in ("https", "http"):
        raise wrong(f"{text[:80]!r} is no issuer", form)
    if url.scheme == "http" and not ours:
        raise wrong(f"{host} would be believed without encryption", form)
    return text


def _code(text: str) -> str:
    if not is_code(text) or text.lower() != text or DUTY.fullmatch(text):
        raise wrong(f"{text[:40]!r} is no person's code", 'Write it like "nurse-7", in small letters; "duty" is none')
    return text


def _told(text: str) -> str:
    if not DUTY.fullmatch(text):
        return _code(text)
    return text


def _link(text: str | None) -> str | None:
    if text is None:
        return None
    scheme, _, rest = text.partition("://")
    host = rest if ":" in rest.rpartition("]")[2] else f"{rest}:443"
    try:
        _host_port(host)
    except PydanticCustomError:
        host = ""
    ours = host.rpartition(":")[0].strip("[]") in ("127.0.0.1", "::1", "localhost")
    if not host or not (scheme == "https" or (scheme == "http" and ours)):
        raise wrong(f"{text[:80]!r} is no address of the page", 'Write "https://HOST:PORT"; http on the loopback alone')
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*", text) or text.split("/", maxsplit=1)[0] == "igw":
        raise wrong(
            f"{text[:40]!r} is no discovery prefix",
            'Write "homeassistant", or what is set in Home Assistant: letters, digits, _ and -, not below our own igw',
        )
    return text


def _path(text: str) -> str:
    if not text or len(text) > LONGEST_PATH or "\0" in text or not text.isprintable():
        raise wrong("this is no path", 'Write a path, relative to this file or absolute, like "../var"')
    return text


Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{NAME}$"})]
MetricWord = Annotated[str, AfterValidator(_metric), Field(json_schema_extra={"enum": list(METRICS)})]
PathText = Annotated[str, AfterValidator(_path)]
Role: TypeAlias = Literal[tuple(ROLES)]  # type: ignore[valid-type]  # made from the table of roles
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Group = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What an identity provider calls a group, a claim or a client."""
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,64}$")]


class Table(BaseModel):
    """A table: unknown keys refused, no value taken for one of another type, nothing changed once read."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class GatewayTable(Table):
    """`[gateway]`: who this gateway is, and where it keeps its record."""

    site: Annotated[Name, Field(examples=["clinic-a"])]
    """The clinic's name, first part of every MQTT topic."""
    name: Annotated[Name, Field(examples=["gateway-1"])]
    """This gateway's name, unique at the site."""
    mode: Annotated[GenerationMode, Field(strict=False, examples=["test"])]
    """`real`: patients. `test`, `demo`: simulators and benches, shown as such everywhere. No default."""
    state_directory: Annotated[PathText, Field(examples=["/var/lib/infusion-gateway"])]
    """Where the journal is kept; made where it is missing."""
    socket: Annotated[PathText | None, Field(examples=["/run/infusion-gateway/watch.sock"])] = None
    """The local socket that `watch` reads; `watch.sock` in the state directory by default."""
    protocol_directory: Annotated[PathText | None, Field(examples=["protocols"])] = None
    """Where the session protocols are; the shipped ones by default."""
    extra_profiles: Annotated[PathText | None, Field(examples=["profiles"])] = None
    """A directory of Modbus register profiles beside the built-in ones; none by default."""
    protocol_keys: Annotated[list[PathText], Field(max_length=16, examples=[["keys/medical-lead.pub"]])] = []
    """Public keys whose signature makes a protocol a signed one: files, or keys as `ed25519:…`; none by default."""
    key_file: Annotated[PathText | None, Field(examples=["keys/gateway-1.key"])] = None
    """The private key that signs what the gateway says, readable by this user alone; needed in mode `real`."""
    metrics: Annotated[
        str | None,
        AfterValidator(lambda v: v if v is None else _host_port(v)),
        Field(max_length=300, examples=["127.0.0.1:9464"]),
    ] = None
    """`HOST:PORT` on the loopback, where Prometheus reads what the gateway measures of itself; off by default."""


class KeyTable(Table):
    """`[[key]]`: a key whose signature makes an instruction count. With none (mode `test`, `demo`) nobody signs."""

    kid: Annotated[Name, Field(examples=["station-1"])]
    """What the key is called, in messages and on record."""
    public: Annotated[PathText, Field(examples=["keys/station-1.key.pub"])]
    """The public key: its file, or the key as `ed25519:…`."""
    roles: Annotated[list[Role], Field(min_length=1, max_length=4, examples=[["clinician"]])]
    """May ask for: `viewer` nothing, `tester` test-alarm, stop, hold, `clinician` all but limits, `supervisor` all."""


BrokerUrl: TypeAlias = Annotated[str, Field(max_length=300)]


class BrokerTable(Table):
    """`[broker]`: the MQTT broker. Either `url`, or `embedded = true` with `port`."""

    url: Annotated[str | None, Field(max_length=300, examples=["mqtts://broker.clinic.example:8883"])] = None
    """`mqtts://HOST:PORT`, or `mqtt://HOST:PORT` without encryption, on this machine's loopback only."""
    other_urls: Annotated[
        list[BrokerUrl], Field(max_length=7, examples=[["mqtts://broker-2.clinic.example:8883"]])
    ] = []
    """Further addresses of the same broker, a cluster's nodes, tried in turn; none by default."""
    embedded: Annotated[bool, Field(examples=[True])] = False
    """Run the embedded broker on the loopback, for a single bay or a demo; false by default."""
    port: Annotated[int | None, Field(ge=1, le=LAST_PORT, examples=[1883])] = None
    """The embedded broker's port."""
    ca_file: Annotated[PathText | None, Field(examples=["tls/ca.pem"])] = None
    """Certificates of the authority that signed the broker's; needed with `mqtts://`."""
    certificate_file: Annotated[PathText | None, Field(examples=["tls/gateway.pem"])] = None
    """This gateway's own certificate, together with `key_file`; none by default."""
    key_file: Annotated[PathText | None, Field(examples=["tls/gateway.key"])] = None
    """The key of that certificate, readable by this user alone; `credential:NAME` is one that systemd hands over."""
    username: Annotated[Word | None, Field(examples=["gateway-1"])] = None
    """The name to log in with, together with `password_file`; none by default."""
    password_file: Annotated[PathText | None, Field(examples=["secrets/broker-password"])] = None
    """A file, or a credential, that holds the password in its first line, readable by this user alone."""
    home_assistant: Annotated[
        str | None,
        AfterValidator(lambda v: v if v is None else _prefix(v)),
        Field(max_length=64, examples=["homeassistant"]),
    ] = None
    """Home Assistant's discovery prefix, under which it is told of the beds; it is told nothing by default."""
    station_absent_after_h: Annotated[float, Field(ge=0.1, le=720, examples=[24.0])] = 24.0
    """Hours after which nothing is told again for a station that is away; back, it says itself from where."""


class LineTable(Table):
    """`[[line]]`: one serial port, or one Modbus TCP connection, and how it is spoken to. One of `port` and `tcp`."""

    name: Annotated[Name, Field(examples=["pump-line"])]
    """What devices call this line."""
    port: Annotated[
        PathText | None, AfterValidator(lambda v: v and _serial(v)), Field(examples=["/dev/serial/by-id/usb-1"])
    ] = None
    """A device path, `socket://HOST:PORT` or `rfc2217://HOST:PORT`."""
    tcp: Annotated[
        str | None, AfterValidator(lambda v: v and _host_port(v)), Field(max_length=300, examples=["10.0.0.7:502"])
    ] = None
    """`HOST:PORT` of a Modbus TCP device or converter."""
    carries: Annotated[Literal["serial", "modbus"] | None, Field(examples=["modbus"])] = None
    """`serial`: a device's own bytes. `modbus`: Modbus RTU. Needed with `port`; `tcp` always carries Modbus."""
    baud: Annotated[int | None, Field(ge=300, le=1_000_000, examples=[19200])] = None
    """Bits a second, as the device is set. Needed with `port`."""
    framing: Annotated[str | None, AfterValidator(lambda v: v and _framing(v)), Field(examples=["8N1"])] = None
    """Data bits, parity and stop bits, as the device is set. Needed with `port`."""


class DeviceTable(Table):
    """`[[bed.device]]`: one pump or monitor of the bed."""

    id: Annotated[Name, Field(examples=["pump"])]
    """The device's name, unique in its bed and on its line."""
    driver: Annotated[Word, Field(examples=["ne1000"])]
    """What speaks with it: a name that `infusion-gateway devices` lists."""
    line: Annotated[Word, Field(examples=["pump-line"])]
    """The name of its `[[line]]`."""
    address: Annotated[int | None, Field(examples=[1])] = None
    """Its address on the line: NE-1000 0 to 99, Modbus unit 1 to 247. Needed but for a device that only streams."""
    options: Annotated[dict[Word, Word], Field(max_length=16, examples=[{"baud": "9600"}])] = {}
    """The driver's own options, as text; none by default."""
    pin: Annotated[dict[Word, Word], Field(max_length=8, examples=[{"serial-number": "4711"}])] = {}
    """What the device must say of itself, as serial-number, model or address; else no value of it counts."""


class SoundTable(Table):
    """`[bed.annunciator.sound]`: what plays a file of sound; never through a shell."""

    command: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=LONGEST_PATH, pattern=r"^[^\x00]*$")]],
        Field(min_length=2, max_length=16, examples=[["aplay", "--quiet", "--device=plughw:0", "{file}"]]),
    ]
    """The command and its words; `{file}` becomes the file, and `{priority}` high, medium, low or silence."""


class LightTable(Table):
    """`[bed.annunciator.light]`: a lamp of three colours. One of `gpio`, `tcp` and `port`."""

    gpio: Annotated[PathText | None, Field(examples=["/dev/gpiochip0"])] = None
    """The GPIO chip that the lamp is on; needs `infusion-gateway[gpio]`."""
    tcp: Annotated[
        str | None, AfterValidator(lambda v: v and _host_port(v)), Field(max_length=300, examples=["10.0.0.9:502"])
    ] = None
    """`HOST:PORT` of a relay box that speaks Modbus TCP."""
    port: Annotated[
        PathText | None, AfterValidator(lambda v: v and _serial(v)), Field(examples=["/dev/serial/by-id/usb-relay"])
    ] = None
    """The serial line of a relay box that speaks Modbus RTU; no device of a bed is on it."""
    baud: Annotated[int | None, Field(ge=300, le=1_000_000, examples=[9600])] = None
    """Bits a second, as the relay box is set. Needed with `port`."""
    framing: Annotated[str | None, AfterValidator(lambda v: v and _framing(v)), Field(examples=["8N1"])] = None
    """Data bits, parity and stop bits, as the relay box is set. Needed with `port`."""
    address: Annotated[int | None, Field(ge=1, le=247, examples=[1])] = None
    """The relay box's Modbus unit. Needed with `tcp` and `port`."""
    red: Annotated[int, Field(ge=0, le=LAST_COIL, examples=[0])]
    """The coil, or GPIO line, of the red lamp: high priority."""
    yellow: Annotated[int, Field(ge=0, le=LAST_COIL, examples=[1])]
    """The coil, or GPIO line, of the yellow lamp: medium priority."""
    cyan: Annotated[int, Field(ge=0, le=LAST_COIL, examples=[2])]
    """The coil, or GPIO line, of the cyan lamp: low priority."""
    active_low: Annotated[bool, Field(examples=[True])] = False
    """The lamp is lit by a low level; false by default."""
    flashes_itself: Annotated[bool, Field(examples=[True])] = False
    """The lamp flashes by itself, or may not be switched so often: it is kept on; false by default."""


class AnnunciatorTable(Table):
    """`[bed.annunciator]`: sound and light at the bed itself, from a process of its own. Empty: a console line alone.

    A bed without it has no bedside alarm, which is shown and is a gate.
    """

    sound: SoundTable | None = None
    """What is heard; needed in mode `real`."""
    light: LightTable | None = None
    """What is seen."""


class BedTable(Table):
    """`[[bed]]`: a place with devices."""

    id: Annotated[Name, Field(examples=["chair-1"])]
    """The bed's name, part of its MQTT topics."""
    protocols: Annotated[list[Name], Field(max_length=32, examples=[["depression-40"]])]
    """The session protocols that may be ordered here, by name; empty for a recovery bed."""
    device: Annotated[list[DeviceTable], Field(max_length=16)] = []
    """Its devices: at most one pump."""
    sources: Annotated[dict[MetricWord, list[Name]], Field(examples=[{"spo2": ["oximeter", "monitor"]}])] = {}
    """For a metric, the devices that may report it, preferred first; a metric not listed takes any device."""
    cuff_on_spo2_arm: Annotated[bool, Field(examples=[True])] = False
    """The cuff is on the arm of the preferred SpO2 probe, which then loses its signal; false by default."""
    annunciator: AnnunciatorTable | None = None
    """The bed's own alarm; without it there is none."""


class ContactTable(Table):
    """`[[station.notify.person]]`: somebody who can be told of an alarm away from the page."""

    code: Annotated[str, AfterValidator(_code), Field(examples=["nurse-7"])]
    """Their code, as in the people's file; whoever is on duty must be one of these."""
    urls_file: Annotated[PathText, Field(examples=["secrets/nurse-7.urls"])]
    """Apprise URLs of their e-mail, SMS or push, one a line; readable by this user alone, or `credential:NAME`."""


class NotifyTable(Table):
    """`[station.notify]`: telling people away from the page, by e-mail, SMS gateways or push (Apprise)."""

    file: Annotated[PathText, Field(examples=["notify.json"])]
    """Who is on duty, who was told, who has it: written by the station itself, so that a restart forgets nothing."""
    call: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["ward 3, 4711"])]
    """Whom a message says to call where its link can't be opened."""
    link: Annotated[str | None, AfterValidator(_link), Field(max_length=300, examples=["https://station-1:8420"])] = (
        None
    )
    """The page's address as people's phones reach it, with TLS; without it messages have no link, only whom to call."""
    repeat_s: Annotated[float, Field(ge=15, le=600, examples=[60.0])]
    """Seconds after which, the last step told, everybody is told again, until somebody has it."""
    test_at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["07:30"])]
    """When the day starts, by this machine's local time: each on duty is sent a test, which they must answer."""
    others: Annotated[list[Name], Field(max_length=8, examples=[["station-2"]])] = []
    """Other stations that tell the same people: one tells while they hear each other, else both."""
    person: Annotated[list[ContactTable], Field(min_length=1, max_length=32)]
    """Who can be told."""


class EscalationTable(Table):
    """`[[station.escalation]]`: one step of telling people of an alarm that nobody has acknowledged."""

    after_s: Annotated[float, Field(ge=0, le=1800, examples=[45.0])]
    """Seconds after the alarm (a medium one: after its first 60 s); of the first step 0, of each later one more."""
    to: Annotated[list[Annotated[str, AfterValidator(_told)]], Field(min_length=1, max_length=8, examples=[["duty-2"]])]
    """Whom: `duty-1` the first on duty, `duty-2` the second …, `duty` everybody on duty, or a person's code."""


class OpenIdRolesTable(Table):
    """`[station.openid.roles]`: what the provider's groups may do here; whoever has none of them is refused."""

    supervisor: Annotated[list[Group], Field(max_length=64, examples=[["infusion-leads"]])] = []
    """These may ask for everything, and enrol screens."""
    clinician: Annotated[list[Group], Field(max_length=64, examples=[["infusion-nurses", "infusion-doctors"]])] = []
    """These may ask for everything but limits."""
    viewer: Annotated[list[Group], Field(max_length=64, examples=[["ward-3"]])] = []
    """These look, and ask for nothing."""


class OpenIdTable(Table):
    """`[station.openid]`: signing in by the clinic's identity provider (OpenID Connect), beside the people's file."""

    issuer: Annotated[
        str, AfterValidator(_issuer), Field(max_length=300, examples=["https://login.clinic.example/realms/clinic"])
    ]
    """The provider as it calls itself: https, or http on this machine's loopback alone."""
    client_id: Annotated[Group, Field(examples=["infusion-station"])]
    """What the provider calls this station. It must allow `/openid/return` and `/openid/done` of the page's address."""
    client_secret_file: Annotated[PathText | None, Field(examples=["secrets/openid"])] = None
    """The client's secret, in a file of this user's alone, or `credential:NAME`; none for a public client."""
    ca_file: Annotated[PathText | None, Field(examples=["tls/clinic-ca.pem"])] = None
    """Certificates of the authority that signed the provider's; by default whom this machine trusts."""
    scopes: Annotated[list[Scope], Field(max_length=8, examples=[["profile", "groups"]])] = ["profile"]
    """What is asked for beside `openid`, which always is; `["profile"]` by default."""
    name_claim: Annotated[Group, Field(examples=["preferred_username"])] = "preferred_username"
    """The claim that says what to call a person on the record: unique at the provider, and a code, as nurse-7."""
    roles_claim: Annotated[Group, Field(examples=["realm_access.roles"])] = "groups"
    """The claim that lists a person's groups, or the path to it; `groups` by default."""
    roles: OpenIdRolesTable = OpenIdRolesTable()
    """Which groups may do what, as `{ supervisor = ["…"], clinician = ["…"], viewer = ["…"] }`."""


class StationTable(Table):
    """`[station]`: the clinicians' page, `infusion-gateway station`; a file with no `[gateway]` is a station's own."""

    name: Annotated[Name, Field(examples=["station-1"])]
    """The station's name, unique at the site; gateways and other stations know it by that."""
    site: Annotated[Name | None, Field(examples=["clinic-a"])] = None
    """The clinic's name, where the file has no `[gateway]` that says it."""
    listen: Annotated[str, AfterValidator(_host_port), Field(max_length=300, examples=["127.0.0.1:8420"])] = (
        "127.0.0.1:8420"
    )
    """`HOST:PORT` of the page; beyond this machine's loopback only with `certificate_file` and `key_file`."""
    certificate_file: Annotated[PathText | None, Field(examples=["tls/station-1.pem"])] = None
    """The page's certificate, together with `key_file`; none by default."""
    key_file: Annotated[PathText | None, Field(examples=["tls/station-1.key"])] = None
    """The key of that certificate, readable by this user alone; `credential:NAME` is one that systemd hands over."""
    people_file: Annotated[PathText | None, Field(examples=["people.toml"])] = None
    """Who may sign in, as `infusion-gateway people` writes it; by default nobody may."""
    screens_file: Annotated[PathText | None, Field(examples=["screens.toml"])] = None
    """The screens that are enrolled, written by the station itself; by default none can be."""
    signing_key_file: Annotated[PathText | None, Field(examples=["keys/station-1.key"])] = None
    """The private key that signs instructions, readable by this user alone; needed where gateways have a `[[key]]`."""
    kid: Annotated[Name | None, Field(examples=["station-1"])] = None
    """What that key is called in the gateways' `[[key]]`; the station's name by default."""
    gateways: Annotated[
        dict[Name, Annotated[list[PathText], Field(min_length=1, max_length=4)]],
        Field(max_length=64, examples=[{"gateway-1": ["keys/gateway-1.key.pub"]}]),
    ] = {}
    """Each gateway's public keys: files, or keys as `ed25519:…`. With any, one without is never shown as verified."""
    idle_min: Annotated[float, Field(ge=1, le=240, examples=[15.0])] = 15.0
    """Minutes without a touch after which a person is signed out."""
    signed_in_h: Annotated[float, Field(ge=0.1, le=24, examples=[12.0])] = 12.0
    """Hours after which a person signs in again in any case."""
    broker: BrokerTable | None = None
    """How the station reaches the broker, with its own certificate or password; as `[broker]` by default."""
    notify: NotifyTable | None = None
    """Telling people away from the page; by default nobody is."""
    openid: OpenIdTable | None = None
    """Signing in by the clinic's identity provider, too; by default only by the people's file."""
    escalation: Annotated[list[EscalationTable], Field(max_length=8)] = []
    """Whom first, whom next and when; needed with `[station.notify]`."""


class File(Table):
    """A gateway's configuration file."""

    gateway: GatewayTable
    """Who this gateway is."""
    broker: BrokerTable
    """The MQTT broker."""
    line: Annotated[list[LineTable], Field(min_length=1, max_length=128)]
    """The lines that devices are on."""
    bed: Annotated[list[BedTable], Field(min_length=1, max_length=64)]
    """The beds."""
    key: Annotated[list[KeyTable], Field(max_length=128)] = []
    """The keys whose instructions count."""
    station: StationTable | None = None
    """The clinicians' page on this machine."""


def json_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """Give a model's JSON Schema (2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(), "title": title}
