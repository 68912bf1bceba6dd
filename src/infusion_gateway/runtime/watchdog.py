"""systemd's notification protocol (sd_notify(3)): ready, alive, stopping. Nothing where systemd did not ask for it."""

import contextlib
import os
import socket


class Notifier:
    """Tells the service manager how the process is. `alive` is called only by a loop that really decides."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)

    def ready(self) -> None:
        """Say that supervision has begun."""
        self._say(b"READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._say(b"WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end was asked for."""
        self._say(b"STOPPING=1")

    def _say(self, what: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # a manager that does not listen must not harm a bed
                self._socket.sendto(what, self._address)
