"""Signals: the claims of this step against the conditions on record: what is raised, rises, falls and clears."""

from infusion_gateway.core.claims import Claim
from infusion_gateway.core.conditions import URGENCY
from infusion_gateway.core.dose import seconds
from infusion_gateway.core.evolve import CASELESS
from infusion_gateway.core.state import State
from infusion_gateway.core.turn import Turn
from infusion_gateway.core.views import alarms
from infusion_gateway.model.alarm import AlarmStatus, Annunciation, Priority, Raised, Response, Signal, Sound
from infusion_gateway.model.events import AlarmEscalated, AudioPaused, ConditionCleared, ConditionRaised
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Nanos
from infusion_gateway.model.session import Phase

SETTLE: Nanos = 10 * SECOND
"""After a start a monitor has this long to be heard before what it raised counts as over (by then its age speaks)."""
RENEW_AFTER: Nanos = 15 * MINUTE
"""An acknowledged pressure alarm sounds again after this long (rules, "After acknowledgement")."""
ESCALATE_AFTER: tuple[Nanos, ...] = (15 * SECOND, 45 * SECOND, 90 * SECOND)
"""Where no protocol says so: without a case (clinical reference 4, escalation)."""
REMIND_AFTER: Nanos = 2 * MINUTE
"""A high alarm that lasts is heard of again so long after it was acknowledged (clinical reference 4, escalation)."""

BURSTS: dict[Priority, tuple[int, Nanos | None]] = {
    Priority.HIGH: (10, 5 * SECOND),
    Priority.MEDIUM: (3, 15 * SECOND),
    Priority.LOW: (2, None),
}
"""Pulses of a burst, and from burst to burst (standards reference 3.1, knowledge; the intervals are unsourced)."""
FLASH_HZ = {Priority.HIGH: 2.0, Priority.MEDIUM: 0.6, Priority.LOW: 0.0}
"""Within 1.4 to 2.8 Hz and 0.4 to 0.8 Hz, low steady (clinical reference S13)."""
REMIND_EVERY: Nanos = 30 * SECOND
"""A single pulse while the sound is paused, of what is latched, or lasts though acknowledged; unsourced."""


def broker_changed(turn: Turn, *, connected: bool, listeners: bool | None) -> None:
    """Take up whether somebody away from the bed listens. When that is known no more, what they silenced sounds."""
    before = _listening(turn.live.broker, turn.live.listeners)
    turn.live.broker, turn.live.listeners = connected, listeners
    paused = turn.durable.audio_paused_until
    if _listening(connected, listeners) < before and paused is not None and paused > turn.now:
        reason = "nobody is known to listen away from the bed any more: a pause of the sound made there is void"
        turn.emit(AudioPaused(turn.now, "", reason))


def _listening(broker: bool | None, listeners: bool | None) -> int:  # noqa: FBT001 -- two facts
    """Rank what is known of who listens away from the bed: 2 somebody does, 1 not known, 0 nobody can."""
    if broker is not True or listeners is False:
        return 0
    return 2 if listeners else 1


def escalate(turn: Turn) -> None:
    """Tell a high alarm further that nobody acknowledges; ask for a step when what is heard at the bed changes."""
    durable = turn.durable
    if not durable.conditions:
        return
    if durable.audio_paused_until is not None:
        turn.wake_at(durable.audio_paused_until)
    steps = turn.protocol.escalate_after if turn.protocol is not None else ESCALATE_AFTER
    for code, raised in durable.conditions.items():
        if raised.priority is not Priority.HIGH or not raised.present:
            continue
        if raised.acknowledged_by is not None:
            turn.wake_at((raised.acknowledged_at or turn.now) + REMIND_AFTER)
            continue
        level = sum(turn.has_come(raised.since + after) for after in steps)
        if level > raised.escalation:
            reason = f"nobody has acknowledged {code} for {seconds(steps[level - 1])}: {raised.text}"
            turn.emit(AlarmEscalated(code, level, reason))


