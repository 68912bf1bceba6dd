"""Killed, cut off from its power, on a disk that fails: nothing lost, nothing twice, the deadline as it was."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from faults import cuts, nth
from faults.judging import BEYOND, End, _ran_on
from faults.kills import killed
from faults.script import BED, UTC, events, script, standing, verdict
from infusion_gateway.model.events import CaseConfirmed
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.runtime.journal_store import FILE
from infusion_gateway.wire.records import Record

pytestmark = pytest.mark.slow


async def written(directory: Path, moments: int) -> list[str]:
    """Write a part of the script as it should be; give what was told as durable."""
    journal = Journal(directory, boot_id="boot", on_change=lambda _kept, _why: None)
    await journal.open()
    told: list[str] = []
    for moment in script()[:moments]:
        records = await journal.append(BED, moment.events, moment.at, UTC)
        told += [f"{place} {record.id}" for place, record in enumerate(records, len(told))]
    await journal.close()
    return told


async def test_the_judge_of_a_crash_can_say_no(tmp_path: Path) -> None:
    """Pins that the verdict finds a lost event, one told twice, one invented, and a journal that is not whole."""
    told = await written(tmp_path, 6)
    assert verdict(tmp_path, told, whole=False) == []
    assert "held in memory are lost" in verdict(tmp_path, told, whole=True)[0]
    assert "1 are lost" in verdict(tmp_path, [*told, f"{len(told)} another-1"], whole=False)[0]
    assert "were told twice" in verdict(tmp_path, [*told, told[-1]], whole=False)[0]
    assert "have other ids" in verdict(tmp_path, [f"1 {told[0].split()[1]}"], whole=False)[0]
    journal = Journal(tmp_path, boot_id="boot", on_change=lambda _kept, _why: None)
    await journal.open()
    await journal.append(BED, script()[5].events, script()[5].at, UTC)
    await journal.close()
    assert "invented, twice or out of order" in verdict(tmp_path, told, whole=False)[0]
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE record SET at_ns = at_ns + 1 WHERE sequence = 2")
    assert any("the chain breaks at row 2" in one for one in verdict(tmp_path, told, whole=False))


def test_a_pump_that_ran_on_is_told_from_one_that_the_next_case_started() -> None:
    """Pins that past the bound nothing may run until another case is confirmed, though its T0 is on no record."""
    end = End("case-1", 60 * SECOND, 60.0, SECOND)
    confirmed = Record(9, BED, 9, "journal-9", "boot", 90 * SECOND, UTC, CaseConfirmed("nurse-2", "both entries agree"))
    assert _ran_on([end], [confirmed], [(60 * SECOND + BEYOND, True), (89 * SECOND, False), (91 * SECOND, True)]) == []
    ran = ["case case-1: the pump ran 29.0 s beyond its end"]
    assert _ran_on([end], [confirmed], [(89 * SECOND, True), (91 * SECOND, True)]) == ran
    assert _ran_on([end], [], [(89 * SECOND, True)]) == ran


def test_the_script_is_a_session_with_a_deadline_alarms_and_a_stop() -> None:
    """Pins that what is written and interrupted has what a restart must find: else the verdict speaks of nothing."""
    phase, deadline, alarms, stop = standing(events())
    assert phase.value == "paused"
    assert deadline[1] - deadline[0] == 2400 * 10**9
    assert "spo2-low" in alarms
    assert stop.codes == ("spo2-low",)
    assert any(alarm.acknowledged_by for at in range(len(events())) for alarm in standing(events()[:at])[2].values())


@pytest.mark.requirement("S28")
@pytest.mark.slow(40)
def test_any_disk_operation_may_fail(tmp_path: Path) -> None:
    """Pins a session on a disk that fails at one operation, once, for good, full, torn or with a kill: none is lost."""
    found = nth.swept(tmp_path / "nth", stride=10)
    assert found.wrong == []
    assert found.operations > 100
    assert found.runs >= found.operations // 2 - 1
    assert found.acknowledged > 10 * found.runs, "most of what a session has to say was acknowledged"
    assert found.refused <= found.runs // 20


@pytest.mark.needs_root
@pytest.mark.requirement("S28")
@pytest.mark.skipif(bool(cuts.why_not()), reason=cuts.why_not())
def test_ten_power_cuts(tmp_path: Path) -> None:
    """Pins ten real power cuts of a writing journal: all that was acknowledged before is there, the chain holds."""
    found = cuts.cut(tmp_path / "cuts", 10, seed=1)
    assert found.wrong == []
    assert found.cuts == 10
    assert found.acknowledged > 100


@pytest.mark.requirement("S28")
@pytest.mark.slow(50)
async def test_twenty_kills_in_a_session(tmp_path: Path) -> None:
    """Pins twenty kills of a gateway on real wires: every event told, every answer on record, the end as it was."""
    found = await killed(tmp_path, 20, seed=2)
    assert found.wrong == []
    assert (found.lost, found.invented) == (0, 0)
    assert found.sessions >= 1
    assert found.recorded > 30
    assert found.accepted >= 3
