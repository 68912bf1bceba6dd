"""Stories of what monitors and pumps do in a session: a patient who gets worse, sensors that fail, pumps that err."""

from dataclasses import replace

from core_bed import Monitor, Pump, bed_setup, depression_40
from infusion_gateway.config import protocols
from infusion_gateway.core.state import initial
from infusion_gateway.model.inputs import (
    BrokerChanged,
    ClockJumped,
    Faulted,
    GateChanged,
    JournalChanged,
    LinkLost,
    LinkOpened,
    Observed,
    TurnedAway,
)
from infusion_gateway.model.instructions import (
    Acknowledge,
    Assess,
    Confirm,
    End,
    Hold,
    HoldOff,
    Override,
    PermitResume,
    Prime,
    Score,
    Stop,
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
from infusion_gateway.model.session import BedSetup, DeviceSetup, DoseLimits, WindowLimit
from sessions_told import Told, story

SHIPPED = protocols.load(protocols.shipped() / "depression-40.toml")


def infusing(setup: BedSetup | None = None, pump: Pump | None = None) -> Told:
    """Give a bed that has been infusing 52.5 mL/h of 1 mg/mL for ten seconds."""
    bed = Told(setup if setup is not None else bed_setup(depression_40()), pump)
    bed.infuse()
    bed.run(8)
    return bed


@story
def a_patient_who_gets_worse() -> Told:
    """Tell of limits of the shipped protocol passed, mild and severe, and cleared; of breathing; of what people see."""
    bed = Told(bed_setup(replace(SHIPPED, gates=(), baseline=())))
    bed.monitor.values[Metric.ETCO2] = 38.0
    bed.monitor.cuff(bed.now, 120, 75)
    bed.infuse()
    bed.run(5)
    for worse in ({Metric.SPO2: 93.0}, {Metric.SPO2: 92.0}, {Metric.HR: 112.0, Metric.PULSE: 112.0}):
        bed.monitor.values.update(worse)
        bed.run(18)
    bed.look()
    bed.monitor.values.update({Metric.SPO2: 97.0, Metric.HR: 132.0, Metric.PULSE: 131.0})
    bed.run(12)
    bed.ask(Acknowledge("hr-high"), by="nurse-1")
    bed.look()
    bed.monitor.values.update({Metric.HR: 45.0, Metric.PULSE: 46.0})
    bed.run(25)
    bed.monitor.values.update({Metric.HR: 70.0, Metric.PULSE: 70.0})
    bed.monitor.cuff(bed.now, 162, 101)
    bed.run(12)
    bed.look()
    bed.ask(Acknowledge("nibp-sys-high"), by="nurse-1")
    bed.monitor.cuff(bed.now, 173, 96)
    bed.run(2)
    bed.monitor.cuff(bed.now, 182, 95)
    bed.run(5)
    bed.look()
    bed.monitor.cuff(bed.now, 183, 95)
    bed.run(2)
    bed.look()
    bed.ask(HoldOff("nibp-sys-high", "he is upset"), by="doctor-1")
    bed.monitor.cuff(bed.now, 140, 85)
    bed.run(5)
    bed.monitor.values.update({Metric.RR: 9.0})
    bed.run(32)
    bed.monitor.values.update({Metric.RR: 14.0, Metric.ETCO2: 53.0})
    bed.run(35)
    bed.look()
    bed.monitor.values.update({Metric.ETCO2: 0.0, Metric.RR: 0.0})
    bed.run(25)
    bed.look()
    bed.monitor.values.update({Metric.SPO2: 91.0})
    bed.run(10)
    bed.look()
    bed.monitor.values.update({Metric.ETCO2: 38.0, Metric.RR: 14.0, Metric.SPO2: 97.0})
    bed.run(15)
    bed.ask(Assess(((Score.MOAA_S, 3.0), (Score.DISTRESS, 4.0)), (), 0), by="nurse-1")
    bed.run(2)
    bed.look()
    bed.ask(Assess(((Score.MOAA_S, 2.0), (Score.DISTRESS, 0.0)), (), 0), by="nurse-1")
    bed.run(2)
    bed.ask(Assess(((Score.MOAA_S, 5.0),), (), 0), by="nurse-1")
    bed.ask(PermitResume("well again"), by="doctor-1")
    bed.pump.running = True
    bed.run(5)
    bed.monitor.values[Metric.SPO2] = 84.0
    bed.run(8)
    bed.look()
    return bed


@story
def monitors_that_fail() -> Told:
    """Tell of sensors off, doubtful values, lines lost, sources that disagree, a cuff on the arm of the probe."""
    devices = (
        DeviceSetup("pump", True, True, (10, 60)),
        DeviceSetup("monitor", False, False, None),
        DeviceSetup("oximeter", False, False, None),
    )
    setup = replace(
        bed_setup(replace(depression_40(), nibp_every=MINUTE)),
        devices=devices,
        sources=((Metric.SPO2, ("monitor", "oximeter")),),
        cuff_on_spo2_arm=True,
    )
    bed = infusing(setup)
    second = Monitor({Metric.SPO2: 96.0, Metric.PULSE: 72.0})

    def run(seconds: int) -> None:
        for _ in range(seconds):
            bed.run(1)
            if not second.mute:
                bed.give(Observed("oximeter", second.report(bed.now)))

    run(3)
    bed.look()
    bed.monitor.off.add(Sensor.PROBE)
    bed.monitor.values[Metric.SPO2] = None
    run(12)
    bed.look()
    second.values[Metric.SPO2] = None
    second.off.add(Sensor.PROBE)
    run(65)
    bed.look()
    bed.ask(Assess((), ((Metric.SPO2, 95.0), (Metric.RR, 12.0)), 10 * SECOND), by="nurse-1")
    run(3)
    bed.look()
    bed.monitor.off.clear()
    bed.monitor.values[Metric.SPO2] = 97.0
    second.off.clear()
    second.values[Metric.SPO2] = 90.0
    run(20)
    bed.look()
    second.values[Metric.SPO2] = 97.0
    bed.monitor.cuff_is = SensorState.ON
    run(2)
    bed.monitor.cuff_is = SensorState.MEASURING
    bed.monitor.values[Metric.SPO2] = None
    bed.monitor.values[Metric.PULSE] = None
    run(20)
    bed.look()
    bed.monitor.cuff_is = SensorState.ON
    bed.monitor.cuff(bed.now, 125, 75)
    bed.monitor.values[Metric.SPO2] = 97.0
    bed.monitor.values[Metric.PULSE] = 70.0
    run(3)
    bed.monitor.cuff_is = SensorState.FAILED
    run(3)
    bed.monitor.cuff_is = None
    bed.monitor.validity[Metric.SPO2] = Validity.QUESTIONABLE
    second.validity[Metric.SPO2] = Validity.QUESTIONABLE
    bed.monitor.values[Metric.SPO2] = second.values[Metric.SPO2] = 88.0
    run(20)
    bed.look()
    bed.monitor.validity.clear()
    second.validity.clear()
    bed.monitor.values[Metric.SPO2] = second.values[Metric.SPO2] = 97.0
    run(12)
    bed.monitor.off.add(Sensor.LEADS)
    bed.monitor.values[Metric.HR] = None
    run(31)
    bed.monitor.off.clear()
    bed.monitor.values[Metric.HR] = 71.0
    bed.give(Faulted("monitor", Fault(FaultKind.CHECKSUM, "crc 12 is not 34")))
    run(2)
    bed.give(Faulted("monitor", Fault(FaultKind.REFUSED, "busy")))
    bed.give(Faulted("oximeter", Fault(FaultKind.WRONG_DEVICE, "serial 9 is not 7")))
    run(2)
    bed.look()
    bed.monitor.mute = second.mute = True
    bed.give(LinkLost("monitor", "cable out"))
    run(35)
    bed.look()
    run(30)
    bed.look()
    bed.give(LinkOpened("monitor"))
    bed.monitor.mute = second.mute = False
    run(3)
    bed.look()
    return bed


@story
def a_gateway_in_trouble() -> Told:
    """Tell of broker, listeners, journal, clock, gates, another gateway of the same name, nonsense at the border."""
    bed = infusing()
    bed.give(BrokerChanged(False, None))
    bed.run(65)
    bed.look()
    bed.give(BrokerChanged(True, False))
    bed.run(35)
    bed.look()
    bed.give(BrokerChanged(True, True, another=True))
    bed.run(3)
    bed.look()
    bed.give(BrokerChanged(True, True))
    bed.give(JournalChanged(False, "disk full"))
    bed.run(3)
    bed.give(JournalChanged(True, ""))
    bed.give(ClockJumped(-7.5))
    bed.run(3)
    bed.look()
    bed.give(GateChanged("disk", False, "99 % are used"))
    bed.give(TurnedAway("teleport", "'teleport' is no instruction", "", 3))
    bed.give(TurnedAway("stop", "the signature is not of this message", "desk"))
    bed.run(65)
    bed.look()
    return bed


@story
def a_pump_that_is_set_otherwise() -> Told:
    """Tell of rates above the order, a volume that runs ahead, a VTBI too high, releases, purges, a bolus."""
    bed = infusing()
    bed.pump.rate = 65.0
    bed.run(65)
    bed.look()
    bed.run(5)
    bed.pump.rate = 52.5
    bed.ask(PermitResume("set right"), by="nurse-1")
    bed.pump.running = True
    bed.run(5)
    bed.pump.rate = 80.0
    bed.run(12)
    bed.look()
    bed.run(5)
    bed.pump.rate = 52.5
    bed.ask(PermitResume("set right again"), by="nurse-1")
    bed.pump.running = True
    bed.run(5)
    bed.pump.rate = 105.0
    bed.run(5)
    bed.look()
    bed.pump.rate = 52.5
    bed.run(10)
    bed.ask(Prime(MINUTE), by="nurse-1")
    bed.pump.running = True
    bed.run(8)
    bed.look()
    bed.run(35)
    bed.look()
    bed.ask(PermitResume("now"), by="nurse-1")
    bed.ask(PermitResume("now"), by="doctor-1")
    bed.pump.running, bed.pump.says = True, Delivery.BOLUS
    bed.run(10)
    bed.pump.says = Delivery.INFUSING
    bed.give(Observed("pump", (Reading(Metric.VTBI_REMAIN, 90.0, Validity.VALID, bed.now),)))
    bed.run(5)
    bed.look()
    bed.pump.counter += 4.0
    bed.run(70)
    bed.look()
    return bed


@story
def a_pump_that_does_not_stop() -> Told:
    """Tell of a stop nobody sees, a pump that lies, delivery after a stop, silence, and the pump's own alarms."""
    bed = infusing()
    bed.pump.obeys = False
    bed.ask(Hold("look"), by="nurse-1")
    bed.run(12)
    bed.look()
    bed.pump.running = False
    bed.run(5)
    bed.look()
    bed.ask(Acknowledge("stop-not-confirmed"), by="nurse-1")
    bed.run(10)
    bed.pump.obeys = True
    bed.ask(PermitResume("the clamp is off"), by="nurse-1")
    bed.pump.running = True
    bed.run(10)
    bed.pump.lies = True
    bed.ask(Hold("look again"), by="nurse-1")
    bed.run(20)
    bed.look()
    bed.pump.lies = bed.pump.said_stopped = False
    bed.run(5)
    bed.look()
    bed.pump.running = False
    bed.run(10)
    bed.pump.alarms = frozenset({PumpAlarm.OCCLUSION})
    bed.run(3)
    bed.look()
    bed.pump.alarms = frozenset({PumpAlarm.NEAR_EMPTY, PumpAlarm.BATTERY})
    bed.run(3)
    bed.look()
    bed.pump.alarms = frozenset()
    bed.pump.says = Delivery.UNKNOWN
    bed.pump.running = True
    bed.run(5)
    bed.look()
    bed.pump.says = Delivery.INFUSING
    bed.run(3)
    bed.pump.mute = True
    bed.run(12)
    bed.look()
    bed.give(LinkLost("pump", "cable out"))
    bed.run(3)
    bed.give(LinkOpened("pump"))
    bed.pump.mute = False
    bed.pump.running = False
    bed.run(5)
    bed.look()
    bed.ask(Stop("that is enough"), by="nurse-1")
    bed.run(10)
    bed.pump.running = True
    bed.run(5)
    bed.look()
    return bed


@story
def a_pump_that_begins_anew() -> Told:
    """Tell of a counter that restarts, a dead man that is not kept, delivery without a case, KVO at the end."""
    bed = Told(bed_setup(replace(SHIPPED, gates=(), baseline=())))
    bed.pump.dead_man = 15.0
    bed.run(5)
    bed.pump.running = True
    bed.run(3)
    bed.look()
    bed.run(62)
    bed.look()
    bed.pump.running, bed.pump.dead_man = False, 0.0
    bed.run(3)
    bed.arm(volume_ml=9.0, duration=10 * MINUTE, dose_mg=8.75)
    bed.pump.running = True
    bed.run(1)
    bed.pump.keeps_dead_man = False
    bed.run(20)
    bed.look()
    bed.pump.keeps_dead_man = True
    bed.run(60)
    bed.pump.counter = 0.0
    bed.run(10)
    bed.look()
    bed.crash()
    bed.pump.counter = 0.05
    bed.give(LinkOpened("pump"))
    bed.give(LinkOpened("monitor"))
    bed.run(10)
    bed.look()
    bed.run(440)
    bed.pump.running = False
    bed.run(3)
    bed.look()
    bed.pump.running, bed.pump.says, bed.pump.rate = True, Delivery.KVO, 1.0
    bed.run(20)
    bed.look()
    bed.ask(End("it is empty"), by="nurse-1")
    bed.run(60)
    bed.look()
    return bed


@story
def a_pump_that_can_only_be_read() -> Told:
    """Tell of a pump that nothing stops from here: every stop is asked of people, until it is seen."""
    setup = bed_setup(depression_40(), stoppable=False, dead_man=None)
    bed = Told(setup)
    bed.run(3)
    bed.order()
    bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    bed.ask(Override("pump-unstoppable", "no other pump is left"), by="doctor-1")
    bed.pump.rate, bed.pump.obeys = 52.5, False
    bed.ask(Confirm(70.0, 1.0), by="nurse-2")
    bed.run(2)
    bed.pump.running = True
    bed.run(20)
    bed.look()
    bed.monitor.values[Metric.SPO2] = 84.0
    bed.run(8)
    bed.look()
    bed.run(12)
    bed.look()
    bed.pump.running = False
    bed.run(5)
    bed.look()
    return bed


@story
def limits_of_dose_that_are_reached() -> Told:
    """Tell of a pump a little too fast at 5 mg/mL: the limit of two minutes passed, and then that of the session."""
    limited = replace(
        depression_40(),
        dose=DoseLimits(0.5, 1.0, 60.0, 9.0),
        window_limits=(WindowLimit(2 * MINUTE, hard_mg=1.8, hard_mg_per_kg=1.0),),
    )
    bed = Told(bed_setup(limited))
    bed.infuse(concentration_mg_ml=5.0, rate_ml_h=10.5, volume_ml=1.78, duration=10 * MINUTE, dose_mg=8.75)
    bed.run(30)
    bed.pump.rate = 12.0
    bed.run(130)
    bed.look()
    bed.setup = bed_setup(replace(limited, window_limits=()))
    bed.state = initial(bed.setup)
    bed.journal.clear()
    bed.pump.rate, bed.pump.running = 10.5, False
    for device in bed.setup.devices:
        bed.give(LinkOpened(device.device))
    bed.give(BrokerChanged(True, True))
    bed.run(3)
    bed.infuse(concentration_mg_ml=5.0, rate_ml_h=10.5, volume_ml=1.78, duration=10 * MINUTE, dose_mg=8.75)
    bed.pump.rate = 12.0
    bed.run(545)
    bed.look()
    return bed
