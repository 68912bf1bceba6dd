"""A session protocol file's shape: every number that a session is held against, each with its unit. No defaults.

A limit is written as the rule is said: when = "< 90 %", when = ">= baseline + 30 mmHg".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from infusion_gateway.config import quantities
from infusion_gateway.config.quantities import Kind, QuantityError
from infusion_gateway.config.schema import METRICS, MetricWord, Name, Table, Word, wrong
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.metric import Nanos
from infusion_gateway.model.session import Phase, Side

NEVER = "never"


def _reader(kind: Kind) -> Callable[[object], float]:
    def read(text: object) -> float:
        try:
            return quantities.duration(text) if kind is quantities.DURATION else quantities.parse(text, kind)
        except QuantityError as error:
            raise wrong(error.problem, error.remedy) from None

    return read


def _schema(kind: Kind) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "description": kind.name, "pattern": kind.pattern, "examples": [kind.example]}
    )


def _q(kind: Kind) -> tuple[Any, Any]:
    return PlainValidator(_reader(kind)), _schema(kind)


Duration = Annotated[Nanos, *_q(quantities.DURATION)]
Volume = Annotated[float, *_q(quantities.VOLUME)]
Rate = Annotated[float, *_q(quantities.RATE)]
Mass = Annotated[float, *_q(quantities.MASS)]
DosePerWeight = Annotated[float, *_q(quantities.DOSE_PER_WEIGHT)]
Concentration = Annotated[float, *_q(quantities.CONCENTRATION)]
Percent = Annotated[float, *_q(quantities.PERCENT)]
Pressure = Annotated[float, *_q(quantities.PRESSURE)]


def _or_never(text: object) -> Nanos | None:
    return None if text == NEVER else int(_reader(quantities.DURATION)(text))


DurationOrNever = Annotated[
    Nanos | None,
    PlainValidator(_or_never),
    WithJsonSchema({"anyOf": [{"const": NEVER}, {"type": "string", "pattern": quantities.DURATION.pattern}]}),
]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit as written: which side is out, whether the limit itself is, and the amount, its unit not yet judged."""

    side: Side
    inclusive: bool
    over_baseline: bool
    amount: str


_WHEN = re.compile(r"(?P<sign><=|>=|<|>) *(?P<baseline>baseline *\+ *)?(?P<amount>[0-9][^<>=+]{0,39})")


def _threshold(text: object) -> Threshold:
    found = _WHEN.fullmatch(text.strip()) if isinstance(text, str) and len(text) <= quantities.LONGEST * 2 else None
    if found is None:
        raise wrong(f"{str(text)[:60]!r} is no limit", 'Write "< 90 %", ">= 160 mmHg" or ">= baseline + 30 mmHg"')
    side = Side.LOW if found["sign"].startswith("<") else Side.HIGH
    return Threshold(side, found["sign"].endswith("="), bool(found["baseline"]), found["amount"].strip())


When = Annotated[
    Threshold,
    PlainValidator(_threshold),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _WHEN.pattern.replace("(?P<sign>", "^(").replace("?P<baseline>", "").replace("?P<amount>", "")
            + "$",
            "examples": ["< 90 %", ">= baseline + 30 mmHg"],
        }
    ),
]


def _priority(text: object) -> Priority:
    try:
        return Priority[str(text).upper()] if isinstance(text, str) and text.islower() else Priority[""]
    except KeyError:
        raise wrong(f"{str(text)[:40]!r} is no priority", 'Write "low", "medium" or "high"') from None


PriorityWord = Annotated[
    Priority, BeforeValidator(_priority), WithJsonSchema({"enum": [p.name.lower() for p in Priority]})
]
PhaseWord = Annotated[Phase, Field(strict=False)]
Phases = Annotated[list[PhaseWord], Field(min_length=1, max_length=len(Phase), examples=[["infusing", "paused"]])]
SCORES: dict[str, Score] = {score.value: score for score in Score}


def _score_or_metric(text: str) -> str:
    if text not in SCORES and text not in METRICS:
        raise wrong(f"{text[:40]!r} is no score and no metric", f"Known are {', '.join((*SCORES, *METRICS))}")
    return text


