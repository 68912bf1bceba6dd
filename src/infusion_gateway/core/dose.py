"""Dose: the volume observed since T0, over every epoch of the pump's counter, gaps and crashes included.

A pump's line may have no checksum (an NE-1000 in basic mode), and one wrong digit of the counter would be volume that
was never given, or a counter that began anew. So a reading that doesn't follow from the last believed one waits for
the next to agree with it: one poll, after which all of it counts.
"""

from dataclasses import replace

from infusion_gateway.core.durable import Account, Case
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import CounterRestarted
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.session import Order, Phase, SessionProtocol

HOUR: Nanos = 60 * MINUTE
AHEAD = 2.0
"""So many times the greatest rate known may show in a counter at once: readings come late, rates rise (unsourced)."""
SOON: Nanos = 3 * SECOND
"""After a longer silence, or a crash, what can have flowed is no bound: every rise then waits for a second reading."""
ROUNDING_ML = 1e-6


def hard_dose_mg(protocol: SessionProtocol, order: Order) -> float:
    """Give the dose in mg that is never passed: the lesser of the one by weight and the one whatever the weight."""
    return min(protocol.dose.hard_mg, protocol.dose.hard_mg_per_kg * order.weight_kg)


def soft_dose_mg(protocol: SessionProtocol, order: Order) -> float:
    """Give the dose in mg above which a reason is needed."""
    return min(protocol.dose.soft_mg, protocol.dose.soft_mg_per_kg * order.weight_kg)


def given_mg(turn: Turn) -> float:
    """Give the dose since T0, mg, by the concentration of each syringe."""
    case = turn.durable.case
    return 0.0 if case is None else case.dose_mg(turn.live.account.delivered_ml)


def left_ml(turn: Turn) -> float:
    """Give what is still to be delivered, mL; negative once more was. A syringe may hold more than the dose needs."""
    case = turn.durable.case
    if case is None:
        return 0.0
    order, delivered_ml = case.order, turn.live.account.delivered_ml
    left = (order.dose_mg - case.dose_mg(delivered_ml)) / order.concentration_mg_ml
    first = not case.syringe_from_ml  # a later syringe that runs empty leaves a dose that isn't given
    return min(left, order.volume_ml - delivered_ml) if first else left


def short_enough(turn: Turn) -> bool:
    """Say whether so little is left that the end counts as completed."""
    case, protocol = turn.durable.case, turn.protocol
    if case is None or protocol is None:
        return False
    left = left_ml(turn)
    whole = left + turn.live.account.delivered_ml
    return left < min(protocol.end_short_ml, protocol.end_short_part * whole) - ROUNDING_ML


def begin(turn: Turn) -> None:
    """Take up the account as just recorded: T0, or a start of the process."""
    turn.live.account = turn.durable.account


def book(turn: Turn) -> None:
    """Book what the pump reported in this step: time of delivery, and volume."""
    case = turn.durable.case
    if case is None:
        return
    if case.t0 is None:
        _book_unconfirmed(turn, case)
        return
    account = _time(turn, turn.live.account, case.order.rate_ml_h)
    pump = turn.live.pump
    if pump.volume_ml is not None and pump.volume_at == turn.now:
        account = _volume(turn, account, pump.volume_ml)
    turn.live.account = account


def _book_unconfirmed(turn: Turn, case: Case) -> None:
    """Book what runs under an order that nobody has confirmed: unannounced, it is delivery into this patient.

    Once armed it is T0 that counts, and a purge is no dose: there the account only keeps up with the counter, and so
    it does once the case was given up.
    """
    account, pump, until = turn.live.account, turn.live.pump, turn.durable.prime_until
    volume = pump.volume_ml if pump.volume_at == turn.now else None
    purging = until is not None and turn.now < until
    if purging or turn.phase is not Phase.ORDERED or case.lapsed:
        counter = account.counter_ml if volume is None else volume
        turn.live.account = replace(account, counter_ml=counter, seen_at=None, delivering=False)
        return
    account = _time(turn, account, case.order.rate_ml_h)
    if volume is not None:
        base = account.counter_ml if pump.restarted_at != turn.now else None
        more = 0.0 if base is None else max(0.0, volume - base)
        counter = volume if base is None else base + more
        account = replace(account, counter_ml=counter, delivered_ml=account.delivered_ml + more)
    turn.live.account = account


def before_words(turn: Turn) -> str:
    """Say what ran before the order was confirmed, and counts; "" where nothing did."""
    case, ml = turn.durable.case, turn.live.account.delivered_ml
    return f"; {ml:.3g} mL ({case.dose_mg(ml):.3g} mg) ran before and count" if case is not None and ml > 0 else ""


