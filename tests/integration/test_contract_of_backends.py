"""The contract on the backends of this package, with real weights and real speech."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from modellab.backends.base import Backend
from modellab.backends.registry import backend_class, weights_for
from modellab.checkpoints.registry import Registry
from modellab.contract import BackendContract
from modellab.corpora.registry import read_corpora
from modellab.corpora.selection import Selection
from modellab.sources.cache import CACHE_VARIABLE, cache_root
from modellab.speech.audio import Audio, read_audio

FIXTURES = Path(__file__).parents[2] / "fixtures"


class RealContract(BackendContract):
    """The contract on whisper-tiny.en, which hears two read sentences."""

    sdk: ClassVar[str]
    compute_type: ClassVar[str] = "float32"

    @classmethod
    def make(cls) -> Backend:
        """Give the backend with its weights, on two threads."""
        pytest.importorskip(cls.sdk)
        checkpoint = Registry.read(FIXTURES / "models.toml").get("whisper-tiny.en")
        weights = weights_for(cls.name, cls.compute_type, checkpoint, _cache())
        return backend_class(cls.name)(weights=weights, compute_type=cls.compute_type, threads=2)

    @classmethod
    def speech(cls) -> Sequence[Audio]:
        """Give two sentences, of 3 s and 7 s."""
        corpus = read_corpora(FIXTURES / "corpora.toml").read(Selection(source="librivox"), _cache())
        return [read_audio(utterance.audio) for utterance in (corpus.utterances[1], corpus.utterances[0])]


class TestOpenAIWhisper(RealContract):
    """The contract on openai-whisper."""

    name, sdk = "openai-whisper", "whisper"


class TestFasterWhisper(RealContract):
    """The contract on faster-whisper."""

    name, sdk = "faster-whisper", "faster_whisper"


class TestFasterWhisperBatched(RealContract):
    """The contract on faster-whisper that hears chunks of a long recording at once."""

    name, sdk = "faster-whisper", "faster_whisper"

    @classmethod
    def make(cls) -> Backend:
        """Give the backend with its weights, for chunks."""
        return replace(super().make(), batched=True)  # type: ignore[call-arg]


class TestTransformers(RealContract):
    """The contract on transformers."""

    name, sdk = "transformers", "transformers"


class TestWhisperCpp(RealContract):
    """The contract on whisper.cpp, in the fullest precision it has on the cpu."""

    name, sdk, compute_type = "whisper-cpp", "_pywhispercpp", "float16"
    words_in_silence = 1  # "you", after which its window holds the spectrum of silence


def _cache() -> Path:
    override = os.environ.get(CACHE_VARIABLE)
    return cache_root(Path(override) if override else None)
