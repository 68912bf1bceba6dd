"""What people ask, and what they are answered: strict towards whoever asks, and every refusal in words.

An instruction is `{"id", "by", "case", "station", "time", "arguments": {…}}`. The arguments of each are derived from
the fields of its class in model.instructions: lengths of time in seconds (`duration_s`), vital signs by their word.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeAlias, get_type_hints
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError, create_model
from pydantic import Field as PydanticField
from pydantic_core import PydanticCustomError

from infusion_gateway.model.instructions import NAMES, Acknowledge, Hold, HoldOff, Instruction, Score, Stop
from infusion_gateway.model.keys import Signed
from infusion_gateway.model.metric import FACTS, SECOND
from infusion_gateway.model.names import CODE, NAME, is_code, is_name
from infusion_gateway.wire.messages import Payload
from infusion_gateway.wire.stamps import rfc3339, seconds, words

LONGEST = 16 * 1024
"""Bytes of an instruction."""
DEEPEST = 8
"""Brackets within brackets."""
LONGEST_SPAN_S = 7 * 24 * 3600
GREATEST = 1e6

Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Prose = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
ID = "[A-Za-z0-9._:-]{1,64}"
Id = Annotated[str, StringConstraints(pattern=f"^{ID}$")]
Number = Annotated[float, PydanticField(ge=0, le=GREATEST, allow_inf_nan=False)]
Span = Annotated[float, PydanticField(ge=0, le=LONGEST_SPAN_S, allow_inf_nan=False)]
Instance = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]
VitalWord: TypeAlias = Literal[tuple(facts.word for facts in FACTS.values())]  # type: ignore[valid-type]  # made from the table of metrics
METRICS = {facts.word: metric for metric, facts in FACTS.items()}


UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and a sign by their kind that nobody sees: Hangul's fillers, and Braille without a dot."""


def _coded(text: str) -> str:
    if not is_code(text):
        said = "a code has at most 64 ASCII letters, digits, '.', '_' and '-', a letter or a digit first"
        raise PydanticCustomError("code", said)
    return text


def _said(text: str) -> str:
    if not any(category(letter)[0] in "LNPS" and letter not in UNSEEN for letter in text):
        raise PydanticCustomError("reason", "one is needed, and this one says nothing")
    return text


Code = Annotated[str, AfterValidator(_coded), PydanticField(json_schema_extra={"pattern": f"^{CODE}$"})]
"""Of a person, a case or a subject."""
NoCode = Annotated[
    str,
    AfterValidator(lambda text: text and _coded(text)),
    PydanticField(json_schema_extra={"pattern": f"^(?:{CODE})?$"}),
]
"""One that may be empty: none is named."""
Reason = Annotated[Prose, AfterValidator(_said), PydanticField(json_schema_extra={"minLength": 1})]
"""One that is demanded: an empty one is none."""
CODES = {"case": Code, "subject": NoCode}
"""Arguments that are codes."""


Outcome: TypeAlias = Literal["accepted", "refused", "not-recorded"]


class _Closed(BaseModel):
    """What comes from outside: strict, and no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class Asked(_Closed):
    """The frame of every instruction; `arguments` differ."""

    id: Id
    """Unique: a repeat is answered and changes nothing."""
    by: Code
    """Who asks: a code of ASCII letters, digits, `.`, `_` and `-`, to which capitals make no difference."""
    case: NoCode = ""
    """The case that is meant, a code likewise; empty: none named."""
    station: Name | None = None
    """Where to answer when the message itself has no response topic (MQTT 3.1.1)."""
    time: Annotated[str, StringConstraints(max_length=40)] = ""
    arguments: dict[str, Any] = PydanticField(default_factory=dict)
    challenge: Annotated[str, StringConstraints(max_length=64)] = ""
    """Of one of the gateway's last two heartbeats, where it takes only what is signed; a stop needs none."""
    kid: Name | None = None
    """What the key is called that signed this."""
    sig: Annotated[str, StringConstraints(max_length=100)] = ""
    """The signature of all bytes before it; `kid` and `sig` stand last (docs/security.md)."""


