"""A scripted session as the journal gets it, and the verdict on what a journal holds after a crash.

The session is decided by the production core on virtual time, once: an order, T0, an alarm that is acknowledged, a
stop. What is then written, interrupted and read again are its events, so that a verdict can speak of deadline and
alarms, not of rows alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core_bed import Bed
from infusion_gateway.core.durable import Durable
from infusion_gateway.core.state import fold
from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import Event
from infusion_gateway.model.inputs import Input
from infusion_gateway.model.instructions import Acknowledge, PauseAudio
from infusion_gateway.model.metric import Metric, Nanos
from infusion_gateway.runtime.journal_store import FILE, Reader, Store
from infusion_gateway.wire.records import Unreadable

BED = "chair-1"
UTC = 1_790_000_000_000_000_000
MOMENTS = 12
"""Commits of the script: the events of the session in so many pieces, in order."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Events that are appended together."""

    at: Nanos
    events: tuple[Event, ...]


class _Recorded(Bed):
    """A bed that keeps what it would have recorded."""

    def __init__(self) -> None:
        self.told: list[tuple[Nanos, Event]] = []
        super().__init__()

    def give(self, taken: Input) -> object:  # type: ignore[override]  # the step is not looked at here
        done = super().give(taken)
        self.told += [(self.now, event) for event in done.events]
        return done


@cache
def script() -> tuple[Moment, ...]:
    """Give the session: under way, an alarm acknowledged, another that stops the pump, the audio paused."""
    bed = _Recorded()
    bed.infuse()
    bed.run(5)
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(17)
    bed.ask(Acknowledge("spo2-low"), by="nurse-1")
    bed.monitor.values[Metric.SPO2] = 84
    bed.run(8)
    bed.ask(PauseAudio(30_000_000_000), by="nurse-1")
    bed.run(2)
    size = -(-len(bed.told) // MOMENTS)
    parts = [bed.told[at : at + size] for at in range(0, len(bed.told), size)]
    return tuple(Moment(part[-1][0], tuple(event for _, event in part)) for part in parts)


def events() -> list[tuple[Nanos, Event]]:
    """Give the session's events, each with the time under which it is recorded."""
    return [(moment.at, event) for moment in script() for event in moment.events]


def held(directory: Path) -> tuple[list[tuple[Nanos, Event]], list[str], list[str]]:
    """Open what a crash left, as the next process does; give its events, its ids, and what is wrong with it."""
    wrong = [f"set aside: {p.name}" for p in directory.glob(f"{FILE}.*-*") if not p.name.endswith(("-wal", "-shm"))]
    if not (directory / FILE).exists():
        return [], [], wrong
    try:
        Store.open(directory).close()
        reader = Reader(directory)
        head = reader.verify()
        records = list(reader.records())
    except JournalError as error:
        return [], [], [*wrong, str(error)]
    if [r.sequence for r in records] != list(range(1, head.sequence + 1)):
        wrong.append("a gap in the sequence")
    published = [r.bed_sequence for r in records if r.bed_sequence is not None]
    if published != list(range(1, len(published) + 1)):
        wrong.append("a gap in the bed's sequence")
    wrong += [f"row {r.sequence} can't be read" for r in records if isinstance(r.event, Unreadable)]
    return [(r.at, r.event) for r in records if not isinstance(r.event, Unreadable)], [r.id for r in records], wrong


def verdict(directory: Path, acknowledged: Sequence[str], *, whole: bool) -> list[str]:
    """Say what is wrong after a crash, nothing if nothing: lost, invented, twice, another deadline, other alarms.

    acknowledged: what was told as durable, each as the event's place in the script and its id. whole: the fault passed,
    so that all of the script must be there.
    """
    found, ids, wrong = held(directory)
    told = events()
    if found != told[: len(found)]:
        first = next((n for n, pair in enumerate(zip(found, told, strict=False), 1) if pair[0] != pair[1]), len(told))
        wrong.append(f"row {first} is not the one of the script: invented, twice or out of order")
        return wrong
    lost = set(acknowledged) - {f"{place} {name}" for place, name in enumerate(ids)}
    if lost or len(set(acknowledged)) < len(acknowledged):
        wrong.append(f"of {len(acknowledged)} acknowledged {len(lost)} are lost, have other ids, or were told twice")
    if whole and len(found) < len(told):
        wrong.append(f"{len(told) - len(found)} that were held in memory are lost")
    if standing(found) != standing(told[: len(found)]):
        wrong.append("deadline or alarms differ")
    return wrong


def standing(recorded: Iterable[tuple[Nanos, Event]]) -> tuple[object, ...]:
    """Give what a restart must find again: phase, deadline, alarms with their acknowledgements, and the stop."""
    durable: Durable = fold(recorded)
    case = durable.case
    return durable.phase, case and (case.t0, case.ends_at), dict(durable.conditions), durable.stop
