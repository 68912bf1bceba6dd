"""The page that comes by itself: started by `run` where the configuration has a station, and by `demo` always."""

import asyncio
import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from brokers import free_port
from infusion_gateway.config.settings import BrokerSettings, StationSettings
from infusion_gateway.core.backoff import Backoff
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.station import beside
from infusion_gateway.runtime.watchdog import Notifier
from infusion_gateway.station.main import run as serve
from processes import COMMAND

pytestmark = [pytest.mark.slow(15), pytest.mark.timeout(120)]

SHIPPED = Path(__file__).parents[2] / "config" / "bedside.toml"
SERVED_S = 40.0
"""Within so long the page is there: a cold start on a machine with other work."""
GONE_S = 20.0


def until(found: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until this is so."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.05)


def alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and is only not yet fetched does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def got(port: int, path: str, method: str = "GET", body: str = "", headers: dict[str, str] | None = None) -> bytes:
    """Ask the page, and give what it answers, which must be well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return text
    finally:
        connection.close()


def picture(port: int) -> dict[str, object]:
    """Give what a page is told first."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/events")
        stream = connection.getresponse()
        while (line := stream.readline()) != b"event: picture\n":
            assert line, "the stream ended"
        return dict(json.loads(stream.readline().removeprefix(b"data: ")))
    finally:
        connection.close()


class Running:
    """A gateway whose configuration has a station, as `run` starts it; no device and no broker answer it."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        own = f'state_directory = "{directory}/state"\nsocket = "{directory}/watch.sock"'
        lines = [own if line.startswith("state_directory") else line for line in SHIPPED.read_text().splitlines()]
        text = "\n".join(lines).replace("mqtt://127.0.0.1:1883", f"mqtt://127.0.0.1:{free_port()}")
        text = text.replace("127.0.0.1:5020", f"127.0.0.1:{free_port()}")
        file = directory / "bedside.toml"
        file.write_text(text + f'\n[station]\nname = "station-1"\nlisten = "127.0.0.1:{self.port}"\n')
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run", "-c", file, *options], stderr=log, env=os.environ | {"NOTIFY_SOCKET": "/none"}
            )

    @property
    def pids(self) -> list[int]:
        """Every station that has said where its page is, in order."""
        return [int(pid) for pid in re.findall(r"the station's page .*pid=(\d+)", self.log.read_text())]

    def came(self, count: int) -> int:
        """Wait until so many stations have come; gives the last one's process id."""
        until(lambda: len(self.pids) >= count, SERVED_S, f"{count} stations: {self.log.read_text()}")
        return self.pids[-1]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Running]:
    """Give a running gateway with its page."""
    running = Running(tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


def test_run_serves_the_page_and_begins_it_again(started: Running) -> None:
    """Pins that a station that is killed comes again, that the gateway lives on, logs both, and ends it at its end."""
    first = started.came(1)
    assert b"<title>" in got(started.port, "/")
    assert b"NOTIFY_SOCKET=/none" not in Path(f"/proc/{first}/environ").read_bytes()
    os.kill(first, signal.SIGKILL)
    second = started.came(2)
    assert second != first
    assert re.search(r"the station ended .*how='signal 9'", started.log.read_text())
    assert b"<title>" in got(started.port, "/")
    assert started.process.poll() is None
    started.process.terminate()
    assert started.process.wait(GONE_S) == 0
    assert not alive(second)


def test_a_station_outlives_no_gateway(started: Running) -> None:
    """Pins that a gateway that is killed leaves no page behind: the next one's has its address."""
    station = started.came(1)
    started.process.kill()
    until(lambda: not alive(station), GONE_S, "the station is still there")


def test_where_another_unit_serves_the_page_run_does_not(tmp_path: Path) -> None:
    """Pins `--no-station`: the gateway supervises, and starts nothing."""
    running = Running(tmp_path, "--no-station")
    try:
        until((tmp_path / "watch.sock").exists, SERVED_S, "the gateway does not run")
        for child in Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):  # one that looks at the clock, and has ended
                assert b"\0station\0" not in Path(f"/proc/{child}/cmdline").read_bytes()
        running.process.terminate()
        assert running.process.wait(GONE_S) == 0
        assert running.pids == []
    finally:
        running.process.kill()
        running.process.wait()


