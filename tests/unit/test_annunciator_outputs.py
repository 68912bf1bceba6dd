"""What is heard, seen and printed: the sounds as waves, a lamp's lines, the console, with time passed in."""

import cmath
import io
import math
import os
import wave
from array import array
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from infusion_gateway.config.settings import LightSettings
from infusion_gateway.core.bedside import QUIET, Burst, alone
from infusion_gateway.core.signals import BURSTS
from infusion_gateway.model.alarm import Priority, Sound
from infusion_gateway.model.metric import SECOND, Nanos
from infusion_gateway.runtime.annunciator import tones
from infusion_gateway.runtime.annunciator.console import Console, line
from infusion_gateway.runtime.annunciator.light import AGAIN, GpioLight
from infusion_gateway.runtime.annunciator.sound import BURSTS as EVERY
from infusion_gateway.runtime.annunciator.sound import LONGER_S, Files

HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


def samples(data: bytes) -> array:
    """Read a WAV file as anybody's player would."""
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, tones.RATE)
        return array("h", file.readframes(file.getnframes()))


def pulses(found: array) -> list[tuple[float, float]]:
    """Find the pulses: when each begins and how long it is, in seconds."""
    step = tones.RATE // 100
    loud = [max(abs(v) for v in found[n : n + step]) > 300 for n in range(0, len(found), step)]
    edges = [n for n in range(len(loud) + 1) if (n < len(loud) and loud[n]) != (n > 0 and loud[n - 1])]
    return [(a / 100, (b - a) / 100) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def level(found: array, at_s: float, length_s: float, hertz: float) -> float:
    """Give how much of a frequency is in a stretch (one bin of a discrete Fourier transform), in decibels."""
    part = found[round(at_s * tones.RATE) : round((at_s + length_s) * tones.RATE)]
    turn = -2j * math.pi * hertz / tones.RATE
    return 20 * math.log10(abs(sum(v * cmath.exp(turn * n) for n, v in enumerate(part))) / len(part) + 1e-9)


@pytest.mark.requirement("S15")
@pytest.mark.parametrize(
    ("priority", "melody"), [(HIGH, "CdgCd" * 2), (MEDIUM, "Cdg"), (LOW, "ec")], ids=["high", "medium", "low"]
)
def test_the_melody_tells_priority_and_drug_delivery(priority: Priority, melody: str) -> None:
    """Pins number and pitch of the pulses: high C d g, C d, twice; medium C d g; low e c."""
    found = samples(tones.burst(priority, reminder=False))
    heard = pulses(found)
    assert len(heard) == len(melody) == BURSTS[priority][0]
    for (at, length), note in zip(heard, melody, strict=True):
        loudest = max(tones.PITCHES, key=lambda name: level(found, at, length, tones.PITCHES[name]))
        assert loudest == note
    assert len(found) / tones.RATE == pytest.approx(tones.length_s(priority), abs=0.01)


def test_a_high_burst_is_five_and_five_and_over_before_the_next() -> None:
    """Pins the rhythm: a longer pause after the third pulse, the longest in the middle, and room to the next burst."""
    heard = pulses(samples(tones.burst(HIGH, reminder=False)))
    gaps = [b - a - length for (a, length), (b, _) in pairwise(heard)]
    assert max(range(9), key=gaps.__getitem__) == 4
    for third in (2, 7):
        assert gaps[third] > 1.5 * max(gaps[n] for n in (0, 1, 3, 5, 6, 8))
    every = BURSTS[HIGH][1]
    assert every is not None
    assert every / SECOND - tones.length_s(HIGH) >= 2


@pytest.mark.requirement("S16")
@pytest.mark.parametrize("priority", list(Priority))
def test_every_pulse_has_four_partials_or_more_in_the_band(priority: Priority) -> None:
    """Pins partials between 300 and 4000 Hz within 15 dB of the loudest, in every pulse, and no clipping."""
    found = samples(tones.burst(priority, reminder=False))
    assert max(abs(v) for v in found) < 32767
    notes = {HIGH: "CdgCdCdgCd", MEDIUM: "Cdg", LOW: "ec"}[priority]
    for (at, length), note in list(zip(pulses(found), notes, strict=True))[:3]:
        partials = [k * tones.PITCHES[note] for k in range(1, 20) if k * tones.PITCHES[note] <= 4000]
        levels = {hertz: level(found, at, length, hertz) for hertz in partials}
        strong = [hertz for hertz in partials if hertz >= 300 and levels[hertz] > max(levels.values()) - 15]
        assert len(strong) >= 4, (note, levels)


def test_a_reminder_is_one_pulse_and_a_try_is_silence(tmp_path: Path) -> None:
    """Pins the two that are no bursts, and that a file of each is there for the player."""
    files = Files(tmp_path)
    assert len({files.path(burst) for burst in EVERY}) == 7
    for burst in EVERY:
        heard = pulses(samples(files.path(burst).read_bytes()))
        wanted = 0 if burst.priority is None else 1 if burst.reminder else BURSTS[burst.priority][0]
        assert len(heard) == wanted, burst
    assert len(samples(files.path(Burst(None, reminder=False)).read_bytes())) > 0


def test_a_file_that_was_tidied_away_is_written_again(tmp_path: Path) -> None:
    """Pins that what cleans temporary files after some days does not make the alarm mute; a full disk is an OSError."""
    files = Files(tmp_path / "tones")
    high = files.path(Burst(HIGH, reminder=False))
    before = high.read_bytes()
    high.unlink()
    high.parent.rmdir()
    assert files.path(Burst(HIGH, reminder=False)).read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="File exists"):
        Files(tmp_path / "file").path(Burst(HIGH, reminder=False))


