"""What was seen of one device while it is being tried: bounded, and nothing but what it said itself."""

from collections import deque
from dataclasses import dataclass, field
from typing import assert_never

from infusion_gateway.model.inputs import Faulted, Input, LinkLost, LinkOpened, Observed
from infusion_gateway.model.metric import FACTS, Metric, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Identified,
    Observation,
    PumpAlarm,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)
from infusion_gateway.wire.stamps import words

MOST = 2_000
"""Reports kept of a device: those of some minutes."""
MOST_FAULTS = 16
RUNNING = frozenset({Delivery.INFUSING, Delivery.BOLUS, Delivery.KVO})


@dataclass(slots=True)
class Seen:
    """What one device said. lost: why its line is closed, "" while it is open, None before the first try ended.

    deliveries and volumes (mL): with the time of each report. sensors: those on the patient. valid: the words of the
    metrics whose newest value counts.
    """

    lost: str | None = None
    identity: tuple[tuple[str, str], ...] = ()
    heard_at: Nanos | None = None
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=MOST_FAULTS))
    values: dict[Metric, Reading] = field(default_factory=dict)
    sensors: dict[str, SensorState] = field(default_factory=dict)
    deliveries: deque[tuple[Nanos, Delivery]] = field(default_factory=lambda: deque(maxlen=MOST))
    volumes: deque[tuple[Nanos, float]] = field(default_factory=lambda: deque(maxlen=MOST))
    alarms: frozenset[PumpAlarm] = frozenset()
    dead_man: tuple[Nanos, float] | None = None

    def take(self, given: Input, now: Nanos) -> None:
        """Take what the device's line says of it."""
        match given:
            case LinkOpened():
                self.lost = ""
            case LinkLost(why=why):
                self.lost = why
            case Faulted(fault=fault):
                self.faults.append(fault)
            case Observed(observations=observations):
                self.heard_at = now
                for one in observations:
                    self._observe(one, now)
            case _:
                pass  # a line says nothing else

    def _observe(self, one: Observation, now: Nanos) -> None:
        match one:
            case Reading(metric=metric, value=value, validity=validity):
                self.values[metric] = one
                if metric is Metric.VOLUME and value is not None and validity is Validity.VALID:
                    self.volumes.append((now, value))
            case DeliveryReported(delivery=delivery):
                self.deliveries.append((now, delivery))
            case AlarmsReported(alarms=alarms):
                self.alarms = alarms
            case SensorReported(sensor=sensor, state=state):
                self.sensors[sensor] = state
            case Identified(identity=identity):
                self.identity = identity
            case DeadManReported(seconds=seconds):
                self.dead_man = (now, seconds)
            case _:
                assert_never(one)

    @property
    def delivery(self) -> Delivery | None:
        """What the pump said last that it does."""
        return self.deliveries[-1][1] if self.deliveries else None

    @property
    def runs(self) -> bool:
        """Whether the pump's last two reports are of delivery."""
        last = list(self.deliveries)[-2:]
        return len(last) > 1 and all(delivery in RUNNING for _, delivery in last)

    @property
    def rate_ml_h(self) -> float | None:
        """The pump's rate as it says it, mL/h; None where it says none that counts."""
        found = self.values.get(Metric.RATE)
        return found.value if found is not None and found.validity is Validity.VALID else None

    @property
    def resolution_ml(self) -> float:
        """The smallest step of the pump's volume counter, mL; 0 where it isn't known."""
        found = self.values.get(Metric.VOLUME)
        return found.resolution if found is not None else 0.0

    @property
    def signal(self) -> frozenset[str]:
        """What of a patient a monitor has: sensors that are on, and continuous values that count.

        Not the cuff's: it inflates when it will, and no hand was laid on it.
        """
        worn = {f"{s} on" for s, state in self.sensors.items() if state is SensorState.ON and s != Sensor.CUFF}
        valid = {m for m, r in self.values.items() if r.validity is Validity.VALID}
        return frozenset(worn | {FACTS[m].word for m in valid if not FACTS[m].intermittent})

    @property
    def another(self) -> str:
        """Why the device that answers is not the configured one, in words; "" where nothing speaks against it."""
        wrong = [fault.detail for fault in self.faults if fault.kind is FaultKind.WRONG_DEVICE]
        return wrong[-1] if wrong and not self.identity else ""

    @property
    def garbled(self) -> bool:
        """Whether something came that is nothing of this device's language."""
        return any(fault.kind in (FaultKind.CHECKSUM, FaultKind.FRAMING) for fault in self.faults)

    def told(self) -> str:
        """Say who it is and what it shows, for a person who compares it with the screen."""
        who = ", ".join(f"{key} {value}" for key, value in self.identity) or "it does not say who it is"
        what = [f"{self.delivery}"] if self.delivery is not None else []
        for metric, reading in self.values.items():
            facts = FACTS[metric]
            counts = reading.validity is Validity.VALID and reading.value is not None
            said = f"{reading.value:g} {facts.unit}" if counts else "no valid value"
            what.append(f"{facts.word} {said}")
        what += [f"{sensor} {state}" for sensor, state in self.sensors.items()]
        what += [f"alarm {alarm}" for alarm in sorted(self.alarms)]
        return words(f"{who}. {', '.join(what) or 'It shows no value'}", 600)
