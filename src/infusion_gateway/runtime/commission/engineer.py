"""The person in front of the bed: asked, told what to do, answering at a terminal or out of a file."""

import asyncio
import sys
import threading
from collections.abc import Mapping
from typing import Protocol

from infusion_gateway.errors import GatewayError


class NobodyAnswers(GatewayError):
    """A question has no answer: the terminal is gone, or the file has none. Says which, and the way out."""


class Engineer(Protocol):
    """Whoever stands there. key: the question's own name, stable between runs."""

    @property
    def in_person(self) -> bool:
        """Whether a person answers at this moment, who can see and hear the bed."""

    def say(self, text: str) -> None:
        """Tell something."""

    def do(self, key: str, text: str) -> None:
        """Tell what is to be done with the hands now; that it was done is seen at the devices."""

    async def agrees(self, key: str, question: str) -> bool:
        """Ask what is answered by yes or no; NobodyAnswers where nobody does."""


class AtTerminal:
    """A person at the terminal of this process; the lines are served while the answer is waited for."""

    in_person = True

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._begun = False

    def say(self, text: str) -> None:
        """Print it."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def do(self, key: str, text: str) -> None:  # noqa: ARG002 - the name is for those who answer out of a file
        """Print it so that it stands out."""
        self.say(f"\nDO:  {text}")

    async def agrees(self, key: str, question: str) -> bool:  # noqa: ARG002 - likewise
        """Ask until it is yes or no."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._read, name="terminal", daemon=True).start()
        while not self._lines.empty():
            self._lines.get_nowait()  # typed before it was asked: no answer to this
        while True:
            sys.stdout.write(f"\nASK: {question} [yes/no] ")
            sys.stdout.flush()
            line = await self._lines.get()
            if not line:
                raise NobodyAnswers("the terminal is gone: run it in one, or give --answers FILE")
            said = line.strip().lower()
            if said in ("yes", "y", "no", "n"):
                return said.startswith("y")

    def _read(self) -> None:
        """Read lines in a thread of their own, so that no question ever holds a line up."""
        while True:
            line = sys.stdin.readline()
            try:
                self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
            except RuntimeError:  # the loop has ended: nobody asks any more
                return
            if not line:
                return


class FromFile:
    """Answers that were written down before: for tests, and no proof of anything that only a person can see."""

    in_person = False

    def __init__(self, answers: Mapping[str, bool]) -> None:
        self._answers = dict(answers)

    def say(self, text: str) -> None:
        """Print it."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def do(self, key: str, text: str) -> None:
        """Print it with its name, so that a test's hands know what to do."""
        self.say(f"DO {key}: {text}")

    async def agrees(self, key: str, question: str) -> bool:
        """Give the answer of the most exact name: `chair-1/pump.screen`, else `screen`."""
        for name in (key, key.rpartition(".")[2]):
            if name in self._answers:
                self.say(f"ASK {key}: {question} {'yes' if self._answers[name] else 'no'}")
                return self._answers[name]
        raise NobodyAnswers(f'the file has no answer to {key}: {question} Add it as "{key}" = true or false')
