"""Arbitrary values of the gateway's own words, for property tests: derived from the dataclasses' fields."""

import types
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

TEXT = st.text(max_size=30)
WHOLE = st.integers(0, 2**50)
NUMBERS = st.floats(allow_nan=False)


def anything(hint: Any, numbers: st.SearchStrategy[float] = NUMBERS, **given: st.SearchStrategy[Any]) -> Any:
    """Give a strategy for a type: a dataclass (fields may be given), an enum, a tuple, a set, a union, a plain one."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of([anything(one, numbers) for one in arguments])
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return st.lists(anything(arguments[0], numbers), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*(anything(one, numbers) for one in arguments))
    if origin is frozenset:
        return st.frozensets(anything(arguments[0], numbers), max_size=4)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        parts = {f.name: given.get(f.name, anything(hints[f.name], numbers)) for f in fields(hint)}
        return st.builds(hint, **parts)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    plain = {str: TEXT, int: WHOLE, float: numbers, bool: st.booleans(), types.NoneType: st.none()}
    return plain[hint]
