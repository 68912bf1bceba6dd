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

from infusion_simulators import pump_keys
from infusion_simulators.device import Nanos, Obedience, Value
from infusion_simulators.dialects import Description, Kind, Settings
from infusion_simulators.dialects._ne1000_frames import Framing, Packet, Receiver, frame
from infusion_simulators.dialects._ne1000_numbers import held
from infusion_simulators.dialects._ne1000_program import SAF_MAX_S, Program, saf_seconds
from infusion_simulators.mechanics import Alarm, Origin

OUT_MAX = 4096
ADDRESS_MAX = 99
STALLS = (Alarm.OCCLUSION, Alarm.EMPTY, Alarm.STALL)
ABSENT = ("battery_percent", "mains", "serial_number")
_TEXT = re.compile(r"(\*|\d{0,2})([A-Z]{0,3})(.*)", re.ASCII)

DESCRIPTION = Description(
    summary="New Era NE-1000 syringe pump, basic and safe mode",
    kind=Kind.PUMP,
    baud=19200,
    framing="8N1",
    source="New Era manual #1200-01 (8/1/14) pp. 33-35; nesp-lib 2.0.0",
    keys={key: what for key, what in pump_keys.KEYS.items() if key not in ABSENT}
    | {
        "rate_ml_h": "programmed rate, mL/h, within the syringe's limits, rounded to four digits",
        "vtbi_ml": "volume to be dispensed (VOL), mL, rounded to four digits; empty for continuous",
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
    """The pump behind its RS-232 port: framing, alarms, keys and keypad."""

    def __init__(self, now: Nanos) -> None:
        self._program = Program(now)
        self._pump = self._program.pump
        self._receiver = Receiver()
        self._out = bytearray()
        self._alarm: str | None = "R"
        self._seen = Alarm.NONE

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
        if not self._out:
            return b""
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
        if self._program.moving:
            self._program.paused = False  # a pause that was a lie

    def state(self) -> dict[str, Value]:
        """Give the truth."""
        return {key: value for key, value in pump_keys.state(self._pump).items() if key not in ABSENT} | {
            "serial_number": None,
            "address": self._program.address,
            "diameter_mm": self._program.diameter / 1000,
            "status": f"A?{self._alarm}" if self._alarm else self._program.prompt(),
        }

    def set(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key; ValueError says what is wrong. Rates and volumes are rounded to what the pump can hold."""
        self.advance(now)
        match key:
            case "address":
                self._program.address = _whole(key, value, ADDRESS_MAX)
            case "dead_man_s":
                self._pump.dead_man.arm(_whole(key, value, SAF_MAX_S))
            case "diameter_mm":
                self._program.fit(held(key, pump_keys.number(key, value), "").milli)
            case "rate_ml_h":
                self._program.key_rate(pump_keys.number(key, value))
            case "vtbi_ml":
                ml, unit = 0.0 if value is None else pump_keys.number(key, value), self._program.volume.unit
                self._program.aim(held(key, ml if unit == "ML" else ml * 1000, unit), Origin.KEYPAD)
            case "alarm":
                self._pump.raise_alarm(Alarm(pump_keys.one_of(key, value, (Alarm.NONE, *STALLS))))
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
        moving = self._program.moving
        match key.partition("=")[0]:
            case "rate":
                self._program.key_rate(pump_keys.number("rate", key.partition("=")[2]))
            case "start":
                self._program.ready()
                pump_keys.press(self._pump, key)
                self._program.paused = False
            case "pause" | "stop":
                pump_keys.press(self._pump, key)
                self._program.paused = key == "pause" and (moving or self._program.paused)
            case _:
                pump_keys.press(self._pump, key)
        self.advance(now)

    def power_cycle(self, now: Nanos) -> None:
        """Lose power and come back: stopped, the stored rate, `A?R`, the timer idle until the first valid packet."""
        self.advance(now)
        self._program.power_cycle(now)
        self._receiver.clear()
        self._out.clear()
        self._seen = self._pump.alarm
        self._raise("R")

    @property
    def _framing(self) -> Framing:
        return Framing.SAFE if self._pump.dead_man.seconds else Framing.BASIC

    def _packet(self, packet: Packet, now: Nanos) -> None:
        """Answer one command, or the alarm in its place. SAF is answered in the framing of the mode it asks for."""
        match = _TEXT.fullmatch(packet.text)
        if match is None:
            return
        address, command, argument = match.groups()
        if address != "*" and int(address or "0") != self._program.address:
            return
        if not packet.intact:
            self._reply(self._program.prompt() + "?COM", self._framing)
            return
        self._pump.dead_man.feed(now)
        framing = self._framing
        if command == "SAF" and (seconds := saf_seconds(argument)) is not None:
            framing = Framing.SAFE if seconds else Framing.BASIC
        if self._alarm and self._program.known(command):
            self._reply(f"A?{self._alarm}", framing)
            self._alarm = None
            return
        data = self._program.execute(command, argument, now)
        self._reply(self._program.prompt() + data, framing)

    def _reply(self, text: str, framing: Framing) -> None:
        sent = frame(f"{self._program.address:02}{text}", framing)
        if len(self._out) + len(sent) <= OUT_MAX:
            self._out += sent

    def _raise(self, letter: str) -> None:
        """Have an alarm: the program is reset; in safe mode it is sent at once, which does not acknowledge it."""
        self._alarm, self._program.paused = letter, False
        if self._framing is Framing.SAFE:
            self._reply(f"A?{letter}", Framing.SAFE)


def _whole(key: str, value: Value, top: int) -> int:
    number = pump_keys.number(key, value)
    if number != int(number) or not 0 <= number <= top:
        raise ValueError(f"{key}: {value!r} is not a whole number within 0-{top}")
    return int(number)
