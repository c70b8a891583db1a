"""Telephone: speech as the public network carries it."""

import io
from dataclasses import dataclass, field

import numpy as np
import soundfile
import soxr

from modellab.conditions.length import fitted
from modellab.conditions.level import Signal, clipped
from modellab.conditions.still import Still
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.effect import Condition

LINE_RATE_HZ = 8_000
BAND_HZ = (300.0, 3400.0)
LAWS = {"mu": "ULAW", "a": "ALAW"}

_HALF_TAPS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Telephone(Still):
    """A line of 8 kHz from 300 to 3400 Hz, coded in 8 bits by the mu-law (America, Japan) or the A-law (elsewhere).

    Source: ITU-T G.711 (the laws) and G.712 (the band).
    """

    name: str
    law: str
    version: int = field(default=1, init=False)

    @property
    def condition(self) -> Condition:
        """The telephone; it has no strength."""
        return Condition(kind=self.name)

    def apply(self, audio: Audio, random: np.random.Generator) -> Audio:  # noqa: ARG002 - nothing here is chance
        """Give the audio as it comes out of the line."""
        count = audio.samples.size
        line = soxr.resample(fitted(audio.samples, count + count % 2), SAMPLE_RATE_HZ, LINE_RATE_HZ)
        carried = _carried(_banded(line.astype(np.float64)), LAWS[self.law])
        return clipped(fitted(soxr.resample(carried, LINE_RATE_HZ, SAMPLE_RATE_HZ), count))


def _banded(line: Signal) -> Signal:
    """Give what of the line's frequencies lies in the band, moved by no sample.

    Source: the windowed sinc, Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5; Blackman's window.
    """
    place = np.arange(-_HALF_TAPS, _HALF_TAPS + 1)
    low, high = (2 * edge / LINE_RATE_HZ for edge in BAND_HZ)
    taps = (high * np.sinc(high * place) - low * np.sinc(low * place)) * np.blackman(place.size)
    return np.convolve(line, taps)[_HALF_TAPS:-_HALF_TAPS]


def _carried(line: Signal, subtype: str) -> Signal:
    wire = io.BytesIO()
    soundfile.write(wire, np.clip(line, -1.0, 1.0), LINE_RATE_HZ, format="RAW", subtype=subtype)
    wire.seek(0)
    heard, _ = soundfile.read(wire, samplerate=LINE_RATE_HZ, channels=1, format="RAW", subtype=subtype, dtype="float32")
    return np.asarray(heard)
