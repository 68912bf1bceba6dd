"""Is the machine fit for a bed: facts read from a made-up root directory, and what is said of each."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infusion_gateway.cli import cli
from infusion_gateway.config import machine as judged
from infusion_gateway.config.load import load
from infusion_gateway.config.machine import FILES, MARK, PROGRAMS, Machine, findings
from infusion_gateway.config.settings import AnnunciatorSettings, LineSettings, Settings
from infusion_gateway.runtime.machine import look

REPOSITORY = Path(__file__).parents[2]
BEDSIDE = REPOSITORY / "config/bedside.toml"
STATE = Path("/var/lib/infusion-gateway")
PORT = "/dev/serial/by-id/usb-FTDI_FT232R_A9-if00-port0"
AUTO = "Unattended-Upgrade::Automatic-Reboot"
FIT = Machine(
    clock=True,
    supplies=frozenset({"Battery"}),
    enabled=frozenset({"infusion-gateway.service", "infusion-gateway-inhibit.path", "chrony.service"}),
    masked=frozenset(),
    programs=frozenset({"systemd-inhibit", "D-Bus"}),
    files=frozenset(FILES),
    dialout=True,
    consoles=frozenset(),
    reboots=False,
    file_system="ext4",
    exposed=(),
    ports={PORT: "A9"},
)


@cache
def shipped() -> Settings:
    """Give the shipped configuration."""
    return load(BEDSIDE)


def settings(port: str = PORT, **gateway: Any) -> Settings:
    """Give a bed's configuration as docs/install.md has it, with one line on this port."""
    found = shipped()
    made = {"state_directory": STATE, "socket": MARK.with_name("watch.sock"), **gateway}
    lines = (LineSettings("pump-line", port, 19200, "8N1", False),)
    return replace(found, gateway=replace(found.gateway, **made), lines=lines)


def test_a_machine_as_the_page_has_it_is_fine() -> None:
    """Pins that nothing is said of a machine on which nothing is wrong."""
    assert findings(FIT, settings()) == ()


@pytest.mark.parametrize(
    ("wrong", "said", "remedy"),
    [
        ({"clock": False}, "no real-time clock", "battery"),
        ({"clock": None}, "real-time clock can't be told", "running machine"),
        ({"supplies": frozenset()}, "no uninterruptible supply", "NUT"),
        ({"supplies": None}, "no uninterruptible supply", "NUT"),
        ({"enabled": FIT.enabled - {"chrony.service"}}, "no time service", "systemd-timesyncd"),
        (
            {"enabled": FIT.enabled - {"infusion-gateway.service"}},
            "does not start with the machine",
            "systemctl enable",
        ),
        ({"enabled": FIT.enabled - {"infusion-gateway-inhibit.path"}}, "nothing holds off a shutdown", "inhibit.path"),
        ({"programs": frozenset({"D-Bus"})}, "systemd-inhibit is missing", "apt-get install"),
        ({"programs": frozenset({"systemd-inhibit"})}, "D-Bus is missing", "apt-get install"),
        ({"programs": FIT.programs | {"ModemManager"}}, "ModemManager may talk", "mask --now ModemManager.service"),
        ({"programs": FIT.programs | {"brltty"}}, "brltty may talk", "mask --now brltty.service"),
        ({"files": frozenset(FILES) - {judged.UDEV}}, "put to sleep, or taken for modems", judged.UDEV),
        ({"files": frozenset(FILES) - {judged.APT}}, "packages can be changed", judged.APT),
        ({"files": frozenset(FILES) - {judged.GETTY}}, "log-in prompt", judged.GETTY),
        (
            {"programs": FIT.programs | {"needrestart"}, "files": frozenset(FILES) - {judged.NEEDRESTART}},
            "needrestart may restart the gateway",
            judged.NEEDRESTART,
        ),
        ({"dialout": False}, "may not open serial ports", "adduser infusion-gateway dialout"),
        ({"reboots": True}, "unattended-upgrades may restart", "Automatic-Reboot"),
        ({"file_system": "tmpfs"}, "volatile disk", "state_directory"),
        ({"file_system": "overlay"}, "a restart may empty", "state_directory"),
        ({"file_system": None}, "can't be told", "running machine"),
        ({"exposed": ("others may look into /x (mode 0755)",)}, "others may look into /x", "chmod"),
        ({"ports": {}}, "is not there", "Plug it in"),
        ({"ports": {PORT: ""}}, "has no serial number", "/dev/serial/by-path, and put a label"),
    ],
)
def test_each_thing_that_is_wrong_is_said_with_its_remedy(wrong: dict[str, Any], said: str, remedy: str) -> None:
    """Pins one finding for each fault of the machine, naming the fault and the way out, and nothing beside it."""
    (found,) = findings(replace(FIT, **wrong), settings())
    assert said in found.what
    assert remedy in found.remedy