ScoreOrMetric = Annotated[str, AfterValidator(_score_or_metric), Field(json_schema_extra={"enum": [*SCORES, *METRICS]})]
Sentence = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Inheritable(Table):
    """A table of which a protocol that extends another one writes only the keys that differ."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.pop("required", None))


class DoseTable(Inheritable):
    """`[dose]`: a soft limit wants a named reason, a hard one is never passed; per weight, and whatever the weight."""

    soft: Annotated[DosePerWeight, Field(examples=["0.5 mg/kg"])]
    """Above it a named reason is wanted."""
    hard: Annotated[DosePerWeight, Field(examples=["1 mg/kg"])]
    """Never passed."""
    soft_absolute: Annotated[Mass, Field(examples=["60 mg"])]
    """As `soft`, whatever the weight."""
    hard_absolute: Annotated[Mass, Field(examples=["100 mg"])]
    """As `hard`, whatever the weight."""


class TimeTable(Inheritable):
    """`[time]`: how long what may last."""

    max_duration: Annotated[Duration, Field(examples=["60 min"])]
    """The longest infusion that may be ordered."""
    grace: Annotated[Duration, Field(examples=["2 min"])]
    """So long after the ordered duration the pump is stopped."""
    wall: Annotated[Duration, Field(examples=["90 min"])]
    """So long after T0 the session is over, pauses included."""
    armed_for: Annotated[Duration, Field(examples=["15 min"])]
    """How long a confirmed order stays armed."""
    second_entry_after: Annotated[DurationOrNever, Field(examples=["2 min"])]
    """One person alone on site may confirm after this long, with a reason; "never": two persons always."""
    warn_before_end: Annotated[list[Duration], Field(max_length=8, examples=[["5 min", "1 min"]])]
    """When the approaching end is told, the longest first."""
    nibp_every: Annotated[Duration, Field(examples=["5 min"])]
    """How often the blood pressure is to be measured."""
    recovery: Annotated[Duration, Field(examples=["60 min"])]
    """The shortest recovery, from confirmed zero flow."""
    start_within: Annotated[DurationOrNever, Field(examples=["3 min"])]
    """Armed for this long without a person's word, a start is told; "never": it is not."""
    longest_away: Annotated[Duration, Field(examples=["10 min"])]
    """The longest time off the monitors that may be announced."""
    escalate_after: Annotated[list[Duration], Field(max_length=8, examples=[["15 s", "45 s", "90 s"]])]
    """When a high alarm that nobody acknowledged is told further, the earliest first."""


class StopTable(Inheritable):
    """`[stop]`: how a stop is asked and what stands in when nobody can ask."""

    retry_every: Annotated[Duration, Field(examples=["2 s"])]
    """How often an unconfirmed stop is asked again."""
    confirm_within: Annotated[Duration, Field(examples=["10 s"])]
    """After this long without confirmation: `stop-not-confirmed`."""
    countdown: Annotated[Duration, Field(examples=["20 s"])]
    """How long a stop that may be held off is counted down."""
    hold_off: Annotated[Duration, Field(examples=["2 min"])]
    """How long a named clinician may hold it off, once."""
    dead_man: Annotated[Duration, Field(examples=["20 s"])]
    """The pump's own communication time-out, in whole seconds."""
    lockout_stops: Annotated[int, Field(ge=2, le=10, examples=[3])]
    """So many stops of ours for one condition want a second person's release."""
    lockout_within: Annotated[Duration, Field(examples=["10 min"])]
    """Within so long."""


class EndTable(Inheritable):
    """`[end]`: how much may be missing of the ordered volume for the end to count as completed; both must hold."""

    short_volume: Annotated[Volume, Field(examples=["2 mL"])]
    """Less than this is missing."""
    short_part: Annotated[Percent, Field(examples=["5 %"])]
    """Less than this part of the ordered volume is missing."""


class StepTable(Table):
    """From `after` on, a missing or old value has this priority."""

    after: Annotated[Duration, Field(examples=["10 s"])]
    """The age."""
    priority: Annotated[PriorityWord, Field(examples=["low"])]
    """`low`, `medium` or `high`."""


Steps = Annotated[list[StepTable], Field(min_length=1, max_length=3)]


class RowTable(Table):
    """One row of a condition: past the limit for so long, it has this priority and response."""

    when: Annotated[When, Field(examples=["< 90 %"])]
    """The limit: `<`, `<=`, `>` or `>=`, then the amount with its unit, or `baseline +` the amount."""
    delay: Annotated[Duration, Field(examples=["15 s"])]
    """How long the value must be past the limit; "0 s" for a measurement that comes now and then."""
    priority: Annotated[PriorityWord, Field(examples=["high"])]
    """`low`, `medium` or `high`."""
    response: Annotated[Response, Field(strict=False, examples=["stop-unless-held"])]
    """`tell`, `stop-unless-held` or `stop`; never inferred from the priority."""
    confirm_within: Annotated[Duration | None, Field(examples=["3 min"])] = None
    """The next reading must say the same, or a symptom be entered, or no new reading come for this long."""