def test_a_player_that_hangs_is_ended_before_the_next_burst() -> None:
    """Pins that no burst is cut off by the next one of its own rhythm, which would hide that it never ends."""
    for priority, (_, repeat) in BURSTS.items():
        assert repeat is None or tones.length_s(priority) + LONGER_S < repeat / SECOND


# --- the console


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (QUIET, "chair-1 quiet"),
        (alone("Clamp the line"), "chair-1 !!! HIGH sounding, high light: Clamp the line"),
        (
            replace(alone("x", MEDIUM), sound=Sound.REMINDER, more=2),
            "!! MEDIUM reminding, medium light: x (and 2 more)",
        ),
        (replace(QUIET, light=LOW, text="known"), "chair-1 ! LOW silent, low light: known"),
        (replace(alone("a\nb\x1b[2J")), "HIGH sounding, high light: a b [2J"),
    ],
)
def test_a_line_says_it_in_words_and_symbols(shown: object, words: str) -> None:
    """Pins priority by symbol and word, sound, light and text; no control character reaches the terminal."""
    written = line("chair-1", shown, 0)  # type: ignore[arg-type]  # an Annunciation
    assert written.startswith("1970-01-01T00:00:00.000Z chair-1")
    assert written.endswith(words)
    assert written.isprintable()


def test_a_console_that_nobody_reads_holds_nothing_up() -> None:
    """Pins that a full pipe loses lines, says so, and takes them again once there is room; a closed one says so."""
    read_end, write_end = os.pipe()
    console = Console(write_end)
    for _ in range(3000):
        console.show("x" * 100)
    assert console.why == "nobody reads it"
    os.read(read_end, 1 << 20)
    console.show("again")
    assert not console.why
    os.close(read_end)
    console.show("gone")
    assert "it is gone" in console.why
    os.close(write_end)


# --- the lamp on GPIO lines


class Pins:
    """GPIO lines: what they are, and what is wrong with them."""

    def __init__(self) -> None:
        self.levels = {17: False, 27: False, 22: False}
        self.sets: list[dict[int, bool]] = []
        self.broken: Exception | None = None
        self.stuck: int | None = None
        self.released = 0

    def set(self, levels: dict[int, bool]) -> None:
        if self.broken:
            raise self.broken
        self.sets.append(dict(levels))
        self.levels |= {pin: lit for pin, lit in levels.items() if pin != self.stuck}

    def get(self) -> dict[int, bool]:
        if self.broken:
            raise self.broken
        return dict(self.levels)

    def release(self) -> None:
        self.released += 1
        if self.broken:
            raise self.broken


