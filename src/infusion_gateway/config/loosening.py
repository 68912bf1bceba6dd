"""Which hard limits a protocol loosens against the one that it extends: each, value against value, for people to read.

Hard is what nobody passes in a session, what stops the pump, and what proves that it has stopped. That a clinic loosens
one is for its medical lead to decide, who sees here what they sign.
"""

from collections.abc import Callable, Iterator

from infusion_gateway.config.quantities import show
from infusion_gateway.core.naming import NAMED_UNITS
from infusion_gateway.model.alarm import Response
from infusion_gateway.model.metric import FACTS, SECOND
from infusion_gateway.model.session import LimitCondition, Row, SessionProtocol, Side

_URGENCY = (Response.TELL, Response.STOP_UNLESS_HELD, Response.STOP)
_NUMBERS: tuple[tuple[str, Callable[[SessionProtocol], float], Callable[[float], str]], ...] = (
    ("dose.hard", lambda p: p.dose.hard_mg_per_kg, lambda v: f"{v:g} mg/kg"),
    ("dose.hard_absolute", lambda p: p.dose.hard_mg, lambda v: f"{v:g} mg"),
    ("max_rate", lambda p: p.max_rate_ml_h, lambda v: f"{v:g} mL/h"),
    ("time.max_duration", lambda p: p.max_duration, lambda v: show(int(v))),
    ("time.grace", lambda p: p.grace, lambda v: show(int(v))),
    ("time.wall", lambda p: p.wall, lambda v: show(int(v))),
    ("stop.retry_every", lambda p: p.retry_every, lambda v: show(int(v))),
    ("stop.confirm_within", lambda p: p.confirm_within, lambda v: show(int(v))),
    ("stop.countdown", lambda p: p.countdown, lambda v: show(int(v))),
    ("stop.hold_off", lambda p: p.hold_off, lambda v: show(int(v))),
    ("stop.dead_man", lambda p: p.dead_man_s * SECOND, lambda v: show(int(v))),
    ("stop.lockout_stops", lambda p: p.lockout_stops, lambda v: f"{v:g}"),
    ("stop.lockout_within", lambda p: -p.lockout_within, lambda v: show(int(-v))),
)
"""Key, value and how it is written; the greater value is the looser one."""


def loosened(own: SessionProtocol, base: SessionProtocol) -> tuple[str, ...]:
    """Say each hard limit that is looser than the base's, as KEY: OWN instead of BASE; () where none is."""
    numbers = (
        f"{key}: {written(of(own))} instead of {written(of(base))}"
        for key, of, written in _NUMBERS
        if of(own) > of(base)
    )
    return (*numbers, *_named(own, base), *_windows(own, base), *_outer(own, base), *_conditions(own, base))


def _named(own: SessionProtocol, base: SessionProtocol) -> Iterator[str]:
    """Compare what is allowed or wanted by name."""
    more = [f"{c:g}" for c in own.concentrations if c not in base.concentrations]
    if more:
        allowed = ", ".join(f"{c:g}" for c in base.concentrations)
        yield f"concentrations: {', '.join(more)} mg/mL beside or instead of {allowed} mg/mL"
    for metric in base.required_metrics:
        if metric not in own.required_metrics:
            yield f"required: no {FACTS[metric].word} instead of {FACTS[metric].word}"
    wanted = {gate.name for gate in own.gates if gate.required}
    for gate in base.gates:
        if gate.required and gate.name not in wanted:
            yield f"gate: {gate.name} not required instead of required"
    if _URGENCY.index(own.spo2_lost) < _URGENCY.index(base.spo2_lost):
        yield f"spo2_lost: {own.spo2_lost} instead of {base.spo2_lost}"
    if base.apnoea is not None and own.apnoea is None:
        yield "apnoea: not judged instead of judged"
    elif base.apnoea is not None and own.apnoea is not None:
        for key in ("sure", "alone"):
            mine, theirs = getattr(own.apnoea, key), getattr(base.apnoea, key)
            if mine > theirs:
                yield f"apnoea.{key}: {show(mine)} instead of {show(theirs)}"


