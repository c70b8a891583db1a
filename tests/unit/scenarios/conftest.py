"""Utterances on this disk, and fakes in processes of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from modellab.measuring.blueprint import Blueprint
from modellab.scenarios.performing import Ensemble, Piece, example_of
from modellab.speech.audio import SAMPLE_RATE_HZ
from modellab.speech.utterance import Corpus, Utterance
from modellab.testing import FakeBackend


@pytest.fixture
def utterance(tmp_path: Path) -> Callable[..., Utterance]:
    """A maker of utterances."""

    def make(id: str = "u1", duration_s: float = 1.0, **facts: Any) -> Utterance:  # noqa: A002
        audio = tmp_path / f"{id}.wav"
        soundfile.write(audio, np.full(round(duration_s * SAMPLE_RATE_HZ), 0.1, np.float32), SAMPLE_RATE_HZ)
        known = {"audio": audio, "duration_s": duration_s, "reference": f"this is {id}", "language": "en"}
        return Utterance(id=id, **{**known, **facts})

    return make


@pytest.fixture
def corpus(utterance: Callable[..., Utterance]) -> Corpus:
    """Four utterances of 0.1 to 0.4 seconds."""
    return Corpus(name="tones", utterances=tuple(utterance(f"u{n}", n / 10) for n in range(1, 5)), revision="r")


@pytest.fixture
def piece() -> Piece:
    """What is performed here."""
    return Piece(model="fake:none:cpu:float32", corpus="tones", session=1)


@pytest.fixture
def ensemble(piece: Piece, corpus: Corpus) -> Callable[..., Ensemble]:
    """A maker of ensembles of a fake of these fields."""

    def make(count: int = 1, **fields: Any) -> Ensemble:
        blueprint = Blueprint.of("fake", FakeBackend(weights=None, **fields))
        return Ensemble(piece=piece, blueprint=blueprint, count=count, example=example_of(corpus), limit_s=60)

    return make
