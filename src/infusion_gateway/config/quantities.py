"""Quantities: every number that people write has its unit ("40 min", "5 mg/mL", "12 mL/h", "0.5 mg/kg", "94 %").

A bare number, a unit of another kind and an unknown unit are refused, each with the way out. Lengths of time become
nanoseconds (Nanos); everything else a float in the unit that the kind is named by. Exact decimal arithmetic: "0.1 s"
is 100,000,000 ns.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from infusion_gateway.model.metric import SECOND, Nanos, Unit

LONGEST = 40
"""Characters that a quantity may have."""

_WRITTEN = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)[ \t]*(?P<unit>[^\s0-9][^\s]{0,15})?", re.ASCII)


class QuantityError(ValueError):
    """Not a quantity of the kind that is wanted: what is wrong, and the way out."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Kind:
    """A kind of quantity: units as people write them, each with its factor to the base unit, and an example.

    advice: for units that people write by mistake, what to do instead.
    """

    name: str
    units: Mapping[str, Decimal]
    example: str
    advice: Mapping[str, str]

    @property
    def pattern(self) -> str:
        """Give the regular expression that JSON Schemas carry; the parser says more, and refuses no less."""
        units = "|".join(re.escape(u) for u in self.units)
        return rf"^[0-9]{{1,9}}(\.[0-9]{{1,9}})?[ \t]*({units})$"


def _kind(name: str, example: str, advice: Mapping[str, str] | None = None, /, **units: str) -> Kind:
    return Kind(name, {u: Decimal(f) for u, f in units.items()}, example, advice or {})


_WRITE_ML = "Microlitres are easily misread: write mL"
_WRITE_MG = "Micrograms are easily misread: write mg"

DURATION = _kind(
    "a length of time", "40 min", ms="1000000", s="1000000000", min="60000000000", h="3600000000000", d="86400000000000"
)
VOLUME = _kind("a volume", "35 mL", {"ul": _WRITE_ML, "µl": _WRITE_ML}, mL="1", ml="1")
RATE = _kind(
    "a rate of infusion",
    "52.5 mL/h",
    {"mg/h": "Write the volume's rate; the dose follows from the concentration"},
    **{"mL/h": "1", "ml/h": "1", "mL/min": "60", "ml/min": "60"},
)
MASS = _kind("a dose", "35 mg", {"ug": _WRITE_MG, "µg": _WRITE_MG, "mcg": _WRITE_MG}, mg="1")
DOSE_PER_WEIGHT = _kind(
    "a dose for each kilogram", "0.5 mg/kg", {"mg/lb": "Weight is in kilograms here"}, **{"mg/kg": "1"}
)
CONCENTRATION = _kind(
    "a concentration",
    "1 mg/mL",
    {"%": "1 percent is 10 mg/mL: write mg/mL", "ug/ml": _WRITE_MG, "µg/ml": _WRITE_MG, "mcg/ml": _WRITE_MG},
    **{"mg/mL": "1", "mg/ml": "1"},
)
WEIGHT = _kind(
    "a weight",
    "70 kg",
    dict.fromkeys(("lb", "lbs", "pounds"), "Pounds taken for kilograms double a dose: weigh in kilograms"),
    kg="1",
)
PERCENT = _kind("a percentage", "94 %", {"percent": 'Write the sign, like "94 %"'}, **{"%": "1"})
PRESSURE = _kind(
    "a pressure", "160 mmHg", {"kpa": "1 kPa is 7.5 mmHg: write mmHg"}, **{"mmHg": "1", Unit.MMHG.value: "1"}
)
TEMPERATURE = _kind(
    "a temperature", "38 °C", {"°f": "Write degrees Celsius", "f": "Write degrees Celsius"}, **{"°C": "1", "Cel": "1"}
)
BEATS = _kind("a pulse or heart rate", "50 /min", **{"/min": "1", "bpm": "1", Unit.BEATS_PER_MIN.value: "1"})
BREATHS = _kind("a respiratory rate", "10 /min", **{"/min": "1", Unit.BREATHS_PER_MIN.value: "1"})

KINDS = (
    *(DURATION, VOLUME, RATE, MASS, DOSE_PER_WEIGHT, CONCENTRATION, WEIGHT),
    *(PERCENT, PRESSURE, TEMPERATURE, BEATS, BREATHS),
)
BY_UNIT: Mapping[Unit, Kind] = {
    Unit.PERCENT: PERCENT,
    Unit.BEATS_PER_MIN: BEATS,
    Unit.BREATHS_PER_MIN: BREATHS,
    Unit.MMHG: PRESSURE,
    Unit.CELSIUS: TEMPERATURE,
    Unit.ML_PER_H: RATE,
    Unit.ML: VOLUME,
    Unit.SECOND: DURATION,
}
"""The kind of a metric's unit."""


def parse(text: object, kind: Kind) -> float:
    """Read a quantity of this kind, in its base unit (the one with factor 1); QuantityError says the way out."""
    return float(_exact(text, kind))


def duration(text: object) -> Nanos:
    """Read a length of time, in nanoseconds; a part of a nanosecond is refused."""
    nanos = _exact(text, DURATION)
    if nanos != nanos.to_integral_value():
        raise QuantityError(f"{text!r} is finer than a nanosecond", _like(DURATION))
    return int(nanos)


def seconds(text: object) -> float:
    """Read a length of time, in seconds."""
    return duration(text) / SECOND


def _like(kind: Kind) -> str:
    if kind is DURATION:
        return f'Write {kind.name} with its unit (ms, s, min, h, d), like "{kind.example}"'
    return f'Write {kind.name} with its unit, like "{kind.example}"'


def _exact(text: object, kind: Kind) -> Decimal:
    if isinstance(text, bool) or not isinstance(text, int | float | str):
        raise QuantityError(f"this is no quantity but a {type(text).__name__}", _like(kind))
    if not isinstance(text, str):
        raise QuantityError(f"{str(text)[:LONGEST]} has no unit", _like(kind))
    text = text.strip()
    found = _WRITTEN.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        point = " (the decimal sign is a point)" if re.search(r"[0-9],[0-9]", text[:LONGEST]) else ""
        raise QuantityError(f"{text[:LONGEST]!r} is no quantity{point}", _like(kind))
    unit = found["unit"]
    if unit is None:
        raise QuantityError(f"{text!r} has no unit", _like(kind))
    if unit not in kind.units:
        raise _wrong_unit(unit, kind)
    return Decimal(found["number"]) * kind.units[unit]


def _wrong_unit(unit: str, kind: Kind) -> QuantityError:
    if advice := kind.advice.get(unit.lower()):
        return QuantityError(f"{unit!r} is no unit of {kind.name} here", advice)
    other = next((k for k in KINDS if unit in k.units), None)
    if other is not None:
        return QuantityError(f"{unit!r} is a unit of {other.name}, not of {kind.name}", _like(kind))
    return QuantityError(f"unknown unit {unit!r}", _like(kind))


def show(nanos: Nanos) -> str:
    """Write a length of time as people do: the greatest unit that leaves a whole number ("90 s", "40 min")."""
    for unit in ("d", "h", "min", "s", "ms"):
        count, rest = divmod(nanos, int(DURATION.units[unit]))
        if rest == 0:
            return f"{count} {unit}"
    return f"{nanos / 1_000_000:g} ms"
