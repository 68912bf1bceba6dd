"""The Nonin OEM III / Xpod oximeter: data formats 2 and 7, streaming from power-on, and the commands that are public.

Sources: mdpnp's NoninPulseOx client (commands, packet, format 7), pufferfish's packet receiver and its test vectors
(format 2, status bits), PyPI nonin (status bits). 75 frames a second, 25 to a packet, 5 bytes to a frame.

Not public, and modelled with caution: the checksum of the serial number's answer (its place is known, how it is made is
taken from the format command), what DF7's timer counts (here: packets), and what becomes of a format over a power cycle
(here: kept). Every other command is answered NAK. Every average shows the value that was set: a settled patient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infusion_simulators.device import SECOND, Nanos, Value
from infusion_simulators.dialects import Description, Kind, Settings
from infusion_simulators.dialects._nonin_frames import (
    ACK,
    COMMAND_ID,
    FRAMES,
    FRAMES_PER_SECOND,
    GET_SERIAL,
    MISSING_HR,
    MISSING_SPO2,
    NAK,
    SERIAL_LENGTH,
    SET_FORMAT,
    TIMER_MODULUS,
    Commands,
    Flags,
    Format,
    Perfusion,
    Values,
    frame,
    packet_data,
    serial_answer,
    status,
)
from infusion_simulators.patient import VARIATION, VITALS, Patient
from infusion_simulators.pleth import Pleth
from infusion_simulators.pump_keys import one_of

START_UP: Nanos = SECOND // 10
"""From power-on to the first frame. How long the real one takes isn't public; here just not at once."""
CATCH_UP = FRAMES
"""A device doesn't send the past: of what was missed, at most this many frames still come."""
MAX_PENDING = 2048
"""Bytes that wait to be taken, five seconds' worth; beyond, frames are lost as on a line nobody reads."""
PULSE_FRAMES = 12
"""How long the perfusion colour of a pulse is shown, frames."""
MAX_REPLIES = 8
FORMATS = {2: Format.DF2, 7: Format.DF7}
"""By the number that the host's command names."""
GAIN = {Perfusion.NONE: 0.0, Perfusion.RED: 0.1, Perfusion.YELLOW: 0.4, Perfusion.GREEN: 1.0}
"""How much of a full beat the pleth shows."""
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


def create(settings: Settings, seed: int) -> "NoninOem3":
    """Make one, streaming format 2 from `settings.now` on, on a patient of this seed."""
    return NoninOem3(settings.now, seed)


@dataclass(frozen=True, slots=True)
class _Face:
    """What every frame shows, by the settings alone: its status byte during a pulse and between two, but for SYNC."""

    on: bool
    gain: float
    during_pulse: int
    between: int


class NoninOem3:
    """An oximeter on its line. Frame n is sent n/75 s after the first, by the time `advance` is given: no drift."""

    def __init__(self, now: Nanos, seed: int) -> None:
        self._patient = Patient(seed)
        self._pleth_wave = Pleth(seed, FRAMES_PER_SECOND)
        self._settings: dict[str, str] = {
            "probe": "on",
            "artifact": "off",
            "out_of_track": "off",
            "perfusion": Perfusion.GREEN.value,
            "battery": "ok",
            "format": Format.DF2.value,
            "serial_number": "501234567",
        }
        self._switch_on(now)

    def _switch_on(self, now: Nanos) -> None:
        self._begin = now + START_UP
        self._next = 0
        self._packet = -1
        self._data: Sequence[int] = ()
        self._form = Format(self._settings["format"])
        self._replies: list[bytes] = []
        self._out = bytearray()
        self._commands = Commands()
        self._face = self._now_shown()

    # -- the stream ----------------------------------------------------------------------------------------------------

    def advance(self, now: Nanos) -> None:
        """Send the frames that are due; what was missed for longer than a packet is lost."""
        last = (now - self._begin) * FRAMES_PER_SECOND // SECOND
        if last < self._next:
            return
        for number in range(max(self._next, last + 1 - CATCH_UP), last + 1):
            self._send_frame(number, self._begin + number * SECOND // FRAMES_PER_SECOND)
        self._next = max(self._next, last + 1)

    def next_deadline(self) -> Nanos | None:
        """Say when the next frame is due."""
        return self._begin - (-self._next * SECOND // FRAMES_PER_SECOND)

    def take(self, now: Nanos) -> bytes:
        """Give the bytes that the device has sent."""
        self.advance(now)
        if not self._out:
            return b""
        out = bytes(self._out)
        self._out.clear()
        return out

    def _send_frame(self, number: int, at: Nanos) -> None:
        packet, position = divmod(number, FRAMES)
        if packet != self._packet:
            self._begin_packet(packet, at)
        face = self._face
        level, since_beat = self._pleth_wave.step(self._patient.at("pulse", at) if face.on else None)
        shown = face.during_pulse if since_beat < PULSE_FRAMES else face.between
        pleth = self._pleth(level, face.gain) if face.on else 0
        self._emit(frame(self._form, shown if position else shown | 1, pleth, self._data[position]))

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

    def _now_shown(self) -> _Face:
        """Say what every frame shows until a setting is changed."""
        flags, perfusion = self._flags(), Perfusion(self._settings["perfusion"])
        return _Face(
            on=self._settings["probe"] == "on",
            gain=GAIN[perfusion],
            during_pulse=status(flags, perfusion, sync=False),
            between=status(flags, Perfusion.NONE, sync=False),
        )

    def _pleth(self, level: float, gain: float) -> int:
        """Give the waveform's number: the weaker the perfusion, the smaller the beat."""
        highest = 0xFF if self._form is Format.DF2 else 0xFFFF
        part = 0.5 + gain * (level - 0.5)
        return round(part * highest) if 0.0 < part < 1.0 else (highest if part > 0 else 0)

    def _emit(self, data: bytes) -> None:
        if len(self._out) + len(data) <= MAX_PENDING:
            self._out += data

    # -- the host's commands -------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: Nanos) -> None:
        """Take bytes from the host, split anywhere; never raises; holds a bounded buffer."""
        self.advance(now)
        for opcode, command in self._commands.feed(data, now):
            if len(self._replies) < MAX_REPLIES:
                self._replies.append(self._obey(opcode, command))

    def _obey(self, opcode: int, data: bytes) -> bytes:
        """Carry out a command; its answer waits for the end of the packet."""
        if opcode == GET_SERIAL and data == bytes((COMMAND_ID, COMMAND_ID)):
            return serial_answer(self._settings["serial_number"])
        if opcode != SET_FORMAT or len(data) not in (2, 4) or data[0] != COMMAND_ID or data[1] not in FORMATS:
            return NAK
        if len(data) == 4 and data[3] != (opcode + len(data) + sum(data[:3])) & 0xFF:  # noqa: PLR2004 - the long form
            return NAK
        self._settings["format"] = FORMATS[data[1]].value
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
        self._face = self._now_shown()

    def press(self, key: str, now: Nanos) -> None:
        """Refuse: the module has no keypad."""
        self.advance(now)
        raise ValueError(f"{key}: an oximeter module has no keypad")

    def power_cycle(self, now: Nanos) -> None:
        """Lose power and come back: the stream begins anew with a packet, half a command is forgotten."""
        self.advance(now)
        self._switch_on(now)
