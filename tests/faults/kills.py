"""The gateway killed (SIGKILL) at random points of whole sessions, and started again."""

import asyncio
from pathlib import Path
from random import Random

from faults.judging import Found
from faults.live import Live

SHORT_S, LONG_S, LONG_EVERY = (0.2, 1.6), (4.0, 6.0), 5
"""How long it lives: killed before it has opened anything, while it opens, or, every so manyth, in mid-session."""
DOWN_S = (0.0, 0.6)
ILL, ILL_EVERY = 92, 4
"""An SpO2 that is told and acknowledged, from every so manyth kill to the next such."""
SETTLE_S = 25.0
FIRST_S = 4.0


async def killed(directory: Path, kills: int, seed: int) -> Found:
    """Kill and restart so many times, let it settle, end it, and judge."""
    chance = Random(seed)
    live = Live(directory, seed=seed)
    await live.open()
    nurse, watch = asyncio.create_task(live.nurse()), asyncio.create_task(live.watch_pump())
    try:
        await live.phase("infusing", SETTLE_S)
        for number in range(kills):
            if number % ILL_EVERY == 1:
                await live.simulator("oximeter", "POST", "/set", spo2=ILL if number % (2 * ILL_EVERY) == 1 else 97)
            await asyncio.sleep(chance.uniform(*(LONG_S if number % LONG_EVERY == 0 else SHORT_S)))
            await live.stage.kill("gateway")
            await asyncio.sleep(chance.uniform(*DOWN_S))
            await live.stage.start("gateway")
        await asyncio.sleep(FIRST_S)
        nurse.cancel()
        await asyncio.gather(nurse, return_exceptions=True)
        await live.told(SETTLE_S)
        await live.stage.gateway.end()
        return live.judge()
    finally:
        nurse.cancel()
        watch.cancel()
        await asyncio.gather(nurse, watch, return_exceptions=True)
        await live.close()
