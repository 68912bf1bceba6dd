"""What deploy/ ships is accepted by what it is for."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from brokers import MOSQUITTO, free_port
from infusion_gateway.config.machine import MARK

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGE = DEPLOY.parent / "docs/install.md"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MOSQUITTO_UNIT = Path("/lib/systemd/system/mosquitto.service")
EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


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


def exposure(unit: Path) -> float:
    """Give a unit's exposure as systemd itself rates it, offline, with the drop-ins beside it."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", unit], capture_output=True, text=True, check=False
    )
    found = re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_unit_is_hardened(unit: Path) -> None:
    """Pins each service's exposure: at most 1.5."""
    assert exposure(unit) <= EXPOSURE


@needs_systemd
@pytest.mark.skipif(not MOSQUITTO_UNIT.exists(), reason="Debian's unit of Mosquitto is not installed")
def test_the_brokers_unit_is_hardened_by_its_drop_in(tmp_path: Path) -> None:
    """Pins Debian's own unit of Mosquitto with the drop-in: at most 1.5; without it, far above."""
    unit = tmp_path / "mosquitto.service"
    unit.write_text(MOSQUITTO_UNIT.read_text())
    assert exposure(unit) > EXPOSURE
    shutil.copytree(DEPLOY / "systemd/mosquitto.service.d", tmp_path / "mosquitto.service.d")
    assert exposure(unit) <= EXPOSURE


@needs_systemd
@pytest.mark.parametrize("unit", [*UNITS, DEPLOY / "systemd/infusion-gateway-inhibit.path"], ids=lambda unit: unit.name)
def test_systemd_knows_every_setting(unit: Path, tmp_path: Path) -> None:
    """Pins that systemd reads each unit without a complaint, but that the programs aren't installed here."""
    for name in {unit, DEPLOY / "systemd/infusion-gateway-inhibit.service"}:
        (tmp_path / name.name).write_text(re.sub(r"/opt/infusion-gateway/bin/\S+", "/bin/true", name.read_text()))
    made = tmp_path / unit.name.replace("@.", "@tty1.")
    (tmp_path / unit.name).rename(made)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", made], capture_output=True, text=True, check=False)
    about = [line for line in (done.stdout + done.stderr).splitlines() if "infusion-gateway" in line]
    assert about == []


def test_the_gateway_may_ask_whether_the_clock_is_right_and_is_not_killed_for_a_call() -> None:
    """Pins that adjtimex(2) is let through (ProtectClock= refuses it) and that what isn't is an error, not the end."""
    text = (DEPLOY / "systemd/infusion-gateway.service").read_text()
    assert "ProtectClock=yes" not in text
    assert "\nSystemCallFilter=adjtimex clock_adjtime\n" in text
    for unit in UNITS:
        assert ("SystemCallErrorNumber=EPERM" in unit.read_text()) == ("User=" in unit.read_text()), unit


def test_what_feeds_a_watchdog_is_watched() -> None:
    """Pins a watchdog on each service of ours that feeds one, and that each begins again whatever ended it."""
    for unit in UNITS:
        text = unit.read_text()
        if "/opt/infusion-gateway/" in text:
            assert re.search(r"^WatchdogSec=10$", text, re.MULTILINE), unit
            assert re.search(r"^Type=notify$", text, re.MULTILINE), unit
            assert re.search(r"^Restart=always$", text, re.MULTILINE), unit


def test_a_station_on_a_screen_feeds_its_watchdog(tmp_path: Path) -> None:
    """Pins sd_notify of `session attend`: ready and alive, also where no broker answers."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(20)
    where = ["--broker", "mqtt://127.0.0.1:9", "--site", "site-1", "--gateway", "gateway-1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "infusion_gateway", "session", "attend", *where],
        env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
        stdout=subprocess.DEVNULL,
    )
    try:
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    finally:
        process.terminate()
        process.wait(10)
        manager.close()


def test_the_broker_reads_our_configuration_alone() -> None:
    """Pins that Debian's mosquitto.conf is left out: two files that both say where to keep things are refused."""
    dropin = (DEPLOY / "systemd/mosquitto.service.d/infusion-gateway.conf").read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", dropin, re.MULTILINE)
    place = command.rpartition(" ")[2]
    assert f"install -m 0644 deploy/mosquitto/bedside.conf {place}" in PAGE.read_text()


