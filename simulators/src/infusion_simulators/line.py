"""One line and the devices on it: what is received goes to all, each answers its own. Sans-IO.

Also the words in which a line is spoken of from outside: `modbus_pump@2`, `2.rate_ml_h`, `delivery=stopped`.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from infusion_simulators import dialects, faults
from infusion_simulators.device import SECOND, Nanos, Value
from infusion_simulators.dialects import Description, Settings, Wire
from infusion_simulators.faults import Faulty

UNITS_MAX = 32
UNIT_MAX = 247
ENTRIES_MAX = 2000
TRANSACTION_BYTES = 2
"""Each Modbus TCP answer begins with its question's transaction number."""
_SPEC = re.compile(r"([a-z0-9_]+)(?:@(\d{1,3}))?", re.ASCII)
_CONDITION = re.compile(r"([a-z0-9_.]+)([=<>])(.*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: seconds since the line began, its kind, what."""

    sequence: int
    at_s: float
    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What is waited for: a key, how it compares, with what."""

    key: str
    relation: str
    value: Value

    def holds(self, state: Mapping[str, object]) -> bool:
        """Say whether it is so in that state; `2.delivery` looks into unit 2. ValueError for a key that isn't there."""
        unit, _, key = self.key.rpartition(".")
        found: object = state.get(unit) if unit else state
        if not isinstance(found, Mapping) or key not in found:
            raise ValueError(f"{self.key}: no such key")
        now = found[key]
        if self.relation == "=":
            return bool(now == self.value)
        if not isinstance(now, int | float) or not isinstance(self.value, int | float):
            return False
        return now < self.value if self.relation == "<" else now > self.value


def parse_value(text: str) -> Value:
    """Read a key's value from text: empty is None, a number is a number, the rest is itself."""
    if not text:
        return None
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def parse_setting(text: str) -> tuple[str, Value]:
    """Read KEY=VALUE; ValueError where it is none."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise ValueError(f"{text}: not of the form KEY=VALUE")
    return key, parse_value(value)


def parse_condition(text: str) -> Condition:
    """Read KEY=VALUE, KEY>VALUE or KEY<VALUE; ValueError where it is none."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text}: not of the form KEY=VALUE, KEY>VALUE or KEY<VALUE")
    return Condition(match[1], match[2], parse_value(match[3]))


def build(specs: tuple[str, ...], wire: Wire, seed: int, now: Nanos, *, diary: bool = True) -> "Line":
    """Make the line that `serve DIALECT[@UNIT] …` names; ValueError says what is wrong and what would do.

    diary: whether each change of its devices' states is noted, for `log`.
    """
    units: dict[int, Faulty] = {}
    names: dict[int, str] = {}
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None or match[1] not in dialects.names():
            raise ValueError(f"{spec}: no such dialect; there are {', '.join(dialects.names())}")
        unit = int(match[2] or 1)
        description = dialects.describe(match[1])
        if not 1 <= unit <= UNIT_MAX or unit in units or len(units) >= UNITS_MAX:
            raise ValueError(f"{spec}: a unit is 1-{UNIT_MAX}, each once, at most {UNITS_MAX} of them")
        if match[2] and not description.shares_line:
            raise ValueError(f"{spec}: {match[1]} has no unit")
        names[unit] = match[1]
        device = dialects.create(match[1], Settings(wire, unit, now), seed + unit)
        chance = Random(f"{seed}/{unit}")  # noqa: S311 - faults that can be repeated, no secrets
        echoed = TRANSACTION_BYTES if description.shares_line and wire is Wire.TCP else 0
        units[unit] = Faulty(device, chance, echoed)
    if len(units) > 1 and not all(dialects.describe(name).shares_line for name in names.values()):
        raise ValueError("only devices with units (Modbus) can share a line")
    first = dialects.describe(next(iter(names.values())))
    return Line(units, first, overhears=wire is Wire.SERIAL, now=now, diary=diary)


