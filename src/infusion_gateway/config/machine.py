"""Is the machine fit for a bed: what is wrong with it, each with a way out. Pure: facts in, findings out.

docs/install.md is the page that these findings hold a machine against; runtime/machine.py reads the facts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infusion_gateway.config.settings import Settings

PAGE = "docs/install.md"
USER = "infusion-gateway"
MARK = Path("/run/infusion-gateway/session-under-way")
"""What deploy/'s inhibitor, package manager's hook and update script look at."""
VOLATILE = {
    "tmpfs": "memory",
    "ramfs": "memory",
    "devtmpfs": "memory",
    "overlay": "an overlay, which a restart may empty",
    "squashfs": "read-only",
}
TIME_SERVICES = {"systemd-timesyncd.service", "chrony.service", "ntpsec.service", "ntp.service"}
SUPPLY_SERVICES = {"nut-monitor.service", "apcupsd.service"}
UDEV = "/etc/udev/rules.d/70-infusion-gateway.rules"
APT = "/etc/apt/apt.conf.d/90infusion-gateway"
NEEDRESTART = "/etc/needrestart/conf.d/infusion-gateway.conf"
GETTY = "/etc/systemd/system/serial-getty@.service.d/infusion-gateway.conf"
FILES = (UDEV, APT, NEEDRESTART, GETTY)
PROGRAMS = {
    "ModemManager": ("/usr/sbin/ModemManager",),
    "brltty": ("/usr/bin/brltty", "/bin/brltty"),
    "needrestart": ("/usr/sbin/needrestart",),
    "systemd-inhibit": ("/usr/bin/systemd-inhibit",),
    "D-Bus": ("/usr/bin/dbus-daemon", "/usr/bin/dbus-broker"),
}
"""What is looked for, and where it would be."""
TALKATIVE = {"ModemManager": "ModemManager.service", "brltty": "brltty.service"}
"""Programs that open serial ports unasked, and what to mask."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine's files say of it. None: it can't be told, as of a disk that is not running.

    supplies: power supplies that last a while ("UPS", "Battery"). enabled, masked: systemd's units. programs: which of
    PROGRAMS are there; files: which of FILES. dialout: the gateway's user may open serial ports. consoles: serial ports
    that the kernel or a log-in speaks on. reboots: an upgrade may restart the machine. file_system: the one under the
    state directory. exposed: what others may read or write that they should not. ports: of each serial line's port that
    is plugged in, its adapter's serial number.
    """

    clock: bool | None
    supplies: frozenset[str] | None
    enabled: frozenset[str]
    masked: frozenset[str]
    programs: frozenset[str]
    files: frozenset[str]
    dialout: bool
    consoles: frozenset[str]
    reboots: bool
    file_system: str | None
    exposed: tuple[str, ...]
    ports: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, and the way out."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


def findings(machine: Machine, settings: Settings) -> tuple[Finding, ...]:
    """Say everything that is wrong with this machine for these beds; () where nothing is."""
    rules: tuple[Callable[[Machine, Settings], Iterator[Finding]], ...] = (
        _power_and_time,
        _journal,
        _services,
        _held_in_session,
        _kept_off,
        _ports,
    )
    return tuple(found for rule in rules for found in rule(machine, settings))


def _power_and_time(machine: Machine, _: Settings) -> Iterator[Finding]:
    if machine.clock is None:
        yield Finding("whether there is a real-time clock can't be told", "Look again on the running machine")
    elif not machine.clock:
        yield Finding(
            "no real-time clock: after a power cut without network the record's times are wrong",
            f"Fit one with its battery ({PAGE})",
        )
    if not machine.enabled & TIME_SERVICES:
        yield Finding("no time service is enabled", "systemctl enable --now systemd-timesyncd")
    if not (machine.supplies or machine.enabled & SUPPLY_SERVICES):
        yield Finding(
            "no uninterruptible supply is known: without power no pump is stopped and nobody is told",
            f"Fit one and let NUT watch it ({PAGE})",
        )


def _journal(machine: Machine, settings: Settings) -> Iterator[Finding]:
    directory = settings.gateway.state_directory
    if machine.file_system is None:
        yield Finding(f"which disk {directory} is on can't be told", "Look again on the running machine")
    elif why := VOLATILE.get(machine.file_system):
        yield Finding(
            f"the journal would be on a volatile disk: {directory} is on {machine.file_system}, {why}",
            "Set state_directory to a disk that keeps what it is told, such as /var/lib/infusion-gateway",
        )
    for what in machine.exposed:
        yield Finding(what, "Take it from the others: chmod go-rwx, or go-w for a file that others have to read")


def _services(machine: Machine, settings: Settings) -> Iterator[Finding]:
    wanted = ["infusion-gateway.service"]
    if any(bed.annunciator is not None for bed in settings.beds):
        wanted.append("infusion-gateway-annunciator.service")
    for unit in wanted:
        if unit not in machine.enabled:
            yield Finding(f"{unit} does not start with the machine", f"systemctl enable --now {unit} ({PAGE})")


def _held_in_session(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Hold shutdown, packages and reboots to the end of a session."""
    unit = "infusion-gateway-inhibit.path"
    if unit not in machine.enabled:
        yield Finding("nothing holds off a shutdown while a session is under way", f"systemctl enable --now {unit}")
    for program in ("systemd-inhibit", "D-Bus"):
        if program not in machine.programs:
            yield Finding(f"{program} is missing: a shutdown can't be held off", "apt-get install systemd dbus")
    if (mark := settings.gateway.session_mark) != MARK:
        yield Finding(
            f"what holds the machine in a session looks at {MARK}, and this gateway writes {mark}",
            f'Set socket = "{MARK.with_name("watch.sock")}" in [gateway]',
        )
    if APT not in machine.files:
        yield Finding("packages can be changed while a session is under way", _install(APT))
    if machine.reboots:
        yield Finding(
            "unattended-upgrades may restart the machine",
            'Set Unattended-Upgrade::Automatic-Reboot "false" in /etc/apt',
        )
    if "needrestart" in machine.programs and NEEDRESTART not in machine.files:
        yield Finding("needrestart may restart the gateway after an upgrade of something else", _install(NEEDRESTART))


