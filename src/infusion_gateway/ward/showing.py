"""From a picture to what is shown of it: ages, staleness, limits in force, the tile."""

from typing import Literal, TypeVar

from infusion_gateway.model.metric import FACTS, SECOND
from infusion_gateway.ward.beds import WardBed, WardGateway, epoch
from infusion_gateway.ward.shown import (
    Link,
    ShownAlarm,
    ShownBed,
    ShownGateway,
    ShownLimit,
    ShownStop,
    ShownTile,
    ShownTrend,
    ShownValue,
)
from infusion_gateway.ward.sound import Heard, annunciation
from infusion_gateway.ward.trend import DOSE, RATE
from infusion_gateway.wire.messages import Alarm, DescribedCondition, Session, Value
from infusion_gateway.wire.stamps import rfc3339, words

Told = TypeVar("Told", Session | None, Alarm)
STALE_S = 5.0
"""A continuous value so old is not current any more."""
STALE_MEASURED_S = 15 * 60.0
"""One that somebody measures now and then (the cuff, by hand) is shown with its age, and so long as current."""
CLOCKS_S = 2.0
"""Clocks that differ by no more are taken for the same in a course, so that its slots stay whole."""
BY_HAND = "by-hand"
INTERMITTENT = frozenset(facts.word for facts in FACTS.values() if facts.intermittent)
_TWINS = {"hr": ("hr", "pulse")}
"""Metrics that a limit's code stands for, where it is more than the one that it names."""


def shown_bed(gateway: WardGateway, bed: WardBed, now_s: float, utc_s: float, *, nurses: bool) -> ShownBed:
    """Write a bed as it is at this moment. utc_s: the station's own time, which its page counts down by.

    So whatever is counted down to is told by the station's clock; what is on record keeps the gateway's.
    """
    link, why = gateway.link(now_s, bed)
    ahead_s = gateway.ahead_s(now_s, utc_s)
    known = gateway.utc_s(now_s) is not None
    limits = in_force(bed)
    session = _here(bed.session, ahead_s, "ends_at", "paused_since", "audio_paused_until", "away_until")
    alarms = bed.alarms
    listed = [] if alarms is None else [_here(one, ahead_s, "countdown_ends", "held_until") for one in alarms.alarms]
    until = None if session is None else session.audio_paused_until
    heard = Heard(
        alarms=listed,
        link=link,
        why=why,
        in_session=bed.in_session,
        paused=link == "live" and until is not None and known and utc_s < epoch(until),
        paused_until=until,
        nurses=nurses,
    )
    return ShownBed(
        gateway=bed.gateway,
        bed=bed.bed,
        key=f"{bed.gateway}/{bed.bed}",
        link=link,
        why=words(why),
        data_age_s=_age(now_s, _heard_s(gateway, bed)),
        session=session,
        alarms=[_alarm(alarm, utc_s + ahead_s if known else None) for alarm in listed],
        more=0 if alarms is None else alarms.more,
        revision=0 if alarms is None else alarms.revision,
        vitals=_vitals(bed, link, limits, now_s),
        devices=[bed.devices[name] for name in sorted(bed.devices)],
        baseline=bed.log.baseline,
        protocols=[] if bed.descriptor is None else bed.descriptor.protocols,
        tile=_tile(bed, session, utc_s if known else None),
        annunciation=annunciation(heard),
        bedside_alarm="none" if session is None else session.bedside_alarm,
        generation_mode=mode_of(bed),
        missing=bed.missing,
        stop=_stop(bed),
    )


def _stop(bed: WardBed) -> ShownStop | None:
    asked = bed.log.stop()
    return None if asked is None else ShownStop(at=asked.at, by=asked.by or "", reason=asked.text)


def _here(what: Told, ahead_s: float, *moments: str) -> Told:
    """Give it with these moments as the station's clock has them."""
    if what is None:
        return what
    told = {name: at for name in moments if (at := getattr(what, name)) is not None}
    back_ms = round(ahead_s * 1000)
    moved = {name: rfc3339((round(epoch(at) * 1000) - back_ms) * 1_000_000) for name, at in told.items()}
    return what.model_copy(update=moved) if moved and back_ms else what


def shown_gateway(gateway: WardGateway, now_s: float, utc_s: float) -> ShownGateway:
    """Write a gateway as it is at this moment. utc_s: the station's own time."""
    link, why = gateway.link(now_s)
    versions = (bed.descriptor.version for bed in gateway.beds.values() if bed.descriptor is not None)
    return ShownGateway(
        name=gateway.topics.gateway,
        link=link,
        age_s=_age(now_s, gateway.beat_s),
        version=words(next(versions, ""), 40),
        why=words(why),
        ahead_s=None if gateway.utc_s(now_s) is None else round(gateway.ahead_s(now_s, utc_s), 1),
    )


def in_force(bed: WardBed) -> list[ShownLimit]:
    """Give the limits of the protocol in force, baseline added in; a case's own stands for the first of its code."""
    order = None if bed.session is None else bed.session.order
    if bed.session is None or order is None or bed.descriptor is None:
        return []
    protocol = next((one for one in bed.descriptor.protocols if one.name == order.protocol), None)
    own = {limit.code: limit for limit in bed.session.case_limits}
    found: list[ShownLimit] = []
    for condition in protocol.conditions if protocol is not None else ():
        value, by = _value_of(condition, bed.log.baseline), ""
        if (mine := own.pop(condition.code, None)) is not None:
            value, by = mine.limit, mine.by
        metric, _, side = condition.code.rpartition("-")
        if value is None or side not in ("low", "high"):
            continue
        found += [
            ShownLimit.model_validate(
                {
                    "code": condition.code,
                    "metric": name,
                    "side": side,
                    "value": value,
                    "priority": condition.priority,
                    "response": condition.response,
                    "delay_s": condition.delay_s,
                    "by": by,
                }
            )
            for name in _TWINS.get(metric, (metric,))
        ]
    return found


