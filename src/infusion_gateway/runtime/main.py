"""The gateway as a process: logs, signals, embedded broker and station where they are ours to run; then supervise."""

import asyncio
import signal
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import structlog

from infusion_gateway.config.load import load
from infusion_gateway.config.settings import Settings
from infusion_gateway.errors import ConfigError, GatewayError, JournalError, NameHeld
from infusion_gateway.runtime import logs
from infusion_gateway.runtime import station as stations
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.embedded import start as start_broker
from infusion_gateway.runtime.gateway import Gateway
from infusion_gateway.runtime.wirelog import WireLog

log = structlog.get_logger(__name__)


def run(settings: Settings, *, wire_log: Path | None, station: bool) -> int:
    """Supervise until SIGTERM or SIGINT. Exit: 0 ended as told, 1 failed, 2 the journal or the name is another's.

    station: whether the page of the configuration's `[station]` is served, too, where it has one.
    """
    directory = settings.gateway.state_directory
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    logs.configure(level="info", json_file=directory / "gateway.log.json")
    try:
        asyncio.run(_supervise(settings, wire_log, station=station))
    except (JournalError, NameHeld) as error:
        log.error("can't start", error=str(error))  # noqa: TRY400 - the sentence says it; no traceback for a user
        return 2
    except BaseExceptionGroup as errors:
        log.exception("failed", error=str(errors))
        return 1
    except GatewayError as error:
        log.error("failed", error=str(error))  # noqa: TRY400 - likewise
        return 1
    return 0


async def _supervise(settings: Settings, wire_log: Path | None, *, station: bool) -> None:
    end = asyncio.Event()
    for which in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(which, end.set)
    broker = None
    if settings.broker.embedded:
        broker = await start_broker(settings.gateway.state_directory / "broker", settings.broker.port)
        log.info("embedded broker", url=broker.url, kind=broker.kind, pid=broker.pid)
    try:
        gateway = Gateway(
            settings,
            version=version("infusion-gateway"),
            clock=Clock(),
            wire_log=WireLog(wire_log) if wire_log else None,
        )
        renewing: set[asyncio.Task[None]] = set()

        def renew() -> None:
            task = asyncio.create_task(_renew_keys(gateway, settings.path))
            renewing.add(task)
            task.add_done_callback(renewing.discard)

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew)
        served = station and settings.station is not None
        async with stations.beside(stations.command(settings.path)) if served else nullcontext():
            await gateway.run(end)
    finally:
        if broker is not None:
            await broker.stop()


async def _renew_keys(gateway: Gateway, path: Path) -> None:
    """Read anew whose instructions count, while beds are supervised; what can't be used changes nothing."""
    try:
        settings = await asyncio.to_thread(load, path)
    except ConfigError as error:
        log.error("keys not read anew: those of before hold", error=str(error))  # noqa: TRY400 - the sentence says it
        return
    gateway.enrol(settings.keys)
