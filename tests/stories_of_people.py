"""Stories of what people do in a session: orders, changes, releases, limits, closing, moving."""

from dataclasses import replace

from core_bed import Bed, bed_setup, depression_40
from infusion_gateway.core.moving import carried
from infusion_gateway.model.inputs import CaseArrived, GateChanged, JournalChanged, MoveAnswered
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
from infusion_gateway.model.session import BaselineGate, DeviceSetup, Discharge, Gate, SessionProtocol, WindowLimit
from sessions_told import Told, story

ORDER = PlaceOrder("case-1", "subject-1", "depression-40", 70.0, 5.0, 42.0, 10.0, 10 * MINUTE, 35.0)
WRONG = "concentration-was-wrong"


def protocol(**changes: object) -> SessionProtocol:
    """Give a protocol with gates, windows and a short recovery."""
    given = replace(
        depression_40(),
        baseline=(
            BaselineGate((Metric.SPO2,), required=True, low=94),
            BaselineGate((Metric.NIBP_SYS,), required=True, low=90, soft_from=140, hold_from=160),
            BaselineGate((Metric.NIBP_DIA,), required=False, high=95),
        ),
        gates=(Gate("clock", required=True), Gate("disk", required=True, max_age=2 * MINUTE)),
        window_limits=(WindowLimit(60 * MINUTE, 1.0, 100.0),),
        recovery=2 * MINUTE,
        discharge=Discharge(MINUTE, 90, 160, 100, moaa_s=5, oriented=True, escort=True),
        outer_limits=(("hr-low", 38.0),),
        start_within=5 * MINUTE,
    )
    return replace(given, **changes)


def running(bed: Told, order: PlaceOrder = ORDER) -> None:
    """Order, confirm and start."""
    bed.pump.rate = order.rate_ml_h
    bed.run(3)
    bed.give(GateChanged("clock", True, ""))
    bed.give(GateChanged("disk", True, ""))
    bed.monitor.cuff(bed.now, 121, 71)
    bed.run(2)
    bed.ask(order, by="nurse-1")
    bed.run(1)
    bed.ask(Confirm(order.weight_kg, order.concentration_mg_ml), by="doctor-1")
    bed.run(5)
    bed.pump.running = True
    bed.run(10)


@story
def a_session_from_order_to_close() -> Told:
    """Tell of ten minutes at 5 mg/mL: two entries, gates, end, recovery, closing; then the same subject again."""
    bed = Told(bed_setup(protocol()))
    bed.run(3)
    bed.ask(replace(ORDER, dose_mg=30.0), by="nurse-1")
    bed.ask(replace(ORDER, subject=""), by="nurse-1")
    bed.ask(ORDER, by="nurse-1")
    bed.look()
    bed.ask(Confirm(80.0, 1.0), by="nurse-1")
    bed.give(GateChanged("clock", False, "no time server answers"))
    bed.give(GateChanged("disk", True, ""))
    bed.monitor.cuff(bed.now, 145, 96)
    bed.run(1)
    bed.ask(Confirm(70.5, 5.0), by="doctor-1")
    bed.ask(Override("clock", "the server is down, the watch is right"), by="doctor-1")
    bed.monitor.cuff(bed.now + SECOND, 145, 80)
    bed.run(2)
    bed.ask(Override("baseline-nibp-sys", "known, treated"), by="doctor-1")
    bed.ask(Confirm(70.5, 5.0), by="doctor-1")
    bed.look()
    bed.ask(Prime(30 * SECOND), by="nurse-1")
    bed.pump.rate, bed.pump.running = 42.0, True
    bed.run(5)
    bed.pump.running = False
    bed.run(40)
    bed.pump.running = True
    bed.run(60)
    bed.ask(TestAlarm(), by="nurse-1")
    bed.ask(Assess(((Score.MOAA_S, 4.0), (Score.NAUSEA, 2.0)), ((Metric.TEMP, 36.6),), 20 * SECOND), by="nurse-1")
    bed.look()
    bed.run(541)
    bed.pump.running = False
    bed.run(10)
    bed.look()
    bed.ask(Close(""), by="nurse-1")
    bed.monitor.cuff(bed.now, 126, 78)
    bed.run(60)
    bed.monitor.cuff(bed.now, 127, 79)
    entered = ((Score.MOAA_S, 5.0), (Score.ORIENTED, 1.0), (Score.ESCORT, 1.0))
    bed.ask(Assess(entered, (), 0), by="nurse-1")
    bed.run(60)
    bed.ask(Close(" "), by="nurse-1")
    bed.run(2)
    bed.look()
    bed.ask(replace(ORDER, case="case-2", weight_kg=80.0), by="nurse-1")
    bed.ask(replace(ORDER, case="case-2", dose_mg=40.0, duration=686 * SECOND, reason="more"), by="nurse-1")
    bed.ask(replace(ORDER, case="case-2"), by="nurse-1")
    bed.ask(replace(ORDER, case="case-2", subject="subject-2"), by="nurse-1")
    bed.ask(Abort("the patient left"), by="nurse-1")
    bed.ask(TestAlarm(), by="nurse-1")
    bed.run(2)
    bed.look()
    bed.ask(Acknowledge("test-alarm"), by="nurse-1")
    bed.run(2)
    return bed


