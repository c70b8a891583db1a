"""Clipping: speech too loud for what records it."""

from dataclasses import dataclass, field
from math import ceil

import numpy as np

from modellab.conditions.level import clipped
from modellab.conditions.still import Still
from modellab.errors import BadAudio
from modellab.speech.audio import Audio
from modellab.speech.effect import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipping(Still):
    """The gain at which `percent` of all samples reach full scale, where they are cut off."""

    name: str
    percent: float
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The share of samples that are cut off, in percent."""
        return Condition(kind=self.name, strength=self.percent, unit="%")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:  # noqa: ARG002 - nothing here is chance
        """Give the overdriven audio.

        Raises:
            BadAudio: when fewer samples than should be cut off are other than zero.
        """
        loudness = np.sort(np.abs(audio.samples.astype(np.float64)))
        limit = loudness[-max(1, ceil(loudness.size * self.percent / 100))]
        if not limit:
            raise BadAudio(f"it is digital silence but for less than {self.percent:g} % of its samples")
        return clipped(audio.samples / limit)
