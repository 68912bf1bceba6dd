"""A plan's bed: its devices on their lines, pinned, and the world around it."""

from functools import cache

from infusion_gateway.config import protocols
from infusion_gateway.devices.catalogue import build
from infusion_gateway.devices.driver import Kind
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import BedSetup, DeviceSetup, GenerationMode, SessionProtocol
from simulation.cable import Cable, Devices, cable
from simulation.plan import Plan
from simulation.world import World

BOOT: Nanos = 1_000 * SECOND
PINS = {"pump": "70001", "monitor": "80001"}
MONITOR = "modbus_monitor"
NEXT_BED = "chair-2"
"""Where a case may move to."""


@cache
def shipped() -> tuple[SessionProtocol, ...]:
    """Load the protocols once."""
    return tuple(protocols.load(protocols.shipped() / f"{n}.toml") for n in ("test-short", "depression-40"))


def _world(plan: Plan, bed: str, lines: tuple[Devices, ...], *, tcp: bool) -> World:
    cables: dict[str, Cable] = {}
    setups = []
    for devices in lines:
        pins = {
            d: (("serial-number", PINS[d]),) for d, (name, _) in devices.items() if name in ("modbus_pump", MONITOR)
        }
        laid = cable(devices, BOOT, seed=plan.seed, tcp=tcp and "pump" in devices, pins=pins)
        for device, (name, address) in devices.items():
            traits = build(name, address, {}).traits
            cables[device] = laid
            dead_man = None if plan.basic else traits.dead_man
            setups.append(DeviceSetup(device, traits.kind is Kind.PUMP, traits.stoppable, dead_man))
    setup = BedSetup(
        bed,
        tuple(setups),
        shipped(),
        GenerationMode.TEST,
        annunciator=plan.annunciator,
        cuff_on_spo2_arm=plan.scenario == "ordinary",
    )
    world = World(setup, cables, BOOT, seed=plan.seed)
    world.disk.latency = plan.disk_latency_ms * 1_000_000
    world.broker.slowest_ms = plan.broker_ms
    world.set("pump", "rate_ml_h", plan.rate_ml_h)
    world.set("pump", "reservoir_ml", 500.0)
    return world


def lay_next_door(plan: Plan) -> World:
    """Lay the bed that a case may move to: a pump that stands, a monitor with nobody wrong on it."""
    return _world(plan, NEXT_BED, ({"pump": ("modbus_pump", 1)}, {"monitor": (MONITOR, 2)}), tcp=False)


def lay(plan: Plan) -> World:
    """Lay the bed's lines and build its world."""
    kind, _, wire = plan.pump.partition("-")
    monitor = plan.monitors[0]
    pump = {"pump": ("modbus_pump" if kind == "shared" else kind, 1)}
    eyes = {"monitor": (monitor, 2 if monitor == MONITOR else 0)}
    lines: tuple[Devices, ...] = ({**pump, **eyes},) if kind == "shared" else (pump, eyes)
    if len(plan.monitors) > 1:
        lines = (*lines, {"oximeter": (plan.monitors[1], 0)})
    world = _world(plan, "chair-1", lines, tcp=wire == "tcp")
    if plan.scenario == "ordinary":
        world.set("monitor", "cuff_on_spo2_arm", "on")
        world.set("monitor", "nibp_every_s", 300)
    if plan.vtbi:
        world.set("pump", "vtbi_ml", plan.rate_ml_h * plan.minutes / 60)
    return world
