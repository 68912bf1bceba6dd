"""Closing: what must be seen in recovery before a case is closed, and closing it early in one's own name (E16)."""

from collections.abc import Callable

from infusion_gateway.core.changes import GONE
from infusion_gateway.core.dose import seconds
from infusion_gateway.core.durable import Case, Pressure
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.events import AlarmsRemembered, ConditionCleared, PhaseChanged, SubjectsRemembered
from infusion_gateway.model.instructions import Close, Score
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import Discharge, Phase

LONGEST_TEXT = 200
NO_CASE = frozenset({Phase.IDLE, Phase.ORDERED, Phase.CLOSED, Phase.ABORTED, Phase.RECOVERY})
"""Where a bed in quarantine can be closed: nothing runs that was not given up."""
TWO = 2  # reports of a pump at rest, before anything is made of them
Done = Callable[[str], None]


def close(turn: Turn, asked: Close, accept: Done) -> str:
    """Close a case after recovery; one whose pump can't be seen to stop only once people were told, with a reason."""
    stop, reason = turn.durable.stop, asked.reason.strip()[:LONGEST_TEXT]
    pending = stop is not None and stop.confirmed_at is None  # in recovery too: delivering again after the end
    words, said = "closed", reason or "recovery is over"
    if turn.durable.quarantined and turn.phase in NO_CASE:
        return _close_quarantined(turn, reason, accept)
    if turn.phase in (Phase.RECOVERY, Phase.ABORTED) and not pending:
        lacking = "; ".join(_lacking(turn)) if turn.phase is Phase.RECOVERY else ""
        if lacking and not reason:
            return f"{lacking}: a reason is needed to close early"
        if lacking:
            words, said = f"closed early: {lacking}", f"closed early ({lacking}): {reason}"
    elif pending and _told_of(turn):
        if not reason:
            return "the stop is not confirmed: a reason is needed, such as that the pump was taken off the patient"
        words = "closed without a confirmed stop"
        said = f"{words}: {reason}"
    else:
        return f"a case is closed after recovery or after it was given up, once the pump stands (phase {turn.phase})"
    accept(words)
    turn.emit(PhaseChanged(Phase.CLOSED, turn.phase, said))
    return ""


def _told_of(turn: Turn) -> bool:
    """Say whether people are told of this very stop that it isn't confirmed; of one before it says nothing."""
    raised = turn.durable.conditions.get("stop-not-confirmed")
    return raised is not None and raised.present


def _close_quarantined(turn: Turn, reason: str, accept: Done) -> str:
    """End a quarantine in a person's name, after a restart: whose pump is seen to stand, and who says why."""
    stop = turn.durable.stop
    if turn.pump_setup is not None and (
        turn.live.pump.stills < TWO or (stop is not None and stop.confirmed_at is None)
    ):
        return "the bed is in quarantine: stop the pump by hand, and wait until it is seen to stand"
    if not reason:
        return "the bed is in quarantine: a reason is needed to end it, such as that the pump was looked at"
    accept("closed: the quarantine is over")
    turn.emit(PhaseChanged(Phase.CLOSED, turn.phase, f"the quarantine is over: {reason}"))
    return ""


def _lacking(turn: Turn) -> list[str]:
    """Give what recovery still wants, in words."""
    protocol, case, since = turn.protocol, turn.durable.case, turn.durable.phase_since
    if protocol is None or case is None:
        return ["what recovery wants is not known"]
    lacking: list[str] = []
    over = since + protocol.recovery
    if turn.now < over:
        lacking.append(f"recovery is not over, {seconds(_whole(over - turn.now))} are left")
    if protocol.discharge is not None:
        lacking += _unseen(case, protocol.discharge, since)
    return lacking


def _whole(length: int) -> int:
    return -(-length // SECOND) * SECOND


def _unseen(case: Case, wants: Discharge, since: int) -> list[str]:
    limits = {own.code: own.limit for own in case.limits}
    systolic = max(wants.systolic_below, limits.get("nibp-sys-high", 0.0))
    diastolic = max(wants.diastolic_below, limits.get("nibp-dia-high", 0.0))

    def calm(one: Pressure) -> bool:
        return wants.systolic_from <= one.systolic < systolic and one.diastolic < diastolic

    good = [one.measured_at for one in case.pressures if one.measured_at >= since and calm(one)]
    scores = {known.score: known.value for known in case.scores if known.measured_at >= since}
    lacking: list[str] = []
    if not good or max(good) - min(good) < wants.pressures_apart:
        lacking.append(f"two pressures in range, {seconds(wants.pressures_apart)} apart, are not seen in recovery")
    if scores.get(Score.MOAA_S, -1) < wants.moaa_s:
        lacking.append(f"no MOAA/S of {wants.moaa_s} was entered in recovery")
    if wants.oriented and not scores.get(Score.ORIENTED):
        lacking.append("nobody entered that the patient is oriented")
    if wants.escort and not scores.get(Score.ESCORT):
        lacking.append("nobody entered that an escort is here")
    return lacking


def forget(turn: Turn) -> None:
    """Let nothing of a case that is gone stand in the next one's way: what it left latched, and what was heard.

    What latched after it had left the bed was of nobody's case: it stays until somebody has acknowledged it.
    """
    for code, raised in turn.durable.conditions.items():
        if not raised.present and raised.since <= turn.durable.left_at:
            turn.emit(ConditionCleared(code, latched=False, reason="it was of the case before"))
    turn.live.forget_limits()
    turn.live.symptom_at = None


def remember(turn: Turn, phase_before: Phase) -> None:
    """Put on record, after a case has left, what the next is compared with, and what alarms: a replay begins there."""
    if phase_before is turn.phase or turn.phase not in GONE:
        return
    durable = turn.durable
    if durable.given or durable.known:
        turn.emit(SubjectsRemembered(durable.given, durable.known, "for comparing with the next session"))
    if durable.conditions:
        turn.emit(AlarmsRemembered(tuple(durable.conditions.values()), "the case has left the bed, these have not"))
