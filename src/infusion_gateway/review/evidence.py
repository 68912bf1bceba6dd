"""From a case's rows back to what was put to `step`: readings, the pump's changes, people's instructions, restarts.

A sample holds the newest value of each metric, at most once a second, each with its age, so a device is heard again at
the time of its newest value. What changed in between is taken from the events that say so: delivery, rate, alarms, T0,
a confirmed stop. Not on record, and so not put to it: bytes, readings that a newer one replaced within the second, the
order of what came within it, sensor and line states but for the conditions they brought about, refused instructions.
Order and confirmation are taken as made: the gates before them rest on readings that aren't recorded.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from infusion_gateway.core.durable import Durable
from infusion_gateway.core.evolve import evolve
from infusion_gateway.model.events import (
    CaseConfirmed,
    CaseMoved,
    CaseOrdered,
    CaseReceived,
    ChangeProposed,
    ConcentrationCorrected,
    ConditionRaised,
    DeliveryChanged,
    DeviceIdentified,
    Event,
    GatewayStarted,
    InfusionStarted,
    InstructionAccepted,
    MoveFailed,
    OrderAmended,
    PhaseChanged,
    PumpAlarmed,
    RateChanged,
    ResumePermitted,
    Sampled,
    SampledValue,
    SignalSuppressed,
    StopAsked,
    StopConfirmed,
)
from infusion_gateway.model.inputs import Faulted, Input, Instructed, LinkLost, MoveAnswered, Observed
from infusion_gateway.model.instructions import Acknowledge, Disarm
from infusion_gateway.model.metric import FACTS, Metric, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    Observation,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)
from infusion_gateway.model.session import BedSetup, Phase
from infusion_gateway.review.asked import SoFar, instruction_of
from infusion_gateway.review.cases import BY_HAND
from infusion_gateway.review.counting import counter_step, found_risen
from infusion_gateway.wire.records import Record, Unreadable

SENSES = {
    "probe-off": (Sensor.PROBE, frozenset({Metric.SPO2, Metric.PULSE})),
    "leads-off": (Sensor.LEADS, frozenset({Metric.HR})),
    "cannula-off": (Sensor.CANNULA, frozenset({Metric.ETCO2})),
}
"""What says that a sensor is off the patient, and the metrics that are gone with it."""
CARRIED = frozenset(
    {
        "broker-lost", "nobody-supervising", "record-not-kept", "clock-jumped", "gateway-slow", "gateway-part-silent",
        "queue-nearly-full", "memory-high", "disk-nearly-full", "clock-not-synchronised", "bed-quarantined",
        "wrong-device", "pump-refused", "monitor-refused", "certificate-ending", "protocol-changed",
        "another-gateway", "bedside-alarm-lost",
    }
)  # fmt: skip
"""Conditions whose causes aren't on record: shown as they were, not judged again."""
RUNNING = (Phase.INFUSING, Phase.PAUSED)


def carried(code: str) -> bool:
    """Say whether a condition is shown as it was, since what it rests on isn't recorded."""
    return code in CARRIED or code.startswith(("dead-man", "test-"))


@dataclass(frozen=True, slots=True)
class Given:
    """An input of the recorded course."""

    input: Input


@dataclass(frozen=True, slots=True)
class Began:
    """The gateway's process began again: only what was recorded is left of its state. last: row of the one before."""

    same_boot: bool
    version: str
    last: Nanos


