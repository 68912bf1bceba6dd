"""Gates: what must hold before a bed is armed. Hard ones have no way past; soft ones a named person passes.

Unknown is never fine. A test (any generation mode but real) goes without what nobody has seen yet, and says so; what
was seen and is out of range shuts a gate in a test too.
"""

from dataclasses import dataclass

from infusion_gateway.core.durable import CaseLimit
from infusion_gateway.core.live import Live
from infusion_gateway.core.naming import NAMED_UNITS
from infusion_gateway.core.sources import believed, current, preferred
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, Validity
from infusion_gateway.model.session import BaselineGate, BedSetup, Gate, GenerationMode, SessionProtocol, Side
from infusion_gateway.model.status import BedsideAlarm, LinkState

MONITOR_SEEN_WITHIN: Nanos = 10 * SECOND
UNSTOPPABLE = "pump-unstoppable"
BEDSIDE = "bedside-alarm"
"""The gate of the bed's own sound and light."""
COMMISSIONED = "commissioning"
"""The gate that a person opened who tried this bed, with this configuration and this version."""


@dataclass(frozen=True, slots=True)
class Shut:
    """A gate that is shut: why and the way out, in words. soft: an override passes it; unseen: nothing is known."""

    gate: str
    words: str
    soft: bool
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """What stands against arming, and what was passed without: by a test, or by a named person."""

    shut: tuple[str, ...]
    waived: tuple[str, ...]
    overridden: tuple[str, ...]


def passage(turn: Turn) -> Passage:
    """Judge every gate of arming."""
    case = turn.durable.case
    passed = {gate for gate, _ in case.overridden} if case is not None else set()
    test = turn.setup.generation_mode is not GenerationMode.REAL
    shut, waived, overridden = _hard(turn), [], []
    for found in soft_or_seen(turn):
        if found.unseen and test:
            waived.append(found.gate)
        elif found.soft and found.gate in passed:
            overridden.append(found.gate)
        else:
            shut.append(found.words + (f", or override {found.gate} with a reason" if found.soft else ""))
    return Passage(tuple(shut), tuple(waived), tuple(overridden))


def soft_or_seen(turn: Turn) -> list[Shut]:
    """Give every gate that is shut beside the hard ones: the protocol's, and a pump that nothing can stop."""
    protocol, setup = turn.protocol, turn.pump_setup
    found: list[Shut] = []
    if setup is not None and not setup.stoppable and setup.dead_man is None:
        words = "the pump can't be stopped from here and has no dead man: take one that can, so that no more than the "
        found.append(Shut(UNSTOPPABLE, f"{words}syringe holds can run", soft=True))
    if protocol is None:
        return found
    for gate in protocol.gates:
        found += _mean(turn, gate)
    for baseline in protocol.baseline:
        found += _baseline(turn, protocol, baseline)
    return found


def _hard(turn: Turn) -> list[str]:
    wrong = _pump(turn)
    protocol, live = turn.protocol, turn.live
    for metric in protocol.required_metrics if protocol is not None else ():
        if current(turn.sources, live, metric, turn.now) is None:
            wrong.append(f"no valid {FACTS[metric].word} is seen: look at the sensor")
    somebody = live.broker is True and live.listeners is True
    if not somebody and bedside_alarm(turn.setup, live) is not BedsideAlarm.WORKING:
        wrong.append("there is no way to tell somebody: no station that is heard, and no bedside alarm that works")
    if turn.durable.quarantined:
        wrong.append(f"the bed is in quarantine: {turn.durable.quarantined}")
    if turn.setup.generation_mode is GenerationMode.REAL:
        is_open, _, why = live.gates.get(COMMISSIONED, (False, 0, "whether it was commissioned is not known"))
        wrong += [] if is_open else [why]
    return wrong


def _pump(turn: Turn) -> list[str]:
    setup, pump, protocol = turn.pump_setup, turn.live.pump, turn.protocol
    if setup is None:
        return ["the bed has no pump: order it at a bed that has one"]
    wrong: list[str] = []
    device = turn.device(setup.device)
    fresh = protocol.pump_stages[0].after if protocol is not None and protocol.pump_stages else MINUTE
    if device.link is not LinkState.UP or device.seen_at is None or turn.now - device.seen_at >= fresh:
        wrong.append("the pump is not seen: look at its cable")
    if not device.identity:
        wrong.append("the pump has not said who it is: look at its cable")
    if pump.delivery is None:
        wrong.append("the pump is not known to be stopped")
    elif pump.delivery is not Delivery.STOPPED:
        wrong.append("the pump is delivering: stop it first")
    return wrong


