"""Quantities: every unit, and every way of getting one wrong."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infusion_gateway.config import quantities
from infusion_gateway.config.quantities import Kind, QuantityError, duration, parse, seconds, show
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("40 min", 40 * MINUTE),
        ("40min", 40 * MINUTE),
        ("10 s", 10 * SECOND),
        (" 10\ts ", 10 * SECOND),
        ("250 ms", SECOND // 4),
        ("0.1 s", 100_000_000),
        ("1.5 h", 90 * MINUTE),
        ("0 s", 0),
        ("2 d", 48 * 60 * MINUTE),
        ("0.000000001 s", 1),
    ],
)
def test_lengths_of_time_are_exact(text: str, nanos: int) -> None:
    """Pins that a length of time becomes nanoseconds exactly, in every unit, spaces or none."""
    assert duration(text) == nanos
    assert seconds(text) == nanos / SECOND


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("12 mL/h", quantities.RATE, 12.0),
        ("2 mL/min", quantities.RATE, 120.0),
        ("5 mg/mL", quantities.CONCENTRATION, 5.0),
        ("0.5 mg/kg", quantities.DOSE_PER_WEIGHT, 0.5),
        ("35 mg", quantities.MASS, 35.0),
        ("35.5 mL", quantities.VOLUME, 35.5),
        ("70 kg", quantities.WEIGHT, 70.0),
        ("94 %", quantities.PERCENT, 94.0),
        ("160 mmHg", quantities.PRESSURE, 160.0),
        ("160 mm[Hg]", quantities.PRESSURE, 160.0),
        ("36.6 °C", quantities.TEMPERATURE, 36.6),
        ("50 /min", quantities.BEATS, 50.0),
        ("50 bpm", quantities.BEATS, 50.0),
        ("8 /min", quantities.BREATHS, 8.0),
    ],
)
def test_every_kind_in_its_base_unit(text: str, kind: Kind, value: float) -> None:
    """Pins what each kind of quantity is read as."""
    assert parse(text, kind) == value


@pytest.mark.requirement("S50", "S52")
@pytest.mark.parametrize(
    ("text", "kind", "problem", "remedy"),
    [
        (10, quantities.DURATION, "10 has no unit", "(ms, s, min, h, d)"),
        (0.5, quantities.MASS, "0.5 has no unit", '"35 mg"'),
        ("10", quantities.DURATION, "'10' has no unit", '"40 min"'),
        (True, quantities.DURATION, "a bool", '"40 min"'),
        (None, quantities.DURATION, "a NoneType", '"40 min"'),
        (["10 s"], quantities.DURATION, "a list", '"40 min"'),
        ("10 mL", quantities.DURATION, "a unit of a volume", "with its unit"),
        ("10 s", quantities.VOLUME, "a unit of a length of time", '"35 mL"'),
        ("150 lb", quantities.WEIGHT, "'lb' is no unit of a weight", "weigh in kilograms"),
        ("150 lbs", quantities.WEIGHT, "'lbs' is no unit", "weigh in kilograms"),
        ("500 µg", quantities.MASS, "no unit of a dose", "write mg"),
        ("500 mcg/mL", quantities.CONCENTRATION, "no unit of a concentration", "write mg"),
        ("1 %", quantities.CONCENTRATION, "no unit of a concentration", "10 mg/mL"),
        ("10 mg/h", quantities.RATE, "no unit of a rate", "the volume's rate"),
        ("20 kPa", quantities.PRESSURE, "no unit of a pressure", "7.5 mmHg"),
        ("98 F", quantities.TEMPERATURE, "no unit of a temperature", "Celsius"),
        ("10 fortnights", quantities.DURATION, "unknown unit 'fortnights'", '"40 min"'),
        ("10 S", quantities.DURATION, "unknown unit 'S'", '"40 min"'),
        ("0,5 mg", quantities.MASS, "the decimal sign is a point", '"35 mg"'),
        ("-5 s", quantities.DURATION, "'-5 s' is no quantity", '"40 min"'),
        ("1e3 s", quantities.DURATION, "no quantity", '"40 min"'),
        ("nan s", quantities.DURATION, "no quantity", '"40 min"'),
        ("inf s", quantities.DURATION, "no quantity", '"40 min"'),
        (".5 mg", quantities.MASS, "no quantity", '"35 mg"'),
        ("5. mg", quantities.MASS, "no quantity", '"35 mg"'),
        ("٣ s", quantities.DURATION, "no quantity", '"40 min"'),
        ("1 min 30 s", quantities.DURATION, "no quantity", '"40 min"'),
        ("", quantities.DURATION, "'' is no quantity", '"40 min"'),
        ("9" * 500 + " s", quantities.DURATION, "no quantity", '"40 min"'),
        ("0.0000001 ms", quantities.DURATION, "finer than a nanosecond", '"40 min"'),
    ],
)
def test_what_is_refused_names_the_way_out(text: object, kind: Kind, problem: str, remedy: str) -> None:
    """Pins that a bare number, another kind's unit, an unknown unit and a mistyped number are refused."""
    with pytest.raises(QuantityError) as caught:
        duration(text) if kind is quantities.DURATION else parse(text, kind)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert len(str(caught.value)) < 300


@given(st.text(max_size=60) | st.integers() | st.floats() | st.none() | st.binary(max_size=8))
def test_nothing_but_a_quantity_error_is_raised(text: object) -> None:
    """Pins that whatever stands in a file is either a finite number or a QuantityError, never another exception."""
    for kind in quantities.KINDS:
        value = 0.0
        with contextlib.suppress(QuantityError):
            value = parse(text, kind)
        assert 0 <= value < 1e24


@given(st.integers(0, 999_999_999), st.sampled_from(["ms", "s", "min", "h", "d"]))
def test_shown_times_read_back(count: int, unit: str) -> None:
    """Pins that a time is shown such that it reads back as itself."""
    nanos = duration(f"{count} {unit}")
    assert duration(show(nanos)) == nanos


def test_each_example_is_of_its_kind_and_of_no_other() -> None:
    """Pins that each kind's example is right, its schema's pattern agrees, and units tell kinds apart."""
    for kind in quantities.KINDS:
        parse(kind.example, kind)
        assert re.search(kind.pattern, kind.example)
        for other in quantities.KINDS:
            if not set(kind.units) & set(other.units):
                with pytest.raises(QuantityError):
                    parse(kind.example, other)


def test_every_metric_has_a_kind() -> None:
    """Pins that a limit of any metric can be written: each unit of the vocabulary has a kind."""
    assert {facts.unit for facts in FACTS.values()} <= set(quantities.BY_UNIT)
