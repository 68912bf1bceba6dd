"""The alarm audit: how often, how urgent, how soon answered, what was done, what rings most (clinical reference 4)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import MINUTE, Nanos
from infusion_gateway.review.report.alarms import Alarm
from infusion_gateway.review.report.case import Report
from infusion_gateway.review.report.gaps import BLIND

ACTED_WITHIN: Nanos = MINUTE
"""What a person, or the gateway's stop, does so soon after an alarm is counted as done about it; unsourced."""
ASKED = ("hold", "stop", "end", "abort", "amend", "extend", "correct", "syringe", "away", "move", "permit-resume")
SCREEN = "screen-"
"""How a screen is called on the record where nobody is signed in."""
WORST = 10


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many; none of none is told as such."""

    part: int
    of: int

    def __str__(self) -> str:
        return f"{self.part} of {self.of}" + (f" ({100 * self.part / self.of:.0f} %)" if self.of else "")


@dataclass(frozen=True, slots=True)
class Line:
    """One code, or all. counts: alarms by priority; lasted: together; standing: how many of them are not over.

    p50, p95: of the times until somebody acknowledged; unanswered: over, or standing, and nobody ever did (a rise takes
    the place of what it rose from, and isn't counted); acted: something was done about it (Audit).
    """

    code: str
    counts: tuple[tuple[Priority, int], ...]
    lasted: Nanos
    standing: int
    p50: Nanos | None
    p95: Nanos | None
    unanswered: int
    acted: Share

    @property
    def total(self) -> int:
        """Alarms of every priority."""
        return sum(count for _, count in self.counts)


@dataclass(frozen=True, slots=True)
class Audit:
    """The alarms of some cases. lines: by code, most first; priorities: by priority; tests aren't among them.

    audible: by case that infused, how often one or more alarms of medium or high priority began at one moment.
    observed: from a case's first row to its last, less what nobody supervised.
    """

    lines: tuple[Line, ...]
    priorities: tuple[tuple[Priority, Line], ...]
    whole: Line
    audible: tuple[int, ...]
    tests: int
    observed: Nanos
    overrides: tuple[tuple[str, int], ...]
    hold_offs: int
    sessions: int

    @property
    def per_hour(self) -> float | None:
        """Alarms of medium and high priority in an hour observed."""
        loud = sum(count for priority, count in self.whole.counts if priority > Priority.LOW)
        return loud / (self.observed / (60 * MINUTE)) if self.observed else None


def audit_of(reports: Sequence[Report]) -> Audit:
    """Audit the alarms of these cases."""
    pairs = [(alarm, report) for report in reports for alarm in report.alarms if not alarm.is_test]
    done = {id(alarm): acted(alarm, report) for alarm, report in pairs}
    alarms = [alarm for alarm, _ in pairs]
    by_code: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        by_code[alarm.code].append(alarm)

    def line(code: str, some: list[Alarm]) -> Line:
        return _line(code, some, lambda alarm: done[id(alarm)])

    lines = sorted((line(code, some) for code, some in by_code.items()), key=lambda one: (-one.total, one.code))
    passed = Counter(entry.what for report in reports for entry in report.overrides)
    ran = [report for report in reports if report.t0 is not None]
    return Audit(
        lines=tuple(lines),
        priorities=tuple(
            (p, line(p.name.lower(), [a for a in alarms if a.priority is p])) for p in sorted(Priority, reverse=True)
        ),
        whole=line("all", alarms),
        audible=tuple(sorted(heard(report.alarms) for report in ran)),
        tests=sum(alarm.is_test for report in reports for alarm in report.alarms),
        observed=sum(observed(report) for report in reports),
        overrides=tuple(sorted(passed.items(), key=lambda pair: (-pair[1], pair[0]))),
        hold_offs=sum(len(report.hold_offs) for report in reports),
        sessions=len(ran),
    )


def heard(alarms: Iterable[Alarm]) -> int:
    """Count the moments at which an alarm of medium or high priority began: what arises in one instant is one."""
    return len({(alarm.bed, alarm.began) for alarm in alarms if alarm.audible and not alarm.is_test})


def acted(alarm: Alarm, report: Report) -> bool:
    """Say whether something was done while it lasted or soon after, beyond taking notice of it.

    A stop, asked by the gateway or a person, a hold-off, an assessment, or an instruction that changes the session. A
    patient's call is an assessment by a screen, and nothing that was done. Whether the alarm was true nobody can tell
    from a record.
    """
    until = (alarm.ended.elapsed if alarm.ended is not None else report.until.elapsed) + ACTED_WITHIN
    if alarm.held_by or any(alarm.code in stop.codes and stop.asked >= alarm.began for stop in report.stops):
        return True
    times = [stop.asked for stop in report.stops if stop.by]
    times += [entry.at for entry in report.course if entry.what == "instruction accepted" and _changes(entry.text)]
    times += [entered.at for entered in report.assessments if not entered.by.startswith(SCREEN)]
    return any(alarm.began.elapsed <= at.elapsed <= until for at in times)


def _changes(text: str) -> bool:
    return text.split(":", 1)[0] in ASKED


def observed(report: Report) -> Nanos:
    """Say how long a case was supervised: from its first row to its last, less what nobody looked at."""
    stayed = sum(stay.left.elapsed - stay.came.elapsed for stay in report.stays)
    ends = report.until
    blind = sum((g.ends or ends).elapsed - g.begins.elapsed for g in report.gaps if g.what == BLIND)
    return max(0, stayed - blind)


def percentile(values: Iterable[int], part: float) -> int | None:
    """Give the nearest-rank percentile: the least value that so large a part of them does not pass; None of none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(part * len(ordered)) - 1)] if ordered else None


def _line(code: str, alarms: list[Alarm], done: Callable[[Alarm], bool]) -> Line:
    answers = [alarm.answer for alarm in alarms if alarm.answer is not None]
    return Line(
        code=code,
        counts=tuple((p, sum(a.priority is p for a in alarms)) for p in sorted(Priority, reverse=True)),
        lasted=sum(alarm.lasted or 0 for alarm in alarms),
        standing=sum(alarm.ended is None for alarm in alarms),
        p50=percentile(answers, 0.5),
        p95=percentile(answers, 0.95),
        unanswered=sum(alarm.answered is None and alarm.rose is None for alarm in alarms),
        acted=Share(sum(done(alarm) for alarm in alarms), len(alarms)),
    )