def reconcile(turn: Turn) -> None:
    """Record every difference between what is claimed and what is on record."""
    for code, claim in turn.claims.items():
        known = turn.durable.conditions.get(code)
        if known is None or not known.present:
            _raise(turn, claim, _returned(turn, claim))
        elif _differs(turn, known, claim):
            _raise(turn, claim, known)
    for code, known in turn.durable.conditions.items():
        if known.present and code not in turn.claims and not _unseen(turn, code):
            latched = known.latching and known.acknowledged_by is None
            turn.emit(ConditionCleared(code, latched, _over(turn, known)))


def _differs(turn: Turn, known: Raised, claim: Claim) -> bool:
    """Say whether a condition that is on record has risen or fallen, is due again, or now counts down a stop."""
    if (known.priority, known.response) != (claim.priority, claim.response) or _renews(turn, known, claim):
        return True
    told_anew = claim.renew_by > 0 and claim.limit != known.limit  # the same alarm, of another row: its words change
    return told_anew or (known.countdown_ends is None and _counts_down(turn, claim))


def _returned(turn: Turn, claim: Claim) -> Raised | None:
    """Give the acknowledged alarm that this is still, though it was over for a reading; None: it is a new one."""
    known = turn.durable.quieted.get(claim.code) if claim.renew_by and claim.value is not None else None
    if known is None or claim.code in turn.durable.conditions or _counts_down(turn, claim):
        return None  # what is latched is to be acknowledged anew, and no stop is counted down unheard
    return None if _urgency(claim) > _urgency(known) or _renews(turn, known, claim) else known


def _urgency(of: Claim | Raised) -> tuple[Priority, int]:
    return of.priority, URGENCY[of.response]


def _raise(turn: Turn, claim: Claim, known: Raised | None) -> None:
    """Raise, or change what is raised. A rise is a new alarm, which breaks through an acknowledgement; a fall isn't."""
    countdown = known.countdown_ends if known is not None else None
    if not _counts_down(turn, claim):
        countdown = None
    elif countdown is None:
        countdown = turn.now + (turn.protocol.countdown if turn.protocol is not None else 0)
    since = turn.now
    if known is not None and not _renews(turn, known, claim):
        since = turn.now if _urgency(claim) > _urgency(known) else known.since
    turn.emit(
        ConditionRaised(
            code=claim.code,
            priority=claim.priority,
            kind=claim.kind,
            response=claim.response,
            latching=claim.latching or _latched(turn, claim.code),
            since=since,
            value=claim.value,
            limit=claim.limit,
            unit=claim.unit,
            reason=claim.text,
            countdown_ends=countdown,
        )
    )


def _latched(turn: Turn, code: str) -> bool:
    """Say whether a latching alarm of this code is still to be acknowledged: a fall, or a return, undoes no latch."""
    known = turn.durable.conditions.get(code)
    return known is not None and known.latching and known.acknowledged_by is None


def _counts_down(turn: Turn, claim: Claim) -> bool:
    """Say whether a stop is to be counted down: while infusing, and not after a stop of ours that nobody released."""
    running = turn.phase is Phase.INFUSING and turn.durable.stop is None
    return running and claim.response is Response.STOP_UNLESS_HELD


def _renews(turn: Turn, known: Raised, claim: Claim) -> bool:
    """Say whether an alarm begins anew: acknowledged, much further out or a long time after; or with other words."""
    if claim.by_words:
        return claim.text != known.text
    if not claim.renew_by or known.acknowledged_by is None or claim.value is None:
        return False
    due = (known.acknowledged_at if known.acknowledged_at is not None else turn.now) + RENEW_AFTER
    if turn.has_come(due) and turn.has_come(_looked_at(turn, known) + RENEW_AFTER):
        return True
    before = known.value if known.acknowledged_value is None else known.acknowledged_value
    if before is None or claim.limit is None:
        return False
    further = claim.value - before if claim.value >= claim.limit else before - claim.value
    return further >= claim.renew_by


