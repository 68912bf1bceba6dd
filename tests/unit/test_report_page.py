"""The page, the chart and the CSV of a report: hostile text is text, no script, no colour, for a reader too."""

import base64
import csv
import hashlib
import io
import json
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date
from typing import Any
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

import pytest

from core_bed import Bed
from infusion_gateway.model.events import ConditionCleared, ConditionRaised, GatewayStarted, PhaseChanged
from infusion_gateway.model.instructions import Acknowledge, Amend, Assess, HoldOff, Score, Stop
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.review.report.case import Report
from infusion_gateway.review.report.chart import chart
from infusion_gateway.review.report.day import Days, between, day_page, parts_of, uses_of
from infusion_gateway.review.report.markup import el, page
from infusion_gateway.review.report.page import case_page
from infusion_gateway.review.report.scale import Axis, Span, fitting, thinned
from infusion_gateway.review.report.sheet import HEADER, case_sheet, day_sheet
from infusion_gateway.review.report.shown import Basis, audit_json
from infusion_gateway.review.report.times import Moment
from infusion_gateway.wire.records import Record
from reporting import Page, facts, indexed, report
from reviewing import bed_rows, rows_of

DAY = Days(date(2027, 1, 15), date(2027, 1, 15), UTC)
HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&=1+1\x00\u202e"


@pytest.fixture(scope="module")
def rows() -> list[Record]:
    """Give a case with a pressure, an assessment, an alarm that was held off, an amendment, a crash and a stop."""
    bed = Bed()
    bed.infuse()
    bed.monitor.cuff(bed.now, 124, 78)
    bed.run(60)
    bed.ask(Assess(((Score.MOAA_S, 4),), ((Metric.NIBP_SYS, 131), (Metric.NIBP_DIA, 82)), 0), by="nurse-1")
    bed.monitor.values[Metric.SPO2] = 88
    bed.run(20)
    bed.ask(Acknowledge("spo2-low"), by="doctor-1")
    bed.ask(HoldOff("spo2-low", "the probe sits badly"), by="doctor-1")
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(30)
    bed.ask(Amend("less wanted", rate_ml_h=45.0), by="doctor-1")
    bed.now += 40 * SECOND
    bed.crash()
    bed.run(60)
    bed.ask(Stop("enough"), by="nurse-1")
    bed.run(30)
    return bed_rows(bed)


def poisoned(value: Any) -> Any:
    """Put hostile text into every free text of an event, at any depth; what is matched by the reader stays."""
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes = {}
    for f in fields(value):
        held = getattr(value, f.name)
        if (
            isinstance(held, str)
            and type(held) is str
            and f.name not in ("instruction", "id", "protocol", "case", "device")
        ):
            changes[f.name] = f"{held}{HOSTILE}"
        elif is_dataclass(held):
            changes[f.name] = poisoned(held)
    return replace(value, **changes)


def test_hostile_text_is_shown_as_text(rows: list[Record]) -> None:
    """Pins that markup in every text of every event, in bed and case, in the page and in the day's, stays text."""
    spoilt = [replace(row, bed=f"chair{HOSTILE}", event=poisoned(row.event)) for row in rows]
    told = report(spoilt)
    told.case = f"case{HOSTILE}"
    said = facts(damaged=HOSTILE)
    for html in (case_page([told], said, UTC), day_page(DAY, [told], told.alarms, said)):
        seen = Page(html)
        assert not {tag for tag, _ in seen.tags} & {"script", "img", "a", "link", "iframe", "form", "object"}
        assert seen.text.count("<script>alert(1)</script>") > 5
        for tag, attributes in seen.tags:
            assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "style")], tag
        assert "\x00" not in html
        assert "\u202e" not in html
        html.encode()


def test_the_page_runs_and_loads_nothing(rows: list[Record]) -> None:
    """Pins a policy that allows one style sheet by its hash, and that the hash is of the one that is there."""
    html = case_page([report(rows)], facts(), UTC)
    css = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    (policy,) = [attrs["content"] or "" for tag, attrs in Page(html).tags if attrs.get("http-equiv")]
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert "url(" not in css
    assert "@import" not in css
    assert "@page" in css
    assert "@media print" in css


def test_a_screen_reader_can_follow(rows: list[Record]) -> None:
    """Pins a language, one h1, a caption and heads with scope for every table, a title and words for the chart."""
    html = case_page([report(rows)], facts(), UTC)
    seen = Page(html)
    assert ("html", {"lang": "en"}) in seen.tags
    assert [tag for tag, _ in seen.tags].count("h1") == 1
    assert len(seen.tables) >= 8
    for table in seen.tables:
        assert table.caption
        assert all(len(row) == len(table.heads) for row in table.rows), table.caption
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in seen.tags if tag == "th")
    (drawing,) = [attrs for tag, attrs in seen.tags if tag == "svg"]
    assert drawing["role"] == "img"
    assert "Every number is in the tables" in seen.text


