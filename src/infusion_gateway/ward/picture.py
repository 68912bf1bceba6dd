"""A ward's picture: the newest genuine word of every bed of a site, when it came, and how far it can be relied on.

Ages are counted by the receiver's own clock (`now_s`, monotonic seconds), moments of the gateways by their own: what a
gateway says the time is, carried on from its last heartbeat. Everything is bounded; what is no message changes nothing.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from infusion_gateway.model.names import RESERVED, is_name
from infusion_gateway.ward import lacking
from infusion_gateway.ward.beds import LATE_S, WardBed, WardGateway, epoch
from infusion_gateway.ward.catching_up import Wanted
from infusion_gateway.ward.genuine import SILENT_S, Genuine
from infusion_gateway.ward.seen import BEDS, Seen
from infusion_gateway.ward.shown import Happening
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.history import HistoryPage
from infusion_gateway.wire.messages import Alarms, Availability, Descriptor, Device, Heartbeat, Session, Vitals
from infusion_gateway.wire.sealing import Keyring
from infusion_gateway.wire.topics import ROOT, Topics

LONGEST = 64 * 1024
"""Bytes of a message that is read; brokers take no longer ones from a gateway."""
GATEWAYS = 64
STRANGERS = 8
"""Gateways that are shown without a key, and beds of each, where others have one: they leave room for those."""
DEVICES = 16
WORDS = 64
"""Words of the station's own whose moment is kept: two minutes of them."""
AHEAD_S = 60.0
"""What is further ahead of its gateway's own time than this is not in any course."""
STATE: dict[str, type[BaseModel]] = {"descriptor": Descriptor, "session": Session, "alarms": Alarms}
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class BedChanged:
    """What is shown of a bed is another. at_once: more than its values."""

    gateway: str
    bed: str
    at_once: bool


@dataclass(frozen=True, slots=True)
class BedGone:
    """A bed was taken out of its gateway's configuration."""

    gateway: str
    bed: str


@dataclass(frozen=True, slots=True)
class GatewayChanged:
    """What is shown of a gateway is another."""

    gateway: str


@dataclass(frozen=True, slots=True)
class EventCame:
    """An event of a bed that was not there before."""

    happening: Happening


@dataclass(frozen=True, slots=True)
class Lacks:
    """A stretch of a bed's past is to be asked for."""

    wanted: Wanted


Change: TypeAlias = BedChanged | BedGone | GatewayChanged | EventCame | Lacks


