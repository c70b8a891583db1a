"""Room: speech with the echo of a room that is made up."""

from dataclasses import dataclass, field

import numpy as np

from modellab.conditions.level import Signal, within_scale
from modellab.conditions.still import Still
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.effect import Condition

_DECAY = 3 * np.log(10)  # amplitude falls by 60 dB in one reverberation time


@dataclass(frozen=True, slots=True, kw_only=True)
class Room(Still):
    """A room whose sound falls by 60 dB in `rt60_s`; each utterance is heard in another of its places.

    The direct sound comes when it came before, and carries as much energy as the echo, which is so at the critical
    distance of a room. The echo is noise that decays exponentially: Polack 1988, "La transmission de l'energie sonore
    dans les salles". What follows the end of the audio is cut off, and the whole is as loud as before.
    """

    name: str
    rt60_s: float
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The room and its reverberation time in s."""
        return Condition(kind=self.name, strength=self.rt60_s, unit="s")

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:
        """Give the audio as it sounds in the room."""
        dry = audio.samples.astype(np.float64)
        wet = _convolved(dry, impulse_response(self.rt60_s, random))
        power = np.square(wet).mean()
        return within_scale(wet * np.sqrt(np.square(dry).mean() / power) if power else wet)


def impulse_response(rt60_s: float, random: np.random.Generator) -> Signal:
    """Give what a room makes of an impulse: float64, (1 + samples in `rt60_s`,), first the impulse itself, as 1."""
    count = max(1, round(rt60_s * SAMPLE_RATE_HZ))
    time_s = np.arange(1, count + 1) / SAMPLE_RATE_HZ
    echo = random.standard_normal(count) * np.exp(-_DECAY * time_s / rt60_s)
    return np.concatenate([[1.0], echo / np.sqrt(np.square(echo).sum())])


def _convolved(dry: Signal, response: Signal) -> Signal:
    length = 1 << (dry.size + response.size - 2).bit_length()
    wet = np.fft.irfft(np.fft.rfft(dry, length) * np.fft.rfft(response, length), length)
    return np.asarray(wet[: dry.size])
