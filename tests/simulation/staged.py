"""The demo's scenario files in virtual time: the same acts, the same judge, at any length, without a process or a port.

The file is read by the gateway's own reader and judged by its own judge; a killed gateway is the world's crash, a
killed broker its fall, and swapped cables lead each line to the other's device.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from infusion_gateway.core import views
from infusion_gateway.demo.judge import Judge, Sighting, Subject
from infusion_gateway.demo.main import _argument, scenario_files
from infusion_gateway.demo.scenario import Act, Device, Order, Scenario, full, read
from infusion_gateway.demo.script import rows, sightings
from infusion_gateway.devices.catalogue import build
from infusion_gateway.devices.driver import Kind
from infusion_gateway.model.inputs import Instructed
from infusion_gateway.model.metric import SECOND
from infusion_gateway.model.session import BedSetup, DeviceSetup, GenerationMode
from infusion_gateway.model.status import LinkState
from infusion_gateway.wire.asking import Parsed, parse_instruction
from infusion_gateway.wire.messages import Device as DeviceMessage
from infusion_gateway.wire.messages import Vitals
from infusion_simulators.line import Line as SimLine
from simulation.cable import Cable, cable
from simulation.laying import BOOT, shipped
from simulation.looks import Finding, Verdict
from simulation.post import EVENT, Station
from simulation.ward import SLICE_S, Ward
from simulation.world import World

READY_S = 20.0
RECORDINGS = Path(__file__).parents[3] / "shared/data/bidmc"
ORDERED_END = ("normal", "overrun")
"""Scenarios whose end is that of what was ordered: with a longer order what is expected of the end comes later."""
BEFORE_END_S = 8.0
LONG_S, LONG_GRACE_S, SHORT_GRACE_S = 2400.0, 120.0, 8.0
LONG_ORDER = {
    "protocol": "depression-40",
    "rate": "52.5 mL/h",
    "volume": "35 mL",
    "duration": "40 min",
    "dose": "35 mg",
}
"""0.5 mg/kg for 70 kg over 40 min (clinical reference, fact 1) at 1 mg/mL."""


@cache
def scenario(name: str) -> Scenario:
    """Read a shipped scenario, once."""
    return read(scenario_files()[name])


def names(*, recorded: bool) -> list[str]:
    """Give the names of the shipped scenarios, those that play recordings or those that don't."""
    return [name for name in scenario_files() if bool(scenario(name).recordings) is recorded]


def long(short: Scenario) -> Scenario:
    """Give the scenario with the order of depression-40 at a patient's rate."""
    orders = [order.model_copy(update=LONG_ORDER) for order in short.order]
    devices = [
        device.model_copy(update={"set": {**device.set, **_longer(device.set)}})
        if "rate_ml_h" in device.set
        else device
        for device in short.device
    ]
    made = short.model_copy(update={"order": orders, "device": devices})
    return _later(made, short.order[0]) if short.name in ORDERED_END else made


def _longer(keys: Mapping[str, Any]) -> dict[str, float]:
    return {"rate_ml_h": 52.5} | ({"vtbi_ml": 35.0} if "vtbi_ml" in keys else {})


def _later(made: Scenario, before: Order) -> Scenario:
    """Move what is expected about the end of the order to where it now is."""
    end_s = made.at[0].t + _argument("duration", before.duration)[1]
    by = LONG_S - (end_s - made.at[0].t)

    def moved(t: float | None, more: float = 0.0) -> float | None:
        return t if t is None or t < end_s - BEFORE_END_S else t + by + more

    grace = LONG_GRACE_S - SHORT_GRACE_S
    expect = [
        e.model_copy(update={"after": moved(e.after), "by": moved(e.by, grace), "until": moved(e.until, grace)})
        for e in made.expect
    ]
    end = made.end.model_copy(update={"at": made.end.at + by + grace})
    return made.model_copy(update={"expect": expect, "end": end})


@dataclass(slots=True)
class Listener(Station):
    """A station whose every message the judge sees too."""

    staged: "Staged | None" = None
    bed: str = ""

    def take(self, topic: str, payload: bytes) -> None:
        """Take what the broker hands over."""
        Station.take(self, topic, payload)
        body = json.loads(payload)
        kind = f"{EVENT}/{body['type']}" if topic == EVENT else topic
        assert self.staged is not None
        self.staged.see(self.bed, kind, body)


