"""A replay of what a real gateway recorded: real wires, real time, a process each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from integration.test_scenarios import REPLAYED, demo, result

pytestmark = [pytest.mark.slow(50), pytest.mark.timeout(200)]


def command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    whole = [sys.executable, "-m", "infusion_gateway", *(str(a) for a in arguments)]
    return subprocess.run(whole, capture_output=True, text=True, timeout=180, check=False)


def test_a_real_run_comes_again_within_a_second(tmp_path: Path) -> None:
    """Pins a scenario's expectations, and that its journal replays: every condition, stop and phase within a second.

    Where everything stood still, which is on record itself, readings came late and in heaps: then within three.
    """
    played = demo("--scenario", REPLAYED, "--check", "--out", str(tmp_path))
    assert played.returncode == 0, json.dumps(result(played)["expectations"], indent=1)
    told = json.loads(command("replay", tmp_path / "state", "--protocol", "depression-40", "--json").stdout)
    stood_still = any(row["what"].startswith("gateway-slow") for row in told["rows"])
    assert told["reproduced"] or stood_still, told["rows"]
    both = [(row["recorded"], row["again"]) for row in told["rows"] if row["recorded"] and row["again"]]
    assert len(both) > 6
    assert all(abs(one["at_s"] - other["at_s"]) <= (3 if stood_still else 1) for one, other in both), told["rows"]
    stops = [row for row in told["rows"] if row["what"] == "stop asked: spo2-low"]
    assert len(stops) == 1
    assert stops[0]["recorded"] is not None
    assert stops[0]["again"] is not None
    assert stops[0]["other"] is not None
    verified = command("log", tmp_path / "state", "--verify")
    assert verified.returncode == 0, verified.stderr
    assert "stop-confirmed" in command("log", tmp_path / "state").stdout
