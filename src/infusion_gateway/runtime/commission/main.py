"""A whole commissioning: the machine, the broker, then bed by bed; and the record and the page that come of it."""

import asyncio
import contextlib
from pathlib import Path

from infusion_gateway.commissioning.findings import Finding, Place, Verdict, swapped
from infusion_gateway.commissioning.page import found, page
from infusion_gateway.config.commissioned import digest
from infusion_gateway.config.settings import Settings
from infusion_gateway.core.state import fold
from infusion_gateway.errors import BrokerError, JournalError
from infusion_gateway.model.session import Phase
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.commission import machine
from infusion_gateway.runtime.commission.bench import Bench
from infusion_gateway.runtime.commission.engineer import Engineer
from infusion_gateway.runtime.commission.telling import Alarms, Messages
from infusion_gateway.runtime.commission.trying import Bed
from infusion_gateway.runtime.embedded import start as start_broker
from infusion_gateway.runtime.journal import Journal, JournalHeld
from infusion_gateway.runtime.wirelog import WireLog
from infusion_gateway.wire.commissioning import NAME, Commissioned
from infusion_gateway.wire.records import Unreadable
from infusion_gateway.wire.stamps import rfc3339, words

PAGE = "commissioning.md"
FREE = frozenset({Phase.IDLE, Phase.CLOSED, Phase.ABORTED})
"""Phases in which nobody is being treated at a bed."""


class UnderWay(JournalError):
    """A case is under way at a bed: nothing there may be tried. Says where, and the way out."""


async def commission(
    settings: Settings, engineer: Engineer, *, by: tuple[str, ...], version: str, clock: Clock, wire_log: WireLog | None
) -> Commissioned:
    """Try everything. Raises JournalHeld while a gateway runs, UnderWay, NobodyAnswers, OSError for a profile."""
    held = digest(settings)
    findings = [await asyncio.to_thread(machine.disk, settings.gateway.state_directory), machine.clock()]
    async with contextlib.AsyncExitStack() as stack:
        journal = await _journal(settings, clock, stack)
        messages, why = await _messages(settings, journal, clock, stack)
        broker = Verdict.FAILED if why else Verdict.PASSED
        findings.append(Finding(Place(), "broker", broker, why or "reached under this gateway's name"))
        _tell(engineer, *findings)
        alarms = Alarms(settings, clock, engineer)
        await stack.enter_async_context(alarms.open())
        bench = Bench(settings, clock, wire_log)
        await stack.enter_async_context(bench.open())
        for settled in settings.beds:
            bed = Bed(settled, bench, engineer)
            await bed.run()
            findings += bed.findings
            more = list(await alarms.run(settled))
            if messages is None or why:
                said = f"nothing can be told over the broker: {why}"
                more.append(Finding(Place(settled.id), "messages", Verdict.FAILED, said))
            else:
                more.append(await messages.run(settled.id, by[0]))
            _tell(engineer, *more)
            findings += more
    together = swapped(tuple(findings))
    return Commissioned(
        made_at=rfc3339(clock.utc_ns()),
        site=settings.gateway.site,
        gateway=settings.gateway.name,
        mode=settings.gateway.mode.value,
        configuration=words(str(settings.path), 700),
        configuration_digest=held,
        version=version,
        by=by,
        answered="person" if engineer.in_person else "file",
        beds=tuple(bed.id for bed in settings.beds),
        findings=tuple(found(one) for one in together),
    )


def keep(record: Commissioned, directory: Path) -> Path:
    """Keep a record and its page in the state directory, the one before it under its own time; OSError where not."""
    for name in (NAME, PAGE):
        path = directory / name
        if path.exists():
            stamp = rfc3339(path.stat().st_mtime_ns).replace(":", "")
            path.replace(path.with_name(f"{path.stem}-{stamp}{path.suffix}"))
    for name, text in ((PAGE, page(record).encode()), (NAME, record.to_bytes())):
        part = directory / f"{name}.part"
        part.write_bytes(text)
        part.replace(directory / name)
    return directory / PAGE


async def _journal(settings: Settings, clock: Clock, stack: contextlib.AsyncExitStack) -> Journal | None:
    """Take the gateway's journal, so that no gateway runs beside; None where the disk keeps none, which is told."""
    journal = Journal(settings.gateway.state_directory, boot_id=clock.boot_id(), on_change=lambda _kept, _why: None)
    try:
        opened = await journal.open()
    except JournalHeld:
        raise
    except JournalError:
        return None
    stack.push_async_callback(journal.close)
    for bed in settings.beds if opened.kept else ():
        records = journal.records(bed.id, journal.closed(bed.id))
        phase = fold((r.at, r.event) for r in records if not isinstance(r.event, Unreadable)).phase
        if phase not in FREE:
            raise UnderWay(f"a case is under way at {bed.id} ({phase}): end and close it first, then commission")
    return journal if opened.kept else None


async def _messages(
    settings: Settings, journal: Journal | None, clock: Clock, stack: contextlib.AsyncExitStack
) -> tuple[Messages | None, str]:
    """Reach the broker as the gateway does, our own where it is ours to run; give why that can't be, "" for nothing."""
    if journal is None:
        return None, "no journal is kept, and what is not on record is not told"
    if settings.broker.embedded:
        try:
            broker = await start_broker(settings.gateway.state_directory / "broker", settings.broker.port)
        except BrokerError as error:
            return None, str(error)
        stack.push_async_callback(broker.stop)
    messages = Messages(settings, journal, clock)
    return messages, await stack.enter_async_context(messages.open())


def _tell(engineer: Engineer, *findings: Finding) -> None:
    for finding in findings:
        engineer.say(finding.line)
