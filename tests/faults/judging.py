"""What a bed's record, its witness, its people and its pump say of each other after the faults."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from faults.witness import Witness
from infusion_gateway.core.durable import Durable
from infusion_gateway.core.evolve import evolve
from infusion_gateway.errors import JournalError
from infusion_gateway.model.events import (
    CaseConfirmed,
    CaseOrdered,
    ConditionCleared,
    InfusionStarted,
    InstructionAccepted,
)
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.journal_store import FILE, Reader
from infusion_gateway.wire.records import Record, Unreadable

BEYOND: Nanos = (8 + 15 + 3) * SECOND
"""A pump may run so long after its case's end, whatever breaks: test-short's grace, its dead man, and a look."""
TOLERANCE_S = 0.25
"""An end is told in UTC, from a wall clock that is read anew by each process."""
SHOWN = 5
"""Of one kind of wrong, so many are shown."""


@dataclass
class Found:
    """What came of it; `wrong` empty: nothing lost, nothing invented, every deadline kept."""

    recorded: int = 0
    heard: int = 0
    repeats: int = 0
    lost: int = 0
    invented: int = 0
    accepted: int = 0
    sessions: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class End:
    """An end that a case had for a while: on the boot's timeline, in UTC, and that it was the last."""

    case: str
    at: Nanos
    utc_s: float
    known_at: Nanos


def judged(
    state: Path,
    witness: Witness,
    accepted: Mapping[str, str],
    truth: Sequence[tuple[Nanos, bool]],
    *,
    through: int | None,
    stepped: bool,
) -> Found:
    """Judge. accepted: instructions by id that were answered so. truth: when the pump was looked at, and if it ran.

    through: what was recorded later had no time to be told; None: all of it had.
    """
    found, reader = Found(), Reader(state)
    try:
        reader.verify()
    except JournalError as error:
        found.wrong.append(str(error))
    found.wrong += [f"set aside: {p.name}" for p in state.glob(f"{FILE}.*-*") if not p.name.endswith(("-wal", "-shm"))]
    records = list(reader.records())
    recorded = published(records)
    lost = witness.missing(published([r for r in records if through is None or r.sequence <= through]))
    invented = set(witness.events) - set(recorded)
    found.recorded, found.heard, found.repeats = len(recorded), len(witness.events), witness.repeats
    found.lost, found.invented, found.accepted = len(lost), len(invented), len(accepted)
    found.sessions = sum(isinstance(r.event, InfusionStarted) for r in records)
    found.wrong += [f"never heard: {one}" for one in lost[:SHOWN]]
    found.wrong += [f"not on record: {one}" for one in sorted(invented)[:SHOWN]]
    found.wrong += witness.wrong[:SHOWN]
    found.wrong += _answers(records, accepted) + _once(records) + _alarms(records, witness)
    ends = list(_ends(records))
    found.wrong += _ran_on(ends, records, truth)
    if not stepped:
        found.wrong += _told_ends(ends, witness)
    return found


def published(records: Sequence[Record]) -> list[str]:
    """Give the ids of the records that people are sent."""
    return [record.id for record in records if record.bed_sequence is not None]


def _answers(records: Sequence[Record], accepted: Mapping[str, str]) -> list[str]:
    """Hold what was answered as accepted against the record: each is there, each once."""
    there = Counter(r.event.id for r in records if isinstance(r.event, InstructionAccepted))
    wrong = [f"{name} was answered and is not on record" for one, name in accepted.items() if not there[one]]
    return wrong + [f"instruction {one} is on record {n} times" for one, n in there.items() if n > 1]


def _once(records: Sequence[Record]) -> list[str]:
    """Say which things that can happen once in a case are on record twice, and what can't be read."""
    wrong, case = [], ""
    happened: Counter[tuple[str, str]] = Counter()
    for record in records:
        if isinstance(record.event, Unreadable):
            wrong.append(f"row {record.sequence} can't be read")
        if isinstance(record.event, CaseOrdered):
            case = record.event.case
        if isinstance(record.event, CaseOrdered | CaseConfirmed | InfusionStarted):
            happened[case, type(record.event).__name__] += 1
    return wrong + [f"{what} twice in case {of}" for (of, what), n in happened.items() if n > 1]


def _ends(records: Sequence[Record]) -> Iterator[End]:
    """Give every end that a case had by the record: at T0, and moved by as long as it was paused."""
    durable, last = Durable(), None
    for record in records:
        if isinstance(record.event, Unreadable):
            continue
        durable = evolve(durable, record.event, record.at)
        case = durable.case
        if case is not None and case.ends_at is not None and (case.id, case.ends_at) != last:
            last = case.id, case.ends_at
            yield End(case.id, case.ends_at, (case.ends_at + record.utc_ns - record.at) / SECOND, record.at)


def _ran_on(ends: Sequence[End], records: Sequence[Record], truth: Sequence[tuple[Nanos, bool]]) -> list[str]:
    """Say where the pump really ran long after a case's last end, before the next one was confirmed, and so begun."""
    armed = [r.at for r in records if isinstance(r.event, CaseConfirmed)]
    wrong = []
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        if following is not None and following.case == end.case:
            continue
        until = min((at for at in armed if at > end.known_at), default=1 << 62)
        late = [at for at, runs in truth if runs and end.at + BEYOND < at < until]
        wrong += [f"case {end.case}: the pump ran {(max(late) - end.at) / SECOND:.1f} s beyond its end"] if late else []
    return wrong


def _told_ends(ends: Sequence[End], witness: Witness) -> list[str]:
    """Say which end people were told that the record doesn't know."""
    known: dict[str, list[float]] = {}
    for end in ends:
        known.setdefault(end.case, []).append(end.utc_s)
    told = {(s["case"], s["ends_at"]) for _, s in witness.sessions if s["ends_at"] is not None}
    return [
        f"case {case} was told to end at {at}, which is not on record"
        for case, at in sorted(told)
        if all(abs(datetime.fromisoformat(at).timestamp() - one) > TOLERANCE_S for one in known.get(case, []))
    ]


def _alarms(records: Sequence[Record], witness: Witness) -> list[str]:
    """Say which alarm lost its acknowledgement, or was gone without having ended."""
    wrong: list[str] = []
    cleared = Counter(r.event.code for r in records if isinstance(r.event, ConditionCleared))
    gone: Counter[str] = Counter()
    before: dict[str, dict[str, Any]] = {}
    for _, message in witness.alarms:
        now = {a["instance"]: a for a in message["alarms"] if a["kind"] == "physiological"}
        for instance, alarm in before.items():
            again = now.get(instance)
            said = {a["text"] for a in now.values() if a["code"] == alarm["code"]}
            gone[alarm["code"]] += again is None and not said - {alarm["text"]}  # in other words it is another alarm
            if again and alarm["acknowledged_by"] and again["priority"] == alarm["priority"]:
                wrong += [] if again["acknowledged_by"] else [f"{alarm['code']} lost its acknowledgement"]
        before = now
    return wrong + [f"{code} was gone {n} times" for code, n in gone.items() if n > cleared[code]]
