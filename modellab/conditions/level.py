"""Level: how loud speech is, and audio brought back to full scale."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from modellab.errors import BadAudio
from modellab.speech.audio import SAMPLE_RATE_HZ, Audio

FRAME_SAMPLES = SAMPLE_RATE_HZ * 20 // 1000
ACTIVE_DB = 40.0

Signal: TypeAlias = npt.NDArray[Any]


def active(samples: Signal) -> npt.NDArray[np.bool_]:
    """Tell of each sample whether somebody speaks there: shape (samples,), all False in digital silence.

    Somebody speaks in a frame of 20 ms whose power is at most 40 dB below that of the loudest frame.

    Source: Taal et al. 2011, "An algorithm for intelligibility prediction of time-frequency weighted noisy speech",
    which leaves out silence by the same 40 dB.
    """
    starts = np.arange(0, samples.size, FRAME_SAMPLES)
    lengths = np.diff(starts, append=samples.size)
    powers = np.add.reduceat(np.square(samples, dtype=np.float64), starts) / lengths
    speaks = (powers > 0) & (powers >= powers.max() * 10 ** (-ACTIVE_DB / 10))
    return np.repeat(speaks, lengths)


def snr_db(speech: Signal, noise: Signal) -> float:
    """Give the power of speech over that of noise in dB, both over the samples where somebody speaks."""
    speaks = active(speech)
    return float(10 * np.log10(_power(speech[speaks]) / _power(noise[speaks])))


def mix(speech: Signal, noise: Signal, wanted_db: float) -> Audio:
    """Give speech with noise added so that `snr_db` of them is as wanted; both are of shape (samples,).

    Where the sum would exceed full scale all of it is made quieter, which leaves the ratio as it is.

    Raises:
        BadAudio: when speech or noise is digital silence, of which there is no ratio.
    """
    for what, samples in (("it", speech), ("the noise", noise[active(speech)])):
        if not samples.any():
            raise BadAudio(f"{what} is digital silence, so no noise lies {wanted_db:g} dB below it")
    gain = 10 ** ((snr_db(speech, noise) - wanted_db) / 20)
    return within_scale(speech.astype(np.float64) + gain * noise)


def within_scale(samples: Signal) -> Audio:
    """Give audio of these samples, made quieter as a whole where one exceeds full scale."""
    return Audio(samples=(samples / max(1.0, float(np.abs(samples).max(initial=0.0)))).astype(np.float32))


def clipped(samples: Signal) -> Audio:
    """Give audio of these samples, cut off at full scale."""
    return Audio(samples=np.clip(samples, -1.0, 1.0).astype(np.float32))


def unit_level(samples: Signal) -> Signal:
    """Give samples whose power is 1 where somebody speaks; digital silence stays what it is."""
    power = _power(samples[active(samples)])
    return samples / np.sqrt(power) if power else samples


def _power(samples: Signal) -> float:
    return float(np.square(samples, dtype=np.float64).mean()) if samples.size else 0.0
