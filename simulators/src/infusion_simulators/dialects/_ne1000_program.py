"""What an NE-1000 holds, and what each command does to it. Facts and cautious readings: see `ne1000`."""

import re
from collections.abc import Callable

from infusion_simulators.device import Nanos, Obedience
from infusion_simulators.dialects._ne1000_numbers import (
    RATE_NL_H,
    Quantity,
    counter,
    digits,
    held,
    parse,
    rate_limits_ml_h,
    volume_unit,
)
from infusion_simulators.mechanics import Delivery, Origin, Pump

VERSION = "NE1000V3.928"
SAF_MAX_S = 255
DIAMETER_MIN_MM, DIAMETER_MAX_MM = 0.1, 80.0
MOVING = {Delivery.INFUSING: "I", Delivery.KVO: "I", Delivery.BOLUS: "X", Delivery.WITHDRAWING: "W"}
"""The prompts of what moves; S or P where nothing does. T (timed pause) and U (user wait) belong to programs."""
ORDERS = ("RUN", "PUR", "STP", "CLD")
"""Commands that change something whatever their argument."""
LINK_COMMANDS = ("SAF", "ADR", "PHN")
"""Commands that a refusing pump serves all the same: they are the line's, not the motor's."""
_RATE = re.compile(r"([\d.]+)([A-Z]{2})?", re.ASCII)


