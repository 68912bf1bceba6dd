"""A station's hub beside a real gateway, simulated devices and a broker: what it shows, asks, learns and misses."""

import asyncio
import contextlib
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.inside import NAME, SITE, Beds, Placed
from bench.signed_gateway import GATEWAY, STATION, Running, signed_gateway
from hindrance import Hindrance
from infusion_gateway.cli import cli
from infusion_gateway.config.settings import StationSettings
from infusion_gateway.review.report.day import Days
from infusion_gateway.runtime.journal_store import FILE
from infusion_gateway.station.auditing import Audited, Auditing
from infusion_gateway.station.calling import APART_S, CallButton
from infusion_gateway.station.hub import Hub
from infusion_gateway.ward.beds import LATE_S, SILENT_IN_SESSION_S
from infusion_gateway.ward.shown import Outcome, ShownBed, ShownTrend
from integration.waiting import until
from signing_keys import key_file
from simulated import Simulated, simulated

pytestmark = [pytest.mark.slow(60), pytest.mark.timeout(240)]
BED = "chair-1"
ORDER: dict[str, Any] = {
    "case": "case-1", "subject": "s-1", "protocol": "test-short", "weight_kg": 70.0, "concentration_mg_ml": 1.0,
    "rate_ml_h": 30.0, "volume_ml": 0.5, "duration_s": 60.0, "dose_mg": 0.5,
}  # fmt: skip


@contextlib.asynccontextmanager
async def hub(running: Running, directory: Path, name: str = "station-1") -> AsyncIterator[Hub]:
    """Run a station that knows the gateway's key and signs with its own."""
    key = directory / "station.key"
    if not key.exists():
        key_file(STATION, key)
    made = Hub(
        StationSettings(
            name, SITE, running.broker, "127.0.0.1", 8420, signing_key=key, kid=STATION.kid, gateways=GATEWAY.keys
        )
    )
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def bed(of: Hub) -> ShownBed | None:
    """Give the bed as a page has it now."""
    return next((one for one in of.snapshot().beds if one.bed == BED), None)


def phase(of: Hub) -> str:
    """Give the phase that is shown, "" for none."""
    found = bed(of)
    return "" if found is None or found.session is None else found.session.phase.value


async def accepted(of: Hub, name: str, by: str, arguments: dict[str, Any]) -> Outcome:
    """Ask something that is to be accepted."""
    answer = await of.instruct(NAME, BED, name, by, arguments)
    assert answer.outcome == "accepted", (name, answer)
    return answer


async def infuse(of: Hub, pump: Simulated) -> None:
    """Order and confirm by two people, and press the pump's own key."""
    await until(lambda: (found := bed(of)) is not None and found.link == "live" and "spo2" in found.vitals, "the bed")
    end = time.monotonic() + 40  # the gateway beats before it hears what it is asked: that has a process of its own
    while (await of.instruct(NAME, BED, "pause-audio", "nurse-1", {"for_at_most_s": 0})).outcome == "unanswered":
        assert time.monotonic() < end, "the gateway hears nothing"
    await accepted(of, "order", "nurse-1", ORDER)
    await until(lambda: phase(of) == "ordered", "ordered")  # signed for the case that is shown
    await accepted(of, "confirm", "nurse-2", {"weight_kg": 70.0, "concentration_mg_ml": 1.0})
    await until(lambda: phase(of) == "armed", "armed")
    await pump.ctl("press", "start")
    await until(lambda: phase(of) == "infusing", "infusing")


async def test_a_session_seen_and_asked_for_from_a_station(tmp_path: Path) -> None:
    """Pins a session by a hub's signed instructions; a second station that comes later has its whole course and log.

    Then the gateway hangs: every value is stale within five seconds; back, what was missed is asked for. Then a stop.
    """
    async with (
        simulated("modbus_pump", "--tcp", "127.0.0.1:0", "--set", "rate_ml_h=30", "--set", "volume_ml=0") as pump,
        simulated("modbus_monitor", "--tcp", "127.0.0.1:0") as monitor,
    ):
        ports = [int(one.endpoint.rpartition(":")[2]) for one in (pump, monitor)]
        beds: Beds = {BED: (Placed("pump", "modbus_pump", ports[0]), Placed("monitor", "modbus_monitor", ports[1]))}
        async with signed_gateway(tmp_path, beds) as running, hub(running, tmp_path) as first:
            queue = first.subscribe()
            await infuse(first, pump)
            kinds = {queue.get_nowait()[0] for _ in range(queue.qsize())}
            assert {"picture", "bed", "gateway", "happening", "beat"} <= kinds
            await _calls(first)
            refused = await first.instruct(NAME, BED, "order", "nurse-1", {**ORDER, "case": "case-2"})
            assert (refused.outcome, bool(refused.reason)) == ("refused", True)
            await asyncio.sleep(12)
            named = first.picture.gateways[NAME].late_s
            assert 0.0 < named < LATE_S, "a heartbeat names this station's newest word, and came soon after it"
            async with hub(running, tmp_path, "station-2") as second:
                await _learns(second, first)
                await _hangs(running, second)
            answer = await accepted(first, "stop", "nurse-1", {"reason": "enough"})
            assert answer.id
            await until(lambda: phase(first) in {"stopped", "recovery"}, "stopped")  # recovery follows at once
            state = json.loads(await pump.ctl("state"))
            assert state["delivery"] == "stopped"
            await _looks_back(first, tmp_path)


