"""What people see of sixty beds in session, in a real Chromium: first view, an alarm's way to the pixels, load, frames.

An alarm's way begins where the bench publishes it and ends after the drawing of the frame that first shows it, by the
page's own clock. Both clocks are read in turn; their offset is known to half of the quickest round trip, which is told.
The floor is a bare bridge from MQTT to a page (bridge.py), before the same beds and in the same browser.
"""

import asyncio
import contextlib
import random
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from bench.figures import Figure, percentile, spread
from bench.inside import Measured
from bench.outside import Subscriber
from bench.ward import OWN, Voice, infuse, process, url, ward
from browser.shoot import ARGUMENTS, CHROMIUM, WALL
from processes import COMMAND

BEDS = 60
FIRST_S, ALARM_MS, CPU_PERCENT, FRAME_MS = 1.0, 100.0, 15.0, 34.0
"""The most: until the first tile is drawn; an alarm at p95; the station; between two frames at p95 (two of 60 Hz)."""
SETTLE_S, SHOWN_S, LONGEST_S = 5.0, 1.0, 30.0
NUMBER = re.compile(rb"number (\d+) is so")
LOOKS = 50
"""At both clocks."""
WATCH = """
const painted = (then) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => then(performance.now());  // what comes first after the frame is drawn
  port2.postMessage(null);
});
let shown = null;
const first = new Promise((resolve) => { shown = resolve; });
const bench = { first, seen: {}, frames: [], long: [] };
window.bench = bench;
new MutationObserver(() => {
  if (shown && document.querySelector(".tile")) {
    painted(shown);
    shown = null;
  }
  const own = document.querySelector('[data-key="OWN/bed-1"], [data-key$="/OWN/bed-1/alarms"]');
  const number = /number (\\d+) is so/.exec(own?.textContent ?? "")?.[1];
  if (number && !(number in bench.seen)) {
    bench.seen[number] = null;
    painted((now) => { bench.seen[number] = now; });
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
const frame = (at) => {
  bench.frames.push(at);
  requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
new PerformanceObserver((list) => bench.long.push(...list.getEntries().map((one) => one.duration)))
  .observe({ type: "longtask" });
""".replace("OWN", OWN)
"""In each page before its own scripts."""


