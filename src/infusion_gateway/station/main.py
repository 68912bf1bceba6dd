"""The station as a process: hears the broker, serves the page, until it is told to end.

What is told of the beds and what is served share one loop; a watchdog is fed only while both still move.
"""

import asyncio
import errno
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import structlog

from infusion_gateway.config.broker import plain
from infusion_gateway.config.settings import StationSettings
from infusion_gateway.model.metric import SECOND
from infusion_gateway.station.hub import Hub
from infusion_gateway.station.notifying import begun
from infusion_gateway.station.openid import OpenId
from infusion_gateway.station.people import People
from infusion_gateway.station.printing import Beside
from infusion_gateway.station.screens import Screens
from infusion_gateway.station.serving import listening, server, sweep
from infusion_gateway.station.signin import SignIn
from infusion_gateway.station.stream import Feed
from infusion_gateway.station.web import Web

log = structlog.get_logger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
STARTED_S = 10.0


class Manager(Protocol):
    """Who is told how the process is: systemd, where it asks."""

    def ready(self) -> None:
        """Say that the page is served."""

    def alive(self) -> None:
        """Feed the watchdog."""

    def stopping(self) -> None:
        """Say that the end was asked for."""


def run(settings: StationSettings, manager: Manager, *, until_eof: bool = False, beside: Beside | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit: 0 ended as told, 1 failed, 2 its address or certificate can't be used.

    until_eof: until standard input, a pipe, ends, too: whoever started this process is gone then. beside: the gateway
    whose journal is on this machine.
    """
    try:
        asyncio.run(_until_told(settings, manager, until_eof, beside))
    except (OSError, ssl.SSLError) as error:
        at = f"{settings.host}:{settings.port}"
        log.error("the page can't be served", at=at, error=plain(error), remedy=_way_out(error))  # noqa: TRY400 - a sentence
        return 2
    except BaseExceptionGroup as errors:
        log.exception("failed", error=str(errors))
        return 1
    return 0


def _way_out(error: OSError | ssl.SSLError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another process has this port, perhaps this very station: end that, or write another into `listen`"
        case errno.EADDRNOTAVAIL:
            return "no interface of this machine has this address: correct `listen`"
        case errno.EACCES:
            return "this user may not use it: write a port from 1024 on into `listen`, and see who may read key_file"
        case _:
            return "look at `listen`, certificate_file and key_file of [station]"


async def _until_told(settings: StationSettings, manager: Manager, until_eof: bool, beside: Beside | None) -> None:  # noqa: FBT001 - told by run alone
    end = asyncio.Event()
    for which in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(which, end.set)
    if until_eof:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _read, end)
    await serve(settings, manager, end, _say, beside)


def _read(end: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        end.set()


def _say(url: str) -> None:
    sys.stdout.write(f"ready {url}\n")
    sys.stdout.flush()


async def serve(
    settings: StationSettings, manager: Manager, end: asyncio.Event, ready: Callable[[str], None],
    beside: Beside | None = None,
) -> None:  # fmt: skip
    """Hear and serve until `end` is set. ready: told the page's address once it can be asked."""
    sign_in = SignIn(
        People(settings.people), _now_s,
        idle_s=settings.idle / SECOND, longest_s=settings.signed_in_for / SECOND,
    )  # fmt: skip
    hub = Hub(settings)
    notifying = begun(settings, hub)
    queue = hub.subscribe()
    queue.get_nowait()  # the picture that it begins with: each page gets one of its own

    def drain() -> None:
        with suppress(asyncio.QueueEmpty):
            while True:
                feed.tell(*queue.get_nowait())

    feed = Feed(lambda: hub.snapshot().to_bytes(), drain)
    secure = settings.certificate is not None
    web = Web(
        settings.name, hub, feed, sign_in, Screens(settings.screens), beside=beside,
        hosts=LOOPBACK | {settings.host.lower()} | names(settings.certificate), secure=secure, notifying=notifying,
        openid=_openid(settings, sign_in, secure=secure),
    )  # fmt: skip
    opened = listening(settings.host, settings.port)
    try:
        serving = server(web.app, settings.certificate, settings.key)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(hub.run(), name="hear"),
                group.create_task(_pump(queue, feed), name="tell"),
                group.create_task(sweep(serving, _now_s), name="sweep"),
                group.create_task(_live(feed, manager), name="live"),
            ]
            if notifying is not None:
                tasks.append(group.create_task(notifying.run(), name="notify"))
            served = group.create_task(serving.serve(sockets=[opened]), name="serve")
            async with asyncio.timeout(STARTED_S):
                while not serving.started:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(0.01)
            host, port = opened.getsockname()[:2]
            url = f"http{'s' if secure else ''}://{f'[{host}]' if ':' in host else host}:{port}"
            ready(url)
            manager.ready()
            await end.wait()
            manager.stopping()
            feed.close()
            serving.should_exit = True
            await served
            await _ended(set(tasks))
    finally:
        opened.close()
        sign_in.close()


def _openid(settings: StationSettings, sign_in: SignIn, *, secure: bool) -> OpenId | None:
    """Make what signs people in by the clinic's identity provider, where there is one."""
    if settings.openid is None:
        return None
    from infusion_gateway.station.provider import Provider  # HTTP and JOSE, which take memory

    provider = Provider(settings.openid, _now_s, time.time)
    return OpenId(settings.openid, provider, sign_in, _now_s, secure=secure)


async def _ended(tasks: "set[asyncio.Task[None]]") -> None:
    """End them, asked again where one has lost it: a connection that is just being made may."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.5)


async def _pump(queue: "asyncio.Queue[tuple[str, bytes]]", feed: Feed) -> None:
    while True:
        feed.tell(*await queue.get())


async def _live(feed: Feed, manager: Manager) -> None:
    """Feed the watchdog while there is something new each second; the hub's beat at least is."""
    last = -1
    while True:
        if feed.last != last:
            last = feed.last
            manager.alive()
        await asyncio.sleep(1)


def names(certificate: Path | None) -> frozenset[str]:
    """Give the hosts that a certificate is for; () where there is none."""
    from cryptography import x509  # without TLS it takes no memory

    if certificate is None:
        return frozenset()
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    try:
        said = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = (str(one) for one in said.get_values_for_type(x509.IPAddress))
    return frozenset(one.lower() for one in (*said.get_values_for_type(x509.DNSName), *addresses))


def _now_s() -> float:
    """Give seconds on a clock that goes on in suspend: who left a sleeping machine is signed out when it wakes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
