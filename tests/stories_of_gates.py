"""Stories of gates: everything that stands against arming, in words; and what is told where nobody can be told."""

from dataclasses import replace

from core_bed import bed_setup
from infusion_gateway.model.alarm import Priority
from infusion_gateway.model.health import Trouble
from infusion_gateway.model.inputs import BrokerChanged, GateChanged, HealthChanged, LinkLost, LinkOpened
from infusion_gateway.model.instructions import Abort, Acknowledge, Assess, Confirm, Limits, Override, TestAlarm
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.session import BaselineGate, BedSetup, Gate, GenerationMode
from sessions_told import Told, story
from stories_of_people import ORDER, protocol

CONFIRM = Confirm(70.0, 5.0)
EVERY_GATE = (
    Gate("broker", required=True),
    Gate("monitor", required=True),
    Gate("alarm-heard", required=True, max_age=2 * MINUTE),
    Gate("bedside-alarm", required=True),
    Gate("clock", required=True),
    Gate("disk", required=False, max_age=MINUTE),
)
EVERY_BASELINE = (
    BaselineGate((Metric.SPO2,), required=True, low=94, max_age=2 * MINUTE),
    BaselineGate((Metric.HR, Metric.PULSE), required=True, low=50, high=110, max_age=2 * MINUTE),
    BaselineGate((Metric.NIBP_SYS,), required=True, low=90, soft_from=140, hold_from=160, max_age=2 * MINUTE),
    BaselineGate((Metric.NIBP_DIA,), required=False, high=95, max_age=2 * MINUTE),
    BaselineGate((Metric.TEMP,), required=False, high=38.0),
)


def ask(bed: Told) -> None:
    """Have the second entry tried, now."""
    bed.ask(CONFIRM, by="doctor-1")


def gated(mode: GenerationMode, **changes: object) -> BedSetup:
    """Give a bed with every gate."""
    given = protocol(gates=EVERY_GATE, baseline=EVERY_BASELINE, signed=True)
    return replace(bed_setup(given), generation_mode=mode, **changes)


@story
def gates_of_a_real_bed() -> Told:
    """Tell of a bed for patients where each gate is shut in turn, and of all that open at last."""
    bed = Told(gated(GenerationMode.REAL))
    bed.ask(ORDER, by="nurse-1")
    ask(bed)
    bed.give(GateChanged("commissioning", False, "nobody has tried this bed"))
    bed.give(GateChanged("clock", False, "no time server answers"))
    bed.give(BrokerChanged(False, None))
    bed.run(2)
    ask(bed)
    bed.give(BrokerChanged(True, False))
    ask(bed)
    bed.give(BrokerChanged(True, True))
    bed.give(GateChanged("commissioning", True, ""))
    bed.give(GateChanged("clock", True, ""))
    bed.give(GateChanged("disk", True, ""))
    bed.pump.running = True
    bed.run(2)
    ask(bed)
    bed.look()
    bed.pump.running = False
    bed.give(LinkLost("pump", "cable out"))
    bed.give(LinkLost("monitor", "cable out"))
    ask(bed)
    bed.give(LinkOpened("pump"))
    bed.give(LinkOpened("monitor"))
    ask(bed)
    bed.run(2)
    ask(bed)
    bed.monitor.mute = True
    for seconds in (9, 1, 1):
        bed.run(seconds)
        ask(bed)
    bed.monitor.mute = False
    bed.pump.mute = True
    for seconds in (2, 1):
        bed.run(seconds)
        ask(bed)
    bed.pump.mute = False
    bed.run(2)
    bed.ask(TestAlarm(), by="nurse-1")
    ask(bed)
    bed.ask(Acknowledge("test-alarm"), by="nurse-1")
    bed.ask(Override("bedside-alarm", "the station is in the room"), by="doctor-1")
    ask(bed)
    bed.look()
    for seconds in (58, 1, 1):
        bed.run(seconds)
        ask(bed)
    bed.give(GateChanged("disk", True, ""))
    for seconds in (58, 1, 1):
        bed.run(seconds)
        ask(bed)
    bed.ask(TestAlarm(), by="nurse-1")
    bed.ask(Acknowledge("test-alarm"), by="nurse-1")
    bed.give(GateChanged("disk", True, ""))
    bed.monitor.cuff(bed.now, 120, 80)
    bed.run(1)
    ask(bed)
    bed.look()
    return bed


