"""The gateway's configuration: what a good one becomes, and every kind of wrongness with its line, key and way out."""

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from infusion_gateway.config import load as loading
from infusion_gateway.config import protocols, schema
from infusion_gateway.config.load import load
from infusion_gateway.config.settings import LineSettings, Settings
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.names import RESERVED
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.wire import topics

ROOT = Path(__file__).parents[2]

GOOD = """\
[gateway]
site = "clinic-a"
name = "gateway-1"
mode = "test"
state_directory = "state"

[broker]
url = "mqtt://127.0.0.1:1883"

[[line]]
name = "pump-line"
port = "/dev/ttyUSB0"
carries = "serial"
baud = 19200
framing = "8N1"

[[line]]
name = "oximeter-line"
port = "socket://10.0.0.5:4001"
carries = "serial"
baud = 9600
framing = "8N1"

[[line]]
name = "rtu-line"
port = "rs485"
carries = "modbus"
baud = 19200
framing = "8E1"

[[line]]
name = "monitor-line"
tcp = "10.0.0.7:502"

[[bed]]
id = "chair-1"
protocols = ["depression-40", "test-short"]

[[bed.device]]
id = "pump"
driver = "ne1000"
line = "pump-line"
address = 7
pin = { address = "07" }

[[bed.device]]
id = "oximeter"
driver = "nonin_oem3"
line = "oximeter-line"

[[bed.device]]
id = "monitor"
driver = "modbus_monitor"
line = "monitor-line"
address = 1

[bed.sources]
spo2 = ["oximeter", "monitor"]

[[bed]]
id = "chair-2"
protocols = []

[[bed.device]]
id = "pump-2"
driver = "modbus_pump"
line = "rtu-line"
address = 1
pin = { serial-number = "4711" }

[[bed.device]]
id = "monitor-2"
driver = "modbus_monitor"
line = "rtu-line"
address = 2
"""


def read(directory: Path, text: str) -> Settings:
    """Read a configuration of this text."""
    path = directory / "bedside.toml"
    path.write_text(text)
    return load(path)


def refused(directory: Path, text: str) -> ConfigError:
    """Read a configuration that can't be used, and give what is said of it."""
    with pytest.raises(ConfigError) as caught:
        read(directory, text)
    for problem in caught.value.problems:
        assert problem.remedy
        assert str(problem).startswith(f"{problem.path}:{problem.line}: {problem.key}: ")
    return caught.value


def test_a_good_configuration_resolves_everything(tmp_path: Path) -> None:
    """Pins what the gateway is built from: absolute paths, lines, devices with their traits, the core's setup."""
    found = read(tmp_path, GOOD)
    assert (found.gateway.site, found.gateway.name, found.gateway.mode) == (
        "clinic-a",
        "gateway-1",
        GenerationMode.TEST,
    )
    assert found.gateway.state_directory == tmp_path / "state"
    assert found.gateway.socket == tmp_path / "state" / "watch.sock"
    assert (found.broker.host, found.broker.port, found.broker.tls) == ("127.0.0.1", 1883, False)
    assert found.lines == (
        LineSettings("pump-line", "/dev/ttyUSB0", 19200, "8N1", modbus=False),
        LineSettings("oximeter-line", "socket://10.0.0.5:4001", 9600, "8N1", modbus=False),
        LineSettings("rtu-line", str(tmp_path / "rs485"), 19200, "8E1", modbus=True),
        LineSettings("monitor-line", "tcp://10.0.0.7:502", 0, "", modbus=True),
    )
    first, second = found.beds
    assert [(d.device, d.driver, d.line, d.address) for d in first.devices] == [
        ("pump", "ne1000", "pump-line", 7),
        ("oximeter", "nonin_oem3", "oximeter-line", 0),
        ("monitor", "modbus_monitor", "monitor-line", 1),
    ]
    assert second.devices[0].pin == (("serial-number", "4711"),)
    assert first.setup.pump is not None
    assert (first.setup.pump.device, first.setup.pump.stoppable) == ("pump", True)
    assert first.setup.sources == ((Metric.SPO2, ("oximeter", "monitor")),)
    assert [p.name for p in first.setup.protocols] == ["depression-40", "test-short"]
    assert second.setup.protocols == ()
    assert [(bed.id, device.device) for bed, device in found.on_line("rtu-line")] == [
        ("chair-2", "pump-2"),
        ("chair-2", "monitor-2"),
    ]
    assert set(found.protocols) == {"depression-40", "test-short"}


