"""How long processes waited for a processor, as the bounds of other tests count it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from hindrance import Hindrance

BUSY = "import time\nuntil = time.monotonic() + 0.6\nwhile time.monotonic() < until: pass"


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel doesn't count how long threads wait")
async def test_processes_that_share_a_processor_are_hindered_and_one_that_sleeps_is_not() -> None:
    """Pins that waiting of what was started is counted, and that time which passes in sleep is not."""
    asleep = Hindrance()
    await asyncio.sleep(0.3)
    assert asleep.s < 0.15
    hindered = Hindrance()
    crowd = [await asyncio.create_subprocess_exec(sys.executable, "-c", BUSY) for _ in range(3 * (os.cpu_count() or 1))]
    await asyncio.sleep(0.5)
    found = hindered.s
    assert found > 0.1
    await asyncio.gather(*(one.wait() for one in crowd))
