"""Courses side by side: the same happenings on one row, and what differs."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.review.course import Course, Happening

WITHIN: Nanos = SECOND
"""So far apart, two happenings of one name are the same: what was sampled once a second can't say it finer."""
APART: Nanos = 60 * SECOND
"""Further apart they are two happenings: one is missing here, another there."""


@dataclass(slots=True)
class Row:
    """One happening in several courses, by the course's name; absent where it doesn't come."""

    what: str
    at: dict[str, Happening] = field(default_factory=dict)

    @property
    def first(self) -> Nanos:
        """When it first comes, in any course."""
        return min(happening.at for happening in self.at.values())

    @property
    def carried(self) -> bool:
        """Whether it is shown as it was, and not judged again."""
        return any(happening.carried for happening in self.at.values())

    def same(self, one: str, other: str) -> bool:
        """Say whether two courses agree on it, or neither has it, or it isn't judged at all."""
        if self.carried or not (one in self.at or other in self.at):
            return True
        return one in self.at and other in self.at and abs(self.at[one].at - self.at[other].at) <= WITHIN


def side_by_side(courses: Mapping[str, Course]) -> list[Row]:
    """Put courses side by side, the first as the yardstick, in the order of time."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for name, course in courses.items():
        by_what: dict[str, list[Happening]] = defaultdict(list)
        for happening in course.happenings:
            by_what[happening.what].append(happening)
        for what, happenings in by_what.items():
            known = sorted(rows[what], key=lambda row: row.first)
            pairs = pair([row.first for row in known], [happening.at for happening in happenings])
            taken = dict(pairs)
            for index, row in enumerate(known):
                if index in taken:
                    row.at[name] = happenings[taken[index]]
            left = set(range(len(happenings))) - set(taken.values())
            rows[what] += [Row(what, {name: happenings[index]}) for index in sorted(left)]
    return sorted((row for found in rows.values() for row in found), key=lambda row: row.first)


def pair(ones: Sequence[Nanos], others: Sequence[Nanos]) -> list[tuple[int, int]]:
    """Pair two ordered lists of times: each with the one nearest to it, where that is so the other way round too."""
    found = []
    for index, at in enumerate(others):
        near = _nearest(ones, at)
        if near is not None and _nearest(others, ones[near]) == index and abs(ones[near] - at) <= APART:
            found.append((near, index))
    return found


def _nearest(times: Sequence[Nanos], at: Nanos) -> int | None:
    after = bisect_left(times, at)
    sides = [index for index in (after - 1, after) if 0 <= index < len(times)]
    return min(sides, key=lambda index: abs(times[index] - at), default=None)