class Picture:
    """Folds what came into what is known. keys: of each gateway; {}: nobody's are known, and everybody is believed.

    station: whose words heartbeats are to name; "": it says none.
    """

    def __init__(self, site: str, keys: Mapping[str, Keyring] | None = None, station: str = "") -> None:
        self._site = site
        self._keys = keys or {}
        self._prefix = f"{ROOT}/{site}/"
        self.gateways: dict[str, WardGateway] = {}
        self.seen = Seen()
        self._station = station
        self._first = 0
        self._lost_s: float | None = None
        self._spoke: deque[tuple[int, float]] = deque(maxlen=WORDS)

    def bed(self, gateway: str, bed: str) -> WardBed | None:
        """Give a bed that is there."""
        found = self.gateways.get(gateway)
        return None if found is None else found.beds.get(bed)

    def beds(self) -> Iterator[tuple[WardGateway, WardBed]]:
        """Give every bed with its gateway, by name."""
        for _, gateway in sorted(self.gateways.items()):
            for _, bed in sorted(gateway.beds.items()):
                yield gateway, bed

    def unlinked(self, now_s: float) -> None:
        """Take note that the station doesn't listen, as after each try to."""
        self._lost_s = now_s if self._lost_s is None else self._lost_s

    def linked(self, now_s: float) -> None:
        """Take note that the station listens from now on.

        A gateway that was never heard is waited for so much longer as this was away; anew only where that was long,
        and its own link may have been: else one that comes and goes had it waited for, and late, unnoticed for ever.
        """
        away_s = 0.0 if self._lost_s is None else now_s - self._lost_s
        self._lost_s = None
        if long := away_s >= SILENT_S:
            self._spoke.clear()  # what was said before proves nothing of what comes after it
        for gateway in self.gateways.values():
            gateway.since_s = now_s if long else gateway.since_s + away_s

    def spoke(self, word: int, now_s: float) -> None:
        """Take note that the station sends this word of its own; a heartbeat that names it was made after this."""
        self._first = self._first or word
        self._spoke.append((word, now_s))

    def take(self, topic: str, payload: bytes, now_s: float, *, kept: bool = False) -> list[Change]:
        """Take a message; give what changed by it. kept: the broker had it, so that its age is not known."""
        if not topic.startswith(self._prefix) or len(payload) > LONGEST:
            return []
        name, *parts = topic.removeprefix(self._prefix).split("/")
        gateway = self._gateway(name, parts, now_s)
        if gateway is None:
            return []
        match parts:
            case ["heartbeat"] if not kept:
                return self._beat(gateway, topic, payload, now_s)
            case ["availability"]:
                return self._available(gateway, payload)
            case [bed, "descriptor" | "session" | "alarms" as what]:
                return self._state(gateway, bed, what, topic, payload)
            case [bed, "device", device]:
                return self._device(gateway, bed, device, topic, payload)
            case [bed, "vitals"] if bed in gateway.beds:
                return self._vitals(gateway, gateway.beds[bed], payload, now_s, kept=kept)
            case [bed, "event", _] if bed in gateway.beds:
                return self._event(gateway, bed, payload)
            case _:
                return []

    def look(self, now_s: float) -> list[Change]:
        """Give what changed by time alone: links that fell silent. Ask a few times a second."""
        changes: list[Change] = []
        for name, gateway in self.gateways.items():
            if (shown := gateway.link(now_s)[:1]) != gateway.shown:
                gateway.shown = shown
                changes.append(GatewayChanged(name))
            for bed in gateway.beds.values():
                if (shown := gateway.link(now_s, bed)[:1]) != bed.shown:
                    bed.shown = shown
                    changes.append(BedChanged(name, bed.bed, at_once=True))
        return changes

    def _gateway(self, name: str, parts: list[str], now_s: float) -> WardGateway | None:
        found = self.gateways.get(name)
        if found is not None:
            return found
        if not is_name(name) or name in RESERVED or len(self.gateways) >= GATEWAYS:
            return None
        if parts[-1:] not in (["heartbeat"], ["availability"], ["descriptor"], ["session"], ["alarms"]):
            return None
        keys = self._keys.get(name)
        known = keys is not None or not self._keys
        if not known and sum(not one.known for one in self.gateways.values()) >= STRANGERS:
            return None
        return self.gateways.setdefault(name, WardGateway(Topics(self._site, name), Genuine(keys), known, now_s))

    def _beat(self, gateway: WardGateway, topic: str, payload: bytes, now_s: float) -> list[Change]:
        name = gateway.topics.gateway
        read = self._read(gateway, topic, "heartbeat", payload, Heartbeat)
        word = 0 if read is None else self._word(read)
        says = read is not None and bool(self._station) and "stations" in read.model_fields_set
        if read is not None and not word and gateway.genuine.owes_a_word(says=says):
            gateway.unheard_s = now_s
            gateway.beat = gateway.beat or payload  # its challenge holds an instruction up by no heartbeat
            return []
        if read is None or not gateway.genuine.beats(read.sequence, read.time, word):
            gateway.genuine.doubt(topic)
            return self._all(gateway)
        again = gateway.genuine.believe(topic) or gateway.beat_s is None or gateway.offline
        gateway.beats(read, now_s)
        gateway.beat = payload
        gateway.late_s, was_late = self._late(read, now_s), gateway.late_s
        again = again or (gateway.late_s >= LATE_S) != (was_late >= LATE_S)
        before = gateway.genuine.behind
        held = {bed.bed: bed.alarms.revision for bed in gateway.beds.values() if bed.alarms is not None}
        again = gateway.genuine.compare(read.alarm_revisions, held) != before or again
        gone: list[Change] = [Lacks(wanted) for bed in gateway.beds.values() for wanted in self._lacking(gateway, bed)]
        for bed in [bed for bed in gateway.beds.values() if bed.cleared and bed.bed not in read.alarm_revisions]:
            del gateway.beds[bed.bed]
            gone.append(BedGone(name, bed.bed))
        return [*gone, *self._all(gateway)] if again else [*gone, GatewayChanged(name)]

    def _word(self, beat: Heartbeat) -> int:
        """Give the word of this very process that a heartbeat names; 0: it names none."""
        named = beat.stations.get(self._station, 0)
        return named if self._spoke and self._first <= named <= self._spoke[-1][0] else 0

    def _late(self, beat: Heartbeat, now_s: float) -> float:
        """Give how old a heartbeat is at most: it was made after the word of ours that it names, whatever clocks say.

        0.0: it names none of ours, or one of before this station began.
        """
        named = self._word(beat)
        if not named:
            return 0.0
        after = next(sent_s for word, sent_s in self._spoke if word >= named)
        return now_s - after

    def _lacking(self, gateway: WardGateway, bed: WardBed) -> Iterator[Wanted]:
        """Ask for a bed's past at first sight, and from then on for every event that should be here."""
        if gateway.heartbeat is None:
            return
        if not bed.asked:
            bed.asked = True
            yield lacking.at_first(bed, epoch(gateway.heartbeat.time))
        wanted = lacking.by_heartbeat(bed, gateway.heartbeat, self.seen)
        if wanted is not None:
            yield wanted

    def fill(self, wanted: Wanted, page: HistoryPage, *, done: bool) -> list[Change]:
        """Take a page of a bed's past. What was not known at first sight is no news, and told of by the picture."""
        bed = self.bed(wanted.gateway, wanted.bed)
        if bed is None:
            return []
        found = lacking.fill(bed, wanted, page, self.seen, done=done)
        changes: list[Change] = [] if wanted.anew else [EventCame(one) for one in found]
        if done and wanted.kind == "events" and wanted.anew:
            changes += [Lacks(one) for one in lacking.course(bed, epoch(page.time))]
        return [*changes, BedChanged(bed.gateway, bed.bed, at_once=True)]

    def _available(self, gateway: WardGateway, payload: bytes) -> list[Change]:
        """Take what a gateway, or its will, says of itself. It proves no life: a live heartbeat does."""
        try:
            said = Availability.model_validate_json(payload)
        except ValidationError:
            return []
        gateway.availability, gateway.offline = said, said.status == "offline"
        return self._all(gateway)

    def _state(self, gateway: WardGateway, name: str, what: str, topic: str, payload: bytes) -> list[Change]:
        bed = gateway.beds.get(name)
        if not payload:
            if (
                bed is not None and what == "descriptor"
            ):  # who sends nothing signs nothing: the heartbeat has the last word
                bed.cleared = True
            return []
        read = self._read(gateway, topic, what, payload, STATE[what])
        if read is not None and bed is None:
            bed = self._new_bed(gateway, name)
        if bed is None:
            return []
        match read:
            case Descriptor():
                bed.descriptor, bed.cleared = read, False
            case Session():
                bed.session, bed.raw[what] = read, payload
            case Alarms():
                bed.alarms, bed.raw[what] = read, payload
            case _:
                gateway.genuine.doubt(topic)
        return [BedChanged(gateway.topics.gateway, name, at_once=True)]

    def _device(self, gateway: WardGateway, name: str, device: str, topic: str, payload: bytes) -> list[Change]:
        bed = gateway.beds.get(name)
        if bed is None or not is_name(device):
            return []
        if not payload:
            return [BedChanged(gateway.topics.gateway, name, at_once=True)] if bed.devices.pop(device, None) else []
        read = self._read(gateway, topic, "device", payload, Device)
        if read is None:
            gateway.genuine.doubt(topic)
        elif device in bed.devices or len(bed.devices) < DEVICES:
            bed.devices[device] = read
        return [BedChanged(gateway.topics.gateway, name, at_once=True)]

    def _vitals(self, gateway: WardGateway, bed: WardBed, payload: bytes, now_s: float, *, kept: bool) -> list[Change]:
        try:
            read = Vitals.model_validate_json(payload)
        except ValidationError:
            return []
        if kept and bed.vitals_s is not None:
            return []
        bed.vitals = read
        bed.vitals_s = None if kept else now_s
        at, utc_s = epoch(read.time), gateway.utc_s(now_s)
        if kept or utc_s is None or at > utc_s + AHEAD_S:
            return [BedChanged(bed.gateway, bed.bed, at_once=False)]
        bed.trend.step_back(max(at, utc_s))
        hole = [Lacks(one) for one in lacking.hole(bed, at)]
        measured = ((word, one.value, one.validity, one.age_s) for word, one in read.values.items())
        bed.trend.put(at, measured, None if bed.session is None else bed.session.dose_mg)
        return [*hole, BedChanged(bed.gateway, bed.bed, at_once=False)]

    def _event(self, gateway: WardGateway, bed: str, payload: bytes) -> list[Change]:
        try:
            read = EventMessage.model_validate_json(payload)
        except ValidationError:
            return []
        journal = gateway.heartbeat.journal if gateway.heartbeat is not None else ""
        if journal and read.id.rpartition("-")[0] != journal:
            return []
        made = lacking.take_event(gateway.beds[bed], read, self.seen)
        return [] if made is None else [EventCame(made)]

    def _read(self, gateway: WardGateway, topic: str, what: str, payload: bytes, model: type[Model]) -> Model | None:
        """Read what the gateway really said; None where it is not its word, or none that can be read here."""
        if not gateway.genuine.holds(topic, what, payload):
            return None
        try:
            read = model.model_validate_json(payload)
        except ValidationError:
            return None
        if what != "heartbeat":  # which may be a repetition of one
            gateway.genuine.believe(topic)
        return read

    def _new_bed(self, gateway: WardGateway, name: str) -> WardBed | None:
        if not is_name(name) or name in RESERVED or sum(len(one.beds) for one in self.gateways.values()) >= BEDS:
            return None
        if not gateway.known and len(gateway.beds) >= STRANGERS:
            return None
        gateway.beds[name] = WardBed(gateway.topics.gateway, name)
        return gateway.beds[name]

    def _all(self, gateway: WardGateway) -> list[Change]:
        name = gateway.topics.gateway
        return [GatewayChanged(name), *(BedChanged(name, bed, at_once=True) for bed in gateway.beds)]
