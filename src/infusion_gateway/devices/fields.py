"""From registers to observations: numbers out of words, and what each field of a block says."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, assert_never

from infusion_gateway.devices.profile import Block, Field, Means, Type
from infusion_gateway.model.metric import FACTS, SECOND, Metric, MetricFacts, Nanos
from infusion_gateway.model.observation import (
    AlarmsReported,
    DeadManReported,
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Observation,
    PumpAlarm,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)

Numbers: TypeAlias = Mapping[Metric | Means, float | None]
"""By what it means: the number in a field's registers, not yet scaled; None: the device says that it has none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An intermittent reading as last seen: what tells it from the next one, and when it was measured."""

    mark: float | None
    measured_at: Nanos
    at_least: bool


def number(field: Field, words: tuple[int, ...], *, high_word_first: bool) -> float | None:
    """Give the number in a field's registers, its bits as one number; None where it says that it has none.

    words: the whole block, from its beginning, long enough to hold the field.
    """
    kind, at = field.type, field.at
    if kind is Type.U16:
        whole = words[at]
    elif kind is Type.BITS:
        part = words[at : at + field.registers]
        return part[0] if len(part) == 1 else sum(1 << n for n, bit in enumerate(part) if bit)
    elif kind is Type.I16:
        whole = words[at] - (words[at] >> 15 << 16)
    else:
        high, low = (words[at], words[at + 1]) if high_word_first else (words[at + 1], words[at])
        whole = high << 16 | low
        if kind is Type.F32:
            value = float(struct.unpack(">f", struct.pack(">I", whole))[0])
            return value if value - value == 0 else None  # neither NaN nor infinite
        if kind is Type.I32:
            whole -= whole >> 31 << 32
    return None if whole == field.missing else whole


@dataclass(frozen=True, slots=True)
class _Value:
    """A metric's field, and what follows from it alone. Its number times `times` plus `plus`, by `by`, is the value."""

    field: Field
    metric: Metric
    facts: MetricFacts
    resolution: float
    times: int
    plus: int
    by: int

    def scaled(self, raw: float) -> float:
        """Give raw x scale + offset, correctly rounded; in whole numbers, since fractions take ten times as long."""
        if isinstance(raw, float):
            return float(Fraction(raw) * self.field.scale + self.field.offset)
        return (raw * self.times + self.plus) / self.by


def _value(field: Field, metric: Metric) -> _Value:
    scale, offset = field.scale, field.offset
    return _Value(
        field,
        metric,
        FACTS[metric],
        resolution=0.0 if field.type is Type.F32 else scale.numerator / scale.denominator,
        times=scale.numerator * offset.denominator,
        plus=offset.numerator * scale.denominator,
        by=scale.denominator * offset.denominator,
    )