def test_what_a_record_must_have_is_on_the_page(rows: list[Record]) -> None:
    """Pins names, reasons, dose, hard limit, protocol with hash and signature, versions, the journal and its head."""
    told = report(rows)
    seen = Page(case_page([told], facts(), UTC))
    dose = {row[0]: row[1:] for row in seen.table("Dose").rows}
    assert dose["delivered"][0] == f"{told.dose_mg:.3f}"
    assert dose["delivered"][1] == f"{told.dose_mg / 70:.3f}"
    (alarm,) = [row for row in seen.table("Alarms, in").rows if row[3] == "spo2-low"]
    assert alarm[2] == "!!! high"
    assert alarm[4:6] == ["88 %", "90 %"]
    assert alarm[7].startswith("doctor-1 at ")
    (stop,) = seen.table("Stops").rows
    assert stop[2] == "nurse-1"
    assert "NOT CONFIRMED" not in stop
    allowed = seen.table("Gates passed").rows
    assert [row[1:5] for row in allowed] == [["stop held off", "spo2-low", "doctor-1", "the probe sits badly"]]
    assert any("nobody supervised" in row for row in seen.table("Less than").rows)
    for words in (
        "nurse-2",
        "less wanted",
        "TEST – NOT A PATIENT",
        "ab" * 32,
        "last row 77",
        "0" * 64,
        "its chain holds",
    ):
        assert words in seen.text, words


def in_mode(rows: list[Record], mode: GenerationMode | None) -> Report:
    """Give the report as it is where the gateway began in this mode, None: where that was not kept yet."""
    began = [
        replace(row, event=replace(row.event, generation_mode=mode)) if isinstance(row.event, GatewayStarted) else row
        for row in rows
    ]
    return report(began)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (GenerationMode.TEST, "TEST – NOT A PATIENT'S RECORD"),
        (GenerationMode.DEMO, "DEMONSTRATION – NOT A PATIENT'S RECORD"),
        (None, "MODE NOT KNOWN"),
    ],
)
def test_what_is_no_patients_is_said_in_big_letters(rows: list[Record], mode: GenerationMode | None, said: str) -> None:
    """Pins the banner of a test, of a demonstration and of what nobody knows; and none for a patient's."""
    html = case_page([in_mode(rows, mode)], facts(mode=GenerationMode.REAL if mode else None), UTC)
    assert f'class="mode">{said}' in html
    assert html.count('class="mode"') == 1
    assert f"Mode: {mode or 'not known'} ({'as it is on record' if mode else 'as configured'}" in html
    assert 'class="mode">' not in case_page([in_mode(rows, GenerationMode.REAL)], facts(mode=GenerationMode.DEMO), UTC)
    assert 'class="mode">DEMO' in case_page([in_mode(rows, None)], facts(mode=GenerationMode.DEMO), UTC)


def test_a_damaged_journal_is_said_first(rows: list[Record]) -> None:
    """Pins the warning above everything else, and the chain's failure at the foot."""
    html = case_page([report(rows)], facts(damaged="the chain breaks at row 12"), UTC)
    assert html.index("THE JOURNAL IS DAMAGED") < html.index("<h1>")
    assert "its chain does NOT hold" in html


def test_a_protocol_that_is_another_now_gives_no_limits(rows: list[Record]) -> None:
    """Pins that limits and the hard limit come only from a file with the very hash that the case was held against."""
    bed = Bed()
    told = report(rows)
    same, other = facts(bed.protocol), facts(replace(bed.protocol, digest="1" * 64))
    assert 'class="limit"' in case_page([told], same, UTC)
    html = case_page([told], other, UTC)
    assert 'class="limit"' not in html
    assert "the file is another now" in html
    assert Page(html).table("Dose").rows[2][1] == "–"


def test_an_order_that_waits_is_not_on_the_page() -> None:
    """Pins that a page made before the second entry shows no number of the first."""
    bed = Bed()
    bed.run(3)
    bed.order(weight_kg=71.25, dose_mg=35.0)
    told = report(bed_rows(bed))
    for text in (case_page([told], facts(), UTC), case_sheet([told])):
        assert "71.25" not in text
    assert "not shown before the second entry" in case_page([told], facts(), UTC)


def found(drawing: Element, class_: str) -> list[Element]:
    """Give the parts of a drawing of this class."""
    return [part for part in drawing.iter() if part.get("class") == class_]


