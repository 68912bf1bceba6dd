"""The study's judge: readings through the production evaluation of conditions, alarms against the planted truth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from statistics import median

from core_bed import Bed, bed_setup, depression_40, limit, row
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.events import ConditionCleared, ConditionRaised
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.session import LimitCondition, SessionProtocol, Side
from study.patients import Event, Patient, Reading, events

LIMITS = (94, 90, 88)
DELAYS_S = (0, 5, 10, 15)
MATTERS_S = 15
"""An event that lasts so long is meant to be found whatever the delay."""
AFTERWARDS_S = 10
"""The oximeter lags: an alarm that comes so soon after an event's end still belongs to it."""


@dataclass(slots=True)
class Tally:
    """How one limit with one delay did, over every session. delays_s: from an event's onset to its alarm.

    lost: false alarms told because the signal was lost while its last value was outside.
    """

    events: int = 0
    found: int = 0
    lasting: int = 0
    lasting_found: int = 0
    false: int = 0
    lost: int = 0
    delays_s: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """The delay of detection that half of the found events stay under."""
        return median(self.delays_s) if self.delays_s else float("nan")

    @property
    def p90_s(self) -> float:
        """The delay of detection that nine in ten of the found events stay under."""
        ordered = sorted(self.delays_s)
        return ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))] if ordered else float("nan")


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm. at, over: raised and cleared, seconds from the first reading; lost: told for want of a signal."""

    at: float
    lost: bool
    over: float = inf

    def belongs_to(self, event: Event) -> bool:
        """Say whether it lasts into an event, or comes soon after it."""
        return self.at <= event.end + AFTERWARDS_S and self.over >= event.start


Setting = tuple[int, int]
"""A limit in percent and a delay in seconds."""
SETTINGS: tuple[Setting, ...] = tuple((percent, delay) for percent in LIMITS for delay in DELAYS_S)


def protocol() -> SessionProtocol:
    """Give a protocol in which every setting is a condition of its own, with the shipped hysteresis; none stops."""
    return replace(depression_40(), conditions=tuple(_condition(*setting) for setting in SETTINGS))


def _code(percent: int, delay_s: int) -> str:
    return f"spo2-{percent}-{delay_s}"


def _condition(percent: int, delay_s: int) -> LimitCondition:
    priority = Priority.MEDIUM if percent == max(LIMITS) else Priority.HIGH
    only = row(percent, priority, delay_s, Response.TELL)
    return limit(_code(percent, delay_s), (Metric.SPO2,), Side.LOW, only, clear_by=1, clear_after=10 * SECOND)


def alarms(readings: Sequence[Reading]) -> dict[Setting, list[Raised]]:
    """Put readings, one a second, through `step` in a running session; give when each setting's alarm was raised, s.

    An alarm that rises in priority while it lasts is one alarm.
    """
    setup = bed_setup(protocol())
    bed = Bed(setup)
    bed.monitor.values = {Metric.SPO2: 99.0}
    bed.infuse(duration=40 * 60 * SECOND, rate_ml_h=30.0, dose_mg=20.0, volume_ml=30.0)
    begin = len(bed.journal)
    start = bed.now + SECOND
    for reading in readings:
        bed.monitor.mute = reading.absent
        bed.monitor.values = {Metric.SPO2: reading.value}
        bed.monitor.validity = {Metric.SPO2: reading.validity}
        bed.run(1)
    raised: dict[Setting, list[Raised]] = {setting: [] for setting in SETTINGS}
    by_code = {_code(*setting): setting for setting in SETTINGS}
    for at, event in bed.journal[begin:]:
        if not isinstance(event, ConditionRaised | ConditionCleared) or event.code not in by_code:
            continue
        known, second = raised[by_code[event.code]], (at - start) / SECOND
        present = bool(known) and known[-1].over == inf
        if isinstance(event, ConditionCleared):
            known[-1] = replace(known[-1], over=second)
        elif not present:
            known.append(Raised(second, "no usable signal" in event.reason))
    assert bed.phase.value == "infusing", "a session that does not run judges nothing"
    return raised


def judge(patients: Iterable[Patient]) -> dict[Setting, Tally]:
    """Hold every alarm against the truth."""
    tallies = {setting: Tally() for setting in SETTINGS}
    for patient in patients:
        raised = alarms(patient.readings)
        for setting, tally in tallies.items():
            count(tally, events(patient.truth, setting[0]), raised[setting])
    return tallies


def count(tally: Tally, planted: Sequence[Event], raised: Sequence[Raised]) -> None:
    """Count what was found, what was raised without an event, and how long it took."""
    for event in planted:
        mine = [alarm for alarm in raised if alarm.belongs_to(event)]
        lasting = event.length_s >= MATTERS_S
        tally.events += 1
        tally.lasting += lasting
        if mine:
            tally.found += 1
            tally.lasting_found += lasting
            tally.delays_s += [mine[0].at - event.start] if mine[0].at >= event.start else []
    nobodys = [alarm for alarm in raised if not any(alarm.belongs_to(event) for event in planted)]
    tally.false += len(nobodys)
    tally.lost += sum(alarm.lost for alarm in nobodys)
