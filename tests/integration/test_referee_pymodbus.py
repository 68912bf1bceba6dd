"""The client of pymodbus judges the simulated Modbus devices, over a real pty and a socket, register by register."""

import http
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.client.base import ModbusBaseSyncClient

SIM = Path(sys.executable).parent / "infusion-sim"


class Served:
    """A running `infusion-sim serve`: where it is, and its control address."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        said: dict[str, str] = {}
        while "ready" not in said:
            line = process.stdout.readline()
            assert line, f"infusion-sim ended with {process.wait()}"
            word, _, rest = line.strip().partition(" ")
            said[word] = rest
        self.endpoint, self.control = said["ready"], said["control"]

    def ask(self, path: str, body: object = None) -> dict[str, Any]:
        """Ask the control address; the body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        address = self.control if self.control.startswith("http") else f"http://{self.control}"
        request = urllib.request.Request(address + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=15) as response:
            return dict(json.load(response))

    def comes_true(self, condition: str, within_s: float) -> bool:
        """Wait for a condition of the simulator's truth, with no word on its wire; say whether it came true in time."""
        query = urllib.parse.urlencode({"condition": condition, "timeout_s": within_s})
        try:
            self.ask(f"/wait?{query}")
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUEST_TIMEOUT:
                raise
            return False
        return True


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    """Serve devices until the block ends; they must then end by themselves, with exit code 0."""
    command = [str(SIM), "serve", *arguments, "--control", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as process:
        try:
            yield Served(process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


Connect = Callable[..., tuple[Served, ModbusBaseSyncClient]]


@pytest.fixture(params=["rtu", "tcp"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Give a function that serves devices and connects pymodbus to them, over RTU on a pty or over TCP."""
    opened: list[Any] = []

    def over(*devices: str) -> tuple[Served, ModbusBaseSyncClient]:
        where = ("--pty", str(tmp_path / "line")) if request.param == "rtu" else ("--tcp", "127.0.0.1:0")
        serving = served(*devices, *where)
        running = serving.__enter__()
        opened.append(serving)
        client: ModbusBaseSyncClient
        if request.param == "rtu":
            client = ModbusSerialClient(str(tmp_path / "line"), baudrate=19_200, timeout=2, retries=0)
        else:
            host, _, port = running.endpoint.removeprefix("tcp://").rpartition(":")
            client = ModbusTcpClient(host, port=int(port), timeout=2, retries=0)
        assert client.connect()
        opened.append(client)
        return running, client

    yield over
    for thing in reversed(opened):
        if isinstance(thing, ModbusBaseSyncClient):
            thing.close()
        else:
            thing.__exit__(None, None, None)


def u32(client: ModbusBaseSyncClient, words: list[int]) -> int:
    """Read two words as pymodbus does, high word first."""
    value = client.convert_from_registers(words, client.DATATYPE.UINT32, word_order="big")
    assert isinstance(value, int)
    return value


def identity(client: ModbusBaseSyncClient, unit: int) -> list[str]:
    """Give the identification that pymodbus reads, in the order of the objects."""
    told = client.read_device_information(read_code=1, object_id=0, device_id=unit)
    assert not told.isError()
    return [told.information[n].decode() for n in sorted(told.information)]


def test_pump(connect: Connect) -> None:
    """Pins every register and coil of modbus_pump as pymodbus reads and writes them, against the simulator's truth."""
    settings = ("serial_number=4275878552", "rate_ml_h=1200", "vtbi_ml=80")
    sim, client = connect("modbus_pump@7", *(f"--set={setting}" for setting in settings))
    assert identity(client, 7) == ["infusion-gateway", "modbus-pump", "1.0"]
    sim.ask("/press", {"key": "start"})
    status = client.read_input_registers(0x0000, count=18, device_id=7).registers
    later = client.read_input_registers(0x0000, count=18, device_id=7).registers
    assert u32(client, status[0:2]) <= u32(client, later[0:2]) < 6000
    assert u32(client, status[2:4]) == 4275878552
    assert status[4:6] == [1, 0]
    assert u32(client, status[6:8]) == 120_000
    assert u32(client, status[8:10]) <= u32(client, later[8:10]) < 2000
    assert u32(client, status[10:12]) == 80_000
    assert u32(client, status[10:12]) - u32(client, status[12:14]) == pytest.approx(u32(client, status[8:10]), abs=1)
    assert status[14:18] == [0, 100, 0, 0]
    reservoir = client.read_input_registers(0x0040, count=7, device_id=7).registers
    assert reservoir[2:4] == status[2:4]
    assert reservoir[6] == 1200
    assert not client.write_register(0x0020, 30, device_id=7).isError()
    assert client.read_holding_registers(0x0020, count=1, device_id=7).registers == [30]
    assert not client.write_registers(0x0020, [0], device_id=7).isError()
    assert sim.ask("/state")["dead_man_s"] == 0
    assert client.read_coils(0x0003, count=1, device_id=7).bits[0] is False
    assert not client.write_coil(0x0003, True, device_id=7).isError()
    assert client.read_coils(0x0003, count=1, device_id=7).bits[0] is True
    status = client.read_input_registers(0x0000, count=18, device_id=7).registers
    truth = sim.ask("/state")
    assert (status[4], status[5], truth["delivery"], truth["stopped_by"]) == (0, 1, "stopped", "remote")
    assert u32(client, status[8:10]) == int(truth["volume_ml"] * 1000)
    reservoir = client.read_input_registers(0x0040, count=7, device_id=7).registers
    assert u32(client, reservoir[4:6]) == pytest.approx(truth["reservoir_ml"] * 1000, abs=1)


def test_refusals(connect: Connect) -> None:
    """Pins the exceptions as pymodbus reads them: 01, 02 and 03, and that the pump answers on."""
    _, client = connect("modbus_pump")
    asked = [
        (client.read_discrete_inputs(0, count=1, device_id=1), 1),
        (client.write_coils(3, [True], device_id=1), 1),
        (client.read_input_registers(0, count=19, device_id=1), 2),
        (client.read_holding_registers(0x0021, count=1, device_id=1), 2),
        (client.write_register(0x0006, 100, device_id=1), 2),
        (client.write_register(0x0020, 61, device_id=1), 3),
        (client.write_coil(0x0003, False, device_id=1), 3),
    ]
    assert [(told.isError(), told.exception_code) for told, _ in asked] == [(True, code) for _, code in asked]
    assert client.read_input_registers(0, count=18, device_id=1).registers[2:4] == [1, 0x1171]


def test_monitor(connect: Connect) -> None:
    """Pins every register of modbus_monitor as pymodbus reads it, before and after a measurement."""
    settings = ["spo2=91", "pulse=101", "hr=102", "rr=9", "etco2=51.5", "temp_c=36.24", "nibp_sys=161", "nibp_dia=99"]
    sim, client = connect("modbus_monitor", *(f"--set={setting}" for setting in settings))
    assert identity(client, 1) == ["infusion-gateway", "modbus-monitor", "1.0"]
    vitals = client.read_input_registers(0x0000, count=12, device_id=1).registers
    assert u32(client, vitals[2:4]) == 80001
    assert vitals[4:] == [91, 101, 102, 9, 515, 3624, 7, 0]
    before = client.read_input_registers(0x0020, count=11, device_id=1).registers
    assert before[4:] == [0, 0, *([0xFFFF] * 5)]
    sim.ask("/set", {"nibp_sequence": 41, "leads": "off"})
    after = client.read_input_registers(0x0020, count=11, device_id=1).registers
    assert after[4:6] == [0, 41]
    assert u32(client, after[6:8]) < 1000
    assert after[8:] == [161, 99, 120]
    vitals = client.read_input_registers(0x0004, count=8, device_id=1).registers
    assert vitals == [91, 101, 0xFFFF, 0xFFFF, 515, 3624, 5, 0]
    assert client.write_register(0x0004, 97, device_id=1).exception_code == 2


def test_two_units_on_one_line(connect: Connect) -> None:
    """Pins that two devices share a line: hundreds of reads in turn, each answered by its own unit, none by a third."""
    _, client = connect("modbus_pump@1", "modbus_monitor@2", "--set=1.serial_number=11", "--set=2.serial_number=22")
    for _ in range(150):
        assert client.read_input_registers(0x0002, count=2, device_id=1).registers == [0, 11]
        assert client.read_input_registers(0x0002, count=2, device_id=2).registers == [0, 22]
    assert [identity(client, unit)[1] for unit in (1, 2)] == ["modbus-pump", "modbus-monitor"]
    assert client.write_coil(0x0003, True, device_id=2).exception_code == 2
    assert not client.write_coil(0x0003, True, device_id=1).isError()


@pytest.mark.slow
def test_dead_man_on_a_real_clock(connect: Connect) -> None:
    """Pins the dead man in real time: reads feed it, and 5 s after the last one the pump has stopped itself."""
    sim, client = connect("modbus_pump", "--set", "rate_ml_h=60")
    sim.ask("/press", {"key": "start"})
    assert not client.write_register(0x0020, 5, device_id=1).isError()
    for _ in range(2):
        assert not sim.comes_true("delivery=stopped", 3.5)
        assert client.read_input_registers(0x0004, count=2, device_id=1).registers == [1, 0]
    assert not sim.comes_true("delivery=stopped", 4.5)
    assert sim.comes_true("stopped_by=dead_man", 1.5)
    status = client.read_input_registers(0x0000, count=18, device_id=1).registers
    assert status[4:6] == [0, 3]
    assert status[14] == 0x0100
