"""The Nonin OEM III / Xpod oximeter: data formats 2 and 7, streaming from power-on, and the commands that are public.

Sources: mdpnp's NoninPulseOx client (commands, packet, format 7), pufferfish's packet receiver and its test vectors
(format 2, status bits), PyPI nonin (status bits). 75 frames a second, 25 to a packet, 5 bytes to a frame.

Not public, and modelled with caution: the checksum of the serial number's answer (its place is known, how it is made is
taken from the format command), what DF7's timer counts (here: packets), and what becomes of a format over a power cycle
(here: kept). Every other command is answered NAK. Every average shows the value that was set: a settled patient.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from infusion_simulators.device import SECOND, Nanos, Value
from infusion_simulators.dialects import Description, Kind, Settings
from infusion_simulators.patient import VARIATION, VITALS, Patient
from infusion_simulators.pump_keys import one_of

FRAMES_PER_SECOND, FRAMES = 75, 25
START_UP: Nanos = SECOND // 10
"""From power-on to the first frame. How long the real one takes isn't public; here just not at once."""
CATCH_UP = FRAMES
"""A device doesn't send the past: of what was missed, at most this many frames still come."""
MAX_PENDING = 2048
"""Bytes that wait to be taken, five seconds' worth; beyond, frames are lost as on a line nobody reads."""
MISSING_SPO2, MISSING_HR = 127, 511
REVISION = 48
PULSE_FRAMES = 12
"""How long the perfusion colour of a pulse is shown, frames."""
TIMER_MODULUS = 1 << 14
STX, ETX, ACK, NAK = 0x02, 0x03, b"\x06", b"\x15"
SET_FORMAT, GET_SERIAL, SERIAL_ANSWER, COMMAND_ID = 0x70, 0x74, 0xF4, 0x02
MAX_COMMAND, COMMAND_PATIENCE = 64, SECOND // 2
SERIAL_LENGTH = 9
MAX_REPLIES = 8


class Format(StrEnum):
    """The data formats that are modelled."""

    DF2 = "df2"
    DF7 = "df7"


class Perfusion(StrEnum):
    """The colour shown during a pulse; its two bits in the status byte."""

    NONE = "none"
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


PERFUSION_BITS = {Perfusion.NONE: 0, Perfusion.GREEN: 2, Perfusion.RED: 4, Perfusion.YELLOW: 6}
GAIN = {Perfusion.NONE: 0.0, Perfusion.RED: 0.1, Perfusion.YELLOW: 0.4, Perfusion.GREEN: 1.0}
"""How much of a full beat the pleth shows."""
FORMAT_NUMBERS = {2: Format.DF2, 7: Format.DF7}

WORDS: Mapping[str, tuple[str, ...]] = {
    "probe": ("on", "off", "off-finger"),
    "artifact": ("on", "off"),
    "out_of_track": ("on", "off"),
    "perfusion": tuple(Perfusion),
    "battery": ("ok", "low"),
    "format": tuple(Format),
}
"""The keys that take one of a few words."""

DESCRIPTION = Description(
    summary="Nonin OEM III / Xpod pulse oximeter, data formats 2 and 7",
    kind=Kind.MONITOR,
    baud=9600,
    framing="8N1",
    source="mdpnp NoninPulseOx, pufferfish packet receiver, PyPI nonin",
    keys={
        "spo2": f"{VITALS['spo2'].what}, 0-126; empty for missing (127)",
        "pulse": f"{VITALS['pulse'].what}, 0-510; empty for missing (511): searching for a pulse",
        "probe": "on; off: no sensor plugged in (SNSD); off-finger: its light reaches no finger (SNSA)",
        "artifact": "on or off: movement, ARTF in every frame",
        "out_of_track": "on or off: no pulse signal it trusts, OOT in every frame",
        "perfusion": "green, yellow (marginal), red (low), none",
        "battery": "ok or low (DF7)",
        "format": "df2 or df7; what it streams, also the host's own to set",
        "serial_number": "nine letters or digits; a number is filled up with zeros",
        "variation": VARIATION,
    },
    presses={},
)


@dataclass(frozen=True, slots=True)
class Flags:
    """What a frame's status byte says beside sync and perfusion."""

    disconnected: bool = False
    artifact: bool = False
    out_of_track: bool = False
    sensor_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Values:
    """What a packet says, in the device's own numbers: 127 and 511 are missing. All of one instant."""

    hr: int
    spo2: int
    spo2_d: int
    spo2_fast: int
    spo2_bb: int
    e_hr: int
    e_spo2: int
    e_spo2_d: int
    hr_d: int
    e_hr_d: int
    timer: int = 0
    smart_point: bool = False
    low_battery: bool = False
    rev: int = REVISION


def status(flags: Flags, perfusion: Perfusion, *, sync: bool) -> int:
    """Give a frame's status byte."""
    bits = (sync, False, False, flags.sensor_alarm, flags.out_of_track, flags.artifact, flags.disconnected, True)
    return sum(bit << n for n, bit in enumerate(bits)) | PERFUSION_BITS[perfusion]


