"""Instructing: what a person asks for, taken or refused, each with a reason in words."""

from collections.abc import Callable
from math import isfinite
from typing import assert_never

from infusion_gateway.core import (
    amending,
    closing,
    deadman,
    dose,
    gates,
    moving,
    ordering,
    permitting,
    stopping,
    windows,
)
from infusion_gateway.core.live import Newest, Values
from infusion_gateway.core.sources import BY_HAND
from infusion_gateway.core.turn import Turn
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
    InstructionSigned,
    PhaseChanged,
    PrimeAnnounced,
)
from infusion_gateway.model.inputs import Instructed, TurnedAway
from infusion_gateway.model.instructions import (
    NAMES,
    Abort,
    Acknowledge,
    Amend,
    Assess,
    Away,
    Close,
    Confirm,
    Correct,
    Disarm,
    End,
    Extend,
    Hold,
    HoldOff,
    Instruction,
    Limits,
    Move,
    Override,
    PauseAudio,
    PermitResume,
    PlaceOrder,
    Prime,
    Score,
    Stop,
    Syringe,
    TestAlarm,
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
RANGES = {Score.MOAA_S: (0, 5), Score.CADSS_6: (0, 24), Score.ORIENTED: (0, 1), Score.ESCORT: (0, 1)}
WITHOUT_RECORD = "not-recorded: the record can't be written"
NEEDS_RECORD = (PlaceOrder, Confirm, PermitResume, Amend, Extend, Move, Limits, Override)
"""What permits more than before, or must not be lost: refused while it can't be written down."""
WHILE_MOVING = (Stop, Acknowledge, PauseAudio)
ORDERABLE = frozenset({Phase.IDLE, Phase.ORDERED, Phase.CLOSED, Phase.ABORTED})
GIVEN_UP_FROM = frozenset({Phase.ORDERED, Phase.ARMED, Phase.INFUSING, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED})
_ANEW = "{} has risen, or come anew, since: look again"
SYMPTOMS = (Score.NAUSEA, Score.DIZZINESS, Score.DISTRESS, Score.PAIN)

_Done = Callable[[str], None]


def instructed(turn: Turn, asked: Instructed) -> None:
    """Take or refuse a person's instruction; a refusal changes nothing else."""
    name = WORDS[type(asked.instruction)]
    by, ident = asked.by[:LONGEST_TEXT], asked.id[:LONGEST_TEXT]
    key = asked.signed.kid if asked.signed is not None else ""
    if asked.signed is not None:
        turn.emit(InstructionSigned(name, ident, asked.signed, f"signed by {key}"))
    refusal = _out_of_hand(turn, asked, ident)
    accepted = False

    def accept(reason: str) -> None:
        nonlocal accepted
        accepted = True
        kept = turn.live.journal_kept is not False
        words = reason if kept else f"{reason} ({WITHOUT_RECORD})"
        turn.emit(InstructionAccepted(name, ident, by, words[: 2 * LONGEST_TEXT], recorded=kept, key=key))

    if not refusal:
        refusal = _carry_out(turn, asked.instruction, by, accept)
    if refusal and not accepted:
        turn.emit(InstructionRefused(name, ident, by, refusal[: 5 * LONGEST_TEXT], key=key))


def turned_away(turn: Turn, what: TurnedAway) -> None:
    """Put on record what was not taken as anybody's instruction; its id is not remembered as one."""
    more = f"; {what.others} more like it since the last on record" if what.others else ""
    reason = f"{what.reason[: 5 * LONGEST_TEXT]}{more}"
    by = what.by[:LONGEST_TEXT]
    turn.emit(InstructionRefused(what.instruction[:LONGEST_TEXT], "", by, reason, key=what.key))


def _out_of_hand(turn: Turn, asked: Instructed, ident: str) -> str:
    case = turn.durable.case
    if ident and ident in turn.durable.instructions:
        return "this instruction was already taken up: repeats change nothing"
    if not asked.by.strip():
        return "nobody is named as asking"
    other = asked.case and (case is None or not windows.same_code(case.id, asked.case))
    if other and not isinstance(asked.instruction, PlaceOrder):
        return f"this bed has another case: {case.id[:60]}" if case is not None else "this bed has no case"
    if (
        asked.signed is not None
        and not asked.case
        and case is not None
        and not isinstance(asked.instruction, PlaceOrder)
    ):
        return "this bed has a case, and what is signed is for one case: name it"
    if turn.durable.moving_to and not isinstance(asked.instruction, WHILE_MOVING):
        return f"the case is on its way to {turn.durable.moving_to}: ask there once it has come"
    if turn.live.journal_kept is False and isinstance(asked.instruction, NEEDS_RECORD):
        return WITHOUT_RECORD
    return asked.elsewhere


def _carry_out(turn: Turn, asked: Instruction, by: str, accept: _Done) -> str:
    """Carry an instruction out, or say why not."""
    match asked:
        case PlaceOrder() | Confirm() | Prime() | Close() | Move():
            return _about_the_case(turn, asked, by, accept)
        case Correct() | Amend() | Extend() | Syringe():
            return _changes(turn, asked, by, accept)
        case PermitResume() | Override() | Limits() | Away() | TestAlarm():
            return _permits(turn, asked, by, accept)
        case Hold() | Stop() | End() | Abort():
            return _stops(turn, asked, by, accept)
        case HoldOff():
            return _hold_off(turn, asked, by, accept)
        case Acknowledge():
            return _acknowledge(turn, asked, by, accept)
        case PauseAudio(for_at_most=length):
            if length < 0:
                return "a pause of the sound can't be of less than no time"
            length = min(length, LONGEST_AUDIO_PAUSE)
            accept(f"the sound is paused for {dose.seconds(length)}")
            turn.emit(AudioPaused(turn.now + length, by, "sound paused; what is seen stays"))
            return ""
        case Assess():
            return _assess(turn, asked, by, accept)
        case Disarm():
            return _disarm(turn, asked, by, accept)
        case _:
            assert_never(asked)


def _changes(turn: Turn, asked: Correct | Amend | Extend | Syringe, by: str, accept: _Done) -> str:
    match asked:
        case Correct():
            return amending.correct(turn, asked, by, accept)
        case Amend():
            return amending.amend(turn, asked, by, accept)
        case Extend():
            return amending.extend(turn, asked, by, accept)
        case Syringe():
            return amending.change_syringe(turn, asked, by, accept)
        case _:
            assert_never(asked)


def _permits(turn: Turn, asked: PermitResume | Override | Limits | Away | TestAlarm, by: str, accept: _Done) -> str:
    match asked:
        case PermitResume():
            return permitting.permit(turn, asked, by, accept)
        case Override():
            return permitting.override(turn, asked, by, accept)
        case Limits():
            return permitting.set_limit(turn, asked, by, accept)
        case Away():
            return permitting.away(turn, asked, by, accept)
        case TestAlarm():
            return permitting.test_alarm(turn, asked, by, accept)
        case _:
            assert_never(asked)


def _about_the_case(turn: Turn, asked: PlaceOrder | Confirm | Prime | Close | Move, by: str, accept: _Done) -> str:
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
            left = LONGEST_PRIME - _purged(turn)
            if left <= 0:
                return f"{dose.seconds(LONGEST_PRIME)} of purges were announced for this case: that is all"
            accept("the purge is announced")
            reason = "until then delivery is a purge: neither dose nor T0"
            turn.emit(PrimeAnnounced(turn.now + min(length, left), by, reason))
            return ""
        case Close():
            return closing.close(turn, asked, accept)
        case Move():
            return moving.move(turn, asked, by, accept)
        case _:
            assert_never(asked)


def _purged(turn: Turn) -> Nanos:
    """Give the time of purges that were announced while this case was armed, what is left of the last not counted."""
    case, until = turn.durable.case, turn.durable.prime_until
    if case is None or turn.phase is not Phase.ARMED:
        return 0
    return case.purged - max((until or turn.now) - turn.now, 0)


def _order(turn: Turn, asked: PlaceOrder, by: str, accept: _Done) -> str:
    stop = turn.durable.stop
    if turn.phase not in ORDERABLE:
        return f"a case is under way (phase {turn.phase})"
    if stop is not None and (stop.confirmed_at is None or (turn.phase is Phase.ABORTED and stop.provisional)):
        return "the pump was asked to stop and is not yet seen to have"
    wrong = ordering.faults_of_order(turn, asked)
    if wrong:
        return "; ".join(wrong)
    before, turn.live.apart = turn.phase, 0
    protocol = next(p for p in turn.setup.protocols if p.name == asked.protocol)
    skipped = windows.unknown(protocol, asked.subject)
    compared = ordering.compared(turn, asked.subject)
    case, subject = asked.case[:LONGEST_TEXT], asked.subject[:LONGEST_TEXT]
    last = turn.durable.case
    over = before is Phase.ORDERED and last is not None and last.id != case
    instead = f" in the place of {last.id}" if over and last is not None else ""
    accept(f"ordered{instead}: another person enters weight and concentration; {compared}{skipped and '; '}{skipped}")
    reason = asked.reason[:LONGEST_TEXT] or "the first entry"
    turn.emit(CaseOrdered(case, subject, ordering.order_of(asked), by, reason, protocol.digest))
    closing.forget(turn)
    since = turn.durable.case.values_from if turn.durable.case is not None else 0
    turn.live.values = Values(
        (source, newest)
        for source, newest in turn.live.values.items()
        if source[1] != BY_HAND and newest.reading.measured_at >= since
    )
    dose.begin(turn)
    turn.emit(PhaseChanged(Phase.ORDERED, before, "ordered"))
    return ""


def _confirm(turn: Turn, asked: Confirm, by: str, accept: _Done) -> str:
    if turn.phase is not Phase.ORDERED:
        return f"nothing waits to be confirmed (phase {turn.phase})"
    passage = gates.passage(turn)
    wrong = [*ordering.faults_of_second_entry(turn, asked, by), *passage.shut]
    case = turn.durable.case
    if wrong:
        turn.live.apart += case is not None and any(ordering.differs(case.order, asked))
        return "; ".join(wrong)
    without = f"; a test, so without {', '.join(passage.waived)}" if passage.waived else ""
    passed = f"; passed by name: {', '.join(passage.overridden)}" if passage.overridden else ""
    within = f" within {dose.seconds(turn.protocol.armed_for)}" if turn.protocol is not None else ""
    accept(f"confirmed and armed: a person may start the pump{within}{without}{passed}{dose.before_words(turn)}")
    alone = case is not None and ordering.same_person(case.ordered_by, by)
    reason = f"one person made both entries: {asked.reason[:LONGEST_TEXT]}" if alone else "both entries agree"
    turn.live.pump.rest_ml = turn.live.pump.volume_ml  # it is at rest, or the gate had been shut
    if turn.durable.prime_until is not None and turn.durable.prime_until > turn.now:
        turn.emit(PrimeAnnounced(turn.now, "", "the bed is armed: a purge that was announced before is over"))
    entered = asked.weight_kg, asked.concentration_mg_ml
    turn.emit(CaseConfirmed(by, reason, passage.waived, passage.overridden, *entered))
    turn.emit(PhaseChanged(Phase.ARMED, Phase.ORDERED, reason))
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
    resting = phase is Phase.ORDERED or (phase is Phase.ARMED and turn.live.pump.stills > 1)
    if isinstance(asked, Abort) and resting:
        accept("the case is given up; the pump is asked for nothing")
        turn.emit(PhaseChanged(Phase.ABORTED, phase, reason))
    else:
        accept(stopping.promise(turn, then))
        stopping.ask(turn, then, (), by, reason)
    return ""


def _hold_off(turn: Turn, asked: HoldOff, by: str, accept: _Done) -> str:
    raised, protocol = turn.durable.conditions.get(asked.code), turn.protocol
    if raised is None or not raised.present or raised.countdown_ends is None or protocol is None:
        return f"no stop is being counted down for {asked.code[:60]}"
    if asked.since is not None and asked.since != raised.since:
        return _ANEW.format(asked.code[:60])
    if raised.held_until is not None:
        return "it was held off once: that is all"
    accept(f"held off for {dose.seconds(protocol.hold_off)}")
    reason = asked.reason[:LONGEST_TEXT] or "held off"
    turn.emit(HoldOffGranted(asked.code, turn.now + protocol.hold_off, by, reason))
    return ""


def _acknowledge(turn: Turn, asked: Acknowledge, by: str, accept: _Done) -> str:
    raised = turn.durable.conditions.get(asked.code)
    if raised is None:
        there = ", ".join(sorted(turn.durable.conditions)[:10])
        return f"there is no alarm {asked.code[:60]}{there and '; there is '}{there}"
    if asked.since is not None and asked.since != raised.since:
        return _ANEW.format(asked.code[:60])
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
    accept(f"the dead man is taken off: {asked.reason[:LONGEST_TEXT]}".removesuffix(": "))
    turn.command(SetDeadMan(setup.device, 0, f"taken off by {by}"))
    deadman.asked(turn)
    return ""
