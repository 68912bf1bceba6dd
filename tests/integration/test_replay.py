"""A replay of what a real gateway recorded: real wires, real time, a process each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


def command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    whole = [sys.executable, "-m", "infusion_gateway", *(str(a) for a in arguments)]
    return subprocess.run(whole, capture_output=True, text=True, timeout=180, check=False)


def test_a_real_run_comes_again_within_a_second(tmp_path: Path) -> None:
    """Pins that the journal of a scenario on real wires replays: every condition, stop and phase within a second."""
    played = command("demo", "--scenario", "desaturation", "--check", "--out", tmp_path)
    assert played.returncode == 0, played.stdout + played.stderr
    told = json.loads(command("replay", tmp_path / "state", "--protocol", "depression-40", "--json").stdout)
    assert told["reproduced"] is True, told["rows"]
    stops = [row for row in told["rows"] if row["what"] == "stop asked: spo2-low"]
    assert len(stops) == 1
    assert stops[0]["recorded"] is not None
    assert abs(stops[0]["recorded"]["at_s"] - stops[0]["again"]["at_s"]) <= 1
    assert stops[0]["other"] is not None
    verified = command("log", tmp_path / "state", "--verify")
    assert verified.returncode == 0, verified.stderr
    assert "stop-confirmed" in command("log", tmp_path / "state").stdout
