"""A pause made at the pump: it is held against the volume, for what a pump says of itself is not what it does."""

import pytest

from core_bed import Bed
from infusion_gateway.model.events import StopAsked
from infusion_gateway.model.inputs import Observed
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.observation import Delivery, DeliveryReported, Reading, Validity
from infusion_gateway.model.session import Phase

STEP_ML = 0.1


def paused() -> Bed:
    """Give a bed whose pump was paused at its own keys; from here on it says only what a test has it say."""
    bed = Bed()
    bed.infuse()
    bed.run(8)
    bed.pump.running = False
    bed.run(5)
    bed.pump.mute = True
    assert bed.phase is Phase.PAUSED
    assert bed.state.durable.stop is None
    return bed


def says(bed: Bed, volume: float | None, delivery: Delivery = Delivery.STOPPED) -> None:
    """Have the pump say a volume in two seconds, one after the other: one alone that leaps is not believed."""
    for _ in range(2):
        bed.run(1)
        read = () if volume is None else (Reading(Metric.VOLUME, volume, Validity.VALID, bed.now, resolution=STEP_ML),)
        bed.give(Observed("pump", (DeliveryReported(delivery), *read)))


def asked(bed: Bed) -> list[StopAsked]:
    """Give the stops that were asked for."""
    return [event for _, event in bed.events(StopAsked) if isinstance(event, StopAsked)]


@pytest.mark.parametrize(("rise", "stopped"), [(0.04, False), (0.05, False), (0.051, True), (1.0, True)])
def test_a_volume_that_rises_by_more_than_half_a_step_while_paused_is_flow(rise: float, stopped: bool) -> None:
    """Pins that the pump is asked to stop and not believed, that its case stays paused, and from which rise on."""
    bed = paused()
    says(bed, 0.0)
    says(bed, rise)
    if not stopped:
        assert not asked(bed)
        return
    [stop] = asked(bed)
    assert stop.reason == f"Delivering while paused: the volume rose by {rise:g} mL"
    assert (stop.doubted, stop.then, stop.codes, stop.by) == (True, Phase.PAUSED, (), "")
    assert bed.phase is Phase.PAUSED


def test_small_rises_add_up_over_a_pause() -> None:
    """Pins that what is compared is the least volume seen in the pause, not the one before."""
    bed = paused()
    for rise in (0.0, 0.02, 0.04):
        says(bed, rise)
    assert not asked(bed)
    says(bed, 0.06)
    assert len(asked(bed)) == 1


def test_a_counter_that_falls_in_a_pause_is_measured_from_there() -> None:
    """Pins that a counter that begins anew hides no rise: the lower volume is the one to rise from."""
    bed = paused()
    says(bed, 0.1)
    says(bed, 0.0)
    assert not asked(bed)
    says(bed, 0.06)
    assert len(asked(bed)) == 1


def test_what_an_earlier_pause_saw_is_no_measure_for_the_next() -> None:
    """Pins that what was delivered between two pauses is no flow in the second one."""
    bed = paused()
    says(bed, 0.1)
    for volume in (0.11, 0.12, 0.2, 0.3):
        says(bed, volume, Delivery.INFUSING)
    assert bed.phase is Phase.INFUSING
    for _ in range(3):
        says(bed, 0.3)
    assert bed.phase is Phase.PAUSED
    assert not asked(bed)
    says(bed, 0.36)
    assert len(asked(bed)) == 1


def test_a_pause_in_which_no_volume_comes_asks_for_nothing() -> None:
    """Pins that a volume that was not read again has not risen, and that one read before counts once one comes."""
    bed = paused()
    says(bed, 0.1)
    for _ in range(3):
        says(bed, None)
    assert not asked(bed)
    says(bed, 0.3)
    assert [stop.reason for stop in asked(bed)] == ["Delivering while paused: the volume rose by 0.2 mL"]