def _value_of(condition: DescribedCondition, baseline: dict[str, float]) -> float | None:
    if not condition.over_baseline:
        return condition.limit
    before = baseline.get(condition.code.rpartition("-")[0])
    return None if before is None else before + condition.limit


def stale(word: str, value: Value, age_s: float) -> bool:
    """Say whether a value is too old to be read as current."""
    measured = word in INTERMITTENT or value.source == BY_HAND
    return age_s >= (STALE_MEASURED_S if measured else STALE_S)


def _vitals(bed: WardBed, link: Link, limits: list[ShownLimit], now_s: float) -> dict[str, ShownValue]:
    if bed.vitals is None:
        return {}
    since = 0.0 if bed.vitals_s is None else now_s - bed.vitals_s
    found: dict[str, ShownValue] = {}
    for word, value in list(bed.vitals.values.items())[: 2 * len(FACTS)]:
        age_s = round(value.age_s + since, 1)
        mine = [limit for limit in limits if limit.metric == word]
        found[words(word, 32)] = ShownValue(
            value=value.value,
            unit=words(value.unit, 20),
            validity=value.validity,
            age_s=age_s,
            age_at_least=value.age_at_least or bed.vitals_s is None,
            source=words(value.source, 40),
            by_hand=value.source == BY_HAND,
            stale=link != "live" or bed.vitals_s is None or stale(word, value, age_s),
            low=max((limit.value for limit in mine if limit.side == "low"), default=None),
            high=min((limit.value for limit in mine if limit.side == "high"), default=None),
            note=words(value.note),
        )
    return found


def _alarm(alarm: Alarm, utc_s: float | None) -> ShownAlarm:
    age_s = None if utc_s is None else round(max(utc_s - epoch(alarm.since), 0.0), 1)
    return ShownAlarm(**alarm.model_dump(), age_s=age_s)


def _tile(bed: WardBed, session: Session | None, utc_s: float | None) -> ShownTile:
    if session is None:
        return ShownTile(
            state="UNKNOWN", ends_at=None, left_s=None, delivered_mg=None, ordered_mg=None, hard_mg=None,
            mg_per_kg=None, delivered_ml=None, rate_ml_h=None, supervision="unknown",
        )  # fmt: skip
    order, dose = session.order, session.dose_mg
    rate = None if bed.vitals is None else bed.vitals.values.get("rate")
    left = None if session.ends_at is None or utc_s is None else round(max(epoch(session.ends_at) - utc_s, 0.0), 1)
    state = session.phase.value.upper()
    if session.stopping == "not-confirmed":
        state = "STOP NOT CONFIRMED"
    elif session.stopping == "asked":
        state = "STOPPING"
    elif session.away_until is not None:
        state = "AWAY"
    return ShownTile(
        state=state,
        ends_at=session.ends_at,
        left_s=left,
        delivered_mg=dose,
        ordered_mg=None if order is None else order.dose_mg,
        hard_mg=session.hard_dose_mg,
        mg_per_kg=None if order is None or dose is None or not order.weight_kg else round(dose / order.weight_kg, 4),
        delivered_ml=session.volume_ml,
        rate_ml_h=None if rate is None else rate.value,
        supervision=session.supervision,
    )


def _heard_s(gateway: WardGateway, bed: WardBed) -> float | None:
    """Say when something live last came of a bed: in a session its values, else whatever came."""
    if bed.in_session or gateway.beat_s is None:
        return bed.vitals_s
    return gateway.beat_s if bed.vitals_s is None else max(bed.vitals_s, gateway.beat_s)


def shown_trend(gateway: WardGateway, bed: WardBed, minutes: float, now_s: float, utc_s: float) -> ShownTrend:
    """Write a bed's course over the last minutes. utc_s: the station's own time, by which its moments are told."""
    until = gateway.utc_s(now_s)
    times = bed.trend.times(utc_s if until is None else until, minutes)
    ahead_s = gateway.ahead_s(now_s, utc_s)
    moved = round(ahead_s) if abs(ahead_s) > CLOCKS_S else 0
    return ShownTrend(
        from_=rfc3339((times.start - moved) * SECOND),
        to=rfc3339((times.stop - moved) * SECOND),
        t=[one - moved for one in times],
        series={name: bed.trend.series(name, times) for name in bed.trend.names(times)},
        rate_ml_h=bed.trend.series(RATE, times),
        dose_mg=bed.trend.series(DOSE, times),
        nibp=[one.model_copy(update={"t": one.t - moved}) for one in bed.trend.pressures(times)],
        events=bed.log.since(rfc3339(times.start * SECOND)),
        baseline=bed.log.baseline,
        limits=in_force(bed),
        complete=bed.trend.complete,
        events_ahead_s=moved,
    )


def _age(now_s: float, since_s: float | None) -> float | None:
    return None if since_s is None else round(max(now_s - since_s, 0.0), 1)


def mode_of(bed: WardBed) -> Literal["real", "test", "demo"]:
    """Say whose bed it is, by the first of its words that is here; with none it may be a patient's, and counts so."""
    said = bed.session or bed.alarms or bed.descriptor
    return "real" if said is None else said.generation_mode
