"""The inbox: bounded, fair, and nothing lost but the older of two readings."""

import asyncio

from infusion_gateway.model.inputs import DeadlineReached, Faulted, Instructed, LinkLost, Observed
from infusion_gateway.model.instructions import Stop
from infusion_gateway.model.metric import Metric
from infusion_gateway.model.observation import (
    Delivery,
    DeliveryReported,
    Fault,
    FaultKind,
    Reading,
    Validity,
)
from infusion_gateway.runtime.inbox import CAPACITY, INSTRUCTIONS, Inbox


def reading(value: float) -> Reading:
    return Reading(Metric.SPO2, value, Validity.VALID, measured_at=0)


def instruction(at: int) -> Instructed:
    return Instructed(Stop("asked"), by="nurse-1", id=str(at), case="")


def drained(inbox: Inbox) -> list[object]:
    taken = []
    while (one := inbox.take()) is not None:
        taken.append(one)
    return taken


def test_order_of_arrival_is_kept() -> None:
    """Pins that device input comes out as it came in."""
    inbox = Inbox()
    given = [Observed("a", (reading(97),)), LinkLost("a", "unplugged"), Observed("a", (reading(96),))]
    for one in given:
        inbox.put(one)
    assert drained(inbox) == given


def test_a_full_inbox_coalesces_readings_and_keeps_the_rest() -> None:
    """Pins that only an older reading of the same metric gives way; delivery reports and faults all come through."""
    inbox = Inbox()
    for at in range(CAPACITY):
        inbox.put(Observed("a", (reading(at % 100),)))
    inbox.put(Observed("a", (DeliveryReported(Delivery.INFUSING), reading(42))))
    inbox.put(Observed("a", (DeliveryReported(Delivery.STOPPED), reading(43))))
    inbox.put(Faulted("a", Fault(FaultKind.CHECKSUM, "bad")))
    inbox.put(LinkLost("a", "gone"))
    out = drained(inbox)
    last = out[CAPACITY - 1]
    assert isinstance(last, Observed)
    assert [o for o in last.observations if isinstance(o, DeliveryReported)] == [
        DeliveryReported(Delivery.INFUSING),
        DeliveryReported(Delivery.STOPPED),
    ]
    assert [o for o in last.observations if isinstance(o, Reading)] == [reading(43)]
    assert out[CAPACITY:] == [Faulted("a", Fault(FaultKind.CHECKSUM, "bad")), LinkLost("a", "gone")]
    assert inbox.coalesced == 2


def test_a_device_that_floods_cannot_grow_it() -> None:
    """Pins the bound: a hundred thousand reports and faults of one device leave it at its capacity."""
    inbox = Inbox()
    for at in range(50_000):
        inbox.put(Observed("a", (reading(at % 100),)))
        inbox.put(Faulted("a", Fault(FaultKind.FRAMING, str(at))))
    assert len(inbox) <= CAPACITY + 1


def test_a_flood_of_instructions_is_refused_and_delays_no_device() -> None:
    """Pins that instructions have a bound of their own and that device input is taken first."""
    inbox = Inbox()
    put = [inbox.put(instruction(at)) for at in range(INSTRUCTIONS + 5)]
    assert put == [True] * INSTRUCTIONS + [False] * 5
    inbox.put(LinkLost("a", "gone"))
    assert inbox.take() == LinkLost("a", "gone")


async def test_waiting_ends_with_what_arrives_and_with_time() -> None:
    """Pins that a wait ends at once when something arrives, and by itself when nothing does."""
    inbox = Inbox()
    await inbox.wait(0.01)
    assert inbox.take() is None
    waiting = asyncio.ensure_future(inbox.wait(60))
    inbox.put(DeadlineReached())
    async with asyncio.timeout(1):
        await waiting
    assert inbox.take() == DeadlineReached()
