"""Which device's value counts for a metric, and for how long a value counts at all."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from infusion_gateway.core.live import Live, Newest, Source
from infusion_gateway.model.metric import FACTS, MINUTE, SECOND, Metric, Nanos
from infusion_gateway.model.observation import Reading, Validity
from infusion_gateway.model.session import BedSetup

BY_HAND = "by-hand"
Sources: TypeAlias = Mapping[Metric, tuple[str, ...]]
CURRENT_FOR: Nanos = 5 * SECOND
"""A continuous value runs delays for this long after it was measured: two missed polls of a 2 s monitor."""
SHOWN_FOR: Nanos = 10 * SECOND
"""A continuous value older than this is shown as invalid (clinical reference 1.4, vital value age)."""
BASELINE_FOR: Nanos = 15 * MINUTE
"""An intermittent value counts for this long (clinical reference E8)."""


DISAGREE = {Metric.SPO2: 4.0, Metric.PULSE: 10.0, Metric.HR: 10.0, Metric.RR: 6.0}
"""Sources of one metric further apart than this disagree: twice an oximeter's accuracy (2 points, 3 /min), else
unsourced."""
_USABLE_FOR = {metric: BASELINE_FOR if facts.intermittent else CURRENT_FOR for metric, facts in FACTS.items()}


HERE = "on-the-monitors"
"""Since when the patient is (back) on the monitors: what is then missing is missing since."""
SUPPRESSED = frozenset({Metric.SPO2, Metric.PULSE})
"""What a probe measures on the arm of an inflating cuff."""


def usable_until(reading: Reading, device: str = "") -> Nanos:
    """Say until when a reading counts, by the age that runs from its measurement; one by hand is no continuous one."""
    return reading.measured_at + (BASELINE_FOR if device == BY_HAND else _USABLE_FOR[reading.metric])


def suppressed(live: Live, metric: Metric, device: str, now: Nanos) -> bool:
    """Say whether a source isn't judged now: the cuff inflates on its arm."""
    known = live.suppressed
    return known is not None and now < known.until and device == known.probe and metric in SUPPRESSED


def sources_of(setup: BedSetup) -> Sources:
    """Give for each metric the devices that may report it, the bed's preferred one first, a person's hand last."""
    every = tuple(device.device for device in setup.devices)
    listed = dict(setup.sources)
    return {metric: (*listed.get(metric, every), BY_HAND) for metric in Metric}


def ranked(sources: Sources, live: Live, metric: Metric) -> tuple[str, ...]:
    """Give the devices that have told a metric, the preferred one first; of an intermittent one the newest first."""
    values = live.values
    known = values.ranked.get(metric)
    if known is None:
        found = [device for device in sources[metric] if (metric, device) in values]
        if FACTS[metric].intermittent:
            found.sort(key=lambda device: -values[metric, device].reading.measured_at)
        known = values.ranked[metric] = tuple(found)
    return known


def preferred(sources: Sources, live: Live, metric: Metric) -> tuple[tuple[str, Newest], ...]:
    """Give the newest readings of a metric, ranked."""
    return tuple((device, live.values[metric, device]) for device in ranked(sources, live, metric))


def believed(live: Live, reading: Reading) -> Reading:
    """Give a reading as far as it is believed: that of a metric whose sources disagree is questionable."""
    if reading.metric in live.disputed and reading.validity is Validity.VALID:
        return replace(reading, validity=Validity.QUESTIONABLE)
    return reading


def choose(sources: Sources, live: Live, metrics: tuple[Metric, ...], now: Nanos) -> tuple[Source, Reading] | None:
    """Choose the reading that counts: the first valid current one, else the first questionable one, else none."""
    values = live.values
    second_best: tuple[Source, Reading] | None = None
    by_hand: tuple[Source, Reading] | None = None
    for metric in metrics:
        oldest = now - _USABLE_FOR[metric]
        for device in ranked(sources, live, metric):
            source = metric, device
            reading = values[source].reading
            if device == BY_HAND and not FACTS[metric].intermittent:
                if by_hand is None and usable_until(reading, device) > now:
                    by_hand = source, reading
                continue
            if reading.value is None or reading.measured_at <= oldest:
                continue
            if live.suppressed is not None and suppressed(live, metric, device, now):
                continue
            if live.disputed:
                reading = believed(live, reading)
            if reading.validity is Validity.VALID:
                return source, reading
            if reading.validity is Validity.QUESTIONABLE and second_best is None:
                second_best = source, reading
    return by_hand if by_hand is not None and _counts(sources, live, metrics, by_hand[1]) else second_best


def _counts(sources: Sources, live: Live, metrics: tuple[Metric, ...], by_hand: Reading) -> bool:
    """Say whether a continuous value by hand counts still: it does until a device gives a later valid one."""
    devices = ((metric, device) for metric in metrics for device in ranked(sources, live, metric) if device != BY_HAND)
    return by_hand.measured_at > max((live.values[source].valid_at or 0 for source in devices), default=0)


def disagree(sources: Sources, live: Live, metric: Metric, now: Nanos) -> bool:
    """Say whether two valid current values of a continuous metric are further apart than two good devices are."""
    apart = DISAGREE.get(metric)
    if apart is None:
        return False
    devices = ranked(sources, live, metric)
    if len(devices) < 2:  # noqa: PLR2004 -- one alone disagrees with nobody
        return False
    known: list[float] = []
    oldest = now - _USABLE_FOR[metric]
    for device in devices:
        reading = live.values[metric, device].reading
        if reading.value is None or reading.validity is not Validity.VALID or reading.measured_at <= oldest:
            continue
        if device != BY_HAND and (live.suppressed is None or not suppressed(live, metric, device, now)):
            known.append(reading.value)
    return len(known) > 1 and max(known) - min(known) > apart


def contradicted(sources: Sources, live: Live, source: Source, value: float, now: Nanos) -> str:
    """Say what another device shows now that disagrees with this value, in words for its alarm; "" where none does."""
    metric, mine = source
    apart, ranked = DISAGREE.get(metric), preferred(sources, live, metric)
    if apart is None or len(ranked) == 1:
        return ""
    for device, newest in ranked:
        other = newest.reading
        if device in (mine, BY_HAND) or other.value is None or other.validity is not Validity.VALID:
            continue
        young = usable_until(other) > now and not suppressed(live, metric, device, now)
        if young and abs(other.value - value) > apart:
            return f"; {device} shows {other.value:g}, look at both sensors"
    return ""


def current(sources: Sources, live: Live, metric: Metric, now: Nanos) -> Reading | None:
    """Give the valid, current reading of a metric, None without one."""
    found = choose(sources, live, (metric,), now)
    if found is not None and metric is Metric.SPO2 and found[0][1] == BY_HAND:
        return None  # SpO2 is watched all the time; a number by hand is no watch
    return found[1] if found is not None and found[1].validity is Validity.VALID else None


def steady_spo2(sources: Sources, live: Live, now: Nanos) -> float | None:
    """Give the valid, current SpO2; while a cuff takes its signal away the one before; None without either."""
    reading = current(sources, live, Metric.SPO2, now)
    if reading is not None:
        return reading.value
    known = live.suppressed
    return known.spo2 if known is not None and now < known.until else None
