"""The gateway's own means, looked at: is there room on the disk, does the wall clock follow a reference."""

import ctypes
import shutil
from collections.abc import Callable
from pathlib import Path

from infusion_gateway.model.inputs import GateChanged

ROOM = 64 * 1024 * 1024
"""Bytes that must be free: a session's journal is some ten megabytes."""
UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2): the kernel's clock follows nobody."""
TIMEX_BYTES = 512
"""More than any struct timex; all zero, modes = 0: read only."""


def kernel_clock_state() -> int:
    """Give the state of the kernel's clock as adjtimex(2) has it; -1 where it can't be asked."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (AttributeError, OSError):
        return -1


def clock(state: Callable[[], int] = kernel_clock_state) -> GateChanged:
    """Judge the wall clock: times on the record are only as right as it is. Unknown is not fine."""
    found = state()
    if found < 0:
        return GateChanged("clock", open=False, why="whether the clock is synchronised can't be told on this machine")
    if found == UNSYNCHRONISED:
        return GateChanged("clock", open=False, why="the clock is not synchronised: start a time service")
    return GateChanged("clock", open=True, why="")


def disk(directory: Path) -> GateChanged:
    """Judge the disk that the journal is on."""
    try:
        free = shutil.disk_usage(directory).free
    except OSError as error:
        return GateChanged("disk", open=False, why=f"the disk can't be looked at: {error.strerror}")
    if free < ROOM:
        return GateChanged("disk", open=False, why=f"only {free // 2**20} MiB are free: make room")
    return GateChanged("disk", open=True, why="")
