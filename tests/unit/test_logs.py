"""Logs: words for people, JSON for machines, and no locals of a traceback in either."""

import ast
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from infusion_gateway.runtime import logs


@pytest.fixture
def restored() -> Iterator[None]:
    """Put logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(path: Path) -> list[dict[str, object]]:
    """Read what the file holds once everything is written."""
    logging.getLogger().handlers[0].flush()
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.requirement("S26")
def test_an_error_is_json_in_the_file_and_keeps_locals_out(
    tmp_path: Path, restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pins one JSON object a line with level and time, the traceback without the values of its variables."""
    logs.configure(level="info", json_file=tmp_path / "log.json")
    log = structlog.get_logger("test")
    secret = "pass" + "word-of-the-broker"
    try:
        int(f"{len(secret)} characters")
    except ValueError:
        log.exception("failed", bed="chair-1")
    written = lines(tmp_path / "log.json")
    assert written[0]["event"] == "failed"
    assert written[0]["bed"] == "chair-1"
    assert written[0]["level"] == "error"
    assert "ValueError" in str(written[0]["exception"])
    shown = capsys.readouterr().err
    assert "ValueError" in shown
    assert secret not in shown + (tmp_path / "log.json").read_text()


def test_what_is_below_the_level_is_not_written(tmp_path: Path, restored: None) -> None:
    """Pins the level, and that pymodbus's chatter stays out whatever the level is."""
    logs.configure(level="info", json_file=tmp_path / "log.json")
    structlog.get_logger("test").debug("small talk")
    logging.getLogger("pymodbus").error("frames")
    structlog.get_logger("test").info("told")
    assert [line["event"] for line in lines(tmp_path / "log.json")] == ["told"]


class Hanging(logging.Handler):
    """What lines go to, on a disk that hangs: until `goes_on` is set, nothing returns."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on, self.written = threading.Event(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        """Wait for the disk."""
        self.goes_on.wait(20)
        self.written.append(record.getMessage())


def test_a_disk_that_hangs_holds_nobody_up_and_what_was_lost_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a line waits for nothing, that what waits is bounded, and that what found no room is told."""
    monkeypatch.setattr(logs, "WAITING", 5)
    monkeypatch.setattr(logs, "WRITTEN_S", 0.05)
    disk = Hanging()
    behind = logs.Behind([disk])
    for n in range(20):  # each returns at once: with the disk in between this would take minutes
        behind.handle(logging.makeLogRecord({"msg": f"line {n}", "levelno": logging.INFO}))
    behind.flush()
    assert disk.written == []
    disk.goes_on.set()
    monkeypatch.setattr(logs, "WRITTEN_S", 20.0)
    behind.close()
    told = [line for line in disk.written if line.startswith("line ")]
    lost = [int(line.split()[0]) for line in disk.written if "not written" in line]
    assert 5 <= len(told) <= 6
    assert sum(lost) + len(told) == 20


LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
PERSONAL = {
    "by",
    "reason",
    "subject",
    "text",
    "payload",
    "message",
    "arguments",
    "instruction_reason",
    "case",
    "password",
}


def test_nothing_that_a_person_enters_is_logged() -> None:
    """Pins what log lines carry: no key under which a person's words, a subject, a case or a secret would stand."""
    root = Path(__file__).parents[2] / "src/infusion_gateway"
    found: dict[str, set[str]] = {}
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(called, ast.Attribute) or called.attr not in LEVELS:
                continue
            if isinstance(called.value, ast.Name) and called.value.id == "log":
                assert isinstance(node, ast.Call)
                keys = {keyword.arg or "**" for keyword in node.keywords}
                found.setdefault(path.name, set()).update(keys)
                first = node.args[0] if called.attr != "log" else node.args[1]
                assert isinstance(first, ast.Constant), f"{path.name}: a line's own words are fixed"
    assert len(found) > 5
    assert not {name: keys & (PERSONAL | {"**"}) for name, keys in found.items() if keys & (PERSONAL | {"**"})}
