"""The annunciator as a process: hears the gateway, does what each bed's own alarm says is due, reports every second.

What is due is decided in core/bedside, with time passed in; here are the hands alone. Whatever an output does wrong is
told and tried again; a fault of our own ends the process, and the service manager begins it anew.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable

import structlog

from infusion_gateway.config.settings import BedSettings, Settings
from infusion_gateway.core.bedside import Bedside
from infusion_gateway.model.alarm import Annunciation, Priority
from infusion_gateway.model.metric import Nanos
from infusion_gateway.runtime import logs
from infusion_gateway.runtime.annunciator import console
from infusion_gateway.runtime.annunciator.light import GpioLight, Light, RelayLight, relay_lines
from infusion_gateway.runtime.annunciator.sound import Files, Sound
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.orphans import temporary
from infusion_gateway.runtime.watchdog import Notifier
from infusion_gateway.wire.bedside import LINE_BYTES, Report, told

log = structlog.get_logger(__name__)

AGAIN_S = 0.25
"""From one try at the gateway's socket to the next."""


def run(settings: Settings) -> int:
    """Announce until SIGTERM or SIGINT. Exit: 0 ended as told, 1 failed, 2 there is no bed to announce at."""
    logs.configure(level="info", json_file=None)
    if all(bed.annunciator is None for bed in settings.beds):
        log.error("no bed has an annunciator: add [bed.annunciator]", file=str(settings.path))
        return 2
    try:
        asyncio.run(_announce(settings))
    except (OSError, BaseExceptionGroup) as error:
        log.exception("failed", error=str(error))
        return 1
    return 0


async def _announce(settings: Settings) -> None:
    end = asyncio.Event()
    for which in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(which, end.set)
    with temporary("igw-sounds-") as directory:
        await Annunciator(settings, Clock(), Files(directory)).run(end)


class AtBed:
    """One bed: what is decided for it, and its outputs."""

    def __init__(
        self,
        bed: BedSettings,
        files: Files,
        clock: Clock,
        out: console.Console,
        wake: Callable[[], None],
    ) -> None:
        settings = bed.annunciator
        assert settings is not None, "only a bed that has one is announced at"
        self.name = bed.id
        self._clock = clock
        self._out = out
        self._wake = wake
        self.alarm = Bedside(clock.now())
        self.sound = Sound(settings.sound, files, clock, self._played) if settings.sound else None
        self.lamp = settings.light
        self.light: Light | None = None
        if settings.light is not None:
            self.light = GpioLight(settings.light) if settings.light.line is None else RelayLight(settings.light)
        self.shown: Annunciation | None = None
        self._written: tuple[object, ...] = ()

    def _played(self, heard: bool) -> None:  # noqa: FBT001 - the sound's callback
        self.alarm.played(self._clock.now(), heard=heard)
        self._wake()

    def act(self, now: Nanos) -> Nanos:
        """Do what is due; say when to look again."""
        due = self.alarm.due(now)
        self.shown = due.shown
        if due.burst is not None and self.sound is not None:
            self.sound.play(due.burst)
        if self.light is not None and self.lamp is not None:
            self.light.show(due.shown.light if self.lamp.flashes_itself else due.lamp, now)
        written = (due.shown.sounding, due.shown.sound, due.shown.light, due.shown.text, due.shown.more)
        if written != self._written:
            self._written = written
            self._out.show(console.line(self.name, due.shown, self._clock.utc_ns()))
        return due.next

    def standing(self, now: Nanos) -> tuple[Nanos | None, Priority | None, dict[str, str]]:
        """Give when the gateway was heard, what sounds, and why each output does not work; "" where it does."""
        outputs: dict[str, str] = {}
        if self.sound is not None:
            outputs["sound"] = self.sound.why
        if self.light is not None:
            outputs["light"] = self.light.why(now)
        if not outputs:
            outputs["console"] = self._out.why
        return self.alarm.heard_at, self.shown.sounding if self.shown is not None else None, outputs


class Annunciator:
    """Every bed of a configuration that has a bedside alarm."""

    def __init__(self, settings: Settings, clock: Clock, files: Files) -> None:
        self._socket = settings.gateway.annunciator_socket
        self._clock = clock
        self._wake = asyncio.Event()
        self._notifier = Notifier()
        self._writer: asyncio.StreamWriter | None = None
        out = console.Console()
        announced = [bed for bed in settings.beds if bed.annunciator is not None]
        self.beds = {bed.id: AtBed(bed, files, clock, out, self._wake.set) for bed in announced}

    async def run(self, end: asyncio.Event) -> None:
        """Announce until `end` is set."""
        lamps = {
            name: (bed.lamp, bed.light)
            for name, bed in self.beds.items()
            if bed.lamp is not None and isinstance(bed.light, RelayLight)
        }
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(line.run(), name=line.spec.name) for line in relay_lines(lamps, self._clock)]
                tasks.append(group.create_task(self._act(), name="act"))
                tasks.append(group.create_task(self._hear(), name="hear"))
                tasks.append(group.create_task(self._report(), name="report"))
                self._notifier.ready()
                await end.wait()
                for task in tasks:
                    task.cancel()
        finally:
            self._notifier.stopping()
            for bed in self.beds.values():
                if bed.sound is not None:
                    await bed.sound.close()

    async def _act(self) -> None:
        """Do what is due at every bed, at once when a word came, and at the latest when it says so."""
        while True:
            self._wake.clear()
            now = self._clock.now()
            next_at = min(bed.act(now) for bed in self.beds.values())
            self._notifier.alive()
            await self._clock.sleep_until(next_at, self._wake)

    async def _hear(self) -> None:
        """Listen to the gateway for ever; where it is away, or talks nonsense, begin anew."""
        while True:
            try:
                await self._listen()
                self._doubt("its socket was closed")
            except (OSError, ValueError) as error:  # not there, gone, or a line without an end
                self._doubt(f"its socket: {getattr(error, 'strerror', None) or 'a line without an end'}")
            await asyncio.sleep(AGAIN_S)

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=LINE_BYTES)
        self._writer = writer
        try:
            self._say()
            while line := await reader.readline():
                self._take(line)
        finally:
            self._writer = None
            writer.transport.abort()

    def _take(self, line: bytes) -> None:
        heard = told(line, self._clock.boot_id())
        if isinstance(heard, str):
            self._doubt(heard)
        elif heard[0] in self.beds:
            self.beds[heard[0]].alarm.hear(heard[1], self._clock.now())
            self._wake.set()
        else:
            self._doubt("what it says is of another bed")

    def _doubt(self, why: str) -> None:
        for bed in self.beds.values():
            bed.alarm.doubt(why)

    async def _report(self) -> None:
        while True:
            self._say()
            await asyncio.sleep(1)

    def _say(self) -> None:
        """Report to the gateway, where it is there and reads."""
        writer, now = self._writer, self._clock.now()
        if writer is None:
            return
        if writer.transport.get_write_buffer_size() > LINE_BYTES:
            return  # it does not read: what it would read later is old
        standing = {name: bed.standing(now) for name, bed in self.beds.items()}
        with contextlib.suppress(OSError):
            writer.write(Report.of(standing, now, self._clock.boot_id()).to_bytes())
