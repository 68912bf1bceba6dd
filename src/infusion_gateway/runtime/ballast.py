"""Room in reserve on the journal's disk: a file that is given up when the disk is full, so that the record goes on.

4 MiB are some ten thousand events: the rest of a session under way. No new one is armed by then (the gate `disk`).
"""

import contextlib
import os
import shutil
from pathlib import Path

NAME = "journal.ballast"
BYTES = 4 << 20
ROOMY = 16 * BYTES
"""Bytes that must be free for it to be laid: as many as the gate `disk` wants."""


def lay(directory: Path) -> None:
    """Put it there, where it is not and there is room; where that fails there is none, which harms nothing."""
    path = directory / NAME
    with contextlib.suppress(OSError):
        if path.exists() or shutil.disk_usage(directory).free < ROOMY:
            return
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, BYTES)
        finally:
            os.close(handle)


def give_up(directory: Path) -> bool:
    """Take it away; true where there was one."""
    try:
        (directory / NAME).unlink()
    except OSError:
        return False
    return True
