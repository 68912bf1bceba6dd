"""Stories of what seldom happens: reboots at the wrong moment, quarantine, moves that fail, pumps not as they say."""

from dataclasses import replace

from core_bed import Bed, Pump, bed_setup, depression_40
from infusion_gateway.core.moving import carried
from infusion_gateway.core.state import initial
from infusion_gateway.model.alarm import Response
from infusion_gateway.model.events import BedQuarantined
from infusion_gateway.model.inputs import (
    BrokerChanged,
    CaseArrived,
    GateChanged,
    Instructed,
    JournalChanged,
    LinkOpened,
    MoveAnswered,
    Observed,
)
from infusion_gateway.model.instructions import (
    Abort,
    Acknowledge,
    Assess,
    Away,
    Close,
    Confirm,
    End,
    Hold,
    Instruction,
    Move,
    PermitResume,
    Prime,
    Score,
    Stop,
)
from infusion_gateway.model.keys import Signed
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Delivery, Reading, Sensor, Validity
from infusion_gateway.model.session import BaselineGate, BedSetup, Phase, SessionProtocol, WindowLimit
from sessions_told import Told, story
from stories_of_people import ORDER, protocol, running

CONFIRM = Confirm(70.0, 5.0)


def plain(**changes: object) -> SessionProtocol:
    """Give a protocol that asks for no gate and no baseline."""
    return protocol(gates=(), baseline=(), **changes)


def armed(bed: Told) -> None:
    """Order and confirm."""
    bed.pump.rate = ORDER.rate_ml_h
    bed.run(3)
    bed.ask(ORDER, by="nurse-1")
    bed.ask(CONFIRM, by="doctor-1")


def rebooted(bed: Told, seconds: float) -> None:
    """Have the machine begin anew on another timeline, so much later."""
    bed.now += int(seconds * SECOND)
    bed.moved = bed.now
    bed.crash(same_boot=False)
    for device in bed.setup.devices:
        bed.give(LinkOpened(device.device))


@story
def an_order_that_lapses() -> Told:
    """Tell of a confirmation that ends by time, and by a reboot; of delivery under it; of what is asked anew."""
    bed = Told(bed_setup(plain(armed_for=20 * SECOND)))
    armed(bed)
    bed.run(19)
    bed.look()
    bed.run(2)
    bed.look()
    bed.ask(Prime(10 * MINUTE), by="nurse-1")
    bed.ask(CONFIRM, by="doctor-1")
    bed.ask(Prime(6 * MINUTE), by="nurse-1")
    bed.ask(Prime(-1), by="nurse-1")
    bed.ask(Prime(6 * MINUTE), by="nurse-1")
    bed.ask(Prime(6 * MINUTE), by="nurse-1")
    bed.pump.running = True
    bed.run(5)
    bed.pump.running = False
    bed.run(5)
    bed.look()
    rebooted(bed, 30)
    bed.look()
    bed.run(3)
    bed.pump.running = True
    bed.run(3)
    bed.look()
    bed.run(5)
    bed.ask(PermitResume("seen"), by="doctor-1")
    bed.ask(Assess(((Score.MOAA_S, 5.0), (Score.PAIN, 0.0)), ((Metric.NIBP_SYS, 120.0),), 0), by="nurse-1")
    bed.ask(PermitResume("seen"), by="doctor-1")
    bed.run(2)
    bed.look()
    return bed


@story
def a_machine_that_restarts_in_a_session() -> Told:
    """Tell of two reboots in a session that has everything on record: alarms, stops, a hold-off, doses, absences."""
    bed = Told(bed_setup(plain()))
    armed(bed)
    bed.pump.running = True
    bed.run(70)
    bed.monitor.cuff(bed.now, 122, 75)
    bed.monitor.values[Metric.SPO2] = 89.0
    bed.run(20)
    bed.ask(Acknowledge("spo2-low"), by="nurse-1")
    bed.run(20)
    bed.monitor.values[Metric.SPO2] = 97.0
    bed.ask(Assess(((Score.MOAA_S, 4.0),), ((Metric.RR, 13.0),), 0), by="nurse-1")
    bed.run(12)
    bed.ask(Away(MINUTE), by="nurse-1")
    bed.look()
    rebooted(bed, 600)
    bed.look()
    bed.run(5)
    bed.ask(PermitResume("looked at"), by="nurse-1")
    bed.monitor.cuff(bed.now, 121, 74)
    bed.run(2)
    bed.ask(PermitResume("looked at"), by="nurse-1")
    bed.pump.running = True
    bed.run(20)
    bed.look()
    rebooted(bed, -500)
    bed.run(5)
    bed.look()
    bed.ask(End("enough"), by="nurse-1")
    bed.run(10)
    bed.look()
    bed.pump.mute = True
    bed.run(12)
    bed.look()
    bed.pump.mute = False
    bed.run(2)
    bed.pump.running = True
    bed.run(4)
    bed.look()
    return bed


