"""What people ask. One list of names: a class's name in kebab case is the instruction's name on the wire."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from infusion_gateway.model.metric import Metric, Nanos


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """order: the first person's entry. reason: needed where the dose is above the protocol's soft limit."""

    case: str
    subject: str
    protocol: str
    weight_kg: float
    concentration_mg_ml: float
    rate_ml_h: float
    volume_ml: float
    duration: Nanos
    dose_mg: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Confirm:
    """confirm: the second person's own entry of weight and concentration. reason: needed where one person does both."""

    weight_kg: float
    concentration_mg_ml: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Prime:
    """prime: delivery until T0 is neither dose nor T0, for at most the announced time."""

    for_at_most: Nanos


@dataclass(frozen=True, slots=True)
class Hold:
    """hold: ask the pump to stop; phase paused."""

    reason: str


@dataclass(frozen=True, slots=True)
class PermitResume:
    """permit-resume: a person may start the pump again after our stop; the gateway never does."""

    reason: str


@dataclass(frozen=True, slots=True)
class HoldOff:
    """hold-off: hold off the counted-down stop of this condition, once. since: of the alarm meant."""

    code: str
    reason: str
    since: Nanos | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """stop: ask the pump to stop; phase stopped, no resume."""

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """end: the session is over as intended; ask the pump to stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """abort: give the case up before recovery."""

    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """acknowledge: somebody has this condition; quiets its signal, clears nothing. since: of the alarm meant."""

    code: str
    since: Nanos | None = None


@dataclass(frozen=True, slots=True)
class PauseAudio:
    """pause-audio: the audible signal only, for a while; a new condition breaks through."""

    for_at_most: Nanos


class Score(StrEnum):
    """What a person assesses. distress and nausea: 0 none to 10; moaa-s: 0 to 5; cadss-6: 0 to 24; pain: 0 to 10.

    oriented, escort: 1 yes, 0 no; of an escort nothing else is ever entered.
    """

    MOAA_S = "moaa-s"
    CADSS_6 = "cadss-6"
    DISTRESS = "distress"
    NAUSEA = "nausea"
    DIZZINESS = "dizziness"
    DISSOCIATION = "dissociation"
    PAIN = "pain"
    ORIENTED = "oriented"
    ESCORT = "escort"


@dataclass(frozen=True, slots=True)
class Assess:
    """assess: scores, and vital signs by hand, measured `ago` before the instruction came."""

    scores: tuple[tuple[Score, float], ...]
    vitals: tuple[tuple[Metric, float], ...]
    ago: Nanos


@dataclass(frozen=True, slots=True)
class Disarm:
    """disarm: take the pump's dead man off."""

    reason: str


@dataclass(frozen=True, slots=True)
class Correct:
    """correct: what was entered was wrong. what: concentration-was-wrong; the dose is then counted anew."""

    what: str
    concentration_mg_ml: float
    reason: str


@dataclass(frozen=True, slots=True)
class Amend:
    """amend: another rate or dose, down by one person, up within limits by two. 0: as it was."""

    reason: str
    rate_ml_h: float = 0.0
    dose_mg: float = 0.0


@dataclass(frozen=True, slots=True)
class Syringe:
    """syringe: it was changed; its volume and concentration are read again."""

    volume_ml: float
    concentration_mg_ml: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Away:
    """away: the patient leaves the monitors while nothing flows; no monitor alarms until then. No time: is back."""

    for_at_most: Nanos


@dataclass(frozen=True, slots=True)
class Move:
    """move: the case goes to another bed of this gateway while nothing flows."""

    to: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Extend:
    """extend: more time at the rate ordered, within the protocol's ceiling, by two people."""

    more: Nanos
    reason: str


@dataclass(frozen=True, slots=True)
class Override:
    """override: pass a soft gate of arming for this case, in one's own name."""

    gate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """limits: set the first limit of a condition for this case alone, within the protocol's outer bounds."""

    code: str
    limit: float
    reason: str


@dataclass(frozen=True, slots=True)
class TestAlarm:
    """test-alarm: sound the alarm for a moment, so that somebody hears it and acknowledges it."""

    __test__ = False


@dataclass(frozen=True, slots=True)
class Close:
    """close: recovery is over, the case is closed."""

    reason: str


Instruction: TypeAlias = (
    PlaceOrder
    | Confirm
    | Correct
    | Amend
    | Syringe
    | Prime
    | Away
    | Move
    | Hold
    | PermitResume
    | HoldOff
    | Extend
    | Override
    | Limits
    | Disarm
    | Stop
    | End
    | Abort
    | Assess
    | Acknowledge
    | PauseAudio
    | TestAlarm
    | Close
)

NAMES: dict[str, type[Instruction]] = {
    "order": PlaceOrder,
    "confirm": Confirm,
    "correct": Correct,
    "amend": Amend,
    "syringe": Syringe,
    "prime": Prime,
    "away": Away,
    "move": Move,
    "hold": Hold,
    "permit-resume": PermitResume,
    "hold-off": HoldOff,
    "extend": Extend,
    "override": Override,
    "limits": Limits,
    "disarm": Disarm,
    "stop": Stop,
    "end": End,
    "abort": Abort,
    "assess": Assess,
    "acknowledge": Acknowledge,
    "pause-audio": PauseAudio,
    "test-alarm": TestAlarm,
    "close": Close,
}
