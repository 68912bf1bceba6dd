"""What a machine's files say of it, for config/machine.py to judge. Reads a few small files; starts nothing.

Of a root directory, so that a disk can be looked at before its first start. What can't be read counts as not there.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from infusion_gateway.config.machine import FILES, PROGRAMS, USER, Machine
from infusion_gateway.config.settings import Settings

LASTING = {"UPS", "Battery"}
LONGEST = 64 * 1024
"""Bytes read of a file; the kernel's and Debian's are far shorter."""
_REBOOT = re.compile(r'^\s*Unattended-Upgrade::Automatic-Reboot\s+"?(\w+)"?\s*;', re.MULTILINE)
_OCTAL = re.compile(r"\\([0-7]{3})")


def look(root: Path, settings: Settings) -> Machine:
    """Give the facts of the machine whose file system is at `root`."""
    running = (root / "proc/self").exists()
    units = root / "etc/systemd/system"
    return Machine(
        clock=any(_names(root / "sys/class/rtc")) if running else None,
        supplies=_supplies(root) if running else None,
        enabled=frozenset(name for wants in _paths(units, "*.wants") for name in _names(wants)),
        masked=frozenset(path.name for path in _paths(units, "*") if _link(path) == "/dev/null"),
        programs=frozenset(name for name, places in PROGRAMS.items() if any(_there(root, place) for place in places)),
        files=frozenset(place for place in FILES if _there(root, place)),
        dialout=_dialout(root),
        consoles=frozenset(_consoles(root)),
        reboots=_reboots(root),
        file_system=_file_system(root, settings.gateway.state_directory) if running else None,
        exposed=tuple(_exposed(root, settings)),
        ports=dict(_ports(root, (line.endpoint for line in settings.lines))),
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST).decode(errors="replace").strip()
    except OSError:
        return ""


def _paths(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []


def _names(directory: Path) -> list[str]:
    return [path.name for path in _paths(directory, "*")]


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _there(root: Path, place: str) -> bool:
    return os.path.lexists(root / place.lstrip("/"))


def _supplies(root: Path) -> frozenset[str]:
    """Give the kinds of lasting supplies; a mouse's battery (scope Device) is none."""
    found = _paths(root / "sys/class/power_supply", "*")
    return frozenset(
        kind for one in found if _text(one / "scope") != "Device" and (kind := _text(one / "type")) in LASTING
    )


def _dialout(root: Path) -> bool:
    """Say whether the gateway's user is in the group of serial ports (group(5): name, password, number, members)."""
    found = (line.split(":") for line in _text(root / "etc/group").splitlines())
    return any(entry[0] == "dialout" and USER in entry[-1].split(",") for entry in found)


def _consoles(root: Path) -> Iterator[str]:
    """Give the serial ports that are a console: of the running kernel, and of the next start of a Raspberry Pi."""
    for line in (_text(root / "proc/cmdline"), _text(root / "boot/firmware/cmdline.txt")):
        for word in line.split():
            if word.startswith("console=tty") and not word.startswith("console=tty0"):
                yield word.removeprefix("console=").partition(",")[0]
            elif word.startswith("console=serial"):  # Raspberry Pi OS: a link to either of these
                yield from ("serial0", "serial1", "ttyAMA0", "ttyS0", "ttyAMA10")


def _reboots(root: Path) -> bool:
    """Say whether the last word of apt's configuration is that an upgrade may restart the machine."""
    said = [
        _text(path)
        for path in _paths(root / "etc/apt/apt.conf.d", "*")
        if "." not in path.name or path.suffix == ".conf"
    ]
    found = [word for text in said for word in _REBOOT.findall(text)]
    return bool(found) and found[-1].lower() in {"true", "yes", "1", "on"}


def _file_system(root: Path, directory: Path) -> str | None:
    """Give the file system that a directory is on, or will be: the longest mount point above it, mounted last."""
    best, found = -1, None
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        if len(before.split()) < 5 or not after:  # noqa: PLR2004 - the mount point is the fifth (proc_pid_mountinfo(5))
            continue
        point = Path(_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), before.split()[4]))
        if directory.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), after.split()[0]
    return found


def _exposed(root: Path, settings: Settings) -> Iterator[str]:
    """Say what others may do that they should not: write the configuration, look into the journal."""
    state = settings.gateway.state_directory
    for path, shown, bits, may in (
        (settings.path, settings.path, stat.S_IWGRP | stat.S_IWOTH, "write"),
        (root / str(state).lstrip("/"), state, stat.S_IRWXG | stat.S_IRWXO, "look into"),
    ):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & bits:
            yield f"others may {may} {shown} (mode {stat.S_IMODE(mode):04o})"


def _ports(root: Path, endpoints: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give each serial port that is there, with the serial number of the USB device it is on, "" where it has none."""
    for endpoint in endpoints:
        if not endpoint.startswith("/dev/"):
            continue
        link = _link(root / endpoint.lstrip("/"))
        device = (root / "sys/class/tty" / Path(link or endpoint).name / "device").resolve()
        if not device.exists():
            continue
        usb = next((one for one in (device, *device.parents) if (one / "idVendor").exists()), None)
        yield endpoint, _text(usb / "serial") if usb is not None else ""
