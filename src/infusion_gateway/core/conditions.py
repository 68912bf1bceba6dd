"""Limit conditions: limit, delay, hysteresis, and the worst row whose delay is over.

A gap pauses a delay; only a valid value inside the limit resets it. Only valid values run the delay of a high row or
clear anything; with questionable ones a row comes to medium at most, and by the delay that medium has.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from infusion_gateway.core.breathing import NO_BREATH
from infusion_gateway.core.claims import Claim
from infusion_gateway.core.dose import seconds
from infusion_gateway.core.durable import Case
from infusion_gateway.core.live import Group, LimitTimer, Live, Look, RowTimer, Source, Truth, Watched
from infusion_gateway.core.naming import NAMED_UNITS, NAMES
from infusion_gateway.core.pumping import rate_condition
from infusion_gateway.core.rows import back_inside, for_case, limits_of, over_baseline, past, well_inside
from infusion_gateway.core.sources import BY_HAND, HERE, believed, contradicted, suppressed, usable_until
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Reading, Validity
from infusion_gateway.model.session import LimitCondition, Phase, Row, SessionProtocol, Side

LOST_FOR: Nanos = 30 * SECOND
"""The last valid value outside a high limit, then no usable signal for this long: high, as that limit."""
RENEW_BY = 10.0
"""An acknowledged pressure alarm sounds again when it is so many mmHg worse (rules, "After acknowledgement")."""
URGENCY = {Response.TELL: 0, Response.STOP_UNLESS_HELD: 1, Response.STOP: 2}


def claim_limits(turn: Turn) -> None:
    """Judge every limit condition of this phase, and claim what is true.

    Conditions of the same metrics are judged on the same reading. While none of them has a row pending or active, a
    reading that is inside all of their limits changes nothing, so that it is enough to keep it.
    """
    watched = _watched(turn)
    claims: dict[str, Claim] = {}
    calm, touched = turn.live.calm, turn.touched
    for group in watched.groups:
        if group.metrics in calm and (touched.isdisjoint(group.metrics) or _stays_calm(turn, group)):
            continue
        _judge_group(turn, group, claims)
    if claims:
        for code in watched.codes:
            if code in claims:
                turn.claim(claims[code])


def _watched(turn: Turn) -> Watched:
    """Give the limit conditions of this phase of this case; they are drawn anew only when one of the two changes."""
    protocol, case, live = turn.protocol, turn.durable.case, turn.live
    key: tuple[object, ...] = ()
    if protocol is not None and case is not None:
        key = (protocol, turn.phase, case.limits, case.order.rate_ml_h)
    if live.watched.key != key:
        limits = {code: timer_of(live, code) for code in live.limits}
        live.watched = _drawn(key, protocol, case, turn.phase)
        live.limits = {code: timer for code in live.watched.codes if (timer := limits.get(code)) is not None}
        live.calm = {}
    return live.watched


def _drawn(key: tuple[object, ...], protocol: SessionProtocol | None, case: Case | None, phase: Phase) -> Watched:
    if protocol is None or case is None:
        return Watched()
    own = {limit.code: limit.limit for limit in case.limits}
    members = [
        (index, condition if condition.code not in own else for_case(condition, own[condition.code]))
        for index, condition in enumerate(protocol.conditions)
        if phase in condition.phases
    ]
    rate = rate_condition(case.order.rate_ml_h)
    members += [(-1, rate)] if phase in rate.phases else []
    groups: dict[tuple[Metric, ...], list[tuple[int, LimitCondition]]] = {}
    for index, condition in members:
        groups.setdefault(condition.metrics, []).append((index, condition))
    codes = tuple(dict.fromkeys(condition.code for _, condition in members))
    return Watched(key, codes, tuple(_group(metrics, tuple(found)) for metrics, found in groups.items()))


def _group(metrics: tuple[Metric, ...], members: tuple[tuple[int, LimitCondition], ...]) -> Group:
    rows = [(condition, row) for _, condition in members for row in condition.rows]
    absolute = [(condition.side, row.limit) for condition, row in rows if not row.over_baseline]
    return Group(
        metrics,
        members,
        low=max((limit for side, limit in absolute if side is Side.LOW), default=-inf),
        high=min((limit for side, limit in absolute if side is Side.HIGH), default=inf),
        over_baseline=tuple((condition, row) for condition, row in rows if row.over_baseline),
    )


def _stays_calm(turn: Turn, group: Group) -> bool:
    """Say whether a group in which nothing is pending or active stays so; take up the reading that shows it."""
    picked = _chosen(turn, group.metrics)
    if picked is None:
        return True  # nothing to judge, and nothing runs
    source, reading = picked
    value = reading.value
    if value is None or reading.validity is not Validity.VALID or not group.low < value < group.high:
        return False
    baseline = _baseline(turn) if group.over_baseline else {}
    for condition, row in group.over_baseline:
        if past(condition, row, over_baseline(condition, row, baseline), value):
            return False
    before = turn.live.calm[group.metrics]
    if before is None or reading is not before.reading or source != before.source:
        turn.live.calm[group.metrics] = Look(source, reading, turn.now)
    return True


def _judge_group(turn: Turn, group: Group, claims: dict[str, Claim]) -> None:
    """Judge each condition of a group by itself; collect what is claimed."""
    live, touched, baseline = turn.live, not turn.touched.isdisjoint(group.metrics), _baseline(turn)
    look, changed, calm = live.calm.pop(group.metrics, None), {}, True
    for index, condition in group.members:
        known = live.limits.get(condition.code)
        timer = known if known is None or look is None else _caught_up(known, look)
        idle = timer is not None and timer.index == index and not touched
        if timer is None or not idle or (timer.wake is not None and timer.wake <= turn.now):
            timer = _judge(turn, index, condition, timer, baseline)
        if timer is not known:
            changed[condition.code] = timer
        if timer.wake is not None:
            turn.wake_at(timer.wake)
        if timer.claim is not None:
            claims[condition.code] = timer.claim
        ours = timer.index == index and len(timer.rows) == len(condition.rows)
        calm = calm and timer.calm and timer.wake is None and ours
    if changed:
        live.limits = {**live.limits, **changed}
    if calm:
        live.calm[group.metrics] = None


def _baseline(turn: Turn) -> Mapping[Metric, float]:
    case = turn.durable.case
    return dict(case.baseline) if case is not None else {}


def timer_of(live: Live, code: str) -> LimitTimer | None:
    """Give a limit condition's timer, with the reading by which its group was last seen to be calm."""
    timer = live.limits.get(code)
    for group in live.watched.groups if timer is not None and timer.calm else ():
        look = live.calm.get(group.metrics)
        if timer is not None and look is not None and any(condition.code == code for _, condition in group.members):
            return _caught_up(timer, look)
    return timer


