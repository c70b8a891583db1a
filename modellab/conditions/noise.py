"""Noise: a steady sound that nobody makes, added to speech."""

from dataclasses import dataclass, field

import numpy as np

from modellab.conditions.colour import COLOURS
from modellab.conditions.level import mix
from modellab.conditions.still import Still
from modellab.speech.audio import Audio
from modellab.speech.effect import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise(Still):
    """White or pink noise, `snr_db` below the speech where somebody speaks."""

    name: str
    snr_db: float
    sound: str
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The noise and its distance from the speech in dB."""
        return Condition(kind=self.name, strength=self.snr_db, unit="dB")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:
        """Give the audio with noise from its start to its end.

        Raises:
            BadAudio: when it is digital silence.
        """
        return mix(audio.samples, COLOURS[self.sound](audio.samples.size, random), self.snr_db)
