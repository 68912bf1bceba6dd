"""Nothing is left of a process that was killed: its children end with it, and its directory goes with the next one."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

YOUNG_S = 60.0
"""One that is so young may be somebody's who has not locked it yet."""
_TETHERED = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"  # PR_SET_PDEATHSIG (prctl(2)): it holds over exec
    "if os.getppid() == int(sys.argv[1]):\n"  # else whoever started it was gone before
    "    os.execvp(sys.argv[2], sys.argv[2:])\n"
)


def tethered(command: Sequence[str]) -> tuple[str, ...]:
    """Give how a program is started so that Linux sends it SIGTERM once this process is gone, even by SIGKILL.

    To be started by a thread that lasts: it is the thread's end that counts. The program keeps the process's id.
    """
    return (sys.executable, "-I", "-S", "-c", _TETHERED, str(os.getpid()), *command)


async def guarded(process: int) -> asyncio.subprocess.Process:
    """Start what ends another child once this process is gone: one that changes its user, which ends being tethered.

    Kill it before that child is waited for: afterwards its id may be anybody's.
    """
    script = 'read -r end; kill "$1"'  # its input is a pipe that only this process holds
    return await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", script, "guard", str(process), stdin=asyncio.subprocess.PIPE, start_new_session=True
    )


@contextlib.contextmanager
def temporary(prefix: str) -> Iterator[Path]:
    """Give a directory of one's own for as long as this is entered; those that dead processes left go first.

    prefix: used by nothing else, for a directory of that name which nobody holds locked is taken for left.
    """
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            _clear(path)
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # until this process ends, however it does; no child inherits it
            yield Path(name)
        finally:
            os.close(handle)


def _clear(path: Path) -> None:
    """Remove a directory of ours whose process is gone. OSError: it isn't ours, or somebody has it."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(handle)
        if found.st_uid == os.geteuid() and time.time() - found.st_mtime >= YOUNG_S:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(handle)