def _caught_up(timer: LimitTimer, look: Look) -> LimitTimer:
    until = usable_until(look.reading, look.source[1])
    return replace(timer, upto=look.at, heard_at=look.at, source=look.source, reading=look.reading, until=until)


def _judge(
    turn: Turn, index: int, condition: LimitCondition, timer: LimitTimer | None, baseline: Mapping[Metric, float]
) -> LimitTimer:
    limits = limits_of(condition, baseline)
    if timer is None or timer.index != index or len(timer.rows) != len(condition.rows):
        timer = _begun(turn, index, condition)
    timer = _run(timer, condition, limits, turn.now)
    unsettled = _overtaken(turn, timer)
    if not unsettled:
        timer = replace(timer, rows=_settled(turn, condition, limits, timer))
    picked = _pick(turn, condition, timer)
    if picked is None:
        timer = replace(timer, until=min(timer.until, turn.now))  # a gap begins: what came before it runs nothing on
    elif picked != (timer.source, timer.reading) or timer.until <= turn.now:
        timer, unsettled = _taken(timer, condition, limits, picked, turn.now), True
    if unsettled:
        timer = replace(timer, rows=_settled(turn, condition, limits, timer))
    return replace(
        timer,
        wake=_wake(turn, condition, limits, timer),
        claim=_claim(turn, condition, limits, timer),
        calm=all(row == QUIET for row in timer.rows),
    )


