"""Something like speech, and corpora of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modellab.speech.audio import SAMPLE_RATE_HZ, Audio
from modellab.speech.utterance import Corpus, Utterance, corpus_of

MakeSpeech = Callable[..., Audio]


@pytest.fixture
def speech() -> MakeSpeech:
    """A maker of audio: bursts of a buzz at `pitch_hz` with digital silence between them, no louder than `peak`."""

    def make(duration_s: float = 2.0, peak: float = 0.3, pitch_hz: float = 150.0, seed: int = 0) -> Audio:
        time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        buzz = sum(np.sin(2 * np.pi * pitch_hz * n * time_s) / n for n in range(1, 21))
        hiss = np.random.default_rng(seed).normal(0.0, 0.05, time_s.size)
        burst = (buzz + hiss) * (time_s % 0.5 < 0.3)
        return Audio(samples=(peak * burst / np.abs(burst).max()).astype(np.float32))

    return make


@pytest.fixture
def corpus(tmp_path: Path, speech: MakeSpeech) -> Callable[..., Corpus]:
    """A maker of corpora of so many utterances, each of its own pitch and level; in `spoken` something is said."""

    def make(count: int = 6, spoken: int | None = None) -> Corpus:
        utterances = []
        for number in range(count):
            path = tmp_path / f"u{number}.wav"
            audio = speech(1.0 + 0.1 * number, peak=0.4 * 0.6**number, pitch_hz=100.0 + 37 * number)
            soundfile.write(path, audio.samples, SAMPLE_RATE_HZ, subtype="FLOAT")
            said = "a word" if number < (count if spoken is None else spoken) else ""
            utterances.append(Utterance(id=f"u{number}", audio=path, duration_s=audio.duration_s, reference=said))
        return corpus_of("talk", tuple(utterances))

    return make
