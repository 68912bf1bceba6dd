"""Telling: whether what must be told can be told and recorded, and whether the gateway itself is what it was."""

from infusion_gateway.core.claims import technical
from infusion_gateway.core.gates import BEDSIDE, bedside_alarm
from infusion_gateway.core.technical import SEEING, UNTOLD_AFTER
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.status import BedsideAlarm

CLOCK_SHOWN_FOR: Nanos = 60 * SECOND


def claim_telling(turn: Turn) -> None:
    """Claim what is true of telling and recording, and of what the gateway itself goes by."""
    live, under_case = turn.live, turn.phase in SEEING
    priority = Priority.MEDIUM if under_case else Priority.LOW
    lost = turn.holds_since("broker-lost", live.broker is not True)
    if lost is not None and turn.has_come(lost + UNTOLD_AFTER):
        text = "The broker can't be reached: nobody away from the bed is told. Stay with the patient"
        turn.claim(technical("broker-lost", priority, text))
    alone = turn.holds_since("nobody-supervising", under_case and live.broker is True and live.listeners is not True)
    if alone is not None and (live.listeners is False or turn.has_come(alone + UNTOLD_AFTER)):
        text = "No station is heard: nobody away from the bed is told. Stay with the patient"
        turn.claim(technical("nobody-supervising", priority, text))
    silent = bedside_alarm(turn.setup, live) is BedsideAlarm.LOST
    since = turn.holds_since("bedside-alarm-lost", silent)
    told = turn.durable.conditions.get("bedside-alarm-lost")  # before a restart: it is not over because nobody looked
    if since is not None and ((told is not None and told.present) or turn.has_come(since + UNTOLD_AFTER)):
        why = live.gates.get(BEDSIDE, (False, 0, "nothing is known of it"))[2]
        text = f"The bedside alarm does not work ({why}): nothing may sound at the bed. Stay with the patient"
        turn.claim(technical("bedside-alarm-lost", priority, text))
    if live.journal_kept is False:
        text = f"The record can't be kept ({live.journal_why}). Supervision goes on; write down what happens"
        turn.claim(technical("record-not-kept", Priority.MEDIUM, text))
    if live.clock_jump is not None and not turn.has_come(live.clock_jump[0] + CLOCK_SHOWN_FOR):
        text = f"The wall clock moved by {live.clock_jump[1]:.3g} s. Durations are not touched, times shown may be"
        turn.claim(technical("clock-jumped", Priority.LOW, text))
    case, protocol = turn.durable.case, turn.protocol
    if under_case and case and protocol and case.protocol_digest not in ("", protocol.digest):
        text = "The protocol's file was changed since this case was ordered: its limits are those of now. Compare them"
        told = turn.durable.conditions.get("protocol-changed")
        known = told is not None and told.acknowledged_by is not None  # somebody has compared, by name
        turn.claim(technical("protocol-changed", Priority.MEDIUM if known else Priority.HIGH, text))
    if live.another:
        text = (
            "Another gateway has this one's name: what stations see may be its word. Look at the pump; end one of them"
        )
        turn.claim(technical("another-gateway", Priority.HIGH if under_case else Priority.MEDIUM, text))
    if turn.durable.quarantined:
        way_out = "Once the pump is seen to stand, give the case up if there is one, then close the bed with a reason"
        turn.claim(technical("bed-quarantined", Priority.HIGH, f"{turn.durable.quarantined}. {way_out}"))
