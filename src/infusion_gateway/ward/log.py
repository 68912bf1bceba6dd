"""A bed's events as a station has them: in order, none twice, the newest of them, however they came."""

from bisect import insort
from collections.abc import Container
from dataclasses import dataclass, field
from typing import get_args

from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import FACTS
from infusion_gateway.model.session import Phase
from infusion_gateway.ward.shown import Happening
from infusion_gateway.wire.happenings import EventMessage
from infusion_gateway.wire.messages import PriorityName
from infusion_gateway.wire.stamps import words

MOST_PAIRS = 64
MOST = 500
"""Events of a bed that are kept; older ones are the gateway's to tell."""
MOST_STOPS = 40
STOP_ASKED = "stop-asked"
BEGINS, BASELINE, ASSESSED = ("case-ordered", "case-received"), "baseline-taken", "assessed"
OVER = (Phase.COMPLETED, Phase.STOPPED, Phase.RECOVERY)
"""Phases that begin once the pump was seen to stand for good."""
_PRIORITIES = frozenset(get_args(PriorityName))
_PHASES = frozenset(Phase)
_SCORES = frozenset(Score)
_WORDS = {metric.value: facts.word for metric, facts in FACTS.items()}


@dataclass(slots=True)
class Log:
    """What happened at a bed. baseline: by the metric's word, of the newest case. case_since: when that was ordered.

    assessed: when a person last entered each score, by its word; phases: when each phase last began.
    """

    assessed: dict[str, str] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)
    _rows: list[tuple[str, int, str]] = field(default_factory=list)
    """(when recorded, sequence, id), in order."""
    _by_id: dict[str, Happening] = field(default_factory=dict)
    case_since: str = ""
    _stops: list[Happening] = field(default_factory=list)
    """The newest that were asked for, of whatever case, in order."""
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
        if event.type == ASSESSED:
            for word, _ in _scores(event):
                self.assessed[word] = max(self.assessed.get(word, ""), _text(event.data.get("measured_at")))
        elif event.type == STOP_ASKED:
            insort(self._stops, made, key=lambda stop: (stop.at, stop.sequence))
            del self._stops[:-MOST_STOPS]
        elif event.type == "phase-changed":
            phase = _text(event.data.get("phase"), 20)
            if phase in _PHASES:
                self.phases[phase] = max(self.phases.get(phase, ""), event.recorded)
        if event.type in (*BEGINS, BASELINE) and row[:2] > self._told_at:
            self._told_at = row[:2]
            if event.type in BEGINS:
                self.case_since = event.recorded
            self.baseline = _baseline(event) if event.type == BASELINE else {}
        return made

    def stop(self) -> Happening | None:
        """Give the newest stop that was asked for in this case, unless it has infused again since.

        One that was asked for once it was over ended nothing: it gives way to what did.
        """
        begun = max(self.case_since, self.phases.get(Phase.INFUSING, ""))
        asked = [stop for stop in self._stops if stop.at >= begun]
        over = min((at for phase in OVER if (at := self.phases.get(phase, "")) >= begun and at), default=None)
        ended = [stop for stop in asked if over is None or stop.at <= over]
        return next(iter(reversed(ended or asked)), None)

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
        text=_entered(event) if event.type == ASSESSED else words(_text(data.get("reason"), 500), 500),
        priority=priority if priority in _PRIORITIES else None,  # type: ignore[arg-type]  # one of its words
        code=code or None,
        by=by or None,
        late=event.late,
        sequence=event.sequence,
        id=words(event.id, 64),
    )


def _entered(event: EventMessage) -> str:
    """Say what a person assessed and measured."""
    found = [*_scores(event), *((_WORDS[metric], value) for metric, value in _pairs(event, "vitals", _WORDS))]
    return words(", ".join(f"{word} {value:g}" for word, value in found), 500)


def _scores(event: EventMessage) -> list[tuple[str, float]]:
    return _pairs(event, "scores", _SCORES)


def _pairs(event: EventMessage, key: str, known: Container[str]) -> list[tuple[str, float]]:
    """Read pairs of a known word and a number."""
    listed = event.data.get(key)
    found: list[tuple[str, float]] = []
    for pair in listed[:MOST_PAIRS] if isinstance(listed, list) else ():
        match pair:
            case [str() as word, int() | float() as number] if word in known and not isinstance(number, bool):
                found.append((word, float(number)))
    return found


def _text(value: object, most: int = 64) -> str:
    return words(value, most) if isinstance(value, str) else ""


def _baseline(event: EventMessage) -> dict[str, float]:
    """Read the vital signs that limits over baseline refer to: pairs of the metric's identifier and a number."""
    return {_WORDS[metric]: value for metric, value in _pairs(event, "values", _WORDS)}
