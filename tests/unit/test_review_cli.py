"""`log` and `replay` as commands: what is printed, for people and for programs, and how bad input is refused."""

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core_bed import Bed, bed_setup
from infusion_gateway import cli_review
from infusion_gateway.cli import cli
from infusion_gateway.config import protocols
from infusion_gateway.model.events import CaseOrdered, GatewayStarted
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import Order
from infusion_gateway.runtime.journal_store import FILE
from infusion_gateway.wire.records import Record
from reviewing import bed_rows, on_disk, rows_of

SHIPPED = protocols.shipped()


def call(*arguments: str | Path) -> Result:
    """Run a command as a terminal would."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def desaturated() -> list[Record]:
    """Play a case under the shipped depression-40: 83 percent after a minute; stopped, and closed with a reason."""
    bed = Bed(bed_setup(protocols.load(SHIPPED / "depression-40.toml")))
    bed.infuse()
    bed.run(60)
    bed.monitor.values[Metric.SPO2] = 83
    bed.run(30)
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(30)
    return bed_rows(bed)


@pytest.fixture(scope="module")
def rows() -> list[Record]:
    """Give one case's rows."""
    return desaturated()


@pytest.fixture
def journal(tmp_path: Path, rows: list[Record]) -> Path:
    """Give the directory of a journal with that case."""
    on_disk(tmp_path / "state", rows)
    return tmp_path / "state"


@pytest.fixture
def lax(tmp_path: Path) -> Path:
    """Give a protocol file that stops for low oxygen only below 70 percent."""
    text = (SHIPPED / "depression-40.toml").read_text()
    for limit in ("90", "85"):
        text = text.replace(f'when = "< {limit} %"', f'when = "< {int(limit) - 20} %"')
    text = text.replace('name = "depression-40"', 'name = "lax"')
    assert '"< 65 %"' in text
    (tmp_path / "lax.toml").write_text(text)
    return tmp_path / "lax.toml"


def test_replay_shows_that_the_same_comes_again(journal: Path) -> None:
    """Pins the table under the same protocol: both columns, all the same, and what is not on record said."""
    result = call("replay", journal)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("case case-1, bed chair-1, ordered 20")
    assert "under depression-40" in lines[0]
    (stop,) = [line for line in lines if line.startswith("stop asked: spo2-low")]
    recorded, again = stop.split()[-2:]
    assert recorded.startswith("+01:0")
    assert again.startswith("+01:0")
    assert not [line for line in lines if "not reproduced" in line or "differs" in line]
    assert "come again within a second" in result.output
    assert "Not on record: bytes" in result.output


def test_replay_under_other_limits_is_marked(journal: Path, lax: Path) -> None:
    """Pins the third column: what would not have come is a dash, marked, and where the courses part is said."""
    result = call("replay", journal, "--protocol", lax)
    assert result.exit_code == 0, result.output
    (stop,) = [line for line in result.output.splitlines() if line.startswith("stop asked: spo2-low")]
    assert stop.split()[-2:] == ["-", "differs"]
    assert "under lax" in result.output
    assert "the courses part at +01:" in result.output


def test_replay_for_programs(journal: Path, lax: Path) -> None:
    """Pins the JSON: protocols with digests, whether it was reproduced, each row with times and reasons."""
    told = json.loads(call("replay", journal, "--protocol", lax, "--json").output)
    assert told["case"] == "case-1"
    assert told["reproduced"] is True
    assert told["protocols"]["again"]["name"] == "depression-40"
    assert told["protocols"]["other"]["digest"] == protocols.load(lax).digest
    assert told["parted"]["other"]["at_s"] == pytest.approx(65, abs=3)
    (stop,) = [row for row in told["rows"] if row["what"] == "stop asked: spo2-low"]
    assert stop["other"] is None
    assert stop["mark"] == "differs"
    assert abs(stop["again"]["at_s"] - stop["recorded"]["at_s"]) <= 1
    assert "SpO2 83 %" in stop["again"]["why"]
    (armed,) = [row for row in told["rows"] if row["what"] == "phase armed"]
    assert armed["mark"] == "as it was"


def test_a_journal_that_a_gateway_writes_is_read_beside_it(tmp_path: Path, rows: list[Record]) -> None:
    """Pins reading while the writer is open and its newest rows are in the WAL alone; and that nothing is written."""
    store = on_disk(tmp_path, rows, keep_open=True)
    before = (tmp_path / FILE).read_bytes()
    assert (tmp_path / f"{FILE}-wal").stat().st_size > 0
    assert "come again within a second" in call("replay", tmp_path).output
    assert "stop-asked" in call("log", tmp_path).output
    assert call("log", tmp_path, "--verify").exit_code == 0
    assert (tmp_path / FILE).read_bytes() == before
    store.close()


