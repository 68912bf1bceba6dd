"""Tests of the wire log: complete, bounded, and never in the way."""

import re
import threading
import time

import pytest

from infusion_gateway.devices.driver import ReadRegisters, Table
from infusion_gateway.runtime import wirelog
from infusion_gateway.runtime.wirelog import WireLog

NOON = 1_795_348_800_123_456_789
READ = ReadRegisters(Table.INPUT, 0, 2, 300_000_000)


def test_a_line_says_when_which_way_what_and_what_it_means(tmp_path):
    """Pins the format: UTC to the microsecond, line, direction, hex, and the repr of what the bytes were."""
    log = WireLog(tmp_path / "wire")
    log.note(NOON, "bed-1-pump", ">", b"\x01\x04\xff", READ)
    log.note(NOON + 10**9, "bed-1-pump", "<", b"\r", "noise", 7)
    log.note(NOON, "bed-1-pump", "!", b"", "drain")
    log.close()
    first, second, third = (tmp_path / "wire").read_text().splitlines()
    assert first == f"2026-11-22T12:00:00.123456Z bed-1-pump > 01 04 ff  {READ!r}"
    assert second == "2026-11-22T12:00:01.123456Z bed-1-pump < 0d  noise; 7"
    assert third == "2026-11-22T12:00:00.123456Z bed-1-pump ! -  drain"


def test_every_byte_of_many_lines_is_there_in_order(tmp_path):
    """Pins that nothing is lost or turned round below the bound."""
    log = WireLog(tmp_path / "wire")
    for number in range(1000):
        log.note(NOON, f"line-{number % 3}", ">", number.to_bytes(2, "big"))
    log.close()
    found = re.findall(r"> ([0-9a-f ]{5})", (tmp_path / "wire").read_text())
    assert [int(text.replace(" ", ""), 16) for text in found] == list(range(1000))


def test_a_second_run_appends(tmp_path):
    """Pins that a restart keeps what the run before wrote."""
    for text in ("first", "second"):
        log = WireLog(tmp_path / "wire")
        log.note(NOON, "x", "!", b"", text)
        log.close()
    assert [line.split()[-1] for line in (tmp_path / "wire").read_text().splitlines()] == ["first", "second"]


def test_the_size_is_bounded(tmp_path):
    """Pins that however much is logged two files of the bound are all there is, and that the newest is kept."""
    log = WireLog(tmp_path / "wire", bytes_max=2000)
    for number in range(200):
        log.note(NOON, "x", ">", b"0123456789", f"number {number}")
    log.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"wire", "wire.1"}
    assert max(sizes.values()) <= 2000
    text = (tmp_path / "wire").read_text()
    assert "number 199" in text
    assert ".1" in text.splitlines()[0]


class Stuck:
    """A value whose repr waits, as a slow disk would."""

    def __init__(self):
        self.go_on = threading.Event()

    def __repr__(self):
        self.go_on.wait(5)
        return "stuck"


def test_a_slow_disk_costs_entries_and_never_the_caller(tmp_path):
    """Pins that with the writer stuck entries are dropped, counted, and told in the file, while the caller goes on."""
    log, stuck = WireLog(tmp_path / "wire"), Stuck()
    log.note(NOON, "x", "!", b"", stuck)
    begun = time.monotonic()
    for _ in range(wirelog.WAITING_MAX + 100):
        log.note(NOON, "x", ">", b"a")
    assert time.monotonic() - begun < 30  # a caller that waited for the disk would wait for ever
    stuck.go_on.set()
    log.close(timeout_s=60)
    log = WireLog(tmp_path / "wire")
    log.close(timeout_s=60)
    lines = (tmp_path / "wire").read_text().splitlines()
    dropped = [int(line.split()[0]) for line in lines if "dropped here" in line]
    assert sum(dropped) in (99, 100, 101)  # as far as the writer had got when the queue was full
    assert len(lines) - len(dropped) + sum(dropped) == wirelog.WAITING_MAX + 101


def test_a_full_disk_ends_the_log_and_says_so(tmp_path):
    """Pins that a write error is told once, in `failed`, and that noting and closing still do no harm."""
    log = WireLog(tmp_path / "wire")
    log._file.close()  # every write from here on is a ValueError
    log.note(NOON, "x", ">", b"a")
    log._thread.join(5)
    assert "wire log ended" in log.failed
    log.note(NOON, "x", ">", b"b")
    log.close()


def test_a_file_that_cannot_be_opened_is_told_at_once(tmp_path):
    """Pins that a wrong path is an OSError at the start, not a silence later."""
    with pytest.raises(OSError, match="absent"):
        WireLog(tmp_path / "absent" / "wire")


def test_closing_a_stuck_log_gives_up(tmp_path):
    """Pins that a disk that hangs can't hold up the end of the process."""
    log, stuck = WireLog(tmp_path / "wire"), Stuck()
    log.note(NOON, "x", "!", b"", stuck)
    begun = time.monotonic()
    log.close(timeout_s=0.1)
    assert time.monotonic() - begun < 2
    stuck.go_on.set()
