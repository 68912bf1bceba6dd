"""How long a value takes from the device to a subscriber: Modbus TCP polled every 100 ms, and a streaming oximeter."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from bench.figures import Figure, spread
from bench.inside import Beds, Measured, Placed, floor, gateway
from bench.outside import Oximeter, Registers, latencies, packets

PERIOD_MS = 100.0
MORE_MS = 5.0
"""What may come on top of the poll period at p99."""
RATIO = 1.5
OXIMETERS = 3


async def measure(directory: Path, seconds: float, seed: int) -> list[Figure]:
    """Measure floor and gateway, one after the other, on the same devices."""
    found = {}
    for name in ("floor", "gateway"):
        place = directory / name
        place.mkdir()
        found[name] = await _run(name, place, seconds, seed)
    (change, said, stream), (floor_change, floor_said, floor_stream) = found["gateway"], found["floor"]
    part = "Value to subscriber, Modbus TCP polled every 100 ms"
    figures = spread(part, "from the value's change", change, floor_change, aims={99: PERIOD_MS + MORE_MS})
    figures[0] = _within(figures[0])
    figures += spread(part, "from the device's answer (no wait for the poll)", said, floor_said)
    figures += spread("Value to subscriber, streaming oximeter on a pty", "from its last byte", stream, floor_stream)
    return figures


def _within(one: Figure) -> Figure:
    return replace(one, aim=f"at most {RATIO} x floor", met=one.ratio is not None and one.ratio <= RATIO)


async def _run(name: str, place: Path, seconds: float, seed: int) -> tuple[list[float], list[float], list[float]]:
    monitor = Registers(1)
    port = await monitor.listen()
    said = packets(round(3 * (seconds + 30)))
    streams = [Oximeter(place / f"oximeter-{n}", said) for n in range(OXIMETERS)]
    beds: Beds = {"bed-0": (Placed("monitor", "bench_monitor", port),)}
    beds |= {f"bed-{n + 1}": (Placed("oximeter", "nonin_oem3", one.path),) for n, one in enumerate(streams)}
    chance = random.Random(seed)
    async with _under_test(name, place, beds) as measured, asyncio.TaskGroup() as group:
        talking = [group.create_task(_talk(one, chance)) for one in streams]
        await measured.ready("/telemetry/", 1 + OXIMETERS)
        await asyncio.sleep(1.5)
        first = [len(one.stepper.steps) for one in streams]
        for after_s in _evenly(round(seconds * 1000 / PERIOD_MS / 2), chance):
            await monitor.step(after_s)
        await asyncio.sleep(0.3)
        for task in talking:
            task.cancel()
        measured.check()
        heard = measured.subscriber.messages
    for one in streams:
        one.close()
    change, answer = latencies(monitor.stepper.steps, [m for m in heard if m.topic.endswith("bed-0/telemetry/monitor")])
    stream = []
    for n, one in enumerate(streams):
        topic = f"bed-{n + 1}/telemetry/oximeter"
        stream += latencies(one.stepper.steps[first[n] :], [m for m in heard if m.topic.endswith(topic)])[1]
    return change, answer, stream


def _evenly(count: int, chance: random.Random) -> list[float]:
    """Give moments within the poll period, evenly spread and in no order: chance would hide what is to be compared."""
    moments = [(n + 0.5) / count * PERIOD_MS / 1000 for n in range(count)]
    chance.shuffle(moments)
    return moments


async def _talk(one: Oximeter, chance: random.Random) -> None:
    """Send a packet three times a second, at moments that meet nothing else's by design."""
    while True:
        one.say()
        await asyncio.sleep(1 / 3 + chance.uniform(-0.02, 0.02))


@contextlib.asynccontextmanager
async def _under_test(name: str, place: Path, beds: Beds) -> AsyncIterator[Measured]:
    if name == "floor":
        async with floor(place, beds, every_s=PERIOD_MS / 1000) as found:
            yield found
    else:
        async with gateway(place, beds, period="100 ms") as found:
            yield found