@story
def a_bed_in_quarantine() -> Told:
    """Tell of an invariant that broke in a session: the pump is stopped whenever it runs, until a person ends it."""
    bed = Told(bed_setup(plain()))
    armed(bed)
    bed.pump.running = True
    bed.run(10)
    bed.journal.append((bed.now, BedQuarantined("an invariant broke")))
    bed.crash()
    bed.look()
    for device in bed.setup.devices:
        bed.give(LinkOpened(device.device))
    bed.run(8)
    bed.look()
    bed.ask(PermitResume("go on"), by="doctor-1")
    bed.pump.running = True
    bed.run(5)
    bed.ask(Close("it is nothing"), by="nurse-1")
    bed.ask(Abort("nobody knows"), by="nurse-1")
    bed.run(5)
    bed.ask(Close(""), by="nurse-1")
    bed.pump.running = True
    bed.run(1)
    bed.ask(Close("it was looked at"), by="nurse-1")
    bed.run(6)
    bed.look()
    bed.ask(replace(ORDER, case="case-2"), by="nurse-1")
    bed.ask(Close("it was looked at"), by="nurse-1")
    bed.look()
    return bed


@story
def moves_that_come_to_nothing() -> Told:
    """Tell of moves asked at the wrong moment, to nowhere, of a bed that has no room, of a start on the way."""
    setup = bed_setup(plain())
    bed, other = Told(setup), Bed(replace(setup, bed="chair-2"))
    bed.ask(Move("chair-2"), by="nurse-1")
    running(bed)
    bed.ask(Move("chair-2"), by="nurse-1")
    bed.ask(Hold("x"), by="nurse-1")
    bed.ask(Move("chair-2"), by="nurse-1")
    bed.run(20)
    for to in ("", "chair-1", " chair-2 "):
        bed.ask(Move(to), by="nurse-1")
    along = carried(bed.state.durable)
    assert along is not None
    arriving = CaseArrived("chair-2", replace(along, case=replace(along.case, id="case-7")))
    for there in (
        Told(setup),
        Told(replace(setup, protocols=(replace(plain(), name="another"),))),
        Told(replace(setup, devices=setup.devices[1:])),
        Told(setup, Pump(running=True)),
    ):
        there.lines = bed.lines
        there.give(arriving)
        there.run(3)
        there.give(JournalChanged(False, "full"))
        there.give(arriving)
        there.give(JournalChanged(True, ""))
        there.give(arriving)
        there.run(1)
        there.look()
        there.give(arriving)
        there.give(
            CaseArrived(
                "chair-2", replace(arriving.carried, stop=along.stop and replace(along.stop, then=Phase.STOPPED))
            )
        )
        there.run(3)
        there.look()
    bed.run(6)
    bed.give(MoveAnswered("case-2", "chair-2", True, ""))
    bed.give(MoveAnswered("case-1", "chair-3", True, ""))
    bed.ask(Stop("that is enough"), by="nurse-1")
    bed.run(1)
    bed.give(MoveAnswered("case-1", "chair-2", True, ""))
    bed.look()
    bed.run(6)
    bed.pump.running = True
    bed.run(2)
    bed.give(MoveAnswered("case-1", "chair-2", True, "", over=True))
    bed.look()
    bed.run(4)
    bed.look()
    other.run(1)
    return bed


def ended_by_itself(setup: BedSetup, rate: float, pump: Pump, *, early: int = 0) -> Told:
    """Tell of a volume that ends, so many seconds early, where the pump keeps the vein open at this rate."""
    bed = Told(setup, pump)
    bed.pump.rate = 42.0
    bed.run(3)
    order = replace(ORDER, duration=2 * MINUTE, dose_mg=7.0, volume_ml=1.6)
    bed.ask(order, by="nurse-1")
    bed.ask(CONFIRM, by="doctor-1")
    bed.pump.running = True
    bed.run(60)
    bed.give(Observed("pump", (Reading(Metric.VTBI_REMAIN, 1.2, Validity.VALID, bed.now),)))
    bed.run(1)
    bed.look()
    bed.run(59 - early)
    bed.pump.says, bed.pump.rate = Delivery.KVO, rate
    for seconds in (2, 20, 40):
        bed.run(seconds)
        bed.look()
    bed.crash()
    for device in setup.devices:
        bed.give(LinkOpened(device.device))
    bed.run(40)
    bed.look()
    bed.pump.running = False
    bed.run(6)
    bed.look()
    return bed


