"""A bedside monitor's own mechanics, whatever its wire says: sensors that come off, and a cuff that takes its time.

How a dialect uses it: `advance(now)` before everything else and at `next_deadline()` at the latest; `find(key, now)` is
what the monitor has of a vital sign, None for nothing; the cuff's last reading is `cuff.reading`. Keys and keypad of
`infusion-sim ctl` end in `state`, `put` and `press`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from infusion_simulators.device import SECOND, Nanos, Value
from infusion_simulators.patient import VARIATION, VITALS, Patient, bounded
from infusion_simulators.pump_keys import one_of

CUFF_TAKES: Nanos = 30 * SECOND
"""An oscillometric measurement: inflate, then down in steps over 20 to 40 s; one figure for all."""
SHORTEST_CYCLE_S, LONGEST_CYCLE_S = 35, 14_400
SEQUENCE_MAX = 0xFFFF
ON_OFF = ("on", "off")
SENSOR_OF = {"spo2": "probe", "pulse": "probe", "hr": "leads", "rr": "leads", "etco2": "cannula"}
"""Which part must be on the patient for which value; respiration is the leads' impedance."""
QUESTIONABLE = ("spo2", "hr", "rr", "etco2", "temp_c")
"""What a monitor can mark as questionable; the pulse goes with the SpO2."""

KEYS: Mapping[str, str] = {
    **{key: f"{vital.what}, 0-{vital.high:g}; empty for missing" for key, vital in VITALS.items()},
    "nibp_mean": f"{VITALS['nibp_mean'].what}, 0-{VITALS['nibp_mean'].high:g}; empty: made from the other two",
    "nibp_state": "idle, measuring, failed; measuring inflates the cuff, a reading follows after 30 s",
    "nibp_sequence": "reading counter; a new number is a new reading of the pressures set, at once; 0 for none yet",
    "nibp_every_s": f"measure every so many s, {SHORTEST_CYCLE_S}-{LONGEST_CYCLE_S}, first after one interval; 0 off",
    "cuff_on_spo2_arm": "on or off: on, the inflated cuff takes the oximeter's pulse away",
    "probe": "on or off the patient (spo2, pulse)",
    "leads": "on or off the patient (hr, rr)",
    "cannula": "on or off the patient (etco2)",
    "questionable": f"what the monitor doubts, separated by commas: {', '.join(QUESTIONABLE)}; empty for nothing",
    "variation": VARIATION,
}
PRESSES: Mapping[str, str] = {"cuff": "measure the blood pressure; pressed again while measuring, let the cuff down"}


class CuffState(StrEnum):
    """What the cuff does; failed until the next measurement begins."""

    IDLE = "idle"
    MEASURING = "measuring"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Pressure:
    """One completed measurement, mmHg, and when it was completed."""

    systolic: float
    diastolic: float
    mean: float
    at: Nanos


class Cuff:
    """A non-invasive pressure: measured on demand or in a cycle, kept until the next one is complete."""

    __slots__ = ("_cycle_at", "_ends_at", "_patient", "every_s", "reading", "sequence", "state")

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self.state = CuffState.IDLE
        self.sequence = 0
        self.reading: Pressure | None = None
        self.every_s = 0
        self._ends_at: Nanos | None = None
        self._cycle_at: Nanos | None = None

    def next_deadline(self) -> Nanos | None:
        """Say when the cuff next does something by itself."""
        ends, cycle = self._ends_at, self._cycle_at
        if ends is None or cycle is None:
            return cycle if ends is None else ends
        return min(ends, cycle)

    def advance(self, now: Nanos) -> None:
        """Live until `now`, measurement by measurement."""
        while (due := self.next_deadline()) is not None and due <= now:
            if due == self._ends_at:
                self._complete(due)
            else:
                self._cycle_at = due + self.every_s * SECOND
                if self.state is not CuffState.MEASURING:
                    self.measure(due)

    def measure(self, now: Nanos) -> None:
        """Inflate the cuff; a measurement under way begins anew."""
        self.state, self._ends_at = CuffState.MEASURING, now + CUFF_TAKES

    def let_down(self, state: CuffState) -> None:
        """End without a reading: idle, or failed. The last reading stays."""
        self.state, self._ends_at = state, None

    def cycle(self, every_s: int, now: Nanos) -> None:
        """Measure every so many seconds from now on, 0 for no more."""
        self.every_s = every_s
        self._cycle_at = now + every_s * SECOND if every_s else None

    def take_reading(self, sequence: int, now: Nanos) -> bool:
        """Complete a measurement under this number; say whether there was a pressure to be measured."""
        systolic, diastolic, mean = (self._patient.at(f"nibp_{part}", now) for part in ("sys", "dia", "mean"))
        if systolic is None or diastolic is None:
            return False
        if mean is None:
            mean = diastolic + (systolic - diastolic) / 3
        self.reading = Pressure(systolic, diastolic, mean, now)
        self.sequence = sequence
        self.let_down(CuffState.IDLE)
        return True

    def forget(self) -> None:
        """Have no reading yet."""
        self.reading, self.sequence = None, 0
        self.let_down(CuffState.IDLE)

    def _complete(self, now: Nanos) -> None:
        if not self.take_reading(self.sequence % SEQUENCE_MAX + 1, now):  # after the highest comes 1: 0 is none yet
            self.let_down(CuffState.FAILED)