@story
def changes_of_an_order() -> Told:
    """Tell of rate and dose down and up, more time, a limit of one's own, a correction, a syringe."""
    bed = Told(bed_setup(protocol()))
    running(bed)
    bed.ask(Limits("hr-low", 42.0, "athlete"), by="doctor-1")
    bed.pump.rate = 36.0
    bed.run(3)
    bed.ask(Amend("dizzy", rate_ml_h=36.0), by="nurse-1")
    bed.look()
    bed.run(30)
    bed.ask(Amend("dizzy still", dose_mg=25.0), by="nurse-1")
    bed.run(10)
    bed.ask(Amend("better", rate_ml_h=40.0), by="nurse-1")
    bed.look()
    bed.ask(Amend("better", rate_ml_h=40.0), by="nurse-1")
    bed.ask(Amend("better", rate_ml_h=41.0), by="doctor-1")
    bed.ask(Amend("better", rate_ml_h=40.0), by="doctor-1")
    bed.pump.rate = 40.0
    bed.run(10)
    bed.ask(Extend(2 * MINUTE, "slower is better"), by="nurse-1")
    bed.ask(Extend(2 * MINUTE, "slower is better"), by="doctor-1")
    bed.run(10)
    bed.look()
    bed.ask(Hold("another syringe"), by="nurse-1")
    bed.run(20)
    bed.ask(Syringe(8.0, 5.05, ""), by="nurse-1")
    bed.ask(Syringe(2.0, 5.0, "the last of the box"), by="nurse-1")
    bed.look()
    bed.ask(Amend("better", dose_mg=36.0), by="nurse-1")
    bed.ask(Amend("better", dose_mg=26.0), by="nurse-1")
    bed.run(120)
    bed.ask(PermitResume(""), by="nurse-1")
    bed.pump.running = True
    bed.run(20)
    bed.ask(Correct(WRONG, 10.0, "read again"), by="nurse-1")
    bed.look()
    bed.run(3)
    bed.pump.rate = 20.0
    bed.run(10)
    bed.ask(Correct(WRONG, 4.0, "read once more"), by="nurse-1")
    bed.ask(Correct(WRONG, 4.0, "read once more"), by="doctor-1")
    bed.look()
    bed.run(5)
    bed.ask(Disarm("the cable is in the way"), by="nurse-1")
    bed.run(3)
    bed.ask(End("enough"), by="nurse-1")
    bed.run(20)
    bed.look()
    return bed


@story
def stops_and_releases() -> Told:
    """Tell of three stops for one cause, a hold-off, releases, a start without one, away, and nothing on record."""
    bed = Told(bed_setup(protocol()))
    running(bed)
    for number in range(3):
        bed.monitor.values[Metric.SPO2] = 89
        bed.run(16)
        if number == 0:
            bed.ask(PauseAudio(MINUTE), by="nurse-1")
            bed.ask(HoldOff("spo2-low", ""), by="nurse-1")
            bed.look()
            bed.run(121)
        else:
            bed.ask(Acknowledge("spo2-low"), by="nurse-1")
            bed.run(20)
        bed.run(3)
        bed.look()
        bed.monitor.values[Metric.SPO2] = 97
        bed.run(12)
        bed.ask(PermitResume("well again"), by="nurse-1")
        if number < 2:
            bed.pump.running = True
            bed.run(10)
    bed.look()
    bed.ask(PermitResume(""), by="nurse-1")
    bed.ask(PermitResume("I am the doctor"), by="doctor-1")
    bed.pump.running = True
    bed.run(10)
    bed.ask(Hold(""), by="nurse-1")
    bed.run(15)
    bed.ask(Away(5 * MINUTE), by="nurse-1")
    bed.monitor.values[Metric.SPO2] = None
    bed.run(70)
    bed.look()
    bed.ask(Away(0), by="nurse-1")
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(5)
    bed.pump.running = True
    bed.run(10)
    bed.look()
    bed.ask(PermitResume("I was too quick"), by="nurse-1")
    bed.run(5)
    bed.give(JournalChanged(False, "disk full"))
    bed.ask(Amend("x", rate_ml_h=30.0), by="nurse-1")
    bed.ask(Stop("that is enough"), by="nurse-1")
    bed.run(20)
    bed.look()
    return bed


