"""A TCP proxy that makes a network bad: delay and jitter, a narrow line, a stall in one direction, resets.

In one process with the test, so that faults are set between two lines of it. TCP hides lost packets as pauses: a stall
that comes and goes is what an application sees of loss.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Self

PIECE = 1024


@dataclass
class Bad:
    """How bad the network is now, in each direction: seconds, bytes a second (0: as fast as it goes)."""

    delay_s: float = 0.0
    bytes_s: int = 0
    up_stalled: bool = False
    down_stalled: bool = False


@dataclass
class Proxy:
    """Listens on a port of the loopback and carries every connection to another.

    carried: bytes, both ways; tape: is given the number of a connection and what comes down it.
    """

    target: int
    seed: int = 0
    bad: Bad = field(default_factory=Bad)
    port: int = 0
    connections: int = 0
    carried: int = 0
    tape: Callable[[int, bytes], object] | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, target: int, seed: int = 0) -> AsyncIterator[Self]:
        """Carry connections to this port meanwhile."""
        proxy = cls(target, seed)
        server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            proxy.reset()
            for task in tuple(proxy._carrying):
                task.cancel()
            await asyncio.gather(*proxy._carrying, return_exceptions=True)

    def reset(self) -> int:
        """Cut every connection off with a reset; give how many there were."""
        cut = tuple(self._open)
        for writer in cut:
            plain = writer.get_extra_info("socket")
            if plain is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._open.clear()
        return len(cut)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        chance = Random(self.seed + number)
        self._open |= {writer, there_writer}
        for source, sink, up in ((reader, there_writer, True), (there_reader, writer, False)):
            task = asyncio.create_task(self._carry(source, sink, chance, number, up=up))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, chance: Random, number: int, *, up: bool
    ) -> None:
        try:
            while piece := await source.read(PIECE):
                while self.bad.up_stalled if up else self.bad.down_stalled:  # noqa: ASYNC110 - set by the test at any time
                    await asyncio.sleep(0.02)
                if self.bad.delay_s:
                    await asyncio.sleep(chance.uniform(0, self.bad.delay_s))
                if self.bad.bytes_s:
                    await asyncio.sleep(len(piece) / self.bad.bytes_s)
                self.carried += len(piece)
                if self.tape is not None and not up:
                    self.tape(number, piece)
                sink.write(piece)
                await sink.drain()
        except OSError:
            pass  # the other side is gone: this one is closed below
        finally:
            sink.close()
            self._open.discard(sink)
