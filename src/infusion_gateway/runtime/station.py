"""The clinicians' page beside the gateway: `infusion-gateway station`, a child process, begun again where it ends.

It shares nothing with the beds but the broker, so whatever becomes of it touches no supervision. It ends with the
gateway, also where that was killed: its standard input is a pipe that only the gateway holds. One that lives and serves
nothing is ended, too: it feeds a watchdog here as it would systemd's (sd_notify(3)).
"""

import asyncio
import contextlib
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import structlog

from infusion_gateway.core.backoff import Backoff
from infusion_gateway.model.metric import SECOND

log = structlog.get_logger(__name__)

PAUSES = Backoff(first=SECOND, most=60 * SECOND)
"""Between its end and its next beginning: one that can't have its address must not take the machine's time."""
STEADY_S = 60.0
"""Who served for so long begins again as if for the first time."""
END_S = 5.0
"""How long it may take to end before it is killed."""
BEGUN_S, HUNG_S = 60.0, 10.0
"""How long it may take until it serves, and say nothing from then on: as its unit under systemd."""
LOOK_S = 1.0
LINE_BYTES = 1 << 16
MANAGERS = ("WATCHDOG_USEC", "WATCHDOG_PID")
"""systemd's words to the gateway alone."""


def command(config: Path) -> tuple[str, ...]:
    """Give how the station of a configuration is started, so that it ends with who started it."""
    return (sys.executable, "-m", "infusion_gateway", "station", "-c", str(config), "--until-eof")


@contextlib.asynccontextmanager
async def beside(started: Sequence[str], *, pauses: Backoff = PAUSES, hung_s: float = HUNG_S) -> AsyncIterator[None]:
    """Keep a station running for as long as this is entered. started: as `command` gives it."""
    task = asyncio.create_task(_kept(started, pauses, hung_s), name="station")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _kept(started: Sequence[str], pauses: Backoff, hung_s: float) -> None:
    failures = 0
    while True:
        began_s = time.monotonic()
        try:
            ended = await _once(started, hung_s)
        except OSError as error:
            ended = error.strerror or str(error)
        failures = 1 if time.monotonic() - began_s >= STEADY_S else failures + 1
        pause_s = pauses.delay(failures, random.random()) / SECOND  # noqa: S311 - spreads tries, hides nothing
        log.warning("the station ended", how=ended, again_in_s=round(pause_s, 2))
        await asyncio.sleep(pause_s)


async def _once(started: Sequence[str], hung_s: float) -> str:
    """Run it until it ends; gives how, in words. OSError: it can't be started. Cancelled: it is ended."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as fed:
        fed.setblocking(False)
        fed.bind("")  # Linux gives it a name of its own, in no directory (unix(7))
        address = "@" + fed.getsockname()[1:].decode()
        process = await asyncio.create_subprocess_exec(
            *started,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            env={name: value for name, value in os.environ.items() if name not in MANAGERS}
            | {"NOTIFY_SOCKET": address},
            start_new_session=True,  # Ctrl-C is the gateway's: it ends this one after itself
        )
        telling = asyncio.create_task(_tell(process))
        try:
            how = await _watched(process, fed, hung_s)
        finally:
            await _end(process)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
    return how


async def _tell(process: asyncio.subprocess.Process) -> None:
    """Log where its page is, and take what else it says."""
    assert process.stdout is not None, "it is a pipe"
    async for line in process.stdout:
        word, _, url = line.decode(errors="replace").strip().partition(" ")
        if word == "ready":
            log.info("the station's page", url=url, pid=process.pid)


async def _watched(process: asyncio.subprocess.Process, fed: socket.socket, hung_s: float) -> str:
    """Wait until it has ended, or says nothing for too long; gives how, in words."""
    until_s = time.monotonic() + BEGUN_S

    def feed() -> None:
        nonlocal until_s
        with contextlib.suppress(OSError):
            fed.recv(64)
        until_s = time.monotonic() + hung_s

    loop = asyncio.get_running_loop()
    loop.add_reader(fed, feed)
    try:
        while time.monotonic() < until_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_S, hung_s)):  # 3.11's wait_for forgets a cancellation at its end
                    code = await process.wait()
                return f"signal {-code}" if code < 0 else f"exit {code}"
    finally:
        loop.remove_reader(fed)
    process.kill()
    return "it hung, and was killed"


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
