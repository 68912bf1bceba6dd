"""The NE-1000's numbers: at most four digits and a point, at most three of them behind it. Manual #1200-01 p. 33.

Kept as whole thousandths, so that what the pump holds is exactly what it prints.
"""

import math
import re
from dataclasses import dataclass

DIGITS, DECIMALS = 4, 3
RATE_NL_H = {"UH": 1, "UM": 60, "MH": 1000, "MM": 60_000}
"""What a thousandth of a rate's unit is in nL/h. M or U: mL or microlitre; M or H: a minute or an hour."""
SMALL_SYRINGE_MM = 14.0
"""Up to this diameter volumes are in microlitres, above it in millilitres (manual #1200-01, VOL)."""
FASTEST_MM_H, SLOWEST_MM_H = 51.005 * 60, 0.04205
"""The plunger's speed: at most 5.1005 cm/min, 1699 mL/h of a 60 mL syringe; at least 0.004205 cm/h (data sheet)."""
_NUMBER = re.compile(r"(\d*)\.?(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as the pump holds it, in thousandths, and its unit."""

    milli: int
    unit: str

    def text(self) -> str:
        """Print it: 1.205, 12.05, 120.5, 1205. with its unit."""
        return digits(self.milli) + self.unit

    def rate_ml_h(self) -> float:
        """Give a rate in mL/h."""
        return self.milli * RATE_NL_H[self.unit] / 1_000_000

    def volume_ml(self) -> float:
        """Give a volume in mL."""
        return self.milli / (1000 if self.unit == "ML" else 1_000_000)


def parse(text: str) -> int | None:
    """Read a number into thousandths; None where it is none, or has more digits than the pump can hold."""
    match = _NUMBER.fullmatch(text)
    if match is None or not 0 < len(match[1] + match[2]) <= DIGITS or len(match[2]) > DECIMALS:
        return None
    return int(match[1] or "0") * 1000 + int(match[2].ljust(DECIMALS, "0"))


def digits(milli: int) -> str:
    """Print thousandths in four digits, cut off (a counter shows only what is complete), 0.000 to 9999."""
    for decimals in (3, 2, 1, 0):
        shown = milli // 10 ** (DECIMALS - decimals)
        if shown < 10**DIGITS:
            text = str(shown).rjust(decimals + 1, "0")
            return f"{text[: len(text) - decimals]}.{text[len(text) - decimals :]}"
    raise ValueError(f"{milli} thousandths don't fit into four digits")


def held(key: str, value: float, unit: str) -> Quantity:
    """Round to the nearest that the pump can hold; ValueError, naming the key, for what needs more digits."""
    for decimals in (3, 2, 1, 0) if abs(value) < 10**DIGITS else ():  # beyond it may overflow on its way to digits
        shown = round(value * 10**decimals)
        if 0 <= shown < 10**DIGITS:
            return Quantity(shown * 10 ** (DECIMALS - decimals), unit)
    raise ValueError(f"{key}: {value:g} does not fit into the pump's four digits")


def counter(nl: int, unit: str) -> str:
    """Print a volume counter of whole nL in its unit; it begins anew after 9999."""
    milli = nl // 1000 if unit == "ML" else nl
    return digits(milli % (1000 * 10**DIGITS))


def volume_unit(diameter_mm: float) -> str:
    """Give the unit of volumes with that syringe, ML or UL."""
    return "UL" if diameter_mm <= SMALL_SYRINGE_MM else "ML"


def rate_limits_ml_h(diameter_mm: float) -> tuple[float, float]:
    """Give the slowest and the fastest rate of a syringe, mL/h: plunger speed times area."""
    area_mm2 = math.pi * (diameter_mm / 2) ** 2
    return area_mm2 * SLOWEST_MM_H / 1000, area_mm2 * FASTEST_MM_H / 1000
