"""How tests wait for what others do."""

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 40.0
"""Of a machine with other work."""


async def until(holds: Callable[[], object], what: str = "it holds", seconds: float = PATIENCE_S) -> float:
    """Wait until something holds that is told by no event, and give how long that took; fail after the deadline."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)
    return time.monotonic() - began
