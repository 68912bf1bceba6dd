"""infusion-sim on real wires: pty, TCP, serial, several units, faults, pace, control address, recordings, endings."""

import errno
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import serial

from hindrance import Hindrance

SIM = Path(sys.executable).parent / "infusion-sim"
BASIC_STATUS = b"\x0200S\x03"
READ_UPTIME = bytes.fromhex("04 00 00 00 02")


class Served:
    """A running simulator: its process, endpoint and control address."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.said = dict(process.stdout.readline().split(maxsplit=1) for _ in range(2))
        self.endpoint = self.said["ready"].strip()
        self.control = self.said["control"].strip()

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Ask the control address; give status and JSON."""
        connection = HTTPConnection(self.control, timeout=10)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        connection.request(method, path, data, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    def state(self) -> Any:
        """Give the truth."""
        return self.ask("GET", "/state")[1]

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `infusion-sim ctl`."""
        command = [SIM, "ctl", self.control, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def end(process: subprocess.Popen[str]) -> None:
    """Have it end, well and within a second."""
    began, busy = time.monotonic(), Hindrance()
    process.terminate()
    while process.poll() is None:
        assert time.monotonic() - began < 1.0 + busy.s
        threading.Event().wait(0.01)
    assert process.returncode == 0


@contextmanager
def serving(*arguments: str | Path, command: str = "serve") -> Iterator[Served]:
    """Run `infusion-sim serve …` with a control address; it must end in silence within a second of SIGTERM."""
    whole = [SIM, command, *map(str, arguments), "--control", "127.0.0.1:0"]
    with subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Served(process)
        finally:
            end(process)
            assert process.stderr is not None
            assert process.stderr.read() == ""


def exchange(port: serial.Serial, question: bytes, length: int) -> bytes:
    """Ask over a serial port; give as many bytes as come, at most `length`."""
    port.write(question)
    return port.read(length)


def connect(served: Served) -> socket.socket:
    """Connect to a TCP endpoint."""
    host, _, port = served.endpoint.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def hung_up(client: socket.socket) -> bool:
    """Say whether the other end has gone, gently or not."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_pty_survives_its_clients(tmp_path: Path) -> None:
    """Pins that a client can open, talk, close and open again, and that the link is gone after the end."""
    tty = tmp_path / "pump"
    with serving("ne1000", "--pty", tty) as served:
        assert served.endpoint == str(tty)
        for expected in (b"\x0200A?R\x03", BASIC_STATUS, BASIC_STATUS):
            with serial.Serial(served.endpoint, 19200, timeout=20, exclusive=True) as port:
                assert exchange(port, b"0\r", len(expected)) == expected
    assert not tty.is_symlink()


def test_pty_is_raw(tmp_path: Path) -> None:
    """Pins that every byte passes both ways unchanged: no echo, no CR/LF, no signals."""
    log = tmp_path / "wire.log"
    every = bytes(range(256)).replace(b"\x02", b"")
    with (
        serving("ne1000", "--pty", tmp_path / "pump", "--wire-log", log) as served,
        serial.Serial(served.endpoint, 19200, timeout=0.3) as port,
    ):
        answers = exchange(port, every + b"\r0\r", 1000)
    lines = [line.split(" ", 2) for line in log.read_text().splitlines()]
    heard = b"".join(bytes.fromhex(data.split("  ")[0]) for _, way, data in lines if way == "host>device")
    assert heard == every + b"\r0\r"
    assert answers == b"".join(bytes.fromhex(data.split("  ")[0]) for _, way, data in lines if way == "device>host")
    assert answers.endswith(BASIC_STATUS)


def test_a_stale_link_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    """Pins that a link left behind by a crash is no obstacle, and that no file of anybody's is overwritten."""
    tty = tmp_path / "pump"
    tty.symlink_to("/nowhere")
    with serving("ne1000", "--pty", tty) as served, serial.Serial(served.endpoint, 19200, timeout=20) as port:
        assert exchange(port, b"0\r", 7) == b"\x0200A?R\x03"
    tty.write_text("mine")
    done = subprocess.run([SIM, "serve", "ne1000", "--pty", tty], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is in the way" in done.stderr
    assert tty.read_text() == "mine"


def test_disconnect_pulls_the_cable_and_brings_it_back(tmp_path: Path) -> None:
    """Pins the fault `disconnect` on a pty: the client's read fails, the path is gone, then back under its name."""
    with serving("ne1000", "--pty", tmp_path / "pump") as served:
        client = os.open(served.endpoint, os.O_RDWR | os.O_NOCTTY)
        served.ask("POST", "/fault", {"fault": "disconnect:for_s=0.4"})
        select.select([client], [], [], 2)
        try:
            gone = os.read(client, 1) == b""
        except OSError as error:
            gone = error.errno == errno.EIO
        assert gone
        assert not Path(served.endpoint).exists()
        os.close(client)
        served.ask("GET", "/wait?condition=faults=none&timeout_s=3")
        deadline = time.monotonic() + 20
        while not Path(served.endpoint).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with serial.Serial(served.endpoint, 19200, timeout=20) as port:
            assert exchange(port, b"0\r", 7) == b"\x0200A?R\x03"
        told = [entry["what"] for entry in served.ask("GET", "/log")[1]["entries"] if entry["kind"] == "link"]
        assert told == ["up", "down", "up"]


def test_tcp_has_one_client_the_newest() -> None:
    """Pins TCP: port 0 chosen and printed, a new client takes the line over, a pulled cable closes and comes back."""
    with serving("ne1000", "--tcp", "127.0.0.1:0") as served, connect(served) as first:
        first.sendall(b"0\r")
        assert first.recv(100) == b"\x0200A?R\x03"
        with connect(served) as second:
            second.sendall(b"0\r")
            assert second.recv(100) == BASIC_STATUS
            assert hung_up(first)
            served.ask("POST", "/fault", {"fault": "disconnect"})
            assert hung_up(second)
        with pytest.raises(OSError, match="refused"):
            connect(served)
        served.ask("POST", "/clear", {})
        served.ask("GET", "/wait?condition=faults=none&timeout_s=1")
        time.sleep(0.1)
        with connect(served) as third:
            third.sendall(b"0\r")
            assert third.recv(100) == BASIC_STATUS


def test_several_units_share_a_line() -> None:
    """Pins that over TCP each unit answers its own in Modbus TCP, and that the state is an object by unit."""
    arguments = ("modbus_pump@1", "modbus_monitor@2", "--set", "2.spo2=91", "--tcp", "127.0.0.1:0")
    with serving(*arguments) as served, connect(served) as client:
        for unit in (1, 2):
            client.sendall(bytes([0, unit, 0, 0, 0, 6, unit]) + READ_UPTIME)
            answer = client.recv(100)
            assert answer[:7] == bytes([0, unit, 0, 0, 0, 7, unit])
        assert served.state()["2"]["spo2"] == 91
        assert served.ask("POST", "/press", {"key": "1.start"})[1]["1"]["delivery"] == "infusing"
        status, answer = served.ask("POST", "/press", {"key": "start"})
        assert (status, answer["error"]) == (422, "start: name the unit, as in 1.start")


def test_it_ends_while_it_is_talked_to() -> None:
    """Pins that an open client and an open `wait` hold up no end, and nothing is printed about them."""
    with serving("ne1000", "--tcp", "127.0.0.1:0") as served:
        host, _, port = served.control.rpartition(":")
        with connect(served) as client, socket.create_connection((host, int(port)), timeout=20) as waiting:
            waiting.sendall(b"GET /wait?condition=delivery=bolus&timeout_s=100 HTTP/1.1\r\n\r\n")
            client.sendall(b"0\r")
            assert client.recv(100) == b"\x0200A?R\x03"
            end(served.process)


def test_a_serial_port_is_served(tmp_path: Path) -> None:
    """Pins --serial: a pump on one end of a real port speaks to the client at the other (here a second pty)."""
    master, slave = os.openpty()
    with serving("ne1000", "--serial", os.ttyname(slave)) as served:
        assert served.endpoint == os.ttyname(slave)
        os.write(master, b"0VER\r")
        select.select([master], [], [], 3)
        assert os.read(master, 100) == b"\x0200A?R\x03"
    os.close(master)
    os.close(slave)


def test_a_serial_adapter_pulled_out_comes_back(tmp_path: Path) -> None:
    """Pins that a port that goes by itself is tried again, and served when it is there."""
    path = tmp_path / "adapter"
    master, slave = os.openpty()
    path.symlink_to(os.ttyname(slave))
    with serving("ne1000", "--serial", path) as served:
        os.close(slave)
        os.close(master)
        time.sleep(0.3)
        master, slave = os.openpty()
        path.unlink()
        path.symlink_to(os.ttyname(slave))
        deadline = time.monotonic() + 20
        told: list[str] = []
        while told != ["up", "down", "up"]:
            assert time.monotonic() < deadline, told
            entries = served.ask("GET", "/log")[1]["entries"]
            told = [entry["what"] for entry in entries if entry["kind"] == "link"]
            time.sleep(0.05)
        os.write(master, b"0\r")
        select.select([master], [], [], 3)
        assert os.read(master, 100) == b"\x0200A?R\x03"
    os.close(master)
    os.close(slave)


def test_baud_timing_is_as_slow_as_the_line(tmp_path: Path) -> None:
    """Pins --baud-timing: 40 commands and answers take at least their bits' time at 19200 baud, and not twice it."""
    answer = b"\x0200SI0.000W0.000ML\x03"
    with (
        serving("ne1000", "--pty", tmp_path / "pump", "--baud-timing") as served,
        serial.Serial(served.endpoint, 19200, timeout=20) as port,
    ):
        exchange(port, b"0\r", 7)
        began, busy = time.monotonic(), Hindrance()
        for _ in range(40):
            assert exchange(port, b"0DIS\r", len(answer)) == answer
        took, waited_s = time.monotonic() - began, busy.s
    floor = 40 * (5 + len(answer)) * 10 / 19200
    assert floor <= took < 2 * floor + 0.5 + waited_s


def test_nobody_reads_a_stream(tmp_path: Path) -> None:
    """Pins that a monitor whose port nobody opens goes on, and that who opens it reads fresh frames at once."""
    with serving("nonin_oem3", "--pty", tmp_path / "monitor", "--set", "spo2=93") as served:
        time.sleep(1.0)
        with serial.Serial(served.endpoint, 9600, timeout=20) as port:
            assert len(port.read(375)) == 375
        assert served.state()["spo2"] == 93


def test_control_over_http(tmp_path: Path) -> None:
    """Pins the control address: state, set, press, fault, clear, log, wait; the state is the truth, also of a liar."""
    with serving("ne1000", "--pty", tmp_path / "pump") as served:
        ask = served.ask
        assert ask("POST", "/set", {"rate_ml_h": 900, "reservoir_ml": 20})[1]["rate_ml_h"] == 900.0
        assert ask("POST", "/press", {"key": "start"})[1]["delivery"] == "infusing"
        assert ask("POST", "/fault", {"fault": "lie"})[1]["faults"] == "lie"
        with serial.Serial(served.endpoint, 19200, timeout=20) as port:
            assert exchange(port, b"0STP\r", 5) == b"\x0200P\x03"
        before = served.state()
        assert before["delivery"] == "infusing"
        status, after = ask("GET", f"/wait?condition=volume_ml%3E{before['volume_ml']}&timeout_s=2")
        assert (status, after["delivery"]) == (200, "infusing")
        assert ask("POST", "/clear", {"fault": "lie"})[1]["faults"] == "none"
        assert ask("POST", "/press", {"key": "stop"})[1]["stopped_by"] == "keypad"
        status, answer = ask("GET", "/wait?condition=delivery=infusing&timeout_s=0.2")
        assert (status, answer) == (408, {"error": "not delivery=infusing within 0.2 s"})
        entries = ask("GET", "/log?after=0")[1]["entries"]
        assert ("press", "start") in [(entry["kind"], entry["what"]) for entry in entries]
        last = entries[-1]["sequence"]
        assert ask("GET", f"/log?after={last}")[1] == {"entries": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("DELETE", "/state", None, 404),
        ("POST", "/set", {"nonsense": 1}, 422),
        ("POST", "/set", {"rate_ml_h": [1]}, 422),
        ("POST", "/set", {"rate_ml_h": "fast"}, 422),
        ("POST", "/set", b"[1]", 400),
        ("POST", "/set", b"{", 400),
        ("POST", "/set", b"[" * 60_000, 400),
        ("POST", "/set", b"x" * 70_000, 413),
        ("POST", "/press", {}, 422),
        ("POST", "/press", {"key": "x" * 300}, 422),
        ("POST", "/fault", {"fault": "explode"}, 422),
        ("GET", "/wait?condition=nonsense=1", None, 422),
        ("GET", "/wait?condition=delivery", None, 422),
        ("GET", "/wait?condition=delivery=x&timeout_s=nan", None, 422),
        ("GET", "/log?after=-1", None, 400),
    ],
)
def test_bad_requests_are_answered(pump: Served, method: str, path: str, body: object, status: int) -> None:
    """Pins that each unusable request gets its status and a sentence, and leaves the pump as it was."""
    before = pump.state()
    got, answer = pump.ask(method, path, body)
    assert got == status, answer
    assert re.search(r"\w{3}", answer["error"])
    assert pump.state() == before


@pytest.fixture(scope="module")
def pump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve one pump for the tests that change nothing."""
    with serving("ne1000", "--pty", tmp_path_factory.mktemp("pty") / "pump") as served:
        yield served


def test_no_web_page_can_press_start(pump: Served) -> None:
    """Pins that a form's POST, which a browser sends unasked, is refused: only application/json is taken."""
    status, _ = pump.ask("POST", "/press", b'{"key": "start"}', **{"content-type": "text/plain"})
    assert status == 415
    assert pump.state()["delivery"] == "stopped"


@pytest.mark.parametrize("said", [b"", b"GET /state", b"nonsense\r\n\r\n", b"GET /x HTTP/1.1\r\n" + b"a: b\r\n" * 5000])
def test_half_requests_end(pump: Served, said: bytes) -> None:
    """Pins that what is no whole request is answered 400 or closed, and the next is served."""
    host, _, port = pump.control.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=8) as client:
        try:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(100)
        except ConnectionError:
            answer = b""
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert pump.ask("GET", "/state")[0] == 200


