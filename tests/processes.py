"""What tests start as processes of their own, and how they wait for what those do."""

import asyncio
import sys
import time
from collections.abc import Callable

COMMAND = (sys.executable, "-m", "infusion_gateway")
"""The gateway's program, as this Python has it."""
PATIENCE_S = 40.0
"""Of a machine with other work."""


async def until(holds: Callable[[], object], what: str = "it holds", seconds: float = PATIENCE_S) -> float:
    """Wait until something holds that is told by no event, and give how long that took; fail after the deadline."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)
    return time.monotonic() - began
