"""A bed's inbox: bounded, one consumer. Readings are coalesced when it is full; nothing else is ever dropped."""

import asyncio
from collections import deque

from infusion_gateway.model.inputs import Faulted, Input, Instructed, Observed, TurnedAway
from infusion_gateway.model.observation import Reading

CAPACITY = 256
"""Inputs waiting before readings are coalesced: some ten seconds of the busiest bed."""
INSTRUCTIONS = 32
"""Instructions waiting before the next is refused: people don't type faster; a flood must not delay a device."""


def merged(older: Observed, newer: Observed) -> Observed:
    """Put two reports of one device together: the newest reading of each metric, everything else all in order."""
    fresh = {o.metric for o in newer.observations if isinstance(o, Reading)}
    kept = tuple(o for o in older.observations if not (isinstance(o, Reading) and o.metric in fresh))
    return Observed(newer.device, kept + newer.observations)


class Inbox:
    """What waits for a bed's step, in order of arrival; device input before instructions.

    The bound holds for what devices can flood it with: reports of one device coalesce into one, faults of one
    kind into the first.
    What is left (link changes, the process's own inputs) happens at most a few times a second by construction.
    """

    def __init__(self) -> None:
        self._device: deque[Input] = deque()
        self._instructions: deque[Instructed | TurnedAway] = deque()
        self._arrived = asyncio.Event()
        self.coalesced = 0

    def __len__(self) -> int:
        return len(self._device) + len(self._instructions)

    def put(self, given: Input) -> bool:
        """Add an input. False: it was an instruction (or one turned away) and too many wait; it must be refused."""
        self._arrived.set()
        if isinstance(given, Instructed | TurnedAway):
            if len(self._instructions) >= INSTRUCTIONS:
                return False
            self._instructions.append(given)
            return True
        if len(self._device) >= CAPACITY and self._coalesce(given):
            self.coalesced += 1
            return True
        self._device.append(given)
        return True

    def _coalesce(self, given: Input) -> bool:
        match given:
            case Faulted():
                return any(
                    isinstance(w, Faulted) and w.device == given.device and w.fault.kind is given.fault.kind
                    for w in self._device
                )
            case Observed():
                for at in range(len(self._device) - 1, -1, -1):
                    waiting = self._device[at]
                    if isinstance(waiting, Observed) and waiting.device == given.device:
                        self._device[at] = merged(waiting, given)
                        return True
                return False
            case _:
                return False

    def take(self) -> Input | None:
        """Give the next input, None where nothing waits."""
        if self._device:
            return self._device.popleft()
        if self._instructions:
            return self._instructions.popleft()
        self._arrived.clear()
        return None

    async def wait(self, seconds: float) -> None:
        """Wait until something arrives, at most so long. Never raises for the time being over."""
        if self:
            return
        self._arrived.clear()
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._arrived.wait()
        except TimeoutError:
            return
