"""Where a simulated line ends: a pseudo-terminal, a TCP port, or a real serial port."""

import asyncio
import contextlib
import errno
import os
import termios
import tty
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import serial

READ_MAX = 4096
Heard: TypeAlias = Callable[[bytes], None]
Streams: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


async def listen(serve: Streams, host: str, port: int, limit: int = READ_MAX) -> asyncio.Server:
    """Listen on TCP, a task of ours for each client: asyncio's own complain on stderr where the end cancels them."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return await asyncio.start_server(accept, host, port, limit=limit)


class Port(Protocol):
    """One end of a wire. `heard` is called with every run of bytes that comes."""

    endpoint: str
    """What a client opens, as it is printed."""
    lost: bool
    """Whether it has gone by itself: a serial adapter that was pulled out."""

    async def open(self, heard: Heard) -> None:
        """Be there; OSError or ValueError with a sentence where that can't be."""

    def write(self, data: bytes) -> None:
        """Send; what nobody reads is lost, as on a real line."""

    async def close(self) -> None:
        """Be gone, as a pulled cable is."""


@dataclass(slots=True)
class Pty:
    """A pseudo-terminal, raw at both ends; `path` is a link to the device's end, made anew each time it is opened.

    The device's end is held open here too: else a client that closes it would end the line (EIO).
    """

    path: Path
    endpoint: str = ""
    lost: bool = False
    _master: int = -1
    _slave: int = -1

    async def open(self, heard: Heard) -> None:
        """Make the pseudo-terminal and the link; FileExistsError where something that is no link is in the way."""
        if self.path.exists() and not self.path.is_symlink():
            raise FileExistsError(errno.EEXIST, "is in the way, and is not a link", str(self.path))
        self._master, self._slave = os.openpty()
        for end in (self._master, self._slave):
            tty.setraw(end)
            os.set_blocking(end, False)
        spare = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        spare.unlink(missing_ok=True)
        spare.symlink_to(os.ttyname(self._slave))
        spare.replace(self.path)
        self.endpoint = str(self.path)
        asyncio.get_running_loop().add_reader(self._master, self._read, heard)

    def write(self, data: bytes) -> None:
        """Send. Where nobody has read for so long that the kernel's buffer is full, the oldest bytes are lost."""
        if self._master < 0:
            return
        try:
            sent = os.write(self._master, data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            termios.tcflush(self._slave, termios.TCIFLUSH)
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, data[sent:])

    async def close(self) -> None:
        """Close both ends; take the link away where it is still ours."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        with contextlib.suppress(OSError):
            if self.path.readlink() == Path(os.ttyname(self._slave)):
                self.path.unlink()
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def _read(self, heard: Heard) -> None:
        with contextlib.suppress(BlockingIOError):
            heard(os.read(self._master, READ_MAX))


@dataclass(slots=True)
class Tcp:
    """A TCP port with one client at a time: the newest has the line, as on a serial port there is but one cable."""

    host: str
    port: int
    endpoint: str = ""
    lost: bool = False
    _server: asyncio.Server | None = None
    _client: asyncio.StreamWriter | None = None

    async def open(self, heard: Heard) -> None:
        """Listen; port 0 chooses one, and keeps it when opened again."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._drop()
            self._client = writer
            with contextlib.suppress(OSError):
                while data := await reader.read(READ_MAX):
                    if self._client is writer:
                        heard(data)
            if self._client is writer:
                self._drop()

        self._server = await listen(serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.endpoint = f"{self.host}:{self.port}"

    def write(self, data: bytes) -> None:
        """Send to the client there is; one that doesn't read loses bytes rather than fill our memory."""
        if self._client is not None and self._client.transport.get_write_buffer_size() < 16 * READ_MAX:
            self._client.write(data)

    async def close(self) -> None:
        """Close the client and stop listening."""
        self._drop()
        if self._server is not None:
            self._server.close()
            self._server = None

    def _drop(self) -> None:
        if self._client is not None:
            self._client.transport.abort()
            self._client = None


@dataclass(slots=True)
class Serial:
    """A real serial port, through pyserial; opened for this process alone."""

    path: str
    baud: int
    framing: str
    endpoint: str = ""
    lost: bool = False
    _serial: serial.Serial | None = None

    async def open(self, heard: Heard) -> None:
        """Open the port; OSError where it can't be."""
        self._serial = serial.Serial(
            self.path,
            self.baud,
            bytesize=int(self.framing[0]),
            parity=self.framing[1],
            stopbits=int(self.framing[2]),
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
        self.endpoint, self.lost = self.path, False
        asyncio.get_running_loop().add_reader(self._serial.fileno(), self._read, heard)

    def write(self, data: bytes) -> None:
        """Send what the port takes at once."""
        if self._serial is not None:
            try:
                self._serial.write(data)
            except serial.SerialTimeoutException:
                return  # more than the port takes: lost, as on a real line
            except OSError:
                self._lose()

    async def close(self) -> None:
        """Give the port back."""
        if self._serial is not None:
            if not self.lost:
                asyncio.get_running_loop().remove_reader(self._serial.fileno())
            self._serial.close()
            self._serial = None

    def _read(self, heard: Heard) -> None:
        if self._serial is None:
            return
        try:
            heard(self._serial.read(READ_MAX))
        except OSError:
            self._lose()

    def _lose(self) -> None:
        if self._serial is not None and not self.lost:
            asyncio.get_running_loop().remove_reader(self._serial.fileno())
            self.lost = True