@story
def a_volume_that_ends_at_a_pump_only_read() -> Told:
    """Tell of half a milligram at the rate that keeps the vein open, over a crash."""
    setup = bed_setup(plain(grace=30 * SECOND), stoppable=False, dead_man=(10, 60))
    return ended_by_itself(setup, 5.0, Pump(obeys=False))


@story
def a_volume_that_ends_at_a_pump_that_obeys() -> Told:
    """Tell of the same where the pump can be stopped."""
    return ended_by_itself(bed_setup(plain(grace=30 * SECOND)), 1.0, Pump())


@story
def a_volume_that_ends_a_little_early() -> Told:
    """Tell of so little that is missing that it counts as complete."""
    return ended_by_itself(bed_setup(plain(grace=30 * SECOND)), 1.0, Pump(), early=4)


@story
def a_volume_that_ends_too_early() -> Told:
    """Tell of a little more that is missing."""
    return ended_by_itself(bed_setup(plain(grace=30 * SECOND)), 1.0, Pump(), early=8)


@story
def a_pump_that_is_not_what_it_says() -> Told:
    """Tell of a start by nobody, a volume that stands, too little delivered, a volume that rises in a pause."""
    lost = plain(spo2_lost=Response.STOP_UNLESS_HELD, start_within=20 * SECOND)
    bed = Told(bed_setup(lost))
    armed(bed)
    bed.run(30)
    bed.pump.running = True
    bed.run(3)
    bed.look()
    bed.pump.counted = True
    stands = bed.pump.counter
    for seconds in (9, 1, 1, 10, 100, 125, 60):
        for _ in range(seconds):
            bed.pump.counter = stands
            bed.run(1)
        bed.look()
    bed.pump.says = Delivery.UNKNOWN
    bed.run(11)
    bed.look()
    bed.pump.says = Delivery.INFUSING
    bed.monitor.values.update({Metric.SPO2: None, Metric.PULSE: None, Metric.HR: None})
    for seconds in (59, 1, 10):
        bed.run(seconds)
        bed.look()
    bed.monitor.values.update({Metric.SPO2: 97.0, Metric.PULSE: 70.0, Metric.HR: 70.0})
    bed.ask(PermitResume("seen"), by="doctor-1")
    bed.pump.running = True
    bed.run(10)
    bed.pump.running = False
    bed.run(3)
    bed.pump.counter += 0.003
    bed.run(2)
    bed.look()
    bed.run(10)
    bed.look()
    return bed


@story
def doses_of_an_hour() -> Told:
    """Tell of a window's limit held against what was given in it, pauses and an earlier case included."""
    bed = Told(
        bed_setup(plain(window_limits=(WindowLimit(3 * MINUTE, 0.14, 100.0), WindowLimit(6 * MINUTE, 1.0, 16.0))))
    )
    short = replace(ORDER, duration=2 * MINUTE, dose_mg=7.0, volume_ml=3.0)
    for number in range(3):
        bed.run(3)
        bed.ask(replace(short, case=f"case-{number}"), by="nurse-1")
        bed.ask(CONFIRM, by="doctor-1")
        bed.pump.rate, bed.pump.running = 42.0, True
        bed.run(70)
        bed.ask(Hold("a pause"), by="nurse-1")
        bed.run(30)
        bed.ask(PermitResume("on"), by="nurse-1")
        bed.pump.rate, bed.pump.running = 49.0, True
        bed.run(55)
        bed.look()
        bed.ask(End("enough"), by="nurse-1")
        bed.run(5)
        bed.ask(Close("enough"), by="nurse-1")
        bed.look()
    return bed


@story
def pressures_that_come_back() -> Told:
    """Tell of pressures acknowledged together and apart, over, back, and worse."""
    bed = Told(bed_setup(depression_40()))
    bed.infuse()
    for systolic, acknowledged in ((165, True), (150, False), (166, False), (176, False), (150, True), (182, False)):
        bed.monitor.cuff(bed.now, systolic, 80)
        bed.run(20)
        if acknowledged:
            bed.ask(Acknowledge("nibp-sys-high"), by="nurse-1")
        bed.run(70)
        bed.look()
    bed.run(120)
    bed.look()
    return bed