@pytest.mark.skipif(shutil.which("perl") is None, reason="needrestart is Perl's")
def test_needrestart_leaves_what_supervises_alone() -> None:
    """Pins the override as needrestart evaluates it: ours and the broker are not restarted, others are as they were."""
    code = """
        our %nrconf = (override_rc => { qr(^dbus) => 0 });
        do $ARGV[0] or die $@;
        for my $name (@ARGV[1..$#ARGV]) {
            my @hit = grep { $name =~ /$_/ } keys %{$nrconf{override_rc}};
            print @hit ? "kept " : "free ";
        }
    """
    names = ["infusion-gateway.service", "infusion-gateway-annunciator.service", "mosquitto.service", "cron.service"]
    file = DEPLOY / "needrestart/infusion-gateway.conf"
    done = subprocess.run(["perl", "-e", code, file, *names], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["kept", "kept", "kept", "free"]


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="apt is Debian's")
def test_apt_does_nothing_in_a_session_and_never_reboots(tmp_path: Path) -> None:
    """Pins apt's own reading of the file: the hook refuses while a session is under way, and says where."""
    done = subprocess.run(
        ["apt-config", "dump", "--format", "%f=%v%n", "-c", DEPLOY / "apt/90infusion-gateway"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = dict(line.partition("=")[::2] for line in done.stdout.splitlines() if line.startswith("Unattended-Upgrade"))
    assert said["Unattended-Upgrade::Automatic-Reboot"] == "false"
    hooks = re.findall(r"^DPkg::Pre-Invoke::=(.*session-under-way.*)$", done.stdout, re.MULTILINE)
    hook = hooks[0].replace("/run/infusion-gateway", str(tmp_path))
    assert subprocess.run(["sh", "-c", hook], check=False).returncode == 0
    (tmp_path / "session-under-way").write_text("bed chair-1: infusing\n")
    refused = subprocess.run(["sh", "-c", hook], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "bed chair-1: infusing" in refused.stderr


def test_whatever_holds_the_machine_looks_at_one_file() -> None:
    """Pins that inhibitor, package manager and update script look where a gateway of docs/install.md writes."""
    for name in ("systemd/infusion-gateway-inhibit.path", "systemd/infusion-gateway-inhibit.service"):
        assert str(MARK) in (DEPLOY / name).read_text()
    assert str(MARK) in (DEPLOY / "release.sh").read_text()
    assert str(MARK) in (DEPLOY / "apt/90infusion-gateway").read_text()
    assert 'socket = "/run/infusion-gateway/watch.sock"' in PAGE.read_text()
    assert "RuntimeDirectoryPreserve=yes" in (DEPLOY / "systemd/infusion-gateway.service").read_text()


def test_the_container_file_builds_on_what_is_there() -> None:
    """Pins the image's rules: every source is in the repository, hashes are required, and it doesn't run as root."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    steps = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    sources = [name for word, rest in steps if word == "COPY" and "--from=" not in rest for name in rest.split()[:-1]]
    assert sources
    assert [name for name in sources if not (DEPLOY.parent / name).exists()] == []
    assert {word for word, _ in steps} <= {
        "FROM", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD",
    }  # fmt: skip
    installs = [rest for word, rest in steps if word == "RUN" and "pip install" in rest]
    assert [("--require-hashes" in rest) != ("--no-deps" in rest) for rest in installs] == [True, True]
    last = max(n for n, (word, _) in enumerate(steps) if word == "FROM")
    assert ["USER", "infusion-gateway"] in steps[last:]


def test_the_annunciator_outlives_the_gateway() -> None:
    """Pins that its unit hangs on no other: what ends the gateway leaves the bed's alarm alone."""
    (unit,) = (unit for unit in UNITS if "annunciator" in unit.stem)
    text = unit.read_text()
    bound = re.findall(r"^(After|Requires|Requisite|BindsTo|PartOf|Upholds|Wants|Conflicts)=(.*)$", text, re.MULTILINE)
    assert bound == []
    assert re.search(r"^Restart=always$", text, re.MULTILINE)
    assert re.search(r"^WatchdogSec=10$", text, re.MULTILINE)
    assert "RuntimeDirectory" not in text, "its end would take the gateway's sockets away"
