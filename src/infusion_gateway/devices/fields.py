"""From registers to observations: numbers out of words, and what each field of a block says."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, assert_never

from infusion_gateway.devices.profile import Block, Field, Means, Type
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Nanos
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
    part = words[field.at : field.ends]
    if field.type is Type.BITS:
        return part[0] if len(part) == 1 else sum(1 << n for n, bit in enumerate(part) if bit)
    raw = b"".join(w.to_bytes(2, "big") for w in (part if high_word_first else part[::-1]))
    if field.type is Type.F32:
        value = float(struct.unpack(">f", raw)[0])
        return value if value - value == 0 else None  # neither NaN nor infinite
    whole = int.from_bytes(raw, "big", signed=field.type in {Type.I16, Type.I32})
    return None if whole == field.missing else whole


def decode(block: Block, numbers: Numbers, seen: dict[Metric, Seen], now: Nanos) -> Iterator[Observation | Fault]:
    """Say what a block's fields mean; `seen` is the device's memory of its intermittent readings, kept here."""
    answer = _Answer(block, numbers, seen, now)
    doubted, unlisted = answer.doubted()
    if unlisted:
        yield unlisted
    for field in block.fields:
        if isinstance(field.means, Metric):
            yield from answer.reading(field, field.means, doubted)
        else:
            yield from _meaning(field, field.means, int(numbers[field.means] or 0))


@dataclass(frozen=True, slots=True)
class _Answer:
    """One block as it came."""

    block: Block
    numbers: Numbers
    seen: dict[Metric, Seen]
    now: Nanos

    def doubted(self) -> tuple[frozenset[str], Fault | None]:
        """Give the metrics that the device itself marks as questionable; every one for a bit that nobody knows."""
        field = self.block.field(Means.QUESTIONABLE)
        if field is None or field.words is None:
            return frozenset(), None
        bits = int(self.numbers[Means.QUESTIONABLE] or 0)
        marked = frozenset(w for bit, words in field.words.items() if bits >> bit & 1 for w in words)
        unlisted = _unlisted(field, bits)
        return (frozenset(Metric) if unlisted else marked), unlisted

    def reading(self, field: Field, metric: Metric, doubted: frozenset[str]) -> Iterator[Observation | Fault]:
        """Give a metric's reading, with a Fault before it where its value can't be right."""
        raw, facts = self.numbers[metric], FACTS[metric]
        value = None if raw is None else _scaled(raw, field)
        validity = Validity.QUESTIONABLE if metric in doubted else Validity.VALID
        if value is None:
            validity = Validity.INVALID
        elif not field.low <= value <= field.high:
            validity = Validity.INVALID
            text = f"{metric} {value:g} is outside {field.low:g} to {field.high:g} {facts.unit}"
            yield Fault(FaultKind.RANGE, text)
        resolution = 0.0 if field.type is Type.F32 else field.scale.numerator / field.scale.denominator
        if not facts.intermittent:
            epoch = self.numbers.get(Means.EPOCH) if metric is Metric.VOLUME else None
            began = None if epoch is None else int(epoch)
            yield Reading(metric, value, validity, self.now, resolution=resolution, epoch=began)
            return
        measured_at, at_least = self._measured(metric, value)
        sequence = self.numbers.get(Means.SEQUENCE)
        count = None if sequence is None else int(sequence)
        yield Reading(metric, value, validity, measured_at, at_least, resolution, count)

    def _measured(self, metric: Metric, value: float | None) -> tuple[Nanos, bool]:
        """Say when an intermittent value was measured, and whether it may be older than that.

        The device's own age says it; else its counter, from the second reading on; else a changed value, always "at
        least".
        """
        age, field = self.numbers.get(Means.AGE), self.block.field(Means.AGE)
        if age is not None and field is not None:
            return self.now - int(Fraction(age) * field.scale * SECOND), False
        sequence = self.numbers.get(Means.SEQUENCE)
        mark = value if sequence is None else sequence
        before = self.seen.get(metric)
        if before is None or before.mark != mark:
            before = Seen(mark, self.now, at_least=before is None or sequence is None)
            self.seen[metric] = before
        return before.measured_at, before.at_least


def _scaled(raw: float, field: Field) -> float:
    """Give raw x scale + offset, correctly rounded; in whole numbers, since fractions take ten times as long."""
    if isinstance(raw, float):
        return float(Fraction(raw) * field.scale + field.offset)
    scale, offset = field.scale, field.offset
    whole = raw * scale.numerator * offset.denominator + offset.numerator * scale.denominator
    return whole / (scale.denominator * offset.denominator)


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
