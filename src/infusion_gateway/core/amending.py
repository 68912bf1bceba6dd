"""Amending: another rate or dose, more time, another syringe, a concentration that was read wrongly.

What holds at the order holds for what is left of it: dose given, plus rate times concentration times the time left, is
the dose ordered (E1). Down by one person; up within the limits by two, who each enter it themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isclose, isfinite

from infusion_gateway.core import windows
from infusion_gateway.core.dose import HOUR, given_mg, hard_dose_mg, seconds
from infusion_gateway.core.durable import Case, Proposed
from infusion_gateway.core.ordering import ROUNDING, TOLERANCE, apart, same_person
from infusion_gateway.core.pumping import SOME
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import ChangeProposed, ConcentrationCorrected, OrderAmended, SyringeChanged
from infusion_gateway.model.instructions import Amend, Correct, Extend, Syringe
from infusion_gateway.model.metric import MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery
from infusion_gateway.model.session import Order, Phase, SessionProtocol

PROPOSED_FOR: Nanos = 10 * MINUTE
"""How long the first of two entries waits for the second (unsourced)."""
CHANGEABLE = frozenset({Phase.ARMED, Phase.INFUSING, Phase.PAUSED})
GIVEN = frozenset({Phase.INFUSING, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED, Phase.RECOVERY})
WRONG_CONCENTRATION = "concentration-was-wrong"
MOST_MG_ML = 100.0
"""The strongest that ketamine is sold as; a correction is not held to the protocol's list, it may be the very error."""
MOST_HOURS = 24.0
"""Longer than any protocol lets an order last; at next to no rate a dose would take longer than any number holds."""
Entered = tuple[tuple[str, float], ...]
Done = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """What one person entered of a change, by the instruction's name; its numbers by theirs."""

    name: str
    entered: Entered
    by: str
    reason: str


def amend(turn: Turn, asked: Amend, by: str, accept: Done) -> str:
    """Change rate or dose; give why not, "" where it was taken."""
    case, protocol = turn.durable.case, turn.protocol
    if case is None or protocol is None or turn.phase not in CHANGEABLE:
        return f"there is no order that could be amended now (phase {turn.phase}): order it anew"
    amounts = (asked.rate_ml_h, asked.dose_mg)
    if not any(amounts) or not all(isfinite(amount) and amount >= 0 for amount in amounts):
        return "give the rate or the dose that is to hold from now on"
    rest, order = rest_of(turn, case), case.order
    rate, given = asked.rate_ml_h or order.rate_ml_h, given_mg(turn)
    per_hour = rate * order.concentration_mg_ml
    if asked.dose_mg:
        if asked.dose_mg <= given:
            return f"{given:.4g} mg were given already: end the session instead"
        hours = min((asked.dose_mg - given) / per_hour, MOST_HOURS) if per_hour else MOST_HOURS
        time = round(hours * HOUR)
        dose_mg = asked.dose_mg
    else:
        time, dose_mg = rest, given + per_hour * rest / HOUR
    new = replace(order, rate_ml_h=rate, dose_mg=dose_mg, duration=order.duration - rest + time)
    up = _above(rate, order.rate_ml_h) or _above(dose_mg, order.dose_mg) or time > rest + SECOND
    entered = (("rate_ml_h", asked.rate_ml_h), ("dose_mg", asked.dose_mg))
    entry = Entry("amend", entered, by, asked.reason)
    return _change(turn, case, protocol, entry, accept, new=new, time=time, two=up)


def extend(turn: Turn, asked: Extend, by: str, accept: Done) -> str:
    """Give more time at the rate ordered; give why not, "" where it was taken."""
    case, protocol = turn.durable.case, turn.protocol
    if case is None or protocol is None or turn.phase not in CHANGEABLE:
        return f"there is no infusion that could be given more time (phase {turn.phase}): order it anew"
    if asked.more <= 0:
        return "say how much more time is to be given"
    order = case.order
    time = rest_of(turn, case) + asked.more
    dose_mg = given_mg(turn) + order.rate_ml_h * order.concentration_mg_ml * time / HOUR
    new = replace(order, dose_mg=dose_mg, duration=order.duration + asked.more)
    entered = (("more_s", asked.more / SECOND),)
    entry = Entry("extend", entered, by, asked.reason)
    return _change(turn, case, protocol, entry, accept, new=new, time=time, two=True)


def rest_of(turn: Turn, case: Case) -> Nanos:
    """Give the time of delivery that is left of what was ordered; a pause takes nothing of it."""
    if case.t0 is None or case.ends_at is None:
        return case.order.duration
    at = turn.durable.phase_since if turn.phase is Phase.PAUSED else turn.now
    return max(0, case.ends_at - at)


