"""Whether somebody is told: the bed's own sound and light, and an event over the broker to a station and back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from infusion_gateway.commissioning.findings import Finding, Place, Verdict
from infusion_gateway.config.settings import BedSettings, Settings
from infusion_gateway.core.bedside import QUIET, SILENT_AFTER, Word, alone
from infusion_gateway.errors import JournalError, NameHeld
from infusion_gateway.model.alarm import Annunciation
from infusion_gateway.model.events import AlarmTested
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.bedside import Bedsides
from infusion_gateway.runtime.broker import Publisher
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.commission.engineer import Engineer
from infusion_gateway.runtime.journal import SEEN, Journal
from infusion_gateway.wire.topics import Topics

WORKS_WITHIN: Nanos = 12 * SECOND
"""An annunciator reports every second; a player that has not been tried yet is tried at once, then every five."""
HEARD_AFTER: Nanos = 3 * SECOND
CONNECT_WITHIN: Nanos = 6 * SECOND
ROUND_TRIP_WITHIN: Nanos = 10 * SECOND
"""A station says what it has every two seconds."""
LOOK_EVERY: Nanos = SECOND // 10
QUESTIONS = {
    "sound": "Is the high alarm heard at {bed}, loud enough, and at no other bed?",
    "light": "Does the lamp of {bed} flash red, and no other bed's?",
    "console": "Does the annunciator's console show the test at {bed}?",
}
STATION = "start one (infusion-gateway session attend -c FILE) and try again"


class Alarms:
    """The beds' own alarms: told every second that all is quiet, but while one is tried."""

    def __init__(self, settings: Settings, clock: Clock, engineer: Engineer) -> None:
        beds = {bed.id: bed.annunciator.outputs for bed in settings.beds if bed.annunciator is not None}
        self._clock = clock
        self._engineer = engineer
        self._bedsides = Bedsides(settings.gateway.annunciator_socket, beds, clock, lambda _bed, _gate: None)
        self._said: dict[str, Annunciation | None] = dict.fromkeys(beds, QUIET)
        self._said_at: Nanos = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Be to the annunciators what the gateway is, for the length of the block."""
        await self._bedsides.open()
        saying = asyncio.create_task(self._say())
        try:
            yield
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)
            await self._bedsides.close()

    async def _say(self) -> None:
        while True:
            now = self._clock.now()
            for bed, shown in self._said.items():
                if shown is not None:
                    self._bedsides.say(bed, Word(shown, now, attended=False, leaving=False))
                    self._said_at = now
            await self._clock.sleep_until(now + SECOND, asyncio.Event())

    async def run(self, bed: BedSettings) -> tuple[Finding, ...]:
        """Try a bed's alarm: that it works by its own word, that a person hears and sees it, that silence sounds."""
        place = Place(bed.id)
        if bed.annunciator is None:
            said = "no bedside alarm is configured: where no station listens, nobody is told"
            return (Finding(place, "bedside-alarm", Verdict.ABSENT, said),)
        if not await self._until(lambda: not self._why(bed.id), WORKS_WITHIN):
            return (Finding(place, "bedside-alarm", Verdict.FAILED, self._why(bed.id)),)
        self._said[bed.id] = alone(f"Commissioning of {bed.id}: a test of the alarm")
        await self._until(lambda: self._bedsides.sounding(bed.id) == "high", HEARD_AFTER)
        await self._until(lambda: False, HEARD_AFTER)
        found = [await self._person(bed.id, output) for output in sorted(bed.annunciator.outputs)]
        self._said[bed.id] = QUIET
        if not await self._until(lambda: self._bedsides.sounding(bed.id) is None, HEARD_AFTER):
            return (*found, Finding(place, "silence", Verdict.FAILED, "told that all is quiet it goes on sounding"))
        return (*found, await self._silence(place))

    async def _person(self, bed: str, output: str) -> Finding:
        agreed = await self._engineer.agrees(f"{bed}.{output}", QUESTIONS[output].format(bed=bed))
        why = self._why(bed)
        if not agreed or why:
            said = why or "the person at the bed says that it is not so: look at its output, and whose bed it is"
            return Finding(Place(bed), output, Verdict.FAILED, said)
        return Finding(Place(bed), output, Verdict.PASSED, "noticed by the person at the bed")

    async def _silence(self, place: Place) -> Finding:
        """Say nothing to it, as a gateway that hangs: it must sound by itself."""
        self._said[place.bed] = None
        since = self._said_at
        by_itself = await self._until(lambda: self._bedsides.sounding(place.bed) == "high", SILENT_AFTER + HEARD_AFTER)
        took = (self._clock.now() - since) / SECOND
        self._said[place.bed] = QUIET
        if not by_itself:
            return Finding(place, "silence", Verdict.FAILED, f"a gateway silent for {took:.0f} s makes no alarm")
        said = f"it sounds by itself {took:.1f} s after the gateway's last word"
        return Finding(place, "silence", Verdict.PASSED, said, (("silent_s", round(took, 2)),))

    def _why(self, bed: str) -> str:
        return self._bedsides.judge(bed, self._clock.now())

    async def _until(self, holds: Callable[[], bool], within: Nanos) -> bool:
        return await until(self._clock, holds, within)


