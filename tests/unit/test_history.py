"""History on request: what is asked is judged, found in the journal, and answered in pages."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infusion_gateway.model.events import Event, ResumePermitted, Sampled, SampledValue
from infusion_gateway.model.metric import SECOND, Metric
from infusion_gateway.model.observation import Delivery, Validity
from infusion_gateway.runtime import history as history_module
from infusion_gateway.runtime.clock import Clock
from infusion_gateway.runtime.history import WAITING, History
from infusion_gateway.runtime.incoming import ReplyTo
from infusion_gateway.runtime.journal import Journal
from infusion_gateway.wire.history import LONGEST, PAGE, RECORDS, RESERVE, Wrong, parse_history
from infusion_gateway.wire.topics import Topics

TOPICS = Topics("clinic-a", "gateway-1")
DESK = TOPICS.answers("desk")
BEDS = ("bed-1", "bed-2")
START = 1_795_331_700 * SECOND
"""2026-11-22T07:15:00Z."""
ASKED = {"id": "q-1", "station": "desk", "bed": "bed-1"}
BOOT = "boot-1"


@dataclass
class Answers:
    """What went out."""

    given: list[tuple[str, dict[str, Any], bytes | None]] = field(default_factory=list)

    def answer(self, topic: str, payload: bytes, correlation: bytes | None) -> None:
        self.given.append((topic, json.loads(payload), correlation))


@dataclass
class Desk:
    """A journal, and somebody who asks for what is in it."""

    journal: Journal
    history: History
    out: Answers

    async def happens(self, *events: Event, at_s: float, bed: str = "bed-1") -> None:
        await self.journal.append(bed, events, round(at_s * SECOND), START + round(at_s * SECOND))

    async def ask(self, reply_to: ReplyTo = ReplyTo(None, None), **question: Any) -> dict[str, Any]:  # noqa: B008 - frozen
        """Ask, and give the answer."""
        before = len(self.out.given)
        self.history.asked(json.dumps({**ASKED, **question}).encode(), reply_to)
        await asyncio.gather(*self.history._tasks)
        assert len(self.out.given) == before + 1
        return self.out.given[-1][1]

    async def ask_all(self, **question: Any) -> tuple[list[dict[str, Any]], int]:
        """Ask page by page; give all that was found, and how many pages it took."""
        found, pages, page = [], 0, None
        while True:
            self.history._allowed.take(Clock().now() + 10**12)  # somebody patient
            answer = await self.ask(**question, **({} if page is None else {"page": page}))
            assert answer["refused"] == ""
            found += answer["events"] + answer["samples"]
            pages, page = pages + 1, answer["next"]
            if page is None:
                return found, pages
            assert pages < 50, "it does not end"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    journal = Journal(tmp_path, boot_id=BOOT, on_change=lambda *_: None)
    await journal.open()
    out = Answers()
    history = History(tmp_path, topics=TOPICS, publisher=out, seal=lambda _, payload: payload, beds=BEDS, clock=clock)
    try:
        yield Desk(journal, history, out)
    finally:
        await history.close()
        await journal.close()


def permitted(number: int, padding: str = "") -> ResumePermitted:
    return ResumePermitted(by="nurse-7", reason=f"number {number}{padding}")


def sampled(spo2: float) -> Sampled:
    value = SampledValue("oximeter", Metric.SPO2, spo2, Validity.VALID, SECOND // 4)
    return Sampled((value,), Delivery.INFUSING, 1.5, 0, 0.75, delivered_ml=1.25)


def time(at_s: float) -> str:
    seconds = 15 * 60 + at_s
    return f"2026-11-22T07:{int(seconds // 60):02d}:{seconds % 60:06.3f}Z"


async def test_the_missing_events_of_a_bed_are_given_in_order(desk: Desk) -> None:
    """Pins that a gap by the bed's sequence is filled with just those events, as published, and no other bed's."""
    for number in range(1, 8):
        await desk.happens(permitted(number), at_s=number)
        await desk.happens(permitted(100 + number), at_s=number, bed="bed-2")
    answer = await desk.ask(**{"from": 3, "to": 5})
    assert [(e["sequence"], e["data"]["reason"]) for e in answer["events"]] == [
        (3, "number 3"),
        (4, "number 4"),
        (5, "number 5"),
    ]
    assert {e["source"] for e in answer["events"]} == {"igw/v1/clinic-a/gateway-1/bed-1"}
    assert {e["id"].rpartition("-")[0] for e in answer["events"]} == {desk.journal.uuid} == {answer["journal"]}
    assert (answer["next"], answer["oldest"], answer["samples"], answer["id"]) == (None, 1, [], "q-1")
    assert desk.out.given[-1][0] == DESK


async def test_without_edges_it_is_all_that_was_published(desk: Desk) -> None:
    """Pins that without from, to and kinds every published event comes, and no reading."""
    await desk.happens(permitted(1), sampled(97), permitted(2), at_s=1)
    answer = await desk.ask()
    assert [e["sequence"] for e in answer["events"]] == [1, 2]
    assert answer["samples"] == []


async def test_kinds_choose(desk: Desk) -> None:
    """Pins that only the kinds asked for come."""
    await desk.happens(permitted(1), sampled(97), at_s=1)
    assert (await desk.ask(kinds=["stop-asked"]))["events"] == []
    both = await desk.ask(kinds=["resume-permitted", "sampled"])
    assert (len(both["events"]), len(both["samples"])) == (1, 1)


async def test_readings_are_given_as_they_were_recorded(desk: Desk) -> None:
    """Pins the form of a sample: when, each value with unit, validity, age and source, and what was given."""
    await desk.happens(sampled(97), at_s=1)
    assert (await desk.ask(kinds=["sampled"]))["samples"] == [
        {
            "time": "2026-11-22T07:15:01.000Z",
            "values": [
                {
                    "metric": "spo2",
                    "mdc": "MDC_PULS_OXIM_SAT_O2",
                    "value": 97.0,
                    "unit": "%",
                    "validity": "valid",
                    "age_s": 0.25,
                    "source": "oximeter",
                }
            ],
            "delivery": "infusing",
            "volume_ml": 1.5,
            "delivered_ml": 1.25,
            "dose_mg": 0.75,
        }
    ]


async def test_a_stretch_of_time_holds_its_edges(desk: Desk) -> None:
    """Pins that from and to as times are inclusive, to the millisecond."""
    for second in range(10):
        await desk.happens(sampled(90 + second), at_s=second)
    answer = await desk.ask(**{"from": time(3), "to": time(6), "kinds": ["sampled"]})
    assert [s["values"][0]["value"] for s in answer["samples"]] == [93, 94, 95, 96]
    assert (await desk.ask(**{"from": time(3.001), "to": time(3.999), "kinds": ["sampled"]}))["samples"] == []


async def test_a_resolution_thins_samples_over_pages_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins at most one sample in each step, the first, also where a page ends within a step; events stay whole."""
    monkeypatch.setattr(history_module, "LOOKED_AT", 7)
    for second in range(40):
        await desk.happens(sampled(second + 50), at_s=second)
        if second % 10 == 5:
            await desk.happens(permitted(second), at_s=second)
    question = {"from": time(2), "kinds": ["sampled", "resume-permitted"], "resolution_s": 10}
    found, pages = await desk.ask_all(**question)
    assert [s["time"] for s in found if "values" in s] == [time(2), time(10), time(20), time(30)]
    assert [e["sequence"] for e in found if "sequence" in e] == [1, 2, 3, 4]
    assert pages > 4


