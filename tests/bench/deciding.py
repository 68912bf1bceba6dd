"""What deciding costs, without any wire: one `step` with thirty conditions configured, and an hour in virtual time.

The floor of a step: the same inputs, the newest values kept, each held against every limit that is configured for it.
The floor of the hour: the same questions and answers packed and unpacked, their values kept and held against a limit.
Neither knows of time, validity, phases, doses, what people are told, framing, faults or a record.
"""

import struct
import time
from collections.abc import Callable
from dataclasses import replace
from unittest import mock

from bench.figures import Figure, percentile
from infusion_gateway.core.state import State
from infusion_gateway.core.step import Step, step
from infusion_gateway.model.events import InfusionStarted
from infusion_gateway.model.inputs import Input, Observed
from infusion_gateway.model.metric import Metric, Nanos
from infusion_gateway.model.observation import Reading
from infusion_gateway.model.session import BedSetup, SessionProtocol, Side
from simulation import process
from simulation.beds import BOOT, NE1000, order, press, world
from simulation.cable import Devices, cable
from simulation.world import World

PROTOCOL = "depression-40"
CONDITIONS = 30
MOST_US = 50.0
MOST_S = 1.0
"""For an hour."""
MONITORS: tuple[Devices, ...] = ({"monitor": ("modbus_monitor", 1)}, {"ward-monitor": ("modbus_monitor", 1)})


def measure(seconds: float, minutes: int) -> list[Figure]:
    """Measure steps over so many seconds of a session, and a session of so many minutes. Both in virtual time."""
    part = "One step of a running session"
    figures: list[Figure] = []
    for what, change, aimed in (
        (f"{PROTOCOL} as shipped, 9 limits", lambda setup: setup, False),
        (f"{CONDITIONS} limits configured", _thirty, True),
    ):
        taken, least = _steps(seconds, change)
        middle = percentile(taken, 50)
        aim, met = (f"under {MOST_US:g} us", middle < MOST_US) if aimed else ("", None)
        figures.append(Figure(part, f"{what}, p50", middle, "us", len(taken), percentile(least, 50), aim, met))
        figures.append(Figure(part, f"{what}, p99", percentile(taken, 99), "us", len(taken), percentile(least, 99)))
    made = infusing(min(minutes + 1, 60), lambda setup: setup)
    began = time.process_time()
    made.run(minutes * 60)
    took = time.process_time() - began
    part = "A pump and two monitors at 1 Hz in virtual time: core, bus, drivers and framing against the simulators"
    most = MOST_S * minutes / 60
    aim = f"under {most:.3g} s"
    return [
        *figures,
        Figure(part, f"{minutes} minutes", took, "s of one core", 1, _barest_exchange(minutes), aim, took < most),
    ]


def infusing(minutes: int, change: Callable[[BedSetup], BedSetup]) -> World:
    """Give a bed with a pump and two monitors whose infusion has begun; `change` alters what it is set up with."""
    lines = (NE1000, *MONITORS)
    setup = change(world(*lines).setup)
    made = World(setup, {device: cable(devices, BOOT) for devices in lines for device in devices}, BOOT)
    made.run(1)
    for devices in MONITORS:
        for device in devices:
            for key, value in (("spo2", 97), ("pulse", 72), ("hr", 72), ("rr", 14)):
                made.cables[device].far.set(key, value, made.now)
    rate_ml_h = 30.0 if minutes < 60 else 20.0
    made.cables["pump"].far.set("rate_ml_h", rate_ml_h, made.now)
    made.run(10)
    order(made, minutes=min(minutes, 60), rate_ml_h=rate_ml_h, protocol=PROTOCOL)
    made.run(3)
    press(made, "pump", "start")
    made.run(5)
    if not made.told(InfusionStarted):
        raise RuntimeError("the session did not begin")
    return made


def _thirty(setup: BedSetup) -> BedSetup:
    """Have thirty conditions in the protocol: its own, again and again under other names."""

    def more(protocol: SessionProtocol) -> SessionProtocol:
        own = protocol.conditions
        made = [replace(own[n % len(own)], code=f"{own[n % len(own)].code}-{n}") for n in range(len(own), CONDITIONS)]
        return replace(protocol, conditions=(*own, *made))

    return replace(setup, protocols=tuple(more(protocol) for protocol in setup.protocols))


def _steps(seconds: float, change: Callable[[BedSetup], BedSetup]) -> tuple[list[float], list[float]]:
    """Time every step of a running session, and the floor of each; us."""
    made = infusing(40, change)
    taken: list[float] = []
    inputs: list[Input] = []

    def timed(state: State, given: Input, now: Nanos) -> Step:
        at = time.perf_counter_ns()
        done = step(state, given, now)
        taken.append((time.perf_counter_ns() - at) / 1000)
        inputs.append(given)
        return done

    with mock.patch.object(process, "step", timed):
        made.run(seconds)
    return taken, _barest_steps(inputs, made.setup)


def _barest_steps(inputs: list[Input], setup: BedSetup) -> list[float]:
    """Time the barest that could be called a step, for each of these inputs; us."""
    rows: dict[Metric, list[tuple[bool, float]]] = {}
    for condition in next(known for known in setup.protocols if known.name == PROTOCOL).conditions:
        for metric in condition.metrics:
            rows.setdefault(metric, []).extend((condition.side is Side.LOW, row.limit) for row in condition.rows)
    newest: dict[tuple[str, Metric], float] = {}
    taken: list[float] = []
    for given in inputs:
        at = time.perf_counter_ns()
        newest, past = dict(newest), []
        device, said = (given.device, given.observations) if isinstance(given, Observed) else ("", ())
        for item in said:
            value = item.value if isinstance(item, Reading) else None
            if value is not None and isinstance(item, Reading):
                newest[device, item.metric] = value
                past += [limit for low, limit in rows.get(item.metric, ()) if (value < limit if low else value > limit)]
        taken.append((time.perf_counter_ns() - at) / 1000)
    return taken


def _barest_exchange(minutes: int) -> float:
    """Give the CPU time of so many minutes of the same questions and answers, and nothing behind them; s."""
    newest: dict[str, tuple[float, ...]] = {}
    began = time.process_time()
    for second in range(60 * minutes):
        for device in ("monitor", "ward-monitor"):
            for words in (12, 11):
                struct.unpack(">BBHH", struct.pack(">BBHH", 1, 4, second & 0xFFFF, words))
                answer = struct.pack(f">{words}H", *range(90, 90 + words))
                found = struct.unpack(f">{words}H", answer)
                newest = {**newest, f"{device}{words}": tuple(word / 10 for word in found if word < 100)}
        for question in ("DIS", "RAT"):
            answer = f"{question}00I{second % 100:.3f}".encode()
            newest = {**newest, question: (float(answer.decode()[6:]),)}
    return time.process_time() - began