@dataclass(slots=True)
class Viewed:
    """What was measured of one server and its page; times in ms. cpu: percent of a core; drift: of the two clocks."""

    first: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)
    long: list[float] = field(default_factory=list)
    alarms: list[float] = field(default_factory=list)
    streamed: list[float] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    cpu: float = 0.0
    memory: float = 0.0
    messages: float = 0.0
    drift: float = 0.0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: views, seconds of the load, alarms."""

    views: int
    seconds: float
    alarms: int


async def measure(place: Path, extent: Extent, seed: int) -> list[Figure]:
    """Measure the station, then its floor, before the same beds and in the same browser."""
    async with ward(place, BEDS - 1) as here, async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        voice = Voice(here.ear)
        viewing = Viewing(browser, here.ear, voice, extent, random.Random(seed))
        try:
            async with process(place, "station", (*COMMAND, "station", "-c", str(here.config)), here.ear) as station:
                await infuse(here)
                voice.begin()
                found = await viewing.look(station, url(station, "station", place))
            bridge = (sys.executable, str(Path(__file__).with_name("bridge.py")), str(here.broker))
            async with process(place, "bridge", bridge, here.ear) as floor:
                viewing = replace(viewing, extent=replace(extent, seconds=extent.seconds / 3))
                least = await viewing.look(floor, url(floor, "bridge", place))
        finally:
            await voice.end()
            await browser.close()
    return figures(found, least)


def figures(found: Viewed, least: Viewed) -> list[Figure]:
    """Write what was measured beside its floor."""
    first, told = f"First view on loopback, {BEDS} beds: navigation to the first tile drawn", "An alarm, MQTT to pixels"
    load = f"{BEDS} beds in session at 1 Hz, one page open"
    slowest, frame = max(found.first) / 1000, percentile(found.frames, 95)
    return [
        Figure(
            first, "p50", percentile(found.first, 50) / 1000, "s", len(found.first), percentile(least.first, 50) / 1000
        ),
        Figure(
            first, "longest", slowest, "s", len(found.first), max(least.first) / 1000,
            f"under {FIRST_S:g} s", slowest < FIRST_S,
        ),
        *spread(told, "published to drawn", found.alarms, least.alarms, aims={95: ALARM_MS}),
        Figure(told, "of it to a bare subscriber, p95", percentile(found.heard, 95), "ms", len(found.heard)),
        Figure(
            told, "of it to a bare reader of the page's events, p95", percentile(found.streamed, 95), "ms",
            len(found.streamed), percentile(least.streamed, 95),
        ),
        Figure(told, "of it one frame, p50", percentile(found.frames, 50), "ms", len(found.frames)),
        Figure(told, "the two clocks agree to", found.drift, "ms", LOOKS),
        Figure(
            load, "CPU of the station", found.cpu, "% of a core", 1, least.cpu,
            f"under {CPU_PERCENT:g} %", found.cpu < CPU_PERCENT,
        ),
        Figure(load, "memory of the station", found.memory, "MB", 1, least.memory),
        Figure(load, "messages from the broker", found.messages, "/s", 1, least.messages),
        Figure(
            load, "between two frames, p95", frame, "ms", len(found.frames), percentile(least.frames, 95),
            f"at most {FRAME_MS:g} ms", frame <= FRAME_MS,
        ),
        Figure(
            load, "between two frames, p99", percentile(found.frames, 99), "ms", len(found.frames),
            percentile(least.frames, 99),
        ),
        Figure(
            load, "tasks over 50 ms, longest", max(found.long, default=0.0), "ms", len(found.long),
            max(least.long, default=0.0),
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Viewing:
    """Who looks: a browser, a bare subscriber beside it, and the bed whose alarms are the bench's own."""

    browser: Browser
    ear: Subscriber
    voice: Voice
    extent: Extent
    chance: random.Random

    async def look(self, served: Measured, address: str) -> Viewed:
        """Open one server's page again and again, leave it open under load, and raise alarms."""
        found = Viewed()
        for _ in range(self.extent.views):
            context, page = await self._open(address)
            found.first.append(float(await asyncio.wait_for(page.evaluate("bench.first"), LONGEST_S)))
            await context.close()
        context, page = await self._open(address)
        self.ear.keeps = False
        await asyncio.sleep(SETTLE_S)
        await page.evaluate("bench.frames = [], bench.long = []")
        cpu, at, count = served.cpu_ns(), time.monotonic_ns(), sum(self.ear.counts.values())
        await asyncio.sleep(self.extent.seconds)
        took = time.monotonic_ns() - at
        found.cpu, found.memory = 100 * (served.cpu_ns() - cpu) / took, served.resident_mb()
        found.messages = (sum(self.ear.counts.values()) - count) * 1e9 / took
        drawn, found.long = await page.evaluate("[bench.frames, bench.long]")
        found.frames = [later - one for one, later in pairwise(drawn)]
        served.check()
        async with _reading(address) as streamed:
            await self._alarms(page, streamed, found)
        await context.close()
        return found

    async def _open(self, address: str) -> tuple[BrowserContext, Page]:
        """Open the page in a browser profile of its own."""
        context = await self.browser.new_context(viewport=ViewportSize(width=WALL["width"], height=WALL["height"]))
        await context.add_init_script(WATCH)
        page = await context.new_page()
        await page.goto(address)
        return context, page

    async def _alarms(self, page: Page, streamed: dict[int, int], found: Viewed) -> None:
        """Raise alarms at any moment of a second, one after the other; note when each was heard, told, and drawn."""
        offset, found.drift = await _offset(page)
        self.ear.messages.clear()
        self.ear.keeps = True
        raised: dict[int, int] = {}
        await page.evaluate("bench.seen = {}")
        for number in range(1, self.extent.alarms + 1):
            raised[number] = time.monotonic_ns()
            self.voice.alarm(number)
            await asyncio.sleep(SHOWN_S * self.chance.uniform(0.3, 0.7))
            self.voice.calm()
            await asyncio.sleep(SHOWN_S * self.chance.uniform(0.1, 0.3))
        await asyncio.sleep(SHOWN_S)
        self.ear.keeps = False
        seen = await page.evaluate("bench.seen")
        for number, at in raised.items():
            drawn, words = seen.get(str(number)), f"number {number} is so".encode()
            found.alarms.append(float("inf") if drawn is None else drawn + offset - at / 1e6)
            found.heard += [(one.at - at) / 1e6 for one in self.ear.messages if words in one.payload]
            found.streamed.append((streamed[number] - at) / 1e6 if number in streamed else float("inf"))


@contextlib.asynccontextmanager
async def _reading(address: str) -> AsyncIterator[dict[int, int]]:
    """Read a server's events beside the page, and only note when each number first came, ns."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
    writer.write(f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    found: dict[int, int] = {}

    async def read() -> None:
        while line := await reader.readline():
            for number in NUMBER.findall(line) if b"is so" in line else ():
                found.setdefault(int(number), time.monotonic_ns())

    reading = asyncio.create_task(read())
    try:
        yield found
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.close()


async def _offset(page: Page) -> tuple[float, float]:
    """Give what is to be added to the page's clock to have ours, and how far that may be off; ms."""
    looks = []
    for _ in range(LOOKS):
        before = time.monotonic_ns()
        there = float(await page.evaluate("performance.now()"))
        after = time.monotonic_ns()
        looks.append(((after - before) / 2e6, (before + after) / 2e6 - there))
    drift, offset = min(looks)
    return offset, drift
