"""What a try shows. Pure: what was seen, and when, in; the finding out."""

from collections.abc import Iterable, Mapping, Sequence

from infusion_gateway.commissioning.findings import Finding, Place, Verdict
from infusion_gateway.commissioning.seen import Seen
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.observation import Delivery

HOUR_S = 3600.0
ROUNDING_ML = 1e-6
RATE_PART = 0.05
"""A rate may be read so much beside the one that a person was asked to set: a screen rounds."""
VOLUME_PART = 0.15
"""What the counter gains may be so much beside the rate: its steps and the polls have their own times."""
VOLUME_STEPS = 3
STOPPED_REPORTS = 2
EARLY_PART = 0.2
EARLY_S = 2.0
"""A dead man may act so much before or after its time: the poll that feeds it, and the device's own clock."""
SLOW_SYNC_S = 1.0
"""A disk that needs longer to have a record safely is too slow (the journal tells of one at 2 s)."""


def identified(place: Place, seen: Seen, pins: Mapping[str, Place], found: str) -> Finding:
    """Judge whether the configured device answers. pins: whose each pinned text is. found: what a search showed."""
    if seen.identity or (seen.heard_at is not None and not seen.another):
        return Finding(place, "identity", Verdict.PASSED, seen.told())
    if seen.another:
        owner = next((p for text, p in pins.items() if p != place and f"is '{text}'" in seen.another), None)
        whose = f"that is {owner}: the two are swapped" if owner else "it is another one, or the pin is wrong"
        return _failed(place, "identity", f"another device answers: {seen.another}; {whose}")
    if seen.lost or seen.lost is None:
        return _failed(place, "identity", f"its line can't be opened: {seen.lost or 'it does not open'}")
    noise = "something speaks there, and not as this device does: wrong baud or framing?" if seen.garbled else ""
    return _failed(place, "identity", found or noise or "nobody answers: look at power, cable and address")


def reaction(place: Place, before: Mapping[Place, object], after: Mapping[Place, object]) -> tuple[Place, ...]:
    """Give the devices that are not as they were, the one in question first."""
    moved = [at for at, state in after.items() if state != before.get(at)]
    return tuple(sorted(moved, key=lambda at: (at != place, str(at))))


def hand(place: Place, test: str, what: str, reacted: tuple[Place, ...]) -> Finding:
    """Judge which devices reacted when a hand was laid on one at a bed."""
    if place in reacted:
        return Finding(place, test, Verdict.PASSED, f"{what} is seen at {place}", reacted=reacted)
    if reacted:
        others = ", ".join(map(str, reacted))
        said = f"{what} is seen at {others} instead: swapped, or it is of that bed"
        return Finding(place, test, Verdict.FAILED, said, reacted=reacted)
    return _failed(place, test, f"{what} was not seen at any device")


def ran(place: Place, wanted_ml_h: float, seen: Seen, since: Nanos) -> Finding:
    """Judge a pump that runs: the rate that a person set, and a counter that goes with it."""
    rate = seen.rate_ml_h
    if rate is None:
        return _failed(place, "rate", "it runs and says no rate")
    figures: tuple[tuple[str, float], ...] = (("set_ml_h", wanted_ml_h), ("read_ml_h", rate))
    if abs(rate - wanted_ml_h) > RATE_PART * wanted_ml_h:
        said = f"{rate:g} mL/h is read where {wanted_ml_h:g} mL/h was to be set: look at the screen"
        return _failed(place, "rate", said, figures)
    counted = [(at, ml) for at, ml in seen.volumes if at >= since]
    if len(counted) < 2:  # noqa: PLR2004 - a rise has two ends
        return _failed(place, "rate", "its volume counter says nothing", figures)
    seconds, gained = (counted[-1][0] - counted[0][0]) / SECOND, counted[-1][1] - counted[0][1]
    expected = rate * seconds / HOUR_S
    figures += (("watched_s", round(seconds, 3)), ("gained_ml", round(gained, 6)))
    if abs(gained - expected) > VOLUME_PART * expected + VOLUME_STEPS * seen.resolution_ml + ROUNDING_ML:
        said = f"its counter gained {gained:.4g} mL where {rate:g} mL/h gives {expected:.4g} mL"
        return _failed(place, "rate", said, figures)
    return Finding(place, "rate", Verdict.PASSED, f"{rate:g} mL/h, and the counter goes with it", figures)


def confirmed_at(deliveries: Iterable[tuple[Nanos, Delivery]], since: Nanos) -> Nanos | None:
    """Say when a pump was seen at rest: the second report in a row of it, after `since`; None: not yet."""
    still = 0
    for at, delivery in deliveries:
        still = still + 1 if at > since and delivery is Delivery.STOPPED else 0
        if still == STOPPED_REPORTS:
            return at
    return None


