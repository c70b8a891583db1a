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
from modellab.speech.container import CONTAINER_SUFFIXES, container_duration_s, read_container

SAMPLE_RATE_HZ = 16_000
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", *CONTAINER_SUFFIXES})

_SEEKS_NEARBY = {
    "MP3",
    "MPEG",
}  # libsndfile lands some frames off, also after each read; one read from the start is right

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """What a file holds, before it is made what a model hears: float32, (frames, channels), at its own rate."""

    samples: Samples
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[0] / self.rate_hz)

    def heard(self) -> Audio:
        """Give the audio that a model hears: channels averaged, 16 kHz, clipped to [-1, 1].

        Raises:
            BadAudio: when there are no samples, or some are not finite.
        """
        mono = np.asarray(self.samples.mean(axis=1, dtype=np.float32))
        if self.rate_hz != SAMPLE_RATE_HZ:
            mono = np.asarray(soxr.resample(mono, self.rate_hz, SAMPLE_RATE_HZ), dtype=np.float32)
        audio = Audio(samples=mono)  # before clipping, which would turn an infinity into a 1
        return Audio(samples=np.clip(audio.samples, -1.0, 1.0))


def read_audio(path: Path, start_s: float = 0.0, end_s: float | None = None) -> Audio:
    """Give the audio of a file, or of the stretch from `start_s` to `end_s` (None: to its end), as a model hears it.

    Raises:
        BadAudio: when the file is missing, empty, not audio, or holds samples that are not finite there.
    """
    recording = read_recording(path, start_s, end_s)
    try:
        return recording.heard()
    except BadAudio as error:
        raise BadAudio(f"{path}: {error}") from error


def read_recording(path: Path, start_s: float = 0.0, end_s: float | None = None) -> Recording:
    """Give a wav, flac, ogg or mp3 file, or a stretch of it, as it is; m4a, mp4, webm and aac where PyAV is installed.

    Only the stretch is read, but of an mp3 everything before it too. A stretch that reaches beyond the end of the
    file ends there.

    Raises:
        BadAudio: when the file is missing, not audio, or holds no samples there.
    """
    if not path.is_file():
        raise BadAudio(f"no audio file at {path}")
    read = read_container if path.suffix.lower() in CONTAINER_SUFFIXES else _read_sound_file
    samples, rate_hz = read(path, start_s, end_s)
    if samples.shape[0] == 0:
        stretch = f" between {start_s:g} s and {'its end' if end_s is None else f'{end_s:g} s'}"
        raise BadAudio(f"{path} holds no samples{stretch if start_s or end_s is not None else ''}")
    return Recording(samples=samples, rate_hz=rate_hz)


def stated_duration_s(path: Path) -> float:
    """Give the seconds that a file's header states; 0 where it is no audio, which reading it will tell."""
    if path.suffix.lower() in CONTAINER_SUFFIXES:
        return container_duration_s(path)
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.SoundFileError, TypeError):
        return 0.0


def _read_sound_file(path: Path, start_s: float, end_s: float | None) -> tuple[Samples, int]:
    try:
        with soundfile.SoundFile(path) as file:
            first = min(round(start_s * file.samplerate), file.frames)
            wanted = -1 if end_s is None else max(round(end_s * file.samplerate) - first, 0)
            if first and file.format in _SEEKS_NEARBY:
                heard = file.read(-1 if end_s is None else first + wanted, dtype="float32", always_2d=True)[first:]
            else:
                file.seek(first)
                heard = file.read(wanted, dtype="float32", always_2d=True)
            return heard, int(file.samplerate)
    except (soundfile.SoundFileError, TypeError) as error:
        raise BadAudio(f"{path} is not audio that can be read (wav, flac, ogg, mp3): {error}") from error
