"""`report` as a command: what is written, for whom, and how bad input, damage and what is missing are said."""

import csv
import json
import re
import shutil
import sqlite3
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from core_bed import Bed, bed_setup
from infusion_gateway.cli import cli
from infusion_gateway.config import protocols
from infusion_gateway.model.events import Sampled
from infusion_gateway.model.instructions import Abort, Stop
from infusion_gateway.model.metric import MINUTE
from infusion_gateway.review.report.audit import observed
from infusion_gateway.review.report.day import NO_CASE
from infusion_gateway.runtime.journal_store import FILE, Reader
from infusion_gateway.wire.records import Record
from reporting import Page, report
from reviewing import bed_rows, on_disk

DAY = "2027-01-15"
CONFIG = Path(__file__).parents[2] / "config/bedside.toml"


def call(*arguments: str | Path) -> Result:
    """Run `report` as a terminal would."""
    result = CliRunner().invoke(cli, ["report", *(str(a) for a in arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


@pytest.fixture(scope="module")
def rows() -> list[Record]:
    """Give a case of the shipped protocol that was stopped."""
    bed = Bed(bed_setup(protocols.load(protocols.shipped() / "depression-40.toml")))
    bed.infuse()
    bed.run(60)
    bed.ask(Stop("enough"), by="nurse-1")
    bed.run(200)
    return bed_rows(bed)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, rows: list[Record]) -> Path:
    """Give a journal with that case, to be copied."""
    directory = tmp_path_factory.mktemp("written")
    on_disk(directory, rows)
    return directory


@pytest.fixture
def journal(tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a journal with that case; the work is done in a directory of its own."""
    shutil.copytree(written, tmp_path / "state")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "state"


def test_a_case_is_a_page_and_a_csv_for_its_owner_alone(journal: Path, rows: list[Record]) -> None:
    """Pins the files' names, that only their owner reads them, and that they say what the rows come to."""
    result = call("case-1", "--journal", journal)
    assert result.exit_code == 0, result.output
    assert result.output == "written: report-case-1.html, report-case-1.csv\n"
    told = report(rows)
    page = Path("report-case-1.html")
    assert Page(page.read_text()).table("Dose").rows[0][1] == f"{told.dose_mg:.3f}"
    assert Reader(journal).verify().hash.hex() in page.read_text()
    for path in (page, page.with_suffix(".csv")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with page.with_suffix(".csv").open(newline="") as file:
        assert {line["case"] for line in csv.DictReader(file)} == {"case-1"}
    assert sorted(Path().iterdir()) == [page.with_suffix(".csv"), page], "nothing else is left"


def test_limits_come_from_the_protocol_of_the_same_hash(journal: Path) -> None:
    """Pins that with the shipped protocol at hand limits are drawn and the hard limit is given."""
    call("case-1", "--journal", journal)
    text = Path("report-case-1.html").read_text()
    assert 'class="limit"' in text
    assert Page(text).table("Dose").rows[2][0:2] == ["hard limit of the protocol", "70.000"]
    assert "NOT SIGNED" in text


def test_the_mode_is_said_as_it_is_on_record(journal: Path) -> None:
    """Pins the banner of the mode that the gateway was in, with a configuration and without one."""
    assert call("case-1", "--journal", journal, "-c", CONFIG).exit_code == 0
    assert "TEST – NOT A PATIENT" in Path("report-case-1.html").read_text()
    assert call("case-1", "--journal", journal, "--out", "other.html").exit_code == 0
    assert "TEST – NOT A PATIENT" in Path("other.html").read_text()
    assert Path("other.csv").exists()


def test_a_day_is_a_page_too(journal: Path, rows: list[Record]) -> None:
    """Pins the day's line against the case's own report: though only the last reading is looked up, the dose is it."""
    result = call("--day", DAY, "--journal", journal, "--csv", "figures.csv")
    assert result.output == f"written: report-{DAY}.html, figures.csv\n"
    told = report(rows)
    seen = Page(Path(f"report-{DAY}.html").read_text())
    (line,) = seen.table("1 cases").rows
    assert line[4] == f"{told.dose_mg:.3f}"
    assert line[8] == "0"
    assert line[9] == "1"
    figures = dict(seen.table("All alarms").rows)
    assert figures["cases that infused"] == "1"
    assert isinstance(rows[-1].event, Sampled), "it is under way: its newest row is a reading"
    assert figures["hours observed"] == f"{observed(told) / (60 * MINUTE):.2f}"


def test_a_day_counts_what_a_case_that_was_given_up_got(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the day's dose of a case that was aborted in mid infusion, at a bed that then stood for minutes."""
    bed = Bed()
    bed.infuse()
    bed.run(60)
    bed.ask(Abort("the patient left"), by="nurse-1")
    bed.run(200)
    on_disk(tmp_path, bed_rows(bed))
    monkeypatch.chdir(tmp_path)
    assert call("--day", DAY, "--journal", ".").exit_code == 0
    (line,) = Page(Path(f"report-{DAY}.html").read_text()).table("1 cases").rows
    assert float(line[4]) == pytest.approx(bed.pump.given, abs=bed.pump.resolution)
    assert bed.pump.given > 0.8


def test_the_newest_row_of_a_type_is_found(journal: Path, rows: list[Record]) -> None:
    """Pins the look-up behind a day's line: the last of a bed's rows of this type up to a row; None for none."""
    reader = Reader(journal)
    samples = [row.sequence for row in rows if isinstance(row.event, Sampled)]
    newest = reader.newest("chair-1", "sampled", rows[-1].sequence)
    assert newest is not None
    assert newest.sequence == samples[-1]
    before = reader.newest("chair-1", "sampled", samples[-1] - 1)
    assert before is not None
    assert before.sequence == samples[-2]
    assert reader.newest("chair-2", "sampled", rows[-1].sequence) is None


def test_a_day_is_by_the_zone_that_is_said(journal: Path) -> None:
    """Pins that a case of 08:16 UTC is of the day before in Honolulu, and that the page names the zone."""
    assert call("--day", DAY, "--zone", "Pacific/Honolulu", "--journal", journal).exit_code == NO_CASE
    assert call("--day", "2027-01-14", "--zone", "Pacific/Honolulu", "--journal", journal).exit_code == 0
    text = Path("report-2027-01-14.html").read_text()
    assert "Pacific/Honolulu" in text
    assert "22:1" in text


def test_what_is_not_there_is_answered(journal: Path) -> None:
    """Pins exit 1 for a case that is unknown, 3 for days without cases, what there is instead; nothing is written."""
    result = call("case-77", "--journal", journal)
    assert result.exit_code == 1
    assert "the journal has no case 'case-77'; there is case-1" in result.output
    result = call("--day", "2026-11-22", "--journal", journal)
    assert result.exit_code == NO_CASE == 3
    assert f"no case was ordered on 2026-11-22 (UTC); there are cases on {DAY}" in result.output
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which: a CASE, or --day DATE"),
        (("case-1", "--day", DAY), "say which"),
        (("--day", "yesterday"), "is no day, such as 2026-11-22"),
        (("--day", "9999-12-31"), "is no day"),
        (("--day", "20261122"), "is no day"),
        (("--day", "2026-W47-7"), "is no day"),
        (("--day", "٢٠٢٦-11-22"), "is no day"),
        (("--day", DAY, "--zone", "Mars/Olympus"), "is no zone"),
        (("--day", DAY, "--zone", "../../etc/passwd"), "is no zone"),
        (("case-1", "--out", "nowhere/x.html"), "there is no directory"),
        (("case-1", "--out", "x.csv"), "a name each"),
    ],
)
def test_bad_input_is_refused(journal: Path, arguments: tuple[str, ...], said: str) -> None:
    """Pins exit 2 and words with a way out."""
    result = call(*arguments, "--journal", journal)
    assert result.exit_code == 2
    assert said in re.sub(r"\s+", " ", result.output)


def test_a_file_that_is_there_stays(journal: Path) -> None:
    """Pins that nothing is written over, not the journal either, unless --force says so."""
    before = (journal / FILE).read_bytes()
    assert call("case-1", "--journal", journal, "--out", journal / FILE).exit_code == 2
    assert (journal / FILE).read_bytes() == before
    Path("report-case-1.csv").write_text("mine")
    assert "--force" in call("case-1", "--journal", journal).output
    assert Path("report-case-1.csv").read_text() == "mine"
    assert call("case-1", "--journal", journal, "--force").exit_code == 0
    assert Path("report-case-1.csv").read_text().startswith("kind,case")


def test_a_damaged_journal_is_told_and_said_to_be(journal: Path) -> None:
    """Pins that a row that was altered afterwards gives a page with the warning, words on the terminal, and exit 1."""
    with sqlite3.connect(journal / FILE) as connection:
        connection.execute("UPDATE record SET body = replace(body, 'nurse-1', 'nurse-9') WHERE type = 'case-ordered'")
    connection.close()
    result = call("case-1", "--journal", journal)
    assert result.exit_code == 1
    assert "the journal is damaged" in result.output
    text = Path("report-case-1.html").read_text()
    assert "THE JOURNAL IS DAMAGED" in text
    assert "the chain breaks at row" in text
    assert "nurse-9" in text


def test_a_journal_that_breaks_the_telling_is_an_answer(journal: Path) -> None:
    """Pins that rows no gateway would have written end in words and exit 1, no traceback; and a torn file too."""
    with sqlite3.connect(journal / FILE) as connection:
        connection.execute(
            'UPDATE record SET body = replace(body, \'"concentration_mg_ml":1.0\', \'"concentration_mg_ml":"NaN"\')'
        )
        connection.execute("UPDATE record SET utc_ns = -9000000000000000000 WHERE sequence % 7 = 0")
        connection.execute("UPDATE record SET at_ns = 9000000000000000000 WHERE sequence % 11 = 0")
    connection.close()
    assert call("case-1", "--journal", journal).exit_code == 1
    (journal / FILE).write_bytes((journal / FILE).read_bytes()[:9000])
    assert call("case-1", "--journal", journal, "--force").exit_code == 1


def test_a_case_with_a_hostile_code_is_written_where_it_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins that a code with a path in it names no path."""
    bed = Bed()
    bed.run(3)
    bed.order(case="../../x y")
    on_disk(tmp_path / "state", bed_rows(bed))
    monkeypatch.chdir(tmp_path / "state")
    assert "written: report-.._.._x_y.html" in call("../../x y", "--journal", ".").output


def test_pdf_says_what_to_install(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins exit 2 before anything is written where WeasyPrint or its system library is missing."""
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    result = call("case-1", "--journal", journal, "--pdf", "case.pdf")
    assert result.exit_code == 2
    said = re.sub(r"\s+", " ", result.output)
    assert "pip install 'infusion-gateway[pdf]'" in said
    assert "libpango" in said
    assert list(Path().iterdir()) == []


def test_a_pdf_is_made_of_the_page_and_loads_nothing(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins what WeasyPrint is given: the page as written, and a fetcher that refuses every address."""
    given: list[str] = []

    class HTML:
        def __init__(self, string: str, url_fetcher: object) -> None:
            given.append(string)
            with pytest.raises(ValueError, match="a report loads nothing"):
                url_fetcher("file:///etc/passwd")

        def write_pdf(self) -> bytes:
            return b"%PDF-1.7"

    monkeypatch.setitem(sys.modules, "weasyprint", SimpleNamespace(HTML=HTML))
    assert call("case-1", "--journal", journal, "--pdf", "case.pdf").exit_code == 0
    assert Path("case.pdf").read_bytes() == b"%PDF-1.7"
    assert given == [Path("report-case-1.html").read_text()]


def test_several_days_are_a_page_and_the_audit_for_a_program(journal: Path) -> None:
    """Pins a span's file names, that the JSON says what it rests on, and how a span that is none is refused."""
    result = call("--day", "2027-01-01", "--to", "2027-01-31", "--journal", journal, "--json", "audit.json")
    name = "report-2027-01-01-to-2027-01-31"
    assert result.output == f"written: {name}.html, {name}.csv, audit.json\n"
    read = json.loads(Path("audit.json").read_text())
    assert (read["source"], read["complete"]) == ("journal", True)
    assert read["banners"] == ["TEST – NOT A PATIENT'S RECORD"]
    assert Reader(journal).verify().hash.hex() in read["notes"][0]
    for wrong in (["--to", "2026-12-31"], ["--to", "2028-01-10"]):
        assert call("--day", "2027-01-01", *wrong, "--journal", journal).exit_code == 2
    for wrong in (["--to", DAY], ["--json", "x.json"]):
        assert call("case-1", *wrong, "--journal", journal).exit_code == 2
