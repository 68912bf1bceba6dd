"""The one file that knows pyserial: serial devices by path, and ports of serial servers by rfc2217://.

pyserial opens and configures. A tty is then read and written on its descriptor, without waiting; a remote port has
none, so two threads of ours serve it.
"""

import asyncio
import contextlib
import errno
import fcntl
import queue
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import serial
from serial import rfc2217

from infusion_gateway.errors import LinkError
from infusion_gateway.runtime.streams import READ_MAX, ByteStream, FdStream, notice_half_open, open_tcp

REMOTE_READ_S = 0.2  # how soon a remote port's reader sees that it was closed
REMOTE_UNREAD_MAX = 16 * READ_MAX
REMOTE_UNSENT_MAX = 16  # writes; one request is in flight at a time, so more means that nothing goes out


def open_serial(name: str, endpoint: str, baud: int, framing: str, timeout_s: float) -> ByteStream:
    """Open /dev/…, socket://host:port (serial bytes over TCP, settings ignored) or rfc2217://host:port.

    framing: data bits, parity, stop bits, as in "8E1". Blocks, so it is called by `Opener` alone. Raises LinkError.
    """
    if endpoint.startswith("socket://"):
        return open_tcp(name, endpoint, timeout_s)
    note = ""
    if _is_pty(endpoint) and framing != "8N1":
        # A pseudo-terminal takes 7E1 or 8E1 once and refuses it (EINVAL) ever after; its bytes pass unchanged anyway.
        note, framing = f"a pseudo-terminal has no {framing}: opened as 8N1", "8N1"
    try:
        port = serial.serial_for_url(endpoint, do_not_open=True)
        port.baudrate = baud
        port.bytesize, port.parity, port.stopbits = int(framing[0]), framing[1], float(framing[2:])
        if isinstance(port, rfc2217.Serial):
            port.timeout = REMOTE_READ_S
            port.open()
            return RemotePort(name, port)
        port.exclusive = True
        port.timeout = port.write_timeout = 0
        port.open()
    except (OSError, ValueError, IndexError, termios.error) as exc:  # SerialException is an OSError
        raise LinkError(name, _why(endpoint, exc) or f"can't open {endpoint} as {baud} {framing}: {exc}"[:200]) from exc
    try:
        return Tty(name, port, note)
    except (OSError, termios.error) as exc:
        port.close()
        raise LinkError(name, f"can't configure {endpoint}: {exc}"[:200]) from exc


def _why(endpoint: str, exc: Exception) -> str:
    """Say why a port couldn't be opened, and what to look at; "" for a reason of another kind."""
    match exc.errno if isinstance(exc, OSError) and endpoint.startswith("/") else None:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO | errno.EIO:
            return f"no such port {endpoint}: is the device plugged in, or its simulator started?"
        case errno.EAGAIN | errno.EBUSY:  # flock's and TIOCEXCL's
            return f"another process has {endpoint}: another gateway, or a terminal program? One alone can have it"
        case errno.EACCES | errno.EPERM:
            return f"this user may not open {endpoint}: is it in the group of serial ports (dialout)?"
        case _:
            return ""


def _is_pty(endpoint: str) -> bool:
    """Whether a path, links followed, is a pseudo-terminal."""
    return endpoint.startswith("/") and str(Path(endpoint).resolve()).startswith("/dev/pts/")


class Tty(FdStream):
    """An open local serial port, ours alone."""

    def __init__(self, name: str, port: serial.Serial, note: str) -> None:
        """Take an open port. flock keeps out those who ask for it, TIOCEXCL everybody who isn't root."""
        super().__init__(name, port.fileno())
        self.note = note
        self._port = port
        fcntl.ioctl(self.fd, termios.TIOCEXCL)
        attributes = termios.tcgetattr(self.fd)
        attributes[6][termios.VMIN] = 1  # with 0, "nothing there" and "unplugged" would both read as no bytes
        termios.tcsetattr(self.fd, termios.TCSANOW, attributes)
        with contextlib.suppress(OSError, ValueError):  # adapters without the setting are as fast as they are
            port.set_low_latency_mode(True)  # an FTDI adapter holds bytes back for 16 ms otherwise

    def flush_output(self) -> None:
        """Throw away what the kernel hasn't sent: a stop must not wait behind it."""
        self._flush(termios.TCOFLUSH)

    def drain(self) -> None:
        """Throw away both directions in the kernel."""
        self._flush(termios.TCIOFLUSH)

    def _flush(self, which: int) -> None:
        self._still_open()
        try:
            termios.tcflush(self.fd, which)
        except (OSError, termios.error) as exc:
            raise LinkError(self.name, f"flushing failed: {exc}") from exc

    def _release(self) -> None:
        """Let go of the port at once; a thread closes it, since that may wait for an adapter."""
        with contextlib.suppress(OSError, termios.error):  # unplugged: nothing left to let go of
            termios.tcflush(self.fd, termios.TCIOFLUSH)
            fcntl.ioctl(self.fd, termios.TIOCNXCL)
            fcntl.flock(self.fd, fcntl.LOCK_UN)
        threading.Thread(target=self._close_port, name=f"close {self.name}", daemon=True).start()

    def _close_port(self) -> None:
        with contextlib.suppress(OSError):
            self._port.close()