async def test_one_that_ends_at_once_is_begun_again_with_growing_pauses() -> None:
    """Pins the pauses, that how it ended is logged, and that one that can't be started at all harms nobody."""
    for command, how in (([sys.executable, "-c", "raise SystemExit(2)"], "exit 2"), (["/no/such"], "No such file")):
        with capture_logs() as said:
            async with beside(command, pauses=Backoff(first=SECOND // 20, most=SECOND // 5)):
                while len(said) < 4:  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.02)
        assert all(how in one["how"] for one in said)
        pauses = [one["again_in_s"] for one in said]
        assert all(first <= then or first > 0.1 for first, then in itertools.pairwise(pauses)), pauses
        assert pauses[0] <= 0.05
        assert pauses[-1] >= 0.1


async def test_one_that_lives_and_serves_nothing_is_begun_again() -> None:
    """Pins the watchdog: one that feeds it goes on, one that has fallen silent is killed, and both are told."""
    feeding = """
import os, socket, sys, time
to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
print("ready http://127.0.0.1:1", flush=True)
for n in range(int(sys.argv[1])):
    to.sendto(b"WATCHDOG=1", "\\0" + os.environ["NOTIFY_SOCKET"][1:])
    time.sleep(0.25)
time.sleep(60 if sys.argv[2] == "hang" else 0)
"""
    for times, then, how in (("12", "end", "exit 0"), ("1", "hang", "it hung, and was killed")):
        with capture_logs() as said:
            async with beside([sys.executable, "-c", feeding, times, then], hung_s=2.0):
                while not any("how" in one for one in said):  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.02)
        assert [one.get("url", one.get("how")) for one in said] == ["http://127.0.0.1:1", how]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_demo_has_a_page_with_its_bed_and_leaves_nothing(how: signal.Signals) -> None:
    """Pins `demo`: its page on the loopback, the bed on it, people who can sign in; no process outlives it."""
    demo = subprocess.Popen([*COMMAND, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert demo.stdout is not None
        begun, told = time.monotonic(), ""
        while "A hand on line-monitor" not in told:
            line = demo.stdout.readline()
            assert line, demo.stderr.read() if demo.stderr else ""
            told += line
        assert time.monotonic() - begun < SERVED_S
        found = re.search(r"^Page http://127\.0\.0\.1:(\d+) ", told, re.MULTILINE)
        assert found, told
        port = int(found[1])
        assert b"<title>" in got(port, "/")
        beds = picture(port)["beds"]
        assert isinstance(beds, list)
        assert [bed["key"] for bed in beds] == ["gateway-1/chair-1"]
        signs = re.findall(r"^  (\S+) +(\w+) +password (\S+)  PIN (\d+)$", told, re.MULTILINE)
        assert [role for _, role, _, _ in signs] == ["clinician", "clinician", "supervisor"]
        person, _, password, _ = signs[0]
        headers = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}
        headers["X-IGW-CSRF"] = json.loads(got(port, "/api/me"))["csrf"]
        said = got(port, "/api/sign-in", "POST", json.dumps({"person": person, "password": password}), headers)
        assert json.loads(said)["signed_in"] is True
        pids = [int(pid) for pid in re.findall(r" (\d+)(?:,|$)", re.findall(r"Processes (.*)", told)[0])]
        assert len(pids) == 7
        assert all(alive(pid) for pid in pids)
        demo.send_signal(how)
        demo.communicate(timeout=GONE_S)
        assert demo.returncode == (0 if how is signal.SIGINT else -how)
        until(lambda: not any(alive(pid) for pid in pids), 0 if how is signal.SIGINT else GONE_S, "some run on")
    finally:
        demo.kill()
        demo.communicate()


def test_a_demo_ends_with_its_terminal() -> None:
    """Pins SIGHUP, as a terminal sends that is closed: all ends as by Ctrl-C, and no directory is left."""
    with tempfile.TemporaryDirectory() as directory:  # shorter than tmp_path: a socket's path has 107 bytes at most
        short = Path(directory)
        kept = {**os.environ, "TMPDIR": directory}
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored here, by `nohup`, it would be there
        try:
            demo = subprocess.Popen([*COMMAND, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=kept)
        finally:
            signal.signal(signal.SIGHUP, before)
        try:
            until(lambda: list(short.glob("igw-demo-*/people.toml")), SERVED_S, "it has not begun")
            demo.send_signal(signal.SIGHUP)
            _, said = demo.communicate(timeout=GONE_S)
            assert (demo.returncode, said) == (1, b"before its zero\n")
            assert list(short.iterdir()) == []
        finally:
            demo.kill()
            demo.communicate()


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """Pins `demo --port N` where somebody has N: a sentence with the way out, and no process left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "demo", "--port", str(port), "--out", tmp_path],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 can't be had" in done.stderr
    assert "--port" in done.stderr
    assert not list(tmp_path.glob("*.tty"))


def test_a_station_whose_port_is_taken_says_what_to_do() -> None:
    """Pins exit 2, the address, and a way out in words: no bare error number."""
    broker = BrokerSettings("127.0.0.1", 1, False, False, None, None, None, None, None)
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logs:
        port = taken.getsockname()[1]
        assert serve(StationSettings("station-1", "s", broker, "127.0.0.1", port), Notifier()) == 2
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert line["at"] == f"127.0.0.1:{port}"
    assert line["error"].startswith("Address already in use")
    assert "`listen`" in line["remedy"]
