"""A clinic's broker as deploy/ ships it: its configuration, its access list and certificates of the one script."""

import subprocess
import sys
from pathlib import Path

from brokers import Mosquitto
from infusion_gateway.config.settings import BrokerSettings

DEPLOY = Path(__file__).parents[1] / "deploy"
SITE = "clinic-a"
NAMES = {
    "gateway": ("gateway-1", "gateway-2"),
    "station": ("station-1", "station-2"),
    "viewer": ("wall-1",),
    "tester": ("bench-1",),
}


def certificates(out: Path, names: dict[str, tuple[str, ...]] | None = None, *, python: str = sys.executable) -> str:
    """Run the script; give what it printed."""
    arguments = ["--out", str(out), "--site", SITE, "--broker", "localhost"]
    for role, named in (NAMES if names is None else names).items():
        for name in named:
            arguments += [f"--{role}", name]
    command = [python, str(DEPLOY / "certificates.py"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Clinic(Mosquitto):
    """deploy/mosquitto/clinic.conf on a free port of the loopback, with its files where the script wrote them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "mosquitto")
        self.tls = directory / "tls"
        certificates(self.tls)
        text = (DEPLOY / "mosquitto/clinic.conf").read_text()
        for shipped, here in (
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
            ("/etc/mosquitto/infusion-gateway/", f"{self.tls}/"),
            ("/var/lib/mosquitto/", f"{self.directory}/"),
        ):
            assert shipped in text, shipped
            text = text.replace(shipped, here)
        (self.directory / "mosquitto.conf").write_text(f"{text}\nuser root\nlog_dest stdout\n")

    def settings(self, name: str) -> BrokerSettings:
        """Say how this name connects."""
        pair = (self.tls / f"{name}.pem", self.tls / f"{name}.key")
        return BrokerSettings("localhost", self.port, True, False, self.tls / "ca.pem", *pair, None, None)