def _above(new: float, old: float) -> bool:
    return new > old * (1 + ROUNDING)


def _change(
    turn: Turn,
    case: Case,
    protocol: SessionProtocol,
    entry: Entry,
    accept: Done,
    *,
    new: Order,
    time: Nanos,
    two: bool,
) -> str:
    """Put another order in place of the one that is enforced, if it holds and as many people ask for it as it wants."""
    stop = turn.durable.stop
    if stop is not None and stop.confirmed_at is None:
        return "the pump was asked to stop and is not yet seen to have: wait for it"
    if not entry.reason.strip():
        return "a change of what is enforced needs a reason"
    wrong = _faults(turn, case, protocol, new, time)
    if wrong:
        return "; ".join(wrong)
    first = entry.by
    if two:
        found, refusal = agreed(turn, case, protocol, entry, accept)
        if found is None:
            return refusal
        first = found
    paused = turn.phase is Phase.PAUSED
    at = turn.durable.phase_since if paused else turn.now
    ends_at = None if case.t0 is None else at + time
    said = f"{new.rate_ml_h:.4g} mL/h, {new.dose_mg:.4g} mg, {seconds(new.duration // SECOND * SECOND)} in all"
    if not two:
        accept(f"enforced from now on: {said}")
    else:
        accept(f"both entries agree; enforced from now on: {said}")
    why = f"{said}: {entry.reason.strip()[:200]}"
    turn.emit(OrderAmended(entry.name, new, ends_at, first, entry.by if two else "", why))
    turn.touched.update(Metric)  # the rate is judged against the new order at once
    return ""


def _faults(turn: Turn, case: Case, protocol: SessionProtocol, new: Order, time: Nanos) -> list[str]:
    wrong: list[str] = []
    given, pump = given_mg(turn), turn.live.pump
    hard = hard_dose_mg(protocol, new)
    if time <= 0:
        wrong.append("the time ordered is over: give more time, or end the session")
    if new.rate_ml_h > protocol.max_rate_ml_h:
        wrong.append(f"rate {new.rate_ml_h:g} mL/h is above the protocol's {protocol.max_rate_ml_h:g} mL/h")
    if new.dose_mg > hard + ROUNDING:
        wrong.append(f"dose {new.dose_mg:.4g} mg is above the hard limit of {hard:.4g} mg")
    if new.duration > protocol.max_duration:
        wrong.append(f"duration {seconds(new.duration)} is above the protocol's {seconds(protocol.max_duration)}")
    if case.t0 is not None and turn.now + time > case.t0 + protocol.wall:
        wrong.append(f"it would end more than {seconds(protocol.wall)} after the start, pauses included")
    left_ml = new.volume_ml - (turn.live.account.delivered_ml - case.syringe_from_ml)
    needed_ml = (new.dose_mg - given) / new.concentration_mg_ml
    more = _above(new.dose_mg, case.order.dose_mg)
    if more and needed_ml * (1 - TOLERANCE) > left_ml + ROUNDING:
        wrong.append(f"the syringe holds {left_ml:.4g} mL and {needed_ml:.4g} mL are needed: change it first")
    running = pump.runs > 0 and pump.rate_ml_h is not None and pump.rate_ml_h > SOME * new.rate_ml_h
    if running:
        wrong.append(f"the pump runs at {pump.rate_ml_h:g} mL/h: set it to {new.rate_ml_h:.4g} first, or hold it")
    if more:
        wrong += windows.faults(turn.durable, protocol, new, case.subject, turn.now)
    return wrong


def agreed(turn: Turn, case: Case, protocol: SessionProtocol, entry: Entry, accept: Done) -> tuple[str | None, str]:
    """Give who asked first where this is the second entry of the same; else note the first one, or say what is wrong.

    One person on site makes both as the protocol permits it for an order: after a while, with a reason.
    """
    first = case.proposed
    waits = first is not None and first.instruction == entry.name and proposed_counts(first, turn.now)
    same = waits and first is not None and _equal(first.entered, entry.entered)
    if first is not None and waits and not same_person(first.by, entry.by):
        if not same:
            return None, "the two entries differ: each reads it again and asks anew"
        return first.by, ""
    if first is not None and same:
        after = protocol.second_entry_after
        if after is None:
            return None, "another person must ask for the same"
        if turn.now < first.at + after:
            return None, f"another person must ask for the same, or the same one no sooner than {seconds(after)} after"
        if not entry.reason.strip():
            return None, "one person alone must give a reason"
        return first.by, ""
    accept("entered; nothing has changed yet: another person must ask for the same")
    turn.emit(
        ChangeProposed(entry.name, entry.entered, entry.by, entry.reason.strip()[:200] or "the first of two entries")
    )
    return None, ""


