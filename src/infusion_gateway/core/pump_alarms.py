"""What the pump itself alarms about: how urgent, whether it stops itself, and what a person does.

Alarms of the equipment, so technical, whatever they mean for the patient. Urgent and latched while it infuses; while it
only stands ready, medium at most; with nothing under way, low and gone with their cause: a reset that an idle pump
reports when it is switched on is no alarm in front of the first session.
"""

from dataclasses import dataclass

from infusion_gateway.core.claims import technical
from infusion_gateway.core.dose import short_enough
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import PumpAlarm
from infusion_gateway.model.session import Phase

SELF_STOP: Nanos = 5 * SECOND
"""How long a pump that alarms may go on before it counts as not having stopped itself."""
STANDING = frozenset({Phase.ARMED, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED})


@dataclass(frozen=True, slots=True)
class PumpRow:
    """An alarm of a pump while infusing. stops_itself: the pump does; else the response is ours, and at once."""

    priority: Priority
    do: str
    stops_itself: bool = False
    response: Response = Response.TELL


ROWS: dict[PumpAlarm, PumpRow] = {
    PumpAlarm.OCCLUSION: PumpRow(Priority.HIGH, "Look at clamps, line and cannula", stops_itself=True),
    PumpAlarm.AIR: PumpRow(Priority.HIGH, "Clamp the line and take the air out", stops_itself=True),
    PumpAlarm.EMPTY: PumpRow(Priority.HIGH, "Look at the syringe and the volume ordered", stops_itself=True),
    PumpAlarm.DOOR: PumpRow(
        Priority.HIGH, "Clamp the line before you touch the door, then close it", stops_itself=True
    ),
    PumpAlarm.STALL: PumpRow(Priority.HIGH, "Look at the syringe and the drive", stops_itself=True),
    PumpAlarm.FREE_FLOW: PumpRow(Priority.HIGH, "Clamp the line now", response=Response.STOP),
    PumpAlarm.DEAD_MAN: PumpRow(Priority.HIGH, "It lost the gateway and stopped itself. Look at cable and pump"),
    PumpAlarm.OTHER: PumpRow(Priority.HIGH, "Read the pump's display"),
    PumpAlarm.RESET: PumpRow(Priority.MEDIUM, "Its power was interrupted: check rate and volume on the pump"),
    PumpAlarm.NEAR_EMPTY: PumpRow(Priority.LOW, "Have the next syringe ready, or let it end"),
    PumpAlarm.BATTERY: PumpRow(Priority.LOW, "Put the pump on mains power"),
}
"""No device states a priority of its own, so each is as the rules have it: high, unless nothing depends on it yet."""
STOPS_ITSELF = frozenset(alarm for alarm, row in ROWS.items() if row.stops_itself)


def claim_pump_alarms(turn: Turn) -> None:
    """Claim what the pump reports; where nothing was heard of it since a start, what it reported before."""
    pump = turn.live.pump
    known = frozenset(turn.durable.pump_alarms) if pump.delivery is None and not pump.alarms else pump.alarms
    if not known and "pump-goes-on" not in turn.live.since:
        return
    goes_on = turn.phase is Phase.INFUSING and pump.runs > 1 and bool(known & STOPS_ITSELF)
    since = turn.holds_since("pump-goes-on", goes_on)
    late = since is not None and turn.has_come(since + SELF_STOP)
    for alarm in sorted(known):
        _claim(turn, alarm, late=late and ROWS[alarm].stops_itself)


def _claim(turn: Turn, alarm: PumpAlarm, *, late: bool) -> None:
    row, code, pump = ROWS[alarm], f"pump-{alarm}", turn.live.pump
    priority = _priority(turn, alarm, row, code)
    response = Response.STOP if late else row.response
    if turn.phase is not Phase.INFUSING:
        response = Response.TELL  # it isn't known to deliver, or nothing of ours runs
    words = f" ({pump.alarm_text})" if pump.alarm_text else ""
    end = alarm is PumpAlarm.EMPTY and short_enough(turn)
    do = "The volume ordered is nearly in" if end else row.do
    text = f"The pump reports {alarm}{words}{', and goes on delivering' if late else ''}. {do}"
    latching = turn.phase is Phase.INFUSING and priority > Priority.LOW
    turn.claim(technical(code, priority, text, latching=latching, response=response))


def _priority(turn: Turn, alarm: PumpAlarm, row: PumpRow, code: str) -> Priority:
    """Give the priority in this phase; what was raised as more urgent while it infused stays so until it is over."""
    if alarm is PumpAlarm.EMPTY and turn.phase in STANDING | {Phase.INFUSING} and short_enough(turn):
        return Priority.LOW  # the end of the volume, near the volume ordered
    if turn.phase is Phase.INFUSING:
        return row.priority
    if turn.phase not in STANDING:
        return Priority.MEDIUM if alarm is PumpAlarm.FREE_FLOW else Priority.LOW
    most = Priority.HIGH if alarm is PumpAlarm.FREE_FLOW else Priority.MEDIUM
    raised = turn.durable.conditions.get(code)
    if raised is not None and raised.present:
        most = max(most, raised.priority)
    return min(row.priority, most)