class ConditionTable(Table):
    """`[[condition]]`: all rows of one vital sign and side, the mildest first: one alarm condition, as `spo2-low`."""

    metrics: Annotated[list[MetricWord], Field(min_length=1, max_length=4, examples=[["hr", "pulse"]])]
    """The vital sign; of several the first with a current value counts. The condition is named after the first."""
    phases: Phases
    """The phases of a session in which it is looked at."""
    latching: Annotated[bool, Field(examples=[False])]
    """Whether its signal stays until acknowledged when the condition is over."""
    clear_by: Annotated[str, Field(max_length=quantities.LONGEST, examples=["1 %"])]
    """How far inside the limit a value must be to clear it."""
    clear_after: Annotated[Duration, Field(examples=["10 s"])]
    """And for how long."""
    advice: Annotated[Sentence, Field(examples=["Look at the patient; give oxygen; check the probe"])]
    """What a person is told to do."""
    rows: Annotated[list[RowTable], Field(min_length=1, max_length=8)]
    """The rows, the mildest first."""


class MonitorAgeTable(Table):
    """`[[monitor_age]]`: how the priority of missing vital signs rises in these phases; in others, nothing."""

    phases: Phases
    """The phases of a session."""
    steps: Steps
    """The steps, the earliest first."""


class ApnoeaTable(Inheritable):
    """`[apnoea]`: when no breath is seen, judged together with the oxygen; only a test protocol may lack it."""

    warn: Annotated[Duration, Field(examples=["20 s"])]
    """From here on medium: check patient and cannula."""
    sure: Annotated[Duration, Field(examples=["20 s"])]
    """From here on high, and a stop, where the oxygen is low or a second device agrees."""
    alone: Annotated[Duration, Field(examples=["40 s"])]
    """From here on high, and a stop that may be held off, though the oxygen is well."""
    spo2_well: Annotated[Percent, Field(examples=["94 %"])]
    """At least this is well."""
    spo2_low: Annotated[Percent, Field(examples=["92 %"])]
    """Below this is low."""
    spo2_drop: Annotated[Percent, Field(examples=["3 %"])]
    """So many points below where it began is low, too."""
    absent: Annotated[Pressure, Field(examples=["5 mmHg"])]
    """An EtCO2 of at most this is no breath."""
    clear_after: Annotated[Duration, Field(examples=["10 s"])]
    """So long breathing again ends it."""
    phases: Phases
    """The phases of a session in which it is looked at."""
    advice: Annotated[Sentence, Field(examples=["Check patient and cannula: speak, open the airway"])]
    """What a person is told to do."""


class ScheduleTable(Table):
    """`[[schedule]]`: what people assess, or measure, every so often in these phases."""

    what: Annotated[ScoreOrMetric, Field(examples=["moaa-s"])]
    """The score, as moaa-s or pain, or the vital sign."""
    every: Annotated[Duration, Field(examples=["15 min"])]
    """How often."""
    phases: Phases
    """The phases of a session."""
    steps: Steps
    """How the priority rises with the age of the last one."""


class BaselineTable(Table):
    """`[[baseline]]`: a vital sign that is looked at before arming."""

    metrics: Annotated[list[MetricWord], Field(min_length=1, max_length=4, examples=[["hr", "pulse"]])]
    """The vital sign; of several the first that is there counts."""
    required: Annotated[bool, Field(examples=[True])]
    """It must be there; else it is judged only where it is."""
    low: Annotated[str | None, Field(max_length=quantities.LONGEST, examples=["50 /min"])] = None
    """At least this; by default any."""
    high: Annotated[str | None, Field(max_length=quantities.LONGEST, examples=["110 /min"])] = None
    """At most this; by default any."""
    soft_from: Annotated[str | None, Field(max_length=quantities.LONGEST, examples=["140 mmHg"])] = None
    """From here on a named person must override; by default nowhere."""
    hold_from: Annotated[str | None, Field(max_length=quantities.LONGEST, examples=["160 mmHg"])] = None
    """From here on nothing is armed; by default nowhere."""
    max_age: Annotated[Duration, Field(examples=["15 min"])]
    """How old it may be."""


class GateTable(Table):
    """`[[gate]]`: a means of the gateway that must be as it should be for arming; a named person may pass it."""

    name: Annotated[
        Literal["broker", "monitor", "clock", "disk", "alarm-heard", "bedside-alarm"], Field(examples=["broker"])
    ]
    """What: the broker, a monitor, the clock, the disk, an alarm that a person heard, or the bed's own alarm."""
    required: Annotated[bool, Field(examples=[True])]
    """Shut also where nothing is known of it; else it is judged only where something is."""
    max_age: Annotated[Duration | None, Field(examples=["24 h"])] = None
    """How long ago it may have been seen so; by default at any time."""


