"""What an option asks for and can't be had, said in a sentence with the way out; and who owns a path."""

import contextlib
import errno
import fcntl
import os
import socket
import termios
from collections.abc import Iterator
from pathlib import Path

TRIES = 100
"""Of the race with somebody who is just ending."""
WAYS_OUT = {
    errno.EADDRINUSE: "somebody listens there already; end that one, or give another port (0 chooses a free one)",
    errno.EADDRNOTAVAIL: "this machine has no such address; 127.0.0.1 is its loopback",
    errno.EACCES: "this user may not; give another, or for a serial port join its group (dialout)",
    errno.EAGAIN: "another process has it open; end that one, or give another",
    errno.EBUSY: "another process has it open; end that one, or give another",
    errno.EEXIST: "is in the way, and is not a link; take it away, or give another path",
    errno.ENOENT: "there is no such port or directory; plug it in, make it, or give another",
    errno.ENXIO: "there is no such port any more; plug it in, or give another",
    errno.ENOTTY: "is no serial port; give another",
}


class Unavailable(Exception):
    """What an option asks for can't be had. option: as it is written; why: a sentence with the way out."""

    def __init__(self, option: str, why: str) -> None:
        super().__init__(f"{option}: {why}")
        self.option = option
        self.why = why


@contextlib.contextmanager
def asked(option: str, what: str) -> Iterator[None]:
    """Name the option and what it gave in whatever can't be had within."""
    try:
        yield
    except OSError as error:
        raise Unavailable(option, f"{what}: {WAYS_OUT.get(_number(error)) or error.strerror or error}") from error


@contextlib.contextmanager
def owning(path: Path) -> Iterator[None]:
    """Own the path of a pseudo-terminal, also while its cable is out; Unavailable where another process does.

    The owner holds a lock (flock) on a file beside the path. The kernel gives it up with the process, however that
    ends: what a dead one left behind keeps nobody out.
    """
    lock = path.with_name(f".{path.name}.infusion-sim.lock")
    with asked("--pty", str(path)):
        held = _hold(lock)
    if isinstance(held, str):
        who = f" (process {held})" if held.isdecimal() else ""
        raise Unavailable("--pty", f"{path}: a running simulator{who} has it; end that one, or give another path")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # while it is held: nobody can have it between
        os.close(held)


def _number(error: OSError) -> int:
    """Give its errno, also where pyserial has it one error further in; 0 for none (a resolver's are another list)."""
    if isinstance(error, socket.gaierror):
        return 0
    inner = error.__context__
    if error.errno is None and isinstance(inner, termios.error):
        return int(inner.args[0])
    return error.errno or 0


def _hold(lock: Path) -> int | str:
    """Give the descriptor that holds the lock, or what its holder wrote."""
    for _ in range(TRIES):
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            said = os.read(fd, 20).decode("ascii", "replace").strip()
            os.close(fd)
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                raise
            return said
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(fd), lock.lstat()):
                os.ftruncate(fd, 0)
                os.write(fd, f"{os.getpid()}\n".encode())
                return fd
        os.close(fd)  # its holder ended and took the file away between our opening and locking it
    return ""
