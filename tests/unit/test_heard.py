"""Rows made of what was published: an audit by them counts what an audit by the journal counts."""

import json
from datetime import UTC, date
from pathlib import Path

import pytest

from core_bed import Bed
from infusion_gateway.cli_station import _beside
from infusion_gateway.model.instructions import Acknowledge, Assess, HoldOff, Score, Stop
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.review.heard import KINDS, audited, heard
from infusion_gateway.review.report.audit import Audit, audit_of
from infusion_gateway.review.report.day import Days, between, uses_of
from infusion_gateway.review.report.shown import Basis
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.records import Record, Unreadable
from reporting import indexed, reports
from reviewing import bed_rows


@pytest.fixture(scope="module")
def rows() -> list[Record]:
    """Give a case with alarms answered, held off, risen and left alone, a restart amid one, and a stop."""
    bed = Bed()
    bed.infuse()
    bed.run(30)
    bed.monitor.values[Metric.SPO2] = 92
    bed.run(20)
    bed.monitor.values[Metric.SPO2] = 88
    bed.run(20)
    bed.ask(Acknowledge("spo2-low"), by="doctor-1")
    bed.ask(HoldOff("spo2-low", "the probe sits badly"), by="doctor-1")
    bed.run(5)
    bed.now += 3 * SECOND
    bed.crash()
    bed.run(30)
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(30)
    bed.ask(Assess(((Score.DISTRESS, 4),), (), 0), by="nurse-1")
    bed.run(90)
    bed.ask(Stop("enough"), by="nurse-1")
    bed.run(30)
    return bed_rows(bed)


def published(rows: list[Record]) -> list[tuple[str, EventMessage]]:
    """Give what a gateway would answer of these rows, newest first, as nobody promises an order over beds."""
    told = [
        (row.bed, EventMessage.of(row, "bed", now=row.at, utc_ns=row.utc_ns, boot_id=row.boot_id))
        for row in rows
        if row.bed_sequence is not None
    ]
    return [(bed, one) for bed, one in reversed(told) if one.type in KINDS]


def told(audit: Audit) -> tuple[object, ...]:
    """Give what an audit counts, times to a tenth of a second."""
    lines = [
        (
            line.code,
            line.counts,
            line.unanswered,
            line.acted,
            *(round((t or 0) / SECOND, 1) for t in (line.p50, line.p95)),
        )
        for line in (*audit.lines, audit.whole)
    ]
    return (lines, audit.audible, audit.tests, audit.overrides, audit.hold_offs, audit.sessions)


def test_an_audit_of_what_was_published_counts_as_one_of_the_journal(rows: list[Record]) -> None:
    """Pins codes, priorities, answers, what was acted on, hold-offs and hours, over a restart, by both alike."""
    made, lost = heard(published(rows))
    assert lost == 0
    by_journal, by_wire = audit_of(reports(rows, sampled=False)), audit_of(reports(made, sampled=False))
    assert by_journal.whole.total >= 3
    assert by_journal.whole.p95
    assert told(by_wire) == told(by_journal)
    assert 0 <= by_journal.observed - by_wire.observed < MINUTE, "it ends with the last event, not the last reading"


def test_the_days_are_the_same(rows: list[Record]) -> None:
    """Pins that a case is of the same day by both, and that alarms of no case are as many."""
    days = Days(date(2027, 1, 15), date(2027, 1, 15), UTC)
    found, other = indexed(rows), indexed(heard(published(rows))[0])
    assert [use[0].case for use in uses_of(other, days)] == [use[0].case for use in uses_of(found, days)] == ["case-1"]
    assert len(between(other, days)) == len(between(found, days))


def test_what_can_not_be_read_is_counted(rows: list[Record]) -> None:
    """Pins that hostile or withheld events are left out, counted, and break nothing."""
    (bed, whole), *rest = published(rows)
    spoilt = [
        whole.model_copy(update={"type": "event-withheld", "id": "x", "recorded": "never"}),
        whole.model_copy(update={"type": "condition-raised", "data": {"since": "<b>", "code": 7}, "id": "j-9\u0661"}),
        whole.model_copy(update={"type": "phase-changed", "data": {"phase": "=1+1", "until": None}, "sequence": -1}),
    ]
    made, lost = heard([(bed, one) for one in spoilt] + [(bed, whole), *rest])
    assert lost == 3
    assert len(made) == len(rest) + 1
    assert not [row for row in made if isinstance(row.event, Unreadable)]
    assert heard([]) == ([], 0)


def test_the_audit_says_what_it_rests_on_and_shows_no_dose(rows: list[Record]) -> None:
    """Pins that no dose, order or volume is told where the readings aren't, in JSON and CSV, and what is said of it."""
    days = Days(date(2027, 1, 15), date(2027, 1, 15), UTC)
    said = Basis("history", True, (), ("west, chair-1: events 1 to 99",), "2027-01-15T09:00:00.000Z")
    shown, sheet = audited(published(rows), days, said, None, {})
    read = json.loads(shown)
    (line,) = read["parts"][0]["rows"]
    assert dict(zip(read["parts"][0]["heads"], line, strict=True)) | {"Dose mg": "–", "Ordered mg": "–"} == dict(
        zip(read["parts"][0]["heads"], line, strict=True)
    )
    assert (line[0], line[6], line[9]) == ("case-1", "–", "1")
    assert (read["source"], read["complete"], len(read["notes"])) == ("history", True, 2)
    assert read["banners"] == ["TEST – NOT A PATIENT'S RECORD"]
    assert "spo2-low" in sheet
    assert ",mg," not in sheet
    spoilt = [(bed, one.model_copy(update={"data": {}})) for bed, one in published(rows)[:1]]
    again = json.loads(audited([*spoilt, *published(rows)[1:]], days, said, None, {})[0])
    assert (again["complete"], again["notes"][-1]) == (False, "1 events could not be read and are left out.")


def test_a_patients_call_is_nothing_that_was_done() -> None:
    """Pins that a screen's own assessment, a call, makes no alarm acted on, and a person's does."""
    done = {}
    for who in ("screen-call-1", "nurse-1"):
        bed = Bed()
        bed.infuse()
        bed.ask(Assess(((Score.DISTRESS, 10),), (), 0), by=who)
        bed.run(20)
        (alarm,) = (one for one in audit_of(reports(bed_rows(bed))).lines if one.code == "distress")
        done[who] = alarm.acted.part
    assert done == {"screen-call-1": 0, "nurse-1": 1}


def test_the_gateway_beside_a_station_is_that_of_its_file(tmp_path: Path) -> None:
    """Pins that a gateway's own file says whose journal is here, and that a station's own says none's."""
    file = tmp_path / "bedside.toml"
    whole = '[gateway]\nname = "west"\nstate_directory = "state"\n'
    for text, name in (
        (whole, "west"),
        ("[station]\n", None),
        ('gateway = "x"\n', None),
        (whole.replace('state_directory = "state"', ""), None),
    ):
        file.write_text(text)
        found = _beside(file)
        assert (found and found.gateway) == name
        assert found is None or (found.file, found.journal) == (file, tmp_path / "state")
