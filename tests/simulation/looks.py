"""What the referees see: the simulators' own truth, what people were shown, and what was said on the wires.

Nothing here or in the referees knows the deciding core; the words of model/ and the published payloads are all.
"""

from dataclasses import dataclass, field
from typing import Any

from infusion_gateway.model.events import Event
from infusion_simulators.device import Value
from simulation.plan import Plan

LOST = frozenset({"silent", "disconnect"})
"""Faults under which nothing comes at all."""
MEEK = frozenset({"refuse", "lie"})
"""Faults of obedience; every other fault is one of communication."""
FAR = 1e9
LATE_S = 6.0
"""What the plans have come late by, at most."""
SETTLE_S, LONG_SETTLE_S = 4.0, 15.0
"""After a short break of a line, and after a long one (the bus backs off to 10 s, then asks who it is)."""


@dataclass(slots=True)
class Hearing:
    """How a device is heard. lost_since: nothing comes; clear_since: nothing is wrong, with the last break's length.

    late_until: till then a stream's bytes may be old, of which nothing in them tells.
    """

    lost_since: float | None = None
    clear_since: float | None = 0.0
    broken_since: float = 0.0
    break_s: float = 0.0
    late_until: float = 0.0

    def take(self, now: float, *, broken: bool, lost: bool) -> None:
        """Take note of how it is now."""
        if broken and self.clear_since is not None:
            self.clear_since, self.broken_since = None, now
        elif not broken and self.clear_since is None:
            self.clear_since, self.break_s = now, now - self.broken_since
        self.lost_since = (self.lost_since if self.lost_since is not None else now) if lost else None

    def settled_for(self, now: float) -> float:
        """Say for how long it ought to have been heard again, seconds; negative: not yet."""
        if self.clear_since is None:
            return -FAR
        settle = SETTLE_S if self.break_s < SETTLE_S else LONG_SETTLE_S
        return now - self.clear_since - (settle if self.clear_since > 0 else 0.0)


@dataclass(slots=True)
class Look:
    """One look at everything, times in seconds of the world.

    started_s: since when this process lives and thinks; None while it doesn't. pump: the simulator's state; flow: its
    real rate, mL/h. vitals: the patient's true values, None where no sensor could find one; measured: what the sensor
    makes of them. shown, told: alarms as the bed shows them, and as people can see them; reachable: some person can be
    told. values: by metric's word, value, validity, age in seconds, device.
    """

    now: float
    started_s: float | None
    pump: dict[str, Value]
    flow: float
    vitals: dict[str, float | None]
    measured: dict[str, float | None]
    doubted: frozenset[str]
    off: frozenset[str]
    hearing: dict[str, Hearing]
    shown: list[dict[str, Any]]
    told: list[dict[str, Any]]
    reachable: bool
    phase: str
    phase_since: float
    session: dict[str, Any]
    values: dict[str, tuple[float | None, str, float, str]]
    volume_ml: float | None

    def told_of(self, *codes: str) -> bool:
        """Whether people see one of these alarms, present or latched."""
        return any(alarm["code"] in codes for alarm in self.told)

    def settled(self, device: str) -> float:
        """Say for how long a device ought to have been heard by a thinking process."""
        if self.started_s is None:
            return -FAR
        return min(self.hearing[device].settled_for(self.now), self.now - self.started_s - LONG_SETTLE_S)

    def sees(self) -> float:
        """Say for how long every source of vital signs ought to have been heard."""
        return min(self.settled(device) for device in self.hearing if device != "pump")


@dataclass(slots=True)
class Fact:
    """An event on record, as it happened in the world's time; process: which life of the gateway."""

    now: float
    event: Event
    process: int


@dataclass(slots=True)
class Finding:
    """A rule that does not hold."""

    rule: str
    now: float
    what: str


@dataclass(slots=True)
class Case:
    """What the people of a story did and know. Seconds of the world; infused_ml: of the simulator, at the start.

    rate_ml_h, minutes, ordered_ml, mg_per_ml: as they are to be enforced now. expected_ml: those rates over the time of
    delivery. syringe_ml: what had gone in when the syringe in use came. away_until: the patient is off the monitors.
    """

    rate_ml_h: float
    minutes: float
    weight_kg: float
    hard_mg: float
    protocol: str
    started: float | None = None
    infused_before: float = 0.0
    delivering_s: float = 0.0
    paused_s: float = 0.0
    held_off: bool = False
    owed: bool = False
    disarmed: bool = False
    stop_asked: float | None = None
    primed_until: float = 0.0
    released: float | None = None
    acknowledged: list[tuple[float, str]] = field(default_factory=list)
    reboots: list[float] = field(default_factory=list)
    clocks: list[float] = field(default_factory=list)
    resets: list[float] = field(default_factory=list)
    swaps: dict[str, float] = field(default_factory=dict)
    ordered_ml: float = 0.0
    expected_ml: float = 0.0
    mg_per_ml: float = 1.0
    syringe_ml: float | None = None
    away_until: float = 0.0

    def dose_mg(self, infused_ml: float) -> float:
        """Give the dose in what the pump has infused in all: of the syringe in use at its own concentration."""
        begun = self.infused_before if self.syringe_ml is None else self.syringe_ml
        return (begun - self.infused_before) + (infused_ml - begun) * self.mg_per_ml

    def away(self, look: "Look", longer_s: float = 0.0) -> bool:
        """Whether the patient may be off the monitors, by a person's word, while nothing flows."""
        return look.now < self.away_until + longer_s and look.phase != "infusing" and look.flow == 0


@dataclass(slots=True)
class Verdict:
    """How a seed ended. told: its last events, for the one line that a failing seed prints."""

    seed: int
    findings: list[Finding]
    virtual_s: float
    counts: dict[str, int]
    told: list[str] = field(default_factory=list)
    plan: Plan | None = None
