"""Permitting: what a named person lets happen: a restart, a shut gate, a limit for one case, a patient off monitors."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite

from infusion_gateway.core import deadman, gates
from infusion_gateway.core.amending import Entry, agreed
from infusion_gateway.core.dose import seconds
from infusion_gateway.core.durable import Case
from infusion_gateway.core.naming import NAMED_UNITS
from infusion_gateway.core.rows import for_case, limits_of, past
from infusion_gateway.core.session import take_baseline
from infusion_gateway.core.sources import current
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Response
from infusion_gateway.model.events import AlarmTested, CaseLimitSet, GateOverridden, PatientAway, ResumePermitted
from infusion_gateway.model.instructions import Away, Limits, Override, PermitResume, TestAlarm
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Nanos
from infusion_gateway.model.session import LimitCondition, Phase, SessionProtocol, Side

LONGEST_TEXT = 200
TEST_FOR: Nanos = 30 * SECOND
"""How long a test alarm sounds where nobody acknowledges it (unsourced)."""
LEAVABLE = frozenset({Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED, Phase.RECOVERY})
LIMITABLE = frozenset(
    {Phase.ORDERED, Phase.ARMED, Phase.INFUSING, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED, Phase.RECOVERY}
)
TWO = 2  # reports of a pump, before anything is made of them
Done = Callable[[str], None]


def permit(turn: Turn, asked: PermitResume, by: str, accept: Done) -> str:
    """Permit a restart by hand after our stop; give why not, "" where it was taken."""
    stop, case, protocol = turn.durable.stop, turn.durable.case, turn.protocol
    paused = turn.phase is Phase.PAUSED or (turn.phase is Phase.INFUSING and turn.durable.unreleased_since is not None)
    if case is None or protocol is None or not paused:
        return f"nothing is paused (phase {turn.phase})"
    if stop is None or stop.released:
        return "no release is needed: a person may start the pump"
    if stop.confirmed_at is None:
        return "the pump is not yet seen to have stopped: wait for it"
    past_limits = _past_limits(turn, case, protocol)
    if past_limits and turn.away:
        return f"the patient is away, so nothing is judged, and {' and '.join(past_limits)} would stop it again"
    standing = [
        code
        for code, raised in turn.durable.conditions.items()
        if raised.present and raised.response is not Response.TELL and code != "restarted-without-release"
    ]
    if standing:
        return f"what would stop it again still stands: {', '.join(sorted(standing))}"
    if past_limits:
        return f"{' and '.join(past_limits)} would stop it again: wait until it is back inside, or measure again"
    dead_man_s = deadman.wanted_s(turn)
    if dead_man_s and turn.live.pump.dead_man_s != dead_man_s:
        return "the pump's own dead man is not read back as armed: wait for it, or disarm it in your name"
    missing = [m for m in protocol.required_metrics if current(turn.sources, turn.live, m, turn.now) is None]
    if missing:
        words = ", ".join(FACTS[m].word for m in missing)
        again = "a new baseline is needed: " if not case.baseline else ""
        return f"{again}no valid {words} is seen: look at the sensor, or measure by hand"
    locked = _locked(turn, protocol)
    if locked:
        first, refusal = agreed(turn, case, protocol, Entry("permit-resume", (), by, asked.reason), accept)
        if first is None:
            return refusal and f"{locked}: {refusal}"
    accept("a person may start the pump again")
    if not case.baseline:
        take_baseline(turn)
    turn.emit(ResumePermitted(by, asked.reason[:LONGEST_TEXT] or "released"))
    turn.live.account = replace(turn.live.account, expected_ml=turn.live.account.delivered_ml)
    return ""


def _past_limits(turn: Turn, case: Case, protocol: SessionProtocol) -> list[str]:
    """Give what is seen now past a limit that stops: no condition says so of one who is away, or before its delay."""
    own, baseline, found = {limit.code: limit.limit for limit in case.limits}, dict(case.baseline), []
    for condition in protocol.conditions:
        if Phase.INFUSING not in condition.phases:
            continue
        chosen = turn.chosen(condition.metrics)
        judged = for_case(condition, own[condition.code]) if condition.code in own else condition
        value = chosen[1].value if chosen is not None else None
        limits = zip(judged.rows, limits_of(judged, baseline), strict=True)
        passed = (
            limit
            for row, limit in limits
            if value is not None and row.response is not Response.TELL and past(judged, row, limit, value)
        )
        limit = next(passed, None)
        if limit is not None:
            facts = FACTS[condition.metrics[0]]
            unit = NAMED_UNITS.get(facts.unit, facts.unit)
            side = "below" if condition.side is Side.LOW else "above"
            found.append(f"{facts.word} {value:g} {unit}, {side} the limit of {limit:g} {unit},")
    return found


def _locked(turn: Turn, protocol: SessionProtocol) -> str:
    """Say which condition stopped the pump so often that one person's release is not enough; "" for none (E14)."""
    case = turn.durable.case
    recent = [s for s in case.our_stops if turn.now - s.at <= protocol.lockout_within] if case is not None else []
    for code in recent[-1].codes if recent else ():
        times = sum(code in stop.codes for stop in recent)
        if times >= protocol.lockout_stops:
            return f"{code} stopped it {times} times within {seconds(protocol.lockout_within)}"
    return ""