def test_drivers_are_built_from_the_settings(tmp_path: Path) -> None:
    """Pins that what a device's settings build is the driver that they name."""
    found = read(tmp_path, GOOD)
    for bed in found.beds:
        for device in bed.devices:
            assert found.build(device).traits == device.traits


def test_the_shipped_configuration_is_fine() -> None:
    """Pins that config/bedside.toml can be used as it is."""
    found = load(ROOT / "config" / "bedside.toml")
    assert [bed.id for bed in found.beds] == ["chair-1"]
    assert found.gateway.state_directory == ROOT / "var" / "gateway-1"


def test_names_are_what_topics_can_hold() -> None:
    """Pins that configuration, topics and what is published of them take the same names, and no other."""
    published = re.compile(TypeAdapter(schema.Name).json_schema()["pattern"])
    for name in ("a", "chair-1", "0" * 32, "-a", "a-", "A", "a b", "a\n", "", "é", "а", "0" * 33, "a/b", "+", "do"):
        try:
            TypeAdapter(schema.Name).validate_python(name)
            taken = True
        except ValidationError:
            taken = False
        try:
            topics.checked(name)
        except ValueError:
            assert not taken, name
        else:
            assert taken, name
        assert taken == (published.search(name) is not None and name not in RESERVED and "\n" not in name), name