def _looked_at(turn: Turn, known: Raised) -> Nanos:
    """Say when a pressure as urgent was last acknowledged, 0 for never: whoever took up one has looked at all.

    One that already sounds reminds of them all. So pressures that last are heard of again as one, and no less often.
    """
    durable, protocol, at = turn.durable, turn.protocol, 0
    for condition in protocol.conditions if protocol is not None else ():
        code = condition.code
        other = durable.conditions.get(code, durable.quieted.get(code))
        if other is None or other.priority < known.priority or not FACTS[condition.metrics[0]].intermittent:
            continue
        if other.acknowledged_at is not None:
            at = max(at, other.acknowledged_at)
        elif other.present and other.since < turn.now:
            return turn.now
    return at


def _unseen(turn: Turn, code: str) -> bool:
    """Say whether a condition from before the start can't be called over yet, since nobody has looked."""
    live = turn.live
    if code not in live.inherited or live.started_at is None or turn.phase in CASELESS | {Phase.ABORTED}:
        return False
    if live.pump.stills + live.pump.runs < 2 and turn.pump_setup is not None:  # noqa: PLR2004 -- two reports
        return True
    silent = [d for d in turn.setup.devices if not d.is_pump and turn.device(d.device).seen_at is None]
    unknown = live.broker is None or live.journal_kept is None
    return bool(silent or unknown) and not turn.has_come(live.started_at + SETTLE)


def _over(turn: Turn, known: Raised) -> str:
    case = turn.durable.case
    where = f"phase {turn.phase}" if case is not None else "no case"
    return f"{known.code} is over ({where})"


def annunciation(state: State, now: Nanos) -> Annunciation:
    """Say what an annunciator at the bed shows and sounds now. An acknowledged alarm is quiet, and seen.

    What flashes, that is what is high or medium and nobody has, takes the light; what is steady hides nothing higher.
    One that sounds once has had its say after REMIND_EVERY: then what waits for a person is reminded of again.
    """
    listed = alarms(state, now)
    until = state.durable.audio_paused_until
    paused = until if until is not None and until > now else None
    sounding = [alarm for alarm in listed if alarm.signal is Signal.ON]
    waiting = [alarm for alarm in listed if alarm.signal is Signal.LATCHED or _lasts(state, alarm, now)]
    renewed = max((alarm.since for alarm in sounding if alarm.priority is sounding[0].priority), default=None)
    if renewed is not None and waiting and BURSTS[sounding[0].priority][1] is None and now >= renewed + REMIND_EVERY:
        sounding = []
    heard = (sounding or waiting)[:1]
    sound = Sound.NONE if not heard else Sound.BURSTS if sounding and paused is None else Sound.REMINDER
    top = heard[0].priority if heard else None
    flashes = [alarm for alarm in sounding[:1] if FLASH_HZ[alarm.priority] > 0]
    seen = (flashes or listed)[:1]
    pulses, repeat = BURSTS[top] if top is not None and sound is Sound.BURSTS else (1, REMIND_EVERY)
    return Annunciation(
        sounding=top,
        sound=sound,
        pulses=pulses if sound is not Sound.NONE else 0,
        repeat=repeat if sound is not Sound.NONE else None,
        renewed_at=renewed,
        light=seen[0].priority if seen else None,
        flash_hz=FLASH_HZ[seen[0].priority] if flashes else 0.0,
        text=(heard or listed)[0].text if listed else "",
        more=max(0, len(listed) - 1),
        paused_until=paused,
    )


def _lasts(state: State, alarm: AlarmStatus, now: Nanos) -> bool:
    """Say whether a high alarm still stands so long after somebody took it that it is heard of again."""
    if alarm.signal is not Signal.ACKNOWLEDGED or alarm.priority is not Priority.HIGH:
        return False
    at = state.durable.conditions[alarm.code].acknowledged_at
    return at is not None and now >= at + REMIND_AFTER