class Program:
    """The pump's one program phase: rate, volume, direction, syringe; run, paused or stopped."""

    def __init__(self, now: Nanos) -> None:
        self._rate = self._stored_rate = Quantity(10_000, "MH")
        self.pump = Pump(now, rate_ml_h=self._rate.rate_ml_h(), reservoir_ml=50.0)
        self.address = 0
        self.diameter = 26_590
        """Of the syringe, in micrometres."""
        self.volume = Quantity(0, volume_unit(self.diameter / 1000))
        """To be dispensed; 0 for continuous."""
        self.paused = False
        self._commands: dict[str, Callable[[str, Nanos], str]] = {
            "": lambda argument, _: "?" if argument else "",
            "VER": lambda argument, _: "?NA" if argument else VERSION,
            "DIA": self._dia,
            "DIR": self._dir,
            "VOL": self._vol,
            "RAT": self._rat,
            "DIS": self._dis,
            "CLD": self._cld,
            "RUN": self._run,
            "PUR": self._pur,
            "STP": self._stp,
            "SAF": self._saf,
            "PHN": self._phn,
            "ADR": self._adr,
        }

    def known(self, command: str) -> bool:
        """Say whether there is such a command; "" is the status query."""
        return command in self._commands

    def execute(self, command: str, argument: str, now: Nanos) -> str:
        """Do a command; give the data of its reply, which is an error where it begins with a question mark."""
        if not self.known(command):
            return "?"
        changes = command in ORDERS or (argument and command not in LINK_COMMANDS)
        if changes and self.pump.obedience is Obedience.REFUSES:
            return ""
        return self._commands[command](argument, now)

    @property
    def moving(self) -> bool:
        """Whether the pump says that it moves."""
        return self.pump.reported().delivery is not Delivery.STOPPED

    def prompt(self) -> str:
        """Give the prompt: what the pump says that it does."""
        return MOVING.get(self.pump.reported().delivery, "P" if self.paused else "S")

    def ready(self) -> None:
        """Begin the program anew, unless it was paused: the whole volume is ahead."""
        if not self.paused:
            self.aim(self.volume, Origin.KEYPAD)

    def aim(self, volume: Quantity, origin: Origin) -> None:
        """Hold a volume to be dispensed."""
        self.volume = volume
        self.pump.set_vtbi(volume.volume_ml() if volume.milli else None, origin)

    def key_rate(self, ml_h: float) -> None:
        """Take a rate from the keypad, rounded to four digits; ValueError outside the syringe's limits."""
        rate = held("rate_ml_h", ml_h, "MH")
        if not self._in_range(rate):
            low, high = rate_limits_ml_h(self.diameter / 1000)
            raise ValueError(f"rate_ml_h: {ml_h:g} is not within {low:.4g}-{high:.4g}, the limits of this syringe")
        self._hold(rate, stored=True, origin=Origin.KEYPAD)

    def fit(self, diameter: int) -> None:
        """Take another syringe's diameter: volumes get its unit, counters begin anew. ValueError outside 0.1-80 mm."""
        if not DIAMETER_MIN_MM <= diameter / 1000 <= DIAMETER_MAX_MM:
            raise ValueError(f"diameter_mm: {diameter / 1000:g} is not within {DIAMETER_MIN_MM:g}-{DIAMETER_MAX_MM:g}")
        self.diameter = diameter
        self.aim(Quantity(self.volume.milli, volume_unit(diameter / 1000)), Origin.KEYPAD)
        self.pump.clear_volume(Origin.KEYPAD)
        self.pump.clear_withdrawn(Origin.KEYPAD)

    def power_cycle(self, now: Nanos) -> None:
        """Lose power and come back: stopped, with the stored rate; SAF is stored too."""
        self.pump.power_cycle(now, keep_dead_man=True)
        self.paused = False
        self._hold(self._stored_rate, stored=True, origin=Origin.KEYPAD)

    def _hold(self, rate: Quantity, *, stored: bool, origin: Origin) -> None:
        """Hold a rate; one set over the wire while pumping is forgotten with the power."""
        self._rate = rate
        if stored:
            self._stored_rate = rate
        self.pump.set_rate(rate.rate_ml_h(), origin)

    def _in_range(self, rate: Quantity) -> bool:
        low, high = rate_limits_ml_h(self.diameter / 1000)
        return low <= rate.rate_ml_h() <= high

    # -- commands: each takes its argument, "" for a query, and gives the reply's data ---------------------------------

    def _rat(self, argument: str, _: Nanos) -> str:
        if not argument:
            return self._rate.text()
        match = _RATE.fullmatch(argument)
        if match is None or match[2] not in {*RATE_NL_H, None}:
            return "?"
        milli, unit = parse(match[1]), str(match[2] or self._rate.unit)
        purging = self.pump.reported().delivery is Delivery.BOLUS
        if purging or (self.moving and unit != self._rate.unit):
            return "?NA"
        if milli is None or not self._in_range(rate := Quantity(milli, unit)):
            return "?OOR"
        self._hold(rate, stored=not self.moving, origin=Origin.REMOTE)
        return ""

    def _vol(self, argument: str, _: Nanos) -> str:
        if not argument:
            return self.volume.text()
        if self.moving:
            return "?NA"
        if argument in {"ML", "UL"}:
            self.aim(Quantity(self.volume.milli, argument), Origin.REMOTE)
            return ""
        if (milli := parse(argument)) is None:
            return "?OOR"
        self.aim(Quantity(milli, self.volume.unit), Origin.REMOTE)
        return ""

    def _dia(self, argument: str, _: Nanos) -> str:
        if not argument:
            return digits(self.diameter)
        if self.moving:
            return "?NA"
        milli = parse(argument)
        if milli is None or not DIAMETER_MIN_MM <= milli / 1000 <= DIAMETER_MAX_MM:
            return "?OOR"
        self.fit(milli)
        return ""

    def _dir(self, argument: str, _: Nanos) -> str:
        if not argument:
            return "WDR" if self.pump.reverse else "INF"
        if self.moving:
            return "?NA"
        turned = {"INF": False, "WDR": True, "REV": not self.pump.reverse, "STK": self.pump.reverse}
        if argument not in turned:
            return "?OOR"
        self.pump.reverse = turned[argument]
        return ""

    def _dis(self, argument: str, _: Nanos) -> str:
        if argument:
            return "?NA"
        unit = self.volume.unit
        return f"I{counter(self.pump.volume_nl, unit)}W{counter(self.pump.withdrawn_nl, unit)}{unit}"

    def _cld(self, argument: str, _: Nanos) -> str:
        if self.moving:
            return "?NA"
        match argument:
            case "INF":
                self.pump.clear_volume(Origin.REMOTE)
            case "WDR":
                self.pump.clear_withdrawn(Origin.REMOTE)
            case _:
                return "?OOR"
        return ""

    def _run(self, argument: str, _: Nanos) -> str:
        if argument not in {"", "1", "01"}:
            return "?OOR"
        if self.moving:
            return "?NA"
        self.ready()
        if not self.pump.start(Origin.REMOTE):
            return "?NA"
        self.paused = False
        return ""

    def _pur(self, argument: str, _: Nanos) -> str:
        fastest = rate_limits_ml_h(self.diameter / 1000)[1]
        if argument or self.moving or self.pump.reverse or not self.pump.bolus(None, fastest, Origin.REMOTE):
            return "?NA"
        self.paused = False
        return ""

    def _stp(self, argument: str, _: Nanos) -> str:
        """Pause what runs; cancel what is paused; a purge just ends."""
        if argument or not (self.moving or self.paused):
            return "?NA"
        running = self.moving and self.pump.reported().delivery is not Delivery.BOLUS
        self.pump.stop(Origin.REMOTE)
        self.paused = running
        return ""

    def _saf(self, argument: str, now: Nanos) -> str:
        if not argument:
            return str(self.pump.dead_man.seconds)
        if (seconds := saf_seconds(argument)) is None:
            return "?OOR"
        self.pump.dead_man.arm(seconds)
        self.pump.dead_man.feed(now)
        return ""

    def _phn(self, argument: str, _: Nanos) -> str:
        if not argument:
            return "01"
        return "" if argument in {"1", "01"} else "?OOR"

    def _adr(self, argument: str, _: Nanos) -> str:
        if not argument:
            return f"{self.address:02}"
        if not re.fullmatch(r"\d{1,2}", argument, re.ASCII):
            return "?OOR"
        self.address = int(argument)
        return ""


def saf_seconds(argument: str) -> int | None:
    """Read SAF's seconds, None where they are none."""
    if not re.fullmatch(r"\d{1,3}", argument, re.ASCII) or int(argument) > SAF_MAX_S:
        return None
    return int(argument)