def _mean(turn: Turn, gate: Gate) -> list[Shut]:
    """Judge one of the gateway's own means: broker, monitors, whether the alarm was heard, or what it is told of."""
    is_open, at, why = _seen(turn, gate.name)
    if is_open is None:
        words = why or f"nothing is known of {gate.name}"
        return [Shut(gate.name, words, soft=True, unseen=True)] if gate.required else []
    if not is_open:
        return [Shut(gate.name, why, soft=True)]
    if gate.max_age is not None and turn.now - at > gate.max_age:
        return [Shut(gate.name, f"{gate.name} was looked at too long ago", soft=True)]
    return []


def _seen(turn: Turn, name: str) -> tuple[bool | None, Nanos, str]:
    live = turn.live
    if name == "broker":
        return live.broker, turn.now, "the broker can't be reached: look at the network"
    if name == "monitor":
        silent = [d.device for d in turn.setup.devices if not d.is_pump and not _heard(turn, d.device)]
        return not silent, turn.now, f"{', '.join(silent)} is not seen: look at the cable"
    if name == "alarm-heard":
        at = turn.durable.alarm_heard_at
        return None if at is None else True, at or 0, ""
    if name == BEDSIDE and not turn.setup.annunciator:
        return None, 0, "no bedside alarm: nothing sounds at the bed itself"
    known = live.gates.get(name)
    return (None, 0, "") if known is None else known


def bedside_alarm(setup: BedSetup, live: Live) -> BedsideAlarm:
    """Say how the bed's own sound and light stand; one that nothing is known of is lost."""
    if not setup.annunciator:
        return BedsideAlarm.NONE
    known = live.gates.get(BEDSIDE)
    return BedsideAlarm.WORKING if known is not None and known[0] else BedsideAlarm.LOST


def _heard(turn: Turn, name: str) -> bool:
    device = turn.device(name)
    young = device.seen_at is not None and turn.now - device.seen_at < MONITOR_SEEN_WITHIN
    return young and device.link is LinkState.UP


def _baseline(turn: Turn, protocol: SessionProtocol, gate: BaselineGate) -> list[Shut]:
    facts = FACTS[gate.metrics[0]]
    name = f"baseline-{facts.word}"
    value = newest(turn, gate.metrics, gate.max_age)
    if value is None:
        words = f"no valid {facts.word} of the last {gate.max_age // MINUTE} min: measure it, or enter it by hand"
        return [Shut(name, words, soft=False, unseen=True)] if gate.required else []
    low, high, soft_from, hold_from = gate.low, gate.high, gate.soft_from, gate.hold_from
    own_low, own_high = (_own(turn, protocol, gate.metrics, side) for side in (Side.LOW, Side.HIGH))
    if own_low is not None:
        low = own_low
    if own_high is not None:
        high, soft_from, hold_from = (None if was is None else own_high for was in (high, soft_from, hold_from))
    said = f"{facts.word} {value:g} {NAMED_UNITS.get(facts.unit, facts.unit)}"
    way = "wait and measure again, or a clinician sets the limit for this case"
    if low is not None and value < low:
        return [Shut(name, f"{said} is below {low:g}: {way}", soft=False)]
    if high is not None and value > high:
        return [Shut(name, f"{said} is above {high:g}: {way}", soft=False)]
    if hold_from is not None and value >= hold_from:
        return [Shut(name, f"{said} has reached {hold_from:g}: {way}", soft=False)]
    if soft_from is not None and value >= soft_from:
        return [Shut(name, f"{said} has reached {soft_from:g}: wait and measure again", soft=True)]
    return []


def _own(turn: Turn, protocol: SessionProtocol, metrics: tuple[Metric, ...], side: Side) -> float | None:
    """Give the limit that a clinician set for this case on this side of these vital signs; None: none."""
    case = turn.durable.case
    limits: tuple[CaseLimit, ...] = case.limits if case is not None else ()
    codes = {c.code for c in protocol.conditions if c.side is side and not set(c.metrics).isdisjoint(metrics)}
    return next((own.limit for own in limits if own.code in codes), None)


def newest(turn: Turn, metrics: tuple[Metric, ...], max_age: Nanos) -> float | None:
    """Give the newest valid value of the first of these that has one, at most so old; a person's entry is one too."""
    for metric in metrics:
        readings = [believed(turn.live, pair[1].reading) for pair in preferred(turn.sources, turn.live, metric)]
        valid = [r for r in readings if r.validity is Validity.VALID and turn.now - r.measured_at <= max_age]
        if valid:
            return max(valid, key=lambda reading: reading.measured_at).value
    return None
