"""Nonin OEM III and Xpod pulse oximeters, serial data formats 2 and 7: 75 frames of 5 bytes a second, 25 a packet.

Facts: the packet receiver of the Pufferfish ventilator (its published test vectors), the mdpnp client, and the formats
as Nonin's OEM specifications describe them. One set of observations a packet, every third of a second:
* SpO2 and pulse are the 4-beat averages of frames 0 to 2, the oximeter's standard values. The extended (8-beat) ones
  lag further behind a fall, the display ones are held for seconds, and fast and beat-to-beat ones are too jumpy.
* Sensor disconnected (SNSD) and sensor alarm (SNSA: plugged in, but its light gives nothing to analyse) are both probe
  off; values held from before are then invalid. 127 and 511 are missing values.
* A packet is only read once the next one's SYNC has come in its place (13 ms later): frames lost or doubled would
  else shift one value into another's place. For the same reason the revision, which never changes, is held against the
  last packet's, and a value against the same average as displayed (frames 8, 19, 20): far from it, it is questionable.
* Artifact, out of track or a red (low) pulse signal make values questionable. Colours are only set during a pulse, so
  red lasts until a better pulse, three seconds at most.

Cautious readings where the facts are thin. The timer of format 7: how fast it counts isn't public, so it must only move
within three seconds. The serial number: asked as mdpnp asks (opcode 74) and read as mdpnp reads (F4, one byte, nine
characters; a checksum byte after them must be right). An OEM III wired for reading only never answers, and is then not
identified: only a device that has answered can be held to a pinned serial number.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from infusion_gateway.devices.checksum import sum8
from infusion_gateway.devices.driver import Bytes, Kind, NoAnswer, Reply, Request, SendBytes, Traits, Use, Wire
from infusion_gateway.devices.framing import Framer, shown
from infusion_gateway.model.metric import FACTS, SECOND, Metric, Nanos
from infusion_gateway.model.observation import (
    Fault,
    FaultKind,
    Identified,
    Observation,
    Reading,
    Sensor,
    SensorReported,
    SensorState,
    Validity,
)

TRAITS = Traits(
    name="nonin_oem3",
    vendor="Nonin",
    model="OEM III / Xpod",
    kind=Kind.MONITOR,
    wire=Wire.SERIAL,
    use=Use.CLINICAL_INTERFACE,
    stoppable=False,
    dead_man=None,
    dead_man_stored_for_ever=False,
    baud=9600,
    framing="8N1",
    silence=0,
    source="Pufferfish packet receiver test vectors; mdpnp Nonin client; Nonin OEM specifications",
)

Format: TypeAlias = Literal["df2", "df7"]

FRAMES = 25
FRAME = 5
MAX_GAP = SECOND
STUCK = 9
"""So many repetitions of one packet, three seconds, are a device that hangs: no pleth is equal to the bit so long."""
BEAT = 9
"""A red pulse counts for so many packets, three seconds: the slowest pulse shows its colour again within that."""
ASK_EVERY, ASKS = 2 * SECOND, 4
REV = 3
FAR_SPO2, FAR_RATE = 10, 20
MISSING_SPO2, MISSING_RATE = 127, 511
SYNC, GREEN, RED, SNSA, OOT, ARTF, SNSD, MARK = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80
STX, ETX, ACK, NAK = 0x02, 0x03, 0x06, 0x15
GET_SERIAL = bytes((STX, 0x74, 2, 2, 2, ETX))
SERIAL_REPLY = 0xF4
HEAD, LONGEST_REPLY = 3, 16
SERIAL_SIZES = (10, 11)
"""Length of the serial number's reply: one byte and nine characters, or a checksum after them."""

_SERIAL = re.compile(rb"[0-9A-Za-z]{9}")


@dataclass(frozen=True, slots=True)
class Frame:
    """One of the 75 frames a second: status bits, pleth and data byte."""

    format: Format
    status: int
    pleth: int
    data: int


@dataclass(frozen=True, slots=True)
class Control:
    """What isn't a frame: an acknowledgement, or a command's reply."""

    data: bytes


def build(address: int, options: Mapping[str, str]) -> "NoninOem3":  # noqa: ARG001 (one signature for all serial drivers)
    """Make the driver; an oximeter has no address. Option format: df2, df7 or auto. ValueError says what won't do."""
    wanted = options.get("format", "auto")
    formats: dict[str, tuple[Format, ...]] = {"auto": ("df2", "df7"), "df2": ("df2",), "df7": ("df7",)}
    if wanted not in formats:
        raise ValueError(f"format {wanted}: nonin_oem3 reads df2, df7 or auto")
    if unknown := set(options) - {"format"}:
        raise ValueError(f"nonin_oem3 has no option {', '.join(sorted(unknown))}; it has format")
    return NoninOem3(formats[wanted])