SLIPS = {
    'site = "clinic-a"': [
        ("", "gateway.site", "this key is missing", 'Add `site = "clinic-a"`'),
        ('site = "Clinic A"', "gateway.site", "'Clinic A' is no name", "small letters"),
        ('site = "a/b"', "gateway.site", "'a/b' is no name", "small letters"),
    ],
    'name = "gateway-1"': [
        ('name = "stations"', "gateway.name", "MQTT topics need", "Any name but"),
        ("name = 7", "gateway.name", "should be a valid string", 'name = "gateway-1"'),
    ],
    'mode = "test"': [
        ('mode = "production"', "gateway.mode", "should be 'real', 'test' or 'demo'", 'mode = "test"'),
        ("", "gateway.mode", "this key is missing", "`real`: patients"),
        ('mode = "test"\nmoode = 1', "gateway.moode", "unknown key", "Did you mean `mode`?"),
        ('mode = "test"\nprotocol_directory = "none"', "gateway.protocol_directory", "no directory", "Make it"),
        ('mode = "test"\nextra_profiles = "none"', "gateway.extra_profiles", "no directory", "take this key"),
        ('mode = "real"', "bed[0].protocols[1]", "'test-short' is for tests", 'mode = "test"'),
        ('mode = "real"', "bed[0].device[0].driver", "never for patients", "clinical interface"),
    ],
    'state_directory = "state"': [
        ('state-directory = "state"', "gateway.state-directory", "unknown key", "`state_directory`"),
        ('state_directory = "bedside.toml"', "gateway.state_directory", "nothing can", "directory"),
        ('state_directory = ""', "gateway.state_directory", "no path", '"../var"'),
        (f'state_directory = "{"s" * 120}"', "gateway.socket", "at most 107 bytes", "shorter"),
    ],
    "[gateway]": [
        ("[gatway]", "gatway", "unknown key", "Did you mean `gateway`?"),
    ],
    'url = "mqtt://127.0.0.1:1883"': [
        ("", "broker", "it must be clear where", "embedded = true"),
        ('url = "mqtt://10.0.0.1"', "broker.url", "without encryption", "mqtts://"),
        ('url = "mqtt://localhost.evil.example"', "broker.url", "without encryption", "mqtts"),
        ('url = "http://127.0.0.1"', "broker.url", "no address of a broker", "mqtts://"),
        ('url = "mqtt://127.0.0.1:99999"', "broker.url", "no address of a broker", "HOST:PORT"),
        ('url = "mqtt://u:p@127.0.0.1"', "broker.url", "only a host and a port", "of their own"),
        ('url = "mqtt://[::1"', "broker.url", "no address of a broker", "HOST:PORT"),
        ('url = "mqtts://b.example"', "broker.ca_file", "whom to trust", "ca_file"),
        ("embedded = true", "broker.port", "needs a port", "port = 1883"),
        ('url = "mqtt://[::1]"\nport = 1', "broker.port", "stands in the url", "out"),
        ('embedded = true\nurl = "mqtt://[::1]"', "broker", "not both", "either"),
        ('url = "mqtt://[::1]"\nother_urls = ["mqtt://10.0.0.1"]', "broker.other_urls[0]", "encryption", "mqtts"),
        ('url = "mqtt://[::1]"\nother_urls = ["mqtts://b.example"]', "broker.other_urls", "in one way", "alike"),
        ('embedded = true\nport = 1883\nother_urls = ["mqtt://[::1]"]', "broker.other_urls", "is one", "out"),
        ('url = "mqtt://[::1]"\nstation_absent_after_h = 0', "broker.station_absent_after_h", "0.1", "or the like"),
        ('embedded = "yes"', "broker.embedded", "valid boolean", "embedded = true"),
        ('url = "mqtt://[::1]"\nca_file = "x"', "broker.ca_file", "not used", "out"),
        ('url = "mqtt://[::1]"\nusername = "x"', "broker.username", "go together", "both"),
        ('url = "mqtt://[::1]"\npassword = "x"', "broker.password", "unknown key", "password_file"),
    ],
    'port = "/dev/ttyUSB0"\n': [
        ("", "line[0]", "where this line is", "either port ="),
    ],
    'port = "/dev/ttyUSB0"': [
        ('port = "/dev/ttyUSB0"\ntcp = "1.2.3.4:5"', "line[0]", "where this line is", "either port ="),
        ('port = "telnet://x:1"', "line[0].port", "'telnet' is no way", "rfc2217://"),
        ('port = "socket://x"', "line[0].port", "'x' is no address", "HOST:PORT"),
    ],
    "baud = 19200\n": [
        ("", "line[0].baud", "this key is missing", "Add baud = 19200"),
    ],
    "baud = 19200": [
        ("baud = 9600", "bed[0].device[0].line", "ne1000 speaks at 19200 8N1, and this line at 9600 8N1", "options"),
        ('baud = "19200"', "line[0].baud", "should be a valid integer", "baud = 19200"),
        ("baud = 19200.5", "line[0].baud", "should be a valid integer", "baud = 19200"),
        ("baud = 10", "line[0].baud", "greater than or equal to 300", "baud = 19200"),
    ],
    'framing = "8N1"': [
        ('framing = "8E1"', "bed[0].device[0].line", "ne1000 speaks at 19200 8N1, and this line at 19200 8E1", "Set"),
        ('framing = "8X1"', "line[0].framing", "'8X1' is no framing", '"8E1"'),
    ],
    'framing = "8E1"': [
        ('framing = "7E1"', "line[2].framing", "Modbus RTU has 8 data bits", '"8E1"'),
    ],
    'carries = "serial"': [
        ('carries = "can"', "line[0].carries", "should be 'serial' or 'modbus'", "carries = "),
    ],
    'tcp = "10.0.0.7:502"': [
        ('tcp = "10.0.0.7"', "line[3].tcp", "is no address", "HOST:PORT"),
        ('tcp = "10.0.0.7:0"', "line[3].tcp", "is no address", "HOST:PORT"),
        ('tcp = "a b:502"', "line[3].tcp", "is no address", "HOST:PORT"),
        ('tcp = "10.0.0.7:502"\nbaud = 9600', "line[3].baud", "TCP connection has none", "out"),
        ('tcp = "10.0.0.7:502"\ncarries = "serial"', "line[3].carries", "tcp carries Modbus", "socket://"),
    ],
    'name = "oximeter-line"': [
        ('name = "pump-line"', "line[1].name", "'pump-line' stands twice", "name of its own"),
    ],
    'port = "rs485"': [
        ('port = "/dev/../dev/ttyUSB0"', "line[2].port", "'pump-line' is there already", "one wire"),
    ],
    'driver = "ne1000"': [
        ('driver = "ne100"', "bed[0].device[0].driver", "no driver is called 'ne100'", "'ne1000'?"),
        ('driver = "qqq"', "bed[0].device[0].driver", "no driver is called", "Known are modbus_monitor"),
    ],
    'line = "pump-line"': [
        ('line = "pmp-line"', "bed[0].device[0].line", "no line is called 'pmp-line'", "'pump-line'?"),
        ('line = "zz"', "bed[0].device[0].line", "no line is called 'zz'", "Add [[line]]"),
        ('line = "monitor-line"', "bed[0].device[0].line", "carries Modbus", 'carries = "serial"'),
        ('line = "monitor-line"', "line[0]", "no device is on the line 'pump-line'", "Take it out"),
    ],
    'line = "monitor-line"': [
        ('line = "pump-line"', "bed[0].device[2].line", "device's own bytes", 'carries = "modbus"'),
    ],
    "address = 7\n": [
        ("", "bed[0].device[0].address", "this key is missing", "(0 to 99)"),
    ],
    "address = 7": [
        ("address = 100", "bed[0].device[0].address", "100 is no address of NE-1000", "0 to 99"),
        ("address = 300", "bed[0].device[0].address", "300 is no address of NE-1000", "0 to 99"),
        ("address = -1", "bed[0].device[0].address", "-1 is no address of NE-1000", "0 to 99"),
        ("address = 7.0", "bed[0].device[0].address", "valid integer", "address = 1"),
        ('address = 7\noptions = { nonsense = "1" }', "bed[0].device[0].options", "no option nonsense", "out"),
        ("address = 7\noptions = { n = 1 }", "bed[0].device[0].options.n", "valid string", "options = "),
    ],
    'driver = "nonin_oem3"': [
        ('driver = "nonin_oem3"\naddress = 1', "bed[0].device[1].address", "only streams", "out"),
    ],
    'line = "rtu-line"\naddress = 1': [
        ('line = "rtu-line"\naddress = 0', "bed[1].device[0].address", "0 is no address of modbus", "1 to 247"),
        ('line = "rtu-line"\naddress = 248', "bed[1].device[0].address", "248 is no address", "1 to 247"),
    ],
    'line = "rtu-line"\naddress = 2': [
        ('line = "rtu-line"\naddress = 1', "bed[1].device[1].address", "1 is taken", "another"),
    ],
    'id = "oximeter"': [
        ('id = "pump"', "bed[0].device[1].id", "stands twice in this bed", "name of its own"),
    ],
    'driver = "modbus_monitor"\nline = "monitor-line"': [
        ('driver = "modbus_pump"\nline = "monitor-line"', "bed[0].device[2].driver",
         "'pump' is this bed's pump already", "One pump at most"),
    ],
    'pin = { address = "07" }': [
        ('pin = { serial_number = "1" }', "bed[0].device[0].pin.serial_number", "no device", "'serial-number'?"),
        ("pin = { address = 7 }", "bed[0].device[0].pin.address", "valid string", "pin = "),
        ('dead_man = "20 s"', "bed[0].device[0].dead_man", "unknown key", "Known here: id, driver"),
    ],
    'id = "chair-1"': [
        ('id = "do"', "bed[0].id", "MQTT topics need", "Any name but"),
    ],
    'id = "chair-2"': [
        ('id = "chair-1"', "bed[1].id", "'chair-1' stands twice", "name of its own"),
    ],
    'protocols = ["depression-40", "test-short"]\n': [
        ("", "bed[0].protocols", "this key is missing", "protocols = "),
    ],
    '"test-short"': [
        ('"depression-50"', "bed[0].protocols[1]", "no protocol is called 'depression-50'", "depression-40, depr"),
        ('"depression-40"', "bed[0].protocols[1]", "stands twice", "once"),
    ],
    'spo2 = ["oximeter", "monitor"]': [
        ('o2 = ["oximeter"]', "bed[0].sources.o2", "'o2' is no metric", "spo2"),
        ('spo2 = ["oxymeter"]', "bed[0].sources.spo2[0]", "no device of this bed", "oximeter"),
        ('spo2 = ["pump-2"]', "bed[0].sources.spo2[0]", "no device of this bed", "oximeter"),
        ("spo2 = []", "bed[0].sources.spo2", "none, or one twice", "once"),
        ('spo2 = ["monitor", "monitor"]', "bed[0].sources.spo2", "one twice", "once"),
    ],
    "[bed.sources]": [
        ("[bed.source]", "bed[0].source", "unknown key", "Did you mean `sources`?"),
    ],
}  # fmt: skip
"""What is replaced in the good one, and for each replacement: the key, the problem, the remedy."""