class RemotePort:
    """A port of a serial server (RFC 2217), which pyserial offers without a descriptor: two daemon threads serve it."""

    note = ""

    def __init__(self, name: str, port: rfc2217.Serial) -> None:
        self.name = name
        self._port = port
        self._unread = bytearray()
        self._lock = threading.Lock()  # of _unread
        self._unsent: queue.Queue[Callable[[], object] | None] = queue.Queue(REMOTE_UNSENT_MAX)
        self._ready: Callable[[], None] | None = None
        self._lost = ""
        self._closed = False
        notice_half_open(port._socket)  # type: ignore[attr-defined] # noqa: SLF001 (pyserial shows it nowhere)
        for work in (self._read, self._write):
            threading.Thread(target=work, name=f"{work.__name__} {name}", daemon=True).start()

    def attach(self, ready: Callable[[], None]) -> None:
        """Tell the running loop of what the reading thread finds."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(ready)

        self._ready = tell
        tell()  # for what came before

    def take(self) -> bytes:
        """Give what the reading thread put down; why the line is lost only after that."""
        with self._lock:
            data = bytes(self._unread[:READ_MAX])
            del self._unread[:READ_MAX]
            more = bool(self._unread)
        if not data:
            self._still_open()
        elif more:
            self._tell()
        return data

    def write(self, data: bytes) -> None:
        """Pass it to the writing thread."""
        self._still_open()
        self._enqueue(lambda: self._port.write(data))

    def flush_output(self) -> None:
        """Forget what the writing thread hasn't taken, and ask the server to throw away what it hasn't sent."""
        self._forget_unsent()
        self._purge(rfc2217.PURGE_TRANSMIT_BUFFER)

    def drain(self) -> None:
        """Forget both directions here, and ask the server to."""
        self._forget_unsent()
        with self._lock:
            self._unread.clear()
        self._purge(rfc2217.PURGE_BOTH_BUFFERS)

    def close(self) -> None:
        """Let the threads end; the writing one closes the port, which can take pyserial seconds."""
        if not self._closed:
            self._closed = True
            self._forget_unsent()
            self._unsent.put_nowait(None)

    def _still_open(self) -> None:
        if self._closed or self._lost:
            raise LinkError(self.name, self._lost or "closed")

    def _purge(self, which: bytes) -> None:
        # Not awaited, unlike pyserial's reset_output_buffer: the server does it before it takes the bytes behind it.
        self._still_open()
        self._enqueue(lambda: self._port.rfc2217_send_subnegotiation(rfc2217.PURGE_DATA, which))

    def _enqueue(self, work: Callable[[], object]) -> None:
        try:
            self._unsent.put_nowait(work)
        except queue.Full:
            raise LinkError(self.name, f"{REMOTE_UNSENT_MAX} writes wait: nobody reads the line") from None

    def _forget_unsent(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._unsent.get_nowait()

    def _read(self) -> None:
        while not self._closed and not self._lost:
            try:
                data = self._port.read(max(1, min(self._port.in_waiting, READ_MAX)))
                with self._lock:
                    self._unread += data
                    unread = len(self._unread) + self._port.in_waiting  # pyserial's own buffer has no bound
            except Exception as exc:  # noqa: BLE001 (the thread's boundary: whatever pyserial raises, the line is lost)
                self._lose(f"reading failed: {exc}")
            else:
                if unread > REMOTE_UNREAD_MAX:
                    self._lose("more bytes come than anybody reads")
                elif data:
                    self._tell()

    def _write(self) -> None:
        while (work := self._unsent.get()) is not None:
            try:
                work()
            except Exception as exc:  # noqa: BLE001 (likewise)
                self._lose(f"writing failed: {exc}")
        with contextlib.suppress(Exception):  # closing a broken one: nobody can do anything about it
            self._port.close()

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why[:200]
        self._tell()

    def _tell(self) -> None:
        if self._ready is not None:
            self._ready()