def test_needrestart_and_others_that_are_not_there_want_nothing() -> None:
    """Pins that a machine without needrestart needs no file for it, and that what is masked is quiet."""
    assert findings(replace(FIT, files=frozenset(FILES) - {judged.NEEDRESTART}), settings()) == ()
    masked = replace(FIT, programs=FIT.programs | {"ModemManager"}, masked=frozenset({"ModemManager.service"}))
    assert findings(masked, settings()) == ()


@pytest.mark.parametrize("unit", ["nut-monitor.service", "apcupsd.service"])
def test_a_supply_that_a_service_watches_counts(unit: str) -> None:
    """Pins that a UPS over USB, which the kernel doesn't list, is known by what watches it."""
    assert findings(replace(FIT, supplies=frozenset(), enabled=FIT.enabled | {unit}), settings()) == ()


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("/dev/ttyUSB0", "whichever adapter was found first"),
        ("/dev/ttyACM1", "whichever adapter was found first"),
        ("/dev/serial/by-path/pci-0000:00-usb-0:1:1.0-port0", ""),
        ("/dev/ttyAMA0", ""),
        ("socket://127.0.0.1:7001", ""),
    ],
)
def test_a_port_wants_a_name_of_its_own(port: str, said: str) -> None:
    """Pins which ports are told of: a name by order of finding; not a socket of the machine, nor one built in."""
    assert [said in finding.what for finding in findings(FIT, settings(port))] == ([True] if said else [])


def test_a_line_on_the_kernels_console_is_said() -> None:
    """Pins a Raspberry Pi's own port that still has the kernel's messages on it."""
    (found,) = findings(replace(FIT, consoles=frozenset({"ttyAMA0"})), settings("/dev/ttyAMA0"))
    assert "the kernel's console is on /dev/ttyAMA0" in found.what


def test_a_socket_elsewhere_is_said() -> None:
    """Pins that what holds the machine in a session must look where this gateway writes."""
    (found,) = findings(FIT, settings(socket=STATE / "watch.sock"))
    assert f"this gateway writes {STATE}/session-under-way" in found.what
    assert '"/run/infusion-gateway/watch.sock"' in found.remedy


def test_a_bed_with_an_alarm_of_its_own_wants_its_service() -> None:
    """Pins that the annunciator is asked for where a bed has one, and only there."""
    with_one = settings()
    bed = replace(with_one.beds[0], annunciator=AnnunciatorSettings((), None))
    (found,) = findings(FIT, replace(with_one, beds=(bed,)))
    assert found.what == "infusion-gateway-annunciator.service does not start with the machine"