def test_a_gap_is_drawn_as_a_gap(rows: list[Record]) -> None:
    """Pins that a trend breaks where no reading is, and that a crash is hatched across every trend."""
    told = report(rows)
    drawing = chart(told, None)
    trends = found(drawing, "trend")
    assert len(trends) >= 4
    assert all(part.get("d", "").count("M") >= 2 for part in trends)
    assert found(drawing, "gap")
    before = rows_of([(row.at, row.event) for row in rows if row.sequence < len(rows) // 3])
    whole = chart(report(before), None)
    assert all(part.get("d", "").count("M") == 1 for part in found(whole, "trend"))
    assert not found(whole, "gap")
    assert not found(drawing, "limit")


def test_a_thinned_line_keeps_every_peak() -> None:
    """Pins that of many points at one place the first, the least, the greatest and the last are kept, in order."""
    points = [(1.0, float(y)) for y in (5, 9, 1, 6)] + [(2.0, 3.0)]
    assert thinned(points) == [(1.0, 5.0), (1.0, 1.0), (1.0, 9.0), (1.0, 6.0), (2.0, 3.0)]
    many = [(float(n // 100), float(n % 7)) for n in range(10_000)]
    assert len(thinned(many)) <= 4 * 100


@pytest.mark.parametrize("high", [0.001, 1.0, 7.0, 99.9, 1e9, float("inf"), float("nan")])
def test_axes_hold_any_value(high: float) -> None:
    """Pins few and round marks of any range, also where a value is no number; and all within the panel."""
    axis = fitting([0.0, high], (0.0, 1e-6), 10.0, 80.0)
    marks = axis.ticks()
    assert 1 <= len(marks) <= 5
    assert all(10.0 <= axis.y(mark) <= 90.0 for mark in marks)


@pytest.mark.parametrize("minutes", [1, 45, 600, 100_000, 10**9])
def test_any_length_has_few_marks_of_time(minutes: int) -> None:
    """Pins that a chart of a minute and one of a thousand years have a bounded number of marks."""
    span = Span(0, minutes * 60 * SECOND, 0)
    assert 1 <= len(span.ticks()) <= 16
    assert span.x(Moment(-5, 0)) == span.x(Moment(0, 0))


def test_markup_is_not_made_of_text() -> None:
    """Pins the element maker: children in order, None left out, text bounded and on one line."""
    html = page("<t>", "p{}", el("p", "a", el("b", "c"), None, "d<", class_="x", data_n=3))
    assert '<p class="x" data-n="3">a<b>c</b>d&lt;</p>' in html
    assert "<title>&lt;t&gt;</title>" in html
    assert len(el("p", "x" * 5000).text or "") == 600
    assert Axis(0, 1, 0, 10).y(5) == 0


def sheet(text: str) -> list[dict[str, str]]:
    """Read a CSV back."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_csv_says_the_same(rows: list[Record]) -> None:
    """Pins the header, and that figures, alarms, stops, gaps and readings are those of the page."""
    told = report(rows)
    text = case_sheet([told])
    assert text.splitlines()[0] == "kind,case,bed,time,from_t0_s,name,value,unit,priority,by,after_s,text"
    lines = sheet(text)
    assert tuple(lines[0]) == HEADER
    figures = {line["name"]: line["value"] for line in lines if line["kind"] == "figure"}
    assert float(figures["delivered"]) == pytest.approx(told.delivered_ml)
    alarms = [line for line in lines if line["kind"] == "alarm"]
    assert len(alarms) == len(told.alarms)
    (low,) = [line for line in alarms if line["name"] == "spo2-low"]
    assert (low["priority"], low["by"]) == ("high", "doctor-1")
    assert float(low["after_s"]) == pytest.approx(5, abs=2)
    assert [line["value"] for line in lines if line["name"] == "nibp-sys"] == ["124", "131"]
    assert {line["kind"] for line in lines} == {"figure", "reading", "alarm", "stop", "gap", "event"}


def test_a_spreadsheet_is_given_no_formula(rows: list[Record]) -> None:
    """Pins that text which a spreadsheet would run is marked as text, that a number stays one, and a line is a line."""
    spoilt = [replace(row, event=poisoned(row.event)) for row in rows]
    told = report(spoilt)
    told.case = "=HYPERLINK(1)\r\nnext"
    lines = sheet(case_sheet([told]))
    assert {line["case"] for line in lines} == {"'=HYPERLINK(1)  next"}
    assert any(line["from_t0_s"].startswith("-") for line in lines)
    for cell in (
        cell for line in lines for name, cell in line.items() if name not in ("from_t0_s", "value", "after_s")
    ):
        assert not cell.lstrip().startswith(("=", "+", "-", "@")), cell


def test_a_day_has_a_line_a_case_and_the_audit(rows: list[Record]) -> None:
    """Pins the cases of a day, the figures of the audit, the codes that ring most, and alarms of no case apart."""
    lone = ConditionRaised(**(_raised(rows) | {"code": "monitor-link-lost", "since": 10 * SECOND}))
    journal = [(5 * SECOND, GatewayStarted("1", True, None, "began")), (10 * SECOND, lone)]
    journal.append((20 * SECOND, ConditionCleared("monitor-link-lost", latched=False, reason="over")))
    journal += [(row.at, row.event) for row in rows]
    every = rows_of(journal)
    seen_by = indexed(every)
    assert len(uses_of(seen_by, DAY)) == 1
    assert len(uses_of(seen_by, Days(date(2027, 1, 1), date(2027, 1, 31), UTC))) == 1
    assert uses_of(seen_by, Days(date(2027, 1, 16), date(2027, 1, 20), UTC)) == ()
    idle = between(seen_by, DAY)
    assert [alarm.code for alarm in idle] == ["monitor-link-lost"]
    told = report(every)
    assert told.alarms
    assert idle[0] not in told.alarms
    seen = Page(day_page(DAY, [told], idle, facts()))
    (line,) = seen.table("1 cases").rows
    assert line[0] == "case-1"
    assert line[4] == f"{told.dose_mg:.3f}"
    figures = dict(seen.table("All alarms").rows)
    assert figures["alarms"] == str(len(told.alarms))
    assert figures["stops held off"] == "1"
    codes = {row[0]: row for row in seen.table("By code").rows}
    assert codes["spo2-low"][1:5] == ["1", "0", "0", "1"]
    assert seen.table("Alarms of medium").rows[0][0] in codes
    lines = sheet(day_sheet(DAY, [told], idle))
    assert {one["kind"] for one in lines} == {"case", "audit", "priority", "code", "alarm"}


def _raised(rows: list[Record]) -> dict[str, Any]:
    event = next(row.event for row in rows if isinstance(row.event, ConditionRaised))
    return {f.name: getattr(event, f.name) for f in fields(event)}


def test_a_day_is_of_its_zone() -> None:
    """Pins a day's bounds in UTC, in a zone, and on the day that clocks are set forward, which has 23 hours."""
    hour = 3600 * SECOND
    autumn, spring, berlin = date(2026, 11, 22), date(2026, 3, 29), ZoneInfo("Europe/Berlin")
    begins, ends = Days(autumn, autumn, UTC).bounds
    assert (begins, ends - begins) == (1_795_305_600 * SECOND, 24 * hour)
    assert Days(autumn, autumn, berlin).bounds[0] == begins - hour
    begins, ends = Days(spring, spring, berlin).bounds
    assert ends - begins == 23 * hour
    begins, ends = Days(date(2026, 3, 28), date(2026, 3, 30), berlin).bounds
    assert ends - begins == 71 * hour
    assert str(Days(spring, autumn, UTC)) == "2026-03-29 to 2026-11-22"


def test_the_audit_for_a_program_has_what_the_page_has(rows: list[Record]) -> None:
    """Pins that the JSON's tables are the page's, cell by cell, and that hostile texts are bounded and on a line."""
    told = report(rows)
    parts = parts_of(DAY, [told], ())
    basis = Basis("journal", False, (HOSTILE,), (HOSTILE * 20,), "2027-01-15T08:00:00.000Z")
    read = json.loads(audit_json(DAY, parts, basis))
    seen = Page(day_page(DAY, [told], (), facts()))
    shown = {part["caption"]: part["rows"] for part in read["parts"] if part["rows"]}
    assert shown == {table.caption: table.rows for table in seen.tables}
    assert {"1 cases", "By code", "All alarms of these cases"} <= set(shown)
    assert (read["complete"], read["days"], len(read["notes"][0])) == (False, "2027-01-15", 600)
    assert not any(ord(letter) < 32 for letter in read["banners"][0])


def test_a_case_that_never_began_has_a_page(rows: list[Record]) -> None:
    """Pins a page, a chart and a day's line of a case that was ordered and never infused."""
    start = next(row.sequence for row in rows if isinstance(row.event, PhaseChanged) and row.event.phase == "armed")
    told: Report = report(rows[:start])
    assert told.t0 is None
    html = case_page([told], facts(), UTC)
    assert "it never began" in html
    assert "Nothing was infused" in html
    assert chart(told, None).tag == "svg"
    assert Page(day_page(DAY, [told], (), facts())).table("1 cases").rows[0][4] == "–"
