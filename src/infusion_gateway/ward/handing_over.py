"""Handing over: what the next person must know of a bed: who answered what, what is due, and the last hour."""

from collections.abc import Iterable, Iterator

from infusion_gateway.model.session import Phase
from infusion_gateway.ward.beds import WardBed, WardGateway, epoch
from infusion_gateway.ward.shown import Happening, Shown
from infusion_gateway.wire.messages import DescribedSchedule
from infusion_gateway.wire.stamps import rfc3339

HOUR_S = 3600.0
MOST, LEAST, WHOLE = 200, 20, 2000
"""Happenings: of a bed at most; of a bed at least, and of all beds together, where a whole ward is handed over."""
ANSWERS = frozenset({"condition-acknowledged", "hold-off-granted", "audio-paused"})
OVERDUE = "-overdue"
"""How the codes end that tell of what was not done in time."""
_ALARMED = {"nibp": "nibp-sys"}


class ShownDue(Shown):
    """What a person is to assess or to measure. in_s: until it is due; below 0: overdue; null: not known."""

    what: str
    every_s: float
    last: str | None
    """When it was done last in this case; null: never, as far as is known."""
    in_s: float | None
    overdue: bool
    """By the gateway's own alarm, or by its schedule."""


class ShownHandover(Shown):
    """A bed, to be handed over. complete: nothing of the hour is known to lack here."""

    gateway: str
    bed: str
    key: str
    complete: bool
    why: str
    """Why not all of it is here; empty: it is."""
    due: list[ShownDue]
    answers: list[Happening]
    """Who acknowledged, held off or quieted what, in the last hour; in order."""
    hour: list[Happening]
    """All of the last hour, the newest of it where there was more than so much; in order."""
    more: int
    """Of the hour, older than what is listed."""


class ShownHandovers(Shown):
    """Every bed that was asked for."""

    station: str
    time: str
    beds: list[ShownHandover]


def handover(
    gateway: WardGateway, bed: WardBed, now_s: float, utc_s: float, *, learning: bool, beds: int = 1
) -> ShownHandover:
    """Write what is to be handed over. utc_s: the station's time, for a gateway that was never heard.

    learning: its past is asked for; beds: how many are handed over together.
    """
    most = min(MOST, max(LEAST, WHOLE // max(beds, 1)))
    link, why = gateway.link(now_s, bed)
    if link == "live":
        why = f"{bed.missing} events are missing here" if bed.missing else "its log is being read" if learning else ""
    own_s = gateway.utc_s(now_s)  # the log's times are the gateway's
    recent = bed.log.since(rfc3339(round(((utc_s if own_s is None else own_s) - HOUR_S) * 1000) * 1_000_000))
    return ShownHandover(
        gateway=bed.gateway,
        bed=bed.bed,
        key=f"{bed.gateway}/{bed.bed}",
        complete=not why,
        why=why[:300],
        due=sorted(due(gateway, bed, now_s), key=lambda one: (not one.overdue, one.in_s is None, one.in_s or 0.0)),
        answers=[one for one in recent if one.type in ANSWERS][-most:],
        hour=recent[-most:],
        more=max(len(recent) - most, 0),
    )


def due(gateway: WardGateway, bed: WardBed, now_s: float) -> Iterator[ShownDue]:
    """Give what is to be done at a bed, by the schedule of its protocol and by the alarms of what is overdue."""
    alarms = () if bed.alarms is None else bed.alarms.alarms
    codes = {one.code.removesuffix(OVERDUE) for one in alarms if one.code.endswith(OVERDUE) and one.present}
    overdue = {_ALARMED.get(code, code) for code in codes}
    utc_s = gateway.utc_s(now_s)
    for entry in scheduled(bed):
        last = _last(bed, entry.what, now_s, utc_s)
        begun = _begun(bed)
        since = max((one for one in (last, begun) if one is not None), default=None)
        in_s = None if since is None or utc_s is None else since + entry.every_s - utc_s
        late = entry.what in overdue or (in_s is not None and in_s < 0)
        overdue.discard(entry.what)
        told = None if last is None else rfc3339(round(last * 1000) * 1_000_000)
        yield ShownDue(what=entry.what, every_s=entry.every_s, last=told, in_s=in_s, overdue=late)
    for what in sorted(overdue):  # nothing is said of when, but that it is late
        yield ShownDue(what=what, every_s=0.0, last=None, in_s=None, overdue=True)


def scheduled(bed: WardBed) -> Iterable[DescribedSchedule]:
    """Give what the protocol in force has people do in this phase."""
    session = bed.session
    if session is None or session.order is None or bed.descriptor is None:
        return ()
    protocol = next((one for one in bed.descriptor.protocols if one.name == session.order.protocol), None)
    return () if protocol is None else (one for one in protocol.schedule if session.phase in one.phases)


def _begun(bed: WardBed) -> float | None:
    """Say from when on it counts: T0, the recovery's beginning, or the case's coming to this bed."""
    session, log = bed.session, bed.log
    if session is None or session.t0 is None:
        return None
    phase = log.phases.get(Phase.RECOVERY, "") if session.phase is Phase.RECOVERY else ""
    return max(epoch(one) for one in (session.t0, phase, log.case_since))


def _last(bed: WardBed, what: str, now_s: float, utc_s: float | None) -> float | None:
    """Say when it was done last in this case, seconds since the epoch: entered, or measured by a device."""
    entered = bed.log.assessed.get(what, "")
    found = [epoch(entered)] if entered and entered >= bed.log.case_since else []
    value = None if bed.vitals is None else bed.vitals.values.get(what)
    if value is not None and value.validity == "valid" and utc_s is not None and bed.vitals_s is not None:
        found.append(utc_s - value.age_s - (now_s - bed.vitals_s))
    return max(found, default=None)
