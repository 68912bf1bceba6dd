"""New Era NE-1000 syringe pump: basic and safe mode, alarms, SAF dead man. Bench: NOT FOR CLINICAL USE ON HUMANS.

Facts: manual #1200-01 (8/1/14) pp. 33-35 and its siblings #1200-02 (NE-500, NE-1600); the frames that nesp-lib 2.0.0
sends and accepts. Where no public source speaks, the cautious reading (the one that is harder on a host) is played:
* STP with nothing to stop or cancel is answered `?NA`, as every command that is not applicable now.
* A packet to another address never restarts the dead man's timer; a corrupt one is answered `?COM` where its address
  can still be read as the pump's own.
* Only the program phase 1 exists; commands of the multi-phase programmer, of keypad, buzzer and TTL are answered `?`.
* Purging runs forward at the fastest rate of the syringe; backwards it is `?NA`.
* The inter-byte time-out of 0.5 s is that of packets (STX ...), not of basic mode, which people type by hand.
* The pump has no sensor but its motor: an occluded line and an empty syringe stall it (`A?S`).
* Volume counters begin anew after 9999 of their unit, at power-on, on CLD, and when the diameter changes.
* Changing the baud rate and the network command burst are not simulated.
"""

import re
from collections.abc import Callable

from infusion_simulators import pump_keys
from infusion_simulators.device import Nanos, Obedience, Value
from infusion_simulators.dialects import Description, Kind, Settings
from infusion_simulators.dialects._ne1000_frames import Framing, Packet, Receiver, frame
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
from infusion_simulators.mechanics import Alarm, Delivery, Origin, Pump

VERSION = "NE1000V3.928"
OUT_MAX = 4096
ADDRESS_MAX = 99
SAF_MAX_S = 255
DIAMETER_MIN_MM, DIAMETER_MAX_MM = 0.1, 80.0
STALLS = (Alarm.OCCLUSION, Alarm.EMPTY, Alarm.STALL)
MOVING = {Delivery.INFUSING: "I", Delivery.KVO: "I", Delivery.BOLUS: "X", Delivery.WITHDRAWING: "W"}
"""The prompts of what moves; S or P where nothing does. T (timed pause) and U (user wait) belong to programs."""
ABSENT = ("battery_percent", "mains", "serial_number")
ORDERS = ("RUN", "PUR", "STP", "CLD")
"""Commands that change something without an argument of their own."""
_TEXT = re.compile(r"(\*|\d{0,2})([A-Z]{0,3})(.*)", re.ASCII)
_RATE = re.compile(r"([\d.]+)([A-Z]{2})?", re.ASCII)

DESCRIPTION = Description(
    summary="New Era NE-1000 syringe pump, basic and safe mode",
    kind=Kind.PUMP,
    baud=19200,
    framing="8N1",
    source="New Era manual #1200-01 (8/1/14) pp. 33-35; nesp-lib 2.0.0",
    keys={key: what for key, what in pump_keys.KEYS.items() if key not in ABSENT}
    | {
        "alarm": "occlusion, empty, stall, none: each but none stalls the motor, which is all that the pump feels",
        "dead_man_s": "SAF, s, 0-255, 0 for basic mode; set: as stored in the pump before it was switched on",
        "serial_number": "none: the pump has an address and a version only (read only)",
        "address": "0-99",
        "diameter_mm": "the syringe's inner diameter, mm, 0.1-80",
        "status": "the prompt: I, W, X, P or S, or A?R, A?S, A?T while an alarm is unacknowledged (read only)",
    },
    presses=pump_keys.PRESSES,
)


def create(settings: Settings, seed: int) -> "Ne1000":
    """Make a pump with a 60 mL syringe holding 50 mL, 10 mL/h, basic mode, just switched on: `A?R` is pending."""
    del seed  # nothing in this device happens by chance
    return Ne1000(settings.now)


