"""Audio: what a model hears."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from modellab.errors import BadAudio

SAMPLE_RATE_HZ = 16_000

Samples: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audio:
    """Speech as every model here hears it: float32, (samples,), in [-1, 1], mono, 16 kHz.

    Raises:
        BadAudio: on no samples, another shape or type, or samples that are not finite.
    """

    samples: Samples

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise BadAudio(f"audio must be float32 of shape (samples,), not {self.samples.dtype} {self.samples.shape}")
        if self.samples.size == 0:
            raise BadAudio("audio holds no samples")
        if not isfinite(float(np.abs(self.samples).max())):
            raise BadAudio("audio holds samples that are not finite (NaN or infinity)")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / SAMPLE_RATE_HZ


def read_audio(path: Path) -> Audio:
    """Give the audio of a wav, flac, ogg or mp3 file: channels averaged, 16 kHz, clipped to [-1, 1].

    Raises:
        BadAudio: when the file is missing, empty, not audio, or holds samples that are not finite.
    """
    if not path.is_file():
        raise BadAudio(f"no audio file at {path}")
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, TypeError) as error:
        raise BadAudio(f"{path} is not audio that can be read (wav, flac, ogg, mp3): {error}") from error
    if samples.shape[0] == 0:
        raise BadAudio(f"{path} holds no samples")
    mono = np.asarray(samples.mean(axis=1, dtype=np.float32))
    if rate_hz != SAMPLE_RATE_HZ:
        mono = np.asarray(soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)
    try:
        heard = Audio(samples=mono)  # before clipping, which would turn an infinity into a 1
    except BadAudio as error:
        raise BadAudio(f"{path}: {error}") from error
    return Audio(samples=np.clip(heard.samples, -1.0, 1.0))


def stated_duration_s(path: Path) -> float:
    """Give the seconds that a file's header states; 0 where it is no audio, which reading it will tell."""
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.SoundFileError, TypeError):
        return 0.0
