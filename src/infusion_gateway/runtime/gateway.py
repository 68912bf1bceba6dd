"""The gateway: builds beds, lines, journal and publisher from the settings, and runs them until it is told to end."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count

import structlog

from infusion_gateway.config.certificates import certificates
from infusion_gateway.config.commissioned import digest
from infusion_gateway.config.settings import BedSettings, Settings
from infusion_gateway.config.signing import read_private
from infusion_gateway.core.evolve import in_session
from infusion_gateway.core.state import State, fold, initial, restored
from infusion_gateway.devices.bus import Bus, Unit
from infusion_gateway.model.inputs import BrokerChanged, Input, JournalChanged
from infusion_gateway.model.keys import EnrolledKey
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import Phase
from infusion_gateway.runtime import means
from infusion_gateway.runtime.answers import Answers
from infusion_gateway.runtime.bed import Bed, Reach
from infusion_gateway.runtime.bedside import Bedsides
from infusion_gateway.runtime.broker import Publisher, ReplyTo
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.feed import Feed
from infusion_gateway.runtime.history import History
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.runtime.links import Line, LineSpec
from infusion_gateway.runtime.moves import Moving, carry
from infusion_gateway.runtime.naming import HEARTBEAT_S
from infusion_gateway.runtime.reception import Reception
from infusion_gateway.runtime.show import Show
from infusion_gateway.runtime.under_way import SessionMark, lines_of
from infusion_gateway.runtime.vigil import MEANS_EVERY, MINDFUL, WATCH_S, Vigil
from infusion_gateway.runtime.watchdog import Notifier
from infusion_gateway.runtime.wirelog import WireLog
from infusion_gateway.wire.admission import Admission
from infusion_gateway.wire.discovery import Discovery
from infusion_gateway.wire.messages import Heartbeat, JournalHead
from infusion_gateway.wire.records import Unreadable
from infusion_gateway.wire.sealing import Keyring, Seal, Signer, unsigned
from infusion_gateway.wire.stamps import rfc3339
from infusion_gateway.wire.topics import Topics

log = structlog.get_logger(__name__)

LINE_ALIVE, HEARTBEAT_ALIVE, PUBLISHER_ALIVE = 15 * SECOND, 20 * SECOND, 120 * SECOND
"""How long each may do nothing: opening takes a line 5 s; a publisher leaves its name alone for 30 s, then looks."""
NOT_OURS = "another gateway has this one's name, and its lines are left to it"
HEARTBEAT_EXPIRES_S = 10


class Gateway:
    """Everything that supervises, for as long as the process lives."""

    def __init__(self, settings: Settings, *, version: str, clock: Clock, wire_log: WireLog | None) -> None:
        self._settings = settings
        self._version = version
        self._digest = digest(settings)
        self._clock = clock
        self._topics = Topics(settings.gateway.site, settings.gateway.name)
        own = settings.gateway.key_file
        self._seal: Seal = Signer(settings.gateway.name, read_private(own)).seal if own is not None else unsigned
        self.journal = Journal(
            settings.gateway.state_directory, boot_id=clock.boot_id(), on_change=self._kept, seal=self._seal
        )
        self._feed = Feed(settings.gateway.socket)
        self._bedsides = Bedsides(
            settings.gateway.annunciator_socket,
            {bed.id: bed.annunciator.outputs for bed in settings.beds if bed.annunciator is not None},
            clock,
            lambda bed, gate: self.beds[bed].inbox.put(gate),
        )
        self._notifier = Notifier()
        self._mark = SessionMark(settings.gateway.session_mark)
        self.beds: dict[str, Bed] = {}
        self._lines = {spec.name: self._line(spec.name, wire_log) for spec in settings.lines}
        self._publisher = Publisher(
            settings.broker, self._topics, self.journal, self._instruct, self._reached, clock, self._in_session
        )
        self._answers = Answers(self._publisher, self._seal, clock)
        self._reception = Reception(
            topics=self._topics,
            admission=Admission(Keyring(settings.keys)),
            answers=self._answers,
            beds=lambda: self.beds,
            unheard=self._publisher.hearing.unheard,
            clock=clock,
        )
        self._publisher.hearing.enrol(settings.keys)
        beds = tuple(bed.id for bed in settings.beds)
        self._history = History(
            settings.gateway.state_directory,
            topics=self._topics,
            publisher=self._publisher,
            seal=self._seal,
            beds=beds,
            clock=clock,
        )
        self._publisher.answer_history(self._history.asked)
        self._publisher.keep_only(self._kept_topics(), settings.broker.home_assistant)
        self._shows: dict[str, Show] = {}
        self._lost = ""
        self._beat_at: Nanos = clock.now()
        self._vigil = Vigil(
            clock,
            beds=lambda: self.beds,
            journal=self.journal,
            publisher=self._publisher,
            tell=self._tell_all,
            alive=self._notifier.alive,
            disk=lambda: means.disk(settings.gateway.state_directory),
            certificates=lambda: certificates(settings.broker, self._publisher.certificate, clock.utc_ns()),
            each_second=self._each_second,
        )

    def _line(self, name: str, wire_log: WireLog | None) -> tuple[Bus, Line]:
        spec = next(s for s in self._settings.lines if s.name == name)
        here = self._settings.on_line(name)
        units = tuple(Unit(d.device, self._settings.build(d), d.address, d.pin) for _, d in here)
        owners = {d.device: bed.id for bed, d in here}
        bus = Bus(units, reopen_after_timeout=spec.endpoint.startswith("tcp://"))

        def deliver(inputs: tuple[Input, ...]) -> None:
            for one in inputs:
                self.beds[owners[one.device]].inbox.put(one)  # type: ignore[union-attr]  # a line speaks of devices

        line = LineSpec(spec.name, spec.endpoint, spec.baud, spec.framing, spec.modbus)
        return bus, Line(line, bus, deliver, self._clock, wire_log)

    def _kept_topics(self) -> frozenset[str]:
        """Name every topic that retained state of ours may stand on."""
        prefix, topics = self._settings.broker.home_assistant, self._topics
        found: set[str] = set()
        for bed in self._settings.beds:
            found |= {topics.descriptor(bed.id), topics.session(bed.id), topics.alarms(bed.id), topics.vitals(bed.id)}
            found |= {topics.device(bed.id, device.device) for device in bed.devices}
            found |= set() if prefix is None else {topics.discovery(prefix, bed.id)}
        return frozenset(found)

    def _tell_home_assistant(self) -> None:
        """Describe each bed to Home Assistant, where the configuration says so."""
        prefix = self._settings.broker.home_assistant
        for bed in self._settings.beds if prefix is not None else ():
            found = Discovery.of(bed.setup, self._topics, self._version).to_bytes()
            self._publisher.set_state(self._topics.discovery(prefix or "", bed.id), found)

    def _bed(self, bed: BedSettings) -> tuple[Bed, bool]:
        state, same_boot, broken = self._restore(bed)
        lines = {d.device: self._lines[d.line] for d in bed.devices}
        show = self._shows[bed.id] = Show(
            bed,
            topics=self._topics,
            publisher=self._publisher,
            feed=self._feed,
            bedsides=self._bedsides,
            answers=self._answers,
            seal=self._seal,
            clock=self._clock,
            version=self._version,
        )
        made = Bed(
            state,
            version=self._version,
            reach=self._reach(lines),
            journal=self.journal,
            show=show,
            recorded=self._publisher.recorded,
            clock=self._clock,
            broken=broken,
            moving=self._move,
        )
        return made, same_boot

    def _restore(self, bed: BedSettings) -> tuple[State, bool, str | None]:
        """Replay the bed's journal. What can't be replayed quarantines the bed: unknown is never taken as idle."""
        if self._lost:
            return initial(bed.setup), False, f"the record of what was under way is lost: {self._lost}"[:200]
        try:
            records = list(self.journal.records(bed.id, self.journal.closed(bed.id)))
            unreadable = [r for r in records if isinstance(r.event, Unreadable)]
            if unreadable:
                return (
                    initial(bed.setup),
                    False,
                    f"the journal holds what this version can't read: {unreadable[0].event}",
                )
            same_boot = not records or records[-1].boot_id == self._clock.boot_id()
            events = ((r.at, r.event) for r in records if not isinstance(r.event, Unreadable))
            return restored(bed.setup, fold(events)), same_boot, None
        except Exception as error:  # a bed whose replay breaks starts quarantined, and the others go on
            log.exception("replay failed", bed=bed.id)
            return initial(bed.setup), False, f"replay: {type(error).__name__}: {error}"[:200]

    def _reach(self, lines: Mapping[str, tuple[Bus, Line]]) -> Reach:
        def on(device: str, ask: Callable[[Bus], None]) -> None:
            bus, line = lines[device]
            ask(bus)
            line.wake()

        def decided(device: str, at: Nanos) -> None:
            lines[device][0].decided(device, at)

        now = self._clock.now
        return Reach(
            stop=lambda device: on(device, lambda bus: bus.stop(device, now())),
            set_dead_man=lambda device, seconds: on(device, lambda bus: bus.set_dead_man(device, seconds, now())),
            decided=decided,
        )

    async def run(self, end: asyncio.Event) -> None:
        """Supervise until `end` is set; JournalError where another gateway has the journal, NameHeld where the name."""
        opened = await self.journal.open()
        if opened.why:
            log.error("journal", kept=opened.kept, why=opened.why, moved_to=str(opened.moved_to or ""))
        self._lost = opened.why if opened.moved_to is not None else ""
        started = [self._bed(bed) for bed in self._settings.beds]
        self.beds = {bed.name: bed for bed, _ in started}
        if not opened.kept:  # said before there was a bed to be told
            self._tell_all(JournalChanged(False, opened.why))
        self._tell_home_assistant()
        try:
            await self._publisher.name.claim()
        except BaseException:
            await self.journal.close()
            raise
        await self._feed.open()
        await self._bedsides.open()
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(bed.run(same_boot=s), name=f"bed {bed.name}") for bed, s in started]
                tasks += [group.create_task(line.run(), name=f"line {name}") for name, (_, line) in self._lines.items()]
                tasks.append(group.create_task(self._publisher.run(), name="publisher"))
                tasks.append(group.create_task(self._heartbeat(), name="heartbeat"))
                self._vigil.over(tuple(tasks), self._alive())
                tasks.append(group.create_task(self._watch(), name="watch"))
                tasks.append(group.create_task(self._commissioned(), name="commissioned"))
                tasks.append(group.create_task(self._mark_sessions(), name="session mark"))
                self._notifier.ready()
                await end.wait()
                self._take_leave()
                for task in tasks:
                    task.cancel()
        finally:
            self._notifier.stopping()
            await self._feed.close()
            await self._bedsides.close()
            await self._history.close()
            await self.journal.close()

    def _alive(self) -> tuple[tuple[Callable[[], Nanos], Nanos], ...]:
        """Say when beds, lines, publisher and heartbeat last did something, and how long each may do nothing."""
        beds = [(partial(getattr, bed, "alive_at"), MINDFUL) for bed in self.beds.values()]
        lines = [(partial(getattr, line, "alive_at"), LINE_ALIVE) for _, line in self._lines.values()]
        publisher = (partial(getattr, self._publisher, "alive_at"), PUBLISHER_ALIVE)
        return (*beds, *lines, publisher, (lambda: self._beat_at, HEARTBEAT_ALIVE))

    def _take_leave(self) -> None:
        for bed in self.beds.values():
            self._shows[bed.name].leave(bed.state, self._clock.now(), quarantined=bed.broken)
            if bed.state.durable.phase is Phase.INFUSING:
                seconds = bed.state.live.pump.dead_man_s
                then = f"its dead man stops it in {seconds:g} s" if seconds else "NOTHING stops it but a hand"
                log.warning("ended in mid-session", bed=bed.name, pump=f"nobody watches it any more; {then}")

    def _move(self, bed: str, event: Moving) -> None:
        """Carry a case between beds; what happened at one is on record there."""
        beds = {name: one.state for name, one in self.beds.items()}
        deciding = frozenset(name for name, one in self.beds.items() if one.broken is None)
        carry(bed, event, beds, deciding, lambda to, what: self.beds[to].inbox.put(what))

    def _tell_all(self, what: Input) -> None:
        self._vigil.note(what)
        for bed in self.beds.values():
            bed.inbox.put(what)

    def _kept(self, kept: bool, why: str) -> None:  # noqa: FBT001 - the journal's callback
        log.log(logging.INFO if kept else logging.ERROR, "journal", kept=kept, why=why)
        self._tell_all(JournalChanged(kept, why))

    def _in_session(self) -> bool:
        """Say whether a case is under way at any bed: then this gateway leaves its name to nobody."""
        return any(in_session(bed.state.durable) for bed in self.beds.values())

    def _reached(self, connected: bool, listeners: bool | None, why: str, another: bool) -> None:  # noqa: FBT001 - the publisher's
        log.info("broker", connected=connected, listeners=listeners, why=why)
        self._tell_all(BrokerChanged(connected, listeners, another=another))

    def _instruct(self, bed: str, name: str, payload: bytes, reply_to: ReplyTo) -> None:
        self._reception.take(bed, name, payload, reply_to)

    def enrol(self, keys: tuple[EnrolledKey, ...]) -> None:
        """Take these keys from now on: whose was revoked asks for nothing any more."""
        self._reception.admission.keys = Keyring(keys)
        self._publisher.hearing.enrol(keys)
        log.info("keys enrolled", keys=", ".join(key.kid for key in keys) or "none: nothing is signed")

    async def _watch(self) -> None:
        """Watch over all of it, and let its figures be read where the configuration says so."""
        address = self._settings.gateway.metrics
        if address is None:
            await self._vigil.run()
            return
        from infusion_gateway.runtime.metrics import Metrics  # what nobody asks for takes no memory

        metrics = Metrics(*address, self._version, self._vigil.seen, self._clock)
        await metrics.open()
        try:
            await self._vigil.run()
        finally:
            await metrics.close()

    def _each_second(self) -> None:
        self._bedsides.look()
        left = self._publisher.name.left
        for _, line in self._lines.values():
            line.leave(NOT_OURS if left else "")

    async def _commissioned(self) -> None:
        """Tell each bed now and then whether it was commissioned; read in a thread: nothing waits for the disk."""
        read = partial(means.commissioned, self._settings.gateway.state_directory)
        while True:
            gates = await asyncio.to_thread(read, tuple(self.beds), self._digest, self._version)
            for bed, gate in gates.items():
                self.beds[bed].inbox.put(gate)
            await asyncio.sleep(MEANS_EVERY * WATCH_S)

    async def _mark_sessions(self) -> None:
        """Keep the file that says where a session is under way, in a thread: nothing waits for the disk it is on."""
        while True:
            lines = lines_of({name: (bed.state, bed.broken) for name, bed in self.beds.items()})
            if self._mark.differs(lines):
                try:
                    await asyncio.to_thread(self._mark.show, lines)
                except OSError as error:
                    log.warning("the machine isn't told of sessions", path=str(error.filename), error=error.strerror)
            await asyncio.sleep(WATCH_S)

    async def _heartbeat(self) -> None:
        for sequence in count(1):
            head = self.journal.head
            challenge = secrets.token_hex(16)
            self._reception.admission.renew(challenge, self._clock.now())
            beat = Heartbeat(
                time=rfc3339(self._clock.utc_ns()),
                sequence=sequence,
                boot_id=self._clock.boot_id(),
                journal=self.journal.uuid,
                head=JournalHead(sequence=head.sequence, hash=head.hash.hex()),
                challenge=challenge,
                alarm_revisions={name: show.revision for name, show in self._shows.items()},
                event_sequences=self.journal.newest(self.beds),
                stations=self._publisher.words(),
            )
            said = self._seal(self._topics.heartbeat, beat.to_bytes())
            self._publisher.say(self._topics.heartbeat, said, HEARTBEAT_EXPIRES_S)
            self._feed.say(self._topics.heartbeat, said, retain=False)
            self._beat_at = self._clock.now()
            await asyncio.sleep(HEARTBEAT_S)