async def test_a_long_history_comes_in_bounded_pages(desk: Desk) -> None:
    """Pins that pages are bounded by number and by size, and together hold each event once, in order."""
    await desk.happens(*(permitted(n) for n in range(2 * RECORDS + 10)), at_s=1)
    first = await desk.ask()
    assert len(json.dumps(first)) < 2 * PAGE
    assert first["next"] is not None
    found, pages = await desk.ask_all()
    assert [e["sequence"] for e in found] == list(range(1, 2 * RECORDS + 11))
    assert pages >= 3
    long = [permitted(n, "x" * 9000) for n in range(6)]
    await desk.happens(*long, at_s=2, bed="bed-2")
    page = await desk.ask(bed="bed-2")
    assert len(page["events"]) == 3
    found, _ = await desk.ask_all(bed="bed-2")
    assert [e["sequence"] for e in found] == [1, 2, 3, 4, 5, 6]


async def test_an_event_that_is_too_long_comes_withheld(desk: Desk) -> None:
    """Pins that history too sends nothing over the length of an event, and says what it keeps back."""
    await desk.happens(permitted(1, "x" * 40_000), permitted(2), at_s=1)
    answer = await desk.ask()
    assert [e["type"] for e in answer["events"]] == ["event-withheld", "resume-permitted"]
    assert answer["events"][0]["data"]["type"] == "resume-permitted"


async def test_looking_is_bounded_and_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that a page looks at so many rows at most: an empty one has a next, and the end of the stretch ends it."""
    monkeypatch.setattr(history_module, "LOOKED_AT", 5)
    await desk.happens(*(permitted(n) for n in range(12)), at_s=1, bed="bed-2")
    await desk.happens(permitted(1), at_s=2)
    await desk.happens(*(permitted(n) for n in range(12)), at_s=3, bed="bed-2")
    first = await desk.ask()
    assert (first["events"], first["next"] is not None) == ([], True)
    found, pages = await desk.ask_all()
    assert ([e["sequence"] for e in found], pages) == ([1], 5)
    one = await desk.ask(**{"from": 1, "to": 1, "page": f"{desk.journal.uuid}-12"})
    assert ([e["sequence"] for e in one["events"]], one["next"]) == ([1], None)


@pytest.mark.parametrize("first", [1, 2, 7, 12, 13])
async def test_the_beginning_is_found_without_looking_at_everything(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Pins that a stretch far down the journal begins on its first page, by sequence and by time."""
    monkeypatch.setattr(history_module, "LOOKED_AT", 3)
    for number in range(1, 13):
        await desk.happens(permitted(number), at_s=number)
        await desk.happens(sampled(90), sampled(91), at_s=number, bed="bed-2")
    for edge in (first, time(first)):
        answer = await desk.ask(**{"from": edge})
        assert [e["sequence"] for e in answer["events"]] == ([first] if first < 13 else [])
        assert answer["oldest"] == 1


