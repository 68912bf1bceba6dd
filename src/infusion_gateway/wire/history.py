"""History on request: what a station missed, or a course of readings, bounded and paged (`…/do/history`).

A question names a bed, a stretch of it by time or by the bed's sequence, and kinds of events; `sampled` are the
readings. The answer is one page, to the station's answers topic; `next` of it, asked as `page`, gives what follows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from infusion_gateway.model.events import Sampled
from infusion_gateway.model.metric import FACTS, SECOND, Nanos
from infusion_gateway.wire.asking import Id, Name
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.messages import Part, Payload, Seconds, Time, ValidityName
from infusion_gateway.wire.records import PUBLISHED, Record, kebab
from infusion_gateway.wire.stamps import age, finite, rfc3339, words

SAMPLED = kebab(Sampled.__name__)
LONGEST = 4 * 1024
"""Bytes of a question."""
PAGE = 32 * 1024
"""Bytes of what a page holds, about: within the 64 KiB that our brokers take."""
RECORDS = 200
"""Events and samples of a page together."""
PAGES_PER_S, RESERVE = 5, 10
"""Questions that a gateway answers a second, and at once."""
LOOKED_AT = 50_000
"""Rows of the journal that are looked at for one page: one that found little may still have a next."""

Kind: TypeAlias = Literal[tuple(sorted({*PUBLISHED, SAMPLED}))]  # type: ignore[valid-type]  # made from the union of events
Sequence = Annotated[int, Field(ge=1, le=2**53)]
Edge: TypeAlias = Sequence | Time


class HistoryAsked(BaseModel):
    """`…/do/history`: a station asks for events or samples of a bed."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )

    id: Id
    """Of the question; its answer bears it."""
    station: Name | None = None
    """Where to answer when the message itself has no response topic (MQTT 3.1.1)."""
    time: Annotated[str, StringConstraints(max_length=40)] = ""
    bed: Name
    first: Annotated[Edge, Field(alias="from")] = 1
    """The first event, by the bed's sequence; or a time."""
    last: Annotated[Edge | None, Field(alias="to")] = None
    """The last event, by the bed's sequence; or a time; null: what is newest."""
    kinds: Annotated[list[Kind], Field(max_length=64)] = []  # see Kind
    """Types of events; `sampled`: the readings, asked for by time. Empty: every published event."""
    resolution_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 0
    """At most one sample in so many seconds; 0: each."""
    page: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{1,40}-[0-9]{1,18}$")] | None = None
    """`next` of the page before; none: the first."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What to look for. sequences, times (UTC nanoseconds): inclusive edges. after: a row of the journal named so."""

    bed: str
    kinds: frozenset[str]
    sequences: tuple[int, int]
    times: tuple[int, int]
    resolution: Nanos
    after: tuple[str, int] | None

    def holds(self, bed_sequence: int | None, utc_ns: int) -> bool:
        """Say whether a row of the bed lies within."""
        sequence = self.sequences[0] if bed_sequence is None else bed_sequence
        return self.sequences[0] <= sequence <= self.sequences[1] and self.times[0] <= utc_ns <= self.times[1]


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a question can't be answered, and the way out. id, station: as far as they could be read."""

    reason: str
    id: str = ""
    station: str | None = None


class SampledReading(Part):
    """One reading that decisions rested on."""

    metric: str
    """The metric's word, as in `vitals`."""
    mdc: str
    value: float | None
    unit: str
    """UCUM."""
    validity: ValidityName
    age_s: Seconds
    """From the measurement to the sample."""
    source: str


class Sample(Part):
    """The newest readings at one moment, as they were recorded: at most one a second."""

    time: Time
    values: list[SampledReading]
    delivery: Literal["stopped", "infusing", "kvo", "bolus", "unknown"]
    volume_ml: float | None
    """The pump's own counter."""
    delivered_ml: float | None
    """Since T0."""
    dose_mg: float | None
    """Since T0."""

    @classmethod
    def of(cls, sampled: Sampled, utc_ns: int) -> Self:
        """Write a recorded sample."""
        return cls(
            time=rfc3339(utc_ns),
            values=[
                SampledReading(
                    metric=FACTS[one.metric].word,
                    mdc=one.metric.value,
                    value=finite(one.value),
                    unit=FACTS[one.metric].unit.value,
                    validity=one.validity.value,
                    age_s=age(one.age) or 0.0,
                    source=one.device,
                )
                for one in sampled.values
            ],
            delivery=sampled.delivery.value,
            volume_ml=finite(sampled.volume_ml),
            delivered_ml=finite(sampled.delivered_ml),
            dose_mg=finite(sampled.dose_mg),
        )