def _time(turn: Turn, account: Account, ordered_ml_h: float) -> Account:
    """Book delivering time between two reports that both show delivery, however long nobody saw the pump between.

    A pump that has no counter is booked at the greater of the reported and the ordered rate.
    """
    pump_setup, pump = turn.pump_setup, turn.live.pump
    if pump_setup is None or pump.delivery is None or turn.device(pump_setup.device).seen_at != turn.now:
        return account
    delivering = pump.delivery.delivering
    if account.seen_at is None or not (account.delivering and delivering):
        return replace(account, seen_at=turn.now, delivering=delivering)
    hours = (turn.now - account.seen_at) / HOUR
    delivered = account.delivered_ml
    if pump.volume_ml is None and account.counter_ml is None:
        delivered += hours * max(ordered_ml_h, pump.rate_ml_h or 0.0)
    return replace(
        account,
        seen_at=turn.now,
        delivering=True,
        expected_ml=account.expected_ml + hours * ordered_ml_h,
        delivered_ml=delivered,
    )


def follows(turn: Turn, volume_ml: float) -> bool:
    """Say whether a counter reading follows from the last believed one: it stands, or rose by what can have flowed.

    The first of a process is held against the record. A step back by one is the counter's rounding.
    """
    pump, case = turn.live.pump, turn.durable.case
    last = pump.volume_ml if pump.volume_ml is not None else turn.live.account.counter_ml
    if last is None:
        return True
    most = 0.0
    if pump.volume_ml is not None and turn.now - pump.volume_at <= SOON:
        rate = max(pump.rate_ml_h or 0.0, turn.durable.rate_ml_h, 0.0 if case is None else case.order.rate_ml_h)
        most = AHEAD * rate * (turn.now - pump.volume_at) / HOUR
    step = pump.resolution + ROUNDING_ML
    return -step <= volume_ml - last <= most + step


def agrees(turn: Turn, volume_ml: float) -> bool:
    """Say whether a counter reading bears out the doubted one before it: it stands there, or rose as a pump can."""
    pump = turn.live.pump
    if pump.doubted_ml is None:
        return False
    most = FACTS[Metric.RATE].high * (turn.now - pump.doubted_at) / HOUR
    step = pump.resolution + ROUNDING_ML
    return -step <= volume_ml - pump.doubted_ml <= most + step


def says_anew(turn: Turn, epoch: int | None) -> bool:
    """Say whether the pump's own count of its counter's beginnings is another than last, also over a crash."""
    known = turn.live.pump.epoch if turn.live.pump.epoch is not None else turn.live.account.pump_epoch
    return epoch is not None and known is not None and epoch != known


def began_anew(turn: Turn, volume_ml: float) -> bool:
    """Say whether a believed reading shows that the counter began anew.

    One that fell back to where the counter stood just before a reading a little too high shows no more than that.
    """
    pump = turn.live.pump
    last = pump.volume_ml if pump.volume_ml is not None else turn.live.account.counter_ml
    step = pump.resolution + ROUNDING_ML
    if last is None or volume_ml >= last - step:
        return False
    return pump.before_ml is None or volume_ml < pump.before_ml - step


def _volume(turn: Turn, account: Account, volume_ml: float) -> Account:
    """Book a believed counter reading. Of a counter that began anew all that it shows now came since."""
    if account.counter_ml is None:
        return replace(account, counter_ml=volume_ml)
    pump, step = turn.live.pump, volume_ml - account.counter_ml
    anew = pump.restarted_at == turn.now and step != 0
    if not anew:  # what is less than booked is rounding, or a reading before this one was a little too high
        more = max(0.0, step)
        if not more:
            return account
        return replace(account, counter_ml=account.counter_ml + more, delivered_ml=account.delivered_ml + more)
    delivered = account.delivered_ml + volume_ml
    restarted = CounterRestarted(
        device=turn.pump_setup.device if turn.pump_setup is not None else "",
        epoch=account.epoch + 1,
        reason=f"the pump's volume counter went from {account.counter_ml:g} to {volume_ml:g} mL: it began anew, "
        "and what was delivered before stays counted",
        volume_ml=volume_ml,
        delivered_ml=delivered,
        expected_ml=account.expected_ml,
    )
    turn.emit(restarted)
    return replace(account, counter_ml=volume_ml, epoch=account.epoch + 1, delivered_ml=delivered)


def lasts(amount: float, per_hour: float, at_most: Nanos) -> Nanos:
    """Say how long an amount lasts at so much an hour; at most so long, also where next to nothing or nothing flows."""
    return at_most if amount * HOUR >= per_hour * at_most else int(amount / per_hour * HOUR)


def seconds(length: Nanos) -> str:
    """Write a length of time for people."""
    if length >= MINUTE:
        minutes, rest = divmod(length // SECOND, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{length / SECOND:g} s"