async def test_what_comes_from_another_journal_is_refused(desk: Desk) -> None:
    """Pins that a page of a journal that is no more is not taken for one of this."""
    await desk.happens(permitted(1), at_s=1)
    answer = await desk.ask(page="0123abcd-1")
    assert "another journal" in answer["refused"]
    assert answer["events"] == []


async def test_an_empty_journal_has_no_history(desk: Desk) -> None:
    """Pins that where nothing was recorded the answer is empty, and is an answer."""
    answer = await desk.ask()
    assert (answer["events"], answer["next"], answer["oldest"], answer["refused"]) == ([], None, None, "")


async def test_a_journal_that_cannot_be_read_is_said(desk: Desk, tmp_path: Path) -> None:
    """Pins that a missing journal is an answer in words, not silence and not an empty history."""
    history = History(
        tmp_path / "none", topics=TOPICS, publisher=desk.out, seal=lambda _, p: p, beds=BEDS, clock=Clock()
    )
    away = Desk(desk.journal, history, desk.out)
    assert "can't be read" in (await away.ask())["refused"]
    await history.close()


async def test_the_answer_goes_where_it_was_wanted_and_is_signed(desk: Desk, tmp_path: Path) -> None:
    """Pins that a response topic with its correlation comes before the station's name, and that answers are sealed."""
    sealed: list[str] = []

    def seal(topic: str, payload: bytes) -> bytes:
        sealed.append(topic)
        return payload

    history = History(tmp_path, topics=TOPICS, publisher=desk.out, seal=seal, beds=BEDS, clock=Clock())
    elsewhere = TOPICS.answers("ward")
    await Desk(desk.journal, history, desk.out).ask(ReplyTo(elsewhere, b"c-9"))
    await Desk(desk.journal, history, desk.out).ask(ReplyTo(elsewhere, None), bed="bed-9")
    assert [(topic, correlation) for topic, _, correlation in desk.out.given] == [
        (elsewhere, b"c-9"),
        (elsewhere, None),
    ]
    assert sealed == [elsewhere, elsewhere]
    await history.close()


async def test_a_flood_of_questions_is_let_go(desk: Desk) -> None:
    """Pins that no more wait than the bound, that who has nowhere to be answered is not, and that none of it raises."""
    for _ in range(RESERVE + WAITING + 20):
        desk.history.asked(json.dumps(ASKED).encode(), ReplyTo(None, None))
    assert len(desk.history._tasks) == WAITING
    desk.history.asked(b'{"id": "q", "bed": "bed-1"}', ReplyTo(None, None))
    desk.history.asked(b"\xff", ReplyTo(None, None))
    await asyncio.gather(*desk.history._tasks)
    assert len(desk.out.given) == WAITING
    assert desk.history.ignored == RESERVE + 22


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({"bed": "bed-9"}, "there is no bed 'bed-9'"),
        ({"bed": "Bed 1"}, "bed"),
        ({"from": 0}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-13-45T00:00:00.000Z"}, "from, to"),
        ({"to": -1}, "to"),
        ({"kinds": ["stop-asked", "secrets"]}, "kinds"),
        ({"kinds": ["subjects-remembered"]}, "kinds"),
        ({"kinds": ["sampled"], "from": 7}, "as times"),
        ({"kinds": ["sampled"], "to": 7}, "as times"),
        ({"resolution_s": -1}, "resolution_s"),
        ({"page": "7; DROP TABLE record"}, "page"),
        ({"colour": "red"}, "colour"),
        ({"id": ""}, "id"),
    ],
)
def test_a_question_that_is_wrong_is_answered_in_words(question: dict[str, Any], says: str) -> None:
    """Pins that each wrong question is refused, saying where, and that its asker is still found."""
    found = parse_history(json.dumps({**ASKED, **question}).encode(), BEDS)
    assert isinstance(found, Wrong)
    assert says in found.reason
    assert found.station == ("desk" if question.get("id") != "" else None)


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"x" * (LONGEST + 1)])
def test_nonsense_is_refused(payload: bytes) -> None:
    """Pins that what is no question at all is told so, within bounds."""
    found = parse_history(payload, BEDS)
    assert isinstance(found, Wrong)
    assert 0 < len(found.reason) < 400
    assert (found.id, found.station) == ("", None)