@pytest.mark.parametrize(
    ("old", "slip"),
    [(old, slip) for old, slips in SLIPS.items() for slip in slips],
    ids=lambda found: f"{found[1]}-{found[2]}"[:60] if isinstance(found, tuple) else "",
)
def test_each_slip_is_told_where_it_stands(tmp_path: Path, old: str, slip: tuple[str, str, str, str]) -> None:
    """Pins that each kind of wrongness gives its key, its real line, what is wrong and the way out."""
    new, key, problem, remedy = slip
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    said = refused(tmp_path, text)
    found = [p for p in said.problems if p.key == key]
    assert any(problem in p.problem and remedy in p.remedy for p in found), said
    leaf = re.sub(r"(\[\d+\])+$", "", key).split(".")[-1]
    line = text.splitlines()[found[0].line - 1]
    assert leaf in line or problem in ("this key is missing", "needs a port") or line.startswith("["), (line, found)


def test_every_problem_at_once_whatever_table_it_is_in(tmp_path: Path) -> None:
    """Pins that a table that can't be read does not hide what is wrong in others, nor raise alarms about itself."""
    text = GOOD.replace('site = "clinic-a"', "site = 1").replace("baud = 19200", "baud = 1", 1)
    text = text.replace('id = "oximeter"', 'id = "OX"').replace("address = 2", "address = 1")
    text = text.replace('"test-short"', '"nothing"')
    keys = [p.key for p in refused(tmp_path, text).problems]
    assert keys == [
        *("gateway.site", "line[0].baud", "bed[0].protocols[1]", "bed[0].device[1].id"),
        *("bed[0].sources.spo2[0]", "bed[1].device[1].address"),
    ]