async def _calls(station: Hub) -> None:
    """Press a patient's call button: it rings, somebody has it, it rings anew, and a nurse ends it."""
    clock = [0.0]

    def nobody(_: object) -> Any:
        raise AssertionError("nobody asks over HTTP here")

    buttons = CallButton(nobody, station, str, Path("/"), now_s=lambda: clock[0])
    for _ in range(2):
        assert (await buttons._ring("screen-call-1", NAME, BED)).state == "told"
        await accepted(station, "acknowledge", "nurse-1", {"code": "distress"})
        await until(lambda: buttons.stands(NAME, BED).state == "taken", "taken")
        assert buttons.stands(NAME, BED).by == "nurse-1"
        clock[0] += APART_S
    over = {"scores": {"distress": 0.0}, "vitals": {}, "ago_s": 0}
    await accepted(station, "assess", "nurse-1", over)
    await until(lambda: buttons.stands(NAME, BED).state == "ready", "ready")


async def _looks_back(station: Hub, directory: Path) -> None:
    """Hold what is handed over, and the audit by the gateway's history, against the audit of its journal."""
    # the heartbeat that a hung gateway began with may be late, and its bed silent until the next
    await until(lambda: station.handover(NAME, BED).beds[0].complete, "heard in time again")
    told = station.handover(NAME, BED).beds[0]
    assert [(one.code, one.by) for one in told.answers if one.code] == [("distress", "nurse-1")] * 2
    assert (told.complete, told.why) == (True, "")
    today = datetime.now(UTC).date()
    days = Days(today - timedelta(days=1), today, UTC)
    made = await Auditing(station, None, patience_s=30).of(NAME, days)
    assert isinstance(made, Audited)
    by_history, by_journal = json.loads(made.shown), await asyncio.to_thread(_by_journal, directory, days)
    assert (by_history["source"], by_history["complete"]) == ("history", True), by_history["notes"]
    tables = [{part["title"]: part["rows"] for part in one["parts"]} for one in (by_history, by_journal)]
    for title in ("Alarms by code", "Worst offenders", "Overrides", "Alarms at beds without a case"):
        seen = [[[row[0], *row[1:5], *row[8:]] for row in table[title]] for table in tables]
        assert _alike(*seen), (title, seen)
    assert [row[1:5] for row in tables[0]["Alarms by code"] if row[0] == "distress"] == [["0", "2", "0", "2"]]


def _alike(one: Any, other: Any) -> bool:
    """Say whether two tables say the same; times are published in milliseconds, which may round to another tenth."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    lengths = [re.fullmatch(r"(\d+\.\d) s", str(cell)) for cell in (one, other)]
    if None not in lengths:
        return abs(float(lengths[0][1]) - float(lengths[1][1])) < 0.15  # type: ignore[index]  # both are
    return bool(one == other)


def _by_journal(directory: Path, days: Days) -> Any:
    """Give the audit that `report` makes of the journal."""
    journal = next(directory.rglob(FILE)).parent
    asked = ["report", "--day", str(days.first), "--to", str(days.last), "--journal", str(journal)]
    for option, name in (("--out", "page.html"), ("--json", "audit.json")):
        asked += [option, str(directory / name)]
    ended = CliRunner().invoke(cli, asked)
    assert ended.exit_code == 0, ended.output
    return json.loads((directory / "audit.json").read_text())


async def _learns(second: Hub, first: Hub) -> None:
    """Hold what a station that has just come learns of the past against what the other has seen."""
    await until(lambda: (t := second.trend(NAME, BED)) is not None and t.complete, "the course")
    others = first.trend(NAME, BED, 5)
    assert others is not None
    seen = _known(others)
    await until(
        lambda: (mine := second.trend(NAME, BED, 5)) and {t for t in seen if t > min(_known(mine))} <= _known(mine),
        "what the first saw the second has learned",
    )
    mine = second.trend(NAME, BED, 5)
    assert mine is not None
    assert [one.type for one in mine.events if one.type in ("case-ordered", "infusion-started")] == [
        "case-ordered",
        "infusion-started",
    ]
    log = await second.log(NAME, BED)
    assert (log.refused, log.before) == ("", None)
    assert [one.sequence for one in log.happenings] == list(range(1, len(log.happenings) + 1))
    few = await second.log(NAME, BED, before=4, kinds=["case-ordered"])
    assert {one.type for one in few.happenings} <= {"case-ordered"}
    assert all(one.sequence < 4 for one in few.happenings)


def _known(course: ShownTrend) -> set[int]:
    """Give when SpO2 is known of."""
    return {t for t, v in zip(course.t, course.series["spo2"], strict=True) if v is not None}


async def _hangs(running: Running, station: Hub) -> None:
    """Stop the gateway's process for a while, and look at what is shown meanwhile and after."""
    await until(lambda: (found := bed(station)) is not None and found.link == "live", "live")
    busy = Hindrance()
    running.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        await until(lambda: (found := bed(station)) is not None and found.link != "live", "silent")
        assert time.monotonic() - stopped <= SILENT_IN_SESSION_S + 0.5 + busy.s
        found = bed(station)
        assert found is not None
        assert found.link == "silent"
        assert all(one.stale for one in found.vitals.values())
        assert (found.annunciation.priority, found.annunciation.sound) == ("high", "bursts")
        answer = await station.instruct(NAME, BED, "stop", "nurse-1", {"reason": "silent"})
        assert answer.outcome == "unanswered"
        assert "NOT SENT: stop at the pump" in answer.reason
    finally:
        running.process.send_signal(signal.SIGCONT)
    await until(lambda: (found := bed(station)) is not None and found.link == "live", "live again")
    await until(lambda: (t := station.trend(NAME, BED)) is not None and t.complete, "the hole filled or known")
