"""Cut: a recording that starts too late."""

from dataclasses import dataclass, field

import numpy as np

from modellab.errors import BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.effect import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The first `cut_s` are missing. The reference stays whole, so what was said in them counts as deleted."""

    name: str
    cut_s: float
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The cut and its length in s."""
        return Condition(kind=self.name, strength=self.cut_s, unit="s")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:  # noqa: ARG002 - nothing here is chance
        """Give what is left.

        Raises:
            BadAudio: when that is nothing.
        """
        left = audio.samples[round(self.cut_s * SAMPLE_RATE_HZ) :]
        if left.size == 0:
            raise BadAudio(f"it lasts {audio.duration_s:g} s, so nothing is left of it")
        return Audio(samples=left.copy())

    def moved_s(self, time_s: float, duration_s: float) -> float:  # noqa: ARG002 - as every effect is asked
        """Give when a moment comes afterwards; what was cut off comes at the start."""
        return max(0.0, time_s - self.cut_s)
