"""Passwords and PINs held against their Argon2id hashes: in threads, a bounded number at once.

A hash takes a tenth of a second of a core and tens of megabytes on purpose. Passwords and PINs have a thread each, so
that a flood of sign-ins never stands before a nurse who acknowledges.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

PASSWORDS = PasswordHasher()
"""RFC 9106's second recommendation, the library's own default: 64 MiB."""
PINS = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's least: a PIN is looked for among everybody's, and three seconds are all there is."""
LONGEST = 256
"""Characters of a password that are looked at."""


class Busy(Exception):
    """As many wait as may: caught where a request is answered."""


class Checks:
    """One thread that verifies, and a bounded number that wait for it."""

    def __init__(self, name: str, waiting: int) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._free = waiting

    async def matches(self, hashed: str, said: str) -> bool:
        """Say whether this is what was hashed. Busy: too many ask at once."""
        return await self.first((hashed,), said) is not None

    async def first(self, hashes: tuple[str, ...], said: str) -> int | None:
        """Give the place of the first hash that is of this; None: none is. Busy: too many ask at once."""
        if self._free <= 0:
            raise Busy
        self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _first, hashes, said)
        finally:
            self._free += 1

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _first(hashes: tuple[str, ...], said: str) -> int | None:
    return next((place for place, hashed in enumerate(hashes) if holds(hashed, said)), None)


def holds(hashed: str, said: str) -> bool:
    """Say whether this is what was hashed; what is no hash holds for nothing."""
    try:
        return PASSWORDS.verify(hashed, said)
    except (Argon2Error, InvalidHashError):
        return False