@dataclass(frozen=True, slots=True)
class AsMade:
    """What people did before the case ran here: their two entries agreed, the bed was armed, the case came here."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class StopOnRecord:
    """On record, the gateway asked for a stop of its own (open), or the pump was let go on after one."""

    open: bool


What: TypeAlias = Given | Began | AsMade | StopOnRecord


@dataclass(frozen=True, slots=True)
class Timed:
    """Something put to `step` at a time of the process's own timeline; shift: to one timeline over every boot."""

    at: Nanos
    shift: Nanos
    what: What


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a case's rows say was put to `step`. seed: what stood before it was armed; until: when the record ends.

    unread: how many rows can't be read.
    """

    seed: Durable
    items: tuple[Timed, ...]
    until: Nanos
    unread: int


def evidence(records: Sequence[Record], setup: BedSetup) -> Evidence:
    """Gather the evidence of a case, from the end of the case before it, in the order of the journal."""
    gatherer = _Gatherer(records, setup)
    items = tuple(gatherer.gathered())
    return Evidence(gatherer.seed, items, records[-1].at if records else 0, gatherer.unread)


class _Gatherer:
    """One pass over the rows. What is gathered is sorted by time within each life of the process."""

    def __init__(self, records: Sequence[Record], setup: BedSetup) -> None:
        self.seed = Durable()
        self.unread = 0
        self._records = records
        self._monitors = [device.device for device in setup.devices if not device.is_pump]
        self._known = {device.device for device in setup.devices}
        self._pump = setup.pump.device if setup.pump is not None else None
        self._counter_step = counter_step(records)
        self._armed = False
        self._shift: Nanos = 0
        self._last: Nanos = 0
        self._before: Nanos = 0
        self._items: list[tuple[Nanos, int, What]] = []
        self._observed: dict[tuple[Nanos, str], tuple[int, list[Observation]]] = {}
        self._heard: dict[str, Nanos] = {}
        self._sampled: Nanos = 0
        self._booked: float | None = None
        self._asked: Nanos = 0
        self._so_far: SoFar | None = None
        self._count: SampledValue | None = None
        self._cuffs: dict[str, Nanos] = {}
        self._heard_of: set[tuple[str, Metric]] = set()
        self._deliveries: list[tuple[Nanos, Delivery]] = [(0, Delivery.UNKNOWN)]
        self._absent: dict[tuple[str, Metric], Nanos] = {}
        self._off: dict[tuple[str, Sensor], frozenset[Metric]] = {}

    def gathered(self) -> Iterator[Timed]:
        """Give everything, one life of the process after the other."""
        for index, record in enumerate(self._records):
            event = record.event
            if isinstance(event, Unreadable):
                self.unread += 1
                continue
            if isinstance(event, GatewayStarted):
                yield from self._life()
                self._begin(event, record)
            self._take(index, record, event)
            self._last = max(self._last, record.at)
        yield from self._life()

    def _life(self) -> Iterator[Timed]:
        for (at, device), (order, said) in self._observed.items():
            self._items.append((at, order, Given(Observed(device, tuple(said)))))
        for at, _, what in sorted(self._items, key=lambda item: item[:2]):
            yield Timed(at, self._shift, what)
        self._items, self._observed = [], {}

    def _begin(self, event: GatewayStarted, record: Record) -> None:
        self._before = self._last
        if not event.same_boot:
            self._shift += self._last - record.at
            self._last = record.at
        self._heard, self._sampled, self._absent, self._off, self._count = {}, record.at, {}, {}, None
        self._deliveries = [(record.at, self._deliveries[-1][1])]

    def _add(self, at: Nanos, order: int, what: What) -> None:
        self._items.append((at, order, what))

    def _observe(self, at: Nanos, device: str, order: int, *said: Observation) -> None:
        """Let a device be heard; what is heard of it at one instant is one thing, the last word of each kind counts."""
        if device not in self._known:
            return
        first, known = self._observed.setdefault((at, device), (order, []))
        kinds = [_kind(item) for item in said]
        known[:] = [item for item in known if _kind(item) not in kinds] + list(said)
        self._observed[at, device] = (min(first, order), known)

    def _pump_says(self, at: Nanos, order: int, *said: Observation) -> None:
        if self._pump is not None:
            self._observe(at, self._pump, order, DeliveryReported(self._delivery_at(at)), *said)

    def _delivery_at(self, at: Nanos) -> Delivery:
        return next((delivery for since, delivery in reversed(self._deliveries) if since <= at), Delivery.UNKNOWN)

    def _take(self, index: int, record: Record, event: Event) -> None:
        if isinstance(event, CaseOrdered | OrderAmended | ConcentrationCorrected):
            self._so_far = SoFar(event.order)
        elif isinstance(event, ChangeProposed) and self._so_far is not None:
            self._so_far = SoFar(self._so_far.order, event)
        arms = isinstance(event, CaseReceived) or (isinstance(event, PhaseChanged) and event.phase is Phase.ARMED)
        if arms or (isinstance(event, CaseConfirmed) and self._armed):
            self._armed = True
            if isinstance(event, CaseReceived):
                self._so_far = SoFar(event.carried.case.order)
            self._sampled = record.at
            self._add(record.at, record.sequence, AsMade((event,)))
        if not self._armed:
            self.seed = evolve(self.seed, event, record.at)
        if isinstance(event, DeliveryChanged):
            self._deliveries.append((record.at, event.delivery))
        if not self._armed:
            return
        if isinstance(event, GatewayStarted):
            self._add(record.at, record.sequence, Began(event.same_boot, event.version, self._before))
        elif isinstance(event, Sampled):
            self._sample(record, event)
        elif isinstance(event, InstructionAccepted):
            self._instruct(index, record, event)
        elif isinstance(event, ConditionRaised):
            self._cause(record, event)
        else:
            self._pump_event(index, record, event)

    def _pump_event(self, index: int, record: Record, event: Event) -> None:
        """Take what an event says of the pump at that moment: each of these follows from a reading."""
        at, order = record.at, record.sequence
        match event:
            case DeliveryChanged() | InfusionStarted():
                self._pump_says(at, order)
            case RateChanged(rate_ml_h=rate):
                self._pump_says(at, order, Reading(Metric.RATE, rate, Validity.VALID, at))
            case PumpAlarmed(alarms=alarms):
                self._pump_says(at, order, AlarmsReported(frozenset(alarms)))
            case DeviceIdentified(device=device, identity=identity):
                self._observe(at, device, order, Identified(identity))
            case PhaseChanged(phase=phase, before=before) if phase in RUNNING and before in RUNNING:
                self._pump_says(at, order)
                if phase is Phase.INFUSING:
                    self._add(at, order, StopOnRecord(open=False))
            case StopAsked(by=by, codes=codes, doubted=doubted):
                self._asked = at
                volume = self._volume_from(index) if doubted else None
                if volume is not None:
                    self._pump_says(at, order, self._reading(volume, at))
                if codes == ("infusion-complete",):
                    self._pump_says(at, order)
                elif not by:
                    self._add(at, order, StopOnRecord(open=True))
            case ResumePermitted():
                self._add(at, order, StopOnRecord(open=False))
            case StopConfirmed():
                self._still(index, record)
            case SignalSuppressed(device=probe):
                cuff = next((d for d, metric in self._heard_of if FACTS[metric].intermittent), probe)
                self._cuffs[cuff] = at
                self._observe(at, cuff, order, SensorReported(Sensor.CUFF, SensorState.MEASURING))
            case CaseMoved() | MoveFailed():
                taken = isinstance(event, CaseMoved)
                self._add(at, order, Given(MoveAnswered(event.case, event.to, taken, event.reason, over=taken)))
            case _:
                pass

    def _still(self, index: int, record: Record) -> None:
        """Take a confirmed stop as what it follows from: two readings without delivery or a volume step.

        Where no sample since the pump stopped holds the first of them, it is taken to have come when it stopped.
        """
        if self._pump is None:
            return
        volume = self._count if self._rises_after(index) else self._volume_from(index)

        def still(at: Nanos) -> tuple[Observation, ...]:
            stopped = DeliveryReported(Delivery.STOPPED)
            return (stopped,) if volume is None else (stopped, self._reading(volume, at))

        since = self._deliveries[-1][0]
        if self._asked <= since < record.at and self._heard.get(self._pump, 0) <= since:
            self._observe(since, self._pump, record.sequence, *still(since))
        self._observe(record.at, self._pump, record.sequence, *still(record.at))
        self._add(record.at, record.sequence, Given(Observed(self._pump, still(record.at))))

    def _volume_from(self, index: int) -> SampledValue | None:
        """Give the pump's counter as it was next sampled."""
        for record in self._records[index:]:
            if isinstance(record.event, GatewayStarted):
                return None
            if isinstance(record.event, Sampled):
                return next((value for value in record.event.values if value.metric is Metric.VOLUME), None)
        return None

    def _rises_after(self, index: int) -> bool:
        """Say whether the counter is on record to have risen after this row and before it was sampled again."""
        for record in self._records[index + 1 :]:
            if isinstance(record.event, Sampled | GatewayStarted):
                return False
            if isinstance(record.event, StopAsked) and record.event.doubted:
                return True
        return False

    def _reading(self, value: SampledValue, measured_at: Nanos) -> Reading:
        step = self._counter_step if value.metric is Metric.VOLUME else 0.0
        return Reading(value.metric, value.value, value.validity, measured_at, resolution=step, sequence=value.sequence)

    def _sample(self, record: Record, event: Sampled) -> None:
        """Let each device be heard whose newest value is newer than any before, when it was measured."""
        by_device: dict[str, list[Reading]] = defaultdict(list)
        for value in event.values:
            if value.device != BY_HAND:
                by_device[value.device].append(self._reading(value, record.at - value.age))
        for device, readings in by_device.items():
            newest = max(reading.measured_at for reading in readings)
            if device == self._pump and event.pump_age:
                newest = max(newest, record.at - event.pump_age)  # it was heard, though it told no number
            if newest <= self._heard.get(device, -1):
                continue
            self._heard[device] = newest
            at = min(record.at, max(newest, self._sampled))
            if device == self._pump:
                count = next((v for v in event.values if v.metric is Metric.VOLUME), self._count)
                if self._count is None and count is not None and found_risen(self._booked, event):
                    self._first_of_two(count, at, record.sequence)
                self._count = count
                self._pump_says(at, record.sequence, *readings)
            else:
                self._observe(at, device, record.sequence, *readings)
                self._back_on(device, at, record.sequence, readings)
        self._sampled, self._booked = record.at, event.volume_ml

    def _first_of_two(self, count: SampledValue, at: Nanos, order: int) -> None:
        """Let the pump be heard with the count that this sample's bore out: when it was first heard again."""
        since = self._deliveries[-1][0] if len(self._deliveries) > 1 else (self._sampled + at) // 2
        if self._sampled <= since < at:
            self._pump_says(since, order, self._reading(count, since))

    def _back_on(self, device: str, at: Nanos, order: int, readings: list[Reading]) -> None:
        """Note since when metrics are gone; a sensor whose metrics are valid again is on, a cuff with a result idle."""
        self._heard_of.update((device, reading.metric) for reading in readings)
        for reading in readings:
            if reading.validity is Validity.VALID:
                self._absent.pop((device, reading.metric), None)
            else:
                self._absent.setdefault((device, reading.metric), at)
        pressed = [reading.measured_at for reading in readings if FACTS[reading.metric].intermittent]
        if device in self._cuffs and max(pressed, default=0) > self._cuffs[device]:
            del self._cuffs[device]
            self._observe(at, device, order, SensorReported(Sensor.CUFF, SensorState.ON))
        valid = {reading.metric for reading in readings if reading.validity is Validity.VALID}
        for (other, sensor), metrics in list(self._off.items()):
            if other == device and metrics & valid:
                del self._off[other, sensor]
                self._observe(at, device, order, SensorReported(sensor, SensorState.ON))

    def _cause(self, record: Record, event: ConditionRaised) -> None:
        """Take a condition of the equipment as what brought it about, from when its values went."""
        at, order = record.at, record.sequence
        if event.code == "rate-high" and event.value is not None:
            self._pump_says(at, order, Reading(Metric.RATE, event.value, Validity.VALID, at))
        elif event.code in SENSES:
            sensor, metrics = SENSES[event.code]
            device = self._named(event.reason.rpartition("(")[2].rstrip(")"))
            gone = [since for (name, metric), since in self._absent.items() if name == device and metric in metrics]
            if device and gone and (device, sensor) not in self._off:
                self._off[device, sensor] = metrics
                self._observe(min(gone), device, order, SensorReported(sensor, SensorState.OFF))
        elif event.code in ("monitor-link-lost", "monitor-frozen"):
            words = event.reason
            device = self._named(words.partition(":")[0] if ":" in words else words.partition(" ")[0])
            if device:
                lost: Input = LinkLost(device, words.partition("(")[2].partition(")")[0])
                frozen: Input = Faulted(device, Fault(FaultKind.FROZEN, ""))
                since = min(self._sampled, at)
                self._add(since, order, Given(lost if event.code == "monitor-link-lost" else frozen))

    def _named(self, name: str) -> str:
        """Give the monitor of that name, or the only one there is."""
        if name in self._known:
            return name
        return self._monitors[0] if len(self._monitors) == 1 else ""

    def _instruct(self, index: int, record: Record, event: InstructionAccepted) -> None:
        following = []
        for other in self._records[index + 1 :]:
            if other.at != record.at or isinstance(other.event, InstructionAccepted | Unreadable):
                break
            following.append(other.event)
        asked = instruction_of(event, tuple(following), record.at, self._so_far) if self._so_far is not None else None
        elsewhere = isinstance(asked, Disarm) or (isinstance(asked, Acknowledge) and carried(asked.code))
        if asked is not None and not elsewhere:  # what it is about isn't judged again
            self._add(record.at, record.sequence, Given(Instructed(asked, event.by, event.id, "")))


def _kind(item: Observation) -> tuple[type, object]:
    """Tell what an observation is about: a newer one about the same replaces it."""
    if isinstance(item, Reading):
        return Reading, item.metric
    if isinstance(item, SensorReported):
        return SensorReported, item.sensor
    return type(item), None
