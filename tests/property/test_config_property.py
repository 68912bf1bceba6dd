"""Whatever stands in a configuration or a protocol: it is read, or refused in words; nothing else comes of it."""

import contextlib
import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infusion_gateway.config import protocols
from infusion_gateway.config.load import load
from infusion_gateway.errors import ConfigError

ROOT = Path(__file__).parents[2]
JUNK: list[Any] = [
    *(
        0,
        -1,
        1.5,
        True,
        2**70,
        float("inf"),
        float("nan"),
        "",
        "x",
        "10 s",
        "-5 s",
        "0 %",
        "\x00x",
        "ü" * 50,
        "\x1b[2J",
    ),
    *([], {}, [[]], [1], {"a": 1}, ["spo2"], [{}], [{"id": "pump"}], {"spo2": ["pump"]}),
    *("mqtt://[", "mqtts://a..b", "socket://:0", "/", "..", "pump-line", "ne1000", "< 5 %", ">= baseline + 3 mmHg"),
]


def toml(value: Any) -> str:
    """Write a value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n".join(map(toml, value)) + "]"
    return (
        str(value).lower() if isinstance(value, bool) else json.dumps(value) if isinstance(value, str) else repr(value)
    )


def file(values: dict[str, Any], at: str = "") -> str:
    """Write values as a TOML file, with tables as people write them."""
    plain, tables = "", ""
    for key, value in values.items():
        name = json.dumps(key)
        if isinstance(value, dict) and value:
            tables += f"[{at}{name}]\n{file(value, f'{at}{name}.')}"
        elif (
            isinstance(value, list)
            and value
            and all(isinstance(v, dict) for v in value)
            and key not in {"rows", "steps"}
        ):
            tables += "".join(f"[[{at}{name}]]\n{file(v, f'{at}{name}.')}" for v in value)
        else:
            plain += f"{name} = {toml(value)}\n"
    return plain + tables


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give every place inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, found in inner:
        yield (*at, key)
        yield from places(found, (*at, key))


@pytest.mark.parametrize("name", ["bedside.toml", "protocols/depression-40.toml"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_is_read_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Pins that values of any kind in any place give settings, or a ConfigError that says the way out."""
    values = copy.deepcopy(tomllib.loads((ROOT / "config" / name).read_text()))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(places(values))))
        inside = values
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
    path = tmp_path / Path(name).name
    path.write_text(file(values))
    problems: tuple[Any, ...] = ()
    with contextlib.suppress(ConfigError):
        try:
            (load if name == "bedside.toml" else protocols.load)(path)
        except ConfigError as error:
            problems = error.problems
            raise
    assert all(p.remedy and p.problem and p.line >= 0 and str(p).isprintable() for p in problems)
    assert len({str(p) for p in problems}) == len(problems)


@pytest.mark.parametrize("name", ["bedside.toml", "protocols/depression-40.toml"])
def test_what_the_writer_above_writes_is_what_was_read(tmp_path: Path, name: str) -> None:
    """Pins that the unchanged files, written by this test's own writer, are read: the changes are what is refused."""
    values = tomllib.loads((ROOT / "config" / name).read_text())
    path = tmp_path / Path(name).name
    path.write_text(file(values))
    assert tomllib.loads(path.read_text()) == values
    assert (load if name == "bedside.toml" else protocols.load)(path) is not None
