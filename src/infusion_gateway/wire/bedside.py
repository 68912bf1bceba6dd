"""What gateway and annunciator say to each other over the socket on their machine: one JSON object a line, both ways.

Not part of the MQTT contract. Times are of the machine's monotone timeline, named by `boot_id`: a line that waited in
a buffer is known by its age, and one of another time line is no good one.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infusion_gateway.core.bedside import TEXT, Word
from infusion_gateway.model.alarm import Annunciation, Priority, Sound
from infusion_gateway.model.metric import MINUTE, SECOND, Nanos
from infusion_gateway.wire.stamps import words

LINE_BYTES = 1 << 14
"""A longer line is nonsense."""
BEDS = 64
OUTPUTS = 8

Boot = Annotated[str, Field(min_length=1, max_length=120)]
Bed = Annotated[str, Field(min_length=1, max_length=32)]
Moment = Annotated[int, Field(gt=-(1 << 62), lt=1 << 62)]
Level = Literal["low", "medium", "high"]


class Line(BaseModel):
    """One line. Strict: what is not as written here is not a word."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    boot_id: Boot
    at: Moment

    def to_bytes(self) -> bytes:
        """Give it as a line."""
        return self.model_dump_json().encode() + b"\n"


class Told(Line):
    """The gateway's word of one bed: what is heard and seen there from now on."""

    bed: Bed
    attended: bool
    leaving: bool
    sounding: Level | None
    sound: Literal["bursts", "reminder", "none"]
    pulses: Annotated[int, Field(ge=0, le=20)]
    repeat_ns: Annotated[int, Field(ge=SECOND, le=5 * MINUTE)] | None
    renewed_at: Moment | None
    light: Level | None
    flash_hz: Annotated[float, Field(ge=0, le=3)]
    text: Annotated[str, Field(max_length=TEXT)]
    more: Annotated[int, Field(ge=0, le=999)]
    paused_until: Moment | None

    @classmethod
    def of(cls, bed: str, word: Word, boot_id: str) -> Self:
        """Write a word."""
        shown = word.shown
        return cls(
            boot_id=boot_id,
            at=word.at,
            bed=bed,
            attended=word.attended,
            leaving=word.leaving,
            sounding=_level(shown.sounding),
            sound=shown.sound.value,
            pulses=shown.pulses,
            repeat_ns=shown.repeat,
            renewed_at=shown.renewed_at,
            light=_level(shown.light),
            flash_hz=shown.flash_hz,
            text=words(shown.text, TEXT),
            more=min(shown.more, 999),
            paused_until=shown.paused_until,
        )

    def word(self) -> Word:
        """Read it; ValueError where its parts contradict each other."""
        sounding, sound = _priority(self.sounding), Sound(self.sound)
        if (sounding is None) != (sound is Sound.NONE) or (sound is Sound.NONE) != (self.pulses == 0):
            raise ValueError("a sound without a priority, or the other way round")
        shown = Annunciation(
            sounding=sounding,
            sound=sound,
            pulses=self.pulses,
            repeat=self.repeat_ns,
            renewed_at=self.renewed_at,
            light=_priority(self.light),
            flash_hz=self.flash_hz,
            text=self.text,
            more=self.more,
            paused_until=self.paused_until,
        )
        return Word(shown, self.at, self.attended, self.leaving)


class AtBed(BaseModel):
    """How the annunciator stands at one bed. heard_at: of the gateway's newest good word, by its own stamp.

    outputs: each by name, and why it does not work; "" where it was seen to.
    """

    model_config = Line.model_config

    heard_at: Moment | None
    sounding: Level | None
    outputs: Annotated[
        dict[Annotated[str, Field(max_length=16)], Annotated[str, Field(max_length=200)]], Field(max_length=OUTPUTS)
    ]


class Report(Line):
    """The annunciator's answer, every second: that it lives, what it has heard, whether its outputs work."""

    beds: Annotated[dict[Bed, AtBed], Field(max_length=BEDS)]

    @classmethod
    def of(
        cls, beds: Mapping[str, tuple[Nanos | None, Priority | None, Mapping[str, str]]], now: Nanos, boot_id: str
    ) -> Self:
        """Write a report: for each bed, when the gateway was heard, what sounds, and its outputs."""
        standing = {
            bed: AtBed(
                heard_at=heard_at,
                sounding=_level(sounding),
                outputs={name: words(why, 200) for name, why in outputs.items()},
            )
            for bed, (heard_at, sounding, outputs) in beds.items()
        }
        return cls(boot_id=boot_id, at=now, beds=standing)


def told(line: bytes, boot_id: str) -> tuple[str, Word] | str:
    """Read a line of the gateway's: which bed, and the word; or why it is no good one."""
    try:
        read = Told.model_validate_json(line)
        if read.boot_id != boot_id:
            return "what it says is of another time line"
        return read.bed, read.word()
    except (ValidationError, ValueError):
        return "what it says can't be read"


def report(line: bytes, boot_id: str) -> Report | None:
    """Read a line of an annunciator's; None where it is none, or of another time line."""
    try:
        read = Report.model_validate_json(line)
    except ValidationError:
        return None
    return read if read.boot_id == boot_id else None


def _level(priority: Priority | None) -> Level | None:
    match priority:
        case Priority.HIGH:
            return "high"
        case Priority.MEDIUM:
            return "medium"
        case Priority.LOW:
            return "low"
        case None:
            return None


def _priority(level: Level | None) -> Priority | None:
    return None if level is None else Priority[level.upper()]
