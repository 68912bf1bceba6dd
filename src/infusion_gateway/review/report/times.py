"""Times of a journal's rows on one timeline over every boot, so that lengths hold whatever the wall clock did."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from infusion_gateway.model.metric import MINUTE, SECOND, Nanos
from infusion_gateway.wire.records import Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_S = 253_402_214_400  # the last day of the year 9999, in any zone


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A point in time. elapsed: nanoseconds on the journal's one timeline; utc_ns: as the wall clock had it."""

    elapsed: Nanos
    utc_ns: int

    def plus(self, length: Nanos) -> "Moment":
        """Give the point so much later."""
        return Moment(self.elapsed + length, self.utc_ns + length)


class Timeline:
    """Where rows are on the one timeline. Within a boot by its own clock; between two by the wall clock, never back."""

    def __init__(self) -> None:
        self._shift: dict[str, Nanos] = {}
        self._newest: Moment | None = None

    def of(self, record: Record, at: Nanos | None = None) -> Moment:
        """Give the moment of a row, or of a point of its boot's timeline that the row speaks of."""
        if record.boot_id not in self._shift:
            self._shift[record.boot_id] = self._follow(record) - record.at
        here = Moment(record.at + self._shift[record.boot_id], record.utc_ns)
        self._newest = here if self._newest is None else max(self._newest, here)
        return here if at is None else here.plus(at - record.at)

    def until(self, utc_ns: Nanos) -> Moment:
        """Give the moment in which the wall clock reads this, after everything that is known so far."""
        newest = self._newest or Moment(0, utc_ns)
        return newest.plus(max(0, utc_ns - newest.utc_ns))

    def _follow(self, record: Record) -> Nanos:
        """Say where a boot begins: after the one before, by as much as the wall clock went on."""
        return 0 if self._newest is None else self.until(record.utc_ns).elapsed


def wall(utc_ns: int, zone: tzinfo = UTC) -> datetime:
    """Give a wall time in a zone; what is out of the calendar is put at its edge."""
    return (_EPOCH + timedelta(microseconds=min(max(utc_ns // 1000, 0), _LAST_S * 1_000_000))).astimezone(zone)


def length(nanos: Nanos | None) -> str:
    """Write a length of time for people: 3.2 s, 4:05 min, 2:03:10 h; a dash where there is none."""
    if nanos is None:
        return "–"
    sign, nanos = ("−", -nanos) if nanos < 0 else ("", nanos)
    if nanos < MINUTE:
        return f"{sign}{nanos / SECOND:.1f} s"
    seconds = round(nanos / SECOND)
    hours, minutes = divmod(seconds // 60, 60)
    return f"{sign}{hours}:{minutes:02d}:{seconds % 60:02d} h" if hours else f"{sign}{minutes}:{seconds % 60:02d} min"