def frame(form: Format, status_byte: int, pleth: int, data: int) -> bytes:
    """Give a frame: pleth 0-255 in DF2, 0-65535 in DF7."""
    body = bytes((1, status_byte, pleth)) if form is Format.DF2 else bytes((status_byte, pleth >> 8, pleth & 0xFF))
    return body + bytes((data, (sum(body) + data) & 0xFF))


def packet_data(values: Values, form: Format) -> tuple[int, ...]:
    """Give the data bytes of a packet's 25 frames."""
    data = [0] * FRAMES
    for at, rate in ((0, values.hr), (13, values.e_hr), (19, values.hr_d), (21, values.e_hr_d)):
        data[at : at + 2] = rate >> 7 & 0x03, rate & 0x7F
    data[2:4] = values.spo2, values.rev
    data[8:11] = values.spo2_d, values.spo2_fast, values.spo2_bb
    data[15:17] = values.e_spo2, values.e_spo2_d
    if form is Format.DF7:
        data[5:7] = values.timer >> 7 & 0x7F, values.timer & 0x7F
        data[7] = values.smart_point << 5 | values.low_battery
    return tuple(data)


def serial_answer(serial_number: str) -> bytes:
    """Give the answer to opcode 74: F4, length, the id 02, nine characters, the sum of these; between STX and ETX."""
    body = bytes((SERIAL_ANSWER, 2 + SERIAL_LENGTH, COMMAND_ID)) + serial_number.encode("ascii")
    return bytes((STX, *body, sum(body) & 0xFF, ETX))


class Wave:
    """A synthesised pleth: a beat's upstroke and dicrotic notch, breathing in the baseline, a little noise."""

    __slots__ = ("_chance", "_frames", "_phase")

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - the noise of a waveform is no secret
        self._phase = 0.0
        self._frames = 0

    def step(self, rate: float | None) -> tuple[float, int]:
        """Go on by one frame at a pulse rate, /min, None for no pulse.

        Gives the level, about 0 to 1, and how many frames ago the beat began.
        """
        breath = 0.04 * math.sin(math.tau * (self._frames / FRAMES_PER_SECOND) / 4.3)
        level = 0.5 + breath + self._chance.uniform(-0.005, 0.005)
        self._frames += 1
        if not rate:
            return level, FRAMES_PER_SECOND
        self._phase = (self._phase + rate / 60 / FRAMES_PER_SECOND) % 1
        beat = math.exp(-(((self._phase - 0.2) / 0.1) ** 2)) + 0.35 * math.exp(-(((self._phase - 0.5) / 0.12) ** 2))
        return level - 0.2 + 0.6 * beat, int(self._phase * FRAMES_PER_SECOND * 60 / rate)


def create(settings: Settings, seed: int) -> "NoninOem3":
    """Make one, streaming format 2 from `settings.now` on, on a patient of this seed."""
    return NoninOem3(settings.now, seed)