def write(root: Path, name: str, text: str = "") -> None:
    """Make a file of a made-up machine."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def adapter(root: Path, tty: str, serial: str | None, name: str) -> None:
    """Plug a USB serial adapter into a made-up machine, as sysfs and udev show it."""
    usb = root / "sys/devices/pci0/usb1/1-1"
    write(usb, "idVendor", "0403\n")
    if serial is not None:
        write(usb, "serial", f"{serial}\n")
    (usb / f"1-1:1.0/{tty}").mkdir(parents=True)
    (root / f"sys/class/tty/{tty}").mkdir(parents=True)
    (root / f"sys/class/tty/{tty}/device").symlink_to(usb / f"1-1:1.0/{tty}")
    link = root / name.lstrip("/")
    link.parent.mkdir(parents=True)
    link.symlink_to(f"../../{tty}")


def fit_root(root: Path) -> Path:
    """Make a machine's file system on which nothing is wrong."""
    (root / "proc/self").mkdir(parents=True)
    (root / "sys/class/rtc/rtc0").mkdir(parents=True)
    write(root, "sys/class/power_supply/BAT0/type", "Battery\n")
    write(root, "proc/self/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
    write(root, "proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet console=tty0")
    for unit in sorted(FIT.enabled):
        wants = root / f"etc/systemd/system/{'paths' if unit.endswith('path') else 'multi-user'}.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / unit).symlink_to(f"/lib/systemd/system/{unit}")
    for program in FIT.programs:
        write(root, PROGRAMS[program][0].lstrip("/"))
    for file in FILES:
        write(root, file.lstrip("/"))
    write(root, "etc/group", "root:x:0:\ndialout:x:20:somebody,infusion-gateway\nusers:x:100:\n")
    adapter(root, "ttyUSB0", "A9", PORT)
    return root


def test_a_made_up_machine_is_read_as_it_is(tmp_path: Path) -> None:
    """Pins every fact of a machine on which nothing is wrong."""
    assert look(fit_root(tmp_path), settings()) == FIT


def test_a_disk_that_is_not_running_leaves_what_only_runs_untold(tmp_path: Path) -> None:
    """Pins that of a mounted disk clock, supply and mounts are unknown rather than missing or fine."""
    (fit_root(tmp_path) / "proc/self/mountinfo").unlink()
    (tmp_path / "proc/self").rmdir()
    found = look(tmp_path, settings())
    assert (found.clock, found.supplies, found.file_system) == (None, None, None)
    assert found.enabled == FIT.enabled


def test_an_empty_disk_is_no_error(tmp_path: Path) -> None:
    """Pins that nothing at all is read as everything missing, and every finding comes."""
    found = look(tmp_path, settings())
    assert (found.programs, found.files, found.ports) == (frozenset(), frozenset(), {})
    assert len(findings(found, settings())) == 13


def test_a_mouse_is_no_supply(tmp_path: Path) -> None:
    """Pins that a device's own battery and the mains are not taken for a supply that lasts."""
    fit_root(tmp_path)
    write(tmp_path, "sys/class/power_supply/BAT0/scope", "Device\n")
    write(tmp_path, "sys/class/power_supply/AC/type", "Mains\n")
    assert look(tmp_path, settings()).supplies == frozenset()
    write(tmp_path, "sys/class/power_supply/hid/type", "UPS\n")
    assert look(tmp_path, settings()).supplies == frozenset({"UPS"})


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:9 / /var rw - tmpfs tmpfs rw\n", "tmpfs"),
        ("22 1 8:1 / / rw - overlay overlay rw\n30 22 0:9 / /var/lib/infusion rw - tmpfs tmpfs rw\n", "overlay"),
        ("22 1 8:1 / / rw - tmpfs x rw\n30 22 8:2 / /var/lib rw shared:7 master:1 - xfs /dev/sdb rw\n", "xfs"),
        ("22 1 8:1 / / rw - tmpfs x rw\n30 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "ext4"),
        ("nonsense\n1 2 3\n - \n", None),
    ],
)
def test_the_journals_file_system_is_of_the_nearest_mount(tmp_path: Path, mounts: str, expected: str | None) -> None:
    """Pins which mount a directory is on: the longest above it, by whole names, the last mounted of equals."""
    write(fit_root(tmp_path), "proc/self/mountinfo", mounts)
    assert look(tmp_path, settings()).file_system == expected


def test_a_mount_point_with_a_space_is_read(tmp_path: Path) -> None:
    """Pins the kernel's octal way of writing a space."""
    write(fit_root(tmp_path), "proc/self/mountinfo", "22 1 8:1 / /a\\040b rw - ext4 /dev/sda1 rw\n")
    assert look(tmp_path, settings(state_directory=Path("/a b/state"))).file_system == "ext4"


