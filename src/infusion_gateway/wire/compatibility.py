"""Whether one JSON Schema can take another's place: for the promise that `igw/v1` stays what receivers were built on.

What a gateway sends may only become narrower (fewer values of a key, more keys), what it takes only wider. Both are one
question: is everything that fits the inner schema fit for the outer one? Answered for the keywords our schemas use.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
_WORDS = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "discriminator"})
"""What says nothing of which values fit."""
_KNOWN = _WORDS | {
    "$ref", "type", "enum", "const", "anyOf", "oneOf", "properties", "required", "additionalProperties", "items",
    "prefixItems", "propertyNames", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
}  # fmt: skip
_GONE = ": gone"
_LEAST = ("minimum", "minLength", "minItems")
_MOST = ("maximum", "maxLength", "maxItems")


def breaks(published: Schema, new: Schema, *, sent: bool) -> list[str]:
    """Say what would break those who rely on the published schema, one sentence each; empty: nothing.

    sent: it is of what a gateway sends; else of what it takes: there a key that was not named before was nobody's to
    say, and may come to mean something. ValueError for a keyword that is not known here.
    """
    inner, outer = (new, published) if sent else (published, new)
    found = _misfits(inner, outer, (inner, outer), "", 0)
    return [one for one in found if sent or not one.endswith(_GONE)]


def _misfits(inner: Schema, outer: Schema, roots: tuple[Schema, Schema], at: str, depth: int) -> Iterator[str]:
    """Find what fits the inner schema and not the outer. at: where, as key.key[]."""
    inner, outer = _resolved(inner, roots[0]), _resolved(outer, roots[1])
    where = at or "the payload"
    if depth > 32:  # noqa: PLR2004 - payloads are a few levels deep; a schema that holds itself ends here
        raise ValueError(f"{where}: a schema that holds itself can't be compared")
    if not outer.keys() - _WORDS:
        return
    branches = _branches(inner)
    if branches is not None:
        for branch in branches:
            yield from _misfits(branch, outer, roots, at, depth + 1)
        return
    choices = _branches(outer)
    if choices is not None:
        tried = [list(_misfits(inner, choice, roots, at, depth + 1)) for choice in choices]
        if all(tried):
            best = min(tried, key=len)
            yield best[0] if len(tried) == 1 else f"{where}: {_said(inner)} fits none of the {len(tried)} forms"
        return
    yield from _values(inner, outer, where)
    yield from _bounds(inner, outer, where)
    yield from _keys(inner, outer, roots, at, depth)
    yield from _items(inner, outer, roots, at, depth)


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follow a reference within its own document, and refuse what can't be judged."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    unknown = schema.keys() - _KNOWN
    if unknown:
        raise ValueError(f"keywords that can't be compared: {', '.join(sorted(unknown))}")
    return schema


def _branches(schema: Schema) -> list[Schema] | None:
    """Give the schemas that this one is a choice of; a list of types is one too."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return list(schema[key])
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": one} for one in schema["type"]]
    return None


def _values(inner: Schema, outer: Schema, where: str) -> Iterator[str]:
    """Compare type, listed values and pattern."""
    listed, allowed = _listed(inner), _listed(outer)
    if allowed is not None:
        more = None if listed is None else [value for value in listed if value not in allowed]
        if more is None:
            yield f"{where}: any {inner.get('type', 'value')} where only {allowed} fit"
        elif more:
            yield f"{where}: {more} beside {allowed}"
    elif "type" in outer:
        kinds = {_kind(value) for value in listed} if listed is not None else {inner.get("type", "any")}
        wrong = sorted(
            kind for kind in kinds if kind != outer["type"] and (kind, outer["type"]) != ("integer", "number")
        )
        if wrong:
            yield f"{where}: {' or '.join(wrong)} where {outer['type']} fits"
    if listed is None and "pattern" in outer and inner.get("pattern") != outer["pattern"]:
        yield f"{where}: another pattern"
    for value in () if listed is None else listed:
        if not _within(value, outer):
            yield f"{where}: {value!r} is out of its form or bounds"


def _listed(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _within(value: object, outer: Schema) -> bool:
    """Say whether one listed value keeps to the pattern and the bounds."""
    most = float("inf")
    match value:
        case str():
            fits = outer.get("minLength", 0) <= len(value) <= outer.get("maxLength", most)
            return fits and re.search(outer.get("pattern", ""), value) is not None
        case int() | float() if not isinstance(value, bool):
            return bool(outer.get("minimum", -most) <= value <= outer.get("maximum", most))
        case _:
            return True


def _kind(value: object) -> str:
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return kinds[type(value)]


def _bounds(inner: Schema, outer: Schema, where: str) -> Iterator[str]:
    if _listed(inner) is not None:
        return
    for key in _LEAST:
        if key in outer and inner.get(key, float("-inf")) < outer[key]:
            yield f"{where}: {key} {inner.get(key, 'none')} where it is {outer[key]}"
    for key in _MOST:
        if key in outer and inner.get(key, float("inf")) > outer[key]:
            yield f"{where}: {key} {inner.get(key, 'none')} where it is {outer[key]}"


def _keys(inner: Schema, outer: Schema, roots: tuple[Schema, Schema], at: str, depth: int) -> Iterator[str]:
    """Compare objects: which keys there must be, may be, and what they hold."""
    if inner.get("type") != "object":
        return
    has, wants = inner.get("properties", {}), outer.get("properties", {})
    rest, beyond = inner.get("additionalProperties", True), outer.get("additionalProperties", True)
    for key in outer.get("required", ()):
        if key not in inner.get("required", ()):
            yield f"{_join(at, key)}: not always there where it must be"
    for key, held in has.items():
        if key in wants:
            yield from _misfits(held, wants[key], roots, _join(at, key), depth + 1)
        elif beyond is False:
            yield f"{_join(at, key)}: there where it is not known"
        elif beyond is not True:
            yield from _misfits(held, beyond, roots, _join(at, key), depth + 1)
    if rest is not False:
        for key in wants.keys() - has.keys():
            yield f"{_join(at, key)}{_GONE}"
        if beyond is False:
            yield f"{at or 'the payload'}: any key where only named ones fit"
        elif isinstance(beyond, Mapping):
            yield from _misfits({} if rest is True else rest, beyond, roots, _join(at, "*"), depth + 1)
    if "propertyNames" in outer:
        names = inner.get("propertyNames", {"type": "string"})
        yield from _misfits(
            {"type": "string", **names}, {"type": "string", **outer["propertyNames"]}, roots, _join(at, "*"), depth + 1
        )


def _items(inner: Schema, outer: Schema, roots: tuple[Schema, Schema], at: str, depth: int) -> Iterator[str]:
    """Compare arrays, item by item where their places mean something."""
    if inner.get("type") != "array":
        return
    first, wanted = inner.get("prefixItems", []), outer.get("prefixItems", [])
    for place in range(max(len(first), len(wanted))):
        held = first[place] if place < len(first) else inner.get("items", {})
        want = wanted[place] if place < len(wanted) else outer.get("items", {})
        yield from _misfits(held, want, roots, f"{at}[{place}]", depth + 1)
    if "items" in outer and inner.get("maxItems", len(first) + 1) > len(first):
        yield from _misfits(inner.get("items", {}), outer["items"], roots, f"{at}[]", depth + 1)


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _said(schema: Schema) -> str:
    listed = _listed(schema)
    return str(listed) if listed is not None else str(schema.get("type", "any value"))
