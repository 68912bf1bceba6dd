"""History: whatever is recorded and asked, the pages together hold just what a look at every row would find."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from infusion_gateway.model.events import ResumePermitted, Sampled
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.observation import Delivery
from infusion_gateway.runtime import history
from infusion_gateway.runtime.history import Looked, Pages
from infusion_gateway.runtime.journal_store import Draft, Reader, Store
from infusion_gateway.wire.history import SAMPLED, HistoryAsked, Wrong, parse_history
from infusion_gateway.wire.records import PUBLISHED, Record, type_name
from infusion_gateway.wire.stamps import rfc3339

START = 1_795_331_700 * SECOND
BEDS = ("bed-1", "bed-2")
SAMPLE = Sampled((), Delivery.INFUSING, 1.5, 0, 0.75)
ROWS = st.lists(st.tuples(st.sampled_from(BEDS), st.booleans(), st.integers(0, 4000)), min_size=0, max_size=60)
"""(bed, whether it is a sample, milliseconds since the row before)."""
EDGE = st.integers(1, 25) | st.integers(0, 60_000).map(lambda ms: rfc3339(START + ms * 1_000_000))
TIME = st.integers(0, 60_000).map(lambda ms: rfc3339(START + ms * 1_000_000))
KINDS = st.sampled_from([[], ["resume-permitted"], ["stop-asked"]])
SAMPLES = st.sampled_from([["sampled"], ["sampled", "resume-permitted"]])


def questions() -> st.SearchStrategy[dict[str, object]]:
    """Questions that can be answered: samples by time, events by either."""
    common = {"id": st.just("q"), "station": st.just("desk"), "bed": st.sampled_from(BEDS)}
    resolution = st.sampled_from([0, 0.5, 1, 5, 10])
    of_events = st.fixed_dictionaries({**common, "kinds": KINDS}, optional={"from": EDGE, "to": EDGE})
    of_samples = st.fixed_dictionaries(
        {**common, "kinds": SAMPLES, "resolution_s": resolution}, optional={"from": TIME, "to": TIME}
    )
    return of_events | of_samples


def written(directory: Path, rows: list[tuple[str, bool, int]]) -> list[Record]:
    """Write a journal of these rows, and give it as read."""
    store = Store.open(directory)
    at = START
    for number, (bed, sample, later) in enumerate(rows):
        at += later * 1_000_000
        event = SAMPLE if sample else ResumePermitted("nurse-7", f"number {number}")
        store.write([Draft.of(bed, event, at - START, at)], "boot-1", {})
    store.close()
    return list(Reader(directory).records()) if rows else []


def naive(asked: HistoryAsked, rows: list[Record]) -> list[int]:
    """Find the rows by looking at each: the journal's sequences."""
    found, last = [], None
    for row in rows:
        kind = type_name(row.event)
        if row.bed != asked.bed or kind not in (asked.kinds or PUBLISHED):
            continue
        when = rfc3339(row.utc_ns)
        first_fits = row.bed_sequence is None or not isinstance(asked.first, int) or row.bed_sequence >= asked.first
        last_fits = row.bed_sequence is None or not isinstance(asked.last, int) or row.bed_sequence <= asked.last
        after = not isinstance(asked.first, str) or row.utc_ns >= START + _ms(asked.first)
        before = not isinstance(asked.last, str) or when <= asked.last
        if not (first_fits and last_fits and after and before):
            continue
        if kind == SAMPLED and asked.resolution_s:
            step = row.utc_ns // round(asked.resolution_s * SECOND)
            if step == last:
                continue
            last = step
        found.append(row.sequence)
    return found


def _ms(time: str) -> int:
    return next(ms * 1_000_000 for ms in range(60_001) if rfc3339(START + ms * 1_000_000) == time)


@settings(max_examples=60)
@given(ROWS, questions(), st.integers(1, 12), st.integers(1, 9))
@example(
    rows=[("bed-1", True, 1000)] * 12,
    question={"id": "q", "bed": "bed-1", "kinds": ["sampled"], "resolution_s": 5},
    looked_at=3,
    room=9,
)
def test_pages_hold_what_every_row_would_give(
    rows: list[tuple[str, bool, int]], question: dict[str, object], looked_at: int, room: int
) -> None:
    """Pins that for any journal, question, and bounds of a page, all pages are the stretch, once, in order, and end."""
    with TemporaryDirectory() as place, patch.object(history, "LOOKED_AT", looked_at):
        directory = Path(place)
        recorded = written(directory, rows)
        found: list[int] = []
        page: str | None = None
        for _ in range(len(rows) + 3):
            asked = parse_history(json.dumps(question | ({} if page is None else {"page": page})).encode(), BEDS)
            assert not isinstance(asked, Wrong), asked
            held: list[int] = []

            def take(record: Record, held: list[int] = held) -> bool:
                if len(held) >= room:
                    return False
                held.append(record.sequence)
                return True

            looked = Pages(directory).look(asked[1], take)
            assert isinstance(looked, Looked)
            found += held
            if looked.follows is None:
                break
            page = f"{looked.journal}-{looked.follows}"
        else:
            raise AssertionError("the pages don't end")
        assert found == naive(asked[0], recorded)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_question_or_refused(payload: bytes) -> None:
    """Pins that nothing sent as a question raises, and that what is refused says why, in few words."""
    found = parse_history(payload, BEDS)
    assert isinstance(found, tuple) or 0 < len(found.reason) < 400


@given(
    st.dictionaries(
        st.sampled_from(["id", "station", "bed", "from", "to", "kinds", "resolution_s", "page", "time"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.text(max_size=9)),
    )
)
def test_any_object_is_a_question_or_refused(body: dict[str, object]) -> None:
    """Pins the same for objects with the right keys and any values."""
    found = parse_history(json.dumps(body).encode(), BEDS)
    assert isinstance(found, tuple) or 0 < len(found.reason) < 400
