"""A synthesised plethysmogram: upstroke and dicrotic notch of each beat, breathing in the baseline, a little noise."""

import random
from math import exp, sin, tau

NOISE = 0.005
"""Half the width of the noise, of a beat's height."""


class Pleth:
    """A waveform at so many samples a second. Two of one seed are alike."""

    __slots__ = ("_chance", "_phase", "_rate", "_samples")

    def __init__(self, seed: int, samples_per_second: int) -> None:
        self._chance = random.Random(seed).random  # noqa: S311 - the noise of a waveform is no secret
        self._rate = samples_per_second
        self._phase = 0.0
        self._samples = 0

    def step(self, pulse: float | None) -> tuple[float, int]:
        """Go on by one sample at a pulse rate, /min, None for no pulse.

        Gives the level, about 0 to 1, and how many samples ago the beat began.
        """
        rate = self._rate
        breath = 0.04 * sin(tau * (self._samples / rate) / 4.3)
        level = 0.5 + breath + (2 * NOISE * self._chance() - NOISE)
        self._samples += 1
        if pulse is None or pulse < 1:
            return level, rate
        phase = self._phase = (self._phase + pulse / 60 / rate) % 1
        beat = exp(-(((phase - 0.2) / 0.1) ** 2)) + 0.35 * exp(-(((phase - 0.5) / 0.12) ** 2))
        return level - 0.2 + 0.6 * beat, int(phase * rate * 60 / pulse)