class Line:
    """The devices on one line. On a shared serial line each also hears what the others answer, as on RS-485."""

    def __init__(
        self, units: Mapping[int, Faulty], description: Description, *, overhears: bool, now: Nanos, diary: bool = True
    ) -> None:
        self.description = description
        self._units = dict(units)
        self._single = next(iter(units.values()))
        self._overhears = overhears and len(units) > 1
        self._born = now
        self._diary = diary
        self._entries: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self._sequence = 0
        self._seen: dict[str, Value] = {}
        self._notice(now)

    @property
    def connected(self) -> bool:
        """Whether the cable is in, for all of them."""
        return all(unit.connected for unit in self._units.values())

    def receive(self, data: bytes, now: Nanos) -> None:
        """Hand the host's bytes to every device."""
        for unit in self._units.values():
            unit.receive(data, now)
        self._notice(now)

    def advance(self, now: Nanos) -> None:
        """Let every device live until now."""
        for unit in self._units.values():
            unit.advance(now)
        self._notice(now)

    def take(self, now: Nanos) -> bytes:
        """Give what comes out now, one device after the other."""
        if len(self._units) == 1:
            return self._single.take(now)
        out = bytearray()
        for number, unit in self._units.items():
            said = unit.take(now)
            out += said
            if said and self._overhears:
                for other in self._units.keys() - {number}:
                    self._units[other].overhear(said, now)
        return bytes(out)

    def next_deadline(self) -> Nanos | None:
        """Say when any device next does something by itself."""
        if len(self._units) == 1:
            return self._single.next_deadline()
        return min((at for unit in self._units.values() if (at := unit.next_deadline()) is not None), default=None)

    # -- from outside --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, object]:
        """Give the truth: of a single device its keys, of several an object by unit."""
        if len(self._units) == 1:
            return dict(next(iter(self._units.values())).state())
        return {str(number): unit.state() for number, unit in self._units.items()}

    def at_work(self, unit: int) -> tuple[str, ...]:
        """Give the names of the faults at work on a unit; a single device has any number."""
        return (self._single if len(self._units) == 1 else self._units[unit]).faults()

    def set(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key, `2.key` where there are several units; ValueError says what is wrong."""
        unit, name = self._of(key)
        unit.set(name, value, now)
        self._note("set", f"{key}={'' if value is None else value}", now)

    def press(self, key: str, now: Nanos) -> None:
        """Press a keypad, `2.start` where there are several units; ValueError says what is wrong."""
        unit, name = self._of(key)
        unit.press(name, now)
        self._note("press", key, now)

    def fault(self, text: str, now: Nanos) -> None:
        """Begin a fault, `NAME[:k=v,…]` or `2.NAME…`; ValueError says what is wrong."""
        unit, spec = self._of(text)
        name, parameters = faults.parse(spec)
        unit.fault(name, parameters, now)
        self._note("fault", text, now)

    def clear(self, name: str | None, now: Nanos) -> None:
        """End all faults, or one, `NAME` or `2.NAME`."""
        if name is None:
            for unit in self._units.values():
                unit.clear(now)
        else:
            unit, fault = self._of(name)
            unit.clear(now, fault)
        self._note("clear", name or "all", now)

    def note(self, kind: str, what: str, now: Nanos) -> None:
        """Keep a note of what happened to the line itself."""
        self._note(kind, what, now)

    def log(self, after: int = 0) -> tuple[Entry, ...]:
        """Give what happened after that sequence number; the oldest of more than ENTRIES_MAX are gone."""
        return tuple(entry for entry in self._entries if entry.sequence > after)

    def _of(self, key: str) -> tuple[Faulty, str]:
        if len(self._units) == 1:
            return next(iter(self._units.values())), key
        number, dot, name = key.partition(".")
        if not dot or not number.isdecimal() or int(number) not in self._units:
            raise ValueError(f"{key}: name the unit, as in {next(iter(self._units))}.{key}")
        return self._units[int(number)], name

    def _notice(self, now: Nanos) -> None:
        """Note each word of the state that has changed: delivery, alarm, who stopped it, faults."""
        if not self._diary:
            return
        for number, unit in self._units.items():
            prefix = f"{number}." if len(self._units) > 1 else ""
            for key, value in unit.state().items():
                if isinstance(value, str) and self._seen.get(prefix + key) != value:
                    self._seen[prefix + key] = value
                    self._note("state", f"{prefix}{key}={value}", now)

    def _note(self, kind: str, what: str, now: Nanos) -> None:
        self._sequence += 1
        self._entries.append(Entry(self._sequence, (now - self._born) / SECOND, kind, what))
