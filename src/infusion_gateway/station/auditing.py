"""The alarm audit of a gateway's cases: by its journal where that is beside the station, else by its history.

Either takes seconds to minutes, so it is made beside what is asked: who asks again is told how far it is.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Protocol

import structlog

from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import GenerationMode
from infusion_gateway.review.heard import KINDS
from infusion_gateway.review.report.day import Days
from infusion_gateway.review.report.shown import Basis
from infusion_gateway.station.auditor import FILES, line, question
from infusion_gateway.station.history import NO_ANSWER
from infusion_gateway.station.printing import CanNot, Printing, made
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.stamps import rfc3339

log = structlog.get_logger(__name__)

AROUND_NS = 12 * 3600 * SECOND
"""Before and after the days: a case may have been ordered before them, and go on after."""
KEPT_S = 60.0
"""So long a finished audit is given again as it is."""
AT_ONCE, KEPT = 2, 8
MOST = 100_000
"""Events that are audited: with so many no further bed is asked."""
AUDITOR = (sys.executable, "-m", "infusion_gateway.station.auditor")
PATIENCE_S = 5.0
"""Who asks waits so long for it to be done."""


class Published(Protocol):
    """What this needs of a station's hub."""

    def beds(self, gateway: str) -> Mapping[str, GenerationMode | None]:
        """Give a gateway's beds with the mode that each is in, as far as it has said; {}: it isn't known."""

    async def events(
        self, gateway: str, bed: str, edges: tuple[str, str], kinds: Sequence[str], came: Callable[[int], None]
    ) -> tuple[list[EventMessage], str]:
        """Give a bed's events between two times, and why some may lack."""


@dataclass(frozen=True, slots=True)
class Audited:
    """An audit, made. shown: JSON; sheet: CSV."""

    shown: bytes
    sheet: bytes


@dataclass(slots=True)
class Job:
    """One that is being made, or was. events: that have come so far; at_s: when it was done."""

    task: "asyncio.Task[Audited]"
    events: int = 0
    at_s: float = field(default=0.0)


class Auditing:
    """Makes audits. printing: of the gateway whose journal is beside this station."""

    def __init__(
        self, published: Published, printing: Printing | None, *,
        now_s: Callable[[], float] = time.monotonic, utc_ns: Callable[[], int] = time.time_ns,
        patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        self._published, self._printing = published, printing
        self._now_s, self._utc_ns, self._patience_s = now_s, utc_ns, patience_s
        self._jobs: dict[tuple[str, str, str], Job] = {}

    async def of(self, gateway: str, days: Days) -> Audited | int:
        """Give an audit; a number: so many events have come, it isn't done. CanNot: why there is none."""
        key = gateway, str(days), str(days.zone)
        job = self._jobs.get(key)
        if job is None or (job.task.done() and self._now_s() - job.at_s >= KEPT_S):
            job = self._begin(key, gateway, days)
        await asyncio.wait({job.task}, timeout=self._patience_s)
        if not job.task.done():
            return job.events
        if _failed(job) and self._jobs.get(key) is job:  # told once, now; who asks after that has it tried anew
            del self._jobs[key]
        return job.task.result()

    def _begin(self, key: tuple[str, str, str], gateway: str, days: Days) -> Job:
        if sum(not job.task.done() for job in self._jobs.values()) >= AT_ONCE:
            raise CanNot("audits are being made already: ask again in a moment", busy=True)
        done = [one for one, job in self._jobs.items() if job.task.done()]
        for one in done[: max(0, len(self._jobs) - KEPT + 1)]:
            del self._jobs[one]

        def came(count: int) -> None:
            job.events += count

        def ended(_: "asyncio.Task[Audited]") -> None:
            job.at_s = self._now_s()
            _failed(job)  # looked at here, told to who asks

        job = self._jobs[key] = Job(asyncio.create_task(self._made(gateway, days, came)))
        job.task.add_done_callback(ended)
        return job

    async def _made(self, gateway: str, days: Days, came: Callable[[int], None]) -> Audited:
        beside, why = self._printing, ""
        if beside is not None and beside.beside.gateway == gateway:
            try:
                shown, sheet = await beside.days(str(days.first), str(days.last), str(days.zone))
            except CanNot as error:
                if error.busy or error.nothing:
                    raise
                why = f"The journal beside this station can't be read: {error.words}"
            else:
                return Audited(shown, sheet)
        return await self._heard(gateway, days, came, why)

    async def _heard(self, gateway: str, days: Days, came: Callable[[int], None], why: str) -> Audited:
        beds = self._published.beds(gateway)
        if not beds:
            raise CanNot(f"no gateway {gateway[:64]} is known here")
        begins, ends = days.bounds
        edges = rfc3339(max(begins - AROUND_NS, 0)), rfc3339(ends + AROUND_NS)
        messages: list[tuple[str, EventMessage]] = []
        notes, complete = [why] if why else [], True
        whole: dict[str, int] = {}
        lacks = ""
        for bed in sorted(beds):
            if lacks == NO_ANSWER or len(messages) >= MOST:  # nor will it of other beds: nobody waits for each of them
                notes.append(f"{bed}: NOT ASKED")
                complete = False
                continue
            asked_ns = self._utc_ns()
            rows, lacks = await self._published.events(gateway, bed, edges, KINDS, came)
            messages += ((bed, row) for row in rows)
            complete = complete and not lacks
            if not lacks:
                whole[bed] = min(asked_ns, ends + AROUND_NS)
            notes.append(f"{bed}: {len(rows)} events" + (f"; NOT ALL OF THEM: {lacks}" if lacks else ""))
        basis = Basis("history", complete, (), tuple(notes), rfc3339(self._utc_ns()))
        mode = next((mode for mode in beds.values() if mode is not None), None)
        lines = chain((question(days, basis, mode, whole),), (line(bed, event) for bed, event in messages))
        try:
            with tempfile.TemporaryDirectory(prefix="igw-audit-") as directory:
                return Audited(*await made((*AUDITOR, directory), Path(directory), FILES, lines))
        except Exception as error:  # a gateway's word is from outside: whatever in it breaks an audit is said
            broke = error.words if isinstance(error, CanNot) else type(error).__name__
            log.warning("an audit can't be made", gateway=gateway, error=broke)
            raise CanNot(f"what {gateway} told can't be audited: {broke}") from error


def _failed(job: Job) -> bool:
    return job.task.cancelled() or job.task.exception() is not None
