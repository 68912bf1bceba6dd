"""The wire log: every byte both ways with its time, line, direction and meaning. Written by a thread, bounded twice.

One line an exchange: UTC, line, `>` to the device or `<` from it or `!` for what happened to the line, hex, meaning.
"""

import queue
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from infusion_gateway.model.metric import SECOND

WAITING_MAX = 4096
"""Entries on their way to the disk; more are dropped, counted, and the gap is written down."""

BYTES_MAX = 64 * 1024 * 1024
"""Of one file; then it becomes FILE.1 (the one before it is gone) and a new one begins."""


@dataclass(frozen=True, slots=True)
class _Entry:
    utc_ns: int
    line: str
    direction: str
    data: bytes
    meaning: tuple[object, ...]

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.utc_ns // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        meaning = "; ".join(m if isinstance(m, str) else repr(m) for m in self.meaning)
        hexed = self.data.hex(" ") or "-"
        return f"{when}.{self.utc_ns % SECOND // 1000:06}Z {self.line} {self.direction} {hexed}  {meaning}\n"


class WireLog:
    """One file for all lines. Raises OSError where it can't be opened; later trouble ends the log, never the work."""

    def __init__(self, path: Path, bytes_max: int = BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._queue: queue.Queue[_Entry | None] = queue.Queue(WAITING_MAX)
        self._dropped = 0
        self.failed = ""
        """Why nothing is written any more; "" while it is."""
        self._file: IO[str] = path.open("a", encoding="utf-8")
        self._size = self._file.tell()
        self._thread = threading.Thread(target=self._write_all, name="wire log", daemon=True)
        self._thread.start()

    def note(self, utc_ns: int, line: str, direction: str, data: bytes, *meaning: object) -> None:
        """Put down one exchange; never waits. meaning: words, or values whose repr says what the bytes were."""
        try:
            self._queue.put_nowait(_Entry(utc_ns, line, direction, data, meaning))
        except queue.Full:
            self._dropped += 1

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, then close; gives up after the time-out."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _write_all(self) -> None:
        told = 0
        try:
            while (entry := self._queue.get()) is not None:
                if (dropped := self._dropped) != told:
                    self._put(f"{dropped - told} entries dropped here: the disk was too slow\n")
                    told = dropped
                self._put(str(entry))
                if self._queue.empty():
                    self._file.flush()
            self._file.close()
        except Exception as exc:  # noqa: BLE001 (the thread's boundary: a full disk, or a value that has no repr, ends the log only)
            self.failed = f"the wire log ended: {exc}"

    def _put(self, text: str) -> None:
        if self._size + len(text) > self._bytes_max:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("w", encoding="utf-8")
            self._size = self._file.write("what came before is in the file that ends in .1\n")
        self._size += self._file.write(text)
