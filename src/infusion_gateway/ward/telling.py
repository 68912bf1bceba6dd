"""A message in words: which bed, how urgent, what, since when, whom to call, and the link that says "I have it".

Whoever reads it on the way learns nothing of a patient: no subject, no case, no value.
"""

from collections.abc import Callable

from infusion_gateway.ward.escalation import Message, Told
from infusion_gateway.ward.kept import HELD_S

MODES = {"real": "", "test": "TEST, no patient: ", "demo": "DEMONSTRATION, no patient: "}


def write(message: Message, *, clock: Callable[[float], str], link: str, call: str, station: str) -> tuple[str, str]:
    """Give a message's title and text. clock: a moment as people at the clinic read it; link: "": there is none."""
    if message.test:
        title = f"Test from {station}: please answer"
        answer = f"Press here: {link}/a/{message.test}" if link else "Answer it on the station's page, signed in."
        return title, f"You are on duty, and alarms will reach you like this. {answer}\n{_call(call)}"
    first = message.alarms[0]
    others = len(message.alarms) + message.more - 1
    title = f"{MODES[first.mode]}{first.priority.upper()} {first.where}{f' and {others} more' if others else ''}"
    lines = [_alarm(told, clock, link) for told in message.alarms]
    if message.more:
        lines.append(f"And {message.more} more: see the station's page.")
    if message.nobody_on_duty:
        lines.append("Nobody is on duty at the station, so everybody who can be reached is told.")
    lines.append(_call(call) if link else f"Call {call}; others are told next.")
    if link:
        lines.append(f'"I have it" holds off telling others for {HELD_S:.0f} s; the bed goes on sounding.')
    return title, "\n".join(lines)


def _alarm(told: Told, clock: Callable[[float], str], link: str) -> str:
    at = f" ({told.gateway})" if told.gateway else ""
    what = f"{MODES[told.mode]}{told.priority.upper()} {told.where}{at}, since {clock(told.since_s)}; nobody has it."
    return f"{what} I have it: {link}/a/{told.token}" if link else what


def _call(call: str) -> str:
    return f"If the link can't be opened, call {call}."
