"""The live view in a terminal, over the gateway's local socket: no broker is needed for it."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from infusion_gateway.config.settings import Settings
from infusion_gateway.runtime.terminal import Beds, draw, lines

LINE_BYTES = 1 << 17
AGAIN_S = 0.5
REDRAW_S = 0.25
LINE_EVERY_S = 1.0


def run(settings: Settings) -> int:
    """Show until Ctrl-C; where the gateway is away, say so and wait for it."""
    try:
        asyncio.run(show(settings.gateway.socket, Console(), ""))
    except KeyboardInterrupt:
        return 0
    return 0


async def show(socket: Path, console: Console, caption: str) -> None:
    """Draw the beds for ever, under the caption; ends by being cancelled.

    Where the console is no terminal they are said in lines, each as it comes, without the caption.
    """
    beds = Beds()
    say = partial(console.out, highlight=False)  # which flushes
    reading = asyncio.create_task(_read(socket, beds, None if console.is_terminal else say))
    try:
        await (_draw(beds, console, caption, reading) if console.is_terminal else _speak(beds, say, reading))
        await reading
    finally:
        reading.cancel()


async def _draw(beds: Beds, console: Console, caption: str, reading: asyncio.Task[None]) -> None:
    with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        while not reading.done():
            drawn = draw(beds, now_s=time.monotonic(), utc=datetime.now(UTC))
            live.update(Group(Text(caption), drawn) if caption else drawn, refresh=True)
            await asyncio.sleep(REDRAW_S)


async def _speak(beds: Beds, say: Callable[[str], None], reading: asyncio.Task[None]) -> None:
    while not reading.done():
        for line in lines(beds, now_s=time.monotonic(), utc=datetime.now(UTC)):
            say(line)
        await asyncio.wait({reading}, timeout=LINE_EVERY_S)


async def _read(socket: Path, beds: Beds, say: Callable[[str], None] | None) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(socket, limit=LINE_BYTES)
            while line := await reader.readline():
                message = json.loads(line)
                happened = beds.take(message["topic"], message["payload"], time.monotonic())
                if happened and say is not None:
                    say(happened)
            writer.close()
        except (OSError, ValueError):  # not there yet, gone, or a line cut off: the screen says that it is silent
            pass
        await asyncio.sleep(AGAIN_S)
