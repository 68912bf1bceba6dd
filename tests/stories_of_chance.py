"""Stories left to chance: a seeded hand changes what devices say, and asks what people ask, at any moment.

Nobody would think of such sessions, and most of what rules do to each other is seen in them. Each begins with a setup
of its own; the hand is the same sequence of draws for ever, so that the text is too.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from core_bed import LOW, MEDIUM, Pump, bed_setup
from infusion_gateway.core.bedside import Bedside, word_of
from infusion_gateway.core.health import CLOCK, DISK, Judged, judge
from infusion_gateway.model.health import Certificate, Health, Part, Queue, Trouble
from infusion_gateway.model.inputs import (
    BrokerChanged,
    ClockJumped,
    Faulted,
    GateChanged,
    HealthChanged,
    JournalChanged,
    LinkLost,
    LinkOpened,
    Observed,
    Restarted,
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
    Instruction,
    Limits,
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
from infusion_gateway.model.observation import (
    Delivery,
    Fault,
    FaultKind,
    PumpAlarm,
    Reading,
    Sensor,
    SensorState,
    Validity,
)
from infusion_gateway.model.session import BedSetup, DeviceSetup, Phase, Scheduled
from infusion_gateway.model.session import Step as Stage
from sessions_told import Told, say, story
from stories_of_devices import SHIPPED
from stories_of_people import ORDER, WRONG, protocol

SICK: dict[Metric, Sequence[float | None]] = {
    Metric.SPO2: (94.0, 93.0, 91.5, 90.0, 89.0, 86.0, 85.0, 84.0, 127.0, None),
    Metric.PULSE: (49.0, 51.0, 45.0, 39.0, 111.0, 131.0, None),
    Metric.HR: (50.0, 49.0, 53.0, 40.0, 38.0, 110.0, 112.0, 130.0, 132.0, 0.0, None),
    Metric.RR: (10.0, 9.0, 8.0, 7.0, 12.0, 1.0, 0.0, None),
    Metric.ETCO2: (4.0, 5.0, 0.0, 30.0, 52.0, 55.0, None),
}
WELL = {Metric.SPO2: 97.0, Metric.PULSE: 70.0, Metric.HR: 71.0, Metric.RR: 14.0}
PRESSURES = ((120, 75), (139, 82), (141, 96), (160, 80), (152, 101), (181, 95), (179, 111), (88, 49), (79, 45))
PEOPLE = ("nurse-1", "nurse-1", "nurse-2", "doctor-1")


class Hand:
    """What changes things: it draws what to do next, and does it."""

    def __init__(self, bed: Told, seed: int, order: PlaceOrder) -> None:
        self.bed, self.draw, self.order, self.cases = bed, Random(seed), order, 1
        self.deeds: tuple[Callable[[], object], ...] = (
            *(self.sicken,) * 6,
            *(self.heal,) * 6,
            *(self.sense,) * 2,
            *(self.doubt,) * 2,
            *(self.measure,) * 3,
            *(self.cuff,) * 2,
            *(self.pump,) * 4,
            *(self.wire,) * 2,
            *(self.house,) * 2,
            *(self.late,) * 2,
            *(self.ask,) * 8,
            *(self.care,) * 12,
        )

    def run(self, seconds: float) -> Told:
        """Do something every few seconds for so long; look at it all now and then."""
        end = self.bed.now + seconds * SECOND
        while self.bed.now < end:
            for _ in range(self.draw.choice((1, 1, 2))):
                deed = self.draw.choice(self.deeds)
                self.bed.line("hand", deed.__name__)
                deed()
            self.bed.run(self.draw.choice((0.25, 0.5, 1, 1, 2, 3, 4.5, 6, 9, 12, 16)))
            if self.draw.random() < 0.1:
                self.bed.look()
        self.bed.look()
        return self.bed

    def sicken(self) -> None:
        """Have a number leave what is well."""
        metric = self.draw.choice([m for m in SICK if m in self.bed.monitor.values])
        self.bed.monitor.values[metric] = value = self.draw.choice(SICK[metric])
        if metric is Metric.HR and self.draw.random() < 0.7:
            self.bed.monitor.values[Metric.PULSE] = value

    def heal(self) -> None:
        """Have the patient be well, and every sensor on."""
        self.bed.monitor.values.update(WELL)
        if Metric.ETCO2 in self.bed.monitor.values:
            self.bed.monitor.values[Metric.ETCO2] = 38.0
        self.bed.monitor.off.clear()
        self.bed.monitor.validity.clear()
        self.bed.monitor.mute = self.bed.pump.mute = False

    def sense(self) -> None:
        """Have a sensor come off, with what it measures or without."""
        monitor = self.bed.monitor
        sensor, metrics = self.draw.choice(
            (
                (Sensor.PROBE, (Metric.SPO2, Metric.PULSE)),
                (Sensor.LEADS, (Metric.HR, Metric.RR)),
                (Sensor.CANNULA, (Metric.ETCO2,)),
            )
        )
        monitor.off.add(sensor)
        for metric in metrics if self.draw.random() < 0.8 else ():
            if metric in monitor.values:
                monitor.values[metric] = None

    def doubt(self) -> None:
        """Have a monitor doubt its own number."""
        metric = self.draw.choice(tuple(self.bed.monitor.values))
        self.bed.monitor.validity[metric] = self.draw.choice((Validity.QUESTIONABLE, Validity.INVALID))

    def measure(self) -> None:
        """Have the cuff find a pressure."""
        self.bed.monitor.cuff(self.bed.now - self.draw.choice((0, 0, 2, 30)) * SECOND, *self.draw.choice(PRESSURES))

    def cuff(self) -> None:
        """Have the cuff inflate, end, or fail."""
        self.bed.monitor.cuff_is = self.draw.choice(
            (SensorState.MEASURING, SensorState.MEASURING, SensorState.ON, SensorState.FAILED, None)
        )

    def pump(self) -> None:
        """Have the pump do something by itself, or be set otherwise."""
        pump, rate = self.bed.pump, self.order.rate_ml_h
        what = self.draw.randrange(14)
        if what < 3:
            pump.rate = rate * self.draw.choice((1.0, 1.0, 0.5, 0.9, 1.2, 1.21, 1.5, 1.51, 2.0, 3.0))
        elif what < 5:
            pump.running = not pump.running
        elif what == 5:
            pump.says = self.draw.choice((Delivery.KVO, Delivery.BOLUS, Delivery.UNKNOWN))
        elif what < 8:
            pump.says, pump.alarms, pump.lies, pump.said_stopped = Delivery.INFUSING, frozenset(), False, False
            pump.obeys = pump.keeps_dead_man = True
        elif what == 8:
            pump.alarms = frozenset(self.draw.sample(tuple(PumpAlarm), self.draw.choice((1, 2))))
        elif what == 9:
            pump.counter += self.draw.choice((-1.0, 0.05, 0.3, 1.0, 2.5))
            pump.counter = max(pump.counter, 0.0)
        elif what == 10:
            pump.obeys = False
        elif what == 11:
            pump.lies = True
        elif what == 12:
            pump.keeps_dead_man, pump.dead_man = False, self.draw.choice((0.0, 15.0))
        else:
            pump.mute = True

    def wire(self) -> None:
        """Have a line go or come back, or a device be wrong."""
        device = self.draw.choice(self.bed.setup.devices).device
        what = self.draw.randrange(4)
        if what == 0:
            self.bed.give(LinkLost(device, "cable out"))
            (self.bed.pump if device == "pump" else self.bed.monitor).mute = True
        elif what == 1:
            self.bed.give(Faulted(device, Fault(self.draw.choice(tuple(FaultKind)), "as it said")))
        else:
            self.bed.give(LinkOpened(device))
            self.bed.pump.mute = self.bed.monitor.mute = False

    def house(self) -> None:
        """Have broker, journal, clock or a gate change; or the gateway begin anew."""
        what = self.draw.randrange(9)
        if what == 8:
            troubles = Trouble(DISK, "97 percent of it are used"), Trouble(CLOCK, "no server answers", LOW)
            self.bed.give(HealthChanged(troubles[: self.draw.randrange(3)]))
        elif what < 2:
            self.bed.give(BrokerChanged(self.draw.random() < 0.6, self.draw.choice((True, True, False, None))))
        elif what == 2:
            kept = self.draw.random() < 0.7
            self.bed.give(JournalChanged(kept, "" if kept else "disk full"))
        elif what == 3:
            self.bed.give(ClockJumped(self.draw.choice((-7.5, 3.0, 86400.0))))
        elif what < 6:
            gate, is_open = self.draw.choice(("clock", "disk")), self.draw.random() < 0.8
            self.bed.give(GateChanged(gate, is_open, "" if is_open else "it is not as it should be"))
        elif what == 6:
            self.bed.crash()
            self.bed.give(GateChanged("clock", True, ""))
            self.bed.give(GateChanged("disk", True, ""))
        else:
            self.bed.give(Restarted(True))

    def late(self) -> None:
        """Have a second device, or a number that comes late, say something between the seconds."""
        others = [setup.device for setup in self.bed.setup.devices if not setup.is_pump]
        metric = self.draw.choice((Metric.SPO2, Metric.PULSE, Metric.RR))
        at = self.bed.now - self.draw.choice((0, 0, 1, 4, 9, 15)) * SECOND
        value = self.draw.choice((WELL[metric], *SICK[metric]))
        validity = Validity.INVALID if value is None else self.draw.choice((Validity.VALID, Validity.QUESTIONABLE))
        self.bed.give(Observed(others[-1], (Reading(metric, value, validity, at),)))
        remain = self.draw.choice((0.0, 0.1, 3.0, 12.0))
        if self.draw.random() < 0.3:
            told = (Metric.VTBI, 10.0), (Metric.VTBI_REMAIN, remain)
            said = tuple(Reading(what, value, Validity.VALID, self.bed.now) for what, value in told)
            self.bed.give(Observed("pump", said))

    def ask(self) -> None:
        """Have somebody ask for something."""
        draw, order = self.draw, self.order
        why = draw.choice(("", "as it has to be", "again"))
        code = draw.choice([*self.bed.state.durable.conditions, "spo2-low"])
        asked: tuple[Callable[[], Instruction], ...] = (
            *(lambda: Acknowledge(code),) * 4,
            *(lambda: HoldOff(code, why),) * 2,
            *(lambda: PauseAudio(draw.choice((30, 60, 120, 900)) * SECOND),) * 2,
            *(lambda: Hold(why),) * 2,
            *(lambda: PermitResume(why),) * 2,
            lambda: Amend(why, rate_ml_h=order.rate_ml_h * draw.choice((0.8, 1.0, 1.1))),
            lambda: Amend(why, dose_mg=order.dose_mg * draw.choice((0.7, 0.9, 1.05))),
            lambda: Extend(draw.choice((1, 3)) * MINUTE, why),
            lambda: Syringe(draw.choice((2.0, 10.0)), order.concentration_mg_ml, why),
            lambda: Correct(WRONG, order.concentration_mg_ml * draw.choice((0.5, 1.0, 2.0)), why),
            lambda: Prime(draw.choice((5, 60)) * SECOND),
            lambda: Away(draw.choice((0, 10, 60, 300)) * SECOND),
            lambda: Override(draw.choice(("clock", "baseline-spo2", "baseline-nibp-sys")), why),
            lambda: Limits(draw.choice(("spo2-low", "hr-low", "hr-high")), draw.choice((42.0, 92.0, 120.0)), why),
            lambda: Disarm(why),
            TestAlarm,
            lambda: draw.choice((Stop, End, Abort))(why),
            *(self.assessed,) * 3,
        )
        self.bed.ask(draw.choice(asked)(), by=draw.choice(PEOPLE))

    def assessed(self) -> Assess:
        """Give what a person finds of the patient."""
        score = self.draw.choice(tuple(Score)), float(self.draw.randrange(6))
        found = (Metric.RR, self.draw.choice((7.0, 9.0, 14.0))), (Metric.SPO2, self.draw.choice((88.0, 93.0, 97.0)))
        return Assess((score,), found[: self.draw.randrange(3)], self.draw.choice((0, 20, 60)) * SECOND)

    def care(self) -> None:
        """Have people do what leads on from where the case is."""
        bed, order = self.bed, self.order
        match bed.phase:
            case Phase.IDLE | Phase.CLOSED:
                bed.monitor.cuff(bed.now, 122, 74)
                bed.ask(replace(order, case=f"case-{self.cases}", subject=f"subject-{self.cases}"), by="nurse-1")
                self.cases += 1
            case Phase.ORDERED:
                bed.give(GateChanged("clock", True, ""))
                bed.give(GateChanged("disk", True, ""))
                bed.ask(Confirm(order.weight_kg, order.concentration_mg_ml), by="doctor-1")
            case Phase.ARMED:
                bed.pump.rate, bed.pump.running = order.rate_ml_h, True
            case Phase.INFUSING:
                bed.pump.rate, bed.pump.running = order.rate_ml_h, bed.state.durable.stop is None
            case Phase.PAUSED:
                bed.ask(PermitResume("well again"), by=self.draw.choice(PEOPLE))
                bed.pump.rate, bed.pump.running = order.rate_ml_h, True
            case _:
                bed.pump.running = False
                well = ((Score.MOAA_S, 5.0), (Score.ORIENTED, 1.0), (Score.ESCORT, 1.0))
                bed.ask(Assess(well, (), 0), by="nurse-1")
                bed.ask(Close(self.draw.choice(("", "fetched"))), by="nurse-1")


def begun(setup: BedSetup, seed: int, order: PlaceOrder = ORDER, pump: Pump | None = None) -> Hand:
    """Give a hand over a bed where the order is confirmed and the pump has just been started."""
    bed = Told(setup, pump)
    hand = Hand(bed, seed, order)
    bed.pump.rate = order.rate_ml_h
    bed.run(3)
    bed.give(GateChanged("clock", True, ""))
    bed.give(GateChanged("disk", True, ""))
    bed.monitor.cuff(bed.now, 121, 71)
    bed.run(2)
    for _ in range(3):
        hand.care()
    bed.run(4)
    return hand


def short(minutes: int = 3) -> PlaceOrder:
    """Give an order of a few minutes, so that its end is seen."""
    return replace(ORDER, duration=minutes * MINUTE, dose_mg=3.5 * minutes, volume_ml=0.7 * minutes + 0.1)


@story
def chance_with_a_monitor() -> Told:
    """Tell of a monitor with everything, a pump that obeys."""
    hand = begun(bed_setup(protocol()), 1)
    hand.bed.monitor.values[Metric.ETCO2] = 38.0
    return hand.run(420)


@story
def chance_with_the_shipped_protocol() -> Told:
    """Tell of the protocol as it is shipped."""
    setup = bed_setup(replace(SHIPPED, gates=(), baseline=()))
    hand = begun(
        setup, 2, replace(ORDER, concentration_mg_ml=1.0, rate_ml_h=52.5, volume_ml=50.0, duration=40 * MINUTE)
    )
    hand.bed.monitor.values[Metric.ETCO2] = 38.0
    return hand.run(420)


def two_monitors(seed: int) -> Hand:
    """Give a hand over a bed with an oximeter of its own, a cuff on that arm, and things to do by the clock."""
    devices = (
        DeviceSetup("pump", True, True, (10, 60)),
        DeviceSetup("monitor", False, False, None),
        DeviceSetup("oximeter", False, False, None),
    )
    steps = (Stage(0, LOW), Stage(MINUTE, MEDIUM))
    watched = frozenset({Phase.INFUSING, Phase.PAUSED})
    scheduled = (Scheduled(Score.MOAA_S, 2 * MINUTE, watched, steps), Scheduled(Metric.RR, 3 * MINUTE, watched, steps))
    setup = replace(
        bed_setup(protocol(nibp_every=MINUTE, schedule=scheduled)),
        devices=devices,
        sources=((Metric.SPO2, ("monitor", "oximeter")), (Metric.PULSE, ("oximeter", "monitor"))),
        cuff_on_spo2_arm=True,
    )
    hand = begun(setup, seed)
    bed, tick = hand.bed, hand.bed.tick

    def both() -> None:
        tick()
        if not bed.monitor.mute:
            said = bed.monitor.values[Metric.SPO2]
            value = 96.0 if hand.draw.random() < 0.9 else said
            state = Validity.VALID if value is not None else Validity.INVALID
            bed.give(Observed("oximeter", (Reading(Metric.SPO2, value, state, bed.now),)))

    bed.tick = both  # type: ignore[method-assign] -- this bed has a device more
    return hand


@story
def chance_with_two_monitors() -> Told:
    """Tell of two sources of one number."""
    return two_monitors(3).run(360)


@story
def chance_with_two_monitors_again() -> Told:
    """Tell of them otherwise."""
    return two_monitors(4).run(360)


@story
def chance_with_a_coarse_counter() -> Told:
    """Tell of a pump that counts tenths of a millilitre."""
    return begun(bed_setup(protocol()), 5, pump=Pump(resolution=0.1)).run(420)


@story
def chance_with_a_pump_without_a_counter() -> Told:
    """Tell of a pump that says no volume."""
    return begun(bed_setup(protocol()), 6, pump=Pump(counted=False)).run(420)


@story
def chance_with_a_pump_that_is_only_read() -> Told:
    """Tell of a pump that can't be stopped from here."""
    setup = bed_setup(protocol(), stoppable=False, dead_man=None)
    hand = begun(setup, 7, pump=Pump(obeys=False))
    hand.bed.ask(Override("pump-unstoppable", "no other is left"), by="doctor-1")
    for _ in range(2):
        hand.care()
    return hand.run(420)