class AskedToStop(Asked):
    """The frame of a stop: taken from anybody who is named, in whatever letters."""

    by: Word
    """Who asks; here in any letters, since nothing may be in the way of a stop."""
    case: Annotated[str, StringConstraints(max_length=64)] = ""
    """The case that is meant; empty: none named."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An instruction as a person asked for it. signed: None where nobody verified it."""

    instruction: Instruction
    by: str
    id: str
    case: str
    station: str | None
    challenge: str = ""
    signed: Signed | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an instruction can't be put to the bed: what is wrong, and the way out. id, station, by: as far as known.

    key: what the key is called that signed it, where one did. late: that, and nothing else, is wrong with it.
    """

    reason: str
    id: str = ""
    station: str | None = None
    key: str = ""
    by: str = ""
    late: bool = False


class Answer(Payload):
    """`…/stations/{station}/answers`: what became of an instruction."""

    id: str
    """The instruction's; empty where it had none that could be read."""
    instruction: str
    bed: str
    outcome: Outcome
    """not-recorded: it took effect, but the record can't be written just now."""
    reason: str

    @classmethod
    def of(cls, asked: tuple[str, str, str], outcome: Outcome, reason: str, utc_ns: int) -> Self:
        """Write the answer to what was asked: (bed, instruction's name, its id)."""
        bed, name, identity = asked
        return cls(
            time=rfc3339(utc_ns),
            id=identity,
            instruction=words(name, 32),
            bed=bed,
            outcome=outcome,
            reason=words(reason, 500),
        )


def parse_instruction(name: str, payload: bytes) -> Parsed | Refusal:
    """Make the instruction of this name (the topic's last part) from a payload, or say in words why it can't be.

    A refusal says whose message it was as far as that can be read, so that it finds the asker, whatever else is wrong.
    """
    body = _json(payload)
    if isinstance(body, str):
        return _refusal(body, _glimpsed(payload))
    cls = NAMES.get(name)
    if cls is None:
        return _refusal(f"{words(name, 32)!r} is no instruction. Known: {', '.join(NAMES)}", body)
    try:
        asked = frame_of(name).model_validate(body)
    except ValidationError as error:
        return _refusal(_in_words(name, error), body)
    try:
        instruction = _made(cls, arguments_of(name).model_validate(asked.arguments))
    except ValidationError as error:
        if cls is not Stop:
            return _refusal(_in_words(name, error), body)
        instruction = Stop(reason="")  # towards stopping: a named person asks for it, whatever else is wrong
    return Parsed(instruction, asked.by, asked.id, asked.case, asked.station, asked.challenge)


def write_instruction(
    instruction: Instruction,
    *,
    by: str,
    identity: str,
    case: str,
    station: str | None,
    utc_ns: int,
    challenge: str = "",
) -> bytes:
    """Write an instruction as `parse_instruction` reads it: for those who ask, on this side of the wire too."""
    arguments: dict[str, Any] = {}
    for f in fields(instruction):
        value = getattr(instruction, f.name)
        key = _key(type(instruction), f)
        if f.name == "vitals":
            arguments[key] = {FACTS[metric].word: number for metric, number in value}
        elif f.name == "scores":
            arguments[key] = {score.value: number for score, number in value}
        elif key == "instance":
            arguments |= {} if value is None else {key: str(value)}
        else:
            arguments[key] = seconds(value) if key != f.name else value
    asked = (AskedToStop if isinstance(instruction, Stop) else Asked)(
        id=identity, by=by, case=case, station=station, time=rfc3339(utc_ns), arguments=arguments, challenge=challenge
    )
    return asked.model_dump_json(exclude={"kid", "sig"}).encode()


def frame_of(name: str) -> type[Asked]:
    """Give the model of an instruction's frame."""
    return AskedToStop if NAMES[name] is Stop else Asked


@cache
def arguments_of(name: str) -> type[BaseModel]:
    """Give the model of an instruction's arguments, derived from the fields of its class; KeyError for no name."""
    cls = NAMES[name]
    hints = get_type_hints(cls)
    made: dict[str, Any] = {}
    for f in fields(cls):
        made[_key(cls, f)] = (_accepts(cls, f, hints[f.name]), _default(cls, f))
    return create_model(f"{cls.__name__}Arguments", __base__=_Closed, **made)


def _key(cls: type[Instruction], f: "Field[Any]") -> str:
    """Name a field on the wire: lengths of time in seconds; an alarm's beginning as the instance it stands for."""
    if cls in (Acknowledge, HoldOff) and f.name == "since":
        return "instance"
    return f"{f.name}_s" if get_type_hints(cls)[f.name] is int else f.name