def _overtaken(turn: Turn, timer: LimitTimer) -> bool:
    """Say whether the source's next reading is here in the very instant in which a delay ends: it is looked at first.

    Where a device is read once a second that is every delay of whole seconds, and the value may be back by then.
    """
    newest = turn.live.values.get(timer.source) if timer.source is not None else None
    return newest is not None and newest.heard_at == turn.now == timer.wake and newest.reading is not timer.reading


QUIET = RowTimer()


def _begun(turn: Turn, index: int, condition: LimitCondition) -> LimitTimer:
    """Begin with what was raised before, in another phase or another process: it stays until seen to be over."""
    raised = turn.durable.conditions.get(condition.code)
    worst = (raised.priority, URGENCY[raised.response]) if raised is not None and raised.present else (0, 0)
    true = ((row.priority, URGENCY[row.response]) <= worst for row in condition.rows)
    rows = tuple(RowTimer(active=Truth.TRUE if so else Truth.NOT) for so in true)
    return LimitTimer(index, rows, turn.now, turn.now)


def _run(timer: LimitTimer, condition: LimitCondition, limits: tuple[float | None, ...], now: Nanos) -> LimitTimer:
    """Account the time since the last look, as far as the reading of that look was of use."""
    reading = timer.reading
    if reading is None or reading.value is None:
        return replace(timer, upto=now)
    span = max(0, min(now, timer.until) - timer.upto)
    valid = reading.validity is Validity.VALID
    rows = []
    for row, limit, was in zip(condition.rows, limits, timer.rows, strict=True):
        if past(condition, row, limit, reading.value):
            rows.append(replace(was, ran=was.ran + span if valid else was.ran, ran_any=was.ran_any + span))
        elif was.active and valid and well_inside(condition, row, limit, reading.value):
            rows.append(replace(was, inside=was.inside + span))
        else:
            rows.append(was)
    return replace(timer, rows=tuple(rows), upto=now)


def _pick(turn: Turn, condition: LimitCondition, timer: LimitTimer) -> tuple[Source, Reading] | None:
    """Choose a source; while a delay is pending, stay with the one that began it, unless it is lost for good."""
    pending = any(row.active < Truth.TRUE and (row.ran_any or row.readings) for row in timer.rows)
    if not pending or timer.source is None or turn.now >= _gone_since(turn, timer) + LOST_FOR:
        return _chosen(turn, condition.metrics)
    metric, device = timer.source
    if FACTS[metric].intermittent or device == BY_HAND:
        return _chosen(turn, condition.metrics)
    newest = turn.live.values.get(timer.source)
    if newest is None or newest.reading.validity is Validity.INVALID or usable_until(newest.reading) <= turn.now:
        return None
    if suppressed(turn.live, metric, device, turn.now) or _breathless(turn, timer.source, newest.reading):
        return None
    return timer.source, believed(turn.live, newest.reading)


def _chosen(turn: Turn, metrics: tuple[Metric, ...]) -> tuple[Source, Reading] | None:
    picked = turn.chosen(metrics)
    return None if picked is None or _breathless(turn, *picked) else picked


def _breathless(turn: Turn, source: Source, reading: Reading) -> bool:
    """Say whether this is no rate but none at all, which `breathing` judges; a person who counts nothing means it."""
    if reading.value is None or reading.value >= NO_BREATH or source[0] is not Metric.RR or source[1] == BY_HAND:
        return False
    return turn.protocol is not None and turn.protocol.apnoea is not None


def _gone_since(turn: Turn, timer: LimitTimer) -> Nanos:
    """Say when the usable signal was last there; a cuff on the same arm takes it away for a while of its own."""
    known = turn.live.suppressed
    if known is not None and timer.source is not None and timer.source[1] == known.probe:
        return max(timer.heard_at, known.until)
    return timer.heard_at


