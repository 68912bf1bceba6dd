"""A bed under faults one after the other: `make chaos` in short."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from faults import chaos


@pytest.mark.slow(40)
async def test_a_short_chaos(tmp_path: Path) -> None:
    """Pins twenty seconds of kills, hangs, resets and failing devices: nothing lost, nothing invented, ends kept."""
    kinds = (
        chaos.gateway_starved,
        chaos.broker_killed,
        chaos.network_reset,
        chaos.oximeter_fails,
        chaos.gateway_killed,
    )
    found, on = await chaos.chaos(tmp_path, 20, seed=1, only=kinds)
    assert found.wrong == [], chaos.report(found, on)
    assert (found.lost, found.invented) == (0, 0)
    assert found.recorded > 10
    assert all(on.done[kind.__name__.replace("_", " ")] for kind in kinds)
    assert len(on.live.truth) > 10
    assert "0 lost, 0 invented" in chaos.report(found, on)


@pytest.mark.slow
async def test_a_chaos_of_pumps_that_disobey(tmp_path: Path) -> None:
    """Pins that a pump that refuses and one that lies are told of in time, and stopped as soon as they obey."""
    found, on = await chaos.chaos(tmp_path, 20, seed=2, only=(chaos.pump_refuses, chaos.pump_lies))
    assert found.wrong == [], chaos.report(found, on)
    assert on.done["pump refuses"] >= 1
    assert on.done["pump lies"] >= 1


async def test_a_pump_that_nobody_tells_of_is_seen_by_the_rig() -> None:
    """Pins that the rig can fail: no word of it, a pump that goes on, and a fault not taken are each wrong."""
    sessions = SimpleNamespace(session={"phase": "infusing"}, alarms=[])
    live = Silent(sessions)
    bed = chaos.Bed(live, SimpleNamespace(), Random(1))  # type: ignore[arg-type]  # stand for a bed that runs
    with pytest.MonkeyPatch.context() as soon:
        soon.setattr(chaos, "TOLD_WITHIN_S", 0.2)
        soon.setattr(chaos, "OBEYS_WITHIN_S", 0.2)
        await chaos.pump_lies(bed)
    assert [one.partition(" ")[0] for one in bed.wrong] == ["pump", "lie:", "lie:"]
    assert "nobody was told" in bed.wrong[1]
    assert "ran on" in bed.wrong[2]


@pytest.mark.skipif(chaos.FAKETIME is None, reason="libfaketime is not installed: apt-get install libfaketime")
def test_what_a_killed_process_left_keeps_no_other_from_starting(tmp_path: Path) -> None:
    """Pins the rig: a gateway that is given the number of a killed one starts, and its wall clock is the rig's."""
    shift = tmp_path / "shift"
    shift.write_text("-3600\n")
    leave = ["sh", "-c", 'touch /dev/shm/faketime_shm_$$; exec "$@"', "sh"]
    said = [sys.executable, "-c", "import time; print(time.time())"]
    found = subprocess.run([*leave, *chaos._faked(shift), *said], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert float(found.stdout) == pytest.approx(time.time() - 3600, abs=60)


class Silent:
    """Stands for a bed whose gateway says nothing, and whose pump runs and takes no fault."""

    def __init__(self, witness: object) -> None:
        self.witness = witness

    async def surely(self, _what: object, *, within_s: float) -> bool:
        return within_s > 0

    async def simulator(self, _device: str, method: str, _path: str, **_body: object) -> dict[str, str]:
        return {"delivery": "infusing"} if method == "GET" else {}