def _windows(own: SessionProtocol, base: SessionProtocol) -> Iterator[str]:
    mine = {window.length: window for window in own.window_limits}
    for window in base.window_limits:
        at = f"window of {show(window.length)}"
        found = mine.get(window.length)
        if found is None:
            yield f"{at}: no limit instead of {window.hard_mg_per_kg:g} mg/kg and {window.hard_mg:g} mg"
            continue
        if found.hard_mg_per_kg > window.hard_mg_per_kg:
            yield f"{at}, hard: {found.hard_mg_per_kg:g} mg/kg instead of {window.hard_mg_per_kg:g} mg/kg"
        if found.hard_mg > window.hard_mg:
            yield f"{at}, hard_absolute: {found.hard_mg:g} mg instead of {window.hard_mg:g} mg"


def _outer(own: SessionProtocol, base: SessionProtocol) -> Iterator[str]:
    """Compare how far a limit may be set for one case. Of a code that is nowhere its next row decides."""
    known, units = dict(base.outer_limits), {c.code: _unit(c) for c in own.conditions}
    for code, limit in own.outer_limits:
        before = known.get(code)
        if before is not None and (limit < before if code.endswith("low") else limit > before):
            yield f"outer_limits.{code}: {limit:g}{units.get(code, '')} instead of {before:g}{units.get(code, '')}"


def _conditions(own: SessionProtocol, base: SessionProtocol) -> Iterator[str]:
    """Compare every limit that stops the pump: what it is, after what time, and in which phases it holds."""
    for condition in base.conditions:
        same = [one for one in own.conditions if one.code == condition.code]
        for row in condition.rows:
            if row.response is Response.TELL:
                continue
            phases: dict[str, list[str]] = {}
            for phase in sorted(condition.phases):
                there = [(r, one) for one in same if phase in one.phases for r in one.rows]
                if not any(_as_strict(mine, (row, condition)) for mine in there):
                    stopping = [_written(*mine) for mine in there if mine[0].response is not Response.TELL]
                    phases.setdefault(" and ".join(stopping) or "nothing that stops", []).append(phase)
            for said, where in phases.items():
                yield f"{condition.code} ({', '.join(where)}): {said} instead of {_written(row, condition)}"


def _as_strict(mine: tuple[Row, LimitCondition], theirs: tuple[Row, LimitCondition]) -> bool:
    row, before = mine[0], theirs[0]
    further = row.limit < before.limit if mine[1].side is Side.LOW else row.limit > before.limit
    beyond = row.limit == before.limit and _inclusive(*theirs) and not _inclusive(*mine)
    alike = row.over_baseline == before.over_baseline and row.confirm_within <= before.confirm_within
    firm = _URGENCY.index(row.response) >= _URGENCY.index(before.response)
    soon = row.delay <= before.delay and row.readings <= before.readings
    return alike and firm and soon and not further and not beyond


def _inclusive(row: Row, condition: LimitCondition) -> bool:
    return condition.inclusive if row.inclusive is None else row.inclusive


def _written(row: Row, condition: LimitCondition) -> str:
    past = "below" if condition.side is Side.LOW else "above"
    at = "at or " if _inclusive(row, condition) else ""
    over = "baseline + " if row.over_baseline else ""
    after = f" for {show(row.delay)}" if row.delay else ""
    confirmed = f", confirmed within {show(row.confirm_within)}" if row.confirm_within else ""
    return f"{row.response} {at}{past} {over}{row.limit:g}{_unit(condition)}{after}{confirmed}"


def _unit(condition: LimitCondition) -> str:
    unit = FACTS[condition.metrics[0]].unit
    return f" {NAMED_UNITS.get(unit, unit)}"
