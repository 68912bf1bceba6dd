"""The alarm's sounds, made from nothing but numbers: the melody of drug delivery, as WAV. Pure.

High "C d g – C d", twice; medium "C d g"; low "e c" (clinical reference S15); each tone with partials between 300 and
4000 Hz, so that no single frequency masks it (S16). Lengths of pulses and pauses are from general knowledge of IEC
60601-1-8 (standards reference 3.1) and want checking against a licensed copy: a high burst is 2.6 s, a medium one 1 s.
"""

import io
import math
import wave
from array import array
from functools import cache

from infusion_gateway.model.alarm import Priority

RATE = 44_100
LOUDEST = 0.9
PARTIALS = 8
PITCHES = {"c": 261.63, "d": 293.66, "e": 329.63, "g": 392.00, "C": 523.25}
"""Hertz of the notes, C an octave above c (equal temperament, a = 440 Hz)."""
SILENCE_S = 0.1
EDGE = 0.1
"""The part of a pulse in which it rises, and in which it falls."""

Score = tuple[tuple[str, float, float], ...]
"""Note, length, and the pause after it, in seconds."""

_FIVE: Score = (("C", 0.12, 0.08), ("d", 0.12, 0.08), ("g", 0.12, 0.24), ("C", 0.12, 0.08), ("d", 0.12, 0.0))
SCORES: dict[Priority, Score] = {
    Priority.HIGH: (*_FIVE[:4], ("d", 0.12, 0.45), *_FIVE),
    Priority.MEDIUM: (("C", 0.2, 0.2), ("d", 0.2, 0.2), ("g", 0.2, 0.0)),
    Priority.LOW: (("e", 0.2, 0.2), ("c", 0.2, 0.0)),
}


def burst(priority: Priority | None, *, reminder: bool) -> bytes:
    """Give a priority's burst as a WAV file; reminder: its first pulse alone. None: a moment of silence."""
    score: Score = (("", SILENCE_S, 0.0),) if priority is None else SCORES[priority]
    samples = array("h")
    for note, length, pause in score[:1] if reminder else score:
        samples.extend(_pulse(note, length))
        samples.extend(array("h", bytes(2 * round(pause * RATE))))
    return _wav(samples)


def length_s(priority: Priority | None) -> float:
    """Say how long a priority's burst is, in seconds."""
    return SILENCE_S if priority is None else sum(length + pause for _, length, pause in SCORES[priority])


@cache
def _pulse(note: str, length: float) -> "array[int]":
    """Give one pulse: partials that fall off slowly, with soft edges, so that it does not click."""
    count = round(length * RATE)
    if not note:
        return array("h", bytes(2 * count))
    step = 2 * math.pi * PITCHES[note] / RATE
    raw = [sum(math.sin(k * step * n) / math.sqrt(k) for k in range(1, PARTIALS + 1)) for n in range(count)]
    edge = max(1, round(EDGE * count))
    scale = LOUDEST * 32767 / max(abs(value) for value in raw)
    return array(
        "h", (round(value * scale * min(1.0, n / edge, (count - 1 - n) / edge)) for n, value in enumerate(raw))
    )


def _wav(samples: "array[int]") -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return held.getvalue()