def test_ctl(tmp_path: Path) -> None:
    """Pins `infusion-sim ctl`: each command, its exit code, and the sentence where it fails."""
    with serving("ne1000", "--pty", tmp_path / "pump") as served:
        assert json.loads(served.ctl("state").stdout)["delivery"] == "stopped"
        assert json.loads(served.ctl("set", "rate_ml_h=30", "vtbi_ml=5").stdout)["vtbi_ml"] == 5.0
        assert json.loads(served.ctl("press", "start").stdout)["delivery"] == "infusing"
        assert served.ctl("wait", "delivery=infusing", "--timeout", "1").returncode == 0
        late = served.ctl("wait", "delivery=stopped", "--timeout", "0.1")
        assert (late.returncode, late.stderr) == (1, "Error: not delivery=stopped within 0.1 s\n")
        assert json.loads(served.ctl("fault", "late:rate=0.2,by_s=0.4").stdout)["faults"] == "late"
        assert json.loads(served.ctl("clear").stdout)["faults"] == "none"
        assert "press  start" in served.ctl("log").stdout
        assert served.ctl("set", "nonsense=1").returncode == 1
        assert served.ctl("set", "nonsense").returncode == 2
        assert served.ctl("wait", "delivery").returncode == 2
    assert served.ctl("state").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ne1000"], "exactly one of --pty, --tcp and --serial"),
        (["ne1000", "--pty", "x", "--tcp", "127.0.0.1:0"], "exactly one"),
        (["nothing", "--tcp", "127.0.0.1:0"], "no such dialect"),
        (["ne1000", "--tcp", "127.0.0.1:99999"], "a port is 0-65535"),
        (["ne1000", "--tcp", "127.0.0.1:0", "--set", "rate_ml_h=fast"], "rate_ml_h"),
        (["ne1000", "--tcp", "127.0.0.1:0", "--set", "rate"], "KEY=VALUE"),
        (["ne1000", "--tcp", "127.0.0.1:0", "--fault", "explode"], "there are silent"),
        ([], "Missing argument"),
    ],
)
def test_unusable_arguments(arguments: list[str], why: str) -> None:
    """Pins exit code 2 and the sentence for what can't be served as asked."""
    done = subprocess.run([SIM, "serve", *arguments], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 2
    assert why in " ".join(done.stderr.split())


def said_by(*arguments: str | Path) -> str:
    """Run `infusion-sim serve`, which must end with exit 2; give its error on one line."""
    done = subprocess.run([SIM, "serve", *arguments], capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Errno" not in done.stderr
    return " ".join(done.stderr.rpartition("Error: ")[2].split())


@pytest.mark.parametrize("option", ["--tcp", "--control"])
def test_a_port_that_is_taken_is_said(option: str, tmp_path: Path) -> None:
    """Pins exit 2, the option, and the way out where an address can't be had; no link is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        beside = () if option == "--tcp" else ("--pty", tmp_path / "pump")
        said = said_by("ne1000", option, where, *beside)
    assert said.startswith(f"Invalid value for {option}: {where}: somebody listens there already; end that one, or")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--serial", "absent"), "--serial: {}: there is no such port"),
        (("--serial", "file"), "--serial: {}: is no serial port"),
        (("--wire-log", "no/log", "--tcp", "127.0.0.1:0"), "--wire-log: {}: there is no such port or directory"),
    ],
)
def test_what_cant_be_had_is_said(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """Pins that each option names itself, what it gave, and why that can't be."""
    (tmp_path / "file").write_text("")
    path = tmp_path / arguments[1]
    assert said.format(path) in said_by("ne1000", arguments[0], path, *arguments[2:])


def test_a_live_link_is_its_owners(tmp_path: Path) -> None:
    """Pins that a second simulator is refused with the first one's process, cable in or out, and takes nothing."""
    tty = tmp_path / "pump"
    with serving("ne1000", "--pty", tty) as first:
        for fault in (None, {"fault": "disconnect"}):
            if fault:
                first.ask("POST", "/fault", fault)
            said = said_by("nonin_oem3", "--pty", tty)
            assert said == (
                f"Invalid value for --pty: {tty}: a running simulator (process {first.process.pid}) has it; "
                "end that one, or give another path"
            )
        first.ask("POST", "/clear", {})
        deadline = time.monotonic() + 20
        while not tty.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with serial.Serial(str(tty), 19200, timeout=20) as port:
            assert exchange(port, b"0\r", 7) == b"\x0200A?R\x03"
    assert list(tmp_path.iterdir()) == []


def test_a_dead_owner_keeps_nobody_out(tmp_path: Path) -> None:
    """Pins that what a killed simulator leaves (link, lock) is replaced, and that nothing is left after a good end."""
    tty = tmp_path / "pump"
    with subprocess.Popen([SIM, "serve", "ne1000", "--pty", tty], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == f"ready {tty}\n"
        killed.kill()
    assert len(list(tmp_path.iterdir())) == 2
    with serving("ne1000", "--pty", tty) as served, serial.Serial(served.endpoint, 19200, timeout=20) as port:
        assert exchange(port, b"0\r", 7) == b"\x0200A?R\x03"
    assert list(tmp_path.iterdir()) == []


def test_of_many_at_once_one_has_it(tmp_path: Path) -> None:
    """Pins that of eight simulators that begin together exactly one gets the path, and the others say so."""
    command = [SIM, "serve", "ne1000", "--pty", tmp_path / "pump"]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(8)]
    try:
        deadline = time.monotonic() + 20
        while sum(each.poll() == 2 for each in running) < 7:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert [each.poll() for each in running].count(None) == 1
    finally:
        for each in running:
            each.terminate()
            each.wait(10)
    assert list(tmp_path.iterdir()) == []


def test_ctl_to_nobody() -> None:
    """Pins what `ctl` says where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        where = f"127.0.0.1:{nobody.getsockname()[1]}"
    done = subprocess.run([SIM, "ctl", where, "state"], capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr) == (1, f"Error: no simulator answers at {where}; is it running?\n")


@pytest.mark.parametrize("dialect", ["ne1000", "nonin_oem3"])
def test_ctl_to_the_devices_own_port(dialect: str) -> None:
    """Pins what `ctl` says where a device listens and not its control address: one is silent to it, one streams."""
    with serving(dialect, "--tcp", "127.0.0.1:0") as served:
        command = [SIM, "ctl", served.endpoint, "state"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {served.endpoint} is no control address of a simulator")


def test_list_and_scenarios() -> None:
    """Pins that `list` tells every dialect and fault, and `scenarios` a folder that is there."""
    told = subprocess.run([SIM, "list"], capture_output=True, text=True, check=True).stdout
    for word in ("ne1000: pump", "nonin_oem3: monitor", "modbus_pump: pump", "modbus_monitor: monitor", "disconnect"):
        assert word in told
    folder = subprocess.run([SIM, "scenarios"], capture_output=True, text=True, check=True).stdout.strip()
    assert Path(folder).name == "scenarios"


CSV = "Time [s], HR, PULSE, RESP, SpO2\n0,80,81,15,97\n2,80,82,15,NaN\n4,80,83,15,88\n"


def test_recordings_play_one_after_the_other(tmp_path: Path) -> None:
    """Pins `play`: rows in their time, missing as missing, a second file after the first, then the end, exit 0."""
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(CSV)
    second.write_text("Time [s], SpO2\n0,70\n2,71\n4,71\n")
    arguments = (first, second, "--as", "nonin_oem3", "--speed", "2", "--pty", tmp_path / "monitor")
    with serving(*arguments, command="play") as served:
        for key, value in (("pulse", "82"), ("spo2", ""), ("spo2", "88"), ("spo2", "70"), ("spo2", "71")):
            assert served.ask("GET", f"/wait?condition={key}={value}&timeout_s=3")[0] == 200, (key, value)
        assert served.process.wait(20) == 0


def test_raw_bytes_go_out_as_they_are(tmp_path: Path) -> None:
    """Pins `play` of a capture: exactly its bytes, at the line's pace, and nothing of the dialect's own."""
    capture = tmp_path / "capture.bin"
    data = bytes(range(256)) * 2
    capture.write_bytes(data)
    with serving(capture, "--as", "nonin_oem3", "--tcp", "127.0.0.1:0", command="play") as served:
        got, began = b"", time.monotonic()
        with connect(served) as client:
            while piece := client.recv(4096):
                got += piece
        took = time.monotonic() - began
        assert data.endswith(got)
        assert len(got) > len(data) // 2
        assert took < 512 * 10 / 9600 + 0.5
        assert served.process.wait(20) == 0


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "Time [s], HR\n0,x\n", "a.csv"),
        ("a.csv", "Time [s], RESP\n0,15\n", "has none of"),
        ("b.bin", "", "empty"),
    ],
)
def test_unusable_recordings(tmp_path: Path, name: str, text: str, why: str) -> None:
    """Pins exit code 2 and a sentence for a recording that can't be played."""
    (tmp_path / name).write_text(text)
    command = [SIM, "play", tmp_path / name, "--as", "nonin_oem3", "--tcp", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 2
    assert why in " ".join(done.stderr.split())
