"""What devices cost: CPU and memory at 1, 10 and 50 Modbus TCP monitors of sixteen registers, each polled every second.

Each monitor is a bed of its own, the dearest way to have them: every bed decides, and publishes its values, by itself.
"""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure
from bench.inside import Beds, Measured, Placed, floor, gateway
from bench.outside import Registers

CPU_PERCENT, MEMORY_MB, CPU_RATIO = 3.0, 60.0, 2.0
"""The most at 50 devices; and the most times the floor's CPU."""
SETTLE_S = 3.0
"""After everybody has spoken: start-up, first retained state and first events are over by then."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one process took: percent of a core, MB resident, messages a second that a subscriber got."""

    cpu: float
    memory: float
    messages: float


async def measure(directory: Path, sizes: dict[int, float]) -> list[Figure]:
    """Measure floor and gateway at each number of devices. sizes: number to seconds of the window."""
    figures: list[Figure] = []
    for count, seconds in sizes.items():
        place = directory / str(count)
        place.mkdir()
        found = {}
        for name in ("floor", "gateway"):
            (place / name).mkdir()
            found[name] = await _run(name, place / name, count, seconds)
        figures += _figures(count, found["gateway"], found["floor"])
    return figures


def _figures(count: int, gateway_load: Load, floor_load: Load) -> list[Figure]:
    part = f"Load: {count} Modbus TCP device{'s' * (count > 1)} of 16 registers, polled every second"
    cpu = Figure(part, "CPU", gateway_load.cpu, "% of a core", 1, floor_load.cpu)
    figures = [
        Figure(part, "CPU a device", gateway_load.cpu / count, "% of a core", 1, floor_load.cpu / count),
        Figure(part, "messages", gateway_load.messages, "/s", 1, floor_load.messages),
    ]
    most = 50
    if count == most:
        times = cpu.ratio or float("inf")
        return [
            Figure(part, "CPU", cpu.value, cpu.unit, 1, cpu.floor, f"under {CPU_PERCENT:g} %", cpu.value < CPU_PERCENT),
            Figure(part, "CPU, times the floor's", times, "x", 1, None, f"at most {CPU_RATIO:g} x", times <= CPU_RATIO),
            figures[0],
            Figure(
                part,
                "memory",
                gateway_load.memory,
                "MB",
                1,
                floor_load.memory,
                f"under {MEMORY_MB:g} MB",
                gateway_load.memory < MEMORY_MB,
            ),
            figures[1],
        ]
    return [cpu, figures[0], Figure(part, "memory", gateway_load.memory, "MB", 1, floor_load.memory), figures[1]]


async def _run(name: str, place: Path, count: int, seconds: float) -> Load:
    devices = [Registers(n) for n in range(count)]
    beds: Beds = {
        f"bed-{n}": (Placed("monitor", "bench_monitor", await one.listen()),) for n, one in enumerate(devices)
    }
    process: AbstractAsyncContextManager[Measured] = (
        floor(place, beds, every_s=1.0) if name == "floor" else gateway(place, beds)
    )
    async with process as measured:
        measured.subscriber.keeps = False
        await measured.ready("/telemetry/", count)
        await measured.ready("/vitals", count)
        await asyncio.sleep(SETTLE_S)
        cpu, at, heard = measured.cpu_ns(), time.monotonic_ns(), sum(measured.subscriber.counts.values())
        await asyncio.sleep(seconds)
        used, took = measured.cpu_ns() - cpu, time.monotonic_ns() - at
        messages = sum(measured.subscriber.counts.values()) - heard
        measured.check()
        return Load(100 * used / took, measured.resident_mb(), messages * 1e9 / took)
