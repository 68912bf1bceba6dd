"""The pump's own dead man: armed at T0, read back, taken off at the end; found armed at a start is said."""

from infusion_gateway.core.claims import technical
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.commands import SetDeadMan
from infusion_gateway.model.events import DeadManSet
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import Phase

ASK_EVERY: Nanos = 5 * SECOND
READ_BACK_WITHIN: Nanos = 10 * SECOND
RUNNING = frozenset({Phase.INFUSING, Phase.PAUSED})


def wanted_s(turn: Turn) -> int | None:
    """Give the time-out the pump ought to have now, seconds; 0: none; None: it is not ours to say."""
    setup, case, protocol, durable = turn.pump_setup, turn.durable.case, turn.protocol, turn.durable
    if setup is None or setup.dead_man is None:
        return None
    under_way = durable.phase in RUNNING
    stop, begun = durable.stop, case is not None and case.t0 is not None
    unsure = stop is not None and begun and (stop.confirmed_at is None or stop.provisional)
    if protocol is not None and case is not None and (under_way or unsure):
        if case.dead_man_off_by:
            return 0
        shortest, longest = setup.dead_man
        return min(longest, max(shortest, protocol.dead_man_s))
    return 0 if durable.dead_man_ours else None


def record(turn: Turn) -> None:
    """Record what was read back, whoever set it."""
    setup, read = turn.pump_setup, turn.live.pump.dead_man_s
    if setup is None or read is None:
        return
    wanted = wanted_s(turn)
    adopted = bool(wanted) and read == wanted and not turn.durable.dead_man_ours
    if read == turn.durable.dead_man_s and not adopted:
        return
    found = read != wanted and not turn.durable.dead_man_ours
    if turn.durable.dead_man_s is None and read == 0:
        return  # not armed, and never was: nothing to say
    words = f"a dead man of {read:g} s is read back" if read else "no dead man is armed, as read back"
    turn.emit(DeadManSet(setup.device, read, found, f"{words}{', which the gateway did not ask for' if found else ''}"))


def keep(turn: Turn) -> None:
    """Ask for the wanted time-out until it is read back."""
    setup, pump, wanted = turn.pump_setup, turn.live.pump, wanted_s(turn)
    if setup is None or wanted is None or pump.dead_man_s == wanted:
        pump.dead_man_asked_at = pump.dead_man_wanted_at = None
        return
    if pump.dead_man_asked_at is None or turn.has_come(pump.dead_man_asked_at + ASK_EVERY):
        reason = (
            "the infusion runs: the pump is to stop by itself when the gateway dies" if wanted else "not needed now"
        )
        since = pump.dead_man_wanted_at if pump.dead_man_wanted_at is not None else turn.now
        pump.dead_man_asked_at, pump.dead_man_wanted_at = turn.now, since
        turn.command(SetDeadMan(setup.device, wanted, reason))
        turn.wake_at(turn.now + ASK_EVERY)
        turn.wake_at(since + READ_BACK_WITHIN)


def asked(turn: Turn) -> None:
    """Take note that a person's word has asked for it in this step, so that it isn't asked for twice."""
    turn.live.pump.dead_man_asked_at = turn.live.pump.dead_man_wanted_at = turn.now


def claim_dead_man(turn: Turn) -> None:
    """Claim that the dead man isn't as it ought to be."""
    pump, case = turn.live.pump, turn.durable.case
    if pump.dead_man_wanted_at is not None and turn.has_come(pump.dead_man_wanted_at + READ_BACK_WITHIN):
        wanted = wanted_s(turn)
        if wanted and pump.dead_man_s != wanted:
            text = "The pump's own dead man isn't armed: it would go on if the gateway died. Stay with the pump"
            turn.claim(technical("dead-man-not-armed", Priority.MEDIUM, text))
        elif wanted == 0 and pump.dead_man_s:
            turn.claim(technical("dead-man-not-taken-off", Priority.LOW, "The pump's dead man is still armed"))
    if case is not None and case.dead_man_off_by and turn.phase in RUNNING:
        text = f"The pump's dead man was taken off by {case.dead_man_off_by}. Stay with the pump"
        turn.claim(technical("dead-man-off", Priority.LOW, text))
    if pump.dead_man_s and turn.durable.dead_man_s and not turn.durable.dead_man_ours and wanted_s(turn) is None:
        text = f"The pump has a dead man of {pump.dead_man_s:g} s that nobody here armed"
        turn.claim(technical("dead-man-found-armed", Priority.LOW, text))
