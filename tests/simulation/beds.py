"""Beds for the world: the usual devices, two people who order, a hand on the keypad."""

from infusion_gateway.config import protocols
from infusion_gateway.devices.catalogue import build
from infusion_gateway.devices.driver import Kind
from infusion_gateway.model.inputs import Instructed
from infusion_gateway.model.instructions import Confirm, Instruction, PlaceOrder
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.model.session import BedSetup, DeviceSetup, GenerationMode
from simulation.cable import Cable, Devices, cable
from simulation.world import World

BOOT: Nanos = 1_000 * SECOND
NE1000: Devices = {"pump": ("ne1000", 1)}
NONIN: Devices = {"oximeter": ("nonin_oem3", 0)}


def world(*lines: Devices) -> World:
    """Make a bed of these lines, with somebody listening, and both protocols."""
    cables: dict[str, Cable] = {}
    setups = []
    for devices in lines:
        laid = cable(devices, BOOT)
        for device, (name, address) in devices.items():
            traits = build(name, address, {}).traits
            cables[device] = laid
            setups.append(DeviceSetup(device, traits.kind is Kind.PUMP, traits.stoppable, traits.dead_man))
    loaded = tuple(protocols.load(protocols.shipped() / f"{n}.toml") for n in ("test-short", "depression-40"))
    setup = BedSetup("chair-1", tuple(setups), loaded, GenerationMode.TEST)
    made = World(setup, cables, BOOT)
    made.run(1)
    return made


def instruct(made: World, instruction: Instruction, by: str) -> None:
    """Let a person ask for something now."""
    made.give(Instructed(instruction, by=by, id=f"{by}-{len(made.events)}-{made.now}", case=""))


def order(made: World, *, minutes: float = 0.5, rate_ml_h: float = 30.0, protocol: str = "test-short") -> None:
    """Order and confirm, by two people; 1 mg/mL, 70 kg."""
    volume = rate_ml_h * minutes / 60
    placed = PlaceOrder(
        case="case-1",
        subject="subject-1",
        protocol=protocol,
        weight_kg=70.0,
        concentration_mg_ml=1.0,
        rate_ml_h=rate_ml_h,
        volume_ml=volume,
        duration=round(minutes * 60) * SECOND,
        dose_mg=volume,
    )
    instruct(made, placed, "nurse-1")
    instruct(made, Confirm(70.0, 1.0), "nurse-2")


def press(made: World, device: str, key: str) -> None:
    """Press a key of a simulator's keypad."""
    made.cables[device].far.press(key, made.now)
