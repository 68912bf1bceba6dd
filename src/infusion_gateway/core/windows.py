"""Windows: dose limits within any hour and any day, earlier cases of the same subject at this bed included.

Asked for by the clinical reference's S06 (a hard limit of volume per window of time). An order's own rate is held by
the rate rows and its own dose by the dose limit while it runs; what is held here is what they can't see: how much of
it falls into one window, and what was given before it.
"""

from dataclasses import replace

from infusion_gateway.core.durable import Durable, Given
from infusion_gateway.model.metric import MINUTE, Nanos
from infusion_gateway.model.session import Order, SessionProtocol

HOUR: Nanos = 60 * MINUTE
LONGEST_WINDOW: Nanos = 24 * HOUR
MOST_GIVEN = 32
"""Cases that are remembered; one bed has no more in a day."""
ROUNDING_MG = 1e-6


def faults(durable: Durable, protocol: SessionProtocol, order: Order, subject: str, now: Nanos) -> list[str]:
    """Give each window whose limit an order would pass, in words. subject: "" is nobody known, compared with nobody."""
    wrong: list[str] = []
    for window in protocol.window_limits:
        limit = min(window.hard_mg, window.hard_mg_per_kg * order.weight_kg)
        ordered = most_within(order, window.length)
        before = sum(g.mg for g in durable.given if subject and g.subject == subject and g.until > now - window.length)
        if ordered + before > limit + ROUNDING_MG:
            more = f", and {before:.4g} mg were given before" if before else ""
            wrong.append(f"{ordered:.4g} mg within {window.length / HOUR:g} h{more}: the hard limit is {limit:.4g} mg")
    return wrong


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
    if case is None or case.t0 is None:
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