def rise(volumes: Iterable[tuple[Nanos, float]], since: Nanos) -> float:
    """Give what a volume counter gained from its first report after `since`, mL."""
    later = [ml for at, ml in volumes if at >= since]
    return later[-1] - later[0] if later else 0.0


def stopped(place: Place, seen: Seen, asked_at: Nanos, within: Nanos) -> Finding:
    """Judge a stop: at rest in two reports in time, and a volume that stands still for as long as it was watched."""
    at = confirmed_at(seen.deliveries, asked_at)
    late = at is not None and at - asked_at > within
    if at is None or late:
        said = f"it refuses: asked to stop, it says {seen.delivery or 'nothing'} after {within / SECOND:g} s"
        return _failed(place, "stop", said if at is None else f"it stops only after {(at - asked_at) / SECOND:.1f} s")
    before = [ml for when, ml in seen.volumes if when <= asked_at][-1:]
    first = next(when for when, delivery in seen.deliveries if when > asked_at and delivery is Delivery.STOPPED)
    figures: tuple[tuple[str, float], ...] = (
        ("first_s", round((first - asked_at) / SECOND, 3)),
        ("confirmed_s", round((at - asked_at) / SECOND, 3)),
        ("run_on_ml", round(max([ml for when, ml in seen.volumes if when <= at], default=0.0) - sum(before), 6)),
    )
    watched = max((when for when, _ in seen.volumes), default=at) - at
    gained = rise(seen.volumes, at)
    if watched <= 0:
        return _failed(
            place, "stop", "its volume was not seen after the stop: whether it stopped is not known", figures
        )
    figures += (("watched_s", round(watched / SECOND, 3)), ("gained_ml", round(gained, 6)))
    if gained > ROUNDING_ML:
        said = f"it lies: it says stopped, and its volume goes on: {gained:.4g} mL in {watched / SECOND:.1f} s"
        return _failed(place, "stop", said, figures)
    return Finding(place, "stop", Verdict.PASSED, f"at rest {figures[1][1]:.2f} s after it was asked", figures)


def dead_man(
    place: Place, seconds: int, seen: Seen, *, fed_at: Nanos, heard_again_at: Nanos, rate_ml_h: float
) -> Finding:
    """Judge a dead man that was pulled at `fed_at`; from `heard_again_at` on the pump was asked again.

    How long it ran on is what its counter gained over its rate: while nobody may ask, nothing else tells.
    """
    figures: tuple[tuple[str, float], ...] = (("set_s", float(seconds)),)
    first = next((d for at, d in seen.deliveries if at >= heard_again_at), None)
    if first is None:
        return _failed(place, "dead-man", "the pump is not heard again after the silence", figures)
    if first is not Delivery.STOPPED:
        silent = (heard_again_at - fed_at) / SECOND
        said = f"its dead man of {seconds} s does not act: after {silent:.0f} s of silence it is {first}"
        return _failed(place, "dead-man", said, figures)
    before = [ml for at, ml in seen.volumes if at <= fed_at][-1:]
    after = [ml for at, ml in seen.volumes if at >= heard_again_at][:1]
    if not before or not after or rate_ml_h <= 0:
        return _failed(place, "dead-man", "its volume counter does not tell when it stopped", figures)
    ran_s = (after[0] - before[0]) / rate_ml_h * HOUR_S
    figures += (("ran_on_s", round(ran_s, 2)),)
    slack = EARLY_S + EARLY_PART * seconds + VOLUME_STEPS * seen.resolution_ml / rate_ml_h * HOUR_S
    if abs(ran_s - seconds) > slack:
        return _failed(place, "dead-man", f"it stopped by itself after {ran_s:.1f} s, not {seconds} s", figures)
    return Finding(
        place, "dead-man", Verdict.PASSED, f"it stopped by itself {ran_s:.1f} s after the last word", figures
    )


def synced(place: Place, took_s: Sequence[float], why: str) -> Finding:
    """Judge a disk by how long it needed to have small records safely. why: what kept it from that, "" nothing."""
    if why or not took_s:
        return _failed(place, "disk", why or "nothing could be written")
    ordered = sorted(took_s)
    worst, median = ordered[-1], ordered[len(ordered) // 2]
    figures = (("sync_p50_s", round(median, 6)), ("sync_max_s", round(worst, 6)))
    if worst > SLOW_SYNC_S:
        return _failed(place, "disk", f"the disk needs up to {worst:.2f} s for a record", figures)
    said = f"a record is on the disk in {median * 1000:.1f} ms, {worst * 1000:.1f} ms at worst"
    return Finding(place, "disk", Verdict.PASSED, said, figures)


def _failed(place: Place, test: str, said: str, figures: tuple[tuple[str, float], ...] = ()) -> Finding:
    return Finding(place, test, Verdict.FAILED, said, figures)
