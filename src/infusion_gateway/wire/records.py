"""Events as JSON-able dicts and back, for the journal: derived from the `Event` union alone.

A type's name is its class name in kebab case. Decoding tolerates fields that it doesn't know (a newer gateway wrote
them) and missing ones that have a default (an older one did), so that a journal replays under older and newer code
alike. What can't be decoded becomes an `Unreadable`: a value for people to look at, never an exception in a replay.
"""

import math
import re
import types
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum, IntEnum
from functools import cache
from typing import Any, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

from infusion_gateway.model.events import AlarmsRemembered, Event, InstructionSigned, Sampled, SubjectsRemembered
from infusion_gateway.model.metric import Nanos

Body: TypeAlias = dict[str, Any]
"""A JSON object."""

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # JSON has no such numbers


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A recorded event that this version can't read: its type, what was stored, and why it can't be read."""

    type: str
    body: str
    why: str


@dataclass(frozen=True, slots=True)
class Record:
    """One durable fact. sequence: dense over the whole journal; bed_sequence: dense over a bed's published events.

    id: the same for ever, unique over all journals. at: on the monotone timeline of boot_id. utc_ns: the wall clock
    at that moment, as far as it was right.
    """

    sequence: int
    bed: str
    bed_sequence: int | None
    id: str
    boot_id: str
    at: Nanos
    utc_ns: int
    event: Event | Unreadable


def kebab(name: str) -> str:
    """Turn a class's name into the wire's: StopAsked -> stop-asked."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


TYPES: dict[str, type] = {kebab(cls.__name__): cls for cls in get_args(Event)}
"""Every event by its name on the wire."""

PUBLISHED: frozenset[str] = frozenset(TYPES) - {
    kebab(kept.__name__) for kept in (Sampled, SubjectsRemembered, AlarmsRemembered, InstructionSigned)
}
"""The names of the events that people are sent.

All but the readings, what is remembered of earlier patients and alarms, and instructions as they came.
"""


def type_name(event: Event | Unreadable) -> str:
    """Give the event's name on the wire."""
    return event.type if isinstance(event, Unreadable) else kebab(type(event).__name__)


def encode(event: Event) -> Body:
    """Give the event's fields as a JSON object, without its type. Total over the union."""
    return cast("Body", plain(event))


def decode(name: str, body: object) -> Event | Unreadable:
    """Make the event of that name from a JSON object, or say why it can't be made."""
    cls = TYPES.get(name)
    if cls is None:
        return Unreadable(name, repr(body)[:2000], "no event of this name is known to this version")
    try:
        return cast("Event", _decoder(cls)(body))
    except (TypeError, ValueError, KeyError, OverflowError) as why:
        return Unreadable(name, repr(body)[:2000], str(why)[:200])


def plain(value: object, *, finite: bool = False) -> Any:
    """Turn a value of our words into what JSON can hold: enums by value (priorities by name), tuples as lists.

    finite: numbers that JSON hasn't become null, as others read it; else their names, so that nothing is lost.
    """
    match value:
        case IntEnum():
            return value.name.lower()
        case Enum():
            return value.value
        case float() if not math.isfinite(value):
            return None if finite else next(name for name, number in _NON_FINITE.items() if str(number) == str(value))
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [plain(item, finite=finite) for item in value]
        case frozenset():
            return sorted((plain(item, finite=finite) for item in value), key=str)
        case _ if is_dataclass(value):
            return {f.name: plain(getattr(value, f.name), finite=finite) for f in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no form in the journal")


_Decoder: TypeAlias = Callable[[Any], Any]


@cache
def _decoder(hint: Any) -> _Decoder:
    """Make the function that turns JSON into a value of this type; raises TypeError or ValueError on a misfit."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union_decoder(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        item = _decoder(arguments[0])
        return lambda raw: tuple(item(one) for one in _listed(raw))
    if origin is tuple:
        return _pair_decoder(tuple(_decoder(one) for one in arguments))
    if origin is frozenset:
        item = _decoder(arguments[0])
        return lambda raw: frozenset(item(one) for one in _listed(raw))
    if is_dataclass(hint):
        return _dataclass_decoder(cast("type", hint))
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return lambda raw: hint[_exact(str, raw).upper()]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if hint is float:
        return _number
    if hint in (str, int, bool, types.NoneType):
        return lambda raw: _exact(hint, raw)
    raise TypeError(f"{hint} has no form in the journal")


def _dataclass_decoder(cls: type) -> _Decoder:
    """Give a decoder for a dataclass: unknown fields are passed over, missing ones take their default."""
    hints = get_type_hints(cls)
    known = [(f, _decoder(hints[f.name])) for f in fields(cls)]

    def decoded(raw: object) -> object:
        body = _exact(dict, raw)
        made: Body = {}
        for f, decoder in known:
            if f.name in body:
                try:
                    made[f.name] = decoder(body[f.name])
                except (TypeError, ValueError, KeyError) as why:
                    raise ValueError(f"{f.name}: {why}") from why
            elif f.default is MISSING and f.default_factory is MISSING:
                raise ValueError(f"{f.name} is missing")
        return cls(**made)

    return decoded


def _union_decoder(members: tuple[Any, ...]) -> _Decoder:
    """Give a decoder that takes the first member that fits; our unions are of a type and None, or of enums."""
    decoders = [_decoder(member) for member in members]

    def decoded(raw: object) -> object:
        problem = "fits nothing"
        for decoder in decoders:
            try:
                return decoder(raw)
            except (TypeError, ValueError, KeyError) as why:
                problem = str(why)
        raise ValueError(problem)

    return decoded


def _pair_decoder(decoders: tuple[_Decoder, ...]) -> _Decoder:
    """Give a decoder for a tuple of fixed length."""
    return lambda raw: tuple(one(item) for one, item in zip(decoders, _listed(raw), strict=True))


def _listed(raw: object) -> list[Any]:
    return cast("list[Any]", _exact(list, raw))


def _exact(kind: type, raw: object) -> Any:
    """Let the value through where it is of exactly this type: true is no number, 1.0 no count."""
    if type(raw) is not kind:
        raise TypeError(f"{str(raw)[:40]!r} where {kind.__name__} belongs")
    return raw


def _number(raw: object) -> float:
    """Let a number through as it is, and the names of those that JSON has no number for."""
    if isinstance(raw, str) and raw in _NON_FINITE:
        return _NON_FINITE[raw]
    if type(raw) not in (int, float):
        raise TypeError(f"{str(raw)[:40]!r} where a number belongs")
    return float(cast("float", raw))
