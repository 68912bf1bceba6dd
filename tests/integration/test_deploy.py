"""What deploy/ ships is accepted by what it is for."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from brokers import MOSQUITTO, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXPOSURE = 1.5


def test_mosquitto_takes_the_configuration(tmp_path: Path) -> None:
    """Pins that the shipped broker configuration is read without complaint and listens on loopback alone."""
    text = (DEPLOY / "mosquitto/bedside.conf").read_text()
    port = free_port()
    text = text.replace("listener 1883 127.0.0.1", f"listener {port} 127.0.0.1")
    text = text.replace("/var/lib/mosquitto/", f"{tmp_path}/")
    assert re.findall(r"^listener (.*)$", text, re.MULTILINE) == [f"{port} 127.0.0.1"]
    file = tmp_path / "bedside.conf"
    file.write_text(text + "\nlog_dest stdout\nuser root\n")
    process = subprocess.Popen([MOSQUITTO, "-c", file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)  # it goes on running
    finally:
        process.terminate()
        said = process.communicate(timeout=10)[0]
    assert "Error" not in said


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_unit_is_hardened(unit: Path) -> None:
    """Pins each service's exposure as systemd itself rates it, offline: at most 1.5."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", unit], capture_output=True, text=True, check=False
    )
    found = re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= EXPOSURE


def test_the_annunciator_outlives_the_gateway() -> None:
    """Pins that its unit hangs on no other: what ends the gateway leaves the bed's alarm alone."""
    (unit,) = (unit for unit in UNITS if "annunciator" in unit.stem)
    text = unit.read_text()
    bound = re.findall(r"^(After|Requires|Requisite|BindsTo|PartOf|Upholds|Wants|Conflicts)=(.*)$", text, re.MULTILINE)
    assert bound == []
    assert re.search(r"^Restart=always$", text, re.MULTILINE)
    assert re.search(r"^WatchdogSec=10$", text, re.MULTILINE)
    assert "RuntimeDirectory" not in text, "its end would take the gateway's sockets away"