def override(turn: Turn, asked: Override, by: str, accept: Done) -> str:
    """Pass a soft gate that is shut; give why not, "" where it was taken."""
    if turn.phase is not Phase.ORDERED:
        return f"gates are passed between order and confirmation (phase {turn.phase})"
    shut = {found.gate: found for found in gates.soft_or_seen(turn)}
    found = shut.get(asked.gate)
    soft = ", ".join(sorted(gate for gate, one in shut.items() if one.soft)) or "none"
    if found is None:
        return f"{asked.gate[:60]} is no gate that is shut and could be passed; shut and soft: {soft}"
    if not found.soft:
        return f"{asked.gate[:60]} has no way past: {found.words}"
    if not asked.reason.strip():
        return "a gate is passed with a reason"
    accept(f"{found.gate} is passed for this case")
    turn.emit(GateOverridden(found.gate, by, f"{found.words}; {asked.reason.strip()[:LONGEST_TEXT]}"))
    return ""


def set_limit(turn: Turn, asked: Limits, by: str, accept: Done) -> str:
    """Set a condition's first limit for this case alone; give why not, "" where it was taken."""
    protocol = turn.protocol
    if turn.durable.case is None or protocol is None or turn.phase not in LIMITABLE:
        return f"there is no case whose limits could be set (phase {turn.phase})"
    conditions = [c for c in protocol.conditions if c.code == asked.code]
    if not conditions:
        known = ", ".join(sorted({c.code for c in protocol.conditions}))
        return f"{asked.code[:60]} has no limit that could be set; known: {known}"
    if not asked.reason.strip():
        return "a limit is set with a reason"
    condition = conditions[0]
    bound = _bound(protocol, condition)
    facts, value = FACTS[condition.metrics[0]], asked.limit
    unit = NAMED_UNITS.get(facts.unit, facts.unit)
    if bound is None:
        return f"the protocol has no outer bound for {condition.code}: it stays as it is"
    low = condition.side is Side.LOW
    beyond = value < bound if low else value > bound
    if not isfinite(value) or not facts.low <= value <= facts.high or beyond:
        return f"{condition.code} may be set no {'lower' if low else 'higher'} than {bound:g} {unit}"
    accept(f"{condition.code} is {value:g} {unit} for this case")
    turn.emit(CaseLimitSet(condition.code, value, by, asked.reason.strip()[:LONGEST_TEXT]))
    turn.touched.update(Metric)
    return ""


def _bound(protocol: SessionProtocol, condition: LimitCondition) -> float | None:
    """Give how far a first limit may be set: as the protocol says, else as far as the next row."""
    own = dict(protocol.outer_limits).get(condition.code)
    if own is not None:
        return own
    rows = [row.limit for row in condition.rows if not row.over_baseline]
    return rows[1] if len(rows) > 1 else None


def away(turn: Turn, asked: Away, by: str, accept: Done) -> str:
    """Let the patient off the monitors while nothing flows; no time: is back."""
    protocol, stop = turn.protocol, turn.durable.stop
    now_away = turn.durable.away_until is not None and turn.durable.away_until > turn.now
    if asked.for_at_most <= 0:
        if not now_away:
            return "nobody is away: say for how long"
        accept("back: the monitors are watched again")
        turn.emit(PatientAway(turn.now, by, "back"))
        turn.touched.update(Metric)
        return ""
    if protocol is None or turn.phase not in LEAVABLE:
        return f"the patient stays on the monitors (phase {turn.phase}): hold the infusion first"
    if turn.pump_setup is not None and turn.live.pump.stills < TWO:
        return "zero flow is not seen: wait until the pump is seen at rest"
    if stop is not None and stop.confirmed_at is None:
        return "the pump was asked to stop and is not yet seen to have: wait for it"
    since = turn.durable.away_since if now_away and turn.durable.away_since is not None else turn.now
    until = min(turn.now + asked.for_at_most, since + protocol.longest_away)
    if until <= turn.now:
        return f"{seconds(protocol.longest_away)} are over: the patient must be back on the monitors first"
    accept(f"no monitor alarms for {seconds((until - turn.now) // SECOND * SECOND)}, or until the pump delivers")
    turn.emit(PatientAway(until, by, "the patient is off the monitors, nothing flows"))
    turn.live.forget_limits()
    return ""


def test_alarm(turn: Turn, asked: TestAlarm, by: str, accept: Done) -> str:  # noqa: ARG001 -- it has no arguments
    """Sound the alarm for a moment; give why not, "" where it was taken."""
    if turn.phase is Phase.INFUSING:
        return "a drug is being infused: a real alarm must not be taken for a test"
    accept(f"the alarm sounds for {seconds(TEST_FOR)}: acknowledge it where it is heard")
    turn.emit(AlarmTested(turn.now + TEST_FOR, by, "a test of the alarm"))
    return ""
