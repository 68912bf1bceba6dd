"""Technical conditions: what the gateway can't see. One a cause; people are told."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from infusion_gateway.core.changes import TEST_ALARM
from infusion_gateway.core.claims import technical
from infusion_gateway.core.dose import seconds
from infusion_gateway.core.durable import Case
from infusion_gateway.core.live import DeviceNow, Source
from infusion_gateway.core.naming import overdue_words
from infusion_gateway.core.sources import (
    BY_HAND,
    CURRENT_FOR,
    DISAGREE,
    HERE,
    SUPPRESSED,
    disagree,
    preferred,
    ranked,
)
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import AlarmKind, Priority, Response
from infusion_gateway.model.events import SupervisionChanged
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Delivery, FaultKind, Sensor
from infusion_gateway.model.session import Phase, Scheduled, Stages, Step, Supervision
from infusion_gateway.model.status import LinkState

UNTOLD_AFTER: Nanos = 10 * SECOND
REFUSED_FOR: Nanos = 30 * SECOND
DISAGREE_FOR: Nanos = 10 * SECOND
FOUND_WITHIN: Nanos = 10 * SECOND
"""A sensor that is put back, or a device that is heard again, has so long to find a value (unsourced)."""
TWO_DEVICES = 2
DISAGREEMENTS = {metric: f"{FACTS[metric].word}-disagree" for metric in DISAGREE}
MISSING = {metric: f"{facts.word}-missing" for metric, facts in FACTS.items() if not facts.intermittent}
UNEXPLAINED = {metric: f"{FACTS[metric].word}-unexplained" for metric in MISSING}
OVERDUE_LOW, OVERDUE_MEDIUM = 1.5, 2.0
"""An NIBP older than so many intervals (clinical reference E15)."""
SEEING = frozenset({Phase.ARMED, Phase.INFUSING, Phase.PAUSED})
ENDED = frozenset({Phase.COMPLETED, Phase.STOPPED})
SENSES = {
    Sensor.PROBE: ("probe-off", "The SpO2 probe is off", Metric.SPO2, frozenset({Metric.SPO2, Metric.PULSE})),
    Sensor.LEADS: ("leads-off", "The ECG leads are off", Metric.HR, frozenset({Metric.HR, Metric.RR})),
    Sensor.CANNULA: ("cannula-off", "The CO2 cannula is off", Metric.ETCO2, frozenset({Metric.ETCO2, Metric.RR})),
}
"""A sensor's code and words, what it is there for, and all that may be missing because it is off."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why a monitor's values are missing: code, words, since when, and which metrics (None: all of the device)."""

    code: str
    text: str
    since: Nanos
    metrics: frozenset[Metric] | None


def dispute(turn: Turn) -> None:
    """Find the metrics whose sources have disagreed for a while: neither is believed more than the other."""
    if len(turn.setup.devices) <= TWO_DEVICES:  # a pump and one monitor
        return
    for metric, code in DISAGREEMENTS.items():
        running = code in turn.live.since
        if metric not in turn.touched and not running:
            continue  # nobody said anything of it, and nothing runs
        apart = disagree(turn.sources, turn.live, metric, turn.now)
        if not apart and not running:
            continue
        since = turn.holds_since(code, apart)
        disputed = since is not None and turn.has_come(since + DISAGREE_FOR)
        if disputed != (metric in turn.live.disputed):
            turn.live.disputed = turn.live.disputed ^ {metric}
            turn.touched.add(metric)


def _disagreements(turn: Turn) -> None:
    for metric in turn.live.disputed:
        text = f"Two sources of {FACTS[metric].word} disagree: neither is believed. Look at both sensors"
        turn.claim(technical(DISAGREEMENTS[metric], Priority.LOW, text))


def claim_technical(turn: Turn) -> None:
    """Claim what is true of the equipment."""
    _disagreements(turn)
    _pump(turn)
    if not turn.away:
        _monitors(turn)
        _overdue(turn)
    if turn.durable.test_alarm_until is not None and not turn.has_come(turn.durable.test_alarm_until):
        text = f"A test of the alarm, asked for by {turn.durable.test_alarm_by}. Acknowledge it where it is heard"
        turn.claim(technical(TEST_ALARM, Priority.MEDIUM, text))


def _by_age(turn: Turn, steps: tuple[Step, ...], since: Nanos) -> Priority | None:
    """Give the priority of what has lasted since then; ask for a step when it rises."""
    found: Priority | None = None
    for step in steps:  # age and priority rise from one to the next
        if not turn.has_come(since + step.after):
            break
        found = step.priority
    return found


def _stands(turn: Turn, code: str) -> bool:
    """Say whether a condition is on record as present."""
    raised = turn.durable.conditions.get(code)
    return raised is not None and raised.present


def _aged(turn: Turn, code: str, steps: tuple[Step, ...], since: Nanos) -> Priority | None:
    """Give the priority by age of a cause that holds; one from before the start is not young again for that."""
    priority = _by_age(turn, steps, since)
    if code not in turn.live.inherited or not _stands(turn, code):
        return priority
    most = max(step.priority for step in steps)
    return max(priority or Priority.LOW, min(turn.durable.conditions[code].priority, most))


def _pump(turn: Turn) -> None:
    setup, protocol, stop = turn.pump_setup, turn.protocol, turn.durable.stop
    if setup is None:
        return
    device = turn.device(setup.device)
    _faults(turn, setup.device, device, "pump")
    seeing = turn.phase in SEEING
    watched = seeing or turn.phase in ENDED or (stop is not None and stop.confirmed_at is None)
    unclear = seeing and turn.live.pump.delivery is Delivery.UNKNOWN
    unclear_since = turn.holds_since("delivery-unknown", unclear)
    if unclear_since is not None and turn.has_come(unclear_since + UNTOLD_AFTER):
        shown = "a stop" if turn.phase is Phase.INFUSING else "a start"
        text = f"The pump does not say whether it delivers: {shown} shows by its volume alone. Look at the pump"
        turn.claim(technical("delivery-unknown", Priority.MEDIUM, text))
    since = _last_seen(turn, device)
    if turn.phase is Phase.RECOVERY and not watched and turn.has_come(since + UNTOLD_AFTER):
        text = f"The pump is not seen{_why(device)}: that it stays stopped can't be told. Take it off the patient"
        turn.claim(technical("supervision-lost", Priority.LOW, text))
    if protocol is None or not watched:
        return
    priority = _by_age(turn, protocol.pump_stages, since)
    if priority is not None:
        text = f"The pump can't be seen{_why(device)}. Look at the pump"
        turn.claim(technical("supervision-lost", priority, text))


def _last_seen(turn: Turn, device: DeviceNow) -> Nanos:
    started = turn.live.started_at if turn.live.started_at is not None else turn.now
    return started if device.seen_at is None else device.seen_at


def _why(device: DeviceNow) -> str:
    if device.fault is not None and device.fault.kind is not FaultKind.REFUSED:
        return f" ({device.fault.kind}: {device.fault.detail})"
    if device.link is LinkState.DOWN:
        return f" (the line is gone: {device.why})"
    return " (it does not answer)"


def _faults(turn: Turn, name: str, device: DeviceNow, what: str) -> None:
    fault = device.fault
    if fault is None:
        return
    if fault.kind is FaultKind.WRONG_DEVICE:
        text = f"{name} is not the device that belongs to this bed: {fault.detail}. Look at the cables"
        turn.claim(technical("wrong-device", Priority.HIGH, text))
    elif fault.kind is FaultKind.REFUSED and not turn.has_come(device.fault_at + REFUSED_FOR):
        turn.claim(technical(f"{what}-refused", Priority.MEDIUM, f"{name} refused what it was asked: {fault.detail}"))


def _monitors(turn: Turn) -> None:
    protocol = turn.protocol
    stages: Stages | None = None
    if protocol is not None:
        for group in protocol.vital_stages:
            if turn.phase in group.phases:
                stages = group
                break
    explained: dict[str, tuple[_Cause, ...]] = {}
    for setup in turn.setup.devices:
        if setup.is_pump:
            continue
        device = turn.device(setup.device)
        if _well(turn, setup.device, device):
            explained[setup.device] = ()
            continue
        _faults(turn, setup.device, device, "monitor")
        causes = _causes(turn, setup.device, device)
        explained[setup.device] = causes
        for cause in causes if stages is not None else ():
            priority = _aged(turn, cause.code, stages.steps if stages is not None else (), cause.since)
            if priority is not None and cause.code:
                turn.claim(technical(cause.code, priority, cause.text))
    if stages is not None and protocol is not None:
        if protocol.spo2_lost is not Response.TELL and turn.phase is Phase.INFUSING:
            _spo2_lost(turn, stages, protocol.spo2_lost)
        pump = turn.pump_setup.device if turn.pump_setup is not None else ""
        missed = frozenset(m for m, code in MISSING.items() if _stands(turn, code)) if turn.durable.conditions else NONE
        expected = _expected(turn.live.values.heard, missed, protocol.required_metrics, pump)
        _all_missing(turn, expected, stages.steps, explained)


def _all_missing(
    turn: Turn, expected: tuple[Metric, ...], steps: tuple[Step, ...], explained: dict[str, tuple[_Cause, ...]]
) -> None:
    """Claim which of these metrics are missing; looked for anew only when one came, or something else has changed."""
    caused = any(explained.values())

    def every() -> None:
        for metric in expected:
            if metric is not Metric.PULSE or not _with_spo2(turn):
                _missing(turn, metric, steps, told=caused and _explained(turn, metric, explained))

    live = turn.live
    if caused:
        live.kept.pop("missing", None)
        every()
        return
    came = tuple(map(live.values.last.get, expected))
    state = (live.since.get(HERE), live.suppressed, live.disputed, live.inherited, live.started_at)
    turn.keep("missing", (expected, came, steps, *state, turn.durable.conditions), every)


def _well(turn: Turn, name: str, device: DeviceNow) -> bool:
    """Say whether a monitor is heard and nothing is amiss, as nearly always: nothing else need be looked at."""
    if device.link is not LinkState.UP or device.fault is not None or device.off or device.seen_at is None:
        return False
    return f"{name}-line" not in turn.live.since and not turn.has_come(device.seen_at + CURRENT_FOR)


def _causes(turn: Turn, name: str, device: DeviceNow) -> tuple[_Cause, ...]:
    """Give the causes of a monitor's missing values: the line or the device, and sensors off the patient.

    A sensor that was off when the device was last heard is off until it is seen put back.
    """
    whole = _whole(turn, name, device)
    if not whole and not device.off:
        return ()
    sensors = (_off(turn, name, sensor, at) for sensor, at in device.off.items() if sensor in SENSES)
    found = (*whole, *(cause for cause in sensors if cause is not None))
    return tuple(replace(cause, since=max(cause.since, turn.live.since.get(HERE, 0))) for cause in found)


def _whole(turn: Turn, name: str, device: DeviceNow) -> tuple[_Cause, ...]:
    """Give the one cause of why nothing at all comes from a monitor, if nothing does."""
    since = _last_seen(turn, device)
    if device.fault is not None and device.fault.kind is FaultKind.WRONG_DEVICE:
        return (_Cause("", "", since, None),)  # told at once, by its own name
    if _line_gone(turn, name, device):
        why = device.why or "it was, and nothing new came since"
        text = f"{name}: the line is gone ({why}). Look at the cable; watch the patient"
        return (_Cause("monitor-link-lost", text, since, None),)
    if turn.has_come(since + CURRENT_FOR):
        frozen = device.fault is not None and device.fault.kind is FaultKind.FROZEN
        words = "sends the same moment again and again" if frozen else "says nothing"
        text = f"{name} {words}. Look at it; watch the patient"
        return (_Cause("monitor-frozen" if frozen else "monitor-silent", text, since, None),)
    return ()


def _line_gone(turn: Turn, name: str, device: DeviceNow) -> bool:
    """Say whether a line is gone, or was and nothing came since: one that is back with nothing is no new cause."""
    key = f"{name}-line"
    at = turn.live.since.get(key)
    unheard = at is not None and at < turn.now and (device.seen_at is None or device.seen_at <= at)
    return turn.holds_since(key, device.link is LinkState.DOWN or unheard) is not None


def _off(turn: Turn, name: str, sensor: Sensor, at: Nanos) -> _Cause | None:
    """Give a sensor off the patient as a cause; None where nobody expects anything of it.

    Taken off again before it gave a value, it is off since it last gave one. A probe on the arm of an inflating cuff
    isn't off.
    """
    code, text, own, metrics = SENSES[sensor]
    newest = turn.live.values.get((own, name))
    valid_at = newest.valid_at if newest is not None else None
    required = turn.protocol.required_metrics if turn.protocol is not None else ()
    if valid_at is None and own not in required and not _stands(turn, code):
        return None
    since = at if valid_at is None else min(at, valid_at + CURRENT_FOR)
    known = turn.live.suppressed
    if known is not None and sensor is Sensor.PROBE and name == known.probe:
        since = max(since, known.until)
    return _Cause(code, f"{text} ({name}). Put it back on; watch the patient", since, metrics)


NONE: frozenset[Metric] = frozenset()


@lru_cache(maxsize=64)
def _expected(
    heard: frozenset[Source], missed: frozenset[Metric], required: tuple[Metric, ...], pump: str
) -> tuple[Metric, ...]:
    """Give the continuous metrics that ought to be there: required ones, any that was there, or is told as missing."""
    seen = {metric for metric, device in heard if device not in (BY_HAND, pump)}
    return tuple(metric for metric in MISSING if metric in seen or metric in missed or metric in required)


def _with_spo2(turn: Turn) -> bool:
    """Say whether the pulse is missing with the SpO2 of the same probes, which is told already."""
    if MISSING[Metric.SPO2] not in turn.claims:
        return False
    values = turn.live.values
    return all((Metric.SPO2, name) in values for metric, name in values if metric is Metric.PULSE and name != BY_HAND)


def _missing(turn: Turn, metric: Metric, steps: tuple[Step, ...], *, told: bool) -> None:
    """Claim that a metric has no usable value, unless that is told by its cause, or was just now."""
    found = turn.chosen((metric,))
    if found is not None and found[0][1] == BY_HAND:
        found = None  # a number by hand is no watch
    alone = turn.holds_since(UNEXPLAINED[metric], not told)
    if found is not None and not turn.has_come(found[1].measured_at + steps[0].after):
        return
    since = max(_usable_until(turn, metric), 0 if found is None else found[1].measured_at)
    code = MISSING[metric]
    if alone is None or not (turn.has_come(alone + FOUND_WITHIN) or _stands(turn, code)):
        return
    priority = _aged(turn, code, steps, since)
    if priority is not None:
        word = FACTS[metric].word
        text = f"No usable {word} for more than {seconds(max(s.after for s in steps if s.priority <= priority))}"
        turn.claim(technical(code, priority, f"{text}. Look at the sensor; watch the patient"))


def _explained(turn: Turn, metric: Metric, explained: dict[str, tuple[_Cause, ...]]) -> bool:
    """Say whether a cause of a device that gave a metric, or of any where none did, says already why it is missing."""
    sources = preferred(turn.sources, turn.live, metric)
    names = [name for name, _ in sources if name in explained] or list(explained)
    return any(cause.metrics is None or metric in cause.metrics for name in names for cause in explained[name])


def _usable_until(turn: Turn, metric: Metric) -> Nanos:
    """Say when a device last gave a usable value, or could not: a cuff took it, nobody was there, we had not begun."""
    sources = [pair for pair in preferred(turn.sources, turn.live, metric) if pair[0] != BY_HAND]
    since = max((pair[1].usable_at or 0 for pair in sources), default=0)
    known = turn.live.suppressed
    if known is not None and metric in SUPPRESSED and any(name == known.probe for name, _ in sources):
        since = max(since, known.until)
    return max(since, turn.live.started_at or 0, turn.live.since.get(HERE, 0))


def _spo2_lost(turn: Turn, stages: Stages, response: Response) -> None:
    """Claim that SpO2 is gone from every device for good, where the protocol wants more of that than telling."""
    found = turn.chosen((Metric.SPO2,))
    after = stages.steps[-1].after
    if found is not None and found[0][1] != BY_HAND:
        return
    if turn.has_come(_usable_until(turn, Metric.SPO2) + after):
        text = f"No SpO2 from any device for {seconds(after)}. Put a probe on; watch the patient"
        turn.claim(technical("spo2-lost", Priority.HIGH, text, response=response))


def _overdue(turn: Turn) -> None:
    """Claim what people have not assessed, or measured, for longer than the protocol's schedule allows."""
    protocol, case = turn.protocol, turn.durable.case
    if protocol is None or case is None or case.t0 is None:
        return
    begun = turn.durable.phase_since if turn.phase is Phase.RECOVERY else case.t0
    for entry in _scheduled(turn.phase, protocol.schedule, protocol.nibp_every):
        priority = _by_age(turn, entry.steps, max(begun, _last_done(turn, case, entry.what)))
        if priority is not None:
            code, text = overdue_words(entry)
            turn.claim(technical(code, priority, text))


