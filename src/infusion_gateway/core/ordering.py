"""Ordering: what an order must hold before it counts, and what must hold before the bed is armed. No way past."""

from math import isclose, isfinite
from unicodedata import normalize

from infusion_gateway.core import windows
from infusion_gateway.core.dose import HOUR, hard_dose_mg, seconds, soft_dose_mg
from infusion_gateway.core.durable import Known
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.instructions import Confirm, PlaceOrder
from infusion_gateway.model.session import GenerationMode, Order, SessionProtocol

TOLERANCE = 0.02
"""Two entries, and dose against rate times concentration times duration, may differ by so much (rules; E1)."""
LIGHTEST_KG, HEAVIEST_KG = 30.0, 250.0
"""Weights outside are taken for a slip of the hand or another unit (clinical reference E2)."""
ROUNDING = 1e-9
LONGEST_CODE = 200
TRIES = 3
"""Second entries that may differ from the first (unsourced): whoever goes on trying finds it by the refusals."""


def order_of(asked: PlaceOrder) -> Order:
    """Give the order that was entered."""
    return Order(
        asked.protocol,
        asked.weight_kg,
        asked.concentration_mg_ml,
        asked.rate_ml_h,
        asked.volume_ml,
        asked.duration,
        asked.dose_mg,
    )


def apart(one: float, other: float) -> bool:
    """Say whether two amounts differ by more than two percent of the greater."""
    return abs(one - other) > TOLERANCE * max(abs(one), abs(other)) + ROUNDING


def faults_of_order(turn: Turn, asked: PlaceOrder) -> list[str]:
    """Give everything that is wrong with an order, in words; nothing: it may be confirmed.

    The words are read by whoever is to enter weight and concentration anew: neither is in them, nor what is made of it.
    """
    protocol = next((p for p in turn.setup.protocols if p.name == asked.protocol), None)
    if protocol is None:
        known = ", ".join(sorted(p.name for p in turn.setup.protocols)) or "none"
        return [f"there is no protocol {asked.protocol[:60]} at this bed; there is {known}"]
    amounts = (asked.weight_kg, asked.concentration_mg_ml, asked.rate_ml_h, asked.volume_ml, asked.dose_mg)
    if not all(isfinite(amount) and amount > 0 for amount in amounts) or asked.duration <= 0:
        return ["weight, concentration, rate, volume, duration and dose must each be greater than nothing"]
    wrong: list[str] = []
    mode = turn.setup.generation_mode
    if protocol.test_only and mode is GenerationMode.REAL:
        wrong.append(f"protocol {protocol.name} is for tests only")
    if mode is GenerationMode.REAL and not protocol.signed:
        wrong.append(f"protocol {protocol.name} is not signed")
    if not asked.case:
        wrong.append("a case code is needed")
    elif windows.had(turn.durable, asked.case[:LONGEST_CODE]):
        wrong.append(f"{asked.case[:60]} had an infusion here: give another case code, each is counted by its own")
    if not LIGHTEST_KG <= asked.weight_kg <= HEAVIEST_KG:
        wrong.append(f"the weight is outside {LIGHTEST_KG:g} to {HEAVIEST_KG:g} kg")
    wrong += _amounts(protocol, asked) + _of_the_subject(turn, protocol, asked)
    wrong += windows.faults(turn.durable, protocol, order_of(asked), asked.subject, turn.now)
    return wrong


