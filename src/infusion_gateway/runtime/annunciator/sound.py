"""Sound: files of tones, played by a command of the configuration; never through a shell, never for ever."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import structlog

from infusion_gateway.core.bedside import Burst
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import SECOND
from infusion_gateway.runtime.annunciator import tones
from infusion_gateway.runtime.clock import Clock

log = structlog.get_logger(__name__)

LONGER_S = 2.0
"""How much longer than its burst a player may take: opening a sound card, emptying its buffer. In all less than from
one burst to the next, so that a player that hangs is told, not cut off by the next burst for ever."""
SAID_BYTES = 2000
BURSTS = (*(Burst(p, reminder) for p in Priority for reminder in (False, True)), Burst(None, reminder=False))


class Files:
    """Every burst there is, as a file in a directory; one that somebody tidied away is written again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._waves = {burst: tones.burst(burst.priority, reminder=burst.reminder) for burst in BURSTS}

    def path(self, burst: Burst) -> Path:
        """Give a burst's file; OSError where it can't be had."""
        path = self._directory / f"{_name(burst)}{'-reminder' if burst.reminder else ''}.wav"
        if not path.exists():
            self._directory.mkdir(exist_ok=True, mode=0o700)
            part = path.with_suffix(".part")
            part.write_bytes(self._waves[burst])
            part.replace(path)
        return path


class Sound:
    """One bed's sound. played: is told how each burst ended, unless another took its place. why: "" while it works."""

    def __init__(self, command: tuple[str, ...], files: Files, clock: Clock, played: Callable[[bool], None]) -> None:
        self._command = command
        self._files = files
        self._clock = clock
        self._played = played
        self._playing: asyncio.Task[None] | None = None
        self.why = "it was not tried yet"

    def play(self, burst: Burst) -> None:
        """Play, at once: what plays is cut off first, since a sound card may have room for one player alone."""
        before = self._playing
        if before is not None:
            before.cancel()
        self._playing = asyncio.create_task(self._play(burst, before), name="sound")

    async def close(self) -> None:
        """Fall silent."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    async def _play(self, burst: Burst, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        began = self._clock.now()
        try:
            why = await self._tried(burst)
        except Exception as error:  # a task that nobody waits for: what broke in it is a sound that does not work
            log.exception("sound")
            why = f"{type(error).__name__}: {error}"[:200]
        took = (self._clock.now() - began) / SECOND
        if why != self.why:
            log.log(20 if not why else 40, "sound", works=not why, why=why, took_s=round(took, 2))
        self.why = why
        self._played(not why)

    async def _tried(self, burst: Burst) -> str:
        try:
            words = {"{file}": str(self._files.path(burst)), "{priority}": _name(burst)}
        except OSError as error:
            return f"its files can't be written: {error.strerror}"[:200]
        command = [_put(word, words) for word in self._command]
        return await self._run(command, tones.length_s(burst.priority) + LONGER_S)

    async def _run(self, command: list[str], most_s: float) -> str:
        """Run the player; say why it did not play, "" where it ended well. Cut off, it is gone when this ends."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                limit=SAID_BYTES,
                start_new_session=True,  # so that whatever it starts can be ended with it
            )
        except (OSError, ValueError) as error:
            return f"{command[0]} can't be started: {getattr(error, 'strerror', None) or error}"[:200]
        try:
            async with asyncio.timeout(most_s):
                code = await process.wait()
        except TimeoutError:
            return f"{Path(command[0]).name} did not end within {most_s:.1f} s"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await _reaped(process)
        if code == 0:
            return ""
        said = await _last_words(process)
        return f"{Path(command[0]).name} ended with {code}{': ' + said if said else ''}"[:200]


async def _reaped(process: asyncio.subprocess.Process) -> None:
    """Wait for what was killed; it can't take long, and must not be left though we are cancelled."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await process.wait()


async def _last_words(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    try:
        async with asyncio.timeout(0.2):
            said = await process.stderr.read(SAID_BYTES)
    except TimeoutError:
        return ""
    lines = said.decode(errors="replace").strip().splitlines()
    return "".join(c if c.isprintable() else " " for c in lines[-1]) if lines else ""


def _name(burst: Burst) -> str:
    return "silence" if burst.priority is None else burst.priority.name.lower()


def _put(word: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        word = word.replace(name, value)
    return word
