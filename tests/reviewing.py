"""For tests that look back: a core bed's journal as rows, and a journal on disk made of rows."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from core_bed import Bed
from infusion_gateway.model.events import Event
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.session import LimitCondition, SessionProtocol
from infusion_gateway.review.cases import order_of, setup_of, spans
from infusion_gateway.review.compare import Row, side_by_side
from infusion_gateway.review.course import Course, recorded, replayed
from infusion_gateway.review.evidence import evidence
from infusion_gateway.runtime.journal_store import Draft, Store
from infusion_gateway.wire.records import PUBLISHED, Record, Unreadable, type_name

UTC0 = 1_800_000_000_000_000_000


def rows_of(journal: Iterable[tuple[Nanos, Event]], bed: str = "chair-1", boot_id: str = "boot-1") -> list[Record]:
    """Give events as a journal's rows, from sequence 1."""
    rows: list[Record] = []
    published = 0
    for sequence, (at, event) in enumerate(journal, 1):
        shown = type_name(event) in PUBLISHED
        published += shown
        number = published if shown else None
        rows.append(Record(sequence, bed, number, f"journal-{sequence}", boot_id, at, UTC0 + at, event))
    return rows


def on_disk(directory: Path, rows: Sequence[Record], *, keep_open: bool = False) -> Store:
    """Write rows into a new journal; keep_open: as a gateway that runs has it."""
    directory.mkdir(parents=True, exist_ok=True)
    store = Store.open(directory)
    for row in rows:
        assert not isinstance(row.event, Unreadable)
        store.write([Draft.of(row.bed, row.event, row.at, row.utc_ns)], row.boot_id, {})
    if not keep_open:
        store.close()
    return store


def courses_of(rows: Sequence[Record], **protocols: SessionProtocol) -> dict[str, Course]:
    """Give the last case's recorded course and, by name, what these protocols make of it."""
    span = spans(rows)[-1]
    case = [r for r in rows if r.bed == span.bed and span.after < r.sequence <= (span.last or r.sequence)]
    setup = setup_of(span.bed, case)
    found = evidence(case, setup)
    ordered = order_of(next(r for r in case if r.sequence == span.ordered))
    told = {name: replayed(found, setup, protocol, ordered) for name, protocol in protocols.items()}
    return {"recorded": recorded(r for r in case if r.sequence >= span.ordered), **told}


def apart(courses: dict[str, Course]) -> list[Row]:
    """Give what the second course doesn't have as the first has it."""
    first, second = list(courses)[:2]
    return [row for row in side_by_side(courses) if not row.same(first, second)]


def rows_named(courses: dict[str, Course], what: str) -> list[Row]:
    """Give the rows of that name."""
    return [row for row in side_by_side(courses) if row.what == what]


def with_rows(protocol: SessionProtocol, code: str, **changes: object) -> SessionProtocol:
    """Give the protocol with every row of a condition changed."""

    def changed(condition: LimitCondition) -> LimitCondition:
        if condition.code != code:
            return condition
        return replace(condition, rows=tuple(replace(row, **changes) for row in condition.rows))

    return replace(protocol, conditions=tuple(changed(c) for c in protocol.conditions))


def bed_rows(bed: Bed) -> list[Record]:
    """Give a core bed's journal as rows."""
    return rows_of(bed.journal)