def test_a_copy_is_read_too(tmp_path: Path, journal: Path) -> None:
    """Pins that the file alone is enough, and may be named itself."""
    shutil.copy(journal / FILE, tmp_path / FILE)
    assert call("replay", tmp_path).output == call("replay", journal).output
    assert call("log", tmp_path / FILE).output == call("log", journal).output


def test_a_copy_where_nothing_may_be_written_is_read(
    tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pins a copy on a medium that can't be written: it is read, and nothing is left beside it."""
    expected = call("log", journal).output
    shutil.copy(journal / FILE, tmp_path / FILE)
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("infusion_gateway.runtime.journal_store.os.access", lambda _, mode: mode != os.W_OK)
    assert call("log", tmp_path).output == expected
    assert "the chain holds" in call("log", tmp_path, "--verify").output
    assert sorted(tmp_path.iterdir()) == before


def test_the_log_says_what_happened(journal: Path, rows: list[Record]) -> None:
    """Pins a line for each event, in order, with UTC, bed, event and words; readings are not listed."""
    lines = call("log", journal).output.splitlines()
    assert len(lines) == sum(record.bed_sequence is not None for record in rows)
    assert lines[0].startswith("2027-01-15T08:16:40.000Z  chair-1  gateway-started  ")
    times = [line.split()[0] for line in lines]
    assert times == sorted(times)
    (stop,) = [line for line in lines if "  stop-asked  " in line]
    assert "SpO2 83 %" in stop
    assert not [line for line in lines if "  sampled  " in line]


def test_the_log_for_programs(journal: Path, rows: list[Record]) -> None:
    """Pins one JSON object a line, each with the event's own fields."""
    told = [json.loads(line) for line in call("log", journal, "--json").output.splitlines()]
    assert [one["sequence"] for one in told] == [record.sequence for record in rows if record.bed_sequence is not None]
    (ordered,) = [one for one in told if one["type"] == "case-ordered"]
    assert ordered["event"]["case"] == "case-1"
    assert ordered["event"]["order"]["rate_ml_h"] == 52.5


def test_the_log_of_a_case_and_of_the_last_minutes(journal: Path) -> None:
    """Pins --case, --bed and --since, both as a time and as a length before the newest event."""
    everything = call("log", journal).output.splitlines()
    of_case = call("log", journal, "--case", "case-1").output.splitlines()
    assert of_case == everything[everything.index(of_case[0]) :]
    assert "case-ordered" in of_case[0]
    assert call("log", journal, "--bed", "chair-1").output.splitlines() == everything
    latest = call("log", journal, "--since", "20 s").output.splitlines()
    assert latest == everything[-len(latest) :]
    assert 0 < len(latest) < len(everything)
    at = latest[0].split()[0]
    assert call("log", journal, "--since", at).output.splitlines() == latest
    assert call("log", journal, "--since", at.removesuffix("Z")).output.splitlines() == latest
    assert call("log", journal, "--since", "2099-01-01T00:00:00Z").output == ""


def test_verify_names_the_first_bad_row(journal: Path) -> None:
    """Pins that a sound chain is said with its head, and one altered row is named, with what to do, exit 1."""
    assert "the chain holds: the last row is " in call("log", journal, "--verify").output
    with sqlite3.connect(journal / FILE) as connection:
        connection.execute("UPDATE record SET body = replace(body, '83', '93') WHERE sequence = 12")
        connection.execute("UPDATE record SET utc_ns = utc_ns + 1 WHERE sequence = 12")
    connection.close()
    broken = call("log", journal, "--verify")
    assert broken.exit_code == 1
    assert "the chain breaks at row 12" in broken.output
    assert "What to do:\n 1. Copy the journal's directory whole" in broken.output
    assert "stop-asked" in call("log", journal).output  # what can be read still is


def test_a_configuration_says_which_journal(tmp_path: Path, journal: Path) -> None:
    """Pins -c FILE: its state directory's journal, and its own bed for the replay."""
    text = (SHIPPED.parent / "bedside.toml").read_text()
    file = tmp_path / "bedside.toml"
    lines = [
        f'state_directory = "{journal}"' if line.startswith("state_directory") else line for line in text.splitlines()
    ]
    file.write_text("\n".join(line for line in lines if not line.startswith("protocol_directory")))
    assert call("log", "-c", file).output == call("log", journal).output
    assert json.loads(call("replay", "-c", file, "--json").output)["case"] == "case-1"


@pytest.mark.parametrize("command", ["log", "replay"])
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "say which journal"),
        (["nowhere"], 2, "there is no journal in nowhere"),
        (["JOURNAL", "--bed", "chair-9"], 2, "no bed 'chair-9'; there is chair-1"),
        (["JOURNAL", "--case", "case-9"], 2, "no case 'case-9'; there is case-1"),
        (["-c", "nowhere.toml"], 2, "no such file"),
    ],
)
def test_what_is_not_there_is_said(command: str, arguments: list[str], code: int, words: str, journal: Path) -> None:
    """Pins exit 2 and clear words where the journal, the bed, the case or the configuration isn't there."""
    result = call(command, *[str(journal) if a == "JOURNAL" else a for a in arguments])
    assert result.exit_code == code
    assert words in result.output


