"""Three NATS servers on the loopback, one cluster with JetStream and MQTT 3.1.1, as docs/scale.md configures them."""

import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from brokers import free_port, wait_for_port
from clinic import certificates
from infusion_gateway.config.settings import BrokerSettings

NATS = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")
DEPLOY = Path(__file__).parents[1] / "deploy" / "nats"
NODES = 3


class Cluster:
    """deploy/nats/node.conf three times on free ports; a node is killed, stopped and started at will."""

    def __init__(self, directory: Path) -> None:
        assert NATS, "nats-server is not installed: apt-get install nats-server"
        self.ports = [free_port() for _ in range(NODES)]
        clients, routes = ([free_port() for _ in range(NODES)] for _ in range(2))
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * NODES
        self.tls = directory / "tls"
        certificates(self.tls)
        self.directories = [directory / f"node-{n + 1}" for n in range(NODES)]
        for n, here in enumerate(self.directories):
            here.mkdir(parents=True)
            text = (DEPLOY / "node.conf").read_text()
            for shipped, ours in (
                ("server_name: node-1", f"server_name: node-{n + 1}"),
                ('"/var/lib/nats"', f'"{here}/store"'),
                ("127.0.0.1:4222", f"127.0.0.1:{clients[n]}"),
                ("0.0.0.0:6222", f"127.0.0.1:{routes[n]}"),
                *((f"node-{m + 1}.clinic.example:6222", f"127.0.0.1:{route}") for m, route in enumerate(routes)),
                ("0.0.0.0:8883", f"127.0.0.1:{self.ports[n]}"),
                ("/etc/nats/infusion-gateway/", f"{self.tls}/"),
            ):
                assert shipped in text, shipped
                text = text.replace(shipped, ours)
            (here / "node.conf").write_text(text)

    def start(self, node: int) -> None:
        """Start a node and wait until it accepts connections; what it needs the others for may take longer."""
        here = self.directories[node]
        with (here / "log").open("ab") as log:
            self.processes[node] = subprocess.Popen([str(NATS), "-c", str(here / "node.conf")], stdout=log, stderr=log)
        wait_for_port(self.ports[node])

    def kill(self, node: int) -> None:
        """End a node at once."""
        process, self.processes[node] = self.processes[node], None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(20)

    def close(self) -> None:
        """End them all."""
        for node in range(NODES):
            self.kill(node)

    def settings(self, name: str, first: int = 0) -> BrokerSettings:
        """Say how this name connects: to this node first, then to the others in turn."""
        port, *others = self.ports[first:] + self.ports[:first]
        pair = (self.tls / f"{name}.pem", self.tls / f"{name}.key")
        alone = BrokerSettings("localhost", port, True, False, self.tls / "ca.pem", *pair, None, None)
        return replace(alone, others=tuple(("localhost", other) for other in others))
