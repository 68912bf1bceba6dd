"""Server-sent events that resume: what is told is kept for a while, and each page reads on from where it was.

A page that comes again with the id of its last event (Last-Event-ID) gets what followed, or, where that is not kept any
more or the station was begun anew, a whole picture. Nobody has a queue: a page is a place in what is kept, so that a
slow one costs nothing, and is let go.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

KEPT = 5000
KEPT_BYTES = 32 * 1024 * 1024
BEHIND = 1000
"""A page that is further behind is let go: what it missed is in a new picture, or it resumes."""
CHUNK_BYTES = 256 * 1024
SEND_S = 10.0
"""A page that takes nothing for so long is gone."""
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
AGAIN_MS = 500
LONGEST_ID = 64


class Feed:
    """What is told, kept. picture: gives everything as it is now, JSON; drain: has all that is due told first."""

    def __init__(self, picture: Callable[[], bytes], drain: Callable[[], None] = lambda: None) -> None:
        self.boot = secrets.token_hex(8)
        self.last = 0
        self.open = True
        self._picture, self._drain = picture, drain
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._grown = asyncio.Event()

    def tell(self, kind: str, data: bytes) -> None:
        """Tell everybody: one event of this kind, its JSON on one line."""
        self.last += 1
        frame = self._frame(kind, data)
        self._frames.append(frame)
        self._bytes += len(frame)
        while len(self._frames) > KEPT or (self._bytes > KEPT_BYTES and len(self._frames) > 1):
            self._bytes -= len(self._frames.popleft())
        self._wake()

    def close(self) -> None:
        """Let every page go."""
        self.open = False
        self._wake()

    @property
    def grown(self) -> asyncio.Event:
        """What is set when something more is told: taken before one looks, so that nothing comes in between."""
        return self._grown

    def begin(self, last_event_id: str) -> tuple[bytes, int]:
        """Give what a page gets first, and the number of what it then has: nothing where it resumes, else a picture."""
        boot, _, number = last_event_id[:LONGEST_ID].rpartition("-")
        if boot == self.boot and number.isascii() and number.isdigit():
            had = int(number[:19])
            if self.last - len(self._frames) <= had <= self.last and self.last - had <= BEHIND:
                return f"retry: {AGAIN_MS}\n\n".encode(), had
        self._drain()
        return f"retry: {AGAIN_MS}\n\n".encode() + self._frame("picture", self._picture()), self.last

    def after(self, had: int) -> tuple[bytes, int] | None:
        """Give what followed, and the number of its last; None: too far behind."""
        behind = self.last - had
        if behind > min(len(self._frames), BEHIND):
            return None
        chunk: list[bytes] = []
        size = 0
        for at in range(len(self._frames) - behind, len(self._frames)):
            frame = self._frames[at]
            chunk.append(frame)
            size += len(frame)
            if size >= CHUNK_BYTES:
                break
        return b"".join(chunk), had + len(chunk)

    def _frame(self, kind: str, data: bytes) -> bytes:
        return b"id: %b-%d\nevent: %b\ndata: %b\n\n" % (self.boot.encode(), self.last, kind.encode(), data)

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()


class EventStream:
    """One page's answer to GET /events. may: asked again and again whether it still may look."""

    def __init__(self, feed: Feed, last_event_id: str, may: Callable[[], bool]) -> None:
        self._feed, self._last_event_id, self._may = feed, last_event_id, may

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the page is gone, too slow, or may look no more."""
        gone = asyncio.create_task(_gone(receive))
        try:
            async with asyncio.timeout(None) as patience:
                await self._told(gone, send, patience)
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            pass  # it takes nothing: the connection is closed under it
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _told(self, gone: "asyncio.Task[None]", send: Send, patience: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()

        async def said(message: dict[str, object]) -> None:
            patience.reschedule(loop.time() + SEND_S)
            await send(message)
            patience.reschedule(None)

        await said({"type": "http.response.start", "status": 200, "headers": HEADERS})
        chunk, had = self._feed.begin(self._last_event_id)
        while not gone.done() and self._feed.open and self._may():
            if chunk:
                await said({"type": "http.response.body", "body": chunk, "more_body": True})
            else:
                grown = asyncio.create_task(self._feed.grown.wait())
                await asyncio.wait({grown, gone}, return_when=asyncio.FIRST_COMPLETED)
                grown.cancel()
            followed = self._feed.after(had)
            if followed is None:
                return
            chunk, had = followed


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