def _amounts(protocol: SessionProtocol, asked: PlaceOrder) -> list[str]:
    wrong: list[str] = []
    if not any(isclose(asked.concentration_mg_ml, allowed, rel_tol=1e-6) for allowed in protocol.concentrations):
        allowed_words = ", ".join(f"{allowed:g}" for allowed in protocol.concentrations)
        wrong.append(f"the concentration is none of {allowed_words} mg/mL")
    if asked.rate_ml_h > protocol.max_rate_ml_h:
        wrong.append(f"rate {asked.rate_ml_h:g} mL/h is above the protocol's {protocol.max_rate_ml_h:g} mL/h")
    if asked.duration > protocol.max_duration:
        wrong.append(f"duration {seconds(asked.duration)} is above the protocol's {seconds(protocol.max_duration)}")
    needed_ml = asked.rate_ml_h * asked.duration / HOUR
    given_mg = needed_ml * asked.concentration_mg_ml
    if apart(given_mg, asked.dose_mg):
        wrong.append(f"rate, concentration and duration give {given_mg:.4g} mg, the dose is {asked.dose_mg:.4g} mg")
    if asked.volume_ml < needed_ml * (1 - TOLERANCE) - ROUNDING:
        wrong.append(f"volume {asked.volume_ml:g} mL is less than the {needed_ml:.4g} mL that the duration needs")
    limits = protocol.dose
    said_hard = windows.said_limit(limits.hard_mg_per_kg, limits.hard_mg)
    hard = hard_dose_mg(protocol, order_of(asked))
    soft = soft_dose_mg(protocol, order_of(asked))
    holds_mg = asked.volume_ml * asked.concentration_mg_ml
    if holds_mg > hard * (1 + ROUNDING):
        wrong.append(f"the syringe would hold {holds_mg:.4g} mg, more than the hard limit of {said_hard}: draw up less")
    if max(asked.dose_mg, given_mg * (1 - TOLERANCE)) > hard + ROUNDING:
        wrong.append(f"dose {asked.dose_mg:.4g} mg is above the hard limit of {said_hard}")
    elif asked.dose_mg > soft + ROUNDING and not asked.reason.strip():
        said_soft = windows.said_limit(limits.soft_mg_per_kg, limits.soft_mg)
        wrong.append(f"dose {asked.dose_mg:.4g} mg is above the soft limit of {said_soft}: a reason is needed")
    return wrong


def _of_the_subject(turn: Turn, protocol: SessionProtocol, asked: PlaceOrder) -> list[str]:
    """Hold the weight against the subject's last one here (clinical reference E2)."""
    last = known(turn, asked.subject)
    if last is None or asked.reason.strip():
        return []
    if abs(asked.weight_kg - last.weight_kg) <= protocol.weight_change * last.weight_kg + ROUNDING:
        return []
    # the last weight is not told: it would be copied
    part = f"{protocol.weight_change:.0%}"
    return [f"the weight is more than {part} from that of the last session here: weigh again, or give a reason"]


def known(turn: Turn, subject: str) -> Known | None:
    """Give what is known here of a subject's last session; None: nothing, or no subject was named."""
    newest_first = reversed(turn.durable.known)
    found = (one for one in newest_first if windows.same_code(one.subject, subject[:LONGEST_CODE]))
    return next(found, None)


def compared(turn: Turn, subject: str) -> str:
    """Say what an order was compared with, or that it could not be."""
    last = known(turn, subject)
    if last is None:
        return "no earlier session of this subject is known here: its weight is not compared"
    peak = "" if last.peak_systolic is None else f", systolic up to {last.peak_systolic:g}"
    return f"compared with the last session here ({last.dose_mg:.4g} mg{peak})"


def same_person(one: str, other: str) -> bool:
    """Say whether two names are of one person: however they are typed, so that a blank makes no second person."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return "".join(letter for letter in normalize("NFKD", name).casefold() if letter.isalnum())


def differs(order: Order, asked: Confirm) -> tuple[bool, bool]:
    """Say whether a second entry's weight, and its concentration, is not the first's."""
    pairs = (asked.weight_kg, order.weight_kg), (asked.concentration_mg_ml, order.concentration_mg_ml)
    weight, concentration = (not isfinite(one) or apart(one, other) for one, other in pairs)
    return weight, concentration


def faults_of_second_entry(turn: Turn, asked: Confirm, by: str) -> list[str]:
    """Give what is wrong with the second entry: made by whom, and against the first."""
    case, protocol = turn.durable.case, turn.protocol
    if case is None or protocol is None:
        return ["nothing is ordered"]
    wrong: list[str] = []
    if same_person(by, case.ordered_by):
        after = protocol.second_entry_after
        if after is None:
            wrong.append("another person must confirm")
        elif turn.now < case.ordered_at + after:
            wrong.append(f"another person must confirm, or the same one no sooner than {seconds(after)} after")
        elif not asked.reason.strip():
            wrong.append("the same person entered the order: another one confirms, or this one alone with a reason")
    if turn.live.apart >= TRIES:
        return [*wrong, f"{TRIES} second entries differed from the first: the order is to be entered anew"]
    # the first entry's numbers are not told: a second entry that copies them proves nothing
    weight, concentration = differs(case.order, asked)
    if weight:
        wrong.append("the two weights are more than 2 percent apart: weigh again")
    if concentration:
        wrong.append("the two concentrations are more than 2 percent apart: read the syringe again")
    return wrong
