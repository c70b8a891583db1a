"""Effect: something done to audio before a model hears it, such as noise, a telephone or a codec."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from modellab.speech.audio import Audio


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What was done to audio, and how strongly: `noise` at 10 `dB`. `strength` is None where it has none."""

    kind: str
    strength: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        return self.kind if self.strength is None else f"{self.kind}:{self.strength:g}{self.unit}"


class Effect(Protocol):
    """A frozen value that changes audio. Equal effects with equal seeds give equal audio on one machine."""

    @property
    def condition(self) -> Condition:
        """What it does, for people and for records."""
        ...

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:
        """Give the changed audio.

        Raises:
            BadAudio: when nothing would be left of it.
        """
        ...

    def moved_s(self, time_s: float, duration_s: float) -> float:
        """Give when a moment of audio that lasts `duration_s` comes afterwards; the end gives the new duration."""
        ...


@runtime_checkable
class Personal(Protocol):
    """An effect that is another for each utterance, such as babble, in which nobody hears their own words."""

    def done_to(self, utterance: str) -> Effect:
        """Give the effect as it is done to the utterance of this id; it moves the same moments by as much."""
        ...