class NoninOem3:
    """One oximeter that streams. Nothing is said of a packet unless all of its frames came, and the next SYNC after."""

    traits = TRAITS
    awaiting = False

    def __init__(self, formats: tuple[Format, ...]) -> None:
        self._formats = formats
        self._framer: Framer[Frame | Control] = Framer(self._scan, FRAME * FRAMES, MAX_GAP)
        self._forget(0)

    def _forget(self, now: Nanos) -> None:
        self._framer.clear()
        self._heard_at: Nanos | None = None
        self._format: Format | None = None
        self._packet: list[Frame] = []
        self._grown_at: Nanos = now
        self._revision: int | None = None
        self._dropped = 0
        self._last: tuple[Frame, ...] = ()
        self._repeated = 0
        self._weak = 0
        self._asks = ASKS
        self._ask_at: Nanos = now

    def opened(self, now: Nanos) -> None:
        """Start anew: partial input is void, the format is found again and the serial number asked again."""
        self._forget(now)

    def identify(self) -> tuple[Request, ...]:
        """Ask the serial number; many never answer."""
        return (SendBytes(GET_SERIAL, TRAITS.timeout),)

    def next_due(self) -> Nanos | None:
        """Say when the serial number is next asked: a few times after each opening or gap, until it is answered."""
        return self._ask_at if self._asks else None

    def due(self, now: Nanos) -> tuple[Request, ...]:
        """Ask the serial number, where it is time to."""
        if not self._asks or now < self._ask_at:
            return ()
        self._asks -= 1
        self._ask_at = now + ASK_EVERY
        return self.identify()

    def stop(self) -> tuple[Request, ...]:
        """Give nothing: a monitor delivers nothing."""
        return ()

    def dead_man(self, seconds: int) -> tuple[Request, ...]:  # noqa: ARG002 (the protocol's signature)
        """Give nothing: a monitor has none."""
        return ()

    def receive(self, reply: Reply, now: Nanos) -> tuple[Observation | Fault, ...]:
        """Take what came; never raises."""
        match reply:
            case Bytes(data=data):
                if self._heard_at is not None and now - self._heard_at > MAX_GAP:
                    self._forget(now)
                self._heard_at = now if data else self._heard_at
                said: list[Observation | Fault] = []
                for item in self._framer.feed(data, now):
                    said += self._take(item, now)
                return tuple(said)
            case NoAnswer():
                return ()
            case _:
                return (Fault(FaultKind.UNEXPECTED, f"{type(reply).__name__} is no reply of a serial device"),)

    def _scan(self, buffer: bytes) -> tuple[int, Frame | Control | Fault | None]:
        """Find a frame of the format in use, or a control message, at the buffer's beginning."""
        first = buffer[0]
        if first in {ACK, NAK, STX} and not self._framer.hunting:
            return _scan_reply(buffer) if first == STX else (1, Control(buffer[:1]))
        of: Format = "df2" if first == 1 else "df7"
        if (first != 1 and not first & MARK) or of not in self._formats or self._format not in (None, of):
            return 1, None
        if len(buffer) < FRAME:
            return 0, None
        status, checksum = buffer[1] if of == "df2" else first, buffer[4]
        if not status & MARK or checksum != sum8(buffer[:4]):
            return 1, Fault(FaultKind.CHECKSUM, f"a frame's sum is wrong: {shown(buffer[:FRAME])}")
        pleth = buffer[2] if of == "df2" else buffer[1] << 8 | buffer[2]
        return FRAME, Frame(of, status, pleth, buffer[3])

    def _take(self, item: Frame | Control | Fault, now: Nanos) -> Iterable[Observation | Fault]:
        match item:
            case Frame():  # 75 a second
                return self._frame(item, now)
            case Control():
                return self._control(item.data)
            case Fault():
                self._packet.clear()
                if item.kind is FaultKind.OVERFLOW:
                    self._format = None
                return (item,)

    def _control(self, data: bytes) -> Iterable[Observation | Fault]:
        """Take an acknowledgement or a reply; only the serial number's is one that is asked for."""
        if data[0] == ACK:
            return ()
        if data[0] == NAK:
            return (Fault(FaultKind.REFUSED, "the oximeter refused a command"),)
        size, body = data[2], data[3:-1]
        serial = body[1:10]
        summed = size == SERIAL_SIZES[0] or body[-1] == sum8(data[1:-2])
        if data[1] != SERIAL_REPLY or size not in SERIAL_SIZES or not summed or not _SERIAL.fullmatch(serial):
            return (Fault(FaultKind.UNEXPECTED, f"a reply that isn't understood: {shown(data)}"),)
        self._asks = 0
        return (Identified((("vendor", TRAITS.vendor), ("serial-number", serial.decode("ascii")))),)

    def _frame(self, frame: Frame, now: Nanos) -> Iterable[Observation | Fault]:
        """Put a frame in its place. A packet is whole where 25 frames of one format came between two SYNCs."""
        begins, fits = bool(frame.status & SYNC), not self._packet or self._packet[0].format == frame.format
        if begins and fits and len(self._packet) == FRAMES:
            packet, self._packet = tuple(self._packet), [frame]
            whole_at, self._grown_at = self._grown_at, now
            return self._whole(packet, whole_at)
        dropped: tuple[Fault, ...] = ()
        if begins or not fits or len(self._packet) == FRAMES:
            dropped = self._drop(len(self._packet))
            self._packet.clear()
        if not begins and not self._packet:
            return (*dropped, *self._drop(1))
        self._packet.append(frame)
        self._grown_at = now
        return dropped

    def _whole(self, packet: tuple[Frame, ...], at: Nanos) -> Iterable[Observation | Fault]:
        """Take a packet with nothing missing, doubled or out of its place, as far as its fixed part can tell."""
        self._dropped = 0
        self._format = packet[0].format
        revision, self._revision = self._revision, packet[REV].data
        if revision not in {None, self._revision}:
            return (Fault(FaultKind.FRAMING, f"revision {self._revision} where {revision} was: frames out of place"),)
        return self._said(packet, at)

    def _drop(self, frames: int) -> tuple[Fault, ...]:
        """Count good frames that make no packet. The few before a first SYNC are nothing; a packet's worth is."""
        before = self._dropped
        self._dropped += frames
        if frames > 1 or before // FRAMES != self._dropped // FRAMES:
            return (Fault(FaultKind.FRAMING, f"{self._dropped} frames that make no whole packet"),)
        return ()

    def _said(self, packet: tuple[Frame, ...], now: Nanos) -> Iterable[Observation | Fault]:
        """Read a whole packet."""
        bits, weak = 0, max(self._weak - 1, 0)
        for frame in packet:
            bits |= frame.status
            if colour := frame.status & (RED | GREEN):
                weak = BEAT if colour == RED else 0
        data = [frame.data for frame in packet]
        off = bool(bits & (SNSD | SNSA))
        self._weak = 0 if off else weak
        rate = _two(data, 0) & 0x1FF
        if self._stuck(packet, has_pulse=rate != MISSING_RATE and not off):
            return (Fault(FaultKind.FROZEN, f"the same packet for the {self._repeated + 1}th time"),)
        spo2 = data[2] & 0x7F
        doubtful = bits & (ARTF | OOT) or self._weak or _differ(data, spo2, rate)
        validity = Validity.INVALID if off else Validity.QUESTIONABLE if doubtful else Validity.VALID
        return (
            SensorReported(Sensor.PROBE, SensorState.OFF if off else SensorState.ON),
            *_reading(Metric.SPO2, None if spo2 == MISSING_SPO2 else spo2, validity, now),
            *_reading(Metric.PULSE, None if rate == MISSING_RATE else rate, validity, now),
        )

    def _stuck(self, packet: tuple[Frame, ...], *, has_pulse: bool) -> bool:
        """Say whether the device tells one moment again and again: the timer, where there is one, else every bit."""
        last, self._last = self._last, packet
        if not last or last[0].format != packet[0].format:
            self._repeated = 0
            return False
        if packet[0].format == "df7":
            same = _two([f.data for f in last], 5) == _two([f.data for f in packet], 5)
        else:
            same = has_pulse and last == packet
        self._repeated = self._repeated + 1 if same else 0
        return self._repeated >= STUCK


