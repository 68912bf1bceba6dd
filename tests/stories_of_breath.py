"""Stories of breath: what stops, by whose word, for how long, and how well the patient is meanwhile."""

from dataclasses import replace

from core_bed import Monitor, bed_setup
from infusion_gateway.model.inputs import LinkLost, LinkOpened, Observed
from infusion_gateway.model.instructions import PermitResume
from infusion_gateway.model.metric import MINUTE, SECOND, Metric
from infusion_gateway.model.observation import Sensor, SensorState, Validity
from infusion_gateway.model.session import DeviceSetup
from sessions_told import Told, story
from stories_of_people import protocol, running

DEVICES = (
    DeviceSetup("pump", True, True, (10, 60)),
    DeviceSetup("monitor", False, False, None),
    DeviceSetup("capnograph", False, False, None),
)


class Breathing:
    """A bed with two devices that see breath; time passes in parts of seconds."""

    def __init__(self) -> None:
        setup = replace(bed_setup(protocol()), devices=DEVICES, cuff_on_spo2_arm=True)
        self.bed = Told(setup)
        self.second = Monitor({Metric.ETCO2: 37.0, Metric.RR: 13.0})
        self.bed.monitor.values[Metric.ETCO2] = 38.0
        running(self.bed)

    def run(self, length: float) -> None:
        """Let time pass, then look."""
        for _ in range(int(length * 4)):
            self.bed.run(0.25)
            if self.bed.now % SECOND == SECOND // 2 and not self.second.mute:
                self.bed.give(Observed("capnograph", self.second.report(self.bed.now - SECOND // 4)))
        self.bed.look()

    def one(self, *, etco2: float | None = 38.0, rr: float | None = 14.0, state: Validity = Validity.VALID) -> None:
        """Have the monitor say this of breath."""
        self.bed.monitor.values.update({Metric.ETCO2: etco2, Metric.RR: rr})
        self.bed.monitor.validity.update({Metric.ETCO2: state, Metric.RR: state})

    def other(self, *, etco2: float | None = 37.0, rr: float | None = 13.0) -> None:
        """Have the capnograph say this of breath."""
        self.second.values.update({Metric.ETCO2: etco2, Metric.RR: rr})

    def patient(self, spo2: float | None, pulse: float | None = 70.0) -> None:
        """Have the oxygen and the pulse be so."""
        self.bed.monitor.values.update({Metric.SPO2: spo2, Metric.PULSE: pulse, Metric.HR: pulse})


@story
def breath_that_stops() -> Told:
    """Tell of one device without breath, at each state of the oxygen; of its return; by quarter seconds."""
    told = Breathing()
    for spo2, pulse in ((97.0, 70.0), (94.0, 70.0), (93.0, 70.0), (97.0, None), (None, None)):
        told.patient(spo2, pulse)
        told.run(12)
        told.one(etco2=0.0, rr=0.0)
        told.other(etco2=None, rr=None)
        told.run(19.75)
        told.run(0.5)
        told.run(20.75)
        told.one()
        told.run(5)
        told.one(etco2=4.0)
        told.run(2)
        told.one()
        told.run(9.75)
        told.run(1.25)
        told.other()
        told.patient(97.0)
        told.run(3)
        told.bed.ask(PermitResume("breathes"), by="doctor-1")
        told.bed.pump.running = True
        told.run(3)
    return told.bed


@story
def breath_that_two_devices_miss() -> Told:
    """Tell of two witnesses, of oxygen that falls meanwhile, of doubtful words, a cannula off, a crash, a cuff."""
    told = Breathing()
    told.one(etco2=5.0)
    told.run(10)
    told.other(etco2=0.0, rr=0.0)
    told.run(21)
    told.one()
    told.run(12)
    told.other()
    told.run(12)
    told.one(etco2=0.0, rr=None)
    told.run(18)
    told.patient(94.0)
    told.run(3)
    told.patient(93.5)
    told.run(2)
    told.one()
    told.patient(97.0)
    told.run(12)
    told.one(etco2=0.0, rr=0.0, state=Validity.QUESTIONABLE)
    told.run(42)
    told.one(etco2=0.0, rr=0.0)
    told.run(3)
    told.bed.monitor.off.add(Sensor.CANNULA)
    told.run(16)
    told.bed.monitor.off.clear()
    told.run(21)
    told.bed.crash()
    for device in DEVICES:
        told.bed.give(LinkOpened(device.device))
    told.run(4.5)
    told.one()
    told.run(11)
    told.one(etco2=0.0, rr=0.0)
    told.run(42)
    told.bed.crash()
    told.bed.monitor.mute = told.second.mute = True
    told.run(2)
    told.bed.monitor.mute = False
    told.one(etco2=None, rr=14.0)
    told.run(11)
    told.one(etco2=None, rr=0.5)
    told.run(21)
    told.bed.give(LinkLost("monitor", "cable out"))
    told.bed.monitor.mute = True
    told.run(20)
    told.bed.give(LinkOpened("monitor"))
    told.bed.monitor.mute = False
    told.one(etco2=0.0, rr=0.0)
    told.run(8)
    told.bed.monitor.cuff_is = SensorState.MEASURING
    told.patient(None, None)
    told.run(34)
    told.bed.monitor.cuff_is = SensorState.ON
    told.bed.monitor.cuff(told.bed.now, 120, 80)
    told.patient(97.0)
    told.one()
    told.run(12)
    assert told.bed.now < 20 * MINUTE + 1000 * SECOND
    return told.bed
