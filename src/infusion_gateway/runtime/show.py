"""What a bed shows: its state as payloads, published and fed locally. Only changes go out; no record is waited for.

Alarm state goes out the moment it changes; a value inside it that merely moves, with the second. Everything else goes
out when it changed, looked at once a second.
"""

from dataclasses import replace

from infusion_gateway.config.settings import BedSettings
from infusion_gateway.core import views
from infusion_gateway.core.bedside import Word, word_of
from infusion_gateway.core.state import State
from infusion_gateway.model.alarm import AlarmKind, AlarmStatus, Priority, Response, Signal
from infusion_gateway.model.events import InstructionAccepted, InstructionRefused
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.answers import Answers
from infusion_gateway.runtime.bedside import Bedsides
from infusion_gateway.runtime.broker import Publisher
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.feed import Feed
from infusion_gateway.wire.happenings import Telemetry, event_payload
from infusion_gateway.wire.messages import Alarms, Descriptor, Device, Session, Vitals
from infusion_gateway.wire.records import Record
from infusion_gateway.wire.sealing import Seal
from infusion_gateway.wire.topics import Topics

QUARANTINED = "bed-quarantined"
VITALS_EXPIRE_S = 10
DRIFT: Nanos = SECOND // 2
"""A wall clock that moved by less against the monotone timeline only drifts."""


class Show:
    """One bed's public face."""

    def __init__(
        self,
        bed: BedSettings,
        *,
        topics: Topics,
        publisher: Publisher,
        feed: Feed,
        bedsides: Bedsides,
        answers: Answers,
        seal: Seal,
        clock: Clock,
        version: str,
    ) -> None:
        self._setup = bed.setup
        self._mode = bed.setup.generation_mode
        self._topics = topics
        self._publisher = publisher
        self._feed = feed
        self._bedsides = bedsides
        self._word: Word | None = None
        self._answers = answers
        self._seal = seal
        self._clock = clock
        self._shown: tuple[AlarmStatus, ...] | None = None
        self._offset: int | None = None
        self._state: dict[str, object] = {}
        self.revision = 0
        self._put(topics.descriptor(bed.id), Descriptor.of(bed.setup, version, clock.utc_ns()).to_bytes())

    def _put(self, topic: str, payload: bytes) -> None:
        payload = self._seal(topic, payload)
        self._publisher.set_state(topic, payload)
        self._feed.say(topic, payload, retain=True)

    def _times(self) -> tuple[int, Nanos]:
        """Give the offset that moments are shown with, and the moment that reads as the present with it.

        The offset is held while the wall clock only drifts, so that what happened once is shown at one time.
        """
        measured = self._clock.utc_at(0)
        if self._offset is None or abs(measured - self._offset) >= DRIFT:
            self._offset = measured
        return self._offset, self._clock.utc_ns() - self._offset

    def alarms(self, state: State, now: Nanos, *, quarantined: str | None, values_too: bool = False) -> None:
        """Tell the bed's own alarm, then publish the alarm state; each where it changed.

        values_too: with the second, so that the bed's own alarm hears of us, and a value that merely moved goes out.
        """
        if self._setup.annunciator:
            self._annunciate(word_of(state, now, quarantined=quarantined, leaving=False), anew=values_too)
        found = views.alarms(state, now)
        if quarantined is not None:
            found = (_quarantined(quarantined, now), *found)
        was = self._shown
        if was is not None and (found == was or (not values_too and _shape(found) == _shape(was))):
            return
        self._shown = found
        self.revision += 1
        payload = Alarms.of(found, self.revision, self._mode, *self._times())
        self._put(self._topics.alarms(self._setup.bed), payload.to_bytes())

    def _annunciate(self, word: Word, *, anew: bool) -> None:
        """Say the bed's word where it is another one than before, or is due anyway."""
        if anew or self._word is None or (word.shown, word.attended) != (self._word.shown, self._word.attended):
            self._word = word
            self._bedsides.say(self._setup.bed, word)

    def leave(self, state: State, now: Nanos, *, quarantined: str | None) -> None:
        """Tell the bed's own alarm that the gateway was told to end."""
        if self._setup.annunciator:
            self._annunciate(word_of(state, now, quarantined=quarantined, leaving=True), anew=True)

    def session(self, state: State, now: Nanos) -> None:
        """Publish the session where it changed."""
        status = views.session(state, now)
        topic = self._topics.session(self._setup.bed)
        if self._state.get(topic) != status:
            self._state[topic] = status
            self._put(topic, Session.of(status, self._mode, *self._times()).to_bytes())

    def every_second(self, state: State, now: Nanos, *, quarantined: str | None) -> None:
        """Publish what may go out with the second: values, devices, and whatever moved."""
        bed, utc_ns = self._setup.bed, self._clock.utc_ns()
        self.alarms(state, now, quarantined=quarantined, values_too=True)
        self.session(state, now)
        for status in views.devices(state, now):
            topic = self._topics.device(bed, status.device)
            still = replace(status, age=None)
            if self._state.get(topic) != still:
                self._state[topic] = still
                self._put(topic, Device.of(status, utc_ns).to_bytes())
        self._say(self._topics.vitals(bed), Vitals.of(views.vitals(state, now), utc_ns).to_bytes(), retain=True)

    def telemetry(self, seen: Observed) -> None:
        """Repeat what a device said, as it said it."""
        payload = Telemetry.of(seen, self._clock.utc_ns(), self._clock.now())
        self._say(self._topics.telemetry(self._setup.bed, seen.device), payload.to_bytes(), retain=False)

    def happened(self, record: Record) -> None:
        """Tell those at this machine of an event; over MQTT it goes through the outbox."""
        now, utc_ns, boot_id = self._clock.now(), self._clock.utc_ns(), self._clock.boot_id()
        source = f"{self._topics.root}/{record.bed}"
        name, payload = event_payload(record, source, now=now, utc_ns=utc_ns, boot_id=boot_id)
        self._feed.say(self._topics.event(record.bed, name), payload, retain=False)

    def _say(self, topic: str, payload: bytes, *, retain: bool) -> None:
        self._publisher.say(topic, payload, VITALS_EXPIRE_S, retain=retain)
        self._feed.say(topic, payload, retain=retain)

    def answer(self, event: InstructionAccepted | InstructionRefused, *, kept: bool) -> None:
        """Answer a person."""
        self._answers.give(self._setup.bed, event, kept=kept)


def _shape(alarms: tuple[AlarmStatus, ...]) -> tuple[AlarmStatus, ...]:
    """Give the alarms without what merely moves."""
    return tuple(replace(alarm, value=None, text="") for alarm in alarms)


def _quarantined(why: str, now: Nanos) -> AlarmStatus:
    return AlarmStatus(
        code=QUARANTINED,
        priority=Priority.HIGH,
        kind=AlarmKind.TECHNICAL,
        response=Response.STOP,
        signal=Signal.ON,
        present=True,
        since=now,
        value=None,
        limit=None,
        unit="",
        text=f"The gateway can't decide for this bed any more ({why}): stop the pump by hand, restart the gateway",
        countdown_ends=None,
        acknowledged_by=None,
    )