class DischargeTable(Inheritable):
    """`[discharge]`: what must be seen before a case is closed without a reason; only a test protocol may lack it."""

    pressures_apart: Annotated[Duration, Field(examples=["15 min"])]
    """Two pressures in range, at least so far apart."""
    systolic_from: Annotated[Pressure, Field(examples=["90 mmHg"])]
    """In range: systolic at least this,"""
    systolic_below: Annotated[Pressure, Field(examples=["160 mmHg"])]
    """systolic below this,"""
    diastolic_below: Annotated[Pressure, Field(examples=["100 mmHg"])]
    """and diastolic below this."""
    moaa_s: Annotated[int, Field(ge=0, le=5, examples=[5])]
    """A MOAA/S of at least this."""
    oriented: Annotated[bool, Field(examples=[True])]
    """The patient must be oriented."""
    escort: Annotated[bool, Field(examples=[True])]
    """An escort must be there."""


class WindowTable(Table):
    """`[[window]]`: the most within any such length of time, earlier cases of the same subject at the bed included."""

    length: Annotated[Duration, Field(examples=["1 h"])]
    """The length of time, at most a day."""
    hard: Annotated[DosePerWeight, Field(examples=["2 mg/kg"])]
    """Never passed."""
    hard_absolute: Annotated[Mass, Field(examples=["150 mg"])]
    """As `hard`, whatever the weight."""


def _or_inherited(schema: dict[str, Any]) -> None:
    """Ask for every key of a protocol that stands alone, and for name and title of one that extends another."""
    tables: dict[str, type[Table]] = {
        "dose": DoseTable,
        "time": TimeTable,
        "stop": StopTable,
        "end": EndTable,
        "apnoea": ApnoeaTable,
        "discharge": DischargeTable,
    }
    schema["if"] = {"required": ["extends"]}
    schema["then"] = {"required": ["name", "title"]}
    schema["else"] = {
        "required": schema.pop("required"),
        "properties": {name: {"required": list(table.model_fields)} for name, table in tables.items()},
    }


class ProtocolFile(Table):
    """A session protocol."""

    model_config = ConfigDict(json_schema_extra=_or_inherited)

    name: Annotated[Name, Field(examples=["depression-40"])]
    """Its name: the file's name without `.toml`."""
    title: Annotated[Sentence, Field(examples=["Depression, 0.5 mg/kg over 40 minutes"])]
    """What people read."""
    extends: Annotated[Name | None, Field(examples=["depression-40"])] = None
    """The protocol of the same directory that every key not written here is taken from; by default none."""
    drug: Annotated[Word, Field(examples=["ketamine"])]
    """The drug."""
    test_only: Annotated[bool, Field(examples=[False])]
    """Times too short for a patient: refused by a gateway in mode `real`."""
    concentrations: Annotated[list[Concentration], Field(min_length=1, max_length=8, examples=[["1 mg/mL"]])]
    """The concentrations that may be ordered."""
    max_rate: Annotated[Rate, Field(examples=["150 mL/h"])]
    """The greatest rate that may be ordered."""
    required: Annotated[list[MetricWord], Field(min_length=1, max_length=8, examples=[["spo2"]])]
    """The vital signs without which nothing is armed; SpO2 always."""
    weight_change: Annotated[Percent, Field(examples=["10 %"])]
    """By how much a subject's weight may differ from the last one without a reason."""
    sedated_medium: Annotated[int, Field(ge=0, le=5, examples=[3])]
    """A MOAA/S of this or less is medium, and told."""
    sedated_high: Annotated[int, Field(ge=0, le=5, examples=[2])]
    """A MOAA/S of this or less is high, and stops the pump unless somebody holds it off."""
    spo2_lost: Annotated[Response, Field(strict=False, examples=["tell"])]
    """What follows when SpO2 is missing for as long as the last step of `[[monitor_age]]` while infusing."""
    outer_limits: Annotated[
        dict[Word, Annotated[str, Field(max_length=quantities.LONGEST)]], Field(examples=[{"hr-low": "40 /min"}])
    ]
    """How far a clinician may set a condition's first limit for one case; not named: as far as its next row."""
    dose: DoseTable
    time: TimeTable
    stop: StopTable
    end: EndTable
    window: Annotated[tuple[WindowTable, ...], Field(max_length=4, strict=False)] = ()
    """The most within an hour, a day; by default nothing but `[dose]`."""
    condition: Annotated[list[ConditionTable], Field(min_length=1, max_length=32)]
    apnoea: ApnoeaTable | None = None
    baseline: Annotated[list[BaselineTable], Field(max_length=16)]
    gate: Annotated[list[GateTable], Field(max_length=8)]
    schedule: Annotated[list[ScheduleTable], Field(max_length=16)]
    discharge: DischargeTable | None = None
    monitor_age: Annotated[list[MonitorAgeTable], Field(min_length=1, max_length=8)]
    pump_age: Steps
    """How the priority of old pump data rises; the last step is `supervision-lost`."""
