"""Pause: silence that was not there."""

from dataclasses import dataclass, field

import numpy as np

from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.effect import Condition

PLACES = {"start": 0.0, "middle": 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Digital silence of `pause_s`, before everything (`start`) or in the `middle`.

    The middle is half of the duration, wherever that falls: like a connection that stalls it may part a word, of which
    nothing is lost.
    """

    name: str
    pause_s: float
    place: str
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The silence and its length in s."""
        return Condition(kind=self.name, strength=self.pause_s, unit="s")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:  # noqa: ARG002 - nothing here is chance
        """Give the audio with the silence in it."""
        first = self._first(audio.samples.size)
        silence = np.zeros(round(self.pause_s * SAMPLE_RATE_HZ), dtype=np.float32)
        return Audio(samples=np.concatenate([audio.samples[:first], silence, audio.samples[first:]]))

    def moved_s(self, time_s: float, duration_s: float) -> float:
        """Give when a moment comes afterwards: later by the silence, unless it came before that."""
        first_s = self._first(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        return time_s if time_s < first_s else time_s + self.pause_s

    def _first(self, count: int) -> int:
        return int(count * PLACES[self.place])
