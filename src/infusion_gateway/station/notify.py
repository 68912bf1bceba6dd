"""E-mail, SMS gateways and push through Apprise, each message in a thread that may hang without anybody waiting for it.

A person's ways (URLs) are all tried at once; one that takes the message is enough. What a URL holds is a password or a
token: neither the log nor the page is told of it, and Apprise's own log, which names addresses, is silent.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

WITHIN_S = 15.0
"""A provider that has not taken a message by then did not get it."""
BUSY, BUSY_ALL = 3, 24
"""Messages that may be on their way to one URL at once, and to all: each has a thread, which may hang."""
_SILENT = logging.getLogger("apprise")
_SILENT.setLevel(logging.CRITICAL + 1)


@dataclass(slots=True)
class Way:
    """One URL. busy: messages that are on their way to it."""

    url: str = field(repr=False)
    busy: int = 0


class Providers:
    """Everybody's ways. people: codes with their URLs."""

    def __init__(self, people: Mapping[str, tuple[str, ...]]) -> None:
        self._ways = {code: tuple(Way(url) for url in urls) for code, urls in people.items()}
        self._busy = 0
        threading.Thread(target=_warm, daemon=True, name="notify-warm").start()

    async def send(self, person: str, title: str, text: str) -> str:
        """Send somebody a message; "" once one of their ways has taken it, else why none did. Never raises."""
        ways = self._ways.get(person, ())
        if not ways:
            return "no way to reach them is configured"
        whys = await asyncio.gather(*(self._by(way, title, text) for way in ways))
        if all(whys):
            return "; ".join(dict.fromkeys(whys))
        if any(whys):
            log.warning("one of somebody's ways did not take a message, another did", failed=sum(map(bool, whys)))
        return ""

    async def _by(self, way: Way, title: str, text: str) -> str:
        if way.busy >= BUSY or self._busy >= BUSY_ALL:
            return "messages of before are still on their way"
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()

        def came(why: str) -> None:
            way.busy, self._busy = way.busy - 1, self._busy - 1
            if not done.done():
                done.set_result(why)

        way.busy, self._busy = way.busy + 1, self._busy + 1
        try:
            args = (way, title, text, _calling(loop, came))
            threading.Thread(target=_tell, args=args, daemon=True, name="notify").start()
        except RuntimeError:
            came("this machine starts no more threads")
        try:
            async with asyncio.timeout(WITHIN_S):
                return await done
        except TimeoutError:
            return f"their provider has not taken it for {WITHIN_S:.0f} s"


def _calling(loop: asyncio.AbstractEventLoop, came: Callable[[str], None]) -> Callable[[str], None]:
    def say(why: str) -> None:
        with suppress(RuntimeError):  # the station has ended meanwhile
            loop.call_soon_threadsafe(came, why)

    return say


def _tell(way: Way, title: str, text: str, say: Callable[[str], None]) -> None:
    """Send it, in a thread of its own. An error's words may hold what the URL does: its type alone is told."""
    try:
        say(_sent(way, title, text))
    except BaseException as error:  # noqa: BLE001 - whatever a provider's part raises, the message is not delivered
        say(f"their provider could not be told ({type(error).__name__})")


def _sent(way: Way, title: str, text: str) -> str:
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, PersistentStoreMode

    asset = AppriseAsset(
        async_mode=False, app_id="Infusion Gateway", app_desc="Infusion Gateway: a station",
        storage_mode=PersistentStoreMode.MEMORY, plugin_paths=[], http_redirects=False,
    )  # fmt: skip
    made = Apprise(asset=asset)
    if not made.add(way.url):
        return "one of their URLs is none that Apprise knows"
    made[0].request_rate_per_sec = 0.0  # else one message waits 5.5 s for another: the policy bounds them itself
    took = made.notify(body=text, title=title, notify_type=NotifyType.WARNING, body_format=NotifyFormat.TEXT)
    return "" if took else f"{str(made[0].service_name)[:40]} did not take it"


def _warm() -> None:
    """Have Apprise read once before it is needed: its many parts take seconds."""
    with suppress(Exception):
        from apprise import Apprise

        Apprise.instantiate("json://127.0.0.1:1")
