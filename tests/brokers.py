"""A real Mosquitto on a free port of the loopback, for tests that need a broker: killed, stopped, restarted at will."""

import contextlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.publish as paho
import pytest

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
READY_S = 30.0


def free_port() -> int:
    """Give a port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = READY_S) -> None:
    """Return once somebody accepts connections there; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        assert time.monotonic() < deadline, f"nobody listens on {port}"
        threading.Event().wait(0.02)


class Mosquitto:
    """One broker. persistent: it keeps its sessions and retained messages over a restart."""

    def __init__(self, directory: Path, *, persistent: bool = False, options: str = "") -> None:
        assert MOSQUITTO, "Mosquitto is not installed: apt-get install mosquitto mosquitto-clients"
        self.port = free_port()
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        kept = f"persistence true\npersistence_location {directory}/\n" if persistent else "persistence false\n"
        (directory / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\nlog_dest stdout\n"
            f"set_tcp_nodelay true\n{kept}{options}\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = (self.directory / "mosquitto.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [str(MOSQUITTO), "-c", str(self.directory / "mosquitto.conf")], stdout=log, stderr=log
            )
        wait_for_port(self.port)

    def signal(self, number: int) -> None:
        """Send it a signal (SIGSTOP, SIGCONT)."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it properly; a persistent one writes down what it has."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a running Mosquitto without persistence. `from brokers import mosquitto` makes the fixture known."""
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


class Says:
    """In the place of a picture (wards.Speaker): publishes what a gateway says, retained but for what is momentary."""

    def __init__(self, port: int) -> None:
        self._port = port

    def take(self, topic: str, payload: bytes, *_: Any, **__: Any) -> list[Any]:
        """Publish it."""
        kept = not topic.endswith(("heartbeat", "vitals"))
        paho.single(topic, payload, qos=1, retain=kept, hostname="127.0.0.1", port=self._port)
        return []
