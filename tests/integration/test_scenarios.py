"""Every shipped scenario on real wires, a process each, judged from outside; and that the judge can say no."""

import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from infusion_gateway.demo.main import scenario_files
from infusion_gateway.model.events import ConditionRaised, StopAsked, StopConfirmed
from infusion_gateway.runtime.journal_store import Reader
from listening import Listener

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

RECORDINGS = Path(__file__).parents[3] / "shared/data/bidmc"
REAL_INPUT = "recorded-desaturation"
REPLAYED = "desaturation"
"""What test_replay.py plays, and holds to its expectations as well."""


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the demo; whatever goes over its broker fits the contract."""
    command = [sys.executable, "-m", "infusion_gateway", "demo", *arguments]
    out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments else Path(os.devnull)
    with Listener(out) as listener, subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            said = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            process.terminate()  # it ends what it has started
            raise
        done = subprocess.CompletedProcess(command, process.returncode, *said)
    assert listener.wrong == []
    assert listener.heard > 100 or "--out" not in arguments or done.returncode != 0, "the listener heard the demo"
    return done


def result(done: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    assert done.stdout.strip(), done.stderr
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def recordings() -> Path:
    if not RECORDINGS.is_dir():
        if os.environ.get("REQUIRE_RECORDINGS") == "1":
            pytest.fail(f"REQUIRE_RECORDINGS is set, and there is no {RECORDINGS}")
        pytest.skip(f"no recordings at {RECORDINGS}; docs/scenarios.md says where they can be had")
    return RECORDINGS


@pytest.mark.slow(55)
@pytest.mark.parametrize("name", sorted(set(scenario_files()) - {REAL_INPUT, REPLAYED}))
def test_scenario_holds(name: str, tmp_path: Path) -> None:
    """Pins every expectation of each shipped scenario, on pseudo-terminals, TCP and a real broker."""
    done = demo("--scenario", name, "--check", "--out", str(tmp_path))
    found = result(done)
    assert found["passed"], json.dumps(found["expectations"], indent=1)
    assert done.returncode == 0


@pytest.mark.slow(65)
def test_a_recorded_patient_desaturates_and_the_pump_is_stopped(tmp_path: Path) -> None:
    """Pins real input from end to end: recorded SpO2 on a pty, alarm, stop observed, subscriber told, on record."""
    done = demo("--scenario", REAL_INPUT, "--check", "--recordings", str(recordings()), "--out", str(tmp_path))
    found = result(done)
    assert found["passed"], json.dumps(found["expectations"], indent=1)
    kept = [record.event for record in Reader(tmp_path / "state").records("chair-1", 0)]
    assert [e for e in kept if isinstance(e, ConditionRaised) and e.code == "spo2-low" and e.priority.name == "HIGH"]
    assert [e for e in kept if isinstance(e, StopAsked) and "spo2-low" in e.codes]
    assert [e for e in kept if isinstance(e, StopConfirmed)]


@pytest.mark.slow(90)
def test_an_outage_of_a_minute_loses_nothing(tmp_path: Path) -> None:
    """Pins the broker away for 60 s: live again within 2 s, every event once, in order, marked late."""
    done = demo("--scenario", str(Path(__file__).with_name("long-outage.toml")), "--check", "--out", str(tmp_path))
    found = result(done)
    assert found["passed"], json.dumps(found["expectations"], indent=1)


def test_a_wrong_expectation_fails(tmp_path: Path) -> None:
    """Pins that the judge can say no: what does not come is reported as such, with exit code 1."""
    text = scenario_files()["normal"].read_text()
    head, _, _ = text.partition("[[expect]]")
    wrong = '[[expect]]\nname = "it never comes"\nevent = "stop-confirmed"\nby = "6 s"\n\n[end]\nat = "7 s"\n'
    file = tmp_path / "wrong.toml"
    file.write_text(head + wrong)
    done = demo("--scenario", str(file), "--check")
    assert done.returncode == 1, done.stderr
    expectations = result(done)["expectations"]
    assert isinstance(expectations, list)
    assert [e["passed"] for e in expectations] == [False]


def test_people_ask_once_they_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a gateway that hears people seconds after its devices misses no order: the zero waits for it."""
    late = "import sys, time\nif any(each.endswith('.border') for each in sys.orig_argv):\n    time.sleep(6)\n"
    (tmp_path / "sitecustomize.py").write_text(late)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    head, _, _ = scenario_files()["normal"].read_text().partition("[[expect]]")
    heard = '[[expect]]\nname = "heard"\nevent = "instruction-accepted"\nwhere.instruction = "order"\nby = "3 s"\n'
    file = tmp_path / "late.toml"
    file.write_text(f'{head}{heard}\n[end]\nat = "3 s"\n')
    done = demo("--scenario", str(file), "--check")
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_an_unknown_scenario_is_refused_with_what_there_is() -> None:
    """Pins exit 2 for a name that is none, and for recordings that were not given, each with the way out."""
    done = demo("--scenario", "no-such", "--check")
    assert done.returncode == 2
    assert "overrun" in done.stderr
    done = demo("--scenario", REAL_INPUT, "--check")
    assert done.returncode == 2
    assert "--recordings" in done.stderr