def test_missing_tables_are_named(tmp_path: Path) -> None:
    """Pins what an empty file, and one of another kind, are told."""
    said = {p.key: p.remedy for p in refused(tmp_path, "").problems}
    assert said["line"] == "Add [[line]]"
    assert said["bed"] == "Add [[bed]]"
    assert said["gateway"] == "Add [gateway]"
    wrong = {p.key for p in refused(tmp_path, 'gateway = 1\nbroker = []\nline = "x"\nbed = [1, "two"]').problems}
    assert {"gateway", "broker", "line", "bed[0]", "bed[1]"} <= wrong


def test_a_streaming_device_is_alone_on_its_line(tmp_path: Path) -> None:
    """Pins that nothing shares a line with a device that speaks unasked, whichever is written first."""
    text = GOOD.replace('line = "oximeter-line"', 'line = "pump-line"')
    said = {p.key: p.problem for p in refused(tmp_path, text).problems}
    assert "not alone on 'pump-line'" in said["bed[0].device[1].line"]
    text = GOOD.replace('line = "pump-line"', 'line = "oximeter-line"')
    assert any("not alone" in p.problem for p in refused(tmp_path, text).problems)


def test_two_beds_may_share_names_but_not_on_one_line(tmp_path: Path) -> None:
    """Pins that a device's name is unique in its bed and on its line, and no more."""
    read(tmp_path, GOOD.replace('id = "monitor-2"', 'id = "monitor"'))
    text = GOOD.replace('line = "monitor-line"\naddress = 1', 'line = "rtu-line"\naddress = 9')
    text = text.replace('id = "monitor-2"', 'id = "monitor"')
    said = {p.key: p.problem for p in refused(tmp_path, text).problems}
    assert "'monitor' stands twice on the line 'rtu-line'" in said["bed[1].device[1].id"]


