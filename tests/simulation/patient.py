"""The patient, and the sensors on them: vital signs, probes that come off, values that a monitor doubts, the cuff."""

from collections.abc import Callable
from random import Random

from infusion_gateway.model.metric import Nanos
from simulation.plan import Plan
from simulation.world import World

WELL = {"spo2": 97.0, "pulse": 72.0, "hr": 72.0, "rr": 14.0, "etco2": 38.0}
SENSORS = {"spo2": "probe", "pulse": "probe", "hr": "leads", "rr": "leads", "etco2": "cannula"}
WELL_PRESSURE = (125.0, 80.0)
PULSE_PRESSURE = 20.0
"""The least that lies between the two, whatever the beat."""
OXIMETER = "oximeter"
"""The second source of SpO2 and pulse, where a bed has one: another probe, which stays on."""


class Patient:
    """The truth of one patient. changed: called after each change. foreign: another patient's monitor stands in.

    own: their own pressure; found: what a cuff finds of it, in the world's time, since when.
    """

    def __init__(self, world: World, plan: Plan, changed: Callable[[], None]) -> None:
        self._world, self._changed = world, changed
        self.knows_all = plan.monitors[0] == "modbus_monitor"
        self.vitals: dict[str, float | None] = dict(WELL) if self.knows_all else {k: WELL[k] for k in ("spo2", "pulse")}
        self.twice = ("spo2", "pulse") if OXIMETER in world.cables else ()
        self.artefacts: dict[str, float] = {}
        self.off: set[str] = set()
        self.doubted: set[str] = set()
        self.foreign = False
        self.cuffed = False
        self.own = WELL_PRESSURE
        self.found: list[tuple[Nanos, dict[str, float]]] = []
        self._cuffs = 0
        self._beat_noise, self._beats = plan.beat_noise, Random(f"beats/{plan.seed}")
        if not self.knows_all:
            self._show("monitor", self.vitals)
        if self.twice:
            self._show(OXIMETER, {key: self.vitals[key] for key in self.twice})

    def _show(self, device: str, values: dict[str, float | None]) -> None:
        for key, value in values.items():
            self._world.set(device, key, value)

    def true(self) -> dict[str, float | None]:
        """Give what a sensor on the patient finds."""
        return {k: None if SENSORS[k] in self.off and k not in self.twice else v for k, v in self.vitals.items()}

    def measured(self) -> dict[str, float | None]:
        """Give what the sensors make of it."""
        return {key: self._disturbed(key, value) for key, value in self.true().items()}

    def _disturbed(self, key: str, value: float | None) -> float | None:
        """Give what movement leaves of a value: it never makes a low one look better."""
        low = self.artefacts.get(key)
        return value if low is None or value is None else min(low, value)

    def vital(self, key: str, value: float | None) -> None:
        """Let a vital sign become this; the heart rate shows in the pulse too."""
        for each in {"hr": ("hr", "pulse"), "pulse": ("hr", "pulse")}.get(key, (key,)):
            if each in self.vitals:
                self.vitals[each] = value
                if not self.foreign:
                    self._world.set("monitor", each, self._disturbed(each, value))
                if each in self.twice:
                    self._world.set(OXIMETER, each, value)
        self._changed()

    def sensor(self, sensor: str, state: str) -> None:
        """Let a sensor come off, or be put on."""
        self._world.set("monitor", sensor, state)
        (self.off.add if state == "off" else self.off.discard)(sensor)
        self._changed()

    def doubt(self, keys: str) -> None:
        """Let the monitor doubt these values."""
        if self.knows_all:
            self._world.set("monitor", "questionable", keys)
        self.doubted = set(keys.split(",")) - {""}
        if "spo2" in self.doubted:
            self.doubted.add("pulse")
        self._changed()

    def moves(self, spo2: float) -> None:
        """Let movement make another number of the SpO2, until `still`."""
        self.artefacts["spo2"] = spo2
        self._world.set("monitor", "spo2", self._disturbed("spo2", self.vitals["spo2"]))

    def still(self) -> None:
        """Let the movement end."""
        self.artefacts.clear()
        self.vital("spo2", self.vitals["spo2"])

    def cuff(self, systolic: float, diastolic: float) -> dict[str, float]:
        """Let the cuff measure this, at once and to the mmHg; give what it found."""
        self._cuffs += 1
        self.own = systolic, diastolic
        found = self._finds(systolic, diastolic)
        self._world.set("monitor", "nibp_sequence", self._cuffs)
        return found

    def pressure(self, systolic: float, diastolic: float) -> dict[str, float]:
        """Let this be the patient's own pressure; give what the cuff will find of it in its own time."""
        self.own = systolic, diastolic
        return self.beat()

    def beat(self) -> dict[str, float]:
        """Give what the cuff will find now: the patient's own pressure, but for the beats that it happens upon."""
        high, low = self.own
        if self._beat_noise:
            high, low = (float(round(own + self._beats.gauss(0, self._beat_noise))) for own in self.own)
        return self._finds(high, min(low, high - PULSE_PRESSURE))

    def _finds(self, systolic: float, diastolic: float) -> dict[str, float]:
        self.cuffed = True
        found = {"nibp_sys": systolic, "nibp_dia": diastolic}
        self.found.append((self._world.now, found))
        for key, value in found.items():
            self._world.set("monitor", key, value)
        return found

    def stand_in(self, *, foreign: bool) -> None:
        """Let another patient's monitor be on the line, or this one's again."""
        self.foreign = foreign
        others = {"spo2": 99.0, "pulse": 61.0, "hr": 61.0, "rr": 19.0, "etco2": 31.0}
        self._show("monitor", dict(others) if foreign else self.vitals)

    def heal(self) -> None:
        """Let them be well, with every sensor on."""
        for key, value in WELL.items():
            if key in self.vitals:
                self.vital(key, value)
        for sensor in tuple(self.off):
            self.sensor(sensor, "on")
        self.doubt("")
