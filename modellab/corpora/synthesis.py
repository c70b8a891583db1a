"""Sounds that the project makes itself: nobody speaks in any of them, so every word written is wrong."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from modellab.conditions.colour import pink, white
from modellab.errors import BadDefinition
from modellab.speech.audio import SAMPLE_RATE_HZ, Samples
from modellab.speech.utterance import Corpus, Utterance, corpus_of
from modellab.whole import replacing

_FORMANTS_HZ = ((700, 1220, 2600), (300, 2300, 3000), (500, 900, 2400), (400, 2000, 2550))
_SYLLABLES_PER_S = 4.0
_PITCH_HZ = 120.0
LONGEST_S = 600


def silence(count: int, _random: np.random.Generator) -> Samples:
    """Give digital silence: zeros of shape (count,)."""
    return np.zeros(count, dtype=np.float32)


def tone(count: int, _random: np.random.Generator) -> Samples:
    """Give a 440 Hz sine of shape (count,)."""
    return np.sin(2 * np.pi * 440.0 * np.arange(count) / SAMPLE_RATE_HZ).astype(np.float32)


def white_noise(count: int, random: np.random.Generator) -> Samples:
    """Give noise of equal power at all frequencies, of shape (count,), scaled to a peak of 1."""
    return _scaled(white(count, random))


def pink_noise(count: int, random: np.random.Generator) -> Samples:
    """Give noise whose power falls by 3 dB an octave, of shape (count,), scaled to a peak of 1."""
    return _scaled(pink(count, random))


def babble(count: int, random: np.random.Generator) -> Samples:
    """Give something with the pitch, formants and syllables of a voice and no words, of shape (count,)."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    syllable = (time_s * _SYLLABLES_PER_S).astype(int)
    vowels = np.array(_FORMANTS_HZ)[random.integers(len(_FORMANTS_HZ), size=syllable[-1] + 1)]
    pitch_hz = _PITCH_HZ * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time_s))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    voice = np.zeros(count)
    for harmonic in range(1, 30):
        distance_hz = np.abs(harmonic * _PITCH_HZ - vowels[syllable]).min(axis=1)
        voice += np.sin(harmonic * phase) / (1 + (distance_hz / 120.0) ** 2)
    return _scaled(voice * np.sin(np.pi * ((time_s * _SYLLABLES_PER_S) % 1.0)) ** 2)


SOUNDS: Mapping[str, Callable[[int, np.random.Generator], Samples]] = {
    "silence": silence,
    "tone": tone,
    "white-noise": white_noise,
    "pink-noise": pink_noise,
    "babble": babble,
}


def synthesize(sounds: Sequence[Mapping[str, Any]], name: str, folder: Path) -> Corpus:
    """Give a corpus of made sounds, written as 16-bit wav under `folder`; the same sounds give the same files.

    Each sound is a table with `id`, `sound` (one of SOUNDS), `duration_s`, and optionally `peak` (0 to 1) and `seed`.

    Raises:
        BadDefinition: on an unknown sound or a value out of range.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return corpus_of(name, tuple(_utterance(table, folder, f"corpus {name!r}") for table in sounds))


def _utterance(table: Mapping[str, Any], folder: Path, where: str) -> Utterance:
    made = _samples(table, f"{where}, sound {table.get('id')!r}")
    path = folder / f"{table['id']}.wav"
    with replacing(path) as fresh:  # another process may make the same corpus
        soundfile.write(fresh, made, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return Utterance(id=table["id"], audio=path, duration_s=made.size / SAMPLE_RATE_HZ, reference="")


def _samples(table: Mapping[str, Any], where: str) -> Samples:
    unknown = set(table) - {"id", "sound", "duration_s", "peak", "seed"}
    if unknown or not table.get("id") or table["id"] != Path(str(table["id"])).name:
        raise BadDefinition(
            f"{where}: needs an id that names a file, sound and duration_s, may have peak and seed, not {dict(table)}"
        )
    if table.get("sound") not in SOUNDS:
        raise BadDefinition(f"{where}: no sound {table.get('sound')!r}; known: {', '.join(SOUNDS)}")
    try:
        peak, duration_s = float(table.get("peak", 0.5)), float(table.get("duration_s", 0))
        random = np.random.default_rng(int(table.get("seed", 0)))
    except (TypeError, ValueError) as error:
        raise BadDefinition(f"{where}: peak, duration_s and seed must be numbers: {error}") from error
    if not (0 <= peak <= 1 and 1 / SAMPLE_RATE_HZ <= duration_s <= LONGEST_S):
        raise BadDefinition(f"{where}: peak must be 0 to 1 and duration_s at least one sample and up to {LONGEST_S}")
    return SOUNDS[table["sound"]](round(duration_s * SAMPLE_RATE_HZ), random) * np.float32(peak)


def _scaled(samples: np.ndarray[Any, Any]) -> Samples:
    return np.asarray(samples / (np.abs(samples).max() or 1.0), dtype=np.float32)
