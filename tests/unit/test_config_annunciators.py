"""`[bed.annunciator]`: what a good one becomes, and every slip with its key and the way out."""

from pathlib import Path

import pytest

from infusion_gateway.config.load import load
from infusion_gateway.config.settings import AnnunciatorSettings, LightSettings, LineSettings
from infusion_gateway.errors import ConfigError
from infusion_gateway.model.alarm import Priority

TOP = """\
[gateway]
site = "clinic-a"
name = "gateway-1"
mode = "test"
state_directory = "state"

[broker]
url = "mqtt://127.0.0.1:1883"

[[line]]
name = "monitor-line"
tcp = "10.0.0.7:502"
"""
BED = """
[[bed]]
id = "chair-{n}"
protocols = ["test-short"]

[[bed.device]]
id = "monitor-{n}"
driver = "modbus_monitor"
line = "monitor-line"
address = {n}
"""
SOUND = '[bed.annunciator.sound]\ncommand = ["aplay", "--quiet", "{file}"]\n'
COLOURS = "red = 0\nyellow = 1\ncyan = 2\n"
RELAY = f'[bed.annunciator.light]\ntcp = "10.0.0.9:502"\naddress = 1\n{COLOURS}'
GPIO = f'[bed.annunciator.light]\ngpio = "/dev/gpiochip0"\n{COLOURS}'
SERIAL = f'[bed.annunciator.light]\nport = "/dev/ttyUSB7"\nbaud = 9600\nframing = "8N1"\naddress = 3\n{COLOURS}'
WHICH = ((Priority.HIGH, 0), (Priority.MEDIUM, 1), (Priority.LOW, 2))


def loaded(directory: Path, *annunciators: str, mode: str = "test") -> list[AnnunciatorSettings | None]:
    """Read a configuration with a bed for each; give what became of their annunciators."""
    text = TOP.replace('"test"', f'"{mode}"')
    text += "".join(BED.format(n=n) + each for n, each in enumerate(annunciators, 1))
    file = directory / "bedside.toml"
    file.write_text(text)
    settings = load(file)
    assert settings.gateway.annunciator_socket == directory / "state" / "annunciator.sock"
    assert [b.setup.annunciator for b in settings.beds] == [b.annunciator is not None for b in settings.beds]
    return [bed.annunciator for bed in settings.beds]


def test_none_a_console_and_a_whole_one(tmp_path: Path) -> None:
    """Pins the three: no table is no bedside alarm, an empty one a console line, a full one sound and light."""
    none, console, whole = loaded(tmp_path, "", "[bed.annunciator]\n", SOUND + RELAY)
    assert none is None
    assert console == AnnunciatorSettings((), None)
    assert console.outputs == {"console"}
    assert whole is not None
    assert whole.outputs == {"sound", "light"}
    assert whole.sound == ("aplay", "--quiet", "{file}")
    line = LineSettings("tcp://10.0.0.9:502", "tcp://10.0.0.9:502", 0, "", modbus=True)
    assert whole.light == LightSettings(line, None, 1, WHICH, active_low=False, flashes_itself=False)


def test_lamps_on_gpio_and_on_a_serial_relay_box(tmp_path: Path) -> None:
    """Pins both other places of a lamp, and its two ways to be."""
    gpio, serial = loaded(tmp_path, GPIO + "active_low = true\n", SERIAL + "flashes_itself = true\n")
    assert gpio is not None
    assert serial is not None
    assert gpio.light == LightSettings(None, Path("/dev/gpiochip0"), 0, WHICH, active_low=True, flashes_itself=False)
    line = LineSettings("/dev/ttyUSB7", "/dev/ttyUSB7", 9600, "8N1", modbus=True)
    assert serial.light == LightSettings(line, None, 3, WHICH, active_low=False, flashes_itself=True)


def test_two_beds_share_a_relay_box(tmp_path: Path) -> None:
    """Pins that coils of one box serve two beds, over one line."""
    one, other = loaded(tmp_path, RELAY, RELAY.replace("0\nyellow = 1\ncyan = 2", "8\nyellow = 9\ncyan = 10"))
    assert one is not None
    assert other is not None
    assert one.light is not None
    assert other.light is not None
    assert one.light.line == other.light.line


def test_a_real_bed_s_alarm_is_heard(tmp_path: Path) -> None:
    """Pins that mode real refuses one that nobody hears."""
    with pytest.raises(ConfigError, match=r"bed\[0\]\.annunciator: nothing is heard at the bed"):
        loaded(tmp_path, GPIO, mode="real")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (SOUND.replace("{file}", "x.wav"), r"sound\.command: it is not told what to play"),
        (SOUND.replace('["aplay", "--quiet", "{file}"]', '["aplay"]'), r"sound\.command: .*at least 2"),
        (SOUND.replace('"{file}"', r'"a\u0000{file}"'), r"sound\.command"),
        ("[bed.annunciator.siren]\n", r"siren: unknown key"),
        (f"[bed.annunciator.light]\n{COLOURS}", r"light: it must be clear where the lamp is"),
        (GPIO + 'tcp = "10.0.0.9:502"\n', r"light: it must be clear where the lamp is"),
        (GPIO + "address = 1\n", r"light\.address: a lamp on `gpio` has none"),
        (RELAY.replace("address = 1\n", ""), r"light\.address: this key is missing"),
        (SERIAL.replace("baud = 9600\n", ""), r"light\.baud: this key is missing"),
        (SERIAL.replace("8N1", "7E1"), r"light\.framing: Modbus RTU has 8 data bits"),
        (RELAY.replace("cyan = 2", "cyan = 0"), r"light\.cyan: 0 is the red lamp of chair-1 already"),
        (RELAY.replace("cyan = 2\n", ""), r"light\.cyan: this key is missing"),
        (RELAY.replace("10.0.0.9", "10.0.0.7"), r"light\.tcp: the line 'monitor-line' is there"),
        (RELAY.replace("red = 0", "red = 70000"), r"light\.red: .*65535"),
    ],
)
def test_every_slip_is_told(tmp_path: Path, written: str, problem: str) -> None:
    """Pins each refusal by its key and words, with a way out."""
    with pytest.raises(ConfigError, match=rf"bedside\.toml:\d+: bed\[0\]\.annunciator\.{problem}.*\. \S"):
        loaded(tmp_path, written)


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (RELAY, r"red: 0 is the red lamp of chair-1 already"),
        (SERIAL.replace('port = "/dev/ttyUSB7"', 'port = "/dev/ttyUSB8"'), ""),
        (SERIAL.replace("9600", "19200").replace("address = 3", "address = 4"), r"port: another bed's lamp is there"),
    ],
)
def test_two_beds_do_not_switch_one_lamp(tmp_path: Path, other: str, problem: str) -> None:
    """Pins that a coil has one owner, and a serial line one setting."""
    first = RELAY if other == RELAY else SERIAL
    if not problem:
        assert len(loaded(tmp_path, first, other)) == 2
        return
    with pytest.raises(ConfigError, match=rf"bed\[1\]\.annunciator\.light\.{problem}"):
        loaded(tmp_path, first, other)