def _two(data: list[int], at: int) -> int:
    """Read a number of two times seven bits, high first."""
    return (data[at] & 0x7F) << 7 | data[at + 1] & 0x7F


def _differ(data: list[int], spo2: int, rate: int) -> bool:
    """Whether a value is far from the same average as displayed: so far as no patient's is within its 1.5 seconds."""
    shown_spo2, shown_rate = data[8] & 0x7F, _two(data, 19) & 0x1FF
    return (MISSING_SPO2 not in {spo2, shown_spo2} and shown_spo2 > 0 and abs(spo2 - shown_spo2) > FAR_SPO2) or (
        MISSING_RATE not in {rate, shown_rate} and shown_rate > 0 and abs(rate - shown_rate) > FAR_RATE
    )


def _reading(metric: Metric, value: int | None, validity: Validity, now: Nanos) -> tuple[Reading | Fault, ...]:
    """Give a value in its metric's unit; one that no patient can have is invalid, whatever the status bits say."""
    if value is None:
        return (Reading(metric, None, Validity.INVALID, now, resolution=1),)
    facts = FACTS[metric]
    if facts.low <= value <= facts.high:
        return (Reading(metric, float(value), validity, now, resolution=1),)
    fault = Fault(FaultKind.RANGE, f"{facts.word} {value} {facts.unit}")
    return (Reading(metric, float(value), Validity.INVALID, now, resolution=1), fault)


def _scan_reply(buffer: bytes) -> tuple[int, Control | Fault | None]:
    """Find STX, opcode, length, data, ETX."""
    if len(buffer) < HEAD:
        return 0, None
    size = buffer[2] + HEAD + 1
    if not buffer[1] & MARK or buffer[2] > LONGEST_REPLY:
        return 1, None
    if len(buffer) < size:
        return 0, None
    return (size, Control(buffer[:size])) if buffer[size - 1] == ETX else (1, None)
