"""Every MQTT topic, built and taken apart in one place (the contract is docs/mqtt.md). No patient's data in any."""

import re
from dataclasses import dataclass
from typing import TypeAlias

from infusion_gateway.model.names import RESERVED, is_name

ROOT = "igw/v1"
LONGEST = 400
_KIND = re.compile("[A-Za-z0-9._-]{1,64}")
"""Of what is asked: wider than the names there are, so that who asks for none of them is told so."""


@dataclass(frozen=True, slots=True)
class Do:
    """Somebody asks something of a bed."""

    bed: str
    instruction: str


@dataclass(frozen=True, slots=True)
class AskedHistory:
    """A station asks for what it missed."""


@dataclass(frozen=True, slots=True)
class OwnAvailability:
    """Our own availability came back: what the broker had kept, or our word just said."""


@dataclass(frozen=True, slots=True)
class StationState:
    """A station says whether it is there."""

    station: str


@dataclass(frozen=True, slots=True)
class StationSaw:
    """A station says how far it really has the events."""

    station: str


Incoming: TypeAlias = Do | AskedHistory | OwnAvailability | StationState | StationSaw


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway. A name that can't stand in a topic raises ValueError, wherever it comes in."""

    site: str
    gateway: str

    def __post_init__(self) -> None:
        checked(self.site)
        checked(self.gateway)

    @property
    def root(self) -> str:
        """What all of this gateway's topics begin with."""
        return f"{ROOT}/{self.site}/{self.gateway}"

    @property
    def availability(self) -> str:
        """Whether this gateway is there; retained, and its last will."""
        return f"{self.root}/availability"

    @property
    def heartbeat(self) -> str:
        """That it lives, every few seconds."""
        return f"{self.root}/heartbeat"

    def descriptor(self, bed: str) -> str:
        """Name where is said what a bed is made of; retained."""
        return self._of(bed, "descriptor")

    def session(self, bed: str) -> str:
        """Name where a bed's session is; retained."""
        return self._of(bed, "session")

    def alarms(self, bed: str) -> str:
        """Name where a bed's alarm conditions are; retained."""
        return self._of(bed, "alarms")

    def device(self, bed: str, device: str) -> str:
        """Name where one device's state is; retained."""
        return f"{self._of(bed, 'device')}/{checked(device)}"

    def vitals(self, bed: str) -> str:
        """Name where the newest value of each metric is."""
        return self._of(bed, "vitals")

    def telemetry(self, bed: str, device: str) -> str:
        """Name where a device is repeated, as it speaks."""
        return f"{self._of(bed, 'telemetry')}/{checked(device)}"

    def event(self, bed: str, name: str) -> str:
        """Name where events of this type go."""
        return f"{self._of(bed, 'event')}/{checked(name)}"

    def do(self, bed: str, instruction: str) -> str:
        """Name where people ask something of a bed."""
        return f"{self._of(bed, 'do')}/{checked(instruction)}"

    def discovery(self, prefix: str, bed: str) -> str:
        """Name where Home Assistant finds a bed; retained. prefix: Home Assistant's, as configured."""
        return self.discoveries(prefix).replace("+", checked(bed))

    def discoveries(self, prefix: str) -> str:
        """Give the filter of all that Home Assistant is told by this gateway."""
        return f"{prefix}/device/igw-{self.site}-{self.gateway}/+/config"

    @property
    def history(self) -> str:
        """Where stations ask for what they missed."""
        return f"{self.root}/do/history"

    def station_availability(self, station: str) -> str:
        """Name where a station says whether it is there; retained, and its last will."""
        return f"{ROOT}/{self.site}/stations/{checked(station)}/availability"

    def seen(self, station: str) -> str:
        """Name where a station says how far it really has the events."""
        return f"{ROOT}/{self.site}/stations/{checked(station)}/seen"

    def answers(self, station: str) -> str:
        """Name where a station gets its answers."""
        return f"{ROOT}/{self.site}/stations/{checked(station)}/answers"

    def is_answers(self, topic: str) -> bool:
        """Whether this is a station's answers topic: the gateway answers nowhere else, whatever a message asks for."""
        found = re.fullmatch(rf"{re.escape(f'{ROOT}/{self.site}/stations/')}([^/]*)/answers", topic)
        return found is not None and is_name(found[1])

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Give the filters that a gateway tells people by: its own availability, and the site's stations."""
        stations = f"{ROOT}/{self.site}/stations/+"
        return (self.availability, f"{stations}/availability", f"{stations}/seen")

    @property
    def kept(self) -> tuple[str, ...]:
        """Give the filters of all retained state of beds under this gateway's name."""
        beds = f"{self.root}/+"
        return (*(f"{beds}/{what}" for what in ("descriptor", "session", "alarms", "vitals")), f"{beds}/device/+")

    @property
    def asked(self) -> tuple[str, ...]:
        """Give the filters of what people and stations ask of a gateway, heard on a connection of its own."""
        return (f"{self.root}/+/do/+", self.history)

    def parse(self, topic: str) -> Incoming | None:
        """Say what came in on this topic; None where it is nothing of ours, or a name in it can't be one."""
        if topic == self.availability:
            return OwnAvailability()
        if topic == self.history:
            return AskedHistory()
        parts = topic.removeprefix(f"{ROOT}/{self.site}/").split("/")
        if not topic.startswith(f"{ROOT}/{self.site}/") or not all(is_name(part) for part in parts[:-1]):
            return None
        match parts:
            case ["stations", station, "availability"]:
                return StationState(station)
            case ["stations", station, "seen"]:
                return StationSaw(station)
            case [self.gateway, bed, "do", instruction] if bed not in RESERVED and _KIND.fullmatch(instruction):
                return Do(bed, instruction)
            case _:
                return None

    def _of(self, bed: str, what: str) -> str:
        return f"{self.root}/{checked(bed)}/{what}"


_NOT_SENDABLE = frozenset("+#\x00")


def sendable(topic: str) -> bool:
    """Whether a broker takes a publication there: not empty, not endless, no wildcard, no end of text in it."""
    return 0 < len(topic) <= LONGEST and _NOT_SENDABLE.isdisjoint(topic)


def checked(name: str) -> str:
    """Give the name back where it can stand in a topic; else ValueError."""
    if not is_name(name) or name in RESERVED:
        raise ValueError(
            f"{name[:40]!r} can't be a name in a topic: at most 32 small letters, digits and hyphens, "
            f"none of {', '.join(sorted(RESERVED))}"
        )
    return name