class Monitor:
    """Sensors and cuff on a patient. Every method needs `advance(now)` to have been called first."""

    __slots__ = ("_sensors", "cuff", "cuff_on_spo2_arm", "patient", "questionable")

    def __init__(self, seed: int) -> None:
        self.patient = Patient(seed)
        self.cuff = Cuff(self.patient)
        self.cuff_on_spo2_arm = False
        self.questionable: frozenset[str] = frozenset()
        self._sensors = dict.fromkeys(("probe", "leads", "cannula"), True)

    def advance(self, now: Nanos) -> None:
        """Live until `now`."""
        self.cuff.advance(now)

    def next_deadline(self) -> Nanos | None:
        """Say when something next happens by itself."""
        return self.cuff.next_deadline()

    def on(self, sensor: str) -> bool:
        """Say whether probe, leads or cannula is on the patient."""
        return self._sensors[sensor]

    def find(self, key: str, now: Nanos) -> float | None:
        """Give what the monitor has of a vital sign now, None where its sensor is off or nothing is there."""
        sensor = SENSOR_OF.get(key)
        if sensor is not None and not self._sensors[sensor]:
            return None
        if sensor == "probe" and self.cuff_on_spo2_arm and self.cuff.state is CuffState.MEASURING:
            return None
        return self.patient.at(key, now)

    def power_cycle(self) -> None:
        """Forget the reading, the cycle and a measurement under way; what is on the patient stays there."""
        self.cuff.forget()
        self.cuff.cycle(0, 0)

    # -- keys and keypad -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Value]:
        """Give the truth of every key."""
        return {
            **self.patient.state(),
            "nibp_state": self.cuff.state.value,
            "nibp_sequence": self.cuff.sequence,
            "nibp_every_s": self.cuff.every_s,
            "cuff_on_spo2_arm": ON_OFF[not self.cuff_on_spo2_arm],
            **{sensor: ON_OFF[not on] for sensor, on in self._sensors.items()},
            "questionable": ",".join(key for key in QUESTIONABLE if key in self.questionable),
        }

    def put(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key; ValueError names the key, what is wrong, and what would do."""
        match key:
            case "nibp_state":
                self._put_cuff(CuffState(one_of(key, value, tuple(CuffState))), now)
            case "nibp_sequence":
                self._put_sequence(round(bounded(key, value, 0, SEQUENCE_MAX)), now)
            case "nibp_every_s":
                every_s = round(bounded(key, value, 0, LONGEST_CYCLE_S))
                if 0 < every_s < SHORTEST_CYCLE_S:
                    raise ValueError(f"{key}: {value} is not 0 or within {SHORTEST_CYCLE_S}-{LONGEST_CYCLE_S} s")
                self.cuff.cycle(every_s, now)
            case "cuff_on_spo2_arm":
                self.cuff_on_spo2_arm = one_of(key, value, ON_OFF) == "on"
            case "probe" | "leads" | "cannula":
                self._sensors[key] = one_of(key, value, ON_OFF) == "on"
            case "questionable":
                words = [] if value in (None, "") else str(value).split(",")
                self.questionable = frozenset(one_of(key, word.strip(), QUESTIONABLE) for word in words)
            case _ if key in KEYS:
                self.patient.put(key, value)
            case _:
                raise ValueError(f"{key}: no such key; there are {', '.join(KEYS)}")

    def press(self, key: str, now: Nanos) -> None:
        """Press the monitor's keypad; ValueError where it has no such key."""
        if key != "cuff":
            raise ValueError(f"{key}: no such key on the keypad; there are {', '.join(PRESSES)}")
        if self.cuff.state is CuffState.MEASURING:
            self.cuff.let_down(CuffState.IDLE)
        else:
            self.cuff.measure(now)

    def _put_cuff(self, state: CuffState, now: Nanos) -> None:
        if state is CuffState.MEASURING:
            self.cuff.measure(now)
        else:
            self.cuff.let_down(state)

    def _put_sequence(self, sequence: int, now: Nanos) -> None:
        if not sequence:
            self.cuff.forget()
        elif sequence != self.cuff.sequence and not self.cuff.take_reading(sequence, now):
            raise ValueError("nibp_sequence: there is no pressure to be read; set nibp_sys and nibp_dia first")
