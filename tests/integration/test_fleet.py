"""`infusion-sim fleet`: many beds from one process, and a configuration with which one gateway supervises them."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient

from infusion_gateway.config.load import load
from simulated import SIM

pytestmark = [pytest.mark.timeout(60)]


async def test_a_fleet_is_what_its_configuration_says(tmp_path: Path) -> None:
    """Pins that the gateway takes the file, that every device of it answers, each with its keypad; a clean end."""
    file = tmp_path / "fleet.toml"
    command = (SIM, "fleet", "--beds", "3", "--config", file, "--broker", "mqtt://127.0.0.1:1999")
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready 3 beds\n"
        settings = load(file)
        assert [bed.id for bed in settings.beds] == ["bed-01", "bed-02", "bed-03"]
        assert settings.broker.port == 1999
        assert settings.station is not None
        for bed in settings.beds:
            assert [device.driver for device in bed.devices] == ["modbus_pump", "modbus_monitor"]
        for line in settings.lines:
            host, _, port = line.endpoint.removeprefix("tcp://").rpartition(":")
            async with AsyncModbusTcpClient(host, port=int(port)) as client:
                read = await client.read_input_registers(0, count=1, device_id=1)
                assert not read.isError(), line.name
        keypads = re.findall(r"infusion-sim ctl (\S+) press", file.read_text())
        assert len(set(keypads)) == 6
        ctl = await asyncio.create_subprocess_exec(SIM, "ctl", keypads[0], "state", stdout=subprocess.PIPE)
        state = json.loads((await ctl.communicate())[0])
        assert (state["rate_ml_h"], state["delivery"]) == (30.0, "stopped")
    finally:
        process.terminate()
    assert await asyncio.wait_for(process.wait(), 20) == 0


def test_more_beds_than_a_gateway_takes_are_refused() -> None:
    """Pins exit 2 for more beds than a gateway takes."""
    done = subprocess.run([SIM, "fleet", "--beds", "65"], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "1<=x<=64" in done.stderr
