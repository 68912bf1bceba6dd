"""The local feed: what goes out over MQTT, also over a socket on this machine, so that the bedside needs no broker.

One JSON object a line: {"topic": …, "payload": …}. On connecting a reader gets the newest of each retained topic, then
everything as it happens. A reader that does not keep up is cut off; it connects again and has the state at once.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

READERS = 16
"""Readers at once; a bedside has one or two."""
BACKLOG_BYTES = 1 << 20
"""What may wait for one reader before it is cut off."""


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listen(path: Path, serve: Serve, limit: int = 1 << 16) -> asyncio.AbstractServer:
    """Listen on a Unix socket that is its owner's alone; OSError where it can't be had. limit: of a line, bytes."""
    _make_way(path)
    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(serve, path, limit=limit)
    finally:
        os.umask(before)


def _make_way(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)


class Feed:
    """A Unix socket that repeats what is published. Never blocks and never raises towards who publishes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: dict[str, bytes] = {}
        self._readers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.AbstractServer | None = None

    async def open(self) -> None:
        """Listen; the socket is its owner's alone. Where it can't be had, supervision goes on without it."""
        try:
            self._server = await listen(self._path, self._serve)
        except OSError as error:
            log.warning("local feed not available", path=str(self._path), error=str(error))

    async def close(self) -> None:
        """Stop listening and cut every reader off."""
        if self._server is not None:
            self._server.close()
            for reader in tuple(self._readers):
                reader.close()
            await self._server.wait_closed()
            self._path.unlink(missing_ok=True)

    def say(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Repeat one message; payload is a JSON object, or empty where a retained topic is cleared."""
        line = b'{"topic": %s, "payload": %s}\n' % (json.dumps(topic).encode(), payload or b"null")
        if retain:
            self._newest[topic] = line
        for reader in tuple(self._readers):
            if reader.transport.get_write_buffer_size() > BACKLOG_BYTES:
                self._readers.discard(reader)
                reader.transport.abort()
            else:
                reader.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._readers) >= READERS:
            writer.close()
            return
        for line in self._newest.values():
            writer.write(line)
        self._readers.add(writer)
        try:
            while await reader.read(1024):  # readers only listen; what they send is thrown away
                pass
        except OSError:
            log.debug("local feed reader gone")
        finally:
            self._readers.discard(writer)
            writer.close()
