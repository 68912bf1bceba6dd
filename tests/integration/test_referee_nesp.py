"""An independent client judges the simulated NE-1000: NESP-Lib, written by others, over a pty, in both modes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from nesp_lib import AlarmStatus, PumpingDirection, Status
from nesp_lib import Port as NespPort
from nesp_lib import Pump as NespPump
from nesp_lib.exceptions import StateException, StatusAlarmException

SIM = Path(sys.executable).parent / "infusion-sim"
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Ask]]:
    """Serve an NE-1000 on a pty; give the port's path, and how to ask its control address."""
    tty = tmp_path / "pump"
    command = [SIM, "serve", "ne1000", "--pty", tty, "--control", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        control = process.stdout.readline().split()[1]
        assert process.stdout.readline() == f"ready {tty}\n"

        def ask(path: str, **body: object) -> dict[str, Any]:
            data = json.dumps(body).encode() if body else None
            request = Request(f"http://{control}{path}", data, {"content-type": "application/json"})
            with urlopen(request, timeout=10) as response:
                return dict(json.load(response))

        yield str(tty), ask
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize("safe_s", [0, 5], ids=["basic", "safe"])
def test_a_session(served: tuple[str, Ask], safe_s: int) -> None:
    """Pins that NESP-Lib connects past the power-on alarm, programs, runs, changes the rate, stops, reads it back."""
    tty, ask = served
    with NespPort(tty, 19200) as port:
        pump = NespPump(port, safe_mode_timeout_s=safe_s, model_number=1000)
        assert (pump.model_number, pump.firmware_version, pump.firmware_upgrade) == (1000, (3, 928), 0)
        assert pump.safe_mode_timeout_s == safe_s
        pump.syringe_diameter_mm = 26.59
        pump.pumping_direction = PumpingDirection.INFUSE
        pump.pumping_volume_ml = 5.0
        pump.pumping_rate_ml_per_min = 0.3333
        assert (pump.syringe_diameter_mm, pump.pumping_volume_ml) == (26.59, 5.0)
        assert pump.pumping_rate_ml_per_min == pytest.approx(0.3333)
        assert pump.status is Status.STOPPED
        pump.run(wait_while_running=False)
        assert (pump.running, pump.status) == (True, Status.INFUSING)
        with pytest.raises(StateException):
            pump.syringe_diameter_mm = 20.0
        pump.pumping_rate_ml_per_min = 9.5
        state = ask("/state")
        assert (state["delivery"], state["rate_ml_h"]) == ("infusing", 570.0)
        ask(f"/wait?condition={quote('volume_ml>0.05')}&timeout_s=5")
        pump.stop()
        assert pump.status is Status.PAUSED
        truth = ask("/state")
        assert (truth["delivery"], truth["stopped_by"], truth["dead_man_s"]) == ("stopped", "remote", safe_s)
        assert 0.05 < truth["volume_ml"] < 0.5
        assert 0 <= truth["volume_ml"] - pump.volume_infused_ml < 0.0010001
        pump.volume_infused_clear()
        assert (pump.volume_infused_ml, pump.volume_withdrawn_ml) == (0.0, 0.0)
        with pytest.raises(ValueError, match="exceeds limit"):
            pump.pumping_rate_ml_per_min = 5000.0
        pump.safe_mode_timeout_s = 0


def test_its_heartbeat_keeps_the_pump_running_and_its_silence_stops_it(served: tuple[str, Ask]) -> None:
    """Pins the dead man between strangers: fed by NESP-Lib's own heartbeat, tripped when the client falls silent."""
    tty, ask = served
    with NespPort(tty, 19200) as port:
        pump = NespPump(port, safe_mode_timeout_s=1)
        pump.run(wait_while_running=False)
        time.sleep(2.5)
        assert ask("/state")["delivery"] == "infusing"
        pump._Pump__heartbeat_event_timeout_s = 0.0  # its thread ends, as with a client that hangs
        pump._Pump__heartbeat_event.set()
        stopped = ask("/wait?condition=stopped_by=dead_man&timeout_s=3")
        assert (stopped["delivery"], stopped["status"]) == ("stopped", "A?T")
        time.sleep(0.05)
        port._receive(port._waiting_receive)  # the alarm that came unasked, which this client has no ear for
        assert alarm_of(pump) is AlarmStatus.TIMEOUT
        assert pump.status is Status.STOPPED
        pump.safe_mode_timeout_s = 0


def alarm_of(pump: NespPump) -> AlarmStatus:
    """Give the alarm that a status query meets."""
    with pytest.raises(StatusAlarmException) as met:
        _ = pump.status
    alarm = met.value.alarm_status
    assert isinstance(alarm, AlarmStatus)
    return alarm


def test_alarms_and_ends_as_it_reads_them(served: tuple[str, Ask]) -> None:
    """Pins that NESP-Lib reads a stall and a power loss as such, and sees the programmed volume end by itself."""
    tty, ask = served
    with NespPort(tty, 19200) as port:
        pump = NespPump(port)
        pump.pumping_volume_ml = 0.05
        pump.pumping_rate_ml_per_min = 20.0
        pump.run()
        assert pump.status is Status.STOPPED
        assert pump.volume_infused_ml == 0.05
        assert ask("/state")["stopped_by"] == "vtbi"
        pump.run(wait_while_running=False)
        ask("/set", alarm="stall")
        assert alarm_of(pump) is AlarmStatus.STALLED
        ask("/fault", fault="reset")
        assert alarm_of(pump) is AlarmStatus.RESET
        assert pump.status is Status.STOPPED
