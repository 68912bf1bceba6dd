"""Beds' courses for many pages: each is written once in five seconds, and in turn, so that no stop waits for them.

To write one takes milliseconds. After a restart every page asks for every bed's; what they ask for is mostly the same.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from infusion_gateway.station.signin import Denied
from infusion_gateway.ward.shown import ShownTrend
from infusion_gateway.ward.trend import SLOT_S

KEPT = 128
"""Courses: sixty beds of two lengths, some ten MB."""
RESERVE, PER_S = 240.0, 12.0
"""How many are written for one visitor at once, and then a second: sixty beds in five seconds, for all their pages."""
VISITORS = 256


class Written(Protocol):
    """What knows the beds' courses."""

    def trend(self, gateway: str, bed: str, minutes: float = 60) -> ShownTrend | None:
        """Give a bed's course; None: there is no such bed."""


class Courses:
    """What was written in the last five seconds, and what each visitor may still have written."""

    def __init__(self, ward: Written, now_s: Callable[[], float]) -> None:
        self._ward, self._now_s = ward, now_s
        self._kept: dict[tuple[str, str, int], tuple[float, bytes]] = {}
        self._left: dict[str, tuple[float, float]] = {}
        self._turn = asyncio.Lock()

    async def of(self, visitor: str, gateway: str, bed: str, minutes: int) -> bytes | None:
        """Give a bed's course as JSON, at most five seconds old; None: there is no such bed.

        Denied: too many were written for this visitor.
        """
        async with self._turn:
            try:
                return self._written(visitor, (gateway, bed, minutes))
            finally:
                await asyncio.sleep(0)  # one course at a time, and between two whatever else there is to do

    def _written(self, visitor: str, key: tuple[str, str, int]) -> bytes | None:
        now_s = self._now_s()
        self._kept = {one: kept for one, kept in self._kept.items() if now_s - kept[0] < SLOT_S}
        if key in self._kept:
            return self._kept[key][1]
        self._spend(visitor, now_s)
        found = self._ward.trend(key[0], key[1], float(key[2]))
        if found is None:
            return None
        if len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (now_s, found.to_bytes())
        return self._kept[key][1]

    def _spend(self, visitor: str, now_s: float) -> None:
        left, at_s = self._left.pop(visitor, (RESERVE, now_s))
        left = min(RESERVE, left + (now_s - at_s) * PER_S)
        if len(self._left) >= VISITORS:
            del self._left[next(iter(self._left))]
        self._left[visitor] = (max(left - 1.0, 0.0), now_s)
        if left < 1.0:
            raise Denied(429, "too many courses were asked for: try again in a moment", "", 1.0)