def _accepts(cls: type[Instruction], f: "Field[Any]", hint: Any) -> Any:
    if _key(cls, f) == "instance":
        return Instance | None
    if hint is int:
        return Span
    if hint is float:
        return Number
    if f.name == "vitals":
        return dict[VitalWord, Number]  # see VitalWord
    if f.name == "scores":
        return dict[Literal[tuple(score.value for score in Score)], Number]  # type: ignore[misc]  # made from the enum
    if hint is str and f.name in CODES:
        return CODES[f.name]
    if hint is str and f.name == "reason":
        return Reason if _default(cls, f) is ... else Prose
    if hint is str:
        return Word
    raise TypeError(f"{cls.__name__}.{f.name}: {hint} has no form on the wire")


def _default(cls: type[Instruction], f: "Field[Any]") -> Any:
    """Give what stands for a missing argument. A stop and a hold need no reason: asking must never be in the way."""
    if f.name in ("vitals", "scores"):
        return PydanticField(default_factory=dict)
    if f.name == "reason" and cls in (Stop, Hold):
        return ""
    return ... if f.default is MISSING else f.default


def _made(cls: type[Instruction], arguments: BaseModel) -> Instruction:
    values: dict[str, Any] = {}
    for f in fields(cls):
        key = _key(cls, f)
        value = getattr(arguments, key)
        if f.name == "vitals":
            values[f.name] = tuple((METRICS[word], number) for word, number in value.items())
        elif f.name == "scores":
            values[f.name] = tuple((Score(word), number) for word, number in value.items())
        elif key == "instance":
            values[f.name] = None if value is None else int(value)
        else:
            values[f.name] = round(value * SECOND) if key != f.name else value
    return cls(**values)


def _json(payload: bytes) -> dict[str, Any] | str:
    """Read bytes that anybody may have sent, bounded before they are looked at; or say why they can't be read."""
    if len(payload) > LONGEST:
        return f"The message has {len(payload)} bytes. At most {LONGEST} are read"
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return "The message is no UTF-8 text. Send a JSON object in UTF-8"
    if _depth(text) > DEEPEST:
        return f"The message is nested deeper than {DEEPEST} levels. Send a flat JSON object"
    try:
        body = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"The message is not the JSON it should be: {words(str(error), 120)}. Send one JSON object"
    return body if isinstance(body, dict) else "The message is no JSON object. Send one"


def _depth(text: str) -> int:
    """Count the brackets within brackets outside of strings."""
    deepest = depth = 0
    for bracket in re.findall(r"[\[{}\]]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, but none with a key twice: nobody could say which of them is meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _glimpsed(payload: bytes) -> dict[str, Any]:
    """Give what a message that can't be read says of its sender, each from where it first stands."""
    text = payload[:LONGEST].decode(errors="replace")
    found = {key: re.search(rf'"{key}"\s{{0,9}}:\s{{0,9}}"([^"\\]{{1,64}})"', text) for key in ("id", "station", "by")}
    return {key: match[1] for key, match in found.items() if match is not None}


def _refusal(reason: str, body: Mapping[str, Any]) -> Refusal:
    """Refuse a message, with what of its sender has its form."""
    identity, station, by = (body.get(key) for key in ("id", "station", "by"))
    return Refusal(
        reason,
        id=identity if isinstance(identity, str) and re.fullmatch(ID, identity) else "",
        station=station if isinstance(station, str) and is_name(station) else None,
        by=by if isinstance(by, str) and is_code(by) else "",
    )


def _in_words(name: str, error: ValidationError) -> str:
    """Say what is wrong with each field (at most three), and the way out."""
    found = []
    for one in error.errors(include_url=False, include_context=False)[:3]:
        field = words(".".join(str(part) for part in one["loc"]), 60) or "message"
        match one["type"]:
            case "missing":
                found.append(f"{field} is missing. Add it")
            case "extra_forbidden":
                found.append(f"{field} is not known to {name}. Leave it out")
            case "reason":
                found.append(f"{field}: {one['msg']}. Write why")
            case _:
                given = words(ascii(one["input"]) if one["type"] == "code" else repr(one["input"]), 40)
                found.append(f"{field}: {one['msg'][0].lower()}{one['msg'][1:]}, not {given}. Correct it")
    more = error.error_count() - len(found)
    return "; ".join(found) + (f"; and {more} more" if more > 0 else "")