class HistoryPage(Payload):
    """`…/stations/{station}/answers`: a page of a bed's history."""

    id: str
    """The question's."""
    bed: str
    journal: str
    """The journal's name, the first part of its events' ids: a sequence counts within one journal."""
    oldest: int | None
    """The bed's first event that the journal still holds, by its sequence; null: none."""
    events: list[EventMessage]
    """In order, each as it is published."""
    samples: list[Sample]
    next: str | None
    """Ask with it as `page` for what follows; null: this was all."""
    refused: str
    """Why there is nothing here, in words; empty: answered."""

    @classmethod
    def refusing(cls, wrong: Wrong, bed: str, utc_ns: int) -> Self:
        """Say why a question is not answered."""
        why = words(wrong.reason, 500)
        return cls(
            time=rfc3339(utc_ns),
            id=wrong.id,
            bed=bed,
            journal="",
            oldest=None,
            events=[],
            samples=[],
            next=None,
            refused=why,
        )


class PageWriter:
    """Fills one page, up to its bounds."""

    def __init__(self, source: str, *, now: Nanos, utc_ns: int, boot_id: str) -> None:
        self._source, self._now, self._utc_ns, self._boot_id = source, now, utc_ns, boot_id
        self.events: list[EventMessage] = []
        self.samples: list[Sample] = []
        self._bytes = 0

    def add(self, record: Record) -> bool:
        """Take a record where it still fits; false: the page is full. The first one always fits."""
        made = (
            Sample.of(record.event, record.utc_ns)
            if isinstance(record.event, Sampled)
            else EventMessage.bounded(record, self._source, now=self._now, utc_ns=self._utc_ns, boot_id=self._boot_id)
        )
        size = len(made.model_dump_json())
        held = len(self.events) + len(self.samples)
        if held and (held >= RECORDS or self._bytes + size > PAGE):
            return False
        self._bytes += size
        if isinstance(made, Sample):
            self.samples.append(made)
        else:
            self.events.append(made)
        return True

    def page(self, identity: str, bed: str, journal: str, oldest: int | None, follows: int | None) -> bytes:
        """Write the page. follows: the last row of the journal that was looked at, where there may be more."""
        return HistoryPage(
            time=rfc3339(self._utc_ns),
            id=identity,
            bed=bed,
            journal=journal,
            oldest=oldest,
            events=self.events,
            samples=self.samples,
            next=None if follows is None else f"{journal}-{follows}",
            refused="",
        ).to_bytes()


def parse_history(payload: bytes, beds: Iterable[str]) -> tuple[HistoryAsked, Stretch] | Wrong:
    """Read a question that anybody may have sent, and say what to look for; or why it can't be answered."""
    if len(payload) > LONGEST:
        return Wrong(f"The question has {len(payload)} bytes. At most {LONGEST} are read")
    try:
        asked = HistoryAsked.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = words(".".join(str(part) for part in first["loc"]), 60) or "the question"
        return Wrong(f"{where}: {first['msg'][:120]}. Correct it", *_known(payload))
    if asked.bed not in beds:
        return Wrong(f"there is no bed {asked.bed!r}; there are {', '.join(beds)}", asked.id, asked.station)
    by_sequence = isinstance(asked.first, int) and asked.first > 1
    if SAMPLED in asked.kinds and (by_sequence or isinstance(asked.last, int)):
        why = "sampled: readings have no sequence of the bed. Give from and to as times"
        return Wrong(why, asked.id, asked.station)
    try:
        return asked, _stretch(asked)
    except ValueError as error:
        return Wrong(f"from, to: {error}. Write a time as 2026-11-22T07:15:00.000Z", asked.id, asked.station)


def _stretch(asked: HistoryAsked) -> Stretch:
    sequences, times = (1, 2**53), (0, 2**63 - 1)
    if isinstance(asked.first, int):
        sequences = (asked.first, sequences[1])
    else:
        times = (_utc_ns(asked.first), times[1])
    if isinstance(asked.last, int):
        sequences = (sequences[0], asked.last)
    elif asked.last is not None:
        times = (times[0], _utc_ns(asked.last) + SECOND // 1000 - 1)
    after = None
    if asked.page is not None:
        journal, _, row = asked.page.rpartition("-")
        after = (journal, int(row))
    kinds = frozenset(asked.kinds) or PUBLISHED
    return Stretch(asked.bed, kinds, sequences, times, round(asked.resolution_s * SECOND), after)


def _utc_ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000) * (SECOND // 1000)


class _Named(BaseModel):
    """What is needed of a question that is wrong, so that its refusal finds the asker."""

    id: Id = ""
    station: Name | None = None


def _known(payload: bytes) -> tuple[str, str | None]:
    try:
        found = _Named.model_validate_json(payload)
    except ValidationError:
        return "", None
    return found.id, found.station
