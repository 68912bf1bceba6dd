"""The machine itself: how fast its disk has a record safely, and whether its clock follows a reference."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from infusion_gateway.commissioning.findings import Finding, Place, Verdict
from infusion_gateway.commissioning.judging import synced
from infusion_gateway.runtime import means

RECORDS = 50
RECORD_BYTES = 4096
PROBE = "commissioning.probe"


def disk(directory: Path, sync: Callable[[int], None] = os.fsync) -> Finding:
    """Write records there one after the other, each synced before the next; blocks for as long as the disk needs."""
    path, took, why = directory / PROBE, [], ""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            for _ in range(RECORDS):
                began = time.monotonic()
                os.write(handle, bytes(RECORD_BYTES))
                sync(handle)
                took.append(time.monotonic() - began)
        finally:
            os.close(handle)
            path.unlink(missing_ok=True)
    except OSError as error:
        why = f"nothing can be kept in {directory}: {error.strerror}"
    room = means.disk(directory)
    return synced(Place(), took, why or room.why)


def clock(state: Callable[[], int] = means.kernel_clock_state) -> Finding:
    """Judge the wall clock."""
    found = means.clock(state)
    verdict = Verdict.PASSED if found.open else Verdict.FAILED
    return Finding(Place(), "clock", verdict, found.why or "the wall clock follows a reference")