def test_masks_are_links_to_nothing(tmp_path: Path) -> None:
    """Pins how a masked unit is told from an enabled one."""
    units = fit_root(tmp_path) / "etc/systemd/system"
    (units / "ModemManager.service").symlink_to("/dev/null")
    (units / "other.service").symlink_to("/lib/systemd/system/other.service")
    assert look(tmp_path, settings()).masked == frozenset({"ModemManager.service"})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"50unattended-upgrades": f'{AUTO} "true";'}, True),
        ({"50unattended-upgrades": f'//{AUTO} "true";'}, False),
        ({"50a": f'{AUTO} "true";', "90b": f'{AUTO} "false";'}, False),
        ({"90b": f'{AUTO} "false";', "99c": f"{AUTO} 1;"}, True),
        ({"99c.bak": f'{AUTO} "true";'}, False),
        ({"50a": f'{AUTO}-WithUsers "true";'}, False),
    ],
)
def test_apts_last_word_on_reboots_counts(tmp_path: Path, files: dict[str, str], expected: bool) -> None:
    """Pins that the last file in apt's own order decides, and comments and names that apt skips don't count."""
    for name, text in files.items():
        write(tmp_path, f"etc/apt/apt.conf.d/{name}", text)
    assert look(tmp_path, settings()).reboots is expected


def test_consoles_are_those_of_the_kernel_and_of_the_next_start(tmp_path: Path) -> None:
    """Pins serial consoles by name, the screen's none, and a Raspberry Pi's serial0 by all that it may be."""
    write(tmp_path, "proc/cmdline", "quiet console=tty1 console=ttyS0,115200n8")
    assert look(tmp_path, settings()).consoles >= {"ttyS0"}
    write(tmp_path, "proc/cmdline", "quiet console=tty0")
    assert look(tmp_path, settings()).consoles == frozenset()
    write(tmp_path, "boot/firmware/cmdline.txt", "console=serial0,115200 console=tty1 root=PARTUUID=1")
    assert look(tmp_path, settings()).consoles >= {"serial0", "ttyAMA0"}


def test_what_others_may_do_is_found(tmp_path: Path) -> None:
    """Pins that an open state directory and a configuration that others may write are both told, with their modes."""
    state = tmp_path / "root/var/lib/infusion-gateway"
    state.mkdir(parents=True)
    state.chmod(0o755)
    file = tmp_path / "bedside.toml"
    file.write_text("")
    file.chmod(0o664)
    found = look(tmp_path / "root", replace(settings(), path=file)).exposed
    assert found == (f"others may write {file} (mode 0664)", f"others may look into {STATE} (mode 0755)")
    state.chmod(0o700)
    file.chmod(0o640)
    assert look(tmp_path / "root", replace(settings(), path=file)).exposed == ()


def test_an_adapter_without_a_serial_number_is_told_from_one_with(tmp_path: Path) -> None:
    """Pins the serial number as the kernel has it, "" where there is none, and no entry where nothing is plugged in."""
    adapter(tmp_path, "ttyUSB3", None, PORT)
    assert look(tmp_path, settings()).ports == {PORT: ""}
    assert look(tmp_path, settings("/dev/serial/by-id/usb-other")).ports == {}


def test_check_tells_of_the_machine_when_asked(tmp_path: Path) -> None:
    """Pins `check --root`: a line for each finding before the last one, exit 0, and silence without being asked."""
    fit_root(tmp_path)
    (tmp_path / "sys/class/rtc/rtc0").rmdir()
    asked = CliRunner().invoke(cli, ["check", "-c", str(BEDSIDE), "--root", str(tmp_path)])
    assert asked.exit_code == 0
    assert "machine: no real-time clock" in asked.output
    assert asked.output.splitlines()[-1].startswith("fine: ")
    assert "machine:" not in CliRunner().invoke(cli, ["check", "-c", str(BEDSIDE)]).output


def test_what_check_wants_is_what_deploy_has() -> None:
    """Pins that each file asked for is one that deploy/ ships and docs/install.md puts in that place."""
    page = (REPOSITORY / "docs/install.md").read_text()
    for place in FILES:
        (source,) = re.findall(rf"^install -D -m 0644 (deploy/\S+) {re.escape(place)}$", page, re.MULTILINE)
        assert (REPOSITORY / source).is_file()
    assert str(MARK) in (REPOSITORY / "deploy/systemd/infusion-gateway-inhibit.path").read_text()