def _kept_off(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Let nobody but the gateway talk to a device, and no adapter sleep."""
    for program, unit in TALKATIVE.items():
        if program in machine.programs and unit not in machine.masked:
            yield Finding(f"{program} may talk to the devices", f"systemctl mask --now {unit}, or remove the package")
    if UDEV not in machine.files:
        yield Finding("USB adapters may be put to sleep, or taken for modems", _install(UDEV))
    if GETTY not in machine.files:
        yield Finding("a log-in prompt may come up on a serial port", _install(GETTY))
    for line in settings.lines:
        if Path(line.endpoint).name in machine.consoles:
            yield Finding(
                f"line {line.name}: the kernel's console is on {line.endpoint}",
                "Take console= of that port from the kernel's command line",
            )


def _ports(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Want ports by names that are of one device, today and after the next start."""
    if not machine.dialout and any(line.endpoint.startswith("/dev/") for line in settings.lines):
        yield Finding(
            f"the user {USER} may not open serial ports", f"adduser {USER} dialout, and start the gateway again"
        )
    for line in settings.lines:
        at, port = f"line {line.name}: {line.endpoint}", line.endpoint
        if port.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
            yield Finding(f"{at} is whichever adapter was found first", "Name it by /dev/serial/by-id")
        elif port.startswith("/dev/serial/by-id/") and port not in machine.ports:
            yield Finding(f"{at} is not there, so whether that name is its own can't be told", "Plug it in")
        elif port.startswith("/dev/serial/by-id/") and not machine.ports[port]:
            yield Finding(
                f"{at} has no serial number: another of its kind has the same name",
                "Name it by /dev/serial/by-path, and put a label on that USB socket",
            )


def _install(path: str) -> str:
    return f"Install {path} from deploy/ ({PAGE})"