@story
def chance_to_the_end_and_beyond() -> Told:
    """Tell of sessions of three minutes, which come to their end by themselves or are ended."""
    return begun(bed_setup(protocol(grace=20 * SECOND)), 8, short()).run(600)


@story
def chance_to_the_end_once_more() -> Told:
    """Tell of them otherwise."""
    return begun(bed_setup(protocol(grace=20 * SECOND, wall=6 * MINUTE)), 9, short()).run(600)


def measured(draw: Random) -> Health:
    """Give what a gateway may find of itself."""
    parts = tuple(
        Part(name, draw.choice((None, 0, SECOND, 9 * SECOND, 40 * SECOND)), draw.choice((5, 9, 30)) * SECOND)
        for name in ("journal", "border", "broker", "history", "links")[: draw.randrange(6)]
    )
    queues = tuple(
        Queue(name, draw.choice((0, 4, 5, 6, 8, 9, 10)), 10) for name in ("telling", "inbox", "outbox", "kept")
    )
    days = draw.choice((None, -1.0, 0.0, 0.5, 1.0, 3.0, 7.0, 29.0, 30.0, 31.0))
    left = None if days is None else int(days * 24 * 60 * MINUTE)
    return Health(
        held_up=draw.choice((0, 0, 0, SECOND // 2, SECOND // 2 + 1)),
        parts=parts if draw.random() < 0.3 else (),
        queues=queues if draw.random() < 0.3 else (),
        memory_bytes=draw.choice((60, 351, 352, 353, 384, 385)) * 2**20,
        certificates=(Certificate("broker", left, "12 May"),) if draw.random() < 0.3 else (),
    )


@story
def chance_with_an_alarm_of_its_own() -> Told:
    """Tell of a bed's own alarm, of a gateway that falls silent now and then, and of what that finds of itself."""
    hand = begun(replace(bed_setup(protocol()), annunciator=True), 10)
    bed, draw = hand.bed, hand.draw
    alarm, judged, lost, told = Bedside(bed.now), Judged(), 0, ""
    for tick in range(1200):
        bed.run(0.25)
        if tick % 8 == 0:
            draw.choice(hand.deeds)()
        if tick % 40 == 0:
            judged = judge(measured(draw), judged, bed.now)
            bed.give(HealthChanged(judged.troubles))
            bed.note("  = ", judged)
        lost = max(lost - 1, 0) or draw.choice((0,) * 99 + (30,))
        if not lost and tick % 4 == 0:
            late = draw.choice((0,) * 18 + (-2, 6)) * SECOND
            quarantined = "a word" if draw.random() < 0.03 else None
            alarm.hear(
                word_of(bed.state, bed.now - late, quarantined=quarantined, leaving=draw.random() < 0.05), bed.now
            )
        due = alarm.due(bed.now)
        if say(due.shown) != told:
            told = say(due.shown)
            bed.line("  ~ ", f"{told}, heard {say(alarm.heard_at)}")
        if due.burst is not None or tick % 3 == 0:
            bed.line("  ~ ", f"{say(due.burst)} {say(due.lamp)} {say(due.next - bed.now)}")
        if due.burst is not None:
            alarm.played(bed.now, heard=draw.random() < 0.8)
    bed.look()
    return bed