class Messages:
    """The gateway's own publisher and journal; a message is through when a station says that it has it."""

    def __init__(self, settings: Settings, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        topics = Topics(settings.gateway.site, settings.gateway.name)
        self._publisher = Publisher(
            settings.broker, topics, journal, lambda *_: None, self._changed, clock, in_session=lambda: False
        )
        self._connected, self._why = False, "not connected yet"

    def _changed(self, connected: bool, _listeners: bool | None, why: str, _another: bool) -> None:  # noqa: FBT001 - the publisher's
        self._connected, self._why = connected, why

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Connect under the gateway's name for the length of the block; gives why that can't be, "" where it is."""
        try:
            await self._publisher.name.claim()
        except NameHeld as error:
            yield f"{error}"
            return
        running = asyncio.create_task(self._publisher.run())
        try:
            await until(self._clock, lambda: self._connected, CONNECT_WITHIN)
            yield "" if self._connected else self._why
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def run(self, bed: str, by: str) -> Finding:
        """Put an event of this bed on record, publish it, and wait until a station has it."""
        place, now = Place(bed), self._clock.now()
        event = AlarmTested(now, by, "commissioning: an event on its way to a station")
        try:
            records = await self._journal.append(bed, (event,), now, self._clock.utc_ns())
        except JournalError as error:
            return Finding(place, "messages", Verdict.FAILED, f"the event is not on record: {error}")
        sequence = records[0].bed_sequence or 0
        self._publisher.recorded()
        through = await until(self._clock, lambda: bool(self._stations(bed, sequence)), ROUND_TRIP_WITHIN)
        took = round((self._clock.now() - now) / SECOND, 2)
        if not through:
            there = "the broker has it and no station says so: nobody listens" if self._connected else self._why
            return Finding(place, "messages", Verdict.FAILED, f"{there}; {STATION}")
        said = f"station {', '.join(self._stations(bed, sequence))} has it, as it says itself after {took:g} s"
        return Finding(place, "messages", Verdict.PASSED, said, (("round_trip_s", took),))

    def _stations(self, bed: str, sequence: int) -> list[str]:
        names = {name: at for name, at in self._journal.cursors(SEEN).items() if name.endswith(f"/{bed}")}
        return [name.removeprefix(SEEN).rpartition("/")[0] for name, at in names.items() if at >= sequence]


async def until(clock: Clock, holds: Callable[[], bool], within: Nanos) -> bool:
    """Look often whether something is so; say whether it came to be in time."""
    deadline = clock.now() + within
    while not holds():
        now = clock.now()
        if now >= deadline:
            return False
        await clock.sleep_until(min(now + LOOK_EVERY, deadline), asyncio.Event())
    return True
