"""Breathing: apnoea and absent CO2, judged by how long, by how many devices, and by what the oxygen says meanwhile.

A device is one witness, whatever it says it by: its respiratory rate and its CO2 come off with the same cannula. A
respiratory rate of nothing is judged here and not by the limits of the rate.
"""

from dataclasses import replace
from enum import IntEnum

from infusion_gateway.core.claims import of_the_drug
from infusion_gateway.core.dose import seconds
from infusion_gateway.core.live import Breath
from infusion_gateway.core.sources import steady_spo2, usable_until
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.metric import SECOND, Metric, Nanos
from infusion_gateway.model.observation import Sensor, Validity
from infusion_gateway.model.session import Apnoea

CODE = "apnoea"
NO_BREATH = 1.0
"""A device's respiratory rate below this is none at all."""
BREATHS = frozenset({Metric.RR, Metric.ETCO2})
INHERITED = ""
"""Stands for the witness of an alarm from before the start, until a device says anything of breathing."""
AGREEING = 2


class Said(IntEnum):
    """What a device says of breathing."""

    NOTHING = 0
    BREATHING = 1
    ABSENT = 2


def claim_breathing(turn: Turn) -> None:
    """Claim that no breath is seen."""
    protocol, live = turn.protocol, turn.live
    rule = protocol.apnoea if protocol is not None else None
    if rule is None or turn.phase not in rule.phases:
        live.breaths = {}
        return
    if live.breaths is None:
        live.breaths = _inherited(turn, rule)
    if not live.breaths and (turn.touched.isdisjoint(BREATHS) or not _perhaps_absent(turn, rule)):
        return
    breaths = dict(live.breaths)
    for setup in turn.setup.devices:
        if not setup.is_pump:
            _follow(turn, rule, setup.device, breaths)
    live.breaths = breaths
    _judge(turn, rule, breaths)


def _perhaps_absent(turn: Turn, rule: Apnoea) -> bool:
    """Say whether any number that a device told is so low that it may say that there is no breath."""
    values = turn.live.values
    for metric, none_up_to in ((Metric.ETCO2, rule.absent_mmhg), (Metric.RR, NO_BREATH)):
        for setup in turn.setup.devices:
            newest = values.get((metric, setup.device))
            if newest is not None and newest.reading.value is not None and newest.reading.value <= none_up_to:
                return True
    return False


def _inherited(turn: Turn, rule: Apnoea) -> dict[str, Breath]:
    raised = turn.durable.conditions.get(CODE)
    if raised is None or not raised.present:
        return {}
    ran = rule.alone if raised.priority is Priority.HIGH else 0
    return {INHERITED: Breath(Said.NOTHING, ran=ran, ran_any=max(ran, rule.warn), upto=turn.now)}


def _follow(turn: Turn, rule: Apnoea, device: str, breaths: dict[str, Breath]) -> None:
    """Account the time since the last look, then take up what the device says now."""
    was = breaths.get(device)
    said, valid, until, words = _says(turn, rule, device)
    if was is None:
        if said is Said.NOTHING:
            return
        was = breaths.pop(INHERITED, None)
        if was is None:
            if said is Said.ABSENT:
                spo2 = steady_spo2(turn.sources, turn.live, turn.now)
                breaths[device] = Breath(said, valid=valid, until=until, upto=turn.now, spo2=spo2, words=words)
                _wake(turn, rule, breaths[device])
            return
    was = _accounted(was, turn.now)
    over = was.inside >= rule.clear_after or was.ran_any < rule.warn
    if said is Said.BREATHING and over:
        breaths.pop(device, None)
        return
    inside = was.inside if said is not Said.ABSENT else 0
    now = replace(was, said=said, valid=valid, until=until, inside=inside, words=words or was.words)
    breaths[device] = now
    _wake(turn, rule, now)


