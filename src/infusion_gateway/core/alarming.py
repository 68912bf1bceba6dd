"""Alarming: how what becomes of alarms changes durable state.

A part of `evolve`, and bound like it: old journals replay the same under newer code, so it changes by adding.
"""

from dataclasses import replace
from typing import assert_never

from infusion_gateway.core import changes
from infusion_gateway.core.durable import FLOOD, Durable
from infusion_gateway.model.alarm import Raised
from infusion_gateway.model.events import (
    AlarmEscalated,
    AlarmsRemembered,
    AudioPaused,
    ConditionAcknowledged,
    ConditionCleared,
    ConditionRaised,
    HoldOffGranted,
    SignalSuppressed,
)
from infusion_gateway.model.metric import Nanos


def of_alarms(
    durable: Durable,
    event: ConditionRaised | ConditionCleared | ConditionAcknowledged | HoldOffGranted | AlarmsRemembered,
    at: Nanos,
) -> Durable:
    """Give the durable state after what became of an alarm condition."""
    conditions, quieted = dict(durable.conditions), dict(durable.quieted)
    audio, raised_at = durable.audio_paused_until, durable.raised_at
    match event:
        case ConditionRaised():
            before = conditions.get(event.code) or quieted.pop(event.code, None)
            if before is None or not _same(before, event):
                audio = None  # a new alarm breaks through
                raised_at = (*raised_at, at)[-FLOOD:]
            conditions[event.code] = _raised(before, event)
        case ConditionCleared(code=code, latched=latched):
            before = conditions.pop(code, None)
            if before is not None and latched:
                conditions[code] = replace(before, present=False, countdown_ends=None)
            elif before is not None and before.present and before.acknowledged_by is not None:
                quieted[code] = replace(before, present=False, countdown_ends=None, held_until=None)
        case ConditionAcknowledged(code=code, by=by):
            before = conditions.pop(code, None)
            if before is not None and before.present:
                value = before.value
                conditions[code] = replace(before, acknowledged_by=by, acknowledged_at=at, acknowledged_value=value)
            if code == changes.TEST_ALARM:
                durable = replace(durable, test_alarm_until=None, alarm_heard_at=at)
        case HoldOffGranted(code=code, until=until):
            if code in conditions:
                conditions[code] = replace(conditions[code], held_until=until)
        case AlarmsRemembered(alarms=alarms):
            conditions = {raised.code: raised for raised in alarms}
            durable = replace(durable, left_at=at)  # they were of the case before, as a replay from here must know
        case _:
            assert_never(event)
    return replace(
        durable, at=at, conditions=conditions, quieted=quieted, audio_paused_until=audio, raised_at=raised_at
    )


def of_signals(durable: Durable, event: AudioPaused | AlarmEscalated | SignalSuppressed, at: Nanos) -> Durable:
    """Give the durable state after what became of an alarm's signal."""
    match event:
        case AudioPaused(until=until):
            return replace(durable, at=at, audio_paused_until=until)
        case AlarmEscalated(code=code, level=level):
            raised = durable.conditions.get(code)
            if raised is None:
                return replace(durable, at=at)
            return replace(durable, at=at, conditions={**durable.conditions, code: replace(raised, escalation=level)})
        case SignalSuppressed():
            return replace(durable, at=at)
        case _:
            assert_never(event)


def _same(before: Raised, event: ConditionRaised) -> bool:
    """Say whether this is the alarm that was: present, or over since it was acknowledged, and told by its beginning."""
    return (before.present or before.acknowledged_by is not None) and before.since == event.since


def _raised(before: Raised | None, event: ConditionRaised) -> Raised:
    """Keep the acknowledgement and the hold-off of the same alarm; a rise, or a return, begins a new one."""
    present = before is not None and before.present
    same = before is not None and _same(before, event)
    return Raised(
        code=event.code,
        priority=event.priority,
        kind=event.kind,
        response=event.response,
        latching=event.latching,
        since=event.since,
        value=event.value,
        limit=event.limit,
        unit=event.unit,
        text=event.reason,
        acknowledged_by=before.acknowledged_by if same and before else None,
        countdown_ends=event.countdown_ends,
        held_until=before.held_until if present and before else None,
        acknowledged_at=before.acknowledged_at if same and before else None,
        escalation=before.escalation if same and before else 0,
        acknowledged_value=before.acknowledged_value if same and before else None,
    )
