"""Simulated devices as processes of their own, as `infusion-sim serve` runs them, and lines that talk to them."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

SIM = Path(sys.executable).parent / "infusion-sim"


@dataclass(frozen=True)
class Simulated:
    """A running simulator: where it can be talked to, and where its keypad and truth are."""

    endpoint: str
    control: str

    async def ctl(self, *arguments: str) -> str:
        """Run `infusion-sim ctl` on it with these words (`press`, `start`) and give what it prints."""
        process = await asyncio.create_subprocess_exec(SIM, "ctl", self.control, *arguments, stdout=subprocess.PIPE)
        said, _ = await process.communicate()
        assert process.returncode == 0, said
        return said.decode()


@contextlib.asynccontextmanager
async def simulated(*arguments: str) -> AsyncIterator[Simulated]:
    """Run `infusion-sim serve …` until the end of the block; begins once the device can be talked to."""
    process = await asyncio.create_subprocess_exec(
        SIM, "serve", *arguments, "--control", "127.0.0.1:0", stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        said: dict[str, str] = {}
        async with asyncio.timeout(20):
            while "ready" not in said:
                word, _, where = (await process.stdout.readline()).decode().strip().partition(" ")
                assert word, "the simulator ended before it was ready"
                said[word] = where
        yield Simulated(said["ready"], said["control"])
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
