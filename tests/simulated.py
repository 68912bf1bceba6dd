"""Simulated devices as processes of their own, as `infusion-sim serve` runs them, and lines that talk to them."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path


@contextlib.asynccontextmanager
async def simulated(*arguments: str) -> AsyncIterator[str]:
    """Run `infusion-sim serve …` and give the endpoint that it says it is ready at; it ends with the block."""
    command = [Path(sys.executable).parent / "infusion-sim", "serve", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while not (said := (await process.stdout.readline()).decode()).startswith("ready "):
                assert said, "the simulator ended before it was ready"
        yield said.split()[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def running(line) -> AsyncIterator[None]:
    """Run a line's task for the length of the block."""
    task = asyncio.create_task(line.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
