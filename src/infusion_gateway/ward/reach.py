"""Whether somebody can be reached: how many messages may go, what did not get there, and the day's test.

Each on duty gets a test at the start of a day, or when they come on duty, and must answer it. What can't be delivered
is told on the page until something is, or until somebody there has seen it; alarms go on being told whatever it is.
"""

from typing import Literal, TypeAlias

from infusion_gateway.ward.kept import PEOPLE, Person

BURST, EVERY_S = 4, 10.0
"""Messages that one person gets at once, and after those: one so often, with all that has come meanwhile in it."""
UNANSWERED_S = 10 * 60.0
RETEST_S = 5 * 60.0
"""Whoever a message did not reach is sent a test again, until one gets there."""
LONGEST_WHY = 120


Test: TypeAlias = Literal["none", "waiting", "unanswered", "answered", "not-delivered"]


class Reach:
    """Everybody that may be told. people: as kept."""

    def __init__(self, people: dict[str, Person]) -> None:
        self.people = people

    def of(self, code: str, now_s: float) -> Person:
        """Give how somebody is reached, made where it is not known yet."""
        found = self.people.get(code)
        if found is None:
            if len(self.people) >= PEOPLE:
                del self.people[next(iter(self.people))]
            found = self.people[code] = Person(float(BURST), now_s)
        return found

    def may(self, code: str, now_s: float) -> bool:
        """Take one message of somebody's allowance; false: it has to wait."""
        of = self.of(code, now_s)
        of.allowance = min(float(BURST), of.allowance + max(now_s - of.allowance_s, 0.0) / EVERY_S)
        of.allowance_s = now_s
        if of.allowance < 1.0:
            return False
        of.allowance -= 1.0
        return True

    def delivered(self, code: str, now_s: float) -> None:
        """Take note that a message got there: whatever did not before is over."""
        of = self.of(code, now_s)
        of.why, of.times, of.seen_by = "", 0, ""

    def failed(self, code: str, why: str, now_s: float) -> None:
        """Take note that a message did not."""
        of = self.of(code, now_s)
        if not of.why:
            of.since_s = now_s
        of.why, of.times = why[:LONGEST_WHY] or "not delivered", of.times + 1

    def seen(self, by: str) -> None:
        """Take note that a person knows of all that is not delivered now."""
        for of in self.people.values():
            of.seen_by = of.seen_by or (by if of.why else "")

    def due(self, code: str, day: str, now_s: float) -> bool:
        """Say whether somebody on duty is to be sent a test now."""
        of = self.of(code, now_s)
        return bool(day) and (of.day != day or bool(of.why and now_s - of.tested_s >= RETEST_S))

    def tested(self, code: str, day: str, now_s: float) -> None:
        """Take note that a test is on its way."""
        of = self.of(code, now_s)
        of.day, of.tested_s, of.answered = day, now_s, ""

    def test_of(self, code: str, now_s: float) -> Test:
        """Say how somebody's test stands."""
        of = self.people.get(code)
        if of is None or not of.day:
            return "none"
        if of.answered:
            return "answered"
        if of.why:
            return "not-delivered"
        return "unanswered" if now_s - of.tested_s >= UNANSWERED_S else "waiting"
