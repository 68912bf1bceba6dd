"""Who brings messages to people, for tests of escalation: a real mail server and a real push service, here."""

import email.policy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.controller import Controller

from brokers import free_port


class Mail:
    """A mail server of the loopback that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str]] = []
        self.port = free_port()
        self._server = Controller(self, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a message."""
        read = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = read.get_body(("plain",))
        assert body is not None
        self.got.append((envelope.rcpt_tos[0], str(read["subject"]), body.get_content()))
        return "250 OK"


class Push(ThreadingHTTPServer):
    """A push service of the loopback that keeps what is posted to it. hangs: cleared, it answers nobody."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status, self.hangs = 200, threading.Event()
        self.hangs.set()
        super().__init__(("127.0.0.1", 0), _Posted)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hangs.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        """Say nothing of who went away."""


class _Posted(BaseHTTPRequestHandler):
    server: Push

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Keep it and answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.hangs.wait(20)
        if self.server.status == 200:
            self.server.got.append(body)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
