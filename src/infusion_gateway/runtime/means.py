"""The gateway's own means, looked at: the disk's room, the wall clock, and whether somebody commissioned it."""

import ctypes
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from infusion_gateway.core.gates import COMMISSIONED
from infusion_gateway.model.inputs import GateChanged
from infusion_gateway.wire.commissioning import COMMAND, LARGEST, NAME, read

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


def commissioned(directory: Path, beds: Iterable[str], digest: str, version: str) -> dict[str, GateChanged]:
    """Judge, for each bed, the record of the commissioning in the state directory. digest: of what runs now."""
    try:
        with (directory / NAME).open("rb") as file:
            record = read(file.read(LARGEST + 1))
        why = "" if record is not None else f"its commissioning record can't be read; commission it again: {COMMAND}"
    except FileNotFoundError:
        record, why = None, f"this gateway was never commissioned: {COMMAND}"
    except OSError as error:
        record, why = None, f"its commissioning record can't be read: {error.strerror}; commission it again: {COMMAND}"
    said = {bed: why if record is None else record.why_not(bed, digest, version) for bed in beds}
    return {bed: GateChanged(COMMISSIONED, open=not words, why=words) for bed, words in said.items()}
