"""Dose: the volume observed since T0, over every epoch of the pump's counter, gaps and crashes included."""

from dataclasses import replace

from infusion_gateway.core.durable import Account
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import CounterRestarted
from infusion_gateway.model.metric import MINUTE, SECOND, Nanos
from infusion_gateway.model.session import Order, SessionProtocol

HOUR: Nanos = 60 * MINUTE


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
    return left < protocol.end_short_ml and left < protocol.end_short_part * whole


def begin(turn: Turn) -> None:
    """Take up the account as just recorded: T0, or a start of the process."""
    turn.live.account = turn.durable.account


def book(turn: Turn) -> None:
    """Book what the pump reported in this step: time of delivery, and volume."""
    case = turn.durable.case
    if case is None or case.t0 is None:
        return
    account = _time(turn, turn.live.account, case.order.rate_ml_h)
    pump = turn.live.pump
    if pump.volume_ml is not None and pump.volume_at == turn.now:
        account = _volume(turn, account, pump.volume_ml)
    turn.live.account = account


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


def _volume(turn: Turn, account: Account, volume_ml: float) -> Account:
    """Book a counter reading. A counter that fell began anew: all that it shows now came since."""
    if account.counter_ml is None:
        return replace(account, counter_ml=volume_ml)
    step = volume_ml - account.counter_ml
    if -1e-6 - turn.live.pump.resolution <= step <= 0:  # a step back by one is the counter's rounding
        return account
    if step > 0:
        return replace(account, counter_ml=volume_ml, delivered_ml=account.delivered_ml + step)
    delivered = account.delivered_ml + volume_ml
    restarted = CounterRestarted(
        device=turn.pump_setup.device if turn.pump_setup is not None else "",
        epoch=account.epoch + 1,
        reason=f"the pump's volume counter fell from {account.counter_ml:g} to {volume_ml:g} mL: it began anew, "
        "and what was delivered before stays counted",
        volume_ml=volume_ml,
        delivered_ml=delivered,
        expected_ml=account.expected_ml,
    )
    turn.emit(restarted)
    return replace(account, counter_ml=volume_ml, epoch=account.epoch + 1, delivered_ml=delivered)


def seconds(length: Nanos) -> str:
    """Write a length of time for people."""
    if length >= MINUTE:
        minutes, rest = divmod(length // SECOND, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{length / SECOND:g} s"
