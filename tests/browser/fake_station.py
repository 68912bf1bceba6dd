"""A station that says what a test tells it to: the page, the HTTP answers and the stream of the agreed contract.

It keeps the last events for a page that comes back with Last-Event-ID, can fall silent, refuse, answer late and be
taken away. Every POST is kept, so that a test sees what the page asked.
"""

import json
import queue
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from browser.ward_of_beds import Json, at, trend
from infusion_gateway.station.guard import POLICY
from infusion_gateway.station.shelf import KINDS

PAGES = Path(__file__).parents[2] / "src/infusion_gateway/station/pages"
END = object()


class Server(ThreadingHTTPServer):
    """One whose threads end with it, and that has nothing to say of a browser that goes away."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: what a page lacks fails its test."""


class FakeStation:
    """The station and its pages on a port of the loopback."""

    def __init__(self) -> None:
        self.streams: list[queue.Queue[Any]] = []
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.beats = threading.Thread(target=self._beat, daemon=True)
        self.closed = threading.Event()
        self.reset()
        self.beats.start()

    def reset(self) -> None:
        """Begin anew: nobody signed in, no beds, every instruction accepted at once."""
        with self.lock:
            self.boot = f"b{time.monotonic_ns()}"
            self.events: list[tuple[int, str, Json]] = []
            self.number = 0
            self.posts: list[tuple[str, Json]] = []
            self.asked_from: list[str] = []
            self.me: Json = {
                "signed_in": False,
                "person": None,
                "screen": None,
                "station": "ward-1",
                "version": "0.1.0",
                "csrf": "token",
            }
            self.beds: dict[str, Json] = {}
            self.gateways: list[Json] = []
            self.log: list[Json] = []
            self.broker = {"connected": True, "why": ""}
            self.beating = True
            self.open = True
            self.trend: Callable[[], Json] = trend
            self.answers: dict[str, tuple[int, Json, float]] = {}
            self.told: dict[str, tuple[int, Json]] = {}
            self.asked: list[str] = []
            self.without: set[str] = set()

    def close(self) -> None:
        """End it."""
        self.closed.set()
        self.drop()
        self.server.shutdown()
        self.server.server_close()

    def show(self, *beds: Json) -> None:
        """Have these beds, and tell every page so."""
        with self.lock:
            self.beds |= {bed["key"]: bed for bed in beds}
        for bed in beds:
            self.emit("bed", bed)

    def emit(self, name: str, body: Json) -> None:
        """Say one event to every page."""
        with self.lock:
            self.number += 1
            event = (self.number, name, body)
            self.events = [*self.events, event][-5000:]
            for stream in self.streams:
                stream.put(event)

    def drop(self) -> None:
        """End every stream; with `open` false none is begun again."""
        with self.lock:
            streams, self.streams = self.streams, []
        for stream in streams:
            stream.put(END)

    def answer(self, path: str, body: Json, status: int = 200, after_s: float = 0.0) -> None:
        """Answer this path's POSTs so."""
        self.answers[path] = (status, body, after_s)

    def tell(self, path: str, body: Json, status: int = 200) -> None:
        """Answer GETs of this path so; of one with a query only the very same."""
        self.told[path] = (status, body)

    def posted(self, path: str) -> list[Json]:
        """Give the bodies that were posted to a path ending so."""
        return [body for asked, body in self.posts if asked.endswith(path)]

    def picture(self) -> Json:
        """Give everything, for a page that has just come."""
        return {
            "station": "ward-1",
            "time": at(),
            "gateways": self.gateways,
            "beds": list(self.beds.values()),
            "log": self.log,
        }

    def _beat(self) -> None:
        while not self.closed.wait(1.0):
            if self.beating:
                self.emit("beat", self.beat())

    def beat(self) -> Json:
        """Give a sign of life."""
        return {"time": at(), "broker": self.broker, "clients": len(self.streams), "nurses_alive": True, "duty": []}

    def begin(self, last: str) -> "queue.Queue[Any]":
        """Give a page's stream: what followed what it has, or the whole picture."""
        stream: queue.Queue[Any] = queue.Queue()
        with self.lock:
            self.asked_from.append(last)
            boot, _, number = last.partition("-")
            if boot == self.boot and number.isdecimal():
                for event in self.events:
                    if event[0] > int(number):
                        stream.put(event)
            else:
                stream.put((self.number, "picture", self.picture()))
            if self.beating:
                stream.put((self.number, "beat", self.beat()))
            self.streams.append(stream)
        return stream


def _handler(station: FakeStation) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            station.asked.append(self.path)
            known = self.path if self.path in station.told else path
            if known in station.told:
                status, told = station.told[known]
                self._json(status, told)
            elif path == "/events":
                self._events()
            elif path == "/api/me":
                self._json(200, station.me)
            elif path == "/api/calls":
                self._json(200, [])
            elif path.endswith("/trend"):
                self._json(200, station.trend())
            elif path.endswith("/log"):
                self._json(200, {"happenings": [], "before": None, "refused": ""})
            else:
                self._file(
                    {"/": "index.html", "/call": "call.html"}.get(path) or unquote(path).removeprefix("/static/")
                )

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            station.posts.append((self.path, body))
            token = self.headers.get("X-IGW-CSRF")
            if token != station.me["csrf"] and not (token and self.path.endswith(("/api/call", "/do/stop"))):
                self._json(403, {"error": "no token", "field": "csrf"})
                return
            found = next((answer for path, answer in station.answers.items() if self.path.endswith(path)), None)
            status, said, after_s = found or (200, {"outcome": "accepted", "reason": "", "id": "1"}, 0.0)
            time.sleep(after_s)
            self._json(status, said)

        def _json(self, status: int, body: Json) -> None:
            self._send(status, "application/json", json.dumps(body).encode())

        def _file(self, name: str) -> None:
            path = (PAGES / name).resolve()
            if not path.is_relative_to(PAGES) or not path.is_file() or name in station.without:
                self._send(404, "text/plain", b"")
                return
            self._send(200, KINDS.get(path.suffix, "application/octet-stream"), path.read_bytes())

        def _send(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Cache-Control", "no-cache")
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                self.close_connection = True

        def _events(self) -> None:
            self.close_connection = True
            if not station.open:
                self._send(503, "text/plain", b"")
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Connection", "close")
            self.end_headers()
            boot = station.boot
            stream = station.begin(self.headers.get("Last-Event-ID", ""))
            try:
                while (event := stream.get()) is not END:
                    number, name, body = event
                    self.wfile.write(f"id: {boot}-{number}\nevent: {name}\ndata: {json.dumps(body)}\n\n".encode())
                    self.wfile.flush()
            except OSError:
                pass
            finally:
                if stream in station.streams:
                    station.streams.remove(stream)

    return Handler
