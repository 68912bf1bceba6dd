"""Alarms that are not over, and cases that go on: told as far as they are known, and said to be so, wherever told."""

import csv
import io
import json
from datetime import UTC, date
from pathlib import Path

import pytest
from click.testing import CliRunner

from core_bed import Bed
from infusion_gateway.cli import cli
from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.events import ConditionRaised, PhaseChanged
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.session import Phase
from infusion_gateway.review.heard import KINDS, audited
from infusion_gateway.review.report.audit import audit_of
from infusion_gateway.review.report.case import Report
from infusion_gateway.review.report.day import Days, parts_of
from infusion_gateway.review.report.page import case_page
from infusion_gateway.review.report.sheet import case_sheet, day_sheet
from infusion_gateway.review.report.shown import Basis
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.records import Record
from infusion_gateway.wire.stamps import rfc3339
from reporting import Page, facts, report
from reviewing import UTC0, bed_rows, on_disk, rows_of

DAYS = Days(date(2027, 1, 15), date(2027, 1, 15), UTC)
STANDS_S = 300


def infusing() -> Bed:
    """Give a bed whose case is under way, and whose SpO2 alarm has stood for five minutes."""
    bed = Bed()
    bed.infuse()
    bed.run(30)
    bed.monitor.values[Metric.SPO2] = 92
    bed.run(STANDS_S)
    return bed


def raised(code: str, since: int) -> ConditionRaised:
    """Give an alarm's row."""
    return ConditionRaised(
        code, Priority.MEDIUM, AlarmKind.TECHNICAL, Response.TELL, True, since, None, None, "", "it is there"
    )


def silent() -> tuple[list[Record], int]:
    """Give a case under way whose last row is an alarm's, and when that began."""
    bed = Bed()
    bed.infuse()
    bed.run(30)
    end = bed.now + SECOND
    return rows_of([*bed.journal, (end, raised("gateway-slow", end))]), end


def told(part: str, reports: list[Report]) -> dict[str, dict[str, str]]:
    """Give a part of the audit by its first column."""
    (found,) = [one for one in parts_of(DAYS, reports, ()) if one.title == part]
    return {row[0]: dict(zip(found.heads, row, strict=True)) for row in found.rows}


def lines(sheet: str) -> list[dict[str, str]]:
    """Read a CSV back."""
    return list(csv.DictReader(io.StringIO(sheet)))


def test_an_alarm_that_stands_counts_until_the_record_ends() -> None:
    """Pins five minutes, said to be not over, in audit, page and CSV, of a case whose dose so far is told."""
    bed = infusing()
    made = report(bed_rows(bed))
    (alarm,) = made.alarms
    assert alarm.ended is None
    assert alarm.lasted is not None
    assert STANDS_S - 30 < alarm.lasted / SECOND <= STANDS_S
    (line,) = audit_of([made]).lines
    assert (line.lasted, line.standing) == (alarm.lasted, 1)
    said = f"{alarm.lasted // SECOND // 60}:{alarm.lasted // SECOND % 60:02d} min"
    assert told("Alarms by code", [made])["spo2-low"]["Lasted together"] == f"{said}, 1 not over"
    assert told("Worst offenders", [made])["spo2-low"]["Lasted together"] == f"{said}, 1 not over"
    case = told("Cases", [made])["case-1"]
    assert float(case["Dose mg"]) == pytest.approx(bed.pump.given * 1.0, abs=0.002)
    assert float(case["Volume mL"]) == pytest.approx(bed.pump.given, abs=0.002)
    assert case["How it ended"] == "under way: infusing"
    (row,) = Page(case_page([made], facts(), UTC)).table("Alarms, in the order").rows
    assert f"{said}, not over" in row
    (whole,) = [one for one in lines(case_sheet([made])) if one["kind"] == "alarm"]
    assert whole["text"].endswith(f"(not over after {alarm.lasted / SECOND:.1f} s)")
    figures = {one["text"]: one["value"] for one in lines(day_sheet(DAYS, [made], ())) if one["kind"] == "code"}
    assert float(figures["lasted together"]) == pytest.approx(alarm.lasted / SECOND)
    assert figures["not over"] == "1"


def test_of_a_case_that_left_it_counts_until_then() -> None:
    """Pins that an alarm is not over at its case's end, and lasted until then, whatever became of it."""
    bed = infusing()
    left = bed.now + SECOND
    made = report(rows_of([*bed.journal, (left, PhaseChanged(Phase.CLOSED, Phase.INFUSING, "closed"))]))
    (alarm,) = made.alarms
    assert alarm.lasted == UTC0 + left - alarm.began.utc_ns
    assert audit_of([made]).whole.standing == 1


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a journal whose last row is another bed's, five minutes after the case's last."""
    monkeypatch.chdir(tmp_path)
    rows, end = silent()
    state = tmp_path / "state"
    later = Record(0, "chair-2", None, "", "boot-1", end + STANDS_S * SECOND, UTC0 + end + STANDS_S * SECOND,
                   raised("elsewhere", end))  # fmt: skip
    on_disk(state, [*rows, later])
    return state


def test_a_bed_that_falls_silent_goes_on_until_the_journal_does(journal: Path) -> None:
    """Pins that with no row of the case's own left the journal's last one counts, in the audit and in the report."""
    day = ["report", "--day", "2027-01-15", "--journal", str(journal), "--json", "audit.json"]
    assert CliRunner().invoke(cli, day).exit_code == 0
    found = [one for one in lines(Path("report-2027-01-15.csv").read_text()) if one["name"] == "gateway-slow"]
    assert {one["text"]: one["value"] for one in found}["lasted together"] == "300"
    assert "5:00 min, 1 not over" in Path("audit.json").read_text()
    idle = [one["text"] for one in lines(Path("report-2027-01-15.csv").read_text()) if one["name"] == "elsewhere"]
    assert idle == ["it is there (not over after 300.0 s)"]
    assert CliRunner().invoke(cli, ["report", "case-1", "--journal", str(journal)]).exit_code == 0
    assert "5:00 min, not over" in Path("report-case-1.html").read_text()


@pytest.mark.parametrize(("whole", "lasted"), [(True, "5:00 min, 1 not over"), (False, "0.0 s, 1 not over")])
def test_of_what_was_published_it_counts_as_far_as_all_is_known(whole: bool, lasted: str) -> None:
    """Pins that an audit by history counts until the gateway was asked, and no further where events may lack."""
    rows, end = silent()
    messages = [
        (row.bed, EventMessage.of(row, "bed", now=row.at, utc_ns=row.utc_ns, boot_id=row.boot_id))
        for row in rows
        if row.bed_sequence is not None
    ]
    asked = UTC0 + end + STANDS_S * SECOND
    known = {"chair-1": asked} if whole else {}
    basis = Basis("history", whole, (), (), rfc3339(asked))
    shown, _ = audited([one for one in messages if one[1].type in KINDS], DAYS, basis, None, known)
    (part,) = [one for one in json.loads(shown)["parts"] if one["title"] == "Alarms by code"]
    assert [row[5] for row in part["rows"] if row[0] == "gateway-slow"] == [lasted]