def _taken(
    timer: LimitTimer,
    condition: LimitCondition,
    limits: tuple[float | None, ...],
    picked: tuple[Source, Reading],
    now: Nanos,
) -> LimitTimer:
    """Take up a newly come reading."""
    source, reading = picked
    value = reading.value
    assert value is not None  # what is picked has one
    valid = reading.validity is Validity.VALID
    fresh = timer.reading is None or timer.source != source or _identity(reading) != _identity(timer.reading)
    rows = []
    for row, limit, was in zip(condition.rows, limits, timer.rows, strict=True):
        if past(condition, row, limit, value):
            first_at = reading.measured_at if was.readings == 0 else was.first_at
            count = was.readings + 1 if valid and fresh else was.readings
            rows.append(replace(was, readings=count, first_at=first_at, inside=0))
        elif valid:
            inside = was.inside if well_inside(condition, row, limit, value) else 0
            rows.append(RowTimer(active=was.active, inside=inside))
        else:
            rows.append(was)
    until = usable_until(reading, source[1])
    return replace(timer, rows=tuple(rows), source=source, reading=reading, until=until, heard_at=now)


def _identity(reading: Reading) -> tuple[int, int]:
    """Tell one measurement from the next: by the device's count where it has one, else by its time."""
    return (1, reading.sequence) if reading.sequence is not None else (0, reading.measured_at)


def _settled(
    turn: Turn, condition: LimitCondition, limits: tuple[float | None, ...], timer: LimitTimer
) -> tuple[RowTimer, ...]:
    """Say of each row whether its delay is over, or it is over itself."""
    rows = []
    for index, (row, limit, was) in enumerate(zip(condition.rows, limits, timer.rows, strict=True)):
        truth = _truth(turn, condition, index, limits, timer)
        if truth > was.active:
            rows.append(replace(was, active=truth, inside=0))
        elif was.active and _is_over(condition, row, limit, timer, was):
            rows.append(RowTimer())
        else:
            rows.append(was)
    return tuple(rows)


def _doubted_delay(condition: LimitCondition, limits: tuple[float | None, ...], row: Row, value: float) -> Nanos:
    """Give the delay that doubted values run: what they raise is medium at most, so a high row's waits as medium's."""
    if row.priority < Priority.HIGH:
        return row.delay
    milder = (
        other.delay
        for other, limit in zip(condition.rows, limits, strict=True)
        if other.priority is Priority.MEDIUM and past(condition, other, limit, value)
    )
    return min(milder, default=row.delay)


def _truth(
    turn: Turn, condition: LimitCondition, index: int, limits: tuple[float | None, ...], timer: LimitTimer
) -> Truth:
    """Say how far one row is true now, by how long and how often its limit was passed."""
    reading, row, was, limit = timer.reading, condition.rows[index], timer.rows[index], limits[index]
    if reading is None or reading.value is None or limit is None:
        return Truth.NOT
    if _lost(turn, row, timer, was):
        return Truth.TRUE
    if not past(condition, row, limit, reading.value):
        return Truth.NOT
    perhaps = Truth.PERHAPS if was.ran_any >= _doubted_delay(condition, limits, row, reading.value) else Truth.NOT
    if was.readings == 0:
        return perhaps
    if row.confirm_within:
        symptom = turn.live.symptom_at is not None and turn.live.symptom_at >= was.first_at
        waited = turn.now >= _unconfirmed_until(turn, row, was)
        return Truth.TRUE if was.readings > 1 or symptom or waited else perhaps
    if was.readings < row.readings:
        return Truth.NOT
    measured = timer.source is not None and timer.source[1] == BY_HAND  # whoever counts it has taken the time
    return Truth.TRUE if measured or was.ran >= row.delay else perhaps


def _unconfirmed_until(turn: Turn, row: Row, was: RowTimer) -> Nanos:
    """Say how long a first reading waits for another: since it was measured, or since the patient is back."""
    return max(was.first_at, turn.live.since.get(HERE, 0)) + row.confirm_within


def _lost(turn: Turn, row: Row, timer: LimitTimer, was: RowTimer) -> bool:
    """Say whether the signal went while the value was outside a high limit, and stayed away."""
    if row.priority is not Priority.HIGH or not was.readings or timer.source is None:
        return False
    metric, device = timer.source
    if FACTS[metric].intermittent or device == BY_HAND:
        return False
    return turn.now >= _gone_since(turn, timer) + LOST_FOR