def proposed_counts(proposed: Proposed, now: Nanos) -> bool:
    """Say whether the first of two entries still waits for the second."""
    return now <= proposed.at + PROPOSED_FOR


def _equal(one: Entered, other: Entered) -> bool:
    return len(one) == len(other) and all(
        a[0] == b[0] and not apart(a[1], b[1]) for a, b in zip(one, other, strict=True)
    )


def change_syringe(turn: Turn, asked: Syringe, by: str, accept: Done) -> str:
    """Take up another syringe; give why not, "" where it was taken."""
    case, protocol, pump = turn.durable.case, turn.protocol, turn.live.pump
    if case is None or protocol is None or turn.phase not in (Phase.ARMED, Phase.PAUSED):
        return f"a syringe is entered while armed or paused (phase {turn.phase}): pause the pump first"
    two = 2
    if pump.delivery is not Delivery.STOPPED or pump.stills < two:
        return "the pump is not seen at rest: pause it first"
    amounts = (asked.volume_ml, asked.concentration_mg_ml)
    if not all(isfinite(amount) and amount > 0 for amount in amounts):
        return "volume and concentration must each be greater than nothing: read the syringe"
    ordered = case.order.concentration_mg_ml
    if apart(asked.concentration_mg_ml, ordered):
        return (
            f"the order is for {ordered:g} mg/mL, this syringe says {asked.concentration_mg_ml:g}: take another "
            "syringe, or end the case and order anew"
        )
    holds, hard = asked.volume_ml * ordered, hard_dose_mg(protocol, case.order)
    if holds > hard * (1 + ROUNDING):
        return f"it holds {holds:.4g} mg, more than the hard limit of {hard:.4g} mg: draw up less"
    given, delivered_ml = given_mg(turn), turn.live.account.delivered_ml
    needed_ml = (case.order.dose_mg - given) / ordered
    short = needed_ml * (1 - TOLERANCE) > asked.volume_ml
    accept("the syringe is entered" + (f"; {needed_ml:.4g} mL are still needed, it holds less" if short else ""))
    reason = asked.reason.strip()[:200] or "the syringe was changed"
    turn.emit(SyringeChanged(asked.volume_ml, ordered, delivered_ml, given, by, reason))
    _volume_anew(turn)
    return ""


def correct(turn: Turn, asked: Correct, by: str, accept: Done) -> str:
    """Count the dose by the concentration that the syringe really holds; give why not, "" where it was taken."""
    case, protocol = turn.durable.case, turn.protocol
    if asked.what != WRONG_CONCENTRATION:
        return f"{asked.what[:60]} can't be corrected; known is {WRONG_CONCENTRATION}"
    if case is None or protocol is None or turn.phase not in GIVEN:
        return f"nothing has been given (phase {turn.phase}): give the case up and order it anew"
    true, order = asked.concentration_mg_ml, case.order
    if not (isfinite(true) and 0 < true <= MOST_MG_ML):
        return f"a concentration is above nothing and at most {MOST_MG_ML:g} mg/mL: read the syringe"
    if isclose(true, order.concentration_mg_ml, rel_tol=1e-6):
        return f"{true:g} mg/mL is what is counted with already"
    if not asked.reason.strip():
        return "a correction needs a reason"
    first = by
    weaker = true < order.concentration_mg_ml  # it makes room for more: two people
    if weaker:
        entry = Entry("correct", (("concentration_mg_ml", true),), by, asked.reason)
        found, refusal = agreed(turn, case, protocol, entry, accept)
        if found is None:
            return refusal
        first = found
    rate = min(protocol.max_rate_ml_h, order.rate_ml_h * order.concentration_mg_ml / true)
    new = replace(order, concentration_mg_ml=true, rate_ml_h=rate)
    dose_mg = replace(case, order=new).dose_mg(turn.live.account.delivered_ml)
    before = given_mg(turn)
    accept(f"counted anew: {dose_mg:.4g} mg were given, not {before:.4g}; the rate is now {rate:.4g} mL/h")
    why = f"{true:g} mg/mL instead of {order.concentration_mg_ml:g}: {asked.reason.strip()[:200]}"
    turn.emit(ConcentrationCorrected(new, dose_mg, first, by if weaker else "", why))
    _volume_anew(turn)
    return ""


def _volume_anew(turn: Turn) -> None:
    """Let the volume rules start anew here."""
    turn.live.account = replace(turn.live.account, expected_ml=turn.live.account.delivered_ml)
    turn.touched.update(Metric)
