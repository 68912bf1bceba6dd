"""Reports of the journal beside a station, made by `infusion-gateway report` as a process of its own.

A journal of months takes seconds to look through, and the page must tell an alarm within a tenth of one: so that is
never done in here. One at a time, at low priority, for a bounded time; where it can't, people read what it says. What
else would take long in here (an audit of what gateways told) is run in the same way (`made`).
"""

import asyncio
import os
import resource
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from infusion_gateway.review.report.day import NO_CASE

WITHIN_S = 180.0
"""Ten million rows are held against their hash chain in about a minute of a core."""
LONGEST_MEMORY = 1 << 30
"""Bytes of address space; five thousand events take about 50 MiB of memory."""
NICE, FIRST_TO_GO = 10, "1000"
"""It gives way to everything; where memory ends it goes, and not who supervises."""
AT_A_TIME = 200
"""Lines that a process is given before anything else has its turn."""
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
            out = ["--out", f"{directory}/page.html"]
            out += ["--json", f"{directory}/audit.json"] if "audit.json" in files else []
            return await made((*self._command, *asked, *out, "--", *case), Path(directory), files)


async def made(
    command: Sequence[str], directory: Path, files: Sequence[str], given: Iterable[bytes] = ()
) -> list[bytes]:
    """Run a command that writes these files, and give them. given: for its standard input. CanNot: it wrote none.

    A damaged journal makes a report end with 1, and with a page that says so.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _lowly(process.pid)
    try:
        async with asyncio.timeout(WITHIN_S):
            _, (_, said) = await asyncio.gather(_feed(process, given), process.communicate())
    except TimeoutError:
        raise CanNot(f"it took longer than {WITHIN_S:g} s: infusion-gateway report may take longer") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        return [_read(directory / name) for name in files]
    except OSError:
        words, ended = said.decode(errors="replace").strip().rpartition("Error: ")[2], process.returncode
        why = words[:SAID] or f"it ended with {ended}"
        raise CanNot(why, unread=ended == UNUSABLE, nothing=ended == NO_CASE) from None


async def _feed(process: asyncio.subprocess.Process, given: Iterable[bytes]) -> None:
    """Write to a process as it reads, little at a time: who asks for something else is answered in between."""
    assert process.stdin is not None, "it is a pipe"
    lines = iter(given)
    with suppress(OSError):  # it has ended, and will say why
        while some := b"".join(islice(lines, AT_A_TIME)):
            process.stdin.write(some)
            await process.stdin.drain()
            await asyncio.sleep(0)
        process.stdin.close()


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
