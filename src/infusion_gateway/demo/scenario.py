"""Reads scenario files, schema 1 (docs/scenarios.md): strict, every problem with its place and the way out."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from infusion_gateway.config.quantities import seconds
from infusion_gateway.demo.judge import Expectation, Subject
from infusion_gateway.errors import ConfigError, Problem

MAX_BYTES = 256 * 1024
LONGEST_S = 90.0
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Place: TypeAlias = Annotated[str, Field(pattern=r"^([a-z0-9-]{1,63}/)?[a-z0-9-]{1,63}$")]
Time: TypeAlias = Annotated[float, BeforeValidator(seconds), Field(ge=0, le=6 * 3600)]
Scalar: TypeAlias = str | int | float | bool


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Device(_Strict):
    """One simulated device of a bed."""

    id: Name
    bed: Name = "chair-1"
    dialect: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,63}$")]
    wire: Literal["pty", "tcp"]
    line: Name
    address: Annotated[int, Field(ge=0, le=247)] = 0
    set: dict[str, Scalar] = {}

    @property
    def place(self) -> str:
        """The device with its bed, unique in the scenario."""
        return f"{self.bed}/{self.id}"


class Order(_Strict):
    """What two people enter at one bed; quantities with their units, as `infusion-gateway session order` takes them."""

    bed: Name = "chair-1"
    protocol: str
    weight: str
    concentration: str
    rate: str
    volume: str
    duration: str
    dose: str
    ordered_by: str
    confirmed_by: str
    at: Time


class Act(_Strict):
    """One thing that happens."""

    t: Time
    bed: Name = "chair-1"
    press: dict[Place, str] | None = None
    set: dict[Place, dict[str, Scalar]] | None = None
    fault: dict[Place, str] | None = None
    clear: Place | None = None
    instruct: dict[str, Scalar] | None = None
    play: dict[Place, Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]] | None = None
    kill: Name | None = None
    start: Name | None = None
    swap: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "Act":
        done = [k for k in _ACTS if getattr(self, k) is not None]
        if len(done) != 1:
            raise ValueError(f"needs exactly one of {', '.join(_ACTS)}; it has {', '.join(done) or 'none'}")
        return self


_ACTS = ("press", "set", "fault", "clear", "instruct", "play", "kill", "start", "swap")


class Expect(_Strict):
    """One thing that must come of it."""

    name: str
    bed: Name = "chair-1"
    event: Name | None = None
    alarm: Name | None = None
    session: Literal[True] | None = None
    device: Name | None = None
    value: Name | None = None
    simulator: Place | None = None
    fresh: Literal[True] | None = None
    complete: Literal[True] | None = None
    deadline_kept: Literal[True] | None = None
    where: dict[str, Scalar | list[Scalar]] = {}
    after: Time = 0.0
    by: Time | None = None
    until: Time | None = None
    never: bool = False

    @model_validator(mode="after")
    def _one_subject(self) -> "Expect":
        found = [s for s in Subject if getattr(self, s) is not None]
        if len(found) != 1:
            raise ValueError(f"needs exactly one of {', '.join(Subject)}; it has {', '.join(found) or 'none'}")
        if found[0] not in {Subject.COMPLETE, Subject.DEADLINE_KEPT} and (self.by is None) is not self.never:
            raise ValueError('needs either by = "…" or never = true')
        if self.until is not None and not self.never:
            raise ValueError("until goes with never = true; otherwise use by")
        return self

    def expectation(self, end_s: float) -> Expectation:
        """Give it as the judge takes it."""
        subject = next(s for s in Subject if getattr(self, s) is not None)
        of = getattr(self, subject)
        bed = self.bed
        if subject is Subject.SIMULATOR and "/" in of:
            bed, of = of.split("/")
        last = self.until if self.never else self.by
        return Expectation(
            name=self.name,
            subject=subject,
            bed=bed,
            of=of if isinstance(of, str) else "",
            where=tuple(sorted(self.where.items())),
            after_s=self.after,
            until_s=end_s if last is None else last,
            never=self.never,
        )


class End(_Strict):
    """When the scenario is over."""

    at: Annotated[Time, Field(le=LONGEST_S)]


class Scenario(_Strict):
    """A whole scenario file."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    name: Name
    title: str
    recordings: list[str] = []
    device: Annotated[list[Device], Field(min_length=1, max_length=32)]
    order: list[Order] = []
    at: list[Act] = []
    expect: Annotated[list[Expect], Field(min_length=1)]
    end: End

    @model_validator(mode="after")
    def _resolved(self) -> "Scenario":
        places = {d.place for d in self.device}
        if len(places) != len(self.device):
            raise ValueError("two devices have one name")
        lines = {d.line for d in self.device}
        for act in self.at:
            named = [*(act.press or {}), *(act.set or {}), *(act.fault or {}), *(act.play or {}), act.clear]
            for one in named:
                if one is not None and full(one, act.bed) not in places:
                    raise ValueError(f"at {act.t:g} s: no device {one!r}; there are {', '.join(sorted(places))}")
            processes = lines | {"gateway", "broker"}
            for process in (act.kill, act.start, *(act.swap or ())):
                if process is not None and process not in processes:
                    raise ValueError(
                        f"at {act.t:g} s: no process {process!r}; there are {', '.join(sorted(processes))}"
                    )
        return self

    @property
    def beds(self) -> tuple[str, ...]:
        """The beds, in the order they are first named."""
        return tuple(dict.fromkeys(d.bed for d in self.device))


def full(place: str, bed: str) -> str:
    """Give a device's place with its bed."""
    return place if "/" in place else f"{bed}/{place}"


def read(path: Path) -> Scenario:
    """Read a scenario file; ConfigError with every problem where it is not one."""

    def refuse(key: str, problem: str) -> ConfigError:
        return ConfigError((Problem(str(path), 0, key, problem, "docs/scenarios.md has the format"),))

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise refuse("-", f"can't be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise refuse("-", f"longer than {MAX_BYTES} bytes")
    try:
        table: dict[str, Any] = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise refuse("-", f"is no TOML: {error}") from error
    try:
        return Scenario.model_validate(table)
    except ValidationError as error:
        problems = tuple(
            Problem(
                str(path), 0, ".".join(str(p) for p in e["loc"]) or "-", e["msg"], "docs/scenarios.md has the format"
            )
            for e in error.errors()
        )
        raise ConfigError(problems) from error
