"""Speed: a recording played faster or slower."""

from dataclasses import dataclass, field

import numpy as np
import soxr

from modellab.conditions.length import fitted
from modellab.conditions.level import clipped
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.effect import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Speech `factor` times as fast, and as much higher: tempo and pitch change together, as on a tape.

    Source: Ko et al. 2015, "Audio augmentation for speech recognition".
    """

    name: str
    factor: float
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The speed, as a multiple of what it was."""
        return Condition(kind=self.name, strength=self.factor, unit="x")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:  # noqa: ARG002 - nothing here is chance
        """Give the audio at the other speed; above 1x, what would lie beyond 8 kHz is lost.

        Raises:
            BadAudio: when it is so short that nothing is left.
        """
        heard = soxr.resample(audio.samples, SAMPLE_RATE_HZ * self.factor, SAMPLE_RATE_HZ)
        return clipped(fitted(heard, round(audio.samples.size / self.factor)))

    def moved_s(self, time_s: float, duration_s: float) -> float:  # noqa: ARG002 - as every effect is asked
        """Give when a moment comes afterwards."""
        return time_s / self.factor