@story
def what_is_signed() -> Told:
    """Tell of instructions whose signature was verified: with a case and without, at beds that have one or none."""
    bed = Told(bed_setup(plain()))
    bed.run(3)

    def ask(asked: Instruction, case: str) -> None:
        bed.asked += 1
        signed = Signed("key-1", "the/topic", "the bytes")
        bed.give(Instructed(asked, "nurse-1", f"signed-{bed.asked}", case, signed))

    ask(ORDER, "case-1")
    ask(Stop("x"), "")
    for case in ("", "CASE-1", "case-2"):
        ask(Hold("x"), case)
        ask(CONFIRM, case)
        bed.look()
    bed.state = initial(bed.setup)
    bed.journal.clear()
    bed.give(BrokerChanged(True, True))
    bed.give(GateChanged("clock", True, ""))
    ask(Hold("x"), "case-1")
    bed.look()
    return bed


@story
def a_wall_that_is_reached() -> Told:
    """Tell of a session that is paused until its time is over, pauses included."""
    bed = Told(bed_setup(plain(wall=2 * MINUTE)))
    armed(bed)
    bed.pump.running = True
    bed.run(30)
    bed.ask(Hold("a pause"), by="nurse-1")
    for seconds in (85, 4, 1, 2, 5):
        bed.run(seconds)
        bed.look()
    return bed


@story
def a_start_that_nobody_says() -> Told:
    """Tell of an armed pump that does not say what it does, until its volume rises."""
    bed = Told(bed_setup(plain()))
    armed(bed)
    bed.pump.rate, bed.pump.running, bed.pump.says = 0.001, True, Delivery.UNKNOWN
    for seconds in (9, 1, 1, 5):
        bed.run(seconds)
        bed.look()
    bed.pump.rate = 42.0
    bed.run(3)
    bed.look()
    bed.run(12)
    bed.look()
    return bed


@story
def a_release_with_much_against_it() -> Told:
    """Tell of limits that are past while a patient is away, and of a baseline of which nothing is seen."""
    gates = (
        BaselineGate((Metric.SPO2,), required=True, low=94),
        BaselineGate((Metric.HR, Metric.PULSE), required=True, low=50),
    )
    bed = Told(bed_setup(protocol(gates=(), baseline=gates)))
    armed(bed)
    bed.pump.running = True
    bed.run(10)
    bed.ask(Hold("a pause"), by="nurse-1")
    bed.run(10)
    bed.ask(Away(5 * MINUTE), by="nurse-1")
    bed.monitor.values.update({Metric.SPO2: 80.0, Metric.HR: 35.0, Metric.PULSE: 35.0, Metric.RR: 6.0})
    bed.run(3)
    bed.ask(PermitResume("back"), by="nurse-1")
    bed.look()
    bed.monitor.values.update({Metric.SPO2: None, Metric.HR: None, Metric.PULSE: None, Metric.RR: 14.0})
    rebooted(bed, 1200)
    bed.run(3)
    bed.ask(PermitResume("back"), by="nurse-1")
    bed.ask(Away(0), by="nurse-1")
    bed.ask(PermitResume("back"), by="nurse-1")
    bed.look()
    bed.monitor.values.update({Metric.SPO2: 97.0, Metric.HR: 70.0, Metric.PULSE: 70.0})
    bed.run(15)
    bed.ask(PermitResume("back"), by="nurse-1")
    bed.pump.running = True
    bed.run(3)
    bed.look()
    return bed


@story
def a_flood_that_ebbs() -> Told:
    """Tell of eleven alarms in five minutes, and of when they are no flood any more."""
    bed = Told(bed_setup(plain()))
    armed(bed)
    bed.pump.running = True
    bed.run(3)
    for number in range(11):
        bed.monitor.values.update({Metric.HR: 112.0, Metric.PULSE: 112.0})
        bed.run(16)
        bed.monitor.values.update({Metric.HR: 70.0, Metric.PULSE: 70.0})
        bed.run(11)
        if number > 8:
            bed.look()
    bed.monitor.off.update({Sensor.PROBE, Sensor.LEADS})
    bed.monitor.values.update(dict.fromkeys((Metric.SPO2, Metric.PULSE, Metric.HR, Metric.RR)))
    bed.pump.says = Delivery.UNKNOWN
    for seconds in (40, 260, 17, 1, 1, 1, 25, 1, 1, 1):
        bed.run(seconds)
        bed.look()
    return bed
