"""Byte streams: what a line is made of once it is open, and how it is opened without ever holding up the event loop."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from infusion_gateway.config.broker import HALF_OPEN
from infusion_gateway.errors import LinkError

READ_MAX = 4096
"""Bytes taken at once: what is left waits for the next turn, so that no line can keep the others from theirs."""


class ByteStream(Protocol):
    """An open line. Nothing here waits; everything that can go wrong is a LinkError, after which only close is left."""

    note: str
    """What was asked for and couldn't be had, for the log; "" for nothing."""

    def attach(self, ready: Callable[[], None]) -> None:
        """Call `ready` in the event loop whenever `take` has something to give (or to raise)."""

    def take(self) -> bytes:
        """Give what has come by this moment, at most READ_MAX bytes; b"" for nothing."""

    def write(self, data: bytes) -> None:
        """Hand over all of it at once; LinkError where the other side doesn't take it (it reads no more)."""

    def flush_output(self) -> None:
        """Throw away what was written and hasn't gone out, as far as the line can."""

    def drain(self) -> None:
        """Throw away what is underway in both directions."""

    def close(self) -> None:
        """Close; any number of times; never waits for the other side."""


class FdStream:
    """A line on a non-blocking file descriptor: a socket here, a tty in serial_port."""

    note = ""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def attach(self, ready: Callable[[], None]) -> None:
        """Watch the descriptor in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.fd, ready)

    def take(self) -> bytes:
        """Read what is there; an end of file, a hang-up and an unplugged adapter are all LinkErrors."""
        self._still_open()
        try:
            data = os.read(self.fd, READ_MAX)
        except BlockingIOError:
            return b""
        except OSError as exc:
            raise LinkError(self.name, f"reading failed: {exc.strerror}") from exc
        if not data:
            raise LinkError(self.name, "the other side is gone")
        return data

    def write(self, data: bytes) -> None:
        """Write all or fail: a buffer that is full holds some twenty thousand bytes that nobody read."""
        self._still_open()
        try:
            taken = os.write(self.fd, data)
        except BlockingIOError:
            taken = 0
        except OSError as exc:
            raise LinkError(self.name, f"writing failed: {exc.strerror}") from exc
        if taken < len(data):
            raise LinkError(self.name, f"only {taken} of {len(data)} bytes were taken: nobody reads the line")

    def flush_output(self) -> None:
        """Do nothing: what a socket was given can't be taken back."""

    def drain(self) -> None:
        """Read off what is there, a bounded number of times: somebody who never stops is met by the line's limit."""
        for _ in range(16):
            if not self.take():
                return

    def close(self) -> None:
        """Stop watching, then close."""
        if self._closed:
            return
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self.fd)
        self._release()

    def _release(self) -> None:
        os.close(self.fd)

    def _still_open(self) -> None:
        if self._closed:
            raise LinkError(self.name, "closed")


def open_tcp(name: str, url: str, timeout_s: float) -> FdStream:
    """Connect to tcp://host:port or socket://host:port; blocks, so it is called by `Opener` alone. Raises LinkError."""
    try:
        where = urlsplit(url)
        if where.hostname is None or where.port is None:
            raise LinkError(name, f"{url} names no host and port")
        connected = socket.create_connection((where.hostname, where.port), timeout_s)
    except ConnectionRefusedError as exc:
        raise LinkError(name, f"nobody listens at {url}: is the device on, or its simulator started?") from exc
    except (OSError, ValueError) as exc:
        raise LinkError(name, f"can't connect to {url}: {exc}") from exc
    notice_half_open(connected)
    connected.setblocking(False)
    return FdStream(name, connected.detach())


def notice_half_open(connected: socket.socket) -> None:
    """Make the kernel give up a peer that vanished."""
    for level, option, value in HALF_OPEN:
        connected.setsockopt(level, option, value)


class Opener:
    """Opens one line in a daemon thread: an open that hangs (a bad adapter, a dead server) holds up nobody else.

    At most one attempt at a time, so at most one thread hangs; one that succeeds too late is closed.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None

    async def open(self, make: Callable[[], ByteStream], deadline_s: float) -> ByteStream:
        """Give what `make` gives; LinkError where it raises, hangs past the deadline, or still hangs from before."""
        if self._thread is not None and self._thread.is_alive():
            raise LinkError(self._name, "the attempt before still hangs in opening")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[ByteStream] = loop.create_future()

        def deliver(outcome: "ByteStream | LinkError") -> None:
            if isinstance(outcome, LinkError):
                if not done.done():
                    done.set_exception(outcome)
            elif done.done():  # given up meanwhile
                outcome.close()
            else:
                done.set_result(outcome)

        def work() -> None:
            outcome: ByteStream | LinkError
            try:
                outcome = make()
            except LinkError as exc:
                outcome = exc
            except Exception as exc:  # noqa: BLE001 (the thread's boundary: whatever a library raises is a failed open)
                outcome = LinkError(self._name, f"opening failed: {exc!r}"[:200])
            try:
                loop.call_soon_threadsafe(deliver, outcome)
            except RuntimeError:  # the loop is closed: nobody wants it any more
                if not isinstance(outcome, LinkError):
                    outcome.close()

        self._thread = threading.Thread(target=work, name=f"open {self._name}", daemon=True)
        self._thread.start()
        claimed = False
        try:
            async with asyncio.timeout(deadline_s):
                stream = await done
            claimed = True
        except TimeoutError as exc:  # the limit above: `deliver` sets LinkErrors alone
            raise LinkError(self._name, f"not open after {deadline_s:g} s") from exc
        finally:
            done.cancel()  # tells `deliver` that nobody waits any more; no effect where it has delivered
            # Cancelled, or late, in the very turn in which the open succeeded: nobody has the stream.
            if not claimed and not done.cancelled() and done.exception() is None:
                done.result().close()
        return stream