def test_a_dead_man_outlasts_the_worst_stall_of_its_line(tmp_path: Path) -> None:
    """Pins that a pump on a crowded line is refused where a poll could come too late for the protocol's dead man."""
    text = GOOD.replace("protocols = []", 'protocols = ["test-short"]')
    read(tmp_path, text)
    crowd = "".join(
        f'[[bed]]\nid = "chair-{n}"\nprotocols = []\n[[bed.device]]\nid = "m-{n}"\ndriver = "modbus_monitor"\n'
        f'line = "rtu-line"\naddress = {n}\n'
        for n in range(3, 30)
    )
    (found,) = refused(tmp_path, text + crowd).problems
    assert found.key == "bed[1].device[0].line"
    assert "the dead man of 'test-short' (15 s) could run out" in found.problem
    assert "a line of its own" in found.remedy
    read(tmp_path, GOOD + crowd)  # a bed without a protocol arms no dead man


def test_a_dead_man_that_the_pump_cannot_keep(tmp_path: Path) -> None:
    """Pins that a protocol's dead man outside the pump's own range is refused."""
    (tmp_path / "profiles").mkdir()
    ours = (ROOT / "src" / "infusion_gateway" / "devices" / "modbus" / "modbus_pump.toml").read_text()
    assert "longest = 60" in ours
    (tmp_path / "profiles" / "short_pump.toml").write_text(ours.replace("longest = 60", "longest = 12"))
    text = GOOD.replace('mode = "test"', 'mode = "test"\nextra_profiles = "profiles"')
    text = text.replace('driver = "modbus_pump"', 'driver = "short_pump"').replace(
        "protocols = []", 'protocols = ["test-short"]'
    )
    (found,) = refused(tmp_path, text).problems
    assert found.key == "bed[1].device[0].driver"
    assert "can't keep a dead man of 15 s" in found.problem
    assert "5 to 12 s" in found.remedy


def test_encryption_with_its_files(tmp_path: Path) -> None:
    """Pins mqtts: authority, own certificate and password from files that others may not read."""
    for name, mode in (("ca.pem", 0o644), ("own.pem", 0o644), ("own.key", 0o600), ("secret", 0o600)):
        (tmp_path / name).write_text("word\nrest\n")
        (tmp_path / name).chmod(mode)
    text = GOOD.replace(
        'url = "mqtt://127.0.0.1:1883"',
        'url = "mqtts://broker.example"\nca_file = "ca.pem"\ncertificate_file = "own.pem"\nkey_file = "own.key"\n'
        'username = "gateway-1"\npassword_file = "secret"',
    )
    broker = read(tmp_path, text).broker
    assert (broker.host, broker.port, broker.tls, broker.embedded) == ("broker.example", 8883, True, False)
    assert (broker.ca, broker.certificate, broker.key) == (
        tmp_path / "ca.pem",
        tmp_path / "own.pem",
        tmp_path / "own.key",
    )
    assert (broker.username, broker.password) == ("gateway-1", "word")
    assert "word" not in repr(broker)
    (tmp_path / "own.key").chmod(0o640)
    (tmp_path / "secret").write_text("\n")
    (tmp_path / "own.pem").unlink()
    said = {p.key: (p.problem, p.remedy) for p in refused(tmp_path, text).problems}
    assert "others may read" in said["broker.key_file"][0]
    assert said["broker.key_file"][1] == f"Run: chmod 600 {tmp_path / 'own.key'}"
    assert "holds no password" in said["broker.password_file"][0]
    assert "can't be read" in said["broker.certificate_file"][0]


@pytest.mark.parametrize("secret", [b"", b"\xff\xfe", b"x" * 5000])
def test_a_password_that_is_none(tmp_path: Path, secret: bytes) -> None:
    """Pins that an empty, a binary and an endless password file are refused."""
    (tmp_path / "secret").write_bytes(secret)
    (tmp_path / "secret").chmod(0o600)
    more = 'url = "mqtt://[::1]"\nusername = "u"\npassword_file = "secret"'
    said = refused(tmp_path, GOOD.replace('url = "mqtt://127.0.0.1:1883"', more))
    assert "holds no password" in str(said)


def test_the_embedded_broker(tmp_path: Path) -> None:
    """Pins that the embedded broker is on the loopback, on the port that is written."""
    broker = read(tmp_path, GOOD.replace('url = "mqtt://127.0.0.1:1883"', "embedded = true\nport = 1884")).broker
    assert (broker.host, broker.port, broker.embedded, broker.tls) == ("127.0.0.1", 1884, True, False)