def _says(turn: Turn, rule: Apnoea, device: str) -> tuple[Said, bool, Nanos, str]:
    """Give what a device says of breathing, whether that is valid, until when it counts, and by what it says so."""
    absent: list[tuple[bool, Nanos, str]] = []
    breathing: list[Nanos] = []
    off = turn.device(device).off
    for metric, none_up_to in ((Metric.ETCO2, rule.absent_mmhg), (Metric.RR, NO_BREATH)):
        newest = turn.live.values.get((metric, device))
        if newest is None or Sensor.CANNULA in off or (metric is Metric.RR and Sensor.LEADS in off):
            continue
        reading = newest.reading
        until = usable_until(reading)
        if reading.value is None or reading.validity is Validity.INVALID or until <= turn.now:
            continue
        valid = reading.validity is Validity.VALID
        if reading.value < none_up_to or (metric is Metric.ETCO2 and reading.value == none_up_to):
            name = f"EtCO2 {reading.value:g} mmHg" if metric is Metric.ETCO2 else "no respiration"
            absent.append((valid, until, f"{device}: {name}"))
        elif valid:
            breathing.append(until)
    if absent:
        best = max(absent, key=lambda one: (one[0], one[1]))
        return Said.ABSENT, *best
    if breathing:
        return Said.BREATHING, True, max(breathing), ""
    return Said.NOTHING, False, 0, ""


def _accounted(was: Breath, now: Nanos) -> Breath:
    span = max(0, min(now, was.until) - was.upto)
    if was.said == Said.ABSENT:
        return replace(was, upto=now, ran_any=was.ran_any + span, ran=was.ran + (span if was.valid else 0))
    return replace(was, upto=now, inside=was.inside + (span if was.said == Said.BREATHING else 0))


def _wake(turn: Turn, rule: Apnoea, now: Breath) -> None:
    """Ask for a step when a delay is over though nothing comes."""
    if now.said == Said.ABSENT:
        times = [now.upto + rule.warn - now.ran_any]
        times += [now.upto + wait - now.ran for wait in (rule.sure, rule.alone)] if now.valid else []
    else:
        times = [now.upto + rule.clear_after - now.inside]
    for time in times:
        if time <= now.until:
            turn.wake_at(time)


def _judge(turn: Turn, rule: Apnoea, breaths: dict[str, Breath]) -> None:
    """Claim by the longest witness; a second one, or the oxygen, decides how far it is believed."""
    if not breaths:
        return
    device, worst = max(breaths.items(), key=lambda pair: (pair[1].ran, pair[1].ran_any))
    if max(one.ran_any for one in breaths.values()) < rule.warn:
        return
    spo2 = steady_spo2(turn.sources, turn.live, turn.now)
    pulse = turn.chosen((Metric.PULSE, Metric.HR))
    beats = pulse is not None and pulse[1].validity is Validity.VALID
    well = spo2 is not None and spo2 >= rule.spo2_well and (beats or turn.live.suppressed is not None)
    fell = worst.spo2 is not None and spo2 is not None and worst.spo2 - spo2 >= rule.spo2_drop
    low = spo2 is not None and (spo2 < rule.spo2_low or fell)
    agreeing = sum(one.ran >= rule.sure for one in breaths.values()) >= AGREEING
    priority, response = Priority.MEDIUM, Response.TELL
    if worst.ran >= rule.sure and (low or agreeing):
        priority, response = Priority.HIGH, Response.STOP
    elif worst.ran >= rule.alone or (worst.ran >= rule.sure and not well):
        priority, response = Priority.HIGH, Response.STOP_UNLESS_HELD
    oxygen = f"SpO2 {spo2:g} %" if spo2 is not None else "SpO2 not known"
    witness = "two devices" if agreeing else worst.words or device or "before the restart"
    lasted = seconds(max(worst.ran, worst.ran_any) // SECOND * SECOND)
    text = f"No breath seen for more than {lasted} ({witness}), {oxygen}. {rule.advice}"
    limit = {Response.TELL: rule.warn, Response.STOP_UNLESS_HELD: rule.alone, Response.STOP: rule.sure}[response]
    turn.claim(
        of_the_drug(
            CODE,
            priority,
            text,
            response=response,
            value=max(worst.ran, worst.ran_any) / SECOND,
            limit=limit / SECOND,
            unit="s",
        )
    )
