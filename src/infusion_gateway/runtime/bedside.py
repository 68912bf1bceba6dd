"""The gateway's end of the bed's own alarms: says each bed's word over a socket on this machine, and hears who lives.

No broker and no disk is in between. What the annunciator reports is judged here, by the gate `bedside-alarm`: only one
that was heard of late, that has heard us, and whose outputs were all seen to work is a bedside alarm.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from pydantic import ValidationError

from infusion_gateway.core.bedside import Word, alone
from infusion_gateway.core.gates import BEDSIDE
from infusion_gateway.model.inputs import GateChanged
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.feed import listen
from infusion_gateway.wire.bedside import LINE_BYTES, AtBed, Report, Told, report

log = structlog.get_logger(__name__)

LISTENERS = 4
"""Annunciators at once: one, and one that takes over from it."""
BACKLOG_BYTES = 1 << 16
"""What may wait for an annunciator that does not read; then it is cut off, and sounds by itself."""
HEARD_WITHIN: Nanos = 3 * SECOND
"""An annunciator reports every second; one that was not heard for so long is dead."""
HEEDS_WITHIN: Nanos = 3 * SECOND
"""What it has heard of us may be so old: one that does not take in our words is deaf."""
REPEAT: Nanos = 20 * SECOND
"""How often a bed is told of its bedside alarm though nothing changed."""


class Bedsides:
    """The annunciators' socket. beds: those that have one, with the outputs that it must have.

    tell: takes a bed's gate; never blocks, never raises.
    """

    def __init__(
        self, path: Path, beds: Mapping[str, frozenset[str]], clock: Clock, tell: Callable[[str, GateChanged], object]
    ) -> None:
        self._path = path
        self._clock = clock
        self._tell = tell
        self._outputs = dict(beds)
        self._reports: dict[str, tuple[Nanos, AtBed]] = {}
        self._told: dict[str, tuple[Nanos, GateChanged | None]] = dict.fromkeys(beds, (0, None))
        self._listeners: set[asyncio.StreamWriter] = set()
        self._server: asyncio.AbstractServer | None = None
        self._why = "nothing is heard of the annunciator: look whether it runs"

    async def open(self) -> None:
        """Listen, where a bed has an annunciator; where that can't be had, the beds are told so."""
        if not self._told:
            return
        try:
            self._server = await listen(self._path, self._serve, LINE_BYTES)
        except OSError as error:
            self._why = f"its socket can't be had: {error.strerror}"
            log.error("annunciator's socket", path=str(self._path), error=str(error))  # noqa: TRY400 - no traceback

    async def close(self) -> None:
        """Stop listening; what was said last is sent first."""
        if self._server is not None:
            self._server.close()
            for listener in tuple(self._listeners):
                listener.close()
            await self._server.wait_closed()
            self._path.unlink(missing_ok=True)

    def say(self, bed: str, word: Word) -> None:
        """Say a bed's word to whoever listens. Never blocks, never raises."""
        if bed not in self._told:
            return
        line = self._line(bed, word)
        for listener in tuple(self._listeners):
            if listener.transport.get_write_buffer_size() > BACKLOG_BYTES:
                self._listeners.discard(listener)
                listener.transport.abort()
            else:
                listener.write(line)

    def _line(self, bed: str, word: Word) -> bytes:
        boot_id = self._clock.boot_id()
        try:
            return Told.of(bed, word, boot_id).to_bytes()
        except ValidationError:  # what can't be said must not be silence
            log.exception("bedside word", bed=bed)
            worst = Word(
                alone("The gateway has no words for its alarm: look at the patient"),
                word.at,
                attended=True,
                leaving=False,
            )
            return Told.of(bed, worst, boot_id).to_bytes()

    def look(self) -> None:
        """Judge every bed's alarm; the bed is told where that changed, and now and then."""
        now = self._clock.now()
        for bed, (told_at, before) in self._told.items():
            why = self.judge(bed, now)
            gate = GateChanged(BEDSIDE, open=not why, why=why)
            if gate != before or now - told_at >= REPEAT:
                if before is None or gate.open != before.open:
                    log.info("bedside alarm", bed=bed, works=gate.open, why=why)
                self._told[bed] = (now, gate)
                self._tell(bed, gate)

    def judge(self, bed: str, now: Nanos) -> str:
        """Say why a bed's alarm is none; "" where it is one."""
        if bed not in self._reports:
            return self._why
        at, standing = self._reports[bed]
        if now - at > HEARD_WITHIN:
            return self._why
        if standing.heard_at is None or now - standing.heard_at > HEEDS_WITHIN:
            return "it does not take in what the gateway says"
        missing = sorted(self._outputs[bed] - standing.outputs.keys())
        wrong = [f"{name}: it runs with another configuration, without this" for name in missing]
        wrong += [f"{name}: {why}" for name, why in standing.outputs.items() if why]
        return "; ".join(wrong)[:200]

    def sounding(self, bed: str) -> str | None:
        """Give the priority that a bed's alarm said last it sounds, as a word; None: none, or nothing is known."""
        known = self._reports.get(bed)
        return known[1].sounding if known is not None else None

    def take(self, said: Report) -> None:
        """Take what an annunciator reports; its age runs from when it said so."""
        now = self._clock.now()
        for bed, standing in said.beds.items():
            if bed in self._told:
                self._reports[bed] = (min(said.at, now), standing)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._listeners) >= LISTENERS:
            writer.close()
            return
        self._listeners.add(writer)
        log.info("annunciator", connected=True)
        try:
            while line := await reader.readline():
                said = report(line, self._clock.boot_id())
                if said is None:
                    log.warning("annunciator", said="nothing that can be read")
                    break
                self.take(said)
        except (OSError, ValueError):  # gone, or a line without an end
            log.debug("annunciator gone")
        finally:
            self._listeners.discard(writer)
            writer.close()
            log.info("annunciator", connected=False)
