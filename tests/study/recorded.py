"""The recorded patients of the BIDMC set through the same evaluation. Nobody has marked events in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infusion_gateway.model.observation import Validity
from infusion_simulators import recordings
from study.judging import LIMITS, Raised, Setting, alarms
from study.patients import Reading


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording: its name, its seconds, lowest value, seconds below each limit, and when each setting alarmed."""

    name: str
    seconds: int
    missing: int
    lowest: float
    below: tuple[int, ...]
    raised: dict[Setting, list[Raised]]


def readings(path: Path) -> list[Reading]:
    """Read a recording's SpO2, a value a second; ValueError where it isn't one."""
    return [
        Reading(value) if (value := one.values.get("spo2")) is not None else Reading(None, Validity.INVALID)
        for one in recordings.load(path)
    ]


def judge_recording(name: str, said: Sequence[Reading]) -> Recorded:
    """Put one recording through every setting."""
    values = [reading.value for reading in said if reading.value is not None]
    below = tuple(sum(value < percent for value in values) for percent in LIMITS)
    return Recorded(name, len(said), len(said) - len(values), min(values), below, alarms(said))


def judge_all(folder: Path) -> list[Recorded] | None:
    """Judge every recording of a folder, in the order of their names; None where it has none."""
    files = sorted(folder.glob("bidmc_*_Numerics.csv")) if folder.is_dir() else []
    return [judge_recording(file.stem.split("_")[1], readings(file)) for file in files] or None