class Lamp:
    """A lamp on them, and the time."""

    def __init__(self) -> None:
        self.now: Nanos = SECOND
        self.pins = Pins()
        self.missing: Exception | None = None
        colours = ((HIGH, 17), (MEDIUM, 27), (LOW, 22))
        settings = LightSettings(None, Path("/dev/gpiochip0"), 0, colours, active_low=False, flashes_itself=False)
        self.light = GpioLight(settings, self._ask)
        self.asked = 0

    def _ask(self, _: LightSettings) -> Pins:
        self.asked += 1
        if self.missing:
            raise self.missing
        return self.pins

    def show(self, lit: Priority | None, seconds: float = 0) -> str:
        self.now += int(seconds * SECOND)
        self.light.show(lit, self.now)
        return self.light.why(self.now)


def test_one_colour_is_lit_and_set_once() -> None:
    """Pins each colour's own line, the others dark, and no write for what is as it was."""
    lamp = Lamp()
    assert lamp.light.why(0) == "it was not tried yet"
    for lit, pin in ((HIGH, 17), (MEDIUM, 27), (LOW, 22), (None, 0)):
        assert lamp.show(lit, 1) == ""
        assert lamp.show(lit, 1) == ""
        assert [p for p, level in lamp.pins.levels.items() if level] == ([pin] if pin else [])
    assert len(lamp.pins.sets) == 4


def test_a_line_that_does_not_follow_is_told() -> None:
    """Pins that what is set is read back, by its number; and that it is well again once it follows."""
    lamp = Lamp()
    lamp.show(None)
    lamp.pins.stuck = 17
    assert lamp.show(HIGH, 1) == "line 17 does not do what it is told"
    lamp.pins.stuck = None
    lamp.show(None, 1)
    assert lamp.show(HIGH, 1) == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(19, "No such device"), "No such device"), (ImportError("gpiod"), "infusion-gateway[gpio]")],
)
def test_a_chip_that_is_not_there_is_looked_for_again(error: Exception, words: str) -> None:
    """Pins the reason, one try every two seconds, and the colour of now once it is there."""
    lamp = Lamp()
    lamp.missing = error
    assert words in lamp.show(HIGH)
    lamp.show(HIGH, 1)
    assert lamp.asked == 1
    lamp.missing = None
    assert lamp.show(MEDIUM, AGAIN / SECOND) == ""
    assert lamp.asked == 2
    assert lamp.pins.levels[27]


def test_a_chip_that_goes_away_is_let_go_of() -> None:
    """Pins that any error of the library makes the lamp dark and looked for, though it can't even be released."""
    lamp = Lamp()
    lamp.show(None)
    lamp.pins.broken = RuntimeError("the request was released")
    assert "released" in lamp.show(HIGH, 1)
    assert lamp.pins.released == 1
    lamp.pins.broken = None
    assert lamp.show(HIGH, AGAIN / SECOND) == ""
    assert lamp.pins.levels[17]


def test_the_library_that_drives_them_is_the_one_named() -> None:
    """Pins the names that we use of libgpiod's Python library, where it is installed."""
    gpiod = pytest.importorskip("gpiod", reason="libgpiod's Python library is not installed")
    assert gpiod.line.Direction.OUTPUT
    assert gpiod.line.Value.ACTIVE is not gpiod.line.Value.INACTIVE
    lamp = GpioLight(
        LightSettings(None, Path("/nowhere/gpiochip9"), 0, ((HIGH, 1),), active_low=True, flashes_itself=False)
    )
    lamp.show(HIGH, 1)
    assert "/nowhere/gpiochip9" in lamp.why(1)
