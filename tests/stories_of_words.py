"""Stories of words: all that is said and asked with far too many of them, and with none."""

from dataclasses import replace

from core_bed import bed_setup
from infusion_gateway.model.inputs import (
    Faulted,
    GateChanged,
    Instructed,
    JournalChanged,
    LinkLost,
    LinkOpened,
    MoveAnswered,
    Observed,
    TurnedAway,
)
from infusion_gateway.model.instructions import (
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
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import AlarmsReported, Fault, FaultKind, Identified, PumpAlarm
from sessions_told import Told, story
from stories_of_people import ORDER, WRONG, protocol

MANY = " ".join(f"{number:04d}" for number in range(210))
"""Numbered, so that it shows where they were cut."""


def begin(words: str) -> Told:
    """Tell of an order that is confirmed, by people of long names, and of gates that are passed."""
    bed = Told(bed_setup(protocol()))
    bed.run(3)
    bed.give(TurnedAway(words, words, words, 2))
    bed.give(GateChanged("clock", False, words))
    bed.give(GateChanged(words or "disk", True, words))
    bed.give(GateChanged("disk", True, words))
    bed.monitor.cuff(bed.now, 141, 71)
    bed.run(2)
    bed.ask(replace(ORDER, case=words, subject=words, reason=words), by="nurse-1")
    bed.ask(replace(ORDER, protocol=words), by="nurse-1")
    bed.ask(replace(ORDER, dose_mg=40.0, duration=686 * SECOND, reason=words), by="nurse-1")
    bed.ask(replace(ORDER, reason=words), by="nurse-1", ident=words)
    bed.ask(replace(ORDER, case="case-0", reason=words), by="nurse-1", ident=words)
    bed.look()
    for gate in ("clock", "baseline-nibp-sys", words):
        bed.ask(Override(gate, words), by="doctor-1")
    bed.ask(Limits("hr-low", 42.0, words), by="doctor-1")
    bed.ask(Limits(words, 42.0, words), by="doctor-1")
    bed.ask(Override("clock", "known"), by="doctor-1")
    bed.ask(Override("baseline-nibp-sys", "known"), by="doctor-1")
    bed.ask(Confirm(70.0, 5.0, words), by="nurse-1")
    bed.ask(Prime(20 * SECOND), by=f"nurse-2 {words}")
    bed.run(125)
    bed.monitor.cuff(bed.now, 121, 71)
    bed.give(GateChanged("disk", True, words))
    bed.run(2)
    bed.ask(Confirm(70.0, 5.0, words), by="nurse-1")
    bed.ask(Prime(20 * SECOND), by=f"nurse-2 {words}")
    bed.ask(Confirm(70.0, 5.0, words), by=f"doctor-1 {words}")
    bed.look()
    return bed


def go_on(bed: Told, words: str) -> None:
    """Tell of all that may be asked of an infusion."""
    bed.pump.rate, bed.pump.running = 42.0, True
    bed.run(10)
    for by in ("nurse-1", "doctor-1", "nurse-1"):
        bed.ask(Amend(words, rate_ml_h=36.0), by=by)
        bed.ask(Amend(words, dose_mg=34.0), by=by)
        bed.ask(Amend(words, rate_ml_h=40.0), by=by)
        bed.ask(Extend(2 * MINUTE, words), by=by)
        bed.ask(Correct(WRONG, 5.0, words), by=by)
        bed.ask(Correct(words, 5.0, words), by=by)
    bed.look()
    bed.monitor.values[Metric.SPO2] = 89.0
    bed.run(17)
    bed.ask(Acknowledge(words), by="nurse-1")
    bed.ask(HoldOff(words, words), by="nurse-1")
    bed.ask(HoldOff("spo2-low", words, since=5), by="nurse-1")
    bed.ask(Acknowledge("spo2-low", since=5), by="nurse-1")
    bed.ask(HoldOff("spo2-low", words), by=f"nurse-1 {words}")
    bed.ask(HoldOff("spo2-low", words), by="nurse-1")
    bed.ask(Acknowledge("spo2-low"), by=f"nurse-1 {words}")
    bed.monitor.values[Metric.SPO2] = 97.0
    bed.run(12)
    for length in (-1, 0, 30 * SECOND, 600 * SECOND):
        bed.ask(PauseAudio(length), by=f"nurse-1 {words}")
    bed.ask(Disarm(words), by=f"nurse-1 {words}")
    bed.ask(TestAlarm(), by=f"nurse-1 {words}")
    bed.ask(Hold(words), by="nurse-1")
    bed.run(5)
    bed.ask(Syringe(10.0, 5.0, words), by="nurse-1")
    bed.ask(Syringe(1.0, 5.0, words), by="nurse-1")
    bed.ask(Away(5 * MINUTE), by=f"nurse-1 {words}")
    bed.ask(Away(0), by=f"nurse-1 {words}")
    bed.look()
    bed.ask(PermitResume(words), by="nurse-1")
    bed.pump.running = True
    bed.run(10)
    for entered in (((Score.PAIN, 11.0),), ((Score.MOAA_S, 4.0), (Score.NAUSEA, 0.0)), ((Score.NAUSEA, 1.0),)):
        bed.ask(Assess(entered, (), 0), by=f"nurse-1 {words}")
    for found in ((Metric.SPO2, 101.0), (Metric.SPO2, 100.0), (Metric.RATE, 1.0), (Metric.TEMP, 36.6)):
        bed.ask(Assess((), (found,), 60 * MINUTE), by="nurse-1")
    bed.ask(Assess((), ((Metric.TEMP, 36.6),), 60 * MINUTE + 1), by="nurse-1")
    bed.look()


def trouble(bed: Told, words: str) -> None:
    """Tell of what devices and the machine say."""
    reported = AlarmsReported(frozenset({PumpAlarm.NEAR_EMPTY}), words)
    bed.give(Observed("pump", (reported, Identified((("model", words),)))))
    bed.look()
    bed.give(Faulted("monitor", Fault(FaultKind.REFUSED, words)))
    bed.give(Faulted("pump", Fault(FaultKind.REFUSED, words)))
    bed.run(1)
    bed.look()
    bed.give(Faulted("monitor", Fault(FaultKind.WRONG_DEVICE, words)))
    bed.monitor.mute = bed.pump.mute = True
    bed.run(2)
    bed.look()
    bed.give(Faulted("pump", Fault(FaultKind.FROZEN, words)))
    bed.run(5)
    bed.look()
    for device in ("monitor", "pump", words or "nobody's"):
        bed.give(LinkLost(device, words))
    bed.run(12)
    bed.look()
    for device in ("monitor", "pump"):
        bed.give(LinkOpened(device))
    bed.monitor.mute = bed.pump.mute = False
    bed.run(3)
    bed.give(JournalChanged(False, words))
    bed.run(1)
    bed.ask(PlaceOrder(words, words, words, 1.0, 1.0, 1.0, 1.0, 1, 1.0, words), by="nurse-1")
    bed.look()
    bed.give(JournalChanged(True, words))
    bed.give(GateChanged("disk", False, words))
    bed.run(1)
    bed.look()
    bed.give(Instructed(Hold(words), words, "", "case-9"))
    bed.give(Instructed(Hold(words), "nurse-1", words, "", elsewhere=words))


def end(bed: Told, words: str) -> None:
    """Tell of a move that comes to nothing, the end, and the close."""
    bed.ask(Hold(words), by=f"nurse-1 {words}")
    bed.run(5)
    bed.ask(Move(words, words), by="nurse-1")
    bed.ask(Hold(words), by="nurse-1")
    bed.look()
    bed.give(MoveAnswered("case-1", words, False, words))
    bed.give(MoveAnswered("case-1", words[:60].strip(), False, words))
    bed.look()
    bed.ask(End(words), by=f"nurse-1 {words}")
    bed.run(5)
    bed.ask(Close(words), by=f"nurse-1 {words}")
    bed.ask(Close("early"), by=f"nurse-1 {words}")
    bed.look()
    bed.ask(Stop(words), by=f"nurse-1 {words}")
    bed.ask(replace(ORDER, case="case-2", reason=words), by="nurse-1")
    bed.ask(Abort(words), by=f"nurse-1 {words}")
    bed.run(3)
    bed.look()


def tell(words: str) -> Told:
    """Tell it all with these words for every reason, name and code."""
    bed = begin(words)
    go_on(bed, words)
    trouble(bed, words)
    end(bed, words)
    return bed


@story
def words_without_end() -> Told:
    """Tell of everybody and everything that says far too much."""
    return tell(MANY)


@story
def no_words_at_all() -> Told:
    """Tell of everybody and everything that says nothing."""
    return tell("")


@story
def words_of_white_space() -> Told:
    """Tell of everybody and everything that says nothing but blanks."""
    return tell(" \t ")
