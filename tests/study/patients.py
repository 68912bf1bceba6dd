"""Seeded patients for the alarm-delay study: what the saturation truly is, second by second, and what is read of it.

The truth is planted; the reading is what an averaging oximeter makes of it (the mean of the last eight seconds, noise,
whole points) with artefacts on top. None of the numbers is measured on people: they are stated in the study's text.
"""

from dataclasses import dataclass
from random import Random
from statistics import fmean

from infusion_gateway.model.observation import Validity

LENGTH_S = 2250
SLOT_S = 150
"""One thing happens in each slot, so that what an alarm belongs to is never in doubt."""
AVERAGED_S = 8
NOISE = 0.4
DIPS, SHORT_DIPS, MOVEMENTS, PROBES, GAPS = 4, 2, 4, 2, 1
FULL = 100.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the oximeter said in one second. value None: no number; absent: it said nothing at all."""

    value: float | None
    validity: Validity = Validity.VALID
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Patient:
    """One session, a value a second. truth: the saturation as it is; readings: what came of it."""

    truth: tuple[float, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """The truth below a limit, from second `start` until before `end`."""

    start: int
    end: int

    @property
    def length_s(self) -> int:
        """How long it lasts."""
        return self.end - self.start


def patient(seed: int) -> Patient:
    """Make one patient's session."""
    chance = Random(f"alarm-delay/{seed}")
    base = chance.uniform(95.5, 98.5)
    drift = 0.0
    truth = []
    for _ in range(LENGTH_S):
        drift = 0.99 * drift + chance.gauss(0, 0.05)
        truth.append(min(FULL, base + drift))
    kinds = ["dip"] * DIPS + ["short"] * SHORT_DIPS + ["move"] * MOVEMENTS + ["probe"] * PROBES + ["gap"] * GAPS
    slots = list(range(1, LENGTH_S // SLOT_S))
    chance.shuffle(slots)
    placed = [(kind, slot * SLOT_S + chance.randrange(10)) for kind, slot in zip(kinds, slots, strict=False)]
    for kind, at in placed:
        if kind in ("dip", "short"):
            _dip(truth, at, chance, short=kind == "short")
    readings = [_read(truth, second, chance) for second in range(LENGTH_S)]
    for kind, at in placed:
        if kind == "move":
            _move(readings, at, chance)
        elif kind == "probe":
            _probe_off(readings, at, chance)
        elif kind == "gap":
            for second in range(at, at + chance.randint(3, 8)):
                readings[second] = Reading(None, Validity.INVALID, absent=True)
    return Patient(tuple(truth), tuple(readings))


def events(truth: tuple[float, ...], limit: float) -> tuple[Event, ...]:
    """Give every stretch of the truth below a limit."""
    found, start = [], None
    for second, value in enumerate((*truth, FULL)):
        if value < limit and start is None:
            start = second
        elif value >= limit and start is not None:
            found.append(Event(start, second))
            start = None
    return tuple(found)


def _dip(truth: list[float], at: int, chance: Random, *, short: bool) -> None:
    """Let the saturation fall, stay, and come back; it all fits into a slot."""
    depth = truth[at] - chance.uniform(79, 93)
    fall, stay, rise = (
        (chance.randint(4, 10), chance.randint(1, 6), chance.randint(4, 10))
        if short
        else (chance.randint(10, 40), chance.randint(10, 60), chance.randint(10, 25))
    )
    for second in range(fall + stay + rise):
        part = min(1.0, second / fall, (fall + stay + rise - second) / rise)
        truth[at + second] -= depth * part


def _read(truth: list[float], second: int, chance: Random) -> Reading:
    seen = fmean(truth[max(0, second - AVERAGED_S + 1) : second + 1])
    return Reading(float(round(min(FULL, seen + chance.gauss(0, NOISE)))))


def _move(readings: list[Reading], at: int, chance: Random) -> None:
    """Let movement pull the number down; every other time the oximeter knows and says so."""
    depth, length = chance.uniform(3, 14), chance.randint(2, 20)
    validity = chance.choice((Validity.VALID, Validity.QUESTIONABLE))
    for second in range(at, at + length):
        value = readings[second].value
        readings[second] = Reading(None if value is None else float(round(value - depth)), validity)


def _probe_off(readings: list[Reading], at: int, chance: Random) -> None:
    """Let the probe slip: a few low numbers before the oximeter notices, then none."""
    slips = chance.randint(2, 5)
    for second in range(at, at + slips):
        readings[second] = Reading(float(chance.randint(70, 88)))
    for second in range(at + slips, at + slips + chance.randint(10, 60)):
        readings[second] = Reading(None, Validity.INVALID)