@story
def a_case_that_moves() -> Told:
    """Tell of a held case that asks for another bed, is refused, is taken, and comes back as it was."""
    setup = bed_setup(protocol())
    bed = Told(setup)
    other = Bed(replace(setup, bed="chair-2"))
    running(bed)
    bed.ask(Assess(((Score.MOAA_S, 5.0),), ((Metric.NIBP_SYS, 122.0), (Metric.NIBP_DIA, 72.0)), 0), by="nurse-1")
    bed.ask(Hold("the chair is broken"), by="nurse-1")
    bed.run(20)
    bed.ask(Move("chair-3", " a window "), by="nurse-1")
    bed.look()
    bed.run(6)
    bed.give(MoveAnswered("case-1", "chair-3", False, "there is no chair-3"))
    bed.ask(Move(" chair-2 "), by="nurse-1")
    other.run((bed.now - other.now) / SECOND)
    along = carried(bed.state.durable)
    assert along is not None
    other.give(CaseArrived("chair-1", along))
    bed.give(MoveAnswered("case-1", "chair-2", True, ""))
    bed.look()
    bed.run(5)
    other.run(5)
    other.ask(Move("chair-1"), by="nurse-1")
    back = carried(other.state.durable)
    assert back is not None
    bed.give(CaseArrived("chair-2", back))
    bed.give(CaseArrived("chair-2", back))
    bed.give(CaseArrived("chair-4", replace(back, case=replace(back.case, id="case-9"))))
    bed.look()
    bed.run(5)
    bed.ask(PermitResume("here again"), by="nurse-1")
    bed.pump.running = True
    bed.run(70)
    bed.look()
    return bed


@story
def a_session_that_outlives_its_gateway() -> Told:
    """Tell of a crash and a reboot in a session: what is kept, what is found, what must be looked at anew."""
    bed = Told(bed_setup(protocol()))
    running(bed)
    bed.monitor.values[Metric.SPO2] = 93
    bed.run(20)
    bed.ask(Acknowledge("spo2-low"), by="nurse-1")
    bed.crash()
    bed.look()
    bed.run(10)
    bed.look()
    bed.ask(PauseAudio(MINUTE), by="nurse-1")
    bed.ask(Amend("more", rate_ml_h=43.0), by="nurse-1")
    bed.now += 3600 * SECOND
    bed.moved = bed.now
    bed.crash(same_boot=False)
    bed.look()
    bed.run(10)
    bed.look()
    bed.monitor.values[Metric.SPO2] = 97
    bed.run(20)
    bed.ask(PermitResume("looked at"), by="nurse-1")
    bed.monitor.cuff(bed.now, 122, 72)
    bed.run(3)
    bed.ask(PermitResume("looked at"), by="nurse-1")
    bed.pump.running = True
    bed.run(10)
    bed.look()
    return bed


@story
def a_recovery_bed() -> Told:
    """Tell of a bed without a pump that takes a case from recovery to its close."""
    quiet = (DeviceSetup("monitor", False, False, None),)
    bed = Told(replace(bed_setup(protocol()), bed="recovery-1", devices=quiet))
    bed.pump.mute = True
    first = Bed(bed_setup(protocol()))
    first.infuse()
    first.run(60)
    first.ask(End("enough"))
    first.run(20)
    first.ask(Move("recovery-1"))
    along = carried(first.state.durable)
    assert along is not None
    bed.run((first.now - bed.now) / SECOND)
    bed.give(CaseArrived("chair-1", along))
    bed.look()
    bed.ask(Stop("x"), by="nurse-1")
    bed.run(60)
    bed.ask(Away(2 * MINUTE), by="nurse-1")
    bed.run(60)
    bed.ask(Close("fetched by his sister"), by="nurse-1")
    bed.look()
    return bed
