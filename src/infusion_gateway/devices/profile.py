"""What a Modbus register map says: blocks, fields, how to stop it, its dead man. The words of a profile's TOML file."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from infusion_gateway.devices.driver import Table, Traits
from infusion_gateway.model.metric import Metric, Nanos, Unit
from infusion_gateway.model.observation import Delivery, PumpAlarm, Sensor, SensorState

MAX_READ = 125  # registers in one request: Modbus Application Protocol V1.1b3, 6.3
MAX_READ_BITS = 2000  # coils in one request: 6.1
UNIT_ADDRESSES = (1, 247)  # of units: MODBUS over Serial Line V1.02, 2.2


class Type(StrEnum):
    """How a field's registers are to be read; bits: one register (or, of a coil table, as many as are listed)."""

    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    F32 = "f32"
    BITS = "bits"

    @property
    def registers(self) -> int:
        """How many registers it takes."""
        return 2 if self in {Type.U32, Type.I32, Type.F32} else 1


class Means(StrEnum):
    """What a field means that is no metric."""

    UPTIME = "uptime"
    SERIAL_NUMBER = "serial-number"
    DELIVERY = "delivery"
    ALARMS = "alarms"
    DEAD_MAN = "dead-man"
    SENSORS = "sensors"
    CUFF = "cuff"
    QUESTIONABLE = "questionable"
    SEQUENCE = "sequence"  # of the intermittent readings in the same block
    AGE = "age"  # likewise
    EPOCH = "volume-epoch"  # of the volume counter in the same block


WORDS: Mapping[Means, frozenset[str]] = {
    Means.DELIVERY: frozenset(d.value for d in Delivery if d is not Delivery.UNKNOWN),
    Means.ALARMS: frozenset(PumpAlarm),
    Means.SENSORS: frozenset(Sensor),
    Means.CUFF: frozenset(SensorState),
    Means.QUESTIONABLE: frozenset(Metric),
}
"""What the values, or bits, of a field may be said to mean."""

UNLISTED: Mapping[Means, str] = {
    Means.DELIVERY: "unknown",  # which counts as delivering
    Means.ALARMS: "other",  # an alarm all the same
    Means.SENSORS: "fault",
    Means.CUFF: "fault",
    Means.QUESTIONABLE: "all",  # the whole block is questionable
}
"""The one safe rule for a value, or bit, that no table lists; the file must say it, so that its reader knows."""

UNITS: Mapping[Unit, Mapping[str, tuple[Fraction, Fraction]]] = {
    Unit.PERCENT: {"%": (Fraction(1), Fraction(0)), "1": (Fraction(100), Fraction(0))},
    Unit.BEATS_PER_MIN: {u: (Fraction(1), Fraction(0)) for u in ("{beats}/min", "/min")}
    | {"Hz": (Fraction(60), Fraction(0))},
    Unit.BREATHS_PER_MIN: {u: (Fraction(1), Fraction(0)) for u in ("{breaths}/min", "/min")},
    # 1 mm[Hg] is 133.322387415 Pa: UCUM, table 4.
    Unit.MMHG: {
        "mm[Hg]": (Fraction(1), Fraction(0)),
        "kPa": (Fraction(1_000_000_000_000, 133_322_387_415), Fraction(0)),
    },
    Unit.CELSIUS: {
        "Cel": (Fraction(1), Fraction(0)),
        "[degF]": (Fraction(5, 9), Fraction(-160, 9)),
        "K": (Fraction(1), Fraction(-27315, 100)),
    },
    Unit.ML_PER_H: {
        "mL/h": (Fraction(1), Fraction(0)),
        "mL/min": (Fraction(60), Fraction(0)),
        "uL/h": (Fraction(1, 1000), Fraction(0)),
        "uL/min": (Fraction(60, 1000), Fraction(0)),
        "L/h": (Fraction(1000), Fraction(0)),
    },
    Unit.ML: {
        "mL": (Fraction(1), Fraction(0)),
        "uL": (Fraction(1, 1000), Fraction(0)),
        "L": (Fraction(1000), Fraction(0)),
    },
    Unit.SECOND: {
        "s": (Fraction(1), Fraction(0)),
        "ms": (Fraction(1, 1000), Fraction(0)),
        "us": (Fraction(1, 1_000_000), Fraction(0)),
        "min": (Fraction(60), Fraction(0)),
        "h": (Fraction(3600), Fraction(0)),
    },
}
"""By the unit we keep: the UCUM units it can be told in, each with factor and offset into ours."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a block. at: registers from the block's beginning.

    scale, offset: from the number in the registers to our unit (a metric's own; seconds for uptime, age, dead man).
    low, high: what can be right, in our unit. missing: the number that says "no value". words: for an enumeration by
    value, for bits by bit. bit_set: for sensors, whether a set bit says that it is on the patient.
    """

    at: int
    type: Type
    registers: int
    means: Metric | Means
    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    low: float = 0.0
    high: float = 0.0
    missing: int | None = None
    words: Mapping[int, tuple[str, ...]] | None = None
    bit_set: bool = True

    @property
    def ends(self) -> int:
        """The first register after it, from the block's beginning."""
        return self.at + self.registers


@dataclass(frozen=True, slots=True)
class Block:
    """Registers read in one request, every so often: what is in it is of one instant."""

    table: Table
    address: int
    count: int
    every: Nanos
    page: str
    fields: tuple[Field, ...]

    def field(self, means: Metric | Means) -> Field | None:
        """Give the field that means this, if there is one."""
        return next((f for f in self.fields if f.means is means), None)


@dataclass(frozen=True, slots=True)
class Stop:
    """The write that asks the pump to stop; the block's delivery confirms it."""

    table: Table
    address: int
    value: int
    page: str


@dataclass(frozen=True, slots=True)
class DeadMan:
    """The holding register of the pump's own communication time-out, in counts of `count_s` seconds; 0 disarms."""

    address: int
    count_s: Fraction
    page: str


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A whole profile. high_word_first: of 32-bit values. identification: what 43/14 must say; None: don't ask."""

    traits: Traits
    high_word_first: bool
    blocks: tuple[Block, ...]
    stop: Stop | None
    dead_man: DeadMan | None
    identification: Mapping[str, str] | None
