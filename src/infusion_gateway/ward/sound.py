"""What a screen shows and sounds of a bed's alarms, and of a bed that is not heard; by the profile of its room.

Priorities, bursts and flash rates are the bedside's own (core.signals). Audio paused is the bed's, and void here where
the bed is not heard: nobody knows any more who silenced what (clinical reference, S19).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from infusion_gateway.core.signals import BURSTS, FLASH_HZ, REMIND_EVERY
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.metric import SECOND
from infusion_gateway.ward.shown import Link, Profile, ShownAnnunciation, ShownSound, SoundName
from infusion_gateway.wire.messages import Alarm

PROFILES: tuple[Profile, ...] = ("chair", "nurses", "wall", "phone")
ALIVE_S = 10.0
"""A screen at the nurses' station that has not proved itself alive for so long is not relied on to sound."""
QUIET = ShownSound(priority="none", sound="none", pulses=0, repeat_s=None)
_BY_NAME = {"low": Priority.LOW, "medium": Priority.MEDIUM, "high": Priority.HIGH}


@dataclass(frozen=True, slots=True)
class Heard:
    """What there is to annunciate of a bed. paused: its sound is, now. nurses: a nurses' station is known to sound."""

    alarms: Sequence[Alarm]
    link: Link
    why: str
    in_session: bool
    paused: bool
    paused_until: str | None
    nurses: bool


def annunciation(of: Heard) -> ShownAnnunciation:
    """Say what is shown of a bed, and what a screen of each profile sounds."""
    on = [alarm for alarm in of.alarms if alarm.signal == "on"]
    latched = [alarm for alarm in of.alarms if alarm.signal == "latched"]
    lost = _lost(of)
    top = max((_BY_NAME[alarm.priority] for alarm in on or of.alarms), default=None)
    sounding = max((_BY_NAME[alarm.priority] for alarm in on), default=None)
    waiting = max((_BY_NAME[alarm.priority] for alarm in latched), default=None)
    sound: SoundName = "none"
    if sounding is not None and (waiting is None or waiting <= sounding or BURSTS[sounding][1]):
        sound = "reminder" if of.paused else "bursts" if BURSTS[sounding][1] else "once"
    elif waiting is not None:  # what sounds once takes no reminder from what is more urgent
        sounding, sound = waiting, "reminder"
    if lost is not None and (sounding is None or lost >= sounding or sound != "bursts"):
        sounding = lost if sounding is None else max(lost, sounding)
        sound = "bursts" if BURSTS[sounding][1] else "once"
    top = max((one for one in (top, lost) if one is not None), default=None)
    newest = max((f"{alarm.since} {alarm.code}" for alarm in on if _BY_NAME[alarm.priority] is sounding), default="")
    counted = [alarm.countdown_ends for alarm in of.alarms if alarm.countdown_ends and not alarm.held_until]
    return ShownAnnunciation(
        priority="none" if top is None else _name(top),
        sound=sound,
        flash_hz=FLASH_HZ[top] if top is not None and (on or lost is not None) else 0.0,
        acknowledged=bool(of.alarms) and not on and not latched,
        audio_paused_until=of.paused_until if of.paused else None,
        countdown_ends=min(counted, default=None),
        renewed=f"{sounding.name if sounding else ''} {newest} {of.link if lost is not None else ''}".strip(),
        text=of.why if lost is not None else of.alarms[0].text if of.alarms else "",
        profiles={profile: _sounds(profile, sounding, sound, nurses=of.nurses) for profile in PROFILES},
    )


def _lost(of: Heard) -> Priority | None:
    """Say how urgent it is that a bed is not heard: high while a case of it may be running."""
    if of.link in ("live", "unknown"):
        return None
    return Priority.HIGH if of.in_session else Priority.LOW


def _sounds(profile: Profile, priority: Priority | None, sound: SoundName, *, nurses: bool) -> ShownSound:
    """Say what a screen of this profile sounds. A chair sounds in full where no nurses' station is known to."""
    if priority is None or sound == "none" or profile == "wall":
        return QUIET
    full = nurses is False if profile == "chair" else profile == "nurses"
    if not full and priority is not Priority.HIGH:
        if profile == "chair":  # what rises is heard once, and then seen
            return _signal(priority, "once") if sound in ("bursts", "once") else QUIET
        if priority is Priority.LOW:
            return QUIET
    return _signal(priority, sound)


def _signal(priority: Priority, sound: SoundName) -> ShownSound:
    (pulses, repeat), name = BURSTS[priority], _name(priority)
    match sound:
        case "reminder":
            return ShownSound(priority=name, sound=sound, pulses=1, repeat_s=REMIND_EVERY / SECOND)
        case "once":
            return ShownSound(priority=name, sound=sound, pulses=pulses, repeat_s=None)
        case "bursts":
            every_s = None if repeat is None else repeat / SECOND
            return ShownSound(priority=name, sound=sound, pulses=pulses, repeat_s=every_s)
        case _:
            return QUIET


def _name(priority: Priority) -> Literal["high", "medium", "low"]:
    match priority:
        case Priority.HIGH:
            return "high"
        case Priority.MEDIUM:
            return "medium"
        case Priority.LOW:
            return "low"