class Ne1000:
    """The pump behind its RS-232 port."""

    def __init__(self, now: Nanos) -> None:
        self._rate = self._stored_rate = Quantity(10_000, "MH")
        self._pump = Pump(now, rate_ml_h=self._rate.rate_ml_h(), reservoir_ml=50.0)
        self._receiver = Receiver()
        self._out = bytearray()
        self._address = 0
        self._diameter = 26_590
        self._volume = Quantity(0, volume_unit(self._diameter / 1000))
        self._paused = False
        self._alarm: str | None = "R"
        self._seen = Alarm.NONE
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

    # -- Dialect -------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: Nanos) -> None:
        """Take bytes from the host; never raises."""
        self.advance(now)
        self._receiver.feed(data, now)
        while (packet := self._receiver.next(self._framing)) is not None:
            self._packet(packet, now)

    def advance(self, now: Nanos) -> None:
        """Let the mechanics live, and notice the alarms that happen on the way."""
        self._pump.advance(now)
        if self._pump.alarm is not self._seen:
            self._seen = self._pump.alarm
            if self._seen in STALLS:
                self._raise("S")
        if self._pump.dead_man.tripped:
            self._pump.dead_man.clear()
            self._raise("T")

    def take(self, now: Nanos) -> bytes:
        """Give what the pump sends."""
        del now  # replies wait for nothing
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_deadline(self) -> Nanos | None:
        """Say when the mechanics next do something."""
        return self._pump.next_deadline()

    def obey(self, how: Obedience, now: Nanos) -> None:
        """Cheat the host, or stop doing so: SAF, ADR and queries are always served."""
        self.advance(now)
        self._pump.obedience = how

    def state(self) -> dict[str, Value]:
        """Give the truth."""
        return {key: value for key, value in pump_keys.state(self._pump).items() if key not in ABSENT} | {
            "serial_number": None,
            "address": self._address,
            "diameter_mm": self._diameter / 1000,
            "status": f"A?{self._alarm}" if self._alarm else self._prompt(),
        }

    def set(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key; ValueError says what is wrong. Rates and volumes are rounded to what the pump can hold."""
        self.advance(now)
        match key:
            case "address":
                self._address = _whole(key, value, ADDRESS_MAX)
            case "dead_man_s":
                self._pump.dead_man.arm(_whole(key, value, SAF_MAX_S))
            case "diameter_mm":
                self._fit(held(pump_keys.number(key, value), "").milli)
            case "rate_ml_h":
                self._key_rate(pump_keys.number(key, value))
            case "vtbi_ml":
                ml = 0.0 if value is None else pump_keys.number(key, value)
                self._aim(held(ml if self._volume.unit == "ML" else ml * 1000, self._volume.unit), Origin.KEYPAD)
            case "alarm":
                allowed = (Alarm.NONE, *STALLS)
                self._pump.raise_alarm(Alarm(pump_keys.one_of(key, value, allowed)))
            case _ if key not in DESCRIPTION.keys:
                raise ValueError(f"{key}: no such key; there are {', '.join(DESCRIPTION.keys)}")
            case "status" | "serial_number":
                raise ValueError(f"{key}: {DESCRIPTION.keys[key]}; it can't be set")
            case _:
                pump_keys.put(self._pump, key, value)
        self.advance(now)

    def press(self, key: str, now: Nanos) -> None:
        """Press the keypad: acknowledges the alarm, and does what the key says."""
        self.advance(now)
        self._alarm = None
        moving = self._pump.reported().delivery is not Delivery.STOPPED
        match key.partition("=")[0]:
            case "rate":
                self._key_rate(pump_keys.number("rate", key.partition("=")[2]))
            case "start":
                self._ready()
                pump_keys.press(self._pump, key)
                self._paused = False
            case "pause" | "stop":
                pump_keys.press(self._pump, key)
                self._paused = key == "pause" and (moving or self._paused)
            case _:
                pump_keys.press(self._pump, key)
        self.advance(now)

    def power_cycle(self, now: Nanos) -> None:
        """Lose power and come back: stopped, the stored rate, `A?R`, the timer idle until the first valid packet."""
        self.advance(now)
        self._pump.power_cycle(now, keep_dead_man=True)
        self._rate = self._stored_rate
        self._pump.set_rate(self._rate.rate_ml_h(), Origin.KEYPAD)
        self._receiver.clear()
        self._out.clear()
        self._seen = self._pump.alarm
        self._raise("R")

    # -- the wire ------------------------------------------------------------------------------------------------------

    @property
    def _framing(self) -> Framing:
        return Framing.SAFE if self._pump.dead_man.seconds else Framing.BASIC

    def _packet(self, packet: Packet, now: Nanos) -> None:
        """Answer one command, or the alarm in its place."""
        match = _TEXT.fullmatch(packet.text)
        if match is None:
            return
        address, command, argument = match.groups()
        if address != "*" and int(address or "0") != self._address:
            return
        if not packet.intact:
            self._reply(self._prompt() + "?COM", self._framing)
            return
        self._pump.dead_man.feed(now)
        framing = self._framing
        if command == "SAF" and _saf_seconds(argument) is not None:
            framing = Framing.SAFE if _saf_seconds(argument) else Framing.BASIC
        if self._alarm and command in self._commands:
            self._reply(f"A?{self._alarm}", framing)
            self._alarm = None
            return
        data = self._execute(command, argument, now)
        self._reply(self._prompt() + data, framing)

    def _execute(self, command: str, argument: str, now: Nanos) -> str:
        """Do a command; give the data of its reply, which is an error where it begins with a question mark."""
        if command not in self._commands:
            return "?"
        changes = command in ORDERS or (argument and command not in {"SAF", "ADR", "PHN"})
        if changes and self._pump.obedience is Obedience.REFUSES:
            return ""
        return self._commands[command](argument, now)

    def _reply(self, text: str, framing: Framing) -> None:
        sent = frame(f"{self._address:02}{text}", framing)
        if len(self._out) + len(sent) <= OUT_MAX:
            self._out += sent

    def _raise(self, letter: str) -> None:
        """Have an alarm: the program is reset; in safe mode it is sent at once, which does not acknowledge it."""
        self._alarm, self._paused = letter, False
        if self._framing is Framing.SAFE:
            self._reply(f"A?{letter}", Framing.SAFE)

    def _prompt(self) -> str:
        return MOVING.get(self._pump.reported().delivery, "P" if self._paused else "S")

    @property
    def _moving(self) -> bool:
        return self._pump.reported().delivery is not Delivery.STOPPED

    # -- commands: each takes its argument, "" for a query, and gives the reply's data ---------------------------------

    def _rat(self, argument: str, _: Nanos) -> str:
        if not argument:
            return self._rate.text()
        match = _RATE.fullmatch(argument)
        if match is None or match[2] not in {*RATE_NL_H, None}:
            return "?"
        milli, unit = parse(match[1]), str(match[2] or self._rate.unit)
        purging = self._pump.reported().delivery is Delivery.BOLUS
        if purging or (self._moving and unit != self._rate.unit):
            return "?NA"
        if milli is None or not self._in_range(rate := Quantity(milli, unit)):
            return "?OOR"
        self._hold(rate, stored=not self._moving, origin=Origin.REMOTE)
        return ""

    def _vol(self, argument: str, _: Nanos) -> str:
        if not argument:
            return self._volume.text()
        if self._moving:
            return "?NA"
        if argument in {"ML", "UL"}:
            self._aim(Quantity(self._volume.milli, argument), Origin.REMOTE)
            return ""
        if (milli := parse(argument)) is None:
            return "?OOR"
        self._aim(Quantity(milli, self._volume.unit), Origin.REMOTE)
        return ""

    def _dia(self, argument: str, _: Nanos) -> str:
        if not argument:
            return digits(self._diameter)
        if self._moving:
            return "?NA"
        milli = parse(argument)
        if milli is None or not DIAMETER_MIN_MM <= milli / 1000 <= DIAMETER_MAX_MM:
            return "?OOR"
        self._fit(milli)
        return ""

    def _dir(self, argument: str, _: Nanos) -> str:
        if not argument:
            return "WDR" if self._pump.reverse else "INF"
        if self._moving:
            return "?NA"
        turned = {"INF": False, "WDR": True, "REV": not self._pump.reverse, "STK": self._pump.reverse}
        if argument not in turned:
            return "?OOR"
        self._pump.reverse = turned[argument]
        return ""

    def _dis(self, argument: str, _: Nanos) -> str:
        if argument:
            return "?NA"
        unit = self._volume.unit
        return f"I{counter(self._pump.volume_nl, unit)}W{counter(self._pump.withdrawn_nl, unit)}{unit}"

    def _cld(self, argument: str, _: Nanos) -> str:
        if self._moving:
            return "?NA"
        match argument:
            case "INF":
                self._pump.clear_volume(Origin.REMOTE)
            case "WDR":
                self._pump.clear_withdrawn(Origin.REMOTE)
            case _:
                return "?OOR"
        return ""

    def _run(self, argument: str, _: Nanos) -> str:
        if argument not in {"", "1", "01"}:
            return "?OOR"
        if self._moving:
            return "?NA"
        self._ready()
        if not self._pump.start(Origin.REMOTE):
            return "?NA"
        self._paused = False
        return ""

    def _pur(self, argument: str, _: Nanos) -> str:
        fastest = rate_limits_ml_h(self._diameter / 1000)[1]
        if argument or self._moving or self._pump.reverse or not self._pump.bolus(None, fastest, Origin.REMOTE):
            return "?NA"
        self._paused = False
        return ""

    def _stp(self, argument: str, _: Nanos) -> str:
        """Pause what runs; cancel what is paused; a purge just ends."""
        if argument or not (self._moving or self._paused):
            return "?NA"
        running = self._moving and self._pump.reported().delivery is not Delivery.BOLUS
        self._pump.stop(Origin.REMOTE)
        self._paused = running
        return ""

    def _saf(self, argument: str, now: Nanos) -> str:
        if not argument:
            return str(self._pump.dead_man.seconds)
        if (seconds := _saf_seconds(argument)) is None:
            return "?OOR"
        self._pump.dead_man.arm(seconds)
        self._pump.dead_man.feed(now)
        return ""

    def _phn(self, argument: str, _: Nanos) -> str:
        if not argument:
            return "01"
        return "" if argument in {"1", "01"} else "?OOR"

    def _adr(self, argument: str, _: Nanos) -> str:
        if not argument:
            return f"{self._address:02}"
        if not re.fullmatch(r"\d{1,2}", argument, re.ASCII):
            return "?OOR"
        self._address = int(argument)
        return ""

    # -- what it holds -------------------------------------------------------------------------------------------------

    def _ready(self) -> None:
        """Begin the program anew, unless it was paused: the whole volume is ahead."""
        if not self._paused:
            self._aim(self._volume, Origin.KEYPAD)

    def _aim(self, volume: Quantity, origin: Origin) -> None:
        """Hold a volume to be dispensed, 0 for continuous."""
        self._volume = volume
        self._pump.set_vtbi(volume.volume_ml() if volume.milli else None, origin)

    def _hold(self, rate: Quantity, *, stored: bool, origin: Origin) -> None:
        """Hold a rate; one set while pumping over the wire is forgotten with the power."""
        self._rate = rate
        if stored:
            self._stored_rate = rate
        self._pump.set_rate(rate.rate_ml_h(), origin)

    def _key_rate(self, ml_h: float) -> None:
        rate = held(ml_h, "MH")
        if not self._in_range(rate):
            low, high = rate_limits_ml_h(self._diameter / 1000)
            raise ValueError(f"rate_ml_h: {ml_h:g} is not within {low:.4g}-{high:.4g}, the limits of this syringe")
        self._hold(rate, stored=True, origin=Origin.KEYPAD)

    def _in_range(self, rate: Quantity) -> bool:
        low, high = rate_limits_ml_h(self._diameter / 1000)
        return low <= rate.rate_ml_h() <= high

    def _fit(self, diameter: int) -> None:
        """Take another syringe's diameter, in micrometres: volumes get its unit, counters begin anew."""
        if not DIAMETER_MIN_MM <= diameter / 1000 <= DIAMETER_MAX_MM:
            raise ValueError(f"diameter_mm: {diameter / 1000:g} is not within {DIAMETER_MIN_MM:g}-{DIAMETER_MAX_MM:g}")
        self._diameter = diameter
        self._aim(Quantity(self._volume.milli, volume_unit(diameter / 1000)), Origin.KEYPAD)
        self._pump.clear_volume(Origin.KEYPAD)
        self._pump.clear_withdrawn(Origin.KEYPAD)


def _saf_seconds(argument: str) -> int | None:
    """Read SAF's seconds, None where they are none."""
    if not re.fullmatch(r"\d{1,3}", argument, re.ASCII) or int(argument) > SAF_MAX_S:
        return None
    return int(argument)


def _whole(key: str, value: Value, top: int) -> int:
    number = pump_keys.number(key, value)
    if number != int(number) or not 0 <= number <= top:
        raise ValueError(f"{key}: {value!r} is not a whole number within 0-{top}")
    return int(number)
