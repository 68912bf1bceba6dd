"""What a bed's past lacks here, by its gateway's heartbeats and by the holes in its course; and how a page fills it."""

from collections.abc import Iterator

from infusion_gateway.model.metric import SECOND
from infusion_gateway.ward.beds import WardBed, epoch
from infusion_gateway.ward.catching_up import Wanted
from infusion_gateway.ward.seen import Seen
from infusion_gateway.ward.shown import Happening
from infusion_gateway.ward.trend import SLOT_S, SLOTS, Measured
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.history import HistoryPage, Sample
from infusion_gateway.wire.messages import Heartbeat
from infusion_gateway.wire.stamps import rfc3339

WINDOW_S = SLOT_S * SLOTS
BEFORE_T0_S = 1800.0
LONGEST_S = 12 * 3600.0
"""The log is asked for over the course's window, or from before the case's T0, and no further back than this."""
HOLE_S = 12.0
"""Values come every second: after so long without, the course has a hole that its gateway may fill."""


def at_first(bed: WardBed, utc_s: float) -> Wanted:
    """Give what is asked for of a bed that was not known: what happened there lately, and in the case that stands."""
    t0 = None if bed.session is None else bed.session.t0
    since = utc_s - WINDOW_S
    if t0 is not None:
        since = max(min(since, epoch(t0) - BEFORE_T0_S), utc_s - LONGEST_S)
    return Wanted(bed.gateway, bed.bed, "events", _time(since), urgent=bed.in_session, anew=True)


def by_heartbeat(bed: WardBed, beat: Heartbeat, seen: Seen) -> Wanted | None:
    """Say which events lack: what was on record by the heartbeat before must be here by this one."""
    newest = max(beat.event_sequences.get(bed.bed, 0), 0)
    if bed.journal != beat.journal:  # another count; at first sight what was before is asked for by time
        bed.base = 0 if bed.journal else newest
        bed.journal, bed.due = beat.journal, 0
    through = max(seen.through(bed.gateway, bed.bed, beat.journal) or 0, bed.base)
    due, bed.due = bed.due, newest
    bed.missing = max(due - through, 0)
    if not bed.missing:
        return None
    return Wanted(bed.gateway, bed.bed, "events", through + 1, due, urgent=bed.in_session)


def course(bed: WardBed, utc_s: float) -> Iterator[Wanted]:
    """Give what is asked for of a case's course; where there is no case, nothing was sampled."""
    bed.trend.complete = bed.case is None
    if bed.case is not None:
        since = max(utc_s - WINDOW_S, bed.trend.begins)
        yield Wanted(bed.gateway, bed.bed, "samples", _time(since), urgent=bed.in_session, anew=True)


def hole(bed: WardBed, at: float) -> Iterator[Wanted]:
    """Give what is asked for when values come again after a while without. at: of the newest, its gateway's time."""
    newest = bed.trend.newest
    if newest is not None and at - newest > HOLE_S and bed.case is not None:
        bed.trend.complete = False
        since = max(newest, at - WINDOW_S)
        yield Wanted(bed.gateway, bed.bed, "samples", _time(since), urgent=bed.in_session)


def take_event(bed: WardBed, event: EventMessage, seen: Seen) -> Happening | None:
    """Take an event; None where it was here. A case's course begins with it: nobody is shown the last patient's."""
    if not bed.journal or event.id.rpartition("-")[0] == bed.journal:
        seen.take(bed.gateway, bed.bed, event.sequence, event.id[:64])
    made = bed.log.add(bed.gateway, bed.bed, event)
    if bed.log.case_since:
        bed.trend.begins = epoch(bed.log.case_since)
    return made


def fill(bed: WardBed, wanted: Wanted, page: HistoryPage, seen: Seen, *, done: bool) -> list[Happening]:
    """Take a page of a bed's past; give what was not here."""
    made = [one for event in page.events if (one := take_event(bed, event, seen)) is not None]
    for sample in page.samples:
        bed.trend.put(epoch(sample.time), _measured(sample), sample.dose_mg)
    if done and wanted.kind == "samples":
        bed.trend.complete = not page.refused
    if done and wanted.kind == "events" and not wanted.anew and page.oldest is not None:
        bed.base = max(bed.base, page.oldest - 1)  # what its journal doesn't hold any more can't be had
    return made


def _measured(sample: Sample) -> Iterator[Measured]:
    """Give each metric once, as the first device that has a valid value of it says."""
    had: set[str] = set()
    for reading in sorted(sample.values, key=lambda one: one.validity != "valid"):
        if reading.metric not in had:
            had.add(reading.metric)
            yield reading.metric, reading.value, reading.validity, reading.age_s


def _time(utc_s: float) -> str:
    return rfc3339(round(max(utc_s, 0.0) * SECOND))
