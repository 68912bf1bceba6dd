"""Event: a fact we record, in the past tense, with a reason in words that a clinician can read.

Durable state is the fold of these. The list and each event's fields change only by adding, with a default, so that an
old journal replays the same under newer code. What is recorded and never published is said by `wire.records`.
"""

from dataclasses import dataclass
from typing import TypeAlias

from infusion_gateway.model.alarm import AlarmKind, Priority, Raised, Response
from infusion_gateway.model.case import Carried, Given, Known
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.keys import Signed
from infusion_gateway.model.metric import Metric, Nanos
from infusion_gateway.model.observation import Delivery, PumpAlarm, Validity
from infusion_gateway.model.session import GenerationMode, Order, Phase, Supervision


@dataclass(frozen=True, slots=True)
class GatewayStarted:
    """The process began to supervise this bed; blind_for: how long nobody looked, None where not known.

    generation_mode: None on records of before it was kept.
    """

    version: str
    same_boot: bool
    blind_for: Nanos | None
    reason: str
    generation_mode: GenerationMode | None = None


@dataclass(frozen=True, slots=True)
class CaseOrdered:
    """The first person's entry was accepted. protocol_digest: of the protocol's bytes as they were then."""

    case: str
    subject: str
    order: Order
    by: str
    reason: str
    protocol_digest: str = ""


@dataclass(frozen=True, slots=True)
class CaseConfirmed:
    """The second entry agreed. waived: gates that a test passes without; overridden: those that a named person did.

    weight_kg, concentration_mg_ml: what the second person entered; None on records of before they were kept.
    """

    by: str
    reason: str
    waived: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    weight_kg: float | None = None
    concentration_mg_ml: float | None = None


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The case went from one phase to another. at T0 the phase becomes infusing."""

    phase: Phase
    before: Phase
    reason: str


@dataclass(frozen=True, slots=True)
class InfusionStarted:
    """T0: the first of two consecutive readings that show delivery. volume_ml: the pump's counter at T0.

    before_ml: what ran, unannounced, while the order was not confirmed; it counts into the dose.
    """

    t0: Nanos
    ends_at: Nanos
    volume_ml: float | None
    reason: str
    before_ml: float = 0.0


@dataclass(frozen=True, slots=True)
class EndApproaching:
    """So long until the ordered duration ends."""

    remaining: Nanos
    reason: str


@dataclass(frozen=True, slots=True)
class DeliveryChanged:
    """The pump began or ceased to deliver, as observed."""

    device: str
    delivery: Delivery
    reason: str


@dataclass(frozen=True, slots=True)
class RateChanged:
    """The pump's rate changed while delivering, mL/h."""

    device: str
    rate_ml_h: float
    reason: str


@dataclass(frozen=True, slots=True)
class CounterRestarted:
    """The pump's volume counter began anew (power cycle, cleared, syringe changed): a new epoch, the dose stands.

    volume_ml: what the new count had reached when it was seen. delivered_ml, expected_ml: since T0, as in Sampled.
    """

    device: str
    epoch: int
    reason: str
    volume_ml: float | None = None
    delivered_ml: float = 0.0
    expected_ml: float = 0.0


