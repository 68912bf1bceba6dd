"""A synthesised plethysmogram: upstroke and dicrotic notch of each beat, breathing in the baseline, a little noise."""

import math
import random


class Pleth:
    """A waveform at so many samples a second. Two of one seed are alike."""

    __slots__ = ("_chance", "_phase", "_rate", "_samples")

    def __init__(self, seed: int, samples_per_second: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - the noise of a waveform is no secret
        self._rate = samples_per_second
        self._phase = 0.0
        self._samples = 0

    def step(self, pulse: float | None) -> tuple[float, int]:
        """Go on by one sample at a pulse rate, /min, None for no pulse.

        Gives the level, about 0 to 1, and how many samples ago the beat began.
        """
        breath = 0.04 * math.sin(math.tau * (self._samples / self._rate) / 4.3)
        level = 0.5 + breath + self._chance.uniform(-0.005, 0.005)
        self._samples += 1
        if pulse is None or pulse < 1:
            return level, self._rate
        self._phase = (self._phase + pulse / 60 / self._rate) % 1
        beat = math.exp(-(((self._phase - 0.2) / 0.1) ** 2)) + 0.35 * math.exp(-(((self._phase - 0.5) / 0.12) ** 2))
        return level - 0.2 + 0.6 * beat, int(self._phase * self._rate * 60 / pulse)
