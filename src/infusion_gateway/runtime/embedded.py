"""A broker of our own, as a child process on the loopback: a found Mosquitto, else iotcore from its wheel.

For one bay, a demo, or tests. It remembers nothing over a restart, takes whoever can reach the loopback, and nobody
starts it again: what depends on it must live without it. In a clinic a Mosquitto of the house's own belongs there.
"""

import asyncio
import contextlib
import errno
import importlib.util
import shutil
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

from infusion_gateway.errors import BrokerError
from infusion_gateway.runtime.orphans import guarded

READY_S = 10.0
END_S = 3.0
LONGEST_PACKET = 64 * 1024
HOST = "127.0.0.1"

_MOSQUITTO = """\
per_listener_settings false
listener {port} {host}
allow_anonymous true
set_tcp_nodelay true
persistence false
max_packet_size {packet}
max_connections 64
max_inflight_messages 20
max_queued_messages 5000
max_queued_bytes 16777216
max_keepalive 60
log_dest stderr
log_type error
log_type warning
log_type notice
"""
_IOTCORE_LISTENER = """\
[v{version}.1]
name = "v{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v{version}.1.connections]
connection_timeout_ms = 5000
max_payload_size = {packet}
max_inflight_count = 100
dynamic_filters = true
"""
_IOTCORE = """\
id = 0
[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 1000
max_segment_size = 16777216
max_segment_count = 4
"""


@dataclass(slots=True)
class EmbeddedBroker:
    """A running broker. url: the port that speaks MQTT 5; url_311: the one for clients of 3.1.1, often the same."""

    url: str
    url_311: str
    pid: int
    kind: str
    _process: asyncio.subprocess.Process = field(repr=False)
    _guard: asyncio.subprocess.Process = field(repr=False)

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.returncode is None

    async def stop(self) -> None:
        """End it: asked first, killed where it doesn't listen. Harmless where it has ended already."""
        if self._guard.returncode is None:  # before the broker's id may be another's
            with contextlib.suppress(ProcessLookupError):
                self._guard.kill()
            await self._guard.wait()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), END_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()


async def start(directory: Path, port: int, *, kind: str | None = None) -> EmbeddedBroker:
    """Start a broker on this port of the loopback (0: any free one); its configuration and log go into the directory.

    kind: mosquitto or iotcore, None for what is found. Raises BrokerError where none is found or none comes up.
    """
    kind = kind or _found()
    port = _free(port)
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    if kind == "mosquitto":
        return await _start_mosquitto(directory, port)
    if kind == "iotcore":
        return await _start_iotcore(directory, port, _free(0))
    raise BrokerError(f"{kind!r} is no broker that can be started; mosquitto and iotcore are")


def _found() -> str:
    """Name the broker that is here."""
    if _mosquitto() is not None:
        return "mosquitto"
    if importlib.util.find_spec("iotcore") is not None:
        return "iotcore"
    raise BrokerError("no broker is found: install Mosquitto (apt-get install mosquitto) or the package iotcore")


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


async def _start_mosquitto(directory: Path, port: int) -> EmbeddedBroker:
    program = _mosquitto()
    if program is None:
        raise BrokerError("Mosquitto is not found: apt-get install mosquitto")
    configuration = directory / "mosquitto.conf"
    configuration.write_text(_MOSQUITTO.format(port=port, host=HOST, packet=LONGEST_PACKET))
    process = await _run(directory, program, "-c", str(configuration))
    guard = await _ready(process, (port,), directory)
    url = f"mqtt://{HOST}:{port}"
    return EmbeddedBroker(url, url, process.pid, "mosquitto", process, guard)


async def _start_iotcore(directory: Path, port: int, port_311: int) -> EmbeddedBroker:
    """Start iotcore with both its listeners: each speaks one version of MQTT alone."""
    configuration = directory / "iotcore.toml"
    listeners = (
        _IOTCORE_LISTENER.format(version=version, host=HOST, port=at, packet=LONGEST_PACKET)
        for version, at in ((4, port_311), (5, port))
    )
    configuration.write_text(_IOTCORE + "".join(listeners))
    process = await _run(
        directory, sys.executable, "-m", "iotcore", "--config", str(configuration), "--log-level", "ERROR"
    )
    guard = await _ready(process, (port, port_311), directory)
    urls = f"mqtt://{HOST}:{port}", f"mqtt://{HOST}:{port_311}"
    return EmbeddedBroker(*urls, process.pid, "iotcore", process, guard)


async def _run(directory: Path, *command: str) -> asyncio.subprocess.Process:
    with (directory / "broker.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


async def _ready(
    process: asyncio.subprocess.Process, ports: tuple[int, ...], directory: Path
) -> asyncio.subprocess.Process:
    """Wait until every port takes a connection, and give what ends the broker once this process is gone.

    Where that fails, also by cancelling, no process is left behind.
    """
    try:
        async with asyncio.timeout(READY_S):
            while process.returncode is None and not all([await _listens(port) for port in ports]):  # noqa: ASYNC110 - a port can only be asked
                await asyncio.sleep(0.02)
        if process.returncode is None:
            return await guarded(process.pid)
    except BaseException as error:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if isinstance(error, TimeoutError):
            raise BrokerError(f"the broker does not listen after {READY_S:g} s: {_last_line(directory)}") from error
        raise
    raise BrokerError(f"the broker ended at once: {_last_line(directory)}")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _last_line(directory: Path) -> str:
    lines = (directory / "broker.log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"


def _free(port: int) -> int:
    """Give the port back where nobody listens on it (0: one that is free); BrokerError where somebody does.

    Asked first, because afterwards a stranger's broker on that port would look like ours.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BrokerError(
                    f"port {port} of {HOST} is in use. Where that is a broker already, write "
                    f'url = "mqtt://{HOST}:{port}" in place of embedded = true; else give another port'
                ) from error
            raise BrokerError(f"port {port} of {HOST} can't be had: {error.strerror}; give another port") from error
        return int(probe.getsockname()[1])
