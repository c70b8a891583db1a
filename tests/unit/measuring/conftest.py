"""Utterances on this disk, a place for records, and what a model wrote before."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from modellab.measuring.accuracy import Place
from modellab.records.transcripts import FILE, TranscriptCache
from modellab.speech.audio import SAMPLE_RATE_HZ
from modellab.speech.utterance import Utterance


@pytest.fixture
def utterance(tmp_path: Path) -> Callable[..., Utterance]:
    """A maker of utterances; `broken` audio cannot be read."""

    def make(id: str = "u1", duration_s: float = 1.0, *, broken: bool = False, **facts: Any) -> Utterance:  # noqa: A002
        audio = tmp_path / f"{id}.wav"
        soundfile.write(audio, np.full(round(duration_s * SAMPLE_RATE_HZ), 0.1, np.float32), SAMPLE_RATE_HZ)
        if broken:
            audio.write_bytes(b"not audio")
        known = {"audio": audio, "duration_s": duration_s, "reference": f"this is {id}", "language": "en"}
        return Utterance(id=id, **{**known, **facts})

    return make


@pytest.fixture
def place() -> Place:
    """Where the records of these tests belong."""
    return Place(model="fake:none:cpu:float32", corpus="tones", lane="accuracy", session=2)


@pytest.fixture
def transcripts(tmp_path: Path) -> Iterator[TranscriptCache]:
    """What a model wrote before: nothing yet."""
    with closing(TranscriptCache(tmp_path / FILE, "model")) as opened:
        yield opened
