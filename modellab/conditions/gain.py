"""Gain: speech made louder or quieter."""

from dataclasses import dataclass, field

import numpy as np

from modellab.conditions.level import clipped
from modellab.conditions.still import Still
from modellab.speech.audio import Audio
from modellab.speech.effect import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain(Still):
    """Every sample by `gain_db`, cut off at full scale."""

    name: str
    gain_db: float
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The gain in dB; negative is quieter."""
        return Condition(kind=self.name, strength=self.gain_db, unit="dB")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:  # noqa: ARG002 - nothing here is chance
        """Give the louder or quieter audio."""
        return clipped(audio.samples * 10 ** (self.gain_db / 20))
