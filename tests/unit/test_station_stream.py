"""The stream of events: resuming without a loss, pictures where that can't be, and pages that don't read."""

import asyncio
from typing import Any

import pytest

from infusion_gateway.station import stream
from infusion_gateway.station.stream import BEHIND, KEPT, EventStream, Feed


def feed_of(count: int) -> Feed:
    """Give a feed in which so much has been told."""
    feed = Feed(lambda: b'{"all":1}')
    for n in range(count):
        feed.tell("happening", b'{"n":%d}' % n)
    return feed


def events(text: bytes) -> list[tuple[str, str, str]]:
    """Read id, event and data of each, as a browser does."""
    found = []
    for part in text.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.splitlines() if ": " in line)
        if "data" in lines:
            found.append((lines["id"], lines["event"], lines["data"]))
    return found


def test_a_new_page_gets_a_picture() -> None:
    """Pins that who comes without an id, with another station's or with nonsense gets everything as it is."""
    feed = feed_of(3)
    for last in (
        "",
        "other-2",
        f"{feed.boot}-",
        f"{feed.boot}-x",
        f"{feed.boot}-4",
        f"{feed.boot}--1",
        "-",
        "9" * 4000,
    ):
        text, had = feed.begin(last)
        assert [(one[0], one[1]) for one in events(text)] == [(f"{feed.boot}-3", "picture")], last
        assert had == 3


def test_a_page_that_comes_again_misses_nothing_and_gets_nothing_twice() -> None:
    """Pins resuming, from every place at which a page may have been cut off."""
    feed = feed_of(20)
    for had in range(21):
        text, at = feed.begin(f"{feed.boot}-{had}")
        assert events(text) == []
        followed = feed.after(at)
        assert followed is not None
        assert [one[2] for one in events(followed[0])] == [f'{{"n":{n}}}' for n in range(had, 20)]
        assert followed[1] == 20


def test_who_was_away_for_too_long_gets_a_picture() -> None:
    """Pins that a gap is never silent: what is not kept any more comes as a whole picture."""
    feed = feed_of(KEPT + 10)
    text, _ = feed.begin(f"{feed.boot}-5")
    assert events(text)[0][1] == "picture"
    text, _ = feed.begin(f"{feed.boot}-{KEPT + 10 - BEHIND - 1}")
    assert events(text)[0][1] == "picture"
    text, _ = feed.begin(f"{feed.boot}-{KEPT + 10 - BEHIND}")
    assert events(text) == []


def test_what_is_kept_is_bounded() -> None:
    """Pins both bounds of the memory: how many, and how many bytes."""
    assert len(feed_of(KEPT + 50)._frames) == KEPT
    feed = Feed(lambda: b"")
    for _ in range(40):
        feed.tell("bed", b"x" * 1024 * 1024)
    assert feed._bytes <= stream.KEPT_BYTES
    assert feed.after(0) is None


def test_what_is_due_is_told_before_a_picture() -> None:
    """Pins that an older state never comes after the picture that is newer."""
    told: list[str] = []
    feed = Feed(lambda: told.append("picture") or b"{}", lambda: told.append("due"))
    feed.begin("")
    assert told == ["due", "picture"]


class Page:
    """A page that reads so many messages and then hangs, or goes away."""

    def __init__(self, *, reads: int = 10**6, gone: bool = False) -> None:
        self.messages: list[Any] = []
        self.reads, self.leaves = reads, asyncio.Event()
        if gone:
            self.leaves.set()

    async def receive(self) -> Any:
        """Wait until it leaves."""
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a message, or never."""
        if len(self.messages) >= self.reads:
            await asyncio.Event().wait()
        self.messages.append(message)

    @property
    def text(self) -> bytes:
        """Everything that it was sent."""
        return b"".join(message.get("body", b"") for message in self.messages)


async def until(page: Page, what: bytes) -> None:
    """Wait until a page has been sent this."""
    async with asyncio.timeout(20):
        while what not in page.text:
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def test_what_is_told_reaches_every_page_in_order() -> None:
    """Pins that two pages get the picture and then the same, at once."""
    feed = feed_of(0)
    pages = [Page(), Page()]
    tasks = [asyncio.create_task(EventStream(feed, "", lambda: True)({}, p.receive, p.send)) for p in pages]
    for page in pages:
        await until(page, b"picture")
    feed.tell("bed", b'{"bed":1}')
    feed.tell("happening", b'{"alarm":1}')
    for page in pages:
        await until(page, b'"alarm"')
        assert [one[1] for one in events(page.text)] == ["picture", "bed", "happening"]
    feed.close()
    await asyncio.gather(*tasks)
    assert all(page.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False} for page in pages)


async def test_a_page_that_goes_away_ends_its_stream() -> None:
    """Pins that nothing stays behind for a page that left."""
    page = Page(gone=True)
    async with asyncio.timeout(5):
        await EventStream(feed_of(0), "", lambda: True)({}, page.receive, page.send)


async def test_a_page_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a page which reads no further is given up in time, and holds up nobody."""
    monkeypatch.setattr(stream, "SEND_S", 0.05)
    page = Page(reads=1)
    async with asyncio.timeout(5):
        await EventStream(feed_of(0), "", lambda: True)({}, page.receive, page.send)
    assert len(page.messages) == 1


async def test_who_may_look_no_more_is_told_no_more() -> None:
    """Pins that a session's end ends its stream at the next word."""
    feed, allowed, page = feed_of(0), [True], Page()
    task = asyncio.create_task(EventStream(feed, "", lambda: allowed[0])({}, page.receive, page.send))
    await until(page, b"picture")
    allowed[0] = False
    feed.tell("bed", b'{"secret":1}')
    async with asyncio.timeout(5):
        await task
    assert b"secret" not in page.text
