"""Uvicorn held to bounds: TLS 1.3, no signals of its own, and no connection that says nothing for long.

Somebody who opens hundreds of connections and sends nothing, or a byte now and then, must not keep a nurse's page away:
what asks nothing is closed after ten seconds, and at once where there are too many.
"""

import asyncio
import contextlib
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

IDLE_S = 10.0
CONNECTIONS = 1000
"""Beyond these the idle ones are closed, the longest idle first."""
LOOK_S = 1.0
FILES = 8192
HEADERS_BYTES = 16 * 1024
LOST_MS = 15_000
"""A peer that acknowledges nothing for so long is gone, whatever waits for it."""
BACKLOG = 256
END_S = 2


class Server(uvicorn.Server):
    """One that ends when it is told to, by whoever has the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield


def listening(host: str, port: int) -> socket.socket:
    """Open the page's socket; port 0: any that is free. OSError: it can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.create_server((host, port), family=family, backlog=BACKLOG)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_MS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def server(app: ASGIApp, certificate: Path | None, key: Path | None) -> Server:
    """Make the server of an application. OSError, ssl.SSLError: certificate or key can't be used."""
    _more_files()
    factory: Callable[..., ssl.SSLContext] | None = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)
        factory = lambda _config, _default: context  # noqa: E731 - what uvicorn asks for
    return Server(
        uvicorn.Config(
            app,
            ssl_context_factory=factory,
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=int(IDLE_S),
            timeout_graceful_shutdown=END_S,
            h11_max_incomplete_event_size=HEADERS_BYTES,
        )
    )


async def sweep(of: Server, now_s: Callable[[], float]) -> None:
    """Close for ever what has asked nothing for long, or has been told to close and doesn't."""
    since: dict[Any, float] = {}
    while True:
        since = swept(of.server_state.connections, since, now_s())
        await asyncio.sleep(LOOK_S)


def swept(connections: set[Any], since: dict[Any, float], now_s: float) -> dict[Any, float]:
    """Look once at uvicorn's connections, close what waited too long; give since when each idle one has been so."""
    idle = {one: since.get(one, now_s) for one in connections if _idle(one)}
    over = len(connections) - CONNECTIONS
    for place, (one, at_s) in enumerate(sorted(idle.items(), key=lambda pair: pair[1])):
        if place < over or now_s - at_s >= IDLE_S:
            if one.transport.is_closing() and now_s - at_s >= 2 * IDLE_S:
                one.transport.abort()
            else:
                one.transport.close()
    return idle


def _idle(connection: Any) -> bool:
    """Say whether nothing is being answered on a connection of uvicorn's h11 protocol."""
    if connection.transport is None:
        return False
    return connection.cycle is None or connection.cycle.response_complete or connection.transport.is_closing()


def _more_files() -> None:
    """Let the process have as many connections as its bounds mean, where the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