@dataclass(slots=True)
class Sim:
    """A simulated device. prefix: its unit on a shared line, before each key."""

    device: Device
    far: SimLine
    prefix: str
    playing: list[dict[str, float | None]] = field(default_factory=list)


class Staged:
    """One playing of a scenario. seed: of disk, broker, lines and simulators."""

    def __init__(self, played: Scenario, *, seed: int = 0, disk_ms: int = 3, broker_ms: int = 20) -> None:
        self.scenario, self.seed = played, seed
        self.judge = Judge(tuple(e.expectation(played.end.at) for e in played.expect))
        self.cables: dict[str, Cable] = {}
        self.sims: dict[str, Sim] = {}
        self.refused: list[str] = []
        self.zero: int | None = None
        self._ids = 0
        self._looked = 0
        self.ward = Ward({bed: self._bed(bed) for bed in played.beds})
        for bed, world in self.ward.worlds.items():
            world.disk.latency, world.broker.slowest_ms = disk_ms * 1_000_000, broker_ms
            world.station = world.broker.station = Listener(staged=self, bed=bed)
        self.ward.looks.append(self._look)

    def _bed(self, bed: str) -> World:
        setups, cables = [], {}
        devices = [d for d in self.scenario.device if d.bed == bed]
        for line in dict.fromkeys(d.line for d in devices):
            on_line = [d for d in devices if d.line == line]
            laid = cable(
                {d.id: (d.dialect, d.address) for d in on_line}, BOOT, seed=self.seed, tcp=on_line[0].wire == "tcp"
            )
            self.cables[line] = laid
            for device in on_line:
                sim = Sim(device, laid.far, f"{device.address}." if len(on_line) > 1 else "")
                self.sims[device.place] = sim
                cables[device.id] = laid
                traits = build(device.dialect, device.address, {}).traits
                setups.append(DeviceSetup(device.id, traits.kind is Kind.PUMP, traits.stoppable, traits.dead_man))
                for key, value in device.set.items():
                    laid.far.set(f"{sim.prefix}{key}", value, BOOT)
        return World(BedSetup(bed, tuple(setups), shipped(), GenerationMode.TEST), cables, BOOT, seed=self.seed)

    # --- playing it

    @property
    def at_s(self) -> float:
        """Seconds since the scenario's zero; before it, as the demo says it, -1."""
        return -1.0 if self.zero is None else (self.ward.now - self.zero) / SECOND

    def play(self) -> Verdict:
        """Play it to its end; each expectation that did not hold is a finding."""
        self._until_ready()
        self.zero = self.ward.now
        orders: list[tuple[float, Order | Act]] = [(order.at, order) for order in self.scenario.order]
        acts: list[tuple[float, Order | Act]] = [(act.t, act) for act in self.scenario.at]
        for at_s, what in sorted([*orders, *acts], key=lambda one: one[0]):
            self.ward.run(max(0.0, at_s - self.at_s))
            self._order(what) if isinstance(what, Order) else self._act(what)
        self.ward.run(max(0.0, self.scenario.end.at - self.at_s))
        name = self.scenario.name
        findings = [
            Finding("scenario", o.at_s or 0.0, f"{name}: {o.name}: {o.expected}; seen: {o.observed[:200]}")
            for o in self.judge.outcomes()
            if not o.passed
        ]
        told = [type(event).__name__ for world in self.ward.worlds.values() for _, event in world.events]
        counts = {"sessions": len(self.scenario.order), f"file {name}": 1}
        return Verdict(self.seed, findings, (self.ward.now - BOOT) / SECOND, counts, [*self.refused, *told[-20:]])

    def _until_ready(self) -> None:
        while True:
            self.ward.run(0.5)
            up = [
                known.link is LinkState.UP
                for world in self.ward.worlds.values()
                for known in views.devices(world.state, world.now)
            ]
            heard = all(world.state.live.listeners is True for world in self.ward.worlds.values())
            if all(up) and heard:
                return
            assert self.ward.now - BOOT < READY_S * SECOND, "not every device was heard"

    def _order(self, order: Order) -> None:
        fields = ("protocol", "weight", "concentration", "rate", "volume", "duration", "dose")
        first = {"case": "demo", "subject": "demo"} | {name: getattr(order, name) for name in fields}
        self._instruct(order.bed, "order", order.ordered_by, first)
        second = {"weight": order.weight, "concentration": order.concentration}
        self._instruct(order.bed, "confirm", order.confirmed_by, second)

    def _instruct(self, bed: str, name: str, by: str, arguments: Mapping[str, Any]) -> None:
        """Ask as a person at a station does, in the bytes that a station would send."""
        self._ids += 1
        written = dict(_argument(key, value) for key, value in arguments.items())
        body = {"id": f"{by}-{self._ids}", "by": by, "station": "demo-nurse", "arguments": written}
        asked = parse_instruction(name, json.dumps(body).encode())
        assert isinstance(asked, Parsed), asked
        world = self.ward.worlds[bed]
        if world.process is None or not world.process.teller.connected:
            self.refused.append(f"{name}: nobody was there")
            return
        world.give(Instructed(asked.instruction, by=asked.by, id=asked.id, case=asked.case))

    def _act(self, act: Act) -> None:
        for place, key in (act.press or {}).items():
            sim = self._sim(place, act.bed)
            sim.far.press(f"{sim.prefix}{key}", self.ward.now)
        for place, keys in (act.set or {}).items():
            self._set(self._sim(place, act.bed), keys)
        for place, fault in (act.fault or {}).items():
            sim = self._sim(place, act.bed)
            sim.far.fault(f"{sim.prefix}{fault}", self.ward.now)
        for place, recording in (act.play or {}).items():
            self._sim(place, act.bed).playing = list(reversed(rows(RECORDINGS / recording)))
        if act.clear is not None:
            self._sim(act.clear, act.bed).far.clear(None, self.ward.now)
        if act.instruct is not None:
            arguments = {k: v for k, v in act.instruct.items() if k not in {"name", "by"}}
            self._instruct(act.bed, str(act.instruct["name"]), str(act.instruct["by"]), arguments)
        for process, start in ((act.kill, False), (act.start, True)):
            if process is not None:
                self._process(process, start=start)
        if act.swap is not None:
            one, other = (self.cables[line] for line in act.swap)
            one.far, other.far = other.far, one.far
            for end in (one, other):
                end.far.fault("disconnect:for_s=0.5", self.ward.now)
        for laid in self.cables.values():
            laid.touched()

    def _process(self, name: str, *, start: bool) -> None:
        """Kill or start a process, as the world has it."""
        for world in self.ward.worlds.values():
            if name == "broker":
                world.broker.rise(forget=True) if start else world.broker.down()
        if name == "gateway":
            self.ward.restart() if start else self.ward.crash()
        elif name in self.cables:
            self.cables[name].connected = start

    def _sim(self, place: str, bed: str) -> Sim:
        return self.sims[full(place, bed)]

    def _set(self, sim: Sim, keys: Mapping[str, Any]) -> None:
        for key, value in keys.items():
            sim.far.set(f"{sim.prefix}{key}", value, self.ward.now)

    # --- looking on

    def see(self, bed: str, kind: str, message: Mapping[str, Any]) -> None:
        """Hand the judge what a subscriber got."""
        self.judge.saw(sightings(bed, kind, message, self.at_s))

    def _look(self) -> None:
        self._looked += 1
        for sim in self.sims.values():
            sim.far.advance(self.ward.now)
            found = sim.far.state()
            state: Any = found[str(sim.device.address)] if sim.prefix else found
            if sim.playing and self._looked % round(1 / SLICE_S) == 0:
                self._set(sim, {key: value for key, value in sim.playing.pop().items() if key in state})
            self.judge.saw([Sighting(Subject.SIMULATOR, sim.device.bed, sim.device.id, state, self.at_s)])
        if self._looked % round(1 / SLICE_S) == 0:
            self._every_second()

    def _every_second(self) -> None:
        """Publish what the gateway does with the second, where somebody gets it."""
        for bed, world in self.ward.worlds.items():
            process = world.process
            if process is None or not (process.teller.connected and world.broker.up and world.station.connected):
                continue
            process.show_session()
            vitals = Vitals.of(views.vitals(process.state, process.at), process.utc_ns)
            self.see(bed, "vitals", json.loads(vitals.to_bytes()))
            for status in views.devices(process.state, process.at):
                self.see(
                    bed, f"device/{status.device}", json.loads(DeviceMessage.of(status, process.utc_ns).to_bytes())
                )
