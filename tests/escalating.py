"""A clinic for tests of escalation: three on duty, a policy of three steps, and a clock that is turned by hand."""

from collections.abc import Iterable
from typing import Any

from infusion_gateway.ward import kept
from infusion_gateway.ward.escalation import Escalation, Message, Policy, Step
from infusion_gateway.ward.peers import Elsewhere
from infusion_gateway.ward.standing import Standing, Stands

NURSE, DOCTOR, LEAD = "nurse-1", "doctor-2", "lead-3"
PEOPLE = (NURSE, DOCTOR, LEAD)
REPEAT_S = 60.0
POLICY = Policy((Step(0.0, ("duty-1",)), Step(45.0, ("duty-2",)), Step(90.0, ("duty",))), REPEAT_S, PEOPLE)
BEGUN_S = 1_795_331_700.0
BED = ("gateway-1", "chair-3")


def stands(*found: Standing, heard: Iterable[tuple[str, str]] = (BED, ("gateway-1", ""), ("", ""))) -> Stands:
    """Give what stands, in a ward whose beds are heard."""
    return Stands(tuple(found), frozenset(heard))


class Clinic:
    """A machine and its clock. Every message is delivered at once, but to those who are `away`."""

    def __init__(self, policy: Policy = POLICY, *, duty: tuple[str, ...] = PEOPLE, day: str = "") -> None:
        self.now_s, self.day, self.tokens = BEGUN_S, day, 0
        self.policy, self.machine = policy, Escalation(policy, self.token)
        self.elsewhere = Elsewhere()
        self.alarms: tuple[Standing, ...] = ()
        self.heard: tuple[tuple[str, str], ...] = (BED, ("gateway-1", ""), ("", ""))
        self.away: set[str] = set()
        self.sent: list[tuple[float, Message]] = []
        if duty:
            self.machine.on_duty(duty, "lead-3", self.now_s)

    def token(self) -> str:
        """Make the next token."""
        self.tokens += 1
        return f"token-{self.tokens}"

    def alarm(self, code: str = "spo2-low", priority: Any = "high", **other: Any) -> Standing:
        """Have one alarm stand, and no other, since now unless it says otherwise."""
        facts = {"since_s": self.now_s} | other
        made = Standing(*BED, code, priority, code.replace("-", " "), **facts)
        self.alarms = (made,)
        return made

    def look(self) -> list[Message]:
        """Put what stands to the machine, once."""
        messages = self.machine.step(self.now_s, stands(*self.alarms, heard=self.heard), self.day, self.elsewhere)
        for message in messages:
            self.sent.append((self.now_s - BEGUN_S, message))
            self.machine.delivered(message.id, "no network" if message.person in self.away else "", self.now_s)
        return messages

    def until(self, at_s: float, step_s: float = 0.5) -> list[tuple[float, str]]:
        """Let time pass up to a moment since the beginning; give when and to whom something was sent meanwhile."""
        before = len(self.sent)
        while self.now_s - BEGUN_S < at_s:
            self.now_s += step_s
            self.look()
        return [(at, message.person) for at, message in self.sent[before:]]

    def restart(self) -> None:
        """Have the station begin anew with what it had kept."""
        text = kept.write(self.machine.keep())
        self.machine = Escalation(self.policy, self.token, kept.read(text, self.now_s))

    def press(self, message: Message, at: int = 0) -> str:
        """Press a message's link; give what came of it."""
        return self.machine.answer(message.alarms[at].token if message.alarms else message.test, self.now_s).stand
