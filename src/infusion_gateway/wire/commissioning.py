"""The commissioning record: what was tried at which bed with which configuration and version, and what it showed.

It stands in the state directory; a gateway in mode `real` arms no bed without one that fits. Strict, bounded, closed.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

NAME = "commissioning.json"
LARGEST = 1 << 20
"""Bytes that a record may have: sixty beds with their devices need a third of it."""
COMMAND = "infusion-gateway commission -c FILE"
JUDGED_ANEW = frozenset({"clock"})
"""Tests whose failure shuts no bed by itself: their own gate is judged at every arming, and a person may pass it."""

Text = Annotated[str, Field(max_length=700)]
Label = Annotated[str, Field(max_length=70)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Found(_Part):
    """One test. bed, device: "" for the gateway itself, and for the bed itself. figures: the unit ends each name."""

    bed: Label
    device: Label
    test: Label
    verdict: Literal["passed", "failed", "absent"]
    words: Text
    figures: Annotated[dict[Label, float], Field(max_length=16)]

    @property
    def place(self) -> str:
        """Where it was."""
        return "/".join(part for part in (self.bed, self.device) if part) or "gateway"


class Commissioned(_Part):
    """One commissioning, whole. answered: by a person, or out of a file (which proves no screen and no sound)."""

    schema_version: Literal[1] = 1
    made_at: Annotated[str, Field(max_length=30)]
    site: Label
    gateway: Label
    mode: Literal["real", "test", "demo"]
    configuration: Text
    configuration_digest: Digest
    version: Label
    by: Annotated[tuple[Label, ...], Field(min_length=1, max_length=4)]
    answered: Literal["person", "file"]
    beds: Annotated[tuple[Label, ...], Field(max_length=64)]
    findings: Annotated[tuple[Found, ...], Field(max_length=4096)]

    def to_bytes(self) -> bytes:
        """Write it."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    def failures(self, bed: str) -> tuple[Found, ...]:
        """Give what failed at a bed, or of the gateway itself, and is not judged anew at every arming."""
        here = (one for one in self.findings if one.verdict == "failed" and one.bed in ("", bed))
        return tuple(one for one in here if one.test not in JUDGED_ANEW)

    def why_not(self, bed: str, digest: str, version: str) -> str:
        """Say why this record lets no patient be treated at a bed, with the way out; "" where it does."""
        again = f"commission it again: {COMMAND}"
        if self.configuration_digest != digest:
            return f"it was commissioned with another configuration ({self.configuration_digest[:12]}): {again}"
        if self.version != version:
            return f"it was commissioned with version {self.version}, this is {version}: {again}"
        if self.answered != "person":
            return f"its commissioning was answered out of a file, by nobody who saw the bed: {again}"
        if not any(one.bed == bed for one in self.findings) or not any(not one.bed for one in self.findings):
            return f"nothing was tried at this bed: {again}"
        failed = self.failures(bed)
        if failed:
            return f"it did not pass: {failed[0].place} {failed[0].test}: {failed[0].words}"[:120] + f"; {again}"
        return ""


def read(data: bytes) -> Commissioned | None:
    """Read a record; None where it is none."""
    try:
        return Commissioned.model_validate_json(data) if len(data) <= LARGEST else None
    except ValidationError:
        return None