class NoninOem3:
    """An oximeter on its line. Frame n is sent n/75 s after the first, by the time that `advance` is given: no drift."""

    def __init__(self, now: Nanos, seed: int) -> None:
        self._patient = Patient(seed)
        self._wave = Wave(seed)
        self._settings: dict[str, str] = {
            "probe": "on",
            "artifact": "off",
            "out_of_track": "off",
            "perfusion": Perfusion.GREEN.value,
            "battery": "ok",
            "format": Format.DF2.value,
            "serial_number": "501234567",
        }
        self._heard: Nanos = 0
        self._buffer = bytearray()
        self._switch_on(now)

    def _switch_on(self, now: Nanos) -> None:
        self._begin = now + START_UP
        self._next = 0
        self._packet = -1
        self._data: Sequence[int] = ()
        self._form = Format(self._settings["format"])
        self._replies: list[bytes] = []
        self._out = bytearray()
        self._buffer.clear()

    # -- the stream ----------------------------------------------------------------------------------------------------

    def advance(self, now: Nanos) -> None:
        """Send the frames that are due; what was missed for longer than a packet is lost."""
        last = (now - self._begin) * FRAMES_PER_SECOND // SECOND
        for number in range(max(self._next, last + 1 - CATCH_UP), last + 1):
            self._send_frame(number, self._begin + number * SECOND // FRAMES_PER_SECOND)
        self._next = max(self._next, last + 1)

    def next_deadline(self) -> Nanos | None:
        """Say when the next frame is due."""
        return self._begin - (-self._next * SECOND // FRAMES_PER_SECOND)

    def take(self, now: Nanos) -> bytes:
        """Give the bytes that the device has sent."""
        self.advance(now)
        out = bytes(self._out)
        self._out.clear()
        return out

    def _send_frame(self, number: int, at: Nanos) -> None:
        packet, position = divmod(number, FRAMES)
        if packet != self._packet:
            self._begin_packet(packet, at)
        flags = self._flags()
        pulse = None if self._settings["probe"] != "on" else self._patient.at("pulse", at)
        level, since_beat = self._wave.step(pulse)
        perfusion = Perfusion(self._settings["perfusion"]) if since_beat < PULSE_FRAMES else Perfusion.NONE
        pleth = self._pleth(level) if self._settings["probe"] == "on" else 0
        self._emit(frame(self._form, status(flags, perfusion, sync=position == 0), pleth, self._data[position]))

    def _begin_packet(self, packet: int, at: Nanos) -> None:
        """Answer the host, which is only done between packets, and fix the values of this packet."""
        self._packet = packet
        for reply in self._replies:
            self._emit(reply)
        self._replies.clear()
        self._form = Format(self._settings["format"])
        self._data = packet_data(self._values(at), self._form)

    def _values(self, at: Nanos) -> Values:
        on = self._settings["probe"] == "on"
        spo2, pulse = (self._patient.at(key, at) if on else None for key in ("spo2", "pulse"))
        percent = MISSING_SPO2 if spo2 is None else round(spo2)
        rate = MISSING_HR if pulse is None else round(pulse)
        return Values(
            hr=rate,
            spo2=percent,
            spo2_d=percent,
            spo2_fast=percent,
            spo2_bb=percent,
            e_hr=rate,
            e_spo2=percent,
            e_spo2_d=percent,
            hr_d=rate,
            e_hr_d=rate,
            timer=self._packet % TIMER_MODULUS,
            smart_point=None not in (spo2, pulse) and self._flags() == Flags(),
            low_battery=self._settings["battery"] == "low",
        )

    def _flags(self) -> Flags:
        probe, patient = self._settings["probe"], self._patient
        searching = patient.true("spo2") is None and patient.true("pulse") is None
        return Flags(
            disconnected=probe == "off",
            artifact=self._settings["artifact"] == "on",
            out_of_track=probe != "on" or searching or self._settings["out_of_track"] == "on",
            sensor_alarm=probe == "off-finger",
        )

    def _pleth(self, level: float) -> int:
        """Give the waveform's number: the weaker the perfusion, the smaller the beat."""
        gain = GAIN[Perfusion(self._settings["perfusion"])]
        highest = 0xFF if self._form is Format.DF2 else 0xFFFF
        return round(min(max(0.5 + gain * (level - 0.5), 0.0), 1.0) * highest)

    def _emit(self, data: bytes) -> None:
        if len(self._out) + len(data) <= MAX_PENDING:
            self._out += data

    # -- the host's commands -------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: Nanos) -> None:
        """Take bytes from the host, split anywhere; never raises; holds a bounded buffer."""
        self.advance(now)
        if now - self._heard >= COMMAND_PATIENCE:
            self._buffer.clear()
        self._heard = now
        self._buffer += data
        while (start := self._buffer.find(STX)) >= 0:
            del self._buffer[:start]
            size = 4 + self._buffer[2] if len(self._buffer) > 2 else 0  # noqa: PLR2004 - STX, opcode, length
            if not size or len(self._buffer) < size <= MAX_COMMAND:
                return
            if size > MAX_COMMAND or self._buffer[size - 1] != ETX:
                del self._buffer[0]
                continue
            if len(self._replies) < MAX_REPLIES:
                self._replies.append(self._obey(self._buffer[1], bytes(self._buffer[3 : size - 1])))
            del self._buffer[:size]
        self._buffer.clear()

    def _obey(self, opcode: int, data: bytes) -> bytes:
        """Carry out a command; its answer waits for the end of the packet."""
        if opcode == GET_SERIAL and data == bytes((COMMAND_ID, COMMAND_ID)):
            return serial_answer(self._settings["serial_number"])
        if opcode != SET_FORMAT or len(data) not in (2, 4) or data[0] != COMMAND_ID or data[1] not in FORMAT_NUMBERS:
            return NAK
        if len(data) == 4 and data[3] != (opcode + len(data) + sum(data[:3])) & 0xFF:  # noqa: PLR2004 - the long form
            return NAK
        self._settings["format"] = FORMAT_NUMBERS[data[1]].value
        return ACK

    # -- keys, keypad, power -------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Value]:
        """Give the truth: every key and its value."""
        vitals = {key: value for key, value in self._patient.state().items() if key in DESCRIPTION.keys}
        return {**vitals, **self._settings}

    def set(self, key: str, value: Value, now: Nanos) -> None:
        """Change a key; ValueError names the key, what is wrong, and what would do."""
        self.advance(now)
        if key in WORDS:
            self._settings[key] = one_of(key, value, WORDS[key])
        elif key == "serial_number":
            text = f"{value:0{SERIAL_LENGTH}}" if type(value) is int else str(value)  # zeros are digits
            if len(text) != SERIAL_LENGTH or not (text.isascii() and text.isalnum()):
                raise ValueError(f"serial_number: {value!r} is not nine letters or digits")
            self._settings[key] = text
        elif key in DESCRIPTION.keys:
            self._patient.put(key, value)
        else:
            raise ValueError(f"{key}: no such key; there are {', '.join(DESCRIPTION.keys)}")

    def press(self, key: str, now: Nanos) -> None:
        """Refuse: the module has no keypad."""
        self.advance(now)
        raise ValueError(f"{key}: an oximeter module has no keypad")

    def power_cycle(self, now: Nanos) -> None:
        """Lose power and come back: the stream begins anew with a packet, half a command is forgotten."""
        self.advance(now)
        self._switch_on(now)
