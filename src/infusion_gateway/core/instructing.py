"""Instructing: what a person asks for, taken or refused, each with a reason in words."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from typing import assert_never

from infusion_gateway.core import dose, ordering, stopping, windows
from infusion_gateway.core.live import Newest
from infusion_gateway.core.session import take_baseline
from infusion_gateway.core.sources import BY_HAND, current
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Response
from infusion_gateway.model.commands import SetDeadMan
from infusion_gateway.model.events import (
    Assessed,
    AudioPaused,
    CaseConfirmed,
    CaseOrdered,
    ConditionAcknowledged,
    HoldOffGranted,
    InstructionAccepted,
    InstructionRefused,
    PhaseChanged,
    PrimeAnnounced,
    ResumePermitted,
)
from infusion_gateway.model.inputs import Instructed
from infusion_gateway.model.instructions import (
    NAMES,
    Abort,
    Acknowledge,
    Assess,
    Close,
    Confirm,
    Disarm,
    End,
    Hold,
    HoldOff,
    Instruction,
    PauseAudio,
    PermitResume,
    PlaceOrder,
    Prime,
    Score,
    Stop,
)
from infusion_gateway.model.metric import FACTS, MINUTE, Metric, Nanos
from infusion_gateway.model.observation import Reading, Validity
from infusion_gateway.model.session import Phase

WORDS: dict[type[Instruction], str] = {kind: name for name, kind in NAMES.items()}
LONGEST_TEXT = 200
LONGEST_PRIME: Nanos = 10 * MINUTE
LONGEST_AUDIO_PAUSE: Nanos = 2 * MINUTE
OLDEST_ASSESSMENT: Nanos = 60 * MINUTE
MOST_ENTRIES = 20
RANGES = {Score.MOAA_S: (0, 5), Score.CADSS_6: (0, 24)}
WITHOUT_RECORD = "not-recorded: the record can't be written"
NEEDS_RECORD = (PlaceOrder, Confirm, PermitResume)
ORDERABLE = frozenset({Phase.IDLE, Phase.ORDERED, Phase.CLOSED, Phase.ABORTED})
GIVEN_UP_FROM = frozenset({Phase.ORDERED, Phase.ARMED, Phase.INFUSING, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED})
SYMPTOMS = (Score.NAUSEA, Score.DIZZINESS, Score.DISTRESS, Score.PAIN)

_Done = Callable[[str], None]


def instructed(turn: Turn, asked: Instructed) -> None:
    """Take or refuse a person's instruction; a refusal changes nothing else."""
    name = WORDS[type(asked.instruction)]
    by, ident = asked.by[:LONGEST_TEXT], asked.id[:LONGEST_TEXT]
    refusal = _out_of_hand(turn, asked, ident)
    accepted = False

    def accept(reason: str) -> None:
        nonlocal accepted
        accepted = True
        kept = turn.live.journal_kept is not False
        words = reason if kept else f"{reason} ({WITHOUT_RECORD})"
        turn.emit(InstructionAccepted(name, ident, by, words[: 2 * LONGEST_TEXT], recorded=kept))

    if not refusal:
        refusal = _carry_out(turn, asked.instruction, by, accept)
    if refusal and not accepted:
        turn.emit(InstructionRefused(name, ident, by, refusal[: 5 * LONGEST_TEXT]))


def _out_of_hand(turn: Turn, asked: Instructed, ident: str) -> str:
    case = turn.durable.case
    if ident and ident in turn.durable.instructions:
        return "this instruction was already taken up: repeats change nothing"
    if not asked.by.strip():
        return "nobody is named as asking"
    if asked.case and not isinstance(asked.instruction, PlaceOrder) and (case is None or case.id != asked.case):
        return "this bed has another case"
    if turn.live.journal_kept is False and isinstance(asked.instruction, NEEDS_RECORD):
        return WITHOUT_RECORD
    return ""


def _carry_out(turn: Turn, asked: Instruction, by: str, accept: _Done) -> str:
    """Carry an instruction out, or say why not."""
    match asked:
        case PlaceOrder() | Confirm() | Prime() | Close():
            return _about_the_case(turn, asked, by, accept)
        case Hold() | Stop() | End() | Abort():
            return _stops(turn, asked, by, accept)
        case PermitResume():
            return _permit(turn, asked, by, accept)
        case HoldOff():
            return _hold_off(turn, asked, by, accept)
        case Acknowledge():
            return _acknowledge(turn, asked, by, accept)
        case PauseAudio(for_at_most=length):
            if length < 0:
                return "a pause of the sound can't be of less than no time"
            accept("the sound is paused")
            turn.emit(AudioPaused(turn.now + min(length, LONGEST_AUDIO_PAUSE), by, "sound paused; what is seen stays"))
            return ""
        case Assess():
            return _assess(turn, asked, by, accept)
        case Disarm():
            return _disarm(turn, asked, by, accept)
        case _:
            assert_never(asked)


