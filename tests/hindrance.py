"""How long the machine kept the processes of a test waiting, so that a promise in seconds can be held on a busy one.

A bound that is a product's promise stays sharp where the machine is quiet; what others took of the processor meanwhile
is counted, not guessed: Linux keeps for each thread how long it was ready to run and waited (/proc/PID/schedstat).
"""

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
SECOND_NS = 1e9


def tree(pid: int) -> Iterator[int]:
    """Give a process and all that it has started, as far as they still run."""
    yield pid
    for thread in _entries(PROC / str(pid) / "task"):
        for child in _text(thread / "children").split():
            yield from tree(int(child))


class Hindrance:
    """Counts from when it is made: this process, and all that it has started, on every thread."""

    def __init__(self) -> None:
        self._before = _waited_ns(os.getpid())

    @property
    def s(self) -> float:
        """Seconds since then in which they were ready to run and no processor was free; 0 where nobody counts it."""
        now = _waited_ns(os.getpid())
        return sum(ns - self._before.get(thread, 0) for thread, ns in now.items()) / SECOND_NS


def _waited_ns(pid: int) -> dict[str, int]:
    """Give, for each thread of the tree, its time on run queues (the second figure of its schedstat)."""
    threads = [thread for one in tree(pid) for thread in _entries(PROC / str(one) / "task")]
    figures = {thread.name: _text(thread / "schedstat").split() for thread in threads}
    return {name: int(found[1]) for name, found in figures.items() if len(found) > 1}


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:  # it has ended meanwhile
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # likewise
        return ""
