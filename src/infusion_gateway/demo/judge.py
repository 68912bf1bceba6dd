"""Judges a scenario by what an outsider sees: what a subscriber got, and the simulators' own truth. Pure.

It imports nothing of the deciding core, so that the gateway is never judged by itself.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

Data: TypeAlias = Mapping[str, Any]

SAME_DEADLINE_S = 0.5
"""Two `ends_at` closer than this are one deadline: wall time is disciplined, and printed in milliseconds."""


class Subject(StrEnum):
    """What an expectation is about."""

    EVENT = "event"
    ALARM = "alarm"
    SESSION = "session"
    DEVICE = "device"
    VALUE = "value"
    SIMULATOR = "simulator"
    FRESH = "fresh"
    COMPLETE = "complete"
    DEADLINE_KEPT = "deadline_kept"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must come of it, times in seconds from the scenario's zero. of: what the subject is called."""

    name: str
    subject: Subject
    bed: str
    of: str
    where: tuple[tuple[str, Any], ...]
    after_s: float
    until_s: float
    never: bool

    def describe(self) -> str:
        """Say it in words, for the result."""
        where = " ".join(f"{key}={value}" for key, value in self.where)
        when = f"between {self.after_s:g} s and {self.until_s:g} s"
        return " ".join(w for w in (str(self.subject), self.of, where, "never" if self.never else "", when) if w)


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something an outsider saw."""

    subject: Subject
    bed: str
    of: str
    data: Data
    at_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one expectation ended."""

    name: str
    passed: bool
    expected: str
    observed: str
    at_s: float | None


def same(wanted: Any, found: Any) -> bool:
    """Tell whether a value is the one wanted; a list: any of its members; numbers: to six digits."""
    if isinstance(wanted, list | tuple):
        return any(same(one, found) for one in wanted)
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return math.isclose(wanted, found, rel_tol=1e-6, abs_tol=1e-6)
    return bool(wanted == found)


def matches(wanted: Expectation, seen: Sighting) -> bool:
    """Tell whether a sighting is what an expectation speaks of, in its window."""
    return (
        wanted.subject is seen.subject
        and wanted.bed == seen.bed
        and (not wanted.of or wanted.of == seen.of)
        and wanted.after_s <= seen.at_s <= wanted.until_s
        and all(key in seen.data and same(value, seen.data[key]) for key, value in wanted.where)
    )


@dataclass(slots=True)
class Judge:
    """Takes sightings as they come, keeps what decides; `outcomes` at the end."""

    expectations: tuple[Expectation, ...]
    _found: dict[int, Sighting] = field(default_factory=dict)
    _sequences: dict[str, dict[int, str]] = field(default_factory=dict)
    _two_ids: list[str] = field(default_factory=list)
    _deadlines: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    _last: dict[tuple[Subject, str, str], Sighting] = field(default_factory=dict)

    def saw(self, sightings: Iterable[Sighting]) -> None:
        """Take what was seen."""
        for seen in sightings:
            self._last[seen.subject, seen.bed, seen.of] = seen
            if seen.subject is Subject.EVENT:
                self._count(seen)
            if seen.subject is Subject.SESSION:
                self._note_deadline(seen)
            for at, wanted in enumerate(self.expectations):
                if at not in self._found and matches(wanted, seen):
                    self._found[at] = seen

    def outcomes(self) -> tuple[Outcome, ...]:
        """Give the result of each expectation, in the file's order."""
        return tuple(self._outcome(at, wanted) for at, wanted in enumerate(self.expectations))

    def _outcome(self, at: int, wanted: Expectation) -> Outcome:
        match wanted.subject:
            case Subject.COMPLETE:
                wrong = self._incomplete()
                return Outcome(wanted.name, not wrong, "no gap, no sequence twice", wrong or self._counted(), None)
            case Subject.DEADLINE_KEPT:
                moved = [case for (bed, case), ends in self._deadlines.items() if bed == wanted.bed and len(ends) > 1]
                known = any(bed == wanted.bed for bed, _ in self._deadlines)
                told = f"moved in {moved}" if moved else "kept" if known else "no deadline was ever seen"
                return Outcome(wanted.name, known and not moved, "one ends_at a case", told, None)
            case _:
                found = self._found.get(at)
                observed = found if found is not None else self._last.get((wanted.subject, wanted.bed, wanted.of))
                told = "nothing" if observed is None else f"{dict(observed.data)}"[:400]
                passed = (found is None) if wanted.never else (found is not None)
                return Outcome(wanted.name, passed, wanted.describe(), told, None if found is None else found.at_s)

    def _count(self, seen: Sighting) -> None:
        sequence, identity = seen.data.get("sequence"), str(seen.data.get("id"))
        if not isinstance(sequence, int):
            self._two_ids.append(f"{seen.bed}: an event without a sequence")
            return
        before = self._sequences.setdefault(seen.bed, {}).setdefault(sequence, identity)
        if before != identity:
            self._two_ids.append(f"{seen.bed}: {sequence} under two ids")

    def _incomplete(self) -> str:
        gaps = []
        for bed, sequences in self._sequences.items():
            missing = sorted(set(range(min(sequences), max(sequences) + 1)) - set(sequences))
            gaps += [f"{bed}: {n} is missing" for n in missing]
        if not self._sequences:
            gaps.append("no event was ever seen")
        return "; ".join((self._two_ids + gaps)[:10])

    def _counted(self) -> str:
        return ", ".join(f"{bed}: {len(all_)} events" for bed, all_ in sorted(self._sequences.items()))

    def _note_deadline(self, seen: Sighting) -> None:
        case, ends = seen.data.get("case"), seen.data.get("ends_at")
        if case and isinstance(ends, str):
            at = datetime.fromisoformat(ends)
            known = self._deadlines.setdefault((seen.bed, str(case)), [])
            if all(abs((at - other).total_seconds()) > SAME_DEADLINE_S for other in known):
                known.append(at)