def _about_the_case(turn: Turn, asked: PlaceOrder | Confirm | Prime | Close, by: str, accept: _Done) -> str:
    match asked:
        case PlaceOrder():
            return _order(turn, asked, by, accept)
        case Confirm():
            return _confirm(turn, asked, by, accept)
        case Prime(for_at_most=length):
            if turn.phase not in ORDERABLE | {Phase.ARMED}:
                return f"a purge can't be announced in phase {turn.phase}"
            if length < 0:
                return "a purge can't be of less than no time"
            accept("the purge is announced")
            reason = "until then delivery is a purge: neither dose nor T0"
            turn.emit(PrimeAnnounced(turn.now + min(length, LONGEST_PRIME), by, reason))
            return ""
        case Close():
            return _close(turn, asked, accept)
        case _:
            assert_never(asked)


def _order(turn: Turn, asked: PlaceOrder, by: str, accept: _Done) -> str:
    stop = turn.durable.stop
    if turn.phase not in ORDERABLE:
        return f"a case is under way (phase {turn.phase})"
    if stop is not None and (stop.confirmed_at is None or (turn.phase is Phase.ABORTED and stop.provisional)):
        return "the pump was asked to stop and is not yet seen to have"
    wrong = ordering.faults_of_order(turn, asked)
    if wrong:
        return "; ".join(wrong)
    before = turn.phase
    protocol = next(p for p in turn.setup.protocols if p.name == asked.protocol)
    skipped = windows.unknown(protocol, asked.subject)
    accept(f"ordered: another person enters weight and concentration{skipped and '; '}{skipped}")
    case, subject = asked.case[:LONGEST_TEXT], asked.subject[:LONGEST_TEXT]
    reason = asked.reason[:LONGEST_TEXT] or "the first entry"
    turn.emit(CaseOrdered(case, subject, ordering.order_of(asked), by, reason, protocol.digest))
    turn.live.values = {k: v for k, v in turn.live.values.items() if k[1] != BY_HAND}
    dose.begin(turn)
    turn.emit(PhaseChanged(Phase.ORDERED, before, "ordered"))
    return ""


def _confirm(turn: Turn, asked: Confirm, by: str, accept: _Done) -> str:
    if turn.phase is not Phase.ORDERED:
        return f"nothing waits to be confirmed (phase {turn.phase})"
    wrong = ordering.faults_of_second_entry(turn, asked, by) + ordering.gates(turn)
    if wrong:
        return "; ".join(wrong)
    accept("confirmed and armed: a person may start the pump")
    case = turn.durable.case
    alone = case is not None and ordering.same_person(case.ordered_by, by)
    reason = f"one person made both entries: {asked.reason[:LONGEST_TEXT]}" if alone else "both entries agree"
    turn.live.pump.rest_ml = turn.live.pump.volume_ml  # it is at rest, or the gate had been shut
    turn.emit(CaseConfirmed(by, reason))
    turn.emit(PhaseChanged(Phase.ARMED, Phase.ORDERED, reason))
    return ""


def _close(turn: Turn, asked: Close, accept: _Done) -> str:
    """Close a case after recovery; one whose pump can't be seen to stop only once people were told, with a reason."""
    protocol, stop, reason = turn.protocol, turn.durable.stop, asked.reason.strip()[:LONGEST_TEXT]
    pending = stop is not None and stop.confirmed_at is None  # in recovery too: delivering again after the end
    if turn.phase in (Phase.RECOVERY, Phase.ABORTED) and not pending:
        over = protocol is None or turn.now >= turn.durable.phase_since + protocol.recovery
        if turn.phase is Phase.RECOVERY and not over and not reason:
            return "recovery is not over: a reason is needed to close early"
        words = "closed"
    elif pending and "stop-not-confirmed" in turn.durable.conditions:
        if not reason:
            return "the stop is not confirmed: a reason is needed, such as that the pump was taken off the patient"
        words = "closed without a confirmed stop"
    else:
        return f"a case is closed after recovery or after it was given up, once the pump stands (phase {turn.phase})"
    accept(words)
    turn.emit(PhaseChanged(Phase.CLOSED, turn.phase, reason or "recovery is over"))
    return ""


def _stops(turn: Turn, asked: Hold | Stop | End | Abort, by: str, accept: _Done) -> str:
    """Ask the pump to stop. A stop that a person asks for is never refused while there is a pump."""
    phase, running = turn.phase, (Phase.INFUSING, Phase.PAUSED)
    reason = f"{asked.reason[:LONGEST_TEXT] or WORDS[type(asked)]} ({by})"
    if isinstance(asked, Hold | End) and phase not in running:
        return f"nothing is being infused (phase {phase})"
    if isinstance(asked, Abort) and phase not in GIVEN_UP_FROM:
        return f"there is no case to give up (phase {phase})"
    match asked:
        case Hold():
            then = Phase.PAUSED
        case End():
            then = Phase.COMPLETED
        case Abort():
            then = Phase.ABORTED
        case Stop():
            then = Phase.STOPPED if phase in running else Phase.ABORTED if phase is Phase.ARMED else phase
        case _:
            assert_never(asked)
    if turn.pump_setup is None:
        return "this bed has no pump"
    accept("asked")
    resting = phase is Phase.ORDERED or (phase is Phase.ARMED and turn.live.pump.stills > 1)
    if isinstance(asked, Abort) and resting:
        turn.emit(PhaseChanged(Phase.ABORTED, phase, reason))
    else:
        stopping.ask(turn, then, (), by, reason)
    return ""