def _scheduled(phase: Phase, schedule: tuple[Scheduled, ...], pressure_every: Nanos) -> Iterator[Scheduled]:
    """Give what is due in a phase; where no pressure is scheduled while it infuses, one every so often is."""
    pressure = phase is not Phase.INFUSING
    for entry in schedule:
        if phase in entry.phases:
            pressure = pressure or entry.what is Metric.NIBP_SYS
            yield entry
    if not pressure:
        yield _pressure(pressure_every)


@lru_cache(maxsize=16)
def _pressure(every: Nanos) -> Scheduled:
    low, medium = int(OVERDUE_LOW * every), int(OVERDUE_MEDIUM * every)
    steps = (Step(low, Priority.LOW), Step(medium, Priority.MEDIUM))
    return Scheduled(Metric.NIBP_SYS, every, frozenset({Phase.INFUSING}), steps)


def _last_done(turn: Turn, case: Case, what: Score | Metric) -> Nanos:
    last = 0
    if isinstance(what, Metric):
        for device in ranked(turn.sources, turn.live, what):
            valid_at = turn.live.values[what, device].valid_at
            if valid_at is not None and valid_at > last:
                last = valid_at
    elif case.scores:
        last = max((known.measured_at for known in case.scores if known.score is what), default=0)
    return last


def supervise(turn: Turn) -> None:
    """Say how much the gateway sees: lost without the pump, degraded while equipment alarms."""
    setup, level = turn.pump_setup, Supervision.OK
    if setup is not None:
        device = turn.device(setup.device)
        if device.seen_at is None or turn.has_come(device.seen_at + UNTOLD_AFTER):
            level = Supervision.LOST
    if level is Supervision.OK:
        technical_now = (
            raised.present
            and raised.kind is AlarmKind.TECHNICAL
            and raised.priority >= Priority.MEDIUM
            and raised.code != TEST_ALARM
            for raised in turn.durable.conditions.values()
        )
        level = Supervision.DEGRADED if any(technical_now) else Supervision.OK
    if level is not turn.durable.supervision:
        words = {
            Supervision.OK: "the pump and what the session needs are seen",
            Supervision.DEGRADED: "some of the equipment is not as it should be",
            Supervision.LOST: "the pump can't be seen",
        }
        turn.emit(SupervisionChanged(level, words[level]))
