"""Windows: dose limits within any hour and any day, earlier cases of the same subject at this bed included.

Asked for by the clinical reference's S06 (a hard limit of volume per window of time). An order's own rate is held by
the rate rows and its own dose by the dose limit while it runs; what is held here is what they can't see: how much of
it falls into one window, and what was given before it. An order is held to the windows by what it would give, a
running infusion by the dose observed.
"""

from bisect import bisect_right
from dataclasses import replace
from unicodedata import normalize

from infusion_gateway.core.durable import Case, Durable, Given
from infusion_gateway.model.case import Mark
from infusion_gateway.model.metric import MINUTE, Nanos
from infusion_gateway.model.session import Order, SessionProtocol, WindowLimit

HOUR: Nanos = 60 * MINUTE
LONGEST_WINDOW: Nanos = 24 * HOUR
MOST_GIVEN = 32
"""Cases that are remembered; one bed has no more in a day."""
ROUNDING_MG = 1e-6
MARK_EVERY: Nanos = MINUTE
MOST_MARKS = 400
"""Of a case's dose as it grew: nearly seven hours, longer than any may last."""


def faults(durable: Durable, protocol: SessionProtocol, order: Order, subject: str, now: Nanos) -> list[str]:
    """Give each window whose limit an order would pass, in words. subject: "" is nobody known, compared with nobody."""
    wrong: list[str] = []
    for window in protocol.window_limits:
        limit = limit_mg(window, order)
        ordered = most_within(order, window.length)
        before = _before(durable, subject, now - window.length)
        if ordered + before > limit + ROUNDING_MG:
            more = f", and {before:.4g} mg were given before" if before else ""
            said = said_limit(window.hard_mg_per_kg, window.hard_mg)
            wrong.append(f"{ordered:.4g} mg within {window.length / HOUR:g} h{more}: the hard limit is {said}")
    return wrong


def said_limit(mg_per_kg: float, mg: float) -> str:
    """Say a limit as the protocol has it. Its mg for one weight would tell the weight to who is to enter it anew."""
    return f"{mg_per_kg:g} mg/kg, at most {mg:g} mg"


def limit_mg(window: WindowLimit, order: Order) -> float:
    """Give what may be given within a window, mg: the lesser of that by weight and that whatever the weight."""
    return min(window.hard_mg, window.hard_mg_per_kg * order.weight_kg)


def given_within(durable: Durable, case: Case, mg: float, length: Nanos, now: Nanos) -> float:
    """Give the dose of the last `length`, mg, as observed, of a case that gave `mg` so far; earlier cases' whole."""
    return mg - _dose_at(case, now - length) + _before(durable, case.subject, now - length, case.id)


def same_code(one: str, other: str) -> bool:
    """Say whether two codes of subjects, or of cases, are one: blanks and capitals make no other. None is like none."""
    return bool(_plain(one)) and _plain(one) == _plain(other)


def _plain(code: str) -> str:
    return "".join(normalize("NFKC", code).casefold().split())


def had(durable: Durable, case: str) -> bool:
    """Say whether a case of this code had an infusion here in the last day: another would be counted as the same."""
    return any(same_code(given.case, case) for given in durable.given)


def _before(durable: Durable, subject: str, since: Nanos, but: str = "") -> float:
    """Give what cases of this subject gave that went on after then, mg; `but`: not this case."""
    return sum(g.mg for g in durable.given if g.until > since and g.case != but and same_code(g.subject, subject))


def _dose_at(case: Case, at: Nanos) -> float:
    """Give the dose at a time that is over, mg; where that isn't known no more than it was."""
    index = bisect_right(case.marks, at, key=lambda mark: mark.at)
    if index == 0:
        return 0.0
    low = case.marks[index - 1]
    if index == len(case.marks):
        return low.mg
    high = case.marks[index]
    if high.at - low.at > 2 * MARK_EVERY:
        return low.mg
    return low.mg + (high.mg - low.mg) * (at - low.at) / (high.at - low.at)


def marked(case: Case | None, mg: float, at: Nanos) -> Case | None:
    """Note the dose of now, for `evolve` to keep: at most once a minute, since T0."""
    if case is None or case.t0 is None or (case.marks and at < case.marks[-1].at + MARK_EVERY):
        return case
    return replace(case, marks=(*case.marks, Mark(at, mg))[-MOST_MARKS:])


def corrected(case: Case, order: Order) -> tuple[Mark, ...]:
    """Give the marks of a case by another concentration, which holds since the syringe in use came."""
    times, before = order.concentration_mg_ml / case.order.concentration_mg_ml, case.syringe_before_mg
    return tuple(m if m.mg <= before else replace(m, mg=before + (m.mg - before) * times) for m in case.marks)


def most_within(order: Order, length: Nanos) -> float:
    """Give the most that an order can put into any window of this length, mg, at its steady rate."""
    steady = order.rate_ml_h * order.concentration_mg_ml * min(length, order.duration) / HOUR
    return max(steady, order.dose_mg) if length >= order.duration else steady


def unknown(protocol: SessionProtocol, subject: str) -> str:
    """Say what could not be compared, for the answer to an order; "" where nothing was skipped."""
    if not protocol.window_limits or subject:
        return ""
    return "without a subject code nothing given earlier could be counted"


def remembered(durable: Durable, at: Nanos) -> tuple[Given, ...]:
    """Give the doses of this and earlier cases, for `evolve` to keep when delivery is over or a case makes way.

    An amount that grew since it was noted was given until now.
    """
    recent = tuple(g for g in durable.given if g.until > at - LONGEST_WINDOW)
    case = durable.case
    if case is None or (case.t0 is None and not durable.account.delivered_ml):
        return recent
    mg = case.dose_mg(durable.account.delivered_ml)
    known = next((g for g in recent if g.case == case.id), None)
    if known is not None and mg <= known.mg:
        return recent
    others = tuple(g for g in recent if g.case != case.id)
    return (*others, Given(case.id, case.subject, mg, at))[-MOST_GIVEN:]


def moved(given: tuple[Given, ...], by: Nanos) -> tuple[Given, ...]:
    """Give the same doses on another timeline: time that nobody counted makes none of them older."""
    return tuple(replace(g, until=g.until + by) for g in given)