def _permit(turn: Turn, asked: PermitResume, by: str, accept: _Done) -> str:
    stop, case, protocol = turn.durable.stop, turn.durable.case, turn.protocol
    paused = turn.phase is Phase.PAUSED or (turn.phase is Phase.INFUSING and turn.durable.unreleased_since is not None)
    if case is None or protocol is None or not paused:
        return f"nothing is paused (phase {turn.phase})"
    if stop is None or stop.released:
        return "no release is needed"
    if stop.confirmed_at is None:
        return "the pump is not yet seen to have stopped"
    standing = [
        code
        for code, raised in turn.durable.conditions.items()
        if raised.present and raised.response is not Response.TELL and code != "restarted-without-release"
    ]
    if standing:
        return f"what would stop it again still stands: {', '.join(sorted(standing))}"
    if not case.baseline:
        missing = [m for m in protocol.required_metrics if current(turn.sources, turn.live, m, turn.now) is None]
        if missing:
            return f"a new baseline is needed: no valid {', '.join(FACTS[m].word for m in missing)} is seen"
    accept("a person may start the pump again")
    if not case.baseline:
        take_baseline(turn)
    turn.emit(ResumePermitted(by, asked.reason[:LONGEST_TEXT] or "released"))
    turn.live.account = replace(turn.live.account, expected_ml=turn.live.account.delivered_ml)
    return ""


def _hold_off(turn: Turn, asked: HoldOff, by: str, accept: _Done) -> str:
    raised, protocol = turn.durable.conditions.get(asked.code), turn.protocol
    if raised is None or not raised.present or raised.countdown_ends is None or protocol is None:
        return f"no stop is being counted down for {asked.code[:60]}"
    if raised.held_until is not None:
        return "it was held off once: that is all"
    if turn.phase is not Phase.INFUSING:
        return f"nothing is being infused (phase {turn.phase})"
    accept(f"held off for {dose.seconds(protocol.hold_off)}")
    reason = asked.reason[:LONGEST_TEXT] or "held off"
    turn.emit(HoldOffGranted(asked.code, turn.now + protocol.hold_off, by, reason))
    return ""


def _acknowledge(turn: Turn, asked: Acknowledge, by: str, accept: _Done) -> str:
    raised = turn.durable.conditions.get(asked.code)
    if raised is None:
        return f"there is no alarm {asked.code[:60]}"
    if asked.since is not None and asked.since != raised.since:
        return f"{asked.code[:60]} has risen, or come anew, since: look again"
    accept("acknowledged")
    turn.emit(ConditionAcknowledged(asked.code, by, "a named person has it"))
    return ""


def _assess(turn: Turn, asked: Assess, by: str, accept: _Done) -> str:
    entries = len(asked.scores) + len(asked.vitals)
    if not entries or entries > MOST_ENTRIES:
        return f"between one and {MOST_ENTRIES} entries are taken at a time"
    if not 0 <= asked.ago <= OLDEST_ASSESSMENT:
        return f"an entry can't be of the future, nor older than {dose.seconds(OLDEST_ASSESSMENT)}"
    for score, value in asked.scores:
        low, high = RANGES.get(score, (0, 10))
        if not (isfinite(value) and low <= value <= high):
            return f"{score} is from {low} to {high}"
    for metric, value in asked.vitals:
        if metric in PUMPED or not FACTS[metric].low <= value <= FACTS[metric].high:
            return f"{FACTS[metric].word} can't be {value:g}"
    accept("entered")
    measured_at = turn.now - asked.ago
    turn.emit(Assessed(asked.scores, asked.vitals, measured_at, by, "entered by hand"))
    for metric, value in asked.vitals:
        reading = Reading(metric, value, Validity.VALID, measured_at)
        turn.live.values[metric, BY_HAND] = Newest(reading, turn.now, measured_at)
        turn.touched.add(metric)
    if any(score in SYMPTOMS and value > 0 for score, value in asked.scores):
        turn.live.symptom_at = turn.now  # it makes a first reading count: every condition is looked at again
        turn.touched.update(Metric)
    return ""


PUMPED = frozenset({Metric.RATE, Metric.VOLUME, Metric.VTBI, Metric.VTBI_REMAIN})


def _disarm(turn: Turn, asked: Disarm, by: str, accept: _Done) -> str:
    setup = turn.pump_setup
    if setup is None or setup.dead_man is None:
        return "the pump has no dead man"
    accept(asked.reason[:LONGEST_TEXT] or "the dead man is taken off")
    turn.command(SetDeadMan(setup.device, 0, f"taken off by {by}"))
    return ""