@story
def gates_of_a_patient() -> Told:
    """Tell of vital signs at each limit of the baseline, one step either side, old ones, and limits of one's own."""
    bed = Told(gated(GenerationMode.TEST))
    bed.run(3)
    bed.ask(ORDER, by="nurse-1")
    ask(bed)
    bed.ask(ORDER, by="nurse-1")
    for metric, values in ((Metric.SPO2, (93.0, 93.9, 94.0)), (Metric.HR, (49.0, 50.0, 110.0, 111.0))):
        for value in values:
            bed.monitor.values[metric] = value
            bed.run(1)
            ask(bed)
            bed.ask(Abort("once more"), by="nurse-1")
            bed.run(3)
            bed.ask(ORDER, by="nurse-1")
        bed.monitor.values[metric] = 97.0 if metric is Metric.SPO2 else 70.0
    for systolic, diastolic in ((89, 75), (90, 75), (139, 95), (140, 80), (159, 96), (160, 80), (161, 95.5)):
        bed.monitor.cuff(bed.now, systolic, diastolic)
        bed.run(1)
        ask(bed)
        bed.ask(Override("baseline-nibp-sys", "known, treated"), by="doctor-1")
        ask(bed)
        bed.ask(Abort("once more"), by="nurse-1")
        bed.run(3)
        bed.ask(ORDER, by="nurse-1")
    bed.look()
    for code, limit in (("nibp-sys-high", 170.0), ("hr-low", 42.0), ("spo2-low", 92.0), ("hr-high", 125.0)):
        bed.ask(Limits(code, limit, "known of this patient"), by="doctor-1")
        ask(bed)
    bed.monitor.values.update({Metric.HR: 45.0, Metric.PULSE: 45.0, Metric.SPO2: 92.5})
    bed.run(1)
    ask(bed)
    bed.ask(Assess((), ((Metric.NIBP_SYS, 165.0), (Metric.NIBP_DIA, 90.0), (Metric.TEMP, 38.1)), 0), by="nurse-1")
    ask(bed)
    bed.ask(Assess((), ((Metric.NIBP_SYS, 171.0), (Metric.TEMP, 38.0)), 60 * SECOND), by="nurse-1")
    ask(bed)
    bed.monitor.values.update({Metric.HR: None, Metric.PULSE: None, Metric.SPO2: None})
    for seconds in (59, 1, 59, 1, 1):
        bed.run(seconds)
        ask(bed)
    bed.look()
    return bed


@story
def a_bed_that_can_tell_nobody() -> Told:
    """Tell of an alarm at the bed that is lost and found, over a restart too, and of a protocol that was changed."""
    bed = Told(gated(GenerationMode.TEST, annunciator=True))
    bed.run(9)
    bed.look()
    bed.run(2)
    bed.look()
    bed.give(GateChanged("bedside-alarm", True, ""))
    bed.run(2)
    bed.monitor.cuff(bed.now, 120, 80)
    bed.run(1)
    bed.ask(ORDER, by="nurse-1")
    ask(bed)
    bed.pump.rate, bed.pump.running = 42.0, True
    bed.run(5)
    bed.give(GateChanged("bedside-alarm", False, "the loudspeaker is gone"))
    bed.run(9)
    bed.look()
    bed.run(2)
    bed.look()
    bed.crash()
    bed.look()
    bed.give(GateChanged("bedside-alarm", True, ""))
    bed.run(1)
    bed.give(BrokerChanged(False, None))
    bed.run(11)
    bed.give(BrokerChanged(True, None))
    bed.run(9)
    bed.look()
    bed.run(2)
    bed.look()
    bed.give(BrokerChanged(True, True))
    bed.give(HealthChanged((Trouble("gateway-slow", "It stood still", Priority.LOW),)))
    bed.run(29)
    bed.look()
    bed.run(2)
    bed.look()
    bed.give(HealthChanged(()))
    bed.setup = replace(bed.setup, protocols=(replace(bed.protocol, digest="1" * 64),))
    bed.crash()
    bed.run(2)
    bed.look()
    bed.ask(Acknowledge("protocol-changed"), by="doctor-1")
    bed.run(2)
    bed.look()
    return bed
