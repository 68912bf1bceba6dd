"""Reports of the journal beside a station, made by `infusion-gateway report` as a process of its own.

A journal of months takes seconds to look through, and the page must tell an alarm within a tenth of one: so that is
never done in here. One at a time, at low priority, for a bounded time; where it can't, people read what it says.
"""

import asyncio
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infusion_gateway.review.report.day import NO_CASE

WITHIN_S = 180.0
"""Ten million rows are held against their hash chain in about a minute of a core."""
LONGEST_MEMORY = 1 << 30
"""Bytes of address space; five thousand events take about 50 MiB of memory."""
NICE, FIRST_TO_GO = 10, "1000"
"""It gives way to everything; where memory ends it goes, and not who supervises."""
WAITING = 4
"""Who comes after so many is told to come again."""
LONGEST = 32 * 1024 * 1024
"""Bytes of one file of a report."""
SAID = 600
UNUSABLE = 2
"""How a command ends whose configuration can't be used."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The gateway whose journal is on this machine, in that directory. file: its configuration, which says so."""

    gateway: str
    file: Path
    journal: Path


class CanNot(Exception):
    """A report that can't be had, and why, in words.

    busy: it could be in a moment. unread: for the configuration. nothing: there is no case to report.
    """

    def __init__(self, words: str, *, busy: bool = False, unread: bool = False, nothing: bool = False) -> None:
        super().__init__(words)
        self.words, self.busy, self.unread, self.nothing = words, busy, unread, nothing


class Printing:
    """Makes them. command: how the program is called."""

    def __init__(self, beside: Beside, command: Sequence[str] = (sys.executable, "-m", "infusion_gateway")) -> None:
        self.beside = beside
        self._command = (*command, "report")
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def case(self, case: str, zone: str) -> bytes:
        """Give the page of a case. CanNot: there is none, or it can't be made."""
        (page,) = await self._printed(("--zone", zone), ("page.html",), (case,))
        return page

    async def days(self, first: str, last: str, zone: str) -> tuple[bytes, bytes]:
        """Give the audit of these days as JSON and as CSV. CanNot: no case was ordered then, or it can't be made."""
        asked = ("--zone", zone, "--day", first, "--to", last)
        audit, sheet = await self._printed(asked, ("audit.json", "page.csv"), ())
        return audit, sheet

    async def _printed(self, asked: Sequence[str], files: Sequence[str], case: Sequence[str]) -> list[bytes]:
        if self._waiting >= WAITING:
            raise CanNot("reports are being made already: ask again in a moment", busy=True)
        self._waiting += 1
        try:
            async with self._turn:
                try:
                    return await self._tried(("-c", str(self.beside.file), *asked), files, case)
                except CanNot as error:
                    if not error.unread:
                        raise
                # Of the gateway's configuration something is another user's; its journal is not.
                return await self._tried(("--journal", str(self.beside.journal), *asked), files, case)
        finally:
            self._waiting -= 1

    async def _tried(self, asked: Sequence[str], files: Sequence[str], case: Sequence[str]) -> list[bytes]:
        with tempfile.TemporaryDirectory(prefix="igw-report-") as directory:
            return await self._made(Path(directory), asked, files, case)

    async def _made(
        self, directory: Path, asked: Sequence[str], files: Sequence[str], case: Sequence[str]
    ) -> list[bytes]:
        """Run it; a damaged journal makes it end with 1, and a page that says so."""
        out = ["--out", str(directory / "page.html")]
        out += ["--json", str(directory / "audit.json")] if "audit.json" in files else []
        process = await asyncio.create_subprocess_exec(
            *self._command, *asked, *out, "--", *case,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _lowly(process.pid)
        try:
            async with asyncio.timeout(WITHIN_S):
                _, said = await process.communicate()
        except TimeoutError:
            raise CanNot(f"it took longer than {WITHIN_S:g} s: infusion-gateway report makes it too") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        try:
            return [_read(directory / name) for name in files]
        except OSError:
            words = said.decode(errors="replace").strip().rpartition("Error: ")[2]
            ended = process.returncode
            why = words[:SAID] or f"it ended with {ended}"
            raise CanNot(why, unread=ended == UNUSABLE, nothing=ended == NO_CASE) from None


def _lowly(pid: int) -> None:
    """Let a process of ours give way to others; what this machine doesn't let us is left as it is."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICE)
    with suppress(OSError, ValueError):
        resource.prlimit(pid, resource.RLIMIT_AS, (LONGEST_MEMORY, LONGEST_MEMORY))
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(FIRST_TO_GO)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise CanNot(f"it has more than {LONGEST} bytes: infusion-gateway report writes it to a file")
    return content