def test_a_time_that_is_none_is_refused(journal: Path) -> None:
    """Pins exit 2 for a --since that is neither a time nor a length of time."""
    result = call("log", journal, "--since", "yesterday")
    assert result.exit_code == 2
    assert "neither a time" in result.output


@pytest.mark.parametrize("command", ["log", "replay"])
def test_a_file_that_is_not_ours_is_refused(command: str, tmp_path: Path, rows: list[Record]) -> None:
    """Pins exit 1: a newer gateway's journal, another program's database, no database at all."""
    on_disk(tmp_path / "newer", rows[:3])
    with sqlite3.connect(tmp_path / "newer" / FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    newer = call(command, tmp_path / "newer")
    assert newer.exit_code == 1
    assert "written by a newer version" in newer.output
    (tmp_path / "other").mkdir()
    with sqlite3.connect(tmp_path / "other" / FILE) as connection:
        connection.execute("CREATE TABLE x (y)")
    connection.close()
    assert "a database of something else" in call(command, tmp_path / "other").output
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / FILE).write_text("no database " * 100)
    text = call(command, tmp_path / "text")
    assert text.exit_code == 1
    assert "not a database" in text.output


def test_an_unknown_protocol_is_refused_with_what_there_is(journal: Path, tmp_path: Path) -> None:
    """Pins exit 2 for a protocol that isn't there, by name or file, and for the case's own where it isn't."""
    unknown = call("replay", journal, "--protocol", "no-such")
    assert unknown.exit_code == 2
    assert "depression-40" in unknown.output
    assert call("replay", journal, "--protocol", tmp_path / "none.toml").exit_code == 2
    (tmp_path / "empty").mkdir()
    gone = call("replay", journal, "--directory", tmp_path / "empty")
    assert gone.exit_code == 2
    assert "no protocol 'depression-40'" in gone.output


def test_a_bed_without_a_case_and_a_case_that_was_never_armed(tmp_path: Path) -> None:
    """Pins exit 1 where there is nothing to put through again."""
    started = GatewayStarted("0", True, None, "began")
    on_disk(tmp_path / "bare", rows_of([(SECOND, started)]))
    assert call("replay", tmp_path / "bare").exit_code == 1
    assert "the journal has no case" in call("replay", tmp_path / "bare").output
    assert "bed chair-1 has had no case" in call("replay", tmp_path / "bare", "--bed", "chair-1").output
    order = Order("depression-40", 70.0, 1.0, 52.5, 50.0, 40 * MINUTE, 35.0)
    ordered = CaseOrdered("case-1", "s", order, "nurse-1", "the first entry")
    on_disk(tmp_path / "ordered", rows_of([(SECOND, started), (2 * SECOND, ordered)]))
    unarmed = call("replay", tmp_path / "ordered")
    assert unarmed.exit_code == 1
    assert "was never armed" in unarmed.output


def test_a_protocol_altered_since_is_said(tmp_path: Path, journal: Path, rows: list[Record]) -> None:
    """Pins that a file that isn't the one on record with the case is named."""
    (tmp_path / "p").mkdir()
    for file in SHIPPED.glob("*.toml"):
        shutil.copy(file, tmp_path / "p")
    with (tmp_path / "p" / "depression-40.toml").open("a") as file:
        file.write("# a byte more\n")
    told = call("replay", journal, "--directory", tmp_path / "p").output
    assert "the file of depression-40 is not the one that the case was held against" in told
    assert "is not the one" not in call("replay", journal).output


def test_what_breaks_a_decision_is_said_and_not_thrown(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a record which `step` can't take ends in words, exit 1."""

    def breaks(*_: object) -> None:
        raise ArithmeticError("no such number")

    monkeypatch.setattr(cli_review, "replayed", breaks)
    result = call("replay", journal)
    assert result.exit_code == 1
    assert "can't be put through again: ArithmeticError: no such number" in result.output


def test_a_case_longer_than_is_replayed_is_said(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins the bound on rows, and that it is told."""
    monkeypatch.setattr(cli_review, "MOST_ROWS", 80)
    assert "only the first 80 rows" in call("replay", journal).output