class Decoder:
    """What the fields of one block mean. seen: the device's memory of its intermittent readings, kept here."""

    def __init__(self, block: Block, seen: dict[Metric, Seen]) -> None:
        self._seen = seen
        self._fields: tuple[tuple[Field, Means | _Value], ...] = tuple(
            (f, _value(f, f.means) if isinstance(f.means, Metric) else f.means) for f in block.fields
        )
        self._age = block.field(Means.AGE)
        self._age_scale = self._age.scale * SECOND if self._age is not None else Fraction(0)
        self._age_ns = self._age_scale.numerator if self._age_scale.denominator == 1 else None
        self._questionable = block.field(Means.QUESTIONABLE)
        self._before: dict[Means, tuple[int, tuple[Observation | Fault, ...]]] = {}

    def decode(self, numbers: Numbers, now: Nanos) -> list[Observation | Fault]:
        """Say what a block as it came means."""
        said: list[Observation | Fault] = []
        doubted, unlisted = self._doubted(numbers)
        if unlisted:
            said.append(unlisted)
        for field, means in self._fields:
            if isinstance(means, _Value):
                said += self._reading(means, numbers, doubted, now)
            elif means not in OF_OTHERS:
                number_now = int(numbers[means] or 0)
                before = self._before.get(means)
                if before is None or before[0] != number_now:
                    before = self._before[means] = number_now, tuple(_meaning(field, means, number_now))
                said += before[1]  # the same number says the same again
        return said

    def _doubted(self, numbers: Numbers) -> tuple[frozenset[str], Fault | None]:
        """Give the metrics that the device itself marks as questionable; every one for a bit that nobody knows."""
        field = self._questionable
        bits = 0 if field is None else int(numbers[Means.QUESTIONABLE] or 0)
        if field is None or field.words is None or not bits:
            return frozenset(), None
        marked = frozenset(w for bit, words in field.words.items() if bits >> bit & 1 for w in words)
        unlisted = _unlisted(field, bits)
        return (frozenset(Metric) if unlisted else marked), unlisted

    def _reading(
        self, known: _Value, numbers: Numbers, doubted: frozenset[str], now: Nanos
    ) -> tuple[Observation | Fault, ...]:
        """Give a metric's reading, with a Fault before it where its value can't be right."""
        field, metric = known.field, known.metric
        raw = numbers[metric]
        value = None if raw is None else known.scaled(raw)
        fault: tuple[Fault, ...] = ()
        validity = Validity.QUESTIONABLE if metric in doubted else Validity.VALID
        if value is None:
            validity = Validity.INVALID
        elif not field.low <= value <= field.high:
            validity = Validity.INVALID
            text = f"{metric} {value:g} is outside {field.low:g} to {field.high:g} {known.facts.unit}"
            fault = (Fault(FaultKind.RANGE, text),)
        if not known.facts.intermittent:
            epoch = numbers.get(Means.EPOCH) if metric is Metric.VOLUME else None
            began = None if epoch is None else int(epoch)
            return (*fault, Reading(metric, value, validity, now, resolution=known.resolution, epoch=began))
        measured_at, at_least = self._measured(metric, value, numbers, now)
        sequence = numbers.get(Means.SEQUENCE)
        count = None if sequence is None else int(sequence)
        return (*fault, Reading(metric, value, validity, measured_at, at_least, known.resolution, count))

    def _measured(self, metric: Metric, value: float | None, numbers: Numbers, now: Nanos) -> tuple[Nanos, bool]:
        """Say when an intermittent value was measured, and whether it may be older than that.

        The device's own age says it; else its counter, from the second reading on; else a changed value, always "at
        least".
        """
        age = numbers.get(Means.AGE)
        if age is not None and self._age is not None:
            if self._age_ns is not None and isinstance(age, int):
                return now - age * self._age_ns, False
            return now - int(Fraction(age) * self._age_scale), False
        sequence = numbers.get(Means.SEQUENCE)
        mark = value if sequence is None else sequence
        before = self._seen.get(metric)
        if before is None or before.mark != mark:
            before = Seen(mark, now, at_least=before is None or sequence is None)
            self._seen[metric] = before
        return before.measured_at, before.at_least


OF_OTHERS = frozenset({Means.UPTIME, Means.SERIAL_NUMBER, Means.SEQUENCE, Means.AGE, Means.QUESTIONABLE, Means.EPOCH})
"""Said of the others, and nothing by itself."""


def _meaning(field: Field, means: Means, value: int) -> Iterator[Observation | Fault]:
    match means:
        case Means.DELIVERY:
            word = _word(field, value)
            if word is None:
                yield _unlisted_value(field, value)
            yield DeliveryReported(Delivery(word) if word else Delivery.UNKNOWN)
        case Means.CUFF:
            word = _word(field, value)
            yield SensorReported(Sensor.CUFF, SensorState(word)) if word else _unlisted_value(field, value)
        case Means.ALARMS:
            unlisted = _unlisted(field, value)
            alarms = {PumpAlarm(w[0]) for bit, w in (field.words or {}).items() if value >> bit & 1}
            if unlisted:
                alarms.add(PumpAlarm.OTHER)
                yield unlisted
            yield AlarmsReported(frozenset(alarms), f"alarm bits {value:#06x}" if value else "")
        case Means.SENSORS:
            unlisted = _unlisted(field, value)
            if unlisted:
                yield unlisted
            for bit, words in (field.words or {}).items():
                on = bool(value >> bit & 1) == field.bit_set
                yield SensorReported(Sensor(words[0]), SensorState.ON if on else SensorState.OFF)
        case Means.DEAD_MAN:
            yield DeadManReported(float(value * field.scale))
        case Means.UPTIME | Means.SERIAL_NUMBER | Means.SEQUENCE | Means.AGE | Means.QUESTIONABLE | Means.EPOCH:
            return  # said of the others
        case _:
            assert_never(means)


def _word(field: Field, value: int) -> str | None:
    words = (field.words or {}).get(value)
    return words[0] if words else None


def _unlisted_value(field: Field, value: int) -> Fault:
    return Fault(FaultKind.UNEXPECTED, f"{field.means} {value} is in no table")


def _unlisted(field: Field, bits: int) -> Fault | None:
    listed = sum(1 << bit for bit in field.words or {})
    over = bits & ~listed
    return Fault(FaultKind.UNEXPECTED, f"{field.means} bits {over:#06x} are in no table") if over else None
