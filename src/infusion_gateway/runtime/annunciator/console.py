"""The console line: what a bed sounds and shows, in words, whenever that changes. Never waits for who reads it."""

import os
import select
import sys

from infusion_gateway.core.bedside import TEXT
from infusion_gateway.model.alarm import Annunciation, Priority, Sound
from infusion_gateway.wire.stamps import rfc3339, words

MARKS = {Priority.HIGH: "!!!", Priority.MEDIUM: "!!", Priority.LOW: "!"}
"""Priority by symbol too (clinical reference 4)."""


def line(bed: str, shown: Annunciation, utc_ns: int) -> str:
    """Write what a bed sounds and shows, as one line."""
    if shown.light is None and shown.sounding is None:
        return f"{rfc3339(utc_ns)} {bed} quiet"
    top = shown.sounding or shown.light
    assert top is not None
    sound = {Sound.BURSTS: "sounding", Sound.REMINDER: "reminding", Sound.NONE: "silent"}[shown.sound]
    light = f"{shown.light.name.lower()} light" if shown.light is not None else "no light"
    more = f" (and {shown.more} more)" if shown.more else ""
    return f"{rfc3339(utc_ns)} {bed} {MARKS[top]} {top.name} {sound}, {light}: {words(shown.text, TEXT)}{more}"


class Console:
    """Standard output, as a place where lines may be lost but nobody waits."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = sys.stdout.fileno() if fd is None else fd
        self.why = ""

    def show(self, text: str) -> None:
        """Print a line where it can be printed now: at most a pipe's atomic write, to one that has room for it."""
        data = text.encode(errors="replace")[: select.PIPE_BUF - 1] + b"\n"
        try:
            _, writable, _ = select.select([], [self._fd], [], 0)
            if not writable:
                self.why = "nobody reads it"
                return
            os.write(self._fd, data)
            self.why = ""
        except (OSError, ValueError) as error:
            self.why = f"it is gone: {error}"[:200]
