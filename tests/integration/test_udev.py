"""udev's rules on a made-up machine: udevadm applies them to a USB adapter that exists only as files."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "deploy/udev/70-infusion-gateway.rules"
USB = "devices/pci0000:00/usb1/1-1"
PORT = f"{USB}/1-1:1.0/ttyUSB0"
TTY = f"{PORT}/tty/ttyUSB0"
APART = """
mount --make-rprivate /
mount --bind "$1" /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev
mkdir -p /run/udev/rules.d
cp "$2" /run/udev/rules.d/
SYSTEMD_DEVICE_VERIFY_SYSFS=0 exec udevadm test --action="$3" "/sys/$4"
"""
"""In mounts of its own: the made-up /sys in place of the machine's, and nothing of what udev writes outlives it."""

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts of its own: needs root"),
    pytest.mark.skipif(shutil.which("udevadm") is None, reason="udevadm is not installed: apt-get install udev"),
]


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    """Give a /sys with one FTDI adapter, as the kernel shows it; attributes are empty until somebody writes them."""
    root = tmp_path / "sys"
    for name, text in {
        f"{USB}/uevent": "MAJOR=189\nMINOR=1\nDEVNAME=bus/usb/001/002\nDEVTYPE=usb_device\nDRIVER=usb\n",
        f"{USB}/idVendor": "0403\n",
        f"{USB}/idProduct": "6001\n",
        f"{USB}/power/control": "",
        f"{USB}/1-1:1.0/uevent": "DEVTYPE=usb_interface\nDRIVER=ftdi_sio\n",
        f"{PORT}/uevent": "DRIVER=ftdi_sio\n",
        f"{PORT}/latency_timer": "",
        f"{TTY}/uevent": "MAJOR=188\nMINOR=0\nDEVNAME=ttyUSB0\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, target in {
        f"{USB}/subsystem": "bus/usb",
        f"{USB}/1-1:1.0/subsystem": "bus/usb",
        f"{PORT}/subsystem": "bus/usb-serial",
        f"{PORT}/driver": "bus/usb-serial/drivers/ftdi_sio",
        f"{TTY}/subsystem": "class/tty",
        f"{TTY}/device": PORT,
    }.items():
        (root / target).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(os.path.relpath(root / target, (root / name).parent))
    return root


def properties(sys: Path, device: str, action: str = "add") -> dict[str, str]:
    """Have udev handle a device under our rules; give the properties that it ends up with."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", APART, "sh", sys, RULES, action, device],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not re.search(rf"{RULES.name}:\d+ (Invalid|Unknown|Failed)", done.stderr), done.stderr
    return dict(re.findall(r"^([.A-Z_]+)=(.*)$", done.stdout, re.MULTILINE))


def test_no_usb_device_is_put_to_sleep_or_taken_for_a_modem(sys: Path) -> None:
    """Pins autosuspend off and ModemManager's mark on the USB device itself."""
    assert properties(sys, USB)["ID_MM_DEVICE_IGNORE"] == "1"
    assert (sys / USB / "power/control").read_text() == "on"


def test_an_adapters_port_is_nobodys_modem(sys: Path) -> None:
    """Pins ModemManager's marks on the serial port."""
    found = properties(sys, TTY)
    assert (found["ID_MM_DEVICE_IGNORE"], found["ID_MM_PORT_IGNORE"]) == ("1", "1")


def test_an_ftdi_adapter_holds_bytes_back_for_a_millisecond(sys: Path) -> None:
    """Pins the driver's latency timer."""
    properties(sys, PORT)
    assert (sys / PORT / "latency_timer").read_text() == "1"


def test_what_is_unplugged_is_left_alone(sys: Path) -> None:
    """Pins that nothing is written where a device goes."""
    assert "ID_MM_DEVICE_IGNORE" not in properties(sys, USB, "remove")
    assert (sys / USB / "power/control").read_text() == ""
