"""JSON Schemas (2020-12) of what goes over MQTT: of the models, and of each event, derived from its class's fields."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum, IntEnum
from functools import cache
from inspect import getdoc
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from infusion_gateway.model.events import CaseOrdered
from infusion_gateway.wire.happenings import LENGTHS, POINTS, UNSEEN, WITHHELD, WITHIN, EventMessage
from infusion_gateway.wire.messages import Time
from infusion_gateway.wire.records import PUBLISHED, TYPES

Schema: TypeAlias = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
TIME: Schema = TypeAdapter(Time).json_schema()
NUMBER: Schema = {"type": ["number", "null"]}
"""Null stands for what JSON has no number for."""
SEAL: Schema = {
    "kid": {"type": "string", "description": "What the key is called that signed this."},
    "sig": {"type": "string", "description": "Ed25519, over the bytes before it (docs/security.md)."},
}
"""Where a gateway signs: the last two members."""
_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: NUMBER,
    types.NoneType: {"type": "null"},
}


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat a key."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's hook
        """Say that no key needs a title."""
        return False


def schema_of(name: str, model: type[BaseModel], *, sent: bool, sealed: bool = False) -> Schema:
    """Give the schema of a payload under its name in the contract. sent: by a gateway; else what it takes.

    sealed: it may be signed, with two members more (wire.sealing).
    """
    mode: Literal["serialization", "validation"] = "serialization" if sent else "validation"
    found = model.model_json_schema(mode=mode, by_alias=True, schema_generator=_Untitled)
    if sealed:
        found["properties"] = {**found["properties"], **SEAL}
    return _named(name, found)


def event_types() -> tuple[str, ...]:
    """Name every type of event that is ever published, in order."""
    return tuple(sorted({*PUBLISHED, WITHHELD}))


@cache
def event_schema(type_: str) -> Schema:
    """Give the whole schema of one type of event: the frame, and what its `data` holds."""
    frame = schema_of("event", EventMessage, sent=True)
    properties = {
        **frame["properties"],
        "type": {"const": type_, "type": "string"},
        "data": _withheld() if type_ == WITHHELD else _object(TYPES[type_], _hidden(TYPES[type_])),
    }
    description = "An event whose content stays behind." if type_ == WITHHELD else _first_line(TYPES[type_])
    return _named(f"event-{type_}", {**frame, "properties": properties, "description": description})


def _named(name: str, schema: Schema) -> Schema:
    """Put the dialect and the name in front."""
    return {**schema, "$schema": DIALECT, "$id": f"urn:igw:v1:{name}"}


def _withheld() -> Schema:
    text: Schema = {"type": "string"}
    return {"type": "object", "properties": {"type": text, "reason": text}, "required": ["type", "reason"]}


def _hidden(cls: type) -> Mapping[str, Any]:
    """Give the fields that stay inside."""
    if cls is CaseOrdered:
        return UNSEEN
    return {WITHIN[cls]: None} if cls in WITHIN else {}


def _object(cls: type, hidden: Mapping[str, Any]) -> Schema:
    """Give the schema of a dataclass as `happenings.event_data` writes it."""
    hints = get_type_hints(cls)
    properties = dict(_field(f.name, hints[f.name], hidden) for f in fields(cls) if f.name not in hidden)
    return {"type": "object", "description": _first_line(cls), "properties": properties, "required": list(properties)}


def _field(name: str, hint: Any, hidden: Mapping[str, Any]) -> tuple[str, Schema]:
    """Give a field's name and form on the wire: points of time as times, lengths in seconds."""
    nullable = types.NoneType in get_args(hint)
    if name in POINTS:
        return name, _either([TIME, {"type": "null"}] if nullable else [TIME])
    if name in LENGTHS:
        seconds: Schema = {"type": "number"}
        return f"{name}_s", _either([seconds, {"type": "null"}] if nullable else [seconds])
    return name, _form(hint, hidden)


def _form(hint: Any, hidden: Mapping[str, Any]) -> Schema:
    """Give the schema of a type of ours, as `records.plain` writes it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _either([_form(one, hidden) for one in arguments])
    if origin is frozenset or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):  # noqa: PLR2004 - tuple[X, ...]
        return {"type": "array", "items": _form(arguments[0], hidden)}
    if origin is tuple:
        inside = [_form(one, hidden) for one in arguments]
        return {"type": "array", "prefixItems": inside, "minItems": len(inside), "maxItems": len(inside)}
    if is_dataclass(hint) and isinstance(hint, type):
        return _object(hint, hidden)
    if isinstance(hint, type) and issubclass(hint, Enum):
        words = [one.name.lower() if issubclass(hint, IntEnum) else one.value for one in hint]
        return {"enum": words, "type": "string"}
    return _PLAIN[hint]


def _either(choices: list[Schema]) -> Schema:
    """Give the schema of one of several; plain types are written as one list."""
    if len(choices) == 1:
        return choices[0]
    if all(choice.keys() == {"type"} for choice in choices):
        names = [one for choice in choices for one in _listed(choice["type"])]
        return {"type": list(dict.fromkeys(names))}
    return {"anyOf": choices}


def _listed(one: Any) -> list[Any]:
    return one if isinstance(one, list) else [one]


def _first_line(cls: type) -> str:
    """Give the first sentence of a class's documentation, however many lines it takes."""
    return " ".join((getdoc(cls) or "").split("\n\n")[0].split())
