"""What stands at the beds that somebody away from the page must hear of: high and medium alarms, and beds not heard.

Nothing of a patient is in it: bed, priority, what, since when. A bed that is not heard while a case of it may be
running is high (`ward.sound` sounds it likewise); one gateway's beds are told of as one, and all of them where it is
the station that has lost the broker.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from infusion_gateway.ward.beds import WardBed, WardGateway, epoch
from infusion_gateway.ward.picture import Picture
from infusion_gateway.ward.showing import mode_of
from infusion_gateway.wire.messages import Alarm
from infusion_gateway.wire.stamps import words

Key: TypeAlias = tuple[str, str, str]
"""Gateway, bed ("": all of it), code: of an alarm, or `not-heard`. All three "" or `broker-lost`: the station's own."""
Urgent: TypeAlias = Literal["high", "medium"]
Mode: TypeAlias = Literal["real", "test", "demo"]
NOT_HEARD, BROKER_LOST = "not-heard", "broker-lost"
MOST, STRANGERS = 500, 50
"""Alarms: of all gateways, and of those without a key where others have one: they drive out no other's."""
NAMED = 6
"""Beds that are named in one sentence."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One of them, now. since_s: seconds since the epoch, by its gateway. present: false: it is over, but latched.

    mode: of the bed, for one that is no patient's must say so. by: who has acknowledged it; "": nobody. beds: that are
    not heard, where it is of several.
    """

    gateway: str
    bed: str
    code: str
    priority: Urgent
    what: str
    since_s: float
    mode: Mode = "real"
    present: bool = True
    by: str = ""
    beds: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.gateway, self.bed, self.code


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A gateway's beds in a session, and whose they are."""

    beds: tuple[str, ...] = ()
    mode: Mode = "real"


@dataclass(frozen=True, slots=True)
class Stands:
    """All of it. heard: the beds, (gateway, ""): the gateways, whose word is here: what doesn't stand there is over.

    under_way: by gateway, where anything of its sessions is known. lost: the station doesn't hear the broker.
    """

    found: tuple[Standing, ...] = ()
    heard: frozenset[tuple[str, str]] = frozenset()
    under_way: Mapping[str, UnderWay] = field(default_factory=dict)
    lost: bool = False


def standing(picture: Picture, now_s: float, utc_s: float, lost: str) -> Stands:
    """Give what stands. utc_s: seconds since the epoch. lost: why the station doesn't hear the broker; "": it does."""
    heard = {("", "")}
    found: list[Standing] = []
    strangers: list[Standing] = []
    unheard: list[tuple[WardGateway, WardBed, str]] = []
    for gateway, bed in picture.beds():
        name = gateway.topics.gateway
        heard.add((name, ""))
        if bed.alarms is not None:
            heard.add((name, bed.bed))
            (found if gateway.known else strangers).extend(_alarms(name, bed, bed.alarms.alarms))
        link, _ = gateway.link(now_s, bed)
        if bed.in_session and link not in ("live", "unknown"):
            unheard.append((gateway, bed, link))
    found += _broker(unheard, utc_s) if lost else _gateways(unheard, utc_s)
    strangers.sort(key=_urgency)
    found = [*sorted(found, key=_urgency)[: MOST - STRANGERS], *strangers[:STRANGERS]]
    found.sort(key=_urgency)
    under_way = {name: _under_way(one) for name, one in sorted(picture.gateways.items()) if _says(one)}
    return Stands(tuple(found), frozenset(heard), under_way, bool(lost))


def remembered(before: Mapping[str, UnderWay], utc_s: float, *, lost: bool) -> Iterable[Standing]:
    """Give what stands where nothing is heard of beds that were in a session before the station began anew.

    lost: nothing is heard at all; else each gateway is told of by itself.
    """
    if lost:
        beds = tuple(bed for way in before.values() for bed in way.beds)
        what = f"the station has begun anew and can't reach the broker: {_named(beds)} in a session before"
        yield Standing("", "", BROKER_LOST, "high", what, utc_s, _worst(way.mode for way in before.values()), beds=beds)
        return
    for name, way in before.items():
        what = f"not heard since the station began anew: {_named(way.beds)} in a session before"
        yield Standing(name, "", NOT_HEARD, "high", what, utc_s, way.mode, beds=way.beds)


def _says(gateway: WardGateway) -> bool:
    """Say whether a gateway's sessions are known: by one of them, or by its word that it has no bed."""
    none = gateway.heartbeat is not None and not gateway.heartbeat.alarm_revisions
    return none or any(bed.session is not None for bed in gateway.beds.values())


def _under_way(gateway: WardGateway) -> UnderWay:
    beds = [bed for _, bed in sorted(gateway.beds.items()) if bed.in_session]
    return UnderWay(tuple(bed.bed for bed in beds), _mode(beds))


def _urgency(one: Standing) -> tuple[bool, float]:
    return one.priority != "high", one.since_s


def _alarms(gateway: str, bed: WardBed, alarms: Iterable[Alarm]) -> Iterable[Standing]:
    for alarm in alarms:
        if alarm.priority == "low" or alarm.collapsed:
            continue
        code = words(alarm.code, 64)
        yield Standing(
            gateway,
            bed.bed,
            code,
            "high" if alarm.priority == "high" else "medium",
            code.replace("-", " "),
            epoch(alarm.since),
            mode_of(bed),
            alarm.present,
            "" if alarm.signal != "acknowledged" else words(alarm.acknowledged_by or "somebody", 64),
        )


def _gateways(unheard: list[tuple[WardGateway, WardBed, str]], utc_s: float) -> Iterable[Standing]:
    by_name: dict[str, list[tuple[WardGateway, WardBed, str]]] = {}
    for one in unheard:
        by_name.setdefault(one[0].topics.gateway, []).append(one)
    for name, beds in by_name.items():
        what = f"{beds[0][2]}: {_named(bed.bed for _, bed, _ in beds)} in a session, not supervised from here"
        mode, names = _mode(bed for _, bed, _ in beds), tuple(bed.bed for _, bed, _ in beds)
        yield Standing(name, "", NOT_HEARD, "high", what, utc_s, mode, beds=names)


def _broker(unheard: list[tuple[WardGateway, WardBed, str]], utc_s: float) -> Iterable[Standing]:
    if unheard:
        names = _named(bed.bed for _, bed, _ in unheard)
        what = f"the station has lost the broker: {names} in a session, not supervised from here"
        mode, beds = _mode(bed for _, bed, _ in unheard), tuple(bed.bed for _, bed, _ in unheard)
        yield Standing("", "", BROKER_LOST, "high", what, utc_s, mode, beds=beds)


def _named(beds: Iterable[str]) -> str:
    names = list(beds)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _mode(beds: Iterable[WardBed]) -> Mode:
    return _worst(mode_of(bed) for bed in beds)


def _worst(modes: Iterable[Mode]) -> Mode:
    """Say whose beds these are: one that may be a patient's is enough."""
    found = set(modes)
    return "real" if "real" in found else "test" if "test" in found else "demo"