def test_a_clinics_own_protocols(tmp_path: Path) -> None:
    """Pins that protocols come from the directory that is named, and that their problems are told in their own file."""
    (tmp_path / "own").mkdir()
    text = (protocols.shipped() / "depression-40.toml").read_text()
    (tmp_path / "own" / "depression-40.toml").write_text(text.replace('grace = "2 min"', 'grace = "3 min"'))
    (tmp_path / "own" / "test-short.toml").write_text("name = 1\n")
    mine = GOOD.replace('mode = "test"', 'mode = "test"\nprotocol_directory = "own"')
    said = refused(tmp_path, mine)
    assert {p.path for p in said.problems} == {str(tmp_path / "own" / "test-short.toml")}
    found = read(tmp_path, mine.replace(', "test-short"', ""))
    assert found.protocols["depression-40"].grace == 180_000_000_000


def test_a_clinics_own_profiles(tmp_path: Path) -> None:
    """Pins that a Modbus profile of one's own is one more driver, and that a broken one is told in its own file."""
    (tmp_path / "profiles").mkdir()
    ours = ROOT / "src" / "infusion_gateway" / "devices" / "modbus" / "modbus_monitor.toml"
    (tmp_path / "profiles" / "acme_monitor.toml").write_text(ours.read_text())
    text = GOOD.replace('mode = "test"', 'mode = "test"\nextra_profiles = "profiles"')
    text = text.replace('driver = "modbus_monitor"', 'driver = "acme_monitor"', 1)
    found = read(tmp_path, text)
    assert found.build(found.beds[0].devices[2]).traits.name == "acme_monitor"
    with_options = text.replace('driver = "acme_monitor"', 'driver = "acme_monitor"\noptions = { a = "b" }')
    assert any("no option" in p.problem for p in refused(tmp_path, with_options).problems)
    (tmp_path / "profiles" / "acme_monitor.toml").write_text("nothing = 1\n")
    paths = {p.path for p in refused(tmp_path, text).problems}
    assert paths == {str(tmp_path / "profiles" / "acme_monitor.toml")}


def test_one_broken_profile_says_nothing_of_another(tmp_path: Path) -> None:
    """Pins that a sound profile beside a broken one isn't said to be no driver, and what is wrong has a key."""
    (tmp_path / "profiles").mkdir()
    modbus = ROOT / "src" / "infusion_gateway" / "devices" / "modbus"
    (tmp_path / "profiles" / "acme_monitor.toml").write_text((modbus / "modbus_monitor.toml").read_text())
    (tmp_path / "profiles" / "modbus_pump.toml").write_text((modbus / "modbus_pump.toml").read_text())
    text = GOOD.replace('mode = "test"', 'mode = "test"\nextra_profiles = "profiles"')
    text = text.replace('driver = "modbus_monitor"', 'driver = "acme_monitor"', 1)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    (only,) = caught.value.problems
    assert (only.path, only.key) == (str(tmp_path / "profiles" / "modbus_pump.toml"), "name")
    assert only.problem == "a driver modbus_pump is there already"


def test_hostile_values_are_bounded(tmp_path: Path) -> None:
    """Pins that endless names, numbers and arrays are refused, and that what is said of them is short and printable."""
    huge = GOOD.replace('site = "clinic-a"', f'site = "{"x" * 1900}"').replace(
        "baud = 19200", f"baud = {'1' * 1900}", 1
    )
    huge = huge.replace('id = "chair-1"', 'id = "\\u001b[31m"') + "\n[[line]]" * 300
    said = refused(tmp_path, huge)
    assert len(said.problems) <= 100
    assert all(len(str(p)) < 1200 and str(p).isprintable() for p in said.problems)


def test_a_directory_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a state directory that this user may not write is told before anything starts (simulated for root)."""
    monkeypatch.setattr(loading.os, "access", lambda *_: False)
    said = {p.key: p.problem for p in refused(tmp_path, GOOD).problems}
    assert "nothing can be written" in said["gateway.state_directory"]
