"""A bed's events as a station has them: in order, none twice, the newest of them, however they came."""

from bisect import insort
from dataclasses import dataclass, field
from typing import get_args

from infusion_gateway.model.metric import FACTS, Metric
from infusion_gateway.ward.shown import Happening
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.messages import PriorityName
from infusion_gateway.wire.stamps import words

MOST = 500
"""Events of a bed that are kept; older ones are the gateway's to tell."""
BEGINS, BASELINE = ("case-ordered", "case-received"), "baseline-taken"
_PRIORITIES = frozenset(get_args(PriorityName))
_WORDS = {metric.value: facts.word for metric, facts in FACTS.items()}


@dataclass(slots=True)
class Log:
    """What happened at a bed. baseline: by the metric's word, of the newest case. case_since: when that was ordered."""

    baseline: dict[str, float] = field(default_factory=dict)
    _rows: list[tuple[str, int, str]] = field(default_factory=list)
    """(when recorded, sequence, id), in order."""
    _by_id: dict[str, Happening] = field(default_factory=dict)
    case_since: str = ""
    _told_at: tuple[str, int] = ("", 0)
    """Of the newest event that says one of the two."""

    def add(self, gateway: str, bed: str, event: EventMessage) -> Happening | None:
        """Take an event; None where it was here before, or is older than all of a full log."""
        identity = event.id[:64]
        row = (event.recorded, event.sequence, identity)
        if identity in self._by_id or (len(self._rows) >= MOST and row < self._rows[0]):
            return None
        made = happening(gateway, bed, event)
        insort(self._rows, row)
        self._by_id[identity] = made
        if len(self._rows) > MOST:
            del self._by_id[self._rows.pop(0)[2]]
        if event.type in (*BEGINS, BASELINE) and row[:2] > self._told_at:
            self._told_at = row[:2]
            if event.type in BEGINS:
                self.case_since = event.recorded
            self.baseline = _baseline(event) if event.type == BASELINE else {}
        return made

    def since(self, at: str) -> list[Happening]:
        """Give what was recorded from a time on, in order."""
        return [self._by_id[identity] for when, _, identity in self._rows if when >= at]

    def newest(self, most: int) -> list[Happening]:
        """Give the newest, in order."""
        return [self._by_id[identity] for _, _, identity in self._rows[-most:]] if most else []


def happening(gateway: str, bed: str, event: EventMessage) -> Happening:
    """Write an event for the log: every text bounded and on one line."""
    data = event.data
    instruction, code, priority, by = (_text(data.get(key)) for key in ("instruction", "code", "priority", "by"))
    about = instruction or code or _text(data.get("phase"))
    title = f"{words(event.type, 40).replace('-', ' ')}{f': {about}' if about else ''}"
    return Happening(
        gateway=gateway,
        bed=bed,
        at=event.recorded,
        type=words(event.type, 40),
        title=title[:1].upper() + title[1:],
        text=words(_text(data.get("reason"), 500), 500),
        priority=priority if priority in _PRIORITIES else None,  # type: ignore[arg-type]  # one of its words
        code=code or None,
        by=by or None,
        late=event.late,
        sequence=event.sequence,
        id=words(event.id, 64),
    )


def _text(value: object, most: int = 64) -> str:
    return words(value, most) if isinstance(value, str) else ""


def _baseline(event: EventMessage) -> dict[str, float]:
    """Read the vital signs that limits over baseline refer to: pairs of the metric's identifier and a number."""
    values = event.data.get("values")
    found: dict[str, float] = {}
    for pair in values[: len(Metric)] if isinstance(values, list) else ():
        match pair:
            case [str() as metric, int() | float() as number] if metric in _WORDS:
                found[_WORDS[metric]] = float(number)
    return found