@dataclass(frozen=True, slots=True)
class PumpAlarmed:
    """What the pump itself alarms about, in full; an empty tuple: nothing any more."""

    device: str
    alarms: tuple[PumpAlarm, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The gateway began to ask the pump to stop. then: the phase it leads to. codes: the conditions behind it.

    rate_ml_h: the rate before it, which says how soon a volume step would show that the pump still delivers; 0: not
    known. doubted: the pump went on after a stop that was confirmed; only a lasting stillness will count.
    """

    device: str
    then: Phase
    codes: tuple[str, ...]
    by: str
    reason: str
    rate_ml_h: float = 0.0
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class StopConfirmed:
    """The pump was observed not delivering. provisional: not yet long enough for one volume step at the old rate."""

    device: str
    provisional: bool
    after: Nanos
    reason: str


@dataclass(frozen=True, slots=True)
class HoldOffGranted:
    """A named clinician held off the counted-down stop of a condition, once."""

    code: str
    until: Nanos
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ResumePermitted:
    """A named clinician allowed a restart by hand after our stop."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class PrimeAnnounced:
    """Delivery until then is priming: neither dose nor T0."""

    until: Nanos
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConditionRaised:
    """An alarm condition became true (its delay over), or rose or fell to another row while it lasted.

    since: of this alarm; a rise begins a new one, which no earlier acknowledgement covers. countdown_ends: when the
    stop will be asked that can still be held off.
    """

    code: str
    priority: Priority
    kind: AlarmKind
    response: Response
    latching: bool
    since: Nanos
    value: float | None
    limit: float | None
    unit: str
    reason: str
    countdown_ends: Nanos | None = None


@dataclass(frozen=True, slots=True)
class ConditionCleared:
    """An alarm condition became false; latched: its signal stays until acknowledged."""

    code: str
    latched: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ConditionAcknowledged:
    """A named person has it."""

    code: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AudioPaused:
    """A named person paused the audible signal."""

    until: Nanos
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmEscalated:
    """Nobody acknowledged a high alarm: it is told again, and further. level: 1, 2, ..."""

    code: str
    level: int
    reason: str


@dataclass(frozen=True, slots=True)
class SignalSuppressed:
    """A device's values of these metrics aren't judged: its cuff is inflating on the same arm. until: at the latest."""

    device: str
    metrics: tuple[Metric, ...]
    until: Nanos
    reason: str


@dataclass(frozen=True, slots=True)
class Assessed:
    """What a person entered."""

    scores: tuple[tuple[Score, float], ...]
    vitals: tuple[tuple[Metric, float], ...]
    measured_at: Nanos
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class BaselineTaken:
    """The vital signs that limits over baseline refer to."""

    values: tuple[tuple[Metric, float], ...]
    reason: str


@dataclass(frozen=True, slots=True)
class DeadManSet:
    """The pump's own communication time-out was read back; seconds 0: disarmed. found: it was so when we came."""

    device: str
    seconds: float
    found: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceIdentified:
    """A device said who it is, and it is the one that was pinned, or none was."""

    device: str
    identity: tuple[tuple[str, str], ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SupervisionChanged:
    """How much the gateway sees changed."""

    supervision: Supervision
    reason: str


@dataclass(frozen=True, slots=True)
class InstructionAccepted:
    """A person's instruction took effect. id: of the instruction; its answer goes out once this is durable.

    recorded: False while the journal can't be written: the answer says `not-recorded` and doesn't wait for it.
    key: what the key is called that signed it, "" where nothing is signed.
    """

    instruction: str
    id: str
    by: str
    reason: str
    recorded: bool = True
    key: str = ""


@dataclass(frozen=True, slots=True)
class InstructionRefused:
    """A person's instruction was refused; reason says why in words. State unchanged.

    key: what the key is called that signed it; "" where nobody did. What was turned away at the border has no id and no
    by: nothing in it is known to be anybody's.
    """

    instruction: str
    id: str
    by: str
    reason: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class InstructionSigned:
    """What was asked, as it came, so that its signature can be verified from the record.

    Not published: what a first person entered is in it.
    """

    instruction: str
    id: str
    signed: Signed
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeProposed:
    """The first of two people asked for a change; nothing has changed. entered: their numbers, shown to nobody."""

    instruction: str
    entered: tuple[tuple[str, float], ...]
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderAmended:
    """What is enforced from now on. seconded_by: the other person, "" where one was enough."""

    instruction: str
    order: Order
    ends_at: Nanos | None
    by: str
    seconded_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConcentrationCorrected:
    """The syringe in use held another concentration than was entered. dose_mg: given so far, counted anew.

    order: the same dose in the same time, so at another rate.
    """

    order: Order
    dose_mg: float
    by: str
    seconded_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class SyringeChanged:
    """Another syringe is in use. delivered_ml, dose_mg: up to then."""

    volume_ml: float
    concentration_mg_ml: float
    delivered_ml: float
    dose_mg: float
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class PatientAway:
    """Nothing flows and the patient is off the monitors, until then at the latest."""

    until: Nanos
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class GateOverridden:
    """A named person passed a soft gate of arming."""

    gate: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseLimitSet:
    """A named clinician set the first limit of a condition for this case alone."""

    code: str
    limit: float
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmTested:
    """A named person sounds the alarm, until then or until it is acknowledged."""

    until: Nanos
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class MoveAsked:
    """The case is to go to another bed; it stays here until it is on record there."""

    case: str
    to: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class MoveFailed:
    """The case stays here."""

    case: str
    to: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseMoved:
    """The case is on record at the other bed and gone from here."""

    case: str
    to: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseReceived:
    """A case came from another bed, with all that is known of it."""

    origin: str
    carried: Carried
    reason: str


@dataclass(frozen=True, slots=True)
class ArrivalRefused:
    """A case can't come here; it stays where it is."""

    origin: str
    case: str
    reason: str


@dataclass(frozen=True, slots=True)
class SubjectsRemembered:
    """What a bed knows of earlier sessions once a case has left it, so that the next can be compared."""

    given: tuple[Given, ...]
    known: tuple[Known, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmsRemembered:
    """The alarm conditions that stand at a bed, or are latched there, once a case has left it: all there are."""

    alarms: tuple[Raised, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class BedQuarantined:
    """An invariant broke in this bed: stop asked, dead man no longer fed, until a person restarts the gateway."""

    reason: str


@dataclass(frozen=True, slots=True)
class SampledValue:
    """One reading that decisions rest on. age: from measurement to sample."""

    device: str
    metric: Metric
    value: float | None
    validity: Validity
    age: Nanos
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """The newest readings, at most once a second a bed: recorded, never published. epoch: of the volume counter.

    volume_ml: the counter. delivered_ml: observed since T0, over every epoch. expected_ml: the ordered rate over the
    time the pump was observed delivering. pump_age: since the pump last said what it does. pump_epoch: the pump's own
    count of its counter's beginnings, where it tells.
    """

    values: tuple[SampledValue, ...]
    delivery: Delivery
    volume_ml: float | None
    epoch: int
    dose_mg: float
    reason: str = ""
    delivered_ml: float = 0.0
    expected_ml: float = 0.0
    pump_age: Nanos = 0
    pump_epoch: int | None = None


Event: TypeAlias = (
    GatewayStarted
    | CaseOrdered
    | CaseConfirmed
    | PhaseChanged
    | InfusionStarted
    | EndApproaching
    | DeliveryChanged
    | RateChanged
    | CounterRestarted
    | PumpAlarmed
    | StopAsked
    | StopConfirmed
    | HoldOffGranted
    | ResumePermitted
    | PrimeAnnounced
    | ConditionRaised
    | ConditionCleared
    | ConditionAcknowledged
    | AudioPaused
    | AlarmEscalated
    | SignalSuppressed
    | Assessed
    | BaselineTaken
    | DeadManSet
    | DeviceIdentified
    | SupervisionChanged
    | InstructionAccepted
    | InstructionRefused
    | InstructionSigned
    | ChangeProposed
    | OrderAmended
    | ConcentrationCorrected
    | SyringeChanged
    | PatientAway
    | GateOverridden
    | CaseLimitSet
    | AlarmTested
    | MoveAsked
    | MoveFailed
    | CaseMoved
    | CaseReceived
    | ArrivalRefused
    | SubjectsRemembered
    | AlarmsRemembered
    | BedQuarantined
    | Sampled
)
