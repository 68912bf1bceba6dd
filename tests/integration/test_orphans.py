"""What a killed process leaves: no child that runs on, and no directory that nobody ever clears."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from infusion_gateway.runtime.orphans import YOUNG_S, temporary

PARENT = """
import subprocess, sys
from infusion_gateway.runtime.orphans import tethered
child = subprocess.Popen(tethered(["sleep", "60"]), start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def runs(pid: int, what: str) -> bool:
    """Say whether a process runs this program."""
    with contextlib.suppress(OSError):
        return what in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    return False


def until(pid: int, what: str, *, there: bool) -> None:
    """Wait until a process runs this, or doesn't any more."""
    deadline = time.monotonic() + 10
    while runs(pid, what) != there:
        assert time.monotonic() < deadline, f"{what} {'does not run' if there else 'runs on'}"
        threading.Event().wait(0.01)


def test_a_child_ends_with_who_started_it() -> None:
    """Pins that a tethered program, in a session of its own, is gone soon after its parent was killed."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until(child, "sleep", there=True)
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    until(child, "sleep", there=False)


def test_a_directory_of_a_dead_process_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins what is cleared: an old one that nobody holds; not one that is held, young, a link, or of another name."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = ("igw-try-left", "igw-try-held", "igw-try-young", "igw-other")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
        if name != "igw-try-young":
            os.utime(tmp_path / name, times=(0, time.time() - 2 * YOUNG_S))
    (tmp_path / "igw-try-link").symlink_to(tmp_path / "igw-other")
    held = os.open(tmp_path / "igw-try-held", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with temporary("igw-try-") as made:
        assert made.is_dir()
        there = {path.name for path in tmp_path.iterdir()} - {made.name}
    os.close(held)
    assert there == {"igw-try-held", "igw-try-young", "igw-other", "igw-try-link"}
    assert not made.exists()
    assert (tmp_path / "igw-other" / "file").exists()