def _is_over(condition: LimitCondition, row: Row, limit: float | None, timer: LimitTimer, was: RowTimer) -> bool:
    reading = timer.reading
    if reading is None or reading.value is None or reading.validity is not Validity.VALID:
        return False
    if row.confirm_within and was.active is Truth.PERHAPS:
        return not past(condition, row, limit, reading.value)  # the next reading took the first back
    return well_inside(condition, row, limit, reading.value) and was.inside >= condition.clear_after


def _wake(turn: Turn, condition: LimitCondition, limits: tuple[float | None, ...], timer: LimitTimer) -> Nanos | None:
    """Say when a delay is over though nothing comes."""
    reading = timer.reading
    if reading is None or reading.value is None:
        return None
    valid = reading.validity is Validity.VALID
    times: list[Nanos] = []
    for row, limit, was in zip(condition.rows, limits, timer.rows, strict=True):
        if past(condition, row, limit, reading.value):
            if was.active < Truth.TRUE and row.confirm_within and was.readings:
                times.append(_unconfirmed_until(turn, row, was))
            waits = [row.delay - was.ran] if valid and was.active < Truth.TRUE else []
            if was.active < Truth.PERHAPS:
                waits.append(_doubted_delay(condition, limits, row, reading.value) - was.ran_any)
            times += [time for wait in waits if (time := timer.upto + wait) <= timer.until]
        elif was.active and valid and well_inside(condition, row, limit, reading.value):
            over = timer.upto + condition.clear_after - was.inside
            times += [over] if over <= timer.until else []
        if was.active < Truth.TRUE and was.readings and row.priority is Priority.HIGH:
            times.append(_gone_since(turn, timer) + LOST_FOR)
    return min((time for time in times if time > turn.now), default=None)


def _claim(turn: Turn, condition: LimitCondition, limits: tuple[float | None, ...], timer: LimitTimer) -> Claim | None:
    """Claim the worst row that is true; of rows alike, the one that wants its reading repeated, or the mildest."""
    worst: tuple[Priority, Response, float] | None = None
    note = ""
    for row, limit, was in zip(condition.rows, limits, timer.rows, strict=True):
        if not was.active or limit is None:
            continue
        full = was.active is Truth.TRUE
        priority = row.priority if full else min(row.priority, Priority.MEDIUM)
        response = row.response if full else Response.TELL
        asks = row.confirm_within > 0 and not full
        rank = (priority, URGENCY[response])
        before = (worst[0], URGENCY[worst[1]]) if worst is not None else (0, 0)
        milder = worst is not None and (limit > worst[2] if condition.side is Side.LOW else limit < worst[2])
        if rank > before or (rank == before and (asks or (milder and note != REPEAT))):
            worst = priority, response, limit
            note = GONE if _lost(turn, row, timer, was) else REPEAT if asks else ""
    if worst is None:
        return None
    priority, response, limit = worst
    reading = timer.reading
    metric = timer.source[0] if timer.source is not None else condition.metrics[0]
    value = reading.value if reading is not None else None
    if timer.source is not None and value is not None:
        note += contradicted(turn.sources, turn.live, timer.source, value, turn.now)
    return Claim(
        code=condition.code,
        priority=priority,
        kind=condition.kind,
        response=response,
        latching=condition.latching,
        text=_text(condition, metric, value, limit, note),
        value=value,
        limit=limit,
        unit=FACTS[metric].unit,
        renew_by=RENEW_BY if FACTS[metric].intermittent and not back_inside(condition, limit, value) else 0.0,
    )


GONE = f", and no usable signal for {seconds(LOST_FOR)} since"
REPEAT = ": repeat the cuff now"


def _text(condition: LimitCondition, metric: Metric, value: float | None, limit: float, note: str) -> str:
    unit = NAMED_UNITS.get(FACTS[metric].unit, FACTS[metric].unit)
    low = condition.side is Side.LOW
    side = ("was " if back_inside(condition, limit, value) else "") + ("below" if low else "above")
    shown = f"{value:g} {unit}" if value is not None else "not known"
    return f"{NAMES[metric]} {shown}, {side} the limit of {limit:g} {unit}{note}. {condition.advice}"
