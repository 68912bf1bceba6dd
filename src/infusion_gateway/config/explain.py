"""From pydantic's errors to problems that a person can act on: which line, which key, what is wrong, the way out."""

import difflib
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from infusion_gateway.config.document import Key, Report

Model = TypeVar("Model", bound=BaseModel)


def part(model: type[Model], raw: Any, at: Key, report: Report) -> Model | None:
    """Read one table of the file; None, and its problems in the report, where it isn't one. at: where it stands."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _add(model, detail, at, report)
        return None


def unknown(key: str, known: Mapping[str, Any]) -> tuple[str, str]:
    """Say that a key is not known here, and which one was probably meant."""
    near = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1)
    if near:
        return "unknown key", f"Did you mean `{near[0]}`?"
    return "unknown key", f"Known here: {', '.join(known)}"


def _add(model: type[BaseModel], detail: ErrorDetails, at: Key, report: Report) -> None:
    inside = tuple(p for p in detail["loc"] if not (isinstance(p, str) and p.startswith("[")))
    context = detail.get("ctx", {})
    key = at + inside
    match detail["type"]:
        case "extra_forbidden":
            owner = _owner(model, inside)
            report.add(key, *unknown(str(inside[-1]), owner.model_fields if owner else {}))
        case "missing":
            report.add(key, "this key is missing", f"Add {_like(model, inside)}")
        case "wrong":
            report.add(key, str(context["problem"]), str(context["remedy"]))
        case _:
            said = detail["msg"].removeprefix("Input").strip()
            report.add(key, said[:1].lower() + said[1:], f"Write {_like(model, inside)}")


def _like(model: type[BaseModel], inside: Key) -> str:
    """Give an example of a key in TOML, and what it means."""
    found = _field(model, inside)
    if found is None:
        return "what the documentation of the configuration says"
    named, field = found
    meaning = f" ({(field.description or '').split('. ')[0].rstrip('.')})" if field.description else ""
    if field.examples:
        return f"`{named} = {toml(field.examples[0])}` or the like{meaning}"
    return f"`{named}`{meaning}"


def toml(value: Any) -> str:
    """Write a value as TOML, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list() | tuple():
            return f"[{', '.join(toml(v) for v in value)}]"
        case dict():
            return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
        case _:
            return str(value)


def _field(model: type[BaseModel], inside: Key) -> tuple[str, FieldInfo] | None:
    """Find the field that a place belongs to, and its name: the deepest one that is known."""
    found: tuple[str, FieldInfo] | None = None
    current: type[BaseModel] | None = model
    for name in inside:
        if isinstance(name, int):
            continue
        if current is None or name not in current.model_fields:
            break
        field = current.model_fields[name]
        found = name, field
        current = _model_in(field.annotation)
    return found


def _owner(model: type[BaseModel], inside: Key) -> type[BaseModel] | None:
    """Find the model that a place's last name is a key of."""
    current: type[BaseModel] | None = model
    for name in inside[:-1]:
        if isinstance(name, str) and current is not None:
            field = current.model_fields.get(name)
            current = _model_in(field.annotation) if field else None
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        if found := _model_in(inner):
            return found
    return None
