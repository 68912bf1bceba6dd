"""What stations say: that they are there, and how far they really have each bed's events."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from infusion_gateway.model.names import NAME

LONGEST = 16 * 1024

_Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
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
    if len(payload) > LONGEST:
        return Nonsense(f"{len(payload)} bytes")
    try:
        return StationAvailability.model_validate_json(payload)
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
