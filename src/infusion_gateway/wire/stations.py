"""What stations say: that they are there, and how far they really have each bed's events."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from infusion_gateway.model.names import NAME

LONGEST = 16 * 1024
TELLING = 48
"""Alarms of a station's availability: more are told of twice, by each station."""
LONGEST_NAME = 140

_Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
Read = TypeVar("Read", bound=BaseModel)
_Time = Annotated[str, StringConstraints(max_length=40)]


class _FromStation(BaseModel):
    """A newer station may say more than this gateway knows: unknown keys are passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, use_attribute_docstrings=True)

    time: _Time


class StationAvailability(_FromStation):
    """`igw/v1/{site}/stations/{station}/availability`, retained, and its last will."""

    status: Literal["online", "offline"]
    sequence: Annotated[int, Field(ge=0)] = 0
    """The station's own heartbeat."""


class TellingOf(BaseModel):
    """An alarm that a station tells people of, or that somebody away from it has."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, use_attribute_docstrings=True)

    alarm: Annotated[str, StringConstraints(max_length=LONGEST_NAME)]
    """`gateway/bed/code`."""
    held_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    """For so long somebody has it; 0: nobody."""
    by: Annotated[str, StringConstraints(max_length=64)] = ""


class StationTelling(StationAvailability):
    """The same as other stations read it; gateways pass over what they don't know."""

    notifies: bool = False
    """It tells people away from its page of alarms, and can: a message got to somebody."""
    telling: Annotated[list[TellingOf], Field(max_length=TELLING)] = []
    """The alarms that it has in hand."""


class SeenBed(BaseModel):
    """The newest event of a bed that a station really has."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    gateway: _Name
    bed: _Name
    sequence: Annotated[int, Field(ge=0, le=2**53)]
    id: Annotated[str, StringConstraints(max_length=64)]


class StationSeen(_FromStation):
    """`igw/v1/{site}/stations/{station}/seen`."""

    seen: Annotated[list[SeenBed], Field(max_length=256)]


@dataclass(frozen=True, slots=True)
class Nonsense:
    """A station's message that can't be read, and why."""

    why: str


def parse_availability(payload: bytes) -> StationAvailability | Nonsense:
    """Read a station's availability."""
    return _read(StationAvailability, payload)


def parse_telling(payload: bytes) -> StationTelling | Nonsense:
    """Read a station's availability as another station does."""
    return _read(StationTelling, payload)


def _read(model: type[Read], payload: bytes) -> Read | Nonsense:
    if len(payload) > LONGEST:
        return Nonsense(f"{len(payload)} bytes")
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        return Nonsense(str(error.errors(include_url=False)[0]["msg"])[:100])


def parse_seen(payload: bytes, gateway: str, journal: str) -> tuple[tuple[str, int], ...] | Nonsense:
    """Read how far a station has the beds of this gateway and this journal: pairs of bed and the bed's sequence."""
    if len(payload) > LONGEST:
        return Nonsense(f"{len(payload)} bytes")
    try:
        said = StationSeen.model_validate_json(payload)
    except ValidationError as error:
        return Nonsense(str(error.errors(include_url=False)[0]["msg"])[:100])
    ours = (one for one in said.seen if one.gateway == gateway and one.id.startswith(f"{journal}-"))
    return tuple((one.bed, one.sequence) for one in ours)
